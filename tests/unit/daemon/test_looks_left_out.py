"""Where the server tells that all is as before, a look that would find nothing is left out.

Whatever else a look goes by is looked at first: nothing waits longer for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.rig import PATH, Rig, Session
from tests.kit.waiting import until
from tests.unit.daemon.kit import QUICK, made, until_asked, watching
from token_catcher.daemon.watch import LEFT_OUT_FOR, Watch
from token_catcher.errors import NotApplied
from token_catcher.model import MailRef, iso
from token_catcher.ports import Delete, MoveTo
from token_catcher.record import Checkpoint, Journal, LastLook, LookNotes

A_LOOK = ["folders", "examine INBOX"]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An inbox with a settled mail, and a Vault."""
    rig = Rig(tmp_path)
    rig.account.watched = ("INBOX",)
    rig.deliver(1)
    return rig


def call(rig: Rig, watch: Watch, change: Callable[[], object] = lambda: None) -> list[str]:
    """Change something, and call for a look. Returns what the session was asked until an IDLE."""
    rig.diary.clear()
    change()
    watch.wakeup.set()
    until(lambda: rig.diary[-1:] == ["idle INBOX"], "the watch to listen again")
    return rig.diary[:-1]


def settle(rig: Rig, watch: Watch) -> None:
    """Have it called until nothing is asked any more."""
    until(lambda: rig.diary[-1:] == ["idle INBOX"], "the watch to listen")
    until(lambda: call(rig, watch) == [], "a look that is left out")


def test_a_look_that_would_find_nothing_is_left_out(rig: Rig) -> None:
    """The mailbox counts as looked at all the same."""
    looks = rig.home / "looks"
    notes = LookNotes(looks, "integrations", "run", rig.now, rig.log)
    with watching(rig, rig.but(look_notes=notes)) as watch:
        settle(rig, watch)
        rig.time += timedelta(minutes=1)
        assert call(rig, watch) == []
        assert watch.health.last_sweep_at == rig.time
        noted = LastLook.read(looks, "integrations")
        assert noted is not None
        assert noted.swept_at == iso(rig.time)


def test_a_look_that_asked_for_more_is_made_once_more(rig: Rig) -> None:
    """UIDNEXT may run ahead of what can be seen: it has to be told twice."""
    with watching(rig) as watch:
        settle(rig, watch)
        rig.account.folders["INBOX"].uidnext += 1
        until_asked(rig, "headings 1,2")
        until(lambda: rig.diary[-1:] == ["idle INBOX"], "the watch to listen again")
        assert [call(rig, watch)[:2] for _ in range(4)] == [A_LOOK, A_LOOK, [], []]


def deliver(rig: Rig, _watch: Watch) -> None:
    """A mail that nobody tells of."""
    rig.account.append(mails.token_mail(), "Junk")


def make_a_folder(rig: Rig, _watch: Watch) -> None:
    """For spam, perhaps."""
    rig.account.folders["Spam"] = replace(rig.account.folders["Junk"])


def release(rig: Rig, _watch: Watch) -> None:
    """A person has a settled mail looked at again, as `release` does."""
    state = rig.account.folders["INBOX"]
    mail = MailRef("integrations", "INBOX", state.uidvalidity, 1)
    with Checkpoint.hold(rig.home / "checkpoints", "integrations", wait=1.0) as checkpoint:
        assert checkpoint.unsettle(mail, rig.now())
        checkpoint.save()


def lose(rig: Rig, _watch: Watch) -> None:
    """The checkpoint is gone: with a backup that was put back, say."""
    (rig.home / "checkpoints" / "integrations.json").unlink()


def bring_back(rig: Rig, watch: Watch) -> None:
    """Vault has lost the token."""
    rig.vault.put(PATH, {"password": "p"})
    (record,) = Journal(rig.home / "journal.jsonl", now=rig.now, log=rig.log).records()
    watch.watched.sweep.bring_back(record.entry)


def hear(_rig: Rig, watch: Watch) -> None:
    """An idle listener tells of news, of which this session may not know yet."""
    watch._note_news()


