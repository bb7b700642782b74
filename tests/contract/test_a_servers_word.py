"""A server's word is a hint, never the truth: no genuine mail is lost to what a server says.

Servers as they are, over a socket. Of each, a one-off scan and a daemon catch every token, whatever
the server leaves out of its answers.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.odd_world import PLAIN_MAIL, OddWorld, until_accounted
from tests.kit import mails
from tests.kit.odd_imap import REFUSALS, FromSearch, Limit, Quirks, presets
from tests.kit.rig import nothing
from token_catcher.errors import Outage
from token_catcher.ports import Mailbox
from token_catcher.survey import LITTLE

PRESETS = presets()
ZONES = ("gromox", "greenmail")
"""They tell arrivals that cannot be: what is proven then is held, for a person to decide."""


def deliver(world: OddWorld) -> None:
    """Some mail of others, and resets in both folders."""
    world.other()
    world.reset()
    world.reset()
    world.other()
    world.reset("Junk")


def assert_caught(world: OddWorld, name: str) -> None:
    """Every token is in Vault; of servers whose clock cannot be, in Vault or held."""
    if name in ZONES:
        assert world.missing <= world.held
    else:
        assert world.stored == world.sent


@pytest.mark.parametrize("name", PRESETS)
def test_a_scan_catches_every_token(name: str, tmp_path: Path) -> None:
    """Mail that is there at the first look, and mail that comes between two looks."""
    world = OddWorld(tmp_path, PRESETS[name])
    with world.server:
        deliver(world)
        world.looks(2)
        world.reset()
        world.reset("Junk")
        reports = world.looks()
    assert_caught(world, name)
    assert [report.pending for report in reports[-2:]] == [0, 0]


@pytest.mark.parametrize("name", PRESETS)
def test_a_daemon_catches_every_token(name: str, tmp_path: Path) -> None:
    """The same with sessions that live on, and the schedule."""
    world = OddWorld(tmp_path, PRESETS[name])
    with world.server:
        deliver(world)
        with world.watching() as watch:
            until_accounted(world, watch)
            world.reset()
            world.reset("Junk")
            until_accounted(world, watch)
    assert_caught(world, name)


# -- arrivals that are not told --


@pytest.mark.parametrize("name", ["davmail", "imap4d-1970"])
def test_mail_whose_arrival_is_not_told_waits_for_vault_as_any_other(
    name: str, tmp_path: Path
) -> None:
    """Longer than a mail may be late: it arrived when it was first seen to be there."""
    world = OddWorld(tmp_path, PRESETS[name])

    def sealed(_effect: str) -> None:
        raise Outage("Vault is sealed", code="vault-sealed")

    with world.server:
        for _ in range(3):
            world.reset()
        world.on_vault = sealed
        for _ in range(5):
            world.look()
            world.time += timedelta(hours=8)
        world.on_vault = nothing
        world.looks()
    assert (world.stored, world.held) == (world.sent, set())


# -- numbers beyond 32 bits --


def test_a_uidvalidity_beyond_32_bits_is_one_as_any_other(tmp_path: Path) -> None:
    """It is only compared: the checkpoint is made once, and lasts."""
    world = OddWorld(tmp_path, Quirks())
    world.inbox.folders["INBOX"].uidvalidity = 2**40
    with world.server:
        for _ in range(3):
            world.reset()
            world.look()
    assert (world.stored, len(world.said("checkpoint.reset"))) == (world.sent, 1)


# -- spare connections, renamed folders --


@pytest.mark.parametrize("limit", Limit)
def test_a_spare_connection_that_is_refused_leaves_the_inbox_its_own(
    limit: Limit, tmp_path: Path
) -> None:
    """One connection at a time: the spam folder is looked at by the schedule."""
    world = OddWorld(tmp_path, Quirks(max_connections=1, over_the_limit=limit))
    with world.server, world.watching() as watch:
        world.reset("Junk")
        until_accounted(world, watch)
        world.reset()
        until_accounted(world, watch)
        assert watch.connected
    assert world.stored == world.sent
    warned = [fields for event, fields in world.log.warnings if event == "mailbox.trouble"]
    assert {fields.get("folder") for fields in warned} <= {"Junk"}
    assert len(warned) <= 1


def test_a_renamed_spam_folder_is_followed(tmp_path: Path) -> None:
    """At the next full look, within one session."""
    world = OddWorld(tmp_path, Quirks(lacks=frozenset({"SPECIAL-USE", "LIST-EXTENDED"})))
    with world.server, closing(world.connect()) as mailbox:
        world.reset("Junk")
        world.sweep.run(mailbox)
        world.server.rename_junk("Søppelpost")
        world.reset("Junk")
        assert list(mailbox.folders()) == ["INBOX", "Søppelpost"]
        assert world.sweep.run(mailbox).error is None
    assert world.stored == world.sent


@pytest.mark.parametrize("words", REFUSALS.values(), ids=REFUSALS)
def test_a_login_refused_for_a_while_costs_no_mail(words: str, tmp_path: Path) -> None:
    """No wrong password, and the pause is no refusal's."""
    world = OddWorld(tmp_path, Quirks(login_refusals=1, login_refusal=words))
    with world.server:
        world.reset()
        with pytest.raises(Outage) as caught:
            world.look()
        world.looks(1)
    assert caught.value.code == "imap-unavailable"
    assert world.stored == world.sent


