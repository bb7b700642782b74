"""DNS: the resolver answers, and still has the keys that mail was verified with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step

AREA: Final = "dns"
PROBE: Final = "token-catcher-check"
"""A selector that nobody has: that there is no such key is an answer."""


class Published(Protocol):
    """What is published now: `keys.DnsKeys`, in the program."""

    def ask(self, name: str, *, known: bool = False) -> bytes | None:
        """The record; None: there is none. TransientError: there was no answer."""


def dns_steps(
    keys: Published, domains: Sequence[str], names: Iterable[str], *, is_vital: bool
) -> Iterator[Step]:
    """The resolver by a name below each signing domain, then each key by its name.

    `is_vital`: False where pinned keys, or the receiving server, may make up for a silent DNS."""
    for domain in domains:
        step = _resolver_step(keys, domain)
        if step.outcome == "failed" and not is_vital:
            step = About(AREA, domain).warning("resolver", step.saw, step.code)
        yield step
        if step.outcome != "ok":
            return
    # Token mail is rare: a key that was withdrawn since the last one shows here and nowhere else.
    for name in names:
        yield key_step(keys, name)


def key_step(keys: Published, name: str) -> Step:
    """Whether DNS has this key."""
    about = About(AREA, name)

    def ask() -> Step:
        if keys.ask(name, known=True) is None:
            return about.warning("key", "DNS has no such key (any more)", "dns-no-key")
        return about.ok("key", "published")

    return about.attempt("key", ask)


def _resolver_step(keys: Published, domain: str) -> Step:
    about = About(AREA, domain)

    def ask() -> Step:
        keys.ask(f"{PROBE}._domainkey.{domain}")
        return about.ok("resolver", "answers")

    return about.attempt("resolver", ask)
