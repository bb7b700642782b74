"""The latest version by its metadata, and the names in a folder: without a right to any value."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.vault import capture, given, opened, paths, shipped_policy
from tests.kit import mails
from tests.kit.servers import OpenBao
from token_catcher.errors import AccessError
from token_catcher.vault import VaultStore, Version

METADATA = """\
path "secret/metadata/salesforce/*" {{ capabilities = {rights} }}
path "secret/data/salesforce/{org}/other" {{ capabilities = ["read"] }}
"""


@pytest.fixture
def metadata_only(openbao: OpenBao, org: str) -> Iterator[VaultStore]:
    """May read and list metadata, and no value of a user."""
    policy = openbao.policy(f"{org}-m", METADATA.format(org=org, rights='["read", "list"]'))
    with opened(openbao.url, given(openbao.token(policy))) as store:
        yield store


@pytest.fixture
def shipped(openbao: OpenBao) -> Iterator[VaultStore]:
    """Under the policy of deploy/."""
    with opened(openbao.url, given(openbao.token(shipped_policy(openbao)))) as store:
        yield store


def test_the_latest_version(shipped: VaultStore, openbao: OpenBao, org: str) -> None:
    """Its number and time, and whether it is gone; no value is asked for."""
    path = capture(org).path
    assert shipped.latest(path) == Version(0, "")
    openbao.put(path, {"password": "x"})
    number = openbao.put(path, {"password": "y"})
    created_at = openbao.versions(path)[number]["created_time"]
    before = len(openbao.audited)
    assert shipped.latest(path) == Version(number, created_at)
    assert f"secret/data/{path}" not in paths(openbao, before)
    openbao.delete(path)
    assert shipped.latest(path) == Version(number, created_at, gone=True)
    openbao.destroy(path, number)
    assert shipped.latest(path) == Version(number, created_at, gone=True)


def test_a_version_that_will_expire(shipped: VaultStore, openbao: OpenBao, org: str) -> None:
    """Its end lies ahead, so it is there."""
    path = capture(org).path
    openbao.settings(path, delete_version_after="1h")
    assert shipped.latest(path) == Version(0, "")
    openbao.put(path, {"password": "x"})
    latest = shipped.latest(path)
    assert latest is not None
    assert (latest.number, latest.gone) == (1, False)


def test_the_names_in_a_folder(metadata_only: VaultStore, openbao: OpenBao, org: str) -> None:
    """Of its secrets, without the folders in it; none where there is no such folder."""
    for name in ("b@acme.example", "a@acme.example", "deeper/c@acme.example"):
        openbao.put(f"salesforce/{org}/{name}", {"password": "x"})
    assert metadata_only.names(f"salesforce/{org}") == ["a@acme.example", "b@acme.example"]
    assert metadata_only.names(f"salesforce/{org}-none") == []


def test_names_that_are_not_ours_to_list(shipped: VaultStore, org: str) -> None:
    """The shipped policy grants no list."""
    assert shipped.names(f"salesforce/{org}") is None


def test_metadata_that_are_not_ours_to_read(openbao: OpenBao, org: str) -> None:
    """Then the values may tell."""
    path = capture(org).path
    policy = f'path "secret/data/salesforce/{org}/*" {{ capabilities = ["read"] }}'
    with opened(openbao.url, given(openbao.token(openbao.policy(f"{org}-d", policy)))) as store:
        assert store.latest(path) is None


def test_a_mount_without_versions(openbao: OpenBao, org: str) -> None:
    """It has no metadata; its names are listed all the same."""
    mount = openbao.mount(f"{org}-kv1", 1)
    openbao.tell("post", f"{mount}/salesforce/{org}/{mails.USERNAME}", {"password": "x"})
    login = given(openbao.root_token)
    with opened(openbao.url, login, mount=mount, kv_version=1) as store:
        assert store.latest(capture(org).path) is None
        assert store.names(f"salesforce/{org}") == [mails.USERNAME]
        assert not store.keeps_versions


@pytest.mark.parametrize("ask", ["latest", "names"])
def test_a_path_that_leads_elsewhere(shipped: VaultStore, ask: str) -> None:
    """As everywhere."""
    with pytest.raises(AccessError, match="plain segments"):
        getattr(shipped, ask)("salesforce/../sys")
