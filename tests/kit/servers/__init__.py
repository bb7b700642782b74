"""Real servers for tests.

Each is a context manager with plain attributes, at 127.0.0.1 and free ports, gone at its end.
"""

from tests.kit.servers.dovecot import Dovecot
from tests.kit.servers.openbao import AppRole, OpenBao
from tests.kit.servers.process import free_port, listens, missing
from tests.kit.servers.pymap import Pymap
from tests.kit.servers.raft import RaftCluster
from tests.kit.waiting import until

__all__ = [
    "AppRole",
    "Dovecot",
    "OpenBao",
    "Pymap",
    "RaftCluster",
    "free_port",
    "listens",
    "missing",
    "until",
]
