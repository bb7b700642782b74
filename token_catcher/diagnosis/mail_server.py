"""The mail server, step by step: reach, TLS, token, login, open, folders, IDLE, what is asked more.

Each step builds on those before it; after one that fails the others are skipped, but for what a
single folder lacks. One login is made, as the daemon makes it, and nothing is changed on the
server. An access token is asked for where the login needs one; a refresh token that is renewed by
that is kept in its file, since the old one may be worth nothing from then on.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from token_catcher.config import MailboxConfig
from token_catcher.diagnosis.about import LIMIT, About
from token_catcher.diagnosis.local_files import ending
from token_catcher.diagnosis.step import Step
from token_catcher.errors import NO_SIGN_IN, ConfigurationError, NotApplied
from token_catcher.imap import Account, ImapMailbox, reach, security
from token_catcher.logins import Entrance
from token_catcher.ports import Log
from token_catcher.wording import counted

AREA: Final = "imap"
MISSING_FOLDER: Final = "imap-folder"
"""The code of a folder that is not there: the session goes on."""
AFTER_CAPTURE: Final = "imap-after-capture"
"""The code of what the server lacks for that: the same."""
RENEWED_BEFORE: Final = timedelta(days=2)
"""Before its end a server's certificate should have been renewed. Those that are renewed by
themselves live for as little as six days."""

Work = Callable[[], Step]


class MailServer:
    """One mailbox under test. Close it in the end."""

    def __init__(
        self,
        mailbox: MailboxConfig,
        account: Account,
        entrance: Entrance,
        context: Callable[[], ssl.SSLContext],
        *,
        now: Callable[[], datetime],
        log: Log,
        limit: float = LIMIT,
    ) -> None:
        """`context`: whom its server must be. `limit`: seconds for one step."""
        self._mailbox = mailbox
        self._account = account
        self._entrance = entrance
        self._context = context
        self._now = now
        self._log = log
        self._limit = limit
        self._about = About(AREA, mailbox.name, mailbox.name)
        self._folders: Sequence[str] = ()
        self.session: ImapMailbox | None = None
        """A session in which the inbox was opened; None: there is none, or it broke."""

    def steps(self) -> Iterator[Step]:
        """Up to the first one that the others build on and that fails."""
        ladder = list(self._ladder())
        while ladder:
            name, work = ladder.pop(0)
            step = self._about.attempt(name, work, self._limit)
            yield step
            if step.outcome in ("failed", "skipped"):
                self.leave(step)
                break
        for name, _work in ladder:
            yield self._about.skipped(name, f"builds on {step.step}")
        if self.session is not None:
            yield from self._steps_in_session(self.session)

    def close(self) -> None:
        """End the session, if there is one; also one that a thread still waits for, in its step."""
        if self.session is not None:
            self.session.close()

    def _ladder(self) -> Iterator[tuple[str, Work]]:
        yield "reach", self._reach
        yield "tls", self._secure
        if self._entrance.tokens is not None:
            yield "token", self._get_token
        yield "login", self._log_in
        yield "open", self._open

    def _reach(self) -> Step:
        address = reach(self._account)
        return self._about.ok("reach", f"{self._where} at {address}")

    def _secure(self) -> Step:
        line = security(self._account, self._context())
        # The schema lets nobody do without TLS but to loopback.
        if line.ends_at is None:
            return self._about.ok("tls", "none, to loopback")
        now = self._now()
        saw = f"{line.version}; its certificate is trusted, and {ending(line.ends_at, now)}"
        if line.ends_at - now < RENEWED_BEFORE:
            return self._about.warning("tls", saw, "imap-certificate-ends")
        return self._about.ok("tls", saw)

    @property
    def _where(self) -> str:
        return f"{self._account.host}:{self._account.port}"

    def _get_token(self) -> Step:
        unread = self._unread_secret("token")
        if unread is not None:
            return unread
        tokens = self._entrance.tokens
        assert tokens is not None
        tokens.for_login()
        seconds = tokens.health.seconds_left
        if seconds is None:
            return self._about.ok("token", "an access token; nobody says when it ends")
        return self._about.ok("token", f"an access token, good for {seconds:.0f} s")

    def _log_in(self) -> Step:
        unread = self._unread_secret("login")
        if unread is not None:
            return unread
        self.session = ImapMailbox(self._account, self._context(), self._log, self._now)
        return self._about.ok("login", f"as {self._mailbox.username}")

    def _unread_secret(self, step: str) -> Step | None:
        """Skipped for want of it: what is wrong with it was told where the files are."""
        try:
            self._entrance.credential()
        except ConfigurationError as error:
            if error.code not in ("secret", NO_SIGN_IN):
                raise
            return self._about.skipped(step, "its secret cannot be read (see files)")
        return None

    def _open(self) -> Step:
        assert self.session is not None
        # LIST comes first in every session: the names on the wire are learnt from it, and Microsoft
        # 365 tells here that the mailbox is not open to a good login.
        self._folders = self.session.folders()
        return self._examine(self.session, self._folders[0], "open")

    def _examine(self, session: ImapMailbox, folder: str, step: str, found_by: str = "") -> Step:
        mails = counted(session.examine(folder).exists, "mail")
        return self._about.ok(step, f"{folder!a} opens read-only: {mails}{found_by}")

    def _steps_in_session(self, session: ImapMailbox) -> Iterator[Step]:
        # The inbox comes first, and was opened.
        found_by = f", found by {session.spam_found_by}"
        for folder in self._folders[1:]:
            how = found_by
            if folder in self._mailbox.folders.also:
                how = ""
            yield self._attempt("folders", partial(self._examine, session, folder, "folders", how))
        if self._mailbox.folders.spam == "auto" and not session.spam_found_by:
            saw = "got no folder that is marked \\Junk or has a known name: its mail is not watched"
            yield self._about.warning("folders", saw, "imap-spam")
        if self._mailbox.idle:
            yield self._attempt("idle", self._idle)
        if self._mailbox.after_capture is not None:
            yield self._attempt("after_capture", self._after_capture)

    def _attempt(self, step: str, work: Work) -> Step:
        """A step in the session, on which no other builds."""
        if self.session is None:
            return self._about.skipped(step, "the session broke")
        taken = self._about.attempt(step, work, self._limit)
        if taken.outcome == "failed":
            self.leave(taken)
        return taken

    def leave(self, step: Step) -> None:
        """What a failed step leaves of the session: all of it where only a folder is missing."""
        # Any other error ends a session (`ports.Mailbox`).
        if step.code in (MISSING_FOLDER, AFTER_CAPTURE) and step.step != "open":
            return
        self.close()
        self.session = None

    def _idle(self) -> Step:
        assert self.session is not None
        if self.session.has_idle:
            return self._about.ok("idle", "announced: new mail is told at once")
        saw = f"not announced: new mail is seen every {self._mailbox.poll.total_seconds():.0f} s"
        return self._about.warning("idle", saw, "imap-idle")

    def _after_capture(self) -> Step:
        action = self._mailbox.after_capture
        assert self.session is not None
        assert action is not None
        try:
            self.session.expect_possible(action)
        except NotApplied as error:
            return self._about.failed("after_capture", str(error), AFTER_CAPTURE)
        saw = "the server has what it takes"
        if not self.session.tells_rights:
            saw = f"{saw}; it tells nothing of rights (ACL), so they show with the first mail"
        return self._about.ok("after_capture", saw)
