"""Tokens for Microsoft 365, asked for at a tenant on loopback that speaks as Entra ID does."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from types import ModuleType

import pytest

from tests.contract.leaks import hangs_alone, shown
from tests.kit.entra import (
    APPLICATION_SCOPE,
    CLIENT_ID,
    PERSON_SCOPE,
    TENANT,
    WORKLOAD,
    Entra,
    Pair,
    pair,
    refusal,
    workload_assertion,
)
from tests.kit.fakes import Silent
from tests.kit.jwts import rsa_key, signed, unverified
from tests.kit.tokens import Asked, Reply
from tests.kit.waiting import PATIENCE
from token_catcher.errors import AccessError, ConfigurationError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth import (
    AccessTokens,
    Application,
    AssertionProof,
    CertificateProof,
    MicrosoftApplication,
    MicrosoftPerson,
    Proof,
    RefreshTokenFile,
    SecretProof,
)

SECRET = "abc8Q~CANARY-client-secret-0123456789"
REFRESH = "0.CANARY-refresh-token-0123456789"


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """A tenant whose application has a secret, a certificate and a federated credential."""
    with Entra(tmp_path) as entra:
        monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))
        # A machine that is busy with other tests is no endpoint that is away.
        monkeypatch.setattr("token_catcher.oauth.endpoint.CONNECT_TIMEOUT", PATIENCE)
        monkeypatch.setattr("token_catcher.oauth.endpoint.READ_TIMEOUT", PATIENCE)
        entra.registration.secrets = [SECRET]
        entra.registration.certificates = [pair().certificate]
        entra.registration.federated = [WORKLOAD]
        entra.registration.refresh_tokens = [REFRESH]
        yield entra


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What the application proves itself by."""
    return tmp_path / "credential"


def application(entra: Entra) -> Application:
    """The one that the tenant knows."""
    return Application(TENANT, CLIENT_ID, entra.url, APPLICATION_SCOPE)


def holding(file: Path, text: str) -> Path:
    """The file, with this in it."""
    file.write_text(text)
    return file


def by(proof: str, file: Path) -> Proof:
    """A proof out of a file."""

    def read() -> Secret:
        return Secret(file.read_text())

    if proof == "client_secret":
        return SecretProof(read)
    if proof == "assertion":
        return AssertionProof(read)
    return CertificateProof(read, file.name, lambda: datetime.now(UTC))


def provider(entra: Entra, proof: str, file: Path) -> MicrosoftApplication:
    """One for the application."""
    return MicrosoftApplication(application(entra), by(proof, file), time.monotonic)


def with_secret(entra: Entra, file: Path) -> MicrosoftApplication:
    """One for the application, by the secret that is good."""
    return provider(entra, "client_secret", holding(file, SECRET))


