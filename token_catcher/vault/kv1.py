"""A mount of KV version 1, on purpose: read what is there, merge, and write all of it.

It keeps one value of a secret, and neither its number nor its time. So there is no check-and-set:
whoever writes between our read and our write is overwritten, in silence, and nobody can tell
afterwards. The two requests follow each other at once, and both go to the active node.

A write carries the time of the capture, and is told from others by that: it stands where the
created_time of a version would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from token_catcher.model import Capture, Receipt, moment
from token_catcher.vault.ending import Ending
from token_catcher.vault.mount import FRESH, Mount
from token_catcher.vault.version import OUR_VERSION, SecretVersion

NOTHING: Final = SecretVersion(0, is_versioned=False)


class PlainKeyValue:
    """Secrets under one mount. Thread-safe."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount

    def read(
        self,
        path: str,
        _number: int = 0,
        *,
        fresh: bool = False,  # noqa: ARG002 - as `KeyValue` is asked; here it always is
    ) -> SecretVersion:
        """What is there; always from the active node, since nothing else guards the write."""
        answer = self._mount.send("get", self._mount.where(path), path, headers=FRESH)
        self._mount.expect(answer, path, (200, 404))
        self._mount.check_missing(answer, path)
        if answer.status == 404:
            # A mount of version 2 that was put in its place says the same.
            self._mount.forget()
            return NOTHING
        return SecretVersion(1, data=answer.data, is_versioned=False)

    def latest(self, _path: str) -> SecretVersion | None:
        """None: there are no metadata."""
        return None

    def names(self, folder: str) -> list[str] | None:
        """The secrets in this folder, without those below it. None: we may not list them."""
        return self._mount.names(self._mount.where(folder), folder)

    def history(self, _path: str, latest: SecretVersion) -> Iterator[SecretVersion]:
        """This one alone."""
        yield latest

    def numbers(self, _path: str) -> list[int]:
        """None: there are no versions."""
        return []

    def ending(self, _path: str, _version: SecretVersion) -> Ending | None:
        """None: what was deleted leaves no trace."""
        return None

    def write(self, path: str, fields: Mapping[str, str], current: SecretVersion) -> Receipt:
        """Write these fields beside the others of `current`, which was read just before."""
        # Version 2 would take some of what is meant for version 1, and keep it elsewhere.
        self._mount.forget()
        self._mount.check(path)
        merged = {**current.data, **fields}
        merged.pop(OUR_VERSION, None)  # of the time before, where the mount was of version 2
        answer = self._mount.send("put", self._mount.where(path), path, merged)
        if answer.status == 404:
            raise self._mount.lost(path)
        self._mount.expect(answer, path, (200, 204))
        return Receipt(path, None, fields["security_token_captured_at"], None)


class PlainOwnWrites:
    """Whether what is there is our own write of a mail."""

    def __init__(self, writer: Callable[[], str]) -> None:
        """`writer`: our id, asked when something is stored."""
        self._writer = writer

    def written(self, capture: Capture, current: SecretVersion) -> Receipt | None:
        """Our write of this mail; None: what is there does not tell of one."""
        if current.ours("mail") != capture.mail.digest:
            return None
        if current.ours("writer") != self._writer():
            return None
        return Receipt(capture.path, None, _captured_at(current), None)


def _captured_at(version: SecretVersion) -> str | None:
    """When we caught it. None: somebody wrote something else there."""
    text = version.ours("captured_at")
    try:
        moment(text or "")
    except ValueError:
        return None
    return text
