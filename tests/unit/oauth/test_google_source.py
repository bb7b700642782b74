"""Files that say who we are to Google: nothing is sent where they should not lead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.google import key_file, new_key, workload_file
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.oauth.google import GoogleServiceAccount
from token_catcher.oauth.google_source import VARIABLE, file_of, key_of, workload_of

AWS = {
    "environment_id": "aws1",
    "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
    "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
    "regional_cred_verification_url": (
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    ),
}
"""As gcloud writes it for AWS."""


def refusal_of_key(text: str) -> tuple[str, str]:
    """Code and text; nothing of the key is in it."""
    with pytest.raises(ConfigurationError) as caught:
        key_of(Secret(text))
    assert "PRIVATE KEY" not in str(caught.value)
    return caught.value.code, str(caught.value)


def refusal_of_workload(**changes: object) -> tuple[str, str]:
    """Code and text."""
    text = workload_file(Path("/run/token"), **changes)
    with pytest.raises(ConfigurationError) as caught:
        workload_of(Secret(text))
    assert "canary" not in str(caught.value)
    return caught.value.code, str(caught.value)


ENDPOINTS = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "http://127.0.0.1:8080/token",
    "http://[::1]:8080/token",
    "http://localhost/token",
]


@pytest.mark.parametrize("address", ENDPOINTS)
def test_a_key_may_lead_to_google_or_stay_here(address: str) -> None:
    """The endpoints that keys have had, and an emulator on this machine."""
    info = key_of(Secret(key_file(new_key("first"), token_uri=address)))
    assert info["token_uri"] == address


ELSEWHERE = [
    "https://canary.example/token",
    "http://oauth2.googleapis.com/token",
    "https://oauth2.googleapis.com.canary.example/token",
    "https://canary.example\\@oauth2.googleapis.com/token",
    "https://canary.example\\.googleapis.com/token",
    "https://oauth2.googleapis.com@canary.example/token",
    "https://canary.example#@oauth2.googleapis.com/token",
    "https://storage.googleapis.com/canary/token",
    "https://[canary/token",
    "ftp://127.0.0.1/token",
    "canary",
    "",
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_key_may_not_lead_elsewhere(address: str) -> None:
    """Also where two parsers of an address would find different hosts in it."""
    assert refusal_of_key(key_file(new_key("first"), token_uri=address)) == (
        "oauth-key-file",
        "oauth2.service_account: got a token_uri that is not Google's, expected"
        " https://oauth2.googleapis.com/token: whoever stands there is sent what opens the mailbox",
    )


@pytest.mark.parametrize("text", ["", "canary", "[]", "null", "[" * 100_000])
def test_a_key_that_is_no_json_is_told(text: str) -> None:
    """Without a word of it."""
    assert refusal_of_key(text) == (
        "oauth-credential-key",
        "oauth2.service_account: got no JSON object, expected a file as Google's console or gcloud"
        " writes it",
    )


def test_a_key_of_another_type_is_told() -> None:
    """A client secret, or gcloud's own credentials."""
    assert refusal_of_key(key_file(new_key("first"), type="authorized_user")) == (
        "oauth-credential-key",
        "oauth2.service_account: got JSON of another type, expected the key of a service account"
        ' ("type": "service_account")',
    )


@pytest.mark.parametrize("name", ["client_email", "private_key", "token_uri"])
def test_a_key_that_is_not_whole_is_told(name: str) -> None:
    """With what is missing."""
    assert refusal_of_key(key_file(new_key("first"), **{name: None})) == (
        "oauth-credential-key",
        f"oauth2.service_account: got no {name}, expected the whole file as the console gave it"
        " out",
    )


def test_another_universe_is_told() -> None:
    """Delegation is nothing that other clouds of Google's have."""
    assert refusal_of_key(key_file(new_key("first"), universe_domain="canary.example")) == (
        "oauth-source",
        "oauth2.service_account: got a universe_domain of its own, expected googleapis.com:"
        " Workspace has no other, and delegation works in no other",
    )


