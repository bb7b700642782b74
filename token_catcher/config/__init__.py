"""File and environment in, one frozen Config out, or an error that lists every problem by line.

In reading order:

    problems    how a problem is told, and what may be shown of a value
    document    YAML in, plain values and their lines out
    kinds       the kinds of values: durations, addresses, paths
    secret      where a secret is kept, and who may read it
    surroundings  what the environment says where the file does not
    section     what all sections have in common
    descriptions  what stands below each key in the source, for its description
    oauth       how access tokens for a mailbox are got
    vault_auth  the ways to log in to Vault
    notify      who is told of what
    verify      the proof by one login
    schema      every key, its kind, its default
    checks      everything that is wrong with the values
    loading     find the file, read it
    showing     the JSON Schema, what is in effect
    commented   the example
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.config.after_capture import meant_flag
    from token_catcher.config.commented import example
    from token_catcher.config.forms import authorize_url, is_loopback
    from token_catcher.config.kinds import Listen
    from token_catcher.config.loading import PLACES, find, from_text, load
    from token_catcher.config.notify import ReceiverConfig
    from token_catcher.config.oauth import Custom, External, Google, Microsoft, OAuth2
    from token_catcher.config.schema import (
        STATE_DIR,
        Config,
        MailboxConfig,
        OrgConfig,
        ShardConfig,
        VaultConfig,
        each_address,
    )
    from token_catcher.config.secret import SecretSource, sources_in
    from token_catcher.config.section import ClientCertificate
    from token_catcher.config.showing import json_schema, show
    from token_catcher.config.units import duration, duration_text
    from token_catcher.config.vault_auth import (
        AppRoleAuth,
        CertAuth,
        JwtAuth,
        KubernetesAuth,
        NoAuth,
        TokenAuth,
        UserpassAuth,
        VaultAuth,
    )

__all__ = [
    "PLACES",
    "STATE_DIR",
    "AppRoleAuth",
    "CertAuth",
    "ClientCertificate",
    "Config",
    "Custom",
    "External",
    "Google",
    "JwtAuth",
    "KubernetesAuth",
    "Listen",
    "MailboxConfig",
    "Microsoft",
    "NoAuth",
    "OAuth2",
    "OrgConfig",
    "ReceiverConfig",
    "SecretSource",
    "ShardConfig",
    "TokenAuth",
    "UserpassAuth",
    "VaultAuth",
    "VaultConfig",
    "authorize_url",
    "duration",
    "duration_text",
    "each_address",
    "example",
    "find",
    "from_text",
    "is_loopback",
    "json_schema",
    "load",
    "meant_flag",
    "show",
    "sources_in",
]

__getattr__ = face(
    __name__,
    {
        "after_capture": ("meant_flag",),
        "commented": ("example",),
        "forms": ("authorize_url", "is_loopback"),
        "kinds": ("Listen",),
        "loading": ("PLACES", "find", "from_text", "load"),
        "notify": ("ReceiverConfig",),
        "oauth": ("Custom", "External", "Google", "Microsoft", "OAuth2"),
        "schema": (
            "Config",
            "MailboxConfig",
            "OrgConfig",
            "STATE_DIR",
            "ShardConfig",
            "VaultConfig",
            "each_address",
        ),
        "secret": ("SecretSource", "sources_in"),
        "section": ("ClientCertificate",),
        "showing": ("json_schema", "show"),
        "units": ("duration", "duration_text"),
        "vault_auth": (
            "AppRoleAuth",
            "CertAuth",
            "JwtAuth",
            "KubernetesAuth",
            "NoAuth",
            "TokenAuth",
            "UserpassAuth",
            "VaultAuth",
        ),
    },
)
