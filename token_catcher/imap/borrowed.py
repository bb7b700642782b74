"""What is needed of imapclient and imaplib that neither offers, in one class and nowhere else.

IDLE without holes; SEARCH answered in several lines; FETCH of a range, and which line came for
which mail; LIST with special use on request.

`tests/contract/test_imap_borrowed.py` names each borrowed attribute and fails when a new version
of the libraries has it no more.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from imaplib import IMAP4
from typing import Any, Final

from imapclient import IMAPClient
from imapclient.response_parser import parse_response

CHUNK: Final = 8192
"""Bytes asked of the socket at once."""


class RawConnection:
    """The inside of a connection. Raises what the libraries raise; see `connection.Connection`."""

    def __init__(self, client: IMAPClient) -> None:
        """`client._imap` is the imaplib object below; a client keeps one for life."""
        self._client = client
        self._imap: Any = client._imap  # noqa: SLF001 - the only way to what IDLE needs

    @property
    def sock(self) -> socket.socket:
        """The socket as it is now: STARTTLS puts another one in its place.

        `client.socket()` is public, but for polling alone."""
        connection: socket.socket = self._client.socket()
        return connection

    def mute(self) -> None:
        """`debug`: imapclient sets it to 5, and whole mails would go to a logger, tokens too."""
        self._imap.debug = 0

    def forget_untagged(self) -> None:
        """`untagged_responses`: imaplib keeps every line that nobody asked for, for ever."""
        self._imap.untagged_responses.clear()

    def take_untagged(self, kind: str) -> list[Any]:
        """`untagged_responses`: what was told of this kind along with answers to commands.

        In the order of arrival; usually bytes, with a literal in it a tuple."""
        return list(self._imap.untagged_responses.pop(kind, ()))

    def search(self, criteria: Sequence[str]) -> list[Any]:
        """`uid`: UID SEARCH and all its untagged lines; imapclient takes no more than one."""
        return self._by_uid("SEARCH", *criteria)

    def fetch(self, uids: str, items: str) -> Sequence[Any]:
        """UID FETCH, as imapclient's parser takes it apart: numbers and contents in turn.

        imapclient's own fetch takes no range, and keeps no lines apart."""
        answer: Sequence[Any] = parse_response(self._by_uid("FETCH", uids, items))
        return answer

    def _by_uid(self, command: str, *arguments: str) -> list[Any]:
        """imaplib leaves a NO to be looked at by who asked."""
        # What is left of an earlier command must not be taken for the answer to this one.
        self._imap.untagged_responses.pop(command, None)
        status, lines = self._imap.uid(command, *arguments)
        if status != "OK":
            raise IMAP4.error(f"{command} failed: {lines!r}")
        answer: list[Any] = lines
        return answer

    def list_special_use(self) -> list[Any]:
        """`_simple_command`, `_proc_folder_list`: LIST that asks for special use (RFC 6154,
        section 2), which imapclient's list_folders cannot."""
        command = self._imap._simple_command  # noqa: SLF001 - see above
        status, text = command("LIST", '""', '"*"', "RETURN (SPECIAL-USE)")
        if status != "OK":
            raise IMAP4.error(f"LIST failed: {text!r}")
        lines = self.take_untagged("LIST")
        folders: list[Any] = self._client._proc_folder_list(lines)  # noqa: SLF001 - see above
        return folders

    def begin(self, command: str) -> bytes:
        """Send a command and do not wait. Returns its tag.

        `_command` is the part of imaplib that only sends. `tagged_commands` is where it notes
        the tag; it is taken out again, since IDLE reads the tagged answer by itself."""
        tag: bytes = self._imap._command(command)  # noqa: SLF001 - every public command waits
        self._imap.tagged_commands.pop(tag, None)
        return tag

    @contextmanager
    def without_blocking(self) -> Iterator[None]:
        """Make the socket non-blocking for as long as the block runs."""
        connection = self.sock
        timeout = connection.gettimeout()
        connection.settimeout(0.0)
        try:
            yield
        finally:
            connection.settimeout(timeout)

    def send(self, line: bytes, seconds: float) -> None:
        """Send a line on the non-blocking socket, waiting so long at most."""
        connection = self.sock
        connection.settimeout(seconds)
        connection.sendall(line)
        connection.settimeout(0.0)

    def receive(self) -> bytes | None:
        """A line, or a part of one, without waiting. None: nothing for now. b"": the end.

        What stands behind the line is left to imaplib: it may belong to the next command. Where
        imaplib keeps what it has read ahead depends on the version of Python."""
        try:
            if hasattr(self._imap, "_readbuf"):
                return self._from_chunks()
            return self._from_file()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def _from_file(self) -> bytes | None:
        """`file`, up to Python 3.13: a buffered reader, where no poll sees what lies in it."""
        reader = self._imap.file
        data: bytes = reader.peek(1)
        if data:
            line: bytes = reader.read(_end_of_line(data))
            return line
        connection = self.sock
        # An empty answer is the end or "not now"; TLS would have raised SSLWantReadError for that.
        if isinstance(connection, ssl.SSLSocket) or not connection.recv(1, socket.MSG_PEEK):
            return b""
        return None

    def _from_chunks(self) -> bytes:
        """`_readbuf`, from Python 3.14: a list of chunks; `file` is no longer read by imaplib."""
        imap = self._imap
        data = b"".join(imap._readbuf) or self.sock.recv(CHUNK)  # noqa: SLF001 - see above
        end = _end_of_line(data)
        imap._readbuf = [data[end:]]  # noqa: SLF001 - see above
        return data[:end]


def _end_of_line(data: bytes) -> int:
    """The length of the first line; of everything where none ends."""
    return data.find(b"\n") + 1 or len(data)
