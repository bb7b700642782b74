"""What one mail may cost: no more than a few genuine ones, whatever its size."""

from __future__ import annotations

import base64

import pytest

from tests.kit import mails
from tests.kit.cost import calls
from tests.kit.mails import token
from tests.kit.rig import BEGIN, judge_under
from token_catcher.judge import Judge
from token_catcher.model import MAX_MAIL_BYTES, Mail

DEARER = 5
"""Times the calls that a genuine mail takes, of Python's functions and of C's."""
TEXT = "text/plain; charset=utf-8"
PAGE = "text/html; charset=utf-8"


def heavy(kind: str, encoding: str, body: bytes) -> bytes:
    """An unsigned mail as large as it may be, with the subject and sender of a genuine one."""
    head = (
        f"From: support@salesforce.com\r\nTo: {mails.ADDRESS}\r\n"
        "Subject: Your new Salesforce security token\r\nDate: Tue, 03 Feb 2026 13:00:00 +0000\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return (head.encode() + body)[:MAX_MAIL_BYTES]


def packed(body: bytes) -> bytes:
    """In base64, in lines, of at most 240 kB."""
    return base64.encodebytes(body).replace(b"\n", b"\r\n")[:240_000]


PAIR = b"Username: a@b.example\r\nSecurity token: abcDEF123abcDEF123abcDEF1\r\n"
HEAVY = {
    "short lines in base64": heavy(TEXT, "base64", packed(b"a:b\r\n" * 45_000)),
    "colons in base64": heavy(TEXT, "base64", packed(b":\r\n" * 58_000)),
    "paragraphs in base64": heavy(PAGE, "base64", packed(b"<p>a:b\r\n" * 20_000)),
    "tags in base64": heavy(PAGE, "base64", packed(b"<b>" * 58_000)),
    "breaks": heavy(PAGE, "7bit", (b"<br>" * 200 + b"\r\n") * 290),
    "entities": heavy(PAGE, "7bit", (b"&amp;" * 150 + b"\r\n") * 290),
    "lines": heavy(TEXT, "7bit", b"a: b\r\n" * 40_000),
    "addresses": heavy(TEXT, "7bit", b"User: a@b.example\r\n" * 4900),
    "pairs": heavy(TEXT, "7bit", PAIR * 2400),
    "fields": b"X: y\r\n" * 30_000 + heavy(TEXT, "7bit", b"x\r\n"),
    "one line": heavy(TEXT, "7bit", b"a" * 240_000),
    "bytes": heavy(TEXT, "8bit", bytes(range(256)) * 900),
    "escapes": heavy(TEXT, "quoted-printable", (b"=41" * 24 + b"=\r\n") * 3200),
    "runs": heavy(TEXT, "7bit", b"QUJDREVGR0hJSktMTU5P\r\nx\r\n" * 4900),
    "runs of base64": heavy(TEXT, "base64", b"QUJDREVGR0hJSktMTU5P\r\n\r\n" * 4900),
    "tokens": heavy(TEXT, "7bit", b"aB1cD2eF3gH4iJ5kL6mN7oP8 " * 9000),
}


@pytest.fixture(scope="module")
def judge() -> Judge:
    """The usual one."""
    return judge_under()


@pytest.fixture(scope="module")
def genuine(judge: Judge) -> int:
    """The calls that a genuine mail takes, once everything is warm."""
    mail = mails.mail(mails.genuine(mails.USERNAME, token(1), issued_at=BEGIN))
    work(judge, mail)
    return work(judge, mail)


def work(judge: Judge, mail: Mail) -> int:
    """The calls that it takes to judge this mail."""
    return calls(lambda: judge.judge(mail, [mails.ADDRESS]))


@pytest.mark.parametrize("name", HEAVY)
def test_no_mail_costs_much_more_than_a_genuine_one(judge: Judge, genuine: int, name: str) -> None:
    """Bounds apply to what a mail is once it is decoded."""
    assert work(judge, mails.mail(HEAVY[name])) <= DEARER * genuine
