"""What is asked of a server as text: sets of UIDs, and the criteria of a SEARCH. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from token_catcher.imap.answers import day_of
from token_catcher.ports import Span


def set_of(spans: Sequence[Span]) -> str:
    """The spans as a set of UIDs (RFC 3501, section 9)."""
    parts = []
    for first, last in spans:
        if last is None:
            parts.append(f"{first}:*")
        elif first == last:
            parts.append(str(first))
        else:
            parts.append(f"{first}:{last}")
    return ",".join(parts)


def quoted(text: str) -> str:
    """As a quoted string (RFC 3501, section 4.3)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def day_before(time: datetime) -> str:
    """As SINCE wants it. It compares days of a zone that is not known: a day more is asked for."""
    return day_of(time - timedelta(days=1))


def any_of(domains: Sequence[str]) -> list[str]:
    """FROM criteria, OR-ed. FROM finds substrings, so a domain covers its subdomains."""
    criteria: list[str] = []
    for domain in dict.fromkeys(domains):
        if _is_covered(domain, domains):
            continue
        if criteria:
            criteria = ["OR", *criteria]
        criteria += ["FROM", domain]
    return criteria


def _is_covered(domain: str, domains: Sequence[str]) -> bool:
    """Whether the search for a shorter one finds it as well."""
    return any(domain != other and domain.endswith(other) for other in domains)
