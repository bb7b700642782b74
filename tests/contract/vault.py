"""How tests of the Vault adapter log in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.contract.leaks import FOREIGN, hangs_alone, shown
from tests.kit import mails
from tests.kit.fakes import Silent, utc_now
from tests.kit.servers import AppRole, OpenBao
from token_catcher.errors import TokenCatcherError
from token_catcher.model import Capture, Secret, Stored, Token
from token_catcher.vault import Address, AppRoleLogin, Client, Login, TokenLogin, VaultStore

POLICY = Path(__file__).parents[2] / "deploy" / "vault" / "token-catcher.hcl"
CANARY = "CANARYtokenMUSTnotLEAK01"
VAULT_TOKEN = "s.CANARYvaultTOKENmustNOTleak"
SECRET_ID = "CANARYsecretIDmustNOTleak"
WRITER = "0123456789abcdef0123456789abcdef"
NOW = datetime.now(UTC).replace(microsecond=0)


def capture(org: str) -> Capture:
    """A capture to store."""
    path = f"salesforce/{org}/{mails.USERNAME}"
    return Capture(mails.mail(b""), mails.USERNAME, Token(CANARY), org, path, NOW, NOW)


def operations_after_reading_ahead(server: OpenBao, store: VaultStore) -> set[str]:
    """What Vault was asked to do for tokens of several users, after their secrets were read."""
    paths = [f"salesforce/ahead/user{number}" for number in range(6)]
    ahead = store.ahead(paths, lambda: True)
    since = len(server.audited)
    for path in paths:
        assert isinstance(ahead.store(replace(capture("ahead"), path=path)), Stored)
    return {line["request"]["operation"] for line in server.audited[since:]}


def given(token: str) -> TokenLogin:
    """A token that somebody else keeps."""
    return TokenLogin(lambda: Secret(token))


def role_login(role: AppRole) -> AppRoleLogin:
    """A role to log in with."""
    return AppRoleLogin(role.role_id, lambda: Secret(role.secret_id))


def no_sleep(_seconds: float) -> None:
    """Between two rounds of a race."""


@contextmanager
def opened(
    url: str,
    login: Login,
    *,
    mount: str = "secret",
    kv_version: int = 2,
    clock: Callable[[], float] = monotonic,
    writes_over_deleted: bool = False,
    log: Silent | None = None,
    alarmed: Callable[[str], object] = str,
    **address: Any,
) -> Iterator[VaultStore]:
    """A store for as long as the block runs. `address`: more of where Vault is."""
    client = Client(
        Address(url, **address), login, monotonic=clock, log=log or Silent(), alarmed=alarmed
    )
    store = VaultStore(
        client,
        mount=mount,
        kv_version=kv_version,
        field="security_token",
        instance="one",
        writer=lambda: WRITER,
        now=utc_now,
        writes_over_deleted=writes_over_deleted,
        sleep=no_sleep,
        log=log or Silent(),
    )
    with closing(store):
        yield store


def refusal(store: VaultStore, org: str = "acme") -> TokenCatcherError:
    """How storing fails; whatever it is, it shows no secret and nothing that a server said."""
    with pytest.raises(TokenCatcherError) as caught:
        store.store(capture(org))
    for text in (CANARY, VAULT_TOKEN, SECRET_ID, FOREIGN):
        assert text not in shown(caught.value)
    assert hangs_alone(caught.value)
    return caught.value


def shipped_policy(openbao: OpenBao) -> str:
    """The policy of `deploy/`, written to the server."""
    return openbao.policy("token-catcher", POLICY.read_text("utf-8"))


def paths(openbao: OpenBao, since: int) -> list[str]:
    """What was asked for since then, by the audit log."""
    lines = openbao.audited[since:]
    return [line["request"]["path"] for line in lines if line["type"] == "request"]
