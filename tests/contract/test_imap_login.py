"""Logging in to servers that refuse, throttle, hang up, or are none."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.contract.scripted import (
    BAD,
    DONE,
    NO,
    Script,
    examine,
    examined,
    failure,
    fetch,
    kind_and_code,
    nothing,
    opened,
    search,
)
from tests.kit.odd_imap import REFUSALS
from tests.kit.scripted import Reply, Talk
from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError
from token_catcher.imap import ImapMailbox
from token_catcher.imap.trouble import LONG_PAUSE
from token_catcher.model import Secret


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (NO, AccessError, "imap-login"),
        (BAD, AccessError, "imap-login"),
        (b"TAG NO [AUTHENTICATIONFAILED] x\r\n", AccessError, "imap-login"),
        (b"TAG NO [UNAVAILABLE] x\r\n", Outage, "imap-unavailable"),
        (b"TAG NO [LIMIT] x\r\n", Outage, "imap-unavailable"),
        (
            b"TAG NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
            Outage,
            "imap-unavailable",
        ),
        (b"* BYE x\r\n", Outage, "imap-connection"),
        (Talk.close, Outage, "imap-connection"),
        (b"\x00\xff" * 100 + b"\r\n", Outage, "imap-connection"),
    ],
)
def test_a_refused_login_is_told_from_one_that_is_not_possible_now(
    answer: Reply, kind: type[TokenCatcherError], code: str
) -> None:
    """Only a refusal makes the daemon fear for the account."""
    assert kind_and_code(failure({"LOGIN": answer})) == (kind, code)


@pytest.mark.parametrize("words", REFUSALS.values(), ids=REFUSALS)
def test_a_login_that_is_refused_for_a_while_is_no_wrong_password(words: str) -> None:
    """As servers say it; with a pause of their own, or a long one where they count."""
    error = failure({"LOGIN": f"TAG NO {words}\r\n".encode()})
    assert kind_and_code(error) == (Outage, "imap-unavailable")


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("[ALERT] Too many simultaneous connections. (Failure)", None),
        ("LOGIN temporary unavailable", None),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits.", LONG_PAUSE),
        ("Login fail. login frequency limited", LONG_PAUSE),
        ("[LIMIT] Rate limit hit, try again in 90 seconds", 90.0),
        ("Too many logins, try again after 15 minutes", 900.0),
    ],
)
def test_the_pause_that_a_server_asks_for_is_kept(words: str, seconds: float | None) -> None:
    """None: the usual back-off."""
    error = failure({"LOGIN": f"TAG NO {words}\r\n".encode()})
    assert isinstance(error, Outage)
    assert error.retry_after == seconds


@pytest.mark.parametrize("code", ["AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"])
def test_a_wrong_password_stays_one_whatever_else_is_said(code: str) -> None:
    """Knocking on would lock the account."""
    answer = f"TAG NO [{code}] Invalid; too many failures, try again later\r\n".encode()
    assert kind_and_code(failure({"LOGIN": answer})) == (AccessError, "imap-login")


def test_where_passwords_need_tls_none_is_sent() -> None:
    """LOGINDISABLED without AUTH=PLAIN: it is told what to configure."""
    script: Script = {"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n" + DONE}
    with pytest.raises(AccessError, match="only under TLS") as caught, opened(script):
        pytest.fail("logged in")
    assert caught.value.code == "imap-tls"


def test_logindisabled_after_the_login_means_nothing() -> None:
    """Cyrus 3.10 announces it then."""
    login = b"TAG OK [CAPABILITY IMAP4rev1 LOGINDISABLED] logged in\r\n"
    with opened({"LOGIN": login}) as (mailbox, _):
        assert mailbox.folders() == ["INBOX", "Junk"]


@pytest.mark.parametrize(
    ("command", "use"),
    [("LOGIN", nothing), ("EXAMINE", examine), ("UID SEARCH", search), ("UID FETCH", fetch)],
)
def test_throttling_is_no_refusal(command: str, use: Callable[[ImapMailbox], None]) -> None:
    """Microsoft 365 says how long to wait, in the text."""
    answer = b"TAG NO Request is throttled. Suggested Backoff Time: 299910 milliseconds\r\n"
    error = failure({"EXAMINE": examined(13), command: answer}, use)
    assert kind_and_code(error) == (TransientError, "imap-throttled")
    assert isinstance(error, TransientError)
    assert error.retry_after == 299.91


@pytest.mark.parametrize(
    "greeting",
    [b"* BYE too many\r\n", b"* NO x\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\xff\xfe\r\n"],
)
def test_a_greeting_that_is_none_is_an_outage(greeting: bytes) -> None:
    """Another service, or one that is full."""
    assert isinstance(failure({}, greeting=greeting), Outage)


def test_a_server_that_is_logged_in_already_is_refused() -> None:
    """PREAUTH: somebody else's session."""
    assert kind_and_code(failure({}, greeting=b"* PREAUTH welcome\r\n")) == (
        AccessError,
        "imap-login",
    )


