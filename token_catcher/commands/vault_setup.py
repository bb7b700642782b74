"""The script that gives the program its way into Vault, whole in itself.

It is `deploy/vault/setup-approle.sh` with one of the policies beside it put in. Both come with the
installed program, so that nobody needs its source for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from token_catcher.errors import ConfigurationError

PACKAGE: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = (PACKAGE / "vault_setup", PACKAGE.parent / "deploy" / "vault")
"""Where the files are once installed; where they are in a checkout."""
SCRIPT: Final = "setup-approle.sh"
_PLAIN: Final = re.compile("[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
"""What the script itself takes as the path of a mount."""
_READS_POLICY: Final = 'policy() { cat "${POLICY:-$(dirname "$0")/token-catcher.hcl}"; }\n'
_READS_MOUNT: Final = "MOUNT=${MOUNT:-secret}"
_OF_THE_FILE: Final = "#   POLICY="
"""How the comment on what the printed script does not take begins."""


class PolicyKind(StrEnum):
    """What the policy is for."""

    KV2 = "kv2"
    """The program, where the mount is a KV engine of version 2."""
    KV1 = "kv1"
    """The program, where it is one of version 1."""
    READER = "reader"
    """An integration that reads its own token; its path is an example."""

    @property
    def file(self) -> str:
        """The policy's name beside the script."""
        if self is PolicyKind.KV2:
            return "token-catcher.hcl"
        if self is PolicyKind.KV1:
            return "token-catcher-kv1.hcl"
        return "reader.hcl"


def vault_setup(
    kind: PolicyKind, mount: str | None = None, folders: Sequence[Path] = FOLDERS
) -> str:
    """The script with this policy in it. `mount`: the one that it takes unless MOUNT names another.

    ConfigurationError: the mount is no plain path, or the files are not where they were installed.
    """
    policy = _shipped(kind.file, folders)
    lines = _shipped(SCRIPT, folders).splitlines(keepends=True)
    script = "".join(line for line in lines if not line.startswith(_OF_THE_FILE))
    prints_policy = f"policy() {{ cat << 'END_OF_POLICY'\n{policy}END_OF_POLICY\n}}\n"
    text = script.replace(_READS_POLICY, prints_policy)
    if mount is None:
        return text
    if _PLAIN.fullmatch(mount) is None:
        raise ConfigurationError(
            f"--mount: got {mount!r}, expected letters, digits, and . _ - / between them",
            code="usage",
        )
    return text.replace(_READS_MOUNT, f"MOUNT=${{MOUNT:-{mount}}}")


def _shipped(name: str, folders: Sequence[Path]) -> str:
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise ConfigurationError(
        f"{folders[0] / name}: got nothing there, expected what Vault is set up with; install the"
        " package anew"
    )
