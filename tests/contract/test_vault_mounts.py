"""Where the store writes, and how: the mount, versions that end by themselves, PATCH that does not
come through, and a secret that is in trouble alone. On the real server, and behind a proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.vault import NOW, capture, given, opened, refusal, shipped_policy
from tests.kit import mails
from tests.kit.fakes import Silent
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import KV2, HttpReply, HttpRequest, HttpScript
from tests.kit.servers import OpenBao, until
from token_catcher.errors import AccessError, TransientError
from token_catcher.model import Capture, Held, Reason, Receipt, Stored, Token, Unchanged
from token_catcher.vault import transport as transport_module

NEWER = "FAKEnewerTOKEN0000000001"


def newer(org: str) -> Capture:
    """A token issued after the one of `capture`."""
    later = NOW + timedelta(minutes=1)
    mail = mails.mail(b"newer")
    return replace(capture(org), mail=mail, token=Token(NEWER), issued_at=later, dated_at=later)


# -- the mount --


@pytest.mark.parametrize("rest", ["data", "metadata", "secret", "teams/acme"])
def test_a_mount_that_is_written_with_more_than_its_name_is_refused(
    openbao: OpenBao, org: str, rest: str
) -> None:
    """`secret/data` would take the write, and keep it where nobody looks."""
    mount = f"secret/{rest}"
    with opened(openbao.url, given(openbao.root_token), mount=mount) as store:
        error = refusal(store, org)
    assert (type(error), error.code, str(error)) == (
        AccessError,
        "vault-mount-path",
        f"vault.mount: got {mount}, but the mount there is secret: expected the mount alone, as"
        " `bao secrets list` shows it, and the rest in vault.path",
    )
    assert openbao.paths(f"data/salesforce/{org}/") == openbao.paths(f"salesforce/{org}/") == []


def test_a_mount_below_the_configured_one_is_refused(openbao: OpenBao, org: str) -> None:
    """What is configured is the folder of a mount, in which others may lie."""
    openbao.mount(f"{org}/salesforce")
    with opened(openbao.url, given(openbao.root_token), mount=org) as store:
        error = refusal(store, org)
    assert (error.code, str(error)) == (
        "vault-mount-path",
        f"vault.mount: got {org}, but the mount there is {org}/salesforce: expected the mount"
        " alone, as `bao secrets list` shows it, and the rest in vault.path",
    )


def test_the_mount_can_be_looked_at_before_anything_is_stored(openbao: OpenBao, org: str) -> None:
    """`check_mount` reads only, and says what storing would say."""
    with opened(openbao.url, given(openbao.root_token)) as store:
        store.check_mount(capture(org).path)
    with (
        opened(openbao.url, given(openbao.root_token), mount="secret/data") as store,
        pytest.raises(AccessError) as caught,
    ):
        store.check_mount(capture(org).path)
    assert caught.value.code == "vault-mount-path"
    assert openbao.paths(f"salesforce/{org}/") == []


@pytest.fixture
def namespace(openbao: OpenBao, org: str) -> str:
    """A namespace with a mount `secret` of its own."""
    openbao.tell("post", f"sys/namespaces/{org}", {})
    openbao.mount_in(org, "secret")
    return org


def test_a_namespace_in_front_of_the_mount_is_understood(openbao: OpenBao, namespace: str) -> None:
    """`team-b/secret`, as Vault understands paths."""
    mount = f"{namespace}/secret"
    with opened(openbao.url, given(openbao.root_token), mount=mount) as store:
        assert isinstance(store.store(capture("acme")), Stored)
    assert openbao.get(capture("acme").path, mount=mount) is not None


def test_a_mount_in_the_configured_namespace_is_understood(
    openbao: OpenBao, namespace: str
) -> None:
    """`vault.namespace`: OpenBao tells it in front of the mount's name."""
    with opened(openbao.url, given(openbao.root_token), namespace=namespace) as store:
        assert isinstance(store.store(capture("acme")), Stored)
    assert openbao.get(capture("acme").path, mount=f"{namespace}/secret") is not None


