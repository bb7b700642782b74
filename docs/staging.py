"""Gathers what the documentation site is made of, as it lies in the repository.

The texts link to each other beyond docs/: README.md, deploy/README.md, SECURITY.md. MkDocs knows
one folder only, so `make docs` copies them into one. Its argument is that folder.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = ("*.md", "LICENSE", "config.example.yaml")
"""Of the root of the repository."""
FOLDERS = ("docs", "deploy", "requirements")
PROGRAMS = shutil.ignore_patterns("*.py", "__pycache__")


def stage(target: Path) -> None:
    """Make the folder anew."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for pattern in TEXTS:
        for text in ROOT.glob(pattern):
            shutil.copy(text, target)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, ignore=PROGRAMS)


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
