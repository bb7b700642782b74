"""What can be seen from outside: probes, health, metrics. Read-only, and answered from memory alone."""

from token_catcher.web.pages import Metrics, Page, Subject, pages, serving

__all__ = ["Metrics", "Page", "Subject", "pages", "serving"]
