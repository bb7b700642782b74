"""Tag lists (RFC 6376, section 3.2), of which signatures and key records are made; and what can be
said of a signature that does not count.

Every tag is read here, strictly and once: no second reading can differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

MAX_TAGS_BYTES: Final = 4096
_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUE: Final = re.compile(r"[!-:<-~ \t]*")

Verdict = Literal["pass", "no-key", "unverifiable", "fail", "none"]
"""no-key: nothing against the mail, but there is no key to check it with, which may pass.
unverifiable: nothing against the mail, but it cannot be checked (changed body, expired).
none: not signed by a signing domain."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What the signatures of a mail prove."""

    verdict: Verdict
    saw: str
    signed_at: datetime | None = None
    """`t=` of the signature that passed."""
    covers_encoding: bool = False
    """Whether the signature that passed covers Content-Transfer-Encoding as well."""


class Unacceptable(Exception):
    """A signature that does not count, and why."""

    def __init__(self, saw: str, verdict: Verdict = "fail") -> None:
        super().__init__(saw)
        self.verification = Verification(verdict, saw)


def tags_of(value: bytes) -> Mapping[str, str]:
    """RFC 6376, section 3.2: a tag list without doubles."""
    if len(value) > MAX_TAGS_BYTES:
        raise Unacceptable(f"a signature of more than {MAX_TAGS_BYTES} bytes")
    text = value.decode("ascii", "replace").replace("\r\n", "").strip()
    tags: dict[str, str] = {}
    # Of a tag said twice one program takes the first and another the last.
    for piece in text.removesuffix(";").split(";"):
        name, equals, content = (part.strip() for part in piece.partition("="))
        if not equals or not _TAG.fullmatch(name) or not _VALUE.fullmatch(content) or name in tags:
            raise Unacceptable("a malformed tag list")
        tags[name] = content
    return tags


def demand(rules: Iterable[tuple[bool, str]], where: str = "") -> None:
    """Every rule holds, or its words say why the signature does not count."""
    for holds, trouble in rules:
        if not holds:
            raise Unacceptable(where + trouble)


def names_in(listed: str) -> list[str]:
    """What stands between colons, as in `h=`; case does not count."""
    return [name.strip().lower() for name in listed.split(":")]
