"""What the comparison of records and versions comes to, for each kind of difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Ended, KeptVersion, OurFields, Secret
from token_catcher.record.difference import Beginning, Code, Difference, Recorded
from token_catcher.record.keyring import Keyring
from token_catcher.record.reconcile import Comparison

BEGAN = datetime(2026, 2, 3, 12, tzinfo=UTC)
WHOLE = Beginning(BEGAN, is_whole=True)
PATH = "salesforce/acme-production/integration@acme.example"
WRITER = "0123456789abcdef0123456789abcdef"
ELSE = "f" * 32


def at(number: int) -> str:
    """Vault's time of a version."""
    time = BEGAN + timedelta(minutes=number)
    return time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def ours(number: int, **changes: Any) -> OurFields:
    """What we write beside a token."""
    fields = OurFields(
        issued_at=f"2026-02-03T11:{number % 60:02}:00Z",
        fingerprint=f"sha256:{number:016x}",
        mail=f"sha256:{number:064x}",
        writer=WRITER,
        version=str(number),
    )
    return replace(fields, **changes)


def version(number: int, **changes: Any) -> KeptVersion:
    """As we write one."""
    kept = KeptVersion(number, at(number), f"sha256:{number:016x}", ours(number))
    return replace(kept, **changes)


def by_hand(number: int, of: int, **changes: Any) -> KeptVersion:
    """Somebody wrote to the secret, and left our fields of version `of`."""
    return replace(version(of), number=number, created_at=at(number), **changes)


def record(number: int, **changes: Any) -> Recorded:
    """Of the version that we write so."""
    recorded = Recorded(
        seq=number,
        at=at(number),
        event="rotation.stored",
        path=PATH,
        version=number,
        created_at=at(number),
        fingerprint=f"sha256:{number:016x}",
        mail=f"sha256:{number:064x}",
        issued_at=f"2026-02-03T11:{number % 60:02}:00Z",
    )
    return replace(recorded, **changes)


def proven(number: int) -> Recorded:
    """The same token, found in Vault."""
    return record(number, event="rotation.unchanged", version=None, created_at=None)


def differences(
    versions: Sequence[KeptVersion],
    records: Sequence[Recorded],
    began: Beginning = WHOLE,
    writer: str | None = WRITER,
    known: Fingerprints = PLAIN,
) -> list[Difference]:
    """What they come to."""
    comparison = Comparison(PATH, versions, writer, known)
    for recorded in records:
        comparison.take(recorded)
    return list(comparison.differences(began, comparison.own_since))


def told(*args: Any, **more: Any) -> list[tuple[str, int | None]]:
    """Code and version of what is not as recorded."""
    return [
        (difference.code.value, difference.version)
        for difference in differences(*args, **more)
        if difference.code is not Code.RECORDED
    ]


def test_what_is_as_recorded() -> None:
    """Each version has its record, whatever else the journal tells of."""
    records = [record(1), replace(record(2), event="rotation.held"), record(2)]
    found = differences([version(1), version(2)], records)
    assert [
        (difference.code, difference.version, difference.is_finding) for difference in found
    ] == [
        (Code.RECORDED, 1, False),
        (Code.RECORDED, 2, False),
    ]


LATER = {
    "a password": (by_hand(3, 2), "other-fields"),
    "a token alone": (by_hand(3, 2, fingerprint="sha256:else"), "token-by-hand"),
    "a field of ours": (by_hand(3, 2, ours=ours(2, mail="x")), "fields-by-hand"),
    "no token": (by_hand(3, 2, fingerprint=None), "token-removed"),
    "something else": (by_hand(3, 2, fingerprint=None, has_other_value=True), "not-a-token"),
    "nothing of ours": (KeptVersion(3, at(3), "sha256:else"), "unrecorded-version"),
    "an earlier version": (by_hand(3, 1), "unrecorded-version"),
    "our own write": (version(3), "record-missing"),
    "another writer": (version(3, ours=ours(3, writer=ELSE)), "another-instance"),
    "deleted": (version(3, ended=Ended.DELETED, fingerprint=None), "deleted-version"),
    "destroyed": (version(3, ended=Ended.DESTROYED, fingerprint=None), "destroyed-version"),
    "expired": (version(3, ended=Ended.EXPIRED, fingerprint=None), "expired-version"),
}


