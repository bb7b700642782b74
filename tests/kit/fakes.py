"""What lies behind the two networks, in memory: an IMAP account, and a KV version 2 mount that
answers as OpenBao does.

`tests/contract` runs one suite over these and over the real servers. Each session takes a `trip`,
called with a name just before and just after everything it does: a test lets it raise, and so
crashes the program at any place. Account and Vault may be used by several threads at once.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from token_catcher.errors import AccessError, NotApplied, Outage, TokenCatcherError
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef, iso
from token_catcher.ports import AddFlag, FolderState, Heading, MailAction, MoveTo, Span, never
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
        self.warnings: list[tuple[str, dict[str, Any]]] = []
        """Those of them that are warnings."""
        self.errors: list[tuple[str, dict[str, Any]]] = []
        """Those that are errors."""

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    info = debug

    def warning(self, event: str, **fields: Any) -> None:
        self.debug(event, **fields)
        self.warnings.append((event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.debug(event, **fields)
        self.errors.append((event, fields))


# -- the mailbox --


@dataclass
class FakeFolder:
    """One folder: its mails by UID, each with its INTERNALDATE."""

    uidvalidity: int = 1
    uidnext: int = 1
    mails: dict[int, tuple[datetime, bytes]] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    """What `apply` has set."""


@dataclass
class FakeAccount:
    """One IMAP account; outlives the sessions on it."""

    folders: dict[str, FakeFolder] = field(
        default_factory=lambda: {"INBOX": FakeFolder(), "Junk": FakeFolder()}
    )
    watched: tuple[str, ...] = ("INBOX", "Junk")
    """What a session watches, inbox first."""
    now: Callable[[], datetime] = utc_now
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def append(
        self, raw: bytes, folder: str = "INBOX", *, received_at: datetime | None = None
    ) -> int:
        """A mail arrives. Returns its UID."""
        arrived = (received_at or self.now()).astimezone(UTC).replace(microsecond=0)
        with self._lock:
            box = self.folders[folder]
            uid = box.uidnext
            box.mails[uid] = (arrived, raw)
            box.uidnext += 1
        return uid

    def expunge(self, *uids: int, folder: str = "INBOX") -> None:
        """Mails vanish; all of them by default."""
        with self._lock:
            box = self.folders[folder]
            for uid in uids or tuple(box.mails):
                del box.mails[uid]
                box.flags.pop(uid, None)

    def apply(self, action: MailAction, mail: MailRef, digest: str) -> bool:
        """As `ports.Mailbox` says."""
        with self._lock:
            box = self.folders[mail.folder]
            if box.uidvalidity != mail.uidvalidity or mail.uid not in box.mails:
                return False
            received_at, raw = box.mails[mail.uid]
            if Mail(mail, received_at, raw[: MAX_MAIL_BYTES + 1]).digest != digest:
                raise NotApplied("another mail", code="imap-apply-other", final=True)
            if isinstance(action, AddFlag):
                box.flags.setdefault(mail.uid, set()).add(action.flag)
                return True
            if isinstance(action, MoveTo):
                if action.folder not in self.folders:
                    raise NotApplied(f"no folder {action.folder}", code="imap-apply-folder")
                self.append(raw, action.folder, received_at=received_at)
            self.expunge(mail.uid, folder=mail.folder)
        return True

    def change_uidvalidity(self, folder: str = "INBOX") -> None:
        """The same mails under new UIDs, as after a restored backup."""
        with self._lock:
            old = self.folders[folder]
            mails = dict(enumerate((old.mails[uid] for uid in sorted(old.mails)), 1))
            new = FakeFolder(old.uidvalidity + 1, len(mails) + 1, mails)
            for number, uid in enumerate(sorted(old.mails), 1):
                new.flags[number] = old.flags.get(uid, set())
            self.folders[folder] = new

    def told(self) -> tuple[object, ...]:
        """What LIST and EXAMINE tell of all folders."""
        with self._lock:
            states = [
                (name, box.uidvalidity, box.uidnext, len(box.mails))
                for name, box in self.folders.items()
            ]
        return (self.watched, *states)

    def kept(self, folder: FakeFolder) -> dict[int, tuple[datetime, bytes]]:
        """The mails that are in a folder at this moment."""
        with self._lock:
            return dict(folder.mails)


class FakeMailbox:
    """A session: see `ports.Mailbox`.

    Trips: the names of its methods, before each; and `applied`, after a mail was changed."""

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
        self.opened = ""
        """The folder that was examined last."""
        self._folder = FakeFolder()
        self._known = 1
        """The UIDNEXT that the session was told."""
        self._around_before: object = None
        self._around: object = None

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
        self.opened = folder
        self._folder = self._account.folders[folder]
        self._known = self._folder.uidnext
        exists = len(self._account.kept(self._folder))
        return FolderState(folder, self._folder.uidvalidity, self._known, exists)

    def select_once(self, folder: str) -> FolderState:
        self._trip("select")
        return self.examine(folder)

    def headings(self, *spans: Span) -> Sequence[Heading]:
        self._trip("headings")
        mails = self._account.kept(self._folder)
        asked = self._named(spans)
        return [
            heading(uid, number, *mails[uid])
            for number, uid in enumerate(sorted(mails), 1)
            if uid in asked
        ]

    def present(self, *spans: Span) -> Sequence[int] | None:
        self._trip("present")
        return self._named(spans)

    def _named(self, spans: Sequence[Span]) -> list[int]:
        """The UIDs in the spans; `n:*` always names the last mail."""
        mails = self._account.kept(self._folder)
        top = max(mails, default=0)
        ends = [sorted((first, top if last is None else last)) for first, last in spans]
        return [uid for uid in sorted(mails) if any(low <= uid <= high for low, high in ends)]

    def search(self, after_uid: int, since: datetime) -> list[int]:
        self._trip("search")
        matching = []
        for uid, (received_at, raw) in sorted(self._account.kept(self._folder).items()):
            if uid > after_uid and _is_since(received_at, since) and self._is_from_domains(raw):
                matching.append(uid)
        return matching

    def count_before(self, before: datetime, subject: str) -> int | None:
        self._trip("count_before")
        return sum(
            received_at.date() < before.date()
            and self._is_from_domains(raw)
            and subject.encode() in (_fields(raw, b"subject") or b"")
            for received_at, raw in self._account.kept(self._folder).values()
        )

    def finds(self, uid: int, domain: str, since: datetime) -> bool:
        self._trip("finds")
        mails = self._account.kept(self._folder)
        if uid not in mails or not _is_since(mails[uid][0], since):
            return False
        sender = heading(uid, 0, *mails[uid]).sender or b""
        return domain.encode() in sender.lower()

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        self._trip("fetch")
        kept = self._account.kept(self._folder)
        mails = []
        for uid in sorted(kept.keys() & set(uids)):
            received_at, raw = kept[uid]
            ref = MailRef(self.name, self.opened, self._folder.uidvalidity, uid)
            mails.append(Mail(ref, received_at, raw[: MAX_MAIL_BYTES + 1]))
        return mails

    def apply(self, action: MailAction, mail: MailRef, digest: str) -> bool:
        self._trip("apply")
        if isinstance(action, MoveTo) and action.folder in self._account.watched:
            raise NotApplied(f"{action.folder} is watched", code="imap-apply-watched")
        try:
            applied = self._account.apply(action, mail, digest)
        except NotApplied:
            self.examine(mail.folder)
            raise
        self._trip("applied")
        self.examine(mail.folder)
        return applied

    def has_news(self) -> bool:
        self._trip("has_news")
        is_news = self._folder.uidnext > self._known
        self._known = self._folder.uidnext
        return is_news

    @property
    def is_as_before(self) -> bool:
        return self._around is not None and self._around == self._around_before

    def ask_anew(self) -> None:
        """Nothing is ever answered ahead."""

    def idle(
        self,
        seconds: float,
        wake: int,
        *,
        then_look: bool = False,
        ends: Callable[[], bool] = never,
    ) -> bool:
        deadline = time.monotonic() + seconds
        self._around_before, self._around = self._around, None
        while self._folder.uidnext <= self._known:
            left = deadline - time.monotonic()
            is_called = bool(select.select([wake], [], [], max(0.0, min(left, 0.005)))[0])
            if is_called and then_look and not ends():
                self._around = self._account.told()
            if left <= 0 or is_called:
                return False
        self._known = self._folder.uidnext
        return True

    def close(self) -> None:
        """Nothing to free."""

    def _is_from_domains(self, raw: bytes) -> bool:
        sender = (_fields(raw, b"from") or b"").lower()
        return any(domain.encode() in sender for domain in self._domains)


def heading(uid: int, number: int, received_at: datetime, raw: bytes) -> Heading:
    """The heading of a mail, as a correct server gives it."""
    message_id = _fields(raw, b"message-id") or b""
    return Heading(uid, number, received_at, _fields(raw, b"from"), message_id)


def _fields(raw: bytes, name: bytes) -> bytes | None:
    """What all fields of this name hold; None where there is none."""
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(name + b":")]
    return b"\n".join(line.partition(b":")[2].strip() for line in lines) or None


def _is_since(received_at: datetime, since: datetime) -> bool:
    """As SINCE is asked: by the day, and a day more."""
    return received_at.date() >= (since.astimezone(UTC) - timedelta(days=1)).date()


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
        if self.destroyed or not self.deletion_time:
            return self.destroyed
        return datetime.fromisoformat(self.deletion_time) <= now

    def about(self, number: int) -> dict[str, Any]:
        """Its metadata, as Vault tells it along with the data."""
        return {
            "version": number,
            "custom_metadata": None,
            "created_time": self.created_time,
            "deletion_time": self.deletion_time,
            "destroyed": self.destroyed,
        }


@dataclass
class FakeSecret:
    """The versions that are kept, and the number of the latest."""

    versions: dict[int, FakeVersion] = field(default_factory=dict)
    latest: int = 0
    delete_version_after: timedelta = timedelta()
    max_versions: int = 10

    @property
    def newest(self) -> FakeVersion | None:
        """The latest version, or None while there is none."""
        return self.versions.get(self.latest)


class FakeVault:
    """A KV version 2 mount at `secret/`, in memory.

    Its methods are those of `servers.OpenBao`, for what tests prepare.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.secrets: dict[str, FakeSecret] = {}
        self.now = now
        self.requests = count(1)
        self.max_versions = 10
        """How many versions a new secret keeps."""
        self.puts: list[tuple[str, int, dict[str, Any]]] = []
        """Path, number and fields of every version that was ever written."""
        self.lock = threading.RLock()
        """Held by whoever looks at the secrets or changes them: check-and-set is one step."""

    def put(self, path: str, data: Mapping[str, Any]) -> int:
        """Write a new version, replacing every field. Returns its number."""
        created = self.now()
        with self.lock:
            new = FakeSecret(max_versions=self.max_versions)
            secret = self.secrets.setdefault(path, new)
            version = FakeVersion(dict(data), iso(created))
            if secret.delete_version_after:
                version.deletion_time = iso(created + secret.delete_version_after)
            secret.latest += 1
            secret.versions[secret.latest] = version
            self.puts.append((path, secret.latest, dict(data)))
            for number in sorted(secret.versions)[: -secret.max_versions]:
                del secret.versions[number]
            return secret.latest

    def merge(self, path: str, data: Mapping[str, Any]) -> int:
        """Write a new version that differs in these fields. Returns its number."""
        with self.lock:
            secret = self.secrets[path]
            return self.put(path, secret.versions[secret.latest].data | dict(data))

    def get(self, path: str, version: int = 0) -> dict[str, Any] | None:
        """The fields of a version (the latest: 0), or None where there is none or it is deleted."""
        with self.lock:
            secret = self.secrets.get(path, FakeSecret())
            kept = secret.versions.get(version or secret.latest)
        if kept is None or kept.gone(self.now()):
            return None
        return dict(kept.data)

    def versions(self, path: str) -> dict[int, dict[str, Any]]:
        """What the metadata says of each version that is kept."""
        with self.lock:
            secret = self.secrets.get(path, FakeSecret())
            return {number: version.about(number) for number, version in secret.versions.items()}

    def written(self) -> list[FakeVersion]:
        """Every version of every secret that is kept, in the order of their writing."""
        versions: list[FakeVersion] = []
        with self.lock:
            for secret in self.secrets.values():
                versions += secret.versions.values()
        return sorted(versions, key=lambda version: version.created_time)

    def paths(self) -> list[str]:
        """Every secret there is."""
        with self.lock:
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

    def settings(self, path: str, *, delete_version_after: str = "", max_versions: int = 0) -> None:
        """Let versions written from now on go by themselves, after seconds, as `5s`; keep so many
        of them."""
        secret = self.secrets.setdefault(path, FakeSecret())
        if delete_version_after:
            seconds = float(delete_version_after.removesuffix("s"))
            secret.delete_version_after = timedelta(seconds=seconds)
        if max_versions:
            secret.max_versions = max_versions


