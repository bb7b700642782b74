"""Encoded words and dates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from token_catcher.reading.headers import CHARSETS, decode_words, parse_date

MOMENT = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
JAPANESE = "新しい Salesforce セキュリティトークン"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Your new Salesforce security token", "Your new Salesforce security token"),
        (
            "=?utf-8?q?Your_new?= Salesforce =?US-ASCII?B?c2VjdXJpdHk=?= token",
            "Your new Salesforce security token",
        ),
        (
            "=?UTF-8?B?5paw44GX44GEIFNhbGVzZm9yY2Ug44K744Kt44Ol44Oq44OG44Kj44OI44O844Kv44Oz?=",
            JAPANESE,
        ),
        (
            "=?utf-8?b?5paw44GX?= "
            "=?utf-8?b?44GEIFNhbGVzZm9yY2Ug44K744Kt44Ol44Oq44OG44Kj44OI44O844Kv44Oz?=",
            JAPANESE,
        ),
        ("=?utf-8?q?=E6=96?=  =?utf-8?q?=B0?=", "新"),
        ("=?iso-2022-jp?b?GyRCPzckNyQkGyhC?= =?iso-8859-1?q?caf=E9?=", "新しいcafé"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("a =?utf-8?q?__?= b", "a b"),
    ],
)
def test_decodes_words(written: str, read: str) -> None:
    """Encoded words are read as RFC 2047 has it.

    White space between neighbours is no text, and a character may be split between them."""
    assert decode_words(written) == read


@pytest.mark.parametrize(
    "word",
    [
        "=?utf-7?q?+AEA-?=",
        "=?idna?q?xn--a?=",
        "=?x-unknown?q?a?=",
        "=?utf-8?q?=ZZ?=",
        "=?utf-8?q?=F?=",
        "=?utf-8?b?AAA?=",
        "=?utf-8?b?QQ!==?=",
        "=?utf-8?q?=FF?=",
        "=?utf-8?x?a?=",
        "=?utf-8?q?a b?=",
        "=?utf-8?q?a",
        "=?utf-8?q?a=00b?=",
        "=?utf-8?q?a=0D=0Ab?=",
        "=?utf-8?q?a=E2=80=AEb?=",
        "=?us-ascii?q?=E9?=",
    ],
)
def test_leaves_what_it_cannot_read(word: str) -> None:
    """Words of an unknown charset or a broken form stay as they stand.

    So do those with something unprintable inside."""
    assert decode_words(f"a {word}") == f"a {word}"


def test_charsets_are_text() -> None:
    """Every codec behind a charset is one of text; UTF-7 and UTF-16 are not among them."""
    # A codec of anything else, like rot13, makes `decode` raise a LookupError.
    assert {b"a".decode(codec) for codec in CHARSETS.values()} == {"a"}
    assert not {"utf-7", "utf-16", "utf-32", "idna", "punycode"} & {*CHARSETS, *CHARSETS.values()}


@pytest.mark.parametrize(
    ("charset", "larger", "letter"),
    [("gb2312", "gbk", "镕"), ("euc-kr", "cp949", "뷁"), ("shift_jis", "cp932", "①")],
)
def test_names_that_stand_for_more(charset: str, larger: str, letter: str) -> None:
    """What mail programs write under the name of the smaller charset is read."""
    assert letter.encode(larger).decode(CHARSETS[charset]) == letter


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 03 Feb 2026 12:57:27 +0000 (GMT)",
        "Tue, 3 Feb 2026 12:57:27 +0000",
        "3 Feb 2026 12:57:27 GMT",
        "3 Feb 2026 12:57:27 UT",
        "3 Feb 2026 12:57:27 Z",
        "Tue, 3 Feb 2026 12:57:27 UTC",
        "Tue,3 Feb 2026 12:57:27 +0000",
        "Tue, 03 Feb 2026 04:57:27 -0800 (PST)",
        "Tue, 03 Feb 2026 18:27:27 +0530",
        "Tue, 03 Feb 2026 12:57:27 -0000",
    ],
)
def test_reads_dates(value: str) -> None:
    """A date of RFC 5322 is a moment in UTC."""
    assert parse_date(value) == MOMENT


def test_seconds_may_be_left_out() -> None:
    """Seconds are optional."""
    assert parse_date("Tue, 03 Feb 2026 12:57 +0000") == MOMENT.replace(second=0)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "1770123447",
        "2026-02-03T12:57:27Z",
        "Tue, 03 Feb 2026 12:57:27",
        "Tue, 03 Feb 26 12:57:27 +0000",
        "Tue, 03 Feb 2026 12:57:27 CST",
        "Tue, 03 Feb 2026 12:57:27 PST",
        "Tue, 03 Feb 2026 12:57:27 A",
        "Tue, 03 Foo 2026 12:57:27 +0000",
        "Tue, 31 Feb 2026 12:57:27 +0000",
        "Tue, 00 Feb 2026 12:57:27 +0000",
        "Tue, 03 Feb 2026 24:57:27 +0000",
        "Tue, 03 Feb 2026 12:60:27 +0000",
        "Tue, 03 Feb 2026 12:57:60 +0000",
        "Tue, 03 Feb 2026 12:57:27 +1500",
        "Tue, 03 Feb 2026 12:57:27 +0060",
        "Tue, 03 Feb 0000 12:57:27 +0000",
        "Mon, 01 Jan 0001 00:00:00 +1400",
        "Fri, 31 Dec 9999 23:59:59 -1400",
        "Tue, 03 Feb 2026 12:57:27 +0000 (a (b))",
        "Tue, 03 Feb 2026 12:57:27 +0000 x",
        "x Tue, 03 Feb 2026 12:57:27 +0000",
        "Tue, 0\u0663 Feb 2026 12:57:27 +0000",
    ],
)
def test_dates_of_another_form(value: str) -> None:
    """Whatever two programs could read differently is no date."""
    assert parse_date(value) is None
