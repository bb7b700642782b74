"""The script that sets Vault up, as `init` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from token_catcher.commands.vault_setup import FOLDERS, PolicyKind, vault_setup
from token_catcher.errors import ConfigurationError


@pytest.mark.parametrize("kind", PolicyKind)
def test_the_policy_is_in_it(kind: PolicyKind) -> None:
    """Word for word, in place of the file, and of the parameter that names one."""
    script = vault_setup(kind)
    policy = (FOLDERS[-1] / kind.file).read_text("utf-8")
    assert f"policy() {{ cat << 'END_OF_POLICY'\n{policy}END_OF_POLICY\n}}\n" in script
    assert "POLICY=" not in script
    assert "MOUNT=${MOUNT:-secret} " in script


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
