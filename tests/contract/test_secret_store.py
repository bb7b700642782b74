"""The promises of `ports.SecretStore`.

Kept by the in-memory store and by OpenBao, as root and under the shipped policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

import pytest

from tests.contract.vault import given, no_sleep, shipped_policy
from tests.kit import mails
from tests.kit.fakes import FakeStore, FakeVault, Silent, utc_now
from tests.kit.proxy import TcpProxy
from tests.kit.servers import OpenBao, until
from token_catcher.errors import AccessError, TransientError
from token_catcher.model import (
    Capture,
    Ended,
    Held,
    Holding,
    KeptVersion,
    LoginSecrets,
    OurFields,
    Reason,
    Receipt,
    Secret,
    Stored,
    Token,
    Unchanged,
    iso,
    moment,
)
from token_catcher.vault import Address, Client, VaultStore

NEW = "FAKEnewTOKEN00000000001"
OLD = "FAKEoldTOKEN00000000002"
OTHER = "FAKEotherTOKEN000000003"
USER = "integration@acme.example"
NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class Clock:
    """Vault's clock, where a test sets it."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time


@dataclass
class World:
    """A store, and what a test does behind its back."""

    vault: FakeVault | OpenBao
    path: str
    build: Callable[[str], VaultStore]
    """By the name of an instance; `one@two` is named like `one`, and writes as `two` does."""
    interfere: Callable[[Callable[[], object]], None]
    """Run something between the store's next read and its write."""
    stores: dict[str, VaultStore] = field(default_factory=dict)

    def store(
        self,
        token: str,
        issued_at: datetime = NOW,
        *,
        dated_at: datetime | None = None,
        instance: str = "one",
    ) -> Stored | Unchanged | Held:
        """Store a capture as this instance."""
        if instance not in self.stores:
            self.stores[instance] = self.build(instance)
        return self.stores[instance].store(self.capture(token, issued_at, dated_at))

    def foresee(self, token: str, issued_at: datetime = NOW) -> Unchanged | Held | None:
        """What would come of storing it."""
        if "one" not in self.stores:
            self.stores["one"] = self.build("one")
        return self.stores["one"].foresee(self.capture(token, issued_at))

    def capture(
        self, token: str, issued_at: datetime = NOW, dated_at: datetime | None = None
    ) -> Capture:
        """Of the one user."""
        mail = mails.mail(token.encode())
        return Capture(
            mail, USER, Token(token), "acme", self.path, issued_at, dated_at or issued_at
        )

    def receipt_of_a_lost(self, version: int) -> Receipt:
        """What a store says of its version, once Vault keeps it no more."""
        return Receipt(self.path, version, None, None)

    def receipt(self, version: int) -> Receipt:
        """What a store says of a version whose write it did not see answered."""
        return Receipt(
            self.path, version, self.vault.versions(self.path)[version]["created_time"], None
        )

    def close(self) -> None:
        """Free the connections."""
        for store in self.stores.values():
            store.close()


@pytest.fixture(
    params=[
        "fake",
        pytest.param("openbao as root", marks=pytest.mark.servers),
        pytest.param("openbao under the shipped policy", marks=pytest.mark.servers),
    ]
)
def world(request: pytest.FixtureRequest, org: str) -> Iterator[World]:
    """Every world in turn, at a path that no other test uses."""
    path = f"salesforce/{org}/{USER}"
    if request.param == "fake":
        built = fake_world(path)
    else:
        openbao: OpenBao = request.getfixturevalue("openbao")
        token = openbao.root_token
        if "policy" in request.param:
            token = openbao.token(shipped_policy(openbao), no_parent=True, ttl="1h")
        built = openbao_world(openbao, request.getfixturevalue("proxy"), token, path)
    yield built
    built.close()


@pytest.fixture(scope="module")
def proxy(openbao: OpenBao) -> Iterator[TcpProxy]:
    """Between the stores and OpenBao."""
    with TcpProxy(openbao.port) as running:
        yield running


def names(instance: str) -> tuple[str, str]:
    """The name of an instance, and the id of who writes there."""
    name, _, writer = instance.partition("@")
    return name, f"writer of {writer or name}"


def fake_world(path: str, clock: Callable[[], datetime] = utc_now) -> World:
    """Everything in memory."""
    vault = FakeVault(clock)
    waiting: list[Callable[[], object]] = []

    def trip(effect: str) -> None:
        if effect == "write" and waiting:
            waiting.pop()()

    def build(instance: str) -> VaultStore:
        name, writer = names(instance)
        return FakeStore(vault, instance=name, writer=writer, trip=trip)

    return World(vault, path, build, waiting.append)


