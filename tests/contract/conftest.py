"""What the tests of the logins share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.vault_methods import METHODS, Surroundings
from tests.kit.cluster import Cluster
from tests.kit.servers import OpenBao


@pytest.fixture(scope="session")
def tls_openbao() -> Iterator[OpenBao]:
    """Shared by all tests of a process: one that speaks TLS, and asks for a certificate."""
    with OpenBao(tls=True) as server:
        yield server


@pytest.fixture
def around(tls_openbao: OpenBao, tmp_path: Path) -> Iterator[Surroundings]:
    """With a cluster, and a directory for our secrets."""
    with Cluster() as cluster:
        yield Surroundings(tls_openbao, cluster, tmp_path)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    """Each way to log in, in turn, by its name in the configuration."""
    name: str = request.param
    return name
