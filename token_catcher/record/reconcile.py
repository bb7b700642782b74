"""The records of one secret, held against the versions that Vault keeps of it; pure.

Records come in the order of the journal, each once, and are forgotten at once: what is kept of them
does not grow with the journal, but with the versions in Vault.

A version is known by its number *and* by Vault's time of it: numbers begin anew where a secret was
removed with all its versions. Exactly one `stored` record tells of each version that we wrote. It
tells of the token as well, and so does an `unchanged` one (`proven`). So where another instance was
faster, or stored again what Vault had lost, our own record proves its write; as long as that is a
write that an instance makes: with the times of the mail, and never over a newer token.

Others write to the same secrets, and may: a password that a person changes makes a version as well,
which carries the token and our fields on. It is a note. What a version of somebody else's changes
about the token, or about our fields, is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Ended, Event, KeptVersion, OurFields, moment
from token_catcher.record.difference import Beginning, Code, Difference, Recorded, time_of
from token_catcher.record.proven import Proven, not_of_mail
from token_catcher.record.waiting import IN_VAULT
from token_catcher.wording import counted

_ENDED: Final = {
    Ended.DELETED: Code.DELETED_VERSION,
    Ended.DESTROYED: Code.DESTROYED_VERSION,
    Ended.EXPIRED: Code.EXPIRED_VERSION,
}


class Comparison:
    """One secret. Give it its records, then ask for the differences."""

    def __init__(
        self,
        path: str,
        versions: Sequence[KeptVersion],
        writer: str | None,
        fingerprints: Fingerprints = PLAIN,
    ) -> None:
        """`versions`: all that Vault keeps, oldest first. `writer`: our own id, None where it is
        not known. `fingerprints`: of the journal, under the keys that there are."""
        self.path = path
        self._proven = Proven(versions, fingerprints)
        self._versions = versions
        self._writer = writer
        self._by_number = {version.number: version for version in versions}
        self._carried = {version.ours.version for version in versions} - {None}
        """The numbers that versions carry of the write that they go back to."""
        self._stored: dict[int, Recorded] = {}
        """By the number of the version that the record tells of."""
        self._again: dict[int, Recorded] = {}
        """Further records of such a version, the first of them."""
        self._written: dict[str, Recorded] = {}
        """By number, of writes that a version carries on and Vault does not keep."""
        self._lost = _Lost()
        """The records of versions that Vault has not, since the last one that it has."""
        self._overtaken = _Lost()
        """The same of those before that one."""
        self._trimmed = 0
        self._last_trimmed: Recorded | None = None

    def take(self, record: Recorded) -> None:
        """The next record of this secret."""
        if record.event not in IN_VAULT:
            return
        self._proven.take(record)
        if record.event == Event.STORED and record.version is not None:
            self._take_stored(record, record.version)

    @property
    def own_since(self) -> int | None:
        """The number of the first record whose version carries our own id; None: there is none."""
        numbers = []
        for number, record in self._stored.items():
            writer = self._by_number[number].ours.writer
            if writer is not None and writer == self._writer:
                numbers.append(record.seq)
        return min(numbers, default=None)

    def differences(self, began: Beginning, own_since: int | None) -> Iterator[Difference]:
        """Of the secret as a whole first, then of its versions, oldest first.

        `own_since`: that of all secrets: since then no other id is ours."""
        yield from self._of_the_secret()
        before: KeptVersion | None = None
        for version in self._versions:
            yield self._of_version(version, before, began, own_since)
            again = self._again.get(version.number)
            if again is not None:
                saw = f"records {self._stored[version.number].seq} and {again.seq} tell of it"
                yield self._told(Code.RECORDED_TWICE, version, saw, again)
            if version.ended is None:
                before = version

    # -- taking records --

    def _take_stored(self, record: Recorded, number: int) -> None:
        version = self._by_number.get(number)
        if version is not None and version.created_at == record.created_at:
            self._take_matched(record, number)
        elif self._versions and number < self._versions[0].number:
            self._trimmed += 1
            self._last_trimmed = record
            if str(number) in self._carried:
                self._written[str(number)] = record
        else:
            self._lost = self._lost.with_record(record)

    def _take_matched(self, record: Recorded, number: int) -> None:
        self._overtaken = self._overtaken.and_then(self._lost)
        self._lost = _Lost()
        if number in self._stored:
            self._again.setdefault(number, record)
        else:
            self._stored[number] = record

    # -- the secret as a whole --

    def _of_the_secret(self) -> Iterator[Difference]:
        lost = self._lost
        if lost.last is not None and not self._versions:
            saw = f"{lost.told}; Vault has none"
            yield self._lacking(Code.SECRET_MISSING, lost.last, saw)
        elif lost.last is not None:
            saw = f"{lost.told}; Vault's newest is {self._versions[-1].number}"
            yield self._lacking(Code.ROLLED_BACK, lost.last, saw)
        if self._overtaken.last is not None:
            saw = f"{self._overtaken.told}; Vault has others"
            yield self._lacking(Code.REMADE_SECRET, self._overtaken.last, saw)
        if self._trimmed:
            records = counted(self._trimmed, "record")
            saw = f"{records} of versions before {self._versions[0].number}"
            yield Difference(Code.TRIMMED_VERSIONS, self.path, saw)
        untold = self._proven.untold
        if untold:
            saw = f"the tokens of {untold} records were not compared: their key is gone"
            yield Difference(Code.UNKNOWN_KEY, self.path, saw)

    def _lacking(self, code: Code, record: Recorded, saw: str) -> Difference:
        return Difference(code, self.path, saw, record.version, record.created_at, record=record)

    # -- one version --

    def _of_version(
        self,
        version: KeptVersion,
        before: KeptVersion | None,
        began: Beginning,
        own_since: int | None,
    ) -> Difference:
        """`before`: the newest one before it that is there."""
        record = self._stored.get(version.number)
        if record is not None:
            return self._recorded(version, record, own_since)
        if self._is_of_before(version, began):
            return self._told(Code.BEFORE_RECORDS, version, "it is older than the first record")
        if version.ended is not None:
            saw = f"it {_end_of(version)}, and no record tells of it"
            return self._told(_ENDED[version.ended], version, saw)
        return self._unrecorded(version, before)

    def _recorded(
        self, version: KeptVersion, record: Recorded, own_since: int | None
    ) -> Difference:
        if version.ended is not None:
            saw = f"it {_end_of(version)}"
            return self._told(_ENDED[version.ended], version, saw, record)
        differing = self._differing(version, record)
        if version.ours.version is not None and not _is_fresh(version):
            differing.append("security_token_version")
        if differing:
            saw = f"the record differs from the version in: {', '.join(differing)}"
            return self._told(Code.FORGED_RECORD, version, saw, record)
        if self._writer is None or version.ours.writer == self._writer:
            return self._told(Code.RECORDED, version, "as recorded", record)
        # The file `writer` may be a new one. But no earlier id comes back.
        if own_since is not None and record.seq > own_since:
            saw = "the record says that we wrote it, the version carries another writer"
            return self._told(Code.FORGED_RECORD, version, saw, record)
        saw = "it carries another writer than ours of now, as if `writer` was made anew"
        return self._told(Code.EARLIER_WRITER, version, saw, record)

    def _is_of_before(self, version: KeptVersion, began: Beginning) -> bool:
        """Whether no record is to be expected of this version.

        Of a write of ours there is one, as long as no file was moved away."""
        if began.at is not None and not _is_before(version.created_at, began.at):
            return False
        if self._is_own_write(version):
            return not began.is_whole
        return self._proven.carried_by(version) is None

    def _unrecorded(self, version: KeptVersion, before: KeptVersion | None) -> Difference:
        """No record tells of this version, which is there."""
        if version.fingerprint is None:
            return self._without_token(version, before)
        if self._is_carried_on(version, before):
            saw = "somebody else wrote other fields; the token is the one before"
            return self._told(Code.OTHER_FIELDS, version, saw)
        if _is_fresh(version):
            return self._fresh(version, before)
        return self._by_somebody(version, before)

    def _by_somebody(self, version: KeptVersion, before: KeptVersion | None) -> Difference:
        """It has another token than the version before it, or other fields of ours."""
        if before is None or before.fingerprint is None:
            return self._told(Code.UNRECORDED_VERSION, version, "somebody else wrote this token")
        if version.fingerprint == before.fingerprint:
            changed = ", ".join(_changed(before.ours, version.ours))
            saw = f"the token is the one before, our fields are not: {changed}"
            return self._told(Code.FIELDS_BY_HAND, version, saw)
        if version.ours == before.ours:
            saw = "another token beside our fields of the one before"
            return self._told(Code.TOKEN_BY_HAND, version, saw)
        return self._told(Code.UNRECORDED_VERSION, version, self._whose_token(version))

    def _without_token(self, version: KeptVersion, before: KeptVersion | None) -> Difference:
        if before is not None and before.fingerprint is not None:
            saw = f"version {before.number} had a token, this one has none"
            if version.has_other_value:
                saw = f"version {before.number} had a token, this one has something else there"
                return self._told(Code.NOT_A_TOKEN, version, saw)
            return self._told(Code.TOKEN_REMOVED, version, saw)
        return self._told(Code.OTHER_FIELDS, version, "somebody else wrote it; it has no token")

    def _is_carried_on(self, version: KeptVersion, before: KeptVersion | None) -> bool:
        """Whether token and our fields are those of before, as where a password was changed."""
        if before is not None:
            return (version.fingerprint, version.ours) == (before.fingerprint, before.ours)
        if _is_fresh(version):
            return False
        # Vault does not keep the version that they were written in; a record may tell of it.
        written = self._written.get(version.ours.version or "")
        if written is not None:
            return not self._differing(version, written)
        return self._proven.carried_by(version) is not None

    def _fresh(self, version: KeptVersion, before: KeptVersion | None) -> Difference:
        """It looks like the write of an instance of this program."""
        # Also where we have its token otherwise: of a version that we wrote there is one record.
        if self._is_own_write(version):
            saw = "we wrote it, and have no record of it"
            return self._told(Code.RECORD_MISSING, version, saw)
        proof = self._proven.carried_by(version)
        if proof is not None:
            return self._of_another(version, before, proof)
        saw = "it carries another writer, and no record of ours tells of its token"
        return self._told(Code.ANOTHER_INSTANCE, version, saw)

    def _of_another(
        self, version: KeptVersion, before: KeptVersion | None, proof: Recorded
    ) -> Difference:
        """Another instance wrote a token that we have as proven; or somebody who imitates one."""
        newer = self._newer_before(before, proof)
        if newer is not None:
            saw = f"somebody wrote an older token over that of record {newer.seq}"
            return self._told(Code.UNRECORDED_VERSION, version, saw)
        wrong = not_of_mail(version.ours, proof)
        if wrong:
            saw = f"the token is that of record {proof.seq}, our fields are not: {', '.join(wrong)}"
            return self._told(Code.FIELDS_BY_HAND, version, saw)
        saw = "another instance wrote it; our journal proves the token"
        return self._told(Code.OTHERS_WRITE, version, saw)

    def _newer_before(self, before: KeptVersion | None, proof: Recorded) -> Recorded | None:
        """The record of the token that was there before, where that is newer than this one."""
        there = self._last_trimmed
        if before is not None:
            there = self._proven.by_token(before)
        if there is None or there.date is None or proof.date is None:
            return None
        if there.date > proof.date:
            return there
        return None

    def _differing(self, version: KeptVersion, record: Recorded) -> list[str]:
        """In what a record of this write differs from what the version holds."""
        differing = _differing(version, record)
        if self._proven.is_of_another(record, version):
            differing.insert(0, "token")
        return differing

    def _is_own_write(self, version: KeptVersion) -> bool:
        if self._writer is None or not _is_fresh(version):
            return False
        return version.ours.writer == self._writer

    def _whose_token(self, version: KeptVersion) -> str:
        """Where the token of a version that somebody else wrote was before, if it was."""
        for earlier in self._versions:
            is_same = (earlier.fingerprint, earlier.ours) == (version.fingerprint, version.ours)
            if is_same and earlier.number < version.number:
                return f"somebody else wrote the token of version {earlier.number} again"
        return "somebody else wrote this token"

    def _told(
        self, code: Code, version: KeptVersion, saw: str, record: Recorded | None = None
    ) -> Difference:
        told = Difference(
            code,
            self.path,
            saw,
            version.number,
            version.created_at,
            record=record,
            writer=version.ours.writer,
            captured_by=version.ours.captured_by,
        )
        if version.ended is None:
            return told
        return replace(told, ends_at=version.ends_at)


@dataclass(frozen=True, slots=True)
class _Lost:
    """Records of versions that Vault has not: how many, and between which."""

    count: int = 0
    first: Recorded | None = None
    last: Recorded | None = None

    def with_record(self, record: Recorded) -> _Lost:
        """And this one."""
        return _Lost(self.count + 1, self.first or record, record)

    def and_then(self, later: _Lost) -> _Lost:
        """And those that came later."""
        return _Lost(self.count + later.count, self.first or later.first, later.last or self.last)

    @property
    def told(self) -> str:
        """For people."""
        assert self.first is not None
        assert self.last is not None
        if self.count == 1:
            return f"record {self.last.seq}: version {self.last.version}"
        return (
            f"records {self.first.seq} to {self.last.seq}: versions {self.first.version} to"
            f" {self.last.version}"
        )


def _differing(version: KeptVersion, record: Recorded) -> list[str]:
    """The same beside the token."""
    differing = []
    if version.ours.fingerprint not in (None, version.fingerprint):
        differing.append("security_token_fingerprint")
    if version.ours.mail not in (None, record.mail):
        differing.append("security_token_mail")
    # What was recorded after a crash may have been dated by a later look at the mail.
    if not record.recovered and _is_other_time(version.ours.issued_at, record.issued_at):
        differing.append("security_token_issued_at")
    return differing


def _is_other_time(of_version: str | None, of_record: str | None) -> bool:
    if of_version is None or of_record is None:
        return False
    try:
        return moment(of_version) != moment(of_record)
    except ValueError:
        return True


def _changed(before: OurFields, after: OurFields) -> list[str]:
    """The fields that differ."""
    names = OurFields.__dataclass_fields__
    return [f"security_token_{name}" for name in names if _differs(before, after, name)]


def _differs(before: OurFields, after: OurFields, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _is_fresh(version: KeptVersion) -> bool:
    """Whether our fields say that they were written in this very version."""
    return version.ours.version == str(version.number)


def _end_of(version: KeptVersion) -> str:
    """How it ended, for people: `was deleted`."""
    if version.ended is Ended.EXPIRED:
        return "expired"
    return f"was {version.ended}"


def _is_before(created_at: str, time: datetime) -> bool:
    """False also of a time that cannot be read."""
    made = time_of(created_at)
    return made is not None and made < time
