"""A KV engine of version 1, on purpose: what is kept, what is compared, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.vault import NOW, WRITER, capture, given, opened, refusal
from tests.kit import mails
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import HttpReply, HttpRequest, HttpScript
from tests.kit.servers import OpenBao
from token_catcher.errors import AccessError, TransientError
from token_catcher.model import Capture, Held, Holding, Reason, Receipt, Stored, Token, Unchanged
from token_catcher.model import iso as text_of
from token_catcher.vault import VaultStore

POLICY = Path(__file__).parents[2] / "deploy" / "vault" / "token-catcher-kv1.hcl"
NEWER = "FAKEnewerTOKEN0000000001"
KV1 = HttpReply(body={"data": {"path": "secret/", "type": "kv", "options": {"version": "1"}}})


@dataclass
class Plain:
    """A mount of version 1, and the store over it."""

    openbao: OpenBao
    mount: str
    path: str
    store: VaultStore

    @property
    def data(self) -> dict[str, Any]:
        """What is there; {} for nothing."""
        return self.openbao.ask("get", f"{self.mount}/{self.path}").data

    def put(self, **data: Any) -> None:
        """Somebody replaces all of it."""
        self.openbao.tell("put", f"{self.mount}/{self.path}", data)

    def change(self, **data: Any) -> None:
        """Somebody changes some of its fields."""
        self.put(**self.data | data)


@pytest.fixture
def mount(openbao: OpenBao, org: str) -> str:
    """Of version 1."""
    return openbao.mount(f"{org}-kv1", 1)


@pytest.fixture
def token(openbao: OpenBao, org: str, mount: str) -> str:
    """Under the policy that is shipped for version 1."""
    rules = POLICY.read_text("utf-8").replace('"secret/', f'"{mount}/')
    return openbao.token(openbao.policy(f"{org}-kv1", rules))


@pytest.fixture
def plain(openbao: OpenBao, org: str, mount: str, token: str) -> Iterator[Plain]:
    """All of it."""
    with opened(openbao.url, given(token), mount=mount, kv_version=1) as store:
        yield Plain(openbao, mount, capture(org).path, store)


def newer(org: str) -> Capture:
    """A token that was issued after that of `capture`."""
    later = NOW + timedelta(minutes=1)
    mail = mails.mail(b"newer")
    return replace(capture(org), mail=mail, token=Token(NEWER), issued_at=later, dated_at=later)


# -- what is written --


def test_a_token_is_written_beside_what_is_there(plain: Plain, org: str) -> None:
    """Every field but the number of a version, which there is none of; others survive whole."""
    plain.put(password="kept", nested={"a": [1, None]}, security_token_version="7")
    outcome = plain.store.store(capture(org))
    captured_at = plain.data["security_token_captured_at"]
    assert outcome == Stored(Receipt(plain.path, None, captured_at, None))
    assert plain.data == {
        "password": "kept",
        "nested": {"a": [1, None]},
        "security_token": capture(org).token.reveal(),
        "security_token_issued_at": text_of(NOW),
        "security_token_dated_at": text_of(NOW),
        "security_token_captured_at": captured_at,
        "security_token_captured_by": "one",
        "security_token_fingerprint": capture(org).token.fingerprint,
        "security_token_mail": capture(org).mail.digest,
        "security_token_writer": WRITER,
    }


def test_the_same_capture_twice_is_written_once(plain: Plain, org: str) -> None:
    """The second time it is found, and is known to be ours, by the time that it carries."""
    stored = plain.store.store(capture(org))
    assert isinstance(stored, Stored)
    written = plain.data
    assert plain.store.store(capture(org)) == Unchanged(Reason.SAME_TOKEN, stored.receipt)
    assert plain.data == written


def test_the_newer_token_wins(plain: Plain, org: str) -> None:
    """By what was read just before; nothing remembers the one that was replaced."""
    plain.store.store(capture(org))
    assert isinstance(plain.store.store(newer(org)), Stored)
    assert plain.store.store(capture(org)) == Unchanged(Reason.STALE, None)
    assert plain.data["security_token"] == NEWER


def test_two_tokens_of_one_date_are_for_a_person(plain: Plain, org: str) -> None:
    """As everywhere."""
    plain.store.store(capture(org))
    twin = replace(newer(org), issued_at=NOW, dated_at=NOW)
    saw = f"the secret has another token of {text_of(NOW)}"
    assert plain.store.store(twin) == Held(Reason.SAME_DATE, saw)


def test_where_two_clocks_do_not_agree_it_is_for_a_person(plain: Plain, org: str) -> None:
    """As everywhere: the Date of the one that is there is kept with it."""
    plain.store.store(capture(org))
    before = NOW - timedelta(minutes=1)
    saw = (
        f"the secret has another token, dated {text_of(NOW)} and issued {text_of(NOW)};"
        f" this one is dated {text_of(newer(org).dated_at)} and issued {text_of(before)}"
    )
    held = plain.store.store(replace(newer(org), issued_at=before))
    assert held == Held(Reason.CLOCKS_DISAGREE, saw)
    assert plain.data["security_token"] == capture(org).token.reveal()


def test_a_token_that_somebody_else_wrote_is_for_a_person(plain: Plain, org: str) -> None:
    """Nobody says when it was written: it may be newer than the mail."""
    plain.put(security_token=NEWER)
    saw = "somebody else wrote the token of the secret, and nothing says when"
    assert plain.store.store(capture(org)) == Held(Reason.UNKNOWN_AGE, saw)
    assert plain.data == {"security_token": NEWER}


def test_a_placeholder_is_written_over(plain: Plain, org: str) -> None:
    """What has not the form of a token is none."""
    plain.put(security_token="TBD")
    assert isinstance(plain.store.store(capture(org)), Stored)


def test_a_token_put_by_hand_beside_other_fields_gets_its_own(plain: Plain, org: str) -> None:
    """The mail comes after a person was faster than it."""
    plain.store.store(capture(org))
    plain.change(security_token=NEWER)
    stored = plain.store.store(newer(org))
    assert isinstance(stored, Stored)
    assert stored.saw == "the secret had the token beside the fields of another"
    assert plain.data["security_token_fingerprint"] == Token(NEWER).fingerprint


def test_a_token_put_in_the_place_of_ours_is_the_newer_one(plain: Plain, org: str) -> None:
    """Ours was there before; its mail is settled with the write that it had."""
    stored = plain.store.store(capture(org))
    assert isinstance(stored, Stored)
    plain.change(security_token=NEWER)
    assert plain.store.store(capture(org)) == Unchanged(Reason.STALE, stored.receipt)


def test_another_writer_claims_nothing(plain: Plain, org: str) -> None:
    """It finds the token there."""
    plain.store.store(capture(org))
    plain.change(security_token_writer="another")
    assert plain.store.store(capture(org)) == Unchanged(Reason.SAME_TOKEN, None)


def test_a_time_that_is_none_is_not_taken_on(plain: Plain, org: str) -> None:
    """Who may write the secret may have written anything there."""
    plain.store.store(capture(org))
    plain.change(security_token_captured_at="yesterday")
    written = Receipt(plain.path, None, None, None)
    assert plain.store.store(capture(org)) == Unchanged(Reason.SAME_TOKEN, written)


def test_what_is_there_is_told_without_versions(plain: Plain, org: str) -> None:
    """For the look after what Vault has lost, and for reconciling."""
    assert plain.store.holds(plain.path) == Holding(0)
    plain.store.store(capture(org))
    fingerprint = capture(org).token.fingerprint
    ours = Holding(1, fingerprint=fingerprint, issued_at=NOW, dated_at=NOW)
    assert plain.store.holds(plain.path) == ours
    assert plain.store.kept(plain.path) == []


# -- what is refused --


@pytest.mark.parametrize(
    ("there", "configured", "code"), [(1, 2, "vault-kv1"), (2, 1, "vault-kv2")]
)
def test_the_other_version_is_refused_at_the_first_look(
    openbao: OpenBao, org: str, there: int, configured: int, code: str
) -> None:
    """Before anything is written, and by `check_mount` as well."""
    mount = openbao.mount(f"{org}-other", there)
    login = given(openbao.root_token)
    with opened(openbao.url, login, mount=mount, kv_version=configured) as store:
        error = refusal(store, org)
        with pytest.raises(AccessError) as caught:
            store.check_mount(capture(org).path)
    expected = f"vault.mount: {mount} is kv version {there}, expected kv version {configured}"
    assert (error.code, str(error)) == (code, expected)
    assert (caught.value.code, str(caught.value)) == (code, expected)
    assert openbao.ask("get", f"{mount}/metadata/?list=true").status == 404
    assert openbao.ask("get", f"{mount}/?list=true").status == 404


class Upgrading(ReverseProxy):
    """Replaces the mount by one of version 2 just before the first request of a method."""

    def __init__(self, openbao: OpenBao, mount: str, method: str) -> None:
        super().__init__(openbao.url, {})
        self._method = method
        self._upgrades: Iterator[Callable[[], object]] = iter(
            [
                lambda: openbao.tell("delete", f"sys/mounts/{mount}"),
                lambda: openbao.mount(mount),
            ]
        )

    def reply(self, request: HttpRequest) -> HttpReply:
        if request.method == self._method:
            for step in self._upgrades:
                step()
        return super().reply(request)


def test_a_mount_that_is_replaced_before_the_write_takes_nothing(
    openbao: OpenBao, org: str, mount: str
) -> None:
    """Version 2 answers 404; then the other version is told."""
    login = given(openbao.root_token)
    with (
        Upgrading(openbao, mount, "PUT") as proxy,
        opened(proxy.url, login, mount=mount, kv_version=1) as store,
    ):
        assert [refusal(store, org).code for _ in range(2)] == ["vault-mount", "vault-kv2"]
    assert openbao.paths(mount=mount) == []


def test_a_mount_that_is_replaced_later_is_noticed_before_the_next_write(
    plain: Plain, org: str
) -> None:
    """A secret that is not there any more has the mount looked at again."""
    plain.store.store(capture(org))
    plain.openbao.tell("delete", f"sys/mounts/{plain.mount}")
    plain.openbao.mount(plain.mount)
    assert refusal(plain.store, org).code == "vault-kv2"


def test_a_policy_that_denies_is_told_with_what_it_takes(
    openbao: OpenBao, org: str, mount: str
) -> None:
    """PATCH is not among it."""
    rules = f'path "{mount}/salesforce/+/+" {{ capabilities = ["read"] }}'
    reader = openbao.token(openbao.policy(f"{org}-reads", rules))
    with opened(openbao.url, given(reader), mount=mount, kv_version=1) as store:
        error = refusal(store, org)
    assert (error.code, str(error)) == (
        "vault-policy",
        f"Vault denies access to {mount}/{capture(org).path} (got 403, expected the capabilities"
        " create, read and update)",
    )


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (HttpReply(404, b""), TransientError, "vault-protocol"),
        (HttpReply(405, {"errors": ["unsupported operation"]}), AccessError, "vault-refused"),
    ],
)
def test_an_odd_answer_to_a_read_is_told(
    answer: HttpReply, kind: type[Exception], code: str
) -> None:
    """And nothing is written."""
    replies = {"GET /v1/sys/internal/ui/mounts/": KV1, "GET /v1/secret/": answer}
    with (
        HttpScript(replies) as server,
        opened(server.url, given("t"), kv_version=1) as store,
    ):
        error = refusal(store)
    assert (type(error), error.code) == (kind, code)
    assert {request.method for request in server.requests} == {"GET"}


# -- requests --


LOST = {
    "a dropped connection": HttpReply(drop=True),
    "a proxy that waited too long": page(504),
    "a proxy that was cut off": page(502),
}
"""What comes in the place of an answer that was lost."""


class Losing(ReverseProxy):
    """Hands a write on, and loses its answer."""

    def __init__(self, openbao: OpenBao, lost: HttpReply) -> None:
        super().__init__(openbao.url, {})
        self._lost = lost

    def reply(self, request: HttpRequest) -> HttpReply:
        answer = super().reply(request)
        if request.method == "PUT":
            return self._lost
        return answer


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("several", [False, True])
def test_a_write_whose_answer_was_lost_is_not_sent_again(
    openbao: OpenBao, org: str, mount: str, token: str, several: bool, lost: str
) -> None:
    """Nothing would refuse the second one, and it could go over somebody else's: first a read."""
    others: tuple[str, ...] = ()
    with ReverseProxy(openbao.url, {}) as second, Losing(openbao, LOST[lost]) as first:
        if several:
            others = (second.url,)
        with opened(first.url, given(token), others=others, mount=mount, kv_version=1) as store:
            assert isinstance(refusal(store, org), TransientError)
            writes = [request.method for request in first.requests + second.requests].count("PUT")
            again = store.store(capture(org))
    written = openbao.ask("get", f"{mount}/{capture(org).path}").data
    receipt = Receipt(capture(org).path, None, written["security_token_captured_at"], None)
    assert (writes, again) == (1, Unchanged(Reason.SAME_TOKEN, receipt))


def test_every_request_is_for_the_active_node(
    openbao: OpenBao, org: str, mount: str, token: str
) -> None:
    """A standby that is behind would have a newer token overwritten: nothing else guards it."""
    with (
        ReverseProxy(openbao.url, {}) as proxy,
        opened(proxy.url, given(token), mount=mount, kv_version=1) as store,
    ):
        store.store(capture(org))
    reads = [request for request in proxy.requests if f"/{mount}/" in request.path]
    headers = [request.headers.get("x-vault-inconsistent") for request in reads]
    methods = [request.method for request in reads]
    assert methods == ["GET", "GET", "GET", "GET", "PUT"]
    assert headers == [*["forward-active-node"] * 4, None]
