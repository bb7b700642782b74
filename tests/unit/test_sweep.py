"""The way of all new mail of one mailbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.crash import Crash
from tests.kit.fakes import FakeFolder
from tests.kit.mails import token
from tests.kit.rig import BEGIN, PATH, Rig, Session, Withholding, nothing
from tests.kit.waiting import PATIENCE
from token_catcher.errors import (
    AccessError,
    Outage,
    StateError,
    Subject,
    TokenCatcherError,
    TransientError,
)
from token_catcher.model import MAX_MAIL_BYTES, Entry, Mail
from token_catcher.ports import FolderState, Heading, Span
from token_catcher.record.checkpoint import Checkpoint
from token_catcher.report import Report

SEALED = Outage("Vault is sealed", code="vault-sealed")
AFTERWARDS = ["examine Junk", "examine INBOX"]
"""What is asked after the first look at the inbox, where there is nothing new."""
NOTHING_NEW = ["folders", "examine INBOX", *AFTERWARDS]
AWAY = TransientError("the connection was lost", code="imap-connect")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An inbox, a spam folder, a Vault."""
    return Rig(tmp_path)


def sweep(rig: Rig, **how: object) -> Report:
    """One sweep in a new session; the diary tells of that one alone."""
    session = rig.connect()
    rig.diary.clear()
    return rig.sweep.run(session, **how)  # type: ignore[arg-type] # as the test says


def summary(report: Report) -> tuple[int, int, TokenCatcherError | None, bool, bool]:
    """Looked at, pending, error, complete, broken."""
    return report.looked_at, report.pending, report.error, report.complete, report.broken


def vault_is_away(rig: Rig) -> None:
    """From now on every request ends in an Outage."""

    def away(_effect: str) -> None:
        raise SEALED

    rig.on_vault = away


def vault_is_back(rig: Rig) -> None:
    """From now on it answers."""
    rig.on_vault = lambda _effect: None


def test_new_mail_of_every_folder_reaches_vault(rig: Rig) -> None:
    """Once each, with a record; a second sweep finds nothing more to do."""
    rig.deliver(1)
    rig.deliver(2, "Junk", user="etl@acme.example")
    first = sweep(rig)
    second = sweep(rig)
    assert summary(first) == (2, 0, None, True, False)
    assert summary(second) == (0, 0, None, True, False)
    assert [(entry.event, entry.folder) for entry in first.entries] == [
        ("rotation.stored", "INBOX"),
        ("rotation.stored", "Junk"),
    ]
    assert sorted(rig.tokens) == [token(1), token(2)]


def test_the_inbox_comes_first_and_last_and_stays_open(rig: Rig) -> None:
    """So that nothing holds it up; and whoever listens after a sweep listens there, and has missed
    nothing since."""
    rig.deliver(1)
    sweep(rig)
    assert rig.diary == [
        "folders",
        "examine INBOX",
        "headings 1",
        "fetch 1",
        "examine Junk",
        "examine INBOX",
    ]


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_a_sweep_without_news_takes_three_questions_at_any_size(rig: Rig, size: int) -> None:
    """Of the inbox, and of a spam folder; the list of folders is asked for once a session."""
    news = b"From: Shop <news@shop.example.com>\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n"
    for _ in range(size):
        rig.account.append(news)
    sweep(rig)
    sweep(rig)
    assert rig.diary == NOTHING_NEW


def test_the_inbox_is_looked_at_once_where_nobody_listens_afterwards(rig: Rig) -> None:
    """As by `scan`: one question less, which is dear where the inbox is large."""
    rig.deliver(1)
    sweep(rig, listens=False)
    assert rig.diary == ["folders", "examine INBOX", "headings 1", "fetch 1", "examine Junk"]
    assert sweep(rig, listens=False).complete
    assert rig.diary == ["folders", "examine INBOX", "examine Junk"]


def test_the_inbox_is_looked_at_between_the_batches_of_others(rig: Rig) -> None:
    """A flood of mail in the spam folder holds it up for no longer than a batch."""
    flood(rig, 100)
    rig.on = partial(deliver_at, rig, "fetch 2,")
    report = sweep(rig)
    assert summary(report) == (101, 0, None, True, False)
    looks = rig.diary[rig.diary.index("examine Junk") :]
    assert [line.split(",")[0] for line in looks] == [
        "examine Junk",
        "headings 1:100",
        "fetch 1",
        *["examine INBOX", "examine Junk", "fetch 2"],
        *["examine INBOX", "headings 1", "fetch 1", "examine Junk", "fetch 34", "fetch 66"],
        *["examine INBOX", "examine Junk", "fetch 98"],
        "examine INBOX",
    ]
    assert rig.tokens == [token(1)]


def flood(rig: Rig, count: int) -> None:
    """Mail in the spam folder that claims nothing."""
    for number in range(count):
        rig.account.append(mails.token_mail(subject="Welcome", body=f"Hello {number}.\n"), "Junk")


def batches(rig: Rig) -> list[int]:
    """How many times each batch of the spam folder was fetched for."""
    looks = " ".join(line.split()[0] for line in rig.diary[rig.diary.index("examine Junk") :])
    return [look.count("fetch") for look in looks.split("examine examine") if "fetch" in look]


def test_batches_grow_while_they_are_quickly_taken(rig: Rig) -> None:
    """32 mails are asked for at a time, and up to 128 taken together."""
    flood(rig, 320)
    sweep(rig)
    assert batches(rig) == [1, 1, 2, 4, 3]


def test_after_a_slow_batch_the_next_is_a_small_one(rig: Rig) -> None:
    """The records, and the inbox, wait for its end."""
    flood(rig, 320)

    def slowly(line: str) -> None:
        if line.startswith("fetch"):
            rig.time += timedelta(seconds=3)

    rig.on = slowly
    sweep(rig)
    assert batches(rig) == [1] * 11


def test_large_mail_is_not_kept_until_a_batch_is_full(rig: Rig) -> None:
    """What one FETCH gave is taken before the next, where it is as much as may be in memory."""
    oversized = mails.token_mail(body="x" * (MAX_MAIL_BYTES + 1))
    for _ in range(97):
        rig.account.append(oversized)
    report = Report("integrations")
    taken = []

    def fetched(line: str) -> None:
        if line.startswith("fetch"):
            taken.append(report.taken)

    rig.on = fetched
    sweep(rig, report=report)
    assert (taken, report.taken) == ([0, 1, 33, 65], 97)


