"""Certificates that end are told in time, once a day each, and never stop anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.kit.entra import pair
from tests.kit.fakes import Silent
from token_catcher.certificates import certificate_in
from token_catcher.errors import ConfigurationError
from token_catcher.expiry import Expiring, Expiry, Owner
from token_catcher.model import Secret

APP = Owner("m", "oauth")
VAULT = Owner("", "client")
ENDS = certificate_in(Secret(pair().text), "app.pem").ends_at


class Clock:
    """What time it is."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)


def looking(log: Silent, clock: Clock, **files: str) -> Expiry:
    """At these texts: `app` and `vault`."""
    owners = {"app": APP, "vault": VAULT}

    def expiring(name: str) -> Expiring:
        def read() -> Secret:
            if not files[name]:
                raise ConfigurationError("gone", code="secret")
            return Secret(files[name])

        return Expiring(owners[name], f"{name}.pem", read)

    return Expiry([expiring(name) for name in files], lambda: clock.now, log)


def test_each_end_is_known_and_only_a_near_one_is_told() -> None:
    """A year is far; thirty days are near, and it is told with the day and the file."""
    log = Silent()
    clock = Clock()
    near = certificate_in(Secret(pair("near", 10).text), "vault.pem").ends_at
    clock.now = near - timedelta(days=9, hours=1)
    expiry = looking(log, clock, app=pair().text, vault=pair("near", 10).text)
    expiry.look()
    assert expiry.ends == {APP: ENDS, VAULT: near}
    fields = {
        "mailbox": None,
        "kind": "client",
        "file": "vault.pem",
        "ends_at": near.isoformat(),
        "days": 9,
    }
    assert log.warnings == [("certificate.ends", fields)]


def test_it_is_told_once_a_day_and_as_an_error_once_it_is_over() -> None:
    """However often somebody looks."""
    log = Silent()
    clock = Clock()
    expiry = looking(log, clock, app=pair().text)
    for days, hours in ((-31, 0), (-29, 0), (-29, 23), (-28, 1), (1, 0)):
        clock.now = ENDS + timedelta(days=days, hours=hours)
        expiry.look()
        expiry.look()
    assert [fields["days"] for _, fields in log.events] == [29, 27, -1]
    assert len(log.warnings) == 2


def test_a_renewed_certificate_counts_at_once() -> None:
    """The file is read at each look."""
    log = Silent()
    files = {"app": pair("near", 10).text}
    expiry = Expiry(
        [Expiring(APP, "app.pem", lambda: Secret(files["app"]))], lambda: datetime.now(UTC), log
    )
    expiry.look()
    files["app"] = pair().text
    expiry.look()
    assert expiry.ends == {APP: ENDS}
    assert len(log.warnings) == 1


def test_what_cannot_be_read_has_no_end_and_hides_no_other() -> None:
    """The login tells of it."""
    log = Silent()
    expiry = looking(log, Clock(), app="", vault=pair().text)
    expiry.look()
    assert expiry.ends == {VAULT: ENDS}
    assert log.events == []
