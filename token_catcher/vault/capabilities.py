"""What our policies let us do, path by path, as `sys/capabilities-self` tells it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from token_catcher.vault.client import Client

PATHS_AT_ONCE: Final = 500
"""Of which capabilities are asked in one request: its answer has 400 bytes for each."""


def capabilities(client: Client, paths: Sequence[str]) -> Mapping[str, frozenset[str]] | None:
    """The capabilities of our token at each of these paths of Vault's API.

    None: our policies do not let us ask. Raises what `Client.ask` raises."""
    granted: dict[str, frozenset[str]] = {}
    for portion in _portions(paths):
        answer = client.ask("post", "sys/capabilities-self", {"paths": portion})
        if answer.status != 200:
            return None
        granted |= {path: words_in(answer.data.get(path)) for path in portion}
    return granted


def words_in(value: object) -> frozenset[str]:
    """The words of a list in an answer; none where it is no list."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(str(word) for word in value)


def _portions(paths: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(paths)
    while True:
        portion = list(islice(rest, PATHS_AT_ONCE))
        if not portion:
            return
        yield portion


def policy_line(path: str, words: Iterable[str]) -> str:
    """What grants these capabilities, as a policy has it."""
    quoted = ", ".join(f'"{word}"' for word in words)
    return f'path "{path}" {{ capabilities = [{quoted}] }}'


def listed(words: Sequence[str]) -> str:
    """`create, read and update`."""
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"
