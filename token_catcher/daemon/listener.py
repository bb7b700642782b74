"""Listens on one further folder of a mailbox, over a connection of its own, and wakes its watch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from token_catcher.daemon.logins import Logins
from token_catcher.daemon.sessions import SessionLoop
from token_catcher.daemon.wakeups import BackOff, IdleTime, Pace
from token_catcher.errors import TokenCatcherError
from token_catcher.ports import Log, Mailbox
from token_catcher.sweep import Watched


class IdleListener(SessionLoop):
    """Listens on one further folder of a mailbox, and wakes its watch.

    Losing it costs seconds, never a mail: the schedule wakes the watch as well."""

    def __init__(
        self,
        watched: Watched,
        folder: str,
        tell: Callable[[], None],
        logins: Logins,
        *,
        is_beside: bool,
        log: Log,
        monotonic: Callable[[], float],
        rng: Random,
        pace: Pace,
    ) -> None:
        """`tell` the watch of news. `is_beside`: its first login is made beside the session
        of the watch, which was let in a moment ago."""
        super().__init__(
            watched,
            threading.Event(),
            logins,
            name=f"idle-{watched.name}-{folder}",
            log=log,
            monotonic=monotonic,
            rng=rng,
            pace=pace,
        )
        self.folder = folder
        self._tell = tell
        self._subject["folder"] = folder
        self._back_off = BackOff(pace, rng, spare=True)
        # Or a token in the spam folder would wait for the end of an IDLE in the inbox meanwhile.
        self._is_beside = is_beside

    def _meet(self, error: TokenCatcherError) -> None:
        """Tell a trouble that goes on only once: that the server has no connection to spare costs
        no mail, since the inbox has its own."""
        if error.code == self.trouble:
            self._log.debug("mailbox.trouble", **self._subject, code=error.code, error=str(error))
            return
        super()._meet(error)

    def _session(self, mailbox: Mailbox) -> None:
        """Wake the watch for what came before, and for whatever has changed since."""
        idle_time = IdleTime(self._pace)
        state = mailbox.examine(self.folder)
        self._tell()
        while not self._ending.is_set() and mailbox.has_idle:
            news = mailbox.idle(idle_time.seconds, self.wakeup.fileno())
            self._moved()
            idle_time.ended(news=news)
            if news:
                self._tell()
                continue
            # Count its mails anew: the server may have swallowed a change.
            before = state
            state = mailbox.examine(self.folder)
            if state.uidnext is None or state != before:
                self._tell()
