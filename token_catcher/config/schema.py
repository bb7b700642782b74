"""Every key of the configuration: its kind, its default, and a sentence for people and editors.

What a key alone can tell is tested by its kind, what it needs of its neighbours by a validator
below it; what needs two mailboxes or orgs is in `checks`. Values are frozen, unknown keys are
errors, nothing is converted.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from token_catcher.config import kinds, units
from token_catcher.config.after_capture import AfterCapture
from token_catcher.config.forms import is_address, is_loopback
from token_catcher.config.kinds import Origin
from token_catcher.config.notify import Receivers
from token_catcher.config.oauth import OAuth2
from token_catcher.config.problems import Wrong
from token_catcher.config.secret import SecretDocument, SecretKey, SecretSource
from token_catcher.config.section import ClientCertificate, Section
from token_catcher.config.surroundings import Sources, source_of
from token_catcher.config.vault_auth import CertAuth, VaultAuth
from token_catcher.config.verify import VerifyConfig
from token_catcher.ports import MailAction, MoveTo
from token_catcher.proof import Org
from token_catcher.record import SHORTEST_KEY, Keyring

Policy = Literal[
    "dkim", "authentication-results", "auto", "both", "insecure-accept-unauthenticated"
]
READ_RESULTS: Final = ("authentication-results", "auto", "both")
"""The policies that read Authentication-Results."""
STATE_DIR: Final = Path("/var/lib/token-catcher")
"""Where our own files are, unless the configuration says otherwise."""
IMAP_PORTS: Final = {"implicit": 993, "starttls": 143, "none": 143}
"""The usual port, by tls."""
OUR_FIELDS: Final = (
    "security_token_issued_at",
    "security_token_dated_at",
    "security_token_captured_at",
    "security_token_captured_by",
    "security_token_fingerprint",
    "security_token_mail",
    "security_token_writer",
    "security_token_version",
)
"""What stands beside the token in Vault."""


ANY: Final = "*"
MAX_FOLDERS: Final = 10
"""Watched folders of a mailbox. Each may take a connection of its own to listen on, and servers
allow 10 to 15 for an account."""


class Folders(Section):
    """The watched folders."""

    inbox: kinds.Text = "INBOX"
    """The folder that new mail arrives in."""
    spam: kinds.Text | None = "auto"
    """auto: the folder with the special use \\Junk, else one of a known name; a name: that folder;
    null: none."""
    also: tuple[kinds.Text, ...] = ()
    """Further folders, where a filter files mail away; at most eight, so ten in all."""

    @field_validator("also")
    @classmethod
    def _each_once(cls, also: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        named = [info.data.get("inbox"), info.data.get("spam")]
        for name in also:
            if name in named:
                raise Wrong("each watched folder once", f"{name!a} twice")
            named.append(name)
        most = MAX_FOLDERS - 2
        if len(also) > most:
            raise Wrong(f"at most {most} folders besides inbox and spam", f"{len(also)}")
        return also


def _is_same_folder(name: str, other: str | None) -> bool:
    """INBOX is INBOX in any case (RFC 3501, section 5.1)."""
    return name == other or (
        name.upper() == "INBOX" and other is not None and other.upper() == "INBOX"
    )


def _usual_port(known: Mapping[str, Any]) -> int:
    return IMAP_PORTS[known["tls"]]


def _own_address(known: Mapping[str, Any]) -> tuple[str, ...]:
    username = known["username"]
    if is_address(username):
        return (username,)
    return ()  # `_at_least_one` says what to do


class MailboxConfig(Section):
    """One IMAP account."""

    name: kinds.Name
    """Unique; stands in logs, metrics and the journal."""
    host: kinds.Host
    """The IMAP server."""
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    """implicit, starttls, or none (only to loopback)."""
    port: kinds.Port = Field(default_factory=_usual_port)
    """Default by tls: 993 implicit, 143 otherwise."""
    ca_file: kinds.AuthoritiesFile | None = None
    """Certificate authorities (PEM) in place of the system's."""
    username: kinds.Text
    """The login name."""
    password: SecretKey | None = None
    """The login password: {file: PATH} or {env: NAME}."""
    oauth2: OAuth2 | None = None
    """In place of a password: how access tokens are got, by provider."""
    client_certificate: ClientCertificate | None = None
    """Who we are, where the server's TLS asks; also the login (SASL EXTERNAL), where neither a
    password nor oauth2 is given."""
    addresses: tuple[kinds.OwnAddress, ...] = Field(default_factory=_own_address, min_length=1)
    """The To addresses that are ours, or patterns in which * stands for any characters. Default:
    username, where it is an address."""
    folders: Folders = Folders()
    """The watched folders: inbox, spam, and further ones."""
    after_capture: AfterCapture = None
    """What is done to a settled token mail (stored, unchanged), after its record, and to no other:
    none; seen; {flag: NAME}; {move: FOLDER}; delete. Moved and deleted mail cannot bring back a
    token that Vault lost."""
    idle: kinds.Flag = True
    """Whether the server may tell of new mail at once (IMAP IDLE)."""
    poll: kinds.Duration = timedelta(seconds=60)
    """How often to look in any case."""
    lookback: kinds.Duration = timedelta(days=14)
    """How old mail may be that is still looked at."""

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if self.password is not None and self.oauth2 is not None:
            raise Wrong("password or oauth2", "both")
        if (self.password, self.oauth2, self.client_certificate) == (None, None, None):
            raise Wrong("one of password, oauth2, client_certificate", "none of them")
        return self

    @field_validator("after_capture")
    @classmethod
    def _moves_elsewhere(cls, action: MailAction | None, info: ValidationInfo) -> MailAction | None:
        """Moved into a watched folder, each mail would come back."""
        folders = info.data.get("folders")
        if not isinstance(action, MoveTo) or folders is None:
            return action
        watched = (folders.inbox, folders.spam, *folders.also)
        if any(_is_same_folder(action.folder, name) for name in watched):
            raise Wrong(
                "another one: from there, each mail would come back",
                f"{action.folder!a}, a watched folder",
            )
        return action

    @field_validator("addresses", mode="before")
    @classmethod
    def _at_least_one(cls, addresses: Any, info: ValidationInfo) -> Any:
        # A username that is wrong itself is not among the data.
        if addresses == () and not is_address(info.data.get("username", "x@y.example")):
            raise Wrong(
                "the To addresses that are ours, such as [sf-integration@example.com]",
                "none, and username is not an address",
            )
        return addresses

    @field_validator("tls")
    @classmethod
    def _plaintext_stays_here(cls, tls: str, info: ValidationInfo) -> str:
        # A host that is wrong itself is not among the data.
        if tls == "none" and "host" in info.data and not is_loopback(info.data["host"]):
            raise Wrong(
                "implicit or starttls: plaintext is only for loopback",
                f"none for the host {info.data['host']}",
            )
        return tls


