"""Which org a username belongs to: by name, then by pattern; never where two would fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_catcher.model import Header, Held, Reason
from token_catcher.proof.case import Terms
from token_catcher.proof.routing import (
    Org,
    Revealed,
    assign,
    is_plain_path,
    is_username,
    overlaps,
    revealed_orgs,
)
from token_catcher.reading import wire

USER = "integration@acme.example"
OURS = "00D0X0000000AbC"
OURS_18 = "00D0X0000000AbCUAU"
OURS_CODE = "0x-abcuau"
THEIRS = "00D8d000003TRx3"
THEIRS_CODE = "8d-3trx3eag"
NOTHING = Revealed((), ())


def org(
    name: str, *usernames: str, environment: str | None = None, org_id: str | None = None
) -> Org:
    return Org(name, usernames or (USER,), environment, org_id)  # type: ignore[arg-type]


def lk(*ids: str) -> Revealed:
    return Revealed(ids, ())


def assigned(
    *orgs: Org, username: str = USER, sandbox: bool = False, revealed: Revealed = NOTHING
) -> str:
    """The name of the org, or the reason of a held mail."""
    answer = assign(orgs, username, sandbox=sandbox, revealed=revealed)
    return answer.reason if isinstance(answer, Held) else answer.name


def header(*fields: str) -> Header:
    text = "".join(
        f"{field}\n" for field in (*fields, "From: a", "To: b", "Subject: c", "Date: d", "")
    )
    parsed = wire.read_header(text.replace("\n", "\r\n").encode())
    assert isinstance(parsed, Header), parsed
    return parsed


def envelope(code: str, *, hashes: str = "mnopqrstuvwxyz012.3456789") -> str:
    domain = f"{hashes}.{code}.um8.bnc.salesforce.com"
    return f"Return-Path: <support=salesforce.com__0-1abcdefghijkl@{domain}>"


# By username


def test_a_name_before_a_pattern() -> None:
    """The org that names the user gets it, though another's pattern would fit."""
    named = org("named")
    pattern = org("pattern", "*@acme.example")
    assert assigned(pattern, named) == "named"
    assert assigned(pattern, named, username="other@acme.example") == "pattern"
    assert assigned(named, username="other@acme.example") == Reason.UNKNOWN_USER


def test_without_orgs_nobody_is_known() -> None:
    """An empty configuration stores nothing."""
    assert assign((), USER, sandbox=False, revealed=NOTHING) == Held(
        Reason.UNKNOWN_USER, f"no org names {USER}"
    )


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("*@acme.example", "a@acme.example", "a@acme.example.evil"),
        ("*@acme.example", "a.b@acme.example", "a@xacme.example"),
        ("integration@*", "integration@x", "xintegration@x"),
        ("int*@acme.*", "integration@acme.example", "integration@xacme.example"),
        ("*", "a@b", "-"),
        ("a*a@b", "aa@b", "a@b"),
        ("**@b", "a@b", "a@bb"),
        ("a*b*c@d", "abbbc@d", "acb@d"),
        ("a.c@d", "a.c@d", "abc@d"),
    ],
)
def test_patterns(pattern: str, fits: str, does_not: str) -> None:
    """`*` stands for any characters, everything else for itself."""
    assert assigned(org("x", pattern), username=fits) == "x"
    if does_not != "-":
        assert assigned(org("x", pattern), username=does_not) == Reason.UNKNOWN_USER


def test_two_orgs_that_fit_are_ambiguous() -> None:
    """A username that two orgs name is held for a person."""
    answer = assign((org("one"), org("two")), USER, sandbox=False, revealed=NOTHING)
    assert answer == Held(Reason.AMBIGUOUS_ORG, f"{USER} matches one, two")
    assert (
        assigned(org("one", "*@acme.example"), org("two", "integration@*")) == Reason.AMBIGUOUS_ORG
    )


# By environment


