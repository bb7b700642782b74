"""The script that gives the program its way into Vault, whole in itself.

It is `deploy/vault/setup-approle.sh` with a policy put in that is made of those beside it. Both
come with the installed program, so that nobody needs its source for them. POLICY in its environment
names another one, as it does for the script itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from token_catcher.commands import output
from token_catcher.config import Config
from token_catcher.errors import ConfigurationError

PACKAGE: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = (PACKAGE / "vault_setup", PACKAGE.parent / "deploy" / "vault")
"""Where the files are once installed; where they are in a checkout."""
SCRIPT: Final = "setup-approle.sh"
_PLAIN: Final = re.compile("[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
"""What the script itself takes as the path of a mount."""
_READS_POLICY: Final = 'policy() { cat "${POLICY:-$(dirname "$0")/token-catcher.hcl}"; }\n'
_READS_MOUNT: Final = "MOUNT=${MOUNT:-secret}"
_READS_ROLE: Final = "ROLE=${ROLE:-token-catcher}"
_OF_THE_ROLE: Final = "#   ROLE=token-catcher"
_OWN_ROLE: Final = "token-catcher"
_OF_THE_FILE: Final = "#   POLICY="
"""How the comment on the file with the policy begins."""
_OF_THE_POLICY: Final = f"{_OF_THE_FILE:<38} a file with another policy than the one in here\n"


class PolicyKind(StrEnum):
    """What the policy is for."""

    KV2 = "kv2"
    """The program, where the mount is a KV engine of version 2."""
    KV1 = "kv1"
    """The program, where it is one of version 1."""
    READER = "reader"
    """An integration that reads its own token; its path is an example."""
    ANCHOR = "anchor"
    """The program on version 2, with `journal.anchor`."""
    AUDITOR = "auditor"
    """A person or a job that runs `audit reconcile`, and changes nothing."""

    @property
    def files(self) -> Sequence[str]:
        """The names of the policies beside the script that make it."""
        return _FILES[self]

    @property
    def role(self) -> str:
        """The usual name of role and policy. Not the program's own for anybody else: the script
        would put their policy in the place of ours."""
        if self is PolicyKind.READER:
            return "salesforce-reader"
        if self is PolicyKind.AUDITOR:
            return "token-catcher-auditor"
        return _OWN_ROLE


_FILES: Final[Mapping[PolicyKind, Sequence[str]]] = {
    PolicyKind.KV2: ("token-catcher.hcl",),
    PolicyKind.KV1: ("token-catcher-kv1.hcl",),
    PolicyKind.READER: ("reader.hcl",),
    PolicyKind.ANCHOR: ("token-catcher.hcl", "journal-anchor.hcl"),
    PolicyKind.AUDITOR: ("auditor.hcl",),
}


def vault_setup(
    kind: PolicyKind, mount: str | None = None, folders: Sequence[Path] = FOLDERS
) -> str:
    """The script with this policy in it. `mount`: the one that it takes unless MOUNT names another.

    ConfigurationError: the mount is no plain path, or the files are not where they were installed.
    """
    policy = "\n".join(_shipped(file, folders) for file in kind.files)
    lines = _shipped(SCRIPT, folders).splitlines(keepends=True)
    script = "".join(_commented(line, kind) for line in lines)
    text = script.replace(_READS_POLICY, _printing(policy))
    text = text.replace(_READS_ROLE, f"ROLE=${{ROLE:-{kind.role}}}")
    if mount is None:
        return text
    if _PLAIN.fullmatch(mount) is None:
        raise ConfigurationError(
            f"--mount: got {mount!r}, expected letters, digits, and . _ - / between them",
            code="usage",
        )
    return text.replace(_READS_MOUNT, f"MOUNT=${{MOUNT:-{mount}}}")


def as_configured(
    kind: PolicyKind, find: Callable[[], Path], load: Callable[[], Config]
) -> PolicyKind:
    """With what the anchor needs as well, where a configuration is there that wants one.

    `find`, `load`: its file, and what is in it. ConfigurationError of them is no reason to print
    nothing: most begin without one."""
    if kind is not PolicyKind.KV2:
        return kind
    try:
        file = find()
    except ConfigurationError:
        return kind
    try:
        wants_anchor = load().journal.anchor
    except ConfigurationError as error:
        output.complain(f"token-catcher: whether journal.anchor is set is not known: {error}")
        return kind
    if not wants_anchor:
        return kind
    output.complain(f"token-catcher: with what journal.anchor of {file} needs")
    return PolicyKind.ANCHOR


def _commented(line: str, kind: PolicyKind) -> str:
    """A line, as it is true of the printed script."""
    if line.startswith(_OF_THE_FILE):
        return _OF_THE_POLICY
    if line.startswith(_OF_THE_ROLE):
        usual = f"#   ROLE={kind.role}"
        return f"{usual:<38} {line[len(_OF_THE_ROLE) :].lstrip()}"
    return line


def _printing(policy: str) -> str:
    """The function of the script that gives the policy."""
    return f"""policy() {{
  if [ -n "${{POLICY:-}}" ]; then
    cat "$POLICY"
    return
  fi
  cat << 'END_OF_POLICY'
{policy}END_OF_POLICY
}}
"""


def _shipped(name: str, folders: Sequence[Path]) -> str:
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise ConfigurationError(
        f"{folders[0] / name}: got nothing there, expected what Vault is set up with; install the"
        " package anew"
    )
