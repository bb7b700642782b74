"""The SecretStore over KV version 2: read, decide, write with check-and-set, and read again when
somebody was faster.

Writing the same capture twice gives one version, whoever wrote it first; the newest
`security_token_issued_at` wins; other fields of the secret survive, since an existing secret is
only merged into (PATCH). Check-and-set makes Vault the arbiter between instances, so no lock is
needed. After a time-out a write may have happened; the next call finds out by reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from token_catcher.errors import TransientError
from token_catcher.model import (
    Capture,
    Held,
    Holding,
    Reason,
    Receipt,
    Stored,
    Token,
    Unchanged,
    iso,
    moment,
)
from token_catcher.ports import Log
from token_catcher.reading import TOKEN
from token_catcher.vault.client import Client
from token_catcher.vault.kv import KeyValue, SecretVersion

ATTEMPTS: Final = 5
"""Rounds of read and write against others who write at the same time."""
PAUSE: Final = 0.1
"""Seconds before another round: a standby may serve reads that old."""
CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""At most so much between our clock, Vault's and Salesforce's.

Where it matters: for a write to be known again, for a foreign token to be the newer one."""
EXPIRY_DIFFERS: Final = 2.0
"""Seconds at most between when a version ended and when it had to end by itself."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret and who wrote our fields of it.

    For reconciling: never the values."""

    number: int
    created_at: str
    captured_by: str | None = None
    captured_at: str | None = None
    issued_at: str | None = None
    fingerprint: str | None = None
    gone: bool = False
    """Deleted or destroyed: what it held is not known."""


