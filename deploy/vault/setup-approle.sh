#!/bin/sh
# Gives one instance its way into Vault: the policy, the AppRole with this policy, and a secret_id in a file.
#
#   setup-approle.sh SECRET_ID_FILE
#
# Run it with an administrator's VAULT_ADDR and VAULT_TOKEN (or BAO_ADDR, BAO_TOKEN), once for each instance. Running it again
# changes nothing: policy and role are written as they are here, and a file that is there keeps its secret_id. ROTATE=1 puts a new
# one in its place. Standard output is the role_id, for vault.auth.role_id; a secret is never printed.
#
#   MOUNT=secret  PREFIX=salesforce    vault.mount, and vault.path up to {org}
#   ROLE=token-catcher                 the role; its policy has the same name
#   POLICY=…/token-catcher.hcl         another one: token-catcher-kv1.hcl for vault.kv_version 1; with a ROLE of its own reader.hcl, auditor.hcl
#   AUTH=approle                       where the AppRole method is; enabled if it is not
#   INSTANCE=…  HOST=…                 told in Vault's audit log beside every login; both this host's name by default
#   CIDRS=                             addresses that may log in, `10.1.2.3/32,…`; empty: any
#   SECRET_ID_TTL=0                    how long the secret_id is good; 0: until it is destroyed
#   WRAP_TTL=                          `15m`, say: the file gets a wrapping token instead, good once and for so long, which is for
#                                      vault.auth.wrapped_secret_id
#   ROTATE=0                           1: a new secret_id, and every older one of this INSTANCE is destroyed, lost ones as well
set -eu

fail() { echo "setup-approle.sh: $*" >&2; exit 2; }
policy() { cat "${POLICY:-$(dirname "$0")/token-catcher.hcl}"; }
plain() { # NAME VALUE: goes into a path, a policy or JSON, so it must not mean anything there
  case $2 in
    '' | /* | */ | *//* | *..* | *[!A-Za-z0-9._/-]*) fail "$1: got '$2', expected letters, digits, and . _ - / between them" ;;
  esac
}

[ $# = 1 ] || fail "got $# arguments, expected one: the file for the secret_id"
file=$1 folder=$(dirname "$1")
# Before anything is changed in Vault: a role without its file would look as if it were done.
if [ ! -d "$folder" ] || [ ! -w "$folder" ]; then
  fail "$folder is no directory that can be written: make it first, install -d -m 0755 $folder"
fi
MOUNT=${MOUNT:-secret} PREFIX=${PREFIX:-salesforce} ROLE=${ROLE:-token-catcher} AUTH=${AUTH:-approle}
HOST=${HOST:-$(uname -n)} INSTANCE=${INSTANCE:-$(uname -n)} ROTATE=${ROTATE:-0}
for name in MOUNT PREFIX ROLE AUTH HOST INSTANCE; do eval "plain $name \"\$$name\""; done
cli=$(command -v bao || command -v vault) || fail "neither bao nor vault is installed"

"$cli" auth list -format=json | grep -q "\"$AUTH/\"" || "$cli" auth enable -path="$AUTH" approle >&2
policy | sed -e "s|\"secret/data/token-catcher/|\"$MOUNT/data/token-catcher/|" \
  -e "s|\"secret/\([a-z]*\)/salesforce/|\"$MOUNT/\1/$PREFIX/|" -e "s|\"secret/salesforce/|\"$MOUNT/$PREFIX/|" \
  -e "s|\"secret/config\"|\"$MOUNT/config\"|" | "$cli" policy write "$ROLE" - >&2
# Four hours, renewed while the program lives and for a day at most; then it logs in again, so a destroyed secret_id ends it.
"$cli" write "auth/$AUTH/role/$ROLE" token_policies="$ROLE" token_ttl=4h token_max_ttl=24h secret_id_num_uses=0 \
  secret_id_ttl="${SECRET_ID_TTL:-0}" secret_id_bound_cidrs="${CIDRS:-}" token_bound_cidrs="${CIDRS:-}" >&2

# The accessors, of which none is secret, of the secret_ids that this instance has.
older() {
  "$cli" list -format=table "auth/$AUTH/role/$ROLE/secret-id" | tail -n +3 | while read -r accessor; do
    if of_this_instance "$accessor"; then echo "$accessor"; fi
  done
}
of_this_instance() { # ACCESSOR: of one that ended meanwhile nothing is found
  "$cli" write -format=json "auth/$AUTH/role/$ROLE/secret-id-accessor/lookup" secret_id_accessor="$1" 2> /dev/null |
    grep -qF "\"instance\": \"$INSTANCE\""
}

if [ "$ROTATE" = 1 ]; then
  doomed=$(older)
  [ -n "$doomed" ] || fail "ROTATE: no secret_id of instance $INSTANCE is known to role $ROLE; which instance is it?"
fi
if [ -s "$file" ] && [ "$ROTATE" != 1 ]; then
  echo "$file is there already: its secret_id was kept" >&2
else
  fresh=$(mktemp "$file.XXXXXX") # of mode 0600
  trap 'rm -f "$fresh"' EXIT
  set -- "auth/$AUTH/role/$ROLE/secret-id" "metadata={\"host\":\"$HOST\",\"instance\":\"$INSTANCE\"}"
  if [ -n "${WRAP_TTL:-}" ]; then
    "$cli" write -wrap-ttl="$WRAP_TTL" -field=wrapping_token "$@" > "$fresh"
    echo "$file: a wrapping token, for vault.auth.wrapped_secret_id in place of secret_id" >&2
  else
    "$cli" write -field=secret_id "$@" > "$fresh"
    echo "$file: the secret_id, mode 0600" >&2
  fi
  mv "$fresh" "$file"
fi
# Last, so that no moment is without a good one: the file is read at each login.
for accessor in ${doomed:-}; do
  "$cli" write -force "auth/$AUTH/role/$ROLE/secret-id-accessor/destroy" secret_id_accessor="$accessor" > /dev/null
  echo "destroyed an older secret_id of $INSTANCE, accessor $accessor" >&2
done
# With a line end, which bao and vault leave out where standard output is no terminal.
role_id=$("$cli" read -field=role_id "auth/$AUTH/role/$ROLE/role-id")
echo "$role_id"
