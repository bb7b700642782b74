"""`token-catcher init`: a configuration that works, from flags or from answers at a terminal."""

from __future__ import annotations

import signal
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.kit.program import COMMAND, POLICY
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.terminal import Terminal
from tests.kit.waiting import PATIENCE

WRITTEN = """\
# The configuration of token-catcher, as `token-catcher init` wrote it.
# `token-catcher config example` prints every key with a line of why; `token-catcher check`
# says whether this one works.

# Our own files: checkpoints, public keys, the journal. Nobody else may write it.
state_dir: {home}/state

mailboxes:                              # the IMAP accounts to watch
  - name: integrations                  # stands in logs, metrics and the journal
    host: localhost
    port: {port}
    ca_file: {ca_file}
    username: {user}
    # A secret is never written here: it is read from its place at every login.
    password: {{file: imap-password}}
    addresses: [ops@example.com] # the To addresses that are ours

orgs:                                   # mail of users that are not named is held
  - name: {org}
    environment: production
    usernames: ["*@acme.example"]
    # org_id: 00D…                      # set it: mail of no other org counts then

vault:
  address: {vault}
  # What makes its policy and AppRole: `token-catcher init --vault-setup kv2` prints it.
  auth: {{method: approle, role_id: {role_id}, secret_id: {{file: secret-id}}}}
  mount: secret
  path: salesforce/{{org}}/{{username}}     # below the mount
"""


@dataclass
class Desk:
    """An empty directory, and servers that a configuration there can be about."""

    home: Path
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    role_id: str = ""
    secret_id: str = ""
    env: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.home / "config.yaml"

    @property
    def text(self) -> str:
        """What is to be written."""
        return WRITTEN.format(
            home=self.home,
            port=self.dovecot.tls_port,
            ca_file=self.dovecot.ca_file,
            user=self.user,
            org=self.org,
            vault=self.openbao.url,
            role_id=f'"{self.role_id}"' if self.role_id[0].isdigit() else self.role_id,
        )

    def secret(self, name: str, value: str) -> None:
        """A file that only we can read."""
        (self.home / name).touch(0o600)
        (self.home / name).write_text(f"{value}\n", "ascii")

    @property
    def flags(self) -> list[str]:
        """One for every answer."""
        return [
            "--address=ops@example.com",
            "--host=localhost",
            f"--port={self.dovecot.tls_port}",
            f"--ca-file={self.dovecot.ca_file}",
            f"--username={self.user}",
            "--password=imap-password",
            f"--org={self.org}",
            "--user=*@acme.example",
            f"--vault={self.openbao.url}",
            f"--role-id={self.role_id}",
            "--secret-id=file:secret-id",
        ]

    def words(self, *words: str) -> list[str]:
        return [COMMAND, "--config", str(self.config), "init", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Without a terminal."""
        return subprocess.run(
            self.words(*words),
            input="",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture
def desk(tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Desk:
    openbao.policy("token-catcher", POLICY.read_text("utf-8"))
    role = openbao.approle(org, "token-catcher")
    home = tmp_path / "desk"
    home.mkdir()
    return Desk(home, dovecot, openbao, dovecot.user(user), org, role.role_id, role.secret_id)


def failures(text: str) -> list[str]:
    """What has failed, but for DNS, which is this machine's."""
    lines = [line for line in text.splitlines() if line.startswith("failed ")]
    return [line for line in lines if not line.startswith("failed   dns ")]


def test_from_flags(desk: Desk) -> None:
    """Nobody is asked. The configuration is ours alone, and `check` ends it."""
    desk.secret("imap-password", desk.dovecot.password)
    desk.secret("secret-id", desk.secret_id)
    done = desk.run("--yes", *desk.flags)
    assert done.stderr == f"token-catcher: wrote {desk.config}\n"
    assert done.returncode == int("\nfailed " in done.stdout)
    assert failures(done.stdout) == []
    assert desk.config.read_text("utf-8") == desk.text
    assert stat.S_IMODE(desk.config.stat().st_mode) == 0o600
    lines = done.stdout.splitlines()
    assert f"ok       imap           login          integrations: as {desk.user}" in lines
    assert lines[-1].endswith(" skipped")
    assert sorted(file.name for file in desk.home.iterdir()) == [
        "config.yaml",
        "imap-password",
        "secret-id",
    ]


def test_what_does_not_work_is_told(desk: Desk) -> None:
    """It is written all the same: what is wrong may be elsewhere. The exit code is check's."""
    desk.secret("imap-password", "another")
    desk.secret("secret-id", desk.secret_id)
    done = desk.run("--yes", *desk.flags)
    assert done.returncode == 1
    assert "failed   imap           login" in done.stdout
    assert desk.config.read_text("utf-8") == desk.text


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        ("--address", "--address: got nothing, expected the address that Salesforce writes to"),
        (
            "--role-id",
            "--role-id: got nothing, expected the role_id of the AppRole (`token-catcher init"
            " --vault-setup kv2` prints what makes one)",
        ),
        (
            "--user",
            "--user: got nothing, expected its usernames, or patterns such as *@acme.example",
        ),
    ],
)
def test_an_answer_that_is_missing(desk: Desk, left_out: str, told: str) -> None:
    """Where nobody can be asked, that is an error, and nothing is written."""
    done = desk.run(*[flag for flag in desk.flags if not flag.startswith(f"{left_out}=")])
    assert done.returncode == 2
    assert f"token-catcher: {told}\n" in done.stderr
    assert list(desk.home.iterdir()) == []


