"""Log events, set up once: structlog for ours, and the standard library's loggers led into it.

One event a line on standard error: JSON, or coloured text on a terminal. Redaction here is the
second net; the first is that secrets are types which do not print, and that adapters drop the text
of foreign exceptions. The net masks fields named like secrets and whatever has the form of a
security token or a Vault token. Of an exception it keeps the kind and the places, not the message.

structlog is loaded with the first event that is told. It brings asyncio and rich along, which takes
longer than `history` or `held` takes, and most of the time these have nothing to tell.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, Literal, TextIO

from token_catcher.model import MASK, Event, Secret, masked, printable
from token_catcher.ports import Log

Level = Literal["debug", "info", "warning", "error"]
Fields = MutableMapping[str, Any]
"""An event, as structlog hands it from one processor to the next."""
Processor = Callable[..., Any]

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
TOLD_BY_RESULTS: Final = frozenset((*Event, "mail.pending"))
"""Events of one mail each: a command's result for that mail says the same."""

_FOREIGN_LEVEL: Final = logging.WARNING
"""Below it, libraries write what they send and receive."""


def setup(
    level: Level,
    form: Literal["auto", "console", "json"],
    stream: TextIO | None = None,
    *,
    results: TextIO | None = None,
    at_once: bool = False,
) -> Log:
    """The program's logger.

    Also takes in the standard library's loggers, warnings, and exceptions that nobody caught.
    `results`: where a command prints results, which say what happened. Text on a terminal leaves
    `info` out then, and what a result beside it on the same terminal says of a mail. `debug` is for
    who wants all. What is no terminal has the whole log: collectors read it.
    `at_once`: structlog is loaded now, by a program that runs for months."""
    out = stream or sys.stderr
    console = form == "console"
    if form == "auto":
        console = out.isatty()
    lowest: int = getattr(logging, level.upper())
    first: list[Processor] = []
    if results is not None and console and out.isatty() and level != "debug":
        lowest = max(lowest, logging.WARNING)
        if results.isatty():
            first.append(_unless_told_by_results)
    log = _LateLog(lowest, partial(_logger, stream, first, lowest, console=console))
    if at_once:
        log.load()
    _take_in_foreign(log)
    return log


