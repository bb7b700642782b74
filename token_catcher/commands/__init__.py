"""One module a command, and how results become text; `cli` parses the words and calls them.

A command's module is loaded when it is called for: none pays for the libraries of the others."""

from typing import TYPE_CHECKING

from token_catcher.faces import folder

if TYPE_CHECKING:
    from token_catcher.commands import (
        audit,
        check,
        demo,
        dry_run,
        explain,
        held,
        history,
        init,
        login,
        notify,
        questions,
        reconcile,
        release,
        rotation,
        run,
        scan,
        status,
        vault_setup,
        waiting,
    )

__all__ = [
    "audit",
    "check",
    "demo",
    "dry_run",
    "explain",
    "held",
    "history",
    "init",
    "login",
    "notify",
    "questions",
    "reconcile",
    "release",
    "rotation",
    "run",
    "scan",
    "status",
    "vault_setup",
    "waiting",
]

__getattr__ = folder(__name__, __all__)
