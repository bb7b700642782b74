"""Looking after one mailbox: wakeups, back-off, idle listeners, and that no news is missed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.mails import token
from tests.kit.rig import Rig, Session, nothing
from tests.kit.waiting import FOREVER, PATIENCE, until
from tests.unit.daemon.kit import (
    QUICK,
    made,
    threads,
    until_asked,
    until_stored,
    until_told,
    watching,
)
from token_catcher.daemon.listener import IdleListener
from token_catcher.daemon.logins import Logins, ServerLogins
from token_catcher.daemon.wakeups import PACE, Pace, Wakeup
from token_catcher.errors import (
    AccessError,
    ConfigurationError,
    Outage,
    SessionEnded,
    TransientError,
)
from token_catcher.model import Secret
from token_catcher.ports import FolderState, MoveTo
from token_catcher.record import LastLook, LookNotes
from token_catcher.sweep import Watched

LOST = Outage("the connection was lost", code="imap-connection")
REFUSED = AccessError("the login was refused", code="imap-login")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An inbox, a spam folder, a Vault."""
    return Rig(tmp_path)


def failing(question: str, error: Exception) -> Callable[[str], None]:
    """A session that fails each time it is asked this."""

    def fail(asked: str) -> None:
        if asked == question:
            raise error

    return fail


def fail_once(rig: Rig, question: str, error: Exception) -> None:
    """Have a session of the rig fail the first time it is asked this."""

    def fail(asked: str) -> None:
        if asked == question:
            rig.on = lambda _asked: None
            raise error

    rig.on = fail


def of_the_watch(rig: Rig, event: str) -> list[dict[str, Any]]:
    """The fields of every such event that is not an idle listener's."""
    return [fields for fields in rig.said(event) if "folder" not in fields]


# -- listening --


def test_news_of_the_inbox_is_stored_at_once(rig: Rig) -> None:
    """IDLE tells of it: no schedule is needed, and no look at the other folders."""
    with watching(rig):
        until_asked(rig, "idle Junk")
        # The listener's first wakeup leads to a second look at all folders.
        until(lambda: rig.diary.count("folders") == 2, "the second look")
        until(lambda: rig.diary[-1] == "idle INBOX", "the watch to listen again")
        rig.diary.clear()
        rig.deliver(1)
        until_stored(rig, 1)
        assert rig.diary[:3] == ["examine INBOX", "headings 1", "fetch 1"]


def test_news_of_the_spam_folder_is_stored_at_once(rig: Rig) -> None:
    """An idle listener waits there on a connection of its own, and wakes the watch."""
    with watching(rig) as watch:
        until_asked(rig, "idle Junk")
        assert watch.health.listening == ("Junk",)
        rig.deliver(1, "Junk")
        until_stored(rig, 1)


def test_mail_that_comes_during_a_sweep_is_not_missed(rig: Rig) -> None:
    """Whichever step and folder it falls into: the sweep, IDLE or the listener finds it."""
    steps = [
        "folders",
        "examine Junk",
        "examine INBOX",
        "headings",
        "fetch",
        "idle INBOX",
        "idle Junk",
    ]
    to_come = [(step, folder) for step in steps for folder in ("INBOX", "Junk")]
    turn = threading.Lock()

    def mail_comes(asked: str) -> None:
        with turn:
            if to_come and asked.startswith(to_come[0][0]):
                number = len(to_come)
                _, folder = to_come.pop(0)
                rig.deliver(number, folder, user=f"user{number}@acme.example")

    rig.on = mail_comes
    with watching(rig, pace=replace(QUICK, idle=(0.2,))):
        rig.deliver(99)
        until(lambda: len(rig.tokens) == 15, "every token")


def test_a_wakeup_during_a_sweep_is_answered(rig: Rig) -> None:
    """Without IDLE and with a schedule of an hour: the wakeup alone leads to the second look."""
    rig.has_idle = False

    def wake(asked: str) -> None:
        if asked == "fetch 1":
            rig.deliver(2)
            watch.wakeup.set()

    rig.on = wake
    rig.deliver(1)
    with watching(rig) as watch:
        until_stored(rig, 1, 2)


