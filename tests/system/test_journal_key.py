"""A key of the journal that comes, changes, goes and is lost, while tokens come, between real
servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.soap import Salesforce
from tests.kit.waiting import until
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Secret
from token_catcher.record import Keyring

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
FIRST = "FAKEfirstTOKEN1notREAL2ab"
SECOND = "FAKEsecondTOKENnotREAL2ab"
ELSE = "etl@acme.example"
HELD = "Ihr neues Salesforce-Sicherheitstoken"
KEY = "k" * 64
NEXT = "n" * 64

LIVES = {
    "turned on": ("", KEY),
    "changed": (KEY, f"{NEXT}\n{KEY}"),
    "turned off": (KEY, ""),
    "lost": (KEY, NEXT),
}
"""What `journal.key` has before, and after."""
every_life = pytest.mark.parametrize(("before", "after"), LIVES.values(), ids=LIVES)


def fingerprints(keys: str) -> Fingerprints:
    """Of records that are written with the first of these keys."""
    if not keys:
        return PLAIN
    return Keyring.of(Secret(keys)).fingerprints


def recorded(keys: str, token: str) -> str:
    """What records have of a token."""
    return fingerprints(keys).recorded(mails.fingerprint(token))


@dataclass
class World:
    """The program, with whatever key."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    more: str = ""
    """Of the configuration."""

    @property
    def path(self) -> str:
        """Where the user's token is."""
        return self.path_of(mails.USERNAME)

    def path_of(self, username: str) -> str:
        """Where that of another one is."""
        return f"salesforce/{self.org}/{username}"

    @property
    def token(self) -> str | None:
        """What Vault has of the user."""
        return (self.openbao.get(self.path) or {}).get("security_token")

    def use(self, keys: str) -> None:
        """From now on these are the keys."""
        self.tool.configure()
        with self.tool.config.open("a") as config:
            config.write(self.more)
            if keys:
                self.tool.secret("journal-key", keys)
                config.write("journal: {key: {file: journal-key}}\n")

    def reset(
        self, token: str, minutes: int = 0, username: str = mails.USERNAME, **fields: str
    ) -> None:
        """A genuine mail comes."""
        issued_at = NOW + timedelta(minutes=minutes)
        mail = mails.genuine(username, token, issued_at=issued_at, **fields)
        self.dovecot.deliver(mail, self.user)

    @property
    def fingerprints(self) -> list[str]:
        """Of the records, in order."""
        return [record["fingerprint"] for record in self.tool.journal if "mail" in record]


