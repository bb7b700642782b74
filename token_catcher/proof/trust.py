"""Candidate in, Capture or Refused or Held out: the only module that can make a Capture.

It decides and does nothing else. Anybody can send mail to the watched mailbox. A mail changes a
secret only if *all* of this holds, and it is looked at in this order:

    nothing proves it (else Refused: nobody needs to look; Held where there is no key to look with)
      from          exactly one address, of a domain of `senders` or of a signing domain or one
                    below it; for all other mail no key is asked for
      proof         by `policy`: a DKIM signature of a signing domain, the receiving server's
                    assessment, or both
    proven, and something does not fit (else Held: a person decides)
      signature     where the receiving server is believed, a signature of a signing domain is
                    there, and each of them covers all that counts, in the time of the Date
      sender        From is one of `senders`, plainly written
      recipient     the signed To holds one of the mailbox's own addresses: no mail to somebody
                    else, re-sent
      date          everybody reads the signed Date alike, and it is at most `max_delay` before and
                    `clock_skew` after its arrival
      signed-at     a signature's `t=` is within a day of the Date
      username      of the form of a Salesforce username, in ASCII, before any folding of case
      claim         every text of the mail names the same one username and one token, also where
                    nobody obeys a transfer encoding that is not signed
      subject       one of `subjects`, after `Sandbox: `
      org           the username belongs to exactly one configured org, by name before pattern;
                    the environment and the sending org's id, where they are known, do not
                    contradict; the id is the configured one, or the one of the org's first mail
      path          what `path` makes of org and username is a plain path

The signature proves "Salesforce's servers sent this", not "this is our token": a stranger's org can
have Salesforce send us a real token mail. So the rules after `proof` matter as much as the proof.
But a mail that proved itself is never refused by one of them: what keeps it out may as well be our
configuration, a quarantine, or a clock, and the token in it may be the only one that is valid.

All rules that can be looked at leave evidence; the first that fails gives the verdict; an empty
table passes nothing; an exception refuses the mail, or holds one that is proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from token_catcher.errors import Subject, TokenCatcherError, TransientError
from token_catcher.model import (
    Candidate,
    Capture,
    Claim,
    Evidence,
    Held,
    Judgement,
    Reason,
    Refused,
    iso,
    masked,
)
from token_catcher.ports import KeyLookup, OrgIds
from token_catcher.proof import routing, signature
from token_catcher.proof.addresses import folded, listed_addresses, single_address
from token_catcher.proof.case import Case, Finding, Terms
from token_catcher.proof.policies import POLICIES
from token_catcher.proof.signature import SIGNED_WITHIN

USUAL_LENGTHS: Final = (24, 25)
"""Characters of all tokens in published mails."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the table."""

    name: str
    look: Callable[[Case], Finding | None]
    """None: there is nothing to look at, since an earlier rule failed."""
    verdict: type[Refused] | type[Held]
    reason: Reason
    costly: bool = False
    """Asks DNS: not for a mail that is refused already."""


