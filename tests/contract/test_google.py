"""Access tokens of Google's, from an endpoint that checks what it is shown as Google does."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.kit.google import (
    ADMIN_SCOPE,
    AUDIENCE,
    CLIENT,
    CLIENT_SECRET,
    FEDERATED_TOKEN,
    MAIL_SCOPE,
    PAGE,
    REFRESH_TOKEN,
    ROBOT,
    ROBOT_ID,
    USER,
    WORKLOAD_TOKEN,
    Google,
    key_file,
    new_key,
    refused,
    reply,
    workload_file,
)
from token_catcher.errors import (
    AccessError,
    ConfigurationError,
    Outage,
    TokenCatcherError,
)
from token_catcher.model import Secret
from token_catcher.oauth import (
    AccessTokens,
    BoundedSession,
    GoogleImpersonation,
    GoogleServiceAccount,
    GoogleSignedIn,
)
from token_catcher.oauth.refresh import RefreshTokenFile

VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
CONSOLE = "Admin console > Security > Access and data control > API controls"
CANARIES = ("canary", "PRIVATE KEY")
LOG = structlog.get_logger()


@dataclass
class World:
    """Google, and what a mailbox shows it."""

    google: Google
    home: Path

    def put(self, name: str, text: str) -> Path:
        """A file, replaced if it was there."""
        path = self.home / name
        path.write_text(text)
        return path

    def put_key(self, name: str = "first", **changes: object) -> None:
        """A key of the service account, which Google knows unless the key is a stranger's."""
        self.put("key.json", key_file(new_key(name), **changes))

    def by_key(self, scope: str = ADMIN_SCOPE, username: str = USER) -> GoogleServiceAccount:
        """By the key that is in its file."""
        return GoogleServiceAccount(
            key=lambda: Secret((self.home / "key.json").read_text()),
            username=username,
            scope=scope,
            session=session(),
        )

    def without_key(self, **environ: str) -> GoogleImpersonation:
        """By impersonation."""
        return GoogleImpersonation(
            account=ROBOT, username=USER, scope=ADMIN_SCOPE, environ=environ, session=session()
        )

    def by_workload(self, **changes: object) -> GoogleImpersonation:
        """By impersonation, as a workload that a file describes."""
        text = workload_file(self.home / "workload-token", **changes)
        return self.without_key(**{VARIABLE: str(self.put("workload.json", text))})

    def signed_in(
        self, client_id: str = CLIENT, scope: str = MAIL_SCOPE, secret: str = CLIENT_SECRET
    ) -> GoogleSignedIn:
        """By the refresh token that is in its file."""
        path = self.home / "refresh-token"
        file = RefreshTokenFile(
            path,
            lambda: Secret(path.read_text().strip()),
            LOG,
            monotonic=time.monotonic,
            sleep=time.sleep,
        )
        return GoogleSignedIn(
            client_id=client_id,
            client_secret=lambda: Secret(secret),
            refresh_token=file,
            username=USER,
            scope=scope,
            session=session(),
        )


