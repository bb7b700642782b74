"""Logging in to servers that refuse, throttle, hang up, or are none."""

from __future__ import annotations

import ssl
from collections.abc import Callable
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
from tests.kit.scripted import Reply, Talk
from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError
from token_catcher.imap import ImapMailbox
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


def test_lines_slipped_in_before_tls_are_not_read(tmp_path: Path) -> None:
    """An answer injected in plain text behind STARTTLS is thrown away with the handshake."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def starttls(talk: Talk) -> None:
        talk.send(
            b'TAG OK go\r\n* LIST () "/" Injected\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n'
        )
        talk.secure(context)

    script: Script = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + DONE,
        "STARTTLS": starttls,
    }
    with opened(script, tls="starttls", ca_file=str(tmp_path / "ca.pem"), spam=None) as (
        mailbox,
        server,
    ):
        assert mailbox.folders() == ["INBOX"]
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
