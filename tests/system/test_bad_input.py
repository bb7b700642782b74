"""Whatever is wrong: one clear message with the next step, the right exit code, nothing lost,
and never a traceback."""

from __future__ import annotations

import resource
import subprocess
from datetime import UTC, datetime

import pytest

from tests.kit import mails
from tests.kit.program import COMMAND, Done, Program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE
from token_catcher.advice import NEXT_STEP

NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "FAKEpatientTOKENnotREAL1a"


@pytest.fixture
def waiting(tool: Program, dovecot: Dovecot, user: str) -> Program:
    """A program with one genuine mail in its inbox,
    which must be stored once everything is well again."""
    dovecot.deliver(mails.genuine(token=TOKEN, issued_at=NOW), user)
    return tool


def all_is_well_again(tool: Program, openbao: OpenBao, org: str) -> None:
    """Nothing was lost by the trouble: with the first configuration the token is stored, once."""
    tool.configure()
    assert tool("scan", "--again").code == 0
    secret = openbao.get(f"salesforce/{org}/integration@acme.example")
    assert secret is not None
    assert secret["security_token"] == TOKEN
    assert tool.outcomes == [("stored", None)]
    assert len(openbao.versions(f"salesforce/{org}/integration@acme.example")) == 1


def waits(org: str, folder: str = "salesforce") -> str:
    """How the line of the mail begins: whose token waits, and where it goes."""
    user = "integration@acme.example"
    return f"integrations INBOX/1  retry  {user} → {folder}/{org}/{user}"


def step(code: str) -> str:
    """The line of the next step after an error with this code."""
    return f"  next: {NEXT_STEP[code]}"


def told(done: Done) -> tuple[int, list[str]]:
    """Exit code and standard output; standard error holds events, and no traceback."""
    assert "Traceback" not in done.err
    assert all(line.startswith("{") for line in done.err.splitlines())
    return done.code, done.out.splitlines()


def test_unknown_host(waiting: Program, openbao: OpenBao, org: str) -> None:
    """The host name does not exist."""
    waiting.configure(host="host: nowhere.invalid", port="port: 993")
    assert told(waiting("scan")) == (
        1,
        [
            "integrations  error  imap-connect: mailbox integrations: nowhere.invalid:993: the"
            " host name is not known",
            step("imap-connect"),
        ],
    )
    all_is_well_again(waiting, openbao, org)


def test_nobody_listens(waiting: Program, openbao: OpenBao, org: str) -> None:
    """The port is closed."""
    waiting.configure(port="port: 1")
    assert told(waiting("scan")) == (
        1,
        [
            "integrations  error  imap-connect: mailbox integrations: localhost:1: not reached"
            " during connect"
            " (ConnectionRefusedError)",
            step("imap-connect"),
        ],
    )
    all_is_well_again(waiting, openbao, org)


def test_untrusted_certificate(
    waiting: Program, dovecot: Dovecot, openbao: OpenBao, org: str
) -> None:
    """The system's authorities do not know the server's certificate."""
    waiting.configure(ca_file="ca_file: null")
    assert told(waiting("scan")) == (
        1,
        [
            "integrations  error  imap-certificate: mailbox integrations:"
            f" localhost:{dovecot.tls_port}: its certificate was not issued by"
            " an authority that we trust",
            step("imap-certificate"),
        ],
    )
    all_is_well_again(waiting, openbao, org)


def test_wrong_password(waiting: Program, dovecot: Dovecot, openbao: OpenBao, org: str) -> None:
    """The server refuses the login:
    said once, without the password, and `--wait` does not knock again."""
    waiting.secret("imap-password", "not-the-password")
    where = f"mailbox integrations: localhost:{dovecot.tls_port}"
    line = f"integrations  error  imap-login: {where}: the login was refused"
    assert told(waiting("scan")) == (1, [line, step("imap-login")])
    done = waiting("scan", "--wait", "50s")
    assert (done.code, done.out.splitlines()) == (1, [line, step("imap-login")])
    assert "not-the-password" not in done.out + done.err
    waiting.secret("imap-password", dovecot.password)
    all_is_well_again(waiting, openbao, org)


