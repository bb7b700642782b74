"""A DNS server on 127.0.0.1, over UDP: it says what a table says, and keeps what it was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

SILENCE = dns.rcode.NOERROR + 1000
"""In the table in place of an rcode: no answer at all."""
SLOW = dns.rcode.NOERROR + 1001
"""In the table in place of an rcode: a failure, after the time that `waiting` lets pass.

By the clock of the test it is a silence, and the test need not wait for it."""
SLOWLY_ABSENT = dns.rcode.NOERROR + 1002
"""The same, and then it says that there is no such name."""
_AFTER_A_WHILE = {SLOW: dns.rcode.SERVFAIL, SLOWLY_ABSENT: dns.rcode.NXDOMAIN}

Entry = list[str] | int
"""Records as in a zone file, without the name (`300 IN TXT "v=DKIM1"`), or an rcode."""


class TinyDns:
    """Use as a context manager; the table may be changed while it runs.

    Names are in lower case, without the last dot.
    """

    def __init__(
        self,
        table: Mapping[str, Entry] = MappingProxyType({}),
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self.table: dict[str, Entry] = dict(table)
        self.asked: list[str] = []
        self.waiting = waiting
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> TinyDns:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, address = self._socket.recvfrom(4096)
            if not query:
                return
            answer = self._answer(dns.message.from_wire(query))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), address)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        entry = self.table.get(name, dns.rcode.NXDOMAIN)
        if entry == SILENCE:
            return None
        if isinstance(entry, int) and entry in _AFTER_A_WHILE:
            self.waiting()
            entry = _AFTER_A_WHILE[entry]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if isinstance(entry, int):
            answer.set_rcode(dns.rcode.Rcode(entry))
            return answer
        self._add(answer, name, entry)
        return answer

    def _add(self, answer: dns.message.Message, name: str, records: list[str]) -> None:
        """The records, and those that a CNAME leads to, as a resolver would give them."""
        for record in records:
            seconds, _, kind, text = record.split(maxsplit=3)
            answer.answer.append(dns.rrset.from_text(name + ".", int(seconds), "IN", kind, text))
            target = self.table.get(text.rstrip(".").lower())
            if kind == "CNAME" and isinstance(target, list):
                self._add(answer, text.rstrip(".").lower(), target)
