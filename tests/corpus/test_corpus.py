"""The whole corpus under every policy, as the program judges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.__main__ import write
from tests.corpus.base import POLICIES, STORE, Item
from tests.corpus.verdicts import corpus, milliseconds, verdict
from tests.kit.mails import ISSUED
from token_catcher.model import iso

SLOWEST = 200
"""Milliseconds that no mail may take."""


@pytest.mark.parametrize("item", corpus(), ids=lambda item: item.name)
def test_ends_as_its_manifest_says(item: Item) -> None:
    """A mail of the corpus ends as expected, under every policy."""
    assert {policy: verdict(item, policy) for policy in POLICIES} == dict(item.expected)


def test_no_hostile_mail_is_meant_to_be_stored() -> None:
    """The manifest asks for no token of a hostile mail; every genuine one is stored under some policy or waits for a person."""
    wrong = [item.name for item in corpus() if item.hostile and STORE in item.expected.values()]
    waiting = [
        item for item in corpus() if not item.hostile and STORE not in item.expected.values()
    ]
    assert wrong == []
    assert {verdict for item in waiting for verdict in item.expected.values()} == {
        "held unknown-subject"
    }


def test_is_large_enough() -> None:
    """There are at least 200 hostile and 40 genuine mails."""
    hostile = sum(item.hostile for item in corpus())
    assert hostile >= 200
    assert len(corpus()) - hostile >= 40


def test_no_mail_is_expensive() -> None:
    """The dearest mail stays under 200 ms, best of three."""
    large = sorted(corpus(), key=lambda item: len(item.raw))[-80:]
    assert {item.name: spent for item in large if (spent := milliseconds(item)) > SLOWEST} == {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as files."""
    made = tmp_path_factory.mktemp("corpus")
    write(made)
    return made


def test_is_the_same_in_every_run(folder: Path, tmp_path: Path) -> None:
    """Another process, with another hash seed, writes the same bytes."""
    subprocess.run(
        [sys.executable, "-m", "tests.corpus", tmp_path],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


@pytest.mark.parametrize("policy", ["dkim", "authentication-results"])
def test_explain_says_the_same(folder: Path, policy: str) -> None:
    """`explain --json`, with the written configuration and keys, ends every mail as the manifest says."""
    chosen = [
        item
        for item in corpus()
        if item.variant == "standard" and item.received_at == ISSUED and not item.asks_dns
    ]
    chosen = [
        item for item in chosen if b"\r" in item.raw and not item.raw.startswith(b"From ")
    ]  # as files, those are others
    options = [
        "--config",
        folder / f"config-standard-{policy}.json",
        "explain",
        "--json",
        "--received-at",
        iso(ISSUED),
    ]
    files = [folder / f"{item.name}.eml" for item in chosen]
    done = subprocess.run(
        [sys.executable, "-m", "token_catcher", *options, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    said = {Path(one["file"]).stem: one for one in map(json.loads, done.stdout.splitlines())}
    assert {
        name: f"{one['outcome']} {one['reason'] or ''}".strip() for name, one in said.items()
    } == {item.name: item.expected[policy] for item in chosen}
