"""A face loads the module behind a name, and no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from token_catcher import commands, proof
from token_catcher.proof.routing import Org


def loaded_by(statement: str) -> set[str]:
    """The modules of ours that another process has after this statement."""
    code = f"{statement}\nimport sys\nprint(*(name for name in sys.modules))"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return {name for name in done.stdout.split() if name.startswith("token_catcher.")}


def test_a_folder_alone_loads_none_of_its_modules() -> None:
    """Nor does asking for nothing."""
    assert loaded_by("import token_catcher.vault") == {"token_catcher.faces", "token_catcher.vault"}


def test_a_name_loads_its_module() -> None:
    """With what that one needs itself."""
    modules = loaded_by("from token_catcher.proof import Org")
    assert "token_catcher.proof.routing" in modules
    assert "token_catcher.proof.trust" not in modules


def test_a_name_is_the_same_from_everywhere() -> None:
    """The face has no copy of its own."""
    assert proof.Org is Org


def test_a_command_loads_its_module() -> None:
    """The face of `commands` is its modules."""
    modules = loaded_by("from token_catcher import commands\ncommands.rotation")
    assert "token_catcher.commands.rotation" in modules
    assert "token_catcher.commands.scan" not in modules


@pytest.mark.parametrize("module", [proof, commands])
def test_an_unknown_name_is_told_as_of_any_module(module: object) -> None:
    """So that `hasattr` and a misspelt import say what they always say."""
    name = getattr(module, "__name__", "")
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nonsense'"):
        getattr(module, "nonsense")  # noqa: B009 - it is for the type checker that it is written so
