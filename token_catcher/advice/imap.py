"""The mail server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

IMAP: Final[Mapping[str, Advice]] = {
    "imap-login": Advice(
        201,
        "The mail server refuses the login.",
        "check username and password; for Gmail and Microsoft 365 see docs/mailboxes.md;"
        " nothing was lost",
    ),
    "imap-login-app-password": Advice(
        202,
        "The mail server wants an app password in place of the account's own.",
        "make an app password for the account (it needs 2-step verification), or use oauth2",
    ),
    "imap-login-basic": Advice(
        203,
        "The mail server takes no passwords at all.",
        "use mailboxes[].oauth2 in place of the password (docs/mailboxes.md, OAuth)",
    ),
    "imap-folder": Advice(
        204,
        "A watched folder is not there, or cannot be opened.",
        "name an existing folder under mailboxes[].folders, or `spam: null` to leave the spam"
        " folder out",
    ),
    "imap-certificate": Advice(
        205,
        "The mail server's certificate is not of an authority that we trust.",
        "give the authority that issued it under mailboxes[].ca_file",
    ),
    "imap-certificate-expired": Advice(
        206,
        "The mail server's certificate has expired.",
        "have the mail server's certificate renewed; check this machine's clock",
    ),
    "imap-certificate-host": Advice(
        207,
        "The mail server's certificate is for other host names.",
        "set mailboxes[].host to a name that the certificate holds",
    ),
    "imap-certificate-not-yet-valid": Advice(
        208,
        "The mail server's certificate is not valid yet.",
        "check this machine's clock, then the server's certificate",
    ),
    "imap-client-certificate": Advice(
        209,
        "The mail server asks for a client certificate, or refuses ours.",
        "give certificate and key under mailboxes[].client_certificate, issued by an authority"
        " that the mail server knows",
    ),
    "imap-external": Advice(
        210,
        "The mail server does not take the client certificate as a login (SASL EXTERNAL).",
        "have the mail server take SASL EXTERNAL, with this certificate for this username; or"
        " give a password or oauth2",
    ),
    "imap-mailbox-closed": Advice(
        211,
        "The access token is good, and the mailbox is not open to this application.",
        "Microsoft 365: `Add-MailboxPermission -Identity MAILBOX -User OBJECT_ID -AccessRights"
        " FullAccess`, with the object id of Enterprise applications; then IMAP must be on"
        " (`Set-CASMailbox MAILBOX -ImapEnabled $true`) and the mailbox licensed",
    ),
    "imap-mailbox-unknown": Advice(
        212,
        "The mail server knows no mailbox of this name.",
        "check mailboxes[].username: it is the mailbox's own address; a Google service account"
        " acts as that user",
    ),
    "imap-oauth": Advice(
        213,
        "The mail server offers no login by access token.",
        "check mailboxes[].host, or use a password: this server takes no access tokens"
        " (XOAUTH2, OAUTHBEARER)",
    ),
    "imap-off": Advice(
        214,
        "IMAP is switched off for this mailbox.",
        "switch IMAP on: Google Admin console → Apps → Google Workspace → Gmail → End user"
        " access, then the account's own settings; Microsoft 365: `Set-CASMailbox MAILBOX"
        " -ImapEnabled $true`",
    ),
    "imap-throttled": Advice(
        215,
        "The mail server asks for a pause.",
        "nothing: the server names the pause, and it is kept",
    ),
    "imap-token": Advice(
        216,
        "The mail server refuses the access token.",
        "check that oauth2.scope is for this server's IMAP, and that username is the mailbox of"
        " whom the token is for; the mail server's own log has the reason",
    ),
    "imap-token-microsoft": Advice(
        231,
        "Microsoft 365 refuses the access token.",
        "check that username is the mailbox's address, and leave oauth2.scope out. An application:"
        " `Get-ServicePrincipal` must show it with the object id of Enterprise applications, and"
        " the API permission is IMAP.AccessAsApp of Office 365 Exchange Online. A person: sign in"
        " as somebody with full access to the mailbox",
    ),
    "imap-token-google": Advice(
        232,
        "Gmail refuses the access token.",
        "check that username is the primary address of the user whom the service account acts as,"
        " or who signed in; leave oauth2.scope out: the default opens IMAP"
        " (docs/google-workspace.md)",
    ),
    "imap-token-external": Advice(
        233,
        "The mail server refuses the access token that some other tool keeps.",
        "see whether the tool behind oauth2.token still renews it: an access token lives for about"
        " an hour; then whether it is for this mailbox, and for this server's IMAP",
    ),
    "imap-token-length": Advice(
        230,
        "The mail server gives no answer to an access token as long as that.",
        "have the token endpoint issue shorter access tokens: fewer groups and claims in them, or"
        " opaque ones that the mail server asks about (introspection)",
    ),
    "imap-token-scope": Advice(
        217,
        "The access token has not the scope that the mail server wants.",
        "set oauth2.scope to what the server names, and grant exactly that scope to the client"
        " id where the token is given",
    ),
    "imap-connect": Advice(
        218,
        "The mail server was not reached.",
        "check host, port and tls of the mailbox, and the network; the mail waits on the server",
    ),
    "imap-connection": Advice(
        219,
        "The connection to the mail server was lost, or it did not answer in time.",
        "nothing, if it passes: it is connected anew by itself; else see to what lies between"
        " this machine and the mail server",
    ),
    "imap-tls": Advice(
        220,
        "The mail server does not speak TLS as `tls` says.",
        "check `tls`: implicit is usual on port 993, starttls on 143",
    ),
    "imap-no-body": Advice(
        221,
        "The mail server shows a mail, and does not give its body.",
        "open that mail with another client: the server has it, and does not give it; it is"
        " tried again by itself",
    ),
    "imap-incomplete": Advice(
        222,
        "The mail server counts mail that it does not name.",
        "open that folder with another client: the server counts mail that it does not name; it"
        " is asked again by itself",
    ),
    "imap-unavailable": Advice(
        223,
        "The mail server takes no login or command for now.",
        "nothing, if it passes: the server takes no more for now",
    ),
    "imap-protocol": Advice(
        224,
        "The mail server gave an answer of no known form, or refused a plain command.",
        "check host and port of the mailbox; where they are right, report what the message"
        " shows; it is tried again by itself",
    ),
    "imap-session-ended": Advice(
        225,
        "The mail server ended a session that was as long as it gives them.",
        "nothing: it is connected anew at once",
    ),
    "imap-apply": Advice(
        226,
        "What is to be done to a settled mail (`after_capture`) was refused.",
        "mend what the message names; the token is in Vault, and it is tried again by itself",
    ),
    "imap-apply-folder": Advice(
        227,
        "The folder that settled mail is to be moved to is not there.",
        "make the folder of mailboxes[].after_capture on the server, or name another one",
    ),
    "imap-apply-watched": Advice(
        228,
        "The folder that settled mail is to be moved to is a watched one.",
        "name a folder in mailboxes[].after_capture that is not watched",
    ),
    "imap-apply-other": Advice(
        229,
        "Under the number of the settled mail there is another mail now.",
        "nothing: that mail is left alone",
    ),
    "mailbox-never-swept": Advice(
        241,
        "Nobody has ever looked at the mailbox from this state directory.",
        "run `token-catcher scan`, or start the daemon",
    ),
    "mailbox-not-swept": Advice(
        242,
        "The daemon looked after the mailbox, and does so no longer.",
        "see whether the daemon runs (`systemctl status token-catcher`), and start it;"
        " `token-catcher scan` looks now",
    ),
    "authserv": Advice(
        250,
        "The receiving server writes other Authentication-Results than the configuration believes.",
        "if the proposed server is your receiving one, write trust.authserv_ids and authserv_zone"
        " as proposed; docs/mailboxes.md has what each provider writes",
    ),
    "imap-after-capture": Advice(
        251,
        "What is to be done to a settled mail in its folder cannot be.",
        "set mailboxes[].after_capture to seen, to another flag or to none, or give the account"
        " what is missing; tokens are stored all the same",
    ),
    "imap-certificate-ends": Advice(
        252,
        "The mail server's certificate ends within two days.",
        "have it renewed before that: its own renewal seems to fail",
    ),
    "imap-idle": Advice(
        253,
        "The mail server tells of no new mail by itself.",
        "nothing, if `poll` is soon enough; else set a shorter mailboxes[].poll",
    ),
    "imap-spam": Advice(
        254,
        "No spam folder was found in the mailbox.",
        "name it under mailboxes[].folders.spam, or write `spam: null` where the account has none",
    ),
    "mail-changed": Advice(
        255,
        "Something between Salesforce and the mailbox changes the bodies of mail.",
        "set trust.policy to auto, with trust.authserv_ids and authserv_zone of the receiving"
        " server (docs/mailboxes.md), or have the gateway leave mail of salesforce.com as it is",
    ),
    "refused": Advice(
        256,
        "Token mail of the window would be refused, and none of it stored.",
        "if it is genuine, save that mail to a file: `token-catcher explain FILE` shows each rule",
    ),
    "imap-silent": Advice(
        257,
        "The mail server takes the connection and greets nobody, or what lies between drops it.",
        "check `tls` of the mailbox: a server that speaks TLS from the first byte on (port 993)"
        " wants `implicit`, and greets nobody before; else host, port, and the firewall",
    ),
}
