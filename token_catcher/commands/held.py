"""The held mails that still wait for a person, from the journal alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.render import held_lines
from token_catcher.commands.rotation import HeldMail
from token_catcher.record import Record


def run(app: App, *, as_json: bool) -> None:
    """Show them, oldest first. StateError: the journal cannot be read, or is not whole."""
    mails = waiting(app.journal.waiting(), app.now())
    if as_json:
        output.write_json(mail.as_json() for mail in mails)
    else:
        output.print_lines(held_lines(mails))


def waiting(records: Iterable[Record], now: datetime) -> list[HeldMail]:
    """The mails of these records, the one that came first before the others."""
    mails = [HeldMail.of(record, now) for record in records]
    return sorted(mails, key=attrgetter("rotation.received_at"))
