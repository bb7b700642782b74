"""Which questions are asked ahead of a look."""

from __future__ import annotations

import pytest

from token_catcher.imap.ahead import Questions, questions
from token_catcher.imap.answers import BODY, HEADING
from token_catcher.ports import FolderState

FROM = "FROM salesforce.com"


def asked(
    uidnext: int | None = 6, name: bytes = b"INBOX", from_ours: str | None = FROM
) -> Questions | None:
    """Of a folder with this UIDNEXT and this name on the wire."""
    return questions(FolderState("Inbox", 7, uidnext, 5), name, from_ours)


def test_a_look_begins_with_the_last_mail_that_was_there() -> None:
    """From its number on holes show; the search is for new mail alone, and little of it: a burst
    of large mails would hold up the first of them."""
    assert asked() == Questions(
        "Inbox",
        5,
        37,
        [
            'EXAMINE "INBOX"',
            f"UID FETCH 5:37 {HEADING}",
            "UID SEARCH RETURN (SAVE) UID 6:9 FROM salesforce.com",
            f"UID FETCH $ {BODY}",
        ],
    )


def test_an_empty_folder_has_no_last_mail() -> None:
    """UIDs begin with 1."""
    of_empty = asked(1, from_ours=None)
    assert of_empty is not None
    assert of_empty.commands == ['EXAMINE "INBOX"', f"UID FETCH 1:32 {HEADING}"]


@pytest.mark.parametrize(
    ("name", "command"),
    [
        (b"Gel&APY-schte Nachrichten", 'EXAMINE "Gel&APY-schte Nachrichten"'),
        (b'a"b\\c', 'EXAMINE "a\\"b\\\\c"'),
        (b"", 'EXAMINE ""'),
    ],
)
def test_a_name_is_quoted(name: bytes, command: str) -> None:
    """As it is on the wire (RFC 3501, sections 4.3 and 5.1.3)."""
    of_folder = asked(name=name)
    assert of_folder is not None
    assert of_folder.commands[0] == command


@pytest.mark.parametrize("name", [b"Gel\xc3\xb6scht", b"a\r\nb", b"a\nb", b"\x00", b"\xff"])
def test_nothing_is_asked_of_a_folder_whose_name_takes_a_literal(name: bytes) -> None:
    """As a server sends it that has UTF-8, or none of the rules."""
    assert asked(name=name) is None


def test_nothing_is_searched_for_in_other_than_ascii() -> None:
    """It would take a CHARSET."""
    assert asked(from_ours="FROM exämple.com") is None


@pytest.mark.parametrize("uidnext", [None, 2**32 - 1, 2**32 - 32])
def test_nothing_is_asked_where_nobody_knows_what_is_new(uidnext: int | None) -> None:
    """UIDNEXT is missing, or so high that no UIDs are left."""
    assert asked(uidnext) is None
