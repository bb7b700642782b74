"""Our Vault token, and how long it lives; pure but for the clock that is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from token_catcher.model import Secret

LOCK_OUT_PAUSE: Final = 300.0
"""Seconds before a refused credential is shown again, where somebody counts.

Vault locks a role or a user out after five refusals in a quarter of an hour."""
REFUSAL_PAUSE: Final = 30.0
"""Seconds before it is shown again where nobody does.

What refused it may pass: an issuer, or a cluster, that Vault does not reach for a moment."""
RETRY_PAUSE: Final = 10.0
"""Seconds before a token that could not be renewed or replaced is seen to again, while it lives."""
DUE: Final = 2 / 3
"""The part of its life after which a token is renewed or replaced."""
ENDING: Final = 9 / 10
"""The part of its life after which somebody is told.

Vault Agent puts the next token into its file before that: with 10 to 20 % left."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A token, and for how long it is ours."""

    token: Secret | None
    """None: none is sent, since somebody on the way adds one."""
    seconds: int
    """0: it never ends, or Vault does not say."""
    renewable: bool

    @classmethod
    def of(cls, token: Secret | None, about: Mapping[str, Any], lifetime: str) -> Lease:
        """By what Vault says about it. `lifetime`: the field that holds the seconds."""
        seconds = about.get(lifetime)
        if not isinstance(seconds, int) or seconds < 0:
            seconds = 0
        return cls(token, seconds, bool(about.get("renewable")))


class OwnToken:
    """The state of our login: the token, its life, and what Vault last refused."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds, never set back."""
        self._monotonic = monotonic
        self._since = 0.0
        self._see_to_it_at = 0.0
        self._is_told = False
        self._refused: _Refused | None = None
        self.lease: Lease | None = None
        """None: there is no token yet."""

    def take(self, lease: Lease) -> None:
        """From now on it is this one."""
        self.lease = lease
        self._since = self._monotonic()
        self._see_to_it_at = self._since + lease.seconds * DUE
        self._is_told = False

    def cannot_be_renewed(self, lease: Lease) -> None:
        """Vault does not renew this token of ours: do not ask again."""
        self.lease = replace(lease, renewable=False)

    def postpone(self) -> None:
        """The token goes on for now."""
        self._see_to_it_at = self._monotonic() + RETRY_PAUSE

    @property
    def is_due(self) -> bool:
        """Whether it is to be renewed or replaced: two thirds of its life are over.

        Some tokens cannot be renewed, but all that end have to be replaced."""
        if self.lease is None or not self.lease.seconds:
            return False
        return self.has_ended or self._monotonic() >= self._see_to_it_at

    @property
    def has_ended(self) -> bool:
        """Whether its life is over, by our clock."""
        seconds_left = self.seconds_left
        return seconds_left is not None and seconds_left <= 0

    @property
    def seconds_left(self) -> float | None:
        """Until it ends, below 0 once it has ended; None: there is none, or it never does."""
        if self.lease is None or not self.lease.seconds:
            return None
        return self._since + self.lease.seconds - self._monotonic()

    @property
    def is_ending(self) -> bool:
        """Whether its end is near, and nothing came in its place when that was last tried."""
        return self._is_told

    def is_to_be_told(self, lease: Lease) -> bool:
        """Whether the end of this token of ours is near, and nobody was told so yet."""
        is_near = self._monotonic() >= self._since + lease.seconds * ENDING
        is_first = is_near and not self._is_told
        self._is_told = is_near
        return is_first

    def refuse(self, credential: Secret, reason: str, code: str, pause: float) -> bool:
        """Vault does not accept this credential, which is left alone for so many seconds.

        Returns whether that is news: it was not the last one refused, or for another cause."""
        before = self._refused
        self._refused = _Refused(credential, reason, code, self._monotonic() + pause)
        return before is None or (before.credential, before.code) != (credential, code)

    def refusal_of(self, credential: Secret) -> tuple[str, str] | None:
        """Why it was refused, and the code of that, as long as this very one is left alone."""
        refused = self._refused
        if refused is None or refused.credential != credential:
            return None
        if self._monotonic() >= refused.until:
            return None
        return refused.reason, refused.code


@dataclass(frozen=True, slots=True)
class _Refused:
    """The last refusal."""

    credential: Secret
    reason: str
    code: str
    until: float
    """By the same clock."""
