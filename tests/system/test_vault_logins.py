"""The installed program with each way to log in to Vault: refused, mended, and nothing leaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.contract.vault import shipped_policy
from tests.contract.vault_methods import METHODS, PASSWORD, Surroundings, Way
from tests.kit import mails
from tests.kit.cluster import Cluster
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.waiting import PATIENCE
from tests.system.front import before
from tests.system.test_renewals import SLOWLY
from tests.system.test_secrets_stay_in import Watcher
from token_catcher.advice import NEXT_STEP

DEBUG = "log: {level: debug, format: json}"


@pytest.fixture(scope="module")
def tls_server() -> Iterator[OpenBao]:
    """One that speaks TLS and asks for a certificate."""
    with OpenBao(tls=True) as server:
        yield server


@pytest.fixture
def around(tls_server: OpenBao, tool: Program) -> Iterator[Surroundings]:
    """With the program's own directory for the secrets."""
    with Cluster() as cluster:
        yield Surroundings(tls_server, cluster, tool.home)


def vault(way: Way, auth: Mapping[str, Any]) -> dict[str, str]:
    """The lines of the configuration that differ."""
    address = f"address: {way.address['url']}\nca_file: {way.address['ca_file']}"
    certificate = way.address.get("client_certificate")
    if certificate is not None:
        address += f"\nclient_certificate: {{file: {certificate.file}}}"
    return {"address": address, "auth": f"auth: {json.dumps(auth)}", "log": DEBUG}


def of_approle(login: Any) -> dict[str, Any]:
    """Its two ids."""
    return {"role_id": login.role_id, "secret_id": {"file": "secret-id"}}


def of_a_jwt(login: Any) -> dict[str, Any]:
    """Role and file."""
    return {"role": login.role, "jwt": {"file": "jwt"}}


def of_a_certificate(login: Any) -> dict[str, Any]:
    """The role alone: the certificate stands elsewhere."""
    return {"name": login.name}


def of_a_password(login: Any) -> dict[str, Any]:
    """Name and file."""
    return {"username": login.username, "password": {"file": "password"}}


SECTIONS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "approle": of_approle,
    "kubernetes": of_a_jwt,
    "jwt": of_a_jwt,
    "cert": of_a_certificate,
    "userpass": of_a_password,
}
"""What of `vault.auth` is each method's own."""
WRONG = {
    "approle": ("secret-id", "CANARY-of-a-wrong-secret-id", "vault-login"),
    "kubernetes": ("jwt", "CANARY-of-a-wrong-jwt", "vault-login-review"),
    "jwt": ("jwt", "CANARY.of.a-wrong-jwt", "vault-login-signature"),
    "userpass": ("password", f"wrong-{PASSWORD}", "vault-login-password"),
}
"""A credential that is refused: its file, what is in it, and with which code."""


@pytest.mark.parametrize("method", METHODS)
def test_each_method_stores_a_token_and_shows_no_credential(
    tool: Program,
    dovecot: Dovecot,
    around: Surroundings,
    user: str,
    org: str,
    method: str,
) -> None:
    """At the most talkative level: once with a wrong one, and again when it is mended."""
    policy = shipped_policy(around.server)
    way = METHODS[method](around, org, token_policies=[policy])
    login: Any = way.login
    auth = {"method": method, "mount": login.mount, **SECTIONS[method](login)}
    tool.configure(**vault(way, auth))
    dovecot.deliver(fresh(), user)
    run = Watcher(tool)
    files = {tool.home / name for name in ("secret-id", "jwt", "password")}
    secrets = {file.read_text().strip() for file in files if file.exists()}
    if method in WRONG:
        name, wrong, code = WRONG[method]
        good = (tool.home / name).read_text()
        around.file(name, wrong)
        done = run("scan", code=1)
        assert code in done.out
        assert f"next: {NEXT_STEP[code]}" in done.out.replace("\n   ", "")
        around.file(name, good)
        secrets.add(wrong)
    run("scan")
    run("config", "show")
    assert around.server.get(f"salesforce/{org}/{mails.USERNAME}") is not None
    kept = {*files, tool.home / "imap-password"}
    assert run.sightings(kept, *secrets) == []


def fresh(number: int = 0) -> bytes:
    """A token mail of this moment, the newer the higher the number."""
    now = datetime.now(UTC).replace(microsecond=0)
    token = f"FAKEtokenOFtheTEST0000{number}"
    return mails.genuine(token=token, issued_at=now - timedelta(seconds=10 - number))


def wrapping_token(server: OpenBao, role: str) -> str:
    """As `setup-approle.sh` makes one."""
    headers = {"X-Vault-Token": server.root_token, "X-Vault-Wrap-TTL": "5m"}
    url = f"{server.url}/v1/auth/approle/role/{role}/secret-id"
    answer = requests.post(url, headers=headers, timeout=60)
    return str(answer.json()["wrap_info"]["token"])


