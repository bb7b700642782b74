"""The diagnosis of Vault on the real server: each way to set it up wrongly, by its own step and
code, and nothing changed by looking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.contract.diagnosed import DATA, SHIPPED, USER, Bench, findings
from tests.contract.test_vault_tls import listening
from tests.contract.vault import (
    given,
    opened,
    paths,
    role_login,
    shipped_policy,
)
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import OpenBao, free_port
from tests.kit.servers.agent import Agent
from token_catcher.advice import next_step
from token_catcher.diagnosis import Step, UserPath, usable_steps, vault_steps
from token_catcher.diagnosis.limits import Limit
from token_catcher.diagnosis.vault import LATER
from token_catcher.model import Secret
from token_catcher.vault import (
    AppRoleLogin,
    KeptSecretId,
    NoLogin,
    WrappedAppRoleLogin,
)
from token_catcher.vault.capabilities import PATHS_AT_ONCE

pytestmark = pytest.mark.servers


@pytest.fixture
def bench(openbao: OpenBao, org: str, tmp_path: Path) -> Bench:
    """Over the shared server."""
    return Bench(openbao, org, tmp_path)


# -- what is well --


def test_a_vault_that_is_set_up_as_shipped_is_well(bench: Bench) -> None:
    """Every step, in its order, and what it saw."""
    role = bench.server.approle(bench.org, shipped_policy(bench.server), token_ttl="4h")
    steps = bench.steps(role_login(role))
    assert findings(steps) == []
    assert [(step.step, step.subject, step.outcome) for step in steps] == [
        ("reach", bench.server.url, "ok"),
        ("state", bench.server.url, "ok"),
        ("login", "", "ok"),
        ("token", "", "ok"),
        ("mount", "secret", "ok"),
        ("rights", bench.data, "ok"),
        ("excess", "", "ok"),
        ("trial", "", "ok"),
        ("settings", "secret", "ok"),
    ]
    said = {step.step: step.saw for step in steps}
    assert said["state"].startswith("unsealed and active; version ")
    assert said["login"] == "logged in; method: AppRole"
    assert said["rights"] == "create, read, update and patch; read on its metadata"
    assert said["trial"] == "a store gets past the policies on 1 path; nothing was written"
    assert said["settings"] == "10 versions are kept; cas_required is false"
    assert {step.area for step in steps} == {"vault"}


def test_looking_changes_nothing(bench: Bench) -> None:
    """It reads, logs in, and asks what it may do. The one write cannot take place: neither a
    version nor the metadata of a new path comes of it."""
    bench.server.put(bench.users[0].path, {"password": "untouched"})
    newcomer = UserPath(bench.org, "etl@acme.example", f"salesforce/{bench.org}/etl@acme.example")
    with bench.store() as store:
        since = len(bench.server.audited)
        list(vault_steps(store.inspection, [*bench.users, newcomer]))
    operations = {
        (line["request"]["operation"], line["request"]["path"])
        for line in bench.server.audited[since:]
    }
    assert operations == {
        ("update", "auth/approle/login"),
        ("read", "auth/token/lookup-self"),
        ("read", f"sys/internal/ui/mounts/secret/{bench.users[0].path}"),
        ("update", "sys/capabilities-self"),
        ("read", bench.data),
        ("patch", bench.data),
        ("read", f"secret/data/{newcomer.path}"),
        ("create", f"secret/data/{newcomer.path}"),
        ("read", "secret/config"),
        ("read", f"secret/metadata/{bench.users[0].path}"),
        ("read", f"secret/metadata/{newcomer.path}"),
    }
    assert bench.server.paths(f"salesforce/{bench.org}/") == [bench.users[0].path]
    assert list(bench.server.versions(bench.users[0].path)) == [1]
    assert bench.server.get(bench.users[0].path) == {"password": "untouched"}


def test_what_decides_is_asked_in_few_requests(bench: Bench) -> None:
    """One login, one look at the mount, one question for the rights on all paths; and of each
    folder one path is tried."""
    users = [*bench.users, UserPath(bench.org, "etl@acme.example", f"salesforce/{bench.org}/etl")]
    with bench.store() as store:
        since = len(bench.server.audited)
        steps = list(usable_steps(store.inspection, users))
    assert paths(bench.server, since) == [
        "auth/approle/login",
        f"sys/internal/ui/mounts/secret/{users[0].path}",
        "sys/capabilities-self",
        bench.data,
        bench.data,
    ]
    assert [step.outcome for step in steps] == ["ok"] * 5


# -- what is not --


def of_root(bench: Bench) -> list[Step]:
    """The token that may do everything."""
    return bench.steps(given(bench.server.root_token))


def closed_port(bench: Bench) -> list[Step]:
    """Nothing listens there."""
    return bench.steps(url=f"http://127.0.0.1:{free_port()}")


def other_scheme(bench: Bench) -> list[Step]:
    """TLS is wanted where there is none."""
    return bench.steps(url=bench.server.url.replace("http:", "https:"))


def no_address(bench: Bench) -> list[Step]:
    """A name that nobody has."""
    return bench.steps(url="http://vault.invalid:8200")


def wrong_role(bench: Bench) -> list[Step]:
    """A role_id of nobody."""
    return bench.steps(AppRoleLogin("no-such-role", lambda: Secret("x")))


def wrong_secret(bench: Bench) -> list[Step]:
    """The secret_id of another role."""
    role = bench.role(SHIPPED.format(data=DATA, metadata='"read"'))
    return bench.steps(AppRoleLogin(role.role_id, lambda: Secret("CANARYsecretIDmustNOTleak")))


def wrong_namespace(bench: Bench) -> list[Step]:
    """A namespace that is none."""
    return bench.steps(namespace="nosuch")


def no_mount(bench: Bench) -> list[Step]:
    """A mount that is none."""
    return bench.steps(mount="nosuch")


def below_the_mount(bench: Bench) -> list[Step]:
    """A mount with a part of the path."""
    return bench.steps(mount="secret/data")


def version_1_for_2(bench: Bench) -> list[Step]:
    """The mount is KV version 1."""
    mount = bench.server.mount(bench.org, version=1)
    login = bench.granting(more=f'path "{mount}/*" {{ capabilities = ["read"] }}')
    return bench.steps(login, mount=mount)


def version_2_for_1(bench: Bench) -> list[Step]:
    """The mount is KV version 2."""
    return bench.steps(kv_version=1)


def version_1(bench: Bench) -> list[Step]:
    """On purpose."""
    mount = bench.server.mount(bench.org, version=1)
    path = f"{mount}/salesforce/+/+"
    login = bench.granting(more=f'path "{path}" {{ capabilities = ["create", "read", "update"] }}')
    return bench.steps(login, mount=mount, kv_version=1)


def lacking(data: str, metadata: str = '"read"') -> Callable[[Bench], list[Step]]:
    """A policy with these capabilities alone."""

    def steps(bench: Bench) -> list[Step]:
        return bench.steps(bench.granting(data, metadata))

    return steps


def dead_token(bench: Bench) -> list[Step]:
    """One that was revoked."""
    token = bench.server.token("default")
    bench.server.revoke(token)
    return bench.steps(given(token))


def powerless_token(bench: Bench) -> list[Step]:
    """A login whose token may do nothing of ours, and not look itself up."""
    role = bench.role('path "x" { capabilities = ["read"] }', token_no_default_policy=True)
    return bench.steps(role_login(role))


def capped_token(bench: Bench) -> list[Step]:
    """One that somebody gave us, and that nobody can renew."""
    return bench.steps(
        given(bench.server.token(shipped_policy(bench.server), type="batch", ttl="1h"))
    )


def counted_token(bench: Bench) -> list[Step]:
    """A login whose token is good for so many requests."""
    role = bench.role(SHIPPED.format(data=DATA, metadata='"read"'), token_num_uses=50)
    return bench.steps(role_login(role))


def silent_policy(bench: Bench) -> list[Step]:
    """A token that may not even ask what it may do."""
    policy = SHIPPED.format(data=DATA, metadata='"read"')
    role = bench.role(policy, token_no_default_policy=True)
    return bench.steps(role_login(role))


def silent_policy_for_others(bench: Bench) -> list[Step]:
    """The same, and it may not read the user's secret."""
    policy = 'path "secret/data/other/*" { capabilities = ["read"] }'
    role = bench.role(policy, token_no_default_policy=True)
    return bench.steps(role_login(role))


