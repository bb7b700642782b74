"""What can be seen from outside: probes, health, metrics. Read-only, and answered from memory alone."""

from token_catcher.web.metrics import Metrics
from token_catcher.web.pages import routes
from token_catcher.web.server import serving
from token_catcher.web.snapshot import Subject

__all__ = ["Metrics", "Subject", "routes", "serving"]
