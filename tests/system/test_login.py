"""`login --mailbox`: a person signs in once, and the mailbox opens from then on.

The installed program at its standard streams, against endpoints of the test's own and a Dovecot
that checks their tokens.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.kit.entra import CLIENT_ID as MICROSOFT_CLIENT
from tests.kit.entra import PERSON_SCOPE, TENANT, Entra
from tests.kit.program import Done, Program, program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, Asked, Reply, TokenEndpoint, refusal
from tests.kit.waiting import PATIENCE
from tests.system.resets import Resets

DEVICE_CODE = "CANARY-device-code-0123456789"
CODE = "CANARY-code-0123456789"


def signed_in(tool: Program, *words: str, paste: Callable[[str], str]) -> Done:
    """Run `login` as a person does: what is pasted depends on the address that is shown."""
    process = subprocess.Popen(
        tool.words("login", *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=tool.environment(),
        text=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    told = ""
    address = ""
    for line in process.stderr:
        told += line
        if line.startswith("http"):
            address = line.strip()
        if line.startswith("The browser then ends"):
            process.stdin.write(paste(address) + "\n")
            process.stdin.flush()
            break
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out, told + err)


# -- by an address: any OAuth 2 server --


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Dovecot, TokenEndpoint]]:
    """A Dovecot that checks tokens by the endpoint's key."""
    with TokenEndpoint() as endpoint, Dovecot(oauth=endpoint) as dovecot:
        yield dovecot, endpoint


@pytest.fixture
def endpoint(servers: tuple[Dovecot, TokenEndpoint], user: str) -> TokenEndpoint:
    """It gives a refresh token for a code, where the verifier fits the challenge."""
    _, endpoint = servers
    endpoint.renew_all(user)
    return endpoint


@pytest.fixture
def tool(
    servers: tuple[Dovecot, TokenEndpoint],
    endpoint: TokenEndpoint,
    tmp_path: Path,
    openbao: OpenBao,
    user: str,
    org: str,
) -> Program:
    """Configured for a person who has not signed in: there is no file yet."""
    dovecot, _ = servers
    tool = program(tmp_path / "tool", dovecot, openbao, user, org)
    tool.env = {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
    tool.secret("client-secret", CLIENT_SECRET)
    tool.configure(
        password=f"oauth2: {{provider: custom, token_url: {endpoint.token_url}, client_id:"
        f" {CLIENT_ID}, client_secret: {{file: client-secret}}, scope: mail offline,"
        " refresh_token: {file: refresh-token}}",
        log="log: {level: debug, format: json}",
    )
    return tool


def browser(endpoint: TokenEndpoint, **more: str) -> Callable[[str], str]:
    """A person who agrees: the address that the browser ends at."""

    def ends(address: str) -> str:
        asked = dict(parse_qsl(urlsplit(address).query))

        def give(request: Asked) -> Reply | None:
            if request.form.get("grant_type") != "authorization_code":
                return None
            digest = hashlib.sha256(request.form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if (request.form["code"], challenge) != (CODE, asked["code_challenge"]):
                return refusal("invalid_grant")
            return endpoint.granted(refresh_token=endpoint.refresh_token)

        endpoint.instead = give
        fields = {"state": asked["state"], "code": CODE, **more}
        return f"{asked['redirect_uri']}?{urlencode(fields)}"

    return ends


AUTHORIZE = ("--mailbox", "integrations", "--authorize-url", "https://login.example/authorize")


def test_a_person_signs_in_and_mail_is_stored(
    servers: tuple[Dovecot, TokenEndpoint],
    endpoint: TokenEndpoint,
    tool: Program,
    openbao: OpenBao,
    user: str,
    org: str,
) -> None:
    """The file is there for us alone, the mailbox was opened, and nothing else holds a secret."""
    first = endpoint.refresh_token
    done = signed_in(tool, *AUTHORIZE, paste=browser(endpoint))
    file = tool.home / "refresh-token"
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            f"signed in: the refresh token is in {file}",
            f"mailbox integrations: logged in to localhost as {user}",
        ],
    ), done
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Opening the mailbox has used the first one, which is replaced at each use.
    assert file.read_text() == f"{endpoint.refresh_token}\n" != f"{first}\n"
    told = done.out + done.err
    secrets = [CODE, CLIENT_SECRET, first, endpoint.refresh_token, *endpoint.given]
    assert [secret for secret in secrets if secret in told] == []
    resets = Resets(tool, servers[0], openbao, user, org)
    resets.send()
    assert tool("scan").code == 0
    resets.arrive()


