"""The file of a refresh token: read anew for each renewal, and replaced by what a renewal gives.

Many servers give a new refresh token along with each access token, and some take the old one for
stolen once it is shown again. So a renewal holds a lock file beside it: of two processes that renew
at the same time the second reads what the first has written. The file is replaced as a whole, for
us alone, and is on disk before anybody goes on.

A volume that cannot be written (a mounted Kubernetes Secret, say) is no hindrance while the server
gives no new one. Where it does, the new one is kept in memory, written at a later renewal, and
told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from token_catcher import files, signals
from token_catcher.errors import Outage, StateError
from token_catcher.model import Secret
from token_catcher.oauth.origin import note_renewal, origin_of
from token_catcher.ports import Log

LOCK_WITHIN: Final = 60.0
"""Seconds to wait for another process: twice what its request may take."""
LOCK_STEP: Final = 0.2
"""Seconds between two looks at the lock."""
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT


class RefreshTokenFile:
    """One refresh token, which any number of processes renew."""

    def __init__(
        self,
        path: Path,
        read: Callable[[], Secret],
        log: Log,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        """`read`: the token as the file holds it now. ConfigurationError: it is not there, or
        others can use it."""
        self.path = path
        """Where it is kept."""
        self.read = read
        self._log = log
        self._monotonic = monotonic
        self._sleep = sleep
        self._in_file: Secret | None = None
        """What the file held when it was last read."""
        self._unwritten: Secret | None = None
        """What came after that, and could not be written."""

    def sign_in(self) -> Secret:
        """Stands for what a person has put there: the same one over all renewals, whoever renews.

        ConfigurationError: the file is not there."""
        return Secret(origin_of(self._place(), self.read()))

    @contextmanager
    def renewing(self) -> Iterator[Secret]:
        """The token to show, while nobody else renews; `keep` belongs into the block.

        ConfigurationError: the file is not there. Outage: another process does not end."""
        with self._alone():
            in_file = self.read()
            if in_file != self._in_file:
                self._in_file = in_file
                self._unwritten = None  # somebody has put another one into the file
            yield self._unwritten or in_file

    def prepare(self) -> None:
        """Before somebody signs in for it. StateError: it could not be written afterwards."""
        probe = self._place().with_name(f"{self.path.name}.probe")
        try:
            with files.opened(probe, _LOCK_FLAGS):
                probe.unlink()
        except OSError as error:
            problem = self._unwritable(error)
        else:
            return
        raise problem

    def begin(self, token: Secret) -> None:
        """Write the first one, of a sign-in. StateError: it cannot be written."""
        with self._alone():
            try:
                self._write(token)
            except OSError as error:
                problem = self._unwritable(error)
            else:
                return
        raise problem

    def _unwritable(self, error: OSError) -> StateError:
        return StateError(
            f"refresh token {self.path}: cannot be written ({error.strerror}), expected a"
            " directory that we can write",
            code="oauth-file",
        )

    def keep(self, token: Secret | None) -> None:
        """What the server gave in its place; None: it is good for the next time as well."""
        if token is None:
            token = self._unwritten
        if token is None or token == self._in_file:
            self._touch()
            return
        try:
            self._replace_by(token)
        except OSError as error:
            self._unwritten = token
            self._tell(error)
            return
        self._in_file = token
        self._unwritten = None

    def _replace_by(self, token: Secret) -> None:
        """Write what a renewal gave."""
        assert self._in_file is not None  # `renewing` has read it
        with suppress(OSError):  # without its note it looks like a sign-in, which loses nothing
            note_renewal(self._place(), self._in_file, token)
        self._write(token)

    def _write(self, token: Secret) -> None:
        files.replace(self._place(), f"{token.reveal()}\n".encode())

    def _tell(self, error: OSError) -> None:
        self._log.warning(
            "oauth.refresh_token_not_written",
            file=str(self.path),
            error=error.strerror,
            note="the new one is lost with this process: make the file's directory writable for us",
        )

    def _touch(self) -> None:
        """The file's time is that of its last use: by it one is told that is about to end unused.

        It is a hint, and a file that root gives us keeps its time."""
        with suppress(OSError):
            os.utime(self._place())

    def _place(self) -> Path:
        """Behind symbolic links: they stay, and all who use the file share its lock."""
        return Path(os.path.realpath(self.path))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock file, where there can be one.

        Where we cannot write, nothing can be replaced either."""
        place = self._place()
        lock = place.with_name(f"{place.name}.lock")
        with ExitStack() as stack:
            # Ctrl-Z takes effect when the lock is given back: it would hold up the daemon.
            stack.enter_context(signals.unstopped())
            with suppress(OSError):
                self._wait_for(stack.enter_context(files.opened(lock, _LOCK_FLAGS)), lock)
            yield

    def _wait_for(self, file: FileIO, lock: Path) -> None:
        """Outage: whoever holds it does not end."""
        until = self._monotonic() + LOCK_WITHIN
        while not _taken(file, lock):
            if self._monotonic() >= until:
                raise Outage(
                    f"refresh token {self.path}: another process holds its lock for"
                    f" {LOCK_WITHIN:.0f} seconds, expected the end of its renewal",
                    code="oauth-locked",
                )
            self._sleep(LOCK_STEP)


def _taken(file: FileIO, lock: Path) -> bool:
    """Whether the lock is ours; also on a file system that has none."""
    try:
        return files.lock(file, lock)
    except StateError:
        return True
