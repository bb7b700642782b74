"""The proof by login: where users log in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.texts import MINIMAL, load, refusal_of


def with_verify(text: str) -> str:
    """A configuration with this section."""
    return f"{MINIMAL}\nverify: {text}\n"


def test_it_is_off_by_default(home: Path) -> None:
    """A login can lock a user: it is asked for."""
    verify = load(home, MINIMAL).verify
    assert verify.login is False
    assert (verify.password_field, verify.host) == ("password", "login.salesforce.com")


@pytest.mark.parametrize(
    "host", ["login.salesforce.com", "acme.my.salesforce.com", "http://127.0.0.1:8080"]
)
def test_a_host_is_a_name(home: Path, host: str) -> None:
    """Over plain HTTP only one that never leaves the machine."""
    assert load(home, with_verify(f"{{login: true, host: '{host}'}}")).verify.host == host


@pytest.mark.parametrize(
    "host",
    [
        "https://login.salesforce.com",
        "http://login.salesforce.com",
        "http://127.0.0.1/services",
        "login.salesforce.com/services",
        "user@login.salesforce.com",
        "login.salesforce.com:8443",
    ],
)
def test_another_form_of_a_host_is_refused(home: Path, host: str) -> None:
    """The password goes there."""
    told = refusal_of(home, with_verify(f"{{host: '{host}'}}"))
    assert told.endswith(
        f"verify.host: got '{host}', expected a host name alone, in ASCII"
        " (http://HOST:PORT only to loopback)"
    )


def test_a_sandbox_logs_in_elsewhere(home: Path) -> None:
    """Wherever the others do."""
    verify = load(home, with_verify("{host: acme.my.salesforce.com}")).verify
    assert verify.host_for("sandbox") == "test.salesforce.com"
    assert verify.host_for("production") == verify.host_for(None) == "acme.my.salesforce.com"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("security_token", "another password_field than vault.field, which has the token"),
        (
            "security_token_mail",
            "another password_field than those that stand beside the token",
        ),
    ],
)
def test_the_password_has_a_field_of_its_own(home: Path, field: str, expected: str) -> None:
    """The token would be sent as its own password."""
    assert expected in refusal_of(home, with_verify(f"{{password_field: {field}}}"))
