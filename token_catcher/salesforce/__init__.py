"""The adapter of Salesforce: one login that says whether a token works.

`soap` builds what is asked and reads what is answered; `login` asks.
"""

from token_catcher.salesforce.login import log_in
from token_catcher.salesforce.soap import PATH, VERSION, LoginAnswer, LoginResult

__all__ = ["PATH", "VERSION", "LoginAnswer", "LoginResult", "log_in"]
