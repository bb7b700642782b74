"""The rows of the configured journal, while it is verified: each record is read once for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from token_catcher.commands.logs import Row, row_of
from token_catcher.commands.record_object import is_complete
from token_catcher.commands.rotation import EVENTS, Query

_EVENTS: Final = frozenset(EVENTS)


class Recorded:
    """Told of each record of a journal; keeps the rows that are asked for."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._rows: dict[int, Row] = {}
        self.is_whole = True
        """Whether each record that is asked for has all that a row needs."""

    def take_in(self, record: Mapping[str, Any]) -> None:
        """A record that continues the chain; of the same twice, one row is kept."""
        # Of a million records nearly all are somebody else's, and each step here is felt.
        if not self._query.fits(record) or record["event"] not in _EVENTS:
            return
        row = None
        if is_complete(record):
            row = row_of(record)
        if isinstance(row, Row):
            self._rows[record["seq"]] = row
        else:
            self.is_whole = False

    @property
    def rows(self) -> list[Row]:
        """In the order of the journal."""
        return list(self._rows.values())