def openbao_world(openbao: OpenBao, proxy: TcpProxy, token: str, path: str) -> World:
    """The real server, behind a proxy that can be interfered with."""
    waiting: list[Callable[[], object]] = []

    def on_up(data: bytes) -> None:
        if data.startswith((b"POST", b"PATCH")) and waiting:
            waiting.pop()()

    def build(instance: str) -> VaultStore:
        name, writer = names(instance)
        # Only "one" is interfered with; the others are the interference, and go past the proxy.
        port = openbao.port
        if instance == "one":
            port = proxy.port
        address = Address(f"http://127.0.0.1:{port}")
        client = Client(address, given(token), monotonic=monotonic, log=Silent())
        return VaultStore(
            client,
            mount="secret",
            field="security_token",
            instance=name,
            writer=lambda: writer,
            now=utc_now,
            sleep=no_sleep,
            log=Silent(),
        )

    proxy.on_up = on_up
    return World(openbao, path, build, waiting.append)


def test_a_token_for_an_empty_path_becomes_its_first_version(world: World) -> None:
    """Version 1 holds the token and our fields, and the receipt is Vault's own answer."""
    before = utc_now()
    outcome = world.store(NEW)
    after = utc_now()
    assert isinstance(outcome, Stored)
    data = world.vault.get(world.path)
    assert data is not None
    assert before <= datetime.fromisoformat(data.pop("security_token_captured_at")) <= after
    assert data == {
        "security_token": NEW,
        "security_token_issued_at": iso(NOW),
        "security_token_dated_at": iso(NOW),
        "security_token_captured_by": "one",
        "security_token_fingerprint": Token(NEW).fingerprint,
        "security_token_mail": mails.mail(NEW.encode()).digest,
        "security_token_writer": "writer of one",
        "security_token_version": "1",
    }
    assert outcome.receipt.request_id
    assert (outcome.recovered, outcome.receipt.path, outcome.receipt.version) == (
        False,
        world.path,
        1,
    )
    assert outcome.receipt.created_at == world.receipt(1).created_at


def test_other_fields_survive(world: World) -> None:
    """A secret without a token keeps its fields and gets one beside them, however old the mail."""
    world.vault.put(world.path, {"password": "kept", "nested": {"a": [1, None]}})
    assert world.store(NEW, NOW - 400 * MINUTE).receipt.version == 2  # type: ignore[union-attr]
    data = world.vault.get(world.path)
    assert data is not None
    assert {name: data[name] for name in ("password", "nested", "security_token")} == {
        "password": "kept",
        "nested": {"a": [1, None]},
        "security_token": NEW,
    }


def test_the_same_capture_twice_gives_one_version(world: World) -> None:
    """Idempotent: the second time finds the version that the first time wrote."""
    world.store(NEW)
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(1))
    assert list(world.vault.versions(world.path)) == [1]


def test_a_newer_token_replaces_an_older_one(world: World) -> None:
    """The newest issued_at wins."""
    first = world.store(OLD, NOW - MINUTE)
    second = world.store(NEW)
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert (first.receipt.before, first.receipt.version) == (0, 1)
    assert (second.receipt.before, second.receipt.version) == (1, 2)
    assert (world.vault.get(world.path) or {})["security_token"] == NEW


def test_an_older_token_changes_nothing(world: World) -> None:
    """Stale: a mail that arrives late never replaces a newer token."""
    world.store(NEW)
    assert world.store(OLD, NOW - MINUTE) == Unchanged(Reason.STALE, None)
    assert list(world.vault.versions(world.path)) == [1]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, Stored), (0, Held), (-1, Unchanged)], ids=str
)
def test_what_is_foreseen_comes_true(
    world: World, seconds: int, expected: type[Stored | Held | Unchanged]
) -> None:
    """And nothing is written for it: for an empty path, the same token, and another one."""
    assert world.foresee(NEW) is None
    assert isinstance(world.store(NEW), Stored)
    assert world.foresee(NEW) == world.store(NEW)
    foreseen = world.foresee(OTHER, NOW + timedelta(seconds=seconds))
    assert list(world.vault.versions(world.path)) == [1]
    stored = world.store(OTHER, NOW + timedelta(seconds=seconds))
    assert isinstance(stored, expected)
    assert foreseen == (None if expected is Stored else stored)


def test_two_tokens_of_one_second_are_for_a_person_to_tell_apart(world: World) -> None:
    """The Date says nothing about which came later: held."""
    world.store(NEW)
    assert world.store(OTHER) == Held(
        Reason.SAME_DATE, f"version 1 has another token of {iso(NOW)}"
    )
    assert list(world.vault.versions(world.path)) == [1]


SAW = "version 1 has another token, dated {} and issued {}; this one is dated {} and issued {}"


