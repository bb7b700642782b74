"""A terminal at which a test sits, with the installed program on it."""

from __future__ import annotations

import codecs
import os
import subprocess
import termios
from collections.abc import Mapping, Sequence

from tests.kit.processes import reaped
from tests.kit.waiting import PATIENCE


class Terminal:
    """A terminal at which a test types, and reads what is shown."""

    def __init__(
        self, words: Sequence[str], env: Mapping[str, str] | None = None, *, columns: int = 0
    ) -> None:
        """`env`: ours, where none is given. `columns`: its width; 0: it does not say."""
        self._controller, terminal = os.openpty()
        if columns:
            termios.tcsetwinsize(terminal, (24, columns))
        self.process = reaped(
            subprocess.Popen(
                words,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                env=env,
                start_new_session=True,
            )
        )
        os.close(terminal)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.shown = ""

    def until(self, text: str) -> None:
        """Read until this is shown."""
        while text not in self.shown:
            self._take(os.read(self._controller, 65536))

    def answer(self, prompt: str, text: str) -> None:
        """Type it once that is asked; what was shown before is done with."""
        self.type(prompt, text.encode() + b"\n")

    def type(self, prompt: str, keys: bytes) -> None:
        """Type these keys once that is asked; what was shown before is done with."""
        self.until(prompt)
        self.shown = self.shown.partition(prompt)[2]
        os.write(self._controller, keys)

    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._controller)[3] & termios.ECHO)

    def type_end(self) -> None:
        """Ctrl-D."""
        os.write(self._controller, b"\x04")

    def end(self) -> int:
        """Read to the end; the exit code."""
        while True:
            try:
                piece = os.read(self._controller, 65536)
            except OSError:  # nobody has the other side open any more
                break
            if not piece:
                break
            self._take(piece)
        os.close(self._controller)
        return self.process.wait(PATIENCE)

    def _take(self, piece: bytes) -> None:
        self.shown += self._decoder.decode(piece)
