"""Says what will not work, step by step, before a token depends on it.

Each step is told as soon as it is known; below one that needs somebody stands what to do. Where the
configuration itself cannot be loaded, that is a step as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from token_catcher.advice import IF_GENUINE, advice_for, next_step
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import step_lines, steps_summary
from token_catcher.diagnosis import Diagnosis, Step, StepOutcome, refusal_steps
from token_catcher.errors import AccessError, ConfigurationError


def run(
    find: Callable[[], Path],
    build: Callable[[], App],
    mailbox: str | None,
    *,
    write_test: bool,
    as_json: bool,
) -> ExitCode:
    """Tell each step. FAILED: one of them failed. USAGE: there is no configuration to go by.

    `find`, `build`: the configuration's file, and the program over it. `mailbox`: only that one.
    ConfigurationError: there is no such mailbox."""
    try:
        file = find()
        app = build()
    except AccessError:  # which is a ConfigurationError as well, and none of the file
        raise
    except ConfigurationError as error:
        tell(refusal_steps(error, _name_of(find)), as_json=as_json)
        return ExitCode.USAGE
    mailboxes = app.config.mailboxes
    if mailbox is not None:
        mailboxes = (app.mailbox(mailbox),)
    diagnosis = Diagnosis(app, file, mailboxes, write_test=write_test)
    counts = tell(diagnosis.steps(), as_json=as_json)
    if counts["failed"]:
        return ExitCode.FAILED
    return ExitCode.DONE


def _name_of(find: Callable[[], Path]) -> str:
    """Of the file that is refused; empty where there is none."""
    try:
        return str(find())
    except ConfigurationError:
        return ""


def tell(steps: Iterator[Step], *, as_json: bool) -> Counter[StepOutcome]:
    """Each as soon as it is known; returns how many of them ended how."""
    counts: Counter[StepOutcome] = Counter()
    for step in steps:
        counts[step.outcome] += 1
        if as_json:
            output.write_json([as_object(step)])
        else:
            output.print_lines(step_lines(step, fix_of(step.code, step.mailbox)))
    if not as_json:
        output.print_lines([steps_summary(counts)])
    return counts


def as_object(step: Step) -> dict[str, Any]:
    """A step as machines get it: the contract of `check --json`, in this order."""
    return {
        "area": step.area,
        "subject": step.subject,
        "step": step.step,
        "outcome": step.outcome,
        "code": step.code or None,
        "saw": step.saw,
        "fix": fix_of(step.code, step.mailbox),
    }


def fix_of(code: str, mailbox: str = "") -> str | None:
    """What a person does about a step with this code; None: nothing.

    `mailbox`: which one it names; empty: none."""
    kind, _, reason = code.partition("-")
    if kind == "held":
        return advice_for(reason)
    if kind == "refused":
        return advice_for(reason, IF_GENUINE) or next_step(code)
    return next_step(code, mailbox or None)