def wide_policy(bench: Bench) -> list[Step]:
    """All secrets of the mount, and removal."""
    every = '"create", "read", "update", "patch", "delete"'
    return bench.steps(bench.granting(more=f'path "secret/*" {{ capabilities = [{every}] }}'))


def one_version(bench: Bench) -> list[Step]:
    """By the setting of the secret."""
    bench.server.settings(bench.users[0].path, max_versions=1)
    return bench.steps()


def vanishing(bench: Bench) -> list[Step]:
    """By the setting of the secret."""
    bench.server.settings(bench.users[0].path, delete_version_after="720h")
    return bench.steps()


def settings_of_the_mount(bench: Bench) -> list[Step]:
    """Both of them."""
    mount = bench.server.mount(bench.org)
    settings = {"max_versions": 1, "delete_version_after": "720h", "cas_required": True}
    bench.server.tell("post", f"{mount}/config", settings)
    policy = SHIPPED.format(data=DATA, metadata='"read"').replace("secret/", f"{mount}/")
    login = role_login(bench.role(f'{policy}path "{mount}/config" {{ capabilities = ["read"] }}'))
    return bench.steps(login, mount=mount)


CASES: list[tuple[Callable[[Bench], list[Step]], list[tuple[str, str, str]]]] = [
    (closed_port, [("reach", "failed", "vault-unreachable")]),
    (no_address, [("reach", "failed", "vault-unreachable")]),
    (other_scheme, [("tls", "failed", "vault-tls")]),
    (wrong_role, [("login", "failed", "vault-login")]),
    (wrong_secret, [("login", "failed", "vault-login")]),
    (wrong_namespace, [("login", "failed", "vault-namespace")]),
    (no_mount, [("mount", "failed", "vault-mount")]),
    (below_the_mount, [("mount", "failed", "vault-mount-path")]),
    (version_1_for_2, [("mount", "failed", "vault-kv1")]),
    (version_2_for_1, [("mount", "failed", "vault-kv2")]),
    (version_1, [("mount", "warning", "vault-unversioned")]),
    (lacking('"create", "read", "patch"'), [("rights", "failed", "vault-policy")]),
    (lacking('"read", "update", "patch"'), [("rights", "failed", "vault-policy")]),
    (lacking('"create", "update", "patch"'), [("rights", "failed", "vault-policy")]),
    (lacking('"create", "read", "update"'), [("rights", "warning", "vault-policy-patch")]),
    (lacking(DATA, '"deny"'), [("rights", "warning", "vault-policy-metadata")]),
    (dead_token, [("login", "failed", "vault-login-token")]),
    (powerless_token, [("token", "failed", "vault-login")]),
    (capped_token, [("token", "warning", "vault-token")]),
    (counted_token, [("token", "warning", "vault-token-uses")]),
    (
        silent_policy,
        [("token", "warning", "vault-token-unknown"), ("rights", "warning", "vault-capabilities")],
    ),
    (
        silent_policy_for_others,
        [
            ("token", "warning", "vault-token-unknown"),
            ("rights", "warning", "vault-capabilities"),
            ("trial", "failed", "vault-policy"),
        ],
    ),
    (of_root, [("excess", "warning", "vault-root")]),
    (wide_policy, [("excess", "warning", "vault-rights-wide")]),
    (one_version, [("settings", "warning", "vault-max-versions")]),
    (vanishing, [("settings", "warning", "vault-delete-version-after")]),
    (
        settings_of_the_mount,
        [
            ("settings", "warning", "vault-max-versions"),
            ("settings", "warning", "vault-delete-version-after"),
        ],
    ),
]


