"""Durations that load and can hardly be meant: `1s` where `1d` was. Pure.

Each has a reason of its own to be longer, or shorter; the configuration takes them all, since none
of them loses a token by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from token_catcher.config import Config, MailboxConfig, OrgConfig, duration_text
from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step

AREA: Final = "configuration"
CODE: Final = "check-duration"
DAY: Final = timedelta(days=1)
SHORTEST_POLL: Final = timedelta(seconds=5)
LONGEST_POLL: Final = timedelta(hours=1)
SHORTEST_DELAY: Final = timedelta(hours=1)
SHORTEST_SKEW: Final = timedelta(minutes=1)


def duration_steps(config: Config) -> Iterator[Step]:
    """A warning for each of them; none where all are as one would have them."""
    for mailbox in config.mailboxes:
        yield from _mailbox_steps(mailbox, config.trust.max_delay)
    for org in config.orgs:
        yield from _org_steps(org)
    yield from _trust_steps(config)


def _mailbox_steps(mailbox: MailboxConfig, max_delay: timedelta) -> Iterator[Step]:
    poll = mailbox.poll
    if poll < SHORTEST_POLL:
        why = "the mail server is asked that often for good, which some answer with a lock-out"
        yield _odd(mailbox.name, "poll", poll, f"{duration_text(SHORTEST_POLL)} or more", why)
    if poll > LONGEST_POLL:
        why = "a token whose mail IDLE does not tell of is missing in Vault for so long"
        yield _odd(mailbox.name, "poll", poll, f"{duration_text(LONGEST_POLL)} or less", why)
    # A mail may be sent again for a day, and a daemon be down for one.
    least = max(DAY, max_delay, poll)
    if mailbox.lookback < least:
        why = "mail that is older when it is first looked at is left out, and its token with it"
        expected = f"{duration_text(least)} or more"
        yield _odd(mailbox.name, "lookback", mailbox.lookback, expected, why)


def _org_steps(org: OrgConfig) -> Iterator[Step]:
    if org.max_age is not None and org.max_age < DAY:
        why = "every token is overdue as soon as it is there"
        yield _odd(org.name, "max_age", org.max_age, f"{duration_text(DAY)} or more", why)


def _trust_steps(config: Config) -> Iterator[Step]:
    trust = config.trust
    if trust.max_delay < SHORTEST_DELAY:
        why = "genuine mail that a mail server kept for longer is held; they try for a day"
        expected = f"{duration_text(SHORTEST_DELAY)} or more"
        yield _odd("trust", "max_delay", trust.max_delay, expected, why)
    if trust.clock_skew < SHORTEST_SKEW:
        why = "genuine mail is held where the mail server's clock is behind by more"
        expected = f"{duration_text(SHORTEST_SKEW)} or more"
        yield _odd("trust", "clock_skew", trust.clock_skew, expected, why)


def _odd(subject: str, key: str, got: timedelta, expected: str, why: str) -> Step:
    saw = f"{key}: got {duration_text(got)}, expected {expected}: {why}"
    return About(AREA, subject).warning("durations", saw, CODE)