def session() -> BoundedSession:
    """As the program makes it."""
    return BoundedSession(time.monotonic)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A working set-up of each kind."""
    with Google(keys=[new_key("first").public_key()]) as google:
        for name, value in google.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        # google-auth reads it when it is imported.
        monkeypatch.setattr(
            "google.auth.compute_engine._metadata._GCE_METADATA_HOST", f"127.0.0.1:{google.port}"
        )
        world = World(google, tmp_path)
        world.put_key()
        world.put("workload-token", WORKLOAD_TOKEN)
        world.put("refresh-token", REFRESH_TOKEN)
        yield world


def refusal(provider: Any) -> TokenCatcherError:
    """Why there is no token; nothing that was shown or answered stands in it."""
    with pytest.raises(TokenCatcherError) as caught:
        provider.fetch()
    told = "".join(traceback.format_exception(caught.value))
    shown = [told, repr(caught.value.__context__), repr(caught.value.__cause__)]
    for text in shown:
        assert not any(canary in text for canary in CANARIES), text
    # The library's frames hold keys and assertions: they are let go with the traceback.
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert not any("/google/" in frame.f_code.co_filename for frame in frames)
    return caught.value


def told(provider: Any) -> tuple[type[TokenCatcherError], str, str]:
    """Kind, code and text of a refusal."""
    error = refusal(provider)
    return type(error), error.code, str(error)


def test_a_service_account_gets_a_token_for_the_user_of_the_mailbox(world: World) -> None:
    """One request: an assertion for this user and exactly this scope, signed by the key."""
    token = world.by_key().fetch()
    assert token.value.reveal() == world.google.tokens[0]
    assert token.seconds == 3599
    assert [(asked.host, asked.path) for asked in world.google.asked] == [
        ("oauth2.googleapis.com", "/token")
    ]


def test_a_key_may_name_an_endpoint_on_this_machine(world: World) -> None:
    """An emulator's: what is sent there does not leave the machine."""
    world.put_key(token_uri=f"http://127.0.0.1:{world.google.port}/token")
    assert world.by_key().fetch().value.reveal() == world.google.tokens[0]


def test_a_machine_of_googles_needs_no_key(world: World) -> None:
    """Its metadata server says who it is, and IAM signs for the service account."""
    token = world.without_key().fetch()
    assert token.value.reveal() == world.google.tokens[0]
    assert token.seconds == 3599
    assert [asked.path.partition("?")[0] for asked in world.google.asked] == [
        "/computeMetadata/v1/instance/service-accounts/default/",
        "/computeMetadata/v1/instance/service-accounts/default/token",
        f"/v1/projects/-/serviceAccounts/{ROBOT}:signJwt",
        "/token",
    ]


