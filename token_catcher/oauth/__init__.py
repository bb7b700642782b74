"""Access tokens for IMAP (OAuth 2): one provider a mailbox.

`access` decides when a token is asked for, `endpoint` speaks HTTP within bounds, `answers` reads
what comes back, `refresh` keeps a refresh token in its file (`origin`: whose sign-in it is;
`renewals`: what those of one process share), `signin` gets the first one; each provider is one
module.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.oauth.access import AccessToken, AccessTokens, Provider, TokenHealth
    from token_catcher.oauth.answers import Granted
    from token_catcher.oauth.custom import CustomProvider
    from token_catcher.oauth.endpoint import (
        BoundedSession,
        EndpointAnswer,
        OtherSide,
        TooLarge,
        answer_of,
        send,
    )
    from token_catcher.oauth.external import CommandProvider, ExternalProvider
    from token_catcher.oauth.google import (
        DELEGATED_SCOPE,
        GOOGLE_TOKEN_URL,
        SIGNED_IN_SCOPE,
        GoogleImpersonation,
        GoogleServiceAccount,
        GoogleSignedIn,
    )
    from token_catcher.oauth.microsoft import (
        APPLICATION_SCOPES,
        AUTHORITIES,
        PERSON_SCOPES,
        AssertionProof,
        CertificateProof,
        MicrosoftApplication,
        MicrosoftPerson,
        Proof,
        SecretProof,
    )
    from token_catcher.oauth.microsoft_refusals import (
        Application,
        MicrosoftApplicant,
        microsoft_refusal,
    )
    from token_catcher.oauth.refresh import RefreshTokenFile
    from token_catcher.oauth.renewals import Renewals
    from token_catcher.oauth.signin import (
        SIGN_IN_PARAMETERS,
        Client,
        DeviceCode,
        Redirect,
        begin_with_code,
        wait_for_person,
    )

__all__ = [
    "APPLICATION_SCOPES",
    "AUTHORITIES",
    "DELEGATED_SCOPE",
    "GOOGLE_TOKEN_URL",
    "PERSON_SCOPES",
    "SIGNED_IN_SCOPE",
    "SIGN_IN_PARAMETERS",
    "AccessToken",
    "AccessTokens",
    "Application",
    "AssertionProof",
    "BoundedSession",
    "CertificateProof",
    "Client",
    "CommandProvider",
    "CustomProvider",
    "DeviceCode",
    "EndpointAnswer",
    "ExternalProvider",
    "GoogleImpersonation",
    "GoogleServiceAccount",
    "GoogleSignedIn",
    "Granted",
    "MicrosoftApplicant",
    "MicrosoftApplication",
    "MicrosoftPerson",
    "OtherSide",
    "Proof",
    "Provider",
    "Redirect",
    "RefreshTokenFile",
    "Renewals",
    "SecretProof",
    "TokenHealth",
    "TooLarge",
    "answer_of",
    "begin_with_code",
    "microsoft_refusal",
    "send",
    "wait_for_person",
]

__getattr__ = face(
    __name__,
    {
        "access": ("AccessToken", "AccessTokens", "Provider", "TokenHealth"),
        "answers": ("Granted",),
        "custom": ("CustomProvider",),
        "endpoint": (
            "BoundedSession",
            "EndpointAnswer",
            "OtherSide",
            "TooLarge",
            "answer_of",
            "send",
        ),
        "external": ("CommandProvider", "ExternalProvider"),
        "google": (
            "DELEGATED_SCOPE",
            "GOOGLE_TOKEN_URL",
            "GoogleImpersonation",
            "GoogleServiceAccount",
            "GoogleSignedIn",
            "SIGNED_IN_SCOPE",
        ),
        "microsoft": (
            "APPLICATION_SCOPES",
            "AUTHORITIES",
            "AssertionProof",
            "CertificateProof",
            "MicrosoftApplication",
            "MicrosoftPerson",
            "PERSON_SCOPES",
            "Proof",
            "SecretProof",
        ),
        "microsoft_refusals": ("Application", "MicrosoftApplicant", "microsoft_refusal"),
        "refresh": ("RefreshTokenFile",),
        "renewals": ("Renewals",),
        "signin": (
            "Client",
            "DeviceCode",
            "Redirect",
            "SIGN_IN_PARAMETERS",
            "begin_with_code",
            "wait_for_person",
        ),
    },
)
