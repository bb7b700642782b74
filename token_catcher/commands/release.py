"""A person takes a held mail for good.

The mail is fetched again and judged again, without the rules that a person can set aside. From
there it goes the way of every other mail. What it cannot prove, nobody's word replaces.
"""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from types import TracebackType
from typing import Final, Self

from token_catcher.advice import next_step
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.anchor_result import tell_unanchored
from token_catcher.commands.held import gaps_of
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import result_lines
from token_catcher.commands.results import ScanResult
from token_catcher.commands.rotation import DIGEST, mail_id
from token_catcher.commands.streams import trouble_last
from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.lookup import Found, Lookup
from token_catcher.model import Entry, Event, Mail, Release, masked, moment
from token_catcher.ports import Mailbox
from token_catcher.record import Checkpoint, Journal, Record
from token_catcher.sweep import Watched

PATIENCE: Final = 60.0
"""Seconds to wait for a sweep of the mailbox to end."""
UNKNOWN: Final = "no mail of the journal has this id"
LONGEST_REASON: Final = 200
"""Characters of a reason."""
_ID: Final = re.compile("[0-9a-f]{4,64}")
_UID: Final = re.compile("[0-9]{1,10}")


def release_by(environ: Mapping[str, str], uid: int, reason: str | None) -> Release:
    """The release of the person who runs this."""
    return Release(account(environ, uid), _plain(reason or "") or None)


def account(environ: Mapping[str, str], uid: int) -> str:
    """Who runs this, by name: the one who called sudo, if that was used.

    A name that the system gives them, and no proof of who they are."""
    sudo_uid = environ.get("SUDO_UID", "")
    if _UID.fullmatch(sudo_uid):
        uid = int(sudo_uid)
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):  # as in a container
        return f"uid {uid}"


def _plain(text: str) -> str:
    """Printable, on one line, and without what looks like a token."""
    letters = [letter if letter.isprintable() else " " for letter in text]
    return masked("".join(letters)).strip()[:LONGEST_REASON]


def run(app: App, ids: Sequence[str], release: Release) -> ExitCode:
    """Release each of these mails; the trouble of one does not keep us from the next.

    FAILED: Vault has not the token of each now. StateError: the journal cannot be continued."""
    if not app.journal.is_begun:  # and none is begun for this
        for written in ids:
            _complain(written, TokenCatcherError(UNKNOWN, code="release-unknown"))
        return ExitCode.FAILED
    code = ExitCode.DONE
    with (
        trouble_last(),
        Releases(app.watched(), app.journal, release, app.now) as releases,
    ):
        for written in ids:
            try:
                entry = releases.release(written)
            except TokenCatcherError as error:
                _complain(written, error)
                code = ExitCode.FAILED
                continue
            output.print_lines(result_lines(ScanResult.from_entry(entry)))
            if entry.event not in (Event.STORED, Event.UNCHANGED):
                code = ExitCode.FAILED
        tell_unanchored(app)
    return code


def _complain(written: str, error: TokenCatcherError) -> None:
    output.complain(f"token-catcher: {written}: {error}")
    step = next_step(error.code, error.mailbox)
    if step is not None:
        output.complain(f"next: {step}")