@pytest.mark.parametrize("trouble", [AWAY, AccessError("NO", code="imap-access")])
def test_what_was_fetched_before_a_session_broke_is_taken(
    rig: Rig, trouble: TokenCatcherError
) -> None:
    """A line that breaks, or a server that says no now and then, costs no more than what it was
    asked for."""
    flood(rig, 97)

    def broken(line: str) -> None:
        if line.startswith("fetch 66"):
            raise trouble

    rig.on = broken
    report = sweep(rig)
    assert (report.looked_at, report.error) == (65, trouble)


def deliver_at(rig: Rig, beginning: str, line: str) -> None:
    """A token mail arrives while the session is asked this."""
    if line.startswith(beginning):
        rig.deliver(1)


def test_what_waits_is_tried_once_a_sweep(rig: Rig) -> None:
    """However often the inbox is looked at, and though it is to be tried at once."""
    rig.deliver(1)
    rig.deliver(2, "Junk")

    def refused(_effect: str) -> None:
        raise AccessError("no right", code="vault-policy")

    rig.on_vault = refused
    for _ in range(2):
        assert summary(sweep(rig, at_once=True)) == (2, 2, None, True, False)
    again = sweep(rig, again=True, at_once=True)
    assert summary(again) == (2, 2, None, True, False)
    assert [(trouble.folder, trouble.uid) for trouble in again.troubles] == [
        ("INBOX", 1),
        ("Junk", 1),
    ]


def test_a_folder_that_is_numbered_anew_between_two_batches_waits(rig: Rig) -> None:
    """Its numbers mean other mails by then: the next sweep begins with them."""
    for number in range(1, 4):
        rig.deliver(number, "Junk", user=f"user{number}@acme.example")

    def renumber(line: str) -> None:
        if line == "fetch 1":
            rig.account.change_uidvalidity("Junk")

    rig.on = renumber
    report = sweep(rig, folders=["INBOX", "Junk"])
    assert (report.looked_at, report.pending) == (1, 2)
    rig.on = nothing
    assert (summary(sweep(rig)), rig.tokens) == (
        (3, 0, None, True, False),
        [token(1), token(2), token(3)],
    )


def test_a_sweep_that_finds_nothing_costs_nothing(rig: Rig) -> None:
    """Where UIDNEXT says that there is nothing new, nothing is asked for."""
    rig.deliver(1)
    sweep(rig)
    sweep(rig)
    assert rig.diary == NOTHING_NEW


def test_the_first_look_says_where_older_mail_may_be(rig: Rig) -> None:
    """Only there is it worth a search: a folder whose every mail was looked at has none."""
    rig.deliver(1)
    rig.deliver(2, "Junk")
    rig.deliver(3, "Junk", received_at=BEGIN - timedelta(days=365))
    assert list(sweep(rig).first_looks) == ["Junk"]
    assert list(sweep(rig).first_looks) == []


def test_only_the_named_folders_are_looked_at(rig: Rig) -> None:
    """News of the inbox needs no look at the spam folder."""
    sweep(rig, folders=["INBOX"])
    assert rig.diary == ["examine INBOX"]


def test_the_first_batch_is_a_short_one(rig: Rig) -> None:
    """One mail shows whether Vault is there; 32 at a time follow."""
    for number in range(1, 37):
        rig.account.append(mails.token_mail(subject="Welcome", body=f"Hello {number}.\n"))
    sweep(rig)
    fetched = [len(line.split()[1].split(",")) for line in rig.diary if line.startswith("fetch")]
    assert fetched == [1, 32, 3]


def test_an_outage_ends_the_sweep(rig: Rig) -> None:
    """What is behind is not touched, and counted as waiting.

    The mail is due at once: whoever sweeps pauses instead."""
    for number in range(1, 6):
        rig.deliver(number)
    vault_is_away(rig)
    report = sweep(rig)
    assert summary(report) == (1, 5, SEALED, False, False)
    assert report.next_try == rig.time
    assert [(trouble.folder, trouble.uid, trouble.code) for trouble in report.troubles] == [
        ("INBOX", 1, "vault-sealed")
    ]
    assert rig.diary == ["folders", "examine INBOX", "headings 1:5", "fetch 1"]


def test_after_an_outage_the_oldest_comes_first(rig: Rig) -> None:
    """However often it was tried meanwhile: every user's token is stored, in order."""
    for number in range(1, 6):
        rig.deliver(number, user=f"user{number}@acme.example")
    vault_is_away(rig)
    for _ in range(5):
        rig.time += timedelta(seconds=2)
        sweep(rig)
    vault_is_back(rig)
    assert summary(sweep(rig)) == (5, 0, None, True, False)
    assert rig.tokens == [token(number) for number in range(1, 6)]


def test_an_outage_of_one_mail_alone_is_found_out(rig: Rig) -> None:
    """At its eighth try the neighbours are tried as well;
    from then on it backs off alone, and holds up nobody."""

    def one_user_is_away(_effect: str) -> None:
        if rig.storing == "bad@acme.example":
            raise SEALED

    rig.on_vault = one_user_is_away
    rig.deliver(1, user="bad@acme.example")
    rig.deliver(2, "Junk", user="etl@acme.example")
    rig.deliver(3, "Junk")
    reports = [summary(sweep(rig)) for _ in range(8)]
    assert reports == [(1, 1, SEALED, False, False)] * 7 + [(3, 1, None, True, False)]
    rig.deliver(4)
    assert summary(sweep(rig)) == (2, 1, None, True, False)
    rig.deliver(5)
    assert summary(sweep(rig)) == (1, 1, None, True, False), "it is not due"
    assert rig.tokens == [token(2), token(3), token(4), token(5)]
    vault_is_back(rig)
    rig.time += timedelta(minutes=10)
    assert summary(sweep(rig)) == (1, 0, None, True, False)
    assert rig.sweep.poison.messages == set()


def test_several_poison_messages_do_not_hide_behind_each_other(rig: Rig) -> None:
    """Two mails of a user whose path Vault cannot write: at the sixteenth try two neighbours are
    tried, and from then on nobody waits for either."""

    def one_user_is_away(_effect: str) -> None:
        if rig.storing == "bad@acme.example":
            raise SEALED

    rig.on_vault = one_user_is_away
    rig.deliver(1, user="bad@acme.example")
    rig.deliver(2, user="bad@acme.example")
    rig.deliver(3)
    errors = [sweep(rig).error for _ in range(16)]
    assert errors == [*[SEALED] * 15, None]
    assert rig.tokens == [token(3)]
    rig.deliver(4)
    assert summary(sweep(rig)) == (3, 2, None, True, False)
    assert rig.tokens == [token(3), token(4)]


