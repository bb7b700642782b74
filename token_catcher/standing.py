"""What Vault tells of the secrets of users, asked with as few rights as suffice.

The metadata of a secret are enough where the journal tells of the very version that is there. Only
where somebody else wrote it, its fields are read: they say when the token was issued.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.model import Entry, Holding, iso, moment
from token_catcher.status import InVault, Past, Presence
from token_catcher.vault import Version

DENIED: Final = "vault-policy"
"""The code where Vault refuses one path, and may show the others."""
ALONE: Final = frozenset({"vault-secret", "vault-protocol", "vault-refused"})
"""Codes where one secret cannot be read for now, and the others may be."""


class Secrets(Protocol):
    """The part of Vault that is asked; see `vault.VaultStore`."""

    @property
    def keeps_versions(self) -> bool:
        """Whether secrets have versions."""

    def latest(self, path: str) -> Version | None:
        """The latest version by its metadata alone. None: we may not read them."""

    def holds(self, path: str) -> Holding:
        """What is at this path now, in one read of the secret."""


class Inquiry:
    """Asks for one secret after the other, until something keeps us from all of them."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.trouble: TokenCatcherError | None = None
        """What does, since it came up: nothing is asked any more."""

    def ask(self, path: str, past: Past) -> InVault | str | None:
        """What Vault has at this path, or the code of why it does not tell of this one alone.

        None: it cannot be asked, see `trouble`. `past`: what the journal knows of the user."""
        if self.trouble is not None:
            return None
        try:
            return in_vault(self._secrets, path, past.stored)
        except (TransientError, AccessError) as error:
            if error.code == DENIED or error.code in ALONE:
                return error.code
            self.trouble = error
        except TokenCatcherError as error:  # a file of ours that a login goes by
            self.trouble = error
        return None


def in_vault(secrets: Secrets, path: str, stored: Entry | None) -> InVault:
    """What Vault has at this path. `stored`: the record of the newest version that was written.

    Raises what `SecretStore.holds` raises."""
    latest = secrets.latest(path)
    if latest is None:
        return _by_its_fields(secrets, secrets.holds(path), None)
    if not latest.number:
        return InVault(Presence.ABSENT, has_secret=False)
    if stored is not None and _is_version(stored, latest):
        issued_at = _iso(stored.issued_at)
        dated_at = _iso(stored.dated_at) or issued_at
        written_at = iso(moment(latest.created_at))
        return InVault(Presence.PRESENT, latest.number, written_at, issued_at, dated_at)
    try:
        holding = secrets.holds(path)
    except AccessError as error:
        if error.code != DENIED or latest.gone:
            raise
        # That there is a version, and since when, is known all the same.
        return InVault(Presence.PRESENT, latest.number, iso(moment(latest.created_at)))
    return _by_its_fields(secrets, holding, latest)


def _by_its_fields(secrets: Secrets, holding: Holding, latest: Version | None) -> InVault:
    if holding.gone:
        return InVault(Presence.DELETED)
    if holding.fingerprint is None:
        return InVault(Presence.ABSENT, has_secret=holding.version > 0)
    # Somebody may have written between the two questions: the time is of the version asked for.
    written_at = _iso_of(holding.written_at)
    if latest is not None and latest.number == holding.version:
        written_at = iso(moment(latest.created_at))
    version = None
    if secrets.keeps_versions:
        version = holding.version
    return InVault(
        Presence.PRESENT,
        version,
        written_at,
        _iso_of(holding.issued_at),
        _iso_of(holding.dated_at),
    )


def _is_version(stored: Entry, latest: Version) -> bool:
    """Whether this record is of that version, which is there: numbers alone begin anew where a
    secret was purged."""
    if latest.gone or stored.issued_at is None:
        return False
    return (stored.version, stored.vault_created_at) == (latest.number, latest.created_at)


def _iso(time: str | None) -> str | None:
    if time is None:
        return None
    return iso(moment(time))


def _iso_of(time: datetime | None) -> str | None:
    if time is None:
        return None
    return iso(time)
