# What token-catcher may do, and nothing else. `secret` and `salesforce` stand for vault.mount and the fixed beginning of
# vault.path; setup-approle.sh puts in others. The two `+` are one segment each: {org} and {username}.

# read: is the token there already? create: the first token of a user. patch: merge the token's fields into an existing
# secret, so that a password beside it survives. update: a new version where `delete_version_after` took the last one, and
# where PATCH does not come through (a proxy that does not know it).
path "secret/data/salesforce/+/+" {
  capabilities = ["create", "read", "update", "patch"]
}

# read: which versions there are, how long they live, and how the last one ended. patch: the secret's custom metadata.
# No delete, and no list: the program never removes anything, and knows its users from its configuration.
path "secret/metadata/salesforce/+/+" {
  capabilities = ["read", "patch"]
}

# read: how the mount keeps versions (max_versions, cas_required, delete_version_after). For `token-catcher check` alone, which warns where
# Vault would lose a token by itself. It tells nothing of any secret. Nothing is stored worse without it: check then skips that step.
path "secret/config" {
  capabilities = ["read"]
}

# Looking up and renewing its own token come with the policy `default`, which the role keeps.
