"""What is needed of imapclient and imaplib that neither offers, in one class and nowhere else.

IDLE without holes, and commands in one packet with its DONE; SEARCH answered in several lines;
FETCH of a range, and which line came for which mail; LIST with special use on request; answers that
are bounded in time and size (`reader`).

`tests/contract/test_imap_borrowed.py` names each borrowed attribute and fails when a new version
of the libraries has it no more.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from imaplib import IMAP4
from typing import Any, Final, Generic

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.response_parser import parse_response
from imapclient.tls import IMAP4_TLS

from token_catcher.imap.reader import COMMAND_WITHIN, Item, Reader

_COUNT: Final = re.compile(rb"\d{1,10}")
USUAL_LINE: Final = re.compile(
    rb"\* (\d{1,10}) FETCH \(UID (\d{1,10}) INTERNALDATE \"([ \w:+-]{1,40})\""
    rb" (BODY\[(?:HEADER\.FIELDS \([A-Z -]{1,60}\))?\](?:<\d{1,10}>)?) \{(\d{1,10})\}\r\n"
)
"""What most servers answer to what is asked of headings and of bodies, up to the literal."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[Item]):
    """The answer to a FETCH."""

    usual: Sequence[Item]
    """What was made of each line of the usual form."""
    others: Sequence[Any]
    """All other lines, as imapclient's parser takes them apart: numbers and contents in turn."""


@dataclass(slots=True)
class Told:
    """What was told of the number of mails along with answers to commands, however often.

    imaplib keeps no order between EXISTS and EXPUNGE."""

    exists: int | None = None
    """What the last EXISTS named. None: there was none."""
    most: int = 0
    """The most that any of them named."""
    expunged: int = 0
    """How many EXPUNGE there were."""
    is_odd: bool = False
    """Whether an EXISTS named no number."""

    def add(self, counts: Sequence[object], expunged: int) -> None:
        """More of both, in the order of arrival. Usually bytes; with a literal in it a tuple."""
        self.expunged += expunged
        for count in counts:
            if not isinstance(count, bytes) or not _COUNT.fullmatch(count):
                self.is_odd = True
                return
            self.exists = int(count)
            self.most = max(self.most, self.exists)


