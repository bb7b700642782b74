"""How the tokens of all users stand, and the mailboxes that bring them; pure.

What is known comes in as plain values (from configuration, journal, Vault, checkpoints) with the
time of the question; rows come out, the same for a person, a machine and the metrics.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.status.anchor import AnchorRow, anchor_row
    from token_catcher.status.known import InVault, LastMail, Past, Pasts, Presence
    from token_catcher.status.losses import loss_of
    from token_catcher.status.mailboxes import (
        HeldMails,
        LoginEnd,
        MailboxRow,
        held_mails,
        mailbox_row,
    )
    from token_catcher.status.overview import JournalRow, Overview
    from token_catcher.status.retirements import RETIREMENTS, Retirement, near
    from token_catcher.status.users import (
        RESET_PAGES,
        OrgTerms,
        State,
        UserRow,
        by_urgency,
        configured_users,
        user_row,
        users_of,
    )
    from token_catcher.status.vault import VaultAnswer, VaultRow, vault_row

__all__ = [
    "RESET_PAGES",
    "RETIREMENTS",
    "AnchorRow",
    "HeldMails",
    "InVault",
    "JournalRow",
    "LastMail",
    "LoginEnd",
    "MailboxRow",
    "OrgTerms",
    "Overview",
    "Past",
    "Pasts",
    "Presence",
    "Retirement",
    "State",
    "UserRow",
    "VaultAnswer",
    "VaultRow",
    "anchor_row",
    "by_urgency",
    "configured_users",
    "held_mails",
    "loss_of",
    "mailbox_row",
    "near",
    "user_row",
    "users_of",
    "vault_row",
]

__getattr__ = face(
    __name__,
    {
        "anchor": ("AnchorRow", "anchor_row"),
        "known": ("InVault", "LastMail", "Past", "Pasts", "Presence"),
        "losses": ("loss_of",),
        "mailboxes": ("HeldMails", "LoginEnd", "MailboxRow", "held_mails", "mailbox_row"),
        "overview": ("JournalRow", "Overview"),
        "retirements": ("RETIREMENTS", "Retirement", "near"),
        "users": (
            "OrgTerms",
            "RESET_PAGES",
            "State",
            "UserRow",
            "by_urgency",
            "configured_users",
            "user_row",
            "users_of",
        ),
        "vault": ("VaultAnswer", "VaultRow", "vault_row"),
    },
)
