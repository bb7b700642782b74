"""Which tokens Vault has lost, found by holding the record against it now; nothing is changed.

The daemon looks once a day and mends what it can (`daemon.restoration`). This is for who asks by
hand. The metadata of a secret are enough where Vault has the very version of the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from token_catcher.app import App
from token_catcher.drift import belongs_in_vault
from token_catcher.model import Entry
from token_catcher.standing import Inquiry
from token_catcher.status import Pasts, loss_of

WITHIN: Final = 20.0
"""Seconds for all of them: who has thousands does not wait for long at each scan."""
TOGETHER: Final = 4
"""Users of whom Vault is asked at the same time: most of an answer's time is its way."""


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
    pasts = Pasts(app.journal.tokens())
    recorded = [entry for entry in _recorded(app, mailboxes, pasts) if entry.mail not in stored]
    look = _Look(Inquiry(app.store), pasts, monotonic, deadline)
    with ThreadPoolExecutor(TOGETHER) as pool:
        losses = list(pool.map(look.loss, recorded))
    lost = tuple(loss for loss in losses if loss is not None)
    return Losses(lost, len(look.unasked))


def _recorded(app: App, mailboxes: Collection[str], pasts: Pasts) -> Iterator[Entry]:
    """The newest token of each user, which `pasts` is told of as well."""
    for record in app.journal.newest_tokens():
        entry = record.entry
        if entry.mailbox in mailboxes and belongs_in_vault(entry, app.path_of):
            pasts.take_in(record)
            yield entry


@dataclass(slots=True)
class _Look:
    """Asks Vault of one user after the other, until the time is over. Thread-safe."""

    inquiry: Inquiry
    pasts: Pasts
    monotonic: Callable[[], float]
    deadline: float
    unasked: list[Entry] = field(default_factory=list)
    """The records of the users of whom it was too late to ask."""

    def loss(self, entry: Entry) -> Lost | None:
        """What Vault lacks of the token of this record; None: nothing that is known of."""
        if self.monotonic() >= self.deadline:
            self.unasked.append(entry)
            return None
        past = self.pasts.of((entry.org or "", entry.username or ""))
        answer = self.inquiry.ask(entry.path or "", past)
        if answer is None or isinstance(answer, str):
            return None
        loss = loss_of(past, answer)
        if loss.code is None or loss.saw is None or not loss.is_missed:
            return None
        return Lost(entry, loss.code, loss.saw)
