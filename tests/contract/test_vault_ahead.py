"""The secrets of a batch, read together before any of them is written."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from tests.contract.vault import capture, opened, role_login, shipped_policy
from tests.kit.proxy import Page, ReverseProxy, TcpProxy
from tests.kit.servers import OpenBao
from tests.kit.waiting import PATIENCE, until
from token_catcher.errors import AccessError
from token_catcher.model import Capture, Reason, Receipt, Stored, Unchanged
from token_catcher.vault.kv import SEVERAL
from token_catcher.vault.transport import AT_ONCE, CONNECTIONS


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
        read = read_by(proxy)
        proxy.requests.clear()
        outcomes = [ahead.store(each) for each in captures]
    assert read == [f"/v1/secret/data/{path}" for path in paths]
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert proxy.requests == [("POST", f"/v1/secret/data/{path}") for path in paths]


def test_after_a_stop_no_more_are_read(openbao: OpenBao, org: str) -> None:
    """It is asked for before each step, which is a sign of life as well: a Vault may be slow. What
    is under way is not waited for."""
    captures = of_users(org, 4)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    answers = [True, True, False]
    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        store.ahead([each.path for each in captures], lambda: answers.pop(0))
        until(lambda: len(read_by(proxy)) == 2, "the requests that were sent")
    assert (len(read_by(proxy)), answers) == (2, [])


def read_by(proxy: ReverseProxy) -> list[str]:
    """The secrets that were asked for, in order of their paths: several are at once."""
    return sorted(path for method, path in proxy.requests if method == "GET" and "/data/" in path)


def test_several_are_read_at_once(openbao: OpenBao, org: str) -> None:
    """The first is answered only after the last of four was asked for."""
    captures = of_users(org, AT_ONCE)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    together = Barrier(AT_ONCE, timeout=PATIENCE)

    def held_until_all_are_there(_method: str, path: str) -> bool:
        if "/data/" in path:
            together.wait()
        return False

    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        proxy.page = Page(503)
        proxy.concerns = held_until_all_are_there
        ahead = store.ahead([each.path for each in captures], going_on)
        proxy.page = None
        proxy.requests.clear()
        outcomes = [ahead.store(each) for each in captures]
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert read_by(proxy) == []


def test_a_secret_that_is_refused_costs_no_other(openbao: OpenBao, org: str) -> None:
    """The others are read ahead all the same; that one is told to who stores there."""
    captures = of_users(org, 3)
    refused = captures[1]
    denied = f'path "secret/data/{refused.path}" {{ capabilities = ["deny"] }}'
    policies = [shipped_policy(openbao), openbao.policy(f"{org}-denied", denied)]
    login = role_login(openbao.approle(org, *policies))
    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        ahead = store.ahead([each.path for each in captures], going_on)
        proxy.requests.clear()
        with pytest.raises(AccessError) as caught:
            ahead.store(refused)
        assert read_by(proxy) == [f"/v1/secret/data/{refused.path}"]
        proxy.requests.clear()
        outcomes = [ahead.store(captures[0]), ahead.store(captures[2])]
    assert caught.value.code == "vault-policy"
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert read_by(proxy) == []


def test_where_several_are_refused_the_others_are_not_asked_for(openbao: OpenBao, org: str) -> None:
    """A token that died is refused each of them, and the audit log of Vault tells of each."""
    captures = of_users(org, 40)
    denied = f'path "secret/data/salesforce/{org}/*" {{ capabilities = ["deny"] }}'
    policies = [shipped_policy(openbao), openbao.policy(f"{org}-denied", denied)]
    login = role_login(openbao.approle(org, *policies))
    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        store.ahead([each.path for each in captures], going_on)
        assert SEVERAL <= len(read_by(proxy)) < SEVERAL + AT_ONCE


def test_what_breaks_off_is_read_again(openbao: OpenBao, org: str) -> None:
    """Whatever else was under way then: each is read in its turn, and nothing is lost."""
    captures = of_users(org, 3)
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with TcpProxy(openbao.port) as proxy, opened(f"http://127.0.0.1:{proxy.port}", login) as store:
        store.check_mount(captures[0].path)
        proxy.cut_after(10)
        ahead = store.ahead([each.path for each in captures], going_on)
        outcomes = [ahead.store(each) for each in captures]
    assert [type(outcome) for outcome in outcomes] == [Stored] * 3


def test_more_threads_ask_than_connections_are_kept(
    openbao: OpenBao, org: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is warned of, and each is answered: many mailboxes may have mail at one moment."""
    paths = [each.path for each in of_users(org, CONNECTIONS + 3)]
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    all_in_use = Barrier(CONNECTIONS, timeout=PATIENCE)
    asked = itertools.count(1)

    def first_ones_wait(_method: str, path: str) -> bool:
        if "/data/" in path and next(asked) <= CONNECTIONS:
            all_in_use.wait()
        return False

    with ReverseProxy(openbao.port) as proxy, opened(proxy.url, login) as store:
        store.check_mount(paths[0])
        proxy.page = Page(503)
        proxy.concerns = first_ones_wait
        with ThreadPoolExecutor(len(paths)) as threads:
            holdings = list(threads.map(store.holds, paths))
    assert [holding.version for holding in holdings] == [0] * len(paths)
    assert caplog.messages == []


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
