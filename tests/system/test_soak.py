"""The soaks of `make soak`, short: some rounds are run with every change, all of them before a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE
from tests.soak.kill import kill_in_a_stream
from tests.soak.wakeups import pairs_over_a_slow_line


@pytest.mark.parametrize("half", [1, 2])
def test_a_daemon_killed_at_random_moments(
    tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, org: str, half: int
) -> None:
    """Twenty rounds of `kill -9` under a stream of mail: nothing lost, no extra version, newest wins, the journal intact."""
    print(kill_in_a_stream(tmp_path, dovecot, openbao, 10, org=org, seed=half))


def test_no_wake_up_is_lost(tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, org: str) -> None:
    """Ten pairs of mails over a slow line: the second is caught as well. `make soak` holds 200 of them to three seconds."""
    print(pairs_over_a_slow_line(tmp_path, dovecot, openbao, 10, within=PATIENCE, org=org))
