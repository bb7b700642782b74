"""The receiving server's assessment counts from its own hand, in its own place, and undisputed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.kit.cost import times_dearer
from token_catcher.model import Header
from token_catcher.proof import authres
from token_catcher.proof.authres import (
    MAX_BYTES,
    MAX_DEPTH,
    Assessment,
    Malformed,
    Result,
    Zone,
    read_results,
)
from token_catcher.reading import wire

SERVER = "mx.example.com"
DKIM = "dkim=pass header.d=salesforce.com"
DMARC = "dmarc=pass header.from=salesforce.com"
SAID = f"Authentication-Results: {SERVER}; {DKIM}; {DMARC}"
RECEIVED = (
    "Received: from smtp09.mta.salesforce.com by mx.example.com; Tue, 3 Feb 2026 12:57:27 +0000"
)
PASS = Assessment("pass", "authentication-results dmarc=pass, dkim=pass salesforce.com")
NOTHING = Assessment("none", "no Authentication-Results of our server in its zone")
DISAGREE = Assessment("fail", "results for dkim that do not agree")
UNPROVEN = Assessment("fail", "dmarc=pass, but no dkim=pass of a signing domain")

# Header blocks of the servers in docs/mailboxes.md, as they deliver a mail of Salesforce's; what
# Salesforce wrote stands below.
SALESFORCE = """\
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=salesforce.com; s=sel; t=1; h=Date:From;
 bh=x; b=y
Authentication-Results:  mx2-ia6-sp4.mta.salesforce.com x-tls.subject="/C=US/L=San
 Francisco/OU=0:app;1"; auth=pass (cipher=X)
Received: from [10.0.0.1] ([10.0.0.1:40046] helo=na247-app1-27-ia6.ops.sfdc.net)
\tby mx2-ia6-sp4.mta.salesforce.com (ecelerity 4.7.0.20112 r(msys-ecelerity:salesforce/4.7/sb1))
 with ESMTPS
\tid FA/5C-36148-CF43DC96; Tue, 3 Feb 2026 12:57:26 +0000
"""
GMAIL = """\
Delivered-To: ops@example.com
Received: by 2002:a05:690e:4402:b0:64a:db39:f002 with SMTP id 956f58d0204a3; Tue, 3 Feb 2026
 04:57:27 -0800 (PST)
X-Received: by 2002:a05:690e:1408:b0:64a:1 with SMTP id q8mr4; Tue, 3 Feb 2026 04:57:27 -0800 (PST)
ARC-Authentication-Results: i=1; mx.google.com;
       dkim=pass header.i=@salesforce.com header.s=sel header.b=lhk5qU4z;
       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=salesforce.com
Return-Path: <support=salesforce.com__0-1a@x1.b2.0x-abcuau.um8.bnc.salesforce.com>
Received: from smtp09-lo2-sp1.mta.salesforce.com (smtp09-lo2-sp1.mta.salesforce.com. [192.0.2.10])
        by mx.google.com with ESMTPS id d71si833482jab.10.2026.02.03.04.57.27
        for <ops@example.com> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        Tue, 3 Feb 2026 04:57:27 -0800 (PST)
Received-SPF: pass (google.com: domain of support@x.bnc.salesforce.com designates 192.0.2.10 as
 permitted sender)
Authentication-Results: mx.google.com;
       dkim=pass header.i=@salesforce.com header.s=sel header.b=lhk5qU4z;
       spf=pass (google.com: domain of support=salesforce.com__0-1a@x.bnc.salesforce.com
 designates 192.0.2.10 as permitted
 sender) smtp.mailfrom="support=salesforce.com__0-1a@x.bnc.salesforce.com";
       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=salesforce.com
"""
MICROSOFT = """\
Received: from SA1PR06MB6790.namprd06.prod.outlook.com (2603:10b6:5:2ce::8) by
 BY5PR06MB4113.namprd06.prod.outlook.com with HTTPS; Tue, 3 Feb 2026 12:57:29 +0000
Received: from BY5PR04CA0017.namprd04.prod.outlook.com (2603:10b6:a03:1d0::27)
 by SA1PR06MB6790.namprd06.prod.outlook.com (2603:10b6:5:2ce::8) with Microsoft SMTP Server id
 15.20.9769.17; Tue, 3 Feb
 2026 12:57:28 +0000
Received: from CO1PEPF000066E8.namprd05.prod.outlook.com (2603:10b6:a03:1d0:cafe::de) by
 BY5PR04CA0017.outlook.office365.com (2603:10b6:a03:1d0::27) with Microsoft SMTP Server via
 Frontend Transport; Tue, 3 Feb
 2026 12:57:28 +0000
