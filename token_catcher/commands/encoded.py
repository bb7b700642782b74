"""Texts in base64, of which some are packed with gzip or zlib."""

from __future__ import annotations

import base64
import re
import zlib
from string import whitespace
from typing import Final

from token_catcher.commands.pieces import MAX_PIECE

PLAIN: Final = b"rotation."
BASE64: Final = ("cm90YXRpb24u", "yb3RhdGlvbi", "JvdGF0aW9uL")
"""`rotation.` in base64, which depends on what stands before it."""
_FOLD: Final = r"(?:\\[rn]|\s)*"
"""Where base64 is folded into lines, between any two of its letters."""
FOLDED: Final = re.compile("|".join(_FOLD.join(part) for part in BASE64))
GZIP: Final = "H4sI"
"""How gzip in base64 begins."""
ZLIB: Final = re.compile(r"e(?:J[w-z]|N[o-r]|A[E-H]|F[4-7])[\w+/-]{16}")
"""How zlib in base64 begins. It may be anybody's, so only what comes out of it tells."""
_LETTERS: Final = re.compile(r"[\w+/\s-]*", re.ASCII)
"""Those of base64, of either kind."""
_STEP: Final = 64
"""Packed bytes that are unpacked at once: to at most 66,000."""
_CUT_OFF: Final = GZIP
"""What stands for a packed text that is not whole: it is told, and gives nothing."""
_EITHER: Final = 32 + zlib.MAX_WBITS
"""To zlib: the beginning tells whether it is gzip's form or its own."""


def decoded(value: str) -> str:
    """A text out of base64, packed with gzip or zlib or not; as it is where it is none."""
    if value.startswith(GZIP) or ZLIB.match(value) is not None:
        return _unpacked(value)
    if FOLDED.search(value) is None:
        return value
    try:
        return _from_base64("".join(value.split()).rstrip("=")).decode("utf-8", "replace")
    except ValueError:
        return value


def _unpacked(value: str) -> str:
    """The text that gzip or zlib made smaller; as it is where none of ours comes out."""
    letters = _LETTERS.match(value)
    assert letters is not None  # it matches the empty text as well
    packed = "".join(letters[0].split())
    if len(packed) % 4 == 1:
        packed = packed[:-1]  # the first letter of three bytes, of which it says none
    content, is_whole = _inflated(_from_base64(packed))
    is_whole = is_whole and not value[letters.end() :].strip("=" + whitespace)
    if is_whole:
        return content.decode("utf-8", "replace")
    if PLAIN in content.lower():
        return _CUT_OFF
    return value


def _from_base64(letters: str) -> bytes:
    """ValueError: they are none."""
    letters = letters.replace("-", "+").replace("_", "/")
    return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)


def _inflated(packed: bytes) -> tuple[bytes, bool]:
    """What comes out of gzip or zlib, and whether that is all and undamaged."""
    decoder = zlib.decompressobj(wbits=_EITHER)
    content = bytearray()
    # Step by step, since what came out before the damage is lost with the step that meets it.
    for start in range(0, len(packed), _STEP):
        try:
            content += decoder.decompress(packed[start : start + _STEP])
        except zlib.error:
            return bytes(content), False
        if decoder.eof or len(content) > MAX_PIECE:
            break
    return bytes(content), decoder.eof