@pytest.mark.parametrize(
    ("mount", "of_the_front", "code"),
    [
        ("team-b/secret", HttpReply(403, {"errors": ["preflight capability check"]}), None),
        ("secret/secret", KV2, "vault-mount-path"),
    ],
)
def test_a_name_without_its_namespace_is_understood(
    mount: str, of_the_front: HttpReply, code: str | None
) -> None:
    """HashiCorp Vault tells no namespace: what stands in front must not be a mount itself."""
    front = mount.partition("/")[0]
    replies = {
        f"GET /v1/sys/internal/ui/mounts/{front}/": of_the_front,
        f"GET /v1/sys/internal/ui/mounts/{mount}/": KV2,
    }
    with HttpScript(replies) as server, opened(server.url, given("t"), mount=mount) as store:
        error = refusal(store)
    # There is nothing behind the mount in this script: a write is answered with 404.
    assert error.code == (code or "vault-mount")


def test_a_mount_that_is_replaced_is_noticed_before_the_next_write(
    openbao: OpenBao, org: str
) -> None:
    """Version 1 would take the write made for version 2, and keep it wrongly."""
    mount = openbao.mount(f"{org}-kv")
    with opened(openbao.url, given(openbao.root_token), mount=mount) as store:
        assert isinstance(store.store(capture("first")), Stored)
        openbao.tell("delete", f"sys/mounts/{mount}")
        assert refusal(store, "first").code == "vault-mount"
        openbao.mount(mount, 1)
        assert refusal(store, "first").code == "vault-kv1"
        assert openbao.ask("get", f"{mount}?list=true").status == 404
        openbao.tell("delete", f"sys/mounts/{mount}")
        openbao.mount(mount)
        assert isinstance(store.store(capture("first")), Stored)


def test_a_404_to_a_write_is_no_race() -> None:
    """Asked once, and told as what it is."""
    with HttpScript({}) as server, opened(server.url, given("t")) as store:
        error = refusal(store)
    where = f"secret/data/{capture('acme').path}"
    assert (type(error), error.code, str(error)) == (
        AccessError,
        "vault-mount",
        f"vault.mount: nothing takes a write to {where} (got 404, expected 200): the mount secret"
        " is gone, or something else stands in its place",
    )
    assert [request.method for request in server.requests].count("POST") == 1


# -- versions that end by themselves, and by somebody --


def test_a_secret_that_expired_by_its_mounts_setting_is_written_again(
    openbao: OpenBao, org: str
) -> None:
    """Few tokens may read that setting: the version itself tells, to the nanosecond."""
    mount = openbao.mount(f"{org}-expiring")
    openbao.tell("post", f"{mount}/config", {"delete_version_after": "1s"})
    with opened(openbao.url, given(openbao.root_token), mount=mount) as store:
        store.store(capture(org))
        path = capture(org).path
        until(lambda: openbao.get(path, mount=mount) is None, "the version to expire")
        stored = store.store(newer(org))
    assert isinstance(stored, Stored)
    assert (stored.receipt.version, stored.saw) == (
        2,
        "version 1 ended 1 s after it was written, to the nanosecond: taken for expired",
    )


