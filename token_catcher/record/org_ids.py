"""From which Salesforce org the mail of each configured org came first.

One JSON file in the state directory. An org that the configuration pins with `org_id` needs none
of it; of any other the first id is kept, and a mail that reveals another one is held for a person
(docs/adr/0015). Losing the file costs that knowledge and nothing else: the next token of each org
that is written brings it back. A file that cannot be believed is an error and not a loss, since
whoever could spoil it could choose what is learnt next.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.record.filelock import PATIENCE, Patience, Waiting

_State = tuple[int, ...]
SETTLED_AFTER: Final = 2.0
"""Seconds after its last change from which on a file is known by its times."""
MAX_BYTES: Final = 1 << 20
"""Of the file; an org takes some 60."""


class OrgIds:
    """The first id of each org, shared by all threads and processes of one state directory."""

    def __init__(self, path: Path, patience: Patience = PATIENCE) -> None:
        """`path`: the file; its directory is made when something is kept."""
        self._path = path
        self._patience = patience
        self._last: tuple[_State, Mapping[str, str]] | None = None
        """The file as it was read last, and what it said."""

    def known(self, org: str) -> str | None:
        """The id that the org's mail revealed first, 15 characters; None: there was none yet.

        StateError: the file is there and cannot be believed."""
        return self._read().get(org)

    def keep(self, org: str, org_id: str) -> str:
        """Keep the id where the org has none yet. Returns the one that is kept.

        It is on disk by then. StateError: it cannot be, or the file cannot be believed."""
        kept = self.known(org)
        if kept is not None:
            return kept
        try:
            files.make_directory(self._path.parent)
            with self._locked():
                # Another thread or process may have been faster: the first one stays.
                org_ids = {org: org_id, **self._read()}
                content = json.dumps(org_ids, indent=1, sort_keys=True)
                files.replace(self._path, content.encode())
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}", code="state") from None
        return org_ids[org]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """StateError: somebody else had the lock all the time."""
        path = self._path.with_suffix(".lock")
        with (
            files.opened(path, os.O_RDWR | os.O_CREAT) as file,
            Waiting(self._patience).locked(file, path),
        ):
            yield

    def _read(self) -> Mapping[str, str]:
        """What the file says. It is asked for each mail, so one that is as it was is not read."""
        try:
            last = self._last
            if last is not None and last[0] == _state_of(self._path.lstat()):
                return last[1]
            with files.opened(self._path) as file:
                status = os.fstat(file.fileno())
                content = file.read(MAX_BYTES)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}", code="state") from None
        mode = files.excess(status, files.WRITABLE_BY_OTHERS)
        if mode is not None:
            raise StateError(f"{self._path}: got mode {mode}, expected 0600", code="org-ids")
        org_ids = self._parsed(content)
        # Whatever is written within the same tick of the file system's clock may not show.
        if abs(time.time() - status.st_ctime) > SETTLED_AFTER:
            self._last = (_state_of(status), org_ids)
        return org_ids

    def _parsed(self, content: bytes) -> Mapping[str, str]:
        try:
            org_ids = json.loads(content)
        except (ValueError, RecursionError):
            org_ids = None
        if not isinstance(org_ids, dict) or not all(
            isinstance(org_id, str) for org_id in org_ids.values()
        ):
            problem = f"{self._path}: got something else, expected a JSON object of org ids"
            raise StateError(problem, code="org-ids")
        return org_ids


def _state_of(status: os.stat_result) -> _State:
    """What changes with a file, its mode, or what has its name."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
