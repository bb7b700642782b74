"""The fingerprints of records, under the keys of the journal."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Secret, Token
from token_catcher.record import Keyring

KEY = "k" * 32
OTHER = "o" * 32
TOKEN = Token("FAKEfirstTOKEN1notREAL2ab").fingerprint
ELSE = Token("FAKEsecondTOKENnotREAL2ab").fingerprint


def under(*keys: str) -> Fingerprints:
    """Of a journal with these keys, the newest first."""
    return Keyring.of(Secret("\n".join(keys))).fingerprints


def test_a_keyed_fingerprint_can_be_made_with_other_tools() -> None:
    """As docs/audit.md says: HMAC-SHA256 twice, first for the key of the fingerprints."""
    key = hmac.new(KEY.encode(), b"token-catcher fingerprint", hashlib.sha256).digest()
    digits = hmac.new(key, TOKEN.encode(), hashlib.sha256).hexdigest()[:16]
    key_id = hashlib.sha256(f"token-catcher journal key:{KEY}".encode()).hexdigest()[:16]
    assert under(KEY).recorded(TOKEN) == f"hmac-sha256:{key_id}:{digits}"


def test_the_newest_key_makes_them() -> None:
    """Without a key they are plain."""
    assert under(OTHER, KEY).recorded(TOKEN) == under(OTHER).recorded(TOKEN)
    assert PLAIN.recorded(TOKEN) == TOKEN


RECORDED = {
    "plain, without a key": (PLAIN, TOKEN, True),
    "plain, of another": (PLAIN, ELSE, False),
    "of before the key": (under(KEY), TOKEN, True),
    "of before the key, of another": (under(KEY), ELSE, False),
    "with the key": (under(KEY), under(KEY).recorded(TOKEN), True),
    "with the key, of another": (under(KEY), under(KEY).recorded(ELSE), False),
    "with an old key": (under(OTHER, KEY), under(KEY).recorded(TOKEN), True),
    "with a key that is gone": (under(OTHER), under(KEY).recorded(TOKEN), None),
    "with a key, turned off": (PLAIN, under(KEY).recorded(TOKEN), None),
    "of a form that nobody makes": (under(KEY), "hmac-sha256", None),
    "none": (under(KEY), None, False),
}


@pytest.mark.parametrize(("known", "recorded", "told"), RECORDED.values(), ids=RECORDED)
def test_whether_a_record_is_of_a_token(
    known: Fingerprints, recorded: str | None, told: bool | None
) -> None:
    """Yes, no, or nobody can tell."""
    assert known.is_of(recorded, TOKEN) is told
    assert known.is_known(recorded) is (told is not None)


def test_nothing_is_of_no_token() -> None:
    """But for a record that tells of none."""
    assert under(KEY).is_of(TOKEN, None) is False
    assert under(KEY).is_of(None, None) is True


def test_all_forms_of_one_token() -> None:
    """What records of any time may have."""
    assert under(OTHER, KEY).forms(TOKEN) == [
        TOKEN,
        under(OTHER).recorded(TOKEN),
        under(KEY).recorded(TOKEN),
    ]


def test_the_key_is_nowhere_to_be_seen() -> None:
    """Not in what a traceback shows either."""
    (key,) = under(KEY)._by_id.values()
    assert "material" not in repr(key)
    assert KEY not in repr(key)
