"""Finds the claim in a text: by structure, in any language.

    <label>: <username>          one run without white space, with an @
    <label>: <token>             the very next line; the whole value 20 to 32 ASCII letters and digits

Labels are compared after NFKC (full-width colons and parentheses), values never: a full-width digit is no digit of a token. A
person's name can carry a line of its own into the mail, so a second line that looks like either makes the claim ambiguous.

Known labels are never needed for a claim. They, and the word Salesforce, only tell a token mail in a layout not known yet,
which a person must see, from all the mail that has some `label: value` in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from token_catcher.model import Claim, Reason, Token, Unclear

TOKEN: Final = re.compile(r"[A-Za-z0-9]{20,32}")
"""24 or 25 characters in all published ones; some room, since Salesforce promises no length."""
MAX_LABEL: Final = 80
USERNAME_LABELS: Final = ("username", "user name", "ユーザ名", "ユーザー名")
TOKEN_LABELS: Final = ("security token", "セキュリティトークン")

_LINE: Final = re.compile(
    rf"([^\s:：][^:：]{{0,{MAX_LABEL - 1}}})[:：][ \t\u00a0\u3000]*(\S+)[ \t\u00a0\u3000]*"
)
"""`label: value` where the value has no white space."""
_ALONE: Final = re.compile(r"^[ \t]*(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,32}[ \t]*$", re.MULTILINE)
"""A line that is nothing but a token; the digit tells it from the long words of some languages."""


@dataclass(frozen=True, slots=True)
class LabelledLine:
    """A line of the form `label: value`."""

    label: str
    value: str

    @property
    def value_is_username(self) -> bool:
        """By structure: an address-like value that is no link."""
        return "@" in self.value and "/" not in self.value

    @property
    def value_is_token(self) -> bool:
        """By structure: nothing but the token."""
        return TOKEN.fullmatch(self.value) is not None

    @property
    def label_is_username(self) -> bool:
        """By its label."""
        return self.label in USERNAME_LABELS

    @property
    def label_is_token(self) -> bool:
        """By its label, of which the token mail has a longer form: `Security token (case-sensitive)`."""
        return any(
            re.fullmatch(re.escape(known) + r"( ?\(.*\))?", self.label) for known in TOKEN_LABELS
        )


def agreed(readings: Sequence[str], hidden: Sequence[str]) -> Claim | Unclear | None:
    """What all texts of a mail say together: one claim, or none, or nothing clear.

    Each reading must make the claim; a corner need not, but must not contradict it."""
    found = [find(reading) for reading in readings]
    aside = [_lines(text) for text in hidden]
    if all(one is None for one in found):
        return (
            Unclear(Reason.AMBIGUOUS_CLAIM, "a claim outside of the texts")
            if any(map(_pairs, aside))
            else None
        )
    for one in found:
        if isinstance(one, Unclear):
            return one
    claim = found[0]
    if any(one != claim for one in found):
        return Unclear(
            Reason.AMBIGUOUS_CLAIM,
            f"{len(found)} texts that do not agree on one username and token",
        )
    assert isinstance(
        claim, Claim
    )  # some reading makes a claim, none an unclear one, and all are alike
    if any(_contradicts(lines, claim) for lines in aside):
        return Unclear(Reason.AMBIGUOUS_CLAIM, "another claim outside of the texts")
    return claim


def find(text: str) -> Claim | Unclear | None:
    """The one claim of a text; Unclear where there is more than one, or one that is not understood; None without any."""
    lines = _lines(text)
    pairs = _pairs(lines)
    present = [line for line in lines if line]
    if not pairs:
        return _hint(present, text)
    username, token = pairs[0]
    usernames = sum(
        line.label_is_username or (line.value_is_username and line.label == username.label)
        for line in present
    )
    tokens = sum(line.label_is_token or line.value_is_token for line in present)
    if len(pairs) > 1 or usernames > 1 or tokens > 1:
        return Unclear(
            Reason.AMBIGUOUS_CLAIM, f"{usernames} lines with a username, {tokens} with a token"
        )
    return Claim(username.value, Token(token.value))


def _hint(lines: Sequence[LabelledLine], text: str) -> Unclear | None:
    """A line that says it holds a token, or by its form has or is one in a mail about Salesforce; no username before it."""
    tokens = sum(line.label_is_token for line in lines)
    if not tokens and "salesforce" in text.casefold():
        tokens = sum(line.value_is_token for line in lines) or len(_ALONE.findall(text))
    return (
        Unclear(Reason.UNKNOWN_LAYOUT, f"{tokens} lines with a token, none right after a username")
        if tokens
        else None
    )


def _contradicts(lines: Sequence[LabelledLine | None], claim: Claim) -> bool:
    """Whether a line names another username or token, by its label or as one of a pair."""
    pairs = _pairs(lines)
    usernames = [line for line in lines if line and line.label_is_username] + [
        one for one, _ in pairs
    ]
    tokens = [line for line in lines if line and line.label_is_token] + [one for _, one in pairs]
    return any(one.value != claim.username for one in usernames) or any(
        Token(one.value) != claim.token for one in tokens
    )


def _pairs(lines: Sequence[LabelledLine | None]) -> list[tuple[LabelledLine, LabelledLine]]:
    """A username, and right under it a token."""
    return [
        (a, b) for a, b in pairwise(lines) if a and b and a.value_is_username and b.value_is_token
    ]


def _lines(text: str) -> list[LabelledLine | None]:
    return [_line(line) for line in text.split("\n")]


def _line(text: str) -> LabelledLine | None:
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    label = " ".join(unicodedata.normalize("NFKC", found[1]).casefold().split())
    return LabelledLine(label, found[2])
