"""TLS between the Vault adapter and a real server: each cause of a failure has its own message."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from tests.contract.vault import (
    capture,
    given,
    opened,
    operations_after_reading_ahead,
    paths,
    refusal,
    shipped_policy,
)
from tests.kit.servers import OpenBao, free_port
from tests.kit.servers.process import command
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret, Stored, Unchanged
from token_catcher.tls import ClientCertificate
from token_catcher.vault import Address, AppRoleLogin, TokenLogin
from token_catcher.vault import transport as transport_module

pytestmark = pytest.mark.servers

LISTENER = """\
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{home}/{name}.pem"
  tls_key_file = "{home}/{name}.key"
  {options}
}}
"""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Tls:
    """One server with a TLS listener for each thing that can be wrong."""

    server: OpenBao
    home: Path
    ports: Mapping[str, int]

    def url(self, name: str) -> str:
        """Of the listener with this certificate."""
        return f"https://127.0.0.1:{self.ports[name]}"

    def file(self, name: str) -> str:
        """One of the files that the certificates are made of."""
        return str(self.home / name)

    def refuses(self, name: str, **address: Any) -> TokenCatcherError:
        """How storing fails there; Vault has heard nothing of it."""
        since = len(self.server.audited)
        with opened(self.url(name), given(self.server.root_token), **address) as store:
            error = refusal(store)
        assert paths(self.server, since) == []
        return error

    def accepts(self, name: str, **address: Any) -> bool:
        """Whether a secret can be stored there."""
        with opened(self.url(name), given(self.server.root_token), **address) as store:
            return isinstance(store.store(capture(name)), Stored | Unchanged)


@contextmanager
def listening(home: Path, leaves: Mapping[str, trustme.LeafCert], **options: str) -> Iterator[Tls]:
    """A server with these certificates. `options`: of a listener, by its name."""
    ports = {name: free_port() for name in leaves}
    blocks = []
    for name, leaf in leaves.items():
        write_identity(home, name, leaf)
        blocks.append(
            LISTENER.format(home=home, name=name, port=ports[name], options=options.get(name, ""))
        )
    with OpenBao(more="".join(blocks)) as server:
        yield Tls(server, home, ports)


def write_identity(home: Path, name: str, leaf: trustme.LeafCert) -> None:
    """The certificate, its key, and both in one file."""
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    (home / f"{name}.pem").write_bytes(chain)
    (home / f"{name}.key").write_bytes(leaf.private_key_pem.bytes())
    (home / f"{name}.both").write_bytes(leaf.private_key_pem.bytes() + chain)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """Certificates of a private authority and of an intermediate, good and bad."""
    home = tmp_path_factory.mktemp("tls")
    now = datetime.now(UTC)
    root = trustme.CA()
    intermediate = root.create_child_ca()
    root.cert_pem.write_to_path(str(home / "root"))
    intermediate.cert_pem.write_to_path(str(home / "intermediate"))
    trustme.CA().cert_pem.write_to_path(str(home / "stranger"))
    clients = trustme.CA()
    clients.cert_pem.write_to_path(str(home / "clients"))
    write_identity(home, "us", clients.issue_cert("catcher@example.com"))
    write_identity(home, "old", clients.issue_cert("catcher@example.com", not_after=now - DAY))
    write_identity(home, "foreign", trustme.CA().issue_cert("catcher@example.com"))
    leaves = {
        "good": root.issue_cert("127.0.0.1"),
        "expired": root.issue_cert("127.0.0.1", not_before=now - 2 * DAY, not_after=now - DAY),
        "early": root.issue_cert("127.0.0.1", not_before=now + DAY),
        "elsewhere": root.issue_cert("vault.example.com", "192.0.2.7"),
        "unnamed": root.issue_cert(common_name="localhost"),
        "below": intermediate.issue_cert("127.0.0.1"),
        "asking": root.issue_cert("127.0.0.1"),
        "asking12": root.issue_cert("127.0.0.1"),
    }
    asking = f'tls_require_and_verify_client_cert = true\n  tls_client_ca_file = "{home}/clients"'
    with listening(
        home, leaves, asking=asking, asking12=f'{asking}\n  tls_max_version = "tls12"'
    ) as ready:
        yield ready


OF_THE_CHAIN = "its certificate, or one of its issuers,"
BAD = {
    "expired": ("vault-certificate-expired", f"{OF_THE_CHAIN} has expired, or our clock is ahead"),
    "early": (
        "vault-certificate-not-yet-valid",
        f"{OF_THE_CHAIN} is not valid yet, or our clock is behind",
    ),
    "elsewhere": (
        "vault-certificate-host",
        "its certificate is for another host name, or has no subjectAltName",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_fault_of_a_certificate_is_told(tls: Tls, name: str) -> None:
    """AccessError with the one cause, and no token is sent."""
    error = tls.refuses(name, ca_file=tls.file("root"))
    code, text = BAD[name]
    assert (type(error), error.code) == (AccessError, code)
    assert str(error) == f"Vault at {tls.url(name)}: {text}"


def test_another_host_name_is_told_by_name_as_well(tls: Tls) -> None:
    """Not by the address alone."""
    url = tls.url("good").replace("127.0.0.1", "localhost")
    with opened(url, given(tls.server.root_token), ca_file=tls.file("root")) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-certificate-host")


def test_a_name_that_stands_in_cn_alone_does_not_count(tls: Tls) -> None:
    """Nor does it to Vault's own tools."""
    url = tls.url("unnamed").replace("127.0.0.1", "localhost")
    with opened(url, given(tls.server.root_token), ca_file=tls.file("root")) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-certificate-host")


