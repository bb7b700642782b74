"""Logging in by access token or by client certificate, and what a server's refusal means."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.imap import account, refusal
from tests.contract.leaks import FOREIGN, shown
from tests.contract.scripted import (
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
from tests.kit import jwts
from tests.kit.fakes import Silent
from tests.kit.scripted import ScriptedImap, Talk
from tests.kit.servers import Dovecot
from tests.kit.tokens import TokenEndpoint
from token_catcher.config import load
from token_catcher.errors import (
    AccessError,
    Outage,
    SessionEnded,
    TokenCatcherError,
    TransientError,
)
from token_catcher.imap import ExternalLogin, ImapMailbox, OAuthLogin, tls_context
from token_catcher.logins import context_of, entrance_of
from token_catcher.model import Secret
from token_catcher.tls import ClientCertificate, FileContext

CONFIG = """\
mailboxes:
  - name: robot
    host: localhost
    port: {port}
    username: {user}
    client_certificate: {{file: client.pem, key: client.key}}
    ca_file: {ca}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: https://vault.example.com:8200
  auth: {{method: token, token: {{env: VAULT_TOKEN}}}}
"""
USER = "sf=integration,a@example.com"
TOKENS = ("CANARYaccessTOKENone", "CANARYaccessTOKENtwo")


@dataclass
class Tokens:
    """Gives one token after the other."""

    values: tuple[str, ...] = TOKENS
    error: TokenCatcherError | None = None
    refused: list[str] = field(default_factory=list)

    def for_login(self) -> Secret:
        """The first one."""
        if self.error is not None:
            raise self.error
        return Secret(self.values[0])

    def in_place_of(self, token: Secret) -> Secret | None:
        """The one after it."""
        self.refused.append(token.reveal())
        left = self.values[len(self.refused) :]
        return Secret(left[0]) if left else None


def authenticating(*verdicts: bytes, challenge: bytes = b"") -> Callable[[Talk], None]:
    """A server that takes the first word, gives its reason where it has one, and its verdicts."""
    left = list(verdicts)

    def talk(session: Talk) -> None:
        session.send(b"+ \r\n")
        session.line()
        if challenge:
            session.send(b"+ " + base64.b64encode(challenge) + b"\r\n")
            assert session.line() in ("", base64.b64encode(b"\1").decode())
        session.send(left.pop(0) if len(left) > 1 else left[0])

    return talk


def offering(*mechanisms: str, **more: Any) -> Script:
    """A server with these ways to log in."""
    names = " ".join(f"AUTH={mechanism}" for mechanism in mechanisms)
    capability = f"* CAPABILITY IMAP4rev1 {names}\r\n".encode() + DONE
    return {"CAPABILITY": capability, "LOGIN": Talk.close, **more}


def login(tokens: Tokens | None = None, mechanism: str = "auto") -> OAuthLogin:
    """By access token."""
    return OAuthLogin(USER, tokens or Tokens(), mechanism)  # type: ignore[arg-type] # one of three


def refused_with(
    text: str, challenge: bytes = b"", tokens: Tokens | None = None
) -> TokenCatcherError:
    """How a login ends that a server refuses in these words; no token is in the error."""
    verdict = f"TAG {text}\r\n".encode()
    script = offering("XOAUTH2", AUTHENTICATE=authenticating(verdict, challenge=challenge))
    with pytest.raises(TokenCatcherError) as caught, opened(script, login=login(tokens)):
        pytest.fail("logged in")
    refusal(caught, *TOKENS)
    return caught.value


# -- what is sent --

XOAUTH2 = f"user={USER}\1auth=Bearer {TOKENS[0]}\1\1"
OAUTHBEARER = (
    "n,a=sf=3Dintegration=2Ca@example.com,\1host=127.0.0.1\1port={port}"
    f"\1auth=Bearer {TOKENS[0]}\1\1"
)


@pytest.mark.parametrize(
    ("offered", "mechanism", "command", "sent"),
    [
        (["XOAUTH2"], "auto", "AUTHENTICATE XOAUTH2", XOAUTH2),
        (["OAUTHBEARER"], "auto", "AUTHENTICATE OAUTHBEARER", OAUTHBEARER),
        (["OAUTHBEARER", "PLAIN", "XOAUTH2"], "auto", "AUTHENTICATE XOAUTH2", XOAUTH2),
        (["OAUTHBEARER", "XOAUTH2"], "oauthbearer", "AUTHENTICATE OAUTHBEARER", OAUTHBEARER),
        ([], "xoauth2", "AUTHENTICATE XOAUTH2", XOAUTH2),
    ],
)
def test_what_the_server_gets(offered: list[str], mechanism: str, command: str, sent: str) -> None:
    """By what it offers, or by the configuration; OAUTHBEARER names the place we connected to."""
    words: list[str] = []

    def talk(session: Talk) -> None:
        session.send(b"+ \r\n")
        words.append(base64.b64decode(session.line()).decode())
        session.send(b"TAG OK [CAPABILITY IMAP4rev1] in\r\n")

    script = offering(*offered, AUTHENTICATE=talk)
    with opened(script, login=login(mechanism=mechanism)) as (_, server):
        assert command in server.commands
        assert words == [sent.format(port=server.port)]


def test_where_no_token_is_taken_none_is_sent() -> None:
    """A server for passwords alone, or the wrong one."""
    script = offering("PLAIN", AUTHENTICATE=Talk.close)
    assert kind_and_code(failure(script, login=login())) == (AccessError, "imap-oauth")


def test_the_token_is_got_before_the_connection() -> None:
    """A token endpoint that is away costs the mail server nothing."""
    away = Outage("away", code="oauth-unreachable")
    with ScriptedImap() as server:
        target = account("127.0.0.1", server.port, login=login(Tokens(error=away)))
        with pytest.raises(Outage, match="away"):
            ImapMailbox(target, tls_context(), Silent())
        assert server.commands == []


# -- a token that is refused --


def test_another_token_is_tried_on_another_connection() -> None:
    """It may be revoked, or the server's clock ahead; some servers hang up after a refusal."""
    tokens = Tokens()
    script = offering("XOAUTH2", AUTHENTICATE=authenticating(NO, DONE))
    with opened(script, login=login(tokens)) as (_, server):
        assert server.commands.count("AUTHENTICATE XOAUTH2") == 2
        assert server.commands.index("LOGOUT") > server.commands.index("AUTHENTICATE XOAUTH2")
    assert tokens.refused == [TOKENS[0]]


