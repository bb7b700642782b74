"""Crash anywhere: whatever mail comes, and wherever the program dies,
the promises hold once it has run to its end.

A machine delivers genuine, late, forged and plain mail in any order, lets the program die before,
in the middle of, or after any effect (a request to Vault, a write, a synchronisation, a rename),
loses the checkpoint, renumbers the mailbox, seals Vault, and lets a second instance look as well:
a twin of the same name, or with a clock that is a day off. Settled mail may be marked as read.
The program is the real one, over the real files; mailbox and Vault are in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.kit import mails
from tests.kit.crash import Crash, Crashes
from tests.kit.fakes import FakeAccount, FakeMailbox, FakeStore, FakeVault
from tests.kit.mails import token
from tests.kit.rig import Instance
from tests.kit.scale import times
from token_catcher.errors import Outage, StateError
from token_catcher.model import Mail, MailRef
from token_catcher.ports import AddFlag, MailAction
from token_catcher.record import State, series, verify
from token_catcher.report import Report

BEGIN = datetime(2026, 2, 3, 12, tzinfo=UTC)
USERS = ("etl@acme.example", "integration@acme.example")
INSTANCES = ("one", "two")
FOLDERS = ("INBOX", "Junk")
CLOCKS = {"one": timedelta(days=1), "two": timedelta(days=-1)}
"""How far each clock is ahead of Vault's, where they differ."""
PLACES = st.integers(0, 55)
SEEN = AddFlag("\\Seen")
SHRINK = [hypothesis.Phase.shrink] if os.environ.get("SHRINK") else []
"""A failing example is made small only on demand: it takes minutes."""


@dataclass(frozen=True)
class Sent:
    """A mail that was delivered."""

    user: str
    token: str
    minute: int
    """When it was issued, counted from BEGIN; no two are the same."""
    genuine: bool


@cache
def signed(user: str, minute: int) -> bytes:
    """Signing is slow; the same mails serve all examples. Each has a Message-ID of its own, by
    which it is known where a folder is numbered anew time and again."""
    issued_at = BEGIN + timedelta(minutes=minute)
    raw = mails.token_mail(user, token(minute), issued_at=issued_at)
    own = b"Fake%04d%s" % (minute, user.partition("@")[0].encode())
    return mails.sign(raw.replace(b"Fake0000", own), at=issued_at)


