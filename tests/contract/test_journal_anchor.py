"""The head of a journal in a real OpenBao, under the shipped policy: where it moves on, where it
stays as evidence, and what `audit verify` makes of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.vault import given, opened
from tests.kit.fakes import Silent
from tests.kit.proxy import TcpProxy
from tests.kit.servers import OpenBao
from tests.unit.record.books import NOW, entry, in_files, journal
from token_catcher.anchoring import DAILY, PAUSE, Anchoring
from token_catcher.app import App
from token_catcher.config import load
from token_catcher.diagnosis.anchored import AnchorLook
from token_catcher.errors import AccessError
from token_catcher.model import iso
from token_catcher.overview import overview_of
from token_catcher.record.chain import START, Head
from token_catcher.record.journal import Journal
from token_catcher.record.verification import State, Verification, verify
from token_catcher.status import AnchorRow
from token_catcher.vault import Anchor, VaultStore

pytestmark = pytest.mark.servers
BEGAN = 1_000.0
SHIPPED = (Path(__file__).parents[2] / "deploy" / "vault" / "journal-anchor.hcl").read_text("utf-8")


class World:
    """One instance: its journal on disk, its anchor in OpenBao, a clock that tests move."""

    def __init__(
        self, path: Path, store: VaultStore, bao: OpenBao, instance: str, way: TcpProxy
    ) -> None:
        """`way`: to OpenBao, which tests close."""
        self.path = path
        self.way = way
        self.store = store
        self.anchors = store.anchor(instance)
        self.bao = bao
        self.instance = instance
        self.secret = f"token-catcher/journal/{instance}"
        self.log = Silent()
        self.seconds = BEGAN
        self.restart()

    def restart(self) -> None:
        """A new process, with nothing in its memory."""
        self.book: Journal = journal(self.path)
        self.anchoring = Anchoring(
            self.book,
            self.anchors,
            instance=self.instance,
            now=self.now,
            monotonic=lambda: self.seconds,
            log=self.log,
        )

    def now(self) -> datetime:
        """The clock on the wall, which goes with the other one."""
        return NOW + timedelta(seconds=self.seconds - BEGAN - PAUSE)

    def beside(self) -> World:
        """Another process over the same files, at the same time."""
        other = World(self.path, self.store, self.bao, self.instance, self.way)
        other.seconds = self.seconds
        return other

    def answers(self) -> list[str]:
        """What OpenBao answered to requests about the anchor so far: an error, or nothing."""
        return [
            line.get("error", "")
            for line in self.bao.audited
            if line["type"] == "response" and self.secret in line["request"]["path"]
        ]

    @property
    def health(self) -> tuple[bool | None, bool, int | None]:
        """Whether it is usable, whether it is contradicted, and what Vault is known to have."""
        health = self.anchoring.health
        return health.is_usable, health.is_contradicted, health.seq

    def record(self, *uids: int) -> None:
        """Append these mails."""
        for uid in uids:
            self.book.append(entry(uid))

    def minute_later(self) -> None:
        """The round of the housekeeping that may write again."""
        self.seconds += PAUSE
        self.anchoring.round()

    @property
    def anchored(self) -> Head:
        """What Vault knows."""
        anchor = self.anchors.read().anchor
        if anchor is None:
            return START
        return Head(anchor.seq, anchor.hash)

    def verified(self) -> Verification:
        """As `audit verify` does: the anchor first, then the files."""
        return verify(self.path, anchor=self.anchored)


@pytest.fixture
def world(openbao: OpenBao, tmp_path: Path, org: str) -> Iterator[World]:
    """Nothing recorded, nothing anchored, and the rights that we ship."""
    openbao.policy("journal-anchor", SHIPPED)
    token = openbao.token("journal-anchor", no_parent=True, ttl="1h")
    path = tmp_path / "state" / "journal.jsonl"
    with (
        TcpProxy(openbao.port) as way,
        opened(f"http://127.0.0.1:{way.port}", given(token)) as store,
    ):
        yield World(path, store, openbao, org, way)


@contextmanager
def away(world: World) -> Iterator[None]:
    """OpenBao, cut off for as long as the block runs."""
    world.way.refuse()
    world.way.cut()
    yield
    world.way.refuse(yes=False)


def test_the_head_goes_to_vault_with_whose_it_is(world: World) -> None:
    """Number, hash, instance and time, and nothing else."""
    world.record(1, 2)
    world.minute_later()
    head = world.book.head
    assert world.bao.get(world.secret) == {
        "seq": "2",
        "hash": head.hash,
        "instance": world.instance,
        "at": "2026-02-03T12:57:28Z",
    }
    expected = Anchor(2, head.hash, world.instance, "2026-02-03T12:57:28Z")
    assert world.anchors.read().anchor == expected
    assert world.log.events == []


def test_an_empty_journal_is_not_anchored(world: World) -> None:
    """There is nothing to know of it."""
    world.book.open()
    world.minute_later()
    assert world.anchored == START


def test_at_most_one_write_a_minute_and_none_without_news(world: World) -> None:
    """The versions in Vault tell how often there was one."""
    world.record(1)
    world.minute_later()
    world.record(2)
    for _ in range(3):
        world.seconds += PAUSE / 4
        world.anchoring.round()
    assert world.anchored.seq == 1
    for _ in range(3):
        world.minute_later()
    assert list(world.bao.versions(world.secret)) == [1, 2]
    assert world.anchored.seq == 2


def test_a_new_process_goes_on_from_the_anchor_there_is(world: World) -> None:
    """Though the anchored record is in a closed file by now."""
    world.record(1)
    world.minute_later()
    world.book.archive()
    world.restart()
    world.record(2)
    world.minute_later()
    assert (world.anchored, world.log.events) == (world.book.head, [])


def test_records_whose_file_was_moved_away_keep_no_anchor_back(world: World) -> None:
    """The oldest closed files may be moved away; the journal still goes on from them."""
    world.record(1)
    world.minute_later()
    closed = world.book.archive()
    assert closed is not None
    closed.rename(world.path.parent.parent / closed.name)
    world.restart()
    world.record(2)
    world.minute_later()
    assert (world.anchored, world.log.events) == (world.book.head, [])


def test_an_older_state_never_moves_the_anchor_back(world: World) -> None:
    """It is told once, and the evidence stays; so it does once the journal has grown past it."""
    world.record(1)
    older = world.path.parent.parent / "older"
    shutil.copytree(world.path.parent, older)
    world.record(2, 3)
    world.minute_later()
    known = world.anchored
    shutil.rmtree(world.path.parent)
    shutil.copytree(older, world.path.parent)
    world.restart()
    world.record(4)
    world.minute_later()
    world.minute_later()
    world.record(5, 6, 7)
    world.minute_later()
    assert world.anchored == known
    problem = f"the anchor in Vault knows 3 records of {world.instance}, the journal has 2"
    assert world.log.events == [
        (
            "journal.anchor_failed",
            {
                "code": "journal-anchor",
                "error": f"{problem}: the rest was cut off, or an older state was brought back",
            },
        )
    ]
    assert (world.verified().state, world.verified().line) == (State.BROKEN, 3)


def test_what_is_no_anchor_is_not_written_over(world: World) -> None:
    """A person put something else there."""
    world.bao.put(world.secret, {"seq": "soon"})
    world.record(1)
    world.minute_later()
    assert world.bao.get(world.secret) == {"seq": "soon"}
    (told,) = world.log.events
    saw = f"{world.anchors.place}: version 1 is no anchor, expected seq and hash of a record"
    assert told == (
        "journal.anchor_failed",
        {"code": "journal-anchor-form", "error": f"{saw}: somebody else wrote there"},
    )


def test_who_was_faster_is_not_written_over(world: World) -> None:
    """Check-and-set: what was read is no longer there."""
    current = world.anchors.read()
    world.bao.put(world.secret, {"seq": "5", "hash": "a" * 64})
    anchor = Anchor(1, "b" * 64, world.instance, "now")
    assert world.anchors.write(anchor, current) is False
    assert world.anchored == Head(5, "a" * 64)


def test_a_deleted_anchor_is_begun_anew(world: World) -> None:
    """By a person who began the journal anew on purpose."""
    world.record(1)
    world.minute_later()
    world.bao.delete(world.secret)
    world.record(2)
    world.minute_later()
    assert world.anchored.seq == 2


def test_trouble_is_told_once_and_its_end_as_well(world: World) -> None:
    """The next capture never sees it."""
    world.record(1)
    world.bao.policy("journal-anchor", 'path "secret/data/nothing" { capabilities = ["read"] }')
    for _ in range(3):
        world.minute_later()
    world.bao.policy("journal-anchor", SHIPPED)
    world.minute_later()
    assert [(event, fields.get("code")) for event, fields in world.log.events] == [
        ("journal.anchor_failed", "journal-anchor-policy"),
        ("journal.anchored", None),
    ]
    assert world.anchored.seq == 1


def test_the_policy_grants_anchors_alone(world: World) -> None:
    """No token, no metadata, no delete."""
    for path in ("salesforce/acme/u", "token-catcher/journal/one/more", "token-catcher/journal"):
        with pytest.raises(AccessError) as refusal:
            world.store.holds(path)
        assert refusal.value.code in ("vault-policy", "vault-mount"), path
    assert world.store.latest(world.secret) is None


# -- when it counts, and when it is over --

DENYING = 'path "secret/data/nothing" { capabilities = ["read"] }'


def test_what_a_policy_lacks_is_told_before_the_first_record(world: World) -> None:
    """With the line that grants it, and though no record waits for it."""
    place = f"secret/data/token-catcher/journal/{world.instance}"
    world.bao.policy("journal-anchor", f'path "{place}" {{ capabilities = ["read"] }}')
    world.book.open()
    world.anchoring.round()
    lacking = "our token lacks create and update on the journal's anchor; grant"
    error = f'{lacking} path "{place}" {{ capabilities = ["create", "update"] }}'
    assert world.log.errors == [
        ("journal.anchor_failed", {"code": "journal-anchor-policy", "error": error})
    ]
    assert world.health == (False, False, None)


def test_no_request_is_made_that_a_policy_denies(world: World) -> None:
    """Each is counted as one that keeps tokens out of Vault."""
    world.bao.policy("journal-anchor", DENYING)
    world.record(1)
    world.minute_later()
    world.bao.policy(
        "journal-anchor", f'path "{world.anchors.place}" {{ capabilities = ["read"] }}'
    )
    world.minute_later()
    assert [error for error in world.answers() if error] == []


def test_a_denial_names_the_anchor_also_where_nobody_may_ask(world: World) -> None:
    """A policy can forbid to ask for capabilities; then Vault's denial is told as ours."""
    asking = 'path "sys/capabilities-self" { capabilities = ["deny"] }'
    world.bao.policy("journal-anchor", asking)
    with pytest.raises(AccessError) as refusal:
        world.anchors.read()
    assert refusal.value.code in ("journal-anchor-policy", "vault-mount")
    place = world.anchors.place
    world.bao.policy("journal-anchor", f'{asking} path "{place}" {{ capabilities = ["read"] }}')
    world.record(1)
    world.minute_later()
    assert world.health == (False, False, None)
    (told,) = world.log.errors
    assert told[1]["code"] == "journal-anchor-policy"


