"""Mistakes in how Microsoft is asked for tokens, and in what is told of a certificate's end."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

TENANT = ("tests/contract/test_oauth_microsoft.py",)
PAIRS = ("tests/unit/test_certificates.py",)
ENDS = ("tests/unit/test_expiry.py",)

MUTANTS = (
    Mutant(
        "microsoft: a region is looked for",
        "oauth/microsoft.py",
        function="MicrosoftApplication.fetch",
        old=", azure_region=False",
        new="",
        tests=TENANT,
    ),
    Mutant(
        "microsoft: another host is asked about the authority",
        "oauth/microsoft.py",
        function="_ask",
        old='            "instance_discovery": False,\n',
        new="",
        tests=TENANT,
    ),
    Mutant(
        "microsoft: the library's log is ours",
        "oauth/microsoft.py",
        function="_library",
        old="CRITICAL + 1",
        new="DEBUG",
        tests=TENANT,
    ),
    Mutant(
        "microsoft: a token goes to an endpoint without TLS",
        "oauth/microsoft.py",
        function="_Endpoint.get",
        old='!= "https"',
        new='== ""',
        tests=TENANT,
    ),
    Mutant(
        "microsoft: what was granted is not taken from the answer",
        "oauth/microsoft.py",
        function="_Endpoint.post",
        old="        self.granted = granted",
        new="        self.ignored = granted",
        tests=TENANT,
    ),
    Mutant(
        "microsoft: the frames of the library stay",
        "oauth/microsoft.py",
        function="_ask",
        old="fault.with_traceback(None)",
        new="fault from fault.__context__ or ValueError()",
        tests=TENANT,
    ),
    Mutant(
        "microsoft: a new refresh token is forgotten",
        "oauth/microsoft.py",
        function="MicrosoftPerson.fetch",
        old="keep(given.refresh_token)",
        new="keep(None)",
        tests=TENANT,
    ),
    Mutant(
        "microsoft: a throttled request is refused",
        "oauth/microsoft_refusals.py",
        function="microsoft_refusal",
        old="    for cause in _OUTAGES:\n",
        new="    for cause in ():\n",
        tests=TENANT,
    ),
    Mutant(
        "certificates: a key of another one is taken",
        "certificates.py",
        function="key_in",
        old=".public_key() != key.public_key()",
        new=".public_key() == 0",
        tests=PAIRS,
    ),
    Mutant(
        "certificates: one that has ended is told like one that will",
        "expiry.py",
        function="Expiry._tell",
        old="    if ends_at <= now:\n            tell = self._log.error\n",
        new="    pass\n",
        tests=ENDS,
    ),
    Mutant(
        "certificates: each look tells again",
        "expiry.py",
        function="Expiry._tell",
        old="        self._told_at[owner] = now\n",
        new="",
        tests=ENDS,
    ),
)
