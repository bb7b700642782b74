"""The diagnosis of a mail server, against servers that fail at one step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.kit.fakes import Silent, utc_now
from tests.kit.odd_imap import Account, How, OddImap, Quirks, Trouble
from tests.kit.tokens import CLIENT_ID, TokenEndpoint
from tests.unit.config.texts import changed, load, write_secret
from token_catcher.app import App
from token_catcher.diagnosis.mail_server import MailServer
from token_catcher.diagnosis.step import Step
from token_catcher.logins import entrance_of

PASSWORD = "password: {file: imap-password}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Beside the configuration: its secrets."""
    write_secret(tmp_path / "imap-password", "test-password")
    return tmp_path


@pytest.fixture
def server() -> Iterator[OddImap]:
    with OddImap() as server:
        yield server


def steps(
    home: Path, server: OddImap, login: str = PASSWORD, more: str = "", limit: float = 30.0
) -> list[Step]:
    """Of a mailbox on this server."""
    return steps_of(app_of(home, server, login, more), limit)


def app_of(home: Path, server: OddImap, login: str = PASSWORD, more: str = "") -> App:
    """With one mailbox on this server."""
    text = changed("    host: imap.example.com\n", f"    host: 127.0.0.1\n    tls: none\n{more}")
    text = text.replace(PASSWORD, f"{login}\n    port: {server.port}")
    return App(load(home, text), Silent(), writing=False)


def steps_of(app: App, limit: float = 30.0) -> list[Step]:
    """Of its only mailbox."""
    mailbox = app.config.mailboxes[0]
    entrance = entrance_of(mailbox, Silent())
    account = app.account(mailbox, entrance.login)
    context = app.context(mailbox)
    with closing(
        MailServer(mailbox, account, entrance, context, now=utc_now, log=Silent(), limit=limit)
    ) as under_test:
        return list(under_test.steps())


def outcomes(steps: list[Step]) -> list[tuple[str, str, str]]:
    """Step, outcome and code."""
    return [(step.step, step.outcome, step.code) for step in steps]


BEFORE = [("reach", "ok", ""), ("tls", "ok", "")]


def test_a_server_that_works(home: Path, server: OddImap) -> None:
    """It is logged in to once, and nothing but reading is asked of it."""
    assert outcomes(steps(home, server)) == [
        *BEFORE,
        ("login", "ok", ""),
        ("open", "ok", ""),
        ("folders", "ok", ""),
        ("idle", "ok", ""),
    ]
    assert server.counts["LOGIN"] == 1
    assert server.counts["EXAMINE"] == 2
    assert {"SELECT", "STORE", "APPEND", "EXPUNGE"} & set(server.counts) == set()


@pytest.mark.parametrize(
    ("command", "step"), [("LIST", "open"), ("EXAMINE", "open"), ("LOGIN", "login")]
)
def test_a_server_that_hangs(home: Path, command: str, step: str) -> None:
    """Each step has a limit; what builds on it is skipped."""
    with OddImap(Quirks(troubles=(Trouble(command, How.HANGS),))) as server:
        told = outcomes(steps(home, server, limit=2.0))
    assert (step, "failed", "check-limit") in told
    assert told[-1] in ((step, "failed", "check-limit"), ("open", "skipped", ""))


def test_a_connection_that_breaks(home: Path) -> None:
    """Further steps in that session are skipped."""
    with OddImap(Quirks(troubles=(Trouble("EXAMINE", How.CLOSES, after=1),))) as server:
        assert outcomes(steps(home, server))[-2:] == [
            ("folders", "failed", "imap-connection"),
            ("idle", "skipped", ""),
        ]


def test_a_spam_folder_of_a_known_name(home: Path) -> None:
    """How it was found is told: a name may be changed, and a mark may be taken off."""
    with OddImap(Quirks(lacks=frozenset({"SPECIAL-USE"}), junk_name="Spamverdacht")) as server:
        (folders,) = [step for step in steps(home, server) if step.step == "folders"]
    assert folders.saw == "'Spamverdacht' opens read-only: 0 mails, found by a known name"


