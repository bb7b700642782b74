"""A mount of a KV engine: that it is the configured one, and requests about one secret in it.

What Vault answers is looked at part by part before it is used: a proxy may have spoken for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError
from token_catcher.vault.answer import Answer, mapping
from token_catcher.vault.capabilities import capabilities
from token_catcher.vault.client import Client

FRESH: Final = {"X-Vault-Inconsistent": "forward-active-node"}
"""Makes a standby ask the active node instead of answering with what it had before."""
CAPABILITIES: Final = {1: "create, read and update", 2: "create, read, update and patch"}
"""What a policy has to grant, by the version of the engine."""
STORING: Final = frozenset(("create", "read", "update"))
"""The capabilities that every store needs; it does without patch."""
ROOT: Final = "root"
"""Stands for all capabilities."""

# No empty segment, none that begins with a dot, nothing that a URL reads specially; and no dot at
# the end, which HashiCorp Vault cannot read back.
_PATH: Final = re.compile(
    r"[A-Za-z0-9_+'@-][A-Za-z0-9._+'@-]*(?:/[A-Za-z0-9_+'@-][A-Za-z0-9._+'@-]*)*(?<!\.)", re.ASCII
)
DENIED: Final = "vault-policy"
"""The code where Vault refuses a request about one path, and may show the others."""
FOR_ALL: Final = "vault-quota"
"""The code of the outage after which Vault is not asked whether it answers for other paths: it has
just asked to slow down."""
ONE_SECRET: Final = "vault-secret"  # noqa: S105 - an error code
"""The code of a failure that concerns one path, while Vault answers for others."""


class Mount:
    """One mount. Thread-safe."""

    def __init__(self, client: Client, name: str, version: int = 2) -> None:
        """`version`: of the KV engine that is expected there."""
        self.client = client
        self.name = name.strip("/")
        self.version = version
        self._is_known = False

    def where(self, path: str) -> str:
        """The path in Vault's API and in its policies."""
        if self.version == 1:
            return f"{self.name}/{path}"
        return f"{self.name}/data/{path}"

    def metadata(self, path: str) -> str:
        """The path of what Vault keeps beside the versions of a secret; version 1 has none."""
        return f"{self.name}/metadata/{path}"

    def check_path(self, path: str) -> None:
        """The last look before a path becomes a URL.

        requests would resolve `..` and leave the mount. AccessError: it is not plain."""
        if not self.is_plain(path):
            raise AccessError(
                f"vault.path: got {ascii(path)[:100]}, expected plain segments", code="vault-path"
            )

    def is_plain(self, path: str) -> bool:
        """Whether a path can become a URL as it is."""
        return _PATH.fullmatch(path) is not None

    def check(self, path: str) -> None:
        """See that the mount is the configured one, and of the right version; not asked again while
        secrets are found there. AccessError: it is not. Otherwise it raises what `send` raises.

        Version 1 takes a write made for version 2, answers 204, and stores it wrongly. So does a
        mount whose name was taken too long (`secret/data`): it stores elsewhere. The real path is
        asked with: the mount alone is denied to a token with few rights."""
        if self._is_known:
            return
        self.client.keep_alive()  # what keeps us from a login concerns every path
        answer = self.send("get", _about(self.name, path), path, headers=FRESH)
        if answer.status != 200:
            raise AccessError(
                f"vault.mount: there is no mount {self.name}, or our token has no rights on"
                f" {self.where(path)} (got {answer.status}, expected 200)",
                code="vault-mount",
            )
        name = _mount_name(answer)
        if not name:
            raise self.malformed(path, "an answer about the mount without its name")
        self._check_name(name, path)
        self._check_engine(answer)
        self._is_known = True

    def forget(self) -> None:
        """Look at the mount again before the next secret."""
        self._is_known = False

    def send(
        self,
        method: str,
        url: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request about one secret. Outage: Vault is away.

        TransientError with the code `ONE_SECRET`: it fails for this secret alone. So may a dropped
        connection or a time-out, where a firewall for web applications dislikes the path, a name in
        it, and so whatever we ask with that name."""
        try:
            return self.client.request(method, url, body, headers)
        except Outage as error:
            outage = error
        # Out here the exception is no context of the next one.
        if outage.code == FOR_ALL or not self._answers():
            raise outage
        raise TransientError(
            f"{outage}; but it answers for other paths than {self.where(path)}, so that secret"
            " waits alone",
            code=ONE_SECRET,
        )

    def _answers(self) -> bool:
        """Whether Vault is there, asked with a request that reads no secret and names none.

        To a token with few rights Vault may deny it; then Vault has answered as well."""
        try:
            self.client.request("get", _about(self.name), None, FRESH)
        except TokenCatcherError:
            return False
        return True

    def check_missing(self, answer: Answer, path: str) -> None:
        """TransientError: not even a list of errors says that the secret is missing.

        Taken for Vault's, it would be written as a new one, and come to grief as a race."""
        if answer.status == 404 and not answer.body:
            raise self.malformed(path, "404 without a body, expected Vault's list of errors")

    def expect(self, answer: Answer, path: str, wanted: tuple[int, ...]) -> None:
        """AccessError for everything that only a person can change."""
        if answer.status in wanted:
            return
        if answer.status == 403:
            raise self._denied(path)
        if answer.status == 405 and self.version == 2:
            raise AccessError(
                f"vault.mount: {self.name} is not kv version 2 (got 405, expected 200)",
                code="vault-kv1",
            )
        raise AccessError(
            f"Vault answered {answer.status} for {self.where(path)}", code="vault-refused"
        )

    def _denied(self, path: str) -> AccessError:
        """The error for a 403: all its causes are answered alike."""
        where = self.where(path)
        if self._is_granted(where):
            return AccessError(
                f"Vault denies access to {where} (got 403), though our token has the capabilities"
                f" {CAPABILITIES[1]}: a policy wants or forbids parameters there, or wants answers"
                " wrapped",
                code="vault-policy-constraint",
            )
        return AccessError(
            f"Vault denies access to {where} (got 403, expected the capabilities"
            f" {CAPABILITIES[self.version]})",
            code=DENIED,
        )

    def _is_granted(self, where: str) -> bool:
        """Whether our capabilities suffice there; not, where they cannot be asked."""
        try:
            granted = capabilities(self.client, [where])
        except TokenCatcherError:
            return False
        if granted is None:
            return False
        return ROOT in granted[where] or granted[where] >= STORING

    def names(self, url: str, folder: str) -> list[str] | None:
        """What is in this folder, but for folders. `url`: where it is listed. None: our token may
        not list it.

        As a GET: proxies know no method LIST."""
        answer = self.send("get", f"{url}?list=true", folder)
        if answer.status == 403:
            return None
        if answer.status == 404:
            return []
        self.expect(answer, folder, (200,))
        keys = answer.data.get("keys")
        if not isinstance(keys, list):
            raise self.malformed(folder, "a list without keys")
        return [key for key in keys if isinstance(key, str) and not key.endswith("/")]

    def lost(self, path: str) -> AccessError:
        """The error for a write that is answered with 404."""
        self.forget()
        return AccessError(
            f"vault.mount: nothing takes a write to {self.where(path)} (got 404, expected 200):"
            f" the mount {self.name} is gone, or something else stands in its place",
            code="vault-mount",
        )

    def malformed(self, path: str, what: str) -> TransientError:
        """The error for an answer in a form that Vault's do not have. `what`: it was."""
        return TransientError(f"{self.where(path)}: got {what}", code="vault-protocol")

    def _check_engine(self, answer: Answer) -> None:
        """AccessError: it is no KV (`vault-mount-engine`), or of the other version."""
        kind = answer.data.get("type")
        version = str(mapping(answer.data.get("options")).get("version", "1"))
        if (kind, version) == ("kv", str(self.version)):
            return
        if kind != "kv":
            raise AccessError(
                f"vault.mount: {self.name} is {kind}, expected kv version {self.version}",
                code="vault-mount-engine",
            )
        code = "vault-kv1"
        if self.version == 1:
            code = "vault-kv2"
        raise AccessError(
            f"vault.mount: {self.name} is {kind} version {version}, expected kv version"
            f" {self.version}",
            code=code,
        )

    def _check_name(self, name: str, path: str) -> None:
        """AccessError: Vault's name of the mount is another one than the configured.

        Either may have namespaces in front: OpenBao tells them, HashiCorp Vault does not."""
        if name == self.name or name.endswith(f"/{self.name}"):
            return
        namespace = self.name.removesuffix(name).rstrip("/")
        if f"{namespace}/{name}" == self.name and self._is_namespace(namespace, path):
            return
        raise AccessError(
            f"vault.mount: got {self.name}, but the mount there is {name}:"
            " expected the mount alone, as `bao secrets list` shows it, and the rest in vault.path",
            code="vault-mount-path",
        )

    def _is_namespace(self, name: str, path: str) -> bool:
        """Whether it is no mount itself: `secret/secret` leads into the mount `secret`."""
        return _mount_name(self.send("get", _about(name, path), path, headers=FRESH)) != name


def _about(mount: str, path: str = "") -> str:
    """Where Vault tells of a mount. To be asked with `FRESH`: a standby may answer this by itself,
    and be of no use for the rest."""
    return f"sys/internal/ui/mounts/{mount}/{path}".rstrip("/")


def _mount_name(answer: Answer) -> str:
    """Vault's name of a mount, without the slash at its end."""
    return str(answer.data.get("path", "")).strip("/")