@pytest.mark.parametrize(
    ("there", "ours"),
    [((0, 0), (-1, 2)), ((-1, 2), (0, 0)), ((0, 1), (0, 2))],
    ids=["dated after, issued before", "dated before, issued after", "issued at once"],
)
def test_where_two_clocks_do_not_agree_it_is_for_a_person(
    world: World, there: tuple[int, int], ours: tuple[int, int]
) -> None:
    """By the arrivals the one token is newer, by the Dates the other: a clock is wrong."""
    before = [NOW + minutes * MINUTE for minutes in there]
    after = [NOW + minutes * MINUTE for minutes in ours]
    world.store(OLD, before[0], dated_at=before[1])
    saw = SAW.format(iso(before[1]), iso(before[0]), iso(after[1]), iso(after[0]))
    assert world.store(NEW, after[0], dated_at=after[1]) == Held(Reason.CLOCKS_DISAGREE, saw)
    assert list(world.vault.versions(world.path)) == [1]


def test_a_token_that_is_newer_by_both_clocks_replaces_the_other(world: World) -> None:
    """However far the clocks are apart."""
    world.store(OLD, NOW, dated_at=NOW + HOUR)
    assert isinstance(world.store(NEW, NOW + MINUTE, dated_at=NOW + HOUR + MINUTE), Stored)
    data = world.vault.get(world.path) or {}
    assert data["security_token_dated_at"] == iso(NOW + HOUR + MINUTE)


def test_a_token_that_is_dated_after_a_foreign_one_is_for_a_person(world: World) -> None:
    """It arrived long before, by a mail server whose clock is behind."""
    world.vault.put(world.path, {"security_token": OTHER})
    now = datetime.now(UTC).replace(microsecond=0)  # Vault's, however long ago NOW is
    held = world.store(NEW, now - 50 * MINUTE, dated_at=now - 10 * MINUTE)
    assert isinstance(held, Held)
    assert held.reason is Reason.UNKNOWN_AGE


def test_a_token_that_somebody_put_there_later_is_kept(world: World) -> None:
    """A secret without our fields is as new as its version: an older mail is stale."""
    world.vault.put(world.path, {"security_token": OTHER})
    assert world.store(NEW, NOW - 20 * MINUTE) == Unchanged(Reason.STALE, None)
    assert world.vault.get(world.path) == {"security_token": OTHER}


def test_a_token_that_somebody_put_there_just_then_is_for_a_person(world: World) -> None:
    """Clocks differ: which of the two is newer cannot be told.

    Neither may be lost in silence."""
    world.vault.put(world.path, {"security_token": OTHER})
    held = world.store(NEW, datetime.now(UTC).replace(microsecond=0) - MINUTE)
    assert isinstance(held, Held)
    assert held.reason is Reason.UNKNOWN_AGE
    assert world.vault.get(world.path) == {"security_token": OTHER}


def test_a_foreign_token_whose_beginning_is_gone_is_for_a_person(world: World) -> None:
    """Its first version was deleted; a later change of the password says nothing of its age."""
    world.vault.put(world.path, {"security_token": OTHER})
    world.vault.merge(world.path, {"password": "changed"})
    world.vault.delete(world.path, 1)
    held = world.store(NEW, NOW - 20 * MINUTE)
    assert isinstance(held, Held)
    assert held.reason is Reason.UNKNOWN_AGE


@pytest.mark.parametrize("placeholder", ["", "TBD", "none yet", 0, ["x"]])
def test_a_placeholder_is_no_token(world: World, placeholder: object) -> None:
    """A secret that was provisioned before its token, whatever stands there, since whenever."""
    world.vault.put(world.path, {"security_token": placeholder, "password": "kept"})
    assert isinstance(world.store(NEW, NOW - 20 * MINUTE), Stored)
    assert (world.vault.get(world.path) or {})["password"] == "kept"


def test_a_token_that_somebody_put_there_earlier_is_replaced(world: World) -> None:
    """A mail issued after a foreign version was made is newer than what it holds."""
    world.vault.put(world.path, {"security_token": OTHER, "password": "kept"})
    assert world.store(NEW, utc_now() + MINUTE).receipt.version == 2  # type: ignore[union-attr]
    assert (world.vault.get(world.path) or {})["password"] == "kept"


def test_a_token_that_somebody_exchanged_under_our_fields_counts_from_then(world: World) -> None:
    """The fingerprint tells that issued_at speaks of another token."""
    world.store(OLD, NOW - 30 * MINUTE)
    world.vault.merge(world.path, {"security_token": OTHER})
    assert world.store(NEW, NOW - 20 * MINUTE) == Unchanged(Reason.STALE, None)


def test_a_later_change_of_another_field_does_not_age_a_foreign_token(world: World) -> None:
    """A foreign token counts from the version it first appeared in.

    A mail that was issued since then is newer."""
    world.vault.put(world.path, {"security_token": OTHER})
    issued = utc_now()
    until(lambda: utc_now() > issued, "the clock to move")
    world.vault.merge(world.path, {"password": "changed"})
    assert isinstance(world.store(NEW, issued), Stored)