NOT_FOUND = Answer(404, {"errors": []})
CAS_MISMATCH = Answer(
    400, {"errors": ["check-and-set parameter did not match the current version"]}
)


class FakeClient:
    """Speaks for `vault.Client`.

    Trips: `read` before each; `write` before and `written` after each write. Who asks for the mount
    is not told, unless Vault was away just before.
    """

    def __init__(self, vault: FakeVault, trip: Trip = no_trip) -> None:
        self._vault = vault
        self._trip = trip
        self._was_away = False

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Answer with the numbers and bodies of OpenBao 2.7."""
        if path.startswith("sys/internal/ui/mounts/"):
            if self._was_away:
                self._happens("read")
            about = {"path": "secret/", "type": "kv", "options": {"version": "2"}}
            return Answer(200, {"data": about})
        _, kind, rest = path.split("/", 2)
        name, _, number = rest.partition("?version=")
        if method == "get":
            self._happens("read")
            with self._vault.lock:
                return self._told(kind, name, int(number or 0))
        assert body is not None
        self._happens("write")
        with self._vault.lock:
            answer = self._write(method, name, body)
        self._happens("written")
        return answer

    def get_each(
        self, paths: Iterable[str], goes_on: Callable[[], bool]
    ) -> Generator[Answer, None, None]:
        """One after the other, up to the first without an answer."""
        for path in paths:
            if not goes_on():
                return
            try:
                answer = self.request("get", path)
            except TokenCatcherError:
                return
            yield answer

    def keep_alive(self) -> None:
        """There is always a token."""

    def _happens(self, effect: str) -> None:
        try:
            self._trip(effect)
        except Outage:
            self._was_away = True
            raise
        self._was_away = False

    def close(self) -> None:
        """Nothing to free."""

    def _told(self, kind: str, name: str, number: int) -> Answer:
        """The answer to a GET of `data` or `metadata`."""
        secret = self._vault.secrets.get(name)
        if secret is None:
            return NOT_FOUND
        if kind == "metadata":
            return self._metadata(name, secret)
        return self._read(secret, number or secret.latest)

    def _metadata(self, name: str, secret: FakeSecret) -> Answer:
        versions = {str(number): about for number, about in self._vault.versions(name).items()}
        data = {
            "versions": versions,
            "delete_version_after": f"{secret.delete_version_after.total_seconds():g}s",
            "current_version": secret.latest,
        }
        return Answer(200, {"data": data})

    def _read(self, secret: FakeSecret, number: int) -> Answer:
        version = secret.versions.get(number)
        if version is None:
            return NOT_FOUND
        about = version.about(number)
        if version.gone(self._vault.now()):
            return Answer(404, {"data": {"data": None, "metadata": about}})
        return Answer(200, {"data": {"data": dict(version.data), "metadata": about}})

    def _write(self, method: str, name: str, body: Mapping[str, Any]) -> Answer:
        secret = self._vault.secrets.get(name, FakeSecret())
        newest = secret.newest
        if method == "patch" and (newest is None or newest.gone(self._vault.now())):
            return NOT_FOUND
        if body["options"]["cas"] != secret.latest:
            return CAS_MISMATCH
        write = {"post": self._vault.put, "patch": self._vault.merge}[method]
        number = write(name, body["data"])
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
        writer: str | None = None,
        writes_over_deleted: bool = False,
    ) -> None:
        """`writer`: the id kept in the state directory; by default one for each instance."""
        super().__init__(
            FakeClient(vault, trip),  # type: ignore[arg-type] # speaks for it
            mount="secret",
            field=field,
            instance=instance,
            writer=lambda: writer or f"writer of {instance}",
            writes_over_deleted=writes_over_deleted,
            now=now or vault.now,
            sleep=lambda _seconds: None,
            log=Silent(),
        )
