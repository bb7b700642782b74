"""Mail out of files: single mails, mbox files, Maildir folders, standard input."""

from __future__ import annotations

import mailbox as containers
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef

LIMIT: Final = MAX_MAIL_BYTES + 1
"""As many bytes are read of a mail: the one more shows that there was more."""
_POSTMARK: Final = re.compile(rb"From [^\r\n]* \d\d:\d\d[^\r\n]* \d{4}\r?\n")
"""The line above each mail of an mbox: `From SENDER Tue Feb  3 12:57:27 2026`."""


def read(path: str, standard_input: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The mails of one argument, each with a name.

    It is a mail file, `-` for one mail, an mbox file, or a Maildir folder. TokenCatcherError: there
    is no such file, or it cannot be read. ConfigurationError: it is another kind of folder."""
    try:
        if path == "-":
            yield "-", _as_delivered(standard_input.read(LIMIT))
        elif Path(path).is_dir():
            yield from _maildir(Path(path))
        else:
            yield from _file(path)
    except OSError as error:
        why = error.strerror or "unknown trouble"
        raise TokenCatcherError(f"{path}: cannot be read: {why}", code="file") from None


def as_mail(name: str, raw: bytes, received_at: datetime | None, mailbox: str) -> Mail:
    """The bytes as if fetched from the mailbox."""
    return Mail(MailRef(mailbox, name, 0, 0), received_at or datetime.fromtimestamp(0, UTC), raw)


def _file(path: str) -> Iterator[tuple[str, bytes]]:
    """An .eml file is one mail by its name: what a forger wrote above the header belongs to it."""
    with Path(path).open("rb") as file:
        raw = file.read(LIMIT)
    if _POSTMARK.match(raw) and Path(path).suffix.lower() != ".eml":
        yield from _mbox(path)
    else:
        yield path, _on_the_wire(raw)


def _mbox(path: str) -> Iterator[tuple[str, bytes]]:
    # The standard library falls back to reading alone where it may not write.
    box = containers.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), 1):
            with box.get_file(key) as part:
                yield f"{path}#{number}", _as_delivered(part.read(LIMIT))
    finally:
        box.close()


def _maildir(path: Path) -> Iterator[tuple[str, bytes]]:
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
                    yield str(file), _as_delivered(stream.read(LIMIT))


def _as_delivered(raw: bytes) -> bytes:
    """A mail without mbox's `From ` line, which programs that pipe mail often write above it."""
    if _POSTMARK.match(raw):
        raw = raw.partition(b"\n")[2]
    return _on_the_wire(raw)


def _on_the_wire(raw: bytes) -> bytes:
    """What was saved with Unix line ends, without a single CR, gets back those of the wire.

    A mixture stays as it is: it was mixed on the wire as well."""
    if b"\r" in raw:
        return raw
    return raw.replace(b"\n", b"\r\n")[:LIMIT]
