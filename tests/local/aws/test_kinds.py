"""Every type that moto implements, through its whole life."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.aws import KINDS
from tests.local.aws.cases_data import DATA, STORAGE
from tests.local.aws.cases_foundation import IDENTITY, NETWORK
from tests.local.aws.cases_operations import MESSAGING, TELEMETRY, TRAFFIC
from tests.local.aws.scene import Scene

CASES = {**NETWORK, **IDENTITY, **DATA, **TRAFFIC, **STORAGE, **MESSAGING, **TELEMETRY}
CHANGING = [token for token, case in CASES.items() if case.change]
REAL = {token for token, kind in KINDS.items() if kind.real}
ONLY_KEPT = {  # moto has the type, but not its update: see the row's comment
    "aws:rds/eventSubscription:EventSubscription",
    "aws:backup/plan:Plan",
}


def _known(value: Any, path: str) -> bool:
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def test_every_real_type_has_a_case() -> None:
    assert CASES.keys() == REAL


@pytest.mark.parametrize("token", CASES)
def test_lives(token: str, scene: Scene) -> None:
    """Created, read back unchanged, deleted, not found any more, and deleted again without complaint."""
    case = CASES[token]
    inputs = case.inputs(scene)
    kind, context, id_, outputs = scene.make(token, **inputs)

    assert id_
    assert {key: outputs[key] for key in inputs} == inputs
    assert [path for path in kind.computed if not _known(outputs, path)] == []
    assert kind.read(context, id_, outputs) == outputs

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

    assert {key: after[key] for key in new if key != "vpcConfig"} == {k: v for k, v in new.items() if k != "vpcConfig"}
    assert kind.read(context, id_, after) == after
    seen = kind.read(context, id_, before)
    assert seen is not None
    assert [key for key in case.seen if seen.get(key) == before.get(key)] == []
    assert [key for key in case.seen if seen.get(key) != after.get(key)] == []
    kind.delete(context, id_, after)


@pytest.mark.parametrize("token", [token for token in CHANGING if token not in ONLY_KEPT])
def test_an_update_without_a_change_says_the_same(token: str, scene: Scene) -> None:
    inputs = CASES[token].inputs(scene)
    kind, context, id_, outputs = scene.make(token, **inputs)

    assert kind.update(context, id_, outputs, inputs, dict(inputs)) == outputs
    kind.delete(context, id_, outputs)
