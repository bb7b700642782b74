"""Finds the configuration file and makes a Config of it, or one error that lists every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from token_catcher.config.checks import check
from token_catcher.config.document import MAX_BYTES, parse
from token_catcher.config.kinds import Origin
from token_catcher.config.problems import Mistake, Problem
from token_catcher.config.schema import Config
from token_catcher.config.surroundings import Sources, source_of, with_defaults
from token_catcher.errors import ConfigurationError

VARIABLE: Final = "TOKEN_CATCHER_CONFIG"
PLACES: Final = (Path("config.yaml"), Path("/etc/token-catcher/config.yaml"))


def find(path: str | None, environ: Mapping[str, str], places: Sequence[Path] = PLACES) -> Path:
    """The file that is named, by flag or variable; else the first of the usual places that has one.

    ConfigurationError: there is none; says where it was looked for."""
    if path:
        return _existing(Path(path), "--config")
    if environ.get(VARIABLE):
        return _existing(Path(environ[VARIABLE]), VARIABLE)
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(["--config", VARIABLE, *(str(place.absolute()) for place in places)])
    raise ConfigurationError(
        f"no configuration found; looked at {looked}; `token-catcher config example` prints one"
    )


def load(path: Path, environ: Mapping[str, str], *, secrets: bool = True) -> Config:
    """Read a file, and the secrets it names once, to see that they are there.

    `secrets`: False where the caller uses none; then they may be missing, or another user's.

    ConfigurationError: a line for each problem, `FILE:LINE: key.path: got …, expected …`, never
    with a secret."""
    document = parse(_bytes(path))
    # Without any values there is nothing to check, and one problem to tell.
    if document.root is None:
        raise _refusal(path, document.problems)
    # A key that stands twice leaves values that load: then only the document has a problem.
    data, sources = with_defaults(document.data, environ)
    config, mistakes = check(data, Origin(path.absolute().parent, environ, sources, secrets))
    located = [
        Problem(document.line(mistake.loc), _with_source(mistake, sources)) for mistake in mistakes
    ]
    problems = {*document.problems, *located}
    if config is None or problems:
        raise _refusal(path, problems)
    return config


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


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror
    except ValueError:
        why = "no file can have this name"
    problem = f"{path}: the configuration cannot be read: {why}"
    raise ConfigurationError(problem, code="configuration-file")
