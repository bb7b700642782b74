"""Several addresses of one cluster: which is asked, which is not, and where no token ever goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

from tests.contract.vault import VAULT_TOKEN, capture, given, opened, refusal
from tests.kit.fakes import Silent
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import HttpReply, HttpRequest, HttpScript
from tests.kit.servers import OpenBao, free_port
from token_catcher.errors import AccessError, Outage
from token_catcher.model import Reason, Receipt, Stored, Unchanged
from token_catcher.vault import Address, Client
from token_catcher.vault import transport as transport_module
from token_catcher.vault.cluster import Cluster

EVERYTHING = ""
"""The beginning of every request."""
SEALED = HttpReply(503, {"errors": ["Vault is sealed"]})
STANDBY = HttpReply(429, {"initialized": True, "sealed": False, "standby": True})
NO_LEADER = HttpReply(500, {"errors": ["local node not active but active cluster node not found"]})
QUOTA = HttpReply(429, {"errors": ["request path ...: rate limit quota exceeded"]})


def errors(status: int) -> HttpReply:
    """In Vault's form."""
    return HttpReply(status, {"errors": ["x"]})


NOT_TO_ASK: Mapping[str, HttpReply] = {
    "dropped": HttpReply(drop=True),
    "cut": HttpReply(200, {"data": {"keys": []}}, cut=True),
    "silent": HttpReply(hang=True),
    "sealed": SEALED,
    "no node behind the proxy": page(502),
    "maintenance": page(503),
    "no answer behind the proxy": page(504),
    "behind": errors(412),
    "a recovery secondary": errors(472),
    "a performance standby": errors(473),
    "a standby, as its health says": STANDBY,
    "no leader": NO_LEADER,
    "307 without a leader": HttpReply(307, b""),
    "308 without a leader": HttpReply(308, b""),
}


class Always(HttpScript):
    """Gives one answer to every request."""

    def __init__(self, answer: HttpReply | None = None) -> None:
        super().__init__({})
        self.answer = answer or HttpReply()

    def reply(self, request: HttpRequest) -> HttpReply:
        return self.answer


@pytest.fixture
def node(openbao: OpenBao) -> Iterator[ReverseProxy]:
    """A second address of the server."""
    with ReverseProxy(openbao.url, {}) as running:
        yield running


# -- which is asked --


