"""Which tokens Vault has lost, found by holding the record against it now; nothing is changed.

The daemon looks once a day and mends what it can (`daemon.restoration`). This is for who asks by
hand. The metadata of a secret are enough where Vault has the very version of the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from token_catcher.app import App
from token_catcher.drift import belongs_in_vault
from token_catcher.model import Entry
from token_catcher.standing import Inquiry
from token_catcher.status import Pasts, loss_of

WITHIN: Final = 20.0
"""Seconds for all of them: who has thousands does not wait for long at each scan."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A token that Vault should have, and has not."""

    entry: Entry
    """The record of it."""
    code: str
    saw: str


@dataclass(frozen=True, slots=True)
class Losses:
    """All of these that were found."""

    lost: tuple[Lost, ...]
    unasked: int
    """Of how many users Vault was not asked, since the time was over."""


def losses_of(
    app: App,
    mailboxes: Collection[str],
    stored: Collection[str] = (),
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Losses:
    """Hold the newest token of each user against Vault, where its mail came to these mailboxes.

    `stored`: the digests of mails whose tokens were stored just now, and so are there. What
    somebody deleted on purpose is no loss. Where Vault does not answer, nothing is known. Raises
    nothing of Vault's. StateError: the journal cannot be read."""
    deadline = monotonic() + WITHIN
    inquiry = Inquiry(app.store)
    pasts = Pasts(app.journal.tokens())
    lost = []
    unasked = 0
    for entry in _recorded(app, mailboxes, stored, pasts):
        if monotonic() >= deadline:
            unasked += 1
            continue
        loss = _loss(inquiry, entry, pasts)
        if loss is not None:
            lost.append(loss)
    return Losses(tuple(lost), unasked)


def _recorded(
    app: App, mailboxes: Collection[str], stored: Collection[str], pasts: Pasts
) -> Iterator[Entry]:
    """The newest token of each user, which `pasts` is told of as well; none of `stored`."""
    for record in app.journal.newest_tokens(without=stored):
        entry = record.entry
        if entry.mailbox in mailboxes and belongs_in_vault(entry, app.path_of):
            pasts.take_in(record)
            yield entry


def _loss(inquiry: Inquiry, entry: Entry, pasts: Pasts) -> Lost | None:
    past = pasts.of((entry.org or "", entry.username or ""))
    answer = inquiry.ask(entry.path or "", past)
    if answer is None or isinstance(answer, str):
        return None
    loss = loss_of(past, answer)
    if loss.code is None or loss.saw is None or not loss.is_missed:
        return None
    return Lost(entry, loss.code, loss.saw)
