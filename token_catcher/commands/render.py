"""Turns results into text for people: a line a mail, a table of rotations, each rule.

Nothing here decides. Texts of mail were made plain ASCII where they were read, other texts are made
harmless where they are printed, and markup in them is never interpreted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from token_catcher.commands import styled
from token_catcher.commands.output import harmless
from token_catcher.commands.rotation import LOG, OUTCOMES, HeldMail, Rotation
from token_catcher.record import State, Stretch, Verification
from token_catcher.wording import counted

if TYPE_CHECKING:
    from token_catcher.commands.explanation import Explanation
    from token_catcher.commands.results import ScanResult
    from token_catcher.diagnosis import Step, StepOutcome
    from token_catcher.model import Entry, Evidence
    from token_catcher.report import Report

COLOURS: Final = {
    "stored": "green",
    "would-store": "green",
    "unchanged": "cyan",
    "verified": "green",
    "unverified": "yellow",
    "held": "yellow",
    "left-out": "yellow",
    "retry": "yellow",
    "missing": "red",
    "refused": "red",
    "error": "red",
}
STATE_COLOURS: Final = {
    State.INTACT: "green",
    State.UNPROVEN: "yellow",
    State.MISSING: "red",
    State.BROKEN: "red",
    State.TRUNCATED: "red",
}
STEP_COLOURS: Final[Mapping[StepOutcome, str]] = {
    "ok": "green",
    "warning": "yellow",
    "failed": "red",
    "skipped": "dim",
}
AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"))
"""Seconds of each unit of time, and its symbol."""
USER_WIDTH: Final = 28
"""Columns that a long username has at least, where the reason beside it is long as well."""
WIDE_COLUMNS: Final = (
    "recorded (UTC)",
    "outcome",
    "user",
    "org",
    "version",
    "issued (UTC)",
    "why",
)


def result_lines(result: ScanResult) -> Iterator[styled.Text]:
    """One mail of a scan: where it was, how it ended, where the token went or why not.

    Then the next step, if there is one."""
    where = result.mailbox or "Vault"
    if result.uid is not None:
        where = f"{result.mailbox} {result.folder}/{result.uid}"
    elif result.outcome == "left-out":
        where = f"{result.mailbox} {result.folder}"
    outcome = (result.outcome, COLOURS.get(result.outcome, ""))
    words = filter(None, (_subject(result), _why(result.reason, result.saw)))
    yield styled.Text.assemble((where, "bold"), "  ", outcome, "  ", " ".join(words))
    yield from _next(result.next_step)


def found_line(entry: Entry, seconds: float) -> styled.Text:
    """What a wait has found. `seconds`: after it began."""
    where = f"{entry.username} → {entry.path}"
    if entry.version:
        where += f" v{entry.version}"
    issued = f"issued {_minute(entry.issued_at or '')} UTC"
    after = f"{seconds:.1f} s after the wait began"
    return styled.Text.assemble(("found", "bold green"), f"  {where}, {issued}, {after}")


def scan_summary(report: Report) -> styled.Text:
    """What one sweep did, in numbers."""
    counts = Counter(entry.event.outcome for entry in report.entries)
    done = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name])
    summary = f"{report.mailbox}: {report.looked_at} looked at, {done or 'nothing new'}"
    if report.pending:
        summary += f"; {report.pending} still waiting"
    return styled.Text(summary)


def explanation_lines(explanation: Explanation) -> Iterator[styled.Text]:
    """The verdict on one mail, rule by rule."""
    yield styled.Text(explanation.file, "bold")
    for rule in explanation.rules:
        yield from _rule_lines(rule)
    what = _why(explanation.reason, explanation.saw)
    if explanation.path:  # it would be stored
        token = f"token of {explanation.token_length} characters, {explanation.fingerprint}"
        what = f"{explanation.path} ({token})"
    colour = COLOURS.get(explanation.outcome, "bold")
    verdict = styled.Text.assemble("  → ", (explanation.outcome, colour))
    if what:
        verdict.append(f" {what}")
    yield verdict
    yield from _next(explanation.advice)


def _rule_lines(rule: Evidence) -> Iterator[styled.Text]:
    mark = styled.Text("  ✓ ", "green") if rule.passed else styled.Text("  ✗ ", "red")
    yield mark.append(f"{rule.rule:<10} ", "bold").append(rule.saw)
    if not rule.passed:
        yield styled.Text(f"               wanted: {rule.wanted}", "dim")


def history_table(rotations: Iterable[Rotation]) -> styled.Table:
    """The rotation history for a terminal of 80 columns, the newest last; times in UTC.

    Only a name or a reason that is too long for it goes on in the next line."""
    rotations = list(rotations)
    longest = max((len(rotation.username or "") for rotation in rotations), default=0)
    table = _table()
    table.add_column("recorded (UTC)", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("user", overflow="fold", min_width=min(longest, USER_WIDTH))
    table.add_column("ver", no_wrap=True)
    table.add_column("why", overflow="fold")
    for rotation in rotations:
        table.add_row(
            harmless(styled.Text(_minute(rotation.at).plain[:16])),
            _outcome(rotation),
            harmless(styled.Text(rotation.username or "")),
            _cell(rotation.version),
            harmless(_history_words(rotation)),
        )
    return table


def wide_history_table(rotations: Iterable[Rotation]) -> styled.Table:
    """The same as wide as it takes, with every name whole, the org, and when a token was issued.

    Path and evidence are in the other forms."""
    table = _table()
    for column in WIDE_COLUMNS:
        table.add_column(column, no_wrap=True)
    for rotation in rotations:
        table.add_row(
            harmless(_minute(rotation.at)),
            _outcome(rotation),
            harmless(styled.Text(rotation.username or "")),
            harmless(styled.Text(rotation.org or "")),
            _cell(rotation.version),
            harmless(_minute(rotation.issued_at or "")),
            harmless(_history_words(rotation)),
        )
    return table


def _table() -> styled.Table:
    return styled.Table(box=None, padding=(0, 2, 0, 0), header_style="bold")


def _outcome(rotation: Rotation) -> styled.Text:
    return harmless(styled.Text(rotation.outcome, COLOURS.get(rotation.outcome, "")))


def _history_words(rotation: Rotation) -> styled.Text:
    """Why it ended so, and what else is to be known of it."""
    words = [rotation.reason]
    if rotation.recovered:
        words.append("recovered")
    if rotation.mended:
        words.append("mended")
    if rotation.released_by:
        words.append(f"released by {rotation.released_by}")
    if rotation.suppressed:
        words.append(f"{rotation.suppressed} more before it were not logged")
    if rotation.source == LOG:
        words.append("from a log")
    return styled.Text(", ".join(filter(None, words)))


def advice_lines(rotations: Iterable[Rotation]) -> Iterator[styled.Text]:
    """What a person does next about held mail, each advice once."""
    for reason, advice in dict.fromkeys(
        (rotation.reason, rotation.advice) for rotation in rotations
    ):
        if advice:
            yield styled.Text(f"{reason}: {advice}", "dim")


def held_lines(mails: Sequence[HeldMail]) -> Iterator[styled.Text]:
    """Each mail that waits: its id, its age, whose token it has, why it is held, what to do."""
    if not mails:
        yield styled.Text("no held mail waits")
        return
    for mail in mails:
        rotation = mail.rotation
        user = rotation.username or "no username"
        why = _why(rotation.reason, rotation.saw)
        yield styled.Text.assemble((mail.id, "bold"), f"  {_age(mail.age_seconds)}  {user}  {why}")
        yield from _next(rotation.advice)
    yield styled.Text("to take one for good: token-catcher release ID", "dim")


def _age(seconds: int) -> str:
    """`3 d`, `5 h`, `12 min`: in the largest unit of which it is one."""
    for length, symbol in AGES:
        if seconds >= length:
            return f"{seconds // length} {symbol}"
    return "0 min"


def verification_lines(
    path: Path, verification: Verification, anchor: str | None = None
) -> Iterator[styled.Text]:
    """How a journal stands, and from where on it is not to be trusted.

    `anchor`: what Vault told of it."""
    state = (_state_words(verification), STATE_COLOURS[verification.state])
    head = f"{verification.head.seq}:{verification.head.hash}"
    records = counted(verification.records, "record")
    yield styled.Text.assemble(f"{path}: ", state, f", {records}, head {head}")
    if verification.problem:
        where = f"{path}"
        if verification.line:
            where += f":{verification.line}"
        yield styled.Text(f"{where}: {verification.problem}")
    for stretch in verification.stretches:
        yield styled.Text(f"  {_stretch_words(stretch)}")
    if anchor is not None:
        yield styled.Text(f"  {anchor}")
    if verification.first > 1:
        first = f"record {verification.first}"
        yield styled.Text(f"  begins with {first}: the files before it are not here")
    if verification.repairs:
        yield styled.Text(
            f"  {verification.repairs} of the records tell of a repair of the file itself"
        )
    if verification.unfinished:
        yield styled.Text("  one more record was being written at that moment")


def _state_words(verification: Verification) -> str:
    """Such as `broken at 17`: the number of the record, which is the line's in a first file."""
    if verification.state == State.BROKEN and verification.line is not None:
        return f"broken at {verification.head.seq + 1}"
    if verification.missing is not None:
        return f"{verification.state}: {verification.missing} missing"
    if verification.unanchored:
        return f"{verification.state}, unanchored tail of {verification.unanchored}"
    return verification.state


