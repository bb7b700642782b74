"""What is to blame: each answer, and what it takes to come to it."""

from __future__ import annotations

import pytest

from token_catcher.errors import Outage
from token_catcher.poison import TRIED_ALONE, Cause, MailKey, Poison

SEALED = Outage("Vault is sealed", code="vault-sealed")
SLOW = Outage("Vault asked to slow down", code="vault-quota")


def key(uid: int, folder: str = "INBOX", uidvalidity: int = 1) -> MailKey:
    return folder, uidvalidity, uid


@pytest.fixture
def poison() -> Poison:
    """A sweep has begun, and nothing is known."""
    poison = Poison()
    poison.begin_sweep()
    return poison


def found_out(poison: Poison, uid: int = 1) -> None:
    """The mail is found to be poison: at its eighth try its neighbour is settled."""
    assert poison.met(key(uid), SEALED, TRIED_ALONE) is Cause.UNCLEAR
    poison.settled(key(uid + 1), answered=True)
    assert key(uid) in poison.messages


# -- outages --


@pytest.mark.parametrize("attempts", [1, 2, 7, 9, 15, 17])
def test_an_outage_ends_the_sweep(poison: Poison, attempts: int) -> None:
    """What is behind would fare no better."""
    assert poison.met(key(1), SEALED, attempts) is Cause.DEPENDENCY
    assert (poison.away, poison.messages) == (SEALED, set())


@pytest.mark.parametrize("attempts", [TRIED_ALONE, 2 * TRIED_ALONE, 9 * TRIED_ALONE])
def test_at_every_eighth_try_the_neighbour_is_asked(poison: Poison, attempts: int) -> None:
    """Until it has answered, nobody knows what is to blame."""
    assert poison.met(key(1), SEALED, attempts) is Cause.UNCLEAR
    assert (poison.away, poison.messages) == (SEALED, set())


def test_a_neighbour_that_is_settled_shows_a_poison_message(poison: Poison) -> None:
    """The dependency is there, and the sweep ends well."""
    found_out(poison)
    assert (poison.away, poison.messages) == (None, {key(1)})


def test_a_neighbour_that_meets_an_outage_too_shows_that_the_dependency_is_away(
    poison: Poison,
) -> None:
    """Whatever the number of its own try."""
    poison.met(key(1), SEALED, TRIED_ALONE)
    assert poison.met(key(2), SLOW, TRIED_ALONE) is Cause.DEPENDENCY
    assert (poison.away, poison.messages) == (SLOW, set())


@pytest.mark.parametrize(
    ("attempts", "neighbours"), [(8, 1), (16, 2), (17, 0), (40, 5), (800, 100)]
)
def test_more_neighbours_are_tried_the_longer_it_takes(
    poison: Poison, attempts: int, neighbours: int
) -> None:
    """However many poison messages there are in a row, mail behind them has its turn."""
    causes = [poison.met(key(1), SEALED, attempts)]
    while causes[-1] is Cause.UNCLEAR:
        causes.append(poison.met(key(1 + len(causes)), SEALED, 1))
    assert causes == [*[Cause.UNCLEAR] * neighbours, Cause.DEPENDENCY]


def test_all_that_met_an_outage_before_the_neighbour_are_poison(poison: Poison) -> None:
    """And so none of them ends the next sweep."""
    poison.met(key(1), SEALED, 2 * TRIED_ALONE)
    poison.met(key(2), SEALED, 3)
    poison.settled(key(3), answered=True)
    assert (poison.away, poison.messages) == (None, {key(1), key(2)})


def test_a_neighbour_that_did_not_ask_the_dependency_shows_nothing(poison: Poison) -> None:
    """No token mail, or a forged one: Vault may be away all the same."""
    poison.met(key(1), SEALED, TRIED_ALONE)
    poison.settled(key(2), answered=False)
    assert (poison.away, poison.messages) == (SEALED, set())
    assert poison.met(key(3), SLOW, 1) is Cause.DEPENDENCY


def test_a_poison_message_ends_no_sweep(poison: Poison) -> None:
    """Nor does it say that anything is away, in this sweep and in later ones."""
    found_out(poison)
    for attempts in (9, 10, 16):
        assert poison.met(key(1), SEALED, attempts) is Cause.MAIL
        poison.begin_sweep()
    assert poison.away is None


