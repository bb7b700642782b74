"""What is done to a settled token mail in its folder: to which mail, when, and what a server that
does not do it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.crash import Crash
from tests.kit.fakes import FakeFolder
from tests.kit.mails import token
from tests.kit.rig import BEGIN, Rig
from token_catcher.errors import AccessError, NotApplied, Outage
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo
from token_catcher.record.progress import MOST_FOLLOW_UP_TRIES
from token_catcher.report import Report

MOVE = MoveTo("Done")
REFUSED = NotApplied("the mail was not taken by folder 'Done'", code="imap-apply-refused")
LOST = Outage("the connection was lost", code="imap-connection")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An inbox, a spam folder, and one for what is done; a Vault."""
    rig = Rig(tmp_path)
    rig.account.folders["Done"] = FakeFolder()
    rig.sweep.after_capture = MOVE
    return rig


def sweep(rig: Rig, **how: Any) -> Report:
    """One sweep in a new session; the diary tells of that one alone."""
    session = rig.connect()
    rig.diary.clear()
    return rig.sweep.run(session, **how)


def restarted(rig: Rig, home: Path) -> Rig:
    """A new process over the same state, account and Vault."""
    new = Rig(home)
    new.account = rig.account
    new.vault.secrets = rig.vault.secrets
    new.time = rig.time
    new.sweep.after_capture = rig.sweep.after_capture
    return new


def uids(rig: Rig, folder: str) -> list[int]:
    """What is in a folder."""
    return sorted(rig.account.folders[folder].mails)


def applied(rig: Rig) -> list[str]:
    """What was asked to be done in the last sweep."""
    return [line for line in rig.diary if line.startswith("apply")]


def checkpoint(rig: Rig) -> dict[str, Any]:
    """The file, by folder."""
    file = rig.home / "checkpoints" / "integrations.json"
    folders: dict[str, Any] = json.loads(file.read_text())["folders"]
    return folders


def refuse(rig: Rig, error: Exception) -> None:
    """From now on nothing can be done to a mail."""

    def refusing(line: str) -> None:
        if line.startswith("apply"):
            raise error

    rig.on = refusing


# -- to which mail --


@pytest.mark.parametrize(
    ("action", "inbox", "done", "flags"),
    [
        (AddFlag("\\Seen"), 1, 0, {1: {"\\Seen"}}),
        (MOVE, 0, 1, {}),
        (Delete(), 0, 0, {}),
    ],
    ids=["seen", "move", "delete"],
)
def test_it_is_done_to_a_stored_mail(
    rig: Rig, action: MailAction, inbox: int, done: int, flags: dict[int, set[str]]
) -> None:
    """In the sweep that stored it, and told with what was done; nothing is left to do."""
    rig.sweep.after_capture = action
    rig.deliver(1)
    report = sweep(rig)
    assert (report.error, report.pending, report.unapplied) == (None, 0, 0)
    assert (len(uids(rig, "INBOX")), len(uids(rig, "Done"))) == (inbox, done)
    assert rig.account.folders["INBOX"].flags == flags
    assert len(rig.said("mail.after_capture")) == 1
    assert "follow_ups" not in checkpoint(rig)["INBOX"]
    sweep(rig)
    assert applied(rig) == []


def test_it_is_done_in_every_watched_folder(rig: Rig) -> None:
    """Each mail under its own folder and number."""
    rig.deliver(1)
    rig.deliver(2, "Junk", user="etl@acme.example")
    sweep(rig)
    assert applied(rig) == ["apply INBOX 1", "apply Junk 1"]
    assert rig.said("mail.after_capture") == [
        {
            "mailbox": "integrations",
            "folder": folder,
            "uid": 1,
            "action": "move",
            "target": "Done",
        }
        for folder in ("INBOX", "Junk")
    ]


def deliver_held(rig: Rig) -> None:
    """Proven, and of a user that no org names."""
    rig.deliver(2, user="someone@elsewhere.example")


def deliver_refused(rig: Rig) -> None:
    """Signed by nobody."""
    rig.account.append(mails.token_mail(token=token(2), issued_at=BEGIN))


def deliver_ignored(rig: Rig) -> None:
    """Salesforce's, without a token."""
    rig.account.append(mails.token_mail(subject="Welcome", body="Hello.\n"))


def deliver_foreign(rig: Rig) -> None:
    """Somebody else's."""
    rig.account.append(mails.token_mail(sender="someone <a@example.com>"))


