"""token-catcher: from the mail that announces a Salesforce security token to HashiCorp Vault or OpenBao.

The map, in reading order; a room imports only from rooms above it:

    model       the values that flow; the secret types
    errors      the exceptions, split by what the caller does next
    ports       what lies behind a network, and its promises

    wire        the byte-level gate before any parser
    headers     the two header values whose meaning counts
    markup      HTML as lines
    mime        the texts of a mail, out of a plain structure
    claims      the one username and token of a text
    extract     mail in, candidate or ignored out
    authres     the receiving server's Authentication-Results
    signature   a DKIM signature, checked
    routing     which org a username belongs to
    trust       candidate in, capture or refused or held out
    advice      what a person does next

    files       local files: private, synced, replaced as a whole
    chain       the journal's lines, each sealed to the one before
    journal     the append-only rotation record
    checkpoint  what is settled
    pipeline    the way of one mail, in the only safe order
    sweep       the way of all new mail of one mailbox

    imap        the door to the mailbox
    vault       the door to the secret store
    keys        the door to DNS: public keys of signatures

    shards      which mailboxes are this instance's
    bells       when to look, and how long to wait
    watch       one mailbox, for as long as the process lives
    daemon      schedule, signals, readiness, shutdown
    web         health and metrics
    config      file and environment in, one frozen Config out
    log         structlog, set up once
    app         the composition root

    explain     why a mail is or is not believed
    scan        one look now, by hand
    history     questions about the record
    demo        the embedded playground
    render      results as text for people
    cli         parse, build, call, exit code
    __main__    python -m token_catcher
"""

__version__ = "0.1.0"
