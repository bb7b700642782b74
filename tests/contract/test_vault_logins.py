"""The Vault adapter: mounts, policies, and tokens that live, die and are replaced."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import pytest

from tests.contract.vault import (
    CANARY,
    NOW,
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
from tests.kit import mails
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import OpenBao, until
from token_catcher.errors import AccessError
from token_catcher.model import Secret, Stored, Token, Unchanged
from token_catcher.vault import AppRoleLogin, TokenLogin


@pytest.fixture
def policy(openbao: OpenBao) -> str:
    """The shipped policy, written to the server."""
    return shipped_policy(openbao)


# -- mounts and policies --


def test_a_mount_of_version_1_is_refused_before_anything_is_written(
    openbao: OpenBao, org: str
) -> None:
    """KV 1 would take the write and keep it wrongly."""
    mount = openbao.mount(f"{org}-kv1", 1)
    with opened(openbao.url, given(openbao.root_token), mount=mount) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-kv1")
    assert str(error) == f"vault.mount: {mount} is kv version 1, expected kv version 2"
    assert openbao.ask("get", f"{mount}?list=true").status == 404


def test_a_secret_that_demands_check_and_set_is_written(openbao: OpenBao, org: str) -> None:
    """Every write of ours names the version it builds on."""
    openbao.settings(capture(org).path, cas_required=True)
    with opened(openbao.url, given(openbao.root_token)) as store:
        assert isinstance(store.store(capture(org)), Stored)
        newer = replace(
            capture(org),
            token=Token("FAKEnewerTOKEN0000000001"),
            issued_at=NOW + timedelta(minutes=1),
            dated_at=NOW + timedelta(minutes=1),
        )
        assert isinstance(store.store(newer), Stored)


@pytest.mark.parametrize("kv_version", [1, 2])
@pytest.mark.parametrize(
    ("mount", "kind"), [("sys", "system"), ("cubbyhole", "cubbyhole"), ("transit", "transit")]
)
def test_a_mount_of_another_kind_is_refused(
    openbao: OpenBao, org: str, mount: str, kind: str, kv_version: int
) -> None:
    """It is no KV engine, of whatever version: no version can be enabled there."""
    if mount == "transit":
        mount = f"{org}-transit-{kv_version}"
        openbao.tell("post", f"sys/mounts/{mount}", {"type": "transit"})
    login = given(openbao.root_token)
    with opened(openbao.url, login, mount=mount, kv_version=kv_version) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-mount-engine")
    assert str(error) == f"vault.mount: {mount} is {kind}, expected kv version {kv_version}"


def test_a_mount_that_is_not_there_is_refused(openbao: OpenBao) -> None:
    """As root, so it is not for want of rights."""
    with opened(openbao.url, given(openbao.root_token), mount="nowhere") as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-mount")


def test_a_token_without_any_rights_in_the_mount_is_told_so(openbao: OpenBao, org: str) -> None:
    """Vault answers as if the mount were not there; the message names both."""
    with opened(openbao.url, given(openbao.token("default"))) as store:
        error = refusal(store, org)
    assert (type(error), error.code) == (AccessError, "vault-mount")
    where = f"secret/data/salesforce/{org}/{mails.USERNAME}"
    assert str(error) == (
        f"vault.mount: there is no mount secret, or our token has no rights on {where}"
        " (got 403, expected 200)"
    )


def test_a_path_outside_the_policy_is_denied(openbao: OpenBao, policy: str) -> None:
    """The shipped policy has rights below `salesforce/` alone."""
    with (
        opened(openbao.url, given(openbao.token(policy))) as store,
        pytest.raises(AccessError) as caught,
    ):
        store.store(replace(capture("acme"), path="elsewhere/acme/user"))
    assert caught.value.code == "vault-policy"
    assert openbao.get("elsewhere/acme/user") is None


def test_a_token_that_may_only_read_is_told_what_it_needs(openbao: OpenBao, org: str) -> None:
    """Reading works, writing is denied: the message names the capabilities."""
    policy = openbao.policy(
        f"{org}-reads", f'path "secret/data/salesforce/{org}/+" {{ capabilities = ["read"] }}'
    )
    with opened(openbao.url, given(openbao.token(policy))) as store:
        error = refusal(store, org)
    assert (type(error), error.code) == (AccessError, "vault-policy")
    where = f"secret/data/salesforce/{org}/{mails.USERNAME}"
    assert str(error) == (
        f"Vault denies access to {where}"
        " (got 403, expected the capabilities create, read, update and patch)"
    )


def test_a_receipt_leads_to_the_audit_log(openbao: OpenBao, org: str) -> None:
    """request_id is the id under which Vault's own log has the write."""
    with opened(openbao.url, given(openbao.root_token)) as store:
        outcome = store.store(capture(org))
    assert isinstance(outcome, Stored)
    requests = [line["request"] for line in openbao.audited]
    ours = [request for request in requests if request["id"] == outcome.receipt.request_id]
    assert {(request["operation"], request["path"]) for request in ours} == {
        ("create", f"secret/data/{outcome.receipt.path}")
    }


