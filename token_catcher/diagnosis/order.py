"""All areas in their order: what the later ones build on comes first.

Nothing is changed by it: no checkpoint, no record, no memory of keys. Only a refresh token that a
login renews is kept in its file, as the daemon keeps it, since the old one may be used up by that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final

from token_catcher.app import App
from token_catcher.config import Config, MailboxConfig, load
from token_catcher.diagnosis.about import About, within
from token_catcher.diagnosis.anchored import AnchorLook
from token_catcher.diagnosis.clock import arrival_step, clock_step
from token_catcher.diagnosis.configuration import configuration_steps, refusal_steps
from token_catcher.diagnosis.local_files import file_steps
from token_catcher.diagnosis.local_record import disk_steps, journal_steps
from token_catcher.diagnosis.mail_server import AREA as IMAP
from token_catcher.diagnosis.mail_server import MailServer
from token_catcher.diagnosis.receivers import receiver_steps
from token_catcher.diagnosis.resolver import dns_steps, key_step
from token_catcher.diagnosis.step import Step
from token_catcher.diagnosis.users import users_of
from token_catcher.diagnosis.vault import vault_steps
from token_catcher.diagnosis.window import LOOKED_AT_WITHIN, Look, WayTerms, Window, window_steps
from token_catcher.errors import ConfigurationError, StateError, TokenCatcherError
from token_catcher.journal_keys import keyring_of
from token_catcher.keys import DnsKeys
from token_catcher.logins import entrance_of
from token_catcher.lookup import Lookup
from token_catcher.receivers import receivers_in

LOOK_LIMIT: Final = LOOKED_AT_WITHIN + 30.0
"""Seconds: the look ends by itself before, unless a single answer takes that long."""


LOADED_WITHIN: Final = 10.0
"""Seconds: the configuration and the files that it names, which may be on a network disk."""
RENEWED_WITHIN: Final = 7.0
"""Seconds that a renewal on its way has, to be kept, when everything ends."""


class Diagnosis:
    """One diagnosis of a whole set-up."""

    def __init__(
        self, app: App, file: Path, mailboxes: Sequence[MailboxConfig], *, write_test: bool
    ) -> None:
        """`app`: one that writes nothing. `file`: its configuration's, for messages.

        `write_test`: write, read and remove a secret beside those of the users."""
        self._app = app
        self._config: Config = app.config
        self._file = file
        self._mailboxes = mailboxes
        self._write_test = write_test
        self._keys = DnsKeys(monotonic=time.monotonic)
        self._terms = WayTerms(
            self._config.trust.policy,
            self._config.trust.signing_domains,
            self._config.trust.authserv_ids,
            self._config.trust.authserv_zone,
        )

    def steps(self) -> Iterator[Step]:
        """Each as soon as it is known. Raises nothing of `errors`."""
        yield from configuration_steps(self._config, self._file)
        yield from self._file_steps()
        # A wrong clock explains what certificates and logins say later.
        yield clock_step("Vault", self._app.vault_clock, self._app.now)
        yield from self._dns_steps()
        yield from self.mailboxes_steps()
        yield from self.vault_steps()
        yield from receiver_steps(receivers_in(self._config, self._app.now))
        yield from self._journal_steps()
        yield from disk_steps([self._config.state_dir, self._config.journal_file.parent])

    def _journal_steps(self) -> Iterator[Step]:
        anchor = None
        if self._config.journal.anchor:
            # Before the records are read: the daemon may move it on meanwhile.
            store = self._app.store
            look = AnchorLook(store.inspection, store.anchor(self._config.instance))
            yield look.step()
            anchor = look.head
        keys = partial(keyring_of, self._config.journal.key)
        yield from journal_steps(self._config.journal_file, keys=keys, anchor=anchor)

    def _file_steps(self) -> Iterator[Step]:
        """Each file; then what the daemon refuses that only what is in these files can say."""
        told = []
        for step in file_steps(self._config, self._app.now):
            if step.outcome == "failed":
                told.append(step.saw)
            yield step
        try:
            within(LOADED_WITHIN, partial(load, self._file, os.environ))
        except ConfigurationError as error:
            for step in refusal_steps(error, str(self._file)):
                # A file that is not there was told by its own step.
                if not step.saw.endswith(tuple(told)):
                    yield step
        except TokenCatcherError:  # a disk that hangs, which the steps of the files have told
            return

    def _dns_steps(self) -> Iterator[Step]:
        trust = self._config.trust
        if not self._asks_dns:
            yield About("dns").skipped("resolver", f"policy {trust.policy} asks for no keys")
            return
        yield from dns_steps(
            self._keys,
            trust.signing_domains,
            self._app.remembered_names,
            is_vital=trust.policy != "auto" and trust.dkim_keys is None,
        )

    @property
    def _asks_dns(self) -> bool:
        return self._config.trust.policy in ("dkim", "auto", "both")

    def mailboxes_steps(self) -> Iterator[Step]:
        """Each mailbox, up to the look at its mail."""
        try:
            for mailbox in self._mailboxes:
                yield from self._mailbox_steps(mailbox)
        finally:
            # Also where Ctrl-C leaves the thread of a step behind: a renewal counts once.
            self._app.renewals.end(RENEWED_WITHIN)

    def _mailbox_steps(self, mailbox: MailboxConfig) -> Iterator[Step]:
        about = About(IMAP, mailbox.name)
        try:
            server = self._server(mailbox)
        except TokenCatcherError as error:
            yield about.failed("login", str(error), error.code)
            return
        with closing(server):
            yield from server.steps()
            yield from self._look_steps(mailbox, server, about)

    def _server(self, mailbox: MailboxConfig) -> MailServer:
        """ConfigurationError: what its login needs is not installed, or cannot be."""
        entrance = entrance_of(mailbox, self._app.log, self._app.renewals)
        return MailServer(
            mailbox,
            self._app.account(mailbox, entrance.login),
            entrance,
            self._app.context(mailbox),
            now=self._app.now,
            log=self._app.log,
        )

    def _look_steps(
        self, mailbox: MailboxConfig, server: MailServer, about: About
    ) -> Iterator[Step]:
        if server.session is None:
            yield about.skipped("mail", "builds on open")
            return
        # Made when it is first asked for, and pinned keys are read for it.
        try:
            judge = self._app.judge
        except ConfigurationError:
            yield about.skipped("mail", "the pinned keys cannot be used (see configuration)")
            return
        look = Look(judge, mailbox.addresses, self._terms, stored=self._stored_mails())
        lookup = Lookup(server.session, self._app.sender_domains())
        horizon = self._app.now() - mailbox.lookback
        try:
            window = within(LOOK_LIMIT, partial(look.over, lookup, horizon))
        except TokenCatcherError as error:
            step = about.failed("mail", str(error), error.code)
            server.leave(step)
            yield step
            return
        yield from window_steps(mailbox.name, window, self._terms, mailbox.lookback.days)
        if window.newest is not None:
            yield arrival_step(mailbox.name, window.newest, self._app.now())
        yield from self._new_keys_steps(window)

    def _stored_mails(self) -> frozenset[str]:
        """The mail of each user's newest token, by its digest. What is wrong with the journal is
        told at its own turn."""
        with suppress(StateError):
            return frozenset(record.entry.mail for record in self._app.journal.newest_tokens())
        return frozenset()

    def vault_steps(self) -> Iterator[Step]:
        """Vault; each request has a limit of its own."""
        inspection = self._app.store.inspection
        return vault_steps(inspection, users_of(self._app), write_test=self._write_test)

    def _new_keys_steps(self, window: Window) -> Iterator[Step]:
        """Whether DNS has the keys that the mail of the window names."""
        if not self._asks_dns:
            return
        names = dict.fromkeys(name for way in window.ways for name in way.key_names)
        for name in names:
            if not self._app.is_key_known(name):
                yield key_step(self._keys, name)
