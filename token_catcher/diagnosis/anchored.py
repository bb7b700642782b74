"""What `journal.anchor` needs in Vault, and what Vault knows of the journal."""

from __future__ import annotations

from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step
from token_catcher.errors import AccessError, Outage
from token_catcher.record import START, Head
from token_catcher.vault import Anchor, AnchorStore, Inspection


class AnchorLook:
    """Asks Vault once. The records are held against what it knows after that."""

    head: Head | None = None
    """What Vault knows; `START`: nothing. None: it was not asked, or did not tell."""

    def __init__(self, vault: Inspection, anchors: AnchorStore) -> None:
        self._vault = vault
        self._anchors = anchors
        self._about = About("journal", anchors.place)

    def step(self) -> Step:
        """Whether the head can be anchored."""
        return self._about.attempt("anchor", self._look)

    def _look(self) -> Step:
        if self._vault.would_unwrap():
            return self._about.skipped("anchor", "the wrapping token was left as it is")
        try:
            anchor = self._read()
        except Outage:
            return self._about.skipped("anchor", "Vault does not answer (see vault)")
        if anchor is None:
            return self._about.ok("anchor", "none yet: the daemon writes the first")
        return self._about.ok("anchor", f"record {anchor.seq}, {anchor.at}")

    def _read(self) -> Anchor | None:
        """What is there, where our policies grant all that an anchor needs.

        The records are held against it also where they grant no more than to read it."""
        try:
            anchor = self._anchors.read().anchor
        except AccessError:
            self._anchors.expect_granted()  # names all that lacks, and not only read
            raise
        self.head = START
        if anchor is not None:
            self.head = Head(anchor.seq, anchor.hash)
        self._anchors.expect_granted()
        return anchor
