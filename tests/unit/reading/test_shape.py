"""Words in the form of a token."""

from __future__ import annotations

import pytest

from tests.kit.cost import times_dearer
from tests.kit.mails import TOKEN, token_body
from token_catcher.reading.shape import has_token_word, token_words

LETTERS = "FAKEtokenNOTrealxyzQwErTy"
HALF, REST = TOKEN[:12], TOKEN[12:]


@pytest.mark.parametrize("word", [TOKEN, LETTERS, "A1b" * 7, "kQzXbTwNcRjLmPvGhYsD"])
@pytest.mark.parametrize(
    "around",
    [
        "{0}",
        "Token:{0}.",
        "_{0}_",
        "={0}",
        "/{0}/",
        "#{0}",
        "?{0}",
        "**{0}**",
        "({0})",
        "'{0}'",
        "{0}&nbsp;",
        "&#160;{0}&#xa0;",
        "{0}\u00a0",
        "Sicherheitstoken={0}",
        "user@acme.example,{0}",
        "Token={0}&user=user@acme.example",
        "[{0}](https://x.example/)",
    ],
)
def test_a_word_among_whatever_neighbours(word: str, around: str) -> None:
    """Letters of both cases, with digits or without, are told wherever they stand apart."""
    assert list(token_words(f"Ihr Token\n{around.format(word)}\n")) == [word]


@pytest.mark.parametrize(
    "mark",
    ["\u200b", "\u00ad", "\u2060", "\ufeff", "&shy;", "&#8203;", "&#x200B;", "&ZeroWidthSpace;"],
)
def test_what_is_not_shown_is_left_out(mark: str) -> None:
    """A mark that a gateway put inside against linking does not hide a token."""
    assert list(token_words(HALF + mark + REST)) == [TOKEN]


@pytest.mark.parametrize(
    "text",
    [
        TOKEN[:19],
        "A1b" * 12,
        TOKEN.lower(),
        TOKEN.upper(),
        "9" * 24,
        "UserManagementSettings",
        "SalesforceIntegrationUser",
        "EnableMultiFactorAuthForAPIUsers",
        "Class.MyTriggerHandlerClass2026Impl",
        f"https://x.example/{TOKEN}",
        f"Link:https://x.example/?id={TOKEN}",
        f"www.x.example?{TOKEN}",
        f"login.salesforce.com/secur/{TOKEN}",
        f"https://urldefense.com/v3/__https://login.salesforce.com/__;Iw!!{TOKEN}$",
        f"https://x.example/?a=1&amp;t={TOKEN}",
        f"{TOKEN}@x.example",
        f"x@{TOKEN}",
        f"--{TOKEN}",
        f"%{TOKEN}",
        "QUJDREVGR0hJ/" * 5 + TOKEN + "/QUJDREVGR0hJ",
        "&#" + "9" * 6000 + ";",
    ],
)
def test_no_token(text: str) -> None:
    """Parts of links, addresses and files, identifiers, and words of other lengths are none."""
    assert not has_token_word(text)


def test_the_token_of_a_token_mail() -> None:
    """Nothing else in the mail has the form."""
    assert list(token_words(token_body())) == [TOKEN]


@pytest.mark.parametrize("piece", ["a.", "A1", "@", "a@", "&#1", "://", "/a", "\u200b", "aB-"])
def test_is_linear(piece: str) -> None:
    """Four times the text costs no more than a few times as much."""
    short = piece * 20_000
    assert times_dearer(lambda: has_token_word(short * 4), lambda: has_token_word(short)) < 10
