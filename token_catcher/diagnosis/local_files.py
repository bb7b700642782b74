"""Files: secrets that only we can read, a state directory that we can write.

A command is often run by a person while the service is down, and the credentials that systemd or
Kubernetes would mount are not there. So a file that cannot be read is told, and the rest goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from token_catcher import files
from token_catcher.certificates import certificate_in
from token_catcher.config import Config, SecretSource, sources_in
from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step
from token_catcher.expiry import TOLD_BEFORE, Expiring
from token_catcher.logins import certificates_in, sign_ins_in
from token_catcher.record import refusal

AREA = "files"


def file_steps(config: Config, now: Callable[[], datetime]) -> Iterator[Step]:
    """Every file that the configuration names for us alone."""
    sign_ins = sign_ins_in(config)
    sources = dict.fromkeys(sources_in(config))
    for source in sources:
        yield _secret_step(source, sign_ins.get(source, ""))
    for certificate in certificates_in(config):
        yield _certificate_step(certificate, now)
    about = About(AREA, str(config.state_dir))
    yield about.attempt("state_dir", partial(_state_step, config.state_dir, about))


def _secret_step(source: SecretSource, mailbox: str) -> Step:
    """`mailbox`: for which a person signs in to have the file written; empty: nobody does."""
    about = About(AREA, source.where, mailbox)

    def look() -> Step:
        source.read()
        mode = source.shared()
        if mode is None:
            return about.ok("secret", "readable, and by nobody else")
        saw = f"got mode {mode}, expected 0600: the file's group can read it too"
        return about.warning("secret", saw, "secret-shared")

    # A file on a network disk may hang, like any server.
    step = about.attempt("secret", look)
    if step.outcome != "failed":
        return step
    return about.failed("secret", step.saw.removeprefix(f"secret {source}: "), step.code)


def _certificate_step(certificate: Expiring, now: Callable[[], datetime]) -> Step:
    about = About(AREA, certificate.where)

    def look() -> Step:
        own = certificate_in(certificate.read(), certificate.where)
        return _end_step(about, own.ends_at, now())

    step = about.attempt("certificate", look)
    # Its files are the subject of the step already.
    return replace(step, saw=re.sub(rf"^(certificate )?{re.escape(about.subject)}: ", "", step.saw))


def _end_step(about: About, ends_at: datetime, now: datetime) -> Step:
    saw = ending(ends_at, now)
    if ends_at <= now:
        return about.failed("certificate", saw, "certificate-ends")
    if ends_at - now < TOLD_BEFORE:
        return about.warning("certificate", saw, "certificate-ends")
    return about.ok("certificate", saw)


def ending(ends_at: datetime, now: datetime) -> str:
    """When a certificate ends, or did."""
    if ends_at <= now:
        return f"ended on {ends_at:%Y-%m-%d}"
    return f"ends on {ends_at:%Y-%m-%d}, in {(ends_at - now).days} days"


def _unusable_part(state_dir: Path) -> str | None:
    """What is in the way of a note on a mailbox; None: nothing. OSError: it cannot be looked at.

    A scan that root ran once leaves files that are closed to the service."""
    for part in (state_dir / "checkpoints", state_dir / "looks"):
        if not files.may_exist(part):
            continue
        if not part.is_dir():
            return f"{part}: got no directory, expected one that we can write"
        problem = refusal(part)
        if problem is not None:
            return problem
        for file in sorted(part.iterdir()):
            is_usable = file.is_file() and os.access(file, os.R_OK | os.W_OK)
            # The daemon beside us replaces them.
            if not is_usable and files.may_exist(file):
                return f"{file}: got one that we cannot read and write, expected a file of ours"
    return None


def _state_step(state_dir: Path, about: About) -> Step:
    """The daemon makes it where it is missing, if it may."""
    # access(2) is asked and nothing is made: a file system that is mounted read-only says so there.
    place = state_dir
    while not files.may_exist(place):
        place = place.parent
    try:
        problem = refusal(place) or _unusable_part(state_dir)
    except OSError as error:
        problem = f"{place}: cannot be looked at: {error.strerror}"
    if problem is None and not place.is_dir():
        problem = f"{place}: got no directory, expected one that we can write"
    if problem is not None:
        return about.failed("state_dir", problem, "state")
    if place != state_dir:
        return about.ok("state_dir", f"not there yet; can be made in {place}")
    return about.ok("state_dir", "writable")
