"""What is sent to change one mail, and what becomes of a server that does not do it.

Every command is asserted, from the login to the end: what is not in these lists was never sent.
"""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.contract.leaks import FOREIGN
from tests.contract.scripted import BAD, DONE, NO, Script, opened
from tests.contract.test_imap_oddities import fetched
from tests.kit import mails
from tests.kit.scripted import Reply, Talk
from token_catcher.errors import NotApplied, Outage
from token_catcher.imap.answers import message_id_of
from token_catcher.model import Mail, MailRef
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo

RAW: Final = mails.token_mail()
MAIL: Final = MailRef("integrations", "INBOX", 7, 11)
DIGEST: Final = Mail(MAIL, mails.ISSUED, RAW).digest
STATE: Final = b"* 5 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 20] x\r\n"
MESSAGE_ID: Final = re.findall(rb"(?m)^Message-ID: (<.*>)", RAW)[0].decode()
EXAMINED: Final = STATE + b"TAG OK [READ-ONLY] done\r\n"
SEEN: Final = AddFlag("\\Seen")
DONE_FOLDER: Final = MoveTo("Done")
FETCH: Final = "UID FETCH 11 (INTERNALDATE BODY.PEEK[]<0.262145>)"
LISTED: Final = (
    b'* LIST () "/" INBOX\r\n* LIST (\\Junk) "/" Junk\r\n* LIST () "/" Done\r\nTAG OK done\r\n'
)


LOOK: Final = ['EXAMINE "Done"', f'UID SEARCH UNDELETED HEADER MESSAGE-ID "{MESSAGE_ID}"']
"""How a copy is looked for, where a move takes several steps."""


def selected(flags: bytes | None = b"\\Seen \\Deleted \\*") -> bytes:
    """The answer to SELECT. `flags`: those that are kept; None: the server does not say."""
    answer = STATE
    if flags is not None:
        answer += b"* OK [PERMANENTFLAGS (" + flags + b")] x\r\n"
    return answer + b"TAG OK [READ-WRITE] done\r\n"


def offering(*capabilities: str) -> bytes:
    """The answer to LOGIN."""
    words = " ".join(("IMAP4rev1", *capabilities)).encode()
    return b"TAG OK [CAPABILITY " + words + b"] logged in\r\n"


WHOLE: Final[Script] = {
    "LOGIN": offering("MOVE", "UIDPLUS"),
    "LIST": LISTED,
    "EXAMINE": EXAMINED,
    "SELECT": selected(),
    "UID FETCH": fetched(11, RAW) + DONE,
    "UID SEARCH": b"* SEARCH\r\n" + DONE,
    "UID STORE": DONE,
    "UID COPY": DONE,
    "UID MOVE": b"* OK [COPYUID 9 11 1] x\r\n* 1 EXPUNGE\r\n" + DONE,
    "UID EXPUNGE": b"* 1 EXPUNGE\r\n" + DONE,
}
"""A server that does everything."""


def sent(action: MailAction, script: Script) -> list[str]:
    """What is sent to do this to the mail, behind the login."""
    with opened({**WHOLE, **script}) as (mailbox, server):
        before = len(server.commands)
        assert mailbox.apply(action, MAIL, DIGEST)
        return server.commands[before:]


def refusal(action: MailAction, script: Script) -> tuple[NotApplied, list[str]]:
    """Why it is not done to the mail, and what was sent until that was clear.

    The session is as good as before, and nothing that the server said is repeated."""
    with opened({**WHOLE, **script}) as (mailbox, server):
        before = len(server.commands)
        with pytest.raises(NotApplied) as caught:
            mailbox.apply(action, MAIL, DIGEST)
        commands = server.commands[before:]
        assert mailbox.examine("INBOX").uidvalidity == 7
    assert FOREIGN not in str(caught.value)
    return caught.value, commands


