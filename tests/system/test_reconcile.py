"""The journal held against the versions of a real OpenBao, with its audit log."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.fakes import Silent
from tests.kit.program import Done, Program, program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import until
from token_catcher.record import Journal, Record
from token_catcher.record.openfile import record_of

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
AUDITOR = Path(__file__).parents[2] / "deploy" / "vault" / "auditor.hcl"
OTHER = "FAKEotherTOKENnotREAL23ab"
POLICY = 'path "secret/*" {{ capabilities = ["create", "read", "update", "patch", "delete"] }}'


@dataclass
class Audit:
    """A program with two tokens in Vault, and what others do to them."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    sent: int = 0

    @property
    def path(self) -> str:
        """Where the user's tokens are."""
        return f"salesforce/{self.org}/{mails.USERNAME}"

    def reset(self, times: int = 1) -> None:
        """Tokens come and are stored."""
        for _ in range(times):
            self.sent += 1
            issued_at = BEGAN + timedelta(minutes=self.sent)
            mail = mails.genuine(token=mails.token(self.sent), issued_at=issued_at)
            self.dovecot.deliver(mail, self.user)
        assert self.tool("scan").code == 0

    def as_anna(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """A request by a person's login."""
        name = f"{self.org}-anna"
        role = self.openbao.approle(name, self.openbao.policy(name, POLICY.format()))
        login = {"role_id": role.role_id, "secret_id": role.secret_id}
        answer = self.openbao.tell("post", "auth/approle/login", login)
        token = answer.body["auth"]["client_token"]
        assert self.openbao.ask(method, path, body, token=token).status in (200, 204)

    def write(self, **fields: str) -> None:
        """A person changes fields of the secret."""
        self.as_anna("patch", f"secret/data/{self.path}", {"data": fields})

    def append(self, change: Callable[[Record], Record]) -> None:
        """A record in a chain that is whole, by somebody who can write the journal."""
        journal = Journal(
            self.tool.state / "journal.jsonl", now=lambda: datetime.now(UTC), log=Silent()
        )
        journal.open()
        *_, last = journal.records()
        journal.append(change(last).entry)

    def reconcile(self, *words: str) -> Done:
        """As machines get it."""
        return self.tool("audit", "reconcile", "--json", *words)

    def told(self, *words: str) -> list[tuple[Any, ...]]:
        """Kind, code and version of what does not agree, or is worth a note; without the note on
        users that our own policy does not list."""
        done = self.reconcile(*words)
        told = [
            (line["kind"], line["code"], line["version"])
            for line in done.lines
            if line["code"] != "not-listed"
        ]
        is_well = all(kind in ("note", "recorded") for kind, *_ in told)
        assert done.code == int(not is_well), done
        return told


@pytest.fixture
def audit(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Audit:
    """Two tokens, in two versions."""
    audit = Audit(tool, dovecot, openbao, user, org)
    audit.reset(times=2)
    return audit


def test_all_is_well(audit: Audit) -> None:
    """Nothing is told of versions that are as they were recorded."""
    assert audit.told() == []
    done = audit.tool("audit", "reconcile")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "the journal agrees with Vault: 1 secret, 2 records, 1 note"


def test_looking_changes_nothing(audit: Audit) -> None:
    """It only reads, in Vault and in the state directory."""
    before = {file: file.read_bytes() for file in audit.tool.state.rglob("*") if file.is_file()}
    since = len(audit.openbao.audited)
    assert audit.reconcile().code == 0
    operations = {line["request"]["operation"] for line in audit.openbao.audited[since:]}
    paths = [line["request"]["path"] for line in audit.openbao.audited[since:]]
    writes = [path for path in paths if path.startswith("secret/data/") and "?" in path]
    after = {file: file.read_bytes() for file in audit.tool.state.rglob("*") if file.is_file()}
    assert (operations, writes, after) == ({"read", "list", "update"}, [], before)


def test_with_the_log_each_write_has_its_login(audit: Audit) -> None:
    """By request id: which role, from where; also a password that a person changed."""
    audit.write(password="p")
    done = audit.reconcile("--vault-log", str(audit.openbao.audit_log))
    assert done.code == 0
    lines = [line for line in done.lines if line["path"] == audit.path]
    told = [
        (
            line["kind"],
            line["code"],
            line["version"],
            line["login"]["role"],
            line["login"]["display_name"],
            line["login"]["remote_address"],
        )
        for line in lines
    ]
    assert told == [
        ("recorded", "recorded", 1, f"{audit.org}-test", "approle", "127.0.0.1"),
        ("recorded", "recorded", 2, f"{audit.org}-test", "approle", "127.0.0.1"),
        ("note", "other-fields", 3, f"{audit.org}-anna", "approle", "127.0.0.1"),
    ]
    ids = [line["request_id"] for line in lines]
    assert ids[:2] == [line["login"]["request_id"] for line in lines[:2]]
    assert ids[2] is None


def test_what_people_see(audit: Audit) -> None:
    """A line each, in 80 columns, and what to do once for each code."""
    audit.write(security_token=OTHER)
    done = audit.tool("audit", "reconcile", "--vault-log", str(audit.openbao.audit_log))
    assert done.code == 1
    about = audit.openbao.versions(audit.path)
    at = {number: version["created_time"][:19] for number, version in about.items()}
    lines = done.out.splitlines()
    assert lines[1:5] == [
        audit.path,
        f"  recorded v1   recorded            {at[1]}  approle/{audit.org}-test 127.0.0.1",
        f"  recorded v2   recorded            {at[2]}  approle/{audit.org}-test 127.0.0.1",
        f"  finding  v3   token-by-hand       {at[3]}  approle/{audit.org}-anna 127.0.0.1",
    ]
    assert lines[-2].startswith("token-by-hand: `--vault-log FILE` says who; if nobody")
    assert lines[-1] == ("1 finding, 0 errors: 1 secret, 2 records, 1 note, with Vault's log")


Deed = Callable[[Audit], None]
DEEDS: dict[str, tuple[Deed, list[tuple[Any, ...]]]] = {
    "a password is changed": (
        lambda audit: audit.write(password="p"),
        [("note", "other-fields", 3)],
    ),
    "the token is exchanged": (
        lambda audit: audit.write(security_token=OTHER),
        [("finding", "token-by-hand", 3)],
    ),
    "our fields are changed": (
        lambda audit: audit.write(security_token_issued_at="2026-01-01T00:00:00Z"),
        [("finding", "fields-by-hand", 3)],
    ),
    "a token of somebody's own": (
        lambda audit: audit.as_anna(
            "post", f"secret/data/{audit.path}", {"data": {"security_token": OTHER}}
        ),
        [("finding", "unrecorded-version", 3)],
    ),
    "a put of a password alone": (
        lambda audit: audit.as_anna(
            "post", f"secret/data/{audit.path}", {"data": {"password": "p"}}
        ),
        [("finding", "token-removed", 3)],
    ),
    "something that is no token": (
        lambda audit: audit.write(security_token="see the wiki"),
        [("finding", "not-a-token", 3)],
    ),
    "the latest version is deleted": (
        lambda audit: audit.as_anna("delete", f"secret/data/{audit.path}"),
        [("finding", "deleted-version", 2)],
    ),
    "an earlier version is deleted": (
        lambda audit: audit.as_anna("post", f"secret/delete/{audit.path}", {"versions": [1]}),
        [("finding", "deleted-version", 1)],
    ),
    "a version is destroyed": (
        lambda audit: audit.as_anna("post", f"secret/destroy/{audit.path}", {"versions": ["1"]}),
        [("finding", "destroyed-version", 1)],
    ),
    "the secret is removed": (
        lambda audit: audit.as_anna("delete", f"secret/metadata/{audit.path}"),
        [("finding", "secret-missing", 2)],
    ),
}


@pytest.mark.parametrize(("deed", "told"), DEEDS.values(), ids=DEEDS)
def test_what_somebody_else_did_is_told(
    audit: Audit, deed: Deed, told: list[tuple[Any, ...]]
) -> None:
    """With the code of what it is; and by the log, who did it."""
    deed(audit)
    done = audit.reconcile("--vault-log", str(audit.openbao.audit_log))
    assert done.code == int(told[0][0] == "finding")
    lines = [line for line in done.lines if line["path"] and line["kind"] != "recorded"]
    assert [(line["kind"], line["code"], line["version"]) for line in lines] == told
    assert [line["login"]["role"] for line in lines] == [f"{audit.org}-anna"]


def test_a_secret_that_was_removed_and_made_anew(audit: Audit) -> None:
    """Its numbers begin anew: the records of before are not those of the versions of now."""
    audit.as_anna("delete", f"secret/metadata/{audit.path}")
    audit.reset()
    assert audit.told() == [("finding", "remade-secret", 2)]


def test_versions_that_vault_does_not_keep(audit: Audit) -> None:
    """What was trimmed, or expired by itself, is a note."""
    audit.openbao.settings(audit.path, max_versions=1)
    audit.reset()
    assert audit.told() == [("note", "trimmed-versions", None)]


def test_a_version_that_expired(audit: Audit) -> None:
    """Nobody decided against it."""
    audit.openbao.settings(audit.path, delete_version_after="1s")
    audit.reset()
    until(lambda: audit.openbao.get(audit.path) is None, "the version to expire")
    assert audit.told() == [("note", "expired-version", 3)]


def _other_token(record: Record) -> Record:
    return replace(record, entry=replace(record.entry, fingerprint="sha256:0123456789abcdef"))


def _other_mail(record: Record) -> Record:
    return replace(record, entry=replace(record.entry, mail=f"sha256:{7:064x}"))


def _later_version(record: Record) -> Record:
    return replace(record, entry=replace(record.entry, version=3))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda record: record, [("finding", "recorded-twice", 2)]),
        (_later_version, [("finding", "rolled-back", 3)]),
    ],
)
def test_a_record_that_somebody_added(
    audit: Audit, change: Callable[[Record], Record], told: list[tuple[Any, ...]]
) -> None:
    """In a chain that is whole, so that the journal alone shows nothing."""
    audit.append(change)
    assert audit.tool("audit", "verify").code == 0
    assert audit.told() == told


