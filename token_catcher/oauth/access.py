"""Access tokens for one mailbox: when one is asked for, and what becomes of a refusal.

A provider knows how a token is got. Here it is decided when: one that has too little of its life
left is not used for another login, two sessions of a mailbox never ask at the same time, and what
was refused is left alone for a while, unless what we show was replaced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from token_catcher.errors import AccessError, TransientError
from token_catcher.model import Secret

AHEAD: Final = 600.0
"""Seconds that a token must have left at a login. Some servers refuse one that ends sooner."""
REFUSAL_PAUSE: Final = 300.0
"""Seconds before the same credential is shown again after a refusal."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a mail server takes in place of a password."""

    value: Secret
    seconds: float | None
    """How long it lives from now on; None: nobody says."""


class Provider(Protocol):
    """One way to get access tokens. Used by one thread at a time."""

    def credential(self) -> Secret:
        """What is shown to the token endpoint, read anew: by it a replaced file is noticed.

        ConfigurationError: it is not there, or cannot be what it should be."""

    def fetch(self) -> AccessToken:
        """A new token, by a request to the token endpoint.

        AccessError: we are refused, which the code tells apart, and nothing but a person changes
        it. Outage: the endpoint is away or throttles us (`retry_after`), or somebody else answers
        in its place: that is never a refusal."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """The last refusal."""

    credential: Secret
    error: AccessError
    at: float
    """Monotonic seconds."""


class AccessTokens:
    """The tokens of one mailbox. Thread-safe: whoever asks second waits for the first."""

    def __init__(self, provider: Provider, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds, never set back."""
        self._provider = provider
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._ends_at: float | None = None
        """None: nobody says when the token ends."""
        self._credential: Secret | None = None
        """With which the token was got."""
        self._refused: _Refused | None = None

    def credential(self) -> Secret:
        """What is shown to the provider, read anew."""
        return self._provider.credential()

    def for_login(self) -> Secret:
        """A token that is good for a login now. Raises what `Provider.fetch` raises.

        Where the provider is away, the one there is serves until its end."""
        with self._lock:
            credential = self._provider.credential()
            if self._token is not None and self._serves(credential):
                return self._token
            self._leave_alone(credential)
            try:
                self._take(self._provider.fetch())
            except AccessError as error:
                self._refused = _Refused(credential, error, self._monotonic())
                raise
            except TransientError:
                if self._token is None or self._left() <= 0:
                    raise
            assert self._token is not None
            return self._token

    def refused_by_server(self) -> None:
        """The mail server did not take the token: the next login asks for another one."""
        with self._lock:
            self._token = None

    @property
    def seconds_left(self) -> float | None:
        """Until the token ends, 0 afterwards; None: there is none, or nobody says."""
        if self._token is None or self._ends_at is None:
            return None
        return max(0.0, self._ends_at - self._monotonic())

    def _serves(self, credential: Secret) -> bool:
        """Whether the token that is there can be used for one more login."""
        return credential == self._credential and self._left() >= AHEAD

    def _left(self) -> float:
        """Seconds; a token of which nobody says when it ends is used once."""
        if self._ends_at is None:
            return 0.0
        return self._ends_at - self._monotonic()

    def _take(self, token: AccessToken) -> None:
        self._token = token.value
        self._ends_at = None
        if token.seconds is not None:
            self._ends_at = self._monotonic() + token.seconds
        # Not the one from before: a refresh token may have been replaced by this very request.
        self._credential = self._provider.credential()
        self._refused = None

    def _leave_alone(self, credential: Secret) -> None:
        """AccessError: this very credential was refused, and not long ago."""
        refused = self._refused
        if refused is None or refused.credential != credential:
            return
        if self._monotonic() - refused.at < REFUSAL_PAUSE:
            raise AccessError(str(refused.error), code=refused.error.code)
