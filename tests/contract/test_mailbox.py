"""The promises of `ports.Mailbox`.

Kept by the in-memory account, by Dovecot over both kinds of TLS, and by pymap.
"""

from __future__ import annotations

import imaplib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.contract.imap import account, dovecot_account, secret, session, wakeup
from tests.kit import mails
from tests.kit.fakes import FakeAccount, FakeFolder, FakeMailbox
from tests.kit.servers import Dovecot, Pymap
from tests.kit.waiting import FOREVER, PATIENCE, until
from token_catcher.errors import AccessError, NotApplied
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef
from token_catcher.ports import AddFlag, Delete, MailAction, Mailbox, MoveTo

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
MAIL = mails.token_mail()


@dataclass
class World:
    """A mailbox, and what happens to it behind the session's back.

    It may hold other mail: look above `start`."""

    open: Callable[..., Mailbox]
    """A session; `folder=` names another spam folder than the automatic one."""
    append: Callable[..., Any]
    expunge: Callable[[int], Any]
    kept: Callable[[str], dict[bytes, set[str]]]
    """The mails of a folder and the flags of each, as another session sees them."""
    mark_deleted: Callable[[int], Any]
    """Somebody marks a mail of the inbox, and removes it not yet."""
    forgets: bool = True
    """Whether a session notices that a mail is gone."""

    def start(self, mailbox: Mailbox, folder: str = "INBOX") -> int:
        """Open the folder; returns the last UID that it has given away."""
        uidnext = mailbox.examine(folder).uidnext
        assert uidnext is not None
        return uidnext - 1


@pytest.fixture(
    params=[
        "fake",
        pytest.param("dovecot implicit", marks=pytest.mark.servers),
        pytest.param("dovecot starttls", marks=pytest.mark.servers),
        pytest.param("pymap", marks=pytest.mark.servers),
    ]
)
def world(request: pytest.FixtureRequest, user: str) -> Iterator[World]:
    """Every world in turn; sessions are closed at the end."""
    with ExitStack() as stack:
        if request.param == "fake":
            yield fake_world()
        elif request.param == "pymap":
            yield pymap_world(request.getfixturevalue("pymap"), stack)
        else:
            yield dovecot_world(
                request.getfixturevalue("dovecot"), user, request.param.split()[1], stack
            )


def fake_world() -> World:
    """Everything in memory."""
    fake = FakeAccount()
    fake.folders["Done"] = FakeFolder()

    def opened(folder: str | None = None) -> Mailbox:
        fake.watched = ("INBOX", folder or "Junk")
        return FakeMailbox(fake)

    def kept(folder: str) -> dict[bytes, set[str]]:
        box = fake.folders[folder]
        return {raw: box.flags.get(uid, set()) for uid, (_, raw) in box.mails.items()}

    def mark_deleted(uid: int) -> None:
        fake.folders["INBOX"].flags[uid] = {"\\Deleted"}

    return World(opened, fake.append, fake.expunge, kept, mark_deleted)


def dovecot_world(dovecot: Dovecot, user: str, tls: str, stack: ExitStack) -> World:
    """A user of its own."""

    def opened(folder: str = "auto") -> Mailbox:
        target = dovecot_account(dovecot, user, tls=tls, spam=folder)
        return stack.enter_context(session(target, ca_file=str(dovecot.ca_file)))

    def append(raw: bytes, folder: str = "INBOX", **options: Any) -> None:
        dovecot.append(raw, folder, user, **options)

    def expunge(uid: int) -> None:
        dovecot.expunge(str(uid), user=user)

    def kept(folder: str) -> dict[bytes, set[str]]:
        with dovecot.session(user) as client:
            return kept_by(client, folder)

    def mark_deleted(uid: int) -> None:
        with dovecot.session(user) as client:
            mark(client, uid)

    dovecot.create("Done", user)
    return World(opened, append, expunge, kept, mark_deleted)


