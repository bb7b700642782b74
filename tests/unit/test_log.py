"""The log: one event a line, nothing of other libraries below a warning,
and no secret, whatever is thrown at it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.kit.waiting import PATIENCE
from token_catcher.log import Level, places, raised_at, setup
from token_catcher.model import MASK, Event, ProofEvent, Secret, Token

TOKEN = "FAKE5tokenNOTreal2xyzQ99a"
VAULT_TOKEN = "hvs.FAKEvaultTokenNotReal"
MESSAGE = "SELECT of the imagined row failed"
"""What an exception says, and nobody may read."""


class Terminal(StringIO):
    """A stream that people read."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_hooks() -> Iterator[None]:
    """`setup` takes in the loggers, warnings and hooks of the whole process: give them back."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    level = root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def events_in(stream: StringIO) -> list[dict[str, Any]]:
    """The events, whole, but for their time."""
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    for event in events:
        assert (
            abs(datetime.fromisoformat(event.pop("timestamp")) - datetime.now(UTC)).total_seconds()
            < 60
        )
    return events


def logged(**fields: Any) -> dict[str, Any]:
    """What the log makes of these fields."""
    stream = StringIO()
    setup("info", "json", stream).info("event", **fields)
    (event,) = events_in(stream)
    return {name: value for name, value in event.items() if name not in ("level", "event")}


# -- one event --


def test_an_event_is_one_line_of_json() -> None:
    """When, how grave, what; then the fields, as they were given."""
    stream = StringIO()
    setup("info", "json", stream).info(
        "rotation.stored", username="integration@acme.example", version=3, recovered=True
    )
    assert stream.getvalue().count("\n") == 1
    assert list(json.loads(stream.getvalue())) == [
        "timestamp",
        "level",
        "event",
        "username",
        "version",
        "recovered",
    ]
    assert events_in(stream) == [
        {
            "level": "info",
            "event": "rotation.stored",
            "username": "integration@acme.example",
            "version": 3,
            "recovered": True,
        }
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_the_least_that_is_told(level: Level, expected: list[str]) -> None:
    """What is below it is dropped."""
    stream = StringIO()
    log = setup(level, "json", stream)
    for tell in (log.debug, log.info, log.warning, log.error):
        tell("event")
    assert [event["level"] for event in events_in(stream)] == expected


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", StringIO(), True),
        ("auto", Terminal(), False),
        ("console", StringIO(), False),
        ("json", Terminal(), True),
    ],
)
def test_the_form_is_chosen_by_who_reads(form: Any, stream: StringIO, is_json: bool) -> None:
    """`auto`: text on a terminal, JSON everywhere else."""
    setup("info", form, stream).info("event")
    assert stream.getvalue().startswith("{") == is_json


RESULT = "rotation.refused"
"""What a result says of a mail as well."""


@pytest.mark.parametrize(
    ("level", "form", "stream", "results", "told"),
    [
        ("info", "auto", Terminal, Terminal, ["an.warning"]),
        ("info", "console", Terminal, Terminal, ["an.warning"]),
        ("error", "auto", Terminal, Terminal, []),
        ("info", "auto", Terminal, StringIO, [RESULT, "an.warning"]),
        ("debug", "auto", Terminal, Terminal, ["an.debug", "an.info", RESULT, "an.warning"]),
        ("info", "json", Terminal, Terminal, ["an.info", RESULT, "an.warning"]),
        ("info", "auto", StringIO, Terminal, ["an.info", RESULT, "an.warning"]),
        ("info", "console", StringIO, StringIO, ["an.info", RESULT, "an.warning"]),
    ],
)
def test_a_terminal_is_not_told_what_results_tell(
    level: Level, form: Any, stream: type[StringIO], results: type[StringIO], told: list[str]
) -> None:
    """Nothing is said twice on one terminal; `debug` is for who wants all, and everything else than
    text on a terminal for collectors."""
    log_stream = stream()
    log = setup(level, form, log_stream, results=results())
    log.debug("an.debug")
    log.info("an.info")
    log.warning(RESULT)
    log.warning("an.warning")
    assert re.findall(r"an\.\w+|rotation\.\w+", log_stream.getvalue()) == told


@pytest.mark.parametrize("event", [*Event, "mail.pending"])
def test_what_results_tell(event: str) -> None:
    """Each outcome of a mail, and that it waits; no result tells of the proof by login."""
    stream = Terminal()
    log = setup("info", "auto", stream, results=Terminal())
    log.warning(event)
    assert stream.getvalue() == ""
    log.warning(ProofEvent.UNVERIFIED)
    assert "rotation.unverified" in stream.getvalue()


def test_the_log_follows_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is another one while something moves on the terminal."""
    log = setup("info", "json")
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log.info("event")
    assert [event["event"] for event in events_in(stream)] == ["event"]


