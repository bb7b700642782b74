"""The configuration: what loads, what is told of what does not, and that no secret is ever told."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import token_catcher
from token_catcher import config
from token_catcher.config import Config, Listen, SecretSource
from token_catcher.config.document import parse
from token_catcher.config.kinds import duration_text
from token_catcher.config.problems import Loc
from token_catcher.config.schema import ANY, AUTH, NOT_BUILT, Policy
from token_catcher.config.secret import exposure
from token_catcher.errors import ConfigurationError
from token_catcher.proof import trust
from token_catcher.proof.authres import Zone
from token_catcher.proof.routing import Org

CANARY = "hunter2-canary"
"""What a test puts where a secret may stand, and must never see again."""

MINIMAL = """\
mailboxes:
  - name: integrations
    host: imap.example.com
    username: sf@example.com
    password: {file: imap-password}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: https://vault.example.com:8200
  auth: {method: token, token: {env: VAULT_TOKEN}}
"""
ENVIRON = {"VAULT_TOKEN": "s.token", "EMPTY": ""}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with the secret that the minimal configuration names."""
    _secret(tmp_path / "imap-password", "correct horse\n")
    return tmp_path


def _secret(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(0o600)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def _load(home: Path, text: str | bytes = MINIMAL, environ: dict[str, str] | None = None) -> Config:
    file = home / "config.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return config.load(file, ENVIRON if environ is None else environ)


def _told(home: Path, text: str | bytes) -> str:
    """The whole error, without the directory."""
    with pytest.raises(ConfigurationError) as caught:
        _load(home, text)
    return str(caught.value).replace(f"{home}/", "")


def _changed(old: str, new: str) -> str:
    assert MINIMAL.count(old) == 1
    return MINIMAL.replace(old, new)


# What loads


def test_the_minimal_configuration_has_every_default(home: Path) -> None:
    """What is left out is filled in."""
    loaded = _load(home, "instance: one\n" + MINIMAL)
    assert loaded.model_dump() == {
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
                "password": {"file": f"{home}/imap-password"},
                "oauth2": None,
                "addresses": ("sf@example.com",),
                "folders": {"inbox": "INBOX", "spam": "auto"},
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
            },
        ),
        "vault": {
            "address": "https://vault.example.com:8200",
            "namespace": None,
            "ca_file": None,
            "auth": {"method": "token", "token": {"env": "VAULT_TOKEN"}},
            "mount": "secret",
            "path": "salesforce/{org}/{username}",
            "field": "security_token",
        },
        "trust": {
            "policy": "dkim",
            "senders": (
                "support@salesforce.com",
                "support@emea.salesforce.com",
                "no-reply@salesforce.com",
                "noreply@salesforce.com",
            ),
            "signing_domains": ("salesforce.com",),
            "subjects": ("Your new Salesforce security token",),
            "authserv_ids": (),
            "authserv_zone": "above-first-received",
            "dkim_keys": None,
        },
        "journal": {"file": "/var/lib/token-catcher/journal.jsonl", "key": None, "anchor": False},
        "http": {"listen": None},
        "shard": None,
        "notify": (),
        "log": {"format": "auto", "level": "info"},
    }


def test_json_is_yaml(home: Path) -> None:
    """The same configuration as JSON is the same Config, a byte order mark or not."""
    as_yaml = _load(home)
    data = YAML(typ="safe", pure=True).load(MINIMAL)
    assert _load(home, json.dumps(data, indent=2)) == as_yaml
    assert _load(home, b"\xef\xbb\xbf" + json.dumps(data).encode()) == as_yaml


def test_the_instance_is_the_host_by_default(home: Path) -> None:
    """Left out or null, the instance is named like the host."""
    assert (
        _load(home).instance
        == _load(home, "instance: null\n" + MINIMAL).instance
        == os.uname().nodename
    )


