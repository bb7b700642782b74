"""Usernames and tokens that are not what they seem, and orgs that are not ours.

They are injected into the path and into the text. All are signed by Salesforce's key and our
server is content: anybody can have Salesforce send such a mail.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.base import EVIL_TOKEN, PINNED_ID, Item, crlf, mails, salesforce
from tests.kit.mails import INTRO, OUTRO, TOKEN, USERNAME, token_body

BAD = "held bad-username"
UNKNOWN_USER = "held unknown-user"
LAYOUT = "held unknown-layout"
AMBIGUOUS = "held ambiguous-claim"
UNEXPECTED = "held unexpected-part"

USERNAMES = (
    ("parent", "Two dots in the local part.", "..@acme.example"),
    ("parent-inside", "Two dots inside.", "integration..x@acme.example"),
    ("parent-domain", "Two dots in the domain.", "integration@acme..example"),
    ("dot-first", "A leading dot.", ".integration@acme.example"),
    ("dot-last", "A trailing dot.", "integration@acme.example."),
    ("slash", "A path in the local part.", "../../sys/policy@acme.example", LAYOUT),
    ("slash-domain", "A path in the domain.", "integration@acme.example/../../sys", LAYOUT),
    ("slash-full-width", "A full-width slash.", "integration@acme.example\uff0fx"),
    ("encoded-slash", "An encoded slash.", "integration%2f..%2fx@acme.example"),
    ("encoded-dots", "Encoded dots.", "%2e%2e@acme.example"),
    ("query", "A question mark.", "integration@acme.example?version=1"),
    ("fragment", "A number sign.", "integration#x@acme.example"),
    ("wildcard", "The pattern itself.", "*@bots.acme.example"),
    ("placeholder", "A placeholder of the path.", "{org}@bots.acme.example"),
    ("template", "A template expression.", "{{7*7}}@bots.acme.example"),
    ("format", "A format directive.", "%s@bots.acme.example"),
    ("dollar", "A shell variable.", "${HOME}@bots.acme.example"),
    ("command", "A shell command.", "$(id)@bots.acme.example"),
    ("backtick", "Another shell command.", "`id`@bots.acme.example"),
    ("pipe", "A pipe.", "x|id@bots.acme.example"),
    ("semicolon", "A semicolon.", "x;id@bots.acme.example"),
    ("backslash", "A backslash.", "..\\x@bots.acme.example"),
    ("quote", "A quote, for whatever is built of strings.", '"x"@bots.acme.example'),
    ("angle", "Angle brackets.", "<x@bots.acme.example>"),
    ("star-domain", "A wildcard in the domain.", "x@*.acme.example"),
    ("two-at", "Two @.", "integration@acme.example@evil.example"),
    ("no-local", "No local part.", "@bots.acme.example"),
    ("no-domain", "No domain.", "integration@"),
    ("long", "More than 80 characters.", "x" * 70 + "@bots.acme.example"),
    ("very-long", "Far more than 80 characters.", "x" * 900 + "@a.example"),
    ("kelvin", "The Kelvin sign lower-cases to k.", "\u212a@bots.acme.example"),
    ("long-s", "The long s upper-cases to S.", "\u017f@bots.acme.example"),
    ("dotless-i", "The dotless i upper-cases to I.", "\u0131ntegration@acme.example"),
    ("cyrillic", "A Cyrillic a.", "integr\u0430tion@acme.example"),
    ("combining", "A letter and a combining accent.", "integration\u0301@acme.example"),
    (
        "full-width-letters",
        "Full-width letters, which NFKC makes plain.",
        "\uff49ntegration@acme.example",
    ),
    ("zero-width", "A zero-width space.", "integration\u200b@acme.example"),
    ("right-to-left", "An override turns what follows round.", "integration\u202e@acme.example"),
    ("soft-hyphen", "A soft hyphen.", "integra\u00adtion@acme.example"),
    ("full-width-at", "A full-width @.", "integration\uff20acme.example", LAYOUT),
    ("no-at", "No @ at all.", "integration", LAYOUT),
    ("space", "White space inside.", "integration @acme.example", LAYOUT),
    ("no-break-space", "A no-break space inside.", "integration\u00a0@acme.example", LAYOUT),
    ("stranger", "A username of nobody's.", "stranger@evil.example", UNKNOWN_USER),
    (
        "suffix",
        "Our username with a suffix: a sandbox that is not configured.",
        "integration@acme.example.uat",
        UNKNOWN_USER,
    ),
    ("prefix", "Our username with a prefix.", "xintegration@acme.example", UNKNOWN_USER),
    (
        "pattern-below",
        "A name below a pattern's domain.",
        "x@y.bots.acme.example.evil.example",
        UNKNOWN_USER,
    ),
)

# A profile name, a greeting, whatever a mail repeats of what its owner typed, carries own lines.
VICTIM = f"Username: {USERNAME}\nSecurity token (case-sensitive): {EVIL_TOKEN}\n"
GENUINE = token_body("stranger@evil.example")
INJECTED = (
    ("before", "The victim's pair above the genuine one.", f"{INTRO}\n\n{VICTIM}\n{GENUINE}"),
    ("after", "The victim's pair below the genuine one.", f"{GENUINE}\n{VICTIM}"),
    (
        "username-before",
        "Another username right above.",
        GENUINE.replace("Username:", f"Username: {USERNAME}\nUsername:"),
    ),
    (
        "username-between",
        "Another username between.",
        GENUINE.replace("\nSecurity token (", f"\nUsername: {USERNAME}\nSecurity token ("),
    ),
    ("username-after", "Another username at the end.", f"{GENUINE}Username: {USERNAME}\n"),
    (
        "username-japanese",
        "Another username under a Japanese label.",
        f"ユーザ名: {USERNAME}\n{GENUINE}",
    ),
    (
        "username-full-width",
        "Another username behind a full-width colon.",
        f"Ｕｓｅｒｎａｍｅ：{USERNAME}\n{GENUINE}",
    ),
    ("token-before", "Another token above.", f"Security token: {EVIL_TOKEN}\n{GENUINE}"),
    (
        "token-after",
        "Another token below.",
        GENUINE.replace("\n\nFor more", f"\nSecurity token: {EVIL_TOKEN}\n\nFor more"),
    ),
    (
        "other-language",
        "The victim's pair in another language.",
        f"Benutzername: {USERNAME}\nSicherheitstoken: {EVIL_TOKEN}\n{GENUINE}",
    ),
    ("same-twice", "The same pair twice: even that was never seen.", token_body() + token_body()),
    (
        "one-line",
        "Both on one line.",
        f"{INTRO}\n\nUsername: {USERNAME} Security token (case-sensitive): {TOKEN}\n\n{OUTRO}\n",
        LAYOUT,
    ),
    (
        "reversed",
        "The token above the username.",
        f"{INTRO}\n\nSecurity token (case-sensitive): {TOKEN}\nUsername: {USERNAME}\n\n{OUTRO}\n",
        LAYOUT,
    ),
    (
        "apart",
        "A line between username and token.",
        token_body().replace("\nSecurity token (", "\nOrganisation: Acme\nSecurity token ("),
        LAYOUT,
    ),
    (
        "empty-line",
        "An empty line between username and token.",
        token_body().replace("\nSecurity token (", "\n\nSecurity token ("),
        LAYOUT,
    ),
    (
        "indented",
        "Lines that do not begin at the margin.",
        token_body().replace("\nUsername", "\n  Username").replace("\nSecurity", "\n  Security"),
        LAYOUT,
    ),
    (
        "no-colon",
        "Labels without a colon.",
        token_body().replace("Username:", "Username").replace("sensitive):", "sensitive)"),
        LAYOUT,
    ),
    (
        "next-line",
        "U+0085 in a name is a line end for some.",
        f"Dear Zoë\u0085{VICTIM}{GENUINE}",
        UNEXPECTED,
    ),
    *(
        (f"true-{name}", f"The victim's pair above the true one, {why}.", VICTIM + true_pair)
        for name, why, true_pair in (
            ("em-space", "behind wide spaces", f"User:\u2003a@b.example\nToken:\u2003{TOKEN}\n"),
            ("columns", "in one line", f"User: a@b.example   Token: {TOKEN}\n"),
            ("own-lines", "in lines of their own", f"User:\na@b.example\nToken:\n{TOKEN}\n"),
            ("dash", "behind dashes", f"User - a@b.example\nToken - {TOKEN}\n"),
            ("period", "with a period", f"User: a@b.example\nToken: {TOKEN}.\n"),
        )
    ),
    (
        "line-separator",
        "U+2028 in a name is a line end for some.",
        f"Dear Zoë\u2028{VICTIM}{GENUINE}",
        UNEXPECTED,
    ),
    (
        "form-feed",
        "A form feed in a name is a line end for some.",
        f"Dear Zoe\x0c{VICTIM}{GENUINE}",
        "refused malformed",
    ),
    (
        "vertical-tab",
        "A vertical tab in a name is a line end for some.",
        f"Dear Zoe\x0b{VICTIM}{GENUINE}",
        "refused malformed",
    ),
)

TOKENS = (
    ("19", "One character fewer than the shortest.", TOKEN[:19]),
    ("33", "One character more than the longest.", "A1" * 16 + "B"),
    ("glued-dot", "A dot glued to it: the layout changed.", TOKEN + "."),
    ("glued-bracket", "A bracket glued to it.", TOKEN + ")"),
    ("quoted", "A token in quotes.", f'"{TOKEN}"'),
    ("hyphen", "A hyphen inside.", TOKEN[:10] + "-" + TOKEN[10:]),
    ("full-width", "Full-width digits, which NFKC makes plain.", TOKEN.replace("9", "\uff19")),
    ("cyrillic", "A Cyrillic a.", TOKEN.replace("a", "\u0430")),
    ("arabic-digits", "Arabic digits, which \\d matches.", TOKEN.replace("9", "\u0669")),
    ("zero-width", "A zero-width joiner inside.", TOKEN[:10] + "\u200d" + TOKEN[10:]),
    ("soft-hyphen", "A soft hyphen inside.", TOKEN[:10] + "\u00ad" + TOKEN[10:]),
    ("two", "Two runs.", TOKEN + " " + TOKEN),
    ("comment", "A remark behind it.", TOKEN + " (expires soon)"),
    ("tag", "A tag in a plain text.", f"<b>{TOKEN}</b>"),
    ("masked", "Stars in place of it.", "*" * 24),
    ("link", "A link in place of it.", "https://evil.example/" + TOKEN),
    ("empty", "Nothing.", ""),
    ("broken", "The rest on the next line.", TOKEN[:12] + "\n" + TOKEN[12:]),
)

# Real token mails of Salesforce's, for other orgs than ours.
PINNED = "pinned@acme.example"
STRANGER = "X-SFDC-LK: 00D8d000003TRx3\n"
OURS = f"X-SFDC-LK: {PINNED_ID}\n"
ENVELOPE = "Return-Path: <support=salesforce.com__0-1@mnopqr.8d-3trx3eag.um8.bnc.salesforce.com>\n"
FOREIGN = (
    (
        "sandbox-of-production",
        "A sandbox mail for a production org: a stranger's sandbox may carry our username.",
        salesforce(subject="Sandbox: Your new Salesforce security token"),
        "held wrong-environment",
    ),
    (
        "production-for-sandbox",
        "A stranger's production org has the username of our sandbox: no mark, and another id.",
        salesforce("integration@example.com.uat", EVIL_TOKEN, extra=STRANGER),
        "held wrong-environment",
    ),
    ("stranger", "Another org's id where one is pinned.", salesforce(PINNED, extra=STRANGER)),
    ("silent", "No org id where one is pinned.", salesforce(PINNED, extra="")),
    ("two-ids", "Two org ids, one of them ours.", salesforce(PINNED, extra=OURS + STRANGER)),
    (
        "contradicting-envelope",
        "The envelope sender is another org's.",
        crlf(ENVELOPE) + salesforce(PINNED, extra=OURS),
    ),
    ("id-case", "Our id in another case is another org.", salesforce(PINNED, extra=OURS.upper())),
    (
        "id-longer",
        "An id that only begins like ours.",
        salesforce(PINNED, extra=OURS.replace("\n", "xyz9\n")),
    ),
    (
        "id-garbage",
        "Something else in place of an id.",
        salesforce(PINNED, extra=OURS.replace("\n", ", 00D8d000003TRx3\n")),
    ),
    (
        "ours-for-other",
        "A pinned org's id on a mail for a user of another org.",
        salesforce(USERNAME, extra=OURS),
    ),
    (
        "own-text",
        "An attacker's org sends the very text from noreply@salesforce.com.",
        salesforce(PINNED, EVIL_TOKEN, sender="noreply@salesforce.com", extra=STRANGER),
        "held unknown-sender",
    ),
    (
        "subject-unknown",
        "Another subject than a configured one.",
        salesforce(subject="Your new Salesforce password"),
        "held unknown-subject",
    ),
    (
        "subject-prefixed",
        "What a relay puts before the subject.",
        salesforce(subject="[EXTERNAL] Your new Salesforce security token"),
        "held unknown-subject",
    ),
    (
        "subject-reply",
        "Signed by Salesforce, and a reply.",
        salesforce(subject="Re: Your new Salesforce security token"),
        "held unknown-subject",
    ),
    (
        "subject-two-sandboxes",
        "Sandbox: twice.",
        salesforce(subject="Sandbox: Sandbox: Your new Salesforce security token"),
        "held unknown-subject",
    ),
    (
        "subject-case",
        "The subject in another case.",
        salesforce(subject="YOUR NEW SALESFORCE SECURITY TOKEN"),
        "held unknown-subject",
    ),
    (
        "subject-look-alike",
        "A Cyrillic letter in an encoded subject.",
        salesforce(subject="=?utf-8?q?Your_new_S=D0=B0lesforce_security_token?="),
        "held unknown-subject",
    ),
    (
        "subject-utf-7",
        "A subject in a charset nobody should read.",
        salesforce(subject="=?utf-7?q?Your_new_Salesforce_security_token?="),
        "held unknown-subject",
    ),
)


def items() -> Iterator[Item]:
    yield from mails("username", USERNAMES, BAD, build=salesforce)
    yield from mails("injected", INJECTED, AMBIGUOUS, build=_with_body)
    yield from mails("token", TOKENS, LAYOUT, build=_with_token)
    yield from mails("org", FOREIGN, "held wrong-org")


def _with_body(body: str) -> bytes:
    return salesforce(body=body)


def _with_token(token: str) -> bytes:
    return salesforce(token=token)
