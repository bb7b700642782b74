"""What Microsoft's refusals mean: one message a cause. Pure.

Entra ID says why by a number, `AADSTS7000215`, in `error_codes` and in the text. Microsoft warns
that numbers change as they get finer; so an unknown one is told by the error of RFC 6749, with the
number for whoever looks it up (https://login.microsoftonline.com/error). Of the text nothing else
goes further: it quotes what was shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.oauth.answers import error_in
from token_catcher.oauth.endpoint import EndpointAnswer

ProofKind = Literal["certificate", "assertion", "client_secret", "refresh_token"]


@dataclass(frozen=True, slots=True)
class Application:
    """For whom a token is asked for, and where. Nothing here is a secret: it stands in messages."""

    tenant: str
    client_id: str
    authority: str
    """Without the tenant: https://login.microsoftonline.com."""
    scope: str
    """Words with blanks between them."""


@dataclass(frozen=True, slots=True)
class MicrosoftApplicant:
    """An application, and what it proves itself by this time."""

    application: Application
    shows: ProofKind
    ended: datetime | None = None
    """When the certificate that it shows came to its end, where it did."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why there is no token."""

    code: str
    """Ours."""
    text: str
    """What was got and what is expected; the fields of an application are put in."""
    numbers: tuple[int, ...]
    """AADSTS…"""


_OUTAGES: Final = (
    _Cause("oauth-throttled", "throttles us", (50196, 90055)),
    _Cause("oauth-unreachable", "cannot answer now", (90006, 90012, 90024, 90033)),
)
"""What passes by itself, though it comes as a refusal."""

_OF_ANY: Final = (
    _Cause(
        "oauth-client-application",
        "got an application {client_id} that tenant {tenant} does not know, expected the"
        " application (client) ID of an app registered there",
        (700016,),
    ),
    _Cause(
        "oauth-client-tenant",
        "got a tenant {tenant} that does not exist in this cloud, expected the directory's ID or"
        " one of its domains",
        (90002, 900021, 900023),
    ),
    _Cause(
        "oauth-client-cloud",
        "got a tenant {tenant} of another cloud, expected it in the one that is asked",
        (90038, 900382, 900432, 900439),
    ),
    _Cause(
        "oauth-client-disabled",
        "got an application {client_id} that is disabled, expected an enabled one",
        (7000112,),
    ),
    _Cause(
        "oauth-consent-principal",
        "got an application {client_id} without a service principal in tenant {tenant}, expected"
        " the consent of an administrator, which makes one",
        (7000229,),
    ),
    _Cause(
        "oauth-consent-application",
        "got an application {client_id} without consent, expected an administrator's for its"
        " permission to read mailboxes over IMAP",
        (65001, 65005, 90093, 90094, 90095),
    ),
    _Cause(
        "oauth-consent-assignment",
        "got an application {client_id} that nobody is assigned to, expected the assignment that"
        " it requires",
        (50105, 501051),
    ),
    _Cause(
        "oauth-scope-application",
        "got the scope {scope}, expected one of Exchange Online that the application may have",
        (28002, 28003, 50001, 70011, 500011, 650052, 650053, 650057, 1002012),
    ),
    _Cause(
        "oauth-refused-policy",
        "got a refusal by a policy (Conditional Access), expected one that lets this sign-in in",
        (53000, 53001, 53003, 53004, 53009, 53011, 530004, 530031, 530032, 530034, 530035),
    ),
)
"""Whoever asks."""

