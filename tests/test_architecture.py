"""The map is true.

Imports only go up, folders are used by their faces, each library has one adapter, secrets have one
way out.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import token_catcher

SOURCE = Path(token_catcher.__file__).parent

MAP: dict[str, list[str]] = {}
"""Folders and modules of the top level in reading order; of a folder, its modules in theirs."""
for indent, name in re.findall(r"(?m)^(    |        )(\w+) ", token_catcher.__doc__ or ""):
    if len(indent) == 4:
        MAP[name] = []
    else:
        MAP[list(MAP)[-1]].append(name)

MODULES = [
    module for top, inner in MAP.items() for module in (*(f"{top}.{name}" for name in inner), top)
]
"""Every module in reading order; a folder's face comes after what is in it."""

ADAPTERS = {
    "mailparser": {"reading.extract"},
    "imapclient": {
        "imap.answers",
        "imap.borrowed",
        "imap.folders",
        "imap.login",
        "imap.trouble",
    },
    "google": {"oauth.google"},
    "apprise": {"notify.people"},
    "requests": {"oauth.adapters", "oauth.endpoint", "oauth.proxies", "salesforce.login"},
    "certifi": {"vault.transport"},
    "urllib3": {"connections", "oauth.endpoint", "salesforce.login", "vault.transport"},
    "dkim": {"proof.dkimpy", "commands.salesforce"},
    "nacl": {"proof.dkimpy"},
    "dns": {"exchangers", "keys.published"},
    "cryptography": {"certificates", "commands.salesforce"},
    "msal": {"oauth.microsoft"},
    "apscheduler": {"daemon.loop"},
    "prometheus_client": {"web.metrics"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "ruamel": {"config.document"},
    "structlog": {"log"},
    "typer": {"cli", "commands.options"},
    "rich": {"commands.styled"},
}
"""Which modules, or folders, may import which library. The demo plays Salesforce: it signs."""

REVEALING = {
    "certificates.py": 1,  # certificate and key, taken apart
    "vault/store.py": 1,  # the token, into the body of the write
    "vault/client.py": 1,  # Vault's own token, into the header of a request
    "vault/login.py": 4,  # secret_id, JWT, password at login; the form of a token that was given
    "vault/wrapped.py": 1,  # the wrapping token, into the question what it wraps
    "vault/kept.py": 2,  # the secret_id, into our file; the hash of the wrapping token
    "imap/logins.py": 2,  # the password, or the access token, at login
    "commands/init.py": 1,  # a secret that was typed, into its file
    "oauth/custom.py": 5,  # secret, assertion and refresh token, to the token endpoint
    "oauth/google.py": 4,  # a client's secret and a refresh token, to the token endpoint
    "oauth/google_source.py": 1,  # the key of a service account, to sign with it
    "oauth/microsoft.py": 4,  # secret, assertion, key or refresh token, to msal
    "oauth/signin.py": 4,  # a client's secret, a device's code, a verifier: to the token endpoint
    "oauth/origin.py": 1,  # a refresh token, into its hash
    "oauth/refresh.py": 1,  # a refresh token, into its file
    "notify/signing.py": 1,  # the key of a receiver, to sign with it
    "notify/people.py": 1,  # the address of a service, to apprise
    "web/access.py": 1,  # the token of the page, into the code of a cookie
    "record/keyring.py": 1,  # the keys of the journal, to make and compare macs
    "salesforce/soap.py": 2,  # password and token, into the request of the proof by login
}
"""Where a secret is revealed, and how often."""


def _sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _module(path: Path) -> str:
    """`reading.wire`; a folder's `__init__` is `reading`, the package's own is `__init__`."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _used(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a file imports from this package.

    The name is empty where a module is imported."""
    for name in _imports(path):
        if not name.startswith("token_catcher."):
            continue
        own = name.removeprefix("token_catcher.")
        module, _, imported = own.rpartition(".")
        # The names of the face of `commands` are its modules.
        is_module = own in MODULES and (module == "commands" or imported not in _names(module))
        yield (own, "") if is_module else (module, imported)


def _names(module: str) -> set[str]:
    """What the face of a folder names; nothing where the module is no folder."""
    if not MAP.get(module):
        return set()
    face = ast.parse((SOURCE / module / "__init__.py").read_text("utf-8"))
    lists = [
        node.value
        for node in face.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return {
        str(ast.literal_eval(one))
        for names in lists
        if isinstance(names, ast.List)
        for one in names.elts
    }


ALL = pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(SOURCE)))