@pytest.mark.parametrize(
    ("setup", "expected"), CASES, ids=[f"{case[0].__name__}-{case[1][0][2]}" for case in CASES]
)
def test_each_fault_is_found_at_its_own_step(
    bench: Bench, setup: Callable[[Bench], list[Step]], expected: list[tuple[str, str, str]]
) -> None:
    """By its code, which has a next step; what builds on it is left out, and nothing else is."""
    steps = setup(bench)
    assert findings(steps) == expected
    assert all(next_step(code) for _, _, code in expected)
    failed = [step.step for step in steps if step.outcome == "failed"]
    after = [step.step for step in steps if step.outcome == "skipped" and not step.code]
    order = ["reach", "tls", "login", "token", "mount", "rights", "excess", "trial", "settings"]
    if failed and failed[0] not in ("rights", "trial"):
        assert after == order[max(2, order.index(failed[0]) + 1) :]
    else:
        assert after == []
    told = " ".join(step.saw for step in steps)
    assert "CANARY" not in told
    assert bench.server.root_token not in told


@pytest.mark.parametrize(
    ("data", "lacking", "line"),
    [
        ('"create", "read", "patch"', "update", '"update"'),
        ('"deny"', "create, read and update", '"create", "read", "update"'),
    ],
)
def test_a_policy_that_lacks_something_is_told_with_its_line(
    bench: Bench, data: str, lacking: str, line: str
) -> None:
    """For the path of the user, to be copied into the policy."""
    [step] = [step for step in bench.steps(bench.granting(data)) if step.step == "rights"]
    grant = f'path "{bench.data}" {{ capabilities = [{line}] }}'
    saw = f"our token lacks {lacking} there; grant {grant}"
    assert (step.subject, step.saw) == (bench.data, saw)