def test_a_bug_of_our_own_is_not_taken_for_an_answer() -> None:
    """Only the library's call is caught around: what else fails shows its file and line."""

    def broken() -> Secret:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"), opened({}, password=broken):
        pytest.fail("logged in")


def test_without_starttls_no_password_is_sent() -> None:
    """Somebody in between may have taken the capability out."""
    assert kind_and_code(failure({"LOGIN": Talk.close}, tls="starttls")) == (
        AccessError,
        "imap-tls",
    )


def starting_tls(certificate: trustme.LeafCert) -> Script:
    """A server that shows this certificate after STARTTLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    def starttls(talk: Talk) -> None:
        talk.send(DONE)
        talk.secure(context)

    return {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + DONE,
        "STARTTLS": starttls,
    }


DAY = timedelta(days=1)
OF_THE_CHAIN = "its certificate, or one of its issuers,"
TIMES = {
    "expired": (-2, -1, f"{OF_THE_CHAIN} has expired, or our clock is ahead"),
    "not-yet-valid": (1, 2, f"{OF_THE_CHAIN} is not valid yet, or our clock is behind"),
}


@pytest.mark.parametrize("cause", TIMES)
def test_a_certificate_out_of_its_time_is_told(tmp_path: Path, cause: str) -> None:
    """With the clock as the other thing to look at; in the words that Vault's has."""
    first, last, text = TIMES[cause]
    now = datetime.now(UTC)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert(
        "127.0.0.1", "localhost", not_before=now + first * DAY, not_after=now + last * DAY
    )
    error = failure(starting_tls(certificate), tls="starttls", ca_file=str(tmp_path / "ca.pem"))
    assert kind_and_code(error) == (AccessError, f"imap-certificate-{cause}")
    assert str(error).endswith(f": {text}")


INJECTED = b'* LIST (\\Junk) "/" Injected\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n'


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"TAG OK go\r\n" + INJECTED, id="behind the OK"),
        pytest.param(INJECTED + b"TAG OK go\r\n", id="before the OK"),
    ],
)
def test_lines_slipped_in_before_tls_are_not_read(tmp_path: Path, answer: bytes) -> None:
    """An answer injected in plain text around STARTTLS is dropped: folders and capabilities."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def starttls(talk: Talk) -> None:
        talk.send(answer)
        talk.secure(context)

    script: Script = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + DONE,
        "STARTTLS": starttls,
    }
    with opened(script, tls="starttls", ca_file=str(tmp_path / "ca.pem")) as (
        mailbox,
        server,
    ):
        assert mailbox.folders() == ["INBOX", "Junk"]
    words = [line.split()[0] for line in server.commands]
    assert words.index("STARTTLS") < words.index("LOGIN")


def test_where_login_is_disabled_plain_is_spoken() -> None:
    """AUTHENTICATE PLAIN instead."""

    def authenticate(talk: Talk) -> None:
        talk.send(b"+ \r\n")
        talk.line()
        talk.send(DONE)

    script: Script = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN\r\nTAG OK done\r\n",
        "AUTHENTICATE": authenticate,
        "LOGIN": BAD,
    }
    with opened(script) as (mailbox, _):
        assert mailbox.folders() == ["INBOX", "Junk"]


@pytest.mark.parametrize("answer", [DONE, b"* ID NIL\r\nTAG OK done\r\n", NO, BAD])
def test_id_is_told_and_its_answer_does_not_matter(answer: bytes) -> None:
    """Some servers want it before anything else; others refuse it."""
    script: Script = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 ID\r\nTAG OK done\r\n",
        "LOGIN": DONE,
        "ID": answer,
    }
    with opened(script) as (mailbox, server):
        assert mailbox.folders() == ["INBOX", "Junk"]
    assert [line[:22] for line in server.commands if line.startswith("ID ")] == [
        'ID ("name" "token-catc'
    ]
