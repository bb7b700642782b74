"""On what the figures were measured; and what the kernel has to allow for them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.kit.servers.process import command

WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 8192
"""Connections that may wait for mail of one user of the system; here all mail is one user's."""
ROOT = Path(__file__).parents[2]


@contextmanager
def watches(file: Path = WATCHES) -> Iterator[str]:
    """Let Dovecot watch as many mailboxes as a bench opens; put back at the end.

    Yields what has to be said of it; empty where all is well."""
    before = int(file.read_text())
    if before >= ENOUGH:
        yield ""
        return
    try:
        file.write_text(f"{ENOUGH}\n")
    except OSError:
        yield (
            f"fs.inotify.max_user_instances is {before}, and only root may raise it: Dovecot looks"
            f" after connections of one user of the system beyond that number every 30 s"
        )
        return
    try:
        yield ""
    finally:
        file.write_text(f"{before}\n")


def machine() -> dict[str, object]:
    """What it is, and how busy: others on it make every figure of a clock worse."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """Of everything that is measured."""
    return {
        "token-catcher": version("token-catcher"),
        "python": platform.python_version(),
        "dovecot": _first_line("dovecot", "--version"),
        "openbao": _first_line("bao", "version"),
        "pymap": version("pymap"),
    } | _peers()


def _peers() -> dict[str, str]:
    """What is measured beside this program, by the versions that are locked and installed."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    locked = (ROOT / "requirements" / "peers.txt").read_text("utf-8")
    pins = dict(re.findall(r"(?m)^([\w-]+)==(\S+)", locked))
    names = [re.split("[=<>]", requirement)[0] for requirement in groups["peers"]]
    return {name: pins[name] for name in names}


def _processor() -> str:
    names = re.findall(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    if not names:
        return platform.machine()
    return str(names[0])


def _first_line(name: str, *words: str) -> str:
    program = command(name, "`make bench` installs it")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]
