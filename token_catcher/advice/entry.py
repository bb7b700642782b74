"""What is said of one code: what happened, and what a person does next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """One cause of trouble, or one reason for which a mail was not simply stored."""

    number: int
    """Never given to another cause, not even once this one is gone."""
    means: str
    """What happened, in a sentence."""
    step: str = ""
    """What a person does about it; empty: nothing is to be done."""
    if_genuine: str = ""
    """Of refused mail: what a person does if it is genuine all the same."""

    @property
    def code(self) -> str:
        """`TC448`, under which docs/errors.md explains it."""
        return f"TC{self.number}"
