"""Every code has its advice, and docs/errors.md says what the table says."""

from __future__ import annotations

import ast
import re
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import token_catcher
from token_catcher import errors
from token_catcher.advice import CODES, MAIL, code_of
from token_catcher.model import Reason

ROOT = Path(__file__).parent.parent
SOURCE = Path(token_catcher.__file__).parent


def _raised() -> Iterator[str]:
    """Every code that stands in the source as one."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.keyword) or node.arg != "code":
                continue
            if isinstance(node.value, ast.Constant) and node.value.value:
                yield str(node.value.value)
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.TokenCatcherError):
            yield error.code
    tls = (SOURCE / "tls.py").read_text("utf-8")
    for code in re.findall(r'(?:TlsFailure|_lasting)\(\s*"([a-z-]+)"', tls):
        yield from (f"imap-{code}", f"vault-{code}", f"oauth-{code}", f"notify-{code}")


@pytest.mark.parametrize("code", sorted(set(_raised())))
def test_every_code_is_explained(code: str) -> None:
    """Also what passes by itself: somebody reads the message while it has not."""
    assert re.fullmatch(r"TC\d{3}", code_of(code))


def test_every_reason_is_explained() -> None:
    """Also the reasons after which nobody has anything to do."""
    assert list(MAIL) == list(Reason)


def test_a_number_is_of_one_cause() -> None:
    """So that what somebody wrote down about TC448 stays true."""
    numbers = Counter(advice.number for advice in (*CODES.values(), *MAIL.values()))
    assert [number for number, count in numbers.items() if count > 1] == []


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("vault-sealed", "TC448"),
        ("imap-login-throttled", "TC201"),
        ("unknown-user", "TC720"),
        ("no-such-code", ""),
    ],
)
def test_the_code_of_a_word(word: str, code: str) -> None:
    """Of an error, of a case of one, and of a mail's reason."""
    assert code_of(word) == code


def test_the_page_is_the_table() -> None:
    """`make pages` makes it."""
    page = runpy.run_path(str(ROOT / "docs" / "errors.py"))["page"]
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == page()
