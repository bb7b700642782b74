"""The configuration for reading: a JSON Schema, and what is in effect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from token_catcher.config.descriptions import descriptions_of
from token_catcher.config.document import dump
from token_catcher.config.schema import Config
from token_catcher.config.units import Size, duration_text, size_text


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12), for editors."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | Config.model_json_schema(schema_generator=_Generator)


def show(config: Config) -> str:
    """The effective configuration as YAML, every default filled in.

    Of a secret it says only where it is kept, and of a command that prints one the program. Loading
    it gives a Config of the same values, unless it has such a command: that is refused."""
    return dump(config.model_dump())


class _Generator(GenerateJsonSchema):
    """Tells what each key is, and defaults as they would be written."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        texts = descriptions_of(schema["cls"])
        for key, value in made.get("properties", {}).items():
            if key in texts:
                value.setdefault("description", texts[key])
        return made

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return duration_text(dft)
        if isinstance(dft, Size):
            return size_text(dft)
        return super().encode_default(dft)
