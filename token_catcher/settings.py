"""What every command goes by: the configuration that applies, and as whom we read it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from token_catcher import config, log, ownership
from token_catcher.ports import Log
from token_catcher.process import keep_to_ourselves

if TYPE_CHECKING:
    from token_catcher.app import App


@dataclass(slots=True)
class Settings:
    """What every command goes by."""

    file: str | None
    """That of `--config`, wherever it stands."""

    def load(self, *, secrets: bool = True) -> config.Config:
        """The configuration that applies. ConfigurationError: none, or not a valid one.

        `secrets`: whether the command needs them, so that they must be there."""
        return config.load(self.find(), os.environ, secrets=secrets)

    def build(self, *, writing: bool, secrets: bool = True) -> App:
        """The program over that configuration, with its log set up.

        ConfigurationError: as `load`, and where root cannot become the owner of `state_dir`."""
        if writing or secrets:
            self.work_as_owner()
        loaded = self.load(secrets=secrets)
        events = log.setup(loaded.log.level, loaded.log.format, results=sys.stdout)
        if secrets:
            warn_of_shared_secrets(loaded, events)
        return _app(loaded, events, writing=writing)

    def find(self) -> Path:
        """The configuration's file. ConfigurationError: there is none."""
        return config.find(self.file, os.environ)

    def load_alone(self) -> config.Config:
        """Without the secrets. ConfigurationError: there is none, or it is refused."""
        return self.load(secrets=False)

    def build_quiet(self) -> App:
        """The program as `check` takes it: secrets may be missing, and nothing is written.

        ConfigurationError: as `build`. Its log has errors alone: what is worth a warning is a step
        of its own."""
        self.work_as_owner()
        loaded = self.load(secrets=False)
        return _app(loaded, log.setup("error", loaded.log.format), writing=False)

    def work_as_owner(self) -> None:
        """Where root runs us, go on as the owner of `state_dir`, who is the daemon.

        What is written there could not be read by the daemon else, and what root may read would
        hide that the daemon may not."""
        if os.geteuid() == ownership.ROOT:
            ownership.work_as_owner(self.load(secrets=False).state_dir)
            # Whoever changes users is open to debuggers again, where the system allows it.
            keep_to_ourselves()


def _app(loaded: config.Config, events: Log, *, writing: bool) -> App:
    # Not above: it knows of all parts of the program, and not every command has use for it.
    from token_catcher.app import App

    return App(loaded, events, writing=writing)


def warn_of_shared_secrets(loaded: config.Config, events: Log) -> None:
    """Once for each file: everybody of its group can read it as well."""
    shared = {source.where: source.shared() for source in config.sources_in(loaded)}
    for path, mode in shared.items():
        if mode is not None:
            note = f"got mode {mode}, expected 0600: the file's group can read it too"
            events.warning("secret.shared", path=path, note=note)
