"""A mount of KV version 2: read a version, write one with check-and-set.

What Vault answers is looked at part by part before it is used: a proxy may have spoken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from token_catcher.errors import AccessError, TransientError
from token_catcher.model import Receipt
from token_catcher.vault.answer import Answer, mapping
from token_catcher.vault.client import MERGE_PATCH, Client

FRESH: Final = {"X-Vault-Inconsistent": "forward-active-node"}
"""Makes a standby ask the active node instead of answering with what it had before."""
CAPABILITIES: Final = "create, read, update and patch"
VERSIONS_BACK: Final = 20
"""How far back versions are looked at; Vault keeps ten by default."""

# No empty segment, none that begins with a dot, nothing that a URL reads specially; and no dot at
# the end, which HashiCorp Vault cannot read back.
_PATH: Final = re.compile(
    r"[A-Za-z0-9_+'@-][A-Za-z0-9._+'@-]*(?:/[A-Za-z0-9_+'@-][A-Za-z0-9._+'@-]*)*(?<!\.)", re.ASCII
)
# As Go writes one: 1h30m0s.
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([hms])")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version of a secret."""

    number: int
    """0: there is none at all."""
    created_at: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    gone: bool = False
    """Deleted, destroyed or expired: what it held is not known."""
    deletion_time: str = ""
    """May lie ahead."""
    destroyed: bool = False

    def ours(self, name: str) -> str | None:
        """One of the fields we write beside the token."""
        value = self.data.get(f"security_token_{name}")
        if isinstance(value, str):
            return value
        return None


class KeyValue:
    """Secrets under one mount. Thread-safe."""

    def __init__(self, client: Client, mount: str) -> None:
        self._client = client
        self._mount = mount.strip("/")
        self._is_v2 = False

    def where(self, path: str) -> str:
        """The path in Vault's API and in its policies."""
        return f"{self._mount}/data/{path}"

    def check_path(self, path: str) -> None:
        """The last look before a path becomes a URL.

        requests would resolve `..` and leave the mount. AccessError: it is not plain."""
        if not _PATH.fullmatch(path):
            raise AccessError(
                f"vault.path: got {ascii(path)[:100]}, expected plain segments", code="vault-path"
            )

    def check_mount(self, path: str) -> None:
        """The first time, see that the mount is of version 2. AccessError: it is not.

        Version 1 takes a write made for version 2, answers 204, and stores it wrongly. The real
        path is asked with: the mount alone is denied to a token with few rights."""
        if self._is_v2:
            return
        answer = self._client.request("get", f"sys/internal/ui/mounts/{self._mount}/{path}")
        if answer.status != 200:
            raise AccessError(
                f"vault.mount: there is no mount {self._mount}, or our token has no rights on"
                f" {self.where(path)} (got {answer.status}, expected 200)",
                code="vault-mount",
            )
        kind = answer.data.get("type")
        version = str(mapping(answer.data.get("options")).get("version", "1"))
        if kind != "kv" or version != "2":
            raise AccessError(
                f"vault.mount: {self._mount} is {kind} version {version}, expected kv version 2",
                code="vault-kv1",
            )
        self._is_v2 = True

    def read(self, path: str, number: int = 0, *, fresh: bool = False) -> SecretVersion:
        """A version, or the latest (0). `fresh`: not from a standby's memory."""
        url = self.where(path)
        if number:
            url += f"?version={number}"
        headers = FRESH if fresh else None
        answer = self._client.request("get", url, headers=headers)
        self._expect(answer, path, (200, 404))
        about = mapping(answer.data.get("metadata"))
        # A version that is gone is answered with 404 as well, and with its metadata.
        if answer.status == 404 and not about:
            return SecretVersion(0)
        number, created_at = self._identity(about, path)
        return SecretVersion(
            number,
            created_at,
            self._fields(answer, path),
            gone=answer.status == 404,
            deletion_time=str(about.get("deletion_time", "")),
            destroyed=bool(about.get("destroyed")),
        )

    def history(self, path: str, latest: SecretVersion) -> Iterator[SecretVersion]:
        """This version and those before it, newest first, as far as Vault keeps them."""
        yield latest
        oldest = max(1, latest.number - VERSIONS_BACK + 1)
        for number in range(latest.number - 1, oldest - 1, -1):
            version = self.read(path, number)
            if not version.number:
                return
            yield version

    def numbers(self, path: str) -> list[int]:
        """Of all versions that Vault keeps, ascending; none where there is no secret."""
        answer = self._metadata(path)
        if answer.status == 404:
            return []
        self._expect(answer, path, (200,))
        numbers = list(mapping(answer.data.get("versions")))
        if not all(number.isdecimal() for number in numbers):
            raise self._malformed(path, "versions without a number")
        return sorted(int(number) for number in numbers)

    def lifetime(self, path: str) -> float:
        """Seconds after which Vault itself deletes a version of this secret; 0: it does not."""
        duration = str(self._metadata(path).data.get("delete_version_after", ""))
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))

    def write(self, path: str, fields: Mapping[str, str], current: SecretVersion) -> Receipt | None:
        """Write these fields, and only over `current`. None: it is no longer the latest.

        A secret that is there is merged into, so that its other fields survive."""
        url = self.where(path)
        body = {"options": {"cas": current.number}, "data": fields}
        # PATCH answers 404 where there is nothing to merge into.
        if current.number == 0 or current.gone:
            answer = self._client.request("post", url, body)
        else:
            answer = self._client.request("patch", url, body, {"Content-Type": MERGE_PATCH})
        # 404: it was deleted since the read. 400: somebody wrote another version.
        if answer.status == 404 or (answer.status == 400 and answer.says("check-and-set")):
            return None
        self._expect(answer, path, (200,))
        number, created_at = self._identity(answer.data, path)
        request_id = answer.body.get("request_id")
        if not isinstance(request_id, str):
            request_id = None
        return Receipt(path, number, created_at, request_id)

    def _metadata(self, path: str) -> Answer:
        return self._client.request("get", f"{self._mount}/metadata/{path}")

    def _identity(self, about: Mapping[str, Any], path: str) -> tuple[int, str]:
        """Number and created_time of a version: together they tell it from all others."""
        number = about.get("version")
        created_at = about.get("created_time")
        if not isinstance(number, int) or not isinstance(created_at, str):
            raise self._malformed(path, "an answer without a version")
        return number, created_at

    def _fields(self, answer: Answer, path: str) -> Mapping[str, Any]:
        """What a version holds; nothing where it is gone, or where somebody wrote null."""
        fields = answer.data.get("data")
        if fields is not None and not isinstance(fields, Mapping):
            raise self._malformed(path, "a secret without fields")
        return mapping(fields)

    def _malformed(self, path: str, what: str) -> TransientError:
        return TransientError(f"{self.where(path)}: got {what}", code="vault-protocol")

    def _expect(self, answer: Answer, path: str, wanted: tuple[int, ...]) -> None:
        """AccessError for everything that only a person can change."""
        if answer.status in wanted:
            return
        if answer.status == 403:
            raise AccessError(
                f"Vault denies access to {self.where(path)} (got 403, expected the capabilities"
                f" {CAPABILITIES})",
                code="vault-policy",
            )
        if answer.status == 405:
            raise AccessError(
                f"vault.mount: {self._mount} is not kv version 2 (got 405 to PATCH)",
                code="vault-kv1",
            )
        raise AccessError(
            f"Vault answered {answer.status} for {self.where(path)}", code="vault-refused"
        )
