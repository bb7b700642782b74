"""`release`: what a person can take for good, where the mail is looked for, what is recorded."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.fakes import FakeFolder
from tests.kit.mails import token
from tests.kit.rig import BEGIN, PATH, Rig, Withholding
from tests.unit.commands.records import entry, held
from token_catcher.commands.release import Releases, held_record, release_by
from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError
from token_catcher.model import Entry, Event, Release
from token_catcher.ports import MailAction, MoveTo
from token_catcher.record import Checkpoint, Journal, Record

ALICE = Release("alice", "moved to a new mailbox")
SUBJECT = "Ihr neues Salesforce-Sicherheitstoken"
ELSEWHERE = "someone@elsewhere.example"


def records(rig: Rig) -> list[Record]:
    """All records of the journal."""
    return list(book(rig).records())


def book(rig: Rig) -> Journal:
    """The journal of the rig, as another process has it."""
    return Journal(rig.home / "journal.jsonl", now=rig.now, log=rig.log)


@contextmanager
def opened(rig: Rig, **options: float) -> Iterator[Releases]:
    """Releases by alice."""
    with Releases([rig.watched], book(rig), ALICE, rig.now, **options) as releases:
        yield releases


def release(rig: Rig, written: str | None = None) -> Entry:
    """Release one mail: the one of the newest record, unless another id is given."""
    with opened(rig) as releases:
        return releases.release(written or records(rig)[-1].entry.mail)


def refusal(rig: Rig, written: str | None = None) -> str:
    """Why it is not released, and that nothing was written."""
    before = records(rig)
    with pytest.raises(TokenCatcherError) as caught:
        release(rig, written)
    assert (records(rig), rig.vault.secrets) == (before, {})
    return str(caught.value)


def hold(rig: Rig, raw: bytes, folder: str = "INBOX") -> Entry:
    """The mail arrives and is held; its record."""
    rig.account.append(raw, folder)
    rig.sweep.run(rig.connect())
    record = records(rig)[-1].entry
    assert (record.event, rig.tokens) == (Event.HELD, [])
    return record


def odd_mail(**changes: str) -> bytes:
    """A genuine mail with a subject that nobody listed."""
    return mails.genuine(mails.USERNAME, token(1), subject=SUBJECT, issued_at=BEGIN, **changes)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A mailbox, a Vault, and what lies between them."""
    return Rig(tmp_path)


# -- what is released --


def test_a_released_mail_is_stored_and_recorded(rig: Rig) -> None:
    """Like any other, and with who released it, why, and which rules were set aside."""
    waiting = hold(rig, odd_mail())
    done = release(rig)
    assert rig.tokens == [token(1)]
    assert (done.event, done.path, done.version, done.mail) == (Event.STORED, PATH, 1, waiting.mail)
    assert (done.released_by, done.release_reason) == ("alice", "moved to a new mailbox")
    assert done.waived == ("subject",)
    assert (done.asked_by, done.seen_after) == ("release:alice", None)
    assert [record.entry for record in records(rig)] == [waiting, done]
    assert book(rig).waiting() == []


def test_the_log_tells_of_a_release(rig: Rig) -> None:
    """The canonical event carries the same fields."""
    hold(rig, odd_mail())
    release(rig)
    (told,) = rig.said("rotation.stored")
    assert (told["released_by"], told["waived"]) == ("alice", ("subject",))


@pytest.mark.parametrize("action", [MoveTo("Done"), None], ids=["move", "none"])
def test_a_released_mail_is_followed_up_by_the_next_sweep(
    rig: Rig, action: MailAction | None
) -> None:
    """As every stored mail is; a mail that stays held stays where it is. No second record."""
    rig.account.folders["Done"] = FakeFolder()
    rig.sweep.after_capture = action
    hold(rig, odd_mail())
    hold_stranger = rig.account.append(mails.genuine(ELSEWHERE, token(2), issued_at=BEGIN))
    rig.sweep.run(rig.connect())
    for record in records(rig):
        release(rig, record.entry.mail)
    before = records(rig)
    report = rig.sweep.run(rig.connect())
    assert (report.error, report.pending, records(rig)) == (None, 0, before)
    moved = action is not None
    left = [uid for uid in rig.account.folders["INBOX"].mails if uid != hold_stranger]
    assert (len(left), len(rig.account.folders["Done"].mails)) == (1 - moved, int(moved))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (mails.genuine("new@other.example", token(1), issued_at=BEGIN), "unknown-user"),
        (odd_mail().replace(b"Username:", b"User:"), None),
    ],
    ids=["the user", "the claim, and with it the signature"],
)
def test_nobody_sets_aside_whose_token_it_is(rig: Rig, raw: bytes, reason: str | None) -> None:
    """Proof, claim, user, org and path hold for a released mail as for every other.

    What fails them is told with its reason, and adds nothing to the journal."""
    rig.account.append(raw)
    rig.sweep.run(rig.connect())
    before = records(rig)
    if reason is None:
        assert "it is not held" in refusal(rig)
        return
    ended = release(rig)
    assert (ended.event, ended.reason, ended.released_by) == (Event.HELD, reason, None)
    assert (records(rig), rig.tokens) == (before, [])


