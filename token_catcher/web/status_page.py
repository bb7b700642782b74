"""The page at `/`, as HTML: users, the last rotations, mailboxes, what waits and what was refused.

It shows what `status`, `held` and `history` show, without the local paths of the first. What needs
a person stands first; each trouble has its next step. Nothing here asks anybody anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from token_catcher.advice import IF_GENUINE, advice_for, next_step
from token_catcher.html import (
    STYLE_SOURCE,
    Cell,
    Mark,
    Table,
    age_bar,
    closing,
    opening,
    text,
    timeline,
    word,
)
from token_catcher.model import Entry, Event, moment
from token_catcher.record import Record
from token_catcher.status import AnchorRow, MailboxRow, Overview, Presence, UserRow
from token_catcher.web.content import Aged
from token_catcher.web.receivers import receiver_pieces
from token_catcher.web.snapshot import NOBODY_IS_TOLD, Telling
from token_catcher.wording import counted

POLICY: Final = (
    f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
STALE: Final = 60.0
"""Seconds of age from which on the page says that it is out of date."""
MOST_ROWS: Final = 200
"""Of users, and of mails; the commands have them all."""
MOST_REFUSED: Final = 20
NOBODY: Final = "(no username)"
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))
"""Seconds of each unit of time, and its symbol."""

_USERS: Final = Table(
    "table-users",
    "Each user's token; what needs a person first",
    ("user", "state", "age", "version", "last mail"),
    is_stacked=True,
)
_MAILBOXES: Final = Table(
    "table-mailboxes",
    "Each mailbox of this instance; what needs a person first",
    ("mailbox", "state", "last swept", "not settled yet", "held", "what to do"),
    is_stacked=True,
)
_HELD: Final = Table(
    "table-held",
    "Held mails that wait for a person, the oldest first",
    ("user", "arrived", "reason", "what to do"),
    is_stacked=True,
)
_REFUSED: Final = Table(
    "table-refused",
    "The last mails that could not prove themselves, the newest last",
    ("user", "recorded", "reason", "if it is genuine"),
    is_stacked=True,
)
_PARTS: Final = Table(
    "table-parts",
    "Whether a token could be stored and recorded now",
    ("part", "state", "what is known", "what to do"),
    is_stacked=True,
)


def status_page(aged: Aged, instance: str, version: str, telling: Telling = NOBODY_IS_TOLD) -> str:
    """The whole page. `telling`: as it is at this moment, however old the rest is."""
    return "".join(_pieces(aged, instance, version, telling))


def sign_in_page(*, was_refused: bool) -> str:
    """The form that asks for the token. `was_refused`: what was typed is another one."""
    notice = ""
    invalid = ""
    if was_refused:
        notice = (
            '<p class="notice bad" role="alert" id="refused">This is not the token of http.token in'
            " the configuration.</p>\n"
        )
        invalid = ' aria-invalid="true" aria-describedby="refused"'
    return (
        f"{opening('Sign in: token-catcher', is_file=False)}"
        f'<main id="main">\n<h1>token-catcher</h1>\n{notice}'
        '<form method="post" action="/">\n'
        '<p><label for="token">Token (http.token)</label><br>\n'
        '<input id="token" name="token" type="password" required'
        f' autocomplete="current-password"{invalid}></p>\n'
        f"<p><button>Show the page</button></p>\n</form>\n</main>\n{closing()}"
    )


def _pieces(aged: Aged, instance: str, version: str, telling: Telling) -> Iterator[str]:
    content = aged.content
    overview = content.overview
    yield opening(f"{_headline(overview)}: token-catcher on {instance}", is_file=False)
    yield "<header>\n<h1>token-catcher</h1>\n"
    yield (
        f'<p class="quiet">Version {text(version)} on {text(instance)}. As of '
        f"{_second(overview.now)} UTC; all times are UTC.</p>\n</header>\n"
    )
    yield _navigation(telling)
    yield '<main id="main">\n'
    yield from _notices(aged)
    yield from _held(content.waiting)
    yield '<h2 id="users">Users</h2>\n'
    yield from _USERS.lines(_user_cells(row) for row in overview.users[:MOST_ROWS])
    yield from _more(len(overview.users), "token-catcher status")
    yield '<h2 id="rotations">Last rotations</h2>\n'
    yield from _timeline(content.recent)
    yield from _refused(content.recent)
    yield '<h2 id="mailboxes">Mailboxes</h2>\n'
    yield from _MAILBOXES.lines(_mailbox_cells(row) for row in overview.mailboxes[:MOST_ROWS])
    yield '<h2 id="parts">Vault and journal</h2>\n'
    yield from _PARTS.lines(_part_cells(overview))
    yield from receiver_pieces(telling)
    yield from _retirements(overview)
    yield "</main>\n"
    yield closing()


def _headline(overview: Overview) -> str:
    if overview.needs_a_person:
        return "Needs a person"
    return "All is well"


def _navigation(telling: Telling) -> str:
    places = {
        "held": "Held",
        "users": "Users",
        "rotations": "Rotations",
        "mailboxes": "Mailboxes",
        "parts": "Vault and journal",
    }
    if telling != NOBODY_IS_TOLD:
        places["receivers"] = "Receivers"
    items = "".join(f'<li><a href="#{place}">{name}</a></li>' for place, name in places.items())
    return f'<nav aria-label="On this page">\n<ul>{items}</ul>\n</nav>\n'


def _notices(aged: Aged) -> Iterator[str]:
    """How it stands in a sentence, and whether that is what is so now."""
    overview = aged.content.overview
    if aged.seconds >= STALE:
        age = _length(int(aged.seconds))
        yield _notice(
            "bad",
            f"Out of date: this is how it was {age} ago. To look again takes long, or fails: the"
            " log says why.",
        )
    if overview.needs_a_person:
        yield _notice("warn", f"{_headline(overview)}: {', '.join(_needs(overview))}.")
    else:
        yield _notice("", "All is well: no token is overdue, missing or held, and nothing fails.")
    if overview.vault.trouble is not None:
        yield _notice("warn", "Vault was not asked: users stand as the journal has them.")
    # It shows by itself once the page was open for so long; no script is needed for it.
    yield (
        '<p class="notice warn later">This page was opened more than five minutes ago: load it'
        " again.</p>\n"
    )


def _notice(kind: str, words: str) -> str:
    return f'<p class="notice {kind}">{text(words)}</p>\n'


def _needs(overview: Overview) -> Iterator[str]:
    users = sum(row.needs_a_person for row in overview.users)
    if users:
        yield f"{users} of {counted(len(overview.users), 'user')}"
    mailboxes = sum(row.needs_a_person for row in overview.mailboxes)
    if mailboxes:
        yield f"{mailboxes} of {counted(len(overview.mailboxes), 'mailbox', 'mailboxes')}"
    if overview.vault.failing:
        yield "Vault"
    if overview.journal.failing:
        yield "the journal"
    if overview.anchor is not None and overview.anchor.failing:
        yield "the journal's anchor"


def _held(waiting: Sequence[Record]) -> Iterator[str]:
    yield '<h2 id="held">Held</h2>\n'
    if not waiting:
        yield "<p>No held mail waits for a person.</p>\n"
        return
    yield from _HELD.lines(_held_cells(record.entry) for record in waiting[:MOST_ROWS])
    yield from _more(len(waiting), "token-catcher held")


def _held_cells(entry: Entry) -> Sequence[Cell]:
    return (
        Cell.of(entry.username or NOBODY),
        Cell.time(_minute(entry.received_at)),
        _reason(entry),
        Cell.of(advice_for(entry.reason)),
    )


def _refused(recent: Sequence[Record]) -> Iterator[str]:
    refused = [record for record in recent if record.entry.event == Event.REFUSED]
    if not refused:
        return
    yield '<h3 id="refused">Refused</h3>\n'
    yield from _REFUSED.lines(_refused_cells(record) for record in refused[-MOST_REFUSED:])


def _refused_cells(record: Record) -> Sequence[Cell]:
    entry = record.entry
    return (
        Cell.of(entry.username or NOBODY),
        Cell.time(_minute(record.at)),
        _reason(entry),
        Cell.of(advice_for(entry.reason, IF_GENUINE)),
    )


def _reason(entry: Entry) -> Cell:
    """The reason, and what was seen."""
    outcome = Event(entry.event).outcome
    markup = word(entry.reason or outcome, outcome)
    if entry.saw is not None:
        markup += f"<br>{text(entry.saw)}"
    return Cell(markup)


def _user_cells(row: UserRow) -> Sequence[Cell]:
    state = word(row.state.replace("-", " "), row.state)
    if row.unread is not None:
        state += f"<br>{text(next_step(row.unread) or row.unread)}"
    return (
        Cell(f'{text(row.username)}<br><span class="quiet">{text(row.org)}</span>'),
        Cell(state),
        Cell(_age(row)),
        Cell.of(row.version),
        Cell.of(_last_mail(row)),
    )


def _age(row: UserRow) -> str:
    """In words, with a bar where there is an age that it must not pass."""
    if row.never_seen:
        return "never caught, and none in Vault"
    if row.in_vault is Presence.DELETED:
        return "deleted in Vault"
    if row.in_vault is Presence.ABSENT:
        return "none in Vault"
    if row.age_seconds is None:
        return "of unknown age"
    words = _length(row.age_seconds)
    if row.source == "journal":
        words += " by the journal"
    if row.max_age_seconds is None:
        return text(words)
    words += f", at most {_length(row.max_age_seconds)}"
    return text(words) + age_bar(row.age_seconds, row.max_age_seconds)


def _last_mail(row: UserRow) -> str:
    mail = row.last_mail
    if mail is None:
        return ""
    outcome = mail.outcome
    if mail.reason is not None:
        outcome += f" ({mail.reason})"
    return f"{_minute(mail.received_at)} in {mail.mailbox}: {outcome}"


def _timeline(recent: Sequence[Record]) -> Iterator[str]:
    if not recent:
        yield "<p>Nothing was recorded yet.</p>\n"
        return
    marks = [_mark(record) for record in recent]
    yield from timeline(marks, f"The last {len(marks)} of the journal's open file")


def _mark(record: Record) -> Mark:
    entry = record.entry
    return Mark(moment(record.at), entry.username or NOBODY, Event(entry.event).outcome)


def _mailbox_cells(row: MailboxRow) -> Sequence[Cell]:
    swept = "never"
    if row.swept_at is not None:
        swept = f"{_minute(row.swept_at)}, {_length(row.seconds_since_sweep or 0)} before"
    pending = str(row.pending)
    if row.pending_codes:
        pending += f" ({', '.join(row.pending_codes)})"
    return (
        Cell.of(row.mailbox),
        Cell(_mailbox_state(row)),
        Cell.of(swept),
        Cell.of(pending),
        Cell.of(row.held),
        Cell.of("; ".join(_mailbox_steps(row))),
    )


def _mailbox_state(row: MailboxRow) -> str:
    if row.codes:
        return word(row.codes[0], "failing")
    if row.failing:
        return word("failing", "failing")
    if row.held:
        return word("held", "held")
    return word("ok", "ok")


def _mailbox_steps(row: MailboxRow) -> Iterator[str]:
    """What a person does about it, also about a credential that ends soon. Files are not named."""
    for code in dict.fromkeys([*row.codes, *row.pending_codes]):
        step = next_step(code, row.mailbox)
        if step is not None:
            yield step
    for login in row.logins:
        if login.days_left is not None and login.days_left < 30:
            yield f"its {login.kind} ends in {login.days_left} d"


def _part_cells(overview: Overview) -> Iterator[Sequence[Cell]]:
    yield _vault_cells(overview)
    yield _journal_cells(overview)
    if overview.anchor is not None:
        yield _anchor_cells(overview.anchor)


def _vault_cells(overview: Overview) -> Sequence[Cell]:
    row = overview.vault
    known = "reached, and logged in"
    if row.token_ends_at is not None:
        known += f" until {_minute(row.token_ends_at)}"
    if row.trouble is not None:
        known = "not asked, or not all of it"
    return _part("Vault", row.trouble, row.failing, known)


def _journal_cells(overview: Overview) -> Sequence[Cell]:
    row = overview.journal
    known = counted(row.head, "record")
    if row.missing_through:
        known += f", of those up to {row.missing_through} not all are here"
    return _part("journal", row.trouble, row.failing, known)


def _anchor_cells(row: AnchorRow) -> Sequence[Cell]:
    """What Vault knows of the journal."""
    known = "not asked for: the journal or Vault fails"
    if row.record is not None:
        known = f"record {row.record}, {row.unanchored} unanchored"
    elif row.failing:
        known = "nothing was read, or not the journal's"
    return _part("journal's anchor", row.trouble, row.failing, known)


def _part(name: str, trouble: str | None, failing: bool, known: str) -> Sequence[Cell]:
    state = word("ok", "ok")
    if failing:
        state = word(trouble or "failing", "failing")
    return Cell.of(name), Cell(state), Cell.of(known), Cell.of(next_step(trouble or ""))


def _retirements(overview: Overview) -> Iterator[str]:
    if not overview.retirements:
        return
    yield '<h2 id="retirements">What Salesforce retires</h2>\n<ul>\n'
    for retirement, _days_left in overview.retirements:
        yield f"<li>{retirement.on.isoformat()}: {text(retirement.what)}</li>\n"
    yield "</ul>\n"


def _more(count: int, command: str) -> Iterator[str]:
    if count > MOST_ROWS:
        yield f"<p>{count - MOST_ROWS} more: <code>{command}</code> has them all.</p>\n"


def _length(seconds: int) -> str:
    """`3 d`, `5 h`, `12 min`: in the largest unit of which it is one."""
    for length, symbol in _UNITS:
        if seconds >= length:
            return f"{seconds // length} {symbol}"
    return "0 min"


def _minute(time: str) -> str:
    """`2026-02-03 12:57`."""
    return time[:16].replace("T", " ")


def _second(time: str) -> str:
    return time[:19].replace("T", " ")
