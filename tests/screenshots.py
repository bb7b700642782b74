"""Makes docs/page-*.png: the page of a running daemon, over real rotations, in a real browser."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.kit import mails
from tests.kit.browser import Browser
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, free_port, until
from tests.system.resets import records

LOOKS: Final = {
    "page-light.png": ("light", 1200),
    "page-dark.png": ("dark", 1200),
    "page-narrow.png": ("light", 400),
}
AGES: Final = {"integration": (40, 12, 0), "etl": (80,), "billing": (97,)}
"""Of users of one org, how many days ago their tokens were issued."""
MAILBOX: Final = "tokens@example.com"


def mail_in_order(now: datetime) -> Iterator[bytes]:
    """Tokens of three users, then one that is held, and a forgery."""
    number = 0
    for name, ages in AGES.items():
        for age in ages:
            number += 1
            issued_at = now - timedelta(days=age, minutes=90)
            yield mails.genuine(f"{name}@acme.example", mails.token(number), issued_at=issued_at)
    issued_at = now - timedelta(hours=1)
    yield mails.genuine("reports@other.example", mails.token(number + 1), issued_at=issued_at)
    yield mails.token_mail("integration@acme.example", issued_at=issued_at)


def take(tool: Program, dovecot: Dovecot, browser: Browser, folder: Path) -> None:
    """All pictures, once the mails are recorded."""
    port = free_port()
    tool.text += f"http: {{listen: {port}}}\n"
    tool.text = tool.text.replace(
        'usernames: ["*@acme.example"]', 'usernames: ["*@acme.example"]\n    max_age: 90d'
    ).replace("policy: dkim", "policy: dkim\n  max_delay: 200d")
    tool.configure()
    with tool.daemon():
        for number, mail in enumerate(mail_in_order(datetime.now(UTC).replace(microsecond=0)), 1):
            dovecot.deliver(mail, MAILBOX)
            until(lambda number=number: len(records(tool)) == number, "the record")  # type: ignore[misc]
        browser.open(f"http://localhost:{port}/")
        for name, (scheme, width) in LOOKS.items():
            browser.look(scheme=scheme, width=width)
            (folder / name).write_bytes(browser.picture())


def main(folder: Path) -> None:
    """Over servers of its own."""
    home = Path(tempfile.mkdtemp(prefix="tc-screenshots-"))
    with Dovecot() as dovecot, OpenBao() as openbao, Browser() as browser:
        tool = program(home, dovecot, openbao, MAILBOX, "acme-production", instance="catcher-1")
        take(tool, dovecot, browser, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
