"""What the versions of a secret tell of, up to the latest one; never a value of their fields.

Remembered, so that a mail that is not written costs no second walk through them: whoever re-sends
an old mail, each time in another dress, has Vault asked once a mail. What a version holds does not
change. But one that was deleted may be undeleted, and tells of more then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from token_catcher.age import Age
from token_catcher.model import Capture, Receipt, Token, moment
from token_catcher.reading import TOKEN
from token_catcher.vault.kv import VERSIONS_BACK, KeyValue
from token_catcher.vault.kv1 import PlainKeyValue
from token_catcher.vault.version import SecretVersion

LOOKED_AGAIN: Final = timedelta(minutes=1)
"""After which a version that was deleted is asked for again."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one version tells of, as far as it is there."""

    number: int
    created_at: str
    gone: bool = False
    """What it held is not known."""
    fingerprint: str | None = None
    """Of the token in it."""
    age: Age | None = None
    """Of that token; None: nobody says when it was issued."""
    mail: str | None = None
    writer: str | None = None
    written_as: str | None = None
    """What the version carries of our write: the mail, the writer, and the number."""

    @property
    def written_at(self) -> datetime | None:
        """`created_at` as a time; None: Vault does not say."""
        return _time(self.created_at)

    @classmethod
    def of(cls, version: SecretVersion, field: str) -> Self:
        """`field`: where the token is kept."""
        token = token_in(version, field)
        fingerprint = None
        if token is not None:
            fingerprint = token.fingerprint
        return cls(
            version.number,
            version.created_at,
            version.gone,
            fingerprint,
            _age(version, fingerprint),
            version.ours("mail"),
            version.ours("writer"),
            version.ours("version"),
        )


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a secret up to a latest version."""

    traces: tuple[Trace, ...]
    """The latest version first; none where there is no secret."""
    until: datetime | None
    """From then on the deleted versions are looked at again; None: there are none."""

    def is_of(self, latest: SecretVersion, now: datetime) -> bool:
        """Whether that latest version still is the latest, and none before it can have changed."""
        if not self.traces:
            return not latest.number
        known = self.traces[0]
        is_latest = (known.number, known.created_at) == (latest.number, latest.created_at)
        is_fresh = self.until is None or self.until - LOOKED_AGAIN <= now < self.until
        return is_latest and known.gone == latest.gone and is_fresh

    def appearance(self) -> tuple[datetime | None, bool]:
        """When the latest version's token was put there, and whether that is certain.

        Later versions carry it on when another field is changed, and earlier ones may be gone."""
        latest = self.traces[0]
        first = latest
        for trace in self.traces:
            if trace.gone:  # what it held is not known: the token may be older
                break
            if trace.fingerprint != latest.fingerprint:
                return _time(first.created_at), True
            first = trace
        return _time(first.created_at), first.number == 1


class Pasts:
    """What is remembered, by path. Thread-safe."""

    def __init__(
        self, secrets: KeyValue | PlainKeyValue, field: str, now: Callable[[], datetime]
    ) -> None:
        """`field`: where the token is kept."""
        self._secrets = secrets
        self._field = field
        self._now = now
        self._known: dict[str, Past] = {}

    def up_to(self, latest: SecretVersion, path: str) -> Past:
        """What the versions up to the latest one tell of; asked for where it is not known."""
        past = self._known.get(path)
        if past is not None and past.is_of(latest, self._now()):
            return past
        versions = list(self._secrets.history(path, latest))
        until = None
        # The latest one was just looked at. What was destroyed does not come back.
        if any(version.gone and not version.destroyed for version in versions[1:]):
            until = self._now() + LOOKED_AGAIN
        past = Past(tuple(Trace.of(version, self._field) for version in versions), until)
        # A secret without versions has nothing by which a change would show.
        if latest.is_versioned:
            self._known[path] = past
        return past

    def ending_with(self, capture: Capture) -> Past | None:
        """What is remembered of a secret whose latest version is our write of this mail.

        None: that is not known for certain now."""
        past = self._known.get(capture.path)
        if past is None or past.until is not None or not past.traces:
            return None
        if past.traces[0].mail != capture.mail.digest:
            return None
        return past

    def trace(self, path: str, number: int) -> Trace:
        """What one version tells of now."""
        return Trace.of(self._secrets.read(path, number), self._field)

    def add(self, capture: Capture, writer: str, before: SecretVersion, receipt: Receipt) -> None:
        """A write of ours over the latest version: what was known, and the write as well."""
        number = before.number + 1
        # A second write may have been made since, of which nothing is known.
        if receipt.version != number or receipt.created_at is None:
            return
        past = self._known.get(capture.path)
        if not before.number:
            past = Past((), None)
        if past is None or not past.is_of(before, self._now()):
            return
        # Under a later version it may be undeleted unnoticed: the next mail walks anew.
        if before.gone:
            return
        trace = Trace(
            number,
            receipt.created_at,
            fingerprint=capture.token.fingerprint,
            age=Age(capture.issued_at, capture.dated_at),
            mail=capture.mail.digest,
            writer=writer,
            written_as=str(number),
        )
        traces = (trace, *past.traces)[:VERSIONS_BACK]
        self._known[capture.path] = Past(traces, past.until)


def token_in(version: SecretVersion, field: str) -> Token | None:
    """The token in it. None: nothing, or what somebody put there until a token comes."""
    text = version.data.get(field)
    if isinstance(text, str) and TOKEN.fullmatch(text):
        return Token(text)
    return None


def _age(version: SecretVersion, fingerprint: str | None) -> Age | None:
    """Of the token with that fingerprint, which is in the version."""
    # Our times speak of this token only if our fingerprint does.
    if fingerprint is None or version.ours("fingerprint") != fingerprint:
        return None
    issued_at = _time(version.ours("issued_at"))
    if issued_at is None:
        return None
    dated_at = _time(version.ours("dated_at"))
    # Earlier versions of this program write none, and leave that of the token before.
    if dated_at is None or dated_at < issued_at:
        dated_at = issued_at
    return Age(issued_at, dated_at)


def _time(value: object) -> datetime | None:
    """A time as Vault or we write it; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return moment(value)
    except ValueError:
        return None
