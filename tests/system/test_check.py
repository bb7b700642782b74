"""`token-catcher check` over real servers: what is broken is named, with what to do about it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.kit import mails
from tests.kit.dns import SILENCE, TinyDns
from tests.kit.odd_imap import How, OddImap, Quirks, Trouble
from tests.kit.processes import reaped
from tests.kit.program import Done, Program
from tests.kit.reverse import ReverseProxy
from tests.kit.scripted import HttpReply
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.servers.process import free_port
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, TokenEndpoint
from tests.kit.waiting import PATIENCE
from tests.system.test_volumes import may_mount
from tests.system.test_web import Site
from token_catcher.commands.check import fix_of

SELECTOR = "token-catcher-check"
"""That nobody has."""
NOW = datetime.now(UTC).replace(microsecond=0)
WHOLE = [
    ("configuration", "load", "ok"),
    ("configuration", "org_id", "warning"),
    ("configuration", "org_id", "warning"),
    ("configuration", "policy", "ok"),
    ("configuration", "senders", "ok"),
    ("configuration", "dkim_keys", "ok"),
    ("files", "secret", "ok"),
    ("files", "secret", "ok"),
    ("files", "state_dir", "ok"),
    ("clock", "date", "ok"),
    ("imap", "reach", "ok"),
    ("imap", "tls", "ok"),
    ("imap", "login", "ok"),
    ("imap", "open", "ok"),
    ("imap", "folders", "ok"),
    ("imap", "idle", "ok"),
    ("imap", "mail", "ok"),
    ("imap", "body", "skipped"),
    ("imap", "assessment", "skipped"),
    ("vault", "reach", "ok"),
    ("vault", "state", "ok"),
    ("vault", "login", "ok"),
    ("vault", "token", "ok"),
    ("vault", "mount", "ok"),
    ("vault", "rights", "ok"),
    ("vault", "rights", "ok"),
    ("vault", "excess", "ok"),
    ("vault", "trial", "ok"),
    ("vault", "settings", "ok"),
    ("journal", "records", "ok"),
    ("journal", "append", "ok"),
    ("disk", "room", "ok"),
]
"""Area, step and outcome, but for those of DNS, which are this machine's."""


def outcomes(done: Done) -> list[tuple[str, str, str]]:
    """Those of every step but DNS's."""
    return [
        (step["area"], step["step"], step["outcome"])
        for step in done.lines
        if step["area"] != "dns"
    ]


def test_a_set_up_that_works(tool: Program) -> None:
    """Every area in its order; nothing failed, and nothing was made."""
    done = tool("check", "--json")
    assert outcomes(done) == WHOLE
    assert (done.code, done.err) == (0, "")
    assert not tool.state.exists()


@dataclass
class Setup:
    """A program that works, to be broken."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    stack: ExitStack
    """What stays open until the end of the test."""

    def deliver(self, raw: bytes | None = None, folder: str = "INBOX") -> None:
        """A mail of this moment; a genuine one, unless it is given."""
        self.dovecot.append(raw or mails.genuine(issued_at=NOW), folder, self.user)

    def other_mail_server(self, server: Dovecot) -> Dovecot:
        """Another one in place of the shared one."""
        self.stack.enter_context(server)
        server.user(self.user)
        self.tool.configure(port=f"port: {server.tls_port}", ca_file=f"ca_file: {server.ca_file}")
        return server

    def odd_mail_server(self, quirks: Quirks) -> OddImap:
        """One without TLS that behaves so."""
        server = self.stack.enter_context(OddImap(quirks))
        self.tool.configure(
            host="host: 127.0.0.1",
            port=f"port: {server.port}",
            tls="tls: none",
            ca_file="ca_file: null",
        )
        return server

    def endpoint(self) -> TokenEndpoint:
        """One that gives access tokens."""
        return self.stack.enter_context(TokenEndpoint())

    def by_access_token(self, token_url: str, client_secret: str = "wrong") -> None:
        """In place of the password. The mail server takes no access token."""
        self.tool.env = {"NO_PROXY": "127.0.0.1,localhost"}
        self.tool.secret("client-secret", client_secret)
        self.tool.configure(
            password=f"oauth2: {{provider: custom, token_url: {token_url},"
            f" client_id: {CLIENT_ID}, client_secret: {{file: client-secret}}}}"
        )

    def within(self, **surroundings: str) -> None:
        """Run it in surroundings of the test's own."""
        self.tool.command = (sys.executable, "-m", "tests.system.surroundings")
        self.tool.env = surroundings


