"""Between which mail is taken, in every bench: a Dovecot and an OpenBao of its own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tests.kit import mails
from tests.kit.program import POLICY, Program, program
from tests.kit.servers import Dovecot, OpenBao

AS_SHIPPED = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0"}
"""What unit and image set."""
A_COMMAND = 1000
"""Mails put there by one command."""


@dataclass(frozen=True)
class Servers:
    """Both, and a directory for the programs."""

    home: Path
    dovecot: Dovecot
    openbao: OpenBao

    def program(self, name: str, user: str) -> Program:
        """The installed program over the user's mailbox, with an org and a directory `name`."""
        return program(self.home / name, self.dovecot, self.openbao, user, name)

    def filled(self, name: str, raws: Sequence[bytes]) -> str:
        """A user with these mails in the inbox; returns the name."""
        user = self.dovecot.user(name)
        with self.dovecot.session(user) as client:
            for start in range(0, len(raws), A_COMMAND):
                # Of many mails at once, without waiting for leave (RFC 3502, RFC 7888).
                chunk = raws[start : start + A_COMMAND]
                literals = b"".join(b" {%d+}\r\n%s" % (len(raw), raw) for raw in chunk)
                client.send(b"fill%d APPEND INBOX%s\r\n" % (start, literals))
                while not client.readline().startswith(b"fill%d OK" % start):
                    pass
        return user

    def stored_at(self, path: str, version: int = 1) -> datetime | None:
        """When Vault made this version of a secret; None: it did not yet."""
        text = self.openbao.versions(path).get(version, {}).get("created_time")
        if text is None:
            return None
        # Nine digits of a second are more than datetime takes.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text))

    def token(self) -> str:
        """Of Vault, with the rights that the program has and no others."""
        return self.openbao.token(self.openbao.policy("token-catcher", POLICY.read_text("utf-8")))

    def settings(self, user: str) -> dict[str, object]:
        """What a loop of `by_hand` has to know."""
        return {
            "port": self.dovecot.tls_port,
            "ca_file": str(self.dovecot.ca_file),
            "user": user,
            "password": self.dovecot.password,
            "vault_port": self.openbao.port,
            "vault_token": self.openbao.root_token,
            "key": mails.genuine_signer().record.decode(),
        }


@contextmanager
def servers(connections: int = 0) -> Iterator[Servers]:
    """Both, while the block runs. `connections`: of the Dovecot at once, where they are many."""
    with (
        tempfile.TemporaryDirectory() as home,
        Dovecot(connections=connections) as dovecot,
        OpenBao() as openbao,
    ):
        yield Servers(Path(home), dovecot, openbao)


def news(count: int) -> list[bytes]:
    """So many mails of anybody."""
    date = format_datetime(datetime.now(UTC))
    return [
        (
            f"Date: {date}\r\nFrom: news{number}@example.net\r\nTo: a@example.com\r\n"
            f"Message-ID: <{number}@example.net>\r\nSubject: News {number}\r\n\r\nNothing.\r\n"
        ).encode()
        for number in range(count)
    ]
