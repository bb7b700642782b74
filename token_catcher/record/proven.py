"""Which tokens of a secret were proven, by the records that tell of them; pure.

What a `stored` record tells of a version, and an `unchanged` one of what was found there, each
tells of its token: that it came in a mail which was proven. By that another instance's write of the
token is known to be genuine, if its fields are those that an instance writes.

Where the key of a record is gone, its token cannot be told. Then the mail has to do, which the
version names.
"""

from __future__ import annotations

from collections.abc import Sequence

from token_catcher.fingerprints import Fingerprints
from token_catcher.model import KeptVersion, OurFields
from token_catcher.record.difference import Recorded, time_of


class Proven:
    """The tokens of one secret. Told of the records that say that a token was in Vault."""

    def __init__(self, versions: Sequence[KeptVersion], fingerprints: Fingerprints) -> None:
        """`versions`: all that Vault keeps; of no other token anything is kept."""
        self._fingerprints = fingerprints
        self._tokens: dict[str, str] = {}
        """The plain fingerprint of each token in a version, by all that a record may have of it."""
        for version in versions:
            self._know(version.fingerprint)
        self._mails = {version.ours.mail for version in versions} - {None}
        self._by_name: dict[str | None, Recorded] = {}
        """The first record of a token, by the plain fingerprint; by the mail, where the record's
        key is gone."""
        self.untold = 0
        """Records whose key is gone, so that their tokens cannot be compared."""

    def _know(self, fingerprint: str | None) -> None:
        if fingerprint is None:
            return
        for form in self._fingerprints.forms(fingerprint):
            self._tokens[form] = fingerprint

    def take(self, record: Recorded) -> None:
        """The next one."""
        name = self._name(record)
        if name is not None:
            self._by_name.setdefault(name, record)

    def _name(self, record: Recorded) -> str | None:
        """None: it is of no token in a version."""
        if self._fingerprints.is_known(record.fingerprint):
            return self._tokens.get(record.fingerprint or "")
        self.untold += 1
        if record.mail in self._mails:
            return record.mail
        return None

    def by_token(self, version: KeptVersion) -> Recorded | None:
        """The record that says that the token in it was proven."""
        record = self._by_name.get(version.fingerprint)
        if record is not None:
            return record
        return self._by_name.get(version.ours.mail)

    def carried_by(self, version: KeptVersion) -> Recorded | None:
        """The same, of a version that says which mail of ours its token came from."""
        if version.ours.mail is None:
            return None
        return self.by_token(version)

    def is_of_another(self, record: Recorded, version: KeptVersion) -> bool:
        """Whether the record is certainly of another token than the version's."""
        return self._fingerprints.is_of(record.fingerprint, version.fingerprint) is False


def not_of_mail(ours: OurFields, proof: Recorded) -> list[str]:
    """Which times of a version an instance cannot have of the mail that our record is of.

    Arrivals differ between mailboxes, but a token has one Date, and is never issued after it."""
    if proof.date is None:
        return []
    wrong = []
    issued_at = time_of(ours.issued_at)
    if issued_at is not None and issued_at > proof.date:
        wrong.append("security_token_issued_at")
    if ours.dated_at is None:
        return wrong
    dated_at = time_of(ours.dated_at)
    # Earlier versions of this program write none, and leave that of the token before.
    is_left = dated_at is not None and issued_at is not None and dated_at < issued_at
    if dated_at != proof.date and not is_left:
        wrong.append("security_token_dated_at")
    return wrong