def pymap_world(pymap: Pymap, stack: ExitStack) -> World:
    """The one user, without TLS."""

    def opened(folder: str = "auto") -> Mailbox:
        password = secret(pymap.password)
        target = account(
            pymap.host, pymap.port, username=pymap.username, password=password, spam=folder
        )
        return stack.enter_context(session(target))

    def expunge(uid: int) -> None:
        pymap.expunge(str(uid))

    def kept(folder: str) -> dict[bytes, set[str]]:
        with pymap.session() as client:
            return kept_by(client, folder)

    def mark_deleted(uid: int) -> None:
        with pymap.session() as client:
            mark(client, uid)

    with pymap.session() as client:
        client.create("Done")  # another test may have done so
    for folder in ("INBOX", "Junk", "Done"):
        pymap.expunge(folder=folder)  # it parses every mail that it searches
    return World(opened, pymap.append, expunge, kept, mark_deleted, forgets=False)


def kept_by(client: imaplib.IMAP4, folder: str) -> dict[bytes, set[str]]:
    """The mails of a folder, byte for byte, and their flags without \\Recent."""
    client.select(folder, readonly=True)
    kept = {}
    for line in client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]:
        if isinstance(line, tuple):  # what follows a body is not
            flags = re.search(rb"FLAGS \(([^)]*)\)", line[0])
            assert flags is not None, line[0]
            kept[line[1]] = set(flags[1].decode().split()) - {"\\Recent"}
    return kept


def mark(client: imaplib.IMAP4, uid: int) -> None:
    """Mark a mail of the inbox as deleted."""
    client.select("INBOX")
    client.uid("STORE", str(uid), "+FLAGS", "(\\Deleted)")


def found(mailbox: Mailbox, after_uid: int, since: datetime) -> list[int]:
    """What a search finds; none of these servers refuses one."""
    uids = mailbox.search(after_uid, since)
    assert uids is not None
    return list(uids)


def test_inbox_and_spam_folder_are_watched(world: World) -> None:
    """Inbox first; the spam folder is found by what the server marks, or by its name."""
    assert world.open().folders() == ["INBOX", "Junk"]


def test_a_folder_that_is_configured_and_missing_is_an_error(world: World) -> None:
    """Only a person can mend that: AccessError when it is opened, with the name.

    The inbox is there all the same."""
    mailbox = world.open("Spam of mine")
    assert mailbox.folders() == ["INBOX", "Spam of mine"]
    with pytest.raises(AccessError, match="Spam of mine") as caught:
        mailbox.examine("Spam of mine")
    assert caught.value.code == "imap-folder"


def test_a_folder_that_is_not_there_cannot_be_opened(world: World) -> None:
    """A folder that vanished since it was listed."""
    with pytest.raises(AccessError) as caught:
        world.open().examine("Nowhere")
    assert caught.value.code == "imap-folder"


def test_opening_a_folder_tells_its_state(world: World) -> None:
    """UIDVALIDITY stays, UIDNEXT and the number of mails grow with each."""
    before = world.open().examine("INBOX")
    world.append(MAIL)
    after = world.open().examine("INBOX")
    assert (after.name, after.uidvalidity) == ("INBOX", before.uidvalidity)
    assert (after.uidnext, after.exists) == ((before.uidnext or 0) + 1, before.exists + 1)


def test_only_mail_above_the_last_known_is_found(world: World) -> None:
    """Ascending, and none where there is nothing new, although `n:*` always finds the last."""
    mailbox = world.open()
    start = world.start(mailbox)
    for _ in range(3):
        world.append(MAIL)
    mailbox.examine("INBOX")
    assert found(mailbox, start, NOW - DAY) == [start + 1, start + 2, start + 3]
    assert found(mailbox, start + 2, NOW - DAY) == [start + 3]
    assert found(mailbox, start + 3, NOW - DAY) == []
    assert found(mailbox, start + 100, NOW - DAY) == []


def test_mail_before_the_window_is_not_found(world: World) -> None:
    """By the day: what is two days older is left out, what is just older may come along."""
    mailbox = world.open()
    start = world.start(mailbox)
    for age in (timedelta(days=16, hours=1), timedelta(days=14), timedelta(days=1)):
        world.append(MAIL, received_at=NOW - age)
    mailbox.examine("INBOX")
    assert found(mailbox, start, NOW - 14 * DAY) == [start + 2, start + 3]


