"""Answers as a commented configuration. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*")
_NOT_TEXT: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Plain words that YAML, of one version or another, takes for something else."""
PLACEHOLDER: Final = "not-asked-yet"


@dataclass
class MailboxAnswers:
    """Where the mail comes to."""

    address: str
    host: str
    username: str
    login: str
    """`password: {file: …}` or `oauth2: {…}`, as it stands in the file."""
    tls: str = "implicit"
    port: int | None = None
    """None: the usual one."""
    ca_file: str | None = None
    trust: tuple[str, ...] = ()
    provider: str = ""


@dataclass
class OrgAnswers:
    """Whose tokens they are."""

    name: str = PLACEHOLDER
    usernames: tuple[str, ...] = ("nobody@example.com",)
    environment: str | None = None
    org_id: str | None = None
    max_age: str | None = None
    """None: no token is overdue, whatever its age."""


@dataclass
class VaultAnswers:
    """Where they go."""

    address: str = "http://127.0.0.1:8200"
    auth: str = "{method: none}"
    """As it stands in the file."""
    ca_file: str | None = None
    mount: str = "secret"


def draft(
    state_dir: str,
    mailbox: MailboxAnswers,
    org: OrgAnswers | None = None,
    vault: VaultAnswers | None = None,
) -> str:
    """The configuration; what was not asked yet has something in its place that loads."""
    lines = [
        "# The configuration of token-catcher, as `token-catcher init` wrote it.",
        "# `token-catcher config example` prints every key with a line of why; `token-catcher"
        " check`",
        "# says whether this one works.",
        "",
        "# Our own files: checkpoints, public keys, the journal. Nobody else may write it.",
        f"state_dir: {scalar(state_dir)}",
        "",
        *_mailbox_lines(mailbox),
        "",
        *_org_lines(org or OrgAnswers()),
        "",
        *_vault_lines(vault or VaultAnswers()),
    ]
    if mailbox.trust:
        lines += ["", *_trust_lines(mailbox)]
    return "\n".join(lines) + "\n"


def _mailbox_lines(mailbox: MailboxAnswers) -> Iterator[str]:
    yield "mailboxes:                              # the IMAP accounts to watch"
    yield "  - name: integrations                  # stands in logs, metrics and the journal"
    yield f"    host: {scalar(mailbox.host)}"
    if mailbox.tls != "implicit":
        yield f"    tls: {scalar(mailbox.tls)}"
    if mailbox.port is not None:
        yield f"    port: {mailbox.port}"
    if mailbox.ca_file is not None:
        yield f"    ca_file: {scalar(mailbox.ca_file)}"
    yield f"    username: {scalar(mailbox.username)}"
    yield "    # A secret is never written here: it is read from its place at every login."
    yield f"    {mailbox.login}"
    yield f"    addresses: [{scalar(mailbox.address)}] # the To addresses that are ours"


def _org_lines(org: OrgAnswers) -> Iterator[str]:
    names = ", ".join(scalar(name) for name in org.usernames)
    yield "orgs:                                   # mail of users that are not named is held"
    yield f"  - name: {scalar(org.name)}"
    if org.environment is not None:
        yield f"    environment: {scalar(org.environment)}"
    yield f"    usernames: [{names}]"
    if org.org_id is not None:
        yield f"    org_id: {scalar(org.org_id)}"
    else:
        yield "    # org_id: 00D…                      # set it: mail of no other org counts then"
    if org.max_age is not None:
        yield f"    max_age: {scalar(org.max_age)}    # older tokens are told as overdue"


def _vault_lines(vault: VaultAnswers) -> Iterator[str]:
    yield "vault:"
    yield f"  address: {scalar(vault.address)}"
    if vault.ca_file is not None:
        yield f"  ca_file: {scalar(vault.ca_file)}"
    yield "  # What makes its policy and AppRole: `token-catcher init --vault-setup kv2` prints it."
    yield f"  auth: {vault.auth}"
    yield f"  mount: {scalar(vault.mount)}"
    yield "  path: salesforce/{org}/{username}     # below the mount"


def _trust_lines(mailbox: MailboxAnswers) -> Iterator[str]:
    yield f"trust:                                  # for {mailbox.provider}: docs/mailboxes.md"
    for line in mailbox.trust:
        yield f"  {line}"


def scalar(text: str) -> str:
    """As YAML has it: quoted where it could be taken for anything but text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)
