"""Mistakes in when a token is asked for, and in what a session's end means."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

KEEPER = ("tests/unit/oauth/test_access.py",)
REFRESH = ("tests/unit/oauth/test_refresh.py",)
ENDPOINTS = ("tests/contract/test_token_endpoints.py",)
LOGINS = ("tests/contract/test_imap_oauth.py",)

MUTANTS = (
    Mutant(
        "tokens: a short one is asked for at each login",
        "oauth/access.py",
        function="_Held.serves",
        old="min(AHEAD, self.life / 2)",
        new="AHEAD",
        tests=KEEPER,
    ),
    Mutant(
        "tokens: a refusal is repeated",
        "oauth/access.py",
        function="AccessTokens._renewed",
        old="self._note(credential, error, REFUSAL_PAUSE)",
        new="self._note(credential, error, 0.0)",
        tests=KEEPER,
    ),
    Mutant(
        "tokens: a mended credential waits",
        "oauth/access.py",
        function="AccessTokens._paused",
        old="failure.credential != credential",
        new="failure.credential == Secret('')",
        tests=KEEPER,
    ),
    Mutant(
        "tokens: a renewal looks like a sign-in",
        "oauth/refresh.py",
        function="RefreshTokenFile._replace_by",
        old="            note_renewal(self._place(), self._kept.in_file, token)\n",
        new="            pass\n",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: a renewal forgets the sign-in",
        "oauth/origin.py",
        function="note_renewal",
        old="(origin_of(place, before), ",
        new="(_digest(before), ",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: a new one is replaced at once where it is refused",
        "oauth/access.py",
        function="AccessTokens.in_place_of",
        old="if held.logins == 1:",
        new="if held.logins == 0:",
        tests=KEEPER,
    ),
    Mutant(
        "tokens: the lock is given back before the request",
        "oauth/refresh.py",
        function="RefreshTokenFile.renewing",
        old="            yield kept.unwritten or in_file\n",
        new="        yield kept.unwritten or in_file\n",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: what could not be written is forgotten",
        "oauth/refresh.py",
        function="RefreshTokenFile.keep",
        old="            kept.unwritten = token\n",
        new="",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: what could not be kept is asked for",
        "oauth/refresh.py",
        function="RefreshTokenFile.renewing",
        old="                self._prove_writable()\n",
        new="                pass\n",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: a signal cuts a renewal off",
        "oauth/refresh.py",
        function="RefreshTokenFile.renewing",
        old=", signals.postponed():",
        new=":",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: the end does not wait",
        "oauth/renewals.py",
        function="Renewals.end",
        old="            self._changed.wait_for(self._none_is_in_flight, seconds)\n",
        new="",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: a renewal begins at the end",
        "oauth/renewals.py",
        function="Renewals.end",
        old="            self._ending = True\n",
        new="",
        tests=REFRESH,
    ),
    Mutant(
        "tokens: a page of a proxy refuses us",
        "oauth/answers.py",
        function="passing_fault",
        old="400 <= answer.status < 500 and error",
        new="400 <= answer.status < 500",
        tests=ENDPOINTS,
    ),
    Mutant(
        "tokens: a redirect is followed",
        "oauth/endpoint.py",
        function="BoundedSession.request",
        old='"allow_redirects": False',
        new='"allow_redirects": True',
        tests=ENDPOINTS,
    ),
    Mutant(
        "tokens: .netrc is read",
        "oauth/endpoint.py",
        function="BoundedSession.__init__",
        old="        self.auth = _no_netrc\n",
        new="",
        tests=ENDPOINTS,
    ),
    Mutant(
        "tokens: a reason is answered with the token",
        "imap/logins.py",
        function="SaslAnswer.__call__",
        old="        self._shown = None\n",
        new="",
        tests=LOGINS,
    ),
    Mutant(
        "tokens: a closed mailbox is a refused ID",
        "imap/login.py",
        function="_send_id",
        old="            raise\n",
        new="            return\n",
        tests=LOGINS,
    ),
    Mutant(
        "sessions: the same words right after a login are no trouble",
        "daemon/sessions.py",
        function="SessionLoop._after",
        old=" and lived >= self._pace.brief",
        new="",
        tests=("tests/contract/test_hourly_sessions.py",),
    ),
)
