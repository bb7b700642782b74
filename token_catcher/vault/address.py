"""Where Vault is, and who we are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from token_catcher.tls import ClientCertificate

NAMESPACE: Final = "X-Vault-Namespace"
"""The header that names one."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where Vault is, and who we are there."""

    url: str
    """`https://…`, with the path that a reverse proxy wants in front; or `unix:///run/…`."""
    namespace: str | None = None
    ca_file: str | None = None
    """None: the system's certificate authorities."""
    client_certificate: ClientCertificate | None = None
    others: tuple[str, ...] = ()
    """Further URLs of the same cluster, at which all the rest holds as well."""

    def each(self) -> Iterator[Address]:
        """The addresses one by one."""
        for url in (self.url, *self.others):
            yield replace(self, url=url, others=())

    @property
    def where(self) -> str:
        """For messages."""
        if self.namespace is None:
            return f"Vault at {self.url}"
        return f"Vault at {self.url}, namespace {self.namespace}"
