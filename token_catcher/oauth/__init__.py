"""Access tokens for IMAP (OAuth 2): one provider a mailbox.

`access` decides when a token is asked for, `endpoint` speaks HTTP within bounds; each provider is
one module.
"""

from token_catcher.oauth.access import AccessToken, AccessTokens, Provider

__all__ = ["AccessToken", "AccessTokens", "Provider"]
