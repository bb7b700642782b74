"""How a login at Salesforce can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LoginResult(StrEnum):
    """What became of a login: the reason in journal, history and log, and the label of a metric."""

    ACCEPTED = "login-accepted"
    PASSWORD_EXPIRED = "login-password-expired"  # noqa: S105 - a reason code
    """Password and token are right; the password is over, so that nothing else works."""
    REFUSED = "login-refused"
    """The token, or the password, or the user is locked: Salesforce says the same for each."""
    LOCKED = "login-locked"
    # From here on nothing is known of the token.
    NO_PERMISSION = "login-no-permission"
    SWITCHED_OFF = "login-switched-off"
    API_VERSION = "login-api-version"
    OTHER_FAULT = "login-other-fault"
    FOREIGN = "login-foreign"
    """Not Salesforce answered, or not to this."""
    NO_ANSWER = "login-no-answer"
    """The request may have arrived."""
    UNREACHABLE = "login-unreachable"
    """The request was certainly not sent."""
    NO_PASSWORD = "login-no-password"  # noqa: S105 - a reason code
    """There is none in the secret that could be sent."""
    INTERRUPTED = "login-interrupted"
    """The program ended during the try."""

    @property
    def proves(self) -> bool:
        """Whether the token is the right one."""
        return self in (LoginResult.ACCEPTED, LoginResult.PASSWORD_EXPIRED)


@dataclass(frozen=True, slots=True)
class LoginAnswer:
    """How a login ended."""

    result: LoginResult
    saw: str = ""
    """The fault's code, or in words of ours what came instead of an answer."""
