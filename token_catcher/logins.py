"""How each mailbox is logged in to: its section of the configuration, as the adapters take it."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from token_catcher import imap, oauth
from token_catcher.certificates import certificate_in
from token_catcher.config import (
    ClientCertificate,
    Config,
    Custom,
    External,
    Google,
    MailboxConfig,
    Microsoft,
    OAuth2,
    SecretSource,
)
from token_catcher.errors import ConfigurationError
from token_catcher.expiry import Expiring, Owner
from token_catcher.model import Secret
from token_catcher.ports import Log
from token_catcher.tls import FileContext


@dataclass(frozen=True, slots=True)
class Entrance:
    """One way into one mailbox."""

    login: imap.Login
    credential: Callable[[], Secret]
    """What a login goes by, read anew: by it a replaced file is noticed."""
    tokens: oauth.AccessTokens | None = None
    """None: it takes no access tokens."""
    refresh_token: Path | None = None
    """The file of the refresh token, where there is one."""

    @property
    def health(self) -> oauth.TokenHealth | None:
        """How it does for access tokens; None: it takes none."""
        if self.tokens is None:
            return None
        return replace(self.tokens.health, renewed_at=self._renewed_at())

    def token_trouble(self) -> str | None:
        """The code of why no access token can be got; None: one can, or it takes none."""
        if self.tokens is None:
            return None
        return self.tokens.health.refused

    def _renewed_at(self) -> float | None:
        """The file's time: each renewal writes it."""
        if self.refresh_token is None:
            return None
        try:
            return self.refresh_token.stat().st_mtime
        except OSError:
            return None


def entrance_of(
    mailbox: MailboxConfig, log: Log, renewals: oauth.Renewals | None = None
) -> Entrance:
    """The login that the configuration asks for; exactly one is given.

    `renewals`: those of this process; None: there are no others."""
    if mailbox.password is not None:
        read = mailbox.password.read
        return Entrance(imap.PasswordLogin(mailbox.username, read), read)
    if mailbox.oauth2 is not None:
        tokens = oauth.AccessTokens(
            _provider(mailbox, mailbox.oauth2, log, renewals), time.monotonic
        )
        giver = _giver(mailbox.oauth2)
        login = imap.OAuthLogin(mailbox.username, tokens, mailbox.oauth2.mechanism, giver)
        return Entrance(login, tokens.credential, tokens, _refresh_token(mailbox.oauth2))
    assert mailbox.client_certificate is not None  # the schema wants one of three
    ended_at = partial(_ended_at, mailbox.client_certificate)
    return Entrance(imap.ExternalLogin(mailbox.username, ended_at), _certificate(mailbox))


def _ended_at(certificate: ClientCertificate) -> datetime | None:
    """UTC; None: it has not ended, or cannot be read, which the next connection tells."""
    try:
        ends_at = certificate_in(certificate.read(), "").ends_at
    except ConfigurationError:
        return None
    if ends_at > datetime.now(UTC):
        return None
    return ends_at


def _giver(section: OAuth2) -> str:
    """Of whose tokens it is known what to do about one that is refused."""
    if isinstance(section, Custom):
        return ""
    return section.provider


def _refresh_token(section: OAuth2) -> Path | None:
    """Where it is kept; not every provider has one."""
    source = getattr(section, "refresh_token", None)
    if source is None:
        return None
    return Path(source.where)


def sign_ins_in(config: Config) -> dict[SecretSource, str]:
    """The files of refresh tokens, each with the mailbox for which a person signs in."""
    sign_ins = {}
    for mailbox in config.mailboxes:
        source = getattr(mailbox.oauth2, "refresh_token", None)
        if source is not None:
            sign_ins[source] = mailbox.name
    return sign_ins


def _provider(
    mailbox: MailboxConfig, section: OAuth2, log: Log, renewals: oauth.Renewals | None
) -> oauth.Provider:
    """Who gives the tokens. Nothing is asked of anybody yet."""
    match section:
        case Custom():
            return oauth.CustomProvider(
                oauth.BoundedSession(time.monotonic),
                section.token_url,
                section.client_id,
                scope=section.scope,
                client_secret=_reading(section.client_secret),
                assertion=_reading(section.assertion),
                refresh_token=refresh_token_file(section.refresh_token, log, renewals),
            )
        case External():
            return _external(section)
        case Microsoft():
            return _microsoft(section, log, renewals)
        case Google():
            return _google(section, mailbox.username, log, renewals)


def _external(section: External) -> oauth.Provider:
    if isinstance(section.token, SecretSource):
        return oauth.ExternalProvider(section.token.read)
    return oauth.CommandProvider(section.token.arguments)