@pytest.mark.parametrize("ca_file", ["stranger", None])
def test_an_unknown_authority_is_told_with_those_that_are_known(
    tls: Tls, ca_file: str | None
) -> None:
    """The configured file, or the system's authorities."""
    expected = "the system's authorities"
    if ca_file is not None:
        ca_file = tls.file(ca_file)
        expected = ca_file
    error = tls.refuses("good", ca_file=ca_file)
    assert (type(error), error.code) == (AccessError, "vault-certificate")
    assert str(error) == f"Vault at {tls.url('good')}: its certificate was not issued by {expected}"


def test_secrets_are_read_ahead_over_tls(tls: Tls) -> None:
    """Each connection makes its handshake first. None of them is read again before its write."""
    with opened(tls.url("good"), given(tls.server.root_token), ca_file=tls.file("root")) as store:
        assert operations_after_reading_ahead(tls.server, store) == {"create"}


@pytest.mark.parametrize("ca_file", ["root", "intermediate"])
def test_an_intermediate_alone_is_trusted_like_its_root(tls: Tls, ca_file: str) -> None:
    """As Vault's own tools do."""
    assert tls.accepts("below", ca_file=tls.file(ca_file))


def test_an_intermediate_vouches_for_nobody_else(tls: Tls) -> None:
    """What its root has issued itself is not below it."""
    error = tls.refuses("good", ca_file=tls.file("intermediate"))
    assert error.code == "vault-certificate"


@pytest.mark.parametrize("name", ["asking", "asking12"])
def test_a_client_certificate_that_is_asked_for_is_told(tls: Tls, name: str) -> None:
    """In TLS 1.3 by an alert after the handshake, in TLS 1.2 by one in its middle."""
    error = tls.refuses(name, ca_file=tls.file("root"))
    assert (type(error), error.code) == (AccessError, "vault-client-certificate")


@pytest.mark.parametrize("name", ["asking", "asking12"])
@pytest.mark.parametrize("ours", ["old", "foreign"])
def test_a_client_certificate_that_is_refused_is_told(tls: Tls, name: str, ours: str) -> None:
    """Expired, or of an authority that the server does not know."""
    certificate = ClientCertificate(tls.file(f"{ours}.both"))
    error = tls.refuses(name, ca_file=tls.file("root"), client_certificate=certificate)
    assert (type(error), error.code) == (AccessError, "vault-client-certificate")


@pytest.mark.parametrize("name", ["asking", "asking12"])
@pytest.mark.parametrize(
    ("ours", "alert"), [("old", "EXPIRED"), ("foreign", "UNKNOWN_CA"), (None, "client certificate")]
)
def test_a_login_that_writes_at_once_hears_the_alert_as_well(
    tls: Tls, name: str, ours: str | None, alert: str
) -> None:
    """A body goes behind the headers, and by then a server of TLS 1.3 has closed the line."""
    certificate = None
    if ours is not None:
        certificate = ClientCertificate(tls.file(f"{ours}.both"))
    login = AppRoleLogin("role", lambda: Secret("secret"))
    where: dict[str, Any] = {"ca_file": tls.file("root"), "client_certificate": certificate}
    with opened(tls.url(name), login, **where) as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-client-certificate")
    assert alert in str(error)