def test_a_mail_that_never_asks_vault_shows_nothing_of_an_outage(rig: Rig) -> None:
    """Mail without a token is settled beside it, and what waits is due the moment Vault is back."""
    vault_is_away(rig)
    rig.deliver(1)
    rig.account.append(mails.token_mail(subject="Welcome", body="Hello.\n"))
    assert [sweep(rig).pending for _ in range(8)] == [*[2] * 7, 1]
    assert sweep(rig).error == SEALED
    assert rig.sweep.poison.messages == set()
    vault_is_back(rig)
    assert summary(sweep(rig)) == (1, 0, None, True, False)


def test_a_mail_that_waits_alone_is_not_to_blame(rig: Rig) -> None:
    """At its eighth try there is no neighbour that fares better:
    the outage goes on, and the mail is due at once."""
    rig.deliver(1)
    vault_is_away(rig)
    assert [summary(sweep(rig)) for _ in range(9)] == [
        *[(1, 1, SEALED, False, False)] * 7,
        (1, 1, SEALED, True, False),
        (1, 1, SEALED, False, False),
    ]
    vault_is_back(rig)
    assert summary(sweep(rig)) == (1, 0, None, True, False)


def test_in_an_outage_the_neighbour_is_no_better(rig: Rig) -> None:
    """Nobody is blamed for what Vault does, however long."""
    for number in range(1, 4):
        rig.deliver(number)
    vault_is_away(rig)
    for _ in range(30):
        assert sweep(rig).error == SEALED
    assert rig.sweep.poison.messages == set()
    vault_is_back(rig)
    assert summary(sweep(rig)) == (3, 0, None, True, False)
    assert rig.tokens == [token(1), token(2), token(3)]


def test_a_mails_own_trouble_backs_off_alone(tmp_path: Path) -> None:
    """DNS does not answer for one key: that mail waits, the others do not."""
    other = mails.Signer(mails.genuine_signer().private_pem, selector="lost")
    rig = Rig(tmp_path, mails.Keys({**mails.genuine_keys().records, other.name: None}))
    rig.account.append(
        mails.sign(
            mails.token_mail("slow@acme.example", token(1), issued_at=BEGIN), other, at=BEGIN
        )
    )
    rig.deliver(2)
    report = sweep(rig)
    assert summary(report) == (2, 1, None, True, False)
    assert report.next_try is not None
    assert report.next_try > rig.time
    assert rig.tokens == [token(2)]


def test_a_bug_that_one_mail_wakes_costs_no_other(rig: Rig) -> None:
    """It stays pending with the code `internal`, and its neighbour is stored;
    the log says where the bug is, and the error's text goes nowhere."""
    rig.deliver(1, user="a@acme.example")
    rig.deliver(2)
    once = iter([True])

    def bug(_effect: str) -> None:
        if next(once, False):
            raise ZeroDivisionError("with a secret in its text")

    rig.on_vault = bug
    report = sweep(rig)
    assert summary(report) == (2, 1, None, True, False)
    assert [(trouble.code, trouble.message) for trouble in report.troubles] == [
        ("internal", "an error of this program: ZeroDivisionError")
    ]
    (pending,) = rig.said("mail.pending")
    raised_at = f"test_sweep.py:{bug.__code__.co_firstlineno + 2}"
    assert (pending["kind"], pending["at"]) == ("ZeroDivisionError", raised_at)
    assert "secret" not in repr(rig.log.events)
    assert rig.tokens == [token(2)]


def test_what_vault_refuses_is_told_with_its_user(rig: Rig) -> None:
    """In the report and in the log: whose integration is down until somebody acts."""
    rig.deliver(1)

    def refuse(_effect: str) -> None:
        raise AccessError("Vault denies access", code="vault-policy")

    rig.on_vault = refuse
    [trouble] = sweep(rig).troubles
    (pending,) = rig.said("mail.pending")
    issued_at = "2026-02-03T13:00:01Z"
    assert trouble.subject == Subject(mails.USERNAME, "acme", PATH, issued_at)
    told = {name: pending[name] for name in ("username", "org", "path", "issued_at")}
    assert told == {
        "username": mails.USERNAME,
        "org": "acme",
        "path": PATH,
        "issued_at": issued_at,
    }


def test_a_full_disk_ends_the_sweep_and_keeps_the_session(rig: Rig) -> None:
    """Nothing can be settled then; the mailbox is not to blame."""
    full = StateError("the disk is full", code="journal-write")
    rig.deliver(1)

    def disk_is_full(_effect: str) -> None:
        raise full

    rig.on_vault = disk_is_full
    assert summary(sweep(rig)) == (1, 1, full, False, False)
    vault_is_back(rig)
    assert summary(sweep(rig)) == (1, 0, None, True, False)


def test_a_lost_connection_breaks_the_session(rig: Rig) -> None:
    """What was settled before stays so; the rest is found again."""
    lost = Outage("the connection was lost", code="imap-connection")
    rig.deliver(1)
    rig.deliver(2, "Junk", user="etl@acme.example")

    def lose(what: str) -> None:
        if what == "examine Junk":
            raise lost

    rig.on = lose
    assert summary(sweep(rig)) == (1, 0, lost, False, True)
    rig.on = lambda _what: None
    assert summary(sweep(rig)) == (1, 0, None, True, False)


def test_a_spam_folder_that_cannot_be_opened_does_not_cost_the_inbox(rig: Rig) -> None:
    """It is told, and the inbox is looked at."""
    rig.deliver(1)
    del rig.account.folders["Junk"]
    session = rig.connect()
    report = rig.sweep.run(session, ["INBOX", "Junk"])
    assert isinstance(report.error, AccessError)
    assert (report.looked_at, report.complete, report.broken) == (1, True, False)
    assert rig.tokens == [token(1)]


def test_every_folder_that_cannot_be_opened_is_told(rig: Rig) -> None:
    """In one error, and the inbox is looked at."""
    rig.deliver(1)
    report = rig.sweep.run(rig.connect(), ["INBOX", "Alerts", "Archive"])
    assert str(report.error) == (
        "mailbox integrations: folder Alerts cannot be opened; mailbox integrations: folder Archive"
        " cannot be opened"
    )
    assert report.error is not None
    assert (report.error.code, rig.tokens) == ("imap-folder", [token(1)])