@pytest.mark.parametrize(("tls", "port"), [("implicit", 993), ("starttls", 143)])
def test_the_port_follows_tls(home: Path, tls: str, port: int) -> None:
    """993 for implicit TLS, 143 otherwise."""
    assert (
        _load(home, _changed("username: sf", f"tls: {tls}\n    username: sf")).mailboxes[0].port
        == port
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", '"::1"'])
def test_plaintext_to_loopback(home: Path, host: str) -> None:
    """`tls: none` is for connections that never leave the machine."""
    loaded = _load(home, _changed("host: imap.example.com", f"host: {host}\n    tls: none"))
    assert (loaded.mailboxes[0].tls, loaded.mailboxes[0].port) == ("none", 143)


def test_relative_paths_begin_beside_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the working directory, and also when the file itself is named relatively."""
    (home / "keys").write_text("x")
    (home / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    text = (
        _changed("  address", "  ca_file: ca.pem\n  address")
        + "state_dir: state\ntrust: {dkim_keys: keys}\n"
    )
    _load(home, text)
    monkeypatch.chdir(home)
    loaded = config.load(Path("config.yaml"), ENVIRON)
    assert (loaded.state_dir, loaded.journal_file) == (
        home / "state",
        home / "state" / "journal.jsonl",
    )
    assert (loaded.trust.dkim_keys, loaded.vault.ca_file) == (home / "keys", home / "ca.pem")
    assert loaded.mailboxes[0].password.where == str(home / "imap-password")


def test_the_journal_may_be_elsewhere(home: Path) -> None:
    """`journal.file` sets it apart from state_dir."""
    assert _load(
        home, MINIMAL + "journal: {file: /var/log/rotations.jsonl}\n"
    ).journal_file == Path("/var/log/rotations.jsonl")


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
    found = _load(home, MINIMAL + f"http: {{listen: {written}}}\n").http.listen
    assert isinstance(found, Listen)
    assert str(found) == listen


@pytest.mark.parametrize("index", [0, 2, "auto"])
def test_a_shard(home: Path, index: int | str) -> None:
    """An index below count, or the one in the host name."""
    shard = _load(home, MINIMAL + f"shard: {{index: {index}, count: 3, replicas: 2}}\n").shard
    assert shard is not None
    assert shard.model_dump() == {"count": 3, "index": index, "replicas": 2}


def test_usernames_ignore_case(home: Path) -> None:
    """They are lower-cased, as the routing room wants them."""
    loaded = _load(home, _changed('["*@acme.example"]', "[Integration@Acme.example]"))
    assert loaded.orgs[0].as_org() == Org("acme", ("integration@acme.example",))


def test_spellings_that_mean_the_same(home: Path) -> None:
    """Case of a domain, slashes around a path, blanks in a subject: one form goes on."""
    text = _changed("com:8200", "com:8200/\n  mount: /kv/team/\n  namespace: eu/")
    loaded = _load(
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
    "address", ["http://127.0.0.1:8200", "http://localhost", "http://[::1]:8200", "https://vault"]
)
def test_where_vault_may_be(home: Path, address: str) -> None:
    """Anywhere over TLS; without it only where nobody can listen."""
    assert _load(home, _changed("https://vault.example.com:8200", address)).vault.address == address


@pytest.mark.parametrize("policy", get_args(trust.Policy))
def test_every_policy_of_the_trust_room(home: Path, policy: str) -> None:
    """The configuration and the trust room know the same policies."""
    assert (
        _load(home, MINIMAL + f"trust: {{policy: {policy}, authserv_ids: ['']}}\n").trust.policy
        == policy
    )
    assert get_args(Policy) == get_args(trust.Policy)


@pytest.mark.parametrize(("written", "zone"), [("unique", "unique"), ("{received_above: 3}", 3)])
def test_the_zone_is_what_the_results_reader_takes(home: Path, written: str, zone: Zone) -> None:
    """`received_above: N` becomes a number."""
    assert (
        _load(home, MINIMAL + f"trust: {{authserv_zone: {written}}}\n").trust.authserv_zone == zone
    )


def test_a_config_cannot_be_changed(home: Path) -> None:
    """It is frozen, and so are its lists."""
    loaded = _load(home)
    with pytest.raises(ValueError, match="frozen"):
        loaded.instance = "other"  # type: ignore[misc]
    assert hash(loaded) == hash(_load(home))


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


# What is told of what does not load

BROKEN = """\
state_dri: /var/lib/token-catcher
mailboxes:
  - name: integrations
    host: imaps://imap.example.com
    port: 99999
    tls: ssl
    username: sf@example.com
    password: hunter2-canary
    poll: 10 minutes
  - name: integrations
    host: imap.example.com
    host: imap2.example.com
    tls: none
    username: service
    password: {file: nowhere}
  - host: imap.example.com
    username: sf@example.com
    password: {flie: hunter2-canary}
    idle: yes
orgs:
  - name: acme/production
    environment: prod
    usernames: [integration]
    org_id: 00D123
  - name: acme-eu
    usernames: ["*@acme.example"]
  - name: acme-us
    usernames: ["etl*@acme.example"]
vault:
  address: http://vault.example.com:8200
  auth: {method: aprole, role_id: x, secret_id: hunter2-canary}
  path: salesforce/{user}
trust:
  policy: auto
  senders: []
  authserv_zone: {received_above: 0}
http: {listen: localhost}
shard: {index: 2, count: 2}
log: {level: loud}
"""
PATH_FORM = "segments of letters, digits and . _ + - ' @, none empty or ending in a period"
NAME_FORM = "1 to 64 letters, digits and . _ -, a letter or digit first"
USERNAME_FORM = (
    "a Salesforce username such as integration@acme.example, or a pattern such as *@acme.example"
)


def test_all_mistakes_are_told_at_once(home: Path) -> None:
    """Each with file, line, key, what was got and what is expected, in the file's order."""
    told = f"""\
1: state_dri: got an unknown key (did you mean 'state_dir'?), expected one of state_dir, \
instance, mailboxes, orgs, vault, \
trust, journal, http, shard, notify, log
4: mailboxes[0].host: got 'imaps://imap.example.com', expected a host name or an IP address \
alone, in ASCII
5: mailboxes[0].port: got 99999, expected a port, 1 to 65535
6: mailboxes[0].tls: got 'ssl', expected implicit, starttls or none
8: mailboxes[0].password: got a literal, expected {{file: PATH}} or {{env: NAME}}: secrets are \
not written here
9: mailboxes[0].poll: got '10' …, expected a duration such as 90s, 10m, 2h or 14d, at most 3650d
10: mailboxes[1].name: got 'integrations', the name of mailboxes[0], expected a name of its own
12: mailboxes[1].host: got the key again (first on line 11), expected each key once
13: mailboxes[1].tls: got none for the host imap.example.com, expected implicit or starttls: \
plaintext is only for loopback
15: mailboxes[1].password: got no such file in {home}, expected the path of an existing file
16: mailboxes[2].name: got nothing, expected {NAME_FORM}
18: mailboxes[2].password: got an unknown key (did you mean 'file'?), expected {{file: PATH}} or \
{{env: NAME}}
19: mailboxes[2].idle: got 'yes', expected true or false
21: orgs[0].name: got 'acme/production', expected a plain path segment: letters, digits and . _ + \
- ' @, not ending in a period
22: orgs[0].environment: got 'prod', expected production or sandbox
23: orgs[0].usernames[0]: got 'integration', expected {USERNAME_FORM}
24: orgs[0].org_id: got '00D123', expected an org id: 00D and 12 more letters and digits, or 15
28: orgs[2].usernames: got *@acme.example and etl*@acme.example, which orgs[1] (acme-eu) claims \
as well, expected environment \
or org_id to tell the two apart
30: vault.address: got 'http://vault.example.com:8200', expected https://HOST or \
https://HOST:PORT (http:// only to loopback)
31: vault.auth.method: got another one (did you mean 'approle'?), expected approle or token
32: vault.path: got 'salesforce/{{user}}', expected a plain path with {{username}}, and {{org}} \
if wanted: {PATH_FORM}
33: trust.authserv_ids: got an empty list, expected the names of the receiving server, which the \
policy auto believes
35: trust.senders: got an empty list, expected at least one
36: trust.authserv_zone: got a mapping, expected above-first-received, unique, or \
{{received_above: N}} with N from 1 to 20
37: http.listen: got 'localhost', expected HOST:PORT, such as 127.0.0.1:9464
38: shard.index: got 2, expected less than count (2)
39: log.level: got 'loud', expected debug, info, warning or error"""
    assert _told(home, BROKEN) == "\n".join(f"config.yaml:{line}" for line in told.splitlines())


SERVER = "the names of the receiving server, which the policy {} believes"
PORT_FORM = "HOST:PORT, such as 127.0.0.1:9464"
VAULT_FORM = "https://HOST or https://HOST:PORT (http:// only to loopback)"
ZONE_FORM = "above-first-received, unique, or {received_above: N} with N from 1 to 20"
INDEX_FORM = "a number from 0, or auto (the number at the end of the host name)"

MISTAKES = {
    # of a mailbox
    "a list of nothing": ("mailboxes: []", "mailboxes: got an empty list, expected at least one"),
    "a mapping for a list": ("mailboxes: {}", "mailboxes: got a mapping, expected a list"),
    "the host with its port": (
        "host: x:993",
        "mailboxes[0].host: got 'x:993', expected a host name or an IP address alone, in ASCII",
    ),
    "a port of 0": ("port: 0", "mailboxes[0].port: got 0, expected a port, 1 to 65535"),
    "a port as text": ("port: '993'", "mailboxes[0].port: got '993', expected a port, 1 to 65535"),
    "a port that is true": (
        "port: true",
        "mailboxes[0].port: got true, expected a port, 1 to 65535",
    ),
    "a name with blanks": ("name: a b", f"mailboxes[0].name: got 'a' …, expected {NAME_FORM}"),
    "a number for a name": ("name: 7", f"mailboxes[0].name: got 7, expected {NAME_FORM}"),
    "no TLS elsewhere": (
        "{tls: none, host: x}",
        "mailboxes[0].tls: got none for the host x, expected implicit or starttls: plaintext is"
        " only for loopback",
    ),
    "no address at all": (
        "username: service",
        "mailboxes[0].addresses: got an empty list, expected at least one",
    ),
    "an address with a name": (
        "addresses: [Ops <ops@example.com>]",
        "mailboxes[0].addresses[0]: got 'Ops' …, expected an e-mail address alone, in ASCII",
    ),
    "a host that is too long": (
        f"host: {64 * 'a.b.'}c",
        f"mailboxes[0].host: got '{15 * 'a.b.'}...', expected a host name or an IP address alone,"
        " in ASCII",
    ),
    "a lone surrogate": ('state_dir: "\\ud800"', "state_dir: got '\\ud800', expected a path"),
    "no CA": ("ca_file: no.pem", "mailboxes[0].ca_file: got no.pem, expected an existing file"),
    "a CA without certificates": (
        "ca_file: imap-password",
        "mailboxes[0].ca_file: got imap-password, which holds none, expected a file of PEM"
        " certificates",
    ),
    "poll as a number": (
        "poll: 60",
        "mailboxes[0].poll: got 60, expected a duration such as 90s, 10m, 2h or 14d, at most 3650d",
    ),
    "a folder that is a list": (
        "folders: {inbox: []}",
        "mailboxes[0].folders.inbox: got an empty list, expected text on one line",
    ),
    # of an org
    "a path in an org's name": (
        "ORG name: ..",
        "orgs[0].name: got '..', expected a plain path segment: letters, digits and . _ + - ' @,"
        " not ending in a period",
    ),
    "any user": (
        "ORG usernames: ['*']",
        f"orgs[0].usernames[0]: got '*', expected {USERNAME_FORM}",
    ),
    "any domain": (
        "ORG usernames: ['*@*.*']",
        f"orgs[0].usernames[0]: got '*@*.*', expected {USERNAME_FORM}",
    ),
    "the Kelvin sign": (
        "ORG usernames: ['\u212a@x']",
        f"orgs[0].usernames[0]: got '\\u212a@x', expected {USERNAME_FORM}",
    ),
    "one username alone": ("ORG usernames: a@b.c", "orgs[0].usernames: got text, expected a list"),
    "an org id of 16": (
        f"ORG org_id: 00D{13 * 'x'}",
        "orgs[0].org_id: got '00Dxxxxxxxxxxxxx', expected an org id: 00D and 12 more letters and"
        " digits, or 15",
    ),
    # of Vault
    "Vault without a scheme": (
        "VAULT address: vault:8200",
        f"vault.address: got 'vault:8200', expected {VAULT_FORM}",
    ),
    "Vault with a path": (
        "VAULT address: https://v/v1",
        f"vault.address: got 'https://v/v1', expected {VAULT_FORM}",
    ),
    "Vault with a user": (
        f"VAULT address: https://u:{CANARY}@v",
        f"vault.address: got an address with a user's name in it, expected {VAULT_FORM}",
    ),
    "Vault with a bad port": (
        "VAULT address: https://v:99999",
        f"vault.address: got 'https://v:99999', expected {VAULT_FORM}",
    ),
    "no method": ("VAULT auth: {}", "vault.auth.method: got nothing, expected approle or token"),
    "a misspelt key of a method": (
        "VAULT auth: {method: approle, roll_id: x, secret_id: {file: imap-password}}",
        "vault.auth.role_id: got nothing, expected text on one line\n"
        "vault.auth.…: got an unknown key (did you mean 'role_id'?), expected one of method,"
        " role_id, secret_id, mount",
    ),
    "auth that is text": (f"VAULT auth: {CANARY}", "vault.auth: got text, expected a mapping"),
    "a mount outside": (
        "VAULT mount: ../x",
        f"vault.mount: got '../x', expected a plain path: {PATH_FORM}",
    ),
    "a field of ours": (
        "VAULT field: security_token_issued_at",
        "vault.field: got 'security_token_issued_at', expected another name than those of the"
        " fields beside it",
    ),
    # of trust
    "half a word of warning": (
        "trust: {policy: insecure}",
        "trust.policy: got 'insecure', expected dkim, authentication-results, auto, both or"
        " insecure-accept-unauthenticated",
    ),
    "nobody's word": (
        "trust: {policy: both}",
        f"trust.authserv_ids: got an empty list, expected {SERVER.format('both')}",
    ),
    "no senders": (
        "trust: {senders: []}",
        "trust.senders: got an empty list, expected at least one",
    ),
    "no domains": (
        "trust: {signing_domains: []}",
        "trust.signing_domains: got an empty list, expected at least one",
    ),
    "no subjects": (
        "trust: {subjects: []}",
        "trust.subjects: got an empty list, expected at least one",
    ),
    "a subject with the prefix": (
        "trust: {subjects: ['Sandbox: Your']}",
        "trust.subjects[0]: got 'Sandbox:' …, expected a subject on one line, without `Sandbox: `,"
        " which is understood",
    ),
    "a zone of another name": (
        "trust: {authserv_zone: top}",
        f"trust.authserv_zone: got 'top', expected {ZONE_FORM}",
    ),
    "no pinned keys": (
        "trust: {dkim_keys: no}",
        "trust.dkim_keys: got no, expected an existing file",
    ),
    "a name that no file can have": (
        f"trust: {{dkim_keys: {300 * 'k'}}}",
        f"trust.dkim_keys: got {300 * 'k'} (File name too long), expected a file that we can read",
    ),
    # of the rest
    "listening on no host": (
        "http: {listen: 'a_b c:80'}",
        f"http.listen: got 'a_b' …, expected {PORT_FORM}",
    ),
    "listening on true": ("http: {listen: true}", f"http.listen: got true, expected {PORT_FORM}"),
    "a path that is a list": ("state_dir: []", "state_dir: got an empty list, expected a path"),
    "listening on port 0": (
        "http: {listen: '127.0.0.1:0'}",
        f"http.listen: got '127.0.0.1:0', expected {PORT_FORM}",
    ),
    "a negative shard": (
        "shard: {count: 2, index: -1}",
        f"shard.index: got -1, expected {INDEX_FORM}",
    ),
    "a shard that is true": (
        "shard: {count: 2, index: true}",
        f"shard.index: got true, expected {INDEX_FORM}",
    ),
    "too many replicas": (
        "shard: {count: 2, index: 1, replicas: 3}",
        "shard.replicas: got 3, expected at most count (2)",
    ),
    "half a shard": ("shard: {count: 2}", f"shard.index: got nothing, expected {INDEX_FORM}"),
    "null for a section": ("log: null", "log: got null, expected a mapping"),
    # of features that are not built
    "OAuth 2": (
        "oauth2: {provider: google}",
        "mailboxes[0].oauth2: got a mapping, expected null: not available in this version",
    ),
    "an age of tokens": (
        "ORG max_age: 90d",
        "orgs[0].max_age: got '90d', expected null: not available in this version",
    ),
    "another method": (
        "VAULT auth: {method: kubernetes, role: x}",
        "vault.auth.method: got 'kubernetes', expected approle or token: not available in this"
        " version",
    ),
    "a keyed journal": (
        "journal: {key: {file: key}}",
        "journal.key: got a mapping, expected null: not available in this version",
    ),
    "an anchored journal": (
        "journal: {anchor: true}",
        "journal.anchor: got true, expected false: not available in this version",
    ),
    "notify": (
        "notify: [{to: x}]",
        "notify: got a list, expected an empty list: not available in this version",
    ),
}


@pytest.mark.parametrize(("written", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake(home: Path, written: str, told: str) -> None:
    """Of its place, what was got and what is expected, and nothing else."""
    data = YAML(typ="safe", pure=True).load(MINIMAL)
    word, _, rest = written.partition(" ")
    section = {"ORG": data["orgs"][0], "VAULT": data["vault"]}.get(word)
    change = YAML(typ="safe", pure=True).load(written if section is None else rest)
    whole = set(change) <= set(Config.model_fields)
    (data if section is None and whole else section or data["mailboxes"][0]).update(change)
    assert re.sub(r"config.yaml:\d+: ", "", _told(home, json.dumps(data, indent=1))) == told


PATHS = [
    "{org}",
    "x/{username}/../y",
    "./{username}",
    "a//{username}",
    "/{username}",
    "{username}/",
    "{username}.",
]
PATHS += [
    "{}{username}",
    "{username!r}",
    "{username}?",
    "%2e/{username}",
    "{user}/{username}",
    "a b/{username}",
    "*/{username}",
    "",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_are_refused(home: Path, path: str) -> None:
    """Other placeholders, none for the user, dots and emptiness,
    and what Vault or HTTP read specially."""
    word, *more = path.split() or [""]
    got = f"{word!r} …" if more else repr(word)
    expected = f"a plain path with {{username}}, and {{org}} if wanted: {PATH_FORM}"
    told = _told(home, MINIMAL + f"  path: {json.dumps(path)}\n")
    assert told == f"config.yaml:12: vault.path: got {got}, expected {expected}"


@pytest.mark.parametrize("path", ["{username}", "{org}/{username}", "a/b.c/{org}-{username}/token"])
def test_paths_that_are_taken(home: Path, path: str) -> None:
    """Plain ones, with the placeholders anywhere."""
    assert _load(home, MINIMAL + f"  path: '{path}'\n").vault.path == path


TWO_ORGS = """  - {{name: acme-eu, usernames: ["*@acme.example"], {one}}}
  - {{name: acme-us, usernames: ["*@acme.example"], {other}}}
"""


def _two_orgs(one: str, other: str, path: str = "{org}/{username}") -> str:
    single = '  - name: acme\n    usernames: ["*@acme.example"]\n'
    return _changed(single, TWO_ORGS.format(one=one, other=other)) + f"  path: '{path}'\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [("environment: production", "environment: sandbox"), ("", f"org_id: 00D{12 * 'x'}")],
)
def test_orgs_that_mail_can_tell_apart(home: Path, one: str, other: str) -> None:
    """The same username in two orgs, where the environment or an org id tells them apart."""
    assert [org.name for org in _load(home, _two_orgs(one, other)).orgs] == ["acme-eu", "acme-us"]


def test_orgs_must_not_share_a_secret(home: Path) -> None:
    """A path without {org} puts the tokens of two orgs' users of one name into one place."""
    text = _two_orgs("environment: production", "environment: sandbox", path="sf/{username}")
    told = "got one path for *@acme.example of acme-eu and of acme-us, expected {org} in it"
    assert _told(home, text) == f"config.yaml:12: vault.path: {told}"


def test_a_mistake_in_one_org_hides_no_overlap_of_others(home: Path) -> None:
    """Orgs are compared where they can be read."""
    text = _two_orgs("org_id: 00D", "").replace(
        "orgs:\n", 'orgs:\n  - {name: acme, usernames: ["*@acme.example"]}\n'
    )
    assert [line.split(",")[0] for line in _told(home, text).splitlines()] == [
        "config.yaml:8: orgs[1].org_id: got '00D'",
        "config.yaml:9: orgs[2].usernames: got *@acme.example",
    ]


# The text itself

NO_YAML = "expected YAML or JSON"
TEXTS = {
    b"": (
        "1: got an empty file, expected a mapping with mailboxes, orgs and vault; `token-catcher"
        " config example` shows one"
    ),
    b"# nothing\n": "1: got an empty file, expected a mapping with mailboxes, orgs and vault; "
    "`token-catcher config example` shows one",
    b"- a\n": "1: got a list, expected a mapping",
    b"hunter2-canary": "1: got text, expected a mapping",
    b"a: 1\nb: [1,\n": (
        "3: got text that is not YAML (expected the node content, but found '<stream end>'),"
        f" {NO_YAML}"
    ),
    b"a: 1\n  b: 2\n": (
        f"2: got text that is not YAML (mapping values are not allowed here), {NO_YAML}"
    ),
    b"a: *hunter2-canary\n": f"1: got text that is not YAML (found undefined alias …), {NO_YAML}",
    b"a: @hunter2-canary\n": (
        f"1: got text that is not YAML (found character … that cannot start any token), {NO_YAML}"
    ),
    b"a: 'hunter2-canary\n": (
        f"2: got text that is not YAML (found unexpected end of stream), {NO_YAML}"
    ),
    b"a: 1\n---\nb: 1\n": f"2: got text that is not YAML (found another document), {NO_YAML}",
    b"a: 1\nb: \x00\n": f"2: got text that is not YAML, {NO_YAML}",
    b"a: 1\nb: \xff\n": "2: got bytes that are not UTF-8, expected YAML or JSON in UTF-8",
    b'a: "\\UFFFFFFFF"\n': f"1: got text that cannot be read as YAML, {NO_YAML}",
    b"[" * 1000: f"1: got text that is not YAML, {NO_YAML}",
    b"#" * 1_048_577: "1: got a larger file, expected at most 1048576 bytes",
}


@pytest.mark.parametrize(("raw", "told"), TEXTS.items(), ids=range(len(TEXTS)))
def test_what_is_no_yaml(home: Path, raw: bytes, told: str) -> None:
    """The line, and the parser's words without what it quotes."""
    assert _told(home, raw) == f"config.yaml:{told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: {b: 1,\n c: {d: 1,\n d: 2}}",
            "3: a.c.d: got the key again (first on line 2), expected each key once",
        ),
        (
            "password: {hunter2: 1, hunter2: 2}",
            "1: password.…: got the key again (first on line 1), expected each key once",
        ),
        (
            "<<: {a: 1}",
            "1: got a key that is no text, or a merge key (<<), expected keys that are written out",
        ),
        (
            "? [a]\n: 1",
            "1: got a key that is no text, or a merge key (<<), expected keys that are written out",
        ),
        ("a: !!python/name:os.system x", "1: a: got a tag, expected a value without one"),
        ("a: &x [*x]", "1: a[0]: got an alias that holds itself, expected a value"),
    ],
)
def test_what_yaml_allows_and_we_do_not(text: str, told: str) -> None:
    """Keys that stand twice, merge keys, tags, and aliases that hold themselves."""
    assert [str(problem) for problem in parse(text.encode()).problems] == [told]


