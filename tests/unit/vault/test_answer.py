"""What is Vault's and what is not, by status, content type and form."""

from __future__ import annotations

import pytest

from token_catcher.vault.answer import Answer, trouble_of

JSON = "application/json"
ERRORS = b'{"errors": []}'


@pytest.mark.parametrize(
    ("status", "content_type", "content"),
    [
        (200, JSON, b'{"data": {}}'),
        (200, "Application/JSON; charset=utf-8", b"{}"),
        (204, "", b""),
        (400, JSON, ERRORS),
        (403, JSON, b'{"errors": ["permission denied"]}'),
        (404, JSON, ERRORS),
        (404, JSON, b""),  # to PATCH, where there is no secret
        (404, JSON, b'{"request_id": "x", "data": {"metadata": {}}}'),  # a deleted version
        (405, JSON, ERRORS),
    ],
)
def test_vaults_answers_are_known(status: int, content_type: str, content: bytes) -> None:
    """And say nothing of Vault as a whole."""
    answer = Answer.of(status, {"Content-Type": content_type}, content)
    assert answer.is_vaults
    assert trouble_of(answer, "Vault") is None


@pytest.mark.parametrize(
    ("status", "content_type", "content"),
    [
        (200, "text/html", b"<html>"),
        (200, "", b"{}"),
        (400, JSON, b'{"error": "x"}'),
        (403, "text/plain", ERRORS),
        (404, JSON, b"[]"),
        (404, JSON, b'{"errors": "none"}'),
        (404, "", b""),
    ],
)
def test_others_are_told_from_it(status: int, content_type: str, content: bytes) -> None:
    """An outage, whatever they say."""
    answer = Answer.of(status, {"Content-Type": content_type}, content)
    trouble = trouble_of(answer, "Vault")
    assert not answer.is_vaults
    assert trouble is not None
    assert trouble.code == "vault-foreign"


def test_a_body_is_not_shown() -> None:
    """It may hold a secret."""
    answer = Answer.of(200, {"Content-Type": JSON}, b'{"data": {"x": "CANARY"}}')
    assert answer.data == {"x": "CANARY"}
    assert "CANARY" not in repr(answer)
