"""Results as people read them: whole lines, and no text that acts as markup."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from token_catcher.advice import ADVICE, IF_GENUINE, NEXT_STEP
from token_catcher.commands.explanation import Explanation
from token_catcher.commands.render import (
    advice_lines,
    explanation_lines,
    history_table,
    result_lines,
    scan_summary,
    verification_lines,
    wide_history_table,
)
from token_catcher.commands.results import ScanResult
from token_catcher.commands.rotation import Rotation
from token_catcher.errors import TransientError
from token_catcher.model import Entry, Event, Evidence, Reason
from token_catcher.record.chain import START, Head
from token_catcher.record.verification import State, Stretch, Verification
from token_catcher.report import Report

USER = "integration@acme.example"
PATH = f"salesforce/acme/{USER}"


def shown(
    things: Iterable[RenderableType], *, colours: bool = False, width: int = 200
) -> list[str]:
    """The lines, as the command line prints them."""
    stream = StringIO()
    console = Console(
        file=stream,
        highlight=False,
        soft_wrap=True,
        width=width,
        force_terminal=colours,
        color_system="standard" if colours else None,
        _environ={},
    )
    for thing in things:
        console.print(thing)
    lines = stream.getvalue().splitlines()
    return lines if colours else [line.rstrip() for line in lines]


# -- scan --


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            ScanResult("m", "INBOX", 7, "stored", username=USER, path=PATH, version=3),
            [f"m INBOX/7  stored  {USER} → {PATH} v3"],
        ),
        (
            ScanResult(
                "m", "INBOX", 7, "stored", username=USER, path=PATH, version=3, recovered=True
            ),
            [f"m INBOX/7  stored  {USER} → {PATH} v3 (recovered)"],
        ),
        (
            ScanResult("m", "INBOX", 7, "stored", username=USER, path=PATH, version=4, mended=True),
            [f"m INBOX/7  stored  {USER} → {PATH} v4 (mended: Vault had lost it)"],
        ),
        (
            ScanResult("m", "INBOX", 7, "would-store", username=USER, path=PATH),
            [f"m INBOX/7  would-store  {USER} → {PATH}"],
        ),
        (
            ScanResult("m", "INBOX", 7, "unchanged", "stale", username=USER, path=PATH),
            [f"m INBOX/7  unchanged  {USER} → {PATH} stale"],
        ),
        (
            ScanResult(
                "m", "Junk", 7, "held", "unknown-user", "no org names x@y.example", "x@y.example"
            ),
            [
                "m Junk/7  held  x@y.example unknown-user: no org names x@y.example",
                f"  next: {ADVICE[Reason.UNKNOWN_USER]}",
            ],
        ),
        (
            ScanResult("m", "INBOX", 7, "refused", "malformed", "CR without LF"),
            ["m INBOX/7  refused  malformed: CR without LF"],
        ),
        (
            ScanResult("m", "INBOX", 7, "refused", "unauthenticated"),
            ["m INBOX/7  refused  unauthenticated"],
        ),
        (
            ScanResult("m", "INBOX", 7, "retry", "vault-sealed", "Vault at v is away"),
            [
                "m INBOX/7  retry  vault-sealed: Vault at v is away",
                f"  next: {NEXT_STEP['vault-sealed']}",
            ],
        ),
        (
            ScanResult("m", None, None, "error", "imap-login-throttled", "wait"),
            ["m  error  imap-login-throttled: wait", f"  next: {NEXT_STEP['imap-login']}"],
        ),
    ],
)
def test_a_line_of_a_scan(line: ScanResult, expected: list[str]) -> None:
    """Where it was, how it ended, where the token went or why not;
    and what to do next, where somebody has to."""
    assert shown(result_lines(line)) == expected


def entry(event: str) -> Entry:
    return Entry(
        Event(f"rotation.{event}"), "one", "m", "INBOX", 1, 1, "sha256:0", "2026-02-03T12:57:27Z"
    )


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Report("m"), "m: 0 looked at, nothing new"),
        (Report("m", looked_at=3, pending=2), "m: 3 looked at, nothing new; 2 still waiting"),
        (
            Report(
                "m",
                5,
                [entry(event) for event in ("refused", "stored", "held", "stored", "unchanged")],
                pending=1,
            ),
            "m: 5 looked at, 2 stored, 1 unchanged, 1 held, 1 refused; 1 still waiting",
        ),
    ],
)
def test_a_look_in_numbers(report: Report, expected: str) -> None:
    """What was done and what waits."""
    assert shown([scan_summary(report)]) == [expected]


# -- explain --


def test_an_explanation_rule_by_rule() -> None:
    """✓ or ✗ and what was seen; of a failed rule what was wanted;
    the verdict, and what to do about it."""
    rules = (
        Evidence("sender", True, "support@salesforce.com", "one of four"),
        Evidence("proof", False, "nothing", "a signature"),
    )
    explanation = Explanation(
        "a.eml", "refused", "unsigned", USER, "acme", rules=rules, saw="no DKIM signature"
    )
    assert shown(explanation_lines(explanation)) == [
        "a.eml",
        "  ✓ sender     support@salesforce.com",
        "  ✗ proof      nothing",
        "               wanted: a signature",
        "  → refused unsigned: no DKIM signature",
        f"  next: {IF_GENUINE[Reason.UNSIGNED]}",
    ]


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        (
            Explanation(
                "a.eml",
                "would-store",
                None,
                USER,
                "acme",
                PATH,
                fingerprint="sha256:1",
                token_length=25,
            ),
            [f"  → would-store {PATH} (token of 25 characters, sha256:1)"],
        ),
        (
            Explanation("a.eml", "held", "unknown-user", "x@y.example", saw="no org names it"),
            ["  → held unknown-user: no org names it", f"  next: {ADVICE[Reason.UNKNOWN_USER]}"],
        ),
        (
            Explanation("a.eml", "retry", "dns", saw=str(TransientError("DNS is silent"))),
            ["  → retry dns: DNS is silent", f"  next: {NEXT_STEP['dns']}"],
        ),
        (
            Explanation("a.eml", "refused", "malformed", saw="CR without LF"),
            ["  → refused malformed: CR without LF"],
        ),
        (Explanation("a.eml", "ignored"), ["  → ignored"]),
    ],
)
def test_a_verdict(explanation: Explanation, expected: list[str]) -> None:
    """Where the token would go, or why not and what to do about it."""
    assert shown(explanation_lines(explanation)) == ["a.eml", *expected]
    assert not [line for line in explanation_lines(explanation) if line.plain.endswith(" ")]


# -- history --


def rotation(event: str, **fields: Any) -> Rotation:
    fields.setdefault("source", "journal")
    return Rotation("2026-02-03T12:57:28.123456Z", f"rotation.{event}", **fields)


WIDE = """\
recorded (UTC)       outcome  user              org   version  issued (UTC)         why
2026-02-03 12:57:28  stored   etl@acme.example  acme  3        2026-02-03 12:57:27
2026-02-03 12:57:28  stored   etl@acme.example  acme  4        2026-02-03 13:57:27  recovered
2026-02-03 12:57:28  stored   etl@acme.example  acme  6        2026-02-03 13:57:27  mended
2026-02-03 12:57:28  refused                                                        malformed
2026-02-03 12:57:28  stored   etl@acme.example  acme  7                             from a log
"""


def test_the_history_is_a_table() -> None:
    """Times without fractions, in UTC; what is not known is empty;
    what a crash left behind, what Vault had lost, and what no record tells, is marked."""
    whose = {"username": "etl@acme.example", "org": "acme"}
    rotations = [
        rotation("stored", version=3, issued_at="2026-02-03T12:57:27Z", **whose),
        rotation("stored", version=4, issued_at="2026-02-03T13:57:27Z", recovered=True, **whose),
        rotation("stored", version=6, issued_at="2026-02-03T13:57:27Z", mended=True, **whose),
        rotation("refused", reason="malformed"),
        rotation("stored", version=7, source="log", **whose),
    ]
    assert shown([wide_history_table(rotations)]) == WIDE.splitlines()
    assert shown([history_table(rotations)], width=80) == HISTORY.splitlines()


HISTORY = """\
recorded (UTC)    outcome  user              ver  why
2026-02-03 12:57  stored   etl@acme.example  3
2026-02-03 12:57  stored   etl@acme.example  4    recovered
2026-02-03 12:57  stored   etl@acme.example  6    mended
2026-02-03 12:57  refused                         malformed
2026-02-03 12:57  stored   etl@acme.example  7    from a log
"""
FOLDED = """\
recorded (UTC)    outcome     user                          ver   why
2026-02-03 12:57  held        integration.of.the.billing@a        date-out-of-bounds,
                              cme.example.uat                     from a log
