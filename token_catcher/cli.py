"""The command line: parse, build, call, exit code. Results go to standard output, logs to standard error."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from token_catcher import __version__, config, log
from token_catcher.app import App, utc_now
from token_catcher.commands import explain as explaining
from token_catcher.commands import history, mailfiles
from token_catcher.commands.advice import next_step
from token_catcher.commands.explanation import Explanation
from token_catcher.commands.forms import csv_lines, html_page
from token_catcher.commands.render import (
    advice_lines,
    explanation_lines,
    history_table,
    scan_line,
    scan_summary,
    verification_lines,
)
from token_catcher.commands.results import Line, lines
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.commands.scan import Scan, dry_run, wait_for
from token_catcher.errors import AccessError, ConfigurationError, TokenCatcherError
from token_catcher.record import State, verify
from token_catcher.service import Service
from token_catcher.sweep import Report

DONE, FAILED, USAGE, WAITED = 0, 1, 2, 3
WIDEST: Final = 400
"""Columns of a table that may wrap in the terminal, but is never cut."""

app = typer.Typer(
    name="token-catcher",
    help="Moves Salesforce security tokens from the mail that announces them into HashiCorp Vault or OpenBao.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
audit_app = typer.Typer(
    help="Is the journal intact, and does it agree with Vault?", no_args_is_help=True
)
config_app = typer.Typer(
    help="The configuration: an example, its schema, what is in effect.", no_args_is_help=True
)
app.add_typer(audit_app, name="audit")
app.add_typer(config_app, name="config")


@dataclass(frozen=True)
class Settings:
    """What stands before the command."""

    file: str | None

    def load(self) -> config.Config:
        """The configuration that applies. ConfigurationError: none, or not a valid one."""
        return config.load(config.find(self.file, os.environ), os.environ)


def _duration(text: str) -> timedelta:
    try:
        return config.duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _moment(text: str) -> datetime:
    """A time, or a duration that is counted back from now."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    with suppress(ValueError):
        return utc_now() - config.duration(text)
    raise typer.BadParameter(
        f"got {text!r}, expected a time (2026-02-03T12:00:00Z) or a duration back from now (14d, 2h)"
    )


