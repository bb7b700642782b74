"""The head file beside a journal: number and hash of its last record, replaced after each append.

What was cut off at the end shows in it. A crash between the two leaves it behind, which is normal;
a head that knows more than the journal never is.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.record.chain import MAX_LINE, Fault, Head

_HEAD: Final = re.compile(rb'\{"seq": (0|[1-9][0-9]{0,17}), "hash": "([0-9a-f]{64})"\}\n?')


def head_file(path: Path) -> Path:
    """The head file of this journal."""
    return path.with_name(path.name + ".head")


def read_head(path: Path) -> Head | None:
    """What the head file of this journal says; None: there is none.

    StateError: it cannot be read. Fault: it is no head."""
    name = head_file(path)
    try:
        with files.opened(name) as file:
            content = file.read(MAX_LINE)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"{name}: the head of the journal cannot be read: {error.strerror}"
        raise StateError(problem, code="journal-head") from None
    # To the letter: what is read in a generous way may be read in two ways.
    head = _HEAD.fullmatch(content)
    if head is None:
        expected = "expected JSON with seq and hash of a record"
        problem = f"{name.name} is no head: got {len(content)} bytes of something else, {expected}"
        raise Fault(None, problem)
    return Head(int(head[1]), head[2].decode("ascii"))


def set_aside_foreign(path: Path) -> Path | None:
    """Give a head file that belongs to somebody else, and cannot be read, another name, which is
    returned; None: there is none such.

    Only root leaves one, with a backup. OSError: it stays where it is."""
    name = head_file(path)
    try:
        with files.opened(name):
            return None
    except PermissionError:
        if name.stat(follow_symlinks=False).st_uid == os.geteuid():
            return None
    except OSError:  # which whoever reads it tells
        return None
    return name.rename(aside_file(path))


def aside_file(path: Path) -> Path:
    """Where a head file that we cannot read is kept."""
    return path.with_name(path.name + ".head.set-aside")


def write_head(path: Path, head: Head) -> None:
    """OSError: it could not be."""
    content = json.dumps({"seq": head.seq, "hash": head.hash}) + "\n"
    # A power cut may bring back the head before, which is normal, but never an empty one.
    files.replace(head_file(path), content.encode(), durable=False)
