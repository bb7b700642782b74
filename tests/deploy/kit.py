"""What the tests of deploy/ share: where its files are, and how they are read."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.kit.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def run(
    *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command, run to its end; its output is kept, its exit code is the caller's."""
    return subprocess.run(
        words, env=env, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def documents(path: Path) -> list[Any]:
    """Every document of a YAML file."""
    return list(YAML(typ="safe", pure=True).load_all(path.read_text("utf-8")))
