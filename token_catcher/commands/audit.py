"""Is the journal intact? And closing its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from token_catcher.commands import output
from token_catcher.commands.anchor_result import tell_unanchored
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import verification_lines
from token_catcher.config import SecretSource
from token_catcher.errors import TokenCatcherError
from token_catcher.record import (
    START,
    Head,
    Keyring,
    State,
    Verification,
    in_order,
    verify,
    verify_files,
)

if TYPE_CHECKING:
    from token_catcher.app import App

_NOT_LOOKED: Final = "the anchor in Vault was not looked at"


@dataclass(frozen=True, slots=True)
class AnchorLook:
    """What Vault told of the journal before its files were read."""

    head: Head | None = None
    """None: it was not asked. `START`: it has no anchor."""
    note: str | None = None
    """For people: since when it has that one, or why it was not asked."""

    @property
    def is_unread(self) -> bool:
        """Whether something kept us from asking."""
        return self.head is None and self.note is not None


def look_at_anchor(app: App) -> AnchorLook:
    """Ask Vault what it knows of the journal. What keeps us from that is told, and no failure:
    the files are verified all the same."""
    try:
        if app.store.inspection.would_unwrap():
            return AnchorLook(note=f"{_NOT_LOOKED}: that would use up a wrapped secret_id")
        anchor = app.store.anchor(app.config.instance).read().anchor
    except TokenCatcherError as error:
        return AnchorLook(note=f"{_NOT_LOOKED}: {error}")
    if anchor is None:
        return AnchorLook(START, "Vault has no anchor of this instance")
    return AnchorLook(
        Head(anchor.seq, anchor.hash), f"anchored to record {anchor.seq}, {anchor.at}"
    )


def run_verify(
    paths: Sequence[Path],
    head: Head | None,
    keys: Keyring,
    *,
    anchor: AnchorLook | None = None,
    as_json: bool,
) -> ExitCode:
    """Say how a journal stands: the one at this path, or the one that these files make, in
    whatever order they are named.

    `head`: one that was kept elsewhere. `keys`: of the journal. `anchor`: None: it has none.
    FAILED: it is not intact, or not there. StateError: it cannot be read."""
    look = anchor or AnchorLook()
    ordered = in_order(paths)
    verification = _verified(ordered, head, keys, look.head)
    file = verification.file or ordered[-1]
    if as_json:
        output.write_json([{**asdict(verification), "file": str(file), "anchor": look.note}])
    else:
        output.print_lines(verification_lines(file, verification, look.note))
    if verification.state == State.INTACT:
        return ExitCode.DONE
    return ExitCode.FAILED


def key_file(path: Path) -> SecretSource:
    """Where the keys of a journal are that is not the configured one's."""
    return SecretSource("file", str(path.absolute()), {}, is_document=True)


def _verified(
    paths: Sequence[Path], head: Head | None, keys: Keyring, anchor: Head | None
) -> Verification:
    if len(paths) == 1:
        return verify(paths[0], head, keys, anchor)
    return verify_files(paths, head, keys)


def run_archive(app: App) -> None:
    """Close the file and go on in a new one. StateError: it could not be."""
    closed = app.journal.archive()
    if closed is None:
        line = f"{app.config.journal_file} holds no record yet: it goes on as it is"
    else:
        line = f"closed as {closed}; {app.config.journal_file} carries it on"
    output.write([f"{line}\n"])
    tell_unanchored(app)
