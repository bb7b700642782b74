"""The script that sets Vault up, as `init` prints it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from token_catcher.commands.vault_setup import FOLDERS, PolicyKind, as_configured, vault_setup
from token_catcher.errors import ConfigurationError


@pytest.mark.parametrize("kind", PolicyKind)
def test_the_policy_is_in_it(kind: PolicyKind) -> None:
    """Word for word, and the comments on POLICY and ROLE are true of this script."""
    script = vault_setup(kind)
    policy = "\n".join((FOLDERS[-1] / file).read_text("utf-8") for file in kind.files)
    assert f"  cat << 'END_OF_POLICY'\n{policy}END_OF_POLICY\n}}\n" in script
    comments = [line for line in script.splitlines() if line.startswith(("#   POL", "#   ROLE"))]
    assert comments == [
        f"#   {f'ROLE={kind.role}':<34} the role; its policy has the same name",
        "#   POLICY=                            a file with another policy than the one in here",
    ]
    assert "MOUNT=${MOUNT:-secret} " in script
    assert f"ROLE=${{ROLE:-{kind.role}}} " in script


def test_nobody_elses_policy_is_put_in_the_place_of_ours() -> None:
    """Whoever runs the script for a reader or an auditor, and names no role, makes another one."""
    assert {kind.value: kind.role for kind in PolicyKind} == {
        "kv2": "token-catcher",
        "kv1": "token-catcher",
        "anchor": "token-catcher",
        "reader": "salesforce-reader",
        "auditor": "token-catcher-auditor",
    }


def test_the_mount_that_was_typed() -> None:
    """It is the usual one of the script."""
    assert "MOUNT=${MOUNT:-kv/team} " in vault_setup(PolicyKind.KV2, "kv/team")


@pytest.mark.parametrize("mount", ["", "a b", "}; id", "$(id)", "/kv", "kv/"])
def test_a_mount_that_a_shell_would_obey(mount: str) -> None:
    """It is refused as the script itself would refuse it."""
    with pytest.raises(ConfigurationError) as caught:
        vault_setup(PolicyKind.KV2, mount)
    assert str(caught.value).startswith(f"--mount: got {mount!r}, expected letters, digits")


def test_a_package_without_them(tmp_path: Path) -> None:
    """It is told where they should be."""
    with pytest.raises(ConfigurationError) as caught:
        vault_setup(PolicyKind.KV2, folders=[tmp_path])
    assert str(caught.value).startswith(f"{tmp_path}/token-catcher.hcl: got nothing there")


@dataclass
class Journal:
    """The section of a configuration."""

    anchor: bool


@dataclass
class Loaded:
    """A configuration, as far as it is asked for."""

    journal: Journal


def none_there() -> Path:
    """No file of a configuration."""
    raise ConfigurationError("no configuration found")


def refused() -> Any:
    """A configuration with mistakes."""
    raise ConfigurationError("config.yaml, line 1: got nothing")


@pytest.mark.parametrize(
    ("kind", "find", "load", "printed", "told"),
    [
        ("kv2", none_there, refused, "kv2", ""),
        ("kv2", Path, lambda: Loaded(Journal(anchor=False)), "kv2", ""),
        ("kv2", Path, lambda: Loaded(Journal(anchor=True)), "anchor", "what journal.anchor of ."),
        ("kv2", Path, refused, "kv2", "is not known: config.yaml, line 1"),
        ("kv1", Path, refused, "kv1", ""),
        ("auditor", Path, refused, "auditor", ""),
    ],
    ids=["none there", "without", "with", "refused", "version 1", "another's"],
)
def test_what_the_configuration_needs(
    kind: str,
    find: Callable[[], Path],
    load: Callable[[], Any],
    printed: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The anchor's rights come with the usual policy where journal.anchor is set."""
    assert as_configured(PolicyKind(kind), find, load) == printed
    error = capsys.readouterr().err
    assert told in error
    assert bool(told) == bool(error)
