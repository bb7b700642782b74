"""The installed program, a mailbox of Microsoft 365: Entra ID on loopback, a Dovecot that checks
its tokens, the real Vault."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.entra import (
    CLIENT_ID,
    TENANT,
    WORKLOAD,
    Entra,
    pair,
    refusal,
    workload_assertion,
)
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.tokens import throttling

TOKEN = "FAKEmicrosoft365TOKEN1notREAL"
SECRET = "abc8Q~CANARY-client-secret-0123456789"
REFRESH = "0.CANARY-refresh-token-0123456789"
CREDENTIALS = {
    "certificate": pair().text,
    "assertion": workload_assertion(),
    "client_secret": SECRET,
    "refresh_token": REFRESH,
}

BOTH = pytest.mark.parametrize("exchange", ["by key", "by asking"], indirect=True)
ASKING = pytest.mark.parametrize("exchange", ["by asking"], indirect=True)
"""How the mail server checks tokens; by key, unless a test says otherwise."""


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    """A tenant."""
    with Entra(tmp_path_factory.mktemp("entra")) as entra:
        yield entra


@pytest.fixture(scope="module")
def exchange(request: pytest.FixtureRequest, entra: Entra) -> Iterator[Dovecot]:
    """A mail server that checks the tenant's tokens by its key, or asks the tenant."""
    introspects = getattr(request, "param", "by key") == "by asking"
    with Dovecot(oauth=entra, introspects=introspects) as server:
        yield server


@pytest.fixture
def tool(
    tmp_path: Path, entra: Entra, exchange: Dovecot, openbao: OpenBao, user: str, org: str
) -> Iterator[Program]:
    """The program over a shared mailbox, with a good credential of each kind at hand."""
    entra.user = user
    entra.registration.certificates = [pair().certificate]
    entra.registration.secrets = [SECRET]
    entra.registration.federated = [WORKLOAD]
    entra.registration.refresh_tokens = [REFRESH]
    tool = program(tmp_path / "tool", exchange, openbao, user, org)
    tool.env["SSL_CERT_FILE"] = str(entra.ca_file)
    # More than one way to log in would hide which one it was.
    (tool.home / "imap-password").unlink()
    for kind, text in CREDENTIALS.items():
        tool.secret(kind, text)
    yield tool
    entra.recover()
    entra.takes_back_all = False
    entra.asked.clear()
    entra.assertions.clear()


def configured(tool: Program, entra: Entra, kind: str, mechanism: str = "auto") -> None:
    """To prove itself in this way, and to tell all that it may tell."""
    about = f"provider: microsoft, tenant: {TENANT}, client_id: {CLIENT_ID}"
    where = f"authority: {entra.url}, {kind}: {{file: {kind}}}, mechanism: {mechanism}"
    tool.configure(
        password=f"oauth2: {{{about}, {where}}}", log="log: {level: debug, format: json}"
    )


@BOTH
@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("kind", CREDENTIALS)
def test_a_token_reaches_vault_from_a_shared_mailbox(
    tool: Program,
    entra: Entra,
    exchange: Dovecot,
    openbao: OpenBao,
    org: str,
    kind: str,
    mechanism: str,
) -> None:
    """With the mailbox's own name; nothing that was shown is told, at debug level."""
    configured(tool, entra, kind, mechanism)
    exchange.deliver(mails.genuine(token=TOKEN, issued_at=datetime.now(UTC)), entra.user)
    done = tool("scan", "--json")
    assert (done.code, [line["outcome"] for line in done.lines]) == (0, ["stored"])
    stored = openbao.get(f"salesforce/{org}/{mails.USERNAME}")
    assert stored is not None
    assert stored["security_token"] == TOKEN
    assert len(entra.grants) == 1
    state = "".join(path.read_text("latin-1") for path in tool.state.rglob("*") if path.is_file())
    told = done.out + done.err + state
    secrets = [CREDENTIALS[kind], entra.given[-1], pair().key.splitlines()[1]]
    secrets += [entra.grants[0].get("client_assertion", SECRET)]
    assert [secret for secret in secrets if secret in told] == []
    if kind == "refresh_token":
        written = (tool.home / kind).read_text().strip()
        assert written == entra.registration.refresh_tokens[-1] != REFRESH


@ASKING
@pytest.mark.parametrize("kind", ["certificate", "refresh_token"])
def test_a_token_that_the_tenant_takes_back_is_refused(
    tool: Program, entra: Entra, exchange: Dovecot, kind: str
) -> None:
    """Though it is signed and not over: the mail server asked. What comes then is stored."""
    configured(tool, entra, kind)
    entra.takes_back_all = True
    done = tool("scan")
    assert done.code == 1
    where = f"mailbox integrations: localhost:{exchange.tls_port}"
    text = f"{where}: the server refuses the access token (status 401)"
    assert f"integrations  error  imap-token-microsoft: {text}\n" in done.out
    entra.takes_back_all = False
    assert tool("scan").code == 0


def test_a_refusal_says_what_to_do(tool: Program, entra: Entra) -> None:
    """In a message, with its code, and with the step in Microsoft's console."""
    configured(tool, entra, "client_secret")
    entra.registration.secrets = []
    done = tool("scan")
    assert done.code == 1
    told = " ".join((done.out + done.err).split())
    assert f"got a wrong client secret for application {CLIENT_ID}" in told
    assert "Certificates & secrets" in told
    assert "FOREIGN-TEXT" not in told


def test_a_certificate_is_rotated_under_the_daemon(
    tool: Program, entra: Entra, exchange: Dovecot
) -> None:
    """The next login goes by the new one, though the token got by the old one is good for long."""
    configured(tool, entra, "certificate")
    with tool.daemon() as daemon:
        entra.registration.certificates = [pair("renewed").certificate]
        tool.secret("certificate", pair("renewed").text)
        exchange.kick(entra.user)
        until(lambda: len(entra.grants) == 2, "another token to be asked for")
        exchange.deliver(mails.genuine(token=TOKEN, issued_at=datetime.now(UTC)), entra.user)
        until(lambda: tool.outcomes == [("stored", None)], "the token to be stored")
        assert [event["code"] for event in daemon.events if "oauth" in event.get("code", "")] == []
        assert daemon.end() == 0
    assert len(entra.assertions) == len(entra.grants)


def test_a_busy_endpoint_is_no_refusal(tool: Program, entra: Entra, exchange: Dovecot) -> None:
    """The daemon goes on by itself once it answers again."""
    configured(tool, entra, "assertion")
    exchange.deliver(mails.genuine(token=TOKEN, issued_at=datetime.now(UTC)), entra.user)
    entra.answers(throttling(1), refusal(90033, "temporarily_unavailable"))
    with tool.daemon(ready=False) as daemon:
        until(lambda: tool.outcomes == [("stored", None)], "the token to be stored")
        codes = {event["code"] for event in daemon.events if "code" in event}
        assert codes == {"oauth-throttled", "oauth-unreachable"}
        assert daemon.end() == 0
