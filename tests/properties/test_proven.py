"""A mail that proves itself is never refused after that, whatever else stands in it."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.kit.mails import (
    ADDRESS,
    ISSUED,
    TOKEN,
    USERNAME,
    genuine_keys,
    mail,
    token_body,
    token_mail,
)
from tests.kit.signing import craft
from token_catcher.model import Candidate, Capture, Held, Mail
from token_catcher.proof.case import Terms
from token_catcher.proof.routing import Org
from token_catcher.proof.trust import Trust
from token_catcher.reading.extract import extract

TERMS = Terms((Org("acme", ("*@acme.example",)),), "salesforce/{org}/{username}")
WRITTEN = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
"""What may stand in a header, without white space."""
PLACES = st.sampled_from([ADDRESS, f'"x" <{ADDRESS}>', "a@b.example", "us: a@b.example;"])
SENDERS = st.sampled_from(
    [
        '"support@salesforce.com" <support@salesforce.com>',
        "support@emea.salesforce.com",
        '"Tokens" <tokens@salesforce.com>',
        "SUPPORT@SALESFORCE.COM",
    ]
)
SUBJECTS = st.sampled_from(
    [
        "Your new Salesforce security token",
        "Sandbox: Your new Salesforce security token",
        "[EXTERNAL] Your new Salesforce security token",
    ]
)
USERNAMES = st.sampled_from([USERNAME, f"{USERNAME}<mailto:{USERNAME}>"]) | st.text(max_size=30)
BODIES = st.sampled_from([TOKEN, "", "short"]).map(lambda token: token_body(token=token))


@st.composite
def signed(draw: st.DrawFn) -> Mail:
    """A mail with a good signature of Salesforce's over whatever it says."""
    body = draw(BODIES | USERNAMES.map(token_body) | st.text(max_size=200))
    octets = base64.encodebytes(body.encode("utf-8", "replace")).decode()
    plain = token_mail(
        sender=draw(SENDERS),
        to=draw(PLACES | WRITTEN),
        subject=draw(SUBJECTS | WRITTEN),
        body=octets,
        extra=f"Content-Transfer-Encoding: base64\nX-SFDC-LK: {draw(WRITTEN)}\n",
    )
    times: Any = st.integers(-3 * 10**6, 3 * 10**6).map(lambda seconds: timedelta(seconds=seconds))
    at = ISSUED + draw(st.just(timedelta()) | times)
    received = ISSUED + draw(st.just(timedelta()) | times)
    return mail(craft(plain, at=at), received_at=received)


@settings(max_examples=600, deadline=None)
@given(signed())
def test_a_proven_mail_is_never_refused(arrived: Mail) -> None:
    """What keeps it out may be our own mistake, so it waits for a person."""
    candidate = extract(arrived, TERMS.subjects)
    assume(isinstance(candidate, Candidate))
    assert isinstance(candidate, Candidate)
    judgement = Trust(TERMS, genuine_keys()).judge(candidate, (ADDRESS,))
    assert isinstance(judgement.verdict, Capture | Held)
