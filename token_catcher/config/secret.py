"""Where a secret is kept: `{file: PATH}` or `{env: NAME}`, never the secret itself.

It is read anew whenever it is asked for, since files are rotated under a running program. Who else
may read the file:

    mode 0600, 0400       nobody
    root's, with 0040     root lets us in, who are somebody else: so Kubernetes gives Secrets to the
                          pod's `fsGroup`, and so the mode of systemd's credentials shows their
                          access list
    0640, 0440            the group, where it is one of ours, or root's: so Vault Agent writes its
                          sink. It is taken, and told once at the start
    anything else         refused, since others can read it, or put their own secret there

It belongs to us or to root; or to somebody who shares it with a group of ours, as Vault Agent does.
Somebody's own file, which only root can read, is nothing that they gave us.

No message here carries what was written below the key: it may be the secret, in the wrong place.
A missing file is named where what was written is surely the path of one.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from token_catcher import files, ownership
from token_catcher.config.forms import on_one_line
from token_catcher.config.kinds import Origin
from token_catcher.config.problems import Wrong, did_you_mean
from token_catcher.errors import NO_SIGN_IN, ConfigurationError
from token_catcher.model import Secret

MAX_BYTES: Final = 64 * 1024
FORM: Final = "{file: PATH} or {env: NAME}"
AN_EXISTING_FILE: Final = "the path of an existing file"
A_SIGN_IN: Final = "the file that `token-catcher login` writes"
_SAYS_WHAT_IT_HOLDS: Final = re.compile(
    r"([a-z]+[-_.])*(password|passwd|secret|token|id|key|jwt|pem)(\.[a-z]{2,4})?", re.ASCII
)
"""`imap-password`, `vault-secret-id`, `client.pem`: the name of a file, and hardly a secret."""


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret is kept."""

    kind: Literal["file", "env"]
    where: str
    """The absolute path, or the variable's name"""
    environ: Mapping[str, str] = field(repr=False, compare=False)
    is_document: bool = False
    """Whether it may span lines: a file of JSON, say."""
    is_sign_in: bool = False
    """Whether `token-catcher login` writes it."""

    def read(self) -> Secret:
        """The secret as it is now, without one newline at its end.

        ConfigurationError: it is not there any more, or nobody has signed in yet."""
        try:
            return self.look()
        except Wrong as wrong:
            code = "secret"
            if wrong.expected == A_SIGN_IN:
                code = NO_SIGN_IN
            raise ConfigurationError(
                f"secret {self}: got {wrong.got}, expected {wrong.expected}", code=code
            ) from None

    def look(self) -> Secret:
        """The same for the loader, which knows the key and its line.

        Wrong: it is not there, or others can use it."""
        try:
            raw = self._bytes()
        except Wrong as wrong:
            if not self.is_sign_in or wrong.expected != AN_EXISTING_FILE:
                raise
            raise Wrong(A_SIGN_IN, wrong.got) from None
        text = _text(raw)
        if not self.is_document:
            _expect_one_line(text)
        return Secret(text)

    def shared(self) -> str | None:
        """The mode of the file, such as `0640`, where its group may read it as well.

        None: nobody else may, or root let us in that way, or it is no file that is there."""
        if self.kind != "file":
            return None
        try:
            status = Path(self.where).stat()
        except OSError:
            return None
        if not status.st_mode & stat.S_IRGRP or _is_let_in(status, os.geteuid()):
            return None
        return f"{stat.S_IMODE(status.st_mode):04o}"

    def _bytes(self) -> bytes:
        if self.kind == "file":
            return private_bytes(Path(self.where), ownership.trusted())
        return _variable(self.environ, self.where)

    def as_config(self) -> dict[str, str]:
        """As it is written in a configuration."""
        return {self.kind: self.where}

    def __str__(self) -> str:
        return f"{{{self.kind}: {self.where}}}"


def sources_in(section: BaseModel) -> Iterator[SecretSource]:
    """Every secret that a configuration, or a part of it, names."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        values = (value,)
        if isinstance(value, tuple):
            values = value
        for item in values:
            if isinstance(item, SecretSource):
                yield item
            elif isinstance(item, BaseModel):
                yield from sources_in(item)


def exposure(status: os.stat_result, us: int, groups: Collection[int]) -> str | None:
    """How to mend the permissions of a secret file; None: they are fine. See the module's table.

    `us`: the user who reads it; `groups`: all of this user's."""
    allowed = stat.S_IRWXU
    mend = "chmod 0600"
    if status.st_gid == 0 or status.st_gid in groups:
        allowed |= stat.S_IRGRP
    if _is_let_in(status, us):
        allowed |= stat.S_IRGRP
        mend = "chmod 0440"
    if stat.S_IMODE(status.st_mode) & 0o777 & ~allowed:
        return mend
    return None


