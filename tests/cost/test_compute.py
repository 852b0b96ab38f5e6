"""Clusters, nodes, functions and model endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cluster_nodes import SPOT_TAINT, Capacity, node_class, node_pool
from infra.cost.book import shipped
from infra.cost.estimate import estimate
from infra.cost.estimators import compute
from infra.cost.model import HOURS, Line, Scene, State
from infra.cost.usage import Level
from infra.cost.workloads import ADD_ON, AUTOSCALER, DAEMON_SET, DEPLOYMENT, RELEASE, mib, millicores, running
from infra.plan import UNKNOWN, PlannedResource
from stacks.phase import Compute
from stacks.phase import Pods as PodBounds
from tests.cost.conftest import STACKS, phase_of, planned
from tests.cost.priced import Tiers, amount, book_of, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICES: Mapping[str | tuple[str, str], Tiers] = {
    "ebs/gp3/storage": "0.1",
    "ec2/instance/m7g.large": "0.10",
    "ec2/spot/m7g.large": "0.04",
    "eks/auto/m7g.large": "0.012",
    "ec2/instance/m7g.2xlarge": "0.40",
    "eks/auto/m7g.2xlarge": "0.048",
    "eks/cluster": "0.1",
    "lambda/requests": "0.0000002",
    "lambda/gb-second/arm64": "0.00001",
    "lambda/gb-second/x86-64": "0.00002",
    "sagemaker/endpoint/ml.g5.xlarge": "1.4",
}
TOLERATES_SPOT = [{"key": SPOT_TAINT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}]
BOUNDS = PodBounds(minimum=1, maximum=20, cpu_millicores=1_000, memory_mib=1_024)
SIZES = Compute(pods=dict.fromkeys(("api", "realtime", "worker"), BOUNDS), spot=True, blue_green=True)
COMPUTE_TYPES = ("aws:eks/", "aws:lambda/", "aws:sagemaker/", "kubernetes:")
each_stack = pytest.mark.parametrize("stack", STACKS)
each_level = pytest.mark.parametrize("level", list(Level))


def pool(capacity: Capacity = "on-demand", region: str = "us-east-1") -> PlannedResource:
    return made(compute.NODE_POOL, f"{region}-cluster-{capacity}", node_pool(capacity, SIZES))


def node_kind() -> PlannedResource:
    spec = node_class(role_name="nodes", subnet_ids=[], security_group_id="sg", key_arn="key")
    return made(compute.NODE_CLASS, "us-east-1-cluster-headroom", spec)


def container(cpu: str, memory: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}}


def deployment(
    name: str = "api", *, replicas: int | None = 1, cpu: str = "1", region: str = "us-east-1", **pod: Any
) -> PlannedResource:
    spec = {"containers": [container(cpu, "1Gi")], **pod}
    template = {"metadata": {"labels": {"headroom/role": name.partition("-")[0]}}, "spec": spec}
    given = {"template": template} | ({} if replicas is None else {"replicas": replicas})
    manifest = {"metadata": {"name": name, "namespace": "headroom"}, "spec": given}
    return made(DEPLOYMENT, f"{region}-app-{name}", manifest)


def daemon(*, cpu: str = "100m", tolerations: Sequence[Mapping[str, str]] = ()) -> PlannedResource:
    spec = {"containers": [container(cpu, "128Mi")], "tolerations": list(tolerations)}
    manifest = {"metadata": {"name": "log-router"}, "spec": {"template": {"metadata": {"labels": {}}, "spec": spec}}}
    return made(DAEMON_SET, "us-east-1-log-router", manifest)


def autoscaler(name: str, least: int, most: int) -> PlannedResource:
    spec = {"scaleTargetRef": {"name": name}, "minReplicas": least, "maxReplicas": most}
    manifest = {"metadata": {"name": name, "namespace": "headroom"}, "spec": spec}
    return made(AUTOSCALER, f"us-east-1-app-{name}-autoscaler", manifest)


def release(chart: str, **values: Any) -> PlannedResource:
    return made(RELEASE, f"us-east-1-mesh-{chart}", {"name": chart, "chart": chart, "values": values})


def lines(
    *resources: PlannedResource,
    level: Level = Level.EXPECTED,
    prices: Mapping[str | tuple[str, str], Tiers] = PRICES,
) -> list[Line]:
    """Of all of them, at prices by hand."""
    return lines_of(resources, usage_of("10k", level), prices)


def pods(*resources: PlannedResource, stack: str = "10k", level: Level = Level.EXPECTED) -> dict[str, int]:
    """How many run, by name."""
    scene = Scene(resources, usage_of(stack, level), book_of({}))
    return {one.name: one.pods for one in running(scene, "us-east-1").workloads}


def test_a_control_plane_costs_the_price_of_standard_support() -> None:
    cluster = made("aws:eks/cluster:Cluster", "us-east-1-cluster", {"upgradePolicy": {"supportType": "STANDARD"}})
    assert monthly(lines(cluster)) == Decimal(73)


def test_a_cluster_that_may_slip_into_extended_support_has_no_price() -> None:
    cluster = made("aws:eks/cluster:Cluster", "us-east-1-cluster", {"version": "1.30"})
    assert [line.state for line in lines(cluster)] == [State.UNPRICED]


def test_a_pool_is_charged_instances_fee_and_volumes() -> None:
    found = lines(pool(), node_kind(), deployment(replicas=3))
    assert monthly(found, "instances") == 3 * HOURS * Decimal("0.10")
    assert monthly(found, "Auto Mode") == 3 * HOURS * Decimal("0.012")
    assert monthly(found, "volumes") == 3 * 40 * Decimal("0.1")


def test_a_volume_that_no_class_sizes_has_auto_modes_default() -> None:
    assert amount(lines(pool(), deployment()), "volumes") == 80


def test_pods_themselves_cost_nothing() -> None:
    found = [line for line in lines(pool(), deployment()) if "Deployment" in line.urn]
    assert [line.state for line in found] == [State.FREE]


def test_pods_that_tolerate_it_go_to_spot_nodes_the_others_do_not() -> None:
    both = (pool(), pool("spot"), deployment("worker", tolerations=TOLERATES_SPOT), deployment("realtime"))
    found = lines(*both)
    by_key = {line.prices[0].key: line.quantity for line in found if line.component == "instances"}
    assert by_key == {"ec2/spot/m7g.large": HOURS, "ec2/instance/m7g.large": HOURS}


def test_the_fee_of_a_spot_node_is_that_of_the_type() -> None:
    found = lines(pool("spot"), deployment("worker", tolerations=TOLERATES_SPOT))
    assert monthly(found, "instances") == HOURS * Decimal("0.04")
    assert monthly(found, "Auto Mode") == HOURS * Decimal("0.012")
    assert "spot price of one day" in next(line.note for line in found if line.component == "instances")


def test_a_type_without_a_spot_price_is_not_bought_as_spot() -> None:
    """One large node would be cheaper than four small ones, if it had a price."""
    four = deployment("worker", replicas=4, tolerations=TOLERATES_SPOT)
    assert amount(lines(pool("spot"), four), "instances") == 4 * HOURS
    with_price = lines(pool("spot"), four, prices={**PRICES, "ec2/spot/m7g.2xlarge": "0.05"})
    assert amount(with_price, "instances") == HOURS


def test_a_pool_whose_types_have_no_price_there_is_unpriced() -> None:
    elsewhere: dict[str | tuple[str, str], Tiers] = {
        (key, "us-east-1"): usd for key, usd in PRICES.items() if isinstance(key, str)
    }
    abroad = (pool(region="eu-west-1"), deployment(region="eu-west-1"))
    found = [line for line in lines_of(abroad, usage_of("1m"), elsewhere) if line.state is State.UNPRICED]
    assert [line.note for line in found] == ["no type that it allows has its prices in eu-west-1"]


def test_pods_beyond_a_pools_limits_are_unpriced() -> None:
    small = pool()
    small.inputs["spec"]["limits"] = {"cpu": "2", "memory": "8Gi"}
    found = [line for line in lines(small, deployment(replicas=5)) if line.state is State.UNPRICED]
    assert [line.note for line in found] == ["its pods do not fit within its limits in us-east-1"]


def test_a_pool_without_pods_costs_nothing() -> None:
    found = lines(pool("spot"), deployment("realtime"))
    assert {line.state for line in found} == {State.FREE}


@pytest.mark.parametrize(
    "requirement",
    [
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
        {"key": "eks.amazonaws.com/instance-category", "operator": "NotIn", "values": ["c", "m", "r", "t"]},
        {"key": "eks.amazonaws.com/instance-generation", "operator": "Gt", "values": ["8"]},
        {"key": "eks.amazonaws.com/instance-cpu", "operator": "Lt", "values": ["2"]},
        {"key": "eks.amazonaws.com/instance-gpu-count", "operator": "Exists"},
        {"key": "kubernetes.io/arch", "operator": "DoesNotExist"},
    ],
)
def test_only_types_that_a_pool_requires_are_bought(requirement: dict[str, Any]) -> None:
    narrow = pool()
    scene = Scene([narrow], usage_of("10k"), book_of(PRICES))
    assert {offer.node_type.name for offer in compute.offers(narrow, scene)} == {"m7g.large", "m7g.2xlarge"}
    narrow.inputs["spec"]["template"]["spec"]["requirements"].append(requirement)
    assert not compute.offers(narrow, Scene([narrow], usage_of("10k"), book_of(PRICES)))


def test_each_daemon_is_on_each_node_whose_taint_it_tolerates() -> None:
    apart = (pool(), pool("spot"), deployment("worker", tolerations=TOLERATES_SPOT), deployment("realtime"))
    scene = Scene([*apart, daemon()], usage_of("10k"), book_of(PRICES))
    assert [len(found.daemons) for found in compute.nodes(scene).values() if found] == [0, 1]
    scene = Scene([*apart, daemon(tolerations=[{"operator": "Exists"}])], usage_of("10k"), book_of(PRICES))
    assert [len(found.daemons) for found in compute.nodes(scene).values() if found] == [1, 1]


def test_regions_have_nodes_of_their_own() -> None:
    here, there = (pool(region=region) for region in ("us-east-1", "eu-west-1"))
    found = lines_of([here, there, deployment(), deployment(region="eu-west-1")], usage_of("1m"), PRICES)
    assert [line.quantity for line in found if line.component == "instances"] == [HOURS, HOURS]


@pytest.mark.parametrize(("level", "count"), [(Level.LOW, 2), (Level.EXPECTED, 2), (Level.HIGH, 7)])
def test_autoscaled_pods_go_from_their_minimum_to_their_maximum(level: Level, count: int) -> None:
    assert pods(deployment("worker", replicas=None), autoscaler("worker", 2, 7), level=level) == {"worker": count}


def test_expected_pods_are_what_the_busiest_minute_wants() -> None:
    """A million users make some 685 requests a second then: a third in each region, 300 a pod at 60 %."""
    busy = usage_of("1m", requestsPerDailyUser=400)
    wanted = busy.peak_requests_per_second / 3 / 300
    assert 7 < wanted < 8
    scene = Scene([deployment("api-blue"), autoscaler("api-blue", 2, 20)], busy, book_of({}))
    assert [one.pods for one in running(scene, "us-east-1").workloads] == [8]


def test_expected_pods_stay_within_the_autoscalers_bounds() -> None:
    busy = usage_of("1m", requestsPerDailyUser=400)
    for least, most, count in ((9, 20, 9), (1, 3, 3)):
        scene = Scene([deployment("api-blue"), autoscaler("api-blue", least, most)], busy, book_of({}))
        assert [one.pods for one in running(scene, "us-east-1").workloads] == [count]


def test_two_colours_share_the_load() -> None:
    busy = usage_of("1m", requestsPerDailyUser=400)
    colours = [deployment(f"api-{colour}") for colour in ("blue", "green")]
    bounds = [autoscaler(f"api-{colour}", 1, 10) for colour in ("blue", "green")]
    scene = Scene([*colours, *bounds], busy, book_of({}))
    assert [one.pods for one in running(scene, "us-east-1").workloads] == [4, 4]


def test_sockets_want_pods_too() -> None:
    """50,000 at once, a third in each region, 6,000 a pod."""
    assert pods(deployment("realtime"), autoscaler("realtime", 1, 9), stack="1m") == {"realtime": 3}


def test_a_pod_asks_for_its_containers_or_for_one_of_its_first_ones() -> None:
    several = deployment(initContainers=[container("2", "64Mi"), container("10m", "3Gi")])
    several.inputs["spec"]["template"]["spec"]["containers"].append(container("250m", "1Gi"))
    scene = Scene([several], usage_of("10k"), book_of({}))
    (found,) = running(scene, "us-east-1").workloads
    assert (found.cpu_millicores, found.memory_mib) == (2_000, 3_072)


def test_the_pods_of_charts_take_their_releases_values() -> None:
    control = release("istiod", autoscaleMin=2, resources={"requests": {"cpu": "250m", "memory": "1Gi"}})
    nodes = (release("cni"), release("ztunnel", resources={"requests": {"cpu": "100m", "memory": "256Mi"}}))
    scene = Scene([control, *nodes, release("base")], usage_of("1m"), book_of({}))
    workloads, daemons = running(scene, "us-east-1")
    assert [(one.name, one.pods, one.cpu_millicores, one.memory_mib) for one in workloads] == [
        ("istiod", 2, 250, 1_024)
    ]
    assert [(one.name, one.cpu_millicores, one.memory_mib) for one in daemons] == [
        ("cni", 100, 100),
        ("ztunnel", 100, 256),
    ]
    assert pods(control, level=Level.HIGH) == {"istiod": 5}


def test_the_pods_of_add_ons_count() -> None:
    names = ("metrics-server", "amazon-cloudwatch-observability")
    scene = Scene(
        [made(ADD_ON, f"us-east-1-{name}", {"addonName": name}) for name in names], usage_of("10k"), book_of({})
    )
    workloads, daemons = running(scene, "us-east-1")
    assert {one.name: one.pods for one in workloads} == {"metrics-server": 2, "cloudwatch-operator": 1}
    assert [one.name for one in daemons] == ["cloudwatch-agent"]


def test_a_chart_or_an_add_on_that_nobody_knows_is_unpriced() -> None:
    unknown = (release("kyverno"), made(ADD_ON, "us-east-1-adot", {"addonName": "adot"}))
    assert [line.state for line in lines(*unknown)] == [State.UNPRICED, State.UNPRICED]


@pytest.mark.parametrize(("quantity", "value"), [("250m", 250), ("2", 2_000), ("0.5", 500), ("0", 0)])
def test_cpu_is_written_in_several_ways(quantity: str, value: int) -> None:
    assert millicores(quantity) == value


@pytest.mark.parametrize(
    ("quantity", "value"), [("512Mi", 512), ("2Gi", 2_048), ("1.5Gi", 1_536), ("1024Ki", 1), ("1048577", 2)]
)
def test_so_is_memory(quantity: str, value: int) -> None:
    assert mib(quantity) == value


def test_a_function_costs_next_to_nothing() -> None:
    found = lines(made("aws:lambda/function:Function", "f", {"architectures": ["arm64"], "memorySize": 128}))
    assert monthly(found, "calls") == Decimal("0.0002")
    assert amount(found, "duration") == compute.CALLS_A_MONTH * compute.CALL_SECONDS / 8
    assert [line.prices[0].key for line in found] == ["lambda/requests", "lambda/gb-second/arm64"]


def test_a_function_that_names_no_machine_runs_on_x86() -> None:
    found = lines(made("aws:lambda/function:Function", "f", {"memorySize": 512}))
    assert found[1].prices[0].key == "lambda/gb-second/x86-64"


@pytest.mark.parametrize(("level", "count"), [(Level.LOW, 1), (Level.EXPECTED, 1), (Level.HIGH, 3)])
def test_a_model_endpoint_costs_its_instances(level: Level, count: int) -> None:
    variant = {"instanceType": "ml.g5.xlarge", "initialInstanceCount": 1}
    token = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    configuration = made(token, "us-east-1-machine", {"productionVariants": [variant]})
    uses = {"endpointConfigName": [configuration.urn]}
    endpoint = made(compute.ENDPOINT, "us-east-1-machine", {"endpointConfigName": UNKNOWN}, uses=uses)
    scaled = {"resourceId": [endpoint.urn]}
    target = made(compute.SCALABLE_TARGET, "us-east-1-machine", {"maxCapacity": 3}, uses=scaled)
    found = lines(configuration, endpoint, target, level=level)
    assert monthly(found, "instances") == count * HOURS * Decimal("1.4")
    assert [line.component for line in found if line.state is State.NEEDS_USAGE] == ["data"]


@each_stack
@each_level
def test_every_type_of_ours_in_a_shipped_stack_has_a_price_or_a_reason(stack: str, level: Level) -> None:
    found = estimate(planned(stack), usage_of(stack, level), estimators=compute.ESTIMATORS)
    kinds = {one.urn: one.type for one in planned(stack)}
    unknown = {line.note for line in (*found.unpriced, *found.needs_usage) if _ours(kinds.get(line.urn, ""))}
    assert not unknown


def _ours(token: str) -> bool:
    return token.startswith(COMPUTE_TYPES)


@each_stack
def test_every_type_of_ours_is_estimated_or_free_and_not_both(stack: str) -> None:
    assert not set(compute.ESTIMATORS) & set(compute.FREE)
    tokens = {one.type for one in planned(stack) if _ours(one.type)}
    assert tokens <= {*compute.ESTIMATORS, *compute.FREE}


@each_stack
def test_nodes_hold_more_the_busier_the_month(stack: str) -> None:
    totals = []
    for level in Level:
        found = estimate(planned(stack), usage_of(stack, level), estimators=compute.ESTIMATORS)
        totals.append(monthly([line for line in found.lines if compute.NODE_POOL in line.urn]))
    assert totals == sorted(totals)
    assert totals[0] > 0


@each_stack
def test_nodes_do_not_depend_on_what_only_aws_knows(stack: str) -> None:
    """Engine output has ids where the plan has `[unknown]`."""
    known = [replace(one, inputs=_filled(one.inputs)) for one in planned(stack)]
    before, after = (
        {urn: (found.node_type.name, found.nodes) for urn, found in compute.nodes(scene).items() if found}
        for scene in (Scene(resources, usage_of(stack), shipped()) for resources in (planned(stack), known))
    )
    assert before == after
    assert before


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return "arn:aws:known" if value == UNKNOWN else value


def test_shipped_spot_prices_are_below_on_demand() -> None:
    book = shipped()
    spot = [price for price in book.prices if price.key.startswith("ec2/spot/")]
    assert spot
    for price in spot:
        assert price.usd < book.tiers(price.key.replace("/spot/", "/instance/"), price.region)[0].usd


def test_every_shipped_instance_price_has_its_fee_beside_it() -> None:
    """AWS lists the fee by type; the rows seen were 12.00 % of on demand."""
    book = shipped()
    instances = [price for price in book.prices if price.key.startswith("ec2/instance/")]
    assert instances
    for price in instances:
        fee = book.tiers(price.key.replace("ec2/instance", "eks/auto"), price.region)[0].usd
        assert abs(fee / price.usd - Decimal("0.12")) < Decimal("0.001")


@given(st.integers(0, 5), st.integers(0, 5))
def test_more_replicas_never_cost_less(few: int, more: int) -> None:
    least, most = (
        monthly(lines(pool(), node_kind(), deployment(replicas=1 + count), deployment("worker", replicas=2)))
        for count in (few, few + more)
    )
    assert least <= most


@each_stack
def test_clusters_stand_in_every_full_region(stack: str) -> None:
    found = estimate(planned(stack), usage_of(stack), estimators=compute.ESTIMATORS)
    planes = [line for line in found.lines if line.component == "control plane"]
    assert monthly(planes) == 73 * len(phase_of(stack).regions)
