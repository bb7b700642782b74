"""YAML in, plain values and their lines out: what is wrong with the text itself is found here. The door to ruamel.yaml.

A key that stands twice is an error at any depth, where parsers keep one of the two in silence. Of what the parser says only
its own words are told, since it quotes the file, and what it quotes may be a password. Merge keys and tags are refused:
nothing here needs them. Lists become tuples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from token_catcher.config.problems import LONGEST, Loc, Problem

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
EMPTY: Final = "a mapping with mailboxes, orgs and vault; `token-catcher config example` shows one"

_UNFINISHED: Final = object()
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"")
_OWN: Final = re.compile(r"'(?:<[a-z ]+>|[,:}\]])'")
"""What the parser quotes of its own: its names for tokens, and what it would have liked to see."""
_WORDS: Final = re.compile(r"[a-zA-Z '<>,:}\]…]+")


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and where each of them stands."""

    data: Any
    """dict, tuple, str, int, float, bool, None"""
    problems: tuple[Problem, ...]
    root: Node | None = field(repr=False)

    def line(self, loc: Loc) -> int:
        """Where a key or a list item begins, or the nearest thing around it."""
        node, line = self.root, 1 if self.root is None else _line(self.root)
        for part in loc:
            found = next((pair for pair in _pairs(node) if pair[0] == part), None)
            if found is None:
                break
            _, line, node = found
        return line


def parse(raw: bytes) -> Document:
    """Read a file's bytes. What is no YAML at all is a document without values, and one problem."""
    text = ""
    try:
        text = _decoded(raw)
        return _built(text)
    except _NoYaml as trouble:
        return Document(None, (trouble.problem,), None)
    except YAMLError as error:
        return Document(None, (_told(error, text),), None)
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        # The parser meets hostile text with all of these; their words may quote it.
        return Document(
            None, (Problem(1, (), "text that cannot be read as YAML", "YAML or JSON"),), None
        )


def dump(data: Mapping[str, Any]) -> str:
    """Plain values as YAML, in their order."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # typed by its first value, None
    writer.width = 10_000
    stream = StringIO()
    writer.dump(data, stream)
    return stream.getvalue()


class _NoYaml(Exception):
    """Nothing to read; never leaves this room."""

    def __init__(self, line: int, got: str, expected: str) -> None:
        super().__init__(got)
        self.problem = Problem(line, (), got, expected)


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise _NoYaml(1, "a larger file", f"at most {MAX_BYTES} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NoYaml(
            raw[: error.start].count(b"\n") + 1, "bytes that are not UTF-8", "YAML or JSON in UTF-8"
        ) from None


def _told(error: YAMLError, text: str) -> Problem:
    """The parser's complaint without what it quotes from the file."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0)) + 1
    said = (getattr(error, "problem", None) or "").removeprefix("but ")
    words = _QUOTED.sub(lambda quoted: quoted[0] if _OWN.fullmatch(quoted[0]) else "…", said)
    why = f" ({words})" if _WORDS.fullmatch(words) else ""
    return Problem(line, (), f"text that is not YAML{why}", "YAML or JSON")


def _built(text: str) -> Document:
    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH
    reader.composer.warn_double_anchors = False
    root = reader.compose(text)
    if root is None:
        raise _NoYaml(1, "an empty file", EMPTY)
    builder = _Builder(reader.constructor)
    return Document(builder.value(root, ()), tuple(builder.problems), root)


class _Builder:
    """Makes plain values from nodes, and notes what must not be there."""

    def __init__(self, scalars: Any) -> None:
        """`scalars`: the parser's constructor, which knows what numbers look like in this YAML version."""
        self.problems: list[Problem] = []
        self._values: dict[Node, Any] = {}
        self._scalars: Mapping[str, Callable[[ScalarNode], Any]] = {
            "null": lambda _node: None,
            "bool": scalars.construct_yaml_bool,
            "int": lambda node: (
                scalars.construct_yaml_int(node) if len(node.value) <= LONGEST else node.value
            ),
            "float": _float,
            "str": lambda node: node.value,
            "timestamp": lambda node: node.value,
        }

    def value(self, node: Node, loc: Loc) -> Any:
        """The value of a node, made once: aliases of aliases cannot blow up."""
        if node not in self._values:
            self._values[node] = _UNFINISHED
            self._values[node] = self._value(node, loc)
        if self._values[node] is _UNFINISHED:
            self._note(node, loc, "an alias that holds itself", "a value")
            return None
        return self._values[node]

    def _value(self, node: Node, loc: Loc) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if isinstance(node, MappingNode) and kind == "map":
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode) and kind == "seq":
            return tuple(self.value(item, (*loc, index)) for index, item in enumerate(node.value))
        if isinstance(node, ScalarNode) and kind in self._scalars:
            return self._scalars[kind](node)
        self._note(node, loc, "a tag", "a value without one")
        return None

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or str(key.tag).endswith(":merge"):
                self._note(
                    key,
                    loc,
                    "a key that is no text, or a merge key (<<)",
                    "keys that are written out",
                )
            elif key.value in mapping:
                got = f"the key again (first on line {first[key.value]})"
                self._note(key, (*loc, key.value), got, "each key once")
            else:
                first[key.value] = _line(key)
                mapping[key.value] = self.value(value, (*loc, key.value))
        return mapping

    def _note(self, node: Node, loc: Loc, got: str, expected: str) -> None:
        self.problems.append(Problem(_line(node), loc, got, expected))


def _float(node: ScalarNode) -> float:
    """No key takes one, so that it is one is enough; ruamel's own warns with the text."""
    try:
        return float(node.value.replace("_", ""))
    except ValueError:
        return math.nan


def _pairs(node: Node | None) -> Iterator[tuple[str | int, int, Node]]:
    """Key or position, its line, and the node behind it."""
    if isinstance(node, MappingNode):
        yield from (
            (key.value, _line(key), value)
            for key, value in node.value
            if isinstance(key, ScalarNode)
        )
    elif isinstance(node, SequenceNode):
        yield from ((index, _line(item), item) for index, item in enumerate(node.value))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
