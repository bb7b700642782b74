"""What the texts say is so: commands, flags, make targets and files exist.

The first configuration loads."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from token_catcher.advice import ADVICE, IF_GENUINE, NEXT_STEP
from token_catcher.cli import app
from token_catcher.commands.examples import EXAMPLES
from token_catcher.config import load

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
README = (ROOT / "README.md").read_text("utf-8")

CONTRACT = {
    "run": set(),
    "scan": {"--mailbox", "--wait", "--user", "--since", "--again", "--dry-run", "--json"},
    "explain": {"--received-at", "--mailbox", "--json"},
    "history": {
        "--org",
        "--user",
        "--event",
        "--since",
        "--until",
        "--issued-since",
        "--json",
        "--csv",
        "--html",
        "--wide",
    },
    "held": {"--json"},
    "release": {"--reason"},
    "status": {"--json"},
    "check": {"--mailbox", "--write-test", "--json"},
    "init": {
        "--output",
        "--address",
        "--host",
        "--tls",
        "--port",
        "--ca-file",
        "--username",
        "--password",
        "--oauth2",
        "--org",
        "--user",
        "--environment",
        "--org-id",
        "--vault",
        "--vault-ca",
        "--vault-auth",
        "--role-id",
        "--secret-id",
        "--mount",
        "--state-dir",
        "--vault-setup",
        "--max-age",
        "--yes",
        "--force",
    },
    "login": {"--mailbox", "--authorize-url"},
    "audit verify": {"--head", "--key", "--json"},
    "audit reconcile": {"--vault-log", "--json"},
    "audit archive": set(),
    "notify test": {"--json"},
    "config example": set(),
    "config schema": set(),
    "config show": set(),
    "demo": {"--keep"},
}
"""Commands and their flags, as scripts out there type them: only ever added to."""
COMMON = {"--config", "--help"}
"""Flags that every command has."""


def commands() -> dict[str, set[str]]:
    """Every command that can be typed, with the flags that its help names."""
    flags = {}
    for words in _leaves(get_command(app), ()):
        named = set(re.findall(r"(?m)^  (--[a-z0-9-]+)", help_of(words)))
        flags[" ".join(words)] = named - COMMON
    return flags


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    for name, inner in below.items():
        yield from _leaves(inner, (*words, name))
    if not below:
        yield words


def help_of(words: tuple[str, ...]) -> str:
    """What `--help` shows."""
    command: Any = get_command(app)
    context = command.context_class(command, info_name="token-catcher")
    for word in words:
        command = command.commands[word]
        context = command.context_class(command, info_name=word, parent=context)
    return str(command.get_help(context))


def code_of(text: str) -> list[str]:
    """The lines of all code in a text: blocks, and spans between backticks."""
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```", text)
    indented = re.findall(r"(?m)^    (\S.*)$", text)
    spans = re.findall(r"`([^`]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    return [*(line for block in blocks for line in block.splitlines()), *indented, *spans]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


# -- commands --


def test_commands_and_flags_keep_their_contract() -> None:
    """Names that scripts rely on; what is new is added to the table above."""
    assert commands() == CONTRACT


@pytest.mark.parametrize(
    "words",
    [(), ("audit",), ("notify",), ("config",), *(tuple(command.split()) for command in CONTRACT)],
    ids=" ".join,
)
def test_help_is_whole(words: tuple[str, ...]) -> None:
    """It says what the command does, and cuts no sentence off."""
    usage, _, rest = help_of(words).partition("\n\n")
    assert usage.startswith(f"Usage: {' '.join(['token-catcher', *words])} ")
    assert re.match(r"  [A-Z][^\n]+", rest)
    assert not re.search(r"\.\.\.$", rest, re.MULTILINE)


def test_every_command_has_an_example() -> None:
    """Of itself, with flags that it has."""
    assert list(EXAMPLES) == list(CONTRACT)
    for command, lines in EXAMPLES.items():
        for line in lines:
            typed = line.rpartition("token-catcher ")[2]
            assert command_of(typed) == command, line
            assert set(re.findall(r"--[a-z-]+", typed)) <= CONTRACT[command] | COMMON, line


def test_the_manual_page_is_what_help_says() -> None:
    """`make pages` makes it."""
    page = runpy.run_path(str(ROOT / "docs" / "manpage.py"))["page"]
    assert (ROOT / "docs" / "token-catcher.1").read_text("utf-8") == page()


def rows() -> Iterator[tuple[str, str]]:
    """Command and description of each row of the README's table of commands;
    alternatives give a row each."""
    for command, does in re.findall(r"(?m)^\| `token-catcher ([^`]+)` \| (.*) \|$", README):
        words = command.replace("\\|", "|").split()
        plain = [word for word in words if word == word.lower()]
        for last in plain[-1].split("|"):
            yield " ".join([*plain[:-1], last]), does


def test_the_table_of_commands() -> None:
    """It has every command, in the order of the help, and no flag that its command has not."""
    assert [command for command, _ in rows()] == list(CONTRACT)
    for command, does in rows():
        assert set(re.findall(r"--[a-z-]+", does)) <= commands()[command] | COMMON, command


@pytest.mark.parametrize("path", TEXTS, ids=names(TEXTS))
def test_what_is_to_be_typed_can_be_typed(path: Path) -> None:
    """Every `token-catcher …` in a text is a command, with flags that it has."""
    for line in code_of(path.read_text("utf-8")):
        for typed in re.findall(r"(?:^|\$ )token-catcher ((?!.*/)[a-z].*)", line):
            command = command_of(typed)
            if command is None and "|" in typed:
                continue  # alternatives, of the table above
            assert command is not None, line
            assert set(re.findall(r"--[a-z-]+", typed)) <= CONTRACT[command] | COMMON, line


def command_of(typed: str) -> str | None:
    """The command that these words begin with."""
    for command in CONTRACT:
        if f"{typed} ".startswith(f"{command} "):
            return command
    return None


def test_the_next_steps_can_be_typed() -> None:
    """What the program advises: commands that exist, files that are there."""
    advice = [*NEXT_STEP.values(), *ADVICE.values(), *IF_GENUINE.values()]
    text = "\n".join(advice)
    typed = {words.strip() for words in re.findall(r"`token-catcher ([a-z ]+)", text)}
    assert typed - set(CONTRACT) == set()
    files = re.findall(r"\b(?:docs|deploy)/[\w./-]*\w", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


# -- make, links, the first configuration --


def targets() -> set[str]:
    """What make can make."""
    return set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf-8")))


@pytest.mark.parametrize("path", TEXTS, ids=names(TEXTS))
def test_make_targets_exist(path: Path) -> None:
    """Those in the texts."""
    for line in code_of(path.read_text("utf-8")):
        assert set(re.findall(r"(?:^|\$ )make ([a-z]+)", line)) <= targets(), line


def test_make_targets_are_listed() -> None:
    """`make` alone names those that are for people;
    the guard of the main branch uses three of them."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"(?m)^\.PHONY: (.*)$", makefile)[0].split())
    assert phony <= targets()
    guard = (ROOT / ".ci" / "run").read_text("utf-8")
    assert set(re.findall(r"(?m)^make ([a-z]+)$", guard)) <= targets()


