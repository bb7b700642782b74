"""What can be seen from outside: probes, health, metrics.

It is read-only, and answered from memory alone. The other modules know nothing of it: they tell
plain observers (`Metrics.observe`, `Metrics.vault_request`), and are asked for their state at each
request.
"""

from token_catcher.web.metrics import Metrics
from token_catcher.web.pages import routes
from token_catcher.web.server import serving
from token_catcher.web.snapshot import Subject

__all__ = ["Metrics", "Subject", "routes", "serving"]
