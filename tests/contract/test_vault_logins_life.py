"""Every way to log in, over the life of a token: renewed, replaced, revoked, at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from time import monotonic

import pytest
import trustme

from tests.contract.vault import capture, paths, refusal, shipped_policy
from tests.contract.vault_methods import METHODS, PASSWORD, Surroundings, Way
from tests.kit.fakes import Silent
from tests.kit.servers import OpenBao, until
from token_catcher.model import Stored, Unchanged
from token_catcher.vault import Address, Client

RENEWAL = "auth/token/renew-self"

pytestmark = pytest.mark.servers


def set_up(around: Surroundings, method: str, org: str, **settings: object) -> Way:
    """A role, or a user, with the shipped policy."""
    policy = shipped_policy(around.server)
    return METHODS[method](around, org, token_policies=[policy], **settings)


def counted(way: Way, server: OpenBao, since: int) -> tuple[int, int]:
    """Logins and renewals since then."""
    asked = paths(server, since)
    return asked.count(way.login_path), asked.count(RENEWAL)


def test_one_login_writes_under_the_shipped_policy(
    around: Surroundings, method: str, org: str
) -> None:
    """The usual way of life; a login needs nothing that the policy does not give."""
    way = set_up(around, method, org)
    since = len(around.server.audited)
    with way.opened() as store:
        assert isinstance(store.store(capture(org)), Stored)
        assert isinstance(store.store(capture(org)), Unchanged)
    assert counted(way, around.server, since) == (1, 0)


def test_requests_are_counted_by_what_they_are_for(
    around: Surroundings, method: str, org: str
) -> None:
    """And not by a path, in which the name of a user may stand."""
    way = set_up(around, method, org)
    counted: list[tuple[str, int | None]] = []

    def observe(operation: str, status: int | None) -> None:
        counted.append((operation, status))

    address = Address(**way.address)
    client = Client(address, way.login, monotonic=monotonic, log=Silent(), observe=observe)
    with closing(client):
        client.keep_alive()
    assert counted == [("login", 200)]


def test_a_revoked_token_is_replaced(around: Surroundings, method: str, org: str) -> None:
    """By another login, in the middle of a write."""
    way = set_up(around, method, org)
    prefix = way.login_path.partition("/login")[0]
    with way.opened() as store:
        store.store(capture(f"{org}-first"))
        around.server.tell("put", f"sys/leases/revoke-prefix/{prefix}")
        assert isinstance(store.store(capture(org)), Stored)


def test_an_expired_token_is_replaced(around: Surroundings, method: str, org: str) -> None:
    """Our clock stood still (a suspended machine): Vault's counts."""
    way = set_up(around, method, org, token_ttl="1s")
    with way.opened(clock=lambda: 0.0) as store:
        store.store(capture(f"{org}-first"))
        accessors = around.server.tell("list", "auth/token/accessors").data["keys"]
        until(
            lambda: around.server.tell("list", "auth/token/accessors").data["keys"] != accessors,
            "the token to expire",
        )
        assert isinstance(store.store(capture(org)), Stored)


def test_a_credential_is_rotated_under_a_running_program(
    around: Surroundings, method: str, org: str
) -> None:
    """Vault takes the new one alone, and its file is read anew at the next login."""
    way = set_up(around, method, org)
    prefix = way.login_path.partition("/login")[0]
    with way.opened() as store:
        store.store(capture(f"{org}-first"))
        ROTATIONS[method](around, way)
        around.server.tell("put", f"sys/leases/revoke-prefix/{prefix}")
        assert isinstance(store.store(capture(org)), Stored)


def rotate_secret_id(around: Surroundings, way: Way) -> None:
    """The old one is destroyed."""
    accessors = around.server.tell("list", f"{way.role_path}/secret-id").data["keys"]
    for accessor in accessors:
        body = {"secret_id_accessor": accessor}
        around.server.tell("post", f"{way.role_path}/secret-id-accessor/destroy", body)
    made = around.server.tell("post", f"{way.role_path}/secret-id", {}).data
    around.file("secret-id", made["secret_id"])


