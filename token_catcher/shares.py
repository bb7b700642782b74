"""Which of the configured mailboxes are this instance's."""

from __future__ import annotations

import socket

from token_catcher.config import Config
from token_catcher.daemon import index_from, mine
from token_catcher.errors import ConfigurationError


def own_mailboxes(config: Config) -> list[str]:
    """The mailboxes of this instance, by name. ConfigurationError: its index is not known."""
    names = [mailbox.name for mailbox in config.mailboxes]
    if config.shard is None:
        return names
    return mine(names, *shard_of(config), config.shard.replicas)


def shard_of(config: Config) -> tuple[int, int]:
    """Index and count. ConfigurationError: the index is to come from the host name, in vain."""
    if config.shard is None:
        return 0, 1
    index = config.shard.index
    if isinstance(index, str):  # the only word that the schema takes
        index = index_from(socket.gethostname())
    if index >= config.shard.count:
        raise ConfigurationError(
            f"shard.index: got {index} from the host name, "
            f"expected less than count ({config.shard.count})"
        )
    return index, config.shard.count