@pytest.mark.parametrize(
    "deliver", [deliver_held, deliver_refused, deliver_ignored, deliver_foreign]
)
def test_it_is_done_to_no_mail_that_ended_otherwise(
    rig: Rig, deliver: Callable[[Rig], None]
) -> None:
    """Held, refused, ignored, or never looked at: it waits for a person, where it lies."""
    rig.deliver(1)
    deliver(rig)
    sweep(rig)
    sweep(rig, again=True)
    assert (uids(rig, "INBOX"), uids(rig, "Done")) == ([2], [1])


def test_it_is_done_to_no_mail_that_waits(rig: Rig) -> None:
    """Its token is not in Vault yet; once it is, the mail follows."""

    def sealed(_effect: str) -> None:
        raise Outage("Vault is sealed", code="vault-sealed")

    rig.on_vault = sealed
    rig.deliver(1)
    sweep(rig)
    assert (applied(rig), uids(rig, "INBOX")) == ([], [1])
    rig.on_vault = lambda _effect: None
    rig.time += timedelta(minutes=10)
    sweep(rig)
    assert (rig.tokens, uids(rig, "Done")) == ([token(1)], [1])


def test_it_is_done_to_unchanged_mail_as_well(rig: Rig) -> None:
    """An older one that came late, and one whose token is there already."""
    rig.deliver(5)
    rig.deliver(1)
    rig.account.append(rig.account.folders["INBOX"].mails[1][1])
    events = [entry.event for entry in sweep(rig).entries]
    assert events == ["rotation.stored", "rotation.unchanged"]
    assert (uids(rig, "INBOX"), uids(rig, "Done")) == ([], [1, 2, 3])


def test_mail_of_the_time_before_is_done_by_another_look(rig: Rig) -> None:
    """What was settled without it stays where it is, until somebody asks."""
    rig.sweep.after_capture = None
    rig.deliver(1)
    sweep(rig)
    assert (applied(rig), "follow_ups" in checkpoint(rig)["INBOX"]) == ([], False)
    rig.sweep.after_capture = MOVE
    sweep(rig)
    assert applied(rig) == []
    assert sweep(rig, again=True).entries == []
    assert (uids(rig, "INBOX"), uids(rig, "Done")) == ([], [1])


def test_a_second_look_that_ends_otherwise_takes_it_back(rig: Rig) -> None:
    """A mail that is pending, or held by now, is not to be touched any more."""
    rig.deliver(1)
    refuse(rig, REFUSED)
    sweep(rig)
    rig.on = lambda _line: None
    rig.vault.delete(f"salesforce/acme/{mails.USERNAME}")
    sweep(rig, again=True)
    assert (applied(rig), uids(rig, "INBOX")) == ([], [1])
    assert "follow_ups" not in checkpoint(rig)["INBOX"]


def test_what_is_owed_to_an_earlier_configuration_is_dropped(rig: Rig) -> None:
    """With `none` nothing is changed, whatever the checkpoint says."""
    rig.deliver(1)
    refuse(rig, REFUSED)
    sweep(rig)
    rig.sweep.after_capture = None
    rig.time += timedelta(days=1)
    sweep(rig)
    assert applied(rig) == []
    assert "follow_ups" not in checkpoint(rig)["INBOX"]


def test_without_it_nothing_is_noted(rig: Rig) -> None:
    """Not even for the time of a sweep: one that is stopped leaves nothing to be done later."""
    rig.sweep.after_capture = None
    rig.deliver(1)

    def stop(effect: str) -> None:
        rig.stopping = rig.stopping or effect == "written"

    rig.on_vault = stop
    rig.deliver(2)
    assert not sweep(rig).complete
    assert rig.tokens == [token(1)]
    assert "follow_ups" not in checkpoint(rig)["INBOX"]


# -- when --


def test_it_is_done_when_the_record_is_on_disk(rig: Rig) -> None:
    """And the checkpoint that settles the mail as well."""
    on_disk: list[tuple[bool, int]] = []

    def look(line: str) -> None:
        if line.startswith("apply"):
            journal = (rig.home / "journal.jsonl").read_text()
            known = checkpoint(rig)["INBOX"]["settled_through"]
            on_disk.append(("rotation.stored" in journal, known))

    rig.on = look
    rig.deliver(1)
    sweep(rig)
    assert on_disk == [(True, 1)]


@pytest.mark.parametrize("place", ["record", "checkpoint", "change"])
def test_a_crash_between_record_and_change_is_made_up_for(rig: Rig, place: str) -> None:
    """By the next process; the history has one record, Vault one version."""
    rig.deliver(1)
    if place == "record":
        checkpoints = rig.home / "checkpoints"
        sweep_that_dies_at(rig, "apply")
        for file in checkpoints.glob("*.json"):
            file.unlink()  # as if it had not been written yet
    elif place == "checkpoint":
        sweep_that_dies_at(rig, "apply")
    else:
        sweep_that_dies_at(rig, "examine INBOX", after="apply")
    new = restarted(rig, rig.home)
    report = sweep(new)
    assert (report.error, report.entries) == (None, [])
    assert (uids(new, "INBOX"), len(uids(new, "Done"))) == ([], 1)
    assert "follow_ups" not in checkpoint(new)["INBOX"]
    assert len(new.vault.written()) == 1


