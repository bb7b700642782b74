"""One log of the program, as collectors keep it: each conversion with the rows it must give.

The forms are those that the collectors' own documentation shows. A conversion takes the lines of
the log and returns the bytes of a file.
"""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

from tests.unit.commands.records import NOW, entry, held, logged

RECORDS = (
    entry(1),
    entry(2, username='o\'brien+{"x"}@acme.example', recovered=True),
    held(3, saw='From "a {b} [c]" <x@y.example>, To \\ ""; \u00e9\ud83d\ude00 rotation.stored'),
    entry(4, event="rotation.refused", reason="bad-signature", username=None, org=None),
    entry(5, event="rotation.unchanged", reason="stale", folder="[Gmail]/Spam, \u00e4"),
)
"""Rotations with what a stranger may write into a mail."""
OTHERS = (
    '{"timestamp": "2026-02-03T12:57:00Z", "level": "info", "event": "mailbox.connected"}',
    '{"timestamp": "2026-02-03T12:57:00Z", "level": "warning", "event": "library.message",'
    ' "message": "* BAD {\\"event\\": \\"rotation.stored\\"}"}',
)
"""Other lines of the same log; a server made one quote a rotation."""
LINES = (
    OTHERS[0],
    *(logged(record, NOW + timedelta(minutes=uid)) for uid, record in enumerate(RECORDS)),
    OTHERS[1],
)
UIDS = [1, 2, 3, 4, 5]

Conversion = Callable[[Sequence[str]], bytes]
TIME = "2026-02-03T12:57:28.123456789Z"


def text(lines: Iterable[str]) -> bytes:
    """Lines, each with its end."""
    return "".join(f"{line}\n" for line in lines).encode()


def each(convert: Callable[[str], str]) -> Conversion:
    """A line of each line."""
    return lambda lines: text(map(convert, lines))


def prefixed(prefix: str, suffix: str = "") -> Conversion:
    """With a text before it, and one behind."""
    return each(lambda line: f"{prefix}{line}{suffix}")


def objects(wrap: Callable[[Any], Any], *, parsed: bool = False) -> Conversion:
    """An object a line, around the line or what is in it."""
    return each(lambda line: json.dumps(wrap(json.loads(line) if parsed else line)))


def whole(wrap: Callable[[list[Any]], Any], *, parsed: bool = False, **form: Any) -> Conversion:
    """One value for all lines."""

    def convert(lines: Sequence[str]) -> bytes:
        items = [json.loads(line) if parsed else line for line in lines]
        return json.dumps(wrap(items), **form).encode()

    return convert


def encoded(encoding: str, conversion: Conversion = text) -> Conversion:
    """In another encoding."""
    return lambda lines: conversion(lines).decode().encode(encoding)


def packed(pack: Callable[[bytes], bytes], conversion: Conversion = text) -> Conversion:
    """Packed into something."""
    return lambda lines: pack(conversion(lines))


def renamed(change: Callable[[str], str]) -> Conversion:
    """An object a line, with other names."""
    return objects(
        lambda fields: {change(name): value for name, value in fields.items()}, parsed=True
    )


def texts(fields: dict[str, Any]) -> dict[str, str]:
    """All values as text, as labels and columns are."""
    return {name: value if isinstance(value, str) else str(value) for name, value in fields.items()}


def without_time(fields: dict[str, Any]) -> dict[str, Any]:
    """What is left where a collector takes the time for itself."""
    return {name: value for name, value in fields.items() if name != "timestamp"}


def otlp(value: Any) -> dict[str, Any]:
    """A value as OpenTelemetry has it in JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": str(value)}


def pairs(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """An object as OpenTelemetry has it in JSON."""
    return [{"key": name, "value": otlp(value)} for name, value in fields.items()]


def otlp_export(record: Callable[[Any], dict[str, Any]], *, parsed: bool) -> Conversion:
    """One export request, as the collector's file exporter writes it."""
    return whole(
        lambda items: {
            "resourceLogs": [
                {
                    "resource": {"attributes": pairs({"service.name": "token-catcher"})},
                    "scopeLogs": [{"scope": {}, "logRecords": [record(item) for item in items]}],
                }
            ]
        },
        parsed=parsed,
    )


