"""When each mailbox was last looked at, and what kept us from it: for who asks without a daemon.

One small JSON file a mailbox, written by the daemon and by scans, and read by `status`. It is a
note and never a truth: nothing is decided by it, it is not synced, and one that cannot be written
or read costs the note alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.model import iso, moment
from token_catcher.ports import Log
from token_catcher.record.checkpoint import file_name

APART: Final = timedelta(seconds=30)
"""How often at most it is written that nothing but the time has changed: a busy mailbox is swept
every second."""
MAX_BYTES: Final = 10_000
"""Of a file; one of ours has some 200."""


@dataclass(frozen=True, slots=True)
class LastLook:
    """What is known of the looks at one mailbox. Times are ISO 8601 in UTC."""

    swept_at: str | None = None
    """When all of its folders were last looked at without any trouble. None: never."""
    trouble: str | None = None
    """The code of what has kept us from that since; None: nothing has."""
    trouble_at: str | None = None
    """When that was last met."""
    looked_by: str | None = None
    """`run` or `scan`: who looked last."""
    token: str | None = None
    """The code of why no access token could be got for the next login; None: nothing was in the
    way, or the mailbox takes none."""

    @property
    def at(self) -> datetime | None:
        """When somebody last looked, whether that went well or not. None: nobody ever did."""
        times = [moment(time) for time in (self.swept_at, self.trouble_at) if time is not None]
        return max(times, default=None)

    @classmethod
    def read(cls, directory: Path, mailbox: str) -> Self | None:
        """The note on this mailbox. None: there is none, or none that can be understood.

        StateError: it is there, and closed to us."""
        path = _path(directory, mailbox)
        try:
            with files.opened(path) as file:
                return cls._of(json.loads(file.read(MAX_BYTES)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None

    @classmethod
    def _of(cls, fields: Any) -> Self:
        """ValueError, TypeError, AttributeError: no look wrote this."""
        look = cls(
            swept_at=fields.get("swept_at"),
            trouble=fields.get("trouble"),
            trouble_at=fields.get("trouble_at"),
            looked_by=fields.get("looked_by"),
            token=fields.get("token"),
        )
        _ = look.at  # which parses the times
        for text in (look.trouble, look.looked_by, look.token):
            if not isinstance(text, str | None):
                raise TypeError("a text is missing")
        return look


class LookNotes:
    """Notes the looks at one mailbox. One thread at a time."""

    def __init__(
        self,
        directory: Path,
        mailbox: str,
        by: str,
        now: Callable[[], datetime],
        log: Log,
        token: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`directory`: of the notes on all mailboxes. `by`: `run` or `scan`. `token`: the code of
        why no access token can be got now; None: one can."""
        self._directory = directory
        self._mailbox = mailbox
        self._by = by
        self._now = now
        self._log = log
        self._token = token
        self._written: LastLook | None = None
        self._is_told = False

    def swept(self) -> None:
        """All folders were looked at, without any trouble."""
        self._note(LastLook(swept_at=self._second(), looked_by=self._by))

    def met(self, code: str) -> None:
        """Trouble kept us from that."""
        self._note(LastLook(trouble=code, trouble_at=self._second(), looked_by=self._by))

    def _second(self) -> str:
        return iso(self._now().replace(microsecond=0))

    def _note(self, look: LastLook) -> None:
        look = replace(look, token=self._token())
        if self._is_known(look):
            return
        try:
            files.make_directory(self._directory)
            path = _path(self._directory, self._mailbox)
            with files.locked(path.with_suffix(".lock")) as ours:
                if ours:  # else another process notes the same at this moment
                    self._write(path, look)
        except (OSError, StateError) as error:
            self._tell(error)

    def _is_known(self, look: LastLook) -> bool:
        """Whether only the time is another one than in the last note, and that by little."""
        before = self._written
        if before is None or before.at is None or look.at is None:
            return False
        if replace(before, swept_at=None, trouble_at=None) != replace(
            look, swept_at=None, trouble_at=None
        ):
            return False
        return timedelta() <= look.at - before.at < APART

    def _write(self, path: Path, look: LastLook) -> None:
        if look.swept_at is None:
            # Another process may have swept it meanwhile.
            before = LastLook.read(self._directory, self._mailbox) or LastLook()
            look = replace(look, swept_at=before.swept_at)
        content = json.dumps({"mailbox": self._mailbox, **asdict(look)}) + "\n"
        files.replace(path, content.encode(), synced=False)
        self._written = look

    def _tell(self, error: OSError | StateError) -> None:
        """Once: a full disk, or one that cannot be written, is told by whoever needs it."""
        tell = self._log.debug
        if not self._is_told:
            tell = self._log.warning
        self._is_told = True
        reason = str(error)
        if isinstance(error, OSError):
            reason = error.strerror or ""
        tell("mailbox.look_not_noted", mailbox=self._mailbox, error=reason)


def _path(directory: Path, mailbox: str) -> Path:
    return directory / f"{file_name(mailbox)}.json"
