"""What our policies let us do, path by path, as `sys/capabilities-self` tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from token_catcher.vault.answer import Answer, mapping
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


class Rules:
    """The rules of our policies that name a path, or all paths that begin so."""

    def __init__(
        self, exact: Mapping[str, frozenset[str]], beginnings: Mapping[str, frozenset[str]]
    ) -> None:
        """What each grants, by path, which has the namespace in front where there is one."""
        self._exact: defaultdict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        for path, granted in exact.items():
            place, _, name = path.rpartition("/")
            self._exact[name].append((place, granted))
        self._beginnings = [
            (*path.rpartition("/"), granted) for path, granted in beginnings.items()
        ]

    def of(self, path: str) -> list[frozenset[str]]:
        """What those grant that tell this path from others in its folder."""
        folder, _, name = path.rpartition("/")
        named = list(self._exact.get(name, ()))
        for place, _, beginning, granted in self._beginnings:
            if beginning and name.startswith(beginning):
                named.append((place, granted))
        return [granted for place, granted in named if f"/{place}".endswith(f"/{folder}")]


def rules(client: Client) -> Rules:
    """Those of our policies, in one answer. It leaves out those with a `+`, and has none where we
    may not ask.

    Raises what `Client.ask` raises."""
    answer = client.ask("get", "sys/internal/ui/resultant-acl")
    return Rules(_granted(answer, "exact_paths"), _granted(answer, "glob_paths"))


def _granted(answer: Answer, kind: str) -> dict[str, frozenset[str]]:
    told = mapping(answer.data.get(kind)).items()
    return {path: words_in(mapping(rule).get("capabilities")) for path, rule in told}


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
