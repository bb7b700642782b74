"""The page in a real browser, over real rotations: who sees it, what it shows, what it never does.

And the page that `history --html` writes, which has the same look.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection

import pytest

from tests.kit import mails
from tests.kit.browser import Browser, host_of
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, free_port, until
from tests.kit.waiting import PATIENCE
from tests.system.resets import Resets, records
from token_catcher.advice import ADVICE
from token_catcher.model import Reason

pytestmark = pytest.mark.xdist_group("browser")  # which one worker starts, and no other

TOKEN = "PageTOKENp9p8p7p6notREAL"
STRANGER = "stranger@acme.example"
HOSTILE = "<img src=//evil.example/x onerror=alert(1)>"
"""In the subject and the display name of a mail that anybody can send."""
SENDER = "<support@salesforce.com>"
LOOKS = [("light", 1200), ("dark", 1200), ("light", 400), ("dark", 400)]
NEXT, ENTER = "\ue004", "\ue007"
"""The keys Tab and Enter."""


class Site:
    """A daemon with a page, and some rotations to show."""

    def __init__(self, tool: Program, resets: Resets) -> None:
        self.tool = tool
        self.resets = resets
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.token = tool.secret("page-token", TOKEN)
        tool.text = tool.text.replace(
            'usernames: ["*@acme.example"]', 'usernames: ["*@acme.example"]\n    max_age: 90d'
        )
        tool.text += f"http: {{listen: '127.0.0.1:{self.port}', token: {{file: page-token}}}}\n"
        tool.configure()

    def fill(self) -> None:
        """Two tokens of one user, an old one of another, a held mail, a hostile forgery."""
        resets = self.resets
        resets.make_the_trip()
        resets.make_the_trip()
        old = resets.began - timedelta(days=100)
        held = mails.genuine("reports@other.example", mails.token(8), issued_at=resets.began)
        for mail in (
            mails.genuine("etl@acme.example", mails.token(9), issued_at=old),
            held,
            mails.token_mail(
                STRANGER, subject=HOSTILE, sender=f'"{HOSTILE}" <support@salesforce.com>'
            ),
        ):
            resets.dovecot.deliver(mail, resets.user)
        until(lambda: len(records(self.tool)) == 5, "all to be recorded")

    def ask(self, **headers: str) -> tuple[int, str]:
        """Status and text of the page."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def site(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Iterator[Site]:
    """One that runs and has something to show."""
    made = Site(tool, Resets(tool, dovecot, openbao, user, org))
    with tool.daemon():
        made.fill()
        yield made


def sign_in(browser: Browser, site: Site, token: str = TOKEN) -> None:
    """By the form, without a mouse."""
    browser.forget()
    browser.open(site.url)
    browser.run("window.isTheForm = true")
    browser.type_into("#token", token + ENTER)
    answered = "return !window.isTheForm && document.readyState === 'complete'"
    until(lambda: bool(browser.run(answered)), "the answer to the form")


def expect_accessible(browser: Browser, *, undecided_at: int = 0) -> None:
    """In light and dark, wide and narrow: nothing that axe-core finds, and nothing sticks out.

    `undecided_at`: a width at which what is out of sight is not decided."""
    for scheme, width in LOOKS:
        browser.look(scheme=scheme, width=width)
        assert browser.violations(undecided=width != undecided_at) == [], (scheme, width)
        assert browser.run("return document.documentElement.scrollWidth") == width


def test_the_page_is_for_everybody_and_asks_nobody(browser: Browser, site: Site) -> None:
    """No rule of axe-core is broken, on form and page; no policy is violated; nothing is loaded but
    from the daemon itself; and what a mail says stays text."""
    browser.requests()
    browser.complaints()
    browser.forget()
    browser.open(site.url)
    expect_accessible(browser)
    sign_in(browser, site)
    expect_accessible(browser)
    assert {host_of(url) for url in browser.requests()} == {f"127.0.0.1:{site.port}"}
    assert browser.complaints() == []
    assert browser.run("return document.querySelectorAll('img, script').length") == 0
    browser.run("document.body.innerHTML += '<img src=//evil.example/x onerror=alert(1)>'")
    assert len(browser.complaints()) == 2, "an image and a script that got in are refused"


def cells(browser: Browser, table: str) -> list[list[str]]:
    """What the rows of a table say."""
    script = """
        const rows = document.querySelectorAll(`table:has(#${arguments[0]}) tbody tr`);
        return [...rows].map(row => [...row.cells].map(cell => cell.innerText));
    """
    shown: list[list[str]] = browser.run(script, table)
    return shown