@pytest.mark.parametrize("hours", [-12, -3, 9, 14])
def test_the_window_holds_in_every_zone(world: World, hours: int) -> None:
    """SINCE compares days of the server's own zone.

    A mail of the window is found wherever `since` was written down."""
    zone = timezone(timedelta(hours=hours))
    mailbox = world.open()
    start = world.start(mailbox)
    world.append(MAIL, received_at=NOW - 5 * DAY)
    mailbox.examine("INBOX")
    assert found(mailbox, start, (NOW - 5 * DAY).astimezone(zone)) == [start + 1]


def test_only_mail_of_the_sender_domains_is_found(world: World) -> None:
    """By the From header, not by what is written in the text."""
    mailbox = world.open()
    start = world.start(mailbox)
    world.append(
        mails.token_mail(sender="someone <a@example.com>", body="mail from support@salesforce.com")
    )
    world.append(mails.token_mail(sender="support <support@emea.salesforce.com>"))
    mailbox.examine("INBOX")
    assert found(mailbox, start, NOW - DAY) == [start + 2]


def test_headings_come_in_order_with_their_numbers(world: World) -> None:
    """Of the spans that were asked for; the numbers run without a hole to EXISTS."""
    mailbox = world.open()
    start = world.start(mailbox)
    other = mails.token_mail(sender="someone <a@example.com>")
    for raw in (MAIL, other, MAIL):
        world.append(raw, received_at=NOW - DAY)
    state = mailbox.examine("INBOX")
    headings = mailbox.headings((start + 1, start + 3))
    assert [heading.uid for heading in headings] == [start + 1, start + 2, start + 3]
    last = state.exists
    assert [heading.number for heading in headings] == [last - 2, last - 1, last]
    assert [heading.received_at for heading in headings] == [NOW - DAY] * 3
    ours = [b"salesforce.com" in (heading.sender or b"") for heading in headings]
    assert ours == [True, False, True]
    some = mailbox.headings((start + 1, start + 1), (start + 3, start + 9))
    assert [heading.uid for heading in some] == [start + 1, start + 3]


def test_a_span_without_an_end_gives_the_last_mail(world: World) -> None:
    """Even one below it: so the last mail can be asked for."""
    mailbox = world.open()
    start = world.start(mailbox)
    world.append(MAIL)
    world.append(MAIL)
    mailbox.examine("INBOX")
    assert mailbox.headings((2**32 - 1, None))[-1].uid == start + 2
    assert [heading.uid for heading in mailbox.headings((start + 1, None))] == [
        start + 1,
        start + 2,
    ]


def test_what_is_there_can_be_asked_for_by_uid(world: World) -> None:
    """Whoever it is from; what is gone is not among it."""
    mailbox = world.open()
    start = world.start(mailbox)
    for raw in (MAIL, mails.token_mail(sender="someone <a@example.com>"), MAIL):
        world.append(raw)
    mailbox.examine("INBOX")
    assert list(mailbox.present((start + 1, start + 9)) or ()) == [start + 1, start + 2, start + 3]
    assert list(mailbox.present((start + 2, start + 2)) or ()) == [start + 2]
    world.expunge(start + 2)
    mailbox.examine("INBOX")
    assert list(mailbox.present((start + 2, start + 2)) or ()) == []


def test_older_mail_of_a_subject_can_be_counted(world: World) -> None:
    """Of the sender domains, before the day; quotes and all."""
    mailbox = world.open()
    world.start(mailbox)
    before = mailbox.count_before(NOW - 2 * DAY, 'security "token"')
    assert before is not None
    for days, subject in (
        (5, 'Your security "token"'),
        (5, "Lunch?"),
        (0, 'Your security "token"'),
    ):
        mail = mails.token_mail(subject=subject)
        world.append(mail, received_at=NOW - days * DAY)
    foreign = mails.token_mail(subject='security "token"', sender="a@else.example")
    world.append(foreign, received_at=NOW - 5 * DAY)
    mailbox.examine("INBOX")
    assert mailbox.count_before(NOW - 2 * DAY, 'security "token"') == before + 1
    assert mailbox.count_before(NOW, "Sicherheits\u00adtoken") in (0, None)