def test_a_foreign_write_of_the_same_token_is_left_alone(world: World) -> None:
    """Somebody was faster by hand: nothing to write, and no version of ours."""
    world.vault.put(world.path, {"security_token": NEW})
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, None)


def test_a_token_put_by_hand_beside_the_fields_of_another_gets_its_own(world: World) -> None:
    """Its mail tells when it was issued. The version is ours; its record says what was there."""
    world.store(OLD, NOW - MINUTE)
    world.vault.merge(world.path, {"security_token": NEW, "password": "p"})
    saw = "version 2 had the token beside the fields of another"
    stored = world.store(NEW)
    assert isinstance(stored, Stored)
    assert (replace(stored.receipt, request_id=None), stored.saw) == (world.receipt(3), saw)
    secret = world.vault.get(world.path) or {}
    fields = ("security_token", "password", "security_token_issued_at")
    assert [secret[name] for name in fields] == [NEW, "p", iso(NOW)]
    assert secret["security_token_fingerprint"] == Token(NEW).fingerprint
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(3))


def test_a_deleted_secret_is_not_brought_back(world: World) -> None:
    """Deleted on purpose: held, with the version to look at."""
    world.store(OLD, NOW - MINUTE)
    world.vault.delete(world.path)
    assert world.store(NEW) == Held(Reason.SECRET_DELETED, "version 1 was deleted")
    assert world.vault.get(world.path) is None


def test_a_destroyed_secret_is_not_brought_back(world: World) -> None:
    """The same for a version that is gone for good."""
    world.store(OLD, NOW - MINUTE)
    world.vault.destroy(world.path, 1)
    assert world.store(NEW) == Held(Reason.SECRET_DELETED, "version 1 was destroyed")


@pytest.mark.parametrize("how", ["delete", "destroy"])
def test_a_secret_with_an_end_may_still_be_deleted_on_purpose(world: World, how: str) -> None:
    """Before `delete_version_after` has passed, it was a person."""
    world.vault.settings(world.path, delete_version_after="1000s")
    world.store(OLD, NOW - MINUTE)
    getattr(world.vault, how)(world.path, 1)
    held = world.store(NEW)
    assert isinstance(held, Held)
    assert held.reason is Reason.SECRET_DELETED


def test_a_secret_that_expired_by_itself_is_written_again(world: World) -> None:
    """`delete_version_after` is nobody's decision against this token; the record has it."""
    world.vault.settings(world.path, delete_version_after="1s")
    world.store(OLD, NOW - MINUTE)
    until(lambda: world.vault.get(world.path) is None, "the version to expire")
    stored = world.store(NEW)
    assert isinstance(stored, Stored)
    assert (stored.receipt.version, stored.saw) == (
        2,
        "version 1 expired, by delete_version_after of 1 s",
    )


@pytest.mark.parametrize("setting", ["0s", "300s"])
def test_a_secret_that_expired_by_an_earlier_setting_is_written_again(
    world: World, setting: str
) -> None:
    """Vault gave the version its end when it was written, to the nanosecond."""
    world.vault.settings(world.path, delete_version_after="1s")
    world.store(OLD, NOW - MINUTE)
    world.vault.settings(world.path, delete_version_after=setting)
    until(lambda: world.vault.get(world.path) is None, "the version to expire")
    stored = world.store(NEW)
    assert isinstance(stored, Stored)
    assert (stored.receipt.version, stored.saw) == (
        2,
        "version 1 ended 1 s after it was written, to the nanosecond: taken for expired",
    )


def test_what_expired_does_not_let_an_older_token_in(world: World) -> None:
    """A newer token in a version before, which is still there, tells that the mail is late."""
    world.store(NEW)
    world.vault.settings(world.path, delete_version_after="1s")
    world.vault.merge(world.path, {"password": "changed"})
    until(lambda: world.vault.get(world.path) is None, "the version to expire")
    assert world.store(OLD, NOW - MINUTE) == Unchanged(Reason.STALE, None)


def test_what_expired_lets_no_token_in_that_may_be_older(world: World) -> None:
    """Beside a version before, the clocks do not agree which of the two is newer."""
    world.store(NEW, NOW - MINUTE, dated_at=NOW)
    world.vault.settings(world.path, delete_version_after="1s")
    world.vault.merge(world.path, {"password": "changed"})
    until(lambda: world.vault.get(world.path) is None, "the version to expire")
    held = world.store(OLD, NOW - 30 * SECOND)
    assert isinstance(held, Held)
    assert held.reason is Reason.CLOCKS_DISAGREE


