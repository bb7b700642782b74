"""Which hosts take the mail of a domain (MX), to tell whose servers a company's mailbox is on."""

from __future__ import annotations

ANSWER_WITHIN = 5.0
"""Seconds."""


def exchangers_of(domain: str) -> list[str]:
    """Host names in lower case, without the last dot; none where DNS has none, or does not say."""
    # Of all commands, `init` alone asks this.
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(f"{domain}.", "MX", lifetime=ANSWER_WITHIN)
    except (dns.exception.DNSException, OSError, ValueError):
        return []
    return [record.exchange.to_text(omit_final_dot=True).lower() for record in answer]
