"""`make soak`: everything at full length, one after the other; `python -m tests.soak kill 50` runs one, as long as said."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.kit.servers import Dovecot, OpenBao
from tests.soak.kill import kill_in_a_stream
from tests.soak.wakeups import pairs_over_a_slow_line

SOAKS: dict[str, tuple[Callable[[Path, Dovecot, OpenBao, int], str], int]] = {
    "kill": (kill_in_a_stream, 200),
    "wakeups": (pairs_over_a_slow_line, 200),
}


def main(names: list[str], count: int | None) -> None:
    """Each over servers of its own; raises at the first thing that was lost."""
    for name in names or SOAKS:
        soak, usual = SOAKS[name]
        with (
            tempfile.TemporaryDirectory(prefix="tc-soak-") as home,
            Dovecot() as dovecot,
            OpenBao() as openbao,
        ):
            print(f"== {name}", flush=True)
            print(soak(Path(home), dovecot, openbao, count or usual), flush=True)


if __name__ == "__main__":
    main(
        [word for word in sys.argv[1:] if not word.isdecimal()],
        next((int(w) for w in sys.argv[1:] if w.isdecimal()), None),
    )
