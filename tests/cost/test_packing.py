"""Pods onto nodes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.packing import NODE_TYPES, Limits, Offer, Workload, cheapest, node_count

BOUNDLESS = Limits(vcpus=Decimal("Infinity"), memory_gib=Decimal("Infinity"))
SPOT = {"key": "headroom/spot", "value": "true", "effect": "NoSchedule"}
SIZES = st.builds(
    lambda pods, cpu, memory, apart: Workload(
        name="api", pods=pods, cpu_millicores=cpu, memory_mib=memory, most_on_a_node=apart
    ),
    pods=st.integers(1, 60),
    cpu=st.integers(10, 8_000),
    memory=st.integers(16, 32_768),
    apart=st.sampled_from([None, 1, 3]),
)


def pods(count: int, cpu: int, memory: int = 128, name: str = "api", **more: Any) -> Workload:
    """Equal pods."""
    return Workload(name=name, pods=count, cpu_millicores=cpu, memory_mib=memory, **more)


def offer(name: str, usd: str = "10") -> Offer:
    """A type for sale."""
    return Offer(NODE_TYPES[name], "on-demand", Decimal(usd))


@pytest.mark.parametrize(
    ("name", "cpu", "memory"),
    # As https://karpenter.sh/docs/reference/instance-types/ has them (recalled).
    [("t4g.medium", 1_930, 3_246), ("m7g.large", 1_930, 6_903), ("m7g.xlarge", 3_920, 14_162)],
)
def test_the_system_keeps_a_part_of_a_node(name: str, cpu: int, memory: int) -> None:
    assert NODE_TYPES[name].cpu_millicores == cpu
    assert NODE_TYPES[name].memory_mib == memory


@pytest.mark.parametrize(("cpu", "fit"), [(2_000, 7), (4_000, 3)])
def test_what_the_system_keeps_costs_a_whole_pod_where_sizes_are_round(cpu: int, fit: int) -> None:
    node = NODE_TYPES["m7g.4xlarge"]
    assert node_count([pods(fit, cpu)], [], node) == 1
    assert node_count([pods(fit + 1, cpu)], [], node) == 2


def test_memory_can_be_what_runs_out() -> None:
    assert node_count([pods(4, 10, 2_048)], [], NODE_TYPES["m7g.large"]) == 2


def test_so_can_the_number_of_pods() -> None:
    assert node_count([pods(29, 10, 16)], [], NODE_TYPES["m7g.large"]) == 1
    assert node_count([pods(30, 10, 16)], [], NODE_TYPES["m7g.large"]) == 2
    assert node_count([pods(29, 10, 16)], [pods(1, 10, 16, "log-router")], NODE_TYPES["m7g.large"]) == 2


def test_daemons_take_their_part_of_each_node() -> None:
    daemon = pods(1, 500, 512, "agent")
    assert node_count([pods(2, 900)], [], NODE_TYPES["m7g.large"]) == 1
    assert node_count([pods(2, 900)], [daemon], NODE_TYPES["m7g.large"]) == 2


def test_a_pod_larger_than_the_node_fits_nowhere() -> None:
    assert node_count([pods(1, 1_931)], [], NODE_TYPES["m7g.large"]) is None
    assert node_count([pods(1, 10)], [pods(1, 2_000, name="agent")], NODE_TYPES["m7g.large"]) is None


def test_small_pods_fill_what_large_ones_leave() -> None:
    mixed = [pods(4, 350, name="small"), pods(2, 1_200, name="large")]
    assert node_count(mixed, [], NODE_TYPES["m7g.large"]) == 2


@pytest.mark.parametrize(("count", "nodes"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_pods_that_want_different_zones_get_them(count: int, nodes: int) -> None:
    assert node_count([pods(count, 100, over_zones=True)], [], NODE_TYPES["m7g.4xlarge"]) == nodes


def test_pods_that_want_different_nodes_share_them_with_others_only() -> None:
    apart = [pods(5, 100, name="reader", most_on_a_node=1), pods(5, 100, name="writer", most_on_a_node=1)]
    assert node_count(apart, [], NODE_TYPES["m7g.4xlarge"]) == 5


def test_the_type_that_costs_least_in_all_is_bought() -> None:
    offers = [offer("m7g.large", "10"), offer("m7g.xlarge", "19"), offer("m7g.4xlarge", "100")]
    one = cheapest([pods(4, 900)], [], offers, BOUNDLESS)
    assert one is not None
    assert (one.node_type.name, one.nodes) == ("m7g.xlarge", 1)
    several = cheapest([pods(4, 900, most_on_a_node=2)], [], offers, BOUNDLESS)
    assert several is not None
    assert (several.node_type.name, several.nodes) == ("m7g.large", 2)


def test_limits_give_up_the_spread_before_the_pods() -> None:
    offers = [offer("m7g.large"), offer("m7g.xlarge", "15")]
    spread = [pods(6, 600, most_on_a_node=1)]
    tight = cheapest(spread, [], offers, Limits(vcpus=Decimal(4), memory_gib=Decimal(64)))
    assert tight is not None
    assert (tight.node_type.name, tight.nodes) == ("m7g.xlarge", 1)
    assert cheapest(spread, [], offers, Limits(vcpus=Decimal(2), memory_gib=Decimal(64))) is None
    assert cheapest(spread, [], offers, Limits(vcpus=Decimal(64), memory_gib=Decimal(6))) is None


def test_what_nobody_asks_for_is_waste() -> None:
    found = cheapest([pods(3, 1_000, 1_024)], [pods(1, 100, 256, "agent")], [offer("m7g.large")], BOUNDLESS)
    assert found is not None
    assert found.nodes == 3
    assert found.vcpus == 6
    assert found.wasted_vcpus == 3 * Decimal("1.93") - 3 - Decimal("0.3")
    assert found.wasted_gib == Decimal(3 * 6_903 - 3 * 1_024 - 3 * 256) / 1_024


def test_without_pods_there_are_no_nodes() -> None:
    found = cheapest([], [pods(1, 100, name="agent")], [offer("m7g.large")], BOUNDLESS)
    assert found is not None
    assert found.nodes == 0


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "headroom/spot", "operator": "Exists"}, True),
        ({"key": "headroom/spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}, True),
        ({"key": "headroom/spot", "value": "true"}, True),
        ({"key": "headroom/spot", "value": "false"}, False),
        ({"key": "headroom/other", "operator": "Exists"}, False),
        ({"key": "headroom/spot", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_is_tolerated_by_key_value_and_effect(toleration: dict[str, str], *, tolerates: bool) -> None:
    assert pods(1, 10, tolerations=(toleration,)).tolerates([SPOT]) is tolerates


def test_without_taints_everybody_may_come() -> None:
    assert pods(1, 10).tolerates([])
    assert not pods(1, 10).tolerates([SPOT])


@given(SIZES, st.sampled_from(sorted(NODE_TYPES)))
def test_nodes_hold_what_they_are_said_to_hold(workload: Workload, name: str) -> None:
    node = NODE_TYPES[name]
    found = node_count([workload], [], node)
    if found is None:
        assert workload.cpu_millicores > node.cpu_millicores or workload.memory_mib > node.memory_mib
        return
    assert workload.pods * workload.cpu_millicores <= found * node.cpu_millicores
    assert workload.pods * workload.memory_mib <= found * node.memory_mib
    assert workload.pods <= found * min(node.most_pods, workload.most_on_a_node or node.most_pods)
    assert found <= workload.pods


@given(SIZES, st.integers(0, 20), st.integers(0, 2_000), st.integers(0, 4_096))
def test_more_and_larger_pods_never_cost_less(workload: Workload, pods: int, cpu: int, memory: int) -> None:
    offers = [Offer(one, "on-demand", Decimal(one.vcpus * 10 + one.memory_gib)) for one in NODE_TYPES.values()]
    larger = replace(
        workload,
        pods=workload.pods + pods,
        cpu_millicores=workload.cpu_millicores + cpu,
        memory_mib=workload.memory_mib + memory,
    )
    before, after = (cheapest([one], [], offers, BOUNDLESS) for one in (workload, larger))
    assert before is not None
    assert after is not None
    usd = {one.node_type.name: one.monthly_usd for one in offers}
    assert before.nodes * usd[before.node_type.name] <= after.nodes * usd[after.node_type.name]
