"""What a diagnosis asks of Vault: its nodes, our token, our rights, how the mount is set up.

Every question is answered with a value, or raises what `Client.ask` raises; None means that Vault
does not let us know. Nothing is changed, but by the requests about a canary.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from token_catcher.errors import TokenCatcherError
from token_catcher.vault.address import NAMESPACE
from token_catcher.vault.answer import Answer, mapping, not_vaults, trouble_of
from token_catcher.vault.attempt import Attempts
from token_catcher.vault.capabilities import Rules, capabilities, rules, words_in
from token_catcher.vault.client import MERGE_PATCH, Client
from token_catcher.vault.mount import Mount

if TYPE_CHECKING:
    from token_catcher.vault.transport import Transport

HEALTH: Final = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
"""Answered with 200, whatever the state, so that its JSON tells which."""
TOP: Final = {NAMESPACE: ""}
"""The state of a node is told in no namespace but the one above all."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one address says of itself."""

    version: str
    is_initialised: bool
    is_sealed: bool
    is_standby: bool


class PolicyPaths(NamedTuple):
    """Where a secret is, as policies have it."""

    data: str
    metadata: str | None
    """None: the mount is of version 1."""


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What Vault says of our token."""

    kind: str
    """`service` or `batch`; others are Vault's own to name."""
    policies: tuple[str, ...]
    seconds_left: int
    """0: it never ends."""
    longest_life: int
    """Seconds from its making, whatever is renewed; 0: Vault's own limit."""
    is_renewable: bool
    is_periodic: bool
    uses_left: int
    """0: as many as we like."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a mount, or one secret in it, keeps versions."""

    cas_required: bool
    max_versions: int
    """0: what stands above it has a say."""
    delete_version_after: str
    """As Go writes it, `720h0m0s`; empty: never."""

    @classmethod
    def of(cls, answer: Answer) -> Settings:
        """By what Vault says."""
        lifetime = str(answer.data.get("delete_version_after", "0s"))
        # Go writes nothing as 0s, and a setting that switches the mount's off as a negative one.
        if lifetime == "0s" or lifetime.startswith("-"):
            lifetime = ""
        return cls(
            bool(answer.data.get("cas_required")),
            _number(answer.data, "max_versions"),
            lifetime,
        )


