"""Dovecot 2.3 with a configuration of its own.

IMAP over TLS and STARTTLS, delivery by LMTP, users without a database.
"""

from __future__ import annotations

import getpass
import grp
import imaplib
import os
import pwd
import re
import smtplib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import trustme
from imapclient.imap_utf7 import encode

from tests.kit.jwts import public_pem
from tests.kit.servers.process import (
    PASSWORD,
    USERNAME,
    Server,
    command,
    free_port,
    listens,
)
from tests.kit.tokens import TokenEndpoint
from tests.kit.waiting import PATIENCE, until

CONFIG = """\
base_dir = {home}/run
state_dir = {home}/run
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
hostname = mx.example.com
postmaster_address = postmaster@example.com
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 1
mail_location = {format}:~/mail
mail_fsync = never
mail_max_userip_connections = 0
auth_failure_delay = 0
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
ssl_min_protocol = TLSv1.2
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
lda_mailbox_autocreate = yes
{more}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%Lu {home}/users/%Lu
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%Lu
}}
namespace inbox {{
  inbox = yes
  separator = /
{spam}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_min_avail = 1
}}
service lmtp {{
  process_min_avail = 1
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""

ROOM = """\
default_process_limit = {processes}
default_client_limit = {clients}
default_vsz_limit = 1G
service imap {{
  process_limit = {processes}
}}
"""
ACL = """\
mail_plugins = acl
protocol imap {{
  mail_plugins = $mail_plugins imap_acl
}}
plugin {{
  acl = vfile:{home}/rights
}}
"""

OAUTH_PASSDB = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf.ext
}}
"""
OAUTH_LOCAL = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={home}/keys/
"""
OAUTH_ASKING = """\
introspection_mode = post
introspection_url = {url}/introspect
force_introspection = yes
active_attribute = active
active_value = true
timeout_msecs = 5000
"""
OAUTH_CLAIMS = """\
username_attribute = email
scope = mail
"""
CERTIFICATES = """\
ssl_ca = <{home}/ca.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
passdb {{
  driver = static
  mechanisms = external
  args = nopassword
}}
"""


@dataclass(frozen=True)
class _Accounts:
    """Whom the processes and the mail of the server belong to."""

    internal: str
    internal_group: str
    login: str
    mail: pwd.struct_passwd


def _accounts() -> _Accounts:
    """Started by root, mail belongs to `mail` and processes to Dovecot's users; else all to us."""
    if os.geteuid() == 0:
        return _Accounts("dovecot", "dovecot", "dovenull", pwd.getpwnam("mail"))
    us = pwd.getpwnam(getpass.getuser())
    return _Accounts(us.pw_name, grp.getgrgid(os.getgid()).gr_name, us.pw_name, us)


