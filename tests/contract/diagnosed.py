"""What tests of the diagnosis of Vault share: users on the real server, and what is found."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.vault import opened, role_login
from tests.kit.servers import AppRole, OpenBao
from token_catcher.diagnosis import Step, UserPath, vault_steps
from token_catcher.vault import AppRoleLogin, VaultStore

USER = "integration@acme.example"
DATA = '"create", "read", "update", "patch"'
SHIPPED = (
    'path "secret/data/salesforce/+/+" {{ capabilities = [{data}] }}\n'
    'path "secret/metadata/salesforce/+/+" {{ capabilities = [{metadata}] }}\n'
)


@dataclass
class Bench:
    """The shared server, and paths that no other test has."""

    server: OpenBao
    org: str
    home: Path

    @property
    def users(self) -> list[UserPath]:
        """The one user."""
        return [UserPath(self.org, USER, f"salesforce/{self.org}/{USER}")]

    @property
    def data(self) -> str:
        """The user's path, as policies have it."""
        return f"secret/data/{self.users[0].path}"

    def role(self, policy: str, **settings: Any) -> AppRole:
        """A role with a policy of this text."""
        return self.server.approle(self.org, self.server.policy(self.org, policy), **settings)

    def granting(
        self, data: str = DATA, metadata: str = '"read", "patch"', more: str = ""
    ) -> AppRoleLogin:
        """A login with these capabilities on the users' paths, and more."""
        return role_login(self.role(SHIPPED.format(data=data, metadata=metadata) + more))

    def store(self, login: Any = None, **where: Any) -> AbstractContextManager[VaultStore]:
        """As it is configured in this test; otherwise as it should be."""
        url = where.pop("url", self.server.url)
        return opened(url, login or self.granting(), **where)

    def steps(self, login: Any = None, **where: Any) -> list[Step]:
        """All steps of the diagnosis."""
        with self.store(login, **where) as store:
            return list(vault_steps(store.inspection, self.users))


def findings(steps: list[Step]) -> list[tuple[str, str, str]]:
    """What is not well, without what was left out by that."""
    return [
        (step.step, step.outcome, step.code)
        for step in steps
        if step.outcome in ("warning", "failed")
    ]
