"""deploy/systemd: the unit says what the program expects, and lets it do almost no harm."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.deploy.kit import DEPLOY, ROOT, run
from tests.kit.servers import OpenBao, missing
from tests.kit.servers.process import command
from token_catcher.commands.output import ExitCode
from token_catcher.daemon.loop import FINISH_WITHIN
from token_catcher.daemon.watch import LOGOUT_WITHIN
from token_catcher.service import A_FOLDER, A_SWEEP, BESIDES

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
        "RestartPreventExitStatus": ["2 243"],
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
    assert "/opt/token-catcher/bin/token-catcher" in done.stderr


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


# -- deploy/README.md, typed --

README = (DEPLOY / "README.md").read_text("utf-8")


def typed(heading: str) -> list[str]:
    """The commands of a section, as they stand there."""
    section = re.split(r"(?m)^###? ", README.partition(f" {heading}\n")[2])[0]
    return re.findall(r"(?m)^    (\S.*)$", section)


def test_the_host_is_set_up_in_the_order_of_the_page(
    openbao: OpenBao, org: str, tmp_path: Path
) -> None:
    """Vault first, then the host: each command works when its turn has come.

    Left out are the download of the program, and systemd itself, which a test has not."""
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    lines = [*typed("Vault"), *typed("A host with systemd")]
    script = "\n".join(line for line in lines if "pip " not in line and "venv" not in line)
    for theirs, ours in {
        "/etc/systemd/system": f"{tmp_path}/systemd",
        "/etc/token-catcher": f"{tmp_path}/etc/token-catcher",
        "/opt/token-catcher/bin/": "",
        "/usr/local/sbin/token-catcher": f"{tmp_path}/command",
        "https://vault.example.com:8200": openbao.url,
        "VAULT_TOKEN=…": f"VAULT_TOKEN={openbao.root_token}",
    }.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(tmp_path), "ROLE": org}
    done = run("sh", "-euc", script, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    role_id = openbao.tell("get", f"auth/approle/role/{org}/role-id").data["role_id"]
    assert done.stdout.startswith(role_id)
    files = {path.name for path in (tmp_path / "etc" / "token-catcher").iterdir()}
    assert files == {"config.yaml", "imap-password", "vault-secret-id"}
    assert (tmp_path / "systemd" / UNIT.name).read_text() == UNIT.read_text()


def test_page_unit_and_example_mean_the_same_files(unit: dict[str, list[str]]) -> None:
    """The credentials, the configuration and the program, in every text that names them."""
    (state,) = unit["StateDirectory"]
    example = (ROOT / "config.example.yaml").read_text("utf-8")
    assert f"state_dir: /var/lib/{state} " in example
    readme = (ROOT / "README.md").read_text("utf-8")
    for credential in unit["LoadCredential"]:
        name, _, file = credential.partition(":")
        place = f"{{file: /run/credentials/{UNIT.name}/{name}}}"
        assert place in example
        assert place in readme
        assert file in README
    (config,) = unit["AssertPathExists"]
    tunables = "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0"
    assert unit["Environment"] == [f"TOKEN_CATCHER_CONFIG={config}", tunables]
    assert f"ENV {tunables}\n" in (ROOT / "deploy/container/Containerfile").read_text("utf-8")
    assert f"mv {config}.new {config}" in README
    program = unit["ExecStart"][0].removesuffix(" run")
    for text in (README, COMMAND.read_text()):
        assert program in text


def test_the_unit_has_room_for_a_thousand_mailboxes(unit: dict[str, list[str]]) -> None:
    """Of two folders each: open files as the program counts them, and a thread for each folder."""
    (files,) = unit["LimitNOFILE"]
    (tasks,) = unit["TasksMax"]
    assert int(files) >= BESIDES + 1000 * (2 * A_FOLDER + A_SWEEP)
    assert int(tasks) >= 1000 * 2 + 100


def test_the_first_start_waits_for_a_configuration(
    analyze: str, unit: dict[str, list[str]], tmp_path: Path
) -> None:
    """Without the file the start fails, and with it no more: systemd says so itself."""
    (file,) = unit["AssertPathExists"]
    ours = tmp_path / "config.yaml"
    condition = f"AssertPathExists={ours}"
    assert file == "/etc/token-catcher/config.yaml"
    before = run(analyze, "condition", condition)
    ours.touch()
    after = run(analyze, "condition", condition)
    assert (before.returncode, after.returncode) == (1, 0), before.stderr + after.stderr


def test_what_cannot_mend_itself_is_not_tried_again(unit: dict[str, list[str]]) -> None:
    """Neither a configuration that is wrong, nor a credential that is not there."""
    prevented = set(unit["RestartPreventExitStatus"][0].split())
    assert prevented == {str(int(ExitCode.USAGE)), "243"}


CREDENTIALS = typed("Secrets that lie encrypted")


def test_secrets_are_encrypted_as_typed(tmp_path: Path) -> None:
    """What systemd decrypts is what was typed, under its own name and no other."""
    creds = command("systemd-creds", "sudo apt-get install systemd")
    environment = {
        "PATH": os.environ["PATH"],
        "SYSTEMD_CREDENTIAL_SECRET": str(tmp_path / "host.secret"),
    }
    for name in ("imap-password", "vault-secret-id"):
        (tmp_path / name).write_text(f"{name} of a test")
    encrypting = [line for line in CREDENTIALS if line.startswith("systemd-creds")]
    assert len(encrypting) == 2
    for line in encrypting:
        words = line.replace("/etc/token-catcher", str(tmp_path))
        # A container has no TPM to ask for.
        done = run("sh", "-euc", f"{words} --with-key=host", env=environment)
        assert done.returncode == 0, done.stderr
    for name in ("imap-password", "vault-secret-id"):
        file = tmp_path / f"{name}.cred"
        assert "of a test" not in file.read_text()
        shown = run(creds, "decrypt", f"--name={name}", file, "-", env=environment)
        assert shown.stdout == f"{name} of a test", shown.stderr
        assert run(creds, "decrypt", "--name=other", file, "-", env=environment).returncode != 0


def test_systemd_understands_the_drop_in(analyze: str, tmp_path: Path) -> None:
    """It takes the place of the plain credentials."""
    (text,) = re.findall(r"(?s)```ini\n(.*?)```", README)
    assert [line.partition(":")[0] for line in text.splitlines()[2:]] == [
        "LoadCredentialEncrypted=imap-password",
        "LoadCredentialEncrypted=vault-secret-id",
    ]
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace("/opt/token-catcher/bin/token-catcher", "/bin/true"))
    (tmp_path / f"{UNIT.name}.d").mkdir()
    (tmp_path / f"{UNIT.name}.d" / "override.conf").write_text(text)
    done = run(analyze, "verify", "--man=no", there)
    assert (done.returncode, done.stderr) == (0, "")