class RawConnection:
    """The inside of a connection. Raises what the libraries raise; see `connection.Connection`."""

    def __init__(self, client: BoundedClient) -> None:
        """`client._imap` is the imaplib object below; a client keeps one for life."""
        self._client = client
        self._imap: Any = client._imap  # noqa: SLF001 - the only way to what IDLE needs
        self._told = Told()
        self._listed: tuple[list[Any], list[Any]] = ([], [])
        """The lines of the last LIST, and the folders that they name."""

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

    def forget_plaintext(self) -> None:
        """`_cached_capabilities`: what was told before STARTTLS, perhaps by somebody in between."""
        self.forget_untagged()
        self._client._cached_capabilities = None  # noqa: SLF001 - imapclient keeps it over STARTTLS

    def begin_command(self, seconds: float = COMMAND_WITHIN) -> None:
        """A command is sent next: its answer has its own bounds, and nothing that is left of
        earlier ones is taken for a part of it, or kept in memory."""
        self._note_told()
        # imapclient reads it when it is first asked for a capability after the login.
        capabilities = self.take_untagged("CAPABILITY")[:1]
        self.forget_untagged()
        if capabilities:
            self._imap.untagged_responses["CAPABILITY"] = capabilities
        self._client.reader.begin(seconds)

    def take_told(self) -> Told:
        """What was told of the number of mails since this was last taken."""
        self._note_told()
        told = self._told
        self._told = Told()
        return told

    def _note_told(self) -> None:
        self._told.add(self.take_untagged("EXISTS"), len(self.take_untagged("EXPUNGE")))

    def take_untagged(self, kind: str) -> list[Any]:
        """`untagged_responses`: what was told of this kind along with answers to commands.

        In the order of arrival; usually bytes, with a literal in it a tuple."""
        return list(self._imap.untagged_responses.pop(kind, ()))

    def noop(self) -> None:
        """NOOP. What it brings is noted as that of every command is; see `take_told`.

        imapclient's own takes each untagged line apart, and fails on odd ones."""
        status, text = self._imap.noop()
        if status != "OK":
            raise IMAP4.error(f"NOOP failed: {text!r}")

    def search(self, criteria: Sequence[str]) -> list[Any]:
        """`uid`: UID SEARCH and all its untagged lines; imapclient takes no more than one."""
        return self._by_uid("SEARCH", *criteria)

    def fetch(self, uids: str, items: str, make: Callable[..., Item]) -> Fetched[Item]:
        """UID FETCH. imapclient's own takes no range, and keeps no lines apart.

        `make` is called for each line of the usual form with its number, UID, INTERNALDATE, and
        name and bytes of what was asked for."""
        with self.collecting(make) as usual:
            lines = self._by_uid("FETCH", uids, items)
        return Fetched(usual, parse_response(lines))

    def collecting(self, make: Callable[..., Item]) -> AbstractContextManager[list[Item]]:
        """What `make` makes of lines of the usual form while the block runs; see `fetch`."""
        return self._client.reader.collecting(USUAL_LINE, make)

    def _by_uid(self, command: str, *arguments: str) -> list[Any]:
        """imaplib leaves a NO to be looked at by who asked."""
        status, lines = self._imap.uid(command, *arguments)
        if status != "OK":
            raise IMAP4.error(f"{command} failed: {lines!r}")
        answer: list[Any] = lines
        return answer

    def list_folders(self) -> list[Any]:
        """LIST of all folders: flags, delimiter and name on the wire of each."""
        return self._list()

    def list_special_use(self) -> list[Any]:
        """LIST that asks for special use (RFC 6154, section 2), which imapclient's cannot."""
        return self._list("RETURN (SPECIAL-USE)")

    def _list(self, *more: str) -> list[Any]:
        """`_simple_command`, `_proc_folder_list`: what most servers answer as they did before is
        not taken apart again, which imapclient does byte by byte."""
        command = self._imap._simple_command  # noqa: SLF001 - see above
        status, text = command("LIST", '""', '"*"', *more)
        if status != "OK":
            raise IMAP4.error(f"LIST failed: {text!r}")
        lines = self.take_untagged("LIST")
        if lines != self._listed[0]:
            folders = self._client._proc_folder_list(lines)  # noqa: SLF001 - see above
            self._listed = (lines, folders)
        return self._listed[1]

    def my_rights(self, folder: bytes) -> list[Any]:
        """`_simple_command`, `_normalise_folder`: MYRIGHTS (RFC 4314), which imapclient does not
        know. `folder`: its name on the wire. The untagged lines of the answer."""
        name = self._client._normalise_folder(folder)  # noqa: SLF001 - see above
        command = self._imap._simple_command  # noqa: SLF001 - see above
        status, text = command("MYRIGHTS", name)
        if status != "OK":
            raise IMAP4.error(f"MYRIGHTS failed: {text!r}")
        return self.take_untagged("MYRIGHTS")

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

    def end_idle(self, behind: Sequence[str], seconds: float) -> Sequence[bytes]:
        """Send DONE, and these commands in the same packet, as `send` does. Returns their tags.

        `_new_tag` notes each in `tagged_commands`: whenever its answer comes, imaplib takes it."""
        tags: list[bytes] = []
        lines = [b"DONE\r\n"]
        for command in behind:
            tags.append(self._imap._new_tag())  # noqa: SLF001 - every public command waits
            lines.append(b"%b %b\r\n" % (tags[-1], command.encode("ascii")))
        self.send(b"".join(lines), seconds)
        return tags

    def keep_answer(self, tag: bytes, answer: bytes) -> bool:
        """Keep the answer to a command that went out behind DONE, as imaplib does.

        False: there is none of this tag."""
        if tag not in self._imap.tagged_commands:
            return False
        status, _, text = answer.partition(b" ")
        self._imap.tagged_commands[tag] = (status.decode("latin-1").upper(), [text])
        return True

    def answers(self, tags: Sequence[bytes], seconds: float, within: float) -> Sequence[str]:
        """Read until each of these commands, which went out behind DONE, is answered: how.

        `_get_response` reads a line with its literals, and `_check_bye` raises where it was BYE.
        Empty: no answer begins, or goes on, for so many seconds, or it has not ended `within` so
        many. Its tag stays known then: imaplib takes the answer whenever it comes."""
        answers = self._imap.tagged_commands
        while not all(answers[tag] for tag in tags):
            if not self._client.reader.begins(self.sock, seconds, within):
                break
            self._imap._get_response()  # noqa: SLF001 - see above
            self._imap._check_bye()  # noqa: SLF001 - see above
        return [self._taken_status(tag) for tag in tags]

    def answered(self, tags: Sequence[bytes], seconds: float, within: float) -> bytes | None:
        """All that is answered to these commands, which went out behind DONE, as it came.

        None: not all is answered in time; see `answers`."""
        text = self._client.reader.through(tags[-1], self.sock, seconds, within)
        if text is None:
            return None
        for tag in tags:
            if b"\n%b " % tag in text:
                del self._imap.tagged_commands[tag]
        return text

    def _taken_status(self, tag: bytes) -> str:
        if not self.is_answered(tag):
            return ""
        status: str = self._imap.tagged_commands.pop(tag)[0]
        return status

    def is_answered(self, tag: bytes) -> bool:
        """Whether this command, which went out behind DONE, is answered by now."""
        return self._imap.tagged_commands[tag] is not None

    def examined(self) -> Any:
        """`_process_select_response`: what imapclient's `select_folder` makes of the last answer,
        which was that to EXAMINE."""
        untagged = self._imap.untagged_responses
        return self._client._process_select_response(untagged)  # noqa: SLF001 - see above

    def fetched(self) -> Sequence[Any]:
        """What a FETCH was answered last, without what was collected; see `Fetched.others`."""
        others: Sequence[Any] = parse_response(self.take_untagged("FETCH"))
        return others

    @property
    def is_expunge_told(self) -> bool:
        """Whether the numbers of mails have changed since that was last taken; see `take_told`."""
        self._note_told()
        return self._told.expunged > 0

    def receive(self) -> bytes | None:
        """A line, or a part of one, without waiting. None: nothing for now. b"": the end.

        What stands behind the line is left for the next command."""
        return self._client.reader.receive(self.sock)


