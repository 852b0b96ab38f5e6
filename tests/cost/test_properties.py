"""What holds of every estimate: differences add up, and more of anything never costs less."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import stack_file
from infra.config import Settings
from infra.cost.estimate import estimate
from infra.cost.model import Estimate
from infra.cost.usage import Level, Usage
from infra.plan import make_plan
from infra.review.pricing import by_resource
from infra.stack_file import StackFile
from tests.cost.conftest import ROOT, STACKS, estimated, phase_of, planned


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), stack=st.sampled_from(["10k", "50k"]))
def test_a_cost_and_what_each_resource_moves_it_by_give_the_other_cost(seed: int, stack: str) -> None:
    chance, resources = Random(seed), planned(stack)  # noqa: S311 - a part of the resources, the same each time
    usage = Usage(phase_of(stack))
    before, after = (estimate([one for one in resources if chance.random() < share], usage) for share in (0.5, 0.9))
    old, new = by_resource(before.lines), by_resource(after.lines)
    moved = sum((new.get(urn, Decimal(0)) - old.get(urn, Decimal(0)) for urn in {*old, *new}), Decimal(0))
    assert before.monthly_usd + moved == after.monthly_usd


@pytest.mark.parametrize("stack", STACKS)
def test_a_busier_month_costs_more(stack: str) -> None:
    low, expected, high = (estimated(stack, level).monthly_usd for level in Level)
    assert low < expected < high


def test_a_user_costs_less_in_every_phase_than_in_the_one_before() -> None:
    each = [estimated(stack).monthly_usd / phase_of(stack).targets.monthly_users for stack in STACKS]
    assert each == sorted(each, reverse=True)
    assert len(set(each)) == len(each)


@pytest.mark.parametrize("stack", STACKS)
def test_every_shipped_stack_is_inside_its_band_with_every_line_known(stack: str) -> None:
    found, band = estimated(stack), phase_of(stack).targets.monthly_usd
    assert found.unpriced == ()
    assert found.needs_usage == ()
    assert band.low <= found.monthly_usd <= band.high


def with_overrides(**overrides: object) -> StackFile:
    """The shipped 50k stack with other sizes."""
    shipped = stack_file.read(Path(ROOT / "Pulumi.50k.yaml"))
    raw = {**shipped.raw, "headroom:overrides": json.dumps(overrides)}
    return StackFile(stack=shipped.stack, raw=raw, encrypted=frozenset())


def cost(stored: StackFile) -> Estimate:
    phase = Settings.parse(stored.raw, stack=stored.stack).spec
    return estimate(make_plan(stored).resources, Usage(phase))


@pytest.mark.parametrize(
    "overrides",
    [
        {"database": {"localReplicas": 2}},
        {"database": {"instanceClass": "db.r6g.xlarge", "replicaClass": "db.r6g.xlarge"}},
        {"database": {"storageGib": 150}},
        {"cache": {"shards": 2}},
        {"state": {"replicasPerShard": 2}},
        {"cache": {"nodeType": "cache.r7g.large"}},
        {"network": {"interfaceEndpoints": ["logs", "sqs"]}},
        {"telemetry": {"traceSamplePercent": 50}},
    ],
    ids=json.dumps,
)
def test_more_of_anything_costs_more(overrides: dict[str, object]) -> None:
    plain, more = estimated("50k"), cost(with_overrides(**overrides))
    assert more.unpriced == ()
    assert more.monthly_usd > plain.monthly_usd
