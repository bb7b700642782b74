"""The table of `make bench`: figures of a row, and whether they are what is wanted; and what the
kernel has to allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHES, main
from tests.bench.machine import watches
from tests.bench.table import Aim, Row, at_least, at_most

SAMPLES = [float(number) for number in range(1, 101)]
REFERENCE = [2 * sample for sample in SAMPLES]


def row(*aims: Aim) -> Row:
    """Half of its reference."""
    return Row("walk", "ms", SAMPLES, "run", REFERENCE, aims)


def test_a_row_tells_its_figures_and_those_of_its_reference() -> None:
    """In the columns of the table."""
    words = str(row(at_most("ratio", 0.5), at_most("p95", 96))).split("  ")
    assert [word.strip() for word in words if word.strip()] == [
        *("walk", "100", "50.5", "96.0 ms", "run", "101", "192", "0.50", "0.50"),
        *("ratio ≤ 0.5, p95 ≤ 96", "yes"),
    ]


@pytest.mark.parametrize(
    ("aim", "is_met"),
    [
        (at_most("median", 50.5), True),
        (at_most("median", 50.4), False),
        (at_most("p95", 95), False),
        (at_most("most", 99), False),
        (at_most("ratio", 0.49), False),
        (at_most("p95_ratio", 0.49), False),
        (at_most("over", -50.5), True),
        (at_most("over", -51), False),
        (at_least("speed", 2), True),
        (at_least("speed", 2.1), False),
    ],
    ids=str,
)
def test_an_aim_is_met_at_its_bound(aim: Aim, is_met: bool) -> None:
    """One of several that is missed is the row's."""
    assert row(at_most("ratio", 1), aim).is_met is is_met


def test_a_row_keeps_every_sample() -> None:
    """Beside what the table shows."""
    assert row(at_least("speed", 3)).kept() == {
        "name": "walk",
        "unit": "ms",
        "samples": SAMPLES,
        "median": 50.5,
        "p95": 96.0,
        "beside": "run",
        "reference": REFERENCE,
        "ratio": 0.5,
        "p95_ratio": 0.5,
        "aims": ["speed ≥ 3"],
        "met": False,
    }


def test_counts_may_be_none() -> None:
    """Of something that was never lost there is no ratio but to nothing."""
    assert Row("lost", "", [0.0], "ours", [0.0]).ratio == 1
    lost = Row("lost", "", [3.0], "ours", [0.0])
    assert lost.ratio == float("inf")
    assert (lost.kept()["ratio"], lost.kept()["p95_ratio"]) == (None, None)


def test_a_word_that_names_no_bench_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """And those that there are, are told."""
    assert main(["start", "strat"]) == 2
    assert capsys.readouterr() == ("", f"No bench: strat. There are: {' '.join(BENCHES)}\n")


def test_more_mailboxes_are_watched_for_the_time_of_a_run(tmp_path: Path) -> None:
    """And no longer."""
    file = tmp_path / "max_user_instances"
    file.write_text("128\n")
    with watches(file) as remark:
        assert (remark, file.read_text()) == ("", "8192\n")
    assert file.read_text() == "128\n"


def test_what_is_enough_is_left_as_it_is(tmp_path: Path) -> None:
    """Somebody has raised it further."""
    file = tmp_path / "max_user_instances"
    file.write_text("65536\n")
    with watches(file) as remark:
        assert (remark, file.read_text()) == ("", "65536\n")


def test_who_may_not_raise_it_is_told_what_that_means() -> None:
    """Of this file of the kernel not even root may."""
    with watches(Path("/proc/sys/kernel/random/poolsize")) as remark:
        assert remark == (
            "fs.inotify.max_user_instances is 256, and only root may raise it: Dovecot looks after"
            " connections of one user of the system beyond that number every 30 s"
        )
