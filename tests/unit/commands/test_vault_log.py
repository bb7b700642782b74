"""Entries of Vault's audit log, as its file device writes them, and in forms that it may have."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from token_catcher.commands.vault_log import Login, VaultLog
from token_catcher.errors import TokenCatcherError
from token_catcher.record import Code, Difference, Recorded

PATH = "salesforce/acme/integration@acme.example"
MADE = "2026-02-03T12:00:00.123456789Z"
HASHED = "hmac-sha256:38661d6dc43a3be5b5de9b02860619dba82681de12189e15b861324369012d9e"
SAID = "2026-02-03T12:00:00.123999Z"
BEFORE = {"type": "request", "time": "2026-02-03T11:00:00Z", "request": {}}
AFTER = {"type": "request", "time": "2026-02-03T13:00:00Z", "request": {}}


def entry(
    path: str = f"secret/data/{PATH}",
    operation: str = "patch",
    time: str = SAID,
    data: Any = None,
    made: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """A response. `data`: of the request. `made`: what it became."""
    request = {
        "id": "5a55896a",
        "operation": operation,
        "namespace": {"id": "root"},
        "path": path,
        "data": data,
        "remote_address": "192.0.2.7",
    }
    auth = {
        "display_name": "approle",
        "metadata": {"role_name": "token-catcher"},
        "policies": ["default", "token-catcher"],
        "entity_id": "56efec8c",
    }
    whole = {"type": "response", "time": time, "request": request, "auth": auth}
    if made is not None:
        whole["response"] = {"data": made}
    return {**whole, **more}


def write(number: Any = 1, created: Any = MADE, **more: Any) -> dict[str, Any]:
    """A version is made."""
    return entry(made={"version": number, "created_time": created}, **more)


def recorded(request_id: str | None = "5a55896a") -> Difference:
    """Version 1, as its record has it."""
    record = Recorded(1, SAID, "rotation.stored", PATH, request_id=request_id)
    return Difference(Code.RECORDED, PATH, "as recorded", 1, MADE, record=record)


def results(
    tmp_path: Path, differences: Sequence[Difference], *lines: object, mount: str = "/secret"
) -> list[tuple[Difference, Login | None]]:
    """What the log tells of them."""
    log = read(tmp_path, differences, *lines, mount=mount)
    return list(log.results())


def read(
    tmp_path: Path, differences: Sequence[Difference], *lines: object, mount: str = "/secret"
) -> VaultLog:
    """A log of these lines."""
    file = tmp_path / "audit.log"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n", "utf-8")
    log = VaultLog(differences, mount)
    log.read(str(file), io.BufferedReader(io.BytesIO()))
    return log


def test_a_write_has_its_login(tmp_path: Path) -> None:
    """By path, number and time of the version."""
    ((difference, login),) = results(tmp_path, [recorded()], BEFORE, write(), AFTER)
    assert difference == recorded()
    assert login == Login(
        "2026-02-03T12:00:00.123999Z",
        "5a55896a",
        "patch",
        "approle",
        "token-catcher",
        "56efec8c",
        ("default", "token-catcher"),
        "192.0.2.7",
    )
    assert login.told == "approle/token-catcher 192.0.2.7"


@pytest.mark.parametrize(
    "other",
    [
        write(2),
        write(created="2026-02-03T12:00:00.123456780Z"),
        write(created=HASHED, time="2026-02-03T12:00:02Z"),
        write(created=HASHED, time="2026-02-03T11:59:59Z"),
        write(path=f"other/data/{PATH}"),
        write(path=f"secret/metadata/{PATH}"),
        write(path=f"secret/data/{PATH}.else"),
        write(operation="read"),
        write(error="1 error occurred"),
        write(type="request"),
        write(number=HASHED),
        write(number=True),
        entry(),
        entry(made="x"),
        write(request={**entry()["request"], "namespace": {"path": "team/"}}),
    ],
)
def test_what_did_not_make_the_version(tmp_path: Path, other: dict[str, Any]) -> None:
    """Then nobody made it, as far as the log reaches."""
    ((difference, login),) = results(tmp_path, [recorded()], BEFORE, other, AFTER)
    assert (difference.code, login) == (Code.NOT_IN_LOG, None)


@pytest.mark.parametrize("created", [HASHED, None])
def test_a_time_that_is_hashed_is_known_by_that_of_the_entry(
    tmp_path: Path, created: str | None
) -> None:
    """Of the second after it."""
    ((_, login),) = results(tmp_path, [recorded()], BEFORE, write(created=created), AFTER)
    assert login is not None


def test_a_mount_in_a_namespace(tmp_path: Path) -> None:
    """The log has the namespace apart from the path."""
    line = write(request={**entry()["request"], "namespace": {"path": "team/"}})
    ((_, login),) = results(tmp_path, [recorded()], BEFORE, line, AFTER, mount="team/secret")
    assert login is not None


def test_a_record_that_names_another_request(tmp_path: Path) -> None:
    """It is not the record of that write; one without a request says nothing about it."""
    lines = (BEFORE, write(), AFTER)
    ((forged, _),) = results(tmp_path, [recorded("else")], *lines)
    assert (forged.code, forged.saw) == (
        Code.FORGED_RECORD,
        "the record names another request than the log",
    )
    ((recovered, login),) = results(tmp_path, [recorded(None)], *lines)
    assert (recovered.code, login is not None) == (Code.RECORDED, True)


@pytest.mark.parametrize("lines", [(AFTER,), (BEFORE,)])
def test_a_version_outside_of_the_log(tmp_path: Path, lines: Sequence[object]) -> None:
    """How far the log reaches is told, and no finding."""
    (first, note) = results(tmp_path, [recorded()], *lines)
    assert first == (recorded(), None)
    assert note[0].code is Code.NOT_COVERED
    assert "outside of it: 1 version" in note[0].saw


def ended(code: Code, ends_at: str | None = None) -> Difference:
    """Of version 1."""
    return Difference(code, PATH, "it ended", 1, "2026-02-03T11:30:00Z", ends_at)


DELETED = ended(Code.DELETED_VERSION, MADE)
DESTROYED = ended(Code.DESTROYED_VERSION)
REMOVED = Difference(Code.SECRET_MISSING, PATH, "gone", 1, MADE)


def request(action: str, operation: str, versions: Any = None, time: str = SAID) -> dict[str, Any]:
    """Something that ends versions."""
    return entry(f"secret/{action}/{PATH}", operation, time, {"versions": versions})


@pytest.mark.parametrize(
    ("difference", "line", "is_of_it"),
    [
        (DELETED, request("data", "delete"), True),
        (DELETED, request("data", "delete", time="2026-02-03T12:00:02Z"), False),
        (DELETED, request("data", "delete", time="2026-02-03T11:59:59Z"), False),
        (DELETED, request("delete", "update", [1, 2]), True),
        (DELETED, request("delete", "update", ["1"]), True),
        (DELETED, request("delete", "update", [HASHED]), True),
        (DELETED, request("delete", "update", [2]), False),
        (DELETED, request("delete", "update"), False),
        (DELETED, request("undelete", "update", [1]), False),
        (ended(Code.DELETED_VERSION), request("data", "delete"), False),
        (DESTROYED, request("destroy", "update", [1]), True),
        (DESTROYED, request("destroy", "update", [2]), False),
        (DESTROYED, request("data", "delete"), False),
        (REMOVED, request("metadata", "delete"), True),
        (REMOVED, request("data", "delete"), False),
    ],
)
def test_who_ended_a_version(
    tmp_path: Path, difference: Difference, line: dict[str, Any], is_of_it: bool
) -> None:
    """Deleted at that time, destroyed by number, removed as a whole."""
    ((_, login),) = results(tmp_path, [difference], BEFORE, line, AFTER)
    assert (login is not None) == is_of_it


def test_odd_values_of_an_entry(tmp_path: Path) -> None:
    """What is no text is left out; what looks like a token is masked, and escapes are shown."""
    request = {**entry()["request"], "id": 7, "operation": None, "remote_address": ""}
    line = write(request=request, auth={"display_name": "hvs.CANARYvaultTOKEN0123", "policies": 7})
    line["request"]["operation"] = "create"
    ((_, login),) = results(tmp_path, [recorded()], BEFORE, line, AFTER)
    assert login is not None
    assert (login.display_name, login.request_id, login.policies) == ("<masked>", None, ())
    assert login.told == "<masked> ?"
    line["auth"] = {"display_name": "\x1b[31m", "policies": ["\n", 7]}
    ((_, login),) = results(tmp_path, [recorded()], BEFORE, line, AFTER)
    assert login is not None
    assert (login.display_name, login.policies) == ("\\x1b[31m", ("\\n", "?"))


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "7",
        {"type": "response", "time": SAID},
        {"type": "else", "time": SAID, "request": {}},
        {"type": "request", "time": 7, "request": {}},
        {"type": "request", "time": "yesterday", "request": {}},
    ],
)
def test_lines_that_are_no_entries_are_counted(tmp_path: Path, line: object) -> None:
    """Something may be missing."""
    assert read(tmp_path, [], line, "", BEFORE).unreadable == 1


def test_a_file_without_an_entry_is_refused(tmp_path: Path) -> None:
    """It is no audit log."""
    with pytest.raises(TokenCatcherError, match="got no entry of an audit log") as caught:
        read(tmp_path, [], '{"event": "scan"}')
    assert caught.value.code == "audit-log"


def test_a_note_on_no_secret_has_no_login(tmp_path: Path) -> None:
    """It goes through as it is."""
    note = Difference(Code.NOT_LISTED, None, "our token may not list the users of acme")
    trimmed = Difference(Code.TRIMMED_VERSIONS, PATH, "3 records of versions before 4")
    assert results(tmp_path, [note, trimmed], BEFORE) == [(note, None), (trimmed, None)]


def test_a_time_of_vault_that_cannot_be_read_is_not_covered(tmp_path: Path) -> None:
    """And no request can have made it."""
    odd = Difference(Code.RECORDED, PATH, "as recorded", 1, "yesterday", record=recorded().record)
    (first, note) = results(tmp_path, [odd], BEFORE, write(created=HASHED), AFTER)
    assert (first, note[0].code) == ((odd, None), Code.NOT_COVERED)


def by_eve(identity: str, name: str = "userpass-eve") -> dict[str, Any]:
    """A write of the same version, by another request."""
    whole = write()
    whole["request"] = {**whole["request"], "id": identity}
    whole["auth"] = {"display_name": name}
    return whole


@pytest.mark.parametrize("lines", [(write(), by_eve("ff")), (by_eve("ff"), write())])
def test_a_second_request_that_is_said_to_have_made_a_version(
    tmp_path: Path, lines: Sequence[object]
) -> None:
    """Wherever it stands in the log, it takes the place of none: both are told."""
    told = results(tmp_path, [recorded()], BEFORE, *lines, AFTER)
    codes = [difference.code for difference, _ in told]
    assert Code.LOG_CONTRADICTS in codes
    assert {login.request_id for _, login in told if login is not None} == {"5a55896a", "ff"}
    (saw,) = [difference.saw for difference, _ in told if "two requests" in difference.saw]
    assert "5a55896a" in saw
    assert "ff" in saw


def test_an_entry_that_stands_in_two_logs_counts_once(tmp_path: Path) -> None:
    """Of two devices, or of a log that was given twice."""
    told = results(tmp_path, [recorded()], BEFORE, write(), write(), AFTER)
    assert [difference for difference, _ in told] == [recorded()]
