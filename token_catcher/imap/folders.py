"""Finds the spam folder: by special use (RFC 6154), else by its name.

The names are those that servers, and their translations, give it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from imapclient.imap_utf7 import decode, encode

JUNK: Final = b"\\junk"
PREFIXES: Final = ("inbox", "[gmail]", "[google mail]")
"""Where a personal namespace may keep its folders."""
NAMES: Final = (
    "Junk",
    "Spam",
    "Junk Email",  # Microsoft 365
    "Junk E-mail",  # Exchange
    "Junk Mail",
    "Bulk Mail",  # Yahoo
    "Bulk",
    "Junk-E-Mail",  # German
    "Spamverdacht",  # German, GMX and WEB.DE
    "Unerwünschte Werbung",  # German
    "Courrier indésirable",  # French
    "Indésirables",  # French
    "Pourriel",  # French, Canada
    "Correo no deseado",  # Spanish
    "Correo basura",  # Spanish
    "Posta indesiderata",  # Italian
    "Lixo Eletrônico",  # Portuguese, Brazil
    "Lixo eletrónico",  # Portuguese
    "Ongewenste e-mail",  # Dutch
    "Ongewenste reclame",  # Dutch
    "Skräppost",  # Swedish
    "Uønsket e-mail",  # Danish
    "Uønsket mail",  # Danish
    "Søppelpost",  # Norwegian
    "Useriøs e-post",  # Norwegian, Outlook
    "Nettsøppel",  # Norwegian
    "Uønsket e-post",  # Norwegian
    "Skräp",  # Swedish
    "Skräpmejl",  # Swedish
    "Spamfilter",  # Danish and German webmails
    "Ruslpóstur",  # Icelandic
    "Rusl",  # Icelandic
    "Roskaposti",  # Finnish
    "Rämpspost",  # Estonian
    "Rämps",  # Estonian
    "Surogātpasts",  # Latvian
    "Mēstules",  # Latvian, Outlook
    "Brukalas",  # Lithuanian
    "Šlamštas",  # Lithuanian
    "El. pašto šiukšlės",  # Lithuanian, Outlook
    "Nepageidaujami laiškai",  # Lithuanian
    "Neželjena pošta",  # Croatian, Bosnian, Serbian
    "Neželjena e-pošta",  # Croatian
    "Bezvrijedna pošta",  # Croatian, Outlook
    "Smeće",  # Croatian, Serbian
    "Нежељена пошта",  # Serbian
    "Непожељна пошта",  # Serbian
    "Непожељна е-пошта",  # Serbian, Outlook
    "Nepoželjna e-pošta",  # Serbian, Outlook
    "Neželena pošta",  # Slovenian
    "Neželena e-pošta",  # Slovenian, Outlook
    "Vsiljena pošta",  # Slovenian
    "Нежелана поща",  # Bulgarian
    "Нежелана е-поща",  # Bulgarian, Outlook
    "Несакана пошта",  # Macedonian
    "Несакана е-пошта",  # Macedonian, Outlook
    "Postë e padëshiruar",  # Albanian
    "Postë e bezdisshme",  # Albanian
    "Correu brossa",  # Catalan
    "Correu no desitjat",  # Catalan
    "Brossa",  # Catalan
    "Correo lixo",  # Galician
    "Correo non desexado",  # Galician
    "Zabor-posta",  # Basque
    "Zaborra",  # Basque
    "E-bost Sothach",  # Welsh
    "Post Sothach",  # Welsh
    "Sbwriel",  # Welsh
    "Dríodar",  # Irish
    "דואר זבל",  # Hebrew
    "דואר זבל אלקטרוני",  # Hebrew
    "ספאם",  # Hebrew
    "البريد العشوائي",  # Arabic
    "البريد الإلكتروني العشوائي",  # Arabic, Outlook
    "بريد غير هام",  # Arabic
    "البريد غير المرغوب فيه",  # Arabic
    "بريد مزعج",  # Arabic
    "هرزنامه",  # Persian
    "هرزنامهها",  # Persian
    "ایمیل ناخواسته",  # Persian
    "پست الکترونیک ناخواسته",  # Persian
    "जंक ई-मेल",  # Hindi, Outlook
    "जंक मेल",  # Hindi
    "स्पैम",  # Hindi
    "อีเมลขยะ",  # Thai, Outlook
    "จดหมายขยะ",  # Thai
    "เมลขยะ",  # Thai
    "Thư rác",  # Vietnamese
    "Email rác",  # Vietnamese, Outlook
    "Thư rác điện tử",  # Vietnamese
    "Email Sampah",  # Indonesian, Outlook
    "Surat Sampah",  # Indonesian
    "E-mel Remeh",  # Malay, Outlook
    "Mel Sarap",  # Malay
    "არასასურველი ფოსტა",  # Georgian
    "სპამი",  # Georgian
    "Սպամ",  # Armenian
    "Անցանկալի փոստ",  # Armenian
    "Қоқыс хат",  # Kazakh
    "Қажетсіз эл. пошта",  # Kazakh, Outlook
    "Спам-хаттар",  # Kazakh
    "Arzuolunmaz məktublar",  # Azerbaijani
    "Непажаданая пошта",  # Belarusian
    "Небажані листи",  # Ukrainian
    "Небажана електронна пошта",  # Ukrainian, Outlook
    "Нежелательные",  # Russian
    "Önemsiz",  # Turkish
    "Önemsiz Posta",  # Turkish
    "İstenmeyen",  # Turkish
    "İstenmeyen Posta",  # Turkish
    "Niechciane",  # Polish
    "Niechciana poczta",  # Polish
    "Nevyžádané",  # Czech
    "Nevyžiadané",  # Slovak
    "Kéretlen levelek",  # Hungarian
    "Kéretlen",  # Hungarian
    "E-mail nedorit",  # Romanian
    "Nedorite",  # Romanian
    "E-mails indésirables",  # French
    "Courriels indésirables",  # French, Canada
    "Messages indésirables",  # French
    "Courrier indesirable",  # French, without accents
    "No deseado",  # Spanish
    "No deseados",  # Spanish
    "Indesiderata",  # Italian
    "Lixo",  # Portuguese
    "Correio não solicitado",  # Portuguese
    "Lixo de e-mail",  # Portuguese
    "Ongewenst",  # Dutch
    "Spam-E-Mails",  # German
    "Junk-Mail",  # webmails
    "Junk Messages",  # webmails
    "Junkmail",  # webmails
    "Spam Mail",  # webmails
    "Spambox",  # webmails
    "Spam Folder",  # webmails
    "Probably-Spam",  # webmails
    "Quarantine",  # webmails
    "Ανεπιθύμητα",  # Greek
    "Ενοχλητικά",  # Greek
    "Wiadomości-śmieci",  # Polish
    "Nevyžádaná pošta",  # Czech
    "Nevyžiadaná pošta",  # Slovak
    "Levélszemét",  # Hungarian
    "Mesaje nedorite",  # Romanian
    "Gereksiz",  # Turkish
    "Önemsiz E-posta",  # Turkish
    "Ανεπιθύμητη αλληλογραφία",  # Greek
    "Спам",  # Russian, Ukrainian, Bulgarian
    "Нежелательная почта",  # Russian
    "Небажана пошта",  # Ukrainian
    "迷惑メール",  # Japanese
    "垃圾邮件",  # Chinese, simplified
    "垃圾邮箱",  # Chinese, simplified
    "垃圾郵件",  # Chinese, traditional
    "스팸",  # Korean
    "스팸함",  # Korean
    "스팸 메일함",  # Korean
    "정크 메일",  # Korean
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder as LIST gives it."""

    raw_name: bytes
    """As it is on the wire; to be sent back unchanged."""
    delimiter: str
    attributes: frozenset[bytes]
    """In lower case."""

    @classmethod
    def parse(cls, attributes: Any, delimiter: Any, name: Any) -> Listed | None:
        """A folder out of the parts that imapclient makes of a line; None: a malformed line."""
        if isinstance(name, int | str):  # what imapclient makes of a name of digits
            name = str(name).encode()
        if delimiter is None:  # NIL: a name without levels
            delimiter = b""
        if not _all_bytes(name, delimiter):
            return None
        if not isinstance(attributes, tuple) or not _all_bytes(*attributes):
            return None
        lower = frozenset(attribute.lower() for attribute in attributes)
        return cls(name, delimiter.decode("ascii", "replace"), lower)

    @property
    def name(self) -> str:
        """The name as text.

        Latin-1 where it is no modified UTF-7: one odd folder must not hide the others."""
        try:
            name: str = decode(self.raw_name)
        except ValueError:
            return self.raw_name.decode("latin-1")
        return name

    @property
    def selectable(self) -> bool:
        """Whether it can hold mail."""
        return not self.attributes & {b"\\noselect", b"\\nonexistent"}


def encoded(name: str) -> bytes:
    """A name in modified UTF-7 (RFC 3501, section 5.1.3), as it goes over the wire."""
    raw: bytes = encode(name)
    return raw


def find_spam(folders: Sequence[Listed]) -> list[str]:
    """The spam folders, in the server's order; usually one.

    Those that the server marks, else those of a known name."""
    candidates = [folder for folder in folders if folder.selectable]
    marked = [folder.name for folder in candidates if JUNK in folder.attributes]
    if marked:
        return marked
    return [folder.name for folder in candidates if _own_name(folder) in _KNOWN]


def marks_spam(folders: Sequence[Listed]) -> bool:
    """Whether the server says which folder is for spam."""
    return any(folder.selectable and JUNK in folder.attributes for folder in folders)


def _all_bytes(*values: object) -> bool:
    return all(isinstance(value, bytes) for value in values)


def _own_name(folder: Listed) -> str:
    """The name without the namespace, folded for comparison."""
    name = _folded(folder.name)
    if not folder.delimiter:
        return name
    prefix, delimiter, rest = name.partition(_folded(folder.delimiter))
    if delimiter and prefix in PREFIXES:
        return rest
    return name


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


_KNOWN: Final = frozenset(_folded(name) for name in NAMES)
