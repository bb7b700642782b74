"""How real servers differ from a correct one: a frozen dataclass, each field a server.

`Quirks()` is a correct server. Each field is independent of the others, and all can be combined.
What a quirk has to remember from one command to the next is in `memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Literal

ALWAYS: Final = 1_000_000_000
"""So often that no test sees the end of it."""
UNTIL_RELEASED: Final = -1
"""In place of a number of looks: until the test calls `OddImap.release`."""
ABSURD_UIDNEXT: Final = 4_294_967_295
"""The highest number that UIDNEXT can have (RFC 3501, section 9: nz-number)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which mails a quirk strikes, and how often each."""

    uids: frozenset[int] | None = None
    """None: every mail."""
    times: int = ALWAYS
    """For each mail; after that it is served as it should be."""
    also_alone: bool = True
    """False: only when it is asked for together with others, by a set or a range."""

    def includes(self, uid: int) -> bool:
        """Whether the mail of this UID is struck at all."""
        return self.uids is None or uid in self.uids


NO_MAIL: Final = Chosen(frozenset())
"""Strikes nothing."""


class FromSearch(Enum):
    """What the FROM of a SEARCH is compared with."""

    SUBSTRING = "substring"
    """Any part of the From field, in any case (RFC 3501, section 6.4.4)."""
    WHOLE_ADDRESS = "whole address"
    DISPLAY_NAME = "display name"
    NOTHING = "nothing"


class BodyKey(Enum):
    """Under which key the body of a partial FETCH, `BODY.PEEK[]<0.n>`, comes back."""

    ORIGIN = "BODY[]<0>"
    """As RFC 3501 wants it, section 7.4.2."""
    BARE = "BODY[]"
    AS_ASKED = "BODY[]<0.n>"


class Void(Enum):
    """What stands where the bytes of a mail should be."""

    QUOTED = b'""'
    LITERAL = b"{0}\r\n"
    BLANK_LINE = b"{2}\r\n\r\n"
    NIL = b"NIL"


class Limit(Enum):
    """What happens to a connection too many."""

    REFUSED_AT_LOGIN = "refused at login"
    CLOSED = "closed without a word"


class How(Enum):
    """How a server fails at a command."""

    CLOSES = "closes the connection, the command not done"
    CLOSES_HALFWAY = "does the command, sends half of the answer and closes"
    HANGS = "says nothing, and keeps the connection"
    DRIPS = "does the command and sends the answer byte by byte"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A server that fails at one command."""

    command: str
    """`UID FETCH`, `LOGIN`, …; `GREETING` for what a server says first."""
    how: How
    times: int = 1
    after: int = 0
    """How many of these commands are answered before."""


