"""What each way to log in is refused for: one cause, one message, one code."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from tests.contract.leaks import FOREIGN
from tests.contract.vault import opened, paths, refusal
from tests.contract.vault_methods import (
    METHODS,
    PASSWORD,
    Surroundings,
    Way,
    by_cert,
    by_jwt,
    by_kubernetes,
    by_userpass,
)
from tests.kit.cluster import refusing
from tests.kit.issuer import HOUR, Issuer
from tests.kit.scripted import HttpReply, HttpScript
from token_catcher.advice import NEXT_STEP
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.vault import JwtLogin, KubernetesLogin, Login

pytestmark = pytest.mark.servers

NO_MOUNT = "there is no such mount in this namespace"
BOUND = "the role is bound to other addresses than ours (token_bound_cidrs)"
DAY = timedelta(days=1)


def refused(way: Way, **address: Any) -> AccessError:
    """How a login fails, which has advice of its own; no secret is shown."""
    with opened(**{**way.address, **address}, login=way.login) as store:
        error = refusal(store)
    assert isinstance(error, AccessError)
    assert error.code in NEXT_STEP
    assert PASSWORD not in str(error)
    return error


def told(way: Way, name: str, status: int, text: str) -> str:
    """The whole message of a refused login."""
    url = way.address["url"]
    got = f"(got {status}, expected 200)"
    return f"Vault at {url} refused the {name} login at {way.login_path} {got}: {text}"


# -- JWT --

LATER = int(time.time()) + 24 * HOUR
EARLIER = int(time.time()) - 24 * HOUR
CLAIMS: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "expired": (
        {"exp": EARLIER + HOUR, "iat": EARLIER, "nbf": EARLIER},
        "vault-login-expired",
        "the JWT has expired, or Vault's clock is ahead: whoever writes its file has stopped",
    ),
    "not valid yet": (
        {"nbf": LATER, "exp": LATER + HOUR},
        "vault-login-early",
        "the JWT is not valid yet: Vault's clock is behind its issuer's",
    ),
    "of another audience": (
        {"aud": "somebody-else"},
        "vault-login-audience",
        "the JWT is for another audience than bound_audiences of the role",
    ),
    "without an audience": (
        {"aud": None},
        "vault-login-audience",
        "the JWT is for another audience than bound_audiences of the role",
    ),
    "of another issuer": (
        {"iss": "https://elsewhere.example"},
        "vault-login-issuer",
        "the JWT is from another issuer than bound_issuer of the mount",
    ),
    "of another subject": (
        {"sub": "host2"},
        "vault-login-claims",
        "the JWT has another subject than bound_subject of the role",
    ),
    "of another team": (
        {"team": "sales"},
        "vault-login-claims",
        "the JWT does not have the claims that bound_claims of the role asks for",
    ),
    "without a team": (
        {"team": None},
        "vault-login-claims",
        "the JWT does not have the claims that bound_claims of the role asks for",
    ),
    "without times": (
        {"exp": None, "iat": None, "nbf": None},
        "vault-login-jwt",
        "what the file holds is no JWT, or one without exp, nbf and iat",
    ),
}


@pytest.mark.parametrize("fault", CLAIMS)
def test_each_fault_of_a_jwt_is_told(around: Surroundings, org: str, fault: str) -> None:
    """By the claim that does not fit."""
    claims, code, text = CLAIMS[fault]
    way = by_jwt(around, org)
    around.file("jwt", around.jwt(**claims))
    error = refused(way)
    assert (error.code, str(error)) == (code, told(way, "JWT", 400, text))


def test_a_jwt_that_a_stranger_signed_is_told(around: Surroundings, org: str) -> None:
    """By a key that Vault does not have."""
    way = by_jwt(around, org)
    around.file("jwt", replace(around, issuer=Issuer()).jwt())
    error = refused(way)
    text = "none of the keys that Vault has, or could fetch from the issuer, signed this JWT"
    assert (error.code, str(error)) == ("vault-login-signature", told(way, "JWT", 400, text))


def test_what_is_no_jwt_is_told(around: Surroundings, org: str) -> None:
    """Another token in the wrong file."""
    way = by_jwt(around, org)
    around.file("jwt", PASSWORD)
    error = refused(way)
    text = CLAIMS["without times"][2]
    assert (error.code, str(error)) == ("vault-login-jwt", told(way, "JWT", 400, text))


def test_a_mount_that_was_never_configured_is_told(around: Surroundings, org: str) -> None:
    """It has no key to check anything with."""
    way = by_jwt(around, org)
    mount = f"unset-{org}"
    around.server.tell("post", f"sys/auth/{mount}", {"type": "jwt"})
    assert isinstance(way.login, JwtLogin)
    way = replace(way, login=replace(way.login, mount=mount), login_path=f"auth/{mount}/login")
    error = refused(way)
    text = "the mount is not configured: it has neither keys nor an issuer"
    assert (error.code, str(error)) == ("vault-login-mount-config", told(way, "JWT", 400, text))


def test_a_mount_that_knows_no_cluster_is_told(around: Surroundings, org: str) -> None:
    """It was enabled, and never told which one; the next step is to do so."""
    way = by_kubernetes(around, org)
    mount = f"unset-{org}"
    around.server.tell("post", f"sys/auth/{mount}", {"type": "kubernetes"})
    role = {"bound_service_account_names": "*", "bound_service_account_namespaces": "*"}
    around.server.tell("post", f"auth/{mount}/role/{org}", {**role, "audience": "vault"})
    login: Any = way.login
    error = refused(replace(way, login=replace(login, mount=mount)))
    assert error.code == "vault-login-mount-config"
    assert str(error).endswith(": the mount is not configured: it knows no cluster")
    assert "bao write auth/kubernetes/config" in NEXT_STEP[error.code]


# -- Kubernetes --

REVIEW = (
    "the cluster's TokenReview does not accept the JWT (expired, of a deleted pod or another"
    " cluster), Vault may not ask for one or does not reach the cluster;"
    f" or {NO_MOUNT}, or {BOUND}"
)
ACCOUNTS = {
    "of another audience": (
        {"audience": "somebody-else"},
        "vault-login-audience",
        "the JWT is for another audience than that of the role",
    ),
    "of another service account": (
        {"name": "default"},
        "vault-login-service-account",
        "the role is for other service accounts (bound_service_account_names)",
    ),
    "of another namespace": (
        {"namespace": "sales"},
        "vault-login-service-account",
        "the role is for other Kubernetes namespaces (bound_service_account_namespaces)",
    ),
}


@pytest.mark.parametrize("fault", ACCOUNTS)
def test_a_service_account_that_the_role_is_not_for_is_told(
    around: Surroundings, org: str, fault: str
) -> None:
    """By what of it does not fit."""
    changes, code, text = ACCOUNTS[fault]
    way = by_kubernetes(around, org)
    around.file("jwt", around.cluster.token(**changes))
    error = refused(way)
    assert (error.code, str(error)) == (code, told(way, "Kubernetes", 403, text))


def test_a_jwt_that_the_cluster_does_not_accept_is_told(around: Surroundings, org: str) -> None:
    """The pod is gone; Vault hides it behind the words of a policy."""
    way = by_kubernetes(around, org)
    around.cluster.revoke()
    error = refused(way)
    text = told(way, "Kubernetes", 403, REVIEW)
    assert (error.code, str(error)) == ("vault-login-review", text)


@pytest.mark.parametrize(
    "trouble", [refusing(401, "Unauthorized"), refusing(403, "Forbidden"), HttpReply(drop=True)]
)
def test_a_review_that_vault_does_not_get_is_told(
    around: Surroundings, org: str, trouble: HttpReply
) -> None:
    """Vault may not ask, or the cluster is not reached: it says the same of all."""
    way = by_kubernetes(around, org)
    around.cluster.trouble = trouble
    assert refused(way).code == "vault-login-review"


# -- a certificate --


ALLOWED = (
    "our certificate does not have the names that the role allows, or vault.auth.name is another"
    " role"
)
CERTIFICATES: Mapping[str, tuple[dict[str, Any], int, str]] = {
    "of another name": ({"common_name": "somebody-else"}, 400, ALLOWED),
    "without a common name": ({"common_name": None}, 400, ALLOWED),
    "expired": (
        {"not_before": datetime.now(UTC) - 2 * DAY, "not_after": datetime.now(UTC) - DAY},
        500,
        "our certificate, or one of its issuers, has expired or is not valid yet",
    ),
}


@pytest.mark.parametrize("fault", CERTIFICATES)
def test_each_fault_of_a_certificate_is_told(around: Surroundings, org: str, fault: str) -> None:
    """By what Vault says of it."""
    options, status, text = CERTIFICATES[fault]
    way = by_cert(around, org)
    around.certificate(**options)
    error = refused(way)
    expected = told(way, "certificate", status, text)
    assert (error.code, str(error)) == ("vault-login-certificate", expected)


def test_a_certificate_of_another_authority_is_told(around: Surroundings, org: str) -> None:
    """The role trusts another one."""
    way = by_cert(around, org)
    replace(around, authority=trustme.CA()).certificate()
    error = refused(way)
    text = "no role trusts the issuer of our certificate, or vault.auth.name is no role"
    expected = told(way, "certificate", 400, text)
    assert (error.code, str(error)) == ("vault-login-certificate", expected)


def test_a_certificate_without_a_common_name_is_told_by_a_role_for_all(
    around: Surroundings, org: str
) -> None:
    """Vault takes the name of whoever logs in from there."""
    way = by_cert(around, org, allowed_common_names=[])
    around.certificate(common_name=None)
    text = "our certificate has no common name, which Vault knows a login by"
    assert str(refused(way)) == told(way, "certificate", 500, text)


def test_a_certificate_that_does_not_reach_vault_is_told(around: Surroundings, org: str) -> None:
    """A proxy that ends TLS before it, for one."""
    way = by_cert(around, org)
    error = refused(way, client_certificate=None)
    text = (
        "our certificate did not reach Vault: its listener does not ask for one, or a proxy ends"
        " TLS before it"
    )
    expected = told(way, "certificate", 400, text)
    assert (error.code, str(error)) == ("vault-login-certificate", expected)


def test_a_certificate_whose_file_is_gone_is_told(around: Surroundings, org: str) -> None:
    """By who makes the connection: nothing was refused."""
    way = by_cert(around, org)
    path = around.home / "client.pem"
    path.unlink()
    error = refused(way)
    assert (error.code, str(error)) == (
        "vault-client-certificate",
        f"vault.client_certificate: got {path}, expected a certificate and its key in PEM, the key"
        " not encrypted, in files that we can read",
    )


def test_a_certificate_finds_its_role_without_a_name(around: Surroundings, org: str) -> None:
    """Vault takes whichever fits."""
    way = by_cert(around, org)
    login: Any = way.login
    with replace(way, login=replace(login, name=None)).opened() as store:
        store.keep_alive()


# -- a password --


def test_a_wrong_password_is_told(around: Surroundings, org: str) -> None:
    """Vault does not tell it from a wrong name."""
    way = by_userpass(around, org)
    around.file("password", f"not-{PASSWORD}")
    error = refused(way)
    expected = told(way, "userpass", 400, "username or password is wrong")
    assert (error.code, str(error)) == ("vault-login-password", expected)


# -- any of them --

DENIED = {
    "approle": f"{NO_MOUNT}, or the role is locked out for a quarter of an hour, after five wrong"
    " secret_ids",
    "kubernetes": REVIEW,
    "jwt": f"{NO_MOUNT}, or {BOUND}",
    "cert": f"{NO_MOUNT}, or {BOUND}",
    "userpass": f"{NO_MOUNT}, the user is locked out for a quarter of an hour, after five wrong"
    f" passwords, or {BOUND}",
}
NAMES = {
    "approle": "AppRole",
    "kubernetes": "Kubernetes",
    "jwt": "JWT",
    "cert": "certificate",
    "userpass": "userpass",
}


def test_a_mount_that_is_not_there_is_told(around: Surroundings, org: str, method: str) -> None:
    """With whatever else 403 may mean."""
    way = METHODS[method](around, org)
    login: Any = way.login
    elsewhere = replace(login, mount="elsewhere")
    path = way.login_path.replace(login.mount, "elsewhere")
    error = refused(replace(way, login=elsewhere, login_path=path))
    text = told(replace(way, login_path=path), NAMES[method], 403, DENIED[method])
    assert str(error) == text
    assert ("lock-out" in NEXT_STEP[error.code]) == ("locked out" in text)


def test_a_namespace_that_is_not_there_is_told_by_its_key(
    around: Surroundings, org: str, method: str
) -> None:
    """The login's own, or that of the secrets."""
    way = METHODS[method](around, org)
    login: Any = way.login
    url = way.address["url"]
    no_namespace = "there is no such namespace (got 404), expected"
    error = refused(way, namespace="nowhere")
    assert error.code == "vault-namespace"
    assert str(error) == (
        f"Vault at {url}, namespace nowhere: {no_namespace} vault.namespace to be one"
    )
    error = refused(replace(way, login=replace(login, namespace="nowhere")))
    assert error.code == "vault-namespace"
    assert str(error) == (
        f"Vault at {url}, namespace nowhere: {no_namespace} vault.auth.namespace to be one"
    )


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_role_that_is_not_there_is_told(around: Surroundings, org: str, method: str) -> None:
    """The name is shown: it is no secret."""
    way = METHODS[method](around, org)
    around.server.tell("delete", way.role_path)
    error = refused(way)
    expected = told(way, NAMES[method], 400, "there is no such role")
    assert (error.code, str(error)) == ("vault-login-role", expected)


