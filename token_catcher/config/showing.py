"""The configuration for reading: a commented example, a JSON Schema, what is in effect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from token_catcher.config.descriptions import descriptions_of
from token_catcher.config.document import dump
from token_catcher.config.schema import Config
from token_catcher.config.units import Size, duration_text, size_text
from token_catcher.errors import ConfigurationError

EXAMPLE: Final = "config.example.yaml"
FOLDERS: Final = tuple(Path(__file__).resolve().parents[1:3])
"""The package, where the example is once installed; the root of a checkout."""


def example(folders: Sequence[Path] = FOLDERS) -> str:
    """The commented example. ConfigurationError: it is not where it was installed."""
    for folder in folders:
        if (folder / EXAMPLE).is_file():
            return (folder / EXAMPLE).read_text("utf-8")
    raise ConfigurationError(
        f"{folders[0] / EXAMPLE}: got nothing there, expected the example; install the package anew"
    )


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
