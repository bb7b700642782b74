"""Which mails of a folder are for us, of a server that leaves some out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.kit.fakes import FakeAccount, FakeMailbox
from token_catcher.errors import Outage
from token_catcher.imap.reader import COMMAND_WITHIN
from token_catcher.pace import LONGEST
from token_catcher.ports import FolderState, Heading, Span
from token_catcher.record.sweeplock import STOPPED_AFTER
from token_catcher.survey import LITTLE, Survey, Surveyor

NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=14)
OURS = b"From: Support <support@EMEA.Salesforce.com>\r\nMessage-ID: <%d@x>\r\n\r\nHello\r\n"
OTHER = b"From: Shop <news@shop.example.com>\r\nMessage-ID: <%d@x>\r\n\r\nHello\r\n"
EVERYWHERE = frozenset(range(1, 20_000))


class Lying(FakeMailbox):
    """A mailbox that leaves out what a test says, and keeps a diary."""

    def __init__(self, account: FakeAccount) -> None:
        super().__init__(account)
        self.diary: list[str] = []
        self.without_heading: Collection[int] = ()
        self.only_alone: Collection[int] = ()
        """Their headings come when nothing else is asked for."""
        self.without_sender: Collection[int] = ()
        self.not_found: Collection[int] = ()
        """SEARCH does not tell of them, whatever it is asked."""
        self.not_found_by_sender: Collection[int] = ()
        self.refuses_search = False
        self.seconds_each = 0.0
        """How long a heading takes."""
        self.clock = 0.0

    def monotonic(self) -> float:
        """The time, by the headings that were told."""
        return self.clock

    def headings(self, *spans: Span) -> Sequence[Heading]:
        self.diary.append("headings " + ",".join(f"{first}:{last}" for first, last in spans))
        left_out = set(self.without_heading)
        if len(spans) > 1 or spans[0][0] != spans[0][1]:
            left_out.update(self.only_alone)
        told = [
            self._told(heading)
            for heading in super().headings(*spans)
            if heading.uid not in left_out
        ]
        self.clock += self.seconds_each * len(told)
        return told

    def _told(self, heading: Heading) -> Heading:
        if heading.uid in self.without_sender:
            return Heading(heading.uid, heading.number, heading.received_at, None)
        return heading

    def present(self, *spans: Span) -> Sequence[int] | None:
        self.diary.append("present")
        if self.refuses_search:
            return None
        return [uid for uid in super().present(*spans) or () if uid not in self.not_found]

    def search(self, after_uid: int, since: datetime) -> list[int] | None:  # type: ignore[override] # it may refuse
        self.diary.append("search")
        if self.refuses_search:
            return None
        hidden = {*self.not_found, *self.not_found_by_sender}
        return [uid for uid in super().search(after_uid, since) or () if uid not in hidden]

    def finds(self, uid: int, domain: str, since: datetime) -> bool:
        self.diary.append("finds")
        hidden = {*self.not_found, *self.not_found_by_sender}
        return uid not in hidden and super().finds(uid, domain, since)


@pytest.fixture
def account() -> FakeAccount:
    """An empty inbox."""
    return FakeAccount(now=lambda: NOW)


def fill(
    account: FakeAccount,
    mails: int,
    ours: Collection[int] = (),
    older: Collection[int] = (),
) -> None:
    """So many mails, some of them for us, some of before the time that is asked about."""
    for uid in range(1, mails + 1):
        raw = OURS if uid in ours else OTHER
        received_at = NOW
        if uid in older:
            received_at = SINCE - timedelta(days=2)
        account.append(raw % uid, received_at=received_at)


def opened(account: FakeAccount) -> tuple[Lying, FolderState]:
    """A session with the inbox open."""
    mailbox = Lying(account)
    return mailbox, mailbox.examine("INBOX")


def surveyed(
    mailbox: Lying, state: FolderState, after: int = 0, anchor: int = 0, since: datetime = SINCE
) -> Survey:
    """What is above a UID."""
    return Surveyor(mailbox, state, ("salesforce.com",)).above(after, since, anchor)


def test_new_mail_is_told_by_its_own_from(account: FakeAccount) -> None:
    """In one command: any case, any subdomain; no search is asked."""
    fill(account, 5, ours={2, 5})
    mailbox, state = opened(account)
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.uids, survey.whole_through) == ((2, 5), (1, 2, 3, 4, 5), None)
    assert mailbox.diary == ["headings 1:5"]


def test_the_last_known_mail_is_asked_for_along_with_the_new(account: FakeAccount) -> None:
    """By it a hole at the beginning shows, and a folder that was set back."""
    fill(account, 5, ours={5})
    mailbox, state = opened(account)
    survey = surveyed(mailbox, state, after=4, anchor=4)
    assert survey.anchor is not None
    assert (survey.ours, survey.anchor.uid, len(survey.uids)) == ((5,), 4, 1)
    assert mailbox.diary == ["headings 4:4,5:5"]


def test_gaps_in_uids_are_no_holes(account: FakeAccount) -> None:
    """What was expunged costs nothing."""
    fill(account, 9, ours={3, 8})
    account.expunge(1, 4, 5, 9)
    mailbox, state = opened(account)
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.whole_through, mailbox.diary) == ((3, 8), None, ["headings 1:9"])


def test_an_empty_folder_is_not_asked(account: FakeAccount) -> None:
    """EXISTS is none."""
    mailbox, state = opened(account)
    assert surveyed(mailbox, state) == Survey()
    assert mailbox.diary == []


def test_mail_before_the_window_is_not_ours(account: FakeAccount) -> None:
    """By INTERNALDATE, to the second."""
    account.append(OURS % 1, received_at=SINCE - timedelta(seconds=1))
    account.append(OURS % 2, received_at=SINCE)
    assert surveyed(*opened(account)).ours == (2,)


def test_mail_of_an_unknown_sender_is_ours(account: FakeAccount) -> None:
    """Its body will show."""
    fill(account, 3)
    mailbox, state = opened(account)
    mailbox.without_sender = {2}
    assert surveyed(mailbox, state).ours == (2,)


@pytest.mark.parametrize("uid", [1, 3, 5])
def test_a_heading_that_was_left_out_is_asked_for_again(account: FakeAccount, uid: int) -> None:
    """First, in the middle or last: the numbers show it, SEARCH names it."""
    fill(account, 5, ours={uid})
    mailbox, state = opened(account)
    mailbox.only_alone = {uid}
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.whole_through) == ((uid,), None)
    assert mailbox.diary == ["headings 1:5", "present", f"headings {uid}:{uid}"]


@pytest.mark.parametrize("uid", [1, 3, 5])
def test_a_mail_whose_heading_never_comes_is_ours(account: FakeAccount, uid: int) -> None:
    """SEARCH says that it is there."""
    fill(account, 5)
    mailbox, state = opened(account)
    mailbox.without_heading = {uid}
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.highest, survey.whole_through) == ((uid,), 5, None)


@pytest.mark.parametrize(("uid", "whole_through"), [(1, 0), (3, 2), (5, 4)])
@pytest.mark.parametrize("refuses", [True, False])
def test_a_mail_that_nobody_names_makes_the_survey_incomplete(
    account: FakeAccount, uid: int, whole_through: int, refuses: bool
) -> None:
    """EXISTS counts it; neither FETCH nor SEARCH tells of it, or SEARCH is refused."""
    fill(account, 5, ours={2, 4})
    mailbox, state = opened(account)
    mailbox.without_heading = {uid}
    mailbox.not_found = {uid}
    mailbox.refuses_search = refuses
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.whole_through) == ((2, 4), whole_through)


def test_without_the_last_known_mail_search_is_asked_as_well(account: FakeAccount) -> None:
    """It was expunged: a hole at the beginning would not show."""
    fill(account, 6, ours={5})
    account.expunge(4)
    mailbox, state = opened(account)
    mailbox.only_alone = {5}
    assert surveyed(mailbox, state, after=4, anchor=4).ours == (5,)


def test_nothing_above_is_told_from_nothing_said(account: FakeAccount) -> None:
    """The last mail of all has the highest number, or it does not."""
    fill(account, 6, ours={5, 6})
    account.expunge(4)
    mailbox, state = opened(account)
    mailbox.without_heading = {5, 6}
    assert surveyed(mailbox, state, after=4, anchor=4).ours == (5, 6)
    mailbox.not_found = {5, 6}
    assert surveyed(mailbox, state, after=4, anchor=4).whole_through == 4
    account.expunge(5, 6)
    mailbox, state = opened(account)
    assert surveyed(mailbox, state, after=4, anchor=4).whole_through is None


@pytest.mark.parametrize("uidnext", [None, 2**32 - 1, 5000])
def test_an_absurd_uidnext_costs_nothing_where_mail_is_little(
    account: FakeAccount, uidnext: int | None
) -> None:
    """EXISTS bounds what can come."""
    fill(account, 5, ours={5})
    mailbox, state = opened(account)
    state = FolderState(state.name, state.uidvalidity, uidnext, state.exists)
    survey = surveyed(mailbox, state, after=4, anchor=4)
    assert (survey.ours, survey.whole_through, len(mailbox.diary)) == ((5,), None, 1)


# -- a backlog --

MANY = 4 * LITTLE + 100
ARCHIVE = range(10, MANY - LITTLE + 1)
"""Mails of before the window: so many that what was moved here before them is searched."""


def test_of_a_backlog_all_headings_of_the_time_in_question_are_read(account: FakeAccount) -> None:
    """A search that would leave out one old mail, and passes every test, is not asked."""
    fill(account, MANY, ours={3, MANY})
    mailbox, state = opened(account)
    mailbox.not_found = {3}
    survey = surveyed(mailbox, state)
    assert (survey.ours, len(survey.uids), survey.whole_through) == ((3, MANY), MANY, None)
    assert mailbox.diary == [
        "headings 4294967295:None",
        "headings 2001:2100",
        "headings 1801:2000",
        "headings 1401:1800",
        "headings 901:1400",
        "headings 401:900",
        "headings 1:400",
    ]


def test_an_archive_is_narrowed_by_a_search(account: FakeAccount) -> None:
    """What was moved here before it is in time all the same; the search is put to the test."""
    fill(account, MANY, ours={3, 20, MANY}, older=ARCHIVE)
    mailbox, state = opened(account)
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.highest) == ((3, MANY), MANY)
    assert mailbox.diary == [
        "headings 4294967295:None",
        "headings 2001:2100",
        "headings 1801:2000",
        "headings 1401:1800",
        "headings 901:1400",
        "search",
        "finds",
    ]


def test_a_wide_gap_of_uids_is_not_read_to_its_end(account: FakeAccount) -> None:
    """Nothing in ten thousand UIDs: what is below is searched."""
    fill(account, 2, ours={2})
    account.folders["INBOX"].uidnext = 1_000_001
    for _ in range(LITTLE + 50):
        account.append(OTHER % 1)
    mailbox, state = opened(account)
    assert surveyed(mailbox, state).ours == (2,)
    assert mailbox.diary[-2:] == ["search", "finds"]
    assert len(mailbox.diary) < 10


def test_a_mail_left_out_below_a_gap_is_asked_for(account: FakeAccount) -> None:
    """The numbers around the gap show it."""
    fill(account, 2, ours={2})
    account.folders["INBOX"].uidnext = 3 * LITTLE
    for _ in range(LITTLE + 50):
        account.append(OTHER % 1)
    mailbox, state = opened(account)
    mailbox.only_alone = {2}
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.whole_through) == ((2,), None)


def test_a_mail_left_out_just_above_what_is_settled_is_asked_for(account: FakeAccount) -> None:
    """No number below shows it, so SEARCH is asked as well."""
    fill(account, MANY, ours={5})
    mailbox, state = opened(account)
    mailbox.only_alone = {5}
    assert surveyed(mailbox, state, after=4, anchor=4).ours == (5,)


def test_a_search_that_misses_what_was_read_is_not_believed(account: FakeAccount) -> None:
    """An index that lags: then all headings are read, and the mail below is found."""
    fill(account, MANY, ours={3, MANY}, older=ARCHIVE)
    mailbox, state = opened(account)
    mailbox.not_found_by_sender = {3, MANY}
    assert surveyed(mailbox, state).ours == (3, MANY)
    assert "finds" not in mailbox.diary


def test_a_search_that_finds_no_domain_is_not_believed(account: FakeAccount) -> None:
    """Whole addresses or display names only: a mail of somebody else shows it."""
    fill(account, MANY, ours={3}, older=ARCHIVE)
    mailbox, state = opened(account)
    mailbox.not_found_by_sender = EVERYWHERE
    assert surveyed(mailbox, state).ours == (3,)
    assert mailbox.diary.count("finds") == 1


def test_a_refused_search_costs_no_mail(account: FakeAccount) -> None:
    """All headings are read."""
    fill(account, MANY, ours={3}, older=ARCHIVE)
    mailbox, state = opened(account)
    mailbox.refuses_search = True
    assert surveyed(mailbox, state).ours == (3,)


def test_a_heading_left_out_where_two_windows_meet_is_asked_for(account: FakeAccount) -> None:
    """The last one before the newest mail: the number behind it shows the hole."""
    seam = 3 * LITTLE - LITTLE
    fill(account, 3 * LITTLE, ours={seam})
    mailbox, state = opened(account)
    mailbox.not_found_by_sender = EVERYWHERE
    mailbox.only_alone = {seam}
    survey = surveyed(mailbox, state)
    assert (survey.ours, survey.whole_through) == ((seam,), None)


def test_what_was_settled_above_the_last_known_mail_is_no_hole(account: FakeAccount) -> None:
    """A look that was broken off knows more than the newest mail of the look before."""
    fill(account, 5, ours={3, 5})
    mailbox, state = opened(account)
    survey = surveyed(mailbox, state, after=3, anchor=1)
    assert (survey.ours, survey.uids, survey.whole_through) == ((5,), (4, 5), None)
    assert mailbox.diary == ["headings 1:3,4:5"]


def test_where_few_uids_are_in_use_the_windows_grow(account: FakeAccount) -> None:
    """A folder of a few hundred mails among a hundred thousand UIDs."""
    account.folders["INBOX"].uidnext = 100_001
    fill(account, 2)
    account.folders["INBOX"].uidnext = 200_001
    for _ in range(LITTLE + 50):
        account.append(OTHER % 1)
    account.append(OURS % 1)
    mailbox, state = opened(account)
    mailbox.refuses_search = True
    assert len(surveyed(mailbox, state).ours) == 1
    assert len(mailbox.diary) < 40


def test_a_gap_of_all_the_uids_there_can_be_costs_little(account: FakeAccount) -> None:
    """Few mails are left below it: one window holds them, however many UIDs it has."""
    fill(account, 100, ours={50})
    account.folders["INBOX"].uidnext = 4_294_966_000
    fill(account, LITTLE + 50)
    mailbox, state = opened(account)
    mailbox.refuses_search = True
    assert 50 in surveyed(mailbox, state).ours
    assert len(mailbox.diary) < 40


def test_a_window_without_uidnext_ends_at_the_last_mail(account: FakeAccount) -> None:
    """`n:*` always gives it."""
    fill(account, MANY, ours={MANY})
    mailbox, state = opened(account)
    state = FolderState(state.name, state.uidvalidity, None, state.exists)
    assert surveyed(mailbox, state, after=MANY - 1, anchor=MANY - 1).ours == (MANY,)
    assert len(mailbox.diary) == 2


# -- quick and slow servers --


@dataclass
class Slow:
    """A survey of a server that takes its time for each heading."""

    mailbox: Lying
    survey: Survey
    steps: list[float]
    """When whoever waits was told that it goes on."""

    @property
    def widths(self) -> list[int]:
        """Of the windows, in UIDs; the last mail of all was asked for before them."""
        spans = [asked.removeprefix("headings ").split(":") for asked in self.mailbox.diary[1:]]
        return [int(last) - int(first) + 1 for first, last in spans]

    @property
    def waits(self) -> list[float]:
        """Seconds between two steps."""
        return [after - before for before, after in pairwise([0.0, *self.steps])]


def surveyed_slowly(account: FakeAccount, seconds_each: float) -> Slow:
    """From the beginning."""
    mailbox, state = opened(account)
    mailbox.seconds_each = seconds_each
    steps: list[float] = []
    surveyor = Surveyor(
        mailbox,
        state,
        ("salesforce.com",),
        moved=lambda: steps.append(mailbox.clock),
        monotonic=mailbox.monotonic,
    )
    return Slow(mailbox, surveyor.above(0, SINCE), steps)


def test_a_quick_server_is_asked_for_twice_as_many_each_time(account: FakeAccount) -> None:
    """A large mailbox takes few commands, each of a bounded size."""
    fill(account, 12_000, ours={1, 12_000})
    slow = surveyed_slowly(account, 0.000_01)
    assert slow.widths == [100, 200, 400, *[500] * 22, 300]
    assert (slow.survey.ours, len(slow.survey.uids)) == ((1, 12_000), 12_000)


@pytest.mark.parametrize(("a_second", "width"), [(10, 20), (50, 100)])
def test_a_slow_server_is_asked_for_few_at_a_time(
    account: FakeAccount, a_second: int, width: int
) -> None:
    """It gets through, and whoever waits hears of it in time."""
    fill(account, MANY, ours={1, MANY})
    slow = surveyed_slowly(account, 1 / a_second)
    assert slow.widths == [100] + [width] * ((MANY - 100) // width)
    assert max(slow.waits) < STOPPED_AFTER
    assert (slow.survey.ours, len(slow.survey.uids)) == ((1, MANY), MANY)


def test_a_slow_server_is_asked_for_few_behind_a_gap_as_well(account: FakeAccount) -> None:
    """Where few UIDs were in use, and then all of them, no answer comes near its deadline."""
    fill(account, MANY, ours={1})
    account.folders["INBOX"].uidnext = 6000
    for _ in range(5):
        account.append(OTHER % 1)
    slow = surveyed_slowly(account, 0.1)
    assert max(slow.waits) <= LONGEST
    assert slow.survey.ours == (1,)


class SlowAtFirst(Lying):
    """A mailbox whose server takes its time to open the folder for the first command."""

    opening = 3.0

    def headings(self, *spans: Span) -> Sequence[Heading]:
        self.clock += self.opening
        self.opening = 0.0
        return super().headings(*spans)


def test_a_server_that_is_slow_to_open_a_folder_is_not_thought_to_be_quick_then(
    account: FakeAccount,
) -> None:
    """The first heading of all took longer than the next ones together."""
    fill(account, 10_000, ours={1})
    for _ in range(15):
        account.folders["INBOX"].uidnext += 399
        account.append(OTHER % 1)
    mailbox = SlowAtFirst(account)
    mailbox.seconds_each = 0.1
    steps: list[float] = [0.0]
    surveyor = Surveyor(
        mailbox,
        mailbox.examine("INBOX"),
        ("salesforce.com",),
        moved=lambda: steps.append(mailbox.clock),
        monotonic=mailbox.monotonic,
    )
    assert surveyor.above(0, SINCE).ours == (1,)
    assert max(after - before for before, after in pairwise(steps)) < COMMAND_WITHIN


def test_few_uids_in_use_take_few_questions(account: FakeAccount) -> None:
    """One in a hundred, as where others move mail away."""
    for _ in range(LITTLE + 100):
        account.folders["INBOX"].uidnext += 99
        account.append(OTHER % 1)
    slow = surveyed_slowly(account, 0.000_1)
    assert slow.widths == [100, 400, 1600, 6400, *[10_000] * 5, 1500]
    assert len(slow.survey.uids) == LITTLE + 100


def test_all_headings_below_are_asked_for_at_the_same_pace(account: FakeAccount) -> None:
    """Where a search is not to be believed."""
    fill(account, 4 * MANY, ours={3}, older=range(10, 4 * MANY - LITTLE + 1))
    mailbox, state = opened(account)
    mailbox.refuses_search = True
    assert surveyed(mailbox, state).ours == (3,)
    assert mailbox.diary[1:] == [
        "headings 8301:8400",
        "headings 8101:8300",
        "headings 7701:8100",
        "headings 7201:7700",
        "search",
        *(f"headings {first}:{first + 499}" for first in range(1, 7001, 500)),
        "headings 7001:7200",
    ]


class Cold(Lying):
    """A mailbox whose server has the newest mails at hand, and fetches the others from afar."""

    newest = 8_000
    seconds_of_each_other = 0.1

    def headings(self, *spans: Span) -> Sequence[Heading]:
        told = FakeMailbox.headings(self, *spans)
        at_hand = self._folder.uidnext - self.newest
        seconds = self.seconds_of_each_other * sum(heading.uid < at_hand for heading in told)
        if seconds > COMMAND_WITHIN:
            raise Outage("no answer to FETCH in time", code="imap-connection")
        self.clock += seconds
        return told


def test_a_server_that_becomes_slow_is_gone_through(account: FakeAccount) -> None:
    """How quickly a window came says nothing of the next one. Each further session would be lost
    by the same one, and nobody would ever come to the mails below."""
    fill(account, 10_000, ours={1})
    mailbox = Cold(account)
    surveyor = Surveyor(
        mailbox, mailbox.examine("INBOX"), ("salesforce.com",), monotonic=mailbox.monotonic
    )
    assert surveyor.above(0, SINCE).ours == (1,)
