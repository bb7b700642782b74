"""How much of its time a token has lived, as a bar."""

from __future__ import annotations


def age_bar(age: int, max_age: int) -> str:
    """Both in seconds. The cell around it says the same in words, so readers of screens skip it."""
    percent = 100
    if age < max_age:
        percent = 100 * age // max_age
    kind = "part"
    if age > max_age:
        kind = "overdue"
    return (
        '<svg class="bar" aria-hidden="true" focusable="false">'
        '<rect width="100%" height="100%" rx="3"/>'
        f'<rect class="{kind}" width="{percent}%" height="100%" rx="3"/></svg>'
    )
