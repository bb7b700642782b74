"""The mailbox adapter against servers that say odd things.

Every answer is understood, tolerated, or an error of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tests.contract.leaks import FOREIGN
from tests.contract.scripted import (
    BAD,
    DONE,
    NO,
    SINCE,
    Script,
    examine,
    examined,
    failure,
    fetch,
    kind_and_code,
    list_folders,
    opened,
    search,
)
from tests.kit.fakes import Silent
from tests.kit.scripted import Reply, Talk
from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError
from token_catcher.imap import connection as connection_module
from token_catcher.imap.folders import NAMES, Listed, encoded, find_spam
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef
from token_catcher.ports import FolderState, Heading


def fetched(
    uid: int, body: bytes, key: bytes = b"BODY[]<0>", date: bytes = b'"03-Feb-2026 12:57:27 +0000"'
) -> bytes:
    """One mail of an answer to FETCH."""
    literal = b"{%d}\r\n%s" % (len(body), body)
    return b"* %d FETCH (UID %d INTERNALDATE %s %s %s)\r\n" % (uid, uid, date, key, literal)


def mail(uid: int, raw: bytes) -> Mail:
    """What is made of it."""
    return Mail(
        MailRef("integrations", "INBOX", 7, uid), datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC), raw
    )


def searched(script: Script, *, log: Silent | None = None) -> tuple[list[int], list[str]]:
    """What a search above UID 10 finds, and the searches that were sent for it."""
    with opened(script, log=log) as (mailbox, server):
        mailbox.examine("INBOX")
        uids = list(mailbox.search(10, SINCE) or ())
        return uids, [line for line in server.commands if line.startswith("UID SEARCH")]


def fetched_from(
    answers: bytes | Sequence[Reply], uids: Sequence[int], *, log: Silent | None = None
) -> list[Mail]:
    """What fetching gives."""
    with opened({"EXAMINE": examined(100), "UID FETCH": answers}, log=log) as (mailbox, _):
        mailbox.examine("INBOX")
        return list(mailbox.fetch(uids))


# -- folders --


def test_one_odd_folder_name_hides_no_other() -> None:
    """No modified UTF-7, a name of digits, no delimiter, a folder that holds no mail."""
    listed = (
        b'* LIST () "/" INBOX\r\n* LIST () "/" "R&D"\r\n'
        b'* LIST () "/" "a&b-c"\r\n* LIST () "/" "&AAA"\r\n'
        b'* LIST () NIL "2024"\r\n* LIST (\\Noselect \\Junk) "/" "x"\r\n'
        b'* LIST (\\JUNK) "/" {5}\r\nSp"am\r\n'
    )
    script: Script = {"LIST": listed + DONE, "EXAMINE": examined(9)}
    with opened(script) as (mailbox, server):
        assert mailbox.folders() == ["INBOX", 'Sp"am']
        mailbox.examine('Sp"am')
    assert server.commands[-2:] == ['EXAMINE "Sp\\"am"', "LOGOUT"]


def test_a_folder_of_an_odd_name_is_opened_by_the_name_on_the_wire() -> None:
    """Not by what modified UTF-7 would make of it."""
    script: Script = {
        "LIST": b'* LIST () "/" INBOX\r\n* LIST () "/" "R&D"\r\n' + DONE,
        "EXAMINE": examined(9),
    }
    with opened(script, spam="R&D") as (mailbox, server):
        for folder in mailbox.folders():
            mailbox.examine(folder)
    assert server.commands[-3:] == ['EXAMINE "INBOX"', 'EXAMINE "R&D"', "LOGOUT"]


PLAIN_LIST = b'* LIST () "/" INBOX\r\n* LIST () "/" Junk\r\n* LIST () "/" Bin\r\n'
SPECIAL_LIST = PLAIN_LIST.replace(b'() "/" Bin', b'(\\Junk) "/" Bin')


@pytest.mark.parametrize(
    ("answers", "spam"),
    [
        ([PLAIN_LIST + DONE, SPECIAL_LIST + DONE], "Bin"),
        ([PLAIN_LIST + DONE, PLAIN_LIST + DONE], "Junk"),
        ([PLAIN_LIST + DONE, BAD], "Junk"),
        ([SPECIAL_LIST + DONE, BAD], "Bin"),
    ],
)
def test_special_use_is_asked_for_where_it_is_not_told(answers: list[Reply], spam: str) -> None:
    """Cyrus with `specialusealways: no`; whoever refuses it is taken at its names."""
    with opened({"LIST": answers}) as (mailbox, server):
        assert mailbox.folders() == ["INBOX", spam]
    asked = 'LIST "" "*" RETURN (SPECIAL-USE)' in server.commands
    assert asked == (answers[0] == PLAIN_LIST + DONE)


def test_a_server_without_special_use_is_not_asked_for_it() -> None:
    """Nor one whose spam folder is configured."""
    capability = b"* CAPABILITY IMAP4rev1\r\n" + DONE
    script: Script = {"CAPABILITY": capability, "LOGIN": DONE, "LIST": PLAIN_LIST + DONE}
    with opened(script) as (mailbox, server):
        mailbox.folders()
    assert len([line for line in server.commands if line.startswith("LIST")]) == 1
    with opened({"LIST": PLAIN_LIST + DONE}, spam="Bin") as (mailbox, server):
        mailbox.folders()
    assert len([line for line in server.commands if line.startswith("LIST")]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_known_name_is_found(name: str) -> None:
    """As the server writes it, in modified UTF-7 and in capitals as well."""
    for text in (name, name.upper()):
        folder = Listed(encoded(text), "/", frozenset())
        assert find_spam([folder]) == [text]


@pytest.mark.parametrize(
    "line",
    [
        b'* LIST (5) "/" INBOX\r\n',
        b'* LIST ((a)) "/" INBOX\r\n',
        b'* LIST a "/" INBOX\r\n',
        b"* LIST () 5 INBOX\r\n",
        b'* LIST () "/" (a b)\r\n',
        b'* LIST () "/" NIL\r\n',
        b'* LIST () "/"\r\n',
    ],
)
def test_a_folder_of_no_known_form_ends_the_session(line: bytes) -> None:
    """Whatever imapclient makes of it, each part is looked at before it is used."""
    error = failure({"LIST": line + DONE}, list_folders)
    assert kind_and_code(error) == (TransientError, "imap-protocol")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (NO, AccessError, "imap-folder"),
        (BAD, AccessError, "imap-folder"),
        (b"TAG NO [UNAVAILABLE] x\r\n", Outage, "imap-unavailable"),
        (b"TAG NO [SERVERBUG] x\r\n", Outage, "imap-unavailable"),
        (DONE, TransientError, "imap-protocol"),
        (b"* x EXISTS\r\n* OK [UIDVALIDITY x] x\r\n" + DONE, Outage, "imap-connection"),
        (b"* 1 EXISTS\r\n* OK [UIDVALIDITY x] x\r\n" + DONE, TransientError, "imap-protocol"),
        (b"* BYE x\r\n", Outage, "imap-connection"),
    ],
)
def test_a_folder_that_is_not_opened_is_told(
    answer: bytes, kind: type[TokenCatcherError], code: str
) -> None:
    """Refused, not possible now, or answered without UIDVALIDITY."""
    assert kind_and_code(failure({"EXAMINE": answer}, examine)) == (kind, code)


@pytest.mark.parametrize("uidnext", [None, 18])
def test_uidnext_may_be_missing(uidnext: int | None) -> None:
    """Some servers do not say it."""
    with opened({"EXAMINE": examined(uidnext)}) as (mailbox, _):
        assert mailbox.examine("INBOX") == FolderState("INBOX", 7, uidnext, 5)


# -- SEARCH --


def test_the_search_is_by_uid_day_and_sender() -> None:
    """ASCII, without CHARSET, a day more than asked for.

    Up to the last UID that UIDNEXT speaks of; others are left out."""
    uids, searches = searched(
        {"EXAMINE": examined(14), "UID SEARCH": b"* SEARCH 13 10 11\r\n" + DONE}
    )
    assert uids == [11, 13]
    assert searches == ["UID SEARCH UID 11:13 SINCE 02-Feb-2026 FROM salesforce.com"]


def test_several_sender_domains_are_asked_for_at_once() -> None:
    """OR takes two; a domain covers what lies below it."""
    domains = ("salesforce.com", "force.com", "mail.salesforce.com", "example.org", "example.net")
    with opened({"EXAMINE": examined(14)}, sender_domains=domains) as (mailbox, server):
        search(mailbox)
    assert server.commands[-2] == (
        "UID SEARCH UID 11:13 SINCE 02-Feb-2026"
        " OR OR FROM force.com FROM example.org FROM example.net"
    )


@pytest.mark.parametrize("refused", [NO, BAD])
def test_a_refused_search_is_widened(refused: bytes) -> None:
    """Without the sender, then without the day."""
    log = Silent()
    searches = [refused, refused, b"* SEARCH 11 12\r\n" + DONE]
    uids, sent = searched({"EXAMINE": examined(13), "UID SEARCH": searches}, log=log)
    assert uids == [11, 12]
    assert [line.removeprefix("UID SEARCH UID ") for line in sent] == [
        "11:12 SINCE 02-Feb-2026 FROM salesforce.com",
        "11:12 SINCE 02-Feb-2026",
        "11:12",
    ]
    assert [event for event, _ in log.events] == ["mailbox.search_refused"] * 2


def test_a_server_that_refuses_every_search_is_told() -> None:
    """None; nothing is taken for nothing."""
    with opened({"EXAMINE": examined(13), "UID SEARCH": NO}) as (mailbox, _):
        mailbox.examine("INBOX")
        assert mailbox.search(10, SINCE) is None
        assert mailbox.present((11, 12)) is None


@pytest.mark.parametrize(
    ("lines", "uids"),
    [
        (b"* SEARCH 11 13\r\n* SEARCH 12\r\n", [11, 12, 13]),
        (b"* SEARCH 11\r\n* SEARCH\r\n* SEARCH 11\r\n", [11]),
        (b"* SEARCH 12 11 (MODSEQ 917162500)\r\n", [11, 12]),
        (b"", []),
    ],
)
def test_a_search_may_be_answered_in_any_number_of_lines(lines: bytes, uids: list[int]) -> None:
    """mox and EIMS send several; others none where nothing is found."""
    assert searched({"EXAMINE": examined(14), "UID SEARCH": lines + DONE})[0] == uids


def test_hits_of_a_refused_search_are_not_taken_for_the_next_answer() -> None:
    """What came before the NO is forgotten."""
    searches = [b"* SEARCH 11\r\n" + NO, b"* SEARCH 12\r\n" + DONE]
    assert searched({"EXAMINE": examined(14), "UID SEARCH": searches})[0] == [12]


def test_a_search_that_is_not_possible_now_is_not_widened() -> None:
    """The server is at its limit; more questions do not help."""
    error = failure(
        {"EXAMINE": examined(13), "UID SEARCH": [b"TAG NO [LIMIT] x\r\n", DONE]}, search
    )
    assert kind_and_code(error) == (Outage, "imap-unavailable")


def test_a_wide_search_goes_by_windows() -> None:
    """60,000 UIDs, no more than 50,000 in an answer."""

    def answer(talk: Talk) -> None:
        first, last = map(int, server.commands[-1].split()[3].split(":"))
        talk.send(
            b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(first, last + 1)) + b"\r\n" + DONE
        )

    examine = examined(60_011, exists=60_000)
    with opened({"EXAMINE": examine, "UID SEARCH": [BAD, answer]}) as (mailbox, server):
        mailbox.examine("INBOX")
        assert list(mailbox.search(10, SINCE) or ()) == list(range(11, 60_011))
    assert [line for line in server.commands if "SINCE" in line][1:] == [
        "UID SEARCH UID 11:50010 SINCE 02-Feb-2026",
        "UID SEARCH UID 50011:60010 SINCE 02-Feb-2026",
    ]


def test_windows_end_at_the_last_mail_where_uidnext_is_missing() -> None:
    """UIDs may begin high: the last one is asked for."""
    searches = [
        BAD,
        b"* SEARCH 120000\r\n" + DONE,
        b"* SEARCH\r\n" + DONE,
        b"* SEARCH\r\n" + DONE,
        b"* SEARCH 120000\r\n" + DONE,
    ]
    examine = examined(None, exists=60_000)
    uids, sent = searched({"EXAMINE": examine, "UID SEARCH": searches})
    assert uids == [120_000]
    assert [line.split()[3] for line in sent] == [
        "11:*",
        "*",
        "11:50010",
        "50011:100010",
        "100011:120000",
    ]


def test_few_mails_are_one_window_however_far_uidnext_is() -> None:
    """An answer has no more UIDs than there are mails: UIDNEXT alone costs no command."""
    searches = [BAD, b"* SEARCH 4294967290\r\n" + DONE, b"* SEARCH 4294967290\r\n" + DONE]
    examine = examined(4_294_967_295, exists=5)
    uids, sent = searched({"EXAMINE": examine, "UID SEARCH": searches})
    assert uids == [4_294_967_290]
    assert [line.split()[3] for line in sent] == ["11:4294967294", "*", "11:4294967290"]


def test_an_answer_longer_than_imaplib_reads_ends_the_session() -> None:
    """The rest of the line would be taken for the next answer."""
    endless = b"* SEARCH " + b"4294967295 " * 100_000 + b"\r\n" + DONE
    error = failure({"EXAMINE": examined(13), "UID SEARCH": [endless, DONE]}, search)
    assert kind_and_code(error) == (Outage, "imap-connection")


@pytest.mark.parametrize("answer", [b"* SEARCH x y\r\n", b"* SEARCH 11 (\r\n", b'* SEARCH "11\r\n'])
def test_a_search_answer_of_no_known_form_is_ours_to_tell(answer: bytes) -> None:
    """No exception of a parser leaves the adapter."""
    error = failure({"EXAMINE": examined(13), "UID SEARCH": answer + DONE}, search)
    assert kind_and_code(error) == (TransientError, "imap-protocol")


# -- FETCH --


def test_what_is_told_unasked_is_no_mail() -> None:
    """Flags of another session, of a mail we asked for and of one we did not."""
    answer = (
        b"* 3 FETCH (UID 13 FLAGS (\\Seen))\r\n* 1 FETCH (UID 11 FLAGS (\\Seen))\r\n* 9 EXISTS\r\n"
        + fetched(12, b"twelve")
        + b"* 1 FETCH (FLAGS ())\r\n* 2 FETCH (UID 12 FLAGS (\\Seen))\r\n"
    )
    assert fetched_from(answer + DONE, [11, 12]) == [mail(12, b"twelve")]


@pytest.mark.parametrize("key", [b"BODY[]<0>", b"BODY[]", b"body[]<0>", b"BODY[]<0.262145>"])
def test_a_body_may_be_named_in_several_ways(key: bytes) -> None:
    """RFC 3501 wants the origin repeated; not everybody does."""
    assert fetched_from(fetched(11, b"x" * 10, key) + DONE, [11]) == [mail(11, b"x" * 10)]


def test_a_server_that_sends_more_than_asked_for_is_cut() -> None:
    """The limit holds whoever ignores it."""
    assert fetched_from(fetched(11, b"x" * (MAX_MAIL_BYTES + 99)) + DONE, [11]) == [
        mail(11, b"x" * (MAX_MAIL_BYTES + 1))
    ]


@pytest.mark.parametrize("body", [b"NIL", b'""', b"{0}\r\n", b"{2}\r\n\r\n"])
def test_an_empty_body_is_none(body: bytes) -> None:
    """Dovecot's of a mail that was expunged meanwhile, iCloud's of one that is there."""
    void = b'* 1 FETCH (UID 11 INTERNALDATE "03-Feb-2026 12:57:27 +0000" BODY[]<0> %b)\r\n' % body
    assert fetched_from(void + fetched(12, b"x") + DONE, [11, 12]) == [mail(12, b"x")]


# -- headings --

HEADER = (
    b"From: =?utf-8?q?Support?=\r\n <support@salesforce.com>\r\n"
    b"Message-ID: <a@salesforce.com>\r\n\r\n"
)


def heading_line(uid: int, number: int, header: bytes | None, date: bytes = b"03") -> bytes:
    """One line of an answer; `header` None: the field is missing."""
    fields = b'UID %d RFC822.SIZE 900 INTERNALDATE "%s-Feb-2026 12:57:27 +0000"' % (uid, date)
    if header is not None:
        fields += b' BODY[HEADER.FIELDS ("FROM" "MESSAGE-ID")] {%d}\r\n%b' % (len(header), header)
    return b"* %d FETCH (%b)\r\n" % (number, fields)


def headings_from(lines: bytes) -> list[Heading]:
    """What is made of them."""
    with opened({"EXAMINE": examined(100), "UID FETCH": lines + DONE}) as (mailbox, server):
        mailbox.examine("INBOX")
        headings = list(mailbox.headings((9, 9), (11, 99)))
    assert server.commands[-2] == (
        "UID FETCH 9,11:99 (INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM MESSAGE-ID)])"
    )
    return headings


HUGE = 2**40


@pytest.mark.parametrize("uid", [0, 2**32, HUGE])
def test_a_number_that_no_uid_can_be_names_no_mail(uid: int) -> None:
    """RFC 3501, section 9: 32 bits. The mail counts, and is told as one without a name."""
    search = b"* SEARCH 11 %d\r\n" % uid + DONE
    bodies = fetched(11, b"x") + fetched(uid, b"x") + DONE
    with opened({"EXAMINE": examined(100), "UID SEARCH": search, "UID FETCH": bodies}) as session:
        mailbox, _ = session
        mailbox.examine("INBOX")
        assert mailbox.present((1, None)) == [11]
        assert [mail.ref.uid for mail in mailbox.fetch([11, uid])] == [11]
    headings = headings_from(heading_line(11, 7, HEADER) + heading_line(uid, 8, HEADER))
    assert [heading.uid for heading in headings] == [11]


def test_a_uidnext_that_cannot_be_says_nothing() -> None:
    """As if the server had left it out."""
    with opened({"EXAMINE": examined(HUGE)}) as (mailbox, _):
        assert mailbox.examine("INBOX") == FolderState("INBOX", 7, None, 5)


def test_a_count_of_mails_that_cannot_be_ends_the_session() -> None:
    """Nothing could be compared with it."""
    error = failure({"EXAMINE": examined(6, exists=HUGE)}, examine)
    assert kind_and_code(error) == (TransientError, "imap-protocol")


def test_headings_say_what_a_mail_is_known_by() -> None:
    """UID, place, arrival, From as it is on the wire; a range is answered line by line."""
    first, second = headings_from(heading_line(12, 8, HEADER) + heading_line(11, 7, HEADER, b"04"))
    assert (first.uid, first.number, second.uid, second.number) == (11, 7, 12, 8)
    assert second.received_at == datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
    assert second.sender == b"=?utf-8?q?Support?=\r\n <support@salesforce.com>"
    assert "" != first.key != second.key


def test_a_mail_has_the_same_key_under_another_uid() -> None:
    """And with another size, which Exchange estimates; another time is another mail."""
    line = heading_line(11, 7, HEADER)
    (first,) = headings_from(line)
    (second,) = headings_from(line.replace(b"UID 11 RFC822.SIZE 900", b"UID 12 RFC822.SIZE 901"))
    (third,) = headings_from(heading_line(11, 7, HEADER, b"04"))
    assert first.key == second.key != third.key


@pytest.mark.parametrize(
    "header", [None, b"", b"\r\n", b"From: \r\n\r\n", b"Message-ID: <a>\r\n\r\n"]
)
def test_a_sender_that_the_server_does_not_give_is_none(header: bytes | None) -> None:
    """DBMail answers with the blank line alone: that is a sender who is not known."""
    (heading,) = headings_from(heading_line(11, 7, header))
    assert (heading.sender, heading.key) == (None, "")


def test_flags_told_unasked_make_no_heading_and_move_none() -> None:
    """Neither with a UID nor without; a number without UID is no UID."""
    lines = (
        b"* 11 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (UID 13 FLAGS (\\Seen))\r\n"
        + heading_line(11, 7, HEADER)
        + b"* 7 FETCH (UID 11 FLAGS (\\Seen))\r\n"
    )
    assert [(heading.uid, heading.number) for heading in headings_from(lines)] == [(11, 7)]


@pytest.mark.parametrize(
    "date",
    [
        b"NIL",
        b'"01-Jan-1970 00:00:00 +0000"',
        b'"yesterday"',
        b'"99-Foo-2026 12:00:00 +0000"',
        b'"03-Feb-2026 12:57:27 +9999"',
        b'"31-Dec-9999 23:59:59 -0500"',
    ],
)
def test_a_mail_without_a_time_arrived_when_it_was_fetched(date: bytes) -> None:
    """DavMail leaves it out, GNU imap4d says 1970: a mail is no less there for that."""
    before = datetime.now(UTC)
    (mail,) = fetched_from(fetched(11, b"x", date=date) + DONE, [11])
    assert before <= mail.received_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (NO, TransientError, "imap-protocol"),
        (BAD, TransientError, "imap-protocol"),
        (fetched(11, b"half") + NO, TransientError, "imap-protocol"),
        (b"TAG NO [INUSE] x\r\n", Outage, "imap-unavailable"),
        (b"* 1 FETCH (UID x)\r\n" + DONE, TransientError, "imap-protocol"),
        (b"* 1 FETCH UID\r\n" + DONE, TransientError, "imap-protocol"),
        (
            b"* 1 FETCH (UID 11 BODY[]<0> " + b"(" * 5000 + b")" * 5000 + b")\r\n" + DONE,
            TransientError,
            "imap-protocol",
        ),
        (FOREIGN.encode() + b"\r\n" + DONE, Outage, "imap-connection"),
        (b"* BYE x\r\n", Outage, "imap-connection"),
    ],
)
def test_a_fetch_that_fails_as_a_whole_is_told(
    answer: bytes, kind: type[TokenCatcherError], code: str
) -> None:
    """And no mail is taken for settled by it."""
    assert kind_and_code(failure({"EXAMINE": examined(13), "UID FETCH": answer}, fetch)) == (
        kind,
        code,
    )


def test_a_mail_that_looks_like_an_answer_is_a_mail() -> None:
    """Literals are counted, not read."""
    raw = b")\r\nTAG OK done\r\n* 1 FETCH (UID 11 BODY[]<0> {3}\r\nabc)\r\n"

    def reply(talk: Talk) -> None:
        talk.send(fetched(11, raw.replace(b"TAG", talk.tag.encode())) + DONE)

    (mail,) = fetched_from([reply], [11])
    assert mail.raw.endswith(b"abc)\r\n")
    assert len(mail.raw) == len(raw) + len("ABCD1") - len("TAG")


def test_a_session_that_does_not_end_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOGOUT without an answer: close() gives up and frees the socket."""
    monkeypatch.setattr(connection_module, "LOGOUT_TIMEOUT", 0.1)
    closed: list[bool] = []

    def silence(talk: Talk) -> None:
        closed.append(not talk.hears_nothing(5))

    with opened({"LOGOUT": silence}):
        pass
    assert closed == [True]
