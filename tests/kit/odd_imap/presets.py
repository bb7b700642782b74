"""Quirks by the name of the server that has them, as far as they were measured or reported."""

from __future__ import annotations

from datetime import timedelta

from tests.kit.odd_imap.quirks import BodyKey, Chosen, FromSearch, Limit, Quirks


def presets() -> dict[str, Quirks]:
    """Each is a `Quirks`; `dataclasses.replace` combines it with others.

    Where a server does something to some mails, or for a while, small numbers stand here: the mail
    of UID 2, twice, a mailbox of a handful.
    """
    return _searching() | _fetching() | _numbering() | _others()


def _searching() -> dict[str, Quirks]:
    return {
        "zoho": Quirks(search_from=FromSearch.WHOLE_ADDRESS),
        "exchange-on-premises": Quirks(
            search_from=FromSearch.DISPLAY_NAME,
            charset_refused=True,
            lacks=frozenset({"SPECIAL-USE", "LIST-EXTENDED"}),
            junk_name="Junk Email",
        ),
        "rambler": Quirks(search_from=FromSearch.NOTHING),
        "stalwart-lagging-index": Quirks(index_lag=timedelta(seconds=4)),
        "gnu-imap4d": Quirks(
            star_range_finds_nothing=True,
            idle_tells_nothing=True,
            uidvalidity_new_after_delivery=True,
            continuation_in_bare_lf=True,
            x_uid=True,
            lacks=frozenset({"SPECIAL-USE", "LIST-EXTENDED", "MOVE"}),
        ),
        "mox": Quirks(search_hits_per_line=2),
        "eims": Quirks(
            search_hits_per_line=2,
            no_line_for_no_hits=True,
            lacks=frozenset({"IDLE", "SPECIAL-USE", "LIST-EXTENDED", "MOVE", "ID"}),
        ),
    }


def _fetching() -> dict[str, Quirks]:
    second_twice = Chosen(frozenset({2}), times=2)
    return {
        "gmail-leaves-one-out": Quirks(bodies_left_out=second_twice, headers_left_out=second_twice),
        "icloud-empty-body": Quirks(bodies_void=second_twice),
        "other-body-key": Quirks(body_key=BodyKey.AS_ASKED),
        "hoodiecrow": Quirks(only_first_of_partial=True),
        "dbmail": Quirks(headers_void=Chosen()),
        "gromox": Quirks(internaldate_offset_hours=-5),
        "davmail": Quirks(internaldate_missing=True),
        "greenmail": Quirks(internaldate_noon_as_midnight=True),
        "imap4d-1970": Quirks(internaldate_1970=True),
    }


def _numbering() -> dict[str, Quirks]:
    return {
        "wildduck": Quirks(hidden_looks=1),
        "courier": Quirks(
            uidvalidity_new_until_select=True,
            uidnext_missing=True,
            below_inbox=True,
            lacks=frozenset({"SPECIAL-USE", "LIST-EXTENDED", "MOVE", "ID"}),
        ),
        "mbox": Quirks(uidvalidity_new_after_delivery=True),
        "163": Quirks(uidnext_missing=True, uidnext_missing_in_status=True),
    }


def _others() -> dict[str, Quirks]:
    return {
        "cyrus-special-use-on-request": Quirks(
            special_use_on_request=True, login_disabled_after_login=True
        ),
        "maxperip": Quirks(max_connections=1, over_the_limit=Limit.CLOSED),
    }
