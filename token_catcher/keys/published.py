"""Keys as DNS publishes them now."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from token_catcher.errors import NOT_ASKED, TransientError

if TYPE_CHECKING:
    import dns.resolver

MAX_ANSWERS: Final = 1024
"""Names of which it is known what DNS said last: 300 bytes each, where there is no record."""
MAX_RECORD: Final = 4096
"""Bytes; an RSA key of 4096 bit takes 750."""
SHORTEST: Final = 60.0
LONGEST: Final = 3600.0
"""Seconds an answer is kept: its TTL within these bounds, so that a withdrawn key is noticed within
the hour. The pause before a name without a key is asked for again grows from one to the other."""
SILENCE: Final = 5.0
"""Seconds in which a name is not asked for again after DNS was first silent about it. The pause
grows to LONGEST."""
LONGEST_SILENCE: Final = 300.0
"""The same for a known name: after an outage of any length its mail waits no longer than that."""
AT_ONCE: Final = 0.25
"""Seconds: a failure that comes sooner is no silence, and is asked for again at the next try."""
PATIENCE: Final = 15.0
REST: Final = 45.0
"""Seconds that are spent on unknown names, however many they are, and then seconds in which none
is asked for: a flood of forged mail takes a quarter of our time at most, and 15 seconds (and one
question) at a time."""

NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\._domainkey\.[A-Za-z0-9.-]+")
"""The form of a key's name."""
# RFC 6376, 3.6.1: the one tag that every key record has.
_P_TAG: Final = re.compile(rb"(?:\A|;)\s*p\s*=")
# The same: a record of another kind or version is discarded. DMARC has a `p=` as well, and a
# wildcard in the zone gives such a record to every name.
_OTHER_KIND: Final = re.compile(rb"\s*v\s*=\s*+(?!DKIM1\s*(?:;|\Z))")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What DNS last said of a name."""

    record: bytes | None
    until: float
    """When it may be asked again, in monotonic seconds."""
    in_vain: int
    """How often in a row there was no key, or no answer at all."""
    is_known: bool
    """Whether mail was verified with this key before."""
    is_silence: bool = False

    def as_record(self, name: str) -> bytes | None:
        """The record; None: there is no key. TransientError: DNS was silent."""
        if self.is_silence:
            problem = f"DNS did not answer a moment ago, so {name} was not asked for"
            raise TransientError(problem, code=_silence_about(self.is_known))
        return self.record


class DnsKeys:
    """Keys from DNS, through the system's resolvers.

    Names of another form than a key's are never asked for. Names are chosen by whoever sends mail.
    So each has its own pause after a vain question, and has no other one wait; and what strangers
    can make up has bounds in number and in time, which no known name is subject to."""

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
        self._answers: dict[str, _Answer] = {}
        """By name, in the order in which they came."""
        self._spent = 0.0
        """Seconds that were spent on unknown names since the last rest."""
        self._spent_at = 0.0
        """When the last of them was, in monotonic seconds."""
        self._lock = threading.Lock()

    def ask(self, name: str, *, known: bool = False) -> bytes | None:
        """The record as it is published now, kept for its TTL. None: DNS says that there is no key.

        `known`: mail was verified with it before. TransientError: there was no answer, or it is
        not asked for again yet."""
        # The name comes from the mail: nobody may have us ask DNS for anything else.
        if not NAME.fullmatch(name):
            return None
        with self._lock:
            last = self._answers.get(name)
            now = self._monotonic()
            if last is not None and now < last.until:
                return last.as_record(name)
            if not known:
                self._demand_patience(name, now)
        in_vain = 1
        if last is not None:
            in_vain += last.in_vain
        # Without the lock: other mailboxes may have their keys in memory.
        try:
            record, ttl = self._resolved(name, _silence_about(known))
        except TransientError:
            self._note_silence(name, in_vain, known=known, since=now)
            raise
        finally:
            if not known:
                self._spend(since=now)
        self._note_answer(name, record, ttl, in_vain, known=known)
        return record

    def _demand_patience(self, name: str, now: float) -> None:
        """TransientError: unknown names have taken all the time that is theirs."""
        rest = self._spent_at + REST - now
        if rest <= 0:
            self._spent = 0.0
        if self._spent < PATIENCE:
            return
        problem = f"{PATIENCE:.0f} seconds were spent on unknown names, so {name} was not asked for"
        raise TransientError(problem, code=NOT_ASKED, retry_after=math.ceil(rest))

    def _spend(self, *, since: float) -> None:
        """Whatever was answered: a resolver that takes its time to say no costs as much as one that
        says nothing, and many quick answers as much as a slow one."""
        with self._lock:
            self._spent_at = self._monotonic()
            self._spent += self._spent_at - since

    def _note_silence(self, name: str, in_vain: int, *, known: bool, since: float) -> None:
        """A refusal that comes at once is none, and asked for again at the next try."""
        now = self._monotonic()
        if now - since < AT_ONCE:
            return
        longest = LONGEST
        if known:
            longest = LONGEST_SILENCE
        until = now + _pause(SILENCE, in_vain, longest)
        with self._lock:
            self._keep(name, _Answer(None, until, in_vain, known, is_silence=True))

    def _note_answer(
        self, name: str, record: bytes | None, ttl: float, in_vain: int, *, known: bool
    ) -> None:
        now = self._monotonic()
        if record is None:
            answer = _Answer(None, now + _pause(SHORTEST, in_vain, LONGEST), in_vain, known)
        else:
            answer = _Answer(record, now + min(max(ttl, SHORTEST), LONGEST), 0, known)
        with self._lock:
            self._keep(name, answer)

    def _keep(self, name: str, answer: _Answer) -> None:
        """The oldest answer makes room, but never one about a known name: of these there are few,
        since only few are remembered."""
        self._answers.pop(name, None)
        self._answers[name] = answer
        if len(self._answers) <= MAX_ANSWERS:
            return
        unknown = (other for other, kept in self._answers.items() if not kept.is_known)
        oldest = next(unknown, name)
        del self._answers[oldest]

    def _resolved(self, name: str, silence: str) -> tuple[bytes | None, float]:
        """The record and its TTL; an answer of any other kind than one key record is no key.

        `silence`: the code of the trouble where there is no answer."""
        # dnspython is loaded with the first question (docs/adr/0027): most looks have none.
        import dns.exception
        import dns.name
        import dns.resolver

        # There is nothing at the name, or it is no name that DNS could hold.
        no_key = (
            dns.resolver.NXDOMAIN,
            dns.resolver.NoAnswer,
            dns.exception.SyntaxError,
            dns.name.NameTooLong,
        )
        try:
            # The final dot keeps the resolver's search list out.
            answer = self._resolver().resolve(name + ".", "TXT", lifetime=self._timeout)
        except no_key:
            return None, 0.0
        except (dns.exception.DNSException, OSError, ValueError) as error:
            problem = f"DNS did not answer for {name} ({type(error).__name__})"
            raise TransientError(problem, code=silence) from None
        ttl = 0.0
        if answer.rrset is not None:
            ttl = float(answer.rrset.ttl)
        # RFC 6376, 3.6.2.2: strings are joined as they are, and more than one record is undefined.
        records = [b"".join(record.strings) for record in answer]
        if len(records) != 1 or not _is_key(records[0]):
            return None, ttl
        return records[0], ttl

    def _resolver(self) -> dns.resolver.Resolver:
        import dns.resolver

        resolver = dns.resolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = list(self._nameservers)
            resolver.port = self._port
        return resolver


def _silence_about(known: bool) -> str:
    """The code of the trouble where DNS is silent about a name."""
    if known:
        return "dns-known-key"
    return "dns"


def _is_key(record: bytes) -> bool:
    if len(record) > MAX_RECORD or _OTHER_KIND.match(record):
        return False
    return _P_TAG.search(record) is not None


def _pause(first: float, in_vain: int, longest: float) -> float:
    """Seconds: each time in a row twice as long, so that a name which stays away costs little, and
    one that comes back is found after no more than twice the time of its absence."""
    return min(longest, first * 2.0 ** min(in_vain - 1, 16))