def test_without_idle_the_schedule_wakes_it(rig: Rig) -> None:
    """One connection, no listeners."""
    rig.has_idle = False
    with watching(rig) as watch:
        until(lambda: watch.looked, "the first look")
        rig.deliver(1, "Junk")
        watch.wakeup.set()
        until_stored(rig, 1)
        assert watch.health.listening == ()
        assert rig.diary.count("connect") == 1


def test_a_schedule_that_stands_still_is_not_waited_for(rig: Rig) -> None:
    """Its clock is the wall's, which may be set back by an hour; ours is not."""
    rig.has_idle = False
    with watching(rig, rig.but(poll=timedelta(seconds=0.05))) as watch:
        until(lambda: watch.looked, "the first look")
        rig.deliver(1)
        until_stored(rig, 1)


def test_idle_may_be_switched_off(rig: Rig) -> None:
    """`idle: false`: as for a server that has none."""
    with watching(rig, rig.but(idle=False)) as watch:
        until(lambda: watch.looked, "the first look")
        rig.deliver(1)
        watch.wakeup.set()
        until_stored(rig, 1)
        assert not [question for question in rig.diary if question.startswith("idle")]


def test_idle_is_renewed_with_a_sweep(rig: Rig) -> None:
    """For servers that swallow news: the sweep is the truth, and comes soon after any news."""
    with watching(rig, pace=Pace(logins_apart=0.0, idle=(0.01, 0.02, 3600.0), step=0.01)):
        until_asked(rig, "examine INBOX", times=3)


def test_after_a_short_idle_the_inbox_alone_is_looked_at(rig: Rig) -> None:
    """What a server swallows before it is there; other folders have idle listeners of their own."""
    pace = Pace(server_logins_apart=FOREVER, idle=(0.01, 0.02, FOREVER), step=0.01)
    with watching(rig, pace=pace):
        until(lambda: rig.idles[-1:] == [("INBOX", FOREVER)], "the long IDLE")
        looked = [line for line in rig.diary if line.startswith(("folders", "examine"))]
    assert looked == ["folders", "examine INBOX", "examine Junk", *3 * ["examine INBOX"]]


def test_idle_is_short_after_news_and_longer_without(rig: Rig) -> None:
    """Some servers swallow what arrives just before IDLE."""
    rig.account.watched = ("INBOX",)
    pace = Pace(idle=(0.01, 0.02, 60.0), step=0.01)
    with watching(rig, pace=pace):
        until(lambda: rig.idles[-1:] == [("INBOX", 60.0)], "the long IDLE")
        rig.deliver(1)
        until(lambda: len(rig.idles) >= 6, "all three again")
    assert [seconds for _, seconds in rig.idles] == [0.01, 0.02, 60.0, 0.01, 0.02, 60.0]


def test_a_look_that_follows_news_may_be_asked_ahead(rig: Rig) -> None:
    """One at the inbox alone; who listens to another folder reads no mail."""
    with watching(rig):
        until_asked(rig, "idle Junk")
        until(lambda: ("INBOX", True) in rig.followed, "an IDLE that nothing else ends")
    assert ("Junk", True) not in rig.followed


def test_a_look_at_all_folders_is_not_asked_ahead(rig: Rig) -> None:
    """As while a mail waits for its next try: other questions come first."""

    def away(_effect: str) -> None:
        raise TransientError("not now", code="vault-busy")

    rig.on_vault = away
    rig.deliver(1)
    with watching(rig):
        until(lambda: "INBOX" in dict(rig.followed), "the first IDLE")
    assert ("INBOX", True) not in rig.followed


def test_a_listener_logs_in_beside_its_watch(rig: Rig) -> None:
    """However far logins are apart: news of the spam folder is told from the start on. The next
    login, after its session broke, has its turn like any."""
    rig.on = failing("idle Junk", LOST)
    with watching(rig, pace=Pace(logins_apart=3600.0, trouble=(0.01, 0.02), step=0.01)):
        until_asked(rig, "idle Junk")
        until(lambda: rig.said("mailbox.pause"), "the listener to wait")
        rig.deliver(1)
        until_stored(rig, 1)
    assert rig.diary.count("connect") == 2


def test_a_listener_logs_in_after_the_first_look(rig: Rig) -> None:
    """Some servers end the session of a user for the next one: the inbox was read by then."""
    with watching(rig, pace=Pace(logins_apart=3600.0, step=0.01)):
        until_asked(rig, "idle Junk")
    second = rig.diary.index("connect", rig.diary.index("connect") + 1)
    assert {"examine INBOX", "examine Junk"} <= set(rig.diary[:second])


