"""What the tests of deploy/ share: where its files are, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def documents(path: Path) -> list[Any]:
    """Every document of a YAML file."""
    return list(YAML(typ="safe", pure=True).load_all(path.read_text("utf-8")))
