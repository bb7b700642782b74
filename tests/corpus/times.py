"""Replay and re-addressing: a genuine mail at another time, or for somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.corpus.base import Item, Row, arrived, item, mails, salesforce
from tests.kit.mails import ADDRESS, ISSUED, token_mail
from tests.kit.signing import seal

OFF_DATE = "held date-out-of-bounds"
ELSEWHERE = "held wrong-recipient"

# How long after its Date a mail arrives.
REPLAYED = (
    ("next-day", "Delivered more than a day after its Date.", timedelta(hours=24, seconds=1)),
    ("next-week", "A mail of last week, sent again.", timedelta(days=7)),
    ("next-year", "A mail of last year, sent again.", timedelta(days=365)),
    ("before", "Delivered more than an hour before its Date.", -timedelta(hours=1, seconds=1)),
    ("yesterday", "Delivered a day before its Date.", -timedelta(days=1)),
)
RESENT = b"Resent-Date: Tue, 10 Feb 2026 12:57:27 +0000\r\n" + salesforce()

# Dates that two programs read differently, or not at all; each signed as it stands, and so held.
DATES = (
    ("no-zone", "No zone.", "Tue, 03 Feb 2026 12:57:27"),
    ("two-digit-year", "A year of two digits.", "Tue, 03 Feb 26 12:57:27 +0000"),
    ("iso", "Another standard.", "2026-02-03T12:57:27Z"),
    ("epoch", "A number.", "1770123447"),
    ("words", "Words.", "now"),
    ("empty", "Nothing.", ""),
    ("month-13", "A month that does not exist.", "Tue, 03 Foo 2026 12:57:27 +0000"),
    ("day-31", "A day that does not exist.", "Tue, 31 Feb 2026 12:57:27 +0000"),
    ("hour-25", "An hour that does not exist.", "Tue, 03 Feb 2026 25:57:27 +0000"),
    ("zone-name", "A zone by a name that two places share.", "Tue, 03 Feb 2026 12:57:27 CST"),
    (
        "zone-military",
        "A zone by a letter, which RFC 822 got wrong.",
        "Tue, 03 Feb 2026 12:57:27 A",
    ),
    ("zone-99", "A zone that does not exist.", "Tue, 03 Feb 2026 12:57:27 +9959"),
    ("two", "Two dates.", "Tue, 03 Feb 2026 12:57:27 +0000, Wed, 04 Feb 2026 12:57:27 +0000"),
    ("comment-inside", "A comment in its middle.", "Tue, 03 Feb (x) 2026 12:57:27 +0000"),
    ("comment-nested", "A comment in a comment.", "Tue, 03 Feb 2026 12:57:27 +0000 (a (b))"),
    ("far-year", "A year beyond calendars.", "Tue, 03 Feb 99999 12:57:27 +0000"),
    ("year-zero", "The year zero.", "Tue, 03 Feb 0000 12:57:27 +0000"),
    (
        "year-one",
        "The first hour of the calendar, east of Greenwich.",
        "Mon, 01 Jan 0001 00:00:00 +1400",
    ),
    ("superscript", "A date in encoded words.", "=?utf-8?q?Tue,_03_Feb_2026_12:57:27_+0000?="),
)

# Genuine mails to somebody else, whose attacker is: it is delivered to our mailbox all the same.
RECIPIENTS = (
    (
        "other",
        "To another address (delivered to us by Bcc or by a forwarding rule).",
        "attacker@evil.example",
    ),
    ("undisclosed", "To nobody.", "undisclosed-recipients:;"),
    ("empty", "An empty To.", ""),
    (
        "in-name",
        "Our address as the display name of another.",
        f'"{ADDRESS}" <attacker@evil.example>',
    ),
    ("in-comment", "Our address in a comment.", f"attacker@evil.example ({ADDRESS})"),
    ("in-open-bracket", "Our address in a bracket that is never closed.", f"<{ADDRESS}m"),
    ("in-open-group", "Our address in a group that is never closed.", f"us: {ADDRESS}"),
    (
        "in-quotes",
        "Our address in the quoted name of another, between commas.",
        f'"x, {ADDRESS}, y" <attacker@evil.example>',
    ),
    ("encoded", "Our address encoded.", "=?utf-8?q?ops=40example.com?= <attacker@evil.example>"),
    ("route", "A source route to our address.", f"<@evil.example:{ADDRESS}>"),
    ("tagged", "A tagged address that is not configured.", "ops+salesforce@example.com"),
    ("prefix", "An address that begins like ours.", f"{ADDRESS}.evil.example"),
    ("suffix", "An address that ends like ours.", f"evil-{ADDRESS}"),
    (
        "broken-list",
        "A list with a recipient of no plain form.",
        f"attacker@evil.example (x, {ADDRESS}",
    ),
    ("two-at", "Our address as a local part.", f"{ADDRESS}@evil.example"),
)
UNSIGNED_FIELDS = ("Cc", "Bcc", "Delivered-To", "X-Original-To", "Resent-To", "Apparently-To")


def items() -> Iterator[Item]:
    for name, why, late in REPLAYED:
        yield item("replay", name, why, salesforce(), OFF_DATE, received_at=ISSUED + late)
    why = "A replay that says it was resent."
    week = timedelta(days=7)
    yield item("replay", "resent-fields", why, RESENT, OFF_DATE, received_at=ISSUED + week)
    yield from mails("date", DATES, "held bad-date", build=_dated)
    yield from mails("recipient", RECIPIENTS, ELSEWHERE, build=_to)
    yield from mails("recipient", _beside_to(), ELSEWHERE)


def _dated(value: str) -> bytes:
    date = b"Date: Tue, 03 Feb 2026 12:57:27 +0000 (GMT)"
    return arrived(seal(token_mail().replace(date, b"Date: " + value.encode())))


def _to(value: str) -> bytes:
    return salesforce(to=value)


def _beside_to() -> Iterator[Row]:
    other = salesforce(to="attacker@evil.example")
    for field in UNSIGNED_FIELDS:
        why = f"Our address only in {field}, which is not signed."
        yield field.lower(), why, f"{field}: {ADDRESS}\r\n".encode() + other
