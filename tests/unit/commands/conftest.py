"""A journal that has something of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.commands.records import entry, held, journalled


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """Rows 1 to 5, ten minutes apart."""
    return journalled(
        tmp_path / "journal.jsonl",
        [
            entry(1),
            entry(2, org="acme-uat", username="etl@acme.example"),
            entry(3, event="rotation.unchanged", reason="stale"),
            held(4),
            entry(5, event="rotation.refused", reason="bad-signature", username=None, org=None),
        ],
    )
