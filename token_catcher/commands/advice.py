"""What a person does next: one line for each error code and each reason that asks for somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.model import Reason

NEXT_STEP: Final[Mapping[str, str]] = {
    "configuration-lines": (
        "mend the lines named above; `token-catcher config example` shows every key"
    ),
    "configuration-file": "name a file that the user who runs this may read",
    "configuration-owner": (
        "who can write these files can send your tokens elsewhere: look at them before you use them"
    ),
    "configuration-program": (
        "install Python and the program where that user can read them (deploy/README.md)"
    ),
    "certificate": (
        "put certificate and key of one pair in place together (mode 0600); they are read anew at"
        " the next login"
    ),
    "imap-login": (
        "check username and password; for Gmail and Microsoft 365 see docs/mailboxes.md;"
        " nothing was lost"
    ),
    "imap-folder": (
        "name an existing folder under mailboxes[].folders, or `spam: null` to leave the spam"
        " folder out"
    ),
    "imap-certificate": "give the authority that issued it under mailboxes[].ca_file",
    "imap-certificate-expired": (
        "have the mail server's certificate renewed; check this machine's clock"
    ),
    "imap-certificate-host": "set mailboxes[].host to a name that the certificate holds",
    "imap-certificate-not-yet-valid": "check this machine's clock, then the server's certificate",
    "imap-client-certificate": (
        "give certificate and key under mailboxes[].client_certificate, issued by an authority that"
        " the mail server knows"
    ),
    "imap-external": (
        "have the mail server take SASL EXTERNAL, with this certificate for this username; or give"
        " a password or oauth2"
    ),
    "imap-login-app-password": (
        "make an app password for the account (it needs 2-step verification), or use oauth2"
    ),
    "imap-login-basic": (
        "use mailboxes[].oauth2 in place of the password (docs/mailboxes.md, OAuth)"
    ),
    "imap-mailbox-closed": (
        "Microsoft 365: `Add-MailboxPermission -Identity MAILBOX -User OBJECT_ID -AccessRights"
        " FullAccess`, with the object id of Enterprise applications; then IMAP must be on"
        " (`Set-CASMailbox MAILBOX -ImapEnabled $true`) and the mailbox licensed"
    ),
    "imap-mailbox-unknown": (
        "check mailboxes[].username: it is the mailbox's own address; a Google service account acts"
        " as that user"
    ),
    "imap-oauth": (
        "check mailboxes[].host, or use a password: this server takes no access tokens (XOAUTH2,"
        " OAUTHBEARER)"
    ),
    "imap-off": (
        "switch IMAP on: Google Admin console → Apps → Google Workspace → Gmail → End user access,"
        " then the account's own settings; Microsoft 365: `Set-CASMailbox MAILBOX -ImapEnabled"
        " $true`"
    ),
    "imap-throttled": "nothing: the server names the pause, and it is kept",
    "imap-token": (
        "check that oauth2.scope is for this server's IMAP and username the mailbox's address."
        " Microsoft 365: `Get-ServicePrincipal` must show the application with the object id of"
        " Enterprise applications, and the API permission is IMAP.AccessAsApp of Office 365"
        " Exchange Online"
    ),
    "imap-token-scope": (
        "set oauth2.scope to what the server names, and grant exactly that scope to the client id"
        " where the token is given"
    ),
    "oauth-certificate": (
        "have the system trust the authority that issued it (SSL_CERT_FILE names a file of others);"
        " a company's proxy may open TLS"
    ),
    "oauth-client": "correct oauth2.client_id: the token endpoint knows no such client",
    "oauth-client-certificate": (
        "this token endpoint wants a client certificate, which is not supported: use another one of"
        " its addresses, or provider external"
    ),
    "oauth-command": (
        "run oauth2.token.command as the service's user: it must print the token alone, on one line"
    ),
    "oauth-consent": (
        "grant the client this kind of login and its permissions where it is registered; an"
        " administrator has to consent"
    ),
    "oauth-credential": (
        "put a valid secret, certificate or assertion where oauth2 says: it is wrong or has"
        " expired; it is read anew at the next try"
    ),
    "oauth-foreign": (
        "check oauth2.token_url, and what a proxy says in its place (HTTPS_PROXY, NO_PROXY); a"
        " maintenance passes by itself"
    ),
    "oauth-locked": "look for a process that hangs with that lock file open",
    "oauth-refused": (
        "look for this error in the documentation of the token endpoint, and in its own log"
    ),
    "oauth-scope": "correct oauth2.scope: the token endpoint has no such one for this client",
    "oauth-sign-in": "sign in: `token-catcher login --mailbox NAME`",
    "oauth-throttled": "nothing, if it passes: the token endpoint takes no more requests for now",
    "oauth-unreachable": (
        "check oauth2.token_url, the network, and HTTPS_PROXY and NO_PROXY; the mail waits on the"
        " server"
    ),
    "imap-connect": (
        "check host, port and tls of the mailbox, and the network; the mail waits on the server"
    ),
    "imap-tls": "check `tls`: implicit is usual on port 993, starttls on 143",
    "imap-no-body": (
        "open that mail with another client: the server has it, and does not give it; it is tried"
        " again by itself"
    ),
    "imap-incomplete": (
        "open that folder with another client: the server counts mail that it does not name; it is"
        " asked again by itself"
    ),
    "imap-unavailable": "nothing, if it passes: the server takes no more for now",
    "oauth-api": (
        "enable it in the project of the account, or of the workload identity pool, that this"
        " program runs as; it counts after some minutes"
    ),
    "oauth-client-application": (
        "copy the application (client) ID from Entra admin center > App registrations > the"
        " application > Overview into client_id; it is neither of the object IDs there"
    ),
    "oauth-client-cloud": (
        "set cloud to the one of that tenant (global, gcc-high, dod, china), or authority"
    ),
    "oauth-client-disabled": (
        "enable it: Entra admin center > Enterprise applications > the application > Properties >"
        " Enabled for users to sign in; ask first why it was disabled"
    ),
    "oauth-client-google": (
        "copy client ID and client secret of one and the same client from Google Auth Platform >"
        " Clients, and have the person sign in with it"
    ),
    "oauth-client-public": (
        "Entra admin center > App registrations > the application > Authentication > Allow public"
        " client flows: Yes"
    ),
    "oauth-client-service-account": (
        "compare it with IAM & Admin > Service accounts; one that was deleted can be undeleted for"
        " 30 days, one that is made anew has another client ID to delegate to"
    ),
    "oauth-client-tenant": (
        "copy the tenant ID from Entra admin center > Overview into tenant; check cloud"
    ),
    "oauth-clock": "set this machine's clock right: `timedatectl` says whether it follows a server",
    "oauth-consent-app": (
        "a super administrator trusts that client ID there, or signs in who is allowed to"
        " (docs/google-workspace.md)"
    ),
    "oauth-consent-application": (
        "Entra admin center > App registrations > the application > API permissions > Grant admin"
        " consent (docs/microsoft-365.md)"
    ),
    "oauth-consent-assignment": (
        "Entra admin center > Enterprise applications > the application > Users and groups: assign"
        " who signs in, or Properties > Assignment required: No"
    ),
    "oauth-consent-delegation": (
        "a super administrator pastes that client ID and that scope there, letter by letter"
        " (docs/google-workspace.md)"
    ),
    "oauth-consent-principal": (
        "give the application its service principal: Grant admin consent under API permissions, or"
        " `az ad sp create --id CLIENT_ID`"
    ),
    "oauth-credential-assertion": (
        "compare issuer, subject and audience of the file's token with the federated credential:"
        " Entra admin center > App registrations > the application > Certificates & secrets >"
        " Federated credentials"
    ),
    "oauth-credential-assertion-time": (
        "see whether somebody still renews that file (Kubernetes: a projected volume), then the"
        " clock of this machine: `timedatectl`"
    ),
    "oauth-credential-certificate": (
        "upload the certificate (never the key) under Entra admin center > App registrations > the"
        " application > Certificates & secrets > Certificates; a new one counts after some minutes"
    ),
    "oauth-credential-certificate-expired": (
        "make a new certificate, upload it, then replace the file (docs/microsoft-365.md); if that"
        " day has not come yet, check this machine's clock"
    ),
    "oauth-credential-client-secret": (
        "make a new client secret under Google Auth Platform > Clients > the client, and put it"
        " into the file; the refresh token stays good"
    ),
    "oauth-credential-federated": (
        "compare issuer, subject and audience of the file's token with the federated credential:"
        " Entra admin center > App registrations > the application > Certificates & secrets >"
        " Federated credentials; a new one counts after some minutes"
    ),
    "oauth-credential-key": (
        "make a new key under IAM & Admin > Service accounts > the account > Keys, and replace the"
        " file: it is read anew at the next try; better: no key at all (impersonate)"
    ),
    "oauth-credential-secret": (
        "copy the Value of a new client secret into the file, which is shown once: Entra admin"
        " center > App registrations > the application > Certificates & secrets"
    ),
    "oauth-credential-secret-expired": (
        "put a new one into the file: Entra admin center > App registrations > the application >"
        " Certificates & secrets; better: a certificate, whose end is told in time"
    ),
    "oauth-credential-workload": (
        "see whether somebody still renews that token (Kubernetes: a projected volume), then"
        " compare its issuer, subject and audience with IAM & Admin > Workload Identity Federation"
    ),
    "oauth-extra": (
        "install what the message names; the image and an installation from"
        " requirements/production.txt have it"
    ),
    "oauth-impersonation": (
        "grant that role on the service account itself, as docs/google-workspace.md shows; it"
        " counts after some minutes"
    ),
    "oauth-refused-policy": (
        "Entra admin center > Sign-in logs says which policy; except the application, or the"
        " address of this machine, from it"
    ),
    "oauth-scope-application": (
        "leave scope out, unless the cloud is one of your own; the permission must be one of Office"
        " 365 Exchange Online, not of Microsoft Graph (docs/microsoft-365.md)"
    ),
    "oauth-scope-google": "leave `scope` out: the default opens IMAP",
    "oauth-scope-machine": (
        "stop the machine, give it that access scope, start it; access scopes are not changed on"
        " a running one"
    ),
    "oauth-sign-in-account": (
        "enable the account, or sign in with another one that has full access to the mailbox:"
        " `token-catcher login --mailbox NAME`"
    ),
    "oauth-sign-in-scope": (
        "have the person sign in with that scope: `token-catcher login --mailbox NAME`"
    ),
    "oauth-sign-in-session": (
        "have the person sign in: `token-catcher login --mailbox NAME`; where that is too often,"
        " take a service account with delegation (docs/google-workspace.md)"
    ),
    "oauth-sign-in-declined": "start again, and agree on the page",
    "oauth-device-code": (
        "start again. Where the page says that a policy blocks it (Conditional Access, 'Block"
        " device code flow'), have it leave this application out, or log in as an application,"
        " which needs no person (docs/microsoft-365.md)"
    ),
    "oauth-pasted": "start again; the whole line of the browser's address bar is wanted",
    "oauth-no-refresh-token": (
        "have the application ask for one: offline_access in its permissions, or in oauth2.scope"
    ),
    "oauth-file": "make the directory of oauth2.refresh_token writable for the service's user",
    "oauth-source": (
        "write the file anew with `gcloud iam workload-identity-pools create-cred-config`, or unset"
        " the variable on a machine of Google Cloud (docs/google-workspace.md)"
    ),
    "oauth-user": (
        "set username to the primary address: Admin console > Directory > Users > the user; what"
        " mail comes to an alias goes under `addresses`"
    ),
    "vault-login": (
        "check vault.auth; a used-up or expired secret_id needs a new one"
        " (deploy/vault/setup-approle.sh)"
    ),
    "vault-login-audience": (
        "give the JWT the audience that the role asks for: `audience` of the projected volume, or"
        " of the request to whoever issues it (docs/vault-logins.md)"
    ),
    "vault-login-certificate": (
        "compare vault.client_certificate with `bao read auth/cert/certs/NAME`: its issuer, its"
        " names, its end; vault.auth.name is that NAME"
    ),
    "vault-login-cidr": (
        "add this machine's address, as Vault sees it, to secret_id_bound_cidrs of the role, or"
        " make the secret_id without cidr_list"
    ),
    "vault-login-claims": (
        "compare what the JWT says with bound_subject and bound_claims of the role"
        " (docs/vault-logins.md shows how to read both)"
    ),
    "vault-login-denied": (
        "check vault.auth.mount and vault.namespace, or vault.auth.namespace (HCP: admin); a"
        " lock-out ends by itself, or by `bao write -f sys/locked-users/ACCESSOR/unlock/ROLE_ID`"
    ),
    "vault-login-early": "set the clocks of Vault's machine and of whoever issues the JWT",
    "vault-login-expired": (
        "see to whoever writes the file of vault.auth.jwt, and to the clock of Vault's machine; the"
        " file is read anew at each login"
    ),
    "vault-login-issuer": (
        "compare `iss` of the JWT with bound_issuer of `bao read auth/jwt/config`"
        " (docs/vault-logins.md)"
    ),
    "vault-login-jwt": (
        "put the JWT alone where vault.auth.jwt says; Vault's own log has the cause at level debug"
    ),
    "vault-login-mount": (
        "correct vault.auth.mount, vault.auth.method or vault.namespace: that login is not there"
    ),
    "vault-login-none": (
        "have the Agent or Proxy add its token (auto_auth, api_proxy with use_auto_auth_token) and"
        " look into its log; its role needs deploy/vault/token-catcher.hcl"
    ),
    "vault-login-password": "correct vault.auth.username, or put the password where it says",
    "vault-login-review": (
        "look into Vault's log for the TokenReview; Vault's account in the cluster needs the role"
        " system:auth-delegator (docs/vault-logins.md); check vault.auth.mount and vault.namespace"
    ),
    "vault-login-rights": (
        "give the role token_policies with deploy/vault/token-catcher.hcl, and leave it the policy"
        " `default`; compare token_bound_cidrs with this machine's address, as Vault sees it"
    ),
    "vault-login-role": (
        "correct vault.auth.role (`bao list auth/MOUNT/role`); for AppRole vault.auth.role_id"
        " (`bao read auth/approle/role/NAME/role-id`)"
    ),
    "vault-login-service-account": (
        "give the pod the service account that the role is bound to, or name this one in the role:"
        " bound_service_account_names and bound_service_account_namespaces"
    ),
    "vault-login-signature": (
        "compare the issuer's keys with `bao read auth/jwt/config`: jwt_validation_pubkeys, or"
        " whether Vault reaches oidc_discovery_url or jwks_url"
    ),
    "vault-login-wrapping": (
        "put the wrapping token alone where vault.auth.wrapped_secret_id says: WRAP_TTL=15m"
        " deploy/vault/setup-approle.sh"
    ),
    "vault-login-wrapping-path": (
        "ask who put this token there: it may be an attempt to have us use somebody else's secret;"
        " make a new one: WRAP_TTL=15m deploy/vault/setup-approle.sh"
    ),
    "vault-login-wrapping-used": (
        "treat the secret_id as stolen: look for sys/wrapping/unwrap in Vault's audit log, destroy"
        " it (docs/vault-logins.md), then make a new one: WRAP_TTL=15m"
        " deploy/vault/setup-approle.sh"
    ),
    "vault-secret-id": (
        "make state_dir ours and writable; a file that others may have read is to be removed, and"
        " its secret_id destroyed (docs/vault-logins.md)"
    ),
    "vault-login-token": (
        "put a token that is valid, alone on one line, where vault.auth.token says; a sink of Vault"
        " Agent without wrap_ttl does so"
    ),
    "vault-namespace": (
        "correct vault.namespace, or vault.auth.namespace; it is case-sensitive, HCP's is admin"
    ),
    "vault-token": (
        "put another token where vault.auth.token says, before this one ends; Vault Agent does"
        " that by itself while it runs"
    ),
    "vault-policy": (
        "grant the capabilities of deploy/vault/token-catcher.hcl on that path; the mail"
        " stays pending"
    ),
    "vault-kv1": (
        "upgrade the mount: `bao kv enable-versioning MOUNT`; check-and-set needs version 2. Where"
        " that cannot be, set vault.kv_version to 1"
    ),
    "vault-kv2": (
        "leave vault.kv_version out where the mount has version 2, or name another vault.mount"
    ),
    "vault-mount": (
        "compare vault.mount with `bao secrets list`; where it stands there, our token lacks the"
        " policy, deploy/vault/token-catcher.hcl with your mount and path in it; where none does,"
        " enable a KV engine"
    ),
    "vault-mount-engine": (
        "name a mount of type kv in vault.mount: `bao secrets list` shows the type of each"
    ),
    "vault-mount-path": (
        "write vault.mount as `bao secrets list` shows it, without `data` or `metadata`; what"
        " follows it belongs into vault.path"
    ),
    "vault-secret": (
        "look for that path in the log of Vault, and of a proxy before it; other secrets are"
        " written meanwhile, and this mail is tried again by itself"
    ),
    "vault-certificate": "give the authority that issued it under vault.ca_file",
    "vault-certificate-expired": "have Vault's certificate renewed; check this machine's clock",
    "vault-certificate-host": "set vault.address to a host name that the certificate holds",
    "vault-certificate-not-yet-valid": "check this machine's clock, then Vault's certificate",
    "vault-client-certificate": (
        "give certificate and key under vault.client_certificate, issued by an authority that"
        " Vault's listener knows"
    ),
    "vault-address": "correct vault.address: https://HOST:PORT, or unix:///PATH of an Agent",
    "vault-redirect": (
        "add that host to vault.address, a list then, if it is a node of the same cluster; it is no"
        " trouble while a leader is elected"
    ),
    "vault-path": "correct vault.path: plain segments, {org} and {username}",
    "vault-refused": "look into Vault's own log for the request; the mail stays pending",
    "vault-away": (
        "look at Vault, and at what stands before it: the message has what was answered; pending"
        " mail is stored by itself after that"
    ),
    "vault-quota": "nothing, if it passes: Vault, or a proxy before it, takes no more for now",
    "vault-race": (
        "nothing, if it passes: somebody else writes this secret again and again; Vault's audit log"
        " says who"
    ),
    "vault-tls": (
        "see what listens at vault.address: TLS for https://, a port of HTTP wants http://; where"
        " Vault asks for a client certificate, give vault.client_certificate"
    ),
    "vault-foreign": (
        "check that vault.address is Vault's, with the path that a reverse proxy wants; a proxy's"
        " maintenance passes by itself"
    ),
    "vault-protocol": "check that vault.address is Vault itself, and no proxy answers in its place",
    "vault-sealed": "unseal Vault; pending mail is stored by itself after that",
    "vault-unreachable": (
        "check vault.address and the network; pending mail is stored by itself after that"
    ),
    "dns": (
        "check the resolvers of this machine, or pin the key under trust.dkim_keys; the mail"
        " is tried again by itself"
    ),
    "dns-not-asked": (
        "nothing, if it passes: mail with made-up keys has had DNS asked for long enough, and this"
        " one has its turn after a rest; or pin the key under trust.dkim_keys"
    ),
    "dns-no-key": (
        "nothing, if it passes: DNS has no key for this signature, and is asked again for a day;"
        " if the key is known to you, pin it under trust.dkim_keys"
    ),
    "journal-broken": (
        "run `token-catcher audit verify`; put the journal back from a copy, or move it away"
        " with the files beside it (journal*)"
    ),
    "journal-head": (
        "give the .head file beside the journal back to its owner (mode 0600); it is not made anew,"
        " since it shows what was cut off"
    ),
    "journal-write": (
        "make room for the journal, or mount its file system writable; the mail stays unsettled"
        " until its record is on disk"
    ),
    "journal-busy": (
        "look at the process that is named: `ps PID` says T where it is stopped; continue it with"
        " `kill -CONT PID`, or end it: mail that waits is stored by itself after that"
    ),
    "checkpoint-write": (
        "make room in state_dir, or mount its file system writable; at worst settled mail is looked"
        " at once more"
    ),
    "secret": "put the secret back (mode 0600); it is read anew at the next login",
    "running": (
        "stop the other daemon, or give this one a state_dir of its own; `scan` is safe"
        " beside a daemon"
    ),
    "state": "check that state_dir exists, is ours, can be written and has room",
    "state-busy": (
        "look at the process that is named: `ps PID` says T where it is stopped; continue it with"
        " `kill -CONT PID`, or end it"
    ),
    "locks": (
        "put state_dir on a local disk, or mount its file system with locks (NFS: without `nolock`)"
    ),
    "org-ids": (
        "give the file back to its owner alone (mode 0600); if nobody knows how it changed, set"
        " org_id on every org and remove it"
    ),
    "release-unknown": "`token-catcher held` shows the mails that wait, and their ids",
    "release-missing": (
        "put the closed files of the journal (journal-000001.jsonl, …) back beside it"
    ),
    "release-gone": "put the mail back into a watched folder, or reset the token once more",
    "busy": "another sweep of this mailbox is running; try again when it has ended",
}
"""By error code; codes that are not here go away by themselves."""

ADVICE: Final[Mapping[Reason, str]] = {
    Reason.UNKNOWN_SENDER: (
        "if your org's token mail comes from this address, add it to trust.senders; where it is"
        " listed and the name beside it is odd, store by hand if genuine"
    ),
    Reason.WEAK_SIGNATURE: (
        "the server vouches for the mail, but no signature of Salesforce's that covers all that"
        " counts is left in it: have the server keep DKIM-Signature fields (docs/mailboxes.md), or"
        " compare the mail with Salesforce and store by hand"
    ),
    Reason.WRONG_RECIPIENT: (
        "if the address in To is the mailbox's own, add it, or a pattern for it, to"
        " mailboxes[].addresses"
    ),
    Reason.DATE_OUT_OF_BOUNDS: (
        "if the mail was kept back (a quarantine, say) and the token is still the valid one,"
        " release it or raise trust.max_delay; if a clock is wrong, correct it or raise"
        " trust.clock_skew"
    ),
    Reason.BAD_DATE: (
        "not all programs read this Date alike, so it cannot be told whether the token is the"
        " newest: store by hand if genuine, or reset the token once more"
    ),
    Reason.BAD_SIGNATURE: (
        "the receiving server passed the mail, and its signature does not fit any more: a signed"
        " field was rewritten after that, or the key was revoked. Compare the mail with Salesforce"
        " and store by hand, or reset the token once more; if your server rewrites all such mail,"
        " see docs/mailboxes.md"
    ),
    Reason.BAD_USERNAME: (
        "something on its way changed the username (a link, invisible marks): look at the mail,"
        " store by hand if genuine"
    ),
    Reason.UNREADABLE: "this is a fault of ours: store this token by hand and report it",
    Reason.UNKNOWN_SUBJECT: (
        "if your mail system put something such as [EXTERNAL] in front, add that to"
        " trust.subject_tags; if this is Salesforce's subject in the user's language, add it to"
        " trust.subjects"
    ),
    Reason.UNKNOWN_LAYOUT: (
        "Salesforce changed the mail: store this token by hand and report the layout"
    ),
    Reason.AMBIGUOUS_CLAIM: (
        "more than one username or token stands in the mail: look at it, store by hand if genuine"
    ),
    Reason.UNEXPECTED_PART: (
        "the mail has parts a token mail never had: look at it, store by hand if genuine"
    ),
    Reason.UNKNOWN_USER: "if the user is yours, add the username to an org's usernames",
    Reason.AMBIGUOUS_ORG: (
        "two orgs match: set environment and org_id on both, or name the user in the one"
    ),
    Reason.WRONG_ORG: (
        "the mail comes from another org than org_id says, or than the org's first mail did: if it"
        " is yours (a refreshed sandbox, say), set org_id to the id in the mail; ignore a"
        " stranger's org"
    ),
    Reason.WRONG_ENVIRONMENT: (
        "a sandbox's mail for a production org: add a sandbox org with the username; a mail without"
        " `Sandbox: ` for a sandbox: if it is yours, set org_id on that org"
    ),
    Reason.SECRET_DELETED: (
        "the secret was deleted on purpose: undelete it or remove its metadata in Vault, or set"
        " vault.on_deleted to write"
    ),
    Reason.UNKNOWN_AGE: (
        "somebody else wrote this secret, perhaps after the reset: remove its token if the"
        " mail's is newer"
    ),
    Reason.SAME_DATE: "two different tokens with the same Date: reset the token once more",
    Reason.CLOCKS_DISAGREE: (
        "of two tokens one is newer by the Date of its mail and the other by its arrival: set the"
        " clock of the mail server, and reset the token once more after both Dates have passed"
    ),
    Reason.NO_KEY: (
        "there is no key to check the signature with (before the daemon holds such a mail it has"
        " asked DNS again, for a day at least): check the resolvers of this machine, pin the key"
        " under trust.dkim_keys, or reset the token once more; the mail may be forged"
    ),
    Reason.UNAUTHENTICATED: (
        "nobody could vouch for the mail: compare trust.authserv_ids and authserv_zone with"
        " docs/mailboxes.md, or reset the token once more"
    ),
}
"""By reason of a held mail; after the change `token-catcher scan --again` settles it."""

IF_GENUINE: Final[Mapping[Reason, str]] = {
    Reason.WRONG_SENDER: (
        "Salesforce writes one plain address of its own domain in From: forwarded by hand or"
        " through a list, a token mail proves nothing"
    ),
    Reason.UNSIGNED: (
        "Salesforce signs all its mail: if this is genuine, something on its way took the"
        " signature off"
    ),
    Reason.BAD_SIGNATURE: (
        "if the server changes the mail it stores (Microsoft 365, Exchange) or puts tags in front"
        " of subjects, see docs/mailboxes.md"
    ),
    Reason.UNAUTHENTICATED: (
        "if this is genuine, compare trust.authserv_ids and authserv_zone with docs/mailboxes.md"
    ),
}
"""By reason of a refused mail that a mistake in the configuration may have caused.

Most refused mail asks for nobody, so only `explain` says it."""


def advice_for(reason: str | None, texts: Mapping[Reason, str] = ADVICE) -> str | None:
    """What a person does about a mail that ended for this reason.

    None: nothing, or it is a reason that this version does not know."""
    for known, text in texts.items():
        if known == reason:
            return text
    return None


def next_step(code: str) -> str | None:
    """What a person does about an error with this code; None: nothing.

    The longest known beginning of the code wins: `imap-login-throttled` falls back to
    `imap-login`."""
    matches = [known for known in NEXT_STEP if f"{code}-".startswith(f"{known}-")]
    if not matches:
        return None
    return NEXT_STEP[max(matches, key=len)]
