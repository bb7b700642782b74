"""deploy/vault against a real OpenBao: what the script sets up, what the policies allow."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import kit
from tests.deploy.kit import DEPLOY
from tests.kit.fakes import Silent
from tests.kit.mails import TOKEN, USERNAME
from tests.kit.program import COMMAND
from tests.kit.servers import OpenBao
from token_catcher.commands.vault_setup import PolicyKind
from token_catcher.model import Capture, Mail, MailRef, Reason, Secret, Stored, Token, Unchanged
from token_catcher.vault import Address, AppRoleLogin, Client, VaultStore

SCRIPT = DEPLOY / "vault" / "setup-approle.sh"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(openbao: OpenBao, org: str, tmp_path: Path) -> Run:
    """The script, run by an administrator for a role named like the test's org."""

    def run(*arguments: str, **parameters: str) -> subprocess.CompletedProcess[str]:
        environment = environment_of(openbao, tmp_path, **({"ROLE": org} | parameters))
        return kit.run(SCRIPT, *arguments, env=environment)

    return run


def environment_of(openbao: OpenBao, home: Path, **parameters: str) -> dict[str, str]:
    """An administrator's, with parameters of the script."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    administrator = {
        "PATH": path,
        "HOME": str(home),
        "BAO_ADDR": openbao.url,
        "BAO_TOKEN": openbao.root_token,
    }
    return administrator | {"HOST": "host1", "INSTANCE": "tc-1"} | parameters


@pytest.fixture
def login(openbao: OpenBao, run: Run, tmp_path: Path) -> Callable[..., str]:
    """Sets a role up with the script and returns a token of it."""

    def login(**parameters: str) -> str:
        done = run(str(tmp_path / "secret-id"), **parameters)
        assert done.returncode == 0, done.stderr
        body = {"role_id": done.stdout.strip(), "secret_id": (tmp_path / "secret-id").read_text()}
        return str(openbao.tell("post", "auth/approle/login", body).body["auth"]["client_token"])

    return login


def set_up(openbao: OpenBao, name: str) -> tuple[str, dict[str, Any]]:
    """The policy and the role of this name."""
    policy = openbao.tell("get", f"sys/policies/acl/{name}").data["policy"]
    return policy, openbao.tell("get", f"auth/approle/role/{name}").data


def can(openbao: OpenBao, token: str, path: str) -> list[str]:
    """The capabilities of a token on a path."""
    answer = openbao.ask("post", "sys/capabilities-self", {"paths": [path]}, token=token)
    return sorted(answer.data["capabilities"])


def test_the_script_prints_the_role_and_hides_the_secret(
    openbao: OpenBao, run: Run, org: str, tmp_path: Path
) -> None:
    """Standard output is the role_id alone; the secret_id is in a file of mode 0600 only."""
    done = run(str(tmp_path / "secret-id"))
    assert done.returncode == 0, done.stderr
    role_id = openbao.tell("get", f"auth/approle/role/{org}/role-id").data["role_id"]
    assert done.stdout.strip() == role_id
    secret_id = (tmp_path / "secret-id").read_text()
    assert secret_id
    assert secret_id not in done.stdout + done.stderr
    assert stat.S_IMODE((tmp_path / "secret-id").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("secret-id*")] == ["secret-id"]


def test_the_script_may_run_again(openbao: OpenBao, run: Run, org: str, tmp_path: Path) -> None:
    """A second run changes neither role_id nor file, and makes no second secret_id."""
    first = run(str(tmp_path / "secret-id"))
    secret_id = (tmp_path / "secret-id").read_text()
    again = run(str(tmp_path / "secret-id"))
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (tmp_path / "secret-id").read_text() == secret_id
    made = openbao.tell("get", f"auth/approle/role/{org}/secret-id?list=true").data["keys"]
    assert len(made) == 1


def test_the_directory_of_the_file_comes_first(openbao: OpenBao, run: Run, org: str) -> None:
    """Where there is none, the script says so before Vault has a role without its file."""
    done = run("/nowhere/token-catcher/secret-id")
    assert (done.returncode, done.stdout) == (2, "")
    assert "install -d -m 0755 /nowhere/token-catcher" in done.stderr
    assert openbao.ask("get", f"auth/approle/role/{org}").status == 404
    assert openbao.ask("get", f"sys/policies/acl/{org}").status == 404


def attempt(openbao: OpenBao, role_id: str, secret_id: str) -> int:
    """The status of a login."""
    body = {"role_id": role_id, "secret_id": secret_id}
    return openbao.ask("post", "auth/approle/login", body).status


def test_a_rotation_destroys_the_old_secret_id(openbao: OpenBao, run: Run, tmp_path: Path) -> None:
    """The new one logs in, the old one is refused, and so is one whose file was lost before."""
    file = tmp_path / "secret-id"
    run(str(file))
    lost = file.read_text()
    file.unlink()
    role_id = run(str(file)).stdout.strip()
    old = file.read_text()
    assert [attempt(openbao, role_id, secret_id) for secret_id in (lost, old)] == [200, 200]
    done = run(str(file), ROTATE="1")
    assert (done.returncode, done.stdout.strip()) == (0, role_id), done.stderr
    new = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [attempt(openbao, role_id, secret_id) for secret_id in (lost, old)] == [400, 400]
    assert attempt(openbao, role_id, new) == 200
    assert done.stderr.count("destroyed an older secret_id of tc-1, accessor ") == 2
    for secret_id in (lost, old, new):
        assert secret_id not in done.stdout + done.stderr


def test_a_rotation_is_of_one_instance(openbao: OpenBao, run: Run, tmp_path: Path) -> None:
    """The neighbour's secret_id, of a name that begins alike, goes on being good."""
    role_id = run(str(tmp_path / "neighbour"), INSTANCE="tc-11").stdout.strip()
    run(str(tmp_path / "secret-id"))
    assert run(str(tmp_path / "secret-id"), ROTATE="1").returncode == 0
    assert attempt(openbao, role_id, (tmp_path / "neighbour").read_text()) == 200