def _is_let_in(status: os.stat_result, us: int) -> bool:
    """Whether root gives us this file, who are somebody else."""
    return status.st_uid == 0 and us != 0


def _text(raw: bytes) -> str:
    """The secret of these bytes. Wrong: they hold none, or what no server would take for it."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Wrong("text in UTF-8", "bytes that are not UTF-8") from None
    # The one newline that editors and `echo` leave; a blank may belong to the secret.
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Wrong("a secret", "an empty one")
    if text.startswith("\ufeff"):
        raise Wrong("the secret alone", "a byte-order mark before it, as some editors write")
    if "\0" in text:
        raise Wrong("text in UTF-8", "a NUL, as in UTF-16 or in a padded file")
    return text


def _expect_one_line(text: str) -> None:
    """What a server takes for a secret. Wrong: it is not that."""
    if not on_one_line(text):
        raise Wrong("one line of text", "control characters or several lines")
    for letter in text:
        # Zero-width marks, soft hyphens, directions: copied from a page, and nothing to be seen.
        if unicodedata.category(letter) == "Cf":
            raise Wrong("the secret alone", f"an invisible mark in it (U+{ord(letter):04X})")


def private_bytes(path: Path, owners: Collection[int]) -> bytes:
    """A file that nobody else can use, such as a private key's. Wrong: it is not that.

    `owners`: whose files we go by."""
    try:
        return _contents(path, owners)
    except FileNotFoundError:
        raise Wrong(AN_EXISTING_FILE, _missing(path)) from None
    except OSError as error:
        got = f"a file that cannot be read ({ownership.why(error)})"
        raise Wrong("the path of a file that we can read", got) from None


def _missing(path: Path) -> str:
    """Where nothing is; by its name only where this can be no secret in the wrong place."""
    if not path.parent.is_dir():
        return "no such file, nor its directory"
    if _SAYS_WHAT_IT_HOLDS.fullmatch(path.name):
        return f"no such file: {path}"
    return f"no such file in {path.parent}"


def _contents(path: Path, owners: Collection[int]) -> bytes:
    """The mode is looked at on the open file, so that it is the mode of what is read."""
    # Not blocking: a pipe would hold us up until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _only_ours(os.fstat(descriptor), path, owners)
        raw = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise Wrong(f"at most {MAX_BYTES} bytes", "more")
    return raw


def _only_ours(status: os.stat_result, path: Path, owners: Collection[int]) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Wrong("the path of a regular file", files.kind_of(status))
    groups = {os.getegid(), *os.getgroups()}
    is_shared = status.st_mode & stat.S_IRGRP and status.st_gid in groups
    if status.st_uid not in owners and not is_shared:
        owner = ownership.name_of(status.st_uid)
        raise Wrong(f"one of ours or of root: chown root {path}", f"a file of {owner}")
    mend = exposure(status, os.geteuid(), groups)
    if mend is not None:
        raise Wrong(f"one for us alone: {_step(mend, path)}", _shared_with(status, groups))


def _step(mend: str, path: Path) -> str:
    """What a person does about the permissions of a file.

    The kubelet writes a pod's volumes anew behind a link `..data`: no chmod lasts there."""
    if path.parent.joinpath("..data").is_symlink():
        return f"defaultMode: 0400 on its volume and fsGroup in the pod's securityContext ({path})"
    return f"{mend} {path}"


def _shared_with(status: os.stat_result, groups: Collection[int]) -> str:
    """Who may use the file besides us, for messages. `groups`: all of ours."""
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if not status.st_mode & stat.S_IRWXO and status.st_gid not in (0, *groups):
        group = ownership.group_name_of(status.st_gid)
        return f"a file that the group {group} can use, which is none of ours (mode {mode})"
    return f"a file that others can use (mode {mode})"


def _variable(environ: Mapping[str, str], name: str) -> bytes:
    if name not in environ:
        raise Wrong("the name of one that is", "a variable that is not set")
    # Python keeps bytes of the environment that are not UTF-8 as lone surrogates.
    return environ[name].encode(errors="surrogateescape")


def _source(value: Any, info: ValidationInfo) -> SecretSource:
    """From `{file: PATH}` or `{env: NAME}`; the secret must be there already."""
    return _there(_named(value, info), info)


def _document(value: Any, info: ValidationInfo) -> SecretSource:
    """The same, of a secret that may span lines."""
    return _there(replace(_named(value, info), is_document=True), info)


def _there(source: SecretSource, info: ValidationInfo) -> SecretSource:
    """Looked at now, so that a missing secret is told with its key and line."""
    if Origin.of(info).secrets:
        source.look()
    return source


