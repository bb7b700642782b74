"""Every shell script in deploy/ is one that any POSIX shell reads as it was meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.deploy.kit import DEPLOY, run
from tests.kit.servers.process import command
from token_catcher.commands.vault_setup import PolicyKind, vault_setup

SCRIPTS = sorted(DEPLOY.rglob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    """No warning, not even of style; and the script can be run as it is."""
    shellcheck = command("shellcheck", "make tools (takes it out of Debian's package shellcheck)")
    done = run(shellcheck, "--shell=sh", script)
    assert done.returncode == 0, done.stdout
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")


@pytest.mark.parametrize("kind", PolicyKind)
def test_shellcheck_has_nothing_to_say_of_what_init_prints(
    kind: PolicyKind, tmp_path: Path
) -> None:
    """With the policy in it, it is such a script as well."""
    shellcheck = command("shellcheck", "make tools (takes it out of Debian's package shellcheck)")
    script = tmp_path / "setup-approle.sh"
    script.write_text(vault_setup(kind, "kv/team"), "utf-8")
    done = run(shellcheck, "--shell=sh", script)
    assert done.returncode == 0, done.stdout
