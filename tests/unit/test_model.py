"""The values that flow:
a secret shows itself nowhere, a record cannot be changed, and token-like text is masked."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_catcher import model
from token_catcher.model import (
    MASK,
    Claim,
    Event,
    Evidence,
    Header,
    HeaderField,
    Judgement,
    Mail,
    MailRef,
    Reason,
    Refused,
    Secret,
    Token,
    iso,
    masked,
    moment,
    printable,
)

TEXT = "FAKE5tokenNOTreal2xyzQ99a"
SHOWN = {Secret: "<secret>", Token: "<token of 25 characters, sha256:4b91169c8a325708>"}
VALUES = [Secret(TEXT), Token(TEXT)]


@dataclass(frozen=True)
class Holder:
    """What has a secret inside."""

    name: str
    secret: Secret


# -- secrets --


@pytest.mark.parametrize("secret", VALUES, ids=lambda secret: type(secret).__name__)
@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r}",
        lambda secret: f"{secret:>80}",
        lambda secret: "{:s}".format(secret),  # noqa: UP032 - the form under test
        lambda secret: "%s" % secret,  # noqa: UP031 - the form under test
        lambda secret: "%r" % secret,  # noqa: UP031 - the form under test
        lambda secret: json.loads(json.dumps(secret, default=str)),
        lambda secret: logging.makeLogRecord({"msg": "%s", "args": (secret,)}).getMessage(),
        lambda secret: str(ValueError(secret)),
    ],
)
def test_a_secret_shows_a_placeholder(secret: Secret, show: Callable[[Secret], str]) -> None:
    """However it is turned into text, and whatever width or precision is asked for."""
    assert show(secret) == SHOWN[type(secret)]


@pytest.mark.parametrize("secret", VALUES, ids=lambda secret: type(secret).__name__)
@pytest.mark.parametrize(
    "show",
    [
        lambda secret: repr([secret, (secret,), {secret: secret}, {secret}]),
        lambda secret: repr(Holder("a", secret)),
        lambda secret: repr(asdict(Holder("a", secret))),
        lambda secret: pprint.pformat(Holder("a", secret)),
        lambda secret: f"{secret=}",
        lambda secret: repr(Claim("user", secret)),
        lambda secret: repr(dir(secret)) + str(type(secret).__doc__),
    ],
)
def test_a_secret_inside_something_shows_a_placeholder(
    secret: Secret, show: Callable[[Secret], str]
) -> None:
    """Containers and dataclasses ask for its `repr`."""
    assert TEXT not in show(secret)


@pytest.mark.parametrize("secret", VALUES, ids=lambda secret: type(secret).__name__)
@pytest.mark.parametrize(
    "use",
    [
        json.dumps,
        lambda secret: json.dumps({"secret": secret}),
        lambda secret: json.dumps({secret: 1}),
        *[
            lambda secret, number=number: pickle.dumps(secret, number)
            for number in range(pickle.HIGHEST_PROTOCOL + 1)
        ],
        lambda secret: pickle.dumps(Holder("a", secret)),
        vars,
        bytes,
        list,
        lambda secret: secret[0],
        lambda secret: secret + "",
        lambda secret: "" + secret,
        lambda secret: "".join([secret]),
        lambda secret: "F" in secret,
    ],
)
def test_a_secret_is_no_text(secret: Secret, use: Callable[[Secret], object]) -> None:
    """What would take the text out of it raises, and the error does not show the text either."""
    with pytest.raises(TypeError) as caught:
        use(secret)
    assert TEXT not in "".join(traceback.format_exception(caught.value))


def test_a_traceback_with_its_variables_shows_no_secret() -> None:
    """As tools for crash reports print them."""

    def fail(token: Token, holder: Holder, several: list[Secret]) -> None:
        raise RuntimeError("told", token, holder, several)

    try:
        fail(Token(TEXT), Holder("a", Secret(TEXT)), [Secret(TEXT)])
    except RuntimeError as error:
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert SHOWN[Token] in shown
    assert TEXT not in shown


@pytest.mark.parametrize("secret", VALUES, ids=lambda secret: type(secret).__name__)
def test_a_copy_of_a_secret_is_the_secret(secret: Secret) -> None:
    """No second place in memory holds the text."""
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"held": [secret]})["held"][0] is secret
    assert asdict(Holder("a", secret))["secret"] is secret


def test_secrets_are_compared_by_their_text() -> None:
    """Equal ones have equal hashes; a text is never equal to a secret."""
    assert (
        Secret("a") == Secret("a"),
        Secret("a") == Secret("b"),
        Secret("a") == Secret("aa"),
    ) == (True, False, False)
    assert len({Secret("a"), Secret("a"), Secret("é")}) == 2
    assert Secret("a") != "a"
    assert hash(Secret("a")) != hash("a")


def test_only_reveal_gives_the_text() -> None:
    """And its length is no secret; an empty one is false."""
    assert (Token(TEXT).reveal(), len(Token(TEXT)), bool(Secret(""))) == (TEXT, 25, False)


def test_a_fingerprint_tells_tokens_apart() -> None:
    """The first 16 digits of the SHA-256: computed elsewhere with `printf TOKEN | sha256sum`."""
    assert Token(TEXT).fingerprint == "sha256:4b91169c8a325708"
    assert Token(TEXT.swapcase()).fingerprint != Token(TEXT).fingerprint


# -- the mask --


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, MASK),
        (f"Subject: {TEXT}, see there", f"Subject: {MASK}, see there"),
        (f"<{TEXT}>={TEXT}", f"<{MASK}>={MASK}"),
        ("Aa345678901234567890", MASK),
        ("Aa345678901234567890123456789012", MASK),
        ("hvs.CAESIJ0rZ-made_up-1234", MASK),
        ("X-Vault-Token: hvb.AAAAAQJnot-real-5678", f"X-Vault-Token: {MASK}"),
        ("s.aaaabbbbccccdddd", MASK),
        ("s.Xu7yE2FAKEnotRealAbcdefg", MASK),
        ("token=b.AAAAAQfakefakefakefake", f"token={MASK}"),
    ],
)
def test_what_looks_like_a_token_is_masked(text: str, expected: str) -> None:
    """A security token of 20 to 32 characters, a token of Vault or OpenBao, wherever it stands."""
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "integration.user.for.everything@acme.example",
        "averylongusernameofonewordonly@acme.example",
        "ANUPPERCASENAMEOFTWENTYFIVE",
        "Your new Salesforce security token",
        "sha256:4b91169c8a325708",
        "0123456789abcdef0123456789abcdef",
        "5f2b6f1e-8a0c-4f2a-8f3a-7d1f1c1a2b3c",
        "2026-02-03T12:57:28.123456789Z",
        "Aa34567890123456789",
        "Aa3456789012345678901234567890123",
        "the host names.are-long.example",
        "integrations.abcdefghijklmnopqrst",
        "",
    ],
)
def test_what_people_need_to_read_is_not_masked(text: str) -> None:
    """Names in one case, digests, identifiers, times, and what is too short or too long."""
    assert masked(text) == text


LETTERS = "abcdefghijklmnopqrstuvwxyz"
RUNS = st.text(LETTERS + LETTERS.upper() + "0123456789", min_size=20, max_size=32).filter(
    lambda text: (
        any(letter.islower() for letter in text) and any(letter.isupper() for letter in text)
    )
)


@given(
    before=st.sampled_from(["", " ", "<", "\n", "=", "é", "_"]),
    run=RUNS,
    after=st.sampled_from(["", " ", ">", "\r", "-"]),
)
def test_no_token_passes_the_mask(before: str, run: str, after: str) -> None:
    """Whatever letters it has, as long as both cases are among them,
    and whatever stands around it."""
    assert masked(before + run + after) == before + MASK + after


# -- the other values --


def test_every_value_is_frozen_and_slotted() -> None:
    """Nobody changes a value that another module has seen, or hangs something on it."""
    values = [value for value in vars(model).values() if is_dataclass(value)]
    assert len(values) > 10
    for value in values:
        assert vars(value)["__dataclass_params__"].frozen, value
        assert "__slots__" in vars(value), value
    reference = MailRef("integrations", "INBOX", 1, 2)
    with pytest.raises(FrozenInstanceError):
        reference.uid = 3  # type: ignore[misc]


def test_times_are_written_in_utc() -> None:
    """With `Z`, and with microseconds where they are not zero."""
    moment = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
    assert iso(moment) == "2026-02-03T12:57:27Z"
    assert iso(moment.astimezone(timezone(timedelta(hours=9)))) == "2026-02-03T12:57:27Z"
    assert iso(moment.replace(microsecond=120)) == "2026-02-03T12:57:27.000120Z"
    assert datetime.fromisoformat(iso(moment)) == moment


def test_a_mail_shows_no_bytes_and_is_known_by_its_digest() -> None:
    """The digest is over the bytes alone, so it is the same in another folder."""
    moment = datetime(2026, 2, 3, tzinfo=UTC)
    mail = Mail(MailRef("integrations", "INBOX", 1, 2), moment, TEXT.encode())
    assert TEXT not in repr(mail)
    assert mail.digest == "sha256:4b91169c8a32570875ec07d14419c41d4c1b0955fd51726c7f9cce0c2714433c"
    assert dataclasses.replace(mail, ref=MailRef("other", "Junk", 7, 9)).digest == mail.digest


def test_header_fields_are_found_in_any_case() -> None:
    """Topmost first; the text of the topmost one is unfolded and stripped."""
    header = Header(
        (
            HeaderField("To", b" a@b.example"),
            HeaderField("X-A", b" one\r\n\t two "),
            HeaderField("x-a", b" three"),
        )
    )
    assert header.all("X-a") == header.fields[1:]
    assert (header.text("x-A"), header.text("to"), header.text("cc")) == (
        "one two",
        "a@b.example",
        None,
    )


def test_a_judgement_is_read_rule_by_rule() -> None:
    """Iterating over it gives the evidence."""
    evidence = (
        Evidence("wire", True, "clean", "clean"),
        Evidence("proof", False, "nothing", "a signature"),
    )
    assert tuple(Judgement(Refused(Reason.UNSIGNED), evidence)) == evidence


def test_reasons_are_codes() -> None:
    """Lower case and hyphens, each its own: journal, logs and metrics carry them."""
    assert {str(reason) for reason in Reason} == {
        reason.name.lower().replace("_", "-") for reason in Reason
    }


def test_no_record_has_room_for_a_token() -> None:
    """Of the token an entry knows the length and the fingerprint."""
    names = {field.name for field in fields(model.Entry)}
    assert {name for name in names if "token" in name or "secret" in name} == {"token_length"}


@given(st.datetimes(timezones=st.timezones(), allow_imaginary=False))
def test_a_time_that_was_written_is_read_again(time: datetime) -> None:
    """`moment` is the inverse of `iso`, to the microsecond, whatever the zone was."""
    if 1 < time.year < 9999:  # in UTC, the first and the last day may be in another year
        assert moment(iso(time)) == time.astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-03T12:57:27Z", datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)),
        ("2026-02-03T13:57:27+01:00", datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)),
        ("2026-02-03T12:57:27.123456789Z", datetime(2026, 2, 3, 12, 57, 27, 123456, tzinfo=UTC)),
    ],
)
def test_a_time_as_others_write_it(text: str, expected: datetime) -> None:
    """Other zones, and Vault's nanoseconds, which are cut; it comes out in UTC."""
    assert (moment(text), moment(text).tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-03", "2026-02-03T12:57:27", "1770123447"]
)
def test_what_is_no_time(text: str) -> None:
    """Also a time without a zone, which could not be compared."""
    with pytest.raises(ValueError, match=r"zone|isoformat"):
        moment(text)


def test_events_are_codes() -> None:
    """Each is its outcome behind `rotation.`: journal, logs and results carry them."""
    assert {event.value: event.outcome for event in Event} == {
        "rotation.stored": "stored",
        "rotation.unchanged": "unchanged",
        "rotation.held": "held",
        "rotation.refused": "refused",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Entwürfe/迷惑メール", "Entwürfe/迷惑メール"),
        ("\x1b[2J\x07\x9b", r"\x1b[2J\x07\x9b"),
        ("a\r\nb\tc\u2028d", r"a\r\nb\tc\u2028d"),
        ("user\u202egnp.exe\u200b", r"user\u202egnp.exe\u200b"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
        ("", ""),
    ],
    ids=["letters", "escapes", "line ends", "directions", "halves and tags", "nothing"],
)
def test_printable_text(text: str, expected: str) -> None:
    """Letters of all languages stay; what acts on a terminal, or is not to be seen, is escaped."""
    assert printable(text) == expected
    assert expected.isprintable()
