"""What Vault does not know of the journal yet, told by the command that wrote to it.

Where a daemon runs, it anchors what others record. Nobody else does, so each command that records
does it before it ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from token_catcher.advice import next_step
from token_catcher.anchors import anchoring_of
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.results import ScanResult
from token_catcher.errors import TokenCatcherError


def anchor_results(app: App, told: Collection[str | None]) -> Iterator[ScanResult]:
    """Have Vault know what was recorded; an error, where that cannot be. `told`: codes of what was
    told already: of the same cause only what is not anchored is."""
    error = _anchored(app)
    if error is None:
        return
    if error.code in told:
        _complain(f"the journal was not anchored: {error.code}")
    else:
        yield ScanResult.from_error(None, error.code, str(error))


def tell_unanchored(app: App) -> None:
    """The same for commands that have done what they are for: it does not make them fail."""
    error = _anchored(app)
    if error is None:
        return
    _complain(f"the journal was not anchored: {error}")
    step = next_step(error.code)
    if step is not None:
        output.complain(f"next: {step}")


def _anchored(app: App) -> TokenCatcherError | None:
    """What keeps Vault from knowing the journal. None: nothing; it may be too early."""
    anchoring = anchoring_of(app)
    if anchoring is None:
        return None
    try:
        is_known = anchoring.move()
    except TokenCatcherError as error:
        return error
    if not is_known:
        _complain(
            "the last records are not anchored yet, since there is one write a minute: the daemon"
            " anchors them, or else the next scan"
        )
    return None


def _complain(text: str) -> None:
    output.complain(f"token-catcher: {text}")
