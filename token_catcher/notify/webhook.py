"""Events by HTTP: CloudEvents 1.0 in JSON, signed as Standard Webhooks says."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from token_catcher.errors import AccessError, ConfigurationError, Outage, Undeliverable
from token_catcher.model import Secret
from token_catcher.notify.notice import Outgoing
from token_catcher.notify.receiver import GONE, REFUSED
from token_catcher.notify.signing import A_KEY, fault_of_key, signature
from token_catcher.oauth import BoundedSession, EndpointAnswer, OtherSide, answer_of, send

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
WEBHOOK: Final = OtherSide(
    "webhook", "notify", "an authority that we trust (ca_file)", "hardly any answer"
)
LATER: Final = frozenset(
    (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
)
"""Of the statuses 400 to 499, those that ask for another try and refuse nothing."""


class Webhook:
    """An address that takes events; see `receiver.Transport`."""

    def __init__(
        self,
        url: str,
        secret: Callable[[], Secret],
        *,
        ca_file: str | None = None,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`secret`: the key to sign with, read at each try. `ca_file`: certificate authorities in
        place of the system's."""
        self._url = url
        self._secret = secret
        self._ca_file = ca_file
        self._now = now
        self._monotonic = monotonic
        # What follows the host may be a secret of the receiver's.
        self._where = f"webhook {urlsplit(url).netloc}"

    def deliver(self, event: Outgoing) -> str:
        """See `receiver.Transport`."""
        body = event.body.encode()
        answer = self._answer("POST", body, self._headers(event.id, body))
        return self._taken(answer.status, answer.retry_after)

    def probe(self) -> str:
        """See `receiver.Transport`.

        OPTIONS is a safe method (RFC 9110, 9.2.1), and goes the way of an event: by the same proxy
        and past the same certificate. Whatever it is answered says nothing of a POST."""
        self._key()
        answer = self._answer("OPTIONS", None, {})
        netloc = urlsplit(self._url).netloc
        return f"{netloc} answers (OPTIONS: {answer.status}); no event was sent"

    def _answer(self, method: str, body: bytes | None, headers: dict[str, str]) -> EndpointAnswer:
        """Outage: there was none."""
        try:
            with self._session() as session:
                return answer_of(send(session, method, self._url, body, headers, WEBHOOK))
        except AccessError as error:
            # What is wrong with its certificate today may be mended within the day.
            trouble = Outage(str(error), code=error.code)
        raise trouble

    def _key(self) -> Secret:
        """ConfigurationError: it is none, or cannot be read."""
        secret = self._secret()
        fault = fault_of_key(secret)
        if fault is not None:
            raise ConfigurationError(
                f"{self._where}: its secret is {fault}, expected {A_KEY}", code="notify-secret"
            )
        return secret

    def _headers(self, event_id: str, body: bytes) -> dict[str, str]:
        secret = self._key()
        seconds = int(self._now().timestamp())
        return {
            "Content-Type": CONTENT_TYPE,
            "webhook-id": event_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(secret, event_id, seconds, body),
        }

    def _session(self) -> BoundedSession:
        try:
            return BoundedSession(self._monotonic, self._ca_file)
        except OSError as error:
            reason = error.strerror
        raise ConfigurationError(
            f"{self._where}: ca_file cannot be used ({reason}), expected PEM certificates",
            code="notify-ca-file",
        )

    def _taken(self, status: int, retry_after: float | None) -> str:
        """What a status means; of the rest of the answer nothing is read."""
        if 200 <= status < 300:
            return f"answered {status}"
        got = f"{self._where}: got status {status}, expected one of 200 to 299"
        if 300 <= status < 400:
            raise Outage(f"{got}; redirects are not followed", code="notify-redirect")
        # Standard Webhooks: the receiver wants no more events at this address.
        if status == HTTPStatus.GONE:
            raise Undeliverable(got, code=GONE)
        # A wrong key or a moved address: within the day somebody can mend it.
        if 400 <= status < 500 and status not in LATER:
            raise Outage(got, code=REFUSED, retry_after=retry_after)
        raise Outage(got, code="notify-status", retry_after=retry_after)