@pytest.mark.parametrize(("third", "code"), LATER.values(), ids=LATER)
def test_a_version_without_a_record(third: KeptVersion, code: str) -> None:
    """Told by what it changed of the one before."""
    versions = [version(1), version(2), third]
    assert told(versions, [record(1), record(2)]) == [(code, 3)]


def test_an_earlier_token_that_somebody_put_back_is_told_as_that() -> None:
    """As `kv rollback` does."""
    found = differences([version(1), version(2), by_hand(3, 1)], [record(1), record(2)])
    assert found[-1].saw == "somebody else wrote the token of version 1 again"


def test_a_write_of_another_instance_is_proven_by_our_record_of_its_mail() -> None:
    """Whether we found the token there, or a newer one."""
    theirs = version(1, ours=ours(1, writer=ELSE))
    assert told([theirs], [proven(1)]) == [("others-write", 1)]
    old = Beginning(BEGAN + timedelta(days=1), is_whole=True)
    assert told([theirs], [proven(1)], old) == [("others-write", 1)]
    assert told([theirs], [proven(2)]) == [("another-instance", 1)]


def test_what_we_stored_proves_what_another_instance_stores_again() -> None:
    """Where Vault had lost it; our own write without its record stays one."""
    again = version(3, fingerprint=version(1).fingerprint, ours=ours(1, writer=ELSE, version="3"))
    removed = by_hand(2, 1, fingerprint=None)
    assert told([version(1), removed, again], [record(1)]) == [
        ("token-removed", 2),
        ("others-write", 3),
    ]
    own = replace(again, ours=replace(again.ours, writer=WRITER))
    assert told([version(1), removed, own], [record(1)])[1] == ("record-missing", 3)


def test_a_copy_of_the_mail_proves_the_token() -> None:
    """Of one reset two mailboxes may have a mail each, which are not the same bytes."""
    copy = replace(proven(1), mail="sha256:copy")
    theirs = version(1, ours=ours(1, writer=ELSE))
    assert told([theirs], [copy]) == [("others-write", 1)]
    assert told([theirs, by_hand(2, 1, ours=theirs.ours)], [copy]) == [
        ("others-write", 1),
        ("other-fields", 2),
    ]


def imitated(number: int, of: int, **changes: Any) -> KeptVersion:
    """Somebody writes the token of version `of` as another instance would."""
    fields = ours(of, writer=ELSE, version=str(number), **changes)
    return replace(version(of), number=number, created_at=at(number), ours=fields)


@pytest.mark.parametrize("kept", [0, 1])
def test_an_older_token_over_a_newer_one_is_nobodys_of_ours(kept: int) -> None:
    """However much the version looks like one; also where Vault has trimmed the newer one."""
    versions = [version(1), version(2), imitated(3, 1)][2 * kept :]
    found = differences(versions, [record(1), record(2)])[-1]
    assert (found.code, found.version) == (Code.UNRECORDED_VERSION, 3)
    assert found.saw == "somebody wrote an older token over that of record 2"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"dated_at": "2026-02-03T11:01:00Z"}, None),
        ({"dated_at": "2026-02-03T11:00:59Z"}, None),
        ({"issued_at": "2026-02-03T11:00:58Z", "dated_at": "2026-02-03T11:01:00Z"}, None),
        ({"issued_at": None}, None),
        ({"issued_at": "2026-02-03T11:01:01Z"}, "issued_at"),
        ({"dated_at": "2026-02-03T11:01:01Z"}, "dated_at"),
        ({"dated_at": "yesterday"}, "dated_at"),
        (
            {"issued_at": "2026-02-03T10:00:00Z", "dated_at": "2026-02-03T10:00:00Z"},
            "dated_at",
        ),
    ],
)
def test_times_that_another_instance_cannot_have_of_the_mail(
    changes: dict[str, str], fields: str | None
) -> None:
    """With them a token would pass for a newer or an older one than it is."""
    (found,) = differences([imitated(1, 1, **changes)], [proven(1)])
    if fields is None:
        assert found.code is Code.OTHERS_WRITE
    else:
        saw = f"the token is that of record 1, our fields are not: security_token_{fields}"
        assert (found.code, found.saw) == (Code.FIELDS_BY_HAND, saw)


