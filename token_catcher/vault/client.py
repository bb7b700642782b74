"""Requests to Vault: logged in, the token kept alive, each answer classified by number and form.

`cluster` speaks HTTP, `answer` tells who spoke, `login` gets a token, `lease` knows how long it
lives. Here it is decided when: a token is renewed, or replaced by the next one, before it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from token_catcher.errors import AccessError, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.ports import Log
from token_catcher.vault.address import NAMESPACE, Address
from token_catcher.vault.answer import PATCH_REFUSED, Answer, trouble_of
from token_catcher.vault.lease import Lease, OwnToken
from token_catcher.vault.login import Login, NoLogin, TokenLogin
from token_catcher.vault.refusal import Refusal
from token_catcher.vault.wrapped import WrappedAppRoleLogin

if TYPE_CHECKING:
    from token_catcher.vault.cluster import Cluster
    from token_catcher.vault.transport import Transport

MERGE_PATCH: Final = "application/merge-patch+json"
WRAPPED: Final = "vault-login-wrapped"
"""The code of a login that was not tried, since it would have used up a wrapping token."""


def _unobserved(_operation: str, _status: int | None) -> None:
    """Nobody counts the requests."""


def _not_alarmed(_event: str) -> None:
    """Nobody counts."""


class Client:
    """One logged-in client. Thread-safe."""

    def __init__(
        self,
        address: Address,
        login: Login,
        *,
        monotonic: Callable[[], float],
        log: Log,
        observe: Callable[[str, int | None], None] = _unobserved,
        alarmed: Callable[[str], object] = _not_alarmed,
    ) -> None:
        """`observe` is called for each request: read, write, login, unwrap, renew-self,
        lookup-self or capabilities-self.

        With the status, or None where there was no answer. `alarmed` is called once for each
        alarm, with the name of its event."""
        self._login = login
        self._log = log
        self._observe = observe
        self._alarmed = alarmed
        self._own = OwnToken(monotonic)
        self._lock = threading.Lock()  # one login at a time, whoever asks for it
        self._address = address
        self._monotonic = monotonic
        self._login_side = _LoginSide.of(login, address, self._asked)

    @cached_property
    def _cluster(self) -> Cluster:
        # Loads urllib3 and requests (docs/adr/0027): most looks find no mail, and ask nothing.
        from token_catcher.vault.cluster import Cluster

        return Cluster(self._address, self._log, self._monotonic)

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; log in first where needed, and once more where the token has died.

        Returns what is the caller's to understand: Vault's own 2xx, 400, 403, 404 and 405, and how
        a PATCH was refused (`PATCH_REFUSED`), by Vault or not. Outage: Vault is away, or somebody
        else spoke in its place. AccessError: login."""
        token = self._ready()
        answer = self._send(method, path, body, headers, token=token)
        if not self._is_denied(answer):
            return answer
        if token is None:
            return self._denied_without_token(method, path, answer)
        # A policy denies with the same number and words; that is the caller's to understand.
        if not self._died(token):
            return answer
        token = self._replaced(token)
        answer = self._send(method, path, body, headers, token=token)
        if self._is_denied(answer) and token is not None and self._died(token):
            raise AccessError(
                f"{answer.where} refuses our token (got 403, by lookup-self as well): it"
                " expired, was revoked, is bound to other addresses, or has no rights at all",
                code=self._login.refused,
            )
        return answer

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A question that Vault may deny: then 403 is the answer, and says nothing of our token.

        Otherwise as `request`."""
        return self._send(method, path, body, headers, token=self._ready())

    def get_each(
        self, paths: Iterable[str], goes_on: Callable[[], bool]
    ) -> Generator[Answer, None, None]:
        """The answers to GETs in their order, as they come: 403 may be said of a dead token.

        It ends early, see `Transport.get_each`. Raises what keeps us from a login."""
        headers = _with_token({}, self._ready())
        with closing(self._cluster.get_each(paths, headers, goes_on)) as answers:
            for answer in answers:
                self._observe("read", answer.status)
                yield answer

    def keep_alive(self) -> None:
        """Have a token, and renew it in time; for who asks seldom. Raises what `request` raises."""
        self._ready()

    @property
    def seconds_left(self) -> float | None:
        """Until our token expires, below 0 afterwards; None: there is none, or it never does."""
        return self._own.seconds_left

    @property
    def nodes(self) -> Sequence[Transport]:
        """One for each address."""
        return self._cluster.nodes

    @property
    def nodes_in_order(self) -> Sequence[Transport]:
        """The same, the one that last answered first."""
        return self._cluster.nodes_in_order

    @property
    def login_name(self) -> str:
        """The way to log in, for messages."""
        return self._login.method_name

    @property
    def is_token_given(self) -> bool:
        """Whether somebody else keeps our token, so that no login gives the next one."""
        return isinstance(self._login, TokenLogin)

    @property
    def is_token_added(self) -> bool:
        """Whether we send none, and an Agent or Proxy adds its own."""
        return isinstance(self._login, NoLogin)

    @property
    def refused_code(self) -> str:
        """The code where Vault does not accept the token of this login."""
        return self._login.refused

    def would_unwrap(self) -> bool:
        """Whether a login now would use up a wrapping token. StateError, AccessError."""
        with self._lock:
            if self._own.lease is not None or not isinstance(self._login, WrappedAppRoleLogin):
                return False
            return self._login.would_unwrap()

    def leave_wrapped(self) -> None:
        """See to it that a login now uses up no wrapping token: for who only looks.

        AccessError: it would (`WRAPPED`), or Vault would refuse the token. StateError: what is kept
        cannot be read. Outage: Vault is away."""
        if not self.would_unwrap() or not isinstance(self._login, WrappedAppRoleLogin):
            return
        with self._lock:
            credential = self._login.credential()
            self._cluster.renew()
            refusal = self._login.objection(credential, self._login_side)
            if refusal is not None:
                raise self._refused(credential, refusal)
        raise AccessError(
            "the wrapping token was left as it is: the first login of all uses it up", code=WRAPPED
        )

    def about_token(self) -> Answer:
        """What Vault says of our token, in its own words; 403 where it may not ask.

        Raises what `request` raises."""
        answer = self._login_side.ask("get", "auth/token/lookup-self", token=self._ready())
        trouble = self._login_side.trouble_of(answer)
        if trouble is not None:
            raise trouble
        return answer

    @property
    def is_ending(self) -> bool:
        """Whether the end of our token is near, and it could be neither renewed nor replaced."""
        return self._own.is_ending

    def close(self) -> None:
        """Free the connections."""
        if "_cluster" in vars(self):
            self._cluster.close()

    def _ready(self) -> Secret | None:
        """Our token: the one there is, renewed or replaced in time, or the first one.

        None: we send none, by configuration."""
        with self._lock:
            lease = self._own.lease
            if lease is None:
                return self._log_in()
            if self._own.is_due:
                return self._prolonged(lease)
            return lease.token

    def _is_denied(self, answer: Answer) -> bool:
        return answer.status == 403 and answer.is_vaults

    def _denied_without_token(self, method: str, path: str, answer: Answer) -> Answer:
        """Of a token that others add we know nothing: whether it lives is theirs to look after.

        A refused PATCH is the caller's, who tries POST."""
        if method == "patch":
            return answer
        raise AccessError(
            f"{answer.where} denies {method.upper()} {path} (got 403, and we send no token):"
            " the Agent or Proxy there adds none, its token has ended or has no rights on that"
            " path, or there is no such mount",
            code=self._login.refused,
        )

    def _died(self, token: Secret) -> bool:
        """All refusals of 403 read alike.

        Only asking after the token itself tells a dead one from a policy."""
        answer = self._login_side.ask("get", "auth/token/lookup-self", token=token)
        trouble = self._login_side.trouble_of(answer)
        if trouble is not None:
            raise trouble
        return answer.status == 403

    def _replaced(self, refused: Secret) -> Secret | None:
        """A new token, unless another thread has it already."""
        with self._lock:
            lease = self._own.lease
            if lease is None or lease.token == refused:
                return self._log_in()
            return lease.token

    def _log_in(self) -> Secret | None:
        credential = self._login.credential()
        # Showing it again would only bring the lock-out nearer.
        refusal = self._own.refusal_of(credential)
        if refusal is not None:
            reason, code = refusal
            raise AccessError(reason, code=code)
        self._cluster.renew()
        lease = self._login.log_in(credential, self._login_side)
        if isinstance(lease, Refusal):
            raise self._refused(credential, lease)
        self._own.take(lease)
        return lease.token

    def _refused(self, credential: Secret, refusal: Refusal) -> AccessError:
        """Remembered, so that it is not shown again soon, and told where it is an alarm."""
        is_news = self._own.refuse(credential, refusal.reason, refusal.code, refusal.pause)
        if is_news and refusal.alarm is not None:
            self._log.error(refusal.alarm, code=refusal.code, error=refusal.reason)
            self._alarmed(refusal.alarm)
        return AccessError(refusal.reason, code=refusal.code)

    def _prolonged(self, lease: Lease) -> Secret | None:
        """Renewed where Vault does that in full; otherwise the next token, while there is time."""
        if self._is_renewed(lease):
            return lease.token
        try:
            return self._next(lease)
        except TokenCatcherError as error:
            if self._own.has_ended:
                raise
            trouble = error
        # What keeps us from the next token does not end this one.
        return self._kept(lease, trouble.code, str(trouble))

    def _next(self, lease: Lease) -> Secret | None:
        """Another token than this one, if there is one already.

        A login gives another one; a file has it once whoever keeps it has put it there."""
        is_the_same = self._login.credential() == lease.token
        if is_the_same and not self._own.has_ended:
            return self._kept(lease, "vault-token", "vault.auth.token still holds this token")
        return self._log_in()

    def _kept(self, lease: Lease, code: str, why: str) -> Secret | None:
        """Go on with this token for now; somebody is told once, when its end is near."""
        self._own.postpone()
        if self._own.is_to_be_told(lease):
            left = max(0, round(self._own.seconds_left or 0))
            self._log.warning("vault.token_ends", seconds_left=left, code=code, error=why)
        return lease.token

    def _is_renewed(self, lease: Lease) -> bool:
        """Ask for the same life once more.

        Where its longest life ends, a token is renewed in part (a warning says so) or not at all
        (400, 403, or 500 `past the max TTL`). Batch tokens never are."""
        if not lease.renewable:
            return False
        try:
            answer = self._login_side.ask("post", "auth/token/renew-self", {}, token=lease.token)
        except TokenCatcherError:
            # The login that follows says more, and reads the files of certificates anew.
            return False
        if answer.status == 200 and answer.auth:
            renewed = Lease.of(lease.token, answer.auth, "lease_duration")
            is_full = not answer.body.get("warnings")
            self._own.take(replace(renewed, renewable=is_full and renewed.renewable))
            return is_full
        # A Vault that is away has said nothing of the token.
        if answer.says("max TTL") or self._login_side.trouble_of(answer) is None:
            self._own.cannot_be_renewed(lease)
        return False

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: Secret | None = None,
    ) -> Answer:
        """One request. Outage or AccessError: it was not answered, or by a Vault that is away."""
        answer = self._asked(method, path, body, headers, token=token)
        if method == "patch" and answer.status in PATCH_REFUSED:
            return answer
        trouble = trouble_of(answer, answer.where)
        if trouble is not None:
            raise trouble
        return answer

    def _asked(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: Secret | None = None,
    ) -> Answer:
        """The answer, whatever it says. Outage or AccessError: there was none."""
        fields = _with_token(headers or {}, token)
        operation = _operation(method, path)
        try:
            answer = self._cluster.send(method, path, fields, body)
        except TokenCatcherError:
            self._observe(operation, None)
            raise
        self._observe(operation, answer.status)
        return answer