def test_a_rotation_of_nobody_is_refused(run: Run, tmp_path: Path) -> None:
    """An instance that has none to rotate is mistyped: nothing is made, and the file stays."""
    run(str(tmp_path / "secret-id"))
    before = (tmp_path / "secret-id").read_text()
    done = run(str(tmp_path / "secret-id"), ROTATE="1", INSTANCE="tc-2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no secret_id of instance tc-2" in done.stderr
    assert (tmp_path / "secret-id").read_text() == before


def test_a_wrapped_one_is_rotated_as_well(openbao: OpenBao, run: Run, tmp_path: Path) -> None:
    """The file holds a used-up token there: what is destroyed is found by its instance."""
    file = tmp_path / "secret-id"
    role_id = run(str(file), WRAP_TTL="5m").stdout.strip()
    old = openbao.ask("post", "sys/wrapping/unwrap", token=file.read_text()).data["secret_id"]
    assert run(str(file), WRAP_TTL="5m", ROTATE="1").returncode == 0
    new = openbao.ask("post", "sys/wrapping/unwrap", token=file.read_text()).data["secret_id"]
    statuses = [attempt(openbao, role_id, secret_id) for secret_id in (old, new)]
    assert statuses == [400, 200]


def test_a_token_outlives_its_secret_id(
    openbao: OpenBao, run: Run, login: Callable[..., str], tmp_path: Path
) -> None:
    """Its rotation ends no session: what a thief has got with it is ended by another command."""
    token = login()
    assert run(str(tmp_path / "secret-id"), ROTATE="1").returncode == 0
    assert openbao.ask("post", "auth/token/renew-self", {}, token=token).status == 200


def test_a_wrapped_secret_id_opens_once(openbao: OpenBao, run: Run, tmp_path: Path) -> None:
    """With WRAP_TTL the file holds a wrapping token.

    The first to unwrap it gets the secret_id, a second is refused."""
    done = run(str(tmp_path / "secret-id"), WRAP_TTL="5m")
    assert done.returncode == 0, done.stderr
    wrapping = (tmp_path / "secret-id").read_text()
    assert wrapping not in done.stdout + done.stderr
    secret_id = openbao.ask("post", "sys/wrapping/unwrap", token=wrapping).data["secret_id"]
    login = {"role_id": done.stdout.strip(), "secret_id": secret_id}
    assert openbao.ask("post", "auth/approle/login", login).status == 200
    assert openbao.ask("post", "sys/wrapping/unwrap", token=wrapping).status == 400


def test_the_audit_log_names_the_instance(openbao: OpenBao, login: Callable[..., str]) -> None:
    """The secret_id carries host and instance: the audit log has them in every request."""
    token = login()
    answer = openbao.ask("get", "auth/token/lookup-self", token=token)
    meta = answer.data["meta"]
    assert (meta["host"], meta["instance"]) == ("host1", "tc-1")
    responses = [line for line in openbao.audited if line["type"] == "response"]
    request_id = answer.body["request_id"]
    [response] = [line for line in responses if line["request"]["id"] == request_id]
    assert response["auth"]["metadata"]["instance"] == "tc-1"


@pytest.mark.parametrize(
    "value", ["", "/secret", "secret/", "a//b", "../sys", "a*", 'a"', "a b", "a\nb", "+"]
)
def test_a_parameter_that_would_mean_something_is_refused(
    run: Run, tmp_path: Path, value: str
) -> None:
    """Nothing but plain path segments reaches a policy, a path or JSON."""
    done = run(str(tmp_path / "secret-id"), INSTANCE=value or "/")
    assert (done.returncode, done.stdout) == (2, "")
    assert "INSTANCE: got" in done.stderr


def test_a_failing_vault_leaves_no_file(run: Run, tmp_path: Path) -> None:
    """Without rights the script ends with an error and no empty secret file."""
    done = run(str(tmp_path / "secret-id"), BAO_TOKEN="nobody")
    assert done.returncode != 0
    assert not (tmp_path / "secret-id").exists()


def test_another_mount_and_prefix(openbao: OpenBao, login: Callable[..., str], org: str) -> None:
    """MOUNT and PREFIX move the whole policy: the new place is allowed, the old one is not."""
    token = login(MOUNT=openbao.mount(f"kv-{org}"), PREFIX="crm/sf")
    capabilities = can(openbao, token, f"kv-{org}/data/crm/sf/{org}/{USERNAME}")
    assert capabilities == ["create", "patch", "read", "update"]
    assert can(openbao, token, f"secret/data/salesforce/{org}/{USERNAME}") == ["deny"]
    assert can(openbao, token, f"kv-{org}/config") == ["read"]
    assert can(openbao, token, "secret/config") == ["deny"]


@pytest.mark.parametrize("kind", PolicyKind)
def test_init_prints_the_same_script(
    openbao: OpenBao, run: Run, org: str, tmp_path: Path, kind: PolicyKind
) -> None:
    """What the installed program prints makes the policy and the role that the script makes."""
    policy = tmp_path / "policy.hcl"
    shipped = [(DEPLOY / "vault" / file).read_text("utf-8") for file in kind.files]
    policy.write_text("\n".join(shipped), "utf-8")
    parameters = {"POLICY": str(policy), "MOUNT": "kv/team"}
    role_id = run(str(tmp_path / "secret-id"), **parameters).stdout
    policy_text, role = set_up(openbao, org)
    printed = kit.run(COMMAND, "init", "--vault-setup", kind.value, "--mount", "kv/team")
    assert (printed.returncode, printed.stderr) == (0, "")
    script = tmp_path / "printed.sh"
    script.write_text(printed.stdout, "utf-8")
    environment = environment_of(openbao, tmp_path, ROLE=f"{org}-printed")
    done = kit.run("sh", script, tmp_path / "printed", env=environment)
    assert done.returncode == 0, done.stderr
    printed_role = role | {"token_policies": [f"{org}-printed"]}
    assert set_up(openbao, f"{org}-printed") == (policy_text, printed_role)
    assert role_id.endswith("\n")
    assert '"kv/team/' in policy_text or kind is PolicyKind.READER


def test_what_init_prints_takes_another_policy(openbao: OpenBao, org: str, tmp_path: Path) -> None:
    """POLICY names it, as for the script itself."""
    script = tmp_path / "printed.sh"
    script.write_text(kit.run(COMMAND, "init", "--vault-setup", "kv2").stdout, "utf-8")
    policy = str(DEPLOY / "vault" / "reader.hcl")
    environment = environment_of(openbao, tmp_path, ROLE=org, POLICY=policy)
    done = kit.run("sh", script, tmp_path / "printed", env=environment)
    assert done.returncode == 0, done.stderr
    place = "secret/data/salesforce/acme-production/integration@acme.example"
    assert f'path "{place}" {{\n  capabilities = ["read"]\n}}\n' in set_up(openbao, org)[0]


def test_token_catcher_may_do_exactly_this(
    openbao: OpenBao, login: Callable[..., str], org: str
) -> None:
    """create, read, update, patch on data; read, patch on metadata; read on how the mount keeps
    versions; nothing anywhere else."""
    token = login()
    place = f"salesforce/{org}/{USERNAME}"
    expected = {
        f"secret/data/{place}": ["create", "patch", "read", "update"],
        f"secret/metadata/{place}": ["patch", "read"],
        f"secret/delete/{place}": ["deny"],
        f"secret/undelete/{place}": ["deny"],
        f"secret/destroy/{place}": ["deny"],
        f"secret/data/{place}/below": ["deny"],
        f"secret/data/salesforce/{org}": ["deny"],
        "secret/metadata/salesforce/": ["deny"],
        f"secret/data/another/{org}/{USERNAME}": ["deny"],
        "secret/config": ["read"],
        f"sys/policies/acl/{org}": ["deny"],
        f"auth/approle/role/{org}/secret-id": ["deny"],
        "sys/mounts": ["deny"],
    }
    assert {path: can(openbao, token, path) for path in expected} == expected


def test_an_auditor_may_do_exactly_this(
    openbao: OpenBao, login: Callable[..., str], org: str
) -> None:
    """auditor.hcl: read on data and metadata, list of an org's users,
    read on the anchors of journals; nothing is written."""
    token = login(POLICY=str(DEPLOY / "vault" / "auditor.hcl"))
    place = f"salesforce/{org}/{USERNAME}"
    expected = {
        f"secret/data/{place}": ["read"],
        f"secret/metadata/{place}": ["read"],
        f"secret/metadata/salesforce/{org}/": ["list"],
        f"secret/data/token-catcher/journal/{org}": ["read"],
        f"secret/delete/{place}": ["deny"],
        f"secret/destroy/{place}": ["deny"],
        f"secret/data/another/{org}/{USERNAME}": ["deny"],
        "secret/metadata/salesforce/": ["deny"],
    }
    assert {path: can(openbao, token, path) for path in expected} == expected


def test_what_token_catcher_asks_is_answered(
    openbao: OpenBao, login: Callable[..., str], org: str
) -> None:
    """What the capabilities say is what happens: each request succeeds or is refused."""
    token = login()
    place = f"salesforce/{org}/{USERNAME}"
    first = {"options": {"cas": 0}, "data": {"password": "p"}}
    second = {"options": {"cas": 1}, "data": {"security_token": TOKEN}}
    third = {"options": {"cas": 2}, "data": {"security_token": TOKEN}}
    requests = [
        ("post", f"secret/data/{place}", first, 200),
        ("patch", f"secret/data/{place}", second, 200),
        ("post", f"secret/data/{place}", third, 200),
        ("get", f"secret/data/{place}?version=1", None, 200),
        ("get", f"secret/metadata/{place}", None, 200),
        ("patch", f"secret/metadata/{place}", {"custom_metadata": {"owner": "integrations"}}, 204),
        ("get", f"sys/internal/ui/mounts/secret/{place}", None, 200),
        ("post", "auth/token/renew-self", {}, 200),
        ("delete", f"secret/data/{place}", None, 403),
        ("delete", f"secret/metadata/{place}", None, 403),
        ("post", f"secret/metadata/{place}", {"max_versions": 1}, 403),
        ("get", f"secret/metadata/salesforce/{org}?list=true", None, 403),
        ("get", "secret/metadata?list=true", None, 403),
        ("post", "auth/token/create", {}, 403),
    ]
    for method, path, body, status in requests:
        assert openbao.ask(method, path, body, token=token).status == status, (method, path)


def test_the_program_stores_under_the_policy(
    openbao: OpenBao, run: Run, org: str, tmp_path: Path
) -> None:
    """Login, probe, read, write and read of the real store need no more than the policy."""
    role_id = run(str(tmp_path / "secret-id")).stdout.strip()
    auth = AppRoleLogin(role_id, lambda: Secret((tmp_path / "secret-id").read_text()))
    client = Client(Address(openbao.url), auth, monotonic=time.monotonic, log=Silent())
    issued = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
    store = VaultStore(
        client,
        mount="secret",
        field="security_token",
        instance="tc-1",
        writer=lambda: "tc-1",
        now=lambda: issued,
        sleep=time.sleep,
        log=Silent(),
    )
    mail = Mail(MailRef("integrations", "INBOX", 1, 1), issued, b"")
    path = f"salesforce/{org}/{USERNAME}"
    openbao.put(path, {"password": "p"})
    capture = Capture(mail, USERNAME, Token(TOKEN), org, path, issued, issued)
    try:
        stored = store.store(capture)
        again = store.store(capture)
        versions = [version.number for version in store.kept(path)]
    finally:
        store.close()
    assert isinstance(stored, Stored)
    assert isinstance(again, Unchanged)
    assert (stored.receipt.version, again.reason, versions) == (2, Reason.SAME_TOKEN, [1, 2])
    assert openbao.ask("get", f"secret/data/{path}").data["data"]["password"] == "p"


def test_the_policy_of_the_anchor_is_written_for_the_mount(
    openbao: OpenBao, login: Callable[..., str], org: str, tmp_path: Path
) -> None:
    """journal-anchor.hcl behind the usual one, in one file: read and write the heads of journals,
    delete none, and nothing beside them."""
    shipped = [DEPLOY / "vault" / name for name in ("token-catcher.hcl", "journal-anchor.hcl")]
    both = tmp_path / "both.hcl"
    both.write_text("\n".join(file.read_text("utf-8") for file in shipped), "utf-8")
    token = login(POLICY=str(both), MOUNT=f"{org}/kv", PREFIX="sf/tokens")
    expected = {
        f"{org}/kv/data/token-catcher/journal/one": ["create", "read", "update"],
        f"{org}/kv/metadata/token-catcher/journal/one": ["deny"],
        f"{org}/kv/data/token-catcher/journal/one/more": ["deny"],
        f"{org}/kv/data/sf/tokens/acme/{USERNAME}": ["create", "patch", "read", "update"],
        "secret/data/token-catcher/journal/one": ["deny"],
    }
    assert {path: can(openbao, token, path) for path in expected} == expected


def test_the_policy_for_version_1_is_written_for_the_mount(
    openbao: OpenBao, login: Callable[..., str], org: str
) -> None:
    """token-catcher-kv1.hcl: create, read and update on each user's path, and nothing beside it."""
    policy = str(DEPLOY / "vault" / "token-catcher-kv1.hcl")
    token = login(POLICY=policy, MOUNT=f"{org}/kv1", PREFIX="sf/tokens")
    expected = {
        f"{org}/kv1/sf/tokens/acme/{USERNAME}": ["create", "read", "update"],
        f"{org}/kv1/sf/tokens/{USERNAME}": ["deny"],
        f"{org}/kv1/sf/tokens/acme/team/{USERNAME}": ["deny"],
        f"secret/salesforce/acme/{USERNAME}": ["deny"],
    }
    assert {path: can(openbao, token, path) for path in expected} == expected


def test_a_reader_reads_its_own_secret_only(openbao: OpenBao, login: Callable[..., str]) -> None:
    """reader.hcl: read on the one path it names; no write, no metadata, no neighbour."""
    token = login(POLICY=str(DEPLOY / "vault" / "reader.hcl"))
    place = "salesforce/acme-production/integration@acme.example"
    expected = {
        f"secret/data/{place}": ["read"],
        f"secret/metadata/{place}": ["deny"],
        "secret/data/salesforce/acme-production/another@acme.example": ["deny"],
        "secret/metadata/salesforce/acme-production/": ["deny"],
    }
    assert {path: can(openbao, token, path) for path in expected} == expected
    openbao.put(place, {"security_token": TOKEN})
    assert openbao.ask("get", f"secret/data/{place}", token=token).data["data"] == {
        "security_token": TOKEN
    }
    for method in ("post", "patch", "delete"):
        answer = openbao.ask(method, f"secret/data/{place}", {"data": {}}, token=token)
        assert answer.status == 403, method
