"""A server that lies: whatever it leaves out, delays, empties, turns round or numbers anew, every
genuine token is in Vault once it has been honest for a while.

A machine delivers mail to a mailbox in memory, lets the server lie in any way for any time, and
lets the program look in between, over its real files. At the end the server is honest.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.kit import mails
from tests.kit.fakes import FakeAccount, FakeFolder, FakeMailbox, FakeStore, FakeVault
from tests.kit.mails import token
from tests.kit.rig import BEGIN, Instance
from tests.kit.scale import times
from token_catcher.model import Mail
from token_catcher.ports import FolderState, Heading, Span

SHRINK = [hypothesis.Phase.shrink] if os.environ.get("SHRINK") else []
"""A failing example is made small only on demand."""
AHEAD = st.sampled_from([0, 3, 2**31])
FOLDERS = st.sampled_from(["INBOX", "Junk"])
TIMES = st.integers(1, 3)
HONEST_LOOKS = 4
"""A mail that waits is due within five minutes; UIDNEXT must be told twice."""


@cache
def signed(number: int) -> bytes:
    """A reset of a user of its own. Signing is slow; the same mails serve all examples."""
    issued_at = BEGIN + timedelta(seconds=number)
    return mails.genuine(f"user{number}@acme.example", token(number), issued_at=issued_at)


class Lies:
    """What the server does wrong for now."""

    def __init__(self) -> None:
        self.left_out: dict[str, Counter[bytes]] = {
            "headings": Counter(),
            "bodies": Counter(),
            "search": Counter(),
        }
        """By mail, how many more times each answer leaves it out."""
        self.hidden: list[tuple[FakeFolder, int, object]] = []
        self.backwards = False
        self.knows_uidnext = True
        self.uidnext_ahead = 0

    def leaves_out(self, answer: str, raw: bytes) -> bool:
        """Whether it does now; that is counted."""
        if self.left_out[answer][raw] <= 0:
            return False
        self.left_out[answer][raw] -= 1
        return True


class LyingMailbox(FakeMailbox):
    """A session with that server."""

    def __init__(self, account: FakeAccount, lies: Lies) -> None:
        super().__init__(account)
        self._lies = lies

    def examine(self, folder: str) -> FolderState:
        state = super().examine(folder)
        uidnext = None
        if self._lies.knows_uidnext:
            uidnext = (state.uidnext or 1) + self._lies.uidnext_ahead
        return FolderState(state.name, state.uidvalidity, uidnext, state.exists)

    def headings(self, *spans: Span) -> Sequence[Heading]:
        honest = super().headings(*spans)
        return [
            replace(heading, message_id=hashlib.sha256(self._raw(heading.uid)).digest())
            for heading in honest
            if not self._leaves_out("headings", heading.uid)
        ]

    def present(self, *spans: Span) -> Sequence[int] | None:
        uids = super().present(*spans) or ()
        # Asked for one mail, it says the truth: by nothing else could a mail be given up.
        if len(spans) == 1 and spans[0][0] == spans[0][1]:
            return uids
        return [uid for uid in uids if not self._leaves_out("search", uid)]

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        honest = super().fetch(uids)
        told = [mail for mail in honest if not self._leaves_out("bodies", mail.ref.uid)]
        if self._lies.backwards:
            told.reverse()
        return told

    def _leaves_out(self, answer: str, uid: int) -> bool:
        return self._lies.leaves_out(answer, self._raw(uid))

    def _raw(self, uid: int) -> bytes:
        return self._folder.mails[uid][1]


class Machine(RuleBasedStateMachine):
    """One mailbox, one Vault, one state directory."""

    @initialize()
    def begin(self) -> None:
        """Nothing has come yet."""
        self.home = tempfile.TemporaryDirectory()
        self.time = BEGIN
        self.vault = FakeVault(self._now)
        self.account = FakeAccount(now=self._now)
        self.lies = Lies()
        self.sent: list[int] = []
        self.looked_at: dict[str, int] = {}
        """By folder, the last UID that was given out before the last look."""

    def _now(self) -> datetime:
        return self.time

    @rule(folder=FOLDERS)
    def a_reset(self, folder: str) -> None:
        """A genuine mail arrives."""
        self.sent.append(len(self.sent) + 1)
        self.account.append(signed(self.sent[-1]), folder)

    @rule(folder=FOLDERS)
    def other_mail(self, folder: str) -> None:
        """A mail that is for nobody here."""
        sender = "Shop <news@shop.example.com>"
        self.account.append(mails.token_mail(sender=sender), folder)

    @rule(answer=st.sampled_from(["headings", "bodies", "search"]), times=TIMES, pick=st.randoms())
    def it_leaves_out(self, answer: str, times: int, pick: Random) -> None:
        """A mail is left out of some answers for a while."""
        if self.sent:
            self.lies.left_out[answer][signed(pick.choice(self.sent))] += times

    @rule(folder=FOLDERS, pick=st.randoms())
    def it_delays(self, folder: str, pick: Random) -> None:
        """A mail is there by its number, and cannot be seen: of those that nobody has looked at."""
        there = self.account.folders[folder]
        seen = self.looked_at.get(folder, 0)
        unseen = [uid for uid in there.mails if uid > seen]
        if unseen:
            uid = pick.choice(unseen)
            self.lies.hidden.append((there, uid, there.mails.pop(uid)))

    @rule()
    def it_shows(self) -> None:
        """What was delayed can be seen."""
        for there, uid, mail in self.lies.hidden:
            there.mails[uid] = mail  # type: ignore[assignment] # as it was taken out
        self.lies.hidden.clear()

    @rule(folder=FOLDERS)
    def it_numbers_anew(self, folder: str) -> None:
        """A new UIDVALIDITY; what is delayed comes to light with it."""
        self.it_shows()
        self.account.change_uidvalidity(folder)
        self.looked_at.pop(folder, None)

    @rule(backwards=st.booleans(), knows_uidnext=st.booleans(), ahead=AHEAD)
    def it_says_otherwise(self, *, backwards: bool, knows_uidnext: bool, ahead: int) -> None:
        """Answers are turned round, UIDNEXT is missing or far ahead."""
        self.lies.backwards = backwards
        self.lies.knows_uidnext = knows_uidnext
        self.lies.uidnext_ahead = ahead

    @rule()
    def a_look(self) -> None:
        """The program looks, as a new process."""
        store = FakeStore(self.vault)
        process = Instance(Path(self.home.name), store, now=self._now)
        process.sweep.run(LyingMailbox(self.account, self.lies))
        for name, folder in self.account.folders.items():
            self.looked_at[name] = folder.uidnext - 1
        self.time += timedelta(minutes=10)

    def teardown(self) -> None:
        """The server is honest in the end, and every token is in Vault."""
        self.it_shows()
        self.lies = Lies()
        for _ in range(HONEST_LOOKS):
            self.a_look()
        self.home.cleanup()
        missing = []
        for number in self.sent:
            stored = self.vault.get(f"salesforce/acme/user{number}@acme.example")
            if stored is None or stored["security_token"] != token(number):
                missing.append(number)
        assert missing == []


TestLyingServer = Machine.TestCase
TestLyingServer.settings = hypothesis.settings(
    max_examples=times(40),
    stateful_step_count=25,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate, *SHRINK],
    suppress_health_check=list(hypothesis.HealthCheck),
)
