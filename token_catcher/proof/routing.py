"""Which org a username belongs to. Paths come from configuration; a mail can only choose among what is configured.

A username alone may not tell: the same one can exist in production and in a sandbox, in ours and in a stranger's. So two more
things that a mail reveals are heard, each only to exclude: `Sandbox: ` in the subject excludes production orgs, and the
sending org's id (`X-SFDC-LK`, the envelope sender; both unsigned) excludes all but the org that is pinned to it with `org_id`.
Where an org that the mail could be for is pinned, a mail that does not reveal one id is held, even if another is not pinned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from token_catcher.model import Header, Held, Reason

MAX_USERNAME: Final = 80
ORG_ID: Final = re.compile(r"00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?", re.ASCII)

_USERNAME: Final = re.compile(
    r"[A-Za-z0-9_+'-][A-Za-z0-9._+'-]*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII
)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._+'@-]+", re.ASCII)
_ENVELOPE: Final = re.compile(
    r"(?i)<[^<>@\s]*@(?:[a-z0-9-]+\.)+([a-z0-9-]{2,15})\.[a-z0-9-]+\.bnc\.salesforce\.com>"
)


@dataclass(frozen=True, slots=True)
class Org:
    """One Salesforce org of the configuration."""

    name: str
    usernames: tuple[str, ...]
    """Lower-cased names, or patterns where `*` stands for any characters."""
    environment: Literal["production", "sandbox"] | None = None
    org_id: str | None = None
    """00D and 12 or 15 more characters"""


@dataclass(frozen=True, slots=True)
class Revealed:
    """What a mail reveals of the org that sent it; unsigned."""

    ids: tuple[str, ...]
    """`X-SFDC-LK`, as written"""
    envelopes: tuple[str, ...]
    """The org's code in the envelope sender; '' for one that is not Salesforce's beside one that is"""

    @property
    def one_org(self) -> bool:
        """Whether something is revealed, and nothing contradicts it."""
        if self.ids:
            return self.fits(self.ids[0])
        return len({code.lower() for code in self.envelopes}) == 1

    def fits(self, org_id: str) -> bool:
        """Whether everything revealed is this org."""
        by_header = all(_same_id(seen, org_id) for seen in self.ids)
        return by_header and all(code.lower() in _codes(org_id) for code in self.envelopes)


def is_username(text: str) -> bool:
    """The form of a Salesforce username, in ASCII, at most 80 characters."""
    return len(text) <= MAX_USERNAME and ".." not in text and _USERNAME.fullmatch(text) is not None


def is_plain_path(path: str) -> bool:
    """Whether no segment is empty, `.` or `..`, and no character means anything to Vault or HTTP."""
    return all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in path.split("/"))


def revealed_orgs(header: Header) -> Revealed:
    """Read the two places. A value of another form than an org id is kept: it contradicts every pinned one.

    The receiving server writes one Return-Path. Where there are more, all must name the same org."""
    ids = tuple(one.value.decode("ascii").strip() for one in header.all("X-SFDC-LK"))
    found = [
        _ENVELOPE.fullmatch(one.value.decode("ascii").strip()) for one in header.all("Return-Path")
    ]
    return Revealed(ids, tuple(one[1] if one else "" for one in found) if any(found) else ())


def assign(orgs: Sequence[Org], username: str, *, sandbox: bool, revealed: Revealed) -> Org | Held:
    """The one org of a validated, lower-cased username, or why a person must decide."""
    named = [org for org in orgs if username in org.usernames]
    named = named or [
        org for org in orgs if any(_matches(pattern, username) for pattern in org.usernames)
    ]
    if not named:
        return Held(Reason.UNKNOWN_USER, f"no org names {username}")
    fitting = [org for org in named if not (sandbox and org.environment == "production")]
    if not fitting:
        return Held(Reason.WRONG_ENVIRONMENT, f"a sandbox mail for {_listed(named)}")
    if any(org.org_id for org in fitting) and not revealed.one_org:
        saw = (
            "org ids that contradict each other"
            if revealed.ids or revealed.envelopes
            else "no org id"
        )
        return Held(Reason.WRONG_ORG, f"{saw} in a mail for {_listed(fitting)}")
    allowed = [org for org in fitting if _id_allows(org, revealed, orgs)]
    if not allowed:
        return Held(Reason.WRONG_ORG, f"another org's id in a mail for {_listed(fitting)}")
    if len(allowed) > 1:
        return Held(Reason.AMBIGUOUS_ORG, f"{username} matches {_listed(allowed)}")
    return allowed[0]


def overlaps(orgs: Sequence[Org]) -> list[tuple[Org, Org, str]]:
    """Pairs of orgs that no mail could ever tell apart, and a username or pattern that both claim."""
    return [
        (one, other, shared)
        for one, other in combinations(orgs, 2)
        if _same_environment(one, other) and _never_told_by_id(one, other)
        for shared in [_shared(one, other)]
        if shared is not None
    ]


def _id_allows(org: Org, revealed: Revealed, orgs: Sequence[Org]) -> bool:
    """A mail of a pinned org is for this one alone; a mail of no pinned org is for those that are not pinned."""
    pinned = [one for one in orgs if one.org_id and revealed.one_org and revealed.fits(one.org_id)]
    return org in pinned if pinned else org.org_id is None


def _same_id(one: str, other: str) -> bool:
    """15 and 18 characters name the same org: the last three only repeat the case of the others."""
    return bool(ORG_ID.fullmatch(one)) and one[:15] == other[:15]


def _codes(org_id: str) -> set[str]:
    """The org as the envelope sender writes it: 18 characters without `00D`, lower-cased, the first run of zeros as `-`.

    The three last characters follow from the case of the fifteen."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    chunks = [org_id[start : start + 5] for start in (0, 5, 10)]
    suffix = "".join(
        alphabet[sum(c.isupper() << n for n, c in enumerate(chunk))] for chunk in chunks
    )
    code = (org_id[3:15] + suffix).lower()
    return {re.sub("00+", "-", code, count=1), re.sub("0+", "-", code, count=1)}