def test_missing_folder(waiting: Program, openbao: OpenBao, org: str) -> None:
    """A folder of the configuration is not there;
    those that are are listed, and the inbox is looked at all the same."""
    waiting.configure(poll="folders: {inbox: INBOX, spam: Spamverdacht}")
    code, lines = told(waiting("scan"))
    problem = (
        "integrations  error  imap-folder: mailbox integrations: got no folder 'Spamverdacht',"
        " expected one of: "
    )
    assert (code, lines[0], lines[2]) == (
        1,
        "integrations INBOX/1  stored  integration@acme.example →"
        f" salesforce/{org}/integration@acme.example v1",
        step("imap-folder"),
    )
    assert lines[1].startswith(problem)
    assert {"INBOX", "Junk"} == set(lines[1].removeprefix(problem).split(", "))
    all_is_well_again(waiting, openbao, org)


def test_vault_not_reached(waiting: Program, openbao: OpenBao, org: str) -> None:
    """Nobody listens at Vault's address: the mail waits."""
    waiting.configure(address="address: http://127.0.0.1:9")
    where = "vault-unreachable: Vault at http://127.0.0.1:9 was not reached (Connection refused)"
    next_step = step("vault-unreachable")
    assert told(waiting("scan")) == (
        1,
        [f"{waits(org)} {where}", next_step, f"integrations  error  {where}", next_step],
    )
    all_is_well_again(waiting, openbao, org)


def test_sealed_vault(
    waiting: Program, dovecot: Dovecot, own_openbao: OpenBao, openbao: OpenBao, org: str
) -> None:
    """Vault is sealed: the mail waits, and is stored once it is unsealed."""
    own_openbao.seal()
    waiting.secret("root-token", own_openbao.root_token)
    auth = "auth: {method: token, token: {file: root-token}}"
    waiting.configure(address=f"address: {own_openbao.url}", auth=auth)
    where = (
        f"vault-sealed: Vault at {own_openbao.url} is away: 503, sealed, or without an active node"
    )
    next_step = step("vault-sealed")
    assert told(waiting("scan")) == (
        1,
        [f"{waits(org)} {where}", next_step, f"integrations  error  {where}", next_step],
    )
    own_openbao.unseal()
    assert waiting("scan", "--again").code == 0
    secret = own_openbao.get(f"salesforce/{org}/integration@acme.example")
    assert secret is not None
    assert secret["security_token"] == TOKEN
    assert waiting.outcomes == [("stored", None)]


def test_kv_version_1(waiting: Program, openbao: OpenBao, org: str) -> None:
    """A KV version 1 mount would take the write and store it wrongly: it is refused before."""
    mount = openbao.mount(f"{org}-v1", version=1)
    waiting.secret("root-token", openbao.root_token)
    waiting.configure(
        mount=f"mount: {mount}", auth="auth: {method: token, token: {file: root-token}}"
    )
    code, lines = told(waiting("scan"))
    assert (code, lines) == (
        1,
        [
            f"{waits(org)} vault-kv1: vault.mount: {mount} is kv version 1, expected kv version 2",
            step("vault-kv1"),
            "integrations: 1 looked at, nothing new; 1 still waiting",
        ],
    )
    assert openbao.ask("get", f"{mount}?list=true").status == 404
    all_is_well_again(waiting, openbao, org)


def test_policy_too_narrow(waiting: Program, openbao: OpenBao, org: str) -> None:
    """Vault denies the path; the capabilities that are missing are named."""
    waiting.configure(path="path: elsewhere/{org}/{username}")
    path = f"secret/data/elsewhere/{org}/integration@acme.example"
    code, lines = told(waiting("scan"))
    assert (code, lines) == (
        1,
        [
            f"{waits(org, 'elsewhere')} vault-policy: Vault denies access to {path} (got 403,"
            " expected the capabilities"
            " create, read, update and patch)",
            step("vault-policy"),
            "integrations: 1 looked at, nothing new; 1 still waiting",
        ],
    )
    all_is_well_again(waiting, openbao, org)


def test_used_up_secret_id(waiting: Program, openbao: OpenBao, org: str) -> None:
    """The AppRole login is refused: what to make anew is named, the secret_id is not."""
    good = (waiting.home / "secret-id").read_text().strip()
    waiting.secret("secret-id", "used-up-secret-id")
    done = waiting("scan")
    assert told(done) == (
        1,
        [
            f"{waits(org)} vault-login: Vault at {openbao.url} refused the AppRole"
            " login at auth/approle/login (got 400, expected"
            " 200): role_id or secret_id is wrong, expired or used up",
            step("vault-login"),
            "integrations: 1 looked at, nothing new; 1 still waiting",
        ],
    )
    assert "used-up-secret-id" not in done.err
    waiting.secret("secret-id", good)
    all_is_well_again(waiting, openbao, org)


