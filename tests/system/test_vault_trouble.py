"""A Vault that no token could be stored in is trouble now, while the mailbox is empty: `scan` and
the daemon's pages, through the installed program, on the real server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, free_port, until
from tests.system.test_web import Site
from token_catcher.advice import next_step

SHIPPED = (
    'path "secret/data/salesforce/+/+" {{ capabilities = [{data}] {more} }}\n'
    'path "secret/metadata/salesforce/+/+" {{ capabilities = [{metadata}] }}\n'
)
ALL = '"create", "read", "update", "patch"'
FIRST_ALONE = '"create", "read"'
"""What the first token of a user takes, and not the next one."""


@dataclass
class Bench:
    """The program, and the Vault that it is configured for."""

    tool: Program
    openbao: OpenBao
    org: str

    @property
    def data(self) -> str:
        """The path of the first user, who is made up: no mail has come yet."""
        return f"secret/data/salesforce/{self.org}/token-catcher-check@acme.example"

    def granting(
        self, data: str = ALL, metadata: str = '"read", "patch"', constraint: str = ""
    ) -> None:
        """The program's role has these capabilities, under this constraint."""
        rules = SHIPPED.format(data=data, metadata=metadata, more=constraint)
        policy = self.openbao.policy(f"{self.org}-rules", rules)
        path = f"auth/approle/role/{self.org}-test"
        self.openbao.tell("post", path, {"token_policies": [policy]})

    def without(self, *capabilities: str) -> None:
        """It lacks these on the users' secrets."""
        words = [word for word in ALL.split(", ") if word.strip('"') not in capabilities]
        self.granting(", ".join(words))


@pytest.fixture
def bench(tool: Program, openbao: OpenBao, org: str) -> Bench:
    """Over the shared server, with a mailbox that stays empty."""
    return Bench(tool, openbao, org)


def closed_port(bench: Bench) -> None:
    """Nothing listens there."""
    bench.tool.configure(address=f"address: http://127.0.0.1:{free_port()}")


def wrong_scheme(bench: Bench) -> None:
    """TLS is wanted of a port without."""
    url = bench.openbao.url.replace("http:", "https:")
    bench.tool.configure(address=f"address: {url}")


def wrong_role(bench: Bench) -> None:
    """A role_id of nobody."""
    auth = "auth: {method: approle, role_id: nobody, secret_id: {file: secret-id}}"
    bench.tool.configure(auth=auth)


def wrong_secret(bench: Bench) -> None:
    """A secret_id of nobody."""
    bench.tool.secret("secret-id", "CANARYsecretIDmustNOTleak")


def wrong_namespace(bench: Bench) -> None:
    """One that is none."""
    bench.tool.configure(mount="mount: secret\nnamespace: nosuch")


def no_mount(bench: Bench) -> None:
    """One that is none."""
    bench.tool.configure(mount="mount: nosuch")


def below_the_mount(bench: Bench) -> None:
    """The mount with a part of the path."""
    bench.tool.configure(mount="mount: secret/data")


def version_1(bench: Bench) -> None:
    """Where version 2 is expected."""
    mount = bench.openbao.mount(f"{bench.org}-kv1", version=1)
    rules = f'path "{mount}/*" {{ capabilities = [{ALL}] }}'
    policy = bench.openbao.policy(f"{bench.org}-kv1", rules)
    path = f"auth/approle/role/{bench.org}-test"
    bench.openbao.tell("post", path, {"token_policies": [policy]})
    bench.tool.configure(mount=f"mount: {mount}")


def version_2(bench: Bench) -> None:
    """Where version 1 is expected."""
    bench.tool.configure(mount="mount: secret\nkv_version: 1")


def no_update(bench: Bench) -> None:
    """The first token would be stored, and the next one may not."""
    bench.without("update")


def no_read(bench: Bench) -> None:
    """What is there cannot be compared."""
    bench.without("read")


