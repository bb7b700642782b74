"""Genuine mails in the languages and charsets of Salesforce's users.

The wording is known of English and Japanese alone; all others are guesses, since the claim is found
by structure.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Iterator
from email.header import Header

from tests.corpus.base import STORE, SUBJECT, SUBJECT_JA, Item, Row, arrived, crlf, mails
from tests.kit.mails import INTRO, OUTRO, TOKEN, USERNAME, token_mail
from tests.kit.signing import seal

JAPANESE = (
    "最近パスワードが変更されたかセキュリティトークンのリセットが要求されたため、新しい Salesforce "
    "セキュリティトークンを送信いたしました。"
    "API またはデスクトップクライアントでセキュリティトークンが必要な場合は、"
    "この更新されたセキュリティトークンを使用してください。\n\n"
    "{username_label}: {username}\n{token_label}: {token}\n\n"
    "セキュリティトークンの使用方法についての詳細は、"
    "https://help.salesforce.com/HTViewHelpDoc?id=user_security_token.htm を参照してください。\n"
)
TRANSLATED = (
    (
        "fr",
        "Nouveau jeton",
        "Nom d'utilisateur\u00a0",
        "Jeton de sécurité (sensible à la casse)\u00a0",
    ),
    (
        "fr-plain-space",
        "Nouveau jeton",
        "Nom d'utilisateur ",
        "Jeton de sécurité (respecter la casse) ",
    ),
    ("de", "Neues Token", "Benutzername", "Sicherheitstoken (Groß-/Kleinschreibung beachten)"),
    (
        "es",
        "Nuevo token",
        "Nombre de usuario",
        "Token de seguridad (distingue entre mayúsculas y minúsculas)",
    ),
    (
        "pt",
        "Novo token",
        "Nome do usuário",
        "Token de segurança (diferencia maiúsculas de minúsculas)",
    ),
    (
        "it",
        "Nuovo token",
        "Nome utente",
        "Token di protezione (distinzione tra maiuscole e minuscole)",
    ),
    ("ru", "Новый маркер", "Имя пользователя", "Маркер безопасности (с учетом регистра)"),
    ("ko", "새 토큰", "사용자 이름", "보안 토큰(대소문자 구분)"),
    ("zh-cn", "新令牌", "用户名", "安全令牌（区分大小写）"),
    ("zh-tw", "新的 Token", "使用者名稱", "安全性權杖（區分大小寫）"),
    ("th", "โทเค็นใหม่", "ชื่อผู้ใช้", "โทเค็นความปลอดภัย"),
)


def in_labels(username_label: str, token_label: str) -> str:
    """A text with the two labels in some language."""
    return f"{INTRO}\n\n{username_label}: {USERNAME}\n{token_label}: {TOKEN}\n\n{OUTRO}\n"


def japanese(username_label: str = "ユーザ名") -> str:
    """The Japanese text of the facts."""
    label = "セキュリティトークン (大文字と小文字を区別)"
    return JAPANESE.format(
        username_label=username_label, token_label=label, username=USERNAME, token=TOKEN
    )


def encoded(
    body: str,
    *,
    charset: str = "UTF-8",
    codec: str = "",
    encoding: str = "base64",
    subject: str = "",
    line_end: str = "\r\n",
) -> bytes:
    """A signed mail with this body in a charset and a transfer encoding.

    `codec` is Python's, where it knows the charset by another name."""
    octets = body.replace("\n", line_end).encode(codec or charset)
    written = octets
    if encoding == "base64":
        written = crlf(base64.encodebytes(octets).decode())
    elif encoding == "quoted-printable":
        written = quoted(octets)
    head = token_mail(
        subject=subject or SUBJECT,
        body="",
        content_type=f"text/plain; charset={charset}",
        extra=f"Content-Transfer-Encoding: {encoding}\n",
    )
    return arrived(seal(head + written))


def quoted(octets: bytes) -> bytes:
    """A text in quoted-printable."""
    return crlf(quopri.encodestring(octets.replace(b"\r\n", b"\n")).decode())


