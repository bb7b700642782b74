"""Mail out of files: single mails, mbox files, Maildir folders, standard input."""

from __future__ import annotations

import gzip
import mailbox as containers
from io import BytesIO
from pathlib import Path

import pytest

from tests.kit.mails import token_mail
from tests.kit.signing import craft
from token_catcher.advice import next_step
from token_catcher.commands.mailfiles import SavedMail, read
from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.model import MAX_MAIL_BYTES

GENUINE = craft(token_mail())


def mails_in(path: Path | str, standard_input: bytes = b"") -> list[tuple[str, bytes]]:
    return [(mail.name, mail.raw) for mail in read(str(path), BytesIO(standard_input))]


@pytest.mark.parametrize("content", [GENUINE, GENUINE.replace(b"\r\n", b"\n")])
def test_a_file(tmp_path: Path, content: bytes) -> None:
    """With the line ends of the wire, or saved with those of Unix."""
    file = tmp_path / "a.eml"
    file.write_bytes(content)
    assert mails_in(file) == [(str(file), GENUINE)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty, expected a mail"),
        (
            gzip.compress(b"From: a@b.example\r\n\r\n"),
            "got a file packed with gzip, expected a mail: unpack it (gunzip)",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "got a file of Outlook's (.msg), expected a mail: save it as .eml",
        ),
        (b"Subject: hello\r\n\r\n", None),
    ],
    ids=["empty", "gzip", "Outlook's", "a mail"],
)
def test_what_is_no_mail_is_named(tmp_path: Path, content: bytes, problem: str | None) -> None:
    """With what to do; what is read of it stays as it is."""
    path = tmp_path / "a.eml"
    path.write_bytes(content)
    (saved,) = read(str(path), BytesIO())
    assert saved.problem == problem


def test_mixed_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    """They were mixed on the wire, and the gate refuses them."""
    file = tmp_path / "a.eml"
    mixed = GENUINE.replace(b"\r\n", b"\n", 1)
    file.write_bytes(mixed)
    assert mails_in(file) == [(str(file), mixed)]


def test_standard_input() -> None:
    """One mail, whatever its line ends, with or without the line that mbox writes above it."""
    assert mails_in("-", GENUINE) == [("-", GENUINE)]
    assert mails_in("-", GENUINE.replace(b"\r\n", b"\n")) == [("-", GENUINE)]
    assert mails_in(
        "-", b"From support Tue Feb  3 12:57:27 2026\n" + GENUINE.replace(b"\r\n", b"\n")
    ) == [("-", GENUINE)]


@pytest.mark.parametrize("size", [MAX_MAIL_BYTES - 1, MAX_MAIL_BYTES + 9, 3 * MAX_MAIL_BYTES])
@pytest.mark.parametrize("filling", [b"x", b"\n", b"\r\n"])
def test_no_more_is_read_than_is_judged(tmp_path: Path, size: int, filling: bytes) -> None:
    """One byte more shows that there was more."""
    content = (b"x" + filling * size)[:size]
    file = tmp_path / "a.eml"
    file.write_bytes(content)
    for _, raw in (*mails_in(file), *mails_in("-", content)):
        assert len(raw) <= MAX_MAIL_BYTES + 1
        assert (len(raw) > MAX_MAIL_BYTES) == (size > MAX_MAIL_BYTES or filling == b"\n")


@pytest.mark.parametrize(
    "above", [b"From attacker at evil.example\r\n", b"X\xef\xbb\xbf", b"\xff\xfe", b"3\r\n"]
)
def test_an_eml_file_is_one_mail(tmp_path: Path, above: bytes) -> None:
    """Any other line above the header belongs to it, and breaks it: as `scan` would see it."""
    file = tmp_path / "mail.eml"
    file.write_bytes(above + GENUINE)
    assert mails_in(file) == [(str(file), above + GENUINE)]