def microsoft_application(section: Microsoft) -> oauth.Application:
    """For whom tokens are asked for, where, and for what: by its cloud, unless that is written."""
    authority = section.authority or oauth.AUTHORITIES[section.cloud]
    scopes = oauth.APPLICATION_SCOPES
    if section.refresh_token is not None:
        scopes = oauth.PERSON_SCOPES
    scope = section.scope or scopes[section.cloud]
    return oauth.Application(section.tenant, section.client_id, authority, scope)


def _microsoft(section: Microsoft, log: Log, renewals: oauth.Renewals | None) -> oauth.Provider:
    application = microsoft_application(section)
    refresh_token = refresh_token_file(section.refresh_token, log, renewals)
    if refresh_token is not None:
        return oauth.MicrosoftPerson(application, refresh_token, time.monotonic)
    return oauth.MicrosoftApplication(application, _proof(section), time.monotonic)


def _google(
    section: Google, username: str, log: Log, renewals: oauth.Renewals | None
) -> oauth.Provider:
    """One of three forms, as the schema wants it. `username`: whose mailbox it is."""
    session = oauth.BoundedSession(time.monotonic)
    scope = section.scope or oauth.DELEGATED_SCOPE
    if section.service_account is not None:
        return oauth.GoogleServiceAccount(section.service_account.read, username, scope, session)
    if section.impersonate is not None:
        return oauth.GoogleImpersonation(section.impersonate, username, scope, os.environ, session)
    # Google gives no other one at a renewal: its file may be in a mounted Secret.
    refresh_token = refresh_token_file(section.refresh_token, log, renewals, lasting=True)
    assert section.client_id is not None
    assert section.client_secret is not None
    assert refresh_token is not None
    return oauth.GoogleSignedIn(
        section.client_id,
        section.client_secret.read,
        refresh_token,
        username,
        section.scope or oauth.SIGNED_IN_SCOPE,
        session,
    )


def _proof(section: Microsoft) -> oauth.Proof:
    """How the application proves itself; the schema wants one of three."""
    if section.client_secret is not None:
        return oauth.SecretProof(section.client_secret.read)
    if section.assertion is not None:
        return oauth.AssertionProof(section.assertion.read)
    certificate = section.certificate
    assert certificate is not None
    where = f"certificate {certificate.as_pair()}"
    return oauth.CertificateProof(certificate.read, where, partial(datetime.now, UTC))


def refresh_token_file(
    source: SecretSource | None,
    log: Log,
    renewals: oauth.Renewals | None = None,
    *,
    lasting: bool = False,
) -> oauth.RefreshTokenFile | None:
    """The file in which a refresh token is kept; None: the configuration names none.

    The rest is that of `RefreshTokenFile`."""
    if source is None:
        return None
    return oauth.RefreshTokenFile(
        Path(source.where),
        source.read,
        log,
        monotonic=time.monotonic,
        sleep=time.sleep,
        renewals=renewals,
        lasting=lasting,
    )


def _reading(source: SecretSource | None) -> Callable[[], Secret] | None:
    if source is None:
        return None
    return source.read


def _certificate(mailbox: MailboxConfig) -> Callable[[], Secret]:
    """How certificate and key are read: only to notice that they were replaced."""
    assert mailbox.client_certificate is not None  # the schema wants one of three
    pair = mailbox.client_certificate.as_pair()

    def read() -> Secret:
        try:
            texts = [Path(file).read_text("latin-1") for file in pair.files]
        except OSError as error:
            got = f"{error.filename} ({error.strerror})"
        else:
            return Secret("\n".join(texts))
        raise ConfigurationError(
            f"mailbox {mailbox.name}: client_certificate: got {got}, expected a readable file",
            code="secret",
        )

    return read


def context_of(mailbox: MailboxConfig) -> Callable[[], ssl.SSLContext]:
    """Whom its server must be, and who we are to it: the files as they are at each connect."""
    ca_file = None
    files = []
    if mailbox.ca_file is not None:
        ca_file = str(mailbox.ca_file)
        files.append(ca_file)
    certificate = None
    if mailbox.client_certificate is not None:
        certificate = mailbox.client_certificate.as_pair()
        files += certificate.files

    def make() -> ssl.SSLContext:
        return imap.tls_context(ca_file, certificate)

    return FileContext(make, files)


def certificates_in(config: Config) -> Iterator[Expiring]:
    """Those by which we log in, at the mailboxes and at Vault, with whose they are."""
    for mailbox in config.mailboxes:
        if isinstance(mailbox.oauth2, Microsoft) and mailbox.oauth2.certificate is not None:
            yield _expiring(mailbox.oauth2.certificate, Owner(mailbox.name, "oauth"))
        if mailbox.client_certificate is not None:
            yield _expiring(mailbox.client_certificate, Owner(mailbox.name, "client"))
    if config.vault.client_certificate is not None:
        yield _expiring(config.vault.client_certificate, Owner("", "client"))


def _expiring(certificate: ClientCertificate, owner: Owner) -> Expiring:
    return Expiring(owner, str(certificate.as_pair()), certificate.read)
