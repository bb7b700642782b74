"""The proof itself: each policy combines the signature that we check and the receiving server's
assessment in its own way (docs/trust.md, requirements 5 to 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from token_catcher.errors import TransientError
from token_catcher.model import Reason
from token_catcher.proof import authres, signature
from token_catcher.proof.case import Case, Finding, Policy
from token_catcher.proof.tags import Verdict, Verification

_REASONS: Final[Mapping[Verdict, Reason]] = {
    "none": Reason.UNSIGNED,
    "no-key": Reason.NO_KEY,
}


def _by_dkim(case: Case) -> Finding:
    return _of_verification(case, _verify(case))


def _by_results(case: Case) -> Finding:
    case.by_server = True
    return _of_assessment(case, _assess(case))


def _by_either(case: Case) -> Finding:
    """DKIM first; where nothing speaks against the signature, the receiving server decides.

    Where that server is silent too, a person does; where DNS is silent, or has no key, and the
    server does not vouch for the mail, a later try. So does a person where the signature is bad
    and the server passed the mail all the same."""
    # The server first: it costs no question to DNS, and decides where DNS is silent.
    assessed = _of_assessment(case, _assess(case), undecided=("unsure", "none"))
    try:
        verification = _verify(case)
    except TransientError:
        if not assessed.passed:
            raise
        case.by_server = True
        return assessed
    verified = _of_verification(case, verification)
    # A forger can make a signature uncheckable, and then has only the server to convince. A bad
    # signature stores nothing, unless the server checked it before it put a tag in front of the
    # subject. Where it passed, a signed field may have been rewritten since, or the key revoked.
    passed_before = verification.verdict == "fail" and assessed.passed
    if passed_before and not _is_tagged(case):
        return replace(verified, held=True, saw=f"{verified.saw}; {assessed.saw}")
    # The server asked the same DNS for the same key: what it found may be as wrong.
    vouched_for = verification.verdict == "no-key" and assessed.passed
    if not (verification.verdict == "unverifiable" or vouched_for or passed_before):
        return verified
    case.by_server = True
    return replace(assessed, saw=f"{verified.saw}; {assessed.saw}")


def _is_tagged(case: Case) -> bool:
    """Whether a known subject has a tag beside it, be it configured or not."""
    subject = case.candidate.subject
    if case.candidate.tagged:
        return True
    return any(known in subject for known in case.terms.subjects if known != subject)


def _by_both(case: Case) -> Finding:
    verified = _by_dkim(case)
    assessed = _of_assessment(case, _assess(case))
    # A key that may still come changes nothing where the server has said no.
    decided_by_server = verified.held and not (assessed.passed or assessed.held)
    if not (verified.passed or decided_by_server):
        return verified
    saw = f"{verified.saw}; {assessed.saw}"
    return replace(assessed, saw=saw, wanted=f"{verified.wanted}; {assessed.wanted}")


def _by_nothing(_case: Case) -> Finding:
    nothing = "nothing: insecure-accept-unauthenticated"
    return Finding(True, nothing, nothing)


def _verify(case: Case) -> Verification:
    mail = case.candidate.mail
    domains = case.terms.signing_domains
    try:
        return signature.check(
            mail.raw, case.candidate.header, mail.received_at, domains, case.keys
        )
    except TransientError as silence:
        if not case.last_try:
            raise
        return Verification("no-key", str(silence))


def _of_verification(case: Case, verification: Verification) -> Finding:
    """Also keeps the time of signing and what is signed, for the rules `signed-at` and `claim`."""
    case.signed_at = verification.signed_at
    case.covers_encoding = verification.covers_encoding
    reason = _REASONS.get(verification.verdict, Reason.BAD_SIGNATURE)
    return Finding(
        verification.verdict == "pass",
        verification.saw,
        "a DKIM signature of " + ", ".join(case.terms.signing_domains),
        reason,
        # Without a key nobody can tell whether the mail is genuine.
        held=reason is Reason.NO_KEY,
    )


def _assess(case: Case) -> authres.Assessment:
    header = case.candidate.header
    terms = case.terms
    domain = (case.sender or "").rpartition("@")[2]
    return authres.assess(
        header, terms.authserv_ids, terms.authserv_zone, domain, terms.signing_domains
    )


def _of_assessment(
    case: Case, assessment: authres.Assessment, *, undecided: Sequence[str] = ("unsure",)
) -> Finding:
    """`undecided`: the verdicts of a server that leave the decision to a person."""
    servers = [server or "''" for server in case.terms.authserv_ids] or ["nobody"]
    return Finding(
        assessment.verdict == "pass",
        assessment.saw,
        "dmarc=pass and dkim=pass, said by " + ", ".join(servers),
        Reason.UNAUTHENTICATED,
        held=assessment.verdict in undecided,
    )


POLICIES: Final[Mapping[Policy, Callable[[Case], Finding]]] = {
    "dkim": _by_dkim,
    "authentication-results": _by_results,
    "auto": _by_either,
    "both": _by_both,
    "insecure-accept-unauthenticated": _by_nothing,
}
