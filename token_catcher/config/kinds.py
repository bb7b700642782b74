"""The kinds of values that keys take: what each accepts, and what a person reads when it does not.

The message belongs to the kind (`Expected`), not to the one of its tests that failed. Kinds that
look at a file get the configuration's origin as pydantic's context.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

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
from token_catcher.config.problems import LONGEST, Loc, Wrong
from token_catcher.proof import ORG_ID, is_plain_path, is_username

LONGEST_DURATION: Final = timedelta(days=3650)
DURATION_PATTERN: Final = r"^[1-9][0-9]{0,8}[smhd]$"
SIZE_PATTERN: Final = r"^[1-9][0-9]{0,5}(kB|MB|GB)$"
AN_AUTHORIZE_URL: Final = (
    "https://HOST/PATH, with :PORT and ?QUERY if needed (http:// only to loopback)"
)
A_DURATION: Final = "a duration such as 90s, 10m, 2h or 14d, at most 3650d"
# Control characters, line separators, and halves of surrogate pairs, which UTF-8 cannot say.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BYTES: Final[Mapping[str, int]] = {"GB": 10**9, "MB": 10**6, "kB": 10**3}
_SECONDS: Final[Mapping[str, int]] = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
# RFC 1123, with the underscore that internal names often have; each label up to 63 characters.
_LABELS: Final = re.compile(
    r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*", re.ASCII
)
# RFC 5322, 3.4.1: a dot-atom before the @, at most 64 characters long (RFC 5321, 4.5.3.1.1).
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?P<domain>[^@]{1,253})", re.ASCII
)
# What `proof.authres` reads as an authserv-id: RFC 8601, section 2.5, without quotes.
_AUTHSERV_ID: Final = re.compile(r"""[^;=()"\\*\x00-\x20\x7f-\U0010ffff]+""")
_UNIX: Final = "unix://"
# 107 bytes are the most that a socket's path can have.
_SOCKET: Final = re.compile(r"/[!-~]{1,106}", re.ASCII)
# Plain segments, none of which begins with a dot: requests would resolve `..`.
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", re.ASCII)
# RFC 3986, section 3.4, without what ends it.
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]+", re.ASCII)
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
    sign_ins: bool = True
    """Whether the files that `login` writes must be there as well."""

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


class Size(int):
    """A number of bytes."""

    def __str__(self) -> str:
        return size_text(self)


def on_one_line(text: str) -> bool:
    """Whether no control character is in it, and nothing that UTF-8 cannot say."""
    return _CONTROLS.search(text) is None


def is_loopback(host: str) -> bool:
    """Whether a connection to this host never leaves the machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def is_address(text: str) -> bool:
    """Whether this is a plain e-mail address, in ASCII."""
    address = _ADDRESS.fullmatch(text)
    return address is not None and _is_host(address["domain"])


def _is_own_address(text: str) -> bool:
    """An address, or a pattern of which the last two labels are written out.

    `*@*.com` would be anybody's, and a mail to anybody would be ours."""
    labels = text.rpartition("@")[2].split(".")
    open_domain = len(labels) < 2 or "*" in "".join(labels[-2:])
    return is_address(text.replace("*", "x")) and not ("*" in text and open_domain)


def _is_one_address(text: str) -> bool:
    """An address, with no sign in it that one could take for a pattern: only this one matches."""
    return "*" not in text and is_address(text)


def _is_domain(text: str) -> bool:
    """A host name of at least two labels, and no IP address: nobody but a registry signs `com`."""
    with suppress(ValueError):
        return not ipaddress.ip_address(text)
    return "." in text and _is_host(text)


def _is_authserv_id(text: str) -> bool:
    """What the beginning of an Authentication-Results field can match.

    A pattern has two labels written out: `*.com` would be anybody's server."""
    if text == "":
        return True
    domain = text.removeprefix("*.")
    if domain != text and not _is_domain(domain):
        return False
    return _AUTHSERV_ID.fullmatch(domain) is not None