def _stretch_words(stretch: Stretch) -> str:
    """Who can have written these records."""
    records = f"records {stretch.first} to {stretch.last}"
    if stretch.key_id is None:
        return f"{records}: without a key"
    if stretch.checked:
        return f"{records}: written with the key {stretch.key_id}"
    return f"{records}: name the key {stretch.key_id!a:.40}, which is not here: not checked"


def tested_line(receiver: str, outcome: str, saw: str) -> styled.Text:
    """What became of a test event to one receiver."""
    return styled.Text(f"{receiver}: {outcome} ({saw})")


def step_lines(step: Step, fix: str | None) -> Iterator[styled.Text]:
    """One step of a diagnosis, and what to do about it."""
    outcome = (f"{step.outcome:<8}", STEP_COLOURS[step.outcome])
    saw = step.saw
    if step.subject:
        saw = f"{step.subject}: {saw}"
    yield styled.Text.assemble(outcome, f" {step.area:<13}  {step.step:<13}  {saw}")
    yield from _next(fix)


def steps_summary(counts: Mapping[StepOutcome, int]) -> styled.Text:
    """How many steps ended how, of those that there are."""
    parts = [_step_count(outcome, counts[outcome]) for outcome in STEP_COLOURS if counts[outcome]]
    return styled.Text(", ".join(parts), "bold")


def _step_count(outcome: StepOutcome, count: int) -> str:
    """`2 warnings`, `2 failed`: only a warning is a thing."""
    if outcome == "warning":
        return counted(count, outcome)
    return f"{count} {outcome}"


def _cell(value: object) -> styled.Text:
    return styled.Text("" if value is None else str(value))


def _minute(moment: str) -> styled.Text:
    """`2026-02-03 12:57:27`, without fractions and zone."""
    return styled.Text(moment[:19].replace("T", " "))


def _subject(result: ScanResult) -> str | None:
    """Whose token, and where it went."""
    if result.path is None:
        return result.username
    words = f"{result.username} → {result.path}"
    if result.version:
        words += f" v{result.version}"
    if result.recovered:
        words += " (recovered)"
    if result.mended:
        words += " (mended: Vault had lost it)"
    return words


def _why(reason: str | None, saw: str | None) -> str:
    return ": ".join(filter(None, (reason, saw)))


def _next(step: str | None) -> Iterator[styled.Text]:
    if step:
        yield styled.Text(f"  next: {step}", "dim")
