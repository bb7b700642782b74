"""docs/vault-logins.md against a real OpenBao.

Each method is set up by the commands that stand there, and configured by the lines."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.contract.vault import capture
from tests.contract.vault_methods import ISSUER, PASSWORD, Surroundings
from tests.deploy.kit import DEPLOY, ROOT, run
from tests.kit.cluster import KUBERNETES_NAMESPACE, Cluster
from tests.kit.fakes import Silent
from tests.kit.servers import OpenBao
from tests.kit.servers.process import command
from tests.kit.waiting import PATIENCE, until
from token_catcher import config
from token_catcher.advice import NEXT_STEP
from token_catcher.app import App
from token_catcher.model import Stored

pytestmark = pytest.mark.servers

GUIDE = (ROOT / "docs" / "vault-logins.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"(?ms)^##+ ([^\n]+)\n(.*?)(?=^##+ |\Z)", GUIDE))
KEPT_BY_OTHERS = ("A token that somebody else keeps", "No token: Agent or Proxy")


@pytest.fixture(scope="module")
def server() -> Iterator[OpenBao]:
    """Of our own: the commands enable methods at their usual mounts."""
    with OpenBao(tls=True) as server:
        yield server


@dataclass
class Guide:
    """Somebody who follows it."""

    around: Surroundings
    words: Mapping[str, str]
    """What stands for something of the reader's own, and what it is here."""

    def run(self, section: str) -> str:
        """Type the commands of a section; returns what they print."""
        [commands] = blocks(section, "sh")
        done = subprocess.run(
            ["sh", "-eu", "-c", self._ours(commands)],
            cwd=ROOT,
            env=self._administrator(),
            input=PASSWORD,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def configured(self, section: str, **more: str) -> App:
        """With the last lines for `config.yaml` in the section."""
        lines = YAML(typ="safe", pure=True).load(self._ours(blocks(section, "yaml")[-1]))
        vault = lines.get("vault", lines)
        vault["auth"].update(more)
        vault.setdefault("address", self.around.server.url)
        vault["ca_file"] = self.around.server.ca_file
        file = self.around.home / "config.yaml"
        with file.open("w", encoding="utf-8") as opened:
            YAML().dump({**self._rest(), "vault": vault}, opened)
        return App(config.load(file, {}), Silent())

    def _rest(self) -> dict[str, Any]:
        self.around.file("imap-password", "x")
        mailbox = {"name": "m", "host": "localhost", "username": "a@b.example"}
        return {
            "state_dir": str(self.around.home / "state"),
            "mailboxes": [{**mailbox, "password": {"file": "imap-password"}}],
            "orgs": [{"name": "acme", "usernames": ["*@acme.example"]}],
        }

    def _ours(self, text: str) -> str:
        for theirs, ours in self.words.items():
            text = text.replace(theirs, ours)
        return text

    def _administrator(self) -> dict[str, str]:
        server = self.around.server
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(self.around.home),
            "BAO_ADDR": server.url,
            "BAO_CACERT": str(server.ca_file),
            "BAO_TOKEN": server.root_token,
        }


@pytest.fixture
def guide(server: OpenBao, tmp_path: Path) -> Iterator[Guide]:
    """With the policy, which every method needs."""
    with Cluster() as cluster:
        around = Surroundings(server, cluster, tmp_path)
        (tmp_path / "authority.pem").write_bytes(around.authority.cert_pem.bytes())
        (tmp_path / "key.pem").write_text(around.issuer.public_key)
        api = f"{cluster.url} kubernetes_ca_cert=@{tmp_path}/authority.pem"
        words = {
            "/etc/token-catcher/": f"{tmp_path}/",
            "/run/secrets/vault/": f"{tmp_path}/",
            "/var/lib/token-catcher": str(tmp_path),
            "@authority.pem": f"@{tmp_path}/authority.pem",
            "VAULT_ADDR=https://vault.example.com:8200 ": "",
            "7f0c4a5e-…": "ROLE_ID",
            "WORKLOAD": "host1",
            # A Vault outside of the cluster, and one that does not reach the issuer.
            "https://kubernetes.default.svc": f"{api} disable_local_ca_jwt=true",
            f"oidc_discovery_url={ISSUER}": f"jwt_validation_pubkeys=@{tmp_path}/key.pem",
        }
        guide = Guide(around, words)
        guide.run("The policy")
        yield guide


