"""Keys as DNS publishes them now."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import dns.exception
import dns.name
import dns.resolver

from token_catcher.errors import TransientError

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

NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\._domainkey\.[A-Za-z0-9.-]+")
"""The form of a key's name."""

_NO_KEY: Final = (
    dns.resolver.NXDOMAIN,
    dns.resolver.NoAnswer,
    dns.exception.SyntaxError,
    dns.name.NameTooLong,
)
"""What it means that there is nothing at a name, or that it is no name that DNS could hold."""


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
        if not NAME.fullmatch(name):
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
