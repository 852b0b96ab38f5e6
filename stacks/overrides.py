"""Overrides of a phase from a stack file: merged into the phase, and validated by the same model."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from infra.errors import UserError
from stacks.phase import Phase

Path = tuple[int | str, ...]
"""Keys and list indices from the overrides down to a value."""
Scalar = str | float | None

FIXED = ("name", "sizing", "regions")
"""What is chosen by a key of its own, and so is no override."""
_DEEPEST = 8
"""Levels of an overrides tree; the model has five."""
_LONGEST_LIST = 12
"""Names that a message lists before it only gives an example."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """One override that the model refuses.

    Attributes:
        path: below `overrides`, in camelCase.
        value: what was given, or what the phase itself has there.
        allowed: what is wrong with it, or what is allowed.
        mend: path and value that would be right; a value of None takes the override away.
    """

    path: Path
    value: object
    allowed: str
    mend: tuple[Path, Scalar]


_Found = tuple[Broken, Path]
"""A refused override, and what to take out so that the rest can be looked at."""


class OverrideError(UserError):
    """Overrides that do not make a phase; `broken` has them all."""

    def __init__(self, broken: Sequence[Broken]) -> None:
        """Write every one into the message."""
        self.broken = tuple(broken)
        problems = [f"{dotted(one.path)} = {one.value!r}: {one.allowed}" for one in broken]
        super().__init__(f"{len(problems)} override(s) do not fit the phase", problems)


def override(base: Phase, overrides: Mapping[str, Any], regions: Sequence[str] | None = None) -> Phase:
    """`base` with `overrides` (camelCase, as in a stack file) merged into it, and `regions` in place of its own.

    Raises:
        OverrideError: with everything that the model refuses. A refused override is taken out and the rest validated
            again, because rules between fields are only checked when each field is right.
    """
    pending = json.loads(json.dumps(overrides)) if _depth(overrides) <= _DEEPEST else None
    if pending is None:
        raise OverrideError([_too_deep(overrides)])
    found = [_fixed(key, pending.pop(key)) for key in FIXED if key in pending]
    if regions is not None:
        pending["regions"] = list(regions)
    while True:
        try:
            phase = Phase.model_validate_json(
                json.dumps(_merged(base, pending)), strict=True, by_alias=True, by_name=False
            )
        except ValidationError as error:
            fresh = list(_explain(base, pending, error))
            found += [one for one, _ in fresh]
            taken_out = [_prune(pending, path) for _, path in fresh]
            if not any(taken_out):
                raise OverrideError(found) from None
        else:
            if found:
                raise OverrideError(found)
            return phase


def describe(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words: `a whole number from 20 to 65,536`."""
    schema = _resolved(schema, root)
    if "enum" in schema:
        values = [str(value) for value in schema["enum"]]
        return f"one of {', '.join(values)}" if len(values) <= _LONGEST_LIST else f"a known name such as {values[0]}"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "array":
        return f"a list, each item {describe(schema['items'], root)}"
    if kind == "object":
        names = list(schema.get("properties", ())) or ["names of your choice"]
        return f"a group of settings: {', '.join(names)}"
    if kind == "string" and "pattern" in schema:
        return f"text that matches {schema['pattern']}"
    return {"boolean": "true or false", "string": "text"}[str(kind)]


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "" if low is None else f" from {_plain(low)}"
    below = "" if high is None else f" {'to' if 'maximum' in schema else 'to below'} {_plain(high)}"
    step = f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    return (above + (below or (" on" if above else ""))) + step


