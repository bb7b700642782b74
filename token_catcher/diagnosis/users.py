"""Whose paths in Vault are looked at: every user that the configuration names, or the record knows.

A configuration may name users by a pattern. Then those that the record has tokens of stand for it;
where it has none yet, a made-up name that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from token_catcher.app import App
from token_catcher.errors import StateError
from token_catcher.proof import Org, is_username, matches

PathOf = Callable[[str, str], str | None]
"""Where a token of this org and username is written; None: nowhere."""
MADE_UP: Final = ("token-catcher-check", "check", "0")
"""What a star of a pattern stands for: the first that makes a username of it."""


@dataclass(frozen=True, slots=True)
class UserPath:
    """A user, and where the token goes."""

    org: str
    username: str
    path: str
    """Below the mount."""
    is_made_up: bool = False
    """Whether nobody has this name: it stands for a pattern."""

    @property
    def note(self) -> str:
        """Behind what was seen at the path of a user that nobody has; otherwise empty."""
        if not self.is_made_up:
            return ""
        return f" (a made-up user of {self.org}, which names its users by a pattern)"


def user_paths(
    orgs: Sequence[Org], known: Iterable[tuple[str, str]], path_of: PathOf
) -> list[UserPath]:
    """Each path once, in the order of the configuration.

    `known`: org and username of those that the record has tokens of."""
    recorded = list(known)
    paths: dict[str, UserPath] = {}
    for org in orgs:
        for named in org.usernames:
            for user in _standing_for(org.name, named, recorded, path_of):
                paths.setdefault(user.path, user)
    return list(paths.values())


def users_of(app: App) -> list[UserPath]:
    """Those of a configuration. A journal that cannot be read is told elsewhere."""
    recorded: list[tuple[str, str]] = []
    with suppress(StateError):
        recorded = app.recorded_users()
    return user_paths(app.orgs, recorded, app.path_of)


def _standing_for(
    org: str, named: str, recorded: Sequence[tuple[str, str]], path_of: PathOf
) -> Iterator[UserPath]:
    """The users of one line of the configuration."""
    if "*" not in named:
        yield from _user(org, named, path_of)
        return
    users = [name for its_org, name in recorded if its_org == org and matches(named, name)]
    for username in users:
        yield from _user(org, username, path_of)
    if not users:
        yield from _user(org, _made_up(named), path_of, is_made_up=True)


def _user(
    org: str, username: str, path_of: PathOf, *, is_made_up: bool = False
) -> Iterator[UserPath]:
    """Nothing where another org has this user, or the path would be no plain one."""
    path = path_of(org, username)
    if path is not None:
        yield UserPath(org, username, path, is_made_up)


def _made_up(pattern: str) -> str:
    """A username that fits the pattern."""
    for text in MADE_UP:
        username = pattern.replace("*", text)
        if is_username(username):
            break
    return username