@pytest.mark.parametrize("values", [TOKENS, TOKENS[:1]])
def test_after_the_last_token_it_is_told(values: tuple[str, ...]) -> None:
    """None of those that were refused is used again."""
    tokens = Tokens(values)
    error = refused_with("NO AUTHENTICATE failed.", tokens=tokens)
    assert kind_and_code(error) == (AccessError, "imap-token")
    assert tokens.refused == list(values)


def test_who_gave_a_refused_token_is_in_the_code() -> None:
    """The next step depends on it; what the server said of the scope goes first."""
    by_other_tool = OAuthLogin(USER, Tokens(), giver="external")
    for challenge, code in ((b"", "imap-token-external"), (GOOGLE % b"400", "imap-token-scope")):
        verdict = b"TAG NO AUTHENTICATE failed.\r\n"
        script = offering("XOAUTH2", AUTHENTICATE=authenticating(verdict, challenge=challenge))
        with pytest.raises(TokenCatcherError) as caught, opened(script, login=by_other_tool):
            pytest.fail("logged in")
        assert refusal(caught, *TOKENS) == (AccessError, code)


GOOGLE = b'{"status":"%s","schemes":"Bearer","scope":"https://mail.google.com/"}'
INVALID = "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"


@pytest.mark.parametrize(
    ("challenge", "code", "text"),
    [
        (
            GOOGLE % b"400",
            "imap-token-scope",
            "refuses the access token (status 400), expected one for https://mail.google.com/",
        ),
        (GOOGLE % b"401", "imap-token", "refuses the access token (status 401)"),
        (
            b'{"status":"invalid_token","scope":"mail","openid-configuration":"https://x"}',
            "imap-token",
            "refuses the access token (status invalid_token)",
        ),
        (b"no JSON", "imap-token", "the server refuses the access token"),
        (b"[1]", "imap-token", "the server refuses the access token"),
        (b'{"status":{"a":1}}', "imap-token", "the server refuses the access token"),
        (
            b'{"status":"\\u001b[31m' + b"4" * 400 + b'"}',
            "imap-token",
            f"refuses the access token (status 31m{'4' * 117})",
        ),
    ],
)
def test_the_reason_in_a_challenge_is_kept(challenge: bytes, code: str, text: str) -> None:
    """RFC 7628's JSON, cleaned: a token for another scope is told from one that is over."""
    error = refused_with(INVALID, challenge)
    assert kind_and_code(error) == (AccessError, code)
    assert str(error).endswith(text)


