"""The receiving server's assessment: Authentication-Results (RFC 8601), from where it writes them.

Anybody can write such a field into a mail. It counts only with a configured authserv-id *and* in
the zone of the header that the receiving server writes to (`authserv_zone`):

    above-first-received    above the topmost Received: most servers, which write on top of
                            everything they received
    {received_above: N}     at most N Received above it: servers that add Received lines of their
                            own on top
    unique                  anywhere, but one field for each authserv-id, in the whole header

An id is a host name, or `*.example.com` for any host of a domain (servers with many names), or ''
(Microsoft 365, which writes none). All fields that count must agree: exactly one `dmarc`, a pass
for the domain of From; and where `dkim` is spoken of, a pass of a signing domain. Foreign fields
may be malformed (Salesforce's own is); a malformed one of our server is not believed.

Reading is linear in the length of a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from token_catcher.model import Header, HeaderField

Zone = Literal["above-first-received", "unique"] | int
"""An int is `received_above: N`."""

MAX_BYTES: Final = 8 * 1024
MAX_DEPTH: Final = 10
UNDECIDED: Final = ("temperror", "tempfail", "timeout")
"""Results of a server that could not ask DNS: the word of RFC 8601, and those of others.

Microsoft 365 writes `dkim=timeout (key query timeout)`."""
GUESSED: Final = "bestguesspass"
"""Microsoft's word where it found no policy in DNS, and would have passed the mail under one."""

_PIECE: Final = re.compile(r"[;=]|[^\s;=()\"\\]+")
_AUTHSERV_ID: Final = re.compile(r"\s*([^\s;=()\"\\]*)\s*(=?)")
_IDENTITY: Final = re.compile(r"[^\s@\"]*@([A-Za-z0-9.-]+)")


@dataclass(frozen=True, slots=True)
class Result:
    """A `method=value` with its properties, all in lower case."""

    method: str
    value: str
    properties: Mapping[str, str]
    """Empty where they are not plain pairs: `header.i="x@salesforce.com"@attacker.example` says
    nothing."""

    @property
    def signing_domain(self) -> str | None:
        """`header.d`, or the domain of `header.i`, all that Gmail writes; both must agree."""
        by_d = self.properties.get("header.d")
        identity = self.properties.get("header.i")
        if identity is None:
            return by_d
        parts = _IDENTITY.fullmatch(identity)
        if parts is None:
            return None
        by_i = parts[1]
        if by_d is None:
            return by_i
        # RFC 6376, section 3.5: `i=` is `d=` or a domain below it.
        if by_i == by_d or by_i.endswith("." + by_d):
            return by_d
        return None

    @property
    def from_domain(self) -> str | None:
        """Of a `dmarc` the domain of From: `header.from`, or `d`, as Cisco's gateways write."""
        return self.properties.get("header.from") or self.properties.get("d")


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the receiving server says of a mail."""

    verdict: Literal["pass", "fail", "unsure", "none"]
    """unsure: it could not tell (`UNDECIDED`). none: it says nothing that counts."""
    saw: str


class Malformed(ValueError):
    """A field that cannot be read in one way only.

    An unclosed quote or comment, nesting too deep, no grammar at all."""


def assess(
    header: Header,
    ids: Sequence[str],
    zone: Zone,
    sender_domain: str,
    signing_domains: Sequence[str],
) -> Assessment:
    """Whether our server saw the sender's domain aligned and a signing domain verified."""
    fields = list(_trusted(header, [known.lower() for known in ids], zone))
    if not fields:
        return Assessment("none", "no Authentication-Results of our server in its zone")
    # Two hosts of a domain count as one id: a forger would take the neighbour's name.
    distinct = {known for known, _ in fields}
    if zone == "unique" and len(distinct) < len(fields):
        trouble = "Authentication-Results of our server, where it writes one for each id"
        return Assessment("fail", f"{len(fields)} {trouble}")
    try:
        results = [_read(header.fields[number]) for _, number in fields]
    except Malformed as trouble:
        return Assessment("fail", f"Authentication-Results of our server: {trouble}")
    # A server that ends the header above such a field has not removed what a stranger wrote there.
    if any(number >= _sure(header) for _, number in fields):
        return Assessment("unsure", "Authentication-Results where some servers see no header")
    domains = {domain.lower() for domain in signing_domains}
    return _decide(results, sender_domain.lower(), domains)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands, and whose it says it is. Anybody may have written it."""

    authserv_id: str
    """In lower case; empty where it names none, as Microsoft 365 does."""
    received_above: int


def places(header: Header) -> list[Place]:
    """Of every Authentication-Results, topmost first."""
    received = 0
    places_of_fields = []
    for field in header.fields:
        name = field.name.lower()
        if name == "received":
            received += 1
        elif name == "authentication-results":
            places_of_fields.append(Place(_authserv_id(_unfolded(field)), received))
    return places_of_fields


def counts(header: Header, ids: Sequence[str], zone: Zone) -> bool:
    """Whether there is a field that these terms take for our server's."""
    return any(True for _ in _trusted(header, [known.lower() for known in ids], zone))


