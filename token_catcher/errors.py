"""The exceptions, split by what the caller does next.

    TokenCatcherError
    ├── ConfigurationError   fix the configuration, then start again
    │   └── AccessError      the other side refuses us: a password, a policy, a missing folder
    ├── TransientError       try again: the mail stays unsettled
    │   └── Outage           a whole dependency is away: stop this sweep, try all of it again later
    │       └── SessionEnded  a session ran out, as they all do there: come again at once
    ├── StateError           our own files cannot be used: a full disk, a foreign journal
    ├── NotApplied           a settled mail stays as it is in its folder; everything else goes on
    └── Undeliverable        a receiver never takes a notification: it is given up, and that is told

A mail that is bad is no exception but an outcome (`Refused`, `Held`). A message says what was got,
what was expected and where. It never carries the text of a foreign exception, which may hold a
secret: adapters translate, and `raise … from None` where the foreign exception carries payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NO_KEY: Final = "dns-no-key"
"""The code of a mail for whose signature DNS has no key."""
NOT_ASKED: Final = "dns-not-asked"
"""The code of a mail for whose key DNS was not asked: strangers have used up what is theirs."""
NO_SIGN_IN: Final = "oauth-sign-in"
"""The code of a mailbox for which a person has to sign in first."""
NEWER_WAITS: Final = "vault-newer-waits"
"""The code of a mail whose token is dead: a newer one of the same secret is to be written first."""
KEYLESS: Final = frozenset({"dns", NO_KEY, NOT_ASKED})
"""The codes of mail that waits for a key which has proven no mail yet: it may be anybody's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose token, where it goes, and since when it is valid."""

    username: str
    org: str | None = None
    path: str | None = None
    """Where it is proven alone: without a path, whose token it is is no more than a claim."""
    issued_at: str | None = None
    """See `Candidate.issued_at`."""


class TokenCatcherError(Exception):
    """The root. `code` is stable and picks the next step that the command line prints."""

    code = "error"

    subject: Subject | None = None
    """Whose token was not stored for it, where that is known; `pipeline` and `trust` say so."""

    mailbox: str | None = None
    """Which mailbox could not be opened for it, where it was one; the next step names it."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ConfigurationError(TokenCatcherError):
    """Wrong until a person changes something."""

    code = "configuration"


class AccessError(ConfigurationError):
    """The other side is there and says no."""

    code = "access"


class TransientError(TokenCatcherError):
    """May go away by itself."""

    code = "transient"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after: float | None = None
    ) -> None:
        """`retry_after`: seconds the other side asked us to wait."""
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Outage(TransientError):
    """May go away by itself, and until then nothing else on that dependency will work either."""

    code = "outage"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        was_sent: bool = False,
    ) -> None:
        """`was_sent`: the request went out, and nobody knows whether it was carried out."""
        super().__init__(message, code=code, retry_after=retry_after)
        self.was_sent = was_sent


class SessionEnded(Outage):
    """The other side ended a session that was as long as it gives them, and takes the next one."""

    code = "session-ended"


class StateError(TokenCatcherError):
    """The state directory or the journal cannot be used."""

    code = "state"


class NotApplied(TokenCatcherError):
    """What is to be done to a settled mail in its folder cannot be, for now."""

    code = "imap-apply"

    def __init__(self, message: str, *, code: str | None = None, final: bool = False) -> None:
        """`final`: another try would not help, or would do harm."""
        super().__init__(message, code=code)
        self.final = final


class Undeliverable(TokenCatcherError):
    """Who is to be told of something does not take it, however often it is tried."""

    code = "notify-gone"
