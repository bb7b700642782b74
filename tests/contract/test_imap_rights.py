"""What an account may do in a folder, on a real Dovecot with ACL, and by odd answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.scripted import BAD, DONE, NO, Script, opened
from tests.contract.test_imap_changes import LISTED, offering
from tests.kit.fakes import Silent, utc_now
from tests.kit.servers import Dovecot
from tests.unit.config.texts import changed, load, write_secret
from token_catcher.app import App
from token_catcher.diagnosis.mail_server import MailServer
from token_catcher.diagnosis.step import Step
from token_catcher.errors import NotApplied
from token_catcher.logins import entrance_of
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo

ALL = "lrwstipekxa"
RIGHTS = {
    "Junk": ALL,
    "INBOX": "lrwst",  # no mail can be removed, nor put there
    "Done": "lr",
    "Open": ALL,
}
"""By folder: of the owner of every mailbox."""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """A server that tells of rights."""
    with Dovecot(acl=RIGHTS) as server:
        for folder in ("Done", "Open"):
            server.create(folder)
        yield server


def after_capture_step(server: Dovecot, home: Path, action: str) -> Step:
    """The last step of a mailbox there."""
    write_secret(home / "imap-password", server.password)
    more = f"    port: {server.port}\n    tls: none\n    after_capture: {action}\n"
    text = changed("    host: imap.example.com\n", f"    host: 127.0.0.1\n{more}")
    text = text.replace("username: sf@example.com", f"username: {server.username}")
    app = App(load(home, text), Silent(), writing=False)
    mailbox = app.config.mailboxes[0]
    entrance = entrance_of(mailbox, Silent())
    account = app.account(mailbox, entrance.login)
    context = app.context(mailbox)
    with closing(
        MailServer(mailbox, account, entrance, context, now=utc_now, log=Silent())
    ) as under_test:
        return list(under_test.steps())[-1]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("action", "lacks"),
    [
        ("seen", None),
        ("{flag: Captured}", None),
        ("delete", "the account lacks the rights e (RFC 4314) in folder 'INBOX'"),
        ("{move: Open}", "the account lacks the rights e (RFC 4314) in folder 'INBOX'"),
        ("{move: Missing}", "after_capture, mailbox integrations: got no folder 'Missing'"),
    ],
)
def test_rights_are_told_before_there_is_a_mail(
    dovecot: Dovecot, tmp_path: Path, action: str, lacks: str | None
) -> None:
    """By the letters of RFC 4314; nothing is changed, not even a folder opened for writing."""
    step = after_capture_step(dovecot, tmp_path, action)
    assert step.step == "after_capture"
    if lacks is None:
        assert (step.outcome, step.saw) == ("ok", "the server has what it takes")
        return
    assert (step.outcome, step.code) == ("failed", "imap-after-capture")
    assert lacks in step.saw


def rights(line: bytes) -> Script:
    """A server that answers every MYRIGHTS with this."""
    return {"LOGIN": offering("UIDPLUS", "MOVE", "ACL"), "LIST": LISTED, "MYRIGHTS": line}


@pytest.mark.parametrize(
    ("action", "answer", "lacking"),
    [
        (AddFlag("\\Seen"), b"lrw", "s"),
        (AddFlag("\\Seen"), b"lrs", ""),
        (AddFlag("Captured"), b"lrs", "w"),
        (AddFlag("\\Deleted"), b"lrsw", "t"),
        (Delete(), b"lr", "et"),
        (Delete(), b"lrt", "e"),
        (Delete(), b"lrte", ""),
        (Delete(), b"lrd", ""),  # RFC 2086
        (Delete(), b"lrtd", "e"),  # RFC 4314, which has d beside the new ones
        (MoveTo("Done"), b"lrte", "i"),
        (MoveTo("Done"), b"lrtei", ""),
    ],
)
def test_what_each_action_needs(action: MailAction, answer: bytes, lacking: str) -> None:
    """For the mail's folder, and for the target of a move."""
    script = rights(b"* MYRIGHTS INBOX " + answer + b"\r\n" + DONE)
    with opened(script) as (mailbox, server):
        mailbox.folders()
        if not lacking:
            mailbox.expect_possible(action)
            return
        with pytest.raises(NotApplied, match=f"lacks the rights {lacking} ") as caught:
            mailbox.expect_possible(action)
    assert caught.value.code == "imap-apply-rights"
    assert [line for line in server.commands if line.startswith(("SELECT", "UID"))] == []


@pytest.mark.parametrize(
    "answer",
    [
        DONE,
        b"* MYRIGHTS\r\n" + DONE,
        b"* MYRIGHTS {5}\r\nINBOX lrte\r\n" + DONE,
        b'* MYRIGHTS "INBOX" "lrte"\r\n' + DONE,
        NO,
        BAD,
    ],
    ids=["nothing", "no rights", "a literal", "quoted", "no", "bad"],
)
def test_an_odd_answer_fails_nothing(answer: bytes) -> None:
    """What is not known is not missing."""
    with opened(rights(answer)) as (mailbox, _):
        mailbox.folders()
        mailbox.expect_possible(Delete())
