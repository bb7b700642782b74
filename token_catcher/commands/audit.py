"""Is the journal intact?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import verification_lines
from token_catcher.record import State, verify


def run_verify(path: Path, *, as_json: bool) -> ExitCode:
    """Say how a journal stands. FAILED: it is broken or truncated."""
    verification = verify(path)
    if as_json:
        output.write_json([{"file": str(path), **asdict(verification)}])
    else:
        output.print_lines(verification_lines(path, verification))
    if verification.state in (State.INTACT, State.MISSING):
        return ExitCode.DONE
    return ExitCode.FAILED