@pytest.mark.parametrize("host", ["metadata.google.internal", "169.254.169.254"])
def test_no_proxy_is_asked_who_this_machine_is(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have a metadata server of its own, or read along."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    settings = session().merge_environment_settings(f"http://{host}/x", {}, None, None, None)
    assert settings["proxies"] == {}
    elsewhere = session().merge_environment_settings("http://x.example/", {}, None, None, None)
    assert elsewhere["proxies"] == {"http": "http://proxy.example:3128"}


def test_a_workload_elsewhere_needs_no_key(world: World) -> None:
    """Its own token is exchanged (STS), read anew each time from where the file says."""
    provider = world.by_workload()
    assert provider.fetch().value.reveal() == world.google.tokens[0]
    world.put("workload-token", "eyJ.canary-the-next-hour.sig")
    world.google.workload_token = "eyJ.canary-the-next-hour.sig"
    assert provider.fetch().value.reveal() == world.google.tokens[1]
    assert [asked.host for asked in world.google.asked[:3]] == [
        "sts.googleapis.com",
        "iamcredentials.googleapis.com",
        "oauth2.googleapis.com",
    ]


def test_a_workloads_next_token_is_no_other_credential(world: World) -> None:
    """It comes every hour, and would cost a token each time; another file is another one."""
    provider = world.by_workload()
    before = provider.credential()
    world.put("workload-token", "another")
    assert provider.credential() == before
    world.by_workload(audience="another")
    assert provider.credential() != before


def test_a_workload_on_aws_needs_no_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AWS signs for it is exchanged."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "canary")
    provider = world.by_workload(
        subject_token_type="urn:ietf:params:aws:token-type:aws4_request",
        credential_source={
            "environment_id": "aws1",
            "regional_cred_verification_url": (
                "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
            ),
        },
    )
    world.google.instead.append(reply(200, {"access_token": FEDERATED_TOKEN, "expires_in": 3600}))
    assert provider.fetch().value.reveal() == world.google.tokens[0]
    assert "GetCallerIdentity" in world.google.asked[0].form["subject_token"]


def test_a_machine_shows_nothing_that_could_be_replaced(world: World) -> None:
    """Whatever it is asked for comes from elsewhere."""
    assert world.without_key().credential() == Secret("")


@pytest.mark.parametrize("name", ["client-secret", "refresh-token"])
def test_both_secrets_of_a_sign_in_are_its_credential(world: World, name: str) -> None:
    """So that the one or the other is tried at once when it was replaced."""
    before = world.signed_in().credential()
    secret = CLIENT_SECRET
    if name == "client-secret":
        secret = "another"
    else:
        world.put(name, "another")
    assert world.signed_in(secret=secret).credential() != before


def test_a_person_who_signed_in_gets_a_token(world: World) -> None:
    """For the scope that was agreed to."""
    token = world.signed_in().fetch()
    assert token.value.reveal() == world.google.tokens[0]
    assert token.seconds == 3599


def test_a_new_refresh_token_is_kept(world: World) -> None:
    """Google gives none with a renewal; where it does all the same, the file has it."""
    body = {"access_token": "ya29.x", "expires_in": 10, "refresh_token": "1//another"}
    world.google.instead.append(reply(200, body))
    world.signed_in().fetch()
    assert (world.home / "refresh-token").read_text() == "1//another\n"


def test_a_person_needs_no_library(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh token is one form."""
    monkeypatch.setitem(sys.modules, "google.auth", None)
    assert world.signed_in().fetch().value.reveal() == world.google.tokens[0]


@pytest.mark.parametrize("way", ["by_key", "without_key"])
def test_without_the_library_it_is_said_what_to_install(
    world: World, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is asked."""
    monkeypatch.setitem(sys.modules, "google.auth", None)
    provider = getattr(world, way)()
    assert told(provider) == (
        ConfigurationError,
        "oauth-extra",
        "provider google: got no library google-auth, expected"
        " `pip install '.[google]'` from the checkout, or `pipx install --force '.[google]'`",
    )
    assert world.google.asked == []


def test_a_rotated_key_is_used_at_once(world: World) -> None:
    """Also within the pause after a refusal, and without a restart."""
    tokens = AccessTokens(world.by_key(), time.monotonic)
    world.google.keys = [new_key("second").public_key()]
    with pytest.raises(AccessError):
        tokens.for_login()
    with pytest.raises(AccessError):
        tokens.for_login()
    assert len(world.google.asked) == 1
    world.put_key("second")
    assert tokens.for_login().reveal() == world.google.tokens[0]


def test_a_token_serves_until_ten_minutes_before_its_end(world: World) -> None:
    """Then the next login asks for another one; the clock of the day does not matter."""
    clock = [0.0]
    tokens = AccessTokens(world.by_key(), lambda: clock[0])
    first = tokens.for_login()
    clock[0] = 3599 - 600
    assert tokens.for_login() == first
    clock[0] += 1
    assert tokens.for_login() != first
    assert len(world.google.asked) == 2


def delegation_missing(scope: str) -> str:
    """What is said where the Admin console does not have this client with this scope."""
    return (
        f"Google gives {ROBOT} no token for {USER}: domain-wide delegation is not granted,"
        f" expected the client ID {ROBOT_ID} with exactly the scope {scope} under {CONSOLE} >"
        " Domain-wide delegation (a new entry may take a day)"
    )


def test_delegation_that_is_missing_is_told_with_client_id_and_scope(world: World) -> None:
    """So that both can be pasted into the console."""
    world.google.delegated = set()
    assert told(world.by_key()) == (
        AccessError,
        "oauth-consent-delegation",
        delegation_missing(ADMIN_SCOPE),
    )


def test_delegation_of_another_scope_is_not_enough(world: World) -> None:
    """It is exactly this scope that must be granted."""
    expected = (AccessError, "oauth-consent-delegation", delegation_missing(MAIL_SCOPE))
    assert told(world.by_key(scope=MAIL_SCOPE)) == expected


def test_delegation_without_a_key_is_told_with_where_its_client_id_is(world: World) -> None:
    """Nobody says it to us: the console shows it as the Unique ID."""
    world.google.delegated = set()
    expected = delegation_missing(ADMIN_SCOPE).replace(ROBOT_ID, f"(the Unique ID of {ROBOT})")
    assert told(world.without_key()) == (AccessError, "oauth-consent-delegation", expected)


def test_a_scope_that_is_none_is_told(world: World) -> None:
    """With those that open a mailbox."""
    assert told(world.by_key(scope="https://mail.google.com")) == (
        AccessError,
        "oauth-scope-google",
        "Google knows no such scope: got https://mail.google.com, expected"
        " https://www.googleapis.com/auth/gmail.imap_admin or https://mail.google.com/",
    )


def test_a_user_that_is_not_there_is_told(world: World) -> None:
    """A group or an alias is no user."""
    assert told(world.by_key(username="group@example.com")) == (
        AccessError,
        "oauth-user",
        "Google Workspace has no user group@example.com: got a group, an alias or another domain's"
        " address, or a suspended user, expected the primary address of an active user",
    )


def test_a_key_that_was_deleted_is_told(world: World) -> None:
    """As of another key than Google knows."""
    world.google.keys = []
    assert told(world.by_key()) == (
        AccessError,
        "oauth-credential-key",
        f"Google does not take the signature of {ROBOT}: the key was deleted, disabled or has"
        f" expired, expected one that IAM & Admin > Service accounts > {ROBOT} > Keys lists as"
        " active",
    )


def test_a_service_account_that_was_deleted_is_told(world: World) -> None:
    """Or disabled: Google says the same of both."""
    world.google.enabled = False
    assert told(world.by_key()) == (
        AccessError,
        "oauth-client-service-account",
        f"Google knows no service account {ROBOT}: it was deleted or disabled, expected it enabled"
        " under IAM & Admin > Service accounts",
    )


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0], ids=["behind", "ahead"])
def test_a_clock_that_is_wrong_is_told(world: World, ahead: float) -> None:
    """Ours, seen from Google."""
    world.google.now = lambda: time.time() - ahead
    assert told(world.by_key()) == (
        AccessError,
        "oauth-clock",
        "Google finds the time of the signed request wrong, expected the clock of this machine to"
        " be right within minutes",
    )


