"""Keys of signatures: pinned ones, those of DNS (against a server of our own),
and those that DNS had when the mail came."""

from __future__ import annotations

import fcntl
import json
import stat
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import dns.rcode
import pytest

from tests.kit.dns import SILENCE, Entry, TinyDns
from tests.kit.mails import genuine, genuine_signer, sign, token_mail
from token_catcher.errors import ConfigurationError, TransientError
from token_catcher.keys import DnsKeys, KeyChain, PinnedKeys, RememberedKeys, published
from token_catcher.keys.published import LONGEST, MAX_KEYS, MAX_RECORD, SHORTEST
from token_catcher.model import Header
from token_catcher.ports import KeyLookup
from token_catcher.proof import signature
from token_catcher.reading import wire

NAME = "sel._domainkey.salesforce.com"
RECORD = b"v=DKIM1; k=rsa; p=AAAA"
THEN = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Clock:
    """Both clocks of the program, moved by hand."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

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
    """A KeyLookup that says what DNS says now:
    records, nothing, or (None as the whole) no answer."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] | None = {NAME: RECORD}

    def lookup(self, name: str, at: datetime) -> bytes | None:
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
        return dns_keys(server).lookup(name, THEN)


# DNS


def test_a_record() -> None:
    """One TXT record of one string."""
    assert answer(['300 IN TXT "v=DKIM1; k=rsa; p=AAAA"']) == RECORD


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
        assert dns_keys(server).lookup(NAME, THEN) == RECORD


