"""What docs/notify.md tells receivers: its code is run here, and its words are the program's."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from token_catcher.model import Secret
from token_catcher.notify import ASKED_FOR
from token_catcher.notify.signing import signature

PAGE = (Path(__file__).parents[1] / "docs" / "notify.md").read_text("utf-8")
KEY = base64.b64encode(bytes(range(32))).decode()
BODY = b'{"specversion":"1.0"}'


@pytest.fixture(scope="module")
def is_genuine() -> Callable[[str, dict[str, str], bytes], bool]:
    """The code of the page, as somebody would paste it."""
    [code] = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE)
    names: dict[str, Any] = {}
    exec(code, names)
    function: Callable[[str, dict[str, str], bytes], bool] = names["is_genuine"]
    return function


def headers(seconds: int, body: bytes = BODY) -> dict[str, str]:
    """As they are sent."""
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(Secret(KEY), "msg_1", seconds, body),
    }


@pytest.mark.parametrize("key", [KEY, f"whsec_{KEY}"])
def test_the_code_takes_what_we_sign(
    is_genuine: Callable[[str, dict[str, str], bytes], bool], key: str
) -> None:
    """Also among other signatures, while a key is exchanged."""
    sent = headers(int(time.time()))
    assert is_genuine(key, sent, BODY)
    sent["webhook-signature"] = f"v1,AAAA {sent['webhook-signature']} v1a,BBBB"
    assert is_genuine(key, sent, BODY)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(time.time()) + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
    ],
)
def test_the_code_refuses_what_was_changed(
    is_genuine: Callable[[str, dict[str, str], bytes], bool], change: dict[str, str]
) -> None:
    """In any of the three headers, or in the body."""
    sent = headers(int(time.time()))
    assert not is_genuine(KEY, {**sent, **change}, BODY)
    assert not is_genuine(KEY, sent, BODY + b" ")


@pytest.mark.parametrize("off", [-600, 600])
def test_the_code_refuses_what_is_not_of_now(
    is_genuine: Callable[[str, dict[str, str], bytes], bool], off: int
) -> None:
    """Somebody who has read a request cannot send it again for long."""
    assert not is_genuine(KEY, headers(int(time.time()) + off), BODY)


def test_every_event_has_its_row() -> None:
    """And no other has."""
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \| `token-catcher\.", PAGE)
    assert rows == [kind.value for kind in ASKED_FOR]
