"""Keys out of a file, and several sources of keys asked one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from token_catcher.errors import ConfigurationError
from token_catcher.keys.published import NAME
from token_catcher.ports import KeyLookup

_PIN: Final = re.compile(rf"\s*({NAME.pattern})\s+(\S.*?)\s*")


class KeyChain:
    """Asks one after the other until one knows the key."""

    def __init__(self, *links: KeyLookup) -> None:
        self._links = links

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The first record that a link has."""
        for link in self._links:
            record = link.lookup(name, at)
            if record is not None:
                return record
        return None

    def knows(self, name: str) -> bool:
        """Whether a link does."""
        return any(link.knows(name) for link in self._links)

    def verified(self, name: str, record: bytes) -> None:
        """Told to the links up to the one that has given it."""
        for link in self._links:
            link.verified(name, record)
            # A pinned key is not remembered: DNS never said so.
            if link.knows(name):
                return


class PinnedKeys:
    """Keys from a file: `SELECTOR._domainkey.DOMAIN  v=DKIM1; …` a line, `#` for a comment."""

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self._records = records

    @classmethod
    def read(cls, path: Path) -> PinnedKeys:
        """ConfigurationError: the file cannot be read, or a line is not of the form."""
        records: dict[str, bytes] = {}
        for number, line in enumerate(_lines(path), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            pin = _PIN.fullmatch(line)
            if pin is None or "p=" not in pin[2] or pin[1].lower() in records:
                raise ConfigurationError(
                    f"{path}:{number}: got {line[:40]!a}…, expected SELECTOR._domainkey.DOMAIN,"
                    " a space and a key record with p=, each name once"
                )
            records[pin[1].lower()] = pin[2].encode()
        return cls(records)

    def lookup(self, name: str, at: datetime) -> bytes | None:  # noqa: ARG002 - pinned is pinned
        """The pinned record."""
        return self._records.get(name.lower())

    def knows(self, name: str) -> bool:
        """Whether it is pinned."""
        return name.lower() in self._records

    def verified(self, name: str, record: bytes) -> None:
        """Nothing is remembered of what stands in a file."""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError as error:
        why = error.strerror
    except UnicodeDecodeError:
        why = "it is not ASCII"
    raise ConfigurationError(f"{path}: the pinned keys cannot be read: {why}")
