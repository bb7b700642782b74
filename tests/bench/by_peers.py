"""Each peer as its own documentation has it wait for mail, or read a mailbox; as fast as it goes.

A program of its own, run by the Python of the environment that the peers are installed in:
`by_peers.py watch|scan PEER SETTINGS`. Of every mail whose token was read it prints the token and
the time. Settings: a JSON object of `port`, `user`, `password`, `home`. The certificate is trusted
through SSL_CERT_FILE.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOST = "localhost"
SUBJECT = "Your new Salesforce security token"
TOKEN = r"case-sensitive\): ([A-Za-z0-9]+)"
POLL = 1
"""Seconds between two looks of those that only poll; they count in whole seconds."""
Settings = dict[str, Any]


def told(text: str | bytes) -> None:
    """Read the token out of a mail or a body, and say so."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    token = re.search(TOKEN, text)
    if token is not None:
        print(json.dumps({"token": token[1], "at": time.time()}), flush=True)


def watch_imaplar(settings: Settings) -> None:
    """A session with a policy and a state file."""
    from imaplar.client import LoginAuthenticator, Session, State

    def policy(client: Any, _mailbox: str, uid: int, _parameters: Any) -> None:
        told(client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"])

    Session(
        HOST,
        settings["port"],
        authenticator=LoginAuthenticator(settings["user"], settings["password"]),
        policy=policy,
        state=State(f"{settings['home']}/imaplar.json"),
    ).run_forever()


def watch_mailsuite(settings: Settings) -> None:
    """Its client with a callback, as parsedmarc uses it."""
    from mailsuite.imap import IMAPClient

    def callback(client: Any) -> None:
        for uid in client.search(["UNSEEN"]):
            told(client.fetch_message(uid))

    login = (HOST, settings["user"], settings["password"])
    IMAPClient(*login, port=settings["port"], idle_callback=callback)


def watch_imap_tools(settings: Settings) -> None:
    """`idle.wait`, then what is not seen."""
    from imap_tools import AND, MailBox

    box = MailBox(HOST, settings["port"])
    with box.login(settings["user"], settings["password"]) as mailbox:
        while True:
            if mailbox.idle.wait(timeout=60):
                for message in mailbox.fetch(AND(seen=False)):
                    told(message.text)


def watch_aioimaplib(settings: Settings) -> None:
    """The loop in the style of events."""
    from aioimaplib import aioimaplib

    async def idle_loop() -> None:
        client = aioimaplib.IMAP4_SSL(HOST, settings["port"], timeout=30)
        await client.wait_hello_from_server()
        await client.login(settings["user"], settings["password"])
        await client.select()
        next_uid = 1
        while True:
            _, lines = await client.uid("fetch", f"{next_uid}:*", "(UID BODY.PEEK[])")
            for heading, body in itertools.pairwise(lines):
                uid = re.search(rb"FETCH \(UID (\d+)", heading)
                if uid is not None and int(uid[1]) >= next_uid:
                    next_uid = int(uid[1]) + 1
                    told(bytes(body))
            idle = await client.idle_start(timeout=60)
            await client.wait_server_push()
            client.idle_done()
            await asyncio.wait_for(idle, 30)

    asyncio.run(idle_loop())


def watch_imapclient(settings: Settings) -> None:
    """IDLE as in its documentation, then what is not seen."""
    import imapclient

    with imapclient.IMAPClient(HOST, settings["port"]) as client:
        client.login(settings["user"], settings["password"])
        client.select_folder("INBOX")
        while True:
            for answer in client.fetch(client.search("UNSEEN"), ["RFC822"]).values():
                told(answer[b"RFC822"])
            client.idle()
            client.idle_check(timeout=30)
            client.idle_done()


def watch_email_code_finder(settings: Settings) -> None:
    """One wait after the other, since each ends with a code."""
    from email_code_finder import EmailCodeFinder

    while True:
        finder = EmailCodeFinder(
            {
                "user_email": settings["user"],
                "password": settings["password"],
                "imap_server": HOST,
                "subject_to_find": SUBJECT,
                "regex_pattern": f"({TOKEN})",
                "check_interval_seconds": POLL,
            }
        )
        finder.client.port = settings["port"]  # of all settings the one without a key
        told(finder.wait_for_code() or "")


def watch_imap_reader(settings: Settings) -> None:
    """One wait after the other."""
    with _imap_reader(settings) as client:
        while True:
            message = client.wait_for_message(subject_contains=SUBJECT, interval=POLL)
            if message is not None:
                told(message.body_text)


def _imap_reader(settings: Settings) -> Any:
    from imap_reader import ImapClient
    from imap_reader.models import ImapItemModel

    host = ImapItemModel(settings["user"].partition("@")[2], HOST, settings["port"])
    return ImapClient(settings["user"], settings["password"], [host])


GETMAIL = """\
[retriever]
type = SimpleIMAPSSLRetriever
server = {host}
port = {port}
username = {user}
password = {password}
[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("{home}/delivered",)
allow_root_commands = true
[options]
read_all = false
"""


def watch_getmail6(settings: Settings) -> None:
    """`getmail --idle`, with a pipe as its destination."""
    home = Path(settings["home"])
    os.mkfifo(home / "delivered")
    (home / "getmailrc").write_text(GETMAIL.format(host=HOST, **settings))
    program = str(Path(sys.executable).parent / "getmail")
    words = [program, "--idle", "INBOX", "--getmaildir", str(home), "--rcfile", "getmailrc"]
    # For writing as well: it has no end, and nobody waits for us to open it.
    with (
        os.fdopen(os.open(home / "delivered", os.O_RDWR), "rb") as delivered,
        subprocess.Popen(words, stdout=subprocess.DEVNULL),
    ):
        for line in delivered:
            told(line)


def scan_imap_tools(settings: Settings) -> None:
    """The mails by their subject, fetched together."""
    from imap_tools import AND, MailBox

    box = MailBox(HOST, settings["port"])
    with box.login(settings["user"], settings["password"]) as mailbox:
        for message in mailbox.fetch(AND(subject=SUBJECT), mark_seen=False, bulk=True):
            told(message.text)


def scan_imapclient(settings: Settings) -> None:
    """The mails by their subject, fetched together."""
    import imapclient

    with imapclient.IMAPClient(HOST, settings["port"]) as client:
        client.login(settings["user"], settings["password"])
        client.select_folder("INBOX", readonly=True)
        uids = client.search(["SUBJECT", SUBJECT])
        for answer in client.fetch(uids, ["BODY.PEEK[]"]).values():
            told(answer[b"BODY[]"])


def scan_mailsuite(settings: Settings) -> None:
    """The mails by their subject, one after the other."""
    from mailsuite.imap import IMAPClient

    client = IMAPClient(HOST, settings["user"], settings["password"], port=settings["port"])
    client.select_folder("INBOX", readonly=True)
    for uid in client.search(["SUBJECT", SUBJECT]):
        told(client.fetch_message(uid))


def scan_email_code_finder(settings: Settings) -> None:
    """Its client, since the finder itself passes over what is there already."""
    from email_code_finder.client import ImapEmailClient

    login = (settings["user"], settings["password"])
    client = ImapEmailClient(*login, imap_server=HOST, port=settings["port"])
    client.connect()
    for uid in client.search_unread_by_subject(SUBJECT):
        told(client.fetch_body(uid))
    client.logout()


def scan_imap_reader(settings: Settings) -> None:
    """The mails by their subject, one after the other."""
    with _imap_reader(settings) as client:
        for message in client.get_messages("ALL", mark_seen=False, subject_contains=SUBJECT):
            told(message.body_text)


def main() -> None:
    """`watch` or `scan`, a peer, and its settings."""
    action, peer, text = sys.argv[1:]
    drive: Callable[[Settings], None] = globals()[f"{action}_{peer.replace('-', '_')}"]
    drive(json.loads(text))


if __name__ == "__main__":
    main()
