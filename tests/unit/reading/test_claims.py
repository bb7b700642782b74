"""The claim in a text, by structure and in any language."""

from __future__ import annotations

import pytest

from tests.kit.mails import INTRO, OUTRO, TOKEN, USERNAME, token_body
from token_catcher.model import Claim, Reason, Token, Unclear
from token_catcher.reading.claims import agreed, find, stands_in

CLAIM = Claim(USERNAME, Token(TOKEN))
DISAGREE = Unclear(Reason.AMBIGUOUS_CLAIM, "2 texts that do not agree on one username and token")
OUTSIDE = Unclear(Reason.AMBIGUOUS_CLAIM, "another claim outside of the texts")
OTHER = token_body("batch@acme.example", "ANOTHERtokenNOTreal0000042")


def ambiguous(usernames: int, tokens: int) -> Unclear:
    return Unclear(
        Reason.AMBIGUOUS_CLAIM, f"{usernames} lines with a username, {tokens} with a token"
    )


def unknown(tokens: int) -> Unclear:
    return Unclear(
        Reason.UNKNOWN_LAYOUT, f"{tokens} lines with a token, none right after a username"
    )


def pair(
    username_label: str,
    token_label: str,
    *,
    colon: str = ": ",
    username: str = USERNAME,
    token: str = TOKEN,
) -> str:
    return f"{username_label}{colon}{username}\n{token_label}{colon}{token}\n"


@pytest.mark.parametrize(
    "text",
    [
        token_body(),
        pair("ユーザ名", "セキュリティトークン (大文字と小文字を区別)"),
        pair("ユーザー名", "セキュリティトークン（大文字と小文字を区別）", colon="："),
        pair("Nom d'utilisateur\u00a0", "Jeton de sécurité (sensible à la casse)\u00a0"),
        pair("Benutzername", "Sicherheitstoken"),
        pair("Имя пользователя", "Маркер безопасности"),
        pair("用户名", "安全令牌（区分大小写）"),
        pair("Username", "Security token", colon=":"),
        pair("Username", "Security token", colon=":\t\u3000\u00a0 "),
        pair("U", "T").replace("\n", "  \n"),
        "Contact: admin@acme.example\n" + token_body() + "See: https://user@host.example/\n",
    ],
)
def test_finds_the_one_claim(text: str) -> None:
    """A username and a token right under it, each behind a label of any language, are the claim."""
    assert find(text) == CLAIM


def test_keeps_the_case() -> None:
    """Username and token stay as they are written."""
    assert find("Username: A@B.Example\nSecurity token: " + "aB" * 10) == Claim(
        "A@B.Example", Token("aB" * 10)
    )


@pytest.mark.parametrize(("token", "length"), [("A" * 19, 19), ("A" * 33, 33)])
def test_lengths_that_are_none(token: str, length: int) -> None:
    """A token has 20 to 32 characters."""
    assert find(f"Username: {USERNAME}\nSecurity token: {'A' * 20}") == Claim(
        USERNAME, Token("A" * 20)
    )
    assert find(f"Username: {USERNAME}\nSecurity token: {'A' * 32}") == Claim(
        USERNAME, Token("A" * 32)
    )
    assert find(f"Username: {USERNAME}\nSecurity token: {token}") == unknown(1), length


@pytest.mark.parametrize("wrong", [".", ")", ",", "-x", "\uff19", "\u0669", "\u200b", "é"])
def test_never_trims_a_token(wrong: str) -> None:
    """A value with anything but ASCII letters and digits is no token: the layout changed."""
    assert find(token_body(token=TOKEN + wrong)) == unknown(1)


@pytest.mark.parametrize("mark", ["> ", ">", "| ", "* ", "- ", "1. ", "\u200b", "_"])
def test_a_pair_that_is_quoted_is_no_claim(mark: str) -> None:
    """A label begins with a letter: a quoted pair is not Salesforce's, but somebody must see it."""
    quoted = token_body().replace("Username", f"{mark}Username").replace("Sec", f"{mark}Sec")
    expected = Unclear(Reason.UNKNOWN_LAYOUT, "a username and a token that are quoted")
    assert find(quoted) == expected
    assert find(token_body().replace("Username", f"{mark}Username")) == expected
    assert find(quoted + token_body()) == ambiguous(2, 2)


