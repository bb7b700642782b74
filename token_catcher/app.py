"""The composition root: the module that knows all others, and builds each part.

Here plain values leave the configuration.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from random import Random

from token_catcher import imap, keys, oauth, vault, vault_entrance
from token_catcher.clock import utc_now
from token_catcher.config import Config, MailboxConfig
from token_catcher.counters import Counters
from token_catcher.entries import DAEMON
from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.expiry import Expiry
from token_catcher.fingerprints import Fingerprints
from token_catcher.in_flight import InFlight
from token_catcher.journal_keys import keyring_of
from token_catcher.judge import Judge
from token_catcher.logins import Entrance, certificates_in, context_of, entrance_of
from token_catcher.pipeline import Pipeline
from token_catcher.ports import Log
from token_catcher.proof import Org, Terms, Trust
from token_catcher.record import (
    NO_KEYS,
    Journal,
    Keyring,
    LookNotes,
    OrgIds,
    Record,
    known_writer_id,
    writer_id,
)
from token_catcher.status import OrgTerms
from token_catcher.sweep import Sweep, Watched


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
    metrics: Counters = field(default_factory=Counters)
    """Told of every record and every request to Vault, whether somebody reads them or not."""
    now: Callable[[], datetime] = utc_now
    renewals: oauth.Renewals = field(default_factory=oauth.Renewals)
    """Of refresh tokens; they outlive a configuration."""
    unwrappings: InFlight = field(default_factory=vault.unwrappings)
    """Of the secret_id that comes wrapped; the same."""
    looked_by: str = "scan"
    """By whose name the looks at mailboxes are noted: `run` is the daemon's."""
    asked_by: str = DAEMON
    """Who has mail looked at: see `Entry.asked_by`."""
    entrances: dict[str, Entrance] = field(default_factory=dict)
    """By mailbox, of those that were asked for."""
    _contexts: dict[object, Callable[[], ssl.SSLContext]] = field(default_factory=dict)

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

    def tell_unpinned_orgs(self) -> None:
        """Warn of orgs for which mail is believed whatever Salesforce org sends it first."""
        unpinned = [org.name for org in self.config.orgs if org.org_id is None]
        if unpinned:
            self.log.warning(
                "trust.org_not_pinned",
                orgs=unpinned,
                note="set org_id on each: until then the first Salesforce org whose mail names a"
                " user of theirs is believed, a stranger's as well",
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
        trust = self.config.trust
        chain = keys.KeyChain(self._pinned_keys, self._remembered_keys)
        return Judge(Trust(self._terms, chain, self._org_ids), trust.subjects, trust.subject_tags)

    @cached_property
    def journal(self) -> Journal:
        """The rotation record."""
        return Journal(
            self.config.journal_file,
            now=self.now,
            log=self.log,
            archive_at=self.config.journal.archive_at,
            writing=self.writing,
            keys=self._journal_keys,
        )

    @property
    def fingerprints(self) -> Fingerprints:
        """Makes and compares those of records. Who only reads them has no key, as below."""
        return self._journal_keys.fingerprints

    @cached_property
    def _journal_keys(self) -> Keyring:
        """What records are written with. Who only reads them needs no key.

        ConfigurationError: it is not there any more."""
        if not self.writing:
            return NO_KEYS
        return keyring_of(self.config.journal.key)

    def recorded(self) -> Callable[[], list[Record]]:
        """A question that gives, each time it is asked, what was added to the journal since.

        StateError: the journal cannot be read."""
        self.journal.catch_up()
        last = self.journal.head.seq

        def added() -> list[Record]:
            nonlocal last
            records = list(self.journal.records(after=last))
            if records:
                last = records[-1].seq
            return records

        return added

    @cached_property
    def store(self) -> vault.VaultStore:
        """Vault, logged in when it is first used."""
        section = self.config.vault
        if section.kv_version == 1:
            self.log.warning(
                "vault.unversioned",
                mount=section.mount,
                note="no check-and-set: whoever writes a secret at the same moment is overwritten,"
                " or overwrites the token; no history: a token that was overwritten is lost",
            )
        return vault.VaultStore(
            vault.Client(
                vault_entrance.address_of(section),
                vault_entrance.login_of(self.config, self.unwrappings),
                monotonic=time.monotonic,
                log=self.log,
                observe=self.metrics.vault_request,
                alarmed=self.metrics.vault_alarm,
            ),
            mount=section.mount,
            kv_version=section.kv_version,
            field=section.field,
            instance=self.config.instance,
            writer=self._writer,
            writes_over_deleted=section.on_deleted == "write",
            now=self.now,
            sleep=time.sleep,
            log=self.log,
        )

    def _writer(self) -> str:
        """Who writes to Vault, asked when something is stored or compared.

        A dry run makes no file: without one, nothing in Vault is our own write."""
        if not self.writing:
            return self.known_writer or ""
        return self._writer_id

    @property
    def known_writer(self) -> str | None:
        """Who we are in Vault; None: we never wrote to it. StateError: it cannot be read."""
        return known_writer_id(self._writer_file)

    @cached_property
    def _writer_id(self) -> str:
        return writer_id(self._writer_file)

    @property
    def _writer_file(self) -> Path:
        return self.config.state_dir / "writer"

    @cached_property
    def _org_ids(self) -> OrgIds:
        """Which Salesforce org each org's mail came from first."""
        return OrgIds(self.config.state_dir / "org-ids.json")

    def _watched(self, mailbox: MailboxConfig) -> Watched:
        entrance = entrance_of(mailbox, self.log, self.renewals)
        self.entrances[mailbox.name] = entrance
        pipeline = Pipeline(
            self.judge,
            self.store,
            self.journal,
            instance=self.config.instance,
            log=self.log,
            now=self.now,
            lookback=mailbox.lookback,
            org_ids=self._org_ids,
            asked_by=self.asked_by,
            fingerprints=self.fingerprints,
            observe=self.metrics.observe,
        )
        sweep = Sweep(
            pipeline,
            self.checkpoints,
            addresses=mailbox.addresses,
            domains=self.sender_domains(),
            lookback=mailbox.lookback,
            log=self.log,
            now=self.now,
            rng=self._rng,
            after_capture=mailbox.after_capture,
            stopping=self.stopping,
        )
        return Watched(
            name=mailbox.name,
            server=mailbox.host.lower(),
            connect=self._connector(mailbox, entrance.login),
            sweep=sweep,
            judge=self.judge,
            addresses=mailbox.addresses,
            lookback=mailbox.lookback,
            poll=mailbox.poll,
            idle=mailbox.idle,
            credential=entrance.credential,
            look_notes=self._look_notes(mailbox.name, entrance),
        )

    @cached_property
    def _rng(self) -> Random:
        """One for all mailboxes: the state of each takes 2.5 kB."""
        return Random()  # noqa: S311 - spreads retries, hides nothing

    def _look_notes(self, mailbox: str, entrance: Entrance) -> LookNotes | None:
        """Where the looks at this mailbox are noted. None: a dry run makes no file."""
        if not self.writing:
            return None
        return LookNotes(
            self.looks, mailbox, self.looked_by, self.now, self.log, entrance.token_trouble
        )

    @property
    def looks(self) -> Path:
        """The directory of the notes on when each mailbox was looked at."""
        return self.config.state_dir / "looks"

    @property
    def checkpoints(self) -> Path:
        """The directory of what is settled in each mailbox."""
        return self.config.state_dir / "checkpoints"

    def connector(self, mailbox: MailboxConfig) -> Callable[[], imap.ImapMailbox]:
        """What opens a session with this mailbox, as the daemon does."""
        return self._connector(mailbox, entrance_of(mailbox, self.log, self.renewals).login)

    def _connector(
        self, mailbox: MailboxConfig, login: imap.Login
    ) -> Callable[[], imap.ImapMailbox]:
        account = self.account(mailbox, login)
        context = self.context(mailbox)
        pipelining = imap.Pipelining()  # outlives each session

        def connect() -> imap.ImapMailbox:
            try:
                return imap.ImapMailbox(
                    account, context(), self.log, self.now, pipelining=pipelining
                )
            except TokenCatcherError as error:
                error.mailbox = mailbox.name
                raise

        return connect

    def account(self, mailbox: MailboxConfig, login: imap.Login) -> imap.Account:
        """The mailbox as its adapter takes it."""
        return imap.Account(
            name=mailbox.name,
            host=mailbox.host,
            port=mailbox.port,
            tls=mailbox.tls,
            login=login,
            inbox=mailbox.folders.inbox,
            spam=mailbox.folders.spam,
            also=mailbox.folders.also,
            sender_domains=self.sender_domains(),
        )

    def context(self, mailbox: MailboxConfig) -> Callable[[], ssl.SSLContext]:
        """One for all mailboxes with the same authorities and certificate."""
        key = (mailbox.ca_file, mailbox.client_certificate)
        if key not in self._contexts:
            self._contexts[key] = context_of(mailbox)
        return self._contexts[key]

    def sender_domains(self) -> tuple[str, ...]:
        """Each once, the senders' first: what a search in the mailbox asks for.

        Those that sign as well: proven mail of a sender that is not listed is held, not missed."""
        trust = self.config.trust
        domains = [sender.rpartition("@")[2] for sender in trust.senders]
        return tuple(dict.fromkeys((*domains, *trust.signing_domains)))

    @cached_property
    def expiry(self) -> Expiry:
        """When our certificates end."""
        return Expiry(list(certificates_in(self.config)), self.now, self.log)

    @property
    def orgs(self) -> tuple[Org, ...]:
        """As they are configured, in the words of `proof`."""
        return self._terms.orgs

    def recorded_users(self) -> list[tuple[str, str]]:
        """Org and username of each that the journal has a token of. StateError: it is unusable."""
        return [
            (token.org, token.username)
            for token in self.journal.tokens()
            if token.org is not None and token.username is not None
        ]

    def org_terms(self) -> list[OrgTerms]:
        """The orgs, with what is asked of the age of their tokens."""
        return [OrgTerms(org.as_org(), org.max_age) for org in self.config.orgs]

    def path_of(self, org: str, username: str) -> str | None:
        """Where a token of this user of that org is written; None: nowhere."""
        return self._terms.path_of(org, username)

    @cached_property
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
            max_delay=trust.max_delay,
            clock_skew=trust.clock_skew,
        )

    def paths_of(self, username: str) -> dict[str, str]:
        """By org, where a token of this user may be written; nothing, if no org names the user."""
        terms = self._terms
        paths = {org.name: terms.path_of(org.name, username) for org in terms.orgs}
        return {org: path for org, path in paths.items() if path is not None}

    @property
    def remembered_names(self) -> tuple[str, ...]:
        """The keys of DNS that mail was verified with before."""
        return self._remembered_keys.names

    def is_key_known(self, name: str) -> bool:
        """Whether it is pinned, or mail was verified with it before."""
        return self._pinned_keys.knows(name) or self._remembered_keys.knows(name)

    def vault_clock(self) -> datetime | None:
        """What Vault's clock says; None: it does not say. Outage, AccessError: as any request."""
        address, *_others = vault_entrance.address_of(self.config.vault).each()
        transport = vault.Transport(address)
        try:
            return transport.clock()
        finally:
            transport.close()

    def refresh_keys(self) -> None:
        """Ask DNS whether it still has the keys that mail was verified with."""
        self._remembered_keys.refresh(self._pinned_keys)

    @cached_property
    def _remembered_keys(self) -> keys.RememberedKeys:
        """DNS, and what it said before."""
        published = keys.DnsKeys(monotonic=time.monotonic)
        path = self.config.state_dir / "keys.json"
        return keys.RememberedKeys(
            published, path, now=self.now, log=self.log, writing=self.writing
        )

    @cached_property
    def _pinned_keys(self) -> keys.PinnedKeys:
        """None of them, where the configuration names no file."""
        if self.config.trust.dkim_keys is None:
            return keys.PinnedKeys({})
        return keys.PinnedKeys.read(self.config.trust.dkim_keys)