class Releases:
    """Releases one mail after the other, with one session for each mailbox."""

    def __init__(
        self,
        watched: Iterable[Watched],
        journal: Journal,
        release: Release,
        now: Callable[[], datetime],
        patience: float = PATIENCE,
    ) -> None:
        """`patience`: seconds to wait for a sweep of the mailbox to end."""
        self._mailboxes = {mailbox.name: mailbox for mailbox in watched}
        self._journal = journal
        self._release = release
        self._now = now
        self._patience = patience
        self._sessions: dict[str, Mailbox] = {}
        self._refusals: dict[str, AccessError] = {}
        """Of mailboxes that said no: asking once more would lock the account."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for watched in self._mailboxes.values():
            watched.sweep.pipeline.tell_left_out()
        for name in tuple(self._sessions):
            self._sessions.pop(name).close()

    def release(self, written: str) -> Entry:
        """Release the mail of this id, and return how it ended.

        TokenCatcherError: there is no such held mail, it is gone, or it cannot be done now."""
        record = self._record(written)
        watched = self._mailboxes.get(record.entry.mailbox)
        if watched is None:
            problem = f"its mailbox {record.entry.mailbox} is not configured"
            raise TokenCatcherError(problem, code="release")
        mail = self._fetch(watched, record.entry)
        with Checkpoint.hold(
            watched.sweep.checkpoints, watched.name, wait=self._patience
        ) as checkpoint:
            # Once more: another release may have been quicker.
            held_record(self._journal.records(), written)
            if watched.sweep.after_capture is not None:
                # The next sweep comes to the mail again, and does to it what it does to others.
                # Noted before the record, so that no crash comes in between.
                checkpoint.unsettle(mail.ref, self._now())
                checkpoint.save()
            entry = watched.sweep.pipeline.release(mail, watched.addresses, self._release)
        if entry is None:
            problem = "it is no token mail, by the configuration of now"
            raise TokenCatcherError(problem, code="release")
        return entry

    def _record(self, written: str) -> Record:
        """The record of this id. TokenCatcherError: none that is here."""
        try:
            return held_record(self._journal.records(), written)
        except TokenCatcherError as error:
            gaps = list(gaps_of(self._journal.held_records()))
            if str(error) != UNKNOWN or not gaps:
                raise
            problem = f"{error} among those that are here; {'; '.join(gaps)}"
            raise TokenCatcherError(problem, code="release-missing") from None

    def _fetch(self, watched: Watched, entry: Entry) -> Mail:
        """The mail of this record.

        TransientError: it was not found, and the server does not show everything.
        TokenCatcherError: it is in no watched folder any more."""
        since = min(self._now() - watched.lookback, moment(entry.received_at))
        found = self._find(watched, entry, since)
        if found.mail is not None:
            return found.mail
        if found.trouble is not None:
            problem = f"the mail was not found, and may be there: {found.trouble.message}"
            raise TransientError(problem, code=found.trouble.code)
        raise TokenCatcherError(
            f"the mail is gone: it is neither {entry.folder}/{entry.uid} of mailbox"
            f" {watched.name}, nor in another of its watched folders",
            code="release-gone",
        )

    def _find(self, watched: Watched, entry: Entry, since: datetime) -> Found:
        if watched.name in self._refusals:
            raise self._refusals[watched.name]
        try:
            if watched.name not in self._sessions:
                self._sessions[watched.name] = watched.connect()
            session = self._sessions[watched.name]
            return Lookup(session, watched.sweep.domains).find(entry, since)
        except TokenCatcherError as error:
            if isinstance(error, AccessError):
                self._refusals[watched.name] = error
            if watched.name in self._sessions:
                self._sessions.pop(watched.name).close()
            raise


def held_record(records: Iterable[Record], written: str) -> Record:
    """The newest record of the mail that an id, or any beginning of a digest, names.

    TokenCatcherError: there is no such mail, there are several, or it is not held."""
    prefix = written.lower().removeprefix(DIGEST)
    newest: dict[tuple[str, str], Record] = {}  # the same mail may lie in two mailboxes
    if _ID.fullmatch(prefix):
        for record in records:
            if record.entry.mail.startswith(DIGEST + prefix):
                newest[record.entry.mail, record.entry.mailbox] = record
    if not newest:
        raise TokenCatcherError(UNKNOWN, code="release-unknown")
    digests = {digest for digest, _mailbox in newest}
    if len(digests) > 1:
        ids = ", ".join(sorted(mail_id(digest) for digest in digests))
        raise TokenCatcherError(f"several mails begin so: {ids}", code="release-unknown")
    last = max(newest.values(), key=attrgetter("seq"))
    held = [record for record in newest.values() if record.entry.event == Event.HELD]
    if not held:
        raise TokenCatcherError(
            f"it is not held: it ended as {last.entry.event.outcome} at {last.at}",
            code="release-unknown",
        )
    return held[0]
