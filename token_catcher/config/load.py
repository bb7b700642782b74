"""Finds the configuration file and makes a Config of it, or one error that lists every problem with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from token_catcher.config.checks import check
from token_catcher.config.document import MAX_BYTES, parse
from token_catcher.config.kinds import Place
from token_catcher.config.problems import Problem
from token_catcher.config.schema import Config
from token_catcher.errors import ConfigurationError

VARIABLE: Final = "TOKEN_CATCHER_CONFIG"
PLACES: Final = (Path("config.yaml"), Path("/etc/token-catcher/config.yaml"))


def find(path: str | None, environ: Mapping[str, str], places: Sequence[Path] = PLACES) -> Path:
    """The file that is named, by flag or variable; else the first of the usual places that is there.

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


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a file, and the secrets it names once, to see that they are there.

    ConfigurationError: a line for each problem, `FILE:LINE: key.path: got …, expected …`, never with a secret."""
    document = parse(_bytes(path))
    problems = set(document.problems)
    config = None
    if document.root is not None:
        config, findings = check(document.data, Place(path.absolute().parent, environ))
        problems |= {
            Problem(document.line(loc), loc, got, expected) for loc, got, expected in findings
        }
    if config is None or problems:
        raise ConfigurationError(
            "\n".join(f"{path}:{problem}" for problem in sorted(problems, key=_place))
        )
    return config


def _place(problem: Problem) -> tuple[int, str]:
    return problem.line, str(problem)


def _existing(path: Path, named_by: str) -> Path:
    try:
        if path.exists():
            return path
    except (OSError, ValueError):
        pass  # neither a name that no file can have
    raise ConfigurationError(
        f"{named_by}: got {str(path)!r}, expected the path of an existing configuration file"
    )


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise ConfigurationError(f"{path}: the configuration cannot be read: {why}") from None
