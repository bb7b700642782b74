"""How the tokens of all users stand, the mailboxes, Vault and the journal, at one moment.

The journal comes first, since everything can be told by it. Then Vault is asked, as far as it
answers; what it does not tell stands as the journal has it. No mailbox is logged in to: the daemon
and the scans have left notes. Nothing is changed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.anchoring import expect_led_through, head_of
from token_catcher.app import App
from token_catcher.certificates import certificate_in
from token_catcher.config import MailboxConfig, each_address
from token_catcher.errors import ConfigurationError, StateError, TokenCatcherError
from token_catcher.expiry import Expiring, Owner
from token_catcher.logins import certificates_in, entrance_of
from token_catcher.model import iso
from token_catcher.record import Checkpoint, Journal, LastLook, MailToken, Record
from token_catcher.shares import own_mailboxes
from token_catcher.standing import Inquiry
from token_catcher.status import (
    AnchorRow,
    InVault,
    JournalRow,
    LoginEnd,
    MailboxRow,
    Overview,
    Pasts,
    UserRow,
    VaultAnswer,
    VaultRow,
    anchor_row,
    by_urgency,
    held_mails,
    mailbox_row,
    near,
    user_row,
    users_of,
    vault_row,
)
from token_catcher.vault import pulse_of
from token_catcher.web import Content

USERNAME: Final = "{username}"
RECENT: Final = 200
"""So many rotations of the open file are recent ones."""
REFRESH_TOKENS_LIVE: Final[Mapping[str, timedelta]] = {
    "microsoft": timedelta(days=90),
    "google": timedelta(days=180),
}
"""By provider, how long a refresh token lives that nobody uses. Others do not say."""


def content_of(app: App) -> Content:
    """The same for the page, with the last rotations and the mails that wait."""
    recorded = _recorded(app)
    waiting = sorted(recorded.waiting, key=_arrival)
    overview = _overview(app, recorded, unwrapping=True)
    return Content(overview, recorded.recent, tuple(waiting))


def _arrival(record: Record) -> str:
    return record.entry.received_at


def overview_of(app: App) -> Overview:
    """How all of it stands now. A secret_id that is wrapped stays so."""
    return _overview(app, _recorded(app), unwrapping=False)


def _overview(app: App, recorded: _Recorded, *, unwrapping: bool) -> Overview:
    """`unwrapping`: a login may use up a wrapping token, as the daemon's own does."""
    now = app.now().replace(microsecond=0)
    questions = _Questions(app, unwrapping=unwrapping)
    users = _users(app, recorded, questions, now)
    ends = list(_certificate_ends(app, now))
    return Overview(
        now=iso(now),
        users=users,
        mailboxes=_mailboxes(app, recorded.held, ends, now),
        vault=_vault(app, questions, ends),
        journal=recorded.row,
        retirements=[(retirement, retirement.days_left(now)) for retirement in near(now)],
        anchor=_anchor(app, recorded.row, questions, now),
    )


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What the journal tells."""

    row: JournalRow
    pasts: Pasts
    held: Sequence[MailToken] = ()
    """The mails that wait for a person."""
    waiting: Sequence[Record] = ()
    """The records of those whose files are here."""
    recent: tuple[Record, ...] = ()
    """The last ones, the newest last."""


def _recorded(app: App) -> _Recorded:
    """One that cannot be read tells nothing, and the row says why.

    Closed files are not gone through: what they tell of tokens and of mail that waits is found by
    their index, however many years they hold."""
    journal = app.journal
    file = str(app.config.journal_file)
    try:
        waiting = journal.held_records()
        pasts = Pasts(journal.tokens())
        closed_through = journal.closed_through()
        recent: deque[Record] = deque(maxlen=RECENT)
        for record in sorted([*journal.newest_tokens(), *waiting.records], key=_seq):
            pasts.take_in(record)
        for record in journal.records(after=closed_through):
            pasts.take_in(record)
            recent.append(record)
    except StateError as error:
        return _Recorded(JournalRow(file, 0, error.code, str(error), 0), Pasts())
    row = JournalRow(file, journal.head.seq, None, None, waiting.missing)
    return _Recorded(row, pasts, journal.held, waiting.records, tuple(recent))


def _seq(record: Record) -> int:
    return record.seq


class _Questions:
    """What is asked of Vault, as long as it answers."""

    def __init__(self, app: App, *, unwrapping: bool) -> None:
        """Logs in, and remembers what keeps us from that."""
        self._store = app.store
        self._inquiry = Inquiry(app.store)
        self.ask = self._inquiry.ask
        self._logged_in = False
        self._lists_users: bool | None = None
        try:
            if not unwrapping:
                self._store.inspection.leave_wrapped()
            self._store.keep_alive()
        except TokenCatcherError as error:
            self._inquiry.trouble = error
            return
        # A login that is old enough asks nobody whether Vault is still there.
        self._inquiry.trouble = pulse_of(self._store.inspection.nodes_in_order()).error
        self._logged_in = self._inquiry.trouble is None

    @property
    def trouble(self) -> TokenCatcherError | None:
        """What keeps us from asking anything; None: nothing does."""
        return self._inquiry.trouble

    def names(self, folder: str) -> Collection[str]:
        """The secrets in this folder, as far as Vault lets us list them."""
        if self._inquiry.trouble is not None:
            return ()
        try:
            names = self._store.names(folder)
        except TokenCatcherError as error:
            self._inquiry.trouble = error
            return ()
        self._lists_users = names is not None
        return names or ()

    def answer(self, now: datetime) -> VaultAnswer:
        """What it all came to."""
        token_ends_at = None
        seconds_left = self._store.token_seconds_left
        if seconds_left is not None:
            token_ends_at = iso((now + timedelta(seconds=seconds_left)).replace(microsecond=0))
        trouble = self._inquiry.trouble
        return VaultAnswer(trouble, self._logged_in, token_ends_at, self._lists_users)


def _users(app: App, recorded: _Recorded, questions: _Questions, now: datetime) -> list[UserRow]:
    orgs = app.org_terms()
    max_ages = {terms.org.name: terms.max_age for terms in orgs}
    listed = {org: questions.names(folder) for org, folder in pattern_folders(app)}
    held = Counter((mail.org, mail.username) for mail in recorded.held)
    rows = []
    for user in users_of(orgs, recorded.pasts.users, listed):
        path = app.path_of(*user)
        past = recorded.pasts.of(user)
        answer: InVault | str | None = None
        if path is not None:
            answer = questions.ask(path, past)
        rows.append(user_row(user, path, max_ages[user[0]], past, answer, held[user], now))
    return by_urgency(rows)


def pattern_folders(app: App) -> Iterator[tuple[str, str]]:
    """Of each org with patterns, the folder whose secrets are named for its users.

    None where `vault.path` does not end in the username alone."""
    folder, _, last = app.config.vault.path.rpartition("/")
    if last != USERNAME or USERNAME in folder:
        return
    for terms in app.org_terms():
        if any("*" in username for username in terms.org.usernames):
            yield terms.org.name, folder.replace("{org}", terms.org.name)


def _vault(app: App, questions: _Questions, ends: Sequence[tuple[Owner, LoginEnd]]) -> VaultRow:
    address = each_address(app.config.vault.address)[0]
    logins = tuple(end for owner, end in ends if not owner.mailbox)
    return vault_row(address, questions.answer(app.now()), logins)


def _anchor(
    app: App, journal: JournalRow, questions: _Questions, now: datetime
) -> AnchorRow | None:
    """What Vault knows of the journal. None: the configuration does not want it to."""
    if not app.config.journal.anchor:
        return None
    anchors = app.store.anchor(app.config.instance)
    if journal.failing or questions.trouble is not None:
        return AnchorRow(anchors.place)
    at = None
    try:
        anchors.expect_granted()
        anchor = anchors.read().anchor
        # After that: whatever was anchored meanwhile is in the journal by now.
        app.journal.catch_up()
        if anchor is not None:
            at = anchor.at
            expect_led_through(app.journal, anchor)
        record = head_of(anchor).seq
        since = _unanchored_since(app.journal, record)
    except TokenCatcherError as error:
        return AnchorRow(anchors.place, at=at, trouble=error.code, saw=str(error))
    return anchor_row(anchors.place, record, at, app.journal.head.seq - record, since, now)


def _unanchored_since(journal: Journal, anchored: int) -> str | None:
    """When the first record was written that Vault does not know. None: it knows all."""
    last = journal.head.seq
    if last == anchored:
        return None
    # Its file may have been moved away; the last record is here.
    return journal.recorded_at(anchored + 1) or journal.recorded_at(last)


def _mailboxes(
    app: App,
    held: Sequence[MailToken],
    ends: Sequence[tuple[Owner, LoginEnd]],
    now: datetime,
) -> list[MailboxRow]:
    """Those of this instance; what needs a person first."""
    rows = []
    for name in own_mailboxes(app.config):
        mailbox = app.mailbox(name)
        logins = [end for owner, end in ends if owner.mailbox == name]
        logins += _sign_ins(app, mailbox, now)
        checkpoint = Checkpoint.glance(app.checkpoints, name)
        row = mailbox_row(
            name,
            mailbox.poll,
            _last_look(app, name),
            checkpoint.pending,
            held_mails(held, name, mailbox.lookback, now),
            logins,
            now,
            waits_for_sign_in=_waits_for_sign_in(mailbox),
            unapplied=checkpoint.unapplied,
        )
        rows.append(row)
    return sorted(rows, key=_is_in_order)


def _waits_for_sign_in(mailbox: MailboxConfig) -> bool:
    """Whether the file that a sign-in writes is not there."""
    source = getattr(mailbox.oauth2, "refresh_token", None)
    return source is not None and not files.may_exist(Path(source.where))


def _last_look(app: App, mailbox: str) -> LastLook | None:
    """A note that is closed to us is a trouble of its own: nothing is known of the mailbox."""
    try:
        return LastLook.read(app.looks, mailbox)
    except StateError as error:
        return LastLook(trouble=error.code)


def _is_in_order(row: MailboxRow) -> bool:
    return not row.needs_a_person


def _certificate_ends(app: App, now: datetime) -> Iterator[tuple[Owner, LoginEnd]]:
    for certificate in certificates_in(app.config):
        yield certificate.owner, _certificate_end(certificate, now)


def _certificate_end(certificate: Expiring, now: datetime) -> LoginEnd:
    kind = certificate.owner.kind
    try:
        ends_at = certificate_in(certificate.read(), certificate.where).ends_at
    except ConfigurationError as error:
        return LoginEnd(kind, certificate.where, None, None, unread=str(error))
    return LoginEnd.of(kind, certificate.where, ends_at, now)


def _sign_ins(app: App, mailbox: MailboxConfig, now: datetime) -> Iterator[LoginEnd]:
    """The refresh token of a mailbox, which ends when nobody uses it: each use writes its file."""
    if mailbox.oauth2 is None:  # nor need the mailbox's adapter be loaded to find that out
        return
    entrance = entrance_of(mailbox, app.log)
    if entrance.refresh_token is None or entrance.health is None:
        return
    file = str(entrance.refresh_token)
    if entrance.health.renewed_at is None:
        yield LoginEnd("refresh-token", file, None, None, unread=f"{file}: cannot be read")
        return
    renewed_at = datetime.fromtimestamp(entrance.health.renewed_at, UTC).replace(microsecond=0)
    ends_at = None
    if mailbox.oauth2 is not None and mailbox.oauth2.provider in REFRESH_TOKENS_LIVE:
        ends_at = renewed_at + REFRESH_TOKENS_LIVE[mailbox.oauth2.provider]
    yield LoginEnd.of("refresh-token", file, ends_at, now, renewed_at)
