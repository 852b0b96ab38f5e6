"""What a preview and a refresh say of an object: outputs that are known before, inputs that hold no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.local.values import UNKNOWN

Values = dict[str, Any]


def drifted(inputs: Any, before: Any, after: Any) -> Any:
    """The stored `inputs`, with each value whose output changed from `before` to `after` replaced by the new one."""
    if isinstance(inputs, dict) and isinstance(before, dict) and isinstance(after, dict):
        merged = {name: drifted(value, before.get(name), after.get(name)) for name, value in inputs.items()}
        return {name: value for name, value in merged.items() if value is not None}
    return inputs if before == after else after


def foreseen(inputs: Values, computed: Sequence[str]) -> Values:
    """The outputs that a preview knows: the inputs, and an unknown in each computed place that they leave open."""
    outputs = dict(inputs)
    for path in computed:
        name, _, rest = path.partition(".")
        if not rest:
            outputs.setdefault(name, UNKNOWN)
        elif isinstance(inside := outputs.get(name, {}), dict):
            outputs[name] = foreseen(inside, [rest])
    return outputs


def carried(inputs: Values, olds: Values, computed: Sequence[str]) -> Values:
    """The inputs, and in each computed place inside of them that they leave open what the object has there."""
    outputs = dict(inputs)
    for path in computed:
        name, _, rest = path.partition(".")
        inside, before = outputs.get(name), olds.get(name)
        if rest and isinstance(inside, dict) and isinstance(before, dict):
            outputs[name] = carried(inside, before, [rest])
        elif not rest and name in olds:
            outputs.setdefault(name, olds[name])
    return outputs
