"""`scan --wait`: when it looks and asks, what it tells, what it passes over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.mails import token
from tests.kit.rig import BEGIN, PATH, Rig
from tests.unit.commands.scans import AWAY, NO, entry, failing
from token_catcher.commands.awaited import Awaited
from token_catcher.commands.notice import PLAIN_EVERY, Notice
from token_catcher.commands.results import ScanResult
from token_catcher.commands.scan import Scan
from token_catcher.commands.waiting import Wait
from token_catcher.errors import Outage, TransientError
from token_catcher.model import Entry, Holding
from token_catcher.record import Record
from token_catcher.record.journal import Journal
from token_catcher.sweep import Watched

MINUTE = 60.0


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class World:
    """A wait over a rig, whose time passes while it sleeps, and what happens meanwhile."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.seconds = 0.0
        self.happens: dict[float, Callable[[], object]] = {}
        """By second, what happens while the wait sleeps."""
        self.shown: list[ScanResult] = []
        self.before: dict[str, Holding] = {}
        self.held: list[Record] = []
        self.watched: list[Watched] = [rig.watched]

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        self.rig.time = BEGIN + timedelta(seconds=self.seconds)
        for moment in [at for at in self.happens if at <= self.seconds]:
            self.happens.pop(moment)()

    def wait(self, seconds: float = MINUTE, user: str | None = mails.USERNAME) -> Entry | None:
        """The wait, from its beginning to its end."""
        journal = Journal(self.rig.home / "journal.jsonl", now=self.rig.now, log=self.rig.log)
        journal.open()
        with self.scan() as scan, Notice("waiting", seconds, self.monotonic) as notice:
            self.waiting = Wait(
                scan,
                Awaited(user, BEGIN, self.before),
                recorded_by(journal),
                self.shown.append,
                notice,
                self.monotonic,
                self.sleep,
            )
            self.waiting.know(self.held)
            return self.waiting.run(seconds)

    @contextmanager
    def scan(self) -> Iterator[Scan]:
        """Looks at the mailboxes."""
        with Scan(self.watched, monotonic=self.monotonic) as scan:
            yield scan

    @property
    def told(self) -> list[tuple[int | None, str, str | None]]:
        """UID, outcome and reason of all that was told."""
        return [(result.uid, result.outcome, result.reason) for result in self.shown]


def recorded_by(journal: Journal) -> Callable[[], list[Record]]:
    """As `App.recorded`."""
    last = journal.head.seq

    def added() -> list[Record]:
        nonlocal last
        records = list(journal.records(after=last))
        last = max([last, *(record.seq for record in records)])
        return records

    return added


@pytest.fixture
def world(rig: Rig) -> World:
    return World(rig)


def test_it_ends_with_the_token(world: World) -> None:
    """That came while it waited; told once, and how long that took."""
    world.happens[3.0] = lambda: world.rig.deliver(1)
    found = world.wait()
    assert found is not None
    assert (found.username, found.path, found.version) == (mails.USERNAME, PATH, 1)
    assert (world.waiting.seconds, world.told) == (3.0, [(1, "stored", None)])


def test_it_asks_four_times_a_second_and_looks_once(world: World) -> None:
    """A look goes through every folder; in between there is one question for news of the inbox."""
    assert world.wait(2.0) is None
    steps = [step for step in world.rig.diary if step.startswith(("examine", "noop"))]
    look = ["examine INBOX", "examine Junk", "examine INBOX"]
    asked = ["noop INBOX"] * 3
    assert steps == [*look, *asked, *look, *asked, *look]


def test_news_leads_to_a_look_at_the_inbox_at_once(world: World) -> None:
    """A quarter of a second after the mail, and at no other folder."""
    world.happens[0.5] = lambda: world.rig.deliver(1)
    assert world.wait() is not None
    asked = world.rig.diary.index("noop INBOX")
    assert [step.split()[0] for step in world.rig.diary[asked:]] == [
        "noop",
        "noop",
        "examine",
        "headings",
        "fetch",
        "close",
    ]
    assert world.seconds == 0.5


def test_the_other_folders_are_looked_at_every_second(world: World) -> None:
    """A token in the spam folder is no news of the inbox."""
    world.happens[1.25] = lambda: world.rig.deliver(1, "Junk")
    assert world.wait() is not None
    assert world.seconds == 2.0


