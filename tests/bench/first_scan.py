"""A first scan of a large mailbox: the program's scan beside a bare SEARCH and FETCH of the same
result.

Both find, among the mails of the look-back window, those that are from Salesforce, by the same
fields of each (`by_hand`). Each is one process from its start to its end; they take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.bench.backlog import by_hand, scanned
from tests.bench.servers import Servers, news, servers
from tests.bench.table import Row, amount, at_most

MESSAGES = amount(100_000, quick=1_000)
ROUNDS = amount(3, quick=1)
AT_MOST = 1.3


def rows() -> Iterator[Row]:
    """Seconds of both."""
    with servers() as between:
        user = between.filled("first@example.com", news(MESSAGES))
        # What Dovecot keeps of each mail for the next who asks is there for both.
        scanned(between.program("unmeasured", user))
        _loop(between, user)
        ours, theirs = [], []
        for number in range(ROUNDS):
            ours.append(scanned(between.program(f"first{number}", user)))
            theirs.append(_loop(between, user))
    name = f"first scan, {MESSAGES:,} messages"
    yield Row(name, "s", ours, "SEARCH and FETCH", theirs, (at_most("ratio", AT_MOST),))


def _loop(between: Servers, user: str) -> float:
    """Seconds of the bare loop."""
    since = datetime.now(UTC) - timedelta(days=15)
    settings = between.settings(user) | {"since": since.strftime("%d-%b-%Y"), "ours": 0}
    return by_hand("first-scan", settings)
