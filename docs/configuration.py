"""Makes docs/configuration.md out of the schema of the configuration.

`make pages` does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from token_catcher import config

HEAD = """# Configuration: every key

Made from the schema that the program checks by (`token-catcher config schema` prints it, for
editors). [config.example.yaml](../config.example.yaml) has the same keys in a file to begin with.
Unknown keys, keys that stand twice and wrong kinds are errors with their line, all at once:
`token-catcher config show`.

A **secret** is `{file: PATH}` or `{env: NAME}`, never the text itself. A **duration** is `90s`,
`10m`, `2h` or `14d`. Relative paths begin beside the configuration file. A key without a default
must be given, unless its description says where its value comes from.
"""
DURATION = "^[1-9][0-9]{0,8}[smhd]$"
"""The pattern of a text that is one."""
FILE_OR_VARIABLE = "`{file: …}` or `{env: …}`"
"""The two forms of a secret, which reads as one kind."""
DESCRIBED = "as described"
KINDS = {"string": "text", "integer": "number", "boolean": "`true`, `false`", "null": "null"}
"""What the types of JSON Schema are called."""
Schema = Mapping[str, Any]


def page() -> str:
    """The whole page."""
    schema = config.json_schema()
    return "\n".join([HEAD, *Sections(schema["$defs"]).lines("", schema)])


class Sections:
    """The schema as sections: a table of keys, and behind it the sections of these keys."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def lines(self, path: str, section: Schema) -> Iterator[str]:
        """The table of a section, and those below it. `path`: its dotted name, "" for the whole."""
        yield "| key | kind | default | what it is |"
        yield "| --- | --- | --- | --- |"
        required = section.get("required", ())
        for key, schema in section["properties"].items():
            yield self._row(key, schema, is_required=key in required)
        yield ""
        for key, schema in section["properties"].items():
            yield from self._below(f"{path}.{key}".lstrip("."), schema)

    def _row(self, key: str, schema: Schema, *, is_required: bool) -> str:
        default = "required" if is_required else _default(schema)
        cells = (f"`{key}`", self._kind(schema), default, _told(schema))
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    def _below(self, path: str, schema: Schema) -> Iterator[str]:
        """The sections of one key: one, or one for each of its forms."""
        for form in self._forms(schema):
            definition = self._definitions[form]
            yield f"## {_title(path, definition)}\n"
            yield f"{_told(definition)}\n"
            yield from self.lines(path, definition)

    def _forms(self, schema: Schema) -> list[str]:
        """The names of the definitions that a key leads to."""
        if "$ref" in schema:
            return [schema["$ref"].rpartition("/")[2]]
        choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if "items" in schema:
            choices.append(schema["items"])
        return [form for choice in choices for form in self._forms(choice)]

    def _kind(self, schema: Schema) -> str:
        choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if "$ref" in schema:
            return "section"
        if choices:
            kinds = dict.fromkeys(self._kind(choice) for choice in choices)
            return " or ".join(kinds).replace(FILE_OR_VARIABLE, "secret")
        if schema.get("type") == "array":
            return _list(self._kind(schema.get("items", {})))
        return _simple(schema)


def _title(path: str, definition: Schema) -> str:
    """`vault.auth: approle`, where the section is one of several forms."""
    for name in ("method", "provider"):
        form = definition["properties"].get(name, {}).get("const")
        if form is not None:
            return f"{path}: {form}"
    return path


def _list(kind: str) -> str:
    plural = {"section": "sections", "text": "texts", DESCRIBED: "what is described"}
    return f"list of {plural.get(kind, kind)}"


def _simple(schema: Schema) -> str:
    """Of a value that is written where it stands."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if values:
        return ", ".join(f"`{_shown(value)}`" for value in values)
    if schema.get("type") == "object":
        return f"`{{{', '.join(f'{key}: …' for key in schema.get('properties', {}))}}}`"
    if schema.get("pattern") == DURATION:
        return "duration"
    return KINDS.get(schema.get("type", ""), DESCRIBED)


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return ""
    if "$ref" in schema:
        return "each key's own"
    return f"`{_shown(schema['default'])}`"


def _shown(value: object) -> str:
    """As it is written in YAML, on one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _told(schema: Schema) -> str:
    """The description on one line; an asterisk or a brace in it means nothing."""
    text = " ".join(schema.get("description", "").split())
    return text.replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(page())
