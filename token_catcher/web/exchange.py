"""One request of HTTP, as far as anything here goes by it, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is no page."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a request carries. Texts are empty where it carries none."""

    host: str = ""
    authorization: str = ""
    cookie: str = ""
    body: bytes | None = None
    """Of a POST; None: it is a GET or a HEAD."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of HTTP; the server adds the headers that all have."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"
    policy: str = NOTHING
    headers: tuple[tuple[str, str], ...] = ()
    """Further ones."""


Routes = Mapping[str, Callable[[Request], Response]]
"""Every path there is, and what makes the answer."""


def plain(status: HTTPStatus, text: str) -> Response:
    """A line of text."""
    return Response(status, f"{text}\n")
