"""Mail read without a checkpoint: for a dry run, for a release, for what Vault has lost.

What a server does not show is told as a trouble, as a sweep tells it: nobody who looks for a mail
takes silence for "it is gone".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from token_catcher.errors import AccessError
from token_catcher.model import Entry, Mail
from token_catcher.ports import FolderState, Mailbox
from token_catcher.report import Trouble, incomplete, without_body
from token_catcher.run import BATCH
from token_catcher.survey import Surveyor, is_gone


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for one mail has found."""

    mail: Mail | None
    trouble: Trouble | None = None
    """What the server did not show meanwhile: without the mail, nobody can say that it is gone."""


@dataclass(frozen=True, slots=True)
class Older:
    """Token mail of a folder that a window leaves out."""

    folder: str
    mails: int
    begin: datetime
    """Of the window."""


def older_mail(
    mailbox: Mailbox, begins: Mapping[str, datetime], subjects: Sequence[str]
) -> Iterator[Older]:
    """What the windows leave out, as far as a search tells. `begins`: of each folder's window.

    A folder that cannot be opened is left out: the look has told it. Leaves the one open that comes
    last. Raises what the session raises."""
    for folder, begin in begins.items():
        try:
            mailbox.examine(folder)
        except AccessError:
            continue
        counts = [mailbox.count_before(begin, subject) for subject in subjects]
        mails = sum(filter(None, counts))
        if mails:
            yield Older(folder, mails, begin)


class Lookup:
    """Reads mail in one session."""

    def __init__(self, mailbox: Mailbox, domains: Sequence[str]) -> None:
        """`domains`: mail is for us if its From names one of them."""
        self._mailbox = mailbox
        self._domains = domains

    def since(self, horizon: datetime) -> Iterator[Mail | Trouble]:
        """The mail for us that every watched folder received from the horizon on.

        At most `BATCH` mails are in memory."""
        yield from self._in_folders(self._mailbox.folders(), horizon)

    def find(self, entry: Entry, horizon: datetime) -> Found:
        """The mail of a record: where it was found, else in any watched folder by its digest.

        `horizon`: how far back to look there."""
        trouble = None
        for answer in self._likeliest_first(entry, horizon):
            if isinstance(answer, Trouble):
                trouble = trouble or answer
            elif answer.digest == entry.mail:
                return Found(answer)
        return Found(None, trouble)

    def _likeliest_first(self, entry: Entry, horizon: datetime) -> Iterator[Mail | Trouble]:
        """The mail that lies where the record says, and then all others."""
        folders = self._mailbox.folders()  # which comes first in every session
        state = self._examined(entry.folder)
        if state is not None and state.uidvalidity == entry.uidvalidity:
            yield from self._bodies(state, [entry.uid])
        yield from self._in_folders(folders, horizon)

    def _examined(self, folder: str) -> FolderState | None:
        """None: there is no such folder any more; where it is still watched, that is told later."""
        try:
            return self._mailbox.examine(folder)
        except AccessError:
            return None

    def _in_folders(self, folders: Sequence[str], horizon: datetime) -> Iterator[Mail | Trouble]:
        for folder in folders:
            try:
                state = self._mailbox.examine(folder)
            except AccessError as error:
                yield Trouble(folder, None, error.code, str(error))
                continue
            yield from self._in_folder(state, horizon)

    def _in_folder(self, state: FolderState, horizon: datetime) -> Iterator[Mail | Trouble]:
        survey = Surveyor(self._mailbox, state, self._domains).above(0, horizon)
        for answer in self._bodies(state, survey.ours):
            # SINCE knows days only, and a mail without a From any time.
            if isinstance(answer, Trouble) or answer.received_at >= horizon:
                yield answer
        if survey.whole_through is not None:
            yield incomplete(self._mailbox.name, state.name, survey.whole_through)

    def _bodies(self, state: FolderState, uids: Sequence[int]) -> Iterator[Mail | Trouble]:
        """These mails, each with its body or with what is wrong; nothing of one that is gone."""
        for start in range(0, len(uids), BATCH):
            batch = uids[start : start + BATCH]
            mails = {mail.ref.uid: mail for mail in self._mailbox.fetch(batch)}
            for uid in batch:
                if uid in mails:
                    yield mails.pop(uid)  # in memory no longer than needed
                else:
                    yield from self._alone(state, uid)

    def _alone(self, state: FolderState, uid: int) -> Iterator[Mail | Trouble]:
        """Some servers leave mail out of a longer answer."""
        mails = self._mailbox.fetch([uid])
        yield from mails
        if not mails and not is_gone(self._mailbox, uid):
            yield without_body(self._mailbox.name, state.name, uid)
