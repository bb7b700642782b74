"""Telling others: what happened to a token, and what fails, at least once and never in the way.

In reading order:

    notice      what is told, and the event that a receiver gets
    flood       how much of a flood is told
    receiver    who is told
    conditions  when something counts as failing, and as healed
    store       the outbox's file: what waits for whom
    signing     signatures of webhooks
    webhook     events by HTTP
    command     events to a program
    people      events to people, over apprise
    delivery    what waits for one receiver, delivered
    outbox      collects what is to be told, and has it delivered
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.notify.command import PLACEHOLDERS, Command
    from token_catcher.notify.delivery import Outcome
    from token_catcher.notify.notice import ASKED_FOR, Kind, Notice, Outgoing, event_of
    from token_catcher.notify.outbox import Outbox, ReceiverHealth
    from token_catcher.notify.people import People
    from token_catcher.notify.receiver import Receiver, Transport
    from token_catcher.notify.signing import A_KEY, fault_of_key
    from token_catcher.notify.webhook import Webhook

__all__ = [
    "ASKED_FOR",
    "A_KEY",
    "PLACEHOLDERS",
    "Command",
    "Kind",
    "Notice",
    "Outbox",
    "Outcome",
    "Outgoing",
    "People",
    "Receiver",
    "ReceiverHealth",
    "Transport",
    "Webhook",
    "event_of",
    "fault_of_key",
]

__getattr__ = face(
    __name__,
    {
        "command": ("Command", "PLACEHOLDERS"),
        "delivery": ("Outcome",),
        "notice": ("ASKED_FOR", "Kind", "Notice", "Outgoing", "event_of"),
        "outbox": ("Outbox", "ReceiverHealth"),
        "people": ("People",),
        "receiver": ("Receiver", "Transport"),
        "signing": ("A_KEY", "fault_of_key"),
        "webhook": ("Webhook",),
    },
)
