"""Every promise of every phase has a value that the phase says, and resources that keep it or a reason."""

from __future__ import annotations

from typing import Any

import pytest

from infra.plan import PlannedResource
from stacks.phase import PhaseName
from stacks.phases import phase
from tools.docs import PROMISES, plan_of
from tools.promises import Promise, Reads, Resources, some, table

ROWS = [
    pytest.param(name, promise, id=f"{name}-{index}")
    for name, promises in PROMISES.items()
    for index, promise in enumerate(promises, 1)
]


def test_no_promise_of_a_phase_is_missing_or_there_twice() -> None:
    assert {name: len(promises) for name, promises in PROMISES.items()} == {
        PhaseName.P10K: 16,
        PhaseName.P50K: 24,
        PhaseName.P250K: 26,
        PhaseName.P1M: 32,
    }
    for promises in PROMISES.values():
        assert len({promise.text for promise in promises}) == len(promises)


@pytest.mark.parametrize(("name", "promise"), ROWS)
def test_a_promise_is_kept_by_resources_of_the_plan_or_says_why_not(name: PhaseName, promise: Promise) -> None:
    assert promise.by or promise.reason
    missing = [resources for resources in promise.by if not resources.of(plan_of(name))]
    assert not missing, promise.text


@pytest.mark.parametrize(("name", "promise"), ROWS)
def test_the_value_is_read_from_the_phase(name: PhaseName, promise: Promise) -> None:
    assert promise.value is not None
    seen: list[str] = []
    said = promise.value(Reads(phase(name), seen))  # type: ignore[arg-type]
    assert seen, promise.text
    assert said == promise.value(phase(name))
    assert said.strip()


def _resource(type_: str, name: str, **inputs: Any) -> PlannedResource:
    return PlannedResource(
        urn=f"urn:{name}", type=type_, name=name, parent=None, inputs=inputs, options={}, dependencies=[]
    )


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        (some("rds.Instance"), ["db-0", "db-0-reader"]),
        (some("rds.Instance", "-reader$"), ["db-0-reader"]),
        (some("rds.Instance", having="replicateSourceDb"), ["db-0-reader"]),
        (some("rds.Instance", having="multiAz"), []),
        (some("sqs.Queue"), []),
    ],
)
def test_resources_are_found_by_type_name_and_input(resources: Resources, found: list[str]) -> None:
    plan = type(plan_of(PhaseName.P10K))(
        "s",
        "10k",
        [
            _resource("aws:rds/instance:Instance", "db-0", multiAz=False),
            _resource("aws:rds/instance:Instance", "db-0-reader", replicateSourceDb="db-0"),
        ],
        {},
    )
    assert [resource.name for resource in resources.of(plan)] == found
    text = table([Promise(text="t", by=[resources], reason="Because")], phase(PhaseName.P10K), plan)
    assert all((f"`{name}`" in text) == (name in found) for name in ("db-0", "db-0-reader"))
    assert text.endswith("Because |")
