"""How a rule is shown to work: what keeps it, what breaks it, and what a missing or unknown value means."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from policies.view import Resource

PREFIX = "urn:pulumi:prod::headroom::"
GONE = object()
"""Takes a property away, where it stands as a value to break a rule with."""


def made(
    token: str,
    name: str = "one",
    props: Mapping[str, Any] | None = None,
    *,
    sources: Mapping[str, Sequence[str]] | None = None,
    protect: bool = True,
    retained: bool | None = True,
) -> Resource:
    """A resource by hand; `sources` names for an input the logical names (`type::name`) that its value comes from."""
    found = {key: tuple(f"{PREFIX}{one}" for one in names) for key, names in (sources or {}).items()}
    return Resource(f"{PREFIX}{token}::{name}", token, name, dict(props or {}), protect, retained, sources=found)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule, shown.

    Attributes:
        rule: its id.
        good: what keeps it; the first resource is the one that the rule is about.
        path: the property that decides, dotted (`vpcConfig.endpointPublicAccess`).
        broken: values of it that break the rule, `GONE` for none.
        absent: what a missing property means to the rule.
        unknown: what an unknown value means: nobody can tell yet, or its mere presence is enough.
        shipped: where in a shipped stack to break it: logical name of the resource, `*` matches any text; the first of
            the rule's types that it breaks when empty.
        shipped_path: the property there, when it is another one.
        shipped_value: the value there, when it is another one.
        stack: the shipped stack, the largest unless given.
        also: rules that the same break rightly breaks too.
    """

    rule: str
    good: Sequence[Resource]
    path: str
    broken: Sequence[Any]
    absent: Literal["broken", "fine"]
    unknown: Literal["undecided", "fine"]
    shipped: str = ""
    shipped_path: str = ""
    shipped_value: Any = None
    stack: str = "1m"
    also: frozenset[str] = field(default_factory=frozenset)


def put(one: Resource, path: str, value: Any) -> Resource:
    """The same resource, another value at a path; `@protect` is an option, `@sources.x` what an input comes from."""
    if path.startswith("@sources."):
        name = path.removeprefix("@sources.")
        rest = {key: urns for key, urns in one.sources.items() if key != name}
        return replace(one, sources=rest if value is GONE else {**rest, name: value})
    if path.startswith("@"):
        name = path.removeprefix("@")
        changed: dict[str, Any] = {name: type(getattr(one, name))() if value is GONE else value}
        return replace(one, **changed)
    props: Any = copy.deepcopy(dict(one.props))
    here, keys = props, path.split(".")
    for key in keys[:-1]:
        here = here[int(key)] if isinstance(here, list) else here.setdefault(key, {})
    last: Any = int(keys[-1]) if isinstance(here, list) else keys[-1]
    if value is GONE:
        here.pop(last, None) if isinstance(here, dict) else here.pop(last)
    else:
        here[last] = value
    return replace(one, props=props)


def with_first(resources: Sequence[Resource], path: str, value: Any) -> list[Resource]:
    """The resources with the first one changed."""
    first, *rest = resources
    return [put(first, path, value), *rest]


def unique(cases: Iterable[Case]) -> dict[str, Case]:
    """Cases by rule.

    Raises:
        ValueError: a rule has two.
    """
    found: dict[str, Case] = {}
    for case in cases:
        if case.rule in found:
            raise ValueError(case.rule)
        found[case.rule] = case
    return found
