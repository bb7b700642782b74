"""Which Salesforce org an org's mail came from first: kept once, and believed only if unspoilt."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from token_catcher.errors import StateError
from token_catcher.record import OrgIds

FIRST = "00D0X0000000AbC"
SECOND = "00D8d000003TRx3"


def test_the_first_one_stays(tmp_path: Path) -> None:
    """On disk, for its owner alone, for each org; a second one changes nothing."""
    path = tmp_path / "state" / "org-ids.json"
    org_ids = OrgIds(path)
    assert org_ids.known("acme") is None
    assert org_ids.keep("acme", FIRST) == FIRST
    assert org_ids.keep("partner", SECOND) == SECOND
    assert org_ids.keep("acme", SECOND) == FIRST
    assert OrgIds(path).known("acme") == FIRST
    assert json.loads(path.read_bytes()) == {"acme": FIRST, "partner": SECOND}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_processes_that_keep_at_once_one_is_first(tmp_path: Path) -> None:
    """All of them are told the same id."""
    code = (
        "import sys, pathlib, token_catcher.record as record;"
        "org_ids = record.OrgIds(pathlib.Path(sys.argv[1]));"
        "sys.stdin.readline();"
        "print(org_ids.keep('acme', sys.argv[2]))"
    )
    path = str(tmp_path / "org-ids.json")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, path, f"00D00000000000{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    kept = {process.communicate()[0].decode().strip() for process in processes}
    assert kept == {OrgIds(Path(path)).known("acme")}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"acme": 1}', b"\xff", b"[" * 100_000, b'"' + b"x" * (1 << 20)]
)
def test_a_spoilt_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Were it taken for an empty one, whoever spoilt it would have the next id believed."""
    path = tmp_path / "org-ids.json"
    path.write_bytes(content)
    path.chmod(0o600)
    told = f"{path}: got something else, expected a JSON object of org ids"
    with pytest.raises(StateError) as caught:
        OrgIds(path).known("acme")
    assert (str(caught.value), caught.value.code) == (told, "org-ids")
    with pytest.raises(StateError) as caught:
        OrgIds(path).keep("acme", FIRST)
    assert (str(caught.value), caught.value.code) == (told, "org-ids")


def test_a_file_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    """Its mode is told, and what is expected."""
    path = tmp_path / "org-ids.json"
    path.write_text("{}", "ascii")
    path.chmod(0o620)
    with pytest.raises(StateError) as caught:
        OrgIds(path).known("acme")
    assert str(caught.value) == f"{path}: got mode 0620, expected 0600"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write the directory must not lead us elsewhere."""
    (tmp_path / "other").write_text("{}", "ascii")
    path = tmp_path / "org-ids.json"
    path.symlink_to(tmp_path / "other")
    with pytest.raises(StateError) as caught:
        OrgIds(path).known("acme")
    assert str(caught.value) == f"{path}: it is a symbolic link"


def test_an_id_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """With the file, and before anything is stored."""
    path = tmp_path / "org-ids.json"
    path.with_suffix(".lock").mkdir()
    with pytest.raises(StateError) as caught:
        OrgIds(path).keep("acme", FIRST)
    assert str(caught.value) == f"{path}: Is a directory"
