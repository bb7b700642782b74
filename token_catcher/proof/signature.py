"""A DKIM signature (RFC 6376): dkimpy checks the mathematics, rules of our own check the meaning.

A signature counts only if a reader of the mail may rely on it: from one of the signing domains,
over the whole body and all fields that decide, with an algorithm and a key of today. Every tag is
read here, strictly and once, and dkimpy is handed what was read: no second reading can differ.
The key is fetched here, so that a silent DNS is a TransientError and nothing else can be taken
for a pass. Times are compared with the mail's arrival, never with the clock: a backlog is judged
as it would have been on the day it came.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from token_catcher.errors import TransientError
from token_catcher.model import Header, HeaderField
from token_catcher.ports import KeyLookup
from token_catcher.proof.key_record import KEY_TYPES, MIN_RSA_BITS, usable_key
from token_catcher.proof.tags import Unacceptable, Verification, demand, names_in, tags_of

MAX_SIGNATURES: Final = 8
MAX_UNKNOWN_NAMES: Final = 2
"""Keys that a mail may have us ask DNS for, besides those that mail was verified with before:
genuine mail bears one signature of a signing domain, or two while a key is exchanged."""
MAX_COVERED: Final = 64
"""Names in `h=`: each is searched for in the whole header."""
MAX_NAME: Final = 253
"""What fits into DNS; a longer name could never be asked for."""
SIGNED_WITHIN: Final = timedelta(days=1)
"""From `t=` to the Date, either way."""
MUST_COVER: Final = ("from", "to", "subject", "date", "mime-version", "content-type")
"""What Salesforce signs, and all that the decision rests on."""

# RFC 6376, section 3.1: a selector is one label of a host name, or several.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_SELECTOR: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{0,3}}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_CANONICAL_FORM: Final = re.compile(r"(?:simple|relaxed)(?:/(?:simple|relaxed))?")


def check(
    raw: bytes,
    header: Header,
    received_at: datetime,
    signing_domains: Sequence[str],
    keys: KeyLookup,
) -> Verification:
    """The first good signature, else the best that can be said.

    What costs no question is looked at first, and then known keys before unknown ones, so that
    whoever writes signatures decides little of what DNS is asked. The keys are told which of them
    proved a mail. TransientError: a key was not to be had now, and no other signature is good."""
    mail = _SignedMail(raw, header)
    domains = {domain.lower() for domain in signing_domains}
    signatures: list[_Signature] = []
    verifications: list[Verification] = []
    # Intermediaries put signatures of their own on top, so one good one suffices anywhere.
    for field in _worth_a_look(header, domains):
        try:
            signatures.append(_without_key(mail, field, received_at, domains))
        except Unacceptable as unacceptable:
            verifications.append(unacceptable.verification)
    verifications += _with_keys(mail, signatures, _Questions(keys, received_at))
    return _best(verifications)


def _with_keys(
    mail: _SignedMail, signatures: Sequence[_Signature], questions: _Questions
) -> Sequence[Verification]:
    """Up to the first good one. TransientError: there is none, and a key was not to be had now."""
    verifications: list[Verification] = []
    silent: TransientError | None = None
    for signature in questions.known_first(signatures):
        try:
            verifications.append(_verify(mail, signature, questions))
        except TransientError as error:
            silent = error
            continue
        except Unacceptable as unacceptable:
            verifications.append(unacceptable.verification)
            continue
        return verifications
    if silent is not None:
        raise silent
    return verifications


def _worth_a_look(header: Header, domains: set[str]) -> Sequence[HeaderField]:
    """The first of those that name a signing domain; where none does, of all."""
    fields = header.all("DKIM-Signature")
    named = [field for field in fields if _names_any(field, domains)]
    return (named or fields)[:MAX_SIGNATURES]


def _names_any(field: HeaderField, domains: set[str]) -> bool:
    """Whether a signing domain stands in a signature, for the most careless reader as well."""
    text = b"".join(field.value.split()).decode("ascii", "ignore").lower()
    return any(domain in text for domain in domains)


def read(header: Header, issued_at: datetime, signing_domains: Sequence[str]) -> Verification:
    """What the signatures say, for mail that the receiving server checked: no key, no body.

    A pass: there is one of a signing domain, and each of them covers all that counts and was made
    within a day of the Date. A server passes less, too, an `l=` or an unsigned To, say; and which
    of them it passed is not known, so a good one that anybody put on top makes up for none.
    `signed_at` is the one furthest from the Date."""
    domains = {domain.lower() for domain in signing_domains}
    # However many there are: the one that the server passed may be the last.
    fields = header.all("DKIM-Signature")
    verifications = [_read_one(field, issued_at, domains) for field in fields]
    worst = _best(verifications)
    for verification in verifications:
        if verification.verdict == "fail":
            return verification
        if verification.verdict == "pass" and _is_worse(verification, worst, issued_at):
            worst = verification
    return worst


@dataclass(frozen=True, slots=True)
class Outline:
    """What a signature of a signing domain says without its key."""

    key_name: str
    """Where its key is published."""
    is_body_intact: bool
    """False: the body was changed after signing."""


def outlines(raw: bytes, header: Header, signing_domains: Sequence[str]) -> list[Outline]:
    """Those signatures of signing domains that can be read, whether they prove something or not."""
    mail = _SignedMail(raw, header)
    domains = {domain.lower() for domain in signing_domains}
    read = []
    for field in _worth_a_look(header, domains):
        try:
            tags = _own_tags(field, domains)
        except Unacceptable:
            continue
        name = f"{tags['s']}._domainkey.{tags['d']}".lower()
        read.append(Outline(name, mail.has_body_of(tags)))
    return read


def _read_one(field: HeaderField, issued_at: datetime, domains: set[str]) -> Verification:
    """A malformed one that names a signing domain fails: the server may have read it."""
    try:
        tags = _own_tags(field, domains)
        signed_at = _moment(tags, "t")
        near = signed_at is None or abs(signed_at - issued_at) <= SIGNED_WITHIN
        demand([(near, "t= is more than a day from the Date")])
    except Unacceptable as unacceptable:
        if not _names_any(field, domains):
            return Verification("none", unacceptable.verification.saw)
        return unacceptable.verification
    return Verification("pass", f"{tags['d']} {tags['s']} covers it", signed_at)


def _is_worse(signature: Verification, known: Verification, issued_at: datetime) -> bool:
    """Whether a good signature is the first one, or was made further from the Date."""
    if known.verdict != "pass":
        return True
    if signature.signed_at is None:
        return False
    if known.signed_at is None:
        return True
    return abs(signature.signed_at - issued_at) > abs(known.signed_at - issued_at)


def _best(verifications: Sequence[Verification]) -> Verification:
    """What proves the mail, before nothing against it, before something against it, before nothing
    at all; and of what is not proven, what may pass comes first."""
    for verdict in ("pass", "no-key", "unverifiable", "fail", "none"):
        for verification in verifications:
            if verification.verdict == verdict:
                return verification
    return Verification("none", "no DKIM signature")


@dataclass(frozen=True, slots=True)
class _Signature:
    """A signature of a signing domain, after all rules that need no key."""

    field: HeaderField
    tags: Mapping[str, str]
    domain: str
    signed_at: datetime | None

    @property
    def key_name(self) -> str:
        """Where its key is published."""
        return f"{self.tags['s']}._domainkey.{self.domain}".lower()


class _Questions:
    """What one mail has us ask for: all known names, and no more than two others."""

    def __init__(self, keys: KeyLookup, received_at: datetime) -> None:
        self._keys = keys
        self._received_at = received_at
        self._unknown: set[str] = set()

    def known_first(self, signatures: Iterable[_Signature]) -> list[_Signature]:
        """Otherwise in the order of the mail."""
        return sorted(signatures, key=self._is_unknown)

    def _is_unknown(self, signature: _Signature) -> bool:
        return not self._keys.knows(signature.key_name)

    def key_of(self, signature: _Signature) -> bytes:
        """The key's record. TransientError: it is not to be had now."""
        name = signature.key_name
        if self._is_unknown(signature):
            self._unknown.add(name)
        if len(self._unknown) > MAX_UNKNOWN_NAMES:
            saw = f"{name} was not asked for: a mail has {MAX_UNKNOWN_NAMES} unknown names asked"
            raise Unacceptable(saw, "no-key")
        record = self._keys.lookup(name, self._received_at)
        if record is None:
            raise Unacceptable(f"no key at {name}", "no-key")
        return record

    def answered(self, signature: _Signature, record: bytes) -> None:
        """The record has proven the mail."""
        self._keys.verified(signature.key_name, record)


