"""The installed command where no server is needed: help, exit codes, streams, and every input.

Mailbox and Vault are out of reach in this configuration: whoever asks them gets an error in a
moment."""

from __future__ import annotations

import gzip
import json
import mailbox as containers
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from dns.rcode import SERVFAIL

import token_catcher
from tests.kit import mails
from tests.kit.dns import TinyDns
from tests.kit.fakes import Silent
from tests.kit.mails import ADDRESS, ISSUED, TOKEN, USERNAME
from tests.kit.program import COMMAND, Done, Program
from tests.kit.servers import until
from tests.kit.waiting import PATIENCE
from token_catcher.advice import USUAL_REASONS, next_step
from token_catcher.model import Entry, Event, Secret, as_fields
from token_catcher.record import NO_KEYS, Keyring, record_schema
from token_catcher.record.journal import Journal

CONFIG = f"""\
state_dir: state
instance: test
mailboxes:
  - name: integrations
    host: 127.0.0.1
    port: 1
    username: {ADDRESS}
    password: {{file: imap-password}}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: http://127.0.0.1:9
  auth: {{method: token, token: {{file: vault-token}}}}
trust: {{dkim_keys: dkim-keys}}
log: {{level: info}}
"""
SECRET, VAULT_TOKEN = "pw-that-nobody-sees", "hvs.FAKEvaultTokenNotReal"
NOBODY_THERE = (
    "mailbox integrations: 127.0.0.1:1: not reached during connect (ConnectionRefusedError)"
)


def test_a_name_that_the_terminal_cannot_hold(alone: Program, tmp_path: Path) -> None:
    """A mail's file and a file that is not there: shown with escapes, and ended as always."""
    mail = tmp_path / "Entwürfe.eml"
    mail.write_bytes(mails.genuine())
    undecodable = os.fsdecode(b"caf\xe9.eml")
    for words, code, shown in (
        (("explain", str(mail)), 0, "Entw\\xfcrfe.eml"),
        (("explain", str(tmp_path / undecodable)), 1, "caf\\udce9.eml"),
        (("history", str(tmp_path / "Entwürfe.jsonl")), 1, "Entw\\xfcrfe.jsonl"),
    ):
        done = subprocess.run(
            [COMMAND, "--config", str(alone.config), *words],
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            timeout=PATIENCE,
            check=False,
        )
        text = (done.stdout + done.stderr).decode("ascii")
        assert (done.returncode, "Traceback" in text) == (code, False), text
        assert shown in text


@pytest.fixture
def alone(tmp_path: Path) -> Program:
    """A program of which neither mailbox nor Vault can be reached."""
    built = Program(tmp_path, CONFIG)
    built.configure()
    built.secret("imap-password", SECRET)
    built.secret("vault-token", VAULT_TOKEN)
    (tmp_path / "dkim-keys").write_text(mails.genuine_signer().pin, "ascii")
    return built


def bare(*words: str, cwd: Path | None = None, **env: str) -> Done:
    """Run the command with nothing in front of its words,
    in an environment that names no configuration."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("TOKEN_CATCHER_")
    }
    done = subprocess.run(
        [COMMAND, *words],
        cwd=cwd,
        env=inherited | env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def shell(line: str, program: Program) -> Done:
    """Run a line of shell in which `$tc` is the command with its configuration,
    from the program's directory."""
    setting = f"tc={shlex.quote(f'{COMMAND} --config {program.config}')}"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{setting}\n{line}"],
        cwd=program.home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


# -- help and version --


