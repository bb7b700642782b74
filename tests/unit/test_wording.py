"""Numbers beside their nouns."""

from __future__ import annotations

from token_catcher.wording import counted


def test_one_has_no_plural() -> None:
    """None at all has."""
    assert [counted(number, "record") for number in (0, 1, 2)] == [
        "0 records",
        "1 record",
        "2 records",
    ]
    assert [counted(number, "mailbox", "mailboxes") for number in (1, 3)] == [
        "1 mailbox",
        "3 mailboxes",
    ]
