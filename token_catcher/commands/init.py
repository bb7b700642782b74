"""Writes a configuration: asks little, tries each answer by the steps of `check`.

What was answered by a flag is not asked, so that with all flags nobody is. A secret is never
written into the configuration and never shown: it is named by its file, which is made here where
somebody types it, or by a variable of the environment. The configuration appears as a whole, in the
end; whoever leaves before finds nothing that was not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from token_catcher import config, files
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
from token_catcher.commands.presets import Preset, preset_of
from token_catcher.commands.questions import Asker, Question
from token_catcher.diagnosis import Diagnosis, Step
from token_catcher.errors import ConfigurationError
from token_catcher.exchangers import exchangers_of
from token_catcher.model import Secret
from token_catcher.ports import Log

ADDRESS: Final = Question("--address", "The address that Salesforce writes to")
HOST: Final = Question("--host", "The IMAP server")
USERNAME: Final = Question("--username", "The login name there")
PASSWORD: Final = Question("--password", "The password's place: a file, or env:NAME")
OAUTH2: Final = Question(
    "--oauth2", "A section such as {provider: microsoft, …} (docs/mailboxes.md)"
)
ORG: Final = Question("--org", "A name for the Salesforce org")
USERS: Final = Question("--user", "Its usernames, or patterns such as *@acme.example")
ENVIRONMENT: Final = Question("--environment", "production or sandbox")
ORG_ID: Final = Question("--org-id", "Its organization id (00D…), if it is at hand")
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
    vault: str | None = None
    vault_ca: str | None = None
    vault_auth: str | None = None
    role_id: str | None = None
    secret_id: str | None = None
    mount: str | None = None
    state_dir: str | None = None


NO_FLAGS: Final = Flags()


def before_an_org(steps: Iterable[Step]) -> Iterator[Step]:
    """What the steps say of a mailbox while no org is named: not that a user is nobody's.

    `check`, at the end, says that too."""
    return (step for step in steps if step.code != "held-unknown-user")


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

    def run(self, *, force: bool) -> None:
        """Ask, try, write. `force`: a file that is there is replaced unasked.

        ConfigurationError: an answer is missing or wrong, or the file is there and is to stay."""
        self._expect_free(force=force)
        with self._undone():
            mailbox = self._tried_mailbox()
            org = self._valid_org(mailbox)
            vault = self._tried_vault(mailbox, org)
            text = draft(self._state_dir, mailbox, org, vault)
            self._parsed(text)
            self._write(text)
        output.complain(f"token-catcher: wrote {self._file}")

    def _expect_free(self, *, force: bool) -> None:
        if force or not files.may_exist(self._file):
            return
        if not self._asker.agrees(f"{self._file} is there already. Replace it?", usual=False):
            raise ConfigurationError(
                f"{self._file}: is there already, expected --force, or another --output",
                code="usage",
            )

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Without a configuration that names them, typed secrets are left nowhere."""
        try:
            yield
        except BaseException:  # Ctrl-C as well
            for file in self._made:
                with suppress(OSError):
                    file.unlink()
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
        # What the flags said is asked as well, once it did not do.
        while not self._opens(answers):
            if not self._again():
                break
            answers = self._ask_mailbox(NO_FLAGS, answers)
        return answers

    def _again(self) -> bool:
        """Whether somebody is there to answer otherwise, and wants to."""
        return self._asker.is_interactive and self._asker.agrees(
            "Change these answers?", usual=True
        )

    def _ask_mailbox(self, flags: Flags, before: MailboxAnswers | None = None) -> MailboxAnswers:
        """`before`: the answers that did not do."""
        usual = before or MailboxAnswers("", "", "", "")
        address = flags.address or self._asker.ask(ADDRESS, usual.address)
        domain = address.rpartition("@")[2]
        preset = preset_of(domain, exchangers_of(domain)) or Preset("", f"imap.{domain}")
        if preset.note:
            output.complain(f"{domain}: {preset.name}; it takes {preset.note}")
        return MailboxAnswers(
            address=address,
            host=flags.host or self._asker.ask(HOST, usual.host or preset.host),
            username=flags.username or self._asker.ask(USERNAME, usual.username or address),
            login=self._login(flags, preset),
            tls=self._flags.tls or "implicit",
            port=self._flags.port,
            ca_file=self._flags.ca_file,
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

    def _opens(self, answers: MailboxAnswers) -> bool:
        diagnosis = self._diagnosis(draft(self._state_dir, answers))
        if diagnosis is None:
            return False
        steps = before_an_org(diagnosis.mailboxes_steps())
        return not tell(steps, as_json=False)["failed"]

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
        return OrgAnswers(name, users, environment, org_id or None)

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
        try:
            files.replace(self._file, text.encode())
        except OSError as error:
            raise ConfigurationError(
                f"{self._file}: cannot be written: {error.strerror}", code="configuration-file"
            ) from None


def write_secret(file: Path, secret: Secret) -> None:
    """For us alone, as a whole. ConfigurationError: it cannot be written."""
    try:
        files.replace(file, f"{secret.reveal()}\n".encode())
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be written: {error.strerror}", code="configuration-file"
        ) from None