@pytest.mark.parametrize(
    "label", ["Username", "Имя", "用户名", "ชื่อผู้ใช้", "사용자", "ユーザ名", "שם", "Élan"]
)
def test_a_label_of_any_script(label: str) -> None:
    """The letter may be of any script."""
    assert find(pair(label, f"{label} 2")) == Claim(USERNAME, Token(TOKEN))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (token_body() + OTHER, ambiguous(2, 2)),
        (token_body() + token_body(), ambiguous(2, 2)),
        (f"Username: x@y.example\n{token_body()}", ambiguous(2, 1)),
        (f"Username: x\n{token_body()}", ambiguous(2, 1)),
        (f"{token_body()}user name: x@y.example\n", ambiguous(2, 1)),
        (f"ユーザ名: x@y.example\n{token_body()}", ambiguous(2, 1)),
        (f"Ｕｓｅｒｎａｍｅ： x@y.example\n{token_body()}", ambiguous(2, 1)),
        (f"{pair('Wer', 'Was')}Wer: x@y.example\n", ambiguous(2, 1)),
        (f"{token_body()}Security token: soon\n", ambiguous(1, 2)),
        (f"{token_body()}Code: {'B' * 24}\n", ambiguous(1, 2)),
        (
            f"Benutzername: x@y.example\nSicherheitstoken: {'B' * 24}\n{token_body()}",
            ambiguous(2, 2),
        ),
    ],
)
def test_a_second_line_of_either_kind(text: str, expected: Unclear) -> None:
    """A second line that names a username or a token, by label or by form, is ambiguous."""
    assert find(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        token_body().replace("\nSecurity", "\n\nSecurity"),
        token_body().replace("\nSecurity", "\nOrg: x\nSecurity"),
        f"Security token: {TOKEN}\nUsername: {USERNAME}\n",
        token_body("integration"),
        token_body("a b@acme.example"),
        token_body("integration\uff20acme.example"),
        token_body("https://x@acme.example/"),
        token_body().replace("Username", " Username"),
        f"{INTRO}\n\nSicherheitstoken: {TOKEN}\n\n{OUTRO}\n",
        f"{INTRO}\n\nSicherheitstoken:\n  {TOKEN} \n\n{OUTRO}\n",
    ],
)
def test_a_layout_not_known_yet(text: str) -> None:
    """A token without a username right above it is seen, and not believed."""
    assert find(text) == unknown(1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        INTRO + OUTRO,
        "Username: integration@acme.example\n\nVerification Code: 123456\n",
        f"Order: A17\nTracking number: {'9' * 24}\n",
        "Security token: see below\n",
        "Your security token: is tied to your password\n",
        "[Error: LOGIN_MUST_USE_SECURITY_TOKEN: Invalid username, password, security token; or "
        "user locked out.]\n",
        f"{INTRO}\nSicherheitseinstellungen\n",
        f"Commit\n{TOKEN}\n",
        f"{'x' * 81}: {TOKEN}\nSalesforce\n",
        f"a:b: {TOKEN}\nSalesforce\n",
    ],
)
def test_no_claim_at_all(text: str) -> None:
    """A text that only talks of tokens, or has some long number, claims nothing."""
    assert find(text) is None


def test_all_readings_agree() -> None:
    """A claim in every reading is the mail's; hidden text may repeat it or say nothing."""
    assert agreed([token_body(), pair("Wer", "Was")], ["", "hello\n", token_body()]) == CLAIM


