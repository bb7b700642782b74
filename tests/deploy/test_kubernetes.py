"""deploy/kubernetes: the manifests fit the published schemas, each other and the program."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it carries no types
import pytest
from ruamel.yaml import YAML

from tests.deploy.kit import DEPLOY, documents, run
from token_catcher import __version__, config
from token_catcher.config.loading import VARIABLE
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
    """config.yaml of the base."""
    return load_from(BASE, tmp_path)


def load_from(folder: Path, tmp_path: Path) -> config.Config:
    """config.yaml as the program reads it in a pod, with secrets in a directory of the test."""
    text = (folder / "config.yaml").read_text()
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
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert variables == {VARIABLE: f"{mounts['config']}/config.yaml", "POD": None}
    assert f"{{file: {mounts['secrets']}/imap-password}}" in (BASE / "config.yaml").read_text()
    assert f"{{file: {mounts['secrets']}/vault-secret-id}}" in (BASE / "config.yaml").read_text()
    assert {volume["name"] for volume in pod["volumes"]} | {"state"} == set(mounts)
    [claim] = manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "state"


def test_each_pod_has_a_secret_of_its_own(
    manifests: Manifests, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    """Named like the pod, and mounted in that pod alone; as many as there are pods.

    Its files have mode 0400, to which Kubernetes adds the group's 0040 for fsGroup.
    The program accepts that."""
    [volume] = [volume["projected"] for volume in pod["volumes"] if "projected" in volume]
    assert volume["defaultMode"] == 0o400
    secrets = [source["secret"] for source in volume["sources"]]
    name = manifests["StatefulSet"]["metadata"]["name"]
    replicas = manifests["StatefulSet"]["spec"]["replicas"]
    assert secrets == [
        {
            "name": f"{name}-{number}",
            "items": [
                {"key": key, "path": f"{name}-{number}/{key}"}
                for key in ("imap-password", "vault-secret-id")
            ],
        }
        for number in range(replicas)
    ]
    [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "secrets"]
    assert mount["subPathExpr"] == "$(POD)"
    [variable] = [variable for variable in container["env"] if variable["name"] == "POD"]
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


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


OVERLAY = DEPLOY / "kubernetes" / "overlays" / "example"


@pytest.fixture(scope="module")
def rendered() -> Manifests:
    """What kustomize makes of the example overlay, by kind."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:  # also under CI: no registry that the tests may ask has a kustomize
        pytest.skip("kubectl is missing: install it (kubernetes.io), it has kustomize")
    done = run(kubectl, "kustomize", OVERLAY)
    assert done.returncode == 0, done.stderr
    manifests = YAML(typ="safe", pure=True).load_all(done.stdout)
    return {manifest["kind"]: manifest for manifest in manifests}


def test_the_overlay_changes_what_it_says(rendered: Manifests, manifests: Manifests) -> None:
    """Namespace, image and configuration are its own; the rest of the pod is the base's."""
    assert set(rendered) == {*manifests, "ConfigMap"}
    assert {manifest["metadata"]["namespace"] for manifest in rendered.values()} == {"crm"}
    spec = rendered["StatefulSet"]["spec"]["template"]["spec"]
    [ours] = spec["containers"]
    [base] = manifests["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert ours == {**base, "image": f"registry.example.com/token-catcher:{__version__}"}
    [claim] = rendered["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "backed-up"
    shown = rendered["ConfigMap"]["data"]
    assert shown == {"config.yaml": (OVERLAY / "config.yaml").read_text("utf-8")}
    [mounted] = [volume["configMap"] for volume in spec["volumes"] if "configMap" in volume]
    assert mounted["name"] == rendered["ConfigMap"]["metadata"]["name"] != "token-catcher"


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_overlay_fits_the_published_schemas(rendered: Manifests, version: str) -> None:
    """Strictly, as the base does."""
    for kind, manifest in rendered.items():
        if kind != CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_overlays_network_is_narrower(rendered: Manifests, manifests: Manifests) -> None:
    """The same ports, but for DNS each to one place."""
    ours, base = (of["NetworkPolicy"]["spec"]["egress"] for of in (rendered, manifests))
    ports = [[port for rule in rules for port in rule["ports"]] for rules in (ours, base)]
    assert ports[0] == ports[1]
    assert ["to" in rule for rule in ours] == [False, True, True]


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=["base", "overlay"])
def test_a_configuration_fits_the_secrets(folder: Path, tmp_path: Path) -> None:
    """The program takes it, with the two files that each Secret brings."""
    loaded = load_from(folder, tmp_path)
    assert loaded.shard == config.ShardConfig(count=2, index="auto", replicas=2)


def test_the_secrets_are_made_as_it_says() -> None:
    """By the command of deploy/README.md: one for each pod, with the two keys."""
    readme = (DEPLOY / "README.md").read_text("utf-8")
    made = re.findall(r"kubectl create secret generic (\S+) --from-file=(\S+)", readme)
    assert made == [("token-catcher-$pod", "imap-password"), ("token-catcher-0", "imap-password")]
    assert "for pod in 0 1; do" in readme
    assert "--from-file=vault-secret-id=vault-secret-id-$pod" in readme
