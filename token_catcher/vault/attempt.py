"""A write that can never take place, which shows whether our policies would let one through.

Capabilities tell a part of that. A policy may also want or forbid parameters of a request, or want
its answer wrapped (`required_parameters`, `denied_parameters`, `allowed_parameters`,
`min_wrapping_ttl`), and `sys/capabilities-self` says nothing of it. Vault asks its policies before
the engine sees a request, and the engine compares the check-and-set before it keeps anything. So
the requests of a store are sent with the check-and-set of a version that no secret has: a policy
answers 403, the engine 400, and nothing is kept, not even the metadata of a new path.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from token_catcher.errors import AccessError
from token_catcher.vault.answer import Answer
from token_catcher.vault.client import MERGE_PATCH, Client
from token_catcher.vault.kv import fields_in, is_overtaken, over
from token_catcher.vault.mount import Mount
from token_catcher.vault.version import OUR_VERSION, SecretVersion

NO_VERSION: Final = SecretVersion(2**31 - 1)
"""Never 0: that is the check-and-set of a secret that is not there, and would be carried out."""
NEVER: Final = "token-catcher check: this is never written"
"""What each field would hold."""


class Attempts:
    """Requests of a store that change nothing."""

    def __init__(self, client: Client, mount: Mount, fields: Collection[str]) -> None:
        """`fields`: the names of those that a store writes."""
        self._client = client
        self._mount = mount
        self._fields = dict.fromkeys((*fields, OUR_VERSION), NEVER)

    def denied(self, path: str, *, with_patch: bool = True) -> list[str]:
        """Which methods of a store our policies refuse at this path; none: it would get through.

        On KV version 1 only GET is tried: it has no check-and-set. `with_patch`: also PATCH; not
        where its capability is known to be missing, since alerts count refusals. Raises what
        `Client.ask` raises. AccessError, TransientError: what answers is no KV engine of the
        configured version."""
        current = self._client.ask("get", self._mount.where(path))
        if current.status == 403:
            return ["GET"]
        self._mount.expect(current, path, (200, 404))
        if self._mount.version == 1:
            return []
        # As `KeyValue.write`: PATCH where there is something to merge into, or else POST.
        denied = []
        if with_patch and fields_in(current):
            answer = self._sent("patch", path, {"Content-Type": MERGE_PATCH})
            if is_overtaken(answer):
                return []
            if answer.status == 403 and answer.is_vaults:
                denied.append("PATCH")
        answer = self._sent("post", path)
        if answer.status == 403:
            return [*denied, "POST"]
        self._expect_overtaken(answer, path)
        return denied

    def _sent(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        body: Mapping[str, Any] = over(NO_VERSION, self._fields)
        return self._client.ask(method, self._mount.where(path), body, headers)

    def _expect_overtaken(self, answer: Answer, path: str) -> None:
        if is_overtaken(answer):
            return
        if answer.status == 404:
            raise self._mount.lost(path)
        self._mount.expect(answer, path, (200, 204))
        raise AccessError(
            f"{self._mount.where(path)}: got {answer.status} for a write over a version that is not"
            " there, expected 400: no check-and-set is made there",
            code="vault-refused",
        )