def test_without_a_date_nothing_is_held_against_a_token() -> None:
    """The record of a mail whose Date nobody reads."""
    dateless = replace(proven(1), issued_at=None)
    assert told([imitated(1, 1, dated_at="2026-02-03T10:00:00Z")], [dateless]) == [
        ("others-write", 1)
    ]


def test_a_version_that_somebody_wrote_first() -> None:
    """Before any token of ours: with a token it is a finding, with a password a note."""
    assert told([KeptVersion(1, at(1))], []) == [("other-fields", 1)]
    assert told([KeptVersion(1, at(1), "sha256:else")], []) == [("unrecorded-version", 1)]


def test_a_password_after_a_version_that_ended() -> None:
    """Compared with the newest one before it that is there."""
    versions = [version(1), version(2, ended=Ended.EXPIRED), by_hand(3, 1)]
    assert told(versions, [record(1), record(2)]) == [
        ("expired-version", 2),
        ("other-fields", 3),
    ]


def test_a_password_after_a_write_that_was_trimmed() -> None:
    """The record of that write, or of its mail, tells what it held."""
    carried = by_hand(3, 2)
    assert told([carried], [record(1), record(2)]) == [
        ("trimmed-versions", None),
        ("other-fields", 3),
    ]
    assert told([carried], [proven(2)]) == [("other-fields", 3)]
    assert told([carried], [record(2, fingerprint="sha256:else")]) == [
        ("trimmed-versions", None),
        ("unrecorded-version", 3),
    ]


@pytest.mark.parametrize(
    ("began", "codes"),
    [
        (Beginning(None, is_whole=True), ["before-records", "record-missing"]),
        (Beginning(BEGAN + timedelta(days=1), is_whole=True), ["before-records", "record-missing"]),
        (Beginning(BEGAN + timedelta(days=1), is_whole=False), ["before-records"] * 2),
    ],
)
def test_versions_of_before_the_first_record(began: Beginning, codes: list[str]) -> None:
    """What others wrote; and our own writes, where files of the journal are elsewhere."""
    versions = [KeptVersion(1, at(1), "sha256:else"), version(2)]
    assert told(versions, [], began) == list(zip(codes, (1, 2), strict=True))


def test_a_time_that_cannot_be_read_is_not_before_the_records() -> None:
    """Nothing is excused by it."""
    odd = KeptVersion(1, "yesterday", "sha256:else")
    assert told([odd], []) == [("unrecorded-version", 1)]


@pytest.mark.parametrize(
    ("forged", "field"),
    [
        (record(1, fingerprint="sha256:else"), "token"),
        (record(1, mail="sha256:else"), "security_token_mail"),
        (record(1, issued_at="2026-02-03T10:00:00Z"), "security_token_issued_at"),
        (record(1, issued_at="yesterday"), "security_token_issued_at"),
    ],
)
def test_a_record_that_differs_from_its_version(forged: Recorded, field: str) -> None:
    """The version does not change: it is the record that is not ours."""
    (found,) = differences([version(1)], [forged])
    assert (found.code, found.saw) == (
        Code.FORGED_RECORD,
        f"the record differs from the version in: {field}",
    )


