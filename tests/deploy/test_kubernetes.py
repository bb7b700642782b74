"""deploy/kubernetes: the manifests fit the published schemas, each other and the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it carries no types
import pytest

from tests.deploy.kit import DEPLOY, documents
from token_catcher import __version__, config
from token_catcher.config.load import VARIABLE
from token_catcher.daemon import shards

BASE = DEPLOY / "kubernetes" / "base"
LABELS = {"app.kubernetes.io/name": "token-catcher"}
CUSTOM = "PodMonitor"
Manifests = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def kustomization() -> dict[str, Any]:
    """kustomization.yaml."""
    [document] = documents(BASE / "kustomization.yaml")
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="module")
def manifests(kustomization: dict[str, Any]) -> Manifests:
    """Every resource of the base, by kind."""
    resources: Manifests = {}
    for name in kustomization["resources"]:
        for document in documents(BASE / name):
            resources[document["kind"]] = document
    return resources


@pytest.fixture(scope="module")
def pod(manifests: Manifests) -> dict[str, Any]:
    """The pod's specification."""
    spec = manifests["StatefulSet"]["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    """The only container."""
    [specification] = pod["containers"]
    assert isinstance(specification, dict)
    return specification


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    """config.yaml as the program reads it in a pod, with secrets in a directory of the test."""
    text = (BASE / "config.yaml").read_text()
    for name in ("imap-password", "vault-secret-id"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "config.yaml").write_text(
        text.replace("/run/secrets/token-catcher/", f"{tmp_path}/")
    )
    return config.load(tmp_path / "config.yaml", {})


def test_the_base_is_whole(kustomization: dict[str, Any]) -> None:
    """Every manifest in the folder is in the base, and no Secret; the image has our version."""
    [generator] = kustomization["configMapGenerator"]
    assert {path.name for path in BASE.iterdir()} == {
        "kustomization.yaml",
        *kustomization["resources"],
        *generator["files"],
    }
    assert kustomization["images"] == [{"name": "token-catcher", "newTag": __version__}]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_manifests_fit_the_published_schemas(manifests: Manifests, version: str) -> None:
    """Strictly: an unknown field is an error.

    A custom resource has no schema there; the next test is for it."""
    assert set(manifests) == {
        "ServiceAccount",
        "Service",
        "StatefulSet",
        "PodDisruptionBudget",
        "NetworkPolicy",
        CUSTOM,
    }
    for kind, manifest in manifests.items():
        if kind != CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_pod_monitor_has_documented_fields_only(manifests: Manifests) -> None:
    """Those that the operator documents: there is no schema of a custom resource at hand."""
    manifest = manifests[CUSTOM]
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(manifest["spec"]) == {"selector", "podMetricsEndpoints"}
    [endpoint] = manifest["spec"]["podMetricsEndpoints"]
    assert set(endpoint) == {"port", "path", "interval", "relabelings"}
    assert [set(rule) for rule in endpoint["relabelings"]] == [{"sourceLabels", "targetLabel"}]


def test_every_selector_finds_the_pods(manifests: Manifests) -> None:
    """The pods' labels are what StatefulSet, Service, budget, policy and monitor look for."""
    assert manifests["StatefulSet"]["spec"]["template"]["metadata"]["labels"] == LABELS
    selectors = {
        "StatefulSet": manifests["StatefulSet"]["spec"]["selector"]["matchLabels"],
        "Service": manifests["Service"]["spec"]["selector"],
        "PodDisruptionBudget": manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        CUSTOM: manifests[CUSTOM]["spec"]["selector"]["matchLabels"],
    }
    assert selectors == dict.fromkeys(selectors, LABELS)
    assert (
        manifests["StatefulSet"]["spec"]["serviceName"] == manifests["Service"]["metadata"]["name"]
    )
    assert manifests["Service"]["spec"]["clusterIP"] == "None"


def test_the_pod_may_do_nothing(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """Not root, a root it cannot write, no capability, the runtime's system calls.

    And no way into the cluster."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_probes_ask_the_program(container: dict[str, Any]) -> None:
    """/livez decides on a restart and /readyz on readiness, at the port named http."""
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_the_configuration_is_valid_and_fits_the_pod(
    settings: config.Config, manifests: Manifests, container: dict[str, Any], pod: dict[str, Any]
) -> None:
    """The program takes config.yaml and listens where the probes ask.

    It finds state and secrets where they are mounted."""
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings.http.listen == config.Listen("0.0.0.0", container["ports"][0]["containerPort"])
    assert str(settings.state_dir) == mounts["state"]
    assert container["env"] == [{"name": VARIABLE, "value": f"{mounts['config']}/config.yaml"}]
    assert f"{{file: {mounts['secrets']}/imap-password}}" in (BASE / "config.yaml").read_text()
    assert f"{{file: {mounts['secrets']}/vault-secret-id}}" in (BASE / "config.yaml").read_text()
    assert {volume["name"] for volume in pod["volumes"]} | {"state"} == set(mounts)
    [claim] = manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "state"


def test_the_secret_is_for_the_program_alone(pod: dict[str, Any]) -> None:
    """Its files have mode 0400, to which Kubernetes adds the group's 0040 for fsGroup.

    The program accepts that."""
    [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret == {"secretName": "token-catcher", "defaultMode": 0o400}


def test_every_mailbox_has_two_pods(settings: config.Config, manifests: Manifests) -> None:
    """The shards are as many as the pods, numbered by their names.

    One pod may go, and no mailbox is left alone."""
    spec = manifests["StatefulSet"]["spec"]
    assert settings.shard == config.ShardConfig(count=spec["replicas"], index="auto", replicas=2)
    name = manifests["StatefulSet"]["metadata"]["name"]
    assert spec["replicas"] == 2
    assert [shards.index_from(f"{name}-{number}") for number in range(2)] == [0, 1]
    assert manifests["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_the_network_is_narrow(manifests: Manifests, settings: config.Config) -> None:
    """Out: DNS and the ports of the configured mailbox and Vault. In: metrics."""
    spec = manifests["NetworkPolicy"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    out = [(port["port"], port["protocol"]) for rule in spec["egress"] for port in rule["ports"]]
    assert out == [(53, "UDP"), (53, "TCP"), (settings.mailboxes[0].port, "TCP"), (8200, "TCP")]
    assert str(settings.vault.address).endswith(":8200")
    assert [port["port"] for rule in spec["ingress"] for port in rule["ports"]] == ["http"]
    assert all(rule["from"] for rule in spec["ingress"])