@pytest.fixture
def setup(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str) -> Iterator[Setup]:
    with ExitStack() as stack:
        yield Setup(tool, dovecot, openbao, user, stack)


def wrong_password(setup: Setup) -> str:
    """A password that was changed on the server."""
    setup.tool.secret("imap-password", "another")
    return "localhost:{port}: the login was refused"


def unknown_host(setup: Setup) -> str:
    """A name that DNS does not have."""
    setup.tool.configure(host="host: mail.invalid")
    return "mail.invalid:{port}: the host name is not known"


def closed_port(setup: Setup) -> str:
    """Nobody listens."""
    port = free_port()
    setup.tool.configure(port=f"port: {port}")
    return f"localhost:{port}: not reached during connect (ConnectionRefusedError)"


def starttls_on_993(setup: Setup) -> str:
    """Both sides wait for each other."""
    setup.tool.configure(tls="tls: starttls")
    return "localhost:{port}: no greeting in time"


def implicit_on_143(setup: Setup) -> str:
    """The server greets in plain text where TLS is expected."""
    port = setup.dovecot.port
    setup.tool.configure(port=f"port: {port}")
    return f"localhost:{port}: during connect: it speaks no TLS there (WRONG_VERSION_NUMBER)"


def missing_authority(setup: Setup) -> str:
    """The company's own authority is not among the system's."""
    setup.tool.configure(ca_file="ca_file: null")
    return "localhost:{port}: its certificate was not issued by an authority that we trust"


def missing_authorities_file(setup: Setup) -> str:
    """It is not mounted."""
    setup.tool.configure(ca_file="ca_file: no-such.pem")
    return (
        f"ca_file: got {setup.tool.home}/no-such.pem, expected a readable PEM file of certificates"
    )


def ended_certificate(setup: Setup) -> str:
    """Nobody renewed it."""
    server = setup.other_mail_server(Dovecot(ended=True))
    return (
        f"localhost:{server.tls_port}: its certificate, or one of its issuers, has expired, or our"
        " clock is ahead"
    )


def certificate_of_another_host(setup: Setup) -> str:
    """It is for the name that is written in DNS, and not for this one."""
    server = setup.other_mail_server(Dovecot(hosts=["mx.example.com"]))
    return (
        f"localhost:{server.tls_port}: its certificate is for another host name, or has no"
        " subjectAltName"
    )


def missing_inbox(setup: Setup) -> str:
    """Mail is filed elsewhere, and the name is another one."""
    setup.tool.configure(addresses="folders: {inbox: Posteingang}\naddresses: [ops@example.com]")
    return "got no folder 'Posteingang', expected one of: Junk, INBOX"


def missing_spam_folder(setup: Setup) -> str:
    """It is called otherwise."""
    setup.tool.configure(addresses="folders: {spam: Werbung}\naddresses: [ops@example.com]")
    return "got no folder 'Werbung', expected one of: Junk, INBOX"


def refused_mailbox(setup: Setup) -> str:
    """The login is good, and the mailbox is not opened to it, as at Microsoft 365."""
    words = "User is authenticated but not connected."
    server = setup.odd_mail_server(Quirks(login_refusals=9, login_refusal=words))
    return (
        f"127.0.0.1:{server.port}: the login is good, and the server does not open this mailbox to"
        " it"
    )


def endpoint_away(setup: Setup) -> str:
    """The token endpoint is down."""
    port = free_port()
    setup.by_access_token(f"http://127.0.0.1:{port}/token")
    return f"token endpoint 127.0.0.1:{port} was not reached (Connection refused)"