def _without_key(
    mail: _SignedMail, field: HeaderField, received_at: datetime, domains: set[str]
) -> _Signature:
    """The signature, where all that can be looked at without its key is as it must be."""
    tags = _own_tags(field, domains)
    signed_at = _signed_at(tags, received_at)
    mail.demand_body(tags)
    return _Signature(field, tags, tags["d"].lower(), signed_at)


def _verify(mail: _SignedMail, signature: _Signature, questions: _Questions) -> Verification:
    tags = signature.tags
    # Only now is DNS asked, and only for a name below a signing domain.
    record = questions.key_of(signature)
    mail.verify(signature.field, tags, usable_key(record, tags, signature.domain))
    questions.answered(signature, record)
    saw = f"dkim {signature.domain} {tags['s']}"
    covers_encoding = "content-transfer-encoding" in names_in(tags["h"])
    return Verification("pass", saw, signature.signed_at, covers_encoding)


def _own_tags(field: HeaderField, domains: set[str]) -> Mapping[str, str]:
    """The tags of a signature of one of these domains, after the rules for all but its times."""
    tags = tags_of(field.value)
    domain = tags.get("d", "").lower()
    if domain not in domains:
        signer = ascii(domain)[1:-1][:60]
        raise Unacceptable(f"signed by {signer or 'nobody'}", "none")
    demand([(field.plain, "a signature that not everybody reads alike")])
    _demand_tags(tags, domain)
    return tags