def test_the_fields_of_a_version_that_a_record_names_must_be_of_its_token() -> None:
    """Somebody's write, with our fields of another token."""
    odd = version(1, ours=ours(1, fingerprint="sha256:else"))
    (found,) = differences([odd], [record(1)])
    assert found.saw == "the record differs from the version in: security_token_fingerprint"


def test_what_was_recorded_after_a_crash_may_be_dated_later() -> None:
    """Where a server does not say when a mail arrived."""
    late = record(1, issued_at="2026-02-03T11:30:00Z", recovered=True)
    assert told([version(1)], [late]) == []
    assert told([version(1, ours=ours(1, issued_at=None))], [record(1)]) == []


def test_a_record_of_a_write_of_another_writer() -> None:
    """An earlier id of ours is a note; but it does not come back after the one of now."""
    earlier = version(1, ours=ours(1, writer=ELSE))
    assert told([earlier, version(2)], [record(1), record(2)]) == [("earlier-writer", 1)]
    later = version(2, ours=ours(2, writer=ELSE))
    assert told([version(1), later], [record(1), record(2)]) == [("forged-record", 2)]
    assert told([version(1), later], [record(1), record(2)], writer=None) == []


def test_the_journal_of_another_instance_in_the_place_of_ours() -> None:
    """It has our tokens as found in Vault, and not one record of our writes."""
    assert told([version(1), version(2)], [proven(1), proven(2)]) == [
        ("record-missing", 1),
        ("record-missing", 2),
    ]
    later = Beginning(BEGAN + timedelta(days=1), is_whole=False)
    assert told([version(1)], [proven(1)], later) == [("before-records", 1)]


def test_a_record_of_a_version_that_carries_an_earlier_write_on() -> None:
    """Somebody exchanged the token with its fingerprint, and added a record that says it was us."""
    token = "sha256:else"
    exchanged = by_hand(2, 1, fingerprint=token, ours=ours(1, fingerprint=token))
    forged = record(1, seq=2, version=2, created_at=at(2), fingerprint=token)
    found = differences([version(1), exchanged], [record(1), forged])[-1]
    assert (found.code, found.version) == (Code.FORGED_RECORD, 2)
    assert found.saw == "the record differs from the version in: security_token_version"


def test_without_an_id_of_ours_no_version_is_ours() -> None:
    """As where the state directory is not here."""
    assert told([version(1)], [], writer=None) == [("another-instance", 1)]


def test_two_records_of_one_version() -> None:
    """One is written: told once, however many there are."""
    records = [record(1), record(1, seq=7), record(1, seq=8)]
    found = differences([version(1)], records)
    assert [(difference.code, difference.version) for difference in found] == [
        (Code.RECORDED, 1),
        (Code.RECORDED_TWICE, 1),
    ]
    assert found[-1].saw == "records 1 and 7 tell of it"


@pytest.mark.parametrize(
    ("versions", "records", "code", "saw"),
    [
        ([], [record(1)], "secret-missing", "record 1: version 1; Vault has none"),
        (
            [],
            [record(1), record(2)],
            "secret-missing",
            "records 1 to 2: versions 1 to 2; Vault has none",
        ),
        (
            [version(1)],
            [record(1), record(2), record(3)],
            "rolled-back",
            "records 2 to 3: versions 2 to 3; Vault's newest is 1",
        ),
        (
            [version(1)],
            [record(1, created_at=at(9))],
            "rolled-back",
            "record 1: version 1; Vault's newest is 1",
        ),
        (
            [version(1)],
            [record(7), record(8), record(1, seq=9)],
            "remade-secret",
            "records 7 to 8: versions 7 to 8; Vault has others",
        ),
    ],
)
def test_records_of_versions_that_vault_has_not(
    versions: Sequence[KeptVersion], records: Sequence[Recorded], code: str, saw: str
) -> None:
    """The newest: Vault was rolled back. Earlier ones: the numbers began anew since."""
    found = differences(versions, records)[0]
    assert (found.code, found.version, found.saw) == (code, found.version, saw)
    assert found.is_finding


