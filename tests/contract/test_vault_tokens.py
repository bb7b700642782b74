"""Tokens that end: renewed in full, or replaced in time, and told ahead where they cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import pytest

from tests.contract.vault import (
    SECRET_ID,
    VAULT_TOKEN,
    capture,
    given,
    opened,
    paths,
    refusal,
    role_login,
    shipped_policy,
)
from tests.kit.fakes import Silent
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import OpenBao, until
from token_catcher.errors import AccessError, ConfigurationError, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.vault import AppRoleLogin, Login, TokenLogin, VaultStore

RENEWAL = "auth/token/renew-self"
LOGIN = "auth/approle/login"


@dataclass
class Months:
    """A store that is used seldom, on a clock of the test's own."""

    minutes: float = 0.0
    log: Silent = field(default_factory=Silent)
    store: VaultStore = field(init=False)

    def at(self, minutes: float) -> None:
        """The housekeeping of that minute."""
        self.minutes = minutes
        self.store.keep_alive()

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The warnings so far."""
        return self.log.warnings


@contextmanager
def months(url: str, login: Login) -> Iterator[Months]:
    """From the first login on."""
    life = Months()
    with opened(url, login, clock=lambda: life.minutes * 60, log=life.log) as store:
        life.store = store
        life.at(0)
        yield life


@dataclass
class TokenFile:
    """Kept by somebody else."""

    token: str

    def read(self) -> Secret:
        """As it is now."""
        return Secret(self.token)


def asked(openbao: OpenBao, since: int, path: str) -> int:
    """How often that was asked for since then."""
    return paths(openbao, since).count(path)


# -- a role of our own --


@pytest.mark.parametrize("kind", ["batch", "service"])
def test_a_token_is_replaced_before_it_ends(openbao: OpenBao, org: str, kind: str) -> None:
    """A batch token by a login at two thirds of its life; a service token is renewed then."""
    role = openbao.approle(org, shipped_policy(openbao), token_type=kind, token_ttl="60m")
    since = len(openbao.audited)
    counts = []
    with months(openbao.url, role_login(role)) as life:
        for minutes in (39, 41, 79, 82):
            life.at(minutes)
            counts.append((asked(openbao, since, LOGIN), asked(openbao, since, RENEWAL)))
        left = life.store.token_seconds_left
        life.store.store(capture(org))
    expected = [(1, 0), (2, 0), (2, 0), (3, 0)]
    if kind == "service":
        expected = [(1, 0), (1, 1), (1, 1), (1, 2)]
    assert counts == expected
    assert (left, life.told) == (3600, [])


def test_a_login_that_fails_does_not_end_the_token_there_is(openbao: OpenBao, org: str) -> None:
    """A used-up secret_id is told once, when a tenth is left; the token serves to its end."""
    role = openbao.approle(
        org,
        shipped_policy(openbao),
        token_type="batch",
        token_ttl="60m",
        secret_id_num_uses=1,
    )
    with months(openbao.url, role_login(role)) as life:
        for minutes in (41, 50, 53):
            life.at(minutes)
        assert life.told == []
        for minutes in (54, 55, 59):
            life.at(minutes)
            life.store.store(capture(org))
        code = "vault-login"
        why = (
            f"Vault at {openbao.url} refused the AppRole login at {LOGIN} (got 400, expected 200):"
            " role_id or secret_id is wrong, expired or used up"
        )
        assert life.told == [
            ("vault.token_ends", {"seconds_left": 360, "code": code, "error": why})
        ]
        life.minutes = 61
        assert life.store.token_seconds_left == -60
        error = refusal(life.store)
    assert (type(error), error.code) == (AccessError, code)
    assert len(life.told) == 1


def test_a_secret_that_is_not_there_does_not_end_the_token_there_is(
    openbao: OpenBao, org: str
) -> None:
    """The file of the secret_id may be away for a while, between two of them."""
    role = openbao.approle(org, shipped_policy(openbao), token_type="batch", token_ttl="60m")
    is_there = True

    def secret_id() -> Secret:
        if not is_there:
            raise ConfigurationError("secret {file: …}: got no such file", code="secret")
        return Secret(role.secret_id)

    with months(openbao.url, AppRoleLogin(role.role_id, secret_id)) as life:
        is_there = False
        life.at(45)
        life.store.store(capture(org))
        is_there = True
        life.at(46)
        assert life.store.token_seconds_left == 3600
    assert life.told == []


# -- a token that somebody else keeps --


def test_a_token_that_cannot_be_renewed_is_read_anew_in_time(openbao: OpenBao, org: str) -> None:
    """Whoever keeps the file has put the next one there; nothing is asked of Vault for that."""
    policy = shipped_policy(openbao)
    file = TokenFile(openbao.token(policy, ttl="60m", renewable=False))
    with months(openbao.url, TokenLogin(file.read)) as life:
        since = len(openbao.audited)
        for minutes in (41, 45, 50):
            life.at(minutes)
        assert paths(openbao, since) == []
        file.token = openbao.token(policy, ttl="90m", renewable=False)
        life.at(51)
        assert life.store.token_seconds_left == pytest.approx(90 * 60, abs=10)
        life.store.store(capture(org))
    assert asked(openbao, since, RENEWAL) == 0
    assert life.told == []


def test_the_end_of_a_token_without_another_is_told_ahead(openbao: OpenBao, org: str) -> None:
    """Once, when a tenth of its life is left."""
    token = openbao.token(shipped_policy(openbao), type="batch", ttl="60m")
    with months(openbao.url, given(token)) as life:
        for minutes in (41, 50, 55, 56, 59):
            life.at(minutes)
        (event, fields) = life.told[0]
        seconds = fields.pop("seconds_left")
    assert len(life.told) == 1
    assert event == "vault.token_ends"
    assert fields == {"code": "vault-token", "error": "vault.auth.token still holds this token"}
    assert seconds == pytest.approx(300, abs=10)


def test_a_token_that_is_renewed_in_part_is_not_asked_for_again(openbao: OpenBao, org: str) -> None:
    """`explicit_max_ttl`: Vault warns that less was granted; the file holds the next one later."""
    policy = shipped_policy(openbao)
    file = TokenFile(openbao.token(policy, ttl="60m", explicit_max_ttl="60m"))
    since = len(openbao.audited)
    with months(openbao.url, TokenLogin(file.read)) as life:
        began = monotonic()
        until(lambda: monotonic() - began > 1.1, "Vault's clock to show that less is left")
        for minutes in (41, 45, 50):
            life.at(minutes)
        assert asked(openbao, since, RENEWAL) == 1
        file.token = openbao.token(policy, ttl="60m")
        life.at(51)
        life.at(92)
    assert asked(openbao, since, RENEWAL) == 2
    assert life.told == []


# -- bad days --

TOKEN = {"ttl": 3600, "renewable": True}
GRANTED = HttpReply(body={"auth": {"lease_duration": 3600, "renewable": True}})
PAST = HttpReply(500, {"errors": ["past the max TTL, cannot renew"]})
LOGGED_IN = HttpReply(
    body={"auth": {"client_token": "s.x", "lease_duration": 3600, "renewable": True}}
)


def scripted(*renewals: HttpReply) -> HttpScript:
    """A Vault that renews like this."""
    return HttpScript(
        {
            "GET /v1/auth/token/lookup-self": HttpReply(body={"data": TOKEN}),
            f"POST /v1/{RENEWAL}": renewals,
        }
    )


def renewals(server: HttpScript) -> int:
    """How often it was asked for one."""
    return [request.path for request in server.requests].count(f"/v1/{RENEWAL}")


SEALED = HttpReply(503, {"errors": ["Vault is sealed"]})
LOST = HttpReply(200, {"auth": {}}, cut=True)


@pytest.mark.parametrize("outage", [SEALED, LOST])
def test_a_renewal_during_an_outage_is_tried_again_soon(outage: HttpReply) -> None:
    """Vault has said nothing of the token; ten seconds lie between two tries."""
    with (
        scripted(outage, outage, GRANTED) as server,
        months(server.url, given(VAULT_TOKEN)) as life,
    ):
        for seconds, expected in ((2401, 1), (2405, 1), (2412, 2), (2423, 3), (2440, 3)):
            life.at(seconds / 60)
            assert renewals(server) == expected
        assert life.store.token_seconds_left == 3600 - 17
    assert life.told == []


@pytest.mark.parametrize(
    "answer", [PAST, HttpReply(400, {"errors": ["x"]}), HttpReply(403, {"errors": ["x"]})]
)
def test_a_renewal_that_vault_refuses_is_not_tried_again(answer: HttpReply) -> None:
    """It says so of the token, and will not say otherwise."""
    with scripted(answer) as server, months(server.url, given(VAULT_TOKEN)) as life:
        for minutes in (41, 42, 43):
            life.at(minutes)
        assert renewals(server) == 1


def test_a_page_to_a_renewal_says_nothing_of_the_token() -> None:
    """A proxy's 403 is asked again."""
    page = HttpReply(403, b"<html>", {"Content-Type": "text/html"})
    with scripted(page, GRANTED) as server, months(server.url, given(VAULT_TOKEN)) as life:
        life.at(41)
        life.at(42)
        assert renewals(server) == 2
        assert life.store.token_seconds_left == 3600


