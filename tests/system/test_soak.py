"""The rounds of `make soak`, a few of each.

They run with every change, many of them before a release.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.scale import times
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE
from tests.soak.kill import kill_in_a_stream
from tests.soak.wakeups import pairs_over_a_slow_line


@pytest.mark.kill
def test_a_daemon_killed_at_random_moments(
    tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, org: str
) -> None:
    """`kill -9` under a stream of mail: nothing is lost, nothing written twice, newest wins."""
    print(kill_in_a_stream(tmp_path, dovecot, openbao, times(5), org=org))


def test_no_wakeup_is_lost(tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, org: str) -> None:
    """Of pairs of mails over a slow line the second is caught as well.

    `make soak` holds 200 pairs to three seconds each."""
    print(pairs_over_a_slow_line(tmp_path, dovecot, openbao, 5, within=PATIENCE, org=org))
