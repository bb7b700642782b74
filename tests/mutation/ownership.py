"""Mistakes in whose files are gone by, and as whom root works."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

FILE = "ownership.py"
RULES = ("tests/unit/test_ownership.py",)
LOADED = ("tests/unit/config/test_trusted_files.py",)
LOGS = ("tests/unit/commands/test_logs.py", "-k", "chain_of_records or no_record")
NEVER = "    if False:\n"
MUTANTS = (
    Mutant(
        "a file of somebody else is gone by",
        FILE,
        "    if status.st_uid not in owners:\n",
        NEVER,
        RULES,
        "objection_to_file",
    ),
    Mutant(
        "root's state directory is any group's",
        FILE,
        " and status.st_gid in groups",
        "",
        RULES,
        "objection_to_state",
    ),
    Mutant(
        "to everybody the owner of state_dir is one of us",
        FILE,
        "    if us == ROOT and state_dir is not None:\n",
        "    if state_dir is not None:\n",
        RULES,
        "trusted",
    ),
    Mutant(
        "the user is changed before the groups",
        FILE,
        "    os.setgroups(groups)\n    os.setgid(group)\n    os.setuid(user)\n",
        "    os.setuid(user)\n    os.setgroups(groups)\n    os.setgid(group)\n",
        RULES,
        "_become",
    ),
    Mutant(
        "a configuration is read whoever can write it",
        "config/loading.py",
        "    if objection is not None:\n",
        NEVER,
        LOADED,
        "_trust",
    ),
    Mutant(
        "./config.yaml is read in any directory",
        "config/loading.py",
        "            if not place.is_absolute():\n",
        "            if False:\n",
        LOADED,
        "find",
    ),
    Mutant(
        "a named file is gone by whoever can write it",
        "config/kinds.py",
        "    if objection is not None:\n",
        NEVER,
        LOADED,
        "_readable",
    ),
    Mutant(
        "a line of a log that has a hash is a record",
        "commands/logs.py",
        "            yield from map(_of_a_log, kept)\n",
        "            yield from kept\n",
        LOGS,
        "_of_any_source",
    ),
)