def test_a_search_can_be_put_to_the_test(world: World) -> None:
    """By a mail and the domain in its From."""
    mailbox = world.open()
    start = world.start(mailbox)
    world.append(mails.token_mail(sender="someone <a@shop.example.com>"))
    mailbox.examine("INBOX")
    assert mailbox.finds(start + 1, "shop.example.com", NOW - DAY)
    assert not mailbox.finds(start + 1, "salesforce.com", NOW - DAY)
    assert not mailbox.finds(start + 1, "shop.example.com", NOW + 3 * DAY)


def test_a_folder_can_be_selected_once(world: World) -> None:
    """It is open read-only afterwards, as before."""
    mailbox = world.open()
    before = mailbox.examine("INBOX")
    assert mailbox.select_once("INBOX") == before


def test_mails_are_fetched_as_they_are(world: World) -> None:
    """Byte for byte, in the order of their UIDs, with where they were found and when they came."""
    mailbox = world.open()
    start = world.start(mailbox, "Junk")
    other = mails.genuine(token="FAKEother0TOKEN00000001")
    world.append(MAIL, "Junk", received_at=NOW - DAY)
    world.append(other, "Junk", received_at=NOW)
    state = mailbox.examine("Junk")
    assert list(mailbox.fetch([start + 2, start + 1])) == [
        Mail(MailRef("integrations", "Junk", state.uidvalidity, start + 1), NOW - DAY, MAIL),
        Mail(MailRef("integrations", "Junk", state.uidvalidity, start + 2), NOW, other),
    ]


def test_bytes_that_are_no_text_are_fetched_as_they_are(world: World) -> None:
    """Latin-1, UTF-8, a line of a server's language, and what looks like a literal."""
    raw = (
        b"From: a@salesforce.com\r\nSubject: \xe9\xff\r\n\r\n"
        b")\r\nA001 OK done\r\n* BYE\r\n{5}\r\n\xc3\xa9\r\n"
    )
    mailbox = world.open()
    start = world.start(mailbox)
    world.append(raw)
    mailbox.examine("INBOX")
    assert [mail.raw for mail in mailbox.fetch([start + 1])] == [raw]


@pytest.mark.parametrize("excess", [-1, 0, 1, 5000])
def test_a_large_mail_is_cut_one_byte_over_the_limit(world: World, excess: int) -> None:
    """The one byte more shows that there was more."""
    raw = MAIL + b"x" * (MAX_MAIL_BYTES + excess - len(MAIL))
    mailbox = world.open()
    start = world.start(mailbox)
    world.append(raw)
    mailbox.examine("INBOX")
    (fetched,) = mailbox.fetch([start + 1])
    assert fetched.raw == raw[: MAX_MAIL_BYTES + 1]


def test_a_mail_that_vanished_since_the_search_is_left_out(world: World) -> None:
    """Somebody else expunged it; its neighbours are fetched."""
    mailbox = world.open()
    start = world.start(mailbox)
    for _ in range(3):
        world.append(MAIL)
    mailbox.examine("INBOX")
    uids = found(mailbox, start, NOW - DAY)
    world.expunge(start + 2)
    if world.forgets:
        assert [mail.ref.uid for mail in mailbox.fetch(uids)] == [start + 1, start + 3]
        assert list(mailbox.fetch([start + 2])) == []
    assert {mail.ref.uid for mail in mailbox.fetch(uids)} >= {start + 1, start + 3}
    assert list(mailbox.fetch([])) == []


# -- what is done to a settled mail --

SETTLED = mails.genuine(token="FAKEsettled0TOKEN000001")
NEIGHBOURS = (
    mails.genuine(token="FAKEneighbour0TOKEN0001"),
    mails.genuine(token="FAKEneighbour0TOKEN0002"),
)


def among_neighbours(world: World, mailbox: Mailbox) -> Mail:
    """A mail between two others, the second of which somebody has marked as deleted."""
    start = world.start(mailbox)
    for raw in (NEIGHBOURS[0], SETTLED, NEIGHBOURS[1]):
        world.append(raw)
    world.mark_deleted(start + 3)
    mailbox.examine("INBOX")
    (mail,) = mailbox.fetch([start + 2])
    return mail


UNTOUCHED = {NEIGHBOURS[0]: set(), NEIGHBOURS[1]: {"\\Deleted"}}


