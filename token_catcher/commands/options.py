"""What can be typed after the name of a command: every option, its form, its help."""

from __future__ import annotations

import re
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlsplit

import typer
from typer.core import TyperCommand

from token_catcher import __version__, config, oauth
from token_catcher.clock import utc_now
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.vault_setup import PolicyKind
from token_catcher.record import Head

_HEAD: Final = re.compile("([0-9]{1,15}):([0-9a-f]{64})")


def _duration(text: str) -> timedelta:
    try:
        return config.duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _moment(text: str) -> datetime:
    """A time, UTC where it names no zone, or a duration that is counted back from now."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    with suppress(ValueError):
        return utc_now() - config.duration(text)
    raise typer.BadParameter(
        f"got {text!r}, expected a time (2026-02-03T12:00:00Z)"
        " or a duration back from now (14d, 2h)"
    )


def _window(text: str) -> timedelta:
    """How far back from now; typed as that, or as the time where it begins."""
    return max(timedelta(), utc_now() - _moment(text))


def _head(text: str) -> Head:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"got {text!r}, expected SEQ:HASH, as `audit verify` prints it")
    return Head(int(match[1]), match[2])


def _authorize_url(text: str) -> str:
    """Its query stays, and must leave room for ours: no parameter may stand there twice."""
    try:
        url = config.authorize_url(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    names = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    ours = sorted(names & oauth.SIGN_IN_PARAMETERS)
    if ours:
        raise typer.BadParameter(
            f"got {', '.join(ours)} in its query, expected an address without: the program adds"
            " them itself"
        )
    return url


def _show_version(asked: bool) -> None:
    if asked:
        output.write([f"{__version__}\n"])
        raise typer.Exit(ExitCode.DONE)


def _option(name: str, meaning: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(name, help=meaning, metavar=metavar, **more)


# Each option as its command takes it; all are None or False where they are left out.
ConfigFile = Annotated[
    str | None,
    _option(
        "--config",
        "Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml, /etc/token-catcher/config.yaml.",
        "FILE",
    ),
]


class Command(TyperCommand):
    """A command that takes `--config` behind its name as well, where most people type it."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own options, and the one of the program."""
        common = next(
            option for option in ctx.find_root().command.params if "--config" in option.opts
        )
        behind = copy(common)
        behind.expose_value = False
        behind.callback = _take_config
        return [*super().get_params(ctx), behind]


def _take_config(context: Any, _option: Any, file: str | None) -> None:
    """The name behind the command is the nearer one."""
    if file is not None:
        context.obj.file = file


Version = Annotated[
    bool,
    _option("--version", "Print the version and end.", callback=_show_version, is_eager=True),
]
AsJson = Annotated[bool, _option("--json", "One JSON object a line, for machines.")]

Mailboxes = Annotated[
    list[str] | None, _option("--mailbox", "Only this mailbox; may be repeated.", "NAME")
]
Wait = Annotated[
    timedelta | None,
    _option("--wait", "Stay until a token issued since now is in Vault.", "10m", parser=_duration),
]
WaitUser = Annotated[
    str | None, _option("--user", "With --wait: a token of this username.", "U", parser=str.lower)
]
Window = Annotated[
    timedelta | None,
    _option(
        "--since",
        "Window of --again and --dry-run; a first look it can only widen. ISO 8601, or 14d.",
        "T",
        parser=_window,
    ),
]
Again = Annotated[
    bool, _option("--again", "Look once more at settled mail of the look-back window.")
]
Dry = Annotated[bool, _option("--dry-run", "Judge, but write nothing at all.")]

MailFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE", help="Mail files, mbox files, Maildir folders, - for standard input."
    ),
]
ReceivedAt = Annotated[
    datetime | None,
    _option("--received-at", "When it arrived; default: its Date.", "TIME", parser=_moment),
]
OwnMailbox = Annotated[
    str | None, _option("--mailbox", "Whose addresses; may be left out if only one.", "NAME")
]

CheckedMailbox = Annotated[
    str | None, _option("--mailbox", "Only this mailbox, of those there are.", "NAME")
]
WriteTest = Annotated[
    bool, _option("--write-test", "Also write a secret beside those of users, and remove it.")
]

