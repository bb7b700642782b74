"""The secrets of a batch, read together before any of them is written."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.vault import capture, opened, role_login, shipped_policy
from tests.kit.proxy import Page, ReverseProxy
from tests.kit.servers import OpenBao
from token_catcher.model import Capture, Reason, Receipt, Stored, Unchanged


def of_users(org: str, count: int) -> list[Capture]:
    """A capture for each of so many users."""
    return [replace(capture(org), path=f"salesforce/{org}/user{each}") for each in range(count)]


def going_on() -> bool:
    """Nobody asks for a stop."""
    return True


def test_each_is_read_once_and_then_written(openbao: OpenBao, org: str) -> None:
    """Two requests for a token of the batch, and one more for the mount at either end."""
    captures = of_users(org, 3)
    paths = [each.path for each in captures]
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        ahead = store.ahead(paths, going_on)
        read = [path for method, path in proxy.requests if "/data/" in path]
        proxy.requests.clear()
        outcomes = [ahead.store(each) for each in captures]
    assert read == [f"/v1/secret/data/{path}" for path in paths]
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert proxy.requests == [("POST", f"/v1/secret/data/{path}") for path in paths]


def test_after_a_stop_no_more_are_read(openbao: OpenBao, org: str) -> None:
    """It is asked for before each, which is a sign of life as well: a Vault may be slow."""
    captures = of_users(org, 4)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    answers = [True, True, False]
    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        store.ahead([each.path for each in captures], lambda: answers.pop(0))
        read = [path for _, path in proxy.requests if "/data/" in path]
    assert (len(read), answers) == (2, [])


def test_what_was_written_meanwhile_is_read_again(openbao: OpenBao, org: str) -> None:
    """What was read ahead is good for nothing then, and nothing is written over."""
    token = capture(org)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with opened(openbao.url, login) as store:
        ahead = store.ahead([token.path, f"{token.path}2"], going_on)
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
        ahead = store.ahead([each.path for each in captures], going_on)
        proxy.page = None
        outcomes = [ahead.store(each) for each in captures]
    assert [type(outcome) for outcome in outcomes] == [Stored, Stored]
