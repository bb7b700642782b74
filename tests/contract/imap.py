"""How tests of the mailbox adapter log in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.contract.leaks import FOREIGN, hangs_alone, shown
from tests.kit.fakes import Silent
from tests.kit.servers import Dovecot
from token_catcher.errors import TokenCatcherError
from token_catcher.imap import Account, ImapMailbox, PasswordLogin, tls_context
from token_catcher.model import Secret

PASSWORD = "CANARYpasswordMUSTnotLEAK"
PLAIN = tls_context()


def account(
    host: str,
    port: int,
    *,
    username: str = "someone@example.com",
    password: Callable[[], Secret] = lambda: Secret(PASSWORD),
    **changed: Any,
) -> Account:
    """An account, plain unless `changed` says otherwise."""
    login = PasswordLogin(username, password)
    fields = {"tls": "none", "login": login} | changed
    return Account(name="integrations", host=host, port=port, **fields)


def dovecot_account(dovecot: Dovecot, user: str, **changed: Any) -> Account:
    """The user's account over implicit TLS."""
    fields: dict[str, Any] = {
        "port": dovecot.tls_port,
        "tls": "implicit",
        "username": dovecot.user(user),
        "password": lambda: Secret(dovecot.password),
    }
    return account("localhost", **fields | changed)


@contextmanager
def session(
    of: Account, *, ca_file: str | None = None, log: Silent | None = None
) -> Iterator[ImapMailbox]:
    """Logged in for as long as the block runs."""
    with closing(
        ImapMailbox(of, tls_context(ca_file) if ca_file else PLAIN, log or Silent())
    ) as mailbox:
        yield mailbox


def refusal(
    caught: pytest.ExceptionInfo[TokenCatcherError], *secrets: str
) -> tuple[type[TokenCatcherError], str]:
    """Kind and code of an error, which shows no secret and nothing that a server said."""
    for secret in (PASSWORD, FOREIGN, *secrets):
        assert secret not in shown(caught.value)
    assert hangs_alone(caught.value)
    return type(caught.value), caught.value.code


@contextmanager
def bell() -> Iterator[tuple[int, int]]:
    """A pipe: its reading end wakes an IDLE once something is written to the other."""
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        os.close(read)
        os.close(write)
