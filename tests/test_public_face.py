"""What SECURITY.md, CONTRIBUTING.md and `.github/` promise is so.

`tests/test_readme.py` holds what all texts share: commands, make targets, links, files.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML
from typer.main import get_command

from tests.kit.servers.process import command
from token_catcher import __version__
from token_catcher.cli import app

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
SCRIPTS = sorted((ROOT / ".ci").iterdir())
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

CHANGELOG = """\
# Changelog

Some words.

## [Unreleased]

## [1.10.0] - 2026-03-01

### Added

- Ten.

## [1.1.0] - 2026-02-01

### Fixed

- A line
  that goes on.

## [1.0.0] - 2026-01-01

- One.
"""


def parsed(path: Path) -> dict[str, Any]:
    """A YAML file of `.github/`."""
    content = YAML(typ="safe").load(path.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def jobs(workflow: str) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow by their ids."""
    content: dict[str, dict[str, Any]] = parsed(GITHUB / "workflows" / workflow)["jobs"]
    return content


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    """The steps of a job, in their order."""
    content: list[dict[str, Any]] = jobs(workflow)[job]["steps"]
    return content


def typed(workflow: str) -> str:
    """All that the jobs of a workflow type into a shell."""
    texts = []
    for job in jobs(workflow).values():
        for step in job.get("steps", []):
            texts.append(step.get("run", ""))
    return "\n".join(filter(None, texts))


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script of `.ci/`, to its end."""
    return subprocess.run(
        [ROOT / ".ci" / script, *arguments], capture_output=True, text=True, check=False
    )


# -- the workflows --


def test_every_python_that_is_named_is_tested() -> None:
    """The package's classifiers and the workflow's matrix say the same, from the oldest on."""
    prefix = "Programming Language :: Python :: "
    lines = "\n".join(PROJECT["project"]["classifiers"])
    named = re.findall(rf"(?m)^{re.escape(prefix)}(3\.\d+)$", lines)
    assert jobs("ci.yml")["run"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"


def test_actions_are_pinned() -> None:
    """Each by the full hash of a commit, with its version beside it, and everywhere the same."""
    pins: dict[str, str] = {}
    for path in WORKFLOWS:
        for used in re.findall(r"(?m)\buses: (.*)$", path.read_text("utf-8")):
            if used.startswith("./"):
                continue
            pin = re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", used)
            assert pin, used
            assert pins.setdefault(pin[1], pin[2]) == pin[2], used
    assert pins


def test_jobs_hold_the_rights_that_they_need() -> None:
    """None by default; and the one job that may write runs no code of the project."""
    rights = {}
    for path in WORKFLOWS:
        assert parsed(path)["permissions"] == {}
        for name, job in jobs(path.name).items():
            rights[path.name, name] = job["permissions"]
    reads = {"contents": "read"}
    assert rights == {
        ("ci.yml", "run"): reads,
        ("release.yml", "test"): reads,
        ("release.yml", "build"): reads,
        ("release.yml", "publish"): {
            "attestations": "write",
            "contents": "write",
            "id-token": "write",
        },
    }
    used = [step.get("uses", "").partition("@")[0] for step in steps("release.yml", "publish")]
    assert used == ["actions/download-artifact", "actions/attest-build-provenance", ""]


@pytest.mark.parametrize("path", WORKFLOWS, ids=attrgetter("name"))
def test_what_a_workflow_types_is_there(path: Path) -> None:
    """Targets of make, scripts of `.ci/`, lock files; and it lets pip resolve nothing."""
    text = typed(path.name)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?m)^([a-z]+):", makefile))
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= targets
    for file in re.findall(r"(?:\.ci|requirements)/[\w.]+", text):
        assert (ROOT / file).is_file(), file
    assert not re.search(r"\bpip (install|wheel|download)\b", text)


def test_the_workflow_runs_what_guards_the_main_branch() -> None:
    """And nothing of its own beside the servers that the tests start."""
    assert typed("ci.yml").splitlines() == ["sudo make servers", ".ci/run"]


def test_nothing_is_released_that_is_not_green() -> None:
    """The job that publishes waits for the tests, for the build, and for a person."""
    publish = jobs("release.yml")["publish"]
    assert jobs("release.yml")["test"]["uses"] == "./.github/workflows/ci.yml"
    assert (publish["needs"], publish["environment"]) == (["test", "build"], "release")


# -- a release --


@pytest.mark.parametrize(
    ("version", "section"),
    [
        ("1.10.0", "### Added\n\n- Ten.\n"),
        ("1.1.0", "### Fixed\n\n- A line\n  that goes on.\n"),
        ("1.0.0", "- One.\n"),
    ],
)
def test_the_text_of_a_release(tmp_path: Path, version: str, section: str) -> None:
    """It is the changelog's section of that version, whole, without its heading."""
    file = tmp_path / "CHANGELOG.md"
    file.write_text(CHANGELOG, "utf-8")
    done = run("changelog", version, str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, section, "")


