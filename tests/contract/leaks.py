"""What an exception would show to anyone who prints it, with everything that hangs on it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

FOREIGN = "FOREIGN-TEXT-OF-A-SERVER"
"""Said by servers in tests; an adapter never shows it."""


def hangs_alone(error: BaseException) -> bool:
    """Whether no other exception hangs on it.

    A foreign one would keep its request, and the secret in it."""
    return error.__cause__ is None and error.__context__ is None


def shown(error: BaseException) -> str:
    """Tracebacks and texts of the exception and of all that hang on it, suppressed ones too."""
    return "\n".join(_texts(link) for link in _chain(error))


def _texts(error: BaseException) -> str:
    lines = traceback.format_exception(type(error), error, error.__traceback__, chain=False)
    return f"{error!r} {error} {error.args} {''.join(lines)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
