"""What receiving servers put on top of a mail: where their Received stand, how they say `pass`."""

from __future__ import annotations

GMAIL_TOP = (
    "Delivered-To: ops@example.com\n"
    "Received: by 2002:a05:6a10:9f8:b0:5f1:2345:6789 with SMTP id 24csp1234567pxh; Tue, 3 Feb "
    "2026 04:57:29 -0800 (PST)\n"
    "X-Google-Smtp-Source: AGHT+IFake\n"
    "X-Received: by 2002:a17:906:6a1a:b0:b88:1234:5678 with SMTP id qw26; Tue, 03 Feb 2026 "
    "04:57:28 -0800 (PST)\n"
    "ARC-Seal: i=1; a=rsa-sha256; t=1770123448; cv=none; d=google.com; s=arc-20240605; b=RmFrZQ==\n"
    "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=google.com; s=arc-20240605; "
    "h=from; "
    "bh=RmFrZQ==; b=RmFrZQ==\n"
    "Return-Path: <support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com>\n"
    "Received: from smtp09-lo2-sp1.mta.salesforce.com (smtp09-lo2-sp1.mta.salesforce.com. "
    "[192.0.2.10])\n"
    "        by mx.google.com with ESMTPS id "
    "4fb4d7f45d1cf-64b5a0si1234567a12.12.2026.02.03.04.57.28\n"
    "        for <ops@example.com>\n"
    "        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);\n"
    "        Tue, 03 Feb 2026 04:57:28 -0800 (PST)\n"
    "Received-SPF: pass (google.com: domain of "
    "support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com designates"
    " 192.0.2.10 as permitted sender) client-ip=192.0.2.10;\n"
)
GMAIL = GMAIL_TOP + (
    "Authentication-Results: mx.google.com;\n"
    "       dkim=pass header.i=@salesforce.com header.s=sf2026 header.b=Zm9vYmFy;\n"
    "       spf=pass (google.com: domain of "
    "support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com "
    "designates 192.0.2.10"
    " as permitted sender) "
    'smtp.mailfrom="support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com";\n'
    "       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=salesforce.com\n"
)
MICROSOFT_RECEIVED = (
    "Received: from AM0PR01MB0001.eurprd01.prod.exchangelabs.com (2603:10a6:208:1::1) by\n"
    " AM0PR01MB0002.eurprd01.prod.exchangelabs.com with HTTPS; Tue, 3 Feb 2026 12:57:31 +0000\n"
    "Received: from DB8PR04CA0001.eurprd04.prod.outlook.com (2603:10a6:10:110::11) by\n"
    " AM0PR01MB0001.eurprd01.prod.exchangelabs.com (2603:10a6:208:1::1) with Microsoft SMTP "
    "Server (version=TLS1_2,"
    " cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.9564.16; Tue, 3 Feb 2026 12:57:30 "
    "+0000\n"
    "Received: from DB5EUR03FT001.eop-EUR03.prod.protection.outlook.com "
    "(2603:10a6:10:110:cafe::1) by\n"
    " DB8PR04CA0001.outlook.office365.com (2603:10a6:10:110::11) with Microsoft SMTP Server id "
    "15.20.9564.17; Tue,\n"
    " 3 Feb 2026 12:57:29 +0000\n"
)
MICROSOFT = MICROSOFT_RECEIVED + (
    "Authentication-Results: spf=pass (sender IP is 192.0.2.10)\n"
    " smtp.mailfrom=x.0x-abcuau.um8.bnc.salesforce.com; dkim=pass (signature was\n"
    " verified) header.d=salesforce.com;dmarc=pass action=none\n"
    " header.from=salesforce.com;compauth=pass reason=100\n"
    "Received-SPF: Pass (protection.outlook.com: domain of x.0x-abcuau.um8.bnc.salesforce.com "
    "designates "
    "192.0.2.10 as permitted\n"
    " sender) receiver=protection.outlook.com; client-ip=192.0.2.10; "
    "helo=smtp09-lo2-sp1.mta.salesforce.com; pr=C\n"
    "Received: from smtp09-lo2-sp1.mta.salesforce.com (192.0.2.10) by\n"
    " DB5EUR03FT001.mail.protection.outlook.com (10.152.20.1) with Microsoft SMTP Server "
    "(version=TLS1_3) id 15.20.9564.1 via\n"
    " Frontend Transport; Tue, 3 Feb 2026 12:57:29 +0000\n"
)
FASTMAIL = (
    "Authentication-Results: mx5.messagingengine.com;\n"
    "    x-csa=none;\n    x-me-sender=none;\n    x-ptr=pass "
    "smtp.helo=smtp09-lo2-sp1.mta.salesforce.com "
    "policy.ptr=smtp09-lo2-sp1.mta.salesforce.com\n"
    "Authentication-Results: mx5.messagingengine.com;\n"
    "    bimi=skipped (DMARC Policy is not at enforcement)\n"
    "Authentication-Results: mx5.messagingengine.com;\n    arc=none (no signatures found)\n"
    "Authentication-Results: mx5.messagingengine.com;\n"
    "    dkim=pass (2048-bit rsa key sha256) header.d=salesforce.com header.i=@salesforce.com "
    "header.b=Zm9vYmFy"
    " header.a=rsa-sha256 header.s=sf2026 x-bits=2048;\n"
    "    dmarc=pass policy.published-domain-policy=reject policy.applied-disposition=none "
    "policy.evaluated-disposition=none"
    " (p=reject,d=none,d.eval=none) policy.policy-from=p header.from=salesforce.com;\n"
    "    iprev=pass smtp.remote-ip=192.0.2.10 (smtp09-lo2-sp1.mta.salesforce.com);\n    spf=pass "
    'smtp.mailfrom="support=salesforce.com__0-1@x.bnc.salesforce.com"\n'
)
ICLOUD = (
    "Authentication-Results: bimi.icloud.com; bimi=declined\n"
    "Authentication-Results: dmarc.icloud.com; dmarc=pass header.from=salesforce.com\n"
    "Authentication-Results: dkim-verifier.icloud.com;\n"
    "\tdkim=pass (2048-bit key) header.d=salesforce.com header.i=@salesforce.com "
    "header.b=Zm9vYmFy\n"
    "Authentication-Results: spf.icloud.com; spf=pass (spf.icloud.com: domain of x designates "
    "192.0.2.10 as permitted sender)"
    " smtp.mailfrom=x@x.um8.bnc.salesforce.com\n"
)
YAHOO_RECEIVED = (
    "Received: from 10.197.35.12\n by atlas-production.v2-mail-prod1-bf1.omega.yahoo.com pod-id 1 "
    "with HTTPS; Tue, 3 Feb 2026 12:57:29 +0000\n"
)
YAHOO = (
    "X-Originating-Ip: [192.0.2.10]\n"
    + YAHOO_RECEIVED
    + (
        "Authentication-Results: atlas-production.v2-mail-prod1-bf1.omega.yahoo.com;\n"
        " dkim=pass header.i=@salesforce.com header.s=sf2026;\n"
        " spf=pass smtp.mailfrom=x.um8.bnc.salesforce.com;\n"
        " dmarc=pass(p=REJECT) header.from=salesforce.com;\n"
    )
)
ZOHO = (
    "Authentication-Results: mx.zohomail.com;\n\tdkim=pass;\n"
    "\tspf=pass (zohomail.com: domain of x)  "
    "smtp.mailfrom=x@x.bnc.salesforce.com;\n\tdmarc=pass(p=reject dis=none)  "
    "header.from=support@salesforce.com\n"
)
OPENDKIM = (
    "Authentication-Results: mx.example.com;\n"
    "\tdkim=pass (2048-bit key; unprotected) header.d=salesforce.com header.i=@salesforce.com "
    'header.a=rsa-sha256 header.s=sf2026 header.b="Zm9vYmFy";\n'
    "\tdkim-atps=neutral\n"
)
OPENDMARC = (
    "Authentication-Results: mx.example.com; dmarc=pass (p=reject dis=none) "
    "header.from=salesforce.com\n"
)
RSPAMD = (
    "Authentication-Results: mx.example.com;\n"
    "\tdkim=pass header.d=salesforce.com header.s=sf2026 header.b=Zm9vYmFy;\n"
    "\tdmarc=pass (policy=reject) header.from=salesforce.com;\n"
    '\tspf=pass (mx.example.com: domain of "support=salesforce.com__0-1@x.bnc.salesforce.com" '
    "designates "
    "192.0.2.10 as permitted sender)"
    ' smtp.mailfrom="support=salesforce.com__0-1@x.bnc.salesforce.com"\n'
)