def read_results(value: str) -> list[Result]:
    """The results of one unfolded field. Raises `Malformed` and nothing else."""
    if len(value) > MAX_BYTES:
        raise Malformed(f"more than {MAX_BYTES} bytes")
    segments = _segments(value)
    # The first segment is the authserv-id, unless it is a result already: Microsoft 365 has no id.
    if segments[0][1:2] != ["="]:
        segments = segments[1:]
    return [_result(segment) for segment in segments if "=" in segment]


def _sure(header: Header) -> int:
    """How many fields, from the top, every server takes for header."""
    names = [field.name.lower() for field in header.fields]
    for above in header.early_ends:
        # Above the first Received our own server wrote, such a line as well.
        if "received" in names[:above]:
            return above
    return len(names)


def _read(field: HeaderField) -> list[Result]:
    """The results of a field of our server's."""
    if not field.plain:
        raise Malformed("a field that not everybody reads alike")
    return read_results(_unfolded(field))


def _unfolded(field: HeaderField) -> str:
    """The value of a field that may be a stranger's, and of any bytes."""
    return field.value.decode("ascii", "replace").replace("\r\n", "")


def _trusted(header: Header, ids: Sequence[str], zone: Zone) -> Iterator[tuple[str, int]]:
    """The fields of our server in its zone.

    For each the configured id that it bears, and how many fields are above it."""
    received = 0
    # Topmost first: each server writes above what it got.
    for number, field in enumerate(header.fields):
        name = field.name.lower()
        if name == "received":
            received += 1
        if name != "authentication-results" or not _inside(zone, received):
            continue
        value = _unfolded(field)
        borne = [known for known in ids if _bears(value, known)]
        if borne:
            yield borne[0], number


def _inside(zone: Zone, received: int) -> bool:
    """Whether a field with so many Received above it stands where our server writes."""
    if zone == "unique":
        return True
    if zone == "above-first-received":
        return received == 0
    return received <= zone


def _bears(value: str, known: str) -> bool:
    """Whether this is the field's authserv-id.

    It is readable where the rest is not: a field of ours must not hide behind a mistake."""
    server = _authserv_id(value)
    if known.startswith("*."):
        return server.endswith(known[1:])
    return server == known


def _authserv_id(value: str) -> str:
    """With which the field begins, in lower case; empty where it names none."""
    start = _AUTHSERV_ID.match(value)
    # With an `=` behind it the first word is a method: Microsoft 365 begins with the results.
    if start and not start[2]:
        return start[1].lower()
    return ""


def _segments(value: str) -> list[list[str]]:
    """The pieces between semicolons."""
    segments: list[list[str]] = [[]]
    for piece in _pieces(value):
        if piece == ";":
            segments.append([])
        else:
            segments[-1].append(piece)
    return segments


def _pieces(value: str) -> Iterator[str]:
    """Words, `=` and `;`. A quoted string is one piece and begins with its quote.

    Comments are dropped, but one that is glued to a word leaves a bracket (CVE-2020-12272):
    `salesforce.com(.attacker.example)` may be a name in the attacker's DNS."""
    position = 0
    while position < len(value):
        character = value[position]
        if character.isspace():
            position += 1
        elif character == "(":
            end = _after_comment(value, position)
            # White space, a semicolon or nothing on both sides: the comment stands apart.
            neighbours = value[max(position - 1, 0) : position] + value[end : end + 1]
            if neighbours.strip(" \t;"):
                yield "("
            position = end
        elif character == '"':
            text, position = _quoted(value, position)
            yield '"' + text
        else:
            piece = _PIECE.match(value, position)
            if piece is None:
                raise Malformed("a character out of place")
            yield piece[0]
            position = piece.end()


def _after_comment(value: str, position: int) -> int:
    """Where the comment that begins here has ended. RFC 5322, section 3.2.2: comments nest."""
    depth = 0
    while position < len(value):
        character = value[position]
        if character == "\\":
            position += 1  # and over what it escapes
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        position += 1
        if depth > MAX_DEPTH:
            raise Malformed("comments nested too deep")
        if depth == 0:
            return position
    raise Malformed("an unclosed comment")


