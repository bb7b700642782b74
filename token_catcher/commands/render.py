"""Turns results into text for people: one line a mail, a table of rotations, each rule with what it saw.

Nothing here decides; mail text has been made plain ASCII in the rooms it comes from, and markup is never interpreted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from token_catcher.commands.advice import ADVICE, next_step
from token_catcher.commands.explanation import Explanation
from token_catcher.commands.results import Line
from token_catcher.commands.rotation import Rotation, outcome
from token_catcher.record import State, Verification
from token_catcher.sweep import Report

COLOURS: Final = {
    "stored": "green",
    "would-store": "green",
    "unchanged": "cyan",
    "held": "yellow",
    "retry": "yellow",
    "refused": "red",
    "error": "red",
}
OUTCOMES: Final = ("stored", "unchanged", "held", "refused")


def scan_line(line: Line) -> Iterator[Text]:
    """One mail of a scan: where it was, how it ended, where the token went or why not; and the next step, if there is one."""
    where = f"{line.mailbox} {line.folder}/{line.uid}" if line.uid is not None else line.mailbox
    text = Text.assemble((where, "bold"), "  ", (line.outcome, COLOURS.get(line.outcome, "")), "  ")
    yield text.append(" ".join(filter(None, (_subject(line), _why(line.reason, line.saw)))))
    yield from _next(_step(line))


def scan_summary(report: Report) -> Text:
    """What one sweep did, in numbers."""
    counts = dict.fromkeys(OUTCOMES, 0)
    for entry in report.entries:
        counts[entry.event.outcome] += 1
    done = (
        ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        or "nothing new"
    )
    waiting = f"; {report.pending} still waiting" if report.pending else ""
    return Text(f"{report.mailbox}: {report.looked_at} looked at, {done}{waiting}")


def explanation_lines(said: Explanation) -> Iterator[Text]:
    """The verdict on one mail, rule by rule."""
    yield Text(said.file, "bold")
    for rule in said.rules:
        mark = Text("  ✓ ", "green") if rule.passed else Text("  ✗ ", "red")
        yield mark.append(f"{rule.rule:<10} ", "bold").append(rule.saw)
        if not rule.passed:
            yield Text(f"               wanted: {rule.wanted}", "dim")
    where = (
        f"{said.path} (token of {said.token_length} characters, {said.fingerprint})"
        if said.path
        else ""
    )
    what = where or _why(said.reason, said.saw)
    yield Text.assemble(
        "  → ", (said.outcome, COLOURS.get(said.outcome, "bold")), f" {what}" if what else ""
    )
    yield from _next(said.advice)


def history_table(rotations: Iterable[Rotation]) -> Table:
    """The rotation history, a line each; times in UTC. Path and evidence are in the other forms."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("recorded", "outcome", "user", "org", "version", "issued", "why"):
        table.add_column(column, no_wrap=True)
    for one in rotations:
        table.add_row(
            _minute(one.at),
            Text(outcome(one), COLOURS.get(outcome(one), "")),
            *map(_cell, (one.username, one.org, one.version)),
            _minute(one.issued_at),
            _cell(one.reason or ("recovered" if one.recovered else None)),
        )
    return table


def advice_lines(rotations: Iterable[Rotation]) -> Iterator[Text]:
    """What a person does next about held mail, each advice once."""
    for reason, advice in dict.fromkeys((one.reason, one.advice) for one in rotations):
        if advice:
            yield Text(f"{reason}: {advice}", "dim")


def verification_lines(path: Path, found: Verification) -> Iterator[Text]:
    """How a journal stands, and from where on it is not to be trusted."""
    colour = {State.INTACT: "green", State.MISSING: "yellow"}.get(found.state, "red")
    yield Text.assemble(
        f"{path}: ", (found.state, colour), f", {found.records} records, head {found.head.hash}"
    )
    if found.problem:
        yield Text(f"{path}{f':{found.line}' if found.line else ''}: {found.problem}")
    if found.repairs:
        yield Text(f"  {found.repairs} of the records tell of a repair of the file itself")
    if found.unfinished:
        yield Text("  one more record was being written at that moment")


def _cell(value: object) -> Text:
    return Text("" if value is None else str(value))


def _minute(moment: str | None) -> Text:
    """`2026-02-03 12:57:27`, without fractions and zone."""
    return Text("" if moment is None else moment[:19].replace("T", " "))


def _subject(line: Line) -> str | None:
    """Whose token, and where it went."""
    if line.path is None:
        return line.username
    version = f" v{line.version}" if line.version else ""
    return f"{line.username} → {line.path}{version}" + (" (recovered)" if line.recovered else "")


def _why(reason: str | None, saw: str | None) -> str:
    return ": ".join(filter(None, (reason, saw)))


def _step(line: Line) -> str | None:
    """What a person does next, about held mail and about what went wrong: most refused mail asks for nobody."""
    if line.outcome == "held":
        return next((text for reason, text in ADVICE.items() if reason == line.reason), None)
    return next_step(line.reason or "")


def _next(step: str | None) -> Iterator[Text]:
    if step:
        yield Text(f"  next: {step}", "dim")