def no_rights(bench: Bench) -> None:
    """A policy for other paths of the mount."""
    rules = 'path "secret/data/elsewhere/*" { capabilities = ["read"] }'
    policy = bench.openbao.policy(f"{bench.org}-rules", rules)
    path = f"auth/approle/role/{bench.org}-test"
    bench.openbao.tell("post", path, {"token_policies": [policy]})


def unwanted_parameters(bench: Bench) -> None:
    """All capabilities, and a constraint that no store meets."""
    bench.granting(constraint='denied_parameters = {"data" = []}')


def wrapped_answers(bench: Bench) -> None:
    """All capabilities, for requests that have their answers wrapped."""
    bench.granting(constraint='min_wrapping_ttl = "1m"')


BROKEN: list[tuple[Callable[[Bench], None], str, str]] = [
    (closed_port, "vault-unreachable", "was not reached (Connection refused)"),
    (wrong_scheme, "vault-tls", "speaks no TLS there"),
    (wrong_role, "vault-login", "refused the AppRole login"),
    (wrong_secret, "vault-login", "refused the AppRole login"),
    (wrong_namespace, "vault-namespace", "there is no such namespace"),
    (no_mount, "vault-mount", "there is no mount nosuch"),
    (below_the_mount, "vault-mount-path", "got secret/data, but the mount there is secret"),
    (version_1, "vault-kv1", "is kv version 1, expected kv version 2"),
    (version_2, "vault-kv2", "is kv version 2, expected kv version 1"),
    (no_update, "vault-policy", 'lacks update there; grant path "{data}"'),
    (no_read, "vault-policy", "{data}: our token lacks read there"),
    (unwanted_parameters, "vault-policy-constraint", "{data}: POST denied there, though"),
    (wrapped_answers, "vault-policy-constraint", "{data}: GET denied there, though"),
    (no_rights, "vault-policy", "{data}: our token lacks create, read and update there"),
]


@pytest.mark.parametrize(
    ("break_it", "code", "words"), BROKEN, ids=[case[0].__name__ for case in BROKEN]
)
def test_a_vault_that_cannot_be_written_to_is_trouble_before_the_first_mail(
    bench: Bench, break_it: Callable[[Bench], None], code: str, words: str
) -> None:
    """`scan` fails with the cause and its next step; the daemon is neither healthy nor ready."""
    site = Site(bench.tool)
    break_it(bench)
    scan = bench.tool("scan", "--json")
    [line] = scan.lines
    assert (scan.code, line["mailbox"], line["outcome"]) == (1, None, "error")
    assert (line["reason"], line["next"]) == (code, next_step(code))
    assert words.format(data=bench.data) in line["saw"]
    assert "CANARY" not in scan.out + scan.err
    told = bench.tool("scan")
    assert told.code == 1
    assert "nothing new" in told.out
    assert f"Vault  error  {code}" in told.out
    with bench.tool.daemon() as daemon:
        until(lambda: site.health["vault"]["trouble"] == code, "the trouble")
        assert site.health["vault"]["usable"] is False
        assert site.get("/healthz")[0] == 503
        assert site.get("/readyz") == (503, f"Vault cannot be used: {code}\n")
        assert site.get("/livez")[0] == 200
        assert site.sample("vault_usable") == 0
        [event] = [line for line in daemon.events if line["event"] == "vault.check_failed"]
    assert (event["level"], event["code"]) == ("warning", code)
    assert words.format(data=bench.data) in event["error"]


@pytest.mark.parametrize("lacking", ["patch", "metadata"])
def test_what_a_token_is_stored_without_is_no_trouble(bench: Bench, lacking: str) -> None:
    """A policy without PATCH, or without the metadata, costs something else."""
    if lacking == "patch":
        bench.without("patch")
    else:
        bench.granting(metadata='"deny"')
    assert bench.tool("scan", "--json").lines == []
    site = Site(bench.tool)
    with bench.tool.daemon():
        until(lambda: site.get("/healthz")[0] == 200, "all to be well")
        assert site.get("/readyz") == (200, "ready\n")
        assert site.sample("vault_usable") == 1


