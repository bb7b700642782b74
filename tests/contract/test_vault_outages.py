"""The Vault adapter on bad days.

Away, sealed, slow, behind a proxy that answers for it, with a foreign certificate.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.contract.leaks import FOREIGN
from tests.contract.vault import VAULT_TOKEN, capture, given, opened, paths, refusal
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import HttpReply, HttpScript, Listener
from tests.kit.servers import OpenBao, free_port
from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError
from token_catcher.model import Reason, Receipt, Stored, Unchanged
from token_catcher.vault import VaultStore
from token_catcher.vault import transport as transport_module

# -- outages --


@pytest.mark.servers
def test_a_sealed_vault_is_an_outage_until_it_is_unsealed() -> None:
    """The same store goes on where it stood."""
    with OpenBao() as server, opened(server.url, given(server.root_token)) as store:
        server.seal()
        error = refusal(store)
        assert (type(error), error.code) == (Outage, "vault-sealed")
        server.unseal()
        assert isinstance(store.store(capture("acme")), Stored)


def test_a_restarted_vault_is_an_outage_for_a_while(own_openbao: OpenBao) -> None:
    """Connections that were open are replaced; what was stored is there."""
    with opened(own_openbao.url, given(own_openbao.root_token)) as store:
        store.store(capture("acme"))
        own_openbao.stop()
        error = refusal(store)
        assert (type(error), error.code) == (Outage, "vault-unreachable")
        own_openbao.start()
        assert isinstance(store.store(capture("acme")), Unchanged)


@contextmanager
def losing_the_answers_to(method: bytes, openbao: OpenBao) -> Iterator[VaultStore]:
    """A store whose writes reach Vault, while no answer to them comes back."""
    with TcpProxy(openbao.port) as proxy:

        def cut_at_a_write(data: bytes) -> None:
            if data.startswith(method):
                proxy.cut_after(0)

        proxy.on_up = cut_at_a_write
        with opened(f"http://127.0.0.1:{proxy.port}", given(openbao.root_token)) as store:
            yield store


def our_write(openbao: OpenBao, org: str, number: int) -> Unchanged:
    """What storing comes to where this version is known again as ours."""
    created_at = openbao.versions(capture(org).path)[number]["created_time"]
    written = Receipt(capture(org).path, number, created_at, None)
    return Unchanged(Reason.SAME_TOKEN, written)


def test_a_lost_answer_to_a_write_is_found_out_by_the_next_try(openbao: OpenBao, org: str) -> None:
    """The write reached Vault, its answer did not reach us: unknown, then recognised as ours."""
    with losing_the_answers_to(b"POST", openbao) as store:
        error = refusal(store, org)
        assert (type(error), error.code) == (TransientError, "vault-secret")
        assert store.store(capture(org)) == our_write(openbao, org, 1)
    assert list(openbao.versions(capture(org).path)) == [1]


def test_a_lost_answer_to_a_merge_is_found_out_at_once(openbao: OpenBao, org: str) -> None:
    """The secret is read again before anything else is written: no second version appears."""
    openbao.put(capture(org).path, {"password": "kept"})
    with losing_the_answers_to(b"PATCH", openbao) as store:
        outcome = store.store(capture(org))
    assert outcome == our_write(openbao, org, 2)
    assert list(openbao.versions(capture(org).path)) == [1, 2]


def saying(status: int, **headers: str) -> HttpReply:
    """An answer with a body that must not be repeated."""
    return HttpReply(
        status,
        {"errors": [FOREIGN]},
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


BAD_DAYS: dict[str, tuple[HttpReply, type[TokenCatcherError], str]] = {
    "400": (saying(400), AccessError, "vault-refused"),
    "400 of a mount that is opened": (
        HttpReply(400, {"errors": [f"Upgrading from non-versioned to versioned data. {FOREIGN}"]}),
        Outage,
        "vault-away",
    ),
    "403": (saying(403), AccessError, "vault-policy"),
    "405": (saying(405), AccessError, "vault-kv1"),
    "412": (saying(412), Outage, "vault-away"),
    "429": (saying(429), Outage, "vault-quota"),
    "472": (saying(472), Outage, "vault-away"),
    "500": (saying(500), Outage, "vault-away"),
    "502 with a page": (HttpReply(502, f"<html>{FOREIGN}".encode()), Outage, "vault-away"),
    "503": (saying(503), Outage, "vault-sealed"),
    "521": (saying(521), Outage, "vault-away"),
    "a page instead of JSON": (
        HttpReply(200, f"<html>{FOREIGN}".encode()),
        TransientError,
        "vault-protocol",
    ),
    "JSON of another kind": (
        HttpReply(200, f'["{FOREIGN}"]'.encode()),
        TransientError,
        "vault-protocol",
    ),
    "half an answer": (
        HttpReply(200, {"data": {FOREIGN: FOREIGN}}, cut=True),
        Outage,
        "vault-unreachable",
    ),
    "no answer": (HttpReply(hang=True), Outage, "vault-unreachable"),
}


@pytest.mark.parametrize(
    "request_line",
    ["GET /v1/sys/internal/ui/mounts/", "GET /v1/secret/data/", "POST /v1/secret/data/"],
)
@pytest.mark.parametrize("day", BAD_DAYS)
def test_every_bad_answer_has_its_error(
    day: str, request_line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is answered, to whichever request: one of our errors, told by the number alone."""
    reply, kind, code = BAD_DAYS[day]
    if reply.hang:
        monkeypatch.setattr(transport_module, "READ_TIMEOUT", 1.0)
    replies = {"GET /v1/secret/data/": HttpReply(404, {"errors": []}), request_line: reply}
    with HttpScript(replies) as server, opened(server.url, given(VAULT_TOKEN)) as store:
        error = refusal(store)
    if "mounts" in request_line and kind is AccessError:
        code = "vault-mount"
    # Vault is there, by what it says of the mount: the secret waits alone.
    away = ("vault-away", "vault-sealed", "vault-unreachable")
    if "secret" in request_line and code in away:
        kind = TransientError
        code = "vault-secret"
    assert (type(error), error.code) == (kind, code)