def _quoted(value: str, position: int) -> tuple[str, int]:
    """The text of the quoted string that begins here, and where it has ended."""
    text: list[str] = []
    position += 1
    while position < len(value):
        if value[position] == '"':
            return "".join(text), position + 1
        if value[position] == "\\":
            position += 1  # what is escaped belongs to the text, a quote as well
        text.append(value[position : position + 1])
        position += 1
    raise Malformed("an unclosed quote")


def _result(pieces: Sequence[str]) -> Result:
    """`method=value`, then `name=value` again and again."""
    method, equals, value = (*pieces, "", "", "")[:3]
    if equals != "=" or method[0] in '"=':
        raise Malformed("results out of form")
    start = 3
    # Yahoo glues a comment to the result. That does no harm: the result is no text of the sender's.
    while pieces[start : start + 1] == ["("]:
        start += 1
    method_name = method.lower().partition("/")[0]  # `dkim/1` names the version of the method
    properties = MappingProxyType(_properties(pieces[start:]))
    return Result(method_name, value.lower(), properties)


def _properties(pieces: Sequence[str]) -> dict[str, str]:
    """Plain pairs, each name once; nothing at all where there is anything else.

    Methods that do not count here write freely, so this is no mistake of the field."""
    properties: dict[str, str] = {}
    for start in range(0, len(pieces), 3):
        pair = pieces[start : start + 3]
        if not _is_plain(pair) or pair[0].lower() in properties:
            return {}
        properties[pair[0].lower()] = pair[2].removeprefix('"').lower()
    return properties


def _is_plain(pair: Sequence[str]) -> bool:
    """A name, `=`, and a value, which may be quoted."""
    return len(pair) == 3 and pair[1] == "=" and pair[0][0] not in '"=(' and pair[2] not in "=("


def _decide(
    by_field: Sequence[Sequence[Result]], sender_domain: str, signing_domains: set[str]
) -> Assessment:
    results = [result for results in by_field for result in results]
    dmarc = [result for result in results if result.method == "dmarc"]
    dkim = [result for result in results if result.method == "dkim"]
    # A result that names no domain may be about a signature of ours.
    ours = [result for result in dkim if result.signing_domain in (None, *signing_domains)]
    undecided = [result.value for result in (*dmarc, *ours) if result.value in UNDECIDED]
    if undecided:
        return Assessment("unsure", undecided[0])
    # A server takes one DMARC decision for a mail, so a second one is not its own.
    if len(dmarc) != 1:
        return Assessment("fail", f"{len(dmarc)} results for dmarc")
    aligned = dmarc[0].from_domain or "nobody"
    if dmarc[0].value not in ("pass", GUESSED) or aligned != sender_domain:
        return Assessment("fail", f"dmarc={_plain(dmarc[0].value)} for {_plain(aligned)}")
    # DMARC passes by SPF alone as well, and all customers of Salesforce share its servers.
    passed = [result for result in ours if result.value == "pass" and result.signing_domain]
    if not passed:
        return Assessment("fail", f"dmarc={dmarc[0].value}, but no dkim=pass of a signing domain")
    if not all(_agrees(field, passed) for field in by_field):
        return Assessment("fail", "results for dkim that do not agree")
    return _of_a_pass(dmarc[0], passed[0])


def _of_a_pass(dmarc: Result, dkim: Result) -> Assessment:
    """What two results say that speak for the mail."""
    # Salesforce has a policy. That none was found says that DNS was not to be had.
    if dmarc.value == GUESSED:
        return Assessment("unsure", f"dmarc={GUESSED}")
    domain = dkim.signing_domain
    return Assessment("pass", f"authentication-results dmarc=pass, dkim=pass {domain}")


def _agrees(results: Sequence[Result], passed: Sequence[Result]) -> bool:
    """Whether what one field says of dkim fits a pass: it has one itself, and none is missing."""
    dkim = [result for result in results if result.method == "dkim"]
    if not dkim:
        # Gmail says by silence that there was no signature: where it speaks of dmarc and of spf, it
        # speaks of each signature as well.
        return not {"dmarc", "spf"} <= {result.method for result in results}
    if any(result.value == "none" for result in dkim):
        return False
    return any(result in passed for result in dkim)


def _plain(text: str) -> str:
    return ascii(text)[1:-1][:60]
