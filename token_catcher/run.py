"""One sweep of one mailbox: what it takes, and what it goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from token_catcher.pipeline import Pipeline
from token_catcher.poison import Poison
from token_catcher.ports import Log, MailAction, Mailbox
from token_catcher.record import Checkpoint
from token_catcher.report import Report

BATCH: Final = 32
"""Mails of one FETCH: 32 of at most 256 kB, which a slow line gives within its time."""


@dataclass(slots=True)
class Tools:
    """What it takes to sweep one mailbox, the same from sweep to sweep."""

    pipeline: Pipeline
    checkpoints: Path
    """The directory of the checkpoints of all mailboxes."""
    _: KW_ONLY
    addresses: Sequence[str]
    domains: Sequence[str]
    """Mail is ours if its From names one of them."""
    lookback: timedelta
    log: Log
    now: Callable[[], datetime]
    rng: Random
    after_capture: MailAction | None = None
    """What is done to a settled token mail in its folder; see `follow_up`."""
    stopping: Callable[[], bool] = lambda: False
    """Asked between two mails; then the sweep ends early and loses nothing."""
    poison: Poison = field(init=False, default_factory=Poison)
    """What earlier sweeps have learnt, for as long as the process lives."""
    told: set[str] = field(init=False, default_factory=set)
    """By code, why mail could not be followed up: told once, until it can be."""


class Ended(Exception):
    """The sweep ends here, and the session stays: a dependency is away, or a stop was asked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep over several folders."""

    tools: Tools
    mailbox: Mailbox
    checkpoint: Checkpoint
    report: Report
    begin: datetime
    """Where a folder begins that nothing is known of."""
    again_from: datetime | None
    """Where a second look at settled mail begins, if there is to be one."""
    at_once: bool
    """Whether what waits is due now, whatever its back-off."""
    moved: Callable[[], None]
    is_later: bool = False
    """Whether it is a further look at a folder: only what is new is of interest."""
    listens: bool = True
    """Whether somebody listens for news in the inbox afterwards."""

    @property
    def later(self) -> Run:
        """For further looks at a folder in the same sweep."""
        return replace(self, again_from=None, at_once=False, is_later=True)

    def tell_beginning(self) -> None:
        """Say why the checkpoint begins anew, if it does. A first start is no trouble."""
        tell = self.tools.log.warning
        if self.checkpoint.is_first:
            tell = self.tools.log.info
        self.tell(self.checkpoint.notes, tell)

    def tell(
        self, notes: Sequence[str], tell: Callable[..., Any], *, folder: str | None = None
    ) -> None:
        """Say why a checkpoint, or a folder of it, begins anew: `tell` is the log, at a level.

        Once: the new one is on disk then."""
        about = {"mailbox": self.mailbox.name}
        if folder is not None:
            about["folder"] = folder
        for note in notes:
            tell("checkpoint.reset", **about, note=note)
            self.checkpoint.save()
