"""What a scan asks Vault of users' tokens, many of them at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fakes import Silent
from tests.kit.secrets import Secrets
from tests.kit.waiting import PATIENCE
from tests.unit.commands.records import entry
from token_catcher.app import App
from token_catcher.config import load
from token_catcher.losses import TOGETHER, WITHIN, losses_of
from token_catcher.vault import Version

CONFIG = """\
state_dir: {home}/state
mailboxes:
  - name: integrations
    host: 127.0.0.1
    username: someone@example.com
    password: {{env: NO_SUCH_PASSWORD}}
orgs:
  - name: acme-production
    usernames: ["*@acme.example"]
vault:
  address: http://127.0.0.1:9
  auth: {{method: token, token: {{env: NO_SUCH_TOKEN}}}}
"""
NO_SECRET = Version(0, "")


@pytest.fixture
def app_over(tmp_path: Path) -> Callable[..., App]:
    """The program over such a Vault, with a record of so many users' tokens."""

    def made(secrets: Secrets, users: int) -> App:
        file = tmp_path / "config.yaml"
        file.write_text(CONFIG.format(home=tmp_path), "utf-8")
        app = App(load(file, {}, secrets=False), Silent())
        for number in range(users):
            name = f"user{number}@acme.example"
            app.journal.append(
                entry(number, username=name, path=f"salesforce/acme-production/{name}")
            )
        app.store = secrets  # type: ignore[assignment] # the part of it that is asked
        return app

    return made


@dataclass
class Together(Secrets):
    """Answers when so many questions have come."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(TOGETHER))

    def latest(self, path: str) -> Version | None:
        self.barrier.wait(PATIENCE)
        return super().latest(path)


def test_several_users_are_asked_about_at_a_time(app_over: Callable[..., App]) -> None:
    """Most of an answer's time is its way. What is lost is told in the order of the records."""
    app = app_over(Together(NO_SECRET), 2 * TOGETHER)
    losses = losses_of(app, ["integrations"])
    assert [lost.entry.uid for lost in losses.lost] == list(range(2 * TOGETHER))
    assert {lost.code for lost in losses.lost} == {"vault-secret-gone"}
    assert losses.unasked == 0


def test_what_was_stored_just_now_is_not_asked_about(app_over: Callable[..., App]) -> None:
    """Nor is what came to another mailbox."""
    app = app_over(Secrets(NO_SECRET), 3)
    losses = losses_of(app, ["integrations"], {entry(1).mail})
    assert [lost.entry.uid for lost in losses.lost] == [0, 2]
    assert losses_of(app, ["another"]).lost == ()


def test_once_the_time_is_over_nobody_is_asked_about(app_over: Callable[..., App]) -> None:
    """Who has thousands of users does not wait for long; how many are left is told."""
    secrets: Any = Secrets(NO_SECRET)
    times = iter([0.0, WITHIN - 0.1, *[WITHIN] * 5])
    losses = losses_of(app_over(secrets, 6), ["integrations"], monotonic=lambda: next(times))
    assert (len(losses.lost), losses.unasked, secrets.asked) == (1, 5, ["metadata"])
