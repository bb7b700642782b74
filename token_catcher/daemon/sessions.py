"""One session with a mailbox after the other, for as long as the process lives.

Any trouble of a session ends it; a new one begins after a pause with back-off. One that only ran
out (Gmail ends each an hour after a login by access token) is followed by the next at once, and
nothing is told of it: the mailbox counts as connected meanwhile.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random

from token_catcher.daemon.logins import Logins
from token_catcher.daemon.wakeups import BackOff, Pace, Wakeup, steps
from token_catcher.errors import ConfigurationError, SessionEnded, StateError, TokenCatcherError
from token_catcher.log import raised_at
from token_catcher.model import Secret
from token_catcher.ports import Log, Mailbox
from token_catcher.sweep import Watched


class SessionLoop(threading.Thread):
    """A thread that lives through them.

    No exception ends it: a mailbox that nobody looks after is the worst that can happen."""

    def __init__(
        self,
        watched: Watched,
        ending: threading.Event,
        logins: Logins,
        *,
        name: str,
        log: Log,
        monotonic: Callable[[], float],
        rng: Random,
        pace: Pace,
    ) -> None:
        """`ending`: ends it once it is set and noticed; see `stop`."""
        super().__init__(name=name, daemon=True)  # left behind at exit, should it hang
        self.wakeup = Wakeup()
        self.moved_at = monotonic()
        """Monotonic seconds of the last step: progress, or a wait that ended in time."""
        self.connected = False
        self.trouble: str | None = None
        """The code of what went wrong last; None: all is well."""
        self.looked = False
        """Whether the first look ended, well or not."""
        self.watched = watched
        self._ending = ending
        self._logins = logins
        self._log = log
        self._monotonic = monotonic
        self._rng = rng
        self._pace = pace
        self._back_off = BackOff(pace, rng)
        self._is_beside = False
        """Whether the next login is made beside a session of the mailbox that was let in."""
        self._ran_out = False
        """Whether the last session was as long as the server gives any: the next one is due."""
        self._subject = {"mailbox": watched.name}
        """What its events in the log are about."""

    def start(self) -> None:
        """StateError: the system lets us have no further thread."""
        try:
            super().start()
        except RuntimeError:
            # Out of a session it ends as any trouble does.
            raise StateError(
                f"got no thread for {self.name}, expected one for each watched folder",
                code="threads",
            ) from None

    def stop(self) -> None:
        """Ask the thread to end, between two mails."""
        self._ending.set()
        self.wakeup.set()

    def run(self) -> None:
        """Wait for a turn to log in, live through a session, pause; until all ends."""
        while self._has_turn():
            credential = self._credential()  # before the login: a change during it counts as one
            began = self._monotonic()
            error = self._live()
            self._after(error, self._monotonic() - began, credential)
        self.connected = False
        self.wakeup.close()

    @abstractmethod
    def _session(self, mailbox: Mailbox) -> None:
        """What to do while connected. Returns once it ends; raises what breaks the session."""

    def _has_turn(self) -> bool:
        """Wait until a login may be made. False: all ends before that."""
        while not self._ending.is_set():
            seconds = self._logins.turn(self, beside=self._is_beside or self._ran_out)
            if seconds == 0:
                self._is_beside = False
                self._ran_out = False
                return True
            self._rest(seconds)
        self._logins.leave(self)
        return False

    def _live(self) -> TokenCatcherError | None:
        """One session. Returns the error that ended it; None where that is a bug of ours."""
        try:
            with closing(self._connect()) as mailbox:
                self.connected = True
                self.trouble = None
                has_idle = self._has_idle(mailbox)
                self._log.info("mailbox.connected", **self._subject, idle=has_idle)
                self._session(mailbox)
        except TokenCatcherError as error:
            return error
        except Exception as bug:  # noqa: BLE001 - a bug in one look must not end all later ones
            self.trouble = "internal"
            kind = type(bug).__name__
            self._log.error("mailbox.crashed", **self._subject, kind=kind, at=raised_at(bug))
        return None

    def _connect(self) -> Mailbox:
        """A logged-in session. Raises what `imap` raises."""
        try:
            return self.watched.connect()
        finally:
            self._logins.done(self)

    def _after(
        self, error: TokenCatcherError | None, lived: float, credential: Secret | None
    ) -> None:
        """What follows a session of `lived` seconds: a pause, unless it only ran out."""
        if isinstance(error, SessionEnded) and lived >= self._pace.brief:
            self._log.debug("mailbox.session_ended", **self._subject)
            self._ran_out = True
            return
        self.connected = False
        if error is not None:
            self._meet(error)
        self.looked = True  # a first look that failed is over as well
        self._pause(error, lived, credential)

    def _meet(self, error: TokenCatcherError) -> None:
        """Note and tell what ended a session."""
        self.trouble = error.code
        self._log.warning("mailbox.trouble", **self._subject, code=error.code, error=str(error))

    def _pause(
        self, error: TokenCatcherError | None, lived: float, credential: Secret | None
    ) -> None:
        """Stay away for a while after a session of `lived` seconds.

        No wakeup shortens it. Another password or sign-in does, where the last was refused, and the
        first one where there was none."""
        if self._ending.is_set():
            return
        seconds = self._back_off.pause(error, lived)
        self._log.info("mailbox.pause", **self._subject, seconds=round(seconds, 1))
        waits_for_another = isinstance(error, ConfigurationError)  # a refusal, or nothing to show
        for _ in self._steps(seconds):
            if waits_for_another and self._credential() not in (None, credential):
                self._back_off.reset()
                break

    def _rest(self, seconds: float) -> None:
        """Wait, unless all ends."""
        for _ in self._steps(seconds):
            pass

    def _steps(self, seconds: float) -> Iterator[None]:
        """Wait for so many seconds, with a sign of life at each step and at the end."""
        for _ in steps(seconds, self._pace.step, self._ending, self._monotonic):
            self._moved()
            yield
        self._moved()

    def _credential(self) -> Secret | None:
        """What a login would use now; None where that cannot be read, as the login itself tells."""
        try:
            return self.watched.credential()
        except TokenCatcherError:
            return None

    def _has_idle(self, mailbox: Mailbox) -> bool:
        return self.watched.idle and mailbox.has_idle

    def _moved(self) -> None:
        self.moved_at = self._monotonic()
