"""What a record of the journal looks like, as JSON Schema: `history schema`.

It is the schema of what this version writes. Earlier versions wrote fewer fields; later ones may
write more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from token_catcher.model import Event, ProofEvent
from token_catcher.record.archive import ARCHIVED
from token_catcher.record.chain import CONTINUED
from token_catcher.record.verification import HEADLESS, KEYED, PUT_BACK, REPAIRED

_MAIL_EVENTS: Final = [*(event.value for event in Event), *(event.value for event in ProofEvent)]
_OWN_EVENTS: Final = [ARCHIVED, CONTINUED, HEADLESS, KEYED, PUT_BACK, REPAIRED]

_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time", "pattern": "Z$"}
_FLAG: Final = {"const": True}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_FROM_ONE: Final = {"type": "integer", "minimum": 1}
_SECONDS: Final = {"type": "number"}
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

_CHAIN: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "at": (_TIME, "When it was written down. Times are ISO 8601 in UTC."),
    "event": ({"enum": [*_MAIL_EVENTS, *_OWN_EVENTS]}, "What it tells of."),
    "seq": (_FROM_ONE, "The number of the record, from 1."),
    "prev": (_DIGEST, "The hash of the record before; 64 zeros in record 1."),
    "key_id": ({"type": "string", "pattern": "^[0-9a-f]{16}$"}, "The key that wrote it."),
    "mac": (_DIGEST, "HMAC-SHA256 of the record with that key."),
    "hash": (_DIGEST, "SHA-256 of the record."),
}
_OWN: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "file": (_TEXT, "The file that was closed, is carried on, or was put back."),
    "cut": (_NUMBER, "Bytes of the torn last line that was cut off."),
}
MAIL_FIELDS: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "instance": (_TEXT, "The instance that wrote it."),
    "mailbox": (_TEXT, "The mailbox, by its name in the configuration."),
    "folder": (_TEXT, "The folder in which the mail was found."),
    "uidvalidity": (_NUMBER, "Of that folder."),
    "uid": (_NUMBER, "Of the mail in it."),
    "mail": ({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, "SHA-256 of the mail."),
    "received_at": (_TIME, "When the mail server took the mail."),
    "reason": (_TEXT, "Why it ended so, as docs/errors.md lists the reasons."),
    "saw": ({"type": "string", "maxLength": 200}, "A few words of evidence for the reason."),
    "issued_at": (_TIME, "When the token was issued."),
    "dated_at": (_TIME, "The Date of the mail, where that is another time."),
    "username": (_TEXT, "Whose token, in lower case."),
    "org": (_TEXT, "The org of that user, by its name in the configuration."),
    "path": (_TEXT, "The path of the secret, below the mount."),
    "version": (_FROM_ONE, "The version of the secret that it is about."),
    "version_before": (_NUMBER, "The version that was written over; 0: nothing was there."),
    "vault_created_at": (_TEXT, "When Vault made the version, as Vault has it."),
    "request_id": (_TEXT, "The id of the request in Vault's audit log."),
    "fingerprint": (
        {
            "type": "string",
            "pattern": "^(sha256|hmac-sha256:[0-9a-f]{16}):[0-9a-f]{16}$",
        },
        "The beginning of the SHA-256 of the token, `sha256:DIGITS`; with `journal.key` that of its"
        " HMAC-SHA256 with a key that follows from the one named, `hmac-sha256:KEY_ID:DIGITS`.",
    ),
    "token_length": (_FROM_ONE, "Characters of the token."),
    "proof": (_TEXT, "What proved the mail genuine."),
    "recovered": (_FLAG, "The write was made before a crash, and is recorded after it."),
    "mended": (_FLAG, "Vault had lost the token, and has it again."),
    "released_by": (_TEXT, "Who released the held mail, by the name of their account."),
    "release_reason": ({"type": "string", "maxLength": 200}, "What they say why."),
    "waived": (
        {"type": "array", "items": _TEXT},
        "The rules that the mail failed, and that were set aside for it.",
    ),
    "seen_after": (_SECONDS, "Seconds from the arrival of the mail to the first look at it."),
    "written_after": (_SECONDS, "Seconds from the arrival of the mail to its end."),
    "asked_by": (
        {"type": "string", "pattern": "^(daemon|drift|scan:.+|release:.+)$"},
        "Who had the mail looked at: the daemon, its look for what Vault has lost, or a person.",
    ),
}
"""By field of an entry: its form, and what it is."""
_ALWAYS: Final = ["instance", "mailbox", "folder", "uidvalidity", "uid", "mail", "received_at"]


def record_schema() -> dict[str, Any]:
    """The schema of one line of the journal."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A record of token-catcher's journal",
        "type": "object",
        "properties": {
            name: {**form, "description": what}
            for name, (form, what) in {**_CHAIN, **_OWN, **MAIL_FIELDS}.items()
        },
        "required": ["at", "event", "seq", "prev", "hash"],
        "dependentRequired": {"key_id": ["mac"], "mac": ["key_id"]},
        "if": {"properties": {"event": {"enum": _MAIL_EVENTS}}},
        "then": {"required": _ALWAYS},
        "additionalProperties": False,
    }
