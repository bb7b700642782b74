"""The adapter of Vault and OpenBao.

`client` speaks HTTP and keeps a token alive, `login` gets one, `kv` reads and writes versions,
`store` decides what to write.
"""

from token_catcher.vault.client import Address, Client
from token_catcher.vault.login import AppRoleLogin, Login, TokenLogin
from token_catcher.vault.store import VaultStore, Version

__all__ = ["Address", "AppRoleLogin", "Client", "Login", "TokenLogin", "VaultStore", "Version"]
