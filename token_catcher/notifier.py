"""Who tells others while the daemon runs: the outbox of one configuration after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from token_catcher import files, notify
from token_catcher.app import App
from token_catcher.clock import utc_now
from token_catcher.expiry import TOLD_BEFORE, Owner
from token_catcher.model import iso
from token_catcher.notify import Kind
from token_catcher.ports import Log
from token_catcher.receivers import receivers_in

FILE: Final = "outbox.db"
"""In the state directory."""
STEPS: Final = (timedelta(0), timedelta(days=1), timedelta(days=7), TOLD_BEFORE)
"""Before the end of a credential, each is told once: its end, the last day, week and month."""


LAPSES: Final[Mapping[str, Kind]] = {
    "token.overdue": Kind.OVERDUE,
    "token.never_seen": Kind.NEVER_SEEN,
    "retirement.near": Kind.RETIREMENT,
}
"""By the event of the log."""


class Notifier:
    """Tells the receivers of the configuration that is in use. From any thread."""

    def __init__(
        self,
        troubles: Callable[[], Mapping[str, str | None]],
        log: Log,
        observe: Callable[[str, notify.Outcome, int], None],
    ) -> None:
        """`troubles`, `observe`: see `Outbox`."""
        self._troubles = troubles
        self._log = log
        self._observe = observe
        self._now: Callable[[], datetime] = utc_now
        self._outbox: notify.Outbox | None = None

    def use(self, app: App) -> None:
        """Go by this configuration from now on.

        Where it names no receiver, and none before it did, nothing is started and no file made."""
        self.end()
        self._now = app.now
        path = app.config.state_dir / FILE
        receivers = receivers_in(app.config, app.now)
        if not receivers and not files.may_exist(path):
            return
        # Without receivers as well: who is named later is not told of what was before.
        self._outbox = notify.Outbox(
            path,
            receivers,
            app.journal,
            instance=app.config.instance,
            troubles=self._troubles,
            now=app.now,
            rng=Random(),  # noqa: S311 - spreads retries, hides nothing
            log=self._log,
            observe=self._observe,
        )
        self._outbox.begin()

    def end(self) -> None:
        """Tell nobody any more; what waits is delivered after the next start."""
        outbox = self._outbox
        self._outbox = None
        if outbox is not None:
            outbox.end()

    def tell(self, kind: Kind, subject: str, fields: Mapping[str, Any], *, key: str) -> None:
        """See `Outbox.tell`. Nothing happens where nobody is to be told of anything."""
        outbox = self._outbox
        if outbox is not None:
            outbox.tell(kind, subject, fields, key=key)

    def tell_ends(self, ends: Mapping[Owner, datetime], now: datetime) -> None:
        """Tell of credentials that end, or have ended."""
        for owner, ends_at in ends.items():
            step = _step(ends_at - now)
            if step is None:
                continue
            subject = "vault"
            if owner.mailbox:
                subject = f"mailbox/{owner.mailbox}"
            fields = {"credential": owner.kind, "ends_at": iso(ends_at), "days": step.days}
            key = f"{subject} {owner.kind} {iso(ends_at)} {step.days}"
            self.tell(Kind.EXPIRING, subject, fields, key=key)

    def tell_lapse(self, event: str, fields: Mapping[str, Any]) -> None:
        """Tell of an overdue token or a user that was never seen, once; of what Salesforce retires,
        once a week."""
        kind = LAPSES[event]
        if kind is Kind.RETIREMENT:
            year, week, _ = self._now().isocalendar()
            self.tell(kind, "salesforce", fields, key=f"{fields['name']} {year}-{week}")
            return
        subject = f"{fields['org']}/{fields['username']}"
        # Another token of the same user may grow old as well.
        self.tell(kind, subject, fields, key=f"{subject} {fields.get('issued_at', '')}")

    def tell_login_refused(self, fields: Mapping[str, Any]) -> None:
        """Tell, once for each token, that Salesforce does not take one that was stored."""
        subject = f"{fields['org']}/{fields['username']}"
        key = f"{subject} {fields['fingerprint']}"
        self.tell(Kind.LOGIN_REFUSED, subject, fields, key=key)

    @property
    def health(self) -> Mapping[str, notify.ReceiverHealth]:
        """How it stands with each receiver."""
        if self._outbox is None:
            return {}
        return self._outbox.health

    @property
    def trouble(self) -> str | None:
        """Why the outbox cannot be used, as the code of the error."""
        if self._outbox is None:
            return None
        return self._outbox.trouble


def _step(left: timedelta) -> timedelta | None:
    """The step that was last passed; None: there is time enough."""
    for step in STEPS:
        if left <= step:
            return step
    return None
