"""A real browser: Debian's Chromium, headless, over the WebDriver protocol (W3C) of its driver.

Names resolve to nothing but the loopback, and everything that the browser asks for is kept, so that
a test sees what a page loads from where.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.kit.servers.process import Server, command, free_port, listens, missing
from tests.kit.waiting import PATIENCE

AXE: Final = Path(__file__).parents[2] / ".venv" / "bin" / "axe.min.js"
"""axe-core, which `make tools` puts there."""
ARGUMENTS: Final = (
    "--headless=new",
    "--no-sandbox",  # root has none in a container; only our own pages are shown
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


class Browser(Server):
    """The driver, and one window of the browser that it starts."""

    def __init__(self) -> None:
        super().__init__("browser")
        self.port = free_port()
        self._session = ""

    def start(self) -> None:
        remedy = "apt-get install chromium chromium-driver"
        driver = command("chromedriver", remedy)
        chromium = shutil.which("google-chrome") or command("chromium", remedy)
        environment = {**os.environ, "HOME": str(self.home)}
        self._spawn(
            [driver, f"--port={self.port}"], lambda: listens(self.port), environment=environment
        )
        options = {
            "binary": chromium,
            "args": [*ARGUMENTS, f"--user-data-dir={self.home}/profile"],
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{answer['sessionId']}"

    def open(self, url: str) -> None:
        """Returns when the page is loaded."""
        self._do("/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """The value that a function with this body returns."""
        return self._do("/execute/sync", {"script": script, "args": arguments})

    def run_async(self, script: str) -> Any:
        """The value that this body gives to the function in its last argument."""
        return self._do("/execute/async", {"script": script, "args": ()})

    def type_into(self, selector: str, keys: str) -> None:
        """Into the element that a CSS selector finds; \\ue007 is Enter."""
        element = self._do("/element", {"using": "css selector", "value": selector})
        (name,) = element.values()
        self._do(f"/element/{name}/value", {"text": keys})

    def press(self, key: str) -> None:
        """One key, wherever the focus is; \\ue004 is Tab."""
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._do("/actions", {"actions": [{"type": "key", "id": "keys", "actions": keys}]})

    def cookies(self) -> Sequence[Mapping[str, Any]]:
        """Those that the page would get."""
        cookies: Sequence[Mapping[str, Any]] = self._ask("GET", f"{self._session}/cookie")
        return cookies

    def forget(self) -> None:
        """All cookies."""
        self._ask("DELETE", f"{self._session}/cookie")

    def look(self, *, scheme: str, width: int) -> None:
        """Prefer `light` or `dark`, and be so many pixels wide."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._cdp("Emulation.setEmulatedMedia", features=features)
        self._cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self) -> bytes:
        """The whole page as PNG."""
        shot = self._cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def complaints(self) -> Sequence[str]:
        """What the browser complained of since the last question: a policy that was violated, say.

        Not that an answer was no success, and not what it recommends: a field for the name of a
        user beside that of a password, where there is no such name."""
        entries = self._do("/se/log", {"type": "browser"})
        ignored = ("network", "recommendation")
        return [entry["message"] for entry in entries if entry["source"] not in ignored]

    def requests(self) -> Sequence[str]:
        """The addresses that it asked since the last question."""
        entries = self._do("/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def violations(self, *, undecided: bool = True) -> Sequence[str]:
        """What axe-core finds against WCAG 2.2 and its best practices: rule, element, why.

        `undecided`: also where it could not decide, as about the contrast of what is scrolled out
        of sight."""
        if not AXE.exists():
            missing("axe-core", "make tools")
        self.run(AXE.read_text("utf-8"))
        result = self.run_async("axe.run().then(arguments[arguments.length - 1])")
        assert len(result["passes"]) > 15, "the rules were run"
        rules = result["violations"]
        if undecided:
            rules = [*rules, *result["incomplete"]]
        return [
            f"{rule['id']}: {node['html']}: {node['failureSummary']}"
            for rule in rules
            for node in rule["nodes"]
        ]

    def _cdp(self, name: str, **params: Any) -> Any:
        return self._do("/goog/cdp/execute", {"cmd": name, "params": params})

    def _do(self, path: str, fields: Mapping[str, Any]) -> Any:
        return self._ask("POST", self._session + path, fields)

    def _ask(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        body = None
        if fields is not None:
            body = json.dumps(fields)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            value = json.load(answer)["value"]
        finally:
            connection.close()
        assert answer.status == 200, f"{method} {path}: {value}"
        return value


def host_of(url: str) -> str:
    """`127.0.0.1:9464`; empty for what is no address of a host."""
    return urlsplit(url).netloc