def sweep_that_dies_at(rig: Rig, line: str, *, after: str = "") -> None:
    """The process is killed there; `after`: at the first time behind this."""
    armed = not after

    def die(now: str) -> None:
        nonlocal armed
        if armed and now.startswith(line):
            raise Crash
        armed = armed or now.startswith(after)

    rig.on = die
    with pytest.raises(Crash):
        sweep(rig)


def test_the_inbox_is_looked_at_after_each_round_and_stays_open(rig: Rig) -> None:
    """So that no token waits for a long backlog, and who listens afterwards has missed nothing."""
    for number in range(1, 11):
        rig.deliver(number, "Junk", user=f"user{number}@acme.example")
    late = [("apply Junk 8", 11), ("apply Junk 10", 12)]

    def arrive(line: str) -> None:
        if late and line == late[0][0]:
            number = late.pop(0)[1]
            rig.deliver(number, user=f"user{number}@acme.example")

    rig.on = arrive
    report = sweep(rig)
    after = rig.diary[rig.diary.index("apply Junk 1") :]
    looks = [line for line in after if line.startswith(("apply", "fetch", "examine INBOX"))]
    assert looks == [
        *[f"apply Junk {uid}" for uid in range(1, 9)],
        *["examine INBOX", "fetch 1"],
        *["apply INBOX 1", "examine INBOX", "apply Junk 9", "apply Junk 10"],
        *["examine INBOX", "fetch 2"],
        *["apply INBOX 2", "examine INBOX", "examine INBOX"],
    ]
    assert (len(report.entries), report.error) == (12, None)
    assert (uids(rig, "INBOX"), uids(rig, "Junk"), len(uids(rig, "Done"))) == ([], [], 12)


def test_a_stop_comes_between_two_mails(rig: Rig) -> None:
    """The rest is done after the next start."""
    rig.deliver(1)
    rig.deliver(2)

    def stop(line: str) -> None:
        rig.stopping = rig.stopping or line.startswith("apply")

    rig.on = stop
    report = sweep(rig)
    assert (applied(rig), report.error, report.complete) == (["apply INBOX 1"], None, False)
    rig.stopping = False
    rig.on = lambda _line: None
    sweep(rig)
    assert (applied(rig), uids(rig, "Done")) == (["apply INBOX 2"], [1, 2])


def test_a_folder_that_is_numbered_anew_keeps_what_is_owed(rig: Rig) -> None:
    """Time and again, as some servers do: the mail is known by its bytes, under its new number."""
    rig.account.append(mails.token_mail(subject="Welcome", body="Hello.\n"))
    rig.deliver(1)
    refuse(rig, REFUSED)
    for _ in range(4):
        sweep(rig)
        rig.account.change_uidvalidity()
    rig.on = lambda _line: None
    report = sweep(rig)
    assert (report.entries, report.error) == ([], None)
    assert (len(uids(rig, "INBOX")), len(uids(rig, "Done"))) == (1, 1)


def test_a_folder_that_cannot_be_opened_is_left_out(rig: Rig) -> None:
    """It costs the inbox nothing."""
    rig.deliver(1, "Junk")
    refuse(rig, REFUSED)
    sweep(rig)
    rig.time += timedelta(days=1)

    def closed(line: str) -> None:
        if line == "examine Junk":
            raise AccessError("folder Junk cannot be opened", code="imap-folder")

    rig.on = closed
    rig.deliver(2)
    report = sweep(rig)
    assert (report.broken, applied(rig)) == (False, ["apply INBOX 1"])


# -- what is not done --


def test_a_refusal_costs_no_token_and_is_told_once(rig: Rig) -> None:
    """The mail is settled; each further sweep tries at most one of those that are due."""
    refuse(rig, REFUSED)
    for number in range(1, 4):
        rig.deliver(number, user=f"user{number}@acme.example")
    reports = [sweep(rig) for _ in range(4)]
    assert [(report.error, report.pending) for report in reports] == [(None, 0)] * 4
    assert [report.unapplied for report in reports] == [1, 2, 3, 3]
    assert rig.tokens == [token(1), token(2), token(3)]
    told = [fields for event, fields in rig.log.warnings if event == "mail.after_capture_failed"]
    assert told == [
        {
            "mailbox": "integrations",
            "folder": "INBOX",
            "uid": 1,
            "action": "move",
            "target": "Done",
            "code": "imap-apply-refused",
            "error": "the mail was not taken by folder 'Done'",
            "attempts": 1,
            "next_try": "2026-02-03T13:01:00Z",
        }
    ]


