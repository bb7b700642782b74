"""What a person does next: one table, by error code and by the reason of a mail.

A code such as TC448 stands behind each next step. docs/errors.md, which is made from the table by
docs/errors.py, explains it.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.advice.entry import Advice
    from token_catcher.advice.mail import MAIL
    from token_catcher.advice.missing import USUAL_REASONS
    from token_catcher.advice.table import (
        ADVICE,
        AREAS,
        CODES,
        IF_GENUINE,
        NEXT_STEP,
        advice_for,
        code_of,
        next_step,
    )

__all__ = [
    "ADVICE",
    "AREAS",
    "CODES",
    "IF_GENUINE",
    "MAIL",
    "NEXT_STEP",
    "USUAL_REASONS",
    "Advice",
    "advice_for",
    "code_of",
    "next_step",
]

__getattr__ = face(
    __name__,
    {
        "entry": ("Advice",),
        "mail": ("MAIL",),
        "missing": ("USUAL_REASONS",),
        "table": (
            "ADVICE",
            "AREAS",
            "CODES",
            "IF_GENUINE",
            "NEXT_STEP",
            "advice_for",
            "code_of",
            "next_step",
        ),
    },
)
