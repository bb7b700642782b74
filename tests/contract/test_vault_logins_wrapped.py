"""AppRole with a secret_id that comes wrapped: unwrapped once, kept, and a theft is told."""

from __future__ import annotations

import json
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.contract.leaks import FOREIGN
from tests.contract.vault import capture, opened, paths, refusal, shipped_policy
from tests.kit.fakes import Silent
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import OpenBao
from tests.kit.waiting import PATIENCE
from token_catcher import signals
from token_catcher.advice import NEXT_STEP
from token_catcher.errors import AccessError, Outage, StateError, TokenCatcherError
from token_catcher.in_flight import InFlight
from token_catcher.model import Secret, Stored
from token_catcher.vault import (
    AppRoleLogin,
    KeptSecretId,
    VaultStore,
    WrappedAppRoleLogin,
    unwrappings,
)

LOGIN = "auth/approle/login"
LOOKUP = "sys/wrapping/lookup"
UNWRAP = "sys/wrapping/unwrap"
PLAIN = "2f1c9d8e-6f2b-4a56-9d4e-0c1f7b3a5e64"
"""Of the form of a secret_id."""


@dataclass
class Instance:
    """One that gets its secret_id wrapped, with a state directory of its own."""

    server: OpenBao
    role: str
    role_id: str
    state_dir: Path
    namespace: str | None = None
    token: str = ""
    """In the file."""
    log: Silent = field(default_factory=Silent)
    counted: list[str] = field(default_factory=list)
    """The alarms that metrics are told of."""

    @property
    def kept(self) -> Path:
        """Where the secret_id is afterwards."""
        return self.state_dir / "vault-secret-id.json"

    @contextmanager
    def started(
        self,
        url: str = "",
        keeper: Callable[[Path], KeptSecretId] = KeptSecretId,
        in_flight: InFlight | None = None,
        **options: Any,
    ) -> Iterator[VaultStore]:
        """As after a restart: nothing is known but what is on disk."""
        login = WrappedAppRoleLogin(
            self.role_id,
            lambda: Secret(self.token),
            keeper(self.kept),
            namespace=self.namespace,
            in_flight=in_flight or unwrappings(),
        )
        with opened(
            url or self.server.url, login, log=self.log, alarmed=self.counted.append, **options
        ) as store:
            yield store

    def refusal(self, **options: Any) -> TokenCatcherError:
        """How a start fails, which has advice of its own; the token is not shown."""
        with self.started(**options) as store:
            error = refusal(store)
        assert self.token not in str(error)
        assert error.code in NEXT_STEP
        return error

    def hand_over(self) -> None:
        """What setup-approle.sh does: a new secret_id, wrapped, into the file."""
        self.token = self.wrapped("post", f"auth/approle/role/{self.role}/secret-id")

    def wrapped(self, method: str, path: str, body: Any = None) -> str:
        """A wrapping token for the answer to any request of an administrator."""
        headers = {"X-Vault-Token": self.server.root_token, "X-Vault-Wrap-TTL": "5m"}
        if self.namespace is not None:
            headers["X-Vault-Namespace"] = self.namespace
        url = f"{self.server.url}/v1/{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=60)
        return str(answer.json()["wrap_info"]["token"])

    def unwrap(self) -> str:
        """What anybody can do who has the token. Returns the secret_id."""
        answer = self.server.ask("post", UNWRAP, token=self.token)
        assert answer.status == 200, answer
        return str(answer.data.get("secret_id"))

    @property
    def alarms(self) -> list[tuple[str, str]]:
        """Events at level error: the name, and the code. Each is counted."""
        assert self.counted == [event for event, _ in self.log.errors]
        return [(event, fields["code"]) for event, fields in self.log.errors]


@pytest.fixture
def instance(openbao: OpenBao, org: str, tmp_path: Path) -> Instance:
    """With a wrapping token that nobody has used."""
    role = openbao.approle(org, shipped_policy(openbao))
    instance = Instance(openbao, org, role.role_id, tmp_path / "state")
    instance.hand_over()
    return instance


