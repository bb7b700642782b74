"""The secret_id that came wrapped, kept in a file of ours: Vault gives it out once.

One JSON file in the state directory, of mode 0600: the hash of the wrapping token, and the
secret_id that it held; null while it is being unwrapped. A restart finds it there, and a new
wrapping token replaces it. Processes that share the state directory share the file, by its lock.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from token_catcher import files, ownership
from token_catcher.errors import StateError
from token_catcher.model import Secret
from token_catcher.record import Patience, Waiting

LOCK_WITHIN: Final = Patience(seconds=60.0)
"""Twice what a request to Vault may take."""
MAX_BYTES: Final = 64 * 1024
"""Of the file; a secret_id takes some 40, unless somebody chose it."""


@dataclass(frozen=True, slots=True)
class Unwrapping:
    """What is known of one wrapping token."""

    secret_id: Secret | None
    """None: we began to unwrap it, and never learnt how that ended."""


class KeptSecretId:
    """The file. StateError: it cannot be read or written, or not be believed."""

    def __init__(self, path: Path) -> None:
        """`path`: the file; its directory is made when something is kept."""
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else unwraps meanwhile."""
        with ExitStack() as stack:
            self._lock(stack)
            yield

    def of(self, wrapping_token: Secret) -> Unwrapping | None:
        """What came of this token; None: it is new to us."""
        kept = self._read()
        if kept is None or kept.get("wrapping_token") != _hash(wrapping_token):
            return None
        secret_id = kept.get("secret_id")
        if secret_id is None:
            return Unwrapping(None)
        return Unwrapping(Secret(secret_id))

    def begin(self, wrapping_token: Secret) -> None:
        """We are about to unwrap it. What was kept of another token is gone then."""
        self._write({"wrapping_token": _hash(wrapping_token), "secret_id": None})

    def keep(self, wrapping_token: Secret, secret_id: Secret) -> None:
        """It is on disk when this returns."""
        self._write({"wrapping_token": _hash(wrapping_token), "secret_id": secret_id.reveal()})

    def _lock(self, stack: ExitStack) -> None:
        """Until the stack is left."""
        try:
            files.make_directory(self.path.parent)
            lock = self.path.with_suffix(".lock")
            file = stack.enter_context(files.opened(lock, os.O_RDWR | os.O_CREAT))
            stack.enter_context(Waiting(LOCK_WITHIN).locked(file, lock))
        except OSError as error:
            problem = self._problem(error)
        else:
            return
        raise problem

    def _read(self) -> dict[str, Any] | None:
        """None: there is no file."""
        try:
            with files.opened(self.path) as file:
                self._trust(os.fstat(file.fileno()))
                content = file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            problem = self._problem(error)
        else:
            return self._parsed(content)
        raise problem

    def _trust(self, status: os.stat_result) -> None:
        objection = ownership.objection_to_file(self.path, status, ownership.trusted())
        if objection is not None:
            problem = f"{self.path}: got {objection.got}, expected {objection.expected}"
            raise StateError(problem, code="vault-secret-id")
        mode = files.excess(status)
        if mode is not None:
            problem = f"{self.path}: got mode {mode}, expected 0600: others may have the secret_id"
            raise StateError(problem, code="vault-secret-id")

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            kept = json.loads(content)
        except (ValueError, RecursionError):
            kept = None
        if not isinstance(kept, dict) or not isinstance(kept.get("secret_id"), str | None):
            problem = f"{self.path}: got something else, expected a secret_id that we kept"
            raise StateError(problem, code="vault-secret-id")
        return kept

    def _write(self, kept: dict[str, str | None]) -> None:
        try:
            files.replace(self.path, json.dumps(kept).encode())
        except OSError as error:
            problem = self._problem(error)
        else:
            return
        raise problem

    def _problem(self, error: OSError) -> StateError:
        return StateError(f"{self.path}: {error.strerror}", code="vault-secret-id")


def _hash(wrapping_token: Secret) -> str:
    """Tells two tokens apart, and is of no use to find one."""
    return hashlib.sha256(wrapping_token.reveal().encode()).hexdigest()
