#!/bin/sh
# The command `token-catcher` beside the service (install it as /usr/local/sbin/token-catcher): runs as the service's user, with
# its files and credentials. The program run as root works as that user too, but does not see the credentials.
set -eu
umask 077
pid=$(systemctl show --property=MainPID --value token-catcher.service)
if [ "${pid:-0}" = 0 ]; then
  echo "token-catcher.service is not running: journalctl -u token-catcher tells why." >&2
  echo "What needs no secret (status, history, explain, audit verify, config show) runs without it: /opt/token-catcher/bin/token-catcher" >&2
  exit 1
fi
export TOKEN_CATCHER_CONFIG=/etc/token-catcher/config.yaml
exec nsenter --target "$pid" --mount --setuid "$(stat -c %u "/proc/$pid")" --setgid "$(stat -c %g "/proc/$pid")" \
  /opt/token-catcher/bin/token-catcher "$@"
