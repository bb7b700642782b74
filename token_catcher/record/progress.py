"""How far one folder is known: which mails are settled, and which wait for their next try.

What a `Checkpoint` keeps on disk for each folder of a mailbox; values alone, no file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from token_catcher.errors import KEYLESS, NO_KEY, NOT_ASKED

FIRST_PAUSE: Final = 5.0
"""Seconds before the second try, at most: a lost DNS answer is there again by then."""
LONGEST_PAUSE: Final = 300.0
"""Seconds between two tries, at most: after an outage of any length the mail is caught within five
minutes, and a mail that never succeeds costs 300 tries a day."""
LONGEST_ABSENCE: Final = 3600.0
"""The same where DNS has no key, as for a name that anybody made up: some 60 tries a day."""
SHORTEST_PAUSE: Final = 1.0
"""Seconds between two tries, at least, whatever the dice say: nothing spins."""
LONGEST_REQUEST: Final = 300.0
"""Seconds that another side may ask us to wait: more is taken for a mistake, and cut."""

FIRST_FOLLOW_UP_PAUSE: Final = timedelta(minutes=1)
"""Before the second try to do something to a settled mail."""
LONGEST_FOLLOW_UP_PAUSE: Final = timedelta(hours=6)
MOST_FOLLOW_UP_TRIES: Final = 40
"""Of them; with these pauses they take eight days, longer than any weekend."""

MOST_CARRIED: Final = 1000
"""Pending mails that are known again under another number: more of them wait at no mailbox."""
MOST_KNOWN: Final = 2000
"""Settled mails of a folder that is numbered anew time and again: 64 kB of the file."""
MOST_NEWEST: Final = 500
"""Mails for us that are known among the newest: 5 kB of the file where no two are neighbours."""
MAX_UID: Final = 2**32 - 1  # RFC 3501, 9: nz-number


@dataclass(frozen=True, slots=True)
class Pending:
    """A mail that was looked at without an end, or is to be looked at again."""

    attempts: int
    """How often it could not be settled, though all was asked that it takes."""
    next_try: datetime
    code: str
    """Of the error it met last; `again` where somebody asked for another look; `new` where a look
    was broken off before it."""
    digest: str = ""
    """Of the mail, once its body was read: by it the mail is known under another UID."""
    since: datetime | None = None
    """When it was first looked at. None: a version before this one did not note it."""

    def is_due(self, now: datetime) -> bool:
        """Its time has come; or only a clock that was set back could have put it so far off."""
        latest = now + timedelta(seconds=max(LONGEST_REQUEST, _longest_pause(self.code)))
        return self.next_try <= now or self.next_try > latest


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A settled token mail to which something is still to be done in its folder."""

    digest: str
    attempts: int = 0
    """How often that could not be done."""
    next_try: datetime | None = None
    """None: as soon as may be."""
    key: str = ""
    """By which it is known again in a folder that is numbered anew; see `ports.Heading`."""

    def is_due(self, now: datetime) -> bool:
        """Its time has come; or only a clock that was set back could have put it so far off."""
        if self.next_try is None or self.next_try <= now:
            return True
        return self.next_try > now + LONGEST_FOLLOW_UP_PAUSE

    def later(self, now: datetime) -> FollowUp | None:
        """After one more try that failed. None: that was the last."""
        attempts = self.attempts + 1
        if attempts >= MOST_FOLLOW_UP_TRIES:
            return None
        pause = FIRST_FOLLOW_UP_PAUSE * 2.0 ** min(self.attempts, 16)
        next_try = now + min(pause, LONGEST_FOLLOW_UP_PAUSE)
        return replace(self, attempts=attempts, next_try=next_try)


