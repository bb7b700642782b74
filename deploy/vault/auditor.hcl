# What an auditor's login may do who runs `token-catcher audit reconcile`: read, and nothing else. `secret` and `salesforce`
# stand for vault.mount and the fixed beginning of vault.path. The two `+` are one segment each: {org} and {username}.
# It reads the tokens as well, since their fingerprints are compared: keep this login as carefully as token-catcher's own.

# read: what each version holds, for its fingerprint and for the fields beside the token.
path "secret/data/salesforce/+/+" {
  capabilities = ["read"]
}

# read: which versions there are, since when, and how they ended.
path "secret/metadata/salesforce/+/+" {
  capabilities = ["read"]
}

# list: users that the configuration names by a pattern, and no record.
path "secret/metadata/salesforce/+/" {
  capabilities = ["list"]
}

# read: what `journal.anchor` keeps of each journal, which a cut end is held against. The `+` is the instance.
path "secret/data/token-catcher/journal/+" {
  capabilities = ["read"]
}
