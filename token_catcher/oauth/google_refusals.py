"""What Google's refusals mean: one message a cause, with the console's exact step.

An answer is told apart by its codes and by a few words of Google's; of its text nothing goes
further, since it may quote what was shown. Four speak: the token endpoint, IAM (signs for a service
account without a key), STS (takes a workload's own token), and the metadata server of a machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import printable
from token_catcher.oauth.answers import error_in, passing_fault
from token_catcher.oauth.endpoint import EndpointAnswer

ADMIN_CONSOLE: Final = "Admin console > Security > Access and data control > API controls"
TOKEN_ENDPOINT: Final = "Google's token endpoint"  # noqa: S105 - who speaks
IAM: Final = "Google's IAM"
STS: Final = "Google's STS"
METADATA_SERVER: Final = "Google's metadata server"
SOURCE: Final = "the source of this workload's own token"
_PASSING: Final = ("internal_failure", "rate_limit_exceeded")
"""Errors of Google's own that are none of ours."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who asks for a token. Nothing here is a secret: these stand in messages."""

    kind: Literal["delegation", "sign-in"]
    """A service account that acts for the mailbox's user, or an OAuth client that a person signed
    in to."""
    name: str
    """The service account's address, or the client's id."""
    client_id: str
    """What a console knows it by."""
    username: str
    """The mailbox."""
    scope: str
    token_url: str
    """Where the tokens for the mailbox come from."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why the token endpoint refuses."""

    error: str
    """The code of RFC 6749, section 5.2, or of Google's own."""
    words: str
    """In lower case, of the description or the subtype; empty: whatever stands there."""
    code: str
    """Ours."""
    text: str
    """What was got, and what is expected; the fields of an applicant are put in."""


_UNKNOWN_CLIENT: Final = (
    "Google has no OAuth client {client_id} any more, expected the client_id of one under Google"
    " Auth Platform > Clients"
)
_BLOCKED: Final = (
    "the administrator's app access control refuses the client {client_id} the scope {scope},"
    f" expected it as trusted under {ADMIN_CONSOLE} > Manage app access"
)
_DELEGATION: Final = (
    "Google gives {name} no token for {username}: domain-wide delegation is not granted, expected"
    f" the client ID {{client_id}} with exactly the scope {{scope}} under {ADMIN_CONSOLE} >"
    " Domain-wide delegation (a new entry may take a day)"
)
DELEGATION: Final[tuple[_Cause, ...]] = (
    _Cause("unauthorized_client", "", "oauth-consent-delegation", _DELEGATION),
    _Cause("access_denied", "", "oauth-consent-delegation", _DELEGATION),
    _Cause("admin_policy_enforced", "", "oauth-consent-app", _BLOCKED),
    _Cause(
        "invalid_scope",
        "",
        "oauth-scope-google",
        "Google knows no such scope: got {scope}, expected"
        " https://www.googleapis.com/auth/gmail.imap_admin or https://mail.google.com/",
    ),
    _Cause(
        "invalid_grant",
        "short-lived token",
        "oauth-clock",
        "Google finds the time of the signed request wrong, expected the clock of this machine to"
        " be right within minutes",
    ),
    _Cause(
        "invalid_grant",
        "signature",
        "oauth-credential-key",
        "Google does not take the signature of {name}: the key was deleted, disabled or has"
        " expired, expected one that IAM & Admin > Service accounts > {name} > Keys lists as"
        " active",
    ),
    _Cause(
        "invalid_grant",
        "account not found",
        "oauth-client-service-account",
        "Google knows no service account {name}: it was deleted or disabled, expected it enabled"
        " under IAM & Admin > Service accounts",
    ),
    _Cause(
        "invalid_grant",
        "user id",
        "oauth-user",
        "Google Workspace has no user {username}: got a group, an alias or another domain's"
        " address, or a suspended user, expected the primary address of an active user",
    ),
    _Cause("invalid_client", "", "oauth-client-google", _UNKNOWN_CLIENT),
)
"""The causes of a service account, in the order in which they are looked for."""