def person(entra: Entra, file: Path, scope: str = PERSON_SCOPE) -> MicrosoftPerson:
    """One for a person, whose refresh token is in the file."""
    about = replace(application(entra), scope=scope)
    refresh_token = RefreshTokenFile(
        file,
        lambda: Secret(file.read_text().strip()),
        Silent(),
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
    return MicrosoftPerson(about, refresh_token, time.monotonic)


def failure(provider: MicrosoftApplication | MicrosoftPerson) -> TokenCatcherError:
    """Why there is no token."""
    with pytest.raises(TokenCatcherError) as caught:
        provider.fetch()
    return caught.value


# -- what is asked for --


def test_a_certificate_signs_an_assertion(entra: Entra, file: Path) -> None:
    """With PSS and SHA-256, for this endpoint and ten minutes, never the same one twice."""
    tokens = provider(entra, "certificate", holding(file, pair().text))
    token = tokens.fetch()
    tokens.fetch()
    assert (token.value.reveal(), token.seconds) == (entra.given[0], entra.life)
    header = unverified(entra.grants[0]["client_assertion"])[0]
    assert (header["alg"], "x5t" in header) == ("PS256", False)
    for claims in entra.assertions:
        about = (claims["aud"], claims["iss"], claims["sub"])
        assert about == (entra.token_url, CLIENT_ID, CLIENT_ID)
        assert claims["exp"] - claims["iat"] == pytest.approx(600)
    assert len({claims["jti"] for claims in entra.assertions}) == 2


def test_key_and_certificate_stand_in_any_order(entra: Entra, file: Path) -> None:
    """In one file, with the certificates of issuers behind."""
    holding(file, pair().key + pair().certificate + pair("issuer").certificate)
    assert provider(entra, "certificate", file).fetch().seconds == entra.life


def test_an_application_asks_with_its_secret(entra: Entra, file: Path) -> None:
    """For all that it was given of Exchange Online."""
    assert with_secret(entra, file).fetch().value.reveal() == entra.given[0]
    [form] = entra.grants
    assert (form["grant_type"], form["scope"]) == ("client_credentials", APPLICATION_SCOPE)
    assert form["client_secret"] == SECRET


def test_an_application_asks_with_an_assertion_of_somebody_else(entra: Entra, file: Path) -> None:
    """As it is in the file."""
    holding(file, workload_assertion())
    assert provider(entra, "assertion", file).fetch().seconds == entra.life
    assert entra.grants[0]["client_assertion"] == file.read_text()


def test_a_person_asks_with_a_refresh_token(entra: Entra, file: Path) -> None:
    """For the mailbox alone; each new refresh token is in the file before anybody goes on."""
    tokens = person(entra, holding(file, REFRESH), f"{PERSON_SCOPE} offline_access")
    assert tokens.fetch().value.reveal() == entra.given[0]
    assert file.read_text().strip() == entra.registration.refresh_tokens[1]
    tokens.fetch()
    assert file.read_text().strip() == entra.registration.refresh_tokens[2]
    assert [form["refresh_token"] for form in entra.grants] == [
        REFRESH,
        entra.registration.refresh_tokens[1],
    ]
    assert set(entra.grants[0]["scope"].split()) == {PERSON_SCOPE, "offline_access", "openid"}
    assert "client_secret" not in entra.grants[0]


def test_nobody_else_is_asked(entra: Entra, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests for a token, after a refusal as well: no region, no discovery of the instance,
    and nothing that msal would have kept."""
    monkeypatch.setenv("MSAL_FORCE_REGION", "westeurope")
    tokens = with_secret(entra, file)
    tokens.fetch()
    entra.registration.secrets = []
    failure(tokens)
    addresses = f"/{TENANT}/v2.0/.well-known/openid-configuration"
    token = f"/{TENANT}/oauth2/v2.0/token"
    assert [asked.path for asked in entra.asked] == [addresses, token] * 2


# -- replaced while the program runs --


@pytest.mark.parametrize("proof", ["client_secret", "certificate", "assertion"])
def test_a_replaced_credential_is_used_at_once(entra: Entra, file: Path, proof: str) -> None:
    """Though the old one was refused a moment ago; and the old one is not shown again."""
    texts = {
        "client_secret": ("wrong", SECRET),
        "certificate": (pair("old").text, pair().text),
        "assertion": (
            workload_assertion(time.time() - 90_000),
            workload_assertion(),
        ),
    }
    old, new = texts[proof]
    keeper = AccessTokens(provider(entra, proof, holding(file, old)), time.monotonic)
    with pytest.raises(AccessError):
        keeper.for_login()
    asked = len(entra.asked)
    with pytest.raises(AccessError):
        keeper.for_login()
    assert len(entra.asked) == asked
    holding(file, new)
    assert keeper.for_login().reveal() == entra.given[0]


def test_a_rotated_certificate_is_used_for_the_next_login(entra: Entra, file: Path) -> None:
    """The old one may be taken off the application as soon as the file is replaced."""
    keeper = AccessTokens(
        provider(entra, "certificate", holding(file, pair().text)), time.monotonic
    )
    keeper.for_login()
    entra.registration.certificates = [pair("renewed").certificate]
    holding(file, pair("renewed").text)
    assert keeper.for_login().reveal() == entra.given[1]


def test_half_a_renewal_is_no_refusal_of_microsofts(entra: Entra, file: Path) -> None:
    """The certificate is new, the key not yet: nothing is sent."""
    mixed = Pair(pair().key, pair("renewed").certificate)
    error = failure(provider(entra, "certificate", holding(file, mixed.text)))
    assert (isinstance(error, ConfigurationError), error.code) == (True, "certificate")
    assert str(error) == (
        "credential: got a key of another certificate, expected the two of one pair"
    )
    assert entra.asked == []


def test_only_rsa_is_taken(entra: Entra, file: Path) -> None:
    """Entra ID takes no signature of an elliptic curve."""
    error = failure(provider(entra, "certificate", holding(file, pair("curve", is_rsa=False).text)))
    assert str(error) == (
        "credential: got a key that is not RSA, expected one: Entra ID takes no other"
    )


# -- refusals --

REFUSED = "got a refusal for application 5c0ffee0-0000-4000-8000-000000000001, expected a token"
APP = f"application {CLIENT_ID}"


@pytest.mark.parametrize(
    ("proof", "number", "error", "code"),
    [
        ("client_secret", 7000215, "invalid_client", "oauth-credential-secret"),
        ("client_secret", 7000222, "invalid_client", "oauth-credential-secret-expired"),
        ("certificate", 700027, "invalid_client", "oauth-credential-certificate"),
        ("certificate", 700024, "invalid_client", "oauth-clock"),
        ("assertion", 700024, "invalid_client", "oauth-credential-assertion-time"),
        ("assertion", 700027, "invalid_client", "oauth-credential-assertion"),
        ("assertion", 70025, "invalid_client", "oauth-credential-federated"),
        ("assertion", 700213, "invalid_client", "oauth-credential-federated"),
        ("client_secret", 700016, "unauthorized_client", "oauth-client-application"),
        ("client_secret", 900382, "invalid_request", "oauth-client-cloud"),
        ("client_secret", 7000112, "unauthorized_client", "oauth-client-disabled"),
        ("client_secret", 7000229, "invalid_client", "oauth-consent-principal"),
        ("client_secret", 65001, "invalid_grant", "oauth-consent-application"),
        ("client_secret", 501051, "invalid_grant", "oauth-consent-assignment"),
        ("client_secret", 1002012, "invalid_scope", "oauth-scope-application"),
        ("client_secret", 500011, "invalid_resource", "oauth-scope-application"),
        ("client_secret", 53003, "access_denied", "oauth-refused-policy"),
        ("client_secret", 1234567, "invalid_client", "oauth-credential"),
        ("client_secret", 1234567, "unauthorized_client", "oauth-client"),
        ("client_secret", 1234567, "invalid_scope", "oauth-scope"),
        ("client_secret", 1234567, "consent_required", "oauth-consent"),
        ("client_secret", 1234567, "invalid_grant", "oauth-refused"),
        ("client_secret", 1234567, "something_new", "oauth-refused"),
    ],
)
def test_each_cause_of_a_refusal_has_its_code(
    entra: Entra, file: Path, proof: str, number: int, error: str, code: str
) -> None:
    """By Microsoft's number; by the error where that is a new one. The number is in the message."""
    texts = {
        "client_secret": SECRET,
        "certificate": pair().text,
        "assertion": workload_assertion(),
    }
    entra.answers_once("POST", refusal(number, error, status=401))
    refused = failure(provider(entra, proof, holding(file, texts[proof])))
    assert (type(refused), refused.code) == (AccessError, code)
    assert str(refused).endswith(f"AADSTS{number})")
    assert "FOREIGN-TEXT" not in shown(refused)


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (7000218, "invalid_client", "oauth-client-public"),
        (700082, "invalid_grant", "oauth-sign-in-unused"),
        (50173, "invalid_grant", "oauth-sign-in-revoked"),
        (70043, "invalid_grant", "oauth-sign-in-frequency"),
        (50076, "interaction_required", "oauth-sign-in-interactive"),
        (50057, "invalid_grant", "oauth-sign-in-account"),
        (70000, "invalid_grant", "oauth-sign-in"),
        (1234567, "invalid_grant", "oauth-sign-in"),
        (1234567, "interaction_required", "oauth-sign-in"),
        (53003, "invalid_grant", "oauth-refused-policy"),
        (53003, "access_denied", "oauth-refused-policy"),
        (65001, "invalid_grant", "oauth-consent-application"),
        (65004, "access_denied", "oauth-sign-in-declined"),
        (1234567, "authorization_declined", "oauth-sign-in-declined"),
        (1234567, "access_denied", "oauth-refused"),
    ],
)
def test_each_cause_to_sign_in_again_has_its_code(
    entra: Entra, file: Path, number: int, error: str, code: str
) -> None:
    """The refresh token stays in its file: an administrator may put right what was wrong."""
    entra.answers_once("POST", refusal(number, error))
    refused = failure(person(entra, holding(file, REFRESH)))
    assert (type(refused), refused.code) == (AccessError, code)
    assert file.read_text() == REFRESH


