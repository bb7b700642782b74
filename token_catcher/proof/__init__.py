"""Candidate in, capture out: does the mail prove itself, and where does its token go?

Only here is a `Capture` made."""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.proof.authres import Place, Zone, counts, places
    from token_catcher.proof.case import Policy, Terms
    from token_catcher.proof.routing import (
        ORG_ID,
        Org,
        is_plain_path,
        is_username,
        matches,
        naming,
        overlaps,
    )
    from token_catcher.proof.signature import outlines
    from token_catcher.proof.trust import WAIVABLE, Trust

__all__ = [
    "ORG_ID",
    "WAIVABLE",
    "Org",
    "Place",
    "Policy",
    "Terms",
    "Trust",
    "Zone",
    "counts",
    "is_plain_path",
    "is_username",
    "matches",
    "naming",
    "outlines",
    "overlaps",
    "places",
]

__getattr__ = face(
    __name__,
    {
        "authres": ("Place", "Zone", "counts", "places"),
        "case": ("Policy", "Terms"),
        "routing": (
            "ORG_ID",
            "Org",
            "is_plain_path",
            "is_username",
            "matches",
            "naming",
            "overlaps",
        ),
        "signature": ("outlines",),
        "trust": ("Trust", "WAIVABLE"),
    },
)