Authentication-Results: spf=pass (sender IP is 192.0.2.10)
 smtp.mailfrom=x.bnc.salesforce.com; dkim=pass (signature was verified)
 header.d=salesforce.com;dmarc=pass action=none
 header.from=salesforce.com;compauth=pass reason=100
Received-SPF: Pass (protection.outlook.com: domain of x.bnc.salesforce.com designates 192.0.2.10
 as permitted sender)
 receiver=protection.outlook.com; client-ip=192.0.2.10; pr=C
Received: from smtp09-lo2-sp1.mta.salesforce.com (192.0.2.10) by
 CO1PEPF000066E8.mail.protection.outlook.com (10.167.249.6) with Microsoft SMTP Server; Tue, 3 Feb
 2026 12:57:28 +0000
"""
MICROSOFT_WITH_TENANT = MICROSOFT.replace(
    "bnc.salesforce.com; dkim", "bnc.salesforce.com; acme.onmicrosoft.com; dkim"
).replace("salesforce.com;dmarc", "salesforce.com;acme.onmicrosoft.com; dmarc")
FASTMAIL = """\
Authentication-Results: phl-mx-07.messagingengine.com;
    x-csa=none;
    x-me-sender=none;
    x-ptr=pass smtp.helo=smtp09-lo2-sp1.mta.salesforce.com
 policy.ptr=smtp09-lo2-sp1.mta.salesforce.com
Authentication-Results: phl-mx-07.messagingengine.com;
    bimi=skipped (DMARC Policy is not at enforcement)
Authentication-Results: phl-mx-07.messagingengine.com;
    arc=none (no signatures found)
Authentication-Results: phl-mx-07.messagingengine.com;
    dkim=pass (2048-bit rsa key sha256) header.d=salesforce.com header.i=@salesforce.com
 header.b=lhk5qU4z
      header.a=rsa-sha256 header.s=sel x-bits=2048;
    dmarc=pass policy.published-domain-policy=reject policy.published-subdomain-policy=reject
      policy.applied-disposition=none policy.evaluated-disposition=none
 (p=reject,sp=reject,d=none,d.eval=none)
      policy.policy-from=p header.from=salesforce.com;
    iprev=pass smtp.remote-ip=192.0.2.10 (smtp09-lo2-sp1.mta.salesforce.com);
    spf=pass smtp.mailfrom="support=salesforce.com__0-1a@x.bnc.salesforce.com"
 smtp.helo=smtp09-lo2-sp1.mta.salesforce.com
X-ME-VSCategory: clean
Received: from smtp09-lo2-sp1.mta.salesforce.com (smtp09-lo2-sp1.mta.salesforce.com [192.0.2.10])
    by mailmx.phl.internal (Postfix) with ESMTPS id 1602A3C017A for <ops@example.com>; Tue, 3 Feb
 2026 07:57:27 -0500 (EST)
"""
ICLOUD = """\
Authentication-Results: bimi.icloud.com; bimi=skipped reason="insufficient dmarc"
Authentication-Results: dmarc.icloud.com; dmarc=pass header.from=salesforce.com
X-DMARC-Info: pass=pass; dmarc-policy=reject; s=r1; d=r1; pdomain=salesforce.com
Authentication-Results: dkim-verifier.icloud.com;
\tdkim=pass (2048-bit key) header.d=salesforce.com header.i=@salesforce.com header.b=lhk5qU4z
Authentication-Results: spf.icloud.com; spf=pass (spf.icloud.com: domain of
 support@x.bnc.salesforce.com designates 192.0.2.10
 as permitted sender) smtp.mailfrom="support=salesforce.com__0-1a@x.bnc.salesforce.com"
Received: from smtp09-lo2-sp1.mta.salesforce.com (smtp09-lo2-sp1.mta.salesforce.com [192.0.2.10])
 by p00-icloudmta-smtpin-us-west-3a-100-percent-0.p00 (Postfix) with ESMTPS id EC1AC39C02; Tue, 3
 Feb 2026 12:57:27 +0000 (UTC)
"""
YAHOO = """\
X-Apparently-To: ops@example.com; Tue, 03 Feb 2026 12:57:28 +0000
Return-Path: <support=salesforce.com__0-1a@x1.b2.0x-abcuau.um8.bnc.salesforce.com>
Received: from 192.0.2.10
 by atlas-production.v2-mail-prod1-gq1.omega.yahoo.com pod-id atlas--production-gq1-f5f869c9 with
 HTTPS;
 Tue, 3 Feb 2026 12:57:27 +0000