def test_a_sandbox_mail_excludes_production() -> None:
    """A mail with `Sandbox: ` is for no production org."""
    production = org("p", environment="production")
    sandbox = org("s", environment="sandbox")
    answer = assign((production,), USER, sandbox=True, revealed=NOTHING)
    assert answer == Held(Reason.WRONG_ENVIRONMENT, "a sandbox mail for p")
    assert assigned(production, sandbox, sandbox=True) == "s"
    assert assigned(org("any"), sandbox=True) == "any"


def test_the_absence_of_the_prefix_proves_nothing() -> None:
    """A mail without `Sandbox: ` may come from either environment."""
    production = org("p", environment="production")
    sandbox = org("s", environment="sandbox")
    assert assigned(production, sandbox) == Reason.AMBIGUOUS_ORG


def test_a_sandbox_org_without_a_pin_wants_the_prefix() -> None:
    """Nothing shows that a mail without `Sandbox: ` and without a pinned id is from our sandbox.

    A stranger's production org can carry the username of our sandbox."""
    sandbox = org("s", environment="sandbox")
    for revealed in (NOTHING, lk(THEIRS)):
        answer = assign((sandbox,), USER, sandbox=False, revealed=revealed)
        assert answer == Held(Reason.WRONG_ENVIRONMENT, "no `Sandbox: ` in a mail for s")
    assert assigned(sandbox, sandbox=True) == "s"
    pinned = org("s", environment="sandbox", org_id=OURS)
    assert assigned(pinned, revealed=lk(OURS)) == "s"


# By the sending org's id


@pytest.mark.parametrize("pinned", [OURS, OURS_18])
@pytest.mark.parametrize(
    "revealed",
    [
        lk(OURS),
        lk(OURS_18),
        lk(OURS, OURS_18),
        Revealed((), (OURS_CODE,)),
        Revealed((), (OURS_CODE.upper(),)),
        Revealed((OURS_18,), (OURS_CODE, OURS_CODE)),
    ],
)
def test_a_pinned_org_that_is_revealed(pinned: str, revealed: Revealed) -> None:
    """A pinned org is told by its id in either form and in either place."""
    assert assigned(org("pinned", org_id=pinned), revealed=revealed) == "pinned"


@pytest.mark.parametrize(
    ("revealed", "saw"),
    [
        (NOTHING, "no org id"),
        (lk(THEIRS), "another org's id"),
        (lk("00D0X0000000abC"), "another org's id"),
        (Revealed((), (THEIRS_CODE,)), "another org's id"),
        (Revealed((), ("0x-abcuaa",)), "another org's id"),
        (lk(OURS, THEIRS), "org ids that contradict each other"),
        (lk(OURS + "rubbish"), "org ids that contradict each other"),
        (lk(OURS, "rubbish"), "org ids that contradict each other"),
        (lk("rubbish", OURS), "org ids that contradict each other"),
        (lk(""), "org ids that contradict each other"),
        (Revealed((OURS,), (THEIRS_CODE,)), "org ids that contradict each other"),
        (Revealed((THEIRS,), (OURS_CODE,)), "org ids that contradict each other"),
        (Revealed((), (OURS_CODE, THEIRS_CODE)), "org ids that contradict each other"),
        (Revealed((), (OURS_CODE, "")), "org ids that contradict each other"),
    ],
)
def test_a_pinned_org_that_is_not_revealed(revealed: Revealed, saw: str) -> None:
    """A missing id, another one, or two at once leave a pinned org to a person."""
    answer = assign((org("pinned", org_id=OURS),), USER, sandbox=False, revealed=revealed)
    assert answer == Held(Reason.WRONG_ORG, f"{saw} in a mail for pinned")


@pytest.mark.parametrize("revealed", [lk(OURS), lk(THEIRS), lk("00Dxx0000000000")])
def test_an_unsigned_id_chooses_no_org(revealed: Revealed) -> None:
    """Two orgs that nothing signed tells apart stay ambiguous, whatever id is written there."""
    orgs = org("ours", org_id=OURS), org("theirs", org_id=THEIRS)
    assert assigned(*orgs, revealed=revealed) == Reason.AMBIGUOUS_ORG