def test_a_right_that_goes_before_the_write_is_told_as_what_it_is(world: World) -> None:
    """Between the look and the write, too."""
    current = world.anchors.read()
    place = world.anchors.place
    world.bao.policy("journal-anchor", f'path "{place}" {{ capabilities = ["read", "update"] }}')
    with pytest.raises(AccessError) as refusal:
        world.anchors.write(Anchor(1, "b" * 64, world.instance, "now"), current)
    assert refusal.value.code == "journal-anchor-policy"
    assert 'capabilities = ["create"]' in str(refusal.value)


@pytest.mark.parametrize(
    ("mount", "code"), [("nosuch", "vault-mount"), ("cubbyhole", "vault-mount-engine")]
)
def test_a_mount_that_is_none_is_no_matter_of_rights(
    openbao: OpenBao, mount: str, code: str
) -> None:
    """To a token with all rights it is told as what it is."""
    with (
        opened(openbao.url, given(openbao.root_token), mount=mount) as store,
        pytest.raises(AccessError) as refusal,
    ):
        store.anchor("one").read()
    assert refusal.value.code == code


def test_a_quiet_journal_is_looked_at_once_a_day(world: World) -> None:
    """What would keep the next record out is found before it comes, and nobody is asked more."""
    world.record(1)
    world.minute_later()
    world.bao.policy("journal-anchor", DENYING)
    before = world.answers()
    for _ in range(3):
        world.minute_later()
    assert (world.answers(), world.health) == (before, (True, False, 1))
    world.seconds += DAILY
    world.anchoring.round()
    assert world.health == (False, False, 1)