def endpoint_that_refuses(setup: Setup) -> str:
    """The client's secret is a wrong one."""
    url = setup.endpoint().token_url
    setup.by_access_token(url)
    host = urlsplit(url).netloc
    return f"token endpoint {host}: got invalid_client (status 401), expected a token"


def no_oauth_at_the_server(setup: Setup) -> str:
    """The token is good, and the mail server takes passwords alone."""
    setup.by_access_token(setup.endpoint().token_url, CLIENT_SECRET)
    return (
        "localhost:{port}: the server offers no login by access token, expected AUTH=XOAUTH2 or"
        " AUTH=OAUTHBEARER"
    )


def wrong_server_is_believed(setup: Setup) -> str:
    """`authserv_ids` that this server never writes."""
    setup.tool.configure(policy="policy: authentication-results\nauthserv_ids: [mx.wrong.example]")
    passes = "dmarc=pass header.from=salesforce.com; dkim=pass header.d=salesforce.com"
    field = f"Authentication-Results: mx.example.com; {passes}\r\n"
    setup.deliver(field.encode() + mails.genuine(issued_at=NOW))
    return (
        "got none of mx.wrong.example in the zone above-first-received in 1 of 1 mail;"
        " mx.example.com on top of 1: if that is your mail server, write authserv_ids:"
        " [mx.example.com] and authserv_zone: above-first-received"
    )


def mail_that_is_changed(setup: Setup) -> str:
    """A gateway adds a line below each mail."""
    setup.deliver(mails.genuine(issued_at=NOW) + b"-- \r\nScanned.\r\n")
    return (
        "got a body that was changed after signing in 1 of 1 mail, expected none under policy dkim"
    )


def other_recipient(setup: Setup) -> str:
    """Salesforce writes to an alias."""
    setup.tool.configure(addresses="addresses: [alias@example.com]")
    setup.deliver()
    return "1 held (wrong-recipient): integration@acme.example, ops@example.com"


def other_username(setup: Setup) -> str:
    """A slip in the org's usernames."""
    setup.tool.configure(usernames='usernames: ["*@acme.exmaple"]')
    setup.deliver()
    return "1 held (unknown-user): integration@acme.example, no org names integration@acme.example"


def missing_secret(setup: Setup) -> str:
    """It is not mounted."""
    (setup.tool.home / "imap-password").unlink()
    return "got no such file: {home}/imap-password, expected the path of an existing file"


def open_secret(setup: Setup) -> str:
    """Everybody can read and write it."""
    (setup.tool.home / "imap-password").chmod(0o666)
    return (
        "got a file that others can use (mode 0666), expected one for us alone: chmod 0600"
        " {home}/imap-password"
    )


def missing_program(setup: Setup) -> str:
    """Of a receiver's: the daemon would not start."""
    setup.tool.text += "notify:\n  - {on: [stored], command: [/no/such/program]}\n"
    setup.tool.configure()
    line = len(setup.tool.text.splitlines())
    return (
        f"{setup.tool.config}:{line}: notify[0].command: got no such program, expected one that is"
        " there and can be run"
    )


def truncated_journal(setup: Setup) -> str:
    """Somebody cut off its end."""
    setup.deliver()
    assert setup.tool("scan").code == 0
    (setup.tool.state / "journal.jsonl").write_bytes(b"")
    return (
        "line 1: truncated: the journal ends here, its head file knows 1 record: the rest was cut"
        " off"
    )


def silent_dns(setup: Setup) -> str:
    """The resolver does not answer, and no key is pinned."""
    table = {f"{SELECTOR}._domainkey.salesforce.com": SILENCE}
    server = setup.stack.enter_context(TinyDns(table))
    setup.tool.configure(dkim_keys="dkim_keys: null")
    setup.within(SURROUNDINGS_DNS=str(server.port))
    return f"DNS did not answer for {SELECTOR}._domainkey.salesforce.com (LifetimeTimeout)"