def test_further_folders(home: Path, server: OddImap) -> None:
    """Each is opened; one that is missing keeps no other step from being tried."""
    more = "    folders: {spam: null, also: [Junk, Archive]}\n    idle: false\n"
    assert [(step.step, step.outcome, step.saw) for step in steps(home, server, more=more)[3:]] == [
        ("open", "ok", "'INBOX' opens read-only: 0 mails"),
        ("folders", "ok", "'Junk' opens read-only: 0 mails"),
        ("folders", "failed", "got no folder 'Archive', expected one of: INBOX, Junk"),
    ]


@pytest.mark.parametrize("action", ["seen", "{move: Done}"])
def test_what_is_done_to_settled_mail(home: Path, action: str) -> None:
    """What that needs is looked at, and nothing is done."""
    with OddImap(account=Account(("INBOX", "Junk", "Done"))) as server:
        told = steps(home, server, more=f"    after_capture: {action}\n")
    assert outcomes(told)[-1] == ("after_capture", "ok", "")


def by(endpoint: TokenEndpoint, secret: str) -> str:
    """A login by access token."""
    return (
        f"oauth2: {{provider: custom, token_url: {endpoint.token_url}, client_id: {CLIENT_ID},"
        f" {secret}}}"
    )


def test_a_refresh_token_is_kept(home: Path, server: OddImap) -> None:
    """It is the one thing that is written: the old one may be used up."""
    server.account.takes_token = bool
    with TokenEndpoint() as endpoint:
        write_secret(home / "refresh-token", endpoint.refresh_token)
        told = steps(home, server, by(endpoint, "refresh_token: {file: refresh-token}"))
        assert (home / "refresh-token").read_text("ascii").strip() == endpoint.refresh_token
        assert not endpoint.stolen
    assert outcomes(told)[:4] == [*BEFORE, ("token", "ok", ""), ("login", "ok", "")]
    assert told[2].saw == "an access token, good for 3600 s"
    assert len(endpoint.given) == 1


def test_a_token_of_which_nobody_says_when_it_ends(home: Path, server: OddImap) -> None:
    """It is as good."""
    server.account.takes_token = bool
    write_secret(home / "access-token", "of-another-tool")
    login = "oauth2: {provider: external, token: {file: access-token}}"
    assert steps(home, server, login)[2].saw == "an access token; nobody says when it ends"


def test_a_refresh_token_that_is_not_there(home: Path, server: OddImap) -> None:
    """What is wrong was told where the files are."""
    with TokenEndpoint() as endpoint:
        write_secret(home / "refresh-token", endpoint.refresh_token)
        login = by(endpoint, "refresh_token: {file: refresh-token}")
        app = app_of(home, server, login)
        (home / "refresh-token").unlink()
        told = steps_of(app)
    assert outcomes(told) == [
        *BEFORE,
        ("token", "skipped", ""),
        ("login", "skipped", ""),
        ("open", "skipped", ""),
    ]


def test_without_the_extra(home: Path, server: OddImap, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be installed is told by the step that needs it."""
    monkeypatch.setitem(sys.modules, "msal", None)
    write_secret(home / "client-secret", "a~secret")
    login = (
        "oauth2: {provider: microsoft, tenant: contoso.example, client_id: x,"
        " client_secret: {file: client-secret}}"
    )
    told = steps(home, server, login)
    assert outcomes(told)[2:] == [
        ("token", "failed", "oauth-extra"),
        ("login", "skipped", ""),
        ("open", "skipped", ""),
    ]
    assert told[2].saw == (
        "got no msal, which provider microsoft needs,"
        " expected `pip install '.[microsoft]'` from the checkout, or `pipx install --force"
        " '.[microsoft]'`"
    )
