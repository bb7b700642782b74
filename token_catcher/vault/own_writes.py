"""Which version of a secret is our own write of a mail.

Our own write is known again by what it carries: the mail it came from, the writer, and the number
of the version, which check-and-set lets us know before the write. Later changes of other fields,
rollbacks and a secret that keeps one version alone carry these fields on, and they still name the
version that was ours. Secrets of earlier versions of this program do not have them: they are
compared like any other, and none of them is claimed after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from token_catcher.model import Capture, Receipt
from token_catcher.vault.past import Past, Pasts, Trace
from token_catcher.vault.version import SecretVersion

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
"""Of a version."""


class OwnWrites:
    """Which of the versions of a secret we wrote. Thread-safe."""

    def __init__(self, pasts: Pasts, writer: Callable[[], str]) -> None:
        """`writer`: our id, asked when something is stored."""
        self._pasts = pasts
        self._writer = writer

    def written(self, capture: Capture, current: SecretVersion) -> Receipt | None:
        """The version in which we wrote the token of this mail; None: no version that is kept tells
        of one."""
        for trace in self._pasts.up_to(current, capture.path).traces:
            number = self._number_carried(trace, capture)
            if number is not None:
                created_at = self._created_at(capture, number, trace)
                return Receipt(capture.path, number, created_at, None)
        return None

    def tells_of(self, capture: Capture, past: Past) -> bool:
        """Whether a version among these tells of our write of this mail."""
        return any(self._number_carried(trace, capture) is not None for trace in past.traces)

    def _number_carried(self, trace: Trace, capture: Capture) -> int | None:
        """The number of our write of this mail, where the version carries its fields."""
        if trace.mail != capture.mail.digest:
            return None
        if trace.writer != self._writer():
            return None
        text = trace.written_as or ""
        # Who may write the secret may have written anything there.
        if not _NUMBER.fullmatch(text) or int(text) > trace.number:
            return None
        return int(text)

    def _created_at(self, capture: Capture, number: int, carrier: Trace) -> str | None:
        """When Vault made the version of our write; None: it does not keep it any more."""
        if number == carrier.number:
            return carrier.created_at
        trace = self._pasts.trace(capture.path, number)
        # Somebody may have removed the secret, and put in again what they had kept of it.
        if trace.gone or self._number_carried(trace, capture) == number:
            return trace.created_at
        return None
