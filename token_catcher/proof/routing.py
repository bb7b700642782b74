"""Which org a username belongs to.

Paths come from configuration; a mail can only choose among what is configured.

A username alone may not tell: the same one can exist in production and in a sandbox, in ours and
in a stranger's. So two more things that a mail reveals are heard.

`Sandbox: ` in the subject, which is signed, excludes production orgs. Its absence excludes nothing,
and must not pass for a mark either: a sandbox org that no `org_id` pins wants it.

The sending org's id (`X-SFDC-LK`, the envelope sender) is unsigned: whoever has a copy of a mail
can write another one into it. So it confirms or excludes, and never chooses. Where several orgs
could be meant, what is signed must point to one of them, and the id must be the one that this org
is pinned to. An org that is not pinned keeps the first id that its mail revealed (`record.org_ids`,
asked by `trust`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from typing import Final, Literal

from token_catcher.model import Header, Held, Reason

MAX_USERNAME: Final = 80
ORG_ID: Final = re.compile(r"00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?", re.ASCII)

_USERNAME: Final = re.compile(
    r"[A-Za-z0-9_+'-][A-Za-z0-9._+'-]*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII
)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._+'@-]+", re.ASCII)
_ENVELOPE: Final = re.compile(
    r"(?i)(<)?[^<>@\s]*@(?:[a-z0-9-]+\.)+([a-z0-9-]{2,15})\.[a-z0-9-]+\.bnc\.salesforce\.com"
    r"(?(1)>)"
)
_CODE_LENGTH: Final = 15
"""Characters of an org's code in the envelope sender: 18 of the long form without `00D`."""
_CASES: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
"""What each of the three last characters of an org id says: which of five letters are capitals."""


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
    """The org's code in each envelope sender of Salesforce's that the id does not rule out"""

    @property
    def one_org(self) -> bool:
        """Whether something is revealed, and nothing contradicts it."""
        if self.ids:
            return self.fits(self.ids[0])
        return len({code.lower() for code in self.envelopes}) == 1

    @property
    def org_id(self) -> str | None:
        """The one id that is revealed, as 15 characters; None where there is none or several."""
        if not self.one_org:
            return None
        if self.ids:
            return self.ids[0][:15]
        return _id_of(self.envelopes[0])

    @property
    def lack(self) -> str:
        """Why there is no one id, in a few words."""
        if self.ids or self.envelopes:
            return "org ids that contradict each other"
        return "no org id"

    def fits(self, org_id: str) -> bool:
        """Whether everything revealed is this org."""
        codes = _codes(org_id)
        # Envelopes lose the case of an id; the last three characters of the code keep it.
        by_header = all(_same_id(revealed, org_id) for revealed in self.ids)
        return by_header and all(code.lower() in codes for code in self.envelopes)


def is_username(text: str) -> bool:
    """The form of a Salesforce username, in ASCII, at most 80 characters."""
    return len(text) <= MAX_USERNAME and ".." not in text and _USERNAME.fullmatch(text) is not None


def is_plain_path(path: str) -> bool:
    """Whether no segment is empty, `.` or `..`, and no character is special to Vault or HTTP."""
    return all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in path.split("/"))


def revealed_orgs(header: Header) -> Revealed:
    """Read the two places, X-SFDC-LK and Return-Path."""
    # A value of another form than an org id is kept: it contradicts every pinned one.
    ids = tuple(_values(header, "X-SFDC-LK"))
    # Each server on the way may leave a Return-Path: a forwarder's own says nothing of the org.
    codes = []
    for value in _values(header, "Return-Path"):
        sender = _ENVELOPE.fullmatch(value)
        if sender is not None:
            codes.append(sender[2])
    return Revealed(ids, _decided(codes, ids))


