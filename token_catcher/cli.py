"""The command line: parse, build, call, exit code.

Results go to standard output, logs to standard error. What a command does is in its module of
`commands`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import typer

from token_catcher import commands, config, daemon_line, log, process, record
from token_catcher.clock import utc_now
from token_catcher.commands import options, output
from token_catcher.commands.examples import epilog
from token_catcher.journal_keys import keyring_of
from token_catcher.settings import Settings

app = typer.Typer(
    name="token-catcher",
    help="Moves Salesforce security tokens from the mail that announces them into HashiCorp Vault"
    " or OpenBao.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
audit_app = typer.Typer(
    help="The journal: is it intact, and true; closing its file.",
    no_args_is_help=True,
)
config_app = typer.Typer(
    help="The configuration: an example, its schema, what is in effect.", no_args_is_help=True
)
notify_app = typer.Typer(help="Telling others what happens.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
app.add_typer(notify_app, name="notify")
app.add_typer(config_app, name="config")


@app.callback()
def _settings(
    context: typer.Context, file: options.ConfigFile = None, _version: options.Version = False
) -> None:
    context.obj = Settings(file)
    # Once more: typer has put a hook of its own before ours, which shows a bug with foreign text.
    log.setup("warning", "auto")


@app.command("run", cls=options.Command, epilog=epilog("run"))
def run_command(context: typer.Context) -> None:
    """Run the daemon, in the foreground."""
    daemon_line.run(context.obj)


@app.command("scan", cls=options.Command, epilog=epilog("scan"))
def scan_command(
    context: typer.Context,
    mailbox: options.Mailboxes = None,
    wait: options.Wait = None,
    user: options.WaitUser = None,
    since: options.Window = None,
    again: options.Again = False,
    dry: options.Dry = False,
    as_json: options.AsJson = False,
) -> None:
    """Sweep once, now. Safe beside a running daemon."""
    if user is not None and wait is None:
        raise typer.BadParameter("--user goes with --wait")
    if dry and wait is not None:
        raise typer.BadParameter("--dry-run writes nothing, so there is nothing to --wait for")
    person = commands.release.account(
        os.environ, os.getuid()
    )  # who root works as is nobody to tell of
    built = context.obj.build(writing=not dry)
    built.asked_by = f"scan:{person}"
    names = mailbox or ()
    if dry:
        code = commands.dry_run.run(built, names, since=since, as_json=as_json)
    elif wait is not None:
        code = commands.waiting.run(
            built, names, wait, user=user, again=again, since=since, as_json=as_json
        )
    else:
        code = commands.scan.run(built, names, again=again, since=since, as_json=as_json)
    raise typer.Exit(code)


@app.command("explain", cls=options.Command, epilog=epilog("explain"))
def explain_command(
    context: typer.Context,
    files: options.MailFiles,
    received_at: options.ReceivedAt = None,
    mailbox: options.OwnMailbox = None,
    as_json: options.AsJson = False,
) -> None:
    """Judge mail from files and say why. Touches neither mailbox nor Vault."""
    built = context.obj.build(writing=False, secrets=False)
    code = commands.explain.run(
        built, files, received_at=received_at, mailbox=mailbox, as_json=as_json
    )
    raise typer.Exit(code)


@app.command("history", cls=options.Command, epilog=epilog("history"))
def history_command(
    context: typer.Context,
    files: options.Sources = None,
    org: options.Org = None,
    user: options.User = None,
    event: options.EventName = None,
    since: options.From = None,
    until: options.Until = None,
    issued_since: options.IssuedSince = None,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    html: options.Html = None,
    wide: options.Wide = False,
) -> None:
    """Show the rotation history. From the journal, or from any collected logs. The word schema in
    place of files prints the JSON Schema of a record."""
    if sum((as_json, as_csv, html is not None)) > 1:
        raise typer.BadParameter("choose one of --json, --csv and --html")
    if wide and (as_json or as_csv or html is not None):
        raise typer.BadParameter("--wide is for the table: leave out --json, --csv and --html")
    if files == [commands.history.SCHEMA]:
        output.write([json.dumps(record.record_schema(), indent=2), "\n"])
        return
    query = commands.rotation.Query(org, user, event, since, until, issued_since)
    if files:
        code = commands.history.run(
            files, query, now=utc_now(), as_json=as_json, as_csv=as_csv, html=html, wide=wide
        )
    else:
        journal = context.obj.load(secrets=False).journal_file
        code = commands.history.run_recorded(
            journal, query, now=utc_now(), as_json=as_json, as_csv=as_csv, html=html, wide=wide
        )
    raise typer.Exit(code)


@app.command("held", cls=options.Command, epilog=epilog("held"))
def held_command(context: typer.Context, as_json: options.AsJson = False) -> None:
    """Show the held mails that wait for a person. From the journal alone."""
    code = commands.held.run(context.obj.build(writing=False, secrets=False), as_json=as_json)
    raise typer.Exit(code)


@app.command("release", cls=options.Command, epilog=epilog("release"))
def release_command(
    context: typer.Context, ids: options.MailIds, reason: options.ReleaseReason = None
) -> None:
    """Take held mails for good. Each is judged again: sender, recipient, arrival and subject are
    waived, and nothing else is. Safe beside a running daemon."""
    person = commands.release.release_by(os.environ, os.getuid(), reason)
    raise typer.Exit(commands.release.run(context.obj.build(writing=True), ids, person))


@app.command("status", cls=options.Command, epilog=epilog("status"))
def status_command(context: typer.Context, as_json: options.AsJson = False) -> None:
    """Show how every user's token stands, and what needs a person. Also each mailbox, Vault and the
    journal; needs no daemon."""
    context.obj.work_as_owner()
    built = context.obj.build(writing=False, secrets=False)
    raise typer.Exit(commands.status.run(built, in_json=as_json))


@app.command("check", cls=options.Command, epilog=epilog("check"))
def check_command(
    context: typer.Context,
    mailbox: options.CheckedMailbox = None,
    write_test: options.WriteTest = False,
    as_json: options.AsJson = False,
) -> None:
    """Say what will not work, step by step, and what to do about it. Changes nothing."""
    settings = context.obj
    code = commands.check.run(
        settings.find, settings.build_quiet, mailbox, write_test=write_test, as_json=as_json
    )
    raise typer.Exit(code)


@app.command("init", cls=options.Command, epilog=epilog("init"))
def init_command(
    context: typer.Context,
    file: options.NewConfig = None,
    address: options.Address = None,
    host: options.ImapHost = None,
    tls: options.ImapTls = None,
    port: options.ImapPort = None,
    ca_file: options.ImapAuthorities = None,
    username: options.ImapUsername = None,
    password: options.ImapPassword = None,
    oauth2: options.OAuth2Section = None,
    org: options.NewOrg = None,
    user: options.OrgUsers = None,
    environment: options.OrgEnvironment = None,
    org_id: options.OrgIdOption = None,
    max_age: options.OrgMaxAge = None,
    vault: options.VaultAddress = None,
    vault_ca: options.VaultAuthorities = None,
    vault_auth: options.VaultAuthSection = None,
    role_id: options.RoleId = None,
    secret_id: options.SecretId = None,
    mount: options.VaultMount = None,
    state_dir: options.StateDir = None,
    set_up: options.VaultSetUp = None,
    yes: options.Unasked = False,
    force: options.Force = False,
) -> None:
    """Write a configuration by asking little. Each answer is tried; flags answer before they are
    asked; secrets are named by their place."""
    if set_up is not None:
        settings = context.obj
        kind = commands.vault_setup.as_configured(set_up, settings.find, settings.load_alone)
        output.write([commands.vault_setup.vault_setup(kind, mount)])
        return
    flags = commands.init.Flags(
        address=address,
        host=host,
        tls=tls,
        port=port,
        ca_file=ca_file,
        username=username,
        password=password,
        oauth2=oauth2,
        org=org,
        users=tuple(user or ()),
        environment=environment,
        org_id=org_id,
        max_age=max_age,
        vault=vault,
        vault_ca=vault_ca,
        vault_auth=vault_auth,
        role_id=role_id,
        secret_id=secret_id,
        mount=mount,
        state_dir=state_dir,
    )
    path = Path(file or context.obj.file or config.PLACES[0])
    asker = commands.questions.Asker(is_interactive=sys.stdin.isatty() and not yes)
    commands.init.Init(path, flags, asker, os.environ, log.setup("error", "auto")).run(force=force)
    made = Settings(str(path))
    raise typer.Exit(
        commands.check.run(made.find, made.build_quiet, None, write_test=False, as_json=False)
    )


@app.command("login", cls=options.Command, epilog=epilog("login"))
def login_command(
    context: typer.Context,
    mailbox: options.SignInMailbox,
    authorize_url: options.AuthorizeUrl = None,
) -> None:
    """Sign in once for a mailbox, in a browser. For access tokens that a person gives (OAuth 2):
    the refresh token goes to its file."""
    context.obj.work_as_owner()
    built = context.obj.build(writing=True, secrets=False)
    commands.login.run(built, mailbox, authorize_url)


@audit_app.command("verify", cls=options.Command, epilog=epilog("audit verify"))
def audit_verify_command(
    context: typer.Context,
    files: options.JournalFiles = None,
    head: options.KnownHead = None,
    key: options.JournalKey = None,
    as_json: options.AsJson = False,
) -> None:
    """Say whether the journal is intact, broken or truncated. Names the file and the line, and
    prints the head, to be kept elsewhere."""
    source = None
    if key is not None:
        source = commands.audit.key_file(key)
    anchor = None
    if not files:
        loaded = context.obj.load(secrets=False)
        files = [loaded.journal_file]
        source = source or loaded.journal.key
        if loaded.journal.anchor:
            anchor = commands.audit.look_at_anchor(context.obj.build_quiet())
    code = commands.audit.run_verify(
        files, head, keyring_of(source), anchor=anchor, as_json=as_json
    )
    raise typer.Exit(code)


@audit_app.command("reconcile", cls=options.Command, epilog=epilog("audit reconcile"))
def audit_reconcile_command(
    context: typer.Context,
    vault_log: options.VaultLogs = None,
    as_json: options.AsJson = False,
) -> None:
    """Say whether the journal agrees with Vault. Each secret's records are held against its
    versions; with Vault's audit log, each write has its login and address. Changes nothing."""
    built = context.obj.build(writing=False)
    raise typer.Exit(commands.reconcile.run(built, vault_log or (), as_json=as_json))