@pytest.mark.parametrize(
    ("readings", "hidden", "expected"),
    [
        ([token_body(), OTHER], [], DISAGREE),
        ([token_body(), "hello\n"], [], DISAGREE),
        (["hello\n", token_body()], [], DISAGREE),
        ([token_body(), token_body() * 2], [], ambiguous(2, 2)),
        ([token_body() * 2, token_body()], [], ambiguous(2, 2)),
        ([token_body()], [OTHER], OUTSIDE),
        ([token_body()], ["Username: x@y.example\n"], OUTSIDE),
        ([token_body()], ["Security token: soon\n"], OUTSIDE),
        ([token_body()], [pair("Wer", "Was", username="x@y.example")], OUTSIDE),
        ([token_body()], [pair("Wer", "Was", token="B" * 24)], OUTSIDE),
        (["hello\n"], [OTHER], Unclear(Reason.AMBIGUOUS_CLAIM, "a claim outside of the texts")),
        (["hello\n"], ["Username: x@y.example\n"], None),
        (["hello\n"], [], None),
        ([], [], None),
    ],
)
def test_texts_that_do_not_agree(
    readings: list[str], hidden: list[str], expected: Unclear | None
) -> None:
    """A reading without the claim, or another one anywhere, leaves it to a person."""
    assert agreed(readings, hidden) == expected


@pytest.mark.parametrize(
    "real",
    [
        "Username:\u2003x@y.example\nSecurity token:\u2003{0}\n",
        "Username: x@y.example   Security token: {0}\n",
        "Username:\nx@y.example\nSecurity token:\n{0}\n",
        "Username - x@y.example\nToken - {0}\n",
        "Benutzer: x@y.example\nToken: {0}.\n",
        "{0}",
        "Token: _{0}_",
    ],
)
@pytest.mark.parametrize("word", ["EViLtokenOFanATTACKER0042", "qWmZtYbXcRdPkLsJvHnGfTeA"])
def test_a_second_token_in_another_layout(real: str, word: str) -> None:
    """A pair in the known layout may be injected, and the true one in one that is not known."""
    beside = Unclear(Reason.AMBIGUOUS_CLAIM, "something like a second token in a text")
    assert agreed([token_body() + real.format(word)], []) == beside
    assert agreed([token_body(), real.format(word) + token_body()], []) == beside


@pytest.mark.parametrize(
    "text",
    [f"Again: {TOKEN}.\n", "See https://x.example/EViLtokenOFanATTACKER0042\n", "Dear Zoe\n"],
)
def test_the_same_token_again(text: str) -> None:
    """The token once more in another layout, and links, contradict nothing."""
    assert agreed([token_body() + text], []) == CLAIM


def test_harmless_hidden_text() -> None:
    """Addresses and long words in hidden text are no claims."""
    assert agreed([token_body()], [f"font-family:{'H' * 24}\nmailto:x@y.example\n"]) == CLAIM


# What stands there where a transfer encoding is not undone


CLAIM = Claim("integration@acme.example", Token(TOKEN))
PAIR = f"Username: integration@acme.example\nSecurity token (case-sensitive): {TOKEN}\n"


@pytest.mark.parametrize(
    "text",
    [
        PAIR,
        PAIR.replace(": ", ":"),
        PAIR.replace(": ", "=3A=20"),
        PAIR.replace("Username", "=E3=83=A6=\n=E3=83=BC"),
        PAIR.replace("\n", " \t\n"),
        PAIR.replace("Security", "S=C3=A9curit=C3=A9=\n").replace("case", "=\ncase"),
        PAIR.replace("Username", "Benutzer").replace("acme", "ac=\nme"),
    ],
)
def test_a_claim_that_stands_there_undecoded(text: str) -> None:
    """Its values are as they are written; labels may be encoded and broken."""
    assert stands_in(CLAIM, f"=E2=80=99\n\n{text}\nlink?id=3D1\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        PAIR.replace("@", "=40"),
        PAIR.replace("FAKE", "=46AKE"),
        PAIR.replace("acme", "ac=\nme"),
        PAIR.replace("integration", "x-integration"),
        PAIR.replace(TOKEN, f"x{TOKEN}"),
        PAIR.replace("\n", "=0D=0A", 1),
        PAIR.replace("\n", "\n\n", 1),
        PAIR + PAIR.replace("integration", "batch"),
        PAIR + "Username: batch@acme.example=\n/\n",
    ],
)
def test_a_claim_that_only_decoding_makes(text: str) -> None:
    """A value that is encoded or longer, a line end that is, or another claim beside it."""
    assert not stands_in(CLAIM, text)