def test_a_wrapped_secret_id_survives_a_restart_and_a_theft_is_told(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """What was unwrapped serves the next process; a token that somebody else used is an alarm."""
    role = openbao.approle(org, shipped_policy(openbao))
    auth = f"{{method: approle, role_id: {role.role_id}, wrapped_secret_id: {{file: wrapped}}}}"
    tool.configure(auth=f"auth: {auth}", log=DEBUG)
    token = wrapping_token(openbao, org)
    file = tool.secret("wrapped", token)
    run = Watcher(tool)
    for number in range(2):
        dovecot.deliver(fresh(number), user)
        run("scan")
    kept = tool.state / "vault-secret-id.json"
    secret_id = json.loads(kept.read_text())["secret_id"]
    stolen = wrapping_token(openbao, org)
    openbao.ask("post", "sys/wrapping/unwrap", token=stolen)
    tool.secret("wrapped", stolen)
    dovecot.deliver(fresh(3), user)
    done = run("scan", code=1)
    alarms = [event for event in done.events if event["event"] == "vault.wrapping_token_used"]
    assert [(alarm["level"], alarm["code"]) for alarm in alarms] == [
        ("error", "vault-login-wrapping-used")
    ]
    allowed = {file, kept, tool.home / "imap-password"}
    assert run.sightings(allowed, token, stolen, secret_id) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status",), 1),
        (("audit", "reconcile"), 1),
        (("audit", "verify"), 1),
        (("scan", "--dry-run"), 0),
        (("check",), 0),
    ],
    ids=["status", "reconcile", "verify", "dry run", "check"],
)
def test_what_only_looks_leaves_the_secret_id_wrapped(
    tool: Program, openbao: OpenBao, org: str, words: tuple[str, ...], code: int
) -> None:
    """It says so, and nothing is unwrapped or kept: the first scan still can."""
    role = openbao.approle(org, shipped_policy(openbao))
    auth = f"{{method: approle, role_id: {role.role_id}, wrapped_secret_id: {{file: wrapped}}}}"
    tool.configure(auth=f"auth: {auth}", usernames=f"usernames: [{mails.USERNAME}]")
    token = wrapping_token(openbao, org)
    tool.secret("wrapped", token)
    done = tool(*words)
    assert done.code == code, done
    assert not (tool.state / "vault-secret-id.json").exists()
    assert openbao.ask("post", "sys/wrapping/unwrap", token=token).status == 200


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_theft_is_found_by_looking(
    tool: Program, openbao: OpenBao, org: str, command: str
) -> None:
    """Before the first login: the token is used up, and nothing was unwrapped by us."""
    role = openbao.approle(org, shipped_policy(openbao))
    auth = f"{{method: approle, role_id: {role.role_id}, wrapped_secret_id: {{file: wrapped}}}}"
    tool.configure(auth=f"auth: {auth}", usernames=f"usernames: [{mails.USERNAME}]")
    token = wrapping_token(openbao, org)
    openbao.ask("post", "sys/wrapping/unwrap", token=token)
    tool.secret("wrapped", token)
    done = tool(command)
    assert done.code == 1, done
    assert "treat the secret_id as stolen" in " ".join(done.out.split())
    assert token not in done.out + done.err


def test_a_daemon_that_is_ended_keeps_the_secret_id(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It waits for Vault's answer, which is given once; the next start logs in with it."""
    role = openbao.approle(org, shipped_policy(openbao))
    auth = f"{{method: approle, role_id: {role.role_id}, wrapped_secret_id: {{file: wrapped}}}}"
    tool.secret("wrapped", wrapping_token(openbao, org))
    with before(openbao.url) as front:
        front.takes_long["/sys/wrapping/unwrap"] = SLOWLY
        tool.configure(address=f"address: {front.url}", auth=f"auth: {auth}", log=DEBUG)
        with tool.daemon(ready=False) as daemon:
            until(lambda: "POST /v1/sys/wrapping/unwrap" in front.asked, "the unwrapping")
            assert daemon.end() == 0
        assert not daemon.says("vault.unwrapping_cut_off")
        dovecot.deliver(fresh(), user)
        done = tool("scan")
        assert done.code == 0, done
    assert openbao.get(f"salesforce/{org}/{mails.USERNAME}") is not None


def test_an_unwrapping_that_is_cut_off_is_told(tool: Program, openbao: OpenBao, org: str) -> None:
    """By the file that lacks its secret_id: Vault takes longer than anybody waits."""
    role = openbao.approle(org, shipped_policy(openbao))
    auth = f"{{method: approle, role_id: {role.role_id}, wrapped_secret_id: {{file: wrapped}}}}"
    tool.secret("wrapped", wrapping_token(openbao, org))
    with before(openbao.url) as front:
        front.takes_long["/sys/wrapping/unwrap"] = PATIENCE
        tool.configure(address=f"address: {front.url}", auth=f"auth: {auth}", log=DEBUG)
        with tool.daemon(ready=False) as daemon:
            until(lambda: "POST /v1/sys/wrapping/unwrap" in front.asked, "the unwrapping")
            assert daemon.end() == 0
        file = str(tool.state / "vault-secret-id.json")
        assert daemon.says("vault.unwrapping_cut_off", level="error", file=file)


def test_a_pods_own_token_is_where_kubernetes_puts_it(tool: Program) -> None:
    """Without `jwt` in the configuration, the usual path is looked at."""
    tool.configure(auth="auth: {method: kubernetes, role: x}")
    done = tool("config", "show")
    place = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert done.code == 0, done
    assert place in done.out
    assert not Path(place).exists()
