"""The genuine mails of the field, through a sweep of a mailbox into a Vault in memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.corpus.base import STORE, VARIANTS, Item
from tests.corpus.field import KIND, items
from tests.corpus.verdicts import judge_of
from tests.kit.fakes import FakeAccount, FakeMailbox, FakeStore, FakeVault, Silent
from tests.kit.mails import TOKEN
from token_catcher.pipeline import Pipeline
from token_catcher.proof.case import Policy
from token_catcher.record.journal import Journal
from token_catcher.sweep import Sweep


@pytest.mark.parametrize("policy", ["dkim", "auto"])
@pytest.mark.parametrize("item", tuple(items()), ids=lambda item: item.name)
def test_a_scan_ends_it_as_the_table_says(item: Item, policy: Policy, tmp_path: Path) -> None:
    """What is to be stored is in Vault, all else in the journal with its reason: none is lost."""

    def now() -> datetime:
        return item.received_at + timedelta(minutes=1)

    log = Silent()
    account = FakeAccount(now=now)
    vault = FakeVault(now)
    account.append(item.raw, received_at=item.received_at)
    journal = Journal(tmp_path / "journal.jsonl", now=now, log=log)
    judge = judge_of(KIND, policy)
    store = FakeStore(vault)
    window = timedelta(days=14)
    pipeline = Pipeline(judge, store, journal, instance="one", log=log, now=now, lookback=window)
    sweep = Sweep(
        pipeline,
        tmp_path / "checkpoints",
        addresses=VARIANTS[KIND].addresses,
        domains=["salesforce.com"],
        lookback=timedelta(days=14),
        log=log,
        now=now,
        rng=Random(1),
        stopping=lambda: False,
    )
    sweep.run(FakeMailbox(account))
    (record,) = journal.records()
    tokens = [
        version.data["security_token"]
        for secret in vault.secrets.values()
        for version in secret.versions.values()
    ]
    if item.expected[policy] == STORE:
        assert (record.entry.event.outcome, tokens) == ("stored", [TOKEN])
    else:
        ended = f"{record.entry.event.outcome} {record.entry.reason}"
        assert (ended, tokens) == (item.expected[policy], [])
