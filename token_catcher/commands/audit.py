"""Is the journal intact? And closing its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import verification_lines
from token_catcher.config import SecretSource
from token_catcher.record import (
    Head,
    Keyring,
    State,
    Verification,
    in_order,
    verify,
    verify_files,
)


def run_verify(
    paths: Sequence[Path], head: Head | None, keys: Keyring, *, as_json: bool
) -> ExitCode:
    """Say how a journal stands: the one at this path, or the one that these files make, in
    whatever order they are named.

    `head`: one that was kept elsewhere. `keys`: of the journal. FAILED: it is not intact, or not
    there. StateError: it cannot be read."""
    ordered = in_order(paths)
    verification = _verified(ordered, head, keys)
    file = verification.file or ordered[-1]
    if as_json:
        output.write_json([{**asdict(verification), "file": str(file)}])
    else:
        output.print_lines(verification_lines(file, verification))
    if verification.state == State.INTACT:
        return ExitCode.DONE
    return ExitCode.FAILED


def key_file(path: Path) -> SecretSource:
    """Where the keys of a journal are that is not the configured one's."""
    return SecretSource("file", str(path.absolute()), {}, is_document=True)


def _verified(paths: Sequence[Path], head: Head | None, keys: Keyring) -> Verification:
    if len(paths) == 1:
        return verify(paths[0], head, keys)
    return verify_files(paths, head, keys)


def run_archive(app: App) -> None:
    """Close the file and go on in a new one. StateError: it could not be."""
    closed = app.journal.archive()
    if closed is None:
        line = f"{app.config.journal_file} holds no record yet: it goes on as it is"
    else:
        line = f"closed as {closed}; {app.config.journal_file} carries it on"
    output.write([f"{line}\n"])