def console(stream: StringIO) -> str:
    """The lines of the console form, without colours, times and alignment."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    return re.sub(r" +", " ", re.sub(r"(?m)^[^ ]+ ", "", plain))


def test_the_console_form() -> None:
    """A line a person reads: level, event, fields in their order;
    of an exception its kind and its places."""
    stream = Terminal()
    log = setup("info", "console", stream)
    log.info("rotation.held", username="a@b.example", reason="unknown-user", saw="two words")
    try:
        raise KeyError(MESSAGE)
    except KeyError:
        log.error("event", exc_info=True)
    line = places_of(test_the_console_form)
    assert console(stream).splitlines() == [
        "[info ] rotation.held username=a@b.example reason=unknown-user saw='two words'",
        f"[error ] event kind=KeyError places=['{line[0]}']",
    ]


def places_of(test: Callable[..., object]) -> list[str]:
    """Where the only `raise KeyError(MESSAGE)` of a test stands."""
    code = test.__code__
    source = Path(code.co_filename).read_text("utf-8").splitlines()
    number = next(
        n
        for n in range(code.co_firstlineno, len(source))
        if "raise KeyError(MESSAGE)" in source[n - 1]
    )
    return [f"test_log.py:{number} {code.co_name}"]


def test_no_value_acts_on_the_terminal() -> None:
    """What is not printable is escaped, in the names of folders too."""
    stream = Terminal()
    setup("info", "console", stream).info(
        "event", folder="Spam\x1b[2J", saw=["\x07\x9b"], note="a\nb", other="Entwürfe"
    )
    assert (
        console(stream)
        == "[info ] event folder=Spam\\x1b[2J saw=['\\x07\\x9b'] note=a\\nb other=Entwürfe\n"
    )


# -- what must not be in it --


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"password": "p", "token": 1, "Authorization": "Bearer x"},
            {"password": MASK, "token": MASK, "Authorization": MASK},
        ),
        (
            {"data": {"secret_id": "s", "X-Vault-Token": "t", "n": 1}},
            {"data": {"secret_id": MASK, "X-Vault-Token": MASK, "n": 1}},
        ),
        ({"saw": f"token {TOKEN}!"}, {"saw": f"token {MASK}!"}),
        ({"saw": f"login with {VAULT_TOKEN}"}, {"saw": f"login with {MASK}"}),
        ({"saw": [TOKEN, (TOKEN, 1)], "set": {TOKEN}}, {"saw": [MASK, [MASK, 1]], "set": [MASK]}),
        ({"a": {"b": [{"c": TOKEN, 5: TOKEN}]}}, {"a": {"b": [{"c": MASK, "5": MASK}]}}),
        ({"a": Secret("x")}, {"a": "<secret>"}),
        ({"a": [Token(TOKEN)]}, {"a": [f"<token of 25 characters, {Token(TOKEN).fingerprint}>"]}),
        ({"raw": TOKEN.encode(), "b": [bytearray(3)]}, {"raw": "<25 bytes>", "b": ["<3 bytes>"]}),
        (
            {"error": ValueError(TOKEN), "file": Path("/a") / TOKEN},
            {"error": MASK, "file": f"/a/{MASK}"},
        ),
        (
            {"none": None, "yes": True, "half": 0.5, "n": 7},
            {"none": None, "yes": True, "half": 0.5, "n": 7},
        ),
    ],
)
def test_secrets_are_masked(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """By the name of the field, by the type and by the form of the value, however deep."""
    assert logged(**fields) == expected


def test_configured_values_are_not_masked() -> None:
    """A name that an operator chose is shown, even if it has the form of a token;
    it is what they search for."""
    name = "IntegrationUserOfAcme2026"
    fields = dict.fromkeys(
        ("mailbox", "folder", "username", "org", "path", "instance", "mail"), name
    )
    assert logged(**fields) == fields


@pytest.mark.parametrize("given", ["true", "error", "tuple"])
def test_of_an_exception_kind_and_places_are_told(given: str) -> None:
    """Never the message, nor the values around it: they may be anything."""
    stream = StringIO()
    log = setup("info", "json", stream)
    try:
        raise KeyError(MESSAGE)
    except KeyError as error:
        log.error(
            "event", exc_info={"true": True, "error": error, "tuple": sys.exc_info()}[given], uid=1
        )
    line = places_of(test_of_an_exception_kind_and_places_are_told)
    assert events_in(stream) == [
        {"level": "error", "event": "event", "uid": 1, "kind": "KeyError", "places": line}
    ]


def test_no_exception_is_no_field() -> None:
    """`exc_info=True` where nothing was raised adds nothing."""
    assert logged(exc_info=True, uid=1) == {"uid": 1}


def test_a_deep_trace_is_cut() -> None:
    """The last twelve places: those nearest to the trouble."""

    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError
        dive(depth - 1)

    with pytest.raises(ValueError) as caught:
        dive(30)
    innermost = places(caught.value)
    assert len(innermost) == 12
    assert {place.split(" ")[1] for place in innermost} == {"dive"}


def test_the_place_of_an_exception_is_where_it_was_raised() -> None:
    """File and line of the innermost frame; of one that was never raised nobody knows."""
    try:
        raise KeyError(MESSAGE)
    except KeyError as error:
        at = raised_at(error)
    expected = places_of(test_the_place_of_an_exception_is_where_it_was_raised)[0]
    assert (f"{at} {expected.split()[1]}", raised_at(KeyError(MESSAGE))) == (expected, "?")


# -- other libraries --


@pytest.mark.parametrize("level", ["debug", "info"])
def test_other_libraries_say_nothing_below_a_warning(level: Level) -> None:
    """At no level of ours: there they write what they send and receive.

    Even one that was told to be talkative."""
    stream = StringIO()
    setup(level, "json", stream)
    library = logging.getLogger("imapclient.imaplib")
    library.setLevel(logging.DEBUG)
    try:
        library.debug("< * 1 FETCH (BODY[] {2000}) %s", TOKEN)
        library.info("login with %s", TOKEN)
        logging.getLogger("urllib3").debug("PUT /v1/secret %s", TOKEN)
    finally:
        library.setLevel(logging.NOTSET)
    assert stream.getvalue() == ""


def test_warnings_of_other_libraries_are_events() -> None:
    """With the library's name and the message, masked, whatever was set before;
    what is graver is an error."""
    logging.getLogger().setLevel(logging.CRITICAL)
    stream = StringIO()
    setup("info", "json", stream)
    logging.getLogger("urllib3.pool").warning("retry with %s after %d s", TOKEN, 3)
    logging.getLogger("apscheduler").critical("lost")
    assert events_in(stream) == [
        {
            "level": "warning",
            "event": "library.message",
            "logger": "urllib3.pool",
            "message": f"retry with {MASK} after 3 s",
        },
        {"level": "error", "event": "library.message", "logger": "apscheduler", "message": "lost"},
    ]


def test_an_exception_that_a_library_logs() -> None:
    """Kind and places again, and no message."""
    stream = StringIO()
    setup("info", "json", stream)
    try:
        raise KeyError(MESSAGE)
    except KeyError:
        logging.getLogger("apscheduler").exception("job failed")
    assert events_in(stream) == [
        {
            "level": "error",
            "event": "library.message",
            "logger": "apscheduler",
            "message": "job failed",
            "kind": "KeyError",
            "places": places_of(test_an_exception_that_a_library_logs),
        }
    ]


def test_a_library_may_log_nonsense() -> None:
    """A message that cannot be formatted is told without its arguments,
    and does not end what the library was doing."""
    stream = StringIO()
    setup("info", "json", stream)
    logging.getLogger("lib").warning("%d mails", MESSAGE)
    assert events_in(stream) == [
        {"level": "warning", "event": "library.message", "logger": "lib", "message": "%d mails"}
    ]


def test_warnings_are_events() -> None:
    """They do not go to standard error by themselves."""
    stream = StringIO()
    setup("info", "json", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old: {TOKEN}", DeprecationWarning, stacklevel=1)
    (event,) = events_in(stream)
    assert (event["level"], event["logger"]) == ("warning", "py.warnings")
    assert f"DeprecationWarning: old: {MASK}" in event["message"]


# -- what nobody caught --


def crashed(code: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and events of a program that sets the log up and then does this."""
    setting_up = "from token_catcher import log\nimport sys, threading\nlog.setup('info', 'json')\n"
    program = setting_up + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, events_in(StringIO(done.stderr))


