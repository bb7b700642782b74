"""Keys of signatures: pinned ones, those of DNS (against a server of our own),
and those that DNS had when the mail came."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import dns.rcode
import pytest

from tests.kit.dns import SILENCE, SLOW, SLOWLY_ABSENT, Entry, TinyDns
from tests.kit.mails import genuine, genuine_signer, sign, token_mail
from token_catcher.errors import NOT_ASKED, ConfigurationError, TransientError
from token_catcher.keys import DnsKeys, KeyChain, PinnedKeys, RememberedKeys
from token_catcher.keys.published import (
    LONGEST,
    LONGEST_SILENCE,
    MAX_ANSWERS,
    MAX_RECORD,
    PATIENCE,
    REST,
    SHORTEST,
)
from token_catcher.keys.remembered import MAX_KEYS
from token_catcher.model import Header
from token_catcher.proof import signature
from token_catcher.reading import wire

NAME = "sel._domainkey.salesforce.com"
RECORD = b"v=DKIM1; k=rsa; p=AAAA"
TEXT = [f'300 IN TXT "{RECORD.decode()}"']
REVOKED = b"v=DKIM1; k=rsa; p="
THEN = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Clock:
    """Both clocks of the program, moved by hand."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def wait(self) -> None:
        """As long as the program waits for an answer that does not come."""
        self.passed += timedelta(seconds=5)

    def now(self) -> datetime:
        return THEN + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


class Heard:
    """A Log that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    debug = info = error = warning


class Published:
    """What DNS says now: records, nothing, or (None as the whole) no answer."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] | None = {NAME: RECORD}
        self.asked: list[tuple[str, bool]] = []
        """Names, and whether they were asked for as known ones."""

    def ask(self, name: str, *, known: bool = False) -> bytes | None:
        self.asked.append((name, known))
        if self.records is None:
            raise TransientError("silent", code="dns")
        return self.records.get(name)


def dns_keys(server: TinyDns, clock: Clock | None = None, timeout: float = 5.0) -> DnsKeys:
    return DnsKeys(
        nameservers=["127.0.0.1"],
        port=server.port,
        timeout=timeout,
        monotonic=(clock or Clock()).monotonic,
    )


def answer(said: Entry, name: str = NAME) -> bytes | None:
    with TinyDns({name: said}) as server:
        return dns_keys(server).ask(name)


# DNS


def test_a_record() -> None:
    """One TXT record of one string."""
    assert answer(['300 IN TXT "v=DKIM1; k=rsa; p=AAAA"']) == RECORD


@pytest.mark.parametrize("record", [b"p=AAAA", b" v = DKIM1 ; p=AAAA", b"v=DKIM1;p=AAAA"])
def test_a_record_need_not_say_its_version(record: bytes) -> None:
    """RFC 6376, 3.6.1: `v=` is DKIM1, or left out. White space may stand around it."""
    assert answer([f'300 IN TXT "{record.decode()}"']) == record


def test_split_strings_are_joined() -> None:
    """A key is longer than one string of 255 bytes; nothing comes between the pieces."""
    assert answer(['300 IN TXT "v=DKIM1; k=r" "sa; p=" "AAAA"']) == RECORD


def test_a_cname_is_followed() -> None:
    """Salesforce's customers publish their keys so."""
    table: dict[str, Entry] = {
        NAME: ["300 IN CNAME sel.abc.custdkim.example."],
        "sel.abc.custdkim.example": [f'60 IN TXT "{RECORD.decode()}"'],
    }
    with TinyDns(table) as server:
        assert dns_keys(server).ask(NAME) == RECORD


@pytest.mark.parametrize(
    "said",
    [
        dns.rcode.NXDOMAIN,
        [],
        ["300 IN CNAME nowhere.example."],
        ['300 IN TXT "v=DKIM1; p=AAAA"', '300 IN TXT "v=DKIM1; p=BBBB"'],
        ['300 IN TXT "v=DKIM1; p=AAAA"', '300 IN TXT "v=spf1 -all"'],
        ['300 IN TXT "v=spf1 -all"'],
        ['300 IN TXT ""'],
        ['300 IN TXT "v=DKIM1; k=rsa; up=AAAA"'],
        ['300 IN TXT "v=DMARC1; p=reject"'],
        ['300 IN TXT "v=DKIM11; p=AAAA"'],
        ['300 IN TXT " v = ; p=AAAA"'],
        [f"300 IN TXT {' '.join(chr(34) + 'x' * 250 + chr(34) for _ in range(17))}"],
    ],
    ids=[
        "no-name",
        "no-record",
        "cname-to-nowhere",
        "two-keys",
        "key-and-other",
        "no-key",
        "empty",
        "no-p",
        "of-dmarc",
        "of-a-later-version",
        "of-no-version",
        "too-long",
    ],
)
def test_no_key(said: Entry) -> None:
    """No name, no record, more than one, or one that is larger than any key: never a key."""
    assert answer(said) is None


