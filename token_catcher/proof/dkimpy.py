"""dkimpy, without PyNaCl until a signature is Ed25519.

Salesforce signs with RSA, and PyNaCl would be a megabyte of the daemon's memory for months. dkimpy
goes without it where it is not installed: it looks for it once, while it is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

PYNACL: Final = "nacl"


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """As if the module were not installed, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    # Python's own way to say so: importing it raises ModuleNotFoundError.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _hidden(PYNACL):
    import dkim
    from dkim.canonicalization import CanonicalizationPolicy

__all__ = ["CanonicalizationPolicy", "dkim", "dkim_for"]


def dkim_for(kind: str) -> Any:
    """dkimpy, ready for keys of this kind, "rsa" or "ed25519".

    ImportError: PyNaCl cannot be loaded. That says nothing about the mail, and dkimpy would call
    its signature not verifiable."""
    if kind == "ed25519" and not hasattr(dkim, PYNACL):
        import nacl.encoding
        import nacl.signing

        setattr(dkim, PYNACL, nacl)
    return dkim
