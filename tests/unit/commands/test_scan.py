"""`scan`: one look now, over all mailboxes; sessions and refusals are remembered between looks."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.mails import token
from tests.kit.rig import BEGIN, PATH, Rig
from tests.unit.commands.scans import AWAY, NO, entry, failing
from token_catcher.advice import NEXT_STEP
from token_catcher.commands.results import ScanResult, results_of
from token_catcher.commands.scan import LOGIN_APART, Scan
from token_catcher.errors import Outage, Subject, TransientError
from token_catcher.model import Event
from token_catcher.report import Report, Trouble
from token_catcher.sweep import Watched


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


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


@pytest.mark.parametrize("once", [True, False])
def test_the_inbox_stays_open_for_who_looks_again(rig: Rig, once: bool) -> None:
    """Where a mailbox is looked at once, nobody listens afterwards."""
    with scan(rig.watched, once=once) as looks:
        assert settled(looks) == [("integrations", 0, 0)]
        opened = [step for step in rig.diary if step.startswith("examine")]
    assert opened == ["examine INBOX", "examine Junk", "examine INBOX"][: 3 - once]


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
    subject = Subject(mails.USERNAME, "acme", PATH, "2026-02-03T13:00:01Z")
    trouble = Trouble("INBOX", 1, "vault-busy", "ask me in five minutes", subject)
    for _ in range(2):
        with scan(rig.watched) as looks:
            reports = [*looks.look(), *looks.look()]
        assert [report.troubles for report in reports] == [[trouble], []]
        assert [report.pending for report in reports] == [1, 1]
    rig.on_vault = lambda _effect: None
    with scan(rig.watched) as looks:
        assert settled(looks) == [("integrations", 1, 1)]


@pytest.mark.parametrize(
    ("record", "code", "saw"),
    [
        (None, "transient", "DNS did not answer for {}"),
        (b"", "dns-no-key", "no key at {}"),
    ],
)
def test_what_waits_for_a_key_is_told_with_whom_it_names(
    tmp_path: Path, record: bytes | None, code: str, saw: str
) -> None:
    """By the mail's own claim, without an org or a path: nothing of it is proven."""
    name = mails.genuine_signer().name
    rig = Rig(tmp_path, mails.Keys({name: record} if record is None else {}))
    rig.deliver(1)
    with scan(rig.watched) as looks:
        (report,) = looks.look()
    (result,) = results_of(report)
    assert result == ScanResult(
        "integrations",
        "INBOX",
        1,
        "retry",
        code,
        saw.format(name),
        mails.USERNAME,
        issued_at="2026-02-03T13:00:01Z",
    )
    (pending,) = rig.said("mail.pending")
    assert (pending["username"], "path" in pending) == (mails.USERNAME, False)


def test_what_is_held_as_before_is_told_again_on_a_wish(rig: Rig) -> None:
    """With `--again`: silence would be taken for success. A refusal is not told again."""
    rig.account.append(mails.genuine(issued_at=BEGIN, subject="Neues Token"), received_at=BEGIN)
    rig.account.append(mails.token_mail(issued_at=BEGIN), received_at=BEGIN)
    with scan(rig.watched) as looks:
        (first,) = looks.look()
    with scan(rig.watched) as looks:
        (second,) = looks.look()
    with scan(rig.watched, again=True) as looks:
        (again,) = looks.look()
    held, refused = first.entries
    assert (held.event, refused.event) == (Event.HELD, Event.REFUSED)
    assert (first.still_held, second.still_held, again.still_held) == ([], [], [held])
    assert (again.entries, again.looked_at) == ([], 2)
    assert [result.outcome for result in results_of(again)] == ["held"]


def test_a_report_counts_what_is_there_and_what_it_has_come_to(rig: Rig) -> None:
    """While it is filled: for who shows how far a look is."""
    for number in range(1, 4):
        rig.deliver(number)
    rig.deliver(4, "Junk")
    report = Report("integrations")
    steps = []
    rig.sweep.run(
        rig.connect(),
        report=report,
        moved=lambda: steps.append((report.taken, report.to_take)),
    )
    assert steps == sorted(steps)
    assert {(0, 3), (1, 3), (3, 3), (3, 4)} <= set(steps)  # the first mail, then a batch
    assert (report.taken, report.to_take) == (4, 4)


def test_a_first_look_says_what_its_window_leaves_out(rig: Rig) -> None:
    """Once, for each folder; the second look knows them. A wider one takes it in."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=20))
    rig.deliver(2, "Junk", received_at=BEGIN - timedelta(days=20))
    rig.deliver(3, "Junk", received_at=BEGIN - timedelta(days=30))
    subjects = ["Your new Salesforce security token"]
    with scan(rig.watched) as looks:
        for expected in ([("INBOX", 1), ("Junk", 2)], []):
            (report,) = looks.look()
            older = list(looks.left_out(report, subjects))
            assert [(line.folder, line.mails) for line in older] == expected
    with scan(rig.watched, again=True, since=timedelta(days=40)) as looks:
        assert settled(looks) == [("integrations", 3, 3)]


def test_a_count_that_fails_costs_nothing_but_itself(rig: Rig) -> None:
    """The session is closed, and nothing is told of it: the look is done."""

    def refuse(what: str) -> None:
        if what.startswith("count"):
            raise AWAY

    rig.on = refuse
    rig.deliver(1, received_at=BEGIN - timedelta(days=20))
    with scan(rig.watched) as looks:
        (report,) = looks.look()
        assert list(looks.left_out(report, ["token"])) == []
    assert rig.diary.count("close") == 1


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


# -- what is told --


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
    """Sixteen fields, in this order, whatever the outcome."""
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
        ("attention", False),
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


@pytest.mark.parametrize(
    ("fields", "attention", "step"),
    [
        ({}, False, None),
        ({"event": "rotation.unchanged", "reason": "stale"}, False, None),
        ({"event": "rotation.held", "reason": "unknown-user"}, True, "usernames"),
        ({"event": "rotation.held", "reason": "no-key"}, True, "DNS"),
        ({"event": "rotation.refused", "reason": "unsigned"}, True, "if this is genuine"),
        ({"event": "rotation.refused", "reason": "bad-signature"}, True, "docs/mailboxes.md"),
        ({"event": "rotation.refused", "reason": "unauthenticated"}, True, "authserv_ids"),
        ({"event": "rotation.refused", "reason": "unreadable"}, True, "report it"),
        ({"event": "rotation.refused", "reason": "wrong-sender"}, False, None),
        ({"event": "rotation.refused", "reason": "unsigned", "org": None}, False, None),
        ({"event": "rotation.refused", "reason": "unsigned", "fingerprint": None}, False, None),
    ],
)
def test_who_must_look_and_what_is_done_then(
    fields: dict[str, Any], attention: bool, step: str | None
) -> None:
    """Held mail, and refused mail that lacks its proof alone: sender, layout and user are ours."""
    result = ScanResult.from_entry(entry(**fields))
    assert (result.attention, result.as_json()["attention"]) == (attention, attention)
    if step is None:
        assert result.next_step is None
    else:
        assert step in (result.next_step or "")


@pytest.mark.parametrize(
    "trouble", [Trouble("INBOX", 1, "dns", ""), Trouble("Junk", None, "x", "")]
)
def test_what_waits_and_what_fails_asks_for_somebody(trouble: Trouble) -> None:
    """A mail that is tried again, and a folder that cannot be looked at."""
    assert ScanResult.from_trouble("integrations", trouble).attention
