"""What goes wrong with a mail server, in our words: foreign exceptions in, ours out.

imaplib's exceptions hold what the server said, which may be a line of somebody's mail, so their
text goes no further than here. After any of them the session is of no further use; the caller
opens another one.
"""

from __future__ import annotations

import re
import socket
from imaplib import IMAP4
from typing import Final

from imapclient.exceptions import LoginError

from token_catcher.errors import (
    AccessError,
    Outage,
    SessionEnded,
    TokenCatcherError,
    TransientError,
)
from token_catcher.imap.reader import TooMuch
from token_catcher.imap.texts import Refusal, backoff_in, ends_session, refusal_in
from token_catcher.tls import tls_failure

FOREIGN: Final = (
    OSError,
    IMAP4.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
    MemoryError,
)
"""What imapclient, imaplib, ssl and socket raise, and their parsers over an odd answer.

To be caught around a call of the library alone: most of these would also be a bug of ours."""

LOST: Final = frozenset({"imap-connect", "imap-connection"})
"""The codes of a connection that is gone."""
TOKEN_REFUSED: Final = "imap-token"  # noqa: S105 - the name of a trouble
"""The code of an access token that the server does not take, and the beginning of others."""
_REFUSED_LOGIN: Final = {
    "AUTHENTICATE": Refusal("the server refuses the access token", TOKEN_REFUSED),
    "EXTERNAL": Refusal("the login by client certificate was refused", "imap-external"),
}
"""By command, what is told of a login that is refused without further words."""
_PASSWORD_REFUSED: Final = Refusal("the login was refused", "imap-login")
_NOT_NOW: Final = re.compile(
    r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|OVERQUOTA|THROTTLED)\]|too many", re.IGNORECASE
)
"""RFC 5530, and what Gmail and Dovecot say about the number of connections."""
_NO_LOGIN_NOW: Final = re.compile(
    r"simultaneous|too many|maximum number|bandwidth|exceeded|rate limit|throttl"
    r"|temporar|frequen|try again|later|busy|unavailable",
    re.IGNORECASE,
)
"""Words of a login that is refused with the right password: Gmail, Mailo, QQ, Yahoo and others."""
_NEVER: Final = re.compile(
    r"\[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED)\]", re.IGNORECASE
)
"""RFC 5530: refused for good, whatever else is said."""
_ASKED_PAUSE: Final = re.compile(r"\b(?:in|after|for) (\d{1,4}) (second|minute)", re.IGNORECASE)
_LONG_TROUBLE: Final = re.compile(r"OVERQUOTA|THROTTL|bandwidth|frequen|rate limit", re.IGNORECASE)
LONG_PAUSE: Final = 300.0
"""Seconds before the next login where the server counts logins or bytes and names no pause."""


def translated(
    error: BaseException, where: str, command: str, folder: str | None = None
) -> TokenCatcherError:
    """Ours for a foreign one that `command` has met. `folder`: what a NO speaks of."""
    if isinstance(error, OSError):
        return _of_network(error, where, command)
    if isinstance(error, IMAP4.error):
        return _of_server(error, where, command, folder)
    if isinstance(error, TooMuch):
        return TransientError(
            f"{where}: the answer to {command} is larger than any that was asked for ({error})",
            code="imap-protocol",
        )
    return malformed(where, command, type(error).__name__)


def malformed(where: str, command: str, what: str) -> TransientError:
    """The server's answer to `command` is not what the protocol says. `what`: the part of it."""
    return TransientError(
        f"{where}: an answer to {command} of no known form ({what})", code="imap-protocol"
    )


def refuses(error: IMAP4.error) -> bool:
    """Whether the server only says NO or BAD to what was asked.

    Another question may do then, on the same connection."""
    return is_answered(error) and not _not_now(error)


def is_answered(error: IMAP4.error) -> bool:
    """Whether the server has answered NO or BAD, for whatever reason, and can be asked on."""
    if isinstance(error, IMAP4.abort):
        return False
    text = str(error)
    if ends_session(text) or refusal_in(text) is not None:
        return False  # what is asked next would be answered in the same way
    return not _out_of_step(error)


def session_ended(where: str) -> SessionEnded:
    """The server ends the session, and takes the next one at once."""
    return SessionEnded(f"{where}: the session ran out", code="imap-session-ended")


