"""`token-catcher scan` between real servers: from the mail to Vault, once.

Nothing else is touched."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.terminal import Terminal
from tests.kit.waiting import PATIENCE

SANDBOX_SUBJECT = "Sandbox: Your new Salesforce security token"
NOW = datetime.now(UTC).replace(microsecond=0)
INBOX_TOKEN, JUNK_TOKEN, UAT_TOKEN = (
    "FAKEinboxTOKEN1notREAL2ab",
    "FAKEjunkTOKEN3notREAL4abcd",
    "FAKEuatTOKEN5notREAL6abcd",
)


def path(org: str, username: str) -> str:
    """Where a user's token is kept."""
    return f"salesforce/{org}/{username}"


def test_tokens_in_inbox_and_junk_reach_vault(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """A mail in the inbox and one in the spam folder end under their paths, one version each,
    other fields untouched."""
    openbao.put(path(org, "integration@acme.example"), {"password": "kept"})
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=NOW), user)
    dovecot.deliver(mails.genuine("etl@acme.example", JUNK_TOKEN, issued_at=NOW), user, "Junk")
    done = tool("scan", "--json")
    assert (
        done.code,
        sorted((line["folder"], line["outcome"], line["version"]) for line in done.lines),
    ) == (
        0,
        [("INBOX", "stored", 2), ("Junk", "stored", 1)],
    )
    inbox = openbao.get(path(org, "integration@acme.example"))
    assert inbox is not None
    assert inbox.pop("security_token_captured_at")
    assert inbox.pop("security_token_mail") in {record["mail"] for record in tool.journal}
    writer = (tool.state / "writer").read_text("ascii").strip()
    assert inbox == {
        "password": "kept",
        "security_token": INBOX_TOKEN,
        "security_token_issued_at": NOW.isoformat().replace("+00:00", "Z"),
        "security_token_dated_at": NOW.isoformat().replace("+00:00", "Z"),
        "security_token_captured_by": "test",
        "security_token_fingerprint": mails.fingerprint(INBOX_TOKEN),
        "security_token_writer": writer,
        "security_token_version": "2",
    }
    junk = openbao.get(path(org, "etl@acme.example"))
    assert junk is not None
    assert junk["security_token"] == JUNK_TOKEN
    assert openbao.paths(f"salesforce/{org}/") == [
        path(org, "etl@acme.example"),
        path(org, "integration@acme.example"),
    ]


def test_a_refused_mail_is_told_once_on_a_terminal(
    tool: Program, dovecot: Dovecot, user: str
) -> None:
    """As a result. Standard error that is collected has the rotation, too."""
    tool.configure(log="log: {level: info, format: auto}")
    dovecot.deliver(mails.token_mail(issued_at=NOW), user)
    terminal = Terminal(tool.words("scan"), tool.environment(), columns=200)
    assert terminal.end() == 1
    assert terminal.shown.count("unsigned") == 1
    assert "rotation." not in terminal.shown
    dovecot.deliver(mails.token_mail(token=JUNK_TOKEN, issued_at=NOW), user)
    told = [event["event"] for event in tool("scan").events]
    assert told.count("rotation.refused") == 1