class _LateLog:
    """Makes the logger when the first event is told. Thread-safe."""

    def __init__(self, lowest: int, make: Callable[[], Log]) -> None:
        """`lowest`: the level from which on events are told; `make` gives what tells them."""
        self._lowest = lowest
        self._make = make
        # Whoever makes it may be told of a warning meanwhile, in the same thread.
        self._lock = threading.RLock()
        self._log: Log | None = None

    def load(self) -> None:
        """Make it now."""
        self._made()

    def debug(self, event: str, **fields: Any) -> None:
        if self._lowest <= logging.DEBUG:
            self._made().debug(event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        if self._lowest <= logging.INFO:
            self._made().info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        if self._lowest <= logging.WARNING:
            self._made().warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self._made().error(event, **fields)

    def _made(self) -> Log:
        with self._lock:
            if self._log is None:
                self._log = self._make()
            return self._log


def _logger(
    stream: TextIO | None, first: Sequence[Processor], lowest: int, *, console: bool
) -> Log:
    """structlog's. `first`: what an event goes through before everything else."""
    with _rich_kept_out(wanted=console):
        import structlog

    log: Log = structlog.wrap_logger(
        _LineWriter(stream),
        processors=[
            *first,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_message,
            redact,
            *_rendering(stream or sys.stderr, console=console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        context_class=dict,
        cache_logger_on_first_use=True,  # it is set up once, and nothing changes after that
    )
    return log


@contextmanager
def _rich_kept_out(*, wanted: bool) -> Iterator[None]:
    """structlog loads rich where it finds it, for tracebacks that we never print: 4 MB of a daemon.

    Not in other threads, where the program may be loading rich for itself at this moment."""
    is_alone = threading.current_thread() is threading.main_thread()
    if wanted or "rich" in sys.modules or not is_alone:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # by it, `import` says that there is none
    try:
        yield
    finally:
        del sys.modules["rich"]


def _unless_told_by_results(_logger: object, _method: str, event: Fields) -> Fields:
    import structlog

    if event["event"] in TOLD_BY_RESULTS:
        raise structlog.DropEvent
    return event


def redact(_logger: object, _method: str, event: Fields) -> Fields:
    """Mask what must not be in a log, in every field, however deep."""
    for name, value in event.items():
        if name.lower() in SECRET_FIELDS:
            event[name] = MASK
        elif name not in PLAIN_FIELDS:
            event[name] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return dict(redact(None, "", {str(name): inner for name, inner in value.items()}))
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [_masked(item) for item in value]
    return masked(str(value))


def _without_message(_logger: object, _method: str, event: Fields) -> Fields:
    """An exception's message may hold anything: keep its kind and where it came through."""
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["kind"] = type(error).__name__
        event["places"] = places(error)
    return event


def _exception(exc_info: object) -> BaseException | None:
    """The exception of each form that loggers take: True, the exception, `sys.exc_info()`."""
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    if isinstance(exc_info, BaseException):
        return exc_info
    return None


def places(error: BaseException) -> list[str]:
    """Where an exception came through: `module.py:12 function`, outermost first, twelve at most.

    No values, and no lines of source."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{_file_and_line(frame)} {frame.name}" for frame in frames]


def raised_at(error: BaseException) -> str:
    """Where an exception was raised: `module.py:12`; `?` where it does not know."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "?"
    return _file_and_line(frames[-1])


def _file_and_line(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"


def _has_colours(stream: TextIO) -> bool:
    """Whether it is a terminal that has them, and nobody wants none (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def _rendering(stream: TextIO, *, console: bool) -> list[Processor]:
    import structlog

    if not console:
        return [_ordered, structlog.processors.JSONRenderer(default=str)]
    renderer = structlog.dev.ConsoleRenderer(
        colors=_has_colours(stream),
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )
    return [_printable, renderer]


def _printable(_logger: object, _method: str, event: Fields) -> Fields:
    """A terminal obeys what it is shown; JSON escapes by itself."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value)
    return event


def _ordered(_logger: object, _method: str, event: Fields) -> Fields:
    """When, how grave and what first: lines are read by people too."""
    head = {name: event[name] for name in ("timestamp", "level", "event") if name in event}
    return {**head, **event}


class _LineWriter:
    """Writes whole lines.

    A log that cannot be written must not end a sweep between two effects; the record is elsewhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """`stream`: None for standard error, as it is then: rich puts one of its own there while
        something moves on the terminal, and writes lines above that."""
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, message: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            stream = self._stream or sys.stderr
            stream.write(message + "\n")
            stream.flush()

    debug = info = warning = error = msg


class _Foreign(logging.Handler):
    """Leads the records of other loggers into ours."""

    def __init__(self, log: Log) -> None:
        super().__init__(_FOREIGN_LEVEL)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        tell = self._log.warning
        if record.levelno >= logging.ERROR:
            tell = self._log.error
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
    """Lead other loggers, warnings, and exceptions that nobody caught into ours."""
    # Whatever a library has set up for itself: there is one stream, and one net over it.
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(log)]
    root.setLevel(_FOREIGN_LEVEL)
    logging.captureWarnings(capture=True)

    def tell(error: BaseException | None) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
            with suppress(ImportError):  # at its very end, Python loads nothing any more
                log.error("program.crashed", exc_info=error)

    def uncaught(_kind: type[BaseException], error: BaseException, _trace: object) -> None:
        tell(error)

    def unseen(hook: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
        tell(hook.exc_value)

    sys.excepthook = uncaught
    threading.excepthook = unseen
    sys.unraisablehook = unseen  # what is raised in a finalizer, where nobody can catch it