X-Originating-Ip: [192.0.2.10]
Received-SPF: pass (domain of x.bnc.salesforce.com designates 192.0.2.10 as permitted sender)
Authentication-Results: atlas-production.v2-mail-prod1-gq1.omega.yahoo.com;
 dkim=pass header.i=@salesforce.com header.s=sel;
 spf=pass smtp.mailfrom=x.bnc.salesforce.com;
 dmarc=pass(p=REJECT,sp=REJECT) header.from=salesforce.com;
"""
POSTFIX = """\
Return-Path: <support=salesforce.com__0-1a@x1.b2.0x-abcuau.um8.bnc.salesforce.com>
Delivered-To: ops@example.com
Received: from smtp09-lo2-sp1.mta.salesforce.com (smtp09-lo2-sp1.mta.salesforce.com [192.0.2.10])
\tby mx.example.com (Postfix) with ESMTPS id A06B541AAC for <ops@example.com>; Tue, 3 Feb 2026
 12:57:27 +0000 (UTC)
DMARC-Filter: OpenDMARC Filter v1.4.2 mx.example.com A06B541AAC
Authentication-Results: mx.example.com; dmarc=pass (p=reject dis=none) header.from=salesforce.com
Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=x.bnc.salesforce.com
Authentication-Results: mx.example.com;
\tdkim=pass (2048-bit key, unprotected) header.d=salesforce.com header.i=@salesforce.com
 header.a=rsa-sha256 header.s=sel
 header.b=lhk5qU4z;
\tdkim-atps=neutral
"""
POSTFIX_APART = (
    """\
Return-Path: <support=salesforce.com__0-1a@x1.b2.0x-abcuau.um8.bnc.salesforce.com>
Received: from smtp09-lo2-sp1.mta.salesforce.com by mx.example.com (Postfix) with ESMTPS id A06;
 Tue, 3 Feb 2026 12:57:27 +0000
"""
    + SALESFORCE
    + """\
Authentication-Results: dkim.mx.example.com; dkim=pass (2048-bit key) header.d=salesforce.com
 header.b="lhk5/U4z"
Authentication-Results: dmarc.mx.example.com; dmarc=pass (p=reject dis=none)
 header.from=salesforce.com
"""
)
RSPAMD = """\
Return-Path: <support=salesforce.com__0-1a@x1.b2.0x-abcuau.um8.bnc.salesforce.com>
Received: from smtp09-lo2-sp1.mta.salesforce.com by mx.example.com (Postfix) with ESMTPS id A06;
 Tue, 3 Feb 2026 12:57:27 +0000
Authentication-Results: mx.example.com;
\tdkim=pass header.d=salesforce.com header.s=sel header.b="lhk5/U4z";
\tdmarc=pass (policy=reject) header.from=salesforce.com;
\tspf=pass (mx.example.com: domain of "support=salesforce.com__0-1a@x.bnc.salesforce.com"
 designates 192.0.2.10 as
\t permitted sender) smtp.mailfrom="support=salesforce.com__0-1a@x.bnc.salesforce.com"
"""
CISCO = """\
Received: from esa1.example.com (192.0.2.20) by mail.example.com with ESMTPS; Tue, 3 Feb 2026
 12:57:28 +0000
X-CSE-MsgGUID: Fake==
Authentication-Results: esa1.example.com; dkim=pass (signature verified) header.i=@salesforce.com;
 spf=Pass smtp.mailfrom=support=salesforce.com__0-1a@x.bnc.salesforce.com; spf=None
 smtp.helo=postmaster@smtp09-lo2-sp1.mta.salesforce.com; dmarc=pass (p=reject dis=none)
 d=salesforce.com
X-IronPort-AV: E=Sophos;i="6.21,304,1763420400"; d="scan'208";a="264592694"
Received: from smtp09-lo2-sp1.mta.salesforce.com ([192.0.2.10])
 by esa1.example.com with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; 03 Feb 2026 12:57:27 +0000
"""


def header(block: str) -> Header:
    """A mail's header with this block on top."""
    text = (
        block.rstrip("\n")
        + "\nFrom: support@salesforce.com\nTo: ops@example.com\nSubject: s\nDate: d\n\n"
    )
    parsed = wire.read_header(text.replace("\n", "\r\n").encode())
    assert isinstance(parsed, Header), parsed
    return parsed


