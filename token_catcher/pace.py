"""How many UIDs the next command asks headings of, by how fast the last ones came. Pure.

A server that gives ten headings a second has to get through, as has one that gives a hundred
thousand. So a window grows where the one before came quickly, and shrinks where it came slowly:
whoever waits for the sweep hears of it in time (`record.sweeplock`), and no answer comes near the
end of its time (`imap.reader`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST: Final = 100
"""UIDs in the first window: ten seconds of a server that gives ten headings a second."""
MOST: Final = 500
"""UIDs in a window of which most are in use: 100 kB, and a minute of a server that becomes slow."""
WIDEST: Final = 10_000
"""UIDs in a window of which few are in use."""
FEWEST: Final = 10
"""UIDs in a window, however slow the server is."""
QUICK: Final = 1.0
"""Seconds within which a window has to come for the next one to be wider."""
SLOW: Final = 5.0
"""Seconds after which the next one is narrower, by as much as may come within `AIM`."""
AIM: Final = 2.0
LONGEST: Final = 60.0
"""Seconds that a window takes at most where many UIDs are in use all of a sudden."""
UNKNOWN: Final = 16.0
"""Headings a second that a server is thought to give before it has given several."""
SHORTEST: Final = 0.001
"""Seconds that are told apart."""


@dataclass(slots=True)
class Pace:
    """The width of the windows of one survey."""

    alone: float = 0.0
    """Seconds that it took to be told one heading: most of that is the way."""
    width: int = FIRST
    """UIDs of the next window."""
    _a_second: float = UNKNOWN
    """Headings that the server gives, as far as that is known."""

    def came(self, headings: int, seconds: float) -> None:
        """So many headings of a window of this width came in so many seconds."""
        if seconds <= self.alone:
            self.alone = seconds  # the one heading took longer than the way: it says no more
        elif headings > 1:
            self._a_second = (headings - 1) / max(seconds - self.alone, SHORTEST)
        if seconds > SLOW:
            self.width = max(FEWEST, int(self.width * AIM / seconds))
        elif seconds > QUICK:
            self.width = min(self.width, MOST)
        elif headings >= self.width // 4:
            self.width = min(self.width * 2, MOST)
        else:
            # Few UIDs are in use here. Further on it may be all of them.
            widest = min(WIDEST, int(self._a_second * LONGEST))
            self.width = max(self.width, min(self.width * 4, widest))
