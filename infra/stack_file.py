"""`Pulumi.STACK.yaml` as Pulumi reads it, without an engine."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from infra.errors import UserError
from infra.problems import NAMESPACE

ENCRYPTED = "[secret]"
"""Stands for every value that only the engine can decrypt; the plan shows it as Pulumi does."""
_NULL = "tag:yaml.org,2002:null"
_NAME = r"[A-Za-z0-9._-]{1,100}"
_PREFIX, _SUFFIX = "Pulumi.", ".yaml"


class _Loader(yaml.SafeLoader):
    """YAML as the engine reads it (Go's yaml.v3): `yes` is text, dates are text, 0o17 and 017 are numbers."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]


_NUMBER = "-+0123456789."
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*|0o?[0-7]+|0x[0-9a-fA-F]+)", _NUMBER),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        _NUMBER,
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


@dataclass(frozen=True, slots=True)
class StackFile:
    """What is stored, as Pulumi hands it on.

    Attributes:
        stack: name of the stack.
        raw: full keys; scalars as they are written, lists and groups as JSON, secrets as `ENCRYPTED`.
        encrypted: keys whose value is a secret.
    """

    stack: str
    raw: dict[str, str]
    encrypted: frozenset[str]


def path_of(stack: str, root: Path) -> Path:
    """Where the configuration of `stack` is stored. Of `organization/project/stack` only the last part counts.

    Raises:
        UserError: `stack` is no name of a stack.
    """
    name = stack.rpartition("/")[2]
    if not re.fullmatch(_NAME, name):
        msg = f"{stack!r} is no name of a stack: letters, digits, hyphens, underscores and periods"
        raise UserError(msg)
    return root / f"{_PREFIX}{name}{_SUFFIX}"


def stack_of(path: Path) -> str:
    """The stack whose configuration is in `path`."""
    return path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def read(path: Path) -> StackFile:
    """Read a stack file.

    Raises:
        UserError: the file is missing (the message names the stacks there are), is no YAML, or has no mapping `config`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read: {error}"
        raise UserError(msg) from None
    try:
        root = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        msg = f"{path.name} is no YAML: {_where(error)}"
        raise UserError(msg) from None
    config = _child(root, "config", path) if root is not None else None
    raw = {key: _value(node, path) for key, node in _pairs(config, path, "config")} if config is not None else {}
    return StackFile(stack_of(path), raw, frozenset(key for key, text in raw.items() if text is ENCRYPTED))


def _missing(path: Path) -> UserError:
    known = sorted(stack_of(one) for one in path.parent.glob(f"{_PREFIX}*{_SUFFIX}"))
    there = f"the stacks are {', '.join(known)}" if known else "there is no stack file at all"
    return UserError(f"no stack {stack_of(path)} ({path.name}); {there}")


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error) or "nested too deep"
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', None) or 'syntax error'}"


def _child(root: yaml.Node, key: str, path: Path) -> yaml.Node | None:
    found = dict(_pairs(root, path, "the file")).get(key)
    return None if found is not None and found.tag == _NULL else found


def _pairs(node: yaml.Node, path: Path, what: str) -> list[tuple[str, yaml.Node]]:
    """Keys and values of a mapping; twice the same key is refused, as Pulumi does."""
    if not isinstance(node, yaml.MappingNode):
        msg = f"{path.name}, line {node.start_mark.line + 1}: {what} must be a mapping of keys to values"
        raise UserError(msg)
    pairs: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            msg = f"{path.name}, line {key.start_mark.line + 1}: a key must be text"
            raise UserError(msg)
        name = str(key.value)
        if what == "config" and ":" not in name:
            name = f"{NAMESPACE}:{name}"  # the engine takes a key without namespace for the project's own
        if name in pairs:
            msg = f"{path.name}, line {key.start_mark.line + 1}: {name} is there twice"
            raise UserError(msg)
        pairs[name] = value
    return list(pairs.items())


def _value(node: yaml.Node, path: Path) -> str:
    """The value as Pulumi hands it on: text, or JSON; as there, one secret inside makes all of it secret."""
    try:
        value = _Loader("").construct_document(node)
        if isinstance(value, str) or value is None:
            return value or ""
        return ENCRYPTED if _has_secret(value) else json.dumps(value)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        msg = f"{path.name}, line {node.start_mark.line + 1}: no value that Pulumi can store: {_where(error)}"
        raise UserError(msg) from None


def _has_secret(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, dict) and set(value) == {"secure"}) or any(_has_secret(one) for one in inner)