def test_an_outage_while_a_token_is_due_does_not_take_it_from_us() -> None:
    """Renewal and login fail with Vault; when it is back, both work, and nothing was told."""
    away = HttpReply(502, {"errors": []})
    replies: dict[str, Any] = {
        f"POST /v1/{LOGIN}": [LOGGED_IN, away, LOGGED_IN],
        f"POST /v1/{RENEWAL}": [away, PAST],
    }
    login = AppRoleLogin("role", lambda: Secret(SECRET_ID))
    with HttpScript(replies) as server, months(server.url, login) as life:
        life.at(41)
        assert life.store.token_seconds_left == 19 * 60
        life.at(42)
        assert life.store.token_seconds_left == 3600
    assert life.told == []


def test_the_end_is_told_of_each_token_once() -> None:
    """Of the next token again."""
    short = HttpReply(body={"data": {"ttl": 600, "renewable": False}})
    file = TokenFile(f"{VAULT_TOKEN}-1")
    replies = {"GET /v1/auth/token/lookup-self": short}
    with HttpScript(replies) as server, months(server.url, TokenLogin(file.read)) as life:
        life.at(9.5)
        life.at(9.8)
        file.token = f"{VAULT_TOKEN}-2"
        life.at(9.99)
        life.at(19.5)
        life.at(19.8)
    assert [fields["seconds_left"] for _, fields in life.told] == [30, 29]


