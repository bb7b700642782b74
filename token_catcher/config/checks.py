"""Everything that is wrong with the values of a configuration: each key by itself, then what needs several of them.

All checks look at the values as they were read, so that a mistake in one place hides none in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from token_catcher.config.kinds import Expected, Place
from token_catcher.config.problems import Loc, Wrong, did_you_mean, kind_of, shown
from token_catcher.config.schema import ANY, AUTH, NOT_BUILT, Config, OrgConfig
from token_catcher.proof import Org, overlaps

Finding = tuple[Loc, str, str]
"""Where, what was got, what is expected"""

SAID: Final[Mapping[str, str]] = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "too_short": "at least one",
}
"""By pydantic's name of an error, where no kind has words for it."""


def check(data: Any, place: Place) -> tuple[Config | None, list[Finding]]:
    """The Config, or what is wrong with it."""
    unavailable = list(_not_built(data))
    found = [
        *unavailable,
        *_named_twice(data, "mailboxes"),
        *_named_twice(data, "orgs"),
        *_orgs_alike(data, place),
    ]
    try:
        config = Config.model_validate(data, context=place)
    except ValidationError as error:
        single = [_translated(one) for one in error.errors(include_url=False) if not _is_echo(one)]
        hidden = {loc for loc, _, _ in unavailable}
        return None, found + [
            one for one in single if not any(one[0][: len(loc)] == loc for loc in hidden)
        ]
    return config, found


def _not_built(data: Any) -> Iterator[Finding]:
    for pattern, (instead, asks) in NOT_BUILT.items():
        for loc, value in _reach(data, pattern):
            if asks(value):
                got = repr(value) if loc[-1] == "method" else shown(value, loc)
                yield loc, got, f"{instead}: not available in this version"


def _reach(value: Any, pattern: Sequence[str], loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Every place that fits the pattern."""
    if not pattern:
        yield loc, value
    elif pattern[0] == ANY and isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _reach(item, pattern[1:], (*loc, index))
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _reach(value[pattern[0]], pattern[1:], (*loc, pattern[0]))


def _named_twice(data: Any, section: str) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for loc, name in _reach(data, (section, ANY, "name")):
        index = loc[1]
        if (
            isinstance(name, str)
            and isinstance(index, int)
            and first.setdefault(name, index) != index
        ):
            yield (
                loc,
                f"{shown(name, loc)}, the name of {section}[{first[name]}]",
                "a name of its own",
            )


def _orgs_alike(data: Any, place: Place) -> Iterator[Finding]:
    """Orgs that no mail could ever tell apart, and those that would share a secret."""
    orgs = dict(_valid_orgs(data, place))
    index = {id(org): number for number, org in orgs.items()}
    for one, other, shared in overlaps(list(orgs.values())):
        got = f"{shared}, which orgs[{index[id(one)]}] ({one.name}) claims as well"
        yield (
            ("orgs", index[id(other)], "usernames"),
            got,
            "environment or org_id to tell the two apart",
        )
    path = next((value for _, value in _reach(data, ("vault", "path"))), None)
    if isinstance(path, str) and "{username}" in path and "{org}" not in path:
        bare = [replace(org, environment=None, org_id=None) for org in orgs.values()]
        for one, other, shared in overlaps(bare):
            yield (
                ("vault", "path"),
                f"one path for {shared} of {one.name} and of {other.name}",
                "{org} in it",
            )


def _valid_orgs(data: Any, place: Place) -> Iterator[tuple[int, Org]]:
    for loc, value in _reach(data, ("orgs", ANY)):
        try:
            org = OrgConfig.model_validate(value, context=place)
        except ValidationError:
            continue  # told where all values are
        yield int(loc[1]), org.as_org()


def _is_echo(error: ErrorDetails) -> bool:
    """What pydantic says only because it said something else before."""
    return error["type"] == "default_factory_not_called" or (
        error["type"] == "too_short" and bool(error["input"])
    )


def _translated(error: ErrorDetails) -> Finding:
    """In words for people, without pydantic's own, which quote values."""
    raw, kind = error["loc"], error["type"]
    loc, cause = _without_tag(raw), error.get("ctx", {}).get("error")
    if kind == "extra_forbidden":
        known = _section(Config, raw[:-1]).model_fields
        return (
            loc,
            "an unknown key" + did_you_mean(str(raw[-1]), known),
            f"one of {', '.join(known)}",
        )
    if kind == "missing":
        return loc, "nothing", _wanted(_section(Config, raw[:-1]), str(raw[-1]))
    if kind == "union_tag_not_found":
        return (*loc, "method"), "nothing", " or ".join(AUTH)
    if kind == "union_tag_invalid":
        return (
            (*loc, "method"),
            "another one" + did_you_mean(str(error["ctx"]["tag"]), AUTH),
            " or ".join(AUTH),
        )
    if isinstance(cause, Wrong):
        return loc, cause.got or shown(error["input"], loc), cause.expected
    if kind in SAID:
        return loc, kind_of(error["input"]), SAID[kind]
    return loc, shown(error["input"], loc), _words(error)


def _words(error: ErrorDetails) -> str:
    """A kind's own (`expected`); the choices of a literal are pydantic's to list."""
    return (
        str(error["ctx"]["expected"]).replace("'", "")
        if error["type"] == "literal_error"
        else error["msg"]
    )


def _without_tag(loc: Loc) -> Loc:
    """pydantic puts the method, which is a value, among the keys."""
    return (*loc[:2], *loc[3:]) if loc[:2] == ("vault", "auth") else loc


def _section(section: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The model of what stands at a place."""
    if not loc:
        return section
    name, *rest = loc
    if name == "auth" and rest:
        return _section(AUTH[str(rest[0])], tuple(rest[1:]))
    inner = section if isinstance(name, int) else _model_of(section.model_fields[name].annotation)
    return _section(inner, tuple(rest))


def _model_of(annotation: Any) -> type[BaseModel]:
    """The model itself, or the one in a list or beside None."""
    found: type[BaseModel] = next(
        one for one in (annotation, *get_args(annotation)) if hasattr(one, "model_fields")
    )
    return found


def _wanted(section: type[BaseModel], name: str) -> str:
    """What a key that is not there should hold."""
    field = section.model_fields[name]
    words = (mark.text for mark in field.metadata if isinstance(mark, Expected))
    about = (field.description or "a value").removesuffix(".")
    return next(words, about[0].lower() + about[1:])
