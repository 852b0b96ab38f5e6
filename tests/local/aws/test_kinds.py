"""Every type that moto implements, through its whole life."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.aws import KINDS
from tests.local.aws.cases_data import DATA, STORAGE
from tests.local.aws.cases_foundation import IDENTITY, NETWORK
from tests.local.aws.cases_observability import OBSERVABILITY
from tests.local.aws.cases_operations import MESSAGING, TELEMETRY, TRAFFIC
from tests.local.aws.cases_peering import PEERING
from tests.local.aws.cases_search import GATEWAY, SCALING, SEARCH
from tests.local.aws.cases_streams import EMAIL, STREAMS
from tests.local.aws.scene import Scene

CASES = {
    **NETWORK,
    **PEERING,
    **IDENTITY,
    **DATA,
    **TRAFFIC,
    **STORAGE,
    **MESSAGING,
    **STREAMS,
    **EMAIL,
    **TELEMETRY,
    **OBSERVABILITY,
    **SEARCH,
    **GATEWAY,
    **SCALING,
}
CHANGING = [token for token, case in CASES.items() if case.change]
REAL = {token for token, kind in KINDS.items() if kind.real}


def _has(value: Any, path: str) -> bool:
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _echoed(given: Any, outputs: Any) -> bool:
    """Whether the outputs say what was given, maybe with more inside."""
    if isinstance(given, dict) and isinstance(outputs, dict):
        return all(_echoed(value, outputs.get(key)) for key, value in given.items())
    return bool(given == outputs)


def _plain(value: Any) -> Any:
    """AWS spells JSON in its own way."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def test_every_real_type_has_a_case() -> None:
    assert CASES.keys() == REAL


@pytest.mark.parametrize("token", CASES)
def test_lives(token: str, scene: Scene) -> None:
    """Created, read back unchanged, updated to the same, deleted, not found any more, deleted again."""
    case = CASES[token]
    inputs = case.inputs(scene)
    kind, context, id_, outputs = scene.make(token, **inputs)

    assert id_
    assert _echoed(inputs, outputs)
    assert [path for path in kind.computed if not _has(outputs, path)] == []
    assert kind.read(context, id_, outputs) == outputs
    assert kind.update(context, id_, outputs, inputs, dict(inputs)) == outputs

    kind.delete(context, id_, outputs)
    if not case.stays:
        assert kind.read(context, id_, outputs) is None
        kind.delete(context, id_, outputs)


@pytest.mark.parametrize("token", CHANGING)
def test_changes(token: str, scene: Scene) -> None:
    """What an update did is what AWS says afterwards, to those who hold the new outputs and the old."""
    case = CASES[token]
    assert case.change is not None
    old = case.inputs(scene)
    kind, context, id_, before = scene.make(token, **old)
    new = {key: value for key, value in {**old, **case.change(scene)}.items() if value is not None}

    after = kind.update(context, id_, before, old, new)

    assert _echoed(new, after)
    assert kind.read(context, id_, after) == after
    seen = kind.read(context, id_, before)
    assert seen is not None
    assert [key for key in case.seen if seen.get(key) == before.get(key)] == []
    assert [key for key in case.seen if _plain(seen.get(key)) != _plain(after.get(key))] == []
    kind.delete(context, id_, after)