def test_an_inbox_that_cannot_be_opened_breaks_the_session(rig: Rig) -> None:
    """Without it there is nothing to listen to."""
    del rig.account.folders["INBOX"]
    report = rig.sweep.run(rig.connect(), ["INBOX", "Junk"])
    assert isinstance(report.error, AccessError)
    assert (report.complete, report.broken) == (False, True)


def test_a_mail_that_cannot_be_fetched_does_not_freeze_the_folder(rig: Rig) -> None:
    """Its batch is fetched one by one in the next session,
    then it waits alone and the others go on."""
    for number in range(1, 6):
        rig.deliver(number)
    unreadable = TransientError("an answer of no known form", code="imap-protocol")

    def third_is_bad(what: str) -> None:
        if what.startswith("fetch") and "3" in what.split()[1].split(","):
            raise unreadable

    rig.on = third_is_bad
    assert [summary(sweep(rig)) for _ in range(3)] == [
        (1, 4, unreadable, False, True),
        (1, 3, unreadable, False, True),
        (2, 1, None, True, False),
    ]
    assert rig.tokens == [token(1), token(2), token(4), token(5)]
    rig.on = lambda _what: None
    rig.time += timedelta(minutes=10)
    assert summary(sweep(rig)) == (1, 0, None, True, False)
    assert rig.sweep.poison.suspects == set()


def unreadable(rig: Rig, *uids: int) -> None:
    """From now on no FETCH of these mails is answered."""

    def happens(what: str) -> None:
        verb, _, asked_for = what.partition(" ")
        if verb == "fetch" and {int(uid) for uid in asked_for.split(",")}.intersection(uids):
            raise TransientError("an answer of no known form", code="imap-protocol")

    rig.on = happens


def test_no_two_sessions_in_a_row_are_lost_to_mail_that_cannot_be_fetched(rig: Rig) -> None:
    """However soon it is due again: it is left out until a sweep has gone through without it."""
    unreadable(rig, 1, 2)
    looked_at = []
    for number in range(1, 13):
        rig.deliver(number)
        rig.time += timedelta(minutes=10)
        looked_at.append(sweep(rig).looked_at)
    assert looked_at == [0, 0, 0, 0, 3, 0, 2, 0, 2, 0, 2, 0]
    unreadable(rig)
    for _ in range(3):
        rig.time += timedelta(minutes=10)
        report = sweep(rig)
    assert (report.pending, rig.sweep.poison.suspects) == (0, set())


def test_a_lost_checkpoint_leaves_no_mail_out(rig: Rig) -> None:
    """What is pending may be left out for a while; what is new again would be lost that way."""
    rig.deliver(1)
    unreadable(rig, 1)
    sweep(rig)
    sweep(rig)
    assert rig.sweep.poison.left_out != []
    for file in (rig.home / "checkpoints").glob("*.json"):
        file.unlink()
    unreadable(rig)
    sweep(rig)
    assert rig.tokens == [token(1)]


def test_a_stop_comes_between_two_mails(rig: Rig) -> None:
    """The mail in hand is settled, the rest is found again."""
    for number in range(1, 4):
        rig.deliver(number)

    def stop(effect: str) -> None:
        rig.stopping = rig.stopping or effect == "written"

    rig.on_vault = stop
    assert summary(sweep(rig)) == (1, 2, None, False, False)
    rig.stopping = False
    vault_is_back(rig)
    assert summary(sweep(rig)) == (2, 0, None, True, False)


def test_each_mail_is_a_sign_of_life(rig: Rig) -> None:
    """A first look at a large mailbox may take minutes, and is no reason to be taken for dead.

    So is each range of headings."""
    for number in range(1, 4):
        rig.deliver(number, user=f"user{number}@acme.example")
    moves: list[int] = []
    sweep(rig, moved=lambda: moves.append(1))
    headings = 1
    fetches = 2
    judged = 3
    read_ahead = 2
    stored_beside_another = 1
    assert len(moves) == headings + fetches + judged + read_ahead + stored_beside_another


