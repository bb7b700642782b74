"""Builds the proof by login out of a configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from token_catcher import salesforce
from token_catcher.app import App
from token_catcher.login_proof import LoginProof
from token_catcher.model import Entry
from token_catcher.record import TriesFile


def login_proof_of(
    app: App, tell_refused: Callable[[Mapping[str, Any]], None]
) -> LoginProof | None:
    """What tries a token that was stored by one login; None: it is not asked for.

    `tell_refused`: see `LoginProof`."""
    verify = app.config.verify
    if not verify.login:
        return None
    return LoginProof(
        TriesFile(app.config.state_dir / "login-tries.json"),
        app.journal,
        secrets=partial(app.store.login_secrets, password_field=verify.password_field),
        host_of=partial(login_host, app),
        log_in=partial(salesforce.log_in, monotonic=time.monotonic),
        now=app.now,
        log=app.log,
        observe=app.metrics.login_proven,
        tell_refused=tell_refused,
        fingerprints=app.fingerprints,
    )


def login_host(app: App, entry: Entry) -> str | None:
    """Where the user of a record logs in; None: its secret belongs elsewhere by now, or nowhere."""
    path = app.path_of(entry.org or "", entry.username or "")
    if path is None or path != entry.path:
        return None
    [org] = [org for org in app.config.orgs if org.name == entry.org]
    return org.login_host or app.config.verify.host_for(org.environment)
