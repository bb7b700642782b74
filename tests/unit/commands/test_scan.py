"""`scan`: one look now, over all mailboxes; sessions and refusals are remembered between looks;
`--wait` and `--dry-run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.mails import Keys, fingerprint, genuine_signer, token
from tests.kit.rig import BEGIN, PATH, Rig, Withholding
from token_catcher.advice import NEXT_STEP
from token_catcher.commands.results import ScanResult, results_of
from token_catcher.commands.scan import (
    GRACE,
    LOGIN_APART,
    Scan,
    awaited,
    dry_run,
    wait_for,
)
from token_catcher.errors import AccessError, Outage, Subject, TokenCatcherError, TransientError
from token_catcher.model import Entry, Event
from token_catcher.ports import Mailbox
from token_catcher.record import Record
from token_catcher.report import Report, Trouble
from token_catcher.sweep import Watched

AWAY = TransientError("no route", code="imap-connect")
NO = AccessError("the login was refused", code="imap-login")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def failing(rig: Rig, error: TokenCatcherError, name: str = "failing") -> Watched:
    """A mailbox that cannot be logged in to; each try is in the rig's diary."""

    def connect() -> Mailbox:
        rig.diary.append(f"connect {name}")
        raise error

    return rig.but(name=name, connect=connect)


def scan(*watched: Watched, clock: Clock | None = None, **options: Any) -> Scan:
    return Scan(watched, monotonic=clock or Clock(), **options)


def settled(looks: Scan) -> list[tuple[str, int, int]]:
    """Of each mailbox: how many mails were looked at, and how many records that gave."""
    return [(report.mailbox, report.looked_at, len(report.entries)) for report in looks.look()]


# -- looks --


def test_a_look_sweeps_each_mailbox(rig: Rig) -> None:
    """A report for each, in the order of the configuration, whatever befell the one before."""
    rig.deliver(1)
    with scan(failing(rig, AWAY), rig.watched) as looks:
        reports = list(looks.look())
    assert [(report.mailbox, report.error, report.looked_at) for report in reports] == [
        ("failing", AWAY, 0),
        ("integrations", None, 1),
    ]
    assert rig.tokens == [token(1)]


def test_sessions_are_kept_between_looks(rig: Rig) -> None:
    """One login, however often is looked; closed at the end, also where the block fails."""
    with suppress(KeyboardInterrupt), scan(rig.watched) as looks:
        for number in range(1, 4):
            rig.deliver(number)
            assert settled(looks) == [("integrations", 1, 1)]
        assert "close" not in rig.diary
        raise KeyboardInterrupt
    assert [step for step in rig.diary if step in ("connect", "close")] == ["connect", "close"]


def test_a_broken_session_is_replaced(rig: Rig) -> None:
    """It is closed at once; the next look after the pause logs in again."""
    clock = Clock()

    def cut(what: str) -> None:
        if what.startswith("examine"):
            rig.on = lambda _what: None
            raise AWAY

    rig.on = cut
    rig.deliver(1)
    with scan(rig.watched, clock=clock) as looks:
        assert [report.error for report in looks.look()] == [AWAY]
        assert rig.diary[-1] == "close"
        clock.seconds += LOGIN_APART
        assert settled(looks) == [("integrations", 1, 1)]
    assert rig.diary.count("connect") == 2


def test_the_trouble_of_the_store_keeps_the_session(rig: Rig) -> None:
    """Vault is away: looking again needs no login."""

    def sealed(_effect: str) -> None:
        raise Outage("sealed", code="vault-sealed")

    rig.on_vault = sealed
    rig.deliver(1)
    with scan(rig.watched) as looks:
        (report,) = looks.look()
        assert (report.error and report.error.code, report.broken, report.pending) == (
            "vault-sealed",
            False,
            1,
        )
        rig.on_vault = lambda _effect: None
        assert settled(looks) == [("integrations", 1, 1)]
    assert rig.diary.count("connect") == 1


