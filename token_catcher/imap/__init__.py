"""The adapter of the mailbox over imapclient.

`login` opens a connection, `logins` proves who we are, `session` reads mail, `folders` finds the
spam folder, `idle` waits for news, `questions` asks ahead of a look at it, `probe` looks at a
server without logging in; `connection` is where the library is called, `trouble` what its
exceptions become, `texts` what servers say in words alone.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.imap.ahead import Pipelining
    from token_catcher.imap.login import Account, tls_context
    from token_catcher.imap.logins import ExternalLogin, Login, OAuthLogin, PasswordLogin
    from token_catcher.imap.probe import Security, reach, security
    from token_catcher.imap.session import ImapMailbox

__all__ = [
    "Account",
    "ExternalLogin",
    "ImapMailbox",
    "Login",
    "OAuthLogin",
    "PasswordLogin",
    "Pipelining",
    "Security",
    "reach",
    "security",
    "tls_context",
]

__getattr__ = face(
    __name__,
    {
        "ahead": ("Pipelining",),
        "login": ("Account", "tls_context"),
        "logins": ("ExternalLogin", "Login", "OAuthLogin", "PasswordLogin"),
        "probe": ("Security", "reach", "security"),
        "session": ("ImapMailbox",),
    },
)
