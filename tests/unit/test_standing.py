"""What Vault is asked about a user's secret: metadata first, values only where they are needed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.kit.secrets import Secrets
from tests.unit.commands.records import entry
from token_catcher.errors import AccessError, ConfigurationError, Outage, TokenCatcherError
from token_catcher.model import Holding, iso
from token_catcher.standing import Inquiry, in_vault
from token_catcher.status import InVault, Past, Presence
from token_catcher.vault import Version

PATH = "salesforce/acme-production/integration@acme.example"
STORED = entry(1)
CREATED_AT = "2026-02-03T12:57:28.123456789Z"
WRITTEN_AT = "2026-02-03T12:57:28.123456Z"
ISSUED_AT = "2026-02-03T12:57:20Z"
ISSUED = datetime(2026, 2, 3, 12, 57, 20, tzinfo=UTC)
NO_SECRET = InVault(Presence.ABSENT, has_secret=False)
OTHERS = Holding(4, fingerprint="sha256:0", issued_at=ISSUED, dated_at=ISSUED)
DENIED = AccessError("denied", code="vault-policy")


@pytest.mark.parametrize(
    ("metadata", "holding", "told", "asked"),
    [
        (Version(3, CREATED_AT), OTHERS, (3, WRITTEN_AT, ISSUED_AT), ["metadata"]),
        (Version(4, CREATED_AT), OTHERS, (4, WRITTEN_AT, ISSUED_AT), ["metadata", "values"]),
        (
            Version(3, "2026-02-03T13:00:00Z"),
            Holding(3, fingerprint="sha256:0"),
            (3, "2026-02-03T13:00:00Z", None),
            ["metadata", "values"],
        ),
        (Version(5, CREATED_AT), OTHERS, (4, None, ISSUED_AT), ["metadata", "values"]),
        (None, OTHERS, (4, None, ISSUED_AT), ["metadata", "values"]),
        (Version(4, CREATED_AT), DENIED, (4, WRITTEN_AT, None), ["metadata", "values"]),
    ],
    ids=[
        "the recorded version",
        "another one",
        "one of that number, of another time",
        "one that was overtaken in between",
        "metadata are not ours to read",
        "values are not ours to read",
    ],
)
def test_a_token_that_is_there(
    metadata: Version | None,
    holding: Holding | TokenCatcherError,
    told: tuple[int, str | None, str | None],
    asked: list[str],
) -> None:
    """Version, time of writing, time of issue; and no value is read in vain."""
    secrets = Secrets(metadata, holding)
    answer = in_vault(secrets, PATH, STORED)
    assert (answer.presence, answer.version, answer.written_at, answer.issued_at) == (
        Presence.PRESENT,
        *told,
    )
    assert secrets.asked == asked


@pytest.mark.parametrize(
    ("metadata", "holding", "answer"),
    [
        (Version(0, ""), OTHERS, NO_SECRET),
        (None, Holding(0), NO_SECRET),
        (Version(3, CREATED_AT, gone=True), Holding(3, gone=True), InVault(Presence.DELETED)),
        (Version(3, CREATED_AT, gone=True), Holding(3), InVault(Presence.ABSENT)),
        (Version(4, CREATED_AT), Holding(4), InVault(Presence.ABSENT)),
    ],
    ids=["no secret", "no secret, by its fields", "deleted", "expired", "another secret's fields"],
)
def test_no_token(metadata: Version | None, holding: Holding, answer: InVault) -> None:
    """Also where the record tells of that very version."""
    assert in_vault(Secrets(metadata, holding), PATH, STORED) == answer


def test_without_versions() -> None:
    """KV version 1 has neither metadata nor numbers."""
    answer = in_vault(Secrets(None, Holding(1, fingerprint="x"), False), PATH, None)
    assert answer == InVault(Presence.PRESENT)


def test_when_a_token_of_unknown_age_was_written() -> None:
    """By its fields, where the metadata are not ours to read."""
    holding = Holding(4, fingerprint="x", written_at=ISSUED)
    answer = in_vault(Secrets(None, holding), PATH, STORED)
    assert answer == InVault(Presence.PRESENT, 4, iso(ISSUED))


def test_a_deleted_version_that_we_may_not_read() -> None:
    """Whether it was deleted, or has expired, nobody knows: that is no answer."""
    with pytest.raises(AccessError):
        in_vault(Secrets(Version(3, CREATED_AT, gone=True), DENIED), PATH, STORED)


@pytest.mark.parametrize("code", ["vault-policy", "vault-secret", "vault-protocol"])
def test_one_secret_alone(code: str) -> None:
    """The others are asked for all the same."""
    secrets = Secrets(AccessError("x", code=code))
    inquiry = Inquiry(secrets)
    assert inquiry.ask(PATH, Past()) == code
    secrets.metadata = Version(0, "")
    assert inquiry.ask(PATH, Past()) == NO_SECRET
    assert inquiry.trouble is None


@pytest.mark.parametrize(
    "error",
    [
        Outage("x", code="vault-sealed"),
        AccessError("x", code="vault-login"),
        ConfigurationError("x", code="secret"),
    ],
    ids=lambda error: error.code,
)
def test_what_keeps_us_from_all_of_them(error: TokenCatcherError) -> None:
    """Nothing is asked any more: each question may take a time-out."""
    secrets = Secrets(error)
    inquiry = Inquiry(secrets)
    assert [inquiry.ask(PATH, Past()) for _ in range(3)] == [None, None, None]
    assert (inquiry.trouble, secrets.asked) == (error, ["metadata"])