def test_many_paths_are_asked_in_portions(bench: Bench) -> None:
    """So that no answer grows beyond what is read of one."""
    users = [
        UserPath(bench.org, f"user{number}", f"salesforce/{bench.org}/user{number}")
        for number in range(PATHS_AT_ONCE + 1)
    ]
    with bench.store() as store:
        since = len(bench.server.audited)
        steps = list(usable_steps(store.inspection, users))
    assert paths(bench.server, since).count("sys/capabilities-self") == 2
    assert [step.outcome for step in steps] == ["ok"] * (PATHS_AT_ONCE + 4)


def test_a_look_at_many_secrets_has_an_end(bench: Bench) -> None:
    """How many are left out is told; nothing fails by that."""
    seconds = iter(range(0, 1000, 7))
    limit = Limit(20.0, lambda: next(seconds))
    users = [*bench.users] * 5
    with bench.store() as store:
        steps = list(vault_steps(store.inspection, users, limit=limit))
    told = "3 of 5 secrets were not looked at within 20 s"
    assert steps[-1] == Step("vault", "", "settings", "warning", told, "vault-slow")


# -- addresses --


def test_a_sealed_vault_is_found_before_a_login(own_openbao: OpenBao, org: str) -> None:
    """And so is a standby of it, in a cluster."""
    own_openbao.seal()
    with opened(own_openbao.url, given(own_openbao.root_token)) as store:
        steps = list(vault_steps(store.inspection, [UserPath(org, USER, f"salesforce/{USER}")]))
    assert findings(steps) == [("state", "failed", "vault-sealed")]
    assert [step.step for step in steps if step.outcome == "skipped"] == list(LATER)


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (
            HttpReply(body={"initialized": False, "sealed": True, "standby": True}),
            [("state", "failed", "vault-uninitialised")],
        ),
        (page(200), [("state", "warning", "vault-foreign")]),
        (HttpReply(404, {"errors": []}), [("state", "warning", "vault-foreign")]),
        (page(502), [("state", "warning", "vault-away")]),
    ],
    ids=["not initialised", "a page", "nothing there", "a proxy without a server"],
)
def test_what_is_told_of_the_state(health: HttpReply, expected: list[tuple[str, str, str]]) -> None:
    """Where something between us keeps the question to itself, the login decides."""
    user = UserPath("acme", USER, f"salesforce/{USER}")
    script = {"GET /v1/sys/health": health}
    with HttpScript(script) as vault, opened(vault.url, given("s.fine")) as store:
        steps = list(vault_steps(store.inspection, [user]))
    assert [finding for finding in findings(steps) if finding[0] == "state"] == expected
    logged_in = [step.outcome for step in steps if step.step == "login"]
    assert logged_in == [{"failed": "skipped", "warning": "ok"}[expected[0][1]]]