class VaultStore:
    """Tokens under `mount`/`path`. Thread-safe."""

    def __init__(
        self,
        client: Client,
        *,
        mount: str,
        field: str,
        instance: str,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        log: Log,
    ) -> None:
        """`field`: where the token is kept. `instance`: who we are, kept beside it."""
        self._client = client
        self._secrets = KeyValue(client, mount)
        self._field = field
        self._instance = instance
        self._now = now
        self._sleep = sleep
        self._log = log

    def store(self, capture: Capture) -> Stored | Unchanged | Held:
        """Write the token unless it, or a newer one, is there. See `ports.SecretStore`."""
        self._secrets.check_path(capture.path)
        self._secrets.check_mount(capture.path)
        fresh = False
        for _ in range(ATTEMPTS):
            current = self._secrets.read(capture.path, fresh=fresh)
            outcome = self._without_writing(capture, current)
            if outcome is not None:
                return outcome
            receipt = self._secrets.write(capture.path, self._fields(capture), current)
            if receipt is not None:
                return Stored(receipt)
            fresh = True  # or a standby shows the version that was just overtaken
            self._sleep(PAUSE)
        raise TransientError(
            f"{self._secrets.where(capture.path)}: others wrote at the same time, {ATTEMPTS} times",
            code="vault-race",
        )

    def holds(self, path: str) -> Holding:
        """What is at this path now. See `ports.SecretStore`."""
        self._secrets.check_path(path)
        self._secrets.check_mount(path)
        current = self._secrets.read(path)
        token = self._token(current)
        if token is None:
            return Holding(current.number, current.gone)
        return Holding(
            current.number,
            fingerprint=token.fingerprint,
            issued_at=_issued_at(current, token),
        )

    def versions(self, path: str) -> Iterator[Version]:
        """Every version that Vault keeps, oldest first. Reads only."""
        self._secrets.check_path(path)
        for number in self._secrets.numbers(path):
            version = self._secrets.read(path, number)
            yield Version(
                number,
                version.created_at,
                version.ours("captured_by"),
                version.ours("captured_at"),
                version.ours("issued_at"),
                version.ours("fingerprint"),
                version.gone,
            )

    def keep_alive(self) -> None:
        """Log in, or renew our token in time, where no store does. Raises what `store` raises."""
        self._client.keep_alive()

    @property
    def token_seconds_left(self) -> float | None:
        """Until our Vault token expires; None: there is none yet, or it never does."""
        return self._client.seconds_left

    def close(self) -> None:
        """Free the connections."""
        self._client.close()

    def _without_writing(self, capture: Capture, current: SecretVersion) -> Unchanged | Held | None:
        """How it ends when there is nothing to write; None: write."""
        if current.gone and not self._expired(capture.path, current):
            return Held(Reason.SECRET_DELETED, f"version {current.number} was deleted")
        token = self._token(current)
        if token is None:
            return None
        if token == capture.token:
            return Unchanged(Reason.SAME_TOKEN, self._written(capture, current))
        issued_at = _issued_at(current, token)
        if issued_at is not None:
            return self._beside_one_of(issued_at, capture, current)
        return self._beside_a_foreign_one(capture, current)

    def _token(self, version: SecretVersion) -> Token | None:
        """The token in it. None: nothing, or what somebody put there until a token comes."""
        text = version.data.get(self._field)
        if isinstance(text, str) and TOKEN.fullmatch(text):
            return Token(text)
        return None

    def _beside_one_of(
        self, issued_at: datetime, capture: Capture, current: SecretVersion
    ) -> Unchanged | Held | None:
        """Another token is there, and it is known when that was issued: the newer one wins."""
        if capture.issued_at == issued_at:
            saw = f"version {current.number} has another token of {iso(issued_at)}"
            return Held(Reason.SAME_DATE, saw)
        if capture.issued_at < issued_at:
            return Unchanged(Reason.STALE, self._written(capture, current))
        return None

    def _beside_a_foreign_one(
        self, capture: Capture, current: SecretVersion
    ) -> Unchanged | Held | None:
        """Somebody else wrote the token that is there, and Vault only says when.

        Older by that is stale, if nothing is in doubt: neither when it first appeared, nor which
        of two clocks is right."""
        appeared, certain = self._appeared(capture.path, current)
        if appeared is None or capture.issued_at > appeared:
            return None
        if certain and appeared - capture.issued_at > CLOCKS_DIFFER:
            return Unchanged(Reason.STALE, self._written(capture, current))
        return Held(
            Reason.UNKNOWN_AGE,
            f"somebody else wrote the token of version {current.number}, at {iso(appeared)}"
            " or before",
        )

    def _appeared(self, path: str, current: SecretVersion) -> tuple[datetime | None, bool]:
        """When somebody else put the token there, and whether that is certain.

        Later versions carry it on when another field is changed, and earlier ones may be gone."""
        first = current
        for version in self._secrets.history(path, current):
            if version.gone:  # what it held is not known: the token may be older
                break
            if version.data.get(self._field) != current.data.get(self._field):
                return _time(first.created_at), True
            first = version
        return _time(first.created_at), first.number == 1

    def _expired(self, path: str, version: SecretVersion) -> bool:
        """Whether it went by the secret's own `delete_version_after`.

        Then nobody decided against *this* secret."""
        if version.destroyed:
            return False
        lifetime = self._secrets.lifetime(path)
        ended = _time(version.deletion_time)
        began = _time(version.created_at)
        if not lifetime or ended is None or began is None:
            return False
        return abs((ended - began).total_seconds() - lifetime) < EXPIRY_DIFFERS

    def _written(self, capture: Capture, current: SecretVersion) -> Receipt | None:
        """The version in which this instance wrote this token, while Vault keeps it.

        Later versions carry our fields on when another one is changed, and a rollback copies them:
        ours is the earliest that was captured at one time, and was made by Vault at that time."""
        earliest: SecretVersion | None = None
        for version in self._secrets.history(capture.path, current):  # newest first
            if not self._is_ours(version, capture.token):
                continue
            if earliest and version.ours("captured_at") != earliest.ours("captured_at"):
                break  # the token was lost after that write, and brought back by this one
            earliest = version
        if earliest is None or not _made_when_captured(earliest):
            return None
        return Receipt(capture.path, earliest.number, earliest.created_at, None)

    def _is_ours(self, version: SecretVersion, token: Token) -> bool:
        """Whether it says that this instance wrote this token."""
        if version.ours("captured_by") != self._instance:
            return False
        return version.ours("fingerprint") == token.fingerprint

    def _fields(self, capture: Capture) -> dict[str, str]:
        """What is kept: the token, when it was issued, and who caught it when.

        The only place where a token is revealed."""
        return {
            self._field: capture.token.reveal(),
            "security_token_issued_at": iso(capture.issued_at),
            "security_token_captured_at": iso(self._now()),
            "security_token_captured_by": self._instance,
            "security_token_fingerprint": capture.token.fingerprint,
        }


def _issued_at(version: SecretVersion, token: Token) -> datetime | None:
    """When the token in it was issued; None: nobody noted it."""
    # What we note speaks of this token only if our fingerprint does.
    if version.ours("fingerprint") != token.fingerprint:
        return None
    return _time(version.ours("issued_at"))


def _time(value: object) -> datetime | None:
    """A time as Vault or we write it; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return moment(value)
    except ValueError:
        return None


def _made_when_captured(version: SecretVersion) -> bool:
    """Whether both times, by two clocks, speak of one write."""
    captured_at = _time(version.ours("captured_at"))
    created_at = _time(version.created_at)
    if captured_at is None or created_at is None:
        return False
    return abs(created_at - captured_at) <= CLOCKS_DIFFER