Mailboxes = Annotated[
    list[str] | None,
    typer.Option("--mailbox", metavar="NAME", help="Only this mailbox; may be repeated."),
]
Since = Annotated[
    timedelta | None,
    typer.Option(
        "--since",
        parser=_duration,
        metavar="14d",
        help="Window of --again and --dry-run; a first look it can only widen.",
    ),
]
From = Annotated[
    datetime | None,
    typer.Option(
        "--since", parser=_moment, metavar="T", help="From this time on: ISO 8601, or 14d."
    ),
]
Until = Annotated[
    datetime | None, typer.Option("--until", parser=_moment, metavar="T", help="Up to this time.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]


def _show_version(asked: bool) -> None:
    if asked:
        _out(__version__)
        raise typer.Exit(DONE)


@app.callback()
def _settings(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml, /etc/token-catcher/config.yaml.",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    context.obj = Settings(file)
    log.setup(
        "warning", "auto"
    )  # until a command knows better: not even a bug may end in a traceback with foreign text


@app.command()
def run(context: typer.Context) -> None:
    """Run the daemon, in the foreground."""
    loaded = context.obj.load()
    Service(context.obj.load, log.setup(loaded.log.level, loaded.log.format)).run()


@app.command()
def scan(
    context: typer.Context,
    mailbox: Mailboxes = None,
    wait: Annotated[
        timedelta | None,
        typer.Option(
            "--wait",
            parser=_duration,
            metavar="10m",
            help="Stay until a token issued since now is in Vault.",
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="U", help="With --wait: a token of this username."),
    ] = None,
    since: Since = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Look once more at settled mail of the look-back window."),
    ] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Judge, but write nothing at all.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sweep once, now. Safe beside a running daemon."""
    if user is not None and wait is None:
        raise typer.BadParameter("--user goes with --wait")
    if dry and wait is not None:
        raise typer.BadParameter("--dry-run writes nothing, so there is nothing to --wait for")
    loaded = context.obj.load()
    built = App(loaded, log.setup(loaded.log.level, loaded.log.format), writing=not dry)
    show = _show_json if as_json else _show_line
    if dry:
        raise typer.Exit(_dry(built, mailbox or (), since, show))
    with Scan(
        built.watched(mailbox or ()), again=again, since=since, monotonic=time.monotonic
    ) as looks:
        if wait is not None:
            raise typer.Exit(_wait(built, looks, user and user.lower(), wait, show))
        reports = [_shown(report, show, as_json=as_json) for report in looks.look()]
    raise typer.Exit(FAILED if any(report.error or report.pending for report in reports) else DONE)


def _dry(
    built: App, names: Sequence[str], since: timedelta | None, show: Callable[[Line], None]
) -> int:
    """Rehearse every mailbox; the trouble of one does not keep us from the next."""
    code = DONE
    for one in built.watched(names):
        try:
            for line in dry_run(one, built.now(), since):
                show(line)
                code = FAILED if line.outcome == "retry" else code
        except TokenCatcherError as error:
            show(Line(one.name, None, None, "error", error.code, str(error)))
            code = FAILED
    return code


def _wait(
    built: App, looks: Scan, user: str | None, wait: timedelta, show: Callable[[Line], None]
) -> int:
    """Look once a second until the token is in Vault, with a progress line on a terminal."""
    began, end = built.now(), time.monotonic() + wait.total_seconds()
    told: set[Line] = set()
    whose = user or "any user"
    err = Console(stderr=True)
    waits = f"waiting for a new token of {whose}, until {began + wait:%H:%M:%S} UTC; Ctrl-C ends it safely"

    def look() -> bool:
        for report in looks.look():
            for line in lines(report):
                if line not in told:
                    told.add(line)
                    progress.stop()  # while it is shown, rich takes standard output for itself
                    show(line)
                    progress.start()
        return not looks.hopeless

    with err.status(Text(waits)) as progress:
        found = wait_for(
            look,
            built.recorded(),
            user=user,
            began=began,
            over=lambda: time.monotonic() >= end,
            pause=lambda: time.sleep(min(1.0, max(0.0, end - time.monotonic()))),
        )
    if found is None:
        err.print(
            Text(f"token-catcher: no new token of {whose} came within {wait}"), soft_wrap=True
        )
        return FAILED if looks.hopeless else WAITED
    return DONE


def _shown(report: Report, show: Callable[[Line], None], *, as_json: bool) -> Report:
    for line in lines(report):
        show(line)
    if not as_json and report.error is None:
        _print([scan_summary(report)])
    return report


@app.command()
def explain(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Mail files, mbox files, Maildir folders, - for standard input."
        ),
    ],
    received_at: Annotated[
        datetime | None,
        typer.Option(
            "--received-at",
            parser=_moment,
            metavar="TIME",
            help="When it arrived; default: its Date.",
        ),
    ] = None,
    mailbox: Annotated[
        str | None,
        typer.Option(
            "--mailbox", metavar="NAME", help="Whose addresses; may be left out if only one."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge mail from files and say why. Touches neither mailbox nor Vault."""
    loaded = context.obj.load()
    built = App(loaded, log.setup(loaded.log.level, loaded.log.format), writing=False)
    own = built.mailbox(mailbox)
    code = DONE
    for file in files:
        for name, raw in mailfiles.read(file, sys.stdin.buffer):
            mail = mailfiles.as_mail(name, raw, received_at, own.name)
            said = explaining.explain(
                name, mail, built.judge, own.addresses, trust_date=received_at is None
            )
            code = FAILED if said.outcome == "retry" else code
            _show_explanation(said, as_json=as_json)
    raise typer.Exit(code)


def _show_explanation(said: Explanation, *, as_json: bool) -> None:
    if as_json:
        _out(json.dumps(said.as_json()))
    else:
        _print(explanation_lines(said))


@app.command("history")
def show_history(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|-", help="Journals or collected logs; .gz too; - reads standard input."
        ),
    ] = None,
    org: Annotated[str | None, typer.Option("--org", metavar="O", help="Only this org.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="U", help="Only this username.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="E", help="stored, unchanged, held or refused.")
    ] = None,
    since: From = None,
    until: Until = None,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Comma-separated values, with a header line.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="A page to read or print, into FILE."),
    ] = None,
) -> None:
    """Show the rotation history. From the journal, or from any collected logs."""
    if as_json + as_csv + (html is not None) > 1:
        raise typer.BadParameter("choose one of --json, --csv and --html")
    sources = files or [str(context.obj.load().journal_file)]
    query = Query(org=org, user=user, event=event, since=since, until=until)
    assert isinstance(sys.stdin.buffer, BufferedReader)
    found = history.read(sources, query, sys.stdin.buffer)
    if as_json:
        _write(json.dumps(one.as_json()) + "\n" for one in found.rotations)
    elif as_csv:
        _write(csv_lines(found.rotations))
    elif html is not None:
        _save(html, html_page(found.rotations, query, made_at=utc_now()))
    else:
        _show_table(found.rotations)
    if found.unreadable:
        sys.stderr.write(
            f"token-catcher: {found.unreadable} lines could not be read, the first is {found.first_unreadable}\n"
        )