def _matches(pattern: str, username: str) -> bool:
    """`*` stands for any characters; linear in the username for each star."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == username
    if not username.startswith(first):
        return False
    position = len(first)
    for piece in rest[:-1]:
        found = username.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return len(username) - position >= len(rest[-1]) and username.endswith(rest[-1])


def _same_environment(one: Org, other: Org) -> bool:
    return one.environment == other.environment or None in (one.environment, other.environment)


def _never_told_by_id(one: Org, other: Org) -> bool:
    if one.org_id is None and other.org_id is None:
        return True
    return (
        one.org_id is not None and other.org_id is not None and _same_id(one.org_id, other.org_id)
    )


def _shared(one: Org, other: Org) -> str | None:
    """A name, or two patterns that meet. A name beats a pattern, so those two can be told apart."""
    for a in one.usernames:
        for b in other.usernames:
            if ("*" in a) == ("*" in b) and _meet(a, b):
                return a if a == b else f"{a} and {b}"
    return None


def _meet(a: str, b: str) -> bool:
    """Whether some text fits both patterns."""
    reachable = {(0, 0)}
    seen: set[tuple[int, int]] = set()
    while reachable:
        i, j = reachable.pop()
        if (i, j) == (len(a), len(b)):
            return True
        if (i, j) in seen:
            continue
        seen.add((i, j))
        star_a, star_b = a[i : i + 1] == "*", b[j : j + 1] == "*"
        if star_a:
            reachable |= {(i + 1, j), (i, j + 1)} if j < len(b) else {(i + 1, j)}
        if star_b:
            reachable |= {(i, j + 1), (i + 1, j)} if i < len(a) else {(i, j + 1)}
        if i < len(a) and j < len(b) and not star_a and not star_b and a[i] == b[j]:
            reachable.add((i + 1, j + 1))
    return False


def _listed(orgs: Sequence[Org]) -> str:
    return ", ".join(org.name for org in orgs)
