"""Old mail that is sent again, each time in another dress: what it costs Vault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from tests.contract.vault import NOW, capture, opened, paths, role_login, shipped_policy
from tests.kit import mails
from tests.kit.fakes import FakeStore, FakeVault
from tests.kit.servers import OpenBao
from token_catcher.model import Capture, Held, Reason, Receipt, Stored, Token, Unchanged, iso
from token_catcher.vault import VaultStore

MINUTE = timedelta(minutes=1)
TOKENS = 6


def issued(number: int, org: str, dress: str = "") -> Capture:
    """The mail with the token of this number, an hour after the one before."""
    issued_at = NOW - timedelta(hours=20 - number)
    return replace(
        capture(org),
        mail=mails.mail(f"{number} {dress}".encode()),
        token=Token(mails.token(number)),
        issued_at=issued_at,
        dated_at=issued_at,
    )


def replayed(store: VaultStore, org: str, dresses: int) -> set[object]:
    """How the oldest mail ends, in that many other dresses."""
    return {repr(store.store(issued(0, org, f"dress {number}"))) for number in range(dresses)}


def nothing(_openbao: OpenBao, _path: str) -> None:
    """Every version is there."""


def delete_one(openbao: OpenBao, path: str) -> None:
    """As `kv delete -versions=2`: it can be undeleted."""
    openbao.delete(path, 2)


def put_by_hand(openbao: OpenBao, path: str) -> None:
    """A token of somebody else's, and a password that is changed twice."""
    openbao.merge(path, {"security_token": "FAKEbyHANDtokenNOTreal12x"})
    openbao.merge(path, {"password": "first"})
    openbao.merge(path, {"password": "second"})


def delete_the_latest(openbao: OpenBao, path: str) -> None:
    """On purpose."""
    openbao.delete(path)


STALE = Unchanged(Reason.STALE)
DELETED = Held(Reason.SECRET_DELETED, f"version {TOKENS} was deleted")
WAYS: dict[str, tuple[Callable[[OpenBao, str], None], Unchanged | Held]] = {
    "whole": (nothing, STALE),
    "one deleted": (delete_one, STALE),
    "the newest is somebody else's": (put_by_hand, STALE),
    "the latest deleted": (delete_the_latest, DELETED),
}


@pytest.mark.servers
@pytest.mark.parametrize(("prepare", "outcome"), WAYS.values(), ids=WAYS)
def test_a_new_process_walks_through_the_versions_once(
    openbao: OpenBao,
    org: str,
    prepare: Callable[[OpenBao, str], None],
    outcome: Unchanged | Held,
) -> None:
    """Each further dress costs one request, whatever became of a version."""
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with opened(openbao.url, login) as store:
        for number in range(TOKENS):
            assert isinstance(store.store(issued(number, org)), Stored)
    path = capture(org).path
    prepare(openbao, path)
    with opened(openbao.url, login) as store:
        assert replayed(store, org, 1) == {repr(outcome)}
        since = len(openbao.audited)
        assert replayed(store, org, 5) == {repr(outcome)}
        assert paths(openbao, since) == [f"secret/data/{path}"] * 5


@dataclass
class Clock:
    """Ours and Vault's, where a test sets it."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(clock: Clock) -> FakeVault:
    """One with the tokens of three mails."""
    vault = FakeVault(clock)
    store = FakeStore(vault)
    for number in range(3):
        store.store(issued(number, "acme"))
    return vault


PLACE = capture("acme").path


def test_a_version_that_is_undeleted_is_known_again_after_a_minute(
    clock: Clock, vault: FakeVault
) -> None:
    """A crash left it without its record; a person deleted it, and thought better of it."""
    vault.delete(PLACE, 1)
    asked: list[str] = []
    store = FakeStore(vault, trip=asked.append)
    assert store.store(issued(0, "acme")) == Unchanged(Reason.STALE)
    vault.secrets[PLACE].versions[1].deletion_time = ""
    asked.clear()
    clock.time += MINUTE - timedelta(seconds=1)
    assert store.store(issued(0, "acme")) == Unchanged(Reason.STALE)
    assert asked == ["read"]
    clock.time += timedelta(seconds=1)
    written = Receipt(PLACE, 1, iso(NOW), None)
    assert store.store(issued(0, "acme")) == Unchanged(Reason.STALE, written)


def test_a_version_under_a_write_of_ours_may_be_undeleted_as_well(vault: FakeVault) -> None:
    """It was the latest when it was walked through, and was not looked at again for that."""
    vault.delete(PLACE)
    store = FakeStore(vault, writes_over_deleted=True)
    replayed(store, "acme", 1)
    assert isinstance(store.store(issued(3, "acme")), Stored)
    vault.secrets[PLACE].versions[3].deletion_time = ""
    written = Receipt(PLACE, 3, iso(NOW), None)
    assert store.store(issued(2, "acme")) == Unchanged(Reason.STALE, written)


def test_a_version_that_was_destroyed_is_not_asked_for_again(
    clock: Clock, vault: FakeVault
) -> None:
    """It does not come back."""
    vault.destroy(PLACE, 1)
    asked: list[str] = []
    store = FakeStore(vault, trip=asked.append)
    replayed(store, "acme", 1)
    asked.clear()
    clock.time += timedelta(hours=1)
    assert (replayed(store, "acme", 3), asked) == ({repr(STALE)}, ["read"] * 3)


def test_over_an_expired_version_the_ones_before_are_walked_through_once(
    clock: Clock, vault: FakeVault
) -> None:
    """One of them has a newer token than the mail."""
    vault.settings(PLACE, delete_version_after="1s")
    vault.merge(PLACE, {"password": "p"})
    clock.time += timedelta(seconds=2)
    asked: list[str] = []
    store = FakeStore(vault, trip=asked.append)
    replayed(store, "acme", 1)
    asked.clear()
    assert (replayed(store, "acme", 5), asked) == ({repr(STALE)}, ["read"] * 5)


def test_a_write_of_ours_is_added_to_what_is_known(vault: FakeVault) -> None:
    """So nothing is walked through again; and the oldest is known no longer than Vault keeps it."""
    asked: list[str] = []
    store = FakeStore(vault, trip=asked.append)
    replayed(store, "acme", 1)
    asked.clear()
    for number in range(3, 30):
        assert isinstance(store.store(issued(number, "acme")), Stored)
    assert asked == ["read", "write", "written"] * 27
    asked.clear()
    assert (replayed(store, "acme", 2), asked) == ({repr(STALE)}, ["read"] * 2)
