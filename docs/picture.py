"""Makes docs/demo.svg: runs the real demo in a terminal and keeps what it shows."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from functools import partial
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 126


def shown(command: list[str]) -> str:
    """What a command writes to a terminal, colours and all."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        pieces = list(iter(partial(_read, ours), b""))
    if process.returncode:
        sys.exit(f"the demo ended with {process.returncode}")
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    """The next piece; b'' once the other side has gone, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


if __name__ == "__main__":
    console = Console(record=True, width=WIDTH, file=StringIO())
    console.print("[bold]$ make demo[/bold]")
    console.print(
        Text.from_ansi(shown([str(Path(sys.executable).parent / "token-catcher"), "demo"]))
    )
    svg = console.export_svg(title="token-catcher")
    alone = re.sub(r"@font-face \{[^}]*\}", "", svg)  # a picture that asks nobody for anything
    Path(sys.argv[1]).write_text(re.sub(r"[ \t]+$", "", alone, flags=re.MULTILINE), "utf-8")