def test_a_deleted_journal_shows_at_the_next_start(world: World) -> None:
    """Though the new one has no record yet."""
    world.record(1, 2)
    world.minute_later()
    shutil.rmtree(world.path.parent)
    world.restart()
    world.book.open()
    world.anchoring.round()
    assert world.health == (False, True, None)


def test_a_journal_that_is_begun_anew_under_us_is_not_anchored(world: World) -> None:
    """What this process has anchored itself is evidence as well."""
    world.record(1, 2)
    world.minute_later()
    known = world.anchored
    shutil.rmtree(world.path.parent)
    journal(world.path).append(entry(9))
    world.minute_later()
    assert world.anchored == known


def test_a_vault_that_is_away_has_a_quarter_of_an_hour(world: World) -> None:
    """It heals by itself, and who hears of it after that hears of the end as well."""
    world.record(1)
    with away(world):
        for _ in range(15):
            world.minute_later()
        assert (world.health, world.log.errors) == ((None, False, None), [])
    world.minute_later()
    assert (world.health, world.anchored.seq) == ((True, False, 1), 1)
    world.record(2)
    with away(world):
        for _ in range(15):
            world.minute_later()
        assert world.health == (True, False, 1)
        world.minute_later()
        assert world.health == (False, False, 1)
    world.minute_later()
    assert (world.health, world.anchored.seq) == ((True, False, 2), 2)
    told = [(event, fields.get("code")) for event, fields in world.log.events]
    assert [event for event in told if event[0] != "journal.anchor_delayed"] == [
        ("journal.anchor_failed", "vault-unreachable"),
        ("journal.anchored", None),
    ]