def test_a_message_says_what_was_got_and_what_is_expected(entra: Entra, file: Path) -> None:
    """And who said so, with Microsoft's number."""
    where = entra.url.removeprefix("https://")
    assert str(failure(provider(entra, "client_secret", holding(file, "wrong")))) == (
        f"{where}: got a wrong client secret for {APP}, expected its value, which is not its ID"
        " (AADSTS7000215)"
    )
    entra.answers_once("POST", Reply(400, {"error": "unheard_of\n", "error_description": "x"}))
    assert str(failure(with_secret(entra, file))) == f"{where}: {REFUSED} (unheard_of)"
    entra.answers_once(
        "POST", Reply(400, {"error": "invalid_grant", "error_description": "AADSTS65001: The user"})
    )
    assert failure(with_secret(entra, file)).code == "oauth-consent-application"


def test_a_tenant_that_is_not_there_is_told(entra: Entra, file: Path) -> None:
    """msal has one exception for it and for being throttled."""
    other = replace(application(entra), tenant="nowhere.example")
    error = failure(
        MicrosoftApplication(other, by("client_secret", holding(file, SECRET)), time.monotonic)
    )
    assert (type(error), error.code) == (AccessError, "oauth-client-tenant")
    assert "nowhere.example" in str(error)


def test_an_application_that_is_not_there_is_told(entra: Entra, file: Path) -> None:
    """By the endpoint of the kit itself."""
    other = replace(application(entra), client_id="5c0ffee0-0000-4000-8000-00000000ffff")
    proof = by("client_secret", holding(file, SECRET))
    error = failure(MicrosoftApplication(other, proof, time.monotonic))
    assert error.code == "oauth-client-application"


