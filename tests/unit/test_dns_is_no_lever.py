"""A sweep over a DNS that is wrong, silent, or asked by strangers: nothing genuine is given up for
it, nothing forged is stored, and what it costs is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dns.rcode
import pytest

from tests.kit import mails
from tests.kit.dns import SLOW, SLOWLY_ABSENT, Entry, TinyDns
from tests.kit.fakes import Silent
from tests.kit.mails import Signer, genuine_signer, rsa_pem, sign, token, token_mail
from tests.kit.rig import BEGIN, LOOKBACK, Rig
from token_catcher.errors import Outage
from token_catcher.keys import DnsKeys, RememberedKeys
from token_catcher.record.journal import Journal
from token_catcher.report import Report

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAME = genuine_signer().name
RECORD = genuine_signer().record.decode()
PIECES = [f'"{RECORD[start : start + 200]}"' for start in range(0, len(RECORD), 200)]
TEXT = f"300 IN TXT {' '.join(PIECES)}"
WILDCARD: Entry = ['300 IN TXT "v=DMARC1; p=reject"']
"""What a `*` in the zone makes every name below it have; it has a `p=` as a key record has."""


class World:
    """A mailbox and a Vault beside a DNS server of the test's own, under one clock."""

    answers_after = timedelta(seconds=5)
    """How long the slow answers of DNS take; the longest that the program waits for one."""

    def __init__(self, home: Path, server: TinyDns) -> None:
        self.server = server
        self.waited = timedelta(0)
        """For DNS, in all."""
        server.waiting = self._wait
        self.rig = Rig(home, self.new_keys(home))

    def new_keys(self, home: Path) -> RememberedKeys:
        """As a process that has just begun has them."""
        published = DnsKeys(
            nameservers=["127.0.0.1"], port=self.server.port, monotonic=self._monotonic
        )
        return RememberedKeys(
            published, home / "keys.json", now=lambda: self.rig.time, log=Silent()
        )

    def restart(self) -> None:
        """Begin a new process over the files of the one before."""
        before = self.rig
        self.rig = Rig(before.home, self.new_keys(before.home))
        self.rig.time = before.time
        self.rig.account = before.account
        self.rig.sweep.rng = before.sweep.rng

    def _wait(self) -> None:
        self.waited += self.answers_after

    def _monotonic(self) -> float:
        """The rig's clock, and what was waited besides."""
        return (self.rig.time - BEGIN + self.waited).total_seconds()

    def sweep(self) -> Report:
        """One sweep in a new session."""
        return self.rig.sweep.run(self.rig.connect())

    def sweep_until(self, end: timedelta) -> Report:
        """Whenever a mail is due, until so long after the beginning."""
        report = self.sweep()
        while report.next_try is not None and report.next_try < BEGIN + end:
            self.rig.time = report.next_try
            report = self.sweep()
        return report

    def sweep_hourly(self, times: int) -> None:
        """Now, and every hour from then on."""
        for _ in range(times):
            self.sweep()
            self.rig.time += HOUR

    @property
    def endings(self) -> list[tuple[str, str | None]]:
        """Event and reason of each record."""
        journal = Journal(self.rig.home / "journal.jsonl", now=self.rig.now, log=self.rig.log)
        return [
            (record.entry.event.removeprefix("rotation."), record.entry.reason)
            for record in journal.records()
        ]

    def flood(
        self,
        mails: int,
        names: int = 1,
        folder: str = "INBOX",
        said: Entry = SLOW,
        first: str = "a",
    ) -> None:
        """So many forged mails, each with so many made-up names of its own: `a0`, `b0`; `a1` …"""
        for mail in range(mails):
            selectors = [f"{chr(ord(first) + number)}{mail}" for number in range(names)]
            for selector in selectors:
                self.server.table[f"{selector}._domainkey.salesforce.com"] = said
            self.deliver_forged(*selectors, folder=folder)

    def deliver_forged(self, *selectors: str, folder: str = "Junk") -> None:
        """Signed under Salesforce's name, by a key of the forger's, once for each selector."""
        raw = token_mail(token="EViLtokenOFanATTACKER0042", issued_at=BEGIN)
        forger = Signer(rsa_pem(2048, 1))
        for selector in selectors:
            raw = sign(raw, replace(forger, selector=selector), at=BEGIN)
        self.rig.account.append(raw, folder)

    def learn_the_key(self) -> None:
        """A genuine mail comes and is stored."""
        self.server.table[NAME] = [TEXT]
        self.rig.deliver(1)
        self.sweep()
        assert self.rig.tokens == [token(1)]
        self.server.asked.clear()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A DNS that has no key at all, until a test says otherwise."""
    with TinyDns() as server:
        yield World(tmp_path, server)


# -- a negative answer is not final --


@pytest.mark.parametrize(
    "said",
    [
        dns.rcode.NXDOMAIN,
        [],
        [TEXT, '300 IN TXT "v=spf1 -all"'],
        ['300 IN TXT "v=spf1 -all"'],
        WILDCARD,
        [f"300 IN TXT {PIECES[0]}"],
    ],
    ids=["no-name", "no-record", "two-records", "no-key", "wildcard", "cut-short"],
)
def test_a_wrong_answer_costs_no_token(world: World, said: Entry) -> None:
    """The mail waits, and is stored once DNS has its key again."""
    world.server.table[NAME] = said
    world.rig.deliver(1)
    report = world.sweep()
    assert ([trouble.code for trouble in report.troubles], world.endings) == (["dns-no-key"], [])
    assert (report.pending, report.keyless) == (1, 1)
    world.server.table[NAME] = [TEXT]
    report = world.sweep_until(2 * HOUR)
    assert (report.pending, report.keyless) == (0, 0)
    assert (world.rig.tokens, world.endings) == ([token(1)], [("stored", None)])


def test_a_key_that_stays_away_holds_its_mail_after_a_day(world: World) -> None:
    """Not before, and with one record; in that day DNS is asked some thirty times."""
    world.rig.deliver(1)
    assert world.sweep_until(DAY).pending == 1
    assert world.endings == []
    report = world.sweep_until(DAY + HOUR)
    assert (report.pending, world.endings) == (0, [("held", "no-key")])
    [record] = report.entries
    assert (record.username, record.saw) == (mails.USERNAME, f"no key at {NAME}")
    assert 20 < len(world.server.asked) < 35


def test_older_mail_is_asked_for_again_for_an_hour(world: World) -> None:
    """A backlog can meet a bad moment as well; a key that was withdrawn long ago stays away."""
    world.rig.deliver(1, received_at=BEGIN - 3 * DAY)
    assert world.sweep_until(HOUR).pending == 1
    assert world.endings == []
    world.sweep_until(2 * HOUR)
    assert world.endings == [("held", "no-key")]


def test_a_mail_from_the_future_does_not_wait_for_it(world: World) -> None:
    """Where the receiving server's clock is ahead."""
    world.rig.deliver(1, received_at=BEGIN + 400 * DAY)
    world.sweep_hourly(24)
    assert world.endings == []
    world.sweep_hourly(1)
    assert world.endings == [("held", "no-key")]