def _plain(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:,}"


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and look through `or null`."""
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if "anyOf" in schema:
        return _resolved(next(one for one in schema["anyOf"] if one.get("type") != "null"), root)
    return schema


@cache
def _schema() -> dict[str, Any]:
    return Phase.model_json_schema(by_alias=True)


def _schema_at(path: Path, root: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = _resolved(root, root)
    for step in path:
        inside = schema.get("properties", {})
        if isinstance(step, int):
            schema = schema["items"]
        elif step in inside:
            schema = inside[step]
        else:
            schema = schema["additionalProperties"]
        schema = _resolved(schema, root)
    return schema


def _depth(value: object) -> int:
    level, here = 0, [value]
    while here and level <= _DEEPEST:
        level += 1
        here = [
            inner
            for outer in here
            if isinstance(outer, Mapping | list)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return level


def _too_deep(overrides: Mapping[str, Any]) -> Broken:
    path: Path = tuple(key for key, value in overrides.items() if _depth({key: value}) > _DEEPEST)[:1]
    return Broken(path=path, value="...", allowed=f"is nested deeper than {_DEEPEST} levels", mend=(path, None))


def _fixed(key: str, value: object) -> Broken:
    allowed = f"is no override: the key headroom:{'phase' if key == 'name' else key} has it"
    return Broken(path=(key,), value=value, allowed=allowed, mend=((key,), None))


def _merged(base: Phase, overrides: Mapping[str, Any]) -> dict[str, Any]:
    plain = base.model_dump(mode="json", by_alias=True)
    storage = overrides.get("database", {})
    if isinstance(storage, Mapping) and "storageGib" in storage:
        # What a volume can do depends on its size: inherited from another size it would be refused.
        del plain["database"]["iops"], plain["database"]["throughputMibps"]
    return _merge(plain, overrides)


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, Mapping) else value
    return both


def _prune(overrides: dict[str, Any], path: Path) -> bool:
    """Take away the override at `path`, or the nearest one above it; false where there is none."""
    here: Any = overrides
    parents: list[tuple[dict[str, Any], str]] = []
    for step in path:
        if not isinstance(here, dict) or not isinstance(step, str) or step not in here:
            break
        parents.append((here, step))
        here = here[step]
    if not parents:
        return False
    parent, key = parents[-1]
    del parent[key]
    return True


def _explain(base: Phase, overrides: dict[str, Any], error: ValidationError) -> Iterator[_Found]:
    root = _schema()
    current = base.model_dump(mode="json", by_alias=True)
    errors = error.errors(include_url=False)
    bad_keys = [one["loc"][:-1] for one in errors if one["loc"][-1:] == ("[key]",)]
    for one in errors:
        loc, value, kind = one["loc"], one["input"], one["type"]
        if kind == "default_factory_not_called" or any(
            loc[: len(key)] == key and loc[-1] != "[key]" for key in bad_keys
        ):
            continue  # follows from another error, and goes with it
        if kind == "rule":
            yield _explain_rule(overrides, current, loc, one["ctx"])
            continue
        path: Path = loc
        if kind == "extra_forbidden":
            problem = Broken(path=path, value=value, allowed=_near(loc, root), mend=(path, None))
        elif loc[-1] == "[key]":
            path = loc[:-1]
            problem = Broken(path=path, value=_lookup(overrides, path), allowed=_reason(one), mend=(path, None))
        else:
            schema = _schema_at(loc, root)
            allowed = _reason(one) if kind == "value_error" else f"must be {describe(schema, root)}"
            if kind == "missing":
                problem = Broken(path=path, value=None, allowed=f"is missing: {allowed}", mend=(path, _sample(schema)))
            else:
                mend = _nearest(schema, value, current, loc)
                problem = Broken(path=path, value=value, allowed=allowed, mend=(path, mend))
        yield problem, path


def _reason(error: ErrorDetails) -> str:
    return str(error["ctx"]["error"])


def _explain_rule(overrides: dict[str, Any], current: dict[str, Any], loc: Path, context: dict[str, Any]) -> _Found:
    """A rule between fields names the one to change, which need not be the one that was written."""
    field = context["field"].replace("[0]", ".0").split(".")
    target: Path = (*loc, *(int(step) if step.isdigit() else step for step in field))
    given = _lookup(overrides, target)
    if given is None and context["mend"] is None:
        target = _leaf(overrides, loc or target)
        given = _lookup(overrides, target)
    value = _lookup(current, target) if given is None else given
    problem = Broken(path=target, value=value, allowed=context["message"], mend=(target, context["mend"]))
    return problem, loc or target


def _lookup(tree: Any, path: Path) -> Any:
    for step in path:
        if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        elif isinstance(tree, dict):
            tree = tree.get(step)
        else:
            return None
    return tree


def _leaf(overrides: dict[str, Any], path: Path) -> Path:
    """The first override at or below `path`."""
    value = _lookup(overrides, path)
    while isinstance(value, dict) and value:
        key = next(iter(value))
        path, value = (*path, key), value[key]
    return path


def dotted(path: Path) -> str:
    """A path as `pulumi config set --path` reads it: `a.b[0]["c.d"]`."""
    steps = (
        f".{step}" if isinstance(step, str) and re.fullmatch(r"[A-Za-z0-9_-]+", step) else f"[{json.dumps(step)}]"
        for step in path
    )
    return "".join(steps).lstrip(".")


def _near(loc: Path, root: Mapping[str, Any]) -> str:
    known = [name for name in _schema_at(loc[:-1], root).get("properties", {}) if len(loc) > 1 or name not in FIXED]
    key = str(loc[-1])
    close = [to_camel(key)] if to_camel(key) in known else difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"is no setting; {hint}"


def _nearest(schema: Mapping[str, Any], value: object, current: dict[str, Any], loc: Path) -> Scalar:
    """A right value close to what was meant: the bound that was overstepped, otherwise what the phase has."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and "enum" not in schema
        and "multipleOf" not in schema
    ):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and value < low:
            return float(low) if isinstance(low, float) else int(low)
        if high is not None and value > high:
            return float(high) if isinstance(high, float) else int(high)
    own = _lookup(current, loc)
    return own if isinstance(own, str | int | float) else None


def _sample(schema: Mapping[str, Any]) -> Scalar:
    for key in ("examples", "enum"):
        if schema.get(key):
            first: Scalar = schema[key][0]
            return first
    sample: Scalar = schema.get("minimum", False if schema.get("type") == "boolean" else None)
    return sample