def test_a_dead_refresh_token_is_told(world: World) -> None:
    """With the causes that Google does not tell apart."""
    world.google.refresh_token = "1//another"
    assert told(world.signed_in()) == (
        AccessError,
        "oauth-sign-in",
        f"the refresh token of {USER} is dead: revoked, six months unused, ended by a new password,"
        " or 7 days old while the app is External and in Testing; sign in again, expected an app"
        " that is Internal or In production",
    )


def test_a_session_that_the_organisation_ended_is_told(world: World) -> None:
    """It would end again after the same time."""
    world.google.instead.append(
        refused(400, "invalid_grant", "reauth related error", error_subtype="invalid_rapt")
    )
    assert told(world.signed_in()) == (
        AccessError,
        "oauth-sign-in-session",
        f"the organisation's session length has ended the sign-in of {USER}: sign in again,"
        " expected an app that is exempt under Admin console > Security > Google Cloud session"
        " control",
    )


def test_a_client_secret_that_is_wrong_is_told(world: World) -> None:
    """It is not the client that is unknown."""
    assert told(world.signed_in(secret="GOCSPX-canary-old")) == (
        AccessError,
        "oauth-credential-client-secret",
        f"Google does not take the client secret, expected the one of the client {CLIENT} under"
        " Google Auth Platform > Clients",
    )


def test_a_client_that_is_unknown_is_told(world: World) -> None:
    """By its id."""
    assert told(world.signed_in(client_id="gone.apps.googleusercontent.com")) == (
        AccessError,
        "oauth-client-google",
        "Google has no OAuth client gone.apps.googleusercontent.com any more, expected the"
        " client_id of one under Google Auth Platform > Clients",
    )


def test_a_scope_that_nobody_agreed_to_is_told(world: World) -> None:
    """The sign-in was for another one."""
    assert told(world.signed_in(scope=ADMIN_SCOPE)) == (
        AccessError,
        "oauth-sign-in-scope",
        f"{USER} did not grant the scope {ADMIN_SCOPE}: sign in again with it, expected `scope` as"
        " it was asked for then",
    )