def _not_now(error: IMAP4.error) -> bool:
    return backoff_in(str(error)) is not None or bool(_NOT_NOW.search(str(error)))


def _passes(error: LoginError) -> bool:
    """Whether the login may be taken later, with the same password."""
    text = str(error)
    if _NEVER.search(text):
        return False
    return bool(_NOT_NOW.search(text) or _NO_LOGIN_NOW.search(text))


def _of_login(error: LoginError, where: str, command: str) -> TokenCatcherError:
    """A login was refused: for a while, or for good."""
    if _passes(error):
        return _no_login_now(error, where)
    refusal = refusal_in(str(error)) or _REFUSED_LOGIN.get(command, _PASSWORD_REFUSED)
    return _refused(refusal, where)


def _refused(refusal: Refusal, where: str) -> AccessError:
    return AccessError(f"{where}: {refusal.text}", code=refusal.code)


def _no_login_now(error: LoginError, where: str) -> Outage:
    """With the pause that the server asks for; a long one where it counts what we do."""
    text = str(error)
    seconds = None
    if _LONG_TROUBLE.search(text):
        seconds = LONG_PAUSE
    asked = _ASKED_PAUSE.search(text)
    if asked is not None:
        seconds = float(asked[1])
        if asked[2].lower() == "minute":
            seconds *= 60
    return Outage(
        f"{where}: the server takes no login now", code="imap-unavailable", retry_after=seconds
    )


def _out_of_step(error: IMAP4.error) -> bool:
    """imaplib has left the rest of a very long line unread."""
    return "got more than" in str(error)


def _lost(error: IMAP4.error) -> bool:
    """Whether the connection is gone. imapclient raises LoginError for that as well."""
    if isinstance(error, LoginError):
        return isinstance(error.__context__, IMAP4.abort)
    return isinstance(error, IMAP4.abort)


def _of_network(error: OSError, where: str, command: str) -> TokenCatcherError:
    """The server is not reached, or not trusted."""
    failure = tls_failure(error)
    if failure is not None and failure.lasting:
        return AccessError(f"{where}: {failure.text}", code=f"imap-{failure.code}")
    if failure is not None:
        return Outage(f"{where}: during {command}: {failure.text}", code=f"imap-{failure.code}")
    if isinstance(error, TimeoutError) and command == "connect":
        # Port 993 without TLS from the first byte on: the server waits for ours, and we for its.
        return Outage(f"{where}: no greeting in time", code="imap-silent")
    if isinstance(error, TimeoutError):
        return Outage(f"{where}: no answer to {command} in time", code="imap-connection")
    if isinstance(error, socket.gaierror):
        return Outage(f"{where}: the host name is not known", code="imap-connect")
    kind = type(error).__name__
    return Outage(f"{where}: not reached during {command} ({kind})", code="imap-connect")


def _of_server(
    error: IMAP4.error, where: str, command: str, folder: str | None
) -> TokenCatcherError:
    """The server is there and says NO or BAD, or was there."""
    text = str(error)
    # Microsoft 365 says so to a LOGIN as well, and that is no refused password.
    seconds = backoff_in(text)
    if seconds is not None:
        return TransientError(f"{where}: throttled", code="imap-throttled", retry_after=seconds)
    if _lost(error) or _out_of_step(error):
        return _of_end(text, where, command)
    if isinstance(error, LoginError):
        return _of_login(error, where, command)
    return _of_refusal(error, where, command, folder)


def _of_end(text: str, where: str, command: str) -> Outage:
    """The connection is gone, with a BYE or without."""
    if ends_session(text):
        return session_ended(where)
    return Outage(f"{where}: the connection was lost during {command}", code="imap-connection")


def _of_refusal(
    error: IMAP4.error, where: str, command: str, folder: str | None
) -> TokenCatcherError:
    """NO or BAD to a command."""
    if ends_session(str(error)):
        return session_ended(where)
    if command == "connect" or _not_now(error):
        return Outage(f"{where}: {command} is not possible now", code="imap-unavailable")
    refusal = refusal_in(str(error))
    if refusal is not None:
        return _refused(refusal, where)
    if folder is not None:
        return AccessError(f"{where}: folder {folder!a} cannot be opened", code="imap-folder")
    return TransientError(f"{where}: {command} was refused", code="imap-protocol")
