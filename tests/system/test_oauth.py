"""Logging in by access token, with the installed program: real Dovecot, and an endpoint of ours.

Through expiry, renewal, refusal and rotation: mail waits on the server, and is stored as soon as
somebody has mended what was wrong. No token and no secret is in any output, whatever happens.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.processes import until_gone
from tests.kit.program import Done, Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.tokens import (
    CLIENT_ID,
    CLIENT_SECRET,
    Reply,
    TokenEndpoint,
    page,
    refusal,
    throttling,
)
from tests.kit.waiting import PATIENCE
from tests.system.resets import Resets

DEBUG = "log: {level: debug, format: json}"


BOTH = pytest.mark.parametrize("servers", ["by key", "by asking"], indirect=True)
ASKING = pytest.mark.parametrize("servers", ["by asking"], indirect=True)
"""How the mail server checks tokens; by key, unless a test says otherwise."""


@dataclass
class World:
    """One program, whose mailbox takes the access tokens of one endpoint."""

    tool: Program
    endpoint: TokenEndpoint
    dovecot: Dovecot
    resets: Resets

    def log_in_by(self, form: str) -> None:
        """In place of the password."""
        self.tool.configure(password=f"oauth2: {form}", log=DEBUG)

    def by_secret(self, *more: str) -> None:
        """As an application."""
        keys = [
            "provider: custom",
            f"token_url: {self.endpoint.token_url}",
            f"client_id: {CLIENT_ID}",
            "client_secret: {file: client-secret}",
            *more,
        ]
        self.tool.secret("client-secret", CLIENT_SECRET)
        self.log_in_by("{" + ", ".join(keys) + "}")

    def by_refresh_token(self) -> Path:
        """For a person, without a secret. Returns the file."""
        self.log_in_by(
            f"{{provider: custom, token_url: {self.endpoint.token_url}, client_id: {CLIENT_ID},"
            " refresh_token: {file: refresh-token}}"
        )
        return self.tool.secret("refresh-token", self.endpoint.refresh_token)

    def stores(self) -> None:
        """A token mail comes, and one scan stores it."""
        self.resets.send()
        done = self.tool("scan")
        assert done.code == 0, done
        self.resets.arrive()

    def fails(self, code: str) -> Done:
        """A scan that ends so, and says what to do."""
        done = self.tool("scan")
        assert done.code == 1, done
        assert f"integrations  error  {code}: " in done.out, done
        assert "\n  next: " in done.out, done
        return done

    def leaks(self) -> list[str]:
        """Files of the program, logs and state, in which a secret stands that is not its own."""
        own = ("client-secret", "refresh-token", "access-token", "printed-token", "imap-password")
        secrets = [CLIENT_SECRET, "refresh-", *self.endpoint.given]
        places = []
        for file in self.tool.home.rglob("*"):
            if not file.is_file() or file.name in own:
                continue
            text = file.read_bytes().decode("latin-1")
            if any(secret in text.replace("refresh-token", "") for secret in secrets):
                places.append(file.name)
        return places


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[Dovecot, TokenEndpoint]]:
    """A Dovecot that checks access tokens by the endpoint's key, or asks the endpoint."""
    introspects = getattr(request, "param", "by key") == "by asking"
    with (
        TokenEndpoint() as endpoint,
        Dovecot(oauth=endpoint, introspects=introspects) as dovecot,
    ):
        yield dovecot, endpoint


@pytest.fixture
def world(
    servers: tuple[Dovecot, TokenEndpoint], tmp_path: Path, openbao: OpenBao, user: str, org: str
) -> Iterator[World]:
    """With an endpoint as new, whose access tokens are for the user of the test."""
    dovecot, endpoint = servers
    endpoint.renew_all(user)
    tool = program(tmp_path / "tool", dovecot, openbao, user, org)
    tool.env = {"NO_PROXY": "127.0.0.1,localhost"}
    built = World(tool, endpoint, dovecot, Resets(tool, dovecot, openbao, user, org))
    yield built
    assert built.leaks() == []


# -- every way to a token --


@BOTH
@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_an_application_logs_in(world: World, mechanism: str) -> None:
    """By its secret; one token serves all connections of a scan."""
    world.by_secret(f"mechanism: {mechanism}", "scope: mail")
    world.stores()
    assert [form["scope"] for form in world.endpoint.grants] == ["mail"]


def test_a_person_who_signed_in_is_logged_in_for(world: World) -> None:
    """The refresh token is replaced at each renewal: in its file, for us alone."""
    file = world.by_refresh_token()
    for _ in range(2):
        world.stores()
        assert file.read_text("ascii").strip() == world.endpoint.refresh_token
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not world.endpoint.stolen