def test_logins_to_a_mailbox_are_ten_seconds_apart(rig: Rig) -> None:
    """Until then the last answer stands: servers ban who knocks every second."""
    clock = Clock()
    with scan(failing(rig, AWAY), clock=clock) as looks:
        for seconds in (0, 1, 8.9, 0.1, 1):
            clock.seconds += seconds
            assert [report.error for report in looks.look()] == [AWAY]
        assert not looks.hopeless
    assert rig.diary == ["connect failing"] * 2


def test_a_refusal_is_final(rig: Rig) -> None:
    """Who was refused is not asked again, however long one waits: that locks accounts."""
    clock = Clock()
    with scan(failing(rig, NO), rig.watched, clock=clock) as looks:
        for _ in range(3):
            assert [report.error for report in looks.look()] == [NO, None]
            clock.seconds += 3600
        assert not looks.hopeless
    assert rig.diary.count("connect failing") == 1


def test_it_is_hopeless_when_all_refused(rig: Rig) -> None:
    """Then there is nothing to wait for."""
    with scan(failing(rig, NO), failing(rig, NO, "other")) as looks:
        assert not looks.hopeless
        assert [report.error for report in looks.look()] == [NO, NO]
        assert looks.hopeless


def test_again_holds_for_the_first_look(rig: Rig) -> None:
    """Looking at all settled mail every second would be no use."""
    rig.deliver(1)
    with scan(rig.watched) as looks:
        assert settled(looks) == [("integrations", 1, 1)]
    with scan(rig.watched, again=True) as looks:
        assert [settled(looks), settled(looks)] == [
            [("integrations", 1, 0)],
            [("integrations", 0, 0)],
        ]


def test_what_waits_is_tried_at_once_and_told(rig: Rig) -> None:
    """Whatever its back-off: a person who asks hears of every mail that is not settled, and why.
    The looks after that wait for its time."""
    rig.deliver(1)
    reason = TransientError("ask me in five minutes", code="vault-busy", retry_after=300)

    def refuse(_effect: str) -> None:
        raise reason

    rig.on_vault = refuse
    subject = Subject(mails.USERNAME, "acme", PATH)
    trouble = Trouble("INBOX", 1, "vault-busy", "ask me in five minutes", subject)
    for _ in range(2):
        with scan(rig.watched) as looks:
            reports = [*looks.look(), *looks.look()]
        assert [report.troubles for report in reports] == [[trouble], []]
        assert [report.pending for report in reports] == [1, 1]
    rig.on_vault = lambda _effect: None
    with scan(rig.watched) as looks:
        assert settled(looks) == [("integrations", 1, 1)]


def test_since_never_narrows_a_first_look(rig: Rig) -> None:
    """Where nothing is known of a folder it widens the window;
    a narrower one would settle mail that nobody has seen."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=3))
    rig.deliver(2)
    with scan(rig.watched, since=timedelta(days=2)) as looks:
        assert settled(looks) == [("integrations", 2, 2)]


def test_since_bounds_a_second_look(rig: Rig) -> None:
    """With `--again` only what arrived since then is looked at once more."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=5))
    rig.deliver(2)
    with scan(rig.watched) as looks:
        settled(looks)
    with scan(rig.watched, again=True, since=timedelta(days=2)) as looks:
        assert settled(looks) == [("integrations", 1, 0)]


# -- the dry run --


def test_a_dry_run_judges_and_writes_nothing(rig: Rig) -> None:
    """Every claim in the window is judged, folder by folder; another mail is no line;
    not one file appears."""
    rig.deliver(1)
    rig.account.append(mails.token_mail(subject="Lunch?", body="At noon.\n"))
    rig.account.append(mails.token_mail(issued_at=BEGIN), "Junk")
    results = list(dry_run(rig.watched, BEGIN))
    assert results == [
        ScanResult(
            "integrations",
            "INBOX",
            1,
            "would-store",
            username=mails.USERNAME,
            org="acme",
            path=PATH,
            issued_at="2026-02-03T13:00:01Z",
            fingerprint=fingerprint(token(1)),
        ),
        ScanResult(
            "integrations",
            "Junk",
            1,
            "refused",
            "unsigned",
            "no DKIM signature",
            mails.USERNAME,
            "acme",
            issued_at="2026-02-03T13:00:00Z",
            fingerprint=fingerprint(mails.TOKEN),
        ),
    ]
    assert (list(rig.home.iterdir()), rig.vault.paths(), rig.diary[-1]) == ([], [], "close")