def test_the_secret_id_is_unwrapped_once_and_kept(instance: Instance, org: str) -> None:
    """A restart finds it in a file that nobody else can read, and asks nothing more."""
    since = len(instance.server.audited)
    for number in range(2):
        with instance.started() as store:
            assert isinstance(store.store(capture(f"{org}-{number}")), Stored)
    asked = paths(instance.server, since)
    counts = [asked.count(path) for path in (LOOKUP, UNWRAP, LOGIN)]
    assert counts == [1, 1, 2]
    assert stat.S_IMODE(instance.kept.stat().st_mode) == 0o600
    assert instance.token not in instance.kept.read_text()
    assert instance.alarms == []


def test_another_wrapping_token_replaces_what_is_kept(instance: Instance, org: str) -> None:
    """Without a restart, at the next login."""
    with instance.started() as store:
        store.store(capture(f"{org}-first"))
        first = instance.kept.read_text()
        instance.hand_over()
        instance.server.tell("put", "sys/leases/revoke-prefix/auth/approle/login")
        assert isinstance(store.store(capture(org)), Stored)
    assert json.loads(instance.kept.read_text()).keys() == json.loads(first).keys()
    assert instance.kept.read_text() != first


def test_a_stolen_wrapping_token_is_an_alarm(instance: Instance) -> None:
    """Somebody else was first: told once as an event, and by each try as an error."""
    secret_id = instance.unwrap()
    since = len(instance.server.audited)
    seconds = 0.0
    with instance.started(clock=lambda: seconds) as store:
        errors = [refusal(store)]
        seconds = 301.0
        errors.append(refusal(store))
    assert [(type(error), error.code) for error in errors] == [
        (AccessError, "vault-login-wrapping-used")
    ] * 2
    assert str(errors[0]) == (
        f"Vault at {instance.server.url} refused the wrapping token of"
        f" vault.auth.wrapped_secret_id at {LOOKUP} (got 400, expected 200): it was used already,"
        " or has expired; if none of yours did that, somebody else has the secret_id"
    )
    assert instance.alarms == [("vault.wrapping_token_used", "vault-login-wrapping-used")]
    assert instance.log.errors[0][1]["error"] == str(errors[0])
    assert secret_id not in str(errors)
    assert paths(instance.server, since) == [LOOKUP, LOOKUP]
    assert not instance.kept.exists()


def of_another_role_id(instance: Instance) -> str:
    """An answer of the same role, and no secret."""
    return instance.wrapped("get", f"auth/approle/role/{instance.role}/role-id")


def of_anybodys_choice(instance: Instance) -> str:
    """Everybody may wrap whatever he likes."""
    return instance.wrapped("post", "sys/wrapping/wrap", {"secret_id": FOREIGN})


def of_another_mount(instance: Instance) -> str:
    """A role that looks like ours."""
    mount = f"other-{instance.role}"
    instance.server.tell("post", f"sys/auth/{mount}", {"type": "approle"})
    instance.server.tell("post", f"auth/{mount}/role/{instance.role}", {})
    return instance.wrapped("post", f"auth/{mount}/role/{instance.role}/secret-id")


def of_a_chosen_secret_id(instance: Instance) -> str:
    """One that somebody made up, and so knows."""
    path = f"auth/approle/role/{instance.role}/custom-secret-id"
    return instance.wrapped("post", path, {"secret_id": f"chosen-for-{instance.role}"})


