"""Several addresses of one cluster: the one that last answered is asked first, the others after it.

Another one is tried where there was no answer, and where a node answered that it is none to ask: it
is sealed, stands by, or knows no leader. Whatever else is answered is the cluster's own word.

A request of which nobody knows whether it was carried out is sent again only where that does no
harm: reads, logins, and writes with check-and-set, of which a second one is refused and then found
to be our own. `ONCE` and PUT, which has no check-and-set, are left to the caller.

A redirect is followed to a configured address, and nowhere else: our token would go with it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from token_catcher.connections import Clock
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.ports import Log
from token_catcher.vault.address import Address
from token_catcher.vault.answer import Answer, trouble_of
from token_catcher.vault.transport import Transport

REDIRECTS: Final = (307, 308)
"""How a standby names the leader. The method and the body stay; 301 to 303 are a proxy's."""
STANDBY: Final = (*REDIRECTS, 412, 472, 473, 502, 503, 504)
"""Sealed, behind, a secondary, a performance standby, or a proxy whose node is away."""
ONCE: Final = ("sys/wrapping/unwrap",)
"""What Vault does a single time: the second request would look like a theft."""
_NO_LEADER: Final = "local node not active"
"""A standby, with 500, until there is a leader again."""
_URGENT: Final = ("vault-redirect", "vault-sealed")
"""The codes that ask for a person, and so stand for those beside them."""
_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[a-z0-9._:-]{1,100}", re.ASCII)

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class Cluster:
    """One request, one answer, whichever node gives it. Thread-safe."""

    def __init__(self, address: Address, log: Log, monotonic: Clock = time.monotonic) -> None:
        """`monotonic`: the clock of the deadline of an answer."""
        self._nodes = [Transport(node, monotonic) for node in address.each()]
        self._current = self._nodes[0]
        """The one that last answered."""
        self._log = log

    @property
    def where(self) -> str:
        """The address that is spoken to, for messages."""
        return self._current.where

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The answer, whoever gives it.

        Outage: there was none at any address, or none of them is one to ask. AccessError: each
        address, or its certificate, is wrong."""
        troubles: list[TokenCatcherError] = []
        untried = list(self.nodes_in_order)
        while untried:
            node = untried.pop(0)
            try:
                answer = node.send(method, path, headers, body)
            except TokenCatcherError as error:
                self._raise_what_is_unknown(error, method, path, untried)
                troubles.append(error)
                continue
            trouble = self._why_elsewhere(answer)
            if trouble is None:
                self._stay_at(node, troubles)
                return answer
            self._raise_what_is_unknown(trouble, method, path, untried)
            troubles.append(trouble)
            _put_first(untried, _origin(answer.location))
        raise _together(troubles)

    def get_each(
        self, paths: Iterable[str], headers: Mapping[str, str], goes_on: Callable[[], bool]
    ) -> Generator[Answer, None, None]:
        """See `Transport.get_each`. Asks the node that last answered, and no other."""
        return self._current.get_each(paths, headers, goes_on)

    @property
    def nodes(self) -> Sequence[Transport]:
        """One for each address, in the order of the configuration."""
        return tuple(self._nodes)

    @property
    def nodes_in_order(self) -> Sequence[Transport]:
        """The one that last answered, then those that follow it in the configuration."""
        start = self._nodes.index(self._current)
        return (*self._nodes[start:], *self._nodes[:start])

    def renew(self) -> None:
        """Read the files of certificates anew before the next request; see `Transport.renew`."""
        for node in self._nodes:
            node.renew()

    def close(self) -> None:
        """Free the connections."""
        for node in self._nodes:
            node.close()

    def _raise_what_is_unknown(
        self, error: TokenCatcherError, method: str, path: str, untried: Sequence[Transport]
    ) -> None:
        """Raise the error where the request may have been carried out, and must not be twice.

        The next request begins elsewhere."""
        is_unknown = isinstance(error, Outage) and error.was_sent
        if not is_unknown or _may_be_repeated(method, path):
            return
        if untried:
            self._stay_at(untried[0], [error])
        raise error

    def _why_elsewhere(self, answer: Answer) -> TokenCatcherError | None:
        """Why another address is asked; None: this is the answer."""
        if answer.status in REDIRECTS:
            target = _origin(answer.location)
            if target is not None and not self._is_configured(target):
                return _sent_away(answer, target)
        if len(self._nodes) == 1 or not _stands_by(answer):
            return None
        return trouble_of(answer, answer.where)

    def _is_configured(self, target: Origin) -> bool:
        return any(_origin(node.url) == target for node in self._nodes)

    def _stay_at(self, node: Transport, troubles: Sequence[TokenCatcherError]) -> None:
        """Begin with this one from now on, where others had trouble."""
        before = self._current
        # Without any, another thread has left this node meanwhile.
        if not troubles or node is before:
            return
        self._current = node
        self._log.info(
            "vault.address_changed", address=node.url, before=before.url, code=troubles[0].code
        )


def _may_be_repeated(method: str, path: str) -> bool:
    return method != "put" and path not in ONCE


def _stands_by(answer: Answer) -> bool:
    """Whether the node says that it is none to ask.

    A quota has the number that a standby's health has, and is the cluster's own word."""
    if answer.status == 429:
        return "standby" in answer.body
    if answer.status == 500:
        return answer.says(_NO_LEADER)
    return answer.status in STANDBY


def _origin(url: str) -> Origin | None:
    """Whom a request to this URL goes to. None: nobody who is named."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        return None
    return parts.scheme, host, port or _PORTS[parts.scheme]


def _put_first(nodes: list[Transport], target: Origin | None) -> None:
    """The leader that a standby names is asked next, unless it was asked before."""
    for node in nodes:
        if target is not None and _origin(node.url) == target:
            nodes.remove(node)
            nodes.insert(0, node)
            return


def _sent_away(answer: Answer, target: Origin) -> Outage:
    """A redirect that is not followed. An outage: during an election it passes by itself."""
    scheme, host, port = target
    if ":" in host:
        host = f"[{host}]"
    return Outage(
        f"{answer.where} redirects to {scheme}://{host}:{port} (got {answer.status}), which is none"
        " of vault.address, so our token is not sent there",
        code="vault-redirect",
    )


def _together(troubles: Sequence[TokenCatcherError]) -> TokenCatcherError:
    """What keeps each address from answering, in one error."""
    if len(troubles) == 1:
        return troubles[0]
    message = "; ".join(str(trouble) for trouble in troubles)
    codes = [trouble.code for trouble in troubles]
    if all(isinstance(trouble, AccessError) for trouble in troubles):
        return AccessError(message, code=codes[0])
    urgent = [code for code in _URGENT if code in codes]
    return Outage(message, code=[*urgent, *codes][0])
