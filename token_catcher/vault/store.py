"""The SecretStore over a KV engine: read, decide, write with check-and-set, and read again when
somebody was faster.

Writing the same capture twice gives one version, whoever wrote it first; the newest token wins
(`age`); other fields of the secret survive, since an existing secret is only merged into (PATCH).
Check-and-set makes Vault the arbiter between instances, so no lock is needed. After a time-out a
write may have happened; the next call finds out by reading.

An engine of version 1 has no check-and-set and keeps no versions: what it holds is compared in the
same way, but two writers at one moment are not told apart, and a token that somebody else wrote has
no age at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from token_catcher.age import Age, Order
from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.model import (
    Capture,
    Held,
    Holding,
    KeptVersion,
    LoginSecrets,
    Reason,
    Secret,
    Stored,
    Token,
    Unchanged,
    iso,
)
from token_catcher.ports import Log, Storing
from token_catcher.vault.ahead import StoreAhead
from token_catcher.vault.anchor import AnchorStore
from token_catcher.vault.client import Client
from token_catcher.vault.ending import Ending
from token_catcher.vault.inspection import Inspection
from token_catcher.vault.kept_versions import kept_version
from token_catcher.vault.kv import KeyValue
from token_catcher.vault.kv1 import PlainKeyValue, PlainOwnWrites
from token_catcher.vault.mount import DENIED, Mount
from token_catcher.vault.own_writes import OwnWrites
from token_catcher.vault.past import Pasts, Trace, token_in
from token_catcher.vault.version import SecretVersion

ATTEMPTS: Final = 5
"""Rounds of read and write against others who write at the same time."""
PAUSE: Final = 0.1
"""Seconds before another round: a standby may serve reads that old."""
DESCRIBING: Final = (
    "security_token_issued_at",
    "security_token_dated_at",
    "security_token_captured_at",
    "security_token_captured_by",
    "security_token_fingerprint",
    "security_token_mail",
    "security_token_writer",
)
"""The fields beside the token, as `VaultStore._fields` fills them in."""
CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""At most so much between Vault's clock and Salesforce's.

Where it matters: for a foreign token to be the newer one."""


@dataclass(frozen=True, slots=True)
class Version:
    """The latest version of a secret, by its metadata alone."""

    number: int
    created_at: str
    gone: bool = False
    """Deleted or destroyed: what it held is not known."""