def assess(
    block: str,
    ids: tuple[str, ...] = (SERVER,),
    zone: Zone = "above-first-received",
    sender: str = "salesforce.com",
) -> Assessment:
    return authres.assess(header(block), ids, zone, sender, ("salesforce.com",))


def field(server: str, results: str) -> str:
    """A field of this server, or of some host of a domain."""
    return f"Authentication-Results: {server.replace('*', 'mx')}; {results}"


def presets() -> list[tuple[tuple[str, ...], Zone]]:
    """The configurations of docs/mailboxes.md, in their order."""
    text = (Path(__file__).parents[3] / "docs" / "mailboxes.md").read_text("utf-8")
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", text)
    configurations = [YAML(typ="safe").load(block) for block in blocks]
    return [preset(settings["trust"]) for settings in configurations if "trust" in settings]


def preset(settings: Mapping[str, Any]) -> tuple[tuple[str, ...], Zone]:
    zone = settings["authserv_zone"]
    if isinstance(zone, Mapping):
        zone = zone["received_above"]
    return tuple(settings["authserv_ids"]), zone


WRITTEN = (
    ("gmail", GMAIL),
    ("microsoft-365", MICROSOFT),
    ("fastmail", FASTMAIL),
    ("icloud", ICLOUD),
    ("yahoo", YAHOO),
    ("postfix", POSTFIX),
    ("postfix-apart", POSTFIX_APART),
    ("rspamd", RSPAMD),
    ("cisco", CISCO),
)
"""In the order of docs/mailboxes.md."""


@pytest.mark.parametrize(
    ("block", "ids", "zone"),
    [
        *(
            pytest.param(block, *preset, id=name)
            for (name, block), preset in zip(WRITTEN, presets(), strict=True)
        ),
        pytest.param(GMAIL, ("mx.google.com",), "unique", id="gmail-unique"),
        pytest.param(MICROSOFT_WITH_TENANT, ("",), 3, id="microsoft-365-with-tenant"),
        pytest.param(ICLOUD, ("*.icloud.com",), "above-first-received", id="icloud-by-domain"),
    ],
)
class TestPresets:
    """The presets of docs/mailboxes.md, each against a header as that server writes it."""

    def test_genuine(self, block: str, ids: tuple[str, ...], zone: Zone) -> None:
        """What the server says of a mail of Salesforce's is believed.

        Salesforce's own malformed field does not disturb."""
        assert assess(block + SALESFORCE, ids, zone) == PASS

    def test_not_aligned(self, block: str, ids: tuple[str, ...], zone: Zone) -> None:
        """The same mail with From of another domain, as its spoofer would get it, fails."""
        spoofed = block.replace("dmarc=pass", "dmarc=fail") + SALESFORCE
        assert assess(spoofed, ids, zone).verdict == "fail"

    def test_aligned_by_spf_alone(self, block: str, ids: tuple[str, ...], zone: Zone) -> None:
        """DMARC that passed without a signature of Salesforce's fails."""
        assert assess(block.replace("dkim=pass", "dkim=fail") + SALESFORCE, ids, zone) == UNPROVEN

    def test_forged_below(self, block: str, ids: tuple[str, ...], zone: Zone) -> None:
        """The same fields with a yes, written by the sender where the server said no, fail."""
        forged = "\n".join(field(server, f"{DKIM}; {DMARC}") for server in ids)
        refused = block.replace("dmarc=pass", "dmarc=fail").replace("dkim=pass", "dkim=none")
        assert assess(f"{refused}{forged}\n{SALESFORCE}", ids, zone).verdict == "fail"

    def test_a_signature_forged_below(self, block: str, ids: tuple[str, ...], zone: Zone) -> None:
        """A signature that only the sender's own field speaks of does not count.

        Gmail does not speak of DKIM at all where it saw no signature."""
        forged = "\n".join(field(server, DKIM) for server in ids)
        unsigned = block.replace("dkim=pass", "dkim=none")
        if block is GMAIL:
            unsigned = re.sub(r"dkim=pass[^;]*;\s+", "", block)
        assert assess(f"{unsigned}{forged}\n{SALESFORCE}", ids, zone).verdict == "fail"

    def test_a_mail_that_the_server_did_not_see(
        self, block: str, ids: tuple[str, ...], zone: Zone
    ) -> None:
        """Without a field of the server's own, nothing is said."""
        silent = block.replace("Authentication-Results", "X-Authentication-Results")
        assert assess(silent + SALESFORCE, ids, zone) == NOTHING


def test_in_the_zone() -> None:
    """A field of our server, above everything that came from outside, is believed."""
    assert assess(f"{SAID}\n{RECEIVED}") == PASS