class OrgConfig(Section):
    """One Salesforce org, and its users that may be written."""

    name: kinds.OrgName
    """Unique; stands for {org} in the path."""
    environment: Literal["production", "sandbox"] | None = None
    """production: mail whose subject begins with `Sandbox: ` is held; sandbox: without an org_id,
    mail that does not begin so; null: not checked."""
    usernames: tuple[kinds.Username, ...] = Field(min_length=1)
    """Names, or patterns in which * stands for any characters; case is ignored."""
    org_id: kinds.OrgId | None = None
    """00D…: mail must reveal that it comes from this org; null: from that of the first mail."""
    max_age: kinds.Duration | None = None
    """A token that was issued longer ago than this is reported overdue; null: none is."""
    login_host: kinds.LoginHost | None = None
    """Where its users log in, for the proof by login: its My Domain, say. null: verify.host, and
    test.salesforce.com for a sandbox."""

    def as_org(self) -> Org:
        """In the words of `proof`."""
        return Org(self.name, self.usernames, self.environment, self.org_id)


def each_address(address: str | tuple[str, ...]) -> tuple[str, ...]:
    """Of Vault: the one, or those of the nodes of one cluster."""
    if isinstance(address, str):
        return (address,)
    return address


def _address_may_be_left_out(schema: dict[str, Any]) -> None:
    """An editor does not know the environment."""
    schema["required"].remove("address")


