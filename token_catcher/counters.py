"""What is counted of the work, by who wants to: with `http.listen` the metrics do, else nobody."""

from __future__ import annotations

from token_catcher.model import Entry


class Counters:
    """Told of every record and every request, and counts none of them."""

    def observe(self, entry: Entry) -> None:
        """A record was added to the journal."""

    def vault_request(self, operation: str, status: int | None) -> None:
        """Vault answered a request with this status; None: it did not answer."""

    def vault_alarm(self, event: str) -> None:
        """This event was logged, `vault.wrapping_token_foreign` for one."""

    def notified(self, receiver: str, outcome: str, count: int) -> None:
        """A try to tell this receiver ended so, or so many of its events were given up."""

    def login_proven(self, result: str) -> None:
        """The proof of a token by login has ended so."""