ENDS: dict[str, tuple[Callable[[OpenBao, str], None], str]] = {
    "deleted": (lambda openbao, path: openbao.delete(path), "version 1 was deleted"),
    "destroyed": (lambda openbao, path: openbao.destroy(path, 1), "version 1 was destroyed"),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_a_person_deleted_is_written_where_the_operator_wants_it(
    openbao: OpenBao, org: str, how: str
) -> None:
    """`vault.on_deleted: write`, under the shipped policy; the record says what was there."""
    end, saw = ENDS[how]
    token = openbao.token(shipped_policy(openbao))
    with opened(openbao.url, given(token)) as store:
        store.store(capture(org))
        end(openbao, capture(org).path)
        assert store.store(newer(org)) == Held(Reason.SECRET_DELETED, saw)
    with opened(openbao.url, given(token), writes_over_deleted=True) as store:
        stored = store.store(newer(org))
    assert isinstance(stored, Stored)
    assert (stored.receipt.version, stored.saw) == (2, f"{saw}; vault.on_deleted is write")
    assert (openbao.get(capture(org).path) or {})["security_token"] == NEWER


def test_a_late_mail_does_not_come_in_the_place_of_a_deleted_newer_token(
    openbao: OpenBao, org: str
) -> None:
    """A version before, which is still there, has a newer one."""
    with opened(openbao.url, given(openbao.root_token), writes_over_deleted=True) as store:
        store.store(newer(org))
        openbao.merge(capture(org).path, {"password": "changed"})
        openbao.delete(capture(org).path)
        assert store.store(capture(org)) == Unchanged(Reason.STALE, None)


def test_what_was_overtaken_does_not_come_in_the_place_of_a_deleted_token(
    openbao: OpenBao, org: str
) -> None:
    """Ours is in the version before: what came after it may be newer, and is not known."""
    with opened(openbao.url, given(openbao.root_token), writes_over_deleted=True) as store:
        store.store(capture(org))
        store.store(newer(org))
        openbao.delete(capture(org).path)
        created_at = openbao.versions(capture(org).path)[1]["created_time"]
        written = Receipt(capture(org).path, 1, created_at, None)
        assert store.store(capture(org)) == Unchanged(Reason.STALE, written)


# -- PATCH that does not come through --

REFUSALS = {
    "403 with a page": page(403),
    "404 with a page": page(404),
    "405": page(405),
    "415": page(415),
    "500": page(500),
    "501": page(501),
    "502": page(502),
    "405 of an old Vault": HttpReply(405, {"errors": ["unsupported operation"]}),
    "a redirect": HttpReply(302, b"", {"Location": "http://elsewhere.example/"}),
    "429": HttpReply(429, {"errors": ["slow down"]}),
    "400 of something before Vault": HttpReply(400, {"errors": ["bad request"]}),
    "422": HttpReply(422, {"errors": ["bad request"]}),
    "406 with a page": page(406),
    "204": HttpReply(204, b""),
    "200 with JSON of another kind": HttpReply(200, {"ok": True}),
    "200 with a page": page(200),
    "half an answer": HttpReply(200, {"data": {"version": 2}}, cut=True),
    "a dropped connection": HttpReply(drop=True),
    "no answer": HttpReply(hang=True),
}


@pytest.fixture
def log() -> Silent:
    """What the store tells."""
    return Silent()


@pytest.mark.parametrize("refused", REFUSALS)
def test_a_patch_that_is_refused_is_a_post_of_what_was_read(
    openbao: OpenBao, org: str, log: Silent, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read, merge, POST with the same check-and-set; other fields survive; told once."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 2.0)
    path = capture(org).path
    openbao.put(path, {"password": "kept", "nested": {"a": [1, None]}})
    own = {"PATCH /v1/secret/data/": REFUSALS[refused]}
    with (
        ReverseProxy(openbao.url, own) as proxy,
        opened(proxy.url, given(openbao.root_token), log=log) as store,
    ):
        versions = []
        for token in (capture(org), newer(org)):
            stored = store.store(token)
            assert isinstance(stored, Stored)
            versions.append(stored.receipt.version)
    assert versions == [2, 3]
    data = openbao.get(path) or {}
    assert {name: data[name] for name in ("password", "nested", "security_token")} == {
        "password": "kept",
        "nested": {"a": [1, None]},
        "security_token": NEWER,
    }
    assert [event for event, _ in log.warnings] == ["vault.patch_refused"]
    assert log.warnings[0][1]["path"] == f"secret/data/{path}"


def test_a_policy_without_patch_is_enough(openbao: OpenBao, org: str) -> None:
    """It grants create, read and update: what POST needs is there."""
    openbao.put(capture(org).path, {"password": "kept"})
    rules = f'path "secret/data/salesforce/{org}/+" {{ capabilities = ["read", "update"] }}'
    token = openbao.token(openbao.policy(f"{org}-updates", rules))
    with opened(openbao.url, given(token)) as store:
        assert isinstance(store.store(capture(org)), Stored)
    data = openbao.get(capture(org).path) or {}
    assert data["password"] == "kept"


def test_a_policy_that_grants_neither_is_told(openbao: OpenBao, org: str) -> None:
    """Read alone: nothing is written, and the message names what is missing."""
    openbao.put(capture(org).path, {"password": "kept"})
    rules = f'path "secret/data/salesforce/{org}/+" {{ capabilities = ["read"] }}'
    token = openbao.token(openbao.policy(f"{org}-reads-only", rules))
    with opened(openbao.url, given(token)) as store:
        error = refusal(store, org)
    assert (type(error), error.code) == (AccessError, "vault-policy")
    assert openbao.get(capture(org).path) == {"password": "kept"}


def test_a_write_between_read_and_post_is_not_lost(openbao: OpenBao, org: str) -> None:
    """Somebody changes the password while PATCH is refused: read again, and merged anew."""
    path = capture(org).path
    openbao.put(path, {"password": "old"})
    with Overtaking(openbao, path) as proxy, opened(proxy.url, given(openbao.root_token)) as store:
        assert isinstance(store.store(capture(org)), Stored)
    data = openbao.get(path) or {}
    assert data["password"] == "new"
    assert list(openbao.versions(path)) == [1, 2, 3]


class Overtaking(ReverseProxy):
    """Refuses PATCH, and changes the password just before the first POST."""

    def __init__(self, openbao: OpenBao, path: str) -> None:
        super().__init__(openbao.url, {"PATCH ": page(405)})
        self._overtake: Iterator[Callable[[], object]] = iter(
            [lambda: openbao.merge(path, {"password": "new"})]
        )

    def reply(self, request: HttpRequest) -> HttpReply:
        if request.method == "POST":
            for overtake in self._overtake:
                overtake()
        return super().reply(request)


def test_a_version_of_null_is_written_over(openbao: OpenBao, org: str) -> None:
    """`jq … | bao kv put PATH -` can leave it; PATCH on it is an error of the server."""
    openbao.tell("post", f"secret/data/{capture(org).path}", {"data": None})
    with opened(openbao.url, given(openbao.token(shipped_policy(openbao)))) as store:
        stored = store.store(capture(org))
    assert isinstance(stored, Stored)
    assert stored.receipt.version == 2


# -- a secret in trouble alone --


FAILURES = {
    "500": page(500),
    "502": page(502),
    "503": page(503),
    "504": page(504),
    "a dropped connection": HttpReply(drop=True),
    "no answer": HttpReply(hang=True),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_for_one_path_leaves_the_others_alone(
    openbao: OpenBao, org: str, failure: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No outage: the mail waits by itself, and its neighbours are stored."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 2.0)
    own = {f"{method} /v1/secret/data/salesforce/{org}-bad/": FAILURES[failure]}
    with (
        ReverseProxy(openbao.url, own) as proxy,
        opened(proxy.url, given(openbao.root_token)) as store,
    ):
        error = refusal(store, f"{org}-bad")
        assert isinstance(store.store(capture(org)), Stored)
    assert (type(error), error.code) == (TransientError, "vault-secret")
    where = f"secret/data/{capture(f'{org}-bad').path}"
    assert str(error).endswith(
        f"; but it answers for other paths than {where}, so that secret waits alone"
    )


@pytest.mark.parametrize("failure", FAILURES)
def test_a_name_that_fails_in_the_first_request_leaves_the_others_alone(
    openbao: OpenBao, org: str, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the mount is known: a firewall dislikes the name wherever it stands."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 2.0)
    own = {
        f"GET /v1/{place}/salesforce/{org}-bad/": FAILURES[failure]
        for place in ("sys/internal/ui/mounts/secret", "secret/data")
    }
    token = openbao.token(shipped_policy(openbao))
    with ReverseProxy(openbao.url, own) as proxy, opened(proxy.url, given(token)) as store:
        error = refusal(store, f"{org}-bad")
        assert isinstance(store.store(capture(org)), Stored)
    assert (type(error), error.code) == (TransientError, "vault-secret")


@pytest.mark.parametrize("policy", ["default", "shipped"])
def test_an_answer_that_denies_the_mount_is_an_answer(openbao: OpenBao, policy: str) -> None:
    """A name fails on its way, and Vault is there: whatever our token may see of the mount."""
    if policy == "shipped":
        policy = shipped_policy(openbao)
    own = {"GET /v1/sys/internal/ui/mounts/secret/salesforce/": page(500)}
    with (
        ReverseProxy(openbao.url, own) as proxy,
        opened(proxy.url, given(openbao.token(policy))) as store,
    ):
        error = refusal(store)
    assert (type(error), error.code) == (TransientError, "vault-secret")