def blocks(section: str, language: str) -> list[str]:
    """The fenced blocks of a section in this language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", SECTIONS[section])


def stores(app: App, org: str) -> bool:
    """Whether a token can be stored so."""
    with closing(app.store) as store:
        return isinstance(store.store(capture(org)), Stored)


def nothing(_around: Surroundings) -> None:
    """The commands have written all there is."""


def put_service_account_token(around: Surroundings) -> None:
    """What the kubelet does."""
    around.file("jwt", around.cluster.token(namespace=KUBERNETES_NAMESPACE))


def jwt_script(home: Path, words: str) -> subprocess.CompletedProcess[str]:
    """The script of the timer with a command in it, by somebody whose umask hides nothing."""
    [text] = blocks("A JWT on a host", "sh")
    script = home / "token-catcher-jwt"
    script.write_text(text.replace("COMMAND", words).replace("/var/lib/token-catcher", str(home)))
    script.chmod(0o755)
    return run("sh", "-c", f"umask 000; exec {script}")


def put_jwt(around: Surroundings) -> None:
    """What the timer does."""
    around.file("issued", around.jwt())
    assert jwt_script(around.home, "cat issued").returncode == 0


def put_certificate(around: Surroundings) -> None:
    """What cert-manager does."""
    around.certificate()


def put_password(around: Surroundings) -> None:
    """What somebody types."""
    around.file("vault-password", PASSWORD)


METHODS: Mapping[str, Callable[[Surroundings], None]] = {
    "Kubernetes": put_service_account_token,
    "JWT": put_jwt,
    "Certificate": put_certificate,
    "Userpass": put_password,
}


@pytest.mark.parametrize("section", METHODS)
def test_a_method_is_set_up_as_its_section_says(guide: Guide, section: str, org: str) -> None:
    """The commands work, the lines load, and a token is stored under the policy."""
    guide.run(section)
    METHODS[section](guide.around)
    assert stores(guide.configured(section), org)


def test_an_approle_is_set_up_as_its_section_says(guide: Guide, org: str) -> None:
    """The script prints the role_id for the lines."""
    role_id = guide.run("AppRole").strip()
    assert stores(guide.configured("AppRole", role_id=role_id), org)


def test_a_new_secret_id_takes_the_place_of_the_old(guide: Guide, org: str) -> None:
    """By the command of its section; the lines of the configuration stay."""
    role_id = guide.run("AppRole").strip()
    file = guide.around.home / "vault-secret-id"
    old = file.read_text()
    assert guide.run("A new secret_id").strip() == role_id
    assert file.read_text() != old
    assert stores(guide.configured("AppRole", role_id=role_id), org)
    login = {"role_id": role_id, "secret_id": old}
    assert guide.around.server.ask("post", "auth/approle/login", login).status == 400


def test_a_wrapped_secret_id_is_taken_and_destroyed_as_its_section_says(
    guide: Guide, org: str
) -> None:
    """Afterwards nobody logs in with it, and nobody goes on with a token of it."""
    guide.words = {
        **guide.words,
        "deploy/vault/setup": f"WRAP_TTL=15m ROLE={org} POLICY=deploy/vault/token-catcher.hcl"
        " deploy/vault/setup",
        "vault-secret-id": "vault-wrapping-token",
        "role/token-catcher/": f"role/{org}/",
    }
    role_id = guide.run("AppRole").strip()
    app = guide.configured("AppRole with a wrapped secret_id", role_id=role_id)
    assert stores(app, org)
    accessors = guide.around.server.tell("list", f"auth/approle/role/{org}/secret-id").data["keys"]
    guide.words = {**guide.words, "=ACCESSOR": f"={accessors[0]}"}
    token = logged_in(guide.around.server, org, role_id)
    told = guide.run("A stolen wrapping token")
    assert re.search(rf"(?m)^{accessors[0]}$", told)  # in the list
    assert re.search(rf"(?m)^secret_id_accessor +{accessors[0]}$", told)
    assert re.search(r"(?m)^metadata +map\[host:\S+ instance:\S+\]$", told)
    until(lambda: is_refused(guide.around.server, token), "the end of the token")
    again = guide.configured("AppRole with a wrapped secret_id", role_id=role_id)
    with closing(again.store) as store, pytest.raises(Exception, match="expired or used up"):
        store.keep_alive()


def logged_in(server: OpenBao, role: str, role_id: str) -> str:
    """A token of the role."""
    secret_id = server.tell("post", f"auth/approle/role/{role}/secret-id").data["secret_id"]
    login = {"role_id": role_id, "secret_id": secret_id}
    return str(server.tell("post", "auth/approle/login", login).body["auth"]["client_token"])


def is_refused(server: OpenBao, token: str) -> bool:
    """Whether Vault knows the token no more."""
    return server.ask("get", "auth/token/lookup-self", token=token).status == 403


def test_the_script_of_the_timer_writes_for_its_user_alone(tmp_path: Path) -> None:
    """One whole file, and says nothing."""
    done = jwt_script(tmp_path, "echo issued")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "jwt").read_text() == "issued\n"
    assert stat.S_IMODE((tmp_path / "jwt").stat().st_mode) == 0o600
    assert not (tmp_path / "jwt.new").exists()


@pytest.mark.parametrize("words", ["false", "true", "echo half; false | cat; exit 1"])
def test_a_jwt_that_was_not_issued_replaces_none(tmp_path: Path, words: str) -> None:
    """Where the command fails, or prints nothing, as a pipe does whose beginning fails."""
    (tmp_path / "jwt").write_text("good")
    assert jwt_script(tmp_path, words).returncode == 1
    assert (tmp_path / "jwt").read_text() == "good"


JWT_UNITS = ("token-catcher-jwt.service", "token-catcher-jwt.timer", "token-catcher.service.d")


def test_systemd_understands_the_units_of_the_timer(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of them, once the script exists."""
    units = blocks("A JWT on a host", "ini")
    analyze = command("systemd-analyze", "sudo apt-get install systemd")
    for name, text in zip(JWT_UNITS, units, strict=True):
        file = tmp_path / name
        if name.endswith(".d"):
            file.mkdir()
            file /= "override.conf"
        file.write_text(text.replace("/usr/local/libexec/token-catcher-jwt", "/bin/true"))
    shipped = (DEPLOY / "systemd" / "token-catcher.service").read_text()
    shipped = shipped.replace("/opt/token-catcher/bin/token-catcher", "/bin/true")
    (tmp_path / "token-catcher.service").write_text(shipped)
    names = [tmp_path / name for name in (*JWT_UNITS[:2], "token-catcher.service")]
    done = run(analyze, "verify", "--man=no", *names)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_of_the_timer_is_the_services_user() -> None:
    """With its directory: what one writes with mode 0600 the other reads."""
    shared = ("DynamicUser", "StateDirectory", "StateDirectoryMode", "UMask")
    shipped = settings((DEPLOY / "systemd" / "token-catcher.service").read_text())
    ours = settings(blocks("A JWT on a host", "ini")[0])
    assert {name: ours[name] for name in shared} == {name: shipped[name] for name in shared}
    # A dynamic user has the name of its unit where the unit gives none.
    assert (ours["User"], "User" in shipped) == ("token-catcher", False)
    assert ours["ExecStart"] in SECTIONS["A JWT on a host"].partition("```")[0]


def settings(unit: str) -> dict[str, str]:
    """Those of a unit that stand there once."""
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", unit))


@pytest.mark.parametrize("section", KEPT_BY_OTHERS)
def test_the_lines_of_a_section_load(guide: Guide, section: str) -> None:
    """What runs beside it is `tests/contract`'s and `tests/system`'s."""
    guide.around.file("token", "s.x")
    guide.words = {**guide.words, "/run/agent/token": str(guide.around.home / "token")}
    assert guide.configured(section).store.token_seconds_left is None


def test_each_refusal_has_a_row() -> None:
    """Every code of a login that there is advice for, and no other."""
    rows = re.findall(r"(?m)^\| (`vault-[^|]*) \|", SECTIONS["What each refusal looks like"])
    told = {code for row in rows for code in re.findall(r"`(vault-[a-z-]+)`", row)}
    advised = {code for code in NEXT_STEP if code.startswith("vault-login")}
    assert told == advised | {"vault-namespace", "vault-secret-id"}
