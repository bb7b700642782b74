"""Who made a version, or ended one, by the audit log of Vault or OpenBao (its file device).

A line is an entry. Vault puts digests in the place of values, but not of numbers and of times: what
a write became, `version` and `created_time`, can be read. Nothing else of an entry is kept than who
asked, from where, and when. A device with `log_raw` has secrets in clear: they are not looked at.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from token_catcher.commands.pieces import pieces
from token_catcher.commands.unpack import chunks
from token_catcher.errors import TokenCatcherError
from token_catcher.model import iso, masked, moment, printable
from token_catcher.record import Code, Difference
from token_catcher.wording import counted

MAX_TEXT: Final = 200
"""Characters of a name that are shown."""
HASHED: Final = "hmac-sha256:"
"""How a digest in the place of a value begins."""
WRITES: Final = frozenset({"create", "update", "patch"})
"""The operations of Vault that make a version."""
AT_THAT_TIME: Final = timedelta(seconds=1)
"""Between what Vault does and its entry: where nothing but the time tells which one it is."""
REMOVED: Final = frozenset({Code.SECRET_MISSING, Code.REMADE_SECRET})
"""What a removal of the whole secret comes to."""
ENDED: Final = frozenset({Code.DELETED_VERSION, Code.DESTROYED_VERSION})
"""What the end of one version comes to: asked is who ended it, not who wrote it."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who asked Vault for something, as its log has it."""

    at: str
    request_id: str | None
    operation: str
    display_name: str | None
    """`approle`, `userpass-anna`."""
    role: str | None
    """Of AppRole, JWT or Kubernetes; or the username of userpass."""
    entity_id: str | None
    policies: tuple[str, ...]
    remote_address: str | None

    @property
    def told(self) -> str:
        """For people: who, and from where."""
        name = self.display_name or "?"
        if self.role is not None and self.role not in name:
            name += f"/{self.role}"
        return f"{name} {self.remote_address or '?'}"


class VaultLog:
    """Looks for the logins of differences."""

    def __init__(self, differences: Collection[Difference], mount: str) -> None:
        """`mount`: with the namespaces before it."""
        self._prefix = f"{mount.strip('/')}/"
        self._differences = differences
        self._logins: dict[Difference, Login] = {}
        self._further: dict[Difference, Login] = {}
        """Of a version that has a login already: of another request that is said to have made it.
        """
        self._by_version: dict[tuple[str, int], list[Difference]] = defaultdict(list)
        self._by_path: dict[str, list[Difference]] = defaultdict(list)
        """Of what somebody ended or removed."""
        for difference in differences:
            self._add(difference)
        self.first: datetime | None = None
        self.last: datetime | None = None
        """The times of the first and the last entry."""
        self.unreadable = 0
        """Lines that are no entry."""

    def _add(self, difference: Difference) -> None:
        if difference.path is None:
            return
        if difference.code in REMOVED | ENDED:
            self._by_path[difference.path].append(difference)
        elif difference.version is not None:
            self._by_version[difference.path, difference.version].append(difference)

    def read(self, source: str, stdin: io.BufferedReader) -> None:
        """A file, packed or not, or standard input for `-`.

        TokenCatcherError: it cannot be read, or holds no entry."""
        entries = 0
        for piece in pieces(chunks(source, stdin)):
            entry = _entry(piece.content)
            if entry is None:
                self.unreadable += bool(piece.content.strip())
                continue
            entries += 1
            self._take(entry)
        if not entries:
            problem = f"--vault-log: {source}: got no entry of an audit log"
            expected = "expected JSON lines of Vault's file device, with `type`, `time`, `request`"
            raise TokenCatcherError(f"{problem}, {expected}", code="audit-log")

    def results(self) -> Iterator[tuple[Difference, Login | None]]:
        """Each difference, and who made it; with what the log itself tells of it."""
        uncovered = 0
        for difference in self._differences:
            login = self._logins.get(difference)
            uncovered += login is None and not self._covers(difference)
            yield self._held_against(difference, login), login
            further = self._further.get(difference)
            if login is not None and further is not None:
                saw = f"two requests in the log made it: {login.request_id}, {further.request_id}"
                yield replace(difference, code=Code.LOG_CONTRADICTS, saw=saw), further
        if uncovered:
            saw = f"the log goes from {_second(self.first)} to {_second(self.last)};"
            saw += f" outside of it: {counted(uncovered, 'version')}"
            yield Difference(Code.NOT_COVERED, None, saw), None

    def _held_against(self, difference: Difference, login: Login | None) -> Difference:
        record = difference.record
        if difference.code is not Code.RECORDED or record is None:
            return difference
        if login is None and self._covers(difference):
            return replace(
                difference, code=Code.NOT_IN_LOG, saw="no request in the log made this version"
            )
        if login is None or None in (login.request_id, record.request_id):
            return difference
        if login.request_id != record.request_id:
            saw = "the record names another request than the log"
            return replace(difference, code=Code.FORGED_RECORD, saw=saw)
        return difference

    def _covers(self, difference: Difference) -> bool:
        """Whether the log has entries before and after; also of what has no time."""
        if difference.version is None or difference.created_at is None:
            return True
        created_at = _moment(difference.created_at)
        if None in (created_at, self.first, self.last):
            return False
        assert created_at is not None
        assert self.first is not None
        assert self.last is not None
        return self.first <= created_at <= self.last

    def _take(self, entry: Mapping[str, Any]) -> None:
        at = moment(entry["time"])
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)
        if entry["type"] != "response" or entry.get("error"):
            return
        request = entry["request"]
        where = f"{_mapping(request.get('namespace')).get('path', '')}{request.get('path')}"
        if not where.startswith(self._prefix):
            return
        action, _, path = where.removeprefix(self._prefix).partition("/")
        if action == "data" and request.get("operation") in WRITES:
            self._take_write(path, entry, at)
        else:
            self._take_removal(action, path, entry, at)

    def _take_write(self, path: str, entry: Mapping[str, Any], at: datetime) -> None:
        made = _mapping(_mapping(entry.get("response")).get("data"))
        number = made.get("version")
        if type(number) is not int:  # to Python, True is the number 1
            return
        for difference in self._by_version.get((path, number), ()):
            if _is_time(difference.created_at, made.get("created_time"), at):
                self._take_login(difference, _login(entry, at))

    def _take_login(self, difference: Difference, login: Login) -> None:
        """The first one stays: an entry that somebody added must not take its place unseen."""
        known = self._logins.setdefault(difference, login)
        if known.request_id != login.request_id:
            self._further.setdefault(difference, login)

    def _take_removal(self, action: str, path: str, entry: Mapping[str, Any], at: datetime) -> None:
        for difference in self._by_path.get(path, ()):
            if _is_removal(difference, action, entry["request"], at):
                # The last one: what was destroyed or removed has no time of its own.
                self._logins[difference] = _login(entry, at)