def test_a_dry_run_looks_at_the_window(rig: Rig) -> None:
    """The configured one, or the one that was asked for."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=15))
    rig.deliver(2, received_at=BEGIN - timedelta(days=3))
    assert [line.uid for line in dry_run(rig.watched, BEGIN)] == [2]
    assert [line.uid for line in dry_run(rig.watched, BEGIN, timedelta(days=16))] == [1, 2]
    assert [line.uid for line in dry_run(rig.watched, BEGIN, timedelta(days=2))] == []


def test_a_dry_run_says_what_it_cannot_judge(tmp_path: Path) -> None:
    """`retry`: DNS did not answer."""
    rig = Rig(tmp_path, Keys({genuine_signer().name: None}))
    rig.deliver(1)
    saw = f"DNS did not answer for {genuine_signer().name}"
    assert list(dry_run(rig.watched, BEGIN)) == [
        ScanResult("integrations", "INBOX", 1, "retry", "transient", saw)
    ]


def test_a_dry_run_goes_on_behind_a_mail_that_it_cannot_judge(tmp_path: Path) -> None:
    """Its neighbour has its verdict."""
    other = mails.Signer(genuine_signer().private_pem, selector="lost")
    rig = Rig(tmp_path, Keys({**mails.genuine_keys().records, other.name: None}))
    slow = mails.token_mail("slow@acme.example", token(1), issued_at=BEGIN)
    rig.account.append(mails.sign(slow, other, at=BEGIN))
    rig.deliver(2)
    outcomes = [(line.uid, line.outcome) for line in dry_run(rig.watched, BEGIN)]
    assert outcomes == [(1, "retry"), (2, "would-store")]


def test_a_dry_run_fetches_no_more_at_a_time_than_a_sweep(rig: Rig) -> None:
    """Memory is bounded there as well."""
    for number in range(1, 34):
        rig.account.append(mails.token_mail(subject="Welcome", body=f"Hello {number}.\n"))
    assert list(dry_run(rig.watched, BEGIN)) == []
    fetched = [len(line.split()[1].split(",")) for line in rig.diary if line.startswith("fetch")]
    assert fetched == [32, 1]


def test_a_dry_run_goes_on_behind_a_folder_that_is_missing(rig: Rig) -> None:
    """It is told, and the run is not well."""
    rig.account.watched = ("INBOX", "Gone", "Junk")
    rig.deliver(1, "Junk")
    first, second = dry_run(rig.watched, BEGIN)
    assert first == ScanResult(
        "integrations",
        "Gone",
        None,
        "error",
        "imap-folder",
        "mailbox integrations: folder Gone cannot be opened",
    )
    assert (second.uid, second.outcome) == (1, "would-store")


def test_a_dry_run_tells_what_the_server_does_not_show(rig: Rig) -> None:
    """A mail without a body, and one that has no name; what comes alone is judged."""
    rig.deliver(1)
    rig.deliver(2)
    rig.deliver(3)
    mailbox = Withholding(rig)
    mailbox.without_body = {1}
    mailbox.only_alone = {2}
    mailbox.uncounted = 1
    results = list(dry_run(rig.but(connect=lambda: mailbox), BEGIN))
    assert [(line.folder, line.uid, line.outcome, line.reason) for line in results] == [
        ("INBOX", 1, "retry", "imap-no-body"),
        ("INBOX", 2, "would-store", None),
        ("INBOX", 3, "would-store", None),
        ("INBOX", 4, "retry", "imap-incomplete"),
    ]


def test_a_dry_run_is_silent_of_a_mail_that_is_gone(rig: Rig) -> None:
    """It was expunged between its heading and its body."""
    uid = rig.deliver(1)

    def expunge(what: str) -> None:
        if what == f"fetch {uid}":
            rig.account.folders["INBOX"].mails.pop(uid, None)

    rig.on = expunge
    assert list(dry_run(rig.watched, BEGIN)) == []


def test_a_dry_run_raises_what_the_mailbox_raises(rig: Rig) -> None:
    """And closes the session before."""
    with pytest.raises(AccessError):
        list(dry_run(failing(rig, NO), BEGIN))

    def cut(what: str) -> None:
        if what.startswith("examine"):
            raise AWAY

    rig.on = cut
    with pytest.raises(TransientError):
        list(dry_run(rig.watched, BEGIN))
    assert rig.diary[-1] == "close"


# -- what is told --


def entry(**fields: Any) -> Entry:
    """The record of a stored token."""
    usual: dict[str, Any] = {
        "event": Event.STORED,
        "instance": "one",
        "mailbox": "integrations",
        "folder": "INBOX",
        "uidvalidity": 1,
        "uid": 7,
        "mail": "sha256:0",
        "received_at": "2026-02-03T13:00:01Z",
        "issued_at": "2026-02-03T13:00:00Z",
        "username": mails.USERNAME,
        "org": "acme",
        "path": PATH,
        "version": 3,
        "fingerprint": "sha256:1",
        "recovered": True,
    }
    return Entry(**usual | fields)


def test_a_report_line_by_line() -> None:
    """What was settled, what waits, and last what ended the look early."""
    report = Report(
        "integrations",
        entries=[
            entry(),
            entry(
                event=Event.HELD,
                uid=8,
                reason="unknown-user",
                saw="no org",
                path=None,
                version=None,
            ),
        ],
        troubles=[Trouble("Junk", 9, "dns", "DNS is silent")],
        error=AWAY,
    )
    whose: dict[str, Any] = {
        "username": mails.USERNAME,
        "org": "acme",
        "issued_at": "2026-02-03T13:00:00Z",
        "fingerprint": "sha256:1",
    }
    assert list(results_of(report)) == [
        ScanResult(
            "integrations", "INBOX", 7, "stored", path=PATH, version=3, recovered=True, **whose
        ),
        ScanResult(
            "integrations", "INBOX", 8, "held", "unknown-user", "no org", recovered=True, **whose
        ),
        ScanResult("integrations", "Junk", 9, "retry", "dns", "DNS is silent"),
        ScanResult("integrations", None, None, "error", "imap-connect", "no route"),
    ]
    assert list(results_of(Report("integrations", looked_at=3))) == []


def test_the_contract_for_machines() -> None:
    """Fifteen fields, in this order, whatever the outcome."""
    assert list(
        ScanResult("integrations", "INBOX", 7, "stored", path=PATH, version=3).as_json().items()
    ) == [
        ("mailbox", "integrations"),
        ("folder", "INBOX"),
        ("uid", 7),
        ("outcome", "stored"),
        ("reason", None),
        ("saw", None),
        ("username", None),
        ("org", None),
        ("path", PATH),
        ("version", 3),
        ("issued_at", None),
        ("fingerprint", None),
        ("recovered", False),
        ("mended", False),
        ("next", None),
    ]


def test_what_waits_for_vault_is_told_with_its_user_and_what_to_do() -> None:
    """Of the mail, not of the mailbox: that a whole Vault is away concerns no single user."""
    subject = Subject("u@acme.example", "acme", PATH)
    report = Report(
        "integrations",
        looked_at=1,
        troubles=[Trouble("INBOX", 1, "vault-sealed", "Vault is away", subject)],
        error=TransientError("Vault is away", code="vault-sealed"),
    )
    told = [
        [result.as_json()[name] for name in ("username", "org", "path", "next")]
        for result in results_of(report)
    ]
    step = NEXT_STEP["vault-sealed"]
    assert told == [["u@acme.example", "acme", PATH, step], [None, None, None, step]]


# -- waiting --


@pytest.mark.parametrize(
    ("fields", "user", "counts"),
    [
        ({}, None, True),
        ({}, mails.USERNAME, True),
        ({}, "etl@acme.example", False),
        ({"event": "rotation.unchanged", "reason": "same-token"}, mails.USERNAME, True),
        ({"event": "rotation.unchanged", "reason": "stale"}, mails.USERNAME, False),
        ({"event": "rotation.held", "reason": "secret-deleted"}, mails.USERNAME, False),
        ({"event": "rotation.refused", "reason": "unsigned"}, None, False),
        (
            {
                "event": "rotation.refused",
                "reason": "malformed",
                "issued_at": None,
                "username": None,
            },
            None,
            False,
        ),
        ({"issued_at": "2026-02-03T12:45:00Z"}, None, True),
        ({"issued_at": "2026-02-03T12:44:59Z"}, None, False),
        ({"issued_at": "2026-02-03T13:09:00.5Z"}, None, True),
    ],
)
def test_the_awaited_token(fields: dict[str, Any], user: str | None, counts: bool) -> None:
    """In Vault, of this user or any, issued since the beginning less fifteen minutes."""
    assert timedelta(minutes=15) == GRACE
    old = entry(issued_at="2026-01-01T00:00:00Z")
    new = entry(**fields)
    expected = new if counts else None
    assert awaited([as_record(old), as_record(new)], BEGIN, user) == expected


def as_record(of: Entry, at: str = "2026-02-03T13:00:00Z") -> Record:
    """As the journal has it."""
    return Record(1, at, "", of)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"recovered": True}, False),
        ({"event": "rotation.unchanged", "reason": "same-token"}, False),
        ({"vault_created_at": None}, False),
        ({"vault_created_at": "2026-02-03T12:57:00Z"}, False),
    ],
)
def test_our_clock_may_be_ahead_of_vaults(fields: dict[str, Any], counts: bool) -> None:
    """By twenty minutes: the token was issued after the beginning, by everybody else's clock."""
    about = {
        "issued_at": "2026-02-03T12:40:30Z",
        "vault_created_at": "2026-02-03T12:41:00Z",
        "recovered": False,
    }
    new = entry(**about | fields)
    record = as_record(new, at="2026-02-03T13:01:00Z")
    assert (awaited([record], BEGIN, None) is not None) == counts


