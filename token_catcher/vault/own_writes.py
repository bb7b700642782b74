"""Which version of a secret is our own write of a mail.

Our own write is known again by what it carries: the mail it came from, the writer, and the number
of the version, which check-and-set lets us know before the write. Later changes of other fields,
rollbacks and a secret that keeps one version alone carry these fields on, and they still name the
version that was ours. Secrets of earlier versions of this program do not have them: they are
compared like any other, and none of them is claimed after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from token_catcher.model import Capture, Receipt
from token_catcher.vault.kv import KeyValue
from token_catcher.vault.version import SecretVersion

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
"""Of a version."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """The mails that the versions of a secret tell of, up to a latest one."""

    number: int
    created_at: str
    mails: frozenset[str]

    def ends_at(self, latest: SecretVersion) -> bool:
        """Whether that latest version is still the latest."""
        return (self.number, self.created_at) == (latest.number, latest.created_at)


class OwnWrites:
    """What is known of the versions that we wrote. Thread-safe."""

    def __init__(self, secrets: KeyValue, writer: Callable[[], str]) -> None:
        """`writer`: our id, asked when something is stored."""
        self._secrets = secrets
        self._writer = writer
        self._walks: dict[str, _Walk] = {}
        """By path. The next mail that is not written costs no second walk through its versions:
        whoever re-sends an old mail, each time in another dress, has Vault asked once a mail."""

    def written(self, capture: Capture, current: SecretVersion) -> Receipt | None:
        """The version in which we wrote the token of this mail; None: no version that is kept tells
        of one."""
        walk = self._walks.get(capture.path)
        if walk and walk.ends_at(current) and capture.mail.digest not in walk.mails:
            return None
        mails = set()
        certain = True
        for version in self._secrets.history(capture.path, current):
            mails.add(version.ours("mail") or "")
            certain = certain and not version.gone  # it may be undeleted
            number = self._number_carried(version, capture)
            if number is not None:
                created_at = self._created_at(capture, number, version)
                return Receipt(capture.path, number, created_at, None)
        if certain:
            self._walks[capture.path] = _Walk(current.number, current.created_at, frozenset(mails))
        return None

    def note(self, capture: Capture, before: SecretVersion, receipt: Receipt) -> None:
        """What is known of the versions up to a write of ours, and the write as well."""
        walk = self._walks.get(capture.path)
        if not before.number:
            walk = _Walk(before.number, before.created_at, frozenset())
        number = before.number + 1
        # A second write may have been made since, of which nothing is known.
        is_next = receipt.version == number
        if walk and walk.ends_at(before) and is_next and receipt.created_at is not None:
            mails = walk.mails | {capture.mail.digest}
            self._walks[capture.path] = _Walk(number, receipt.created_at, mails)

    def _number_carried(self, version: SecretVersion, capture: Capture) -> int | None:
        """The number of our write of this mail, where the version carries its fields."""
        if version.ours("mail") != capture.mail.digest:
            return None
        if version.ours("writer") != self._writer():
            return None
        text = version.ours("version") or ""
        # Who may write the secret may have written anything there.
        if not _NUMBER.fullmatch(text) or int(text) > version.number:
            return None
        return int(text)

    def _created_at(self, capture: Capture, number: int, carrier: SecretVersion) -> str | None:
        """When Vault made the version of our write; None: it does not keep it any more."""
        if number == carrier.number:
            return carrier.created_at
        version = self._secrets.read(capture.path, number)
        # Somebody may have removed the secret, and put in again what they had kept of it.
        if version.gone or self._number_carried(version, capture) == number:
            return version.created_at
        return None
