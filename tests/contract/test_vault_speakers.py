"""Who spoke? Vault refuses, and somebody in front of it only gets in the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any

import pytest

from tests.contract.leaks import FOREIGN
from tests.contract.vault import (
    SECRET_ID,
    VAULT_TOKEN,
    capture,
    given,
    opened,
    refusal,
    role_login,
    shipped_policy,
)
from tests.kit.fakes import Silent
from tests.kit.proxy import Page, ReverseProxy
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import OpenBao
from token_catcher.errors import AccessError, Outage, TransientError
from token_catcher.model import Secret, Stored
from token_catcher.vault import Address, AppRoleLogin, Client

FOREIGN_PAGE = f"<html>{FOREIGN}</html>".encode()


@pytest.fixture
def proxy(openbao: OpenBao) -> Iterator[ReverseProxy]:
    """In front of the server."""
    with ReverseProxy(openbao.port) as ready:
        yield ready


@pytest.fixture
def login(openbao: OpenBao, org: str) -> AppRoleLogin:
    """A role with the shipped policy."""
    return role_login(openbao.approle(org, shipped_policy(openbao)))


PAGES = {
    200: ("vault-foreign", "somebody else answers there (got {form}, expected Vault's JSON)"),
    301: ("vault-away", "{form}, a redirect"),
    302: ("vault-away", "{form}, a redirect"),
    303: ("vault-away", "{form}, a redirect"),
    400: ("vault-foreign", "somebody else answers there (got {form}, expected Vault's JSON)"),
    401: ("vault-away", "{form}, a proxy that wants a login of its own"),
    403: ("vault-foreign", "somebody else answers there (got {form}, expected Vault's JSON)"),
    404: ("vault-foreign", "somebody else answers there (got {form}, expected Vault's JSON)"),
    405: ("vault-foreign", "somebody else answers there (got {form}, expected Vault's JSON)"),
    408: ("vault-away", "{form}, a proxy that waited too long"),
    421: ("vault-away", "{form}, a proxy that knows no such host"),
    425: ("vault-away", "{form}, a proxy that wants it later"),
    502: ("vault-away", "{form}, a proxy without a server"),
    503: ("vault-away", "{form}, a proxy without a server"),
    521: ("vault-away", "{form}, an error of the server"),
}


def is_login(_method: str, path: str) -> bool:
    """The request that shows our credentials."""
    return path == "/v1/auth/approle/login"


def is_read(method: str, path: str) -> bool:
    """A read of a secret."""
    return method == "GET" and path.startswith("/v1/secret/data/")


def is_write(method: str, _path: str) -> bool:
    """A first write of a secret."""
    return method == "POST"


def is_mount(_method: str, path: str) -> bool:
    """The look at the mount."""
    return path.startswith("/v1/sys/internal/ui/mounts/")


@pytest.mark.parametrize("concerns", [is_login, is_mount])
@pytest.mark.parametrize("status", PAGES)
def test_a_page_of_a_proxy_is_an_outage_and_nothing_more(
    proxy: ReverseProxy,
    login: AppRoleLogin,
    org: str,
    status: int,
    concerns: Callable[[str, str], bool],
) -> None:
    """With the status and the content type; the next try, at once, stores the token."""
    with opened(proxy.url, login) as store:
        proxy.concerns = concerns
        proxy.page = Page(status, "text/html; charset=utf-8", FOREIGN_PAGE)
        error = refusal(store, org)
        proxy.page = None
        assert isinstance(store.store(capture(org)), Stored)
    assert (type(error), error.code) == (Outage, PAGES[status][0])
    assert str(error) == away(proxy, status)


@pytest.mark.parametrize("concerns", [is_read, is_write])
@pytest.mark.parametrize("status", PAGES)
def test_a_page_says_nothing_of_a_secret(
    proxy: ReverseProxy,
    openbao: OpenBao,
    login: AppRoleLogin,
    org: str,
    status: int,
    concerns: Callable[[str, str], bool],
) -> None:
    """Neither that there is none, nor that a policy denies it: it is asked for again."""
    with opened(proxy.url, login) as store:
        proxy.concerns = concerns
        proxy.page = Page(status, "text/html", FOREIGN_PAGE)
        error = refusal(store, org)
        assert openbao.get(capture(org).path) is None
        proxy.page = None
        assert isinstance(store.store(capture(org)), Stored)
    assert isinstance(error, TransientError)
    assert str(error).startswith(away(proxy, status))


def away(proxy: ReverseProxy, status: int) -> str:
    """What is told of a page with this status."""
    _, text = PAGES[status]
    return f"Vault at {proxy.url} is away: {text.format(form=f'{status} with text/html')}"


FORMS = {
    "JSON of another server": ("application/json", b'{"message": "Forbidden"}', "application/json"),
    "errors of another form": ("application/json", b'{"errors": {"a": 1}}', "application/json"),
    "JSON that is broken": ("application/json", b'{"errors": [', "application/json"),
    "a text": ("text/plain", b"denied", "text/plain"),
    "no content type": (None, b"denied", "no content type"),
    "a content type that is none": (FOREIGN, b"denied", "no content type"),
}


@pytest.mark.parametrize("form", FORMS)
def test_vaults_json_is_told_from_others(
    proxy: ReverseProxy, login: AppRoleLogin, form: str
) -> None:
    """By the form of its errors, and by the content type."""
    content_type, body, told = FORMS[form]
    proxy.page = Page(403, content_type, body)
    with opened(proxy.url, login) as store:
        error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-foreign")
    assert f"(got 403 with {told}, expected Vault's JSON)" in str(error)


@pytest.mark.parametrize("auth", [None, {}, {"client_token": None}, ["s.x"]])
def test_a_login_without_a_token_is_an_outage(auth: object) -> None:
    """Somebody else than Vault has said 200: nothing was refused."""
    replies = {"POST /v1/auth/approle/login": HttpReply(body={"auth": auth})}
    login = AppRoleLogin("role", lambda: Secret(SECRET_ID))
    with HttpScript(replies) as server, opened(server.url, login) as store:
        error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-foreign")


@pytest.mark.parametrize("token", ["s.CANARY\r\nX-Other: y", "s.CANARY\u20ac", "s. CANARY"])
def test_a_login_with_a_token_that_no_header_carries_is_an_outage(token: str) -> None:
    """Told without the token, before it is sent anywhere."""
    auth = {"client_token": token, "lease_duration": 60}
    replies = {"POST /v1/auth/approle/login": HttpReply(body={"auth": auth})}
    login = AppRoleLogin("role", lambda: Secret(SECRET_ID))
    with HttpScript(replies) as server, opened(server.url, login) as store:
        error = refusal(store)
    assert (type(error), error.code, str(error)) == (
        Outage,
        "vault-foreign",
        "Vault's answer to auth/approle/login holds a client_token that cannot be sent (got a"
        " blank, a second line, or a character that is not ASCII, expected the token alone)",
    )


@pytest.mark.parametrize("status", [403, 405, 415, 501])
def test_a_refused_patch_is_the_callers_to_understand(
    proxy: ReverseProxy, openbao: OpenBao, status: int
) -> None:
    """A proxy may let GET and POST pass; the answer says that it is not Vault's."""
    proxy.page = Page(status)
    proxy.concerns = lambda method, _path: method == "PATCH"
    with client(proxy.url, openbao.root_token) as vault:
        answer = vault.request("patch", "secret/data/x", {"data": {}})
    assert (answer.status, answer.media_type, answer.is_vaults) == (status, "text/html", False)


