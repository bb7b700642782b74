"""Whose files we go by, and as whom root works."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path

import pytest

from token_catcher import ownership
from token_catcher.errors import ConfigurationError
from token_catcher.ownership import Objection

US = 990
ROOT = 0
MALLORY = 4_000_000_001
"""No account has this number."""
OUR_GROUP = 65532
FILE = Path("/etc/token-catcher/config.yaml")
STATE = Path("/var/lib/token-catcher")


def status(owner: int, mode: int, group: int = ROOT, kind: int = stat.S_IFREG) -> os.stat_result:
    """What the system says of a file."""
    return os.stat_result((kind | mode, 0, 0, 0, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize("owner", [US, ROOT])
@pytest.mark.parametrize("mode", [0o600, 0o444, 0o644, 0o755])
def test_ours_and_roots_files_are_gone_by(owner: int, mode: int) -> None:
    """Others may read them."""
    assert ownership.objection_to_file(FILE, status(owner, mode), {US, ROOT}) is None


@pytest.mark.parametrize("mode", [0o400, 0o644, 0o666])
def test_a_file_of_somebody_else_is_not(mode: int) -> None:
    """Whatever its mode, which its owner can change."""
    assert ownership.objection_to_file(FILE, status(MALLORY, mode), {US, ROOT}) == Objection(
        "a file of uid 4000000001, who could send tokens elsewhere",
        "one of ours or of root: look at it, then chown root /etc/token-catcher/config.yaml",
    )


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o664, 0o646, 0o666])
def test_a_file_that_others_can_write_is_not(mode: int) -> None:
    """The group counts as others, and so it does for root."""
    for owner in (US, ROOT):
        assert ownership.objection_to_file(FILE, status(owner, mode), {US, ROOT}) == Objection(
            f"a file that others can write (mode {mode:04o})",
            "one for its owner to write: chmod go-w /etc/token-catcher/config.yaml",
        )


@pytest.mark.parametrize(
    ("owner", "mode", "got"),
    [
        (US, 0o755, None),
        (ROOT, 0o755, None),
        (MALLORY, 0o755, "a directory of uid 4000000001"),
        (ROOT, 0o1777, "a directory that others can write"),
        (US, 0o775, "a directory that others can write"),
    ],
)
def test_where_a_file_is_read_that_nobody_named(owner: int, mode: int, got: str | None) -> None:
    """Where nobody else could have put it: not in /tmp, and not in another's home directory."""
    expected = None
    if got is not None:
        expected = Objection(got, "one of ours or of root, and writable by nobody else")
    directory = status(owner, mode, kind=stat.S_IFDIR)
    assert ownership.objection_to_working_directory(directory, {US, ROOT}) == expected


@pytest.mark.parametrize(
    ("us", "owner", "group", "mode"),
    [
        (US, US, US, 0o700),
        (US, US, US, 0o755),
        (US, ROOT, OUR_GROUP, 0o2775),
        (ROOT, US, US, 0o700),
    ],
    ids=["ours", "readable", "of a pod's fsGroup", "of the owner that root becomes"],
)
def test_a_state_directory_that_we_use(us: int, owner: int, group: int, mode: int) -> None:
    """Nobody writes it but us; a group of ours, where root made it so."""
    directory = status(owner, mode, group, stat.S_IFDIR)
    assert ownership.objection_to_state(STATE, directory, us, {OUR_GROUP}) is None


@pytest.mark.parametrize(
    ("us", "owner", "group", "mode", "told"),
    [
        (US, US, OUR_GROUP, 0o770, "0770"),
        (US, US, US, 0o707, "0707"),
        (US, ROOT, US, 0o775, "0775"),
        (US, ROOT, OUR_GROUP, 0o1777, "1777"),
        (ROOT, ROOT, OUR_GROUP, 0o775, "0775"),
    ],
    ids=["our group", "anybody", "a foreign group", "like /tmp", "root's own"],
)
def test_a_state_directory_that_others_can_write(
    us: int, owner: int, group: int, mode: int, told: str
) -> None:
    """Who puts a checkpoint or a key there decides what is looked at, and what is believed."""
    directory = status(owner, mode, group, stat.S_IFDIR)
    assert ownership.objection_to_state(STATE, directory, us, {OUR_GROUP}) == Objection(
        f"a directory that others can write (mode {told})",
        "one for us alone: chmod go-w /var/lib/token-catcher, or name a new one below it",
    )