def test_a_server_that_tells_no_news_is_looked_at_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second."""
    monkeypatch.setattr("tests.kit.rig.Session.has_news", lambda _session: False)
    world.happens[1.25] = lambda: world.rig.deliver(1)
    assert world.wait() is not None
    assert world.seconds == 2.0


def test_a_question_that_fails_is_told_and_costs_the_session(world: World) -> None:
    """The next login is ten seconds later; then the token is seen."""

    def cut(what: str) -> None:
        if what.startswith("noop"):
            world.rig.on = lambda _what: None
            raise AWAY

    world.rig.on = cut
    world.happens[1.0] = lambda: world.rig.deliver(1)
    assert world.wait() is not None
    assert (world.seconds, world.told) == (
        11.0,
        [(None, "error", "imap-connect"), (1, "stored", None)],
    )
    assert world.rig.diary.count("connect") == 2


def test_it_runs_out(world: World) -> None:
    """When the time is up, with one more look then: what that brings counts."""
    assert world.wait(1.5) is None
    assert world.seconds == 1.5
    world.happens[4.0] = lambda: world.rig.deliver(1, "Junk")
    assert world.wait(2.5) is not None


def test_it_ends_where_no_look_can_help(world: World) -> None:
    """Every mailbox refuses us: nothing is to be waited for."""
    world.watched = [failing(world.rig, NO)]
    assert world.wait() is None
    assert (world.seconds, world.told) == (0.0, [(None, "error", "imap-login")])


def test_a_daemon_beside_may_be_the_one_that_stores_it(world: World, rig: Rig) -> None:
    """Over the same state directory. What it refuses meanwhile is told as well."""
    world.watched = [failing(rig, AWAY)]

    def by_the_daemon() -> None:
        rig.account.append(mails.token_mail(issued_at=BEGIN))
        rig.deliver(1)
        rig.sweep.run(rig.connect())

    world.happens[0.75] = by_the_daemon
    assert world.wait() is not None
    assert (world.seconds, world.told) == (
        0.75,
        [
            (None, "error", "imap-connect"),
            (1, "refused", "unsigned"),
            (2, "stored", None),
        ],
    )


def test_another_users_token_is_told_and_passed_over(world: World) -> None:
    """Unless nobody is named."""
    world.rig.deliver(1, user="etl@acme.example")
    assert world.wait(1.0) is None
    assert world.told == [(1, "stored", None)]
    world.rig.deliver(2, user="etl@acme.example")
    found = world.wait(1.0, user=None)
    assert found is not None
    assert found.username == "etl@acme.example"


def test_what_vault_had_before_does_not_end_it(world: World) -> None:
    """Found there again by our own look, though it was issued within the grace."""
    world.rig.deliver(1)
    world.before[PATH] = Holding(1, fingerprint=mails.fingerprint(token(1)), issued_at=BEGIN)
    world.happens[2.0] = lambda: world.rig.deliver(2)
    found = world.wait()
    assert found is not None
    assert found.fingerprint == mails.fingerprint(token(2))


def test_a_newer_mail_that_waits_is_not_passed_over(world: World) -> None:
    """Vault takes the first of two tokens, and has no time for the second: it is told, and the wait
    ends with the second."""
    busy = TransientError("busy", code="vault-busy", retry_after=5)

    def refuse_the_second(effect: str) -> None:
        if effect == "read" and world.rig.tokens and world.seconds < 5:
            raise busy

    world.rig.on_vault = refuse_the_second
    world.rig.deliver(1)
    world.rig.deliver(2)
    found = world.wait()
    assert found is not None
    assert found.fingerprint == mails.fingerprint(token(2))
    assert world.told == [
        (1, "stored", None),
        (2, "retry", "vault-busy"),
        (2, "stored", None),
    ]
    told = world.shown[1]
    assert (told.username, told.issued_at) == (mails.USERNAME, "2026-02-03T13:00:02Z")


def test_an_older_mail_that_waits_keeps_nobody(world: World) -> None:
    """Its token is dead: the newer one is what was waited for."""

    def refuse_the_first(_effect: str) -> None:
        if not world.rig.tokens and world.rig.diary[-1] == "fetch 1":
            raise TransientError("busy", code="vault-busy", retry_after=50)

    world.rig.on_vault = refuse_the_first
    world.rig.deliver(1)
    world.happens[1.0] = lambda: world.rig.deliver(2)
    found = world.wait()
    assert found is not None
    assert (world.seconds, found.fingerprint) == (1.0, mails.fingerprint(token(2)))


def hold(rig: Rig, number: int) -> None:
    """A genuine mail of that number comes, and its subject is one that nobody configured."""
    issued_at = BEGIN + timedelta(seconds=number)
    raw = mails.genuine(token=token(number), issued_at=issued_at, subject="Neues Token")
    rig.account.append(raw, received_at=max(rig.time, issued_at))


def test_a_newer_mail_that_is_held_is_not_passed_over(world: World) -> None:
    """Until it is overtaken by a token that is newer still."""
    world.rig.deliver(1)
    hold(world.rig, 2)
    world.happens[4.0] = lambda: world.rig.deliver(3)
    found = world.wait()
    assert found is not None
    assert (world.seconds, found.fingerprint) == (4.0, mails.fingerprint(token(3)))
    assert world.told == [
        (1, "stored", None),
        (2, "held", "unknown-subject"),
        (3, "stored", None),
    ]


def test_what_is_held_from_before_is_told_first(world: World, rig: Rig) -> None:
    """And not passed over either."""
    hold(rig, 9)
    rig.sweep.run(rig.connect())
    journal = Journal(rig.home / "journal.jsonl", now=rig.now, log=rig.log)
    world.held = journal.waiting()
    rig.deliver(1)
    assert world.wait(1.0) is None
    assert world.told == [(1, "held", "unknown-subject"), (2, "stored", None)]


def test_mail_without_a_proof_keeps_nobody(tmp_path: Path) -> None:
    """Anybody can send mail that no key is there for."""
    lost = mails.Signer(mails.genuine_signer().private_pem, selector="lost")
    keys = mails.Keys({**mails.genuine_keys().records, lost.name: None})
    world = World(Rig(tmp_path, keys))
    later = mails.token_mail(token=token(5), issued_at=BEGIN + timedelta(seconds=5))
    world.rig.account.append(mails.sign(later, lost, at=BEGIN), received_at=BEGIN)
    world.rig.deliver(1)
    assert world.wait() is not None
    assert [outcome for _uid, outcome, _reason in world.told] == ["stored", "retry"]


@pytest.mark.parametrize("reason", ["no-key", "unauthenticated"])
def test_held_mail_without_a_proof_keeps_nobody(world: World, reason: str) -> None:
    """Nobody can tell whether it is genuine."""
    later = entry(event="rotation.held", reason=reason, issued_at="2026-02-03T13:00:09Z", uid=99)
    world.held = [Record(1, "2026-02-03T13:00:00Z", "", later)]
    world.rig.deliver(1)
    assert world.wait() is not None
    assert world.told == [(99, "held", reason), (1, "stored", None)]


def test_each_thing_is_told_once(world: World) -> None:
    """However often a look meets it."""

    def sealed(_effect: str) -> None:
        raise Outage("sealed", code="vault-sealed")

    world.rig.on_vault = sealed
    world.rig.deliver(1)
    assert world.wait(20.0) is None
    assert world.told == [(1, "retry", "vault-sealed"), (None, "error", "vault-sealed")]


def test_plain_lines_where_there_is_no_terminal(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """One at the beginning, and one every thirty seconds: the time that is left, where is looked,
    what came last."""
    world.rig.account.append(mails.token_mail(issued_at=BEGIN))
    assert world.wait(2 * PLAIN_EVERY + 1) is None
    seen = "watching integrations INBOX, Junk; 1 refused; last: INBOX/1 refused: unsigned"
    assert capsys.readouterr().err.splitlines() == [
        "token-catcher: waiting",
        f"token-catcher: still waiting (0:31 left); {seen}",
        f"token-catcher: still waiting (0:01 left); {seen}",
    ]


def test_a_plain_line_where_no_mailbox_can_be_looked_at(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody takes silence for a look."""
    world.watched = [failing(world.rig, AWAY)]
    assert world.wait(PLAIN_EVERY + 1) is None
    assert capsys.readouterr().err.splitlines()[1] == (
        "token-catcher: still waiting (0:01 left); no mailbox can be looked at yet;"
        " last: failing error: imap-connect"
    )
