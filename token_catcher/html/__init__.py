"""The look of our pages: the daemon's, and that of `history --html`; pure.

Each page is one file without a script, and asks nobody for anything. Whatever comes from a mail, a
log or a question is text (`text`), never markup. No element has a `style` attribute, which the
pages' Content-Security-Policy would have to allow for a mail's markup as well.
"""

from token_catcher.html.bar import age_bar
from token_catcher.html.markup import Cell, Table, closing, opening, text, word
from token_catcher.html.style import STYLE_SOURCE
from token_catcher.html.timeline import LANES, Mark, timeline

__all__ = [
    "LANES",
    "STYLE_SOURCE",
    "Cell",
    "Mark",
    "Table",
    "age_bar",
    "closing",
    "opening",
    "text",
    "timeline",
    "word",
]