def test_mail_older_than_the_window_is_not_looked_at(rig: Rig) -> None:
    """SINCE knows days only: what it lets through too much is settled unread."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=14, minutes=1))
    rig.deliver(2, received_at=BEGIN - timedelta(days=13, hours=23), user="etl@acme.example")
    assert sweep(rig).looked_at == 1


def test_pending_mail_does_not_fall_out_of_the_window(rig: Rig) -> None:
    """A Vault that is away for longer than the window loses nothing."""
    rig.deliver(1)
    vault_is_away(rig)
    sweep(rig)
    rig.time += timedelta(days=30)
    vault_is_back(rig)
    assert summary(sweep(rig)) == (1, 0, None, True, False)
    assert rig.tokens == [token(1)]


def vanishing(rig: Rig, uid: int) -> None:
    """The mail is not there any more when it is fetched."""

    def happens(what: str) -> None:
        if what.startswith("fetch"):
            rig.account.folders["INBOX"].mails.pop(uid, None)

    rig.on = happens


def test_a_vanished_mail_is_settled(rig: Rig) -> None:
    """It was deleted between its heading and its body: the server, asked for it, says so."""
    uid = rig.deliver(1)
    vanishing(rig, uid)
    assert summary(sweep(rig)) == (0, 0, None, True, False)
    assert rig.diary[-6:] == ["fetch 1", "fetch 1", "present 1", "headings 1", *AFTERWARDS]


class Forgetful(Session):
    """Gives no body, and says by SEARCH that the mail is not there."""

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        return []

    def present(self, *spans: Span) -> Sequence[int]:
        return []


def test_a_mail_that_only_a_search_denies_is_not_settled(rig: Rig) -> None:
    """Its heading still comes: it waits, and is stored once its body comes."""
    rig.deliver(1)
    report = rig.sweep.run(Forgetful(rig))
    assert [trouble.code for trouble in report.troubles] == ["imap-no-body"]
    rig.time += timedelta(minutes=10)
    assert summary(sweep(rig)) == (1, 0, None, True, False)
    assert rig.tokens == [token(1)]


def test_a_look_that_was_broken_off_leaves_no_hole_behind(rig: Rig) -> None:
    """What it settled above the last mail of the look before is not taken for missing."""
    for number in (1, 2, 3):
        rig.deliver(number)
        if number == 1:
            sweep(rig)
    writes = count(1)

    def away_from_the_second_write(effect: str) -> None:
        if effect == "write" and next(writes) == 2:
            vault_is_away(rig)
            rig.on_vault(effect)

    rig.on_vault = away_from_the_second_write
    assert summary(sweep(rig))[1] == 1
    vault_is_back(rig)
    for _ in range(3):
        rig.time += timedelta(minutes=10)
        assert (sweep(rig).troubles, rig.said("folder.incomplete")) == ([], [])
    assert rig.tokens == [token(1), token(2), token(3)]


def test_what_waits_is_not_lost_to_new_numbers_and_age(rig: Rig) -> None:
    """It waited longer than the look-back window, and then the folder was numbered anew."""
    rig.deliver(1)
    vault_is_away(rig)
    sweep(rig)
    rig.deliver(2)
    rig.time += timedelta(days=15)
    rig.account.change_uidvalidity()
    vault_is_back(rig)
    sweep(rig)
    assert rig.tokens == [token(1), token(2)]


def test_what_came_while_nobody_looked_for_a_month_is_caught(rig: Rig) -> None:
    """The look-back window is for a folder that nothing is known of;
    above what is known every mail is new."""
    rig.deliver(1)
    sweep(rig)
    rig.time += timedelta(days=1)
    rig.deliver(2)
    rig.time += timedelta(days=30)
    assert (summary(sweep(rig)), rig.tokens[-1]) == ((1, 0, None, True, False), token(2))


def test_another_sweep_that_holds_the_checkpoint_is_waited_for_and_told(rig: Rig) -> None:
    """It breaks no session: the mail is in good hands."""
    rig.deliver(1)
    with Checkpoint.hold(rig.home / "checkpoints", "integrations"):
        report = sweep(rig, wait=0.0)
    assert report.error is not None
    assert (report.error.code, report.complete, report.broken) == ("busy", False, False)


class AnsweredAhead(Session):
    """A session in which EXAMINE of the inbox was answered before the sweep began."""

    def __init__(
        self, rig: Rig, ahead: FolderState, on_anew: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(rig)
        self.ahead: FolderState | None = ahead
        self._on_anew = on_anew

    def examine(self, folder: str) -> FolderState:
        ahead = self.ahead
        self.ahead = None
        state = super().examine(folder)
        return ahead or state

    def ask_anew(self) -> None:
        self.ahead = None
        self._on_anew()


def of_inbox(rig: Rig) -> FolderState:
    """How it is now."""
    return Session(rig).examine("INBOX")


def test_after_another_sweep_everything_is_asked_anew(rig: Rig) -> None:
    """It has settled mail meanwhile and moved it away, which would look like a hole."""
    rig.deliver(1)
    rig.deliver(2)
    ahead = of_inbox(rig)
    sweep(rig)
    rig.account.expunge(1)
    sweep(rig)
    with ExitStack() as other:
        other.enter_context(Checkpoint.hold(rig.home / "checkpoints", "integrations"))
        session = AnsweredAhead(rig, ahead, on_anew=other.close)
        report = rig.sweep.run(session, wait=PATIENCE)
    assert summary(report) == (0, 0, None, True, False)
    assert report.troubles == []


@pytest.mark.parametrize(("uidvalidity", "uidnext"), [(1, 2), (9, 3)])
def test_no_folder_is_set_back_on_one_word(rig: Rig, uidvalidity: int, uidnext: int) -> None:
    """It may be from before the last sweep, or from a node that lags behind."""
    rig.deliver(1)
    rig.deliver(2)
    sweep(rig)
    told = len(rig.said("checkpoint.reset"))
    ahead = FolderState("INBOX", uidvalidity, uidnext, 2)
    report = rig.sweep.run(AnsweredAhead(rig, ahead))
    assert summary(report) == (0, 0, None, True, False)
    assert len(rig.said("checkpoint.reset")) == told


class OnceAnother(Session):
    """A session that says once of each mail that it is another one."""

    is_first = True

    def headings(self, *spans: Span) -> Sequence[Heading]:
        headings = super().headings(*spans)
        if self.is_first:
            headings = [replace(heading, message_id=b"<other@x>") for heading in headings]
        self.is_first = False
        return headings


def test_no_folder_is_set_back_on_one_word_on_its_last_mail(rig: Rig) -> None:
    """Asked again, it is the one that was known."""
    rig.deliver(1)
    sweep(rig)
    told = len(rig.said("checkpoint.reset"))
    rig.deliver(2)
    report = rig.sweep.run(OnceAnother(rig))
    assert (report.looked_at, rig.tokens[-1]) == (1, token(2))
    assert len(rig.said("checkpoint.reset")) == told


def test_what_a_sweep_does_not_come_to_is_dropped(rig: Rig) -> None:
    """The next one, after whatever time, asks for it."""
    rig.deliver(1)
    session = AnsweredAhead(rig, of_inbox(rig))
    with Checkpoint.hold(rig.home / "checkpoints", "integrations"):
        rig.sweep.run(session, wait=0.0)
    assert session.ahead is None
    (rig.home / "checkpoints").rename(rig.home / "moved")
    (rig.home / "checkpoints").write_text("no directory")
    session.ahead = of_inbox(rig)
    report = rig.sweep.run(session)
    assert isinstance(report.error, StateError)
    assert session.ahead is None


def test_again_looks_at_settled_mail(rig: Rig) -> None:
    """Of the window; what is in Vault gets no second record."""
    rig.deliver(1)
    sweep(rig)
    again = sweep(rig, again=True)
    assert (again.looked_at, again.entries) == (1, [])


def test_again_survives_a_stop(rig: Rig) -> None:
    """What was to be looked at again is pending on disk before any of it is touched."""
    for number in range(1, 4):
        rig.deliver(number)
    sweep(rig)
    rig.stopping = True
    assert summary(sweep(rig, again=True)) == (0, 3, None, False, False)
    rig.stopping = False
    assert summary(sweep(rig)) == (3, 0, None, True, False)


def test_a_mail_is_settled_on_disk_only_after_its_record(rig: Rig) -> None:
    """Whatever finds it again later: a crash on its way leaves it unsettled."""
    rig.deliver(1)

    def crash(_effect: str) -> None:
        raise Crash

    rig.on_vault = crash
    with pytest.raises(Crash):
        sweep(rig)
    with Checkpoint.hold(rig.home / "checkpoints", "integrations") as checkpoint:
        assert checkpoint.folder("INBOX", 1, None, BEGIN).settled_through == 0


def test_again_survives_a_crash(rig: Rig) -> None:
    """At the first touch of the first mail: the next start looks at all of them."""
    for number in range(1, 4):
        rig.deliver(number)
    sweep(rig)

    def crash(what: str) -> None:
        if what.startswith("fetch"):
            raise Crash

    rig.on = crash
    with pytest.raises(Crash):
        sweep(rig, again=True)
    rig.on = lambda _what: None
    assert summary(sweep(rig)) == (3, 0, None, True, False)


# -- a token that Vault has lost --


def test_an_older_token_is_tried_after_a_newer_one_that_failed_by_itself(rig: Rig) -> None:
    """Also where all that waits is tried at once: a dead token is not current in between."""
    for number, user in enumerate(("etl", "one", "one"), 1):
        rig.deliver(number, user=f"{user}@acme.example")
    troubles = [TransientError("others wrote", code="vault-race")]

    def first_write_of_one_fails(effect: str) -> None:
        if effect == "write" and rig.storing == "one@acme.example" and troubles:
            raise troubles.pop()

    rig.on_vault = first_write_of_one_fails
    first = sweep(rig)
    assert [trouble.code for trouble in first.troubles] == ["vault-newer-waits", "vault-race"]
    assert (rig.tokens, first.pending) == ([token(1)], 2)
    second = sweep(rig, at_once=True)
    assert rig.tokens == [token(1), token(3)]
    assert [(entry.uid, entry.reason) for entry in second.entries] == [(3, None), (2, "stale")]
    assert summary(second) == (2, 0, None, True, False)


def lose(rig: Rig) -> Entry:
    """A token is stored, a person drops it from Vault, and its mail is asked for; its record."""
    rig.deliver(1)
    (record,) = sweep(rig).entries
    rig.vault.put(PATH, {"password": "p"})
    rig.sweep.bring_back(record)
    return record


def test_a_lost_token_is_brought_back_from_its_mail(rig: Rig) -> None:
    """By the next sweep, which fetches that mail alone; once."""
    lose(rig)
    rig.deliver(2, user="etl@acme.example")
    first, second = sweep(rig).entries
    assert (first.uid, first.event, first.mended) == (1, "rotation.stored", True)
    assert (second.uid, second.mended) == (2, False)
    assert (rig.vault.get(PATH) or {})["security_token"] == token(1)
    assert rig.diary[:3] == ["folders", "examine INBOX", "fetch 1"]
    assert (sweep(rig).looked_at, rig.log.warnings[1:]) == (0, [])


def test_a_mail_that_was_moved_brings_its_token_back(rig: Rig) -> None:
    """Known by its digest, in any watched folder, whatever a sweep has made of it there."""
    lose(rig)
    _, raw = rig.account.folders["INBOX"].mails.pop(1)
    rig.account.append(raw, "Junk")
    sweep(rig)
    assert (rig.vault.get(PATH) or {})["security_token"] == token(1)


def test_a_crash_before_a_lost_token_is_stored_does_not_forget_it(rig: Rig) -> None:
    """That its mail is to be looked at again is on disk before anything is done."""
    lose(rig)
    vault_is_away(rig)
    assert sweep(rig).pending == 1
    vault_is_back(rig)
    again = Rig(rig.home)
    again.account = rig.account
    again.time += timedelta(minutes=1)  # its Vault is another one, that numbers from 1 as well
    (record,) = sweep(again).entries
    assert (record.event, record.mended) == ("rotation.stored", True)


def test_a_lost_token_whose_mail_is_gone_is_told(rig: Rig) -> None:
    """With what to do; and the sweep goes on."""
    record = lose(rig)
    rig.account.expunge()
    rig.deliver(2, user="etl@acme.example")
    report = sweep(rig)
    assert summary(report) == (1, 0, None, True, False)
    assert rig.said("mail.missing") == [
        {
            "mailbox": "integrations",
            "folder": "INBOX",
            "uid": 1,
            "org": "acme",
            "username": record.username,
            "note": "it is in no watched folder any more: reset the user's security token",
        }
    ]


def test_a_lost_token_whose_mail_does_not_show_is_told_so(rig: Rig) -> None:
    """Nobody is sent to reset a token whose mail is there."""
    lose(rig)
    session = Withholding(rig)
    session.without_body = {1}
    rig.sweep.run(session)
    (told,) = rig.said("mail.missing")
    assert told["note"] == "mailbox integrations: the server does not give the body of a mail"


def test_a_search_for_a_mail_that_breaks_the_session_breaks_one(rig: Rig) -> None:
    """What waits for Vault's sake must not cost the new mail; it is asked for again later."""
    lose(rig)
    rig.deliver(2, user="etl@acme.example")

    def cut(what: str) -> None:
        if what == "fetch 1":
            raise AWAY

    rig.on = cut
    assert sweep(rig).broken
    assert [entry.uid for entry in sweep(rig).entries] == [2]