@lru_cache(maxsize=64)
def _shared(capabilities: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """One for all connections with the same: forty short texts take 4 kB."""
    return capabilities


class _Bounded:
    """imaplib reads the answers by the last two of these methods alone.

    Its own read from a file over the socket, with a buffer of 8 KiB that is kept for as long as the
    connection: there is none."""

    reader: Reader
    sock: socket.socket
    host: str
    port: int
    _create_socket: Callable[[float | None], socket.socket]

    def open(self, host: str, port: int, timeout: float | None = None) -> None:
        """Connect."""
        self.host = host
        self.port = port
        self.sock = self._create_socket(timeout)

    def shutdown(self) -> None:
        """Free the socket, which the other side may have ended already."""
        # STARTTLS makes a file all the same, in an attribute that Python 3.14 renamed.
        for file in (vars(self).get("file"), vars(self).get("_file")):
            if file is not None:
                file.close()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def readline(self) -> bytes:
        """The next line."""
        return self.reader.line(self.sock)

    def read(self, size: int) -> bytes:
        """So many bytes of a literal."""
        return self.reader.literal(self.sock, size)


class _PlainImap(_Bounded, IMAP4WithTimeout):  # type: ignore[misc] # imapclient ships no types
    def __init__(self, reader: Reader, host: str, port: int, timeout: float) -> None:
        self.reader = reader
        super().__init__(host, port, timeout)


class _TlsImap(_Bounded, IMAP4_TLS):  # type: ignore[misc] # the same
    def __init__(
        self, reader: Reader, host: str, port: int, context: ssl.SSLContext, timeout: float
    ) -> None:
        self.reader = reader
        super().__init__(host, port, context, timeout)


class BoundedClient(IMAPClient):  # type: ignore[misc] # the same
    """imapclient over a `Reader`, from the greeting on."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None,
        timeout: SocketTimeout,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`context`: for TLS from the first byte on; None: without TLS, or with STARTTLS."""
        self.reader = Reader(monotonic)
        super().__init__(host, port, ssl=context is not None, ssl_context=context, timeout=timeout)

    def _normalise_capabilites(self, raw_response: object) -> tuple[bytes, ...]:
        """Where imapclient makes what it keeps of them; the name is its own."""
        return _shared(super()._normalise_capabilites(raw_response))

    def _process_select_response(self, resp: Mapping[str, Sequence[Any]]) -> Any:
        """Where imapclient reads an answer to EXAMINE. It takes the first number of each kind,
        which may be one that was told before: the last one counts."""
        last = {kind: lines[-1:] for kind, lines in resp.items() if kind != "OK"}
        return super()._process_select_response(dict(resp) | last)

    def _create_IMAP4(self) -> IMAP4:  # noqa: N802 - the name is imapclient's
        """Where imapclient makes imaplib's object, which reads the greeting at once."""
        timeout = self._timeout.connect
        if self.ssl:
            return _TlsImap(self.reader, self.host, self.port, self.ssl_context, timeout)
        return _PlainImap(self.reader, self.host, self.port, timeout)