def test_the_page_shows_what_is_so(browser: Browser, site: Site) -> None:
    """The same as `status` and `held`: what waits with what to do about it, users with their ages,
    rotations, mailboxes, Vault and journal."""
    browser.look(scheme="light", width=1200)
    sign_in(browser, site)
    org = site.resets.org
    assert browser.run("return document.title") == "Needs a person: token-catcher on test"
    advice = {row[0]: row[3] for row in cells(browser, "table-held")}
    assert advice == {
        "etl@acme.example": ADVICE[Reason.DATE_OUT_OF_BOUNDS],
        "reports@other.example": ADVICE[Reason.UNKNOWN_USER],
    }
    users = {row[0]: row[1:4] for row in cells(browser, "table-users")}
    assert users == {
        f"etl@acme.example\n{org}": ["held", "none in Vault", ""],
        f"integration@acme.example\n{org}": ["ok", "2 h, at most 90 d", "2"],
    }
    [refused] = cells(browser, "table-refused")
    assert (refused[0], refused[2]) == (STRANGER, "unsigned\nno DKIM signature")
    [mailbox] = cells(browser, "table-mailboxes")
    assert (mailbox[:2], mailbox[4]) == (["integrations", "held"], "2")
    states = [row[:2] for row in cells(browser, "table-parts")]
    assert states == [["Vault", "ok"], ["journal", "ok"]]
    lanes = browser.run(
        "return [...document.querySelectorAll('svg[role=img]')]"
        ".map(lane => lane.getAttribute('aria-label'))"
    )
    assert lanes == [
        "etl@acme.example: 1 held",
        "integration@acme.example: 2 stored",
        "reports@other.example: 1 held",
        f"{STRANGER}: 1 refused",
    ]
    [told] = site.tool("status", "--json").lines
    assert {row["username"] for row in told["users"]} == {name.split("\n")[0] for name in users}


def test_the_page_is_read_without_a_mouse(browser: Browser, site: Site) -> None:
    """The first stop of the Tab key leads past all others; each heading has its level."""
    sign_in(browser, site)
    browser.press(NEXT)
    assert browser.run("return document.activeElement.hash") == "#main"
    for place in ("#held", "#users", "#rotations", "#mailboxes", "#parts"):
        browser.press(NEXT)
        assert browser.run("return document.activeElement.hash") == place
    headings = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3')].map(head => head.localName)"
    )
    assert headings == ["h1", "h2", "h2", "h2", "h3", "h2", "h2", "h2"]
    assert browser.run("return document.documentElement.lang") == "en"


def test_a_page_that_was_left_open_says_so(browser: Browser, site: Site) -> None:
    """After five minutes, which the browser's clock of animations is put forward by."""
    look = """
        const style = getComputedStyle(document.querySelector('.later'));
        return [style.visibility, style.position];
    """
    sign_in(browser, site)
    assert browser.run(look) == ["hidden", "absolute"]
    browser.run("document.getAnimations().forEach(animation => animation.finish())")
    assert browser.run(look) == ["visible", "static"]
    assert browser.violations() == []


def test_who_has_no_token_sees_nothing(browser: Browser, site: Site) -> None:
    """Nor who has another one. The cookie is for this site alone, no script reads it, and it is not
    the token; nor does any address hold that."""
    sign_in(browser, site, "another-token")
    assert "This is not the token" in browser.run("return document.body.innerText")
    assert browser.cookies() == []
    assert site.ask()[0] == site.ask(Authorization="Bearer x")[0] == 401
    assert "acme" not in site.ask()[1]
    sign_in(browser, site)
    [cookie] = browser.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in json.dumps(cookie)
    assert browser.run("return document.cookie") == ""
    assert TOKEN not in "".join(browser.requests())
    status, text = site.ask(Authorization=f"Bearer {TOKEN}")
    assert (status, "integration@acme.example" in text) == (200, True)
    site.token.write_text("a-new-token\n", "utf-8")
    browser.open(site.url)
    assert browser.run("return document.title") == "Sign in: token-catcher"


def test_no_secret_is_on_the_page(browser: Browser, site: Site) -> None:
    """No token, no password, and no path of this machine."""
    _, text = site.ask(Authorization=f"Bearer {TOKEN}")
    secrets = [*site.resets.sent, mails.token(8), mails.token(9), site.resets.dovecot.password]
    for secret in (*secrets, TOKEN, str(site.tool.home)):
        assert secret not in text


def test_the_page_outlives_its_vault(
    browser: Browser, tool: Program, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """Users stand as the journal has them, and the page says so, with what to do."""
    tool.configure(
        address=f"address: {own_openbao.url}",
        auth="auth: {method: token, token: {file: vault-token}}",
    )
    tool.text = tool.config.read_text("utf-8")
    tool.secret("vault-token", own_openbao.root_token)
    site = Site(tool, Resets(tool, dovecot, own_openbao, user, org))
    with tool.daemon():
        site.resets.make_the_trip()
        own_openbao.stop()

        def shows_it() -> bool:
            sign_in(browser, site)
            return "Vault was not asked" in browser.run("return document.body.innerText")

        until(shows_it, "the page to tell of it")
        [row] = cells(browser, "table-users")
        assert row[2].startswith("2 h by the journal, at most 90 d")
        [vault, _] = cells(browser, "table-parts")
        assert vault[1] == "vault-unreachable"
        expect_accessible(browser)


def test_the_historys_page_has_the_same_look(browser: Browser, site: Site) -> None:
    """As a file: no rule is broken, nothing is asked for, what a mail says stays text."""
    page = site.tool.home / "history.html"
    assert site.tool("history", "--html", str(page)).code == 0
    browser.requests()
    browser.complaints()
    browser.open(page.as_uri())
    assert browser.requests() == [page.as_uri()]
    expect_accessible(browser, undecided_at=400)
    assert browser.complaints() == []
    assert len(cells(browser, "table-rotations")) == 5
    users = {row[0]: row[1] for row in cells(browser, "table-users")}
    assert users == {
        "etl@acme.example": "1 held",
        "integration@acme.example": "2 stored",
        "reports@other.example": "1 held",
        STRANGER: "1 refused",
    }
