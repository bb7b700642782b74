"""Which mails of one folder a visit looks at, and how far the folder is known afterwards.

What is new, as `survey` finds it; what is due again; and now and then the newest mail below what is
settled. Mail that waits for a key comes last, since it may be anybody's: a flood of it holds up no
other mail, and of the questions that DNS is asked for it, all of it has a fair share.

Where a folder is numbered anew, everything is looked at again; what waits is known by its digest,
and goes on waiting for its own next try.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from token_catcher.cautious import CautiousHeadings
from token_catcher.errors import KEYLESS, NEWER_WAITS
from token_catcher.poison import MailKey
from token_catcher.ports import FolderState
from token_catcher.report import Waiting, incomplete
from token_catcher.run import Run
from token_catcher.survey import LITTLE, Survey, Surveyor

EVER: Final = datetime(1970, 1, 2, tzinfo=UTC)
"""Before any mail that could be of interest, and a day that every server takes for SINCE."""
BELOW_APART: Final = timedelta(hours=1)
"""Between two looks below what is settled, where nothing calls for one: whether the last mail is
still the same, and whether one has come to light that a count of the mails does not show."""
MOST_NOTED: Final = 1000
"""New mails of a look that are remembered although it did not come to them."""
ASKED_AGAIN: Final = timedelta(seconds=30)
"""After a look that was not complete."""


class Agenda:
    """What there is to look at in one folder."""

    def __init__(self, run: Run, state: FolderState) -> None:
        self._run = run
        self._tools = run.tools
        self._state = state
        self._begin = run.tools.now() - run.tools.lookback
        self.progress = run.checkpoint.folder(
            state.name, state.uidvalidity, state.uidnext, self._begin
        )
        self.horizon = EVER
        """New mail from before it is not taken through the pipeline."""
        self.keys: Mapping[int, str] = {}
        """Of the new mails: see `Heading.key`."""
        self._survey: Survey | None = None
        """What is new in the folder. None: EXAMINE says that nothing can be."""
        self._looks_below = False
        """Whether the survey holds the newest mail below as well."""
        self._asks_again_at: datetime | None = None
        """When mail that is there without a name is asked for again."""

    def uids(self) -> list[int]:
        """What is new and what is due again, ascending; after it the mail that waits for a key."""
        self._tell_anew()
        self._survey = self._surveyed()
        if self._run.again_from is not None:
            self._unsettle(self._run.again_from)
        uids = self._chosen(self._survey)
        if self._survey is not None or uids:
            self._run.report.asked = True
        waiting = {self.key(uid) for uid in [*uids, *self.progress.pending]}
        self._tools.poison.forget_gone(self._state.name, waiting)
        return uids

    def _tell_anew(self) -> None:
        """Why the folder begins anew, if it does; only once where it does so time and again."""
        tell = self._tools.log.warning
        if self.progress.renumbered > 1:
            tell = self._tools.log.debug
        if self.progress.notes and self.progress.renumbered == 2:
            self._tools.log.warning(
                "mailbox.renumbers",
                mailbox=self._run.mailbox.name,
                folder=self._state.name,
                note="the server numbers the folder anew at every look or delivery: no mail is"
                " lost by it, but every look costs more; see docs/mailboxes.md",
            )
        self._run.tell(self.progress.notes, tell, folder=self._state.name)
        self.progress.notes = ()

    # -- what there is --

    def _surveyed(self) -> Survey | None:
        """What is new in the folder. None: EXAMINE says that nothing can be."""
        progress = self.progress
        if self._has_nothing_new():
            return None
        if progress.is_new:
            self.horizon = self._first_horizon()
        surveyor = self._surveyor()
        survey = self._new_in(surveyor)
        if self._is_set_back(survey):
            survey = self._new_in(surveyor)  # no folder is set back on one word
        if progress.is_new and (survey.older or len(survey.uids) < self._state.exists):
            self._run.report.first_looks[self._state.name] = self.horizon
        if self._is_set_back(survey):
            note = f"the mail of UID {progress.last_uid} is another one: the folder was set back"
            self.progress = self._run.checkpoint.begin_anew(
                self._state.name, self._state.uidvalidity, note, self._begin
            )
            self._tell_anew()
            self.horizon = self._first_horizon()
            return surveyor.above(0, self.horizon, with_keys=True)
        if self._is_look_below_due() or self._has_grown_below(survey):
            return self._with_newest(surveyor, survey)
        return survey

    def _new_in(self, surveyor: Surveyor) -> Survey:
        """What came after all that is known, and the last mail that is."""
        progress = self.progress
        return surveyor.above(
            progress.settled_through,
            self.horizon,
            progress.last_uid,
            with_keys=progress.renumbered > 0,
        )

    def _first_horizon(self) -> datetime:
        """Where a folder begins that nothing is known of, or that was numbered anew."""
        return min(self._run.begin, self.progress.looked_back_to or self._run.begin)

    def _has_nothing_new(self) -> bool:
        """Nothing is asked then, unless it is time for a look below."""
        if not self.progress.has_nothing_new(self._state.uidnext, self._state.exists):
            return False
        return self._state.exists == 0 or not self._is_look_below_due()

    def _is_look_below_due(self) -> bool:
        looked_below_at = self.progress.looked_below_at
        if looked_below_at is None:
            return False
        # The wall's clock may be set back, hence the absolute value.
        return abs(self._tools.now() - looked_below_at) >= BELOW_APART

    def _is_set_back(self, survey: Survey) -> bool:
        """Whether the last mail that was read is another one now (RFC 3501, 2.3.1.1: never)."""
        if survey.anchor is None or not survey.anchor.key:
            return False
        return self.progress.last_key not in ("", survey.anchor.key)

    def _has_grown_below(self, survey: Survey) -> bool:
        """Whether there is more mail than before and what is new: some servers give out a UID
        before the mail can be seen."""
        if self.progress.exists is None:
            return False
        return self._state.exists > self.progress.exists + len(survey.uids)

    def _with_newest(self, surveyor: Surveyor, survey: Survey) -> Survey:
        """The survey, and what has come to light among the newest mail below.

        What earlier looks came to is settled or pending, and is not fetched again."""
        after = max(0, self.progress.settled_through - LITTLE)
        newest = surveyor.above(after, self.progress.looked_back_to or EVER)
        self._looks_below = True
        ours = {*survey.ours, *newest.ours}.difference(self.progress.newest_ours)
        return replace(
            survey,
            ours=tuple(sorted(ours)),
            whole_through=newest.whole_through,
            undated=tuple(sorted({*survey.undated, *newest.undated})),
        )

    def _surveyor(self) -> Surveyor:
        mailbox = self._run.mailbox
        ask = CautiousHeadings(mailbox, self._state, self._tools.poison)
        return Surveyor(mailbox, self._state, self._tools.domains, self._run.moved, ask)

    def _unsettle(self, since: datetime) -> None:
        """Make the settled mail of the window pending, on disk before any of it is touched: a crash
        repeats the look."""
        for uid in self._surveyor().above(0, since).ours:
            if uid <= self.progress.settled_through:
                self.progress.unsettle(uid, self._tools.now())
        self._run.checkpoint.save()

    def _chosen(self, survey: Survey | None) -> list[int]:
        """What is new and what is due again, ascending; after it the mail that waits for a newer
        token, or for a key."""
        # Only what is pending can be left out: of new mail no checkpoint would know any more.
        left_out = self._tools.poison.left_out
        uids = {uid for uid in self._due() if self.key(uid) not in left_out}
        if survey is not None:
            uids.update(self._new(survey))
        keyless = {uid for uid in uids if self._is_keyless(uid)}
        return [*sorted(uids - keyless, key=self._turn), *self._by_turns(keyless)]

    def _turn(self, uid: int) -> tuple[bool, int]:
        """A token that waits for a newer one comes after it."""
        pending = self.progress.pending.get(uid)
        return pending is not None and pending.code == NEWER_WAITS, uid

    def _is_keyless(self, uid: int) -> bool:
        """Whether the mail waits for a key, which it may have made up."""
        pending = self.progress.pending.get(uid)
        return pending is not None and pending.code in KEYLESS

    def _by_turns(self, uids: Set[int]) -> Iterator[int]:
        """What was tried least comes first; of these by turns the newest and the oldest.

        DNS is asked for some of them only (`DnsKeys`). So neither a flood that came before a mail
        nor one that comes after it keeps the mail from its first question."""
        by_attempts: defaultdict[int, deque[int]] = defaultdict(deque)
        for uid in sorted(uids):
            by_attempts[self.progress.attempts(uid)].append(uid)
        for _, waiting in sorted(by_attempts.items()):
            while waiting:
                yield waiting.pop()
                if waiting:
                    yield waiting.popleft()

    def _due(self) -> Sequence[int]:
        if self._run.is_later:
            return ()  # the first look has tried them
        if self._run.at_once:
            return sorted(self.progress.pending)
        return self.progress.due(self._tools.now())

    def _new(self, survey: Survey) -> Iterator[int]:
        """What is ours, does not wait already, and was not settled under another number."""
        self.keys = survey.keys
        if survey.whole_through is not None:
            self.progress.whole_through = survey.whole_through
        times = Counter(survey.keys.values())
        for uid in survey.ours:
            key = survey.keys.get(uid, "")
            # Two mails of one key: one of them may be new.
            is_known = key in self.progress.known and times[key] == 1
            if not is_known and not self.progress.is_pending(uid):
                yield uid

    def is_due(self, uid: int) -> bool:
        """Whether the time of a mail that waits has come."""
        return self._run.at_once or self.progress.pending[uid].is_due(self._tools.now())

    def finish(self) -> None:
        """Remember how far the folder is known: to the highest UID that was seen.

        Not to UIDNEXT: some servers raise it before the mail can be seen."""
        survey = self._survey
        if survey is None:
            self._looked()
            return
        self.progress.advance(survey.highest)
        if survey.whole_through is not None:
            self._incomplete(survey.whole_through)
            return
        if survey.last is not None:
            self.progress.saw_last(survey.last.uid, survey.last.key)
        self.progress.saw_ours(survey.ours)
        if self._looks_below or self.progress.looked_below_at is None:
            self.progress.looked_below_at = self._tools.now()
        self._looked()

    def _looked(self) -> None:
        """Remember what EXAMINE said. Two looks in one sweep are too near to make it sure."""
        was_sure = self.progress.is_uidnext_sure
        self.progress.looked(self._state.uidnext, self._state.exists)
        if self._run.is_later and not was_sure:
            self.progress.is_uidnext_sure = False

    def _tell_incomplete(self, whole_through: int) -> None:
        tell = self._tools.log.debug
        if not self.progress.is_partial:
            tell = self._tools.log.warning
        tell(
            "folder.incomplete",
            mailbox=self._run.mailbox.name,
            folder=self._state.name,
            whole_through=whole_through,
        )

    def waiting(self, left: Set[int]) -> Waiting:
        """What waits now. `left`: the UIDs that the visit did not come to."""
        mails = len(left | self.progress.pending.keys())
        keyless = sum(map(self._is_keyless, self.progress.pending))
        tries = [pending.next_try for pending in self.progress.pending.values()]
        if self._asks_again_at is not None:
            mails += 1
            tries.append(self._asks_again_at)
        return Waiting(mails, keyless, min(tries, default=None))

    def note_left(self, left: Set[int]) -> None:
        """The visit was broken off. `left`: the UIDs that it did not come to.

        Where the server does not say when they arrived, that they are there now is all that will
        be known of it."""
        if self._survey is not None:
            undated = [uid for uid in self._survey.undated if uid in left]
            for uid in undated[:MOST_NOTED]:
                self.progress.note_waiting(uid, self._tools.now())
        self.note_partial()

    def note_partial(self) -> None:
        """How many mails the look came to: once there are more, and none of them is new, a mail
        has come to light below."""
        if self._survey is None:
            return
        left = self._survey.above(self.progress.settled_through)
        self.progress.looked_in_part(self._state.exists - left)

    def _incomplete(self, whole_through: int) -> None:
        """Mail is there that the server does not name; told loudly once, and asked for again."""
        if not self._run.is_later:  # the first look has told it
            self._tell_incomplete(whole_through)
        self.note_partial()
        self._run.report.trouble(
            incomplete(self._run.mailbox.name, self._state.name, whole_through)
        )
        self._asks_again_at = self._tools.now() + ASKED_AGAIN

    def key(self, uid: int) -> MailKey:
        """What the mail is known by to `poison`."""
        return self._state.name, self._state.uidvalidity, uid
