"""What people type: an example or two of each command, for `--help` and the manual page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("token-catcher run --config config.yaml",),
    "scan": (
        "token-catcher scan",
        "token-catcher scan --wait 10m --user integration@acme.example",
        "token-catcher scan --dry-run --since 30d",
    ),
    "explain": (
        "token-catcher explain mail.eml",
        "token-catcher explain --received-at 2026-02-03T12:00:00Z --json mail.eml",
    ),
    "history": (
        "token-catcher history --user integration@acme.example --since 90d",
        "token-catcher history --html march.html --since 2026-03-01 --until 2026-04-01",
        "journalctl -u token-catcher -o cat | token-catcher history -",
        "token-catcher history schema > record.schema.json",
    ),
    "held": ("token-catcher held",),
    "release": ("token-catcher release 0123456789ab --reason 'new address, CHG0042'",),
    "status": ("token-catcher status", "token-catcher status --json"),
    "check": ("token-catcher check", "token-catcher check --mailbox integrations --write-test"),
    "init": (
        "token-catcher init",
        "token-catcher init --vault-setup kv2 > setup-approle.sh",
        "token-catcher init --vault-setup auditor > setup-auditor.sh",
        "token-catcher init --yes --address sf@example.com --password env:IMAP_PASSWORD …",
    ),
    "login": ("token-catcher login --mailbox integrations",),
    "audit verify": (
        "token-catcher audit verify",
        "token-catcher audit verify journal-000001.jsonl.gz journal.jsonl",
    ),
    "audit reconcile": (
        "token-catcher audit reconcile",
        "token-catcher audit reconcile --vault-log audit.log --vault-log audit.log.1.gz --json",
    ),
    "audit archive": ("token-catcher audit archive",),
    "notify test": ("token-catcher notify test",),
    "config example": ("token-catcher config example > config.yaml",),
    "config schema": ("token-catcher config schema > config.schema.json",),
    "config show": ("token-catcher config show",),
    "demo": ("token-catcher demo --keep",),
}
"""By command, without the program's name."""


def epilog(command: str) -> str:
    """The examples as the end of a help page, a line each (\\b keeps the lines apart)."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in EXAMPLES[command])))