@pytest.mark.parametrize(
    ("action", "here", "done"),
    [
        (AddFlag("\\Seen"), {SETTLED: {"\\Seen"}}, {}),
        (AddFlag("\\Flagged"), {SETTLED: {"\\Flagged"}}, {}),
        (MoveTo("Done"), {}, {SETTLED: set()}),
        (Delete(), {}, {}),
    ],
    ids=["seen", "flag", "move", "delete"],
)
def test_an_action_changes_that_mail_alone(
    world: World,
    action: MailAction,
    here: dict[bytes, set[str]],
    done: dict[bytes, set[str]],
) -> None:
    """Its neighbours stay as they are, also one that somebody else wants to be removed later."""
    mailbox = world.open()
    mailbox.folders()
    mail = among_neighbours(world, mailbox)
    assert mailbox.apply(action, mail.ref, mail.digest)
    assert world.kept("INBOX") == UNTOUCHED | here
    assert world.kept("Done") == done


@pytest.mark.parametrize("action", [AddFlag("\\Seen"), MoveTo("Done"), Delete()])
def test_applied_twice_is_as_applied_once(world: World, action: MailAction) -> None:
    """As after a crash that came before it was remembered."""
    mailbox = world.open()
    mail = among_neighbours(world, mailbox)
    mailbox.apply(action, mail.ref, mail.digest)
    before = (world.kept("INBOX"), world.kept("Done"))
    assert mailbox.apply(action, mail.ref, mail.digest) == isinstance(action, AddFlag)
    assert (world.kept("INBOX"), world.kept("Done")) == before


@pytest.mark.parametrize("action", [AddFlag("\\Seen"), MoveTo("Done"), Delete()])
def test_another_mail_under_that_number_is_left_alone(world: World, action: MailAction) -> None:
    """By its bytes; and no further try is worth anything."""
    mailbox = world.open()
    mail = among_neighbours(world, mailbox)
    neighbour = replace(mail.ref, uid=mail.ref.uid - 1)
    with pytest.raises(NotApplied) as caught:
        mailbox.apply(action, neighbour, mail.digest)
    assert (caught.value.code, caught.value.final) == ("imap-apply-other", True)
    assert world.kept("INBOX") == UNTOUCHED | {SETTLED: set()}


def test_a_number_from_before_the_folder_was_made_anew_is_no_mail(world: World) -> None:
    """Even where the mail of that number is the same one."""
    mailbox = world.open()
    mail = among_neighbours(world, mailbox)
    before = replace(mail.ref, uidvalidity=mail.ref.uidvalidity - 1)
    assert not mailbox.apply(Delete(), before, mail.digest)
    assert world.kept("INBOX") == UNTOUCHED | {SETTLED: set()}


@pytest.mark.parametrize(
    ("folder", "code"), [("Nowhere", "imap-apply-folder"), ("Junk", "imap-apply-watched")]
)
def test_a_folder_that_takes_no_mail_costs_nothing(world: World, folder: str, code: str) -> None:
    """The mail stays, and the session goes on."""
    mailbox = world.open()
    mailbox.folders()
    mail = among_neighbours(world, mailbox)
    with pytest.raises(NotApplied, match=folder) as caught:
        mailbox.apply(MoveTo(folder), mail.ref, mail.digest)
    assert (caught.value.code, caught.value.final) == (code, False)
    assert world.kept("INBOX") == UNTOUCHED | {SETTLED: set()}
    assert mailbox.fetch([mail.ref.uid]) == [mail]


def test_a_folder_is_read_only_after_an_action(world: World) -> None:
    """What is fetched afterwards is of that folder, and news of it end an IDLE."""
    mailbox = world.open()
    mail = among_neighbours(world, mailbox)
    mailbox.apply(MoveTo("Done"), mail.ref, mail.digest)
    assert [other.raw for other in mailbox.fetch([mail.ref.uid - 1])] == [NEIGHBOURS[0]]
    arrival = threading.Timer(0.2, world.append, [MAIL])
    with wakeup() as (wake, _):
        arrival.start()
        assert mailbox.idle(PATIENCE, wake) is True
    arrival.join()
    assert world.kept("INBOX") == UNTOUCHED | {MAIL: set()}


