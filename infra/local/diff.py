"""What changed between two sets of inputs, and which of the changes force a replacement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from infra.local.values import UNKNOWN, Secret
from infra.replacements import Verdict, judge, name_properties

MISSING: Final = object()
PLAIN_KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$\-]*")


class Kind(StrEnum):
    """How one property changed."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One changed property.

    Attributes:
        path: with list indexes and quoted keys, as Pulumi writes property paths: `a.b[0]["c.d"]`.
        kind: added, updated or deleted.
        replaces: whether this change forces a replacement.
    """

    path: str
    kind: Kind
    replaces: bool

    @property
    def root(self) -> str:
        """The top-level property."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes of one resource, in the order of their paths.

    Attributes:
        changes: the changed properties.
        refusals: changes that AWS refuses, in place and by replacement; one sentence each.
        delete_first: a replacement must delete first, as its fixed physical name stays the same.
    """

    changes: tuple[Change, ...]
    refusals: tuple[str, ...]
    delete_first: bool

    @property
    def replaces(self) -> tuple[str, ...]:
        """Top-level properties that force a replacement, each once."""
        return tuple(dict.fromkeys(change.root for change in self.changes if change.replaces))


def compare(token: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """Compare decoded inputs of the type `token`; a secret equals the same value in the open."""
    changes, refusals = [], []
    for path, before, after in _walk("", old, new):
        kind = Kind.ADD if before is MISSING else Kind.DELETE if after is MISSING else Kind.UPDATE
        verdicts = [
            judge(token, place, _public(b), _public(a), unknown=a is UNKNOWN, olds=old, news=new)
            for place, b, a in _leaves(generic(path), before, after)
        ]
        if all(verdict.outcome is Verdict.NONE for verdict in verdicts):
            continue
        refusals += [verdict.reason for verdict in verdicts if verdict.outcome is Verdict.REFUSE]
        replaces = any(verdict.outcome is Verdict.REPLACE for verdict in verdicts)
        changes.append(Change(path, kind, replaces))
    names = name_properties(token)
    same = all(_strip(_at(old, name)) == _strip(_at(new, name)) for name in names)
    delete_first = same and _at(new, names[0]) is not MISSING
    return Difference(tuple(changes), tuple(refusals), delete_first)


def generic(path: str) -> str:
    """The path without list indexes, and with quoted keys as plain ones: how the replacement data has it."""
    return re.sub(r'\["(.*?)"\]', r".\1", re.sub(r"\[\d+\]", "", path)).lstrip(".")


def _strip(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value


def _public(value: Any) -> Any:
    return None if value is MISSING else value


def _at(inputs: Mapping[str, Any], path: str) -> Any:
    value: Any = inputs
    for key in path.split("."):
        value = _strip(value)
        if not isinstance(value, Mapping) or key not in value:
            return MISSING
        value = value[key]
    return value


def _join(path: str, key: str) -> str:
    if not PLAIN_KEY.fullmatch(key):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key


def _walk(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    old, new = _strip(old), _strip(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _walk(_join(path, key), old.get(key, MISSING), new.get(key, MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else MISSING
            after = new[index] if index < len(new) else MISSING
            yield from _walk(f"{path}[{index}]", before, after)
    elif old is UNKNOWN or new is UNKNOWN or old != new:
        yield path, old, new


def _leaves(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The changed place itself and, where a whole block came or went, each place inside it."""
    old, new = _strip(old), _strip(new)
    yield path, old, new
    for value, came in ((old, False), (new, True)):
        other = new if value is old else old
        if other is not MISSING:
            continue
        for inner, leaf in _inside(path, value):
            yield (inner, MISSING, leaf) if came else (inner, leaf, MISSING)


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    value = _strip(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{path}.{key}", _strip(item)
            yield from _inside(f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _inside(path, item)
