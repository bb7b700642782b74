"""YAML in, plain values and their lines out. The adapter to ruamel.yaml.

What is wrong with the text itself is found here. A key that stands twice is an error at any depth,
where parsers keep one of the two in silence. Of what the parser says only its own words are told,
since it quotes the file, and what it quotes may be a password. Merge keys and tags are refused:
nothing here needs them. Lists become tuples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from token_catcher.config.problems import LONGEST, Loc, Mistake, Problem

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
EMPTY: Final = "a mapping with mailboxes, orgs and vault; `token-catcher config example` shows one"
UNREADABLE: Final = "text that cannot be read as YAML"

_UNFINISHED: Final = object()
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"")
_OWN: Final = re.compile(r"'(?:<[a-z ]+>|[,:}\]])'")
"""What the parser quotes of its own: its names for tokens, and what it would have liked to see."""
_WORDS: Final = re.compile(r"[a-zA-Z '<>,:}\]…]+")
_SCALARS: Final = ("null", "bool", "int", "float", "str", "timestamp")
"""A date stays the text that it was."""
_HOSTILE: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the parser meets hostile text with, beside its own errors; their words may quote it."""


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and where each of them stands."""

    data: Any
    """dict, tuple, str, int, float, bool, None"""
    problems: tuple[Problem, ...]
    root: Node | None = field(repr=False)

    def line(self, loc: Loc) -> int:
        """Where a key or a list item begins, or the nearest thing around it."""
        if self.root is None:
            return 1
        node = self.root
        line = _line(self.root)
        for part in loc:
            child = _child(node, part)
            if child is None:
                break
            line, node = child
        return line


def parse(raw: bytes) -> Document:
    """Read a file's bytes. What is no YAML at all is a document without values, and one problem."""
    try:
        text = _decoded(raw)
        return _built(text)
    except _NoYamlError as error:
        return Document(None, (error.problem,), None)


def dump(data: Mapping[str, Any]) -> str:
    """Plain values as YAML, in their order."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    # Typed by its first value, None.
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 10_000  # a value that was folded could not be searched for
    stream = StringIO()
    writer.dump(data, stream)
    return stream.getvalue()


class _NoYamlError(Exception):
    """Nothing to read; never leaves this module."""

    def __init__(self, line: int, got: str, expected: str = "YAML or JSON") -> None:
        super().__init__(got)
        self.problem = Problem(line, Mistake((), got, expected))


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise _NoYamlError(1, "a larger file", f"at most {MAX_BYTES} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _NoYamlError(line, "bytes that are not UTF-8", "YAML or JSON in UTF-8") from None


def _built(text: str) -> Document:
    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH  # a thousand brackets would end in a RecursionError
    reader.composer.warn_double_anchors = False  # the warning would quote the file
    root = _composed(reader, text)
    if root is None:
        raise _NoYamlError(1, "an empty file", EMPTY)
    builder = _Builder(reader.constructor)
    return Document(builder.value(root, ()), tuple(builder.problems), root)


def _composed(reader: YAML, text: str) -> Node | None:
    try:
        root: Node | None = reader.compose(text)
    except YAMLError as error:
        raise _translated(error, text) from None
    except _HOSTILE:
        raise _NoYamlError(1, UNREADABLE) from None
    return root


def _translated(error: YAMLError, text: str) -> _NoYamlError:
    """The parser's complaint without what it quotes from the file."""
    complaint = (getattr(error, "problem", None) or "").removeprefix("but ")
    words = _QUOTED.sub(_without_foreign_text, complaint)
    if _WORDS.fullmatch(words):
        return _NoYamlError(_line_of(error, text), f"text that is not YAML ({words})")
    return _NoYamlError(_line_of(error, text), "text that is not YAML")


def _without_foreign_text(quoted: re.Match[str]) -> str:
    return quoted[0] if _OWN.fullmatch(quoted[0]) else "…"


def _line_of(error: YAMLError, text: str) -> int:
    """Errors have a mark, of the thing itself or of what it stands in, or only a position."""
    for name in ("problem_mark", "context_mark"):
        mark = getattr(error, name, None)
        if mark is not None:
            return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


class _Builder:
    """Makes plain values from nodes, and notes what must not be there."""

    def __init__(self, constructor: Any) -> None:
        """`constructor`: the parser's, which knows what numbers look like in this YAML version."""
        self.problems: list[Problem] = []
        self._values: dict[Node, Any] = {}
        self._constructor = constructor

    def value(self, node: Node, loc: Loc) -> Any:
        """The value of a node, made once: aliases of aliases cannot blow up."""
        if node not in self._values:
            # Whoever meets the mark meets a node inside of itself.
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
        if isinstance(node, ScalarNode) and kind in _SCALARS:
            return self._scalar(node, kind)
        self._note(node, loc, "a tag", "a value without one")
        return None

    def _scalar(self, node: ScalarNode, kind: str) -> Any:
        match kind:
            case "null":
                return None
            case "bool":
                return _constructed(self._constructor.construct_yaml_bool, node)
            case "int" if len(node.value) <= LONGEST:
                return _constructed(self._constructor.construct_yaml_int, node)
            case "float":
                return _float(node)
            case _:
                return node.value

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or str(key.tag).endswith(":merge"):
                got = "a key that is no text, or a merge key (<<)"
                self._note(key, loc, got, "keys that are written out")
            elif key.value in mapping:
                got = f"the key again (first on line {first[key.value]})"
                self._note(key, (*loc, key.value), got, "each key once")
            else:
                first[key.value] = _line(key)
                mapping[key.value] = self.value(value, (*loc, key.value))
        return mapping

    def _note(self, node: Node, loc: Loc, got: str, expected: str) -> None:
        self.problems.append(Problem(_line(node), Mistake(loc, got, expected)))


def _constructed(construct: Callable[[ScalarNode], Any], node: ScalarNode) -> Any:
    try:
        return construct(node)
    except (YAMLError, *_HOSTILE):
        raise _NoYamlError(_line(node), UNREADABLE) from None


def _float(node: ScalarNode) -> float:
    """No key takes one, so that it is one is enough; ruamel's own warns with the text."""
    try:
        return float(node.value.replace("_", ""))
    except ValueError:
        return math.nan


def _child(node: Node, part: str | int) -> tuple[int, Node] | None:
    """The line of a key or a list item, and the node behind it; of a key that stands twice, the
    first, whose value counts."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == part:
                return _line(key), value
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            if index == part:
                return _line(item), item
    return None


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
