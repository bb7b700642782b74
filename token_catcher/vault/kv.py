"""A mount of KV version 2: read a version, write one with check-and-set.

A secret that is there is merged into with PATCH, in Vault itself. Not everywhere does PATCH come
through: a proxy may not know the method, drop the connection, or answer by itself; Vault before 1.9
does not know it; a policy may not grant it. Then POST says the same, with what was read and our
fields, and with the same check-and-set: where PATCH was carried out all the same, it changes
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, Final

from token_catcher.errors import AccessError, Outage, TransientError
from token_catcher.model import Receipt
from token_catcher.ports import Log
from token_catcher.vault.answer import Answer, mapping, trouble_of
from token_catcher.vault.client import MERGE_PATCH
from token_catcher.vault.ending import Ending, ending
from token_catcher.vault.mount import FRESH, Mount
from token_catcher.vault.version import OUR_VERSION, SecretVersion

VERSIONS_BACK: Final = 20
"""How far back versions are looked at; Vault keeps ten by default."""
SEVERAL: Final = 4
"""Refusals after which no more secrets are read ahead: it is our token that is refused, then."""

# As Go writes one: 1h30m0s.
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([hms])")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0}


class KeyValue:
    """Secrets under one mount. Thread-safe."""

    def __init__(self, mount: Mount, log: Log) -> None:
        self._mount = mount
        self._log = log
        self._told = False
        """Whether the log has it that PATCH does not come through."""
        self._endings: dict[str, tuple[SecretVersion, Ending]] = {}
        """By path, of the latest version, where it is gone: how it ended does not change."""

    def read(self, path: str, number: int = 0, *, fresh: bool = False) -> SecretVersion:
        """A version, or the latest (0). `fresh`: not from a standby's memory."""
        url = self._mount.where(path)
        if number:
            url += f"?version={number}"
        headers = FRESH if fresh else None
        answer = self._mount.send("get", url, path, headers=headers)
        self._mount.expect(answer, path, (200, 404))
        return self._version(answer, path)

    def read_each(
        self, paths: Sequence[str], goes_on: Callable[[], bool]
    ) -> Iterator[tuple[str, SecretVersion]]:
        """The latest versions, several read at once. Left out is what cannot be read, and all from
        there on where Vault is away, or refuses several: who reads that one alone is told why.

        `goes_on`: asked before each step; it ends where that says no."""
        urls = [self._mount.where(path) for path in paths]
        refusals = 0
        with closing(self._mount.client.get_each(urls, goes_on)) as answers:
            for path, answer in zip(paths, answers, strict=False):
                if trouble_of(answer, answer.where) is not None:
                    return
                refusals += answer.status == 403
                if refusals == SEVERAL:
                    return
                version = self._version_if_read(answer, path)
                if version is not None:
                    yield path, version

    def _version_if_read(self, answer: Answer, path: str) -> SecretVersion | None:
        """None: it says no, or nothing that Vault says."""
        if answer.status not in (200, 404):
            return None
        with suppress(TransientError):
            return self._version(answer, path)
        return None

    def _version(self, answer: Answer, path: str) -> SecretVersion:
        """What is said of a version, with 200 or 404."""
        self._mount.check_missing(answer, path)
        about = mapping(answer.data.get("metadata"))
        # A version that is gone is answered with 404 as well, and with its metadata.
        if answer.status == 404 and not about:
            # The mount may be gone as well, or be another one now.
            self._mount.forget()
            return SecretVersion(0)
        number, created_at = self._identity(about, path)
        return SecretVersion(
            number,
            created_at,
            self._fields(answer, path),
            gone=answer.status == 404,
            deletion_time=str(about.get("deletion_time", "")),
            destroyed=bool(about.get("destroyed")),
        )

    def latest(self, path: str) -> SecretVersion | None:
        """The latest version by the metadata alone, without what it holds. None: we may not read
        them.

        One that expires has its end in `deletion_time`, which may lie ahead."""
        answer = self._metadata(path)
        if answer.status == 403:
            return None
        self._mount.check_missing(answer, path)
        self._mount.expect(answer, path, (200, 404))
        number = answer.data.get("current_version")
        if answer.status == 404 or number == 0:
            return SecretVersion(0)
        about = mapping(mapping(answer.data.get("versions")).get(str(number)))
        number, created_at = self._identity({**about, "version": number}, path)
        return SecretVersion(
            number,
            created_at,
            deletion_time=str(about.get("deletion_time", "")),
            destroyed=bool(about.get("destroyed")),
        )

    def names(self, folder: str) -> list[str] | None:
        """The secrets in this folder, without those below it. None: we may not list them."""
        return self._mount.names(f"{self._mount.name}/metadata/{folder}", folder)

    def history(self, path: str, latest: SecretVersion) -> Iterator[SecretVersion]:
        """This version and those before it, newest first, as far as Vault keeps them."""
        yield latest
        oldest = max(1, latest.number - VERSIONS_BACK + 1)
        for number in range(latest.number - 1, oldest - 1, -1):
            version = self.read(path, number)
            if not version.number:
                return
            yield version

    def numbers(self, path: str) -> list[int]:
        """Of all versions that Vault keeps, ascending; none where there is no secret."""
        answer = self._metadata(path)
        self._mount.check_missing(answer, path)
        if answer.status == 404:
            return []
        if answer.status == 403:
            raise AccessError(
                f"Vault denies access to {self._mount.metadata(path)} (got 403, expected the"
                " capability read)",
                code="vault-policy",
            )
        self._mount.expect(answer, path, (200,))
        numbers = list(mapping(answer.data.get("versions")))
        if not all(number.isdecimal() for number in numbers):
            raise self._mount.malformed(path, "versions without a number")
        return sorted(int(number) for number in numbers)

    def ending(self, path: str, version: SecretVersion) -> Ending | None:
        """How the version ended; None: it is there."""
        if not version.gone:
            return None
        known = self._endings.get(path)
        if known is not None and known[0] == version:
            return known[1]
        ended = ending(version, self._lifetime(path))
        self._endings[path] = (version, ended)
        return ended

    def put(self, path: str, fields: Mapping[str, str], current: SecretVersion) -> Receipt | None:
        """Write these fields alone, and only over `current`. None: it is no longer the latest."""
        return self._post(path, fields, current)

    def write(self, path: str, fields: Mapping[str, str], current: SecretVersion) -> Receipt | None:
        """Write these fields, and only over `current`. None: it is no longer the latest.

        The number of the version goes with them: check-and-set makes it certain beforehand. A
        secret that is there is merged into, so that its other fields survive."""
        fields = {**fields, OUR_VERSION: str(current.number + 1)}
        # PATCH answers 404 where nothing is to be merged into, and 500 where that is null.
        if not current.data:
            return self._post(path, fields, current)
        answer, got = self._patch(path, fields, current)
        if answer is not None and _is_of_a_merge(answer):
            return self._receipt(answer, path)
        # Whether it was carried out is not known; where Vault is away, this read says so.
        latest = self.read(path, fresh=True)
        if latest.number != current.number or latest.gone:
            return None
        # Nobody has written since: it was PATCH itself that did not come through.
        receipt = self._post_merged(path, fields, current)
        if receipt is not None:
            self._tell_once(path, got)
        return receipt

    def _lifetime(self, path: str) -> float:
        """Seconds after which Vault itself deletes a version of this secret, by the secret's own
        setting; 0: it has none, or we may not read it."""
        duration = str(self._metadata(path).data.get("delete_version_after", ""))
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))

    def _patch(
        self, path: str, fields: Mapping[str, str], current: SecretVersion
    ) -> tuple[Answer | None, str]:
        """What is answered to a merge into `current`, and that in a word for the log.

        None: an outage, which may be of this method alone."""
        headers = {"Content-Type": MERGE_PATCH}
        body = over(current, fields)
        try:
            answer = self._mount.client.request("patch", self._mount.where(path), body, headers)
        except Outage as error:
            return None, error.code
        return answer, str(answer.status)

    def _post_merged(
        self, path: str, fields: Mapping[str, str], current: SecretVersion
    ) -> Receipt | None:
        """Merge into what was read. None: `current` is no longer the latest."""
        # A mount of version 1, put in the place of ours, refuses PATCH and takes POST.
        self._mount.forget()
        self._mount.check(path)
        return self._post(path, {**current.data, **fields}, current)

    def _tell_once(self, path: str, got: str) -> None:
        """Tell the log that PATCH does not come through."""
        if self._told:
            return
        self._told = True
        self._log.warning(
            "vault.patch_refused",
            path=self._mount.where(path),
            got=got,
            note="a proxy, an old Vault, or a policy without the capability `patch`: such secrets"
            " are read, merged and written with POST and the same check-and-set; told once",
        )

    def _post(self, path: str, fields: Mapping[str, Any], current: SecretVersion) -> Receipt | None:
        """Write a version of these fields alone. None: `current` is no longer the latest."""
        answer = self._mount.send("post", self._mount.where(path), path, over(current, fields))
        if answer.status == 404:
            raise self._mount.lost(path)
        return self._receipt(answer, path)

    def _receipt(self, answer: Answer, path: str) -> Receipt | None:
        """What a write became. None: somebody wrote another version since the read."""
        if is_overtaken(answer):
            return None
        self._mount.expect(answer, path, (200,))
        number, created_at = self._identity(answer.data, path)
        request_id = answer.body.get("request_id")
        if not isinstance(request_id, str):
            request_id = None
        return Receipt(path, number, created_at, request_id)

    def _metadata(self, path: str) -> Answer:
        return self._mount.send("get", self._mount.metadata(path), path)

    def _identity(self, about: Mapping[str, Any], path: str) -> tuple[int, str]:
        """Number and created_time of a version: together they tell it from all others."""
        number = about.get("version")
        created_at = about.get("created_time")
        if not isinstance(number, int) or not isinstance(created_at, str):
            raise self._mount.malformed(path, "an answer without a version")
        return number, created_at

    def _fields(self, answer: Answer, path: str) -> Mapping[str, Any]:
        """What a version holds; nothing where it is gone, or where somebody wrote null."""
        fields = answer.data.get("data")
        if fields is not None and not isinstance(fields, Mapping):
            raise self._mount.malformed(path, "a secret without fields")
        return mapping(fields)


def fields_in(answer: Answer) -> Mapping[str, Any]:
    """What the version of an answer holds; nothing where it is gone, or holds null."""
    return mapping(answer.data.get("data"))


def over(current: SecretVersion, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of a write that fails where `current` is no longer the latest version."""
    return {"options": {"cas": current.number}, "data": fields}


def is_overtaken(answer: Answer) -> bool:
    """Whether a write was refused since its `current` is no longer the latest version."""
    return answer.status == 400 and answer.says("check-and-set")


def _is_of_a_merge(answer: Answer) -> bool:
    """Whether Vault has carried out a PATCH, or says that another version came first."""
    is_written = answer.status == 200 and isinstance(answer.data.get("version"), int)
    return is_written or is_overtaken(answer)
