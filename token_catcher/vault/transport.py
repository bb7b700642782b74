"""HTTP to Vault, through hvac's adapter: over TLS, or over the unix socket of an Agent.

hvac's own exceptions carry no status code, and their text holds URL and body; so the plain
responses are used, and no foreign text goes further than here. Redirects are not followed: they
would take the Vault token to whatever host they name.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.tls import ClientCertificate, introduce, tls_failure, trusting_context
from token_catcher.vault.answer import Answer

CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 10.0
"""Seconds."""
UNIX: Final = "unix://"
_SOCKET_URL: Final = "http://localhost"
"""What a request over a unix socket is for: HTTP wants a host in any case."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where Vault is, and who we are there."""

    url: str
    """`https://…`, with the path that a reverse proxy wants in front; or `unix:///run/…`."""
    namespace: str | None = None
    ca_file: str | None = None
    """None: the system's certificate authorities."""
    client_certificate: ClientCertificate | None = None

    @property
    def where(self) -> str:
        """For messages."""
        if self.namespace is None:
            return f"Vault at {self.url}"
        return f"Vault at {self.url}, namespace {self.namespace}"


class Transport:
    """One request, one answer. Thread-safe."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._http: RawAdapter | None = None

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The answer, whoever gives it.

        Outage: there was none. AccessError: the address, an authority or a certificate is wrong."""
        options: dict[str, Any] = {"headers": dict(headers)}
        if body is not None:
            options["json"] = body
        response = self._response(method, f"/v1/{path}", options)
        return Answer.of(response.status_code, response.headers, response.content)

    def renew(self) -> None:
        """Read the files of certificates anew before the next request.

        Whoever renews them (cert-manager, step) does so under a running program."""
        with self._lock:
            self._http = None

    def close(self) -> None:
        """Free the connections."""
        if self._http is not None:
            self._http.close()

    def _response(self, method: str, url: str, options: Mapping[str, Any]) -> requests.Response:
        """Call the library, and nothing else. Its own exceptions for 4xx and 5xx are off."""
        ask = self._adapter().request
        try:
            response: requests.Response = ask(method, url, raise_exception=False, **options)
            return response
        except OSError as error:  # requests' own are among them
            trouble = self._trouble(error)
        # Out here the foreign exception is let go: its text, or its request, may hold a secret.
        raise trouble

    def _adapter(self) -> RawAdapter:
        """The one there is, or a new one."""
        with self._lock:
            if self._http is None:
                self._http = self._made()
            return self._http

    def _made(self) -> RawAdapter:
        """hvac's own client would read tokens, proxies and addresses from the surroundings."""
        session = requests.Session()
        session.trust_env = False  # a .netrc or a proxy of the environment is not for Vault
        url = self._address.url
        if url.startswith(UNIX):
            session.mount("http://", _SocketAdapter(url.removeprefix(UNIX)))
            url = _SOCKET_URL
        elif url.startswith("https:"):
            session.mount("https://", _TlsAdapter(self._context()))
        return RawAdapter(
            base_uri=url,
            token="",  # each request brings its own: a login must not change what others send
            namespace=self._address.namespace,
            session=session,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False,
        )

    def _context(self) -> ssl.SSLContext:
        """AccessError: a file that it is made of is not what it should be."""
        ca_file = self._authorities_file()
        with suppress(OSError):
            return self._introduced(trusting_context(ca_file))
        # Out here no foreign exception hangs on ours.
        raise AccessError(
            f"vault.ca_file: got {ca_file}, expected a readable PEM file of certificates",
            code="vault-certificate",
        )

    def _introduced(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """The context, with our certificate where we have one. AccessError: it cannot be read."""
        certificate = self._address.client_certificate
        if certificate is None:
            return context
        with suppress(OSError):
            introduce(context, certificate)
            return context
        raise AccessError(
            f"vault.client_certificate: got {certificate}, expected a certificate and its key in"
            " PEM, the key not encrypted, in files that we can read",
            code="vault-client-certificate",
        )

    def _authorities_file(self) -> str | None:
        """Ours; None: the system's, in a file or a directory.

        requests brings some along, for a machine that has none."""
        if self._address.ca_file is not None or _system_has_authorities():
            return self._address.ca_file
        return str(DEFAULT_CA_BUNDLE_PATH)

    def _trouble(self, error: OSError) -> TokenCatcherError:
        """What kept a request from being answered."""
        where = self._address.where
        if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
            return AccessError(
                f"vault.address: got {self._address.url}, which is no address",
                code="vault-address",
            )
        failure = tls_failure(error, self._address.ca_file or "the system's authorities")
        if failure is None:
            kind = type(error).__name__
            return Outage(f"{where} was not reached ({kind})", code="vault-unreachable")
        self.renew()  # a file may have been replaced, with what is wanted
        message = f"{where}: {failure.text}"
        code = f"vault-{failure.code}"
        if failure.lasting:
            return AccessError(message, code=code)
        return Outage(message, code=code)


class _TlsAdapter(HTTPAdapter):
    """With a context of ours, and nothing of requests' own authorities."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def build_connection_pool_key_attributes(self, *arguments: Any, **options: Any) -> Any:
        """Where requests lets a context be put in."""
        host, _ = super().build_connection_pool_key_attributes(*arguments, **options)
        return host, {"ssl_context": self._context}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """The context knows; requests would add its own authorities to it."""


class _SocketConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, host: str, socket_path: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._socket_path = socket_path

    def connect(self) -> None:
        """Within the time-out that was asked for."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(self._socket_path)
        except OSError:
            connection.close()
            raise
        self.sock = connection


class _SocketPool(HTTPConnectionPool):
    """Connections to one socket."""

    ConnectionCls = _SocketConnection


class _SocketAdapter(HTTPAdapter):
    """Whatever the host of a request is called, it goes to one socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._pool = _SocketPool("localhost", socket_path=path)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """Where requests takes a connection from."""
        return self._pool

    def close(self) -> None:
        """Free the connections."""
        self._pool.close()
        super().close()


def _system_has_authorities() -> bool:
    """A file of them, or a directory with something in it."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None and Path(paths.cafile).is_file():
        return True
    return paths.capath is not None and any(Path(paths.capath).iterdir())