def test_a_folder_that_comes_and_goes_is_logged_in_to_beside_once(rig: Rig) -> None:
    """A server that names the spam folder now and then makes nobody knock."""
    with watching(rig, pace=Pace(logins_apart=3600.0, step=0.01)) as watch:
        until_asked(rig, "idle Junk")
        for count in range(2, 5):
            rig.account.watched = ("INBOX",) if count % 2 == 0 else ("INBOX", "Junk")
            looks = rig.diary.count("folders")
            watch.wakeup.set()
            until(lambda: rig.diary.count("folders") > looks, "another look")  # noqa: B023
            until(lambda: rig.diary[-1] == "idle INBOX", "the watch to listen")
    assert rig.diary.count("connect") == 2


def test_news_of_the_inbox_keeps_no_other_folder_waiting(rig: Rig) -> None:
    """Where the schedule stands still, the watch sees to it that all are looked at."""

    def news(asked: str) -> None:
        if asked == "idle INBOX":
            rig.account.append(mails.token_mail(subject="Welcome", body="Hello.\n"))

    rig.on = news
    with watching(rig, rig.but(poll=timedelta(milliseconds=1))):
        until_asked(rig, "folders", times=4)


def test_a_flood_in_the_inbox_does_not_silence_a_wakeup(rig: Rig) -> None:
    """Whoever wakes it gets a look at every folder, however much news the inbox has."""
    rig.account.watched = ("INBOX",)

    def news(asked: str) -> None:
        if asked == "idle INBOX":
            rig.account.append(mails.token_mail(subject="Welcome", body="Hello.\n"))

    rig.on = news
    with watching(rig) as watch:
        until_asked(rig, "idle INBOX", times=6)
        assert rig.diary.count("folders") == 1
        watch.wakeup.set()
        until_asked(rig, "folders", times=2)


def test_pending_mail_of_another_folder_is_not_forgotten_over_news(tmp_path: Path) -> None:
    """Where something waits, news of the inbox leads to a look at every folder."""
    other = mails.Signer(mails.genuine_signer().private_pem, selector="lost")
    rig = Rig(tmp_path, mails.Keys({**mails.genuine_keys().records, other.name: None}))
    rig.account.append(mails.sign(mails.token_mail("slow@acme.example", token(1)), other), "Junk")
    with watching(rig) as watch:
        until(lambda: watch.health.pending == 1, "the mail to wait")
        until_asked(rig, "idle INBOX")
        listened = rig.diary.count("idle INBOX")
        rig.deliver(2)
        until_stored(rig, 2)
        until_asked(rig, "idle INBOX", times=listened + 1)
        assert watch.health.pending == 1


def test_a_folder_that_appears_later_gets_an_idle_listener(rig: Rig) -> None:
    """Servers make the spam folder when the first spam comes; the next full look finds it."""
    rig.account.watched = ("INBOX",)
    with watching(rig) as watch:
        until_asked(rig, "idle INBOX")
        rig.account.watched = ("INBOX", "Junk")
        rig.deliver(1, "Junk")
        watch.wakeup.set()
        until_stored(rig, 1)
        until(lambda: watch.health.listening == ("Junk",), "the listener to listen")
        rig.account.watched = ("INBOX",)
        watch.wakeup.set()
        until(lambda: watch.health.listening == (), "the listener to end with its folder")


# -- what goes wrong --


def test_a_lost_connection_is_replaced(rig: Rig) -> None:
    """The watch logs in again after a pause, and mail from the meantime is found."""

    def lose(asked: str) -> None:
        if asked == "idle INBOX":
            rig.on = lambda _asked: None
            rig.deliver(1)
            raise LOST

    rig.on = lose
    with watching(rig):
        until_stored(rig, 1)
    assert of_the_watch(rig, "mailbox.trouble") == [
        {"mailbox": "integrations", "code": "imap-connection", "error": "the connection was lost"}
    ]
    assert rig.diary.count("connect") == rig.diary.count("close")


def test_a_connection_lost_in_a_sweep_is_replaced(rig: Rig) -> None:
    """The session is of no further use, whatever it was doing."""
    fail_once(rig, "examine INBOX", LOST)
    rig.deliver(1)
    with watching(rig):
        until_stored(rig, 1)
    assert len(of_the_watch(rig, "mailbox.connected")) == 2


