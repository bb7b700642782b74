"""Numbers beside their nouns, as people say them."""

from __future__ import annotations


def counted(number: int, noun: str, several: str = "") -> str:
    """`1 record`, `2 records`. `several`: the plural, where it is not the noun with an -s."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {several or noun + 's'}"