def rotate_service_account_token(around: Surroundings, _way: Way) -> None:
    """As the kubelet does; the cluster accepts the old one no more."""
    around.cluster.revoke()
    around.file("jwt", around.cluster.token())


def rotate_jwt(around: Surroundings, way: Way) -> None:
    """The next one has other claims, and the role asks for these."""
    role = around.server.tell("get", way.role_path).data
    around.server.tell("post", way.role_path, {**role, "bound_claims": {"team": "operations"}})
    around.file("jwt", around.jwt(team="operations"))


def rotate_certificate(around: Surroundings, way: Way) -> None:
    """Of another authority, which the role trusts from now on."""
    around.authority = trustme.CA()
    certificate = around.authority.cert_pem.bytes().decode()
    role = around.server.tell("get", way.role_path).data
    around.server.tell("post", way.role_path, {**role, "certificate": certificate})
    around.certificate()


def rotate_password(around: Surroundings, way: Way) -> None:
    """Of the user."""
    password = f"another-{PASSWORD}"
    around.server.tell("post", f"{way.role_path}/password", {"password": password})
    around.file("password", password)


ROTATIONS: Mapping[str, Callable[[Surroundings, Way], None]] = {
    "approle": rotate_secret_id,
    "kubernetes": rotate_service_account_token,
    "jwt": rotate_jwt,
    "cert": rotate_certificate,
    "userpass": rotate_password,
}


@pytest.mark.parametrize("kind", ["service", "batch"])
def test_a_token_is_seen_to_at_two_thirds_of_its_life(
    around: Surroundings, method: str, org: str, kind: str
) -> None:
    """Not before. It is renewed, or replaced by a login where it is a batch token."""
    minutes = 0.0
    way = set_up(around, method, org, token_ttl="60m", token_max_ttl="20h", token_type=kind)
    since = len(around.server.audited)
    counts = []
    with way.opened(clock=lambda: minutes * 60) as store:
        for moment in (0, 39, 41):
            minutes = moment
            store.keep_alive()
            counts.append(counted(way, around.server, since))
        assert store.token_seconds_left == 3600
    expected = (1, 1)
    if kind == "batch":
        expected = (2, 0)
    assert counts == [(1, 0), (1, 0), expected]


def test_a_token_at_the_end_of_its_longest_life_is_replaced(
    around: Surroundings, method: str, org: str
) -> None:
    """A renewal that Vault cuts short comes with a warning: log in again, while there is time."""
    minutes = 0.0
    way = set_up(around, method, org, token_ttl="60m", token_max_ttl="60m")
    since = len(around.server.audited)
    with way.opened(clock=lambda: minutes * 60) as store:
        store.keep_alive()
        began = monotonic()
        until(
            lambda: monotonic() - began > 1.1,
            "Vault's clock to show that less than an hour is left",
        )
        minutes = 41
        store.keep_alive()
        assert store.token_seconds_left == 3600
    assert counted(way, around.server, since) == (2, 1)


def test_a_token_serves_to_its_end_without_the_role(
    around: Surroundings, method: str, org: str
) -> None:
    """Neither renewed nor replaced, it is told once when a tenth is left, and an error then."""
    minutes = 0.0
    log = Silent()
    way = set_up(around, method, org, token_ttl="60m", token_type="batch")
    with way.opened(clock=lambda: minutes * 60, log=log) as store:
        store.keep_alive()
        around.server.tell("delete", way.role_path)
        endings = []
        for moment in (41, 55, 59):
            minutes = moment
            store.store(capture(f"{org}-{moment}"))
            endings.append(store.token_is_ending)
        minutes = 61
        error = refusal(store, org)
    assert endings == [False, True, True]
    assert [event for event, _ in log.warnings] == ["vault.token_ends"]
    told = log.warnings[0][1]
    assert (told["code"], told["error"]) == (error.code, str(error))
    assert error.code.startswith("vault-login")
