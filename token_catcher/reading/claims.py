"""Finds the claim in a text: by structure, in any language.

    <label>: <username>       one run without white space, with an @
    <label>: <token>          the very next line; the whole value 20 to 32 ASCII letters and digits

Labels are compared after NFKC (full-width colons and parentheses), values never: a full-width digit
is no digit of a token. A label begins with a letter: `> Username:` is quoted by somebody who wrote
the mail, and no claim of Salesforce's. A person's name can carry a line of its own into the mail,
so a second line that looks like either makes the claim ambiguous, and so does a second token
anywhere.

Known labels are never needed for a claim. They, and the word Salesforce, only tell a token mail
in a layout not known yet, which a person must see, from all the mail that has some `label: value`
in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from token_catcher.model import Claim, Reason, Token, Unclear
from token_catcher.reading import shape

TOKEN: Final = re.compile(r"[A-Za-z0-9]{20,32}")
"""24 or 25 characters in all published ones; Salesforce promises no length."""
MAX_LABEL: Final = 80
USERNAME_LABELS: Final = ("username", "user name", "ユーザ名", "ユーザー名")
TOKEN_LABELS: Final = ("security token", "セキュリティトークン")

_LABELLED: Final = re.compile(
    rf"([^\s:：][^:：]{{0,{MAX_LABEL - 1}}})[:：][ \t\u00a0\u3000]*(\S+)[ \t\u00a0\u3000]*"
)
"""`label: value` where the value has no white space."""
_TOKEN_LABEL: Final = re.compile(rf"(?:{'|'.join(TOKEN_LABELS)})(?: ?\(.*\))?")
"""The token mail itself has the longer form: `Security token (case-sensitive)`."""
_BARE_TOKEN: Final = re.compile(r"^[ \t]*(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,32}[ \t]*$", re.MULTILINE)
"""A line that is nothing but a token; the digit tells it from the long words of some languages."""

_LABEL_END: Final = re.compile(r"(?:[:\s]|=[0-9A-Fa-f]{2})\Z")
"""What is in front of a value: a colon, white space, or either of them in quoted-printable."""
_TOKEN_AT_END: Final = re.compile(rf"(?:[:\s]|=[0-9A-Fa-f]{{2}})({TOKEN.pattern})\Z")
_LONGEST_END: Final = 35
"""A token of 32 characters and three in front of it."""


@dataclass(frozen=True, slots=True)
class LabelledLine:
    """A line of the form `label: value`."""

    label: str
    """In its NFKC form, lower case, with single spaces."""
    value: str
    """As written."""

    @property
    def label_is_plain(self) -> bool:
        """Whether the label begins with a letter, of whatever script."""
        return self.label[:1].isalpha()

    @property
    def value_is_username(self) -> bool:
        """Whether the value has the form of an address, and is no link."""
        return "@" in self.value and "/" not in self.value

    @property
    def value_is_token(self) -> bool:
        """Whether the value is nothing but a token."""
        return TOKEN.fullmatch(self.value) is not None

    @property
    def label_is_username(self) -> bool:
        """Whether a known label announces a username."""
        return self.label in USERNAME_LABELS

    @property
    def label_is_token(self) -> bool:
        """Whether a known label announces a token."""
        return _TOKEN_LABEL.fullmatch(self.label) is not None


def agreed(readings: Sequence[str], hidden: Sequence[str]) -> Claim | Unclear | None:
    """What all texts of a mail say together: one claim, or none, or nothing clear.

    Each reading must make the claim. Hidden text need not, but must not contradict it."""
    claim = _common_claim([find(reading) for reading in readings])
    if isinstance(claim, Unclear):
        return claim
    hidden_lines = [_lines(text) for text in hidden]
    if claim is None:
        if any(_pairs(lines) for lines in hidden_lines):
            return Unclear(Reason.AMBIGUOUS_CLAIM, "a claim outside of the texts")
        return None
    if any(_contradicts(lines, claim) for lines in hidden_lines):
        return Unclear(Reason.AMBIGUOUS_CLAIM, "another claim outside of the texts")
    if any(_has_another_token(reading, claim) for reading in readings):
        return Unclear(Reason.AMBIGUOUS_CLAIM, "something like a second token in a text")
    return claim


def stands_in(claim: Claim, text: str) -> bool:
    """Whether quoted-printable, read as it stands, makes this claim and no other.

    Its labels may be encoded, since they decide nothing, and broken; username and token are not
    encoded, and not broken behind a known label."""
    joined = text.replace("=\n", "")
    if _contradicts(_lines(text), claim) or _contradicts(_lines(joined), claim):
        return False
    lines = [line.rstrip(" \t") for line in joined.split("\n")]
    for line, following in pairwise(lines):
        token = _TOKEN_AT_END.search(following[-_LONGEST_END:])
        if token and Token(token[1]) == claim.token and _ends_in(line, claim.username):
            return True
    return False


def _ends_in(line: str, value: str) -> bool:
    """Whether a line ends in the value, and this begins there."""
    label = line.removesuffix(value)
    return label != line and _LABEL_END.search(label[-3:]) is not None


def _common_claim(claims: Sequence[Claim | Unclear | None]) -> Claim | Unclear | None:
    """What every reading says alike. One that is unclear makes the whole unclear."""
    for claim in claims:
        if isinstance(claim, Unclear):
            return claim
    first = next(iter(claims), None)
    if any(claim != first for claim in claims):
        return Unclear(
            Reason.AMBIGUOUS_CLAIM,
            f"{len(claims)} texts that do not agree on one username and token",
        )
    return first


def find(text: str) -> Claim | Unclear | None:
    """The one claim of a text.

    Unclear where there is more than one, or one that is not understood; None without any."""
    lines = _lines(text)
    pairs = _pairs(lines)
    if not pairs:
        return _token_without_username(lines, text)
    username, token = pairs[0]
    # Whoever chose a name that the mail repeats may have put a line of his own beside the true one:
    # under a known label, or under the label that stands here (in whatever language).
    usernames = 0
    tokens = 0
    for line in filter(None, lines):
        same_label = line.value_is_username and line.label == username.label
        usernames += line.label_is_username or same_label
        tokens += line.label_is_token or line.value_is_token
    if len(pairs) > 1 or usernames > 1 or tokens > 1:
        return Unclear(
            Reason.AMBIGUOUS_CLAIM, f"{usernames} lines with a username, {tokens} with a token"
        )
    if not (username.label_is_plain and token.label_is_plain):
        return Unclear(Reason.UNKNOWN_LAYOUT, "a username and a token that are quoted")
    return Claim(username.value, Token(token.value))


def _token_without_username(lines: Sequence[LabelledLine | None], text: str) -> Unclear | None:
    """Unclear where a line announces a token, or has or is one in a text about Salesforce."""
    labelled = [line for line in lines if line]
    tokens = sum(line.label_is_token for line in labelled)
    if not tokens and "salesforce" in text.casefold():
        tokens = sum(line.value_is_token for line in labelled)
        tokens = tokens or len(_BARE_TOKEN.findall(text))
    if not tokens:
        return None
    return Unclear(
        Reason.UNKNOWN_LAYOUT, f"{tokens} lines with a token, none right after a username"
    )


def _has_another_token(reading: str, claim: Claim) -> bool:
    """Whether a text has a second token in whatever layout.

    A pair that somebody had Salesforce repeat may be the only one in the layout that is known."""
    return any(Token(word) != claim.token for word in shape.token_words(reading))


def _contradicts(lines: Sequence[LabelledLine | None], claim: Claim) -> bool:
    """Whether a line names another username or token, by its label or as one of a pair."""
    for username, token in _pairs(lines):
        if Claim(username.value, Token(token.value)) != claim:
            return True
    for line in filter(None, lines):
        if line.label_is_username and line.value != claim.username:
            return True
        if line.label_is_token and Token(line.value) != claim.token:
            return True
    return False


def _pairs(lines: Sequence[LabelledLine | None]) -> list[tuple[LabelledLine, LabelledLine]]:
    """Every username that has a token on the very next line, each with that token."""
    pairs = []
    for line, following in pairwise(lines):
        if line and following and line.value_is_username and following.value_is_token:
            pairs.append((line, following))
    return pairs


def _lines(text: str) -> list[LabelledLine | None]:
    """Every line of a text; None for one of another form, which keeps its neighbours apart."""
    return [_labelled(line) for line in text.split("\n")]


def _labelled(line: str) -> LabelledLine | None:
    parts = _LABELLED.fullmatch(line)
    if parts is None:
        return None
    # NFKC turns full-width letters and parentheses into plain ones. Never done to the value.
    label = unicodedata.normalize("NFKC", parts[1]).casefold()
    return LabelledLine(" ".join(label.split()), parts[2])
