"""Everything that is wrong with the values of a configuration.

First each key by itself, then what needs several of them. All checks look at the values as they
were read, so that a mistake in one place hides none in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from token_catcher.config.descriptions import descriptions_of
from token_catcher.config.kinds import Expected, Origin
from token_catcher.config.oauth import PROVIDERS
from token_catcher.config.problems import Loc, Mistake, Wrong, did_you_mean, kind_of, shown
from token_catcher.config.schema import ANY, Config, OrgConfig
from token_catcher.config.vault_auth import AUTH
from token_catcher.proof import Org, overlaps

WORDS: Final[Mapping[str, str]] = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "too_short": "at least one",
}
"""What is expected, by pydantic's name of an error, where no kind has words for it."""
UNIONS: Final[Mapping[str, tuple[str, Mapping[str, type[BaseModel]]]]] = {
    "auth": ("method", AUTH),
    "oauth2": ("provider", PROVIDERS),
}
"""The keys that take one of several sections: what tells them apart, and the section of each."""


def check(data: Any, origin: Origin) -> tuple[Config | None, list[Mistake]]:
    """The Config, where the keys by themselves give one, and everything that is wrong with it."""
    mistakes = [
        *_named_twice(data, "mailboxes"),
        *_named_twice(data, "orgs"),
        *_orgs_alike(data, origin),
        *_shared_secrets(data, origin),
    ]
    try:
        config = Config.model_validate(data, context=origin)
    except ValidationError as error:
        return None, [*mistakes, *_translated_all(error)]
    return config, mistakes


def _reach(value: Any, pattern: Sequence[str], loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Every value that stands where the pattern says, and its place."""
    if not pattern:
        yield loc, value
    elif pattern[0] == ANY and isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _reach(item, pattern[1:], (*loc, index))
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _reach(value[pattern[0]], pattern[1:], (*loc, pattern[0]))


def _named_twice(data: Any, section: str) -> Iterator[Mistake]:
    first: dict[str, Loc] = {}
    for loc, name in _reach(data, (section, ANY, "name")):
        if not isinstance(name, str):
            continue
        if name in first:
            got = f"{shown(name, loc)}, the name of {section}[{first[name][1]}]"
            yield Mistake(loc, got, "a name of its own")
        else:
            first[name] = loc


def _orgs_alike(data: Any, origin: Origin) -> Iterator[Mistake]:
    """Orgs that nothing signed in a mail could ever tell apart."""
    orgs = dict(_valid_orgs(data, origin))
    # Orgs may be equal to each other, so they are known by identity.
    index = {id(org): number for number, org in orgs.items()}
    for first, second, shared in overlaps(list(orgs.values())):
        yield Mistake(
            ("orgs", index[id(second)], "usernames"),
            f"{shared}, which orgs[{index[id(first)]}] ({first.name}) claims as well",
            "another environment, or names in place of patterns (an org_id is unsigned)",
        )


def _shared_secrets(data: Any, origin: Origin) -> Iterator[Mistake]:
    """Orgs that a path without {org} gives one secret for two users."""
    # The environment tells mails apart, but the path does not show it.
    bare = [replace(org, environment=None) for _, org in _valid_orgs(data, origin)]
    for loc, path in _reach(data, ("vault", "path")):
        if not isinstance(path, str) or "{username}" not in path or "{org}" in path:
            continue
        for first, second, shared in overlaps(bare):
            got = f"one path for {shared} of {first.name} and of {second.name}"
            yield Mistake(loc, got, "{org} in it")


def _valid_orgs(data: Any, origin: Origin) -> Iterator[tuple[int, Org]]:
    """Those that can be read, with their numbers; the others are told where all values are."""
    for loc, value in _reach(data, ("orgs", ANY)):
        try:
            org = OrgConfig.model_validate(value, context=origin)
        except ValidationError:
            continue
        yield int(loc[1]), org.as_org()


def _translated_all(error: ValidationError) -> Iterator[Mistake]:
    for details in error.errors(include_url=False):
        if not _is_echo(details):
            yield _translated(details)


def _is_echo(details: ErrorDetails) -> bool:
    """Whether pydantic says it only because it said something else before."""
    if details["type"] == "too_short":
        # Its items were wrong, and are told one by one; none of them is left to be counted.
        return bool(details["input"])
    return details["type"] == "default_factory_not_called"


def _translated(details: ErrorDetails) -> Mistake:
    """In words for people, without pydantic's own, which quote values."""
    loc = _without_tag(details["loc"])
    match details["type"]:
        case "extra_forbidden":
            return _unknown_key(loc, _section(Config, details["loc"][:-1]))
        case "missing":
            section = _section(Config, details["loc"][:-1])
            return Mistake(loc, "nothing", _wanted(section, str(loc[-1])))
        case "union_tag_not_found":
            tag, sections = UNIONS[str(loc[-1])]
            return Mistake((*loc, tag), "nothing", " or ".join(sections))
        case "union_tag_invalid":
            tag, sections = UNIONS[str(loc[-1])]
            got = "another one" + did_you_mean(str(details["ctx"]["tag"]), sections)
            return Mistake((*loc, tag), got, " or ".join(sections))
        case _:
            return _wrong_value(loc, details)


def _unknown_key(loc: Loc, section: type[BaseModel]) -> Mistake:
    known = section.model_fields
    got = "an unknown key" + did_you_mean(str(loc[-1]), known)
    return Mistake(loc, got, f"one of {', '.join(known)}")


def _wrong_value(loc: Loc, details: ErrorDetails) -> Mistake:
    """A kind has words of its own (`expected`); the choices of a literal are pydantic's to list."""
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, Wrong):
        return Mistake(loc, cause.got or shown(details["input"], loc), cause.expected)
    if details["type"] in WORDS:
        return Mistake(loc, kind_of(details["input"]), WORDS[details["type"]])
    expected = details["msg"]
    if details["type"] == "literal_error":
        expected = str(details["ctx"]["expected"]).replace("'", "")
    return Mistake(loc, shown(details["input"], loc), expected)


def _without_tag(loc: Loc) -> Loc:
    """pydantic puts the method or the provider, which are values, among the keys."""
    for depth, part in enumerate(loc):
        if part in UNIONS:
            return (*loc[: depth + 1], *loc[depth + 2 :])
    return loc


def _section(section: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The model of what stands at a place."""
    if not loc:
        return section
    name, *rest = loc
    if name in UNIONS and rest:
        _, sections = UNIONS[str(name)]
        return _section(sections[str(rest[0])], tuple(rest[1:]))
    if isinstance(name, str):
        section = _model_of(section.model_fields[name].annotation)
    return _section(section, tuple(rest))


def _model_of(annotation: Any) -> type[BaseModel]:
    """The model itself, or the one in a list or beside None."""
    for kind in (annotation, *get_args(annotation)):
        if hasattr(kind, "model_fields"):
            model: type[BaseModel] = kind
            return model
    raise AssertionError(f"no section: {annotation}")


def _wanted(section: type[BaseModel], name: str) -> str:
    """What a key that is not there should hold."""
    field = section.model_fields[name]
    for mark in field.metadata:
        if isinstance(mark, Expected):
            return mark.text
    about = field.description or descriptions_of(section).get(name, "a value")
    about = about.removesuffix(".")
    return about[0].lower() + about[1:]