SIGN_IN: Final[tuple[_Cause, ...]] = (
    _Cause(
        "invalid_grant",
        "rapt",
        "oauth-sign-in-session",
        "the organisation's session length has ended the sign-in of {username}: sign in again,"
        " expected an app that is exempt under Admin console > Security > Google Cloud session"
        " control",
    ),
    _Cause(
        "invalid_grant",
        "",
        "oauth-sign-in",
        "the refresh token of {username} is dead: revoked, six months unused, ended by a new"
        " password, or 7 days old while the app is External and in Testing; sign in again, expected"
        " an app that is Internal or In production",
    ),
    _Cause("invalid_client", "not found", "oauth-client-google", _UNKNOWN_CLIENT),
    _Cause("deleted_client", "", "oauth-client-google", _UNKNOWN_CLIENT),
    _Cause("disabled_client", "", "oauth-client-google", _UNKNOWN_CLIENT),
    _Cause(
        "invalid_client",
        "",
        "oauth-credential-client-secret",
        "Google does not take the client secret, expected the one of the client {client_id} under"
        " Google Auth Platform > Clients",
    ),
    _Cause(
        "unauthorized_client",
        "",
        "oauth-client-google",
        "the refresh token was given to another client than {client_id}, expected client_id and"
        " client_secret of the one that {username} signed in to",
    ),
    _Cause(
        "invalid_scope",
        "",
        "oauth-sign-in-scope",
        "{username} did not grant the scope {scope}: sign in again with it, expected `scope` as it"
        " was asked for then",
    ),
    _Cause("admin_policy_enforced", "", "oauth-consent-app", _BLOCKED),
    _Cause("access_denied", "", "oauth-consent-app", _BLOCKED),
    _Cause(
        "org_internal",
        "",
        "oauth-consent-app",
        "the client {client_id} is for people of its own organisation alone, expected {username} to"
        " be one",
    ),
)
"""The causes of a refresh token, in the order in which they are looked for."""


@dataclass(frozen=True, slots=True)
class _IamCause:
    """Why IAM refuses."""

    status: int
    reason: str
    """As in Google's form of errors (AIP-193); empty: whatever stands there."""
    code: str
    text: str


ROLES: Final = {
    "signJwt": "roles/iam.serviceAccountTokenCreator",
    "generateAccessToken": "roles/iam.workloadIdentityUser",
}
"""What each method of IAM's wants, on the service account that it is asked about."""
IAM_CAUSES: Final = (
    _IamCause(
        403,
        "SERVICE_DISABLED",
        "oauth-api",
        "the IAM Service Account Credentials API is not enabled in the project of who asks,"
        " expected `gcloud services enable iamcredentials.googleapis.com` there",
    ),
    _IamCause(
        403,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "oauth-scope-machine",
        "the access scopes of this machine leave IAM out, expected cloud-platform under Compute"
        " Engine > VM instances > Edit > Cloud API access scopes",
    ),
    _IamCause(
        403,
        "",
        "oauth-impersonation",
        "IAM lets us not act as {account}, expected {role} on it for the identity that this program"
        " runs as (another role is not enough)",
    ),
    _IamCause(
        404,
        "",
        "oauth-client-service-account",
        "Google knows no service account {account}, expected the address of one that exists and is"
        " enabled",
    ),
)
"""The causes of IAM, in the order in which they are looked for."""


def fault_of(answer: EndpointAnswer, url: str, applicant: Applicant) -> TokenCatcherError | None:
    """What an answer says in place of what was asked for; None: it is no refusal.

    AccessError: only a person can help. Outage: it may pass."""
    speaker = _speaker(url, applicant)
    place = where(url, applicant)
    if answer.status in (408, 429) or answer.status >= 500:
        return passing_fault(answer, place)
    if answer.status == 200 and speaker not in (TOKEN_ENDPOINT, STS):
        return None
    if speaker == METADATA_SERVER:
        return _of_the_machine(answer, place)
    if speaker == IAM:
        return _of_iam(answer, url, place)
    if speaker == SOURCE:
        return _of_the_source(answer, place)
    return _of_oauth(answer, url, applicant)


def where(url: str, applicant: Applicant) -> str:
    """Who answers there, for messages."""
    return f"{_speaker(url, applicant)} {urlsplit(url).netloc}"


def _speaker(url: str, applicant: Applicant) -> str:
    """Who answers there, by what each is asked for."""
    address = urlsplit(url)
    if url == applicant.token_url:
        return TOKEN_ENDPOINT
    if address.path.startswith("/computeMetadata/"):
        return METADATA_SERVER
    if address.path.endswith((":signJwt", ":generateAccessToken")):
        return IAM
    if address.path == "/v1/token":
        return STS
    return SOURCE


def not_google(speaker: str, what: str) -> Outage:
    """Somebody answered in Google's place. `what` came."""
    return Outage(
        f"{speaker}: got {what}, expected Google's answer: somebody else spoke in its place",
        code="oauth-foreign",
    )


def unreached(outage: Outage, url: str, applicant: Applicant) -> Outage:
    """The same, said better where it is the metadata server that is not there."""
    if _speaker(url, applicant) != METADATA_SERVER:
        return outage
    return Outage(
        "no metadata server says who this machine is, and GOOGLE_APPLICATION_CREDENTIALS is not"
        " set, expected a machine of Google Cloud, or the file of a workload identity",
        code="oauth-source",
    )