@pytest.mark.parametrize("spoiled", [False, True])
def test_a_line_that_is_closed_without_an_alert_stays_that(tmp_path: Path, spoiled: bool) -> None:
    """Who listens the next time hears nothing, or our own file was replaced meanwhile."""
    root = trustme.CA()
    ca_file = tmp_path / "root"
    root.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert("127.0.0.1").configure_cert(context)

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        line.recv(65536)  # what is unread would be answered with a reset
        if spoiled:
            ca_file.write_text("nothing")
        line.close()
        with suppress(OSError):  # closed by the test, where nobody listens the next time
            line, _ = listener.accept()
            with context.wrap_socket(line, server_side=True) as secured:
                secured.unwrap()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        login = AppRoleLogin("role", lambda: Secret("secret"))
        with opened(url, login, ca_file=str(ca_file)) as store:
            error = refusal(store)
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    assert (type(error), error.code) == (Outage, "vault-tls")
    assert str(error).endswith(": it may ask for a client certificate, or refuse ours")


@pytest.mark.parametrize("name", ["asking", "asking12"])
@pytest.mark.parametrize("files", [("us.both", None), ("us.pem", "us.key")])
def test_a_client_certificate_is_shown(tls: Tls, name: str, files: tuple[str, str | None]) -> None:
    """With its key in the same file, or in one of its own."""
    file, key = files
    if key is not None:
        key = tls.file(key)
    certificate = ClientCertificate(tls.file(file), key)
    assert tls.accepts(name, ca_file=tls.file("root"), client_certificate=certificate)


def test_a_client_certificate_that_was_renewed_is_taken_without_a_restart(tls: Tls) -> None:
    """The files are read anew at each login, and after a failure of TLS, when no login follows."""
    file = tls.home / "renewed"
    policy = shipped_policy(tls.server)
    tokens = [tls.server.token(policy), tls.server.token(policy)]

    def use(name: str) -> None:
        file.write_bytes((tls.home / name).read_bytes())

    use("us.both")
    with opened(
        tls.url("asking"),
        TokenLogin(lambda: Secret(tokens[0])),
        ca_file=tls.file("root"),
        client_certificate=ClientCertificate(str(file)),
    ) as store:
        assert isinstance(store.store(capture("renewed-1")), Stored)
        use("old.both")
        tls.server.revoke(tokens.pop(0))  # so that there is a login
        assert refusal(store).code == "vault-client-certificate"
        use("us.both")
        assert isinstance(store.store(capture("renewed-2")), Stored)


def test_an_authority_that_was_renewed_is_taken_without_a_restart(tls: Tls, tmp_path: Path) -> None:
    """The file is read anew after a failure of TLS: the server may have been first."""
    file = tmp_path / "ca.pem"
    file.write_bytes((tls.home / "stranger").read_bytes())
    with opened(tls.url("good"), given(tls.server.root_token), ca_file=str(file)) as store:
        assert refusal(store).code == "vault-certificate"
        file.write_bytes((tls.home / "root").read_bytes())
        assert isinstance(store.store(capture("authority")), Stored)


@pytest.mark.parametrize("content", [None, "nothing"])
def test_a_client_certificate_that_cannot_be_read_is_told(
    tls: Tls, tmp_path: Path, content: str | None
) -> None:
    """No file, or none of a certificate."""
    file = tmp_path / "client.pem"
    if content is not None:
        file.write_text(content)
    error = tls.refuses("asking", client_certificate=ClientCertificate(str(file)))
    assert (type(error), error.code) == (AccessError, "vault-client-certificate")
    assert str(error) == (
        f"vault.client_certificate: got {file}, expected a certificate and its key in PEM, the key"
        " not encrypted, in files that we can read"
    )


def test_tls_to_a_plain_port_is_told(tls: Tls) -> None:
    """An outage: a server that is set up may speak like that for a moment."""
    url = tls.server.url.replace("http://", "https://")
    with opened(url, given(tls.server.root_token)) as store:
        error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-tls")
    assert "it speaks no TLS there (" in str(error)


# -- the system's authorities --


def hashed(home: Path, authority: str) -> Path:
    """A directory of authorities as OpenSSL reads one: each file is named by a hash of its name."""
    words = [command("openssl", "apt-get install openssl"), "x509", "-noout", "-hash"]
    name = subprocess.run([*words, "-in", authority], capture_output=True, text=True, check=True)
    folder = home / "certs"
    folder.mkdir()
    (folder / f"{name.stdout.strip()}.0").symlink_to(authority)
    return folder


def test_the_systems_store_may_be_a_directory(
    tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_DIR, as OpenSSL reads it; a file of the system's is not needed."""
    folder = hashed(tmp_path, tls.file("root"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    assert tls.accepts("good")


def test_the_systems_store_may_be_a_file(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", tls.file("root"))
    assert tls.accepts("good")


def test_a_machine_without_authorities_has_those_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slim container: no file, and an empty directory."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 0
    transport = transport_module.Transport(Address("https://vault.example.com"))
    assert transport._authorities_file() == DEFAULT_CA_BUNDLE_PATH
