"""The file of a refresh token: read anew for each renewal, and replaced by what a renewal gives.

Many servers give a new refresh token along with each access token, and some take the old one for
stolen once it is shown again. So a renewal holds a lock file beside it: of two processes that renew
at the same time the second reads what the first has written. The file is replaced as a whole, for
us alone, and is on disk before anybody goes on; no signal comes between the request and that.

Where nothing can be written, nothing is asked: the token that is there would be used up, and the
new one lost with the process. Should the volume fail later than that, the new one is kept in
memory, written as soon as that works, and told.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from token_catcher import files, signals
from token_catcher.errors import ConfigurationError, Outage, StateError
from token_catcher.model import Secret
from token_catcher.oauth.origin import note_of, note_renewal, origin_of
from token_catcher.oauth.renewals import Renewals
from token_catcher.ports import Log

LOCK_WITHIN: Final = 60.0
"""Seconds to wait for another process: twice what its request may take."""
LOCK_STEP: Final = 0.2
"""Seconds between two looks at the lock."""
ROOM: Final = 4096
"""Bytes that must find room before a request: some times what refresh tokens have."""
DROPPED: Final = "somebody put another one into the file during the renewal: theirs stays"
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
        renewals: Renewals | None = None,
        lasting: bool = False,
    ) -> None:
        """`read`: the token as the file holds it now. ConfigurationError: it is not there, or
        others can use it. `renewals`: those of this process; None: there are no others. `lasting`:
        this server never gives another one, so that the file may be one that we cannot write."""
        self.path = path
        """Where it is kept."""
        self.read = read
        self._log = log
        self._monotonic = monotonic
        self._sleep = sleep
        self._renewals = renewals or Renewals()
        self._lasting = lasting
        self._kept = self._renewals.kept_at(self._place())

    def sign_in(self) -> Secret:
        """Stands for what a person has put there: the same one over all renewals, whoever renews.

        ConfigurationError: the file is not there."""
        return Secret(origin_of(self._place(), self.read()))

    @contextmanager
    def renewing(self) -> Iterator[Secret]:
        """The token to show, while nobody else renews; `keep` belongs into the block.

        ConfigurationError: the file is not there. StateError: it cannot be replaced. Outage:
        another renewal does not end, or the program does."""
        with self._alone(), self._renewals.in_flight(self.path), signals.postponed():
            kept = self._kept
            in_file = self.read()
            if in_file != kept.in_file:
                kept.in_file = in_file
                # Somebody has put another one into the file.
                kept.unwritten = None
                kept.write_again = None
            # Where the one in the file is used up already, there is nothing more to lose.
            if kept.unwritten is None and not self._lasting:
                self._prove_writable()
            yield kept.unwritten or in_file

    def prepare(self) -> None:
        """Before somebody signs in for it. StateError: it could not be written afterwards.

        Outage: another renewal does not end."""
        with self._alone():
            self._prove_writable()

    def _prove_writable(self) -> None:
        try:
            files.try_replacing(self._place(), ROOM)
        except OSError as error:
            problem = self._unwritable(error)
        else:
            return
        raise problem

    def begin(self, token: Secret) -> None:
        """Write the first one, of a sign-in. StateError: it cannot be written."""
        with self._alone(), signals.postponed():
            try:
                self._write(token)
            except OSError as error:
                problem = self._unwritable(error)
            else:
                return
        raise problem

    def withdraw(self) -> None:
        """Take away a sign-in that is of no use, and the files beside it.

        StateError: it stays. Outage: another renewal does not end."""
        with self._alone(), signals.postponed():
            try:
                self._remove()
            except OSError as error:
                problem = self._unwritable(error)
            else:
                return
        raise problem

    def _remove(self) -> None:
        """The token first: whoever waits for the lock finds none."""
        place = self._place()
        for path in (place, note_of(place), self._lock_file(place)):
            path.unlink(missing_ok=True)
        files.sync_directory(place.parent)

    def _unwritable(self, error: OSError) -> StateError:
        expected = "a directory that we can write"
        if error.errno == errno.ENOENT:
            expected = f"a directory that is there: `mkdir -m 700 {self._place().parent}`"
        if error.errno == errno.EBUSY:  # as a container gets a single file
            expected = "its directory to be mounted, and not the file by itself"
        return StateError(
            f"refresh token {self.path}: cannot be written ({error.strerror}), expected {expected}",
            code="oauth-file",
        )

    def keep(self, token: Secret | None) -> None:
        """What the server gave in its place; None: it is good for the next time as well.

        A sign-in that a person has put into the file meanwhile stays there."""
        kept = self._kept
        if token is None:
            token = kept.unwritten
        if self._is_another_sign_in():
            self._log.info("oauth.refresh_token_dropped", file=str(self.path), note=DROPPED)
            return
        if token is None or token == kept.in_file:
            self._touch()
            return
        try:
            self._replace_by(token)
        except OSError as error:
            kept.unwritten = token
            kept.write_again = self._write_again
            self._tell(error)
            return
        kept.in_file = token
        kept.unwritten = None
        kept.write_again = None

    def _is_another_sign_in(self) -> bool:
        """Whether the file holds something else than before the request.

        `login` waits for our lock; an editor does not, nor does a copy of the file. A file that is
        gone or cannot be read is no sign-in: what the server gave is all there is then."""
        try:
            return self.read() != self._kept.in_file
        except ConfigurationError:
            return False

    def _write_again(self) -> None:
        """Write what a renewal gave before, unless somebody else is at the file."""
        with suppress(ConfigurationError, Outage), self._alone(0.0), signals.postponed():
            kept = self._kept
            if kept.unwritten is None or self.read() != kept.in_file:
                return  # written meanwhile, or a person has signed in again
            with suppress(OSError):
                self._replace_by(kept.unwritten)
                kept.in_file = kept.unwritten
                kept.unwritten = None
                kept.write_again = None
                self._log.info("oauth.refresh_token_written", file=str(self.path))

    def _replace_by(self, token: Secret) -> None:
        """Write what a renewal gave."""
        assert self._kept.in_file is not None  # `renewing` has read it
        with suppress(OSError):  # without its note it looks like a sign-in, which loses nothing
            note_renewal(self._place(), self._kept.in_file, token)
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

    @staticmethod
    def _lock_file(place: Path) -> Path:
        return place.with_name(f"{place.name}.lock")

    @contextmanager
    def _alone(self, within: float | None = None) -> Iterator[None]:
        """Hold the lock file, where there can be one, and keep our other threads out as well.

        `within`: seconds to wait for it; None: as many as anybody may hold it. Outage: whoever is
        in does not end."""
        if within is None:
            within = LOCK_WITHIN
        place = self._place()
        lock = self._lock_file(place)
        until = self._monotonic() + within
        if not self._kept.lock.acquire(timeout=within):
            raise self._endless("another mailbox")
        with ExitStack() as stack:
            stack.callback(self._kept.lock.release)
            # Ctrl-Z takes effect when the lock is given back: it would hold up the daemon.
            stack.enter_context(signals.unstopped())
            with suppress(OSError):
                self._wait_for(stack.enter_context(files.opened(lock, _LOCK_FLAGS)), lock, until)
            yield

    def _wait_for(self, file: FileIO, lock: Path, until: float) -> None:
        """Outage: whoever holds it does not end."""
        while not _taken(file, lock):
            if self._monotonic() >= until:
                raise self._endless("another process")
            self._sleep(LOCK_STEP)

    def _endless(self, holder: str) -> Outage:
        return Outage(
            f"refresh token {self.path}: {holder} holds its lock for {LOCK_WITHIN:.0f} seconds,"
            " expected the end of its renewal",
            code="oauth-locked",
        )


def _taken(file: FileIO, lock: Path) -> bool:
    """Whether the lock is ours; also on a file system that has none."""
    try:
        return files.lock(file, lock)
    except StateError:
        return True