@pytest.mark.parametrize(("change", "field"), [(_other_token, "token"), (_other_mail, "mail")])
def test_a_record_of_somebody_elses_write(
    audit: Audit, change: Callable[[Record], Record], field: str
) -> None:
    """That says of a version what it does not hold."""
    audit.write(security_token=OTHER, password="p")
    created_at = audit.openbao.versions(audit.path)[3]["created_time"]

    def forged(record: Record) -> Record:
        changed = change(record)
        entry = replace(changed.entry, version=3, vault_created_at=created_at, request_id=None)
        return replace(changed, entry=entry)

    audit.append(forged)
    assert audit.told() == [("finding", "forged-record", 3)]
    (line,) = [line for line in audit.reconcile().lines if line["kind"] == "finding"]
    assert field in line["saw"]


def test_a_record_that_names_another_request(audit: Audit) -> None:
    """The log has the request that made the version."""
    audit.openbao.settings(audit.path, max_versions=0)
    audit.write(password="p")
    journal = audit.tool.state / "journal.jsonl"
    records = audit.tool.journal
    assert records[1]["request_id"] != records[0]["request_id"]
    for file in audit.tool.state.glob("journal*"):
        file.unlink()
    forged = Journal(journal, now=lambda: datetime.now(UTC), log=Silent())
    for record in records:
        changed = {**record, "request_id": records[0]["request_id"]}
        forged.append(record_of(changed).entry)
    log = str(audit.openbao.audit_log)
    codes = [code for kind, code, _ in audit.told("--vault-log", log) if kind == "finding"]
    assert codes == ["forged-record"]


