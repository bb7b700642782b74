"""Mail in, Candidate or Ignored out: what a mail claims, in the one way it can be read.

A token mail is recognised by structure, in any language: a line `<label>: <username>` and, on the
very next line, `<label>: <token>`. Every text of the mail is read (each part, hidden HTML,
comments, the text around parts), and all must agree on one pair. Our own reading of the MIME
structure is compared with that of mail-parser.

A mail that claims to carry a token leaves a record, and no other does. So where a mail cannot be
read in this strict way, a careless look decides whether it claims to: then it ends as Refused, or
as a Candidate with an `Unclear` claim, of which a genuine one is held for a person and not lost;
otherwise it is Ignored, like all the other broken mail of the world. Of a sender from whom token
mail comes, whatever has the form of a token is enough.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from email.message import Message
from typing import Final

from token_catcher.errors import TransientError
from token_catcher.model import (
    Candidate,
    Claim,
    Header,
    HeaderField,
    Ignored,
    Mail,
    Reason,
    Refused,
    Unclear,
)
from token_catcher.reading import claims, loose, mime, shape, wire
from token_catcher.reading.headers import decode_words, parse_date

SANDBOX = "Sandbox: "
MAX_TAGS = 10
"""What several servers in a row may put in front of one subject."""

_FROM: Final = re.compile(r"^from[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
"""A From in lower case, with what is folded below it."""

logging.getLogger("mailparser").setLevel(logging.CRITICAL + 1)
"""mail-parser logs the text of what it cannot read."""


def extract(
    mail: Mail,
    subjects: Sequence[str],
    tags: Sequence[str] = (),
    domains: Sequence[str] = (),
) -> Candidate | Ignored | Refused:
    """What the mail claims. `subjects` are the known ones, without the sandbox prefix; of mail from
    `domains` nothing is ignored in which something has the form of a token.

    `tags` are what our mail system puts in front of subjects.
    TransientError: this machine could not read it now; nothing in a mail makes it raise."""
    try:
        extracted = _extract(mail, subjects, tags, domains)
    except (MemoryError, OSError) as error:  # of this machine, not of the mail
        raise TransientError(
            f"reading was not possible now: {type(error).__name__}", code="internal"
        ) from None
    # Requirement 22: MIME and HTML code raises anything; it ends this mail, never the loop.
    except Exception as error:  # noqa: BLE001
        extracted = Refused(Reason.UNREADABLE, type(error).__name__)
    if isinstance(extracted, Refused) and not _speaks(mail.raw, subjects, domains):
        return Ignored()
    return extracted


def _extract(
    mail: Mail, subjects: Sequence[str], tags: Sequence[str], domains: Sequence[str]
) -> Candidate | Ignored | Refused:
    # The gate comes before every parser.
    header = wire.read_header(mail.raw)
    if isinstance(header, Refused):
        return header
    subject = decode_words(header.text("Subject") or "")
    claim = _claim(mail.raw, header, subjects, domains)
    encoded_only = isinstance(claim, Claim) and not _stands(claim, mail.raw, header)
    if claim is None and _is_token_subject(subject, subjects):
        claim = Unclear(Reason.UNKNOWN_LAYOUT, "the subject of a token mail, no username and token")
    if claim is None:
        return Ignored()
    # First the tags: behind one, `Sandbox: ` would be taken for a part of the subject.
    untagged = _without_tags(subject, tags)
    sandbox = untagged.startswith(SANDBOX)
    return Candidate(
        mail,
        header,
        untagged.removeprefix(SANDBOX),
        sandbox,
        parse_date(header.text("Date") or ""),
        claim,
        tagged=untagged != subject,
        encoded_only=encoded_only,
    )


def _without_tags(subject: str, tags: Sequence[str]) -> str:
    """The subject without the tags it begins with, in whatever order they were put there."""
    for _ in range(MAX_TAGS):
        tag = next((tag for tag in tags if _begins_with(subject, tag)), None)
        if tag is None:
            break
        subject = subject.removeprefix(tag).lstrip()
    return subject


def _begins_with(subject: str, tag: str) -> bool:
    """Whether the tag stands there as a whole: `EXT` is none in `Extra`."""
    if not tag or not subject.startswith(tag):
        return False
    behind = subject[len(tag) : len(tag) + 1]
    return not (tag[-1].isalnum() and behind.isalnum())


def _claim(
    raw: bytes, header: Header, subjects: Sequence[str], domains: Sequence[str]
) -> Claim | Unclear | None:
    """The claim that all texts agree on; None where nothing speaks of a token."""
    texts = _texts(raw, header)
    if isinstance(texts, mime.MailText):
        claim = claims.agreed(texts.readings, (*texts.hidden, _early_text(header)))
        if claim is None and _has_token_of(raw, domains, texts.readings):
            return Unclear(Reason.UNKNOWN_LAYOUT, "something like a token, no username before it")
        return claim
    # Most mail of the world has something unexpected, an attachment say. It is nobody's business.
    if _speaks(raw, subjects, domains):
        return Unclear(Reason.UNEXPECTED_PART, texts.saw)
    return None


def _stands(claim: Claim, raw: bytes, header: Header) -> bool:
    """Whether the body makes this claim whether its transfer encoding is undone or not."""
    undecoded = mime.undecoded(_content_fields(header), _body(raw))
    return undecoded is None or claims.stands_in(claim, undecoded)


def _early_text(header: Header) -> str:
    """What a program that ends the header too early shows as text."""
    return header.early_text.decode("utf-8", "replace").replace("\r\n", "\n")


def _texts(raw: bytes, header: Header) -> mime.MailText | mime.Unexpected:
    """The texts that our reader and mail-parser both see."""
    fields = _content_fields(header)
    body = _body(raw)
    texts = mime.read_texts(fields, body)
    if isinstance(texts, mime.MailText) and not mime.same(_parsed(fields, body), texts):
        return mime.Unexpected("parts that two readers see differently")
    return texts


def _body(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


def _content_fields(header: Header) -> list[HeaderField]:
    """The fields that decide about the structure, without those that repeat what is said."""
    fields = []
    names = set()
    for field in header.fields:
        name = field.name.lower()
        if name not in mime.CONTENT_FIELDS or (name in wire.REPEATABLE and name in names):
            continue
        fields.append(field)
        names.add(name)
    return fields


def _parsed(fields: Sequence[HeaderField], body: bytes) -> Message:
    """What mail-parser sees of the structure.

    It is not shown the rest of the header, of which it has no say."""
    # mail-parser is loaded with the first mail (docs/adr/0027): most looks find none.
    import mailparser  # type: ignore[import-untyped]  # it ships no types

    head = b"".join(field.name.encode() + b":" + field.value + b"\r\n" for field in fields)
    message: Message = mailparser.parse_from_bytes(head + b"\r\n" + body).message
    return message


def _speaks(raw: bytes, subjects: Sequence[str], domains: Sequence[str]) -> bool:
    """Whether a mail, read without regard for its structure, claims to carry a token.

    By its text, by a subject wherever one may stand in its header, or by what has the form of a
    token in the mail of a sender from whom token mail comes."""
    if any(claims.find(text) for text in loose.roughly(raw)):
        return True
    if _is_token_subject(decode_words(" ".join(_rough_head(raw).split())), subjects):
        return True
    return _has_token_of(raw, domains)


def _has_token_of(raw: bytes, domains: Sequence[str], readings: Sequence[str] = ()) -> bool:
    """Whether a From names one of the domains, and something in the body has a token's form.

    `readings`: the texts, where they could be read."""
    senders = "\n".join(_FROM.findall(_rough_head(raw).lower()))
    if not any(domain.lower() in senders for domain in domains):
        return False
    return loose.has_token_shape(raw) or any(map(shape.has_token_word, readings))


def _rough_head(raw: bytes) -> str:
    """The header of a mail that may not have passed the gate: any line ends will do."""
    head = re.split(rb"\r?\n\r?\n", raw[: wire.MAX_HEADER_BYTES], maxsplit=1)[0]
    return re.sub(r"\r\n?", "\n", head.decode("utf-8", "replace"))


def _is_token_subject(text: str, subjects: Sequence[str]) -> bool:
    """Whether a known subject stands in a text; forwards and replies have it as a part."""
    return any(known.casefold() in text.casefold() for known in subjects)
