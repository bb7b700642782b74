"""Which of our credentials end by themselves, and when: told before it is too late.

A certificate that ends takes the mailbox, or Vault, away at once, and at night; what else expires
(a client secret, say) only those know who gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from token_catcher.certificates import certificate_in
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.ports import Log

TOLD_BEFORE: Final = timedelta(days=30)
"""How long before its end a credential is told of."""
TOLD_EVERY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose credential it is."""

    mailbox: str
    """Its name; empty: Vault's."""
    kind: str
    """`oauth`: it proves an application to whoever gives access tokens; `client`: it is shown in
    TLS."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """A credential that says itself when it ends."""

    owner: Owner
    where: str
    """Its files, for messages."""
    read: Callable[[], Secret]
    """Certificate and key, as they are now. ConfigurationError: they are not there."""


class Expiry:
    """Looks at each credential when it is asked to, and tells once a day of those near their end.

    Used by one thread at a time; `ends` may be read from any."""

    def __init__(
        self, credentials: Sequence[Expiring], now: Callable[[], datetime], log: Log
    ) -> None:
        self._credentials = credentials
        self._now = now
        self._log = log
        self._told_at: dict[Owner, datetime] = {}
        self.ends: Mapping[Owner, datetime] = {}
        """When each ends, of those that could be read."""

    def look(self) -> None:
        """Read all of them."""
        ends = {}
        for credential in self._credentials:
            try:
                ends_at = certificate_in(credential.read(), credential.where).ends_at
            except ConfigurationError:
                continue  # which the login tells
            ends[credential.owner] = ends_at
            self._tell(credential, ends_at)
        self.ends = ends

    def _tell(self, credential: Expiring, ends_at: datetime) -> None:
        now = self._now()
        owner = credential.owner
        told_at = self._told_at.get(owner)
        if ends_at - now > TOLD_BEFORE:
            return
        if told_at is not None and now - told_at < TOLD_EVERY:
            return
        self._told_at[owner] = now
        tell = self._log.warning
        if ends_at <= now:
            tell = self._log.error
        tell(
            "certificate.ends",
            mailbox=owner.mailbox or None,
            kind=owner.kind,
            file=credential.where,
            ends_at=ends_at.isoformat(),
            days=(ends_at - now).days,
        )
