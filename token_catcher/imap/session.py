"""One IMAP session that reads, and changes nothing unless it is told to.

EXAMINE, SEARCH, and FETCH of BODY.PEEK with a bound. SELECT for one kind of server, see
`select_once`; and for `apply`, which changes the one mail that it is given.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from token_catcher.errors import NotApplied
from token_catcher.imap.account_folders import AccountFolders
from token_catcher.imap.ahead import Bodies, Pipelining, round_of
from token_catcher.imap.answers import (
    BODY,
    HEADING,
    bodies_in,
    day_of,
    headings_in,
    message_id_of,
    state_in,
    uids_in,
    usual_body,
    usual_heading,
)
from token_catcher.imap.changes import Changes
from token_catcher.imap.criteria import any_of, day_before, quoted, set_of
from token_catcher.imap.idle import Idle
from token_catcher.imap.login import Account, log_in
from token_catcher.imap.questions import AskingIdle
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef
from token_catcher.ports import FolderState, Heading, Log, MailAction, MoveTo, Span, never
from token_catcher.report import NO_BODY
from token_catcher.survey import is_gone

WINDOW: Final = 50_000
"""UIDs asked for at a time where the server cannot search by sender.

imaplib reads no answer of 1,000,000 bytes or more."""
BELIEVABLE: Final = 100 * WINDOW
"""UIDs above what is known that UIDNEXT may speak of; for more the last mail is asked for."""
COPIES: Final = 8
"""Mails of one Message-ID that are compared: more have never been seen."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ImapMailbox:
    """A logged-in session: see `ports.Mailbox`."""

    def __init__(
        self,
        account: Account,
        context: ssl.SSLContext,
        log: Log,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        pipelining: Pipelining | None = None,
    ) -> None:
        """Connect and log in. `now`: the arrival of a mail whose server does not say it.

        `monotonic`: the clock of the deadlines of commands, and of waits. `pipelining`: what
        earlier sessions of the account have learnt.

        Outage: not reached. AccessError: refused, or a certificate that is not trusted."""
        self._account = account
        self._log = log
        self._now = now
        self._connection = log_in(account, context, monotonic)
        self._client = self._connection.client
        self._raw = self._connection.raw
        pipelining = pipelining or Pipelining()
        self._idle = Idle(self._connection, pipelining, monotonic)
        from_ours = " ".join(any_of(account.sender_domains))
        self._asking = AskingIdle(self._connection, self._idle, pipelining, from_ours)
        self._changes = Changes(self._connection)
        self._folders = AccountFolders(self._connection, account, log)

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._account.name

    def folders(self) -> Sequence[str]:
        """The inbox, the spam folders as far as they exist, and the further ones."""
        return self._folders.watched()

    @property
    def spam_found_by(self) -> str:
        """By what the spam folder was found: the configuration, special use, or a known name.

        Empty: there is none."""
        return self._folders.spam_found_by

    def examine(self, folder: str) -> FolderState:
        """EXAMINE: nothing that is read afterwards is marked as read."""
        self._folders.expect_present(folder)
        ahead = self._connection.ahead
        state = None
        if ahead is not None:
            state = ahead.state(folder)
        if state is None:
            state = self._state(folder, self._open(folder, read_only=True))
            self._idle.expect(state.exists)
        self._folder = state
        return state

    def select_once(self, folder: str) -> FolderState:
        """SELECT, which makes Courier 5.2 keep its UIDVALIDITY, then EXAMINE."""
        self._log.info("mailbox.selected", mailbox=self.name, folder=folder)
        self._open(folder, read_only=False)
        return self.examine(folder)

    def headings(self, *spans: Span) -> Sequence[Heading]:
        """FETCH of INTERNALDATE and two header fields, which sets no flag."""
        ahead = self._connection.ahead
        if ahead is not None:
            headings = ahead.headings(spans)
            if headings is not None:
                return headings
        answer = self._connection.call(
            "FETCH", self._raw.fetch, set_of(spans), HEADING, usual_heading
        )
        return self._connection.read("FETCH", headings_in, answer)

    def present(self, *spans: Span) -> Sequence[int] | None:
        """SEARCH by UID alone."""
        return self._uids(["UID", set_of(spans)])

    def search(self, after_uid: int, since: datetime) -> Sequence[int] | None:
        """By UID, day and sender; wider where the server refuses one of them."""
        day = ["SINCE", day_before(since)]
        uids = self._by_sender(after_uid, [*day, *any_of(self._account.sender_domains)])
        for wider in (day, []):
            if uids is None:
                uids = self._by_windows(after_uid, wider)
        if uids is None:
            return None
        # `n:*` gives the last mail even where there is none above n (RFC 3501, section 6.4.8).
        return sorted(uid for uid in uids if uid > after_uid)

    def count_before(self, before: datetime, subject: str) -> int | None:
        """SEARCH in ASCII alone: Exchange takes no CHARSET."""
        if not (subject.isascii() and subject.isprintable()):
            return None
        criteria = ["BEFORE", day_of(before), *any_of(self._account.sender_domains)]
        uids = self._uids([*criteria, "SUBJECT", quoted(subject)])
        if uids is None:
            return None
        return len(uids)

    def finds(self, uid: int, domain: str, since: datetime) -> bool:
        """SEARCH of one mail by the same keys as `search`."""
        criteria = ["UID", str(uid), "SINCE", day_before(since), "FROM", domain]
        return self._uids(criteria) == [uid]

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """UID, INTERNALDATE and the first bytes of the body.

        What a server sends unasked is not taken for a mail."""
        if not uids:
            return []
        bodies = self._bodies(uids)
        return [self._mail(uid, *bodies[uid]) for uid in sorted(uids) if uid in bodies]

    def apply(self, action: MailAction, mail: MailRef, digest: str) -> bool:
        """See `changes`. One mail at a time: each is compared with its digest just before."""
        self._changes.expect_possible(action)
        target = b""
        if isinstance(action, MoveTo):
            target = self._folders.target(action.folder)
        with self._selected(mail.folder) as answer:
            original = self._original(mail, answer, digest)
            if original is None:
                return False
            is_copied = False
            if self._changes.copies(action):
                is_copied = self._has_copy(target, original)
                # Another folder was open meanwhile.
                answer = self._changes.select(mail.folder, self._folders.wire_name(mail.folder))
                if self._state(mail.folder, answer).uidvalidity != mail.uidvalidity:
                    return False
            self._changes.make(action, mail.uid, answer, target, is_copied=is_copied)
        return True

    def has_news(self) -> bool:
        """See `ports.Mailbox`."""
        return self._idle.has_news()

    def expect_possible(self, action: MailAction) -> None:
        """What `apply` needs of the server, and of the folder of a move. Changes nothing.

        NotApplied: the server lacks it, the folder is not there or is a watched one, or the account
        lacks a right there or in a watched folder, as far as the server tells of rights."""
        self._changes.expect_possible(action)
        target = b""
        if isinstance(action, MoveTo):
            target = self._folders.target(action.folder)
        if not self.tells_rights:
            return
        for folder in self._folders.present():
            self._changes.expect_rights(action, folder, self._folders.wire_name(folder), target)

    @property
    def tells_rights(self) -> bool:
        """RFC 4314: whether the server says what the account may do in a folder."""
        return self._connection.has("ACL")

    @property
    def has_idle(self) -> bool:
        """RFC 2177, and not refused so far."""
        return self._connection.has("IDLE") and not self._idle.refused

    def idle(
        self,
        seconds: float,
        wake: int,
        *,
        then_look: bool = False,
        ends: Callable[[], bool] = never,
    ) -> bool:
        """See `ports.Mailbox`."""
        if not then_look:
            return self._asking.only_wait(seconds, wake)
        name = self._folder.name
        wire_name = self._folders.wire_name(name)
        around = round_of(self._folders.lists, [*self._folders.besides(name), wire_name])
        return self._asking.wait(seconds, wake, self._folder, wire_name, around, ends)

    @property
    def is_as_before(self) -> bool:
        """See `ports.Mailbox`."""
        return self._asking.is_as_before

    def ask_anew(self) -> None:
        """See `ports.Mailbox`."""
        self._connection.ahead = None

    def close(self) -> None:
        """LOGOUT if the server answers soon, then free the socket in any case."""
        self._connection.close()

    def _state(self, folder: str, answer: Mapping[bytes, Any]) -> FolderState:
        return self._connection.read("EXAMINE", partial(state_in, folder), answer)

    def _bodies(self, uids: Sequence[int]) -> Bodies:
        """Those that come, with the arrival of each."""
        ahead = self._connection.ahead
        if ahead is not None:
            bodies = ahead.bodies(uids)
            if bodies is not None:
                return bodies
        text = ",".join(str(uid) for uid in uids)
        answer = self._connection.call("FETCH", self._raw.fetch, text, BODY, usual_body)
        return self._connection.read("FETCH", bodies_in, answer)

    def _open(self, folder: str, *, read_only: bool) -> Mapping[bytes, Any]:
        name = self._folders.wire_name(folder)
        command = "EXAMINE" if read_only else "SELECT"
        select = self._client.select_folder
        answer: Mapping[bytes, Any] = self._connection.call(
            command, select, name, folder=folder, readonly=read_only
        )
        return answer

    @contextmanager
    def _selected(self, folder: str) -> Iterator[Mapping[bytes, Any]]:
        """The folder open for writing while the block runs, and for reading alone afterwards."""
        try:
            yield self._changes.select(folder, self._folders.wire_name(folder))
        except NotApplied:
            self.examine(folder)
            raise
        self.examine(folder)

    def _original(self, mail: MailRef, selected: Mapping[bytes, Any], digest: str) -> Mail | None:
        """The mail under this number, where its bytes say that it is still that one; None: gone.

        NotApplied: that cannot be told, or it is another mail's."""
        self._folder = self._state(mail.folder, selected)
        if self._folder.uidvalidity != mail.uidvalidity:
            return None
        uid = mail.uid
        mails = self.fetch([uid])
        if not mails and is_gone(self, uid):
            return None
        where = f"{self._account.where}: folder {self._folder.name!a}, UID {uid}"
        if not mails:
            raise NotApplied(f"{where}: the server does not give the body", code=NO_BODY)
        if mails[0].digest != digest:
            raise NotApplied(
                f"{where}: got other bytes than those that were captured: it is left as it is",
                code="imap-apply-other",
                final=True,
            )
        return mails[0]

    def _has_copy(self, target: bytes, original: Mail) -> bool:
        """Whether a try that was cut off between COPY and UID EXPUNGE left one there.

        It is known by its bytes. One that is marked as deleted is nothing to rely on."""
        message_id = message_id_of(original.raw)
        if message_id is None:
            return False
        select = self._client.select_folder
        if self._connection.ask("EXAMINE", select, target, readonly=True) is None:
            return False  # whatever COPY says of it
        uids = self._uids(["UNDELETED", "HEADER", "MESSAGE-ID", f'"{message_id}"']) or []
        copies = self.fetch(sorted(uids)[-COPIES:])
        return any(copy.digest == original.digest for copy in copies)

    def _by_sender(self, after_uid: int, criteria: Sequence[str]) -> list[int] | None:
        """The UIDs in one answer; by windows where a flood of mail could make it too large."""
        uidnext = self._folder.uidnext
        if uidnext is None:
            return self._uids(["UID", f"{after_uid + 1}:*", *criteria])
        # An answer has no more UIDs than there are mails, however far UIDNEXT runs ahead.
        if uidnext - after_uid > WINDOW and self._folder.exists > WINDOW:
            return self._by_windows(after_uid, criteria)
        # Not `n:*`: GNU imap4d finds nothing by that.
        last = max(uidnext - 1, after_uid + 1)
        return self._uids(["UID", f"{after_uid + 1}:{last}", *criteria])

    def _by_windows(self, after_uid: int, criteria: Sequence[str]) -> list[int] | None:
        """The UIDs, a window at a time: nobody knows how many they are."""
        uids: list[int] = []
        last = self._last_uid(after_uid)
        width = WINDOW
        if self._folder.exists <= WINDOW:
            width = max(last - after_uid, 1)  # an answer has no more UIDs than there are mails
        for start in range(after_uid + 1, last + 1, width):
            end = min(start + width - 1, last)
            of_window = self._uids(["UID", f"{start}:{end}", *criteria])
            if of_window is None:
                return None
            uids += of_window
        return uids

    def _last_uid(self, after_uid: int) -> int:
        """From UIDNEXT; by asking for the last mail where it is missing, or beyond belief."""
        uidnext = self._folder.uidnext
        if uidnext is not None and uidnext - after_uid <= BELIEVABLE:
            return uidnext - 1
        return max(self._uids(["UID", "*"]) or [after_uid])

    def _uids(self, criteria: Sequence[str]) -> list[int] | None:
        """SEARCH. None: the server does not take these criteria."""
        lines = self._connection.ask("SEARCH", self._raw.search, criteria)
        if lines is None:
            self._log.info("mailbox.search_refused", mailbox=self.name, criteria=len(criteria) - 1)
            return None
        return self._connection.read("SEARCH", uids_in, lines)

    def _mail(self, uid: int, body: bytes, received_at: datetime | None) -> Mail:
        """A mail as the server gave it, cut; with our time where it named none."""
        ref = MailRef(self.name, self._folder.name, self._folder.uidvalidity, uid)
        raw = body[: MAX_MAIL_BYTES + 1]
        if received_at is None:
            return Mail(ref, self._now(), raw, is_arrival_told=False)
        return Mail(ref, received_at, raw)