def owned_by(owner: int, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the system say that the directory is this user's, to somebody who is root."""
    monkeypatch.setattr(Path, "stat", lambda _path: status(owner, 0o700, OUR_GROUP))
    monkeypatch.setattr(os, "geteuid", lambda: ROOT)
    return directory


def test_to_root_the_owner_of_the_state_directory_is_one_of_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root works as that user; to anybody else, nothing is changed by it."""
    state = owned_by(US, tmp_path, monkeypatch)
    assert ownership.trusted(state) == {ROOT, US}
    assert ownership.trusted() == {ROOT}
    monkeypatch.setattr(os, "geteuid", lambda: MALLORY)
    assert ownership.trusted(state) == {ROOT, MALLORY}


def test_a_state_directory_that_is_not_there_adds_nobody(tmp_path: Path) -> None:
    """It is made, by whoever we are."""
    assert ownership.trusted(tmp_path / "nowhere") == ownership.trusted()
    ownership.work_as_owner(tmp_path / "nowhere")
    assert ownership.trusted(Path("null\0byte")) == ownership.trusted()


class Became(list[tuple[str, object]]):
    """What the system was asked to make of this process, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        for name in ("setgroups", "setgid", "setuid"):
            monkeypatch.setattr(os, name, lambda value, name=name: self.append((name, value)))


def test_root_becomes_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the groups of that account, and the user last: before, it could not change groups."""
    account = next(account for account in pwd.getpwall() if account.pw_uid != ROOT)
    state = owned_by(account.pw_uid, tmp_path, monkeypatch)
    became = Became(monkeypatch)
    ownership.work_as_owner(state)
    assert became == [
        ("setgroups", os.getgrouplist(account.pw_name, account.pw_gid)),
        ("setgid", account.pw_gid),
        ("setuid", account.pw_uid),
    ]


def test_an_owner_without_an_account_has_the_group_of_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the numbers of containers have."""
    state = owned_by(MALLORY, tmp_path, monkeypatch)
    became = Became(monkeypatch)
    ownership.work_as_owner(state)
    assert became == [("setgroups", [OUR_GROUP]), ("setgid", OUR_GROUP), ("setuid", MALLORY)]


@pytest.mark.parametrize(("us", "owner"), [(ROOT, ROOT), (US, MALLORY)])
def test_nobody_else_becomes_anybody(
    us: int, owner: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither root over its own directory, nor a user over another's."""
    state = owned_by(owner, tmp_path, monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: us)
    became = Became(monkeypatch)
    ownership.work_as_owner(state)
    assert became == []


def test_root_that_cannot_become_the_owner_is_told_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container without that capability, say."""
    state = owned_by(MALLORY, tmp_path, monkeypatch)

    def refuse(_groups: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "setgroups", refuse)
    with pytest.raises(ConfigurationError) as raised:
        ownership.work_as_owner(state)
    assert raised.value.code == "configuration-owner"
    assert str(raised.value) == (
        f"state_dir: {tmp_path} belongs to uid 4000000001, and we cannot become that user"
        " (Operation not permitted), expected to be started as it:"
        " sudo -u '#4000000001' token-catcher"
    )


def test_an_account_is_told_by_name_and_number() -> None:
    """Names are what people know, numbers what `ls -n` shows."""
    assert ownership.name_of(ROOT) == "root (uid 0)"
    assert ownership.name_of(MALLORY) == "uid 4000000001"


def test_groups_have_names_too() -> None:
    """For messages: by number where the system has none."""
    assert ownership.group_name_of(0) == "root (gid 0)"
    assert ownership.group_name_of(4_000_000) == "gid 4000000"
