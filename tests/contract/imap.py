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
from token_catcher.imap import Account, ImapMailbox, PasswordLogin, Pipelining, tls_context
from token_catcher.model import Secret

PASSWORD = "CANARYpasswordMUSTnotLEAK"
PLAIN = tls_context()


def secret(text: str) -> Callable[[], Secret]:
    """What gives this secret, whenever it is asked."""
    return lambda: Secret(text)


CANARY = secret(PASSWORD)


def account(
    host: str,
    port: int,
    *,
    username: str = "someone@example.com",
    password: Callable[[], Secret] = CANARY,
    **changed: Any,
) -> Account:
    """An account, plain unless `changed` says otherwise."""
    fields: dict[str, Any] = {
        "name": "integrations",
        "tls": "none",
        "login": PasswordLogin(username, password),
    }
    return Account(host=host, port=port, **fields | changed)


def dovecot_account(dovecot: Dovecot, user: str, **changed: Any) -> Account:
    """The user's account over implicit TLS."""
    fields: dict[str, Any] = {
        "port": port_for(dovecot, changed.get("tls", "implicit")),
        "tls": "implicit",
        "username": dovecot.user(user),
        "password": secret(dovecot.password),
    }
    return account("localhost", **fields | changed)


def port_for(dovecot: Dovecot, tls: str) -> int:
    """Where TLS comes first there is a port for it."""
    if tls == "implicit":
        return dovecot.tls_port
    return dovecot.port


@contextmanager
def session(
    target: Account,
    *,
    ca_file: str | None = None,
    log: Silent | None = None,
    pipelining: Pipelining | None = None,
) -> Iterator[ImapMailbox]:
    """Logged in for as long as the block runs."""
    context = PLAIN
    if ca_file is not None:
        context = tls_context(ca_file)
    mailbox = ImapMailbox(target, context, log or Silent(), pipelining=pipelining)
    with closing(mailbox):
        yield mailbox


def refusal(
    caught: pytest.ExceptionInfo[TokenCatcherError], *secrets: str
) -> tuple[type[TokenCatcherError], str]:
    """Kind and code of an error, which shows no secret and nothing that a server said."""
    for text in (PASSWORD, FOREIGN, *secrets):
        assert text not in shown(caught.value)
    assert hangs_alone(caught.value)
    return type(caught.value), caught.value.code


@contextmanager
def wakeup() -> Iterator[tuple[int, int]]:
    """A pipe: its reading end wakes an IDLE once something is written to the other."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)
