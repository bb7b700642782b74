"""What all sections of the configuration have in common, and the one that several of them have."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from token_catcher import ownership, tls
from token_catcher.certificates import Unusable, certificate_in, key_in
from token_catcher.config import kinds
from token_catcher.config.problems import Wrong
from token_catcher.config.secret import private_bytes
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.tls import introduce


class Section(BaseModel):
    """What all sections have in common."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        # A section is built with the one that it is part of, once, when a configuration is read.
        defer_build=True,
    )


class ClientCertificate(Section):
    """Who we are to a TLS server that asks."""

    file: kinds.CredentialFile
    """The certificate (PEM), and its key unless that has a file of its own."""
    key: kinds.CredentialFile | None = None
    """The key (PEM), not encrypted."""

    @model_validator(mode="after")
    def _is_a_pair(self, info: ValidationInfo) -> Self:
        """As OpenSSL takes it, and with a key that is ours alone."""
        if not kinds.Origin.of(info).secrets:
            return self
        text = self.look(kinds.Origin.of(info).owners)
        with suppress(OSError):
            introduce(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.as_pair())
            return self
        raise _what_is_wrong(text)

    def read(self) -> Secret:
        """What is in the files now, one behind the other, the certificate first.

        ConfigurationError: they cannot be read, or others can use the key."""
        try:
            return self.look(ownership.trusted())
        except Wrong as wrong:
            got = f"got {wrong.got}, expected {wrong.expected}"
        raise ConfigurationError(f"certificate {self.as_pair()}: {got}", code="secret")

    def look(self, owners: Collection[int]) -> Secret:
        """The same for the loader, which knows the key and its line. `owners`: of files that we go
        by. Wrong: they cannot be read, or others can use the key."""
        if self.key is None:
            _expect_key(self.file)
            return Secret(private_bytes(self.file, owners).decode("latin-1"))
        try:
            certificate = self.file.read_bytes()
        except OSError as error:
            got = f"a file that cannot be read ({error.strerror})"
            raise Wrong("the path of a file that we can read", got) from None
        key = private_bytes(self.key, owners)
        return Secret(b"\n".join((certificate, key)).decode("latin-1"))

    def as_pair(self) -> tls.ClientCertificate:
        """In the words of `tls`."""
        if self.key is None:
            return tls.ClientCertificate(str(self.file))
        return tls.ClientCertificate(str(self.file), str(self.key))


def _expect_key(file: Path) -> None:
    """Wrong: a certificate alone, which everybody may read: that is not what is wrong with it."""
    content = b""
    with suppress(OSError):  # told by who reads it as a secret
        if file.is_file():
            content = file.read_bytes()
    if b"-----BEGIN CERTIFICATE-----" in content and b"PRIVATE KEY-----" not in content:
        raise Wrong("its key there as well, or `key` beside it", "a certificate without its key")


def _what_is_wrong(text: Secret) -> Wrong:
    """With a certificate and its key, as `check` tells it of the same files."""
    try:
        certificate_in(text, "")
        key_in(text, "")
    except Unusable as fault:
        return Wrong(fault.expected, fault.got)
    expected = "a certificate and its key in PEM, the key not encrypted"
    return Wrong(expected, "files that do not hold that")