def read_as(data: object, **metadata: Any) -> HttpReply:
    """What a read answers."""
    about = {"version": 1, "created_time": "2026-02-03T12:57:27Z"} | metadata
    return HttpReply(body={"data": {"data": data, "metadata": about}})


MALFORMED = {
    "fields that are a text": read_as(FOREIGN),
    "fields that are a list": read_as([FOREIGN]),
    "a version that is a text": read_as({}, version=FOREIGN),
    "no time of creation": read_as({}, created_time=None),
    "metadata that is a list": HttpReply(body={"data": {"data": {}, "metadata": [FOREIGN]}}),
    "JSON nested past all sense": HttpReply(200, b"[" * 100_000),
    "a missing secret without a word": HttpReply(404, b""),
}


@pytest.mark.parametrize("answer", MALFORMED)
def test_a_read_of_no_known_form_is_told_and_nothing_is_written(answer: str) -> None:
    """Each part is looked at before it is used."""
    replies = {"GET /v1/secret/data/": MALFORMED[answer]}
    with HttpScript(replies) as server, opened(server.url, given(VAULT_TOKEN)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (TransientError, "vault-protocol")
    assert {request.method for request in server.requests} == {"GET"}


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (HttpReply(body={"data": {"versions": {FOREIGN: {}}}}), "versions without a number"),
        (HttpReply(body={"data": {"versions": {"1": {}, "-2": {}}}}), "versions without a number"),
        (HttpReply(404, b""), "404 without a body, expected Vault's list of errors"),
    ],
)
def test_versions_of_no_known_form_are_told(answer: HttpReply, got: str) -> None:
    """Reconciling asks for all of them."""
    replies = {"GET /v1/secret/metadata/": answer}
    with (
        HttpScript(replies) as server,
        opened(server.url, given(VAULT_TOKEN)) as store,
        pytest.raises(TransientError, match=got) as caught,
    ):
        store.kept(capture("acme").path)
    assert caught.value.code == "vault-protocol"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("", None)],
)
def test_a_quota_says_how_long_to_wait(header: str, seconds: float | None) -> None:
    """Retry-After in seconds is passed on; in any other form it is not."""
    reply = saying(429, Retry_After=header)
    with (
        HttpScript({"GET /v1/secret/": reply}) as server,
        opened(server.url, given(VAULT_TOKEN)) as store,
    ):
        error = refusal(store)
    assert isinstance(error, Outage)
    assert error.retry_after == seconds