@pytest.mark.parametrize(
    ("zone", "above", "verdict"),
    [
        ("above-first-received", 0, "pass"),
        ("above-first-received", 1, "none"),
        (0, 1, "none"),
        (2, 2, "pass"),
        (2, 3, "none"),
    ],
)
def test_the_zone_is_counted_in_received(zone: Zone, above: int, verdict: str) -> None:
    """At most so many Received may stand above the field."""
    assert assess(f"{RECEIVED}\n" * above + SAID, zone=zone).verdict == verdict


def test_forged_outside_the_zone() -> None:
    """What the sender wrote stands below the server's Received and changes nothing."""
    bad = SAID.replace("pass", "fail")
    assert assess(f"{RECEIVED}\n{SAID}") == NOTHING
    assert assess(f"{SAID}\n{RECEIVED}\n{bad}") == PASS


def test_forged_beside_in_the_zone() -> None:
    """A second result for dmarc is one too many, whatever the two say."""
    two = Assessment("fail", "2 results for dmarc")
    assert assess(f"{SAID}\n{SAID}") == two
    assert assess(f"{SAID.replace('pass', 'fail')}\n{SAID}") == two
    assert assess(f"{SAID}; {DMARC}") == two


@pytest.mark.parametrize(
    "other",
    [
        "dkim=none",
        "dkim=fail header.d=salesforce.com",
        "dkim=pass header.d=evil.example",
        "dkim=pass",
    ],
)
def test_fields_that_disagree_on_dkim(other: str) -> None:
    """Where a server writes several fields, none of them may speak against the signature."""
    assert assess(f"Authentication-Results: {SERVER}; {other}\n{SAID}") == DISAGREE
    assert assess(f"{SAID}\nAuthentication-Results: {SERVER}; {other}") == DISAGREE


ODD_VALUES = ("(Schl\u00fcssel)", "(" + "x" * 998 + ")", "x=y\n \n z=y")


@pytest.mark.parametrize("odd", ODD_VALUES)
def test_a_stranger_writes_oddly(odd: str) -> None:
    """8-bit bytes, long lines and lines of white space in a foreign field change nothing."""
    assert assess(f"Authentication-Results: relay.example; {odd}; dkim=fail\n{SAID}") == PASS


@pytest.mark.parametrize("odd", ODD_VALUES)
def test_our_server_writes_plainly(odd: str) -> None:
    """A field of our server's that not everybody reads alike is not believed, and does not hide."""
    unread = Assessment(
        "fail",
        "Authentication-Results of our server: a field that not everybody reads alike",
    )
    assert assess(f"{SAID}; {odd}") == unread
    assert assess(f"Authentication-Results: {SERVER}; {odd}; dkim=none\n{SAID}") == unread


def test_a_field_that_contradicts_itself() -> None:
    """A field that says both unsigned and well signed is not believed."""
    assert assess(SAID.replace("; dkim", "; dkim=none; dkim")) == DISAGREE


def test_a_broken_signature_beside_a_good_one() -> None:
    """A mail may bear several signatures; one good one of a signing domain suffices."""
    assert (
        assess(
            SAID.replace(
                "; dkim", "; dkim=fail header.d=salesforce.com; dkim=pass header.d=x.example; dkim"
            )
        )
        == PASS
    )


def test_several_fields_that_agree() -> None:
    """Fields of several milters, as Postfix has them, count together."""
    assert (
        assess(
            f"Authentication-Results: {SERVER}; {DMARC}\nAuthentication-Results: {SERVER}; {DKIM}"
        )
        == PASS
    )


@pytest.mark.parametrize(
    "server",
    [
        "evil.example",
        "mx.example.com.evil.example",
        "xmx.example.com",
        '"mx.example.com"',
        "(x) mx.example.com",
    ],
)
def test_a_foreign_server(server: str) -> None:
    """The authserv-id is compared whole."""
    assert assess(SAID.replace(SERVER, server)) == NOTHING


@pytest.mark.parametrize(
    "server",
    [
        "MX.Example.COM",
        "mx.example.com 1",
        "mx.example.com (our own)",
        'mx.example.com x-tls.subject="/C=US"',
        "mx.example.com\n\t1",
    ],
)
def test_our_server(server: str) -> None:
    """Our server is known in any case, with a version, and with a comment."""
    assert assess(SAID.replace(SERVER, server), ids=("Mx.Example.Com",)) == PASS