class Trust:
    """Terms and keys in, judgements out."""

    def __init__(self, terms: Terms, keys: KeyLookup, org_ids: OrgIds | None = None) -> None:
        """`org_ids`: what is remembered of the orgs without an `org_id`; None: nothing is."""
        self._terms = terms
        self._keys = keys
        self._org_ids = org_ids

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains from which token mail comes."""
        senders = (sender.rpartition("@")[2] for sender in self._terms.senders)
        return (*senders, *self._terms.signing_domains)

    def judge(
        self,
        candidate: Candidate,
        addresses: Sequence[str],
        *,
        waive: frozenset[str] = frozenset(),
        last_try: bool = False,
    ) -> Judgement:
        """Look at a candidate under every rule. `addresses` are the mailbox's own.

        `waive`: rules that a person sets aside for this mail. They are looked at and leave
        evidence, and do not decide. `last_try`: a key that cannot be asked for holds the mail, as
        one that is not there does. TransientError: a key could not be asked for, so nothing can be
        said yet. StateError: what is remembered of the orgs cannot be read. ValueError: one of
        these rules can never be set aside."""
        if not waive <= WAIVABLE:
            raise ValueError(f"never set aside: {', '.join(sorted(waive - WAIVABLE))}")
        ours = tuple(address.lower() for address in addresses)
        case = Case(candidate, ours, self._terms, self._keys, waive, last_try, self._org_ids)
        try:
            verdict = _verdict(case)
        except TokenCatcherError as error:  # a silent DNS says nothing of the mail
            error.subject = _claimed_subject(case)
            raise
        except (MemoryError, OSError) as error:  # of this machine, not of the mail
            raise TransientError(
                f"judging was not possible now: {type(error).__name__}", code="internal"
            ) from None
        # Requirement 22: whatever a mail can do, it ends this mail, never the loop.
        except Exception as error:  # noqa: BLE001
            kind = Held if case.proven else Refused
            verdict = kind(Reason.UNREADABLE, type(error).__name__)
        org = case.org.name if case.org else None
        return Judgement(verdict, tuple(case.evidence), case.username, org)


def _claimed_subject(case: Case) -> Subject | None:
    """Whose token the mail claims to have; None: nobody's whose name could be shown."""
    _username(case)
    if case.username is None:
        return None
    issued_at = case.candidate.issued_at
    return Subject(case.username, issued_at=iso(issued_at) if issued_at else None)


def _verdict(case: Case) -> Capture | Refused | Held:
    """What the first failing rule says; a Capture where none fails."""
    verdict: Refused | Held | None = None
    for rule in RULES:
        if rule.costly and verdict is not None:
            case.evidence.append(
                Evidence(rule.name, False, "not looked at", "a mail that passes the rules above")
            )
            continue
        finding = rule.look(case)
        if finding is None:
            continue
        saw = _plain(finding.saw)
        waived = rule.name in case.waive and not (finding.passed or finding.final)
        case.evidence.append(
            Evidence(rule.name, finding.passed, saw, _plain(finding.wanted), waived)
        )
        # The others are looked at all the same: who asks why is told everything at once.
        if verdict is None and not finding.passed and not waived:
            kind = Held if finding.held else rule.verdict
            verdict = kind(finding.reason or rule.reason, saw)
    return verdict or _capture(case)


def _capture(case: Case) -> Capture | Refused:
    """The only place where a Capture is made: every rule has passed and left what it takes."""
    claim = case.candidate.claim
    issued_at = case.candidate.issued_at
    dated_at = case.candidate.date
    # Not "no rule has failed": a rule that was not looked at, or an empty table, passes nothing.
    complete = [line.rule for line in case.evidence if line.passed or line.waived] == [
        rule.name for rule in RULES
    ]
    if (
        not complete
        or not isinstance(claim, Claim)
        or not (case.username and case.org and case.path and issued_at and dated_at)
    ):
        return Refused(Reason.UNAUTHENTICATED, "not every rule was looked at")
    return Capture(
        case.candidate.mail,
        case.username,
        claim.token,
        case.org.name,
        case.path,
        issued_at,
        dated_at,
        case.org_id,
    )


def _from(case: Case) -> Finding:
    """Requirement 4. One address, of a domain that Salesforce may send from."""
    value = case.candidate.header.text("From") or ""
    address = case.sender
    domains = dict.fromkeys(sender.rpartition("@")[2] for sender in case.terms.senders)
    domains.update(dict.fromkeys(case.terms.signing_domains))
    passed = address is not None and _may_send(address, case.terms)
    return Finding(passed, value, "exactly one address of " + ", ".join(domains))


def _may_send(address: str, terms: Terms) -> bool:
    domain = address.rpartition("@")[2].lower()
    if any(sender.rpartition("@")[2].lower() == domain for sender in terms.senders):
        return True
    return any(f".{domain}".endswith(f".{signer.lower()}") for signer in terms.signing_domains)