# -- what it costs --


def commands(world: OddWorld, mailbox: Mailbox) -> list[str]:
    """What one sweep of the inbox sends, by name and without its arguments."""
    before = len(world.server.commands)
    world.sweep.run(mailbox, ["INBOX"])
    return [_name(command) for command in world.server.commands[before:]]


def _name(command: str) -> str:
    words = command.split()
    return " ".join(words[:2]) if words[0] == "UID" else words[0]


def test_an_empty_sweep_asks_nothing_after_examine(tmp_path: Path) -> None:
    """Whatever is in the folder."""
    world = OddWorld(tmp_path, Quirks())
    with world.server:
        world.other()
        world.reset()
        with closing(world.connect()) as mailbox:
            commands(world, mailbox)
            assert commands(world, mailbox) == ["EXAMINE"]


def test_new_mail_takes_as_many_round_trips_as_a_search(tmp_path: Path) -> None:
    """EXAMINE, the headings, the body; where the mail is not for us, no body."""
    world = OddWorld(tmp_path, Quirks())
    with world.server:
        world.other()
        with closing(world.connect()) as mailbox:
            commands(world, mailbox)
            world.reset()
            assert commands(world, mailbox) == ["EXAMINE", "UID FETCH", "UID FETCH"]
            world.other()
            assert commands(world, mailbox) == ["EXAMINE", "UID FETCH"]


def test_numbers_that_change_cost_headings_and_no_mail(tmp_path: Path) -> None:
    """Five tokens among a thousand mails of some 35 kB: less than one in fifty of their bytes."""
    world = OddWorld(tmp_path, Quirks(uidvalidity_new_after_delivery=True))
    ours = mails.token_mail(subject="Your weekly digest", body="Nothing of note.\n" * 2000)
    with world.server:
        for number in range(1000):
            world.inbox.deliver(ours.replace(b"Message-ID: <", b"Message-ID: <%d." % number))
            if number % 200 == 0:
                world.reset()
        size = 1000 * len(ours)
        for _ in range(3):
            before = world.server.bytes_sent
            world.reset()
            world.looks(1)
        assert (world.server.bytes_sent - before) * 50 < size
    assert world.stored == world.sent


def test_the_cost_of_a_backlog_is_bounded(tmp_path: Path) -> None:
    """A first look at many mails: the headings of the window, 200 bytes a mail, and no search."""
    world = OddWorld(tmp_path, Quirks())
    with world.server:
        world.reset()
        for _ in range(2 * LITTLE):
            world.other()
        with closing(world.connect()) as mailbox:
            before = world.server.bytes_sent
            assert commands(world, mailbox) == [
                "EXAMINE",
                "UID FETCH",
                "UID FETCH",
                "UID FETCH",
                "UID FETCH",
                "UID FETCH",
                "UID FETCH",
            ]
    assert world.server.bytes_sent - before < 2 * LITTLE * 200
    assert world.stored == world.sent


@pytest.mark.parametrize("search_from", FromSearch)
def test_a_backlog_is_found_whatever_the_search_is_worth(
    search_from: FromSearch, tmp_path: Path
) -> None:
    """Below an archive that was moved here as well."""
    world = OddWorld(tmp_path, Quirks(search_from=search_from))
    long_ago = world.time - timedelta(days=100)
    with world.server:
        world.reset()
        for _ in range(2 * LITTLE + 100):
            world.inbox.deliver(PLAIN_MAIL, received_at=long_ago)
        world.reset()
        world.looks(1)
    assert world.stored == world.sent