def _of_oauth(answer: EndpointAnswer, url: str, applicant: Applicant) -> TokenCatcherError | None:
    """Those that speak as RFC 6749 has it: the token endpoint, STS."""
    place = where(url, applicant)
    if error_in(answer) in _PASSING:
        return Outage(f"{place} cannot answer now", code="oauth-unreachable")
    passing = passing_fault(answer, place)
    if passing is not None or answer.status == 200:
        return passing
    if _speaker(url, applicant) == STS:
        return _of_sts(answer)
    return _of_the_token_endpoint(answer, applicant)


def _of_the_token_endpoint(answer: EndpointAnswer, applicant: Applicant) -> AccessError:
    causes = SIGN_IN
    if applicant.kind == "delegation":
        causes = DELEGATION
    words = f"{answer.text('error_description')} {answer.text('error_subtype')}".lower()
    for cause in causes:
        if cause.error == error_in(answer) and cause.words in words:
            return AccessError(_filled(cause.text, applicant), code=cause.code)
    return AccessError(
        f"Google refuses {applicant.name} a token for {applicant.username}: got"
        f" {error_in(answer)}, expected one with the scope {applicant.scope}",
        code="oauth-refused",
    )


def _of_iam(answer: EndpointAnswer, url: str, place: str) -> TokenCatcherError:
    """IAM: it is asked to sign for a service account, or for a token of one."""
    error = answer.body.get("error")
    if not isinstance(error, dict):
        return not_google(place, f"no error in IAM's form (status {answer.status})")
    account, method = _asked_of_iam(url)
    reasons = set(_reasons(error))
    for cause in IAM_CAUSES:
        if cause.status == answer.status and (not cause.reason or cause.reason in reasons):
            text = cause.text.format(account=account, role=ROLES.get(method, ""))
            return AccessError(text, code=cause.code)
    return AccessError(
        f"IAM refuses to act as {account} (status {answer.status}), expected it to sign for that"
        " service account",
        code="oauth-refused",
    )


def _asked_of_iam(url: str) -> tuple[str, str]:
    """The service account, and the method: `…/serviceAccounts/ACCOUNT:METHOD`."""
    account, _, method = urlsplit(url).path.rpartition("/")[2].rpartition(":")
    return printable(unquote(account)), method


def _of_sts(answer: EndpointAnswer) -> AccessError:
    error = error_in(answer)
    if error == "invalid_target":
        return AccessError(
            "Google has no such workload identity provider: it is unknown, deleted or disabled,"
            " expected the `audience` of one in the file of GOOGLE_APPLICATION_CREDENTIALS",
            code="oauth-source",
        )
    if error == "invalid_grant":
        return AccessError(
            "the workload identity provider does not take this workload's own token: it has"
            " expired, or its issuer, audience or attributes do not fit, expected one that the"
            " provider's settings allow",
            code="oauth-credential-workload",
        )
    return AccessError(
        f"Google's STS refuses this workload's own token ({error})", code="oauth-refused"
    )


def _of_the_source(answer: EndpointAnswer, place: str) -> AccessError:
    """What a workload's file names, on this machine: it says so in words of its own."""
    return AccessError(
        f"{place} gives none (status {answer.status}), expected what credential_source names in the"
        " file of GOOGLE_APPLICATION_CREDENTIALS to give one",
        code="oauth-source",
    )


def _of_the_machine(answer: EndpointAnswer, place: str) -> TokenCatcherError:
    if answer.status not in (400, 401, 403, 404):
        return not_google(place, f"status {answer.status}")
    if answer.status == 404:
        return AccessError(
            "this machine has no service account, expected one attached to it, or the file of a"
            " workload identity in GOOGLE_APPLICATION_CREDENTIALS",
            code="oauth-source",
        )
    return AccessError(
        f"the metadata server refuses this machine a token (HTTP {answer.status}), expected a"
        " service account that this workload may use (GKE: roles/iam.workloadIdentityUser)",
        code="oauth-impersonation",
    )


def _reasons(error: Mapping[str, Any]) -> Iterator[str]:
    """Those in Google's form of an error (AIP-193): `details[].reason`."""
    details = error.get("details")
    if not isinstance(details, list):
        return
    for detail in details:
        if isinstance(detail, dict) and isinstance(detail.get("reason"), str):
            yield detail["reason"]


def _filled(text: str, applicant: Applicant) -> str:
    return text.format(
        name=applicant.name,
        client_id=applicant.client_id,
        username=applicant.username,
        scope=applicant.scope,
    )