@pytest.mark.parametrize(
    ("server", "ours"),
    [
        ("mx1.example.com", True),
        ("a.b.example.com", True),
        ("example.com", False),
        ("mxexample.com", False),
        ("*.example.com", True),
    ],
)
def test_any_host_of_a_domain(server: str, ours: bool) -> None:
    """`*.example.com` stands for every host below the domain, and for no other."""
    assert (assess(SAID.replace(SERVER, server), ids=("*.example.com",)) == PASS) is ours


def test_a_server_without_a_name() -> None:
    """'' is Microsoft 365; it stands for no named server, and no name stands for it."""
    nameless = f"Authentication-Results: {DKIM}; {DMARC}"
    assert assess(nameless, ids=("",)) == PASS
    assert assess(nameless) == NOTHING
    assert assess(SAID, ids=("",)) == NOTHING
    assert assess(SALESFORCE, ids=("",)) == NOTHING


def test_an_id_configured_twice_counts_once() -> None:
    """A field is read once, however many of the ids it bears."""
    assert assess(SAID, ids=(SERVER, "*.example.com", SERVER)) == PASS


def test_no_id_trusts_nobody() -> None:
    """Without a configured id, no field counts."""
    assert assess(SAID, ids=()) == NOTHING


def test_unique_counts_the_whole_header() -> None:
    """Under `unique` one field for each id may stand anywhere; a second one spoils all."""
    assert assess(f"{RECEIVED}\n{RECEIVED}\n{SAID}", zone="unique") == PASS
    twice = Assessment(
        "fail", "2 Authentication-Results of our server, where it writes one for each id"
    )
    assert (
        assess(
            f"Authentication-Results: {SERVER}; {DMARC}\n{RECEIVED}\n"
            f"Authentication-Results: {SERVER}; {DKIM}",
            zone="unique",
        )
        == twice
    )


@pytest.mark.parametrize("odd", ["X: y\n \n z", ">From x"])
@pytest.mark.parametrize("zone", ["unique", 1])
def test_below_an_early_end(odd: str, zone: Zone) -> None:
    """A server that ends the header at an odd line has removed no stranger's field below it.

    Above the first Received our own server wrote that line, and the field is its own."""
    unsure = Assessment("unsure", "Authentication-Results where some servers see no header")
    assert assess(f"{RECEIVED}\n{odd}\n{SAID}", zone=zone) == unsure
    assert assess(f"{odd}\n{RECEIVED}\n{odd}\n{SAID}", zone=zone) == unsure
    assert assess(f"{odd}\n{RECEIVED}\n{SAID}", zone=zone) == PASS
    assert assess(f"{RECEIVED}\n{SAID}\n{odd}", zone=zone) == PASS


def test_unique_counts_hosts_of_a_domain_as_one() -> None:
    """Two hosts of a domain are one id, or a forger would take a neighbour's name."""
    forged = field("mx1.example.com", DMARC) + "\n" + field("mx2.example.com", DKIM)
    assert assess(forged, ids=("*.example.com",), zone="unique").verdict == "fail"


@pytest.mark.parametrize(
    ("dmarc", "saw"),
    [
        ("dmarc=fail header.from=salesforce.com", "dmarc=fail for salesforce.com"),
        ("dmarc=none header.from=salesforce.com", "dmarc=none for salesforce.com"),
        ("dmarc=bestguesspass header.from=evil.example", "dmarc=bestguesspass for evil.example"),
        ("dmarc=pass d=evil.example", "dmarc=pass for evil.example"),
        ("dmarc=pass d=salesforce.com header.from=evil.example", "dmarc=pass for evil.example"),
        ("dmarc=pass (d=salesforce.com)", "dmarc=pass for nobody"),
        ("dmarc=pass; x=y d=salesforce.com", "dmarc=pass for nobody"),
        ("dmarc=pass header.from=evil.example", "dmarc=pass for evil.example"),
        ("dmarc=pass header.from=xsalesforce.com", "dmarc=pass for xsalesforce.com"),
        ("dmarc=pass", "dmarc=pass for nobody"),
        (
            "dmarc=pass header.from=salesforce.com header.from=salesforce.com",
            "dmarc=pass for nobody",
        ),
        (
            "dmarc=pass header.from=salesforce.com@evil.example",
            "dmarc=pass for salesforce.com@evil.example",
        ),
        ('dmarc=pass header.from="salesforce.com".evil.example', "dmarc=pass for nobody"),
        (
            "dmarc=pass header.from=evil.example (header.from=salesforce.com)",
            "dmarc=pass for evil.example",
        ),
        ("dmarc=pass header.from=salesforce.com(.evil.example)", "dmarc=pass for nobody"),
        ("spf=pass smtp.mailfrom=salesforce.com", "0 results for dmarc"),
        ('x="dmarc=pass header.from=salesforce.com"', "0 results for dmarc"),
        ("x=y (; dmarc=pass header.from=salesforce.com)", "0 results for dmarc"),
        ("x-dmarc=pass header.from=salesforce.com", "0 results for dmarc"),
    ],
)
def test_dmarc_that_does_not_pass(dmarc: str, saw: str) -> None:
    """Only one result for dmarc, a pass, for the domain of From, is a pass."""
    assert assess(f"Authentication-Results: {SERVER}; {DKIM}; {dmarc}") == Assessment("fail", saw)


