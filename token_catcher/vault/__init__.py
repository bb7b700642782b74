"""The adapter of Vault and OpenBao.

`transport` speaks HTTP to one address, `cluster` to whichever answers, `answer` tells who spoke;
`login` gets a token, `refusal` says why there is none, `lease` knows how long it lives, `client`
keeps it alive; `kv` reads and writes versions, `store` decides what to write.
"""

from token_catcher.vault.client import Client
from token_catcher.vault.login import (
    AppRoleLogin,
    CertLogin,
    JwtLogin,
    KubernetesLogin,
    Login,
    NoLogin,
    TokenLogin,
    UserpassLogin,
)
from token_catcher.vault.store import VaultStore, Version
from token_catcher.vault.transport import Address

__all__ = [
    "Address",
    "AppRoleLogin",
    "CertLogin",
    "Client",
    "JwtLogin",
    "KubernetesLogin",
    "Login",
    "NoLogin",
    "TokenLogin",
    "UserpassLogin",
    "VaultStore",
    "Version",
]
