"""What `audit reconcile` tells: for machines an object a line, for people a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Final, Self

from token_catcher.advice import next_step
from token_catcher.commands import styled
from token_catcher.commands.vault_log import Login, shown
from token_catcher.record import NOTES, Code, Difference, Recorded
from token_catcher.wording import counted

COLOURS: Final = {"finding": "red", "error": "red", "note": "yellow", "recorded": "green"}
CODE_WIDTH: Final = max(len(code) for code in Code)
TIME_LENGTH: Final = len("2026-02-03T12:57:27")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the answer."""

    kind: str
    """finding | note | recorded | error"""
    code: str
    """Of the difference, or of the error."""
    path: str | None
    saw: str
    difference: Difference | None = None
    login: Login | None = None
    """Who did what is told, by Vault's log."""

    @classmethod
    def of(cls, difference: Difference, login: Login | None) -> Self:
        """`login`: None, where no log tells of it."""
        kind = "finding"
        if difference.code is Code.RECORDED:
            kind = "recorded"
        elif difference.code in NOTES:
            kind = "note"
        return cls(kind, difference.code, difference.path, difference.saw, difference, login)

    def as_json(self, step: str | None) -> dict[str, Any]:
        """The contract of `audit reconcile --json`: always all of these keys, in this order."""
        difference = self.difference or Difference(Code.RECORDED, None, "")
        login = None
        if self.login is not None:
            login = asdict(self.login)
        return {
            "kind": self.kind,
            "code": str(self.code),
            "path": self.path,
            "version": difference.version,
            "created_at": difference.created_at,
            "ended_at": difference.ends_at,
            **_of_record(difference.record),
            "writer": shown(difference.writer),
            "captured_by": shown(difference.captured_by),
            "saw": self.saw,
            "next": step,
            "login": login,
        }


def _of_record(record: Recorded | None) -> dict[str, Any]:
    if record is None:
        return dict.fromkeys(("record", "recorded_at", "instance", "request_id"))
    return {
        "record": record.seq,
        "recorded_at": record.at,
        "instance": record.instance,
        "request_id": record.request_id,
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """How many of what there are."""

    findings: int
    notes: int
    errors: int
    secrets: int
    """That were read."""
    records: int

    @classmethod
    def of(cls, results: Iterable[Result], secrets: int, records: int) -> Self:
        """Of these results."""
        kinds = [result.kind for result in results]
        findings = kinds.count("finding")
        return cls(findings, kinds.count("note"), kinds.count("error"), secrets, records)

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at anything."""
        return not self.findings and not self.errors


def result_lines(results: Sequence[Result]) -> Iterator[styled.Text]:
    """Each secret, what came of it, and in the end what the words mean."""
    for path, of_path in groupby(results, _path):
        if path is not None:
            yield styled.Text(path, "bold")
        for result in of_path:
            yield _line(result)
    yield from _steps(results)


def _path(result: Result) -> str | None:
    return result.path


def _line(result: Result) -> styled.Text:
    version = ""
    when = ""
    if result.difference is not None and result.difference.version is not None:
        version = f"v{result.difference.version}"
        when = (result.difference.ends_at or result.difference.created_at or "")[:TIME_LENGTH]
    kind = (f"  {result.kind:<9}", COLOURS[result.kind])
    return styled.Text.assemble(
        kind, f"{version:<5}{result.code:<{CODE_WIDTH}}  ", _told(result, when)
    )


def _told(result: Result, when: str) -> str:
    """When and by whom, of a version; else what was seen."""
    if result.login is not None:
        return f"{when or result.login.at[:TIME_LENGTH]}  {result.login.told}"
    is_of_one_version = when and result.code not in _TOLD_IN_WORDS
    if is_of_one_version:
        return when
    return result.saw


_TOLD_IN_WORDS: Final = frozenset(
    {
        Code.FORGED_RECORD,
        Code.RECORDED_TWICE,
        Code.ROLLED_BACK,
        Code.REMADE_SECRET,
        Code.SECRET_MISSING,
    }
)
"""What the time of a version does not tell."""


def _steps(results: Iterable[Result]) -> Iterator[styled.Text]:
    """What to do about each code, once."""
    codes = dict.fromkeys(result.code for result in results if result.kind != "recorded")
    for code in codes:
        step = next_step(code)
        if step is not None:
            yield styled.Text(f"{code}: {step}", "italic")


def summary(totals: Totals, *, by_log: bool) -> styled.Text:
    """All of it in numbers."""
    source = ""
    if by_log:
        source = ", with Vault's log"
    if totals.is_well:
        told = styled.Text("the journal agrees with Vault", "green")
    else:
        findings = counted(totals.findings, "finding")
        told = styled.Text(f"{findings}, {counted(totals.errors, 'error')}", "red")
    numbers = [
        counted(totals.secrets, "secret"),
        counted(totals.records, "record"),
        counted(totals.notes, "note"),
    ]
    told.append(f": {', '.join(numbers)}{source}", "default")
    return told
