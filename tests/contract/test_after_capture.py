"""`after_capture` on servers as they are, over a socket: settled mail alone is changed, and without
it nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.odd_world import PLAIN_MAIL, OddWorld
from tests.kit import mails
from tests.kit.odd_imap import Quirks, presets
from tests.kit.odd_imap.account import Folder
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo

PRESETS = presets()
READING = {
    *("CAPABILITY", "LOGIN", "AUTHENTICATE", "ID", "LIST", "EXAMINE", "LOGOUT"),
    *("UID SEARCH", "UID FETCH"),
}
"""Every command of a mailbox that nothing is done in."""
CHANGING = {
    "seen": {"SELECT", "UID STORE"},
    "move": {"SELECT", "UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE"},
    "delete": {"SELECT", "UID STORE", "UID EXPUNGE"},
}
"""What each action adds: no bare EXPUNGE, no CLOSE, no STORE that is not by UID."""
HELD = mails.genuine("someone@elsewhere.example", mails.token(99))


def world_of(name: str, home: Path, action: MailAction | None) -> OddWorld:
    """A mailbox with resets in both folders, mail of others, and one that will be held."""
    world = OddWorld(home, PRESETS.get(name, Quirks()))
    world.inbox.folders["Done"] = Folder("Done")
    world.sweep.after_capture = action
    world.other()
    world.reset()
    world.inbox.deliver(HELD)
    world.inbox.flag(3, "\\Deleted")  # somebody wants it gone, one day
    world.reset()
    world.reset("Junk")
    return world


def left(world: OddWorld, folder: str) -> list[tuple[bytes, set[str]]]:
    """What is in a folder, with its flags."""
    return [(mail.raw, set(mail.flags)) for mail in world.inbox.folders[folder].mails.values()]


@pytest.mark.parametrize("name", ["correct", *PRESETS])
def test_without_it_a_mailbox_is_only_read(name: str, tmp_path: Path) -> None:
    """The whole list of commands, over new mail, settled mail, and a second look at all of it.

    Courier alone is SELECTed, once a folder, since it numbers it anew at each look until then."""
    world = world_of(name, tmp_path, None)
    with world.server:
        world.looks(3)
        world.look(again=True)
        sent = set(world.server.counts)
        flags = [flags for folder in ("INBOX", "Junk") for _, flags in left(world, folder)]
    allowed = READING
    if name == "courier":
        allowed = READING | {"SELECT"}
    assert sent <= allowed
    assert flags == [set(), set(), {"\\Deleted"}, set(), set()]


@pytest.mark.parametrize("name", ["correct", *PRESETS])
@pytest.mark.parametrize("kind", CHANGING)
def test_settled_mail_alone_is_changed(name: str, kind: str, tmp_path: Path) -> None:
    """On every server, by UID; tokens are caught as ever, and each mail has one record."""
    target = "INBOX.Done" if name == "courier" else "Done"
    actions: dict[str, MailAction] = {
        "seen": AddFlag("\\Seen"),
        "move": MoveTo(target),
        "delete": Delete(),
    }
    world = world_of(name, tmp_path, actions[kind])
    with world.server:
        reports = world.looks(5)
        sent = set(world.server.counts)
    captured = {
        record["mail"]
        for record in world.records_of_mail()
        if record["event"] in ("rotation.stored", "rotation.unchanged")
    }
    assert [report.error for report in reports] == [None] * 5
    assert len(world.records_of_mail()) == 4
    assert sent <= READING | CHANGING[kind]
    inbox = left(world, "INBOX")
    untouched = [(raw, flags) for raw, flags in inbox if raw in (PLAIN_MAIL, HELD)]
    assert untouched == [(PLAIN_MAIL, set()), (HELD, {"\\Deleted"})]
    others = [flags for raw, flags in inbox + left(world, "Junk") if raw not in (PLAIN_MAIL, HELD)]
    changed = len(captured)
    # Where arrivals cannot be, what is proven is held.
    assert changed == 3 or name in ("gromox", "greenmail")
    assert len(left(world, "Done")) == changed * (kind == "move")
    if kind == "seen":
        assert others.count({"\\Seen"}) == changed
    else:
        assert len(others) == 3 - changed