SIGN_IN = "sign in: `token-catcher login --mailbox integrations` (TC340)"


def test_before_the_sign_in_it_is_said_how(tool: Program) -> None:
    """By every command the same: the configuration is well, and somebody has to sign in."""
    file = tool.home / "refresh-token"
    problem = (
        f"oauth-sign-in: secret {{file: {file}}}: got no such file: {file}, expected the file that"
        " `token-catcher login` writes"
    )
    told = ["integrations  error  " + problem, "  next: " + SIGN_IN]
    never = tool("status")
    assert (never.code, SIGN_IN in " ".join(never.out.split())) == (1, True)
    [row] = tool("status", "--json").lines[0]["mailboxes"]
    assert (row["trouble"], row["token"], row["next"]) == (2 * ("oauth-sign-in",) + (SIGN_IN,))
    for command in ("scan", "scan --dry-run"):
        done = tool(*command.split())
        assert (done.code, done.out.splitlines()) == (1, told), done
    [line] = tool("scan", "--json").lines
    assert (line["outcome"], line["reason"], line["next"]) == ("error", "oauth-sign-in", SIGN_IN)
    steps = tool("check", "--json").lines
    failed = [step for step in steps if step["outcome"] == "failed"]
    assert [(step["code"], step["fix"]) for step in failed] == [("oauth-sign-in", SIGN_IN)]
    assert "got no receiver" in tool("notify", "test").err


def test_a_daemon_waits_for_the_sign_in(
    servers: tuple[Dovecot, TokenEndpoint],
    endpoint: TokenEndpoint,
    tool: Program,
    openbao: OpenBao,
    user: str,
    org: str,
) -> None:
    """The command of a host with systemd works inside the running service, and nowhere else."""
    resets = Resets(tool, servers[0], openbao, user, org)
    with tool.daemon() as daemon:
        trouble = next(event for event in daemon.events if event["event"] == "mailbox.trouble")
        assert (trouble["code"], trouble["error"]) == (
            "oauth-sign-in",
            f"secret {{file: {tool.home / 'refresh-token'}}}: got no such file:"
            f" {tool.home / 'refresh-token'}, expected the file that `token-catcher login` writes",
        )
        [row] = tool("status", "--json").lines[0]["mailboxes"]
        assert (row["trouble"], row["next"]) == ("oauth-sign-in", SIGN_IN)
        assert signed_in(tool, *AUTHORIZE, paste=browser(endpoint)).code == 0
        resets.make_the_trip()


@pytest.mark.parametrize(
    ("pasted", "code", "message"),
    [
        ("", 1, "got nothing, expected the whole address"),
        ("https://elsewhere.example/?code=x", 1, "got something else, expected the whole address"),
        ("http://127.0.0.1:8400/?state=x&code=y", 1, "got the address of another sign-in"),
    ],
    ids=["nothing", "another page", "another sign-in"],
)
def test_what_was_pasted_wrongly_is_told(
    endpoint: TokenEndpoint, tool: Program, pasted: str, code: int, message: str
) -> None:
    """Nothing is asked of the endpoint, and no file is made."""
    done = signed_in(tool, *AUTHORIZE, paste=lambda _address: pasted)
    assert (done.code, message in done.err, "next: start again" in done.err) == (code, True, True)
    assert (endpoint.asked, (tool.home / "refresh-token").exists()) == ([], False)


def test_a_sign_in_without_a_refresh_token_is_told(endpoint: TokenEndpoint, tool: Program) -> None:
    """It would end within the hour."""

    def ends(address: str) -> str:
        pasted = browser(endpoint)(address)
        endpoint.always(endpoint.granted())
        return pasted

    done = signed_in(tool, *AUTHORIZE, paste=ends)
    assert (done.code, "expected a refresh token as well" in done.err) == (1, True)
    assert not (tool.home / "refresh-token").exists()


def test_another_account_shows_at_once(endpoint: TokenEndpoint, tool: Program) -> None:
    """Somebody signed in with an account that may not open this mailbox: that is told, and nothing
    stays by which the daemon would log in."""
    endpoint.user = "somebody-else"
    done = signed_in(tool, *AUTHORIZE, paste=browser(endpoint))
    assert (done.code, done.out) == (1, "")
    assert "expected a sign-in with full access to it; this one is not kept\n" in done.err
    assert (
        "next: sign in as somebody with full access to the mailbox:"
        " `token-catcher login --mailbox integrations`"
    ) in done.err
    assert list(tool.home.glob("refresh-token*")) == []
    endpoint.user = "somebody-else-again"
    assert tool("status", "--json").lines[0]["mailboxes"][0]["token"] == "oauth-sign-in"


