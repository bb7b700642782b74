"""The door to public keys: a file of pinned ones, DNS, and those that DNS gave before.

They are asked in this order. A pinned key is never asked of DNS. A key that DNS no longer has is taken from memory for mail
that arrived while it was published, so that a backlog still verifies after Salesforce changed its key: what was proof on
arrival stays proof. That is safe, since the record came from DNS for that very name, is public, and serves no mail that arrived
more than a day after DNS last had it; and a key that is *revoked* (an empty `p=`) is still there, and DNS is asked first.
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
"""Seconds an answer is kept: its TTL within these bounds, so that a withdrawn key is noticed within the hour."""
SILENCE: Final = 5.0
"""Seconds in which nothing is asked of a DNS that did not answer."""
STILL_GOOD: Final = timedelta(days=1)
REFRESHED: Final = timedelta(hours=1)
"""How often the file learns that a key is still published."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\._domainkey\.[A-Za-z0-9.-]+")
_PIN: Final = re.compile(rf"\s*({_NAME.pattern})\s+(\S.*?)\s*")


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
    """Keys from a file: `SELECTOR._domainkey.DOMAIN  v=DKIM1; …` a line, `#` begins a comment line."""

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self._records = records

    @classmethod
    def read(cls, path: Path) -> PinnedKeys:
        """ConfigurationError: the file cannot be read, or a line is not of the form."""
        try:
            lines = path.read_text("ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
            raise ConfigurationError(f"{path}: the pinned keys cannot be read: {why}") from None
        records: dict[str, bytes] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            pin = _PIN.fullmatch(line)
            if pin is None or "p=" not in pin[2] or pin[1].lower() in records:
                raise ConfigurationError(
                    f"{path}:{number}: got {line[:40]!a}…, expected SELECTOR._domainkey.DOMAIN, a space and a"
                    " key record with p=, each name once"
                )
            records[pin[1].lower()] = pin[2].encode()
        return cls(records)

    def lookup(self, name: str, at: datetime) -> bytes | None:  # noqa: ARG002 - pinned is pinned
        """The pinned record."""
        return self._records.get(name.lower())


class DnsKeys:
    """Keys from DNS, through the system's resolvers. Names of another form than a key's are never asked for."""

    def __init__(
        self,
        *,
        nameservers: Sequence[str] = (),
        port: int = 53,
        timeout: float = 5.0,
        monotonic: Callable[[], float],
    ) -> None:
        """`timeout`: seconds for one answer, retries included. `nameservers`: in place of the system's."""
        self._nameservers = tuple(nameservers)
        self._port = port
        self._timeout = timeout
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, bytes | None]] = {}
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def lookup(self, name: str, at: datetime) -> bytes | None:  # noqa: ARG002 - DNS only knows now
        """The record as it is published now, kept for its TTL. A DNS that was silent is not waited for again at once: a
        backlog of mail would wait for it mail by mail."""
        if not _NAME.fullmatch(name):
            return None
        with self._lock:
            kept = self._cache.get(name)
            if kept and kept[0] > self._monotonic():
                return kept[1]
            if self._monotonic() < self._silent_until:
                raise TransientError(
                    f"DNS did not answer a moment ago, so {name} was not asked for", code="dns"
                )
        began = self._monotonic()
        try:
            record, seconds = self._ask(name)
        except TransientError:
            if (now := self._monotonic()) - began >= self._timeout / 2:
                with self._lock:
                    self._silent_until = now + SILENCE
            raise
        with self._lock:
            if len(self._cache) >= MAX_KEYS:
                self._cache.clear()
            self._cache[name] = (self._monotonic() + min(max(seconds, SHORTEST), LONGEST), record)
        return record

    def _ask(self, name: str) -> tuple[bytes | None, float]:
        """One record only, of a size that a key has: an answer of any other kind is no key."""
        try:
            answer = self._resolver().resolve(name + ".", "TXT", lifetime=self._timeout)
        except (
            dns.resolver.NXDOMAIN,
            dns.resolver.NoAnswer,
            dns.exception.SyntaxError,
            dns.name.NameTooLong,
        ):
            return None, SHORTEST  # nothing there, or a name that DNS could not hold
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise TransientError(
                f"DNS did not answer for {name} ({type(error).__name__})", code="dns"
            ) from None
        seconds = float(answer.rrset.ttl) if answer.rrset is not None else SHORTEST
        records = [b"".join(record.strings) for record in answer]
        return (
            records[0] if len(records) == 1 and len(records[0]) <= MAX_RECORD else None
        ), seconds

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
        """`path`: the file in the state directory. `writing`: False for commands that change nothing."""
        self._published = published
        self._path = path
        self._now = now
        self._log = log
        self._writing = writing

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The published record, or the remembered one for mail that arrived while it was published."""
        record = self._published.lookup(name, at)
        kept = self._read().get(name)
        if record is None:
            return kept.record.encode() if kept and at - kept.last_published <= STILL_GOOD else None
        now = self._now()
        known = (
            kept is not None
            and kept.record.encode() == record
            and now - kept.last_published < REFRESHED
        )
        if self._writing and not known and record.isascii() and len(record) <= MAX_RECORD:
            self._remember(name, Remembered(record.decode(), now))
        return record

    def _remember(self, name: str, one: Remembered) -> None:
        """A memory that cannot be written is told and does without. Nobody waits for another who writes: the next look will."""
        try:
            with files.locked(self._path.with_suffix(".lock"), wait=False) as ours:
                if ours:
                    self._write({**self._read(), name: one})
        except OSError as error:
            self._log.warning("keys.not_remembered", file=str(self._path), error=error.strerror)
        except StateError as error:
            self._log.warning("keys.not_remembered", file=str(self._path), error=str(error))

    def _read(self) -> Mapping[str, Remembered]:
        """What is remembered; a file that is missing or broken remembers nothing."""
        try:
            with files.opened(self._path) as file:
                if files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS):
                    self._log.warning(
                        "keys.not_remembered",
                        file=str(self._path),
                        error="others can write it: chmod 0600",
                    )
                    return {}
                known = json.loads(file.read())
            return {
                name: Remembered(one["record"], moment(one["last_published"]))
                for name, one in known.items()
                if one["record"].isascii()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def _write(self, known: Mapping[str, Remembered]) -> None:
        newest = sorted(known.items(), key=lambda item: item[1].last_published)[-MAX_KEYS:]
        content = {
            name: {"record": one.record, "last_published": iso(one.last_published)}
            for name, one in newest
        }
        files.replace(
            self._path, json.dumps(content, indent=1, sort_keys=True).encode(), durable=False
        )
