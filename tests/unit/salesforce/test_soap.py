"""What a login asks, and what each answer means."""

from __future__ import annotations

import string
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.scripted import HttpReply
from tests.kit.soap import ENVELOPE, PARTNER, SESSION, TEXTS, fault, result
from token_catcher.model import Secret, Token
from token_catcher.salesforce.answer import LoginAnswer, LoginResult
from token_catcher.salesforce.soap import (
    BY_FAULT,
    PATH,
    VERSION,
    answer_in,
    login_request,
)

TOKEN = Token("FAKE5tokenNOTreal2xyzQ99a")
USER = "integration@acme.example"
IN_XML = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿")
"""What XML can carry, but for white space."""


def sent(username: str, password: str) -> list[str | None]:
    """Username and password, as any reader of XML takes them."""
    body = login_request(username, Secret(password), TOKEN)
    assert body.isascii()
    login = ElementTree.fromstring(body).find(f"{{{ENVELOPE}}}Body/{{{PARTNER}}}login")
    assert login is not None
    return [field.text for field in login]


def answered(reply: HttpReply) -> LoginAnswer:
    """What an answer of Salesforce's means."""
    assert isinstance(reply.body, bytes)
    return answer_in(reply.status, reply.body)


def test_the_version_has_login() -> None:
    """It began before 31.0 and ends with 64.0."""
    assert 31.0 <= float(VERSION) <= 64.0
    assert f"/services/Soap/u/{VERSION}" == PATH


@pytest.mark.parametrize(
    "password",
    [
        "Pa55word!",
        "a<&]]>\"'b",
        "{username}{0}%s",
        "Grüße €𝄞",
        " leading and trailing\t\r\n ",
        string.punctuation,
    ],
)
def test_a_password_arrives_as_it_is(password: str) -> None:
    """Whatever stands in it, with the token right behind."""
    assert sent(USER, password) == [USER, password + "FAKE5tokenNOTreal2xyzQ99a"]


@given(st.text(IN_XML, min_size=1))
def test_any_password_arrives_as_it_is(password: str) -> None:
    """Of all that XML can carry."""
    assert sent(USER, password) == [USER, password + "FAKE5tokenNOTreal2xyzQ99a"]


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\ud800", "￾"])
def test_what_xml_cannot_carry_is_not_sent(letter: str) -> None:
    """Another password than the user's would be a refused login."""
    with pytest.raises(ValueError, match="XML cannot carry") as caught:
        login_request(USER, Secret("pass" + letter), TOKEN)
    assert "pass" not in str(caught.value)


def test_a_session_is_an_accepted_login() -> None:
    """Nothing of the session goes further."""
    assert answered(result()) == LoginAnswer(LoginResult.ACCEPTED)
    assert SESSION not in repr(answered(result()))


def test_a_password_that_is_over_is_told() -> None:
    """The session could do nothing else than change it."""
    answer = answered(result(expired=True))
    assert answer == LoginAnswer(LoginResult.PASSWORD_EXPIRED, "a session, and passwordExpired")
    assert answer.result.proves


FAULTS = {
    "INVALID_LOGIN": LoginResult.REFUSED,
    "LOGIN_MUST_USE_SECURITY_TOKEN": LoginResult.REFUSED,
    "PASSWORD_LOCKOUT": LoginResult.LOCKED,
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": LoginResult.PASSWORD_EXPIRED,
    "INSUFFICIENT_ACCESS": LoginResult.NO_PERMISSION,
    "INVALID_OPERATION": LoginResult.SWITCHED_OFF,
    "UNSUPPORTED_CLIENT": LoginResult.SWITCHED_OFF,
    "UNSUPPORTED_API_VERSION": LoginResult.API_VERSION,
    "LOGIN_DURING_RESTRICTED_TIME": LoginResult.OTHER_FAULT,
    "SERVER_UNAVAILABLE": LoginResult.OTHER_FAULT,
}


@pytest.mark.parametrize(("code", "expected"), FAULTS.items(), ids=FAULTS)
def test_each_fault_has_its_class(code: str, expected: LoginResult) -> None:
    """By the code in its detail; where there is none, by that of SOAP, with a prefix or without."""
    assert set(FAULTS) == set(TEXTS)
    assert set(BY_FAULT) <= set(FAULTS)
    told = LoginAnswer(expected, code)
    assert answered(fault(code)) == told
    assert answered(fault(code, prefix="ns1:")) == told
    assert answered(fault(code, detail=False)) == told
    assert answered(fault(code, detail=False, prefix="")) == told


@pytest.mark.parametrize("result", LoginResult)
def test_only_two_results_prove_a_token(result: LoginResult) -> None:
    """An accepted login, and one whose password is over."""
    assert result.proves == (result in (LoginResult.ACCEPTED, LoginResult.PASSWORD_EXPIRED))


@pytest.mark.parametrize("code", ["", "Client", "FAKE5tokenNOTreal2xyzQ99a", "A" * 61])
def test_the_text_of_a_fault_goes_no_further(code: str) -> None:
    """What is no code of Salesforce's may be anything, the password for one."""
    answer = answered(fault(code))
    told = LoginAnswer(LoginResult.OTHER_FAULT, "status 500, a fault without a code")
    assert answer == told


GENUINE = result().body
REFUSAL = fault("INVALID_LOGIN").body
assert isinstance(GENUINE, bytes)
assert isinstance(REFUSAL, bytes)
XML_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
FILE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
FOREIGN = {
    "nothing": (200, b""),
    "a page": (200, b"<html><body>Sign in to the Wi-Fi</body></html>"),
    "JSON": (200, b'{"access_token": "x"}'),
    "a redirect that says yes": (302, GENUINE),
    "a redirect that says no": (307, REFUSAL),
    "a session with another status": (503, GENUINE),
    "an empty session": (200, GENUINE.replace(SESSION.encode(), b"")),
    "another namespace": (200, GENUINE.replace(b"urn:partner.", b"urn:enterprise.")),
    "a result elsewhere": (200, GENUINE.replace(b"loginResponse", b"queryResponse")),
    "cut off": (200, GENUINE[:-20]),
    "more behind it": (200, GENUINE + b"<more/>"),
    "a document type": (200, GENUINE.replace(XML_HEAD, XML_HEAD + b"<!DOCTYPE x>")),
    "entities": (200, GENUINE.replace(XML_HEAD, XML_HEAD + BOMB)),
    "an entity of a file": (200, GENUINE.replace(XML_HEAD, XML_HEAD + FILE)),
    "an entity that nothing declares": (200, GENUINE.replace(SESSION.encode(), b"&x;")),
    "too deep": (200, b"<a>" * 10_000 + b"</a>" * 10_000),
    "no UTF-8": (200, GENUINE.replace("€".encode(), b"\xff")),
}


@pytest.mark.parametrize(("status", "content"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_answer_says_nothing_of_the_token(status: int, content: bytes) -> None:
    """Neither that it works nor that it does not."""
    told = LoginAnswer(LoginResult.FOREIGN, f"status {status}, and no answer to a login")
    assert answer_in(status, content) == told


@given(st.integers(100, 599), st.binary(max_size=2000))
def test_no_bytes_raise_or_accept(status: int, content: bytes) -> None:
    """Whoever answers."""
    assert answer_in(status, content).result is LoginResult.FOREIGN
