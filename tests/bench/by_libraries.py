"""A backlog, as one would write it over imapclient, dkimpy and hvac, with the promises that are
wanted kept: verify, read, write with check-and-set, append a synced line; one mail after the other.

A program of its own, run by the Python of the peers' environment: `by_libraries.py SETTINGS`, which
are those of `by_hand`.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import sys
from collections.abc import Iterator
from typing import Any

import dkim
import hvac
from imapclient import IMAPClient

BATCH = 32
Settings = dict[str, Any]


def main() -> None:
    """To the end of the inbox."""
    settings = json.loads(sys.argv[1])
    vault = hvac.Client(
        f"http://127.0.0.1:{settings['vault_port']}", token=settings["vault_token"]
    ).secrets.kv.v2
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    journal = os.open(settings["journal"], flags, 0o600)
    for raw in mails(settings):
        assert dkim.verify(raw, dnsfunc=lambda *_, **__: settings["key"].encode())
        username = re.search(rb"Username: (\S+)", raw)
        token = re.search(rb"case-sensitive\): ([A-Za-z0-9]+)", raw)
        assert username is not None
        assert token is not None
        path = f"{settings['path']}/{username[1].decode()}"
        line = {"path": path, "version": store(vault, path, token[1].decode())}
        os.write(journal, json.dumps(line).encode() + b"\n")
        os.fsync(journal)


def mails(settings: Settings) -> Iterator[bytes]:
    """By as many in one FETCH as the program takes."""
    context = ssl.create_default_context(cafile=settings["ca_file"])
    with IMAPClient("localhost", settings["port"], ssl_context=context) as client:
        client.login(settings["user"], settings["password"])
        client.select_folder("INBOX", readonly=True)
        uids = client.search(["SUBJECT", "security token"])
        for start in range(0, len(uids), BATCH):
            for mail in client.fetch(uids[start : start + BATCH], ["BODY.PEEK[]"]).values():
                yield mail[b"BODY[]"]


def store(vault: Any, path: str, token: str) -> int:
    """The version that the token became."""
    version = 0
    fields: dict[str, str] = {}
    try:
        found = vault.read_secret_version(path, raise_on_deleted_version=False)
    except hvac.exceptions.InvalidPath:
        pass
    else:
        version = found["data"]["metadata"]["version"]
        fields = found["data"]["data"]
    fields["security_token"] = token
    written = vault.create_or_update_secret(path, fields, cas=version)
    number: int = written["data"]["version"]
    return number


if __name__ == "__main__":
    main()