def test_a_certificate_that_has_ended_is_told_with_its_date(entra: Entra, file: Path) -> None:
    """Entra ID says only that it does not count."""
    entra.registration.certificates = []
    ended = datetime.now(UTC) - timedelta(days=3)
    error = failure(provider(entra, "certificate", holding(file, pair("ended", -3).text)))
    assert error.code == "oauth-credential-certificate-expired"
    assert f"that ended on {ended:%Y-%m-%d}, expected a new one" in str(error)


def test_a_certificate_that_has_ended_is_shown_all_the_same(entra: Entra, file: Path) -> None:
    """It may be our clock that is ahead: what counts is Entra ID's."""
    entra.registration.certificates = [pair("ended", -3).certificate]
    assert provider(entra, "certificate", holding(file, pair("ended", -3).text)).fetch()


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_a_clock_that_is_wrong_is_told(entra: Entra, file: Path, ahead: float) -> None:
    """Not as a wrong certificate."""
    entra.now = lambda: time.time() + ahead
    error = failure(provider(entra, "certificate", holding(file, pair().text)))
    assert (type(error), error.code) == (AccessError, "oauth-clock")


# -- what is no refusal --

PAGE = b"<html><body>FOREIGN-TEXT: your proxy asks for your name</body></html>"
GOOD: dict[str, object] = {"token_type": "Bearer", "expires_in": 60, "access_token": "x"}
ADDRESSES = {
    "authorization_endpoint": "https://localhost/a",
    "token_endpoint": "http://localhost/t",
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("reply", "code", "pause"),
    [
        (Reply(429, {"error": "x"}, {"Retry-After": "17"}), "oauth-throttled", 17.0),
        (Reply(429, PAGE), "oauth-throttled", None),
        (refusal(90055, "invalid_request"), "oauth-throttled", None),
        (refusal(50196, "invalid_grant"), "oauth-throttled", None),
        (refusal(90033, "temporarily_unavailable"), "oauth-unreachable", None),
        (refusal(90024, "invalid_request"), "oauth-unreachable", None),
        (Reply(503, PAGE, {"Retry-After": "5"}), "oauth-unreachable", 5.0),
        (Reply(500, {"error": "server_error"}), "oauth-unreachable", None),
        (Reply(200, PAGE), "oauth-foreign", None),
        (Reply(403, PAGE), "oauth-foreign", None),
        (Reply(404), "oauth-foreign", None),
        (Reply(302, b"", {"Location": "https://login.example/"}), "oauth-foreign", None),
        (Reply(200, {"hello": "world"}), "oauth-foreign", None),
    ],
)
def test_what_passes_is_no_refusal(
    entra: Entra, file: Path, method: str, reply: Reply, code: str, pause: float | None
) -> None:
    """At the addresses of the tenant and at the token: a pause is kept, and no page is shown."""
    entra.answers_once(method, reply)
    error = failure(with_secret(entra, file))
    assert (type(error), error.code) == (Outage, code)
    assert isinstance(error, Outage)
    assert error.retry_after == pause
    assert "FOREIGN-TEXT" not in shown(error)


