"""Where a secret is kept: `{file: PATH}` or `{env: NAME}`, never the secret itself.

It is read anew whenever it is asked for, since files are rotated under a running program. Nobody but us may read the file:

    mode 0600, 0400       ours alone
    root's, with 0040     let in by root, where we are somebody else: so Kubernetes gives Secrets to the pod's `fsGroup`,
                          and so the mode of systemd's credentials shows their access list
    anything else         refused, since others can read it, or put their own secret there

No message here carries what was written below the key: it may be the secret, in the wrong place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from token_catcher.config.kinds import Place, on_one_line
from token_catcher.config.problems import Wrong, did_you_mean
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret

MAX_BYTES: Final = 64 * 1024
FORM: Final = "{file: PATH} or {env: NAME}"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret is kept."""

    kind: Literal["file", "env"]
    where: str
    """The absolute path, or the variable's name"""
    environ: Mapping[str, str] = field(repr=False, compare=False)

    def read(self) -> Secret:
        """The secret as it is now, without one newline at its end. ConfigurationError: it is not there any more."""
        try:
            return self.look()
        except Wrong as wrong:
            raise ConfigurationError(
                f"secret {self}: got {wrong.got}, expected {wrong.expected}", code="secret"
            ) from None

    def look(self) -> Secret:
        """The same for the loader, which knows the key and its line. Wrong: it is not there."""
        raw = (
            _file(Path(self.where)) if self.kind == "file" else _variable(self.environ, self.where)
        )
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise Wrong("text in UTF-8", "bytes that are not UTF-8") from None
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise Wrong("a secret", "an empty one")
        if not on_one_line(text):
            raise Wrong("one line of text", "control characters or several lines")
        return Secret(text)

    def as_config(self) -> dict[str, str]:
        """As it is written in a configuration."""
        return {self.kind: self.where}

    def __str__(self) -> str:
        return f"{{{self.kind}: {self.where}}}"


def exposure(mode: int, owner: int, us: int) -> str | None:
    """What is wrong with the permissions of a secret file, and how to mend it; None: nothing. See the module's table."""
    let_in_by_root = owner == 0 and us != 0
    if stat.S_IMODE(mode) & 0o077 & ~(stat.S_IRGRP if let_in_by_root else 0) == 0:
        return None
    return "chmod 0440" if let_in_by_root else "chmod 0600"


def _file(path: Path) -> bytes:
    try:
        return _contents(path)
    except FileNotFoundError:
        where = (
            f"no such file in {path.parent}"
            if path.parent.is_dir()
            else "no such file, nor its directory"
        )
        raise Wrong("the path of an existing file", where) from None
    except OSError as error:
        raise Wrong(
            "the path of a file that we can read", f"a file that cannot be read ({error.strerror})"
        ) from None


def _contents(path: Path) -> bytes:
    """The mode is looked at on the open file, so that it is the mode of what is read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _only_ours(os.fstat(descriptor), path)
        raw = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise Wrong(f"at most {MAX_BYTES} bytes", "more")
    return raw


def _only_ours(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Wrong("the path of a regular file", "something else")
    mend = exposure(status.st_mode, status.st_uid, os.geteuid())
    if mend:
        mode = stat.S_IMODE(status.st_mode)
        raise Wrong(
            f"one for us alone: {mend} {path}", f"a file that others can use (mode {mode:04o})"
        )


def _variable(environ: Mapping[str, str], name: str) -> bytes:
    if name not in environ:
        raise Wrong("the name of one that is", "a variable that is not set")
    return environ[name].encode(errors="surrogateescape")


def _source(value: Any, info: ValidationInfo) -> SecretSource:
    """From `{file: PATH}` or `{env: NAME}`; the secret must be there already."""
    if not isinstance(value, dict):
        got = "null" if value is None else "a list" if isinstance(value, tuple) else "a literal"
        raise Wrong(f"{FORM}: secrets are not written here", got)
    for key in value:
        if key not in ("file", "env"):
            raise Wrong(FORM, "an unknown key" + did_you_mean(str(key), ("file", "env")))
    if len(value) != 1:
        raise Wrong(f"one of {FORM}", "both" if value else "an empty mapping")
    kind, where = next(iter(value.items()))
    if not isinstance(where, str) or not where or not on_one_line(where):
        raise Wrong("a path or a name", "something else")
    place = Place.of(info)
    source = SecretSource(kind, str(place.base / where) if kind == "file" else where, place.environ)
    source.look()
    return source


def _one_key(name: str, what: str) -> dict[str, Any]:
    entry = {"type": "string", "minLength": 1, "description": what}
    return {
        "type": "object",
        "properties": {name: entry},
        "required": [name],
        "additionalProperties": False,
    }


SecretKey = Annotated[
    SecretSource,
    PlainValidator(_source),
    PlainSerializer(SecretSource.as_config, return_type=dict[str, str]),
    WithJsonSchema(
        {
            "oneOf": [
                _one_key(
                    "file",
                    "A file that only we can read; relative paths begin beside the configuration file.",
                ),
                _one_key("env", "A variable of the environment."),
            ]
        }
    ),
]
