"""The receiving server's word: Authentication-Results (RFC 8601), read linearly and believed only from where it was put.

Anybody can write such a field into a mail. It counts only with a configured authserv-id *and* in the zone of the header that
the receiving server writes to (`authserv_zone`):

    above-first-received    above the topmost Received: most servers, which write on top of everything they received
    {received_above: N}     at most N Received above it: servers that add Received lines of their own on top
    unique                  anywhere, but one field for each authserv-id, in the whole header

An id is a host name, or `*.example.com` for any host of a domain (servers with many names), or '' (Microsoft 365, which writes
none). All fields that count must agree: exactly one `dmarc`, a pass for the domain of From; and where `dkim` is spoken of, a
pass of a signing domain. Foreign fields may be malformed (Salesforce's own is); a malformed one of our server is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final, Literal

from token_catcher.model import Header

Zone = Literal["above-first-received", "unique"] | int
"""An int is `received_above: N`."""

MAX_BYTES: Final = 8 * 1024
MAX_DEPTH: Final = 10

_WORD: Final = re.compile(r"[;=]|[^\s;=()\"\\]+")
_SERVER: Final = re.compile(r"\s*([^\s;=()\"\\]*)\s*(=?)")
_IDENTITY: Final = re.compile(r"[^\s@\"]*@([A-Za-z0-9.-]+)")


@dataclass(frozen=True, slots=True)
class Result:
    """One `method=value` with its properties, all in lower case."""

    method: str
    value: str
    properties: Mapping[str, str]
    """Empty where they are not plain pairs: `header.i="x@salesforce.com"@attacker.example` says nothing."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the receiving server says of a mail."""

    verdict: Literal["pass", "fail", "unsure", "none"]
    """unsure: it could not tell (temperror). none: it says nothing that counts."""
    saw: str


class Malformed(ValueError):
    """A field that cannot be read in one way only: an unclosed quote or comment, nesting too deep, no grammar at all."""


def assess(
    header: Header,
    ids: Sequence[str],
    zone: Zone,
    sender_domain: str,
    signing_domains: Sequence[str],
) -> Assessment:
    """Whether our server saw the sender's domain aligned and one of the signing domains verified."""
    fields = list(_trusted(header, [one.lower() for one in ids], zone))
    if not fields:
        return Assessment("none", "no Authentication-Results of our server in its zone")
    matched = [one for one, _ in fields]
    if zone == "unique" and len(set(matched)) < len(matched):
        return Assessment(
            "fail",
            f"{len(matched)} Authentication-Results of our server, where it writes one for each id",
        )
    try:
        said = [read_results(value) for _, value in fields]
    except Malformed as trouble:
        return Assessment("fail", f"Authentication-Results of our server: {trouble}")
    return _decide(said, sender_domain.lower(), {domain.lower() for domain in signing_domains})


def read_results(value: str) -> list[Result]:
    """The results of one unfolded field. Raises `Malformed` and nothing else."""
    if len(value) > MAX_BYTES:
        raise Malformed(f"more than {MAX_BYTES} bytes")
    first, *others = _segments(value)
    has_id = first[1:2] != ["="]
    return [
        _result(segment) for segment in (others if has_id else [first, *others]) if "=" in segment
    ]


def _trusted(header: Header, ids: Sequence[str], zone: Zone) -> Iterator[tuple[str, str]]:
    """The fields of our server in its zone, each with the configured id that it bears."""
    received = 0
    for one in header.fields:
        name = one.name.lower()
        received += name == "received"
        if name == "authentication-results" and _inside(zone, received):
            value = one.value.decode("ascii").replace("\r\n", "")
            yield from [(known, value) for known in ids if _bears(value, known)][:1]


def _inside(zone: Zone, received: int) -> bool:
    """Whether a field with so many Received above it stands where our server writes."""
    if zone == "unique":
        return True
    return received <= (0 if zone == "above-first-received" else zone)


def _bears(value: str, known: str) -> bool:
    """Whether this is the field's authserv-id; readable where the rest is not: ours must not hide behind a mistake."""
    found = _SERVER.match(value)
    server = found[1].lower() if found and not found[2] else ""
    return server == known or (known.startswith("*.") and server.endswith(known[1:]))


