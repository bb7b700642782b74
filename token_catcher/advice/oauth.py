"""Token endpoints, and the sign-in of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

OAUTH: Final[Mapping[str, Advice]] = {
    "oauth-refused": Advice(
        301,
        "The token endpoint refuses, in words that are not known to us.",
        "look for this error in the documentation of the token endpoint, and in its own log",
    ),
    "oauth-refused-policy": Advice(
        302,
        "A policy of the tenant refuses this login (Conditional Access).",
        "Entra admin center > Sign-in logs says which policy; except the application, or the"
        " address of this machine, from it",
    ),
    "oauth-unreachable": Advice(
        303,
        "The token endpoint was not reached.",
        "check the network, and HTTPS_PROXY and NO_PROXY; then the host that the message names:"
        " it comes from oauth2.token_url (custom), or from cloud or authority (microsoft); the"
        " mail waits on the server",
    ),
    "oauth-throttled": Advice(
        304,
        "The token endpoint asks for a pause.",
        "nothing, if it passes: the token endpoint takes no more requests for now",
    ),
    "oauth-foreign": Advice(
        305,
        "Something answered in the place of the token endpoint.",
        "see what a proxy says in its place (HTTPS_PROXY, NO_PROXY); then the address: it comes"
        " from oauth2.token_url (custom), or from tenant, cloud and authority (microsoft); a"
        " maintenance passes by itself",
    ),
    "oauth-certificate": Advice(
        306,
        "The token endpoint's certificate is not trusted.",
        "have the system trust the authority that issued it (SSL_CERT_FILE names a file of"
        " others); a company's proxy may open TLS",
    ),
    "oauth-client": Advice(
        307,
        "The token endpoint does not know `client_id`.",
        "correct oauth2.client_id: the token endpoint knows no such client",
    ),
    "oauth-client-application": Advice(
        308,
        "Microsoft knows no application of this id in the tenant.",
        "copy the application (client) ID from Entra admin center > App registrations > the"
        " application > Overview into client_id; it is neither of the object IDs there",
    ),
    "oauth-client-certificate": Advice(
        309,
        "The token endpoint asks for a client certificate.",
        "this token endpoint wants a client certificate, which is not supported: use another"
        " one of its addresses, or provider external",
    ),
    "oauth-client-cloud": Advice(
        310,
        "The tenant is in another cloud of Microsoft's.",
        "set cloud to the one of that tenant (global, gcc-high, dod, china), or authority",
    ),
    "oauth-client-disabled": Advice(
        311,
        "The application is disabled.",
        "enable it: Entra admin center > Enterprise applications > the application > Properties"
        " > Enabled for users to sign in; ask first why it was disabled",
    ),
    "oauth-client-google": Advice(
        312,
        "Google does not know the client, or its secret is of another one.",
        "copy client ID and client secret of one and the same client from Google Auth Platform"
        " > Clients, and have the person sign in with it",
    ),
    "oauth-client-public": Advice(
        313,
        "The application may not be used without a secret, which a device code needs.",
        "Entra admin center > App registrations > the application > Authentication > Allow"
        " public client flows: Yes",
    ),
    "oauth-client-service-account": Advice(
        314,
        "Google does not know the service account.",
        "compare it with IAM & Admin > Service accounts; one that was deleted can be undeleted"
        " for 30 days, one that is made anew has another client ID to delegate to",
    ),
    "oauth-client-tenant": Advice(
        315,
        "Microsoft knows no such tenant.",
        "copy the tenant ID from Entra admin center > Overview into tenant; check cloud",
    ),
    "oauth-clock": Advice(
        316,
        "The token endpoint finds our clock wrong.",
        "set this machine's clock right: `timedatectl` says whether it follows a server",
    ),
    "oauth-command": Advice(
        317,
        "The command of `oauth2.token` failed, or printed no token.",
        "run oauth2.token.command as the service's user: it must print the token alone, on one"
        " line",
    ),
    "oauth-consent": Advice(
        318,
        "Nobody has consented to what the client asks for.",
        "grant the client this kind of login and its permissions where it is registered; an"
        " administrator has to consent",
    ),
    "oauth-consent-app": Advice(
        319,
        "The Workspace does not trust the client that a person signed in with.",
        "a super administrator trusts that client ID there, or signs in who is allowed to"
        " (docs/google-workspace.md)",
    ),
    "oauth-consent-application": Advice(
        320,
        "An administrator has not consented to the application's permissions.",
        "Entra admin center > App registrations > the application > API permissions > Grant"
        " admin consent (docs/microsoft-365.md)",
    ),
    "oauth-consent-assignment": Advice(
        321,
        "The application is only for users who are assigned to it.",
        "Entra admin center > Enterprise applications > the application > Users and groups:"
        " assign who signs in, or Properties > Assignment required: No",
    ),
    "oauth-consent-delegation": Advice(
        322,
        "The Workspace has not delegated this scope to the service account.",
        "a super administrator pastes that client ID and that scope there, letter by letter"
        " (docs/google-workspace.md)",
    ),
    "oauth-consent-principal": Advice(
        323,
        "The application has no service principal in the tenant.",
        "give the application its service principal: Grant admin consent under API permissions,"
        " or `az ad sp create --id CLIENT_ID`",
    ),
    "oauth-credential": Advice(
        324,
        "The secret, certificate or assertion is refused, or the client is not known.",
        "put a valid secret, certificate or assertion where oauth2 says: it is wrong or has"
        " expired, or oauth2.client_id is none that the token endpoint knows, for which it has the"
        " same word; what is in a file is read anew at the next try",
    ),
    "oauth-credential-assertion": Advice(
        325,
        "The assertion is not one that the application takes.",
        "compare issuer, subject and audience of the file's token with the federated"
        " credential: Entra admin center > App registrations > the application > Certificates &"
        " secrets > Federated credentials",
    ),
    "oauth-credential-assertion-time": Advice(
        326,
        "The assertion has expired, or is not valid yet.",
        "see whether somebody still renews that file (Kubernetes: a projected volume), then the"
        " clock of this machine: `timedatectl`",
    ),
    "oauth-credential-certificate": Advice(
        327,
        "The certificate is not one of the application's.",
        "upload the certificate (never the key) under Entra admin center > App registrations >"
        " the application > Certificates & secrets > Certificates; a new one counts after some"
        " minutes",
    ),
    "oauth-credential-certificate-expired": Advice(
        328,
        "The certificate has expired.",
        "make a new certificate, upload it, then replace the file (docs/microsoft-365.md); if"
        " that day has not come yet, check this machine's clock",
    ),
    "oauth-credential-client-secret": Advice(
        329,
        "The client secret is not the client's.",
        "make a new client secret under Google Auth Platform > Clients > the client, and put it"
        " into the file; the refresh token stays good",
    ),
    "oauth-credential-federated": Advice(
        330,
        "No federated credential of the application fits the assertion.",
        "compare issuer, subject and audience of the file's token with the federated"
        " credential: Entra admin center > App registrations > the application > Certificates &"
        " secrets > Federated credentials; a new one counts after some minutes",
    ),
    "oauth-credential-key": Advice(
        331,
        "The service account's key is refused, or is none.",
        "make a new key under IAM & Admin > Service accounts > the account > Keys, and replace"
        " the file: it is read anew at the next try; better: no key at all (impersonate)",
    ),
    "oauth-credential-secret": Advice(
        332,
        "The client secret is wrong; its ID may stand in place of its value.",
        "copy the Value of a new client secret into the file, which is shown once: Entra admin"
        " center > App registrations > the application > Certificates & secrets",
    ),
    "oauth-credential-secret-expired": Advice(
        333,
        "The client secret has expired.",
        "put a new one into the file: Entra admin center > App registrations > the application"
        " > Certificates & secrets; better: a certificate, whose end is told in time",
    ),
    "oauth-credential-workload": Advice(
        334,
        "The workload's token is refused.",
        "see whether somebody still renews that token (Kubernetes: a projected volume), then"
        " compare its issuer, subject and audience with IAM & Admin > Workload Identity"
        " Federation",
    ),
    "oauth-locked": Advice(
        335,
        "Another process renews the refresh token, and does not go on.",
        "look for a process that hangs with that lock file open",
    ),
    "oauth-scope": Advice(
        336,
        "The scope is not one that the client may have.",
        "correct oauth2.scope: the token endpoint has no such one for this client",
    ),
    "oauth-scope-application": Advice(
        337,
        "The scope is not one that an application may have.",
        "leave scope out, unless the cloud is one of your own; the permission must be one of"
        " Office 365 Exchange Online, not of Microsoft Graph (docs/microsoft-365.md)",
    ),
    "oauth-scope-google": Advice(
        338,
        "The scope does not open IMAP.",
        "leave `scope` out: the default opens IMAP",
    ),
    "oauth-scope-machine": Advice(
        339,
        "The machine's access scopes do not let it act as the service account.",
        "stop the machine, give it that access scope, start it; access scopes are not changed"
        " on a running one",
    ),
    "oauth-sign-in": Advice(
        340,
        "A person has to sign in: there is no refresh token, or it counts no longer.",
        "sign in: `token-catcher login --mailbox NAME`",
    ),
    "oauth-sign-in-account": Advice(
        341,
        "The account that signed in is disabled, or may not use the mailbox.",
        "enable the account, or sign in with another one that has full access to the mailbox:"
        " `token-catcher login --mailbox NAME`",
    ),
    "oauth-sign-in-scope": Advice(
        342,
        "The person signed in without the scope that is needed.",
        "have the person sign in with that scope: `token-catcher login --mailbox NAME`",
    ),
    "oauth-sign-in-session": Advice(
        343,
        "The Workspace ends sessions after a time, and a person has to sign in again.",
        "have the person sign in: `token-catcher login --mailbox NAME`; where that is too"
        " often, take a service account with delegation (docs/google-workspace.md)",
    ),
    "oauth-sign-in-declined": Advice(
        344,
        "The person declined on the page.",
        "start again, and agree on the page",
    ),
    "oauth-api": Advice(
        345,
        "An API that is needed is not enabled in the project.",
        "enable it in the project of the account, or of the workload identity pool, that this"
        " program runs as; it counts after some minutes",
    ),
    "oauth-device-code": Advice(
        346,
        "The device code ran out, or a policy blocks it.",
        "start again. Where the page says that a policy blocks it (Conditional Access, 'Block"
        " device code flow'), have it leave this application out, or log in as an application,"
        " which needs no person (docs/microsoft-365.md)",
    ),
    "oauth-pasted": Advice(
        347,
        "What was pasted is not the address that the page led to.",
        "start again; the whole line of the browser's address bar is wanted",
    ),
    "oauth-no-refresh-token": Advice(
        348,
        "The sign-in gave no refresh token.",
        "have the application ask for one: offline_access in its permissions, or in oauth2.scope",
    ),
    "oauth-file": Advice(
        349,
        "The refresh token's file cannot be replaced.",
        "make the directory of oauth2.refresh_token writable for the service's user, with room:"
        " each renewal replaces the file, and nothing is asked for that could not be kept",
    ),
    "oauth-source": Advice(
        350,
        "The file that says who we are to Google is not one that can be used.",
        "write the file with `gcloud iam workload-identity-pools create-cred-config`, and name it"
        " in GOOGLE_APPLICATION_CREDENTIALS; on a machine of Google Cloud unset that instead"
        " (docs/google-workspace.md)",
    ),
    "oauth-user": Advice(
        351,
        "Google knows no user of this address.",
        "set username to the primary address: Admin console > Directory > Users > the user;"
        " what mail comes to an alias goes under `addresses`",
    ),
    "oauth-extra": Advice(
        352,
        "What this provider needs is not installed.",
        "install what the message names; the image and an installation from"
        " requirements/production.txt have it",
    ),
    "oauth-impersonation": Advice(
        353,
        "We may not act as that service account.",
        "grant that role on the service account itself, as docs/google-workspace.md shows; it"
        " counts after some minutes",
    ),
    "oauth-tls": Advice(
        354,
        "What listens in the token endpoint's place does not speak TLS as it should.",
        "check HTTPS_PROXY, then the host and port that the message names: they come from"
        " oauth2.token_url (custom), or from authority (microsoft); something there does not speak"
        " TLS",
    ),
    "oauth-ending": Advice(
        355,
        "The program ends, and begins no further renewal of a refresh token.",
        "nothing: it is renewed at the next start",
    ),
    "oauth-proxy": Advice(
        356,
        "A variable of the environment names no proxy that could be used.",
        "set that variable to the address of an HTTP proxy, or name the token endpoint's host in"
        " NO_PROXY, where the program is started; then start it anew",
    ),
    "oauth-sign-in-mailbox": Advice(
        357,
        "The mail server refuses the person who has just signed in; the sign-in was not kept.",
        "sign in as somebody with full access to the mailbox: `token-catcher login --mailbox"
        " NAME`; where that was so, check username, and oauth2.scope where it is written",
    ),
    "oauth-code": Advice(
        358,
        "The code of the pasted address was used before, or is too old.",
        "start again, and paste the address at once: its code counts once, and for minutes",
    ),
    "oauth-key-file": Advice(
        359,
        "The service account's key file is not as Google wrote it.",
        "put the file in place as Google wrote it, without a change: IAM & Admin > Service"
        " accounts > the account > Keys gives a new one",
    ),
}