def test_numbers_are_numbers() -> None:
    """However YAML writes them; a date, and a number nobody could mean, stays text."""
    data = parse(f"[1, 0x10, -3, 1.5, 1e3, 2026-02-03, {'9' * 100}, !!float hunter2]".encode()).data
    assert data[:-1] == (1, 16, -3, 1.5, 1000.0, "2026-02-03", "9" * 100)
    assert math.isnan(data[-1])


def test_a_number_in_old_yaml_is_not_warned_about(home: Path) -> None:
    """A parser's warning would print it, and it may be a password."""
    assert CANARY not in _told(home, f"%YAML 1.1\n---\npassword: 1e5\nvault: !!bool {CANARY}\n")


def test_aliases_are_values(home: Path) -> None:
    """The last anchor's value stands wherever an alias does."""
    text = _changed(
        "username: sf@example.com",
        "idle: &us true\n    username: &us sf@example.com\n    addresses: [*us, ops@example.com]",
    )
    assert _load(home, text).mailboxes[0].addresses == ("sf@example.com", "ops@example.com")


def test_aliases_of_aliases_cost_nothing() -> None:
    """Nine lines that would be a billion values."""
    lines = [
        "a0: &a0 x",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)),
    ]
    value = parse("\n".join(lines).encode()).data["a9"]
    assert value[0] is value[9]


