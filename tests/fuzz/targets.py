"""What the fuzzer throws at the modules that read mail, and what must hold whatever it throws."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial

import dkim

from tests.corpus.base import ADDRESSES, POLICIES, STORE, SUBJECT, SUBJECT_JA, Item
from tests.corpus.verdicts import corpus, judge_of
from tests.kit.cost import seconds, times_dearer
from tests.kit.mails import genuine, mail
from token_catcher.errors import TransientError
from token_catcher.model import (
    MAX_MAIL_BYTES,
    Candidate,
    Capture,
    Claim,
    Header,
    HeaderField,
    Ignored,
    Refused,
)
from token_catcher.proof import authres
from token_catcher.proof.case import Policy
from token_catcher.reading import wire
from token_catcher.reading.extract import extract

DEAREST = 100
"""How many times as dear as a plain mail of the largest size an input may be: five times what a
mail of the corpus may, since instrumented code is slow where it branches much."""
FIELD = "Authentication-Results"


def fuzz_wire(raw: bytes) -> None:
    """Never raises, and a header that passes is the bytes that came in, and what dkimpy sees.

    Only the escaped separators of mbox files are no fields."""
    header = wire.read_header(raw)
    if not isinstance(header, Header):
        return
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    head = b"\r\n".join(line for line in lines if not line.startswith(b">From "))
    fields = [(field.name.encode("ascii"), field.value) for field in header.fields]
    assert head == b"\r\n".join(name + b":" + value for name, value in fields)
    by_dkimpy, _ = dkim.rfc822_parse(head + b"\r\n\r\n")
    assert fields == [(name, bytes(value[:-2])) for name, value in by_dkimpy]
    assert len(raw) <= MAX_MAIL_BYTES
    assert not set(b"\x00\x0b\x0c\x7f") & set(raw)


def fuzz_extract(raw: bytes) -> None:
    """Never raises, and a claim's token stands in the mail or was encoded in it."""
    extracted = extract(mail(raw), (SUBJECT, SUBJECT_JA), domains=("salesforce.com",))
    assert isinstance(extracted, Candidate | Ignored | Refused)
    if isinstance(extracted, Candidate) and isinstance(extracted.claim, Claim):
        token = extracted.claim.token.reveal()
        assert token.isascii()
        assert token.isalnum()
        assert 20 <= len(token) <= 32


def fuzz_results(raw: bytes) -> None:
    """Raises `Malformed` alone; no pass without the words for it, in one of our server's fields."""
    text = raw.decode("ascii", "replace").replace("\ufffd", "?")
    with suppress(authres.Malformed):
        authres.read_results(text)
    fields = tuple(HeaderField(FIELD, line.encode()) for line in text.split("\n")[:20])
    for zone in ("above-first-received", "unique", 2):
        assessment = authres.assess(
            Header(fields), ("mx.example.com", ""), zone, "salesforce.com", ("salesforce.com",)
        )
        if assessment.verdict == "pass":
            missing = {"dmarc", "dkim", "pass", "header.from", "salesforce.com"}
            assert {word for word in missing if word not in text.lower()} == set()


def fuzz_trust(raw: bytes) -> None:
    """Where a signature is asked for, only what a genuine mail of the corpus says is believed.

    The other policies believe a field that only our server can write; the fuzzer writes it too."""
    for policy in typing.get_args(Policy):
        try:
            outcome = judge_of("standard", policy).judge(mail(raw), ADDRESSES).outcome
        except TransientError:
            continue
        if isinstance(outcome, Capture) and policy in ("dkim", "both"):
            assert (outcome.username, outcome.token.reveal(), outcome.issued_at) in _genuine(), (
                "a forgery is believed"
            )


@cache
def _genuine() -> frozenset[tuple[object, ...]]:
    """User, token and time of every mail of the corpus that is stored under some policy."""
    stored = set()
    for item in corpus():
        for policy in POLICIES:
            if item.expected[policy] == STORE:
                stored.add(_stored(item, policy))
    return frozenset(stored)


def _stored(item: Item, policy: Policy) -> tuple[object, ...]:
    judge = judge_of(item.variant, policy)
    capture = judge.judge(mail(item.raw, received_at=item.received_at), ADDRESSES).outcome
    assert isinstance(capture, Capture)
    return capture.username, capture.token.reveal(), capture.issued_at


def in_time(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, with a bound on what one input may cost."""
    plain = genuine(body=("word " * 14 + "\n") * (MAX_MAIL_BYTES // 80))

    def judge_the_plain_one() -> None:
        fuzz_trust(plain)

    usual = seconds(judge_the_plain_one)

    def timed(raw: bytes) -> None:
        if seconds(partial(target, raw)) < DEAREST * usual:
            return
        # Not believed before it was taken in turns with the plain one: the machine may be busy.
        assert times_dearer(partial(target, raw), judge_the_plain_one) < DEAREST, "too slow"

    return timed


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "wire": fuzz_wire,
    "extract": fuzz_extract,
    "results": fuzz_results,
    "trust": fuzz_trust,
}