@contextmanager
def client(url: str, token: str) -> Iterator[Client]:
    """A client without a store."""
    vault = Client(Address(url), given(token), monotonic=monotonic, log=Silent())
    with closing(vault):
        yield vault


# -- what Vault refuses a login for --


def test_wrong_credentials_are_told(openbao: OpenBao, login: AppRoleLogin) -> None:
    """Vault does not tell the two ids apart."""
    wrong = AppRoleLogin(login.role_id, lambda: Secret(SECRET_ID))
    with opened(openbao.url, wrong) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login")
    assert str(error) == (
        f"Vault at {openbao.url} refused the AppRole login at auth/approle/login (got 400, expected"
        " 200): role_id or secret_id is wrong, expired or used up"
    )


def test_another_mount_is_told(openbao: OpenBao, login: AppRoleLogin) -> None:
    """Vault hides what is not there behind 403."""
    elsewhere = AppRoleLogin(login.role_id, login.secret_id, "elsewhere")
    with opened(openbao.url, elsewhere) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-denied")
    assert str(error) == (
        f"Vault at {openbao.url} refused the AppRole login at auth/elsewhere/login (got 403,"
        " expected 200): there is no such mount in this namespace, or the role is locked out for a"
        " quarter of an hour, after five wrong secret_ids"
    )