def test_a_problem_stands_on_the_line_of_its_key() -> None:
    """Or on that of the nearest thing around it."""
    document = parse(b"a:\n  - b: 1\n    c:\n      2\n  - x\n")
    places: list[Loc] = [(), ("a",), ("a", 0), ("a", 0, "c"), ("a", 1), ("a", 0, "d"), ("z",)]
    assert [document.line(loc) for loc in places] == [1, 1, 2, 3, 5, 2, 1]


# Secrets

LITERALS = {
    "a literal": f"    password: {CANARY}",
    "a list": f"    password: [{CANARY}]",
    "under another name": f"    password: {{value: {CANARY}}}",
    "as a key": f"    password: {{{CANARY}}}",
    "as a file": f"    password: {{file: {CANARY}}}",
    "as a file elsewhere": f"    password: {{file: /{CANARY}/{CANARY}}}",
    "as a variable": f"    password: {{env: {CANARY}}}",
    "beside a file": f"    password: {{file: imap-password, {CANARY}: {CANARY}}}",
    "twice": f"    password: {CANARY}\n    password: {CANARY}",
    "under a misspelt key": f"    pasword: {CANARY}",
    "without a blank": f"    folders: {{password:{CANARY}}}",
    "as an alias": f"    password: *{CANARY}",
    "as a tag": f"    password: !{CANARY} x",
    "unquoted": f"    password: @{CANARY}",
    "unclosed": f'    password: "{CANARY}',
    "with a colon": f"    password: x: {CANARY}",
    "without a colon": f"    poll: 60s\n      password {CANARY}",
    "in a deeper mapping": f"    oauth2: {{client: {{secret: {CANARY}}}}}",
    "as a section": f"  - {CANARY}",
    "for Vault": f"vault: {{auth: {{method: {CANARY}, token: {CANARY}, {CANARY}: x}}}}",
    "for AppRole": (
        f"vault: {{auth: {{method: approle, role_id: [{CANARY}], secret_id: {CANARY}, {CANARY}:"
        f" {CANARY}}}}}"
    ),
    "in the address": f"vault: {{address: 'https://x:{CANARY}@vault'}}",
    "for the journal": f"journal: {{key: {CANARY}}}",
    "for a notification": f"notify: [{{url: {CANARY}}}]",
}


