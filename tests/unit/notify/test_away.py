"""Receivers away for an hour, with restarts in between, over real mail, files and HTTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random

from tests.kit import mails
from tests.kit.hooks import SECRET, Hooks, expect_well_told
from tests.kit.rig import Rig
from token_catcher.model import Secret
from token_catcher.notify import Kind, Outbox, Receiver, Webhook
from token_catcher.record import Journal

TOKENS = 12


def outbox(rig: Rig, url: str) -> Outbox:
    """That of a new process."""
    hook = Webhook(url, lambda: Secret(SECRET), now=rig.now)
    return Outbox(
        rig.home / "outbox.db",
        [Receiver("ops", frozenset({Kind.STORED}), hook)],
        Journal(rig.home / "journal.jsonl", now=rig.now, log=rig.log),
        instance="one",
        troubles=dict,
        now=rig.now,
        rng=Random(1),
        log=rig.log,
    )


def deliver(rig: Rig, box: Outbox, minutes: float) -> None:
    """Take every step that is due within so many minutes."""
    until = rig.time + timedelta(minutes=minutes)
    box._journal.catch_up()
    box.collect()
    [delivery] = box.deliveries
    while rig.time < until:
        pause = delivery.step() or 0.001
        rig.time = min(until, rig.time + timedelta(seconds=pause))


def test_an_hour_without_receivers(tmp_path: Path) -> None:
    """Every token is captured at once; each is told once the receiver is back, correctly signed,
    and no id comes twice with different content."""
    rig = Rig(tmp_path)
    with Hooks() as hooks:
        pass
    outbox(rig, hooks.url).collect()
    for number in range(TOKENS):
        rig.deliver(number, user=f"u{number}@acme.example")
        rig.sweep.run(rig.connect())
        # Before a receiver was asked: a capture waits for nobody.
        assert len(rig.tokens) == number + 1
        deliver(rig, outbox(rig, hooks.url), 5)
    with Hooks(port=hooks.port) as back:
        deliver(rig, outbox(rig, hooks.url), 20)
    expect_well_told(back.came)
    assert {hook.event["data"]["username"] for hook in back.came} == {
        f"u{number}@acme.example" for number in range(TOKENS)
    }
    assert len({hook.id for hook in back.came}) == TOKENS
    for hook in back.came:
        assert mails.token(0).encode()[:10] not in hook.body
        assert abs(int(hook.headers["webhook-timestamp"]) - rig.time.timestamp()) <= 20 * 60
