"""What the environment says where the file does not: where Vault is, as its own tools are told.

OpenBao's names come first, as they do in `bao`. A key that is in the file counts, and `null` there
means nothing, not even the environment's. Two variables are never read unasked: …_TOKEN, which is a
person's, and …_SKIP_VERIFY.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from token_catcher.config.problems import Loc

PREFIXES: Final = ("BAO_", "VAULT_")
"""Whose names are looked for, in this order."""
PLACES: Final[Mapping[str, Loc]] = {
    "ADDR": ("vault", "address"),
    "NAMESPACE": ("vault", "namespace"),
    "CACERT": ("vault", "ca_file"),
    "CLIENT_CERT": ("vault", "client_certificate", "file"),
    "CLIENT_KEY": ("vault", "client_certificate", "key"),
}
"""Which key a variable is the default of, by its name without the prefix."""
_FILES: Final = ("CACERT", "CLIENT_CERT", "CLIENT_KEY")

Sources = Mapping[Loc, str]
"""The variable that a value came from, by its place."""


def with_defaults(data: Any, environ: Mapping[str, str]) -> tuple[Any, Sources]:
    """The values, those of the environment among them, and which these are."""
    # Anything else than a section of keys is told where all values are.
    if not isinstance(data, dict) or not isinstance(data.get("vault"), dict):
        return data, {}
    section = dict(data["vault"])
    sources: dict[Loc, str] = {}
    for name, variable in _given(environ):
        loc = PLACES[name]
        # The section as the file has it: a certificate there is not mixed with a key from here.
        if loc[1] not in data["vault"]:
            _put(section, loc[1:], _value(name, environ[variable]))
            sources[loc] = variable
    return {**data, "vault": section}, sources


def source_of(loc: Loc, sources: Sources) -> str | None:
    """The variable that the value at a place, or a part of it, came from."""
    for place, variable in sources.items():
        if place[: len(loc)] == loc or loc[: len(place)] == place:
            return variable
    return None


def _given(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each name that is set to something, and the variable that counts for it."""
    for name in PLACES:
        for prefix in PREFIXES:
            if environ.get(prefix + name):
                yield name, prefix + name
                break


def _value(name: str, text: str) -> str:
    """Relative paths of the environment begin where we were started, not beside the file."""
    if name in _FILES:
        return str(Path(text).absolute())
    return text


def _put(section: dict[str, Any], keys: Loc, value: str) -> None:
    first, *more = keys
    if more:
        section[str(first)] = {**section.get(str(first), {}), str(more[0]): value}
    else:
        section[str(first)] = value
