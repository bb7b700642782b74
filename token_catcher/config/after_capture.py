"""What is done to a settled token mail in its folder, as it is written in a configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, assert_never

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from token_catcher.config.forms import on_one_line
from token_catcher.config.problems import Wrong, did_you_mean
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo

FORM: Final = "none, seen, delete, {flag: NAME} or {move: FOLDER}"
FLAG_FORM: Final = (
    "a keyword of letters, digits and marks such as $Label1, or \\Seen, \\Flagged, \\Answered,"
    " \\Draft"
)
SYSTEM_FLAGS: Final = {
    "\\" + name.lower(): "\\" + name for name in ("Seen", "Flagged", "Answered", "Draft")
}
"""Those that a mail may be given (RFC 3501, section 2.3.2), by their names in lower case."""
# An atom (RFC 3501, section 9): printable ASCII without ( ) { % * " \ ] and blanks.
_KEYWORD: Final = re.compile(r"[!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]{1,64}", re.ASCII)


def _after_capture(value: Any) -> MailAction | None:
    """None: nothing. Wrong: none of the forms."""
    match value:
        case "none" | None:
            return None
        case "seen":
            return AddFlag("\\Seen")
        case "delete":
            return Delete()
        case str():
            raise Wrong(FORM, f"another word{did_you_mean(value, ('none', 'seen', 'delete'))}")
        case {"flag": name} if len(value) == 1:
            return _flag(name)
        case {"move": folder} if len(value) == 1:
            return _move(folder)
        case dict() if value and not set(value) & {"flag", "move"}:
            raise Wrong(
                FORM, "an unknown key" + did_you_mean(str(next(iter(value))), ("flag", "move"))
            )
        case dict() if len(value) > 1:
            raise Wrong(FORM, "several keys")
        case _:
            raise Wrong(FORM)


def _flag(name: Any) -> AddFlag:
    if not isinstance(name, str):
        raise Wrong(FLAG_FORM, "a flag that is no text")
    if name.lower() == "\\deleted":
        raise Wrong(FLAG_FORM, "\\Deleted: `delete` removes the mail")
    if name.startswith("\\"):
        if name.lower() not in SYSTEM_FLAGS:
            raise Wrong(FLAG_FORM, "a system flag that no client may set")
        return AddFlag(SYSTEM_FLAGS[name.lower()])
    if not _KEYWORD.fullmatch(name):
        raise Wrong(FLAG_FORM, "a flag that no IMAP server takes")
    return AddFlag(name)


def meant_flag(action: MailAction | None) -> str | None:
    """The system flag whose name a keyword has, without the backslash; None: it has none's.

    Servers take it, and mail programs show nothing of it."""
    if not isinstance(action, AddFlag):
        return None
    return SYSTEM_FLAGS.get("\\" + action.flag.lower())


def _move(folder: Any) -> MoveTo:
    if not isinstance(folder, str) or not folder or not on_one_line(folder):
        raise Wrong("{move: FOLDER}, the folder's full name on the server", "no name of a folder")
    return MoveTo(folder)


def _as_config(action: MailAction | None) -> str | dict[str, str]:
    """As it is written."""
    match action:
        case None:
            return "none"
        case AddFlag("\\Seen"):
            return "seen"
        case AddFlag():
            return {"flag": action.flag}
        case MoveTo():
            return {"move": action.folder}
        case Delete():
            return "delete"
        case _:
            assert_never(action)


def _one_key(name: str, what: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "minLength": 1, "description": what}},
        "required": [name],
        "additionalProperties": False,
    }


AfterCapture = Annotated[
    MailAction | None,
    PlainValidator(_after_capture),
    PlainSerializer(_as_config, return_type=str | dict[str, str]),
    WithJsonSchema(
        {
            "oneOf": [
                {"enum": ["none", "seen", "delete", None]},
                _one_key("flag", "A keyword such as $Label1, or a system flag such as \\Flagged."),
                _one_key("move", "The full name of a folder that is not watched."),
            ]
        }
    ),
]
