"""How each receiver is reached: its section of the configuration, as the adapters take it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Final

from token_catcher import notify
from token_catcher.config import Config, ReceiverConfig, sources_in

COMMANDS_AT_A_TIME: Final = 4
"""Of one receiver, each for another user."""


def receivers_in(config: Config, now: Callable[[], datetime]) -> list[notify.Receiver]:
    """Those that are configured, in their order."""
    return [_receiver(section, config, now) for section in config.notify]


def _receiver(
    section: ReceiverConfig, config: Config, now: Callable[[], datetime]
) -> notify.Receiver:
    workers = 1
    if section.command is not None:
        workers = COMMANDS_AT_A_TIME
    kinds = frozenset(section.on)
    return notify.Receiver(section.called, kinds, _transport(section, config, now), workers)


def _transport(
    section: ReceiverConfig, config: Config, now: Callable[[], datetime]
) -> notify.Transport:
    if section.webhook is not None:
        webhook = section.webhook
        ca_file = None
        if webhook.ca_file is not None:
            ca_file = str(webhook.ca_file)
        return notify.Webhook(webhook.url, webhook.secret.read, ca_file=ca_file, now=now)
    if section.command is not None:
        return notify.Command(section.command, environment_without_secrets(config))
    assert section.apprise is not None  # the schema wants one of the three
    return notify.People(section.apprise.read)


def environment_without_secrets(config: Config) -> dict[str, str]:
    """Ours, without the variables that hold a secret by this configuration."""
    secret = {source.where for source in sources_in(config) if source.kind == "env"}
    return {name: value for name, value in os.environ.items() if name not in secret}