def test_full_disk(waiting: Program, openbao: OpenBao, org: str) -> None:
    """The record cannot be written:
    the mail stays unsettled, no half record is left, and nothing is written twice."""

    def no_room() -> None:
        # Enough for the checkpoint of two folders (600 bytes), not for a record (750).
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))

    words = [COMMAND, "--config", str(waiting.config), "scan"]
    full = subprocess.run(
        words, capture_output=True, text=True, preexec_fn=no_room, timeout=PATIENCE, check=False
    )
    assert (full.returncode, "next: make room for the journal" in full.stdout) == (1, True)
    assert "Traceback" not in full.stderr
    assert waiting.journal == []
    assert waiting("scan").code == 0
    assert [(record["event"], record.get("recovered")) for record in waiting.journal] == [
        ("rotation.stored", True)
    ]
    all_is_well_again(waiting, openbao, org)


def test_broken_configuration(tool: Program) -> None:
    """Every problem at once, each with file, line, key, what was got and what is expected;
    exit code 2."""
    tool.configure(poll="pol: 60s", host="host: 3", port="port: 99999999")
    done = tool("scan")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"token-catcher: {tool.config}:5: mailboxes[0].host: got 3, expected a host name or an IP"
        " address alone, in ASCII",
        f"{tool.config}:6: mailboxes[0].port: got 99999999, expected a port, 1 to 65535",
        f"{tool.config}:12: mailboxes[0].pol: got an unknown key (did you mean 'poll'?), expected"
        " one of name, host, tls, port,"
        " ca_file, username, password, oauth2, client_certificate, addresses, folders,"
        " after_capture, idle, poll, lookback",
        f"next: {NEXT_STEP['configuration-lines']}",
    ]


def typed(value: object) -> str:
    """The name of a case: what is typed, and not the complaint."""
    return " ".join(value) if isinstance(value, tuple) else ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("scan", "--user", "x"), "Invalid value: --user goes with --wait"),
        (("scan", "--mailbox", "other"), "--mailbox: got 'other', expected one of: integrations"),
        (
            ("scan", "--since", "soon"),
            "got 'soon', expected a time (2026-02-03T12:00:00Z) or a duration back from now",
        ),
        (
            ("scan", "--dry-run", "--wait", "1m"),
            "--dry-run writes nothing, so there is nothing to --wait for",
        ),
        (
            ("history", "--event", "moved"),
            "--event: got 'moved', expected one of: stored, unchanged, held, refused",
        ),
        (
            ("history", "--since", "soon"),
            "got 'soon', expected a time (2026-02-03T12:00:00Z) or a duration back from now",
        ),
        (("history", "--json", "--csv"), "choose one of --json, --csv and --html"),
        (("history", "--wide", "--csv"), "--wide is for the table: leave out --json, --csv and"),
        (("audit", "mend"), "No such command 'mend'"),
    ],
    ids=typed,
)
def test_wrong_usage(tool: Program, words: tuple[str, ...], complaint: str) -> None:
    """Says what was got and what is expected, with exit code 2."""
    done = tool(*words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_a_broken_journal_stops_everything(
    waiting: Program, openbao: OpenBao, user: str, dovecot: Dovecot, org: str
) -> None:
    """A journal that was edited is not continued: the line is named, and the next token waits."""
    assert waiting("scan").code == 0
    journal = waiting.state / "journal.jsonl"
    good = journal.read_bytes()
    journal.write_bytes(good.replace(b"integration@", b"innocenteee@"))
    dovecot.deliver(
        mails.genuine(token="FAKElaterTOKENnotREAL123a", issued_at=NOW.replace(microsecond=0)), user
    )
    problem = f"{journal}:1: the line was edited: its content does not have the hash it names"
    assert waiting("audit", "verify").out.splitlines()[1] == problem
    done = waiting("scan")
    assert (done.code, problem in done.out + done.err) == (1, True)
    with waiting.daemon(ready=False) as daemon:
        assert daemon.process.wait(PATIENCE) == 1
    journal.write_bytes(good)
    assert waiting("audit", "verify").code == 0
