"""The keys of the chain: which there are in a text, and what a record is known by."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from token_catcher.model import Secret
from token_catcher.record.keyring import NO_KEYS, Key, Keyring

NEW = "n" * 32
OLD = "o" * 64


def test_the_first_line_is_the_key_that_is_written_with() -> None:
    """The others are kept in their order, each once; empty lines and blanks around are nothing."""
    keys = Keyring.of(Secret(f"\n {NEW}\r\n\n{OLD}\n{NEW}\n"))
    assert keys.current == Key.of(NEW.encode())
    assert keys.ids == (Key.of(NEW.encode()).id, Key.of(OLD.encode()).id)


def test_a_key_is_known_by_its_id() -> None:
    """The id is what the module says, and any other names none."""
    digest = hashlib.sha256(b"token-catcher journal key:" + OLD.encode()).hexdigest()
    keys = Keyring.of(Secret(OLD))
    assert keys.ids == (digest[:16],)
    assert keys.get(digest[:16]) == keys.current
    assert [keys.get(wrong) for wrong in (digest, None, 7, ["x"])] == [None] * 4


def test_the_mac_is_hmac_sha256() -> None:
    """As any other tool has it, in hexadecimal."""
    expected = hmac.new(OLD.encode(), b"record", hashlib.sha256).hexdigest()
    assert Key.of(OLD.encode()).mac(b"record") == expected.encode()


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "no key"),
        ("\n \n", "no key"),
        ("x" * 31, "one of 31 characters"),
        (f"{OLD}\nshort", "one of 5 characters"),
    ],
)
def test_a_key_that_could_be_guessed_is_refused(text: str, got: str) -> None:
    """Each line is a key; the message has the length, and nothing of the key."""
    with pytest.raises(ValueError) as refusal:
        Keyring.of(Secret(text))
    assert str(refusal.value) == got


def test_no_key_shows_itself() -> None:
    """Neither a key nor a keyring has its text where it is printed."""
    keys = Keyring.of(Secret(OLD))
    assert OLD not in f"{keys!r} {keys.current!r}"
    assert NO_KEYS.current is None