@pytest.mark.parametrize(
    "said",
    [
        dns.rcode.NXDOMAIN,
        [],
        ["300 IN CNAME nowhere.example."],
        ['300 IN TXT "v=DKIM1; p=AAAA"', '300 IN TXT "v=DKIM1; p=BBBB"'],
        ['300 IN TXT "v=DKIM1; p=AAAA"', '300 IN TXT "v=spf1 -all"'],
        [f"300 IN TXT {' '.join(chr(34) + 'x' * 250 + chr(34) for _ in range(17))}"],
    ],
    ids=["no-name", "no-record", "cname-to-nowhere", "two-keys", "key-and-other", "too-long"],
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
        dns_keys(server, timeout=0.2).lookup(NAME, THEN)
    assert raised.value.code == "dns"


def test_a_trouble_is_not_remembered() -> None:
    """The next question is asked again."""
    with TinyDns({NAME: dns.rcode.SERVFAIL}) as server:
        keys = dns_keys(server)
        with pytest.raises(TransientError):
            keys.lookup(NAME, THEN)
        server.table[NAME] = [f'300 IN TXT "{RECORD.decode()}"']
        assert keys.lookup(NAME, THEN) == RECORD


def test_a_silent_dns_is_left_alone_for_a_moment() -> None:
    """A backlog does not wait for it mail by mail; after some seconds it is asked again."""
    seconds = count()
    with TinyDns({NAME: SILENCE}) as server:
        keys = DnsKeys(
            nameservers=["127.0.0.1"],
            port=server.port,
            timeout=2.0,
            monotonic=lambda: float(next(seconds)),
        )
        with pytest.raises(TransientError, match="DNS did not answer for"):
            keys.lookup(NAME, THEN)
        asked = len(server.asked)
        with pytest.raises(TransientError, match="DNS did not answer a moment ago"):
            keys.lookup(NAME, THEN)
        assert len(server.asked) == asked
        server.table[NAME] = [f'300 IN TXT "{RECORD.decode()}"']
        seconds = count(next(seconds) + int(published.SILENCE))
        assert keys.lookup(NAME, THEN) == RECORD


@pytest.mark.parametrize(("ttl", "kept"), [(1, SHORTEST), (300, 300), (86400, LONGEST)])
def test_an_answer_is_kept_for_its_time_to_live(ttl: int, kept: float) -> None:
    """At least a minute, at most an hour, so that a withdrawn key is noticed."""
    clock = Clock()
    with TinyDns({NAME: [f'{ttl} IN TXT "{RECORD.decode()}"']}) as server:
        keys = dns_keys(server, clock)
        keys.lookup(NAME, THEN)
        clock.passed = timedelta(seconds=kept - 1)
        assert (keys.lookup(NAME, THEN), len(server.asked)) == (RECORD, 1)
        clock.passed = timedelta(seconds=kept + 1)
        assert (keys.lookup(NAME, THEN), len(server.asked)) == (RECORD, 2)


def test_a_missing_name_is_kept_for_a_minute() -> None:
    """A flood of forgeries asks once; a new key is found soon."""
    clock = Clock()
    with TinyDns() as server:
        keys = dns_keys(server, clock)
        assert [keys.lookup(NAME, THEN) for _ in range(9)] == [None] * 9
        assert len(server.asked) == 1
        server.table[NAME] = [f'300 IN TXT "{RECORD.decode()}"']
        clock.passed = timedelta(seconds=SHORTEST + 1)
        assert keys.lookup(NAME, THEN) == RECORD


def test_the_cache_is_bounded() -> None:
    """However many selectors are tried: what was asked long ago is asked again, what was asked last
    is not."""
    names = [f"s{number}._domainkey.salesforce.com" for number in range(3 * MAX_KEYS)]
    with TinyDns() as server:
        keys = dns_keys(server)
        for name in [*names, names[-1], *names[:MAX_KEYS]]:
            keys.lookup(name, THEN)
        assert server.asked == [*names, *names[:MAX_KEYS]]


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
        assert dns_keys(server).lookup(name, THEN) is None
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
        assert dns_keys(server).lookup(name, THEN) is None


def test_no_search_list_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for as it stands, once."""
    monkeypatch.setenv("LOCALDOMAIN", "evil.example")
    with TinyDns() as server:
        dns_keys(server).lookup(NAME, THEN)
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
        NAME,
        f"{NAME} ",
        f"{NAME} v=DKIM1",
        "salesforce.com p=AAAA",
        f"x {NAME} p=AAAA",
        f"{NAME} p=A\n{NAME.upper()} p=B",
    ],
    ids=["no-record", "empty-record", "no-key", "no-name", "two-names", "twice"],
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


def test_a_pinned_key_is_never_asked_of_dns() -> None:
    """Nor any other, once it has answered."""
    silent = Published()
    silent.records = None
    chain = KeyChain(PinnedKeys({NAME: b"p=PINNED"}), silent)
    assert chain.lookup(NAME, THEN) == b"p=PINNED"
    with pytest.raises(TransientError):
        chain.lookup("other._domainkey.salesforce.com", THEN)
    assert KeyChain(PinnedKeys({}), Published()).lookup(NAME, THEN) == RECORD
    assert KeyChain().lookup(NAME, THEN) is None


# Remembered keys


class Memory:
    """Remembered keys over a DNS and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.dns = Published()
        self.clock = Clock()
        self.log = Heard()
        self.file = folder / "keys.json"

    @property
    def keys(self) -> KeyLookup:
        """A new one each time, as after a restart: what is remembered stands in the file."""
        return RememberedKeys(self.dns, self.file, now=self.clock.now, log=self.log)

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
    memory.keys.lookup(NAME, THEN)
    memory.withdraw(14 * DAY)
    assert memory.keys.lookup(NAME, THEN - DAY) == RECORD
    assert memory.keys.lookup(NAME, THEN + DAY) == RECORD


def test_later_mail_does_not_verify(memory: Memory) -> None:
    """A key that was withdrawn signs nothing any more."""
    memory.keys.lookup(NAME, THEN)
    memory.withdraw(14 * DAY)
    assert memory.keys.lookup(NAME, THEN + DAY + timedelta(seconds=1)) is None


def test_a_key_is_remembered_while_it_is_seen(memory: Memory) -> None:
    """Each look, at most one an hour, moves the time on."""
    for hours in (0, 0.5, 30, 60):
        memory.clock.passed = timedelta(hours=hours)
        memory.keys.lookup(NAME, memory.clock.now())
    memory.withdraw(DAY)
    assert memory.keys.lookup(NAME, THEN + timedelta(hours=84)) == RECORD
    assert memory.keys.lookup(NAME, THEN + timedelta(hours=85)) is None


def test_the_file_is_written_at_most_once_an_hour(memory: Memory) -> None:
    """Not for every mail."""
    memory.keys.lookup(NAME, THEN)
    before = memory.file.stat().st_ino
    memory.clock.passed = HOUR - timedelta(seconds=1)
    memory.keys.lookup(NAME, THEN)
    assert memory.file.stat().st_ino == before
    memory.clock.passed = HOUR
    memory.keys.lookup(NAME, THEN)
    assert memory.file.stat().st_ino != before


def test_a_revoked_key_wins_over_memory(memory: Memory) -> None:
    """An empty `p=` is an answer: it is what counts, now and after it is gone itself."""
    memory.keys.lookup(NAME, THEN)
    memory.dns.records = {NAME: b"v=DKIM1; p="}
    assert memory.keys.lookup(NAME, THEN) == b"v=DKIM1; p="
    memory.withdraw(HOUR)
    assert memory.keys.lookup(NAME, THEN) == b"v=DKIM1; p="


def test_a_key_that_was_replaced_is_replaced(memory: Memory) -> None:
    """DNS is asked first."""
    memory.keys.lookup(NAME, THEN)
    memory.dns.records = {NAME: b"p=NEW"}
    assert memory.keys.lookup(NAME, THEN) == b"p=NEW"


def test_a_silent_dns_is_not_answered_from_memory(memory: Memory) -> None:
    """The key may have been revoked."""
    memory.keys.lookup(NAME, THEN)
    memory.dns.records = None
    with pytest.raises(TransientError):
        memory.keys.lookup(NAME, THEN)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_memory_that_others_can_write_is_not_believed(memory: Memory, mode: int) -> None:
    """It is a root of trust: who could write it could sign for Salesforce."""
    memory.keys.lookup(NAME, THEN)
    memory.withdraw(timedelta(hours=1))
    memory.file.chmod(mode)
    assert memory.keys.lookup(NAME, THEN) is None
    memory.file.chmod(0o600)
    assert memory.keys.lookup(NAME, THEN) == RECORD


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
    assert list(memory.file.parent.iterdir()) == []
    memory.keys.lookup(NAME, THEN)
    memory.withdraw(HOUR)
    assert reading.lookup(NAME, THEN) == RECORD


def test_the_file_is_ours_alone_and_holds_public_data(memory: Memory) -> None:
    """Mode 0600, replaced as a whole, nothing left beside it but its lock."""
    memory.keys.lookup(NAME, THEN)
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
    assert memory.keys.lookup(NAME, THEN) == RECORD
    memory.withdraw(HOUR)
    assert memory.keys.lookup(NAME, THEN) == RECORD


def test_a_memory_at_the_end_of_time(memory: Memory) -> None:
    """No arithmetic fails."""
    memory.file.write_text(
        json.dumps({NAME: {"record": "p=A", "last_published": "9999-12-31T23:59:59Z"}})
    )
    memory.dns.records = {}
    assert memory.keys.lookup(NAME, THEN) == b"p=A"


def test_a_memory_that_cannot_be_written_is_told(memory: Memory, tmp_path: Path) -> None:
    """The key is good all the same."""
    memory.file = tmp_path / "missing" / "keys.json"
    assert memory.keys.lookup(NAME, THEN) == RECORD
    assert memory.log.events == [
        ("keys.not_remembered", {"file": str(memory.file), "error": "No such file or directory"})
    ]


def test_the_memory_is_bounded(memory: Memory) -> None:
    """The newest stay; a record larger than any key is not kept."""
    for number in range(MAX_KEYS + 9):
        memory.clock.passed = timedelta(seconds=number)
        memory.dns.records = {f"s{number}": b"p=" + b"A" * (MAX_RECORD - 2)}
        memory.keys.lookup(f"s{number}", THEN)
    memory.dns.records = {"large": b"A" * (MAX_RECORD + 1), "binary": b"p=\xff"}
    memory.keys.lookup("large", THEN)
    memory.keys.lookup("binary", THEN)
    assert set(json.loads(memory.file.read_text())) == {
        f"s{number}" for number in range(9, MAX_KEYS + 9)
    }
    assert memory.file.stat().st_size < MAX_KEYS * (MAX_RECORD + 200)


def test_two_writers_lose_nothing(memory: Memory) -> None:
    """The daemon and a scan beside it remember into one file;
    who comes second writes at its next look."""
    memory.dns.records = {f"s{number}": b"p=A" for number in range(20)}
    names = list(memory.dns.records)
    threads = [Thread(target=memory.keys.lookup, args=(name, THEN)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(json.loads(memory.file.read_text())) <= set(names)
    for name in names:
        memory.keys.lookup(name, THEN)
    assert set(json.loads(memory.file.read_text())) == set(names)
    assert memory.log.events == []


def test_a_writer_that_hangs_holds_nobody_up(memory: Memory) -> None:
    """The key is used, and remembered another time."""
    lock = memory.file.with_suffix(".lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert memory.keys.lookup(NAME, THEN) == RECORD
        assert not memory.file.exists()
    memory.keys.lookup(NAME, THEN)
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
        assert (verdict(THEN), verdict(THEN + 2 * DAY)) == ("pass", "unverifiable")


def test_case_of_a_selector_is_one_name(tmp_path: Path) -> None:
    """Otherwise a forger could push real keys out of memory by writing one in many ways."""
    raw = sign(token_mail()).replace(b"s=test2026", b"s=TEST2026")
    header = wire.read_header(raw)
    assert isinstance(header, Header)
    with TinyDns() as server:
        signature.check(raw, header, THEN, ["salesforce.com"], dns_keys(server))
        assert server.asked == ["test2026._domainkey.salesforce.com"]