@pytest.mark.parametrize("version", ["Unreleased", "1.1", "1.10", "2.0.0"])
def test_a_release_without_a_text(tmp_path: Path, version: str) -> None:
    """A section that is missing or empty ends it; a version is not taken for a longer one."""
    file = tmp_path / "CHANGELOG.md"
    file.write_text(CHANGELOG, "utf-8")
    done = run("changelog", version, str(file))
    message = f"{file} has no section [{version}], or nothing in it.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_the_changelog_has_its_form() -> None:
    """Unreleased first, then versions with their day, under headings that CONTRIBUTING.md names."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first, *versions = re.findall(r"(?m)^## (.*)$", text)
    assert first == "[Unreleased]"
    for version in versions:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version), version
    (kinds,) = re.findall(r"under \*Unreleased\*: ([\w, ]+)\.", CONTRIBUTING)
    allowed = {*re.split(r", | or ", kinds), "Not available yet"}
    assert set(re.findall(r"(?m)^### (.*)$", text)) <= allowed


def test_a_tag_that_is_not_the_version_is_no_release() -> None:
    """Nothing is built, and the message has both."""
    done = run("release", "v0.0.0")
    message = f"The tag is v0.0.0, and the program calls itself {__version__}.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_a_release_resolves_nothing() -> None:
    """Each pip command takes what is listed, and checks the hash of what is fetched."""
    text = (ROOT / ".ci" / "release").read_text("utf-8").replace("\\\n", "")
    commands = re.findall(r"(?m)^pip .*\b(?:install|wheel) .*$", text)
    assert len(commands) == 3
    for line in commands:
        assert "--no-deps" in line, line
        assert "--require-hashes" in line or "--no-index" in line, line


def test_the_tools_of_a_release_are_locked() -> None:
    """Each has a version that fits; what the tests use as well has the same one there."""
    tools = locked("release")
    tested = locked("dev")
    for line in PROJECT["dependency-groups"]["release"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(tools[canonicalize_name(wanted.name)])
    for name in tools.keys() & tested.keys():
        assert tools[name] == tested[name], name


def locked(name: str) -> dict[str, str]:
    """The versions of a lock file by package name."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", text))


def test_a_release_can_be_verified_as_promised() -> None:
    """SECURITY.md names the workflow that signs and the files; all of them are attested."""
    script = (ROOT / ".ci" / "release").read_text("utf-8")
    (signer,) = re.findall(r"--signer-workflow OWNER/token-catcher/(\S+)", SECURITY)
    assert (ROOT / signer).is_file()
    assert "token_catcher-0.2.0.cdx.json" in SECURITY
    assert "dist/token_catcher-$version.cdx.json" in script
    (_, attest, publish) = steps("release.yml", "publish")
    assert attest["with"]["subject-path"] == "dist/*"
    assert publish["run"].split()[-3:] == ["--notes-file", "build/notes.md", "dist/*"]


def test_the_sdist_has_what_a_developer_needs() -> None:
    """Every file and folder that it names is there, the lock files and scripts among them."""
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    for name in included:
        assert (ROOT / name).exists(), name
    assert {"token_catcher", "tests", "requirements", "Makefile", ".ci", ".github"} <= set(included)


@pytest.mark.parametrize("script", SCRIPTS, ids=attrgetter("name"))
def test_the_scripts_are_in_order(script: Path) -> None:
    """Each can be run as it is, and shellcheck has nothing to say."""
    assert os.access(script, os.X_OK)
    shellcheck = command("shellcheck", "make tools (takes it out of Debian's package shellcheck)")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# -- forms and texts --


def test_the_form_asks_for_what_is_needed_and_warns_first() -> None:
    """No secret is to be pasted; versions are required, and `explain` says what the mail is."""
    first, *fields = parsed(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]
    assert "**Everybody can read this. Paste no token" in first["attributes"]["value"]
    labels = {}
    required = set()
    for field in fields:
        labels[field["id"]] = field["attributes"]["label"]
        if "validations" in field:
            required.add(field["id"])
    assert required == {"version", "what", "mail-server", "vault"}
    assert "`token-catcher explain --json`" in labels["explain"]
    assert "`token-catcher check`" in labels["check"]


def test_the_form_promises_no_command_that_is_not_there() -> None:
    """Commands that it names exist."""
    text = (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")
    commands = set(getattr(get_command(app), "commands", {}))
    named = set(re.findall(r"`token-catcher ([a-z]+)", text))
    assert named - commands == set()


def test_tests_that_are_named_exist() -> None:
    """CONTRIBUTING.md shows how to run one."""
    named = re.findall(r"(tests/[\w/.]+)::(\w+)", CONTRIBUTING)
    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8")


def test_modules_that_are_named_exist() -> None:
    """Those that CONTRIBUTING.md names inside the package, such as `proof/trust.py`."""
    named = re.findall(r"`((?!tests/|token_catcher/)[a-z_]+/[a-z_]+\.py)`", CONTRIBUTING)
    assert named
    for name in named:
        assert (ROOT / "token_catcher" / name).is_file(), name


def test_decisions_are_numbered() -> None:
    """From 1 on without a gap, and the heading has the number of the file."""
    files = sorted((ROOT / "docs" / "adr").glob("[0-9]*"))
    for number, path in enumerate(files, start=1):
        assert path.name.startswith(f"{number:04}-")
        assert path.read_text("utf-8").startswith(f"# {number}. ")