@pytest.mark.parametrize("said", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, SILENCE])
def test_no_answer_is_a_trouble_that_passes(said: Entry) -> None:
    """SERVFAIL, a refusal, or nothing until the time is over."""
    with (
        TinyDns({NAME: said}) as server,
        pytest.raises(TransientError, match=f"DNS did not answer for {NAME}") as raised,
    ):
        dns_keys(server, timeout=0.2).ask(NAME)
    assert raised.value.code == "dns"


def test_a_trouble_is_not_remembered() -> None:
    """The next question is asked again."""
    with TinyDns({NAME: dns.rcode.SERVFAIL}) as server:
        keys = dns_keys(server)
        with pytest.raises(TransientError):
            keys.ask(NAME)
        server.table[NAME] = TEXT
        assert keys.ask(NAME) == RECORD


def of(number: int) -> str:
    """One of many names."""
    return f"s{number}._domainkey.salesforce.com"


def ask_in_vain(keys: DnsKeys, name: str = NAME, *, known: bool = False) -> str:
    """The trouble that the question meets."""
    with pytest.raises(TransientError) as raised:
        keys.ask(name, known=known)
    return str(raised.value)


def test_a_silent_name_is_left_alone_for_a_moment() -> None:
    """A backlog does not wait for it mail by mail; after some seconds it is asked again."""
    clock = Clock()
    with TinyDns({NAME: SLOW}, waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        assert ask_in_vain(keys).startswith(f"DNS did not answer for {NAME}")
        problem = f"DNS did not answer a moment ago, so {NAME} was not asked for"
        assert [ask_in_vain(keys) for _ in range(60)] == [problem] * 60
        assert server.asked == [NAME]
        server.table[NAME] = TEXT
        clock.passed += timedelta(seconds=5)
        assert keys.ask(NAME) == RECORD


def test_a_silent_name_silences_no_other() -> None:
    """The genuine key is asked for while a made-up name is not answered."""
    clock = Clock()
    with TinyDns({of(1): SLOW, NAME: TEXT}, waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        ask_in_vain(keys, of(1))
        assert keys.ask(NAME) == RECORD


@pytest.mark.parametrize(
    ("known", "longest"),
    [(True, [160, LONGEST_SILENCE, LONGEST_SILENCE]), (False, [160, 320, 640])],
)
def test_the_pause_of_a_silent_name_grows(known: bool, longest: list[float]) -> None:
    """To five minutes, so that mail with a known key is caught soon after an outage.

    To an hour where the name may be made up."""
    clock = Clock()
    with TinyDns({NAME: SLOW}, waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        for times, pause in enumerate([5, 10, 20, 40, 80, *longest], 1):
            ask_in_vain(keys, known=known)
            clock.passed += timedelta(seconds=pause - 1)
            ask_in_vain(keys, known=known)
            assert len(server.asked) == times
            # A made-up name has a share of the patience with all of them as well.
            clock.passed += timedelta(seconds=1 if known else REST)


def test_a_flood_of_silent_names_is_not_waited_for() -> None:
    """Sixty forged mails with a name each: three are waited for, and a known name still is.

    After a rest the next three have their turn."""
    names = [of(number) for number in range(60)]
    clock = Clock()
    table: dict[str, Entry] = {NAME: TEXT, **dict.fromkeys(names, SLOW)}
    with TinyDns(table, waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        for name in names:
            ask_in_vain(keys, name)
        assert server.asked == names[:3]
        assert keys.ask(NAME, known=True) == RECORD
        clock.passed += timedelta(seconds=REST)
        told = [ask_in_vain(keys, name) for name in names[3:]]
        assert server.asked == [*names[:3], NAME, *names[3:6]]
        assert told[-1] == (
            f"15 seconds were spent on unknown names, so {names[-1]} was not asked for"
        )


@pytest.mark.parametrize(("seconds", "times"), [(5, 3), (0.25, 60), (0.125, 120)])
def test_a_flood_of_slow_answers_is_not_waited_for(seconds: float, times: int) -> None:
    """A resolver that takes its time to say that there is no such name costs as much, however
    little time it is: a quarter of ours at most, and none of it where the name is known."""
    clock = Clock()

    def wait() -> None:
        clock.passed += timedelta(seconds=seconds)

    flood = [of(number) for number in range(200)]
    with TinyDns(dict.fromkeys(flood, SLOWLY_ABSENT), waiting=wait) as server:
        keys = dns_keys(server, clock)
        assert [ask(keys, name) for name in flood] == [None] * times + [NOT_ASKED] * (200 - times)
        assert clock.passed == timedelta(seconds=PATIENCE)
        server.table[NAME] = TEXT
        assert keys.ask(NAME, known=True) == RECORD


def test_a_name_that_was_not_asked_for_is_after_the_rest() -> None:
    """The trouble says when that is: as long after the last question as was not asked for any."""
    clock = Clock()
    with TinyDns(dict.fromkeys(map(of, range(3)), SLOW), waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        for number in range(3):
            ask_in_vain(keys, of(number))
        clock.passed += timedelta(seconds=20)
        with pytest.raises(TransientError) as raised:
            keys.ask(NAME)
        assert (raised.value.code, raised.value.retry_after) == (NOT_ASKED, REST - 20)
        server.table[NAME] = TEXT
        clock.passed += timedelta(seconds=REST - 20)
        assert keys.ask(NAME) == RECORD


def test_known_names_cost_strangers_nothing() -> None:
    """However long DNS is silent about them, a new key can be asked for."""
    clock = Clock()
    with TinyDns(dict.fromkeys(map(of, range(9)), SLOW), waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        for number in range(9):
            ask_in_vain(keys, of(number), known=True)
        server.table[NAME] = TEXT
        assert keys.ask(NAME) == RECORD


@pytest.mark.parametrize(("known", "code"), [(False, "dns"), (True, "dns-known-key")])
def test_silence_about_a_known_key_is_another_trouble(known: bool, code: str) -> None:
    """No stranger can have us meet it. So it is also while the name is left alone."""
    clock = Clock()
    with TinyDns({NAME: SLOW}, waiting=clock.wait) as server:
        keys = dns_keys(server, clock)
        for _ in range(2):
            with pytest.raises(TransientError) as raised:
                keys.ask(NAME, known=known)
            assert raised.value.code == code
        assert server.asked == [NAME]


def ask(keys: DnsKeys, name: str) -> bytes | str | None:
    """The record, or the code of the trouble."""
    try:
        return keys.ask(name)
    except TransientError as trouble:
        return trouble.code


@pytest.mark.parametrize(("ttl", "kept"), [(1, SHORTEST), (300, 300), (86400, LONGEST)])
def test_an_answer_is_kept_for_its_time_to_live(ttl: int, kept: float) -> None:
    """At least a minute, at most an hour, so that a withdrawn key is noticed."""
    clock = Clock()
    with TinyDns({NAME: [f'{ttl} IN TXT "{RECORD.decode()}"']}) as server:
        keys = dns_keys(server, clock)
        keys.ask(NAME)
        clock.passed = timedelta(seconds=kept - 1)
        assert (keys.ask(NAME), len(server.asked)) == (RECORD, 1)
        clock.passed = timedelta(seconds=kept + 1)
        assert (keys.ask(NAME), len(server.asked)) == (RECORD, 2)


def test_a_missing_name_is_kept_for_a_minute() -> None:
    """A flood of forgeries asks once; a new key is found soon."""
    clock = Clock()
    with TinyDns() as server:
        keys = dns_keys(server, clock)
        assert [keys.ask(NAME) for _ in range(9)] == [None] * 9
        assert len(server.asked) == 1
        server.table[NAME] = TEXT
        clock.passed = timedelta(seconds=SHORTEST + 1)
        assert keys.ask(NAME) == RECORD


def test_the_pause_of_an_absent_name_grows() -> None:
    """From a minute to an hour: what stays away costs little, what comes back is found.

    Then it begins anew."""
    clock = Clock()
    with TinyDns() as server:
        keys = dns_keys(server, clock)
        for times, pause in enumerate([60, 120, 240, 480, 960, 1920, 3600, 3600], 1):
            keys.ask(NAME)
            clock.passed += timedelta(seconds=pause - 1)
            assert (keys.ask(NAME), len(server.asked)) == (None, times)
            clock.passed += timedelta(seconds=1)
        server.table[NAME] = TEXT
        assert keys.ask(NAME) == RECORD
        del server.table[NAME]
        clock.passed += timedelta(seconds=300)
        assert keys.ask(NAME) is None
        clock.passed += timedelta(seconds=SHORTEST)
        keys.ask(NAME)
        assert len(server.asked) == 8 + 3


def test_what_is_kept_is_bounded_and_known_names_stay() -> None:
    """However many selectors are made up: the oldest of these are asked again, known names not."""
    names = [of(number) for number in range(MAX_ANSWERS + 9)]
    with TinyDns({NAME: TEXT}) as server:
        keys = dns_keys(server)
        keys.ask(NAME, known=True)
        for name in names:
            keys.ask(name)
        assert server.asked == [NAME, *names]
        server.asked.clear()
        for name in (NAME, names[10], names[-1], names[9]):
            keys.ask(name, known=name == NAME)
        assert server.asked == [names[9]]


@pytest.mark.parametrize(
    "name",
    [
        "salesforce.com",
        "_domainkey.salesforce.com",
        "sel._domainkey.",
        "a b._domainkey.salesforce.com",
        "sel._domainkey.x\n",
    ],
)
def test_names_of_another_form_are_not_asked_for(name: str) -> None:
    """Only a key's."""
    with TinyDns() as server:
        assert dns_keys(server).ask(name) is None
        assert server.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "x" * 64 + "._domainkey.salesforce.com",
        "a." * 120 + "_domainkey.salesforce.com",
        "a..b._domainkey.salesforce.com",
    ],
)
def test_names_that_dns_cannot_hold(name: str) -> None:
    """They are no trouble that passes: a mail with such a selector would wait for ever."""
    with TinyDns() as server:
        assert dns_keys(server).ask(name) is None


def test_no_search_list_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for as it stands, once."""
    monkeypatch.setenv("LOCALDOMAIN", "evil.example")
    with TinyDns() as server:
        dns_keys(server).ask(NAME)
        assert server.asked == [NAME]


# Pinned keys


def pinned(tmp_path: Path, text: str) -> PinnedKeys:
    file = tmp_path / "keys"
    file.write_text(text, "utf-8")
    return PinnedKeys.read(file)


def test_pinned_keys_are_read(tmp_path: Path) -> None:
    """A name and a record a line, whatever white space between; comments and empty lines."""
    keys = pinned(
        tmp_path,
        f"# ours\n\n  {NAME} \t {RECORD.decode()} \n   # more\nB._domainkey.x.example p=BBBB\n",
    )
    assert keys.lookup(NAME.upper(), THEN) == RECORD
    assert keys.lookup("b._domainkey.x.example", THEN) == b"p=BBBB"
    assert keys.lookup("c._domainkey.x.example", THEN) is None


@pytest.mark.parametrize(
    "line",
    [
        f'{NAME}. 3600 IN TXT "v=DKIM1; p=AA" "AA"',
        f'{NAME} IN TXT "v=DKIM1\\; p=AAAA"',
        f'{NAME}. TXT "v=DKIM1; p=AAAA"   ',
        f'{NAME} "v=DKIM1; p=AAAA"',
        f"{NAME}. v=DKIM1; p=AAAA",
    ],
)
def test_a_line_of_a_zone(tmp_path: Path, line: str) -> None:
    """As an administrator copies it out of a zone, or out of what `dig` prints."""
    assert pinned(tmp_path, f"; ours\n{line}\n").lookup(NAME, THEN) == b"v=DKIM1; p=AAAA"


@pytest.mark.parametrize(
    "line",
    [
        f'{NAME} IN TXT ( "v=DKIM1; p=AAAA" )',
        f'{NAME} IN TXT "v=DKIM1; p=AAAA',
        f'{NAME} IN CNAME "p=AAAA"',
        NAME,
        f"{NAME} ",
        f"{NAME} v=DKIM1",
        "salesforce.com p=AAAA",
        f"x {NAME} p=AAAA",
        f"{NAME} p=A\n{NAME.upper()} p=B",
    ],
    ids=[
        "zone-brackets",
        "zone-quote",
        "zone-type",
        "no-record",
        "empty-record",
        "no-key",
        "no-name",
        "two-names",
        "twice",
    ],
)
def test_a_line_of_another_form(tmp_path: Path, line: str) -> None:
    """Told with its number, what was got and what is expected."""
    number = 2 + line.count("\n")
    expected = r"expected SELECTOR\._domainkey\.DOMAIN, a space and a key record"
    with pytest.raises(ConfigurationError, match=rf"keys:{number}: got '.*, {expected}"):
        pinned(tmp_path, f"# ours\n{line}\n")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, or of other bytes."""
    with pytest.raises(
        ConfigurationError, match="the pinned keys cannot be read: No such file or directory"
    ):
        PinnedKeys.read(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="the pinned keys cannot be read: it is not ASCII"):
        pinned(tmp_path, "# ü\n")


def test_a_pinned_key_is_never_asked_of_dns(tmp_path: Path) -> None:
    """Nor any other, once it has answered."""
    memory = Memory(tmp_path)
    memory.dns.records = None
    chain = KeyChain(PinnedKeys({NAME: b"p=PINNED"}), memory.keys)
    assert (chain.lookup(NAME, THEN), chain.knows(NAME), chain.knows(of(1))) == (
        b"p=PINNED",
        True,
        False,
    )
    with pytest.raises(TransientError):
        chain.lookup(of(1), THEN)
    assert memory.dns.asked == [(of(1), False)]
    memory.dns.records = {NAME: RECORD}
    assert KeyChain(PinnedKeys({}), memory.keys).lookup(NAME, THEN) == RECORD
    assert KeyChain().lookup(NAME, THEN) is None


def test_a_pinned_key_is_not_remembered(tmp_path: Path) -> None:
    """DNS never said so: once the pin is gone, it is worth nothing."""
    memory = Memory(tmp_path)
    chain = KeyChain(PinnedKeys({NAME: b"p=PINNED"}), memory.keys)
    chain.verified(NAME, b"p=PINNED")
    chain.verified(of(1), RECORD)
    assert (memory.keys.knows(NAME), memory.keys.knows(of(1))) == (False, True)


def test_a_pinned_key_is_not_refreshed(tmp_path: Path) -> None:
    """Though it was remembered before it was pinned."""
    memory = Memory(tmp_path)
    memory.keys.verified(NAME, RECORD)
    memory.keys.verified(of(1), RECORD)
    memory.clock.passed = HOUR
    memory.keys.refresh(PinnedKeys({NAME: RECORD}))
    assert memory.dns.asked == [(of(1), True)]


# Remembered keys


class Memory:
    """Remembered keys over a DNS and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.dns = Published()
        self.clock = Clock()
        self.log = Heard()
        self.file = folder / "keys.json"

    @property
    def keys(self) -> RememberedKeys:
        """A new one each time, as after a restart: what is remembered stands in the file."""
        return RememberedKeys(self.dns, self.file, now=self.clock.now, log=self.log)

    def verify(self) -> None:
        """A mail is verified with what DNS has."""
        record = self.keys.lookup(NAME, self.clock.now())
        assert record is not None
        self.keys.verified(NAME, record)

    def withdraw(self, later: timedelta) -> None:
        """Some time passes, and DNS has the key no more."""
        self.clock.passed += later
        self.dns.records = {}


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def test_a_backlog_verifies_after_a_rotation(memory: Memory) -> None:
    """Mail that came while the key was published,
    and up to a day after DNS was last seen to have it."""
    memory.verify()
    memory.withdraw(14 * DAY)
    assert memory.keys.lookup(NAME, THEN - DAY) == RECORD
    assert memory.keys.lookup(NAME, THEN + DAY) == RECORD


def test_later_mail_does_not_verify(memory: Memory) -> None:
    """A key that was withdrawn signs nothing any more."""
    memory.verify()
    memory.withdraw(14 * DAY)
    assert memory.keys.lookup(NAME, THEN + DAY + timedelta(seconds=1)) is None


def test_a_key_is_remembered_while_it_is_seen(memory: Memory) -> None:
    """Each look, at most one an hour, moves the time on, though no mail comes."""
    memory.verify()
    for hours in (0.5, 30, 60):
        memory.clock.passed = timedelta(hours=hours)
        memory.keys.refresh()
    memory.withdraw(DAY)
    assert memory.keys.lookup(NAME, THEN + timedelta(hours=84)) == RECORD
    assert memory.keys.lookup(NAME, THEN + timedelta(hours=85)) is None


def test_the_file_is_written_at_most_once_an_hour(memory: Memory) -> None:
    """Not for every mail."""
    memory.verify()
    before = memory.file.stat().st_ino
    memory.clock.passed = HOUR - timedelta(seconds=1)
    memory.keys.lookup(NAME, THEN)
    assert memory.file.stat().st_ino == before
    memory.clock.passed = HOUR
    memory.keys.lookup(NAME, THEN)
    assert memory.file.stat().st_ino != before


def test_a_revoked_key_wins_over_memory(memory: Memory) -> None:
    """An empty `p=` is an answer: it is what counts, now, in silence, and after it is gone."""
    memory.verify()
    memory.dns.records = {NAME: REVOKED}
    assert memory.keys.lookup(NAME, THEN) == REVOKED
    memory.dns.records = None
    assert memory.keys.lookup(NAME, THEN) == REVOKED
    memory.withdraw(HOUR)
    assert memory.keys.lookup(NAME, THEN) == REVOKED


def test_a_revocation_is_noticed_without_a_mail(memory: Memory) -> None:
    """While DNS answered, before it fell silent."""
    memory.verify()
    memory.dns.records = {NAME: REVOKED}
    memory.clock.passed = HOUR
    memory.keys.refresh()
    memory.dns.records = None
    assert memory.keys.lookup(NAME, THEN) == REVOKED


def test_a_key_that_was_replaced_is_replaced(memory: Memory) -> None:
    """DNS is asked first; what it gave once is remembered only once a mail was verified with it."""
    memory.verify()
    memory.dns.records = {NAME: b"p=NEW"}
    assert memory.keys.lookup(NAME, THEN) == b"p=NEW"
    memory.dns.records = None
    assert memory.keys.lookup(NAME, THEN) == RECORD
    memory.keys.verified(NAME, b"p=NEW")
    assert memory.keys.lookup(NAME, THEN) == b"p=NEW"


def test_silence_is_answered_from_memory(memory: Memory) -> None:
    """For mail of the key's time; other mail waits."""
    memory.verify()
    memory.dns.records = None
    assert memory.keys.lookup(NAME, THEN + DAY) == RECORD
    with pytest.raises(TransientError):
        memory.keys.lookup(NAME, THEN + DAY + timedelta(seconds=1))
    with pytest.raises(TransientError):
        memory.keys.lookup(of(1), THEN)


def test_what_memory_gave_does_not_keep_itself_alive(memory: Memory) -> None:
    """A mail that was verified in silence shows nothing of DNS."""
    memory.verify()
    memory.dns.records = None
    memory.clock.passed += DAY
    memory.keys.verified(NAME, RECORD)
    assert json.loads(memory.file.read_text())[NAME]["last_published"] == "2026-02-03T12:00:00Z"


@pytest.mark.parametrize(
    "table",
    [{}, {NAME: []}, {NAME: [*TEXT, '300 IN TXT "v=spf1 -all"']}, {NAME: ['300 IN TXT "x"']}],
    ids=["no-name", "no-record", "two-records", "no-key"],
)
def test_memory_counts_where_dns_says_nothing(tmp_path: Path, table: dict[str, Entry]) -> None:
    """One wrong answer of a resolver does not undo what was proof a moment ago."""
    clock = Clock()
    with TinyDns({NAME: TEXT}) as server:
        keys = RememberedKeys(
            dns_keys(server, clock), tmp_path / "keys.json", now=clock.now, log=Heard()
        )
        record = keys.lookup(NAME, THEN)
        assert record is not None
        keys.verified(NAME, record)
        server.table = table
        clock.passed = 2 * HOUR
        assert keys.lookup(NAME, clock.now()) == RECORD
        assert server.asked == [NAME, NAME]


def test_what_proved_no_mail_is_not_remembered(memory: Memory) -> None:
    """Not even if it is published: whoever writes signatures chooses what is asked for."""
    memory.verify()
    memory.dns.records = {of(number): RECORD for number in range(2 * MAX_KEYS)}
    for number in range(2 * MAX_KEYS):
        memory.keys.lookup(of(number), THEN)
    assert list(json.loads(memory.file.read_text())) == [NAME]
    assert [memory.keys.knows(name) for name in (NAME, of(1))] == [True, False]


def test_known_names_are_asked_for_as_known(memory: Memory) -> None:
    """So that what strangers do to DNS has no part in it."""
    memory.verify()
    memory.keys.lookup(NAME, THEN)
    memory.keys.lookup(of(1), THEN)
    assert memory.dns.asked == [(NAME, False), (NAME, True), (of(1), False)]


def test_a_refresh_asks_once_an_hour(memory: Memory) -> None:
    """However often it is called for."""
    memory.verify()
    memory.dns.asked.clear()
    for minutes in range(0, 181, 10):
        memory.clock.passed = timedelta(minutes=minutes)
        memory.keys.refresh()
    assert memory.dns.asked == [(NAME, True)] * 3


def test_a_refresh_ends_with_the_first_silence(memory: Memory) -> None:
    """The next one comes soon; and what is gone keeps its time."""
    memory.keys.verified(NAME, RECORD)
    memory.keys.verified(of(1), RECORD)
    before = memory.file.read_bytes()
    memory.clock.passed = HOUR
    memory.dns.records = {}
    memory.keys.refresh()
    assert sorted(memory.dns.asked) == [(of(1), True), (NAME, True)]
    memory.dns.asked.clear()
    memory.dns.records = None
    memory.keys.refresh()
    assert len(memory.dns.asked) == 1
    assert memory.file.read_bytes() == before


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_memory_that_others_can_write_is_not_believed(memory: Memory, mode: int) -> None:
    """It is a root of trust: who could write it could sign for Salesforce."""
    memory.verify()
    memory.withdraw(timedelta(hours=1))
    memory.file.chmod(mode)
    assert memory.keys.lookup(NAME, THEN) is None
    memory.file.chmod(0o600)
    assert memory.keys.lookup(NAME, THEN) == RECORD


def test_a_memory_of_another_owner_is_not_believed(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, and begun anew; the next mail is verified with DNS, as the first was."""
    memory.verify()
    us = os.geteuid()
    if us == 0:  # root could give it away, and is believed by all
        us = 12345
        os.chown(memory.file, us - 1, -1)
    else:
        us += 1
    monkeypatch.setattr(os, "geteuid", lambda: us)
    keys = memory.keys
    memory.dns.records = {}
    assert [keys.lookup(NAME, THEN) for _ in range(3)] == [None] * 3
    problem = f"it belongs to another user: got uid {us - 1}, expected {us}"
    assert memory.log.events == [
        ("keys.not_remembered", {"file": str(memory.file), "error": problem})
    ]
    memory.file.chmod(0o600)
    monkeypatch.undo()
    memory.dns.records = {NAME: RECORD}
    memory.verify()
    assert memory.keys.knows(NAME)


def test_a_memory_of_roots_is_believed(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root could do as it likes anyway."""
    memory.verify()
    if os.geteuid() != 0:
        return
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert memory.keys.knows(NAME)


def test_a_memory_from_the_future_is_not_believed(memory: Memory) -> None:
    """It would count for mail of years to come. Told once, and begun anew.

    A clock that was set back by less than a day costs nothing."""
    memory.verify()
    memory.clock.passed = -DAY
    assert memory.keys.knows(NAME)
    memory.clock.passed -= timedelta(seconds=1)
    keys = memory.keys
    assert [keys.knows(NAME) for _ in range(3)] == [False] * 3
    assert memory.log.events == [
        (
            "keys.not_remembered",
            {"file": str(memory.file), "error": "it holds a time in the future"},
        )
    ]
    keys.verified(NAME, RECORD)
    assert keys.knows(NAME)


def test_nothing_is_remembered_of_what_was_never_there(memory: Memory) -> None:
    """A missing name leaves no trace, and no file."""
    memory.dns.records = {}
    assert memory.keys.lookup(NAME, THEN) is None
    assert not memory.file.exists()


def test_commands_that_change_nothing_write_nothing(memory: Memory) -> None:
    """But they read what is remembered."""
    reading = RememberedKeys(
        memory.dns, memory.file, now=memory.clock.now, log=memory.log, writing=False
    )
    assert reading.lookup(NAME, THEN) == RECORD
    reading.verified(NAME, RECORD)
    assert list(memory.file.parent.iterdir()) == []
    memory.verify()
    memory.withdraw(HOUR)
    assert reading.lookup(NAME, THEN) == RECORD


def test_the_file_is_ours_alone_and_holds_public_data(memory: Memory) -> None:
    """Mode 0600, replaced as a whole, nothing left beside it but its lock."""
    memory.verify()
    assert stat.S_IMODE(memory.file.stat().st_mode) == 0o600
    assert sorted(path.name for path in memory.file.parent.iterdir()) == ["keys.json", "keys.lock"]
    assert json.loads(memory.file.read_text()) == {
        NAME: {"record": RECORD.decode(), "last_published": "2026-02-03T12:00:00Z"}
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a": 1}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({NAME: {"record": "p=A"}}).encode(),
        json.dumps({NAME: {"record": 1, "last_published": "2026-02-03T12:00:00Z"}}).encode(),
        json.dumps({NAME: {"record": "p=A", "last_published": "2026-02-03T12:00:00"}}).encode(),
        json.dumps({NAME: {"record": "p=A", "last_published": "soon"}}).encode(),
        json.dumps({NAME: {"record": "p=ü", "last_published": "2026-02-03T12:00:00Z"}}).encode(),
    ],
)
def test_a_broken_file_remembers_nothing(memory: Memory, content: bytes) -> None:
    """And is written anew at the next look."""
    memory.file.write_bytes(content)
    memory.dns.records = {}
    assert memory.keys.lookup(NAME, THEN) is None
    memory.dns.records = {NAME: RECORD}
    memory.verify()
    memory.withdraw(HOUR)
    assert memory.keys.lookup(NAME, THEN) == RECORD


def test_a_memory_at_the_end_of_time(memory: Memory) -> None:
    """No arithmetic fails, and nothing counts for ever."""
    memory.file.write_text(
        json.dumps({NAME: {"record": "p=A", "last_published": "9999-12-31T23:59:59Z"}})
    )
    memory.dns.records = {}
    assert memory.keys.lookup(NAME, THEN) is None


def test_a_memory_that_cannot_be_written_is_told(memory: Memory, tmp_path: Path) -> None:
    """Once; the key is good all the same."""
    memory.file = tmp_path / "missing" / "keys.json"
    keys = memory.keys
    for _ in range(3):
        assert keys.lookup(NAME, THEN) == RECORD
        keys.verified(NAME, RECORD)
    assert memory.log.events == [
        ("keys.not_remembered", {"file": str(memory.file), "error": "No such file or directory"})
    ]


def test_the_memory_is_bounded(memory: Memory) -> None:
    """The newest stay; a record larger than any key is not kept."""
    for number in range(MAX_KEYS + 9):
        memory.clock.passed = timedelta(seconds=number)
        memory.keys.verified(f"s{number}", b"p=" + b"A" * (MAX_RECORD - 2))
    memory.keys.verified("large", b"A" * (MAX_RECORD + 1))
    memory.keys.verified("binary", b"p=\xff")
    assert set(json.loads(memory.file.read_text())) == {
        f"s{number}" for number in range(9, MAX_KEYS + 9)
    }
    assert memory.file.stat().st_size < MAX_KEYS * (MAX_RECORD + 200)


def test_two_writers_lose_nothing(memory: Memory) -> None:
    """The daemon and a scan beside it remember into one file;
    who comes second writes at its next look."""
    names = [of(number) for number in range(20)]
    threads = [Thread(target=memory.keys.verified, args=(name, RECORD)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(json.loads(memory.file.read_text())) <= set(names)
    for name in names:
        memory.keys.verified(name, RECORD)
    assert set(json.loads(memory.file.read_text())) == set(names)
    assert memory.log.events == []


def test_a_writer_that_hangs_holds_nobody_up(memory: Memory) -> None:
    """The key is used, and remembered another time."""
    lock = memory.file.with_suffix(".lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        memory.verify()
        assert not memory.file.exists()
    memory.verify()
    assert memory.file.exists()


def test_a_signed_mail_verifies_through_it_all(tmp_path: Path) -> None:
    """A real signature, a real DNS answer, a restart, and a rotation."""
    clock = Clock()
    raw = genuine(issued_at=THEN)
    signer = genuine_signer()
    header = wire.read_header(raw)
    assert isinstance(header, Header)
    pieces = [
        signer.record[start : start + 200].decode() for start in range(0, len(signer.record), 200)
    ]
    with TinyDns(
        {signer.name: ["300 IN TXT " + " ".join(f'"{piece}"' for piece in pieces)]}
    ) as server:

        def verdict(received_at: datetime) -> str:
            keys = RememberedKeys(
                dns_keys(server, clock), tmp_path / "keys.json", now=clock.now, log=Heard()
            )
            return signature.check(raw, header, received_at, ["salesforce.com"], keys).verdict

        assert verdict(THEN) == "pass"
        del server.table[signer.name]
        clock.passed = 10 * DAY
        assert (verdict(THEN), verdict(THEN + 2 * DAY)) == ("pass", "no-key")


def test_case_of_a_selector_is_one_name(tmp_path: Path) -> None:
    """Otherwise a forger could push real keys out of memory by writing one in many ways."""
    raw = sign(token_mail()).replace(b"s=test2026", b"s=TEST2026")
    header = wire.read_header(raw)
    assert isinstance(header, Header)
    with TinyDns() as server:
        keys = RememberedKeys(
            dns_keys(server), tmp_path / "keys.json", now=Clock().now, log=Heard()
        )
        signature.check(raw, header, THEN, ["salesforce.com"], keys)
        assert server.asked == ["test2026._domainkey.salesforce.com"]
