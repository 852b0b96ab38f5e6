"""What logs, metrics, alarms and traces are charged for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import prometheus
from infra.cost.book import GLOBAL, shipped
from infra.cost.estimators import catalogue, compute, logs, observability, queues, security
from infra.cost.estimators.fleet import Fleet, fleet
from infra.cost.estimators.logs import GROUPS, LOG_GROUP, METRIC_FILTER, MINUTES
from infra.cost.estimators.observability import ALARM, CANARY, DASHBOARD, SAMPLING_RULE
from infra.cost.model import HOURS, Charge, Line, Scene, State
from infra.cost.packing import NODE_TYPES, Packing, Workload
from infra.cost.usage import DAYS, KIB_PER_GIB, SECONDS, Level
from infra.cost.workloads import DEPLOYMENT
from infra.plan import PlannedResource
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.cost.priced import Tiers, amount, book_of, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICED_REGIONS = {"us-east-1", "us-west-2", "eu-west-1"}
MODULES = (observability, queues, security)
PREFIXES = (
    *("amp", "athena", "budgets", "cloudtrail", "cloudwatch", "costexplorer", "fis", "glue", "grafana", "guardduty"),
    *("kinesis", "kms", "secretsmanager", "sesv2", "sns", "sqs", "synthetics", "xray"),
)
LOGS: Mapping[str | tuple[str, str], Tiers] = {
    "cloudwatch/logs/ingestion/standard": [(0, "0"), (5, "0.5")],
    "cloudwatch/logs/ingestion/vended": [(0, "0.5"), (1_000, "0.25")],
    "cloudwatch/logs/ingestion/infrequent-access": "0.25",
    "cloudwatch/logs/storage": "0.03",
    "cloudwatch/metrics/custom": [(0, "0"), (10, "0.3")],
    "cloudwatch/container-insights/observations": "0.00000021",
}
ALARMS: Mapping[str | tuple[str, str], Tiers] = {
    "cloudwatch/alarms/standard": "0.1",
    "cloudwatch/alarms/high-resolution": "0.3",
    "cloudwatch/alarms/metrics-insights": "0.1",
    "cloudwatch/alarms/composite": "0.5",
}
PODS = Workload(name="api", pods=10, cpu_millicores=500, memory_mib=512)
DAEMON = Workload(name="log-router", pods=1, cpu_millicores=50, memory_mib=128)


@pytest.fixture
def four_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each region runs four nodes, ten pods and a daemon."""
    _runs(monkeypatch, Fleet(nodes=4, pods=10, daemon_pods=4, vcpus=16))


