"""Whether an object is a record of ours, under the names and with the types that a collector gave
its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from operator import itemgetter
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from token_catcher.commands.events import OTHER_EVENTS
from token_catcher.commands.rotation import DIGEST, DIGEST_LENGTH, EVENTS, Rotation
from token_catcher.model import Entry, moment

LONGEST_NUMBER: Final = 20
"""Digits."""
SHORTEST_TIME: Final = len("2026-02-03T12:57:27Z")
"""Characters."""
Fields = Mapping[str, Any]
ROTATIONS: Final = frozenset(str(event) for event in EVENTS)
_EVENT_NAME: Final = re.compile(r"[a-z]+\.[a-z_.]+")
_AZURE_TYPE: Final = re.compile(r"_[sdbtg]$")
"""What Azure puts behind the name of a field, for its type."""


def as_ours(value: Fields) -> Fields | None:
    """A line of our log or journal, under our names and with our types; None: it is none."""
    name = _name_of_event(value)
    if name is None:
        return None
    line = _typed(_renamed(value, name))
    if line["event"] in ROTATIONS or line["event"] in OTHER_EVENTS:
        return line
    return None  # a collector's own event, in which our line may be


def is_complete(value: Fields) -> bool:
    """Whether it has everything that every record has."""
    try:
        required = _required(value)
    except KeyError:
        return False
    if tuple(map(type, required)) != _REQUIRED_TYPES or not all(required):
        return False
    digest = value["mail"]
    if len(digest) != DIGEST_LENGTH or not digest.startswith(DIGEST):
        return False
    return _is_time(value["received_at"])


def _is_time(text: str) -> bool:
    """Whether it is a time as we write it: shorter forms of ISO 8601 would leave room for more."""
    try:
        moment(text)
    except (ValueError, OverflowError):
        return False
    return len(text) >= SHORTEST_TIME


def _name_of_event(value: Fields) -> str | None:
    """Under which name an object has the name of an event.

    Other fields quote mail, which may name an event as well: they count last."""
    if _is_event_name(value.get("event")):
        return "event"
    others: list[str] = []
    last: list[str] = []
    for name, field in value.items():
        event = bare(field)
        if not _is_event_name(event):
            continue
        if "event" in name and event in ROTATIONS:
            return name
        if "event" in name:
            others.append(name)
        elif event in ROTATIONS or name == "body":
            last.append(name)
    return next(iter(others + last), None)


def _is_event_name(value: Any) -> bool:
    return isinstance(value, str) and _EVENT_NAME.fullmatch(value) is not None


def _renamed(value: Fields, event: str) -> Fields:
    """Without what a collector puts before and behind each name: `json.event`, `_event`, `event_s`.

    In OpenTelemetry's form the event may be the body, and the rest its attributes."""
    renamed = {}
    before, _, behind = event.partition("event")
    for name, field in value.items():
        if behind:
            name = _AZURE_TYPE.sub("", name)
        renamed[name.removeprefix(before)] = bare(field)
    attributes = value.get("attributes")
    if isinstance(attributes, list):
        renamed |= pairs_of(attributes)
    return {**renamed, "event": bare(value[event])}


def pairs_of(items: list[Any]) -> Fields:
    """OpenTelemetry has the fields of an object as a list of keys and values."""
    pairs = {}
    for item in items:
        if not isinstance(item, dict) or not {"key", "value"} <= item.keys():
            return {}
        pairs[str(item["key"])] = bare(item["value"])
    return pairs


def bare(value: Any) -> Any:
    """A value without the type or the list that stands around it."""
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    if isinstance(value, dict) and len(value) == 1:
        (kind,) = value
        if kind.endswith("Value"):  # stringValue, intValue: OpenTelemetry
            return value[kind]
    return value


def _typed(value: Fields) -> Fields:
    """With numbers and booleans where a collector has made texts of them, and lists of one."""
    typed = dict(value)
    for name, kind in KINDS.items():
        field = value.get(name)
        if kind is int:
            typed[name] = _number(field)
        elif kind is bool and isinstance(field, str):
            typed[name] = field.lower() == "true"
        elif kind is tuple and isinstance(field, str):
            typed[name] = [field]  # `bare` took it out of its list
    return typed


def _number(field: Any) -> Any:
    if isinstance(field, float) and field.is_integer():
        return int(field)
    if isinstance(field, str) and field.isdecimal() and len(field) < LONGEST_NUMBER:
        return int(field)
    return field


def _kind(hint: Any) -> type:
    """`str` of `str` and of `str | None`; `tuple` of a tuple of anything."""
    kind: Any = hint
    if isinstance(hint, UnionType):
        kind = get_args(hint)[0]
    plain: type = get_origin(kind) or kind
    return plain


KINDS: Final = {name: _kind(hint) for name, hint in get_type_hints(Rotation).items()}
"""Of each field of a row, what kind of value it has where it has one."""
_REQUIRED: Final = [
    field.name for field in fields(Entry) if field.default is MISSING and field.name != "event"
]
"""The fields that every record has."""
_REQUIRED_TYPES: Final = tuple(KINDS[name] for name in _REQUIRED)
_required: Final = itemgetter(*_REQUIRED)
