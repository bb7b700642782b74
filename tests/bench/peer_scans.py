"""What is nearest to this program, beside it: the tokens of a large mailbox, read by one process.

Among mails of anybody stand some with tokens. The peers search by the subject and read what the
server names; ours looks at every heading, since a server's search is a hint, verifies, and writes
to Vault. It does so once: what it is asked for again, with one more token, is what came since.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.bench.backlog import scanned
from tests.bench.peers import AHEAD, OURS, Driver, user_of
from tests.bench.servers import Servers, news, servers
from tests.bench.table import Row, amount
from tests.kit import mails

PEERS = ("imap-tools", "imapclient", "mailsuite", "email-code-finder", "imap-reader")
"""Those that can be asked for what is there."""
MESSAGES = amount(100_000, quick=500)
TOKENS = amount(100, quick=5)
ROUNDS = amount(3, quick=1)
USER = "large@example.com"


def rows() -> Iterator[Row]:
    """Seconds of processes from their start to their end."""
    first: list[float] = []
    again: list[float] = []
    theirs: dict[str, list[float]] = {peer: [] for peer in PEERS}
    with servers() as between:
        _fill(between)
        tool = between.program("again", USER)
        scanned(tool)  # and Dovecot has of each mail what it keeps for the next who asks
        for number in range(TOKENS, TOKENS + ROUNDS):
            between.dovecot.deliver(_token_mail(number), USER)
            again.append(scanned(tool))
            first.append(scanned(between.program(f"first{number}", USER)))
            for peer in PEERS:
                theirs[peer].append(_read_by(between, peer, number + 1))
    for name, ours in (("first scan", first), ("scan for one more token", again)):
        name = f"{name}, {MESSAGES:,} messages"
        yield Row(f"{name}: {OURS}", "s", ours)
        for peer in PEERS:
            yield Row(f"{name}: {peer}", "s", theirs[peer], OURS, ours, AHEAD)


def _fill(between: Servers) -> None:
    """Tokens among the mails, evenly."""
    raws = news(MESSAGES)
    for number in range(TOKENS):
        raws[number * MESSAGES // TOKENS] = _token_mail(number)
    between.filled(USER, raws)


def _token_mail(number: int) -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    return mails.genuine(user_of(number), mails.token(number), issued_at=now)


def _read_by(between: Servers, peer: str, tokens: int) -> float:
    """Seconds that a peer takes to read so many tokens.

    One reads only what is not marked as seen, and marks what it reads."""
    with between.dovecot.session(USER) as client:
        client.select("INBOX")
        client.store("1:*", "-FLAGS.SILENT", r"(\Seen)")
    driver = Driver(between, "scan", peer, USER, between.dovecot.tls_port)
    began = time.monotonic()
    driver.run()
    took = time.monotonic() - began
    assert len(driver.tokens) == tokens, peer
    return took
