"""`scan --wait` while something happens beside it: older mail, a sealed Vault, no time at all."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.processes import reaped
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE

WHO = "integration@acme.example"


def waiting(tool: Program) -> subprocess.Popen[str]:
    """A wait that has begun."""
    process = reaped(
        subprocess.Popen(
            tool.words("scan", "--wait", "2m", "--user", WHO),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=tool.environment(),
        )
    )
    assert process.stderr is not None
    while "waiting for a new token of " not in process.stderr.readline():
        assert process.poll() is None
    return process


def next_line(process: subprocess.Popen[str]) -> str:
    """The next result."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_an_older_token_does_not_end_it(tool: Program, dovecot: Dovecot, user: str) -> None:
    """Salesforce's mails overtake each other: the older one is told, the next one is waited for."""
    now = datetime.now(UTC).replace(microsecond=0)
    dovecot.deliver(mails.genuine(WHO, mails.token(1), issued_at=now), user)
    assert tool("scan").code == 0
    process = waiting(tool)
    older = now - timedelta(minutes=1)
    dovecot.deliver(mails.genuine(WHO, mails.token(2), issued_at=older), user)
    assert next_line(process).endswith(" stale\n")
    newer = now + timedelta(seconds=1)
    dovecot.deliver(mails.genuine(WHO, mails.token(3), issued_at=newer), user)
    out, _err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert out.splitlines()[-1].startswith(f"found  {WHO} → ")


def test_a_vault_that_is_sealed_meanwhile(
    tmp_path: Path, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """The mail waits and is told as that; once Vault is unsealed, its token ends the wait."""
    tool = program(tmp_path / "tool", dovecot, own_openbao, user, org)
    process = waiting(tool)
    own_openbao.seal()
    now = datetime.now(UTC).replace(microsecond=0)
    dovecot.deliver(mails.genuine(WHO, mails.token(1), issued_at=now), user)
    assert " vault-sealed: " in next_line(process)
    own_openbao.unseal()
    out, _err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert out.splitlines()[-1].startswith(f"found  {WHO} → ")


def test_hardly_any_time(tool: Program, dovecot: Dovecot, user: str) -> None:
    """It looks once at least; what is there then counts. No time is no duration."""
    assert tool("scan", "--wait", "0s", "--user", WHO).code == 2
    assert tool("scan", "--wait", "1s", "--user", WHO).code == 3
    now = datetime.now(UTC).replace(microsecond=0)
    dovecot.deliver(mails.genuine(WHO, mails.token(1), issued_at=now), user)
    done = tool("scan", "--wait", "1s", "--user", WHO)
    assert (done.code, "found  " in done.out) == (0, True)


def test_a_pattern_is_no_user(tool: Program) -> None:
    """Whose token is waited for is one user: a pattern of the configuration is refused."""
    done = tool("scan", "--wait", "1m", "--user", "*@acme.example")
    assert (done.code, done.out) == (2, "")


def test_a_login_that_is_refused_meanwhile(tool: Program, dovecot: Dovecot, user: str) -> None:
    """It ends at once, and asks no second time: the account would be locked."""
    process = waiting(tool)
    older = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    dovecot.deliver(mails.genuine(WHO, mails.token(1), issued_at=older), user)
    assert next_line(process).endswith(" v1\n")  # so it has logged in
    dovecot.set_password("changed", user)
    dovecot.kick(user)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    told = [line.split(":")[0] for line in out.splitlines() if not line.startswith(" ")]
    assert told == ["integrations  error  imap-connection", "integrations  error  imap-login"]
    assert f"token-catcher: no new token of {WHO} came within 0:02:00" in err


@pytest.mark.parametrize("ahead", ["3600", "-3600"])
def test_a_clock_that_is_an_hour_off(
    tool: Program, dovecot: Dovecot, user: str, ahead: str
) -> None:
    """What was issued half an hour ago is of an earlier reset, what was issued now is not."""
    clock = tool.home / "clock"
    clock.write_text(ahead, "ascii")
    tool.command = (sys.executable, "-m", "tests.system.surroundings")
    tool.env = {"SURROUNDINGS_CLOCK": str(clock)}
    process = waiting(tool)
    now = datetime.now(UTC).replace(microsecond=0)
    older = now - timedelta(minutes=30)
    dovecot.deliver(mails.genuine(WHO, mails.token(1), issued_at=older), user)
    assert next_line(process).endswith(" v1\n")
    dovecot.deliver(mails.genuine(WHO, mails.token(2), issued_at=now), user)
    out, _err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert [line.split("→")[0].split()[-2:] for line in out.splitlines()] == [
        ["stored", WHO],
        ["found", WHO],
    ]


def test_a_time_out_tells_of_clocks_that_differ(tool: Program, dovecot: Dovecot, user: str) -> None:
    """A token may be in Vault and be passed over for the clock alone."""
    clock = tool.home / "clock"
    clock.write_text("-3600", "ascii")
    tool.command = (sys.executable, "-m", "tests.system.surroundings")
    tool.env = {"SURROUNDINGS_CLOCK": str(clock)}
    older = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    dovecot.deliver(mails.genuine(WHO, mails.token(1), issued_at=older), user)
    done = tool("scan", "--wait", "1s", "--user", WHO)
    assert done.code == 3
    assert "- this machine's clock is 60 min behind Vault's, so only a token " in done.err
