"""Secrets are read from where they are kept, and never told."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.config.texts import CANARY, MINIMAL, changed, load, refusal_of, write_secret
from token_catcher import config
from token_catcher.config import Config, Google, SecretSource
from token_catcher.config.secret import exposure, sources_in
from token_catcher.errors import ConfigurationError

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
    text = MINIMAL[: MINIMAL.find("vault:")] + written
    if written.startswith(" "):  # below the mailbox
        text = changed(password, written)
    assert CANARY not in refusal_of(home, text)


def test_a_secret_is_not_in_what_is_shown(home: Path) -> None:
    """Neither show nor repr nor JSON of a Config says more than where it is kept."""
    write_secret(home / "imap-password", CANARY)
    loaded = load(home, MINIMAL, {"VAULT_TOKEN": CANARY})
    assert source_of(loaded).read().reveal() == CANARY
    shown = config.show(loaded)
    assert f"file: {home}/imap-password" in shown
    assert CANARY not in shown + repr(loaded) + str(loaded) + loaded.model_dump_json()


def source_of(loaded: Config) -> SecretSource:
    source = loaded.mailboxes[0].password
    assert source is not None
    return source


@pytest.mark.parametrize(
    ("content", "secret"),
    [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), (" x ", " x "), ("pässwörd\xa0", "pässwörd\xa0")],
)
def test_one_newline_at_the_end_is_not_the_secret_s(home: Path, content: str, secret: str) -> None:
    """Everything else is."""
    with (home / "imap-password").open("w", encoding="utf-8", newline="") as file:
        file.write(content)
    assert source_of(load(home)).read().reveal() == secret


def test_a_secret_is_read_anew(home: Path) -> None:
    """A rotated file is seen, also behind the links that Kubernetes swaps."""
    (home / "v1").mkdir()
    write_secret(home / "v1" / "password", "old")
    (home / "imap-password").unlink()
    (home / "imap-password").symlink_to("v1/password")
    source = source_of(load(home))
    assert source.read().reveal() == "old"
    write_secret(home / "v1" / "password", "new")
    assert source.read().reveal() == "new"


def test_a_secret_that_went_away_is_told_without_its_content(home: Path) -> None:
    """After the start the error names the source, which is known to be one by then."""
    source = source_of(load(home))
    (home / "imap-password").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        source.read()
    where = f"{{file: {home}/imap-password}}"
    assert (str(caught.value), caught.value.code) == (
        f"secret {where}: got an empty one, expected a secret",
        "secret",
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "got an empty one, expected a secret"),
        (b"\n", "got an empty one, expected a secret"),
        (
            b"hunter2\ncanary\n",
            "got control characters or several lines, expected one line of text",
        ),
        (
            b"hunter2\x00",
            "got a NUL, as in UTF-16 or in a padded file, expected text in UTF-8",
        ),
        (
            "x\n".encode("utf-16-le"),
            "got a NUL, as in UTF-16 or in a padded file, expected text in UTF-8",
        ),
        (
            b"\xef\xbb\xbfhunter2\n",
            "got a byte-order mark before it, as some editors write, expected the secret alone",
        ),
        (
            "hunter2\u200b\n".encode(),
            "got an invisible mark in it (U+200B), expected the secret alone",
        ),
        (
            "hun\u00adter2".encode(),
            "got an invisible mark in it (U+00AD), expected the secret alone",
        ),
        (
            "hunter2\ufeff".encode(),
            "got an invisible mark in it (U+FEFF), expected the secret alone",
        ),
        (
            "\u202ehunter2".encode(),
            "got an invisible mark in it (U+202E), expected the secret alone",
        ),
        (b"hunter2\xff", "got bytes that are not UTF-8, expected text in UTF-8"),
        (b"x" * 65_537, "got more, expected at most 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret(home: Path, content: bytes, expected: str) -> None:
    """Empty, binary, several lines, far too large, or with what nobody sees and no server takes."""
    (home / "imap-password").write_bytes(content)
    assert refusal_of(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {expected}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{env: UNSET}", "got a variable that is not set, expected the name of one that is"),
        ("{env: EMPTY}", "got an empty one, expected a secret"),
        ("{file: .}", "got a directory, expected the path of a regular file"),
        ("{file: /dev/null}", "got a device, expected the path of a regular file"),
        (
            "{file: sf-password}",
            "got no such file: sf-password, expected the path of an existing file",
        ),
        (
            "{file: hunter2}",
            "got no such file in {home}, expected the path of an existing file",
        ),
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
        ("[]", "got a list, expected {file: PATH} or {env: NAME}: secrets are not written here"),
    ],
)
def test_a_source_that_is_none(home: Path, written: str, expected: str) -> None:
    """What is below the key is never repeated, but for what is surely the name of a file."""
    text = changed("{file: imap-password}", written)
    told = f"config.yaml:5: mailboxes[0].password: {expected}"
    assert refusal_of(home, text) == told.replace("{home}", str(home))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o601, 0o620, 0o650])
def test_a_secret_file_that_others_can_use(home: Path, mode: int) -> None:
    """The error says how to mend it."""
    path = write_secret(home / "imap-password", "x", mode)
    expected = (
        f"got a file that others can use (mode {mode:04o}),"
        f" expected one for us alone: chmod 0600 {path.name}"
    )
    assert refusal_of(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {expected}"


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_a_secret_file_that_kubernetes_mounts(home: Path, mode: int) -> None:
    """As its kubelet lays out a volume: read-only, and written anew, so that no chmod lasts."""
    volume = home / "..2026_11_26"
    volume.mkdir()
    write_secret(volume / "imap-password", "x", mode)
    (home / "..data").symlink_to(volume.name)
    (home / "imap-password").unlink()
    (home / "imap-password").symlink_to("..data/imap-password")
    expected = (
        f"got a file that others can use (mode {mode:04o}), expected one for us alone: defaultMode:"
        " 0400 on its volume and fsGroup in the pod's securityContext (imap-password)"
    )
    assert refusal_of(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {expected}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to any group")
@pytest.mark.parametrize(
    ("mode", "group", "got"),
    [
        (0o640, 59_999, "a file that the group gid 59999 can use, which is none of ours"),
        (0o644, 59_999, "a file that others can use"),
        (0o660, 0, "a file that others can use"),
    ],
)
def test_a_secret_file_of_a_foreign_group(home: Path, mode: int, group: int, got: str) -> None:
    """It is named: by its mode alone the file would be taken."""
    path = write_secret(home / "imap-password", "x", mode)
    os.chown(path, -1, group)
    expected = f"got {got} (mode {mode:04o}), expected one for us alone: chmod 0600 {path.name}"
    assert refusal_of(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {expected}"


ROOT, WE, VAULT = 0, 1000, 1001
OURS, STRANGERS = 1000, 1002
"""Groups."""


def status(mode: int, owner: int, group: int) -> os.stat_result:
    """Of a regular file."""
    return os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "us", "mend"),
    [
        (0o600, WE, OURS, WE, None),
        (0o400, WE, OURS, WE, None),
        (0o440, WE, OURS, WE, None),
        (0o640, WE, OURS, WE, None),  # the sink of a Vault Agent that runs as we do
        (0o640, VAULT, OURS, WE, None),  # of one that runs as somebody else
        (0o640, WE, ROOT, WE, None),
        (0o640, WE, STRANGERS, WE, "chmod 0600"),
        (0o440, VAULT, STRANGERS, WE, "chmod 0600"),
        (0o660, WE, OURS, WE, "chmod 0600"),
        (0o641, WE, OURS, WE, "chmod 0600"),
        (0o644, WE, OURS, WE, "chmod 0600"),
        (0o400, ROOT, ROOT, ROOT, None),
        (0o640, ROOT, ROOT, ROOT, None),
        (0o640, ROOT, STRANGERS, ROOT, "chmod 0600"),
        (0o440, ROOT, OURS, WE, None),  # a Secret under fsGroup
        (0o440, ROOT, STRANGERS, WE, None),  # a credential of systemd, by its access list
        (0o640, ROOT, ROOT, WE, None),
        (0o660, ROOT, OURS, WE, "chmod 0440"),
        (0o444, ROOT, OURS, WE, "chmod 0440"),
        (0o644, ROOT, OURS, WE, "chmod 0440"),  # a Secret without defaultMode
    ],
)
def test_who_may_use_a_secret_file(
    mode: int, owner: int, group: int, us: int, mend: str | None
) -> None:
    """We, our groups and root's, and whom root lets in."""
    assert exposure(status(mode, owner, group), us, {OURS}) == mend