def _show_table(rotations: Sequence[Rotation]) -> None:
    """For people; as wide as it takes: a name that is cut off cannot be searched for."""
    with _output():
        Console(highlight=False, width=WIDEST).print(history_table(rotations))
    _print(advice_lines(rotations))


def _save(path: Path, pieces: Iterable[str]) -> None:
    """ConfigurationError: the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        raise ConfigurationError(f"--html: {path} cannot be written: {error.strerror}") from None


@audit_app.command("verify")
def audit_verify(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A journal; default: the configured one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the journal is intact, broken or truncated, and where."""
    path = file or context.obj.load().journal_file
    found = verify(path)
    if as_json:
        _out(json.dumps({"file": str(path), **asdict(found)}))
    else:
        _print(verification_lines(path, found))
    raise typer.Exit(DONE if found.state in (State.INTACT, State.MISSING) else FAILED)


@config_app.command("example")
def config_example() -> None:
    """Print the commented example."""
    _out(config.example().rstrip("\n"))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema, for editors."""
    _out(json.dumps(config.schema(), indent=2))


@config_app.command("show")
def config_show(context: typer.Context) -> None:
    """Print the configuration in effect. With every default, and of secrets only where they come from."""
    _out(config.show(context.obj.load()).rstrip("\n"))


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers up and say how to look around.")
    ] = False,
) -> None:
    """Play the whole thing on embedded servers. Resets, a token in the spam folder, a forgery, an old mail; then history."""
    # Imported here, since its cryptography would cost the daemon 7 MB.
    from token_catcher.commands.demo import run as play

    play(keep=keep)


def main() -> None:
    """The console script: every error that a user can cause ends in one message and an exit code."""
    _have_streams()
    _keep_to_ourselves()
    try:
        app()
    except TokenCatcherError as error:
        _fail(error)
        sys.exit(
            USAGE
            if isinstance(error, ConfigurationError) and not isinstance(error, AccessError)
            else FAILED
        )


def _fail(error: TokenCatcherError) -> None:
    with suppress(OSError):
        sys.stderr.write(f"token-catcher: {error}\n")
        if step := next_step(error.code):
            sys.stderr.write(f"next: {step}\n")


def _have_streams() -> None:
    """Put /dev/null where the caller closed a standard stream: what we open next would take its number, and its text."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open("r" if name == "stdin" else "w", encoding="utf-8")  # noqa: SIM115 - stays open
            setattr(sys, name, nothing)


def _keep_to_ourselves() -> None:
    """No core dump, no other process of this user reading our memory: it holds tokens for a moment (prctl(2), Linux)."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


_PR_SET_DUMPABLE: Final = 4


def _show_json(line: Line) -> None:
    _out(json.dumps(line.as_json()))


def _show_line(line: Line) -> None:
    _print(scan_line(line))


def _print(texts: Iterable[Text]) -> None:
    """Results for people, each on a line of its own, however long."""
    console = Console(highlight=False, soft_wrap=True)
    with _output():
        for text in texts:
            console.print(text)


def _out(text: str) -> None:
    _write([text + "\n"])


def _write(pieces: Iterable[str]) -> None:
    """Results for machines."""
    with _output():
        sys.stdout.writelines(pieces)
        sys.stdout.flush()


@contextmanager
def _output() -> Iterator[None]:
    """TokenCatcherError: the results cannot be written. A reader that went away (`| head`) ends us quietly, in typer."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TokenCatcherError(f"standard output cannot be written: {error.strerror}") from None
