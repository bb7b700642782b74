"""How mail ends, by the reason in its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice
from token_catcher.model import Reason

MAIL: Final[Mapping[Reason, Advice]] = {
    Reason.OVERSIZED: Advice(
        701,
        "The mail is larger than a token mail can be.",
    ),
    Reason.MALFORMED: Advice(
        702,
        "Two programs could read the mail differently, so that one could be fooled.",
    ),
    Reason.MISSING_HEADER: Advice(
        703,
        "A header field that every token mail has is missing.",
    ),
    Reason.DUPLICATE_HEADER: Advice(
        704,
        "A header field that may stand once stands twice.",
    ),
    Reason.BAD_DATE: Advice(
        705,
        "The Date is none that all programs read alike.",
        "not all programs read this Date alike, so it cannot be told whether the token is the"
        " newest: store by hand if genuine, or reset the token once more",
    ),
    Reason.WRONG_SENDER: Advice(
        706,
        "From is not one plain address of a domain that signs.",
        if_genuine=(
            "Salesforce writes one plain address of its own domain in From: forwarded by hand"
            " or through a list, a token mail proves nothing"
        ),
    ),
    Reason.WRONG_RECIPIENT: Advice(
        707,
        "To names nobody of the mailbox's addresses.",
        "if the address in To is the mailbox's own, add it, or a pattern for it, to"
        " mailboxes[].addresses",
    ),
    Reason.DATE_OUT_OF_BOUNDS: Advice(
        708,
        "The Date is too long before, or after, the arrival.",
        "if the mail was kept back (a quarantine, say) and the token is still the valid one,"
        " release it or raise trust.max_delay; if a clock is wrong, correct it or raise"
        " trust.clock_skew",
    ),
    Reason.UNSIGNED: Advice(
        709,
        "No signature of Salesforce's is in the mail.",
        if_genuine=(
            "Salesforce signs all its mail: if this is genuine, something on its way took the"
            " signature off"
        ),
    ),
    Reason.BAD_SIGNATURE: Advice(
        710,
        "The signature does not fit the mail.",
        "the receiving server passed the mail, and its signature does not fit any more: a"
        " signed field was rewritten after that, or the key was revoked. Compare the mail with"
        " Salesforce and store by hand, or reset the token once more; if your server rewrites"
        " all such mail, see docs/mailboxes.md",
        if_genuine=(
            "if the server changes the mail it stores (Microsoft 365, Exchange) or puts tags in"
            " front of subjects, see docs/mailboxes.md"
        ),
    ),
    Reason.UNAUTHENTICATED: Advice(
        711,
        "Neither a signature nor the receiving server vouches for the mail.",
        "nobody could vouch for the mail: compare trust.authserv_ids and authserv_zone with"
        " docs/mailboxes.md, or reset the token once more",
        if_genuine=(
            "if this is genuine, compare trust.authserv_ids and authserv_zone with"
            " docs/mailboxes.md"
        ),
    ),
    Reason.BAD_USERNAME: Advice(
        712,
        "The username has a form that none has.",
        "something on its way changed the username (a link, invisible marks): look at the mail,"
        " store by hand if genuine",
    ),
    Reason.UNREADABLE: Advice(
        713,
        "This program failed while it read the mail.",
        "this is a fault of ours: store this token by hand and report it",
        if_genuine="this is a fault of ours: store this token by hand and report it",
    ),
    Reason.UNKNOWN_SENDER: Advice(
        714,
        "The mail is proven, and its sender is not among `trust.senders`.",
        "if your org's token mail comes from this address, add it to trust.senders; where it is"
        " listed and the name beside it is odd, store by hand if genuine",
    ),
    Reason.WEAK_SIGNATURE: Advice(
        715,
        "The mail is vouched for, and no signature is left that covers all that counts.",
        "the server vouches for the mail, but no signature of Salesforce's that covers all that"
        " counts is left in it: have the server keep DKIM-Signature fields (docs/mailboxes.md),"
        " or compare the mail with Salesforce and store by hand",
    ),
    Reason.UNKNOWN_SUBJECT: Advice(
        716,
        "The mail is proven, and its subject is not among `trust.subjects`.",
        "if your mail system put something such as [EXTERNAL] in front, add that to"
        " trust.subject_tags; if this is Salesforce's subject in the user's language, add it to"
        " trust.subjects",
    ),
    Reason.UNKNOWN_LAYOUT: Advice(
        717,
        "The mail is proven, and username and token do not stand where they always stood.",
        "Salesforce changed the mail: store this token by hand and report the layout",
    ),
    Reason.AMBIGUOUS_CLAIM: Advice(
        718,
        "The mail is proven, and has more than one username or token.",
        "more than one username or token stands in the mail: look at it, store by hand if genuine",
    ),
    Reason.UNEXPECTED_PART: Advice(
        719,
        "The mail is proven, and has parts that a token mail never had.",
        "the mail has parts a token mail never had: look at it, store by hand if genuine",
    ),
    Reason.UNKNOWN_USER: Advice(
        720,
        "The mail is proven, and no org of the configuration has the user.",
        "if the user is yours, add the username to an org's usernames",
    ),
    Reason.AMBIGUOUS_ORG: Advice(
        721,
        "The mail is proven, and the user fits more than one org.",
        "two orgs match: set environment and org_id on both, or name the user in the one",
    ),
    Reason.WRONG_ORG: Advice(
        722,
        "The mail is proven, and comes from another Salesforce org than the configured one.",
        "the mail comes from another org than org_id says, or than the org's first mail did: if"
        " it is yours (a refreshed sandbox, say), set org_id to the id in the mail; ignore a"
        " stranger's org",
    ),
    Reason.WRONG_ENVIRONMENT: Advice(
        723,
        "The mail is proven, and is of a sandbox where production is configured, or the other"
        " way round.",
        "a sandbox's mail for a production org: add a sandbox org with the username; a mail"
        " without `Sandbox: ` for a sandbox: if it is yours, set org_id on that org",
    ),
    Reason.SECRET_DELETED: Advice(
        724,
        "The mail is proven, and a person has deleted the secret in Vault.",
        "the secret was deleted on purpose: undelete it or remove its metadata in Vault, or set"
        " vault.on_deleted to write",
    ),
    Reason.SAME_DATE: Advice(
        725,
        "The mail is proven, and another token with the same Date is in Vault.",
        "two different tokens with the same Date: reset the token once more",
    ),
    Reason.CLOCKS_DISAGREE: Advice(
        726,
        "The mail is proven, and of two clocks each says another token is the newer one.",
        "of two tokens one is newer by the Date of its mail and the other by its arrival: set"
        " the clock of the mail server, and reset the token once more after both Dates have"
        " passed",
    ),
    Reason.UNKNOWN_AGE: Advice(
        727,
        "The mail is proven, and somebody else wrote the token that is in Vault.",
        "somebody else wrote this secret, perhaps after the reset: remove its token if the"
        " mail's is newer",
    ),
    Reason.NO_KEY: Advice(
        728,
        "No key was found for the signature, in days, so that nobody can tell whether the mail"
        " is genuine.",
        "there is no key to check the signature with (before the daemon holds such a mail it"
        " has asked DNS again, for a day at least): check the resolvers of this machine, pin the"
        " key under trust.dkim_keys, or reset the token once more; the mail may be forged",
    ),
    Reason.SAME_TOKEN: Advice(
        729,
        "The token was in Vault already.",
    ),
    Reason.STALE: Advice(
        730,
        "A newer token was in Vault already.",
    ),
}
