"""What can be seen from outside: the page for people, probes, health, metrics.

It is read-only, and answered from memory alone. The other modules know nothing of it: they tell
plain observers (`Metrics.observe`, `Metrics.vault_request`), and are asked for their state at each
request.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.web.access import Access
    from token_catcher.web.content import Content, Lookup
    from token_catcher.web.metrics import Metrics
    from token_catcher.web.pages import Page, routes
    from token_catcher.web.server import serving
    from token_catcher.web.snapshot import Subject

__all__ = ["Access", "Content", "Lookup", "Metrics", "Page", "Subject", "routes", "serving"]

__getattr__ = face(
    __name__,
    {
        "access": ("Access",),
        "content": ("Content", "Lookup"),
        "metrics": ("Metrics",),
        "pages": ("Page", "routes"),
        "server": ("serving",),
        "snapshot": ("Subject",),
    },
)