def test_what_expired_after_ours_leaves_our_write_known(world: World) -> None:
    """What came after it may have been newer: nothing is written, and the write is told."""
    stored = world.store(NEW)
    assert isinstance(stored, Stored)
    world.vault.settings(world.path, delete_version_after="1s")
    world.vault.merge(world.path, {"password": "changed"})
    until(lambda: world.vault.get(world.path) is None, "the version to expire")
    written = replace(stored.receipt, request_id=None)
    assert world.store(NEW) == Unchanged(Reason.STALE, written)


def test_after_a_purge_versions_begin_again(world: World) -> None:
    """DELETE metadata leaves nothing: version 1 once more, with another created_time."""
    first = world.store(OLD, NOW - MINUTE)
    world.vault.purge(world.path)
    second = world.store(NEW)
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert (first.receipt.version, second.receipt.version) == (1, 1)
    assert str(first.receipt.created_at) < str(second.receipt.created_at)


def test_a_write_is_found_again_after_a_crash(world: World) -> None:
    """This instance's version is named although the answer to its write was never seen.

    Also when a newer token came after it."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    assert world.store(OLD, NOW - MINUTE) == Unchanged(Reason.STALE, world.receipt(1))
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(2))


def test_a_write_is_found_again_below_a_change_of_another_field(world: World) -> None:
    """Later versions carry our fields on; ours is the earliest of them."""
    world.store(NEW)
    world.vault.merge(world.path, {"password": "first"})
    world.vault.merge(world.path, {"password": "second"})
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(1))


def test_a_write_is_found_again_below_the_same_token_put_by_hand(world: World) -> None:
    """A foreign version on top, even of this very token, does not hide the one that was ours."""
    world.store(NEW)
    world.vault.put(world.path, {"security_token": NEW})
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(1))


def test_a_version_that_was_rolled_back_to_is_not_a_second_write(world: World) -> None:
    """A rollback copies our fields; the write was still the first version."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    world.vault.put(world.path, world.vault.get(world.path, 1) or {})
    assert world.store(OLD, NOW - MINUTE) == Unchanged(Reason.SAME_TOKEN, world.receipt(1))


def test_a_write_of_which_no_version_tells_is_not_told(world: World) -> None:
    """Vault keeps ten versions; of what was overtaken before them nothing is known."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    for number in range(10):
        world.vault.merge(world.path, {"password": str(number)})
    assert world.store(OLD, NOW - MINUTE) == Unchanged(Reason.STALE, None)


@pytest.mark.parametrize("kept", [1, 3, 10])
def test_a_write_that_vault_keeps_no_more_is_told_by_its_number(world: World, kept: int) -> None:
    """Changes of another field carry our fields on, which name the version that was ours; none of
    the changes is taken for a write of ours."""
    world.vault.settings(world.path, max_versions=kept)
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    for number in range(kept):
        world.vault.merge(world.path, {"password": str(number)})
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt_of_a_lost(2))


def test_a_secret_that_was_put_back_by_hand_is_not_a_write_of_ours(world: World) -> None:
    """Removed with its versions, then written from a copy: the fields name a version that Vault
    keeps no more, whatever has its number now."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    copy = world.vault.get(world.path) or {}
    world.vault.purge(world.path)
    for data in ({"password": "first"}, {"password": "second"}, copy):
        world.vault.put(world.path, data)
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt_of_a_lost(2))


def test_a_write_of_a_deleted_version_is_told_by_those_after_it(world: World) -> None:
    """What a deleted version held is not known, when it was made is."""
    world.store(NEW)
    world.vault.merge(world.path, {"password": "changed"})
    world.vault.delete(world.path, 1)
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(1))


def test_a_second_write_after_a_purge_is_told_by_its_own_version() -> None:
    """The same number again, made at another time."""
    clock = Clock()
    world = fake_world("salesforce/acme/user", clock)
    world.store(NEW)
    world.vault.purge(world.path)
    clock.time += 5 * HOUR
    world.store(NEW)
    world.vault.merge(world.path, {"password": "x"})
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(1))


CLAIMS = {
    "the same": ("one", True),
    "a twin of the same name": ("one@two", False),
    "another instance": ("two", False),
    "another host name": ("two@one", True),
}


@pytest.mark.parametrize(("who", "is_ours"), CLAIMS.values(), ids=CLAIMS)
def test_a_write_is_known_again_by_the_writer(world: World, who: str, is_ours: bool) -> None:
    """Not by a name, which two processes can share and a container changes at each start."""
    world.store(NEW)
    written = world.receipt(1) if is_ours else None
    assert world.store(NEW, instance=who) == Unchanged(Reason.SAME_TOKEN, written)


