"""Who we are to Google where we have no key of a service account, and files that claim to say so.

Google's library takes what a configuration of credentials names: addresses that it sends tokens to,
commands that it starts. So each is looked at before, as Google asks of whoever loads one: tokens go
to Google alone, a workload's own token comes from this machine alone, and nothing is started.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.oauth.endpoint import METADATA_SERVERS

VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
"""Names the file of a workload identity; where it is not set, the machine's metadata server says
who we are."""
KEY: Final = "oauth2.service_account"
"""Where the key of a service account is configured."""
MAX_BYTES: Final = 64 * 1024
TOKEN_HOSTS: Final = frozenset(
    ("oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com")
)
"""Whose token endpoints have stood in the keys of service accounts."""
UNIVERSE: Final = "googleapis.com"
_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?([/?][!-\[\]-~]*)?"
)
"""Narrower than a URL may be: where parsers disagree (`\\`, `@`), another host could be meant."""
_AWS_VERIFICATION: Final = re.compile(
    r"https://sts\.\{region\}\.amazonaws\.com(\.cn)?([/?][!-\[\]-~]*)?"
)
"""What AWS signs for Google; nothing is sent there."""


def file_of(environ: Mapping[str, str]) -> Secret | None:
    """The file that the environment names; None: it names none.

    ConfigurationError: it cannot be read."""
    name = environ.get(VARIABLE)
    if not name:
        return None
    try:
        with Path(name).open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (OSError, ValueError):
        raise _wrong(f"{VARIABLE}: got {name}, expected a file that we can read") from None
    return Secret(text)


def key_of(key: Secret) -> Mapping[str, Any]:
    """The key of a service account, as the console gives it out.

    ConfigurationError: it is none, or leads elsewhere than to Google."""
    info = _read(key, KEY, "oauth-credential-key")
    if info.get("type") != "service_account":
        raise ConfigurationError(
            f"{KEY}: got JSON of another type, expected the key of a service account"
            ' ("type": "service_account")',
            code="oauth-credential-key",
        )
    _check_key(info)
    return info


def workload_of(file: Secret) -> Mapping[str, Any]:
    """The file that the environment names: a workload identity, and nothing else.

    ConfigurationError: it is none, or leads elsewhere than to Google and this machine."""
    info = _read(file, VARIABLE, "oauth-source")
    if info.get("type") != "external_account":
        raise _wrong(
            f'{VARIABLE}: got JSON of another type, expected "type": "external_account"; the key of'
            " a service account belongs under oauth2.service_account, without impersonate"
        )
    _check_workload(info)
    return info


def _read(secret: Secret, where: str, code: str) -> Mapping[str, Any]:
    """`where` and `code`: for the error, where it is no JSON of Google's."""
    info: Any = None
    with suppress(ValueError, RecursionError):
        info = json.loads(secret.reveal())
    if not isinstance(info, dict):
        raise ConfigurationError(
            f"{where}: got no JSON object, expected a file as Google's console or gcloud writes it",
            code=code,
        )
    if info.get("universe_domain", UNIVERSE) != UNIVERSE:
        raise _wrong(
            f"{where}: got a universe_domain of its own, expected {UNIVERSE}: Workspace has no"
            " other, and delegation works in no other"
        )
    return info


def _check_key(info: Mapping[str, Any]) -> None:
    for name in ("client_email", "private_key", "token_uri"):
        if not isinstance(info.get(name), str):
            raise ConfigurationError(
                f"{KEY}: got no {name}, expected the whole file as the console gave it out",
                code="oauth-credential-key",
            )
    host = _https_host(info["token_uri"])
    if host not in TOKEN_HOSTS and not _is_loopback(_host(info["token_uri"])):
        raise ConfigurationError(
            f"{KEY}: got a token_uri that is not Google's, expected https://oauth2.googleapis.com"
            "/token: whoever stands there is sent what opens the mailbox",
            code="oauth-key-file",
        )


def _check_workload(info: Mapping[str, Any]) -> None:
    """A workload identity: where its own token comes from, and where that is sent."""
    _expect_google(info, "token_url")
    if info.get("service_account_impersonation_url") is not None:
        _expect_google(info, "service_account_impersonation_url")
    source = info.get("credential_source")
    if not isinstance(source, dict):
        raise _wrong(f"{VARIABLE}: got no credential_source, expected a mapping with file or url")
    for name in ("executable", "certificate"):
        if name in source:
            raise _wrong(
                f"{VARIABLE}: got a credential_source with {name}, expected file, url or the"
                " metadata server of AWS: no program is started, and no other file read"
            )
    for name in ("url", "region_url", "imdsv2_session_token_url"):
        if name in source:
            _expect_this_machine(source, name)
    verification = source.get("regional_cred_verification_url")
    if verification is not None and not _AWS_VERIFICATION.fullmatch(str(verification)):
        raise _wrong(
            f"{VARIABLE}: got a regional_cred_verification_url that is not AWS's, expected one that"
            " begins with https://sts.{region}.amazonaws.com"
        )


def _expect_google(info: Mapping[str, Any], name: str) -> None:
    address = str(info.get(name))
    is_googles = _https_host(address).endswith("." + UNIVERSE)
    if not is_googles and not _is_loopback(_host(address)):
        raise _wrong(
            f"{VARIABLE}: got a {name} that is not Google's, expected a host below {UNIVERSE}"
        )


def _expect_this_machine(source: Mapping[str, Any], name: str) -> None:
    host = _host(str(source[name]))
    if host not in METADATA_SERVERS and not _is_loopback(host):
        raise _wrong(
            f"{VARIABLE}: got a credential_source whose {name} is on another machine, expected"
            " loopback or the metadata server 169.254.169.254"
        )


def _host(address: str) -> str:
    """Where a request to it goes; empty where that is not clear."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return ""
    return match["host"]


def _https_host(address: str) -> str:
    """The same; empty as well where the line is not secured."""
    if address.startswith("https:"):
        return _host(address)
    return ""


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="oauth-source")


def _is_loopback(host: str) -> bool:
    """Whether what is sent there never leaves this machine."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False
