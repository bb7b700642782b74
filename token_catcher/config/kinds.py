"""The kinds of values that keys take: what each accepts, and what a person reads when it does not.

The message belongs to the kind (`Expected`), not to the one of its tests that failed. Kinds that
look at a file get the configuration's origin as pydantic's context.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from token_catcher import ownership
from token_catcher.config import forms
from token_catcher.config.problems import Loc, Wrong
from token_catcher.config.units import (
    A_DURATION,
    DURATION_PATTERN,
    SIZE_PATTERN,
    Size,
    duration,
    duration_text,
    size,
    size_text,
)
from token_catcher.proof import ORG_ID

_LISTEN: Final = re.compile(
    r"(?:(?P<host>[^\[\]:]+|\[[^\[\]]+\])?:)?(?P<port>[0-9]{1,5})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration comes from: what relative paths begin at, and the environment."""

    base: Path
    environ: Mapping[str, str]
    sources: Mapping[Loc, str] = field(default_factory=dict)
    """The values that the environment gave, and not the file: which variable, by the place."""
    secrets: bool = True
    """Whether secrets, and the files of TLS, must be there: not for a command that uses none."""
    owners: frozenset[int] = field(default_factory=ownership.trusted)
    """Whose files we go by."""

    @classmethod
    def of(cls, info: ValidationInfo) -> Origin:
        """What a validator was handed."""
        origin: Origin = info.context  # type: ignore[assignment] # pydantic knows it as anything
        return origin


