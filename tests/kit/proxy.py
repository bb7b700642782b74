"""Proxies of a test's own.

One passes bytes on: it delays, stalls, cuts, counts, and lets the test act between two packets. The
other is a reverse proxy for HTTP: it serves a server under a path, and answers with pages of its
own.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.kit.servers.process import free_port


class TcpProxy:
    """Forwards 127.0.0.1:`port` to a port of a real server.

    All methods may be called at any time, from any thread.
    """

    def __init__(self, target: int, *, delay: float = 0.0, port: int | None = None) -> None:
        """`delay`: seconds that every byte takes, each way; half a round trip."""
        self.port = port or free_port()
        self.delay = delay
        self.target = target
        self.connections = 0
        """How many were ever accepted."""
        self.up = bytearray()
        """Everything the clients sent (readable where there is no TLS)."""
        self.down_bytes = 0
        """How many bytes the server sent."""
        self.on_up: Callable[[bytes], None] = lambda _data: None
        """Called with what a client sent, before the server gets it: here a test can be faster."""
        self._cut_after: int | None = None
        self._refusing = False
        self._flowing = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._go: asyncio.Event

    @property
    def commands(self) -> list[str]:
        """The IMAP commands that were sent, without tags and arguments: `UID FETCH`, `DONE`."""
        lines = re.findall(
            rb"(?m)^(?:[A-Z]{4}\d+ ((?:UID )?[A-Z]+)|(DONE))\b.*\r\n", bytes(self.up)
        )
        return [(command or done).decode() for command, done in lines]

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Close every connection now."""
        self._run(self._drop())

    def cut_after(self, count: int) -> None:
        """Close the connection once the server has sent this many more bytes; the rest is lost."""
        self._cut_after = count

    def stall(self) -> None:
        """Forward nothing, and keep the connections."""
        self._loop.call_soon_threadsafe(self._go.clear)

    def flow(self) -> None:
        """Forward again, also what was held back."""
        self._loop.call_soon_threadsafe(self._go.set)

    def refuse(self, *, yes: bool = True) -> None:
        """Close every new connection at once, as a server does that is not there."""
        self._refusing = yes

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    async def _open(self) -> None:
        self._go = asyncio.Event()
        self._go.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        self._server.close()
        await self._drop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _drop(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if self._refusing:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        for step in (
            self._pump(reader, far_writer, self._sent_up),
            self._pump(far_reader, writer, self._sent_down),
        ):
            task = self._loop.create_task(step)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        passed_on: Callable[[bytes], int],
    ) -> None:
        """Take what comes at once, and hand it on when it is due: the line is long, not narrow."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        taking = self._loop.create_task(self._take(reader, line))
        try:
            with suppress(OSError):
                while await self._hand_on(*await line.get(), writer, passed_on):
                    pass
        finally:
            taking.cancel()
            writer.close()

    async def _hand_on(
        self,
        due: float,
        data: bytes,
        writer: asyncio.StreamWriter,
        passed_on: Callable[[bytes], int],
    ) -> bool:
        """False: that was the end."""
        await asyncio.sleep(max(0.0, due - self._loop.time()))
        await self._go.wait()
        passing = 0
        if data:
            passing = passed_on(data)
        writer.write(data[:passing])
        await writer.drain()
        if passing < len(data):
            await self._drop()
        return bool(passing)

    async def _take(
        self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            line.put_nowait((self._loop.time() + self.delay, data))

    def _sent_up(self, data: bytes) -> int:
        self.up += data
        self.on_up(data)
        return len(data)

    def _sent_down(self, data: bytes) -> int:
        """How many of these bytes may pass; fewer than there are: the connection ends here."""
        self.down_bytes += len(data)
        if self._cut_after is None:
            return len(data)
        passing = min(self._cut_after, len(data))
        if passing == len(data):
            self._cut_after -= passing
        else:
            self._cut_after = None
        return passing


@dataclass(frozen=True)
class Page:
    """What a reverse proxy says in a server's place."""

    status: int
    content_type: str | None = "text/html"
    body: bytes = b"<html>Sorry.</html>"


class ReverseProxy:
    """Serves what is at a port of a real server below `prefix`, at 127.0.0.1:`port`."""

    def __init__(self, target: int, prefix: str = "") -> None:
        """`prefix`: `/vault`, taken off before the request is handed on; or nothing."""
        self.target = target
        self.prefix = prefix
        self.page: Page | None = None
        """Answered in the server's place, where `concerns` says so; None: it hands all on."""
        self.concerns: Callable[[str, str], bool] = lambda _method, _path: True
        """Asked with the method and the path, which is the server's."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of each, as it was sent."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Page:
        """Of its own, or the server's."""
        self.requests.append((method, path))
        if not path.startswith(f"{self.prefix}/"):
            return Page(404)
        path = path.removeprefix(self.prefix)
        if self.page is not None and self.concerns(method, path):
            return self.page
        return self._handed_on(method, path, headers, body)

    def _handed_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Page:
        connection = HTTPConnection("127.0.0.1", self.target, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Page(answer.status, answer.getheader("Content-Type"), answer.read())
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            """One connection, and so one request: it is closed after the answer."""

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                page = proxy.answer(self.command, self.path, dict(self.headers), body)
                self.send_response(page.status)
                if page.content_type is not None:
                    self.send_header("Content-Type", page.content_type)
                self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)

            # http.server asks for these names.
            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        return Handler