def test_a_redirect_is_not_followed() -> None:
    """It would take the Vault token to whatever host it names."""
    with HttpScript({}) as other:
        reply = saying(307, Location=f"{other.url}/v1/secret/data/x")
        with (
            HttpScript({"GET /v1/secret/": reply}) as server,
            opened(server.url, given(VAULT_TOKEN)) as store,
        ):
            error = refusal(store)
    assert (type(error), error.code) == (TransientError, "vault-secret")
    assert other.requests == []


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "Connection refused"),
        ("no-such-host.invalid", "no address for its host name"),
    ],
)
def test_nobody_at_the_address_is_an_outage(host: str, why: str) -> None:
    """The message tells a name that nobody has from a port where nobody listens."""
    url = f"http://{host}:{free_port()}"
    with opened(url, given(VAULT_TOKEN)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-unreachable")
    assert str(error) == f"Vault at {url} was not reached ({why})"


UNANSWERED = {
    b"SSH-2.0-OpenSSH_9.2\r\n": "got something else than HTTP",
    b"": "it closed the connection without an answer",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{": "its answer broke off",
}


class Speaking(Listener):
    """Answers each request with the same bytes, and closes the connection."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self._answer = answer

    def serve(self, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(self._answer)
        connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", UNANSWERED)
def test_what_is_no_whole_http_is_told_as_that(answer: bytes) -> None:
    """It is another server than Vault, or one that breaks off: none of them is a closed port."""
    with Speaking(answer) as server:
        url = f"http://127.0.0.1:{server.port}"
        with opened(url, given(VAULT_TOKEN)) as store:
            error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-unreachable")
    assert str(error) == f"Vault at {url} was not reached ({UNANSWERED[answer]})"


def test_an_answer_that_does_not_come_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody listens, and is silent."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 0.5)
    replies = {"GET /v1/sys/internal/ui/mounts/": HttpReply(hang=True)}
    with HttpScript(replies) as server, opened(server.url, given(VAULT_TOKEN)) as store:
        error = refusal(store)
    assert str(error) == f"Vault at {server.url} was not reached (no answer in time)"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8200", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """Only a person can mend that."""
    with opened(url, given(VAULT_TOKEN)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-address")


# -- TLS --


@pytest.fixture(scope="module")
def secure() -> Iterator[OpenBao]:
    """OpenBao with a certificate of a private authority."""
    with OpenBao(tls=True) as server:
        yield server


@pytest.mark.servers
def test_a_private_authority_is_trusted_when_its_file_is_given(secure: OpenBao) -> None:
    """`vault.ca_file`."""
    with opened(secure.url, given(secure.root_token), ca_file=secure.ca_file) as store:
        assert isinstance(store.store(capture("tls")), Stored)


def another_authority(home: Path) -> str:
    """A file with an authority that issued nothing."""
    trustme.CA().cert_pem.write_to_path(str(home / "other.pem"))
    return str(home / "other.pem")


def no_authority(home: Path) -> str:
    """A file that holds no certificate."""
    (home / "empty.pem").write_text("nothing")
    return str(home / "empty.pem")


def missing_file(home: Path) -> str:
    """No file at all."""
    return str(home / "missing.pem")


def system_authorities(_home: Path) -> None:
    """No file is configured."""


@pytest.mark.servers
@pytest.mark.parametrize(
    "make", [another_authority, no_authority, missing_file, system_authorities]
)
def test_a_certificate_that_is_not_trusted_is_refused(
    secure: OpenBao, tmp_path: Path, make: Any
) -> None:
    """Another authority, a broken file, none, the system's alone: AccessError, no token is sent."""
    since = len(secure.audited)
    with opened(secure.url, given(secure.root_token), ca_file=make(tmp_path)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-certificate")
    assert paths(secure, since) == []


@pytest.mark.servers
def test_a_certificate_for_another_host_is_refused() -> None:
    """Whoever issued it."""
    with OpenBao(tls=True, hosts=("localhost",)) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        with opened(url, given(server.root_token), ca_file=server.ca_file) as store:
            error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-certificate-host")


@pytest.mark.servers
def test_plain_http_to_a_tls_port_is_no_success(secure: OpenBao) -> None:
    """The wrong scheme in `vault.address`: the server says so with a 400 in plain text."""
    url = secure.url.replace("https", "http")
    with opened(url, given(secure.root_token)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-address")
    assert str(error) == (
        f"vault.address: Vault at {url} speaks TLS, expected https:// in place of http://"
    )
