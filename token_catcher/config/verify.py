"""The proof by one login, after a token was stored."""

from __future__ import annotations

from typing import Final

from token_catcher.config import kinds
from token_catcher.config.section import Section

SANDBOX_LOGIN: Final = "test.salesforce.com"
"""Where users of sandboxes log in."""


class VerifyConfig(Section):
    """Whether it is made, with what, and where."""

    login: kinds.Flag = False
    """Whether it is made. A login with a token that does not work counts as a failed one."""
    password_field: kinds.FieldName = "password"  # noqa: S105 - the name of a field
    """Where the secret in Vault has the user's password."""
    host: kinds.LoginHost = "login.salesforce.com"
    """Where users log in, but those of sandboxes and of orgs with a login_host."""

    def host_for(self, environment: str | None) -> str:
        """Where the users of an org of this environment log in that has no host of its own."""
        if environment == "sandbox":
            return SANDBOX_LOGIN
        return self.host
