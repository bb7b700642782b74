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

UNUSABLE: Final = "dkim-keys"
"""The code of a file that pins nothing, or not what it says."""
_PIN: Final = re.compile(
    rf"\s*({NAME.pattern})\s+(?:[0-9]+\s+)?(?:IN\s+)?(?:TXT\s+)?(\S.*?)\s*", re.IGNORECASE
)
"""A name and its record; as in a zone (RFC 1035, section 5.1) and in what `dig` prints as well."""
_STRING: Final = re.compile(r'"([^"]*)"\s*')
_RECORD: Final = re.compile(r"(?=.*p=)[a-z]\s*=.*", re.IGNORECASE)


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
    """Keys from a file: `SELECTOR._domainkey.DOMAIN  v=DKIM1; …` a line, `#` or `;` for a comment.

    A line of a zone serves as well: `SELECTOR._domainkey.DOMAIN. 3600 IN TXT "v=DKIM1; …" "…"`."""

    def __init__(self, records: Mapping[str, bytes]) -> None:
        self._records = records

    @classmethod
    def read(cls, path: Path) -> PinnedKeys:
        """ConfigurationError: the file cannot be read, or a line is not of the form."""
        records: dict[str, bytes] = {}
        for number, line in enumerate(_lines(path), 1):
            if not line.strip() or line.lstrip().startswith(("#", ";")):
                continue
            name, record = _pin(line)
            if not _RECORD.fullmatch(record) or name in records:
                raise ConfigurationError(
                    f"{path}:{number}: got {line[:40]!a}…, expected SELECTOR._domainkey.DOMAIN,"
                    " a space and a key record with p=, each name once",
                    code=UNUSABLE,
                )
            records[name] = record.encode()
        return cls(records)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are pinned, in the order of the file."""
        return tuple(self._records)

    def lookup(self, name: str, at: datetime) -> bytes | None:  # noqa: ARG002 - pinned is pinned
        """The pinned record."""
        return self._records.get(name.lower())

    def knows(self, name: str) -> bool:
        """Whether it is pinned."""
        return name.lower() in self._records

    def verified(self, name: str, record: bytes) -> None:
        """Nothing is remembered of what stands in a file."""


def _pin(line: str) -> tuple[str, str]:
    """Name and record of a line; both empty where it has another form."""
    pin = _PIN.fullmatch(line)
    if pin is None:
        return "", ""
    name = pin[1].lower().rstrip(".")
    if not pin[2].startswith('"'):
        return name, pin[2]
    strings = "".join(_STRING.findall(pin[2]))
    if _STRING.sub("", pin[2]):
        return name, ""
    return name, strings.replace("\\;", ";")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except OSError as error:
        why = error.strerror
    except UnicodeDecodeError:
        why = "it is not ASCII"
    raise ConfigurationError(f"{path}: the pinned keys cannot be read: {why}", code=UNUSABLE)
