"""Vault, step by step: what would keep the next token out of it, found before that token comes.

    reach, tls, state   each address by itself: one that answers is enough
    login, token        who we are, and how long that lasts
    mount               that it is the configured one, of the configured version
    rights              on the path of every user
    excess              rights that nobody needs
    trial               what policies refuse beside that, by a write that changes nothing (`trial`)
    settings            versions that vanish, or that are not kept (`settings`)
    write               a canary, where that is asked for (`canary`)

`usable_steps` are those that decide whether a token could be stored now: three requests, and a
trial in each folder. `admission_steps` are the same without the trial, to be asked more often.
Each request has its time (`connections`), and a look at the paths of all users has its `Limit`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

from token_catcher.diagnosis.canary import write_steps
from token_catcher.diagnosis.limits import Limit
from token_catcher.diagnosis.rights import (
    Grants,
    SecretPaths,
    excess_steps,
    neighbour,
    right_step,
)
from token_catcher.diagnosis.settings import settings_steps
from token_catcher.diagnosis.step import Step, StepOutcome
from token_catcher.diagnosis.trial import Rights, one_in_each_folder, trial_steps
from token_catcher.diagnosis.users import UserPath
from token_catcher.errors import TokenCatcherError
from token_catcher.model import iso
from token_catcher.vault import Inspection, Node, NodeState, TokenFacts
from token_catcher.wording import counted

ENDING: Final = timedelta(days=30)
"""How long before its end a certificate is warned of."""
TLS: Final = ("vault-certificate", "vault-client-certificate", "vault-tls")
"""How the codes begin of faults that come after the line was there."""
NO_LINE: Final = ("vault-unreachable", "vault-address")
"""The codes where there was none."""
FAILED: Final = "it builds on a step that failed"
"""Why steps are left out."""
LATER: Final = ("login", "token", "mount", "rights", "excess", "trial", "settings")
"""The steps that need a Vault that answers."""
NO_LIMIT: Final = Limit()
UNKNOWN: Final = "vault-token-unknown"
"""The code where our token may not look itself up, or Vault does not accept it."""
WRAPPED: Final = "vault-login-wrapped"
"""The code where there is no login, since it would use up a wrapping token."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def vault_steps(
    vault: Inspection,
    users: Sequence[UserPath],
    *,
    unwrapping: bool = False,
    write_test: bool = False,
    now: Callable[[], datetime] = _utc_now,
    limit: Limit = NO_LIMIT,
) -> Iterator[Step]:
    """All steps, each told as soon as it has ended. Raises nothing of Vault's.

    `users`: at least one. `unwrapping`: a login may use up a wrapping token, which nobody can do
    once more. `write_test`: write, read and remove a secret beside those of the users."""
    answers = yield from _node_steps(vault.nodes(), now())
    if not answers:
        yield from _skipped(LATER)
        return
    login = _login_step(vault, unwrapping=unwrapping)
    if login.outcome != "ok":
        yield login
        yield from _skipped(LATER[1:], _why_left_out(login))
        return
    if not (yield from _accepted_steps(vault, users, login)):
        return
    secrets = _secrets(vault, users)
    rights = yield from _rights_steps(vault, secrets, excess=True)
    yield from trial_steps(vault, rights, limit)
    if vault.kv_version != 1:
        yield from settings_steps(vault, secrets, limit)
    if write_test:
        yield from write_steps(vault, secrets)


def usable_steps(
    vault: Inspection, users: Sequence[UserPath], *, limit: Limit = NO_LIMIT
) -> Iterator[Step]:
    """Those that decide whether a token of each user could be stored now: login, mount, rights, and
    a trial on one path of each folder.

    A login may use up a wrapping token. Raises nothing of Vault's."""
    rights = yield from admission_steps(vault, users)
    if rights is None:
        return
    if rights.is_known:
        rights = replace(rights, sufficient=one_in_each_folder(rights.sufficient))
    yield from trial_steps(vault, rights, limit)


def admission_steps(
    vault: Inspection, users: Sequence[UserPath]
) -> Generator[Step, None, Rights | None]:
    """Those that decide whether Vault lets us in: login, mount and rights, in two requests.

    Of the rights those on the secrets themselves: Vault takes half a millisecond for each path.

    Returns what is known of the rights; None: it did not come to that."""
    login = _login_step(vault, unwrapping=True)
    yield login
    if login.outcome == "failed":
        return None
    mount = _mount_step(vault, users)
    yield mount
    if mount.outcome == "failed":
        return None
    return (yield from _rights_steps(vault, _secrets(vault, users), excess=False))