def test_a_folder_that_no_sweep_has_come_to_is_looked_at_first(rig: Rig) -> None:
    """A UID of it means nothing without its checkpoint."""
    lose(rig)
    (rig.home / "checkpoints" / "integrations.json").unlink()
    assert summary(sweep(rig)) == (1, 0, None, True, False)
    assert rig.vault.get(PATH) == {"password": "p"}


def test_a_pending_mail_is_told_seldom(rig: Rig) -> None:
    """At the 1st, 2nd, 4th and 8th try of a long outage, not at each."""
    rig.deliver(1)
    vault_is_away(rig)
    told: list[object] = []

    def warning(event: str, **fields: object) -> None:
        if event == "mail.pending":
            told.append(fields["attempts"])

    rig.log.warning = warning  # type: ignore[method-assign]
    for _ in range(9):
        sweep(rig)
    assert told == [1, 2, 4, 8]


def test_a_new_uidvalidity_is_told_and_costs_one_look(rig: Rig) -> None:
    """No second version, no second record;
    and once only, even if the folder is empty from then on."""
    rig.deliver(1)
    sweep(rig)
    rig.account.change_uidvalidity()
    report = sweep(rig)
    assert (report.looked_at, report.entries) == (1, [])
    rig.account.folders["INBOX"] = FakeFolder(uidvalidity=3)
    sweep(rig)
    sweep(rig)
    assert [fields["folder"] for fields in rig.said("checkpoint.reset") if "folder" in fields] == [
        "INBOX",
        "INBOX",
    ]
    assert len(rig.vault.versions(PATH)) == 1


def test_a_missing_checkpoint_is_told_once(rig: Rig) -> None:
    """Not at every look into an empty mailbox."""
    sweep(rig)
    sweep(rig)
    assert len(rig.said("checkpoint.reset")) == 1


