"""Public keys of signatures: a file of pinned ones, DNS, and those that DNS gave before.

They are asked in this order. A pinned key is never asked of DNS. A key that DNS no longer has is
taken from memory for mail that arrived while it was published, so that a backlog still verifies
after Salesforce changed its key: what was proof on arrival stays proof. That is safe, since the
record came from DNS for that very name, is public, and serves no mail that arrived more than a
day after DNS last had it; and a key that is *revoked* (an empty `p=`) is still there, and DNS is
asked first.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import dns.exception
import dns.name
import dns.resolver

from token_catcher import files
from token_catcher.errors import ConfigurationError, StateError, TransientError
from token_catcher.model import iso, moment
from token_catcher.ports import KeyLookup, Log

MAX_KEYS: Final = 64
"""Of each kind that is kept: answers in memory, records in the file."""
MAX_RECORD: Final = 4096
"""Bytes; an RSA key of 4096 bit takes 750."""
SHORTEST: Final = 60.0
LONGEST: Final = 3600.0
"""Seconds an answer is kept: its TTL within these bounds, so that a withdrawn key is noticed within
the hour."""
SILENCE: Final = 5.0
"""Seconds in which nothing is asked of a DNS that did not answer."""
STILL_GOOD: Final = timedelta(days=1)
"""After DNS last had a key: mail that arrived until then may still be signed with it."""
REFRESHED: Final = timedelta(hours=1)
"""How often the file learns that a key is still published."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\._domainkey\.[A-Za-z0-9.-]+")
_PIN: Final = re.compile(rf"\s*({_NAME.pattern})\s+(\S.*?)\s*")

_NO_KEY: Final = (
    dns.resolver.NXDOMAIN,
    dns.resolver.NoAnswer,
    dns.exception.SyntaxError,
    dns.name.NameTooLong,
)
"""What it means that there is nothing at a name, or that it is no name that DNS could hold."""


class KeyChain:
    """Asks one after the other until one knows the key."""

    def __init__(self, *links: KeyLookup) -> None:
        self._links = links

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The first record that a link has."""
        for link in self._links:
            record = link.lookup(name, at)
            if record is not None:
                return record
        return None


class PinnedKeys:
    """Keys from a file: `SELECTOR._domainkey.DOMAIN  v=DKIM1; …` a line, `#` for a comment."""

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self._records = records

    @classmethod
    def read(cls, path: Path) -> PinnedKeys:
        """ConfigurationError: the file cannot be read, or a line is not of the form."""
        records: dict[str, bytes] = {}
        for number, line in enumerate(_lines(path), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            pin = _PIN.fullmatch(line)
            if pin is None or "p=" not in pin[2] or pin[1].lower() in records:
                raise ConfigurationError(
                    f"{path}:{number}: got {line[:40]!a}…, expected SELECTOR._domainkey.DOMAIN,"
                    " a space and a key record with p=, each name once"
                )
            records[pin[1].lower()] = pin[2].encode()
        return cls(records)

    def lookup(self, name: str, at: datetime) -> bytes | None:  # noqa: ARG002 - pinned is pinned
        """The pinned record."""
        return self._records.get(name.lower())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError as error:
        why = error.strerror
    except UnicodeDecodeError:
        why = "it is not ASCII"
    raise ConfigurationError(f"{path}: the pinned keys cannot be read: {why}")


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer of DNS, as it is kept for its TTL."""

    record: bytes | None
    until: float
    """Monotonic seconds."""