@pytest.mark.parametrize(
    "pem", ["canary", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"]
)
def test_a_key_that_cannot_sign_is_told(pem: str) -> None:
    """Before anything is asked; nothing of it is told."""
    text = key_file(new_key("first"), private_key=pem)
    provider = GoogleServiceAccount(lambda: Secret(text), "a@b.example", "x", None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        provider.fetch()
    assert (caught.value.code, str(caught.value)) == (
        "oauth-credential-key",
        "oauth2.service_account: got a private_key that cannot sign, expected the whole file as the"
        " console gave it out",
    )
    assert caught.value.__context__ is None


WORKLOADS = {
    "a file": {},
    "Azure": {
        "credential_source": {
            "url": "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01",
            "headers": {"Metadata": "True"},
        }
    },
    "AWS": {"credential_source": AWS},
    "AWS in China": {
        "credential_source": AWS
        | {"regional_cred_verification_url": "https://sts.{region}.amazonaws.com.cn?Action=x"}
    },
    "AWS by variables": {"credential_source": {"environment_id": "aws1"}},
    "a helper on this machine": {"credential_source": {"url": "http://127.0.0.1:8181/token"}},
    "a regional endpoint": {"token_url": "https://sts.us-east1.rep.googleapis.com/v1/token"},
    "an account between": {
        "service_account_impersonation_url": (
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
            "middle@project.iam.gserviceaccount.com:generateAccessToken"
        )
    },
}


@pytest.mark.parametrize("changes", WORKLOADS.values(), ids=WORKLOADS)
def test_a_workload_is_taken(changes: dict[str, object]) -> None:
    """As gcloud writes it."""
    text = workload_file(Path("/run/token"), **changes)
    assert workload_of(Secret(text)) == json.loads(text)


REFUSED = {
    "tokens to a stranger": (
        {"token_url": "https://sts.canary.example/v1/token"},
        "got a token_url that is not Google's, expected a host below googleapis.com",
    ),
    "tokens in the clear": (
        {"token_url": "http://sts.googleapis.com/v1/token"},
        "got a token_url that is not Google's, expected a host below googleapis.com",
    ),
    "no place for tokens": (
        {"token_url": None},
        "got a token_url that is not Google's, expected a host below googleapis.com",
    ),
    "an account at a stranger": (
        {"service_account_impersonation_url": "https://canary.example/x:generateAccessToken"},
        "got a service_account_impersonation_url that is not Google's, expected a host below"
        " googleapis.com",
    ),
    "a program": (
        {"credential_source": {"executable": {"command": "/bin/canary"}}},
        "got a credential_source with executable, expected file, url or the metadata server of AWS:"
        " no program is started, and no other file read",
    ),
    "a certificate": (
        {"credential_source": {"certificate": {"use_default_certificate_config": True}}},
        "got a credential_source with certificate, expected file, url or the metadata server of"
        " AWS: no program is started, and no other file read",
    ),
    "a stranger's url": (
        {"credential_source": {"url": "http://canary.example/token"}},
        "got a credential_source whose url is on another machine, expected loopback or the metadata"
        " server 169.254.169.254",
    ),
    "a stranger for AWS": (
        {"credential_source": AWS | {"region_url": "http://canary.example/"}},
        "got a credential_source whose region_url is on another machine, expected loopback or the"
        " metadata server 169.254.169.254",
    ),
    "a stranger whom AWS signs for": (
        {
            "credential_source": AWS
            | {"regional_cred_verification_url": "https://sts.{region}.amazonaws.com.canary/"}
        },
        "got a regional_cred_verification_url that is not AWS's, expected one that begins with"
        " https://sts.{region}.amazonaws.com",
    ),
    "no source": (
        {"credential_source": None},
        "got no credential_source, expected a mapping with file or url",
    ),
    "another type": (
        {"type": "service_account"},
        'got JSON of another type, expected "type": "external_account"; the key of a service'
        " account belongs under oauth2.service_account, without impersonate",
    ),
    "another universe": (
        {"universe_domain": "canary.example"},
        "got a universe_domain of its own, expected googleapis.com: Workspace has no other, and"
        " delegation works in no other",
    ),
}


@pytest.mark.parametrize(("changes", "told"), REFUSED.values(), ids=REFUSED)
def test_a_workload_is_refused(changes: dict[str, object], told: str) -> None:
    """What Google asks to check before its library sees the file."""
    assert refusal_of_workload(**changes) == ("oauth-source", f"{VARIABLE}: {told}")


def test_a_file_is_read_where_one_is_named(tmp_path: Path) -> None:
    """An empty variable names none."""
    path = tmp_path / "workload.json"
    path.write_text("{}")
    assert file_of({VARIABLE: str(path)}) == Secret("{}")
    assert file_of({VARIABLE: ""}) is None
    assert file_of({}) is None


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["missing", "no text"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    """By its name."""
    path = tmp_path / "workload.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        file_of({VARIABLE: str(path)})
    assert (caught.value.code, str(caught.value)) == (
        "oauth-source",
        f"{VARIABLE}: got {path}, expected a file that we can read",
    )