def test_two_processes_renew_one_refresh_token(world: World) -> None:
    """Neither shows one that the other has replaced."""
    world.by_refresh_token()
    command = [*world.tool.command, "--config", str(world.tool.config), "scan"]
    environment = {**os.environ, **world.tool.env}
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0, 0]
    assert len(world.endpoint.grants) == 3
    assert not world.endpoint.stolen
    world.stores()


@pytest.mark.parametrize("kind", ["file", "env", "command"])
def test_a_token_that_another_tool_keeps(world: World, kind: str) -> None:
    """In a file, in a variable, or printed; read anew each time."""
    token = world.endpoint.access_token()
    file = world.tool.secret("access-token", token)
    world.tool.env["ACCESS_TOKEN"] = token
    where = {
        "file": "{file: access-token}",
        "env": "{env: ACCESS_TOKEN}",
        "command": f"{{command: [cat, {file}]}}",
    }[kind]
    world.log_in_by(f"{{provider: external, token: {where}}}")
    world.stores()


# -- refusals --

REFUSALS = {
    "oauth-credential": refusal("invalid_client", 401),
    "oauth-consent": refusal("unauthorized_client"),
    "oauth-scope": refusal("invalid_scope"),
    "oauth-throttled": throttling(120),
    "oauth-foreign": page(200),
    "oauth-unreachable": Reply(503),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_without_a_token_mail_waits(world: World, code: str) -> None:
    """Each cause has its code; what came meanwhile is stored once it is gone."""
    world.by_secret()
    world.resets.send()
    world.endpoint.always(REFUSALS[code])
    world.fails(code)
    world.endpoint.recover()
    world.stores()


def test_an_endpoint_whose_clock_is_wrong(world: World) -> None:
    """Its tokens are over when they come: told as refused by the mail server."""
    world.by_secret()
    world.endpoint.clock_is_off_by(-2 * 3600)
    world.fails("imap-token")
    world.endpoint.clock_is_off_by(0)
    world.stores()


def test_a_token_for_somebody_else(world: World) -> None:
    """By no provider whose consoles are known to us."""
    world.by_secret()
    world.endpoint.user = "somebody@example.com"
    done = world.fails("imap-token")
    assert "next: check that oauth2.scope is for this server's IMAP, and that username" in done.out
    assert "Microsoft" not in done.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("[sh, -c, 'exit 3']", "oauth-command"),
        ("[sh, -c, 'echo a; echo b']", "oauth-command"),
        ("[sh, -c, 'yes | head -c 100000']", "oauth-command"),
        ("[echo, not-a-token]", "imap-token-external"),
    ],
)
def test_a_command_that_gives_no_token(world: World, words: str, code: str) -> None:
    """Told by its exit code or by the form of what it printed, without a word of that."""
    world.log_in_by(f"{{provider: external, token: {{command: {words}}}}}")
    done = world.fails(code)
    assert "a; echo" not in done.out


def hanging(world: World) -> Path:
    """Takes the tokens of a command that hangs, with a background job; returns where it tells."""
    script = world.tool.home / "hangs"
    numbers = world.tool.home / "numbers"
    script.write_text(f"sleep 1000 & echo $$ $! > {numbers}; wait\n")
    world.log_in_by(f"{{provider: external, token: {{command: [sh, {script}]}}}}")
    return numbers


def until_left(numbers: Path) -> None:
    """Wait until the command, and what it started, are gone."""
    for number in numbers.read_text().split():
        until_gone(int(number))


def test_a_command_that_prints_a_token_ends_with_the_daemon(world: World) -> None:
    """With all that it started, though nobody has what it prints yet."""
    numbers = hanging(world)
    with world.tool.daemon(ready=False) as daemon:
        until(lambda: numbers.exists() and numbers.read_text(), "the command to run")
        assert daemon.end() == 0
    until_left(numbers)
    assert not daemon.says("mailbox.left_behind")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_prints_a_token_ends_with_the_program(
    world: World, number: signal.Signals
) -> None:
    """The same for `scan`."""
    numbers = hanging(world)
    process = world.tool.start("scan")
    until(lambda: numbers.exists() and numbers.read_text(), "the command to run")
    process.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number
    until_left(numbers)


# -- months of it --


