"""The held mails that still wait for a person, from the journal alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Final

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import held_lines
from token_catcher.commands.rotation import HeldMail, mail_id
from token_catcher.record import HeldRecords, Record

NEXT: Final = (
    "next: put the closed files of the journal (journal-000001.jsonl, …) back beside it, and ask"
    " again"
)


def run(app: App, *, as_json: bool) -> ExitCode:
    """Show them, oldest first. FAILED: more may wait, or do, whose records are not here.

    StateError: the journal cannot be read, or is not whole."""
    held = app.journal.held_records()
    gaps = list(gaps_of(held))
    mails = waiting(held.records, app.now())
    if as_json:
        output.write_json(mail.as_json() for mail in mails)
    elif mails or not gaps:
        output.print_lines(held_lines(mails))
    for gap in gaps:
        output.complain(f"token-catcher: {gap}")
    if gaps:
        output.complain(NEXT)
        return ExitCode.FAILED
    return ExitCode.DONE


def gaps_of(held: HeldRecords) -> Iterator[str]:
    """What is not shown of the mails that wait, or may wait."""
    if held.missing:
        yield (
            f"of the records up to {held.missing} not all are here: whether a mail waits that they"
            " tell of is not known"
        )
    for mail in held.unreadable:
        yield (
            f"{mail_id(mail.mail)} of {mail.username or 'no username'}, held at {mail.at}, waits"
            f" as well: record {mail.seq} is in a file that is not here, or cannot be read"
        )


def waiting(records: Iterable[Record], now: datetime) -> list[HeldMail]:
    """The mails of these records, the one that came first before the others."""
    mails = [HeldMail.of(record, now) for record in records]
    return sorted(mails, key=attrgetter("rotation.received_at"))
