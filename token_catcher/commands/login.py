"""The one sign-in of delegated OAuth 2: a person in a browser, a refresh token in its file.

At the end the mailbox is logged in to as the daemon will do it, so that a sign-in with another
account, or for too little, shows now.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing, suppress
from typing import Final

from token_catcher import files
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.config import Custom, Google, MailboxConfig, Microsoft
from token_catcher.errors import AccessError, ConfigurationError, TokenCatcherError
from token_catcher.logins import microsoft_application, refresh_token_file
from token_catcher.model import Secret
from token_catcher.oauth import (
    GOOGLE_TOKEN_URL,
    SIGNED_IN_SCOPE,
    BoundedSession,
    Client,
    EndpointAnswer,
    Granted,
    MicrosoftApplicant,
    Redirect,
    RefreshTokenFile,
    begin_with_code,
    microsoft_refusal,
    wait_for_person,
)

GOOGLE_AUTHORIZE_URL: Final = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_WANTS: Final = {"access_type": "offline", "prompt": "consent"}
"""Without the two there is a refresh token at the first consent only, or none."""
NOT_THEIRS: Final = frozenset(
    (
        "imap-login",
        "imap-mailbox-closed",
        "imap-token",
        "imap-token-google",
        "imap-token-microsoft",
    )
)
"""The codes with which a mail server refuses a good token: it is of somebody else, most often."""


def run(app: App, name: str, authorize_url: str | None) -> None:
    """Have a person sign in for the mailbox of this name, and prove that it opens.

    `authorize_url`: where a person signs in, of a provider whose configuration does not say.
    ConfigurationError: this mailbox wants no sign-in. AccessError: refused, by the provider or by
    the mailbox; what was in the file before is there again, and nothing where there was none.
    StateError: the refresh token cannot be written."""
    mailbox = app.mailbox(name)
    file = _file_of(app, mailbox)
    _expect_no_address(mailbox, authorize_url)
    _make_place(app, file)
    file.prepare()  # a sign-in counts once: nobody is asked for one that could not be kept
    try:
        given = _signed_in(mailbox, authorize_url)
    except TokenCatcherError as error:
        error.mailbox = name
        raise
    if given.refresh_token is None:
        raise AccessError(
            f"mailbox {name}: got an access token alone, which ends within the hour, expected a"
            " refresh token as well",
            code="oauth-no-refresh-token",
        )
    before = _kept(file)
    file.begin(given.refresh_token)
    try:
        _open(app, mailbox)
    except AccessError as error:
        _undo(file, before)
        raise _of_the_account(error) from None
    output.write([f"signed in: the refresh token is in {file.path}\n"])
    output.write([f"mailbox {name}: logged in to {mailbox.host} as {mailbox.username}\n"])


def _expect_no_address(mailbox: MailboxConfig, authorize_url: str | None) -> None:
    """Where the provider is known, so is its address; a typed one would not be used."""
    if authorize_url is None or mailbox.oauth2 is None or isinstance(mailbox.oauth2, Custom):
        return
    raise ConfigurationError(
        f"mailbox {mailbox.name}: got --authorize-url, expected none: where people sign in at"
        f" provider {mailbox.oauth2.provider} is known",
        code="usage",
    )


def _make_place(app: App, file: RefreshTokenFile) -> None:
    """The usual one is in the state directory, which a first command makes."""
    place = file.path.parent
    if place.is_relative_to(app.config.state_dir):
        with suppress(OSError):  # which `prepare` tells
            files.make_directory(place)


def _undo(file: RefreshTokenFile, before: Secret | None) -> None:
    """Somebody with another account, perhaps: what there was may still be good, and the daemon
    must not go by what the mailbox refuses."""
    if before is None:
        file.withdraw()
    else:
        file.begin(before)


def _of_the_account(error: AccessError) -> AccessError:
    """The mail server takes the token for one of somebody else's: no more is known to it."""
    if error.code not in NOT_THEIRS:
        return error
    refused = AccessError(
        f"{error}, expected a sign-in with full access to it; this one is not kept",
        code="oauth-sign-in-mailbox",
    )
    refused.mailbox = error.mailbox
    return refused


