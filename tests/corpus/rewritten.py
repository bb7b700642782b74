"""The text of genuine mails as gateways, languages and charsets make it.

The tables are those of `field`: mails whose header is as Salesforce wrote it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from email.header import Header

from tests.corpus.base import STORE, SUBJECT_JA, Row, arrived, crlf, expect, salesforce
from tests.corpus.languages import TRANSLATED, in_labels, japanese, quoted
from tests.corpus.parts import multipart, part
from tests.kit.mails import USERNAME, token_body, token_mail
from tests.kit.signing import seal

NAME = "held bad-username"
LAYOUT = "held unknown-layout"
PARTS = "held unexpected-part"
TITLE = "held unknown-subject"
GENUINE = seal(token_mail())

# A username with something glued to it by a gateway that had checked the mail.
GLUED = (
    ("mailto", "A link in angle brackets.", f"{USERNAME}<mailto:{USERNAME}>", NAME),
    ("markdown", "A link in Markdown.", f"[{USERNAME}](mailto:{USERNAME})", NAME),
    ("zero-width", "A mark against linking.", USERNAME.replace("@", "\u200b@"), NAME),
    ("word-joiner", "Another one.", USERNAME + "\u2060", NAME),
    ("byte-order", "A byte order mark.", "\ufeff" + USERNAME, NAME),
    ("soft-hyphen", "A soft hyphen.", USERNAME.replace("ion", "\u00adion"), NAME),
    ("dot", "A period behind it.", USERNAME + ".", NAME),
    ("defanged", "Defused brackets.", USERNAME.replace(".", "[.]"), NAME),
    ("mailto-space", "A link set apart.", f"{USERNAME} <mailto:{USERNAME}>", LAYOUT),
    ("link", "A rewritten link.", f"{USERNAME}<https://safe.example/?u={USERNAME}>", LAYOUT),
    ("no-break-space", "A no-break space behind it.", USERNAME + "\u00a0", STORE),
)

# The body as a gateway writes it anew, and the signature that was checked before.
HEAD = GENUINE.partition(b"\r\n\r\n")[0]
TYPE = b"Content-Type: text/plain; charset=UTF-8"
TEXT = crlf(token_body())
BANNER = "CAUTION: this mail came from outside of the organisation.\n\n"
PAGE = "<html><body><div>" + "<br>\n".join(token_body().splitlines()) + "</div></body></html>"
LONG = "<p style='" + "color:black;" * 99 + "'>x</p>"
REVEALED = "<!--[if !mso]><!--><p>x</p><!--<![endif]-->"
HTML = "text/html; charset=utf-8"
LOGO = part(
    "iVBORw0KGgo=\n",
    "image/png",
    "Content-Transfer-Encoding: base64\nContent-ID: <l>\nContent-Disposition: inline\n",
)
SOFT = part(
    quoted(TEXT).decode().replace("\r\n", "\n") + "=\n",
    extra="Content-Transfer-Encoding: quoted-printable\n",
)
INLINE = part(token_body(), extra="Content-Disposition: inline; size=700\n")
BOLD = PAGE.replace("Username:", "<b>Username:</b>").replace("sensitive):", "sensitive):</b>")
BOLD = BOLD.replace("Security token (", "<b>Security token (")
LINKED = PAGE.replace(f" {USERNAME}", f' <a href="mailto:{USERNAME}">{USERNAME}</a>')
QUOTED = "".join(f"> {line}\n" for line in token_body().splitlines())


def rewritten(body: str | bytes, *, content_type: str = "", encoding: str = "") -> bytes:
    """The genuine mail with another body, under the signature of the first."""
    head = HEAD
    if content_type:
        head = head.replace(TYPE, f"Content-Type: {content_type}".encode())
    if encoding:
        head += f"\r\nContent-Transfer-Encoding: {encoding}".encode()
    if isinstance(body, str):
        body = crlf(body)
    return arrived(head + b"\r\n\r\n" + body)


def in_parts(*parts: str, kind: str = "alternative") -> bytes:
    """The genuine mail as a multipart."""
    made = multipart(*parts, kind=kind).partition(b"\r\n\r\n")[2]
    return rewritten(made, content_type=f'multipart/{kind}; boundary="b1"')


def page(text: str) -> bytes:
    """The genuine mail as HTML."""
    return rewritten(text, content_type=HTML)


def above(text: str) -> str:
    """HTML with something above the text."""
    return PAGE.replace("<body>", "<body>" + text)


BODIES = (
    ("wrapped", "Long lines wrapped.", rewritten(TEXT.replace(b"because you", b"because\r\nyou"))),
    ("trailing-spaces", "Spaces behind each line.", rewritten(TEXT.replace(b"\r\n", b" \r\n"))),
    ("quoted-printable", "Quoted-printable.", rewritten(quoted(TEXT), encoding="quoted-printable")),
    ("base64", "Base64.", rewritten(base64.encodebytes(TEXT).decode(), encoding="base64")),
    ("banner", "A banner above.", rewritten(BANNER + token_body())),
    ("footer", "A disclaimer below.", rewritten(token_body() + "--\nConfidential.\n")),
    ("html", "Made HTML.", page(PAGE)),
    ("html-banner", "Made HTML, with a banner.", page(above(f"<p>{BANNER}</p>"))),
    ("html-long", "HTML in a line of over 998 bytes.", page(above(LONG))),
    ("html-bold", "Labels in bold.", page(BOLD)),
    ("html-linked", "The username a link.", page(LINKED)),
    ("html-revealed", "A conditional comment that shows.", page(above(REVEALED))),
    ("alternative", "HTML beside the text.", in_parts(part(token_body()), part(PAGE, HTML))),
    ("alternative-soft", "A soft break before the boundary.", in_parts(SOFT, part(PAGE, HTML))),
    ("inline", "A disposition with parameters.", in_parts(INLINE, kind="mixed")),
    ("logo", "A logo under the text.", in_parts(part(PAGE, HTML), LOGO, kind="related")),
    ("logo-mixed", "A logo beside it.", in_parts(part(token_body()), LOGO, kind="mixed")),
    (
        "footer-part",
        "A disclaimer in a part of its own.",
        in_parts(part(token_body()), part("confidential\n"), kind="mixed"),
        "held ambiguous-claim",
    ),
    (
        "attached",
        "A notice attached.",
        in_parts(part(token_body()), part("x", "application/pdf"), kind="mixed"),
        PARTS,
    ),
    ("one-line", "Lines run together.", rewritten(" ".join(token_body().split())), LAYOUT),
    ("quoted", "Quoted by a rule that forwards.", rewritten(QUOTED), LAYOUT),
    ("masked", "A filter that masks secrets.", rewritten(token_body(token="*" * 25)), LAYOUT),
)
UNSIGNED = (
    (
        "dropped",
        "Exchange drops the signature, so nothing says what was checked.",
        arrived(token_mail()),
        expect("refused unsigned", results="held weak-signature"),
    ),
)

# Charsets that Salesforce lets users choose, by the names it and mail programs write, and codecs.
FRENCH = in_labels("Nom d'utilisateur", "Jeton de sécurité")
GERMAN = in_labels("Benutzername", "Sicherheitstoken (Groß-/Kleinschreibung beachten)")
POLISH = in_labels("Nazwa użytkownika", "Token zabezpieczeń")
TURKISH = in_labels("Kullanıcı Adı", "Güvenlik belirteci")
RUSSIAN = in_labels("Имя пользователя", "Маркер безопасности")
GREEK = in_labels("Όνομα χρήστη", "Διακριτικό")
THAI = in_labels("ชื่อผู้ใช้", "โทเค็นความปลอดภัย")
KOREAN = in_labels("사용자 이름", "보안 토큰(대소문자 구분)")
CHINESE = in_labels("用户名", "安全令牌（区分大小写）")
TAIWANESE = in_labels("使用者名稱", "安全性權杖（區分大小寫）")
CHARSETS = (
    ("utf-8", "UTF-8, as Python's utf-8.", ("UTF-8", "utf-8", FRENCH)),
    ("utf8", "utf8, as Python's utf-8.", ("utf8", "utf-8", FRENCH)),
    ("iso-8859-1", "ISO-8859-1, as Python's iso8859-1.", ("ISO-8859-1", "iso8859-1", FRENCH)),
    ("iso-8859-2", "ISO-8859-2, as Python's iso8859-2.", ("ISO-8859-2", "iso8859-2", POLISH)),
    ("iso-8859-9", "ISO-8859-9, as Python's iso8859-9.", ("ISO-8859-9", "iso8859-9", TURKISH)),
    ("iso-8859-15", "ISO-8859-15, as Python's iso8859-15.", ("ISO-8859-15", "iso8859-15", GERMAN)),
    ("windows-1250", "windows-1250, as Python's cp1250.", ("windows-1250", "cp1250", POLISH)),
    ("windows-1251", "windows-1251, as Python's cp1251.", ("windows-1251", "cp1251", RUSSIAN)),
    ("windows-1252", "windows-1252, as Python's cp1252.", ("windows-1252", "cp1252", GERMAN)),
    ("windows-1253", "windows-1253, as Python's cp1253.", ("windows-1253", "cp1253", GREEK)),
    ("windows-1254", "windows-1254, as Python's cp1254.", ("windows-1254", "cp1254", TURKISH)),
    ("koi8-r", "KOI8-R, as Python's koi8-r.", ("KOI8-R", "koi8-r", RUSSIAN)),
    ("tis-620", "TIS-620, as Python's tis-620.", ("TIS-620", "tis-620", THAI)),
    (
        "iso-2022-jp",
        "ISO-2022-JP, as Python's iso2022_jp.",
        ("ISO-2022-JP", "iso2022_jp", japanese()),
    ),
    ("shift-jis", "Shift_JIS, as Python's cp932.", ("Shift_JIS", "cp932", japanese())),
    (
        "x-sjis-0213",
        "x-SJIS_0213, as Python's shift_jisx0213.",
        ("x-SJIS_0213", "shift_jisx0213", japanese()),
    ),
    ("euc-jp", "EUC-JP, as Python's euc_jp.", ("EUC-JP", "euc_jp", japanese())),
    ("ks-c-5601", "ks_c_5601-1987, as Python's cp949.", ("ks_c_5601-1987", "cp949", KOREAN)),
    ("x-windows-949", "x-windows-949, as Python's cp949.", ("x-windows-949", "cp949", KOREAN)),
    ("euc-kr", "EUC-KR, as Python's euc_kr.", ("EUC-KR", "euc_kr", KOREAN)),
    ("gb2312", "GB2312, as Python's gb2312.", ("GB2312", "gb2312", CHINESE)),
    ("gbk", "GBK, as Python's gbk.", ("GBK", "gbk", CHINESE)),
    ("gb18030", "GB18030, as Python's gb18030.", ("GB18030", "gb18030", CHINESE)),
    ("big5", "Big5, as Python's big5.", ("Big5", "big5", TAIWANESE)),
    ("big5-hkscs", "Big5-HKSCS, as Python's big5hkscs.", ("Big5-HKSCS", "big5hkscs", TAIWANESE)),
    ("unknown", "x-unheard-of, as Python's utf-8.", ("x-unheard-of", "utf-8", FRENCH), PARTS),
    ("utf-7", "utf-7, as Python's utf-7.", ("utf-7", "utf-7", FRENCH), PARTS),
)


def glued(username: str) -> bytes:
    """A gateway wrote the username anew."""
    return rewritten(token_body(username))


def in_charset(written: tuple[str, str, str]) -> bytes:
    """Signed in this charset: the name it is called, Python's codec, and the text."""
    charset, codec, text = written
    octets = text.replace("\n", "\r\n").encode(codec, "replace")
    head = token_mail(
        content_type=f"text/plain; charset={charset}",
        extra="Content-Transfer-Encoding: base64\n",
        body="",
    )
    return arrived(seal(head + crlf(base64.encodebytes(octets).decode())))


def languages() -> Iterator[Row]:
    """A guess at each language, under the English subject, and one under its own."""
    for name, subject, username_label, token_label in TRANSLATED:
        body = in_labels(username_label, token_label)
        why = f"A guess at {name}."
        yield name, why, salesforce(body=body)
        title = Header(subject, "utf-8").encode()
        why = f"{name}, under a subject that nobody configured."
        yield f"{name}-title", why, salesforce(body=body, subject=title), TITLE
    title = Header(SUBJECT_JA, "utf-8").encode()
    why = "Japanese under its configured subject."
    yield "ja", why, salesforce(body=japanese(), subject=title)