@pytest.mark.parametrize("written", LITERALS.values(), ids=LITERALS)
def test_a_literal_secret_is_refused_and_never_told(home: Path, written: str) -> None:
    """Wherever it was written by mistake."""
    password = "    password: {file: imap-password}"
    mailbox = written.startswith(" ")
    text = _changed(password, written) if mailbox else MINIMAL[: MINIMAL.find("vault:")] + written
    assert CANARY not in _told(home, text)


def test_a_secret_is_not_in_what_is_shown(home: Path) -> None:
    """Neither show nor repr nor JSON of a Config says more than where it is kept."""
    _secret(home / "imap-password", CANARY)
    loaded = _load(home, MINIMAL, {"VAULT_TOKEN": CANARY})
    assert loaded.mailboxes[0].password.read().reveal() == CANARY
    shown = config.show(loaded)
    assert f"file: {home}/imap-password" in shown
    assert CANARY not in shown + repr(loaded) + str(loaded) + loaded.model_dump_json()


def _source(loaded: Config) -> SecretSource:
    return loaded.mailboxes[0].password


@pytest.mark.parametrize(
    ("content", "secret"),
    [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), (" x ", " x "), ("pässwörd\xa0", "pässwörd\xa0")],
)
def test_one_newline_at_the_end_is_not_the_secret_s(home: Path, content: str, secret: str) -> None:
    """Everything else is."""
    with (home / "imap-password").open("w", encoding="utf-8", newline="") as file:
        file.write(content)
    assert _source(_load(home)).read().reveal() == secret