def anchors(path: Path) -> set[str]:
    """What a link can point to within a text: its headings, as they become identifiers."""
    headings = re.findall(r"(?m)^#+ (.*)$", path.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=names(TEXTS))
def test_links_lead_somewhere(path: Path) -> None:
    """To a file or folder of the repository, and to a heading that is there."""
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


NAMED_FILE = re.compile(
    r"(?<![\w/.%$-])(?:docs|deploy|tests|requirements|token_catcher)/[\w./-]*\w"
)


@pytest.mark.parametrize("path", TEXTS, ids=names(TEXTS))
def test_files_that_are_named_exist(path: Path) -> None:
    """`docs/…`, `deploy/…` and their like in code,
    from the root of the repository or beside the text."""
    for line in code_of(path.read_text("utf-8")):
        for file in NAMED_FILE.findall(line):
            assert (ROOT / file).exists() or (path.parent / file).exists(), file


def test_the_first_configuration_loads(tmp_path: Path) -> None:
    """The one that the README calls enough, once its secrets are there."""
    (text,) = re.findall(r"(?s)A configuration that is enough:\n\n```yaml\n(.*?)```", README)
    for secret in re.findall(r"\{file: ([^}]+)\}", text):
        here = tmp_path / Path(secret).name
        here.touch(0o600)
        here.write_text("made-up\n")
        text = text.replace(secret, str(here))
    config = tmp_path / "config.yaml"
    config.write_text(text)
    loaded = load(config, {})
    assert (loaded.mailboxes[0].name, loaded.orgs[0].usernames, loaded.trust.policy) == (
        "integrations",
        ("*@acme.example",),
        "dkim",
    )
