# What token-catcher may do in Vault or OpenBao where the mount is a KV engine of version 1
# (vault.kv_version: 1), in place of token-catcher.hcl. It assumes the defaults vault.mount = secret
# and vault.path = salesforce/{org}/{username}. Version 1 knows no PATCH, no metadata, no versions:
# whoever may write here may overwrite a token for good.
path "secret/salesforce/+/+" {
  capabilities = ["create", "read", "update"]
}