@pytest.mark.parametrize("words", [(), ("scan",), ("config", "show")], ids=" ".join)
def test_help(words: tuple[str, ...]) -> None:
    """On standard output, with exit code 0.

    What each command's help says is held against the README elsewhere."""
    done = bare(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {' '.join(['token-catcher', *words])} [OPTIONS]")


def test_without_a_command_the_help_is_shown() -> None:
    """All commands, on standard error, with exit code 2: nothing was done."""
    done = bare()
    assert (done.code, done.out) == (2, "")
    listed = [line.split()[0] for line in done.err.partition("Commands:\n")[2].splitlines()]
    assert listed == [
        "run",
        "scan",
        "explain",
        "history",
        "held",
        "release",
        "status",
        "check",
        "init",
        "login",
        "demo",
        "audit",
        "notify",
        "config",
    ]


def test_the_version() -> None:
    """Alone on a line, also by `python -m`."""
    done = subprocess.run(
        [sys.executable, "-m", "token_catcher", "--version"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert (
        bare("--version")
        == Done(0, f"{token_catcher.__version__}\n", "")
        == Done(0, done.stdout, done.stderr)
    )


# -- exit codes, and what goes where --


def test_done_is_0(alone: Program) -> None:
    """And nothing on standard error."""
    done = alone("held")
    assert (done.code, done.err) == (0, "")


def test_failed_is_1(alone: Program) -> None:
    """The result says what failed, to people and to machines; nothing is logged of it."""
    done = alone("scan")
    assert (done.code, done.out.splitlines()[0], done.err) == (
        1,
        f"integrations  error  imap-connect: {NOBODY_THERE}",
        "",
    )
    for words, reasons in (
        (("scan", "--json"), ["imap-connect", "vault-unreachable"]),
        # Vault is not what a dry run is about.
        (("scan", "--json", "--dry-run"), ["imap-connect"]),
    ):
        done = alone(*words)
        assert (done.code, [line["reason"] for line in done.lines]) == (1, reasons)
        assert done.err == ""


def test_a_wrong_configuration_is_2(alone: Program) -> None:
    """Nothing on standard output: no result was reached."""
    alone.configure(instance="instanz: test")
    for words in (("scan", "--json"), ("explain", "-"), ("history", "--csv")):
        done = alone(*words)
        assert (done.code, done.out) == (2, ""), words
        assert done.err.startswith(
            f"token-catcher: {alone.config}:2: instanz: got an unknown key"
        ), words


def test_a_wait_that_ran_out_is_3(alone: Program) -> None:
    """It keeps trying while there is hope, tells each trouble once, says that nothing came, and why
    that usually is."""
    done = alone("scan", "--wait", "1s", "--user", USERNAME, "--json")
    assert (done.code, [line["reason"] for line in done.lines]) == (3, ["imap-connect"])
    vault, vault_next, waits, ran_out, reasons, *usual = done.err.splitlines()
    assert vault.startswith(f"token-catcher: what Vault has of {USERNAME} is not known: Vault at ")
    assert vault_next == f"next: {next_step('vault-unreachable')}"
    assert waits.startswith(f"token-catcher: waiting for a new token of {USERNAME}, until ")
    assert ran_out == f"token-catcher: no new token of {USERNAME} came within 0:00:01"
    assert reasons == "usual reasons, and where to look:"
    assert usual == [f"- {reason}" for reason in USUAL_REASONS]


def test_results_and_logs_have_their_own_streams(alone: Program) -> None:
    """Results on standard output, events on standard error, both a JSON object a line."""
    alone.configure(
        log="log: {level: debug, format: json}",
        trust="trust: {policy: insecure-accept-unauthenticated}",
    )
    done = alone("explain", "--json", "-", stdin=mails.token_mail())
    assert ([line["outcome"] for line in done.lines], done.out.count("\n")) == (["would-store"], 1)
    assert [json.loads(line) for line in done.err.splitlines()] == done.events


def test_a_bug_is_an_event() -> None:
    """Whatever is wrong with the program itself: kind and places on standard error, exit code 1;
    no message, no traceback."""
    code = f"""
from token_catcher import cli
from token_catcher.commands import history
def read(*words, **options):
    raise ValueError("{TOKEN}")
history.read = read
cli.main()
"""
    words = [sys.executable, "-c", code, "history", "-"]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    event = json.loads(done.stderr)
    assert (event["event"], event["kind"], event["places"][-1]) == (
        "program.crashed",
        "ValueError",
        "<string>:5 read",
    )
    assert TOKEN not in done.stderr


@pytest.mark.parametrize("text", [None, "nonsense: 1\n"])
def test_the_daemon_fails_alike_however_it_is_called(tmp_path: Path, text: str | None) -> None:
    """The words of a service unit are understood by themselves, others by typer: what is wrong with
    the configuration ends in the same message and code."""
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    by_unit = bare("--config", str(config), "run")
    assert by_unit == bare(f"--config={config}", "run")
    assert (by_unit.code, by_unit.out) == (2, "")
    assert str(config) in by_unit.err


# -- where the configuration is --


def test_the_configuration_is_found(alone: Program, tmp_path: Path) -> None:
    """By flag, else by variable, else in the working directory;
    the one that was found is said where it is wrong."""
    other = tmp_path / "elsewhere" / "config.yaml"
    other.parent.mkdir()
    other.write_text("nonsense: 1\n")
    valid, wrong = str(alone.config), f"token-catcher: {other}:1: "
    assert bare("config", "show", TOKEN_CATCHER_CONFIG=valid).code == 0
    assert bare("config", "show", cwd=tmp_path).code == 0
    assert bare("config", "show", TOKEN_CATCHER_CONFIG=str(other), cwd=tmp_path).err.startswith(
        wrong
    )
    assert (
        bare(
            "--config", valid, "config", "show", TOKEN_CATCHER_CONFIG=str(other), cwd=other.parent
        ).code
        == 0
    )


def test_no_configuration_is_told(tmp_path: Path) -> None:
    """Where it was looked for, and how to get one; what needs none works without."""
    if Path("/etc/token-catcher/config.yaml").exists():
        pytest.skip("this machine has a configuration")
    done = bare("scan", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(
        "token-catcher: no configuration found; looked at --config, TOKEN_CATCHER_CONFIG,"
        f" {tmp_path}/config.yaml,"
        " /etc/token-catcher/config.yaml; `token-catcher init` asks and writes one,"
        " `token-catcher config example` prints one to fill in\n"
    )
    nothing = "token-catcher: /dev/null: no rotation that is asked for was found in it\n"
    assert bare("history", "/dev/null", "--json", cwd=tmp_path) == Done(0, "", nothing)


def test_config_example_is_the_commented_example() -> None:
    """To be kept as it is."""
    assert bare("config", "example") == Done(0, Path("config.example.yaml").read_text("utf-8"), "")


def test_config_schema_is_json_schema() -> None:
    """For editors."""
    done = bare("config", "schema")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_history_schema_is_that_of_a_record(alone: Program) -> None:
    """In place of files; a record that the program wrote is as it says."""
    done = bare("history", "schema")
    assert (done.code, json.loads(done.out)) == (0, record_schema())
    journal(alone.state / "journal.jsonl", rotations(2))
    assert [record["seq"] for record in alone.journal] == [1, 2]


def test_config_show_is_a_configuration(alone: Program, tmp_path: Path) -> None:
    """With every default filled in and no secret: it loads, and shows itself unchanged."""
    done = alone("config", "show")
    assert (done.code, done.err) == (0, "")
    assert (SECRET in done.out, VAULT_TOKEN in done.out) == (False, False)
    assert "policy: dkim\n" in done.out
    shown = tmp_path / "elsewhere.yaml"
    shown.write_text(done.out)
    assert bare("--config", str(shown), "config", "show") == done


# -- history --


def rotations(count: int) -> list[Entry]:
    """So many, held and stored by turns."""
    usual = Entry(
        Event.STORED,
        "one",
        "integrations",
        "INBOX",
        7,
        0,
        "",
        "2026-02-03T12:57:27Z",
        org="acme",
    )
    held = replace(usual, event=Event.HELD, reason="unknown-user")
    return [
        replace(
            held if uid % 2 else usual,
            uid=uid,
            mail=f"sha256:{uid:064x}",
            username=f"user{uid}@acme.example",
        )
        for uid in range(1, count + 1)
    ]


def journal(path: Path, entries: list[Entry], keys: Keyring = NO_KEYS) -> None:
    """Write them down."""
    book = Journal(path, now=lambda: ISSUED, log=Silent(), keys=keys)
    for record in entries:
        book.append(record)


def logged(entries: list[Entry]) -> bytes:
    """The same, as the program would have logged it and a collector kept it."""
    lines = [
        {"timestamp": "2026-02-03T12:57:27.5Z", "level": "info", **as_fields(record)}
        for record in entries
    ]
    return "".join(f"Feb 03 host token-catcher[7]: {json.dumps(line)}\n" for line in lines).encode()


def test_history_reads_journals_and_logs(alone: Program, tmp_path: Path) -> None:
    """The journal by itself, collected logs plain, gzipped and from standard input:
    each tells of the same rotations."""
    entries = rotations(3)
    journal(alone.state / "journal.jsonl", entries)
    log = tmp_path / "collected.log"
    log.write_bytes(b"something else\n" + logged(entries))
    packed = tmp_path / "collected.log.1.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    done = alone("history", "--json")
    assert (done.code, done.err, [line["username"] for line in done.lines]) == (
        0,
        "",
        [record.username for record in entries],
    )
    wanted = [(line["event"], line["username"], line["uid"]) for line in done.lines]
    for done in (
        bare("history", "--json", str(log)),
        bare("history", "--json", str(packed)),
        alone("history", "--json", "-", stdin=log.read_bytes()),
        alone("history", "--json", "-", stdin=packed.read_bytes()),
        alone(
            "history",
            "--json",
            str(alone.state / "journal.jsonl"),
            str(log),
            str(packed),
            "-",
            stdin=log.read_bytes(),
        ),
    ):
        assert (done.code, done.err) == (0, "")
        assert [(line["event"], line["username"], line["uid"]) for line in done.lines] == wanted


def test_history_answers_questions(alone: Program, tmp_path: Path) -> None:
    """By user, org, outcome and time, in each of its forms."""
    journal(alone.state / "journal.jsonl", rotations(4))
    times = ("--since", "2026-02-03T12:57:27Z", "--until", "2026-02-03T13:57:28+01:00")
    assert [
        line["uid"]
        for line in alone("history", "--json", "--event", "held", "--org", "acme", *times).lines
    ] == [1, 3]
    assert (
        alone(
            "history", "--json", "--user", "USER2@acme.example", "--since", "2026-02-03T12:57:28Z"
        ).lines
        == []
    )
    csv = alone("history", "--csv", "--user", "USER2@acme.example").out.splitlines()
    assert [line.split(",")[3] for line in csv] == ["username", "user2@acme.example"]
    page = tmp_path / "history.html"
    assert alone("history", "--html", str(page)) == Done(0, "", "")
    assert page.read_text("utf-8").count("<td>journal</td></tr>") == 4
    table = alone("history").out.splitlines()
    assert (len(table), table[0].split()[:4], "if the user is yours" in table[-1]) == (
        6,
        ["recorded", "(UTC)", "outcome", "user"],
        True,
    )


def test_history_says_what_it_could_not_read(tmp_path: Path) -> None:
    """How many lines, where they stand, and by its exit code; what it could read is shown."""
    log = tmp_path / "torn.log"
    log.write_bytes(logged(rotations(1)) + b'{"event": "rotation.stored", "usern')
    done = bare("history", "--json", str(log))
    assert (done.code, len(done.lines)) == (1, 1)
    assert done.err == (
        f"token-catcher: 1 line could not be read: {log}:2\n"
        "next: look at them: each tells of a rotation, or is torn, and is missing above\n"
    )


def test_history_says_what_the_log_left_out(tmp_path: Path) -> None:
    """On standard error; a log that says so is whole, and no failure."""
    log = tmp_path / "log"
    log.write_bytes(logged(rotations(1)).replace(b'"level"', b'"suppressed": 17, "level"'))
    done = bare("history", "--json", str(log))
    assert (done.code, [line["suppressed"] for line in done.lines]) == (0, [17])
    assert done.err == (
        "token-catcher: 17 more were not logged one by one, since there were more than ten of a"
        " kind in an hour; the journal has each\n"
    )


def test_audit_verify(alone: Program) -> None:
    """Intact: 0. Cut off at its end: 1, with the line, to people and to machines."""
    file = alone.state / "journal.jsonl"
    journal(file, rotations(3))
    assert alone("audit", "verify").code == 0
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    done = alone("audit", "verify", "--json")
    (line,) = done.lines
    assert (done.code, line["file"], line["state"], line["records"], line["line"]) == (
        1,
        str(file),
        "truncated",
        2,
        3,
    )
    assert bare("audit", "verify", str(file)).code == 1


def test_on_a_fresh_host_nothing_is_created(alone: Program) -> None:
    """By `held`, `release` and `audit verify`; a journal that is not there fails the last."""
    assert alone("held") == Done(0, "no held mail waits\n", "")
    done = alone("release", "abcdef")
    assert (done.code, done.err.splitlines()[0]) == (
        1,
        "token-catcher: abcdef: no mail of the journal has this id",
    )
    file = alone.state / "journal.jsonl"
    done = alone("audit", "verify")
    assert (done.code, done.out.splitlines()[1]) == (
        1,
        f"{file}: {file} does not exist: nothing was recorded yet, or it is elsewhere",
    )
    assert not alone.state.exists()


@pytest.mark.parametrize(
    ("given", "named", "why"),
    [
        (".", ".", "it is not a regular file"),
        ("./", ".", "it is not a regular file"),
        ("/", "/", "it is not a regular file"),
        ("", ".", "it is not a regular file"),
        ("..", "..", "it is not a regular file"),
        ("/dev/null", "/dev/null", "it is not a regular file"),
        ("fifo", "fifo", "it is not a regular file"),
    ],
)
def test_audit_verify_of_what_is_no_file(tmp_path: Path, given: str, named: str, why: str) -> None:
    """Told as such; nothing is waited for."""
    os.mkfifo(tmp_path / "fifo")
    done = bare("audit", "verify", given, cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    told = f"token-catcher: {named}: the journal cannot be read: {why}"
    assert done.err.splitlines()[0] == told


def test_the_root_directory_as_the_journal(alone: Program) -> None:
    """Whoever reads it says that it is none."""
    alone.config.write_text(alone.config.read_text("utf-8") + "journal: {file: /}\n", "utf-8")
    for words in (("history",), ("audit", "verify"), ("held",), ("release", "abcdef")):
        done = alone(*words)
        assert (done.code, "crashed" in done.err) == (1, False), (words, done.err)
        assert "token-catcher: /: " in done.err, words


def test_a_working_directory_that_was_removed(tmp_path: Path) -> None:
    """No configuration is found there, and that is all."""
    gone = tmp_path / "gone"
    gone.mkdir()
    words = ("-c", 'rmdir "$PWD" && exec "$0" scan', COMMAND)
    done = subprocess.run(("sh", *words), cwd=gone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "token-catcher: no configuration found; looked at --config, TOKEN_CATCHER_CONFIG,"
        " config.yaml, /etc/token-catcher/config.yaml"
    )


def test_audit_archive(alone: Program) -> None:
    """Closes the file; `audit verify` and `history` read both as one, by names and compressed as
    well."""
    file = alone.state / "journal.jsonl"
    closed = alone.state / "journal-000001.jsonl"
    assert alone("audit", "archive") == Done(
        0, f"{file} holds no record yet: it goes on as it is\n", ""
    )
    journal(file, rotations(3))
    done = alone("audit", "archive")
    assert (done.code, done.out) == (0, f"closed as {closed}; {file} carries it on\n")
    journal(file, rotations(2))
    done = alone("audit", "verify", "--json")
    (line,) = done.lines
    assert (done.code, line["file"], line["state"], line["records"]) == (0, str(file), "intact", 7)
    rows = alone("history", "--json").lines
    assert len(rows) == 5
    packed = closed.with_name("journal-000001.jsonl.gz")
    packed.write_bytes(gzip.compress(closed.read_bytes()))
    closed.unlink()
    assert bare("audit", "verify", str(file), str(packed)).out == alone("audit", "verify").out
    assert alone("history", "--json").lines == rows


def test_held_mail_whose_file_was_moved_away(alone: Program, tmp_path: Path) -> None:
    """`held` does not say that nothing waits, nor `release` that there is no such mail."""
    file = alone.state / "journal.jsonl"
    journal(file, rotations(1))
    assert alone("audit", "archive").code == 0
    (line,) = alone("held", "--json").lines
    for name in ("journal-000001.jsonl", "journal-000001.jsonl.index"):
        (alone.state / name).rename(tmp_path / name)
    gap = (
        "of the records up to 2 not all are here: whether a mail waits that they tell of is not"
        " known"
    )
    step = "put the closed files of the journal (journal-000001.jsonl, …) back beside it"
    said = f"token-catcher: {gap}\nnext: {step}, and ask again\n"
    assert alone("held") == alone("held", "--json") == Done(1, "", said)
    done = alone("release", line["id"])
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"token-catcher: {line['id']}: no mail of the journal has this id among those that are"
        f" here; {gap}\nnext: {step} (TC129)\n"
    )
    for name in ("journal-000001.jsonl", "journal-000001.jsonl.index"):
        (tmp_path / name).rename(alone.state / name)
    assert alone("held", "--json").lines[0]["id"] == line["id"]


def test_held_mail_that_only_an_index_tells_of(alone: Program) -> None:
    """It is named, beside the mail that can be shown."""
    file = alone.state / "journal.jsonl"
    first, second = (
        replace(entry, event=Event.HELD, reason="unknown-user") for entry in rotations(2)
    )
    for mail in (first, second):
        journal(file, [mail])
        assert alone("audit", "archive").code == 0
    (alone.state / "journal-000001.jsonl").unlink()
    done = alone("held", "--json")
    assert (done.code, [line["mail"] for line in done.lines]) == (1, [second.mail])
    digits = first.mail.removeprefix("sha256:")[:12]
    assert done.err.startswith(f"token-catcher: {digits} of {first.username}, held at ")
    assert (
        ", waits as well: record 1 is in a file that is not here, or cannot be read\n" in done.err
    )


def test_audit_verify_compares_with_a_head_kept_elsewhere(alone: Program) -> None:
    """The head that it prints is what `--head` takes."""
    file = alone.state / "journal.jsonl"
    journal(file, rotations(3))
    head = alone("audit", "verify").out.split()[-1]
    journal(file, rotations(1))
    assert alone("audit", "verify", "--head", head).code == 0
    wrong = head[:-1] + ("1" if head.endswith("0") else "0")
    done = alone("audit", "verify", "--head", wrong)
    assert (done.code, done.out.splitlines()[1]) == (
        1,
        f"{file}:3: the line is not the one that the head given with --head knows: one of the two"
        " was exchanged",
    )
    done = alone("audit", "verify", "--head", "3")
    assert (done.code, "got '3', expected SEQ:HASH" in done.err) == (2, True)


def test_audit_verify_with_a_key(alone: Program) -> None:
    """The configured journal by its own key, files by that of `--key`; without one the hashes alone
    are checked, and a forged record is found by the key alone."""
    key = alone.secret("journal-key", "k" * 32)
    with alone.config.open("a") as config:
        config.write(f"journal: {{key: {{file: {key}}}}}\n")
    file = alone.state / "journal.jsonl"
    assert alone("audit", "archive").code == 0
    journal(file, rotations(2), Keyring.of(Secret("k" * 32)))
    (key_id,) = Keyring.of(Secret("k" * 32)).ids
    checked = f"  records 1 to 2: written with the key {key_id}"
    assert alone("audit", "verify").out.splitlines()[1:] == [checked]
    assert bare("audit", "verify", "--key", str(key), str(file)).out.splitlines()[1:] == [checked]
    unchecked = f"  records 1 to 2: name the key '{key_id}', which is not here: not checked"
    assert bare("audit", "verify", str(file)).out.splitlines()[1:] == [unchecked]
    journal(file, rotations(1))
    assert bare("audit", "verify", str(file)).code == 0
    done = alone("audit", "verify")
    assert (done.code, done.out.splitlines()[0].partition(",")[0]) == (1, f"{file}: broken at 3")


def test_the_key_that_is_given_must_be_one(alone: Program) -> None:
    """Its length is told, and nothing of it."""
    key = alone.secret("journal-key", "short")
    done = bare("audit", "verify", "--key", str(key), "journal.jsonl")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        f"token-catcher: the journal's key {{file: {key}}}: got one of 5 characters, expected at"
        " least 32 characters a line",
    )


def test_audit_verify_of_a_copy_without_its_head(alone: Program, tmp_path: Path) -> None:
    """Says what it proves and what it cannot; a directory is no journal."""
    file = alone.state / "journal.jsonl"
    journal(file, rotations(3))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    done = bare("audit", "verify", str(copy))
    assert (done.code, done.out.splitlines()[1]) == (
        1,
        f"{copy}: records 1 to 3 are whole and in order; without copy.jsonl.head nothing tells"
        " whether later ones were cut off: put that file beside it, or give --head SEQ:HASH from"
        " elsewhere",
    )
    done = bare("audit", "verify", str(tmp_path))
    assert (done.code, done.err.splitlines()[0]) == (
        1,
        f"token-catcher: {tmp_path}: the journal cannot be read: it is not a regular file",
    )


# -- explain --

KEYS = ["file", "outcome", "reason", "username", "org", "path", "issued_at", "fingerprint", "rules"]
"""The contract of `explain --json`."""
LUNCH = mails.token_mail(subject="Lunch?", body="At noon.\n")


def test_explain_reads_files_and_folders(alone: Program, tmp_path: Path) -> None:
    """Mails, an mbox, a Maildir, standard input, in the order they are named;
    neither mailbox nor Vault is asked."""
    single = tmp_path / "a.eml"
    single.write_bytes(mails.genuine())
    mbox = tmp_path / "mbox"
    box = containers.mbox(mbox)
    for raw in (mails.token_mail(), LUNCH):
        box.add(raw.replace(b"\r\n", b"\n"))
    box.close()
    folder = tmp_path / "maildir"
    (folder / "new").mkdir(parents=True)
    (folder / "new" / "1").write_bytes(mails.genuine("someone@partner.example"))
    before = set(tmp_path.rglob("*"))
    names = [str(single), str(mbox), str(folder), "-"]
    done = alone("explain", "--json", *names, stdin=mails.genuine())
    assert (done.code, done.err) == (0, "")
    assert [(line["file"], line["outcome"], line["reason"]) for line in done.lines] == [
        (str(single), "would-store", None),
        (f"{tmp_path}/mbox#1", "refused", "unsigned"),
        (f"{tmp_path}/mbox#2", "ignored", None),
        (f"{folder}/new/1", "held", "unknown-user"),
        ("-", "would-store", None),
    ]
    assert [list(line) for line in done.lines] == [KEYS] * 5
    assert {tuple(rule) for line in done.lines for rule in line["rules"]} == {
        ("rule", "passed", "saw", "wanted")
    }
    assert set(tmp_path.rglob("*")) == before


def test_explain_tells_what_it_took_off(alone: Program, tmp_path: Path) -> None:
    """What a program put around a saved mail is told on standard error, and is no part of it."""
    saved = tmp_path / "a.eml"
    above = b"\xef\xbb\xbfFrom - Tue Feb 03 12:57:27 2026\r\n"
    saved.write_bytes(above + mails.genuine())
    done = alone("explain", "--json", str(saved))
    assert (done.code, done.lines[0]["outcome"]) == (0, "would-store")
    what = "a byte order mark and the separator line of an mbox"
    assert done.err == f"{saved}: read without {what}, of the program that saved it\n"


def test_explain_says_what_is_no_mail(alone: Program, tmp_path: Path) -> None:
    """On standard error, beside the outcome."""
    packed = tmp_path / "a.eml.gz"
    packed.write_bytes(gzip.compress(mails.genuine()))
    empty = tmp_path / "empty.eml"
    empty.touch()
    done = alone("explain", "--json", str(packed), str(empty))
    assert (done.code, [line["outcome"] for line in done.lines]) == (0, ["ignored"] * 2)
    assert done.err == (
        f"{packed}: got a file packed with gzip, expected a mail: unpack it (gunzip)\n"
        f"{empty}: the file is empty, expected a mail\n"
    )


def test_explain_keeps_its_contract(alone: Program) -> None:
    """Key by key, of a mail that would be stored."""
    done = alone("explain", "--json", "-", stdin=mails.genuine())
    (line,) = done.lines
    rules = line.pop("rules")
    assert line == {
        "file": "-",
        "outcome": "would-store",
        "reason": None,
        "username": USERNAME,
        "org": "acme",
        "path": f"salesforce/acme/{USERNAME}",
        "issued_at": "2026-02-03T12:57:27Z",
        "fingerprint": mails.fingerprint(TOKEN),
    }
    assert {
        (type(rule["rule"]), rule["passed"], type(rule["saw"]), type(rule["wanted"]))
        for rule in rules
    } == {(str, True, str, str)}


def test_explain_for_people(alone: Program) -> None:
    """Each rule on a line, the verdict, and the token only as length and fingerprint."""
    done = alone("explain", "-", stdin=mails.genuine())
    assert (done.code, done.err, TOKEN in done.out) == (0, "", False)
    first, *rules, verdict = done.out.splitlines()
    assert (first, {rule[:4] for rule in rules}) == ("-", {"  ✓ "})
    assert verdict == (
        f"  → would-store salesforce/acme/{USERNAME} (token of 25 characters,"
        f" {mails.fingerprint(TOKEN)})"
    )


def test_explain_takes_a_time_and_a_mailbox(alone: Program) -> None:
    """The time stands for INTERNALDATE;
    with several mailboxes one must be named, since their addresses differ."""
    late = (ISSUED + timedelta(days=2)).isoformat()
    (line,) = alone("explain", "--json", "--received-at", late, "-", stdin=mails.genuine()).lines
    assert (line["outcome"], line["reason"]) == ("held", "date-out-of-bounds")
    alone.text = CONFIG.replace(
        "orgs:",
        CONFIG[CONFIG.index("  - name") : CONFIG.index("orgs:")]
        + "    addresses: [x@y.example]\norgs:",
    )
    alone.text = alone.text.replace("- name: integrations", "- name: second", 1)
    alone.configure()
    done = alone("explain", "--json", "-", stdin=mails.genuine())
    assert (done.code, done.out) == (2, "")
    assert done.err == "token-catcher: --mailbox: got none, expected one of: second, integrations\n"
    for name, expected in (("second", "would-store"), ("integrations", "held")):
        (line,) = alone("explain", "--json", "--mailbox", name, "-", stdin=mails.genuine()).lines
        assert line["outcome"] == expected


def test_explain_says_retry_while_dns_fails(alone: Program) -> None:
    """The key cannot be asked for: nothing is said of the mail, and the exit code is 1."""
    alone.configure(trust="trust: {}")
    words = [
        sys.executable,
        "-m",
        "tests.system.surroundings",
        "--config",
        str(alone.config),
        "explain",
        "--json",
        "-",
    ]
    with TinyDns({mails.genuine_signer().name: SERVFAIL}) as dns:
        environment = os.environ | {"SURROUNDINGS_DNS": str(dns.port)}
        done = subprocess.run(
            words,
            input=mails.genuine(),
            capture_output=True,
            env=environment,
            timeout=PATIENCE,
            check=False,
        )
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, list(line), line["outcome"], line["reason"]) == (
        1,
        KEYS,
        "retry",
        "dns",
    )


# -- streams that are closed, full, or lead nowhere --


@pytest.mark.parametrize("form", ["--json", ""])
def test_a_reader_that_goes_away_ends_it_quietly(alone: Program, form: str) -> None:
    """`| head -1` gets its line; nobody complains, though there was much more to say."""
    log = alone.home / "long.log"
    log.write_bytes(logged(rotations(1500)))
    done = shell(f"{{ $tc history {form} {log}; echo $? >&2; }} | head -1", alone)
    assert (len(done.out.splitlines()), done.err) == (1, "1\n")


def test_a_closed_standard_output_is_no_error(alone: Program) -> None:
    """Who closes it wants no results; what was asked for is done all the same."""
    for line, code in (
        ("$tc config show >&-", 0),
        ("$tc scan >&- 2>&- <&-", 1),
        ("$tc --version >&-", 0),
    ):
        assert shell(line, alone) == Done(code, "", "")
    assert alone.state.is_dir()


def test_a_closed_standard_input_is_an_empty_one(alone: Program) -> None:
    """Where it was to be read."""
    assert shell("$tc explain --json - <&-", alone).lines[0]["outcome"] == "ignored"
    nothing = "token-catcher: -: no rotation that is asked for was found in it\n"
    assert shell("$tc history - <&- --json", alone) == Done(0, "", nothing)


@pytest.mark.parametrize("words", ["config show", "history", "--version"])
def test_a_full_disk_behind_standard_output(alone: Program, words: str) -> None:
    """Is said, and is a failure; no traceback."""
    journal(alone.state / "journal.jsonl", rotations(1))
    done = shell(f"$tc {words} >/dev/full </dev/null", alone)
    assert done == Done(
        1, "", "token-catcher: standard output cannot be written: No space left on device\n"
    )


def test_a_full_disk_behind_the_log_changes_nothing(alone: Program) -> None:
    """Same results, same exit code: the log is not the record."""
    alone.configure(log="log: {level: debug, format: json}")
    assert shell("$tc scan 2>/dev/full", alone) == alone("scan")
    assert shell("$tc --config missing scan 2>/dev/full", alone) == Done(2, "", "")


# -- Ctrl-C --


@pytest.fixture
def mute(alone: Program) -> Iterator[socket.socket]:
    """A mail server that takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        alone.configure(port=f"port: {server.getsockname()[1]}")
        yield server


@pytest.mark.parametrize(
    "words", [("scan",), ("scan", "--wait", "10m"), ("scan", "--dry-run", "--json")]
)
def test_ctrl_c_ends_it_quietly(
    alone: Program, mute: socket.socket, words: tuple[str, ...]
) -> None:
    """At once, with 130 and no traceback, in the middle of a conversation; of a wait there is the
    line that it began with."""
    command = [COMMAND, "--config", str(alone.config), *words]
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        mute.accept()[0],
    ):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (out, process.returncode) == ("", 130)
    assert [line.partition(" for ")[0] for line in err.splitlines()] == (
        ["token-catcher: waiting"] if "--wait" in words else []
    )


def test_waiting_on_a_terminal_shows_that_it_waits(alone: Program) -> None:
    """On standard error, for whom, until when, and what came last; Ctrl-C gives the terminal back
    as it was.

    Results stay on standard output."""
    ours, theirs = pty.openpty()
    command = [
        COMMAND,
        "--config",
        str(alone.config),
        "scan",
        "--wait",
        "10m",
        "--user",
        USERNAME,
        "--json",
    ]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "200"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        screen = Screen(ours)
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["reason"] == "imap-connect"
            screen.shows(f"waiting for a new token of {USERNAME}, until ")
            screen.shows("left; last: integrations error: imap-connect; no mailbox can be looked")
            process.send_signal(signal.SIGINT)
            assert (process.wait(PATIENCE), process.stdout.read()) == (130, b"")
        finally:
            process.kill()
    shown = screen.close()
    assert "Traceback" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is visible again"


class Screen:
    """What is shown on our side of a terminal, read by a thread of its own:
    a full one would stop who writes to it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # so Linux says that the other side has gone
            while piece := os.read(self._descriptor, 4096):
                self._shown += piece

    def shows(self, text: str) -> None:
        """Returns when this can be read on it."""
        until(lambda: text.encode() in self._shown, f"{text!r} on the terminal")

    def close(self) -> str:
        """All that was shown, once nobody writes any more."""
        self._reader.join(PATIENCE)
        os.close(self._descriptor)
        return self._shown.decode()
