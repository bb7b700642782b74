"""DNS, against a server of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.rcode
import pytest

from tests.kit.dns import TinyDns
from token_catcher.diagnosis.resolver import dns_steps
from token_catcher.diagnosis.step import Step
from token_catcher.keys import DnsKeys

KNOWN = "s1._domainkey.salesforce.com"
GONE = "s0._domainkey.salesforce.com"
PROBE = "token-catcher-check._domainkey.salesforce.com"


@pytest.fixture
def server() -> Iterator[TinyDns]:
    with TinyDns({KNOWN: ['300 IN TXT "v=DKIM1; p=AAAA"']}) as server:
        yield server


def steps(server: TinyDns, *, is_vital: bool = True) -> list[Step]:
    """Of a resolver that has a second for each answer."""
    keys = DnsKeys(
        nameservers=["127.0.0.1"], port=server.port, timeout=1.0, monotonic=time.monotonic
    )
    return list(dns_steps(keys, ["salesforce.com"], [KNOWN, GONE], is_vital=is_vital))


def test_a_resolver_that_answers(server: TinyDns) -> None:
    """That there is no such key is an answer; a remembered key that is gone is told."""
    assert [(step.subject, step.step, step.outcome, step.code) for step in steps(server)] == [
        ("salesforce.com", "resolver", "ok", ""),
        (KNOWN, "key", "ok", ""),
        (GONE, "key", "warning", "dns-no-key"),
    ]
    assert server.asked == [PROBE, KNOWN, GONE]


@pytest.mark.parametrize(("is_vital", "outcome"), [(True, "failed"), (False, "warning")])
def test_a_resolver_that_refuses(server: TinyDns, is_vital: bool, outcome: str) -> None:
    """Keys are not asked for then; where something else makes up for them, nothing has failed."""
    server.table[PROBE] = dns.rcode.SERVFAIL
    (step,) = steps(server, is_vital=is_vital)
    assert (step.subject, step.step, step.outcome, step.code) == (
        "salesforce.com",
        "resolver",
        outcome,
        "dns",
    )