def digest_of(raw: bytes) -> str:
    """What the journal knows a mail by."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class WatchedMailbox(FakeMailbox):
    """A session that looks whether what is done to a mail comes after its record."""

    def __init__(self, machine: Machine, instance: str) -> None:
        super().__init__(machine.account, trip=machine.trip)
        self._machine = machine
        self._instance = instance

    def apply(self, action: MailAction, mail: MailRef, digest: str) -> bool:
        assert digest in self._machine.captured(self._instance), "done before it was recorded"
        return super().apply(action, mail, digest)


class Machine(RuleBasedStateMachine):
    """One mailbox, one Vault, two instances with a state directory each."""

    @initialize(
        kept=st.sampled_from((10, 1)),
        twins=st.booleans(),
        clocks=st.booleans(),
        action=st.sampled_from((None, SEEN)),
    )
    def begin(self, kept: int, twins: bool, clocks: bool, action: MailAction | None) -> None:
        """Nothing has come yet. `kept`: how many versions of a secret Vault keeps. `action`: what
        is done to settled mail."""
        self.action = action
        self.twins = twins
        self.clocks = clocks
        self.home = tempfile.TemporaryDirectory()
        self.time = BEGIN
        self.sealed = False
        self.vault = FakeVault(self._now)
        self.vault.max_versions = kept
        self.account = FakeAccount(now=self._now)
        self.crashes = Crashes()
        self.sent: list[Sent] = []
        self.minutes = list(range(1, 400))

    @rule(user=st.sampled_from(USERS), folder=st.sampled_from(FOLDERS), late=st.integers(0, 6))
    def a_genuine_mail(self, user: str, folder: str, late: int) -> None:
        """A reset; the mail may be overtaken by up to six later ones of anybody."""
        minute = self.minutes.pop(min(late, len(self.minutes) - 1))
        self._deliver(signed(user, minute), folder, Sent(user, token(minute), minute, genuine=True))

    @rule(
        user=st.sampled_from(USERS),
        folder=st.sampled_from(FOLDERS),
        part=st.sampled_from(["body", "Date", "unsigned"]),
    )
    def a_forged_mail(self, user: str, folder: str, part: str) -> None:
        """A signed mail with another token, with a newer Date, or no signature at all."""
        minute = self.minutes.pop(0)
        raw = signed(user, minute)
        forged = {
            "body": raw.replace(
                token(minute).encode(), f"FAKE{minute:04}FORGEDnotReal".ljust(25, "x").encode()
            ),
            "Date": raw.replace(b"Date: Tue, 03 Feb 2026", b"Date: Wed, 04 Feb 2026"),
            "unsigned": raw[raw.index(b"Date: ") :],
        }[part]
        assert forged != raw
        self._deliver(forged, folder, Sent(user, token(minute), minute, genuine=False))

    @rule()
    def a_plain_mail(self) -> None:
        """A signed mail that carries no token."""
        self.account.append(
            mails.token_mail(subject="Welcome", body="Hello.\n", issued_at=self.time)
        )

    @rule(
        place=PLACES,
        instance=st.sampled_from(INSTANCES),
        user=st.sampled_from((None, *USERS)),
        again=st.booleans(),
    )
    def a_crash(self, place: int, instance: str, user: str | None, again: bool) -> None:
        """A reset perhaps; the program looks,
        and dies at some place, if it has not ended before."""
        if user:
            self.a_genuine_mail(user, "INBOX", 0)
        with suppress(Crash), self.crashes.at(place):
            self._sweep(instance, again=again)

    @rule(
        place=st.integers(0, 90),
        instance=st.sampled_from(INSTANCES),
        users=st.lists(st.sampled_from(USERS), min_size=2, max_size=6),
        full=st.booleans(),
    )
    def a_backlog(self, place: int, instance: str, users: list[str], full: bool) -> None:
        """Several resets come before a look, which dies, or meets a full disk, at some place:
        between two stores, in the middle of the records, or before its mails are settled."""
        for user in users:
            self.a_genuine_mail(user, "INBOX", 0)
        with suppress(Crash), self.crashes.at(place, full=full):
            self._sweep(instance, again=False)

    @rule(
        place=PLACES,
        instance=st.sampled_from(INSTANCES),
        user=st.sampled_from((None, *USERS)),
        again=st.booleans(),
    )
    def a_full_disk(self, place: int, instance: str, user: str | None, again: bool) -> None:
        """A reset perhaps; the program looks, and some write finds no room."""
        if user:
            self.a_genuine_mail(user, "INBOX", 0)
        with self.crashes.at(place, full=True):
            self._sweep(instance, again=again)

    @rule(place=PLACES, instance=st.sampled_from(INSTANCES), full=st.booleans())
    def the_journal_is_closed(self, place: int, instance: str, full: bool) -> None:
        """A person archives it, and that dies, or meets a full disk, at some place."""
        journal = self._process(instance).journal
        with suppress(Crash, StateError), self.crashes.at(place, full=full):
            journal.archive()

    @rule(place=PLACES, instance=st.sampled_from(INSTANCES), copying=st.booleans())
    def the_journal_is_rotated(self, place: int, instance: str, copying: bool) -> None:
        """logrotate takes it for a log, and the program dies while it puts it back."""
        file = self._state(instance) / "journal.jsonl"
        if not file.exists():
            return
        rotated = file.with_name("journal.jsonl.1")
        if copying:
            shutil.copy(file, rotated)
            os.truncate(file, 0)
        else:
            file.rename(rotated)
        with suppress(Crash), self.crashes.at(place):
            self._process(instance).journal.open()
        self._process(instance).journal.open()

    @rule(instance=st.sampled_from(INSTANCES), again=st.booleans())
    def a_look(self, instance: str, again: bool) -> None:
        """The program looks, and ends by itself."""
        self._sweep(instance, again=again)

    @rule(instance=st.sampled_from(INSTANCES))
    def a_lost_checkpoint(self, instance: str) -> None:
        """The file is gone, or a restored backup brings another one."""
        for file in self._state(instance).glob("checkpoints/*.json"):
            file.unlink()

    @rule(folder=st.sampled_from(FOLDERS))
    def a_renumbered_folder(self, folder: str) -> None:
        """The server gives the same mails new UIDs."""
        self.account.change_uidvalidity(folder)

    @rule()
    def somebody_patches_the_password(self) -> None:
        """Another program writes another field of the same secret."""
        for path in self.vault.paths():
            self.vault.merge(path, {"password": f"changed at {self.time}"})

    @rule()
    def vault_is_sealed(self) -> None:
        """From now on nothing can be stored."""
        self.sealed = True

    @rule()
    def vault_is_unsealed(self) -> None:
        """Now it can."""
        self.sealed = False

    @rule()
    def time_passes(self) -> None:
        """So that pending mail is due."""
        self.time += timedelta(minutes=10)

    @invariant()
    def no_forged_token_is_in_vault(self) -> None:
        """At no moment."""
        forged = {mail.token for mail in self._of(genuine=False)} | {
            mail.token[:8] + "FORGED" for mail in self._of(genuine=False)
        }
        assert not any(known.startswith(tuple(forged)) for known in self._in_vault()) or not forged

    def teardown(self) -> None:
        """Let it run to its end: then everything is where it belongs."""
        if hasattr(self, "home"):
            with self.home:
                self._run_to_the_end()

    def _run_to_the_end(self) -> None:
        self.sealed = False
        for _ in range(2):
            self.time += timedelta(hours=3)
            reports = [self._sweep(instance, again=False) for instance in INSTANCES]
        assert [(report.error, report.pending) for report in reports] == [(None, 0)] * len(
            INSTANCES
        )
        self._check_vault()
        for instance in INSTANCES:
            self._check_journal(instance)
        self._check_stored_records()
        self._check_followed_up()

    def _check_vault(self) -> None:
        """The newest genuine token of every user is there, and no token was written twice."""
        newest = {
            mail.user: mail for mail in sorted(self._of(genuine=True), key=lambda mail: mail.minute)
        }
        there = {path.rpartition("/")[2]: self.vault.get(path) for path in self.vault.paths()}
        assert {user: secret and secret["security_token"] for user, secret in there.items()} == {
            user: mail.token for user, mail in newest.items()
        }
        for path in self.vault.paths():
            held = [
                self.vault.secrets[path].versions[number].data
                for number in sorted(self.vault.versions(path))
            ]
            written = [data["security_token_issued_at"] + data["security_token"] for data in held]
            assert written == sorted(written), "an older token came after a newer one"
            assert len({data["security_token"] for data in held}) == len(set(written)), (
                "a token was written twice"
            )

    def _check_journal(self, instance: str) -> None:
        """Intact, one record a mail that claims a token,
        and no token anywhere below the state directory."""
        state = self._state(instance)
        begun = self._process(instance).journal.is_begun
        if begun:  # and mended, where the last crash was in closing it
            self._process(instance).journal.open()
        assert verify(state / "journal.jsonl").state is (State.INTACT if begun else State.MISSING)
        recorded = Counter(record["mail"] for record in self._records(instance))
        assert recorded == Counter(dict.fromkeys(self._digests(), 1))
        everything = b"".join(file.read_bytes() for file in state.rglob("*") if file.is_file())
        assert not [mail.token for mail in self.sent if mail.token.encode() in everything]

    def _check_stored_records(self) -> None:
        """Over all journals no version has two `stored` records, and each that wrote a token has
        one, in the journal of who wrote it, for as long as Vault keeps a version that tells."""
        recorded = Counter(
            (instance, record["path"], record["version"])
            for instance in INSTANCES
            for record in self._records(instance)
            if record["event"] == "rotation.stored"
        )
        written = {
            (data["security_token_writer"], path, number): data["security_token_mail"]
            for path, number, data in self.vault.puts
            if data["security_token_version"] == str(number)
        }
        assert recorded.keys() <= written.keys(), "a record of a write that was not ours"
        assert set(recorded.values()) <= {1}, "two records of one version"
        told = {version.data["security_token_mail"] for version in self.vault.written()}
        missing = {key for key, mail in written.items() if mail in told} - recorded.keys()
        assert missing == set(), "versions without a record"

    def _check_followed_up(self) -> None:
        """Every mail that a journal calls stored or unchanged is marked, and no other."""
        wanted: set[str] = set()
        if self.action is not None:
            wanted.update(*map(self.captured, INSTANCES))
        marked = set()
        for folder in FOLDERS:
            box = self.account.folders[folder]
            marked |= {digest_of(box.mails[uid][1]) for uid, flags in box.flags.items() if flags}
        assert marked == wanted

    def captured(self, instance: str) -> set[str]:
        """The mails that the journal of an instance calls stored or unchanged."""
        return {
            str(record["mail"])
            for record in self._records(instance)
            if record["event"] in ("rotation.stored", "rotation.unchanged")
        }

    def _sweep(self, instance: str, *, again: bool) -> Report:
        """One run of the program: every object new, as in a new process."""
        mailbox = WatchedMailbox(self, instance)
        return self._process(instance).sweep.run(mailbox, again=again)

    def _process(self, instance: str) -> Instance:
        """The program, newly started."""
        name = "twin" if self.twins else instance
        store = FakeStore(
            self.vault,
            instance=name,
            writer=instance,
            now=partial(self._clock, instance),
            trip=self.trip,
        )
        return Instance(
            self._state(instance), store, now=self._now, name=name, after_capture=self.action
        )

    def _now(self) -> datetime:
        return self.time

    def _clock(self, instance: str) -> datetime:
        """By which an instance says when it caught a token."""
        if self.clocks:
            return self.time + CLOCKS[instance]
        return self.time

    def trip(self, effect: str) -> None:
        """An effect comes, or has come."""
        self.crashes(effect)
        if self.sealed and effect in ("read", "write"):
            raise Outage("Vault is sealed", code="vault-sealed")

    def _deliver(self, raw: bytes, folder: str, sent: Sent) -> None:
        self.sent.append(sent)
        self.time = max(self.time, BEGIN + timedelta(minutes=sent.minute))
        self.account.append(raw, folder)

    def _of(self, *, genuine: bool) -> list[Sent]:
        return [mail for mail in self.sent if mail.genuine is genuine]

    def _in_vault(self) -> list[str]:
        return [version.data["security_token"] for version in self.vault.written()]

    def _state(self, instance: str) -> Path:
        return Path(self.home.name) / instance

    def _records(self, instance: str) -> list[dict[str, object]]:
        lines: list[str] = []
        for file in series(self._state(instance) / "journal.jsonl"):
            if file.exists():
                lines += file.read_text("ascii").splitlines()
        records = map(json.loads, lines)
        return [record for record in records if record["event"].startswith("rotation.")]

    def _digests(self) -> set[str]:
        """Every mail that claims a token."""
        mailbox = FakeMailbox(self.account)
        digests: set[str] = set()
        for folder in mailbox.folders():
            mailbox.examine(folder)
            mails: list[Mail] = list(mailbox.fetch(list(self.account.folders[folder].mails)))
            digests |= {mail.digest for mail in mails if b"Security token" in mail.raw}
        return digests


TestCrashAnywhere = Machine.TestCase
TestCrashAnywhere.settings = hypothesis.settings(
    max_examples=times(30),
    stateful_step_count=25,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate, *SHRINK],
    suppress_health_check=list(hypothesis.HealthCheck),
)
