"""The keys of the journal, where the configuration says that they are."""

from __future__ import annotations

from token_catcher import config
from token_catcher.errors import ConfigurationError
from token_catcher.record import NO_KEYS, SHORTEST_KEY, Keyring


def keyring_of(source: config.SecretSource | None) -> Keyring:
    """The keys of a journal, as they are now. ConfigurationError: there are none in that place."""
    if source is None:
        return NO_KEYS
    try:
        return Keyring.of(source.read())
    except ValueError as error:
        expected = f"at least {SHORTEST_KEY} characters a line"
        problem = f"the journal's key {source}: got {error}, expected {expected}"
        raise ConfigurationError(problem, code="secret") from None
