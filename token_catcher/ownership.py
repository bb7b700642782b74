"""Whose a file may be that we go by, and as whom we work.

The configuration, and the files it names, say where tokens go and who is believed; `state_dir` says
what is settled. Who can write one of them can send tokens elsewhere, or lose them. So a file is
ours or root's, and nobody else can write it:

    file         owned by us or by root; writable by its owner alone
    state_dir    writable by its owner alone; where root owns it, by a group of ours as well: so
                 Kubernetes gives a volume to the pod's `fsGroup`

Root that finds somebody else's `state_dir` is a guest: the daemon is that other. So root goes on as
the owner, and leaves no file there that the daemon cannot read. To root, what that owner owns
counts as ours, since root's own configuration named the directory. docs/adr/0014-whose-files.md
says why.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.errors import ConfigurationError

ROOT: Final = 0
"""The user id."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a file is not gone by."""

    got: str
    expected: str
    """With what to type."""


def trusted(state_dir: Path | None = None) -> frozenset[int]:
    """The users whose files we go by: us, root, and to root the owner of `state_dir`."""
    us = os.geteuid()
    owners = {us, ROOT}
    if us == ROOT and state_dir is not None:
        owner = _owner_of(state_dir)
        if owner is not None:
            owners.add(owner)
    return frozenset(owners)


def objection_to_file(
    path: Path, status: os.stat_result, owners: Collection[int]
) -> Objection | None:
    """Why we do not go by this file, whose status is that of the open one; None: we do."""
    if status.st_uid not in owners:
        got = f"a file of {name_of(status.st_uid)}, who could send tokens elsewhere"
        return Objection(got, f"one of ours or of root: look at it, then chown root {path}")
    mode = files.excess(status, files.WRITABLE_BY_OTHERS)
    if mode is None:
        return None
    got = f"a file that others can write (mode {mode})"
    return Objection(got, f"one for its owner to write: chmod go-w {path}")


def objection_to_working_directory(
    status: os.stat_result, owners: Collection[int]
) -> Objection | None:
    """Why we read no file here that nobody named; None: we do."""
    if status.st_uid not in owners:
        got = f"a directory of {name_of(status.st_uid)}"
    elif status.st_mode & files.WRITABLE_BY_OTHERS:
        got = "a directory that others can write"
    else:
        return None
    return Objection(got, "one of ours or of root, and writable by nobody else")


def objection_to_state(
    path: Path, status: os.stat_result, us: int, groups: Collection[int]
) -> Objection | None:
    """Why we keep no files in this directory; None: we do.

    `us`: the user who does; `groups`: all of this user's."""
    forbidden = files.WRITABLE_BY_OTHERS
    if us != ROOT and status.st_uid == ROOT and status.st_gid in groups:
        forbidden = stat.S_IWOTH
    mode = files.excess(status, forbidden)
    if mode is None:
        return None
    got = f"a directory that others can write (mode {mode})"
    return Objection(got, f"one for us alone: chmod go-w {path}, or name a new one below it")


def work_as_owner(directory: Path) -> None:
    """Root becomes the owner of the directory, for good; nothing happens to anybody else.

    Where the directory is root's, or is not there yet, root stays root.
    ConfigurationError: we cannot become that user, or that user cannot read our program."""
    owner = _owner_of(directory)
    if os.geteuid() != ROOT or owner in (ROOT, None):
        return
    assert owner is not None
    try:
        _become(owner, directory.stat().st_gid)
    except OSError as error:
        raise ConfigurationError(
            f"state_dir: {directory} belongs to {name_of(owner)}, and we cannot become that user"
            f" ({error.strerror}), expected to be started as it: sudo -u '#{owner}' token-catcher",
            code="configuration-owner",
        ) from None
    _read_ourselves(owner)


def _read_ourselves(user: int) -> None:
    """Modules are read when they are needed, and some of them are needed late."""
    for file in (os.__file__, __file__):
        if not os.access(file, os.R_OK):
            raise ConfigurationError(
                f"state_dir belongs to {name_of(user)}, who cannot read our program: {file},"
                " expected one that everybody can read, in /opt for example",
                code="configuration-program",
            )


def _become(user: int, group: int) -> None:
    """In this order: who is no longer root cannot change groups.

    `group`: for a user without an account, as in a container."""
    groups = [group]
    account = _account(user)
    if account is not None:
        group = account.pw_gid
        groups = os.getgrouplist(account.pw_name, group)
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(user)


def why(error: OSError) -> str:
    """What the operating system said; of what it forbids, to whom: root may be somebody else by
    now."""
    words = error.strerror or "unknown trouble"
    if isinstance(error, PermissionError):
        words += f" to {name_of(os.geteuid())}"
    return words


def name_of(user: int) -> str:
    """`token-catcher (uid 990)`; `uid 990` where there is no account."""
    account = _account(user)
    if account is None:
        return f"uid {user}"
    return f"{account.pw_name} (uid {user})"


def group_name_of(group: int) -> str:
    """`vault (gid 991)`; `gid 991` where it has no name."""
    try:
        name = grp.getgrgid(group).gr_name
    except KeyError:
        return f"gid {group}"
    return f"{name} (gid {group})"


def _account(user: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(user)
    except KeyError:
        return None


def _owner_of(directory: Path) -> int | None:
    """None: the directory is not there, or out of our sight."""
    try:
        return directory.stat().st_uid
    except (OSError, ValueError):
        return None
