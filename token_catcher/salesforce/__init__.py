"""The adapter of Salesforce: one login that says whether a token works.

`soap` builds what is asked and reads what is answered; `login` asks.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.salesforce.answer import LoginAnswer, LoginResult
    from token_catcher.salesforce.login import log_in
    from token_catcher.salesforce.soap import PATH, VERSION

__all__ = ["PATH", "VERSION", "LoginAnswer", "LoginResult", "log_in"]

__getattr__ = face(
    __name__,
    {
        "answer": ("LoginAnswer", "LoginResult"),
        "login": ("log_in",),
        "soap": ("PATH", "VERSION"),
    },
)
