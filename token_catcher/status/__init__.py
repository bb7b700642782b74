"""How the tokens of all users stand, and the mailboxes that bring them; pure.

What is known comes in as plain values (from configuration, journal, Vault, checkpoints) with the
time of the question; rows come out, the same for a person, a machine and the metrics.
"""

from token_catcher.status.mailboxes import HeldMails, LoginEnd, MailboxRow, held_mails, mailbox_row
from token_catcher.status.retirements import RETIREMENTS, Retirement, near
from token_catcher.status.users import (
    InVault,
    LastMail,
    OrgTerms,
    Past,
    Pasts,
    Presence,
    UserRow,
    by_urgency,
    configured_users,
    user_row,
    users_of,
)

__all__ = [
    "RETIREMENTS",
    "HeldMails",
    "InVault",
    "LastMail",
    "LoginEnd",
    "MailboxRow",
    "OrgTerms",
    "Past",
    "Pasts",
    "Presence",
    "Retirement",
    "UserRow",
    "by_urgency",
    "configured_users",
    "held_mails",
    "mailbox_row",
    "near",
    "user_row",
    "users_of",
]
