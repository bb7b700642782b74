"""The keys of signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

DNS: Final[Mapping[str, Advice]] = {
    "dns": Advice(
        501,
        "DNS did not answer the question for a key.",
        "check the resolvers of this machine, or pin the key under trust.dkim_keys; the mail is"
        " tried again by itself",
    ),
    "dns-not-asked": Advice(
        502,
        "DNS was not asked for the key of this mail yet.",
        "nothing, if it passes: mail with made-up keys has had DNS asked for long enough, and"
        " this one has its turn after a rest; or pin the key under trust.dkim_keys",
    ),
    "dns-no-key": Advice(
        503,
        "DNS has no key for the signature of this mail.",
        "nothing, if it passes: DNS has no key for this signature, and is asked again for a"
        " day; if the key is known to you, pin it under trust.dkim_keys",
    ),
}
