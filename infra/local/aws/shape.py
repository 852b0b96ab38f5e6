"""From Pulumi's camelCase properties to the parameters of an AWS operation.

botocore knows the shape of every operation, and Pulumi's names are AWS's but for case, plurals and a few
renames; so the shape leads, and only the exceptions are written down. What the operation does not take is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.local.aws.kind import Values

_PAIRS = ({"key", "value"}, {"tagkey", "tagvalue"}, {"name", "value"})
"""Members of the structures with which AWS writes a map as a list."""


def normal(name: str) -> str:
    """A name without case and punctuation: `kmsKeyId` and `KMSKeyId` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _spellings(name: str) -> Iterator[str]:
    plain = normal(name)
    yield plain
    yield f"{plain}s"
    yield plain.removesuffix("s")
    yield f"{plain.removesuffix('ies')}y"
    if plain == "tags":
        yield "taglist"


def member(shape: Any, name: str, rename: Mapping[str, str]) -> str | None:
    """The member of a structure that a property stands for; None when there is none."""
    if rename.get(name) in shape.members:
        return rename[name]
    known = {normal(each): each for each in shape.members}
    return next((known[each] for each in _spellings(name) if each in known), None)


def to_api(shape: Any, values: Mapping[str, Any], rename: Mapping[str, str] | None = None) -> Values:
    """The members of the structure `shape` that `values` has something for.

    Args:
        shape: a botocore structure, such as an operation's input.
        values: properties by their Pulumi names.
        rename: Pulumi name to member name, where they differ by more than case; counts at any depth.
    """
    renames = rename or {}
    found = {name: member(shape, name, renames) for name, value in values.items() if value is not None}
    return {target: _value(shape.members[target], values[name], renames) for name, target in found.items() if target}


def _value(shape: Any, value: Any, rename: Mapping[str, str]) -> Any:
    """Make `value` fit `shape`; what cannot be made to fit goes as it is, for botocore to name it in its refusal."""
    match shape.type_name:
        case "structure":
            return _structure(shape, value, rename)
        case "list":
            return _list(shape, value, rename)
        case "map" if isinstance(value, dict):
            return {key: _value(shape.value, each, rename) for key, each in value.items()}
        case _:
            return _scalar(shape.type_name, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind in {"integer", "long"}:
        return _number(value, int)
    if kind in {"float", "double"}:
        return _number(value, float)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return text(value) if kind == "string" and isinstance(value, bool | int | float) else value


def _number(value: Any, kind: type[int | float]) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError):
        return value


def _structure(shape: Any, value: Any, rename: Mapping[str, str]) -> Any:
    if "Quantity" in shape.members and isinstance(value, list):  # CloudFront's lists
        items = _list(shape.members["Items"], value, rename)
        enabled = {"Enabled": bool(items)} if "Enabled" in shape.members else {}
        return {"Quantity": len(items), **({"Items": items} if items else {}), **enabled}
    if isinstance(value, list) and len(value) <= 1:  # Terraform's blocks of which there is one at most
        value = value[0] if value else {}
    return to_api(shape, value, rename) if isinstance(value, dict) else value


def _list(shape: Any, value: Any, rename: Mapping[str, str]) -> list[Any]:
    each = shape.member
    if isinstance(value, dict) and each.type_name == "structure" and {normal(m) for m in each.members} in _PAIRS:
        key, content = sorted(each.members, key=lambda name: normal(name).endswith("value"))
        return [{key: text(k), content: text(v)} for k, v in value.items()]
    return [_value(each, item, rename) for item in (value if isinstance(value, list) else [value])]


def text(value: Any) -> str:
    """A scalar as AWS writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def same(given: Any, observed: Any) -> bool:
    """Whether AWS's answer says what was asked for, in whatever spelling and order."""
    if isinstance(given, list) and isinstance(observed, list):
        return sorted(map(repr, given)) == sorted(map(repr, observed))
    if isinstance(given, dict) and isinstance(observed, dict):  # AWS's answer may have more inside
        return all(key in given and same(given[key], each) for key, each in observed.items())
    if isinstance(given, dict | list) or isinstance(observed, dict | list):
        return bool(given == observed)
    return text(given).lower() == text(observed).lower()