class CountingWakeup(Wakeup):
    """Counts how often it was set."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def set(self) -> None:
        self.times += 1
        super().set()


@contextmanager
def listening(rig: Rig, pace: Pace, watched: Watched | None = None) -> Iterator[CountingWakeup]:
    """An idle listener on the spam folder by itself; gives the wakeup of its watch."""
    wakeup = CountingWakeup()
    logins = Logins(0.0, time.monotonic, ServerLogins(pace, time.monotonic))
    listener = IdleListener(
        watched or rig.watched,
        "Junk",
        wakeup.set,
        logins,
        is_beside=False,
        log=rig.log,
        monotonic=time.monotonic,
        rng=Random(1),
        pace=pace,
    )
    listener.start()
    try:
        yield wakeup
    finally:
        listener.stop()
        listener.join(PATIENCE)
        assert not listener.is_alive()
        wakeup.close()


RENEWED = Pace(idle=(0.01, 0.01, 0.01, FOREVER), logins_apart=0.0, step=0.01)
"""Three times soon."""


def test_an_idle_that_is_renewed_without_a_change_wakes_nobody(rig: Rig) -> None:
    """A listener wakes its watch for what came before it, and then for what has changed."""
    with listening(rig, RENEWED) as wakeup:
        until(lambda: rig.idles[-1:] == [("Junk", FOREVER)], "the long IDLE")
        assert rig.diary.count("examine Junk") == 4
        assert wakeup.times == 1


def test_a_change_that_idle_did_not_tell_of_is_news(rig: Rig) -> None:
    """The server swallowed it; the next count of the mails has it."""

    def swallow(asked: str) -> None:
        if asked == "examine Junk" and rig.diary.count(asked) == 3:
            rig.deliver(1, "Junk")

    rig.on = swallow
    with listening(rig, RENEWED) as wakeup:
        until(lambda: rig.idles[-1:] == [("Junk", FOREVER)], "the long IDLE")
        assert wakeup.times == 2


class Uncounting(Session):
    """A session with a server that tells no UIDNEXT."""

    def examine(self, folder: str) -> FolderState:
        return replace(super().examine(folder), uidnext=None)


def test_where_a_server_tells_no_uidnext_each_renewal_is_news(rig: Rig) -> None:
    """As many mails as before may be others."""
    watched = rig.but(connect=lambda: Uncounting(rig))
    with listening(rig, RENEWED, watched) as wakeup:
        until(lambda: rig.idles[-1:] == [("Junk", FOREVER)], "the long IDLE")
        assert wakeup.times == 4


def test_an_idle_listener_that_fails_costs_the_watch_nothing(rig: Rig) -> None:
    """It tries again by itself; the watch goes on in its session."""
    failures = [LOST, ZeroDivisionError("a bug")]

    def fail(asked: str) -> None:
        if asked == "idle Junk" and failures:
            raise failures.pop(0)

    rig.on = fail
    with watching(rig):
        until_asked(rig, "idle Junk", times=3)
        rig.deliver(1, "Junk")
        until_stored(rig, 1)
    assert [trouble["folder"] for trouble in rig.said("mailbox.trouble")] == ["Junk"]
    assert of_the_watch(rig, "mailbox.connected") == [{"mailbox": "integrations", "idle": True}]


def test_a_watch_without_a_session_has_no_idle_listeners(rig: Rig) -> None:
    """One connection that is refused is enough knocking."""
    lost = threading.Event()

    def refuse(asked: str) -> None:
        if asked == "idle INBOX" and "idle Junk" in rig.diary:
            lost.set()
            raise LOST
        if asked == "connect" and lost.is_set():
            raise REFUSED

    pace = Pace(
        logins_apart=0.0, idle=(0.01,), trouble=(0.01, 0.02), refusal=(0.01, 0.02), step=0.01
    )
    rig.on = refuse
    with watching(rig, pace=pace):
        until(lambda: rig.diary[-6:] == ["connect"] * 6, "only connects")
        assert threads("idle-") == []


def test_a_bug_does_not_end_the_watch(rig: Rig) -> None:
    """It is told with its kind and place, never its text."""
    fail_once(rig, "folders", ZeroDivisionError("a secret"))
    rig.deliver(1)
    with watching(rig):
        until_stored(rig, 1)
    [crash] = rig.said("mailbox.crashed")
    assert crash["kind"] == "ZeroDivisionError"
    assert crash["at"].startswith("test_watch.py:")
    assert "secret" not in str(crash)


def test_a_refused_password_is_tried_again_at_once_when_it_changed(rig: Rig) -> None:
    """And not before: a pause of an hour is an hour."""
    password = Secret("wrong")
    asked_for: list[Secret] = []

    def credential() -> Secret:
        asked_for.append(password)
        return password

    def login(asked: str) -> None:
        if asked == "connect" and password == Secret("wrong"):
            raise REFUSED

    rig.on = login
    pace = Pace(logins_apart=0.0, refusal=(3600.0, 3600.0), step=0.002)
    with watching(rig, rig.but(credential=credential), pace) as watch:
        until(lambda: len(asked_for) > 20, "the file to be looked at many times")
        assert rig.diary == ["connect"]
        assert watch.health.trouble == "imap-login"
        password = Secret("right")
        until(lambda: watch.health.connected and watch.health.trouble is None, "the login")


def test_a_password_that_cannot_be_read_is_no_other_password(rig: Rig) -> None:
    """The pause goes on."""
    asked_for: list[int] = []

    def credential() -> Secret:
        asked_for.append(1)
        if len(asked_for) > 1:
            raise ConfigurationError("the file is gone")
        return Secret("wrong")

    rig.on = failing("connect", REFUSED)
    pace = Pace(logins_apart=0.0, refusal=(3600.0, 3600.0), step=0.002)
    with watching(rig, rig.but(credential=credential), pace):
        until(lambda: len(asked_for) > 10, "the file to be looked at many times")
        assert rig.diary == ["connect"]


def test_what_waited_for_vault_is_stored_in_order_when_it_returns(rig: Rig) -> None:
    """Within the pause; nobody wakes it, and the session stays."""
    sealed = Outage("Vault is sealed", code="vault-sealed")

    def away(_effect: str) -> None:
        raise sealed

    rig.on_vault = away
    for number in range(1, 6):
        rig.deliver(number, user=f"user{number}@acme.example")
    with watching(rig) as watch:
        until_told(rig, "mail.pending", times=21)
        assert (watch.health.pending, watch.health.trouble) == (5, "vault-sealed")
        rig.on_vault = lambda _effect: None
        until_stored(rig, 1, 2, 3, 4, 5)
        until(lambda: watch.health.pending == 0, "nothing to wait")
        until(lambda: watch.health.trouble is None, "the trouble to be over")
    assert len(of_the_watch(rig, "mailbox.connected")) == 1


def test_what_could_not_be_done_to_settled_mail_shows_and_is_no_trouble(rig: Rig) -> None:
    """The token is in Vault; the mail waits to be moved, and nothing else is as if it did."""
    rig.sweep.after_capture = MoveTo("Nowhere")
    rig.deliver(1)
    with watching(rig) as watch:
        until(lambda: watch.health.unapplied == 1, "the mail to stay")
        health = watch.health
    assert rig.tokens == [token(1)]
    assert (health.pending, health.trouble, health.connected) == (0, None, True)


def test_vaults_own_wish_for_a_pause_is_kept(rig: Rig) -> None:
    """429 with Retry-After: not a request before that."""
    effects: list[str] = []

    def busy(effect: str) -> None:
        effects.append(effect)
        raise Outage("slow down", code="vault-quota", retry_after=3600.0)

    rig.on_vault = busy
    for number in range(1, 4):
        rig.deliver(number)
    with watching(rig, pace=Pace(logins_apart=0.0, outage=(0.01, 0.02), step=0.01)) as watch:
        until(lambda: watch.health.trouble == "vault-quota", "the answer of Vault")
        ten_pauses_later = time.monotonic() + 0.2
        until(lambda: watch.health.moved_at > ten_pauses_later, "ten pauses of ours to pass")
        assert effects == ["read"]


def test_a_pending_mail_is_tried_when_it_is_due(tmp_path: Path) -> None:
    """Its own back-off wakes the watch; no wakeup is needed."""
    keys = mails.Keys({mails.genuine_signer().name: None})
    rig = Rig(tmp_path, keys)
    rig.deliver(1)
    with watching(rig):
        until_told(rig, "mail.pending")
        keys.records.update(mails.genuine_keys().records)
        rig.time += timedelta(minutes=10)
        until(lambda: rig.tokens == [token(1)], "the token", 30)


# -- ending --


def test_a_stop_wakes_whoever_listens(rig: Rig) -> None:
    """Out of IDLEs of an hour, and every session is closed."""
    with watching(rig, pace=Pace(logins_apart=0.0, idle=(3600.0,))) as watch:
        until_asked(rig, "idle INBOX")
        until_asked(rig, "idle Junk")
    assert rig.diary.count("connect") == rig.diary.count("close")
    assert not watch.health.connected


def test_a_stop_whose_wakeup_was_cleared_with_others_is_heard(rig: Rig) -> None:
    """It comes just when a sweep begins."""
    ending = threading.Event()

    def stop(asked: str) -> None:
        if asked == "folders":
            ending.set()

    rig.on = stop
    watch = made(rig, ending=ending)
    watch.start()
    watch.join(PATIENCE)
    assert not watch.is_alive()


def test_a_stop_ends_a_pause(rig: Rig) -> None:
    """Of any length."""
    rig.on = failing("connect", REFUSED)
    with watching(rig, pace=PACE):
        until_told(rig, "mailbox.pause")


def test_a_stop_comes_before_the_first_login(rig: Rig) -> None:
    """A watch that waits for its turn to log in never does, and leaves it to others."""
    ending = threading.Event()
    clock = [100.0]
    server = ServerLogins(Pace(server_logins_apart=3600.0), lambda: clock[0])
    assert server.turn("another mailbox") == 0
    watch = made(rig, ending=ending, server=server)
    watch.start()

    def stands_in_the_queue() -> bool:
        seconds = server.turn("the next")
        server.leave("the next")
        return seconds == 7200

    until(stands_in_the_queue, "the watch to stand in the queue")
    ending.set()
    watch.join(PATIENCE)
    assert not watch.is_alive()
    assert rig.diary == []
    assert server.turn("the next") == 3600


def test_sessions_that_run_out_together_come_back_one_by_one(rig: Rig) -> None:
    """A mail server that is restarted ends those of all mailboxes with the same words."""
    rig.account.watched = ("INBOX",)
    clock = [100.0]
    server = ServerLogins(Pace(server_logins_apart=10.0), lambda: clock[0])
    fail_once(rig, "idle INBOX", SessionEnded("the session is over"))
    ending = threading.Event()
    watch = made(rig, pace=replace(QUICK, brief=0.0), ending=ending, server=server)
    watch.start()

    def is_behind_the_watch() -> bool:
        seconds = server.turn("another mailbox")
        server.leave("another mailbox")
        return seconds == 20

    until(is_behind_the_watch, "the watch to stand in the queue")
    assert watch.health.connected
    clock[0] += 10
    until_asked(rig, "connect", times=2)
    ending.set()
    watch.wakeup.set()
    watch.join(PATIENCE)
    assert rig.said("mailbox.pause") == []


@pytest.fixture
def no_room_for_threads() -> Iterator[Callable[[str], None]]:
    """Once asked, the system has no memory for the stack of a further thread."""

    def on_login(asked: str) -> None:
        if asked == "connect":
            threading.stack_size(2**46)

    yield on_login
    threading.stack_size(0)


def test_a_listener_without_a_thread_costs_the_inbox_nothing(
    rig: Rig, no_room_for_threads: Callable[[str], None]
) -> None:
    """It is told once, and each look at the folders tries again."""
    rig.on = no_room_for_threads
    rig.deliver(1, "Junk")
    with watching(rig, rig.but(poll=timedelta(hours=1))) as watch:
        until_asked(rig, "idle INBOX")
        until_stored(rig, 1)
        watch.wakeup.set()
        until_asked(rig, "idle INBOX", times=2)
        assert watch.health.listening == ()
        threading.stack_size(0)
        watch.wakeup.set()
        until(lambda: watch.health.listening == ("Junk",), "the listener")
    fields = {
        "mailbox": "integrations",
        "folder": "Junk",
        "code": "threads",
        "error": "got no thread for idle-integrations-Junk, expected one for each watched folder",
    }
    assert rig.log.warnings == [("mailbox.trouble", fields)]


# -- what is seen from outside --


def test_health_tells_what_is(rig: Rig) -> None:
    """Connected, listening, swept, nothing pending."""
    began = time.monotonic()
    with watching(rig) as watch:
        until(lambda: watch.health.listening == ("Junk",), "the listener")
        until(lambda: watch.health.last_sweep_at, "a sweep")
        health = watch.health
    assert health.name == "integrations"
    assert health.looked
    assert health.connected
    assert health.trouble is None
    assert health.pending == 0
    assert health.last_sweep_at == rig.time
    assert health.moved_at >= began


def test_a_folder_that_cannot_be_opened_is_a_trouble_that_ends_nothing(rig: Rig) -> None:
    """The inbox is looked after; the last *successful* sweep stays none."""
    error = AccessError("folder Junk cannot be opened", code="imap-folder")
    rig.on = failing("examine Junk", error)
    with watching(rig) as watch:
        rig.deliver(1)
        until_stored(rig, 1)
        until(lambda: watch.health.trouble == "imap-folder", "the trouble to show")
        until(
            lambda: "idle INBOX" in rig.diary[rig.diary.index("fetch 1") :], "the watch to listen"
        )
        rig.diary.clear()
        rig.deliver(2)
        until_stored(rig, 1, 2)
        until_asked(rig, "idle INBOX")
        assert watch.health.trouble == "imap-folder"
        assert watch.health.last_sweep_at is None
        assert watch.health.connected


def test_an_idle_listener_that_stands_still_shows(rig: Rig) -> None:
    """The mailbox moved no later than the slowest of its threads."""
    released = threading.Event()

    def hang(asked: str) -> None:
        if asked == "idle Junk":
            released.wait(PATIENCE)

    rig.on = hang
    with watching(rig, pace=Pace(logins_apart=0.0, idle=(0.01,), step=0.01)) as watch:
        until_asked(rig, "idle Junk")
        hung = time.monotonic()
        until(lambda: watch.moved_at > hung + 0.05, "the watch to move on")
        assert watch.health.moved_at <= hung
        released.set()


def test_a_first_look_that_fails_is_a_first_look(rig: Rig) -> None:
    """The daemon is ready all the same: it does what it can."""
    rig.on = failing("connect", LOST)
    with watching(rig) as watch:
        until(lambda: watch.looked, "the first look to be over")
        assert not watch.health.connected
        assert watch.health.trouble == "imap-connection"


def noted(rig: Rig) -> LastLook | None:
    """What `status` reads of the mailbox."""
    return LastLook.read(rig.home / "looks", "integrations")


def noting(rig: Rig) -> Watched:
    """The mailbox, with notes on the looks at it."""
    notes = LookNotes(rig.home / "looks", "integrations", "run", rig.now, rig.log)
    return rig.but(look_notes=notes)


def test_a_sweep_is_noted(rig: Rig) -> None:
    """For who asks while no daemon runs."""
    swept = LastLook("2026-02-03T13:00:00Z", looked_by="run")
    with watching(rig, noting(rig)):
        until(lambda: noted(rig) == swept, "the note")


@pytest.mark.parametrize("question", ["connect", "examine INBOX"])
def test_what_breaks_a_session_is_noted(rig: Rig, question: str) -> None:
    """Before the pause that follows it, which may be an hour."""
    rig.on = failing(question, REFUSED)
    met = LastLook(None, "imap-login", "2026-02-03T13:00:00Z", "run")
    with watching(rig, noting(rig), replace(QUICK, refusal=(FOREVER, FOREVER))):
        until(lambda: noted(rig) == met, "the note")


def test_an_interrupted_sweep_is_noted(rig: Rig) -> None:
    """The session lives on, and the mail cannot be settled."""
    rig.on_vault = failing("read", Outage("Vault is sealed", code="vault-sealed"))
    rig.deliver(1)
    met = LastLook(None, "vault-sealed", "2026-02-03T13:00:00Z", "run")
    with watching(rig, noting(rig)):
        until(lambda: noted(rig) == met, "the note")
        rig.on_vault = nothing
        rig.time += timedelta(minutes=1)
        swept = LastLook("2026-02-03T13:01:00Z", looked_by="run")
        until(lambda: noted(rig) == swept, "the note that all is well")