class VaultStore:
    """Tokens under `mount`/`path`. Thread-safe."""

    def __init__(
        self,
        client: Client,
        *,
        mount: str,
        kv_version: int = 2,
        field: str,
        instance: str,
        writer: Callable[[], str],
        writes_over_deleted: bool = False,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        log: Log,
    ) -> None:
        """`kv_version`: of the engine at the mount, 1 or 2. `field`: where the token is kept.
        `instance`: our name, kept beside it.

        `writer`: our id, asked when something is stored; it raises what it raises.
        `writes_over_deleted`: also where a person deleted the latest version."""
        self._client = client
        self._mount = Mount(client, mount, kv_version)
        self._secrets: KeyValue | PlainKeyValue
        self._own_writes: OwnWrites | PlainOwnWrites
        if kv_version == 1:
            self._secrets = PlainKeyValue(self._mount)
            self._pasts = Pasts(self._secrets, field, now)
            self._own_writes = PlainOwnWrites(writer)
        else:
            self._secrets = KeyValue(self._mount, log)
            self._pasts = Pasts(self._secrets, field, now)
            self._own_writes = OwnWrites(self._pasts, writer)
        self._field = field
        self._instance = instance
        self._writer = writer
        self._writes_over_deleted = writes_over_deleted
        self._now = now
        self._sleep = sleep

    def store(
        self,
        capture: Capture,
        *,
        before_write: Callable[[], None] = lambda: None,
        current: SecretVersion | None = None,
    ) -> Stored | Unchanged | Held:
        """Write the token unless it, or a newer one, is there. See `ports.Storing`.

        `current`: the latest version, where it was read ahead."""
        self._mount.check_path(capture.path)
        fresh = False
        for _ in range(ATTEMPTS):
            if current is None:
                current = self._read(capture.path, fresh=fresh)
            ended = self._secrets.ending(capture.path, current)
            outcome = self._without_writing(capture, current, ended)
            if outcome is not None:
                return outcome
            before_write()
            fields = self._fields(capture)
            receipt = self._secrets.write(capture.path, fields, current)
            if receipt is not None:
                self._pasts.add(capture, fields["security_token_writer"], current, receipt)
                receipt = replace(receipt, before=self._number_of(current))
                return Stored(receipt, saw=self._why_written(capture, current, ended))
            current = None
            fresh = True  # or a standby shows the version that was just overtaken
            self._sleep(PAUSE)
        raise TransientError(
            f"{self._mount.where(capture.path)}: others wrote at the same time, {ATTEMPTS} times",
            code="vault-race",
        )

    def foresee(self, capture: Capture) -> Unchanged | Held | None:
        """What `store` would come to now. See `ports.SecretStore`."""
        self._mount.check_path(capture.path)
        current = self._read(capture.path, fresh=False)
        ended = self._secrets.ending(capture.path, current)
        return self._without_writing(capture, current, ended)

    def overtaken(self, capture: Capture, newer: Capture) -> Unchanged | None:
        """What `store` would come to beside a newer token. See `ports.Storing`."""
        if isinstance(self._own_writes, PlainOwnWrites):
            return None  # a secret without versions has nothing that is remembered of it
        age = Age(newer.issued_at, newer.dated_at)
        past = self._pasts.ending_with(newer)
        if past is None or Age(capture.issued_at, capture.dated_at).beside(age) is not Order.OLDER:
            return None
        if self._own_writes.tells_of(capture, past):
            return None  # which version that is takes a look
        return Unchanged(Reason.STALE)

    def ahead(self, paths: Collection[str], goes_on: Callable[[], bool]) -> Storing:
        """The store, with these secrets read. See `ports.SecretStore`."""
        # Without check-and-set, a secret is read right before it is written.
        if not isinstance(self._secrets, KeyValue):
            return self
        plain = [path for path in paths if self._mount.is_plain(path)]
        if not plain or not self._is_mounted(plain[0]):
            return self
        versions = dict(self._secrets.read_each(plain, goes_on))
        new = [path for path, version in versions.items() if not version.number]
        # Nothing there: before anything is written, see that the mount has not changed.
        if new and not self._is_mounted(new[0]):
            return self
        return StoreAhead(self, versions)

    def _is_mounted(self, path: str) -> bool:
        """Whether the mount is the configured one, as far as this path tells."""
        try:
            self._mount.check(path)
        except TokenCatcherError:
            return False
        return True

    def holds(self, path: str, current: SecretVersion | None = None) -> Holding:
        """What is at this path now. See `ports.Storing`.

        `current`: the latest version, where it was read ahead."""
        self._mount.check_path(path)
        if current is None:
            self._mount.check(path)
            current = self._secrets.read(path)
        token = self._token(current)
        if token is None:
            ended = self._secrets.ending(path, current)
            return Holding(current.number, gone=ended is not None and not ended.expired)
        holding = Holding(current.number, fingerprint=token.fingerprint)
        trace = Trace.of(current, self._field)
        if trace.age is None:
            return replace(holding, written_at=trace.written_at)
        return replace(holding, issued_at=trace.age.issued_at, dated_at=trace.age.dated_at)

    @property
    def keeps_versions(self) -> bool:
        """Whether secrets have versions here: not on KV version 1."""
        return isinstance(self._secrets, KeyValue)

    def latest(self, path: str) -> Version | None:
        """The latest version at this path by its metadata alone: no value is read. Number 0: there
        is none. None: metadata are not ours to read, or there are none (KV version 1)."""
        self._mount.check_path(path)
        self._mount.check(path)
        latest = self._secrets.latest(path)
        if latest is None:
            return None
        return Version(latest.number, latest.created_at, gone=latest.has_ended(self._now()))

    def names(self, folder: str) -> list[str] | None:
        """The secrets in a folder below the mount; none where there is no such folder. None: our
        token may not list them. Reads no value."""
        self._mount.check_path(folder)
        return self._secrets.names(folder)

    def login_secrets(self, path: str, password_field: str) -> LoginSecrets:
        """What the user of this path logs in to Salesforce with, as it is now; in one read, and not
        out of a standby's memory. Raises what `holds` raises."""
        self._mount.check_path(path)
        self._mount.check(path)
        current = self._secrets.read(path, fresh=True)
        password = current.data.get(password_field)
        if isinstance(password, str) and password:
            return LoginSecrets(self._token(current), Secret(password))
        return LoginSecrets(self._token(current), None)

    def check_mount(self, path: str) -> None:
        """See that the mount is as configured, asked with the path of a secret. Reads only.

        AccessError: there is none, it is of the other KV version, or `vault.mount` is not its
        name."""
        self._mount.check_path(path)
        self._mount.check(path)

    @property
    def inspection(self) -> Inspection:
        """What a diagnosis asks, with the same login and of the same mount."""
        return Inspection(self._client, self._mount, (self._field, *DESCRIBING))

    def kept(self, path: str) -> list[KeptVersion]:
        """Every version that Vault keeps, oldest first; none on KV version 1. Reads only.

        AccessError with the code `vault-audit-policy`: our token may not read the metadata or the
        data of this secret. Otherwise it raises what `holds` raises."""
        self._mount.check_path(path)
        self._mount.check(path)
        try:
            return [self._kept(path, number) for number in self._secrets.numbers(path)]
        except AccessError as error:
            if not error.code.startswith(DENIED):
                raise
        # Less than a store needs, and so another message than its own.
        where = self._mount.where(path)
        raise AccessError(
            f"Vault does not let us read {where} and {self._mount.metadata(path)} (got 403,"
            " expected the capability read on both)",
            code="vault-audit-policy",
        )

    def _kept(self, path: str, number: int) -> KeptVersion:
        version = self._secrets.read(path, number)
        ending = self._secrets.ending(path, version)
        return kept_version(version, ending, self._field)

    def anchor(self, instance: str) -> AnchorStore:
        """Where the head of this instance's journal is kept. KV version 2 alone."""
        assert isinstance(self._secrets, KeyValue)  # the schema sees to it
        return AnchorStore(self._mount, self._secrets, instance)

    def keep_alive(self) -> None:
        """Log in, or renew our token in time, where no store does. Raises what `store` raises."""
        self._client.keep_alive()

    @property
    def token_seconds_left(self) -> float | None:
        """Until our Vault token ends, below 0 afterwards; None: there is none, or it never does."""
        return self._client.seconds_left

    @property
    def token_is_ending(self) -> bool:
        """Whether that is soon, and the token could be neither renewed nor replaced."""
        return self._client.is_ending

    def close(self) -> None:
        """Free the connections."""
        self._client.close()

    def _read(self, path: str, *, fresh: bool) -> SecretVersion:
        """The latest version. AccessError: the mount is not what it has to be."""
        self._mount.check(path)
        current = self._secrets.read(path, fresh=fresh)
        if not current.number:
            # Nothing there: before anything is written, see that the mount has not changed.
            self._mount.check(path)
        return current

    def _number_of(self, current: SecretVersion) -> int | None:
        """None: on KV version 1 whatever is there counts as version 1."""
        if self.keeps_versions:
            return current.number
        return None

    def _why_written(self, capture: Capture, current: SecretVersion, ended: Ending | None) -> str:
        """Of a version that is gone, or has this very token, why it was written over."""
        if ended is None:
            if self._token(current) == capture.token:
                return f"{current.name} had the token beside the fields of another"
            return ""
        if ended.expired:
            return ended.saw
        return f"{ended.saw}; vault.on_deleted is write"

    def _without_writing(
        self, capture: Capture, current: SecretVersion, ended: Ending | None
    ) -> Unchanged | Held | None:
        """How it ends when there is nothing to write; None: write."""
        if ended is not None:
            return self._over_a_gone_one(capture, current, ended)
        token = self._token(current)
        if token is None:
            return None
        if token == capture.token:
            if self._is_misdescribed(current, token):
                return None
            return Unchanged(Reason.SAME_TOKEN, self._own_writes.written(capture, current))
        return self._beside_another(capture, current)

    def _beside_another(self, capture: Capture, current: SecretVersion) -> Unchanged | Held | None:
        """Another token is there: the newer one wins."""
        age = Trace.of(current, self._field).age
        if age is None:
            return self._beside_a_foreign_one(capture, current)
        outcome = _beside_one_of(age, capture, current.name)
        if isinstance(outcome, Unchanged):
            return replace(outcome, written=self._own_writes.written(capture, current))
        return outcome

    def _over_a_gone_one(
        self, capture: Capture, current: SecretVersion, ended: Ending
    ) -> Unchanged | Held | None:
        """What the latest version held is not known: the one before may tell of a newer token."""
        if not ended.expired and not self._writes_over_deleted:
            return Held(Reason.SECRET_DELETED, ended.saw)
        written = self._own_writes.written(capture, current)
        # Ours in a version before: what came after it, and is gone, may be newer.
        if written is not None:
            return Unchanged(Reason.STALE, written)
        for trace in self._pasts.up_to(current, capture.path).traces:
            if trace.age is None or trace.fingerprint == capture.token.fingerprint:
                continue
            outcome = _beside_one_of(trace.age, capture, f"version {trace.number}")
            if outcome is not None:
                return outcome
        return None

    def _token(self, version: SecretVersion) -> Token | None:
        """The token in it. None: nothing, or what somebody put there until a token comes."""
        return token_in(version, self._field)

    def _is_misdescribed(self, version: SecretVersion, token: Token) -> bool:
        """Whether somebody wrote the token by hand, and left our fields of the one before it."""
        return version.ours("fingerprint") not in (None, token.fingerprint)

    def _beside_a_foreign_one(
        self, capture: Capture, current: SecretVersion
    ) -> Unchanged | Held | None:
        """Somebody else wrote the token that is there, and Vault only says when.

        Older by that is stale, if nothing is in doubt: neither when it first appeared, nor which
        of two clocks is right."""
        written = self._own_writes.written(capture, current)
        # Ours was there before, whatever the clocks say: somebody put theirs in its place.
        if written is not None:
            return Unchanged(Reason.STALE, written)
        appeared, certain = self._pasts.up_to(current, capture.path).appearance()
        if appeared is None:
            saw = f"somebody else wrote the token of {current.name}, and nothing says when"
            return Held(Reason.UNKNOWN_AGE, saw)
        if capture.issued_at > appeared:
            return None
        # By the Date, which is never earlier: the clock of the mail server may be behind.
        if certain and appeared - capture.dated_at > CLOCKS_DIFFER:
            return Unchanged(Reason.STALE)
        return Held(
            Reason.UNKNOWN_AGE,
            f"somebody else wrote the token of version {current.number}, at {iso(appeared)}"
            " or before",
        )

    def _fields(self, capture: Capture) -> dict[str, str]:
        """What is kept: the token, when it was issued, and who caught it when.

        The only place where a token is revealed."""
        return {
            self._field: capture.token.reveal(),
            "security_token_issued_at": iso(capture.issued_at),
            "security_token_dated_at": iso(capture.dated_at),
            "security_token_captured_at": iso(self._now()),
            "security_token_captured_by": self._instance,
            "security_token_fingerprint": capture.token.fingerprint,
            "security_token_mail": capture.mail.digest,
            "security_token_writer": self._writer(),
        }


def _beside_one_of(age: Age, capture: Capture, name: str) -> Unchanged | Held | None:
    """How it ends beside another token, of this age. `name`: of the version that has it.

    None: ours is the newer one."""
    ours = Age(capture.issued_at, capture.dated_at)
    match ours.beside(age):
        case Order.NEWER:
            return None
        case Order.OLDER:
            return Unchanged(Reason.STALE)
        case Order.SAME_DATE:
            saw = f"{name} has another token of {iso(age.dated_at)}"
            return Held(Reason.SAME_DATE, saw)
        case Order.UNCLEAR:
            saw = f"{name} has another token, {_times(age)}; this one is {_times(ours)}"
            return Held(Reason.CLOCKS_DISAGREE, saw)


def _times(age: Age) -> str:
    return f"dated {iso(age.dated_at)} and issued {iso(age.issued_at)}"
