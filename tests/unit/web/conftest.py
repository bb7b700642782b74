"""The site that most tests of the web ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.web.kit import Site
from token_catcher.web.server import serving


@pytest.fixture
def site() -> Iterator[Site]:
    """Served at a free port."""
    made = Site()
    with serving("127.0.0.1", 0, made.routes(), made.log, silence=1.0) as made.port:
        yield made
