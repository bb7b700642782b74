"""What is done to a settled token mail in its folder: `after_capture`.

Nothing else changes a mailbox.

    extract → trust → store → journal → settle → follow up

*After settle*, since by then nothing depends on the mail any more: its record is on disk, and the
checkpoint remembers that it is to be followed up. A crash anywhere repeats the last step alone,
and a mail that is gone by then is what was wanted. Only mail that was stored, or is unchanged, is
ever noted so; held, refused and pending mail waits where it lies.

*No token waits for it.* Every folder was gone through before, the inbox is looked at again after a
few mails, and what the server does not do is tried again ever more seldom: told once, counted, and
given up after eight days. The mail is settled whatever becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from token_catcher.errors import NotApplied, TransientError
from token_catcher.model import MailRef, iso
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo
from token_catcher.record import FolderProgress, FollowUp
from token_catcher.run import Ended, Run

ROUND: Final = 8
"""Mails between two looks at the inbox: each takes four round trips."""
GIVEN_UP: Final = "the mail is left as it is; `scan --again` tries once more"


class FollowUps:
    """The mails of one sweep that are to be followed up."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tools = run.tools
        self._left = ROUND
        self._refused = False
        """Whether the server did not do it: in this sweep it is asked no more."""

    def round(self, folders: Sequence[str]) -> bool:
        """Follow up what is due in these folders, as far as one round goes.

        False: there was nothing to do, and the folder that was open still is. Raises what breaks
        the session. Ended: a stop was asked for."""
        self._left = ROUND
        for folder, progress in self._run.checkpoint.followed(folders):
            self._in_folder(folder, progress)
        return self._left < ROUND

    def _in_folder(self, folder: str, progress: FolderProgress) -> None:
        action = self._tools.after_capture
        if action is None:  # any more: nothing is owed to an earlier configuration
            progress.follow_ups.clear()
            self._run.checkpoint.save()
            return
        for uid in self._due(progress):
            if self._left == 0 or self._refused:
                return
            if self._tools.stopping():
                raise Ended
            self._left -= 1
            self._run.report.asked = True
            mail = MailRef(self._run.mailbox.name, folder, progress.uidvalidity, uid)
            self._mail(action, mail, progress)
            self._run.checkpoint.save()
            self._run.moved()

    def _due(self, progress: FolderProgress) -> Sequence[int]:
        if self._run.at_once:
            return sorted(progress.follow_ups.keys() - progress.pending.keys())
        return progress.follow_ups_due(self._tools.now())

    def _mail(self, action: MailAction, mail: MailRef, progress: FolderProgress) -> None:
        """Follow up one mail. Raises what breaks the session, once the mail is put off."""
        about = _about(action, mail)
        digest = progress.follow_ups[mail.uid].digest
        try:
            is_there = self._run.mailbox.apply(action, mail, digest)
        except NotApplied as error:
            self._refused = True
            self._put_off(about, mail.uid, progress, error)
        except TransientError as error:
            self._put_off(about, mail.uid, progress, error)
            # Its neighbours may break the next session in the same way, and the one after it.
            for uid in progress.follow_ups_due(self._tools.now()):
                progress.follow_up_later(uid, self._tools.now())
            self._run.checkpoint.save()
            raise
        else:
            progress.followed_up(mail.uid)
            self._tell_done(about, is_there=is_there)

    def _tell_done(self, about: Mapping[str, object], *, is_there: bool) -> None:
        if not is_there:
            self._tools.log.debug("mail.gone", **about)
            return
        self._tools.log.info("mail.after_capture", **about)
        self._tools.told.clear()

    def _put_off(
        self,
        about: Mapping[str, object],
        uid: int,
        progress: FolderProgress,
        error: NotApplied | TransientError,
    ) -> None:
        """Try again later, or never again."""
        later = None
        if isinstance(error, NotApplied) and error.final:
            progress.followed_up(uid)
        else:
            later = progress.follow_up_later(uid, self._tools.now())
        fields = {**about, "code": error.code, "error": str(error)}
        if later is None:
            self._tools.log.warning("mail.after_capture_failed", **fields, note=GIVEN_UP)
        else:
            self._tell_put_off(later, fields)

    def _tell_put_off(self, later: FollowUp, fields: Mapping[str, object]) -> None:
        """Loudly at the first of a kind: what one mail meets, its neighbours meet as well."""
        tell = self._tools.log.debug
        if fields["code"] not in self._tools.told:
            tell = self._tools.log.warning
        self._tools.told.add(str(fields["code"]))
        next_try = later.next_try and iso(later.next_try)
        tell("mail.after_capture_failed", **fields, attempts=later.attempts, next_try=next_try)


def _about(action: MailAction, mail: MailRef) -> dict[str, object]:
    """The mail, and what is done to it."""
    about: dict[str, object] = {"mailbox": mail.mailbox, "folder": mail.folder, "uid": mail.uid}
    match action:
        case AddFlag():
            return {**about, "action": "flag", "flag": action.flag}
        case MoveTo():
            return {**about, "action": "move", "target": action.folder}
        case Delete():
            return {**about, "action": "delete"}
        case _:
            assert_never(action)