def test_dmarc_is_for_the_domain_of_from() -> None:
    """A subdomain of Salesforce's is another sender."""
    of_emea = SAID.replace("header.from=salesforce.com", "header.from=emea.salesforce.com")
    assert assess(of_emea, sender="EMEA.salesforce.com") == PASS
    assert assess(of_emea).verdict == "fail"


@pytest.mark.parametrize(
    "dkim",
    [
        "dkim=fail header.d=salesforce.com",
        "dkim=neutral header.d=salesforce.com",
        "dkim=pass",
        "dkim=pass header.d=evil.example",
        "dkim=pass header.d=mail.salesforce.com",
        "dkim=pass header.d=salesforce.com.evil.example",
        "dkim=pass header.i=@evil.example",
        "dkim=pass header.i=@mail.salesforce.com",
        "dkim=pass header.i=salesforce.com",
        "dkim=pass header.i=@salesforce.com@evil.example",
        'dkim=pass header.i="x@salesforce.com"@evil.example',
        'dkim=pass header.i="\\"x@salesforce.com\\"@evil.example"',
        "dkim=pass header.d=evil.example header.i=@salesforce.com",
        "dkim=pass header.d=salesforce.com header.i=@evil.example",
        "dkim=pass header.d=salesforce.com header.i=salesforce.com",
        "dkim=pass header.d=salesforce.com header.i=@xsalesforce.com",
        "dkim=pass header.d=evil.example header.d=salesforce.com",
        "dkim=pass header.s=a header.d=salesforce.com b",
        "dkim=pass header.d=salesforce.com=evil.example",
        "dkim=pass header.d= (c) = salesforce.com",
        "dkim=pass header.d=salesforce.com(.evil.example) header.s=x",
        "dkim=pass header.d=salesforce.com(.evil.example)",
        "dkim=pass header.d=(evil.example)salesforce.com",
        "dkim=pass header.d= (evil.example)salesforce.com",
        "dkim=pass header.d=(evil.example) salesforce.com",
        'dkim=pass "header.d"=salesforce.com',
        "dkim=pass header.x=salesforce.com",
        "dkim=pass (header.d=salesforce.com)",
        "dkim=none",
        "domainkeys=pass header.d=salesforce.com",
        "arc=pass header.d=salesforce.com",
    ],
)
def test_dkim_that_does_not_prove(dkim: str) -> None:
    """Only a pass of a signing domain, said in plain pairs, proves a signature."""
    assert assess(f"Authentication-Results: {SERVER}; {dkim}; {DMARC}") == UNPROVEN


@pytest.mark.parametrize(
    "dkim",
    [
        "dkim=pass header.i=@salesforce.com",
        "dkim=pass header.i=support@salesforce.com",
        'dkim=pass header.d="salesforce.com"',
        "DKIM = PASS HEADER.D = SALESFORCE.COM",
        "dkim/1=pass header.d=salesforce.com",
        "dkim=pass(glued)(twice) header.d=salesforce.com (apart)",
        "dkim=pass (2048-bit key; (nested) \\) ;dkim=fail) header.d=salesforce.com",
        "dkim=pass header.d=salesforce.com header.i=@eu.salesforce.com header.b=a/b+c",
        'dkim=pass reason="good; dkim=fail" header.d=salesforce.com',
    ],
)
def test_dkim_that_proves(dkim: str) -> None:
    """A pass of a signing domain counts in every form in which servers write it."""
    assert assess(f"Authentication-Results: {SERVER}; {dkim}; {DMARC}") == PASS


