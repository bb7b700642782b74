"""The door to the mailbox over imapclient: `session` reads mail, `folders` finds the spam folder, `idle` waits for news."""

from token_catcher.imap.session import Account, ImapMailbox, tls_context

__all__ = ["Account", "ImapMailbox", "tls_context"]