def _named(value: Any, info: ValidationInfo) -> SecretSource:
    if not isinstance(value, dict):
        raise Wrong(f"{FORM}: secrets are not written here", _kind(value))
    for key in value:
        if key not in ("file", "env"):
            raise Wrong(FORM, "an unknown key" + did_you_mean(str(key), ("file", "env")))
    if not value:
        raise Wrong(f"one of {FORM}", "an empty mapping")
    if len(value) == 2:
        raise Wrong(f"one of {FORM}", "both")
    kind, where = next(iter(value.items()))
    if not isinstance(where, str) or not where or not on_one_line(where):
        raise Wrong("a path or a name", "something else")
    origin = Origin.of(info)
    if kind == "file":
        where = str(origin.base / where)
    return SecretSource(kind, where, origin.environ)


def _kind(value: Any) -> str:
    """What stands in a secret's place, without a word of it."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return "a list"
    return "a literal"


def _one_key(name: str, what: str) -> dict[str, Any]:
    entry = {"type": "string", "minLength": 1, "description": what}
    return {
        "type": "object",
        "properties": {name: entry},
        "required": [name],
        "additionalProperties": False,
    }


_FILE: Final = _one_key(
    "file", "A file that others cannot read; relative paths begin beside the configuration file."
)
_VARIABLE: Final = _one_key("env", "A variable of the environment.")
_COMMAND: Final = {
    "type": "object",
    "properties": {
        "command": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "minItems": 1,
            "description": "A program that prints it, and its arguments; no shell.",
        }
    },
    "required": ["command"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A program that prints a secret."""

    arguments: tuple[str, ...] = field(repr=False)
    """The program and what it is given, which may be a secret; no shell comes between."""

    def as_config(self) -> dict[str, Any]:
        """The program alone, in a form that no configuration takes: something is left out."""
        return {"command": self.arguments[0], "arguments_not_shown": len(self.arguments) - 1}

    def __str__(self) -> str:
        return f"{{command: {self.arguments[0]}}}"


def _refresh_token(value: Any, info: ValidationInfo) -> SecretSource:
    """Its file is not there before somebody signed in: that is told of its mailbox alone.

    `login` is typed beside the daemon, and the other mailboxes are well."""
    source = _in_a_file(replace(_named(value, info), is_sign_in=True))
    if not files.may_exist(Path(source.where)):
        return source
    return _there(source, info)


def _in_a_file(source: SecretSource) -> SecretSource:
    """What is replaced under a running program cannot be a variable of the environment."""
    if source.kind != "file":
        raise Wrong("{file: PATH}: it is replaced at each renewal", "{env: NAME}")
    return source


def _as_config(source: SecretSource | TokenCommand) -> dict[str, Any]:
    return dict(source.as_config())


def _token_source(value: Any, info: ValidationInfo) -> SecretSource | TokenCommand:
    if not isinstance(value, dict) or "command" not in value:
        return _source(value, info)
    if len(value) != 1:
        raise Wrong("{command: [PROGRAM, ARGUMENT, …]} alone", "something else")
    return TokenCommand(program_arguments(value["command"], info))


def program_arguments(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """A program and its arguments. Wrong: no such list, or the program is not one we may run."""
    if not isinstance(value, tuple) or not value:
        raise Wrong("a list: [PROGRAM, ARGUMENT, …]", "something else")
    for argument in value:
        if not isinstance(argument, str) or not argument or not on_one_line(argument):
            raise Wrong("a list of texts, each on one line", "something else in it")
    if Origin.of(info).secrets:
        _look_at_program(value[0], Origin.of(info).owners)
    return value


def _look_at_program(name: str, owners: Collection[int]) -> None:
    """It runs as us, so whoever may write it is us. Wrong: it is not there, or others may."""
    program = shutil.which(name)
    if program is None:
        got = "no such program"
        if shutil.which(name, os.F_OK) is not None:
            got = "a file that we may not execute"
        raise Wrong("one that is there and can be run", got)
    try:
        status = Path(program).stat()
    except OSError as error:
        raise Wrong("a program that can be looked at", f"{error.strerror}") from None
    objection = ownership.objection_to_file(Path(program), status, owners)
    if objection is not None:
        raise Wrong(objection.expected, objection.got)


SecretKey = Annotated[
    SecretSource,
    PlainValidator(_source),
    PlainSerializer(SecretSource.as_config, return_type=dict[str, str]),
    WithJsonSchema({"oneOf": [_FILE, _VARIABLE]}),
]
SecretDocument = Annotated[
    SecretSource,
    PlainValidator(_document),
    PlainSerializer(SecretSource.as_config, return_type=dict[str, str]),
    WithJsonSchema({"oneOf": [_FILE, _VARIABLE]}),
]
SecretFile = Annotated[
    SecretSource,
    PlainValidator(_refresh_token),
    PlainSerializer(SecretSource.as_config, return_type=dict[str, str]),
    WithJsonSchema(_FILE),
]
TokenSource = Annotated[
    SecretSource | TokenCommand,
    PlainValidator(_token_source),
    PlainSerializer(_as_config, return_type=dict[str, Any]),
    WithJsonSchema({"oneOf": [_FILE, _VARIABLE, _COMMAND]}),
]