@pytest.fixture
def world(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> World:
    """With nothing in it."""
    return World(tool, dovecot, openbao, user, org)


def test_all_that_tells_of_a_record_has_its_fingerprint(world: World) -> None:
    """Journal, log, `scan --json` and `history`; Vault has the plain one."""
    world.use(KEY)
    world.reset(FIRST)
    done = world.tool("scan", "--json")
    (told,) = done.lines
    (logged,) = [event for event in done.events if event["event"] == "rotation.stored"]
    (row,) = world.tool("history", "--json").lines
    keyed = recorded(KEY, FIRST)
    assert [told["fingerprint"], logged["fingerprint"], row["fingerprint"]] == [keyed] * 3
    assert world.fingerprints == [keyed]
    plain = mails.fingerprint(FIRST)
    assert (world.openbao.get(world.path) or {})["security_token_fingerprint"] == plain
    files = [file for file in world.tool.state.rglob("*") if file.is_file()]
    assert [file.name for file in files if plain in file.read_text("utf-8", "replace")] == []


@every_life
def test_records_of_before_and_after_agree_with_vault(
    world: World, before: str, after: str
) -> None:
    """Reconciled under the keys of now; of records whose key is gone a note tells."""
    world.use(before)
    world.reset(FIRST)
    assert world.tool("scan").code == 0
    world.use(after)
    world.reset(SECOND, 1)
    assert world.tool("scan").code == 0
    assert world.fingerprints == [recorded(before, FIRST), recorded(after, SECOND)]
    told = [
        (line["kind"], line["code"])
        for line in world.tool("audit", "reconcile", "--json").lines
        if line["code"] != "not-listed"
    ]
    expected: list[tuple[str, str]] = []
    if not fingerprints(after).is_known(recorded(before, FIRST)):
        expected = [("note", "unknown-key")]
    if after == NEXT:  # which is a finding of the chain
        expected = [("finding", "journal-broken"), *expected]
    assert told == expected


@every_life
def test_the_look_for_drift_goes_on_over_a_change(world: World, before: str, after: str) -> None:
    """What is there is no drift; an older token is, and is mended from the mail."""
    world.use(before)
    world.reset(FIRST)
    assert world.tool("scan").code == 0
    backup = world.openbao.get(world.path) or {}
    world.reset(SECOND, 1)
    assert world.tool("scan").code == 0
    world.reset(mails.token(1), 1, ELSE)
    assert world.tool("scan").code == 0
    world.openbao.delete(world.path_of(ELSE))  # which is told, after the other user was looked at
    world.use(after)
    with world.tool.daemon() as daemon:
        until(lambda: daemon.says("vault.drift", username=ELSE), "the look")
        assert not daemon.says("vault.drift", username=mails.USERNAME)
        assert daemon.end() == 0
    assert len(world.openbao.versions(world.path)) == 2
    world.openbao.put(world.path, backup)
    with world.tool.daemon() as daemon:
        until(lambda: world.token == SECOND, "the newest token")
        assert daemon.says("vault.drift", drift="older", username=mails.USERNAME)
        assert daemon.end() == 0
    assert world.tool.journal[-1]["mended"]
    assert world.fingerprints[-1] == recorded(after, SECOND)


@every_life
def test_a_held_mail_is_released_over_a_change(world: World, before: str, after: str) -> None:
    """It waits until then, and no longer; its record of before has the fingerprint of before."""
    world.use(before)
    world.reset(FIRST, subject=HELD)
    assert world.tool("scan").code == 1
    world.use(after)
    (mail,) = world.tool("held", "--json").lines
    assert mail["fingerprint"] == recorded(before, FIRST)
    assert world.tool("release", mail["id"]).code == 0
    assert (world.token, world.tool("held", "--json").lines) == (FIRST, [])
    assert world.fingerprints == [recorded(before, FIRST), recorded(after, FIRST)]


@pytest.fixture
def salesforce() -> Iterator[Salesforce]:
    """It accepts everybody."""
    with Salesforce() as server:
        yield server


@every_life
def test_a_token_is_tried_once_over_a_change(
    world: World, salesforce: Salesforce, before: str, after: str
) -> None:
    """Another copy of its mail has it stored again, under another fingerprint: no second login."""
    world.more = f"verify: {{login: true, host: '{salesforce.url}'}}\n"
    world.use(before)
    world.openbao.put(world.path, {"password": "p"})
    with world.tool.daemon() as daemon:
        world.reset(FIRST)
        until(lambda: daemon.says("token.verified"), "the proof")
        assert daemon.end() == 0
    world.use(after)
    world.openbao.purge(world.path)
    world.openbao.put(world.path, {"password": "p"})
    copy = b"Delivered-To: else@acme.example\r\n" + mails.genuine(token=FIRST, issued_at=NOW)
    world.dovecot.deliver(copy, world.user)
    assert world.tool("scan").code == 0
    world.openbao.put(world.path_of(ELSE), {"password": "p"})
    world.reset(SECOND, 1, ELSE)
    assert world.tool("scan").code == 0
    with world.tool.daemon() as daemon:
        until(lambda: daemon.says("token.verified", username=ELSE), "the proof of the next one")
        assert daemon.end() == 0
    assert [record["event"] for record in world.tool.journal if "mail" in record] == [
        "rotation.stored",
        "rotation.verified",
        "rotation.stored",
        "rotation.stored",
        "rotation.verified",
    ]
    assert [login.username for login in salesforce.logins] == [mails.USERNAME, ELSE]