class Wait:
    """A wait whose looks bring what a test says, and that is over after so many looks."""

    def __init__(self, *brings: list[Entry], hope: bool = True, over: int = 5) -> None:
        self._brings = iter(brings)
        self._hope = hope
        self._over = over
        self._new: list[Entry] = []
        self.steps: list[str] = []

    def __call__(self, user: str | None = None) -> Entry | None:
        return wait_for(
            self._look,
            self._recorded,
            user=user,
            began=BEGIN,
            over=lambda: self.steps.count("look") >= self._over,
            pause=lambda: self.steps.append("pause"),
        )

    def _look(self) -> bool:
        self.steps.append("look")
        self._new = next(self._brings, [])
        return self._hope

    def _recorded(self) -> Iterator[Record]:
        new, self._new = self._new, []
        yield from map(as_record, new)


def test_a_wait_looks_until_the_token_is_there() -> None:
    """With a pause between two looks, and none after the last."""
    etl = replace(entry(), username="etl@acme.example")
    wait = Wait([], [etl], [entry()])
    assert wait(mails.USERNAME) == entry()
    assert wait.steps == ["look", "pause", "look", "pause", "look"]


@pytest.mark.parametrize(
    "made", [lambda: Wait([entry()], hope=False), lambda: Wait([entry()], over=1)]
)
def test_what_the_last_look_brings_counts(made: Callable[[], Wait]) -> None:
    """Also where there is no hope, or no time, for another one."""
    wait = made()
    assert (wait(), wait.steps) == (entry(), ["look"])


def test_a_wait_runs_out() -> None:
    """When it is over, or at once where no look can help."""
    wait = Wait(over=2)
    assert (wait(), wait.steps) == (None, ["look", "pause", "look"])
    wait = Wait(hope=False)
    assert (wait(), wait.steps) == (None, ["look"])