def test_a_sealed_vault_is_trouble_before_the_first_mail(
    bench: Bench, own_openbao: OpenBao
) -> None:
    """It passes by itself, but was never usable: not ready until it is."""
    site = Site(bench.tool)
    bench.tool.configure(address=f"address: {own_openbao.url}")
    own_openbao.seal()
    scan = bench.tool("scan", "--json")
    assert (scan.code, [line["reason"] for line in scan.lines]) == (1, ["vault-sealed"])
    with bench.tool.daemon():
        until(lambda: site.health["vault"]["trouble"] == "vault-sealed", "the trouble")
        assert site.get("/readyz") == (503, "Vault cannot be used: vault-sealed\n")


def test_a_vault_that_was_mended_is_well_after_a_reload(bench: Bench) -> None:
    """It is told once that it was broken, and once that it is not; no mail has come."""
    bench.without("update")
    site = Site(bench.tool)
    with bench.tool.daemon() as daemon:
        until(lambda: site.health["vault"]["trouble"] == "vault-policy", "the trouble")
        bench.granting()
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: site.get("/healthz")[0] == 200, "all to be well")
        assert site.get("/readyz") == (200, "ready\n")
        assert daemon.says("vault.check_passed", after="vault-policy")
        told = [line for line in daemon.events if line["event"] == "vault.check_failed"]
    assert len(told) == 1


def test_a_dry_run_tells_of_a_vault_that_answers(bench: Bench) -> None:
    """And does without one that does not: it is about the mail."""
    bench.without("update")
    done = bench.tool("scan", "--dry-run", "--json")
    assert (done.code, [line["reason"] for line in done.lines]) == (1, ["vault-policy"])
    closed_port(bench)
    done = bench.tool("scan", "--dry-run", "--json")
    assert (done.code, done.lines) == (0, [])
    assert not (bench.tool.state / "writer").exists()


def test_a_dry_run_unwraps_nothing(bench: Bench) -> None:
    """The wrapping token is good once, for the first scan that is none."""
    answer = bench.openbao.ask(
        "post",
        f"auth/approle/role/{bench.org}-test/secret-id",
        headers={"X-Vault-Wrap-TTL": "5m"},
    )
    bench.tool.secret("wrapped", answer.body["wrap_info"]["token"])
    role_id = bench.openbao.tell("get", f"auth/approle/role/{bench.org}-test/role-id").data
    auth = f"method: approle, role_id: {role_id['role_id']}, wrapped_secret_id: {{file: wrapped}}"
    bench.tool.configure(auth=f"auth: {{{auth}}}")
    assert bench.tool("scan", "--dry-run", "--json").code == 0
    assert not (bench.tool.state / "vault-secret-id.json").exists()
    assert bench.tool("scan", "--json").code == 0
    assert (bench.tool.state / "vault-secret-id.json").exists()
    assert bench.tool("scan", "--dry-run", "--json").code == 0


def test_a_user_whom_the_record_knows_stands_for_the_pattern(
    bench: Bench, dovecot: Dovecot, user: str
) -> None:
    """Until there is one, a made-up user does: a policy may name each user by itself."""
    folders = [f"{bench.org}/{mails.USERNAME}", f"{bench.org}-uat/+"]
    rules = [
        f'path "secret/{kind}/salesforce/{folder}" {{ capabilities = [{ALL}] }}'
        for folder in folders
        for kind in ("data", "metadata")
    ]
    policy = bench.openbao.policy(f"{bench.org}-rules", "\n".join(rules))
    path = f"auth/approle/role/{bench.org}-test"
    bench.openbao.tell("post", path, {"token_policies": [policy]})
    scan = bench.tool("scan", "--json")
    assert [line["reason"] for line in scan.lines] == ["vault-policy"]
    assert "(a made-up user of " in scan.lines[0]["saw"]
    dovecot.deliver(mails.genuine(issued_at=datetime.now(UTC)), user)
    scan = bench.tool("scan", "--json")
    assert (scan.code, [line["outcome"] for line in scan.lines]) == (0, ["stored"])


