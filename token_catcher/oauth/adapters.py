"""How requests comes to the connections of which no answer lasts for ever."""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter

from token_catcher.connections import Clock, Pool, TlsPool


class PlainAdapter(HTTPAdapter):
    """Over TCP."""

    def __init__(self, monotonic: Clock) -> None:
        self._monotonic = monotonic
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Where requests makes what makes its connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools()

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """The same for connections through a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pools()
        return manager

    def _pools(self) -> dict[str, Any]:
        return {
            "http": partial(Pool, self._monotonic),
            "https": partial(TlsPool, self._monotonic),
        }


class TlsAdapter(PlainAdapter):
    """With a context of ours, and nothing of requests' own authorities."""

    def __init__(self, context: ssl.SSLContext, monotonic: Clock) -> None:
        self._context = context
        super().__init__(monotonic)

    def build_connection_pool_key_attributes(self, *arguments: Any, **options: Any) -> Any:
        """Where requests lets a context be put in."""
        host, _ = super().build_connection_pool_key_attributes(*arguments, **options)
        return host, {"ssl_context": self._context}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """The context knows; requests would add its own authorities to it."""
