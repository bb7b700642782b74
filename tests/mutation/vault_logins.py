"""Mistakes in how we log in to Vault, and in what is done with a wrapped secret_id."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

WRAPPED = ("tests/contract/test_vault_logins_wrapped.py",)
ELSEWHERE = ("tests/contract/test_vault_logins_elsewhere.py",)
SPEAKERS = ("tests/contract/test_vault_speakers.py",)
LIFE = ("tests/contract/test_vault_logins_life.py",)
ALARM = "        if is_news and refusal.alarm is not None:\n"
MUTANTS = (
    Mutant(
        "a token is unwrapped whatever it wraps",
        "vault/wrapped.py",
        "        if refusal is not None:\n",
        "        if False:\n",
        WRAPPED,
        "WrappedAppRoleLogin._unwrapped",
    ),
    Mutant(
        "a secret_id of another mount is unwrapped",
        "vault/wrapped.py",
        "{re.escape(self.mount)}",
        "[^/]+",
        WRAPPED,
        "WrappedAppRoleLogin._is_ours",
    ),
    Mutant(
        "a secret_id that somebody chose is unwrapped",
        "vault/wrapped.py",
        "[^/]+/secret-id",
        "[^/]+/[a-z-]+",
        WRAPPED,
        "WrappedAppRoleLogin._is_ours",
    ),
    Mutant(
        "a secret_id of another namespace is unwrapped",
        "vault/wrapped.py",
        "re.fullmatch(ours, path) is not None",
        "re.search(ours, path) is not None",
        WRAPPED,
        "WrappedAppRoleLogin._is_ours",
    ),
    Mutant(
        "the end of the process does not wait for a secret_id",
        "vault/wrapped.py",
        "self.in_flight.running(self.kept.path), ",
        "",
        WRAPPED,
        "WrappedAppRoleLogin._unwrapped",
    ),
    Mutant(
        "what was unwrapped is not kept",
        "vault/wrapped.py",
        "        self.kept.keep(token, unwrapped)\n",
        "",
        WRAPPED,
        "WrappedAppRoleLogin._used",
    ),
    Mutant(
        "that we unwrap is not on disk before",
        "vault/wrapped.py",
        "        self.kept.begin(token)\n",
        "",
        WRAPPED,
        "WrappedAppRoleLogin._used",
    ),
    Mutant(
        "two processes unwrap one token",
        "vault/kept.py",
        "            stack.enter_context(Waiting(LOCK_WITHIN).locked(file, lock))\n",
        "",
        WRAPPED,
        "KeptSecretId._lock",
    ),
    Mutant(
        "what came of another token is used",
        "vault/kept.py",
        '        if kept is None or kept.get("wrapping_token") != _hash(wrapping_token):\n',
        "        if kept is None:\n",
        WRAPPED,
        "KeptSecretId.of",
    ),
    Mutant(
        "a kept secret_id that others can read is used",
        "vault/kept.py",
        "        if mode is not None:\n",
        "        if False:\n",
        WRAPPED,
        "KeptSecretId._trust",
    ),
    Mutant(
        "a theft is no alarm",
        "vault/client.py",
        ALARM,
        "        if False:\n",
        WRAPPED,
        "Client._refused",
    ),
    Mutant(
        "a theft is told again and again",
        "vault/client.py",
        ALARM,
        "        if refusal.alarm is not None:\n",
        WRAPPED,
        "Client._refused",
    ),
    Mutant(
        "a login is asked for where the secrets are",
        "vault/client.py",
        "cls(login.namespace, True, asked)",
        "cls(address.namespace, True, asked)",
        ELSEWHERE,
        "_LoginSide.of",
    ),
    Mutant(
        "a proxy's page refuses a login",
        "vault/refusal.py",
        "not answer.is_vaults or answer.status not in",
        "answer.status not in",
        SPEAKERS,
        "_cause_of",
    ),
    Mutant(
        "a renewal that was cut short is enough",
        "vault/client.py",
        '            is_full = not answer.body.get("warnings")\n',
        "            is_full = True\n",
        LIFE,
        "Client._is_renewed",
    ),
)
