"""The odd server's quirks of SEARCH, FETCH and IDLE: each does what its docstring says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from imapclient.exceptions import IMAPClientError

from tests.contract.odd import EXAMINED, NOON, answer, mail, odd, opened, raw, uids
from tests.kit.odd_imap import Account, BodyKey, Chosen, FromSearch, OddImap, Quirks, Void

DONE = b"T OK done\r\n"
SECOND_TWICE = Chosen(frozenset({2}), times=2)
SECOND_IN_BATCHES = Chosen(frozenset({2}), also_alone=False)
WHOLE = "BODY.PEEK[]"
FIELDS = "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"


def fetched(client: Any, asked: list[int], item: str) -> dict[int, Any]:
    """UID to what came for the one item."""
    values = {}
    for uid, told in client.fetch(asked, [item]).items():
        del told[b"SEQ"]
        (values[uid],) = told.values()
    return values


# -- SEARCH --


@pytest.mark.parametrize("refusal", ["NO", "BAD"])
def test_every_search_may_be_refused(refusal: str) -> None:
    """Also the plainest."""
    with odd(search_refused=refusal) as server:
        assert answer(server, "UID SEARCH ALL").startswith(b"T " + refusal.encode())
        assert answer(server, "UID FETCH 1 (UID)").endswith(DONE)


def test_a_charset_may_be_refused() -> None:
    """Any but US-ASCII."""
    with odd(charset_refused=True) as server, opened(server) as client:
        with pytest.raises(IMAPClientError, match="BADCHARSET"):
            client.search(["SUBJECT", "x"], charset="UTF-8")
        assert client.search(["SUBJECT", "Number 1"], charset="US-ASCII") == [1]
        assert client.search(["SUBJECT", "Number 1"]) == [1]


@pytest.mark.parametrize(
    ("compared", "matching"),
    [
        (FromSearch.SUBSTRING, {"example.com", "support@mail.example.com", "acme", "ACME SUPPORT"}),
        (FromSearch.WHOLE_ADDRESS, {"support@mail.example.com"}),
        (FromSearch.DISPLAY_NAME, {"acme", "ACME SUPPORT"}),
        (FromSearch.NOTHING, set()),
    ],
)
def test_from_may_be_compared_with(compared: FromSearch, matching: set[str]) -> None:
    """Any part, the whole address, the display name, or nothing; other keys are as ever."""
    texts = ["example.com", "support@mail.example.com", "acme", "ACME SUPPORT", "other"]
    with odd(1, search_from=compared) as server, opened(server) as client:
        assert {text for text in texts if client.search(["FROM", text])} == matching
        assert client.search(["SUBJECT", "Number"]) == [1]


def test_the_index_may_lag_by_the_clock() -> None:
    """What asks for text does not find the mail until then; UID and day do."""
    clock = [NOON]
    account = Account(now=lambda: clock[0])
    with OddImap(Quirks(index_lag=timedelta(seconds=4)), account) as server:
        account.deliver(mail())
        clock[0] += timedelta(seconds=3)
        assert uids(server, "FROM", "example.com", "UID", "1:*") == []
        assert uids(server, "NOT", "SUBJECT", "Number") == [1]
        assert uids(server, "UID", "1:*", "SINCE", NOON.date()) == [1]
        clock[0] += timedelta(seconds=1)
        assert uids(server, "FROM", "example.com", "UID", "1:*") == [1]


def test_the_index_may_lag_by_searches() -> None:
    """Those by text are counted, once each, from the delivery on."""
    keys = ("OR", "FROM", "example.com", "SUBJECT", "x")
    with odd(1, index_lag_searches=2) as server:
        assert uids(server) == [1]
        assert [uids(server, *keys) for _ in range(3)] == [[], [], [1]]
        server.account.deliver(mail(2))
        assert [uids(server, *keys) for _ in range(3)] == [[1], [1], [1, 2]]


def test_a_range_up_to_the_star_may_find_nothing() -> None:
    """Where one up to a number is answered rightly."""
    with odd(star_range_finds_nothing=True) as server:
        assert uids(server, "UID", "1:*") == uids(server, "UID", "2:*", "ALL") == []
        assert uids(server, "UID", "2:3") == [2, 3]
        assert uids(server, "UID", "*") == [3]
        assert answer(server, "UID FETCH 3:* (UID)") == b"* 3 FETCH (UID 3)\r\n" + DONE


def test_a_search_may_be_answered_in_several_lines() -> None:
    """imapclient cannot read that."""
    with odd(5, search_hits_per_line=2) as server:
        assert answer(server, "UID SEARCH ALL") == (
            b"* SEARCH 1 2\r\n* SEARCH 3 4\r\n* SEARCH 5\r\n" + DONE
        )
        assert answer(server, "UID SEARCH UID 9") == b"* SEARCH\r\n" + DONE


def test_a_search_may_be_answered_without_a_line() -> None:
    """Where nothing is found."""
    with odd(no_line_for_no_hits=True) as server:
        assert answer(server, "UID SEARCH UID 9") == DONE
        assert answer(server, "UID SEARCH UID 3") == b"* SEARCH 3\r\n" + DONE


def test_a_search_may_leave_mails_out() -> None:
    """So many times each."""
    with odd(searches_leave_out=Chosen(frozenset({1, 2}), times=2)) as server:
        assert uids(server) == [3]
        assert uids(server, "UID", "2") == []
        assert uids(server) == [2, 3]
        assert uids(server) == [1, 2, 3]


def test_a_search_may_leave_mails_out_of_many_alone() -> None:
    """Asked for by its own UID it is found."""
    with odd(searches_leave_out=SECOND_IN_BATCHES) as server:
        assert uids(server) == uids(server, "UID", "1:3") == [1, 3]
        assert uids(server, "UID", "2") == [2]


def test_answers_may_come_in_another_order() -> None:
    """The newest first, of SEARCH and FETCH."""
    with odd(newest_first=True) as server:
        assert answer(server, "UID SEARCH ALL") == b"* SEARCH 3 2 1\r\n" + DONE
        assert answer(server, "UID FETCH 1:2 (UID)") == (
            b"* 2 FETCH (UID 2)\r\n* 1 FETCH (UID 1)\r\n" + DONE
        )


# -- FETCH --


@pytest.mark.parametrize(
    ("quirk", "item", "other"),
    [("bodies_left_out", WHOLE, FIELDS), ("headers_left_out", FIELDS, WHOLE)],
)
def test_a_fetch_may_leave_mails_out(quirk: str, item: str, other: str) -> None:
    """So many times, alone or not, while SEARCH finds them; what else is asked for is there."""
    quirks: dict[str, Any] = {quirk: SECOND_TWICE}
    with odd(**quirks) as server, opened(server) as client:
        assert sorted(fetched(client, [1, 2, 3], item)) == [1, 3]
        assert sorted(fetched(client, [1, 2, 3], other)) == [1, 2, 3]
        assert sorted(fetched(client, [1, 2, 3], "FLAGS")) == [1, 2, 3]
        assert fetched(client, [2], item) == {}
        assert client.search(["UID", 2]) == [2]
        assert sorted(fetched(client, [1, 2, 3], item)) == [1, 2, 3]


def test_a_fetch_may_leave_mails_out_of_many_alone() -> None:
    """Asked for alone it is there."""
    with odd(bodies_left_out=SECOND_IN_BATCHES) as server, opened(server) as client:
        assert sorted(fetched(client, [1, 2, 3], WHOLE)) == [1, 3]
        assert sorted(fetched(client, [2, 3], WHOLE)) == [3]
        assert sorted(fetched(client, [2], WHOLE)) == [2]


@pytest.mark.parametrize(
    ("void", "told"),
    [
        (Void.QUOTED, b'""'),
        (Void.LITERAL, b"{0}\r\n"),
        (Void.NIL, b"NIL"),
        (Void.BLANK_LINE, b"{2}\r\n\r\n"),
    ],
)
def test_nothing_may_stand_where_bytes_should(void: Void, told: bytes) -> None:
    """In four ways."""
    with odd(bodies_void=Chosen(), bodies_void_as=void) as server:
        line = b"* 1 FETCH (UID 1 BODY[] " + told + b")\r\n"
        assert answer(server, "UID FETCH 1 BODY.PEEK[]") == line + DONE


@pytest.mark.parametrize(("void", "value"), [(Void.QUOTED, b""), (Void.NIL, None)])
def test_a_body_may_be_empty_for_a_while(void: Void, value: bytes | None) -> None:
    """And the header is there."""
    with odd(bodies_void=SECOND_TWICE, bodies_void_as=void) as server, opened(server) as client:
        for _ in range(2):
            assert fetched(client, [1, 2], "BODY.PEEK[]<0.9999>") == {1: mail(1), 2: value}
        assert fetched(client, [2], FIELDS) == {2: b"Subject: Number 2\r\n\r\n"}
        assert fetched(client, [2], WHOLE) == {2: mail(2)}


@pytest.mark.parametrize(
    ("void", "value"), [(Void.BLANK_LINE, b"\r\n"), (Void.LITERAL, b""), (Void.NIL, None)]
)
def test_header_fields_may_be_empty(void: Void, value: bytes | None) -> None:
    """And the body is there."""
    with odd(headers_void=SECOND_TWICE, headers_void_as=void) as server, opened(server) as client:
        assert fetched(client, [2], FIELDS) == {2: value}
        assert fetched(client, [2], WHOLE) == {2: mail(2)}


@pytest.mark.parametrize(
    ("style", "key"),
    [
        (BodyKey.ORIGIN, b"BODY[]<0>"),
        (BodyKey.BARE, b"BODY[]"),
        (BodyKey.AS_ASKED, b"BODY[]<0.262145>"),
    ],
)
def test_the_body_may_come_under_another_key(style: BodyKey, key: bytes) -> None:
    """Of a partial FETCH; a whole one is as ever."""
    with odd(body_key=style) as server, opened(server) as client:
        assert client.fetch([1], ["BODY.PEEK[]<0.262145>"]) == {1: {b"SEQ": 1, key: mail(1)}}
        assert b"BODY[]" in client.fetch([1], [WHOLE])[1]


def test_a_partial_fetch_may_give_the_first_body_alone() -> None:
    """And an empty literal for the others."""
    with odd(only_first_of_partial=True) as server, opened(server) as client:
        bodies = fetched(client, [1, 2, 3], "BODY.PEEK[]<0.9999>")
        assert bodies == {1: mail(1), 2: b"", 3: b""}
        assert fetched(client, [3], "BODY.PEEK[]<0.9999>") == {3: mail(3)}
        assert fetched(client, [1, 2], WHOLE) == {1: mail(1), 2: mail(2)}


@pytest.mark.parametrize(
    ("asked", "told"), [("1:3", [1]), ("2:*", [2]), ("1,3", [1, 3]), ("1:2,3", [1, 3])]
)
def test_a_range_may_be_answered_for_its_first_alone(asked: str, told: list[int]) -> None:
    """A list of UIDs is answered as a whole."""
    with odd(ranges_give_first_only=True) as server:
        lines = answer(server, f"UID FETCH {asked} (UID)").split(b"\r\n")[:-2]
    assert lines == [b"* %d FETCH (UID %d)" % (uid, uid) for uid in told]


@pytest.mark.parametrize(
    ("quirks", "told", "day"),
    [
        ({}, NOON, date(2026, 2, 3)),
        ({"internaldate_offset_hours": -13}, NOON - timedelta(hours=13), date(2026, 2, 2)),
        ({"internaldate_offset_hours": 8}, NOON + timedelta(hours=8), date(2026, 2, 3)),
        ({"internaldate_noon_as_midnight": True}, NOON.replace(hour=0), date(2026, 2, 3)),
        ({"internaldate_1970": True}, datetime(1970, 1, 1, tzinfo=UTC), date(1970, 1, 1)),
        ({"internaldate_missing": True}, None, date(2026, 2, 3)),
    ],
)
def test_internaldate_may_be_wrong(
    quirks: dict[str, Any], told: datetime | None, day: date
) -> None:
    """Always marked +0000; SEARCH goes by the same."""
    with odd(1, **quirks) as server, opened(server) as client:
        assert client.fetch([1], ["INTERNALDATE"])[1].get(b"INTERNALDATE") == told
        assert client.search(["ON", day]) == [1]


def test_fetch_lines_may_come_unasked() -> None:
    """Flags of others, and once without a UID; what was asked for is among them."""
    with odd(2, unasked_fetches=True) as server:
        assert (
            answer(server, "UID FETCH 2 (RFC822.SIZE)")
            == (
                b"* 2 FETCH (UID 2 RFC822.SIZE %d)\r\n"
                b"* 1 FETCH (UID 1 FLAGS (\\Recent))\r\n* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n"
                b"* 1 FETCH (FLAGS (\\Recent))\r\n" % len(mail(2))
            )
            + DONE
        )
        with opened(server) as client:
            assert client.fetch([2], [WHOLE])[2][b"BODY[]"] == mail(2)


def test_a_mail_may_carry_its_uid() -> None:
    """At the end of the header, and in its size."""
    with odd(2, x_uid=True) as server, opened(server) as client:
        told = client.fetch([2], [WHOLE, "RFC822.SIZE"])[2]
        assert told[b"BODY[]"] == mail(2).replace(b"\r\n\r\n", b"\r\nX-UID: 2\r\n\r\n")
        assert told[b"RFC822.SIZE"] == len(mail(2)) + len("X-UID: 2\r\n")


# -- IDLE --


def test_idle_may_tell_nothing() -> None:
    """Neither what was before nor what comes; NOOP does."""
    with odd(0, idle_tells_nothing=True) as server, raw(server, *EXAMINED) as client:
        server.account.deliver(mail(1))
        assert client.ask("IDLE") == b"+ idling\r\n"
        server.wait_for_idle()
        server.account.deliver(mail(2))
        client.send(b"DONE\r\n")
        assert client.line() == DONE
        assert client.ask("NOOP") == b"* 2 EXISTS\r\n* 2 RECENT\r\n" + DONE
