"""Log events, set up once: structlog for ours, the standard library's loggers led into the same stream.

One event a line on standard error: JSON, or coloured text on a terminal. Redaction here is the second net; the first is that
secrets are types which do not print, and that doors drop the text of foreign exceptions. The net masks fields named like
secrets and whatever has the form of a security token or a Vault token; of an exception it keeps the kind and the places, never
the message.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog

from token_catcher.model import MASK, Secret, masked
from token_catcher.ports import Log

Level = Literal["debug", "info", "warning", "error"]
SECRET_FIELDS: Final = frozenset(
    (
        "password",
        "token",
        "security_token",
        "secret",
        "secret_id",
        "client_token",
        "authorization",
        "x-vault-token",
    )
)
PLAIN_FIELDS: Final = frozenset(
    ("timestamp", "level", "mailbox", "folder", "username", "org", "path", "instance", "mail")
)
"""Configured or validated values, which may look like anything."""

_FOREIGN_LEVEL: Final = logging.WARNING
"""Below it, libraries write what they send and receive."""


def setup(
    level: Level, form: Literal["auto", "console", "json"], stream: TextIO | None = None
) -> Log:
    """The program's logger. Also takes in the standard library's loggers, warnings, and exceptions that nobody caught."""
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    number: int = getattr(logging, level.upper())
    log: Log = structlog.wrap_logger(
        _Line(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_message,
            redact,
            *_rendering(console=console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    _take_in_foreign(log)
    return log


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask what must not be in a log, in every field, however deep."""
    for name, value in event.items():
        if name.lower() in SECRET_FIELDS:
            event[name] = MASK
        elif name not in PLAIN_FIELDS:
            event[name] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return dict(redact(None, "", {str(name): one for name, one in value.items()}))
    if isinstance(value, Sequence | set | frozenset):
        return [_masked(one) for one in value]
    return value if isinstance(value, bool | int | float | None) else masked(str(value))


def _without_message(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """An exception's message may hold anything: keep its kind and where it came through."""
    error = event.pop("exc_info", None)
    error = sys.exc_info()[1] if error is True else error
    error = error[1] if isinstance(error, tuple) else error
    if isinstance(error, BaseException):
        event["kind"] = type(error).__name__
        event["places"] = places(error)
    return event


def places(error: BaseException) -> list[str]:
    """Where an exception came through: `module.py:12 function`, outermost first, twelve at most.

    No values, and no lines of source."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{_file_and_line(frame)} {frame.name}" for frame in frames]


def place(error: BaseException) -> str:
    """Where an exception was raised: `module.py:12`; `?` where it does not know."""
    frames = traceback.extract_tb(error.__traceback__)
    return _file_and_line(frames[-1]) if frames else "?"


def _file_and_line(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"


def _rendering(*, console: bool) -> list[Callable[..., Any]]:
    if console:
        return [
            _printable,
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback, sort_keys=False
            ),
        ]
    return [_ordered, structlog.processors.JSONRenderer(default=str)]


def _printable(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A terminal obeys what it is shown; JSON escapes by itself."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event


def _ordered(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """When, how grave and what first: lines are read by people too."""
    head = {name: event[name] for name in ("timestamp", "level", "event") if name in event}
    return {**head, **event}


class _Line:
    """Writes whole lines. A log that cannot be written must not end a sweep between two effects: the journal is the record."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, message: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(message + "\n")
            self._stream.flush()

    debug = info = warning = error = msg


class _Foreign(logging.Handler):
    """Leads the records of other loggers into ours."""

    def __init__(self, log: Log) -> None:
        super().__init__(_FOREIGN_LEVEL)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        tell = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        tell(
            "library.message",
            logger=record.name,
            message=_message(record),
            exc_info=record.exc_info,
        )


def _message(record: logging.LogRecord) -> str:
    """A library whose message does not fit its arguments must not be stopped by that."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - formatting calls any code
        return str(record.msg)


def _take_in_foreign(log: Log) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(log)]
    root.setLevel(_FOREIGN_LEVEL)
    logging.captureWarnings(capture=True)

    def uncaught(
        _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            log.error("program.crashed", exc_info=error)

    def unseen(args: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
        uncaught(args.exc_type, args.exc_value or SystemExit(), args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = unseen
    sys.unraisablehook = unseen  # in finalizers
