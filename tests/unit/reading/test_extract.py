"""Mail in, Candidate or Ignored out."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from email.errors import MessageDefect
from email.message import Message
from typing import Any

import mailparser  # type: ignore[import-untyped]  # it ships no types
import pytest

from tests.kit.mails import ISSUED, TOKEN, USERNAME, mail, token_body, token_mail
from token_catcher.model import (
    MAX_MAIL_BYTES,
    Candidate,
    Claim,
    Ignored,
    Reason,
    Refused,
    Token,
    Unclear,
)
from token_catcher.reading.extract import extract

SUBJECT = "Your new Salesforce security token"
SUBJECTS = (SUBJECT, "新しい Salesforce セキュリティトークン")
CLAIM = Claim(USERNAME, Token(TOKEN))


def look(raw: bytes) -> Candidate | Ignored | Refused:
    return extract(mail(raw), SUBJECTS)


def claim(raw: bytes) -> Claim | Unclear:
    extracted = look(raw)
    assert isinstance(extracted, Candidate), extracted
    return extracted.claim


def encoded(text: str) -> str:
    return base64.encodebytes(text.replace("\n", "\r\n").encode()).decode()


def test_a_candidate() -> None:
    """A token mail becomes a candidate with its claim, its Date and its subject."""
    extracted = look(token_mail())
    assert isinstance(extracted, Candidate)
    assert extracted == Candidate(
        mail(token_mail()), extracted.header, SUBJECT, False, ISSUED, CLAIM
    )
    assert extracted.header.text("From") == '"support@salesforce.com" <support@salesforce.com>'


@pytest.mark.parametrize(
    ("subject", "read", "sandbox"),
    [
        (f"Sandbox: {SUBJECT}", SUBJECT, True),
        (f"Sandbox:  {SUBJECT}", SUBJECT, True),
        (f"Sandbox: Sandbox: {SUBJECT}", f"Sandbox: {SUBJECT}", True),
        (f"sandbox: {SUBJECT}", f"sandbox: {SUBJECT}", False),
        ("Your new\r\n\tSalesforce  security\r\n token", SUBJECT, False),
        ("=?utf-8?q?Sandbox=3A_Your_new_Salesforce?= security token", SUBJECT, True),
        (
            "=?UTF-8?B?5paw44GX44GEIFNhbGVzZm9yY2Ug44K744Kt44Ol44Oq44OG44Kj44OI44O844Kv44Oz?=",
            SUBJECTS[1],
            False,
        ),
        ("=?utf-7?q?Your?=", "=?utf-7?q?Your?=", False),
        ("hello", "hello", False),
    ],
)
def test_subjects(subject: str, read: str, sandbox: bool) -> None:
    """The subject is unfolded and decoded, and loses one `Sandbox: `."""
    extracted = look(token_mail(subject=subject))
    assert isinstance(extracted, Candidate)
    assert (extracted.subject, extracted.sandbox, extracted.claim) == (read, sandbox, CLAIM)


@pytest.mark.parametrize(
    ("written", "read", "sandbox"),
    [
        (f"[EXTERNAL] {SUBJECT}", SUBJECT, False),
        (f"[EXTERNAL]{SUBJECT}", SUBJECT, False),
        (f"[EXTERNAL] Sandbox: {SUBJECT}", SUBJECT, True),
        (f"EXT: [EXTERNAL] EXT: Sandbox: {SUBJECT}", SUBJECT, True),
        (f"=?utf-8?q?=5BEXTERNAL=5D_Sandbox=3A?= {SUBJECT}", SUBJECT, True),
        (f"Sandbox: [EXTERNAL] {SUBJECT}", f"[EXTERNAL] {SUBJECT}", True),
        (f"[external] {SUBJECT}", f"[external] {SUBJECT}", False),
        (f"Extra {SUBJECT}", f"Extra {SUBJECT}", False),
    ],
)
def test_tags_come_off_before_the_prefix_is_looked_for(
    written: str, read: str, sandbox: bool
) -> None:
    """Tags of our mail system, as configured, are taken off, in any order and number."""
    raw = token_mail(subject=written)
    extracted = extract(mail(raw), SUBJECTS, ("[EXTERNAL]", "EXT:", "Ext"))
    assert isinstance(extracted, Candidate)
    assert (extracted.subject, extracted.sandbox) == (read, sandbox)
    assert extracted.tagged is ("Sandbox: [" not in written and read == SUBJECT)


def test_a_date_of_another_form() -> None:
    """A mail that claims is a candidate all the same, without a moment.

    Any other such mail is ignored."""
    undated = token_mail().replace(b"+0000 (GMT)", b"")
    extracted = look(undated)
    assert isinstance(extracted, Candidate)
    assert (extracted.issued_at, extracted.claim) == (None, CLAIM)
    assert (
        look(undated.replace(SUBJECT.encode(), b"hello").replace(TOKEN.encode(), b"")) == Ignored()
    )


@pytest.mark.parametrize(
    "body",
    [
        "hello\n",
        token_body().replace(f"Security token (case-sensitive): {TOKEN}", ""),
        "Username: a@b.example\n\nVerification Code: 123456\n",
    ],
)
def test_ordinary_mail_is_ignored(body: str) -> None:
    """A mail that claims no token leaves no trace."""
    assert look(token_mail(subject="Verify your identity in Salesforce", body=body)) == Ignored()


@pytest.mark.parametrize(
    "subject", [SUBJECT, f"FW: {SUBJECT}", SUBJECT.upper(), f"Sandbox: {SUBJECT}", SUBJECTS[1]]
)
def test_the_subject_alone_speaks_of_a_token(subject: str) -> None:
    """Under the subject of a token mail, a text without a claim is a layout not known yet.

    So it is where the subject is only a part, as in a forward."""
    head = (
        subject
        if subject.isascii()
        else f"=?utf-8?b?{base64.b64encode(subject.encode()).decode()}?="
    )
    saw = "the subject of a token mail, no username and token"
    assert claim(token_mail(subject=head, body="hello\n")) == Unclear(Reason.UNKNOWN_LAYOUT, saw)


def test_parts_must_agree() -> None:
    """Every part is read: one that says otherwise makes the claim unclear."""
    parts = f"--b\n\n{token_body()}\n--b\n\n{token_body('x@y.example')}\n--b--\n"
    saw = "2 texts that do not agree on one username and token"
    unclear = claim(token_mail(content_type="multipart/mixed; boundary=b", body=parts))
    assert unclear == Unclear(Reason.AMBIGUOUS_CLAIM, saw)


def test_the_text_around_the_parts_must_not_contradict() -> None:
    """What stands before the parts is read as well."""
    parts = f"{token_body('x@y.example')}\n--b\n\n{token_body()}\n--b--\n"
    unclear = claim(token_mail(content_type="multipart/mixed; boundary=b", body=parts))
    assert unclear == Unclear(Reason.AMBIGUOUS_CLAIM, "another claim outside of the texts")


def test_an_unexpected_part_of_a_mail_that_claims() -> None:
    """What a token mail never had leaves it to a person."""
    body = f"--b\n\n{token_body()}\n--b\nContent-Type: image/png\n\nx\n--b--\n"
    raw = token_mail(content_type="multipart/mixed; boundary=b", body=body)
    assert claim(raw) == Unclear(Reason.UNEXPECTED_PART, "a part of type image/png")


def test_an_unexpected_part_of_ordinary_mail() -> None:
    """Most mail has attachments, and is ignored."""
    text = "Your security token is tied to your password."
    body = f"--b\n\n{text}\n--b\nContent-Type: image/png\n\nx\n--b--\n"
    raw = token_mail(subject="hello", content_type="multipart/mixed; boundary=b", body=body)
    assert look(raw) == Ignored()


@pytest.mark.parametrize(
    "kind", ["message/rfc822", "text/calendar", "multipart/digest; boundary=b"]
)
@pytest.mark.parametrize(
    "body",
    [
        token_body(),
        encoded(token_body()),
        token_body().replace("\n", "<br>\n"),
        token_body().replace(" FAKE", "=\n FAKE"),
    ],
)
def test_a_claim_that_is_not_read(kind: str, body: str) -> None:
    """A careless look finds a claim that will not be believed: plain, in base64, between tags."""
    unclear = claim(token_mail(subject="hello", content_type=kind, body=body))
    assert unclear == Unclear(Reason.UNEXPECTED_PART, f"a part of type {kind.partition(';')[0]}")


OURS = ("salesforce.com",)
LABELS = ("Benutzername", "Sicherheitstoken")
PAIR = f"{LABELS[0]}: {USERNAME}\n{LABELS[1]}: {TOKEN}\n"
UNSEEN = (
    ("no-break space in quoted-printable", PAIR.replace(": ", ":=C2=A0"), "quoted-printable"),
    ("full-width colon in quoted-printable", PAIR.replace(":", "=EF=BC=9A"), "quoted-printable"),
    ("labels in tags", PAIR.replace(": ", ":</b> ").replace("\n", "<br>"), "8bit"),
    ("no username", f"Ihr Token ist {TOKEN}, viele Gruesse\n", "8bit"),
    ("in base64", encoded(f"Das neue Token ist jetzt dieses: {TOKEN}\n" * 2), "base64"),
)
CLOTHES = (
    ("an attachment", "--b\n{0}\n\n{1}\n--b\nContent-Type: application/pdf\n\nx\n--b--\n"),
    ("a calendar", "--b\n{0}\n\n{1}\n--b\nContent-Type: text/calendar\n\nx\n--b--\n"),
    ("no end", "--b\n{0}\n\n{1}\n"),
)


@pytest.mark.parametrize(
    ("text", "encoding"), [row[1:] for row in UNSEEN], ids=[r[0] for r in UNSEEN]
)
@pytest.mark.parametrize("clothes", [row[1] for row in CLOTHES], ids=[row[0] for row in CLOTHES])
@pytest.mark.parametrize("charset", ["utf-8", "x-unknown"])
def test_mail_of_a_sender_with_a_token_is_never_ignored(
    text: str, encoding: str, clothes: str, charset: str
) -> None:
    """However little of it can be read, it becomes a candidate; a broken one is refused."""
    head = f"Content-Type: text/html; charset={charset}\nContent-Transfer-Encoding: {encoding}"
    body = clothes.format(head, text)
    raw = token_mail(subject="hello", content_type="multipart/mixed; boundary=b", body=body)
    extracted = extract(mail(raw), SUBJECTS, domains=OURS)
    assert isinstance(extracted, Candidate)
    assert isinstance(extracted.claim, Unclear)
    broken = extract(mail(raw.replace(b"\r\n", b"\n")), SUBJECTS, domains=OURS)
    assert broken == Refused(Reason.MALFORMED, "LF without CR")


@pytest.mark.parametrize("charset", ["x-unknown", "utf-7", "utf-16"])
@pytest.mark.parametrize("text", ["ユーザ名：a@b.example\nトークン：" + TOKEN, TOKEN])
def test_a_token_in_a_charset_that_is_not_read(charset: str, text: str) -> None:
    """What a charset hides from the strict reader is told by its form."""
    octets = text.encode("cp932")
    if charset == "utf-16":
        octets = text.encode("utf-16")
    head = token_mail(
        subject="hello",
        body="",
        content_type=f"text/plain; charset={charset}",
        extra="Content-Transfer-Encoding: base64\n",
    )
    raw = head + base64.encodebytes(octets).replace(b"\n", b"\r\n")
    extracted = extract(mail(raw), SUBJECTS, domains=OURS)
    assert isinstance(extracted, Candidate)
    assert extracted.claim == Unclear(Reason.UNEXPECTED_PART, "an unknown charset")


def test_a_token_in_a_text_that_can_be_read() -> None:
    """A layout that nobody knows is left to a person, and only in the mail of a sender."""
    raw = token_mail(subject="hello", body=f"Ihr neuer Code: siehe unten\n\n   {TOKEN}\n")
    saw = "something like a token, no username before it"
    extracted = extract(mail(raw), SUBJECTS, domains=OURS)
    assert isinstance(extracted, Candidate)
    assert extracted.claim == Unclear(Reason.UNKNOWN_LAYOUT, saw)
    assert (
        extract(mail(raw.replace(b"@salesforce.com", b"@x.example")), SUBJECTS, domains=OURS)
        == Ignored()
    )


def test_a_token_that_only_the_strict_reader_sees() -> None:
    """A soft hyphen of Latin-1 is none of UTF-8; what was read strictly is looked at as well."""
    raw = token_mail(
        subject="hello",
        content_type="text/plain; charset=iso-8859-1",
        body=f"Ihr neuer Code: {TOKEN[:9]}-{TOKEN[9:]}\n",
    ).replace(TOKEN[:9].encode() + b"-", TOKEN[:9].encode() + b"\xad")
    extracted = extract(mail(raw), SUBJECTS, domains=OURS)
    assert isinstance(extracted, Candidate)
    assert isinstance(extracted.claim, Unclear)


@pytest.mark.parametrize(
    "sender",
    [
        "<support@SALESFORCE.com>",
        "a <x@evil.example>, b <support@emea.salesforce.com>",
        "a\n\t<b@salesforce.com>",
    ],
)
def test_whose_mail_it_is_is_looked_at_carelessly(sender: str) -> None:
    """A From that names a domain of ours anywhere is enough to leave a record."""
    raw = token_mail(subject="hello", sender=sender, body=f"Code {TOKEN}\n")
    assert not isinstance(extract(mail(raw), SUBJECTS, domains=OURS), Ignored)


@pytest.mark.parametrize(
    ("whole", "broken", "reason"),
    [
        (b"Date: ", b"X: a\rb\r\nDate: ", Reason.MALFORMED),
        (b"\r\n", b"\n", Reason.MALFORMED),
        (b"Date: ", "X-SFDC-LK: Zoë\r\nDate: ".encode(), Reason.MALFORMED),
        (b"Date: ", b"Subject: x\r\nDate: ", Reason.DUPLICATE_HEADER),
        (b"\r\nTo: ", b"\r\nX-To: ", Reason.MISSING_HEADER),
        (b"X-Priority: 3", b"X: " + b"x" * MAX_MAIL_BYTES, Reason.OVERSIZED),
    ],
)
def test_a_broken_mail_leaves_a_record_only_if_it_claims(
    whole: bytes, broken: bytes, reason: Reason
) -> None:
    """The gate's refusal stands where the mail claims a token, by text or by subject.

    Other broken mail is ignored."""

    def end(**fields: Any) -> Reason | Ignored:
        extracted = look(token_mail(**fields).replace(whole, broken))
        assert not isinstance(extracted, Candidate)
        if isinstance(extracted, Refused):
            return extracted.reason
        return extracted

    assert end() == reason
    assert end(subject="hello") == reason
    assert end(subject="hello", body=encoded(token_body())) == reason
    assert end(body="hello\n") == reason
    assert end(subject="=?utf-8?q?Your_new_Salesforce_security_token?=", body="hello\n") == reason
    assert end(subject="hello", body="cheap\n") == Ignored()
    assert end(subject="hello", body=encoded("cheap\n" * 40)) == Ignored()


@pytest.mark.parametrize(
    ("body", "expected"),
    [(token_body(), Refused(Reason.UNREADABLE, "ValueError")), ("hello\n", Ignored())],
)
def test_whatever_is_raised_ends_this_mail(body: str, expected: Refused | Ignored) -> None:
    """An exception of a parser is the end of one mail.

    Python refuses to read a number of 6,000 digits, even in HTML."""
    page = encoded(f"<p>{body.replace(chr(10), '<br>')}</p>&#{'9' * 6000};")
    raw = token_mail(
        subject="hello",
        content_type="text/html",
        body=page,
        extra="Content-Transfer-Encoding: base64\n",
    )
    assert look(raw) == expected


def other_text(message: Message) -> None:
    message.set_payload("other")


def defective(message: Message) -> None:
    message.defects.append(MessageDefect())


@pytest.mark.parametrize("trouble", [other_text, defective])
def test_another_reader_must_see_the_same(
    trouble: Callable[[Message], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where mail-parser sees another text, or is not content, the mail has an unexpected part."""
    parse = mailparser.parse_from_bytes

    def other(raw: bytes) -> Any:
        parsed = parse(raw)
        trouble(parsed.message)
        return parsed

    monkeypatch.setattr(mailparser, "parse_from_bytes", other)
    assert claim(token_mail()) == Unclear(
        Reason.UNEXPECTED_PART, "parts that two readers see differently"
    )


def test_the_parser_sees_the_content_fields_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """mail-parser is shown the fields that decide about the structure, and no others."""
    shown: list[bytes] = []
    parse = mailparser.parse_from_bytes

    def noting(raw: bytes) -> Any:
        shown.append(raw)
        return parse(raw)

    monkeypatch.setattr(mailparser, "parse_from_bytes", noting)
    look(token_mail(extra="Content-Transfer-Encoding: 7bit\nX-Evil: x\n"))
    head = (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n\r\n"
    )
    assert shown == [head + token_body().replace("\n", "\r\n").encode()]


@pytest.mark.parametrize("field", ["MIME-Version: 1.0", "Content-Transfer-Encoding: 8bit"])
def test_a_field_that_is_repeated(field: str) -> None:
    """A gateway that writes the same field once more changes nothing of the claim."""
    raw = token_mail(extra="Content-Transfer-Encoding: 8bit\n")
    assert claim(f"{field}\r\n".encode() + raw) == CLAIM


def test_the_parser_keeps_silent(caplog: pytest.LogCaptureFixture) -> None:
    """mail-parser, which would log the text that it cannot decode, logs nothing here."""
    caplog.set_level(logging.DEBUG)
    look(token_mail())
    assert caplog.records == []
