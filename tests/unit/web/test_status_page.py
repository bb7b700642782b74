"""The page: its answers over HTTP, and what it says of a state that a test makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from html import escape, unescape
from html.parser import HTMLParser
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scale import times
from tests.unit.web.kit import NOW, STORED, Site, raw
from tests.unit.web.test_content import CONTENT, OVERVIEW
from token_catcher.advice import IF_GENUINE, NEXT_STEP
from token_catcher.errors import TransientError
from token_catcher.html import STYLE_SOURCE, word
from token_catcher.model import Entry, Event, Reason, Secret, as_fields, iso
from token_catcher.notify import ReceiverHealth
from token_catcher.record import LastLook, MailToken, Pending, Record
from token_catcher.status import (
    AnchorRow,
    HeldMails,
    InVault,
    LoginEnd,
    Past,
    Pasts,
    Presence,
    UserRow,
    VaultAnswer,
    mailbox_row,
    near,
    user_row,
    vault_row,
)
from token_catcher.web.content import Aged, Content
from token_catcher.web.server import serving
from token_catcher.web.snapshot import Telling
from token_catcher.web.status_page import MOST_ROWS, status_page

TOKEN = "page-token-0123456789"
USER = ("acme", "integration@acme.example")
POLICY = (
    f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def shown(content: Content = CONTENT, seconds: float = 0.0) -> str:
    """The page of this."""
    return status_page(Aged(content, seconds), "one", "1.2.3")


def cells_of(page: str, table: str) -> list[str]:
    """What stands in the cells of this table, row by row."""
    body = page.partition(f'id="{table}"')[2].partition("</table>")[0].partition("<tbody")[2]
    cells = re.findall(r"<t[hd] [^>]*>(.*?)</t[hd]>", body)
    return [unescape(re.sub("<[^>]*>", "", cell)) for cell in cells]


def with_users(*rows: UserRow) -> Content:
    """Content with these users alone."""
    return replace(CONTENT, overview=replace(OVERVIEW, users=rows))


def row(answer: InVault | str | None, days: int | None = 90, past: Past | None = None) -> UserRow:
    """Of a user of whom Vault tells this."""
    max_age = None
    if days is not None:
        max_age = timedelta(days=days)
    return user_row(USER, "salesforce/acme/x", max_age, past or Past(), answer, 0, NOW)


def present(days: int) -> InVault:
    """A token that is so many days old."""
    return InVault(Presence.PRESENT, 3, None, iso(NOW - timedelta(days=days)))


def record(**changes: Any) -> Record:
    """Of a mail."""
    entry: Entry = replace(STORED, **changes)
    return Record(1, "2026-02-03T12:59:58Z", "0" * 64, entry)


# -- over HTTP --


def post(site: Site, token: str) -> tuple[HTTPResponse, str]:
    """What the form sends."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return site.get("/", "POST", urlencode({"token": token}), headers)


@pytest.fixture
def locked() -> Iterator[Site]:
    """A site with a token."""
    made = Site(token=lambda: Secret(TOKEN), content=CONTENT)
    with serving("127.0.0.1", 0, made.routes(), made.log) as made.port:
        yield made


def test_the_page_has_its_headers(site: Site) -> None:
    """Its own style sheet and its own form are all that it may use; nobody keeps or frames it."""
    site.content = CONTENT
    answer, body = site.get("/")
    assert (answer.status, body) == (200, shown())
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_page_of_nothing_is_told(site: Site) -> None:
    """Before the daemon has a configuration to work by."""
    assert site.says("/") == (503, "nothing was looked up yet: load it again in a moment\n")


def test_the_form_lets_in(locked: Site) -> None:
    """401 with the form; 303 with a cookie for the token; then the page, and away from the form."""
    answer, body = locked.get("/")
    assert (answer.status, 'type="password"' in body) == (401, True)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="token-catcher"'
    assert answer.headers["Content-Security-Policy"] == POLICY
    answer, body = post(locked, "another")
    assert (answer.status, answer.headers["Set-Cookie"]) == (401, None)
    assert "This is not the token" in body
    answer, body = post(locked, TOKEN)
    assert (answer.status, answer.headers["Location"], body) == (303, "/", "")
    cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    assert locked.get("/", headers=cookie)[1] == shown()


def test_the_other_paths_need_no_token(locked: Site) -> None:
    """They name no user, and what asks them has none."""
    assert [locked.get(path)[0].status for path in ("/livez", "/healthz", "/metrics")] == [200] * 3


def test_the_address_opens_nothing(locked: Site) -> None:
    """Addresses are kept in logs and histories."""
    assert locked.get(f"/?token={TOKEN}")[0].status == 401


def test_a_foreign_name_is_refused(site: Site) -> None:
    """421, and the probes answer to it all the same."""
    headers = {"Host": "evil.example"}
    answer, body = site.get("/", headers=headers)
    assert (answer.status, body.startswith("This page answers to localhost")) == (421, True)
    assert site.get("/livez", headers=headers)[0].status == 200


