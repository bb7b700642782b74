"""Why no token mail comes: said where a wait for one runs out."""

from __future__ import annotations

from typing import Final

USUAL_REASONS: Final = (
    "it is late: Salesforce tries to deliver for 24 hours. Setup → Email Log Files of the org shows"
    " what became of it; wait again, with a longer --wait",
    "a filter took it: look into the quarantine, at the rules of the mailbox, and for a spam folder"
    " that is not among the watched ones (mailboxes[].folders)",
    "it went to another address: Setup → Users shows the user's own; after a sandbox refresh it"
    " ends in .invalid until somebody corrects it",
    "the profile has login IP ranges: such a user has no security token, and needs none. Setup →"
    " Profiles → Login IP Ranges",
    "the user is an API Only User, or has MFA for API Logins: Salesforce mails them none. Setup →"
    " Users → the profile and permission sets",
    "the password was changed, and the token never reset by hand: only after a first reset by hand"
    " does that mail one. As that user, press the button of"
    " https://MY_DOMAIN/lightning/settings/personal/ResetApiToken/home, or of"
    " https://MY_DOMAIN/_ui/system/security/ResetApiTokenEdit",
)
"""Why no token mail comes, the likeliest first, and where to look."""