@pytest.mark.parametrize(
    ("sandbox", "revealed", "ending"),
    [
        (False, lk(OURS), "p"),
        (False, Revealed((), (OURS_CODE,)), "p"),
        (False, lk(THEIRS), Reason.WRONG_ORG),
        (False, NOTHING, Reason.WRONG_ORG),
        (True, lk(THEIRS), "s"),
        (True, lk(OURS), Reason.WRONG_ORG),
        (True, NOTHING, Reason.WRONG_ORG),
    ],
)
def test_an_id_confirms_what_the_subject_says(
    sandbox: bool, revealed: Revealed, ending: str
) -> None:
    """With one username in production and in a sandbox the signed subject points to one org.

    The pinned id of that very org lets the mail pass, the one of the other holds it."""
    production = org("p", environment="production", org_id=OURS)
    copy = org("s", environment="sandbox", org_id=THEIRS)
    assert assigned(production, copy, sandbox=sandbox, revealed=revealed) == ending


def test_a_pinned_org_beside_one_that_is_not() -> None:
    """Neither the pinned id nor another one chooses between them; without one, none passes."""
    orgs = org("pinned", org_id=OURS), org("free")
    assert assigned(*orgs, revealed=lk(OURS)) == Reason.AMBIGUOUS_ORG
    assert assigned(*orgs, revealed=lk(THEIRS)) == Reason.AMBIGUOUS_ORG
    assert assigned(*orgs, revealed=NOTHING) == Reason.WRONG_ORG
    assert assigned(*orgs, revealed=lk(OURS, THEIRS)) == Reason.WRONG_ORG


def test_the_mail_of_a_pinned_org_is_not_for_another() -> None:
    """The mail of a pinned org is for no other, though only the other names the user."""
    orgs = org("pinned", "x@x.example", org_id=OURS), org("free")
    assert assigned(*orgs, revealed=lk(OURS)) == Reason.WRONG_ORG
    assert assigned(*orgs, revealed=lk(THEIRS)) == "free"
    assert assigned(*orgs, revealed=NOTHING) == "free"


def test_environment_and_id_must_both_fit() -> None:
    """A sandbox mail with the id of a production org is held."""
    assert (
        assigned(org("p", environment="production", org_id=OURS), sandbox=True, revealed=lk(OURS))
        == Reason.WRONG_ENVIRONMENT
    )


# What a mail reveals


def test_where_the_id_stands() -> None:
    """The id is read from `X-SFDC-LK` and from the envelope sender.

    There the org's code stands behind one hash or two."""
    revealed = revealed_orgs(header(envelope(OURS_CODE), f"X-SFDC-LK: {OURS}"))
    assert revealed == Revealed((OURS,), (OURS_CODE,))
    assert revealed_orgs(header(envelope(THEIRS_CODE, hashes="x"))) == Revealed((), (THEIRS_CODE,))
    assert revealed_orgs(header()) == NOTHING


@pytest.mark.parametrize(
    ("org_id", "code"),
    [
        ("00D0X0000000AbC", "0x-abcuau"),
        ("00D8d000003TRx3", "8d-3trx3eag"),
        ("00DA0000000Hu5a", "a-hu5amac"),
        ("00D8d000003TRx3EAG", "8d-3trx3eag"),
    ],
)
def test_the_code_of_the_envelope_sender(org_id: str, code: str) -> None:
    """The code of the envelope sender follows from the org id.

    18 characters without `00D`, lower-cased, the first run of zeros as a hyphen."""
    assert Revealed((), (code,)).fits(org_id)
    assert Revealed((), (code,)).org_id == org_id[:15]
    assert not Revealed((), (code[:-1] + "x",)).fits(org_id)


@pytest.mark.parametrize(
    "revealed",
    [
        NOTHING,
        lk(OURS, THEIRS),
        lk("rubbish"),
        Revealed((OURS,), (THEIRS_CODE,)),
        Revealed((), ("0x-abcaau",)),
        Revealed((), ("0x-abcua!",)),
        Revealed((), ("abc",)),
        Revealed((), ("0-x-abcuau",)),
        Revealed((), ("0x0000000abcuau99",)),
    ],
)
def test_no_one_id(revealed: Revealed) -> None:
    """Nothing, a contradiction, or a code that no org has, gives no id."""
    assert revealed.org_id is None