KEPT = {
    "GET /v1/secret/data/": HttpReply(
        body={
            "data": {
                "data": {"security_token": CANARY},
                "metadata": {"version": 1, "created_time": "2026-02-03T12:57:27.123456789Z"},
            }
        }
    ),
    "GET /v1/secret/data/salesforce/acme": HttpReply(404, {"errors": []}),
}


# -- tokens and logins --


def test_a_role_logs_in_once_and_writes_under_the_shipped_policy(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """The usual way of life."""
    login = role_login(openbao.approle(org, policy))
    since = len(openbao.audited)
    with opened(openbao.url, login) as store:
        assert isinstance(store.store(capture(org)), Stored)
        assert isinstance(store.store(capture(org)), Unchanged)
    assert paths(openbao, since).count("auth/approle/login") == 1


def test_a_role_logs_in_again_when_its_token_was_revoked(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """The 403 that follows is told from a policy's by asking after the token."""
    login = role_login(openbao.approle(org, policy))
    with opened(openbao.url, login) as store:
        store.store(capture(f"{org}-first"))
        openbao.tell("put", "sys/leases/revoke-prefix/auth/approle/login")
        assert isinstance(store.store(capture(org)), Stored)


def test_a_role_logs_in_again_when_its_token_has_expired(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """Our clock stood still (a suspended machine): Vault's counts."""
    role = openbao.approle(org, policy, token_ttl="1s")
    with opened(openbao.url, role_login(role), clock=lambda: 0.0) as store:
        store.store(capture(f"{org}-first"))
        accessors = openbao.tell("list", "auth/token/accessors").data["keys"]
        until(
            lambda: openbao.tell("list", "auth/token/accessors").data["keys"] != accessors,
            "the token to expire",
        )
        assert isinstance(store.store(capture(org)), Stored)


def test_a_token_is_renewed_at_two_thirds_of_its_life(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """Not before, and without another login."""
    hours = 0.0
    login = role_login(openbao.approle(org, policy, token_ttl="3h", token_max_ttl="30h"))
    since = len(openbao.audited)
    with opened(openbao.url, login, clock=lambda: hours * 3600) as store:
        store.store(capture(org))
        hours = 1.99
        store.store(capture(org))
        assert paths(openbao, since).count("auth/token/renew-self") == 0
        hours = 2.01
        store.store(capture(org))
    assert paths(openbao, since).count("auth/token/renew-self") == 1
    assert paths(openbao, since).count("auth/approle/login") == 1


def test_a_token_at_the_end_of_its_longest_life_is_replaced(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """A renewal that Vault cuts short comes with a warning: log in again, while there is time."""
    minutes = 0.0
    login = role_login(openbao.approle(org, policy, token_ttl="60m", token_max_ttl="60m"))
    since = len(openbao.audited)
    with opened(openbao.url, login, clock=lambda: minutes * 60) as store:
        store.store(capture(org))
        began = monotonic()
        until(
            lambda: monotonic() - began > 1.1,
            "Vault's clock to show that less than an hour is left",
        )
        minutes = 41.0
        store.store(capture(org))
    assert paths(openbao, since).count("auth/approle/login") == 2


def test_a_renewal_that_fails_with_500_is_a_reason_to_log_in_again(org: str) -> None:
    """`past the max TTL` is answered with 500; an outage would be met at the login."""
    seconds = 0.0
    granted = HttpReply(
        body={"auth": {"client_token": "s.x", "lease_duration": 60, "renewable": True}}
    )
    replies = {
        "POST /v1/auth/approle/login": granted,
        "POST /v1/auth/token/renew-self": HttpReply(500),
        **KEPT,
    }
    login = AppRoleLogin("role", lambda: Secret(SECRET_ID))
    with HttpScript(replies) as server, opened(server.url, login, clock=lambda: seconds) as store:
        store.store(capture(org))
        seconds = 41.0
        store.store(capture(org))
    assert [request.path for request in server.requests if "auth" in request.path] == [
        "/v1/auth/approle/login",
        "/v1/auth/token/renew-self",
        "/v1/auth/approle/login",
    ]


def test_a_bug_of_our_own_is_not_taken_for_trouble_with_vault() -> None:
    """Only the library's call is caught around: what else fails shows its file and line."""

    def broken() -> Secret:
        raise OSError("a bug")

    with (
        opened("http://127.0.0.1:1", TokenLogin(broken)) as store,
        pytest.raises(OSError, match="a bug"),
    ):
        store.store(capture("acme"))


@pytest.mark.parametrize("wrong", ["role_id", "secret_id"])
def test_a_wrong_role_is_refused(openbao: OpenBao, policy: str, org: str, wrong: str) -> None:
    """AccessError, in words for the operator; neither id is shown."""
    login = role_login(replace(openbao.approle(org, policy), **{wrong: SECRET_ID}))
    with opened(openbao.url, login) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login")


def test_a_refused_secret_id_is_left_alone_until_it_changes(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """Vault locks out who keeps trying.

    Five minutes between two tries of the same one; a new one is tried at once."""
    role = openbao.approle(org, policy)
    secret_id = "not-the-secret-id"
    seconds = 0.0
    login = AppRoleLogin(role.role_id, lambda: Secret(secret_id))
    since = len(openbao.audited)
    logins = []
    with opened(openbao.url, login, clock=lambda: seconds) as store:
        for moment in (0.0, 1.0, 299.0, 301.0):
            seconds = moment
            assert refusal(store, org).code == "vault-login"
            logins.append(paths(openbao, since).count("auth/approle/login"))
        assert logins == [1, 1, 1, 2]
        secret_id = role.secret_id
        assert isinstance(store.store(capture(org)), Stored)


def test_a_used_up_secret_id_is_told_when_it_is_needed_again(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """A secret_id for one login serves until the token ends."""
    login = role_login(openbao.approle(org, policy, secret_id_num_uses=1))
    with opened(openbao.url, login) as store:
        store.store(capture(org))
        openbao.tell("put", "sys/leases/revoke-prefix/auth/approle/login")
        assert refusal(store).code == "vault-login"


def test_a_revoked_token_is_read_anew(openbao: OpenBao, policy: str, org: str) -> None:
    """Whoever keeps the token file (Vault Agent) has put another one there."""
    tokens = [openbao.token(policy), openbao.token(policy)]
    with opened(openbao.url, TokenLogin(lambda: Secret(tokens[0]))) as store:
        store.store(capture(f"{org}-first"))
        openbao.revoke(tokens.pop(0))
        assert isinstance(store.store(capture(org)), Stored)


def test_a_revoked_token_without_another_is_told_as_a_login(
    openbao: OpenBao, policy: str, org: str
) -> None:
    """And not as a policy that denies: the next step is another one."""
    token = openbao.token(policy)
    with opened(openbao.url, given(token)) as store:
        store.store(capture(f"{org}-first"))
        openbao.revoke(token)
        error = refusal(store, org)
    assert (type(error), error.code) == (AccessError, "vault-login-token")


def test_a_token_without_the_default_policy_works(openbao: OpenBao, policy: str, org: str) -> None:
    """It may not look itself up; nothing needs that as long as nothing is denied."""
    with opened(openbao.url, given(openbao.token(policy, no_default_policy=True))) as store:
        assert isinstance(store.store(capture(org)), Stored)


JSON = "JSON (a sink of Vault Agent with wrap_ttl, or an answer of Vault's, has that form)"
ODD = "a blank, a second line, or a character that is not ASCII"


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "nothing"),
        (f"{VAULT_TOKEN}\nsecond line", ODD),
        (f"{VAULT_TOKEN}é", ODD),
        (f" {VAULT_TOKEN}", ODD),
        (f"{VAULT_TOKEN} ", ODD),
        (f"{VAULT_TOKEN}\N{NO-BREAK SPACE}", ODD),
        (f'{{"token":"{VAULT_TOKEN}","ttl":300}}', JSON),
        (f'["{VAULT_TOKEN}"]', JSON),
        (f'"{VAULT_TOKEN}"', "quotes around it"),
        (f"'{VAULT_TOKEN}'", "quotes around it"),
    ],
)
def test_what_is_no_token_alone_is_refused(text: str, got: str) -> None:
    """The HTTP library would refuse some of it as well, and show it; Vault would call the rest
    expired."""
    with opened("http://127.0.0.1:1", given(text)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-token")
    assert str(error) == f"vault.auth.token: got {got}, expected the token alone on one line"


def test_threads_share_one_login(openbao: OpenBao, policy: str, org: str) -> None:
    """A revoked token is replaced once, whichever thread meets it first.

    No thread sees a wrong refusal."""
    login = role_login(openbao.approle(org, policy))
    failures: list[BaseException] = []
    with opened(openbao.url, login) as store:
        store.store(capture(f"{org}-first"))
        since = len(openbao.audited)
        openbao.tell("put", "sys/leases/revoke-prefix/auth/approle/login")

        def work(number: int) -> None:
            try:
                store.store(capture(f"{org}-{number}"))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert paths(openbao, since).count("auth/approle/login") == 1
