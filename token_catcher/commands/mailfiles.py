"""Mail out of files: single mails, mbox files, Maildir folders, standard input.

Programs that save a mail put things around it that never were on the wire: a byte order mark, the
separator line of an mbox, the envelope of Apple's `.emlx`. These are taken off, and told.
"""

from __future__ import annotations

import mailbox as containers
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef
from token_catcher.ownership import why

LIMIT: Final = MAX_MAIL_BYTES + 1
"""As many bytes are read of a mail: the one more shows that there was more."""
_POSTMARK: Final = re.compile(rb"From [^\r\n]* \d\d:\d\d[^\r\n]* \d{4}(?: [+-]\d{4})?\r?\n")
"""The line above each mail of an mbox: `From SENDER Tue Feb  3 12:57:27 2026`."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_EMLX_SIZE: Final = re.compile(rb"[ \t]*(\d{1,9})[ \t]*\r?\n")
"""The first line of an `.emlx` file: the bytes of the mail, which a property list follows."""
_EMLX_SIZE_BYTES: Final = 32

_NO_MAIL: Final = {
    b"\x1f\x8b": "a file packed with gzip, expected a mail: unpack it (gunzip)",
    b"BZh": "a file packed with bzip2, expected a mail: unpack it (bunzip2)",
    b"\xfd7zXZ": "a file packed with xz, expected a mail: unpack it (unxz)",
    b"\x28\xb5\x2f\xfd": "a file packed with zstd, expected a mail: unpack it (zstd -d)",
    b"PK\x03\x04": "a zip archive, expected a mail: unpack it (unzip)",
    b"\xd0\xcf\x11\xe0": "a file of Outlook's (.msg), expected a mail: save it as .eml",
    b"\xff\xfe": "a file in UTF-16, expected a mail as it came: save it without a conversion",
}
"""By how a file begins, what it is in place of a mail."""


@dataclass(frozen=True, slots=True)
class SavedMail:
    """A mail as it was on the wire, out of a file."""

    name: str
    raw: bytes
    taken_off: tuple[str, ...] = ()
    """What the program that saved it had put around it, in words."""

    @property
    def problem(self) -> str | None:
        """Why this can be no mail, and what to do; None: it may be one."""
        if not self.raw:
            return "the file is empty, expected a mail"
        for mark, form in _NO_MAIL.items():
            if self.raw.startswith(mark):
                return f"got {form}"
        return None


def read(path: str, standard_input: BinaryIO) -> Iterator[SavedMail]:
    """The mails of one argument, each with a name.

    It is a mail file, `-` for one mail, an mbox file, or a Maildir folder. TokenCatcherError: there
    is no such file, or it cannot be read. ConfigurationError: it is another kind of folder."""
    try:
        if path == "-":
            yield _unwrapped("-", standard_input.read(LIMIT))
        elif Path(path).is_dir():
            yield from _maildir(Path(path))
        else:
            yield from _file(path)
    except OSError as error:
        raise TokenCatcherError(f"{path}: cannot be read: {why(error)}", code="file") from None


def as_mail(name: str, raw: bytes, received_at: datetime | None, mailbox: str) -> Mail:
    """The bytes as if fetched from the mailbox."""
    return Mail(MailRef(mailbox, name, 0, 0), received_at or datetime.fromtimestamp(0, UTC), raw)


def _file(path: str) -> Iterator[SavedMail]:
    """An .eml file is one mail by its name, whatever line stands above its header."""
    suffix = Path(path).suffix.lower()
    with Path(path).open("rb") as file:
        raw = file.read(LIMIT + _EMLX_SIZE_BYTES)
    if suffix == ".emlx":
        yield _out_of_emlx(path, raw)
    elif _POSTMARK.match(raw) and suffix != ".eml":
        yield from _mbox(path)
    else:
        yield _unwrapped(path, raw)


def _out_of_emlx(path: str, raw: bytes) -> SavedMail:
    size = _EMLX_SIZE.match(raw)
    if size is None:
        return _unwrapped(path, raw)
    mail = raw[size.end() :][: int(size[1])]
    return SavedMail(path, _on_the_wire(mail), ("the envelope of an .emlx file",))


def _mbox(path: str) -> Iterator[SavedMail]:
    # The standard library falls back to reading alone where it may not write.
    box = containers.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), 1):
            with box.get_file(key) as part:
                yield SavedMail(f"{path}#{number}", _unwrapped(path, part.read(LIMIT)).raw)
    finally:
        box.close()


def _maildir(path: Path) -> Iterator[SavedMail]:
    """New and seen mail, in the order of the names."""
    folders = [folder for folder in (path / "cur", path / "new") if folder.is_dir()]
    if not folders:
        raise ConfigurationError(
            f"{path}: got a folder without new/ and cur/, expected a mail file, an mbox or a"
            " Maildir",
            code="file",
        )
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                with file.open("rb") as stream:
                    yield _unwrapped(str(file), stream.read(LIMIT))


def _unwrapped(name: str, raw: bytes) -> SavedMail:
    """A mail without what programs that save or pipe one write above its header."""
    taken_off = []
    if raw.startswith(_BYTE_ORDER_MARK):
        raw = raw.removeprefix(_BYTE_ORDER_MARK)
        taken_off.append("a byte order mark")
    if _POSTMARK.match(raw):
        raw = raw.partition(b"\n")[2]
        taken_off.append("the separator line of an mbox")
    return SavedMail(name, _on_the_wire(raw), tuple(taken_off))


def _on_the_wire(raw: bytes) -> bytes:
    """What was saved with Unix line ends, without a single CR, gets back those of the wire.

    A mixture stays as it is: it was mixed on the wire as well."""
    if b"\r" in raw:
        return raw[:LIMIT]
    return raw.replace(b"\n", b"\r\n")[:LIMIT]
