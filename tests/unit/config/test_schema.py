"""What loads, and what is filled in."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
import trustme
from ruamel.yaml import YAML

from tests.unit.config.texts import ENVIRON, MINIMAL, changed, load, write_secret
from token_catcher import config, proof
from token_catcher.config import Listen
from token_catcher.config.schema import Policy
from token_catcher.config.units import duration_text
from token_catcher.errors import ConfigurationError
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo
from token_catcher.proof.authres import Zone
from token_catcher.proof.routing import Org

EFFECTIVE = {
    "state_dir": "/var/lib/token-catcher",
    "instance": "one",
    "mailboxes": (
        {
            "name": "integrations",
            "host": "imap.example.com",
            "tls": "implicit",
            "port": 993,
            "ca_file": None,
            "username": "sf@example.com",
            "password": {"file": "HOME/imap-password"},
            "oauth2": None,
            "client_certificate": None,
            "addresses": ("sf@example.com",),
            "folders": {"inbox": "INBOX", "spam": "auto", "also": ()},
            "after_capture": "none",
            "idle": True,
            "poll": "1m",
            "lookback": "14d",
        },
    ),
    "orgs": (
        {
            "name": "acme",
            "environment": None,
            "usernames": ("*@acme.example",),
            "org_id": None,
            "max_age": None,
            "login_host": None,
        },
    ),
    "vault": {
        "address": "https://vault.example.com:8200",
        "namespace": None,
        "ca_file": None,
        "client_certificate": None,
        "auth": {"method": "token", "token": {"env": "VAULT_TOKEN"}, "namespace": None},
        "kv_version": 2,
        "on_deleted": "hold",
        "mount": "secret",
        "path": "salesforce/{org}/{username}",
        "field": "security_token",
    },
    "trust": {
        "policy": "dkim",
        "senders": ("support@salesforce.com", "support@emea.salesforce.com"),
        "signing_domains": ("salesforce.com",),
        "subjects": ("Your new Salesforce security token",),
        "subject_tags": (),
        "max_delay": "1d",
        "clock_skew": "1h",
        "authserv_ids": (),
        "authserv_zone": "above-first-received",
        "dkim_keys": None,
    },
    "journal": {
        "file": "/var/lib/token-catcher/journal.jsonl",
        "key": None,
        "anchor": False,
        "archive_at": "64MB",
    },
    "http": {"listen": None, "token": None},
    "shard": None,
    "notify": (),
    "verify": {
        "login": False,
        "password_field": "password",
        "host": "login.salesforce.com",
    },
    "log": {"format": "auto", "level": "info"},
}
"""The configuration that is enough, with every default; HOME stands for its directory."""


def test_the_minimal_configuration_has_every_default(home: Path) -> None:
    """What is left out is filled in."""
    effective = load(home, "instance: one\n" + MINIMAL).model_dump()
    password = effective["mailboxes"][0]["password"]
    password["file"] = password["file"].replace(str(home), "HOME")
    assert effective == EFFECTIVE


def test_json_is_yaml(home: Path) -> None:
    """The same configuration as JSON is the same Config, a byte order mark or not."""
    as_yaml = load(home)
    data = YAML(typ="safe", pure=True).load(MINIMAL)
    assert load(home, json.dumps(data, indent=2)) == as_yaml
    assert load(home, b"\xef\xbb\xbf" + json.dumps(data).encode()) == as_yaml


def test_the_instance_is_the_host_by_default(home: Path) -> None:
    """Left out or null, the instance is named like the host."""
    assert (
        load(home).instance
        == load(home, "instance: null\n" + MINIMAL).instance
        == os.uname().nodename
    )


@pytest.mark.parametrize(("tls", "port"), [("implicit", 993), ("starttls", 143)])
def test_the_port_follows_tls(home: Path, tls: str, port: int) -> None:
    """993 for implicit TLS, 143 otherwise."""
    assert (
        load(home, changed("username: sf", f"tls: {tls}\n    username: sf")).mailboxes[0].port
        == port
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", '"::1"'])
def test_plaintext_to_loopback(home: Path, host: str) -> None:
    """`tls: none` is for connections that never leave the machine."""
    loaded = load(home, changed("host: imap.example.com", f"host: {host}\n    tls: none"))
    assert (loaded.mailboxes[0].tls, loaded.mailboxes[0].port) == ("none", 143)


def test_relative_paths_begin_beside_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the working directory, and also when the file itself is named relatively."""
    (home / "keys").write_text("x")
    (home / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    text = (
        changed("  address", "  ca_file: ca.pem\n  address")
        + "state_dir: state\ntrust: {dkim_keys: keys}\n"
    )
    load(home, text)
    monkeypatch.chdir(home)
    loaded = config.load(Path("config.yaml"), ENVIRON)
    assert (loaded.state_dir, loaded.journal_file) == (
        home / "state",
        home / "state" / "journal.jsonl",
    )
    assert (loaded.trust.dkim_keys, loaded.vault.ca_file) == (home / "keys", home / "ca.pem")
    source = loaded.mailboxes[0].password
    assert source is not None
    assert source.where == str(home / "imap-password")


@pytest.mark.parametrize(
    ("text", "size"), [("500kB", 500_000), ("64MB", 64_000_000), ("1GB", 1_000_000_000)]
)
def test_sizes(home: Path, text: str, size: int) -> None:
    """In units of a thousand."""
    loaded = load(home, MINIMAL + f"journal: {{archive_at: {text}}}\n")
    assert (loaded.journal.archive_at, str(loaded.journal.archive_at)) == (size, text)


@pytest.mark.parametrize("text", ["64", "'64'", "0MB", "64mb", "64 MB", "1.5GB", "64MiB", "true"])
def test_other_sizes_are_refused(home: Path, text: str) -> None:
    """Above all those that another program would understand otherwise."""
    with pytest.raises(
        ConfigurationError, match=r"archive_at: got .*, expected a size such as 500kB, 64MB or 1GB"
    ):
        load(home, MINIMAL + f"journal: {{archive_at: {text}}}\n")


def test_the_journal_may_be_elsewhere(home: Path) -> None:
    """`journal.file` sets it apart from state_dir."""
    assert load(home, MINIMAL + "journal: {file: /var/log/rotations.jsonl}\n").journal_file == Path(
        "/var/log/rotations.jsonl"
    )


@pytest.mark.parametrize(
    ("written", "listen"),
    [
        ("127.0.0.1:9464", "127.0.0.1:9464"),
        ("'[::1]:80'", "[::1]:80"),
        ("9464", "127.0.0.1:9464"),
        ("':1'", "127.0.0.1:1"),
    ],
)
def test_listen_is_loopback_unless_it_says_otherwise(home: Path, written: str, listen: str) -> None:
    """A port alone is one on the loopback."""
    loaded = load(home, MINIMAL + f"http: {{listen: {written}}}\n")
    assert isinstance(loaded.http.listen, Listen)
    assert str(loaded.http.listen) == listen


@pytest.mark.parametrize("index", [0, 2, "auto"])
def test_a_shard(home: Path, index: int | str) -> None:
    """An index below count, or the one in the host name."""
    shard = load(home, MINIMAL + f"shard: {{index: {index}, count: 3, replicas: 2}}\n").shard
    assert shard is not None
    assert shard.model_dump() == {"count": 3, "index": index, "replicas": 2}


def test_usernames_ignore_case(home: Path) -> None:
    """They are lower-cased, as routing wants them."""
    loaded = load(home, changed('["*@acme.example"]', "[Integration@Acme.example]"))
    assert loaded.orgs[0].as_org() == Org("acme", ("integration@acme.example",))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HTTPS://Vault.example.com", "https://Vault.example.com"),
        ("Http://127.0.0.1:8200/", "http://127.0.0.1:8200"),
        ("UNIX:///run/agent.sock", "unix:///run/agent.sock"),
        ("https://proxy.example.com/vault/", "https://proxy.example.com/vault"),
    ],
)
def test_schemes_ignore_case_and_a_last_slash_is_nothing(
    home: Path, written: str, meant: str
) -> None:
    """RFC 3986, section 3.1."""
    assert load(home, changed("https://vault.example.com:8200", written)).vault.address == meant


