"""One row for each comparison: what `make bench` prints, and what it keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf
from statistics import median
from typing import Any, Literal

QUICK = os.environ.get("BENCH_QUICK", "") == "1"
"""Whether everything is done at a small size, to see that it can be done: figures mean nothing."""

Figure = Literal["median", "p95", "most", "ratio", "p95_ratio", "speed", "over"]
"""A property of a row."""
COLUMNS = "{:<56} {:>4} {:>9} {:>9} {:<5} {:<26} {:>9} {:>9} {:>6} {:>6}  {:<35} {}"
LEGEND = (
    "ratio: of the medians. of p95: of the two p95. Aims: `over`, by how much the median may be"
    " over that beside it;\n`speed`, how many times as fast; `most`, the largest sample."
)
HEAD = (
    *("comparison", "n", "median", "p95", "unit"),
    *("beside", "median", "p95", "ratio", "of p95", "aim", "met"),
)


def amount(full: int, quick: int) -> int:
    """How much of something is done: `quick` where BENCH_QUICK=1."""
    if QUICK:
        return quick
    return full


@dataclass(frozen=True)
class Aim:
    """What a figure of a row should be at most, or at least."""

    figure: Figure
    bound: float
    is_least: bool = False

    def is_met(self, row: Row) -> bool:
        """Whether the row is so good."""
        value = row.figure(self.figure)
        if self.is_least:
            return value >= self.bound
        return value <= self.bound

    def __str__(self) -> str:
        sign = "≤"
        if self.is_least:
            sign = "≥"
        return f"{self.figure.replace('_', ' ')} {sign} {self.bound:g}"


def at_most(figure: Figure, bound: float) -> Aim:
    """Larger is worse."""
    return Aim(figure, bound)


def at_least(figure: Figure, bound: float) -> Aim:
    """Smaller is worse."""
    return Aim(figure, bound, is_least=True)


@dataclass(frozen=True)
class Row:
    """Samples of one thing, and where there is a reference, of that, taken in turns with them."""

    name: str
    unit: str
    """Of every sample, of which less is better: `ms`, `s`, `MiB`, `%`."""
    samples: Sequence[float]
    beside: str = ""
    """The reference; empty: there is none."""
    reference: Sequence[float] = ()
    aims: tuple[Aim, ...] = ()
    """None: the figure is told, and nothing is wanted of it."""

    @property
    def median(self) -> float:
        """Of the samples."""
        return median(self.samples)

    @property
    def p95(self) -> float:
        """The sample that 95 of 100 do not exceed."""
        return _p95(self.samples)

    @property
    def most(self) -> float:
        """The largest sample."""
        return max(self.samples)

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return _ratio(self.median, median(self.reference))

    @property
    def p95_ratio(self) -> float:
        """Of the two p95."""
        return _ratio(self.p95, _p95(self.reference))

    @property
    def speed(self) -> float:
        """How many times as fast as the reference."""
        return _ratio(median(self.reference), self.median)

    @property
    def over(self) -> float:
        """By how much the median is over that of the reference, in units of the row."""
        return self.median - median(self.reference)

    @property
    def is_met(self) -> bool:
        """Whether each of the aims is."""
        return all(aim.is_met(self) for aim in self.aims)

    def figure(self, name: Figure) -> float:
        """One of the properties above."""
        value: float = getattr(self, name)
        return value

    def __str__(self) -> str:
        """The line of the table."""
        own = (len(self.samples), _number(self.median), _number(self.p95), self.unit)
        beside = ("", "", "", "", "")
        if self.reference:
            reference = (_number(median(self.reference)), _number(_p95(self.reference)))
            ratios = (f"{self.ratio:.2f}", f"{self.p95_ratio:.2f}")
            beside = (self.beside, *reference, *ratios)
        aims = ", ".join(str(aim) for aim in self.aims)
        return COLUMNS.format(self.name, *own, *beside, aims, self._verdict()).rstrip()

    def kept(self) -> dict[str, Any]:
        """As JSON has it: every sample, and the figures that the table shows."""
        fields: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "samples": [float(sample) for sample in self.samples],
            "median": float(self.median),
            "p95": float(self.p95),
        }
        if self.reference:
            fields |= {
                "beside": self.beside,
                "reference": [float(sample) for sample in self.reference],
                "ratio": _finite(self.ratio),
                "p95_ratio": _finite(self.p95_ratio),
            }
        return fields | {"aims": [str(aim) for aim in self.aims], "met": self.is_met}

    def _verdict(self) -> str:
        if not self.aims:
            return ""
        if self.is_met:
            return "yes"
        return "NO"


def head() -> str:
    """The line above the rows."""
    return COLUMNS.format(*HEAD)


def _p95(samples: Sequence[float]) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def _ratio(value: float, reference: float) -> float:
    if reference:
        return value / reference
    # Of what is counted there may be none.
    if value:
        return float("inf")
    return 1.0


def _finite(value: float) -> float | None:
    """As JSON can have it, which knows no infinity."""
    if isinf(value):
        return None
    return value


def _number(value: float) -> str:
    """Three digits of it, or all that stand before the point."""
    if not value:
        return "0"
    digits = 4
    for bound in (0.1, 1, 10, 100):
        if abs(value) >= bound:
            digits -= 1
    return f"{value:,.{digits}f}"
