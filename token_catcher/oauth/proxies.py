"""The proxies that the environment names for token endpoints, and what is wrong with one.

Of a variable its name is told, and of its value host and port: a password may stand there as well.
"""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy

from token_catcher.connections import causes, why_unanswered
from token_catcher.errors import AccessError, Outage, TokenCatcherError

_MISTAKEN: Final = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
"""What requests raises before it asks anybody."""
_REFUSAL: Final = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
"""What http.client says of a proxy's answer to CONNECT."""


def proxy_trouble(
    error: BaseException, url: str, where: str, code: str = "oauth"
) -> TokenCatcherError | None:
    """What is wrong with the proxy on the way to `url`; None: it is not that.

    `code`: what the codes of its troubles begin with.
    AccessError: its variable names none that could be used. Outage: it is away, or refuses."""
    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy is None:
        return None
    variable = _variable(urlsplit(url).scheme)
    if isinstance(error, _MISTAKEN):
        return AccessError(
            f"{where}: {variable}: got {_form_of(proxy)}, expected http://HOST:PORT",
            code=f"{code}-proxy",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        why = _refusal(error) or why_unanswered(error)
        name = urlsplit(proxy).netloc.rpartition("@")[2]
        return Outage(
            f"{where} was not reached through the proxy {name!a} of {variable} ({why})",
            code=f"{code}-unreachable",
        )
    return None


def _variable(scheme: str) -> str:
    """Which one names it, as urllib looks for them: small letters count first."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "the proxy of the system")


def _form_of(proxy: str) -> str:
    """What is named there, without a word that could be a password."""
    scheme = re.match("[a-z0-9]{1,10}(?=://)", proxy, re.ASCII)
    if scheme is None or scheme[0] in ("http", "https"):
        return "no address of a proxy"
    return f"a proxy of the kind {scheme[0]}://, which is not spoken"


def _refusal(error: BaseException) -> str | None:
    """The status by which a proxy refuses to pass on; None: it did not answer."""
    for cause in causes(error):
        status = _REFUSAL.search(str(cause))
        if status is not None:
            return f"it refuses, with status {status[1]}"
    return None
