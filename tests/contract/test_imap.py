"""The mailbox adapter against Dovecot.

Which folders, which certificate, which errors, and what it leaves untouched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.contract.imap import (
    CANARY,
    PASSWORD,
    account,
    dovecot_account,
    port_for,
    refusal,
    secret,
    session,
)
from tests.kit import mails
from tests.kit.fakes import Silent
from tests.kit.proxy import TcpProxy
from tests.kit.servers import Dovecot, free_port
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.imap import Account, ImapMailbox, tls_context
from token_catcher.imap import connection as connection_module
from token_catcher.imap import login as login_module
from token_catcher.model import MailRef

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(days=14)
MAIL = mails.token_mail()


@contextmanager
def opened(
    dovecot: Dovecot, user: str, *, log: Silent | None = None, **changed: Any
) -> Iterator[ImapMailbox]:
    """The user's mailbox over implicit TLS."""
    with session(
        dovecot_account(dovecot, user, **changed), ca_file=str(dovecot.ca_file), log=log
    ) as mailbox:
        yield mailbox


@contextmanager
def proxied(dovecot: Dovecot, user: str, **options: Any) -> Iterator[tuple[ImapMailbox, TcpProxy]]:
    """The same in plain text, through a proxy that sees every command."""
    with (
        TcpProxy(dovecot.port, **options) as proxy,
        session(dovecot_account(dovecot, user, tls="none", port=proxy.port)) as mailbox,
    ):
        yield mailbox, proxy


# -- folders --


@pytest.mark.servers
def test_the_spam_folder_is_found_by_its_special_use() -> None:
    """Whatever it is called, in modified UTF-7 on the wire; the name alone is not enough."""
    with Dovecot(spam="Müll & \\Co") as server:
        server.create("Junk")
        server.append(MAIL, "Müll & \\Co")
        with opened(server, server.username) as mailbox:
            assert mailbox.folders() == ["INBOX", "Müll & \\Co"]
            assert mailbox.examine("Müll & \\Co").exists == 1


@pytest.mark.servers
@pytest.mark.parametrize(
    "name", ["Junk E-mail", "SPAM", "迷惑メール", "Courrier indésirable", "INBOX/Junk"]
)
def test_the_spam_folder_is_found_by_a_known_name(name: str) -> None:
    """A server without special use; in any case, below the inbox too."""
    with Dovecot(spam=None) as server:
        server.create(name)
        server.create("Archive/Junk")
        server.append(MAIL, name)
        with opened(server, server.username) as mailbox:
            assert mailbox.folders() == ["INBOX", name]
            state = mailbox.examine(name)
            (mail,) = mailbox.fetch(mailbox.search(0, SINCE) or [])
    assert (mail.ref, mail.raw) == (MailRef("integrations", name, state.uidvalidity, 1), MAIL)


@pytest.mark.servers
def test_no_spam_folder_is_said_once_a_session() -> None:
    """The inbox is watched alone, and the operator is told; not at every sweep."""
    log = Silent()
    with Dovecot(spam=None) as server, opened(server, server.username, log=log) as mailbox:
        assert mailbox.folders() == ["INBOX"]
        assert mailbox.folders() == ["INBOX"]
    assert log.events == [("mailbox.spam_folders", {"mailbox": "integrations", "watched": []})]


@pytest.mark.servers
def test_several_spam_folders_are_all_watched() -> None:
    """And the operator is told, once."""
    log = Silent()
    with Dovecot(spam="Junk", special_use=False) as server:
        server.create("Spam")
        with opened(server, server.username, log=log) as mailbox:
            folders = mailbox.folders()
    assert (folders[0], sorted(folders[1:])) == ("INBOX", ["Junk", "Spam"])
    assert log.events == [
        ("mailbox.spam_folders", {"mailbox": "integrations", "watched": folders[1:]})
    ]