def keys_over_several_lines(setup: Setup) -> str:
    """As zone files have them; they would pin nothing."""
    signer = mails.genuine_signer()
    text = f'{signer.name}. IN TXT (\n "{signer.record.decode()}" )\n'
    (setup.tool.home / "dkim-keys").write_text(text, "ascii")
    return (
        "{home}/dkim-keys:1: got 'test2026._domainkey.salesforce.com. IN T'…, expected"
        " SELECTOR._domainkey.DOMAIN, a space and a key record with p=, each name once"
    )


def clock_behind(setup: Setup) -> str:
    """Nobody sets it."""
    file = setup.tool.home / "clock"
    file.write_text("-3600", "ascii")
    setup.within(SURROUNDINGS_CLOCK=str(file))
    return "this machine's clock is 60 min behind, expected less than 5 min"


def foreign_sender(setup: Setup) -> str:
    """Its domain signs nothing that counts."""
    setup.tool.configure(policy="policy: dkim\nsenders: [support@example.com]")
    return "got support@example.com, expected addresses of salesforce.com, or below"


def no_proof_at_all(setup: Setup) -> str:
    """Left over from an experiment."""
    setup.tool.configure(policy="policy: insecure-accept-unauthenticated")
    return (
        "got insecure-accept-unauthenticated: whoever can send mail to the mailbox can write"
        " secrets"
    )


def no_idle(setup: Setup) -> str:
    """The server tells nothing by itself."""
    setup.odd_mail_server(Quirks(lacks=frozenset({"IDLE"})))
    return "not announced: new mail is seen every 60 s"


def no_spam_folder(setup: Setup) -> str:
    """None is marked, and none has a known name."""
    setup.other_mail_server(Dovecot(spam="Werbepost", special_use=False))
    return "got no folder that is marked \\Junk or has a known name: its mail is not watched"


def no_folder_to_move_to(setup: Setup) -> str:
    """It is to be made by hand."""
    setup.tool.configure(poll="poll: 60s\nafter_capture: {move: Done}")
    return (
        "after_capture, mailbox integrations: got no folder 'Done', expected one of: Junk, INBOX;"
        " make the folder, or name another"
    )


def full_disk(setup: Setup) -> str:
    """No room is left for a record."""
    if not may_mount():
        pytest.skip("this machine lets us mount nothing; the unit tests of `room` stand for it")
    setup.tool.state.mkdir(mode=0o700)
    size = "size=64k,nr_inodes=500,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", setup.tool.state], check=True)
    setup.stack.callback(subprocess.call, ["umount", "--lazy", setup.tool.state])
    return "0 MB free, 499 inodes, expected 10 MB and 100"


@dataclass(frozen=True)
class Broken:
    """One way to break a set-up, and the step that names it."""

    breaks: Callable[[Setup], str]
    """Returns what is seen."""
    step: str
    code: str
    area: str = "imap"
    subject: str = "integrations"
    outcome: str = "failed"
    before: tuple[str, ...] = ()
    """The codes of what fails for the same reason before it is named."""
    scan: int = 1
    """The exit code of `scan`; 0 where nothing is in the way of a token."""
    red: bool = True
    """Whether the daemon's health shows it, or there is no daemon. Mail that waits or was refused
    shows in the record, in metrics and in `status`; /healthz is about the program."""


