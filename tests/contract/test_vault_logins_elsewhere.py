"""Logins that live in another namespace than the secrets, and no login at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.vault import POLICY, capture, given, opened, paths, refusal, shipped_policy
from tests.contract.vault_methods import METHODS, Surroundings, Way
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import OpenBao
from tests.kit.servers.agent import Agent
from token_catcher.errors import AccessError
from token_catcher.model import Stored, Unchanged
from token_catcher.vault import NoLogin

pytestmark = pytest.mark.servers

# -- another namespace --


def with_secrets_in(namespace: str, around: Surroundings) -> str:
    """A mount there; returns the policy above, whose paths lead into the namespace."""
    around.server.tell("post", f"sys/namespaces/{namespace}", {})
    around.server.mount_in(namespace, "secret")
    text = POLICY.read_text("utf-8").replace('path "', f'path "{namespace}/')
    return around.server.policy(f"into-{namespace}", text)


def elsewhere(way: Way, namespace: str) -> Way:
    """The login stays where it is, above all; the secrets are in this namespace."""
    login: Any = way.login
    address = {**way.address, "namespace": namespace}
    return replace(way, login=replace(login, namespace="root"), address=address)


def test_a_login_may_live_above_the_secrets(around: Surroundings, method: str, org: str) -> None:
    """Its token is renewed there, where its default policy is, and writes below."""
    minutes = 0.0
    policy = with_secrets_in(org, around)
    above = METHODS[method](around, org, token_policies=[policy], token_ttl="60m")
    since = len(around.server.audited)
    with elsewhere(above, org).opened(clock=lambda: minutes * 60) as store:
        assert isinstance(store.store(capture(org)), Stored)
        minutes = 41
        assert isinstance(store.store(capture(org)), Unchanged)
    asked = paths(around.server, since)
    assert (asked.count(above.login_path), asked.count("auth/token/renew-self")) == (1, 1)
    assert around.server.get(capture(org).path, mount=f"{org}/secret") is not None


def test_a_token_from_above_that_died_is_told_from_a_policy(
    around: Surroundings, method: str, org: str
) -> None:
    """It is asked after where it was made, and replaced from there."""
    policy = with_secrets_in(org, around)
    above = METHODS[method](around, org, token_policies=[policy])
    prefix = above.login_path.partition("/login")[0]
    with elsewhere(above, org).opened() as store:
        store.store(capture(f"{org}-first"))
        around.server.tell("put", f"sys/leases/revoke-prefix/{prefix}")
        assert isinstance(store.store(capture(org)), Stored)


def test_a_token_from_above_is_looked_up_there(around: Surroundings, org: str) -> None:
    """One that somebody else keeps."""
    token = around.server.token(with_secrets_in(org, around), ttl="60m")
    login = replace(given(token), namespace="root")
    address: dict[str, Any] = {"ca_file": around.server.ca_file, "namespace": org}
    with opened(around.server.url, login, **address) as store:
        assert isinstance(store.store(capture(org)), Stored)
        left = store.token_seconds_left
    assert left is not None
    assert 3500 < left <= 3600


# -- no login --


def test_an_agent_adds_its_own_token(openbao: OpenBao, org: str) -> None:
    """Nothing is asked of Vault but the mount and the secret."""
    role = openbao.approle(org, shipped_policy(openbao))
    with Agent(openbao, role, adds_token=True) as agent:
        since = len(openbao.audited)
        with opened(agent.url, NoLogin()) as store:
            store.keep_alive()
            assert isinstance(store.store(capture(org)), Stored)
            assert store.token_seconds_left is None
    where = f"secret/data/{capture(org).path}"
    mount = f"sys/internal/ui/mounts/secret/{capture(org).path}"
    assert sorted(set(paths(openbao, since))) == [where, mount]


def test_no_token_is_sent() -> None:
    """An Agent adds its own only to what has none, and wants to see that no browser asks."""
    replies = {
        "GET /v1/secret/data/": HttpReply(404, {"errors": []}),
        "POST /v1/secret/data/": HttpReply(body={"data": {"version": 1, "created_time": "x"}}),
    }
    with HttpScript(replies) as server, opened(server.url, NoLogin()) as store:
        assert isinstance(store.store(capture("acme")), Stored)
    assert {request.headers.get("x-vault-token") for request in server.requests} == {None}
    assert {request.headers["x-vault-request"] for request in server.requests} == {"true"}


def test_an_agent_without_rights_is_told(openbao: OpenBao, org: str) -> None:
    """Whose token it is, and what else 403 may mean; it is asked again with each mail."""
    with Agent(openbao, openbao.approle(org, "default"), adds_token=True) as agent:
        since = len(openbao.audited)
        with opened(agent.url, NoLogin()) as store:
            errors = [refusal(store, org), refusal(store, org)]
        mount = f"sys/internal/ui/mounts/secret/{capture(org).path}"
        assert [(type(error), error.code) for error in errors] == [
            (AccessError, "vault-login-none")
        ] * 2
        assert str(errors[0]) == (
            f"Vault at {agent.url} denies GET {mount} (got 403, and we send no token): the Agent or"
            " Proxy there adds none, its token has ended or has no rights on that path, or there is"
            " no such mount"
        )
    assert paths(openbao, since) == [mount, mount]


def test_a_refused_patch_falls_back_to_post_without_a_token_as_well(
    openbao: OpenBao, org: str
) -> None:
    """A policy without `patch` is none of the Agent's faults."""
    rules = POLICY.read_text("utf-8").replace(', "patch"', "")
    role = openbao.approle(org, openbao.policy(f"{org}-no-patch", rules))
    openbao.put(capture(org).path, {"password": "p"})
    with (
        Agent(openbao, role, adds_token=True) as agent,
        opened(agent.url, NoLogin()) as store,
    ):
        assert isinstance(store.store(capture(org)), Stored)
    fields = openbao.get(capture(org).path)
    assert fields is not None
    assert {"password", "security_token"} <= set(fields)
