"""`run`: the daemon and its pages, over one configuration after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from token_catcher import __version__, ahead, notify, web
from token_catcher.anchoring import AnchorHealth, Anchoring, anchor_troubles
from token_catcher.anchors import anchoring_of
from token_catcher.app import App
from token_catcher.clock import utc_now
from token_catcher.config import Config, MailboxConfig, is_loopback
from token_catcher.counters import Counters
from token_catcher.daemon import (
    Daemon,
    Health,
    Lapsed,
    Lapses,
    Restoration,
    VaultHealth,
    VaultPulse,
    VaultTrouble,
    only_one,
)
from token_catcher.diagnosis import admission_trouble, vault_pulse, vault_trouble
from token_catcher.errors import ConfigurationError, StateError
from token_catcher.expiry import Owner
from token_catcher.freshness import Freshness
from token_catcher.login_proof import LoginProof, LoginProofs
from token_catcher.model import Entry
from token_catcher.notifier import Notifier
from token_catcher.oauth import Renewals, TokenHealth
from token_catcher.open_files import make_room
from token_catcher.ports import Log
from token_catcher.proving import login_proof_of
from token_catcher.record import Journal, held_since, users_held
from token_catcher.shares import own_mailboxes, shard_of
from token_catcher.sweep import Watched
from token_catcher.vault import unwrappings
from token_catcher.wording import counted

FIXED: Final = ("state_dir", "instance", "journal", "http", "shard", "log")
"""What a reload cannot change: other processes, records and metrics speak of it."""

A_FOLDER: Final = 3
"""Open files of a folder: its connection, and both ends of the wakeup of who listens on it."""
A_SWEEP: Final = 1
"""Of a mailbox while it is swept, which may happen to all at once: the lock of its checkpoint."""
BESIDES: Final = 100
"""Of all the rest: the journal, Vault, pages, notifications."""


class Service:
    """The daemon, and what is seen of it from outside, over one configuration after the other."""

    def __init__(self, load: Callable[[], Config], log: Log) -> None:
        """`load` reads the configuration (anew); ConfigurationError: it is not a valid one."""
        self._load = load
        self._log = log
        self._config = load()
        self._metrics: web.Metrics | None = None
        self._counters = Counters()
        if self._config.http.listen is not None:
            self._metrics = web.Metrics(utc_now)
            self._counters = self._metrics
        self._renewals = Renewals()
        self._unwrappings = unwrappings()
        self._freshness = Freshness(log)
        self._login_proof: LoginProof | None = None
        self._login_proofs = LoginProofs(log)
        self._app: App | None = None
        self._restoration: Restoration | None = None
        self._lapses: Lapses | None = None
        self._anchoring: Anchoring | None = None
        self._journal_trouble: str | None = None
        self._vault_health = VaultHealth(log, now=utc_now, monotonic=time.monotonic)
        self._has_kept_house = False
        """Whether the troubles of Vault and the journal are known since the start."""
        self._notifier = Notifier(self._troubles, log, self._counters.notified)
        self._daemon = Daemon(
            self._watched,
            log=log,
            now=utc_now,
            rng=Random(),  # noqa: S311 - spreads retries, hides nothing
            housekeeping=self._keep_house,
            finish=self._finish,
        )

    def run(self) -> None:
        """Until SIGTERM. ConfigurationError, StateError: it could not start."""
        with only_one(self._config.state_dir), self._web():
            try:
                self._daemon.run()
            finally:
                self._notifier.end()

    def _watched(self, stopping: Callable[[], bool]) -> list[Watched]:
        """The mailboxes of this instance, by the configuration as it is now."""
        fresh = self._load()
        for key in FIXED:
            if getattr(fresh, key) != getattr(self._config, key):
                raise ConfigurationError(f"{key}: cannot change while running; restart the daemon")
        names = own_mailboxes(fresh)
        make_room(_open_files(fresh, names), counted(len(names), "mailbox", "mailboxes"))
        ahead.load_all(fresh)
        app = App(
            fresh,
            self._log,
            stopping=stopping,
            metrics=self._counters,
            renewals=self._renewals,
            unwrappings=self._unwrappings,
            looked_by="run",
        )
        app.tell_unpinned_orgs()
        watched = []
        if names:  # App.watched takes no name for every mailbox
            watched = app.watched(names)
        # Not before: with a configuration that is refused, the parts of the old one stay.
        self._app = app
        self._restoration = self._restoring(app, watched)
        self._login_proof = login_proof_of(app, self._notifier.tell_login_refused)
        self._login_proofs.begin(self._login_proof)
        self._vault_health.begin_anew()
        self._lapses = _looking_for_lapses(app, self._log, self._notifier.tell_lapse)
        self._anchoring = anchoring_of(app)
        self._notifier.use(app)
        return watched

    def _restoring(self, app: App, watched: Iterable[Watched]) -> Restoration:
        """What looks for tokens that Vault has lost, and has the watches bring them back."""
        sweeps = {mailbox.name: mailbox.sweep for mailbox in watched}

        def bring_back(entry: Entry) -> None:
            sweeps[entry.mailbox].bring_back(entry)
            self._daemon.wake(entry.mailbox)

        return Restoration(
            app.journal,
            app.store,
            mailboxes=sweeps.keys(),
            path_of=app.path_of,
            bring_back=bring_back,
            log=self._log,
            monotonic=time.monotonic,
            fingerprints=app.fingerprints,
        )

    def _keep_house(self) -> None:
        """What nobody asks for, and the next reset may be months away."""
        if self._app is None or self._restoration is None:
            return
        duties = _Duties(self._app, self._restoration)
        self._vault_health.check(duties)
        self._catch_up(self._app.journal)
        self._app.refresh_keys()
        self._renewals.write_again()
        self._freshness.look(self._app.entrances)
        self._app.expiry.look()
        self._tell_ends(self._app)
        self._login_proofs.look(self._login_proof)
        self._vault_health.restore(duties)
        if self._lapses is not None:
            with suppress(StateError):  # which the look at the journal tells
                self._lapses.round()
        self._anchor()
        self._has_kept_house = True

    def _anchor(self) -> None:
        """Have Vault know the journal's head. What is told of the journal itself, or of Vault as a
        whole, is not told once more of the anchor."""
        trouble = self._vault_health.use.trouble
        is_away = trouble is not None and not trouble.is_partial
        if self._anchoring is not None and self._journal_trouble is None and not is_away:
            self._anchoring.round()

    def _finish(self, seconds: float) -> None:
        """Wait for what is given out once: renewals on their way, and the secret_id of a wrapping
        token; and as long as is left, for a login."""
        leave_by = time.monotonic() + seconds
        self._unwrappings.close()
        for file in self._renewals.end(seconds):
            self._log.error(
                "oauth.renewal_cut_off",
                file=str(file),
                note="where the sign-in is refused from now on, somebody has to sign in again:"
                " `token-catcher login`",
            )
        for file in self._unwrappings.end(max(0.0, leave_by - time.monotonic())):
            self._log.error(
                "vault.unwrapping_cut_off",
                file=str(file),
                note="where the wrapping token is refused as used from now on, it was by us: make"
                " another one",
            )
        self._login_proofs.end(max(0.0, leave_by - time.monotonic()))

    def _tell_ends(self, app: App) -> None:
        """Tell of credentials that end by themselves."""
        ends = dict(app.expiry.ends)
        token_ends_at = self._vault_token_expires_at()
        if app.store.token_is_ending and token_ends_at is not None:
            # By our own clock it ends at another second each time.
            ends[Owner("", "token")] = token_ends_at.replace(minute=0, second=0, microsecond=0)
        self._notifier.tell_ends(ends, utc_now())

    def _catch_up(self, journal: Journal) -> None:
        """Learn what other processes recorded, a release for one: the metrics tell of it.

        A journal that cannot be used would stop the next token, so it is told before that comes."""
        try:
            journal.catch_up()
        except StateError as error:
            if self._journal_trouble is None:
                self._log.error("journal.trouble", code=error.code, error=str(error))
            self._journal_trouble = error.code
            return
        if self._journal_trouble is not None:
            self._log.info("journal.usable_again")
        self._journal_trouble = None

    def _web(self) -> AbstractContextManager[object]:
        """The pages, where they are asked for."""
        listen = self._config.http.listen
        if listen is None or self._metrics is None:
            return nullcontext()
        subject = web.Subject(
            version=__version__,
            instance=self._config.instance,
            loops=self._daemon,
            now=utc_now,
            monotonic=time.monotonic,
            shard=shard_of(self._config),
            journal_head=self._journal_head,
            journal_trouble=lambda: self._journal_trouble,
            anchor=self._anchor_health,
            held_waiting=self._held_waiting,
            drifted=self._drifted,
            lapsed=self._lapsed,
            users_held=self._users_held,
            vault_use=lambda: self._vault_health.use,
            vault_token_expires_at=self._vault_token_expires_at,
            access_tokens=self._access_tokens,
            certificate_ends=self._certificate_ends,
            receivers=self._receivers,
            notify_trouble=self._notify_trouble,
        )
        page = self._page(is_local=is_loopback(listen.host))
        routes = web.routes(subject, self._metrics, page)
        return web.serving(listen.host, listen.port, routes, self._log)

    def _page(self, *, is_local: bool) -> web.Page:
        token = self._config.http.token
        if token is None and not is_local:
            self._log.info("web.page_closed", note="beyond the loopback it needs http.token")
        read = None
        if token is not None:
            read = token.read
        access = web.Access(read, is_loopback=is_local, monotonic=time.monotonic, log=self._log)
        # Not above: it knows all parts of the program, and few daemons have a page.
        from token_catcher.overview import content_of

        def content() -> web.Content | None:
            """None: there is no configuration in use yet."""
            if self._app is None:
                return None
            return content_of(self._app)

        return web.Page(web.Lookup(content, monotonic=time.monotonic, log=self._log), access)

    def _journal_head(self) -> int:
        if self._app is None:
            return 0
        return self._app.journal.head.seq

    def _anchor_health(self) -> AnchorHealth | None:
        if self._anchoring is None:
            return None
        return self._anchoring.health

    def _held_waiting(self) -> Mapping[str, int]:
        if self._app is None:
            return {}
        now = self._app.now()
        since = {mailbox.name: now - mailbox.lookback for mailbox in self._app.config.mailboxes}
        return held_since(self._app.journal.held, since)

    def _lapsed(self) -> Lapsed | None:
        if self._lapses is None:
            return None
        return self._lapses.lapsed

    def _users_held(self) -> Mapping[str, int]:
        if self._app is None:
            return {}
        orgs = [org.name for org in self._app.config.orgs]
        return users_held(self._app.journal.held, orgs)

    def _troubles(self) -> Mapping[str, str | None]:
        """Of each part whose state is known, the code of its trouble; None: it is well."""
        troubles: dict[str, str | None] = {}
        for mailbox in self._daemon.health:
            if mailbox.looked:
                troubles[f"mailbox/{mailbox.name}"] = _trouble_of(mailbox)
        if self._has_kept_house:
            troubles["vault"] = self._vault_trouble()
            troubles["journal"] = self._journal_trouble
        return {**troubles, **anchor_troubles(self._anchor_health())}

    def _vault_trouble(self) -> str | None:
        trouble = self._vault_health.use.trouble
        if trouble is None:
            return None
        return trouble.code

    def _drifted(self) -> Mapping[str, int]:
        if self._restoration is None:
            return {}
        return self._restoration.lost

    def _access_tokens(self) -> Mapping[str, TokenHealth]:
        if self._app is None:
            return {}
        healths = {mailbox: entrance.health for mailbox, entrance in self._app.entrances.items()}
        return {mailbox: health for mailbox, health in healths.items() if health is not None}

    def _certificate_ends(self) -> Mapping[Owner, datetime]:
        if self._app is None:
            return {}
        return self._app.expiry.ends

    def _receivers(self) -> Mapping[str, notify.ReceiverHealth]:
        return self._notifier.health

    def _notify_trouble(self) -> str | None:
        return self._notifier.trouble

    def _vault_token_expires_at(self) -> datetime | None:
        if self._app is None:
            return None
        seconds_left = self._app.store.token_seconds_left
        if seconds_left is None:
            return None
        return utc_now() + timedelta(seconds=seconds_left)


@dataclass(frozen=True)
class _Duties:
    """What is done for the Vault of one configuration."""

    app: App
    restoration: Restoration

    def pulse(self) -> VaultPulse:
        """Whether it is there and unsealed."""
        return vault_pulse(self.app)

    def keep_alive(self) -> None:
        """Have a login, renewed in time."""
        self.app.store.keep_alive()

    def admission(self) -> VaultTrouble | None:
        """What of our login or our rights would keep a token out."""
        return admission_trouble(self.app)

    def check(self) -> VaultTrouble | None:
        """What would keep the token of some user out of it."""
        return vault_trouble(self.app)

    def restore(self) -> None:
        """Look for what Vault has lost."""
        with suppress(StateError):  # which the look at the journal tells
            self.restoration.round()

    def expect_losses(self) -> None:
        """Look at everything once more."""
        self.restoration.look_anew()


def _open_files(config: Config, mailboxes: Sequence[str]) -> int:
    """How many these mailboxes may have open at a time, and all the rest."""
    ours = frozenset(mailboxes)
    count = BESIDES
    for mailbox in config.mailboxes:
        if mailbox.name in ours:
            count += A_FOLDER * _connections(mailbox) + A_SWEEP
    return count


def _connections(mailbox: MailboxConfig) -> int:
    """One for each folder; without IDLE, one for all."""
    if not mailbox.idle:
        return 1
    folders = 1 + len(mailbox.folders.also)
    if mailbox.folders.spam is not None:
        folders += 1
    return folders


def _looking_for_lapses(
    app: App, log: Log, observe: Callable[[str, Mapping[str, Any]], None]
) -> Lapses:
    """What looks for tokens that are overdue, and for users that were never seen."""
    return Lapses(
        app.journal,
        app.store,
        orgs=app.org_terms(),
        path_of=app.path_of,
        log=log,
        now=utc_now,
        monotonic=time.monotonic,
        observe=observe,
    )


def _trouble_of(mailbox: Health) -> str | None:
    if mailbox.trouble is None and not mailbox.connected:
        return "not-connected"
    return mailbox.trouble