@pytest.mark.parametrize("method", ["kubernetes", "jwt", "cert", "userpass"])
def test_other_addresses_than_ours_are_told(around: Surroundings, org: str, method: str) -> None:
    """`token_bound_cidrs`: Vault says no more than 403."""
    way = METHODS[method](around, org, token_bound_cidrs=["192.0.2.0/24"])
    assert str(refused(way)) == told(way, NAMES[method], 403, DENIED[method])


@pytest.mark.parametrize("method", ["kubernetes", "jwt", "cert", "userpass"])
def test_a_token_without_any_rights_is_told(around: Surroundings, org: str, method: str) -> None:
    """The login succeeds, and its token may not even look itself up."""
    way = METHODS[method](around, org, token_no_default_policy=True)
    error = refused(way)
    assert error.code == "vault-login-rights"
    assert str(error) == (
        f"Vault at {way.address['url']} refuses our token (got 403, by lookup-self as well): it"
        " expired, was revoked, is bound to other addresses, or has no rights at all"
    )


def test_a_mount_of_another_method_is_told(around: Surroundings, org: str) -> None:
    """It misses a field of its own, which Vault says with 500."""
    way = by_jwt(around, org)
    assert isinstance(way.login, JwtLogin)
    login = replace(way.login, mount="approle")
    way = replace(way, login=login, login_path="auth/approle/login")
    text = "the mount there is of another method, which misses a field of its own"
    error = refused(way)
    assert (error.code, str(error)) == ("vault-login-mount", told(way, "JWT", 500, text))


