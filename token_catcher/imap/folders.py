"""Finds the spam folder: by special use (RFC 6154), else by the names that servers and their translations give it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imapclient.imap_utf7 import decode

JUNK: Final = b"\\junk"
PREFIXES: Final = ("inbox", "[gmail]", "[google mail]")
"""Where a personal namespace may keep its folders."""
NAMES: Final = (
    "Junk",
    "Spam",
    "Junk Email",
    "Junk E-mail",
    "Junk Mail",
    "Bulk Mail",
    "Bulk",
    "Junk-E-Mail",
    "Spamverdacht",
    "Unerwünschte Werbung",
    "Courrier indésirable",
    "Indésirables",
    "Pourriel",
    "Correo no deseado",
    "Correo basura",
    "Posta indesiderata",
    "Lixo Eletrônico",
    "Lixo eletrónico",
    "Ongewenste e-mail",
    "Ongewenste reclame",
    "Skräppost",
    "Uønsket e-mail",
    "Uønsket mail",
    "Søppelpost",
    "Roskaposti",
    "Wiadomości-śmieci",
    "Nevyžádaná pošta",
    "Nevyžiadaná pošta",
    "Levélszemét",
    "Mesaje nedorite",
    "Gereksiz",
    "Önemsiz E-posta",
    "Ανεπιθύμητη αλληλογραφία",
    "Спам",
    "Нежелательная почта",
    "Небажана пошта",
    "迷惑メール",
    "垃圾邮件",
    "垃圾邮箱",
    "垃圾郵件",
    "스팸",
    "스팸함",
    "스팸 메일함",
    "정크 메일",
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder as LIST gives it."""

    name: str
    """Decoded, see `decoded`."""
    delimiter: str
    attributes: tuple[bytes, ...]

    @property
    def selectable(self) -> bool:
        """Whether it can hold mail."""
        return not {b"\\noselect", b"\\nonexistent"} & {
            attribute.lower() for attribute in self.attributes
        }


def decoded(raw: bytes) -> str:
    """The name in modified UTF-7 as text; as Latin-1 where it is no such thing: one odd folder must not hide the others."""
    try:
        name: str = decode(raw)
    except ValueError:
        return raw.decode("latin-1")
    return name


def find_spam(listed: Sequence[Listed]) -> list[str]:
    """The spam folders, in the server's order; usually one. Those that the server marks, else those of a known name."""
    candidates = [folder for folder in listed if folder.selectable]
    marked = [
        one.name
        for one in candidates
        if JUNK in (attribute.lower() for attribute in one.attributes)
    ]
    return marked or [one.name for one in candidates if _own_name(one) in _KNOWN]


def _own_name(folder: Listed) -> str:
    """The name without the namespace, folded for comparison."""
    name = _folded(folder.name)
    if folder.delimiter:
        prefix, found, rest = name.partition(_folded(folder.delimiter))
        if found and prefix in PREFIXES:
            return rest
    return name


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


_KNOWN: Final = frozenset(_folded(name) for name in NAMES)
