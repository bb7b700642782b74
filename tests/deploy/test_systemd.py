"""deploy/systemd: the unit says what the program expects, and lets it do almost no harm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.kit import DEPLOY, run
from tests.kit.servers import missing
from tests.kit.servers.process import command
from token_catcher.daemon.loop import FINISH_WITHIN
from token_catcher.daemon.watch import LOGOUT_WITHIN

UNIT = DEPLOY / "systemd" / "token-catcher.service"
COMMAND = DEPLOY / "systemd" / "token-catcher.sh"


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """Every setting of the unit with its values, in their order."""
    settings: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture(scope="module")
def analyze() -> str:
    """systemd-analyze, of a version that can look at files."""
    path = command("systemd-analyze", "sudo apt-get install systemd")
    version = run(path, "--version").stdout.split()[1]
    if int(version) < 250:
        missing("systemd-analyze of systemd 250 or newer", f"this one is {version}")
    return path


def test_exposure_is_low(analyze: str) -> None:
    """`systemd-analyze security` finds at most 1.5, where 10 may do everything."""
    done = run(analyze, "security", "--offline=true", "--no-pager", "--threshold=15", UNIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Overall exposure level for token-catcher.service: 1\.[0-5]\b", done.stdout)


def test_systemd_understands_every_line(analyze: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of the unit, once its command exists."""
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace("/opt/token-catcher/bin/token-catcher", "/bin/true"))
    done = run(analyze, "verify", "--man=no", there)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_fits_the_daemon(unit: dict[str, list[str]]) -> None:
    """Readiness, watchdog, reload and exit codes are those of the program."""
    expected = {
        "Type": ["notify"],
        "ExecReload": ["/bin/kill -HUP $MAINPID"],
        "WatchdogSec": ["60s"],
        "Restart": ["on-failure"],
        "RestartPreventExitStatus": ["2"],
        "LimitCORE": ["0"],
        "DynamicUser": ["yes"],
        "MemoryDenyWriteExecute": ["yes"],
        "SystemCallFilter": ["@system-service", "~@privileged @resources"],
        "StateDirectory": ["token-catcher"],
        "StateDirectoryMode": ["0700"],
        "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    }
    assert {name: unit.get(name) for name in expected} == expected
    assert float(unit["TimeoutStopSec"][0].removesuffix("s")) > FINISH_WITHIN + LOGOUT_WITHIN


def test_secrets_come_as_credentials(unit: dict[str, list[str]]) -> None:
    """The unit names files of secrets and holds none.

    The comment shows the path at which the configuration finds them."""
    assert unit["LoadCredential"] == [
        f"{name}:/etc/token-catcher/{name}" for name in ("imap-password", "vault-secret-id")
    ]
    assert "{file: /run/credentials/token-catcher.service/imap-password}" in UNIT.read_text()
    assert not {"SetCredential", "PassEnvironment", "EnvironmentFile"} & set(unit)


def test_the_command_runs_as_the_service_or_not_at_all(tmp_path: Path) -> None:
    """Beside a service that does not run, the command says so, and runs nothing as root."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\necho 0\n")
    systemctl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = run(COMMAND, "status", env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not running" in done.stderr


def test_the_command_enters_the_service(tmp_path: Path) -> None:
    """It takes the service's mount namespace, user and group, and hands every argument on."""
    for name, says in (("systemctl", "echo $PPID"), ("nsenter", 'printf "%s\\n" "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = run(COMMAND, "scan", "--user", "a b", env=environment)
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    owner = Path("/proc/self").stat()
    assert words[0] == "--target"
    assert words[2:] == [
        "--mount",
        "--setuid",
        str(owner.st_uid),
        "--setgid",
        str(owner.st_gid),
        "/opt/token-catcher/bin/token-catcher",
        "scan",
        "--user",
        "a b",
    ]