def test_a_signature_that_does_not_fit_is_final(world: World) -> None:
    """Whoever signs with another key than the published one is refused at once."""
    world.server.table[NAME] = [TEXT]
    world.deliver_forged(genuine_signer().selector)
    world.sweep()
    assert world.endings == [("refused", "bad-signature")]


def test_a_revoked_key_is_final(world: World) -> None:
    """An empty `p=` is an answer: whoever has this key may be anybody."""
    world.learn_the_key()
    world.server.table[NAME] = ['300 IN TXT "v=DKIM1; k=rsa; p="']
    world.rig.time += HOUR
    world.rig.deliver(2)
    world.sweep()
    assert world.endings == [("stored", None), ("refused", "bad-signature")]


@pytest.mark.parametrize(
    "said",
    [dns.rcode.NXDOMAIN, [], WILDCARD, SLOW],
    ids=["no-name", "no-record", "wildcard", "silent"],
)
def test_what_was_remembered_counts_meanwhile(world: World, said: Entry) -> None:
    """Mail whose key has proven a mail before is stored at once."""
    world.learn_the_key()
    world.server.table[NAME] = said
    world.rig.time += HOUR
    world.rig.deliver(2)
    world.sweep()
    assert world.rig.tokens == [token(1), token(2)]
    assert set(world.server.asked) == {NAME}


# -- pending mail ends --