MARK = b"\xef\xbb\xbf"
LINE = b"From - Tue Feb 03 12:57:27 2026\r\n"
PLIST = b'<?xml version="1.0"?>\n<plist></plist>\n'
UNIX = GENUINE.replace(b"\r\n", b"\n")
SEPARATOR = "the separator line of an mbox"


@pytest.mark.parametrize(
    ("name", "content", "taken_off"),
    [
        ("a.eml", GENUINE, ()),
        ("a.eml", MARK + GENUINE, ("a byte order mark",)),
        ("a.txt", MARK + UNIX, ("a byte order mark",)),
        ("a.eml", LINE + GENUINE, (SEPARATOR,)),
        ("a.EML", LINE.replace(b"2026", b"2026 +0000") + GENUINE, (SEPARATOR,)),
        ("a.eml", MARK + LINE.replace(b"\r", b"") + UNIX, ("a byte order mark", SEPARATOR)),
        ("a.emlx", b"%-10d\n" % len(UNIX) + UNIX + PLIST, ("the envelope of an .emlx file",)),
        ("a.emlx", b"%d\r\n" % len(GENUINE) + GENUINE + PLIST, ("the envelope of an .emlx file",)),
        ("a.emlx", GENUINE, ()),
    ],
)
def test_what_a_program_put_around_it_is_taken_off(
    tmp_path: Path, name: str, content: bytes, taken_off: tuple[str, ...]
) -> None:
    """Byte order mark, separator and Apple's envelope never were on the wire; it is said so."""
    file = tmp_path / name
    file.write_bytes(content)
    assert list(read(str(file), BytesIO())) == [SavedMail(str(file), GENUINE, taken_off)]


def test_an_mbox(tmp_path: Path) -> None:
    """Its mails one by one, numbered; the file is not changed."""
    file = tmp_path / "mbox"
    box = containers.mbox(file)
    for raw in (GENUINE, token_mail()):
        box.add(raw.replace(b"\r\n", b"\n"))
    box.close()
    before = file.read_bytes()
    assert mails_in(file) == [(f"{file}#1", GENUINE), (f"{file}#2", token_mail())]
    assert file.read_bytes() == before


def test_an_mbox_that_may_not_be_written(tmp_path: Path) -> None:
    """Reading is enough."""
    file = tmp_path / "mbox"
    file.write_bytes(b"From x Tue Feb  3 12:57:27 2026\n" + GENUINE.replace(b"\r\n", b"\n"))
    file.chmod(0o400)
    assert mails_in(file) == [(f"{file}#1", GENUINE)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_large_mail_in_an_mbox(tmp_path: Path, end: bytes) -> None:
    """It is cut, and its neighbour is read."""
    file = tmp_path / "mbox"
    line = b"From x Tue Feb  3 12:57:27 2026\n"
    file.write_bytes(line + (b"x" + end) * MAX_MAIL_BYTES + b"\n" + line + b"A: b\n\nc\n")
    assert [len(raw) for _, raw in mails_in(file)] == [MAX_MAIL_BYTES + 1, 11]


def test_a_maildir(tmp_path: Path) -> None:
    """New and seen mail, by name; nothing is moved."""
    for name in ("new/b", "cur/a:2,S", "tmp/c"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_bytes(GENUINE)
    assert mails_in(tmp_path) == [
        (str(tmp_path / name), GENUINE) for name in ("cur/a:2,S", "new/b")
    ]
    assert (tmp_path / "new/b").exists()


def test_another_folder_is_a_usage_error(tmp_path: Path) -> None:
    """It says what was got and what is expected."""
    with pytest.raises(
        ConfigurationError,
        match="got a folder without new/ and cur/, expected a mail file, an mbox or a Maildir",
    ):
        mails_in(tmp_path)


@pytest.mark.parametrize("name", ["missing.eml", "a.eml/b"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """One clear message."""
    (tmp_path / "a.eml").write_bytes(GENUINE)
    with pytest.raises(
        TokenCatcherError, match=r"cannot be read: (No such file or directory|Not a directory)"
    ) as raised:
        mails_in(tmp_path / name)
    assert next_step(raised.value.code) is None
