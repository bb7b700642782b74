"""Access tokens for IMAP (OAuth 2): one provider a mailbox.

`access` decides when a token is asked for, `endpoint` speaks HTTP within bounds, `answers` reads
what comes back, `refresh` keeps a refresh token in its file; each provider is one module.
"""

from token_catcher.oauth.access import AccessToken, AccessTokens, Provider, TokenHealth
from token_catcher.oauth.custom import CustomProvider
from token_catcher.oauth.endpoint import BoundedSession
from token_catcher.oauth.external import CommandProvider, ExternalProvider
from token_catcher.oauth.google import (
    DELEGATED_SCOPE,
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
from token_catcher.oauth.microsoft_refusals import Application
from token_catcher.oauth.refresh import RefreshTokenFile

__all__ = [
    "APPLICATION_SCOPES",
    "AUTHORITIES",
    "DELEGATED_SCOPE",
    "PERSON_SCOPES",
    "SIGNED_IN_SCOPE",
    "AccessToken",
    "AccessTokens",
    "Application",
    "AssertionProof",
    "BoundedSession",
    "CertificateProof",
    "CommandProvider",
    "CustomProvider",
    "ExternalProvider",
    "GoogleImpersonation",
    "GoogleServiceAccount",
    "GoogleSignedIn",
    "MicrosoftApplication",
    "MicrosoftPerson",
    "Proof",
    "Provider",
    "RefreshTokenFile",
    "SecretProof",
    "TokenHealth",
]