def test_the_one_id() -> None:
    """An id of 18 characters is the one of 15."""
    assert Revealed((OURS_18,), (OURS_CODE,)).org_id == OURS


@pytest.mark.parametrize(
    "value",
    [
        "<pat@example.com>",
        "<>",
        "support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com>",
        "<support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com",
        "<x@x.0x-abcuau.um8.bnc.salesforce.com.evil.example>",
        "<x@x.0x-abcuau.um8.bnc.salesforce.com> (comment)",
        "<x@x.0x-abcuau.um8.bnc.salesforce.com@evil.example>",
        "<x@0x-abcuau.um8.bnc.salesforce.com>",
    ],
)
def test_an_envelope_that_reveals_nothing(value: str) -> None:
    """An envelope sender of another domain or form reveals no org."""
    assert revealed_orgs(header(f"Return-Path: {value}")) == NOTHING


def test_an_envelope_without_brackets() -> None:
    """Some servers write the envelope sender without its brackets."""
    bare = envelope(OURS_CODE).replace("<", "").replace(">", "")
    assert revealed_orgs(header(bare)) == Revealed((), (OURS_CODE,))


def test_a_forwarders_return_path_says_nothing() -> None:
    """Of two after a forward, the one that is an envelope of Salesforce's counts."""
    forwarder = "Return-Path: <SRS0=x=y=salesforce.com=support@relay.example>"
    for fields in ((forwarder, envelope(OURS_CODE)), (envelope(OURS_CODE), forwarder)):
        revealed = revealed_orgs(header(*fields))
        assert (revealed, revealed.one_org) == (Revealed((), (OURS_CODE,)), True)
    assert revealed_orgs(header(envelope(OURS_CODE), envelope(OURS_CODE))).one_org


@pytest.mark.parametrize("odd", ["Zo\u00eb", "x" * 1000, "x\n \n y"])
def test_an_odd_return_path_says_nothing(odd: str) -> None:
    """Whatever a stranger's server wrote there, the one of Salesforce's counts."""
    odd_path = f"Return-Path: <{odd}@relay.example>"
    assert revealed_orgs(header(odd_path, envelope(OURS_CODE))) == Revealed((), (OURS_CODE,))


def test_the_id_decides_between_two_envelopes() -> None:
    """Two orgs in two Return-Path contradict each other, unless the id is that of one of them."""
    both = (envelope(THEIRS_CODE), envelope(OURS_CODE))
    assert not revealed_orgs(header(*both)).one_org
    revealed = revealed_orgs(header(*both, f"X-SFDC-LK: {OURS}"))
    assert (revealed, revealed.one_org) == (Revealed((OURS,), (OURS_CODE,)), True)
    for ids in ([THEIRS], [OURS, THEIRS], ["00D9d000003TRx3"]):
        contradicting = revealed_orgs(header(*both, *(f"X-SFDC-LK: {written}" for written in ids)))
        assert not (contradicting.one_org and contradicting.fits(OURS))
    assert not revealed_orgs(header(envelope(THEIRS_CODE), f"X-SFDC-LK: {OURS}")).one_org


def test_a_second_id_is_seen() -> None:
    """A second id, folded or in another case, contradicts the first."""
    revealed = revealed_orgs(header(f"X-SFDC-LK: {OURS}", f"x-sfdc-lk:\n\t{THEIRS}"))
    assert revealed == Revealed((OURS, THEIRS), ())
    assert not revealed.one_org


# Configuration that no mail could tell apart


