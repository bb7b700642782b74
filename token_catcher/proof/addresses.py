"""The addresses of From and To."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_ADDRESS: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}"
_DISPLAY: Final = r"""(?:"(?P<quoted>[^"\\]*)" ?|(?P<phrase>[A-Za-z0-9 !#$%&'*+/^_`{|}~.-]*))"""
_MAILBOX: Final = re.compile(rf"(?P<bare>{_ADDRESS})|{_DISPLAY}<(?P<angle>{_ADDRESS})>")
_LISTED: Final = re.compile(r'(?:[^",]|"[^"]*")+')


def single_address(value: str) -> str | None:
    """The address of an unfolded field that holds exactly one, plainly written; None for all else.

    No comments, groups, routes, escapes or encoded words: a mail that needs them is not
    Salesforce's (CVE-2023-27043)."""
    mailbox = _MAILBOX.fullmatch(value)
    if mailbox is None:
        return None
    address = mailbox["bare"] or mailbox["angle"]
    display = mailbox["quoted"] or mailbox["phrase"] or ""
    # Programs show the display name, so one that looks like an address must be this address. In
    # whatever case: it shows no other sender.
    if "=?" in value or ("@" in display and display.lower() != address.lower()):
        return None
    return address


def listed_addresses(value: str) -> Sequence[str]:
    """All addresses of an unfolded field; none where one of them is not plainly written."""
    parts = _LISTED.findall(value)
    addresses = []
    for part in parts:
        address = single_address(part.strip())
        if address is None:
            return ()
        addresses.append(address)
    # What the pattern stepped over, an empty element or an open quote, is not plainly written.
    if ",".join(parts) != value:
        return ()
    return addresses


def folded(address: str) -> str:
    """An address for comparison: only the domain ignores case."""
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()