# -- what a server says --


class LyingSession(Session):
    """Leaves bodies out, for a while or for ever."""

    without_body: frozenset[int] = frozenset()
    only_alone: frozenset[int] = frozenset()

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        left_out = self.without_body
        if len(uids) > 1:
            left_out |= self.only_alone
        return [mail for mail in super().fetch(uids) if mail.ref.uid not in left_out]


def lying_sweep(rig: Rig, **lies: frozenset[int]) -> Report:
    """One sweep in a session that lies so."""
    session = LyingSession(rig)
    for name, uids in lies.items():
        setattr(session, name, uids)
    rig.diary.clear()
    return rig.sweep.run(session)


def test_a_body_that_did_not_come_is_asked_for_alone(rig: Rig) -> None:
    """Some servers leave mail out of a longer answer: it is caught in the same sweep."""
    for number in range(1, 5):
        rig.deliver(number)
    report = lying_sweep(rig, only_alone=frozenset({3}))
    assert (summary(report), rig.tokens[-1]) == ((4, 0, None, True, False), token(4))
    assert rig.diary[-5:] == ["fetch 1", "fetch 2,3,4", "fetch 3", *AFTERWARDS]


def test_a_mail_without_a_body_is_pending_and_told(rig: Rig) -> None:
    """It is there, as the server says: it waits, with its own back-off, until its body comes."""
    rig.deliver(1)
    nothing = frozenset({1})
    report = lying_sweep(rig, without_body=nothing)
    assert summary(report) == (0, 1, None, True, False)
    assert [(trouble.uid, trouble.code) for trouble in report.troubles] == [(1, "imap-no-body")]
    assert [event["code"] for event in rig.said("mail.pending")] == ["imap-no-body"]
    for _ in range(5):
        rig.time += timedelta(minutes=10)
        assert lying_sweep(rig, without_body=nothing).pending == 1
    rig.time += timedelta(minutes=10)
    assert (summary(sweep(rig)), rig.tokens) == ((1, 0, None, True, False), [token(1)])


def test_mail_that_is_for_nobody_here_is_not_fetched(rig: Rig) -> None:
    """Its From says so; the next sweep asks nothing."""
    rig.account.append(mails.token_mail(sender="Shop <news@shop.example.com>"))
    assert summary(sweep(rig)) == (0, 0, None, True, False)
    assert rig.diary[-3:] == ["headings 1", *AFTERWARDS]
    sweep(rig)
    assert rig.diary == NOTHING_NEW


def test_mail_that_is_seen_after_its_number_was_passed_is_caught(rig: Rig) -> None:
    """UIDNEXT was raised before the mail could be seen, and a later mail came first."""
    inbox = rig.account.folders["INBOX"]
    rig.deliver(1)
    uid = rig.deliver(2)
    rig.deliver(3)
    hidden = inbox.mails.pop(uid)
    sweep(rig)
    sweep(rig)
    inbox.mails[uid] = hidden
    report = sweep(rig)
    assert [(entry.event, entry.uid) for entry in report.entries] == [("rotation.unchanged", uid)]


def test_mail_that_is_seen_just_as_another_is_expunged_is_caught_within_the_hour(rig: Rig) -> None:
    """The count of mails is the same, and nothing looks new; new mail does not put the look off."""
    inbox = rig.account.folders["INBOX"]
    first = rig.deliver(1)
    uid = rig.deliver(2, user="etl@acme.example")
    rig.deliver(3)
    hidden = inbox.mails.pop(uid)
    sweep(rig)
    inbox.mails[uid] = hidden
    rig.account.expunge(first)
    rig.time += timedelta(minutes=59)
    rig.deliver(4)
    assert [entry.uid for entry in sweep(rig).entries] == [4]
    rig.time += timedelta(minutes=2)
    report = sweep(rig)
    assert [(entry.event, entry.uid) for entry in report.entries] == [("rotation.stored", uid)]
    assert rig.diary[-5:] == ["headings 4,5", "headings 1:4", f"fetch {uid}", *AFTERWARDS]


def test_an_hourly_look_below_fetches_nothing_twice(rig: Rig) -> None:
    """Not what a look came to before, as settled or as pending mail; nor on the next day."""
    rig.deliver(1)
    rig.account.append(mails.token_mail(subject="Your weekly digest", body="Nothing of note.\n"))
    sweep(rig)
    rig.deliver(3)
    sweep(rig)
    for _ in range(2):
        rig.time += timedelta(hours=12)
        sweep(rig)
        assert rig.diary == [
            "folders",
            "examine INBOX",
            "headings 3,4",
            "headings 1:3",
            *AFTERWARDS,
        ]


def test_a_uidnext_that_runs_ahead_is_asked_behind_once_more(rig: Rig) -> None:
    """The newest mail cannot be seen yet; nothing behind it is settled by its number."""
    inbox = rig.account.folders["INBOX"]
    rig.deliver(1)
    uid = rig.deliver(2)
    hidden = inbox.mails.pop(uid)
    sweep(rig)
    inbox.mails[uid] = hidden
    assert (summary(sweep(rig)), rig.tokens[-1]) == ((1, 0, None, True, False), token(2))
    del inbox.mails[uid]
    rig.account.folders["INBOX"].uidnext += 5
    sweep(rig)
    sweep(rig)
    sweep(rig)
    assert rig.diary == NOTHING_NEW, "it was told twice"


def test_what_waits_keeps_its_back_off_when_numbers_change(rig: Rig) -> None:
    """Known by its digest: Vault is not asked at every look."""
    rig.deliver(1)
    refuse = AccessError("no right", code="vault-policy")

    def refused(_effect: str) -> None:
        raise refuse

    rig.on_vault = refused
    assert sweep(rig).pending == 1
    for _ in range(5):
        rig.account.change_uidvalidity()
        report = sweep(rig)
        assert (report.looked_at, report.pending) == (0, 1)
    vault_is_back(rig)
    rig.time += timedelta(minutes=10)
    rig.account.change_uidvalidity()
    assert (summary(sweep(rig)), rig.tokens) == ((1, 0, None, True, False), [token(1)])


def test_numbers_that_change_at_every_look_are_told_once(rig: Rig) -> None:
    """And advised about, once; the folder is selected once, which ends it at Courier."""
    rig.deliver(1)
    sweep(rig)
    selected = []
    for _ in range(4):
        rig.account.change_uidvalidity()
        sweep(rig)
        selected.append("select INBOX" in rig.diary)
    assert selected == [False, True, False, False]
    assert len(rig.said("mailbox.renumbers")) == 1
    warned = [event for event, _ in rig.log.warnings if event == "checkpoint.reset"]
    assert len(warned) == 1, "the first new number; a first start is no trouble"


