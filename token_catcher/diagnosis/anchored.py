"""What `journal.anchor` needs in Vault, and what Vault knows of the journal."""

from __future__ import annotations

from typing import Final

from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.rights import Grants, listed, policy_line
from token_catcher.diagnosis.step import Step
from token_catcher.errors import Outage
from token_catcher.record import START, Head
from token_catcher.vault import AnchorStore, Inspection

NEEDED: Final = ("create", "read", "update")


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
            lacking = self._lacking()
            if lacking:
                line = policy_line(self._anchors.place, lacking)
                saw = f"our token lacks {listed(lacking)} there; grant {line}"
                return self._about.failed("anchor", saw, "journal-anchor-policy")
            anchor = self._anchors.read().anchor
        except Outage:
            return self._about.skipped("anchor", "Vault does not answer (see vault)")
        if anchor is None:
            self.head = START
            return self._about.ok("anchor", "none yet: the daemon writes the first")
        self.head = Head(anchor.seq, anchor.hash)
        return self._about.ok("anchor", f"record {anchor.seq}, {anchor.at}")

    def _lacking(self) -> list[str]:
        """What our policies do not grant. None of it, where they do not let us ask."""
        place = self._anchors.place
        granted = self._vault.capabilities([place])
        if granted is None:
            return []
        return Grants(granted).lacks(place, NEEDED)