def test_lost_twice() -> None:
    """Each stretch of records that Vault lost is one in the end."""
    records = [record(7), record(1, seq=8), record(5, seq=9), record(2, seq=10)]
    found = differences([version(1), version(2)], records)[0]
    assert found.saw == "records 7 to 9: versions 7 to 5; Vault has others"


def test_what_is_kept_does_not_grow_with_the_journal() -> None:
    """Of records of versions that were trimmed only their number."""
    comparison = Comparison(PATH, [version(2000)], WRITER)
    for number in range(1, 2000):
        comparison.take(record(number % 50 + 1, seq=number))
    comparison.take(record(2000))
    found = list(comparison.differences(WHOLE, comparison.own_since))
    assert [difference.saw for difference in found] == [
        "1999 records of versions before 2000",
        "as recorded",
    ]
    sizes = [len(value) for value in vars(comparison).values() if hasattr(value, "__len__")]
    assert max(sizes) <= len(PATH)


KEY = Keyring.of(Secret("k" * 32)).fingerprints
BOTH = Keyring.of(Secret("o" * 32 + "\n" + "k" * 32)).fingerprints
LOST = Keyring.of(Secret("o" * 32)).fingerprints


def keyed(recorded: Recorded) -> Recorded:
    """The same, recorded with the key."""
    return replace(recorded, fingerprint=KEY.recorded(recorded.fingerprint or ""))


@pytest.mark.parametrize("known", [KEY, BOTH], ids=["the key", "another key since"])
def test_keyed_records_are_held_against_the_tokens(known: Fingerprints) -> None:
    """As plain ones are, and beside them."""
    theirs = version(3, ours=ours(3, writer=ELSE))
    records = [record(1), keyed(record(2)), keyed(proven(3))]
    assert told([version(1), version(2), theirs], records, known=known) == [("others-write", 3)]
    forged = replace(keyed(record(2)), fingerprint=KEY.recorded("sha256:else"))
    assert told([version(1), version(2)], [record(1), forged], known=known) == [
        ("forged-record", 2)
    ]


@pytest.mark.parametrize("known", [LOST, PLAIN], ids=["lost", "turned off"])
def test_records_whose_key_is_gone_are_compared_as_far_as_they_can_be(
    known: Fingerprints,
) -> None:
    """Nothing is found, and a note says how many there are; mail and times are compared."""
    theirs = version(2, ours=ours(2, writer=ELSE))
    found = differences([version(1), theirs], [keyed(record(1)), keyed(proven(2))], known=known)
    assert [(difference.code, difference.version) for difference in found] == [
        (Code.UNKNOWN_KEY, None),
        (Code.RECORDED, 1),
        (Code.OTHERS_WRITE, 2),
    ]
    assert found[0].saw == "the tokens of 2 records were not compared: their key is gone"
    forged = replace(keyed(record(1)), mail="sha256:else")
    assert told([version(1)], [forged], known=known)[1] == ("forged-record", 1)
    assert told([version(1)], [keyed(proven(7))], known=known)[1] == ("record-missing", 1)
    assert told([version(1)], [keyed(proven(1))], known=known)[1] == ("record-missing", 1)
    foreign = version(1, ours=ours(1, writer=ELSE))
    assert told([foreign], [keyed(proven(7))], known=known)[1] == ("another-instance", 1)


@pytest.mark.parametrize("known", [KEY, LOST, PLAIN], ids=["there", "lost", "turned off"])
def test_a_password_after_a_keyed_write_that_was_trimmed(known: Fingerprints) -> None:
    """Its record tells what it held, as far as that can be told."""
    found = told([by_hand(3, 2)], [keyed(record(1)), keyed(record(2))], known=known)
    assert found[0] == ("trimmed-versions", None)
    assert found[-1] == ("other-fields", 3)