def test_one_address_of_a_cluster_that_answers_is_enough(bench: Bench) -> None:
    """The others are told as warnings, each with its own cause."""
    dead = f"http://127.0.0.1:{free_port()}"
    steps = bench.steps(url=dead, others=(bench.server.url,))
    [warning, *others] = steps
    assert (warning.step, warning.subject, warning.code) == ("reach", dead, "vault-unreachable")
    assert {step.outcome for step in others} == {"ok", "skipped"}


@pytest.mark.parametrize(
    ("days", "trusted", "expected"),
    [
        (400, True, []),
        (20, True, [("tls", "warning", "vault-certificate-ends")]),
        (400, False, [("tls", "failed", "vault-certificate")]),
        (-1, True, [("tls", "failed", "vault-certificate-expired")]),
    ],
    ids=["good", "ending", "unknown authority", "expired"],
)
def test_the_certificate_of_the_server(
    tmp_path: Path, days: int, trusted: bool, expected: list[tuple[str, str, str]]
) -> None:
    """Its end is told before it has come; whom we do not trust is not asked for more."""
    root = trustme.CA()
    root.cert_pem.write_to_path(str(tmp_path / "root"))
    at = datetime.now(UTC)
    leaf = root.issue_cert(
        "127.0.0.1", not_before=at - timedelta(days=9), not_after=at + timedelta(days=days, hours=1)
    )
    ca_file = None
    if trusted:
        ca_file = str(tmp_path / "root")
    user = UserPath("acme", USER, f"salesforce/acme/{USER}")
    with listening(tmp_path, {"leaf": leaf}) as tls:
        login = role_login(tls.server.approle("ours", shipped_policy(tls.server)))
        with opened(tls.url("leaf"), login, ca_file=ca_file) as store:
            steps = list(vault_steps(store.inspection, [user]))
    assert findings(steps) == expected
    assert (steps[0].step, steps[0].outcome) == ("reach", "ok")
    if days > 0 and trusted:
        assert steps[1].saw.endswith(f", in {days} days")


# -- ways to log in --


def wrapped_login(bench: Bench, path: str = "") -> WrappedAppRoleLogin:
    """By a token that wraps the answer to a request of an administrator: a new secret_id, where no
    other path is named."""
    role = bench.role(SHIPPED.format(data=DATA, metadata='"read"'))
    secret_id = f"auth/approle/role/{role.name}/secret-id"
    answer = bench.server.ask("post", path or secret_id, headers={"X-Vault-Wrap-TTL": "5m"})
    token = Secret(answer.body["wrap_info"]["token"])
    return WrappedAppRoleLogin(role.role_id, lambda: token, KeptSecretId(bench.home / "kept.json"))


def test_a_wrapping_token_is_left_as_it_is(bench: Bench) -> None:
    """A diagnosis uses up nothing; after the first login there is nothing to use up."""
    login = wrapped_login(bench)
    steps = bench.steps(login)
    told = [(step.step, step.outcome, step.code) for step in steps[2:]]
    assert told[0] == ("login", "skipped", "vault-login-wrapped")
    assert {outcome for _, outcome, _ in told} == {"skipped"}
    assert {step.saw for step in steps[3:]} == {"it builds on the login, which was left out"}
    with bench.store(login) as store:
        assert {step.outcome for step in usable_steps(store.inspection, bench.users)} == {"ok"}
    assert findings(bench.steps(login)) == []


