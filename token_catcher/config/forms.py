"""What texts may be: hosts, addresses, names, paths and URLs. Pure; `kinds` says the words."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from token_catcher.proof import is_plain_path, is_username

AN_AUTHORIZE_URL: Final = (
    "https://HOST/PATH, with :PORT and ?QUERY if needed (http:// only to loopback)"
)
# Control characters, line separators, and halves of surrogate pairs, which UTF-8 cannot say.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 1123, with the underscore that internal names often have; each label up to 63 characters.
_LABELS: Final = re.compile(
    r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*", re.ASCII
)
# RFC 5322, 3.4.1: a dot-atom before the @, at most 64 characters long (RFC 5321, 4.5.3.1.1).
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?P<domain>[^@]{1,253})", re.ASCII
)
# What `proof.authres` reads as an authserv-id: RFC 8601, section 2.5, without quotes.
_AUTHSERV_ID: Final = re.compile(r"""[^;=()"\\*\x00-\x20\x7f-\U0010ffff]+""")
UNIX: Final = "unix://"
# 107 bytes are the most that a socket's path can have.
_SOCKET: Final = re.compile(r"/[!-~]{1,106}", re.ASCII)
# Plain segments, none of which begins with a dot: requests would resolve `..`.
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", re.ASCII)
# RFC 3986, section 3.4, without what ends it.
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]+", re.ASCII)


def on_one_line(text: str) -> bool:
    """Whether no control character is in it, and nothing that UTF-8 cannot say."""
    return _CONTROLS.search(text) is None


def is_loopback(host: str) -> bool:
    """Whether a connection to this host never leaves the machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def is_address(text: str) -> bool:
    """Whether this is a plain e-mail address, in ASCII."""
    address = _ADDRESS.fullmatch(text)
    return address is not None and is_host(address["domain"])


def is_own_address(text: str) -> bool:
    """An address, or a pattern of which the last two labels are written out.

    `*@*.com` would be anybody's, and a mail to anybody would be ours."""
    labels = text.rpartition("@")[2].split(".")
    open_domain = len(labels) < 2 or "*" in "".join(labels[-2:])
    return is_address(text.replace("*", "x")) and not ("*" in text and open_domain)


def is_one_address(text: str) -> bool:
    """An address, with no sign in it that one could take for a pattern: only this one matches."""
    return "*" not in text and is_address(text)


def is_domain(text: str) -> bool:
    """A host name of at least two labels, and no IP address: nobody but a registry signs `com`."""
    with suppress(ValueError):
        return not ipaddress.ip_address(text)
    return "." in text and is_host(text)


def is_authserv_id(text: str) -> bool:
    """What the beginning of an Authentication-Results field can match.

    A pattern has two labels written out: `*.com` would be anybody's server."""
    if text == "":
        return True
    domain = text.removeprefix("*.")
    if domain != text and not is_domain(domain):
        return False
    return _AUTHSERV_ID.fullmatch(domain) is not None


def is_host(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return len(text) <= 253 and _LABELS.fullmatch(text) is not None


def is_segment(text: str) -> bool:
    return "/" not in text and is_plain_path(text) and not text.endswith(".")


def is_path(text: str) -> bool:
    return all(is_segment(part) for part in text.split("/"))


def is_template(text: str) -> bool:
    """Whether `{username}` is there, and each placeholder fills a segment of a plain path.

    Beside other text in one segment, `{org}-{username}`, two pairs of them give one path."""
    segments = text.split("/")
    plain = [segment for segment in segments if segment not in ("{org}", "{username}")]
    return "{username}" in segments and all(is_segment(segment) for segment in plain)


def is_username_or_pattern(text: str) -> bool:
    """A username, or a pattern that says more of the domain than `*`.

    Everybody can pick a username at any domain, so `*@*` would be anybody's."""
    domain = text.rpartition("@")[2]
    return is_username(text.replace("*", "x")) and domain.strip("*.") != ""


def is_vault_address(text: str) -> bool:
    """No user and no query; plain HTTP only where nobody listens, since the tokens go over it."""
    if text.startswith(UNIX):
        return _SOCKET.fullmatch(text.removeprefix(UNIX)) is not None
    return is_endpoint(text) and is_prefix(urlsplit(text).path)


def is_endpoint(text: str) -> bool:
    """Scheme, host, port and path alone; plain HTTP only where nobody listens."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return False
    # Whatever is not scheme, host, port and path is left out here, and so makes a difference.
    if f"{parts.scheme}://{parts.netloc}{parts.path}" != text or "@" in parts.netloc:
        return False
    return parts.port != 0 and is_host(host) and on_one_line(text) and " " not in text


def is_webhook(text: str) -> bool:
    """As an endpoint, with the query that some receivers want."""
    address, mark, query = text.partition("?")
    return is_endpoint(address) and (not mark or _QUERY.fullmatch(query) is not None)


def is_login_host(text: str) -> bool:
    """A name, which is asked over HTTPS; with a scheme only what never leaves the machine."""
    if text.startswith("http://"):
        return is_endpoint(text) and urlsplit(text).path == ""
    return is_host(text)


def is_authority(text: str) -> bool:
    """Of Microsoft's library, which takes no plain HTTP at all."""
    return is_endpoint(text) and text.startswith("https:")


def authorize_url(text: str) -> str:
    """Where a person signs in: an endpoint, which may have a query (RFC 6749, section 3.1).

    ValueError: another form; its text tells the part that is wrong, and no user name or password
    of it."""
    endpoint = text.partition("?")[0]
    try:
        if is_endpoint(endpoint) and "#" not in text and text.isascii() and text.isprintable():
            return text
        got = _wrong_part(text)
    except ValueError:  # a port or an IPv6 address that is none
        got = "no address"
    raise ValueError(f"got {got}, expected {AN_AUTHORIZE_URL}")


def _wrong_part(text: str) -> str:
    """What an authorization endpoint has that it must not have."""
    parts = urlsplit(text)
    if "@" in parts.netloc:
        return "a user name or password in it"
    if "#" in text:
        return "a fragment (#…) in it"
    if parts.scheme == "http":
        return f"http:// to {parts.hostname!a}"
    if parts.scheme != "https":
        return "no https:// in front"
    return "no address"


def is_prefix(path: str) -> bool:
    """The path below which a reverse proxy serves Vault; `/v1` itself is added to each request."""
    prefix = path.rstrip("/")
    return _PREFIX.fullmatch(prefix) is not None and not prefix.endswith("/v1")


def is_subject(text: str) -> bool:
    """Under a subject that has the prefix in it, a sandbox's token would pass for production's."""
    return "sandbox:" not in text.casefold()


def is_tag(text: str) -> bool:
    """What is taken off first must not take `Sandbox: ` off."""
    return "sandbox" not in text.casefold() and text.strip() == text


def with_single_blanks(text: str) -> str:
    return " ".join(text.split())


def with_lower_case_scheme(text: str) -> str:
    """RFC 3986, section 3.1: case does not matter there."""
    scheme, separator, rest = text.partition("://")
    return scheme.lower() + separator + rest


def without_last_slash(text: str) -> str:
    return text.rstrip("/")


def without_outer_slashes(text: str) -> str:
    return text.strip("/")