def _is_removal(
    difference: Difference, action: str, request: Mapping[str, Any], at: datetime
) -> bool:
    """Whether a request did what the difference tells of."""
    operation = request.get("operation")
    if difference.code in REMOVED:
        return (action, operation) == ("metadata", "delete")
    if difference.code is Code.DESTROYED_VERSION:
        return action == "destroy" and _may_name(request, difference.version)
    if (action, operation) != ("data", "delete") and action != "delete":
        return False
    ended_at = _moment(difference.ends_at)
    if ended_at is None or not ended_at <= at <= ended_at + AT_THAT_TIME:
        return False
    return action == "data" or _may_name(request, difference.version)


def _may_name(request: Mapping[str, Any], number: int | None) -> bool:
    """Whether the versions of a request may have this one among them: some are digests."""
    versions = _mapping(request.get("data")).get("versions")
    if not isinstance(versions, list):
        return False
    return any(
        version == number or str(version).startswith(HASHED) or str(version) == str(number)
        for version in versions
    )


def _is_time(created_at: str | None, told: object, at: datetime) -> bool:
    """Whether a write, whose entry tells of this time, made the version of that time."""
    if isinstance(told, str) and not told.startswith(HASHED):
        return told == created_at
    written_at = _moment(created_at)
    return written_at is not None and written_at <= at <= written_at + AT_THAT_TIME


def _entry(line: bytes) -> Mapping[str, Any] | None:
    """None: it is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        return None
    if entry.get("type") not in ("request", "response"):
        return None
    time = entry.get("time")
    if not isinstance(time, str) or _moment(time) is None:
        return None
    return entry


def _login(entry: Mapping[str, Any], at: datetime) -> Login:
    auth = _mapping(entry.get("auth"))
    request = entry["request"]
    metadata = _mapping(auth.get("metadata"))
    policies = auth.get("policies")
    if not isinstance(policies, Sequence):
        policies = ()
    return Login(
        iso(at),
        shown(request.get("id")),
        shown(request.get("operation")) or "?",
        shown(auth.get("display_name")),
        shown(metadata.get("role_name") or metadata.get("role") or metadata.get("username")),
        shown(auth.get("entity_id")),
        tuple(shown(policy) or "?" for policy in policies),
        shown(request.get("remote_address")),
    )


def shown(value: object) -> str | None:
    """For people and machines: a name in a log, or in a secret, may be anything."""
    if not isinstance(value, str) or not value:
        return None
    return printable(masked(value[:MAX_TEXT]))


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    return {}


def _moment(time: str | None) -> datetime | None:
    with suppress(ValueError):
        return moment(time or "")
    return None


def _second(time: datetime | None) -> str:
    """Of the log's first or last entry, which there is once a file was read."""
    assert time is not None
    return iso(time.replace(microsecond=0))
