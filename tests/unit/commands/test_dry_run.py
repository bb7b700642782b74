"""`scan --dry-run`: what a scan would make of the mail, and nothing is written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.mails import Keys, fingerprint, genuine_signer, token
from tests.kit.rig import BEGIN, PATH, Rig, Withholding
from tests.unit.commands.scans import AWAY, NO, failing
from token_catcher.commands.dry_run import dry_run
from token_catcher.commands.results import ScanResult
from token_catcher.errors import AccessError, TransientError


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_dry_run_judges_and_writes_nothing(rig: Rig) -> None:
    """Every claim in the window is judged, folder by folder; another mail is no line;
    not one file appears."""
    rig.deliver(1)
    rig.account.append(mails.token_mail(subject="Lunch?", body="At noon.\n"))
    rig.account.append(mails.token_mail(issued_at=BEGIN), "Junk")
    results = list(dry_run(rig.watched, BEGIN))
    assert results == [
        ScanResult(
            "integrations",
            "INBOX",
            1,
            "would-store",
            username=mails.USERNAME,
            org="acme",
            path=PATH,
            issued_at="2026-02-03T13:00:01Z",
            fingerprint=fingerprint(token(1)),
        ),
        ScanResult(
            "integrations",
            "Junk",
            1,
            "refused",
            "unsigned",
            "no DKIM signature",
            mails.USERNAME,
            "acme",
            issued_at="2026-02-03T13:00:00Z",
            fingerprint=fingerprint(mails.TOKEN),
        ),
    ]
    assert (list(rig.home.iterdir()), rig.vault.paths(), rig.diary[-1]) == ([], [], "close")


def test_a_dry_run_looks_at_the_window(rig: Rig) -> None:
    """The configured one, or the one that was asked for."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=15))
    rig.deliver(2, received_at=BEGIN - timedelta(days=3))
    assert [line.uid for line in dry_run(rig.watched, BEGIN)] == [2]
    assert [line.uid for line in dry_run(rig.watched, BEGIN, timedelta(days=16))] == [1, 2]
    assert [line.uid for line in dry_run(rig.watched, BEGIN, timedelta(days=2))] == []


def test_a_dry_run_says_what_it_cannot_judge(tmp_path: Path) -> None:
    """`retry`: DNS did not answer."""
    rig = Rig(tmp_path, Keys({genuine_signer().name: None}))
    rig.deliver(1)
    saw = f"DNS did not answer for {genuine_signer().name}"
    assert list(dry_run(rig.watched, BEGIN)) == [
        ScanResult("integrations", "INBOX", 1, "retry", "transient", saw)
    ]


def test_a_dry_run_goes_on_behind_a_mail_that_it_cannot_judge(tmp_path: Path) -> None:
    """Its neighbour has its verdict."""
    other = mails.Signer(genuine_signer().private_pem, selector="lost")
    rig = Rig(tmp_path, Keys({**mails.genuine_keys().records, other.name: None}))
    slow = mails.token_mail("slow@acme.example", token(1), issued_at=BEGIN)
    rig.account.append(mails.sign(slow, other, at=BEGIN))
    rig.deliver(2)
    outcomes = [(line.uid, line.outcome) for line in dry_run(rig.watched, BEGIN)]
    assert outcomes == [(1, "retry"), (2, "would-store")]


def test_a_dry_run_fetches_no_more_at_a_time_than_a_sweep(rig: Rig) -> None:
    """Memory is bounded there as well."""
    for number in range(1, 34):
        rig.account.append(mails.token_mail(subject="Welcome", body=f"Hello {number}.\n"))
    assert list(dry_run(rig.watched, BEGIN)) == []
    fetched = [len(line.split()[1].split(",")) for line in rig.diary if line.startswith("fetch")]
    assert fetched == [32, 1]


def test_a_dry_run_goes_on_behind_a_folder_that_is_missing(rig: Rig) -> None:
    """It is told, and the run is not well."""
    rig.account.watched = ("INBOX", "Gone", "Junk")
    rig.deliver(1, "Junk")
    first, second = dry_run(rig.watched, BEGIN)
    assert first == ScanResult(
        "integrations",
        "Gone",
        None,
        "error",
        "imap-folder",
        "mailbox integrations: folder Gone cannot be opened",
    )
    assert (second.uid, second.outcome) == (1, "would-store")


def test_a_dry_run_tells_what_the_server_does_not_show(rig: Rig) -> None:
    """A mail without a body, and one that has no name; what comes alone is judged."""
    rig.deliver(1)
    rig.deliver(2)
    rig.deliver(3)
    mailbox = Withholding(rig)
    mailbox.without_body = {1}
    mailbox.only_alone = {2}
    mailbox.uncounted = 1
    results = list(dry_run(rig.but(connect=lambda: mailbox), BEGIN))
    assert [(line.folder, line.uid, line.outcome, line.reason) for line in results] == [
        ("INBOX", 1, "retry", "imap-no-body"),
        ("INBOX", 2, "would-store", None),
        ("INBOX", 3, "would-store", None),
        ("INBOX", 4, "retry", "imap-incomplete"),
    ]


def test_a_dry_run_is_silent_of_a_mail_that_is_gone(rig: Rig) -> None:
    """It was expunged between its heading and its body."""
    uid = rig.deliver(1)

    def expunge(what: str) -> None:
        if what == f"fetch {uid}":
            rig.account.folders["INBOX"].mails.pop(uid, None)

    rig.on = expunge
    assert list(dry_run(rig.watched, BEGIN)) == []


def test_a_dry_run_raises_what_the_mailbox_raises(rig: Rig) -> None:
    """And closes the session before."""
    with pytest.raises(AccessError):
        list(dry_run(failing(rig, NO), BEGIN))

    def cut(what: str) -> None:
        if what.startswith("examine"):
            raise AWAY

    rig.on = cut
    with pytest.raises(TransientError):
        list(dry_run(rig.watched, BEGIN))
    assert rig.diary[-1] == "close"