def test_spellings_that_mean_the_same(home: Path) -> None:
    """Case of a domain, slashes around a path, blanks in a subject: one form goes on."""
    text = changed("com:8200", "com:8200/\n  mount: /kv/team/\n  namespace: eu/")
    loaded = load(
        home, text + "trust: {signing_domains: [Salesforce.COM], subjects: ['Your  token ']}\n"
    )
    assert (loaded.vault.address, loaded.vault.mount, loaded.vault.namespace) == (
        "https://vault.example.com:8200",
        "kv/team",
        "eu",
    )
    assert (loaded.trust.signing_domains, loaded.trust.subjects) == (
        ("salesforce.com",),
        ("Your token",),
    )


@pytest.mark.parametrize(
    "address", ["ops@localhost", "ops+*@example.com", "*@tokens.example.com", "*@*.eu.example.com"]
)
def test_an_own_address_may_be_a_pattern(home: Path, address: str) -> None:
    """The last two labels of its domain are written out."""
    text = changed("username: sf", f"addresses: ['{address}']\n    username: sf")
    assert load(home, text).mailboxes[0].addresses == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8200",
        "http://localhost",
        "http://[::1]:8200",
        "https://vault",
        "https://proxy.example.com/vault",
        "https://proxy.example.com:8443/secrets/vault-eu_1~a",
        "http://127.0.0.1:8200/vault",
        "unix:///run/vault/agent.sock",
    ],
)
def test_where_vault_may_be(home: Path, address: str) -> None:
    """Anywhere over TLS, below a path as well; without TLS only where nobody can listen."""
    assert load(home, changed("https://vault.example.com:8200", address)).vault.address == address


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("[https://v1, 'HTTPS://v2:8200/']", ("https://v1", "https://v2:8200")),
        ("[https://v1]", ("https://v1",)),
        ("[unix:///run/agent.sock]", ("unix:///run/agent.sock",)),
    ],
)
def test_vault_may_have_several_addresses(home: Path, written: str, meant: tuple[str, ...]) -> None:
    """A list, in the order in which they are asked; what is shown of it loads as the same."""
    loaded = load(home, changed("https://vault.example.com:8200", written))
    assert loaded.vault.address == meant
    assert load(home, config.show(loaded)) == loaded


