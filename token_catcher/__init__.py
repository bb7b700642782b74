"""From the mail that announces a Salesforce security token to HashiCorp Vault or OpenBao.

The map, in reading order. A module imports only what stands above it; of a folder, the others may
use what its `__init__` names, and nothing else.

    model       the values that flow; the secret types
    age         which of two tokens is newer; pure
    wording     numbers beside their nouns
    fingerprints  the fingerprint of a token as the record has it; pure
    faces       names of a folder that load their module when they are asked for
    errors      the exceptions, split by what the caller does next
    ports       what lies behind a network, and its promises
    clock       the clock of the whole program
    files       local files: private, synced, replaced as a whole
    ownership   whose a file may be that we go by, and as whom we work
    log         structlog, set up once
    tls         TLS to a server, and what its failures mean
    certificates  certificates of ours: their pieces, and when they end
    expiry      which of our credentials end by themselves, told in time
    keep_alive  connections that died silently are noticed
    connections HTTP connections of which no answer lasts for ever
    counters    what is counted of the work, by who wants to
    signals     how SIGTERM and SIGINT end a command
    open_files  how many files and connections may be open at once
    in_flight   requests whose answer is given out once
    children    commands of the operator's, which end with us

    reading     bytes in, candidate out; pure
        wire        the byte-level gate before any parser
        headers     the two header values whose meaning counts
        markup      HTML as lines
        mime        the texts of a mail, out of a plain structure
        shape       words in the form of a token, in any text
        loose       what a mail may say that is not read strictly
        claims      the one username and token of a text
        extract     mail in, candidate or ignored out
    proof       candidate in, capture out; pure
        authres     the receiving server's Authentication-Results
        tags        the tag lists of signatures and keys
        dkimpy      dkimpy, without PyNaCl until it is needed
        key_record  whether a key is one for this
        signature   a DKIM signature, checked
        addresses   the addresses of From and To
        routing     which org a username belongs to
        case        what a judgement goes by, and its state while it lasts
        policies    the proof, by signature and by the server's assessment
        trust       candidate in, capture or refused or held out
    record      what is written down
        filelock    locks that are waited for within bounds
        keyring     the keys of the chain
        chain       the journal's lines, each sealed to the one before
        waiting     which held mails still wait for a person
        index       where the record of a mail is in a file
        ownership   whose a directory is that we cannot write
        head        number and hash of the last record
        packing     files that gzip, bzip2 or xz made smaller
        archive     the closed files of a journal
        openfile    the file that is written to, as far as it was read
        rotated     a file that was rotated away like a log, put back
        verification  is a journal intact
        difference  what records and Vault's versions come to, in words; pure
        proven      which tokens of a secret were proven, by their records; pure
        reconcile   the records of a secret, held against Vault's versions; pure
        journal_file  the file that is written to, opened, mended and closed
        journal     the append-only rotation record
        schema      what a record looks like, as JSON Schema; pure
        tries       how often each stored token was tried by a login
        sweeplock   the lock of a sweep, which a stopped one loses
        progress    how far one folder is known
        checkpoint_form  what is settled, as it stands on disk
        checkpoint  what is settled
        last_look   when a mailbox was last looked at, for who asks without a daemon
        writer      who we are in Vault
        org_ids     which Salesforce org an org's mail came from first

    judge       one mail judged: extract and trust in one call; pure
    entries     the record of one mail; pure
    batch       the mails of one batch, and the order they are stored in; pure
    quiet       how much of a flood of events is told
    storer      tokens into the store, newest first
    recorder    outcomes onto disk, then told
    pipeline    the way of one mail, in the only safe order
    headings    the headings of a range of UIDs
    pace        how many UIDs are asked about at a time; pure
    survey      which mails of a folder are for us
    poison      which mail, or which dependency, is to blame; pure
    cautious    headings, where an answer broke a session
    drift       what Vault has lost, held against the record; pure
    report      what one sweep did
    run         what one sweep goes by
    agenda      which mails of a folder a visit looks at
    visit       one folder in one sweep
    follow_up   what is done to a settled mail in its folder
    lookup      mail read without a checkpoint
    sweep       the way of all new mail of one mailbox

    imap        the adapter of the mailbox
        folders     the spam folder, by special use or by name
        reader      what a server sends, within bounds of time and size
        texts       what servers say in words alone; pure
        trouble     what goes wrong with a mail server, in our words
        borrowed    what is needed of the library's inside
        answers     what a server's lines say
        ahead       what is asked ahead of a look, and what is answered; pure
        connection  where the library is called
        idle        waits for news, or asks for it
        questions   asks with the end of a wait what a look begins with
        logins      the ways to prove who we are
        login       connects, secures the line, logs in
        account_folders  which folders are watched, and their names on the wire
        rights      what the account may do in a folder
        changes     what is done to a settled mail, and to no other
        criteria    sets of UIDs, and what a search goes by; pure
        session     examines, searches, fetches
        probe       looks at a server without logging in
    oauth       access tokens for IMAP
        access      when one is asked for, and what becomes of a refusal
        adapters    how requests comes to our connections
        proxies     what is wrong with a proxy of the environment
        endpoint    HTTP to token endpoints, within bounds
        answers     what a token endpoint's answer means; pure
        origin      which sign-in a refresh token began with
        renewals    what the renewals of one process have in common
        refresh     the file of a refresh token, replaced at each renewal
        signin      a person signs in once, in a browser
        custom      any OAuth 2 server
        external    what some other tool keeps
        microsoft_refusals  what Microsoft's refusals mean; pure
        microsoft   Microsoft 365, over msal
        google_refusals  what Google's refusals mean; pure
        google_source  who we are to Google without a key, and files that claim to say so
        google      Google Workspace, over google-auth
    vault       the adapter of the secret store
        address     where Vault is, and who we are there
        answer      what is answered, and who spoke
        transport   HTTP over TLS or a unix socket
        cluster     several addresses, of which one answers
        lease       our token, and how long it lives
        refusal     why a login is refused; pure
        login       ways to get a token of Vault's
        kept        the secret_id that came wrapped
        wrapped     AppRole, with a secret_id that comes wrapped
        client      requests, logged in, the token kept alive
        capabilities  what our policies let us do, path by path
        version     what is read of a secret
        ending      whether a version expired or was deleted; pure
        mount       the mount of the secrets, and requests about one of them
        kv          versions of secrets, read and written
        kv1         secrets of an engine without versions
        attempt     a write that never takes place, to see what policies refuse
        inspection  what a diagnosis asks: nodes, token, rights, settings
        pulse       whether it is there and unsealed, without a login
        past        what the versions of a secret tell of
        own_writes  which version is our own write of a mail
        kept_versions  what the versions that Vault keeps tell an auditor
        anchor      the head of a journal, beside the tokens
        ahead       secrets that were read ahead, for one batch
        store       read, decide, write with check-and-set
    anchoring   the journal's head, kept in Vault as well
    salesforce  the adapter of Salesforce
        answer      how a login can end
        soap        what a login asks, and what is answered; pure
        login       one login over HTTP
    keys        public keys of signatures
        published   what DNS says now, and when it is asked again
        pinned      what a file says, asked before
        remembered  what DNS said before
    notify      telling others, at least once and never in the way
        notice      what is told, and the event that a receiver gets; pure
        flood       how much of a flood is told; pure
        receiver    who is told
        conditions  when something counts as failing, and as healed; pure
        store       the outbox's file: what waits for whom
        signing     signatures of webhooks
        webhook     events by HTTP
        command     events to a program
        people      events to people, over apprise
        delivery    what waits for one receiver, delivered
        outbox      collects what is to be told, and has it delivered

    status      how users' tokens and mailboxes stand; pure
        retirements   what Salesforce retires, and when
        known         what Vault and the journal tell of one
        losses        what became of one that Vault has no more
        users         each user's token: its age, overdue, never seen
        mailboxes     each mailbox: its last sweep, trouble, what waits
        vault         Vault: reached, sealed, logged in
        anchor        what Vault knows of the journal
        overview      all of it at one moment
    standing    what Vault tells of users' secrets, with as few rights as suffice

    html        the look of our pages; pure
        style       the style sheet, and what allows it
        markup      beginning and end, words, tables
        bar         the age of a token as a bar
        timeline    a lane for each user, a mark for each rotation
    advice      what a person does next, by error code and by reason
        entry       what is said of one code
        local       our own configuration, files and commands
        imap        the mail server
        oauth       token endpoints, and the sign-in of a person
        vault       Vault, and what stands before it
        dns         the keys of signatures
        notify      telling others
        salesforce  the proof by login
        audit       what `audit reconcile` finds
        mail        how mail ends
        missing     why none comes
        table       all of it, by error code and by reason
    exchangers  which hosts take the mail of a domain
    daemon      who looks when, for months
        shards      which mailboxes are this instance's
        wakeups     when to look, and how long to wait
        logins      when a login may be made
        sessions    one session with a mailbox after the other
        listener    one further folder of a mailbox
        watch       one mailbox, for as long as the process lives
        restoration  the daily look for what Vault has lost
        vault_health  whether a token could be stored now
        lapses      the look for tokens that are overdue, and users never seen
        housekeeping  what nobody asks for and is done all the same
        systemd     what the service manager is told
        loop        schedule, signals, readiness, shutdown
    web         what is seen from outside
        exchange    a request, and its answer
        access      who may see the page
        content     what the page shows, kept fresh within bounds
        snapshot    what is looked at
        receivers   the part of the page on who is told
        status_page  the page as HTML
        metrics     counters and gauges, for Prometheus
        pages       what is answered to each path
        server      HTTP, bounded
    config      file and environment in, one frozen Config out
        problems    what is wrong with it, line by line
        forms       what texts may be: hosts, addresses, names, paths, URLs
        units       durations and sizes
        kinds       the kinds of values
        secret      where a secret is kept
        surroundings  defaults of the environment's
        section     what all sections have in common
        descriptions  what stands below each key, for its description
        oauth       how access tokens for a mailbox are got
        after_capture  what is done to a settled mail
        vault_auth  the ways to log in to Vault
        notify      who is told of what
        verify      the proof by one login
        schema      the keys
        document    YAML with line numbers
        checks      what no single key can say
        loading     from file to Config
        showing     the effective configuration, secrets masked
        commented   the commented example
    journal_keys  the keys of the journal, where the configuration says that they are
    logins      how each mailbox is logged in to
    vault_entrance  where Vault is, and how it is logged in to
    freshness   access tokens renewed ahead, each mailbox by itself
    receivers   how each receiver of notifications is reached
    login_proof  whether Salesforce takes a token that was stored
    app         the composition root
    proving     the proof by login, by the configuration
    anchors     the anchor of the journal, by the configuration
    losses      which tokens Vault has lost, asked by hand
    diagnosis   what will not work, found before a token depends on it
        step        one step, and how it ended
        limits      how long one look at many things may take
        users       whose paths are looked at
        rights      what a policy lacks, and what it grants too much; pure
        trial       what policies refuse beside that, tried without a change
        settings    how a mount, and each secret in it, keeps versions
        canary      a secret that is written, read and removed
        vault       Vault, from the address to the rights on every path
        usable      whether a token could be stored now, in one answer
        about       steps on one thing, and the limit of each
        durations   durations that can hardly be meant; pure
        configuration  what a configuration that loads says
        local_files  secrets, certificates, the state directory
        clock       ours, held against those of servers
        resolver    DNS, and the keys in it
        mail_server  reach, TLS, token, login, folders, IDLE
        window      a trial look at the mail there is
        receivers   whether others could be told
        anchored    what Vault knows of the journal, and our rights to tell it
        local_record  the journal, and room on the disk
        order       all areas, one after the other
    shares      which of the configured mailboxes are this instance's
    ahead       what the daemon loads before the first mail
    overview    how users, mailboxes, Vault and the journal stand at one moment
    notifier    the outbox of one configuration after the other
    service     the daemon and its pages, over one configuration after the other

    commands    one module a command
        streams     the standard streams, made harmless
        styled      rich, loaded with the first line for a person
        wrapping    lines that are too long for a terminal
        output      results on standard output, and exit codes
        vault_setup  the script that makes our policy and our role in Vault
        options     what can be typed after a command
        examples    what people type
        explanation what a verdict says of one mail
        results     what a scan tells of each mail
        rotation    a row of the history, and which are asked for
        render      results as text for people
        mailfiles   mail out of files
        explain     why a mail is or is not believed
        vault_result  what a scan tells of a Vault that it could not write to
        anchor_result  what Vault does not know of the journal yet, told by who wrote to it
        run         the daemon, in the foreground
        scan        one look now, by hand
        dry_run     the same, and nothing is written
        awaited     which record a wait waits for; pure
        notice      says that the program waits
        waiting     one look after the other, until a token is there
        unpack      what a file of logs holds, unpacked and as UTF-8
        pieces      its lines, and the JSON values that span lines
        events      the names of our events that are no rotations
        encoded     texts in base64, packed or not
        record_object  whether an object is a record, under whatever names
        collectors  records in what collectors made of our log
        logs        rotations out of journals and collected logs
        recorded    rows of the configured journal, while it is verified
        csv_form    the history as comma-separated values
        history_page  the history as a page
        history     questions about the record
        held        the held mails that wait
        release     a person takes a held mail for good
        status_lines  what `status` shows
        status      how the tokens of all users stand
        login       the one sign-in of a person
        check       what will not work, step by step
        presets     providers of mailboxes, by domain and MX
        draft       answers as a commented configuration
        questions   to a person at a terminal
        init        writes a configuration, and tries it
        vault_log   who made a version, by Vault's audit log
        reconcile_lines  what `audit reconcile` tells
        audit       is the journal intact
        reconcile   does the journal agree with Vault
        notify      a test event to every receiver
        salesforce  plays Salesforce: signed token mail
        processes   of the demo's own, never left behind
        playground  embedded servers, and the program beside them
        demo        the whole thing at work
    process     one message and an exit code at the end, and nothing that lies open
    settings    what every command goes by
    help_pages  what `--help` prints; made by docs/help.py
    quick       `--help` and `--version`, for which no library is loaded
    daemon_line  `run`, for which typer is not loaded
    cli         parse, build, call
    __main__    python -m token_catcher
"""

__version__ = "0.1.0"