WRONG: dict[str, tuple[Callable[[Instance], str], str]] = {
    "another answer": (of_another_role_id, "auth/approle/role/ROLE/role-id"),
    "anything": (of_anybodys_choice, "sys/wrapping/wrap"),
    "another mount": (of_another_mount, "auth/other-ROLE/role/ROLE/secret-id"),
    "a chosen secret_id": (of_a_chosen_secret_id, "auth/approle/role/ROLE/custom-secret-id"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_token_that_wraps_something_else_is_not_unwrapped(instance: Instance, what: str) -> None:
    """It is told what it wraps, and that is an alarm; the token can be looked into afterwards."""
    make, path = WRONG[what]
    instance.token = make(instance)
    error = instance.refusal()
    assert (type(error), error.code) == (AccessError, "vault-login-wrapping-path")
    assert str(error) == (
        "vault.auth.wrapped_secret_id: got a token that wraps an answer of"
        f" {path.replace('ROLE', instance.role)!r}, expected one of"
        " auth/approle/role/…/secret-id; it was not unwrapped"
    )
    assert instance.alarms == [("vault.wrapping_token_foreign", "vault-login-wrapping-path")]
    assert not instance.kept.exists()
    instance.unwrap()


def test_a_secret_id_of_another_role_does_not_log_in(instance: Instance, org: str) -> None:
    """Vault names the role, we know its id alone: the login tells that they do not fit."""
    instance.server.approle(f"{org}-other", shipped_policy(instance.server))
    instance.role = f"{org}-other"
    instance.hand_over()
    error = instance.refusal()
    assert error.code == "vault-login"
    assert str(error) == (
        f"Vault at {instance.server.url} refused the AppRole login at {LOGIN} (got 400, expected"
        " 200): role_id or secret_id is wrong, expired or used up (unwrapped, and kept in"
        f" {instance.kept})"
    )


# -- bad moments --


def scripted(unwrap: HttpReply, **replies: HttpReply) -> HttpScript:
    """A Vault whose wrapping token is fine at first, and is unwrapped with this answer."""
    told = HttpReply(body={"data": {"creation_path": "auth/approle/role/x/secret-id"}})
    return HttpScript({f"POST /v1/{LOOKUP}": told, f"POST /v1/{UNWRAP}": unwrap, **replies})


USED = HttpReply(400, {"errors": ["wrapping token is not valid or does not exist"]})


def test_a_secret_id_that_was_lost_on_its_way_is_told_as_that(instance: Instance) -> None:
    """The answer never came: the next start knows that it may have been us."""
    with scripted(HttpReply(drop=True)) as server, instance.started(server.url) as store:
        assert type(refusal(store)) is Outage
    instance.unwrap()
    error = instance.refusal()
    assert error.code == "vault-login-wrapping-used"
    assert str(error).endswith(
        "it was used already, or has expired; we began to unwrap it and were interrupted, or"
        " somebody else has the secret_id"
    )


class Interrupted(KeptSecretId):
    """A signal comes after Vault has given the secret_id, and before it is on disk."""

    def keep(self, wrapping_token: Secret, secret_id: Secret) -> None:
        """As always, with the signal before it."""
        signal.raise_signal(signal.SIGTERM)
        super().keep(wrapping_token, secret_id)


def test_a_signal_waits_until_the_secret_id_is_kept(instance: Instance, org: str) -> None:
    """Vault gives it out once: the command ends afterwards, and the next one logs in."""
    handlers = {number: signal.getsignal(number) for number in signals.ENDING}
    signals.end_by_exception()
    try:
        with instance.started(keeper=Interrupted) as store, pytest.raises(signals.Ended):
            store.store(capture(org))
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    with instance.started() as store:
        assert isinstance(store.store(capture(org)), Stored)
    assert instance.alarms == []


class Slow(KeptSecretId):
    """Vault has given the secret_id, and the disk takes its time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.began = threading.Event()
        self.may_end = threading.Event()

    def keep(self, wrapping_token: Secret, secret_id: Secret) -> None:
        """As always, once it may."""
        self.began.set()
        assert self.may_end.wait(PATIENCE)
        super().keep(wrapping_token, secret_id)


def test_the_end_of_the_process_waits_until_the_secret_id_is_kept(
    instance: Instance, org: str
) -> None:
    """The daemon logs in on threads that end with it: the file of one that is cut off is told."""
    slow = Slow(instance.kept)
    in_flight = unwrappings()
    with instance.started(keeper=lambda _path: slow, in_flight=in_flight) as store:
        thread = threading.Thread(target=store.store, args=(capture(org),))
        thread.start()
        assert slow.began.wait(PATIENCE)
        assert in_flight.end(0) == (instance.kept,)
        slow.may_end.set()
        assert in_flight.end(PATIENCE) == ()
        assert json.loads(instance.kept.read_text())["secret_id"] is not None
        thread.join(PATIENCE)
    assert instance.alarms == []


def test_at_the_end_of_the_process_nothing_is_unwrapped(instance: Instance) -> None:
    """The wrapping token is as good as new for the next start."""
    in_flight = unwrappings()
    in_flight.close()
    error = instance.refusal(in_flight=in_flight)
    assert (type(error), error.code, str(error)) == (
        Outage,
        "vault-ending",
        "no wrapping token is unwrapped any more: the program ends",
    )
    instance.unwrap()


def test_an_outage_before_it_was_unwrapped_loses_nothing(instance: Instance, org: str) -> None:
    """The token is still good at the next try."""
    sealed = HttpReply(503, {"errors": ["Vault is sealed"]})
    with scripted(sealed) as server, instance.started(server.url) as store:
        assert refusal(store).code == "vault-sealed"
    with instance.started() as store:
        assert isinstance(store.store(capture(org)), Stored)
    assert instance.alarms == []


def test_somebody_who_is_faster_is_told(instance: Instance) -> None:
    """Between our question and the unwrapping."""
    with scripted(USED) as server:
        error = instance.refusal(url=server.url)
    assert error.code == "vault-login-wrapping-used"
    assert f" at {UNWRAP} (got 400" in str(error)


@pytest.mark.parametrize("data", [None, {}, {"secret_id": 7}])
def test_an_answer_without_a_secret_id_is_an_outage(instance: Instance, data: object) -> None:
    """Somebody else than Vault has said 200."""
    with (
        scripted(HttpReply(body={"data": data})) as server,
        instance.started(server.url) as store,
    ):
        error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-foreign")


def test_a_vault_that_lets_nobody_ask_is_told(instance: Instance) -> None:
    """HCP outside of its namespace, or a proxy: nothing is unwrapped unseen."""
    denied = {f"POST /v1/{LOOKUP}": HttpReply(403, {"errors": ["permission denied"]})}
    with HttpScript(denied) as server:
        error = instance.refusal(url=server.url)
    assert (type(error), error.code) == (AccessError, "vault-login-denied-mount")
    assert str(error) == (
        f"Vault at {server.url} denies {LOOKUP} (got 403, expected 200): it lies in another"
        " namespace, or a proxy lets nobody ask there"
    )
    assert [request.path for request in server.requests] == [f"/v1/{LOOKUP}"]


def test_what_cannot_be_kept_is_not_unwrapped(instance: Instance) -> None:
    """A file stands where the directory should be: StateError, and the token is as good as new."""
    instance.state_dir.write_text("")
    error = instance.refusal()
    assert (type(error), error.code) == (StateError, "vault-secret-id")
    instance.unwrap()


def test_what_cannot_be_written_is_not_unwrapped(instance: Instance) -> None:
    """Something is in the way of the new file, though the old one can be read."""
    in_the_way = instance.kept.with_name(f"{instance.kept.name}.new")
    in_the_way.mkdir(parents=True)
    error = instance.refusal()
    assert (type(error), error.code) == (StateError, "vault-secret-id")
    instance.unwrap()


@pytest.mark.parametrize(
    ("content", "mode", "got"),
    [
        ("{}", 0o644, "mode 0644, expected 0600: others may have the secret_id"),
        ("{}", 0o620, "a file that others can write (mode 0620), expected one for its owner"),
        ("[]", 0o600, "something else, expected a secret_id that we kept"),
        ('{"secret_id": 7}', 0o600, "something else, expected a secret_id that we kept"),
        ("nothing", 0o600, "something else, expected a secret_id that we kept"),
    ],
)
def test_a_kept_file_that_cannot_be_believed_is_an_error(
    instance: Instance, content: str, mode: int, got: str
) -> None:
    """Nothing is unwrapped over it."""
    instance.state_dir.mkdir(mode=0o700)
    instance.kept.write_text(content)
    instance.kept.chmod(mode)
    error = instance.refusal()
    assert (type(error), error.code) == (StateError, "vault-secret-id")
    assert f"{instance.kept}: got {got}" in str(error)
    instance.unwrap()


def test_a_link_is_not_followed(instance: Instance, tmp_path: Path) -> None:
    """Whoever can put one there must not choose what we log in with."""
    instance.state_dir.mkdir(mode=0o700)
    instance.kept.symlink_to(tmp_path / "elsewhere")
    assert instance.refusal().code == "vault-secret-id"


def test_processes_of_one_state_directory_share_what_is_kept(instance: Instance, org: str) -> None:
    """Daemon and `scan` start at the same moment: one of them unwraps, none is refused."""
    since = len(instance.server.audited)
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def start(number: int) -> None:
        try:
            with instance.started() as store:
                together.wait()
                store.store(capture(f"{org}-{number}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    asked = paths(instance.server, since)
    assert (asked.count(UNWRAP), asked.count(LOGIN)) == (1, 4)


@pytest.mark.parametrize("text", ["", '{"token": "s.x"}', "s.x y", PLAIN])
def test_what_is_no_wrapping_token_is_told(instance: Instance, text: str) -> None:
    """Before anything is asked, and without an alarm: a secret_id is a UUID, and no theft."""
    instance.token = text
    since = len(instance.server.audited)
    with instance.started() as store:
        error = refusal(store)
    assert (type(error), error.code) == (AccessError, "vault-login-wrapping")
    assert str(error).startswith("vault.auth.wrapped_secret_id: got ")
    assert paths(instance.server, since) == []
    assert instance.alarms == []


def test_a_wrapping_token_in_place_of_a_secret_id_is_told(instance: Instance) -> None:
    """Where Vault refuses it: by its form; it is as good as before."""
    login = AppRoleLogin(instance.role_id, lambda: Secret(instance.token))
    with opened(instance.server.url, login) as store:
        error = refusal(store)
    assert error.code == "vault-login"
    assert str(error).endswith(
        ": role_id or secret_id is wrong, expired or used up; it has the form of a token of"
        " Vault's, and a wrapping token belongs under vault.auth.wrapped_secret_id"
    )
    instance.unwrap()


@pytest.mark.parametrize("in_front", ["", "team/"])
def test_the_namespace_of_the_login_may_stand_in_front(instance: Instance, in_front: str) -> None:
    """OpenBao leaves it out of the path; another namespace than ours is none of ours."""
    secret = HttpReply(body={"data": {"secret_id": "x"}})
    logged_in = HttpReply(body={"auth": {"client_token": "s.x", "lease_duration": 60}})
    path = f"{in_front}auth/approle/role/x/secret-id"
    replies = {
        f"POST /v1/{LOOKUP}": HttpReply(body={"data": {"creation_path": path}}),
        f"POST /v1/{UNWRAP}": secret,
        f"POST /v1/{LOGIN}": logged_in,
    }
    with HttpScript(replies) as server, instance.started(server.url, namespace="team") as store:
        store.keep_alive()
    namespaces = {request.headers.get("x-vault-namespace") for request in server.requests}
    assert namespaces == {"team"}
    instance.kept.unlink()
    with HttpScript(replies) as server, instance.started(server.url, namespace="sales") as store:
        if in_front:
            assert refusal(store).code == "vault-login-wrapping-path"
        else:
            store.keep_alive()


def test_a_login_in_a_namespace_unwraps_there(openbao: OpenBao, org: str, tmp_path: Path) -> None:
    """The real thing, with the secrets elsewhere."""
    openbao.tell("post", f"sys/namespaces/{org}", {})
    openbao.tell("post", f"{org}/sys/auth/approle", {"type": "approle"})
    role = f"{org}/auth/approle/role/{org}"
    openbao.tell("post", role, {"token_policies": ["default"]})
    role_id = openbao.tell("get", f"{role}/role-id").data["role_id"]
    instance = Instance(openbao, org, role_id, tmp_path / "state", namespace=org)
    instance.hand_over()
    since = len(openbao.audited)
    with instance.started() as store:
        store.keep_alive()
    prefix = f"{org}/"
    asked = [path.removeprefix(prefix) for path in paths(openbao, since)]
    assert asked == [LOOKUP, UNWRAP, LOGIN]
