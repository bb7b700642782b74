"""A backlog of token mails: the program's scan beside a loop with the same promises.

Both verify each signature, read the secret, write with check-and-set and keep a synced line of each
mail (`by_hand`). Each is one process from its start to its end, over mailboxes with the same mails,
and they take turns: every token another user's, and ten tokens each of one user's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from tests.kit import mails
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.signing import craft

MAILS = int(os.environ.get("BENCH_MAILS", "2000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
AT_LEAST = {1: 0.9, 10: 2.0}
"""Times as fast as the loop, by how many tokens each are one user's."""


@dataclass(frozen=True)
class Servers:
    """Between which the mail is taken."""

    home: Path
    dovecot: Dovecot
    openbao: OpenBao


def main() -> None:
    """Print both and their ratio; exit code 1 where one is not reached."""
    is_reached = True
    with _servers() as servers:
        for each, at_least in AT_LEAST.items():
            is_reached &= _measured(servers, each) >= at_least
    if not is_reached:
        sys.exit(1)


@contextmanager
def _servers() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory() as home, Dovecot() as dovecot, OpenBao() as openbao:
        yield Servers(Path(home), dovecot, openbao)


def _measured(servers: Servers, each: int) -> float:
    """How many times as fast as the loop the program is. `each`: tokens of one user."""
    raws = backlog(MAILS, each)
    ours, theirs = [], []
    for number in range(ROUNDS):
        name = f"backlog{each}x{number}"
        user = filled(servers.dovecot, f"{name}@example.com", raws)
        ours.append(_scan(servers, name, user))
        theirs.append(_loop(servers, name, user))
    ratio = median(their / our for our, their in zip(ours, theirs, strict=True))
    print(
        f"backlog         {MAILS} mails, {each} of each user: {MAILS / median(ours):5.0f} a second,"
        f" by hand {MAILS / median(theirs):5.0f}; ratio {ratio:.2f} (at least {AT_LEAST[each]})"
    )
    return ratio


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


def filled(dovecot: Dovecot, name: str, raws: Sequence[bytes]) -> str:
    """A new account with these mails in its inbox."""
    user = dovecot.user(name)
    with dovecot.session(user) as client:
        for raw in raws:
            client.append("INBOX", "", "", raw)
    return user


def _scan(servers: Servers, name: str, user: str) -> float:
    """Seconds of the program."""
    tool = program(servers.home / name, servers.dovecot, servers.openbao, user, name)
    began = time.monotonic()
    done = tool("scan", "--json")
    took = time.monotonic() - began
    assert done.code == 0, done.err[-2000:]
    _check(tool)
    return took


def _check(tool: Program) -> None:
    """Every mail has its record."""
    assert len(tool.journal) == MAILS


def _loop(servers: Servers, name: str, user: str) -> float:
    """Seconds of the loop."""
    settings = {
        "port": servers.dovecot.tls_port,
        "ca_file": str(servers.dovecot.ca_file),
        "user": user,
        "password": servers.dovecot.password,
        "vault_port": servers.openbao.port,
        "vault_token": servers.openbao.root_token,
        "path": f"by-hand/{name}",
        "key": mails.genuine_signer().record.decode(),
        "journal": str(servers.home / f"{name}.lines"),
    }
    return by_hand("backlog", settings)


def by_hand(name: str, settings: dict[str, object]) -> float:
    """Seconds of a loop of `by_hand`."""
    words = [sys.executable, "-m", "tests.bench.by_hand", name, json.dumps(settings)]
    began = time.monotonic()
    subprocess.run(words, check=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
