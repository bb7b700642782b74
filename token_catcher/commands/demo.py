"""The whole program at work, before one's eyes: five things that happen to a mailbox.

The demo plays Salesforce and the mail server's side. Everything else is the installed program, run
as an operator would run it. Nothing is left behind.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from token_catcher.commands import styled
from token_catcher.commands.playground import ADDRESS, Playground, playground
from token_catcher.commands.processes import until
from token_catcher.commands.salesforce import Salesforce
from token_catcher.errors import Outage
from token_catcher.model import Event
from token_catcher.signals import Ended

USER: Final = "integration@acme.example"
COLOURS: Final[Mapping[Event, str]] = {
    Event.STORED: "green",
    Event.UNCHANGED: "yellow",
    Event.HELD: "yellow",
    Event.REFUSED: "red",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One mail that comes in, and what must become of it."""

    title: str
    ending: Event
    username: str = USER
    folder: str = "INBOX"
    sandbox: bool = False
    age: timedelta = timedelta()
    signed: bool = True

    def mail(self, salesforce: Salesforce) -> bytes:
        """The mail, written now."""
        return salesforce.token_mail(
            self.username, ADDRESS, sandbox=self.sandbox, age=self.age, signed=self.signed
        )


SCENES: Final = (
    Scene("A reset: the new token arrives in the inbox", Event.STORED),
    Scene(
        "A second user's token ends in the spam folder",
        Event.STORED,
        username="etl@acme.example",
        folder="Junk",
    ),
    Scene(
        "A sandbox token goes under its own org",
        Event.STORED,
        username="integration@acme.example.uat",
        sandbox=True,
    ),
    Scene("A forgery: exact words, exact sender, no signature", Event.REFUSED, signed=False),
    Scene("An older mail arrives late and must not win", Event.UNCHANGED, age=timedelta(hours=2)),
)

KEPT: Final = """
[bold]Still running.[/bold] Look around from another terminal:

  export TOKEN_CATCHER_CONFIG={config}
  token-catcher scan            token-catcher history            token-catcher explain {mail}
  export BAO_ADDR=http://127.0.0.1:{vault_port} BAO_TOKEN=$(cat {home}/vault-token)
  bao kv get secret/salesforce/acme-production/{user}

Drop the mail in, and see it caught:

  curl -T {mail} -u {address}:$(cat {home}/imap-password) imap://127.0.0.1:{imap_port}/INBOX
  tail -f {daemon_log}

Ctrl-C ends it and removes {home}."""


def run(*, keep: bool) -> None:
    """Play all scenes, show history and secrets. Outage: something did not happen in time."""
    console = styled.Console(highlight=False)
    console.print(
        "[bold]token-catcher[/bold] on embedded servers: pymap (IMAP) and OpenBao (Vault)\n"
    )
    with playground() as place:
        # Somebody's password is there already, and must survive the token's arrival.
        place.bao(
            "kv", "put", f"secret/salesforce/acme-production/{USER}", "password=kept-as-it-is"
        )
        with place.daemon():
            for number, scene in enumerate(SCENES, 1):
                _play(place, console, number, scene)
            _show_results(place, console)
            if keep:
                _keep(place, console)


def _play(place: Playground, console: styled.Console, number: int, scene: Scene) -> None:
    """Deliver, then wait until the program tells what became of it, and when that was recorded."""
    known = len(place.outcomes())
    accepted_at = place.deliver(scene.mail(place.salesforce), scene.folder)

    def new_outcomes() -> list[dict[str, Any]]:
        return place.outcomes()[known:]

    outcome = until(new_outcomes, f"the outcome of scene {number}")[0]
    took = datetime.fromisoformat(outcome["timestamp"]) - accepted_at
    seconds = max(0.0, took.total_seconds())  # it may be told before the server's answer came
    ending = Event(outcome["event"])
    if ending != scene.ending:
        raise Outage(f"scene {number}: got {ending.outcome}, expected {scene.ending.outcome}")
    console.print(f"[bold]{number}. {scene.title}[/bold]")
    console.print(
        f"   [{COLOURS[ending]}]{ending.outcome}[/] {_where_or_why(outcome)}"
        f"  [dim]({seconds:.2f} s after delivery)[/dim]",
        soft_wrap=True,
    )


def _where_or_why(outcome: Mapping[str, Any]) -> str:
    if outcome["event"] == Event.STORED:
        return f"{outcome['path']} v{outcome['version']}"
    return str(outcome["reason"])


def _show_results(place: Playground, console: styled.Console) -> None:
    console.print("\n[bold]$ token-catcher history[/bold]")
    place.program("history")
    console.print("\n[bold]The secrets, as Vault has them[/bold] (values masked)")
    for line in _secret_lines(place):
        console.print(line, soft_wrap=True)
    console.print("\n[bold]$ token-catcher audit verify[/bold]")
    place.program("audit", "verify")


def _secret_lines(place: Playground) -> Iterator[str]:
    """Every secret that is there, its fields with masked values."""
    for org in _listed(place, "secret/salesforce"):
        for user in _listed(place, f"secret/salesforce/{org}"):
            path = f"secret/salesforce/{org}{user}"
            secret = json.loads(place.bao("kv", "get", "-format=json", path))["data"]
            yield f"{path} [dim]version {secret['metadata']['version']}[/dim]"
            for name, value in secret["data"].items():
                yield f"   {name.removeprefix('security_token_'):<15} {_masked(name, value)}"


def _listed(place: Playground, path: str) -> list[str]:
    names: list[str] = json.loads(place.bao("kv", "list", "-format=json", path))
    return names


def _masked(name: str, value: str) -> str:
    if name in ("security_token", "password"):
        return f"{'*' * 8} ({len(value)} characters)"
    return value


def _keep(place: Playground, console: styled.Console) -> None:
    """Leave everything running until Ctrl-C or SIGTERM, and say how to look around."""
    mail = place.home / "another-reset.eml"
    mail.write_bytes(place.salesforce.token_mail(USER, ADDRESS))
    hints = KEPT.format(
        config=place.config,
        mail=mail,
        vault_port=place.vault_port,
        home=place.home,
        user=USER,
        address=ADDRESS,
        imap_port=place.imap_port,
        daemon_log=place.daemon_log,
    )
    console.print(hints, soft_wrap=True)
    try:
        signal.pause()
    except Ended:
        console.print("Ended.")