def test_a_request_without_a_name_sees_no_page(site: Site) -> None:
    """HTTP/1.0 knows none; probes may speak it."""
    assert raw(site, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 421 ")
    assert raw(site, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4097\r\n\r\n", 413),
        (b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\ntoken=x", 303),
    ],
)
def test_a_form_is_bounded(site: Site, request_bytes: bytes, status: int) -> None:
    """In length; and only the page takes one, which needs none where there is no token."""
    assert raw(site, request_bytes).startswith(f"HTTP/1.0 {status} ".encode())


# -- what it says --


def notices(text: str) -> list[str]:
    """The sentences at its beginning, but for the one that shows later."""
    return re.findall(r'<p class="notice (?:warn|bad|)">(.*?)</p>', text)


WELL = "All is well: no token is overdue, missing or held, and nothing fails."


def test_all_is_well_is_said_in_words() -> None:
    """In the title as well, which a tab shows."""
    assert notices(shown()) == [WELL]
    assert "<title>All is well: token-catcher on one</title>" in shown()
    assert "<p>No held mail waits for a person.</p>" in shown()
    assert "<p>Nothing was recorded yet.</p>" in shown()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (59.9, []),
        (60.0, ["Out of date: this is how it was 1 min ago. "]),
        (7200.0, ["Out of date: this is how it was 2 h ago. "]),
    ],
)
def test_what_is_out_of_date_says_so(seconds: float, told: Sequence[str]) -> None:
    """Once it is a minute old, which a look that hangs or fails makes it."""
    more = "To look again takes long, or fails: the log says why."
    assert notices(shown(seconds=seconds)) == [*(text + more for text in told), WELL]


def test_a_page_that_was_left_open_says_so() -> None:
    """By its style sheet, five minutes later: no script tells the time."""
    assert '<p class="notice warn later">This page was opened more than five minutes' in shown()
    assert "animation: 0s linear 300s forwards appear" in shown()


@pytest.mark.parametrize(
    ("user", "state", "age"),
    [
        (row(present(10)), "ok", "10 d, at most 90 d<svg"),
        (row(present(10), days=None), "ok", "10 d</td>"),
        (row(present(91)), "overdue", "91 d, at most 90 d<svg"),
        (row(InVault(Presence.PRESENT)), "ok", "of unknown age</td>"),
        (row(InVault(Presence.DELETED)), "deleted", "deleted in Vault</td>"),
        (row(InVault(Presence.ABSENT)), "never seen", "never caught, and none in Vault</td>"),
        (row("vault-policy"), "unread", "never caught, and none in Vault</td>"),
    ],
)
def test_how_a_user_stands(user: UserRow, state: str, age: str) -> None:
    """In a word that a colour underlines, and the age in words beside its bar."""
    text = shown(with_users(user))
    assert f">{state}</span>" in text
    assert f'data-head="age" role="cell">{age}' in text


def test_what_needs_a_person_is_counted() -> None:
    """Users, mailboxes, Vault and the journal; each has its next step, and no file is named."""
    error = TransientError("Vault at https://vault.example.com is sealed", code="vault-sealed")
    login = LoginEnd("client", "/etc/secret/client.pem", iso(NOW), 3)
    overview = replace(
        OVERVIEW,
        users=[row(present(91)), row(present(1))],
        mailboxes=[mailbox_row("m", timedelta(minutes=1), None, (), HeldMails(0, 0), [login], NOW)],
        vault=vault_row("https://vault.example.com", VaultAnswer(error, logged_in=False), ()),
        journal=replace(
            OVERVIEW.journal,
            trouble="journal-busy",
            saw="/var/lib/journal.jsonl",
            missing_through=7,
        ),
        retirements=[(retirement, 1) for retirement in near(NOW.replace(month=12))],
    )
    text = shown(replace(CONTENT, overview=overview))
    assert notices(text) == [
        "Needs a person: 1 of 2 users, 1 of 1 mailbox, Vault, the journal.",
        "Vault was not asked: users stand as the journal has them.",
    ]
    for code in ("vault-sealed", "journal-busy", "mailbox-never-swept"):
        assert f">{code}</span>" in text
        assert escape(NEXT_STEP[code]) in text
    assert "its client ends in 3 d" in text
    assert "of those up to 7 not all are here" in text
    assert "<li>2027-02-20: the OAuth username-password flow" in text
    assert not re.search("/etc/secret|/var/lib", text)