class DnsKeys:
    """Keys from DNS, through the system's resolvers.

    Names of another form than a key's are never asked for."""

    def __init__(
        self,
        *,
        nameservers: Sequence[str] = (),
        port: int = 53,
        timeout: float = 5.0,
        monotonic: Callable[[], float],
    ) -> None:
        """`timeout`: seconds for one answer, retries included.

        `nameservers`: in place of the system's."""
        self._nameservers = tuple(nameservers)
        self._port = port
        self._timeout = timeout
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def lookup(self, name: str, at: datetime) -> bytes | None:  # noqa: ARG002 - DNS only knows now
        """The record as it is published now, kept for its TTL.

        A DNS that was silent is not waited for again at once: a backlog would wait mail by mail."""
        # The name comes from the mail: nobody may have us ask DNS for anything else.
        if not _NAME.fullmatch(name):
            return None
        with self._lock:
            now = self._monotonic()
            kept = self._kept.get(name)
            if kept is not None and now < kept.until:
                return kept.record
            if now < self._silent_until:
                problem = f"DNS did not answer a moment ago, so {name} was not asked for"
                raise TransientError(problem, code="dns")
        # Without the lock: other mailboxes may have their keys in memory.
        try:
            record, ttl = self._ask(name)
        except TransientError:
            self._note_silence(since=now)
            raise
        self._keep(name, record, ttl)
        return record

    def _keep(self, name: str, record: bytes | None, ttl: float) -> None:
        until = self._monotonic() + min(max(ttl, SHORTEST), LONGEST)
        with self._lock:
            if len(self._kept) >= MAX_KEYS:  # a flood of made-up selectors; ours are asked again
                self._kept.clear()
            self._kept[name] = _Kept(record, until)

    def _note_silence(self, since: float) -> None:
        """A refusal that comes at once costs nobody time, and is no silence."""
        now = self._monotonic()
        if now - since >= self._timeout / 2:
            with self._lock:
                self._silent_until = now + SILENCE

    def _ask(self, name: str) -> tuple[bytes | None, float]:
        """The record and its TTL; an answer of any other kind than one record is no key."""
        try:
            # The final dot keeps the resolver's search list out.
            answer = self._resolver().resolve(name + ".", "TXT", lifetime=self._timeout)
        except _NO_KEY:
            return None, SHORTEST
        except (dns.exception.DNSException, OSError, ValueError) as error:
            problem = f"DNS did not answer for {name} ({type(error).__name__})"
            raise TransientError(problem, code="dns") from None
        ttl = SHORTEST
        if answer.rrset is not None:
            ttl = float(answer.rrset.ttl)
        # RFC 6376, 3.6.2.2: strings are joined as they are, and more than one record is undefined.
        records = [b"".join(record.strings) for record in answer]
        if len(records) != 1 or len(records[0]) > MAX_RECORD:
            return None, ttl
        return records[0], ttl

    def _resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = list(self._nameservers)
            resolver.port = self._port
        return resolver


@dataclass(frozen=True, slots=True)
class Remembered:
    """What DNS last said of a name."""

    record: str
    last_published: datetime


class RememberedKeys:
    """Keys from DNS, and where DNS has one no more, the one it had when the mail arrived."""

    def __init__(
        self,
        published: KeyLookup,
        path: Path,
        *,
        now: Callable[[], datetime],
        log: Log,
        writing: bool = True,
    ) -> None:
        """`path`: the file in the state directory.

        `writing`: False for commands that change nothing."""
        self._published = published
        self._path = path
        self._now = now
        self._log = log
        self._writing = writing

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The published record; where there is none, the remembered one for mail of its time."""
        # DNS first, always: a key may have been revoked, and silence is no answer.
        record = self._published.lookup(name, at)
        memory = self._read().get(name)
        if record is None:
            return _still_good(memory, at)
        if self._writing and record.isascii() and len(record) <= MAX_RECORD:
            self._remember(name, Remembered(record.decode(), self._now()), memory)
        return record

    def _remember(self, name: str, key: Remembered, memory: Remembered | None) -> None:
        """A memory that cannot be written is told and does without.

        Nobody waits for another who writes: the next look will."""
        if _is_known(key, memory):
            return
        try:
            with files.locked(self._path.with_suffix(".lock"), wait=False) as ours:
                if ours:
                    self._write({**self._read(), name: key})
        except OSError as error:
            self._tell(error.strerror)
        except StateError as error:
            self._tell(str(error))

    def _read(self) -> Mapping[str, Remembered]:
        """What is remembered; a file that is missing or broken remembers nothing."""
        try:
            with files.opened(self._path) as file:
                if files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS):
                    self._tell("others can write it: chmod 0600")
                    return {}
                content = json.loads(file.read())
            return {
                name: Remembered(memory["record"], moment(memory["last_published"]))
                for name, memory in content.items()
                if memory["record"].isascii()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def _write(self, memories: Mapping[str, Remembered]) -> None:
        by_age = sorted(memories.items(), key=lambda item: item[1].last_published)
        content = {name: _as_json(memory) for name, memory in by_age[-MAX_KEYS:]}
        text = json.dumps(content, indent=1, sort_keys=True)
        files.replace(self._path, text.encode(), durable=False)

    def _tell(self, error: str | None) -> None:
        self._log.warning("keys.not_remembered", file=str(self._path), error=error)


def _still_good(memory: Remembered | None, at: datetime) -> bytes | None:
    if memory is None or at - memory.last_published > STILL_GOOD:
        return None
    return memory.record.encode()


def _is_known(key: Remembered, memory: Remembered | None) -> bool:
    """Whether the file has the key, and had it of DNS a moment ago."""
    if memory is None or memory.record != key.record:
        return False
    return key.last_published - memory.last_published < REFRESHED


def _as_json(memory: Remembered) -> dict[str, str]:
    return {"record": memory.record, "last_published": iso(memory.last_published)}