def test_tries_come_ever_more_seldom_and_end(rig: Rig) -> None:
    """After eight days the mail is left as it is; that is told."""
    refuse(rig, REFUSED)
    rig.deliver(1)
    tried: list[timedelta] = []
    while rig.time < BEGIN + timedelta(days=10):
        sweep(rig)
        if applied(rig):
            tried.append(rig.time - BEGIN)
        rig.time += timedelta(minutes=1)
    minutes = [tried[number + 1] - tried[number] for number in range(len(tried) - 1)]
    assert [gap // timedelta(minutes=1) for gap in minutes[:11]] == [
        *(1, 2, 4, 8, 16, 32, 64, 128, 256),
        *(360, 360),
    ]
    assert len(tried) == MOST_FOLLOW_UP_TRIES
    assert timedelta(days=7) < tried[-1] < timedelta(days=9)
    assert [fields.get("note") for fields in rig.said("mail.after_capture_failed")][-2:] == [
        None,
        "the mail is left as it is; `scan --again` tries once more",
    ]
    assert (sweep(rig).unapplied, uids(rig, "INBOX")) == (0, [1])


def test_what_no_further_try_can_mend_is_given_up_at_once(rig: Rig) -> None:
    """Another mail under that number, or a copy that was made: it is told, and left."""
    refuse(rig, NotApplied("other bytes", code="imap-apply-other", final=True))
    rig.deliver(1)
    assert sweep(rig).unapplied == 0
    rig.time += timedelta(days=1)
    sweep(rig)
    assert applied(rig) == []
    assert [event for event, _ in rig.log.warnings] == ["mail.after_capture_failed"]


def test_once_it_can_be_done_all_that_is_due_is_done(rig: Rig) -> None:
    """As when somebody makes the folder; the next trouble is told again."""
    refuse(rig, REFUSED)
    rig.deliver(1)
    rig.deliver(2)
    sweep(rig)
    rig.on = lambda _line: None
    rig.time += timedelta(minutes=1)
    assert sweep(rig).unapplied == 0
    assert uids(rig, "Done") == [1, 2]
    refuse(rig, REFUSED)
    rig.deliver(3)
    sweep(rig)
    told = [fields["uid"] for event, fields in rig.log.warnings if event.endswith("_failed")]
    assert told == [1, 3]


def test_a_person_who_scans_waits_for_no_back_off(rig: Rig) -> None:
    """What is due later is tried now, once."""
    refuse(rig, REFUSED)
    rig.deliver(1)
    sweep(rig)
    sweep(rig, at_once=True)
    assert applied(rig) == ["apply INBOX 1"]
    rig.on = lambda _line: None
    assert sweep(rig, at_once=True).unapplied == 0
    assert uids(rig, "Done") == [1]


def test_a_session_that_breaks_takes_no_token_along(rig: Rig) -> None:
    """Everything was stored before; the next session tries no mail before its time."""
    refuse(rig, LOST)
    rig.deliver(1)
    rig.deliver(2)
    report = sweep(rig)
    assert (report.error, report.broken, report.unapplied) == (LOST, True, 2)
    assert rig.tokens == [token(1), token(2)]
    rig.deliver(3, user="etl@acme.example")
    report = sweep(rig)
    assert (report.broken, applied(rig)) == (True, ["apply INBOX 3"])
    assert not sweep(rig).broken


def test_a_clock_that_was_set_back_holds_up_nothing_for_years(rig: Rig) -> None:
    """A next try that is further off than any pause is due."""
    rig.deliver(1)
    rig.time += timedelta(days=365)
    refuse(rig, REFUSED)
    sweep(rig)
    rig.on = lambda _line: None
    rig.time -= timedelta(days=365)
    sweep(rig)
    assert uids(rig, "Done") == [1]


def test_a_mail_that_is_gone_is_done(rig: Rig) -> None:
    """Another instance was quicker, or a person."""
    rig.deliver(1)
    refuse(rig, REFUSED)
    sweep(rig)
    rig.on = lambda _line: None
    rig.account.expunge(1)
    rig.time += timedelta(minutes=1)
    assert sweep(rig).unapplied == 0
    assert rig.said("mail.after_capture") == []
    assert "follow_ups" not in checkpoint(rig)["INBOX"]