SIGN_IN_REFUSALS = {
    "deleted_client": ("oauth-client-google", "Google has no OAuth client"),
    "disabled_client": ("oauth-client-google", "Google has no OAuth client"),
    "unauthorized_client": (
        "oauth-client-google",
        "the refresh token was given to another client than",
    ),
    "admin_policy_enforced": (
        "oauth-consent-app",
        "the administrator's app access control refuses",
    ),
    "access_denied": ("oauth-consent-app", "the administrator's app access control refuses"),
    "org_internal": (
        "oauth-consent-app",
        f"the client {CLIENT} is for people of its own organisation",
    ),
    "new_error": (
        "oauth-refused",
        f"Google refuses the client {CLIENT} a token for {USER}: got new_error, expected",
    ),
}


@pytest.mark.parametrize("error", SIGN_IN_REFUSALS)
def test_each_refusal_of_a_sign_in_has_its_message(world: World, error: str) -> None:
    """Errors of RFC 6749 and of Google's own."""
    code, text = SIGN_IN_REFUSALS[error]
    world.google.instead.append(refused(400, error, "Unauthorized"))
    kind, told_code, told_text = told(world.signed_in())
    assert (kind, told_code) == (AccessError, code)
    assert told_text.startswith(text)


DELEGATION_REFUSALS = {
    "access_denied": ("oauth-consent-delegation", f"Google gives {ROBOT} no token for {USER}"),
    "admin_policy_enforced": (
        "oauth-consent-app",
        "the administrator's app access control refuses",
    ),
    "invalid_client": ("oauth-client-google", f"Google has no OAuth client {ROBOT_ID}"),
    "invalid_grant": (
        "oauth-refused",
        f"Google refuses {ROBOT} a token for {USER}: got invalid_grant, expected one with the scope"
        f" {ADMIN_SCOPE}",
    ),
}


@pytest.mark.parametrize("error", DELEGATION_REFUSALS)
def test_each_refusal_of_a_service_account_has_its_message(world: World, error: str) -> None:
    """Also one whose words nobody knows."""
    code, text = DELEGATION_REFUSALS[error]
    world.google.instead.append(refused(400, error, "Some new words"))
    kind, told_code, told_text = told(world.by_key())
    assert (kind, told_code) == (AccessError, code)
    assert told_text.startswith(text)


def test_the_role_for_impersonation_is_told(world: World) -> None:
    """By name, and on which account."""
    world.google.may_sign = False
    assert told(world.without_key()) == (
        AccessError,
        "oauth-impersonation",
        f"IAM lets us not act as {ROBOT}, expected roles/iam.serviceAccountTokenCreator on it for"
        " the identity that this program runs as (another role is not enough)",
    )


def test_the_api_for_impersonation_is_told(world: World) -> None:
    """With the command that enables it."""
    world.google.iam_enabled = False
    assert told(world.without_key()) == (
        AccessError,
        "oauth-api",
        "the IAM Service Account Credentials API is not enabled in the project of who asks,"
        " expected `gcloud services enable iamcredentials.googleapis.com` there",
    )


def test_a_machine_whose_access_scopes_are_narrow_is_told(world: World) -> None:
    """The role alone does not help."""
    world.google.machine_scopes = ("https://www.googleapis.com/auth/devstorage.read_only",)
    assert told(world.without_key()) == (
        AccessError,
        "oauth-scope-machine",
        "the access scopes of this machine leave IAM out, expected cloud-platform under Compute"
        " Engine > VM instances > Edit > Cloud API access scopes",
    )


def test_a_service_account_that_iam_does_not_know_is_told(world: World) -> None:
    """By its address."""
    world.google.enabled = False
    assert told(world.without_key()) == (
        AccessError,
        "oauth-client-service-account",
        f"Google knows no service account {ROBOT}, expected the address of one that exists and is"
        " enabled",
    )


