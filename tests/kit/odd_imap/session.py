"""One connection: greeting, login, folders, and whatever is done in the folder that is open."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

from tests.kit.odd_imap.account import Account
from tests.kit.odd_imap.folders import Folders
from tests.kit.odd_imap.log import ConnectionLog, ServerLog
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.quirks import How
from tests.kit.odd_imap.selected import Selected
from tests.kit.odd_imap.wire import (
    Answer,
    Refused,
    Token,
    Wire,
    atom,
    expect,
    read_command,
    split_command,
    word,
)
from tests.kit.scripted import Hangup

NEEDS: Mapping[str, str] = {
    "ID": "ID",
    "IDLE": "IDLE",
    "NAMESPACE": "NAMESPACE",
    "UNSELECT": "UNSELECT",
    "UID EXPUNGE": "UIDPLUS",
    "UID MOVE": "MOVE",
}
"""Command to the capability that it belongs to."""

TALKING = ("AUTHENTICATE", "IDLE")
"""They wait for the client, and so hold no lock meanwhile."""
LEAVING = ("EXAMINE", "SELECT", "CLOSE", "UNSELECT", "LOGOUT")
"""What is new in the folder that was open is of no interest any more."""

Handler = Callable[[list[Token]], Answer]
"""Takes the arguments; raises Refused."""


@dataclass(frozen=True, slots=True)
class Served:
    """What all connections to one server share."""

    account: Account
    memory: Memory
    log: ServerLog
    ending: threading.Event
    """Set when the server ends."""


class Session:
    """Serves one connection until one of the two ends it."""

    def __init__(self, served: Served, connection: socket.socket, log: ConnectionLog) -> None:
        self._account = served.account
        self._memory = served.memory
        self._server_log = served.log
        self._ending = served.ending
        self._log = log
        self._wire = Wire(connection, log)
        self._how: How | None = None
        """How the command that is being answered fails."""
        self._folders = Folders(served.account, served.memory)
        self._logged_in = False
        self._left = False
        self._selected: Selected | None = None
        self._anytime: Mapping[str, Handler] = {
            "CAPABILITY": self._capability,
            "ID": self._id,
            "LOGOUT": self._logout,
            "NOOP": self._nothing,
        }
        self._before_login: Mapping[str, Handler] = {
            "AUTHENTICATE": self._authenticate,
            "LOGIN": self._login,
        }
        self._after_login: Mapping[str, Handler] = {
            "APPEND": self._folders.append,
            "EXAMINE": self._examine,
            "IDLE": self._idle,
            "LIST": self._folders.list_folders,
            "NAMESPACE": self._folders.namespace,
            "SELECT": self._select,
            "STATUS": self._folders.status,
        }

    def _in_folder(self, selected: Selected) -> Mapping[str, Handler]:
        def copy(arguments: list[Token]) -> Answer:
            uids, folder = expect(2, arguments)
            return selected.copy(atom(uids), self._folders.named(folder, "TRYCREATE"))

        def move(arguments: list[Token]) -> Answer:
            uids, folder = expect(2, arguments)
            return selected.move(atom(uids), self._folders.named(folder, "TRYCREATE"))

        return {
            "CHECK": self._nothing,
            "CLOSE": self._close,
            "EXPUNGE": selected.expunge,
            "UNSELECT": self._unselect,
            "UID COPY": copy,
            "UID EXPUNGE": selected.expunge,
            "UID FETCH": selected.fetch,
            "UID MOVE": move,
            "UID SEARCH": selected.search,
            "UID STORE": selected.store,
        }

    def run(self) -> None:
        """Greet and answer. Hangup: this ended it."""
        try:
            self._begin("GREETING")
            self._deliver(f"* OK [CAPABILITY {self._capabilities()}] ready\r\n".encode())
            while not self._ending.is_set():
                self._converse()
        finally:
            self._leave()

    # -- one command --

    def _converse(self) -> None:
        tag, command, shown = read_command(self._wire)
        try:
            name, arguments = split_command(command)
        except Refused as refused:
            # Without a tag there is nothing to answer to (RFC 3501, section 7.1.3).
            self._wire.send((tag or b"*") + f" {refused}\r\n".encode())
            return
        with self._account.changed:
            self._server_log.begin(self._log, name, shown)
            self._account.changed.notify_all()
        self._begin(name)
        self._deliver(self._answer(tag, name, arguments))
        with self._account.changed:
            self._server_log.answered[name] += 1
            self._account.changed.notify_all()
        if name == "LOGOUT":
            raise Hangup

    def _begin(self, command: str) -> None:
        """Fail at it, if that is to be."""
        with self._account.lock:
            trouble = self._memory.trouble(command)
        self._how = None
        if not trouble:
            return
        self._how = trouble.how  # the rest is up to `_deliver`
        if self._how is How.CLOSES:
            raise Hangup
        if self._how is How.HANGS:
            self._wire.hang()

    def _deliver(self, data: bytes) -> None:
        """Send, in the way that the command is answered."""
        if self._how is How.DRIPS:
            self._wire.drip(data, self._ending)
        elif self._how is How.CLOSES_HALFWAY:
            self._wire.send(data[: len(data) // 2])
            raise Hangup
        else:
            self._wire.send(data)

    def _answer(self, tag: bytes, name: str, arguments: list[Token]) -> bytes:
        """All that is sent at the end of a command."""
        notices = b""
        try:
            handler = self._handler(name)
            if name in TALKING:
                answer = handler(arguments)
            else:
                with self._account.lock:
                    # First of all, so that the answer is about the mails that the client knows.
                    if name not in LEAVING:
                        notices = self._notices()
                    answer = handler(arguments)
        except Refused as refused:
            return notices + tag + f" {refused}\r\n".encode()
        return notices + answer.untagged + tag + f" OK {answer.text}\r\n".encode()

    def _handler(self, name: str) -> Handler:
        """What the state of the session allows (RFC 3501, section 3)."""
        allowed = dict(self._anytime)
        if not self._logged_in:
            allowed |= self._before_login
        else:
            allowed |= self._after_login
        if self._selected:
            allowed |= self._in_folder(self._selected)
        if name not in allowed or not self._memory.has(NEEDS.get(name, "")):
            raise Refused("BAD", f"{name} is unknown, or not possible now")
        return allowed[name]

    def _notices(self) -> bytes:
        """What is new in the open folder; BYE where it is no longer there, or time is over."""
        if self._log.number <= self._server_log.ended:
            self._wire.send(f"* BYE {self._server_log.farewell}\r\n".encode())
            raise Hangup
        if not self._selected:
            return b""
        if not self._selected.exists:
            # RFC 3501 has no other way to tell that every UID the client knows is void.
            self._wire.send(b"* BYE the folder was removed or numbered anew\r\n")
            raise Hangup
        return self._selected.notices()

    def _leave(self) -> None:
        """Free the place, before the client hears that the session is over; once."""
        with self._account.lock:
            if self._left:
                return
            self._left = True
            self._memory.disconnect()
            if self._logged_in:
                self._memory.log_out()

    # -- at any time --

    def _capabilities(self) -> str:
        return self._memory.capabilities(logged_in=self._logged_in)

    def _capability(self, _arguments: list[Token]) -> Answer:
        return Answer(f"* CAPABILITY {self._capabilities()}\r\n".encode())

    def _id(self, _arguments: list[Token]) -> Answer:
        return Answer(b'* ID ("name" "odd")\r\n')

    def _nothing(self, _arguments: list[Token]) -> Answer:
        return Answer()

    def _logout(self, _arguments: list[Token]) -> Answer:
        self._leave()
        return Answer(b"* BYE logging out\r\n")

    # -- login --

    def _login(self, arguments: list[Token]) -> Answer:
        username, password = expect(2, arguments)
        return self._log_in(atom(username).decode(), atom(password).decode())

    def _authenticate(self, arguments: list[Token]) -> Answer:
        """PLAIN (RFC 4616), and XOAUTH2 where the account takes access tokens."""
        mechanism = ""
        if len(arguments) == 1:
            mechanism = word(arguments[0])
        if mechanism == "XOAUTH2" and self._account.takes_token is not None:
            return self._by_token(self._account.takes_token)
        if mechanism != "PLAIN":
            raise Refused("NO", "no such mechanism")
        try:
            _, username, password = self._response().split("\0")
        except ValueError:
            raise Refused("BAD", "no response of PLAIN") from None
        with self._account.lock:
            return self._log_in(username, password)

    def _response(self, challenge: bytes = b"") -> str:
        """What the client says to a challenge. ValueError: it is not of the form."""
        end = b"\r\n"
        if self._memory.quirks.continuation_in_bare_lf:
            end = b"\n"
        self._deliver(b"+ " + base64.b64encode(challenge) + end)
        return base64.b64decode(self._wire.line()).decode()

    def _by_token(self, takes: Callable[[str], bool]) -> Answer:
        try:
            _, bearer, _, _ = self._response().split("\1")
        except ValueError:
            raise Refused("BAD", "no response of XOAUTH2") from None
        if not takes(bearer.removeprefix("auth=Bearer ")):
            self._response(
                b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}'
            )
            raise Refused("NO", "[AUTHENTICATIONFAILED] Invalid credentials (Failure)")
        with self._account.lock:
            return self._admitted()

    def _log_in(self, username: str, password: str) -> Answer:
        if self._memory.quirks.login_disabled:
            raise Refused("NO", "[PRIVACYREQUIRED] passwords only under TLS")
        if not self._account.admits(username, password):
            raise Refused("NO", "[AUTHENTICATIONFAILED] wrong username or password")
        return self._admitted()

    def _admitted(self) -> Answer:
        """As far as the server admits anybody now."""
        refusal = self._memory.login_refusal()
        if refusal is not None:
            raise Refused("NO", refusal)
        self._logged_in = True
        return Answer(text=f"[CAPABILITY {self._capabilities()}] logged in")

    # -- opening and closing a folder --

    def _examine(self, arguments: list[Token]) -> Answer:
        return Answer(self._open(arguments, read_only=True), "[READ-ONLY] done")

    def _select(self, arguments: list[Token]) -> Answer:
        return Answer(self._open(arguments, read_only=False), "[READ-WRITE] done")

    def _open(self, arguments: list[Token], *, read_only: bool) -> bytes:
        self._selected = None  # also where the next one cannot be opened
        (name,) = expect(1, arguments)
        folder = self._folders.named(name)
        # The look counts before it is answered: of k looks that hide a mail, this is one.
        self._memory.look(folder)
        if not read_only:
            self._memory.settle(folder)
        self._selected = Selected(self._account, self._memory, folder, read_only=read_only)
        self._memory.opened(folder)
        return self._selected.opened()

    def _close(self, _arguments: list[Token]) -> Answer:
        """What is \\Deleted goes, and nothing is told of it."""
        if self._selected and not self._selected.read_only:
            self._selected.expunge([])
        return self._unselect([])

    def _unselect(self, _arguments: list[Token]) -> Answer:
        self._selected = None
        return Answer()

    # -- IDLE --

    def _idle(self, _arguments: list[Token]) -> Answer:
        """RFC 2177. What came before it is told in one packet with the continuation, as may be."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)

        def wake() -> None:
            with suppress(BlockingIOError):  # full: it will be woken anyhow
                theirs.send(b"!")

        with closing(ours), closing(theirs):
            self._account.subscribe(wake)
            try:
                line = self._tell_until_done(ours)
            finally:
                self._account.unsubscribe(wake)
                self._set_idling(None)
        with self._account.lock:
            self._server_log.begin(self._log, "DONE", line)
        if line.upper() != "DONE":
            raise Refused("BAD", "expected DONE")
        return Answer()

    def _tell_until_done(self, wake: socket.socket) -> str:
        folder = ""
        if self._selected:
            folder = self._selected.folder.name
        news = b"+ idling\r\n" + self._news()
        while True:
            if news:
                self._deliver(news)
            self._set_idling(folder)
            line = self._wire.line_or_wake(wake)
            if line is not None:
                return line.decode("latin-1")
            # In this order: a change after the look at the news wakes once more.
            wake.recv(4096)
            news = self._news()

    def _news(self) -> bytes:
        with self._account.lock:
            if self._memory.quirks.idle_tells_nothing:
                return b""
            return self._notices()

    def _set_idling(self, folder: str | None) -> None:
        with self._account.changed:
            self._log.idling = folder
            self._account.changed.notify_all()
