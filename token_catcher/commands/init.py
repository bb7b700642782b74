"""Writes a configuration: asks little, tries each answer by the steps of `check`.

What was answered by a flag is not asked, so that with all flags nobody is. A secret is never
written into the configuration and never shown: it is named by its file, which is made here where
somebody types it, or by a variable of the environment. The configuration appears as a whole, in the
end; whoever leaves before finds nothing that was not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from token_catcher import config, files, signals
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.check import tell
from token_catcher.commands.draft import (
    MailboxAnswers,
    OrgAnswers,
    VaultAnswers,
    draft,
    scalar,
)
from token_catcher.commands.presets import Preset, preset_of, preset_of_host
from token_catcher.commands.questions import Asker, Question
from token_catcher.diagnosis import Diagnosis, Step
from token_catcher.errors import ConfigurationError
from token_catcher.exchangers import exchangers_of
from token_catcher.model import Secret
from token_catcher.ports import Log

ADDRESS: Final = Question("--address", "The address that Salesforce writes to")
PORT: Final = Question("--port", "Its port")
CA_FILE: Final = Question("--ca-file", "A file with the authority that issued its certificate")
HOST: Final = Question("--host", "The IMAP server")
USERNAME: Final = Question("--username", "The login name there")
PASSWORD: Final = Question("--password", "The password's place: a file, or env:NAME")
OAUTH2: Final = Question(
    "--oauth2",
    "A section such as {provider: microsoft, tenant: …, client_id: …, certificate: {file:"
    " app.pem}} (docs/microsoft-365.md has the ways and their steps)",
)
ORG: Final = Question("--org", "A name for the Salesforce org")
USERS: Final = Question("--user", "Its usernames, or patterns such as *@acme.example")
ENVIRONMENT: Final = Question("--environment", "production or sandbox")
ORG_ID: Final = Question("--org-id", "Its organization id (00D…), if it is at hand")
MAX_AGE: Final = Question(
    "--max-age", "The age at which a token is told as overdue, such as 90d (empty: never)"
)
VAULT: Final = Question("--vault", "The address of Vault")
VAULT_CA: Final = Question("--vault-ca", "A file of its authorities, if not the system's")
MOUNT: Final = Question("--mount", "Where its KV engine is mounted")
ROLE_ID: Final = Question(
    "--role-id",
    "The role_id of the AppRole (`token-catcher init --vault-setup kv2` prints what makes one)",
)
SECRET_ID: Final = Question("--secret-id", "The secret_id's place: a file, or env:NAME")


@dataclass(frozen=True, slots=True)
class Flags:
    """What was typed behind the command; None: it is to be asked."""

    address: str | None = None
    host: str | None = None
    tls: str | None = None
    port: int | None = None
    ca_file: str | None = None
    username: str | None = None
    password: str | None = None
    oauth2: str | None = None
    org: str | None = None
    users: tuple[str, ...] = ()
    environment: str | None = None
    org_id: str | None = None
    max_age: str | None = None
    vault: str | None = None
    vault_ca: str | None = None
    vault_auth: str | None = None
    role_id: str | None = None
    secret_id: str | None = None
    mount: str | None = None
    state_dir: str | None = None


NO_FLAGS: Final = Flags()

OF_THE_PORT: Final = frozenset(("imap-connect", "imap-silent", "imap-tls"))
"""What is told of a server whose IMAP is at another port, or that speaks otherwise at this one."""
OF_THE_AUTHORITY: Final = "imap-certificate"
"""What is told of a certificate by an authority that the system does not have."""
PLAIN_PORT: Final = 143
USUAL_PORTS: Final = {"implicit": 993}
"""By `tls`; every other one begins in plain text."""


def before_an_org(steps: Iterable[Step]) -> Iterator[Step]:
    """What the steps say of a mailbox while no org is named: not that a user is nobody's.

    `check`, at the end, says that too."""
    return (step for step in steps if step.code != "held-unknown-user")


def keeping_failed(steps: Iterable[Step], failed: list[Step]) -> Iterator[Step]:
    """The same steps; those that fail are kept as they pass."""
    for step in steps:
        if step.outcome == "failed":
            failed.append(step)
        yield step


class Init:
    """One configuration in the making."""

    def __init__(
        self, file: Path, flags: Flags, asker: Asker, environ: Mapping[str, str], log: Log
    ) -> None:
        """`file`: where it is to be. `environ`: has defaults of Vault's section."""
        self._file = file
        self._flags = flags
        self._asker = asker
        self._environ = environ
        self._log = log
        self._made: list[Path] = []
        """Files of secrets that were typed."""
        self._may_replace = False
        """Whether a configuration that is there was given up."""

    def run(self, *, force: bool) -> None:
        """Ask, try, write. `force`: a file that is there is replaced unasked.

        ConfigurationError: an answer is missing or wrong, or the file is there and is to stay, or
        cannot be made. That is found out before anything is asked."""
        self._expect_directory()
        self._expect_free(force=force)
        with self._undone():
            mailbox = self._tried_mailbox()
            org = self._valid_org(mailbox)
            vault = self._tried_vault(mailbox, org)
            text = draft(self._state_dir, mailbox, org, vault)
            self._parsed(text)
            self._write(text)
        output.complain(f"token-catcher: wrote {self._file}")

    def _expect_directory(self) -> None:
        """Where the file can be made; what access(2) cannot tell shows when it is written."""
        directory = self._file.absolute().parent
        if not directory.is_dir():
            raise ConfigurationError(
                f"{directory}: is no directory, expected one that is there: make it first",
                code="configuration-file",
            )
        if not os.access(directory, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"{directory}: cannot be written, expected a directory that {self._file.name} can"
                " be made in",
                code="configuration-file",
            )
        if self._file.is_dir():
            raise ConfigurationError(
                f"{self._file}: is a directory, expected the name of a file",
                code="configuration-file",
            )

    def _expect_free(self, *, force: bool) -> None:
        self._may_replace = force
        if force or not files.may_exist(self._file):
            return
        question = f"{self._file} is there already. Replace it?"
        self._may_replace = self._asker.agrees(question, usual=False)
        if not self._may_replace:
            raise self._is_there()

    def _is_there(self) -> ConfigurationError:
        problem = f"{self._file}: is there already, expected --force, or another --output"
        return ConfigurationError(problem, code="usage")

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Without a configuration that names them, typed secrets are left nowhere."""
        try:
            yield
        except BaseException as error:  # Ctrl-C as well
            for file in self._made:
                with suppress(OSError):
                    file.unlink()
            if isinstance(error, signals.Ended):
                output.complain("\ntoken-catcher: ended; nothing was written")
            raise

    @property
    def _state_dir(self) -> str:
        if self._flags.state_dir is not None:
            return self._flags.state_dir
        directory = self._file.absolute().parent
        if directory.is_relative_to("/etc"):
            return str(config.STATE_DIR)
        return str(directory / "state")

    # -- the mailbox --

    def _tried_mailbox(self) -> MailboxAnswers:
        answers = self._ask_mailbox(self._flags)
        while True:
            failed = self._failures(answers)
            if failed is not None and not failed:
                return answers
            other = self._reached_otherwise(answers, failed or [])
            if other is None:
                if not self._again():
                    return answers
                # What the flags said is asked as well, once it did not do.
                other = self._ask_mailbox(NO_FLAGS, answers)
            answers = other

    def _reached_otherwise(
        self, answers: MailboxAnswers, failed: Sequence[Step]
    ) -> MailboxAnswers | None:
        """With another port or authority, where the first try says that it takes one.

        None: it says something else, or nobody has a better answer."""
        if not self._asker.is_interactive:
            return None
        codes = {step.code for step in failed}
        if OF_THE_AUTHORITY in codes:
            ca_file = self._asker.ask_freely(CA_FILE)
            if ca_file and ca_file != answers.ca_file:
                return replace(answers, ca_file=ca_file)
        elif codes & OF_THE_PORT:
            usual = answers.port or USUAL_PORTS.get(answers.tls, PLAIN_PORT)
            port = self._port(usual)
            if port != usual:
                return replace(answers, port=port)
        return None

    def _port(self, usual: int) -> int:
        while True:
            answer = self._asker.ask_freely(PORT, str(usual))
            if answer.isascii() and answer.isdigit():
                return int(answer)
            output.complain(f"got {answer!r}, expected the number of a port")

    def _again(self) -> bool:
        """Whether somebody is there to answer otherwise, and wants to."""
        return self._asker.is_interactive and self._asker.agrees(
            "Change these answers?", usual=True
        )

    def _ask_mailbox(self, flags: Flags, before: MailboxAnswers | None = None) -> MailboxAnswers:
        """`before`: the answers that did not do."""
        usual = before or MailboxAnswers(
            "", "", "", "", port=self._flags.port, ca_file=self._flags.ca_file
        )
        address = flags.address or self._asker.ask(ADDRESS, usual.address)
        domain = address.rpartition("@")[2]
        preset = preset_of(domain, exchangers_of(domain)) or Preset("", f"imap.{domain}")
        _tell_of(preset, domain)
        host = flags.host or self._asker.ask(HOST, usual.host or preset.host)
        by_host = preset_of_host(host)
        if by_host not in (None, preset):
            # A company's own domain tells nothing where its mail comes in by a gateway.
            preset = by_host
            _tell_of(preset, host)
        return MailboxAnswers(
            address=address,
            host=host,
            username=flags.username or self._asker.ask(USERNAME, usual.username or address),
            login=self._login(flags, preset),
            tls=self._flags.tls or "implicit",
            port=usual.port,
            ca_file=usual.ca_file,
            trust=preset.trust,
            provider=preset.name,
        )

    def _login(self, flags: Flags, preset: Preset) -> str:
        """As it stands in the file."""
        if flags.oauth2 is not None:
            return f"oauth2: {flags.oauth2}"
        if flags.password is None and not preset.takes_passwords:
            return f"oauth2: {self._asker.ask(OAUTH2)}"
        place = flags.password or self._asker.ask(PASSWORD, "imap-password")
        return f"password: {self._reference(place, 'The password')}"

    def _failures(self, answers: MailboxAnswers) -> list[Step] | None:
        """The steps that fail, once each was told. None: the answers make no configuration."""
        diagnosis = self._diagnosis(draft(self._state_dir, answers))
        if diagnosis is None:
            return None
        failed: list[Step] = []
        tell(keeping_failed(before_an_org(diagnosis.mailboxes_steps()), failed), as_json=False)
        return failed

    # -- the org --

    def _valid_org(self, mailbox: MailboxAnswers) -> OrgAnswers:
        flags = self._flags
        while True:
            answers = self._ask_org(flags)
            if self._diagnosis(draft(self._state_dir, mailbox, answers)) is not None:
                return answers
            flags = NO_FLAGS

    def _ask_org(self, flags: Flags) -> OrgAnswers:
        name = flags.org or self._asker.ask(ORG, "production")
        users = flags.users or tuple(self._asker.ask(USERS).replace(",", " ").split())
        environment = flags.environment or self._asker.ask_freely(ENVIRONMENT, "production")
        org_id = flags.org_id or self._asker.ask_freely(ORG_ID)
        max_age = flags.max_age or self._asker.ask_freely(MAX_AGE)
        return OrgAnswers(name, users, environment, org_id or None, max_age or None)

    # -- Vault --

    def _tried_vault(self, mailbox: MailboxAnswers, org: OrgAnswers) -> VaultAnswers:
        answers = self._ask_vault(self._flags)
        while not self._takes(mailbox, org, answers):
            if not self._again():
                break
            answers = self._ask_vault(NO_FLAGS)
        return answers

    def _ask_vault(self, flags: Flags) -> VaultAnswers:
        usual = self._environ.get("BAO_ADDR") or self._environ.get("VAULT_ADDR")
        address = flags.vault or self._asker.ask(VAULT, usual)
        ca_file = flags.vault_ca
        if ca_file is None and address.startswith("https:"):
            ca_file = self._asker.ask_freely(VAULT_CA) or None
        mount = flags.mount or self._asker.ask(MOUNT, "secret")
        return VaultAnswers(address, self._auth(flags), ca_file, mount)

    def _auth(self, flags: Flags) -> str:
        """As it stands in the file."""
        if flags.vault_auth is not None:
            return flags.vault_auth
        role_id = flags.role_id or self._asker.ask(ROLE_ID)
        place = flags.secret_id or self._asker.ask(SECRET_ID, "vault-secret-id")
        secret_id = self._reference(place, "The secret_id")
        return f"{{method: approle, role_id: {scalar(role_id)}, secret_id: {secret_id}}}"

    def _takes(self, mailbox: MailboxAnswers, org: OrgAnswers, vault: VaultAnswers) -> bool:
        diagnosis = self._diagnosis(draft(self._state_dir, mailbox, org, vault))
        if diagnosis is None:
            return False
        return not tell(diagnosis.vault_steps(), as_json=False)["failed"]

    # -- files --

    def _reference(self, place: str, what: str) -> str:
        """The place of a secret, as it stands in the file. It is made, where somebody types it."""
        # A path may hold a colon, so that only these two words before one mean something.
        kind, separator, name = place.partition(":")
        if not separator or kind not in ("file", "env"):
            kind = "file"
            name = place
        if kind == "file" and self._asker.is_interactive:
            self._offer_to_make(self._file.absolute().parent / name, what)
        return f"{{{kind}: {scalar(name)}}}"

    def _offer_to_make(self, file: Path, what: str) -> None:
        if files.may_exist(file):
            return
        if not self._asker.agrees(f"{file} is not there. Type what belongs into it?", usual=True):
            return
        secret = self._asker.ask_secret(f"{what} (it is not shown)")
        self._made.append(file)
        write_secret(file, secret)

    def _diagnosis(self, text: str) -> Diagnosis | None:
        """Of what this would configure. None: somebody is there to mend what was told to be wrong.

        ConfigurationError: it is wrong, and nobody is."""
        try:
            parsed = self._parsed(text)
        except ConfigurationError as error:
            if not self._asker.is_interactive:
                raise
            output.complain(str(error))
            return None
        app = App(parsed, self._log, writing=False)
        return Diagnosis(app, self._file, parsed.mailboxes, write_test=False)

    def _parsed(self, text: str) -> config.Config:
        return config.from_text(text.encode(), self._file, self._environ, secrets=False)

    def _write(self, text: str) -> None:
        # Somebody may have made it while the questions were asked.
        if not self._may_replace and files.may_exist(self._file):
            raise self._is_there()
        try:
            files.replace(self._file, text.encode())
        except OSError as error:
            raise ConfigurationError(
                f"{self._file}: cannot be written: {error.strerror}", code="configuration-file"
            ) from None


def _tell_of(preset: Preset, place: str) -> None:
    """Whose it is, and what a login takes there. `place`: a domain or a host."""
    if preset.note:
        output.complain(f"{place}: {preset.name}; it takes {preset.note}")


def write_secret(file: Path, secret: Secret) -> None:
    """For us alone, as a whole. ConfigurationError: it cannot be written."""
    try:
        files.replace(file, f"{secret.reveal()}\n".encode())
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be written: {error.strerror}", code="configuration-file"
        ) from None
