"""What lies behind the two networks, in memory: an IMAP account, and a KV version 2 mount that answers as OpenBao does.

`tests/contract` runs one suite over these and over the real servers. Each session takes a `trip`, called with a name just
before and just after everything it does: a test lets it raise, and so crashes the program at any place.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from token_catcher.errors import AccessError
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef, iso
from token_catcher.ports import FolderState
from token_catcher.vault import VaultStore
from token_catcher.vault.answer import Answer

Trip = Callable[[str], None]


def no_trip(_effect: str) -> None:
    """Nothing happens."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class Silent:
    """A Log that remembers its events and shows none."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    info = warning = error = debug


# -- the mailbox --


@dataclass
class FakeFolder:
    """One folder: its mails by UID, each with its INTERNALDATE."""

    uidvalidity: int = 1
    uidnext: int = 1
    mails: dict[int, tuple[datetime, bytes]] = field(default_factory=dict)


@dataclass
class FakeAccount:
    """One IMAP account; outlives the sessions on it."""

    folders: dict[str, FakeFolder] = field(
        default_factory=lambda: {"INBOX": FakeFolder(), "Junk": FakeFolder()}
    )
    watched: tuple[str, ...] = ("INBOX", "Junk")
    """What a session watches, inbox first."""
    now: Callable[[], datetime] = utc_now

    def append(
        self, raw: bytes, folder: str = "INBOX", *, received_at: datetime | None = None
    ) -> int:
        """A mail arrives. Returns its UID."""
        there = self.folders[folder]
        uid, there.uidnext = there.uidnext, there.uidnext + 1
        there.mails[uid] = ((received_at or self.now()).astimezone(UTC).replace(microsecond=0), raw)
        return uid

    def expunge(self, *uids: int, folder: str = "INBOX") -> None:
        """Mails vanish; all of them by default."""
        for uid in uids or tuple(self.folders[folder].mails):
            del self.folders[folder].mails[uid]

    def change_uidvalidity(self, folder: str = "INBOX") -> None:
        """The same mails under new UIDs, as after a restored backup."""
        old = self.folders[folder]
        mails = dict(enumerate((old.mails[uid] for uid in sorted(old.mails)), 1))
        self.folders[folder] = FakeFolder(old.uidvalidity + 1, len(mails) + 1, mails)


class FakeMailbox:
    """A session: see `ports.Mailbox`. Trips: `examine`, `search` and `fetch`, before each."""

    has_idle = True

    def __init__(
        self,
        account: FakeAccount,
        name: str = "integrations",
        *,
        sender_domains: Sequence[str] = ("salesforce.com",),
        trip: Trip = no_trip,
    ) -> None:
        self.name = name
        self._account = account
        self._domains = tuple(sender_domains)
        self._trip = trip
        self._opened = ("", FakeFolder())
        self._known = 1

    def folders(self) -> Sequence[str]:
        inbox = self._account.watched[0]
        if inbox not in self._account.folders:
            raise AccessError(f"mailbox {self.name}: got no folder {inbox!a}", code="imap-folder")
        return list(self._account.watched)

    def examine(self, folder: str) -> FolderState:
        self._trip("examine")
        if folder not in self._account.folders:
            raise AccessError(
                f"mailbox {self.name}: folder {folder} cannot be opened", code="imap-folder"
            )
        there = self._account.folders[folder]
        self._opened, self._known = (folder, there), there.uidnext
        return FolderState(folder, there.uidvalidity, there.uidnext, len(there.mails))

    def search(self, after_uid: int, since: datetime) -> Sequence[int]:
        self._trip("search")
        earliest = (since.astimezone(UTC) - timedelta(days=1)).date()
        mails = self._opened[1].mails
        return [
            uid
            for uid in sorted(mails)
            if uid > after_uid and mails[uid][0].date() >= earliest and self._fits(mails[uid][1])
        ]

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        self._trip("fetch")
        folder, there = self._opened
        found = [(uid, *there.mails[uid]) for uid in sorted(uids) if uid in there.mails]
        return [
            Mail(
                MailRef(self.name, folder, there.uidvalidity, uid),
                received_at,
                raw[: MAX_MAIL_BYTES + 1],
            )
            for uid, received_at, raw in found
        ]

    def idle(self, seconds: float, wake: int) -> bool:
        deadline = time.monotonic() + seconds
        while self._opened[1].uidnext <= self._known:
            left = deadline - time.monotonic()
            if left <= 0 or select.select([wake], [], [], min(left, 0.005))[0]:
                return False
        self._known = self._opened[1].uidnext
        return True

    def close(self) -> None:
        """Nothing to free."""

    def _fits(self, raw: bytes) -> bool:
        head = (
            raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t").lower()
        )
        senders = [line for line in head.split(b"\r\n") if line.startswith(b"from:")]
        return any(domain.encode() in line for line in senders for domain in self._domains)


# -- the secret store --


@dataclass
class FakeVersion:
    """One version of a secret; without data once it is deleted or destroyed."""

    data: dict[str, Any]
    created_time: str
    deletion_time: str = ""
    destroyed: bool = False

    def gone(self, now: datetime) -> bool:
        """Deleted, destroyed, or past its `delete_version_after`."""
        return self.destroyed or bool(
            self.deletion_time and datetime.fromisoformat(self.deletion_time) <= now
        )

    def about(self, number: int) -> dict[str, Any]:
        """Its metadata, as Vault tells it along with the data."""
        named = {
            "created_time": self.created_time,
            "deletion_time": self.deletion_time,
            "destroyed": self.destroyed,
        }
        return {"version": number, "custom_metadata": None} | named


@dataclass
class FakeSecret:
    """The versions that are kept, at most ten, and the number of the latest."""

    versions: dict[int, FakeVersion] = field(default_factory=dict)
    latest: int = 0
    delete_version_after: timedelta = timedelta()


class FakeVault:
    """A KV version 2 mount at `secret/`, in memory. Its methods are those of `servers.OpenBao`, for what tests prepare."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.secrets: dict[str, FakeSecret] = {}
        self.now = now
        self.requests = count(1)

    def put(self, path: str, data: Mapping[str, Any]) -> int:
        """Write a new version, replacing every field. Returns its number."""
        secret = self.secrets.setdefault(path, FakeSecret())
        created = self.now()
        life = secret.delete_version_after
        secret.latest += 1
        secret.versions[secret.latest] = FakeVersion(
            dict(data), iso(created), iso(created + life) if life else ""
        )
        for number in sorted(secret.versions)[:-10]:
            del secret.versions[number]
        return secret.latest

    def merge(self, path: str, data: Mapping[str, Any]) -> int:
        """Write a new version that differs in these fields. Returns its number."""
        secret = self.secrets[path]
        return self.put(path, secret.versions[secret.latest].data | dict(data))

    def get(self, path: str, version: int = 0) -> dict[str, Any] | None:
        """The fields of a version (the latest: 0), or None where there is none or it is deleted."""
        secret = self.secrets.get(path)
        found = secret.versions.get(version or secret.latest) if secret else None
        return None if found is None or found.gone(self.now()) else dict(found.data)

    def versions(self, path: str) -> dict[int, dict[str, Any]]:
        """What the metadata says of each version that is kept."""
        secret = self.secrets.get(path, FakeSecret())
        return {number: version.about(number) for number, version in secret.versions.items()}

    def paths(self) -> list[str]:
        """Every secret there is."""
        return sorted(self.secrets)

    def delete(self, path: str, *versions: int) -> None:
        """Delete the latest version, or the given ones."""
        secret = self.secrets[path]
        for number in versions or (secret.latest,):
            secret.versions[number].deletion_time = iso(self.now())

    def destroy(self, path: str, *versions: int) -> None:
        """Destroy versions for good."""
        for number in versions:
            self.secrets[path].versions[number].destroyed = True

    def purge(self, path: str) -> None:
        """DELETE metadata: every version and the count of them gone."""
        del self.secrets[path]

    def settings(self, path: str, *, delete_version_after: str) -> None:
        """Let versions written from now on go by themselves; seconds, as `5s`."""
        secret = self.secrets.setdefault(path, FakeSecret())
        secret.delete_version_after = timedelta(
            seconds=float(delete_version_after.removesuffix("s"))
        )