@pytest.mark.parametrize("name", ['a "b" \\c', "R&D", "2024", "Ünïcödé 日本", "with/slash"])
def test_a_configured_folder_is_found_by_its_name(dovecot: Dovecot, user: str, name: str) -> None:
    """Spaces, quotes, backslashes, ampersands, digits, other alphabets."""
    dovecot.create(name, user)
    dovecot.append(MAIL, name, user)
    with opened(dovecot, user, spam=name, inbox="inbox") as mailbox:
        assert mailbox.folders() == ["INBOX", name]
        assert mailbox.examine(name).exists == 1


def test_without_a_spam_folder_only_the_inbox_is_watched(dovecot: Dovecot, user: str) -> None:
    """`spam: null`."""
    with opened(dovecot, user, spam=None) as mailbox:
        assert mailbox.folders() == ["INBOX"]


def test_a_missing_folder_is_told_with_those_there_are(dovecot: Dovecot, user: str) -> None:
    """What was got, and what could have been meant.

    When it is opened, so that the inbox is looked at all the same."""
    with opened(dovecot, user, spam="Bin") as mailbox:
        assert mailbox.folders() == ["INBOX", "Bin"]
        with pytest.raises(AccessError) as caught:
            mailbox.examine("Bin")
    assert refusal(caught) == (AccessError, "imap-folder")
    assert (
        str(caught.value)
        == "mailbox integrations: got no folder 'Bin', expected one of: Junk, INBOX"
    )


def test_further_folders_come_after_inbox_and_spam(dovecot: Dovecot, user: str) -> None:
    """In the order of the configuration, each once, whatever the server marks as spam."""
    for name in ("Filed", "Alerts/Salesforce"):
        dovecot.create(name, user)
    also = ("Filed", "Junk", "Alerts/Salesforce", "Inbox")
    with opened(dovecot, user, also=also) as mailbox:
        assert mailbox.folders() == ["INBOX", "Junk", "Filed", "Alerts/Salesforce"]


def test_a_further_folder_that_is_missing_costs_the_others_nothing(
    dovecot: Dovecot, user: str
) -> None:
    """It is told when it is opened, at each full look."""
    dovecot.create("Filed", user)
    with opened(dovecot, user, also=("Gone", "Filed")) as mailbox:
        for _look in range(2):
            assert mailbox.folders() == ["INBOX", "Junk", "Gone", "Filed"]
            with pytest.raises(AccessError, match="got no folder 'Gone'"):
                mailbox.examine("Gone")
            assert mailbox.examine("Filed").name == "Filed"


def test_a_new_uidvalidity_is_seen(dovecot: Dovecot, user: str) -> None:
    """As after a restored backup."""
    dovecot.append(MAIL, user=user)
    with opened(dovecot, user) as mailbox:
        before = mailbox.examine("INBOX")
    dovecot.change_uidvalidity(user=user)
    with opened(dovecot, user) as mailbox:
        assert mailbox.examine("INBOX").uidvalidity > before.uidvalidity


# -- nothing disturbed, nothing leaked, nothing wasted --


def test_flags_stay_as_they_are(dovecot: Dovecot, user: str) -> None:
    """\\Seen is neither set nor taken away, whatever is read."""
    dovecot.append(MAIL, user=user)
    dovecot.append(MAIL, user=user, flags=r"(\Seen \Flagged)")
    with opened(dovecot, user) as mailbox:
        mailbox.examine("INBOX")
        assert len(mailbox.fetch(mailbox.search(0, SINCE) or [])) == 2
    assert dovecot.flags(user=user) == {1: set(), 2: {"\\Seen", "\\Flagged"}}


def test_internaldate_is_told_in_utc(dovecot: Dovecot, user: str) -> None:
    """Whatever zone the server writes it in."""
    with dovecot.session(user) as client:
        client.append("INBOX", "", '"03-Feb-2026 21:57:27 +0900"', MAIL)
    with opened(dovecot, user) as mailbox:
        mailbox.examine("INBOX")
        (mail,) = mailbox.fetch([1])
    assert (mail.received_at, mail.received_at.tzinfo) == (
        datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC),
        UTC,
    )