@pytest.mark.parametrize(
    ("mode", "shared"), [(0o600, None), (0o400, None), (0o640, "0640"), (0o440, "0440")]
)
def test_a_secret_file_that_a_group_reads(home: Path, mode: int, shared: str | None) -> None:
    """It is taken, and the mode is there to be told."""
    write_secret(home / "imap-password", "x", mode)
    source = source_of(load(home))
    assert (source.read().reveal(), source.shared()) == ("x", shared)


def test_every_secret_of_a_configuration(home: Path) -> None:
    """Wherever it stands."""
    write_secret(home / "secret-id", "x")
    text = changed(
        "{method: token, token: {env: VAULT_TOKEN}}",
        "{method: approle, role_id: r, secret_id: {file: secret-id}}",
    )
    assert [source.where for source in sources_in(load(home, text))] == [
        f"{home}/imap-password",
        f"{home}/secret-id",
    ]


def test_a_command_that_uses_no_secret_asks_for_none(home: Path) -> None:
    """They may be missing, or another user's."""
    (home / "imap-password").unlink()
    (home / "config.yaml").write_text(MINIMAL)
    loaded = config.load(home / "config.yaml", {}, secrets=False)
    assert source_of(loaded).where == f"{home}/imap-password"


@pytest.mark.parametrize("key", ["ca_file: ca.pem", "client_certificate: {file: client.pem}"])
def test_a_command_that_connects_to_nobody_asks_for_no_file_of_tls(home: Path, key: str) -> None:
    """They are mounted with the secrets, into the service alone."""
    (home / "config.yaml").write_text(MINIMAL.replace("vault:\n", f"vault:\n  {key}\n"))
    loaded = config.load(home / "config.yaml", {}, secrets=False)
    assert loaded.vault.ca_file or loaded.vault.client_certificate
    with pytest.raises(ConfigurationError, match=key.partition(":")[0]):
        config.load(home / "config.yaml", {})


