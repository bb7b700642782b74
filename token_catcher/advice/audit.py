"""What `audit reconcile` finds: the journal held against Vault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

AUDIT: Final[Mapping[str, Advice]] = {
    "unrecorded-version": Advice(
        901,
        "Somebody else than this program wrote a token to a user's secret.",
        "`--vault-log FILE` says who; if nobody of yours did it, reset that user's security token",
    ),
    "record-missing": Advice(
        902,
        "Vault has a version that this instance wrote, and the journal has no record of it.",
        "run `token-catcher scan`, which records what a crash kept from the journal; if it stays,"
        " records were removed: `token-catcher audit verify`",
    ),
    "another-instance": Advice(
        903,
        "A version carries the writer of another instance, and no record here tells of its token.",
        "reconcile with the journal of the instance that watches that mailbox; if there is none,"
        " somebody imitates one: `--vault-log FILE` says who",
    ),
    "token-by-hand": Advice(
        904,
        "Somebody exchanged the token and left what this program had noted beside it.",
        "`--vault-log FILE` says who; if nobody of yours did it, reset that user's security token",
    ),
    "fields-by-hand": Advice(
        905,
        "Somebody changed the fields that this program writes beside a token.",
        "`--vault-log FILE` says who; the next rotation writes them anew",
    ),
    "token-removed": Advice(
        906,
        "Somebody wrote a version without the token, as `kv put` of a password does.",
        "tell them of `kv patch`; the daemon stores the token again within a day",
    ),
    "not-a-token": Advice(
        915,
        "Somebody wrote something that is no token where the token was.",
        "`--vault-log FILE` says who; tell them of the field (`vault.field`): the daemon stores the"
        " token again within a day",
    ),
    "deleted-version": Advice(
        907,
        "Somebody deleted a version.",
        "`--vault-log FILE` says who; `bao kv undelete` brings it back",
    ),
    "destroyed-version": Advice(
        908,
        "Somebody destroyed a version for good.",
        "`--vault-log FILE` says who; no token of an earlier version is valid any more",
    ),
    "forged-record": Advice(
        909,
        "A record does not say what the version holds that it tells of: records of this program"
        " do.",
        "treat the journal as tampered with: run `token-catcher audit verify --head SEQ:HASH`"
        " with a head from elsewhere",
    ),
    "recorded-twice": Advice(
        910,
        "Two records tell of one version: this program writes one.",
        "treat the journal as tampered with: run `token-catcher audit verify --head SEQ:HASH`"
        " with a head from elsewhere",
    ),
    "rolled-back": Advice(
        911,
        "The newest records tell of versions that Vault has not: it was restored from a backup,"
        " or the records are forged.",
        "the daemon stores lost tokens again within a day; if Vault was not restored, run"
        " `token-catcher audit verify`",
    ),
    "remade-secret": Advice(
        912,
        "Records tell of versions in whose place Vault has others: it was restored from a backup,"
        " or the secret was removed and made anew.",
        "`--vault-log FILE` says who removed it; it is told until Vault has trimmed these numbers",
    ),
    "secret-missing": Advice(
        913,
        "Records tell of a secret that Vault has not at all.",
        "`--vault-log FILE` says who removed it; where the user has moved to another path, it is"
        " the old one",
    ),
    "not-in-log": Advice(
        914,
        "Vault's log covers the time of a version, and has no request that made it.",
        "give the logs of all nodes, `--vault-log FILE` for each; if they are whole, Vault was"
        " written to without its log",
    ),
    "log-contradicts": Advice(
        916,
        "Two requests in Vault's log are said to have made one version: Vault makes it by one.",
        "treat the log as tampered with: compare it with the copy that your log collector has",
    ),
    "other-fields": Advice(
        921,
        "Somebody wrote other fields of the secret, a password perhaps; the token stayed.",
    ),
    "others-write": Advice(
        922,
        "Another instance wrote the version; the journal has its token as proven.",
    ),
    "before-records": Advice(
        923,
        "A version is older than the first record.",
    ),
    "earlier-writer": Advice(
        924,
        "A version carries an earlier id of this instance.",
    ),
    "expired-version": Advice(
        925,
        "A version expired by itself, by `delete_version_after`.",
    ),
    "trimmed-versions": Advice(
        926,
        "Records are of versions that Vault does not keep any more (`max_versions`).",
    ),
    "not-covered": Advice(
        927,
        "Vault's log does not reach from the first of the versions to the last.",
        "give the rotated logs as well, `--vault-log FILE` for each",
    ),
    "not-listed": Advice(
        928,
        "Of the users that a pattern names none was looked at: no record names one.",
        "grant the capability list: `token-catcher init --vault-setup auditor` prints a policy that"
        " does",
    ),
    "anchor-unread": Advice(
        929,
        "The anchor of the journal in Vault was not read, so a cut end may not show.",
        "grant read on it: `token-catcher init --vault-setup auditor` prints a policy that does, or"
        " anchor in place of auditor for the daemon's login",
    ),
    "unknown-key": Advice(
        930,
        "Records name a key that `journal.key` does not have any more: whether their tokens are"
        " those of the versions, nobody can tell.",
        "put the old key on a further line of `journal.key`",
    ),
    "journal-truncated": Advice(
        941,
        "The end of the journal is missing.",
        "run `token-catcher audit verify`; put the journal back from a copy",
    ),
    "journal-unproven": Advice(
        942,
        "The journal's head file is missing, so that nothing tells whether its end is there.",
        "put the .head file back, or run `token-catcher audit verify --head SEQ:HASH`",
    ),
    "journal-missing": Advice(
        943,
        "There is no journal.",
        "put it back from a copy; if nothing was recorded yet, run `token-catcher scan` first",
    ),
    "audit-log": Advice(
        944,
        "What was given as Vault's log, or a line of it, is no entry of its audit device.",
        "give the file of the device `file` as Vault writes it, plain or packed",
    ),
    "audit-kv1": Advice(
        945,
        "A mount of KV version 1 keeps no versions to hold the journal against.",
        "compare with Vault's audit log by hand: the records have the time of each write",
    ),
    "vault-audit-policy": Advice(
        946,
        "Vault does not let us read the metadata, or the data, of a secret.",
        "log in with a policy that grants read on both, as `token-catcher init --vault-setup"
        " auditor` prints it, or kv2 in place of auditor",
    ),
}
