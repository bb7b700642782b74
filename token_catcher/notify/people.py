"""Events to people, over apprise: chat, mail, pager, more than a hundred services by one address.

apprise is loaded with the first event, and belongs to the extra `notify`. Its own log is cut off,
since it may name an address, which holds the secrets of its service.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from token_catcher.errors import ConfigurationError, Outage
from token_catcher.model import Secret
from token_catcher.notify.notice import Kind, Outgoing

GRAVE: Final[Mapping[str, str]] = {
    Kind.STORED: "success",
    Kind.HEALED: "success",
    Kind.FAILING: "failure",
    Kind.LOGIN_REFUSED: "failure",
    Kind.TEST: "info",
}
"""apprise's word for how grave an event is; a warning where none is given."""

LONGEST_LINE: Final = 240
"""Characters of a line that people read; an evidence has 200, and the rest is in the record."""


class People:
    """A service that apprise knows; see `receiver.Transport`."""

    def __init__(self, address: Callable[[], Secret]) -> None:
        """`address`: as apprise has it, read at each try."""
        self._address = address

    def deliver(self, event: Outgoing) -> str:
        """See `receiver.Transport`."""
        content = event.content
        service = self._service()
        kind = content["type"].removeprefix("token-catcher.").partition(".")[0]
        is_sent = False
        reason = "it says no more"
        try:
            is_sent = service.notify(
                title=title_of(content),
                body=text_of(content),
                notify_type=GRAVE.get(kind, "warning"),
            )
        except Exception as error:  # noqa: BLE001 - of more than a hundred plugins, any
            reason = type(error).__name__
        if is_sent:
            return "apprise has sent it"
        raise Outage(
            f"apprise: got no delivery ({reason}), expected one; with the same address the"
            " command `apprise -vv` tells why",
            code="notify-apprise",
        )

    def probe(self) -> str:
        """See `receiver.Transport`. Nobody is asked: every service has its own way."""
        self._service()
        return "apprise is installed and understands the address; nothing was sent"

    def _service(self) -> Any:
        """apprise with the address. ConfigurationError: it is not installed, or knows no such."""
        service = _library().Apprise()
        if not service.add(self._address().reveal()):
            raise ConfigurationError(
                "apprise: got an address that it does not understand, expected one of"
                " its services, such as mailto://…, slack://…",
                code="notify-apprise-address",
            )
        return service


def title_of(event: Mapping[str, Any]) -> str:
    """One line for people."""
    word = event["type"].removeprefix("token-catcher.").replace(".", " ")
    return _cut(f"token-catcher: {word} {event['subject']}")


def text_of(event: Mapping[str, Any]) -> str:
    """What the event holds, a line for each field."""
    lines = [_cut(f"{name}: {value}") for name, value in event["data"].items()]
    return "\n".join([f"time: {event['time']}", f"instance: {event['source']}", *lines])


def _cut(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    return f"{line[: LONGEST_LINE - 1]}…"


def _library() -> ModuleType:
    """ConfigurationError: it is not installed."""
    try:
        import apprise
    except ModuleNotFoundError:
        raise ConfigurationError(
            "apprise: got no such library, expected it to be installed:"
            " `pip install '.[notify]'` from the checkout, or `pipx install --force '.[notify]'`",
            code="notify-apprise-missing",
        ) from None
    logging.getLogger("apprise").disabled = True
    module: ModuleType = apprise
    return module
