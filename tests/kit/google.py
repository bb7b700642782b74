"""Google on 127.0.0.1: the token endpoint, IAM, STS, and a machine's metadata server.

It speaks as the real ones do, and checks what it is shown: signatures by the public key, audience,
times, scopes, users. It is reached as the real ones are through a company's proxy: what CONNECT
asks for is answered under a certificate for that host. So no address in the program is another one.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import trustme
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

AUDIENCE: Final = "https://oauth2.googleapis.com/token"
ADMIN_SCOPE: Final = "https://www.googleapis.com/auth/gmail.imap_admin"
MAIL_SCOPE: Final = "https://mail.google.com/"
SCOPES: Final = (ADMIN_SCOPE, MAIL_SCOPE, "https://www.googleapis.com/auth/gmail.readonly")
ROBOT: Final = "robot@project.iam.gserviceaccount.com"
ROBOT_ID: Final = "104900000000000000001"
"""The client id of the service account."""
USER: Final = "sf-integration@example.com"
CLIENT: Final = "12345-abc.apps.googleusercontent.com"
CLIENT_SECRET: Final = "GOCSPX-canary-client-secret"
REFRESH_TOKEN: Final = "1//canary-refresh-token"
WORKLOAD_TOKEN: Final = "eyJ.canary-workload-token.sig"
PROVIDER: Final = (
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/k8s"
)
METADATA_TOKEN: Final = "ya29.canary-machine-token"
FEDERATED_TOKEN: Final = "ya29.canary-federated-token"
PAGE: Final = b"<html><title>Blocked</title>ya29.canary-in-a-page</html>"
"""What a company's proxy says in Google's place."""

Reply = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """One request."""

    host: str
    path: str
    form: Mapping[str, str]
    """The fields of a form, or of JSON; empty where it has none."""
    headers: Mapping[str, str]


@cache
def new_key(name: str) -> RSAPrivateKey:
    """A key for each name; making one takes its time."""
    assert name
    return generate_private_key(public_exponent=65537, key_size=2048)


def key_file(key: RSAPrivateKey, **changes: object) -> str:
    """The key of the service account as the console gives it out."""
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    info: dict[str, object] = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": pem.decode(),
        "client_email": ROBOT,
        "client_id": ROBOT_ID,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": AUDIENCE,
        "universe_domain": "googleapis.com",
    }
    return json.dumps(info | changes, indent=2)


def workload_file(token_file: Path, **changes: object) -> str:
    """The file of a workload identity, as gcloud writes it."""
    info: dict[str, object] = {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(token_file), "format": {"type": "text"}},
        "universe_domain": "googleapis.com",
    }
    return json.dumps(info | changes, indent=2)


@dataclass
class Google:
    """All that Google knows; a test changes it while it runs. Use as a context manager."""

    now: Callable[[], float] = time
    keys: list[RSAPublicKey] = field(default_factory=list)
    """The public keys of the service account that are active."""
    enabled: bool = True
    """Whether the service account is."""
    delegated: set[str] = field(default_factory=lambda: {ADMIN_SCOPE})
    """The scopes of the domain-wide delegation."""
    users: set[str] = field(default_factory=lambda: {USER})
    person: str = USER
    """Who signed in."""
    client_secret: str = CLIENT_SECRET
    refresh_token: str = REFRESH_TOKEN
    granted: set[str] = field(default_factory=lambda: {MAIL_SCOPE})
    """The scopes that the person who signed in agreed to."""
    may_sign: bool = True
    """Whether who asks IAM has the role for it."""
    iam_enabled: bool = True
    machine_scopes: tuple[str, ...] = ("https://www.googleapis.com/auth/cloud-platform",)
    workload_token: str = WORKLOAD_TOKEN
    instead: list[Reply] = field(default_factory=list)
    """What is answered to the next requests in place of the truth."""
    life: object = 3599
    """`expires_in` of the tokens."""
    asked: list[Asked] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Those that were given out for mailboxes."""
    make_token: Callable[[str, str], str] | None = None
    """A token for a user and a scope, where it must be more than a text."""

    def __post_init__(self) -> None:
        self._authority = trustme.CA()
        self._managed = new_key("managed by Google")
        self._contexts: dict[str, ssl.SSLContext] = {}
        handler = type("_Handler", (_Handler,), {"google": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """On 127.0.0.1: the proxy, and in plain HTTP the token endpoint and metadata server."""
        port: int = self._server.server_address[1]
        return port

    def environment(self, home: Path) -> dict[str, str]:
        """By which a program comes here in place of Google."""
        file = home / "google-ca.pem"
        self._authority.cert_pem.write_to_path(str(file))
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.port}",
            "SSL_CERT_FILE": str(file),
            "GCE_METADATA_HOST": f"127.0.0.1:{self.port}",
        }

    def context(self, host: str) -> ssl.SSLContext:
        """TLS of this host."""
        if host not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(host).configure_cert(context)
            self._contexts[host] = context
        return self._contexts[host]

    def answer(self, asked: Asked) -> Reply:
        """To one request, by its host and path."""
        self.asked.append(asked)
        if self.instead:
            return self.instead.pop(0)
        path = urlsplit(asked.path).path
        if path.startswith("/computeMetadata/v1/"):
            return self._of_the_machine(asked, path)
        if path.endswith(":signJwt"):
            return self._signed(asked)
        if path == "/v1/token":
            return self._federated(asked)
        if path == "/token":
            return self._token(asked.form)
        return reply(404, {"error": "not found"})

    def _token(self, form: Mapping[str, str]) -> Reply:
        """RFC 7523 and RFC 6749, section 6."""
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form)
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return refused(400, "unsupported_grant_type", "Invalid grant_type")
        claims, is_signed = self._read(form["assertion"])
        if not self.enabled or claims.get("iss") != ROBOT:
            return refused(400, "invalid_grant", "Invalid grant: account not found")
        if not is_signed:
            return refused(400, "invalid_grant", "Invalid JWT Signature.")
        fault = self._fault_of(claims)
        if fault is not None:
            return fault
        return self._given(claims["sub"], claims["scope"])

    def _fault_of(self, claims: Mapping[str, Any]) -> Reply | None:
        if claims["aud"] != AUDIENCE:
            return refused(400, "invalid_grant", f"Failed audience check. It is {AUDIENCE}")
        age = self.now() - claims["iat"]
        if not -300 < age < 3600 or claims["exp"] - claims["iat"] > 3600:
            return refused(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable"
                " timeframe. Check your iat and exp values in the JWT claim.",
            )
        if claims.get("sub") not in self.users:
            return refused(400, "invalid_grant", "Invalid email or User ID")
        wanted = set(claims["scope"].split())
        if not wanted <= set(SCOPES):
            return refused(
                400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."
            )
        if not wanted <= self.delegated:
            return refused(
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not"
                " authorized for any of the scopes requested.",
            )
        return None

    def _read(self, assertion: str) -> tuple[Mapping[str, Any], bool]:
        """Its claims, and whether a key of the service account signed it."""
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(decoded(part)) for part in signed.split("."))
        assert header["alg"] == "RS256"
        for key in (*self.keys, self._managed.public_key()):
            try:
                key.verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                continue
            return claims, True
        return claims, False

    def _refreshed(self, form: Mapping[str, str]) -> Reply:
        if form["client_id"] != CLIENT:
            return refused(401, "invalid_client", "The OAuth client was not found.")
        if form["client_secret"] != self.client_secret:
            return refused(401, "invalid_client", "The provided client secret is invalid.")
        if form["refresh_token"] != self.refresh_token:
            return refused(400, "invalid_grant", "Token has been expired or revoked.")
        if not set(form["scope"].split()) <= self.granted:
            return refused(400, "invalid_scope", "Some requested scopes were invalid.")
        return self._given(self.person, form["scope"])

    def _given(self, user: str, scope: str) -> Reply:
        token = f"ya29.canary-{len(self.tokens)}"
        if self.make_token is not None:
            token = self.make_token(user, scope)
        self.tokens.append(token)
        return reply(200, {"access_token": token, "expires_in": self.life, "token_type": "Bearer"})

    def _signed(self, asked: Asked) -> Reply:
        """IAM's signJwt."""
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in (METADATA_TOKEN, FEDERATED_TOKEN):
            return iam_error(401, "UNAUTHENTICATED", "CREDENTIALS_MISSING")
        if not self.iam_enabled:
            return iam_error(403, "PERMISSION_DENIED", "SERVICE_DISABLED")
        if bearer == METADATA_TOKEN and "devstorage" in "".join(self.machine_scopes):
            return iam_error(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        if ROBOT not in asked.path or not self.enabled:
            return iam_error(404, "NOT_FOUND", "RESOURCE_NOT_FOUND")
        if not self.may_sign:
            return iam_error(403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED")
        header = encoded(json.dumps({"alg": "RS256", "kid": "managed"}).encode())
        signed = f"{header}.{encoded(asked.form['payload'].encode())}"
        signature = self._managed.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return reply(200, {"keyId": "managed", "signedJwt": f"{signed}.{encoded(signature)}"})

    def _federated(self, asked: Asked) -> Reply:
        """STS (RFC 8693)."""
        if asked.form["audience"] != PROVIDER:
            return refused(400, "invalid_target", "The target service indicated is invalid.")
        if asked.form["subject_token"] != self.workload_token:
            return refused(400, "invalid_grant", "ID Token is stale to sign-in.")
        return reply(200, {"access_token": FEDERATED_TOKEN, "expires_in": 3600})

    def _of_the_machine(self, asked: Asked, path: str) -> Reply:
        if asked.headers.get("metadata-flavor") != "Google":
            return 403, {}, b"Missing Metadata-Flavor:Google header."
        if not self.machine_scopes:
            return 404, {}, b"<html>not found</html>"
        if path.endswith("/default/"):
            return reply(200, {"email": "vm@project.iam", "scopes": list(self.machine_scopes)})
        return reply(200, {"access_token": METADATA_TOKEN, "expires_in": 3000})


class _Server(ThreadingHTTPServer):
    """Says nothing of clients that go away."""

    def handle_error(self, *_: object) -> None:
        """One that does not like our certificate, say."""


class _Handler(BaseHTTPRequestHandler):
    """HTTP, and the tunnels of a proxy."""

    google: Google
    protocol_version = "HTTP/1.1"
    timeout = 30
    host = ""
    """Whom the tunnel leads to."""

    def do_CONNECT(self) -> None:
        """Play the host that is asked for, under a certificate for it."""
        self.host = self.path.partition(":")[0]
        self.send_response(200)
        self.end_headers()
        if not self._has_more():
            self.host = ""
            self.close_connection = True
            return
        self.connection = self.google.context(self.host).wrap_socket(
            self.connection, server_side=True
        )
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def _has_more(self) -> bool:
        """Whether the client goes on: ssl leaks the socket of one that hangs up before its hello
        (`SSLSocket._create` closes it only where the handshake fails)."""
        with suppress(OSError):
            return bool(self.connection.recv(1, socket.MSG_PEEK))
        return False

    def finish(self) -> None:
        """The tunnel's socket is another one than the server closes."""
        try:
            super().finish()
        finally:
            if self.host:
                self.connection.close()

    def do_POST(self) -> None:
        """Answer, whatever is asked."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.host, self.path, _fields(body), headers)
        status, answered, content = self.google.answer(asked)
        self.send_response(status)
        for name, value in answered.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_POST  # noqa: N815 - as http.server wants it
    do_PUT = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is written to the terminal."""


def _fields(body: str) -> Mapping[str, str]:
    if body.startswith("{"):
        fields: dict[str, str] = json.loads(body)
        return fields
    return {name: values[0] for name, values in parse_qs(body).items()}


def reply(status: int, body: object, **headers: str) -> Reply:
    """JSON."""
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def refused(status: int, error: str, description: str, **fields: str) -> Reply:
    """As the token endpoint refuses; it says more than may go further."""
    told = f"{description} (ya29.canary-in-a-refusal)"
    return reply(status, {"error": error, "error_description": told, **fields})


def iam_error(status: int, word: str, reason: str) -> Reply:
    """As IAM refuses (AIP-193)."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason},
    ]
    error = {
        "code": status,
        "message": "ya29.canary-in-a-refusal",
        "status": word,
        "details": details,
    }
    return reply(status, {"error": error})


def encoded(raw: bytes) -> str:
    """As in a JWT (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The inverse."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
