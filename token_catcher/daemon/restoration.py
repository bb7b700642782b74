"""The daily look for what Vault has lost: a token that the journal tells of is stored again.

For each user the journal's newest token is held against Vault, in one read of the secret. Where
Vault has none or an older one, the watch of the mailbox is asked to find the mail and take it the
way of all mail once more: it is judged, and the newer token wins, so that nothing is decided here.
Then Vault is asked again, ever more seldom, until it has the token.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from token_catcher.drift import Drift, belongs_in_vault, drift
from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Entry
from token_catcher.ports import Log, SecretStore
from token_catcher.record import Journal, Record
from token_catcher.standing import ALONE, DENIED

DAILY: Final = 86_400.0
"""Seconds between two looks at all users."""
A_ROUND: Final = 100
"""Secrets that are read in one round of housekeeping, so that nothing else waits for long."""
ASKED_AGAIN: Final = 600.0
"""Seconds after which it is asked for the first time whether a token is there again."""
MENDING: Final = "it is stored again from its mail, if the mail is still there"
NEXT_STEP: Final = (
    "its mail does not bring it back: reset the user's security token (docs/runbook.md)"
)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A token that is asked for again before the next look."""

    entry: Entry
    """The record of it."""
    kind: Drift | None
    """How Vault lacks it; None: its secret could not be read yet."""
    pause: float
    """Seconds between the last question for it and the next."""
    due_at: float
    """Monotonic seconds of the next one."""


class Restoration:
    """Looks after the tokens of one configuration. One thread at a time."""

    def __init__(
        self,
        journal: Journal,
        store: SecretStore,
        *,
        mailboxes: Collection[str],
        path_of: Callable[[str, str], str | None],
        bring_back: Callable[[Entry], object],
        log: Log,
        monotonic: Callable[[], float],
        fingerprints: Fingerprints = PLAIN,
    ) -> None:
        """`mailboxes`: by name, those that are watched here. `path_of`: where the configuration
        has the token of an org and its user; None: nowhere. `bring_back`: have the mail of this
        record taken through once more."""
        self._journal = journal
        self._store = store
        self._mailboxes = frozenset(mailboxes)
        self._path_of = path_of
        self._bring_back = bring_back
        self._log = log
        self._monotonic = monotonic
        self._fingerprints = fingerprints
        self._looked_at: float | None = None
        self._records: Iterator[Record] = iter(())
        """Those that the look in hand has not come to."""
        self._due: deque[Entry] = deque()
        """Whose tokens are to be looked for next."""
        self._waiting: dict[str, _Waiting] = {}
        """Whose tokens Vault lacks, or does not show for now, by path."""
        self._unread = 0
        """Secrets that could not be read, each for itself, in the look in hand."""

    @property
    def lost(self) -> Mapping[str, int]:
        """Of how many users Vault lacks the token, by the mailbox of its mail. From any thread."""
        # The interpreter makes this copy in one step, whatever the other threads do.
        waiting = tuple(self._waiting.values())
        return Counter(user.entry.mailbox for user in waiting if user.kind is not None)

    def look_anew(self) -> None:
        """Look at all users in the next round, whenever the last look was."""
        self._looked_at = None

    def round(self) -> None:
        """Look at what is due, as far as one round goes. Does nothing most of the time.

        TransientError, AccessError: what stands between us and all secrets; the next round goes on
        where this one ended. StateError: the journal cannot be read."""
        now = self._monotonic()
        self._gather(now)
        while self._due:
            self._look_at(self._due[0], now)
            self._due.popleft()

    def _gather(self, now: float) -> None:
        """Whose tokens are due: of users that wait, and so many of all others."""
        if self._due:  # of a round that was broken off
            return
        self._due += [user.entry for user in self._waiting.values() if user.due_at <= now]
        if self._looked_at is None or now - self._looked_at >= DAILY:
            self._looked_at = now
            self._records = self._journal.newest_tokens()
            self._unread = 0
        for record in islice(self._records, A_ROUND):
            entry = record.entry
            if self._is_ours(entry) and entry.path not in self._waiting:
                self._due.append(entry)

    def _is_ours(self, entry: Entry) -> bool:
        """Whether Vault should have it, and it came to a mailbox that is watched here."""
        return entry.mailbox in self._mailboxes and belongs_in_vault(entry, self._path_of)

    def _look_at(self, entry: Entry, now: float) -> None:
        """Hold one record against Vault. Raises what stands between us and all of them."""
        path = entry.path or ""
        try:
            kind = drift(entry, self._store.holds(path), self._fingerprints)
        except (TransientError, AccessError) as error:
            self._could_not_read(entry, error, now)
            return
        if kind is not None and kind.is_mended:
            self._found(entry, kind, now)
            return
        before = self._waiting.pop(path, None)
        if kind is Drift.GONE:
            note = "the latest version was deleted: it is left as it is"
            self._log.info("vault.drift", **_subject(entry, kind), note=note)
        elif before is not None and before.kind is not None:
            self._log.info("vault.drift_ended", **_subject(entry, before.kind))

    def _could_not_read(
        self, entry: Entry, error: TransientError | AccessError, now: float
    ) -> None:
        """See to it that one secret costs no other its turn. Raises what concerns all of them."""
        path = entry.path or ""
        if error.code == DENIED:
            self._waiting.pop(path, None)
        elif error.code in ALONE:
            self._wait(entry, None, now)
        else:
            raise error
        self._tell_unread(error)

    def _tell_unread(self, error: TokenCatcherError) -> None:
        """Once in a look: a policy that is wrong is wrong for many paths."""
        tell = self._log.debug
        if self._unread == 0:
            tell = self._log.warning
        self._unread += 1
        tell("vault.trouble", code=error.code, error=str(error))

    def _wait(self, entry: Entry, kind: Drift | None, now: float) -> None:
        """Ask again, later than the last time. None: how Vault lacks it was not to be read."""
        pause = ASKED_AGAIN
        before = self._waiting.get(entry.path or "")
        if before is not None:
            pause = min(2 * before.pause, DAILY)
            kind = kind or before.kind
        self._waiting[entry.path or ""] = _Waiting(entry, kind, pause, now + pause)

    def _found(self, entry: Entry, kind: Drift, now: float) -> None:
        """Vault lacks the token: tell it, and have it brought back."""
        note = MENDING
        before = self._waiting.get(entry.path or "")
        if before is not None and before.kind is not None:
            note = NEXT_STEP
        self._wait(entry, kind, now)
        self._log.warning("vault.drift", **_subject(entry, kind), note=note)
        self._bring_back(entry)


def _subject(entry: Entry, kind: Drift) -> dict[str, str | None]:
    return {
        "mailbox": entry.mailbox,
        "org": entry.org,
        "username": entry.username,
        "path": entry.path,
        "issued_at": entry.issued_at,
        "drift": kind.value,
    }
