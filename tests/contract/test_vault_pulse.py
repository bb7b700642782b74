"""Whether Vault is there and unsealed, asked without a login: what is known, and what is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.contract.vault import VAULT_TOKEN, given, opened
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import HttpReply
from tests.kit.servers import OpenBao, free_port
from token_catcher.vault import Pulse, pulse_of
from token_catcher.vault import transport as transport_module

SERVES = Pulse(is_clear=True)
UNCLEAR = Pulse(is_clear=False)
STANDBY = {"initialized": True, "sealed": False, "standby": True, "version": "2.4"}
IN_BETWEEN: Mapping[str, HttpReply] = {
    "a policy of a proxy": page(403),
    "a proxy that hides it": page(404),
    "a proxy without a server": page(502),
    "an Agent without a server": HttpReply(502, {"errors": ["connection refused"]}),
    "a page in its place": page(200),
    "another JSON": HttpReply(200, {"status": "ok"}),
    "a quota": HttpReply(429, {"errors": ["rate limit quota exceeded"]}),
    "cut off": HttpReply(200, STANDBY, cut=True),
    "dropped": HttpReply(drop=True),
    "swallowed": HttpReply(hang=True),
    "a standby, that may have no leader": HttpReply(200, STANDBY),
}


def felt(*urls: str, namespace: str | None = None) -> Pulse:
    """The pulse of the nodes at these addresses."""
    first, *others = urls
    login = given(VAULT_TOKEN)
    with opened(first, login, others=tuple(others), namespace=namespace) as store:
        return pulse_of(store.inspection.nodes_in_order())


def told(pulse: Pulse) -> tuple[bool, str, str, bool]:
    """What the pulse tells of a trouble."""
    assert pulse.error is not None
    return pulse.is_clear, pulse.error.code, str(pulse.error), pulse.passes


def test_a_server_that_serves_is_asked_once_and_without_a_trace(openbao: OpenBao) -> None:
    """With a token that it does not know, in a namespace that it does not have."""
    lines = len(openbao.audited)
    assert [felt(openbao.url), felt(openbao.url, namespace="nosuch")] == [SERVES, SERVES]
    assert [line for line in openbao.audited[lines:] if "health" in str(line)] == []


def test_sealed_unsealed_stopped_and_started(own_openbao: OpenBao) -> None:
    """A sealed Vault waits for a person; one that is gone may come back by itself."""
    url = own_openbao.url
    own_openbao.seal()
    assert told(felt(url)) == (True, "vault-sealed", f"Vault at {url} is sealed", False)
    own_openbao.unseal()
    assert felt(url) == SERVES
    own_openbao.kill()
    refused = f"Vault at {url} was not reached (Connection refused)"
    assert told(felt(url)) == (True, "vault-unreachable", refused, True)
    own_openbao.start()
    assert felt(url) == SERVES


def test_a_server_that_was_never_initialised(openbao: OpenBao) -> None:
    """It says so of itself."""
    state = HttpReply(200, {"initialized": False, "sealed": True, "standby": True})
    with ReverseProxy(openbao.url, {"GET /v1/sys/health": state}) as proxy:
        pulse = felt(proxy.url)
    words = f"Vault at {proxy.url} has never been initialised"
    assert told(pulse) == (True, "vault-uninitialised", words, False)


@pytest.mark.parametrize("how", IN_BETWEEN)
def test_where_the_question_is_not_answered_nothing_is_known(
    openbao: OpenBao, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between us and Vault may keep it to himself, and let all others through."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 0.2)
    with ReverseProxy(openbao.url, {"GET /v1/sys/health": IN_BETWEEN[how]}) as proxy:
        assert felt(proxy.url) == UNCLEAR


def test_what_keeps_out_every_request_is_known(openbao: OpenBao) -> None:
    """TLS, of a port without: only a person can change that, or it passes."""
    pulse = felt(openbao.url.replace("http:", "https:"))
    assert (pulse.is_clear, pulse.error and pulse.error.code) == (True, "vault-tls")


def test_one_node_that_serves_is_enough(openbao: OpenBao) -> None:
    """Wherever it stands among those that are sealed, stand by or are away."""
    sealed = HttpReply(200, {"initialized": True, "sealed": True, "standby": True})
    health = "GET /v1/sys/health"
    away = f"http://127.0.0.1:{free_port()}"
    with (
        ReverseProxy(openbao.url, {health: sealed}) as locked,
        ReverseProxy(openbao.url, {health: HttpReply(200, STANDBY)}) as idle,
    ):
        assert felt(away, locked.url, idle.url, openbao.url) == SERVES
        assert felt(away, locked.url, idle.url) == UNCLEAR
        none_left = felt(away, locked.url)
    words = f"Vault at {away} was not reached (Connection refused); Vault at {locked.url} is sealed"
    assert told(none_left) == (True, "vault-sealed", words, True)