def test_another_refusal_of_iam_is_told(world: World) -> None:
    """A machine's token that IAM does not take."""
    machine = {"access_token": "ya29.canary-other", "expires_in": 3000}
    world.google.instead += [reply(200, {"email": "vm@p"}), reply(200, machine)]
    assert told(world.without_key()) == (
        AccessError,
        "oauth-refused",
        f"IAM refuses to act as {ROBOT} (status 401), expected it to sign for that service account",
    )


def test_a_machine_without_a_service_account_is_told(world: World) -> None:
    """One must be attached to it."""
    world.google.machine_scopes = ()
    assert told(world.without_key()) == (
        AccessError,
        "oauth-source",
        "this machine has no service account, expected one attached to it, or the file of a"
        " workload identity in GOOGLE_APPLICATION_CREDENTIALS",
    )


def test_a_machine_that_gets_no_token_is_told(world: World) -> None:
    """A pod of GKE whose account is not bound, say."""
    world.google.instead += [reply(200, {"email": "vm@p"}), (403, {}, b"ya29.canary-text")]
    assert told(world.without_key()) == (
        AccessError,
        "oauth-impersonation",
        "the metadata server refuses this machine a token (HTTP 403), expected a service account"
        " that this workload may use (GKE: roles/iam.workloadIdentityUser)",
    )


def test_a_machine_that_is_not_googles_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may pass all the same: the metadata server of a pod starts after it."""
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", "127.0.0.1:1")
    assert told(world.without_key()) == (
        Outage,
        "oauth-source",
        "no metadata server says who this machine is, and GOOGLE_APPLICATION_CREDENTIALS is not"
        " set, expected a machine of Google Cloud, or the file of a workload identity",
    )


def test_a_source_that_gives_nothing_is_told(world: World) -> None:
    """Another cloud's metadata server, or a helper on this machine."""
    source = {"url": f"http://127.0.0.1:{world.google.port}/nothing"}
    assert told(world.by_workload(credential_source=source)) == (
        AccessError,
        "oauth-source",
        f"the source of this workload's own token 127.0.0.1:{world.google.port} gives none (status"
        " 404), expected what credential_source names in the file of"
        " GOOGLE_APPLICATION_CREDENTIALS to give one",
    )


def test_a_source_on_this_machine_is_asked(world: World) -> None:
    """What it says is the workload's own token, whatever its form."""
    source = {"url": f"http://127.0.0.1:{world.google.port}/helper"}
    world.google.instead.append((200, {"Content-Type": "text/plain"}, WORKLOAD_TOKEN.encode()))
    provider = world.by_workload(credential_source=source)
    assert provider.fetch().value.reveal() == world.google.tokens[0]


def test_a_workload_provider_that_is_not_there_is_told(world: World) -> None:
    """The audience names it."""
    assert told(world.by_workload(audience="//iam.googleapis.com/other")) == (
        AccessError,
        "oauth-source",
        "Google has no such workload identity provider: it is unknown, deleted or disabled,"
        " expected the `audience` of one in the file of GOOGLE_APPLICATION_CREDENTIALS",
    )


def test_a_workloads_token_that_is_refused_is_told(world: World) -> None:
    """By the provider's settings."""
    world.put("workload-token", "eyJ.canary-stale.sig")
    assert told(world.by_workload()) == (
        AccessError,
        "oauth-credential-workload",
        "the workload identity provider does not take this workload's own token: it has expired, or"
        " its issuer, audience or attributes do not fit, expected one that the provider's settings"
        " allow",
    )


def test_another_refusal_of_sts_is_told(world: World) -> None:
    """With its code."""
    world.google.instead.append(refused(400, "invalid_request", "canary"))
    assert told(world.by_workload()) == (
        AccessError,
        "oauth-refused",
        "Google's STS refuses this workload's own token (invalid_request)",
    )


def test_a_workloads_token_that_is_not_there_is_told(world: World) -> None:
    """The file names where it is."""
    provider = world.by_workload()
    (world.home / "workload-token").unlink()
    assert told(provider) == (
        ConfigurationError,
        "oauth-source",
        "GOOGLE_APPLICATION_CREDENTIALS: got a credential_source that gives no token, expected the"
        " file that it names to be there, readable, and to hold this workload's own token",
    )