PAUSES = {"approle": 300.0, "userpass": 300.0}


def test_what_was_refused_is_left_alone_until_it_changes(
    around: Surroundings, org: str, method: str
) -> None:
    """Five minutes between two tries of the same where Vault locks out who keeps trying, and half
    a minute elsewhere; another one is tried at once."""
    pause = PAUSES.get(method, 30.0)
    seconds = 0.0
    way = METHODS[method](around, org)
    around.server.tell("delete", way.role_path)
    since = len(around.server.audited)
    counts = []
    with way.opened(clock=lambda: seconds) as store:
        for moment in (0.0, pause - 1, pause + 1):
            seconds = moment
            refusal(store)
            counts.append(paths(around.server, since).count(way.login_path))
        replace_credential(around, method)
        refusal(store)
        counts.append(paths(around.server, since).count(way.login_path))
    assert counts == [1, 1, 2, 3]


def replace_credential(around: Surroundings, method: str) -> None:
    """What whoever rotates it does."""
    around.file("secret-id", "another-secret-id")
    around.file("password", f"another-{PASSWORD}")
    jwt = around.jwt(jti="another")
    if method == "kubernetes":
        jwt = around.cluster.token()
    around.file("jwt", jwt)
    around.certificate()


@pytest.mark.parametrize(
    ("status", "code"), [(429, "vault-quota"), (500, "vault-away"), (503, "vault-sealed")]
)
def test_an_outage_is_no_refusal(
    around: Surroundings, org: str, method: str, status: int, code: str
) -> None:
    """Whatever Vault says with such a number: the same is shown again at once."""
    login: Login = METHODS[method](around, org).login
    said = HttpReply(status, {"errors": ["the audience is expired"]})
    if status == 500:
        said = HttpReply(status, {"errors": ["internal error"]})
    with HttpScript({"POST /v1/auth/": said}) as server, opened(server.url, login) as store:
        errors: list[TokenCatcherError] = [refusal(store), refusal(store)]
    assert [(type(error), error.code) for error in errors] == [(Outage, code)] * 2
    assert len(server.requests) == 2


OLDER: Mapping[str, tuple[type[JwtLogin], str]] = {
    "lookup failed: service account unauthorized; this could mean it has been deleted or recreated"
    " with a new token": (KubernetesLogin, "vault-login-review"),
    "could not load backend configuration": (KubernetesLogin, "vault-login-mount-config"),
    "square/go-jose/jwt: validation failed, token is expired (exp)": (
        JwtLogin,
        "vault-login-expired",
    ),
    "something else": (JwtLogin, "vault-login-jwt"),
}


@pytest.mark.parametrize("words", OLDER)
def test_older_words_are_understood_as_well(words: str) -> None:
    """Those of HashiCorp Vault; none of them is repeated."""
    login, code = OLDER[words]
    reply = HttpReply(400, {"errors": [f"{FOREIGN} {words}"]})
    with (
        HttpScript({"POST /v1/auth/": reply}) as server,
        opened(server.url, login("role", lambda: Secret(PASSWORD))) as store,
    ):
        assert refusal(store).code == code
