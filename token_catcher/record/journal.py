"""The rotation record: append-only, hash-chained (`chain` has the rule), synced, never a secret.

Records of our own keep the history of the file itself:

    journal.repaired    the torn last line that a crash left was cut off: `cut` bytes
    journal.headless    the head file had vanished, or could not be read since root had put it back
                        as its own; it was made anew
    journal.put_back    the file had been rotated away like a log, or was cut off and had lost its
                        head: put together again from `file`
    journal.keyed       from here on the records are written with another key than before, or with
                        one for the first time; the chain above is keyed with it as well
    journal.archived    the last record of a file: it was closed, and is called `file` now
    journal.continued   the first record of the next one, after `file`

And records of tokens that were stored before: what a login with one proved, `rotation.verified` or
`rotation.unverified`. They belong to no mail, and settle none.

What was tampered with is not continued. A backup holds the journal together with its head; keep
the head that `audit verify` prints somewhere else, or have a key that whoever can write the files
does not have, to notice that somebody wrote both anew.

How the file itself is opened, locked, mended and closed is in `journal_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.model import Entry, Event, ProofEvent, Receipt, as_fields, moment
from token_catcher.ports import Log
from token_catcher.record.archive import (
    archived_files,
    opened_pieces,
)
from token_catcher.record.chain import (
    Head,
    Reading,
)
from token_catcher.record.filelock import PATIENCE, Patience
from token_catcher.record.head import head_file
from token_catcher.record.index import is_of_mail, mail_key, stored_keys
from token_catcher.record.journal_file import JournalFile
from token_catcher.record.keyring import NO_KEYS, Keyring
from token_catcher.record.openfile import HeldRecords, Record, record_of
from token_catcher.record.waiting import IN_VAULT, MailToken

ARCHIVE_AT: Final = 64_000_000
"""Bytes of a file from which on it is closed after an append; ordinary ones are 70,000 records."""

_PROOFS: Final = frozenset(ProofEvent)


class Journal:
    """The record of one instance, open for appending.

    Thread-safe, and safe beside other processes."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        log: Log,
        archive_at: int = ARCHIVE_AT,
        writing: bool = True,
        patience: Patience = PATIENCE,
        keys: Keyring = NO_KEYS,
    ) -> None:
        """Touches nothing yet: the first use opens it, and raises what `open` raises.

        `archive_at`: bytes from which on a file is closed. `writing`: False for who only reads;
        then nothing is created and nothing is mended. `keys`: the current one keys what is written;
        a record that names one of them, and was written without it, is not continued."""
        self._path = path
        self._archive_at = archive_at
        self._file = JournalFile(
            path, now=now, log=log, writing=writing, patience=patience, keys=keys
        )

    def open(self) -> None:
        """Create the file where it is missing, read it, mend what a crash left.

        StateError: not ours, broken, truncated."""
        with self._file.alone():
            pass

    @property
    def is_begun(self) -> bool:
        """Whether there is a file, or a trace of one. StateError: that cannot be known."""
        if files.may_exist(self._path) or files.may_exist(head_file(self._path)):
            return True
        with self._file.translated():
            return bool(archived_files(self._path))

    @property
    def head(self) -> Head:
        """The last record known to this process. From any thread."""
        return self._file.head

    def append(self, entry: Entry) -> Record:
        """Add the record of one mail and make it durable.

        StateError: it could not be, and the mail stays unsettled."""
        with self._file.alone() as file:
            self._file.write(file, as_fields(entry))
            state = self._file.state
            record = record_of(state.content(file, state.index.offsets[-1]))
            self._close_where_full(file)
            return record

    def append_all(
        self,
        entries: Sequence[Entry],
        otherwise: Callable[[Entry], Entry],
        beside: Callable[[Entry, Entry], Entry | None],
    ) -> list[Entry | None]:
        """Add the records of a batch and make them durable together; returns each as it stands.

        In place of the `stored` record of a version that has one already, `otherwise` says what is
        added; and `beside`, of a mail that has a record, what is added to its newest one. None:
        nothing. Asked and added under one lock: of two processes that saw the same version, or took
        the same mail, one records it. All of them or none, unless a crash comes between: then the
        first ones. StateError: none."""
        if not entries:
            return []
        with self._file.alone() as file:
            outcome = list(self._unless_known(file, entries, otherwise, beside))
            added = [as_fields(entry) for entry in outcome if entry is not None]
            if added:
                self._file.write(file, *added)
                self._close_where_full(file)
            return outcome

    def _unless_known(
        self,
        file: FileIO,
        entries: Sequence[Entry],
        otherwise: Callable[[Entry], Entry],
        beside: Callable[[Entry, Entry], Entry | None],
    ) -> Iterator[Entry | None]:
        mails = [mail_key(entry.mailbox, entry.mail) for entry in entries]
        versions = {
            number: stored_keys(as_fields(entry))[0]
            for number, entry in enumerate(entries)
            if entry.event == Event.STORED
        }
        known = self._known_among([*mails, *versions.values()])
        for number, (mail, entry) in enumerate(zip(mails, entries, strict=True)):
            new = entry
            if versions.get(number) in known:
                new = otherwise(entry)
            last = None
            if mail in known:
                last = self._find(file, mail)
            if last is None:
                yield new
            else:
                yield beside(record_of(last).entry, new)

    def _close_where_full(self, file: FileIO) -> None:
        """Close a file that is long enough by now."""
        if self._file.state.reading.size >= self._archive_at:
            self._file.close_if_possible(file)

    def append_proof(self, event: ProofEvent, entry: Entry) -> None:
        """Add what a login with the token of this entry proved. StateError: it could not be."""
        with self._file.alone() as file:
            self._file.write(file, {**as_fields(entry), "event": event})
            self._close_where_full(file)

    def archive(self) -> Path | None:
        """Close the file, and go on in a new one. None: there is nothing in it to close.

        StateError: it could not be."""
        with self._file.alone() as file:
            lines = len(self._file.state.index.offsets)
            if self._file.state.follows is not None:
                lines -= 1  # which is no more than its beginning
            if lines == 0:
                return None
            closed = self._file.close(file)
        self.open()
        return closed

    def last_for(self, mailbox: str, digest: str) -> Record | None:
        """The newest record of a mail: by its bytes, wherever it lies."""
        return self.last_for_each(mailbox, [digest]).get(digest)

    def last_for_each(self, mailbox: str, digests: Iterable[str]) -> dict[str, Record]:
        """The newest record of each of these mails that has one, by digest."""
        records = {}
        with self._file.shared() as file:
            for digest in digests:
                content = self._find(file, mail_key(mailbox, digest))
                if content is not None:
                    records[digest] = record_of(content)
        return records

    def has_stored(self, written: Receipt, digest: str) -> bool:
        """Whether a `stored` record tells of this version, which holds the token of this mail.

        A version that Vault does not keep any more is known by its mail alone."""
        fields = {
            "path": written.path,
            "version": written.version,
            "vault_created_at": written.created_at,
            "mail": digest,
        }
        with self._file.shared():
            return self._has(stored_keys(fields)[0])

    def may_have_lost(self, written: Receipt) -> bool:
        """Whether a record of this version may have been moved away with its file.

        So it may where the first record that is there is not record 1, and the version is older
        than that, or nobody knows how old it is."""
        with self._file.shared() as file:
            first = self._file.archive.first
            if first is None and file is not None and self._file.state.index.offsets:
                first = self._file.state.content(file, 0)
        if first is None or first["seq"] == 1:
            return False
        return _is_before(written.created_at, first["at"])

    def catch_up(self) -> None:
        """Take in what other processes appended: `head` and `held` are as of then.

        StateError: it cannot be read, or is broken."""
        with self._file.shared():
            pass

    @property
    def held(self) -> Sequence[MailToken]:
        """The held mails that wait for a person, as far as this process knows. From any thread."""
        known = self._file.known
        if known is None:
            return []
        return known.index.waiting.mails

    def waiting(self) -> list[Record]:
        """The records of the held mails that wait for a person, as there are now."""
        return list(self.held_records().records)

    def held_records(self) -> HeldRecords:
        """The same, with what cannot be known of it."""
        records = []
        unreadable = []
        with self._file.shared() as file:
            waiting = self._file.state.index.waiting
            for key, mail in waiting.by_key.items():
                content = self._find(file, key)
                if content is None:
                    unreadable.append(mail)
                else:
                    records.append(record_of(content))
            return HeldRecords(tuple(records), tuple(unreadable), waiting.missing)

    def closed_through(self) -> int:
        """The number of the last record of the closed files; 0: there are none."""
        with self._file.shared():
            return self._file.state.reading.start.seq

    def tokens(self) -> list[MailToken]:
        """Of each user and org what the newest record of a token in Vault tells, as there are now.

        Without that record itself, which may be in a file that is not here."""
        with self._file.shared():
            return self._file.state.index.waiting.newest

    def newest_tokens(self, without: Collection[str] = ()) -> Iterator[Record]:
        """Of each user and org the newest record that tells of a token in Vault: of one that was
        stored or found there, or that was older than what was found there.

        `without`: digests of mails whose records are not asked for."""
        for token in self.tokens():
            if token.mail in without:
                continue
            # Not kept open: whoever asks takes their time.
            with self._file.shared() as file:
                content = self._find(file, mail_key(token.mailbox, token.mail))
            if content is not None and content["event"] in IN_VAULT:
                yield record_of(content)

    def hash_of(self, seq: int) -> str | None:
        """The hash of the record of this number. None: it is not here.

        Of a record in a closed file that file is read. StateError: it cannot be."""
        content = self._content_of(seq)
        if content is None:
            return None
        return str(content["hash"])

    def recorded_at(self, seq: int) -> str | None:
        """When the record of this number was written, ISO 8601 in UTC. As `hash_of`."""
        content = self._content_of(seq)
        if content is None:
            return None
        return str(content["at"])

    def _content_of(self, seq: int) -> Mapping[str, Any] | None:
        content = next(iter(self._contents(seq - 1)), None)
        if content is None or content["seq"] != seq:
            return None
        return content

    def records(self, after: int = 0) -> Iterator[Record]:
        """The records of mails with a number above `after`, as there are now, oldest first."""
        for content in self._contents(after):
            if is_of_mail(content):
                yield record_of(content)

    def proofs(self, after: int = 0) -> Iterator[Mapping[str, Any]]:
        """The same of what logins proved, each record as it is."""
        for content in self._contents(after):
            if content["event"] in _PROOFS:
                yield content

    def _contents(self, after: int) -> Iterator[Mapping[str, Any]]:
        with ExitStack() as stack, self._file.translated():
            # What was taken in does not change any more, so it is read without the lock. But the
            # file is opened before: later it may be a closed one, under another name.
            with self._file.shared() as file:
                state = self._file.state
                last = state.reading.head.seq
                start = state.reading.start.seq
                closed = archived_files(self._path)
                if file is not None:
                    file = stack.enter_context(files.opened(self._path))
            if after < start:
                yield from _closed_contents([file.path for file in closed], after, start)
            for seq in range(max(after, start) + 1, last + 1):
                assert file is not None  # it has these records
                yield state.content(file, state.index.offsets[seq - start - 1])

    def _find(self, file: FileIO | None, key: bytes) -> Mapping[str, Any] | None:
        """The newest record with this key, in whatever file."""
        offset = self._file.state.index.find(key)
        if offset is not None and file is not None:
            return self._file.state.content(file, offset)
        return self._file.archive.find(key)

    def _has(self, key: bytes) -> bool:
        """Whether a record has this key, in whatever file: also in one that cannot be read."""
        return bool(self._known_among([key]))

    def _known_among(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys that a record has, as above."""
        index = self._file.state.index
        wanted = set(keys)
        known = {key for key in wanted if index.find(key) is not None}
        if known == wanted:
            return known
        return known | self._file.archive.having(wanted - known)


def _closed_contents(paths: Sequence[Path], after: int, last: int) -> Iterator[Mapping[str, Any]]:
    for path in paths:
        with opened_pieces(path) as pieces:
            for _offset, content in Reading(start=None).lines(pieces):
                if after < content["seq"] <= last:
                    yield content


def _is_before(created_at: str | None, at: str) -> bool:
    """Whether a version is older than a record, or of unknown age."""
    if created_at is None:
        return True
    try:
        return moment(created_at) < moment(at)
    except ValueError:
        return True