def test_a_second_scan_changes_nothing(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Run again, also from scratch without its checkpoint:
    no new version, no new record, no flag set. A forgery makes the first scan fail, and no other.
    """
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=NOW), user)
    dovecot.deliver(mails.token_mail(token=JUNK_TOKEN, issued_at=NOW), user, "Junk")
    first = tool("scan")
    records = tool.journal
    assert (first.code, sorted(map(str, tool.outcomes))) == (
        1,
        ["('refused', 'unsigned')", "('stored', None)"],
    )
    second = tool("scan", "--json")
    for file in (tool.state / "checkpoints").iterdir():
        file.unlink()
    third = tool("scan", "--json")
    again = tool("scan", "--again", "--json")
    assert [(done.code, done.out) for done in (second, third, again)] == [(0, "")] * 3
    assert tool.journal == records
    assert list(openbao.versions(path(org, "integration@acme.example"))) == [1]
    assert {**dovecot.flags("INBOX", user), **dovecot.flags("Junk", user)} == {1: set()}


def one_of_each_kind() -> Iterator[bytes]:
    """Genuine, older, sandbox, forged, unknown user, plain."""
    yield mails.genuine(token=INBOX_TOKEN, issued_at=NOW)
    yield mails.genuine(token="FAKEolderTOKENnotREAL1abc", issued_at=NOW - timedelta(hours=2))
    uat = "integration@acme.example.uat"
    yield mails.genuine(uat, UAT_TOKEN, issued_at=NOW, subject=SANDBOX_SUBJECT)
    original = mails.genuine(token="FAKEforgedTOKENnotREAL1ab", issued_at=NOW)
    yield original.replace(b"notREAL1ab", b"notREAL2ab")
    yield mails.genuine("stranger@elsewhere.example", "FAKEstrangerTOKEN1notREAL", issued_at=NOW)
    code = "Verification Code: 123456\n"
    plain = mails.token_mail(subject="Verify your identity", body=code, issued_at=NOW)
    yield mails.sign(plain, at=NOW)


def test_each_kind_of_mail_has_its_outcome(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Each ends as it must, in order of arrival. Exit code 1: a genuine mail is held, and a refused
    one may be genuine; each says what to do."""
    for raw in one_of_each_kind():
        dovecot.deliver(raw, user)
    done = tool("scan", "--json")
    assert (done.code, tool.outcomes) == (
        1,
        [
            ("stored", None),
            ("unchanged", "stale"),
            ("stored", None),
            ("refused", "bad-signature"),
            ("held", "unknown-user"),
        ],
    )
    assert [line["outcome"] for line in done.lines] == [outcome for outcome, _ in tool.outcomes]
    asked = [line["outcome"] for line in done.lines if line["attention"]]
    assert asked == [line["outcome"] for line in done.lines if line["next"]] == ["refused", "held"]
    assert openbao.paths(f"salesforce/{org}/") == [path(org, "integration@acme.example")]
    assert openbao.paths(f"salesforce/{org}-uat/") == [
        path(f"{org}-uat", "integration@acme.example.uat")
    ]
    assert "elsewhere" not in str(openbao.paths())
    assert list(openbao.versions(path(org, "integration@acme.example"))) == [1]


def test_held_mail_is_settled_after_the_configuration_changed(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """`--again` stores what was held for an unknown user, once the org names it;
    nothing else gets a second record."""
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=NOW), user)
    dovecot.deliver(mails.genuine("new@partner.example", JUNK_TOKEN, issued_at=NOW), user)
    tool("scan")
    held = tool("history", "--event", "held", "--json")
    assert [(line["username"], line["reason"]) for line in held.lines] == [
        ("new@partner.example", "unknown-user")
    ]
    assert [line["reason"] for line in tool("scan", "--again", "--json").lines] == ["unknown-user"]
    tool.configure(usernames='usernames: ["*@acme.example", "new@partner.example"]')
    assert (tool("scan").code, len(tool.journal)) == (0, 2)
    assert (tool("scan", "--again").code, tool.outcomes) == (
        0,
        [("stored", None), ("held", "unknown-user"), ("stored", None)],
    )
    stored = openbao.get(path(org, "new@partner.example"))
    assert stored is not None
    assert stored["security_token"] == JUNK_TOKEN


