"""Who is told of what: receivers, and each mistake in them with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.hooks import SECRET
from tests.unit.config.texts import CANARY, MINIMAL, load, refusal_of, write_secret
from token_catcher import config
from token_catcher.config import ReceiverConfig, SecretSource
from token_catcher.notify import Kind

HOOK = "{url: https://ops.example.com/hook, secret: {file: hook}}"
EVENTS = (
    "stored, held, refused, failing, healed, overdue, never-seen, login-refused, expiring,"
    " retirement"
)
URL_FORM = (
    "https://HOST/PATH, with :PORT and ?QUERY if needed, without a user's name (http:// only to"
    " loopback)"
)
KEY_FORM = "whsec_ and the base64 of 24 to 64 random bytes"


@pytest.fixture(autouse=True)
def _secrets(home: Path) -> None:
    """A key, what is no key, and an address."""
    write_secret(home / "hook", SECRET)
    write_secret(home / "weak", CANARY)
    write_secret(home / "people", f"slack://{CANARY}")


def with_receivers(*receivers: str) -> str:
    """A configuration with these."""
    lines = "".join(f"  - {receiver}\n" for receiver in receivers)
    return f"{MINIMAL}notify:\n{lines}"


def receivers(home: Path, *written: str) -> tuple[ReceiverConfig, ...]:
    """As they are loaded."""
    return load(home, with_receivers(*written)).notify


def test_the_three_ways(home: Path) -> None:
    """Each with what it is told of, and a name."""
    hook, command, people = receivers(
        home,
        f"{{on: [stored, held], webhook: {HOOK}}}",
        '{on: [stored], command: [/bin/true, "{org}", "{username}:{version}"]}',
        "{on: [failing], apprise: {file: people}}",
    )
    assert hook.on == (Kind.STORED, Kind.HELD)
    assert hook.webhook is not None
    assert hook.webhook.secret == SecretSource("file", str(home / "hook"), {})
    assert command.command == ("/bin/true", "{org}", "{username}:{version}")
    assert people.apprise == SecretSource("file", str(home / "people"), {})
    assert [receiver.called for receiver in (hook, command, people)] == [
        "ops.example.com",
        "true",
        "apprise",
    ]


def test_a_name_of_its_own(home: Path) -> None:
    """For two of a host, say."""
    first, second = receivers(
        home,
        f"{{on: [stored], webhook: {HOOK}}}",
        f"{{on: [failing], name: pager, webhook: {HOOK}}}",
    )
    assert (first.called, second.called) == ("ops.example.com", "pager")


def test_what_is_shown_loads_as_the_same(home: Path) -> None:
    """Secrets as where they are kept."""
    loaded = load(
        home,
        with_receivers(
            f"{{on: [stored], webhook: {HOOK}}}",
            "{on: [failing], apprise: {file: people}}",
            "{on: [held], command: [/bin/true]}",
        ),
    )
    shown = config.show(loaded)
    assert CANARY not in shown
    assert SECRET not in shown
    assert load(home, shown) == loaded


def test_nobody_is_told_by_default(home: Path) -> None:
    """An empty list."""
    assert load(home).notify == ()


MISTAKES = {
    "an unknown event": (
        f"{{on: [stored, staored], webhook: {HOOK}}}",
        f"notify[0].on[1]: got another event (did you mean 'stored'?), expected one of {EVENTS}",
    ),
    "no event": (f"{{on: [], webhook: {HOOK}}}", "notify[0].on: got an empty list, expected"),
    "an event twice": (
        f"{{on: [held, held], webhook: {HOOK}}}",
        "notify[0].on: got held twice, expected each event once",
    ),
    "the event of a test": (
        f"{{on: [test], webhook: {HOOK}}}",
        f"notify[0].on[0]: got another event, expected one of {EVENTS}",
    ),
    "a number for an event": (
        f"{{on: [7], webhook: {HOOK}}}",
        f"notify[0].on[0]: got something else, expected one of {EVENTS}",
    ),
    "nobody": ("{on: [held]}", "notify[0]: got none of them, expected one of webhook, command"),
    "two ways": (
        f"{{on: [held], command: [/bin/true], webhook: {HOOK}}}",
        "notify[0]: got webhook and command, expected one of webhook, command, apprise",
    ),
    "plain HTTP": (
        f"{{on: [held], webhook: {HOOK.replace('https', 'http')}}}",
        f"notify[0].webhook.url: got text, expected {URL_FORM}",
    ),
    "a user in the address": (
        f"{{on: [held], webhook: {HOOK.replace('//', f'//me:{CANARY}@')}}}",
        f"notify[0].webhook.url: got text, expected {URL_FORM}",
    ),
    "a fragment": (
        f"{{on: [held], webhook: {HOOK.replace('/hook', '/hook#x')}}}",
        f"notify[0].webhook.url: got text, expected {URL_FORM}",
    ),
    "a literal secret": (
        f"{{on: [held], webhook: {HOOK.replace('{file: hook}', CANARY)}}}",
        "notify[0].webhook.secret: got a literal, expected {file: PATH} or {env: NAME}: secrets"
        " are not written here",
    ),
    "a weak secret": (
        f"{{on: [held], webhook: {HOOK.replace('{file: hook}', '{file: weak}')}}}",
        f"notify[0].webhook.secret: got something else than base64, expected {KEY_FORM}",
    ),
    "no secret": (
        "{on: [held], webhook: {url: https://ops.example.com/hook}}",
        "notify[0].webhook.secret: got nothing, expected what events are signed with",
    ),
    "an address of apprise's": (
        f"{{on: [held], apprise: 'slack://{CANARY}'}}",
        "notify[0].apprise: got a literal, expected {file: PATH} or {env: NAME}",
    ),
    "a shell's line": (
        "{on: [held], command: restart it}",
        "notify[0].command: got something else, expected a list: [PROGRAM, ARGUMENT, …]",
    ),
    "no program": (
        "{on: [held], command: []}",
        "notify[0].command: got something else, expected a list: [PROGRAM, ARGUMENT, …]",
    ),
    "a program that is not there": (
        "{on: [held], command: [/no/such/program]}",
        "notify[0].command: got no such program, expected one that is there and can be run",
    ),
    "an unknown placeholder": (
        '{on: [held], command: [/bin/true, "{token}"]}',
        "notify[0].command: got other braces, expected {org}, {username}, {path}, {version},"
        " {event} and no other braces, behind the program",
    ),
    "a program that mail could choose": (
        '{on: [held], command: ["{org}"]}',
        "notify[0].command: got no such program, expected one that is there and can be run",
    ),
    "an unknown key": (
        "{on: [held], webhok: x}",
        "notify[0].…: got an unknown key (did you mean 'webhook'?), expected one of on, name,",
    ),
}


@pytest.mark.parametrize(("written", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake(home: Path, written: str, expected: str) -> None:
    """Told with its line and place, and with nothing that may be a secret."""
    text = refusal_of(home, with_receivers(written))
    assert text.startswith(f"config.yaml:13: {expected}")
    assert CANARY not in text


def test_receivers_of_one_name(home: Path) -> None:
    """What waits for each is kept under it."""
    text = refusal_of(home, with_receivers(*[f"{{on: [held], webhook: {HOOK}}}"] * 2))
    assert text == (
        "config.yaml:12: notify: got two that are called ops.example.com, expected a `name` of its"
        " own for each"
    )


def test_too_many_receivers(home: Path) -> None:
    """Each has threads of its own."""
    written = [f"{{on: [held], name: n{n}, command: [/bin/true]}}" for n in range(21)]
    assert "notify: got 21, expected at most 20" in refusal_of(home, with_receivers(*written))


def test_a_program_that_others_can_write(home: Path) -> None:
    """It runs as us."""
    program = home / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    text = refusal_of(home, with_receivers(f"{{on: [held], command: [{program}]}}"))
    assert "notify[0].command: got a file that others can write (mode 0777), expected" in text


def test_secrets_may_be_missing_where_none_is_used(home: Path) -> None:
    """As for `history` beside a stopped service."""
    (home / "hook").unlink()
    file = home / "config.yaml"
    file.write_text(
        with_receivers(
            f"{{on: [held], webhook: {HOOK}}}", "{on: [held], command: [/no/such/program]}"
        )
    )
    assert len(config.load(file, {"VAULT_TOKEN": "x"}, secrets=False).notify) == 2


def test_a_query_is_taken(home: Path) -> None:
    """Some receivers want one."""
    hook = HOOK.replace("/hook,", "/hook?api-version=1&sig=a%2Fb,")
    [receiver] = receivers(home, f"{{on: [held], webhook: {hook}}}")
    assert receiver.webhook is not None
    assert receiver.webhook.url == "https://ops.example.com/hook?api-version=1&sig=a%2Fb"