WORDS: Mapping[str, tuple[str, type[TokenCatcherError], str]] = {
    "Microsoft": ("NO AUTHENTICATE failed.", AccessError, "imap-token"),
    "Microsoft, BAD": ("BAD AUTHENTICATE failed.", AccessError, "imap-token"),
    "Google without subject": ("NO Lookup failed", AccessError, "imap-mailbox-unknown"),
    "Google, throttled": (
        "NO [THROTTLED] Lookup failed, try again later",
        Outage,
        "imap-unavailable",
    ),
    "Google, IMAP off by the admin": (
        "NO [ALERT] IMAP access is disabled for your domain. (Failure)",
        AccessError,
        "imap-off",
    ),
    "Google, IMAP off by the user": (
        "NO [ALERT] Your account is not enabled for IMAP use. (Failure)",
        AccessError,
        "imap-off",
    ),
    "the mailbox is not open to us": (
        "NO User is authenticated but not connected.",
        AccessError,
        "imap-mailbox-closed",
    ),
    "Microsoft, throttled": (
        "NO Request is throttled. Suggested Backoff Time: 89117 milliseconds",
        TransientError,
        "imap-throttled",
    ),
    "a server that is busy": ("NO [UNAVAILABLE] x", Outage, "imap-unavailable"),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_a_refused_token_login_means(name: str) -> None:
    """In a message of its own, without the server's words."""
    text, kind, code = WORDS[name]
    assert kind_and_code(refused_with(text)) == (kind, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NO Basic authentication is disabled.", "imap-login-basic"),
        ("NO BasicAuthBlocked", "imap-login"),
        (
            "NO [ALERT] Application-specific password required (Failure)",
            "imap-login-app-password",
        ),
        ("NO LOGIN failed.", "imap-login"),
    ],
)
def test_a_password_where_none_is_taken_any_more(text: str, code: str) -> None:
    """Microsoft 365 and Gmail: what to do is another thing than to look at the password."""
    error = failure({"LOGIN": f"TAG {text}\r\n".encode()})
    assert kind_and_code(error) == (AccessError, code)


# -- after the login --

CLOSED = b"TAG BAD User is authenticated but not connected.\r\n* BYE Connection closed. 14\r\n"


@pytest.mark.parametrize(
    ("command", "use"),
    [
        ("CAPABILITY", nothing),
        ("ID", nothing),
        ("LIST", ImapMailbox.folders),
        ("EXAMINE", examine),
        ("UID SEARCH", search),
        ("UID FETCH", fetch),
    ],
)
def test_a_mailbox_that_is_not_open_is_told_whenever_the_server_says_so(
    command: str, use: Callable[[ImapMailbox], object]
) -> None:
    """Microsoft 365, on the first command after OK: the token is good, the mailbox is not ours."""
    before = b"* CAPABILITY IMAP4rev1 ID AUTH=XOAUTH2\r\n" + DONE
    script: dict[str, Any] = {
        "CAPABILITY": before,
        "AUTHENTICATE": authenticating(b"TAG OK AUTHENTICATE completed.\r\n"),
        "ID": DONE,
        "EXAMINE": examined(13),
    }
    script[command] = CLOSED
    if command == "CAPABILITY":
        script[command] = [before, CLOSED]
    error = failure(script, use, login=login())  # type: ignore[arg-type] # what it returns is left
    assert kind_and_code(error) == (AccessError, "imap-mailbox-closed")


@pytest.mark.parametrize(
    "answer",
    [
        b"* BYE Session expired, please login again.\r\n",
        b"* BYE Session invalidated - AccessTokenExpired\r\n",
        b"TAG NO AccessTokenExpired\r\n",
        b"TAG BAD Session invalidated - AccessTokenExpired\r\n",
        b"* BYE Connection is closed. 13\r\n",
    ],
)
@pytest.mark.parametrize(
    ("command", "use"), [("EXAMINE", examine), ("UID SEARCH", search), ("UID FETCH", fetch)]
)
def test_a_session_that_ran_out_is_told_from_a_lost_one(
    answer: bytes, command: str, use: Callable[[ImapMailbox], None]
) -> None:
    """Whatever was asked at that moment."""
    error = failure({"EXAMINE": examined(13), command: answer}, use)
    assert kind_and_code(error) == (SessionEnded, "imap-session-ended")


