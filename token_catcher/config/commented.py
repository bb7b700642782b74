"""The commented example of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from token_catcher.errors import ConfigurationError

EXAMPLE: Final = "config.example.yaml"
FOLDERS: Final = tuple(Path(__file__).resolve().parents[1:3])
"""The package, where the example is once installed; the root of a checkout."""


def example(folders: Sequence[Path] = FOLDERS) -> str:
    """The commented example. ConfigurationError: it is not where it was installed."""
    for folder in folders:
        if (folder / EXAMPLE).is_file():
            return (folder / EXAMPLE).read_text("utf-8")
    raise ConfigurationError(
        f"{folders[0] / EXAMPLE}: got nothing there, expected the example; install the package anew"
    )
