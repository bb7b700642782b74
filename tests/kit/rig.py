"""The program between a mailbox and a Vault in memory.

The modules and the files are the real ones; they are put together here and nowhere else in the
tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.kit import mails
from tests.kit.fakes import FakeAccount, FakeMailbox, FakeStore, FakeVault, Silent
from tests.kit.mails import token
from token_catcher.judge import Judge
from token_catcher.model import Capture, Entry, Held, Mail, MailRef, Stored, Unchanged
from token_catcher.pipeline import Pipeline
from token_catcher.ports import (
    FolderState,
    Heading,
    KeyLookup,
    Log,
    MailAction,
    Mailbox,
    SecretStore,
    Span,
    never,
)
from token_catcher.proof.case import Terms
from token_catcher.proof.routing import Org
from token_catcher.proof.trust import Trust
from token_catcher.record.journal import Journal
from token_catcher.record.org_ids import OrgIds
from token_catcher.sweep import Sweep, Watched
from token_catcher.vault.version import SecretVersion

BEGIN = datetime(2026, 2, 3, 13, tzinfo=UTC)
TERMS = Terms(orgs=(Org("acme", ("*@acme.example",)),), path="salesforce/{org}/{username}")
PATH = f"salesforce/acme/{mails.USERNAME}"
LOOKBACK = timedelta(days=14)


def nothing(_what: str) -> None:
    """Happens, unless a test lets something else happen."""


def judge_under(
    terms: Terms = TERMS, keys: KeyLookup | None = None, org_ids: OrgIds | None = None
) -> Judge:
    """The judge that goes by these terms, and trusts `genuine_signer` without other keys."""
    return Judge(Trust(terms, keys or mails.genuine_keys(), org_ids), terms.subjects)


class Instance:
    """One process, newly started over one state directory.

    What `app` would build over these adapters.
    """

    def __init__(
        self,
        home: Path,
        store: SecretStore,
        *,
        now: Callable[[], datetime],
        log: Log | None = None,
        name: str = "one",
        terms: Terms = TERMS,
        keys: KeyLookup | None = None,
        observe: Callable[[Entry], None] = lambda _entry: None,
        stopping: Callable[[], bool] = lambda: False,
        after_capture: MailAction | None = None,
    ) -> None:
        log = log or Silent()
        org_ids = OrgIds(home / "org-ids.json")
        self.judge = judge_under(terms, keys, org_ids)
        self.journal = Journal(home / "journal.jsonl", now=now, log=log)
        self.pipeline = Pipeline(
            self.judge,
            store,
            self.journal,
            instance=name,
            log=log,
            now=now,
            lookback=LOOKBACK,
            org_ids=org_ids,
            observe=observe,
        )
        self.sweep = Sweep(
            self.pipeline,
            home / "checkpoints",
            addresses=[mails.ADDRESS],
            domains=["salesforce.com"],
            lookback=LOOKBACK,
            log=log,
            now=now,
            rng=Random(1),
            stopping=stopping,
            after_capture=after_capture,
        )


class Session(FakeMailbox):
    """A session that keeps a diary, and to which a test lets things happen."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.account, "integrations")
        self._rig = rig
        self.has_idle = rig.has_idle
        self.closed = False

    def folders(self) -> Sequence[str]:
        self._happens("folders")
        return super().folders()

    def examine(self, folder: str) -> FolderState:
        self._happens(f"examine {folder}")
        return super().examine(folder)

    def select_once(self, folder: str) -> FolderState:
        self._happens(f"select {folder}")
        return super().select_once(folder)

    def headings(self, *spans: Span) -> Sequence[Heading]:
        self._happens(f"headings {','.join(map(_span, spans))}")
        return super().headings(*spans)

    def present(self, *spans: Span) -> Sequence[int] | None:
        self._happens(f"present {','.join(map(_span, spans))}")
        return super().present(*spans)

    def search(self, after_uid: int, since: datetime) -> list[int]:
        self._happens(f"search {after_uid}")
        return super().search(after_uid, since)

    def count_before(self, before: datetime, subject: str) -> int | None:
        self._happens(f"count {self.opened}")
        return super().count_before(before, subject)

    def finds(self, uid: int, domain: str, since: datetime) -> bool:
        self._happens(f"finds {uid} {domain}")
        return super().finds(uid, domain, since)

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        self._happens(f"fetch {','.join(map(str, uids))}")
        return super().fetch(uids)

    def apply(self, action: MailAction, mail: MailRef, digest: str) -> bool:
        self._happens(f"apply {mail.folder} {mail.uid}")
        return super().apply(action, mail, digest)

    def has_news(self) -> bool:
        self._happens(f"noop {self.opened}")
        return super().has_news()

    def idle(
        self,
        seconds: float,
        wake: int,
        *,
        then_look: bool = False,
        ends: Callable[[], bool] = never,
    ) -> bool:
        self._rig.idles.append((self.opened, seconds))
        self._rig.followed.append((self.opened, then_look))
        self._happens(f"idle {self.opened}")
        return super().idle(seconds, wake, then_look=then_look, ends=ends)

    def close(self) -> None:
        self._happens("close")
        self.closed = True

    def _happens(self, what: str) -> None:
        self._rig.diary.append(what)
        self._rig.on(what)


