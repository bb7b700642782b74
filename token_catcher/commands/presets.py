"""What docs/mailboxes.md has for each provider, found by an address's domain, its MX, or the host
of IMAP. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider of mailboxes."""

    name: str
    host: str
    """Its IMAP server, with implicit TLS."""
    trust: tuple[str, ...] = ()
    """Lines of `trust`; none: the default does."""
    note: str = ""
    """What its login needs."""
    takes_passwords: bool = True


def _believing(policy: str, ids: str, zone: str) -> tuple[str, ...]:
    return (f"policy: {policy}", f"authserv_ids: {ids}", f"authserv_zone: {zone}")


GMAIL: Final = Preset(
    "Gmail and Google Workspace",
    "imap.gmail.com",
    _believing("auto", "[mx.google.com]", "{received_above: 2}"),
    "an app password, or access tokens (docs/google-workspace.md)",
)
MICROSOFT: Final = Preset(
    "Microsoft 365",
    "outlook.office365.com",
    _believing("authentication-results", '[""]', "{received_above: 3}"),
    "access tokens alone (docs/microsoft-365.md)",
    takes_passwords=False,
)
FASTMAIL: Final = Preset(
    "Fastmail",
    "imap.fastmail.com",
    _believing("auto", '["*.messagingengine.com"]', "above-first-received"),
    "an app password",
)
ICLOUD: Final = Preset(
    "iCloud",
    "imap.mail.me.com",
    _believing("auto", "[dmarc.icloud.com, dkim-verifier.icloud.com]", "above-first-received"),
    "an app-specific password",
)
YAHOO: Final = Preset(
    "Yahoo",
    "imap.mail.yahoo.com",
    _believing("auto", '["*.yahoo.com"]', "{received_above: 1}"),
    "an app password",
)

BY_DOMAIN: Final[Mapping[str, Preset]] = {
    "gmail.com": GMAIL,
    "googlemail.com": GMAIL,
    "outlook.com": MICROSOFT,
    "hotmail.com": MICROSOFT,
    "fastmail.com": FASTMAIL,
    "icloud.com": ICLOUD,
    "me.com": ICLOUD,
    "mac.com": ICLOUD,
    "yahoo.com": YAHOO,
}
"""Domains of people's own addresses there."""
BY_EXCHANGER: Final[Mapping[str, Preset]] = {
    "google.com": GMAIL,
    "googlemail.com": GMAIL,
    "outlook.com": MICROSOFT,
    "messagingengine.com": FASTMAIL,
    "icloud.com": ICLOUD,
    "yahoodns.net": YAHOO,
}
"""Domains of the hosts that take the mail of companies there."""
BY_ENDING: Final[Mapping[str, Preset]] = {
    "onmicrosoft.com": MICROSOFT,
    "onmicrosoft.us": MICROSOFT,
    "onmschina.cn": MICROSOFT,
}
"""Domains below which each company there has one of its own."""
BY_HOST: Final[Mapping[str, Preset]] = {
    **{preset.host: preset for preset in (GMAIL, MICROSOFT, FASTMAIL, ICLOUD, YAHOO)},
    "outlook.office365.us": MICROSOFT,
    "outlook-dod.office365.us": MICROSOFT,
    "partner.outlook.cn": MICROSOFT,
}
"""IMAP servers, those of other clouds as well."""


def preset_of(domain: str, exchangers: Sequence[str]) -> Preset | None:
    """None: nobody's that is known. `exchangers`: its MX hosts, in lower case."""
    domain = domain.lower()
    known = BY_DOMAIN.get(domain) or _below(domain, BY_ENDING)
    if known is not None:
        return known
    for host in exchangers:
        preset = _below(host, BY_EXCHANGER)
        if preset is not None:
            return preset
    return None


def preset_of_host(host: str) -> Preset | None:
    """By the IMAP server that somebody names. None: nobody's that is known."""
    return BY_HOST.get(host.lower())


def _below(host: str, presets: Mapping[str, Preset]) -> Preset | None:
    for suffix, preset in presets.items():
        if host.endswith(f".{suffix}"):
            return preset
    return None