def _is_host(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return len(text) <= 253 and _LABELS.fullmatch(text) is not None


def _is_segment(text: str) -> bool:
    return "/" not in text and is_plain_path(text) and not text.endswith(".")


def _is_path(text: str) -> bool:
    return all(_is_segment(part) for part in text.split("/"))


def _is_template(text: str) -> bool:
    """Whether `{username}` is there, and each placeholder fills a segment of a plain path.

    Beside other text in one segment, `{org}-{username}`, two pairs of them give one path."""
    segments = text.split("/")
    plain = [segment for segment in segments if segment not in ("{org}", "{username}")]
    return "{username}" in segments and all(_is_segment(segment) for segment in plain)


def _is_username(text: str) -> bool:
    """A username, or a pattern that says more of the domain than `*`.

    Everybody can pick a username at any domain, so `*@*` would be anybody's."""
    domain = text.rpartition("@")[2]
    return is_username(text.replace("*", "x")) and domain.strip("*.") != ""


def _is_vault_address(text: str) -> bool:
    """No user and no query; plain HTTP only where nobody listens, since the tokens go over it."""
    if text.startswith(_UNIX):
        return _SOCKET.fullmatch(text.removeprefix(_UNIX)) is not None
    return _is_endpoint(text) and _is_prefix(urlsplit(text).path)


def _is_endpoint(text: str) -> bool:
    """Scheme, host, port and path alone; plain HTTP only where nobody listens."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return False
    # Whatever is not scheme, host, port and path is left out here, and so makes a difference.
    if f"{parts.scheme}://{parts.netloc}{parts.path}" != text or "@" in parts.netloc:
        return False
    return parts.port != 0 and _is_host(host) and on_one_line(text) and " " not in text


def _is_webhook(text: str) -> bool:
    """As an endpoint, with the query that some receivers want."""
    address, mark, query = text.partition("?")
    return _is_endpoint(address) and (not mark or _QUERY.fullmatch(query) is not None)


def _is_login_host(text: str) -> bool:
    """A name, which is asked over HTTPS; with a scheme only what never leaves the machine."""
    if text.startswith("http://"):
        return _is_endpoint(text) and urlsplit(text).path == ""
    return _is_host(text)


def _is_authority(text: str) -> bool:
    """Of Microsoft's library, which takes no plain HTTP at all."""
    return _is_endpoint(text) and text.startswith("https:")


def authorize_url(text: str) -> str:
    """Where a person signs in: an endpoint, which may have a query (RFC 6749, section 3.1).

    ValueError: another form; its text tells the part that is wrong, and no user name or password
    of it."""
    endpoint = text.partition("?")[0]
    try:
        if _is_endpoint(endpoint) and "#" not in text and text.isascii() and text.isprintable():
            return text
        got = _wrong_part(text)
    except ValueError:  # a port or an IPv6 address that is none
        got = "no address"
    raise ValueError(f"got {got}, expected {AN_AUTHORIZE_URL}")


def _wrong_part(text: str) -> str:
    """What an authorization endpoint has that it must not have."""
    parts = urlsplit(text)
    if "@" in parts.netloc:
        return "a user name or password in it"
    if "#" in text:
        return "a fragment (#…) in it"
    if parts.scheme == "http":
        return f"http:// to {parts.hostname!a}"
    if parts.scheme != "https":
        return "no https:// in front"
    return "no address"


def _is_prefix(path: str) -> bool:
    """The path below which a reverse proxy serves Vault; `/v1` itself is added to each request."""
    prefix = path.rstrip("/")
    return _PREFIX.fullmatch(prefix) is not None and not prefix.endswith("/v1")


def _is_subject(text: str) -> bool:
    """Under a subject that has the prefix in it, a sandbox's token would pass for production's."""
    return "sandbox:" not in text.casefold()


def _is_tag(text: str) -> bool:
    """What is taken off first must not take `Sandbox: ` off."""
    return "sandbox" not in text.casefold() and text.strip() == text


def _with_single_blanks(text: str) -> str:
    return " ".join(text.split())


def _with_lower_case_scheme(text: str) -> str:
    """RFC 3986, section 3.1: case does not matter there."""
    scheme, separator, rest = text.partition("://")
    return scheme.lower() + separator + rest


def _without_last_slash(text: str) -> str:
    return text.rstrip("/")


def _without_outer_slashes(text: str) -> str:
    return text.strip("/")


def _only(fits: Callable[[str], bool]) -> AfterValidator:
    """Refuses what does not fit; the words are the kind's."""

    def check(value: str) -> str:
        if not fits(value):
            raise ValueError
        return value

    return AfterValidator(check)


def duration(text: str) -> timedelta:
    """From `90s`, `10m`, `2h`, `14d`. ValueError: another form, or more than ten years."""
    if re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        seconds = int(text[:-1]) * _SECONDS[text[-1]]
        if seconds <= LONGEST_DURATION.total_seconds():
            return timedelta(seconds=seconds)
    raise ValueError(f"got {text[:LONGEST]!r}, expected {A_DURATION}")


def _duration(value: Any) -> timedelta:
    """A timedelta is a default, and passes."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - pydantic takes these alone
    return duration(value)


def duration_text(value: timedelta) -> str:
    """In the largest unit that divides it: `14d`, `90s`."""
    seconds = int(value.total_seconds())
    unit = next(unit for unit, size in _SECONDS.items() if seconds % size == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def _size(value: Any) -> int:
    """In bytes; a number is a default, and passes: no document can say one that is a `Size`."""
    if isinstance(value, Size):
        return value
    if not isinstance(value, str) or not re.fullmatch(SIZE_PATTERN, value, re.ASCII):
        raise ValueError
    return Size(int(value[:-2]) * _BYTES[value[-2:]])


def size_text(value: int) -> str:
    """In the largest unit that divides it: `64MB`, `500kB`."""
    unit = next(unit for unit, size in _BYTES.items() if value % size == 0)
    return f"{value // _BYTES[unit]}{unit}"


def _path(value: Any, info: ValidationInfo) -> Path:
    """Relative paths begin beside the configuration file.

    Links are not resolved: a rotation may move them."""
    if isinstance(value, Path):
        return value  # a default
    if not isinstance(value, str) or not value or not on_one_line(value):
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
    if not 1 <= listen.port <= 65_535 or not _is_host(listen.host):
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


Text = Annotated[str, Field(min_length=1), _only(on_one_line), Expected("text on one line")]
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
Host = Annotated[str, _only(_is_host), Expected("a host name or an IP address alone, in ASCII")]
Address = Annotated[
    str, _only(_is_one_address), Expected("an e-mail address alone, in ASCII, and no pattern")
]
OwnAddress = Annotated[
    str,
    _only(_is_own_address),
    Expected(
        "an e-mail address alone, in ASCII, or a pattern such as ops+*@example.com or"
        " *@tokens.example.com"
    ),
]
Domain = Annotated[
    str,
    _only(_is_domain),
    AfterValidator(str.lower),
    Expected("a domain such as salesforce.com, not a top-level one alone"),
]
Subject = Annotated[
    Text,
    _only(_is_subject),
    AfterValidator(_with_single_blanks),
    Expected("a subject on one line, without `Sandbox: `, which is understood"),
]
SubjectTag = Annotated[
    Text,
    _only(_is_tag),
    Expected("text that a subject begins with, such as [EXTERNAL], without `Sandbox` in it"),
]
AuthservId = Annotated[
    str,
    _only(_is_authserv_id),
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
    _only(_is_segment),
    Expected("a plain path segment: letters, digits and . _ + - ' @, not ending in a period"),
]
OrgId = Annotated[
    str,
    Field(pattern=f"^{ORG_ID.pattern}$"),
    Expected("an org id: 00D and 12 more letters and digits, or 15"),
]
Username = Annotated[
    str,
    _only(_is_username),
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
    AfterValidator(_with_lower_case_scheme),
    _only(_is_vault_address),
    AfterValidator(_without_last_slash),
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
        if len(addresses) > 1 and address.startswith(_UNIX):
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
    _only(_is_authority),
    AfterValidator(_without_last_slash),
    Expected("https://HOST, with :PORT and /PATH if needed, without the tenant"),
]
TokenUrl = Annotated[
    str,
    _only(_is_endpoint),
    Expected("https://HOST/PATH, with :PORT if needed (http:// only to loopback)"),
]
WebhookUrl = Annotated[
    str,
    _only(_is_webhook),
    Expected(
        "https://HOST/PATH, with :PORT and ?QUERY if needed, without a user's name (http:// only"
        " to loopback)"
    ),
]
LoginHost = Annotated[
    str,
    _only(_is_login_host),
    Expected("a host name alone, in ASCII (http://HOST:PORT only to loopback)"),
]
Tenant = Annotated[
    str,
    _only(_is_host),
    Expected("a directory: its id, or one of its domains"),
]
KvVersion = Annotated[
    int,
    PlainValidator(_kv_version, json_schema_input_type=Literal[1, 2]),
    Expected("1 or 2"),
]
PathSegment = Annotated[
    str,
    _only(_is_segment),
    Expected("a plain path segment: letters, digits and . _ + - ' @, not ending in a period"),
]
VaultPath = Annotated[
    str,
    AfterValidator(_without_outer_slashes),
    _only(_is_path),
    Expected(
        "a plain path: segments of letters, digits and . _ + - ' @,"
        " none empty or ending in a period"
    ),
]
PathTemplate = Annotated[
    str,
    _only(_is_template),
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