def _span(span: Span) -> str:
    """As it stands in a command."""
    first, last = span
    if last == first:
        return str(first)
    return f"{first}:{last or '*'}"


class Withholding(Session):
    """A session with a server that has more mail than it shows."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self.without_body: Collection[int] = ()
        self.only_alone: Collection[int] = ()
        """Their bodies come when nothing else is asked for."""
        self.uncounted = 0
        """Mails at the end of the inbox that are counted, and that is all."""

    def examine(self, folder: str) -> FolderState:
        state = super().examine(folder)
        if folder == "INBOX":
            return replace(state, exists=state.exists + self.uncounted)
        return state

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        left_out = set(self.without_body)
        if len(uids) > 1:
            left_out.update(self.only_alone)
        return [mail for mail in super().fetch(uids) if mail.ref.uid not in left_out]


class Store(FakeStore):
    """Tells whose token it is about to store."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.vault, trip=self._happens)
        self._rig = rig

    def store(
        self,
        capture: Capture,
        *,
        before_write: Callable[[], None] = lambda: None,
        current: SecretVersion | None = None,
    ) -> Stored | Unchanged | Held:
        self._rig.storing = capture.username
        return super().store(capture, before_write=before_write, current=current)

    def _happens(self, effect: str) -> None:
        self._rig.on_vault(effect)


class Rig:
    """One account, one Vault and an instance between them.

    Time stands still unless a test moves it.
    """

    has_idle = True
    """Whether sessions from now on can idle."""
    stopping = False
    """Whether sweeps are asked to end."""
    storing = ""
    """The user whose token was stored last, or is being stored."""

    def __init__(self, home: Path, keys: KeyLookup | None = None, terms: Terms = TERMS) -> None:
        self.home = home
        self.time = BEGIN
        self.account = FakeAccount(now=self.now)
        self.vault = FakeVault(self.now)
        self.log = Silent()
        self.diary: list[str] = []
        """What was asked of the sessions."""
        self.idles: list[tuple[str, float]] = []
        """Folder and seconds of every IDLE."""
        self.followed: list[tuple[str, bool]] = []
        """Folder of every IDLE, and whether a look at that folder alone follows its news."""
        self.on: Callable[[str], object] = nothing
        """Called with each line of the diary: what it raises, the session raises."""
        self.on_vault: Callable[[str], object] = nothing
        """Called with `read` and `write` before each, and with `written` after a write."""
        instance = Instance(
            home,
            Store(self),
            now=self.now,
            log=self.log,
            terms=terms,
            keys=keys,
            stopping=lambda: self.stopping,
        )
        self.sweep = instance.sweep
        self.watched = Watched(
            name="integrations",
            server="imap.example.com",
            connect=self.connect,
            sweep=self.sweep,
            judge=instance.judge,
            addresses=(mails.ADDRESS,),
            lookback=LOOKBACK,
            poll=timedelta(hours=1),
            idle=True,
        )

    def now(self) -> datetime:
        """The rig's clock."""
        return self.time

    def connect(self) -> Mailbox:
        """A new session."""
        self.diary.append("connect")
        self.on("connect")
        return Session(self)

    def but(self, **fields: Any) -> Watched:
        """The watched mailbox with some fields exchanged."""
        return replace(self.watched, **fields)

    def deliver(
        self,
        number: int,
        folder: str = "INBOX",
        *,
        user: str = mails.USERNAME,
        received_at: datetime | None = None,
    ) -> int:
        """A genuine mail arrives with the token of that number.

        It was issued so many seconds after the beginning, and comes now, or then if that is
        later."""
        issued_at = BEGIN + timedelta(seconds=number)
        raw = mails.genuine(user, token(number), issued_at=issued_at)
        arrival = received_at or max(self.time, issued_at)
        return self.account.append(raw, folder, received_at=arrival)

    @property
    def tokens(self) -> list[str]:
        """Every token that was written, in the order of its writing."""
        return [version.data["security_token"] for version in self.vault.written()]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The fields of every such event."""
        return [fields for name, fields in tuple(self.log.events) if name == event]
