"""What `status` shows: lines for people, 80 columns wide, and one object for machines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from token_catcher.advice import next_step
from token_catcher.commands import styled
from token_catcher.status import (
    AnchorRow,
    LoginEnd,
    MailboxRow,
    Overview,
    Presence,
    Retirement,
    State,
    UserRow,
    VaultRow,
)

WIDTH: Final = 80
DAY: Final = 86_400
MINUTE: Final = 60
HOUR: Final = 3600
TOLD_DAYS: Final = 30
"""A credential that ends within so many days is told to people; machines are told of all."""
COLOURS: Final = {
    State.MISSING: "red",
    State.HELD: "yellow",
    State.UNREAD: "red",
    State.OVERDUE: "yellow",
    State.NEVER_SEEN: "yellow",
    State.DELETED: "cyan",
    State.OK: "green",
}
CERTAINTY: Final = {
    "announced": "Salesforce names the day",
    "reported": "the change is Salesforce's word, the day is others'",
    "assumed": "Salesforce names the release alone, the day is the earliest",
}


def as_json(overview: Overview) -> dict[str, Any]:
    """The contract of `status --json`: docs/status.md has every key."""
    return {
        "now": overview.now,
        "needs_a_person": overview.needs_a_person,
        "users": [_user_with_next(row) for row in overview.users],
        "mailboxes": [_mailbox_object(row) for row in overview.mailboxes],
        "vault": _with_next(overview.vault.as_json()),
        "journal": {
            **_with_next(overview.journal.as_json()),
            "anchor": _anchor_object(overview.anchor),
        },
        "retirements": [_retirement(retirement, days) for retirement, days in overview.retirements],
    }


def _anchor_object(row: AnchorRow | None) -> dict[str, Any] | None:
    """None: the configuration wants none."""
    if row is None:
        return None
    return _with_next(row.as_json())


def _user_with_next(row: UserRow) -> dict[str, Any]:
    return {**row.as_json(), "next": next_step(row.cause or row.unread or "")}


def _mailbox_object(row: MailboxRow) -> dict[str, Any]:
    """With what a person does next about the first of its troubles."""
    step = None
    if row.codes:
        step = next_step(row.codes[0], row.mailbox)
    return {**row.as_json(), "next": step}


def _with_next(fields: dict[str, Any]) -> dict[str, Any]:
    """And what a person does next about the trouble."""
    return {**fields, "next": next_step(fields["trouble"] or "")}


def _retirement(retirement: Retirement, days_left: int) -> dict[str, Any]:
    fields = asdict(retirement)
    return {**fields, "on": retirement.on.isoformat(), "days_left": days_left}


def status_lines(overview: Overview) -> Iterator[styled.Text]:
    """All of it; what needs a person stands first, in each part and of the parts."""
    parts = [
        (any(row.needs_a_person for row in overview.users), _user_lines(overview)),
        (any(row.needs_a_person for row in overview.mailboxes), _mailbox_lines(overview)),
        (overview.vault.failing, _vault_lines(overview.vault)),
        (overview.journal.failing, _journal_lines(overview)),
    ]
    if overview.anchor is not None:
        parts.append((overview.anchor.failing, _anchor_lines(overview.anchor)))
    for is_urgent in (True, False):
        for needs_a_person, lines in parts:
            if needs_a_person is is_urgent:
                yield from lines
    yield from _retirement_lines(overview)


def _user_lines(overview: Overview) -> Iterator[styled.Text]:
    rows = overview.users
    yield styled.Text(f"users ({len(rows)})", "bold")
    for row in rows:
        word = row.state.value.replace("-", " ")
        yield from _line(word, COLOURS[row.state], f"{row.username} ({row.org})")
        yield from _more(_token(row))
        if row.last_mail is not None:
            yield from _more(_last_mail(row))
        if row.saw is not None:
            yield from _more(f"{row.cause}: {row.saw}")
            yield from _next(next_step(row.cause or ""))
        if row.unread is not None:
            yield from _more(f"Vault does not show its secret: {row.unread}")
            yield from _next(next_step(row.unread))
        if row.reset_at:
            yield from _more("reset it as that user; MYDOMAIN is the org's own:")
        for page in row.reset_at:
            yield from _more(page)


def _token(row: UserRow) -> str:
    """What is known of the token."""
    if row.never_seen:
        return "no token was ever caught, and Vault has none"
    if row.in_vault is Presence.DELETED:
        return f"somebody deleted {row.path}"
    if row.in_vault is Presence.ABSENT:
        return f"Vault has no token at {row.path}"
    words = []
    if row.version is not None:
        words.append(f"v{row.version}")
    words.append(_since(row))
    if row.max_age_seconds is not None:
        words.append(f"at most {_length(row.max_age_seconds)}")
    if row.source == "journal":
        words.append("by the journal alone")
    return ", ".join(words)


def _since(row: UserRow) -> str:
    if row.age_seconds is None:
        return "of unknown age"
    age = _length(row.age_seconds)
    if row.issued_at is not None:
        return f"issued {_minute(row.issued_at)}, {age} ago"
    return f"written {_minute(row.written_at or '')}, {age} ago, issued before that"


def _last_mail(row: UserRow) -> str:
    mail = row.last_mail
    assert mail is not None
    outcome = mail.outcome
    if mail.reason is not None:
        outcome += f" ({mail.reason})"
    return f"last mail {_minute(mail.received_at)} in {mail.mailbox}: {outcome}"


def _mailbox_lines(overview: Overview) -> Iterator[styled.Text]:
    yield styled.Text(f"mailboxes ({len(overview.mailboxes)})", "bold")
    for row in overview.mailboxes:
        word, colour = _mailbox_word(row)
        yield from _line(word, colour, row.mailbox)
        yield from _more(_sweep(row))
        if row.token is not None:
            yield from _more(f"no access token can be got for the next login: {row.token}")
        if row.pending:
            codes = ", ".join(row.pending_codes)
            yield from _more(f"mails that are not settled yet: {row.pending} ({codes})")
        if row.held:
            yield from _more(f"mails that wait for a person: {row.held} (token-catcher held)")
        if row.unapplied:
            left = f"settled mails that after_capture could not be applied to: {row.unapplied}"
            yield from _more(f"{left} (token-catcher check)")
        yield from _login_lines(row.logins)
        for code in row.codes:
            yield from _next(next_step(code, row.mailbox))


def _mailbox_word(row: MailboxRow) -> tuple[str, str]:
    if row.failing:
        return "failing", "red"
    if row.held:
        return "held", "yellow"
    return "ok", "green"


def _sweep(row: MailboxRow) -> str:
    """When it was swept, and what keeps us from that."""
    words = "never swept"
    if row.swept_at is not None:
        age = _length(row.seconds_since_sweep or 0)
        words = f"last swept {_minute(row.swept_at)}, {age} ago, by {row.looked_by}"
    if row.trouble is not None:
        words += f"; {row.trouble}"
    if row.trouble_at is not None:
        words += f" at {_minute(row.trouble_at)}"
    return words


def _vault_lines(row: VaultRow) -> Iterator[styled.Text]:
    yield styled.Text("vault", "bold")
    if row.failing:
        yield from _line("failing", "red", row.address)
    else:
        yield from _line("ok", "green", row.address)
    if row.saw is not None:
        yield from _more(f"{row.trouble}: {row.saw}")
    if row.trouble is not None:
        yield from _more("users stand as the journal has them, where it says so")
    if row.token_ends_at is not None:
        yield from _more(f"logged in, until {_minute(row.token_ends_at)}")
    if row.lists_users is False:
        yield from _more("users of patterns: those of the journal (Vault lists none to us)")
    yield from _login_lines(row.logins)
    yield from _next(next_step(row.trouble or ""))


def _journal_lines(overview: Overview) -> Iterator[styled.Text]:
    row = overview.journal
    yield styled.Text("journal", "bold")
    if row.failing:
        yield from _line("failing", "red", row.file)
        yield from _more(row.saw or "")
    else:
        yield from _line("ok", "green", row.file)
        yield from _more(f"its last record is number {row.head}")
    if row.missing_through:
        yield from _more(f"of the records up to {row.missing_through} not all are here")
    yield from _next(next_step(row.trouble or ""))


def _anchor_lines(row: AnchorRow) -> Iterator[styled.Text]:
    """What Vault knows of the journal."""
    yield styled.Text("journal's anchor", "bold")
    if row.failing:
        yield from _line("failing", "red", row.path)
        yield from _more(f"{row.trouble}: {row.saw}")
    elif row.record is None:
        yield from _line("unknown", "yellow", row.path)
        yield from _more("not asked for: the journal or Vault fails")
    else:
        yield from _line("ok", "green", row.path)
    if row.record is not None:
        yield from _more(_anchored(row))
    yield from _next(next_step(row.trouble or ""))


def _anchored(row: AnchorRow) -> str:
    words = "Vault knows no record yet"
    if row.record and row.at is not None:
        words = f"Vault knows record {row.record}, since {_minute(row.at)}"
    if row.unanchored:
        words += f"; unanchored tail of {row.unanchored}"
    return words


def _login_lines(logins: tuple[LoginEnd, ...]) -> Iterator[styled.Text]:
    """What ends soon, or could not be read."""
    for login in logins:
        if login.unread is not None:
            yield from _more(f"{login.kind}: {login.unread}")
        elif login.ends_at is not None and (login.days_left or 0) < TOLD_DAYS:
            ends = _minute(login.ends_at)
            yield from _more(f"{login.kind} ends {ends}, in {login.days_left} d: {login.file}")


def _retirement_lines(overview: Overview) -> Iterator[styled.Text]:
    if not overview.retirements:
        return
    yield styled.Text("what Salesforce retires", "bold")
    for retirement, days_left in overview.retirements:
        when = f"in {days_left} d"
        if days_left <= 0:
            when = f"since {-days_left} d"
        yield from _line(when, "yellow", f"{retirement.on.isoformat()} UTC")
        yield from _more(retirement.what)
        yield from _more(CERTAINTY[retirement.certainty])
        yield from _more(retirement.page)


def _line(word: str, colour: str, text: str) -> Iterator[styled.Text]:
    """A row's first line."""
    first, *rest = _wrapped(text, f"  {word:<10}  ", 14 * " ")
    yield styled.Text.assemble("  ", (f"{word:<10}", colour), first[12:])
    for line in rest:
        yield styled.Text(line)


def _more(text: str) -> Iterator[styled.Text]:
    """What stands below it."""
    for line in _wrapped(text, 14 * " ", 16 * " "):
        yield styled.Text(line)


def _next(step: str | None) -> Iterator[styled.Text]:
    if step is not None:
        for line in _wrapped(f"next: {step}", 14 * " ", 20 * " "):
            yield styled.Text(line, "dim")


def _wrapped(text: str, first: str, others: str) -> list[str]:
    """Lines of 80 columns. A name or a page is never broken, or it could not be looked for."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _minute(moment: str) -> str:
    """`2026-02-03 12:57 UTC`."""
    return f"{moment[:16].replace('T', ' ')} UTC"


def _length(seconds: int) -> str:
    """`3 d`, `5 h`, `12 min`: in the largest unit of which it is one."""
    for length, symbol in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= length:
            return f"{seconds // length} {symbol}"
    return "0 min"