@dataclass(frozen=True, slots=True)
class Expected:
    """What is said of every wrong value of a kind, in place of pydantic's words."""

    text: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Whatever fails inside fails with this text."""
        return core_schema.custom_error_schema(
            handler(source), custom_error_type="expected", custom_error_message=self.text
        )


@dataclass(frozen=True, slots=True)
class Missing(Expected):
    """What is said where there is no value at all; whatever fails inside has its own words."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """As it was."""
        return handler(source)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        if ":" in self.host:
            return f"[{self.host}]:{self.port}"
        return f"{self.host}:{self.port}"


def _only(fits: Callable[[str], bool]) -> AfterValidator:
    """Refuses what does not fit; the words are the kind's."""

    def check(value: str) -> str:
        if not fits(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _duration(value: Any) -> timedelta:
    """A timedelta is a default, and passes."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - pydantic takes these alone
    return duration(value)


def _size(value: Any) -> int:
    """In bytes; a number is a default, and passes: no document can say one that is a `Size`."""
    if isinstance(value, Size):
        return value
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - pydantic takes these alone
    return size(value)


def _path(value: Any, info: ValidationInfo) -> Path:
    """Relative paths begin beside the configuration file.

    Links are not resolved: a rotation may move them."""
    if isinstance(value, Path):
        return value  # a default
    if not isinstance(value, str) or not value or not forms.on_one_line(value):
        raise ValueError
    return Origin.of(info).base / value


def _readable(path: Path, info: ValidationInfo) -> Path:
    """Look at the file now, not at the first mail."""
    try:
        if not path.is_file():
            raise Wrong("an existing file", str(path))
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
    except OSError as error:
        raise Wrong("a file that we can read", f"{path} ({ownership.why(error)})") from None
    objection = ownership.objection_to_file(path, status, Origin.of(info).owners)
    if objection is not None:
        raise Wrong(objection.expected, objection.got)
    return path


def _state_directory(path: Path) -> Path:
    """Where it is not there yet, it is made, for us alone."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return path  # told by who needs it
    groups = {os.getegid(), *os.getgroups()}
    objection = ownership.objection_to_state(path, status, os.geteuid(), groups)
    if objection is not None:
        raise Wrong(objection.expected, objection.got)
    return path


def _credential(path: Path, info: ValidationInfo) -> Path:
    if Origin.of(info).secrets:
        _readable(path, info)
    return path


def _authorities(path: Path, info: ValidationInfo) -> Path:
    if not Origin.of(info).secrets:
        return path
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(_readable(path, info))
    except ssl.SSLError:
        raise Wrong("a file of PEM certificates", f"{path}, which holds none") from None
    return path


def _listen(value: Any) -> Listen:
    """`HOST:PORT`; a port alone is one on the loopback."""
    address = _LISTEN.fullmatch(str(value))
    if address is None:
        raise ValueError
    listen = Listen((address["host"] or "127.0.0.1").strip("[]"), int(address["port"]))
    if not 1 <= listen.port <= 65_535 or not forms.is_host(listen.host):
        raise ValueError
    return listen


def _zone(value: Any) -> Literal["above-first-received", "unique"] | int:
    """An int is `received_above: N`."""
    match value:
        case "above-first-received":
            return "above-first-received"
        case "unique":
            return "unique"
        case {"received_above": int(limit)} if (
            len(value) == 1 and not isinstance(limit, bool) and 1 <= limit <= 20
        ):
            return limit
    raise ValueError


def _zone_text(value: str | int) -> str | dict[str, int]:
    if isinstance(value, int):
        return {"received_above": value}
    return value


def _index(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    # To Python, True is the number 1.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError


def _kv_version(value: Any) -> int:
    # To Python, True is the number 1.
    if isinstance(value, bool) or value not in (1, 2):
        raise ValueError
    return int(value)


def _named_like_the_host(value: Any) -> Any:
    if value is None:
        return socket.gethostname()
    return value


Text = Annotated[str, Field(min_length=1), _only(forms.on_one_line), Expected("text on one line")]
Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Expected("1 to 64 letters, digits and . _ -, a letter or digit first"),
]
InstanceName = Annotated[
    Name, BeforeValidator(_named_like_the_host, json_schema_input_type=str | None)
]
Flag = Annotated[bool, Expected("true or false")]
Port = Annotated[int, Field(ge=1, le=65_535), Expected("a port, 1 to 65535")]
Count = Annotated[int, Field(ge=1, le=10_000), Expected("a number, 1 to 10000")]
ShardIndex = Annotated[
    int | Literal["auto"],
    PlainValidator(_index, json_schema_input_type=Annotated[int, Field(ge=0)] | Literal["auto"]),
    Expected("a number from 0, or auto (the number at the end of the host name)"),
]
Host = Annotated[
    str, _only(forms.is_host), Expected("a host name or an IP address alone, in ASCII")
]
Address = Annotated[
    str, _only(forms.is_one_address), Expected("an e-mail address alone, in ASCII, and no pattern")
]
OwnAddress = Annotated[
    str,
    _only(forms.is_own_address),
    Expected(
        "an e-mail address alone, in ASCII, or a pattern such as ops+*@example.com or"
        " *@tokens.example.com"
    ),
]
Domain = Annotated[
    str,
    _only(forms.is_domain),
    AfterValidator(str.lower),
    Expected("a domain such as salesforce.com, not a top-level one alone"),
]
Subject = Annotated[
    Text,
    _only(forms.is_subject),
    AfterValidator(forms.with_single_blanks),
    Expected("a subject on one line, without `Sandbox: `, which is understood"),
]
SubjectTag = Annotated[
    Text,
    _only(forms.is_tag),
    Expected("text that a subject begins with, such as [EXTERNAL], without `Sandbox` in it"),
]
AuthservId = Annotated[
    str,
    _only(forms.is_authserv_id),
    Expected(
        "the name of a server as it writes it, such as mx.example.com, a pattern such as"
        " *.example.com, or '' where it gives no name"
    ),
]
Duration = Annotated[
    timedelta,
    PlainValidator(
        _duration, json_schema_input_type=Annotated[str, Field(pattern=DURATION_PATTERN)]
    ),
    Expected(A_DURATION),
    PlainSerializer(duration_text),
]
ByteSize = Annotated[
    Size,
    PlainValidator(_size, json_schema_input_type=Annotated[str, Field(pattern=SIZE_PATTERN)]),
    Expected("a size such as 500kB, 64MB or 1GB"),
    PlainSerializer(size_text),
]
FilePath = Annotated[
    Path,
    PlainValidator(_path, json_schema_input_type=str),
    Expected("a path"),
    PlainSerializer(str, return_type=str),
]
StateDirectory = Annotated[FilePath, AfterValidator(_state_directory)]
ReadableFile = Annotated[FilePath, AfterValidator(_readable)]
CredentialFile = Annotated[FilePath, AfterValidator(_credential)]
AuthoritiesFile = Annotated[FilePath, AfterValidator(_authorities)]
ListenAddress = Annotated[
    Listen,
    PlainValidator(_listen, json_schema_input_type=str | Annotated[int, Field(ge=1, le=65_535)]),
    Expected("HOST:PORT, such as 127.0.0.1:9464"),
    PlainSerializer(str, return_type=str),
]
OrgName = Annotated[
    str,
    Field(min_length=1, max_length=80),
    _only(forms.is_segment),
    Expected("a plain path segment: letters, digits and . _ + - ' @, not ending in a period"),
]
OrgId = Annotated[
    str,
    Field(pattern=f"^{ORG_ID.pattern}$"),
    Expected("an org id: 00D and 12 more letters and digits, or 15"),
]
Username = Annotated[
    str,
    _only(forms.is_username_or_pattern),
    AfterValidator(str.lower),
    Expected(
        "a Salesforce username such as integration@acme.example,"
        " or a pattern such as *@acme.example"
    ),
]
A_VAULT_ADDRESS: Final = (
    "https://HOST, with :PORT and /PATH if needed (http:// only to loopback), or unix:///PATH"
)
VaultAddress = Annotated[
    str,
    AfterValidator(forms.with_lower_case_scheme),
    _only(forms.is_vault_address),
    AfterValidator(forms.without_last_slash),
    Expected(A_VAULT_ADDRESS),
]
_NODES = Annotated[tuple[VaultAddress, ...], Field(min_length=1)]
_ADDRESS_OF_VAULT: Final[TypeAdapter[str]] = TypeAdapter(VaultAddress)
_ADDRESSES_OF_NODES: Final[TypeAdapter[tuple[str, ...]]] = TypeAdapter(_NODES)


def _vault_addresses(value: Any) -> str | tuple[str, ...]:
    """One address, or those of the nodes of one cluster."""
    if not isinstance(value, tuple):
        return _ADDRESS_OF_VAULT.validate_python(value)
    addresses = _ADDRESSES_OF_NODES.validate_python(value)
    for address in addresses:
        if addresses.count(address) > 1:
            raise Wrong("each address once", f"{address} twice")
        if len(addresses) > 1 and address.startswith(forms.UNIX):
            raise Wrong(
                "https:// addresses of one cluster, or the socket alone",
                f"the socket {address} among others",
            )
    return addresses


VaultAddresses = Annotated[
    str | tuple[str, ...],
    PlainValidator(_vault_addresses, json_schema_input_type=VaultAddress | _NODES),
    Missing(A_VAULT_ADDRESS),
]
Authority = Annotated[
    str,
    _only(forms.is_authority),
    AfterValidator(forms.without_last_slash),
    Expected("https://HOST, with :PORT and /PATH if needed, without the tenant"),
]
TokenUrl = Annotated[
    str,
    _only(forms.is_endpoint),
    Expected("https://HOST/PATH, with :PORT if needed (http:// only to loopback)"),
]
WebhookUrl = Annotated[
    str,
    _only(forms.is_webhook),
    Expected(
        "https://HOST/PATH, with :PORT and ?QUERY if needed, without a user's name (http:// only"
        " to loopback)"
    ),
]
LoginHost = Annotated[
    str,
    _only(forms.is_login_host),
    Expected("a host name alone, in ASCII (http://HOST:PORT only to loopback)"),
]
Tenant = Annotated[
    str,
    _only(forms.is_host),
    Expected("a directory: its id, or one of its domains"),
]
KvVersion = Annotated[
    int,
    PlainValidator(_kv_version, json_schema_input_type=Literal[1, 2]),
    Expected("1 or 2"),
]
PathSegment = Annotated[
    str,
    _only(forms.is_segment),
    Expected("a plain path segment: letters, digits and . _ + - ' @, not ending in a period"),
]
VaultPath = Annotated[
    str,
    AfterValidator(forms.without_outer_slashes),
    _only(forms.is_path),
    Expected(
        "a plain path: segments of letters, digits and . _ + - ' @,"
        " none empty or ending in a period"
    ),
]
PathTemplate = Annotated[
    str,
    _only(forms.is_template),
    Expected(
        "a plain path with {username}, and {org} if wanted, each as a segment of its own:"
        " segments of letters, digits and . _ + - ' @, none empty or ending in a period"
    ),
]
FieldName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$"),
    Expected("1 to 64 letters, digits and . _ -, none of our other fields"),
]
Zone = Annotated[
    Literal["above-first-received", "unique"] | int,
    PlainValidator(_zone),
    Expected("above-first-received, unique, or {received_above: N} with N from 1 to 20"),
    PlainSerializer(_zone_text),
]
