"""Whether a token could be stored now, found out before one comes, which may be months away.

    pulse      each round: is Vault there and unsealed? One request, without a login
    login      each round: is it renewed in time?
    admission  every five minutes: does Vault take our login, with the rights on every path?
    check      at the start, once a day, and soon again after any trouble: all of it, with a trial
    restore    each round, while Vault answers: has it lost anything? (`restoration`)

Whatever of these fails is one trouble, told once a cause, and over once a check has passed. A pulse
that cannot be felt is no trouble: a proxy may keep the question to itself. Then the admission tells
what is so, at once where the pulse was felt before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, Self

from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.ports import Log

DAILY: Final = 86_400.0
"""Seconds between two checks that pass."""
ADMITTED: Final = 300.0
"""Seconds between two looks whether Vault lets us in."""
AGAIN: Final = (60.0, 600.0)
"""Seconds after a check that failed: at first, and at most."""


@dataclass(frozen=True, slots=True)
class VaultTrouble:
    """Why some token could not be stored now."""

    code: str
    saw: str
    passes: bool = False
    """Whether it may pass by itself; otherwise a person has to change something."""
    is_partial: bool = False
    """Whether it concerns the paths of some users, and Vault answers for others."""

    @classmethod
    def of(cls, error: TokenCatcherError) -> Self:
        """An error that concerns all of them."""
        return cls(error.code, str(error), isinstance(error, TransientError))


@dataclass(frozen=True, slots=True)
class VaultPulse:
    """What Vault's nodes say of themselves."""

    is_clear: bool
    """Whether they say it; otherwise nothing is known."""
    trouble: VaultTrouble | None = None
    """Why none of them serves."""


@dataclass(frozen=True, slots=True)
class VaultUse:
    """What is known of it at one moment."""

    trouble: VaultTrouble | None = None
    was_proven: bool = False
    """Whether a check has passed since the start."""
    passed_at: datetime | None = None
    """When the last one did."""

    @property
    def is_usable(self) -> bool | None:
        """Whether every token could be stored, when it was last asked; None: it never was."""
        if self.trouble is not None:
            return False
        if self.was_proven:
            return True
        return None

    @property
    def is_ready(self) -> bool:
        """Whether mail that comes is stored, or kept until Vault is back by itself.

        Not before a check has passed once: a start with what cannot work is none."""
        if self.trouble is not None and not self.trouble.passes:
            return False
        return self.was_proven


class VaultDuties(Protocol):
    """What is done for the Vault of one configuration. TokenCatcherError: it cannot be."""

    def pulse(self) -> VaultPulse:
        """Whether it is there and unsealed. Raises nothing of Vault's."""

    def keep_alive(self) -> None:
        """Have a login, renewed in time."""

    def admission(self) -> VaultTrouble | None:
        """What of our login or our rights would keep a token out. Raises nothing of Vault's."""

    def check(self) -> VaultTrouble | None:
        """What would keep the token of some user out of it. Raises nothing of Vault's."""

    def restore(self) -> None:
        """Look for what it has lost."""

    def expect_losses(self) -> None:
        """It was away, and may be back in an older state: look at everything once more."""


class VaultHealth:
    """Looks after it, in rounds of one thread; `use` may be read from any."""

    def __init__(
        self,
        log: Log,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._log = log
        self._now = now
        self._monotonic = monotonic
        self._due_at = 0.0
        self._admitted_at = 0.0
        self._admission_at = 0.0
        """When it was last seen whether Vault lets us in, and when it is next to be."""
        self._had_pulse = False
        """Whether it was felt in the last round."""
        self._was_down = False
        """Whether no node served since a check last passed."""
        self._wants_check = threading.Event()
        self._wants_check.set()
        self._pause = AGAIN[0]
        self._told: set[str] = set()
        """The codes that were told since a check last passed."""
        self.use = VaultUse()

    def begin_anew(self) -> None:
        """Check again at the next round: the configuration is another one now. From any thread."""
        self._wants_check.set()

    def check(self, duties: VaultDuties) -> None:
        """Feel the pulse, have a login; and look at all the rest where that is due."""
        trouble = self._feel_pulse(duties) or _trouble_with_login(duties)
        if trouble is not None:
            self._fail(trouble)
            self.begin_anew()  # as soon as it is over
            return
        now = self._monotonic()
        if self._wants_check.is_set() or now >= self._due_at:
            self._wants_check.clear()
            self._look(duties)
        elif self.use.trouble is None and now >= self._admission_at:
            self._see_admission(duties)

    def restore(self, duties: VaultDuties) -> None:
        """Look for what Vault has lost, unless it was found that it does not answer us at all."""
        trouble = self.use.trouble
        if trouble is not None and not trouble.is_partial:
            return
        try:
            duties.restore()
        except (TransientError, AccessError) as error:
            self._fail(VaultTrouble.of(error))
            self._put_off()

    def _feel_pulse(self, duties: VaultDuties) -> VaultTrouble | None:
        """Where it comes or goes, a request with our login is to tell what that means."""
        pulse = duties.pulse()
        if pulse.is_clear and not self._had_pulse and self.use.trouble is not None:
            self.begin_anew()
        if self._had_pulse and not pulse.is_clear:
            self._hasten_admission()
        self._had_pulse = pulse.is_clear
        if pulse.trouble is not None:
            self._was_down = True
        return pulse.trouble

    def _hasten_admission(self) -> None:
        """Not each time where it comes and goes: behind a balancer some nodes only stand by."""
        self._admission_at = min(self._admission_at, self._admitted_at + AGAIN[0])

    def _see_admission(self, duties: VaultDuties) -> None:
        self._note_admission()
        trouble = duties.admission()
        if trouble is not None:
            self._fail(trouble)
            self._put_off()

    def _note_admission(self) -> None:
        self._admitted_at = self._monotonic()
        self._admission_at = self._admitted_at + ADMITTED

    def _look(self, duties: VaultDuties) -> None:
        self._note_admission()
        trouble = duties.check()
        if trouble is not None:
            self._fail(trouble)
            self._put_off()
            return
        if self.use.trouble is not None:
            self._log.info("vault.check_passed", after=self.use.trouble.code)
        if self._was_down:
            duties.expect_losses()
        self._was_down = False
        self._told.clear()
        self._pause = AGAIN[0]
        self._due_at = self._monotonic() + DAILY
        self.use = VaultUse(was_proven=True, passed_at=self._now())

    def _fail(self, trouble: VaultTrouble) -> None:
        """Told once a code."""
        tell = self._log.debug
        if trouble.code not in self._told:
            tell = self._log.warning
        self._told.add(trouble.code)
        tell("vault.check_failed", code=trouble.code, error=trouble.saw)
        self.use = replace(self.use, trouble=trouble)

    def _put_off(self) -> None:
        """Vault is checked again ever more seldom."""
        self._due_at = self._monotonic() + self._pause
        self._pause = min(2 * self._pause, AGAIN[1])


def _trouble_with_login(duties: VaultDuties) -> VaultTrouble | None:
    try:
        duties.keep_alive()
    except TokenCatcherError as error:
        return VaultTrouble.of(error)
    return None
