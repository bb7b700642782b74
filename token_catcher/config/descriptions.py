"""What stands below each key in the source of its section: the key's description.

pydantic can read them too (`use_attribute_docstrings`), but does so whenever the program starts,
and parsing the source of every section takes longer than all else that `config` does. They are
wanted for the JSON Schema, and to say what a key that is missing should hold.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from itertools import pairwise


def descriptions_of(section: type) -> Mapping[str, str]:
    """By key, with the keys of the sections it is built on."""
    texts: dict[str, str] = {}
    for built_on in reversed(section.__mro__):
        # Of our own alone: what they are all built on is pydantic's.
        if built_on.__module__.startswith(__package__):
            texts |= _texts_in(built_on)
    return texts


def _texts_in(section: type) -> dict[str, str]:
    body = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = {}
    for statement, following in pairwise(body.body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=key)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[key] = inspect.cleandoc(text)
    return texts
