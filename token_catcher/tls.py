"""TLS to a server: whom we trust, who we are, and what it means when the line is not secured.

One module for the mail server and for Vault, so that the same fault reads alike in both places.
What OpenSSL says is told apart by its numbers; of its words only a cleaned part goes further.
"""

from __future__ import annotations

import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Who we are to a server that asks. Both in PEM."""

    file: str
    """The certificate, with those of its issuers where the server does not know them."""
    key: str | None = None
    """The private key, not encrypted. None: it stands in `file` as well."""

    @property
    def files(self) -> tuple[str, ...]:
        """Each once."""
        if self.key is None:
            return (self.file,)
        return (self.file, self.key)

    def __str__(self) -> str:
        return " with ".join(self.files)


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """Why the line was not secured."""

    code: str
    """The cause, to be put behind the name of a server: `certificate-expired`."""
    text: str
    """What was got and what may be wrong, to be put behind `Vault at …: `."""
    lasting: bool
    """Whether only a person can change it."""


def trusting_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Trusts the authorities in the file; or the system's, a file or a directory, as OpenSSL does.

    OSError: the file is not there, cannot be read, or holds no certificate."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An intermediate alone is as good an anchor as its root, as it is to Vault's own tools.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    # Python asks for it from 3.13 on, and company authorities often lack what RFC 5280 wants.
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    # A name does not count that stands in CN alone (RFC 9525, section 2).
    context.hostname_checks_common_name = False
    return context


def introduce(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Show this certificate to servers that ask for one.

    OSError: a file is not there, cannot be read, or does not hold what it should."""
    # Without a password at hand OpenSSL would ask for one on the terminal.
    context.load_cert_chain(certificate.file, certificate.key, password="")


class FileContext:
    """A context, made anew once one of the files it is made of was replaced. Thread-safe.

    Making one takes 17 ms and 847 KiB where all authorities of a system are read."""

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Sequence[str]) -> None:
        self._make = make
        self._files = tuple(files)
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._states: list[_State | None] = []

    def __call__(self) -> ssl.SSLContext:
        """The context of the files as they are now. Raises what `make` raises."""
        with self._lock:
            # Before they are read: what is replaced meanwhile is read once more the next time.
            states = [_state_of(file) for file in self._files]
            if self._context is None or states != self._states:
                self._context = self._make()
                self._states = states
            return self._context


_State = tuple[int, int, int, int]


def _state_of(file: str) -> _State | None:
    """Which file it is, and how it was written; None: there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116 - a name as OpenSSL takes it
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def tls_failure(
    error: BaseException, authorities: str = "an authority that we trust"
) -> TlsFailure | None:
    """What TLS failed of; None: it was not TLS that failed. `authorities`: for the message."""
    for inner in _inside(error):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return _of_their_certificate(inner, authorities)
        if isinstance(inner, ssl.SSLError):
            return _of_the_handshake(inner)
    return None


# Error numbers of OpenSSL's x509_vfy.h.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_UNKNOWN_AUTHORITY: Final = (2, 18, 19, 20, 21)
_OTHER_HOST: Final = (62, 64)

# Alerts by which a server turns the certificate down that we showed (RFC 8446, section 6.2).
_REFUSED: Final = (
    "ALERT_ACCESS_DENIED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_UNKNOWN_CA",
    "ALERT_UNSUPPORTED_CERTIFICATE",
)
# What the answer of a server that speaks plain text looks like to OpenSSL, version by version.
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


def _of_their_certificate(error: ssl.SSLCertVerificationError, authorities: str) -> TlsFailure:
    number = error.verify_code
    if number == _EXPIRED:
        return _lasting(
            "certificate-expired",
            "its certificate, or one of its issuers, has expired, or our clock is ahead",
        )
    if number == _NOT_YET_VALID:
        return _lasting(
            "certificate-not-yet-valid",
            "its certificate, or one of its issuers, is not valid yet, or our clock is behind",
        )
    if number in _OTHER_HOST:
        return _lasting(
            "certificate-host",
            "its certificate is for another host name, or has no subjectAltName",
        )
    if number in _UNKNOWN_AUTHORITY:
        return _lasting("certificate", f"its certificate was not issued by {authorities}")
    why = re.sub(r"[^A-Za-z0-9 ',.-]", "", error.verify_message)[:100]
    return _lasting("certificate", f"its certificate is not trusted ({why})")


def _of_the_handshake(error: ssl.SSLError) -> TlsFailure:
    # Python's own code raises it without one.
    reason = re.sub(r"[^A-Z0-9_]", "", getattr(error, "reason", None) or "")[:100]
    # TLS 1.2 has no alert of its own for it, and says that the handshake failed.
    if reason.endswith(("ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE")):
        return _lasting(
            "client-certificate", f"it asks for a client certificate, or for other TLS ({reason})"
        )
    if reason.endswith(_REFUSED):
        return _lasting("client-certificate", f"it refuses our client certificate ({reason})")
    if reason in _NO_TLS:
        return TlsFailure("tls", f"it speaks no TLS there ({reason})", lasting=False)
    # A server of TLS 1.3 that wants a client certificate may close without the alert for it.
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TlsFailure(
            "tls",
            "it closed the line within TLS: it may ask for a client certificate, or refuse ours",
            lasting=False,
        )
    return TlsFailure("tls", f"TLS failed ({reason or type(error).__name__})", lasting=False)


def _lasting(code: str, text: str) -> TlsFailure:
    return TlsFailure(code, text, lasting=True)


def _inside(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it was made of, each once.

    HTTP libraries wrap one into another, as an argument, a reason or a cause."""
    waiting: list[object] = [error]
    known: list[object] = []
    while waiting:
        inner = waiting.pop()
        if not isinstance(inner, BaseException) or inner in known:
            continue
        known.append(inner)
        yield inner
        waiting += [*inner.args, getattr(inner, "reason", None), inner.__cause__, inner.__context__]
