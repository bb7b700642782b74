"""The program's own parts between an odd server and a Vault in memory."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.contract.imap import PLAIN, account
from tests.kit import mails
from tests.kit.mails import token
from tests.kit.odd_imap import Account, OddImap, Quirks
from tests.kit.rig import BEGIN, Rig
from tests.kit.waiting import until
from token_catcher.daemon.logins import ServerLogins
from token_catcher.daemon.wakeups import Pace
from token_catcher.daemon.watch import Watch
from token_catcher.imap import ImapMailbox
from token_catcher.ports import Mailbox
from token_catcher.report import Report

QUICK = Pace(
    idle=(0.2, 0.2),
    logins_apart=0.0,
    trouble=(0.01, 0.02),
    refusal=(0.01, 0.02),
    outage=(0.01, 0.02),
    step=0.01,
)
PLAIN_MAIL = mails.token_mail(
    sender="Shop <news@shop.example.com>", subject="Offers", body="Buy.\n"
)


class OddWorld(Rig):
    """A rig whose sessions go over a socket to a server with quirks."""

    def __init__(self, home: Path, quirks: Quirks, **changed: Any) -> None:
        super().__init__(home)
        self.server = OddImap(quirks, Account(now=self.now))
        self.inbox = self.server.account
        self.sent: dict[str, str] = {}
        """Token by user: every genuine mail that was delivered."""
        self._changed = changed

    def connect(self) -> Mailbox:
        """A new session."""
        target = account("127.0.0.1", self.server.port, **self._changed)
        return ImapMailbox(target, PLAIN, self.log, self.now)

    def reset(self, folder: str = "INBOX", **options: Any) -> int:
        """A genuine mail arrives for a user of its own. Returns its UID."""
        number = len(self.sent) + 1
        user = f"user{number}@acme.example"
        self.sent[user] = token(number)
        raw = mails.genuine(user, token(number), issued_at=self.time)
        return self.inbox.deliver(raw, folder, **options)

    def other(self, folder: str = "INBOX") -> int:
        """A mail arrives that is not for us."""
        return self.inbox.deliver(PLAIN_MAIL, folder)

    def look(self, **how: Any) -> Report:
        """One sweep in a session of its own, as `scan` does."""
        with closing(self.connect()) as mailbox:
            return self.sweep.run(mailbox, **how)

    def looks(self, times: int = 4) -> list[Report]:
        """Some sweeps, ten minutes apart."""
        reports = []
        for _ in range(times):
            reports.append(self.look())
            self.time += timedelta(minutes=10)
        return reports

    @property
    def stored(self) -> dict[str, str]:
        """Token by user, as Vault has them."""
        found = {}
        for path in self.vault.paths():
            secret = self.vault.get(path)
            if secret is not None:
                found[path.rpartition("/")[2]] = secret["security_token"]
        return found

    @property
    def recorded(self) -> set[str]:
        """Users whose mail has a record, whatever became of it."""
        return {str(record.get("username")) for record in self.records_of_mail()}

    @property
    def held(self) -> set[str]:
        """Users whose mail waits for a person."""
        held = [record for record in self.records_of_mail() if record["event"] == "rotation.held"]
        return {record["username"] for record in held}

    def records_of_mail(self) -> list[dict[str, Any]]:
        """What the journal has so far."""
        journal = self.home / "journal.jsonl"
        if not journal.exists():
            return []
        lines = journal.read_text("utf-8").split("\n")[:-1]  # a watch may be writing one more
        return [json.loads(line) for line in lines]

    @property
    def missing(self) -> set[str]:
        """Users whose token is not in Vault."""
        return set(self.sent) - set(self.stored)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """A daemon's watch over the mailbox; it has to end by itself."""
        ending = threading.Event()
        watch = Watch(
            self.watched,
            ending,
            ServerLogins(QUICK, time.monotonic),
            log=self.log,
            now=self.now,
            monotonic=time.monotonic,
            rng=Random(1),
            pace=QUICK,
        )
        watch.start()
        try:
            yield watch
        finally:
            ending.set()
            watch.wakeup.set()
            watch.join(10)
            assert not watch.is_alive()


def until_accounted(world: OddWorld, watch: Watch) -> None:
    """Until every mail has a record. The schedule wakes the watch, and time goes by."""

    def asked() -> bool:
        world.time += timedelta(minutes=1)
        watch.wakeup.set()
        return set(world.sent) <= world.recorded

    until(asked, "every mail to have a record", 30)


__all__ = ["BEGIN", "OddWorld", "until_accounted"]
