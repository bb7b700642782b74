"""The door to Vault and OpenBao: `client` speaks HTTP and keeps a token alive, `store` decides what to write."""

from token_catcher.vault.client import Address, AppRoleAuth, Client, TokenAuth
from token_catcher.vault.store import VaultStore, Version

__all__ = ["Address", "AppRoleAuth", "Client", "TokenAuth", "VaultStore", "Version"]
