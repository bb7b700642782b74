"""The pages of docs/ that are made, or that show what the program prints, are what they say."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.kit.program import Program
from token_catcher import config
from token_catcher.cli import app
from token_catcher.help_pages import PAGES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAVIGATION = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
QUICK_START = (DOCS / "quick-start.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["commands", "configuration"])
def test_a_page_is_what_its_source_says(name: str) -> None:
    """`make pages` makes it."""
    page = runpy.run_path(str(DOCS / f"{name}.py"))["page"]
    assert (DOCS / f"{name}.md").read_text("utf-8") == page()


def test_the_texts_of_help_are_those_of_typer() -> None:
    """`make pages` makes them; they are printed without it."""
    made = runpy.run_path(str(DOCS / "help.py"))
    text = (ROOT / "token_catcher" / "help_pages.py").read_text("utf-8")
    assert text == made["module"]()
    assert {name: f"{page}\n" for name, page in made["pages"](get_command(app))} == PAGES


def keys(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every key of the schema and of its sections."""
    yield from schema.get("properties", {})
    for definition in schema.get("$defs", {}).values():
        yield from keys(definition)


def test_every_key_is_in_the_reference() -> None:
    """With a kind and a sentence, in as many rows as the schema has keys, or more."""
    text = (DOCS / "configuration.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:3] == "| `"]
    named = [row[0].strip("`") for row in rows]
    assert set(named) == set(keys(config.json_schema()))
    for row in rows:
        assert re.fullmatch(r"\S.+", row[-1]), row
        assert len(row) == 4, row


def test_the_decisions_are_all_listed() -> None:
    """By number, with their titles."""
    listed = re.findall(r"\* \[(.*)\]\((.*)\)", (DOCS / "adr" / "README.md").read_text("utf-8"))
    pages = sorted((DOCS / "adr").glob("0*.md"))
    titles = [page.read_text("utf-8").partition("\n")[0].lstrip("# ") for page in pages]
    assert listed == [(title, page.name) for title, page in zip(titles, pages, strict=True)]


def test_the_sample_is_judged_as_the_quick_start_shows(tmp_path: Path) -> None:
    """With the configuration of the page: every rule but the proof is met."""
    (text,) = re.findall(r"(?s)```yaml\n(.*?)```", QUICK_START)
    program = Program(tmp_path, text)
    program.configure()
    for name in ("imap-password", "vault-secret-id"):
        program.secret(name, "made-up")
    done = program("explain", str(DOCS / "sample-token-mail.eml"))
    assert (done.code, done.err) == (0, "")
    _, _, shown = QUICK_START.partition("$ token-catcher explain docs/sample-token-mail.eml\n")
    expected = shown.partition("```")[0]
    assert done.out.replace(str(ROOT) + "/", "") == expected
    assert len(re.findall("✗", done.out)) == 1


def test_the_site_has_every_page() -> None:
    """MkDocs refuses a page without its line as well, but only `make docs` would say so."""
    listed = set(re.findall(r": ((?:docs|deploy)?/?[\w/-]+\.md)$", NAVIGATION, re.MULTILINE))
    pages = {str(page.relative_to(ROOT)) for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]}
    decisions = {page for page in pages if page.startswith("docs/adr/0")}
    assert listed == pages - decisions | {"deploy/README.md"}