def test_a_version_whose_record_was_removed(audit: Audit) -> None:
    """The journal was begun anew: what we wrote before has no record."""
    audit.tool.configure(usernames=f"usernames: [{mails.USERNAME}]")
    for file in audit.tool.state.glob("journal*"):
        file.unlink()
    done = audit.reconcile()
    codes = [(line["code"], line["version"]) for line in done.lines if line["kind"] == "finding"]
    assert (done.code, codes) == (
        1,
        [("journal-missing", None), ("record-missing", 1), ("record-missing", 2)],
    )


def test_two_instances_prove_each_others_writes(
    audit: Audit, tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The second one finds the token there: its own journal has the mail as proven."""
    twin = program(tmp_path / "twin", dovecot, openbao, user, org, instance="twin")
    assert twin("scan").code == 0
    audit.tool = twin
    assert audit.told() == [("note", "others-write", 1), ("note", "others-write", 2)]


def test_two_instances_that_write_the_same_paths(
    audit: Audit, tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Now this one is faster, now that one; one stores what the other had stored before, and what
    expired in Vault. The journals are asked one after the other, and nothing is found."""
    first = audit.tool
    twin = program(tmp_path / "twin", dovecot, openbao, user, org, instance="twin")
    assert twin("scan").code == 0
    audit.tool = twin
    audit.reset()
    assert first("scan").code == 0
    audit.write(password="p")
    openbao.settings(audit.path, delete_version_after="1s")
    audit.reset()
    until(lambda: openbao.get(audit.path) is None, "the version to expire")
    openbao.settings(audit.path, delete_version_after="0s")
    assert first("scan").code == 0
    told = [("note", "other-fields", 4), ("note", "expired-version", 5)]
    by_first = [("note", "others-write", number) for number in (1, 2)]
    by_twin = [("note", "others-write", 3)]
    assert audit.told() == [*by_first, *told, ("note", "others-write", 6)]
    audit.tool = first
    assert audit.told() == [*by_twin, *told]


def test_two_instances_with_a_copy_of_the_mail_each(
    audit: Audit, tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, org: str
) -> None:
    """What goes to a group comes to several mailboxes, with other header fields at its top."""
    copy = b"Delivered-To: else@acme.example\r\n" + mails.genuine(
        token=mails.token(2), issued_at=BEGAN + timedelta(minutes=2)
    )
    dovecot.deliver(copy, f"else-{org}@example.com")
    twin = program(
        tmp_path / "twin", dovecot, openbao, f"else-{org}@example.com", org, instance="twin"
    )
    assert twin("scan").code == 0
    assert audit.told() == []
    audit.tool = twin
    assert audit.told() == [("note", "before-records", 1), ("note", "others-write", 2)]


def test_the_journal_of_another_instance_in_the_place_of_ours(
    audit: Audit, tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """With the same key it is intact; but it has none of the versions that we wrote."""
    twin = program(tmp_path / "twin", dovecot, openbao, user, org, instance="twin")
    for tool in (audit.tool, twin):
        tool.secret("journal-key", "k" * 64)
        with tool.config.open("a") as config:
            config.write("journal: {key: {file: journal-key}}\n")
        assert tool("scan").code == 0
    for file in twin.state.glob("journal*"):
        shutil.copy(file, audit.tool.state)
    assert audit.tool("audit", "verify").code == 0
    assert audit.told() == [("finding", "record-missing", 1), ("finding", "record-missing", 2)]


def test_an_entry_that_somebody_added_to_the_log(audit: Audit, tmp_path: Path) -> None:
    """It says that another login made a version: both requests are told."""
    audit.write(security_token=OTHER)
    lines = audit.openbao.audit_log.read_text("utf-8").splitlines()
    path = f"secret/data/{audit.path}"
    (real, *_) = [line for line in reversed(lines) if path in line and '"version":3' in line]
    forged = json.loads(real)
    own_request = audit.tool.journal[-1]["request_id"]
    forged["request"]["id"] = own_request
    forged["auth"]["metadata"]["role_name"] = f"{audit.org}-test"
    log = tmp_path / "audit.log"
    log.write_text("\n".join([*lines, json.dumps(forged), ""]), "utf-8")
    done = audit.reconcile("--vault-log", str(log))
    told = [
        (line["code"], line["version"], line["login"]["role"])
        for line in done.lines
        if line["kind"] == "finding"
    ]
    assert told == [
        ("token-by-hand", 3, f"{audit.org}-anna"),
        ("log-contradicts", 3, f"{audit.org}-test"),
    ]
    (saw,) = [line["saw"] for line in done.lines if line["code"] == "log-contradicts"]
    assert saw.startswith("two requests in the log made it: ")
    assert own_request in saw


def test_a_log_that_was_rotated_between_a_request_and_its_answer(
    audit: Audit, tmp_path: Path
) -> None:
    """Given in whatever order, packed or not."""
    lines = audit.openbao.audit_log.read_text("utf-8").splitlines(keepends=True)
    identity = audit.tool.journal[-1]["request_id"]
    place = max(number for number, line in enumerate(lines) if identity in line)
    older = tmp_path / "audit.log.1.gz"
    older.write_bytes(gzip.compress("".join(lines[:place]).encode()))
    newer = tmp_path / "audit.log"
    newer.write_text("".join(lines[place:]), "utf-8")
    told = audit.told("--vault-log", str(newer), "--vault-log", str(older))
    assert told == [("recorded", "recorded", 1), ("recorded", "recorded", 2)]


def test_the_log_of_another_vault(audit: Audit, tmp_path: Path) -> None:
    """The same paths and numbers, at other times: it has none of our writes."""
    lines = audit.openbao.audit_log.read_text("utf-8").splitlines()
    made = {version["created_time"] for version in audit.openbao.versions(audit.path).values()}
    other = [line for line in lines if not any(time in line for time in made)]
    for line in lines:
        if line in other or '"version":' not in line:
            continue
        entry = json.loads(line)
        entry["response"]["data"]["created_time"] = "2026-01-01T00:00:00.000000001Z"
        other.append(json.dumps(entry))
    log = tmp_path / "audit.log"
    log.write_text("\n".join([*other, ""]), "utf-8")
    assert audit.told("--vault-log", str(log)) == [
        ("finding", "not-in-log", 1),
        ("finding", "not-in-log", 2),
    ]


def test_an_instance_that_nobody_knows(audit: Audit) -> None:
    """Who never saw the mail does not know whether it was genuine."""
    fields = {
        "security_token": OTHER,
        "security_token_writer": "f" * 32,
        "security_token_version": "3",
        "security_token_mail": f"sha256:{7:064x}",
    }
    audit.openbao.merge(audit.path, {**fields, "security_token_captured_by": OTHER})
    assert audit.told() == [("finding", "another-instance", 3)]
    (line,) = [line for line in audit.reconcile().lines if line["kind"] == "finding"]
    assert (line["writer"], line["captured_by"]) == ("f" * 32, "<masked>")


def test_a_vault_that_was_rolled_back(
    tmp_path: Path, dovecot: Dovecot, user: str, org: str
) -> None:
    """Restored from its backup, it has not what was written since."""
    with OpenBao(durable=True) as openbao:
        tool = program(tmp_path / "tool", dovecot, openbao, user, org)
        audit = Audit(tool, dovecot, openbao, user, org)
        audit.reset()
        backup = tmp_path / "backup"
        openbao.stop()
        shutil.copytree(openbao.home / "data", backup)
        openbao.start()
        audit.reset()
        openbao.stop()
        shutil.rmtree(openbao.home / "data")
        shutil.copytree(backup, openbao.home / "data")
        openbao.start()
        assert audit.told() == [("finding", "rolled-back", 2)]
        done = tool("audit", "reconcile")
        assert "rolled-back         record 2: version 2; Vault's newest is 1" in done.out


def test_a_closed_and_packed_journal_counts(audit: Audit) -> None:
    """Records of closed files, packed ones too."""
    assert audit.tool("audit", "archive").code == 0
    (closed,) = audit.tool.state.glob("journal-000001.jsonl")
    packed = closed.with_name(closed.name + ".gz")
    packed.write_bytes(gzip.compress(closed.read_bytes()))
    closed.unlink()
    audit.reset()
    assert audit.told() == []


def test_a_broken_journal_is_told_first(audit: Audit) -> None:
    """Then what it still says is held against Vault."""
    journal = audit.tool.state / "journal.jsonl"
    lines = journal.read_text("utf-8").replace('"version":2', '"version":7')
    journal.write_text(lines, "utf-8")
    assert audit.told() == [
        ("finding", "journal-broken", None),
        ("finding", "rolled-back", 7),
        ("finding", "record-missing", 2),
    ]
    done = audit.tool("audit", "reconcile")
    assert done.out.splitlines()[1].startswith(f"{journal}:2: the line was edited")


def _with_policy(audit: Audit, text: str) -> Done:
    name = f"{audit.org}-auditor"
    role = audit.openbao.approle(name, audit.openbao.policy(name, text))
    secret_id = audit.tool.secret("auditor", role.secret_id)
    auth = f"{{method: approle, role_id: {role.role_id}, secret_id: {{file: {secret_id}}}}}"
    audit.tool.configure(auth=f"auth: {auth}")
    return audit.reconcile()


def test_the_shipped_auditor_policy_suffices(audit: Audit) -> None:
    """It lists users that only a pattern names as well."""
    audit.openbao.put(f"salesforce/{audit.org}/else@acme.example", {"security_token": OTHER})
    done = _with_policy(audit, AUDITOR.read_text("utf-8"))
    told = [(line["code"], line["path"]) for line in done.lines]
    assert (done.code, told) == (
        1,
        [("unrecorded-version", f"salesforce/{audit.org}/else@acme.example")],
    )


@pytest.mark.parametrize(
    "text",
    [
        'path "secret/data/salesforce/+/+" {{ capabilities = ["read"] }}',
        'path "secret/metadata/salesforce/+/+" {{ capabilities = ["read"] }}',
    ],
)
def test_rights_that_are_missing_are_told(audit: Audit, text: str) -> None:
    """With the paths, and the policy to take."""
    done = _with_policy(audit, text.format())
    error = (
        f"token-catcher: Vault does not let us read secret/data/{audit.path} and"
        f" secret/metadata/{audit.path} (got 403, expected the capability read on both)"
    )
    lines = done.err.splitlines()
    step = next(line for line in lines if line.startswith("next:"))
    assert (done.code, done.out, error in lines) == (1, "", True)
    assert "`token-catcher init --vault-setup auditor`" in step


def test_one_secret_that_is_closed_to_us_keeps_no_other_from_being_looked_at(
    audit: Audit,
) -> None:
    """It is told by itself, and nobody takes it for one that agrees."""
    closed = f"salesforce/{audit.org}/else@acme.example"
    audit.tool.configure(usernames=f"usernames: [{mails.USERNAME}, else@acme.example]")
    audit.tool.text = audit.tool.config.read_text("utf-8")
    rights = 'path "secret/{kind}/{path}" {{ capabilities = ["read"] }}\n'
    policy = rights.format(kind="data", path=audit.path)
    done = _with_policy(audit, policy + rights.format(kind="metadata", path=audit.path))
    told = [(line["code"], line["path"]) for line in done.lines]
    assert (done.code, told) == (1, [("vault-audit-policy", closed), ("not-listed", None)])
    assert "`token-catcher init --vault-setup auditor`" in done.lines[0]["next"]


def test_a_pattern_is_told_of_where_nobody_of_it_was_looked_at(audit: Audit) -> None:
    """Our own policy lists no users: where the records name some, that is nothing to tell."""
    [line] = audit.reconcile().lines
    saw = f"our token may not list the users of {audit.org}-uat, and no record names one"
    assert (line["kind"], line["code"], line["saw"]) == ("note", "not-listed", saw)
    assert audit.tool("audit", "reconcile").out.endswith("2 records, 1 note\n")


def test_an_engine_without_versions_is_refused(audit: Audit) -> None:
    """There is nothing to compare with."""
    audit.tool.configure(mount="mount: secret\nkv_version: 1")
    done = audit.reconcile()
    assert (done.code, done.out) == (1, "")
    assert "vault.kv_version: got 1, expected 2" in done.err


def test_a_vault_that_is_away_is_told(audit: Audit) -> None:
    """Nothing is said about what agrees."""
    audit.tool.configure(address="address: http://127.0.0.1:9")
    done = audit.reconcile()
    assert (done.code, done.out) == (1, "")
    assert "http://127.0.0.1:9" in done.err


def test_a_log_that_does_not_reach_that_far(audit: Audit, tmp_path: Path) -> None:
    """Its times are told; what it covers, and has not, is a finding."""
    lines = audit.openbao.audit_log.read_text("utf-8").splitlines(keepends=True)
    ids = [record["request_id"] for record in audit.tool.journal]
    places = [
        next(number for number, line in enumerate(lines) if identity in line) for identity in ids
    ]
    late = tmp_path / "late.log.gz"
    late.write_bytes(gzip.compress("".join(lines[places[1] :]).encode()))
    told = audit.told("--vault-log", str(late))
    assert told == [
        ("recorded", "recorded", 1),
        ("recorded", "recorded", 2),
        ("note", "not-covered", None),
    ]
    holed = tmp_path / "holed.log"
    holed.write_text("".join(line for line in lines if ids[1] not in line), "utf-8")
    assert audit.told("--vault-log", str(holed)) == [
        ("recorded", "recorded", 1),
        ("finding", "not-in-log", 2),
    ]


def test_what_is_no_log_is_refused(audit: Audit, tmp_path: Path) -> None:
    """A file of something else would look like a log in which nothing is."""
    other = tmp_path / "other.log"
    other.write_text('{"event": "scan"}\n', "utf-8")
    done = audit.reconcile("--vault-log", str(other))
    assert (done.code, done.out) == (1, "")
    assert f"--vault-log: {other}: got no entry of an audit log" in done.err
    text = audit.openbao.audit_log.read_text("utf-8")
    other.write_text(f"{text}torn\n", "utf-8")
    told = audit.reconcile("--vault-log", str(other))
    assert told.code == 1
    (error,) = [line for line in told.lines if line["kind"] == "error"]
    assert (error["code"], error["saw"]) == (
        "audit-log",
        "--vault-log: 1 line in no form of an audit log",
    )
