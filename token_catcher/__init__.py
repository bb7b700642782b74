"""token-catcher: from the mail that announces a Salesforce security token to HashiCorp Vault or OpenBao.

The map, in reading order (imports only go up this list):

    model       the values that flow; the secret types
    errors      the exceptions, split by what the caller does next
    ports       what lies behind a network, and its promises
    wire        the byte-level gate before any parser
    extract     mail in, candidate or ignored out
    authres     the receiving server's Authentication-Results
    signature   a DKIM signature, checked
    trust       candidate in, capture or refused or held out
    journal     the append-only rotation record
    checkpoint  what is settled
    pipeline    the way of one mail, in the only safe order
    sweep       the way of all new mail of one mailbox
    imap        the door to the mailbox
    vault       the door to the secret store
    keys        the door to DNS: public keys of signatures
    config      file and environment in, one frozen Config out
    log         structlog, set up once
    app         the composition root
    daemon      bells, schedule, signals
    history     questions about the journal
    demo        the embedded playground
    cli         parse, build, call, exit code
"""

__version__ = "0.1.0"