def test_a_file_that_the_library_does_not_take_is_told(world: World) -> None:
    """Before anything is asked."""
    source = {"file": "/run/canary", "format": {"type": "yaml"}}
    assert told(world.by_workload(credential_source=source)) == (
        ConfigurationError,
        "oauth-source",
        "GOOGLE_APPLICATION_CREDENTIALS: got a file of which Google's library can make nothing,"
        " expected one as `gcloud iam workload-identity-pools create-cred-config` writes it",
    )
    assert world.google.asked == []


def test_an_intermediate_account_wants_another_role(world: World) -> None:
    """Where the file of the workload names a service account of its own."""
    url = (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        "middle@project.iam.gserviceaccount.com:generateAccessToken"
    )
    provider = world.by_workload(service_account_impersonation_url=url)
    world.google.instead += [
        reply(200, {"access_token": "ya29.canary", "expires_in": 3600}),
        reply(403, {"error": {"code": 403, "details": ["odd", {"reason": 7}]}}),
        reply(200, {"access_token": "ya29.canary", "expires_in": 3600}),
        reply(403, {"error": {"code": 403, "details": "odd"}}),
    ]
    for _ in range(2):  # whatever else IAM says
        assert told(provider) == (
            AccessError,
            "oauth-impersonation",
            "IAM lets us not act as middle@project.iam.gserviceaccount.com, expected"
            " roles/iam.workloadIdentityUser on it for the identity that this program runs as"
            " (another role is not enough)",
        )


PASSING = {
    "throttled": (reply(429, {}, **{"Retry-After": "120"}), "oauth-throttled", 120.0),
    "down": (reply(503, {}, **{"Retry-After": "30"}), "oauth-unreachable", 30.0),
    "broken": ((500, {}, PAGE), "oauth-unreachable", None),
    "failing inside": (refused(400, "internal_failure", ""), "oauth-unreachable", None),
    "over a rate": (refused(403, "rate_limit_exceeded", ""), "oauth-unreachable", None),
    "a proxy's page": ((403, {"Content-Type": "text/html"}, PAGE), "oauth-foreign", None),
    "a portal's page": ((200, {"Content-Type": "text/html"}, PAGE), "oauth-foreign", None),
    "a redirect": ((302, {"Location": "https://portal.example/"}, b""), "oauth-foreign", None),
    "JSON of somebody's": (reply(200, {"ok": True}), "oauth-foreign", None),
    "JSON that is no object": (reply(200, ["canary"]), "oauth-foreign", None),
    "a token that is none": (reply(200, {"access_token": 7}), "oauth-foreign", None),
}


@pytest.mark.parametrize("what", PASSING)
@pytest.mark.parametrize("way", ["by_key", "signed_in"])
def test_what_passes_is_no_refusal(world: World, way: str, what: str) -> None:
    """Asked once, and with the pause that was asked for; the library tries nothing again."""
    answer, code, pause = PASSING[what]
    world.google.instead.append(answer)
    error = refusal(getattr(world, way)())
    assert isinstance(error, Outage)
    assert (error.code, error.retry_after) == (code, pause)
    assert len(world.google.asked) == 1


def test_an_answer_that_the_library_cannot_read_is_somebody_elses(world: World) -> None:
    """Whatever the library raises of it stays within."""
    world.google.life = "soon"
    assert told(world.by_key()) == (
        Outage,
        "oauth-foreign",
        "Google's token endpoint oauth2.googleapis.com: got an answer without what was asked for,"
        " expected Google's answer: somebody else spoke in its place",
    )


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_each_of_those_who_speak_may_be_down(world: World, before: int) -> None:
    """The metadata server twice, IAM, the token endpoint: asked once each."""
    world.without_key().fetch()
    world.google.asked.clear()
    real = world.google.answer

    def answer(asked: Any) -> Any:
        if len(world.google.asked) == before:
            world.google.instead.append((503, {"Retry-After": "9"}, PAGE))
        return real(asked)

    world.google.answer = answer  # type: ignore[method-assign]
    error = refusal(world.without_key())
    assert isinstance(error, Outage)
    assert (error.code, error.retry_after) == ("oauth-unreachable", 9.0)
    assert len(world.google.asked) == before + 1