@audit_app.command("archive", cls=options.Command, epilog=epilog("audit archive"))
def audit_archive_command(context: typer.Context) -> None:
    """Close the journal's file and go on in a new one. Safe beside a running daemon."""
    commands.audit.run_archive(context.obj.build(writing=True))


@notify_app.command("test", cls=options.Command, epilog=epilog("notify test"))
def notify_test_command(context: typer.Context, as_json: options.AsJson = False) -> None:
    """Send a test event to every receiver. Says of each how it went."""
    built = context.obj.build(writing=False)
    raise typer.Exit(commands.notify.run_test(built, as_json=as_json))


@config_app.command("example", cls=options.Command, epilog=epilog("config example"))
def config_example_command() -> None:
    """Print the commented example."""
    output.write([config.example()])


@config_app.command("schema", cls=options.Command, epilog=epilog("config schema"))
def config_schema_command() -> None:
    """Print the JSON Schema, for editors."""
    output.write([json.dumps(config.json_schema(), indent=2), "\n"])


@config_app.command("show", cls=options.Command, epilog=epilog("config show"))
def config_show_command(context: typer.Context) -> None:
    """Print the configuration in effect. With every default,
    and of secrets only where they come from."""
    output.write([config.show(context.obj.load(secrets=False))])


@app.command("demo", cls=options.Command, epilog=epilog("demo"))
def demo_command(keep: options.Keep = False) -> None:
    """Play the whole thing on embedded servers. Resets, a token in the spam folder,
    a forgery, an old mail; then history."""
    commands.demo.run(keep=keep)


def main() -> None:
    """Understand the command line, and do what it says."""
    process.main(app)