@pytest.mark.parametrize(
    ("action", "script", "expected"),
    [
        (SEEN, {}, ["UID STORE 11 +FLAGS.SILENT (\\Seen)"]),
        (AddFlag("$Label1"), {}, ["UID STORE 11 +FLAGS.SILENT ($Label1)"]),
        (
            Delete(),
            {},
            ["UID STORE 11 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 11"],
        ),
        (DONE_FOLDER, {}, ['UID MOVE 11 "Done"']),
        (
            DONE_FOLDER,
            {"LOGIN": offering("UIDPLUS")},
            [
                *LOOK,
                'SELECT "INBOX"',
                'UID COPY 11 "Done"',
                "UID STORE 11 +FLAGS.SILENT (\\Deleted)",
                "UID EXPUNGE 11",
            ],
        ),
    ],
    ids=["seen", "keyword", "delete", "move", "copy"],
)
def test_the_mail_is_compared_and_changed_by_its_uid_alone(
    action: MailAction, script: Script, expected: list[str]
) -> None:
    """Between SELECT and EXAMINE, and never with a bare EXPUNGE or CLOSE."""
    listing = ['LIST "" "*"'] if isinstance(action, MoveTo) else []
    assert sent(action, script) == [
        *listing,
        'SELECT "INBOX"',
        FETCH,
        *expected,
        'EXAMINE "INBOX"',
    ]


@pytest.mark.parametrize(
    ("action", "capabilities", "expected"),
    [
        (Delete(), ("MOVE",), "no UIDPLUS"),
        (DONE_FOLDER, (), "no MOVE or UIDPLUS"),
    ],
    ids=["delete", "move"],
)
def test_a_server_that_can_remove_no_single_mail_is_asked_for_nothing(
    action: MailAction, capabilities: tuple[str, ...], expected: str
) -> None:
    """A bare EXPUNGE would take other people's mail along; the message says what can be done."""
    error, commands = refusal(action, {"LOGIN": offering(*capabilities)})
    assert (error.code, error.final, commands) == ("imap-apply-lacks", False, [])
    assert expected in str(error)
    assert "set after_capture to seen" in str(error)


@pytest.mark.parametrize(
    ("action", "flags", "expected"),
    [
        (AddFlag("$Label1"), b"\\Seen \\Deleted", "$Label1, expected one of: \\Seen \\Deleted"),
        (AddFlag("\\Flagged"), b"\\Seen \\*", "\\Flagged, expected one of: \\Seen \\*"),
        (SEEN, b"", "\\Seen, expected one of: none"),
        (Delete(), b"\\Seen", "\\Deleted, expected one of: \\Seen"),
    ],
    ids=["keyword", "system flag", "none at all", "deleted"],
)
def test_a_flag_that_the_folder_does_not_keep_is_not_set(
    action: MailAction, flags: bytes, expected: str
) -> None:
    """It would be gone with the session (PERMANENTFLAGS, RFC 3501, section 7.1)."""
    error, commands = refusal(action, {"SELECT": selected(flags)})
    assert (error.code, commands[1:]) == ("imap-apply-flag", [FETCH, 'EXAMINE "INBOX"'])
    assert expected in str(error)


@pytest.mark.parametrize("flags", [b"\\Seen $label1", None], ids=["known", "not told"])
def test_a_keyword_that_the_folder_keeps_is_set(flags: bytes | None) -> None:
    """Without `\\*` where it has that keyword already, in any case; and where nothing is said."""
    commands = sent(AddFlag("$Label1"), {"SELECT": selected(flags)})
    assert "UID STORE 11 +FLAGS.SILENT ($Label1)" in commands


REMOVED: Final = ["UID STORE 11 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 11"]
COPIED: Final = ['UID COPY 11 "Done"', *REMOVED]


def after_the_look(raw: bytes, **script: Reply | list[Reply]) -> list[str]:
    """What is sent to a server without MOVE that has such a mail in the target."""
    in_target = fetched(3, b"From: a@b.example\r\n\r\n") + fetched(4, raw) + DONE
    commands = sent(
        DONE_FOLDER,
        {
            "LOGIN": offering("UIDPLUS"),
            "UID SEARCH": b"* SEARCH 4 3\r\n" + DONE,
            "UID FETCH": [fetched(11, RAW) + DONE, in_target],
            **script,
        },
    )
    behind = max(place for place, command in enumerate(commands) if command.startswith("SELECT"))
    assert commands[-1] == 'EXAMINE "INBOX"'
    return commands[behind + 1 : -1]


