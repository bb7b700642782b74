"""What one would write in an afternoon: the loops that `latency`, `backlog` and `first_scan` are
measured beside.

Each is a program of its own, so that both sides pay for a process: a library as it is, no
configuration, one server, one folder, nothing that fails.
"""

from __future__ import annotations

import http.client
import imaplib
import json
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any

import dkim

BATCH = 32
PAUSE = 0.25
"""Seconds between two NOOPs."""
CHUNK = 10_000
"""UIDs of one FETCH of headings."""


def connected(settings: dict[str, Any]) -> imaplib.IMAP4:
    """Logged in, with the inbox open for reading."""
    context = ssl.create_default_context(cafile=settings["ca_file"])
    client = imaplib.IMAP4_SSL("localhost", settings["port"], ssl_context=context)
    client.login(settings["user"], settings["password"])
    client.select("INBOX", readonly=True)
    return client


class Backlog:
    """Verify, read, write with check-and-set, append a synced line: one mail after the other."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._key: bytes = settings["key"].encode()
        self._vault = http.client.HTTPConnection("127.0.0.1", settings["vault_port"])

    def run(self) -> None:
        """To the end of the inbox."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        journal = os.open(self._settings["journal"], flags, 0o600)
        for raw in self._mails():
            assert dkim.verify(raw, dnsfunc=self._looked_up)
            username = re.search(rb"Username: (\S+)", raw)
            token = re.search(rb"case-sensitive\): ([A-Za-z0-9]+)", raw)
            assert username is not None
            assert token is not None
            version = self._store(username[1].decode(), token[1].decode())
            line = json.dumps({"username": username[1].decode(), "version": version})
            os.write(journal, line.encode() + b"\n")
            os.fsync(journal)

    def _mails(self) -> Iterator[bytes]:
        client = connected(self._settings)
        _, (numbers,) = client.uid("SEARCH", "SUBJECT", '"security token"')
        uids = numbers.split()
        for start in range(0, len(uids), BATCH):
            named = b",".join(uids[start : start + BATCH]).decode()
            _, answer = client.uid("FETCH", named, "(BODY.PEEK[])")
            for part in answer:
                if isinstance(part, tuple):
                    yield part[1]
        client.logout()

    def _looked_up(self, _name: bytes, timeout: int) -> bytes:
        return self._key

    def _store(self, username: str, token: str) -> int:
        """The version that the token became."""
        path = f"/v1/secret/data/{self._settings['path']}/{username}"
        status, answer = self._asked("GET", path)
        version = 0
        fields: dict[str, Any] = {}
        if status == 200:
            version = answer["data"]["metadata"]["version"]
            fields = answer["data"]["data"]
        fields["security_token"] = token
        body = {"options": {"cas": version}, "data": fields}
        status, answer = self._asked("POST", path, json.dumps(body))
        assert status == 200
        number: int = answer["data"]["version"]
        return number

    def _asked(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        headers = {"X-Vault-Token": self._settings["vault_token"]}
        self._vault.request(method, path, body, headers)
        response = self._vault.getresponse()
        return response.status, json.loads(response.read())


class Watch:
    """Wait for a mail, FETCH, verify, write; with IDLE, or with NOOP.

    A raw socket, since no library is as fast. It proves no more than the signature, remembers
    nothing and records nothing, and so shows what the promises cost."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._key: bytes = settings["key"].encode()
        self._vault = http.client.HTTPConnection("127.0.0.1", settings["vault_port"])
        self._imap: socket.socket = socket.create_connection(("localhost", settings["port"]))
        if settings["ca_file"]:
            context = ssl.create_default_context(cafile=settings["ca_file"])
            self._imap = context.wrap_socket(self._imap, server_hostname="localhost")
        self._unread = b""

    def run(self) -> None:
        """Until it is killed. Says when it listens."""
        self._line()
        self._command(f"LOGIN {self._settings['user']} {self._settings['password']}")
        self._command("EXAMINE INBOX")
        wait = self._idle
        if self._settings["noop"]:
            wait = self._ask
        while True:
            wait()
            self._store(self._command("UID FETCH *:* BODY.PEEK[]"))

    def _idle(self) -> None:
        self._imap.sendall(b"a IDLE\r\n")
        line = self._line()
        while b"EXISTS" not in line:
            if line.startswith(b"+"):
                print("listening", flush=True)
            line = self._line()
        self._imap.sendall(b"DONE\r\n")
        self._rest()

    def _ask(self) -> None:
        print("listening", flush=True)
        while b"EXISTS" not in self._command("NOOP"):
            time.sleep(PAUSE)

    def _store(self, answer: bytes) -> None:
        literal = re.search(rb"\{(\d+)\}\r\n", answer)
        assert literal is not None
        raw = answer[literal.end() : literal.end() + int(literal[1])]
        assert dkim.verify(raw, dnsfunc=self._looked_up)
        token = re.search(rb"case-sensitive\): ([A-Za-z0-9]+)", raw)
        assert token is not None
        body = json.dumps({"data": {"security_token": token[1].decode()}})
        headers = {"X-Vault-Token": self._settings["vault_token"]}
        path = f"/v1/secret/data/{self._settings['path']}"
        self._vault.request("POST", path, body, headers)
        self._vault.getresponse().read()

    def _looked_up(self, _name: bytes, timeout: int) -> bytes:
        return self._key

    def _command(self, text: str) -> bytes:
        self._imap.sendall(b"a " + text.encode() + b"\r\n")
        return self._rest()

    def _rest(self) -> bytes:
        """Everything up to the tagged line."""
        lines = b""
        line = self._line()
        while not line.startswith(b"a "):
            lines += line
            line = self._line()
        return lines

    def _line(self) -> bytes:
        while b"\r\n" not in self._unread:
            more = self._imap.recv(65536)
            if not more:
                raise OSError("closed")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line + b"\r\n"


def first_scan(settings: dict[str, Any]) -> None:
    """Which mails since a day are from Salesforce: SEARCH, then their headings."""
    client = connected(settings)
    _, (numbers,) = client.uid("SEARCH", "SINCE", settings["since"])
    uids = numbers.split()
    ours = 0
    for start in range(0, len(uids), CHUNK):
        chunk = uids[start : start + CHUNK]
        span = f"{chunk[0].decode()}:{chunk[-1].decode()}"
        asked = "(INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM MESSAGE-ID)])"
        _, answer = client.uid("FETCH", span, asked)
        for part in answer:
            if isinstance(part, tuple) and b"salesforce.com" in part[1].lower():
                ours += 1
    client.logout()
    assert ours == settings["ours"], ours


def main() -> None:
    """`backlog`, `first-scan` or `watch`, with its settings as JSON."""
    name, text = sys.argv[1:]
    settings = json.loads(text)
    if name == "backlog":
        Backlog(settings).run()
    elif name == "watch":
        Watch(settings).run()
    else:
        first_scan(settings)


if __name__ == "__main__":
    main()