def test_who_is_told_is_shown_with_what_waits() -> None:
    """Since when each fails, and what to do about it; without receivers there is no such part."""
    receivers = {
        "ops": ReceiverHealth(
            2, NOW - timedelta(minutes=3), "notify-unreachable", NOW - timedelta(minutes=2)
        ),
        "dev <1>": ReceiverHealth(1, NOW, None),
        "cmd": ReceiverHealth(0, None, None),
    }
    telling = Telling(receivers, "notify-outbox")
    text = status_page(Aged(CONTENT, 0.0), "one", "1.2.3", telling)
    assert 'href="#receivers"' in text
    assert f"Nobody is told: {word('notify-outbox', 'failing')}" in text
    assert cells_of(text, "table-receivers") == [
        "ops",
        "notify-unreachable",
        "2 events",
        "failing since 2026-02-03 12:58; the oldest event waits since 2026-02-03 12:57",
        NEXT_STEP["notify-unreachable"],
        "dev <1>",
        "ok",
        "1 event",
        "the oldest event waits since 2026-02-03 13:00",
        "",
        "cmd",
        "ok",
        "0 events",
        "",
        "",
    ]
    assert "receivers" not in shown()


def test_how_a_mailbox_stands() -> None:
    """When it was swept, how many mails are not settled and why, with what to do about that."""
    look = LastLook(swept_at=iso(NOW - timedelta(minutes=3)), looked_by="run")
    pending = Pending(1, NOW, "vault-sealed", since=NOW)
    mailbox = mailbox_row("m", timedelta(minutes=1), look, [pending], HeldMails(0, 0), [], NOW)
    text = shown(replace(CONTENT, overview=replace(OVERVIEW, mailboxes=[mailbox])))
    assert notices(text) == ["Needs a person: 1 of 1 mailbox."]
    assert ">failing</span>" in text
    assert ">2026-02-03 12:57, 3 min before</td>" in text
    assert ">1 (vault-sealed)</td>" in text
    assert escape(NEXT_STEP["vault-sealed"]) in text


def test_the_anchor_of_the_journal_is_a_part() -> None:
    """Where the configuration wants one; what fails is among what needs a person."""
    assert "journal&#x27;s anchor" not in shown()
    row = AnchorRow("secret/data/token-catcher/journal/one", 41, "2026-02-03T12:50:00Z", 1)
    text = shown(replace(CONTENT, overview=replace(OVERVIEW, anchor=row)))
    assert "record 41, 1 unanchored" in text
    assert "All is well" in text
    row = replace(row, record=None, trouble="journal-anchor", saw="/var/lib/journal.jsonl")
    text = shown(replace(CONTENT, overview=replace(OVERVIEW, anchor=row)))
    assert "Needs a person: the journal&#x27;s anchor." in text
    assert escape(NEXT_STEP["journal-anchor"]) in text
    assert "/var/lib" not in text


def test_what_only_the_journal_knows_says_so() -> None:
    """The age by its record, and how the last mail ended."""
    stored = record(issued_at=iso(NOW - timedelta(days=5)))
    held = record(event=Event.HELD, reason="wrong-recipient")
    token = MailToken.of({"seq": 1, "at": stored.at, **as_fields(stored.entry)})
    pasts = Pasts([token])
    pasts.take_in(stored)
    pasts.take_in(held)
    text = shown(with_users(row(None, past=pasts.of(USER))))
    assert ">5 d by the journal, at most 90 d<svg" in text
    assert ">2026-02-03 12:59 in integrations: held (wrong-recipient)</td>" in text


def test_refused_mail_has_what_to_do_if_it_is_genuine() -> None:
    """The last twenty; of what was stored there is a mark alone."""
    refused = {"event": Event.REFUSED, "reason": "unsigned", "saw": "no DKIM signature"}
    text = shown(replace(CONTENT, recent=(record(), *[record(**refused)] * 30)))
    assert text.count(">unsigned</span><br>no DKIM signature</td>") == 20
    assert escape(IF_GENUINE[Reason.UNSIGNED]) in text
    assert 'aria-label="integration@acme.example: 1 stored, 30 refused"' in text


def test_the_page_stays_small() -> None:
    """However many users and mails there are; the commands have them all."""
    held = record(event=Event.HELD, reason="unknown-user", username=None)
    content = replace(
        with_users(*[row(present(1))] * (MOST_ROWS + 3)), waiting=(held,) * (MOST_ROWS + 4)
    )
    text = shown(content)
    assert "<p>3 more: <code>token-catcher status</code> has them all.</p>" in text
    assert "<p>4 more: <code>token-catcher held</code> has them all.</p>" in text
    assert len(text) < 400_000


class Tags(HTMLParser):
    """The tags of a page, and the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))


def page_with(text: str) -> str:
    """A page on which this text stands wherever one from outside may."""
    user = replace(row(present(1)), username=text, org=text)
    held = record(event=Event.HELD, reason="unknown-user", saw=text, username=text, mailbox=text)
    refused = replace(held, entry=replace(held.entry, event=Event.REFUSED))
    return shown(replace(with_users(user), recent=(refused,), waiting=(held,)))


@settings(max_examples=times(50))
@given(
    st.text(min_size=1)
    | st.sampled_from(["<script>alert(1)</script>", '" onload="x', "</td></table>", "&lt;", "'>"])
)
def test_no_text_becomes_markup(text: str) -> None:
    """Whatever a mail says, the page has the tags that it has without."""
    assert Tags(page_with(text)).tags == Tags(page_with("a")).tags