def test_a_mail_that_can_no_longer_prove_itself_stays_held(tmp_path: Path) -> None:
    """Its key was taken away: the person is told, and the record stays as it is."""
    waiting = hold(Rig(tmp_path), odd_mail())
    bare = Rig(tmp_path, keys=mails.Keys({}))
    bare.account.append(odd_mail())
    ended = release(bare)
    assert (ended.event, ended.reason) == (Event.HELD, "no-key")
    assert [record.entry for record in records(bare)] == [waiting]


def test_a_token_of_before_replaces_none(rig: Rig) -> None:
    """The newest wins: the release ends as `unchanged`, and the mail waits no longer."""
    hold(rig, odd_mail())
    rig.deliver(60)
    rig.sweep.run(rig.connect())
    ended = release(rig, records(rig)[0].entry.mail)
    assert (ended.event, ended.reason, ended.released_by) == (Event.UNCHANGED, "stale", "alice")
    assert rig.tokens == [token(60)]


def test_a_crash_after_the_write_is_made_good_by_the_next_release(rig: Rig) -> None:
    """The token is in Vault without its record: it is recorded as recovered, and once."""
    hold(rig, odd_mail())

    def crash(effect: str) -> None:
        if effect == "written":
            raise Outage("the answer was lost", code="vault-unreachable")

    rig.on_vault = crash
    with pytest.raises(TransientError):
        release(rig)
    rig.on_vault = lambda _effect: None
    done = release(rig)
    assert (done.event, done.recovered, done.released_by) == (Event.STORED, True, "alice")
    assert rig.tokens == [token(1)]


def test_a_sweep_after_a_release_adds_nothing(rig: Rig) -> None:
    """Not even a second look at the whole window: the mail has its end."""
    hold(rig, odd_mail())
    release(rig)
    before = records(rig)
    rig.sweep.run(rig.connect(), again=True)
    assert (records(rig), rig.tokens) == (before, [token(1)])


def test_a_second_release_is_told_how_the_first_ended(rig: Rig) -> None:
    """Nothing is written twice."""
    hold(rig, odd_mail())
    release(rig)
    before = records(rig)
    with pytest.raises(TokenCatcherError, match="it is not held: it ended as stored at 2026-"):
        release(rig)
    assert records(rig) == before


def test_a_release_waits_for_the_sweep_that_runs(rig: Rig) -> None:
    """One of the two has the checkpoint, in the end without the other."""
    hold(rig, odd_mail())
    sweep = Checkpoint.hold(rig.home / "checkpoints", "integrations")
    with sweep, opened(rig, patience=0.0) as releases, pytest.raises(TransientError) as caught:
        releases.release(records(rig)[-1].entry.mail)
    assert (caught.value.code, rig.tokens) == ("busy", [])
    assert release(rig).event == Event.STORED


# -- where the mail is looked for --


def test_the_mail_is_read_where_it_was(rig: Rig) -> None:
    """By its UID, without any search."""
    hold(rig, odd_mail(), "Junk")
    rig.diary.clear()
    release(rig)
    assert rig.diary == ["connect", "folders", "examine Junk", "fetch 1", "close"]


def test_a_mail_that_was_moved_is_found_by_its_digest(rig: Rig) -> None:
    """In any watched folder, however old it is; the record says where it was."""
    hold(rig, odd_mail())
    rig.time += timedelta(days=30)
    rig.account.expunge()
    rig.deliver(2, "Junk")
    rig.account.append(odd_mail(), "Junk", received_at=BEGIN)
    done = release(rig)
    assert (done.event, done.folder, done.uid) == (Event.STORED, "Junk", 2)


def test_a_uid_of_another_numbering_is_not_asked_for(rig: Rig) -> None:
    """Under a new UIDVALIDITY it may be any mail."""
    hold(rig, odd_mail())
    rig.account.append(odd_mail(body="another mail"))
    rig.account.expunge(1)
    rig.account.change_uidvalidity()
    rig.diary.clear()
    assert "the mail is gone" in refusal(rig)
    assert rig.diary[:4] == ["connect", "folders", "examine INBOX", "examine INBOX"]


def test_a_folder_that_is_gone_is_looked_past(rig: Rig) -> None:
    """The mail may lie in another one."""
    rig.account.folders["Junk"].mails.clear()
    hold(rig, odd_mail(), "Junk")
    rig.account.append(odd_mail())
    del rig.account.folders["Junk"]
    assert release(rig).folder == "INBOX"


def test_a_mail_whose_body_does_not_come_is_not_gone(rig: Rig) -> None:
    """The server has it, and says so when it is asked for that mail alone."""
    hold(rig, odd_mail())
    mailbox = Withholding(rig)
    mailbox.without_body = {1}
    rig.watched = rig.but(connect=lambda: mailbox)
    assert refusal(rig) == (
        "the mail was not found, and may be there: mailbox integrations: the server does not give"
        " the body of a mail"
    )


