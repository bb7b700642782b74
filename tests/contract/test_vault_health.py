"""The health of a real Vault, round by round under a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.vault import shipped_policy
from tests.kit.fakes import Silent, utc_now
from tests.kit.servers import OpenBao
from token_catcher.app import App
from token_catcher.config import load
from token_catcher.daemon import VaultHealth, VaultPulse, VaultTrouble
from token_catcher.daemon.vault_health import ADMITTED
from token_catcher.diagnosis import admission_trouble, vault_pulse, vault_trouble

ROUND = 15.0
CONFIG = """\
state_dir: {home}/state
mailboxes:
  - name: integrations
    host: 127.0.0.1
    username: someone@example.com
    password: {{env: NO_SUCH_PASSWORD}}
orgs:
  - name: acme-production
    usernames: [integration@acme.example]
vault:
  address: {url}
  auth: {{method: token, token: {{file: {home}/token}}}}
"""


@dataclass
class Bench:
    """The duties of a configuration over this server; nothing is looked for that it has lost."""

    app: App
    openbao: OpenBao
    token: str
    time: float = 1000.0

    def __post_init__(self) -> None:
        self.health = VaultHealth(Silent(), now=utc_now, monotonic=lambda: self.time)

    def pulse(self) -> VaultPulse:
        """As the daemon has it."""
        return vault_pulse(self.app)

    def keep_alive(self) -> None:
        """As the daemon has it."""
        self.app.store.keep_alive()

    def admission(self) -> VaultTrouble | None:
        """As the daemon has it."""
        return admission_trouble(self.app)

    def check(self) -> VaultTrouble | None:
        """As the daemon has it."""
        return vault_trouble(self.app)

    def restore(self) -> None:
        """Nothing is lost."""

    def expect_losses(self) -> None:
        """Nothing is lost."""

    def after(self, seconds: float = ROUND) -> tuple[str | None, bool]:
        """The trouble after another round, and whether the daemon is ready."""
        self.time += seconds
        self.health.check(self)
        use = self.health.use
        if use.trouble is None:
            return None, use.is_ready
        return use.trouble.code, use.is_ready


@pytest.fixture
def bench(own_openbao: OpenBao, tmp_path: Path) -> Bench:
    """Under the policy of `deploy/`."""
    token = own_openbao.token(shipped_policy(own_openbao))
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(token)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(home=tmp_path, url=own_openbao.url))
    app = App(load(config, {}, secrets=False), Silent(), writing=False)
    return Bench(app, own_openbao, token)


def test_a_vault_that_goes_away_is_known_in_the_next_round_and_so_is_its_return(
    bench: Bench,
) -> None:
    """Sealed by a person, who has to unseal it; killed, and started again."""
    assert bench.after() == (None, True)
    bench.openbao.seal()
    assert bench.after() == ("vault-sealed", False)
    bench.openbao.unseal()
    assert bench.after() == (None, True)
    bench.openbao.kill()
    assert bench.after() == ("vault-unreachable", True)
    bench.openbao.start()
    assert bench.after() == (None, True)


def without_rights(bench: Bench) -> None:
    """The policy grants nothing any more."""
    bench.openbao.policy("token-catcher", 'path "secret/elsewhere" { capabilities = ["read"] }')


def without_token(bench: Bench) -> None:
    """Somebody has revoked our token, and there is no other one."""
    bench.openbao.revoke(bench.token)


def without_mount(bench: Bench) -> None:
    """It was unmounted."""
    bench.openbao.tell("delete", "sys/mounts/secret")


@pytest.mark.parametrize(
    ("refuse", "code"),
    [
        (without_rights, "vault-policy"),
        (without_token, "vault-login-token"),
        (without_mount, "vault-mount"),
    ],
    ids=["rights", "token", "mount"],
)
def test_a_vault_that_refuses_us_is_known_within_five_minutes(
    bench: Bench, refuse: Callable[[Bench], None], code: str
) -> None:
    """It serves, so its pulse tells nothing; only a request with our login does."""
    assert bench.after() == (None, True)
    refuse(bench)
    assert bench.after() == (None, True)
    assert bench.after(ADMITTED) == (code, False)


def test_a_vault_that_hangs_is_asked_with_our_login(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and answers nothing: that is told by what answered before."""
    monkeypatch.setattr("token_catcher.vault.transport.READ_TIMEOUT", 0.3)
    assert bench.after() == (None, True)
    bench.time += ADMITTED / 2
    bench.openbao.freeze()
    assert bench.after() == ("vault-unreachable", True)
    bench.openbao.thaw()
    assert bench.after() == (None, True)