def test_what_was_copied_before_a_crash_is_not_copied_again() -> None:
    """It is known by its bytes, and only the original is left to remove."""
    assert after_the_look(RAW) == REMOVED


def test_another_mail_of_the_same_message_id_is_no_copy() -> None:
    """Whoever has put it there."""
    assert after_the_look(RAW + b"more") == COPIED


@pytest.mark.parametrize(
    "script",
    [
        {"UID SEARCH": NO},
        {"UID SEARCH": b"* SEARCH\r\n" + DONE},
        {"EXAMINE": [NO, EXAMINED]},
        {"UID FETCH": [fetched(11, RAW) + DONE, DONE]},
    ],
    ids=["search refused", "none", "a target that cannot be read", "no body"],
)
def test_where_no_copy_is_found_one_is_made(script: dict[str, Reply | list[Reply]]) -> None:
    """Two copies are better than none."""
    assert after_the_look(RAW, **script) == COPIED


def test_a_folder_that_is_numbered_anew_during_the_look_is_left() -> None:
    """The number may be another mail's by now."""
    script: Script = {
        "LOGIN": offering("UIDPLUS"),
        "SELECT": [selected(), selected().replace(b"UIDVALIDITY 7", b"UIDVALIDITY 8")],
    }
    with opened({**WHOLE, **script}) as (mailbox, server):
        assert not mailbox.apply(DONE_FOLDER, MAIL, DIGEST)
        assert [line for line in server.commands if "COPY" in line or "STORE" in line] == []


@pytest.mark.parametrize(
    ("header", "message_id"),
    [
        (b"Message-ID: <a@b.example>\r\nTo: x", "<a@b.example>"),
        (b"To: x\nmessage-id :\n <a@b.example> \n", "<a@b.example>"),
        (b"To: x\r\n\r\nMessage-ID: <a@b.example>", None),
        (b'Message-ID: <"a b"@b.example>', None),
        (b"Message-ID: <a\\b@b.example>", None),
        (b"Message-ID: <\xc3\xa4@b.example>", None),
        (b"Message-ID: <" + b"a" * 251 + b">", None),
        (b"", None),
    ],
)
def test_a_message_id_is_searched_for_where_it_needs_no_escapes(
    header: bytes, message_id: str | None
) -> None:
    """That of the header, and nothing that could be another command."""
    assert message_id_of(header) == message_id


def test_without_the_right_to_remove_no_copy_is_made() -> None:
    """It would be made again at each try."""
    script: Script = {"LOGIN": offering("UIDPLUS"), "SELECT": selected(b"\\Seen")}
    error, commands = refusal(DONE_FOLDER, script)
    assert error.code == "imap-apply-flag"
    assert not [command for command in commands if command.startswith("UID COPY")]


READ_ONLY: Final = STATE + b"TAG OK [READ-ONLY] done\r\n"


@pytest.mark.parametrize("answer", [READ_ONLY, NO, BAD], ids=["READ-ONLY", "NO", "BAD"])
def test_a_folder_that_can_only_be_read_is_told_as_one(answer: bytes) -> None:
    """And is read on."""
    error, commands = refusal(SEEN, {"SELECT": answer})
    assert (error.code, commands) == ("imap-apply-read-only", ['SELECT "INBOX"', 'EXAMINE "INBOX"'])


OVER_QUOTA: Final = b"TAG NO [OVERQUOTA] " + FOREIGN.encode() + b"\r\n"
THROTTLED: Final = b"TAG BAD Request is throttled. Suggested Backoff Time: 9000 milliseconds\r\n"


@pytest.mark.parametrize("answer", [NO, BAD, OVER_QUOTA, THROTTLED])
@pytest.mark.parametrize(
    ("action", "command"), [(SEEN, "UID STORE"), (DONE_FOLDER, "UID MOVE"), (Delete(), "UID STORE")]
)
def test_a_refused_change_costs_the_session_nothing(
    action: MailAction, command: str, answer: bytes
) -> None:
    """Whatever the reason: no token waits because a mail could not be filed away."""
    error, commands = refusal(action, {command: answer})
    assert (error.code, error.final) == ("imap-apply-refused", False)
    assert commands[-1] == 'EXAMINE "INBOX"'