def otlp_event(fields: dict[str, Any]) -> dict[str, Any]:
    """The event as the body, everything else as attributes."""
    rest = {name: value for name, value in without_time(fields).items() if name != "event"}
    return {
        "timeUnixNano": "1770123448123456789",
        "body": otlp(fields["event"]),
        "attributes": pairs(rest),
    }


def csv_file(columns: Callable[[str], Sequence[str]], delimiter: str = ",") -> Conversion:
    """A table, as a search exports it."""

    def convert(lines: Sequence[str]) -> bytes:
        file = io.StringIO()
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow(["a", "b", "c"])
        writer.writerows(columns(line) for line in lines)
        return file.getvalue().encode()

    return convert


def export_format(lines: Sequence[str]) -> bytes:
    """journald's export format, a field in its binary form."""
    entries = b""
    for line in lines:
        content = line.encode()
        entries += b"__CURSOR=s=1\nMESSAGE\n" + struct.pack("<Q", len(content)) + content + b"\n\n"
    return entries


def zipped(content: bytes) -> bytes:
    """Two files in one archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("empty.log", b"nothing")
        archive.writestr("log", content)
    return file.getvalue()


def base64_of(line: str) -> str:
    """Text of bytes."""
    return base64.b64encode(line.encode()).decode()


def cloudwatch(lines: Sequence[str]) -> dict[str, Any]:
    """What CloudWatch Logs hands to a subscriber."""
    return {
        "messageType": "DATA_MESSAGE",
        "logGroup": "/token-catcher",
        "logEvents": [{"id": "1", "timestamp": 1770123448123, "message": line} for line in lines],
    }


def awslogs(lines: Sequence[str]) -> bytes:
    """The same, as a function gets it."""
    data = gzip.compress(json.dumps(cloudwatch(lines)).encode())
    return json.dumps({"awslogs": {"data": base64.b64encode(data).decode()}}).encode()


def loki(items: list[Any]) -> dict[str, Any]:
    """The answer of Loki's query_range."""
    values = [["1770123448123456789", item] for item in items]
    stream = {"stream": {"app": "token-catcher"}, "values": values}
    return {"status": "success", "data": {"resultType": "streams", "result": [stream]}}


def loki_labels(items: list[Any]) -> dict[str, Any]:
    """The same behind `| json`: the fields are labels."""
    streams = [
        {"stream": texts(item), "values": [["1770123448123456789", json.dumps(item)]]}
        for item in items
    ]
    return {"status": "success", "data": {"resultType": "streams", "result": streams}}


def hits(items: list[Any]) -> dict[str, Any]:
    """The answer of an Elasticsearch search."""
    return {"hits": {"hits": [{"_index": "logs", "_source": item} for item in items]}}


def fields_of(items: list[Any]) -> dict[str, Any]:
    """The same where fields were asked for: each is a list."""
    found = [{"fields": {name: [value] for name, value in item.items()}} for item in items]
    return {"hits": {"hits": found}}


def logfmt(line: str) -> str:
    """A text quoted in Go's way."""
    return f"time={TIME} level=info msg={json.dumps(line)} pod=token-catcher-0"