def test_a_write_is_known_again_by_its_mail(world: World) -> None:
    """Another mail with the same token has written nothing."""
    world.store(NEW)
    other = Capture(mails.mail(b"other"), USER, Token(NEW), "acme", world.path, NOW, NOW)
    assert world.stores["one"].store(other) == Unchanged(Reason.SAME_TOKEN, None)


def test_no_clock_has_a_say_in_whose_write_it_was() -> None:
    """Ours a day ahead of Vault's: the write is known again all the same."""
    vault = FakeVault()
    store = FakeStore(vault, now=lambda: utc_now() + 24 * HOUR)
    capture = Capture(mails.mail(b""), USER, Token(NEW), "acme", "salesforce/acme/user", NOW, NOW)
    stored = store.store(capture)
    assert isinstance(stored, Stored)
    written = replace(stored.receipt, request_id=None)
    assert store.store(capture) == Unchanged(Reason.SAME_TOKEN, written)


@pytest.mark.parametrize(
    "number", ["", "0", "2", "-1", "first", pytest.param("9" * 5000, id="endless"), None]
)
def test_a_version_of_no_possible_number_is_not_ours(world: World, number: str | None) -> None:
    """Somebody wrote the field: it names no version that there can be."""
    world.store(NEW)
    data = (world.vault.get(world.path) or {}) | {"security_token_version": number}
    world.vault.purge(world.path)
    world.vault.put(world.path, data)
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, None)


BEFORE = {
    "the same token": (NEW, NOW, Unchanged(Reason.SAME_TOKEN)),
    "an older token": (OTHER, NOW - MINUTE, Unchanged(Reason.STALE)),
    "a token of the same second": (
        OTHER,
        NOW,
        Held(Reason.SAME_DATE, f"version 1 has another token of {iso(NOW)}"),
    ),
}


@pytest.mark.parametrize(("token", "issued_at", "expected"), BEFORE.values(), ids=BEFORE)
def test_a_secret_of_an_earlier_version_is_understood(
    world: World, token: str, issued_at: datetime, expected: Unchanged | Held
) -> None:
    """Without mail, writer and number it is compared like any other, and not claimed."""
    put_before(world)
    assert world.store(token, issued_at) == expected


@pytest.mark.parametrize("left", [None, iso(NOW - HOUR)], ids=["none", "that of before"])
def test_an_earlier_version_of_the_program_says_no_date(world: World, left: str | None) -> None:
    """Or leaves that of the token before. The time of issue stands for it: what arrived before
    that and is dated after it is for a person."""
    put_before(world)
    world.vault.merge(world.path, {"security_token_dated_at": left})
    times = [iso(NOW), iso(NOW), iso(NOW + MINUTE), iso(NOW - MINUTE)]
    saw = SAW.format(*times).replace("version 1", "version 2")
    held = world.store(OTHER, NOW - MINUTE, dated_at=NOW + MINUTE)
    assert held == Held(Reason.CLOCKS_DISAGREE, saw)
    assert world.store(OTHER, NOW - 2 * MINUTE, dated_at=NOW - MINUTE) == Unchanged(Reason.STALE)


def test_a_time_of_issue_that_is_none_leaves_the_age_unknown(world: World) -> None:
    """Who may write the secret may have written anything there."""
    put_before(world)
    world.vault.merge(world.path, {"security_token_issued_at": "yesterday"})
    held = world.store(OTHER, NOW - MINUTE)
    assert isinstance(held, Held)
    assert held.reason is Reason.UNKNOWN_AGE


def test_a_secret_of_an_earlier_version_is_replaced_by_a_newer_token(world: World) -> None:
    """All our fields are there then."""
    put_before(world)
    assert isinstance(world.store(OTHER, NOW + MINUTE), Stored)
    data = world.vault.get(world.path) or {}
    assert (data["security_token"], data["security_token_version"]) == (OTHER, "2")


def put_before(world: World) -> None:
    """A secret as 0.1.0 left it."""
    world.vault.put(
        world.path,
        {
            "security_token": NEW,
            "security_token_issued_at": iso(NOW),
            "security_token_captured_at": iso(NOW),
            "security_token_captured_by": "one",
            "security_token_fingerprint": Token(NEW).fingerprint,
        },
    )


def test_a_token_that_somebody_put_in_the_place_of_ours_is_the_newer_one(world: World) -> None:
    """Ours was there before, and that is told; nobody has to decide."""
    world.store(NEW)
    world.vault.merge(world.path, {"security_token": OTHER})
    assert world.store(NEW) == Unchanged(Reason.STALE, world.receipt(1))


def test_no_clock_has_a_say_in_what_was_there_before(world: World) -> None:
    """Salesforce's clock is ahead: by the times the mail is newer than what took its place."""
    world.store(NEW, NOW + HOUR)
    world.vault.merge(world.path, {"security_token": OTHER})
    assert world.store(NEW, NOW + HOUR) == Unchanged(Reason.STALE, world.receipt(1))


