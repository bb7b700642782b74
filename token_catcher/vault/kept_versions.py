"""What a version that Vault keeps tells an auditor; never a value of its fields."""

from __future__ import annotations

from token_catcher.model import Ended, KeptVersion, OurFields
from token_catcher.vault.ending import Ending
from token_catcher.vault.past import token_in
from token_catcher.vault.version import SecretVersion


def kept_version(version: SecretVersion, ending: Ending | None, field: str) -> KeptVersion:
    """`ending`: None, where the version is there. `field`: where the token is kept."""
    token = token_in(version, field)
    fingerprint = None
    if token is not None:
        fingerprint = token.fingerprint
    return KeptVersion(
        version.number,
        version.created_at,
        fingerprint,
        _our_fields(version),
        _ended(version, ending),
        version.deletion_time or None,
        token is None and bool(version.data.get(field)),
    )


def _our_fields(version: SecretVersion) -> OurFields:
    return OurFields(
        issued_at=version.ours("issued_at"),
        dated_at=version.ours("dated_at"),
        captured_at=version.ours("captured_at"),
        captured_by=version.ours("captured_by"),
        fingerprint=version.ours("fingerprint"),
        mail=version.ours("mail"),
        writer=version.ours("writer"),
        version=version.ours("version"),
    )


def _ended(version: SecretVersion, ending: Ending | None) -> Ended | None:
    if ending is None:
        return None
    if version.destroyed:
        return Ended.DESTROYED
    if ending.expired:
        return Ended.EXPIRED
    return Ended.DELETED