def test_nothing_of_a_mail_or_a_login_is_logged(
    dovecot: Dovecot, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, imapclient would log both."""
    dovecot.append(MAIL, user=user)
    dovecot.set_password(PASSWORD, user)
    with (
        caplog.at_level(logging.DEBUG),
        opened(dovecot, user, password=CANARY) as mailbox,
    ):
        mailbox.examine("INBOX")
        assert len(mailbox.fetch(mailbox.search(0, SINCE) or [])) == 1
    assert mails.TOKEN.encode() in MAIL
    for text in (mails.TOKEN, PASSWORD, "Security token"):
        assert text not in caplog.text


def test_new_mail_takes_two_commands_after_examine(dovecot: Dovecot, user: str) -> None:
    """Whatever the mailbox's size; the login before it costs a handful."""
    for _ in range(3):
        dovecot.append(MAIL, user=user)
    with proxied(dovecot, user) as (mailbox, proxy):
        before = len(proxy.commands)
        assert before <= 4
        mailbox.examine("INBOX")
        (heading,) = mailbox.headings((3, 3))
        assert len(mailbox.fetch([heading.uid])) == 1
        assert proxy.commands[before:] == ["EXAMINE", "UID FETCH", "UID FETCH"]


def test_what_is_asked_for_is_bounded(dovecot: Dovecot, user: str) -> None:
    """One FETCH for a batch, peeking, and no more of a body than the limit."""
    for _ in range(3):
        dovecot.append(MAIL, user=user)
    with proxied(dovecot, user) as (mailbox, proxy):
        mailbox.examine("INBOX")
        mailbox.fetch([1, 2, 3])
        assert proxy.commands[-1] == "UID FETCH"
        assert b"UID FETCH 1,2,3 (INTERNALDATE BODY.PEEK[]<0.262145>)\r\n" in proxy.up


# -- who is on the other side --


def failure(target: Account, ca_file: str | None = None) -> tuple[type[TokenCatcherError], str]:
    """How logging in fails."""
    with pytest.raises(TokenCatcherError) as caught, session(target, ca_file=ca_file):
        pytest.fail("logged in")
    return refusal(caught)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_wrong_password_is_refused(dovecot: Dovecot, user: str, tls: str) -> None:
    """AccessError, and the password is not shown."""
    target = dovecot_account(dovecot, user, tls=tls, password=CANARY)
    assert failure(target, str(dovecot.ca_file)) == (AccessError, "imap-login")


@pytest.mark.parametrize("password", ["pässwörd-日本", 'quo"te\\d', "with space", "(%*{5}"])
def test_every_password_can_be_sent(dovecot: Dovecot, user: str, password: str) -> None:
    """LOGIN for ASCII, quoted; AUTHENTICATE PLAIN for everything else."""
    dovecot.user(user, password)
    with opened(dovecot, user, password=secret(password)) as mailbox:
        assert mailbox.folders() == ["INBOX", "Junk"]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    dovecot: Dovecot, user: str, tls: str, tmp_path: Path
) -> None:
    """Not of the system's, nor of the given file's: AccessError before any password is sent."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    target = dovecot_account(dovecot, user, tls=tls)
    assert failure(target) == (AccessError, "imap-certificate")
    assert failure(target, str(tmp_path / "other.pem")) == (AccessError, "imap-certificate")


@pytest.mark.servers
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_for_another_host_is_refused(tls: str) -> None:
    """By name and by address, whoever issued it."""
    with Dovecot(hosts=("imap.example.com",)) as server:
        for host in ("localhost", "127.0.0.1"):
            target = account(host, port_for(server, tls), tls=tls)
            assert failure(target, str(server.ca_file)) == (AccessError, "imap-certificate-host")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_is_none_is_told(tmp_path: Path, content: str | None) -> None:
    """Missing, or holding something else."""
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(AccessError, match="ca_file: got ") as caught:
        tls_context(str(file))
    assert caught.value.code == "imap-certificate"


def test_implicit_tls_to_a_plain_port_is_an_outage_with_a_hint(dovecot: Dovecot, user: str) -> None:
    """OpenSSL's reason is a word of its own, and shown."""
    target = dovecot_account(dovecot, user, port=dovecot.port)
    with pytest.raises(
        Outage, match=r"during connect: it speaks no TLS there \(WRONG_VERSION_NUMBER\)"
    ) as caught:
        ImapMailbox(target, tls_context(str(dovecot.ca_file)), Silent())
    assert refusal(caught) == (Outage, "imap-tls")