def test_another_account_takes_no_good_sign_in_away(
    servers: tuple[Dovecot, TokenEndpoint],
    endpoint: TokenEndpoint,
    tool: Program,
    openbao: OpenBao,
    user: str,
    org: str,
) -> None:
    """What was in the file before is there again, and serves."""
    assert signed_in(tool, *AUTHORIZE, paste=browser(endpoint)).code == 0
    file = tool.home / "refresh-token"
    good = file.read_text()
    endpoint.user = "somebody-else"
    # That server knows several sign-ins, and renews none by another token.
    endpoint.replaces_refresh_tokens = False
    assert signed_in(tool, *AUTHORIZE, paste=browser(endpoint)).code == 1
    assert file.read_text() == good
    endpoint.user = user
    resets = Resets(tool, servers[0], openbao, user, org)
    resets.send()
    assert tool("scan").code == 0
    resets.arrive()


def test_nobody_signs_in_for_a_file_that_cannot_be_written(
    endpoint: TokenEndpoint, tool: Program
) -> None:
    """It is told before anybody is asked: a sign-in counts once."""
    tool.configure(
        password=f"oauth2: {{provider: custom, token_url: {endpoint.token_url}, client_id:"
        f" {CLIENT_ID}, refresh_token: {{file: nowhere/refresh-token}}}}"
    )
    done = tool("login", *AUTHORIZE)
    assert done.code == 1
    assert (
        "cannot be written (No such file or directory), expected a directory that is there:"
        f" `mkdir -m 700 {tool.home / 'nowhere'}`"
    ) in done.err
    assert "next: make the directory of oauth2.refresh_token writable" in done.err
    assert "Open this address" not in done.err


def test_the_state_directory_is_made_for_the_first_sign_in(
    endpoint: TokenEndpoint, tool: Program
) -> None:
    """The documented place is in it, and on a first run by hand nothing has made it yet."""
    tool.configure(
        password=f"oauth2: {{provider: custom, token_url: {endpoint.token_url}, client_id:"
        f" {CLIENT_ID}, client_secret: {{file: client-secret}}, scope: mail offline,"
        f" refresh_token: {{file: {tool.state}/sign-ins/refresh-token}}}}"
    )
    done = signed_in(tool, *AUTHORIZE, paste=browser(endpoint))
    assert done.code == 0, done
    assert stat.S_IMODE((tool.state / "sign-ins").stat().st_mode) == 0o700


def test_a_code_that_was_used_before_is_told(endpoint: TokenEndpoint, tool: Program) -> None:
    """Or is too old: start again, and look for nothing in anybody's documentation."""
    done = signed_in(tool, *AUTHORIZE, paste=lambda a: browser(endpoint)(a).replace(CODE, "old"))
    assert done.code == 1
    assert (
        "got a code that it does not take (invalid_grant), expected one that is fresh" in done.err
    )
    assert "next: start again, and paste the address at once" in done.err


@pytest.mark.parametrize(
    ("words", "replaced", "message"),
    [
        (("--mailbox", "nobody"), {}, "--mailbox: got 'nobody', expected one of: integrations"),
        (("--mailbox", "integrations"), {}, "got no --authorize-url"),
        (
            ("--mailbox", "integrations"),
            {"password": "password: {file: imap-password}"},
            "got no oauth2.refresh_token, expected one",
        ),
    ],
    ids=["no such mailbox", "no address", "a password"],
)
def test_where_nobody_can_sign_in_it_is_said(
    tool: Program, words: tuple[str, ...], replaced: dict[str, str], message: str
) -> None:
    """Wrong use, exit code 2."""
    if replaced:
        tool.configure(**replaced)
    done = tool("login", *words)
    assert (done.code, message in done.err) == (2, True), done


@pytest.mark.parametrize(
    ("url", "got"),
    [
        ("login.example/authorize", "no https:// in front"),
        ("http://login.example/authorize", "http:// to 'login.example'"),
        ("https://login.example/authorize#top", "a fragment (#…) in it"),
        ("https://user:hunter2@login.example/authorize", "a user name or password in it"),
        ("https://login.example:port/authorize", "no address"),
        ("https://login.example/a b", "no address"),
        ("https://login.example/a?tenant=1&state=2&scope=", "scope, state in its query"),
    ],
)
def test_another_address_to_sign_in_at_is_wrong_use(tool: Program, url: str, got: str) -> None:
    """Nothing is asked of anybody, and no password in it is shown."""
    done = tool("login", "--mailbox", "integrations", "--authorize-url", url)
    assert (done.code, "hunter2" in done.err, done.out) == (2, False, "")
    assert f"'--authorize-url': got {got}, expected " in done.err