def _sender(case: Case) -> Finding | None:
    """Requirement 4. Customers can have Salesforce send text of theirs from other addresses."""
    if case.sender is None:
        return None
    value = case.candidate.header.text("From") or ""
    senders = {folded(sender) for sender in case.terms.senders}
    wanted = "one of " + ", ".join(case.terms.senders)
    # Behind a name of another form some programs show another sender, so nobody can waive it.
    if single_address(value) is None:
        return Finding(False, value, f"{wanted}, plainly written", final=True)
    return Finding(folded(case.sender) in senders, case.sender, wanted)


def _recipient(case: Case) -> Finding:
    """Requirement 12. A mail to somebody else, re-sent to us, is not ours."""
    value = case.candidate.header.text("To") or ""
    ours = any(_is_ours(address, case.addresses) for address in listed_addresses(value))
    return Finding(ours, value, "one of " + ", ".join(case.addresses))


def _is_ours(address: str, ours: Sequence[str]) -> bool:
    """Whether an address, in whatever case, is one of ours or fits one of our patterns.

    Both have one @ each, so no `*` stands for it."""
    return any(routing.matches(own, address.lower()) for own in ours)


def _date(case: Case) -> Finding:
    """Requirement 12. Bounds replay; INTERNALDATE is the receiving server's own."""
    issued = case.candidate.date
    if issued is None:
        written = case.candidate.header.text("Date") or "nothing"
        wanted = "a Date in the form of RFC 5322, with a zone in figures"
        # Without a moment nobody can say whether a token is newer than the one in Vault.
        return Finding(False, written, wanted, Reason.BAD_DATE, final=True)
    arrived = case.candidate.mail.received_at
    passed = -case.terms.clock_skew <= arrived - issued <= case.terms.max_delay
    early = _in_hours(case.terms.max_delay)
    late = _in_hours(case.terms.clock_skew)
    saw = f"Date {iso(issued)}, received {iso(arrived)}"
    return Finding(passed, saw, f"at most {early} before and {late} after arrival")


def _in_hours(duration: timedelta) -> str:
    return f"{duration / timedelta(hours=1):g} h"


def _proof(case: Case) -> Finding:
    """Requirements 5 to 9, as the policy combines them."""
    finding = POLICIES[case.terms.policy](case)
    case.proven = finding.passed
    return finding


def _signature(case: Case) -> Finding | None:
    """Requirement 5. What the server checked must have covered what the rules below rest on."""
    if not case.proven:
        return None
    domains = ", ".join(case.terms.signing_domains)
    wanted = f"a signature of {domains} that covers all that counts, within a day of the Date"
    if not case.by_server:
        return Finding(True, "no server is relied on", wanted)
    candidate = case.candidate
    # A Date that cannot be read holds the mail by a rule of its own.
    issued = candidate.date or candidate.mail.received_at
    said = signature.read(candidate.header, issued, case.terms.signing_domains)
    case.signed_at = said.signed_at
    return Finding(said.verdict == "pass", said.saw, wanted)


def _signed_at(case: Case) -> Finding | None:
    """Requirement 12. Where there is no `t=`, the Date alone is signed."""
    issued = case.candidate.date
    if not case.proven or issued is None:
        return None
    wanted = "t= within a day of the Date, or none"
    signed = case.signed_at
    if signed is None:
        return Finding(True, "no t=", wanted)
    passed = abs(signed - issued) <= SIGNED_WITHIN
    return Finding(passed, f"t={iso(signed)}, Date {iso(issued)}", wanted)


def _username(case: Case) -> Finding | None:
    """Requirement 18. The form first, then the case: the Kelvin sign lower-cases to k."""
    claim = case.candidate.claim
    if not isinstance(claim, Claim):
        return None
    fits = routing.is_username(claim.username)
    if fits:
        case.username = claim.username.lower()
    return Finding(fits, claim.username, "letters, digits and . _ + - ' around one @, at most 80")


def _claim(case: Case) -> Finding:
    """Requirements 16 and 17; `extract` has read the texts."""
    claim = case.candidate.claim
    wanted = "one username and one token, the same in every text"
    if not isinstance(claim, Claim):
        return Finding(False, claim.saw, wanted, claim.reason)
    # Salesforce signs no Content-Transfer-Encoding: whoever has a copy can have it read otherwise.
    if case.candidate.encoded_only and not case.covers_encoding:
        saw = "a claim that only an unsigned Content-Transfer-Encoding makes"
        return Finding(False, saw, wanted, Reason.AMBIGUOUS_CLAIM)
    length = len(claim.token)
    saw = f"one username, one token of {length} characters"
    if length not in USUAL_LENGTHS:
        saw += ", unusual"
    return Finding(True, saw, wanted)