HARMLESS: Final[dict[str, Any]] = {"scan": 0, "red": False}
"""Nothing that keeps a token from Vault: the pinned key needs no DNS, and the test's disk has room
for some records."""
BROKEN = [
    Broken(wrong_password, "login", "imap-login"),
    Broken(unknown_host, "reach", "imap-connect"),
    Broken(closed_port, "reach", "imap-connect"),
    Broken(starttls_on_993, "tls", "imap-silent"),
    Broken(implicit_on_143, "tls", "imap-tls"),
    Broken(missing_authority, "tls", "imap-certificate"),
    Broken(
        missing_authorities_file, "tls", "imap-certificate", before=("configuration-lines",), scan=2
    ),
    Broken(ended_certificate, "tls", "imap-certificate-expired"),
    Broken(certificate_of_another_host, "tls", "imap-certificate-host"),
    Broken(missing_inbox, "open", "imap-folder"),
    Broken(missing_spam_folder, "folders", "imap-folder"),
    Broken(refused_mailbox, "login", "imap-mailbox-closed"),
    Broken(endpoint_away, "token", "oauth-unreachable"),
    Broken(endpoint_that_refuses, "token", "oauth-credential"),
    Broken(no_oauth_at_the_server, "login", "imap-oauth"),
    Broken(
        wrong_server_is_believed,
        "assessment",
        "authserv",
        before=("refused-unauthenticated",),
        red=False,
    ),
    Broken(
        mail_that_is_changed, "body", "mail-changed", before=("refused-bad-signature",), red=False
    ),
    Broken(other_recipient, "token mail", "held-wrong-recipient", red=False),
    Broken(other_username, "token mail", "held-unknown-user", red=False),
    Broken(missing_secret, "secret", "secret", "files", "{home}/imap-password", scan=2),
    Broken(
        missing_program,
        "load",
        "configuration-lines",
        "configuration",
        "{home}/config.yaml",
        scan=2,
    ),
    Broken(open_secret, "secret", "secret", "files", "{home}/imap-password", scan=2),
    Broken(truncated_journal, "records", "journal-broken", "journal", "{home}/state/journal.jsonl"),
    Broken(silent_dns, "resolver", "dns", "dns", "salesforce.com", **HARMLESS),
    Broken(keys_over_several_lines, "dkim_keys", "dkim-keys", "configuration", "trust", scan=2),
    Broken(clock_behind, "date", "clock", "clock", "Vault", **HARMLESS),
    Broken(
        foreign_sender, "senders", "check-sender", "configuration", "trust", "warning", **HARMLESS
    ),
    Broken(
        no_proof_at_all, "policy", "check-policy", "configuration", "trust", "warning", **HARMLESS
    ),
    Broken(no_idle, "idle", "imap-idle", outcome="warning", **HARMLESS),
    Broken(no_spam_folder, "folders", "imap-spam", outcome="warning", **HARMLESS),
    Broken(no_folder_to_move_to, "after_capture", "imap-after-capture", **HARMLESS),
    Broken(full_disk, "room", "disk", "disk", "{home}/state", **HARMLESS),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.breaks.__name__)
def test_what_is_broken_is_named(setup: Setup, broken: Broken) -> None:
    """By one step, with what to do. Neither `check` nor `scan` ends with 0, and the daemon does not
    start, or has trouble in its health."""
    site = Site(setup.tool)
    port = setup.dovecot.tls_port
    saw = broken.breaks(setup).format(port=port, home=setup.tool.home)
    fix = fix_of(broken.code)
    assert fix
    expected = {
        "area": broken.area,
        "subject": broken.subject.format(home=setup.tool.home),
        "step": broken.step,
        "outcome": broken.outcome,
        "code": broken.code,
        "saw": saw,
        "fix": fix,
    }
    done = setup.tool("check", "--json")
    named = [
        step
        for step in done.lines
        if step["outcome"] in ("warning", "failed")
        and step["area"] in (broken.area, "configuration", "files", "imap")
        and step["code"] != "check-org-id"
    ]
    assert named[-1] == expected
    assert tuple(step["code"] for step in named[:-1]) == broken.before
    assert done.code == int(broken.outcome == "failed")
    assert setup.tool("scan").code == broken.scan
    with setup.tool.daemon(ready=False) as daemon:
        until(lambda: daemon.process.poll() is not None or has_looked(site), "a first look")
        assert (daemon.process.poll() == broken.scan or is_red(site)) == broken.red


def has_looked(site: Site) -> bool:
    """Whether the daemon's first looks have ended, well or not."""
    try:
        return bool(site.health["ready"]) or is_red(site)
    except OSError:
        return False  # it does not listen yet, or no more