def test_silence_holds_a_mail_after_the_look_back_window(world: World) -> None:
    """With what was last met, and with its user; not before."""
    world.server.table[NAME] = SLOW
    world.rig.deliver(1)
    world.sweep()
    world.rig.time += LOOKBACK - timedelta(seconds=1)
    world.sweep()
    assert world.endings == []
    world.rig.time += timedelta(minutes=10)
    [record] = world.sweep().entries
    assert (record.reason, record.username) == ("no-key", mails.USERNAME)
    assert record.saw == f"DNS did not answer for {NAME} (NoNameservers)"


def test_an_old_mail_has_the_whole_window_as_well(world: World) -> None:
    """Above what is known every mail is new, however old: DNS may be silent just now."""
    world.learn_the_key()
    world.server.table[NAME] = SLOW
    world.rig.time += 3 * LOOKBACK
    number = int(LOOKBACK.total_seconds())
    world.rig.deliver(number, received_at=BEGIN + LOOKBACK)
    assert world.sweep().pending == 1
    world.server.table[NAME] = [TEXT]
    world.sweep_until(3 * LOOKBACK + HOUR)
    assert world.rig.tokens == [token(1), token(number)]


def test_a_proven_mail_waits_for_vault_however_long(world: World) -> None:
    """Only what waits for its proof ends by itself."""

    def away(_effect: str) -> None:
        raise Outage("Vault is sealed", code="vault-sealed")

    world.server.table[NAME] = [TEXT]
    world.rig.deliver(1)
    world.rig.on_vault = away
    for _ in range(4):
        world.sweep()
        world.rig.time += LOOKBACK
    assert world.endings == []
    world.rig.on_vault = lambda _effect: None
    world.sweep()
    assert world.rig.tokens == [token(1)]


# -- strangers and DNS --


def test_a_forged_mail_asks_for_two_names(world: World) -> None:
    """However many signatures it bears."""
    world.deliver_forged(*"abcdefgh")
    world.sweep()
    assert world.server.asked == [f"{name}._domainkey.salesforce.com" for name in "hg"]


def test_a_flood_costs_a_genuine_mail_three_waits(world: World) -> None:
    """Sixty forged mails in the spam folder, none of whose names is answered."""
    world.learn_the_key()
    for number in range(60):
        selector = f"s{number}"
        world.server.table[f"{selector}._domainkey.salesforce.com"] = SLOW
        world.deliver_forged(selector)
    world.rig.time += 2 * HOUR
    world.rig.deliver(2, "Junk")
    assert world.sweep().pending == 60
    assert world.rig.tokens == [token(1), token(2)]
    waited_for = [f"s{number}._domainkey.salesforce.com" for number in range(3)]
    assert world.server.asked == [*waited_for, NAME]


def test_a_flood_pushes_no_key_out(world: World) -> None:
    """Made-up names, absent or published, take no place of a key that has proven a mail."""
    world.learn_the_key()
    for number in range(70):
        world.server.table[f"p{number}._domainkey.salesforce.com"] = [TEXT]
        world.deliver_forged(f"p{number}", f"a{number}")
    world.sweep()
    assert len(world.server.asked) == 140
    world.server.table.clear()
    world.rig.time += 2 * HOUR
    world.rig.deliver(2)
    world.sweep()
    assert world.rig.tokens == [token(1), token(2)]


def test_forged_mail_ends_held_and_is_never_stored(world: World) -> None:
    """Whatever DNS says of its names: nothing waits for ever, and Vault is as it was."""
    silent = "silent._domainkey.salesforce.com"
    world.server.table[silent] = SLOW
    world.deliver_forged("absent")
    world.deliver_forged("silent")
    world.deliver_forged(*"abcdefgh")
    world.sweep_hourly(25)
    assert world.endings == [("held", "no-key")] * 2
    world.rig.time = BEGIN + LOOKBACK + HOUR
    world.sweep()
    assert world.endings == [("held", "no-key")] * 3
    assert world.rig.tokens == []


def test_a_flood_that_waits_holds_up_no_new_mail(world: World) -> None:
    """Forty forged mails of the inbox are due again, and DNS takes its time to deny their names:
    a new mail meets Vault before any of them is asked for."""
    world.answers_after = timedelta(seconds=0.24)
    world.learn_the_key()
    world.flood(40, 2, said=SLOWLY_ABSENT)
    for _ in range(5):
        world.sweep()
        world.rig.time += 2 * HOUR
    world.rig.deliver(2)
    asked_before: list[int] = []
    world.rig.on_vault = lambda _effect: asked_before.append(len(world.server.asked))
    world.server.asked.clear()
    assert world.sweep().pending == 40
    assert world.rig.tokens == [token(1), token(2)]
    assert (asked_before[0], len(world.server.asked)) == (1, 64)