@pytest.mark.parametrize(
    ("all_of", "rule", "one", "codes"),
    [
        (ALL, "{org}/bob@acme.example", FIRST_ALONE, [1, 1]),
        (ALL, "{org}/bo*", FIRST_ALONE, [1, 1]),
        (ALL, "+/bob@acme.example", FIRST_ALONE, [0, 1]),
        (FIRST_ALONE, "{org}/ann@acme.example", ALL, [1, 1]),
    ],
)
def test_of_users_whose_tokens_just_came_one_in_each_folder_is_asked_for(
    bench: Bench,
    dovecot: Dovecot,
    user: str,
    all_of: str,
    rule: str,
    one: str,
    codes: list[int],
) -> None:
    """Vault has just let us write for all of them, and takes its time for each path. One whom a
    rule names is asked for as well, and stands for no other. Rules with a `+` it does not tell:
    whom the next token would fail by one of these is told by the next look.

    `all_of`, `one`: what is granted for the folder, and by the rule."""
    users = ["ann@acme.example", "bob@acme.example"]
    rules = SHIPPED.format(data=all_of, metadata='"read"', more="")
    place = f"secret/data/salesforce/{rule.format(org=bench.org)}"
    rules += f'path "{place}" {{ capabilities = [{one}] }}\n'
    policy = bench.openbao.policy(f"{bench.org}-rules", rules)
    path = f"auth/approle/role/{bench.org}-test"
    bench.openbao.tell("post", path, {"token_policies": [policy]})
    for number, username in enumerate(users):
        raw = mails.genuine(username, mails.token(number), issued_at=datetime.now(UTC))
        dovecot.deliver(raw, user)
    scans = [bench.tool("scan", "--json") for _ in range(2)]
    assert [line["outcome"] for line in scans[0].lines[:2]] == ["stored", "stored"]
    assert [scan.code for scan in scans] == codes
    told = [line["saw"] for scan in scans for line in scan.lines if line["outcome"] == "error"]
    own = f"secret/data/salesforce/{bench.org}/{users[1]}"
    assert len(told) == sum(codes)
    assert all(saw.startswith(f"{own}: our token lacks update there") for saw in told)


def test_a_vault_that_is_sealed_or_stopped_shows_and_heals_while_nothing_comes(
    tmp_path: Path, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """In each page, the metric and the log, by the next look; no mail and no signal is needed."""
    tool = program(tmp_path / "tool", dovecot, own_openbao, user, org)
    site = Site(tool)

    def is_well() -> bool:
        return site.get("/healthz")[0] == 200 and site.get("/readyz") == (200, "ready\n")

    def has(code: str) -> bool:
        return bool(site.health["vault"]["trouble"] == code)

    with tool.daemon() as daemon:
        until(is_well, "all to be well")
        own_openbao.seal()
        until(lambda: has("vault-sealed"), "the seal to show")
        assert site.get("/healthz")[0] == 503
        assert site.get("/readyz") == (503, "Vault cannot be used: vault-sealed\n")
        assert site.sample("vault_usable") == 0
        [status] = tool("status", "--json").lines
        assert (status["vault"]["trouble"], status["vault"]["sealed"]) == ("vault-sealed", True)
        own_openbao.unseal()
        until(is_well, "all to be well again")
        own_openbao.kill()
        until(lambda: has("vault-unreachable"), "the absence to show")
        ready = (200, "ready, but Vault cannot be used: vault-unreachable\n")
        assert (site.get("/healthz")[0], site.get("/readyz")) == (503, ready)
        own_openbao.start()
        until(is_well, "all to be well again")
        assert site.sample("vault_usable") == 1
        told = [
            line.get("after", line.get("code"))
            for line in daemon.events
            if line["event"] in ("vault.check_failed", "vault.check_passed")
        ]
    assert told == ["vault-sealed", "vault-sealed", "vault-unreachable", "vault-unreachable"]
