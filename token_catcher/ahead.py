"""What the daemon loads before the first mail.

An adapter loads its library when it is first used (docs/adr/0027): most commands need few of them.
The daemon needs them all in the end, perhaps in the middle of a night. A library that is broken, or
was replaced under the running program, has to show at the start, where somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from token_catcher.config import Config
from token_catcher.logins import certificates_in

ALWAYS: Final = (
    "token_catcher.proof.dkimpy",  # with dkimpy
    "dns.resolver",
    "mailparser",
    "token_catcher.vault.cluster",  # with urllib3
)
CERTIFICATES: Final = ("cryptography.x509", "cryptography.hazmat.primitives.serialization")
"""Where a certificate of ours is configured."""


def load_all(config: Config) -> None:
    """Load what this configuration can come to use. ImportError: it cannot be loaded."""
    for name in _modules(config):
        import_module(name)


def _modules(config: Config) -> Iterator[str]:
    yield from ALWAYS
    if any(certificates_in(config)):
        yield from CERTIFICATES