def test_plain_text_is_for_loopback_only() -> None:
    """Refused before anything is sent."""
    assert failure(account("imap.example.com", 143)) == (AccessError, "imap-tls")
    assert failure(account("192.0.2.1", 143)) == (AccessError, "imap-tls")


def test_an_unknown_host_is_an_outage() -> None:
    """DNS may come back."""
    assert failure(account("no-such-host.invalid", 993, tls="implicit")) == (Outage, "imap-connect")


def test_nobody_at_the_port_is_an_outage() -> None:
    """Connection refused."""
    assert failure(account("127.0.0.1", free_port())) == (Outage, "imap-connect")


# -- connections that break --


def test_a_connection_cut_in_the_middle_of_a_mail_is_an_outage(dovecot: Dovecot, user: str) -> None:
    """Half a body is no mail; the next session gets the whole."""
    dovecot.append(MAIL, user=user)
    with proxied(dovecot, user) as (mailbox, proxy):
        mailbox.examine("INBOX")
        proxy.cut_after(200)
        with pytest.raises(Outage) as caught:
            mailbox.fetch([1])
        assert refusal(caught, mails.TOKEN)[1] in ("imap-connection", "imap-connect")
    with proxied(dovecot, user) as (mailbox, _):
        mailbox.examine("INBOX")
        assert [mail.raw for mail in mailbox.fetch([1])] == [MAIL]


def test_a_connection_cut_during_login_is_an_outage(dovecot: Dovecot, user: str) -> None:
    """imapclient calls it a LoginError; it says nothing of the password."""
    with TcpProxy(dovecot.port) as proxy:

        def cut_at_login(data: bytes) -> None:
            if b" LOGIN " in data:
                proxy.cut_after(0)

        proxy.on_up = cut_at_login
        target = dovecot_account(dovecot, user, tls="none", port=proxy.port)
        assert failure(target)[0] is Outage


def test_a_server_that_stops_answering_is_an_outage(
    own_dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen, connections open: every wait has its time-out, closing included."""
    monkeypatch.setattr(login_module, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(login_module, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(connection_module, "LOGOUT_TIMEOUT", 0.3)
    with opened(own_dovecot, user) as mailbox:
        mailbox.examine("INBOX")
        own_dovecot.freeze()
        with pytest.raises(Outage) as caught:
            mailbox.search(0, SINCE)
        assert refusal(caught) == (Outage, "imap-connection")
        assert failure(dovecot_account(own_dovecot, user), str(own_dovecot.ca_file))[0] is Outage
    own_dovecot.thaw()
    with opened(own_dovecot, user) as mailbox:
        assert mailbox.examine("INBOX").exists == 0


def test_a_server_that_restarts_is_an_outage_for_a_while(own_dovecot: Dovecot, user: str) -> None:
    """The old session is over, a new one works."""
    with opened(own_dovecot, user) as mailbox:
        mailbox.examine("INBOX")
        own_dovecot.restart()
        with pytest.raises(Outage):
            mailbox.search(0, SINCE)
    with opened(own_dovecot, user) as again:
        assert again.examine("INBOX").exists == 0
