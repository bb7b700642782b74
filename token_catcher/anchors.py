"""The anchor of the journal, as the configuration wants it."""

from __future__ import annotations

import time

from token_catcher.anchoring import Anchoring
from token_catcher.app import App


def anchoring_of(app: App) -> Anchoring | None:
    """What keeps the journal's head in Vault. None: the configuration does not want it."""
    config = app.config
    if not config.journal.anchor:
        return None
    return Anchoring(
        app.journal,
        app.store.anchor(config.instance),
        instance=config.instance,
        now=app.now,
        monotonic=time.monotonic,
        log=app.log,
    )