def test_a_wrapping_token_that_somebody_used_is_found(bench: Bench) -> None:
    """Before the first login fails of it: Vault is asked what the token wraps."""
    login = wrapped_login(bench)
    unwrapped = bench.server.ask("post", "sys/wrapping/unwrap", token=login.credential().reveal())
    assert unwrapped.status == 200
    steps = bench.steps(login)
    assert findings(steps) == [("login", "failed", "vault-login-wrapping-used")]
    assert {step.saw for step in steps[3:]} == {"it builds on a step that failed"}


def test_a_wrapping_token_of_something_else_is_found(bench: Bench) -> None:
    """It is left wrapped, as a login leaves it."""
    login = wrapped_login(bench, "auth/token/create")
    assert findings(bench.steps(login)) == [("login", "failed", "vault-login-wrapping-path")]
    unwrapped = bench.server.ask("post", "sys/wrapping/unwrap", token=login.credential().reveal())
    assert unwrapped.status == 200


def test_a_token_that_an_agent_adds_is_diagnosed(bench: Bench) -> None:
    """As far as its policies let it ask; a proxy that adds none is told as such, at the login."""
    role = bench.role(SHIPPED.format(data=DATA, metadata='"read"'))
    with Agent(bench.server, role, adds_token=True) as agent:
        assert findings(bench.steps(NoLogin(), url=agent.url)) == []
    assert findings(bench.steps(NoLogin())) == [("login", "failed", "vault-login-none")]


def test_a_silent_token_that_an_agent_adds_is_not_called_ours(bench: Bench) -> None:
    """Nobody logged in, and the policy is one of the Agent's role."""
    policy = SHIPPED.format(data=DATA, metadata='"read"')
    role = bench.role(policy, token_no_default_policy=True)
    with Agent(bench.server, role, adds_token=True) as agent:
        steps = bench.steps(NoLogin(), url=agent.url)
    said = {step.step: step.saw for step in steps}
    assert said["login"] == "no login: whoever is in front of Vault adds its token; method: none"
    assert said["token"] == (
        "the token that an Agent or Proxy adds may not look itself up, so neither its end nor its"
        " policies are known"
    )
    assert findings(steps) == [
        ("token", "warning", "vault-token-unknown"),
        ("rights", "warning", "vault-capabilities"),
    ]


# -- a canary --


def write_step(bench: Bench, login: Any, **where: Any) -> Step:
    """The last step of a diagnosis that writes."""
    with bench.store(login, **where) as store:
        return list(vault_steps(store.inspection, bench.users, write_test=True))[-1]


def test_a_canary_is_written_and_removed(bench: Bench) -> None:
    """Beside the user's secret, which nobody touches; nothing of it stays."""
    bench.server.put(bench.users[0].path, {"password": "untouched"})
    step = write_step(bench, bench.granting(metadata='"read", "delete"'))
    folder = f"secret/data/salesforce/{bench.org}/token-catcher-check-"
    assert (step.step, step.outcome, step.saw) == ("write", "ok", "written, read and removed")
    assert step.subject.startswith(folder)
    assert bench.server.paths(f"salesforce/{bench.org}/") == [bench.users[0].path]
    assert list(bench.server.versions(bench.users[0].path)) == [1]


def test_what_could_not_be_removed_is_not_written(bench: Bench) -> None:
    """The policy that is shipped grants no removal: what would be needed is told."""
    step = write_step(bench, bench.granting())
    metadata = step.subject.replace("/data/", "/metadata/")
    assert (step.outcome, step.code, step.saw) == (
        "skipped",
        "vault-canary",
        "not written: that and removing it again needs"
        f' path "{metadata}" {{ capabilities = ["delete"] }}',
    )
    assert bench.server.paths(f"salesforce/{bench.org}/") == []


def test_a_canary_of_version_1(bench: Bench) -> None:
    """Without check-and-set, and removed as a whole."""
    mount = bench.server.mount(bench.org, version=1)
    every = '"create", "read", "update", "delete"'
    login = bench.granting(more=f'path "{mount}/salesforce/+/+" {{ capabilities = [{every}] }}')
    step = write_step(bench, login, mount=mount, kv_version=1)
    assert (step.outcome, step.saw) == ("ok", "written, read and removed")
    assert bench.server.ask("get", f"{mount}/salesforce/{bench.org}?list=true").status == 404


