"""Access tokens for IMAP (OAuth 2): one provider a mailbox.

`access` decides when a token is asked for, `endpoint` speaks HTTP within bounds, `answers` reads
what comes back, `refresh` keeps a refresh token in its file; each provider is one module.
"""

from token_catcher.oauth.access import AccessToken, AccessTokens, Provider, TokenHealth
from token_catcher.oauth.custom import CustomProvider
from token_catcher.oauth.endpoint import BoundedSession
from token_catcher.oauth.external import CommandProvider, ExternalProvider
from token_catcher.oauth.refresh import RefreshTokenFile

__all__ = [
    "AccessToken",
    "AccessTokens",
    "BoundedSession",
    "CommandProvider",
    "CustomProvider",
    "ExternalProvider",
    "Provider",
    "RefreshTokenFile",
    "TokenHealth",
]
