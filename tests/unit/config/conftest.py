"""Where a test's configuration lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.texts import write_secret


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with the secret that the minimal configuration names."""
    write_secret(tmp_path / "imap-password", "correct horse\n")
    return tmp_path