@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "access_token": 7},
        {**GOOD, "access_token": "a\x01auth=b"},
        {**GOOD, "token_type": "pop"},
    ],
)
def test_what_cannot_be_sent_on_is_no_token(
    entra: Entra, file: Path, body: dict[str, object]
) -> None:
    """It would end the field of the login that it stands in."""
    entra.answers_once("POST", Reply(200, body))
    assert failure(with_secret(entra, file)).code == "oauth-foreign"


def test_a_token_is_asked_for_over_tls_alone(entra: Entra, file: Path) -> None:
    """Whatever the addresses of the tenant say."""
    entra.answers_once("GET", Reply(200, ADDRESSES))
    error = failure(with_secret(entra, file))
    assert (type(error), error.code) == (Outage, "oauth-foreign")
    assert entra.grants == []


def test_an_endpoint_that_is_away_is_an_outage(entra: Entra, file: Path) -> None:
    """Nobody listens there any more."""
    tokens = with_secret(entra, file)
    entra.__exit__()
    error = failure(tokens)
    assert (type(error), error.code) == (Outage, "oauth-unreachable")


def say_nothing(entra: Entra, method: str, over: Event) -> None:
    """Until `over`, to requests of this method."""

    def instead(asked: Asked) -> Reply | None:
        if asked.method == method:
            over.wait()
        return None

    entra.instead = instead


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_endpoint_that_says_nothing_is_an_outage(
    entra: Entra, file: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """msal by itself would wait for ever."""
    monkeypatch.setattr("token_catcher.oauth.endpoint.READ_TIMEOUT", 0.2)
    over = Event()
    say_nothing(entra, method, over)
    error = failure(with_secret(entra, file))
    over.set()
    assert (type(error), error.code) == (Outage, "oauth-unreachable")


def test_a_certificate_of_somebody_else_is_refused(
    entra: Entra, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent where TLS does not show that it is Microsoft."""
    monkeypatch.delenv("SSL_CERT_FILE")
    error = failure(with_secret(entra, file))
    assert (type(error), error.code) == (AccessError, "oauth-certificate")
    assert entra.asked == []


OTHER = {"aud": "another", "iss": "x", "sub": "s", "exp": 1, "iat": 1, "name": "FOREIGN-TEXT"}


@pytest.mark.parametrize("id_token", [signed(OTHER, rsa_key()), "no-token"])
def test_what_the_library_makes_of_a_token_does_not_matter(
    entra: Entra, file: Path, id_token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of an ID token it makes an exception, or a warning with all that is in it."""
    entra.more = {"id_token": id_token}
    with caplog.at_level(logging.DEBUG):
        assert person(entra, holding(file, REFRESH)).fetch().value.reveal() == entra.given[0]
    assert [record for record in caplog.records if record.name.startswith("msal")] == []
    assert file.read_text().strip() == entra.registration.refresh_tokens[1]


# -- the library --


def test_without_the_extra_it_is_told_what_to_install(
    entra: Entra, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a token is needed, and not before."""
    monkeypatch.setitem(sys.modules, "msal", None)
    error = failure(with_secret(entra, file))
    assert (type(error), error.code) == (AccessError, "oauth-extra")
    assert str(error) == (
        "got no msal, which provider microsoft needs,"
        " expected `pip install '.[microsoft]'` from the checkout, or `pipx install --force"
        " '.[microsoft]'`"
    )
    assert hangs_alone(error)


def test_a_library_that_has_changed_is_told(
    entra: Entra, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the kind of its exception and the place, and nothing that it says."""
    library = ModuleType("msal")
    library.__dict__["__version__"] = "9.0"
    monkeypatch.setitem(sys.modules, "msal", library)
    error = failure(with_secret(entra, file))
    assert (type(error), error.code) == (AccessError, "oauth-extra")
    assert "msal 9.0 cannot ask for a token (AttributeError at microsoft.py:" in str(error)


# -- secrets --


def outcome(entra: Entra, proof: str, file: Path) -> tuple[str, bool]:
    """All that can be seen of a token, or of why there is none; whether nothing hangs on that."""
    tokens: MicrosoftApplication | MicrosoftPerson = person(entra, file)
    if proof != "refresh_token":
        tokens = provider(entra, proof, file)
    try:
        return repr(tokens.fetch()) + repr(tokens), True
    except TokenCatcherError as error:
        return shown(error) + repr(tokens), hangs_alone(error)


@pytest.mark.parametrize("proof", ["client_secret", "certificate", "assertion", "refresh_token"])
@pytest.mark.parametrize(
    "reply",
    [
        None,
        refusal(7000215, "invalid_client"),
        Reply(200, PAGE),
        Reply(500, PAGE),
        Reply(429, {}),
    ],
    ids=["good", "refused", "page", "broken", "throttled"],
)
def test_nothing_that_is_shown_is_told(
    entra: Entra,
    file: Path,
    proof: str,
    reply: Reply | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No secret, key, assertion or token in a log at debug level, in output, or in an exception."""
    texts = {
        "client_secret": SECRET,
        "certificate": pair().text,
        "assertion": workload_assertion(),
        "refresh_token": REFRESH,
    }
    holding(file, texts[proof])
    if reply is not None:
        entra.answers_once("POST", reply)
    with caplog.at_level(logging.DEBUG):
        told, alone = outcome(entra, proof, file)
    told += caplog.text + "".join(capfd.readouterr())
    [form] = entra.grants
    secrets = [texts[proof], *entra.given, *entra.registration.refresh_tokens]
    secrets += [form.get("client_assertion", SECRET), pair().key.splitlines()[1]]
    assert [secret for secret in secrets if secret in told] == []
    assert alone