def event_of_crash(*frames: str, kind: str = "ValueError") -> dict[str, Any]:
    return {"level": "error", "event": "program.crashed", "kind": kind, "places": list(frames)}


def test_an_uncaught_exception_is_one_event() -> None:
    """No traceback, no message, no cause; the exit code is Python's."""
    code = f"""
    def work():
        try:
            raise KeyError("{MESSAGE}")
        except KeyError as error:
            raise ValueError("{TOKEN}") from error
    work()
    """
    assert crashed(code) == (1, [event_of_crash("<string>:10 <module>", "<string>:9 work")])


def test_an_uncaught_exception_in_a_thread_is_one_event() -> None:
    """The thread is gone, the program goes on; a thread that ends itself is no crash."""
    code = f"""
    def work():
        raise ValueError("{MESSAGE}")
    for target in (work, sys.exit):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    """
    exit_code, (event,) = crashed(code)
    assert (exit_code, event["event"], event["kind"], event["places"][-1]) == (
        0,
        "program.crashed",
        "ValueError",
        "<string>:6 work",
    )


def test_an_exception_that_nobody_could_catch_is_one_event() -> None:
    """Python tells of those in finalizers by itself, with message and all."""
    code = f"""
    class Session:
        def __del__(self):
            raise ValueError("{MESSAGE}")
    Session()
    """
    assert crashed(code) == (0, [event_of_crash("<string>:7 __del__")])