def test_a_token_that_has_ended_is_shown_once_more() -> None:
    """By our clock alone; Vault says what is true, and its answer counts."""
    lookups = [
        HttpReply(body={"data": {"ttl": 600, "renewable": False}}),
        HttpReply(body={"data": {"ttl": 60, "renewable": False}}),
    ]
    replies = {"GET /v1/auth/token/lookup-self": lookups}
    with HttpScript(replies) as server, months(server.url, given(VAULT_TOKEN)) as life:
        life.at(11)
        assert life.store.token_seconds_left == 60


def failing(error: TokenCatcherError) -> Callable[[], Secret]:
    """A file that cannot be read."""

    def read() -> Secret:
        raise error

    return read


def test_a_token_that_never_ends_has_no_seconds_left(openbao: OpenBao) -> None:
    """Root's, for one; neither has a program that has not logged in yet."""
    with opened(openbao.url, given(openbao.root_token)) as store:
        assert store.token_seconds_left is None
        store.keep_alive()
        assert store.token_seconds_left is None


def test_the_first_token_has_nothing_to_fall_back_to() -> None:
    """A secret that is not there is told at once."""
    missing = ConfigurationError("secret {file: …}: got no such file", code="secret")
    with opened("http://127.0.0.1:1", TokenLogin(failing(missing))) as store:
        assert refusal(store) is missing