def test_the_map_names_every_module() -> None:
    """The map in the package's docstring, and with it the reading order, is complete."""
    assert sorted(MODULES) == sorted({_module(path) for path in _sources()} - {"__init__"})


@ALL
def test_imports_go_up(path: Path) -> None:
    """A module knows only what stands above it on the map; so there is no cycle."""
    module = _module(path)
    if module == "__init__":
        assert list(_imports(path)) == []
        return
    above = {*MODULES[: MODULES.index(module)], ""}
    assert {used for used, _ in _used(path)} - above == set()


@ALL
def test_a_folder_is_used_by_its_face(path: Path) -> None:
    """From outside of a folder only what its `__init__` names is imported.

    The face of `commands` is its modules."""
    folder = _module(path).split(".")[0]
    for module, name in _used(path):
        top, _, inner = module.partition(".")
        as_a_whole = not inner and not name
        if top in (folder, "commands") or not MAP.get(top) or as_a_whole:
            continue
        assert not inner, f"{module} is inside {top}"
        assert name in _names(top), f"{name} is not named by {top}"


FACES = [
    folder
    for folder in MAP
    if MAP[folder] and "face(" in (SOURCE / folder / "__init__.py").read_text("utf-8")
]
"""Folders whose modules are loaded on demand."""


@pytest.mark.parametrize("folder", FACES)
def test_a_face_gives_what_it_names(folder: str) -> None:
    """Its table of modules, by which names are found, is what the type checker is told; and no name
    is a module's, which would take its place."""
    module = ast.parse((SOURCE / folder / "__init__.py").read_text("utf-8"))
    told = [node for node in module.body if isinstance(node, ast.If)]
    imports = [node for block in told for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {
        name: node.module for node in imports for name in [alias.name for alias in node.names]
    } == {
        name: f"token_catcher.{folder}.{home}"
        for home, names in _table(module).items()
        for name in names
    }
    assert sorted(_names(folder)) == sorted(alias.name for node in imports for alias in node.names)
    assert _names(folder) & set(MAP[folder]) == set()


def _table(module: ast.Module) -> dict[str, tuple[str, ...]]:
    """The names that a face gives, by the module they are in."""
    (call,) = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__getattr__"
    ]
    assert isinstance(call, ast.Call)
    table: dict[str, tuple[str, ...]] = ast.literal_eval(call.args[1])
    return table


@ALL
def test_each_library_has_one_adapter(path: Path) -> None:
    """Only the adapters named for it import a third-party library; an unknown one has none."""
    top = {name.split(".")[0] for name in _imports(path)}
    foreign = top - sys.stdlib_module_names - {"token_catcher"}
    assert {
        name
        for name in foreign
        if not {_module(path), _module(path).split(".")[0]} & ADAPTERS.get(name, set())
    } == set()


def test_secrets_have_one_way_out() -> None:
    """`reveal()` is called where a secret leaves the program, and nowhere else."""
    calls = {
        str(path.relative_to(SOURCE)): path.read_text("utf-8").count(".reveal()")
        for path in _sources()
    }
    assert {name: count for name, count in calls.items() if count} == REVEALING


PURE = [
    module
    for module in MODULES
    if module.partition(".")[0]
    in ("model", "age", "errors", "reading", "proof", "judge", "poison", "drift", "status")
    or module in ("fingerprints", "record.difference", "record.proven", "record.reconcile")
]


@pytest.mark.parametrize("module", PURE)
def test_what_decides_has_no_clock_and_no_socket(module: str) -> None:
    """What it needs of the world comes in as arguments."""
    world = {"socket", "time", "os", "subprocess", "threading", "random", "select", "requests"}
    path = SOURCE / module.replace(".", "/")
    top = {
        name.split(".")[0]
        for name in _imports(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
    }
    assert top & world == set()
