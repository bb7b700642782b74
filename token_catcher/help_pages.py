"""What `--help` prints, by the words before it. Made by docs/help.py: `make pages`.

Of texts that never change, the program needs no typer, which takes three times as long to load as
Python itself. A terminal of less than 80 columns has them wrapped, by typer.
"""

PAGES = {
    "": """\
Usage: token-catcher [OPTIONS] COMMAND [ARGS]...

  Moves Salesforce security tokens from the mail that announces them into
  HashiCorp Vault or OpenBao.

Options:
  --config FILE         Configuration; else TOKEN_CATCHER_CONFIG,
                        ./config.yaml, /etc/token-catcher/config.yaml.
  --version             Print the version and end.
  --install-completion  Install completion for the current shell.
  --show-completion     Show completion for the current shell, to copy it or
                        customize the installation.
  -h, --help            Show this message and exit.

Commands:
  run      Run the daemon, in the foreground.
  scan     Sweep once, now.
  explain  Judge mail from files and say why.
  history  Show the rotation history.
  held     Show the held mails that wait for a person.
  release  Take held mails for good.
  status   Show how every user's token stands, and what needs a person.
  check    Say what will not work, step by step, and what to do about it.
  init     Write a configuration by asking little.
  login    Sign in once for a mailbox, in a browser.
  demo     Play the whole thing on embedded servers.
  audit    The journal: is it intact, and true; closing its file.
  notify   Telling others what happens.
  config   The configuration: an example, its schema, what is in effect.
""",
    "run": """\
Usage: token-catcher run [OPTIONS]

  Run the daemon, in the foreground.

Options:
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher run --config config.yaml
""",
    "scan": """\
Usage: token-catcher scan [OPTIONS]

  Sweep once, now. Safe beside a running daemon.

Options:
  --mailbox NAME  Only this mailbox; may be repeated.
  --wait 10m      Stay until a token issued since now is in Vault.
  --user U        With --wait: a token of this username.
  --since T       Window of --again and --dry-run; a first look it can only
                  widen. ISO 8601, or 14d.
  --again         Look once more at settled mail of the look-back window.
  --dry-run       Judge, but write nothing at all.
  --json          One JSON object a line, for machines.
  -h, --help      Show this message and exit.
  --config FILE   Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                  /etc/token-catcher/config.yaml.

  Examples:
    token-catcher scan
    token-catcher scan --wait 10m --user integration@acme.example
    token-catcher scan --dry-run --since 30d
""",
    "explain": """\
Usage: token-catcher explain [OPTIONS] {FILE}...

  Judge mail from files and say why. Touches neither mailbox nor Vault.

Arguments:
  FILE <list[str]>  Mail files, mbox files, Maildir folders, - for standard
                    input.  [required]

Options:
  --received-at TIME  When it arrived; default: its Date.
  --mailbox NAME      Whose addresses; may be left out if only one.
  --json              One JSON object a line, for machines.
  -h, --help          Show this message and exit.
  --config FILE       Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                      /etc/token-catcher/config.yaml.

  Examples:
    token-catcher explain mail.eml
    token-catcher explain --received-at 2026-02-03T12:00:00Z --json mail.eml
""",
    "history": """\
Usage: token-catcher history [OPTIONS] [FILE|-]...

  Show the rotation history. From the journal, or from any collected logs. The
  word schema in place of files prints the JSON Schema of a record.

Arguments:
  FILE|- <list[str]>  Journals or collected logs, packed or not; - reads
                      standard input.

Options:
  --org O           Only this org.
  --user U          Only this username.
  --event E         stored, unchanged, held, refused, verified or unverified.
  --since T         From this time on: ISO 8601, or 14d.
  --until T         Up to this time.
  --issued-since T  Only tokens issued from this time on.
  --json            One JSON object a line, for machines.
  --csv             Comma-separated values, with a header line.
  --html FILE       A page to read or print, into FILE.
  --wide            All columns, every name whole: wider than 80 characters.
  -h, --help        Show this message and exit.
  --config FILE     Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                    /etc/token-catcher/config.yaml.

  Examples:
    token-catcher history --user integration@acme.example --since 90d
    token-catcher history --html march.html --since 2026-03-01 --until 2026-04-01
    journalctl -u token-catcher -o cat | token-catcher history -
    token-catcher history schema > record.schema.json
""",
    "held": """\
Usage: token-catcher held [OPTIONS]

  Show the held mails that wait for a person. From the journal alone.

Options:
  --json         One JSON object a line, for machines.
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher held
""",
    "release": """\
Usage: token-catcher release [OPTIONS] {ID}...

  Take held mails for good. Each is judged again: sender, recipient, arrival
  and subject are waived, and nothing else is. Safe beside a running daemon.

Arguments:
  ID <list[str]>  Held mails, as `held` names them.  [required]

Options:
  --reason TEXT  Why, for the record; never a token.
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher release 0123456789ab --reason 'new address, CHG0042'
""",
    "status": """\
Usage: token-catcher status [OPTIONS]

  Show how every user's token stands, and what needs a person. Also each
  mailbox, Vault and the journal; needs no daemon.

Options:
  --json         One JSON object a line, for machines.
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher status
    token-catcher status --json
""",
    "check": """\
Usage: token-catcher check [OPTIONS]

  Say what will not work, step by step, and what to do about it. Changes
  nothing.

Options:
  --mailbox NAME  Only this mailbox, of those there are.
  --write-test    Also write a secret beside those of users, and remove it.
  --json          One JSON object a line, for machines.
  -h, --help      Show this message and exit.
  --config FILE   Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                  /etc/token-catcher/config.yaml.

  Examples:
    token-catcher check
    token-catcher check --mailbox integrations --write-test
""",
    "init": """\
Usage: token-catcher init [OPTIONS]

  Write a configuration by asking little. Each answer is tried; flags answer
  before they are asked; secrets are named by their place.

Options:
  --output FILE                   Where the configuration is to be.
  --address ADDRESS               That Salesforce writes to.
  --host HOST                     The IMAP server.
  --tls TLS                       implicit, starttls or none.
  --port PORT                     Of the IMAP server.
  --ca-file FILE                  Its authorities, if not the system's.
  --username NAME                 The login name there.
  --password PLACE                Where the password is: a file, or env:NAME.
  --oauth2 YAML                   In its place, the section `oauth2`.
  --org NAME                      A name for the Salesforce org.
  --user U                        A username, or a pattern; may be repeated.
  --environment ENVIRONMENT       production or sandbox.
  --org-id 00D                    Its organization id.
  --max-age AGE                   Tokens of this age are told as overdue, 90d.
  --vault URL                     The address of Vault.
  --vault-ca FILE                 Its authorities, if not the system's.
  --vault-auth YAML               In place of an AppRole, the section `auth`.
  --role-id ID                    Of the AppRole.
  --secret-id PLACE               Where the secret_id is: a file, or env:NAME.
  --mount PATH                    Of the KV engine.
  --state-dir DIRECTORY           For files of our own.
  --vault-setup kv2|kv1|anchor|reader|auditor
                                  Only print the script that makes policy and
                                  AppRole in Vault: for the program (kv2, kv1;
                                  anchor: with journal.anchor, as kv2 does
                                  where the configuration has that), for an
                                  integration that reads, or for who audits.
  --yes                           Ask nothing: flags, or the usual answers.
  --force                         Replace a configuration that is there.
  -h, --help                      Show this message and exit.
  --config FILE                   Configuration; else TOKEN_CATCHER_CONFIG,
                                  ./config.yaml, /etc/token-
                                  catcher/config.yaml.

  Examples:
    token-catcher init
    token-catcher init --vault-setup kv2 > setup-approle.sh
    token-catcher init --vault-setup auditor > setup-auditor.sh
    token-catcher init --yes --address sf@example.com --password env:IMAP_PASSWORD …
""",
    "login": """\
Usage: token-catcher login [OPTIONS]

  Sign in once for a mailbox, in a browser. For access tokens that a person
  gives (OAuth 2): the refresh token goes to its file.

Options:
  --mailbox NAME       For which one.  [required]
  --authorize-url URL  Where people sign in; for provider custom.
  -h, --help           Show this message and exit.
  --config FILE        Configuration; else TOKEN_CATCHER_CONFIG,
                       ./config.yaml, /etc/token-catcher/config.yaml.

  Examples:
    token-catcher login --mailbox integrations
""",
    "demo": """\
Usage: token-catcher demo [OPTIONS]

  Play the whole thing on embedded servers. Resets, a token in the spam
  folder, a forgery, an old mail; then history.

Options:
  --keep         Leave the servers up and say how to look around.
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher demo --keep
""",
    "audit": """\
Usage: token-catcher audit [OPTIONS] COMMAND [ARGS]...

  The journal: is it intact, and true; closing its file.

Options:
  -h, --help  Show this message and exit.

Commands:
  verify     Say whether the journal is intact, broken or truncated.
  reconcile  Say whether the journal agrees with Vault.
  archive    Close the journal's file and go on in a new one.
""",
    "audit verify": """\
Usage: token-catcher audit verify [OPTIONS] [FILE]...

  Say whether the journal is intact, broken or truncated. Names the file and
  the line, and prints the head, to be kept elsewhere.

Arguments:
  FILE <list[Path]>  Files of one journal, .gz too; default: all of the
                     configured one.

Options:
  --head SEQ:HASH  A head that was kept elsewhere: the journal must hold it.
  --key FILE       The journal's keys, one a line; default: journal.key, where
                   no FILE is given.
  --json           One JSON object a line, for machines.
  -h, --help       Show this message and exit.
  --config FILE    Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                   /etc/token-catcher/config.yaml.

  Examples:
    token-catcher audit verify
    token-catcher audit verify journal-000001.jsonl.gz journal.jsonl
""",
    "audit reconcile": """\
Usage: token-catcher audit reconcile [OPTIONS]

  Say whether the journal agrees with Vault. Each secret's records are held
  against its versions; with Vault's audit log, each write has its login and
  address. Changes nothing.

Options:
  --vault-log FILE  Vault's audit log, .gz too: says who wrote. Again for each
                    file.
  --json            One JSON object a line, for machines.
  -h, --help        Show this message and exit.
  --config FILE     Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                    /etc/token-catcher/config.yaml.

  Examples:
    token-catcher audit reconcile
    token-catcher audit reconcile --vault-log audit.log --vault-log audit.log.1.gz --json
""",
    "audit archive": """\
Usage: token-catcher audit archive [OPTIONS]

  Close the journal's file and go on in a new one. Safe beside a running
  daemon.

Options:
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher audit archive
""",
    "notify": """\
Usage: token-catcher notify [OPTIONS] COMMAND [ARGS]...

  Telling others what happens.

Options:
  -h, --help  Show this message and exit.

Commands:
  test  Send a test event to every receiver.
""",
    "notify test": """\
Usage: token-catcher notify test [OPTIONS]

  Send a test event to every receiver. Says of each how it went.

Options:
  --json         One JSON object a line, for machines.
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher notify test
""",
    "config": """\
Usage: token-catcher config [OPTIONS] COMMAND [ARGS]...

  The configuration: an example, its schema, what is in effect.

Options:
  -h, --help  Show this message and exit.

Commands:
  example  Print the commented example.
  schema   Print the JSON Schema, for editors.
  show     Print the configuration in effect.
""",
    "config example": """\
Usage: token-catcher config example [OPTIONS]

  Print the commented example.

Options:
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher config example > config.yaml
""",
    "config schema": """\
Usage: token-catcher config schema [OPTIONS]

  Print the JSON Schema, for editors.

Options:
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher config schema > config.schema.json
""",
    "config show": """\
Usage: token-catcher config show [OPTIONS]

  Print the configuration in effect. With every default, and of secrets only
  where they come from.

Options:
  -h, --help     Show this message and exit.
  --config FILE  Configuration; else TOKEN_CATCHER_CONFIG, ./config.yaml,
                 /etc/token-catcher/config.yaml.

  Examples:
    token-catcher config show
""",
}