def _decided(codes: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Of envelopes that name several orgs, those that the one id in the header names as well."""
    named = [code for code in codes if len(ids) == 1 and Revealed((), (code,)).fits(ids[0])]
    return tuple(named or codes)


def _values(header: Header, name: str) -> list[str]:
    # A stranger's Return-Path may hold any bytes.
    return [field.value.decode("ascii", "replace").strip() for field in header.all(name)]


def assign(orgs: Sequence[Org], username: str, *, sandbox: bool, revealed: Revealed) -> Org | Held:
    """The one org of a validated, lower-cased username, or why a person must decide."""
    named = naming(orgs, username)
    if not named:
        return Held(Reason.UNKNOWN_USER, f"no org names {username}")
    # The absence of `Sandbox: ` proves nothing, so only its presence excludes.
    fitting = [org for org in named if not (sandbox and org.environment == "production")]
    if not fitting:
        return Held(Reason.WRONG_ENVIRONMENT, f"a sandbox mail for {_listed(named)}")
    # Who leaves the id out, or names two, must not get round the pin by way of the other org.
    if any(org.org_id for org in fitting) and not revealed.one_org:
        return Held(Reason.WRONG_ORG, f"{revealed.lack} in a mail for {_listed(fitting)}")
    meant = _meant(fitting, sandbox=sandbox)
    if meant is None:
        return Held(Reason.AMBIGUOUS_ORG, f"{username} matches {_listed(fitting)}")
    if not _may_be_from(meant, revealed, orgs):
        return Held(Reason.WRONG_ORG, f"another org's id in a mail for {meant.name}")
    return _marked(meant, sandbox=sandbox)


def _marked(org: Org, *, sandbox: bool) -> Org | Held:
    """The org, where the mail shows that it is from its environment: by a mark, or by its id."""
    if org.environment == "sandbox" and org.org_id is None and not sandbox:
        return Held(Reason.WRONG_ENVIRONMENT, f"no `Sandbox: ` in a mail for {org.name}")
    return org


def _meant(fitting: Sequence[Org], *, sandbox: bool) -> Org | None:
    """The org that the mail speaks of with what is signed; None: that leaves several."""
    if len(fitting) == 1:
        return fitting[0]
    environment = "sandbox" if sandbox else "production"
    marked = [org for org in fitting if org.environment == environment]
    # Without a pin nothing would confirm what the absence of a mark only suggests.
    if len(marked) == 1 and marked[0].org_id is not None:
        return marked[0]
    return None


def _may_be_from(org: Org, revealed: Revealed, orgs: Sequence[Org]) -> bool:
    """Whether the id that the mail reveals does not exclude the org.

    The mail of a pinned org is for no other, also where the pinned one does not name the user."""
    if org.org_id is not None:
        return revealed.fits(org.org_id)
    if not revealed.one_org:
        return True
    return not any(other.org_id and revealed.fits(other.org_id) for other in orgs)


def naming(orgs: Sequence[Org], username: str) -> list[Org]:
    """The orgs that have this very name; where none has, those with a pattern that fits."""
    named = [org for org in orgs if username in org.usernames]
    if named:
        return named
    return [org for org in orgs if any(matches(pattern, username) for pattern in org.usernames)]


def overlaps(orgs: Sequence[Org]) -> list[tuple[Org, Org, str]]:
    """Pairs of orgs that nothing signed tells apart, and the username or patterns both claim."""
    pairs = []
    for one, other in combinations(orgs, 2):
        if not _same_environment(one, other):
            continue
        shared = _shared(one, other)
        if shared is not None:
            pairs.append((one, other, shared))
    return pairs


def _same_id(one: str, other: str) -> bool:
    """15 and 18 characters name the same org: the last three only repeat the case of the others."""
    return ORG_ID.fullmatch(one) is not None and one[:15] == other[:15]


@lru_cache(maxsize=64)  # a mail is held against the same few ids several times
def _codes(org_id: str) -> frozenset[str]:
    """The org as the envelope sender writes it.

    All 18 characters but `00D`, in lower case, the first run of zeros as `-`."""
    chunks = [org_id[start : start + 5] for start in (0, 5, 10)]
    suffix = "".join(_CASES[_capitals(chunk)] for chunk in chunks)
    code = (org_id[3:15] + suffix).lower()
    # All samples have a run of several zeros. Whether a lone one counts is not known, so it may.
    return frozenset((re.sub("00+", "-", code, count=1), re.sub("0+", "-", code, count=1)))


def _id_of(code: str) -> str | None:
    """The org id, of 15 characters, that the envelope sender writes so; None: none."""
    head, hyphen, tail = code.upper().partition("-")
    zeros = ""
    if hyphen:
        zeros = "0" * (_CODE_LENGTH - len(head) - len(tail))
    letters = "00D" + head + zeros + tail
    # Each of the last three says which of five characters are capitals.
    chunks = zip((letters[start : start + 5] for start in (0, 5, 10)), letters[15:], strict=False)
    org_id = "".join(_cased(chunk, case) for chunk, case in chunks)
    if ORG_ID.fullmatch(org_id) is None or code.lower() not in _codes(org_id):
        return None
    return org_id


def _cased(letters: str, case: str) -> str:
    """Capitals in the case that the character of an org id says."""
    bits = _CASES.find(case)
    cased = ""
    for place, letter in enumerate(letters):
        cased += letter if bits & 1 << place else letter.lower()
    return cased


def _capitals(letters: str) -> int:
    """A bit for each letter, the first one lowest, set where it is a capital."""
    bits = 0
    for place, letter in enumerate(letters):
        if letter.isupper():
            bits |= 1 << place
    return bits


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits; `*` stands for any characters. Linear in the text for each star."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    if not text.startswith(first):
        return False
    position = len(first)
    for piece in rest[:-1]:
        start = text.find(piece, position)
        if start < 0:
            return False
        position = start + len(piece)
    # The last piece must not overlap what the others took: `a*a` needs two letters.
    return len(text) - position >= len(rest[-1]) and text.endswith(rest[-1])


def _same_environment(one: Org, other: Org) -> bool:
    return one.environment == other.environment or None in (one.environment, other.environment)


def _shared(one: Org, other: Org) -> str | None:
    """A name, or two patterns that meet. A name beats a pattern, so those two can be told apart."""
    for mine, theirs in product(one.usernames, other.usernames):
        if mine == theirs:
            return mine
        if "*" in mine and "*" in theirs and _meet(mine, theirs):
            return f"{mine} and {theirs}"
    return None


def _meet(one: str, other: str) -> bool:
    """Whether some text fits both patterns: some way leads to the end of both at once."""
    waiting = {(0, 0)}
    visited: set[tuple[int, int]] = set()
    while waiting:
        place = waiting.pop()
        if place == (len(one), len(other)):
            return True
        if place not in visited:
            visited.add(place)
            waiting.update(_next_places(one, other, *place))
    return False


def _next_places(one: str, other: str, i: int, j: int) -> Iterator[tuple[int, int]]:
    """Where the text can go on that fits `one` up to i and `other` up to j."""
    in_one = i < len(one)
    in_other = j < len(other)
    star_in_one = in_one and one[i] == "*"
    star_in_other = in_other and other[j] == "*"
    if star_in_one or (star_in_other and in_one):
        yield i + 1, j  # the star of `one` ends, or that of `other` takes a character of `one`
    if star_in_other or (star_in_one and in_other):
        yield i, j + 1
    if in_one and in_other and one[i] == other[j]:
        yield i + 1, j + 1


def _listed(orgs: Sequence[Org]) -> str:
    return ", ".join(org.name for org in orgs)
