"""Events to people, over the real apprise and a receiver of its JSON."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import pytest

from tests.kit.hooks import Hooks
from tests.unit.notify.kit import notice
from token_catcher.errors import ConfigurationError, Outage
from token_catcher.model import Secret
from token_catcher.notify import Kind, Outgoing, People, event_of
from token_catcher.notify.people import text_of, title_of

CANARY = "hunter2-canary"
# apprise imports all of its services, some of which look for what later Pythons do not have.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def event(kind: Kind = Kind.STORED) -> Outgoing:
    """Of a stored token."""
    fields = {"org": "acme", "username": "u@x", "version": 4}
    return event_of(notice(kind, subject="acme/u@x", fields=fields), "apprise", "one")


def reading(address: str) -> Callable[[], Secret]:
    """As it is in a file."""
    return lambda: Secret(address)


@pytest.mark.parametrize(
    ("kind", "grave"),
    [
        (Kind.STORED, "success"),
        (Kind.FAILING, "failure"),
        (Kind.HELD, "warning"),
        (Kind.TEST, "info"),
    ],
)
def test_people_get_a_line_for_each_field(kind: Kind, grave: str) -> None:
    """With a title, and how grave it is."""
    with Hooks() as hooks:
        address = f"json://user:{CANARY}@127.0.0.1:{hooks.port}/x"
        assert People(reading(address)).deliver(event(kind)) == "apprise has sent it"
    [hook] = hooks.came
    assert hook.event["title"] == f"token-catcher: {kind} acme/u@x"
    assert hook.event["message"].splitlines() == [
        "time: 2026-02-03T12:57:28Z",
        "instance: one",
        "org: acme",
        "username: u@x",
        "version: 4",
    ]
    assert hook.event["type"] == grave


def test_lines_for_people_are_short() -> None:
    """However long a name is that a stranger chose; the record has all of it."""
    name = "u" * 1000
    told = notice(Kind.HELD, subject=f"acme/{name}", fields={"username": name, "org": "acme"})
    content = event_of(told, "apprise", "one").content
    assert title_of(content) == f"token-catcher: held acme/{'u' * 214}…"
    [_, _, username, org] = text_of(content).splitlines()
    assert (username, org) == (f"username: {'u' * 229}…", "org: acme")


def test_a_service_that_does_not_take_it_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing of the address is told, nor by apprise itself."""
    with Hooks(lambda _hook: 500) as hooks:
        address = f"json://user:{CANARY}@127.0.0.1:{hooks.port}/{CANARY}"
        with caplog.at_level(logging.INFO), pytest.raises(Outage) as caught:
            People(reading(address)).deliver(event())
    assert caught.value.code == "notify-apprise"
    assert CANARY not in str(caught.value)
    assert CANARY not in caplog.text


def test_an_address_that_apprise_does_not_know_is_told() -> None:
    """Without a word of it."""
    with pytest.raises(ConfigurationError) as caught:
        People(reading(f"nonsense-{CANARY}")).deliver(event())
    assert caught.value.code == "notify-apprise-address"
    assert CANARY not in str(caught.value)


def test_a_plugin_that_raises_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its words none goes further."""
    import apprise

    def broken(*_arguments: object, **_options: object) -> bool:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(apprise.Apprise, "notify", broken)
    with pytest.raises(Outage, match=r"got no delivery \(ZeroDivisionError\)") as caught:
        People(reading("json://127.0.0.1:9")).deliver(event())
    assert CANARY not in str(caught.value)


def test_a_library_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to type."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError) as caught:
        People(reading("json://127.0.0.1:9")).deliver(event())
    assert str(caught.value) == (
        "apprise: got no such library, expected it to be installed:"
        " `pip install '.[notify]'` from the checkout, or `pipx install --force '.[notify]'`"
    )
