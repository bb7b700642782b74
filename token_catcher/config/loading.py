"""Finds the configuration file and makes a Config of it, or one error that lists every problem."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from token_catcher import files, ownership
from token_catcher.config.checks import check
from token_catcher.config.document import MAX_BYTES, parse
from token_catcher.config.kinds import Origin
from token_catcher.config.problems import Mistake, Problem
from token_catcher.config.schema import STATE_DIR, Config
from token_catcher.config.surroundings import Sources, source_of, with_defaults
from token_catcher.errors import ConfigurationError

VARIABLE: Final = "TOKEN_CATCHER_CONFIG"
SILENT_FOR: Final = 60.0
"""Seconds for which a pipe may bring nothing: somebody types a passphrase at its other end."""
PLACES: Final = (Path("config.yaml"), Path("/etc/token-catcher/config.yaml"))


def find(path: str | None, environ: Mapping[str, str], places: Sequence[Path] = PLACES) -> Path:
    """The file that is named, by flag or variable; else the first of the usual places that has one.

    ConfigurationError: there is none, which says where it was looked for; or it lies in a working
    directory that somebody else can put files into."""
    if path:
        return _existing(Path(path), "--config")
    if environ.get(VARIABLE):
        return _existing(Path(environ[VARIABLE]), VARIABLE)
    for place in places:
        if files.may_exist(place):
            if not place.is_absolute():
                _trust_working_directory(place)
            return place
    looked = ", ".join(["--config", VARIABLE, *map(_absolute, places)])
    raise ConfigurationError(
        f"no configuration found; looked at {looked}; `token-catcher init` asks and writes one,"
        " `token-catcher config example` prints one to fill in"
    )


def _absolute(place: Path) -> str:
    """As it is where somebody has removed the working directory."""
    try:
        return str(place.absolute())
    except FileNotFoundError:
        return str(place)


def _trust_working_directory(place: Path) -> None:
    """ConfigurationError: whoever left the file there may have left it for us to find."""
    directory = place.absolute().parent
    objection = ownership.objection_to_working_directory(directory.stat(), ownership.trusted())
    if objection is not None:
        raise ConfigurationError(
            f"{place}: got {objection.got} ({directory}), expected {objection.expected};"
            f" if that file is meant, name it: --config {place}",
            code="configuration-owner",
        )


def load(
    path: Path,
    environ: Mapping[str, str],
    *,
    secrets: bool = True,
    silent_for: float = SILENT_FOR,
) -> Config:
    """Read a file, and the secrets it names once, to see that they are there.

    `secrets`: False where the caller uses none; then they may be missing, or another user's.
    `silent_for`: seconds that a pipe is waited for.

    ConfigurationError: a line for each problem, `FILE:LINE: key.path: got …, expected …`, never
    with a secret."""
    return from_text(_bytes(path, silent_for), path, environ, secrets=secrets)


def from_text(
    text: bytes,
    path: Path,
    environ: Mapping[str, str],
    *,
    secrets: bool = True,
) -> Config:
    """As `load`, of what is to stand in the file at this path."""
    document = parse(text)
    # Without any values there is nothing to check, and one problem to tell.
    if document.root is None:
        raise _refusal(path, document.problems)
    # A key that stands twice leaves values that load: then only the document has a problem.
    data, sources = with_defaults(document.data, environ)
    base = path.absolute().parent
    owners = ownership.trusted(_state_dir(data, base))
    config, mistakes = check(data, Origin(base, environ, sources, secrets, owners))
    located = [
        Problem(document.line(mistake.loc), _with_source(mistake, sources)) for mistake in mistakes
    ]
    problems = {*document.problems, *located}
    if config is None or problems:
        raise _refusal(path, problems)
    return config


def _state_dir(data: Any, base: Path) -> Path | None:
    """What is named there, before anything is checked; None: our default, or no path."""
    if not isinstance(data, dict):
        return None
    value = data.get("state_dir", STATE_DIR)
    if isinstance(value, str | Path):
        return base / value
    return None


def _with_source(mistake: Mistake, sources: Sources) -> Mistake:
    """Name the variable, where the mistake is not in the file."""
    variable = source_of(mistake.loc, sources)
    if variable is None:
        return mistake
    return replace(mistake, got=f"{mistake.got} (from {variable})")


def _refusal(path: Path, problems: Iterable[Problem]) -> ConfigurationError:
    lines = [f"{path}:{problem}" for problem in sorted(problems, key=_position)]
    return ConfigurationError("\n".join(lines), code="configuration-lines")


def _position(problem: Problem) -> tuple[int, str]:
    """In the order of the file."""
    return problem.line, str(problem)


def _existing(path: Path, named_by: str) -> Path:
    if not _exists(path):
        raise ConfigurationError(
            f"{named_by}: got {str(path)!r}, expected the path of an existing configuration file"
        )
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # no file can have this name


def _bytes(path: Path, silent_for: float) -> bytes:
    """ConfigurationError: it cannot be read, or is not ours or root's alone to write."""
    try:
        return _contents(path, silent_for)
    except OSError as error:
        why = ownership.why(error)
    except ValueError:
        why = "no file can have this name"
    problem = f"{path}: the configuration cannot be read: {why}"
    raise ConfigurationError(problem, code="configuration-file")


def _contents(path: Path, silent_for: float) -> bytes:
    """As far as it is allowed to go, and a byte more. OSError: it cannot be read.

    ConfigurationError: it is not ours or root's alone to write."""
    # Not blocking: a FIFO would hold us up until somebody writes to it, and nobody may.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _trust(path, os.fstat(descriptor))
        # The pipe of a shell's `<(…)` has no name: /dev/fd/63 is a link to it.
        if stat.S_ISFIFO(path.lstat().st_mode):
            raise OSError(errno.EINVAL, f"it is a FIFO; name a file, or --config <(cat {path})")
        return _read(descriptor, silent_for)
    finally:
        os.close(descriptor)


def _read(descriptor: int, silent_for: float) -> bytes:
    """OSError: it is a pipe, and brought nothing for so many seconds."""
    readable = select.poll()
    readable.register(descriptor, select.POLLIN)
    content = b""
    while len(content) <= MAX_BYTES:
        if not readable.poll(silent_for * 1000):
            raise OSError(errno.ETIMEDOUT, f"nothing came out of it for {silent_for:g} s")
        piece = os.read(descriptor, MAX_BYTES + 1)
        if not piece:
            break
        content += piece
    return content


def _trust(path: Path, status: os.stat_result) -> None:
    objection = ownership.objection_to_file(path, status, ownership.trusted())
    if objection is not None:
        problem = f"{path}: got {objection.got}, expected {objection.expected}"
        raise ConfigurationError(problem, code="configuration-owner")
