"""How often each token was tried: kept over restarts, or an error."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.record.books import NOW, entry
from token_catcher.errors import StateError
from token_catcher.record.tries import REMEMBERED, Trial, Tries, TriesFile

FIRST = Trial(entry(1), NOW, NOW + timedelta(minutes=15))
WAITING = str(FIRST.entry.fingerprint)
SECOND = Trial(
    entry(2, fingerprint="sha256:fedcba9876543210", reason=None, mended=True),
    NOW,
    NOW,
    trying=True,
    result="login-refused",
    saw="INVALID_LOGIN",
    noted_at=7,
    token="sha256:fedcba9876543210",
)
TRIED = str(SECOND.token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the file, in a directory that is not there yet."""
    return tmp_path / "state" / "login-tries.json"


def test_what_is_kept_comes_back(path: Path) -> None:
    """All of it, in a file that is ours alone."""
    tries = Tries(9).having(FIRST).counting(SECOND, 2)
    TriesFile(path).write(tries)
    assert TriesFile(path).read() == tries
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_kept_yet(path: Path) -> None:
    """Then there is no place in the journal either."""
    assert TriesFile(path).read() is None


def test_a_settled_token_stays_counted() -> None:
    """For long; those that wait for ever."""
    old = replace(FIRST, token="old")
    tries = Tries(0).counting(old, 1).counting(SECOND, 2).without(old)
    assert (dict(tries.waiting), dict(tries.counts)) == ({TRIED: SECOND}, {"old": 1, TRIED: 2})
    many = {str(number): 1 for number in range(REMEMBERED)}
    later = replace(tries, counts={**tries.counts, **many}).without(FIRST)
    assert len(later.counts) == REMEMBERED + 1
    assert "old" not in later.counts
    assert (later.counts[TRIED], later.count(SECOND)) == (2, 2)


def test_a_token_that_vault_has_not_shown_is_not_counted() -> None:
    """Its plain fingerprint is not known: the record may have another one."""
    tries = Tries(0).having(FIRST).counting(SECOND, 1).without(SECOND)
    assert (tries.count(FIRST), dict(tries.counts)) == (0, {TRIED: 1})
    assert dict(tries.waiting) == {WAITING: FIRST}


def test_tries_of_an_earlier_version_stay_counted(path: Path) -> None:
    """It counted each token by the fingerprint of its record, which was plain."""
    TriesFile(path).write(Tries(9, {TRIED: SECOND}, {TRIED: 1}))
    kept = json.loads(path.read_text("utf-8"))
    del kept["waiting"][0]["token"]
    path.write_text(json.dumps(kept), "utf-8")
    tries = TriesFile(path).read()
    assert tries is not None
    assert tries.waiting == {TRIED: SECOND}
    assert tries.count(SECOND) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"seq": 1, "waiting": [1], "counts": {}}',
        b'{"seq": 1, "waiting": [{"entry": {"event": "other"}}], "counts": {}}',
        b'{"seq": 1, "waiting": [], "counts": []}',
        b'{"seq": "x", "waiting": [], "counts": {}}',
    ],
)
def test_a_file_that_cannot_be_believed_is_an_error(path: Path, content: bytes) -> None:
    """And no loss: the counts were in it."""
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StateError, match="expected a JSON object of tries") as caught:
        TriesFile(path).read()
    assert caught.value.code == "login-tries"


def test_a_file_that_others_can_write_is_an_error(path: Path) -> None:
    """They could have tokens tried more often."""
    TriesFile(path).write(Tries(0))
    path.chmod(0o666)
    with pytest.raises(StateError, match="got mode 0666, expected 0600"):
        TriesFile(path).read()


def test_a_place_that_cannot_be_used_is_an_error(path: Path) -> None:
    """Neither read nor written."""
    path.mkdir(parents=True)
    with pytest.raises(StateError, match=r"login-tries\.json"):
        TriesFile(path).read()
    with pytest.raises(StateError, match=r"login-tries\.json"):
        TriesFile(path).write(Tries(0))