# -- each address --


def _node_steps(nodes: Sequence[Node], at: datetime) -> Generator[Step, None, bool]:
    """Each address by itself. Returns whether one of them can be asked for more."""
    looks = [list(_look_at(node, at)) for node in nodes]
    answers = not all(_has_failed(look) for look in looks)
    for step in chain.from_iterable(looks):
        # Where another address answers, this one does not keep a token out.
        if answers and step.outcome == "failed":
            yield replace(step, outcome="warning")
        else:
            yield step
    return answers


def _has_failed(steps: Iterable[Step]) -> bool:
    return any(step.outcome == "failed" for step in steps)


def _look_at(node: Node, at: datetime) -> Iterator[Step]:
    try:
        ends_at = node.certificate_ends_at()
        state = node.state()
    except TokenCatcherError as error:
        yield from _unanswered_steps(node, error)
        return
    yield _step("reach", node.url, "ok", "it answers")
    if ends_at is not None:
        yield _tls_step(node, ends_at, at)
    yield _state_step(node, state)


def _unanswered_steps(node: Node, error: TokenCatcherError) -> Iterator[Step]:
    """By where it failed.

    What somebody else answered is no more than a warning: a proxy may keep this question to itself,
    and let a login through."""
    if error.code in NO_LINE:
        yield _failed("reach", node.url, error)
        return
    yield _step("reach", node.url, "ok", "it takes connections")
    if error.code.startswith(TLS):
        yield _failed("tls", node.url, error)
    else:
        yield _step("state", node.url, "warning", str(error), code=error.code)


def _tls_step(node: Node, ends_at: datetime, at: datetime) -> Step:
    days = (ends_at - at).days
    saw = f"the certificate of the server ends at {iso(ends_at)}, in {counted(days, 'day')}"
    if ends_at - at > ENDING:
        return _step("tls", node.url, "ok", saw)
    return _step("tls", node.url, "warning", saw, code="vault-certificate-ends")


def _state_step(node: Node, state: NodeState) -> Step:
    if not state.is_initialised:
        saw = "it has never been initialised, expected one that is, and unsealed"
        return _step("state", node.url, "failed", saw, code="vault-uninitialised")
    if state.is_sealed:
        return _step("state", node.url, "failed", "it is sealed", code="vault-sealed")
    if state.is_standby:
        return _step("state", node.url, "ok", f"unsealed, standing by; version {state.version}")
    return _step("state", node.url, "ok", f"unsealed and active; version {state.version}")


# -- who we are --


def _login_step(vault: Inspection, *, unwrapping: bool) -> Step:
    """Skipped where it would use up a wrapping token that is as good as it should be."""
    try:
        if not unwrapping:
            vault.leave_wrapped()
        vault.log_in()
    except TokenCatcherError as error:
        if error.code == WRAPPED:
            return _step("login", "", "skipped", str(error), code=WRAPPED)
        return _failed("login", "", error)
    return _step("login", "", "ok", _login_text(vault))


def _login_text(vault: Inspection) -> str:
    if vault.is_token_added:
        return "no login: whoever is in front of Vault adds its token; method: none"
    if vault.is_token_given:
        return "the token that was given is sent; method: token"
    return f"logged in; method: {vault.login}"


def _why_left_out(login: Step) -> str:
    if login.outcome == "skipped":
        return "it builds on the login, which was left out"
    return FAILED


def _accepted_steps(
    vault: Inspection, users: Sequence[UserPath], login: Step
) -> Generator[Step, None, bool]:
    """Login, token and mount. Returns whether the mount is the configured one.

    A token that may not look itself up and one that Vault does not accept read alike (403), until
    something else is asked: the mount."""
    token = _token_step(vault)
    if token.code != UNKNOWN:
        yield login
        yield token
        mount = _mount_step(vault, users)
    else:
        mount = _mount_step(vault, users)
        if mount.code == vault.refused_code:
            yield from _unaccepted_steps(vault, login, mount)
            return False
        yield login
        yield token
    yield mount
    if mount.outcome == "failed":
        yield from _skipped(LATER[3:])
        return False
    return True


def _unaccepted_steps(vault: Inspection, login: Step, mount: Step) -> Iterator[Step]:
    """Where a login gave the token, that succeeded all the same."""
    if vault.is_token_given or vault.is_token_added:
        yield replace(login, outcome="failed", saw=mount.saw, code=mount.code)
        yield from _skipped(LATER[1:])
        return
    yield login
    yield replace(login, step="token", outcome="failed", saw=mount.saw, code=mount.code)
    yield from _skipped(LATER[2:])


