"""Poison messages and outages, in any order: neighbours get through, and nobody is blamed for long.

A machine lets mail arrive in two folders, makes one of them poison, takes Vault and the server away
and back, cures, removes and renumbers mail, and restarts the program. It sweeps as `sweep` does, with
nothing real below: what is under test decides, and acts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from token_catcher.errors import Outage
from token_catcher.poison import TRIED_ALONE, Cause, MailKey, Poison

FOLDERS = ("Junk", "INBOX")
BATCH = 3
AWAY = Outage("Vault is sealed", code="vault-sealed")


@dataclass
class Waiting:
    """A mail that is not settled yet."""

    folder: str
    uid: int
    fails: str | None
    """`fetch`, `store`: it is poison, and that is where; None: it is as good as any."""
    attempts: int = 0
    rests: int = 0
    """How many sweeps go by before it is due. Each failure doubles it."""


class Machine(RuleBasedStateMachine):
    """One mailbox, as the sweep sees it."""

    @initialize()
    def begin(self) -> None:
        """Nothing has come yet, and everything is there."""
        self.poison = Poison()
        self.waiting: list[Waiting] = []
        self.uidvalidity = dict.fromkeys(FOLDERS, 1)
        self.last_uid = 0
        self.settled: set[MailKey] = set()
        self.outages = 0
        """How many mails met an outage in this sweep, poison messages apart."""
        self.vault_is_there = True
        self.server_answers = True

    # -- what happens --

    @rule(folder=st.sampled_from(FOLDERS))
    def a_mail(self, folder: str) -> None:
        """It fails nowhere by itself."""
        self._arrives(folder, None)

    @precondition(lambda self: not self._poison_messages())
    @rule(folder=st.sampled_from(FOLDERS), where=st.sampled_from(("fetch", "store")))
    def a_poison_message(self, folder: str, where: str) -> None:
        """It fails at every try; there is one at a time."""
        self._arrives(folder, where)

    @rule()
    def the_poison_message_is_cured(self) -> None:
        """Vault's policy is mended, say, or the server's index."""
        for mail in self._poison_messages():
            mail.fails = None

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def a_mail_is_deleted(self, data: st.DataObject) -> None:
        """Somebody tidies the mailbox up."""
        self.waiting.remove(data.draw(st.sampled_from(self.waiting)))

    @rule(folder=st.sampled_from(FOLDERS))
    def a_folder_is_renumbered(self, folder: str) -> None:
        """New UIDVALIDITY: every mail is a new one."""
        self.uidvalidity[folder] += 1
        for mail in self._in(folder):
            mail.attempts = 0
            mail.rests = 0

    @rule(there=st.booleans())
    def vault_comes_or_goes(self, there: bool) -> None:
        """While it is away, every mail meets an outage."""
        self.vault_is_there = there

    @rule(answers=st.booleans())
    def the_server_comes_or_goes(self, answers: bool) -> None:
        """While it is away, every FETCH fails."""
        self.server_answers = answers

    @rule()
    def the_program_restarts(self) -> None:
        """The checkpoint keeps the attempts; nothing else is known."""
        self.poison = Poison()

    @rule(times=st.integers(1, TRIED_ALONE))
    def sweeps(self, times: int) -> None:
        """Several, so that a run comes to the eighth try."""
        for _ in range(times):
            self._sweep()

    # -- what always holds --

    @invariant()
    def nothing_is_known_of_a_settled_mail(self) -> None:
        """Whoever succeeds is no suspect any more, and no poison message."""
        assert not self.settled & (self.poison.suspects | self.poison.messages)

    def teardown(self) -> None:
        """Once the dependencies are there, neighbours get through; once it is cured, the last one."""
        if not hasattr(self, "poison"):
            return
        self.vault_is_there = True
        self.server_answers = True
        self.a_mail("INBOX")
        self._sweeps_until_quiet()
        assert self._neighbours() == []
        self._known_poison_costs_its_neighbours_nothing()
        self.the_poison_message_is_cured()
        self._sweeps_until_quiet()
        assert self.waiting == []
        assert self.poison.suspects | self.poison.messages == set()

    def _known_poison_costs_its_neighbours_nothing(self) -> None:
        """One sweep settles what comes later. (A FETCH that fails costs the session, when it is due.)"""
        for mail in self._poison_messages():
            mail.rests = 0 if mail.fails == "store" else 9
        self.a_mail("INBOX")
        self._sweep()
        assert self._neighbours() == []

    def _sweeps_until_quiet(self) -> None:
        """Time passes, and there are as many as it takes every mail to come to its eighth try."""
        for mail in self.waiting:
            mail.rests = 0
        for _ in range(TRIED_ALONE * (len(self.waiting) + 3)):
            self._sweep()

    # -- the sweep --

    def _sweep(self) -> None:
        """What `sweep` does, and what must be so after it."""
        for mail in self.waiting:
            mail.rests = max(0, mail.rests - 1)
        settled = len(self.settled)
        messages = set(self.poison.messages)
        self.outages = 0
        self.poison.begin_sweep()
        complete = all(self._visit(folder) for folder in FOLDERS)
        if len(self.settled) == settled:
            assert self.poison.messages <= messages, "blamed, and no neighbour fared better"
            assert self.outages <= 2, "a dependency that is away is asked again and again"
        if complete:
            known = self.poison.suspects | self.poison.messages
            assert known <= {self._key(mail) for mail in self.waiting}, "mail that is gone"

    def _visit(self, folder: str) -> bool:
        """One folder. False: the sweep ended in it."""
        self.poison.forget_gone(folder, {self._key(mail) for mail in self._in(folder)})
        due = [mail for mail in self._in(folder) if mail.rests == 0]
        return all(self._batch(batch) for batch in self._batches(due))

    def _batches(self, mails: list[Waiting]) -> Iterator[list[Waiting]]:
        """Suspects alone."""
        batch: list[Waiting] = []
        for mail in mails:
            alone = self._key(mail) in self.poison.suspects
            if batch and (alone or len(batch) == BATCH):
                yield batch
                batch = []
            batch.append(mail)
            if alone:
                yield batch
                batch = []
        if batch:
            yield batch

    def _batch(self, mails: list[Waiting]) -> bool:
        keys = {self._key(mail) for mail in mails}
        if not self.server_answers or any(mail.fails == "fetch" for mail in mails):
            if self.poison.fetch_failed(keys):
                assert len(mails) == 1
                self._postpone(mails[0])
            return False
        self.poison.fetched(keys)
        return all(self._process(mail) for mail in mails)

    def _process(self, mail: Waiting) -> bool:
        if self.vault_is_there and mail.fails is None:
            self.waiting.remove(mail)
            self.settled.add(self._key(mail))
            self.poison.settled(self._key(mail))
            return True
        cause = self.poison.met(self._key(mail), AWAY, mail.attempts + 1)
        if cause is Cause.MAIL:
            self._postpone(mail)
        else:
            mail.attempts += 1  # and due at once
            self.outages += 1
        return cause is not Cause.DEPENDENCY

    def _postpone(self, mail: Waiting) -> None:
        mail.attempts += 1
        mail.rests = 2**mail.attempts

    # -- the mail --

    def _arrives(self, folder: str, fails: str | None) -> None:
        self.last_uid += 1
        self.waiting.append(Waiting(folder, self.last_uid, fails))

    def _in(self, folder: str) -> list[Waiting]:
        return [mail for mail in self.waiting if mail.folder == folder]

    def _neighbours(self) -> list[Waiting]:
        return [mail for mail in self.waiting if not mail.fails]

    def _poison_messages(self) -> list[Waiting]:
        return [mail for mail in self.waiting if mail.fails]

    def _key(self, mail: Waiting) -> MailKey:
        return mail.folder, self.uidvalidity[mail.folder], mail.uid


TestPoison = Machine.TestCase
TestPoison.settings = hypothesis.settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
)
