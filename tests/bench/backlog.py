"""A backlog of token mails: the program's scan beside loops with the same promises.

All verify each signature, read the secret, write with check-and-set and keep a synced line of each
mail, with a login of the same rights. One loop is written over the libraries that one takes
(`by_libraries`), the other over sockets and as lean as it can be (`by_hand`). Each is one process
from its start to its end, over mailboxes with the same mails, and they take turns: every token
another user's, and ten tokens each of one user's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tests.bench.machine import ROOT
from tests.bench.peers import PYTHON
from tests.bench.servers import Servers, servers
from tests.bench.table import Aim, Row, amount, at_least
from tests.kit import mails
from tests.kit.program import Program
from tests.kit.signing import craft

MAILS = amount(2000, quick=20)
ROUNDS = amount(3, quick=1)
AT_LEAST = {1: 0.9, 10: 2.0}
"""Times as fast as the loop over libraries, by how many tokens each are one user's."""
BY_LIBRARIES = str(ROOT / "tests" / "bench" / "by_libraries.py")
BY_HAND = (sys.executable, "-m", "tests.bench.by_hand")
BACKLOG_BY_HAND = (*BY_HAND, "backlog")


def rows() -> Iterator[Row]:
    """Seconds of each. The loop over libraries runs where `make bench` has installed them."""
    with servers() as between:
        for each, so_fast in AT_LEAST.items():
            yield from _measured(between, each, at_least("speed", so_fast))


def _measured(between: Servers, each: int, aim: Aim) -> Iterator[Row]:
    """`each`: tokens of one user."""
    raws = backlog(MAILS, each)
    ours, libraries, sockets = [], [], []
    for number in range(ROUNDS):
        name = f"backlog{each}x{number}"
        user = between.filled(f"{name}@example.com", raws)
        ours.append(_scan(between, name, user))
        if PYTHON.exists():
            libraries.append(_loop(between, f"{name}l", user, [str(PYTHON), BY_LIBRARIES]))
        sockets.append(_loop(between, f"{name}s", user, BACKLOG_BY_HAND))
    name = f"backlog of {MAILS:,} tokens, {each} of each user"
    if libraries:
        yield Row(name, "s", ours, "loop over libraries", libraries, (aim,))
    yield Row(name, "s", ours, "loop over sockets", sockets)


def backlog(count: int, each: int) -> list[bytes]:
    """So many genuine mails, in order; `each`: how many in a row are one user's."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    raws = []
    for number in range(count):
        username = f"user{number // each:04}@acme.example"
        issued_at = began + timedelta(seconds=number)
        raw = mails.token_mail(username, mails.token(number), issued_at=issued_at)
        raws.append(craft(raw.replace(b"Fake0000", b"Fake%04d" % number), at=issued_at))
    return raws


def _scan(between: Servers, name: str, user: str) -> float:
    """Seconds of the program."""
    tool = between.program(name, user)
    took = scanned(tool)
    assert len(tool.journal) == MAILS
    return took


def scanned(tool: Program) -> float:
    """Seconds of a scan, from the start of the process to its end."""
    began = time.monotonic()
    done = tool("scan", "--json")
    took = time.monotonic() - began
    assert done.code == 0, done.err[-2000:]
    return took


def _loop(between: Servers, name: str, user: str, words: Sequence[str]) -> float:
    """Seconds of a loop, under the policy that the program has."""
    settings = between.settings(user) | {
        "vault_token": between.token(),
        "path": f"salesforce/{name}",
        "journal": str(between.home / f"{name}.lines"),
    }
    return seconds_of([*words, json.dumps(settings)])


def by_hand(name: str, settings: dict[str, object]) -> float:
    """Seconds of a loop of `by_hand`."""
    return seconds_of([*BY_HAND, name, json.dumps(settings)])


def seconds_of(words: Sequence[str]) -> float:
    """From the start of the process to its end."""
    began = time.monotonic()
    subprocess.run(words, check=True)
    return time.monotonic() - began
