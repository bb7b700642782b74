"""Signatures, by the example of Standard Webhooks and by what is no key."""

from __future__ import annotations

import base64

import pytest

from token_catcher.model import Secret
from token_catcher.notify.signing import fault_of_key, signature

KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("text", [f"whsec_{KEY}", KEY])
def test_the_example_of_the_libraries(text: str) -> None:
    """The one that the reference implementations of the specification are tested with."""
    signed = signature(
        Secret(text),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def encoded(size: int) -> str:
    """A key of so many bytes."""
    return base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"whsec_{encoded(24)}", None),
        (encoded(64), None),
        (encoded(23), "a key of 23 bytes"),
        (encoded(65), "a key of 65 bytes"),
        ("correct horse battery staple!", "something else than base64"),
        ("pässwört", "something else than base64"),
        ("whsec_", "a key of 0 bytes"),
    ],
)
def test_what_is_a_key(text: str, fault: str | None) -> None:
    """24 to 64 bytes in base64, told without a word of what was given."""
    assert fault_of_key(Secret(text)) == fault
