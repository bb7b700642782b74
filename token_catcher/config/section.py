"""What all sections of the configuration have in common, and the one that several of them have."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from token_catcher import ownership, tls
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
        private_bytes(self.key or self.file, kinds.Origin.of(info).owners)
        try:
            introduce(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.as_pair())
        except OSError:
            expected = "a certificate and its key in PEM, the key not encrypted"
            raise Wrong(expected, "files that do not hold that") from None
        return self

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
        texts = []
        if self.key is not None:
            try:
                texts.append(self.file.read_bytes())
            except OSError as error:
                got = f"a file that cannot be read ({error.strerror})"
                raise Wrong("the path of a file that we can read", got) from None
        texts.append(private_bytes(self.key or self.file, owners))
        return Secret(b"\n".join(texts).decode("latin-1"))

    def as_pair(self) -> tls.ClientCertificate:
        """In the words of `tls`."""
        if self.key is None:
            return tls.ClientCertificate(str(self.file))
        return tls.ClientCertificate(str(self.file), str(self.key))
