"""The adapter of the mailbox over imapclient.

`login` opens a connection, `session` reads mail, `folders` finds the spam folder, `idle` waits for
news; `connection` is where the library is called, `trouble` what its exceptions become.
"""

from token_catcher.imap.login import Account, Login, PasswordLogin, tls_context
from token_catcher.imap.session import ImapMailbox

__all__ = ["Account", "ImapMailbox", "Login", "PasswordLogin", "tls_context"]
