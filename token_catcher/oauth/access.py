"""Access tokens for one mailbox: when one is asked for, and what becomes of a refusal.

A provider knows how a token is got. Here it is decided when: one that has too little of its life
left is not used for another login, two sessions of a mailbox never ask at the same time, a provider
that asks for a pause gets it, and what was refused is left alone for a while, unless what we show
was replaced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from token_catcher.errors import AccessError, ConfigurationError, StateError, TransientError
from token_catcher.model import Secret

AHEAD: Final = 600.0
"""Seconds that a token must have left at a login. Some servers refuse one that ends sooner."""
REFUSAL_PAUSE: Final = 300.0
"""Seconds before the same credential is shown again after a refusal."""
FRESH_PAUSE: Final = 300.0
"""Seconds between two tries to renew a token that nobody waits for."""
LONGEST_PAUSE: Final = 3600.0
"""Seconds that a provider may ask us to stay away."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a mail server takes in place of a password."""

    value: Secret
    seconds: float | None
    """How long it lives from now on; None: nobody says."""


class Provider(Protocol):
    """One way to get access tokens. Used by one thread at a time, but for `credential`."""

    def credential(self) -> Secret:
        """Stands for what is shown to the token endpoint, read anew: by it a file that somebody
        replaced is noticed.

        It is the same one over renewals, whoever makes them: a refresh token is replaced by each,
        and otherwise each would look as if somebody had mended what a server refuses.
        ConfigurationError: it is not there, or cannot be what it should be."""

    def fetch(self) -> AccessToken:
        """A new token, by a request to the token endpoint.

        AccessError: we are refused, which the code tells apart, and nothing but a person changes
        it. Outage: the endpoint is away or throttles us (`retry_after`), or somebody else answers
        in its place: that is never a refusal. StateError: what it gives could not be kept, so that
        it was not asked. ConfigurationError: what is shown cannot be what it should be."""


@dataclass(frozen=True, slots=True)
class TokenHealth:
    """How one mailbox does for access tokens."""

    refused: str | None
    """The code of a refusal that no token came after, or of why we do not even ask, until a person
    mends it; None: all is well."""
    seconds_left: float | None
    """Until the token ends, below 0 once it has ended; None: there is none, or nobody says."""
    renewed_at: float | None = None
    """When the refresh token was last renewed, in Unix time; None: there is none."""

    @property
    def is_good(self) -> bool:
        """Whether there is a token that has not ended, and the last try to get one went well."""
        return self.refused is None and self.seconds_left is not None and self.seconds_left > 0