@pytest.mark.parametrize("value", ["temperror", "tempfail", "timeout"])
@pytest.mark.parametrize(
    "unsure",
    [
        "dkim={0} (key query timeout) header.d=salesforce.com",
        "dkim={0}",
        "dmarc={0} header.from=salesforce.com",
    ],
)
def test_a_server_that_could_not_tell(unsure: str, value: str) -> None:
    """A server that could not ask DNS leaves the mail to a person, in whatever word."""
    said = f"Authentication-Results: {SERVER}; {unsure.format(value)}; {DMARC}"
    assert assess(said) == Assessment("unsure", value)


def test_a_policy_that_was_not_found() -> None:
    """Microsoft's guess leaves a signed mail to a person, and proves nothing without a signature.

    Where fields disagree, it is no better than a pass."""
    guessed = SAID.replace("dmarc=pass", "dmarc=bestguesspass")
    assert assess(guessed) == Assessment("unsure", "dmarc=bestguesspass")
    assert assess(guessed.replace(DKIM, "dkim=none")) == Assessment(
        "fail", "dmarc=bestguesspass, but no dkim=pass of a signing domain"
    )
    assert assess(f"Authentication-Results: {SERVER}; dkim=none\n{guessed}") == DISAGREE


def test_a_foreign_temperror_says_nothing() -> None:
    """A temperror of a signature that does not count changes nothing."""
    assert assess(SAID.replace("; dkim", "; dkim=temperror header.d=evil.example; dkim")) == PASS


@pytest.mark.parametrize(
    ("rest", "trouble"),
    [
        ("(unclosed", "an unclosed comment"),
        ('x="unclosed', "an unclosed quote"),
        ('x="unclosed\\"', "an unclosed quote"),
        ("(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1), "comments nested too deep"),
        ("x=y)", "a character out of place"),
        ("x=y\\", "a character out of place"),
        ("= y", "results out of form"),
        ("x y=z", "results out of form"),
        ('"x"=y', "results out of form"),
        ("(c) == y", "results out of form"),
        ("x=" + "y" * MAX_BYTES, f"more than {MAX_BYTES} bytes"),
    ],
)
def test_a_malformed_field_of_our_server(rest: str, trouble: str) -> None:
    """A malformed field of our server is not believed, whatever else it says."""
    value = f"{SERVER}; {DKIM}; {DMARC}; {rest}"
    with pytest.raises(Malformed, match=trouble.replace("(", "\\(")):
        read_results(value)
    folded = "\n ".join(value[start : start + 900] for start in range(0, len(value), 900))
    assert assess(f"Authentication-Results: {folded}") == Assessment(
        "fail", f"Authentication-Results of our server: {trouble}"
    )


def test_a_mistake_does_not_hide_our_field() -> None:
    """A field that only seems foreign would let a second one pass."""
    assert (
        assess(f"Authentication-Results: {SERVER} (unclosed; dmarc=fail\n{SAID}").verdict == "fail"
    )


def test_injection_through_an_envelope_sender() -> None:
    """What a sender injects into our server's field only adds a contradiction.

    CVE-2020-12272."""
    injected = f"x) {DKIM}; {DMARC}; y=("
    spf = f"spf=pass (domain of {injected}@evil.example) smtp.mailfrom=a"
    dmarc = DMARC.replace("pass", "fail")
    assert assess(field(SERVER, f"dkim=none; {spf}; {dmarc}")).verdict == "fail"


def test_results_in_full() -> None:
    """Results have no version, are in lower case, and keep properties that are plain pairs."""
    assert read_results(
        f'{SERVER} 1; DKIM/1=Pass (c) Header.D="Salesforce.com"; none; tenant.example; helo=; '
        "spf=pass a=b=c;"
    ) == [
        Result("dkim", "pass", {"header.d": "salesforce.com"}),
        Result("helo", "", {}),
        Result("spf", "pass", {}),
    ]


@given(st.text(st.sampled_from(' \t"()\\;=@.dkimpassmarcheader'), max_size=200))
def test_any_text_is_read_or_malformed(value: str) -> None:
    """Any field is read or Malformed; nothing else is raised."""
    try:
        results = read_results(value)
    except Malformed:
        return
    assert all(result.method[0] not in '"=' for result in results)


@pytest.mark.parametrize("piece", ["(", "()", '"', "\\", ";", "=", "a=b;", "a", '""', "(\\", " "])
def test_reading_is_linear(piece: str) -> None:
    """Four times as much of the worst does not cost sixteen times as much, up to the limit."""
    worst = (piece * MAX_BYTES)[:MAX_BYTES]
    quarter = worst[: MAX_BYTES // 4]
    assert times_dearer(partial(try_to_read, worst), partial(try_to_read, quarter)) < 10


def try_to_read(value: str) -> None:
    with suppress(Malformed):
        read_results(value)
