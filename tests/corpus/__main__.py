"""Writes the corpus for `token-catcher explain` (`DIR`), or judges it (`--report`).

In DIR: one .eml a mail, `manifest.json`, the pinned keys `keys.txt`, and
`config-VARIANT-POLICY.json` for every configuration. A mail is judged by

    token-catcher --config DIR/config-standard-dkim.json \\
        explain --json --received-at 2026-02-03T12:57:27Z DIR/NAME.eml
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.corpus.base import ORGS, PATH, POLICIES, STORE, VARIANTS, Item, keys
from tests.corpus.verdicts import corpus, dearest, verdict
from token_catcher.model import iso
from token_catcher.proof.case import Policy, Terms


def main(arguments: list[str]) -> int:
    """The exit code: 1 where a mail ends otherwise than its manifest says."""
    if arguments == ["--report"]:
        return report()
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    write(Path(arguments[0]))
    return 0


def write(folder: Path) -> None:
    """All files. The same bytes in every run."""
    (folder / "field").mkdir(parents=True, exist_ok=True)
    for item in corpus():
        (folder / item.file).write_bytes(item.raw)
    _write_json(folder / "manifest.json", [_entry(item) for item in corpus()])
    lines = [f"{name}  {text}\n" for name, text in pins().items()]
    (folder / "keys.txt").write_text("".join(lines), "ascii")
    (folder / "unused").write_text("no secret\n", "ascii")
    (folder / "unused").chmod(0o600)
    for variant in VARIANTS:
        for policy in POLICIES:
            _write_json(folder / f"config-{variant}-{policy}.json", configuration(variant, policy))


def pins() -> dict[str, str]:
    """The published records that a pinned key may have."""
    return {name: text.decode() for name, text in keys().records.items() if text and b"p=" in text}


def configuration(variant: str, policy: Policy) -> dict[str, Any]:
    """A configuration file. `explain` needs none of its secrets."""
    return {
        "state_dir": "state",
        "mailboxes": [
            {
                "name": "integrations",
                "host": "imap.example.com",
                "username": "ops@example.com",
                "password": {"file": "unused"},
                "addresses": list(VARIANTS[variant].addresses),
            }
        ],
        "orgs": [_without_empty(asdict(org)) for org in ORGS],
        "vault": {
            "address": "https://vault.example.com:8200",
            "auth": {"method": "token", "token": {"file": "unused"}},
            "path": PATH,
        },
        "trust": {
            **_trust(VARIANTS[variant].terms(policy)),
            "subject_tags": list(VARIANTS[variant].subject_tags),
        },
    }


def _without_empty(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _trust(terms: Terms) -> dict[str, Any]:
    zone: object = terms.authserv_zone
    if isinstance(zone, int):
        zone = {"received_above": zone}
    return {
        "policy": terms.policy,
        "senders": list(terms.senders),
        "signing_domains": list(terms.signing_domains),
        "subjects": list(terms.subjects),
        "authserv_ids": list(terms.authserv_ids),
        "authserv_zone": zone,
        "dkim_keys": "keys.txt",
    }


def report() -> int:
    """Judge all, under every policy, and print figures."""
    wrong = [ending for item in corpus() for ending in _wrong_endings(item)]
    for item, policy, got in wrong:
        print(f"{item.name} under {policy}: got {got}, expected {item.expected[policy]}")
    stored_hostile = [item for item, _, got in wrong if item.hostile and got == STORE]
    lost_genuine = [item for item, policy, _ in wrong if item.expected[policy] == STORE]
    hostile = sum(item.hostile for item in corpus())
    classes = Counter(item.kind for item in corpus())
    print(f"{len(corpus())} mails, {hostile} hostile or ordinary, {len(POLICIES)} policies")
    print("classes: " + ", ".join(f"{kind} {count}" for kind, count in classes.items()))
    print(f"hostile stored: {len(stored_hostile)}; genuine not stored: {len(lost_genuine)}")
    print(f"all that end otherwise than expected: {len(wrong)}")
    _report_times({item.name: dearest(item) * 1000 for item in corpus()})
    return 1 if wrong else 0


def _wrong_endings(item: Item) -> Iterator[tuple[Item, Policy, str]]:
    for policy in POLICIES:
        got = verdict(item, policy)
        if got != item.expected[policy]:
            yield item, policy, got


def _report_times(milliseconds: Mapping[str, float]) -> None:
    median = statistics.median(milliseconds.values())
    name = max(milliseconds, key=milliseconds.__getitem__)
    most = f"{milliseconds[name]:.1f} ({name})"
    print(f"milliseconds a mail, of processor time: median {median:.2f}, most {most}")


def _entry(item: Item) -> dict[str, Any]:
    return {
        "file": item.file,
        "class": item.kind,
        "hostile": item.hostile,
        "why": item.why,
        "received_at": iso(item.received_at),
        "variant": item.variant,
        "asks_dns": item.asks_dns,
        "expected": dict(item.expected),
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
