"""The form of a checkpoint on disk: folders as values for JSON, and back, each part looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from token_catcher.model import iso, moment
from token_catcher.record.progress import (
    MAX_UID,
    MOST_NEWEST,
    FolderProgress,
    FollowUp,
    Pending,
)


class Broken(ValueError):
    """The file does not say what a checkpoint says. Carries no text of the file."""


def folder_as_json(progress: FolderProgress) -> dict[str, Any]:
    pending = {str(uid): _mail_as_json(mail) for uid, mail in sorted(progress.pending.items())}
    folder: dict[str, Any] = {
        "uidvalidity": progress.uidvalidity,
        "settled_through": progress.settled_through,
        "pending": pending,
        "looked_back_to": progress.looked_back_to and iso(progress.looked_back_to),
        "uidnext": progress.uidnext,
        "exists": progress.exists,
        "is_partial": progress.is_partial,
        "is_uidnext_sure": progress.is_uidnext_sure,
        "last_uid": progress.last_uid,
        "last_key": progress.last_key,
        "newest_ours": _spans(progress.newest_ours),
        "looked_below_at": progress.looked_below_at and iso(progress.looked_below_at),
    }
    if progress.follow_ups:
        folder["follow_ups"] = {
            str(uid): _follow_up_as_json(follow_up)
            for uid, follow_up in sorted(progress.follow_ups.items())
        }
    if progress.renumbered:
        folder["renumbered"] = progress.renumbered
        folder["carried"] = {key: _mail_as_json(mail) for key, mail in progress.carried.items()}
        folder["known"] = list(progress.known)
    return folder


def _mail_as_json(pending: Pending) -> dict[str, Any]:
    mail = {
        "attempts": pending.attempts,
        "next_try": iso(pending.next_try),
        "code": pending.code,
    }
    if pending.digest:
        mail["digest"] = pending.digest
    if pending.since is not None:
        mail["since"] = iso(pending.since)
    return mail


def _follow_up_as_json(follow_up: FollowUp) -> dict[str, Any]:
    mail: dict[str, Any] = {"digest": follow_up.digest, "attempts": follow_up.attempts}
    if follow_up.next_try is not None:
        mail["next_try"] = iso(follow_up.next_try)
    if follow_up.key:
        mail["key"] = follow_up.key
    return mail


def folder_from_json(content: object) -> FolderProgress:
    """A folder; whatever is missing was not noted by the version that wrote it."""
    folder = mapping(content)
    progress = FolderProgress(
        uidvalidity=_uidvalidity(folder.get("uidvalidity")),
        settled_through=_number(folder.get("settled_through")),
        looked_back_to=_moment_or_none(folder.get("looked_back_to")),
        uidnext=_number_or_none(folder.get("uidnext")),
        exists=_number_or_none(folder.get("exists")),
        is_partial=folder.get("is_partial") is True,
        is_uidnext_sure=folder.get("is_uidnext_sure") is True,
        last_uid=_number(folder.get("last_uid", 0)),
        last_key=_text(folder.get("last_key", "")),
        newest_ours=_uids(folder.get("newest_ours", "")),
        looked_below_at=_moment_or_none(folder.get("looked_below_at")),
        renumbered=_number(folder.get("renumbered", 0)),
    )
    for uid, mail in mapping(folder.get("pending")).items():
        progress.pending[_number(int(uid))] = _pending(mapping(mail))
    for uid, mail in mapping(folder.get("follow_ups", {})).items():
        progress.follow_ups[_number(int(uid))] = _follow_up(mapping(mail))
    for digest, mail in mapping(folder.get("carried", {})).items():
        progress.carried[digest] = _pending(mapping(mail))
    for key in _list(folder.get("known", [])):
        progress.known[_text(key)] = None
    return progress


def _pending(mail: Mapping[str, Any]) -> Pending:
    next_try = mail.get("next_try")
    code = mail.get("code")
    if not isinstance(next_try, str) or not isinstance(code, str):
        raise Broken("a pending mail lacks its time or its code")
    digest = _text(mail.get("digest", ""))
    since = _moment_or_none(mail.get("since"))
    return Pending(_number(mail.get("attempts")), moment(next_try), code, digest, since)


def _follow_up(mail: Mapping[str, Any]) -> FollowUp:
    return FollowUp(
        _text(mail.get("digest")),
        _number(mail.get("attempts")),
        _moment_or_none(mail.get("next_try")),
        _text(mail.get("key", "")),
    )


def _spans(uids: Sequence[int]) -> str:
    """Ascending UIDs as IMAP has a set of them: `1:4,7`."""
    spans: list[list[int]] = []
    for uid in uids:
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    return ",".join(f"{first}:{last}" for first, last in spans)


def _uids(value: object) -> tuple[int, ...]:
    """The inverse of `_spans`."""
    uids: list[int] = []
    for span in filter(None, _text(value).split(",")):
        first, _, last = span.partition(":")
        if _number(int(last)) - _number(int(first)) >= MOST_NEWEST:
            raise Broken("a set of mails is too large")
        uids += range(int(first), int(last) + 1)
    return tuple(uids)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Broken("a text is missing")
    return value


def _list(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise Broken("a list is missing")
    return value


def _moment_or_none(value: object) -> datetime | None:
    if value is None:
        return None
    return moment(_text(value))


def _number_or_none(value: object) -> int | None:
    if value is None:
        return None
    return _number(value)


def mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Broken("an object is missing")
    return value


def _uidvalidity(value: object) -> int:
    """It is only compared, so one beyond its 32 bits does as well."""
    if type(value) is not int or value < 0:
        raise Broken("a number is missing or out of range")
    return value


def _number(value: object) -> int:
    """A UID, a count."""
    # Not isinstance: JSON's true is no number, though Python's True is one.
    if type(value) is not int or not 0 <= value <= MAX_UID:
        raise Broken("a number is missing or out of range")
    return value
