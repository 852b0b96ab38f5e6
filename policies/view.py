"""What a rule sees: plain resources, the same from a plan and from the engine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Final


class _Unknown:
    """A value that only an update will know."""

    def __repr__(self) -> str:
        """Read like what it is."""
        return "unknown"


UNKNOWN: Final = _Unknown()


class UndecidedError(Exception):
    """A rule asked for a value that is not known yet: it can only be judged during the update."""

    def __init__(self, path: str) -> None:
        """Keep where it stands."""
        super().__init__(path)
        self.path: Final = path


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, as it is registered.

    Attributes:
        urn: its URN.
        type: its type token.
        name: its logical name.
        props: inputs in camelCase; `UNKNOWN` stands for what only an update will know. The engine opens secrets: no
            message may hold a value.
        protect: the resource refuses deletion. The engine says so of every resource.
        retained: it stays in the cloud when it leaves the program; None where the engine does not say (it does not).
        delete_first: it is deleted before its replacement is made.
        sources: for each input, URNs of the resources that its value comes from. Empty while the engine registers it.
    """

    urn: str
    type: str
    name: str
    props: Mapping[str, Any]
    protect: bool = False
    retained: bool | None = None
    delete_first: bool = False
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path (`vpcConfig.subnetIds`; list items by number), or the default where there is none.

        Raises:
            UndecidedError: it is not known yet.
        """
        found = self._walk(path)
        if found is UNKNOWN:
            raise UndecidedError(path)
        return default if found is None else found

    def number(self, path: str) -> float:
        """The number at a path; 0 where there is none, or it is no number.

        Raises:
            UndecidedError: it is not known yet.
        """
        found = self.get(path)
        return found if isinstance(found, int | float) else 0

    def has(self, path: str) -> bool:
        """Whether there is a value at a path, known or not, that is not empty."""
        found = self._walk(path)
        return found is UNKNOWN or found not in (None, "", [], {})

    def items(self, path: str) -> list[Resource]:
        """The blocks of a list (or the one block) at a path, each to be asked like a resource."""
        found = self.get(path)
        blocks = found if isinstance(found, list) else [] if found is None else [found]
        if any(block is UNKNOWN for block in blocks):
            raise UndecidedError(path)
        return [self.inside(block) for block in blocks if isinstance(block, Mapping)]

    def document(self, path: str) -> Resource | None:
        """A JSON text (an IAM policy, say) at a path, opened; None where there is none or it is no JSON object."""
        found = self.get(path)
        if isinstance(found, str):
            try:
                found = json.loads(found)
            except ValueError:
                return None
        return self.inside(found) if isinstance(found, Mapping) else None

    def inside(self, block: Mapping[str, Any]) -> Resource:
        """A block of this resource, to be asked like a resource."""
        return Resource(self.urn, self.type, self.name, block, self.protect, self.retained, self.delete_first, {})

    def _walk(self, path: str) -> Any:
        here: Any = self.props
        for key in path.split("."):
            if here is UNKNOWN or here is None:
                return here
            if isinstance(here, Mapping):
                here = here.get(key)
            elif isinstance(here, list) and key.isdigit():
                here = here[int(key)] if int(key) < len(here) else None
            else:
                return None
        return here


@dataclass(frozen=True)
class Stack:
    """All resources of a stack, for rules between them."""

    resources: Sequence[Resource]
    production: bool = True
    """Whether the stack's environment is production."""

    @cached_property
    def by_urn(self) -> Mapping[str, Resource]:
        """By URN."""
        return {one.urn: one for one in self.resources}

    @cached_property
    def _by_type(self) -> Mapping[str, Sequence[Resource]]:
        found: dict[str, list[Resource]] = {}
        for one in self.resources:
            found.setdefault(one.type, []).append(one)
        return found

    @cached_property
    def _users(self) -> Mapping[str, Sequence[tuple[str, Resource]]]:
        found: dict[str, list[tuple[str, Resource]]] = {}
        for one in self.resources:
            for name, urns in one.sources.items():
                for urn in urns:
                    found.setdefault(urn, []).append((name, one))
        return found

    def all(self, *types: str) -> list[Resource]:
        """All resources of these types; a `*` matches any text."""
        found: list[Resource] = []
        for kind in types:
            if "*" in kind:
                found += [one for token in self._by_type if fnmatchcase(token, kind) for one in self._by_type[token]]
            else:
                found += self._by_type.get(kind, ())
        return found

    def behind(self, one: Resource, name: str) -> list[Resource]:
        """The resources that an input's value comes from."""
        return [self.by_urn[urn] for urn in one.sources.get(name, ()) if urn in self.by_urn]

    def users(self, one: Resource, *types: str, of: Iterable[str] = ()) -> list[Resource]:
        """The resources of these types that take a value from this one, in one of the inputs `of` where given."""
        wanted = set(of)
        return [
            user
            for name, user in self._users.get(one.urn, ())
            if (not types or user.type in types) and (not wanted or name in wanted)
        ]


def documents(one: Resource, path: str) -> Iterator[Resource]:
    """The statements of an IAM policy at a path."""
    document = one.document(path)
    if document is not None:
        yield from document.items("Statement")


def listed(value: Any) -> list[Any]:
    """A list as it is, one value as a list, nothing as none: IAM writes both."""
    return value if isinstance(value, list) else [] if value is None else [value]


def everybody(statement: Resource) -> bool:
    """Whether a statement of an IAM policy is about everybody."""
    principal = statement.get("Principal")
    return "*" in (listed(principal.get("AWS")) if isinstance(principal, Mapping) else listed(principal))


def anybody(statement: Resource) -> bool:
    """Whether a statement of an IAM policy allows something to everybody, on no condition."""
    return statement.get("Effect") == "Allow" and everybody(statement) and not statement.has("Condition")


def each(one: Resource, path: str) -> list[Any]:
    """The values of a list (or the one value) at a path.

    Raises:
        UndecidedError: one of them is not known yet.
    """
    found = listed(one.get(path))
    if any(value is UNKNOWN for value in found):
        raise UndecidedError(path)
    return found