NewConfig = Annotated[str | None, _option("--output", "Where the configuration is to be.", "FILE")]
Address = Annotated[str | None, _option("--address", "That Salesforce writes to.", "ADDRESS")]
ImapHost = Annotated[str | None, _option("--host", "The IMAP server.", "HOST")]
ImapTls = Annotated[str | None, _option("--tls", "implicit, starttls or none.", "TLS")]
ImapPort = Annotated[int | None, _option("--port", "Of the IMAP server.", "PORT")]
ImapAuthorities = Annotated[
    str | None, _option("--ca-file", "Its authorities, if not the system's.", "FILE")
]
ImapUsername = Annotated[str | None, _option("--username", "The login name there.", "NAME")]
ImapPassword = Annotated[
    str | None, _option("--password", "Where the password is: a file, or env:NAME.", "PLACE")
]
OAuth2Section = Annotated[
    str | None, _option("--oauth2", "In its place, the section `oauth2`.", "YAML")
]
NewOrg = Annotated[str | None, _option("--org", "A name for the Salesforce org.", "NAME")]
OrgUsers = Annotated[
    list[str] | None, _option("--user", "A username, or a pattern; may be repeated.", "U")
]
OrgEnvironment = Annotated[
    str | None, _option("--environment", "production or sandbox.", "ENVIRONMENT")
]
OrgIdOption = Annotated[str | None, _option("--org-id", "Its organization id.", "00D")]
OrgMaxAge = Annotated[
    str | None, _option("--max-age", "Tokens of this age are told as overdue, 90d.", "AGE")
]
VaultAddress = Annotated[str | None, _option("--vault", "The address of Vault.", "URL")]
VaultAuthorities = Annotated[
    str | None, _option("--vault-ca", "Its authorities, if not the system's.", "FILE")
]
VaultAuthSection = Annotated[
    str | None, _option("--vault-auth", "In place of an AppRole, the section `auth`.", "YAML")
]
RoleId = Annotated[str | None, _option("--role-id", "Of the AppRole.", "ID")]
SecretId = Annotated[
    str | None, _option("--secret-id", "Where the secret_id is: a file, or env:NAME.", "PLACE")
]
VaultMount = Annotated[str | None, _option("--mount", "Of the KV engine.", "PATH")]
VaultSetUp = Annotated[
    PolicyKind | None,
    _option(
        "--vault-setup",
        "Only print the script that makes policy and AppRole in Vault: for the program (kv2, kv1;"
        " anchor: with journal.anchor, as kv2 does where the configuration has that), for an"
        " integration that reads, or for who audits.",
        "kv2|kv1|anchor|reader|auditor",
    ),
]
StateDir = Annotated[str | None, _option("--state-dir", "For files of our own.", "DIRECTORY")]
Unasked = Annotated[bool, _option("--yes", "Ask nothing: flags, or the usual answers.")]
Force = Annotated[bool, _option("--force", "Replace a configuration that is there.")]

SignInMailbox = Annotated[str, _option("--mailbox", "For which one.", "NAME")]
AuthorizeUrl = Annotated[
    str | None,
    _option(
        "--authorize-url",
        "Where people sign in; for provider custom.",
        "URL",
        parser=_authorize_url,
    ),
]

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|-", help="Journals or collected logs, packed or not; - reads standard input."
    ),
]
Org = Annotated[str | None, _option("--org", "Only this org.", "O")]
User = Annotated[str | None, _option("--user", "Only this username.", "U")]
EventName = Annotated[
    str | None,
    _option("--event", "stored, unchanged, held, refused, verified or unverified.", "E"),
]
From = Annotated[
    datetime | None,
    _option("--since", "From this time on: ISO 8601, or 14d.", "T", parser=_moment),
]
IssuedSince = Annotated[
    datetime | None,
    _option("--issued-since", "Only tokens issued from this time on.", "T", parser=_moment),
]
Until = Annotated[datetime | None, _option("--until", "Up to this time.", "T", parser=_moment)]
AsCsv = Annotated[bool, _option("--csv", "Comma-separated values, with a header line.")]
Wide = Annotated[
    bool, _option("--wide", "All columns, every name whole: wider than 80 characters.")
]
Html = Annotated[Path | None, _option("--html", "A page to read or print, into FILE.", "FILE")]

MailIds = Annotated[
    list[str], typer.Argument(metavar="ID", help="Held mails, as `held` names them.")
]
ReleaseReason = Annotated[
    str | None, _option("--reason", "Why, for the record; never a token.", "TEXT")
]

JournalFiles = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE", help="Files of one journal, .gz too; default: all of the configured one."
    ),
]
KnownHead = Annotated[
    Head | None,
    _option(
        "--head",
        "A head that was kept elsewhere: the journal must hold it.",
        "SEQ:HASH",
        parser=_head,
    ),
]
VaultLogs = Annotated[
    list[str] | None,
    _option(
        "--vault-log",
        "Vault's audit log, .gz too: says who wrote. Again for each file.",
        "FILE",
    ),
]
JournalKey = Annotated[
    Path | None,
    _option(
        "--key",
        "The journal's keys, one a line; default: journal.key, where no FILE is given.",
        "FILE",
    ),
]
Keep = Annotated[bool, _option("--keep", "Leave the servers up and say how to look around.")]