def test_settled_mail_is_not_fetched_again_when_numbers_change(rig: Rig) -> None:
    """From the second time on it is known by its heading."""
    for number in range(1, 6):
        rig.deliver(number, received_at=BEGIN + timedelta(seconds=number))
    sweep(rig)
    fetched = []
    for _ in range(3):
        rig.account.change_uidvalidity()
        sweep(rig)
        fetched.append(len([line for line in rig.diary if line.startswith("fetch")]))
    assert fetched == [2, 0, 0]
    rig.account.change_uidvalidity()
    rig.deliver(6, received_at=BEGIN + timedelta(seconds=6))
    assert (sweep(rig).looked_at, rig.tokens[-1]) == (1, token(6))


def test_of_two_mails_with_one_key_neither_is_taken_for_settled(rig: Rig) -> None:
    """Should it ever happen: both are fetched, and their digests tell."""
    rig.deliver(1, received_at=BEGIN)
    sweep(rig)
    for _ in range(2):
        rig.account.change_uidvalidity()
        sweep(rig)
    rig.account.change_uidvalidity()
    rig.deliver(2, user="integratiom@acme.example", received_at=BEGIN)
    assert (sweep(rig).looked_at, rig.tokens[-1]) == (2, token(2))


def test_a_mailbox_set_back_under_the_same_numbers_begins_anew(rig: Rig) -> None:
    """A backup was put back, and new mail has the numbers of the old: the last mail is another."""
    for number in range(1, 4):
        rig.deliver(number)
    sweep(rig)
    inbox = rig.account.folders["INBOX"]
    del inbox.mails[2]
    del inbox.mails[3]
    inbox.uidnext = 2
    for number in range(4, 7):
        rig.deliver(number, received_at=BEGIN + timedelta(seconds=number))
    assert (sweep(rig).looked_at, rig.tokens[-1]) == (4, token(6))
    assert "set back" in rig.said("checkpoint.reset")[-1]["note"]


def test_an_old_mail_that_is_another_one_is_noticed_within_the_hour(rig: Rig) -> None:
    """Set back, by chance with the same UIDNEXT and as many mails: now and then it is asked."""
    rig.deliver(1)
    rig.deliver(2)
    sweep(rig)
    inbox = rig.account.folders["INBOX"]
    del inbox.mails[2]
    inbox.uidnext = 2
    rig.deliver(3, received_at=BEGIN + timedelta(seconds=3))
    rig.time += timedelta(minutes=59)
    assert sweep(rig).looked_at == 0
    rig.time += timedelta(minutes=2)
    sweep(rig)
    assert rig.tokens[-1] == token(3)


def test_a_clock_that_was_ahead_costs_no_mail(rig: Rig) -> None:
    """At the first look it was a month ahead, so that the mail seemed older than the window."""
    rig.deliver(1)
    rig.time += timedelta(days=30)
    assert summary(sweep(rig)) == (0, 0, None, True, False)
    rig.time -= timedelta(days=30)
    assert (summary(sweep(rig)), rig.tokens) == ((1, 0, None, True, False), [token(1)])
    assert "the look back begins" in rig.said("checkpoint.reset")[-1]["note"]


def test_mail_that_the_server_does_not_name_is_told(rig: Rig) -> None:
    """EXISTS counts it, and that is all: the sweep is not at its end, and comes back."""
    rig.deliver(1)
    rig.deliver(2)

    class Counting(Session):
        def examine(self, folder: str) -> FolderState:
            state = super().examine(folder)
            return replace(state, exists=state.exists + (folder == "INBOX"))

    report = rig.sweep.run(Counting(rig))
    assert (report.looked_at, report.pending, report.complete) == (2, 1, True)
    assert [(trouble.uid, trouble.code) for trouble in report.troubles] == [(3, "imap-incomplete")]
    assert report.next_try is not None
    assert len(rig.said("folder.incomplete")) == 1
    assert summary(sweep(rig)) == (0, 0, None, True, False)


# -- headings that cannot be read --


class Unreadable(Session):
    """A session that the answer for the second mail breaks: by its heading, or its body as well."""

    bodies = True

    def headings(self, *spans: Span) -> Sequence[Heading]:
        headings = super().headings(*spans)
        if any(heading.uid == 2 for heading in headings):
            raise TransientError("an answer to FETCH of no known form", code="imap-protocol")
        return headings

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        if 2 in uids and self.bodies:
            raise TransientError("an answer to FETCH of no known form", code="imap-protocol")
        return super().fetch(uids)


@pytest.mark.parametrize("bodies", [True, False], ids=["its body as well", "its heading alone"])
def test_one_mail_whose_answer_cannot_be_read_costs_no_other(rig: Rig, bodies: bool) -> None:
    """The next session asks one by one, the one after leaves it out: the mail behind is stored."""
    expected = []
    for number in range(1, 6):
        rig.deliver(number, user=f"user{number}@acme.example")
        if number != 2 or not bodies:
            expected.append(token(number))
    for _ in range(5):
        session = Unreadable(rig)
        session.bodies = bodies
        rig.sweep.run(session)
    assert sorted(rig.tokens) == expected
    rig.deliver(6, user="user6@acme.example")
    session = Unreadable(rig)
    session.bodies = bodies
    rig.sweep.run(session)
    assert token(6) in rig.tokens


def test_a_connection_that_is_lost_says_nothing_of_a_heading(rig: Rig) -> None:
    """The next session asks for all of them at once."""
    rig.deliver(1)

    def lose(what: str) -> None:
        if what.startswith("headings"):
            raise AWAY

    rig.on = lose
    assert summary(sweep(rig)) == (0, 0, AWAY, False, True)
    assert (rig.sweep.poison.careful, rig.sweep.poison.unreadable) == (set(), set())


@pytest.mark.parametrize("year", [1971, 9999])
def test_an_arrival_at_the_end_of_time_costs_no_other_mail(rig: Rig, year: int) -> None:
    """Whatever is reckoned with it: the mail behind is stored."""
    arrival = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    rig.deliver(1, user="odd@acme.example", received_at=arrival)
    rig.deliver(2)
    report = sweep(rig)
    assert (report.complete, report.broken, token(2) in rig.tokens) == (True, False, True)