@pytest.mark.parametrize("answer", [b"* BYE Connection closed. 14\r\n", b"* BYE x\r\n"])
def test_any_other_end_is_a_lost_connection(answer: bytes) -> None:
    """And told."""
    error = failure({"EXAMINE": answer}, examine)
    assert kind_and_code(error) == (Outage, "imap-connection")


def test_no_server_has_us_wait_for_a_year() -> None:
    """The longest pause that was met is five minutes."""
    answer = b"TAG NO Request is throttled. Suggested Backoff Time: 999999999 milliseconds\r\n"
    error = failure({"EXAMINE": answer}, examine)
    assert isinstance(error, TransientError)
    assert error.retry_after == 300.0


# -- Dovecot, the real one --

MECHANISMS = pytest.mark.parametrize("mechanism", ["auto", "xoauth2", "oauthbearer"])


@pytest.fixture(scope="module", params=["local", "introspection"])
def oauth_dovecot(request: pytest.FixtureRequest) -> Iterator[tuple[Dovecot, TokenEndpoint]]:
    """That checks access tokens by the endpoint's key, or asks the endpoint."""
    introspects = request.param == "introspection"
    with (
        TokenEndpoint() as endpoint,
        Dovecot(oauth=endpoint, introspects=introspects) as server,
    ):
        server.user(endpoint.user)
        yield server, endpoint


def tokens_of(*values: str) -> Tokens:
    """These."""
    return Tokens(values)


def logged_in(server: Dovecot, endpoint: TokenEndpoint, mechanism: str, *tokens: str) -> list[str]:
    """The folders of the endpoint's user."""
    way = OAuthLogin(endpoint.user, tokens_of(*tokens), mechanism)  # type: ignore[arg-type]
    target = account("localhost", server.tls_port, tls="implicit", login=way)
    with closing(ImapMailbox(target, tls_context(str(server.ca_file)), Silent())) as mailbox:
        return list(mailbox.folders())


@pytest.mark.servers
@MECHANISMS
def test_a_good_token_opens_the_mailbox(
    oauth_dovecot: tuple[Dovecot, TokenEndpoint], mechanism: str
) -> None:
    """Also where the first one is over."""
    server, endpoint = oauth_dovecot
    good = endpoint.access_token()
    assert logged_in(server, endpoint, mechanism, good) == ["INBOX", "Junk"]
    over = endpoint.access_token(exp=1)
    assert logged_in(server, endpoint, mechanism, over, good) == ["INBOX", "Junk"]


@pytest.mark.servers
@MECHANISMS
@pytest.mark.parametrize("name", ["expired", "of another endpoint", "another user's", "for files"])
def test_a_bad_token_opens_nothing(
    oauth_dovecot: tuple[Dovecot, TokenEndpoint], mechanism: str, name: str
) -> None:
    """Whoever checks it."""
    server, endpoint = oauth_dovecot
    bad = {
        "expired": endpoint.access_token(exp=1),
        "of another endpoint": endpoint.access_token(key=jwts.rsa_key(2)),
        "another user's": endpoint.access_token("other@example.com"),
        "for files": endpoint.access_token(scope="files"),
    }[name]
    with pytest.raises(AccessError) as caught:
        logged_in(server, endpoint, mechanism, bad)
    assert refusal(caught, bad) == (AccessError, "imap-token")


@pytest.mark.servers
@MECHANISMS
def test_a_token_that_is_too_long_for_the_server_is_told(
    oauth_dovecot: tuple[Dovecot, TokenEndpoint], mechanism: str
) -> None:
    """Dovecot ends the connection without a word; a token of 5,000 bytes is none too long."""
    server, endpoint = oauth_dovecot
    good = endpoint.access_token(groups="g" * 3200)
    assert logged_in(server, endpoint, mechanism, good) == ["INBOX", "Junk"]
    long = endpoint.access_token(groups="g" * 6000)
    with pytest.raises(Outage) as caught:
        logged_in(server, endpoint, mechanism, long)
    assert refusal(caught, long) == (Outage, "imap-token-length")
    assert re.search(
        r"no answer to the access token, which made a line of 1[0-9]{4} characters, expected at"
        " most 8000$",
        str(caught.value),
    )


def gone(session: Talk) -> None:
    """A server that leaves when it is shown the token."""
    session.send(b"+ \r\n")
    session.line()
    session.close()


