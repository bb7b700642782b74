"""An IMAP server for tests: a correct one over sockets, with the quirks of real servers on demand.

    with OddImap(presets()["courier"]) as server:
        server.account.deliver(raw)
        …                                 # a client, at 127.0.0.1 and server.port
        assert server.counts["UID FETCH"] == 1

In reading order:

    account     folders and mail in memory; what a test does to them from outside
    quirks      how a server may differ, each field with the server that does
    presets     the quirks of named servers
    memory      what quirks count and remember, and what clients are shown of the account
    log         what clients asked, and bytes
    wire        bytes of IMAP, in and out
    headers     fields of a mail, for SEARCH and FETCH
    search      UIDs for search keys
    fetch       the line of one mail
    listing     the lines of LIST
    selected    one open folder, as one session knows it
    folders     LIST, NAMESPACE, STATUS, APPEND
    session     one connection
    server      the listener, and the hands of the test

Spoken are the commands that token-catcher uses and will use. What is numbered by sequence (FETCH
and SEARCH without UID), ENVELOPE, BODYSTRUCTURE, CREATE, RENAME and TLS are not.
"""

from tests.kit.odd_imap.account import Account
from tests.kit.odd_imap.presets import presets
from tests.kit.odd_imap.quirks import (
    ABSURD_UIDNEXT,
    ALWAYS,
    REFUSALS,
    UNTIL_RELEASED,
    BodyKey,
    Chosen,
    FromSearch,
    How,
    Limit,
    Quirks,
    Trouble,
    Void,
)
from tests.kit.odd_imap.server import OddImap

__all__ = [
    "ABSURD_UIDNEXT",
    "ALWAYS",
    "REFUSALS",
    "UNTIL_RELEASED",
    "Account",
    "BodyKey",
    "Chosen",
    "FromSearch",
    "How",
    "Limit",
    "OddImap",
    "Quirks",
    "Trouble",
    "Void",
    "presets",
]
