"""What Vault answers, before anybody has understood it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of one answer. The body is kept out of `repr`: it may hold a secret."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    """{} where it was no JSON object."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The `data` of the body, {} where there is none."""
        return mapping(self.body.get("data"))

    @property
    def auth(self) -> Mapping[str, Any]:
        """What a login or a renewal gives, {} where there is none."""
        return mapping(self.body.get("auth"))

    def says(self, words: str) -> bool:
        """Whether one of the errors holds these words."""
        errors = self.body.get("errors")
        return isinstance(errors, list) and any(words in str(error) for error in errors)


def mapping(value: object) -> Mapping[str, Any]:
    """The value, where it is a JSON object; {} for anything else."""
    if isinstance(value, Mapping):
        return value
    return {}
