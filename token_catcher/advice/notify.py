"""Telling others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

NOTIFY: Final[Mapping[str, Advice]] = {
    "notify-refused": Advice(
        601,
        "A receiver refuses events (status 400 to 499). They are tried again for a day.",
        "check url and secret of this webhook, and what its own log says; then"
        " `token-catcher notify test`",
    ),
    "notify-status": Advice(
        602,
        "A receiver answers that it cannot take an event now. It is tried again for a day.",
        "see what the receiver's own log says",
    ),
    "notify-redirect": Advice(
        603,
        "A receiver sends us elsewhere, which is not followed.",
        "write the address it leads to under webhook.url, if it is yours",
    ),
    "notify-unreachable": Advice(
        604,
        "A receiver was not reached. Its events are tried again for a day.",
        "check webhook.url, the network, and HTTPS_PROXY",
    ),
    "notify-certificate": Advice(
        605,
        "A receiver's TLS certificate is not one that is trusted.",
        "have it renewed, or give the authority that issued it under webhook.ca_file",
    ),
    "notify-client-certificate": Advice(
        606,
        "A receiver asks for a client certificate, which webhooks do not show.",
        "put a proxy that shows one between, on this machine",
    ),
    "notify-tls": Advice(
        607,
        "What listens in a receiver's place does not speak TLS as it should.",
        "check webhook.url: a port of HTTP wants http://, which is taken for loopback alone",
    ),
    "notify-secret": Advice(
        608,
        "The key that events are signed with cannot be used.",
        "put one in place (mode 0600): `openssl rand -base64 32`, the same as the receiver has",
    ),
    "notify-ca-file": Advice(
        609,
        "The authorities of webhook.ca_file cannot be read.",
        "put the file back; it is read anew at the next try",
    ),
    "notify-command": Advice(
        610,
        "A command could not be run, failed, or did not end in time. It is run again for a day.",
        "run it by hand as the service's user, with the same arguments; it has 60 seconds, and"
        " ends with exit code 0",
    ),
    "notify-argument": Advice(
        611,
        "A command would take a value of an event for one of its options. The event is given up.",
        'put "--" before the placeholders of the command, if it understands that',
    ),
    "notify-apprise": Advice(
        612,
        "apprise could not send an event. It is tried again for a day.",
        "try the address by hand: `apprise -vv -t test -b test ADDRESS`",
    ),
    "notify-apprise-address": Advice(
        613,
        "apprise does not understand an address.",
        "write one of its addresses into the file, alone on a line",
    ),
    "notify-apprise-missing": Advice(
        614,
        "The library that tells people is not installed.",
        "install what the message names; the image and an installation from"
        " requirements/production.txt have it",
    ),
    "notify-outbox": Advice(
        615,
        "The outbox, where events wait, cannot be used. Captures go on; nobody is told.",
        "look at state_dir: its space, its owner. If outbox.db is broken, move it away: what"
        " waited in it is lost, and everything else begins anew (docs/runbook.md)",
    ),
    "notify-too-many": Advice(
        616,
        "More events waited for a receiver than are kept.",
        "see why the receiver takes none: `token-catcher notify test`",
    ),
    "notify-crashed": Advice(
        617,
        "A bug of ours kept an event from a receiver. It is tried again for a day.",
        "report it, with the event `notify.crashed` of the log",
    ),
    "notify-foreign": Advice(
        618,
        "A receiver gave an answer too large to be one. The event is tried again for a day.",
        "have it answer 204; see what a proxy says in its place",
    ),
    "notify-proxy": Advice(
        619,
        "A variable of the environment names no proxy that could be used.",
        "set that variable to the address of an HTTP proxy, or name the receiver's host in"
        " NO_PROXY",
    ),
    "notify-gone": Advice(
        620,
        "A receiver wants no more events at its address (status 410). They are given up.",
        "write its new address under webhook.url, or take the receiver out of notify; what was"
        " given up is in the record (`token-catcher history`)",
    ),
}
