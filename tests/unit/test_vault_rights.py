"""What a diagnosis of Vault decides by itself: whose paths, which rights, what may pass."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import token_catcher
from token_catcher.diagnosis import UserPath, user_paths
from token_catcher.diagnosis.rights import (
    Grants,
    SecretPaths,
    excess_steps,
    neighbour,
    right_step,
)
from token_catcher.proof import Org, is_username
from token_catcher.vault import Rules, listed, may_pass

VAULT = Path(token_catcher.__file__).parent / "vault"
ACME = Org("acme", ("integration@acme.example", "*@acme.example"))
SANDBOX = Org("uat", ("*@acme.example.uat",))


def path_of(org: str, username: str) -> str:
    """As usual."""
    return f"salesforce/{org}/{username}"


def user(path: str = "salesforce/acme/u", *, is_made_up: bool = False) -> UserPath:
    """One of acme's."""
    return UserPath("acme", "u", path, is_made_up)


# -- users --


def test_names_stand_for_themselves_and_patterns_for_whom_the_record_knows() -> None:
    """Each once, in the order of the configuration; whom another org's pattern names is not it."""
    known = [
        ("acme", "etl@acme.example"),
        ("acme", "integration@acme.example"),
        ("uat", "etl@acme.example"),
        ("gone", "etl@acme.example.uat"),
    ]
    assert user_paths([ACME, SANDBOX], known, path_of) == [
        UserPath("acme", "integration@acme.example", "salesforce/acme/integration@acme.example"),
        UserPath("acme", "etl@acme.example", "salesforce/acme/etl@acme.example"),
        UserPath(
            "uat",
            "token-catcher-check@acme.example.uat",
            "salesforce/uat/token-catcher-check@acme.example.uat",
            is_made_up=True,
        ),
    ]


@pytest.mark.parametrize(
    "pattern", ["*@acme.example", "ops+*@acme.example", f"*@{'a' * 60}.example", f"*@{'a' * 75}.ex"]
)
def test_a_made_up_name_is_a_username_that_fits(pattern: str) -> None:
    """Also where little room is left: Salesforce allows 80 characters."""
    [made_up] = user_paths([Org("acme", (pattern,))], [], path_of)
    before, after = pattern.split("*")
    assert is_username(made_up.username)
    assert made_up.username.startswith(before)
    assert made_up.username.endswith(after)


def test_a_user_who_is_written_nowhere_has_no_path() -> None:
    """Another org has them, say."""
    assert user_paths([ACME], [], lambda _org, _username: None) == []


# -- rights --


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["salesforce/acme/u"], "token-catcher-neighbour"),
        (["u", "v"], "token-catcher-neighbour/token-catcher-neighbour"),
        (["u", "a/u"], "/".join(["token-catcher-neighbour"] * 3)),
    ],
)
def test_a_neighbour_is_covered_by_no_policy_for_users(paths: list[str], expected: str) -> None:
    """It has another number of segments, of which a `+` stands for one."""
    assert neighbour([user(path) for path in paths]) == expected


@pytest.mark.parametrize(
    ("rule", "kind", "is_own"),
    [
        ("secret/data/acme/bob", "exact", True),
        ("team/secret/data/acme/bob", "exact", True),
        ("secret/data/acme/bobby", "exact", False),
        ("secret/data/other/bob", "exact", False),
        ("secret/data/acme/bo", "exact", False),
        ("secret/data/acme/bo", "beginning", True),
        ("team/secret/data/acme/bob", "beginning", True),
        ("secret/data/acme/", "beginning", False),
        ("secret/data/ac", "beginning", False),
        ("topsecret/data/acme/bo", "beginning", False),
    ],
)
def test_a_rule_of_ones_own(rule: str, kind: str, is_own: bool) -> None:
    """It has the whole name in its folder, or how it begins; a namespace may stand in front."""
    granted = {rule: frozenset({"create"})}
    rules = {"exact": Rules(granted, {}), "beginning": Rules({}, granted)}[kind]
    assert rules.of("secret/data/acme/bob") == [frozenset({"create"})] * is_own


def test_rights_on_version_1_are_three() -> None:
    """There is no PATCH, and no metadata."""
    secret = SecretPaths(user(), "kv/salesforce/acme/u", None)
    grants = Grants({secret.data: frozenset({"create", "read", "update"})})
    step = right_step(secret, grants)
    assert (step.outcome, step.saw) == ("ok", "create, read and update")
    assert [step.outcome for step in excess_steps([secret], "kv/beside", grants)] == ["ok"]


def test_a_made_up_user_is_told_as_such() -> None:
    """Nobody has to look for them."""
    secret = SecretPaths(user(is_made_up=True), "secret/data/u", "secret/metadata/u")
    step = right_step(secret, Grants({}))
    assert (step.outcome, step.code) == ("failed", "vault-policy")
    assert step.saw.endswith(" (a made-up user of acme, which names its users by a pattern)")


def test_each_excess_is_told_where_it_is() -> None:
    """Removal and sudo on a user's paths, writing beside them."""
    secret = SecretPaths(user(), "secret/data/u", "secret/metadata/u")
    grants = Grants(
        {
            "secret/data/u": frozenset({"read", "delete", "sudo"}),
            "secret/metadata/u": frozenset({"read", "delete"}),
            "secret/data/beside": frozenset({"read", "create", "update"}),
        }
    )
    steps = list(excess_steps([secret], "secret/data/beside", grants))
    assert [(step.subject, step.saw) for step in steps] == [
        ("secret/data/u", "our token has delete and sudo there, which is never used"),
        (
            "secret/metadata/u",
            "our token has delete there, which removes all versions of the secret",
        ),
        (
            "secret/data/beside",
            "our token has create and update there, where no user's token is kept",
        ),
    ]


@pytest.mark.parametrize(
    ("words", "text"),
    [(["read"], "read"), (["read", "patch"], "read and patch"), (["a", "b", "c"], "a, b and c")],
)
def test_words_are_listed_as_in_a_sentence(words: list[str], text: str) -> None:
    """For messages."""
    assert listed(words) == text


# -- what may pass --


def _codes(*kinds: str) -> Iterator[str]:
    """Those that errors of these kinds are raised with in the adapter of Vault."""
    for path in VAULT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in kinds:
                continue
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def test_what_may_pass_is_what_the_adapter_says_may_pass() -> None:
    """By the kind of the error; `vault-secret` and `vault-tls` are no literals there."""
    passing = {*_codes("Outage", "TransientError"), "vault-secret", "vault-tls"}
    assert {code for code in passing if may_pass(code)} == passing
    lasting = set(_codes("AccessError", "StateError", "Refusal", "Cause"))
    assert {code for code in lasting if may_pass(code)} == set()