def test_a_secret_is_read_anew(home: Path) -> None:
    """A rotated file is seen, also behind the links that Kubernetes swaps."""
    (home / "v1").mkdir()
    _secret(home / "v1" / "password", "old")
    (home / "imap-password").unlink()
    (home / "imap-password").symlink_to("v1/password")
    source = _source(_load(home))
    assert source.read().reveal() == "old"
    _secret(home / "v1" / "password", "new")
    assert source.read().reveal() == "new"


def test_a_secret_that_went_away_is_told_without_its_content(home: Path) -> None:
    """After the start the error names the source, which is known to be one by then."""
    source = _source(_load(home))
    (home / "imap-password").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        source.read()
    where = f"{{file: {home}/imap-password}}"
    assert (str(caught.value), caught.value.code) == (
        f"secret {where}: got an empty one, expected a secret",
        "secret",
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "got an empty one, expected a secret"),
        (b"\n", "got an empty one, expected a secret"),
        (
            b"hunter2\ncanary\n",
            "got control characters or several lines, expected one line of text",
        ),
        (b"hunter2\x00", "got control characters or several lines, expected one line of text"),
        (b"hunter2\xff", "got bytes that are not UTF-8, expected text in UTF-8"),
        (b"x" * 65_537, "got more, expected at most 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret(home: Path, content: bytes, told: str) -> None:
    """Empty, binary, several lines, or far too large."""
    (home / "imap-password").write_bytes(content)
    assert _told(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {told}"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{env: UNSET}", "got a variable that is not set, expected the name of one that is"),
        ("{env: EMPTY}", "got an empty one, expected a secret"),
        ("{file: .}", "got something else, expected the path of a regular file"),
        (
            "{file: /nowhere/x}",
            "got no such file, nor its directory, expected the path of an existing file",
        ),
        (
            "{file: imap-password/x}",
            "got a file that cannot be read (Not a directory), expected the path of a file that we"
            " can read",
        ),
        ("{file: [x]}", "got something else, expected a path or a name"),
        ("{file: x, env: y}", "got both, expected one of {file: PATH} or {env: NAME}"),
        ("{}", "got an empty mapping, expected one of {file: PATH} or {env: NAME}"),
        ("null", "got null, expected {file: PATH} or {env: NAME}: secrets are not written here"),
    ],
)
def test_a_source_that_is_none(home: Path, written: str, told: str) -> None:
    """What is below the key is never repeated."""
    text = _changed("{file: imap-password}", written)
    assert _told(home, text) == f"config.yaml:5: mailboxes[0].password: {told}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o620])
