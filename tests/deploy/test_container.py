"""deploy/container: each instruction is held against what it must be.

No engine builds the image here.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.deploy.kit import DEPLOY, ROOT, run

CONTAINERFILE = DEPLOY / "container" / "Containerfile"
Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def instructions() -> list[Instruction]:
    """The instructions in their order, lines joined, without comments."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n", " ", text).splitlines()]
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in lines if line)
    ]


def test_two_stages_and_only_the_result_is_kept(instructions: list[Instruction]) -> None:
    """The second stage takes the installed program from the first and nothing of the checkout."""
    starts = [index for index, (name, _) in enumerate(instructions) if name == "FROM"]
    assert [instructions[index][1] for index in starts] == ["${PYTHON} AS build", "${PYTHON}"]
    kept = [rest for name, rest in instructions[starts[1] :] if name in ("COPY", "ADD")]
    assert kept == ["--from=build /opt/token-catcher /opt/token-catcher"]


def test_the_image_runs_as_a_number_and_stops_on_sigterm(instructions: list[Instruction]) -> None:
    """A number that is not root, one volume, the daemon's signal, `run` unless told otherwise."""
    final = dict(
        instructions[max(i for i, (name, _) in enumerate(instructions) if name == "FROM") :]
    )
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


def test_no_secret_and_no_stray_file_gets_into_a_layer(instructions: list[Instruction]) -> None:
    """The build takes named files of the checkout, and no argument that could be a secret."""
    copied = [word for words in copies(instructions) for word in words[:-1]]
    assert sorted(copied) == [
        "LICENSE",
        "README.md",
        "config.example.yaml",
        "deploy/vault",
        "docs/token-catcher.1",
        "pyproject.toml",
        "requirements/build.txt",
        "requirements/production.txt",
        "token_catcher",
    ]
    assert all((ROOT / name).exists() for name in copied)
    assert [rest.partition("=")[0] for name, rest in instructions if name == "ARG"] == ["PYTHON"]


def test_the_program_can_be_built_from_what_is_copied(
    instructions: list[Instruction], tmp_path: Path
) -> None:
    """The wheel of the image is that of the checkout: nothing that belongs into it is missing."""
    for *names, target in copies(instructions):
        for name in names:
            copy(ROOT / name, tmp_path / target)
    wheels = tmp_path / "wheels"
    words = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    done = run(sys.executable, "-m", "pip", "wheel", *words, "--wheel-dir", wheels, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = wheels.iterdir()
    (ours,) = (ROOT / "dist").glob("*.whl")
    assert ZipFile(wheel).namelist() == ZipFile(ours).namelist()


def copies(instructions: list[Instruction]) -> list[list[str]]:
    """What is copied out of the checkout: names, and last where to."""
    return [rest.split() for name, rest in instructions if name == "COPY" and "--from" not in rest]


def copy(source: Path, target: Path) -> None:
    """As COPY does it: a file into a folder, of a folder what is in it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def test_the_base_is_one_image_for_ever(instructions: list[Instruction]) -> None:
    """By its registry, so that no short name is looked up elsewhere, and by its digest."""
    (base,) = [rest for name, rest in instructions if name == "ARG"]
    assert re.fullmatch(r"PYTHON=docker\.io/library/python:3\.12-slim@sha256:[0-9a-f]{64}", base)