WORDS = Header(SUBJECT_JA, "iso-2022-jp").encode().replace("\n", "\r\n")
TEXT = japanese()
CHARSETS = (
    (
        "ja-newer-label",
        "Japanese with the label of newer pages.",
        encoded(japanese(username_label="ユーザー名")),
    ),
    (
        "ja-full-width",
        "Japanese with full-width brackets and colons.",
        encoded(TEXT.replace("(", "（").replace(")", "）").replace(": ", "：")),
    ),
    (
        "ja-iso-2022-jp",
        "Japanese in ISO-2022-JP.",
        encoded(TEXT, charset="iso-2022-jp", encoding="7bit"),
    ),
    ("ja-shift-jis", "Japanese in Shift_JIS.", encoded(TEXT, charset="Shift_JIS")),
    ("ja-euc", "Japanese in EUC.", encoded(TEXT, charset="EUC-JP", encoding="8bit")),
    (
        "zh-gb2312",
        "Chinese in GB2312.",
        encoded(in_labels("用户名", "安全令牌（区分大小写）"), charset="gb2312"),
    ),
    (
        "zh-gbk",
        "Chinese in GBK.",
        encoded(in_labels("用户名", "安全令牌（区分大小写）"), charset="gbk", encoding="8bit"),
    ),
    (
        "zh-big5",
        "Chinese in Big5.",
        encoded(in_labels("使用者名稱", "安全性權杖（區分大小寫）"), charset="big5"),
    ),
    (
        "ko-euc",
        "Korean in EUC.",
        encoded(in_labels("사용자 이름", "보안 토큰(대소문자 구분)"), charset="euc-kr"),
    ),
    (
        "ko-ks",
        "Korean under the name that Microsoft gave it.",
        encoded(in_labels("사용자 이름", "보안 토큰(대소문자 구분)"), charset="ks_c_5601-1987"),
    ),
    (
        "fr-latin",
        "French in Latin-1.",
        encoded(
            in_labels("Nom d'utilisateur\u00a0", "Jeton secret é\u00a0"),
            charset="iso-8859-1",
            encoding="quoted-printable",
        ),
    ),
    (
        "fr-windows",
        "French in Windows-1252, with its own quotes.",
        encoded(
            in_labels("Nom d\u2019utilisateur\u00a0", "Jeton de sécurité\u00a0"),
            charset="windows-1252",
        ),
    ),
    *(
        (
            f"charset-{charset.lower()}",
            f"A text in {charset}.",
            encoded(in_labels(*labels), charset=charset, codec=codec),
        )
        for charset, codec, labels in (
            ("utf8", "utf-8", ("Nom d’utilisateur", "Jeton de sécurité")),
            ("x-SJIS_0213", "shift_jisx0213", ("ユーザ名", "セキュリティトークン")),
            ("Big5-HKSCS", "big5hkscs", ("使用者名稱", "安全性權杖（區分大小寫）")),
            ("x-windows-949", "cp949", ("사용자 이름", "보안 토큰(대소문자 구분)")),
            ("TIS-620", "tis-620", ("ชื่อผู้ใช้", "โทเค็นความปลอดภัย")),
            ("KOI8-R", "koi8-r", ("Имя пользователя", "Маркер безопасности")),
            ("windows-1251", "cp1251", ("Имя пользователя", "Маркер безопасности")),
            ("ISO-8859-9", "iso8859-9", ("Kullanıcı Adı", "Güvenlik belirteci")),
            ("ISO-8859-15", "iso8859-15", ("Nom d'utilisateur\u00a0", "Jeton de sécurité\u00a0")),
            ("windows-1250", "cp1250", ("Felhasználónév", "Biztonsági token ő")),
        )
    ),
    ("ja-subject-iso-2022-jp", "A Japanese subject in ISO-2022-JP.", encoded(TEXT, subject=WORDS)),
)


def items() -> Iterator[Item]:
    yield from mails("genuine", _translated(), STORE)
    yield from mails("genuine", CHARSETS, STORE)


def _translated() -> Iterator[Row]:
    for name, subject, username_label, token_label in TRANSLATED:
        body = (
            f"Salesforce …\n\n{username_label}: {USERNAME}\n{token_label}: {TOKEN}\n\n"
            "https://help.salesforce.com/HTViewHelpDoc?id=user_security_token.htm\n"
        )
        unknown = encoded(body, subject=Header(subject, "utf-8").encode())
        why = f"A guess at {name}; its subject is not configured yet, so it waits."
        yield f"{name}-unknown-subject", why, unknown, "held unknown-subject"
        yield name, f"A guess at {name} under a subject that is configured.", encoded(body)
