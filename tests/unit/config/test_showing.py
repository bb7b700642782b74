"""The configuration for reading: the example, the schema, what is in effect."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import token_catcher
from tests.unit.config.texts import MINIMAL, changed, load, write_secret
from token_catcher import config
from token_catcher.config import Config
from token_catcher.config.document import parse
from token_catcher.config.problems import Loc
from token_catcher.config.vault_auth import AUTH
from token_catcher.errors import ConfigurationError


def example(home: Path) -> Config:
    """The example, with its secrets in a directory of the test's own."""
    write_secret(home / "vault-secret-id", "x")
    text = config.example()
    assert "/run/credentials/token-catcher.service/" in text
    return load(home, text.replace("/run/credentials/token-catcher.service", str(home)))


def test_the_example_loads(home: Path) -> None:
    """As it is printed, where the secrets are that it names."""
    loaded = example(home)
    assert [mailbox.name for mailbox in loaded.mailboxes] == ["integrations"]
    assert [org.name for org in loaded.orgs] == ["acme-production", "acme-uat"]
    assert isinstance(loaded.vault.auth, AUTH["approle"])


def test_a_missing_example_is_told(home: Path) -> None:
    """An installation without it is broken."""
    with pytest.raises(
        ConfigurationError, match=r"config\.example\.yaml: got nothing there, expected the example"
    ):
        config.example([home])


def keys_of(model: Any, prefix: str = "", *, optional: bool = False) -> Iterator[str]:
    """Every key of the schema, without list positions;
    or those of plain values that may be left out."""
    for name, key in model.model_fields.items():
        annotations = (key.annotation, *get_args(key.annotation))
        sections = [section for section in annotations if hasattr(section, "model_fields")]
        may_be_left_out = not key.is_required() and (not sections or key.default in (None, ()))
        if may_be_left_out or not optional:
            yield f"{prefix}{name}"
        for section in sections:
            yield from keys_of(section, f"{prefix}{name}.", optional=optional)


def dotted(loc: Loc) -> str:
    """`mailboxes.name`, whichever mailbox it is."""
    return ".".join(part for part in loc if isinstance(part, str))


def flat(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Every place in plain values, and what stands there."""
    yield loc, value
    if isinstance(value, tuple):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, (*loc, key))


OF_OTHER_METHODS = ("jwt", "name", "password", "role", "token", "username")
"""Keys of `vault.auth` that the example's own method, AppRole, does not have."""


def test_the_example_has_every_key() -> None:
    """But for the keys of the other methods, and the inside of a shard, of certificates and of
    receivers."""
    data = parse(config.example().encode()).data
    there = {dotted(loc) for loc, _ in flat(data)}
    assert set(keys_of(Config)) - there == {
        "mailboxes.client_certificate.file",
        "mailboxes.client_certificate.key",
        *(f"vault.auth.{key}" for key in OF_OTHER_METHODS),
        "vault.client_certificate.file",
        "vault.client_certificate.key",
        "shard.count",
        "shard.index",
        "shard.replicas",
        *(key for key in keys_of(Config) if key.startswith("notify.")),
    }


IN_WORDS = {
    "instance",
    "vault.auth.secret_id",
    "mailboxes.port",
    "mailboxes.addresses",
    "trust.senders",
    "journal.file",
}
"""Keys whose default the example tells in words; the tests at the top hold them."""


def test_the_example_tells_the_real_defaults(home: Path) -> None:
    """Each line that ends in `default: X` stands at a key whose default is X,
    and no key that has one is left out."""
    shown = config.show(load(home, changed("{method: token, token: {env: VAULT_TOKEN}}", APPROLE)))
    effective = dict(flat(parse(shown.encode()).data))
    named = set()
    for loc, default in defaults_told():
        named.add(dotted(loc))
        if dotted(loc) not in IN_WORDS:
            assert in_seconds(effective[loc]) == in_seconds(default), dotted(loc)
    inside = ("shard.", "notify.", "vault.client_certificate.", "mailboxes.client_certificate.")
    optional = {key for key in keys_of(Config, optional=True) if not key.startswith(inside)}
    optional.remove("mailboxes.password")  # optional only beside another login
    optional -= {f"vault.auth.{key}" for key in OF_OTHER_METHODS}
    assert optional == named | IN_WORDS


def defaults_told() -> Iterator[tuple[Loc, Any]]:
    """The first key of each line of the example that tells a default, and that default."""
    document = parse(config.example().encode())
    first_on_line: dict[int, Loc] = {}
    for loc, _ in flat(document.data):
        if loc:
            first_on_line.setdefault(document.line(loc), loc)
    for number, line in enumerate(config.example().splitlines(), 1):
        told = re.search(r"default: (\S.*)$", line)
        if told is not None and not line.strip().startswith("#"):
            yield first_on_line[number], parse(told[1].encode()).data


APPROLE = "{method: approle, role_id: x, secret_id: {file: imap-password}}"


def in_seconds(value: Any) -> Any:
    """Durations by their length."""
    if re.fullmatch(r"\d+[smhd]", str(value)):
        return config.duration(value)
    return value


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
    for loaded in (load(home), load(home, MINIMAL + extra), example(home)):
        shown = config.show(loaded)
        assert load(tmp_path_factory.mktemp("elsewhere"), shown) == loaded
        assert list(parse(shown.encode()).data) == list(Config.model_fields)


def test_of_a_command_that_prints_a_token_the_program_is_shown(home: Path) -> None:
    """Its arguments may hold a secret. What is left out is not loaded as if it were nothing."""
    line = "oauth2: {provider: external, token: {command: [/bin/echo, hunter2, -x]}}"
    loaded = load(home, changed("password: {file: imap-password}", line))
    shown = config.show(loaded)
    assert "hunter2" not in shown + repr(loaded) + str(loaded)
    mailbox = parse(shown.encode()).data["mailboxes"][0]
    assert mailbox["oauth2"]["token"] == {"command": "/bin/echo", "arguments_not_shown": 2}
    with pytest.raises(ConfigurationError, match=r"oauth2.token: got .*expected"):
        load(home, shown)


def test_the_schema_describes_every_key() -> None:
    """For editors: durations as a pattern, secrets as objects, no key without a sentence,
    no other key."""
    schema = config.json_schema()
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
    assert [list(form["properties"]) for form in mailbox["password"]["anyOf"][0]["oneOf"]] == [
        ["file"],
        ["env"],
    ]
    assert schema["required"] == ["mailboxes", "orgs", "vault"]
    json.dumps(schema)


def attributes_read() -> set[str]:
    """Names of all attributes that the program reads, outside of the configuration itself."""
    package = Path(token_catcher.__file__).parent
    names = set()
    for path in set(package.rglob("*.py")) - set((package / "config").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
    return names


def test_every_key_is_read() -> None:
    """A key that nothing reads would be a promise that nothing keeps."""
    read = attributes_read()
    unread = [key for key in keys_of(Config) if key.rpartition(".")[2] not in read]
    assert unread == []
