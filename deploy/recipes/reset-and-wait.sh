#!/bin/sh
# Begins to wait for a new security token, has a command press Salesforce's button, and ends as the
# wait ends: 0 once the token is in Vault. Neither this script nor the command ever sees the token.
#
#   reset-and-wait.sh USERNAME COMMAND [ARGUMENT…]
#
# WAIT: how long, 10m if unset. TOKEN_CATCHER_CONFIG: the configuration, as for every command.
set -eu

user=$1
shift

told=$(mktemp)
trap 'rm -f "$told"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

token-catcher scan --wait "${WAIT:-10m}" --user "$user" 2>"$told" &
waiting=$!
trap 'kill "$waiting" 2>/dev/null || :; rm -f "$told"' EXIT

# Not before it says so has it read what Vault has; a token stored until then would not count.
until grep -q 'waiting for a new token' "$told"; do
    if ! kill -0 "$waiting" 2>/dev/null; then
        cat "$told" >&2
        wait "$waiting"
        exit 1
    fi
    sleep 0.1
done

"$@"

code=0
wait "$waiting" || code=$?
cat "$told" >&2
exit "$code"