def test_an_interruption_is_no_crash() -> None:
    """Ctrl-C says nothing; the exit code is the signal's."""
    assert crashed("raise KeyboardInterrupt") == (-2, [])
    assert crashed("sys.exit(3)") == (3, [])


# -- a log that cannot be written --


def closed() -> StringIO:
    stream = StringIO()
    stream.close()
    return stream


def full() -> TextIO:
    return Path("/dev/full").open("w", encoding="utf-8")


@pytest.mark.parametrize("opened", [closed, full])
def test_a_log_that_cannot_be_written_does_not_raise(opened: Callable[[], TextIO]) -> None:
    """It must not end a sweep between two effects: the journal is the record."""
    stream = opened()
    log = setup("info", "json", stream)
    for _ in range(3):
        log.info("event")
        logging.getLogger("lib").error("message")
    with suppress(OSError):
        stream.close()


class Slow(StringIO):
    """Takes half a line, and a while later the rest, as a full pipe does."""

    def write(self, text: str) -> int:
        half = len(text) // 2
        super().write(text[:half])
        time.sleep(0.0005)
        return half + super().write(text[half:])


def test_lines_of_many_threads_stay_whole() -> None:
    """Nobody writes into the middle of another's."""
    stream = Slow()
    log = setup("info", "json", stream)
    threads = [
        threading.Thread(target=lambda: [log.info("event", uid=uid) for uid in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event["uid"] for event in events_in(stream)) == sorted([*range(10)] * 4)


# -- when structlog is loaded --


def libraries_of(code: str) -> set[str]:
    """Those of structlog's that another process has loaded in the end."""
    told = "import sys\nprint(*({'structlog', 'asyncio', 'rich.console'} & {*sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"from token_catcher import log\n{code}\n{told}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "libraries"),
    [
        ("log.setup('info', 'json')", set()),
        ("log.setup('info', 'json').debug('event')", set()),
        ("log.setup('info', 'json').info('event')", {"structlog", "asyncio"}),
        ("log.setup('info', 'json', at_once=True)", {"structlog", "asyncio"}),
        ("log.setup('info', 'console').info('event')", {"structlog", "asyncio", "rich.console"}),
        (
            "import rich.console\nlog.setup('info', 'json').info('event')",
            {"structlog", "asyncio", "rich.console"},
        ),
    ],
)
def test_structlog_comes_with_the_first_event(code: str, libraries: set[str]) -> None:
    """That is told; without rich, where nobody at a terminal reads it, or at once where asked."""
    assert libraries_of(code) == libraries


def test_rich_can_be_loaded_after_it_was_kept_out() -> None:
    """By whoever has something for people."""
    code = "log.setup('info', 'json').info('event')\nimport rich.console"
    assert "rich.console" in libraries_of(code)


def test_an_event_in_another_thread_keeps_rich_from_nobody() -> None:
    """The program may be loading it at that moment."""
    code = (
        "import threading\nlog = log.setup('info', 'json')\n"
        "thread = threading.Thread(target=log.info, args=('event',))\nthread.start(); thread.join()"
    )
    assert libraries_of(code) == {"structlog", "asyncio", "rich.console"}
