"""Whether Vault is there and unsealed, by one request that needs no login and leaves no audit line.

Each node says so of itself at `sys/health`. A proxy may keep that question to itself, a namespace
may hide it, and a standby does not say whether there is a leader: then Vault is not known to have
any trouble, and only a request with our login can tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from token_catcher.errors import Outage, TokenCatcherError, TransientError
from token_catcher.vault.inspection import Node, NodeState

SEALED: Final = "vault-sealed"
NEVER_INITIALISED: Final = "vault-uninitialised"
CERTAIN: Final = ("vault-address", "vault-certificate", "vault-client-certificate", "vault-tls")
"""How the codes begin of what keeps every request from that address, whatever it asks for."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the nodes say, taken together."""

    is_clear: bool
    """Whether one of them is known to serve, or every one of them is known not to."""
    error: TokenCatcherError | None = None
    """Why none of them serves."""
    passes: bool = True
    """Whether that may pass without a person; an unsealed Vault is somebody's work."""


SERVES: Final = Pulse(is_clear=True)
UNCLEAR: Final = Pulse(is_clear=False)


def pulse_of(nodes: Iterable[Node]) -> Pulse:
    """Ask one node after the other, until one is found that serves."""
    pulses = []
    for node in nodes:
        pulse = _pulse_at(node)
        if pulse == SERVES:
            return pulse
        pulses.append(pulse)
    if UNCLEAR in pulses:
        return UNCLEAR
    return _together(pulses)


def _pulse_at(node: Node) -> Pulse:
    try:
        state = node.state()
    except TokenCatcherError as error:
        if _is_certain(error):
            return Pulse(True, error, isinstance(error, TransientError))
        return UNCLEAR
    return _pulse_by(state, node.where)


def _is_certain(error: TokenCatcherError) -> bool:
    """Whether no other request would be answered either.

    A question that was sent and not answered may be one that somebody in between swallows."""
    if isinstance(error, Outage) and error.code == "vault-unreachable":
        return not error.was_sent
    return error.code.startswith(CERTAIN)


def _pulse_by(state: NodeState, where: str) -> Pulse:
    if not state.is_initialised:
        return _idle(f"{where} has never been initialised", NEVER_INITIALISED)
    if state.is_sealed:
        return _idle(f"{where} is sealed", SEALED)
    if state.is_standby:
        return UNCLEAR
    return SERVES


def _idle(message: str, code: str) -> Pulse:
    return Pulse(is_clear=True, error=Outage(message, code=code), passes=False)


def _together(pulses: list[Pulse]) -> Pulse:
    """What keeps each of them from serving; the code of what asks for a person comes first."""
    if len(pulses) == 1:
        return pulses[0]
    errors = [pulse.error for pulse in pulses if pulse.error is not None]
    codes = [error.code for error in errors]
    if SEALED in codes:
        codes.insert(0, SEALED)
    error = Outage("; ".join(str(error) for error in errors), code=codes[0])
    return Pulse(True, error, any(pulse.passes for pulse in pulses))
