"""When a login may be made."""

from __future__ import annotations

from token_catcher.daemon.logins import Logins


def test_logins_are_kept_apart() -> None:
    """Ten seconds, however many ask; who does not take its turn does not cost one."""
    clock = [100.0]
    logins = Logins(10.0, lambda: clock[0])
    assert [logins.turn(), logins.turn(), logins.turn()] == [0.0, 10.0, 10.0]
    clock[0] += 4
    assert logins.turn() == 6.0
    clock[0] += 6
    assert [logins.turn(), logins.turn()] == [0.0, 10.0]


def test_a_login_beside_a_session_need_not_wait() -> None:
    """The others wait for it, as for any."""
    clock = [100.0]
    logins = Logins(10.0, lambda: clock[0])
    assert logins.turn() == 0.0
    clock[0] += 1
    assert [logins.turn(beside=True), logins.turn()] == [0.0, 10.0]


def test_the_first_login_may_have_to_wait() -> None:
    """So that many mailboxes do not log in at once."""
    assert Logins(10.0, lambda: 100.0, first_in=3.0).turn() == 3.0
