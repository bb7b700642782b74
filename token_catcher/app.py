"""The composition root: the only module that knows all others.

Here the parts are built, and here plain values leave the configuration.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from random import Random
from typing import Final

from token_catcher import __version__
from token_catcher.config import AppRole, Config, MailboxConfig
from token_catcher.daemon import Daemon, index_from, mine, only_one
from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.imap import Account, ImapMailbox, tls_context
from token_catcher.keys import DnsKeys, KeyChain, PinnedKeys, RememberedKeys
from token_catcher.model import Entry
from token_catcher.pipeline import Judge, Pipeline
from token_catcher.ports import KeyLookup, Log
from token_catcher.proof import Terms, Trust
from token_catcher.record import Journal
from token_catcher.sweep import Sweep, Watched
from token_catcher.vault import Address, AppRoleAuth, Client, TokenAuth, VaultStore
from token_catcher.web import Metrics, Subject, routes, serving


def utc_now() -> datetime:
    """The clock of the whole program."""
    return datetime.now(UTC)


def _never() -> bool:
    """A command that looks once is not asked to stop; a signal ends it."""
    return False


@dataclass
class App:
    """Builds each part once, when it is first asked for: `explain` never makes a Vault client."""

    config: Config
    log: Log
    writing: bool = True
    """False: nothing is written, not even what was learnt of public keys."""
    stopping: Callable[[], bool] = _never
    """Asked between two mails."""
    metrics: Metrics = field(default_factory=partial(Metrics, utc_now))
    """Told of every record and every request to Vault, whether somebody reads them or not."""
    now: Callable[[], datetime] = utc_now

    def mailbox(self, name: str | None) -> MailboxConfig:
        """The mailbox of this name; the only one, where none is named.

        ConfigurationError: there is no such one."""
        names = [mailbox.name for mailbox in self.config.mailboxes]
        if name is None and len(names) == 1:
            return self.config.mailboxes[0]
        for mailbox in self.config.mailboxes:
            if mailbox.name == name:
                return mailbox
        got = "none" if name is None else repr(name)
        raise ConfigurationError(
            f"--mailbox: got {got}, expected one of: {', '.join(names)}", code="usage"
        )

    def watched(self, names: Sequence[str] = ()) -> list[Watched]:
        """The mailboxes of these names, all where none is named.

        StateError: the journal cannot be continued."""
        if self.writing:
            self.journal.open()
        if not names:
            return [self._watched(mailbox) for mailbox in self.config.mailboxes]
        return [self._watched(self.mailbox(name)) for name in names]

    @cached_property
    def judge(self) -> Judge:
        """Says what a mail is worth; shared by all."""
        if self.config.trust.policy == "insecure-accept-unauthenticated":
            self.log.warning(
                "trust.insecure",
                note="any mail that looks like Salesforce's is believed: for experiments only",
            )
        return Judge(Trust(self._terms(), self._keys()), self.config.trust.subjects)

    @cached_property
    def journal(self) -> Journal:
        """The rotation record."""
        return Journal(self.config.journal_file, now=self.now, log=self.log)

    def recorded(self) -> Callable[[], list[Entry]]:
        """A question that gives, each time it is asked, what was added to the journal since.

        The first time, that is all there is."""
        last = 0

        def added() -> list[Entry]:
            nonlocal last
            records = list(self.journal.records(after=last))
            if records:
                last = records[-1].seq
            return [record.entry for record in records]

        return added

    @cached_property
    def store(self) -> VaultStore:
        """Vault, logged in when it is first used."""
        vault = self.config.vault
        address = Address(vault.address, vault.namespace, _text(vault.ca_file))
        auth: AppRoleAuth | TokenAuth
        if isinstance(vault.auth, AppRole):
            auth = AppRoleAuth(vault.auth.role_id, vault.auth.secret_id.read, vault.auth.mount)
        else:
            auth = TokenAuth(vault.auth.token.read)
        return VaultStore(
            Client(
                address,
                auth,
                monotonic=time.monotonic,
                observe=self.metrics.vault_request,
            ),
            mount=vault.mount,
            field=vault.field,
            instance=self.config.instance,
            now=self.now,
            sleep=time.sleep,
            log=self.log,
        )

    def _watched(self, mailbox: MailboxConfig) -> Watched:
        pipeline = Pipeline(
            self.judge,
            self.store,
            self.journal,
            instance=self.config.instance,
            log=self.log,
            now=self.now,
            observe=self.metrics.observe,
        )
        sweep = Sweep(
            pipeline,
            self.config.state_dir / "checkpoints",
            addresses=mailbox.addresses,
            lookback=mailbox.lookback,
            log=self.log,
            now=self.now,
            rng=Random(),  # noqa: S311 - spreads retries, hides nothing
            stopping=self.stopping,
        )
        return Watched(
            name=mailbox.name,
            connect=self._connector(mailbox),
            sweep=sweep,
            judge=self.judge,
            addresses=mailbox.addresses,
            lookback=mailbox.lookback,
            poll=mailbox.poll,
            idle=mailbox.idle,
            credential=mailbox.password.read,
        )

    def _connector(self, mailbox: MailboxConfig) -> Callable[[], ImapMailbox]:
        account = Account(
            name=mailbox.name,
            host=mailbox.host,
            port=mailbox.port,
            tls=mailbox.tls,
            username=mailbox.username,
            password=mailbox.password.read,
            inbox=mailbox.folders.inbox,
            spam=mailbox.folders.spam,
            sender_domains=self._sender_domains(),
        )
        context = self._tls_context(_text(mailbox.ca_file))
        return partial(ImapMailbox, account, context, self.log)

    def _sender_domains(self) -> tuple[str, ...]:
        """Each once, in the order of the senders: what a search in the mailbox asks for."""
        domains = [sender.rpartition("@")[2] for sender in self.config.trust.senders]
        return tuple(dict.fromkeys(domains))

    @cached_property
    def _tls_context(self) -> Callable[[str | None], ssl.SSLContext]:
        """One for all mailboxes with the same authorities, whose reading takes its time."""
        return cache(tls_context)

    def _terms(self) -> Terms:
        trust = self.config.trust
        return Terms(
            orgs=tuple(org.as_org() for org in self.config.orgs),
            path=self.config.vault.path,
            policy=trust.policy,
            senders=trust.senders,
            signing_domains=trust.signing_domains,
            subjects=trust.subjects,
            authserv_ids=trust.authserv_ids,
            authserv_zone=trust.authserv_zone,
        )

    def _keys(self) -> KeyLookup:
        """Pinned keys first, then DNS and what it said before."""
        published = DnsKeys(monotonic=time.monotonic)
        path = self.config.state_dir / "keys.json"
        remembered = RememberedKeys(
            published, path, now=self.now, log=self.log, writing=self.writing
        )
        pinned = self.config.trust.dkim_keys
        if pinned is None:
            return remembered
        return KeyChain(PinnedKeys.read(pinned), remembered)


class Service:
    """The daemon, and what is seen of it from outside, over one configuration after the other."""

    def __init__(self, load: Callable[[], Config], log: Log) -> None:
        """`load` reads the configuration (anew); ConfigurationError: it is not a valid one."""
        self._load = load
        self._log = log
        self._config = load()
        self._metrics = Metrics(utc_now)
        self._app: App | None = None
        self._daemon = Daemon(
            self._watched,
            log=log,
            now=utc_now,
            rng=Random(),  # noqa: S311 - spreads retries, hides nothing
            housekeeping=self._keep_alive,
        )

    def run(self) -> None:
        """Until SIGTERM. ConfigurationError, StateError: it could not start."""
        with only_one(self._config.state_dir), self._web():
            self._daemon.run()

    def _watched(self, stopping: Callable[[], bool]) -> list[Watched]:
        """The mailboxes of this instance, by the configuration as it is now."""
        fresh = self._load()
        for key in FIXED:
            if getattr(fresh, key) != getattr(self._config, key):
                raise ConfigurationError(f"{key}: cannot change while running; restart the daemon")
        app = App(fresh, self._log, stopping=stopping, metrics=self._metrics)
        names = [mailbox.name for mailbox in fresh.mailboxes]
        if fresh.shard is not None:
            names = mine(names, *_shard(fresh), fresh.shard.replicas)
        watched = []
        if names:  # App.watched takes no name for every mailbox
            watched = app.watched(names)
        self._app = app
        return watched

    def _keep_alive(self) -> None:
        """Keep our Vault token alive: the next reset may be months away."""
        if self._app is None:
            return
        try:
            self._app.store.keep_alive()
        except TokenCatcherError as error:
            self._log.warning("vault.trouble", code=error.code, error=str(error))

    def _web(self) -> AbstractContextManager[object]:
        """The pages, where they are asked for."""
        listen = self._config.http.listen
        if listen is None:
            return nullcontext()
        subject = Subject(
            version=__version__,
            instance=self._config.instance,
            loops=self._daemon,
            now=utc_now,
            monotonic=time.monotonic,
            shard=_shard(self._config),
            journal_head=self._journal_head,
            vault_token_expires_at=self._vault_token_expires_at,
        )
        return serving(listen.host, listen.port, routes(subject, self._metrics), self._log)

    def _journal_head(self) -> int:
        if self._app is None:
            return 0
        return self._app.journal.head.seq

    def _vault_token_expires_at(self) -> datetime | None:
        if self._app is None:
            return None
        seconds_left = self._app.store.token_seconds_left
        if seconds_left is None:
            return None
        return utc_now() + timedelta(seconds=seconds_left)


FIXED: Final = ("state_dir", "instance", "journal", "http", "shard", "log")
"""What a reload cannot change: other processes, records and metrics speak of it."""


def _shard(config: Config) -> tuple[int, int]:
    """Index and count. ConfigurationError: the index is to come from the host name, in vain."""
    if config.shard is None:
        return 0, 1
    index = config.shard.index
    if isinstance(index, str):  # the only word that the schema takes
        index = index_from(socket.gethostname())
    if index >= config.shard.count:
        raise ConfigurationError(
            f"shard.index: got {index} from the host name, "
            f"expected less than count ({config.shard.count})"
        )
    return index, config.shard.count


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    return str(path)
