"""One refresh token for several mailboxes and processes: no renewal of one is news to another.

Against an endpoint that replaces the token at each renewal, and real files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.kit.fakes import Silent
from tests.kit.rig import Rig
from tests.kit.tokens import CLIENT_ID, TokenEndpoint
from tests.kit.waiting import PATIENCE, until
from token_catcher.daemon.logins import ServerLogins
from token_catcher.daemon.wakeups import Pace
from token_catcher.daemon.watch import Watch
from token_catcher.errors import AccessError
from token_catcher.model import Secret
from token_catcher.oauth import AccessTokens, BoundedSession, CustomProvider, RefreshTokenFile
from token_catcher.ports import Mailbox

REFUSED = AccessError("the server refuses the access token", code="imap-token")
PATIENT = Pace(logins_apart=0.0, refusal=(3600.0, 3600.0), step=0.002)
"""After a refusal an hour, in which the file is looked at all the time."""


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    """Replaces refresh tokens at each renewal."""
    with TokenEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def path(endpoint: TokenEndpoint, tmp_path: Path) -> Path:
    """The file of the one refresh token."""
    file = tmp_path / "refresh-token"
    file.write_text(endpoint.refresh_token, "ascii")
    return file


def tokens_of(endpoint: TokenEndpoint, path: Path) -> AccessTokens:
    """Those of one mailbox, or of one instance."""

    def read() -> Secret:
        return Secret(path.read_text("ascii").strip())

    file = RefreshTokenFile(path, read, Silent(), monotonic=time.monotonic, sleep=time.sleep)
    session = BoundedSession(time.monotonic)
    provider = CustomProvider(session, endpoint.token_url, CLIENT_ID, refresh_token=file)
    return AccessTokens(provider, time.monotonic)


def sign_in(endpoint: TokenEndpoint, path: Path) -> None:
    """A person does: the file holds another token."""
    endpoint.refresh_token = "refresh-signed-in"
    path.write_text(endpoint.refresh_token, "ascii")


def test_a_token_outlives_the_renewals_of_others(endpoint: TokenEndpoint, path: Path) -> None:
    """One request a mailbox, however often each logs in."""
    mailboxes = [tokens_of(endpoint, path) for _ in range(3)]
    for _ in range(4):
        for mailbox in mailboxes:
            mailbox.for_login()
    assert len(endpoint.grants) == 3
    assert not endpoint.stolen


def test_a_sign_in_is_used_at_once_by_all(endpoint: TokenEndpoint, path: Path) -> None:
    """Though what they have lives, and though one of them has renewed it already."""
    mailboxes = [tokens_of(endpoint, path) for _ in range(3)]
    for mailbox in mailboxes:
        mailbox.for_login()
    sign_in(endpoint, path)
    for mailbox in mailboxes:
        mailbox.for_login()
    assert len(endpoint.grants) == 6
    assert endpoint.grants[3]["refresh_token"] == "refresh-signed-in"


@contextmanager
def watching(home: Path, tokens: AccessTokens, log_in: Callable[[], Mailbox]) -> Iterator[Watch]:
    """A watch whose login goes so."""
    rig = Rig(home)
    ending = threading.Event()
    watch = Watch(
        rig.but(connect=log_in, credential=tokens.credential),
        ending,
        ServerLogins(PATIENT, time.monotonic),
        log=rig.log,
        now=rig.now,
        monotonic=time.monotonic,
        rng=Random(1),
        pace=PATIENT,
    )
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
        watch.join(PATIENCE)
        assert not watch.is_alive()


class Refusing:
    """A mailbox whose server takes no token, and how often it was logged in to."""

    def __init__(self, tokens: AccessTokens) -> None:
        self.tokens = tokens
        self.logins = 0

    def __call__(self) -> Mailbox:
        """A login."""
        self.logins += 1
        self.tokens.for_login()
        raise REFUSED


def test_a_renewal_ends_nobody_elses_back_off(
    endpoint: TokenEndpoint, path: Path, tmp_path: Path
) -> None:
    """Two mailboxes whose server refuses us would wake each other for ever; a sign-in does."""
    first = Refusing(tokens_of(endpoint, path))
    second = Refusing(tokens_of(endpoint, path))
    with (
        watching(tmp_path / "first", first.tokens, first),
        watching(tmp_path / "second", second.tokens, second),
    ):
        until(lambda: len(endpoint.grants) == 2, "both to be refused")
        neighbour = tokens_of(endpoint, path)
        for _ in range(20):
            token = neighbour.for_login()
            neighbour.in_place_of(token)
        assert (first.logins, second.logins) == (1, 1)
        sign_in(endpoint, path)
        until(lambda: (first.logins, second.logins) == (2, 2), "the next login of both")
