"""The row of Vault: what is known of it after it was asked, or could not be."""

from __future__ import annotations

import pytest

from token_catcher.errors import AccessError, ConfigurationError, Outage, TokenCatcherError
from token_catcher.status import LoginEnd, VaultAnswer, vault_row

ADDRESS = "https://vault.example.com:8200"


def test_whole() -> None:
    """Every field where all is well."""
    answer = VaultAnswer(None, True, "2026-02-03T13:00:00Z", True)
    assert vault_row(ADDRESS, answer, ()).as_json() == {
        "address": ADDRESS,
        "reachable": True,
        "sealed": False,
        "logged_in": True,
        "trouble": None,
        "saw": None,
        "token_ends_at": "2026-02-03T13:00:00Z",
        "lists_users": True,
        "logins": (),
        "failing": False,
    }


@pytest.mark.parametrize(
    ("error", "after_login", "known"),
    [
        (Outage("x", code="vault-sealed"), False, (True, True, None)),
        (Outage("x", code="vault-sealed"), True, (True, True, True)),
        (Outage("x", code="vault-quota"), True, (True, False, True)),
        (Outage("x", code="vault-away"), False, (False, None, None)),
        (Outage("x", code="vault-foreign"), True, (False, None, True)),
        (AccessError("x", code="vault-login"), False, (True, False, False)),
        (AccessError("x", code="vault-login-role"), False, (True, False, False)),
        (AccessError("x", code="vault-address"), False, (False, None, None)),
        (AccessError("x", code="vault-mount"), True, (True, False, True)),
        (ConfigurationError("x", code="secret"), False, (None, None, None)),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_what_is_known(
    error: TokenCatcherError, after_login: bool, known: tuple[bool | None, ...]
) -> None:
    """Reached, sealed, logged in: of what was not asked nothing is said."""
    row = vault_row(ADDRESS, VaultAnswer(error, after_login), ())
    assert (row.reachable, row.sealed, row.logged_in) == known
    assert (row.trouble, row.saw, row.failing) == (error.code, "x", True)


def test_a_secret_id_that_was_left_wrapped() -> None:
    """It is told, and no failure: nobody has tried to log in."""
    error = AccessError("x", code="vault-login-wrapped")
    row = vault_row(ADDRESS, VaultAnswer(error, False), ())
    assert (row.reachable, row.sealed, row.logged_in) == (True, False, False)
    assert (row.trouble, row.saw, row.failing) == (error.code, "x", False)


@pytest.mark.parametrize(("days", "failing"), [(0, False), (-1, True)])
def test_a_certificate_that_has_ended(days: int, failing: bool) -> None:
    """Vault will not take it."""
    login = LoginEnd("client", "c.pem", "2026-02-03T13:00:00Z", days)
    assert vault_row(ADDRESS, VaultAnswer(None, True), (login,)).failing is failing