def _token_step(vault: Inspection) -> Step:
    try:
        facts = vault.token()
    except TokenCatcherError as error:
        return _failed("token", "", error)
    if facts is None:
        whose = "our token"
        if vault.is_token_added:
            whose = "the token that an Agent or Proxy adds"
        saw = f"{whose} may not look itself up, so neither its end nor its policies are known"
        return _step("token", "", "warning", saw, code=UNKNOWN)
    saw = _described(facts)
    if facts.uses_left:
        saw = f"{saw}; good for {counted(facts.uses_left, 'more request')}"
        return _step("token", "", "warning", saw, code="vault-token-uses")
    if vault.is_token_given and _ends_for_good(facts):
        saw = f"{saw}; whoever keeps it has to replace it before that"
        return _step("token", "", "warning", saw, code="vault-token")
    return _step("token", "", "ok", saw)


def _ends_for_good(facts: TokenFacts) -> bool:
    """Whether there is an end that no renewal puts off."""
    if not facts.seconds_left:
        return False
    return not facts.is_renewable or facts.longest_life > 0


def _described(facts: TokenFacts) -> str:
    """`service token, ends in 20 minutes, renewable; policies: default, token-catcher`."""
    words = [f"{facts.kind} token", _end_of(facts)]
    if facts.is_periodic:
        words.append("periodic")
    if facts.longest_life:
        words.append(f"at most {timedelta(seconds=facts.longest_life)} from its making")
    return f"{', '.join(words)}; policies: {', '.join(facts.policies)}"


def _end_of(facts: TokenFacts) -> str:
    if not facts.seconds_left:
        return "never ends"
    ends_in = f"ends in {timedelta(seconds=facts.seconds_left)}"
    if facts.is_renewable:
        return f"{ends_in}, renewable"
    return f"{ends_in}, not renewable"


# -- the mount and what we may do in it --


def _mount_step(vault: Inspection, users: Sequence[UserPath]) -> Step:
    """Failed where it is not the configured one."""
    try:
        vault.check_mount(users[0].path)
    except TokenCatcherError as error:
        return _failed("mount", vault.mount, error)
    if vault.kv_version == 1:
        saw = (
            "KV version 1: no check-and-set, so two writers at one moment overwrite each other; no"
            " versions, so a token that was overwritten is lost, and nothing proves the history"
        )
        return _step("mount", vault.mount, "warning", saw, code="vault-unversioned")
    return _step("mount", vault.mount, "ok", f"KV version {vault.kv_version}")


def _secrets(vault: Inspection, users: Iterable[UserPath]) -> list[SecretPaths]:
    return [SecretPaths(user, *vault.policy_paths(user.path)) for user in users]


def _rights_steps(
    vault: Inspection, secrets: Sequence[SecretPaths], *, excess: bool
) -> Generator[Step, None, Rights]:
    """What we lack for each user, and, where that is asked for, what we have too much."""
    beside = vault.policy_paths(neighbour(secret.user for secret in secrets)).data
    asked = [secret.data for secret in secrets]
    if excess:
        asked = [*_asked_paths(secrets), beside]
    try:
        capabilities = vault.capabilities(asked)
    except TokenCatcherError as error:
        yield _failed("rights", "", error)
        return Rights()
    if capabilities is None:
        saw = "sys/capabilities-self is denied, so the rights are only tried; `default` grants it"
        yield _step("rights", "", "warning", saw, code="vault-capabilities")
        return Rights(secrets, is_known=False)
    grants = Grants(capabilities)
    sufficient = []
    for secret in secrets:
        step = right_step(secret, grants)
        if step.outcome != "failed":
            sufficient.append(secret)
        yield step
    if excess:
        yield from excess_steps(secrets, beside, grants)
    without_patch = [secret.data for secret in sufficient if grants.lacks(secret.data, ["patch"])]
    return Rights(sufficient, frozenset(without_patch))


def _asked_paths(secrets: Iterable[SecretPaths]) -> Iterator[str]:
    for secret in secrets:
        yield secret.data
        if secret.metadata is not None:
            yield secret.metadata


# -- steps --


def _step(step: str, subject: str, outcome: StepOutcome, saw: str, code: str = "") -> Step:
    return Step("vault", subject, step, outcome, saw, code)


def _failed(step: str, subject: str, error: TokenCatcherError) -> Step:
    return _step(step, subject, "failed", str(error), code=error.code)


def _skipped(steps: Iterable[str], why: str = FAILED) -> Iterator[Step]:
    for step in steps:
        yield _step(step, "", "skipped", why)