REFUSALS: Final[Mapping[str, str]] = {
    "gmail-connections": "[ALERT] Too many simultaneous connections. (Failure)",
    "gmail-bandwidth": "[ALERT] Account exceeded bandwidth limits. (Failure)",
    "gmail-over-quota": "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
    "gmail-throttled": "[THROTTLED] Lookup failed, try again later",
    "mailo": "LOGIN temporary unavailable",
    "qq": "Login fail. Password is right, but login frequency limited",
    "dovecot-unavailable": "[UNAVAILABLE] Temporary authentication failure.",
    "in-use": "[INUSE] Mailbox is locked by another session",
    "yahoo-limit": "[LIMIT] LOGIN Rate limit hit.",
}
"""By server, how it refuses a correct password for a while; the codes are those of RFC 5530."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """What this server does otherwise than a correct one."""

    # -- capabilities, connections and login --

    lacks: frozenset[str] = frozenset()
    """Capabilities that are not announced, and whose commands are unknown. Courier 5.2 has no
    SPECIAL-USE, MOVE and ID, Microsoft 365 no SPECIAL-USE, and small hosts have no IDLE."""
    login_refusals: int = 0
    """Logins that are refused, with correct passwords, before they are taken (Gmail, Mailo, QQ)."""
    login_refusal: str = REFUSALS["gmail-connections"]
    """The words it is refused with: see `REFUSALS`."""
    login_disabled: bool = False
    """LOGINDISABLED and no AUTH=PLAIN: passwords only under TLS (Dovecot, Cyrus by default)."""
    login_disabled_after_login: bool = False
    """LOGINDISABLED is announced once one is logged in, where it means nothing (Cyrus 3.10)."""
    continuation_in_bare_lf: bool = False
    """The `+` of AUTHENTICATE ends in LF without CR (GNU imap4d); imaplib gives up there."""
    max_connections: int = 0
    """Connections to the account at a time; 0: any number (Gmail 15, Courier's MAXPERIP 4)."""
    over_the_limit: Limit = Limit.REFUSED_AT_LOGIN
    """Gmail refuses the login of one too many; Courier closes it before any greeting."""
    troubles: tuple[Trouble, ...] = ()
    """Commands at which the connection dies, hangs or drips: any server behind NAT or a proxy."""

    # -- folders --

    special_use_on_request: bool = False
    """Special use only for LIST … RETURN (SPECIAL-USE) (Cyrus with `specialusealways: no`)."""
    junk_name: str = "Junk"
    """What the spam folder is called: `Spamverdacht` at GMX, `[Gmail]/Spam`, and so on."""
    junk_renamed_to: str = ""
    """Its name after it was opened once: an administrator renames it while it is watched."""
    below_inbox: bool = False
    """All other folders are below `INBOX.` (Courier, Cyrus without altnamespace)."""
    noselect: str = ""
    """A further name in LIST that is \\Noselect and cannot be opened (`[Gmail]`)."""

    # -- UIDVALIDITY and UIDNEXT --

    uidvalidity_new_until_select: bool = False
    """A new UIDVALIDITY at each EXAMINE and STATUS until a SELECT or APPEND (Courier 5.2)."""
    uidvalidity_new_after_delivery: bool = False
    """A new UIDVALIDITY after each delivery (GNU imap4d, UW imapd and others on mbox)."""
    uidvalidity_never_new: bool = False
    """The UIDVALIDITY it first told, although mails were numbered anew (restored backups)."""
    uidnext_missing: bool = False
    """No UIDNEXT in the answer to EXAMINE and SELECT (Courier 5.2, Winmail Pro 5.1, 163.com)."""
    uidnext_missing_in_status: bool = False
    """None in STATUS either, which answers `()` where only that was asked for (163.com)."""
    uidnext_ahead_by: int = 0
    """UIDNEXT is so much higher than it need be: UIDs are given, and no mail ever has them."""
    uidnext_told_as: int | None = None
    """The same UIDNEXT whatever there is: 0 was met (MailKit issue 1010); `ABSURD_UIDNEXT` is the
    other end of the range, and of no known server."""
    hidden_looks: int = 0
    """UIDNEXT is raised before a mail can be seen (WildDuck): for so many EXAMINE, SELECT and
    STATUS after its delivery it is in none of EXISTS, SEARCH, FETCH, IDLE; or `UNTIL_RELEASED`."""

    # -- SEARCH --

    search_refused: Literal["", "NO", "BAD"] = ""
    """Every SEARCH is refused with it (arcor.de for a while, MailKit issue 839)."""
    charset_refused: bool = False
    """BADCHARSET to every CHARSET but US-ASCII (Exchange)."""
    search_from: FromSearch = FromSearch.SUBSTRING
    """Whole addresses only: Zoho, Mailo. Display names only: Exchange on premises. Nothing:
    rambler."""
    index_lag: timedelta = timedelta()
    """What asks for text finds a mail only so long after its delivery (Stalwart, by the
    account's clock)."""
    index_lag_searches: int = 0
    """The same for so many SEARCHes by text after its delivery: a lag without a clock."""
    star_range_finds_nothing: bool = False
    """`UID n:*` finds nothing, where `UID n:m` is answered rightly (GNU imap4d)."""
    search_hits_per_line: int = 0
    """Several untagged SEARCH lines with so many UIDs each (mox: 100, EIMS); 0: a single line."""
    no_line_for_no_hits: bool = False
    """No untagged SEARCH line where nothing is found (met, the name is not kept)."""
    searches_leave_out: Chosen = NO_MAIL
    """Mails that are there and that SEARCH does not tell (Gmail: 5 of 7, MailKit issue 790)."""

    newest_first: bool = False
    """SEARCH and FETCH go from the highest UID down; any order is allowed (GreenMail issue 377)."""

    # -- FETCH --

    bodies_left_out: Chosen = NO_MAIL
    """FETCH of a body says OK and nothing of the mail, which SEARCH finds (Gmail, Yahoo)."""
    headers_left_out: Chosen = NO_MAIL
    """The same where header fields are asked for (Gmail, Yahoo)."""
    bodies_void: Chosen = NO_MAIL
    """The body is empty for a while (iCloud and others)."""
    bodies_void_as: Void = Void.QUOTED
    """`""` at iCloud, NIL at others."""
    headers_void: Chosen = NO_MAIL
    """HEADER.FIELDS is answered with none of the fields that are there (DBMail 3.4.1)."""
    headers_void_as: Void = Void.BLANK_LINE
    """DBMail sends the empty line that ends a header; others an empty literal, or NIL."""
    body_key: BodyKey = BodyKey.ORIGIN
    """Under which key the body comes back; both others were met, the names are not kept."""
    only_first_of_partial: bool = False
    """`{0}` for all but the first mail of a partial FETCH (hoodiecrow)."""
    ranges_give_first_only: bool = False
    """A FETCH of `n:m` is answered for the first of them (met, the name is not kept)."""
    internaldate_missing: bool = False
    """No INTERNALDATE in the answer although it was asked for (DavMail)."""
    internaldate_offset_hours: int = 0
    """INTERNALDATE is local time, so many hours east of Greenwich, marked +0000 (gromox)."""
    internaldate_noon_as_midnight: bool = False
    """12:34 is told as 00:34 (GreenMail)."""
    internaldate_1970: bool = False
    """Every INTERNALDATE is 1 January 1970 (GNU imap4d for what came by APPEND)."""
    unasked_fetches: bool = False
    """Further FETCH lines, of flags, for mails that were asked for or not (Cyrus issue 1967)."""
    x_uid: bool = False
    """An X-UID field in every mail, with its UID (GNU imap4d)."""

    # -- IDLE --

    idle_tells_nothing: bool = False
    """IDLE is announced and taken, and then nothing is ever told (GNU imap4d)."""