@pytest.mark.parametrize(
    ("length", "code"), [(5952, "imap-connection"), (5953, "imap-token-length")]
)
def test_only_a_long_token_is_told_for_a_lost_connection(length: int, code: str) -> None:
    """Up to 8,000 characters any server should take (RFC 2683, section 3.2.1.5)."""
    tokens = Tokens(("t" * length,))
    script = offering("XOAUTH2", AUTHENTICATE=gone)
    with pytest.raises(Outage) as caught, opened(script, login=login(tokens)):
        pytest.fail("logged in")
    assert refusal(caught, *tokens.values) == (Outage, code)


# -- a client certificate --


@pytest.fixture(scope="module")
def certified() -> Iterator[Dovecot]:
    """A Dovecot that logs in by certificate."""
    with Dovecot(certificates=True) as server:
        yield server


def issue(server: Dovecot, home: Path, name: str, **options: Any) -> ClientCertificate:
    """A certificate for this user."""
    leaf = server.ca.issue_cert(name, common_name=name, **options)
    (home / "client.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    leaf.private_key_pem.write_to_path(str(home / "client.key"))
    return ClientCertificate(str(home / "client.pem"), str(home / "client.key"))


def by_certificate(server: Dovecot, user: str, context: FileContext) -> list[str]:
    """The folders of this user."""
    target = account("localhost", server.tls_port, tls="implicit", login=ExternalLogin(user))
    with closing(ImapMailbox(target, context(), Silent())) as mailbox:
        return list(mailbox.folders())


def contexts(server: Dovecot, certificate: ClientCertificate | None) -> FileContext:
    """As the program makes them."""
    files = certificate.files if certificate else ()
    return FileContext(lambda: tls_context(str(server.ca_file), certificate), files)


@pytest.mark.servers
def test_a_certificate_logs_in(certified: Dovecot, tmp_path: Path) -> None:
    """Without a password; the certificate is read anew once it was replaced."""
    user = certified.user("robot@example.com")
    context = contexts(certified, issue(certified, tmp_path, user))
    assert by_certificate(certified, user, context) == ["INBOX", "Junk"]
    assert context() is context()
    issue(certified, tmp_path, "somebody@example.com")
    with pytest.raises(AccessError) as caught:
        by_certificate(certified, user, context)
    assert refusal(caught) == (AccessError, "imap-external")
    issue(certified, tmp_path, user)
    assert by_certificate(certified, user, context) == ["INBOX", "Junk"]


@pytest.mark.servers
def test_a_certificate_that_has_ended_is_told_with_its_end(
    certified: Dovecot, tmp_path: Path
) -> None:
    """Dovecot refuses it like any other; when it ended we read ourselves, at the login."""
    user = certified.user("robot@example.com")
    ended = datetime.now(UTC) - timedelta(days=2)
    issue(certified, tmp_path, user, not_before=ended - timedelta(days=9), not_after=ended)
    (tmp_path / "client.key").chmod(0o600)
    config = CONFIG.format(user=user, port=certified.tls_port, ca=certified.ca_file)
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    mailbox = load(tmp_path / "config.yaml", {"VAULT_TOKEN": "s.x"}).mailboxes[0]
    login = entrance_of(mailbox, Silent()).login
    target = account("localhost", certified.tls_port, tls="implicit", login=login)
    with pytest.raises(AccessError) as caught:
        ImapMailbox(target, context_of(mailbox)(), Silent())
    assert refusal(caught) == (AccessError, "imap-external")
    assert str(caught.value).endswith(
        f": the login by client certificate was refused; the certificate ended on {ended:%Y-%m-%d}"
    )


@pytest.mark.servers
def test_without_a_certificate_nobody_is_let_in(certified: Dovecot) -> None:
    """TLS asks for one, and goes on without."""
    with pytest.raises(AccessError) as caught:
        by_certificate(certified, "robot@example.com", contexts(certified, None))
    assert refusal(caught) == (AccessError, "imap-external")


def test_where_no_certificate_is_taken_it_is_told() -> None:
    """The server speaks of passwords alone."""
    error = failure(offering("PLAIN"), login=ExternalLogin("robot@example.com"))
    assert kind_and_code(error) == (AccessError, "imap-external")


def test_a_certificate_that_is_gone_is_told(tmp_path: Path) -> None:
    """With its name; nothing of its contents."""
    file = tmp_path / "client.pem"
    file.write_text(FOREIGN)
    with pytest.raises(AccessError, match=r"client\.pem, expected a certificate") as caught:
        tls_context(None, ClientCertificate(str(file)))
    assert caught.value.code == "imap-client-certificate"
    assert FOREIGN not in shown(caught.value)