def test_another_mail_under_the_same_uid_is_not_taken(rig: Rig) -> None:
    """A server that set its folder back: the digest decides."""
    hold(rig, odd_mail())
    other = mails.genuine(mails.USERNAME, token(9), issued_at=BEGIN)
    rig.account.folders["INBOX"].mails[1] = (BEGIN, other)
    assert refusal(rig) == (
        "the mail is gone: it is neither INBOX/1 of mailbox integrations, nor in another of its"
        " watched folders"
    )


def test_a_mailbox_that_refuses_us_is_asked_once(rig: Rig) -> None:
    """However many mails are released: servers lock accounts."""
    hold(rig, odd_mail())
    rig.account.append(mails.genuine(mails.USERNAME, token(2), subject=SUBJECT, issued_at=BEGIN))
    rig.sweep.run(rig.connect())
    first, second = [record.entry.mail for record in records(rig)]
    rig.diary.clear()

    def refuse(what: str) -> None:
        if what == "connect":
            raise AccessError("wrong password", code="imap-login")

    rig.on = refuse
    with opened(rig) as releases:
        for mail in (first, second):
            with pytest.raises(AccessError, match="wrong password"):
                releases.release(mail)
    assert rig.diary == ["connect"]


def test_several_mails_take_one_session(rig: Rig) -> None:
    """Each is released on its own."""
    hold(rig, odd_mail())
    rig.account.append(
        mails.genuine("etl@acme.example", token(2), subject=SUBJECT, issued_at=BEGIN)
    )
    rig.sweep.run(rig.connect())
    rig.diary.clear()
    with opened(rig) as releases:
        ended = [releases.release(record.entry.mail).event for record in records(rig)]
    assert ended == [Event.STORED] * 2
    assert rig.diary.count("connect") == rig.diary.count("close") == 1


# -- which mail is meant --


def numbered(*entries: Entry) -> list[Record]:
    """Records with these entries."""
    return [
        Record(seq, "2026-02-03T13:00:00Z", "", replace(content, event=Event(content.event)))
        for seq, content in enumerate(entries, 1)
    ]


def test_the_same_mail_in_two_mailboxes_is_one_mail() -> None:
    """Where it is held, it can be released."""
    first = held(1, mailbox="first")
    second = entry(1, mailbox="second", event="rotation.refused", reason="unsigned")
    assert held_record(numbered(first, second), first.mail).entry.mailbox == "first"


@pytest.mark.parametrize("written", ["abcd", "ABCD0123", "sha256:abcd0123", "abcd0123" + 56 * "0"])
def test_any_beginning_of_a_digest_names_a_mail(written: str) -> None:
    """As `held` shows it, as the journal has it, in any case of the letters."""
    mail = "sha256:abcd0123" + 56 * "0"
    assert held_record(numbered(held(1, mail=mail), held(2)), written).entry.mail == mail


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("beef", "no mail of the journal has this id"),
        ("", "no mail of the journal has this id"),
        ("abc", "no mail of the journal has this id"),
        (".*", "no mail of the journal has this id"),
        ("abcd", "several mails begin so: abcd00000000, abcd11111111"),
        ("abcd1", "it is not held: it ended as stored at 2026-02-03T13:00:00Z"),
    ],
)
def test_an_id_that_names_no_held_mail_is_told(written: str, problem: str) -> None:
    """Nothing is guessed, and four letters are the least."""
    one = "sha256:abcd" + 60 * "0"
    other = "sha256:abcd" + 60 * "1"
    known = numbered(held(1, mail=one), held(2, mail=other), entry(2, mail=other))
    with pytest.raises(TokenCatcherError) as caught:
        held_record(known, written)
    assert (str(caught.value), caught.value.code) == (problem, "release-unknown")


def test_a_mailbox_that_is_no_longer_configured_is_told(rig: Rig) -> None:
    """There is no way to the mail."""
    hold(rig, odd_mail())
    with (
        Releases([], book(rig), ALICE, rig.now) as releases,
        pytest.raises(TokenCatcherError) as caught,
    ):
        releases.release(records(rig)[-1].entry.mail)
    assert str(caught.value) == "its mailbox integrations is not configured"


# -- who released it --


def test_the_person_is_who_called_sudo() -> None:
    """Else the account that runs it; where that has no name, its number."""
    uid = os.getuid()
    name = pwd.getpwuid(uid).pw_name
    assert release_by({}, uid, None).by == name
    assert release_by({"SUDO_UID": str(uid)}, 4_000_000_000, None).by == name
    assert release_by({"SUDO_UID": "-1; rm"}, uid, None).by == name
    assert release_by({}, 4_000_000_000, None).by == "uid 4000000000"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (None, None),
        (" \n", None),
        ("moved to Zürich", "moved to Zürich"),
        ("two\nlines\x1b[2J", "two lines [2J"),
        (f"the token is {mails.TOKEN}", "the token is <masked>"),
        ("x" * 300, "x" * 200),
    ],
)
def test_the_reason_is_one_printable_line_without_a_token(
    typed: str | None, kept: str | None
) -> None:
    """It stands in the journal for ever."""
    assert release_by({}, 0, typed).reason == kept
