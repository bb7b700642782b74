"""The proof by login of the installed program, between a real Vault and a Salesforce of our own."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.program import UNMEASURED, Daemon, Program
from tests.kit.scale import times
from tests.kit.scripted import HttpReply
from tests.kit.servers import Dovecot, OpenBao, free_port
from tests.kit.soap import SESSION, LoginRequest, Salesforce, fault, result
from tests.kit.waiting import until
from tests.system.test_kill import surrounded
from tests.system.test_web import Site

ROUNDS = 3
GRACE = 16 * 60
"""Seconds, with one to spare."""
CANARY = "CanaryTOKENx9x8x7x6notREAL"
PASSWORD = "CanaryPASSWORDx<&]]>ü"
JSON = "log: {level: debug, format: json}"


@dataclass
class World:
    """The program with its clock in our hand, and what Vault has of its users."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    salesforce: Salesforce
    ahead: int = 1
    """Seconds that the program's clock is ahead."""
    issued_at: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    )

    def configure(self, host: str = "", **more: str) -> None:
        """With the proof by login; the file of tries is there from then on."""
        verify = f"verify: {{login: true, host: '{host or self.salesforce.url}'}}"
        self.tool.configure(log=f"{JSON}\n{verify}", **more)
        with self.tool.daemon() as daemon:
            assert daemon.end() == 0

    def path(self, username: str = mails.USERNAME) -> str:
        """Where the user's secret is."""
        return f"salesforce/{self.org}/{username}"

    def store(self, token: str = CANARY, username: str = mails.USERNAME) -> None:
        """A token comes into a secret that has a password, while no daemon runs."""
        self.openbao.put(self.path(username), {"password": PASSWORD})
        self.issued_at += timedelta(minutes=1)
        mail = mails.genuine(username, token, issued_at=self.issued_at)
        self.dovecot.deliver(mail, self.user)
        assert self.tool("scan").code == 0

    def pass_time(self, seconds: int) -> None:
        """For the program, when it starts next."""
        self.ahead += seconds
        (self.tool.home / "clock").write_text(str(self.ahead), "ascii")

    @property
    def proofs(self) -> list[tuple[str, str]]:
        """What the journal tells of logins: username and reason."""
        return [
            (record["username"], record["reason"])
            for record in self.tool.journal
            if record["event"] in ("rotation.verified", "rotation.unverified")
        ]


@pytest.fixture
def salesforce() -> Iterator[Salesforce]:
    """It accepts everybody, until a test says otherwise."""
    with Salesforce() as server:
        yield server


@pytest.fixture
def world(
    tool: Program,
    dovecot: Dovecot,
    openbao: OpenBao,
    user: str,
    org: str,
    salesforce: Salesforce,
) -> World:
    """With nothing in it."""
    surrounded(tool, 1)
    return World(tool, dovecot, openbao, user, org, salesforce)


def says(daemon: Daemon, event: str) -> dict[str, Any]:
    """The event, once the daemon has logged it."""

    def told() -> dict[str, Any] | None:
        return next((line for line in daemon.events if line["event"] == event), None)

    return until(told, event)


def test_a_token_that_salesforce_takes_is_recorded_and_shown(world: World) -> None:
    """In journal, log, metrics and history; password, token and session are nowhere."""
    site = Site(world.tool)
    world.configure()
    world.store()
    with world.tool.daemon() as daemon:
        verified = says(daemon, "token.verified")
        assert site.sample("login_proof_total", result="login-accepted") == 1
        assert daemon.end() == 0
    assert (verified["level"], verified["reason"]) == ("info", "login-accepted")
    [login] = world.salesforce.logins
    assert (login.username, login.proof) == (mails.USERNAME, PASSWORD + CANARY)
    [stored, proven] = world.tool.journal
    assert (proven["event"], proven["version"]) == ("rotation.verified", stored["version"])
    [row] = world.tool("history", "--event", "verified", "--json").lines
    assert (row["username"], row["reason"], row["source"]) == (
        mails.USERNAME,
        "login-accepted",
        "journal",
    )
    printed = [world.tool(*words).out for words in (("history",), ("held",), ("audit", "verify"))]
    assert "verified" in printed[0]
    assert "intact" in printed[2]
    expect_no_secret(world, "".join(printed))


def expect_no_secret(world: World, *texts: str) -> None:
    """Neither in what was printed nor in any file of the program's."""
    files = [file for file in world.tool.home.rglob("*") if file.is_file()]
    contents = [file.read_bytes().decode("utf-8", "replace") for file in files]
    for text in (*texts, *contents):
        for secret in (CANARY, "CanaryPASSWORD", SESSION):
            assert secret not in text


