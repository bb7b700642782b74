"""How a mistake in the configuration is told: where, what was got, what is expected.

Never with a secret. A value below a key that may hold one is not shown, neither is that of an
unknown key (the key may be a misspelt `password`), nor more than the first word of any other (a
forgotten colon folds the next line into the value).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

Loc = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""

MAY_HOLD_SECRETS: Final = frozenset({"password", "oauth2", "auth", "key", "notify"})
NAMED_BELOW: Final = frozenset(
    {"file", "env", "method", "role_id", "secret_id", "token", "mount", "key"}
    | {"jwt", "name", "namespace", "password", "role", "username", "wrapped_secret_id"}
    | {"provider", "tenant", "cloud", "authority", "token_url", "scope", "mechanism", "command"}
    | {"client_id", "client_secret", "certificate", "assertion", "refresh_token"}
    | {"service_account", "impersonate"}
    | {"on", "webhook", "apprise", "url", "secret", "ca_file"}
)
"""What may be named below those keys; anything else there may be a secret in the wrong place."""
NO_SECRETS: Final = frozenset(
    {"provider", "tenant", "cloud", "authority", "token_url", "mechanism"}
)
"""Of `oauth2`, what hardly anybody takes for the place of a secret: without the value nobody would
see what is wrong with it."""
LOOKS_LIKE_A_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
"""`password:hunter2`, where a blank was forgotten, does not."""
LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to mend, wherever it stands in the file."""

    loc: Loc
    got: str
    expected: str

    def __str__(self) -> str:
        key = f"{key_path(self.loc)}: " if self.loc else ""
        return f"{key}got {self.got}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake, and the line to look at."""

    line: int
    """In the file, from 1"""
    mistake: Mistake

    def __str__(self) -> str:
        return f"{self.line}: {self.mistake}"


class Wrong(ValueError):
    """A value that does not do; raised by validators, which know neither key nor line."""

    def __init__(self, expected: str, got: str | None = None) -> None:
        """`got`: in place of the value itself."""
        super().__init__(expected)
        self.expected = expected
        self.got = got


def key_path(loc: Loc) -> str:
    """`mailboxes[0].password.file`; `…` for a key that may be a secret in the wrong place."""
    path = ""
    for depth, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        if path:
            path += "."
        path += part if _may_be_named(part, loc[:depth]) else "…"
    return path


def _may_be_named(key: str, above: Loc) -> bool:
    if is_secret(above):
        return key in NAMED_BELOW
    return LOOKS_LIKE_A_KEY.fullmatch(key) is not None


def is_secret(loc: Loc) -> bool:
    """Whether what stands here may be a secret."""
    if "oauth2" in loc and loc[-1] in NO_SECRETS:
        return False
    return not MAY_HOLD_SECRETS.isdisjoint(loc)


def shown(value: Any, loc: Loc) -> str:
    """A value as a message may show it: a word, a number, or only its kind."""
    if isinstance(value, str) and not is_secret(loc):
        if "oauth2" in loc and "?" in value:
            return "an address with a query in it"  # which may hold a secret
        return _word(value)
    if isinstance(value, int | float) and not is_secret(loc):
        return _shortened(str(value).lower())
    return kind_of(value)


def kind_of(value: Any) -> str:
    """What sort of value it is."""
    match value:
        case None:
            return "null"
        case dict():
            return "a mapping"
        case ():
            return "an empty list"
        case tuple():
            return "a list"
        case str():
            return "text"
        case _:
            return "a number, true or false"


def did_you_mean(word: str, known: Collection[str]) -> str:
    """` (did you mean 'password'?)`, or nothing."""
    # Loaded with the first mistake (docs/adr/0027).
    from difflib import get_close_matches

    return "".join(f" (did you mean {match!r}?)" for match in get_close_matches(word, known, 1))


def _word(text: str) -> str:
    """The first word, quoted. An address may hold a password."""
    if "://" in text and "@" in text:
        return "an address with a user's name in it"
    word, *more = text.split(maxsplit=1) or [""]
    quoted = ascii(_shortened(word))
    return f"{quoted} …" if more else quoted


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
