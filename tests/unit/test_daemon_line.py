"""Which command lines are the daemon's without typer; all others are for typer."""

from __future__ import annotations

import pytest

from token_catcher.daemon_line import settings_in
from token_catcher.quick import COMPLETION
from token_catcher.settings import Settings


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("run", Settings(None)),
        ("--config a.yaml run", Settings("a.yaml")),
        ("run --config a.yaml", Settings("a.yaml")),
    ],
)
def test_what_a_service_unit_says(line: str, settings: Settings) -> None:
    """The daemon, and its configuration where it is named."""
    assert settings_in(["/usr/bin/token-catcher", *line.split(" ")]) == settings


@pytest.mark.parametrize(
    "line",
    [
        "",
        "scan",
        "run run",
        "run -h",
        "run now",
        "--config run",
        "run --config",
        "--config=a.yaml run",
        "--config  run",
        "run --config ",
        "--config --help run",
        "--config a.yaml run --config b.yaml",
        "--version run",
    ],
)
def test_everything_else_is_for_typer(line: str) -> None:
    """What is another command, what is rare, what is wrong, and what could be both."""
    assert settings_in(["token-catcher", *line.split(" ")]) is None


def test_a_shell_that_completes_a_line_starts_no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer answers it."""
    monkeypatch.setenv(COMPLETION, "complete_bash")
    assert settings_in(["token-catcher", "run"]) is None
