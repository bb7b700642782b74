"""The SecretStore over KV version 2: read, decide, write with check-and-set, and read again when somebody was faster.

Writing the same capture twice gives one version, whoever wrote it first; the newest `security_token_issued_at` wins; other
fields of the secret survive, since an existing secret is only merged into (PATCH). Check-and-set makes Vault the arbiter
between instances, so no lock is needed. After a time-out a write may have happened; the next call finds out by reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from token_catcher.errors import AccessError, TransientError
from token_catcher.model import (
    Capture,
    Held,
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
from token_catcher.vault.answer import Answer
from token_catcher.vault.client import MERGE_PATCH, Client

ATTEMPTS: Final = 5
"""Rounds of read and write against others who write at the same time."""
PAUSE: Final = 0.1
"""Seconds before another round: a standby may serve reads that old."""
VERSIONS_BACK: Final = 20
"""How far back our own write is looked for; Vault keeps ten versions by default."""
CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""At most so much between our clock, Vault's and Salesforce's: for a write to be known again, for a token to be older."""
FRESH: Final = {"X-Vault-Inconsistent": "forward-active-node"}
CAPABILITIES: Final = "create, read, update and patch"

_PATH: Final = re.compile(
    r"[A-Za-z0-9_+'@-][A-Za-z0-9._+'@-]*(?:/[A-Za-z0-9_+'@-][A-Za-z0-9._+'@-]*)*(?<!\.)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One version of a secret, as Vault keeps it."""

    number: int
    """0: nothing is there."""
    created_at: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    gone: bool = False
    """Deleted, destroyed or expired: what it held is not known."""
    ended: str = ""
    """deletion_time; may lie ahead."""
    destroyed: bool = False

    def ours(self, name: str) -> str | None:
        """One of the fields we write beside the token."""
        value = self.data.get(f"security_token_{name}")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret and who wrote our fields of it: for reconciling, never the values."""

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
        self._mount = mount.strip("/")
        self._field = field
        self._instance = instance
        self._now = now
        self._sleep = sleep
        self._log = log
        self._known_v2 = False

    def store(self, capture: Capture) -> Stored | Unchanged | Held:
        """Write the token unless it, or a newer one, is there. See `ports.SecretStore`."""
        self._check_path(capture.path)
        self._check_mount(capture.path)
        headers: dict[str, str] = {}
        for _ in range(ATTEMPTS):
            current = self._read(capture.path, headers=headers)
            ended = self._without_writing(capture, current)
            if ended is not None:
                return ended
            receipt = self._write(capture, current)
            if receipt is not None:
                return Stored(receipt)
            headers = FRESH
            self._sleep(PAUSE)
        raise TransientError(
            f"{self._where(capture.path)}: others wrote at the same time, {ATTEMPTS} times",
            code="vault-race",
        )

    def versions(self, path: str) -> Iterator[Version]:
        """Every version that Vault keeps, oldest first. Reads only."""
        self._check_path(path)
        answer = self._client.request("get", f"{self._mount}/metadata/{path}")
        if answer.status == 404:
            return
        self._expect(answer, path, (200,))
        for number in sorted(map(int, answer.data.get("versions") or {})):
            kept = self._read(path, number)
            yield Version(
                number,
                kept.created_at,
                kept.ours("captured_by"),
                kept.ours("captured_at"),
                kept.ours("issued_at"),
                kept.ours("fingerprint"),
                kept.gone,
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

    def _check_path(self, path: str) -> None:
        """The last look before a path becomes a URL: requests would resolve `..` and leave the mount."""
        if not _PATH.fullmatch(path):
            raise AccessError(
                f"vault.path: got {ascii(path)[:100]}, expected plain segments", code="vault-path"
            )

    def _check_mount(self, path: str) -> None:
        """KV version 1 takes a v2-style write, answers 204, and stores it wrongly: look first, with the real path."""
        if self._known_v2:
            return
        answer = self._client.request("get", f"sys/internal/ui/mounts/{self._mount}/{path}")
        if answer.status != 200:
            raise AccessError(
                f"vault.mount: there is no mount {self._mount}, or our token has no rights on {self._where(path)}"
                f" (got {answer.status}, expected 200)",
                code="vault-mount",
            )
        options = answer.data.get("options") or {}
        kind, version = answer.data.get("type"), str(options.get("version", "1"))
        if kind != "kv" or version != "2":
            raise AccessError(
                f"vault.mount: {self._mount} is {kind} version {version}, expected kv version 2",
                code="vault-kv1",
            )
        self._known_v2 = True

    def _read(
        self, path: str, number: int = 0, *, headers: Mapping[str, str] | None = None
    ) -> Kept:
        """A version, or the latest (0)."""
        wanted = f"?version={number}" if number else ""
        answer = self._client.request("get", f"{self._mount}/data/{path}{wanted}", headers=headers)
        self._expect(answer, path, (200, 404))
        about = answer.data.get("metadata") or {}
        if answer.status == 404 and not about:
            return Kept(0)
        there, created_at = self._told(about, path)
        return Kept(
            there,
            created_at,
            answer.data.get("data") or {},
            gone=answer.status == 404,
            ended=str(about.get("deletion_time", "")),
            destroyed=bool(about.get("destroyed")),
        )

    def _history(self, path: str, current: Kept) -> Iterator[Kept]:
        """The current version and those before it, newest first, as far as Vault keeps them."""
        yield current
        for number in range(current.number - 1, max(0, current.number - VERSIONS_BACK), -1):
            kept = self._read(path, number)
            if not kept.number:
                return
            yield kept

    def _without_writing(self, capture: Capture, current: Kept) -> Unchanged | Held | None:
        """How it ends when there is nothing to write; None: write."""
        if current.gone and not self._expired(capture.path, current):
            return Held(Reason.SECRET_DELETED, f"version {current.number} was deleted")
        there = current.data.get(self._field)
        if not isinstance(there, str) or not TOKEN.fullmatch(there):
            return None  # nothing there, or what was put in its place until a token comes
        if Token(there) == capture.token:
            return Unchanged(Reason.SAME_TOKEN, self._written(capture, current))
        issued = self._issued(current)
        if issued is not None and capture.issued_at == issued:
            return Held(
                Reason.SAME_DATE, f"version {current.number} has another token of {iso(issued)}"
            )
        if issued is None:
            return self._beside_a_foreign_one(capture, current)
        return (
            Unchanged(Reason.STALE, self._written(capture, current))
            if capture.issued_at < issued
            else None
        )

    def _beside_a_foreign_one(self, capture: Capture, current: Kept) -> Unchanged | Held | None:
        """Somebody else wrote the token that is there, and Vault only says when. Older by that is stale, if nothing is in
        doubt: neither when it first appeared, nor which of two clocks is right."""
        appeared, certain = self._appeared(capture.path, current)
        if appeared is None or capture.issued_at > appeared:
            return None
        if certain and appeared - capture.issued_at > CLOCKS_DIFFER:
            return Unchanged(Reason.STALE, self._written(capture, current))
        return Held(
            Reason.UNKNOWN_AGE,
            f"somebody else wrote the token of version {current.number}, at {iso(appeared)} or before",
        )

    def _expired(self, path: str, gone: Kept) -> bool:
        """Whether the version went by the secret's own `delete_version_after`: nobody decided against *this* secret."""
        if gone.destroyed:
            return False
        answer = self._client.request("get", f"{self._mount}/metadata/{path}")
        life = _seconds(str(answer.data.get("delete_version_after", "")))
        ended, began = _time(gone.ended), _time(gone.created_at)
        return bool(life and ended and began and abs((ended - began).total_seconds() - life) < 2)

    def _issued(self, current: Kept) -> datetime | None:
        """When the stored token was issued; None where somebody else wrote it: our other fields then speak of ours."""
        token = Token(str(current.data.get(self._field)))
        return (
            _time(current.ours("issued_at"))
            if current.ours("fingerprint") == token.fingerprint
            else None
        )

    def _appeared(self, path: str, current: Kept) -> tuple[datetime | None, bool]:
        """When somebody else put the token there, and whether that is certain: later versions carry it on when another field
        is changed, and earlier ones may be gone."""
        first = current
        for kept in self._history(path, current):
            if kept.gone:
                break
            if kept.data.get(self._field) != current.data.get(self._field):
                return _time(first.created_at), True
            first = kept
        return _time(first.created_at), first.number == 1

    def _written(self, capture: Capture, current: Kept) -> Receipt | None:
        """The version in which this instance wrote this token, while Vault keeps it.

        Later versions carry our fields on when another one is changed, and a rollback copies them: ours is the earliest,
        and was made by Vault when we captured it."""
        token = capture.token.fingerprint
        mine = [
            kept
            for kept in self._history(capture.path, current)
            if (kept.ours("captured_by"), kept.ours("fingerprint")) == (self._instance, token)
        ]
        if not mine or not _together(mine[-1].ours("captured_at"), mine[-1].created_at):
            return None
        return Receipt(capture.path, mine[-1].number, mine[-1].created_at, None)

    def _write(self, capture: Capture, current: Kept) -> Receipt | None:
        """One write that only succeeds on the version that was read. None: somebody else was faster."""
        body = {"options": {"cas": current.number}, "data": self._fields(capture)}
        url = f"{self._mount}/data/{capture.path}"
        if current.number == 0 or current.gone:
            answer = self._client.request("post", url, body)
        else:
            answer = self._client.request("patch", url, body, {"Content-Type": MERGE_PATCH})
        if answer.status == 404 or (answer.status == 400 and answer.says("check-and-set")):
            return None
        self._expect(answer, capture.path, (200,))
        number, created_at = self._told(answer.data, capture.path)
        request_id = answer.body.get("request_id")
        return Receipt(capture.path, number, created_at, str(request_id) if request_id else None)

    def _fields(self, capture: Capture) -> dict[str, str]:
        """What is kept: the token, when it was issued, and who caught it when. The only place where a token is revealed."""
        return {
            self._field: capture.token.reveal(),
            "security_token_issued_at": iso(capture.issued_at),
            "security_token_captured_at": iso(self._now()),
            "security_token_captured_by": self._instance,
            "security_token_fingerprint": capture.token.fingerprint,
        }

    def _told(self, about: Any, path: str) -> tuple[int, str]:
        """Number and created_time of a version. TransientError: somebody else than Vault has answered."""
        if (
            isinstance(about, Mapping)
            and isinstance(about.get("version"), int)
            and isinstance(about.get("created_time"), str)
        ):
            return about["version"], about["created_time"]
        raise TransientError(
            f"{self._where(path)}: got an answer without a version", code="vault-protocol"
        )

    def _expect(self, answer: Answer, path: str, wanted: tuple[int, ...]) -> None:
        """AccessError for everything that only a person can change."""
        if answer.status in wanted:
            return
        if answer.status == 403:
            raise AccessError(
                f"Vault denies access to {self._where(path)} (got 403, expected the capabilities {CAPABILITIES})",
                code="vault-policy",
            )
        if answer.status == 405:
            raise AccessError(
                f"vault.mount: {self._mount} is not kv version 2 (got 405 to PATCH)",
                code="vault-kv1",
            )
        raise AccessError(
            f"Vault answered {answer.status} for {self._where(path)}", code="vault-refused"
        )

    def _where(self, path: str) -> str:
        return f"{self._mount}/data/{path}"


def _time(value: object) -> datetime | None:
    """A time as Vault or we write it; None for anything else. Vault's nanoseconds are cut to microseconds."""
    if not isinstance(value, str):
        return None
    try:
        return moment(value)
    except ValueError:
        return None


def _together(captured_at: object, created_at: object) -> bool:
    """Whether both times, by two clocks, speak of one write."""
    ours, vaults = _time(captured_at), _time(created_at)
    return ours is not None and vaults is not None and abs(vaults - ours) <= CLOCKS_DIFFER


def _seconds(duration: str) -> float:
    """Seconds of a duration as Go writes it: `1h30m0s`."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(
        float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)([hms])", duration)
    )