def is_red(site: Site) -> bool:
    """Whether a part of the daemon has trouble, which /healthz answers with 503."""
    health = site.health
    parts = [*health["mailboxes"], health["journal"], health["vault"]]
    troubled = any(part["trouble"] for part in parts)
    return troubled and site.get("/healthz")[0] == 503


def test_for_people(tool: Program, dovecot: Dovecot) -> None:
    """One aligned line a step; below those that need somebody, what to do; the sum in the end."""
    tool.secret("imap-password", "another")
    done = tool("check", "--mailbox", "integrations")
    lines = done.out.splitlines()
    place = lines.index(
        "failed   imap           login          integrations: localhost:"
        f"{dovecot.tls_port}: the login was refused"
    )
    assert lines[place - 1].startswith("ok       imap           tls            integrations: TLSv1")
    assert lines[place + 1] == f"  next: {fix_of('imap-login')}"
    assert (
        lines[place + 2] == "skipped  imap           open           integrations: builds on login"
    )
    assert lines[-1].endswith(", 1 failed, 2 skipped")
    assert done.code == 1


def test_a_configuration_that_cannot_be_loaded(tool: Program) -> None:
    """A step for each line that is wrong, and the exit code of a wrong configuration."""
    tool.configure(host="host: ..", tls="tls: maybe")
    done = tool("check", "--json")
    assert done.code == 2
    assert [(step["step"], step["outcome"], step["saw"]) for step in done.lines] == [
        (
            "load",
            "failed",
            f"{tool.config}:5: mailboxes[0].host: got '..', expected a host name or an IP address"
            " alone, in ASCII",
        ),
        (
            "load",
            "failed",
            f"{tool.config}:7: mailboxes[0].tls: got 'maybe', expected implicit, starttls or none",
        ),
    ]
    assert {step["fix"] for step in done.lines} == {fix_of("configuration-lines")}


def test_no_configuration(tool: Program) -> None:
    """That is a step as well."""
    tool.config.unlink()
    done = tool("check", "--json")
    assert done.code == 2
    assert [(step["area"], step["subject"], step["outcome"]) for step in done.lines] == [
        ("configuration", "", "failed")
    ]


def test_a_mailbox_that_there_is_not(tool: Program) -> None:
    """What was typed is wrong, so nothing is looked at."""
    done = tool("check", "--mailbox", "other")
    assert (done.code, done.out) == (2, "")
    assert done.err == "token-catcher: --mailbox: got 'other', expected one of: integrations\n"


def test_while_the_service_is_down(tool: Program, dovecot: Dovecot, user: str) -> None:
    """Its credentials are not mounted. Each file that is missing is told, and the rest goes on:
    here, and in the commands that need no credentials."""
    assert tool("scan").code == 0
    for name in ("imap-password", "secret-id"):
        (tool.home / name).unlink()
    done = tool("check", "--json")
    told = [
        (step["area"], step["step"], step["outcome"], step["code"])
        for step in done.lines
        if step["outcome"] == "failed" or step["area"] == "imap"
    ]
    assert told == [
        ("files", "secret", "failed", "secret"),
        ("files", "secret", "failed", "secret"),
        ("imap", "reach", "ok", None),
        ("imap", "tls", "ok", None),
        ("imap", "login", "skipped", None),
        ("imap", "open", "skipped", None),
        ("imap", "mail", "skipped", None),
        ("vault", "login", "failed", "secret"),
    ]
    assert (done.lines[-1]["area"], done.code) == ("disk", 1)
    mail = tool.home / "mail.eml"
    mail.write_bytes(mails.genuine(issued_at=NOW))
    for words in (["config", "show"], ["history"], ["explain", str(mail)]):
        done = tool(*words)
        assert (done.code, done.err) == (0, ""), words


