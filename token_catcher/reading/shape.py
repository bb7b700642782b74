"""Words in the form of a token, wherever they stand in a text.

This proves nothing. It tells mail that a person must see from mail that speaks of no token, and a
text with a second token beside its claim. Links and addresses are full of such words, and so are
files in base64: what is a part of one of these does not count. Linear, for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

LONGEST: Final = 33
"""32, and a letter that a charset we do not know may leave in front."""
MIN_CHUNK: Final = 20
LETTERS_A_PIECE: Final = 4
"""Identifiers are made of words, of which few are shorter."""

# Short enough for `unescape`: Python refuses to read a number of thousands of digits.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
_CHUNK: Final = re.compile(rf'[^\s<>"]{{{MIN_CHUNK},}}')
# All quantifiers are possessive, and none can begin inside of what it matches.
_LINK: Final = re.compile(
    r"://|www\.|(?<![A-Za-z0-9.-])(?:[A-Za-z0-9-]++\.)++[A-Za-z]{2,}+[/?#]", re.IGNORECASE
)
_ADDRESS: Final = re.compile(r"(?<![A-Za-z0-9._+'-])[A-Za-z0-9._+'-]++@[A-Za-z0-9.-]*+")
_LINE_OF_A_FILE: Final = re.compile(r"[A-Za-z0-9+/=]{60,}+")
# The neighbours that are left out are those of identifiers (`Class.Name`) and of odd links.
_WORD: Final = re.compile(rf"(?<![A-Za-z0-9.%+~@-])[A-Za-z0-9]{{20,{LONGEST}}}(?![A-Za-z0-9%+~@-])")
_PIECE: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
"""The words of which `SalesforceAPIUser2` is made."""


def token_words(text: str) -> Iterator[str]:
    """Every word of the text that has the form of a token.

    Entities are resolved, and what is not shown (a soft hyphen, a zero-width space) is left out."""
    resolved = _ENTITY.sub(_resolved, text)
    for chunk in _CHUNK.findall(_INVISIBLE.sub("", resolved)):
        for word in _WORD.findall(_without_names(chunk)):
            if _is_like_a_token(word):
                yield word


def has_token_word(text: str) -> bool:
    """Whether there is any."""
    return next(token_words(text), None) is not None


def _resolved(entity: re.Match[str]) -> str:
    return unescape(entity[0])


def _without_names(chunk: str) -> str:
    """What is left of a stretch without white space where links and their like are taken out."""
    # The delimiter of a multipart: RFC 2046, section 5.1.1.
    if chunk.startswith("--"):
        return ""
    link = _LINK.search(chunk)
    if link:
        chunk = chunk[: link.start()]
    return _LINE_OF_A_FILE.sub(" ", _ADDRESS.sub(" ", chunk))


def _is_like_a_token(word: str) -> bool:
    """Letters of both cases, and digits, or letters that make no words."""
    if word.isupper() or word.islower() or word.isdigit():
        return False
    if any(character.isdigit() for character in word):
        return True
    return len(_PIECE.findall(word)) * LETTERS_A_PIECE > len(word)
