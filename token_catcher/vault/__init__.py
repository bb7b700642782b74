"""The adapter of Vault and OpenBao.

`transport` speaks HTTP to one address, `cluster` to whichever answers, `answer` tells who spoke;
`login` gets a token (`wrapped` with a secret_id that it unwraps, and `kept` keeps), `refusal` says
why there is none; `lease` knows how long it lives, `client` keeps it alive; `kv` reads and writes
versions, `store` decides what to write.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.vault.address import Address
    from token_catcher.vault.anchor import Anchor, AnchorStore, AnchorVersion
    from token_catcher.vault.answer import may_pass
    from token_catcher.vault.capabilities import Rules, listed, policy_line
    from token_catcher.vault.client import Client
    from token_catcher.vault.inspection import Inspection, Node, NodeState, Settings, TokenFacts
    from token_catcher.vault.kept import KeptSecretId
    from token_catcher.vault.login import (
        AppRoleLogin,
        CertLogin,
        JwtLogin,
        KubernetesLogin,
        Login,
        NoLogin,
        TokenLogin,
        UserpassLogin,
        fault_of_token,
    )
    from token_catcher.vault.pulse import Pulse, pulse_of
    from token_catcher.vault.store import VaultStore, Version
    from token_catcher.vault.transport import Transport
    from token_catcher.vault.wrapped import WrappedAppRoleLogin, unwrappings

__all__ = [
    "Address",
    "Anchor",
    "AnchorStore",
    "AnchorVersion",
    "AppRoleLogin",
    "CertLogin",
    "Client",
    "Inspection",
    "JwtLogin",
    "KeptSecretId",
    "KubernetesLogin",
    "Login",
    "NoLogin",
    "Node",
    "NodeState",
    "Pulse",
    "Rules",
    "Settings",
    "TokenFacts",
    "TokenLogin",
    "Transport",
    "UserpassLogin",
    "VaultStore",
    "Version",
    "WrappedAppRoleLogin",
    "fault_of_token",
    "listed",
    "may_pass",
    "policy_line",
    "pulse_of",
    "unwrappings",
]

__getattr__ = face(
    __name__,
    {
        "address": ("Address",),
        "anchor": ("Anchor", "AnchorStore", "AnchorVersion"),
        "answer": ("may_pass",),
        "capabilities": ("Rules", "listed", "policy_line"),
        "client": ("Client",),
        "inspection": ("Inspection", "Node", "NodeState", "Settings", "TokenFacts"),
        "kept": ("KeptSecretId",),
        "login": (
            "AppRoleLogin",
            "CertLogin",
            "JwtLogin",
            "KubernetesLogin",
            "Login",
            "NoLogin",
            "TokenLogin",
            "UserpassLogin",
            "fault_of_token",
        ),
        "pulse": ("Pulse", "pulse_of"),
        "store": ("VaultStore", "Version"),
        "transport": ("Transport",),
        "wrapped": ("WrappedAppRoleLogin", "unwrappings"),
    },
)
