"""The corpus as a whole, and how its mails end: judged as the program does, said in its words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

from tests.corpus import (
    chains,
    delivered,
    exhaustion,
    field,
    forwarding,
    genuine,
    languages,
    lines,
    names,
    pages,
    parts,
    results,
    senders,
    signatures,
    times,
)
from tests.corpus.base import POLICIES, SUBJECT, SUBJECT_JA, VARIANTS, Item, keys
from tests.kit.cost import cost
from tests.kit.mails import mail
from token_catcher.errors import TransientError
from token_catcher.judge import Judge, Verdict
from token_catcher.model import Capture, Held, Ignored, Refused
from token_catcher.proof.case import Policy
from token_catcher.proof.trust import Trust

CLASSES = (
    signatures,
    lines,
    senders,
    results,
    parts,
    pages,
    names,
    times,
    exhaustion,
    forwarding,
    chains,
    genuine,
    languages,
    delivered,
    field,
)


@cache
def corpus() -> Sequence[Item]:
    """Every item, in a fixed order, under a name of its own."""
    items = [item for module in CLASSES for item in module.items()]
    assert len({item.name for item in items}) == len(items)
    return items


@cache
def judge_of(variant: str, policy: Policy) -> Judge:
    """The judge under a variant's configuration and a policy."""
    trust = Trust(VARIANTS[variant].terms(policy), keys())
    return Judge(trust, (SUBJECT, SUBJECT_JA), VARIANTS[variant].subject_tags)


def verdict(item: Item, policy: Policy) -> str:
    """`would-store`, `ignored`, `retry`, or `refused REASON` or `held REASON`."""
    try:
        return in_words(_judged(item, policy))
    except TransientError:
        return "retry"


def in_words(judged: Verdict) -> str:
    """A verdict as manifests have it."""
    match judged.outcome:
        case Capture():
            return "would-store"
        case Ignored():
            return "ignored"
        case Refused(reason=reason):
            return f"refused {reason}"
        case Held(reason=reason):
            return f"held {reason}"


def dearest(item: Item) -> float:
    """Seconds of processor time under the dearest policy."""
    return max(cost(partial(_judged, item, policy)) for policy in POLICIES)


def _judged(item: Item, policy: Policy) -> Verdict:
    arrived = mail(item.raw, received_at=item.received_at)
    return judge_of(item.variant, policy).judge(arrived, VARIANTS[item.variant].addresses)