def _demand_tags(tags: Mapping[str, str], domain: str) -> None:
    """The rules for the signature's own tags but its times: RFC 6376, section 3.5, and stricter."""
    covered = names_in(tags.get("h", ""))
    missing = ", ".join(name for name in MUST_COVER if name not in covered)
    name = f"{tags.get('s')}._domainkey.{domain}"
    rules = (
        (tags.get("v") == "1", "v= is not 1"),
        (tags.get("a") in KEY_TYPES, "a= is neither rsa-sha256 nor ed25519-sha256"),
        ("l" not in tags, "l= leaves part of the body unsigned"),
        (tags.get("q", "dns/txt") == "dns/txt", "q= is not dns/txt"),
        (_matches(_CANONICAL_FORM, tags.get("c", "simple")), "c= is unknown"),
        (_matches(_SELECTOR, tags.get("s", "")), "s= is no selector"),
        (len(name) <= MAX_NAME, "s= is too long for a name in DNS"),
        (not missing, f"h= leaves out {missing}"),
        (len(covered) <= MAX_COVERED, f"h= names more than {MAX_COVERED} fields"),
        (_identity_fits(tags.get("i"), domain), "i= is outside d="),
        (_is_base64(tags, "b") and _is_base64(tags, "bh"), "b= or bh= is no base64"),
    )
    demand(rules)


def _signed_at(tags: Mapping[str, str], received_at: datetime) -> datetime | None:
    """`t=`, after the rules for the times. A mail that came late is not held against Salesforce."""
    signed_at = _moment(tags, "t")
    expires_at = _moment(tags, "x")
    if expires_at is None:
        return signed_at
    if signed_at is not None and expires_at < signed_at:
        raise Unacceptable("x= is before t=")
    if expires_at < received_at:
        raise Unacceptable("the signature had expired on arrival", "unverifiable")
    return signed_at


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _is_base64(tags: Mapping[str, str], tag: str) -> bool:
    """White space may stand anywhere in it."""
    return _matches(_BASE64, "".join(tags.get(tag, "").split()))