def test_a_namespace_without_the_mount_is_told(openbao: OpenBao, org: str) -> None:
    """The message names the namespace; the same role works in its own."""
    openbao.tell("post", f"sys/namespaces/{org}", {})
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with opened(openbao.url, login, namespace=org) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-denied")
    assert str(error).startswith(f"Vault at {openbao.url}, namespace {org} refused the AppRole")


def test_a_namespace_that_is_not_there_is_told(openbao: OpenBao, login: AppRoleLogin) -> None:
    """It is no credential that was refused: the next try comes with the next mail."""
    with opened(openbao.url, login, namespace="nowhere") as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-namespace")
    assert str(error) == (
        f"Vault at {openbao.url}, namespace nowhere: there is no such namespace (got 404), expected"
        " vault.namespace to be one"
    )


def test_another_address_than_the_bound_ones_is_told(openbao: OpenBao, org: str) -> None:
    """`secret_id_bound_cidrs`."""
    role = openbao.approle(org, secret_id_bound_cidrs=["192.0.2.0/24"])
    with opened(openbao.url, role_login(role)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-cidr")
    assert str(error) == (
        f"Vault at {openbao.url} refused the AppRole login at auth/approle/login (got 400, expected"
        " 200): the role or the secret_id is bound to other addresses than ours"
    )


def test_a_token_that_is_bound_to_other_addresses_is_told(openbao: OpenBao, org: str) -> None:
    """`token_bound_cidrs`: the login succeeds, and nothing else does."""
    role = openbao.approle(org, shipped_policy(openbao), token_bound_cidrs=["192.0.2.0/24"])
    with opened(openbao.url, role_login(role)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login")
    assert "is bound to other addresses" in str(error)


def test_a_role_that_is_locked_out_is_told(own_openbao: OpenBao) -> None:
    """After five wrong secret_ids the right one is refused as well, with other words."""
    role = own_openbao.approle("locked", shipped_policy(own_openbao))
    for number in range(5):
        body = {"role_id": role.role_id, "secret_id": f"wrong-{number}"}
        own_openbao.ask("post", "auth/approle/login", body)
    with opened(own_openbao.url, role_login(role)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-denied")


SAID = {
    "invalid role_id": "vault-login-role",
    "failed to validate credentials: invalid role ID": "vault-login-role",
    "invalid secret id": "vault-login",
    "invalid role or secret ID": "vault-login",
    'source address "10.0.0.1" unauthorized through CIDR restrictions': "vault-login-cidr",
}


@pytest.mark.parametrize("words", SAID)
def test_older_vaults_say_more(words: str) -> None:
    """Which of the two ids it is; nothing of their words is repeated."""
    replies = {
        "POST /v1/auth/approle/login": HttpReply(400, {"errors": [words, FOREIGN]}),
    }
    login = AppRoleLogin("role", lambda: Secret(SECRET_ID))
    with HttpScript(replies) as server, opened(server.url, login) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, SAID[words])


def test_a_mount_of_another_kind_is_told_as_one() -> None:
    """HashiCorp Vault answers 404 where OpenBao says 403; nothing was refused."""
    replies = {
        "POST /v1/auth/approle/login": HttpReply(404, {"errors": ["no handler for route"]}),
    }
    login = AppRoleLogin("role", lambda: Secret(SECRET_ID))
    with HttpScript(replies) as server, opened(server.url, login) as store:
        error = refusal(store)
        assert re.fullmatch(
            r"vault\.auth\.mount: got 404 from auth/approle/login, expected Vault's AppRole login",
            str(error),
        )
        refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-mount")
    assert [request.path for request in server.requests].count("/v1/auth/approle/login") == 2


def test_a_page_to_lookup_self_is_no_refusal_of_the_token() -> None:
    """The token is asked after where Vault denies; a page says nothing of it."""
    replies: dict[str, Any] = {
        "GET /v1/secret/data/": HttpReply(403, {"errors": ["permission denied"]}),
        "GET /v1/auth/token/lookup-self": [
            HttpReply(200, {"data": {}}),
            HttpReply(403, FOREIGN_PAGE, {"Content-Type": "text/html"}),
        ],
    }
    with (
        HttpScript(replies) as server,
        client(server.url, VAULT_TOKEN) as vault,
        pytest.raises(Outage) as caught,
    ):
        vault.request("get", "secret/data/x")
    assert caught.value.code == "vault-foreign"