def test_a_refused_token_is_told_after_its_second_try(world: World) -> None:
    """The first counts over a restart; a mail that comes meanwhile is stored as ever."""
    world.salesforce.answer = lambda _login: fault("INVALID_LOGIN")
    world.configure()
    world.store()
    with world.tool.daemon() as daemon:
        says(daemon, "token.refused_once")
        assert daemon.end() == 0
    with world.tool.daemon() as daemon:
        assert daemon.end() == 0
    assert (len(world.salesforce.logins), world.proofs) == (1, [])
    world.pass_time(GRACE)
    with world.tool.daemon() as daemon:
        refused = says(daemon, "token.refused_at_login")
        assert daemon.end() == 0
    assert (refused["level"], refused["username"], refused["reason"], refused["saw"]) == (
        "warning",
        mails.USERNAME,
        "login-refused",
        "INVALID_LOGIN",
    )
    assert len(world.salesforce.logins) == 2
    assert world.proofs == [(mails.USERNAME, "login-refused")]
    [row] = world.tool("history", "--event", "unverified", "--json").lines
    assert "(TC801)" in row["advice"]
    expect_no_secret(world, world.tool("history", "--csv").out)


def test_without_the_key_nothing_is_tried(world: World) -> None:
    """It is off by default."""
    world.tool.configure(log=f"{JSON}\nverify: {{host: '{world.salesforce.url}'}}")
    world.store()
    with world.tool.daemon() as daemon:
        assert daemon.end() == 0
    assert world.salesforce.logins == []
    assert not (world.tool.state / "login-tries.json").exists()


def test_a_salesforce_that_hangs_or_is_away_delays_no_capture(world: World) -> None:
    """The token is in Vault, and the daemon ends in time; the try is one."""
    world.salesforce.answer = lambda _login: HttpReply(hang=True)
    world.configure()
    world.store()
    with world.tool.daemon() as daemon:
        until(lambda: world.salesforce.logins, "the login")
        second = "other@acme.example"
        mail = mails.genuine(second, "FAKEsecondTOKENnotREAL2ab", issued_at=datetime.now(UTC))
        world.dovecot.deliver(mail, world.user)
        until(lambda: world.openbao.get(world.path(second)), "the second token")
        assert daemon.end() == 0
    world.salesforce.answer = lambda _login: result()
    with world.tool.daemon() as daemon:
        says(daemon, "token.unverified")
    assert world.salesforce.tries[PASSWORD + CANARY] == 1
    assert (mails.USERNAME, "login-interrupted") in world.proofs


def test_what_is_not_sent_waits(world: World) -> None:
    """Nobody listens where Salesforce should be: no try, and told."""
    world.configure(f"http://127.0.0.1:{free_port()}")
    world.store()
    with world.tool.daemon() as daemon:
        waits = says(daemon, "token.proof_waits")
        assert daemon.end() == 0
    assert (waits["level"], waits["reason"]) == ("warning", "login-unreachable")
    world.configure()
    world.pass_time(120)
    with world.tool.daemon() as daemon:
        says(daemon, "token.verified")
    assert len(world.salesforce.logins) == 1


@pytest.mark.kill
def test_no_token_is_tried_more_than_twice_over_rounds_of_kill(world: World) -> None:
    """The daemon is killed at random moments, some of them while a login is on its way, and once it
    was answered. In the end each token has one record of its proof."""
    world.tool.env |= UNMEASURED
    world.configure()
    dice = random.Random("login proof")
    for number in range(times(ROUNDS)):
        world.store(f"FAKE{number:02}tokenNOTreal2xyzQ99a", f"user{number}@acme.example")
        with world.tool.daemon(ready=False) as daemon:
            world.salesforce.answer = deadly(daemon, dice)
            time.sleep(dice.uniform(0, 2.5))  # a moment of the round, and no wait for anything
            daemon.end(signal.SIGKILL)
        world.pass_time(dice.choice([0, GRACE]))
    world.salesforce.answer = lambda _login: fault("INVALID_LOGIN")
    for _ in range(2):
        world.pass_time(GRACE)
        with world.tool.daemon() as daemon:
            until(lambda: nothing_is_due(world), "what is due to be tried")
            assert daemon.end() == 0
    assert max(world.salesforce.tries.values()) <= 2
    users = [f"user{number}@acme.example" for number in range(times(ROUNDS))]
    assert sorted(username for username, _ in world.proofs) == users
    assert world.tool("audit", "verify").code == 0


def deadly(daemon: Daemon, dice: random.Random) -> Callable[[LoginRequest], HttpReply]:
    """Answers one way or the other; some daemons do not live to read it."""

    def answer(_login: LoginRequest) -> HttpReply:
        if dice.random() < 0.4:
            daemon.process.kill()
        return dice.choice([result(), fault("INVALID_LOGIN"), HttpReply(503), HttpReply(drop=True)])

    return answer


def nothing_is_due(world: World) -> bool:
    """Whether all that waits still waits for its second try."""
    kept = json.loads((world.tool.state / "login-tries.json").read_text("utf-8"))
    now = datetime.now(UTC) + timedelta(seconds=world.ahead)
    return all(
        not trial["trying"] and datetime.fromisoformat(trial["due_at"]) > now
        for trial in kept["waiting"]
    )
