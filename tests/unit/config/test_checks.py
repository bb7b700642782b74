"""What is told of values that do not do: of each its place, what was got, what is expected."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.unit.config.texts import CANARY, MINIMAL, changed, load, refusal_of, write_secret
from token_catcher.config import Config

BROKEN = """\
state_dri: /var/lib/token-catcher
mailboxes:
  - name: integrations
    host: imaps://imap.example.com
    port: 99999
    tls: ssl
    username: sf@example.com
    password: hunter2-canary
    poll: 10 minutes
  - name: integrations
    host: imap.example.com
    host: imap2.example.com
    tls: none
    username: service
    password: {file: nowhere}
  - host: imap.example.com
    username: sf@example.com
    password: {flie: hunter2-canary}
    idle: yes
orgs:
  - name: acme/production
    environment: prod
    usernames: [integration]
    org_id: 00D123
  - name: acme-eu
    usernames: ["*@acme.example"]
  - name: acme-us
    usernames: ["etl*@acme.example"]
vault:
  address: http://vault.example.com:8200
  auth: {method: aprole, role_id: x, secret_id: hunter2-canary}
  path: salesforce/{user}
trust:
  policy: auto
  senders: []
  authserv_zone: {received_above: 0}
http: {listen: localhost}
shard: {index: 2, count: 2}
log: {level: loud}
"""
PATH_FORM = "segments of letters, digits and . _ + - ' @, none empty or ending in a period"
NAME_FORM = "1 to 64 letters, digits and . _ -, a letter or digit first"
USERNAME_FORM = (
    "a Salesforce username such as integration@acme.example, or a pattern such as *@acme.example"
)


TOLD = f"""\
1: state_dri: got an unknown key (did you mean 'state_dir'?), expected one of state_dir, \
instance, mailboxes, orgs, vault, trust, journal, http, shard, notify, verify, log
4: mailboxes[0].host: got 'imaps://imap.example.com', expected a host name or an IP address \
alone, in ASCII
5: mailboxes[0].port: got 99999, expected a port, 1 to 65535
6: mailboxes[0].tls: got 'ssl', expected implicit, starttls or none
8: mailboxes[0].password: got a literal, expected {{file: PATH}} or {{env: NAME}}: secrets are \
not written here
9: mailboxes[0].poll: got '10' …, expected a duration such as 90s, 10m, 2h or 14d, at most 3650d
10: mailboxes[1].name: got 'integrations', the name of mailboxes[0], expected a name of its own
12: mailboxes[1].host: got the key again (first on line 11), expected each key once
13: mailboxes[1].tls: got none for the host imap.example.com, expected implicit or starttls: \
plaintext is only for loopback
15: mailboxes[1].password: got no such file in HOME, expected the path of an existing file
16: mailboxes[2].name: got nothing, expected {NAME_FORM}
18: mailboxes[2].password: got an unknown key (did you mean 'file'?), expected {{file: PATH}} or \
{{env: NAME}}
19: mailboxes[2].idle: got 'yes', expected true or false
21: orgs[0].name: got 'acme/production', expected a plain path segment: letters, digits \
and . _ + - ' @, not ending in a period
22: orgs[0].environment: got 'prod', expected production or sandbox
23: orgs[0].usernames[0]: got 'integration', expected {USERNAME_FORM}
24: orgs[0].org_id: got '00D123', expected an org id: 00D and 12 more letters and digits, or 15
28: orgs[2].usernames: got *@acme.example and etl*@acme.example, which orgs[1] (acme-eu) claims \
as well, expected another environment, or names in place of patterns (an org_id is unsigned)
30: vault.address: got 'http://vault.example.com:8200', expected https://HOST, with \
:PORT and /PATH if needed (http:// only to loopback), or unix:///PATH
31: vault.auth.method: got another one (did you mean 'approle'?), expected approle or \
kubernetes or jwt or cert or userpass or token or none
32: vault.path: got 'salesforce/{{user}}', expected a plain path with {{username}}, and {{org}} \
if wanted, each as a segment of its own: {PATH_FORM}
33: trust.authserv_ids: got an empty list, expected the names of the receiving server, which the \
policy auto believes
35: trust.senders: got an empty list, expected at least one
36: trust.authserv_zone: got a mapping, expected above-first-received, unique, or \
{{received_above: N}} with N from 1 to 20
37: http.listen: got 'localhost', expected HOST:PORT, such as 127.0.0.1:9464
38: shard.index: got 2, expected less than count (2)
39: log.level: got 'loud', expected debug, info, warning or error"""
"""What is told of it, by line; HOME stands for its directory."""


def test_all_mistakes_are_told_at_once(home: Path) -> None:
    """Each with file, line, key, what was got and what is expected, in the file's order."""
    expected = [f"config.yaml:{line}" for line in TOLD.splitlines()]
    assert refusal_of(home, BROKEN).replace(str(home), "HOME").splitlines() == expected


SERVER = "the names of the receiving server, which the policy {} believes"
PORT_FORM = "HOST:PORT, such as 127.0.0.1:9464"
VAULT_FORM = (
    "https://HOST, with :PORT and /PATH if needed (http:// only to loopback), or unix:///PATH"
)
ACTION_FORM = "expected none, seen, delete, {flag: NAME} or {move: FOLDER}"
FLAG_FORM = (
    "expected a keyword of letters, digits and marks such as $Label1, or \\Seen, \\Flagged,"
    " \\Answered, \\Draft"
)
ZONE_FORM = "above-first-received, unique, or {received_above: N} with N from 1 to 20"
OWN_FORM = (
    "an e-mail address alone, in ASCII, or a pattern such as ops+*@example.com or"
    " *@tokens.example.com"
)
SENDER_FORM = "an e-mail address alone, in ASCII, and no pattern"
DOMAIN_FORM = "a domain such as salesforce.com, not a top-level one alone"
SERVER_FORM = (
    "the name of a server as it writes it, such as mx.example.com, a pattern such as"
    " *.example.com, or '' where it gives no name"
)
TAG_FORM = "text that a subject begins with, such as [EXTERNAL], without `Sandbox` in it"
GOOGLE_FORMS = "service_account, or impersonate, or client_id with client_secret and refresh_token"
INDEX_FORM = "a number from 0, or auto (the number at the end of the host name)"

MISTAKES = {
    # of a mailbox
    "a list of nothing": ("mailboxes: []", "mailboxes: got an empty list, expected at least one"),
    "a mapping for a list": ("mailboxes: {}", "mailboxes: got a mapping, expected a list"),
    "the host with its port": (
        "host: x:993",
        "mailboxes[0].host: got 'x:993', expected a host name or an IP address alone, in ASCII",
    ),
    "a port of 0": ("port: 0", "mailboxes[0].port: got 0, expected a port, 1 to 65535"),
    "a port as text": ("port: '993'", "mailboxes[0].port: got '993', expected a port, 1 to 65535"),
    "a port that is true": (
        "port: true",
        "mailboxes[0].port: got true, expected a port, 1 to 65535",
    ),
    "a name with blanks": ("name: a b", f"mailboxes[0].name: got 'a' …, expected {NAME_FORM}"),
    "a number for a name": ("name: 7", f"mailboxes[0].name: got 7, expected {NAME_FORM}"),
    "no TLS elsewhere": (
        "{tls: none, host: x}",
        "mailboxes[0].tls: got none for the host x, expected implicit or starttls: plaintext is"
        " only for loopback",
    ),
    "no address at all": (
        "username: bob",
        "mailboxes[0].addresses: got none, and username is not an address, expected the To"
        " addresses that are ours, such as [sf-integration@example.com]",
    ),
    "an empty list of addresses": (
        "addresses: []",
        "mailboxes[0].addresses: got an empty list, expected at least one",
    ),
    "an address with a name": (
        "addresses: [Ops <ops@example.com>]",
        f"mailboxes[0].addresses[0]: got 'Ops' …, expected {OWN_FORM}",
    ),
    "a pattern of any domain": (
        "addresses: ['ops@*.com']",
        f"mailboxes[0].addresses[0]: got 'ops@*.com', expected {OWN_FORM}",
    ),
    "a pattern over the @": (
        "addresses: ['*']",
        f"mailboxes[0].addresses[0]: got '*', expected {OWN_FORM}",
    ),
    "a host that is too long": (
        f"host: {64 * 'a.b.'}c",
        f"mailboxes[0].host: got '{15 * 'a.b.'}...', expected a host name or an IP address alone,"
        " in ASCII",
    ),
    "a lone surrogate": ('state_dir: "\\ud800"', "state_dir: got '\\ud800', expected a path"),
    "no CA": ("ca_file: no.pem", "mailboxes[0].ca_file: got no.pem, expected an existing file"),
    "a CA without certificates": (
        "ca_file: imap-password",
        "mailboxes[0].ca_file: got imap-password, which holds none, expected a file of PEM"
        " certificates",
    ),
    "poll as a number": (
        "poll: 60",
        "mailboxes[0].poll: got 60, expected a duration such as 90s, 10m, 2h or 14d, at most 3650d",
    ),
    "the inbox once more": (
        "folders: {also: [INBOX]}",
        "mailboxes[0].folders.also: got 'INBOX' twice, expected each watched folder once",
    ),
    "the spam folder once more": (
        "folders: {spam: Bulk, also: [Filed, Bulk]}",
        "mailboxes[0].folders.also: got 'Bulk' twice, expected each watched folder once",
    ),
    "more than ten folders": (
        "folders: {also: [a, b, c, d, e, f, g, h, i]}",
        "mailboxes[0].folders.also: got 9, expected at most 8 folders besides inbox and spam",
    ),
    "a folder that is a list": (
        "folders: {inbox: []}",
        "mailboxes[0].folders.inbox: got an empty list, expected text on one line",
    ),
    # of an org
    "a path in an org's name": (
        "ORG name: ..",
        "orgs[0].name: got '..', expected a plain path segment: letters, digits and . _ + - ' @,"
        " not ending in a period",
    ),
    "any user": (
        "ORG usernames: ['*']",
        f"orgs[0].usernames[0]: got '*', expected {USERNAME_FORM}",
    ),
    "any domain": (
        "ORG usernames: ['*@*.*']",
        f"orgs[0].usernames[0]: got '*@*.*', expected {USERNAME_FORM}",
    ),
    "the Kelvin sign": (
        "ORG usernames: ['\u212a@x']",
        f"orgs[0].usernames[0]: got '\\u212a@x', expected {USERNAME_FORM}",
    ),
    "one username alone": ("ORG usernames: a@b.c", "orgs[0].usernames: got text, expected a list"),
    "an org id of 16": (
        f"ORG org_id: 00D{13 * 'x'}",
        "orgs[0].org_id: got '00Dxxxxxxxxxxxxx', expected an org id: 00D and 12 more letters and"
        " digits, or 15",
    ),
    # of Vault
    "Vault without a scheme": (
        "VAULT address: vault:8200",
        f"vault.address: got 'vault:8200', expected {VAULT_FORM}",
    ),
    "Vault with the path that each request has": (
        "VAULT address: https://v/v1",
        f"vault.address: got 'https://v/v1', expected {VAULT_FORM}",
    ),
    "Vault with that below another": (
        "VAULT address: https://v/vault/v1/",
        f"vault.address: got 'https://v/vault/v1/', expected {VAULT_FORM}",
    ),
    "Vault with a path that leads elsewhere": (
        "VAULT address: https://v/vault/../x",
        f"vault.address: got 'https://v/vault/../x', expected {VAULT_FORM}",
    ),
    "Vault with a query": (
        "VAULT address: https://v/?x=1",
        f"vault.address: got 'https://v/?x=1', expected {VAULT_FORM}",
    ),
    "one of the nodes without a scheme": (
        "VAULT address: [https://v1, v2:8200]",
        f"vault.address[1]: got 'v2:8200', expected {VAULT_FORM}",
    ),
    "no node at all": (
        "VAULT address: []",
        "vault.address: got an empty list, expected at least one",
    ),
    "a node twice": (
        "VAULT address: [https://v1, https://v2, 'HTTPS://v1/']",
        "vault.address: got https://v1 twice, expected each address once",
    ),
    "a socket beside a node": (
        "VAULT address: [https://v1, unix:///run/agent.sock]",
        "vault.address: got the socket unix:///run/agent.sock among others, expected https://"
        " addresses of one cluster, or the socket alone",
    ),
    "an address that is a number": (
        "VAULT address: 8200",
        f"vault.address: got 8200, expected {VAULT_FORM}",
    ),
    "a version of KV that there is not": (
        "VAULT kv_version: 3",
        "vault.kv_version: got 3, expected 1 or 2",
    ),
    "a version of KV as text": (
        "VAULT kv_version: '1'",
        "vault.kv_version: got '1', expected 1 or 2",
    ),
    "a version of KV that is true": (
        "VAULT kv_version: true",
        "vault.kv_version: got true, expected 1 or 2",
    ),
    "a socket by a relative path": (
        "VAULT address: unix://run/agent.sock",
        f"vault.address: got 'unix://run/agent.sock', expected {VAULT_FORM}",
    ),
    "a client certificate that is not there": (
        "VAULT client_certificate: {file: missing}",
        "vault.client_certificate.file: got missing, expected an existing file",
    ),
    "a client certificate that is none": (
        "VAULT client_certificate: {file: imap-password}",
        "vault.client_certificate: got no certificate, expected one in PEM",
    ),
    "Vault with a user": (
        f"VAULT address: https://u:{CANARY}@v",
        f"vault.address: got an address with a user's name in it, expected {VAULT_FORM}",
    ),
    "Vault with a bad port": (
        "VAULT address: https://v:99999",
        f"vault.address: got 'https://v:99999', expected {VAULT_FORM}",
    ),
    "no method": (
        "VAULT auth: {}",
        "vault.auth.method: got nothing, expected approle or kubernetes or jwt or cert or userpass"
        " or token or none",
    ),
    "a misspelt key of a method": (
        "VAULT auth: {method: approle, roll_id: x, secret_id: {file: imap-password}}",
        "vault.auth.role_id: got nothing, expected text on one line\n"
        "vault.auth.…: got an unknown key (did you mean 'role_id'?), expected one of method,"
        " role_id, wrapped_secret_id, secret_id, mount, namespace",
    ),
    "a role without its secret": (
        "VAULT auth: {method: approle, role_id: x}",
        "vault.auth.secret_id: got nothing, expected {file: PATH} or {env: NAME}, or"
        " wrapped_secret_id",
    ),
    "a role with two secrets": (
        "VAULT auth: {method: approle, role_id: x, secret_id: {file: imap-password},"
        " wrapped_secret_id: {env: VAULT_TOKEN}}",
        "vault.auth.secret_id: got both, expected one of secret_id and wrapped_secret_id",
    ),
    "a secret of a role in the file itself": (
        f"VAULT auth: {{method: approle, role_id: x, wrapped_secret_id: {CANARY}}}",
        "vault.auth.wrapped_secret_id: got a literal, expected {file: PATH} or {env: NAME}: secrets"
        " are not written here",
    ),
    "a token with a blank in it": (
        "VAULT auth: {method: token, token: {file: imap-password}}",
        "vault.auth.token: got a blank, a second line, or a character that is not ASCII, expected"
        " the token alone on one line",
    ),
    "a wrapping token with a blank in it": (
        "VAULT auth: {method: approle, role_id: x, wrapped_secret_id: {file: imap-password}}",
        "vault.auth.wrapped_secret_id: got a blank, a second line, or a character that is not"
        " ASCII, expected the token alone on one line",
    ),
    "a service account outside of Kubernetes": (
        "VAULT auth: {method: kubernetes, role: x}",
        "vault.auth.jwt: got no such file, nor its directory, expected the path of an existing"
        " file",
    ),
    "a JWT in the file itself": (
        f"VAULT auth: {{method: jwt, role: x, jwt: {CANARY}}}",
        "vault.auth.jwt: got a literal, expected {file: PATH} or {env: NAME}: secrets are not"
        " written here",
    ),
    "a certificate that is not there": (
        "VAULT auth: {method: cert}",
        "vault.auth: got cert without one, expected vault.client_certificate beside it, to be"
        " shown",
    ),
    "a username that leads elsewhere": (
        "VAULT auth: {method: userpass, username: ../x, password: {file: imap-password}}",
        "vault.auth.username: got text, expected a plain path segment: letters, digits and"
        " . _ + - ' @, not ending in a period",
    ),
    "a mount for no login": (
        "VAULT auth: {method: none, mount: x}",
        "vault.auth.mount: got an unknown key, expected one of method",
    ),
    "auth that is text": (f"VAULT auth: {CANARY}", "vault.auth: got text, expected a mapping"),
    "a mount outside": (
        "VAULT mount: ../x",
        f"vault.mount: got '../x', expected a plain path: {PATH_FORM}",
    ),
    "a field of ours": (
        "VAULT field: security_token_issued_at",
        "vault.field: got 'security_token_issued_at', expected another name than those of the"
        " fields beside it",
    ),
    # of trust
    "half a word of warning": (
        "trust: {policy: insecure}",
        "trust.policy: got 'insecure', expected dkim, authentication-results, auto, both or"
        " insecure-accept-unauthenticated",
    ),
    "nobody's word": (
        "trust: {policy: both}",
        f"trust.authserv_ids: got an empty list, expected {SERVER.format('both')}",
    ),
    "no senders": (
        "trust: {senders: []}",
        "trust.senders: got an empty list, expected at least one",
    ),
    "no domains": (
        "trust: {signing_domains: []}",
        "trust.signing_domains: got an empty list, expected at least one",
    ),
    "a pattern of senders": (
        "trust: {senders: ['*@salesforce.com']}",
        f"trust.senders[0]: got '*@salesforce.com', expected {SENDER_FORM}",
    ),
    **{
        f"the signing domain {domain}": (
            f"trust: {{signing_domains: [salesforce.com, '{domain}']}}",
            f"trust.signing_domains[1]: got '{domain}', expected {DOMAIN_FORM}",
        )
        for domain in ("com", "*.salesforce.com", "salesforce.com.", "192.0.2.1", "2001:db8::1")
    },
    **{
        f"the server {server}": (
            f"trust: {{authserv_ids: ['', '{server}']}}",
            f"trust.authserv_ids[1]: got {server!a}, expected {SERVER_FORM}",
        )
        for server in (
            "*",
            "*.",
            "*.com",
            "*.192.0.2.1",
            "*example.com",
            "mx*.example.com",
            "mx.*.com",
            "mx.example.com;",
            "dkim=pass",
            "m\u00fcller.example",
        )
    },
    "the server's whole field": (
        "trust: {authserv_ids: ['mx.example.com; dkim=pass']}",
        f"trust.authserv_ids[0]: got 'mx.example.com;' …, expected {SERVER_FORM}",
    ),
    "no subjects": (
        "trust: {subjects: []}",
        "trust.subjects: got an empty list, expected at least one",
    ),
    "a subject with the prefix": (
        "trust: {subjects: ['Sandbox: Your']}",
        "trust.subjects[0]: got 'Sandbox:' …, expected a subject on one line, without `Sandbox: `,"
        " which is understood",
    ),
    "the prefix inside a subject": (
        "trust: {subjects: ['[EXTERNAL] Sandbox: Your']}",
        "trust.subjects[0]: got '[EXTERNAL]' …, expected a subject on one line, without"
        " `Sandbox: `, which is understood",
    ),
    "the prefix as a tag": (
        "trust: {subject_tags: ['[EXTERNAL]', 'Sandbox:']}",
        f"trust.subject_tags[1]: got 'Sandbox:', expected {TAG_FORM}",
    ),
    "a tag that is blank": (
        "trust: {subject_tags: [' ']}",
        f"trust.subject_tags[0]: got '', expected {TAG_FORM}",
    ),
    "a delay without a unit": (
        "trust: {max_delay: 24}",
        "trust.max_delay: got 24, expected a duration such as 90s, 10m, 2h or 14d, at most 3650d",
    ),
    "a zone of another name": (
        "trust: {authserv_zone: top}",
        f"trust.authserv_zone: got 'top', expected {ZONE_FORM}",
    ),
    "no pinned keys": (
        "trust: {dkim_keys: no}",
        "trust.dkim_keys: got no, expected an existing file",
    ),
    "a name that no file can have": (
        f"trust: {{dkim_keys: {300 * 'k'}}}",
        f"trust.dkim_keys: got {300 * 'k'} (File name too long), expected a file that we can read",
    ),
    # of the rest
    "listening on no host": (
        "http: {listen: 'a_b c:80'}",
        f"http.listen: got 'a_b' …, expected {PORT_FORM}",
    ),
    "listening on true": ("http: {listen: true}", f"http.listen: got true, expected {PORT_FORM}"),
    "a path that is a list": ("state_dir: []", "state_dir: got an empty list, expected a path"),
    "listening on port 0": (
        "http: {listen: '127.0.0.1:0'}",
        f"http.listen: got '127.0.0.1:0', expected {PORT_FORM}",
    ),
    "a negative shard": (
        "shard: {count: 2, index: -1}",
        f"shard.index: got -1, expected {INDEX_FORM}",
    ),
    "a shard that is true": (
        "shard: {count: 2, index: true}",
        f"shard.index: got true, expected {INDEX_FORM}",
    ),
    "too many replicas": (
        "shard: {count: 2, index: 1, replicas: 3}",
        "shard.replicas: got 3, expected at most count (2)",
    ),
    "half a shard": ("shard: {count: 2}", f"shard.index: got nothing, expected {INDEX_FORM}"),
    "null for a section": ("log: null", "log: got null, expected a mapping"),
    "no login": (
        "password: null",
        "mailboxes[0]: got none of them, expected one of password, oauth2, client_certificate",
    ),
    # of what is done to a settled mail
    "an action of another name": (
        "after_capture: seem",
        f"mailboxes[0].after_capture: got another word (did you mean 'seen'?), {ACTION_FORM}",
    ),
    "an action with another key": (
        "after_capture: {moved: Done}",
        f"mailboxes[0].after_capture: got an unknown key (did you mean 'move'?), {ACTION_FORM}",
    ),
    "two actions": (
        "after_capture: {move: Done, flag: x}",
        f"mailboxes[0].after_capture: got several keys, {ACTION_FORM}",
    ),
    "no action": (
        "after_capture: {}",
        f"mailboxes[0].after_capture: got a mapping, {ACTION_FORM}",
    ),
    "a list of actions": (
        "after_capture: [seen]",
        f"mailboxes[0].after_capture: got a list, {ACTION_FORM}",
    ),
    "the flag that removes": (
        "after_capture: {flag: \\Deleted}",
        f"mailboxes[0].after_capture: got \\Deleted: `delete` removes the mail, {FLAG_FORM}",
    ),
    "a flag that is the server's": (
        "after_capture: {flag: \\Recent}",
        f"mailboxes[0].after_capture: got a system flag that no client may set, {FLAG_FORM}",
    ),
    "a flag with a blank": (
        "after_capture: {flag: to do}",
        f"mailboxes[0].after_capture: got a flag that no IMAP server takes, {FLAG_FORM}",
    ),
    "a flag that is a number": (
        "after_capture: {flag: 1}",
        f"mailboxes[0].after_capture: got a flag that is no text, {FLAG_FORM}",
    ),
    "a move to nowhere": (
        "after_capture: {move: ''}",
        "mailboxes[0].after_capture: got no name of a folder, expected {move: FOLDER}, the"
        " folder's full name on the server",
    ),
    **{
        f"a move to the watched {folder}": (
            "{folders: {inbox: InBox, spam: Bulk, also: [Alerts]},"
            f" after_capture: {{move: {folder}}}}}",
            f"mailboxes[0].after_capture: got '{folder}', a watched folder, expected another one:"
            " from there, each mail would come back",
        )
        for folder in ("INBOX", "Bulk", "Alerts")
    },
    "Google without a form": (
        "{password: null, oauth2: {provider: google}}",
        f"mailboxes[0].oauth2: got none of them, expected {GOOGLE_FORMS}",
    ),
    "Google in two forms": (
        "{password: null, oauth2: {provider: google, impersonate: a@b.example,"
        " service_account: {file: imap-password}}}",
        f"mailboxes[0].oauth2: got service_account and impersonate, expected {GOOGLE_FORMS}",
    ),
    "half a sign-in at Google": (
        "{password: null, oauth2: {provider: google, client_id: x,"
        " refresh_token: {file: imap-password}}}",
        f"mailboxes[0].oauth2: got client_id and refresh_token, expected {GOOGLE_FORMS}",
    ),
    "a token endpoint without TLS": (
        "{password: null, oauth2: {provider: custom, client_id: x, token_url: http://a.example/t,"
        " client_secret: {file: imap-password}}}",
        "mailboxes[0].oauth2.token_url: got 'http://a.example/t', expected https://HOST/PATH, with"
        " :PORT if needed (http:// only to loopback)",
    ),
    "a token endpoint with a query": (
        "{password: null, oauth2: {provider: custom, client_id: x, token_url:"
        f" 'https://a.example/t?secret={CANARY}', client_secret: {{file: imap-password}}}}}}",
        "mailboxes[0].oauth2.token_url: got an address with a query in it, expected"
        " https://HOST/PATH, with :PORT if needed (http:// only to loopback)",
    ),
    "another mechanism": (
        "{password: null, oauth2: {provider: external, mechanism: XOAUTH, token: {file:"
        " imap-password}}}",
        "mailboxes[0].oauth2.mechanism: got 'XOAUTH', expected auto, xoauth2 or oauthbearer",
    ),
    "an anchor where nothing checks and sets": (
        "{journal: {anchor: true}, vault: {address: 'http://127.0.0.1:8200', kv_version: 1, auth:"
        " {method: token, token: {env: VAULT_TOKEN}}}}",
        "journal: got anchor with kv_version 1, expected anchor: false: version 1 has no"
        " check-and-set",
    ),
    "a journal with the key of a few characters": (
        "journal: {key: {file: imap-password}}",
        "journal.key: got one of 13 characters, expected at least 32 characters a line: openssl"
        " rand -hex 32",
    ),
}


@pytest.mark.parametrize(("written", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake(home: Path, written: str, expected: str) -> None:
    """Of its place, what was got and what is expected, and nothing else."""
    data = YAML(typ="safe", pure=True).load(MINIMAL)
    sections = {"ORG": data["orgs"][0], "VAULT": data["vault"]}
    word, _, rest = written.partition(" ")
    change = YAML(typ="safe", pure=True).load(rest if word in sections else written)
    if word in sections:
        sections[word].update(change)
    elif set(change) <= set(Config.model_fields):
        data.update(change)
    else:
        data["mailboxes"][0].update(change)
    assert (
        re.sub(r"config.yaml:\d+: ", "", refusal_of(home, json.dumps(data, indent=1))) == expected
    )


@pytest.mark.parametrize("key", ["secret_id", "wrapped_secret_id"])
def test_a_secret_id_is_no_wrapping_token(home: Path, key: str) -> None:
    """Vault makes UUIDs of secret_ids, and never of tokens: told with its line, and not as one
    that somebody stole."""
    write_secret(home / "secret-id", "2f1c9d8e-6f2b-4a56-9d4e-0c1f7b3a5e64\n")
    auth = f"{{method: approle, role_id: x, {key}: {{file: secret-id}}}}"
    text = changed("{method: token, token: {env: VAULT_TOKEN}}", auth)
    if key == "secret_id":
        load(home, text)
        return
    assert refusal_of(home, text) == (
        "config.yaml:11: vault.auth.wrapped_secret_id: got a UUID, as a secret_id is that was not"
        " wrapped (no WRAP_TTL when it was made), expected the token alone on one line"
    )


PATHS = [
    "{org}",
    "x/{username}/../y",
    "./{username}",
    "a//{username}",
    "/{username}",
    "{username}/",
    "{username}.",
]
PATHS += [
    "{}{username}",
    "{username!r}",
    "{username}?",
    "%2e/{username}",
    "{user}/{username}",
    "a b/{username}",
    "*/{username}",
    "",
]
# With the same text for two pairs: `a-b` and `c@d`, `a` and `b-c@d`.
PATHS += [
    "{org}-{username}",
    "a/{org}.{username}/token",
    "{org}{username}",
    "{username}-token",
    "x-{org}/{username}",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_are_refused(home: Path, path: str) -> None:
    """Other placeholders, none for the user, one beside other text, dots and emptiness,
    and what Vault or HTTP read specially."""
    word, *more = path.split() or [""]
    got = f"{word!r} …" if more else repr(word)
    placeholders = "{username}, and {org} if wanted, each as a segment of its own"
    expected = f"a plain path with {placeholders}: {PATH_FORM}"
    refusal = refusal_of(home, MINIMAL + f"  path: {json.dumps(path)}\n")
    assert refusal == f"config.yaml:12: vault.path: got {got}, expected {expected}"


@pytest.mark.parametrize(
    "path", ["{username}", "{org}/{username}", "a/b.c/{org}/x/{username}/token"]
)
def test_paths_that_are_taken(home: Path, path: str) -> None:
    """Plain ones, with the placeholders as any of their segments."""
    assert load(home, MINIMAL + f"  path: '{path}'\n").vault.path == path


TWO_ORGS = """  - {{name: acme-eu, usernames: ["*@acme.example"], {one}}}
  - {{name: acme-us, usernames: ["*@acme.example"], {other}}}
"""


def two_orgs(one: str, other: str, path: str = "{org}/{username}") -> str:
    single = '  - name: acme\n    usernames: ["*@acme.example"]\n'
    return changed(single, TWO_ORGS.format(one=one, other=other)) + f"  path: '{path}'\n"


def test_orgs_that_mail_can_tell_apart(home: Path) -> None:
    """The same username in two orgs, where the environment tells them apart."""
    text = two_orgs("environment: production", "environment: sandbox")
    assert [org.name for org in load(home, text).orgs] == ["acme-eu", "acme-us"]


def test_orgs_that_only_an_unsigned_id_tells_apart(home: Path) -> None:
    """An org id is written by whoever has a copy of a mail: it chooses between no two orgs."""
    assert refusal_of(home, two_orgs("", f"org_id: 00D{12 * 'x'}")) == (
        "config.yaml:8: orgs[1].usernames: got *@acme.example, which orgs[0] (acme-eu) claims as"
        " well, expected another environment, or names in place of patterns (an org_id is unsigned)"
    )


def test_orgs_must_not_share_a_secret(home: Path) -> None:
    """A path without {org} puts the tokens of two orgs' users of one name into one place."""
    text = two_orgs("environment: production", "environment: sandbox", path="sf/{username}")
    expected = "got one path for *@acme.example of acme-eu and of acme-us, expected {org} in it"
    assert refusal_of(home, text) == f"config.yaml:12: vault.path: {expected}"


def test_a_mistake_in_one_org_hides_no_overlap_of_others(home: Path) -> None:
    """Orgs are compared where they can be read."""
    text = two_orgs("org_id: 00D", "").replace(
        "orgs:\n", 'orgs:\n  - {name: acme, usernames: ["*@acme.example"]}\n'
    )
    assert [line.split(",")[0] for line in refusal_of(home, text).splitlines()] == [
        "config.yaml:8: orgs[1].org_id: got '00D'",
        "config.yaml:9: orgs[2].usernames: got *@acme.example",
    ]