def test_a_server_that_is_asked_tells_of_new_mail(world: World) -> None:
    """Once, and of the folder that is open; the mail is there."""
    mailbox = world.open()
    start = world.start(mailbox)
    assert not mailbox.has_news()
    world.append(MAIL)
    until(mailbox.has_news, "the server to tell of it")
    assert not mailbox.has_news()
    mailbox.examine("INBOX")
    assert found(mailbox, start, NOW - DAY) == [start + 1]


def test_idle_ends_when_mail_comes(world: World) -> None:
    """True, and the mail is there."""
    mailbox = world.open()
    start = world.start(mailbox)
    arrival = threading.Timer(0.2, world.append, [MAIL])
    with wakeup() as (wake, _):
        arrival.start()
        assert mailbox.idle(PATIENCE, wake) is True
    arrival.join()
    mailbox.examine("INBOX")
    assert found(mailbox, start, NOW - DAY) == [start + 1]


def test_idle_does_not_begin_when_mail_has_come(world: World) -> None:
    """What was told along with another answer, after the folder was opened, ends it at once."""
    mailbox = world.open()
    world.start(mailbox)
    world.append(MAIL)
    mailbox.search(0, NOW - DAY)
    with wakeup() as (wake, _):
        assert mailbox.idle(PATIENCE, wake) is True


def test_idle_ends_when_it_is_woken(world: World) -> None:
    """False: no news; during the call and before it. A wakeup stays until it is cleared."""
    mailbox = world.open()
    world.start(mailbox)
    with wakeup() as (wake, trigger):
        waking = threading.Timer(0.2, os.write, [trigger, b"!"])
        waking.start()
        assert mailbox.idle(FOREVER, wake) is False
        assert mailbox.idle(FOREVER, wake) is False
        waking.join()


def test_idle_ends_when_time_is_over(world: World) -> None:
    """False, and not before."""
    mailbox = world.open()
    world.start(mailbox)
    with wakeup() as (wake, _):
        began = time.monotonic()
        assert mailbox.idle(0.3, wake) is False
    assert time.monotonic() - began >= 0.3


def test_a_session_idles_again_and_again(world: World) -> None:
    """After news, after a time-out, and with other commands in between."""
    mailbox = world.open()
    start = world.start(mailbox)
    with wakeup() as (wake, _):
        for number in range(1, 4):
            # Not before IDLE: pymap does not tell that.
            arrival = threading.Timer(0.1, world.append, [MAIL])
            arrival.start()
            assert mailbox.idle(PATIENCE, wake) is True
            arrival.join()
            mailbox.examine("INBOX")
            assert len(found(mailbox, start, NOW - DAY)) == number
            assert mailbox.idle(0.05, wake) is False


def test_a_look_that_was_asked_ahead_finds_the_mail(world: World) -> None:
    """As one that asks by itself: folder, headings and body, time and again."""
    mailbox = world.open()
    last = world.start(mailbox)
    with wakeup() as (wake, _):
        for _number in range(3):
            assert mailbox.idle(0.05, wake, then_look=True) is False
            arrival = threading.Timer(0.1, world.append, [MAIL])
            arrival.start()
            assert mailbox.idle(PATIENCE, wake, then_look=True) is True
            arrival.join()
            assert mailbox.examine("INBOX").uidnext == last + 2
            last += 1
            assert [heading.uid for heading in mailbox.headings((last, last))] == [last]
            assert [mail.raw for mail in mailbox.fetch([last])] == [MAIL]
            assert world.kept("INBOX")[MAIL] == set()


def test_what_was_asked_ahead_may_be_asked_anew(world: World) -> None:
    """It answers as of now then."""
    mailbox = world.open()
    last = world.start(mailbox)
    with wakeup() as (wake, _):
        assert mailbox.idle(0.05, wake, then_look=True) is False
        arrival = threading.Timer(0.1, world.append, [MAIL])
        arrival.start()
        assert mailbox.idle(PATIENCE, wake, then_look=True) is True
        arrival.join()
    world.append(MAIL)
    mailbox.ask_anew()
    assert mailbox.examine("INBOX").uidnext == last + 3


def test_closing_twice_is_harmless(world: World) -> None:
    """close() never raises."""
    mailbox = world.open()
    mailbox.close()
    mailbox.close()
