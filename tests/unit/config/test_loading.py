"""Finding the file, and reading whatever is in it."""

from __future__ import annotations

import json
import os
import re
import select
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.kit.waiting import until
from tests.unit.config.texts import ENVIRON, MINIMAL, load
from token_catcher import config
from token_catcher.config import Config
from token_catcher.config.document import MAX_BYTES
from token_catcher.config.problems import Loc
from token_catcher.errors import ConfigurationError

HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.text("ab:-[]{}&*!|>'\"%@`#,?<~\\0x \t\n\r\u2028", max_size=80).map(str.encode),
)


def outcome_of(home: Path, raw: bytes) -> None:
    try:
        assert isinstance(load(home, raw), Config)
    except ConfigurationError as error:
        assert str(error)  # noqa: PT017 - both ends are fine


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(raw=HOSTILE)
def test_any_bytes_give_a_config_or_its_error(home: Path, raw: bytes) -> None:
    """Nothing else comes out, not even of what breaks the parser."""
    outcome_of(home, raw)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any, loc: Loc = ()) -> Iterator[Loc]:
    """Every place in plain values."""
    yield loc
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from places(inner, (*loc, key))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A whole configuration in which some places hold anything."""
    data = YAML(typ="safe", pure=True).load(config.example())
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([loc for loc in places(data) if loc]))
        target = data
        for part in way:
            target = target[part]
        target[last] = draw(VALUES)
    return json.dumps(data).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(raw=spoilt())
def test_any_values_give_a_config_or_its_error(home: Path, raw: bytes) -> None:
    """Also where all but a few places are right."""
    outcome_of(home, raw)


# -- finding the file --


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
        " `token-catcher init` asks and writes one,"
        " `token-catcher config example` prints one to fill in"
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


def test_a_fifo_is_not_waited_for(home: Path) -> None:
    """Nobody may ever write to it; also where it is the usual file, left there for us to find."""
    fifo = home / "config.yaml"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(ConfigurationError) as caught:
        config.load(config.find(None, {}, [fifo]), {})
    assert str(caught.value) == (
        f"{fifo}: the configuration cannot be read:"
        f" it is a FIFO; name a file, or --config <(cat {fifo})"
    )


@pytest.fixture
def pipe() -> Iterator[tuple[Path, FileIO]]:
    """What a shell makes of `<(…)`, and its other end."""
    reader, writer = os.pipe()
    with FileIO(reader), FileIO(writer, "wb") as file:
        yield Path(f"/dev/fd/{reader}"), file


def test_a_pipe_is_read_to_its_end(home: Path, pipe: tuple[Path, FileIO]) -> None:
    """However it comes: here in two pieces, the second of which is waited for."""
    path, writer = pipe
    load(home)
    text = MINIMAL.replace("imap-password", str(home / "imap-password")).encode()
    writer.write(text[:50])

    def write_the_rest() -> None:
        # Taken out, and so at the pipe when this comes.
        until(lambda: not select.select([int(path.name)], [], [], 0)[0], "the first piece's end")
        writer.write(text[50:])
        writer.close()

    thread = Thread(target=write_the_rest)
    thread.start()
    read = config.load(path, ENVIRON)
    thread.join()
    assert [mailbox.name for mailbox in read.mailboxes] == ["integrations"]


def test_a_pipe_that_brings_nothing(pipe: tuple[Path, FileIO]) -> None:
    """It is given up: whoever writes to it stands still, in the middle of the configuration."""
    path, writer = pipe
    writer.write(MINIMAL.encode()[:50])
    with pytest.raises(ConfigurationError) as caught:
        config.load(path, ENVIRON, silent_for=0)
    assert str(caught.value) == (
        f"{path}: the configuration cannot be read: nothing came out of it for 0 s"
    )


def test_a_pipe_without_an_end(pipe: tuple[Path, FileIO]) -> None:
    """It is read as far as a configuration may go."""
    path, writer = pipe
    thread = Thread(target=writer.write, args=(bytes(MAX_BYTES + 1),))
    thread.start()
    with pytest.raises(ConfigurationError) as caught:
        config.load(path, ENVIRON)
    thread.join()
    assert str(caught.value) == f"{path}:1: got a larger file, expected at most {MAX_BYTES} bytes"