@pytest.mark.parametrize(
    "server",
    ["", "mx.google.com", "mailhost", "MX_1.Example.com", "*.yahoo.com", "*.eu.example.co.uk"],
)
def test_a_server_s_name_in_its_results(home: Path, server: str) -> None:
    """As it writes it, a pattern of one host name below, or none."""
    loaded = load(home, MINIMAL + f"trust: {{policy: auto, authserv_ids: ['{server}']}}\n")
    assert loaded.trust.authserv_ids == (server,)


@pytest.mark.parametrize("policy", get_args(proof.Policy))
def test_every_policy_of_proof(home: Path, policy: str) -> None:
    """The configuration and `proof` know the same policies."""
    assert (
        load(home, MINIMAL + f"trust: {{policy: {policy}, authserv_ids: ['']}}\n").trust.policy
        == policy
    )
    assert get_args(Policy) == get_args(proof.Policy)


@pytest.mark.parametrize(
    ("written", "action", "shown"),
    [
        ("none", None, "none"),
        ("null", None, "none"),
        ("seen", AddFlag("\\Seen"), "seen"),
        ("delete", Delete(), "delete"),
        ("{flag: $Label1}", AddFlag("$Label1"), {"flag": "$Label1"}),
        ("{flag: \\flagged}", AddFlag("\\Flagged"), {"flag": "\\Flagged"}),
        ("{flag: \\SEEN}", AddFlag("\\Seen"), "seen"),
        ("{move: Done/Tokens of Müller}", MoveTo("Done/Tokens of Müller"), None),
        ("{move: inbox.done}", MoveTo("inbox.done"), {"move": "inbox.done"}),
    ],
)
def test_what_is_done_to_a_settled_mail_is_an_action(
    home: Path, written: str, action: MailAction | None, shown: str | dict[str, str] | None
) -> None:
    """As the mailbox takes it, and written as it was."""
    config = load(home, changed("username: sf", f"after_capture: {written}\n    username: sf"))
    assert config.mailboxes[0].after_capture == action
    if shown is None:
        shown = YAML(typ="safe", pure=True).load(written)
    assert config.model_dump()["mailboxes"][0]["after_capture"] == shown


def test_another_mailbox_may_watch_the_folder_that_mail_is_moved_to(home: Path) -> None:
    """INBOX too, where this one's inbox is another folder."""
    text = changed(
        "username: sf",
        "folders: {inbox: All, spam: null}\n    after_capture: {move: INBOX}\n    username: sf",
    )
    assert load(home, text).mailboxes[0].after_capture == MoveTo("INBOX")


@pytest.mark.parametrize(("written", "zone"), [("unique", "unique"), ("{received_above: 3}", 3)])
def test_the_zone_is_what_the_results_reader_takes(home: Path, written: str, zone: Zone) -> None:
    """`received_above: N` becomes a number."""
    assert (
        load(home, MINIMAL + f"trust: {{authserv_zone: {written}}}\n").trust.authserv_zone == zone
    )


def test_a_config_cannot_be_changed(home: Path) -> None:
    """It is frozen, and so are its lists."""
    loaded = load(home)
    with pytest.raises(ValueError, match="frozen"):
        loaded.instance = "other"
    assert hash(loaded) == hash(load(home))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("14d", 1_209_600), ("3650d", 315_360_000)],
)
def test_durations(text: str, seconds: int) -> None:
    """A number and a unit, read and written alike."""
    assert config.duration(text) == timedelta(seconds=seconds)
    assert config.duration(duration_text(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "90", "0s", "-1s", "1.5h", "1w", "10 m", "10m\n", "٣m", "3651d", "999999999d"]
)
def test_other_durations_are_refused(text: str) -> None:
    """Also for the command line, which reads them with the same words."""
    with pytest.raises(
        ValueError, match="expected a duration such as 90s, 10m, 2h or 14d, at most 3650d"
    ):
        config.duration(text)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8200", "unix:///run/agent.sock", "[https://a, http://127.0.0.1]"]
)
def test_a_certificate_is_shown_over_tls_alone(home: Path, address: str) -> None:
    """At every address: nothing else takes it to Vault."""
    leaf = trustme.CA().issue_cert("catcher@example.com")
    write_secret(home / "client.pem", leaf.private_key_and_cert_chain_pem.bytes().decode())
    auth = "{method: cert}\n  client_certificate: {file: client.pem}"
    text = MINIMAL.replace("{method: token, token: {env: VAULT_TOKEN}}", auth)
    assert load(home, text).vault.client_certificate is not None
    with pytest.raises(
        ConfigurationError,
        match=r"vault\.auth: got cert without TLS, expected an https:// address: TLS shows the",
    ):
        load(home, text.replace("https://vault.example.com:8200", address))
