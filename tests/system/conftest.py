"""The installed program over the shared servers, with a mailbox and orgs that no other test has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao


@pytest.fixture
def tool(tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Program:
    """`tool("scan")` runs `token-catcher scan`."""
    return program(tmp_path / "tool", dovecot, openbao, user, org)
