# What journal.anchor needs beside token-catcher.hcl, and nothing else. `secret` stands for vault.mount; the `+` is the
# instance. Both in one policy: cat token-catcher.hcl journal-anchor.hcl > both.hcl; POLICY=both.hcl setup-approle.sh FILE
# (`token-catcher init --vault-setup anchor` prints the script with both.)

# read: what is anchored already. create, update: the next record, with check-and-set. No delete: an anchor that is ahead of
# the journal is evidence, which a person takes away.
path "secret/data/token-catcher/journal/+" {
  capabilities = ["create", "read", "update"]
}