def _identity_fits(identity: str | None, domain: str) -> bool:
    """Whether `i=` is of this domain or below it; it may be left out."""
    if identity is None:
        return True
    host = identity.rpartition("@")[2].lower()
    return "@" in identity and (host == domain or host.endswith("." + domain))


def _moment(tags: Mapping[str, str], tag: str) -> datetime | None:
    if tag not in tags:
        return None
    # RFC 6376 asks for values up to 10^12, which is beyond Python's calendar.
    if not re.fullmatch(r"[0-9]{1,11}", tags[tag], re.ASCII):
        raise Unacceptable(f"{tag}= is no time")
    return datetime.fromtimestamp(int(tags[tag]), UTC)


class _SignedMail:
    """One mail as dkimpy takes it.

    The fields that the wire gate saw, and the body, hashed once for each canonical form."""

    def __init__(self, raw: bytes, header: Header) -> None:
        self._fields = [_as_dkimpy_has_it(field) for field in header.fields]
        self._body = raw.partition(b"\r\n\r\n")[2]
        self._hashes: dict[str, str] = {}

    def has_body_of(self, tags: Mapping[str, str]) -> bool:
        """Whether the body is the one that was signed."""
        return self._body_hash(tags.get("c", "simple")) == "".join(tags["bh"].split())

    def demand_body(self, tags: Mapping[str, str]) -> None:
        """The body is the one that was signed."""
        if not self.has_body_of(tags):
            raise Unacceptable("the body was changed after signing", "unverifiable")

    def verify(self, field: HeaderField, tags: Mapping[str, str], key: bytes) -> None:
        """dkimpy's part: canonical forms, and the signature itself. Returns for a good one only.

        Not by `DKIM.verify()`: it reads the tags a second time and compares `x=` with the clock."""

        # dkimpy is loaded with the first signature (docs/adr/0027): most looks find no mail.
        from token_catcher.proof.dkimpy import dkim_for

        def lookup(_name: bytes, timeout: int) -> bytes:  # noqa: ARG001 - dkimpy's words
            return key

        verifier = dkim_for(KEY_TYPES[tags["a"]]).DKIM(minkey=MIN_RSA_BITS)
        verifier.headers = self._fields
        # `bh=` was compared before. Without it dkimpy hashes no body, of which it has none.
        signed = {name.encode(): value.encode() for name, value in tags.items() if name != "bh"}
        covered = [name.encode() for name in names_in(tags["h"])]
        try:
            good = verifier.verify_sig(signed, covered, _as_dkimpy_has_it(field), lookup)
        # Malformed mail makes dkimpy raise IndexError, ValueError and others.
        except Exception as error:  # noqa: BLE001
            raise Unacceptable(f"not verifiable ({type(error).__name__})") from None
        if good is not True:
            raise Unacceptable("the signature does not fit the mail")

    def _body_hash(self, canonical: str) -> str:
        """In base64, by the second word of `c=`."""
        from token_catcher.proof.dkimpy import CanonicalizationPolicy

        form = canonical.partition("/")[2] or "simple"
        if form not in self._hashes:
            # The form of the header is not used here, and any would do.
            policy = CanonicalizationPolicy.from_c_value(b"simple/" + form.encode())
            body = policy.canonicalize_body(self._shortened(form))
            self._hashes[form] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return self._hashes[form]

    def _shortened(self, form: str) -> bytes:
        """The body with runs of white space made short, where `relaxed` does that anyway.

        It changes nothing in the result, and dkimpy's own pattern is quadratic in them."""
        if form == "simple":
            return self._body
        return re.sub(rb"[ \t]+", b" ", self._body)


def _as_dkimpy_has_it(field: HeaderField) -> tuple[bytes, bytes]:
    return field.name.encode(), field.value + b"\r\n"
