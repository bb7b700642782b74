"""The face of a folder: names that load the module they come from when they are first asked for.

So a program loads what it uses, and no more. `history` over files needs neither a configuration
nor a mailbox, `explain` no Vault; their libraries take a second and 60 MB together. What imports a
name at its top still has its module loaded there and then: nothing waits for the middle of a night.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def face(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a folder (PEP 562). `modules`: the names that each of its modules gives.

    No name may be that of a module: importing that one would put it in the name's place."""
    homes = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        # From now on it is an attribute like others.
        setattr(sys.modules[package], name, value)
        return value

    return load


def folder(package: str, modules: Sequence[str]) -> Callable[[str], Any]:
    """The same for a folder that is used by its modules: `commands.scan` loads that one."""

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    return load