CHANGES: list[Callable[[Rig, Watch], None]] = [
    deliver,
    make_a_folder,
    release,
    lose,
    bring_back,
    hear,
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_look_goes_by_calls_for_one(
    rig: Rig, change: Callable[[Rig, Watch], None]
) -> None:
    """As if none had been left out before."""
    with watching(rig) as watch:
        settle(rig, watch)
        assert call(rig, watch, partial(change, rig, watch))[:1] == ["folders"]


def test_what_waits_is_not_left_to_wait(rig: Rig) -> None:
    """A mail whose next try is due some day: each look is made."""
    other = mails.Signer(mails.genuine_signer().private_pem, selector="lost")
    keys = mails.Keys({**mails.genuine_keys().records, other.name: None})
    rig = Rig(rig.home / "another", keys)
    rig.account.append(mails.sign(mails.token_mail(), other))
    with watching(rig) as watch:
        until(lambda: watch.health.pending == 1, "the mail to wait")
        until_asked(rig, "idle INBOX", times=2)
        for _ in range(3):
            assert call(rig, watch)[:2] == A_LOOK


def test_what_is_to_be_done_to_settled_mail_is_tried_on(rig: Rig) -> None:
    """There is no folder to move it to so far."""
    rig.sweep.after_capture = MoveTo("Tokens")
    with watching(rig) as watch:
        until(lambda: watch.health.unapplied == 1, "the mail to be left where it is")
        until_asked(rig, "idle INBOX")
        for _ in range(3):
            assert call(rig, watch)[:2] == A_LOOK


def test_what_is_to_be_done_to_a_mail_is_not_left_to_wait(rig: Rig) -> None:
    """Where one mail is given up, the sweep does nothing to the others: the next look does."""
    rig.sweep.after_capture = Delete()
    for number in (2, 3, 4):
        rig.deliver(number)

    def refuse(line: str) -> None:
        if line.startswith("apply"):
            raise NotApplied("other bytes", code="imap-apply-other", final=True)

    rig.on = refuse
    with watching(rig) as watch:
        until_asked(rig, "apply INBOX 1")
        until(lambda: rig.diary[-1:] == ["idle INBOX"], "the watch to listen")
        asked = [line for _ in range(4) for line in call(rig, watch) if line.startswith("apply")]
        assert asked == ["apply INBOX 2", "apply INBOX 3", "apply INBOX 4"]
        settle(rig, watch)


def test_a_look_that_took_what_was_due_is_made_once_more(rig: Rig) -> None:
    """It has found something."""
    with watching(rig) as watch:
        settle(rig, watch)
        release(rig, watch)
        assert [call(rig, watch)[:1] for _ in range(3)] == [["folders"], ["folders"], []]


def test_looks_are_left_out_for_a_while_only(rig: Rig) -> None:
    """Files may be changed by somebody, and the server may be mistaken."""
    passed = [0.0]
    ending = threading.Event()
    watch = made(rig, pace=QUICK, ending=ending, monotonic=lambda: passed[0])
    watch.start()
    settle(rig, watch)
    passed[0] += LEFT_OUT_FOR - 0.1
    assert call(rig, watch) == []
    passed[0] += 0.1
    assert call(rig, watch)[:2] == A_LOOK
    assert call(rig, watch) == []
    ending.set()
    watch.wakeup.set()
    watch.join()


def test_who_listens_is_told_when_all_ends(rig: Rig) -> None:
    """So that the server is not asked whether a look is needed that nobody makes."""
    told: list[Callable[[], bool]] = []

    class Listening(Session):
        def idle(self, *args: Any, **options: Any) -> bool:
            told.append(options["ends"])
            return super().idle(*args, **options)

    with watching(rig, rig.but(connect=lambda: Listening(rig))):
        until(lambda: told != [], "the watch to listen")
        assert told[0]() is False
    assert told[0]() is True


def test_a_server_that_was_not_asked_has_told_nothing(rig: Rig) -> None:
    """It refuses IDLE from now on: what it told with the last one is not good for ever."""
    sessions: list[Session] = []

    def connect() -> Session:
        sessions.append(Session(rig))
        return sessions[-1]

    with watching(rig, rig.but(connect=connect)) as watch:
        settle(rig, watch)
        for session in sessions:
            session.has_idle = False
        rig.diary.clear()

        def is_asked() -> bool:
            watch.wakeup.set()
            return "folders" in rig.diary

        until(is_asked, "a look")