@pytest.mark.parametrize("before", [0, 1, 2])
def test_each_of_those_who_speak_may_be_somebody_else(world: World, before: int) -> None:
    """A page in place of an answer, with a status that is no refusal of theirs."""
    real = world.google.answer

    def answer(asked: Any) -> Any:
        if len(world.google.asked) == before:
            world.google.instead.append((407, {"Content-Type": "text/html"}, PAGE))
        return real(asked)

    world.google.answer = answer  # type: ignore[method-assign]
    error = refusal(world.without_key())
    assert isinstance(error, Outage)
    assert error.code == "oauth-foreign"


@pytest.mark.parametrize("before", [1, 2])
def test_each_of_those_who_speak_may_say_something_else(world: World, before: int) -> None:
    """JSON of somebody's with status 200: who gave it is told."""
    real = world.google.answer

    def answer(asked: Any) -> Any:
        if len(world.google.asked) == before:
            world.google.instead.append(reply(200, {"canary": True}))
        return real(asked)

    world.google.answer = answer  # type: ignore[method-assign]
    speaker = {
        1: f"metadata server 127.0.0.1:{world.google.port}",
        2: "IAM iamcredentials.googleapis.com",
    }
    assert told(world.without_key()) == (
        Outage,
        "oauth-foreign",
        f"Google's {speaker[before]}: got an answer without what was asked for, expected Google's"
        " answer: somebody else spoke in its place",
    )


def test_an_endpoint_that_is_slow_is_no_refusal(world: World) -> None:
    """An answer as a whole has its time, which is over by this clock before it has come."""
    provider = replace(world.by_key(), session=BoundedSession(partial(next, count(step=31.0))))
    assert told(provider) == (
        Outage,
        "oauth-unreachable",
        "token endpoint oauth2.googleapis.com was not reached (no end of its answer in time)",
    )


def test_an_endpoint_that_is_away_is_no_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a proxy that nobody listens at."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    error = refusal(world.by_key())
    assert isinstance(error, Outage)
    assert error.code == "oauth-unreachable"
    told = "token endpoint oauth2.googleapis.com was not reached through the proxy '127.0.0.1:1' of"
    assert str(error).startswith(f"{told} HTTPS_PROXY (")


def test_a_certificate_that_nobody_vouches_for_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that breaks TLS open, whose authority is not installed."""
    monkeypatch.delenv("SSL_CERT_FILE")
    error = refusal(world.by_key())
    assert isinstance(error, AccessError)
    assert error.code == "oauth-certificate"
    assert world.google.asked == []


def test_nothing_is_told_of_secrets_at_debug(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither by us nor by the libraries, of success or of refusals."""
    with caplog.at_level(logging.DEBUG):
        for provider in (world.by_key(), world.without_key(), world.by_workload()):
            provider.fetch()
        world.signed_in().fetch()
        world.google.delegated = set()
        world.google.refresh_token = ""
        world.google.instead.append((503, {}, PAGE))
        for provider in (world.by_key(), world.without_key(), world.by_workload()):
            refusal(provider)
        refusal(world.signed_in())
    key = json.loads((world.home / "key.json").read_text())["private_key"].splitlines()[1]
    written = capfd.readouterr()
    for text in (caplog.text, written.out, written.err):
        assert not any(secret in text for secret in (*CANARIES, key, "eyJ")), text


def test_the_audience_is_googles_whatever_a_key_says(world: World) -> None:
    """The endpoint checks it."""
    world.put_key(token_uri="https://accounts.google.com/token")
    assert world.by_key().fetch().value.reveal() == world.google.tokens[0]
    assert world.google.asked[0].host == "accounts.google.com"
    assert AUDIENCE == "https://oauth2.googleapis.com/token"