def _segments(value: str) -> list[list[str]]:
    """The tokens between semicolons. A quoted string is one token and begins with its quote. Comments are dropped, but one that
    is glued to a word leaves a bracket: `salesforce.com(.attacker.example)` may be a name in the attacker's DNS."""
    segments: list[list[str]] = [[]]
    position = 0
    while position < len(value):
        character = value[position]
        if character.isspace():
            position += 1
        elif character == "(":
            end = _after_comment(value, position)
            neighbours = value[max(position - 1, 0) : position] + value[end : end + 1]
            segments[-1] += ["("] if neighbours.strip(" \t;") else []
            position = end
        elif character == '"':
            text, position = _quoted(value, position)
            segments[-1].append('"' + text)
        elif found := _WORD.match(value, position):
            position = found.end()
            if found[0] == ";":
                segments.append([])
            else:
                segments[-1].append(found[0])
        else:
            raise Malformed("a character out of place")
    return segments


def _after_comment(value: str, position: int) -> int:
    depth = 0
    while position < len(value):
        character = value[position]
        depth += (character == "(") - (character == ")")
        if depth > MAX_DEPTH:
            raise Malformed("comments nested too deep")
        position += 2 if character == "\\" else 1
        if depth == 0:
            return position
    raise Malformed("an unclosed comment")


def _quoted(value: str, position: int) -> tuple[str, int]:
    text: list[str] = []
    position += 1
    while position < len(value):
        if value[position] == '"':
            return "".join(text), position + 1
        position += value[position] == "\\"
        text.append(value[position : position + 1])
        position += 1
    raise Malformed("an unclosed quote")


def _result(tokens: Sequence[str]) -> Result:
    """`method=value`, then `name=value` again and again. Methods that do not count here write freely; of the others, only
    plain pairs are believed."""
    method, equals, value = (*tokens, "", "", "")[:3]
    if equals != "=" or method[0] in '"=':
        raise Malformed("results out of form")
    rest = list(
        dropwhile("(".__eq__, tokens[3:])
    )  # Yahoo glues the comment to the result, which is its own word
    pairs = [rest[start : start + 3] for start in range(0, len(rest), 3)]
    plain = all(
        len(pair) == 3 and pair[1] == "=" and pair[0][0] not in '"=(' and pair[2] not in "=("
        for pair in pairs
    )
    properties = (
        {pair[0].lower(): pair[2].removeprefix('"').lower() for pair in pairs} if plain else {}
    )
    if len(properties) < len(pairs):
        properties = {}
    return Result(method.lower().partition("/")[0], value.lower(), properties)


def _decide(
    said: Sequence[Sequence[Result]], sender_domain: str, signing_domains: set[str]
) -> Assessment:
    dmarc = [result for results in said for result in results if result.method == "dmarc"]
    dkim = [result for results in said for result in results if result.method == "dkim"]
    ours = [result for result in dkim if _domain(result) in (None, *signing_domains)]
    if any(result.value == "temperror" for result in (*dmarc, *ours)):
        return Assessment("unsure", "temperror")
    if len(dmarc) != 1:
        return Assessment("fail", f"{len(dmarc)} results for dmarc")
    aligned = dmarc[0].properties.get("header.from", "nobody")
    if dmarc[0].value != "pass" or aligned != sender_domain:
        return Assessment("fail", f"dmarc={_plain(dmarc[0].value)} for {_plain(aligned)}")
    passed = [result for result in ours if result.value == "pass" and _domain(result) is not None]
    if not passed:
        return Assessment("fail", "dmarc=pass, but no dkim=pass of a signing domain")
    if not all(_agrees(results, passed) for results in said):
        return Assessment("fail", "results for dkim that do not agree")
    return Assessment("pass", f"authentication-results dmarc=pass, dkim=pass {_domain(passed[0])}")


def _agrees(results: Sequence[Result], passed: Sequence[Result]) -> bool:
    """Whether one field's word on dkim fits a pass: it has one itself, and does not say that there was no signature. Gmail
    says so by silence: who speaks of dmarc and of spf in one field, speaks of each signature there as well."""
    dkim = [result for result in results if result.method == "dkim"]
    if not dkim:
        return not {"dmarc", "spf"} <= {result.method for result in results}
    return any(result in passed for result in dkim) and all(
        result.value != "none" for result in dkim
    )


def _domain(result: Result) -> str | None:
    """The signing domain: `header.d`, or the domain of `header.i`, which is all that Gmail writes; both must agree."""
    by_d, identity = result.properties.get("header.d"), result.properties.get("header.i")
    if identity is None:
        return by_d
    found = _IDENTITY.fullmatch(identity)
    if found is None:
        return None
    by_i = found[1]
    fits = by_d is None or by_i == by_d or by_i.endswith("." + by_d)
    return (by_d or by_i) if fits else None


def _plain(text: str) -> str:
    return ascii(text)[1:-1][:60]