@pytest.fixture
def unknown_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can price the nodes."""
    _runs(monkeypatch, None)


def _runs(monkeypatch: pytest.MonkeyPatch, found: Fleet | None) -> None:
    for module in (logs, observability):
        monkeypatch.setattr(module, "fleet", lambda *_: found)


def group(name: str, days: int | None = 30, **inputs: Any) -> PlannedResource:
    """A log group of the home region."""
    retention = {} if days is None else {"retentionInDays": days}
    return made(LOG_GROUP, f"us-east-1-{name}", {"name": name, "region": "us-east-1", **retention, **inputs})


def logged(*groups: PlannedResource, stack: str = "10k", **overrides: Any) -> list[Line]:
    """Lines of log groups."""
    return lines_of(groups, usage_of(stack, **overrides), LOGS)


def alarm(*queries: Mapping[str, Any], **inputs: Any) -> PlannedResource:
    """An alarm of the home region."""
    given = {"metricQueries": list(queries)} if queries else {}
    return made(ALARM, f"us-east-1-alarm-{json.dumps(inputs)}", {"region": "us-east-1", **given, **inputs})


def metric(period: int = 60) -> Mapping[str, Any]:
    """A metric of a formula."""
    return {"id": "m", "metric": {"metricName": "Errors", "period": period, "stat": "Sum"}}


FORMULA = {"id": "result", "expression": "100*m1/m2", "returnData": True}


class TestShippedStacks:
    """The four plans, by the book that ships."""

    @pytest.mark.parametrize("stack", STACKS)
    @pytest.mark.parametrize("level", Level)
    def test_every_line_has_a_price(self, stack: str, level: Level) -> None:
        kinds = tuple(f"aws:{prefix}/" for prefix in PREFIXES)
        lines = [one for one in estimated(stack, level).lines if _token(one).startswith(kinds)]
        assert lines
        assert [one for one in lines if one.state in (State.UNPRICED, State.NEEDS_USAGE)] == []

    def test_every_type_is_either_priced_or_free(self) -> None:
        kinds = tuple(f"aws:{prefix}/" for prefix in PREFIXES)
        used = {one.type for stack in STACKS for one in planned(stack) if one.type.startswith(kinds)}
        assert used <= catalogue.ESTIMATORS.keys() | catalogue.FREE.keys()
        for module in MODULES:
            assert not module.ESTIMATORS.keys() & module.FREE.keys()

    def test_a_price_of_one_region_is_there_for_the_others(self) -> None:
        regions: dict[str, set[str]] = {}
        files = ("amp", "athena", "cloudtrail", "cloudwatch", "firehose", "grafana", "guardduty", "kinesis", "kms")
        for price in shipped().prices:
            if price.key.startswith((*files, "secretsmanager", "ses", "sns", "sqs", "synthetics", "xray")):
                regions.setdefault(price.key, set()).add(price.region)
        assert len(regions) > len(files)
        assert {key: found for key, found in regions.items() if not {GLOBAL} <= found and found != PRICED_REGIONS} == {}

    def test_every_log_group_is_of_one_known_kind(self) -> None:
        names = {str(one.inputs["name"]) for stack in STACKS for one in planned(stack) if one.type == LOG_GROUP}
        kinds = {name: [one for one in GROUPS if one.name.search(name)] for name in names}
        assert [name for name, found in kinds.items() if len(found) != 1 and "containerinsights" not in name] == []

    def test_samples_are_counted_as_often_as_the_collector_is_told(self) -> None:
        assert observability.SCRAPE_SECONDS == prometheus.SCRAPE_SECONDS


def _token(line: Line) -> str:
    return line.urn.split("::")[2].rpartition("$")[2]


class TestLogs:
    """Ingestion and storage."""

    def test_the_application_logs_by_request(self) -> None:
        usage = usage_of("10k")
        lines = logged(group("/headroom/10k/us-east-1-logs/access"))
        expected = usage.requests * Decimal("0.5") / KIB_PER_GIB * Decimal("0.99")
        assert amount(lines, "ingestion") == expected
        assert amount(lines, "storage") == expected * 30 / DAYS * logs.COMPRESSION

    def test_the_three_groups_hold_what_the_application_writes(self) -> None:
        kinds = ("access", "error", "debug")
        lines = logged(*(group(f"/headroom/10k/us-east-1-logs/{kind}") for kind in kinds))
        usage = usage_of("10k")
        assert amount(lines, "ingestion") == usage.per_request_gib(usage.profile.log_kib_per_request)

    def test_five_gigabytes_are_free_once_for_all_groups(self) -> None:
        groups = [group(f"/headroom/10k/us-east-1-logs/{kind}") for kind in ("access", "error")]
        lines = logged(*groups, stack="250k")
        gib = amount(lines, "ingestion")
        assert gib > 5
        assert monthly(lines, "ingestion") == pytest.approx((gib - 5) * Decimal("0.5"), abs=Decimal("0.001"))

    def test_logs_kept_three_times_as_long_take_three_times_the_space(self) -> None:
        short, long = (logged(group("/headroom/10k/us-east-1-logs/access", days)) for days in (30, 90))
        assert amount(long, "storage") == 3 * amount(short, "storage")
        assert amount(long, "ingestion") == amount(short, "ingestion")

    def test_a_log_without_retention_is_not_taken_for_free(self) -> None:
        states = {one.component: one.state for one in logged(group("/headroom/10k/us-east-1-logs/error", None))}
        assert states == {"ingestion": State.PRICED, "storage": State.NEEDS_USAGE}

    def test_a_group_that_nobody_knows_needs_usage(self) -> None:
        assert [one.state for one in logged(group("/somebody/else"))] == [State.NEEDS_USAGE]

    def test_the_infrequent_access_class_has_its_own_price(self) -> None:
        name = "/headroom/250k/us-east-1-logs/error"
        lines = logged(group(name, logGroupClass="INFREQUENT_ACCESS"), stack="250k")
        assert monthly(lines, "ingestion") == (amount(lines, "ingestion") / 4).quantize(Decimal("0.0001"))

    def test_an_unknown_class_has_no_price(self) -> None:
        lines = logged(group("/headroom/250k/us-east-1-logs/error", logGroupClass="DELIVERY"))
        assert lines[0].state is State.UNPRICED

    def test_the_firewall_logs_every_request_and_a_part_is_free(self) -> None:
        usage = usage_of("250k")
        lines = logged(group("aws-waf-logs-x"), stack="250k")
        requests = usage.requests + usage.asset_requests
        assert amount(lines, "ingestion") == requests * (Decimal("1.5") - Decimal("0.512")) / KIB_PER_GIB

    def test_with_a_filter_it_logs_what_its_rules_hit(self) -> None:
        written = group("aws-waf-logs-x")
        token = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
        inputs = {"loggingFilter": {"defaultBehavior": "DROP"}}
        logging = made(token, "firewall", inputs, uses={"logDestinationConfigs": [written.urn]})
        whole, part = (amount(logged(*one, stack="250k"), "ingestion") for one in ([written], [written, logging]))
        assert part == whole * Decimal("0.02")

    def test_short_lines_of_the_firewall_are_free_to_take_in_but_not_to_keep(self) -> None:
        lines = logged(group("aws-waf-logs-x"), stack="250k", firewallLogKibPerRequest="0.4")
        assert monthly(lines, "ingestion") == 0
        assert monthly(lines, "storage") > 0

    @pytest.mark.usefixtures("four_nodes")
    def test_the_control_plane_logs_by_node(self) -> None:
        lines = logged(group("/aws/eks/headroom-10k-us-east-1-cluster/cluster", 90))
        assert amount(lines, "ingestion") == 4 * 8
        assert monthly(lines, "ingestion") == 16

    @pytest.mark.usefixtures("four_nodes")
    def test_what_aws_writes_gets_cheaper_by_region(self) -> None:
        name = "/aws/eks/headroom-10k-us-east-1-cluster/cluster"
        lines = logged(group(name), controlPlaneLogGibPerNode=500)
        assert monthly(lines, "ingestion") == 1_000 * Decimal("0.5") + 1_000 * Decimal("0.25")

    @pytest.mark.usefixtures("unknown_nodes")
    def test_unknown_nodes_leave_their_logs_unpriced(self) -> None:
        lines = lines_of([group("x-network-flow")], usage_of("10k"), LOGS)
        assert [one.state for one in lines if one.component == "ingestion"] == [State.UNPRICED]

    @pytest.mark.usefixtures("four_nodes")
    def test_container_insights_pays_by_observation_and_not_by_gigabyte(self) -> None:
        lines = logged(group("/aws/containerinsights/headroom-10k-us-east-1-cluster/performance", 7))
        assert [one.component for one in lines] == ["container insights"]
        # Ten pods and four of the daemon, four nodes, one control plane.
        assert amount(lines) == (6_000 + 14 * 60 + 4 * 60) * MINUTES

    def test_the_application_s_metrics_are_charged_beyond_ten(self) -> None:
        lines = logged(group("/headroom/10k/us-east-1-logs/access"), customMetrics=30)
        assert monthly(lines, "custom metrics") == 20 * Decimal("0.3")

    def test_a_metric_made_of_lines_is_one_more_of_the_application_s(self) -> None:
        of_lines = {"metricTransformation": {"name": "done", "namespace": "Headroom", "value": "1"}}
        of_values = {"metricTransformation": {**of_lines["metricTransformation"], "dimensions": {"role": "$.role"}}}
        found = [group("/headroom/10k/us-east-1-logs/access"), made(METRIC_FILTER, "us-east-1-done", of_lines)]
        lines = logged(*found, customMetrics=10)
        assert amount(lines, "custom metrics") == 11
        assert monthly(lines, "custom metrics") == Decimal("0.3")
        assert [one.state for one in logged(made(METRIC_FILTER, "us-east-1-many", of_values))] == [State.NEEDS_USAGE]

    def test_cloudfront_s_logs_cost_nothing_only_as_plain_files_in_s3(self) -> None:
        bucket = made("aws:s3/bucket:Bucket", "us-east-1-access-logs")
        token = "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination"
        uses = {"deliveryDestinationConfiguration": [bucket.urn]}
        plain, columns = (made(token, kind, {"outputFormat": kind}, uses=uses) for kind in ("json", "parquet"))
        elsewhere = made(token, "elsewhere", {"outputFormat": "json"})
        states = [one.state for one in lines_of([plain, columns, elsewhere, bucket], usage_of("10k"), {})]
        assert states[:3] == [State.FREE, State.UNPRICED, State.UNPRICED]

    @given(st.integers(0, 100), st.integers(0, 100))
    def test_more_log_never_costs_less(self, one: int, more: int) -> None:
        less, most = (
            logged(group("/headroom/10k/us-east-1-logs/access"), logKibPerRequest=kib) for kib in (one, one + more)
        )
        assert monthly(less) <= monthly(most)


class TestAlarms:
    """By metric, by resolution."""

    def test_an_alarm_on_one_metric_is_one(self) -> None:
        assert monthly(lines_of([alarm(period=60)], usage_of("10k"), ALARMS)) == Decimal("0.1")

    def test_each_metric_of_a_formula_counts_and_the_formula_does_not(self) -> None:
        lines = lines_of([alarm(metric(), metric(), metric(), FORMULA)], usage_of("10k"), ALARMS)
        assert monthly(lines) == Decimal("0.3")

    def test_a_period_below_a_minute_is_high_resolution(self) -> None:
        lines = lines_of([alarm(period=10)], usage_of("10k"), ALARMS)
        assert monthly(lines) == Decimal("0.3")

    def test_anomaly_detection_is_three_metrics(self) -> None:
        band = {"id": "band", "expression": "ANOMALY_DETECTION_BAND(m, 2)"}
        lines = lines_of([alarm(metric(), band, thresholdMetricId="band")], usage_of("10k"), ALARMS)
        assert amount(lines) == 3

    def test_a_query_is_charged_by_what_it_looks_at(self) -> None:
        query = {"id": "restarts", "expression": "SELECT SUM(x) FROM y", "period": 900}
        deployments = [made(DEPLOYMENT, f"us-east-1-app-{number}") for number in range(7)]
        scene = Scene([alarm(query), *deployments], usage_of("10k"), book_of({}))
        charges = list(observability.metric_alarm(scene.resources[0], scene))
        assert [(one.key, one.quantity) for one in charges if isinstance(one, Charge)] == [
            ("cloudwatch/alarms/metrics-insights", 7)
        ]

    def test_ten_are_free_once_for_all(self) -> None:
        tiers: Mapping[str | tuple[str, str], Tiers] = {"cloudwatch/alarms/standard": [(0, "0"), (10, "0.1")]}
        lines = lines_of([alarm(period=60, number=number) for number in range(15)], usage_of("10k"), tiers)
        assert monthly(lines) == pytest.approx(Decimal("0.5"), abs=Decimal("0.001"))

    def test_an_alarm_on_alarms_has_a_price_of_its_own(self) -> None:
        composite = made("aws:cloudwatch/compositeAlarm:CompositeAlarm", "both")
        assert monthly(lines_of([composite], usage_of("10k"), ALARMS)) == Decimal("0.5")

    @given(st.lists(st.sampled_from((1, 10, 60, 300)), max_size=8), st.sampled_from((1, 10, 60, 300)))
    def test_one_more_metric_never_costs_less(self, periods: list[int], another: int) -> None:
        few = alarm(*(metric(period) for period in periods), FORMULA)
        many = alarm(*(metric(period) for period in (*periods, another)), FORMULA)
        assert monthly(lines_of([few], usage_of("10k"), ALARMS)) <= monthly(lines_of([many], usage_of("10k"), ALARMS))


class TestDashboards:
    """Three are free."""

    def test_the_fourth_dashboard_costs(self) -> None:
        tiers: Mapping[str | tuple[str, str], Tiers] = {"cloudwatch/dashboard": [(0, "0"), (3, "3")]}
        three, four = ([made(DASHBOARD, f"board-{number}") for number in range(count)] for count in (3, 4))
        assert monthly(lines_of(three, usage_of("10k"), tiers)) == 0
        assert monthly(lines_of(four, usage_of("10k"), tiers)) == 3


class TestEvents:
    """EventBridge."""

    def test_only_a_bus_of_one_s_own_costs(self) -> None:
        rules = [
            made("aws:cloudwatch/eventRule:EventRule", "aws", {"eventPattern": "{}"}),
            made("aws:cloudwatch/eventRule:EventRule", "own", {"eventPattern": "{}", "eventBusName": "orders"}),
        ]
        assert [one.state for one in lines_of(rules, usage_of("10k"), {})] == [State.FREE, State.NEEDS_USAGE]


class TestTraces:
    """X-Ray."""

    def test_the_first_requests_of_each_second_are_traced_and_a_share_of_the_others(self) -> None:
        rule = made(SAMPLING_RULE, "us-east-1-traces", {"region": "us-east-1", "reservoirSize": 1, "fixedRate": 0.1})
        usage = usage_of("50k")
        assert usage.requests > SECONDS
        lines = lines_of([rule], usage, {"xray/traces": [(0, "0"), (100_000, "0.000005")]})
        expected = SECONDS + (usage.requests - SECONDS) / 10
        assert amount(lines) == expected
        assert monthly(lines) == ((expected - 100_000) * Decimal("0.000005")).quantize(Decimal("0.0001"))

    def test_a_quiet_product_is_traced_whole(self) -> None:
        rule = made(SAMPLING_RULE, "us-east-1-traces", {"region": "us-east-1", "reservoirSize": 100, "fixedRate": 0})
        usage = usage_of("10k")
        assert amount(lines_of([rule], usage, {"xray/traces": "1"})) == usage.requests


class TestPrometheus:
    """Workspace and collector."""

    PRICES: Mapping[str | tuple[str, str], Tiers] = {
        "amp/samples/ingested": "0.00000009",
        "amp/storage": "0.03",
        "amp/collector/hours": "0.04",
        "amp/collector/samples": "0.000000003",
    }

    @pytest.mark.usefixtures("four_nodes")
    def test_samples_follow_pods_series_and_interval(self) -> None:
        workspace = made("aws:amp/workspace:Workspace", "us-east-1-prometheus")
        lines = lines_of([workspace], usage_of("1m"), self.PRICES)
        samples = 10 * 200 * SECONDS / 60
        assert amount(lines, "samples") == samples
        assert amount(lines, "storage") == samples * 150 / DAYS * 2 / 2**30

    @pytest.mark.usefixtures("four_nodes")
    def test_the_collector_is_charged_by_the_hour_and_by_the_sample(self) -> None:
        scraper = made("aws:amp/scraper:Scraper", "us-east-1-prometheus")
        lines = lines_of([scraper], usage_of("1m"), self.PRICES)
        assert monthly(lines, "collector") == HOURS * Decimal("0.04")
        assert amount(lines, "collected samples") == 10 * 200 * SECONDS / 60

    @pytest.mark.usefixtures("unknown_nodes")
    def test_unknown_nodes_leave_samples_unpriced(self) -> None:
        tokens = ("aws:amp/workspace:Workspace", "aws:amp/scraper:Scraper")
        resources = [made(token, "us-east-1-prometheus") for token in tokens]
        lines = lines_of(resources, usage_of("1m"), self.PRICES)
        unpriced = {one.component for one in lines if one.state is State.UNPRICED}
        assert unpriced == {"samples", "collected samples"}

    def test_every_workspace_of_grafana_has_an_editor(self) -> None:
        workspace = made("aws:grafana/workspace:Workspace", "us-east-1-grafana")
        nobody, eight = (
            lines_of([workspace], usage_of("1m", pagerdutyUsers=users), {"grafana/editor": "9"}) for users in (0, 8)
        )
        assert [monthly(nobody), monthly(eight)] == [Decimal(9), Decimal(72)]


class TestCanaries:
    """Runs by their schedule."""

    PRICES: Mapping[str | tuple[str, str], Tiers] = {
        "synthetics/run": [(0, "0"), (100, "0.0012")],
        "synthetics/function": "0.0000166667",
    }

    def canary(self, expression: str, **inputs: Any) -> PlannedResource:
        """A canary of the home region that runs."""
        return made(CANARY, "us-east-1-canary", {"schedule": {"expression": expression}, "startCanary": True, **inputs})

    @pytest.mark.parametrize(("expression", "runs"), [("rate(5 minutes)", 8_760), ("rate(1 hour)", 730)])
    def test_runs_follow_the_schedule(self, expression: str, runs: int) -> None:
        lines = lines_of([self.canary(expression)], usage_of("250k"), self.PRICES)
        assert amount(lines, "runs") == runs
        assert monthly(lines, "runs") == pytest.approx((runs - 100) * Decimal("0.0012"), abs=Decimal("0.001"))

    def test_more_memory_for_a_run_costs_more(self) -> None:
        small, large = (
            lines_of([self.canary("rate(5 minutes)", runConfig={"memoryInMb": mib})], usage_of("250k"), self.PRICES)
            for mib in (1_024, 2_048)
        )
        assert amount(large, "function") == 2 * amount(small, "function") == 2 * 8_760 * 10

    def test_one_that_is_stopped_does_not_run(self) -> None:
        lines = lines_of([self.canary("rate(5 minutes)", startCanary=False)], usage_of("250k"), self.PRICES)
        assert monthly(lines) == 0

    def test_other_schedules_are_not_guessed(self) -> None:
        lines = lines_of([self.canary("cron(0 12 * * ? *)")], usage_of("250k"), self.PRICES)
        assert [one.state for one in lines] == [State.NEEDS_USAGE]


class TestFleet:
    """What the others are counted by."""

    def test_a_region_without_pools_runs_nothing(self) -> None:
        assert fleet(Scene([], usage_of("10k"), book_of({})), "eu-west-1") == Fleet(0, 0, 0, 0)

    def test_the_pools_of_a_region_add_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pools = [made(compute.NODE_POOL, f"us-east-1-cluster-{kind}") for kind in ("stable", "spot")]
        packing = Packing(NODE_TYPES["m7g.xlarge"], "on-demand", 4, (PODS,), (DAEMON,))
        monkeypatch.setattr(compute, "nodes", lambda _: {pool.urn: packing for pool in pools})
        scene = Scene(pools, usage_of("10k"), book_of({}))
        assert fleet(scene, "us-east-1") == Fleet(nodes=8, pods=20, daemon_pods=8, vcpus=32)

    def test_one_pool_that_nobody_can_price_leaves_the_region_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pools = [made(compute.NODE_POOL, f"us-east-1-cluster-{kind}") for kind in ("stable", "spot")]
        packing = Packing(NODE_TYPES["m7g.xlarge"], "on-demand", 4, (PODS,), (DAEMON,))
        monkeypatch.setattr(compute, "nodes", lambda _: {pools[0].urn: None, pools[1].urn: packing})
        assert fleet(Scene(pools, usage_of("10k"), book_of({})), "us-east-1") is None

    @pytest.mark.parametrize("stack", STACKS)
    def test_every_full_region_of_a_shipped_stack_has_nodes(self, stack: str) -> None:
        scene = Scene(planned(stack), usage_of(stack), shipped())
        found = [fleet(scene, region) for region in phase_of(stack).regions]
        assert all(one is not None and one.nodes > 0 and one.pods >= one.nodes for one in found)
