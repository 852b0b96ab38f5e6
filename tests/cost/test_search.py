"""What OpenSearch domains are charged for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.book import PriceBook, shipped
from infra.cost.estimators import search
from infra.cost.model import HOURS, Charge, Scene, State
from infra.cost.usage import Usage
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.growth.conftest import made

DOMAIN = "aws:opensearch/domain:Domain"


def charged(cluster: Mapping[str, Any], disk: Mapping[str, Any] | None = None) -> Mapping[str, Charge]:
    """Charges of a domain by component."""
    resource = made(DOMAIN, "us-east-1-search", {"clusterConfig": dict(cluster), "ebsOptions": dict(disk or {})})
    scene = Scene([resource], Usage(phase_of("250k")), PriceBook([]))
    return {item.component: item for item in search.domain(resource, scene) if isinstance(item, Charge)}


THREE = {"instanceCount": 3, "instanceType": "m6g.large.search", "dedicatedMasterEnabled": False}


def test_each_node_is_charged_by_the_hour_and_has_a_volume() -> None:
    found = charged(THREE, {"ebsEnabled": True, "volumeSize": 100, "volumeType": "gp3"})
    assert (found["nodes"].key, found["nodes"].quantity) == ("opensearch/instance/m6g.large.search", 3 * HOURS)
    assert (found["storage"].key, found["storage"].quantity) == ("opensearch/storage/gp3", 300)
    assert found.keys() == {"nodes", "storage"}


def test_dedicated_masters_and_warm_nodes_come_on_top() -> None:
    masters = {"dedicatedMasterEnabled": True, "dedicatedMasterType": "m7g.medium.search", "dedicatedMasterCount": 3}
    warm = {"warmEnabled": True, "warmType": "ultrawarm1.medium.search", "warmCount": 2}
    found = charged({**THREE, **masters, **warm})
    assert (found["masters"].key, found["masters"].quantity) == ("opensearch/instance/m7g.medium.search", 3 * HOURS)
    assert found["warm nodes"].quantity == 2 * HOURS
    assert found["nodes"].quantity == 3 * HOURS


def test_masters_that_are_off_cost_nothing_even_where_their_type_is_named() -> None:
    assert charged({**THREE, "dedicatedMasterType": "m7g.medium.search"}).keys() == {"nodes"}


@pytest.mark.parametrize(
    ("iops", "mibps", "expected"),
    [(3_000, 125, {}), (4_000, 200, {"iops": 3_000, "throughput": 225}), (None, None, {})],
)
def test_each_nodes_volume_pays_beyond_the_baseline(
    iops: int | None, mibps: int | None, expected: dict[str, int]
) -> None:
    disk = {"ebsEnabled": True, "volumeSize": 100, "volumeType": "gp3", "iops": iops, "throughput": mibps}
    found = charged(THREE, disk)
    assert {name: found[name].quantity for name in ("iops", "throughput") if name in found} == expected


@given(nodes=st.integers(1, 50), gib=st.integers(10, 1_000))
def test_another_node_or_a_bigger_volume_never_costs_less(nodes: int, gib: int) -> None:
    def total(nodes: int, gib: int) -> Decimal:
        found = charged({**THREE, "instanceCount": nodes}, {"ebsEnabled": True, "volumeSize": gib, "volumeType": "gp3"})
        return sum(
            (shipped().monthly(one.key, "us-east-1", Decimal(one.quantity)) for one in found.values()), Decimal(0)
        )

    assert total(nodes + 1, gib) > total(nodes, gib) < total(nodes, gib + 1)


@pytest.mark.parametrize("stack", STACKS)
def test_no_domain_of_a_shipped_stack_is_unpriced(stack: str) -> None:
    ours = {one.urn for one in planned(stack) if one.type.startswith("aws:opensearch/")}
    lines = [line for line in estimated(stack).lines if line.urn in ours]
    assert {line.urn for line in lines} == ours
    assert all(line.state is State.PRICED for line in lines)
