"""Mistakes in how Vault is asked: at several addresses, in an engine of version 1, and before a
token comes."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

NODES = ("tests/contract/test_vault_nodes.py",)
KV1 = ("tests/contract/test_vault_kv1.py",)
RIGHTS = ("tests/unit/test_vault_rights.py",)
HEALTH = ("tests/unit/daemon/test_vault_health.py",)
CLUSTER = "vault/cluster.py"

MUTANTS = (
    Mutant(
        "several addresses: what is done once is sent again",
        CLUSTER,
        function="_may_be_repeated",
        old='    return method != "put" and path not in ONCE\n',
        new='    return method != "put"\n',
        tests=NODES,
    ),
    Mutant(
        "several addresses: a write without check-and-set is sent again",
        CLUSTER,
        function="_may_be_repeated",
        old='    return method != "put" and path not in ONCE\n',
        new="    return path not in ONCE\n",
        tests=KV1,
    ),
    Mutant(
        "several addresses: what was never sent is given up",
        "vault/transport.py",
        function="Transport._trouble",
        old="was_sent=not was_never_sent(error)",
        new="was_sent=True",
        tests=NODES,
    ),
    Mutant(
        "several addresses: a quota is asked of the next one",
        CLUSTER,
        function="_stands_by",
        old='        return "standby" in answer.body\n',
        new="        return True\n",
        tests=NODES,
    ),
    Mutant(
        "several addresses: an error of the server is asked of the next one",
        CLUSTER,
        function="_stands_by",
        old="        return answer.says(_NO_LEADER)\n",
        new="        return True\n",
        tests=NODES,
    ),
    Mutant(
        "several addresses: the first one is asked every time",
        CLUSTER,
        function="Cluster._stay_at",
        old="        self._current = node\n",
        new="",
        tests=NODES,
    ),
    Mutant(
        "several addresses: the leader that is named waits for its turn",
        CLUSTER,
        function="_put_first",
        old="            nodes.insert(0, node)\n",
        new="            nodes.append(node)\n",
        tests=NODES,
    ),
    Mutant(
        "several addresses: a redirect elsewhere is a standby like others",
        CLUSTER,
        function="Cluster._why_elsewhere",
        old="            if target is not None and not self._is_configured(target):\n",
        new="            if target is None:\n",
        tests=NODES,
    ),
    Mutant(
        "several addresses: one wrong certificate is everybody's",
        CLUSTER,
        function="Cluster.send",
        old="            except TokenCatcherError as error:\n",
        new="            except Outage as error:\n",
        tests=NODES,
    ),
    Mutant(
        "version 1: the number of another version stays",
        "vault/kv1.py",
        function="PlainKeyValue.write",
        old="        merged.pop(OUR_VERSION, None)",
        new="        merged.copy()",
        tests=KV1,
    ),
    Mutant(
        "version 1: other fields are lost",
        "vault/kv1.py",
        function="PlainKeyValue.write",
        old="        merged = {**current.data, **fields}\n",
        new="        merged = dict(fields)\n",
        tests=KV1,
    ),
    Mutant(
        "version 1: no look at the mount before the write",
        "vault/kv1.py",
        function="PlainKeyValue.write",
        old="        self._mount.check(path)\n",
        new="",
        tests=KV1,
    ),
    Mutant(
        "version 1: read from a standby that is behind",
        "vault/kv1.py",
        function="PlainKeyValue.read",
        old="headers=FRESH",
        new="headers=None",
        tests=KV1,
    ),
    Mutant(
        "version 1: a token of unknown age is written over",
        "vault/store.py",
        function="VaultStore._beside_a_foreign_one",
        old="            return Held(Reason.UNKNOWN_AGE, saw)\n",
        new="            return None\n",
        tests=KV1,
    ),
    Mutant(
        "version 1: the write of a twin is taken for ours",
        "vault/kv1.py",
        function="PlainOwnWrites.written",
        old='        if current.ours("writer") != self._writer():\n            return None\n',
        new="",
        tests=KV1,
    ),
    Mutant(
        "version 1: the other engine is written to",
        "vault/mount.py",
        function="Mount._check_engine",
        old='        if (kind, version) == ("kv", str(self.version)):\n',
        new='        if kind == "kv":\n',
        tests=KV1,
    ),
    Mutant(
        "diagnosis: a policy that lacks something will do",
        "diagnosis/rights.py",
        function="right_step",
        old="    if lacking:\n",
        new="    if not lacking:\n",
        tests=RIGHTS,
    ),
    Mutant(
        "diagnosis: a neighbour's path is like a user's",
        "diagnosis/rights.py",
        function="neighbour",
        old="    while length in lengths:\n",
        new="    while length not in lengths:\n",
        tests=RIGHTS,
    ),
    Mutant(
        "health: ready before Vault was ever usable",
        "daemon/vault_health.py",
        function="VaultUse.is_ready",
        old="        return self.was_proven\n",
        new="        return True\n",
        tests=HEALTH,
    ),
    Mutant(
        "health: a check that failed is made again the next day",
        "daemon/vault_health.py",
        function="VaultHealth._fail",
        old="        self._due_at = self._monotonic() + self._pause\n",
        new="        self._due_at = self._monotonic() + DAILY\n",
        tests=HEALTH,
    ),
    Mutant(
        "health: what Vault has lost is not looked for where one path is denied",
        "daemon/vault_health.py",
        function="VaultHealth.restore",
        old="        if trouble is not None and not trouble.is_partial:\n",
        new="        if trouble is not None:\n",
        tests=HEALTH,
    ),
)
