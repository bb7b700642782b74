"""What is answered to a request, by Vault or by somebody in front of it; pure.

Only Vault's own words are a fact about a secret, a token or a login. A page with status 403 is none
of a policy's refusals, and one with 404 does not say that a secret is missing: whatever is not
Vault's is an outage, and asked again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from token_catcher.errors import AccessError, Outage, TokenCatcherError

JSON: Final = "application/json"
AWAY: Final[Mapping[int, str]] = {
    301: "a redirect",
    302: "a redirect",
    303: "a redirect",
    307: "a standby that knows no active node",
    308: "a standby that knows no active node",
    401: "a proxy that wants a login of its own",
    408: "a proxy that waited too long",
    412: "a standby that is behind",
    421: "a proxy that knows no such host",
    425: "a proxy that wants it later",
    472: "a disaster recovery secondary",
    473: "a performance standby",
    500: "an internal error",
    502: "a proxy without a server",
    503: "a proxy without a server",
    504: "a proxy without an answer",
}
"""Answers after which everything else will fail as well, for a while; so will it after any other
of 500 and above."""
UNKNOWN: Final = (502, 504)
"""Said by a proxy that had no answer: the server behind it may have done what it was asked."""
PATCH_REFUSED: Final = (403, 405, 415, 501)
"""How a proxy, or an old Vault, refuses the method PATCH alone. GET and POST may work all the same,
so it is the caller's to understand, whoever said it."""

PASSING: Final = frozenset(
    {
        "vault-away",
        "vault-foreign",
        "vault-protocol",
        "vault-quota",
        "vault-race",
        "vault-redirect",
        "vault-sealed",
        "vault-secret",
        "vault-tls",
        "vault-unreachable",
    }
)
"""The codes of what may pass by itself; after all others somebody has to change something."""

_OPENING: Final = "Upgrading from non-versioned to versioned data"
"""What a KV mount says, with 400, for a moment after it was made or Vault was unsealed."""
_NO_NAMESPACE: Final = "namespace not found"
"""OpenBao, with 404, to any path in a namespace that is not there."""
_PLAIN_HTTP: Final = b"Client sent an HTTP request to an HTTPS server"
"""Go's HTTP server, and so Vault, with 400 and as plain text."""
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of one answer. The body is kept out of `repr`: it may hold a secret."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    """{} where it was no JSON object."""
    media_type: str = JSON
    """Of the body, in lower case; empty where none was named."""
    is_vaults: bool = True
    """Whether Vault itself has spoken."""
    retry_after: float | None = None
    """Seconds that it asks us to wait."""
    wants_tls: bool = False
    """Whether this is a TLS port that was spoken to in plain HTTP."""
    location: str = field(default="", repr=False)
    """Where a redirect leads: foreign text."""
    where: str = "Vault"
    """Who gave it, for messages."""

    @classmethod
    def of(
        cls, status: int, headers: Mapping[str, str], content: bytes, where: str = "Vault"
    ) -> Answer:
        """As it came. `headers`: by name, in whatever case they are asked for.

        `where`: who gave it, for messages."""
        media_type = _media_type(headers.get("Content-Type", ""))
        body = mapping(_parsed(content))
        return cls(
            status,
            body,
            media_type,
            _is_vaults(status, media_type, body, content),
            _seconds(headers.get("Retry-After", "")),
            status == 400 and _PLAIN_HTTP in content[:200],
            headers.get("Location", ""),
            where,
        )

    @property
    def data(self) -> Mapping[str, Any]:
        """The `data` of the body, {} where there is none."""
        return mapping(self.body.get("data"))

    @property
    def auth(self) -> Mapping[str, Any]:
        """What a login or a renewal gives, {} where there is none."""
        return mapping(self.body.get("auth"))

    @property
    def form(self) -> str:
        """Status and content type, for messages: `403 with text/html`."""
        return f"{self.status} with {self.media_type or 'no content type'}"

    def says(self, words: str) -> bool:
        """Whether one of the errors holds these words, in whatever case."""
        errors = self.body.get("errors")
        if not isinstance(errors, list):
            return False
        return any(words.lower() in str(error).lower() for error in errors)


def trouble_of(
    answer: Answer, where: str, key: str = "vault.namespace"
) -> TokenCatcherError | None:
    """What the answer says of Vault as a whole; None: it is an answer to what was asked.

    By its number and form, never in its own words. `where`: Vault, for messages; `key`: what its
    namespace is configured by."""
    if answer.wants_tls:
        return AccessError(
            f"vault.address: {where} speaks TLS, expected https:// in place of http://",
            code="vault-address",
        )
    if answer.status in AWAY or answer.status == 429 or answer.status >= 500:
        return _away(answer, where)
    if not answer.is_vaults:
        return not_vaults(answer, where)
    return _about_the_path(answer, where, key)


def _away(answer: Answer, where: str) -> Outage:
    """By the number alone."""
    # A rate limit quota of Vault's, or of a proxy before it.
    if answer.status == 429:
        return Outage(
            f"{where} asked to slow down (429)",
            code="vault-quota",
            retry_after=answer.retry_after,
        )
    if answer.status == 503 and answer.is_vaults:
        return Outage(
            f"{where} is away: 503, sealed, or without an active node", code="vault-sealed"
        )
    why = AWAY.get(answer.status, "an error of the server")
    return Outage(
        f"{where} is away: {answer.form}, {why}",
        code="vault-away",
        was_sent=answer.status in UNKNOWN,
    )


def _about_the_path(answer: Answer, where: str, key: str) -> TokenCatcherError | None:
    """What Vault says of any path below, in a few words of its own."""
    if answer.status == 400 and answer.says(_OPENING):
        return Outage(f"{where} is still opening the mount", code="vault-away")
    if answer.status == 404 and answer.says(_NO_NAMESPACE):
        return AccessError(
            f"{where}: there is no such namespace (got 404), expected {key} to be one",
            code="vault-namespace",
        )
    return None


def may_pass(code: str) -> bool:
    """Whether an error of this code may pass by itself."""
    return code in PASSING


def not_vaults(answer: Answer, where: str) -> Outage:
    """Somebody else has spoken for Vault."""
    return Outage(
        f"{where} is away: somebody else answers there (got {answer.form}, expected Vault's JSON)",
        code="vault-foreign",
    )


def mapping(value: object) -> Mapping[str, Any]:
    """The value, where it is a JSON object; {} for anything else."""
    if isinstance(value, Mapping):
        return value
    return {}


def _is_vaults(status: int, media_type: str, body: Mapping[str, Any], content: bytes) -> bool:
    """Vault answers in JSON, and its errors have a form that other servers' do not have."""
    if status == 204:
        return True
    if media_type != JSON:
        return False
    # Odd parts of a success are told where they are read: they concern one secret alone.
    if status < 400:
        return True
    # PATCH of a missing secret: 404, as JSON, without a body. A deleted version: with its metadata.
    return not content or isinstance(body.get("errors"), list) or "request_id" in body


def _media_type(header: str) -> str:
    """Cleaned: it is foreign text, and goes into messages."""
    media_type = _MEDIA_TYPE.match(header.strip().lower())
    if media_type is None:
        return ""
    return media_type[0]


def _seconds(retry_after: str) -> float | None:
    """Retry-After in seconds; its other form, a date, is not understood."""
    if not retry_after.isdecimal():
        return None
    return float(retry_after)


def _parsed(content: bytes) -> object:
    """The body; None where it is none, or no JSON, or nested past all sense."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
