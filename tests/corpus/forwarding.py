"""Mail that people and lists make of token mails, and Salesforce's mail that carries no token.

None of it is an authority. What claims to carry a token leaves a record; what only talks about
tokens is nobody's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.corpus.base import (
    FAIL,
    SUBJECT,
    Item,
    arrived,
    crlf,
    expect,
    item,
    mails,
    salesforce,
    strangers_key,
)
from tests.corpus.parts import multipart, part
from tests.corpus.results import field
from tests.kit.mails import ISSUED, OUTRO, TOKEN, USERNAME, token_body, token_mail
from tests.kit.signing import seal

PAT = '"Pat Example" <pat@example.com>'
PATS = field(
    "mx.example.com; dmarc=pass header.from=example.com; dkim=pass header.d=example.com; spf=pass "
    "smtp.mailfrom=pat@example.com"
)
ORIGINAL = (
    "\n-----Original Message-----\nFrom: support@salesforce.com <support@salesforce.com>\n"
    "Sent: Tuesday, "
    "February 3, 2026 12:57 PM\n"
    f"To: Pat Example <pat@example.com>\nSubject: {SUBJECT}\n\n"
)
GITHUB = (
    "[Error: LOGIN_MUST_USE_SECURITY_TOKEN: Invalid username, password, security token; or user "
    "locked out. Are you at a new"
    " location? When accessing Salesforce--either via a desktop client or the API--from outside "
    "of your "
    "company's trusted networks,"
    " you must add a security token to your password to log in. To get your new security token, "
    "log in to Salesforce.]\n"
)
IDENTITY = (
    "You recently logged in to Salesforce from a browser or app that we don't recognize.\n\n"
    "Browser: Chrome\nOperating System:"
    " Windows 10\nUsername: integration@acme.example\n\n"
    "To ensure your account's security, we need to verify "
    "your identity. Enter"
    " the following code where prompted by Salesforce.\n\nVerification Code: 123456\n"
)
RESET = (
    "Your administrator has reset your Salesforce password. Click the link to set a new "
    "password.\n\n"
    "Username: integration@acme.example\n"
    "https://example.my.salesforce.com/?c=FAKEFAKEFAKEFAKEFAKEFAKE2\n"
)
INSTALLED = (
    'Your request to install package "DashboardPal 1.0" was successful.\n\n'
    "Organization: Example Ltd (00D0X0000000AbC)\n"
    "User: Pat Example (0050X0000000UsR)\nPackage: DashboardPal (04t0X0000000PkG)\n"
)


def person(subject: str, body: str) -> bytes:
    """A mail from a colleague, with everything in order for example.com."""
    plain = token_mail(sender=PAT, subject=subject, body=body, extra="")
    return arrived(seal(plain, strangers_key(), domain="lists.example"), PATS)


QUOTED = "".join(f"> {line}\n" for line in token_body().splitlines())
ATTACHED = multipart(
    part("here it is\n"),
    part("From: support@salesforce.com\nSubject: x\n\n" + token_body(), "message/rfc822"),
)
PEOPLE = (
    (
        "forward",
        "A colleague forwards a token mail: the token is exposed, and nobody is an authority.",
        person(f"FW: {SUBJECT}", "here it is\n" + ORIGINAL + token_body()),
    ),
    (
        "forward-gmail",
        "The same from Gmail.",
        person(f"Fwd: {SUBJECT}", "---------- Forwarded message ---------\n" + token_body()),
    ),
    (
        "reply",
        "A reply that quotes the token mail.",
        person(f"Re: {SUBJECT}", "thanks\n\n" + QUOTED),
    ),
    (
        "reply-short",
        "A reply without the quoted text: its subject says that it speaks of a token.",
        person(f"Re: {SUBJECT}", "thanks, done\n"),
    ),
    (
        "redirect",
        "A token mail sent on as it is, under the colleague's name.",
        person(SUBJECT, token_body()),
    ),
    (
        "dictated",
        "A colleague types the token.",
        person("token", f"Username: {USERNAME}\nSecurity token: {TOKEN}\n"),
    ),
    (
        "attached",
        "A token mail attached to a mail.",
        ATTACHED.replace(b'"support@salesforce.com" <support@salesforce.com>', PAT.encode()),
    ),
    (
        "bounce",
        "A token mail that came back, with its text.",
        person(
            "Undelivered Mail Returned to Sender",
            "The mail could not be delivered.\n\n" + token_body(),
        ),
    ),
    (
        "out-of-office",
        "An automatic reply with the subject.",
        person(f"Automatic reply: {SUBJECT}", "I am away.\n"),
    ),
    (
        "resent",
        "A token mail resent by a colleague, its signature whole, days later.",
        b"Resent-From: pat@example.com\r\n" + salesforce(to="pat@example.com"),
        "held wrong-recipient",
    ),
    (
        "pretender",
        "A display name that pretends, by a customer of Salesforce's.",
        arrived(
            seal(
                token_mail(sender='"support@salesforce.com" <info@attacker.example>'),
                strangers_key(),
                domain="attacker.example",
            ),
            FAIL,
        ),
    ),
    (
        "support-case",
        "A support case of Salesforce's own, which quotes a token mail.",
        salesforce(subject="Case 01234567: login fails", body="Pat wrote:\n\n" + QUOTED),
        "held unknown-layout",
    ),
)

GENUINE = seal(token_mail())
BAD = expect(
    "refused bad-signature", results="refused unauthenticated", auto="refused unauthenticated"
)
FOOTER = b"_______________________________________________\r\nops mailing list\r\n"
THROUGH = "Received: from lists.example by mx.example.com; Tue, 3 Feb 2026 12:57:30 +0000\n"
BROKEN = (
    field(
        "mx.example.com; dmarc=fail header.from=salesforce.com; dkim=fail "
        "header.d=salesforce.com; dkim=pass "
        "header.d=lists.example"
    )
    + THROUGH
)
LISTED = b"List-Id: <ops.example.com>\r\nPrecedence: list\r\n"
LISTS = (
    (
        "footer",
        "A list's footer breaks the signature.",
        crlf(BROKEN) + LISTED + GENUINE + FOOTER,
        BAD,
    ),
    (
        "prefix",
        "A list's prefix of the subject breaks the signature.",
        crlf(BROKEN) + LISTED + GENUINE.replace(b"Subject: Your", b"Subject: [ops] Your"),
        expect("refused bad-signature", results="refused unauthenticated"),
    ),
    (
        "sender",
        "A list that puts itself in From.",
        crlf(BROKEN)
        + LISTED
        + seal(
            token_mail(sender='"support--- via ops" <ops@lists.example>'),
            strangers_key(),
            domain="lists.example",
        ),
        "refused wrong-sender",
    ),
    (
        "digest",
        "A digest with a token mail among others.",
        salesforce(
            sender="ops-request@lists.example",
            subject="Ops Digest, Vol 1",
            body="Today's topics:\n\n" + token_body(),
        ),
        "refused wrong-sender",
    ),
)

# No token and no claim: no record.
NEWSLETTER = "<p>Salesforce for everybody: new security features, tokens and more.</p>" * 40
SPAM = "Получите кредит"
LINKED = "AbC3dEf9GhIjKlMnOpQ7rStU"
LOOK_ALIKES = (
    (
        "identity",
        "Salesforce asks to verify an identity.",
        salesforce(
            sender="noreply@salesforce.com",
            subject="Verify your identity in Salesforce",
            body=IDENTITY,
        ),
    ),
    (
        "identity-sandbox",
        "The same from a sandbox.",
        salesforce(
            sender="noreply@salesforce.com",
            subject="Sandbox: Verify your identity in Salesforce",
            body=IDENTITY,
        ),
    ),
    (
        "password",
        "An administrator has reset a password.",
        salesforce(
            subject="Your Salesforce password has been reset by your administrator", body=RESET
        ),
    ),
    (
        "finish-resetting",
        "A password wants to be reset.",
        salesforce(subject="Finish resetting your Salesforce password", body=RESET),
    ),
    (
        "welcome",
        "A new account.",
        salesforce(
            subject="Welcome to Salesforce: Verify your account",
            body=RESET.replace("reset", "made"),
        ),
    ),
    (
        "links",
        "Links that carry something like a token, in HTML and as a gateway rewrites them.",
        salesforce(
            subject="Finish resetting your Salesforce password",
            body=f"<p>Hi,</p><a href='https://login.salesforce.com/p?r={LINKED}'>Reset</a>"
            f"<br>https://urldefense.com/v3/__https://login.salesforce.com/__;Iw!!{LINKED}$"
            f"<br>login.salesforce.com/setup?c={LINKED}&amp;x={LINKED}"
            f"<br><img src='https://login.salesforce.com/{LINKED}.gif' alt='Salesforce'>",
            content_type="text/html; charset=UTF-8",
        ),
    ),
    (
        "exception",
        "An exception of a customer's own code, full of identifiers.",
        salesforce(
            subject="Developer script exception from Acme : TriggerHandlerForAccounts",
            body="caused by: System.DmlException\n\nClass.AcmeTriggerHandlerAccounts2026Impl.run:"
            " line 5, column 1\nOrganization: Acme (00D5g000004Pin7EAC)\n"
            "ref:_00D5g04Pin7._5005g1AbCdE:ref\n",
        ),
    ),
    (
        "package",
        "A package is installed.",
        salesforce(subject="Package DashboardPal Install Successful", body=INSTALLED),
    ),
    (
        "github",
        "An issue that talks about security tokens.",
        person("Re: [jsforce/jsforce] Auth error (#487)", GITHUB),
    ),
    (
        "github-attachment",
        "The same with an attachment.",
        multipart(
            part(GITHUB), part("AAAA", "image/png", "Content-Transfer-Encoding: base64\n")
        ).replace(SUBJECT.encode(), b"Re: Auth error (#487)"),
    ),
    (
        "support-thread",
        "A support thread about security tokens.",
        person(
            "Re: your case",
            "Your security token is tied to your password. If you reset it, the old one dies.\n"
            f"{OUTRO}\n",
        ),
    ),
    (
        "documentation",
        "Documentation with labels and no token.",
        person("How to", "Username: your name\nSecurity token: see the mail\n"),
    ),
    (
        "parcel",
        "A parcel with a long number.",
        person("Your parcel", "Order: A17\nTracking number: 92001901755477000012345678\n"),
    ),
    (
        "checksum",
        "A checksum in a release announcement.",
        person("Release 1.2", "Version: 1.2\nmd5: d41d8cd98f00b204e9800998ecf8427e\n"),
    ),
    (
        "newsletter",
        "A newsletter in HTML.",
        multipart(
            part("see HTML\n"), part(NEWSLETTER, "text/html; charset=utf-8"), kind="alternative"
        ).replace(SUBJECT.encode(), b"News"),
    ),
    (
        "newsletter-large",
        "A newsletter of more than 256 kB.",
        (person("News", "<p>Salesforce news</p>\n" * 14_000))[:262_145],
    ),
    (
        "invitation",
        "An invitation to a meeting.",
        multipart(
            part("Join us\n"),
            part(
                "BEGIN:VCALENDAR\n"
                "UID:040000008200E00074C5B7101A82E00800000000B0C1D2E3F4A5B601000000000000000010000000\nEND:VCALENDAR",
                "text/calendar",
            ),
            kind="alternative",
        ).replace(SUBJECT.encode(), b"Meeting"),
    ),
    (
        "spam-8-bit",
        "Spam with a raw Subject in another script.",
        person("x", SPAM + "\n").replace(b"Subject: x", f"Subject: {SPAM}".encode()),
    ),
    (
        "spam-8-bit-latin",
        "Spam in Latin-1 without saying so.",
        person("x", "hello\n").replace(b"Subject: x", b"Subject: Cr\xe9dit"),
    ),
    ("spam-bare-lf", "Spam with bare LFs.", person("x", "cheap\n").replace(b"\r\n", b"\n")),
    (
        "spam-no-to",
        "Spam without a To.",
        person("x", "cheap\n").replace(b"To: ops@example.com\r\n", b""),
    ),
    ("spam-two-subjects", "Spam with two Subjects.", b"Subject: y\r\n" + person("x", "cheap\n")),
    ("spam-nul", "Spam with a NUL.", person("x", "cheap\n").replace(b"cheap", b"ch\0eap")),
    (
        "spam-base64",
        "Spam in base64, with bare LFs.",
        person("x", "Q2hlYXAgbWVkaWNpbmUgZm9yIGV2ZXJ5Ym9keSwgb3JkZXIgbm93IQ==\n").replace(
            b"\r\n", b"\n"
        ),
    ),
    ("empty", "Nothing at all.", b""),
    ("only-lines", "Only line ends.", b"\r\n\r\n\r\n"),
    ("binary", "Bytes that are no mail.", bytes(range(256)) * 40),
    (
        "verification-token-word",
        "A mail of another service with its own kind of token.",
        person("Your API key", "Name: build\nExpires: 2027-01-01\n"),
    ),
)


def items() -> Iterator[Item]:
    yield from mails("people", PEOPLE, "refused wrong-sender")
    yield from mails("lists", LISTS)
    why = "A genuine mail out of an archive, months later, is not new."
    verdict = "held date-out-of-bounds"
    late = ISSUED + timedelta(days=90)
    yield item("lists", "archive", why, arrived(GENUINE), verdict, received_at=late)
    yield from mails("look-alike", LOOK_ALIKES, "ignored")
