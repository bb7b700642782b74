"""The secrets of a batch, read together before any of them is written."""

from __future__ import annotations

import threading
from dataclasses import replace

from tests.contract.vault import capture, opened, role_login, shipped_policy
from tests.kit.proxy import Page, ReverseProxy
from tests.kit.servers import OpenBao
from tests.kit.waiting import PATIENCE
from token_catcher.model import Capture, Reason, Receipt, Stored, Unchanged
from token_catcher.vault.store import READERS


class Together(ReverseProxy):
    """Answers no question about a secret before so many were asked."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self._all = threading.Barrier(READERS, timeout=PATIENCE)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Page:
        if method == "GET" and "/data/" in path:
            self._all.wait()
        return super().answer(method, path, headers, body)


def of_users(org: str, count: int) -> list[Capture]:
    """A capture for each of so many users."""
    return [replace(capture(org), path=f"salesforce/{org}/user{each}") for each in range(count)]


def test_several_are_read_at_the_same_time(openbao: OpenBao, org: str) -> None:
    """And each is written without another question: one request for a token of the batch."""
    captures = of_users(org, READERS)
    paths = [each.path for each in captures]
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with Together(openbao.port) as proxy, opened(proxy.url, login) as store:
        ahead = store.ahead(paths)
        proxy.requests.clear()
        outcomes = [ahead.store(each) for each in captures]
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert proxy.requests == [("POST", f"/v1/secret/data/{path}") for path in paths]


def test_what_was_written_meanwhile_is_read_again(openbao: OpenBao, org: str) -> None:
    """What was read ahead is good for nothing then, and nothing is written over."""
    token = capture(org)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with opened(openbao.url, login) as store:
        ahead = store.ahead([token.path, f"{token.path}2"])
        assert isinstance(store.store(token), Stored)
        outcome = ahead.store(token)
    assert isinstance(outcome, Unchanged)
    assert (outcome.reason, isinstance(outcome.written, Receipt)) == (Reason.SAME_TOKEN, True)
    assert len(openbao.versions(token.path)) == 1


def test_what_cannot_be_read_is_told_by_the_store(openbao: OpenBao, org: str) -> None:
    """Reading ahead raises nothing: each mail meets its own trouble, or none."""
    captures = of_users(org, 2)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        proxy.concerns = lambda method, _path: method == "GET"
        proxy.page = Page(503, "text/html", b"<html>")
        ahead = store.ahead([each.path for each in captures])
        proxy.page = None
        outcomes = [ahead.store(each) for each in captures]
    assert [type(outcome) for outcome in outcomes] == [Stored, Stored]
