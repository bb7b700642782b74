"""`scan --dry-run`: what a scan would make of the mail, and nothing is written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.fakes import FakeStore, FakeVault
from tests.kit.mails import Keys, fingerprint, genuine_signer, token
from tests.kit.rig import BEGIN, PATH, Rig, Withholding
from tests.unit.commands.scans import AWAY, NO, failing
from token_catcher.advice import next_step
from token_catcher.commands.dry_run import Foresight, dry_run
from token_catcher.commands.results import ScanResult
from token_catcher.errors import AccessError, Outage, TransientError
from token_catcher.sweep import Watched


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


SUBJECTS = ["Your new Salesforce security token"]


def judged(
    watched: Watched, since: timedelta | None = None, foresight: Foresight | None = None
) -> list[ScanResult]:
    """What a dry run says; of a Vault that has nothing, unless there is another one."""
    foresight = foresight or Foresight(FakeStore(FakeVault()))
    return [result for _mail, result in dry_run(watched, BEGIN, since, foresight, SUBJECTS)]


def test_a_dry_run_judges_and_writes_nothing(rig: Rig) -> None:
    """Every claim in the window is judged, folder by folder; another mail is no line;
    not one file appears."""
    rig.deliver(1)
    rig.account.append(mails.token_mail(subject="Lunch?", body="At noon.\n"))
    rig.account.append(mails.token_mail(issued_at=BEGIN), "Junk")
    results = judged(rig.watched)
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
    """The configured one, or the one that was asked for; it says what that leaves out."""
    rig.deliver(1, received_at=BEGIN - timedelta(days=15))
    rig.deliver(2, received_at=BEGIN - timedelta(days=3))
    older, *_ = reversed(judged(rig.watched))
    assert older == ScanResult(
        "integrations",
        "INBOX",
        None,
        "left-out",
        "older-mail",
        "1 token mail came before 2026-01-20T13:00:00Z, where the window begins",
    )
    assert (older.attention, "--since 90d" in (older.next_step or "")) == (False, True)
    assert [line.uid for line in judged(rig.watched)] == [2, None]
    assert [line.uid for line in judged(rig.watched, timedelta(days=16))] == [1, 2]
    assert [line.saw for line in judged(rig.watched, timedelta(days=2))] == [
        "2 token mails came before 2026-02-01T13:00:00Z, where the window begins"
    ]


def test_a_dry_run_says_what_it_cannot_judge(tmp_path: Path) -> None:
    """`retry`: DNS did not answer. Whose token the mail claims to have is told."""
    rig = Rig(tmp_path, Keys({genuine_signer().name: None}))
    rig.deliver(1)
    saw = f"DNS did not answer for {genuine_signer().name}"
    assert judged(rig.watched) == [
        ScanResult(
            "integrations",
            "INBOX",
            1,
            "retry",
            "transient",
            saw,
            mails.USERNAME,
            issued_at="2026-02-03T13:00:01Z",
        )
    ]


def test_a_dry_run_goes_on_behind_a_mail_that_it_cannot_judge(tmp_path: Path) -> None:
    """Its neighbour has its verdict."""
    other = mails.Signer(genuine_signer().private_pem, selector="lost")
    rig = Rig(tmp_path, Keys({**mails.genuine_keys().records, other.name: None}))
    slow = mails.token_mail("slow@acme.example", token(1), issued_at=BEGIN)
    rig.account.append(mails.sign(slow, other, at=BEGIN))
    rig.deliver(2)
    outcomes = [(line.uid, line.outcome) for line in judged(rig.watched)]
    assert outcomes == [(1, "retry"), (2, "would-store")]


def test_a_dry_run_fetches_no_more_at_a_time_than_a_sweep(rig: Rig) -> None:
    """Memory is bounded there as well."""
    for number in range(1, 34):
        rig.account.append(mails.token_mail(subject="Welcome", body=f"Hello {number}.\n"))
    assert judged(rig.watched) == []
    fetched = [len(line.split()[1].split(",")) for line in rig.diary if line.startswith("fetch")]
    assert fetched == [32, 1]


def test_a_dry_run_goes_on_behind_a_folder_that_is_missing(rig: Rig) -> None:
    """It is told, and the run is not well."""
    rig.account.watched = ("INBOX", "Gone", "Junk")
    rig.deliver(1, "Junk")
    first, second = judged(rig.watched)
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
    results = judged(rig.but(connect=lambda: mailbox))
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
    assert judged(rig.watched) == []


def test_a_dry_run_raises_what_the_mailbox_raises(rig: Rig) -> None:
    """And closes the session before."""
    with pytest.raises(AccessError):
        judged(failing(rig, NO))

    def cut(what: str) -> None:
        if what.startswith("examine"):
            raise AWAY

    rig.on = cut
    with pytest.raises(TransientError):
        judged(rig.watched)
    assert rig.diary[-1] == "close"


# -- what Vault would make of it --


def endings(results: list[ScanResult]) -> list[tuple[int | None, str, str | None]]:
    """UID, outcome and reason of each."""
    return [(result.uid, result.outcome, result.reason) for result in results]


def test_vault_says_what_it_would_make_of_it(rig: Rig) -> None:
    """What it has, what is older than that, and what it would write; it writes nothing."""
    rig.deliver(2)
    rig.sweep.run(rig.connect())
    rig.deliver(1)
    rig.deliver(3)
    before = rig.vault.versions(PATH)
    results = judged(rig.watched, foresight=Foresight(FakeStore(rig.vault)))
    assert endings(results) == [
        (1, "unchanged", "same-token"),
        (2, "unchanged", "stale"),
        (3, "would-store", None),
    ]
    assert {result.path for result in results} == {PATH}
    assert rig.vault.versions(PATH) == before


def test_vault_says_what_it_would_hold(rig: Rig) -> None:
    """With what it saw, and what to do: a person deleted the secret."""
    rig.vault.put(PATH, {"password": "gone"})
    rig.vault.delete(PATH)
    rig.deliver(1)
    (result,) = judged(rig.watched, foresight=Foresight(FakeStore(rig.vault)))
    assert (result.outcome, result.reason, result.saw, result.attention) == (
        "held",
        "secret-deleted",
        "version 1 was deleted",
        True,
    )


def test_mails_of_the_window_are_compared_with_each_other(rig: Rig) -> None:
    """What comes first would be in Vault by then."""
    for number in (2, 1, 3):
        rig.deliver(number)
    again = mails.genuine(token=token(3), issued_at=BEGIN + timedelta(seconds=3), extra="X-Y: Z\n")
    rig.account.append(again, received_at=BEGIN + timedelta(seconds=3))
    other = mails.genuine(token=token(4), issued_at=BEGIN + timedelta(seconds=3))
    rig.account.append(other, received_at=BEGIN + timedelta(seconds=3))
    late = mails.genuine(token=token(5), issued_at=BEGIN + timedelta(seconds=9))
    rig.account.append(late, received_at=BEGIN + timedelta(seconds=2))
    rig.deliver(6, user="etl@acme.example")
    assert endings(judged(rig.watched)) == [
        (1, "would-store", None),
        (2, "unchanged", "stale"),
        (3, "would-store", None),
        (4, "unchanged", "same-token"),
        (5, "held", "same-date"),
        (6, "held", "clocks-disagree"),
        (7, "would-store", None),
    ]


def test_a_vault_that_does_not_answer_is_told_once(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not asked again: the mails are judged without it."""

    def away(_effect: str) -> None:
        raise Outage("Vault is sealed", code="vault-sealed")

    foresight = Foresight(FakeStore(rig.vault, trip=away))
    for number in (1, 2):
        rig.deliver(number)
    assert endings(judged(rig.watched, foresight=foresight)) == [
        (1, "would-store", None),
        (2, "would-store", None),
    ]
    told, step = capsys.readouterr().err.splitlines()
    assert (told, step) == (
        "token-catcher: Vault cannot be asked, so mail is judged without it: Vault is sealed",
        f"next: {next_step('vault-sealed')}",
    )