CONVERSIONS: dict[str, Conversion] = {
    # as it is, and in other encodings
    "plain": text,
    "no last line end": lambda lines: "\n".join(lines).encode(),
    "CR LF": each(lambda line: f"{line}\r"),
    "CR": lambda lines: "\r".join(lines).encode(),
    "blank lines": each(lambda line: f"\n{line}\n"),
    "not ASCII": each(
        lambda line: (
            json.dumps(json.loads(line), ensure_ascii=False)
            .encode("utf-8", "surrogatepass")
            .decode("utf-8", "replace")
        )
    ),
    "UTF-8 with a mark": encoded("utf-8-sig"),
    "UTF-16 with a mark": encoded("utf-16"),
    "UTF-16, big-endian, with a mark": lambda lines: b"\xfe\xff" + encoded("utf-16-be")(lines),
    "UTF-32 with a mark": encoded("utf-32"),
    "UTF-32, big-endian, with a mark": lambda lines: (
        b"\x00\x00\xfe\xff" + encoded("utf-32-be")(lines)
    ),
    "UTF-16, little-endian": encoded("utf-16-le"),
    "UTF-16, big-endian": encoded("utf-16-be"),
    "UTF-32, little-endian": encoded("utf-32-le"),
    "UTF-32, big-endian": encoded("utf-32-be"),
    "a mark in the middle": lambda lines: text(lines[:3]) + b"\xef\xbb\xbf" + text(lines[3:]),
    "Latin-1 beside it": lambda lines: b"caf\xe9\n" + text(lines),
    # packed
    "gzip": packed(gzip.compress),
    "gzip, two members": lambda lines: (
        gzip.compress(text(lines[:3])) + gzip.compress(text(lines[3:]))
    ),
    "gzip, padded": packed(lambda content: gzip.compress(content) + bytes(512)),
    "bz2": packed(bz2.compress),
    "bz2, two streams": lambda lines: bz2.compress(text(lines[:3])) + bz2.compress(text(lines[3:])),
    "xz": packed(lzma.compress),
    "lzma": packed(lambda content: lzma.compress(content, lzma.FORMAT_ALONE)),
    "zip": packed(zipped),
    "gzip in zip": packed(lambda content: zipped(gzip.compress(content))),
    "xz in gzip": packed(lambda content: gzip.compress(lzma.compress(content))),
    "UTF-16 in gzip": packed(gzip.compress, encoded("utf-16")),
    # behind a prefix
    "syslog, RFC 3164": prefixed("<30>Feb  3 12:57:28 host token-catcher[12]: "),
    "syslog, RFC 5424": prefixed(f'<30>1 {TIME} host token-catcher 12 - [a@1 b="c"] '),
    "syslog, octets counted": each(lambda line: f"{len(line) + 20} <30>1 - host - - - - {line}"),
    "CRI": prefixed(f"{TIME} stdout F "),
    "kubectl logs --prefix": prefixed("[pod/token-catcher-0/daemon] "),
    "docker compose": prefixed("token-catcher-1  | "),
    "journalctl": prefixed("Feb 03 12:57:28 host token-catcher[12]: "),
    "braces before it": prefixed("pod{app=token-catcher} {} "),
    "an object before it": prefixed('{"stream": "stderr"} '),
    "the event before it": each(lambda line: f"{json.loads(line)['event']} {line}"),
    "text behind it": prefixed("", " (repeated 2 times)"),
    "fluentd, a file": prefixed("2026-02-03T12:57:28+00:00\tkube.token-catcher\t"),
    "an open bracket before it": prefixed("[12 "),
    "a quote before it": prefixed('5" '),
    "colours": prefixed("\x1b[32m", "\x1b[0m"),
    "journald, export format": export_format,
    "journald, export format, text": prefixed("MESSAGE="),
    "server-sent events": prefixed("data: ", "\n"),
    "logfmt": each(logfmt),
    "in quotes": each(json.dumps),
    # hidden in other letters
    "base64, a line each": each(base64_of),
    "base64 for addresses, not filled up": objects(
        lambda line: {"data": base64.urlsafe_b64encode(line.encode()).decode().rstrip("=")}
    ),
    "base64, folded": objects(lambda line: {"data": base64.encodebytes(line.encode()).decode()}),
    "base64 of gzip, a line": lambda lines: base64.b64encode(gzip.compress(text(lines))),
    "base64 of gzip, folded": whole(
        lambda items: {"data": base64.encodebytes(gzip.compress(text(items))).decode()}
    ),
    "base64 of zlib": objects(
        lambda line: {"data": base64.b64encode(zlib.compress(line.encode())).decode()}
    ),
    "base64 of zlib, a line": lambda lines: base64.b64encode(zlib.compress(text(lines), 9)),
    "JSON's escapes for a letter": each(lambda line: line.replace("n.", "n\\u002e")),
    "JSON's escapes for all": each(
        lambda line: '{"m":"' + "".join(f"\\u{ord(letter):04x}" for letter in line) + '"}'
    ),
    "a hole within": lambda lines: text(lines[:3]) + bytes(5000) + text(lines[3:]),
    # several records, one value
    "JSON sequence": prefixed("\x1e"),
    "concatenated": lambda lines: "".join(lines).encode(),
    "concatenated, spaces between": lambda lines: " ".join(lines).encode(),
    "an array": whole(list, parsed=True),
    "an array, printed": whole(list, parsed=True, indent=2),
    "an array, an element a line": lambda lines: ("[\n" + ",\n".join(lines) + "\n]\n").encode(),
    "an array, comma first": lambda lines: ("[" + "\n,".join(lines) + "]\n").encode(),
    "an array, braces together": lambda lines: (
        "[" + ", ".join(json.dumps(json.loads(line), indent=2) for line in lines) + "]"
    ).encode(),
    "an array of texts": whole(list),
    "an array of texts, printed": whole(list, indent=2),
    "objects, printed": each(lambda line: json.dumps(json.loads(line), indent=4)),
    "arrays of one": objects(lambda fields: [fields], parsed=True),
    "a deep object": objects(lambda fields: {"a": {"b": [{"c": {"d": fields}}]}}, parsed=True),
    "text in text in text": objects(lambda line: {"a": json.dumps({"b": json.dumps([line])})}),
    # containers and journald
    "Docker, json-file": objects(lambda line: {"log": f"{line}\n", "stream": "stderr"}),
    "Docker, parsed": objects(lambda fields: {"log": fields, "stream": "stderr"}, parsed=True),
    "journald": objects(lambda line: {"MESSAGE": line, "_PID": "12"}),
    "journald, bytes": objects(lambda line: {"MESSAGE": list(line.encode()), "_PID": "12"}),
    "journald, bytes, printed": each(
        lambda line: json.dumps({"MESSAGE": list(line.encode())}, indent=1)
    ),
    "journald, printed": each(lambda line: json.dumps({"MESSAGE": line}, indent=1)),
    # collectors
    "Fluent Bit": objects(lambda line: {"date": 1770123448.123, "log": line}),
    "Fluent Bit, parsed": objects(
        lambda fields: {"date": 1770123448.123, **without_time(fields)}, parsed=True
    ),
    "Fluent Bit, merged": objects(
        lambda fields: {"log": json.dumps(fields), "log_processed": fields}, parsed=True
    ),
    "fluentd": objects(lambda line: {"message": line, "tag": "kube"}),
    "Filebeat": objects(lambda line: {"@timestamp": TIME, "message": line, "event": {"a": "b"}}),
    "Filebeat, decoded": objects(lambda fields: {"@timestamp": TIME, "json": fields}, parsed=True),
    "Filebeat, without our time": objects(
        lambda fields: {"@timestamp": TIME, "json": without_time(fields)}, parsed=True
    ),
    "Logstash": objects(lambda line: {"@version": "1", "event": {"original": line}}),
    "Vector": objects(lambda line: {"message": line, "source_type": "journald"}),
    "Vector, parsed": objects(lambda fields: {"message": fields, "host": "a"}, parsed=True),
    "Promtail": objects(lambda line: {"streams": [{"stream": {}, "values": [["1", line]]}]}),
    "GELF": objects(lambda line: {"version": "1.1", "short_message": line, "level": 6}),
    "GELF, a short message and a full one": objects(
        lambda line: {"short_message": json.loads(line)["event"], "full_message": line}
    ),
    "GELF, fields": renamed(lambda name: f"_{name}"),
    "OpenTelemetry, text": otlp_export(
        lambda line: {"timeUnixNano": "1770123448123456789", "body": {"stringValue": line}},
        parsed=False,
    ),
    "OpenTelemetry, attributes": otlp_export(
        lambda fields: {"body": {"stringValue": ""}, "attributes": pairs(fields)}, parsed=True
    ),
    "OpenTelemetry, body": otlp_export(
        lambda fields: {"body": {"kvlistValue": {"values": pairs(fields)}}}, parsed=True
    ),
    "OpenTelemetry, event and attributes": otlp_export(otlp_event, parsed=True),
    # services
    "Loki": whole(loki),
    "Loki, printed": whole(loki, indent=2),
    "Loki, labels": whole(loki_labels, parsed=True),
    "logcli, jsonl": objects(lambda line: {"labels": {}, "line": line, "timestamp": TIME}),
    "Grafana, table": whole(lambda items: {"data": {"values": [[1, 2], items]}}),
    "Elasticsearch": whole(hits, parsed=True),
    "Elasticsearch, printed": whole(hits, parsed=True, indent=2),
    "Elasticsearch, message": whole(lambda items: hits([{"message": item} for item in items])),
    "Elasticsearch, fields": whole(fields_of, parsed=True),
    "Elasticsearch, bulk": each(
        lambda line: '{"index": {"_index": "logs"}}\n' + json.dumps({"message": line})
    ),
    "Google Cloud, textPayload": objects(lambda line: {"textPayload": line, "timestamp": TIME}),
    "Google Cloud, jsonPayload": objects(
        lambda fields: {"jsonPayload": without_time(fields), "timestamp": TIME}, parsed=True
    ),
    "Google Cloud, gcloud": whole(
        lambda items: [{"insertId": "a", "jsonPayload": item} for item in items],
        parsed=True,
        indent=2,
    ),
    "Google Cloud, Pub/Sub": objects(lambda line: {"message": {"data": base64_of(line)}}),
    "Google Cloud, BigQuery": renamed(lambda name: f"jsonPayload.{name}"),
    "Azure Monitor": objects(lambda line: {"TimeGenerated": TIME, "LogMessage": line}),
    "Azure Monitor, parsed": objects(
        lambda fields: {"TimeGenerated": TIME, "LogMessage": without_time(fields)}, parsed=True
    ),
    "Azure, custom log": objects(
        lambda fields: {
            f"{name}_{'d' if isinstance(value, int) else 's'}": (
                float(value) if type(value) is int else value
            )
            for name, value in fields.items()
        },
        parsed=True,
    ),
    "Azure, records": whole(
        lambda items: {"records": [{"properties": {"log": item}} for item in items]}
    ),
    "CloudWatch": whole(cloudwatch),
    "CloudWatch, printed": whole(cloudwatch, indent=4),
    "CloudWatch, to a function": awslogs,
    "CloudWatch, aws logs tail": prefixed(f"{TIME} token-catcher/0 "),
    "Firehose": lambda lines: b"".join(json.dumps({"message": line}).encode() for line in lines),
    "Firehose, of CloudWatch": lambda lines: b"".join(
        gzip.compress(json.dumps(cloudwatch([line])).encode()) for line in lines
    ),
    "Kinesis": whole(
        lambda items: {"Records": [{"kinesis": {"data": base64_of(f"ab{i}")}} for i in items]}
    ),
    "Splunk": objects(lambda line: {"preview": False, "result": {"_raw": line, "_time": TIME}}),
    "Splunk, fields": objects(lambda fields: {"result": texts(fields)}, parsed=True),
    "Splunk, collector": objects(lambda line: {"time": 1770123448.1, "event": line}),
    "Splunk, collector, parsed": objects(
        lambda fields: {"time": 1770123448.1, "event": without_time(fields)}, parsed=True
    ),
    "Splunk, CSV": csv_file(lambda line: (line, "host", TIME)),
    "a table with semicolons": csv_file(lambda line: (TIME, line, "a;b"), ";"),
    "a table with tabs": csv_file(lambda line: (TIME, "prefix " + line, ""), "\t"),
    "Datadog": objects(lambda line: {"content": {"message": line, "service": "token-catcher"}}),
    "Datadog, attributes": objects(
        lambda fields: {
            "attributes": {"message": f"{fields['event']} …", "attributes": fields, "tags": ["a"]}
        },
        parsed=True,
    ),
    "an event of another program": objects(lambda line: {"event": "line.read", "text": line}),
    # with an event, or something called so, of the collector's own
    "Filebeat, flat": objects(
        lambda line: {"timestamp": TIME, "event.dataset": "kubernetes.container_logs", "m": line}
    ),
    "Elastic's names, flat": objects(
        lambda line: {"level": "info", "event.module": "system.syslog", "message": line}
    ),
    "Google Cloud, a function's event": objects(
        lambda line: {
            "eventId": "1",
            "timestamp": TIME,
            "eventType": "google.pubsub.topic.publish",
            "data": {"data": base64_of(line)},
        }
    ),
    "AWS, a source of events": objects(
        lambda line: {"eventSource": "logs.amazonaws.com", "timestamp": TIME, "message": line}
    ),
    "Azure, an event's properties": objects(
        lambda line: {"eventType": "log.entry", "timestamp": "2026", "properties": line}
    ),
    "a collector's event around it": objects(
        lambda fields: {"event": "container.log", "timestamp": TIME, "data": fields}, parsed=True
    ),
    "an export's event around all": whole(
        lambda items: {"event": "export.done", "timestamp": "x", "rows": items}, parsed=True
    ),
    "a pod's event around all": whole(
        lambda items: {"event": "pod.started", "at": "x", "items": items}
    ),
    "New Relic": objects(lambda line: [{"common": {}, "logs": [{"message": line}]}]),
    "Papertrail": prefixed("1234567\t2026-02-03T12:57:28\thost\tuser\tInfo\ttoken-catcher\t"),
}
