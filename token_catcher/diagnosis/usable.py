"""Whether a token could be stored now, in one answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from token_catcher.app import App
from token_catcher.daemon import VaultPulse, VaultTrouble
from token_catcher.diagnosis.rights import NEEDED
from token_catcher.diagnosis.step import Step
from token_catcher.diagnosis.users import UserPath, users_of
from token_catcher.diagnosis.vault import admission_steps, usable_steps
from token_catcher.errors import StateError, TokenCatcherError
from token_catcher.vault import Inspection, Rules, may_pass, pulse_of
from token_catcher.wording import counted


def vault_trouble(app: App, stored: Collection[str] = ()) -> VaultTrouble | None:
    """What would keep the token of some user out of Vault; None: nothing that was found.

    `stored`: the digests of mails whose tokens were stored just now. Vault has let us read and
    write for their users, so one in each folder stands for those that no rule of a policy names.
    Logs in where nobody has. Raises nothing of Vault's."""
    users = users_of(app)
    if stored:
        users = _with_few_of(users, _users_of_mails(app, stored), app.store.inspection)
    return _trouble_in(usable_steps(app.store.inspection, users))


def admission_trouble(app: App) -> VaultTrouble | None:
    """The same without a trial of the policies, to be asked every few minutes."""
    return _trouble_in(admission_steps(app.store.inspection, users_of(app)))


def vault_pulse(app: App) -> VaultPulse:
    """Whether Vault is there and unsealed, asked without a login."""
    pulse = pulse_of(app.store.inspection.nodes_in_order())
    if pulse.error is None:
        return VaultPulse(pulse.is_clear)
    trouble = VaultTrouble(pulse.error.code, str(pulse.error), passes=pulse.passes)
    return VaultPulse(pulse.is_clear, trouble)


def _users_of_mails(app: App, digests: Collection[str]) -> set[tuple[str | None, str | None]]:
    """Org and username of each whose newest token came in one of these mails."""
    users = set()
    with suppress(StateError):  # which is told elsewhere
        for token in app.journal.tokens():
            if token.mail in digests:
                users.add((token.org, token.username))
    return users


def _with_few_of(
    users: Iterable[UserPath],
    stored: Collection[tuple[str | None, str | None]],
    vault: Inspection,
) -> list[UserPath]:
    """All users; of those that were stored only the first in each folder, with and without a rule
    of its own, and each for whom such a rule grants less than the next token needs."""
    rules = _rules(vault)
    seen = set()
    few = []
    for user in users:
        if (user.org, user.username) in stored:
            path = vault.policy_paths(user.path).data
            granted = rules.of(path)
            kind = (path.rpartition("/")[0], bool(granted))
            if kind in seen and all(words.issuperset(NEEDED) for words in granted):
                continue
            seen.add(kind)
        few.append(user)
    return few


def _rules(vault: Inspection) -> Rules:
    """Those of our policies, as far as Vault tells them."""
    with suppress(TokenCatcherError):  # which the steps tell
        return vault.rules()
    return Rules({}, {})


def _trouble_in(steps: Iterable[Step]) -> VaultTrouble | None:
    """The first step that failed stands for all of them."""
    failed = [step for step in steps if step.outcome == "failed"]
    if not failed:
        return None
    first = failed[0]
    passes = may_pass(first.code)
    if _is_of_one_path(first):
        saw = _of_paths(first, len(failed) - 1)
        return VaultTrouble(first.code, saw, passes=passes, is_partial=True)
    return VaultTrouble(first.code, first.saw, passes=passes)


def _is_of_one_path(step: Step) -> bool:
    """Of rights and trials there is a step for each user's path."""
    return step.step in ("rights", "trial") and step.subject != ""


def _of_paths(step: Step, others: int) -> str:
    """The first path, and how many there are beside it."""
    saw = f"{step.subject}: {step.saw}"
    if not others:
        return saw
    return f"{saw}; and {counted(others, 'more path')} like it"
