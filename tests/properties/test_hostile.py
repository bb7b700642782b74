"""Hostile bytes: whatever arrives, nothing is raised,
no token is invented, and nothing passes that Salesforce did not sign."""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Iterable
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from functools import cache
from html import unescape

import dkim
import mailparser  # type: ignore[import-untyped]  # it ships no types
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from tests.corpus.base import ADDRESSES, PASS, POLICIES, STORE
from tests.corpus.verdicts import corpus, in_words, judge_of
from tests.kit.mails import ISSUED, SIGNED_HEADERS, TOKEN, USERNAME, mail, token_body, token_mail
from tests.kit.scale import times
from tests.kit.signing import canonical_body, canonical_head
from token_catcher.model import Candidate, Capture, Claim, Header, Refused
from token_catcher.reading import claims, markup, wire
from token_catcher.reading.extract import extract

GENUINE = tuple(
    item.raw
    for item in corpus()
    if not item.hostile
    and item.variant == "standard"
    and item.expected["dkim"] == STORE
    and item.received_at == ISSUED
    and b"c=relaxed/simple" in item.raw
    and b"h=" + ":".join(SIGNED_HEADERS).encode() + b";" in item.raw
)
"""Mails of many forms with one kind of signature: what is signed can be told."""

PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b" ",
        b":",
        b"From: support@salesforce.com\r\n",
        b"To: ops@example.com\r\n",
        b"Subject: Your new Salesforce security token\r\n",
        b"Date: Tue, 03 Feb 2026 12:57:27 +0000\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Content-Type: text/html\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=salesforce.com; s=sf2026;"
        b" h=from; bh=; b=\r\n",
        PASS.replace("\n", "\r\n").encode(),
        b"--b\r\n",
        b"--b--\r\n",
        b"\r\n--b",
        f"Username: {USERNAME}\r\n".encode(),
        f"Security token (case-sensitive): {TOKEN}\r\n".encode(),
        f"{USERNAME}".encode(),
        TOKEN.encode(),
        b"VXNlcm5hbWU6",
        b"=\r\n",
        b"=3D",
        b"<br>",
        b"<!--",
        b"-->",
        b"&#10;",
        b"=?utf-8?q?x?=",
        "ユーザ名：".encode(),
        "\u2028".encode(),
    ]
)
MAIL_LIKE = st.lists(PIECES | st.binary(max_size=8), max_size=40).map(b"".join)
WORDS = st.sampled_from(
    [
        "fail",
        "none",
        "pass",
        "evil.example",
        "dmarc",
        "dkim",
        "=",
        ";",
        "(",
        ")",
        '"',
        "\\",
        " ",
        "\n\t",
    ]
)
LINES = st.sampled_from(
    [*token_body().splitlines(), "Username: x@y.example", "", "hello", "Token: " + "B" * 24]
)
VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


