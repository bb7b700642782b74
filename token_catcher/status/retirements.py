"""What Salesforce retires of the ways in by password and token, and when; pure.

Each date says how sure it is, and where it can be read: whoever plans by it should look once more.
As of November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

TOLD_WITHIN: Final = timedelta(days=90)
"""How long before its day a retirement is told of, and how long after it."""

Certainty = Literal["announced", "reported", "assumed"]
"""announced: Salesforce names the day; reported: others do, and Salesforce only the change;
assumed: Salesforce names a release, and the day is ours, the earliest that it may be."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """One of them."""

    name: str
    """Stable, for machines."""
    on: date
    """UTC."""
    certainty: Certainty
    what: str
    """What fails from that day on, and what it takes to go on."""
    page: str
    """Where Salesforce tells of it."""

    def days_left(self, now: datetime) -> int:
        """Whole days until it begins; 0 on the day itself, negative afterwards."""
        return (self.on - now.date()).days


RETIREMENTS: Final = (
    # The change by the developer guide (Winter '27); the day by a digest of the release notes and
    # a consultancy. Some orgs may have it since October.
    Retirement(
        "use-any-api-auth",
        date(2026, 12, 1),
        "reported",
        "SOAP login() by password and token fails with INSUFFICIENT_ACCESS unless the user has the"
        " permission Use Any API Auth",
        "https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_login.htm",
    ),
    # Spring '27: the release alone is named.
    Retirement(
        "instanced-urls",
        date(2027, 2, 1),
        "assumed",
        "URLs that name an instance end with Spring '27: log in by the org's My Domain",
        "https://help.salesforce.com/s/articleView"
        "?id=xcloud.domain_name_setting_login_policy.htm&type=5",
    ),
    # "No extension, no exception."
    Retirement(
        "username-password-flow",
        date(2027, 2, 20),
        "announced",
        "the OAuth username-password flow of connected apps ends; external client apps have none",
        "https://help.salesforce.com/s/articleView?id=005461976&type=1",
    ),
    # Summer '27: 2027-06-01 by a consultancy. The release notes list it with Spring '27 as well,
    # and the test run of the release update switches it off at once.
    Retirement(
        "soap-login",
        date(2027, 6, 1),
        "assumed",
        "SOAP login() ends with Summer '27, or with Spring '27 already: an external client app"
        " with client credentials or JWT bearer takes its place",
        "https://help.salesforce.com/s/articleView?id=005132110&type=1",
    ),
)
"""In the order of their days."""


def near(now: datetime) -> list[Retirement]:
    """Those that come within `TOLD_WITHIN`, or came no longer ago, in the order of their days."""
    return [
        retirement
        for retirement in RETIREMENTS
        if abs(retirement.days_left(now)) <= TOLD_WITHIN.days
    ]