@dataclass(slots=True)
class FolderProgress:
    """How far one folder is known.

    Every UID up to `settled_through` is settled or pending; go through new ones ascending."""

    uidvalidity: int
    settled_through: int = 0
    pending: dict[int, Pending] = field(default_factory=dict)
    follow_ups: dict[int, FollowUp] = field(default_factory=dict)
    """By UID. The mail is settled whatever becomes of them."""
    looked_back_to: datetime | None = None
    """Where its first look began; None: a version before this one did not note it."""
    uidnext: int | None = None
    exists: int | None = None
    """What EXAMINE said at the last look, without the mail that it did not come to. None: there was
    no look."""
    is_partial: bool = False
    """Whether that look was broken off, or mail was missing: whatever EXAMINE says, ask."""
    is_uidnext_sure: bool = False
    """Whether the look before that one was told the same UIDNEXT."""
    last_uid: int = 0
    last_key: str = ""
    """The newest mail that was read, and what it is known by; see `ports.Heading`."""
    newest_ours: tuple[int, ...] = ()
    """The newest mails for us that complete looks have come to, ascending."""
    looked_below_at: datetime | None = None
    """When the newest mail below was last looked at along with the new. None: there was no complete
    look."""
    renumbered: int = 0
    """How often in a row it was numbered anew, without new mail under numbers that stayed."""
    carried: dict[str, Pending] = field(default_factory=dict)
    """Pending mail from before it was numbered anew, by digest."""
    known: dict[str, None] = field(default_factory=dict)
    """Keys of settled mail, the oldest first; only where it was numbered anew."""
    notes: tuple[str, ...] = ()
    """Why it begins anew, if it does; not kept."""
    whole_through: int = MAX_UID
    """Mail may be missing above: nothing more is settled for good in this visit; not kept."""

    @property
    def is_new(self) -> bool:
        """Whether nothing is known of it."""
        return self.settled_through == 0 and self.exists is None

    def has_nothing_new(self, uidnext: int | None, exists: int) -> bool:
        """Whether what EXAMINE says now leaves no room for mail that was not seen.

        UIDNEXT may run ahead of what can be seen, so it must have been told twice."""
        if exists == 0:
            return True
        if self.is_partial or self.exists is None or exists > self.exists:
            return False
        if uidnext is None:
            return False
        if uidnext <= self.settled_through + 1:
            return True
        return self.is_uidnext_sure and uidnext == self.uidnext

    def looked(self, uidnext: int | None, exists: int) -> None:
        """A look was complete; it began with these words of EXAMINE."""
        self.is_uidnext_sure = uidnext == self.uidnext
        self.uidnext = uidnext
        self.exists = exists
        self.is_partial = False

    def looked_in_part(self, exists: int) -> None:
        """A look was broken off, or was not complete. `exists`: the mails that it came to."""
        if not self.is_new:
            self.exists = exists
        self.is_partial = True

    def saw_last(self, uid: int, key: str) -> None:
        """The newest mail that was read."""
        if uid > self.last_uid and self.last_uid > 0:
            # New mail, under numbers that have stayed.
            self.renumbered = 0
            self.carried.clear()
            self.known.clear()
        self.last_uid = uid
        self.last_key = key

    def saw_ours(self, uids: Iterable[int]) -> None:
        """A look was complete, and came to these mails: a look below need not fetch them again."""
        self.newest_ours = tuple(sorted({*self.newest_ours, *uids})[-MOST_NEWEST:])

    def recognise(self, uid: int, key: str) -> None:
        """Know a settled mail again under another number, once it is not to be followed up."""
        if uid in self.follow_ups:
            self.follow_ups[uid] = replace(self.follow_ups[uid], key=key)
        else:
            self.remember(key)

    def remember(self, key: str) -> None:
        """Know a settled mail again under another number."""
        if self.renumbered and key:
            self.known[key] = None
            while len(self.known) > MOST_KNOWN:
                self.known.pop(next(iter(self.known)))

    def adopt(self, uid: int, digest: str) -> None:
        """If the mail was pending under another number, it goes on being so."""
        if digest in self.carried:
            self.pending[uid] = self.carried.pop(digest)

    def begun_anew(self, uidvalidity: int, note: str, begin: datetime) -> FolderProgress:
        """What is left of it once its numbers are worth nothing any more."""
        waiting = {mail.digest: mail for mail in self.pending.values() if mail.digest}
        carried = list((self.carried | waiting).items())[-MOST_CARRIED:]
        # What waits, or came since the last look, may be older than the window of now.
        looked_back_to = min(begin, self.looked_back_to or begin)
        return FolderProgress(
            uidvalidity,
            looked_back_to=looked_back_to,
            renumbered=self.renumbered + 1,
            carried=dict(carried),
            known=self.known,
            notes=(note,),
        )

    def is_pending(self, uid: int) -> bool:
        """Whether the mail was looked at before without an end, or is to be looked at again."""
        return uid in self.pending

    def is_to_be_alone(self, uid: int) -> bool:
        """Whether a try of the mail failed for a reason that may be its own; that there was no key
        is none."""
        pending = self.pending.get(uid)
        return pending is not None and pending.attempts > 0 and pending.code not in KEYLESS

    def attempts(self, uid: int) -> int:
        """How often the mail could not be settled, though all was asked that it takes."""
        if uid not in self.pending:
            return 0
        return self.pending[uid].attempts

    def pending_since(self, uid: int) -> datetime | None:
        """When the mail was first looked at without an end. None: it is not pending."""
        if uid not in self.pending:
            return None
        return self.pending[uid].since

    def settle(self, uid: int, captured: str | None = None) -> None:
        """The mail has its end. `captured`: the digest of one that was stored, or is unchanged, and
        so may be followed up."""
        self.pending.pop(uid, None)
        self.follow_ups.pop(uid, None)
        if captured is not None:
            self.follow_ups[uid] = FollowUp(captured)
        self.advance(uid)

    def follow_ups_due(self, now: datetime) -> list[int]:
        """The settled mails to which something is to be done now, ascending."""
        due = [uid for uid, follow_up in self.follow_ups.items() if follow_up.is_due(now)]
        return sorted(uid for uid in due if uid not in self.pending)

    def followed_up(self, uid: int) -> None:
        """Nothing more is to be done to the mail."""
        follow_up = self.follow_ups.pop(uid)
        self.remember(follow_up.key)

    def follow_up_later(self, uid: int, now: datetime) -> FollowUp | None:
        """It could not be done now. None: it is not tried again."""
        later = self.follow_ups[uid].later(now)
        if later is None:
            self.followed_up(uid)
        else:
            self.follow_ups[uid] = later
        return later

    def unsettle(self, uid: int, now: datetime) -> None:
        """Look at a settled mail again, as soon as may be."""
        since = self.pending_since(uid) or now
        self.pending[uid] = Pending(0, now, "again", since=since)

    def note_waiting(self, uid: int, now: datetime) -> None:
        """A look was broken off before this mail: remember since when it is there."""
        if uid not in self.pending:
            self.pending[uid] = Pending(0, now, "new", since=now)

    def advance(self, uid: int) -> None:
        """Everything up to here is settled or pending."""
        self.settled_through = max(self.settled_through, min(uid, self.whole_through))

    def postpone(
        self,
        uid: int,
        code: str,
        now: datetime,
        rng: Random,
        retry_after: float | None = None,
        digest: str = "",
    ) -> Pending:
        """Try the mail again later: after the seconds that the other side asked for, else after a
        pause that grows."""
        attempts = self.attempts(uid)
        # The mail loses no turn by it, and is not put off further and further.
        if code != NOT_ASKED:
            attempts += 1
        pause = timedelta(seconds=_pause(attempts, _longest_pause(code), rng, retry_after))
        since = self.pending_since(uid) or now
        self.pending[uid] = Pending(attempts, now + pause, code, digest, since)
        self.advance(uid)
        return self.pending[uid]

    def due(self, now: datetime) -> list[int]:
        """The pending mails that are to be tried now, ascending."""
        return sorted(uid for uid, pending in self.pending.items() if pending.is_due(now))


def _longest_pause(code: str) -> float:
    """Seconds between two tries of a mail that met this error, at most.

    Where DNS has no key, the mail itself keeps how rarely it is asked for: however many names are
    made up, and whatever is forgotten of them, none is asked for more often."""
    if code == NO_KEY:
        return LONGEST_ABSENCE
    return LONGEST_PAUSE


def _pause(attempts: int, longest: float, rng: Random, retry_after: float | None) -> float:
    """Seconds: what was asked for; else exponential with full jitter, so that mails that failed
    together do not come back together."""
    if retry_after is not None:
        return max(0.0, min(LONGEST_REQUEST, retry_after))
    # The exponent is bound as well: a mail may fail for years.
    ceiling = min(longest, FIRST_PAUSE * 2.0 ** min(attempts - 1, 16))
    return rng.uniform(SHORTEST_PAUSE, ceiling)