def test_a_token_that_cannot_be_renewed_is_told_while_mail_comes(world: World) -> None:
    """In the log and in `status`, before the connection is lost; and that there is one again."""
    world.tool.text = world.tool.text.replace("poll: 60s", "poll: 1s")
    world.endpoint.life = 2
    world.by_secret()
    with world.tool.daemon() as daemon:
        world.endpoint.client_secret = "rotated"
        refused = {"mailbox": "integrations", "code": "oauth-credential"}
        until(lambda: daemon.says("oauth.trouble", **refused), "the refusal")
        world.resets.make_the_trip()

        def row() -> dict[str, object]:
            done = world.tool("status", "--json")
            [mailbox] = done.lines[0]["mailboxes"]
            return {key: mailbox[key] for key in ("trouble", "token", "failing")}

        told = {"trouble": None, "token": "oauth-credential", "failing": True}
        until(lambda: row() == told, "it to be noted")
        world.endpoint.life = 3600
        world.tool.secret("client-secret", "rotated")
        world.dovecot.kick(world.resets.user)
        until(lambda: daemon.says("oauth.renewed", mailbox="integrations"), "the next token")
        until(lambda: row() == {"trouble": None, "token": None, "failing": False}, "the note")


def test_a_secret_that_is_rotated_is_used_at_once(world: World) -> None:
    """The old one is refused when the connection ends; the daemon waits for another file."""
    # Over by the next login, which is ten seconds after this one at the earliest.
    world.endpoint.life = 4
    world.by_secret()
    with world.tool.daemon() as daemon:
        world.resets.make_the_trip()
        world.endpoint.client_secret = "rotated"
        world.dovecot.kick(world.resets.user)
        until(lambda: daemon.says("mailbox.trouble", code="oauth-credential"), "the refusal")
        world.resets.send()
        world.endpoint.life = 3600
        world.tool.secret("client-secret", "rotated")
        world.resets.arrive()


@ASKING
def test_a_token_that_was_revoked_is_replaced(world: World) -> None:
    """Where the server asks about it: another one on the next connection, and nothing is lost."""
    world.by_secret()
    with world.tool.daemon() as daemon:
        world.resets.make_the_trip()
        world.endpoint.revoke_all()
        world.dovecot.kick(world.resets.user)
        world.resets.make_the_trip()
        assert not daemon.says("mailbox.trouble", code="imap-token")


def test_a_token_that_ends_costs_no_connection(world: World) -> None:
    """Each login has one that lives, and what listens goes on without."""
    world.endpoint.life = 2
    world.by_secret()
    with world.tool.daemon() as daemon:
        world.resets.make_the_trip()
        until(lambda: daemon.says("mailbox.connected", folder="Junk"), "the second connection")
        for folder in ("INBOX", "Junk"):
            world.resets.make_the_trip(folder)
        assert not daemon.says("mailbox.trouble")
        world.dovecot.kick(world.resets.user)
        world.resets.make_the_trip()
        assert not daemon.says("mailbox.trouble", code="imap-token")


def test_while_the_endpoint_is_away_the_old_token_serves(world: World) -> None:
    """A connection that is lost meanwhile comes back."""
    world.by_secret()
    with world.tool.daemon():
        world.resets.make_the_trip()
        world.endpoint.always(Reply(503))
        world.dovecot.kick(world.resets.user)
        world.resets.make_the_trip()


def test_a_tool_that_renews_its_token_late(world: World) -> None:
    """The daemon sees the new file, and does not wait for the end of its pause."""
    file = world.tool.secret("access-token", world.endpoint.access_token(exp=1))
    world.log_in_by("{provider: external, token: {file: access-token}}")
    world.resets.send()
    done = world.fails("imap-token-external")
    assert "next: see whether the tool behind oauth2.token still renews it" in done.out
    with world.tool.daemon() as daemon:
        until(lambda: daemon.says("mailbox.trouble", code="imap-token-external"), "the refusal")
        file.write_text(world.endpoint.access_token() + "\n", "ascii")
        world.resets.arrive()


def test_a_client_certificate_logs_in(
    tmp_path: Path, openbao: OpenBao, user: str, org: str
) -> None:
    """SASL EXTERNAL: neither a password nor a token is configured."""
    with Dovecot(certificates=True) as dovecot:
        tool = program(tmp_path / "tool", dovecot, openbao, user, org)
        leaf = dovecot.ca.issue_cert(user, common_name=user)
        pem = leaf.private_key_and_cert_chain_pem.bytes().decode()
        tool.secret("client.pem", pem)
        tool.configure(password="client_certificate: {file: client.pem}")
        resets = Resets(tool, dovecot, openbao, user, org)
        with tool.daemon():
            resets.make_the_trip()