def test_versions_around_a_deleted_one_are_found(world: World) -> None:
    """A deleted version in between hides only itself."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    world.vault.merge(world.path, {"password": "one"})
    world.vault.delete(world.path, 2)
    assert world.store(OLD, NOW - MINUTE) == Unchanged(Reason.STALE, world.receipt(1))


def test_another_instance_finds_the_token_and_claims_nothing(world: World) -> None:
    """Two instances on one mailbox: one version, and it is told to the one who wrote it."""
    world.store(NEW, instance="one")
    assert world.store(NEW, instance="two") == Unchanged(Reason.SAME_TOKEN, None)
    assert world.store(NEW, instance="one") == Unchanged(Reason.SAME_TOKEN, world.receipt(1))


def test_an_instance_that_was_overtaken_by_an_older_token_writes_its_own(world: World) -> None:
    """Check-and-set fails, the second look finds an older token, and ours replaces it."""
    world.store(OLD, NOW - 2 * MINUTE)
    world.interfere(lambda: world.store(OTHER, NOW - MINUTE, instance="two"))
    assert world.store(NEW).receipt.version == 3  # type: ignore[union-attr]
    assert (world.vault.get(world.path) or {})["security_token"] == NEW


def test_an_instance_that_was_overtaken_by_the_same_token_changes_nothing(world: World) -> None:
    """Two instances saw the mail at once: one version."""
    world.interfere(lambda: world.store(NEW, instance="two"))
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, None)
    assert list(world.vault.versions(world.path)) == [1]


def test_a_password_that_is_changed_at_the_same_moment_survives(world: World) -> None:
    """Somebody merges another field between our read and our write."""
    world.vault.put(world.path, {"password": "old"})
    world.interfere(lambda: world.vault.merge(world.path, {"password": "new"}))
    world.store(NEW)
    data = world.vault.get(world.path) or {}
    assert (data["password"], data["security_token"]) == ("new", NEW)


def test_a_secret_that_is_deleted_at_the_same_moment_stays_deleted(world: World) -> None:
    """Somebody deletes between our read and our write."""
    world.store(OLD, NOW - MINUTE)
    world.interfere(lambda: world.vault.delete(world.path))
    assert world.store(NEW) == Held(Reason.SECRET_DELETED, "version 1 was deleted")


def test_a_secret_that_is_purged_at_the_same_moment_is_written_anew(world: World) -> None:
    """Somebody removes everything between our read and our write: it is version 1 then."""
    world.store(OLD, NOW - MINUTE)
    world.interfere(lambda: world.vault.purge(world.path))
    assert world.store(NEW).receipt.version == 1  # type: ignore[union-attr]


def test_a_race_that_does_not_end_is_given_up_for_now(world: World) -> None:
    """Somebody writes before each of our writes: TransientError, and nothing is lost by it."""
    world.vault.put(world.path, {"password": "0"})

    def overtake() -> None:
        world.vault.merge(world.path, {"password": "again"})
        world.interfere(overtake)

    world.interfere(overtake)
    with pytest.raises(TransientError) as caught:
        world.store(NEW)
    assert caught.value.code == "vault-race"
    assert (world.vault.get(world.path) or {}).get("security_token") is None


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "a/./b",
        "a/b.",
        "a%2Fb",
        "a b",
        "a?b",
        "a#b",
        "",
        "a\nb",
        "ä",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    """The last look before a path becomes a URL: nothing is read, nothing written."""
    vault = FakeVault()
    effects: list[str] = []
    store = FakeStore(vault, trip=effects.append)
    with pytest.raises(AccessError) as caught:
        store.store(Capture(mails.mail(b""), USER, Token(NEW), "acme", path, NOW, NOW))
    assert (caught.value.code, effects, vault.paths()) == ("vault-path", [], [])


def test_of_two_writes_of_a_token_the_later_one_is_known_again(world: World) -> None:
    """It was lost in between; what a person changed after it is no write of ours."""
    world.store(NEW)
    world.vault.put(world.path, {"password": "p"})
    world.store(NEW)
    world.vault.merge(world.path, {"password": "q"})
    assert world.store(NEW) == Unchanged(Reason.SAME_TOKEN, world.receipt(3))


def held_after(world: World, prepare: Callable[[], object]) -> Holding:
    """What the store says of the path once a test has had its way with it."""
    prepare()
    return world.build("three").holds(world.path)


def test_what_is_held_is_told_without_the_token(world: World) -> None:
    """Nothing; ours, with its age; what somebody else wrote; nothing beside other fields."""
    assert held_after(world, lambda: None) == Holding(0)
    ours = held_after(world, lambda: world.store(NEW))
    assert ours == Holding(1, fingerprint=Token(NEW).fingerprint, issued_at=NOW, dated_at=NOW)
    foreign = held_after(world, lambda: world.vault.merge(world.path, {"security_token": OTHER}))
    written_at = moment(world.vault.versions(world.path)[2]["created_time"])
    fingerprint = Token(OTHER).fingerprint
    assert foreign == Holding(2, fingerprint=fingerprint, written_at=written_at)
    dropped = held_after(world, lambda: world.vault.put(world.path, {"password": "p"}))
    assert dropped == Holding(3)


def login_after(world: World, prepare: Callable[[], object]) -> LoginSecrets:
    """What a user logs in with, once a test has had its way with the secret."""
    prepare()
    return world.build("three").login_secrets(world.path, "password")


def test_what_a_user_logs_in_with_is_read(world: World) -> None:
    """Token and password as they are now; what is no text, or empty, is no password."""
    assert login_after(world, lambda: None) == LoginSecrets(None, None)
    assert login_after(world, lambda: world.store(NEW)) == LoginSecrets(Token(NEW), None)
    both = login_after(world, lambda: world.vault.merge(world.path, {"password": "p&<ü"}))
    assert both == LoginSecrets(Token(NEW), Secret("p&<ü"))
    for wrong in ("", 7, {"p": "q"}):
        changed = {"password": wrong, "security_token": OTHER}
        told = login_after(world, partial(world.vault.merge, world.path, changed))
        assert told == LoginSecrets(Token(OTHER), None)
    assert login_after(world, lambda: world.vault.delete(world.path)) == LoginSecrets(None, None)


def test_what_was_deleted_is_told_to_be_gone(world: World) -> None:
    """It was there, and nobody knows what it was; without its metadata there is nothing."""
    world.store(NEW)
    assert held_after(world, lambda: world.vault.delete(world.path)) == Holding(1, gone=True)
    assert held_after(world, lambda: world.vault.destroy(world.path, 1)) == Holding(1, gone=True)
    assert held_after(world, lambda: world.vault.purge(world.path)) == Holding(0)


def test_what_expired_is_told_to_be_missing(world: World) -> None:
    """Nobody decided against that token."""
    world.vault.settings(world.path, delete_version_after="1s")
    world.store(NEW)
    until(lambda: world.vault.get(world.path) is None, "the version to expire")
    assert held_after(world, lambda: None) == Holding(1)


def test_to_ask_what_is_held_takes_one_read() -> None:
    """Of the secret itself; the mount is looked at once."""
    vault = FakeVault()
    effects: list[str] = []
    store = FakeStore(vault, trip=effects.append)
    store.holds(USER)
    store.holds(USER)
    assert effects == ["read", "read"]


def test_versions_tell_who_wrote_what(world: World) -> None:
    """For reconciling: every version that is kept, with our fields of it, never a value."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW, instance="two")
    world.vault.put(world.path, {"security_token": OTHER})
    world.vault.put(world.path, {"password": "p"})
    world.vault.delete(world.path, 1)
    about = world.vault.versions(world.path)
    created = {number: version["created_time"] for number, version in about.items()}
    secret = world.vault.get(world.path, 2) or {}
    ours = OurFields(
        issued_at=iso(NOW),
        dated_at=iso(NOW),
        captured_at=secret["security_token_captured_at"],
        captured_by="two",
        fingerprint=Token(NEW).fingerprint,
        mail=secret["security_token_mail"],
        writer=secret["security_token_writer"],
        version="2",
    )
    deleted_at = about[1]["deletion_time"]
    assert world.stores["one"].kept(world.path) == [
        KeptVersion(1, created[1], ended=Ended.DELETED, ends_at=deleted_at),
        KeptVersion(2, created[2], Token(NEW).fingerprint, ours),
        KeptVersion(3, created[3], Token(OTHER).fingerprint),
        KeptVersion(4, created[4]),
    ]
    assert world.stores["one"].kept(world.path + ".nobody") == []


def test_versions_tell_how_they_ended(world: World) -> None:
    """Deleted, or destroyed: what they held is not known."""
    world.store(OLD, NOW - MINUTE)
    world.store(NEW)
    world.vault.delete(world.path, 2)
    world.vault.destroy(world.path, 1)
    ends = [version.ended for version in world.stores["one"].kept(world.path)]
    assert ends == [Ended.DESTROYED, Ended.DELETED]


def test_versions_that_will_expire_are_told_as_long_as_they_are_there(world: World) -> None:
    """`delete_version_after` gives every version an end; until then it is readable."""
    world.vault.settings(world.path, delete_version_after="1000s")
    world.store(NEW)
    (version,) = world.stores["one"].kept(world.path)
    assert (version.ours.captured_by, version.ended) == ("one", None)
    assert version.ends_at == world.vault.versions(world.path)[1]["deletion_time"]