class Dovecot(Server):
    """Every user that is named exists from then on, with a mailbox of its own: one server, many
    tests. All have the same password.
    """

    host = "127.0.0.1"
    username = USERNAME
    password = PASSWORD

    def __init__(
        self,
        *,
        spam: str | None = "Junk",
        special_use: bool = True,
        mail_format: str = "maildir",
        hosts: Sequence[str] = ("localhost", "127.0.0.1"),
        oauth: TokenEndpoint | None = None,
        introspects: bool = False,
        certificates: bool = False,
        capability: str | None = None,
        ended: bool = False,
        acl: Mapping[str, str] | None = None,
        connections: int = 0,
    ) -> None:
        """`spam`: a folder that every mailbox has, marked \\Junk if `special_use`.

        `mail_format`: maildir or sdbox. `hosts`: what the certificate is for.
        `oauth`: whose access tokens are taken; checked by its public key, or by asking it where
        `introspects`. `certificates`: users may log in by a certificate of `ca` (EXTERNAL).
        `capability`: all that it announces; None: whatever it can do.
        `ended`: the server's certificate is not valid any more.
        `acl`: the rights of every owner by folder, as RFC 4314 has them; all where none are named.
        None: the server has no ACL.
        `connections`: as many at once, where they are more than it takes by default."""
        self._command = command("dovecot", "sudo apt-get install dovecot-imapd dovecot-lmtpd")
        super().__init__("dovecot")
        self.tls_port = free_port()
        self.port = free_port()
        self.lmtp_port = free_port()
        self.ca_file = self.home / "ca.pem"
        """Trusts the server's certificate."""
        self._hosts = hosts
        self._spam = spam
        self._special_use = special_use
        self._format = mail_format
        self._oauth = oauth
        self._introspects = introspects
        self._certificates = certificates
        self._capability = capability
        self._acl = acl
        self._connections = connections
        self._ends_at = None
        if ended:
            self._ends_at = datetime(2026, 1, 1, tzinfo=UTC)
        self._configured = self.home / "dovecot.conf"
        self._prepare()

    def start(self) -> None:
        """Returns when all three ports answer."""
        words = [self._command, "-F", "-c", str(self._configured)]
        self._spawn(words, self._listens)

    def _listens(self) -> bool:
        return listens(self.tls_port) and listens(self.port) and listens(self.lmtp_port)

    def user(self, name: str = USERNAME, password: str = PASSWORD) -> str:
        """Make sure that the user exists; returns the name."""
        file = self.home / "users" / name.lower()
        if not file.exists():
            file.write_text(f"{name.lower()}:{password}\n")
        return name

    def set_password(self, password: str, user: str = USERNAME) -> None:
        """Change it; returns when the old one is refused."""
        file = self.home / "users" / user.lower()
        changed = time.time()
        if file.exists():
            changed = file.stat().st_mtime + 2
        file.write_text(f"{user.lower()}:{password}\n")
        os.utime(file, (changed, changed))  # Dovecot tells a change by whole seconds
        until(lambda: self._accepts(user, password), "the new password to be accepted")

    def deliver(self, raw: bytes, user: str = USERNAME, folder: str = "INBOX") -> None:
        """By LMTP, as a mail server would.

        Another folder than the inbox is named by the address's detail (user+folder@domain)."""
        address = self.user(user)
        if folder != "INBOX":
            local, _, domain = address.partition("@")
            address = f'"{local}+{folder}"@{domain}'
        with smtplib.LMTP(self.host, self.lmtp_port, timeout=PATIENCE) as client:
            client.sendmail("bounce@salesforce.com", [address], raw)

    def append(
        self,
        raw: bytes,
        folder: str = "INBOX",
        user: str = USERNAME,
        *,
        received_at: datetime | None = None,
        flags: str = "",
    ) -> None:
        """By IMAP: the bytes as they are, and an INTERNALDATE of the test's choice."""
        moment = imaplib.Time2Internaldate((received_at or datetime.now(UTC)).timestamp())
        with self.session(user) as client:
            _ok(client.append(_quoted(folder), flags, moment, raw))

    def create(self, folder: str, user: str = USERNAME) -> None:
        """Make a folder."""
        with self.session(user) as client:
            _ok(client.create(_quoted(folder)))

    def remove(self, folder: str, user: str = USERNAME) -> None:
        """Delete a folder with all that is in it."""
        with self.session(user) as client:
            _ok(client.delete(_quoted(folder)))

    def flags(self, folder: str = "INBOX", user: str = USERNAME) -> dict[int, set[str]]:
        """The flags of every mail by its UID, without \\Recent, which belongs to a session."""
        with self.session(user) as client:
            _ok(client.select(_quoted(folder), readonly=True))
            lines = _ok(client.uid("FETCH", "1:*", "(FLAGS)"))
        # imaplib gives None in place of a line where the folder is empty.
        return dict(_uid_and_flags(line) for line in lines if line is not None)

    def uids(self, folder: str = "INBOX", user: str = USERNAME) -> list[int]:
        """Every UID, ascending."""
        return sorted(self.flags(folder, user))

    def expunge(self, uids: str = "1:*", folder: str = "INBOX", user: str = USERNAME) -> None:
        """Remove mails for good; all of them by default."""
        with self.session(user) as client:
            _ok(client.select(_quoted(folder)))
            client.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
            client.expunge()

    def change_uidvalidity(self, folder: str = "INBOX", user: str = USERNAME) -> None:
        """A new UIDVALIDITY over the same mails, as after a restored backup."""
        number = str(int(time.time()) + 1000)
        assert self._doveadm("mailbox", "update", "-u", user, "--uid-validity", number, folder)

    def kick(self, user: str = USERNAME) -> None:
        """Drop the user's connections, with a BYE; waits until there is one."""
        until(lambda: self._doveadm("kick", user), f"a connection of {user}")

    @contextmanager
    def session(self, user: str = USERNAME) -> Iterator[imaplib.IMAP4]:
        """A client of the test's own, logged in."""
        client = imaplib.IMAP4(self.host, self.port, timeout=PATIENCE)
        try:
            client.login(self.user(user), self._password(user))
            yield client
        finally:
            # The test may have frozen or stopped the server.
            with suppress(OSError, imaplib.IMAP4.error):
                client.logout()
            with suppress(OSError):
                client.shutdown()

    @cached_property
    def ca(self) -> trustme.CA:
        """Who issued the certificate."""
        return trustme.CA()

    def _password(self, user: str) -> str:
        return (self.home / "users" / user.lower()).read_text().strip().partition(":")[2]

    def _accepts(self, user: str, password: str) -> bool:
        with imaplib.IMAP4(self.host, self.port, timeout=PATIENCE) as client:
            try:
                client.login(user, password)
            except imaplib.IMAP4.error:
                return False
            return True

    def _doveadm(self, *words: str) -> bool:
        """Whether there was something to do it to."""
        doveadm = command("doveadm", "sudo apt-get install dovecot-core")
        done = subprocess.run(
            [doveadm, "-c", str(self._configured), *words],
            check=False,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert done.returncode in (0, os.EX_NOHOST), done
        return done.returncode == 0

    def _prepare(self) -> None:
        """Certificate, directories and configuration."""
        certificate = self.ca.issue_cert(*self._hosts, not_after=self._ends_at)
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        certificate.private_key_pem.write_to_path(str(self.home / "key.pem"))
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        (self.home / "cert.pem").write_bytes(chain)
        accounts = _accounts()
        for name in ("users", "mail", "run"):
            (self.home / name).mkdir()
        os.chown(self.home / "mail", accounts.mail.pw_uid, accounts.mail.pw_gid)
        self._prepare_oauth()
        self._configured.write_text(self._configuration(accounts))
        self.user()

    def _configuration(self, accounts: _Accounts) -> str:
        return CONFIG.format(
            home=self.home,
            internal=accounts.internal,
            internal_group=accounts.internal_group,
            login=accounts.login,
            uid=accounts.mail.pw_uid,
            gid=accounts.mail.pw_gid,
            format=self._format,
            spam=self._spam_folder(),
            more=self._ways_in() + self._rights() + self._room(),
            port=self.port,
            tls_port=self.tls_port,
            lmtp_port=self.lmtp_port,
        )

    def _ways_in(self) -> str:
        """Besides passwords."""
        mechanisms = "plain"
        more = ""
        if self._oauth is not None:
            mechanisms += " xoauth2 oauthbearer"
            more += OAUTH_PASSDB.format(home=self.home)
        if self._certificates:
            mechanisms += " external"
            more += CERTIFICATES.format(home=self.home)
        if self._capability is not None:
            more += f"imap_capability = {self._capability}\n"
        return f"auth_mechanisms = {mechanisms}\n{more}"

    def _rights(self) -> str:
        """By a file of the whole server, whose lines stand above what is each owner's anyway."""
        if self._acl is None:
            return ""
        lines = [f"{folder} owner {rights}\n" for folder, rights in self._acl.items()]
        (self.home / "rights").write_text("".join(lines))
        return ACL.format(home=self.home)

    def _room(self) -> str:
        """For connections: one process of Dovecot's serves each, and few serve all logins."""
        if not self._connections:
            return ""
        return ROOM.format(processes=self._connections + 100, clients=4 * self._connections + 100)

    def _prepare_oauth(self) -> None:
        """The public key of the endpoint, and by which claim a token names its user."""
        if self._oauth is None:
            return
        keys = self.home / "keys" / "default" / "RS256"
        keys.mkdir(parents=True)
        (keys / "default").write_text(public_pem(self._oauth.key))
        check = OAUTH_LOCAL.format(home=self.home)
        if self._introspects:
            check = OAUTH_ASKING.format(url=self._oauth.url)
            if self._oauth.ca_file is not None:
                # A copy: whoever checks tokens may be another user than we are.
                copy = self.home / "oauth-ca.pem"
                copy.write_bytes(self._oauth.ca_file.read_bytes())
                check += f"tls_ca_cert_file = {copy}\n"
        (self.home / "oauth2.conf.ext").write_text(check + OAUTH_CLAIMS)

    def _spam_folder(self) -> str:
        if self._spam is None:
            return ""
        use = ""
        if self._special_use:
            use = "    special_use = \\Junk\n"
        name = self._spam.replace("\\", "\\\\").replace('"', '\\"')
        return f'  mailbox "{name}" {{\n    auto = create\n{use}  }}'


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    """The data of an answer that must be OK."""
    assert answer[0] == "OK", answer
    return answer[1]


def _quoted(folder: str) -> str:
    """A folder's name as IMAP takes it: modified UTF-7, quoted."""
    wire: bytes = encode(folder)
    return '"' + wire.decode().replace("\\", "\\\\").replace('"', '\\"') + '"'


def _uid_and_flags(line: bytes) -> tuple[int, set[str]]:
    match = re.search(rb"UID (\d+) FLAGS \(([^)]*)\)", line)
    assert match, line
    return int(match[1]), set(match[2].decode().split()) - {r"\Recent"}