def test_a_secret_file_that_others_can_use(home: Path, mode: int) -> None:
    """The error says how to mend it."""
    path = _secret(home / "imap-password", "x", mode)
    told = (
        f"got a file that others can use (mode {mode:04o}),"
        f" expected one for us alone: chmod 0600 {path.name}"
    )
    assert _told(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {told}"


@pytest.mark.parametrize(
    ("mode", "owner", "us", "mend"),
    [
        (0o600, 1000, 1000, None),
        (0o400, 1000, 1000, None),
        (0o440, 1000, 1000, "chmod 0600"),
        (0o400, 0, 0, None),
        (0o440, 0, 0, "chmod 0600"),
        (0o440, 0, 1000, None),  # a Secret under fsGroup; a credential of systemd
        (0o640, 0, 1000, None),
        (0o660, 0, 1000, "chmod 0440"),
        (0o444, 0, 1000, "chmod 0440"),
        (0o644, 0, 1000, "chmod 0440"),  # a Secret without defaultMode
        (0o440, 1001, 1000, "chmod 0600"),
    ],
)
def test_who_may_use_a_secret_file(mode: int, owner: int, us: int, mend: str | None) -> None:
    """Nobody else; but root may let us in through the group."""
    assert exposure(stat.S_IFREG | mode, owner, us) == mend


@pytest.mark.timeout(10)
def test_a_pipe_is_no_secret_file(home: Path) -> None:
    """It is refused without waiting for somebody to write."""
    (home / "imap-password").unlink()
    os.mkfifo(home / "imap-password", 0o600)
    told = "got something else, expected the path of a regular file"
    assert _told(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {told}"


# Any input

HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.text("ab:-[]{}&*!|>'\"%@`#,?<~\\0x \t\n\r\u2028", max_size=80).map(str.encode),
)


def _outcome(home: Path, raw: bytes) -> None:
    try:
        assert isinstance(_load(home, raw), Config)
    except ConfigurationError as error:
        assert str(error)  # noqa: PT017 - both ends are fine


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=HOSTILE)
def test_any_bytes_give_a_config_or_its_error(home: Path, raw: bytes) -> None:
    """Nothing else comes out, not even of what breaks the parser."""
    _outcome(home, raw)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


def _places(value: Any, loc: Loc = ()) -> Iterator[Loc]:
    """Every place in plain values."""
    yield loc
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*loc, key))


@st.composite
def _spoilt(draw: st.DrawFn) -> bytes:
    """A whole configuration in which some places hold anything."""
    data = YAML(typ="safe", pure=True).load(config.example())
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([loc for loc in _places(data) if loc]))
        target = data
        for part in way:
            target = target[part]
        target[last] = draw(VALUES)
    return json.dumps(data).encode()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(raw=_spoilt())
def test_any_values_give_a_config_or_its_error(home: Path, raw: bytes) -> None:
    """Also where all but a few places are right."""
    _outcome(home, raw)


# Finding the file


def test_the_flag_goes_before_the_variable(home: Path) -> None:
    """And the variable before the usual places; an empty one is none."""
    for name in ("flag", "variable", "place"):
        (home / name).touch()
    flag, variable, place = (home / name for name in ("flag", "variable", "place"))
    environ = {"TOKEN_CATCHER_CONFIG": str(variable)}
    assert config.find(str(flag), environ, [place]) == flag
    assert config.find(None, environ, [place]) == variable
    assert config.find(None, {}, [home / "nowhere", place]) == place
    assert config.find(None, {"TOKEN_CATCHER_CONFIG": ""}, [place]) == place


def test_the_usual_place_is_the_working_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """./config.yaml"""
    monkeypatch.chdir(home)
    (home / "config.yaml").touch()
    assert config.find(None, {}) == Path("config.yaml")


@pytest.mark.parametrize(
    "named", ["nowhere", "null\0byte", 5000 * "x"], ids=["nowhere", "null", "long"]
)
def test_a_named_file_must_be_there(named: str) -> None:
    """There is no falling back from a typing mistake to another file."""
    expected = f"got {named!r}, expected the path of an existing configuration file"
    with pytest.raises(ConfigurationError, match=re.escape(f"--config: {expected}")):
        config.find(named, {}, [Path("/")])
    with pytest.raises(ConfigurationError, match=re.escape(f"TOKEN_CATCHER_CONFIG: {expected}")):
        config.find(None, {"TOKEN_CATCHER_CONFIG": named}, [Path("/")])


def test_all_places_are_told_where_none_has_a_file(home: Path) -> None:
    """And how to begin."""
    with pytest.raises(ConfigurationError) as caught:
        config.find(None, {}, [home / "a", home / "b"])
    assert str(caught.value) == (
        f"no configuration found; looked at --config, TOKEN_CATCHER_CONFIG, {home}/a, {home}/b;"
        " `token-catcher config example` prints one"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".", "Is a directory"),
        ("no", "No such file or directory"),
        ("\0", "no file can have this name"),
    ],
)
def test_a_file_that_cannot_be_read(home: Path, name: str, why: str) -> None:
    """It may have gone since it was found."""
    with pytest.raises(ConfigurationError) as caught:
        config.load(home / name, {})
    assert str(caught.value) == f"{home / name}: the configuration cannot be read: {why}"