@pytest.mark.parametrize("url", ["https://login.example/a?tenant=%2B1", "http://[::1]:8080/a"])
def test_the_query_of_an_address_to_sign_in_at_is_kept(tool: Program, url: str) -> None:
    """And plain HTTP is good enough for this machine."""
    done = tool("login", "--mailbox", "integrations", "--authorize-url", url)
    separator = "?"
    if "?" in url:
        separator = "&"
    assert f"\n{url}{separator}response_type=code&client_id=" in done.err


# -- by a code: Microsoft --


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    """A tenant."""
    with Entra(tmp_path_factory.mktemp("entra")) as entra:
        yield entra


@pytest.fixture(scope="module")
def exchange(entra: Entra) -> Iterator[Dovecot]:
    """A mail server that takes the tenant's tokens."""
    with Dovecot(oauth=entra) as server:
        yield server


@pytest.fixture
def microsoft(
    entra: Entra, exchange: Dovecot, tmp_path: Path, openbao: OpenBao, user: str, org: str
) -> Iterator[Program]:
    """Configured for a person who has not signed in."""
    entra.user = user
    entra.asked.clear()
    tool = program(tmp_path / "tool", exchange, openbao, user, org)
    tool.env["SSL_CERT_FILE"] = str(entra.ca_file)
    tool.configure(
        password=f"oauth2: {{provider: microsoft, tenant: {TENANT}, client_id: {MICROSOFT_CLIENT},"
        f" authority: {entra.url}, refresh_token: {{file: refresh-token}}}}",
        log="log: {level: debug, format: json}",
    )
    yield tool
    entra.recover()


def device_flow(entra: Entra, *replies: Reply) -> None:
    """The codes of the tenant; then each reply to a question after the person, then a yes."""
    left = list(replies)

    def answer(asked: Asked) -> Reply | None:
        if asked.path.endswith("/devicecode"):
            assert asked.form["scope"] == f"{PERSON_SCOPE} offline_access"
            return Reply(
                body={
                    "user_code": "ABCD1234",
                    "device_code": DEVICE_CODE,
                    "verification_uri": "https://login.microsoft.com/device",
                    "expires_in": 900,
                    "interval": 0.01,
                    "message": "FOREIGN-TEXT",
                }
            )
        if asked.form.get("device_code") != DEVICE_CODE:
            return None
        if left:
            return left.pop(0)
        entra.registration.refresh_tokens = ["0.CANARY-first"]
        return entra.granted(refresh_token="0.CANARY-first", scope=PERSON_SCOPE)

    entra.instead = answer


def test_a_code_is_shown_and_waited_for(microsoft: Program, entra: Entra, user: str) -> None:
    """Pending for a while, then done: the file is written, the mailbox opens."""
    device_flow(entra, refusal("authorization_pending"), refusal("authorization_pending"))
    done = microsoft("login", "--mailbox", "integrations")
    assert done.code == 0, done
    assert "Open https://login.microsoft.com/device and type the code ABCD1234." in done.err
    assert f"logged in to localhost as {user}" in done.out
    told = done.out + done.err
    assert [s for s in (DEVICE_CODE, "0.CANARY", "FOREIGN", *entra.given) if s in told] == []
    written = (microsoft.home / "refresh-token").read_text().strip()
    assert written == entra.registration.refresh_tokens[-1]


@pytest.mark.parametrize("error", ["invalid_grant", "access_denied"])
def test_a_blocked_code_says_what_else_there_is(
    microsoft: Program, entra: Entra, error: str
) -> None:
    """Conditional Access refuses the flow: by its own number, whatever word is before it."""
    blocked = Reply(400, {"error": error, "error_codes": [53003]})
    device_flow(entra, blocked)
    done = microsoft("login", "--mailbox", "integrations")
    assert (done.code, "by a policy (Conditional Access)" in done.err) == (1, True)
    assert "AADSTS53003" in done.err
    assert "next: Entra admin center > Sign-in logs says which policy" in done.err
    assert not (microsoft.home / "refresh-token").exists()


def test_a_known_address_to_sign_in_at_is_not_typed(microsoft: Program, entra: Entra) -> None:
    """It would not be used: nobody is asked for anything."""
    done = microsoft("login", *AUTHORIZE)
    assert (done.code, entra.asked) == (2, [])
    assert "got --authorize-url, expected none" in done.err
    assert "at provider microsoft is known" in done.err
