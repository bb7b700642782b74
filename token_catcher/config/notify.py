"""Who is told of what: `notify`, a list of receivers."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from token_catcher.config import kinds
from token_catcher.config.problems import Wrong, did_you_mean
from token_catcher.config.secret import SecretKey, SecretSource, program_arguments
from token_catcher.config.section import Section
from token_catcher.notify import A_KEY, ASKED_FOR, PLACEHOLDERS, Kind, fault_of_key

EVENTS: Final = [kind.value for kind in ASKED_FOR]
WAYS: Final = ("webhook", "command", "apprise")
MAX_RECEIVERS: Final = 20
"""Each has a thread of its own, or four."""


def _kind(value: Any) -> Kind:
    """Wrong: no event of ours."""
    if value in EVENTS:
        return Kind(value)
    got = "something else"
    if isinstance(value, str):
        got = "another event" + did_you_mean(value, EVENTS)
    raise Wrong(f"one of {', '.join(EVENTS)}", got)


def _each_once(events: tuple[Kind, ...]) -> tuple[Kind, ...]:
    for event in events:
        if events.count(event) > 1:
            raise Wrong("each event once", f"{event} twice")
    return events


def _is_a_key(source: SecretSource, info: ValidationInfo) -> SecretSource:
    """Looked at now, so that it is told with its line, and not with the first event."""
    if not kinds.Origin.of(info).secrets:
        return source
    fault = fault_of_key(source.look())
    if fault is not None:
        raise Wrong(A_KEY, fault)
    return source


def _arguments(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """Of a program; its own name holds no placeholder, and the others only those that there are."""
    arguments = program_arguments(value, info)
    for number, argument in enumerate(arguments):
        left = argument
        for name in PLACEHOLDERS if number else ():
            left = left.replace("{" + name + "}", "")
        if "{" in left or "}" in left:
            names = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
            raise Wrong(f"{names} and no other braces, behind the program", "other braces")
    return arguments


def _word(kind: Kind) -> str:
    return kind.value


Event = Annotated[
    Kind,
    PlainValidator(_kind),
    PlainSerializer(_word, return_type=str),
    WithJsonSchema({"enum": EVENTS}),
]
SigningKey = Annotated[SecretKey, AfterValidator(_is_a_key)]
Arguments = Annotated[
    tuple[str, ...],
    PlainValidator(
        _arguments, json_schema_input_type=Annotated[tuple[str, ...], Field(min_length=1)]
    ),
]


class WebhookConfig(Section):
    """An address that takes CloudEvents, signed as Standard Webhooks says."""

    url: kinds.WebhookUrl
    """https://HOST/PATH; plain http only to loopback."""
    secret: SigningKey
    """What events are signed with: {file: PATH} or {env: NAME}, made by openssl rand -base64 32."""
    ca_file: kinds.AuthoritiesFile | None = None
    """Certificate authorities (PEM) in place of the system's."""


class ReceiverConfig(Section):
    """Who is told of what: one webhook, command or apprise."""

    on: Annotated[tuple[Event, ...], Field(min_length=1), AfterValidator(_each_once)]
    """Of which events: stored, held, refused, failing, healed, overdue, never-seen,
    login-refused, expiring, retirement."""
    name: kinds.Name | None = None
    """Unique; stands in logs and metrics. Default: the webhook's host, the command's file name, or
    apprise."""
    webhook: WebhookConfig | None = None
    """An HTTP endpoint."""
    command: Arguments | None = None
    """A program and its arguments, without a shell; {org}, {username}, {path}, {version} and
    {event} are filled in."""
    apprise: SecretKey | None = None
    """An address of apprise's, which holds a secret: {file: PATH} or {env: NAME}."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [way for way in WAYS if getattr(self, way) is not None]
        if len(given) != 1:
            raise Wrong(f"one of {', '.join(WAYS)}", " and ".join(given) or "none of them")
        return self

    @property
    def called(self) -> str:
        """Its name, or what stands for it."""
        if self.name is not None:
            return self.name
        if self.webhook is not None:
            return str(urlsplit(self.webhook.url).hostname)
        if self.command is not None:
            return PurePath(self.command[0]).name
        return "apprise"


def _named_apart(receivers: tuple[ReceiverConfig, ...]) -> tuple[ReceiverConfig, ...]:
    """What waits for a receiver is kept under its name."""
    if len(receivers) > MAX_RECEIVERS:
        raise Wrong(f"at most {MAX_RECEIVERS}", f"{len(receivers)}")
    names = [receiver.called for receiver in receivers]
    for name in names:
        if names.count(name) > 1:
            raise Wrong("a `name` of its own for each", f"two that are called {name}")
    return receivers


Receivers = Annotated[tuple[ReceiverConfig, ...], AfterValidator(_named_apart)]
