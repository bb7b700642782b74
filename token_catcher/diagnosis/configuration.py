"""The configuration: it loads, and what it says does not undo itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from token_catcher.config import Config, OrgConfig, meant_flag
from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.durations import duration_steps
from token_catcher.diagnosis.step import Step
from token_catcher.errors import ConfigurationError
from token_catcher.keys import PinnedKeys
from token_catcher.wording import counted

AREA = "configuration"


def refusal_steps(error: ConfigurationError, file: str) -> Iterator[Step]:
    """Why there is no configuration: a step for each line that is wrong."""
    about = About(AREA, file)
    for line in str(error).split("\n"):
        yield about.failed("load", line, error.code)


def configuration_steps(config: Config, file: Path) -> Iterator[Step]:
    """What a configuration that loads says."""
    about = About(AREA, str(file))
    mailboxes = counted(len(config.mailboxes), "mailbox", "mailboxes")
    orgs = counted(len(config.orgs), "org")
    yield about.ok("load", f"{mailboxes}, {orgs}")
    yield from _surroundings_steps(config, about)
    yield from _flag_steps(config)
    for org in config.orgs:
        yield _org_id_step(org)
    yield _policy_step(config)
    yield _senders_step(config)
    yield from _pinned_keys_steps(config)
    yield from duration_steps(config)


def _surroundings_steps(config: Config, about: About) -> Iterator[Step]:
    """What another shell, or the service, may have otherwise."""
    for key in ("address", "namespace", "ca_file", "client_certificate"):
        variable = config.source("vault", key)
        if variable is not None:
            yield about.ok("environment", f"vault.{key} comes from {variable}")


def _flag_steps(config: Config) -> Iterator[Step]:
    """A keyword that is named like a system flag."""
    for mailbox in config.mailboxes:
        meant = meant_flag(mailbox.after_capture)
        if meant is not None:
            about = About(AREA, mailbox.name)
            saw = f"got the keyword {meant[1:]}, expected the system flag {meant}"
            yield about.warning("after_capture", saw, "check-flag")


def _org_id_step(org: OrgConfig) -> Step:
    about = About(AREA, org.name)
    if org.org_id is not None:
        return about.ok("org_id", f"mail of {org.org_id} alone is taken")
    return about.warning(
        "org_id",
        "got none: the first Salesforce org whose mail names a user of it is believed, a"
        " stranger's as well",
        "check-org-id",
    )


def _policy_step(config: Config) -> Step:
    about = About(AREA, "trust")
    policy = config.trust.policy
    if policy == "insecure-accept-unauthenticated":
        saw = f"got {policy}: whoever can send mail to the mailbox can write secrets"
        return about.warning("policy", saw, "check-policy")
    return about.ok("policy", policy)


def _senders_step(config: Config) -> Step:
    """A sender whose domain signs nothing can never prove a mail."""
    about = About(AREA, "trust")
    domains = config.trust.signing_domains
    odd = [sender for sender in config.trust.senders if not _is_of(sender, domains)]
    if odd:
        saw = f"got {', '.join(odd)}, expected addresses of {', '.join(domains)}, or below"
        return about.warning("senders", saw, "check-sender")
    return about.ok("senders", ", ".join(config.trust.senders))


def _is_of(sender: str, domains: Sequence[str]) -> bool:
    """Whether the address is of one of these domains, or of one below them."""
    domain = sender.rpartition("@")[2].lower()
    return any(domain == known or domain.endswith(f".{known}") for known in domains)


def _pinned_keys_steps(config: Config) -> Iterator[Step]:
    file = config.trust.dkim_keys
    if file is None:
        return
    about = About(AREA, "trust")
    try:
        keys = PinnedKeys.read(file)
    except ConfigurationError as error:
        yield about.failed("dkim_keys", str(error), "dkim-keys")
        return
    domains = config.trust.signing_domains
    # Only names below a signing domain are ever asked for.
    useless = [name for name in keys.names if name.partition("._domainkey.")[2] not in domains]
    if not keys.names:
        yield about.failed("dkim_keys", f"{file}: got no key, expected one a line", "dkim-keys")
    elif useless:
        saw = f"got {', '.join(useless)}, expected names below {', '.join(domains)}: no other"
        yield about.warning("dkim_keys", f"{saw} is asked for", "dkim-keys")
    else:
        yield about.ok("dkim_keys", f"pinned: {', '.join(keys.names)}")
