"""Mail out of files: single mails, mbox files, Maildir folders, standard input."""

from __future__ import annotations

import mailbox as containers
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from token_catcher.errors import ConfigurationError
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef

_POSTMARK: Final = re.compile(rb"From [^\r\n]* \d\d:\d\d[^\r\n]* \d{4}\r?\n")
"""The line above each mail of an mbox: `From SENDER Tue Feb  3 12:57:27 2026`."""


def read(path: str, standard_input: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The mails of one argument, each with a name: a file, `-` for one mail, an mbox file, a Maildir folder.

    ConfigurationError: there is no such file, or it cannot be read."""
    try:
        if path == "-":
            yield "-", _as_delivered(standard_input.read(MAX_MAIL_BYTES + 1))
        elif Path(path).is_dir():
            yield from _maildir(path)
        else:
            yield from _file(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror or 'unknown trouble'}", code="file"
        ) from None


def as_mail(name: str, raw: bytes, received_at: datetime | None, mailbox: str) -> Mail:
    """The bytes as if fetched from the mailbox."""
    return Mail(MailRef(mailbox, name, 0, 0), received_at or datetime.fromtimestamp(0, UTC), raw)


def _file(path: str) -> Iterator[tuple[str, bytes]]:
    with Path(path).open("rb") as file:
        raw = file.read(MAX_MAIL_BYTES + 1)
    single = (
        Path(path).suffix.lower() == ".eml"
    )  # one mail by its name: what a forger wrote above it belongs to it
    if not single and _POSTMARK.match(raw):
        yield from _mbox(path)
    else:
        yield path, _on_the_wire(raw)


def _mbox(path: str) -> Iterator[tuple[str, bytes]]:
    box = containers.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), 1):
            with box.get_file(key) as part:
                yield f"{path}#{number}", _as_delivered(part.read(MAX_MAIL_BYTES + 1))
    finally:
        box.close()


def _maildir(path: str) -> Iterator[tuple[str, bytes]]:
    folders = [Path(path, name) for name in ("new", "cur")]
    if not any(folder.is_dir() for folder in folders):
        raise ConfigurationError(
            f"{path}: got a folder without new/ and cur/, expected a mail file, an mbox or a Maildir",
            code="file",
        )
    for file in sorted(
        file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file()
    ):
        with file.open("rb") as stream:
            yield str(file), _as_delivered(stream.read(MAX_MAIL_BYTES + 1))


def _as_delivered(raw: bytes) -> bytes:
    """What pipes mail to a program often writes mbox's `From ` line above it: it is no part of the mail."""
    return _on_the_wire(raw.partition(b"\n")[2] if _POSTMARK.match(raw) else raw)


def _on_the_wire(raw: bytes) -> bytes:
    """What was saved with Unix line ends, without a single CR, gets back those of the wire. A mixture stays as it is."""
    return raw if b"\r" in raw else raw.replace(b"\n", b"\r\n")[: MAX_MAIL_BYTES + 1]
