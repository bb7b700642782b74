"""Makes docs/errors.md out of the table in `token_catcher.advice`.

`make pages` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from token_catcher.advice import AREAS, MAIL, Advice
from token_catcher.model import Reason

HEAD = """# Errors and reasons

`token-catcher` puts a code such as TC448 behind each next step that it prints. Here is what each
means, and what to do. The word beside the number stands in the log (`code`, `reason`), in
`/healthz` and in `--json`; a longer word that begins with one of these (`imap-login-throttled`) is
a case of it. A number is never given to another cause.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for title, area in AREAS.items():
        yield f"## {title}\n"
        yield from _entries(area)
    yield "## Mail that was not simply stored\n"
    yield from _entries(MAIL)


def _entries(area: Mapping[str, Advice] | Mapping[Reason, Advice]) -> Iterator[str]:
    for word, advice in area.items():
        yield f"### {advice.code} {word}\n"
        yield f"{advice.means}\n"
        if advice.step:
            yield f"**Next:** {advice.step}.\n"
        if advice.if_genuine:
            yield f"**Refused, and genuine all the same:** {advice.if_genuine}.\n"


if __name__ == "__main__":
    sys.stdout.write(page())
