"""What an exception would show to anyone who prints it, with everything that hangs on it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

FOREIGN = "FOREIGN-TEXT-OF-A-SERVER"
"""Said by servers in tests; never to be seen behind a door."""


def hangs_alone(error: BaseException) -> bool:
    """Whether no other exception hangs on it: a foreign one would keep its request, and the secret in it."""
    return error.__cause__ is None and error.__context__ is None


def shown(error: BaseException) -> str:
    """Tracebacks and texts of the exception, its causes and its contexts, suppressed ones included."""
    return "\n".join(
        f"{one!r} {one} {one.args} {''.join(traceback.format_exception(type(one), one, one.__traceback__, chain=False))}"
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