def _kept(file: RefreshTokenFile) -> Secret | None:
    """What the file holds before; None: nothing that could be used."""
    try:
        return file.read()
    except ConfigurationError:
        return None


def _open(app: App, mailbox: MailboxConfig) -> None:
    """As the daemon does. Raises why it cannot."""
    with closing(app.connector(mailbox)()):
        return


def _file_of(app: App, mailbox: MailboxConfig) -> RefreshTokenFile:
    """Where the refresh token goes."""
    source = getattr(mailbox.oauth2, "refresh_token", None)
    file = refresh_token_file(source, app.log)
    if file is None:
        raise ConfigurationError(
            f"mailbox {mailbox.name}: got no oauth2.refresh_token, expected one: only a person"
            " signs in, and the other ways to log in need nobody",
            code="usage",
        )
    return file


def _signed_in(mailbox: MailboxConfig, authorize_url: str | None) -> Granted:
    """What a person's sign-in gives, by the way that the provider has for programs."""
    session = BoundedSession(time.monotonic)
    match mailbox.oauth2:
        case Microsoft():
            return _by_code(mailbox.oauth2, session)
        case Google():
            return _by_redirect(_of_google(mailbox, mailbox.oauth2, session))
        case Custom():
            return _by_redirect(_of_custom(mailbox, mailbox.oauth2, session, authorize_url))
    raise AssertionError("a section with a refresh token is one of three")


def _by_code(section: Microsoft, session: BoundedSession) -> Granted:
    """By a code that is typed on a page anywhere: Microsoft has it for all public clients."""
    application = microsoft_application(section)
    base = f"{application.authority}/{application.tenant}/oauth2/v2.0"
    applicant = MicrosoftApplicant(application, "refresh_token")

    def refusal(answer: EndpointAnswer, where: str) -> TokenCatcherError:
        return microsoft_refusal(answer, where, applicant)

    # Without the second word there would be no refresh token.
    scope = f"{application.scope} offline_access"
    client = Client(section.client_id, scope, f"{base}/token", session, refusal=refusal)
    device = begin_with_code(client, f"{base}/devicecode")
    output.complain(
        f"Open {device.page} and type the code {device.user_code}.\n"
        f"Sign in as somebody with full access to the mailbox, within {device.lasts}."
    )
    with output.Progress("waiting for the sign-in"):
        return wait_for_person(client, device, time.monotonic, time.sleep)


def _of_google(mailbox: MailboxConfig, section: Google, session: BoundedSession) -> Redirect:
    assert section.client_id is not None  # the schema wants all three beside each other
    assert section.client_secret is not None
    scope = section.scope or SIGNED_IN_SCOPE
    secret = section.client_secret.read
    client = Client(section.client_id, scope, GOOGLE_TOKEN_URL, session, secret)
    wants = {**GOOGLE_WANTS, "login_hint": mailbox.username}
    return Redirect(client, GOOGLE_AUTHORIZE_URL, wants)


def _of_custom(
    mailbox: MailboxConfig, section: Custom, session: BoundedSession, authorize_url: str | None
) -> Redirect:
    if authorize_url is None:
        raise ConfigurationError(
            f"mailbox {mailbox.name}: got no --authorize-url, expected the address where people"
            " sign in: the token endpoint does not tell it",
            code="usage",
        )
    secret = None
    if section.client_secret is not None:
        secret = section.client_secret.read
    client = Client(section.client_id, section.scope, section.token_url, session, secret)
    return Redirect(client, authorize_url, {"login_hint": mailbox.username})


def _by_redirect(redirect: Redirect) -> Granted:
    """By the address that a browser ends at, pasted by the person."""
    output.complain(
        f"Open this address, sign in, and agree:\n\n{redirect.address}\n\n"
        "The browser then ends at an address that it cannot open. Paste that one here:"
    )
    return redirect.finish(sys.stdin.readline())
