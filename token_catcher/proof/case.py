"""What a judgement goes by, and the state of one while it lasts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from token_catcher.model import Candidate, Evidence, Reason
from token_catcher.ports import KeyLookup, OrgIds
from token_catcher.proof import authres, routing
from token_catcher.proof.addresses import address_behind_a_name, single_address
from token_catcher.proof.routing import Org

Policy = Literal[
    "dkim", "authentication-results", "auto", "both", "insecure-accept-unauthenticated"
]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says of trust, in plain values."""

    orgs: tuple[Org, ...]
    path: str
    """`salesforce/{org}/{username}`, below the mount"""
    policy: Policy = "dkim"
    senders: tuple[str, ...] = ("support@salesforce.com", "support@emea.salesforce.com")
    signing_domains: tuple[str, ...] = ("salesforce.com",)
    subjects: tuple[str, ...] = ("Your new Salesforce security token",)
    authserv_ids: tuple[str, ...] = ()
    authserv_zone: authres.Zone = "above-first-received"
    max_delay: timedelta = timedelta(hours=24)
    """From the Date to the arrival. Salesforce retries delivery for a day."""
    clock_skew: timedelta = timedelta(hours=1)
    """How far a sending clock may run ahead of ours."""

    def path_of(self, org: str, username: str) -> str | None:
        """Where a token of this user of that org is written.

        None: nowhere, since that org does not name the user, or the path is no plain one."""
        if not any(named.name == org for named in routing.naming(self.orgs, username)):
            return None
        path = self.written_path(org, username)
        if not routing.is_plain_path(path):
            return None
        return path

    def written_path(self, org: str, username: str) -> str:
        """What `path` makes of them; whether that is a plain path is not looked at.

        No format string: mail text is never a template."""
        return self.path.replace("{org}", org).replace("{username}", username)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found."""

    passed: bool
    saw: str
    wanted: str
    reason: Reason | None = None
    """Where it is not the rule's usual one."""
    held: bool = False
    """The proof that, this once, leaves the decision to a person."""
    final: bool = False
    """No person can set the rule aside for this mail."""


@dataclass
class Case:
    """State of one decision in one object: what is fixed, and what the rules have found so far."""

    candidate: Candidate
    addresses: tuple[str, ...]
    terms: Terms
    keys: KeyLookup
    waive: frozenset[str] = frozenset()
    """The names of the rules that a person has set aside for this mail."""
    last_try: bool = False
    """Whether DNS has been silent for so long that its silence ends the mail."""
    org_ids: OrgIds | None = None
    """What is remembered of the orgs that the configuration does not pin; None: nothing is."""
    proven: bool = False
    by_server: bool = False
    """Whether the receiving server's assessment decides, and not a signature that we checked."""
    signed_at: datetime | None = None
    """`t=` of the signature that proved it, or that the receiving server checked."""
    covers_encoding: bool = False
    """Whether a signature that we checked covers Content-Transfer-Encoding."""
    username: str | None = None
    org: Org | None = None
    org_id: str | None = None
    """The sending org's id, where it is to be remembered."""
    path: str | None = None
    evidence: list[Evidence] = field(default_factory=list)

    @cached_property  # which wants no slots: several rules ask
    def sender(self) -> str | None:
        """The one address of From; None where there is none or there are several."""
        value = self.candidate.header.text("From") or ""
        return single_address(value) or address_behind_a_name(value)