def test_a_new_flood_holds_up_a_known_key_for_15_seconds(world: World) -> None:
    """However many quick denials they are: each is too short to be noticed."""
    world.answers_after = timedelta(seconds=0.2)
    world.learn_the_key()
    world.flood(60, 2, said=SLOWLY_ABSENT)
    world.rig.deliver(2)
    world.sweep()
    assert world.rig.tokens == [token(1), token(2)]
    assert timedelta(seconds=15) <= world.waited <= timedelta(seconds=15.2)


@pytest.mark.parametrize("restarted", [False, True], ids=["one-process", "restarted"])
def test_a_name_that_stays_absent_is_asked_for_ever_more_rarely(
    world: World, restarted: bool
) -> None:
    """Some fifty times in a day at most. It is the mail that keeps how rarely: also where what DNS
    said of the name is forgotten."""
    world.flood(1, said=dns.rcode.NXDOMAIN)
    report = world.sweep()
    while report.next_try is not None and report.next_try < BEGIN + DAY - HOUR:
        world.rig.time = report.next_try
        if restarted:
            world.restart()
        report = world.sweep()
    assert (report.pending, world.endings) == (1, [])
    assert 20 < len(world.server.asked) < 60


@pytest.mark.parametrize("before", [0, 60], ids=["below-a-flood", "above-a-flood"])
@pytest.mark.parametrize(
    ("said", "seconds"), [(SLOWLY_ABSENT, 0.3), (SLOW, 5)], ids=["denied", "silent"]
)
def test_a_flood_keeps_no_key_from_being_learnt(
    world: World, before: int, said: Entry, seconds: float
) -> None:
    """Nothing is known yet, and sixty forged mails have two names asked each: the genuine one has
    its first question within a rest of the patience with strangers."""
    world.answers_after = timedelta(seconds=seconds)
    world.server.table[NAME] = [TEXT]
    if before:
        world.flood(60, 2, said=said)
    world.rig.deliver(1)
    if not before:
        world.flood(60, 2, said=said)
    world.sweep_until(timedelta(seconds=50))
    assert world.rig.tokens == [token(1)]


def test_the_middle_of_a_flood_has_its_turn(world: World) -> None:
    """Every mail is asked for before any is asked for again; after each rest the newest and the
    oldest by turns."""
    world.server.table[NAME] = [TEXT]
    world.flood(4)
    world.rig.deliver(1)
    world.flood(8, first="m")
    for _ in range(3):
        world.sweep()
        world.rig.time += timedelta(minutes=10)  # all of it is due
    assert world.rig.tokens == [token(1)]
    asked = [name.partition(".")[0] for name in world.server.asked]
    assert asked[:8] == ["a0", "a1", "a2", "m7", "a3", "m6", "m5", genuine_signer().selector]


@pytest.mark.parametrize("said", [SLOWLY_ABSENT, SLOW], ids=["denied", "silent"])
def test_no_stranger_can_page_anybody(world: World, said: Entry) -> None:
    """Whatever a made-up key has a mail wait for, it is counted as one that may be anybody's."""
    world.answers_after = timedelta(seconds=2)
    world.learn_the_key()
    world.flood(12, 2, "Junk", said)
    report = world.sweep()
    while report.next_try is not None and report.next_try < BEGIN + HOUR / 2:
        assert (report.pending, report.keyless) == (12, 12)
        world.rig.time = report.next_try
        report = world.sweep()
    assert len(set(world.server.asked)) == 24


def test_a_mail_that_is_not_asked_for_is_told_once(world: World) -> None:
    """Not at every rest: a flood must not fill the log. It says what to do next."""
    world.answers_after = timedelta(seconds=20)
    for selector in ("silent", "other"):
        world.server.table[f"{selector}._domainkey.salesforce.com"] = SLOW
        world.deliver_forged(selector)
    world.sweep()
    world.sweep()
    pending = [(said["code"], said["attempts"]) for said in world.rig.said("mail.pending")]
    assert pending == [("dns", 1), ("dns-not-asked", 0)]
    assert world.rig.said("mail.pending")[1]["error"] == (
        "15 seconds were spent on unknown names, so other._domainkey.salesforce.com was not asked"
        " for"
    )