def test_a_vault_that_is_away_covers_up_no_contradiction(world: World) -> None:
    """It stays told; and after a restart it is found again, by what Vault has."""
    world.bao.put(world.secret, {"seq": "5", "hash": "a" * 64, "instance": "x", "at": "y"})
    world.record(1)
    world.minute_later()
    with away(world):
        for _ in range(20):
            world.minute_later()
        assert world.health == (False, True, None)
    world.restart()
    world.anchoring.round()
    assert world.health == (False, True, None)


def test_what_another_process_recorded_and_anchored_is_no_contradiction(world: World) -> None:
    """It was both after the daemon last read the journal, and had news of its own."""
    world.record(1)
    world.minute_later()
    world.seconds += PAUSE
    scan = world.beside()
    scan.book.append(entry(2))
    world.book.catch_up()
    scan.book.append(entry(3))
    assert scan.anchoring.move() is True
    assert (world.book.head.seq, world.anchored.seq) == (2, 3)
    world.minute_later()
    assert (world.health, world.log.errors) == ((True, False, 3), [])


def test_at_most_one_write_a_minute_over_processes(world: World) -> None:
    """By the time that the anchor has: the second process says that it did not write."""
    world.record(1)
    world.minute_later()
    world.seconds += PAUSE - 1
    scan = world.beside()
    scan.book.append(entry(2))
    assert (scan.anchoring.move(), world.anchored.seq) == (False, 1)
    scan.seconds += 1
    assert (scan.anchoring.move(), world.anchored.seq) == (True, 2)
    assert list(world.bao.versions(world.secret)) == [1, 2]


