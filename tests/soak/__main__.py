"""The long rounds of `make soak`, one kind after the other, with their figures.

`python -m tests.soak kill 50` runs one kind, so many times.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.kit.servers import Dovecot, OpenBao
from tests.soak.hostile import beside_a_hostile_mailbox
from tests.soak.kill import kill_in_a_stream
from tests.soak.wakeups import pairs_over_a_slow_line

ROUNDS = 200
SOAKS: dict[str, Callable[[Path, Dovecot, OpenBao, int], str]] = {
    "kill": kill_in_a_stream,
    "wakeups": pairs_over_a_slow_line,
    "hostile": beside_a_hostile_mailbox,
}


def main(words: list[str]) -> None:
    """Each over servers of its own; raises at the first thing that was lost."""
    names = [word for word in words if word in SOAKS]
    numbers = [int(word) for word in words if word.isdecimal()]
    for name in names or SOAKS:
        with (
            tempfile.TemporaryDirectory(prefix="tc-soak-") as home,
            Dovecot() as dovecot,
            OpenBao() as openbao,
        ):
            print(f"== {name}", flush=True)
            for rounds in numbers or [ROUNDS]:
                print(SOAKS[name](Path(home), dovecot, openbao, rounds), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