_OF_A_SECRET: Final = (
    _Cause(
        "oauth-credential-secret",
        "got a wrong client secret for application {client_id}, expected its value, which is not"
        " its ID",
        (7000215,),
    ),
    _Cause(
        "oauth-credential-secret-expired",
        "got a client secret of application {client_id} that has expired, expected a new one",
        (7000222,),
    ),
)
_OF_A_CERTIFICATE: Final = (
    _Cause(
        "oauth-credential-certificate",
        "got a certificate that is not registered for application {client_id}, expected the one"
        " that was uploaded there",
        (50012, 700027, 700030, 7000222),
    ),
    _Cause(
        "oauth-clock",
        "got an assertion of ours outside of its time, expected this machine's clock to be right",
        (700024,),
    ),
)
_OF_AN_ASSERTION: Final = (
    _Cause(
        "oauth-credential-federated",
        "got an assertion for which application {client_id} has no federated credential, expected"
        " one with exactly its issuer, subject and audience",
        (70021, 70025, 700021, 700023, 700211, 700212, 700213),
    ),
    _Cause(
        "oauth-credential-assertion-time",
        "got an assertion that has expired, or is not valid yet, expected whoever writes the file"
        " to renew it, and clocks that agree",
        (700024,),
    ),
    _Cause(
        "oauth-credential-assertion",
        "got an assertion whose signature does not fit, expected one that its issuer signed",
        (50012, 700027),
    ),
)
_DECLINED: Final = _Cause(
    "oauth-sign-in-declined", "got a no from the person, expected a yes", (65004,)
)
"""The person's own no, on the page."""
_OF_A_PERSON: Final = (
    _Cause(
        "oauth-client-public",
        "got an application {client_id} that is not for public clients, expected one that allows"
        " them",
        (7000218,),
    ),
    _Cause(
        "oauth-sign-in-unused",
        "got a refresh token that has ended, since it was not used for 90 days, expected a new"
        " sign-in",
        (70008, 700082),
    ),
    _Cause(
        "oauth-sign-in-revoked",
        "got a refresh token that was revoked, by a new password or an administrator, expected a"
        " new sign-in",
        (50133, 50173),
    ),
    _Cause(
        "oauth-sign-in-frequency",
        "got a refresh token that a policy (sign-in frequency) has ended, expected a new sign-in",
        (70043, 700081, 700084),
    ),
    _Cause(
        "oauth-sign-in-interactive",
        "got a demand for the person (multi-factor authentication, terms of use), expected a new"
        " sign-in",
        (50072, 50074, 50076, 50078, 50079, 50158),
    ),
    _Cause(
        "oauth-sign-in-account",
        "got the refresh token of an account that is disabled or gone, or whose password has"
        " expired, expected one that may sign in",
        (50020, 50034, 50055, 50057),
    ),
    _DECLINED,
    _Cause(
        "oauth-sign-in",
        "got a refresh token that Entra ID does not know, or of another application than"
        " {client_id}, expected a new sign-in",
        (70000, 9002313),
    ),
)
_BY_KIND: Final[dict[ProofKind, tuple[_Cause, ...]]] = {
    "certificate": _OF_A_CERTIFICATE,
    "assertion": _OF_AN_ASSERTION,
    "client_secret": _OF_A_SECRET,
    "refresh_token": _OF_A_PERSON,
}
"""By what is shown: one number means several things."""

_BY_ERROR: Final = {
    "invalid_client": "oauth-credential",
    "unauthorized_client": "oauth-client",
    "invalid_tenant": "oauth-client",
    "consent_required": "oauth-consent",
    "invalid_scope": "oauth-scope",
    "invalid_resource": "oauth-scope",
}
"""Of a number that is not known."""
_MEANS_SIGN_IN: Final = ("invalid_grant", "interaction_required", "login_required")


def microsoft_refusal(
    answer: EndpointAnswer, where: str, applicant: MicrosoftApplicant
) -> TokenCatcherError:
    """What an answer with an `error` means. `where`: who answered.

    AccessError, or an Outage where it passes by itself."""
    number = _number(answer)
    for cause in _OUTAGES:
        if number in cause.numbers:
            text = f"{where} {cause.text} (AADSTS{number})"
            return Outage(text, code=cause.code, retry_after=answer.retry_after)
    for cause in (*_BY_KIND[applicant.shows], *_OF_ANY):
        if number in cause.numbers:
            cause = _with_end(cause, applicant.ended)
            return _refused(where, cause, applicant.application, f"AADSTS{number}")
    error = error_in(answer)
    name = error
    if number is not None:
        name = f"{name}, AADSTS{number}"
    cause = _unknown(error, applicant.shows)
    # `access_denied` with a number of its own is somebody's no, and nobody knows whose.
    if error == "authorization_declined" or (error == "access_denied" and number is None):
        cause = _DECLINED
    return _refused(where, cause, applicant.application, name)


def _with_end(cause: _Cause, ended: datetime | None) -> _Cause:
    """A certificate that is over is no longer among those that count, and that is why."""
    if ended is None or cause.code != "oauth-credential-certificate":
        return cause
    return _Cause(
        "oauth-credential-certificate-expired",
        f"got a certificate of application {{client_id}} that ended on {ended:%Y-%m-%d}, expected"
        " a new one",
        cause.numbers,
    )


def _unknown(error: str, shows: ProofKind) -> _Cause:
    """Of a number that is not known: what RFC 6749 makes of the error."""
    code = _BY_ERROR.get(error, "oauth-refused")
    if shows == "refresh_token" and error in _MEANS_SIGN_IN:
        code = "oauth-sign-in"
    return _Cause(code, "got a refusal for application {client_id}, expected a token", ())


def _refused(where: str, cause: _Cause, application: Application, name: str) -> AccessError:
    text = cause.text.format(
        client_id=application.client_id, tenant=application.tenant, scope=application.scope
    )
    return AccessError(f"{where}: {text} ({name})", code=cause.code)


def _number(answer: EndpointAnswer) -> int | None:
    """Of the error: the first of `error_codes`, else the one that the text begins with."""
    numbers = answer.body.get("error_codes")
    if isinstance(numbers, list) and numbers and isinstance(numbers[0], int):
        return numbers[0]
    match = re.match(r"AADSTS([0-9]{4,9})\b", answer.text("error_description"))
    if match is None:
        return None
    return int(match[1])
