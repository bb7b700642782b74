"""The whole corpus under every policy, as the program judges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.__main__ import write
from tests.corpus.base import ADDRESSES, POLICIES, STORE, Item
from tests.corpus.verdicts import corpus, judge_of, verdict
from tests.kit.cost import seconds, times_dearer
from tests.kit.mails import ISSUED, genuine, mail
from token_catcher.model import MAX_MAIL_BYTES, iso

DEAREST = 20
"""Times what a plain mail of the largest size costs that no mail may cost."""
LARGE = sorted(corpus(), key=lambda item: len(item.raw))[-80:]


@pytest.mark.parametrize("item", corpus(), ids=lambda item: item.name)
def test_ends_as_its_manifest_says(item: Item) -> None:
    """A mail of the corpus ends as expected, under every policy."""
    assert {policy: verdict(item, policy) for policy in POLICIES} == dict(item.expected)


def test_no_hostile_mail_is_meant_to_be_stored() -> None:
    """The manifest asks for no token of a hostile mail.

    Every genuine one is stored under some policy or waits for a person."""
    storing = [item for item in corpus() if STORE in item.expected.values()]
    waiting = [item for item in corpus() if not item.hostile and item not in storing]
    assert [item.name for item in storing if item.hostile] == []
    for item in waiting:
        verdicts = set(item.expected.values())
        assert any(verdict.startswith("held ") for verdict in verdicts), item.name


def test_is_large_enough() -> None:
    """There are at least 200 hostile and 40 genuine mails, and 100 as they arrive in the field."""
    hostile = sum(item.hostile for item in corpus())
    assert hostile >= 200
    assert sum(item.kind == "field" for item in corpus()) >= 100
    assert len(corpus()) - hostile >= 40


@pytest.mark.parametrize("item", LARGE, ids=lambda item: item.name)
def test_no_mail_is_expensive(item: Item) -> None:
    """Whatever the policy, its cost stays near that of a plain signed mail of the largest size."""
    plain = mail(genuine(body=("word " * 14 + "\n") * (MAX_MAIL_BYTES // 80)))

    def judge_the_plain_one() -> None:
        judge_of("standard", "dkim").judge(plain, ADDRESSES)

    dearest = max(POLICIES, key=lambda policy: seconds(lambda: verdict(item, policy)))
    assert times_dearer(lambda: verdict(item, dearest), judge_the_plain_one) < DEAREST


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
    assert _contents(tmp_path) == _contents(folder)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("variant", ["standard", "field"])
@pytest.mark.parametrize("policy", ["dkim", "authentication-results"])
def test_explain_says_the_same(folder: Path, policy: str, variant: str) -> None:
    """`explain --json`, with the written configuration and keys, ends every mail as expected."""
    chosen = [item for item in corpus() if item.variant == variant and _is_for_explain(item)]
    options = ["--json", "--received-at", iso(ISSUED)]
    files = [folder / item.file for item in chosen]
    config = folder / f"config-{variant}-{policy}.json"
    done = subprocess.run(
        [sys.executable, "-m", "token_catcher", "--config", config, "explain", *options, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    endings = {
        Path(answer["file"]).stem: f"{answer['outcome']} {answer['reason'] or ''}".strip()
        for answer in answers
    }
    assert endings == {item.name: item.expected[policy] for item in chosen}


def _is_for_explain(item: Item) -> bool:
    """Whether `explain` sees this very mail, as the one time has it."""
    if item.received_at != ISSUED or item.asks_dns:
        return False
    # A file without a CR, of an mbox or with a byte order mark is read as the mail saved in it.
    return b"\r" in item.raw and not item.raw.startswith((b"From ", b"\xef\xbb\xbf"))
