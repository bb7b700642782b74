"""A write that cannot take place, on the real server: what policies refuse beside the capabilities
that they grant, and nothing changed by finding out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.diagnosed import DATA, SHIPPED, USER, Bench, findings
from tests.contract.vault import capture, refusal, role_login
from tests.kit import mails
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import HttpReply
from tests.kit.servers import OpenBao
from token_catcher.diagnosis import Step, UserPath, usable_steps, vault_steps
from token_catcher.diagnosis.limits import Limit
from token_catcher.diagnosis.trial import MOST_FOLDERS
from token_catcher.model import Stored
from token_catcher.vault.attempt import NEVER, NO_VERSION

pytestmark = pytest.mark.servers


@pytest.fixture
def bench(openbao: OpenBao, org: str, tmp_path: Path) -> Bench:
    """Over the shared server."""
    return Bench(openbao, org, tmp_path)


def test_a_trial_sends_what_a_store_sends(bench: Bench) -> None:
    """The same methods with the same parameters and fields, so that a policy, or who stands before
    Vault, takes the one as the other; only the check-and-set and what the fields hold differ."""
    user = UserPath(bench.org, mails.USERNAME, f"salesforce/{bench.org}/{mails.USERNAME}")
    url = f"/v1/secret/data/{user.path}"
    with ReverseProxy(bench.server.url, {}) as proxy, bench.store(url=proxy.url) as store:
        for is_there in (False, True):
            if is_there:
                bench.server.put(user.path, {"password": "untouched"})
            assert store.inspection.denied(user.path) == []
            store.store(capture(bench.org))
    writes = [
        (request.method, *shape(json.loads(request.body)))
        for request in proxy.requests
        if request.path == url and request.body
    ]
    fields = sorted(bench.server.get(user.path) or {})
    fields.remove("password")
    never = {"cas": NO_VERSION.number}
    assert writes == [
        ("POST", never, fields, {NEVER}),
        ("POST", {"cas": 0}, fields, None),
        ("PATCH", never, fields, {NEVER}),
        ("PATCH", {"cas": 2}, fields, None),
    ]


def shape(body: dict[str, Any]) -> tuple[dict[str, int], list[str], set[str] | None]:
    """Its options, the names of its fields, and what they hold where they all hold the same."""
    assert sorted(body) == ["data", "options"]
    values = set(body["data"].values())
    if len(values) > 1:
        return body["options"], sorted(body["data"]), None
    return body["options"], sorted(body["data"]), values


CONSTRAINTS: list[tuple[str, str]] = [
    ('denied_parameters = {"data" = []}', "POST"),
    ('denied_parameters = {"*" = []}', "POST"),
    ('allowed_parameters = {"data" = []}', "POST"),
    ('required_parameters = ["reason"]', "GET"),
    ('required_parameters = ["data"]', "GET"),
    ('min_wrapping_ttl = "1m"', "GET"),
    ('max_wrapping_ttl = "2m"', "GET"),
]
"""A constraint of the policy, and which request of a store it refuses where no secret is yet."""


@pytest.mark.parametrize(
    ("constraint", "request_denied"), CONSTRAINTS, ids=[row[0] for row in CONSTRAINTS]
)
@pytest.mark.parametrize("is_there", [False, True], ids=["new", "there"])
def test_a_policy_that_grants_everything_and_refuses_every_store_is_found(
    bench: Bench, constraint: str, request_denied: str, *, is_there: bool
) -> None:
    """By a trial, since capabilities do not tell; a store fails for the same cause, and says so."""
    if is_there:
        bench.server.put(bench.users[0].path, {"password": "untouched"})
        if request_denied == "POST":
            request_denied = "PATCH and POST"
    login = role_login(bench.role(constrained(constraint)))
    with bench.store(login) as store:
        steps = list(usable_steps(store.inspection, bench.users))
        error = refusal(store, bench.org)
    assert [(step.step, step.outcome) for step in steps] == [
        ("login", "ok"),
        ("mount", "ok"),
        ("rights", "ok"),
        ("trial", "failed"),
    ]
    saw = (
        f"{request_denied} denied there, though the capabilities are granted: a policy wants or"
        " forbids parameters, or wants answers wrapped"
    )
    code = "vault-policy-constraint"
    assert steps[-1] == Step("vault", bench.data, "trial", "failed", saw, code)
    where = f"secret/data/salesforce/{bench.org}/{mails.USERNAME}"
    assert (error.code, str(error)) == (
        code,
        f"Vault denies access to {where} (got 403), though our token has the capabilities create,"
        " read and update: a policy wants or forbids parameters there, or wants answers wrapped",
    )
    assert len(bench.server.paths(f"salesforce/{bench.org}/")) == is_there


def constrained(constraint: str) -> str:
    """The policy that is shipped, with a constraint on the paths of secrets."""
    data, metadata = SHIPPED.format(data=DATA, metadata='"read"').splitlines()
    return f"{data.removesuffix(' }')}\n{constraint}\n}}\n{metadata}\n"


def test_what_a_store_sends_may_be_named_in_full(bench: Bench) -> None:
    """A policy that allows exactly the parameters of a store lets it through."""
    login = role_login(
        bench.role(constrained('allowed_parameters = {"data" = [], "options" = []}'))
    )
    assert findings(bench.steps(login)) == []
    with bench.store(login) as store:
        assert isinstance(store.store(capture(bench.org)), Stored)


def test_a_path_of_its_own_rule_is_tried_by_itself(bench: Bench) -> None:
    """A full diagnosis tries every path; where the daemon looks, one of each folder stands for the
    others."""
    other = UserPath(bench.org, "etl@acme.example", f"salesforce/{bench.org}/etl@acme.example")
    rule = f'path "secret/data/{other.path}" {{ capabilities = [{DATA}]\nmin_wrapping_ttl = "1m" }}'
    login = bench.granting(more=rule)
    with bench.store(login) as store:
        steps = list(vault_steps(store.inspection, [*bench.users, other]))
        usable = list(usable_steps(store.inspection, [*bench.users, other]))
    assert [(step.subject, step.code) for step in steps if step.outcome == "failed"] == [
        (f"secret/data/{other.path}", "vault-policy-constraint")
    ]
    assert findings(usable) == []


def test_a_look_at_many_folders_tries_some(bench: Bench) -> None:
    """So that the end of a scan costs little, however many orgs there are."""
    users = [
        UserPath(bench.org, USER, f"salesforce/{bench.org}-{number}/{USER}")
        for number in range(MOST_FOLDERS + 5)
    ]
    with bench.store() as store:
        steps = list(usable_steps(store.inspection, users))
    saw = f"a store gets past the policies on {MOST_FOLDERS} paths; nothing was written"
    assert steps[-1] == Step("vault", "", "trial", "ok", saw)


def test_trials_have_an_end(bench: Bench) -> None:
    """How many are left out is told."""
    seconds = iter(range(0, 1000, 7))
    limit = Limit(20.0, lambda: next(seconds))
    with bench.store() as store:
        [*_, step] = usable_steps(
            store.inspection,
            [
                UserPath(bench.org, USER, f"salesforce/{bench.org}-{number}/{USER}")
                for number in range(5)
            ],
            limit=limit,
        )
    told = "3 of 5 secrets were not looked at within 20 s"
    assert step == Step("vault", "", "trial", "warning", told, "vault-slow")


def test_a_version_1_that_wants_parameters_is_found_by_reading(bench: Bench) -> None:
    """A write there would change something, so that is not tried; where reading works, that is
    told."""
    mount = bench.server.mount(bench.org, version=1)
    steps = {}
    for constraint in ("", 'min_wrapping_ttl = "1m"'):
        words = f'capabilities = ["create", "read", "update"]\n{constraint}'
        login = role_login(bench.role(f'path "{mount}/salesforce/+/+" {{ {words} }}'))
        with bench.store(login, mount=mount, kv_version=1) as store:
            [*_, steps[constraint]] = usable_steps(store.inspection, bench.users)
    passed, failed = steps.values()
    assert (passed.outcome, passed.code) == ("skipped", "vault-trial-unversioned")
    assert passed.saw.startswith("reading gets past the policies on 1 path; no write was tried")
    assert (failed.outcome, failed.code) == ("failed", "vault-policy-constraint")
    assert bench.server.ask("get", f"{mount}/salesforce/{bench.org}?list=true").status == 404


@pytest.mark.parametrize(
    ("own", "is_there", "outcome", "code"),
    [
        ({"PATCH /v1/secret/data/": page(403)}, True, "ok", ""),
        ({"PATCH /v1/secret/data/": page(405)}, True, "ok", ""),
        (
            {"PATCH /v1/secret/data/": HttpReply(403, {"errors": ["permission denied"]})},
            True,
            "warning",
            "vault-policy-constraint",
        ),
        (
            {"POST /v1/secret/data/": HttpReply(404, {"errors": []})},
            False,
            "failed",
            "vault-mount",
        ),
        (
            {"POST /v1/secret/data/": HttpReply(200, {"data": {"version": 1}})},
            False,
            "failed",
            "vault-refused",
        ),
        ({"POST /v1/secret/data/": HttpReply(204)}, False, "failed", "vault-refused"),
        ({"POST /v1/secret/data/": page(502)}, False, "failed", "vault-away"),
        ({"GET /v1/secret/data/": page(502)}, False, "failed", "vault-away"),
    ],
    ids=[
        "a proxy forbids PATCH",
        "a proxy does not know PATCH",
        "PATCH alone is refused",
        "nothing takes a write",
        "carried out",
        "carried out without a word",
        "a proxy without a server",
        "the same at the read",
    ],
)
def test_a_trial_that_ends_otherwise(
    bench: Bench, own: dict[str, HttpReply], outcome: str, code: str, *, is_there: bool
) -> None:
    """PATCH that does not come through is done without, as a store does; what else comes is
    told."""
    if is_there:
        bench.server.put(bench.users[0].path, {"password": "untouched"})
    with ReverseProxy(bench.server.url, own) as proxy, bench.store(url=proxy.url) as store:
        [*_, step] = usable_steps(store.inspection, bench.users)
    assert (step.step, step.outcome, step.code) == ("trial", outcome, code)
    assert len(bench.server.paths(f"salesforce/{bench.org}/")) == is_there


def test_a_policy_without_patch_is_not_tried_with_it(bench: Bench) -> None:
    """It is told with the rights already, and no refusal is made that an alert would count."""
    bench.server.put(bench.users[0].path, {"password": "untouched"})
    login = bench.granting('"create", "read", "update"')
    with bench.store(login) as store:
        since = len(bench.server.audited)
        steps = list(usable_steps(store.inspection, bench.users))
    assert findings(steps) == [("rights", "warning", "vault-policy-patch")]
    assert (steps[-1].step, steps[-1].outcome) == ("trial", "ok")
    operations = [line["request"]["operation"] for line in bench.server.audited[since:]]
    assert "patch" not in operations
    assert list(bench.server.versions(bench.users[0].path)) == [1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DATA, []),
        ('"create", "read", "update"', [("trial", "warning", "vault-policy-patch")]),
        ('"read", "patch"', []),  # of a secret that is there; the next user may lack `create`
        ('"read"', [("trial", "failed", "vault-policy")]),
        ('"create", "update", "patch"', [("trial", "failed", "vault-policy")]),
    ],
)
def test_where_capabilities_cannot_be_asked_a_trial_tells(
    bench: Bench, data: str, expected: list[tuple[str, str, str]]
) -> None:
    """A token without the policy `default`: what is refused, and what that costs."""
    bench.server.put(bench.users[0].path, {"password": "untouched"})
    policy = SHIPPED.format(data=data, metadata='"read"')
    login = role_login(bench.role(policy, token_no_default_policy=True))
    with bench.store(login) as store:
        steps = list(usable_steps(store.inspection, bench.users))
    assert findings(steps) == [("rights", "warning", "vault-capabilities"), *expected]