def test_a_dry_run_writes_nothing_at_all(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It judges as a scan would, and leaves neither journal nor checkpoint nor secret,
    nor a file of any kind."""
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=NOW), user)
    dovecot.deliver(mails.token_mail(issued_at=NOW), user)
    done = tool("scan", "--dry-run", "--json")
    assert (done.code, [(line["outcome"], line["path"]) for line in done.lines]) == (
        1,
        [("would-store", path(org, "integration@acme.example")), ("refused", None)],
    )
    assert not tool.state.exists()
    assert openbao.paths(f"salesforce/{org}/") == []


def test_a_dry_run_says_what_vault_would_make_of_it(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str
) -> None:
    """What it has, and what is older; a forgery that is in the journal is no news. Where Vault does
    not answer, that is told once, and mail is judged without it."""
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=NOW), user)
    dovecot.deliver(mails.token_mail(issued_at=NOW), user)
    assert tool("scan").code == 1
    older = NOW - timedelta(hours=2)
    dovecot.deliver(mails.genuine(token=JUNK_TOKEN, issued_at=older), user)
    kept = everything(tool, dovecot, openbao, user)
    done = tool("scan", "--dry-run", "--json")
    endings = [(line["outcome"], line["reason"]) for line in done.lines]
    assert (done.code, endings) == (
        0,
        [("unchanged", "same-token"), ("refused", "unsigned"), ("unchanged", "stale")],
    )
    tool.configure(address="address: http://127.0.0.1:9")
    done = tool("scan", "--dry-run", "--json")
    endings = [(line["outcome"], line["reason"]) for line in done.lines]
    assert (done.code, endings) == (
        0,
        [("would-store", None), ("refused", "unsigned"), ("unchanged", "stale")],
    )
    told, step = done.err.splitlines()
    assert told.startswith("token-catcher: Vault cannot be asked, so mail is judged without it: ")
    assert step.startswith("next: ")
    assert everything(tool, dovecot, openbao, user) == kept


def everything(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str) -> list[object]:
    """Whatever a scan could change: our files, the flags of mail, the secrets of Vault."""
    paths = [name for name in openbao.paths() if name.startswith("salesforce/")]
    return [
        {file: file.read_bytes() for file in tool.state.rglob("*") if file.is_file()},
        [dovecot.flags(folder, user) for folder in ("INBOX", "Junk")],
        {name: list(openbao.versions(name)) for name in paths if mine(name, tool)},
    ]


def mine(name: str, tool: Program) -> bool:
    """Whether a secret is of the orgs of this test: others work beside it."""
    return any(f"name: {part}" in tool.text for part in name.split("/")[1:2])


def test_wait_ends_when_the_token_is_there(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str
) -> None:
    """`--wait --user` passes over another user's token and ends with the awaited one, of which it
    says last where it is; without one it ends with 3."""
    now = datetime.now(UTC).replace(microsecond=0)
    dovecot.deliver(mails.genuine("etl@acme.example", JUNK_TOKEN, issued_at=now), user)
    missing = tool("scan", "--wait", "2s", "--user", "integration@acme.example", "--json")
    assert (missing.code, [line["outcome"] for line in missing.lines]) == (3, ["stored"])
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=now), user)
    there = tool("scan", "--wait", "50s", "--user", "Integration@acme.example", "--json")
    stored, found = there.lines
    assert (there.code, stored["outcome"], stored["username"]) == (
        0,
        "stored",
        "integration@acme.example",
    )
    assert found.pop("after_seconds") >= 0
    assert found == stored | {"outcome": "found"}


def test_a_wait_is_not_met_by_what_vault_had_before(
    tool: Program, dovecot: Dovecot, user: str, org: str
) -> None:
    """Of the same user, issued a moment ago: it may be that of an earlier reset. It is told at the
    beginning, and when the time is up; the next token ends the wait."""
    now = datetime.now(UTC).replace(microsecond=0)
    who = "integration@acme.example"
    dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=now), user)
    assert tool("scan").code == 0
    for named in ((), ("--user", who)):
        done = tool("scan", "--wait", "1s", *named)
        assert (done.code, done.out) == (3, "")
    issued = now.isoformat().replace("+00:00", "Z")
    there = (
        f"it was there before: version 1 of {path(org, who)} has a token that was issued at"
        f" {issued}, and only a newer one is waited for"
    )
    lines = [line for line in done.err.splitlines() if not line.startswith("{")]
    assert (lines[0], lines[4]) == (f"token-catcher: {there}", f"- {there}")
    later = now + timedelta(seconds=1)
    dovecot.deliver(mails.genuine(token=UAT_TOKEN, issued_at=later), user)
    done = tool("scan", "--wait", "50s", "--user", who)
    assert done.code == 0
    last = done.out.splitlines()[-1]
    found = f"found  {who} → {path(org, who)} v2, issued {later:%Y-%m-%d %H:%M:%S} UTC, "
    assert last.startswith(found)
    assert last.endswith(" s after the wait began")


def test_a_wait_sees_what_came_during_it(tool: Program, dovecot: Dovecot, user: str) -> None:
    """Told in a line as it is stored. A forgery before it is told with its reason."""
    command = tool.words("scan", "--wait", "2m", "--user", "integration@acme.example")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=tool.environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        waits = process.stderr.readline()
        assert waits.startswith(
            "token-catcher: waiting for a new token of integration@acme.example"
        )
        now = datetime.now(UTC).replace(microsecond=0)
        dovecot.deliver(mails.token_mail(issued_at=now), user)
        assert "  refused  integration@acme.example unsigned: " in process.stdout.readline()
        next_step = process.stdout.readline()  # `communicate` does not know what is buffered
        dovecot.deliver(mails.genuine(token=INBOX_TOKEN, issued_at=now), user)
        out, _err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    stored, found = out.splitlines()
    assert next_step.startswith("  next: Salesforce signs all its mail: if this is genuine, ")
    assert "  stored  integration@acme.example → " in stored
    assert found.startswith("found  integration@acme.example → ")


def test_a_wait_for_a_user_whom_no_org_names(tool: Program) -> None:
    """A typo is told at once, with what is configured: exit code 2, and nobody is asked."""
    done = tool("scan", "--wait", "10m", "--user", "integration@acme.exmaple")
    assert (done.code, done.out, done.err) == (
        2,
        "",
        "token-catcher: --user: got 'integration@acme.exmaple', which no org names, expected one"
        " of: *@acme.example, *@acme.example.uat\n",
    )
    assert not tool.state.exists()


# -- a flood --


def told_of_a_flood(tool: Program, log: Path) -> tuple[int, int, int]:
    """Rows and left-out rows of a history from this log; rows of one from log and journal."""
    alone = tool("history", "--json", str(log)).lines
    both = tool("history", "--json", str(log), str(tool.state / "journal.jsonl")).lines
    assert {line["suppressed"] for line in both} == {None}
    assert [line["at"] for line in alone] == sorted(line["at"] for line in alone)
    return len(alone), sum(line["suppressed"] or 0 for line in alone), len(both)


def test_the_log_of_a_scan_tells_how_many_a_flood_had(
    tool: Program, dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    """Ten and the last one by one, and how many are between them."""
    for number in range(15):
        dovecot.deliver(mails.token_mail(extra=f"X-Number: {number}\n", issued_at=NOW), user)
    log = tmp_path / "scan.log"
    log.write_text(tool("scan").err, "utf-8")
    assert told_of_a_flood(tool, log) == (11, 4, 15)


def test_the_log_of_a_daemon_tells_it_at_its_end(
    tool: Program, dovecot: Dovecot, user: str
) -> None:
    """Also where no mail of the kind comes any more."""
    for number in range(15):
        dovecot.deliver(mails.token_mail(extra=f"X-Number: {number}\n", issued_at=NOW), user)
    with tool.daemon() as daemon:
        assert daemon.end() == 0
    assert told_of_a_flood(tool, daemon.log) == (11, 4, 15)
