"""Our own configuration, files and commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

LOCAL: Final[Mapping[str, Advice]] = {
    "configuration": Advice(
        101,
        "Something in the configuration, or what it names, is wrong until a person changes it.",
    ),
    "configuration-lines": Advice(
        102,
        "The configuration has mistakes; the message names each with its line.",
        "mend the lines named above; `token-catcher config example` shows every key",
    ),
    "configuration-file": Advice(
        103,
        "The file of the configuration cannot be found or read.",
        "name a file that the user who runs this may read",
    ),
    "configuration-owner": Advice(
        104,
        "Somebody else than root and the service's user can write what the program goes by.",
        "who can write these files can send your tokens elsewhere: look at them before you use"
        " them",
    ),
    "configuration-program": Advice(
        105,
        "The owner of `state_dir`, as whom the program works where root runs it, cannot read"
        " the program.",
        "install Python and the program where that user can read them (deploy/README.md)",
    ),
    "certificate": Advice(
        106,
        "A certificate or key of ours cannot be used: no PEM, not a pair, or not readable.",
        "put certificate and key of one pair in place together (mode 0600); they are read anew"
        " at the next login",
    ),
    "secret": Advice(
        107,
        "A file or variable that a secret is kept in cannot be read.",
        "mend that file or variable (a file: mode 0600); it is read anew where it is next needed,"
        " journal.key at the next start",
    ),
    "usage": Advice(
        108,
        "What was typed cannot be done.",
    ),
    "running": Advice(
        109,
        "Another daemon works with this `state_dir`.",
        "stop the other daemon, or give this one a state_dir of its own; `scan` is safe beside"
        " a daemon",
    ),
    "state": Advice(
        110,
        "The state directory cannot be used.",
        "check that state_dir exists, is ours, can be written and has room",
    ),
    "state-busy": Advice(
        111,
        "Another process holds a file of the state directory, and does not go on.",
        "look at the process that is named: `ps PID` says T where it is stopped; continue it"
        " with `kill -CONT PID`, or end it",
    ),
    "locks": Advice(
        112,
        "The file system under `state_dir` has no file locks.",
        "put state_dir on a local disk, or mount its file system with locks (NFS: without"
        " `nolock`)",
    ),
    "checkpoint-write": Advice(
        113,
        "What is settled could not be written down.",
        "make room in state_dir, or mount its file system writable; at worst settled mail is"
        " looked at once more",
    ),
    "org-ids": Advice(
        114,
        "The file that says from which Salesforce org each org's mail came first cannot be used.",
        "give the file back to its owner alone (mode 0600); if nobody knows how it changed, set"
        " org_id on every org and remove it",
    ),
    "journal-broken": Advice(
        115,
        "The journal is not what was written to it.",
        "run `token-catcher audit verify`; put the journal back from a copy, or move it away"
        " with the files beside it (journal*)",
    ),
    "journal-head": Advice(
        116,
        "The file that holds the number and hash of the journal's last record cannot be used.",
        "give the .head file beside the journal back to its owner (mode 0600); it is not made"
        " anew, since it shows what was cut off",
    ),
    "journal-write": Advice(
        117,
        "A record could not be written, so nothing is settled.",
        "make room for the journal, or mount its file system writable; the mail stays unsettled"
        " until its record is on disk",
    ),
    "journal-busy": Advice(
        118,
        "Another process holds the journal, and does not go on.",
        "look at the process that is named: `ps PID` says T where it is stopped; continue it"
        " with `kill -CONT PID`, or end it: mail that waits is stored by itself after that",
    ),
    "busy": Advice(
        119,
        "Another sweep of this mailbox is running.",
        "another sweep of this mailbox is running; try again when it has ended",
    ),
    "file": Advice(
        120,
        "A file that was named cannot be read, or is not what is expected.",
    ),
    "internal": Advice(
        121,
        "A mistake of this program kept it from an answer.",
        "report it, with the log; the mail is tried again by itself",
    ),
    "transient": Advice(
        122,
        "Something did not work that may pass by itself.",
    ),
    "outage": Advice(
        123,
        "Something that is needed is away for now.",
    ),
    "access": Advice(
        124,
        "The other side is there, and refuses.",
    ),
    "error": Advice(
        125,
        "Something went wrong that has no code of its own.",
    ),
    "demo": Advice(
        126,
        "The demo could not start one of its servers.",
        "type `make demo` again; where it fails once more, report it with what was printed",
    ),
    "release": Advice(
        127,
        "A held mail could not be taken.",
        "`token-catcher held` shows the mails that wait; for this one the message says what is"
        " in the way",
    ),
    "release-unknown": Advice(
        128,
        "No held mail has this id.",
        "`token-catcher held` shows the mails that wait, and their ids",
    ),
    "release-missing": Advice(
        129,
        "The record of that mail is in a closed file of the journal that is not there.",
        "put the closed files of the journal (journal-000001.jsonl, …) back beside it",
    ),
    "release-gone": Advice(
        130,
        "The mail is no longer where it was held.",
        "put the mail back into a watched folder, or reset the token once more",
    ),
    "session-ended": Advice(
        131,
        "The other side ended a session, as it does with all of them.",
    ),
    "older-mail": Advice(
        150,
        "A folder holds token mail that is older than the window that was looked at.",
        "a wider window takes it in, 90 days for one: `token-catcher scan --again --since 90d`"
        " (or --dry-run); a token that is older than Vault's changes nothing",
    ),
    "certificate-ends": Advice(
        159,
        "A certificate of ours ends soon, or has ended.",
        "make a new certificate, have the other side know it, and replace the files together (mode"
        " 0600); they are read anew at the next login",
    ),
    "check-limit": Advice(
        151,
        "A step of `check` had no end in its time.",
        "look at what was waited for, which neither answers nor ends: a resolver, a proxy, a"
        " firewall that drops, a network disk that hangs",
    ),
    "check-org-id": Advice(
        152,
        "An org is not pinned to its Salesforce org.",
        "set org_id on the org: 00D…, from Setup > Company Information > Salesforce.com"
        " Organization ID",
    ),
    "check-policy": Advice(
        153,
        "Mail is believed without any proof.",
        "set trust.policy to dkim, or to what docs/mailboxes.md has for your provider",
    ),
    "check-sender": Advice(
        154,
        "A listed sender is of a domain whose signatures do not count.",
        "take the address out of trust.senders, or add the domain whose DKIM signature its mail"
        " bears to trust.signing_domains",
    ),
    "check-flag": Advice(
        166,
        "`after_capture` sets a keyword that has the name of a system flag.",
        "write the system flag with its backslash, {flag: \\Flagged}: a keyword of that name is"
        " another one, which mail programs do not show",
    ),
    "clock": Advice(
        155,
        "This machine's clock, or that of a server, is wrong.",
        "set this machine's clock right: `timedatectl` says whether it follows a server",
    ),
    "disk": Advice(
        156,
        "The disk with our files is full, or nearly so.",
        "make room there: without its record no mail settles, and each is looked at again",
    ),
    "dkim-keys": Advice(
        157,
        "Pinned keys pin nothing, or nothing that is asked for.",
        "write one key a line into trust.dkim_keys: SELECTOR._domainkey.DOMAIN, a space,"
        " v=DKIM1; k=rsa; p=…; what `dig SELECTOR._domainkey.DOMAIN TXT` prints serves as well",
    ),
    "secret-shared": Advice(
        158,
        "The group of a secret's file can read it.",
        "chmod 0600, unless the group is there on purpose",
    ),
    "init-answer": Advice(
        160,
        "`init` lacks an answer, and nobody is there to be asked.",
        "type that flag, or start it at a terminal: `--help` names them all",
    ),
    "check-duration": Advice(
        165,
        "A duration of the configuration can hardly be meant as it is.",
        "write it with its unit (90s, 10m, 2h, 14d); or leave the key out, and its default"
        " counts (docs/configuration.md)",
    ),
    "open-files": Advice(
        167,
        "The mailboxes take more connections than the system lets the process open.",
        "raise the limit of whoever starts it: LimitNOFILE= of the unit, `ulimit -Hn` of a shell,"
        " `--ulimit nofile=` of a container; or share the mailboxes out (docs/scale.md)",
    ),
    "threads": Advice(
        168,
        "The system lets the process start no further thread; each watched folder takes one.",
        "raise the limit of its tasks: TasksMax= of the unit, `--pids-limit` of a container,"
        " podPidsLimit of the kubelet; or share the mailboxes out (docs/scale.md)",
    ),
    "journal-anchor": Advice(
        161,
        "The journal does not lead through the record that Vault knows of it.",
        "run `token-catcher audit verify`; bring the journal back from its newest copy, or, where"
        " it was begun anew on purpose, delete token-catcher/journal/INSTANCE in Vault",
    ),
    "journal-anchor-policy": Advice(
        162,
        "Our policy in Vault does not let us anchor the journal.",
        "add that to the policy of our login: `token-catcher init --vault-setup anchor` prints the"
        " script that makes it; tokens are stored meanwhile",
    ),
    "journal-anchor-form": Advice(
        163,
        "Something else stands where Vault keeps the anchor of the journal.",
        "ask who wrote it (Vault's audit log, `bao kv metadata get`); then delete that version, or"
        " roll it back: `bao kv rollback -version N` to the one before",
    ),
    "journal-unanchored": Advice(
        164,
        "Vault should know the newest records for some time, and does not.",
        "run `token-catcher check`, which says what is in the way, and see whether the daemon runs;"
        " where it does not, `token-catcher scan` anchors them",
    ),
}