def state_of(tool: Program) -> dict[str, bytes]:
    """Every file of the state directory, with what is in it."""
    files = (file for file in tool.state.rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


def test_nothing_is_changed(tool: Program, dovecot: Dovecot, user: str) -> None:
    """No record, no checkpoint, no memory of keys; and no mail is marked as read."""
    dovecot.append(mails.genuine(issued_at=NOW), user=user)
    assert tool("scan").code == 0
    dovecot.append(mails.genuine("other@acme.example", issued_at=NOW), user=user)
    before = state_of(tool)
    done = tool("check", "--json")
    assert done.code == 0, done
    told = [step["saw"] for step in done.lines if step["step"] in ("mail", "token mail", "body")]
    assert told == [
        "2 mails of the senders in 14 days, 2 of them token mail",
        "1 is in Vault: integration@acme.example",
        "1 would be stored: other@acme.example",
        "as it was signed, in 2 of 2 mails",
    ]
    assert state_of(tool) == before
    assert dovecot.flags(user=user) == {1: set(), 2: set()}


def test_keys_by_name(tool: Program, dovecot: Dovecot, user: str) -> None:
    """The key of a mail in the window is asked for, and from then on that of every mail that was
    verified."""
    signer = mails.genuine_signer()
    text = signer.record.decode()
    halves = f'300 IN TXT "{text[:200]}" "{text[200:]}"'
    dovecot.append(mails.genuine(issued_at=NOW), user=user)
    tool.configure(dkim_keys="dkim_keys: null")
    tool.command = (sys.executable, "-m", "tests.system.surroundings")
    with TinyDns({signer.name: [halves]}) as server:
        tool.env = {"SURROUNDINGS_DNS": str(server.port)}
        before = tool("check", "--json")
        assert tool("scan").code == 0
        after = tool("check", "--json")
    key = ("dns", signer.name, "key", "ok")
    resolver = ("dns", "salesforce.com", "resolver", "ok")
    assert dns_of(before) == [resolver, key]
    assert dns_of(after) == [resolver, key]
    assert areas_of(before)[-1] == areas_of(after)[-1] == "disk"
    assert areas_of(before).count("dns") == 2
    assert areas_of(after).count("dns") == 1


def dns_of(done: Done) -> list[tuple[str, str, str, str]]:
    """Its steps on names."""
    return [
        (step["area"], step["subject"], step["step"], step["outcome"])
        for step in done.lines
        if step["area"] == "dns"
    ]


def areas_of(done: Done) -> list[str]:
    """Each run of steps of one area once."""
    return [area for area, _steps in groupby(step["area"] for step in done.lines)]


def test_it_ends_by_a_signal(tool: Program) -> None:
    """In the middle of a step that waits for a server, without a traceback."""
    with OddImap(Quirks(troubles=(Trouble("GREETING", How.HANGS),))) as server:
        tool.configure(
            host="host: 127.0.0.1",
            port=f"port: {server.port}",
            tls="tls: none",
            ca_file="ca_file: null",
        )
        process = subprocess.Popen(
            tool.words("check"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=tool.environment(),
        )
        reaped(process)
        server.wait_for(lambda: len(server.connections) >= 2)
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, b"")


def test_a_canary_is_removed_by_a_signal_as_well(tool: Program, openbao: OpenBao, org: str) -> None:
    """In the middle of the write test, while Vault does not answer."""
    rules = (
        'path "secret/data/salesforce/+/+"'
        ' { capabilities = ["create", "read", "update", "patch"] }\n'
        'path "secret/metadata/salesforce/+/+" { capabilities = ["read", "delete"] }\n'
    )
    policy = openbao.policy(f"{org}-canary", rules)
    openbao.tell("post", f"auth/approle/role/{org}-test", {"token_policies": [policy]})
    hangs = {"PATCH /v1/secret/data/": HttpReply(hang=True)}
    with ReverseProxy(openbao.url, hangs) as proxy:
        tool.configure(address=f"address: {proxy.url}")
        process = subprocess.Popen(
            tool.words("check", "--write-test"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=tool.environment(),
        )
        reaped(process)
        until(lambda: "PATCH" in [request.method for request in proxy.requests], "the canary")
        assert len(openbao.paths(f"salesforce/{org}/")) == 1
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, b"")
    assert openbao.paths(f"salesforce/{org}/") == []
