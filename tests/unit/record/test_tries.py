"""How often each token was tried: kept over restarts, or an error."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.record.books import NOW, entry
from token_catcher.errors import StateError
from token_catcher.record.tries import REMEMBERED, Trial, Tries, TriesFile

FIRST = Trial(entry(1), NOW, NOW + timedelta(minutes=15))
SECOND = Trial(
    entry(2, fingerprint="sha256:fedcba9876543210", reason=None, mended=True),
    NOW,
    NOW,
    trying=True,
    result="login-refused",
    saw="INVALID_LOGIN",
    noted_at=7,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the file, in a directory that is not there yet."""
    return tmp_path / "state" / "login-tries.json"


def test_what_is_kept_comes_back(path: Path) -> None:
    """All of it, in a file that is ours alone."""
    tries = Tries(9).having("sha256:0123456789abcdef", FIRST, 1)
    tries = tries.having("sha256:fedcba9876543210", SECOND, 2)
    TriesFile(path).write(tries)
    assert TriesFile(path).read() == tries
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_kept_yet(path: Path) -> None:
    """Then there is no place in the journal either."""
    assert TriesFile(path).read() is None


def test_a_settled_token_stays_counted() -> None:
    """For long; those that wait for ever."""
    tries = Tries(0).having("old", FIRST, 1).having("waits", SECOND, 2)
    tries = tries.without("old")
    assert (dict(tries.waiting), dict(tries.counts)) == ({"waits": SECOND}, {"old": 1, "waits": 2})
    many = {str(number): 1 for number in range(REMEMBERED)}
    later = replace(tries, counts={**tries.counts, **many}).without("0")
    assert len(later.counts) == REMEMBERED + 1
    assert "old" not in later.counts
    assert later.counts["waits"] == 2


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
