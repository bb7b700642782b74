"""`make mutants`: every mistake of all tables.

`python -m tests.mutation older` plants those whose name has `older` in it.
"""

from __future__ import annotations

import sys

from tests.mutation import (
    ahead,
    anchor,
    audit,
    login_proof,
    mailboxes,
    microsoft,
    notify,
    ownership,
    pipeline,
    release,
    scan,
    tokens,
    trust_rules,
    vault,
    vault_logins,
)
from tests.mutation.mutants import survivors

MUTANTS = (
    *ahead.MUTANTS,
    *anchor.MUTANTS,
    *audit.MUTANTS,
    *login_proof.MUTANTS,
    *mailboxes.MUTANTS,
    *microsoft.MUTANTS,
    *notify.MUTANTS,
    *ownership.MUTANTS,
    *pipeline.MUTANTS,
    *release.MUTANTS,
    *scan.MUTANTS,
    *tokens.MUTANTS,
    *trust_rules.MUTANTS,
    *vault.MUTANTS,
    *vault_logins.MUTANTS,
)


def main(words: list[str]) -> int:
    """The exit code: 1 where a mistake went unnoticed."""
    chosen = [mutant for mutant in MUTANTS if all(word in mutant.name for word in words)]
    alive = survivors(chosen)
    print(f"{len(chosen)} mutants, {len(alive)} survived")
    return int(bool(alive))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
