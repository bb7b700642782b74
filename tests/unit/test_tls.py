"""What a failure of TLS means, by OpenSSL's numbers and alerts; `test_vault_tls` has real ones."""

from __future__ import annotations

import ssl

import pytest

from tests.contract.leaks import FOREIGN
from token_catcher.tls import ClientCertificate, TlsFailure, tls_failure


def unverified(code: int, message: str = "") -> ssl.SSLCertVerificationError:
    """A certificate that OpenSSL does not accept."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = message
    return error


def failed(reason: str) -> ssl.SSLError:
    """A handshake that failed for this reason."""
    error = ssl.SSLError(1, FOREIGN)
    error.reason = reason
    return error


@pytest.mark.parametrize("code", [2, 18, 19, 20, 21])
def test_an_unknown_issuer_has_many_numbers(code: int) -> None:
    """Self-signed, a root that is not ours, a chain without its middle."""
    assert tls_failure(unverified(code), "ours.pem") == TlsFailure(
        "certificate", "its certificate was not issued by ours.pem", lasting=True
    )


def test_any_other_fault_of_a_certificate_is_told_in_clean_words() -> None:
    """OpenSSL's, without what does not belong into a log."""
    error = unverified(26, "unsuitable certificate purpose\x1b[31m")
    assert tls_failure(error) == TlsFailure(
        "certificate",
        "its certificate is not trusted (unsuitable certificate purpose31m)",
        lasting=True,
    )


@pytest.mark.parametrize(
    ("reason", "code", "lasting"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "client-certificate", True),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "client-certificate", True),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "client-certificate", True),
        ("TLSV1_ALERT_UNKNOWN_CA", "client-certificate", True),
        ("WRONG_VERSION_NUMBER", "tls", False),
        ("UNEXPECTED_EOF_WHILE_READING", "tls", False),
    ],
)
def test_the_alert_says_what_failed(reason: str, code: str, lasting: bool) -> None:
    """What only a person can change, and what may pass; the reason is in the message."""
    failure = tls_failure(failed(reason))
    assert failure is not None
    assert (failure.code, failure.lasting) == (code, lasting)
    assert failure.text.endswith(f"({reason})")


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_a_server_that_closes_without_an_alert_is_told(kind: type[ssl.SSLError]) -> None:
    """So Python's does in TLS 1.3, once it was shown no certificate."""
    assert tls_failure(kind(8, FOREIGN)) == TlsFailure(
        "tls",
        "it closed the line within TLS: it may ask for a client certificate, or refuse ours",
        lasting=False,
    )


def test_a_failure_without_a_reason_is_named_by_its_kind() -> None:
    """Its text is a foreign one."""
    failure = TlsFailure("tls", "TLS failed (SSLError)", lasting=False)
    assert tls_failure(ssl.SSLError(1, FOREIGN)) == failure


def test_a_failure_is_found_wherever_a_library_has_wrapped_it() -> None:
    """As an argument, a reason, a cause; and rings end."""
    inner = failed("WRONG_VERSION_NUMBER")
    as_argument = OSError(OSError("pool", inner))
    as_cause = OSError()
    as_cause.__cause__ = inner
    as_reason = OSError()
    as_reason.reason = inner  # type: ignore[attr-defined] # as urllib3's MaxRetryError has it
    inner.__context__ = as_reason
    for error in (as_argument, as_cause, as_reason):
        assert tls_failure(error) == tls_failure(inner)


def test_other_trouble_is_none_of_tls() -> None:
    """A refused connection, a time-out."""
    assert tls_failure(ConnectionRefusedError(OSError(111, "refused"))) is None


def test_a_certificate_is_named_by_its_files() -> None:
    """For messages."""
    assert str(ClientCertificate("a.pem")) == "a.pem"
    assert str(ClientCertificate("a.pem", "a.key")) == "a.pem with a.key"