class VaultConfig(Section):
    """HashiCorp Vault or OpenBao."""

    model_config = ConfigDict(json_schema_extra=_address_may_be_left_out)

    address: kinds.VaultAddresses
    """Where it is, with the path that a reverse proxy wants; unix:///PATH for the socket of an
    Agent; plain http only to loopback; or a list, of the nodes of one cluster. Default: BAO_ADDR or
    VAULT_ADDR of the environment."""
    namespace: kinds.VaultPath | None = None
    """The namespace (Vault Enterprise, OpenBao). Default: BAO_NAMESPACE or VAULT_NAMESPACE."""
    ca_file: kinds.AuthoritiesFile | None = None
    """Certificate authorities (PEM) in place of the system's. Default: BAO_CACERT or
    VAULT_CACERT."""
    client_certificate: ClientCertificate | None = None
    """Who we are, where Vault's TLS asks. Default: BAO_CLIENT_CERT and BAO_CLIENT_KEY, or
    VAULT_…."""
    auth: VaultAuth
    """How to log in."""
    kv_version: kinds.KvVersion = 2
    """Of the KV engine at the mount. 1, on purpose: without check-and-set, so that two writers at
    one moment overwrite each other, and without history."""
    on_deleted: Literal["hold", "write"] = "hold"
    """What becomes of a token whose secret a person deleted: it is held, or written. A secret that
    only expired is always written."""
    mount: kinds.VaultPath = "secret"
    """Where the KV engine is mounted."""
    path: kinds.PathTemplate = "salesforce/{org}/{username}"
    """Below the mount; {org} and {username} are filled in."""
    field: kinds.FieldName = "security_token"
    """Where the token is kept in the secret; other fields survive."""

    @field_validator("auth")
    @classmethod
    def _has_a_certificate_to_show(cls, auth: Section, info: ValidationInfo) -> Section:
        # What is wrong itself is not among the data.
        if not isinstance(auth, CertAuth) or not {"address", "client_certificate"} <= set(
            info.data
        ):
            return auth
        if info.data["client_certificate"] is None:
            raise Wrong("vault.client_certificate beside it, to be shown", "cert without one")
        if not all(url.startswith("https:") for url in each_address(info.data["address"])):
            raise Wrong("an https:// address: TLS shows the certificate", "cert without TLS")
        return auth

    @field_validator("field")
    @classmethod
    def _not_beside_itself(cls, field: str) -> str:
        if field in OUR_FIELDS:
            raise Wrong("another name than those of the fields beside it")
        return field