def test_an_answer_that_cannot_be(desk: Desk) -> None:
    """It is told as of a configuration, and nothing is written."""
    done = desk.run(*desk.flags, "--tls=maybe")
    assert done.returncode == 2
    assert f"token-catcher: {desk.config}:11: mailboxes[0].tls: got 'maybe'" in done.stderr
    assert not desk.config.exists()


def test_a_configuration_that_is_there(desk: Desk) -> None:
    """It stays, unless that is said."""
    desk.config.write_text("ours\n", "ascii")
    done = desk.run("--yes", *desk.flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == (
        f"token-catcher: {desk.config}: is there already, expected --force, or another --output"
    )
    assert desk.config.read_text("ascii") == "ours\n"
    desk.run("--yes", "--force", *desk.flags)
    assert desk.config.read_text("utf-8") == desk.text


@pytest.fixture
def terminal(desk: Desk) -> Terminal:
    """At which nothing is answered by flags."""
    return Terminal(desk.words())


PASSWORD = "The password (it is not shown): "
SECRET_ID = "The secret_id (it is not shown): "


def answers(desk: Desk) -> list[tuple[str, str]]:
    """Every prompt, and its answer, of a run that goes well once port and authority are known."""
    return [
        ("The address that Salesforce writes to: ", "ops@example.com"),
        ("The IMAP server [imap.example.com]: ", "localhost"),
        ("The login name there [ops@example.com]: ", desk.user),
        ("a file, or env:NAME [imap-password]: ", ""),
        ("Type what belongs into it? [Y/n] ", ""),
        (PASSWORD, desk.dovecot.password),
        ("Its port [993]: ", str(desk.dovecot.tls_port)),
        ("A file with the authority that issued its certificate: ", str(desk.dovecot.ca_file)),
        ("A name for the Salesforce org [production]: ", desk.org),
        ("such as *@acme.example: ", "*@acme.example"),
        ("production or sandbox [production]: ", ""),
        ("if it is at hand: ", ""),
        ("such as 90d (empty: never): ", ""),
        ("The address of Vault: ", desk.openbao.url),
        ("mounted [secret]: ", ""),
        ("prints what makes one): ", desk.role_id),
        ("a file, or env:NAME [vault-secret-id]: ", "secret-id"),
        ("Type what belongs into it? [Y/n] ", "y"),
        (SECRET_ID, desk.secret_id),
    ]


def test_at_a_terminal(desk: Desk, terminal: Terminal) -> None:
    """Port and authority are asked for where the first try lacks them; what is typed of a secret is
    not shown."""
    for prompt, answer in answers(desk):
        terminal.answer(prompt, answer)
    terminal.end()
    assert failures(terminal.shown) == []
    assert desk.config.read_text("utf-8") == desk.text
    for name in ("imap-password", "secret-id"):
        assert stat.S_IMODE((desk.home / name).stat().st_mode) == 0o600
    assert desk.secret_id not in terminal.shown


def test_answers_that_do_not_do(desk: Desk) -> None:
    """Each is tried at once, and can be mended; what is no answer is asked for again."""
    terminal = Terminal(
        desk.words(f"--port={desk.dovecot.tls_port}", f"--ca-file={desk.dovecot.ca_file}")
    )
    for keys in (b"\x1b[A\n", b"\xff\n"):  # an arrow; no UTF-8
        terminal.type("The address that Salesforce writes to: ", keys)
        terminal.until("got keys that make no text, expected an answer")
    terminal.answer("The address that Salesforce writes to: ", "ops@example.com")
    terminal.answer("The IMAP server [imap.example.com]: ", "localhost")
    terminal.answer("The login name there [ops@example.com]: ", "")
    terminal.answer("a file, or env:NAME [imap-password]: ", "")
    terminal.answer("Type what belongs into it? [Y/n] ", "")
    terminal.answer(PASSWORD, "")
    terminal.answer(PASSWORD, desk.dovecot.password)
    terminal.answer("Change these answers? [Y/n] ", "")
    terminal.answer("The address that Salesforce writes to [ops@example.com]: ", "")
    terminal.answer("The IMAP server [localhost]: ", "")
    terminal.answer("The login name there [ops@example.com]: ", desk.user)
    terminal.answer("a file, or env:NAME [imap-password]: ", "")
    terminal.answer("A name for the Salesforce org [production]: ", desk.org)
    terminal.answer("such as *@acme.example: ", "*@acme.example")
    terminal.answer("production or sandbox [production]: ", "")
    terminal.answer("if it is at hand: ", "")
    terminal.answer("such as 90d (empty: never): ", "ninety days")
    terminal.until("orgs[0].max_age: got ")
    terminal.answer("A name for the Salesforce org [production]: ", desk.org)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130


AT = [1, 6, 7, 8, 9, 14, 19]
"""Of the prompts, the first, those of secrets, of port and authority, of the org and of Vault."""


@pytest.mark.parametrize("prompts", AT)
def test_leaving_in_the_middle(desk: Desk, terminal: Terminal, prompts: int) -> None:
    """Nothing is left of it, not even a secret that was typed; and the terminal is as it was."""
    *before, (last, _) = answers(desk)[:prompts]
    for prompt, answer in before:
        terminal.answer(prompt, answer)
    terminal.until(last)
    assert (desk.home / "imap-password").exists() == (prompts > 6)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert "token-catcher: ended; nothing was written" in terminal.shown
    assert list(desk.home.iterdir()) == []


def test_leaving_while_a_secret_is_asked_for(desk: Desk, terminal: Terminal) -> None:
    """The terminal shows again what is typed."""
    *before, (last, _) = answers(desk)[:6]
    for prompt, answer in before:
        terminal.answer(prompt, answer)
    terminal.until(last)
    assert not terminal.echoes()
    terminal.process.send_signal(signal.SIGINT)
    terminal.process.wait(PATIENCE)
    assert terminal.echoes()
    assert terminal.end() == 130


@pytest.mark.parametrize("prompts", [1, 5, 6, 9])
def test_the_end_of_input(desk: Desk, terminal: Terminal, prompts: int) -> None:
    """Whoever was asked has gone: that is no answer, and nothing is left."""
    *before, (last, _) = answers(desk)[:prompts]
    for prompt, answer in before:
        terminal.answer(prompt, answer)
    terminal.until(last)
    terminal.type_end()
    assert terminal.end() == 2
    assert "token-catcher: got the end of standard input, expected an answer" in terminal.shown
    assert list(desk.home.iterdir()) == []


def test_a_directory_that_is_not_there(desk: Desk) -> None:
    """It is told before anything is asked."""
    desk.home.rmdir()
    done = desk.run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == (
        f"token-catcher: {desk.home}: is no directory, expected one that is there: make it first"
    )


def test_a_name_that_is_a_directory(desk: Desk) -> None:
    """It is told before anything is asked, with `--force` as well."""
    desk.config.mkdir()
    done = desk.run("--force", *desk.flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{desk.config}: is a directory, expected the name of a file\n" in done.stderr


def test_a_configuration_that_somebody_made_meanwhile(desk: Desk, terminal: Terminal) -> None:
    """It stays: nobody agreed to its end."""
    *before, (last, answer) = answers(desk)
    for prompt, text in before:
        terminal.answer(prompt, text)
    terminal.until(last)
    desk.config.write_text("theirs\n", "ascii")
    terminal.answer(last, answer)
    assert terminal.end() == 2
    assert "is there already, expected --force, or another --output" in terminal.shown
    assert [file.name for file in desk.home.iterdir()] == ["config.yaml"]
    assert desk.config.read_text("ascii") == "theirs\n"


def test_no_replacement(desk: Desk) -> None:
    """Who only presses Enter keeps the configuration that is there."""
    desk.config.write_text("ours\n", "ascii")
    terminal = Terminal(desk.words())
    terminal.answer("is there already. Replace it? [y/N] ", "")
    assert terminal.end() == 2
    assert desk.config.read_text("ascii") == "ours\n"


def test_an_answer_that_is_neither_yes_nor_no(desk: Desk) -> None:
    """What was typed for another question is taken for neither: it is asked again."""
    desk.config.write_text("ours\n", "ascii")
    terminal = Terminal(desk.words())
    terminal.answer("is there already. Replace it? [y/N] ", "perhaps")
    terminal.answer("is there already. Replace it? [y/N] ", "No")
    assert terminal.end() == 2
    assert desk.config.read_text("ascii") == "ours\n"


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        (["--address=sf@outlook.com"], "outlook.com"),
        (["--address=sf@acme.onmicrosoft.com"], "acme.onmicrosoft.com"),
        (["--address=sf@acme.example", "--host=outlook.office365.com"], "outlook.office365.com"),
    ],
    ids=["address", "a tenant's own domain", "host"],
)
def test_a_provider_that_takes_no_passwords(desk: Desk, flags: list[str], place: str) -> None:
    """It is known by the address or the host, and a section for access tokens is asked for."""
    done = desk.run("--yes", *flags)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{place}: Microsoft 365; it takes access tokens alone (docs/microsoft-365.md)",
        "token-catcher: --oauth2: got nothing, expected a section such as {provider: microsoft,"
        " tenant: …, client_id: …, certificate: {file: app.pem}} (docs/microsoft-365.md has the"
        " ways and their steps)",
        "next: type that flag, or start it at a terminal: `--help` names them all (TC160)",
    ]