def test_a_refused_copy_leaves_the_mail_as_it_is() -> None:
    """Nothing is marked as deleted that lies nowhere else."""
    script: Script = {"LOGIN": offering("UIDPLUS"), "UID COPY": NO}
    error, commands = refusal(DONE_FOLDER, script)
    assert (error.code, error.final) == ("imap-apply-refused", False)
    assert commands[-2:] == ['UID COPY 11 "Done"', 'EXAMINE "INBOX"']


@pytest.mark.parametrize("command", ["UID STORE", "UID EXPUNGE"])
def test_after_a_copy_there_is_no_other_try(command: str) -> None:
    """It would make one more copy each time; the message says where the first one is."""
    error, _ = refusal(DONE_FOLDER, {"LOGIN": offering("UIDPLUS"), command: NO})
    assert (error.code, error.final) == ("imap-apply-refused", True)
    assert str(error).endswith("; a copy of the mail is in 'Done'")


def test_a_target_that_is_not_there_is_named_with_those_that_are() -> None:
    """And not made: a slip of the pen would fill a folder that nobody looks into."""
    error, commands = refusal(MoveTo("Dome"), {})
    assert (error.code, commands) == ("imap-apply-folder", ['LIST "" "*"'])
    assert str(error) == (
        "after_capture, mailbox integrations: got no folder 'Dome', expected one of: INBOX, Junk,"
        " Done; make the folder, or name another"
    )


def test_the_inbox_is_watched_by_any_of_its_names() -> None:
    """Where the configuration watches another folder first, or writes it in another way."""
    with opened({**WHOLE}) as (mailbox, server):
        mailbox.folders()
        with pytest.raises(NotApplied) as caught:
            mailbox.apply(MoveTo("inbox"), MAIL, DIGEST)
        assert server.commands[-1] == 'LIST "" "*"'
    assert caught.value.code == "imap-apply-watched"


@pytest.mark.parametrize(
    ("answer", "present", "expected"),
    [
        (fetched(11, RAW + b"more") + DONE, b"", "imap-apply-other"),
        (DONE, b"* SEARCH 11\r\n", "imap-no-body"),
    ],
    ids=["other bytes", "no body"],
)
def test_a_mail_that_cannot_be_compared_is_left_alone(
    answer: bytes, present: bytes, expected: str
) -> None:
    """Nothing is changed that was not recognised just before."""
    script: Script = {"UID FETCH": answer, "UID SEARCH": present + DONE}
    error, commands = refusal(Delete(), script)
    assert error.code == expected
    assert [line for line in commands if "STORE" in line or "EXPUNGE" in line] == []


@pytest.mark.parametrize(
    "script",
    [
        {"SELECT": selected().replace(b"UIDVALIDITY 7", b"UIDVALIDITY 8")},
        {"UID FETCH": DONE, "UID SEARCH": b"* SEARCH\r\n" + DONE},
    ],
    ids=["numbered anew", "gone"],
)
def test_a_mail_that_is_no_longer_there_is_nothing_to_change(script: Script) -> None:
    """Somebody else has removed it, or the number may be another mail's by now."""
    with opened({**WHOLE, **script}) as (mailbox, server):
        assert not mailbox.apply(Delete(), MAIL, DIGEST)
        assert server.commands[-1] == 'EXAMINE "INBOX"'
        assert [line for line in server.commands if "STORE" in line or "EXPUNGE" in line] == []


def _cut(talk: Talk) -> None:
    talk.close()


@pytest.mark.parametrize("command", ["SELECT", "UID FETCH", "UID STORE", "UID EXPUNGE"])
def test_a_lost_connection_is_one(command: str) -> None:
    """And no refusal: the session is to be replaced."""
    script: Script = {command: _cut}
    with opened({**WHOLE, **script}) as (mailbox, _), pytest.raises(Outage) as caught:
        mailbox.apply(Delete(), MAIL, DIGEST)
    assert caught.value.code == "imap-connection"
