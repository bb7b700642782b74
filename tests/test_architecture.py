"""The rooms keep their order: imports only go up the list, each third-party library has one door, secrets one way out."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import token_catcher

SOURCE = Path(token_catcher.__file__).parent

ROOMS = tuple(re.findall(r"^    (\w+) ", token_catcher.__doc__ or "", re.MULTILINE))
"""The map, in reading order; a room imports only rooms that stand above it (its own package included)."""

DOORS = {
    "mailparser": {"extract"},
    "imapclient": {"imap"},
    "hvac": {"vault"},
    "requests": {"vault"},
    "dkim": {"signature", "demo"},
    "dns": {"keys"},
    "cryptography": {"demo"},
    "apscheduler": {"daemon"},
    "prometheus_client": {"web"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "ruamel": {"config"},
    "structlog": {"log"},
    "typer": {"cli"},
    "rich": {"render", "cli", "demo"},
}
"""Which rooms may import which library. The demo plays Salesforce, so it signs."""

REVEALING = {
    "vault/store.py": 1,  # the token, into the body of the write
    "vault/client.py": 2,  # Vault's own token, and the secret_id at login
    "imap/session.py": 2,  # the password at login, in two mechanisms
}
"""Where a secret is revealed, and how often."""


def _sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_map_names_every_room() -> None:
    """The map in the package's docstring, and with it the reading order, is complete."""
    found = {_room(path) for path in _sources()} - {"__init__"}
    assert found == set(ROOMS)


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_up(path: Path) -> None:
    """A room knows only rooms above it."""
    room = _room(path)
    if room == "__init__":
        assert list(_imports(path)) == []
        return
    own = [name.split(".")[1] for name in _imports(path) if name.startswith("token_catcher.")]
    allowed = {*ROOMS[: ROOMS.index(room) + 1], "__version__"}
    assert set(own) - allowed == set()


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_each_library_has_one_door(path: Path) -> None:
    """Only the rooms named for it import a third-party library; an unknown one has no door at all."""
    top = {name.split(".")[0] for name in _imports(path)}
    foreign = top - sys.stdlib_module_names - {"token_catcher"}
    assert {name for name in foreign if _room(path) not in DOORS.get(name, set())} == set()


def test_secrets_have_one_way_out() -> None:
    """`reveal()` is called where a secret leaves the program, and nowhere else."""
    calls = {str(path.relative_to(SOURCE)): path.read_text("utf-8").count(".reveal()") for path in _sources()}
    assert {name: count for name, count in calls.items() if count} == REVEALING


def test_the_core_has_no_clock_and_no_socket() -> None:
    """Rooms that decide are pure: what they need of the world comes in as arguments."""
    world = {"socket", "time", "os", "subprocess", "threading", "random", "select", "requests"}
    for room in ("model", "errors", "wire", "headers", "mime", "claims", "extract", "authres", "signature", "routing", "trust"):
        top = {name.split(".")[0] for name in _imports(SOURCE / f"{room}.py")}
        assert top & world == set(), room