@dataclass(slots=True)
class _Held:
    """A token, and whether it has served before."""

    value: Secret
    credential: Secret
    """By what it was got; see `Provider.credential`."""
    life: float | None
    ends_at: float | None
    """Monotonic seconds; None: nobody says when it ends."""
    is_new: bool = True
    """Whether it was got for the login at hand, the last that it was given to."""

    def left(self, now: float) -> float:
        """Seconds; a token of which nobody says when it ends is used for one login."""
        if self.ends_at is None:
            return 0.0
        return self.ends_at - now

    def serves(self, now: float) -> bool:
        """Whether it is good for one more login.

        Of a token that never has ten minutes to live half its life must be left: otherwise each
        login would ask for another one."""
        if self.life is None:
            return False
        return self.left(now) >= min(AHEAD, self.life / 2)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why there was no token the last time, and until when nobody asks again."""

    credential: Secret
    error: AccessError | TransientError
    until: float
    """Monotonic seconds."""

    def again(self, now: float) -> AccessError | TransientError:
        """The same error once more: an exception that is raised twice would grow."""
        text, code = str(self.error), self.error.code
        if isinstance(self.error, AccessError):
            return AccessError(text, code=code)
        return type(self.error)(text, code=code, retry_after=self.until - now)


class AccessTokens:
    """The tokens of one mailbox. Thread-safe: whoever asks second waits for the first."""

    def __init__(self, provider: Provider, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds, never set back."""
        self._provider = provider
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._failure: _Failure | None = None
        self._refused: str | None = None
        """See `TokenHealth`."""
        self._missing: str | None = None
        """The same, of what we would show: it was not there, or could not be used, the last time.
        """
        self._fresh_from = monotonic()
        """When a token that nobody waits for may be asked for again."""

    def credential(self) -> Secret:
        """Stands for what is shown to the provider: another one once somebody replaced that.

        From any thread, without waiting for a request. ConfigurationError: it is not there."""
        return self._provider.credential()

    def for_login(self) -> Secret:
        """A token that is good for a login now. Raises what `Provider.fetch` raises.

        Where the provider is away, the one there is serves until its end."""
        with self._lock:
            credential = self._shown()
            before = self._held
            held = before
            if held is None or held.credential != credential or not held.serves(self._monotonic()):
                held = self._renewed(credential)
            held.is_new = held is not before
            return held.value

    def in_place_of(self, token: Secret) -> Secret | None:
        """Another token for a login at which the server refused this one.

        It may be revoked, or the server's clock ahead. None: the token was got for this very login,
        so that another one would be refused as well; the next login asks for one all the same.
        Raises what `Provider.fetch` raises."""
        with self._lock:
            held = self._held
            if held is not None and held.value == token:
                self._held = None
                if held.is_new:
                    return None
                held = None
            if held is None:
                return self._renewed(self._shown()).value
            held.is_new = False
            return held.value

    @property
    def due_since(self) -> float | None:
        """Monotonic seconds since which `keep_fresh` would ask; None: it would not.

        From any thread, without waiting for a request."""
        held = self._held
        if held is None or held.ends_at is None:
            return None
        since = max(held.ends_at, self._fresh_from)
        if self._monotonic() < since:
            return None
        return since

    def keep_fresh(self) -> None:
        """Renew a token that has ended, though nobody logs in: so a refusal is known at once.

        A live connection goes on without it, and would be the last one. Nothing is asked for before
        the first login, or of tokens whose end nobody says. Raises what `Provider.fetch` raises,
        every few minutes."""
        with self._lock:
            if self.due_since is None:
                return
            self._fresh_from = self._monotonic() + FRESH_PAUSE
            self._renewed(self._shown())

    @property
    def health(self) -> TokenHealth:
        """How it is now. From any thread, without waiting for a request."""
        held = self._held
        refused = self._refused or self._missing
        if held is None or held.ends_at is None:
            return TokenHealth(refused, None)
        return TokenHealth(refused, held.left(self._monotonic()))

    def _shown(self) -> Secret:
        """What the provider would show now. ConfigurationError: it is not there."""
        try:
            credential = self._provider.credential()
        except ConfigurationError as error:
            self._missing = error.code
            raise
        self._missing = None
        return credential

    def _renewed(self, credential: Secret) -> _Held:
        """A new token; the one there is where the provider is away and that is not over."""
        paused = self._paused(credential)
        if paused is not None:
            return self._instead(paused)
        try:
            token = self._provider.fetch()
        except AccessError as error:
            self._refused = error.code
            self._note(credential, error, REFUSAL_PAUSE)
            raise
        except TransientError as error:
            self._note(credential, error, min(error.retry_after or 0.0, LONGEST_PAUSE))
            return self._instead(error)
        except StateError as error:
            self._refused = error.code
            return self._instead(error)
        except ConfigurationError as error:  # a key that cannot sign, a library that is not there
            self._refused = error.code
            raise
        return self._take(token, credential)

    def _paused(self, credential: Secret) -> AccessError | TransientError | None:
        """The last error again, while nobody asks the provider."""
        failure = self._failure
        now = self._monotonic()
        if failure is None or now >= failure.until:
            return None
        # Whoever throttles us does so with any credential.
        if isinstance(failure.error, AccessError) and failure.credential != credential:
            return None
        return failure.again(now)

    def _instead(self, error: AccessError | TransientError | StateError) -> _Held:
        """The token there is, in place of a new one. Raises the error where none serves."""
        held = self._held
        if isinstance(error, AccessError) or held is None or held.left(self._monotonic()) <= 0:
            raise error
        return held

    def _note(self, credential: Secret, error: AccessError | TransientError, pause: float) -> None:
        self._failure = _Failure(credential, error, self._monotonic() + pause)

    def _take(self, token: AccessToken, credential: Secret) -> _Held:
        """`credential`: as it was before the request. One that came meanwhile is tried soon."""
        self._failure = None
        self._refused = None
        ends_at = None
        if token.seconds is not None:
            ends_at = self._monotonic() + token.seconds
        self._held = _Held(token.value, credential, token.seconds, ends_at)
        return self._held