class TrustConfig(Section):
    """What proves a mail genuine."""

    policy: Policy = "dkim"
    """dkim: Salesforce's signature; authentication-results: the receiving server's assessment;
    auto: the second where the first cannot tell; both; insecure-accept-unauthenticated: nothing at
    all."""
    senders: tuple[kinds.Address, ...] = Field(
        default=("support@salesforce.com", "support@emea.salesforce.com"), min_length=1
    )
    """From must be exactly one of these; proven mail from others of a signing domain is held."""
    signing_domains: tuple[kinds.Domain, ...] = Field(default=("salesforce.com",), min_length=1)
    """Whose DKIM signatures count."""
    subjects: tuple[kinds.Subject, ...] = Field(
        default=("Your new Salesforce security token",), min_length=1
    )
    """Exact subjects, without `Sandbox: `; other genuine token mail is held."""
    subject_tags: tuple[kinds.SubjectTag, ...] = ()
    """What the mail system puts in front of a subject, such as [EXTERNAL]: taken off before
    `Sandbox: ` is looked for."""
    max_delay: kinds.Duration = timedelta(hours=24)
    """How long after its Date a mail may arrive; later ones are held."""
    clock_skew: kinds.Duration = timedelta(hours=1)
    """How long before its Date a mail may arrive; earlier ones are held."""
    authserv_ids: tuple[kinds.AuthservId, ...] = ()
    """The names our receiving server gives itself in Authentication-Results; '' where it gives none
    (Microsoft 365), *.example.com for one host name below."""
    authserv_zone: kinds.Zone = "above-first-received"
    """Where in the header it writes them: above-first-received, {received_above: N}, or unique
    (anywhere, one for each id)."""
    dkim_keys: kinds.ReadableFile | None = None
    """A file of pinned keys, asked before DNS: `SELECTOR._domainkey.DOMAIN  v=DKIM1; …` a line."""

    @field_validator("authserv_ids")
    @classmethod
    def _names_where_believed(cls, ids: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not ids and info.data.get("policy") in READ_RESULTS:
            policy = info.data["policy"]
            expected = f"the names of the receiving server, which the policy {policy} believes"
            raise Wrong(expected, "an empty list")
        return ids


class JournalConfig(Section):
    """The rotation record."""

    file: kinds.FilePath | None = None
    """Default: journal.jsonl in state_dir."""
    key: SecretDocument | None = None
    """A secret of at least 32 characters: each record is then written with it (HMAC-SHA256), so
    that who can write the files cannot write them anew. One key a line, the newest first: the
    others verify what was written before. The fingerprints in them are keyed as well."""
    anchor: kinds.Flag = False
    """Whether the number and hash of the last record are kept in Vault as well, in
    token-catcher/journal/INSTANCE below the mount, once a minute at most: there a cut tail shows.
    Wants vault.kv_version 2."""
    archive_at: kinds.ByteSize = units.Size(64_000_000)
    """The size at which the file is closed, renamed to journal-000001.jsonl and so on, and carried
    on in a new one."""

    @field_validator("key")
    @classmethod
    def _is_long_enough(cls, key: SecretSource | None, info: ValidationInfo) -> SecretSource | None:
        if key is not None and Origin.of(info).secrets:
            try:
                Keyring.of(key.look())
            except ValueError as error:
                expected = f"at least {SHORTEST_KEY} characters a line: openssl rand -hex 32"
                raise Wrong(expected, str(error)) from None
        return key


class HttpConfig(Section):
    """The page, health and metrics."""

    listen: kinds.ListenAddress | None = None
    """HOST:PORT, or a port on the loopback; null: off."""
    token: SecretKey | None = None
    """What opens the page, which names users; without one it is served on the loopback alone. The
    other paths need none."""


class LogConfig(Section):
    """What is told on standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON otherwise."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is told at least."""


class ShardConfig(Section):
    """Which part of the mailboxes this instance watches."""

    count: kinds.Count
    """How many instances there are."""
    index: kinds.ShardIndex
    """Which of them this one is, from 0; auto: the number at the end of the host name (a
    StatefulSet's ordinal)."""
    replicas: kinds.Count = 1
    """How many instances watch each mailbox."""

    @field_validator("index", "replicas")
    @classmethod
    def _within_count(cls, value: int | str, info: ValidationInfo) -> int | str:
        count = info.data.get("count")
        if count is None or not isinstance(value, int):
            return value
        # An index counts from 0.
        if info.field_name == "index" and value >= count:
            raise Wrong(f"less than count ({count})")
        if value > count:
            raise Wrong(f"at most count ({count})")
        return value


class Config(Section):
    """The whole configuration, with every default filled in."""

    # What holds for a directory that is named holds for this one.
    state_dir: kinds.StateDirectory = Field(default=STATE_DIR, validate_default=True)
    """Our own files: checkpoints, and the journal unless it is set apart. Nobody else may write
    it."""
    instance: kinds.InstanceName = Field(default_factory=socket.gethostname)
    """This instance's name, kept in Vault and journal beside what it wrote. Default: the host
    name."""
    mailboxes: tuple[MailboxConfig, ...] = Field(min_length=1)
    """The IMAP accounts to watch."""
    orgs: tuple[OrgConfig, ...] = Field(min_length=1)
    """The Salesforce orgs, with every user that may be written, by name or pattern."""
    vault: VaultConfig
    """Where tokens go."""
    trust: TrustConfig = TrustConfig()
    """What proves a mail genuine, and whose it must be."""
    journal: JournalConfig = JournalConfig()
    """Where rotations are recorded."""
    http: HttpConfig = HttpConfig()
    """Where the page, health and metrics are served."""
    shard: ShardConfig | None = None
    """Which part of the mailboxes this instance watches; null: all."""
    notify: Receivers = ()
    """Who is told of what, and how: webhooks, commands, and people by apprise."""
    verify: VerifyConfig = VerifyConfig()
    """Whether a token that was stored is tried by one login."""
    log: LogConfig = LogConfig()
    """What is told on standard error, and how."""

    @field_validator("journal")
    @classmethod
    def _journal_in_state_dir(cls, journal: JournalConfig, info: ValidationInfo) -> JournalConfig:
        if journal.file is None and "state_dir" in info.data:
            return journal.model_copy(update={"file": info.data["state_dir"] / "journal.jsonl"})
        return journal

    @field_validator("journal")
    @classmethod
    def _anchor_is_checked(cls, journal: JournalConfig, info: ValidationInfo) -> JournalConfig:
        vault = info.data.get("vault")
        if journal.anchor and vault is not None and vault.kv_version == 1:
            raise Wrong("anchor: false: version 1 has no check-and-set", "anchor with kv_version 1")
        return journal

    @field_validator("verify")
    @classmethod
    def _password_is_no_token(cls, verify: VerifyConfig, info: ValidationInfo) -> VerifyConfig:
        vault = info.data.get("vault")
        if vault is not None and verify.password_field == vault.field:
            raise Wrong("another password_field than vault.field, which has the token")
        if verify.password_field in OUR_FIELDS:
            raise Wrong("another password_field than those that stand beside the token")
        return verify

    _sources: Sources = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Keep where the values came from."""
        origin: kinds.Origin = context
        self._sources = origin.sources

    def source(self, *loc: str) -> str | None:
        """The variable of the environment that a key's value came from.

        The key by its place, `source("vault", "address")`. None: the file, or our own default."""
        return source_of(loc, self._sources)

    @property
    def journal_file(self) -> Path:
        """The journal, wherever it is."""
        return self.journal.file or self.state_dir / "journal.jsonl"