@cache
def signed_parts(raw: bytes) -> tuple[bytes, bytes]:
    """What a signature in `c=relaxed/simple` over Salesforce's fields covers."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return canonical_head(head, b"", SIGNED_HEADERS, "relaxed"), canonical_body(body, "simple")


def seen_anywhere(raw: bytes) -> list[str]:
    """The signed fields that the most careless reader finds in the header:
    any line end ends a line, spaces do not count. A repeated MIME-Version that says the same
    counts once, as gateways add it (`REPEATABLE`)."""
    lines = re.split(rb"[\r\n\v\f\x1c-\x1e\x85]+", raw.partition(b"\r\n\r\n")[0])
    named = [line.partition(b":") for line in lines]
    fields = [(_text(name), _text(value)) for name, _, value in named]
    versions = {field for field in fields if field[0] == "mime-version"}
    rest = [field for field in fields if field[0] != "mime-version"]
    names = [name for name, _ in (*versions, *rest)]
    return sorted(name for name in names if name in {field.lower() for field in SIGNED_HEADERS})


def _text(octets: bytes) -> str:
    return octets.strip().lower().decode("ascii", "replace")


@settings(max_examples=times(300))
@given(st.binary(max_size=4000) | MAIL_LIKE)
@example(b"")
@example(b"\r\n\r\n")
def test_any_bytes(raw: bytes) -> None:
    """Bytes of any kind are judged without an exception,
    and without a signature no policy captures anything."""
    for policy in ("dkim", "both", "auto"):
        assert in_words(judge_of("standard", policy).judge(mail(raw), ADDRESSES)) != STORE


@settings(max_examples=times(200))
@given(MAIL_LIKE)
def test_no_token_is_invented(body: bytes) -> None:
    """A token that is claimed stands in the text, letter for letter, and so does the username."""
    candidate = extract(mail(token_mail(body="", subject="hello") + body), ("hello",))
    if isinstance(candidate, Candidate) and isinstance(candidate.claim, Claim):
        assert candidate.claim.token.reveal().encode() in body
        assert candidate.claim.username.encode() in body


@settings(max_examples=times(1000))
@given(st.sampled_from(GENUINE), st.data())
def test_no_change_of_what_is_signed_is_stored(raw: bytes, data: st.DataObject) -> None:
    """However a genuine mail is changed, it is stored only while every signed part is as
    Salesforce signed it and stands there once for every reader, and then with the same token for
    the same user."""
    changed = raw
    for _ in range(data.draw(st.integers(1, 3), "changes")):
        changed = _changed(changed, data)
    verdict = judge_of("standard", "dkim").judge(mail(changed), ADDRESSES)
    if isinstance(verdict.outcome, Capture):
        assert signed_parts(changed) == signed_parts(raw)
        assert seen_anywhere(changed) == sorted(name.lower() for name in SIGNED_HEADERS)
        genuine = judge_of("standard", "dkim").judge(mail(raw), ADDRESSES).outcome
        assert isinstance(genuine, Capture)
        assert replace(verdict.outcome, mail=genuine.mail) == genuine


def _changed(raw: bytes, data: st.DataObject) -> bytes:
    """Something put in, taken out, replaced, or said once more."""
    place = data.draw(st.integers(0, len(raw)), "place")
    length = data.draw(st.integers(0, 12), "length")
    kind = data.draw(st.sampled_from(["insert", "delete", "replace", "copy", "top", "end"]), "kind")
    piece = data.draw(PIECES | st.binary(min_size=1, max_size=6), "piece")
    match kind:
        case "insert":
            return raw[:place] + piece + raw[place:]
        case "delete":
            return raw[:place] + raw[place + length :]
        case "replace":
            return raw[:place] + piece + raw[place + length :]
        case "copy":
            lines = raw.split(b"\r\n")
            line = lines[data.draw(st.integers(0, len(lines) - 1), "line")]
            lines.insert(data.draw(st.integers(0, len(lines)), "at"), line)
            return b"\r\n".join(lines)
        case "top":
            return piece + raw
        case _:
            return raw + piece


NAMES = st.from_regex(r"X-[A-Z0-9-]{1,30}", fullmatch=True) | st.sampled_from(
    ["Message-ID", "Sender", "Cc", "Reply-To", "X-Ham-Report", "Received-SPF"]
)
VALUES = st.lists(
    VISIBLE.map(str.encode)
    | st.sampled_from(
        [
            "Häufigkeit".encode(),
            "Häufigkeit".encode("latin-1"),
            b"\r\n\tx",
            b"\r\n \r\n y",
            b", y" * 500,
        ]
    ),
    max_size=4,
).map(b" ".join)


@settings(max_examples=times(100))
@given(st.sampled_from(GENUINE), st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3))
def test_unsigned_fields_do_no_harm(raw: bytes, fields: list[tuple[str, bytes]]) -> None:
    """A genuine mail is stored whatever other fields are put on top of it.

    Folded with white space alone, in 8-bit bytes, in long lines, below an escaped separator."""
    assume(all(name != "X-SFDC-LK" for name, _ in fields))
    top = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in fields)
    assume(len(top) < 900 or b":" not in top.replace(b": ", b"", len(fields)))
    for separator in (b"", b">From x@y.example Tue Feb  3 12:57:27 2026\r\n"):
        changed = separator + top + raw
        assert in_words(judge_of("standard", "dkim").judge(mail(changed), ADDRESSES)) == STORE


TEXT_CODECS = st.sampled_from(
    ["utf-8", "cp932", "iso2022_jp", "gb18030", "big5", "cp949", "utf-16", "utf-8-sig"]
)
TRANSFERS = st.sampled_from(["8bit", "base64", "quoted-printable", "x-unknown", "7bit"])


@settings(max_examples=times(100))
@given(st.sampled_from(("Token ", "トークン：", "<b>Token:</b> ", "Token:&nbsp;")), st.data())
def test_no_mail_of_a_sender_with_a_token_is_ignored(label: str, data: st.DataObject) -> None:
    """Whatever charset, transfer encoding and structure it comes in, it leaves a record."""
    codec = data.draw(TEXT_CODECS, "codec")
    transfer = data.draw(TRANSFERS, "transfer")
    octets = f"Hello\r\n{label}{TOKEN} <br>\r\n".encode(codec, "ignore")
    if transfer == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif transfer == "quoted-printable":
        octets = quopri.encodestring(octets).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    charset = data.draw(st.sampled_from([codec, "x-unknown", "us-ascii"]), "charset")
    kind = data.draw(st.sampled_from(["text/plain", "text/html", "message/rfc822"]), "kind")
    part = f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {transfer}\r\n"
    body = b"--b\r\n" + part.encode() + b"\r\n" + octets + b"\r\n--b--\r\n"
    top = data.draw(st.sampled_from([b"", b"From : x\r\n", b"Received: \xff\r\n"]), "top")
    head = token_mail(subject="hello", body="", content_type="multipart/mixed; boundary=b")
    judged = judge_of("standard", "dkim").judge(mail(top + head + body), ADDRESSES)
    assert in_words(judged) != "ignored"


@settings(max_examples=times(300))
@given(st.data())
def test_results_that_are_believed_say_so(data: st.DataObject) -> None:
    """However the receiving server's word is changed,
    it is believed only if it still says that both passed, and for whom."""
    words = re.findall(r"[\w.-]+|\s+|.", PASS, re.DOTALL)
    for _ in range(data.draw(st.integers(1, 4), "changes")):
        place = data.draw(st.integers(0, len(words) - 1), "place")
        words[place : place + data.draw(st.integers(0, 1), "taken")] = data.draw(
            st.lists(WORDS | VISIBLE.map(lambda word: word[:8]), max_size=2), "put"
        )
    raw = "".join(words).replace("\n", "\r\n").encode() + b"Received: x\r\n" + token_mail()
    for policy in POLICIES:
        if in_words(judge_of("standard", policy).judge(mail(raw), ADDRESSES)) == STORE:
            assert policy == "authentication-results"
            results = "".join(words).lower()
            assert re.search(r"dmarc.{0,40}?=.{0,40}?pass", results, re.DOTALL)
            assert re.search(r"dkim.{0,40}?=.{0,40}?pass", results, re.DOTALL)
            assert re.search(r"header\.from.{0,40}?salesforce\.com", results, re.DOTALL)
            assert re.search(r"header\.d.{0,40}?salesforce\.com", results, re.DOTALL)


@settings(max_examples=times(200))
@given(
    st.text(max_size=300)
    | st.lists(PIECES, max_size=30).map(lambda pieces: b"".join(pieces).decode())
)
def test_html_hides_and_invents_nothing(text: str) -> None:
    """A page is read or refused; every letter that comes out was in it, in this order."""
    try:
        page = markup.read_page(text)
    except markup.AmbiguousMarkup:
        return
    shown = "".join(page.shown.split())
    letters = iter(unescape(text))
    assert all(letter in letters for letter in shown)
    assert shown == "".join(page.written.split())


@settings(max_examples=times(200))
@given(st.lists(LINES, max_size=9))
def test_two_claims_are_never_one(lines: list[str]) -> None:
    """A text makes a claim only if no other username and no other token stands in it."""
    claim = claims.find("\n".join(lines))
    if isinstance(claim, Claim):
        assert sum("@" in line for line in lines) == 1
        assert sum(": FAKE5" in line or ": BBBB" in line for line in lines) == 1


@settings(max_examples=times(200))
@given(st.sampled_from(GENUINE), st.data())
def test_the_gate_and_its_reading_agree(raw: bytes, data: st.DataObject) -> None:
    """What passes the gate can be put together again from its fields, byte for byte.

    Only the escaped separators of mbox files and fields of the obsolete form are none."""
    raw = _changed(raw, data)
    header = wire.read_header(raw)
    assert isinstance(header, Header | Refused)
    if isinstance(header, Header):
        head = b"\r\n".join(field.name.encode() + b":" + field.value for field in header.fields)
        assert head == b"\r\n".join(_without_separators(raw.partition(b"\r\n\r\n")[0]))


Counted = list[tuple[str, bytes]]
"""The fields that count as one program sees them: the name in lower case, and the value."""
COUNTED_NAMES = st.sampled_from(sorted(wire.COUNTED))
ODD_VALUES = st.lists(
    st.sampled_from(
        [
            b"\r\n ",
            b"\r\n\t\r\n x",
            b"\r\n \r\n From: x",
            b"\r\n>From x",
            b"\x85",
            b"\xc2\x85",
            "\u2028".encode(),
            b"\x85From : x",
            "\u2029to:".encode(),
            b"Content-Type: text/html",
            b":",
            b"y" * 889,
            b"y" * 997,
            b"y" * 1023,
            b"y" * 4093,
            "Zoë".encode(),
            b"\xff",
        ]
    )
    | COUNTED_NAMES.map(lambda name: name.encode() + b":")
    | st.binary(max_size=6),
    max_size=6,
).map(b"".join)
ODD_FIELDS = st.tuples(
    st.sampled_from(
        [
            b"X-Ham-Report:",
            b"Message-ID:",
            b"Sender:",
            b"Cc:",
            b">From ",
            b"X-From:",
            b"From\t:",
            b"X-Odd :",
            b"Received :",
        ]
    )
    | COUNTED_NAMES.map(lambda name: name.encode() + b":"),
    ODD_VALUES,
).map(lambda field: field[0] + field[1] + b"\r\n")


@settings(max_examples=times(600))
@given(st.sampled_from(GENUINE), st.lists(ODD_FIELDS, min_size=1, max_size=3), st.data())
def test_all_readers_see_the_same_fields_that_count(
    raw: bytes, odd: list[bytes], data: st.DataObject
) -> None:
    """Whatever fields are put into a genuine mail: if it passes, every reader sees what we see.

    dkimpy, Python's email, mail-parser, and programs that break lines at other places. A program
    that ends the header too early sees no sender, or all that counts."""
    for field in odd:
        places = [0] + [end.end() for end in re.finditer(rb"\r\n", _head(raw) + b"\r\n")]
        place = data.draw(st.sampled_from(places), "place")
        raw = raw[:place] + field + raw[place:]
    header = wire.read_header(raw)
    if isinstance(header, Refused):
        return
    event("passes the gate")
    ours = _counted((field.name, field.value) for field in header.fields)
    assert _by_dkimpy(raw) == ours
    for reader in (_by_email, _by_mail_parser, _by_early_end, _by_early_separator):
        theirs = reader(raw)
        assert theirs == ours or not wire.DECIDING.intersection(name for name, _ in theirs)
    names = [name for name, _ in ours]
    for size in (998, 1000, 1024, 2048, 4096):
        assert [name for name, _ in _by_lines(_cut(_head(raw), size))] == names
    for end in (b"\x85", "\u2028".encode(), "\u2029".encode()):
        broken = _head(raw).replace(end, b"\r\n")
        assert [name for name, _ in _by_lines(broken)] == names


def _head(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0]


def _without_separators(head: bytes) -> list[bytes]:
    """The lines of fields, without mbox separators and obsolete fields with all their lines."""
    fields = re.split(rb"\r\n(?![ \t])", head)
    return [field for field in fields if not re.match(rb">From |[!-9;-~]+[ \t]+:", field)]


def _counted(fields: Iterable[tuple[str, bytes]]) -> Counted:
    """Names in lower case, values without the white space around them."""
    return [
        (name.lower(), value.strip(b" \t\r\n"))
        for name, value in fields
        if name.lower() in wire.COUNTED
    ]


def _by_dkimpy(raw: bytes) -> Counted:
    """It raises at what is no field, so it is not shown that."""
    head = b"\r\n".join(_without_separators(_head(raw)))
    fields, _ = dkim.rfc822_parse(head + b"\r\n\r\n")
    return _counted((name.decode(), bytes(value)) for name, value in fields)


def _by_email(raw: bytes) -> Counted:
    return _of_message(message_from_bytes(raw))


def _by_mail_parser(raw: bytes) -> Counted:
    return _of_message(mailparser.parse_from_bytes(raw).message)


def _of_message(message: Message) -> Counted:
    fields = [
        (name, str(value).encode("utf-8", "surrogateescape")) for name, value in message.raw_items()
    ]
    return _counted(fields)


def _by_early_end(raw: bytes) -> Counted:
    """A program that ends the header at a line of white space."""
    return _by_lines(re.split(rb"\r\n[ \t]+(?:\r\n|\Z)", _head(raw))[0])


def _by_early_separator(raw: bytes) -> Counted:
    """A program that ends the header at a line that is no field."""
    return _by_lines(re.split(rb"(?:\A|\r\n)(?:>From |[!-9;-~]+[ \t]+:)", _head(raw))[0])


def _by_lines(head: bytes) -> Counted:
    """The most careless program: a field is wherever a line begins with a name and a colon.

    White space may stand between the two. Lines of any other form are stepped over."""
    fields: list[tuple[str, bytes]] = []
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + b"\r\n" + line)
        elif colon:
            fields.append((name.strip().decode("latin-1"), value))
    return _counted(fields)


def _cut(head: bytes, size: int) -> bytes:
    """The header in lines of at most so many bytes."""
    lines = []
    for line in head.split(b"\r\n"):
        lines += [line[place : place + size] for place in range(0, max(1, len(line)), size)]
    return b"\r\n".join(lines)