@pytest.mark.parametrize(
    ("own", "code", "saw"),
    [
        ({"POST /v1/secret/data/": page(403)}, "vault-foreign", "somebody else answers there"),
        (
            {"PATCH /v1/secret/data/": page(405)},
            "vault-canary-write",
            "merging into it with PATCH was answered with 405, expected 200",
        ),
        (
            {"GET /v1/secret/data/": HttpReply(body={"data": {"data": {"canary": "old"}}})},
            "vault-canary-write",
            "something else is read there than was written",
        ),
        (
            {"DELETE /v1/": HttpReply(403, {"errors": ["permission denied"]})},
            "vault-canary-stays",
            "it stays there: removing it was answered with 403, expected 204",
        ),
    ],
    ids=["not written", "not merged", "not read", "not removed"],
)
def test_a_canary_in_trouble_is_told(
    bench: Bench, own: dict[str, HttpReply], code: str, saw: str
) -> None:
    """By what failed; it is removed again where that can be."""
    with ReverseProxy(bench.server.url, own) as proxy:
        step = write_step(bench, bench.granting(metadata='"read", "delete"'), url=proxy.url)
    assert (step.step, step.code) == ("write", code)
    assert saw in step.saw
    left = bench.server.paths(f"salesforce/{bench.org}/")
    assert len(left) == (code == "vault-canary-stays")


def test_where_nobody_knows_whether_it_could_be_removed_nothing_is_written(bench: Bench) -> None:
    """A token that may not ask for its capabilities."""
    policy = SHIPPED.format(data=DATA, metadata='"read", "delete"')
    step = write_step(bench, role_login(bench.role(policy, token_no_default_policy=True)))
    assert (step.step, step.outcome, step.code) == ("write", "skipped", "vault-canary")
    assert bench.server.paths(f"salesforce/{bench.org}/") == []


def test_how_the_mount_keeps_versions_may_be_kept_from_us(bench: Bench) -> None:
    """A policy without that right costs one step; it is told what would show it."""
    rules = (
        'path "secret/+/salesforce/+/+" { capabilities = ["create", "read", "update", "patch"] }'
    )
    role = bench.server.approle(bench.org, bench.server.policy(f"{bench.org}-own", rules))
    step = bench.steps(role_login(role))[-1]
    assert (step.step, step.outcome, step.code) == ("settings", "skipped", "vault-settings-denied")
    assert 'path "secret/config" { capabilities = ["read"] }' in step.saw


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("spaced", [False, True], ids=["above all", "in a namespace"])
def test_which_paths_a_policy_names(
    openbao: OpenBao, org: str, spaced: bool, default: bool
) -> None:
    """In one answer, which the policy `default` lets us have; but for rules with a `+`."""
    rules = [("+/+", DATA), ("bob", '"read"'), ("et*", '"deny"'), ("+", '"list"')]
    policy = "".join(
        f'path "secret/data/{org}/{name}" {{ capabilities = [{granted}] }}\n'
        for name, granted in rules
    )
    namespace = None
    front = ""
    if spaced:
        namespace = org
        front = f"{org}/"
        openbao.tell("post", f"sys/namespaces/{org}", {})
    openbao.tell("post", f"{front}sys/policies/acl/{org}", {"policy": policy})
    asked = {"policies": [org], "no_default_policy": not default}
    made = openbao.tell("post", f"{front}auth/token/create", asked)
    token = given(made.body["auth"]["client_token"])
    with opened(openbao.url, token, namespace=namespace) as store:
        told = store.inspection.rules()
    own = [told.of(f"secret/data/{org}/{name}") for name in ("bob", "ethan", "zoe")]
    named = [[frozenset({"read"})], [frozenset({"deny"})], []]
    assert own == (named if default else [[], [], []])
