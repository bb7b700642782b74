"""Poison messages and outages, in any order: neighbours get through, and nobody is blamed for long.

A machine lets mail arrive in two folders, some of it poison, takes Vault and the server away and
back, cures, removes and renumbers mail, and restarts the program. It sweeps as `sweep` does, with
nothing real below, and without back-off: every mail is due at every sweep, which is the worst
case.
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
    asks_vault: bool = True
    """False: it is no token mail, or nothing proves it."""
    attempts: int = 0


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
        self.outages: list[int] = []
        """Of each mail that met an outage in this sweep,
        poison messages apart, the number of its try."""
        self.vault_is_there = True
        self.server_answers = True

    # -- what happens --

    @rule(folder=st.sampled_from(FOLDERS), asks_vault=st.booleans())
    def a_mail(self, folder: str, asks_vault: bool) -> None:
        """It fails nowhere by itself."""
        self._arrives(folder, None, asks_vault=asks_vault)

    @rule(folder=st.sampled_from(FOLDERS))
    def a_mail_that_vault_cannot_store(self, folder: str) -> None:
        """It fails at every try; there may be several, of a user whose path Vault cannot write."""
        self._arrives(folder, "store")

    @rule(folder=st.sampled_from(FOLDERS))
    def a_mail_that_the_server_cannot_give(self, folder: str) -> None:
        """It fails at every try, and the session with it."""
        self._arrives(folder, "fetch")

    @rule()
    def the_poison_messages_are_cured(self) -> None:
        """Vault's policy is mended, say, or the server's index."""
        for mail in self._failing("fetch", "store"):
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

    @rule(folder=st.sampled_from(FOLDERS), times=st.integers(1, 3 * TRIED_ALONE))
    def vault_goes(self, folder: str, times: int) -> None:
        """Mail arrives meanwhile, and some of it has no need of Vault."""
        self.vault_is_there = False
        self._arrives(folder, None)
        self._arrives(folder, None, asks_vault=False)
        self.sweeps(times)

    @rule()
    def vault_comes_back(self) -> None:
        """What waits is due at once."""
        self.vault_is_there = True

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
        assert not self.settled & self._remembered()

    def teardown(self) -> None:
        """Once the dependencies are there, neighbours get through; once they are cured, all do."""
        if not hasattr(self, "poison"):
            return
        self.vault_is_there = True
        self.server_answers = True
        for _ in range(2):  # the first may come through while a poison message is left out
            self._arrives("INBOX", None)
            self._sweeps_until_quiet()
            assert self._neighbours() == []
        self._known_poison_costs_its_neighbours_nothing()
        self.the_poison_messages_are_cured()
        self._sweeps_until_quiet()
        assert self.waiting == []
        assert self._remembered() == set()

    def _known_poison_costs_its_neighbours_nothing(self) -> None:
        """What comes later is settled at once;
        where a mail cannot be fetched, by the next session."""
        self._arrives("INBOX", None)
        self._sweep()
        if self._failing("fetch"):
            self._sweep()
        assert self._neighbours() == []

    def _sweeps_until_quiet(self) -> None:
        """As many as it takes every mail to come to its eighth try."""
        for _ in range(TRIED_ALONE * (len(self.waiting) + 3)):
            self._sweep()

    # -- the sweep --

    def _sweep(self) -> None:
        """What `sweep` does, and what must be so after it."""
        messages = set(self.poison.messages)
        self.outages.clear()
        self.poison.begin_sweep()
        complete = all(self._visit(folder) for folder in FOLDERS)
        if not self.vault_is_there:
            assert self.poison.messages <= messages, "blamed for what Vault does"
            assert self.outages[:1] == self.outages or self.outages[0] % TRIED_ALONE == 0
        if complete:
            self.poison.complete_sweep()
            waiting = {self._key(mail) for mail in self.waiting}
            assert self._remembered() <= waiting, "memory without bound"

    def _visit(self, folder: str) -> bool:
        """One folder. False: the sweep ended in it."""
        self.poison.forget_gone(folder, {self._key(mail) for mail in self._in(folder)})
        due = [mail for mail in self._in(folder) if not self._is_left_out(mail)]
        return all(self._batch(batch) for batch in self._batches(due))

    def _is_left_out(self, mail: Waiting) -> bool:
        """Only mail that was postponed can be: of the rest no checkpoint would know."""
        return mail.attempts > 0 and self._key(mail) in self.poison.left_out

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
        keys = [self._key(mail) for mail in mails]
        if not self.server_answers or any(mail.fails == "fetch" for mail in mails):
            if self.poison.fetch_failed(keys):
                assert len(mails) == 1
                mails[0].attempts += 1
            return False
        self.poison.fetched(keys)
        return all(self._process(mail) for mail in mails)

    def _process(self, mail: Waiting) -> bool:
        if not mail.asks_vault or (self.vault_is_there and mail.fails is None):
            self.waiting.remove(mail)
            self.settled.add(self._key(mail))
            self.poison.settled(self._key(mail), answered=mail.asks_vault)
            return True
        mail.attempts += 1
        cause = self.poison.met(self._key(mail), AWAY, mail.attempts)
        if cause is not Cause.MAIL:
            self.outages.append(mail.attempts)
        return cause is not Cause.DEPENDENCY

    def _remembered(self) -> set[MailKey]:
        return self.poison.suspects | self.poison.messages | set(self.poison.left_out)

    # -- the mail --

    def _arrives(self, folder: str, fails: str | None, *, asks_vault: bool = True) -> None:
        self.last_uid += 1
        self.waiting.append(Waiting(folder, self.last_uid, fails, asks_vault))

    def _in(self, folder: str) -> list[Waiting]:
        return [mail for mail in self.waiting if mail.folder == folder]

    def _neighbours(self) -> list[Waiting]:
        return [mail for mail in self.waiting if mail.fails is None]

    def _failing(self, *where: str) -> list[Waiting]:
        return [mail for mail in self.waiting if mail.fails in where]

    def _key(self, mail: Waiting) -> MailKey:
        return mail.folder, self.uidvalidity[mail.folder], mail.uid


TestPoison = Machine.TestCase
TestPoison.settings = hypothesis.settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
)
