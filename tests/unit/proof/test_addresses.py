"""From is read strictly, To as people and mail programs write it."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit.cost import times_dearer
from token_catcher.proof.addresses import MAX_ADDRESSES, listed_addresses, single_address

OURS = "ops@example.com"


def test_one_address() -> None:
    """A field is read as one plain address, or not at all."""
    assert single_address('"x" <a@b.example>') == "a@b.example"
    assert single_address("a@b.example, c@d.example") is None


def test_all_addresses_of_a_list() -> None:
    """All addresses of a list are read; one that is oddly written voids no neighbour."""
    assert list(listed_addresses('"x, y" <a@b.example>, c@d.example')) == [
        "a@b.example",
        "c@d.example",
    ]
    assert list(listed_addresses("a@b.example, c d@e.example, f@g.example")) == [
        "a@b.example",
        "f@g.example",
    ]
    assert list(listed_addresses("")) == []


@pytest.mark.parametrize(
    "to",
    [
        OURS,
        "<ops@example.com>",
        "< ops@example.com >",
        "OPS@Example.COM",
        '"Doe, Jane" <ops@example.com>',
        '"Jane \\"JD\\" Doe" <ops@example.com>',
        "Doe, Jane <ops@example.com>",
        "'ops@example.com'",
        "'ops@example.com' <ops@example.com>",
        "\"'ops@example.com'\" <ops@example.com>",
        '"ops@example.com"',
        '"else@example.com" <ops@example.com>',
        "=?utf-8?q?B=C3=A9la?= <ops@example.com>",
        "=?utf-8?b?5pel5pys?= =?utf-8?b?6Kqe?= <ops@example.com>",
        "=?utf-8?q?Doe,_Jane?= <ops@example.com>",
        "ops@example.com (Operations)",
        "(Operations (of Acme)) ops@example.com",
        "Ops (a, b) <ops@example.com> (c)",
        "Ops <ops@example.com>,",
        ",ops@example.com",
        "else@example.com,, ops@example.com",
        "Team: else@example.com, ops@example.com;",
        "Team: ops@example.com;, else@example.com",
        "undisclosed-recipients:;, ops@example.com",
        "no address at all, ops@example.com",
        "<@relay.example:else@example.com>, ops@example.com",
        'else@"example.com", ops@example.com',
    ],
)
def test_ours_in_whatever_dress(to: str) -> None:
    """The address alone counts: names, comments, quotes, groups and empty entries do not."""
    assert OURS in [address.lower() for address in listed_addresses(to)]


@pytest.mark.parametrize(
    "to",
    [
        '"ops@example.com" <else@example.com>',
        "ops@example.com <else@example.com>",
        "else@example.com (ops@example.com)",
        '"x, ops@example.com, y" <else@example.com>',
        "(x, ops@example.com, y) else@example.com",
        "=?utf-8?q?x,ops@example.com,y?= <else@example.com>",
        "=?utf-8?q?ops=40example.com?= <else@example.com>",
        "<ops@example.com> <else@example.com>",
        "<else@example.com> <ops@example.com>",
        "<else@example.com> ops@example.com",
        "else@example.com ops@example.com",
        "ops@example.com; else@example.com",
        "ops@example.com@evil.example",
        '"ops@example.com"@evil.example',
        '"ops"@example.com',
        "ops@example.com.evil.example",
        "evil-ops@example.com",
        "<@evil.example:ops@example.com>",
        "<mailto:ops@example.com>",
        "ops(x)@example.com",
        "ops @ example.com",
        "ops@example.com>",
        "<ops@example.com",
        "<ops@example.comm",
        "Ops <ops@example.comm",
        "else@example.com, <ops@example.comm",
        '<ops@example.com "x',
        '"a, ops@example.com',
        '"a\\", ops@example.com',
        "else@example.com, (ops@example.com",
        "Team: ops@example.com",
        "a: b: ops@example.com;",
        "Team: x@example.com; ops@example.com",
        "undisclosed-recipients:;",
        "=?utf-8?q?ops=40example.com?=",
    ],
)
def test_others_in_our_dress(to: str) -> None:
    """Our address as a name, in a comment, as a part of another, or in what is never closed."""
    assert OURS not in [address.lower() for address in listed_addresses(to)]


@given(st.text('ab@.,;:<>()"\\ =?', max_size=60))
@example('"\\')
@example("(\\")
@example("<")
def test_any_text_is_read(text: str) -> None:
    """Whatever stands in To, each address that is read stands there as it is."""
    assert all(address in text for address in listed_addresses(text))


@pytest.mark.parametrize(
    "piece", ['"', "(", "<", "((((", "=?a?q?", '<"', "a,", "x:", ";", "()", '"a"', "\\", "<a@b>,"]
)
def test_reading_is_linear(piece: str) -> None:
    """Four times as much of the worst does not cost sixteen times as much."""
    long = piece * (32_768 // len(piece))
    short = long[:8192]
    assert times_dearer(partial(listed_addresses, long), partial(listed_addresses, short)) < 10


def test_the_number_is_bounded() -> None:
    """Of a list without end only the first addresses are compared."""
    assert len(listed_addresses("a@b.example," * 1000)) == MAX_ADDRESSES