def names(*orgs: Org) -> list[tuple[str, str, str]]:
    return [(first.name, second.name, shared) for first, second, shared in overlaps(orgs)]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (org("a"), org("b"), USER),
        (org("a", "*@acme.example"), org("b", "integration@*"), "*@acme.example and integration@*"),
        (org("a", "*"), org("b", "*@b"), "* and *@b"),
        (org("a", "a*b"), org("b", "ab*"), "a*b and ab*"),
        (org("a", org_id=OURS), org("b", org_id=OURS_18), USER),
        (org("a", org_id=OURS), org("b", org_id=THEIRS), USER),
        (org("a", org_id=OURS), org("b"), USER),
        (org("a", environment="production"), org("b"), USER),
        (org("a", environment="sandbox"), org("b", environment="sandbox"), USER),
    ],
)
def test_orgs_that_could_never_be_told_apart(one: Org, other: Org, shared: str) -> None:
    """Orgs that share a user and do not differ in environment overlap: an id is unsigned."""
    assert names(one, other) == [("a", "b", shared)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (org("a"), org("b", "other@acme.example")),
        (org("a"), org("b", "*@acme.example")),
        (org("a", "*@a.example"), org("b", "*@b.example")),
        (org("a", "a*b"), org("b", "b*a")),
        (org("a", environment="production"), org("b", environment="sandbox")),
    ],
)
def test_orgs_that_can_be_told_apart(one: Org, other: Org) -> None:
    """A name before a pattern, or the environment, tells two orgs apart."""
    assert names(one, other) == []


@given(st.text("ab*", max_size=6), st.text("ab*", max_size=6), st.text("ab", max_size=6))
def test_patterns_that_share_a_username_meet(one: str, other: str, username: str) -> None:
    """Two patterns that one username fits are found before any mail comes."""
    if "*" not in one or "*" not in other:
        return
    orgs = org("a", one), org("b", other)
    if assigned(*orgs, username=username) == Reason.AMBIGUOUS_ORG:
        assert names(*orgs)


# Forms


@pytest.mark.parametrize(
    "text", ["a@b", "A.b_c-d+e'f@x-1.example", "a" * 78 + "@b", "1@1", "_@x", "a.@b"]
)
def test_usernames(text: str) -> None:
    """A username has letters, digits and . _ + - ' around one @."""
    assert is_username(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "@", "a@", "@b", "a@b@c", "a..b@c", "a@b..c", ".a@b", "a@.b", "a@b.", "a@-b",
     "a b@c", "a@b\n", "a/b@c", "..@b",
     "a" * 79 + "@b",
     "\u212a@b", "a@b\u0661", "a%40@b", "a,b@c", "a*@b"],
)  # fmt: skip
def test_no_usernames(text: str) -> None:
    """A username is ASCII, of at most 80 characters, without two dots together.

    Nothing in it means something elsewhere."""
    assert not is_username(text)


@pytest.mark.parametrize("path", ["a", "salesforce/acme/o'neil_a+b-c@x.example", "a/.../b"])
def test_plain_paths(path: str) -> None:
    """Segments of harmless characters make a plain path."""
    assert is_plain_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "a%2fb",
        "a?b",
        "a#b",
        "a*b",
        "a b",
        "a\\b",
        "a\n",
        "a\x00b",
        "{org}",
        "ä",
    ],
)
def test_paths_that_are_not_plain(path: str) -> None:
    """Requirement 20: an empty segment, dots, or any other character makes no plain path."""
    assert not is_plain_path(path)


@pytest.mark.parametrize(
    ("org_name", "username", "path"),
    [
        ("acme", USER, f"salesforce/acme/{USER}"),
        ("acme", "etl@acme.example", None),
        ("other", "etl@acme.example", "salesforce/other/etl@acme.example"),
        ("other", USER, None),
        ("gone", USER, None),
        ("other", "a/../b@acme.example", None),
        ("other", "{org}@acme.example", None),
    ],
    ids=["named", "of the other", "by pattern", "named elsewhere", "no org", "odd", "no template"],
)
def test_where_the_token_of_a_user_is_written(
    org_name: str, username: str, path: str | None
) -> None:
    """Where a mail of theirs would be written to now; nowhere, where the org names them no more."""
    terms = Terms((org("acme"), org("other", "*@acme.example")), "salesforce/{org}/{username}")
    assert terms.path_of(org_name, username) == path
