"""Makes docs/token-catcher.1 out of what `--help` is made of.

`make pages` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from token_catcher.cli import app
from token_catcher.commands.examples import EXAMPLES

HEAD = """\
.TH TOKEN-CATCHER 1
.SH NAME
token-catcher \\- moves Salesforce security tokens from mail into Vault
.SH SYNOPSIS
.B token-catcher
[\\fB\\-\\-config\\fR \\fIFILE\\fR] \\fICOMMAND\\fR [\\fIOPTION\\fR]...
"""
TAIL = """\\
.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
something failed, could not be read, or is still unsettled
.TP
.B 2
usage or configuration
.TP
.B 3
\\fB\\-\\-wait\\fR ran out
.TP
.BR 130 ", " 143
ended by SIGINT or SIGTERM, but for a running daemon, which ends with 0
.SH ENVIRONMENT
.TP
.B TOKEN_CATCHER_CONFIG
the configuration, where \\fB\\-\\-config\\fR names none
.TP
.BR BAO_ADDR ", " VAULT_ADDR ", " BAO_NAMESPACE ", " VAULT_NAMESPACE ", " BAO_CACERT ", " \\
VAULT_CACERT ", " BAO_CLIENT_CERT ", " VAULT_CLIENT_CERT ", " BAO_CLIENT_KEY ", " VAULT_CLIENT_KEY
defaults of the configuration's vault section
.TP
.B NO_COLOR
no colours
.SH FILES
.TP
.I /etc/token-catcher/config.yaml
the configuration, where neither names one and the working directory has no \\fIconfig.yaml\\fR
.TP
.I /var/lib/token-catcher
state and journal (\\fIstate_dir\\fR)
"""


def page() -> str:
    """The whole page, in roff(7)."""
    root: Any = get_command(app)
    lines = [".SH DESCRIPTION", _roff(root.help), ".SH OPTIONS", *_options(root)]
    lines += [".SH COMMANDS", *_commands(root, ())]
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _commands(group: Any, words: tuple[str, ...]) -> Iterator[str]:
    for name, command in group.commands.items():
        path = (*words, name)
        if hasattr(command, "commands"):
            yield from _commands(command, path)
            continue
        arguments = [
            param.metavar for param in command.params if param.param_type_name == "argument"
        ]
        yield f'.SS "{_roff(" ".join((*path, *filter(None, arguments))))}"'
        yield _roff(" ".join(command.help.split()))
        yield from _options(command)
        yield ".PP\nExamples:\n.EX"
        yield from (_roff(line) for line in EXAMPLES[" ".join(path)])
        yield ".EE"


def _arguments(command: Any) -> Iterator[str]:
    for param in command.params:
        if param.param_type_name == "argument":
            yield param.metavar


def _options(command: Any) -> Iterator[str]:
    for param in command.params:
        if param.param_type_name == "option" and not param.hidden:
            names = ", ".join(_roff(name) for name in param.opts)
            metavar = f" \\fI{_roff(param.metavar)}\\fR" if param.metavar else ""
            yield f".TP\n\\fB{names}\\fR{metavar}\n{_roff(param.help)}"


def _roff(text: str) -> str:
    """Without what roff would obey: a backslash, a hyphen that is one, a dot that begins a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    if escaped.startswith((".", "'")):
        return f"\\&{escaped}"
    return escaped


if __name__ == "__main__":
    sys.stdout.write(page())
