"""`kill -9` of a scan at random moments, against the real servers: no token is lost, none is written twice."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao

ROUNDS = 60
BLOCKS = 3
"""Spread over this many tests, so that they can run beside each other."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_scan_killed_at_random_moments(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str, block: int
) -> None:
    """After each round of kill and restart every token is in Vault once, and recorded once for each version."""
    rng = random.Random(f"kill {block}")
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    path = f"salesforce/{org}/integration@acme.example"
    lifetime = _lifetime(tool)
    tokens: list[str] = []
    killed = 0
    for number in range(ROUNDS // BLOCKS):
        tokens.append(f"FAKEround{block}x{number:03}tokenNOTreal"[:25])
        issued_at = start + timedelta(minutes=number)
        dovecot.deliver(
            mails.genuine(token=tokens[-1], issued_at=issued_at),
            user,
            rng.choice(["INBOX", "Junk"]),
        )
        dovecot.deliver(
            mails.token_mail(token=f"FAKEforged{number:03}tokenNOTreal", issued_at=issued_at), user
        )
        killed += _killed(tool.start("scan"), lifetime * rng.uniform(0.3, 1.1))
        if rng.random() < 0.5:
            killed += _killed(tool.start("scan"), lifetime * rng.uniform(0.3, 1.1))
        assert tool("scan").code == 0
        secret = openbao.get(path)
        assert secret is not None
        assert secret["security_token"] == tokens[-1]
    versions = openbao.versions(path)
    held = [openbao.get(path, version) for version in versions]
    assert [one["security_token"] for one in held if one] == tokens[-len(versions) :]
    assert max(versions) == len(tokens), "a token was written twice"
    stored = [
        (one["version"], one["fingerprint"])
        for one in tool.journal
        if one["event"] == "rotation.stored"
    ]
    assert stored == [(number, mails.fingerprint(token)) for number, token in enumerate(tokens, 1)]
    refused = [one["mail"] for one in tool.journal if one["event"] == "rotation.refused"]
    assert len(refused) == len(set(refused)) == len(tokens)
    assert tool("audit", "verify").code == 0
    assert killed >= len(tokens) // 3, "the rounds hardly killed anything"


def _lifetime(tool: Program) -> float:
    """Seconds that a scan takes here and now: kills are spread over it."""
    began = time.monotonic()
    assert tool("scan").code == 0
    return time.monotonic() - began


def _killed(process: subprocess.Popen[bytes], after: float) -> bool:
    """Kill the scan after some seconds. False: it had ended by itself."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False
