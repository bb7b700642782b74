"""A test event to every receiver, sent at once and not by way of the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from token_catcher.advice import next_step
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import tested_line
from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.notify import Kind, Notice, Receiver, event_of
from token_catcher.receivers import receivers_in

FIELDS = {
    "org": "test",
    "username": "test@example.invalid",
    "path": "test",
    "note": "a test: nothing happened",
}
"""What a test event holds: a command is given words that name nobody."""


@dataclass(frozen=True, slots=True)
class Tested:
    """How it went with one receiver."""

    receiver: str
    saw: str
    code: str = ""
    """Of the error; empty: it was delivered."""

    @property
    def outcome(self) -> str:
        """In a word."""
        if self.code:
            return "failed"
        return "delivered"


def run_test(app: App, *, as_json: bool) -> ExitCode:
    """Send one to each, and say of each how it went. FAILED: it was not delivered to all.

    ConfigurationError: there is no receiver."""
    receivers = receivers_in(app.config, app.now)
    if not receivers:
        raise ConfigurationError(
            "notify: got no receiver, expected one at least (docs/notify.md)", code="usage"
        )
    key = uuid4().hex  # each test is another event
    notice = Notice(Kind.TEST, key, app.now(), "test", FIELDS)
    tested = [_test(receiver, notice, app.config.instance) for receiver in receivers]
    if as_json:
        output.write_json(_as_json(result) for result in tested)
    else:
        _print(tested)
    if any(result.code for result in tested):
        return ExitCode.FAILED
    return ExitCode.DONE


def _test(receiver: Receiver, notice: Notice, instance: str) -> Tested:
    try:
        answer = receiver.transport.deliver(event_of(notice, receiver.name, instance))
    except TokenCatcherError as error:
        return Tested(receiver.name, str(error), error.code)
    return Tested(receiver.name, answer)


def _as_json(result: Tested) -> dict[str, str | None]:
    return {
        "receiver": result.receiver,
        "outcome": result.outcome,
        "code": result.code or None,
        "saw": result.saw,
        "fix": next_step(result.code),
    }


def _print(tested: Sequence[Tested]) -> None:
    for result in tested:
        output.print_lines([tested_line(result.receiver, result.outcome, result.saw)])
        step = next_step(result.code)
        if step is not None:
            output.complain(f"next: {step}")
