"""What is looked at: the daemon, and the picture of it that a page is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from token_catcher.anchoring import AnchorHealth
from token_catcher.daemon import Health, Lapsed, VaultUse
from token_catcher.expiry import Owner
from token_catcher.notify import ReceiverHealth
from token_catcher.oauth import TokenHealth


class Loops(Protocol):
    """The part of the daemon that is looked at; answers from any thread."""

    @property
    def health(self) -> Sequence[Health]:
        """How each mailbox does."""

    @property
    def ready(self) -> bool:
        """Whether the first look at every mailbox has ended."""

    @property
    def stuck(self) -> Sequence[str]:
        """The loops that stand still."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon at one moment: every value of a page is from the same look at it."""

    version: str
    instance: str
    shard_index: int
    shard_count: int
    taken_at: datetime
    monotonic: float
    """Seconds at that moment, by the clock of `Health.moved_at`."""
    stuck: tuple[str, ...]
    mailboxes: tuple[Health, ...]
    journal_head: int
    """The number of the last record."""
    journal_trouble: str | None
    """Why the journal cannot be used, as the code of the error; then no token can be stored."""
    anchor: AnchorHealth | None
    """How it stands with what Vault knows of the journal. None: nobody wants it to know."""
    held_waiting: Mapping[str, int]
    """Of each mailbox, how many held mails wait for a person; none where it is not among them."""
    drifted: Mapping[str, int]
    """Of each mailbox, of how many users Vault lacks the token that its mail brought."""
    lapsed: Lapsed | None
    """Whose tokens are overdue, and who was never seen. None: nobody has looked yet."""
    users_held: Mapping[str, int]
    """Of each org, of how many users proven mail waits for a person."""
    vault_use: VaultUse
    """Whether a token could be stored now, whether mail waits or not."""
    vault_token_expires_at: datetime | None
    """None: it does not expire, or there is none yet."""
    access_tokens: Mapping[str, TokenHealth]
    """Of each mailbox that is logged in to by access token."""
    certificate_ends: Mapping[Owner, datetime]
    """When our certificates end, of those that could be read."""
    receivers: Mapping[str, ReceiverHealth]
    """How it stands with those who are told, by name."""
    notify_trouble: str | None
    """Why the outbox cannot be used, as the code of the error. Nobody is told meanwhile, and no
    capture waits for that: it is no trouble of the daemon's."""

    @property
    def well(self) -> bool:
        """Whether every part works: nothing stands still, and there is no trouble with the journal,
        its anchor, Vault or a mailbox."""
        if self.stuck or self.journal_trouble is not None or not self.vault_use.is_usable:
            return False
        if self.anchor is not None and self.anchor.trouble is not None:
            return False
        return all(self._is_well(mailbox) for mailbox in self.mailboxes)

    def _is_well(self, mailbox: Health) -> bool:
        """Whether it is watched now, and could be logged in to anew."""
        if not mailbox.connected or mailbox.trouble is not None:
            return False
        return self.token_trouble(mailbox) is None

    def token_trouble(self, mailbox: Health) -> str | None:
        """The code of why no access token can be got; None: one can, or it takes none.

        A connection that lives goes on without it, and would be the last one."""
        tokens = self.access_tokens.get(mailbox.name)
        if tokens is None:
            return None
        return tokens.refused

    def seconds_since_progress(self, mailbox: Health) -> float:
        """How long ago the slowest loop of the mailbox made a step."""
        return self.monotonic - mailbox.moved_at


@dataclass(frozen=True, slots=True)
class Telling:
    """How it stands with telling others, for the page."""

    receivers: Mapping[str, ReceiverHealth]
    """By name."""
    trouble: str | None
    """Why nobody is told, as the code of the error."""


NOBODY_IS_TOLD: Final = Telling({}, None)
"""The configuration names no receiver."""


def _none() -> None:
    """There is no trouble."""


@dataclass(frozen=True)
class Subject:
    """Of whom the pages tell. Every question is answered from memory, from any thread."""

    version: str
    instance: str
    loops: Loops
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    shard: tuple[int, int]
    """Index and count."""
    journal_head: Callable[[], int]
    journal_trouble: Callable[[], str | None]
    held_waiting: Callable[[], Mapping[str, int]]
    drifted: Callable[[], Mapping[str, int]]
    lapsed: Callable[[], Lapsed | None]
    users_held: Callable[[], Mapping[str, int]]
    vault_use: Callable[[], VaultUse]
    vault_token_expires_at: Callable[[], datetime | None]
    access_tokens: Callable[[], Mapping[str, TokenHealth]]
    certificate_ends: Callable[[], Mapping[Owner, datetime]]
    receivers: Callable[[], Mapping[str, ReceiverHealth]] = dict
    notify_trouble: Callable[[], str | None] = _none
    anchor: Callable[[], AnchorHealth | None] = _none

    def telling(self) -> Telling:
        """How it stands with those who are told now."""
        return Telling(self.receivers(), self.notify_trouble())

    def snapshot(self) -> Snapshot:
        """How it is now."""
        index, count = self.shard
        mailboxes = tuple(self.loops.health)  # before the clocks, so that no step is in the future
        return Snapshot(
            version=self.version,
            instance=self.instance,
            shard_index=index,
            shard_count=count,
            taken_at=self.now(),
            monotonic=self.monotonic(),
            stuck=tuple(self.loops.stuck),
            mailboxes=mailboxes,
            journal_head=self.journal_head(),
            journal_trouble=self.journal_trouble(),
            anchor=self.anchor(),
            held_waiting=self.held_waiting(),
            drifted=self.drifted(),
            lapsed=self.lapsed(),
            users_held=self.users_held(),
            vault_use=self.vault_use(),
            vault_token_expires_at=self.vault_token_expires_at(),
            access_tokens=self.access_tokens(),
            certificate_ends=self.certificate_ends(),
            receivers=self.receivers(),
            notify_trouble=self.notify_trouble(),
        )