class Node:
    """One address of the cluster."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def url(self) -> str:
        """As it is configured."""
        return self._transport.url

    @property
    def where(self) -> str:
        """The address, for messages."""
        return self._transport.where

    def certificate_ends_at(self) -> datetime | None:
        """When the certificate ends that the server shows; None: it speaks no TLS."""
        return self._transport.certificate_ends_at()

    def state(self) -> NodeState:
        """What it says of itself. Outage: somebody else answers, or something between us does."""
        answer = self._transport.send("get", HEALTH, TOP)
        body = answer.body
        if answer.status != 200 or not isinstance(body.get("sealed"), bool):
            raise self._no_state(answer)
        return NodeState(
            version=str(body.get("version", ""))[:40],
            is_initialised=bool(body.get("initialized")),
            is_sealed=bool(body.get("sealed")),
            is_standby=bool(body.get("standby")),
        )

    def _no_state(self, answer: Answer) -> TokenCatcherError:
        where = self._transport.where
        trouble = trouble_of(answer, where)
        if trouble is None:
            return not_vaults(answer, where)
        return trouble


class Inspection:
    """The questions, asked by the client and of the mount that tokens are stored with."""

    def __init__(self, client: Client, mount: Mount, fields: Collection[str]) -> None:
        """`fields`: the names of those that a token is stored with."""
        self._client = client
        self._mount = mount
        self._attempts = Attempts(client, mount, fields)

    @property
    def kv_version(self) -> int:
        """That is expected of the mount."""
        return self._mount.version

    @property
    def mount(self) -> str:
        """Its name, as configured."""
        return self._mount.name

    @property
    def login(self) -> str:
        """The way to log in, for messages."""
        return self._client.login_name

    @property
    def is_token_given(self) -> bool:
        """Whether somebody else keeps our token, so that no login gives the next one."""
        return self._client.is_token_given

    @property
    def is_token_added(self) -> bool:
        """Whether we send none, and an Agent or Proxy adds its own."""
        return self._client.is_token_added

    @property
    def refused_code(self) -> str:
        """The code where Vault does not accept the token of our login."""
        return self._client.refused_code

    def nodes(self) -> list[Node]:
        """One for each address."""
        return [Node(transport) for transport in self._client.nodes]

    def nodes_in_order(self) -> list[Node]:
        """The one that last answered first."""
        return [Node(transport) for transport in self._client.nodes_in_order]

    def would_unwrap(self) -> bool:
        """Whether a login now would use up a wrapping token. StateError, AccessError."""
        return self._client.would_unwrap()

    def leave_wrapped(self) -> None:
        """See to it that a login now uses up no wrapping token, as `Client.leave_wrapped` does."""
        self._client.leave_wrapped()

    def log_in(self) -> None:
        """Have a token, by a login where there is none yet."""
        self._client.keep_alive()

    def token(self) -> TokenFacts | None:
        """What Vault says of our token. None: it may not ask after itself."""
        answer = self._client.about_token()
        if answer.status != 200:
            return None
        return _facts(answer.data)

    def policy_paths(self, path: str) -> PolicyPaths:
        """Where a secret is, as policies have it."""
        metadata = None
        if self.kv_version != 1:
            metadata = self._mount.metadata(path)
        return PolicyPaths(self._mount.where(path), metadata)

    def check_mount(self, path: str) -> None:
        """See that the mount is as configured, asked anew with the path of a secret.

        AccessError: it is not."""
        self._mount.check_path(path)
        self._mount.forget()
        self._mount.check(path)

    def capabilities(self, paths: Sequence[str]) -> Mapping[str, frozenset[str]] | None:
        """What our policies let us do at each of these paths of Vault's API.

        None: they do not let us ask."""
        return capabilities(self._client, paths)

    def rules(self) -> Rules:
        """Those of our policies, as far as Vault tells them."""
        return rules(self._client)

    def denied(self, path: str, *, with_patch: bool = True) -> Sequence[str]:
        """Which requests of a store our policies refuse, tried without changing anything.

        See `Attempts.denied`."""
        return self._attempts.denied(path, with_patch=with_patch)

    def mount_settings(self) -> Settings | None:
        """How the mount keeps versions. None: we may not read that."""
        return self._settings(f"{self._mount.name}/config")

    def settings_of(self, path: str) -> Settings | None:
        """How one secret keeps versions. None: there is no such secret, or we may not read it."""
        return self._settings(self._mount.metadata(path))

    def _settings(self, url: str) -> Settings | None:
        answer = self._client.ask("get", url)
        if answer.status != 200:
            return None
        return Settings.of(answer)

    def write_canary(self, path: str, text: str) -> int:
        """Write a secret where there is none. Returns the status of the answer."""
        body: Mapping[str, Any] = {"canary": text}
        if self.kv_version == 2:
            body = {"options": {"cas": 0}, "data": body}
        return self._client.ask("post", self._mount.where(path), body).status

    def patch_canary(self, path: str, text: str) -> int:
        """Merge into it, on version 2. Returns the status of the answer."""
        body = {"options": {"cas": 1}, "data": {"canary": text}}
        headers = {"Content-Type": MERGE_PATCH}
        return self._client.ask("patch", self._mount.where(path), body, headers).status

    def read_canary(self, path: str) -> str:
        """What it holds now; any other text where it cannot be read."""
        fields = self._client.ask("get", self._mount.where(path)).data
        if self.kv_version == 2:
            fields = mapping(fields.get("data"))
        return str(fields.get("canary"))

    def remove_canary(self, path: str) -> int:
        """Remove it with all its versions. Returns the status of the answer."""
        url = self._mount.where(path)
        if self.kv_version == 2:
            url = self._mount.metadata(path)
        return self._client.ask("delete", url).status


def _facts(data: Mapping[str, Any]) -> TokenFacts:
    policies = words_in(data.get("policies")) | words_in(data.get("identity_policies"))
    return TokenFacts(
        kind=str(data.get("type", ""))[:40],
        policies=tuple(sorted(policies)),
        seconds_left=_number(data, "ttl"),
        longest_life=_number(data, "explicit_max_ttl"),
        is_renewable=bool(data.get("renewable")),
        is_periodic=_number(data, "period") > 0,
        uses_left=_number(data, "num_uses"),
    )


def _number(data: Mapping[str, Any], name: str) -> int:
    number = data.get(name)
    if not isinstance(number, int) or number < 0:
        return 0
    return number
