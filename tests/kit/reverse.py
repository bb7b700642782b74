"""A reverse proxy of a test's own: it answers some requests by itself and passes the others on."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from tests.kit.scripted import HttpReply, HttpRequest, HttpScript

PAGE = b"<html>not here</html>"


def page(status: int) -> HttpReply:
    """What a proxy says by itself, in HTML."""
    return HttpReply(status, PAGE, {"Content-Type": "text/html"})


class ReverseProxy(HttpScript):
    """In front of an HTTP server. `own`: by the beginning of `METHOD /path`, its own answers."""

    def __init__(self, target: str, own: Mapping[str, HttpReply]) -> None:
        super().__init__({})
        self._target = target
        self.own = dict(own)
        self._session = requests.Session()
        self._session.trust_env = False

    def reply(self, request: HttpRequest) -> HttpReply:
        """Its own answer, or the server's."""
        line = f"{request.method} {request.path}"
        for name, answer in self.own.items():
            if line.startswith(name):
                return answer
        answered = self._session.request(
            request.method,
            self._target + request.path,
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
        )
        kind = answered.headers.get("Content-Type", "")
        return HttpReply(answered.status_code, answered.content, {"Content-Type": kind})

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self._session.close()
