"""What becomes of mail that is not stored: a record, no move and no second look;
and held mail is stored once it may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree

from tests.kit import mails
from tests.kit.mails import token
from tests.kit.rig import BEGIN, TERMS, Rig
from token_catcher.model import Entry, Event, iso
from token_catcher.ports import KeyLookup
from token_catcher.proof.case import Terms
from token_catcher.proof.routing import Org
from token_catcher.quiet import LeftOut, Quiet
from token_catcher.record.journal import Journal
from token_catcher.report import Report

STRANGER = "new@other.example"


class Keys(mails.Forgetful):
    """Keys that a test takes away, and that count what they are asked."""

    def __init__(self) -> None:
        self.published = True
        self.asked = 0

    def lookup(self, name: str, at: datetime) -> bytes | None:
        self.asked += 1
        if not self.published:
            return None
        return mails.genuine_keys().lookup(name, at)


def sweep(rig: Rig, *, again: bool = False) -> Report:
    return rig.sweep.run(rig.connect(), again=again)


def restarted(rig: Rig, keys: KeyLookup | None = None, terms: Terms = TERMS) -> Rig:
    """The same mailbox, Vault and files after a restart."""
    fresh = Rig(rig.home, keys, terms)
    fresh.account, fresh.vault.secrets = rig.account, rig.vault.secrets
    return fresh


def endings(rig: Rig) -> list[tuple[str, str | None]]:
    """All records: how each mail ended, and why."""
    journal = Journal(rig.home / "journal.jsonl", now=rig.now, log=rig.log)
    return [
        (record.entry.event.removeprefix("rotation."), record.entry.reason)
        for record in journal.records()
    ]


def test_a_verdict_is_taken_once(tmp_path: Path) -> None:
    """Requirement 10: with the checkpoint lost and the key rotated out,
    what was proof on arrival stays proof."""
    keys = Keys()
    rig = Rig(tmp_path, keys)
    rig.deliver(1)
    sweep(rig)
    rmtree(tmp_path / "checkpoints")
    keys.published, asked = False, keys.asked
    report = sweep(restarted(rig, keys))
    assert (report.looked_at, report.entries, keys.asked) == (1, [], asked)
    assert endings(rig) == [("stored", None)]


def test_refused_and_held_mail_stays_where_it_is(tmp_path: Path) -> None:
    """Requirement 24: each leaves one record with its reason, and the mailbox is as it was."""
    rig = Rig(tmp_path)
    rig.account.append(mails.token_mail(issued_at=BEGIN), "INBOX")
    rig.account.append(mails.token_mail(issued_at=BEGIN), "Junk")
    rig.deliver(1, user=STRANGER)
    before = {name: dict(folder.mails) for name, folder in rig.account.folders.items()}
    sweep(rig)
    assert sorted(endings(rig)) == [("held", "unknown-user"), ("refused", "unsigned")]
    assert {name: dict(folder.mails) for name, folder in rig.account.folders.items()} == before
    assert rig.tokens == []


def test_held_mail_is_stored_once_the_configuration_allows_it(tmp_path: Path) -> None:
    """`scan --again` after the advice was followed; a second one finds nothing to do."""
    rig = Rig(tmp_path)
    rig.deliver(1, user=STRANGER)
    sweep(rig)
    wider = Terms((*TERMS.orgs, Org("other", (STRANGER,))), TERMS.path)
    fresh = restarted(rig, terms=wider)
    for _ in range(2):
        sweep(fresh, again=True)
        assert endings(fresh) == [("held", "unknown-user"), ("stored", None)]
    assert fresh.tokens == [token(1)]


def test_a_second_look_that_finds_the_same_leaves_no_record(tmp_path: Path) -> None:
    """However often `--again` is said."""
    rig = Rig(tmp_path)
    rig.deliver(1, user=STRANGER)
    for _ in range(3):
        sweep(rig, again=True)
    assert endings(rig) == [("held", "unknown-user")]


def refused(uid: int, reason: str = "unsigned") -> Entry:
    digest = f"sha256:{uid:064x}"
    return Entry(
        Event.REFUSED, "one", "integrations", "INBOX", 1, uid, digest, iso(BEGIN), reason=reason
    )


def test_a_flood_of_refusals_is_counted_and_not_repeated() -> None:
    """Requirement 23: ten events of a kind in an hour;
    the next hour's first says how many were left out."""
    now = BEGIN
    quiet = Quiet(lambda: now)
    assert [quiet.admit(refused(uid)) for uid in range(25)] == [0] * 10 + [None] * 15
    assert quiet.admit(refused(25, "bad-signature")) == 0
    now += timedelta(hours=1)
    assert [quiet.admit(refused(uid)) for uid in range(11)] == [15, *[0] * 9, None]


def test_what_a_flood_left_out_is_told_once() -> None:
    """By the last of it, with how many came before; what comes after that counts anew."""
    now = BEGIN
    quiet = Quiet(lambda: now)
    for uid in range(1, 14):
        quiet.admit(refused(uid))
    assert quiet.take_left_out(of_past_hours=True) == []
    assert quiet.take_left_out() == [LeftOut(refused(13), BEGIN, before=2)]
    assert quiet.take_left_out() == []
    now += timedelta(minutes=59)
    assert quiet.admit(refused(14)) is None
    now += timedelta(minutes=1)
    last = LeftOut(refused(14), BEGIN + timedelta(minutes=59), before=0)
    assert quiet.take_left_out(of_past_hours=True) == [last]
    assert quiet.admit(refused(15)) == 0