2026-02-03 12:57  unverified  etl@acme.example              1234
"""


def test_the_history_fits_a_terminal() -> None:
    """Of 80 columns: what is too long for it goes on below, and nothing is cut off."""
    name = "integration.of.the.billing@acme.example.uat"
    rotations = [
        rotation("held", username=name, reason="date-out-of-bounds", source="log"),
        rotation("unverified", username="etl@acme.example", version=1234),
    ]
    assert shown([history_table(rotations)], width=80) == FOLDED.splitlines()
    assert name in "".join(shown([wide_history_table(rotations)]))


def test_an_empty_history_is_a_head_line() -> None:
    """So that it is seen that the question was understood."""
    assert shown([history_table([])]) == ["recorded (UTC)  outcome  user  ver  why"]
    heads = "recorded (UTC)  outcome  user  org  version  issued (UTC)  why"
    assert shown([wide_history_table([])]) == [heads]


def test_each_advice_is_given_once() -> None:
    """However many mails are held for the same reason; to others there is nothing to say."""
    held = rotation("held", reason="unknown-user")
    deleted = rotation("held", reason="secret-deleted")
    assert shown(
        advice_lines(
            [held, rotation("stored"), deleted, held, rotation("refused", reason="unsigned")]
        )
    ) == [
        f"unknown-user: {ADVICE[Reason.UNKNOWN_USER]}",
        f"secret-deleted: {ADVICE[Reason.SECRET_DELETED]}",
    ]


# -- audit verify --

HEAD = Head(5, "ab" * 32)


@pytest.mark.parametrize(
    ("verification", "expected"),
    [
        (Verification(State.INTACT, 5, HEAD), [f"/j: intact, 5 records, head 5:{HEAD.hash}"]),
        (
            Verification(State.INTACT, 5, HEAD, repairs=1, unfinished=True),
            [
                f"/j: intact, 5 records, head 5:{HEAD.hash}",
                "  1 of the records tell of a repair of the file itself",
                "  one more record was being written at that moment",
            ],
        ),
        (
            Verification(State.BROKEN, 5, HEAD, 6, "the line was edited"),
            [f"/j: broken at 6, 5 records, head 5:{HEAD.hash}", "/j:6: the line was edited"],
        ),
        (
            Verification(State.TRUNCATED, 5, HEAD, 6, "it ends here", missing=3),
            [f"/j: truncated: 3 missing, 5 records, head 5:{HEAD.hash}", "/j:6: it ends here"],
        ),
        (
            Verification(
                State.INTACT,
                5,
                HEAD,
                stretches=(
                    Stretch(1, 2, None, False),
                    Stretch(3, 4, "ab", True),
                    Stretch(5, 5, "\x1b", False),
                ),
            ),
            [
                f"/j: intact, 5 records, head 5:{HEAD.hash}",
                "  records 1 to 2: without a key",
                "  records 3 to 4: written with the key ab",
                "  records 5 to 5: name the key '\\x1b', which is not here: not checked",
            ],
        ),
        (
            Verification(State.TRUNCATED, 5, HEAD, None, "the head cannot be read"),
            [f"/j: truncated, 5 records, head 5:{HEAD.hash}", "/j: the head cannot be read"],
        ),
        (
            Verification(State.MISSING, 0, START, None, "nothing was recorded yet"),
            [f"/j: missing, 0 records, head 0:{START.hash}", "/j: nothing was recorded yet"],
        ),
    ],
)
def test_how_a_journal_stands(verification: Verification, expected: list[str]) -> None:
    """State, length and head, to be kept elsewhere; then where it goes wrong."""
    assert shown(verification_lines(Path("/j"), verification)) == expected


# -- text of mails --

MARKUP = "[bold red]x[/] :smile: [link=evil.example]y[/link] [/nothing"


def test_markup_in_a_text_is_text() -> None:
    """What stands in a mail, a log or a file name is shown as it is."""
    line = shown(
        result_lines(ScanResult("m", MARKUP, 1, "refused", "unreadable", MARKUP, MARKUP)),
        colours=True,
    )[0]
    assert line.count(MARKUP) == 3
    explanation = Explanation(
        MARKUP,
        "refused",
        "unreadable",
        rules=(Evidence("proof", False, MARKUP, MARKUP),),
        saw=MARKUP,
    )
    assert "\n".join(shown(explanation_lines(explanation), colours=True)).count(MARKUP) == 4
    table = wide_history_table([rotation("held", username=MARKUP, org=MARKUP, reason=MARKUP)])
    assert shown([table], width=400)[1].count(MARKUP) == 3
    assert (
        shown(
            verification_lines(Path(MARKUP), Verification(State.BROKEN, 0, START, 1, MARKUP)),
            colours=True,
        )[1].count(MARKUP)
        == 2
    )


@pytest.mark.parametrize(
    ("outcome", "colour"),
    [
        ("stored", 32),
        ("would-store", 32),
        ("unchanged", 36),
        ("held", 33),
        ("retry", 33),
        ("refused", 31),
        ("error", 31),
    ],
)
def test_outcomes_have_colours(outcome: str, colour: int) -> None:
    """Green is well, cyan as it was, yellow waits, red is not."""
    expected = f"\x1b[{colour}m{outcome}\x1b[0m"
    assert expected in shown(result_lines(ScanResult("m", "INBOX", 1, outcome)), colours=True)[0]
    assert expected in shown(explanation_lines(Explanation("a", outcome)), colours=True)[1]


def test_a_long_line_is_not_wrapped() -> None:
    """A name that is broken in two cannot be searched for."""
    user = "u" * 70 + "@acme.example"
    line = ScanResult(
        "m", "INBOX", 7, "stored", username=user, path=f"salesforce/acme/{user}", version=3
    )
    assert shown(result_lines(line), width=40) == [
        f"m INBOX/7  stored  {user} → salesforce/acme/{user} v3"
    ]
