"""The installed program, and a mailbox of Google Workspace: Google on loopback, reached through the
proxy of the environment, a Dovecot that checks its tokens, the real Vault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.google import (
    ADMIN_SCOPE,
    CLIENT,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    ROBOT,
    ROBOT_ID,
    WORKLOAD_TOKEN,
    Google,
    key_file,
    new_key,
    reply,
    workload_file,
)
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.tokens import TokenEndpoint

pytestmark = pytest.mark.servers

TOKEN = "FAKEgoogleWorkspace1notREAL"
WAYS = {
    "a key": "service_account: {file: key.json}",
    "a machine": f"impersonate: {ROBOT}",
    "a workload": f"impersonate: {ROBOT}",
    "a person": (
        f"client_id: {CLIENT}, client_secret: {{file: client-secret}},"
        " refresh_token: {file: refresh-token}"
    ),
}
"""The forms of `oauth2`."""

BOTH = pytest.mark.parametrize("gmail", ["by key", "by asking"], indirect=True)
ASKING = pytest.mark.parametrize("gmail", ["by asking"], indirect=True)
"""How the mail server checks tokens; by key, unless a test says otherwise."""


@dataclass
class Workspace:
    """A mailbox, who gives tokens for it, and the program."""

    google: Google
    gmail: Dovecot
    tool: Program
    user: str

    def configure(self, way: str, more: str = "") -> None:
        """To get tokens in this way, and to tell all that may be told."""
        self.tool.configure(
            password=f"oauth2: {{provider: google, {WAYS[way]}{more}}}",
            log="log: {level: debug, format: json}",
            poll="poll: 1s",
        )
        if way == "a workload":
            file = self.tool.secret("workload.json", workload_file(self.tool.home / "projected"))
            self.tool.env["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)

    def deliver(self) -> None:
        """A token mail that came just now."""
        mail = mails.genuine(token=TOKEN, issued_at=datetime.now(UTC))
        self.gmail.deliver(mail, self.user)


@pytest.fixture(scope="module")
def signer() -> Iterator[TokenEndpoint]:
    """Whose signature the mail server goes by."""
    with TokenEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def gmail(request: pytest.FixtureRequest, signer: TokenEndpoint) -> Iterator[Dovecot]:
    """A mail server that checks Google's tokens by their signature, or asks who signed them."""
    introspects = getattr(request, "param", "by key") == "by asking"
    with Dovecot(oauth=signer, introspects=introspects) as server:
        yield server


@pytest.fixture
def workspace(
    tmp_path: Path, signer: TokenEndpoint, gmail: Dovecot, openbao: OpenBao, user: str, org: str
) -> Iterator[Workspace]:
    """All of it works, in each way."""

    def token_of(user: str, scope: str) -> str:
        """What says `mail` to Dovecot, which knows no other scope."""
        del scope
        return signer.access_token(user)

    tool = program(tmp_path / "tool", gmail, openbao, user, org)
    (tool.home / "imap-password").unlink()
    with Google(keys=[new_key("first").public_key()], users={user}) as google:
        google.make_token = token_of
        google.person = user
        tool.env |= google.environment(tool.home)
        tool.secret("key.json", key_file(new_key("first")))
        (tool.home / "projected").write_text(WORKLOAD_TOKEN)
        tool.secret("client-secret", CLIENT_SECRET)
        tool.secret("refresh-token", REFRESH_TOKEN)
        yield Workspace(google, gmail, tool, user)


@BOTH
@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
@pytest.mark.parametrize("way", WAYS)
def test_a_token_reaches_vault(
    workspace: Workspace, openbao: OpenBao, org: str, way: str, mechanism: str
) -> None:
    """From the mailbox of the user; nothing that was shown is told, at debug level."""
    workspace.configure(way, f", mechanism: {mechanism}")
    workspace.deliver()
    done = workspace.tool("scan", "--json")
    assert (done.code, [line["outcome"] for line in done.lines]) == (0, ["stored"])
    stored = openbao.get(f"salesforce/{org}/{mails.USERNAME}")
    assert stored is not None
    assert stored["security_token"] == TOKEN
    assert len(workspace.google.tokens) == 1
    files = [path for path in workspace.tool.state.rglob("*") if path.is_file()]
    told = done.out + done.err + "".join(path.read_text("latin-1") for path in files)
    assertion = workspace.google.asked[-1].form.get("assertion", REFRESH_TOKEN)
    secrets = [assertion, *workspace.google.tokens, "canary", "PRIVATE KEY"]
    assert [secret for secret in secrets if secret in told] == []


@ASKING
@pytest.mark.parametrize("way", ["a key", "a person"])
def test_a_token_that_google_takes_back_is_refused(
    workspace: Workspace, signer: TokenEndpoint, way: str
) -> None:
    """Though it is signed and not over: the mail server asked. What comes then is stored."""
    workspace.configure(way)
    signer.takes_back_all = True
    done = workspace.tool("scan")
    signer.takes_back_all = False
    assert done.code == 1
    where = f"mailbox integrations: localhost:{workspace.gmail.tls_port}"
    text = f"{where}: the server refuses the access token (status 401)"
    assert f"integrations  error  imap-token-google: {text}\n" in done.out
    assert workspace.tool("scan").code == 0


def test_a_missing_delegation_says_what_to_paste_where(workspace: Workspace) -> None:
    """Client id, scope, and the way through the console; and once more in the log."""
    workspace.configure("a key")
    workspace.google.delegated = set()
    done = workspace.tool("scan")
    assert done.code == 1
    told = " ".join((done.out + done.err).split())
    assert f"expected the client ID {ROBOT_ID} with exactly the scope {ADMIN_SCOPE} under" in told
    assert "Admin console > Security > Access and data control > API controls" in told
    assert "a super administrator pastes that client ID and that scope there" in told
    assert "canary" not in told


def test_a_key_is_rotated_under_the_daemon(workspace: Workspace) -> None:
    """The old one is refused, the new one is used as soon as it is there, and no token is lost."""
    workspace.configure("a key")
    workspace.google.life = 1  # so that there is no other token to go on with
    with workspace.tool.daemon() as daemon:
        workspace.google.keys = [new_key("second").public_key()]
        workspace.gmail.kick(workspace.user)
        until(
            lambda: any(event.get("code") == "oauth-credential-key" for event in daemon.events),
            "the old key to be refused",
        )
        workspace.deliver()
        workspace.tool.secret("key.json", key_file(new_key("second")))
        until(lambda: workspace.tool.outcomes == [("stored", None)], "the token to be stored")
        assert daemon.end() == 0


def test_a_busy_endpoint_is_no_refusal(workspace: Workspace) -> None:
    """The daemon goes on by itself once it answers again."""
    workspace.configure("a machine")
    workspace.deliver()
    workspace.google.instead += [reply(429, {}, **{"Retry-After": "1"}), reply(503, {})]
    with workspace.tool.daemon(ready=False) as daemon:
        until(lambda: workspace.tool.outcomes == [("stored", None)], "the token to be stored")
        codes = {event["code"] for event in daemon.events if "code" in event}
        assert codes == {"oauth-throttled", "oauth-unreachable"}
        assert daemon.end() == 0