# For reading


def _example(home: Path) -> Config:
    """The example, with its secrets in a directory of the test's own."""
    _secret(home / "vault-secret-id", "x")
    text = config.example()
    assert "/run/credentials/token-catcher.service/" in text
    return _load(home, text.replace("/run/credentials/token-catcher.service", str(home)))


def test_the_example_loads(home: Path) -> None:
    """As it is printed, where the secrets are that it names."""
    loaded = _example(home)
    assert [mailbox.name for mailbox in loaded.mailboxes] == ["integrations"]
    assert [org.name for org in loaded.orgs] == ["acme-production", "acme-uat"]
    assert isinstance(loaded.vault.auth, AUTH["approle"])


def test_a_missing_example_is_told(home: Path) -> None:
    """An installation without it is broken."""
    with pytest.raises(
        ConfigurationError, match=r"config\.example\.yaml: got nothing there, expected the example"
    ):
        config.example([home])


def _keys(model: Any, prefix: str = "", *, optional: bool = False) -> Iterator[str]:
    """Every key of the schema, without list positions;
    or those of plain values that may be left out."""
    for name, key in model.model_fields.items():
        inner = [
            one
            for one in (key.annotation, *get_args(key.annotation))
            if hasattr(one, "model_fields")
        ]
        if not optional or (not key.is_required() and (not inner or key.default is None)):
            yield f"{prefix}{name}"
        for one in inner:
            yield from _keys(one, f"{prefix}{name}.", optional=optional)


def _dotted(loc: Loc) -> str:
    return ".".join(part for part in loc if isinstance(part, str))


def _flat(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    yield loc, value
    if isinstance(value, dict | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(inner, (*loc, key))


def test_the_example_has_every_key() -> None:
    """But for the token of the other method, and the inside of a shard."""
    data = parse(config.example().encode()).data
    there = {_dotted(loc) for loc, _ in _flat(data)}
    assert set(_keys(Config)) - there == {
        "vault.auth.token",
        "shard.count",
        "shard.index",
        "shard.replicas",
    }


IN_WORDS = {"instance", "mailboxes.port", "mailboxes.addresses", "trust.senders", "journal.file"}
"""Keys whose default the example tells in words; the tests at the top hold them."""


def test_the_example_tells_the_real_defaults(home: Path) -> None:
    """Each line that ends in `default: X` stands at a key whose default is X,
    and no key that has one is left out."""
    document = parse(config.example().encode())
    first_on_line = {
        document.line(loc): loc for loc, _ in reversed(list(_flat(document.data))) if loc
    }
    shown = config.show(
        _load(home, _changed("{method: token, token: {env: VAULT_TOKEN}}", APPROLE))
    )
    effective = dict(_flat(parse(shown.encode()).data))
    told = set()
    for number, line in enumerate(config.example().splitlines(), 1):
        if (found := re.search(r"default: (\S.*)$", line)) and not line.strip().startswith("#"):
            loc = first_on_line[number]
            told.add(_dotted(loc))
            if _dotted(loc) not in IN_WORDS:
                assert _in_seconds(effective[loc]) == _in_seconds(parse(found[1].encode()).data), (
                    line
                )
    assert {
        key for key in _keys(Config, optional=True) if not key.startswith("shard.")
    } == told | IN_WORDS


APPROLE = "{method: approle, role_id: x, secret_id: {file: imap-password}}"


def _in_seconds(value: Any) -> Any:
    """Durations by their length."""
    return config.duration(value) if re.fullmatch(r"\d+[smhd]", str(value)) else value


def test_what_is_shown_loads_as_the_same_config(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From any directory, with every default written out."""
    extra = (
        "trust: {authserv_zone: {received_above: 2}}\n"
        "http: {listen: 80}\n"
        "shard: {index: auto, count: 2}\n"
        "state_dir: st\n"
    )
    for loaded in (_load(home), _load(home, MINIMAL + extra), _example(home)):
        shown = config.show(loaded)
        assert _load(tmp_path_factory.mktemp("elsewhere"), shown) == loaded
        assert list(parse(shown.encode()).data) == list(Config.model_fields)


def test_the_schema_describes_every_key() -> None:
    """For editors: durations as a pattern, secrets as objects, no key without a sentence,
    no other key."""
    schema = config.schema()
    sections = [schema, *schema["$defs"].values()]
    assert [section["title"] for section in sections if section["additionalProperties"]] == []
    assert [
        (s["title"], name)
        for s in sections
        for name, key in s["properties"].items()
        if not key.get("description")
    ] == []
    mailbox = schema["$defs"]["MailboxConfig"]["properties"]
    assert mailbox["poll"]["pattern"] == "^[1-9][0-9]{0,8}[smhd]$"
    assert mailbox["poll"]["default"] == "1m"
    assert [list(one["properties"]) for one in mailbox["password"]["oneOf"]] == [["file"], ["env"]]
    assert schema["required"] == ["mailboxes", "orgs", "vault"]
    json.dumps(schema)


REFUSED = {".".join(part for part in way if part != ANY) for way in NOT_BUILT}
"""The keys whose feature this version does not have."""


def test_the_schema_knows_what_is_not_built() -> None:
    """Each key of the table is a key of the schema."""
    assert REFUSED - set(_keys(Config)) == set()


def _attributes_read() -> set[str]:
    """Names of all attributes that the program reads, outside of the configuration itself."""
    package = Path(token_catcher.__file__).parent
    names = set()
    for path in set(package.rglob("*.py")) - set((package / "config").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
    return names


def test_every_key_is_read_or_refused() -> None:
    """A key that nothing reads would be a promise that nothing keeps."""
    read = _attributes_read()
    unread = [key for key in _keys(Config) if key.rpartition(".")[2] not in read]
    assert set(unread) - REFUSED == set()
