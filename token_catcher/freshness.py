"""Access tokens that have ended are renewed, though nobody logs in; each mailbox by itself.

A token endpoint that hangs takes half a minute to be given up, a lock that is held a whole one.
That must cost neither the other mailboxes their renewals nor housekeeping its round, which keeps
Vault's token alive. So each renewal has a thread of its own, and nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Final

from token_catcher.errors import TokenCatcherError
from token_catcher.log import raised_at
from token_catcher.logins import Entrance
from token_catcher.oauth import AccessTokens
from token_catcher.ports import Log

AT_A_TIME: Final = 16
"""Renewals that run beside each other; further ones begin in a later round."""


class Freshness:
    """Renews the tokens of all mailboxes. For one thread, that of housekeeping."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._running: dict[str, threading.Thread] = {}
        """By mailbox, at most one each."""
        self._failed: set[str] = set()
        """The mailboxes whose token could not be renewed, which was told."""

    def look(self, entrances: Mapping[str, Entrance]) -> None:
        """Begin the renewal of each token that has ended, and wait for none.

        One that cannot be renewed is told while mail still comes."""
        self._forget_done()
        self._tell_renewed(entrances)
        free = AT_A_TIME - len(self._running)
        longest_due_first = sorted(self._due(entrances), key=itemgetter(0))
        for _, mailbox, tokens in longest_due_first[:free]:
            self._begin(mailbox, tokens)

    def _forget_done(self) -> None:
        for mailbox, thread in tuple(self._running.items()):
            if not thread.is_alive():
                del self._running[mailbox]

    def _tell_renewed(self, entrances: Mapping[str, Entrance]) -> None:
        """There is a token again, by a renewal of ours or by a login."""
        for mailbox in tuple(self._failed):
            entrance = entrances.get(mailbox)
            if entrance is None or entrance.tokens is None:  # no longer configured so
                self._failed.discard(mailbox)
            elif entrance.tokens.health.is_good:
                self._failed.discard(mailbox)
                self._log.info("oauth.renewed", mailbox=mailbox)

    def _due(self, entrances: Mapping[str, Entrance]) -> Iterator[tuple[float, str, AccessTokens]]:
        """Since when, in monotonic seconds, and what; without those that are being renewed."""
        for mailbox, entrance in entrances.items():
            tokens = entrance.tokens
            if tokens is None or mailbox in self._running:
                continue
            since = tokens.due_since
            if since is not None:
                yield since, mailbox, tokens

    def _begin(self, mailbox: str, tokens: AccessTokens) -> None:
        """In a thread that Python does not wait for at exit."""
        renew = partial(self._renew, mailbox, tokens)
        thread = threading.Thread(target=renew, name=f"renewal-{mailbox}", daemon=True)
        self._running[mailbox] = thread
        thread.start()

    def _renew(self, mailbox: str, tokens: AccessTokens) -> None:
        try:
            tokens.keep_fresh()
        except TokenCatcherError as error:
            self._failed.add(mailbox)
            self._log.warning("oauth.trouble", mailbox=mailbox, code=error.code, error=str(error))
        except Exception as bug:  # noqa: BLE001 - its text may hold a secret: only its place is told
            kind = type(bug).__name__
            self._log.error("oauth.crashed", mailbox=mailbox, kind=kind, at=raised_at(bug))