@pytest.mark.parametrize("how", NOT_TO_ASK)
def test_the_next_address_is_asked_and_stays_the_first_one(
    openbao: OpenBao, org: str, node: ReverseProxy, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first gives no answer, or says that it is none to ask; told once."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 1.0)
    log = Silent()
    with (
        ReverseProxy(openbao.url, {EVERYTHING: NOT_TO_ASK[how]}) as first,
        opened(first.url, given(openbao.root_token), others=(node.url,), log=log) as store,
    ):
        assert isinstance(store.store(capture(org)), Stored)
        assert len(first.requests) == 1
    changed = [fields for event, fields in log.events if event == "vault.address_changed"]
    assert [(fields["address"], fields["before"]) for fields in changed] == [(node.url, first.url)]
    assert log.warnings == []


def test_nobody_at_an_address_is_no_trouble(openbao: OpenBao, org: str) -> None:
    """Connection refused, at any but one of them."""
    nobody = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    others = (*nobody[1:], openbao.url)
    with opened(nobody[0], given(openbao.root_token), others=others) as store:
        assert isinstance(store.store(capture(org)), Stored)


def test_the_addresses_are_asked_in_turn(openbao: OpenBao, org: str, node: ReverseProxy) -> None:
    """After the last one comes the first again."""
    with (
        ReverseProxy(openbao.url, {}) as first,
        opened(first.url, given(openbao.root_token), others=(node.url,)) as store,
    ):
        store.store(capture(org))
        first.own[EVERYTHING] = SEALED
        store.store(capture(org))
        del first.own[EVERYTHING]
        node.own[EVERYTHING] = SEALED
        asked = len(first.requests)
        store.store(capture(org))
        assert len(first.requests) > asked


OWN_WORDS: Mapping[str, tuple[HttpReply, str]] = {
    "a quota": (QUOTA, "vault-quota"),
    "an internal error": (errors(500), "vault-away"),
    "a policy": (errors(403), "vault-mount"),
    "a page": (page(200), "vault-foreign"),
}


@pytest.mark.parametrize("what", OWN_WORDS)
def test_what_the_cluster_says_is_asked_of_no_other_node(node: ReverseProxy, what: str) -> None:
    """A quota above all: who asks elsewhere does not slow down."""
    reply, code = OWN_WORDS[what]
    replies = {"GET /v1/sys/internal/ui/mounts/": reply}
    with (
        HttpScript(replies) as first,
        opened(first.url, given(VAULT_TOKEN), others=(node.url,)) as store,
    ):
        assert refusal(store).code == code
    assert node.requests == []


def test_where_no_address_answers_each_is_named() -> None:
    """In one outage; the code is of what a person can mend."""
    nobody = f"http://127.0.0.1:{free_port()}"
    with (
        Always(SEALED) as second,
        Always(STANDBY) as third,
        opened(nobody, given(VAULT_TOKEN), others=(second.url, third.url)) as store,
    ):
        error = refusal(store)
    assert (type(error), error.code, str(error)) == (
        Outage,
        "vault-sealed",
        f"Vault at {nobody} was not reached (Connection refused); Vault at {second.url} is away:"
        f" 503, sealed, or without an active node; Vault at {third.url} asked to slow down (429)",
    )


@pytest.mark.servers
def test_a_certificate_for_another_host_is_one_addresss_trouble() -> None:
    """The other one is asked; where each has such trouble, a person is needed."""
    with OpenBao(tls=True, hosts=("127.0.0.1",)) as server:
        token = given(server.root_token)
        wrong = server.url.replace("127.0.0.1", "localhost")
        with opened(wrong, token, others=(server.url,), ca_file=server.ca_file) as store:
            assert isinstance(store.store(capture("acme")), Stored)
        with opened(wrong, token, others=(f"{wrong}/x",), ca_file=server.ca_file) as store:
            error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-certificate-host")
    assert f"{wrong}/x" in str(error)


def test_a_refusal_names_the_address_that_was_spoken_to(
    openbao: OpenBao, node: ReverseProxy
) -> None:
    """Not the first of the configuration."""
    nobody = f"http://127.0.0.1:{free_port()}"
    with opened(nobody, given("wrong"), others=(node.url,)) as store:
        error = refusal(store)
    assert error.code == "vault-login-token"
    assert str(error).startswith(f"Vault at {node.url} refuses our token")


# -- what was perhaps carried out --


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
        if request.method in ("POST", "PATCH"):
            return self._lost
        return answer


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("before", [None, {"password": "kept"}])
def test_a_write_whose_answer_was_lost_is_found_at_the_next_address(
    openbao: OpenBao, org: str, node: ReverseProxy, before: dict[str, Any] | None, lost: str
) -> None:
    """Check-and-set refuses the second one: there is one version, and it is known as ours."""
    path = capture(org).path
    number = 1
    if before is not None:
        number += openbao.put(path, before)
    with (
        Losing(openbao, LOST[lost]) as first,
        opened(first.url, given(openbao.root_token), others=(node.url,)) as store,
    ):
        outcome = store.store(capture(org))
    versions = openbao.versions(path)
    assert list(versions) == list(range(1, number + 1))
    written = Receipt(path, number, versions[number]["created_time"], None)
    assert outcome == Unchanged(Reason.SAME_TOKEN, written)


@dataclass
class Wrapped:
    """A secret that can be unwrapped once."""

    token: str

    @classmethod
    def by(cls, openbao: OpenBao) -> Wrapped:
        """With a token for it."""
        headers = {"X-Vault-Wrap-TTL": "60s"}
        answer = openbao.ask("post", "sys/wrapping/wrap", {"a": "b"}, headers=headers)
        return cls(answer.body["wrap_info"]["token"])


@pytest.mark.parametrize("lost", LOST)
def test_what_is_done_once_is_asked_of_one_address(
    openbao: OpenBao, node: ReverseProxy, lost: str
) -> None:
    """A second unwrapping would look like a theft; the request after it goes to the next one."""
    wrapped = Wrapped.by(openbao)
    with Losing(openbao, LOST[lost]) as first:
        address = Address(first.url, others=(node.url,))
        client = Client(address, given(openbao.root_token), monotonic=monotonic, log=Silent())
        with closing(client):
            with pytest.raises(Outage) as caught:
                client.request("post", "sys/wrapping/unwrap", {"token": wrapped.token})
            assert node.requests == []
            assert client.request("get", "sys/internal/ui/mounts/secret/x").status == 200
    code = "vault-away"
    if LOST[lost].drop:
        code = "vault-unreachable"
    assert caught.value.code == code
    assert len(node.requests) == 1


def test_what_was_never_sent_is_asked_of_the_next_address(openbao: OpenBao) -> None:
    """Nobody accepted the connection: nothing can have been done."""
    wrapped = Wrapped.by(openbao)
    address = Address(f"http://127.0.0.1:{free_port()}", others=(openbao.url,))
    # The first request of all: a client would log in before it.
    with closing(Cluster(address, Silent())) as cluster:
        headers = {"X-Vault-Token": wrapped.token}
        answer = cluster.send("post", "sys/wrapping/unwrap", headers, {})
    assert answer.data == {"a": "b"}


# -- redirects --


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_to_a_configured_address_is_followed(
    openbao: OpenBao, org: str, node: ReverseProxy, status: int
) -> None:
    """With the token, and before the address that stands between; then that one stays the first.

    Of the Location the host alone counts: the request is the one that was asked for."""
    location = f"{node.url.replace('http', 'HTTP')}/v1/elsewhere"
    leads = Always(HttpReply(status, b"", {"Location": location}))
    log = Silent()
    with leads, ReverseProxy(openbao.url, {}) as between:
        others = (between.url, node.url)
        with opened(leads.url, given(openbao.root_token), others=others, log=log) as store:
            assert isinstance(store.store(capture(org)), Stored)
    assert [request.method for request in leads.requests] == ["GET"]
    assert between.requests == []
    assert "/v1/elsewhere" not in {request.path for request in node.requests}
    assert [fields["address"] for _, fields in log.events] == [node.url]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_of_a_proxys_is_not_followed(node: ReverseProxy, status: int) -> None:
    """It may change the method; Vault's own are 307 and 308."""
    leads = HttpReply(status, b"", {"Location": f"{node.url}/v1/x"})
    with (
        Always(leads) as first,
        opened(first.url, given(VAULT_TOKEN), others=(node.url,)) as store,
    ):
        assert refusal(store).code == "vault-away"
    assert node.requests == []


@pytest.mark.parametrize("several", [False, True])
def test_no_token_goes_where_only_a_redirect_leads(several: bool) -> None:
    """The host is named, with what to do, and hears nothing of us."""
    others: tuple[str, ...] = ()
    with Always() as stranger:
        leads = HttpReply(307, b"", {"Location": f"{stranger.url}/v1/x?a=b"})
        with Always(leads) as first, Always(SEALED) as second:
            if several:
                others = (second.url,)
            with opened(first.url, given(VAULT_TOKEN), others=others) as store:
                error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-redirect")
    assert str(error).startswith(
        f"Vault at {first.url} redirects to {stranger.url} (got 307), which is none of"
        " vault.address, so our token is not sent there"
    )
    assert stranger.requests == []


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://node-2.example.com/v1/x", "https://node-2.example.com:443"),
        ("https://user:pw-canary@NODE-2.example.com:8200/", "https://node-2.example.com:8200"),
        ("http://[::1]:8200/v1/x", "http://[::1]:8200"),
        ("ftp://elsewhere/", None),
        ("/v1/x", None),
        ("http://[::1", None),
        ("http://127.0.0.1:99999/", None),
        ("https://a b/", None),
    ],
)
def test_a_redirect_is_named_by_its_host_alone(location: str, named: str | None) -> None:
    """Nothing else of it is shown; what names no host is a standby without a leader."""
    leads = HttpReply(307, b"", {"Location": location})
    with Always(leads) as first, opened(first.url, given(VAULT_TOKEN)) as store:
        error = refusal(store)
    away = f"{first.url} is away: 307 with application/json, a standby that knows no active node"
    if named is None:
        assert (error.code, str(error)) == ("vault-away", f"Vault at {away}")
    else:
        assert f" redirects to {named} (got 307)" in str(error)
    assert "canary" not in str(error)


def test_two_nodes_that_name_each_other_are_an_outage() -> None:
    """Each is asked once."""
    with Always() as first, Always() as second:
        for node, leader in ((first, second), (second, first)):
            node.answer = HttpReply(307, b"", {"Location": f"{leader.url}/v1/x"})
        with opened(first.url, given(VAULT_TOKEN), others=(second.url,)) as store:
            error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-away")
    assert (len(first.requests), len(second.requests)) == (1, 1)