class FakeClient:
    """Speaks for `vault.Client`. Trips: `read`, before each; `write` before and `written` after each write."""

    def __init__(self, vault: FakeVault, trip: Trip = no_trip) -> None:
        self._vault = vault
        self._trip = trip

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Answer with the numbers and bodies of OpenBao 2.7."""
        if path.startswith("sys/internal/ui/mounts/"):
            return Answer(200, {"data": {"type": "kv", "options": {"version": "2"}}})
        _, kind, rest = path.split("/", 2)
        name, _, number = rest.partition("?version=")
        if method == "get":
            self._trip("read")
            secret = self._vault.secrets.get(name)
            return (
                self._metadata(secret)
                if kind == "metadata"
                else self._read(secret, int(number or 0))
            )
        assert body is not None
        self._trip("write")
        answer = self._write(method, name, body)
        self._trip("written")
        return answer

    def close(self) -> None:
        """Nothing to free."""

    def _metadata(self, secret: FakeSecret | None) -> Answer:
        if secret is None:
            return Answer(404, {"errors": []})
        versions = {
            str(number): version.about(number) for number, version in secret.versions.items()
        }
        life = f"{secret.delete_version_after.total_seconds():g}s"
        return Answer(
            200,
            {
                "data": {
                    "versions": versions,
                    "delete_version_after": life,
                    "current_version": secret.latest,
                }
            },
        )

    def _read(self, secret: FakeSecret | None, number: int) -> Answer:
        version = secret.versions.get(number or secret.latest) if secret else None
        if secret is None or version is None:
            return Answer(404, {"errors": []})
        gone = version.gone(self._vault.now())
        data = {
            "data": None if gone else dict(version.data),
            "metadata": version.about(number or secret.latest),
        }
        return Answer(404 if gone else 200, {"data": data})

    def _write(self, method: str, name: str, body: Mapping[str, Any]) -> Answer:
        secret = self._vault.secrets.get(name)
        latest = secret.versions.get(secret.latest) if secret else None
        if method == "patch" and (
            secret is None or latest is None or latest.gone(self._vault.now())
        ):
            return Answer(404, {"errors": []})
        if body["options"]["cas"] != (secret.latest if secret else 0):
            return Answer(
                400, {"errors": ["check-and-set parameter did not match the current version"]}
            )
        number = (
            self._vault.merge(name, body["data"])
            if method == "patch"
            else self._vault.put(name, body["data"])
        )
        about = self._vault.secrets[name].versions[number].about(number)
        return Answer(200, {"request_id": f"request-{next(self._vault.requests)}", "data": about})


class FakeStore(VaultStore):
    """A SecretStore over a FakeVault: the real decisions, and no network."""

    def __init__(
        self,
        vault: FakeVault,
        *,
        instance: str = "one",
        now: Callable[[], datetime] | None = None,
        trip: Trip = no_trip,
        field: str = "security_token",
    ) -> None:
        super().__init__(
            FakeClient(vault, trip),  # type: ignore[arg-type] # speaks for it
            mount="secret",
            field=field,
            instance=instance,
            now=now or vault.now,
            sleep=lambda _seconds: None,
            log=Silent(),
        )