@dataclass(frozen=True, slots=True)
class _LoginSide:
    """Vault as a login sees it: all that concerns our token is asked in the login's namespace.

    There the token was made, and there the policy is that lets it look itself up."""

    namespace: str | None
    """Of the login."""
    _is_its_own: bool
    """Whether that is said of the login, and not of Vault."""
    _asked: Callable[..., Answer]
    """Sends a request."""

    @classmethod
    def of(cls, login: Login, address: Address, asked: Callable[..., Answer]) -> _LoginSide:
        """Where the login is to be asked for."""
        if login.namespace is None:
            return cls(address.namespace, False, asked)
        return cls(login.namespace, True, asked)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Secret | None = None,
    ) -> Answer:
        """The answer, whoever gives it. Outage or AccessError: there was none."""
        headers = {}
        if self.namespace is not None:
            headers[NAMESPACE] = self.namespace
        return self._asked(method, path, body, headers, token=token)

    def trouble_of(self, answer: Answer) -> TokenCatcherError | None:
        """What it says of Vault as a whole."""
        if self._is_its_own:
            return trouble_of(answer, answer.where, "vault.auth.namespace")
        return trouble_of(answer, answer.where)


def _with_token(headers: Mapping[str, str], token: Secret | None) -> dict[str, str]:
    """The headers of a request. `token`: None: we send none, or none yet."""
    fields = dict(headers)
    if token is not None:
        fields["X-Vault-Token"] = token.reveal()
    return fields


def _operation(method: str, path: str) -> str:
    """What a request is for, in a word."""
    if path.startswith(("auth/token/", "sys/capabilities")):
        return path.rpartition("/")[2]
    if path.startswith("auth/"):
        return "login"
    if path.startswith("sys/wrapping/"):
        return "unwrap"
    if method == "get":
        return "read"
    return "write"