@pytest.mark.timeout(10)
def test_a_pipe_is_no_secret_file(home: Path) -> None:
    """It is refused without waiting for somebody to write."""
    (home / "imap-password").unlink()
    os.mkfifo(home / "imap-password", 0o600)
    expected = "got a pipe, expected the path of a regular file"
    assert refusal_of(home, MINIMAL) == f"config.yaml:5: mailboxes[0].password: {expected}"


def test_a_document_may_span_lines(home: Path) -> None:
    """The key of a service account, as the console gives it out; a password may not."""
    key = '{\n  "type": "service_account",\r\n\t"private_key": "x"\n}\n'
    write_secret(home / "key.json", key)
    password = "    password: {file: imap-password}"
    oauth2 = "    oauth2: {provider: google, service_account: {file: key.json}}"
    section = load(home, changed(password, oauth2)).mailboxes[0].oauth2
    assert isinstance(section, Google)
    assert section.service_account is not None
    assert section.service_account.read().reveal() == key.removesuffix("\n")
    told = refusal_of(home, changed("imap-password", "key.json"))
    assert told.endswith("got control characters or several lines, expected one line of text")


def test_a_document_is_text_as_well(home: Path) -> None:
    """What is no text is told with its line, and without a word of it."""
    (home / "key.json").write_bytes(b"{\0}")
    (home / "key.json").chmod(0o600)
    oauth2 = "    oauth2: {provider: google, service_account: {file: key.json}}"
    told = refusal_of(home, changed("    password: {file: imap-password}", oauth2))
    assert told.endswith(
        "mailboxes[0].oauth2.service_account: got a NUL, as in UTF-16 or in a padded file,"
        " expected text in UTF-8"
    )