@pytest.mark.parametrize("at", ["2036-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "soon"])
def test_a_time_that_cannot_be_keeps_nobody_waiting(world: World, at: str) -> None:
    """A clock that was ahead, or what somebody else wrote."""
    world.record(1)
    anchor = {"seq": "1", "hash": world.book.head.hash, "instance": world.instance, "at": at}
    world.bao.put(world.secret, anchor)
    world.record(2)
    world.minute_later()
    assert world.anchored.seq == 2


# -- what check makes of it --


def looked(world: World) -> tuple[str, str, str, Head | None]:
    """Outcome, code and what was seen of the step, and the head that the records are held to."""
    look = AnchorLook(world.store.inspection, world.anchors)
    step = look.step()
    return step.outcome, step.code, step.saw, look.head


def test_check_says_what_vault_knows(world: World) -> None:
    """Nothing yet, or which record since when."""
    assert looked(world) == ("ok", "", "none yet: the daemon writes the first", START)
    world.record(1)
    world.minute_later()
    saw = "record 1, 2026-02-03T12:57:28Z"
    assert looked(world) == ("ok", "", saw, world.book.head)


@pytest.mark.parametrize(
    ("granted", "listed", "lacking", "known"),
    [
        ("deny", "create, read and update", '"create", "read", "update"', None),
        ("read", "create and update", '"create", "update"', 1),
    ],
)
def test_check_names_all_that_lacks_and_holds_the_records_to_what_can_be_read(
    world: World, granted: str, listed: str, lacking: str, known: int | None
) -> None:
    """A right to read is enough for the latter."""
    world.record(1)
    world.minute_later()
    place = world.anchors.place
    world.bao.policy("journal-anchor", f'path "{place}" {{ capabilities = ["{granted}"] }}')
    outcome, code, saw, head = looked(world)
    assert (outcome, code) == ("failed", "journal-anchor-policy")
    grant = f'grant path "{place}" {{ capabilities = [{lacking}] }}'
    assert saw == f"our token lacks {listed} on the journal's anchor; {grant}"
    assert (head and head.seq) == known


def test_check_leaves_a_vault_that_is_away_to_its_own_steps(world: World) -> None:
    """One cause is told once."""
    with away(world):
        outcome, _, saw, head = looked(world)
    assert (outcome, saw, head) == ("skipped", "Vault does not answer (see vault)", None)


# -- what status makes of it --

CONFIG = """\
state_dir: {home}
instance: {instance}
journal: {{anchor: true}}
mailboxes: [{{name: m, host: 127.0.0.1, username: s@example.com, password: {{file: p}}}}]
orgs: [{{name: acme, usernames: [integration@acme.example]}}]
vault:
  address: http://127.0.0.1:{port}
  auth: {{method: token, token: {{env: ANCHOR_TOKEN}}}}
"""


@pytest.fixture
def row(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[float], AnchorRow | None]:
    """What `status` tells of the anchor so many seconds after the records were written."""
    token = world.bao.token("journal-anchor", no_parent=True, ttl="1h")
    monkeypatch.setenv("ANCHOR_TOKEN", token)
    file = tmp_path / "config.yaml"
    port = world.way.port
    home = world.path.parent
    file.write_text(CONFIG.format(home=home, instance=world.instance, port=port), "utf-8")
    file.chmod(0o600)

    def told(seconds: float) -> AnchorRow | None:
        config = load(file, os.environ, secrets=False)
        now = NOW + timedelta(seconds=seconds)
        app = App(config, Silent(), writing=False, now=lambda: now)
        try:
            return overview_of(app).anchor
        finally:
            app.store.close()

    return told


Row = Callable[[float], AnchorRow | None]
AT = "2026-02-03T12:57:28Z"


def test_status_tells_of_records_that_vault_should_know(world: World, row: Row) -> None:
    """By their own time: not within a quarter of an hour, and whatever was restarted meanwhile."""
    place = world.anchors.place
    world.book.open()
    assert row(0) == AnchorRow(place, record=0, unanchored=0)
    world.record(1)
    since = world.book.recorded_at(1)
    assert row(899) == AnchorRow(place, 0, None, 1, since)
    saw = f"Vault does not know the last record, of {since}"
    behind = AnchorRow(place, 0, None, 1, since, "journal-unanchored", saw)
    assert row(900) == behind
    world.minute_later()
    assert row(900) == AnchorRow(place, 1, AT, 0)


def test_status_counts_from_the_last_record_where_the_first_is_not_here(
    world: World, row: Row
) -> None:
    """Its closed file was moved away."""
    in_files(world.path, 2, 1)
    world.path.with_name("journal-000001.jsonl").unlink()
    told = row(0)
    assert told is not None
    assert (told.record, told.unanchored, told.unanchored_since) == (0, 5, iso(NOW))


def test_status_tells_what_keeps_it_from_the_anchor(world: World, row: Row) -> None:
    """A contradiction, and a right that lacks; of a Vault that is away that is told, once."""
    world.record(1)
    world.bao.put(world.secret, {"seq": "5", "hash": "a" * 64, "instance": "x", "at": AT})
    told = row(0)
    assert told is not None
    assert (told.trouble, told.at, told.record) == ("journal-anchor", AT, None)
    world.bao.policy("journal-anchor", DENYING)
    told = row(0)
    assert told is not None
    assert (told.trouble, told.at, told.record) == ("journal-anchor-policy", None, None)
    with away(world):
        assert row(0) == AnchorRow(world.anchors.place)


# -- what verify makes of it --


def grown(world: World) -> list[Path]:
    """Three files of 3, 5 and 3 records, of which the last but one is anchored."""
    in_files(world.path, 2, 3, 1)
    world.restart()
    world.book.open()
    world.minute_later()
    world.record(9)
    return sorted(world.path.parent.iterdir())


def test_a_tail_that_is_not_anchored_yet(world: World) -> None:
    """The journal is intact; how much of it Vault does not know yet is told."""
    grown(world)
    verification = world.verified()
    assert (verification.state, verification.unanchored) == (State.INTACT, 1)
    assert verify(world.path, anchor=START).unanchored == verification.head.seq
    assert verify(world.path).unanchored is None


def test_every_cut_below_the_anchor_shows_with_the_head_written_anew(world: World) -> None:
    """At every record of the last file, to the last one; without the anchor it looks whole."""
    grown(world)
    world.minute_later()
    lines = world.path.read_bytes().splitlines(keepends=True)
    for left in range(1, len(lines)):
        world.path.write_bytes(b"".join(lines[:left]))
        last: dict[str, Any] = json.loads(lines[left - 1])
        head = json.dumps({"seq": last["seq"], "hash": last["hash"]})
        world.path.with_name("journal.jsonl.head").write_text(head + "\n")
        assert verify(world.path).state == State.INTACT
        verification = world.verified()
        assert (verification.state, verification.missing) == (State.TRUNCATED, len(lines) - left)


def test_a_deleted_journal_shows(world: World) -> None:
    """All its files, or the open one with its head; without the anchor nothing was recorded yet."""
    files = grown(world)
    world.minute_later()
    known = world.anchored.seq
    for file in files:
        if file.name.startswith("journal.jsonl"):
            file.unlink()
    verification = world.verified()
    assert (verification.state, verification.missing) == (State.TRUNCATED, 3)
    shutil.rmtree(world.path.parent)
    assert verify(world.path).state == State.MISSING
    verification = world.verified()
    assert (verification.state, verification.missing) == (State.TRUNCATED, known)


def test_an_older_state_that_was_brought_back_shows(world: World) -> None:
    """With all its files and its head it is intact in itself."""
    world.record(1, 2)
    older = world.path.parent.parent / "older"
    shutil.copytree(world.path.parent, older)
    world.record(3)
    world.minute_later()
    shutil.rmtree(world.path.parent)
    older.rename(world.path.parent)
    assert verify(world.path).state == State.INTACT
    verification = world.verified()
    assert (verification.state, verification.missing, verification.problem) == (
        State.TRUNCATED,
        1,
        "the journal ends here, its anchor in Vault knows 3 records: the rest was cut off",
    )