def _subject(case: Case) -> Finding:
    """Requirement 15. The prefix of a sandbox is no part of what is compared."""
    subject = case.candidate.subject
    prefix = "Sandbox: " if case.candidate.sandbox else ""
    known = case.terms.subjects
    # Behind a tag that nobody configured, the prefix was not seen for what it is: the mail would
    # count as production's, and no person who releases it could tell.
    hidden = "sandbox" in subject.lower()
    # So would one whose whole subject was replaced after the server had checked it.
    replaced = case.by_server and not any(text in subject for text in known)
    wanted = "one of " + ", ".join(known)
    return Finding(subject in known, prefix + subject, wanted, final=hidden or replaced)


def _org(case: Case) -> Finding | None:
    """Requirement 19. Anyone can have Salesforce send us a real token mail."""
    if case.username is None:
        return None
    candidate = case.candidate
    revealed = routing.revealed_orgs(candidate.header)
    assigned = routing.assign(
        case.terms.orgs, case.username, sandbox=candidate.sandbox, revealed=revealed
    )
    wanted = "a username that exactly one org names"
    if isinstance(assigned, Held):
        return Finding(False, assigned.saw, wanted, assigned.reason)
    if assigned.org_id is None and case.org_ids is not None:
        kept = case.org_ids.known(assigned.name)
        if kept is not None and not (revealed.one_org and revealed.fits(kept)):
            revealed_id = revealed.org_id or revealed.lack
            saw = f"{revealed_id} in a mail for {assigned.name}, whose first one came from {kept}"
            return Finding(False, saw, wanted, Reason.WRONG_ORG)
        case.org_id = revealed.org_id
    case.org = assigned
    return Finding(True, f"{case.username} belongs to {assigned.name}", wanted)


def _path(case: Case) -> Finding | None:
    """Requirements 20 and 21."""
    if case.org is None or case.username is None:
        return None
    path = case.terms.written_path(case.org.name, case.username)
    plain = routing.is_plain_path(path)
    if plain:
        case.path = path
    return Finding(plain, path, "segments of letters, digits and . _ + - ' @, none of them . or ..")


RULES: Final[Sequence[Rule]] = (
    Rule("from", _from, Refused, Reason.WRONG_SENDER),
    Rule("proof", _proof, Refused, Reason.UNAUTHENTICATED, costly=True),
    Rule("signature", _signature, Held, Reason.WEAK_SIGNATURE),
    Rule("sender", _sender, Held, Reason.UNKNOWN_SENDER),
    Rule("recipient", _recipient, Held, Reason.WRONG_RECIPIENT),
    Rule("date", _date, Held, Reason.DATE_OUT_OF_BOUNDS),
    Rule("signed-at", _signed_at, Held, Reason.DATE_OUT_OF_BOUNDS),
    Rule("username", _username, Held, Reason.BAD_USERNAME),
    Rule("claim", _claim, Held, Reason.UNKNOWN_LAYOUT),
    Rule("subject", _subject, Held, Reason.UNKNOWN_SUBJECT),
    Rule("org", _org, Held, Reason.UNKNOWN_USER),
    Rule("path", _path, Held, Reason.BAD_USERNAME),
)

WAIVABLE: Final = frozenset({"sender", "recipient", "date", "signed-at", "subject"})
"""The rules that a person can set aside for a mail: who sent it, for whom, when, and what its
subject is. Never its proof, nor what it claims, nor where that is written."""


def _plain(text: str) -> str:
    """For people and records: printable ASCII, at most 200 characters, no token (requirement 23).

    Mail text cannot draw on a terminal."""
    # Cut before the work, so that a field of any length costs little.
    return masked(ascii(text[:400])[1:-1])[:200]