def test_a_neighbour_shows_nothing_of_the_sweep_before(poison: Poison) -> None:
    """A dependency may have come back between two sweeps: nobody is blamed for that."""
    poison.met(key(1), SEALED, 3)
    poison.begin_sweep()
    poison.settled(key(2), answered=True)
    assert (poison.away, poison.messages) == (None, set())


def test_a_poison_message_that_is_settled_is_one_no_more(poison: Poison) -> None:
    """Its next outage is taken for one again."""
    found_out(poison)
    poison.settled(key(1), answered=True)
    assert poison.messages == set()


def test_poison_messages_do_not_keep_an_outage_from_being_seen(poison: Poison) -> None:
    """The mail behind one meets it, and the sweep ends."""
    found_out(poison)
    poison.met(key(1), SEALED, 9)
    assert poison.met(key(3), SLOW, 1) is Cause.DEPENDENCY
    assert poison.away is SLOW


# -- FETCH --


def test_all_mails_of_a_fetch_that_failed_are_suspects(poison: Poison) -> None:
    """None is stepped over: it may be any of them, or the server."""
    assert poison.fetch_failed([key(1), key(2)]) is False
    assert poison.suspects == {key(1), key(2)}


def test_a_suspect_that_fails_alone_is_stepped_over(poison: Poison) -> None:
    """And stays a suspect."""
    poison.fetch_failed([key(1), key(2)])
    assert poison.fetch_failed([key(2)]) is True
    assert poison.suspects == {key(1), key(2)}


def test_a_mail_that_fails_alone_for_the_first_time_is_not_stepped_over(poison: Poison) -> None:
    """The first batch of a folder is a single mail:
    that the server was lost there proves nothing."""
    assert poison.fetch_failed([key(1)]) is False


def test_a_suspect_beside_others_is_not_stepped_over(poison: Poison) -> None:
    """The new ones may be the reason."""
    poison.fetch_failed([key(1)])
    assert poison.fetch_failed([key(1), key(2)]) is False


def test_a_mail_that_was_fetched_is_no_suspect_any_more(poison: Poison) -> None:
    """The others stay under suspicion."""
    poison.fetch_failed([key(1), key(2)])
    poison.fetched([key(1)])
    assert poison.suspects == {key(2)}


def test_a_mail_that_was_stepped_over_is_left_out_of_the_next_sessions(poison: Poison) -> None:
    """Until a sweep has gone through all folders without it:
    no two sessions in a row are lost to it."""
    poison.fetch_failed([key(1)])
    assert poison.left_out == []
    poison.fetch_failed([key(1)])
    assert poison.left_out == [key(1)]
    poison.begin_sweep()
    assert poison.left_out == [key(1)]
    poison.complete_sweep()
    assert poison.left_out == []


def test_mails_that_were_stepped_over_have_their_turns_one_by_one(poison: Poison) -> None:
    """So that of two sessions at most one is lost, however many there are."""
    for uid in (2, 1, 2, 1):
        poison.fetch_failed([key(uid)])
    assert poison.left_out == [key(2), key(1)]
    poison.complete_sweep()
    assert poison.left_out == [key(1)]


# -- memory --


def test_what_is_gone_is_forgotten(poison: Poison) -> None:
    """Deleted mail, and mail whose folder was renumbered; other folders keep what they know."""
    for folder in ("INBOX", "Junk"):
        poison.fetch_failed([key(uid, folder) for uid in (1, 2, 3)])
    for uid in (1, 2):
        poison.fetch_failed([key(uid)])
    found_out(poison, 1)
    found_out(poison, 3)
    poison.forget_gone("INBOX", {key(2), key(3)})
    junk = {key(uid, "Junk") for uid in (1, 2, 3)}
    assert poison.left_out == [key(2)]
    assert (poison.suspects, poison.messages) == ({key(2), key(3)} | junk, {key(3)})
    poison.forget_gone("INBOX", {key(3, uidvalidity=2)})
    assert (poison.suspects, poison.messages) == (junk, set())
