"""Mistakes in who is told of what, how often, and what a receiver can do to others."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

# Some of these mistakes never come to an end.
OUTBOX = (
    "tests/unit/notify/test_outbox.py",
    "tests/properties/test_outbox.py",
    "--timeout=120",
)
DELIVERY = ("tests/unit/notify/test_delivery.py", "--timeout=60")
FLOOD = ("tests/unit/notify/test_flood.py",)
CONDITIONS = ("tests/unit/notify/test_conditions.py",)
WEBHOOKS = ("tests/contract/test_webhooks.py",)
SIGNING = ("tests/unit/notify/test_signing.py",)
COMMAND = ("tests/unit/notify/test_command.py",)
NOTICE = ("tests/unit/notify/test_notice.py",)

ADD = "            outbox.add(events, now)\n"
KEEP = '            outbox.keep("outbox", json.loads(kept))\n'

MUTANTS = (
    Mutant(
        "notify: what is handed in is known before its event is kept",
        "notify/outbox.py",
        function="Outbox._write",
        old=ADD + KEEP,
        new=KEEP + "        with self._file.transaction() as outbox:\n" + ADD,
        tests=OUTBOX,
    ),
    Mutant(
        "notify: the end of the journal is looked for again and again",
        "notify/outbox.py",
        function="Outbox._added",
        old="                memory.read_to(head)\n",
        new="                pass\n",
        tests=OUTBOX,
    ),
    Mutant(
        "notify: another journal is taken for the one that was read",
        "notify/outbox.py",
        function="Outbox._expect_same_journal",
        old="record.hash != memory.hash",
        new="False",
        tests=OUTBOX,
    ),
    Mutant(
        "notify: what could not be kept is forgotten",
        "notify/outbox.py",
        function="Outbox.collect",
        old="self._handed_in.extendleft(reversed(told))",
        new="pass",
        tests=OUTBOX,
    ),
    Mutant(
        "notify: a receiver is told that it fails itself",
        "notify/outbox.py",
        function="is_for",
        old='notice.subject != f"notify/{receiver.name}"',
        new="True",
        tests=OUTBOX,
    ),
    Mutant(
        "notify: a receiver that is away is tried with each event",
        "notify/delivery.py",
        function="Delivery._fail",
        old="        self._silent_until = now + timedelta(seconds=silence)\n",
        new="",
        tests=DELIVERY,
    ),
    Mutant(
        "notify: an event that fails has no pause of its own",
        "notify/delivery.py",
        function="Delivery._fail",
        old="now + timedelta(seconds=own)",
        new="now",
        tests=DELIVERY,
    ),
    Mutant(
        "notify: what a receiver never takes is tried again",
        "notify/delivery.py",
        function="Delivery._try",
        old="self._remove(waiting)\n            gone_since",
        new="gone_since",
        tests=DELIVERY,
    ),
    Mutant(
        "notify: two of one subject are under way",
        "notify/delivery.py",
        function="Delivery._claimed",
        old="                self._busy.add(waiting.event.subject)\n",
        new="                pass\n",
        tests=DELIVERY,
    ),
    Mutant(
        "notify: a flood has no end",
        "notify/flood.py",
        function="Floods.admit",
        old="flood.told >= LIMIT",
        new="False",
        tests=FLOOD,
    ),
    Mutant(
        "notify: what was left out is not counted",
        "notify/flood.py",
        function="Floods.end",
        old="if flood.left_out",
        new="if not flood.left_out",
        tests=FLOOD,
    ),
    Mutant(
        "notify: a moment's trouble is told",
        "notify/conditions.py",
        function="Conditions._ailing",
        old="now - moment(condition.since) < FAILING_AFTER",
        new="False",
        tests=CONDITIONS,
    ),
    Mutant(
        "notify: an end is told of what nobody heard of",
        "notify/conditions.py",
        function="Conditions._well",
        old="not condition.is_told",
        new="False",
        tests=CONDITIONS,
    ),
    Mutant(
        "notify: the id is not signed",
        "notify/signing.py",
        function="signature",
        old="{event_id}.{seconds}.",
        new="{seconds}.",
        tests=SIGNING,
    ),
    Mutant(
        "notify: what a receiver never wants again is tried again",
        "notify/webhook.py",
        function="Webhook._taken",
        old="raise Undeliverable(got",
        new="raise Outage(got",
        tests=WEBHOOKS,
    ),
    Mutant(
        "notify: a certificate that is not trusted gives up",
        "notify/webhook.py",
        function="Webhook._answer",
        old="trouble = Outage(str(error), code=error.code)",
        new="trouble = error",
        tests=WEBHOOKS,
    ),
    Mutant(
        "notify: a username is an option",
        "notify/command.py",
        function="Command._filled",
        old='text.startswith("-")',
        new="False",
        tests=COMMAND,
    ),
    Mutant(
        "notify: a command has our environment",
        "notify/command.py",
        function="Command._started",
        old="                env=self._environment,\n",
        new="",
        tests=COMMAND,
    ),
    Mutant(
        "notify: a command has all the time there is",
        "notify/command.py",
        function="Command._await_end",
        old="self._monotonic() >= deadline",
        new="self._monotonic() >= deadline * 1e9",
        tests=("tests/unit/notify/test_command.py", "--timeout=60"),
    ),
    Mutant(
        "notify: a token in a text is told",
        "notify/notice.py",
        function="_harmless",
        old="masked(printable(value))",
        new="printable(value)",
        tests=NOTICE,
    ),
    Mutant(
        "notify: two receivers have one id",
        "notify/notice.py",
        function="event_of",
        old="(instance, receiver, notice.type, notice.key)",
        new="(instance, notice.type, notice.key)",
        tests=NOTICE,
    ),
)
