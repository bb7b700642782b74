"""Who looks when, for months: wake-ups, one watch for each mailbox, the loop around them all."""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.daemon.lapses import Lapsed, Lapses
    from token_catcher.daemon.loop import Daemon, only_one
    from token_catcher.daemon.restoration import Restoration
    from token_catcher.daemon.shards import index_from, mine
    from token_catcher.daemon.vault_health import VaultHealth, VaultPulse, VaultTrouble, VaultUse
    from token_catcher.daemon.watch import Health

__all__ = [
    "Daemon",
    "Health",
    "Lapsed",
    "Lapses",
    "Restoration",
    "VaultHealth",
    "VaultPulse",
    "VaultTrouble",
    "VaultUse",
    "index_from",
    "mine",
    "only_one",
]

__getattr__ = face(
    __name__,
    {
        "lapses": ("Lapsed", "Lapses"),
        "loop": ("Daemon", "only_one"),
        "restoration": ("Restoration",),
        "shards": ("index_from", "mine"),
        "vault_health": ("VaultHealth", "VaultPulse", "VaultTrouble", "VaultUse"),
        "watch": ("Health",),
    },
)
