"""What the agent collects, and how the promise of availability is watched."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.error_budget import ErrorBudget, ErrorBudgetArgs
from components.observability import Observability, ObservabilityArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
NAME = "us-east-1-observability"


@pytest.fixture
def args(topics: AlarmTopics) -> ObservabilityArgs:
    return ObservabilityArgs(
        cluster_name="headroom-50k",
        account_id=ACCOUNT,
        key_arn=KEY,
        namespace="headroom",
        tracing=True,
        container_insights=True,
        trace_sample_percent=10,
        slow_ms=400,
        after=[],
        topics=topics,
    )


def build(recorded: Record, site: Site, args: ObservabilityArgs) -> Recorded:
    return recorded(lambda: Observability(NAME, site, args))


def test_traces_are_taken_on_all_of_the_nodes_addresses_and_logs_are_left_to_the_router(
    recorded: Record, site: Site, args: ObservabilityArgs
) -> None:
    add_on = build(recorded, site, args).one("Addon").inputs
    values = json.loads(add_on["configurationValues"])
    otlp = values["agent"]["config"]["traces"]["traces_collected"]["otlp"]
    assert otlp == {"grpc_endpoint": "0.0.0.0:4317", "http_endpoint": "0.0.0.0:4318"}
    assert values["agent"]["config"]["logs"]["metrics_collected"]["kubernetes"]["enhanced_container_insights"] is True
    assert values["containerLogs"]["enabled"] is False
    assert values["manager"]["applicationSignals"]["autoMonitor"]["monitorAllServices"] is False


def test_the_agent_has_its_role_before_its_pods_start(recorded: Record, site: Site, args: ObservabilityArgs) -> None:
    parts = build(recorded, site, args)
    identity = parts.one("PodIdentityAssociation")
    assert (identity.inputs["namespace"], identity.inputs["serviceAccount"]) == (
        "amazon-cloudwatch",
        "cloudwatch-agent",
    )
    assert identity.urn in parts.one("Addon").dependencies
    assert {each.inputs["policyArn"].rpartition("/")[2] for each in parts.of("RolePolicyAttachment")} == {
        "AWSXrayWriteOnlyAccess",
        "CloudWatchAgentServerPolicy",
    }


def test_one_request_in_ten_is_traced(recorded: Record, site: Site, args: ObservabilityArgs) -> None:
    rule = build(recorded, site, args).one("SamplingRule").inputs
    assert (rule["fixedRate"], rule["reservoirSize"]) == (0.1, 1)
    assert len(rule["ruleName"]) <= 32


def test_faults_and_slow_requests_are_views_of_their_own(recorded: Record, site: Site, args: ObservabilityArgs) -> None:
    groups = build(recorded, site, args).of("xray/group:Group")
    assert {group.inputs["filterExpression"] for group in groups} == {
        "fault = true OR error = true",
        "responsetime > 0.4",
    }
    assert max(len(group.inputs["groupName"]) for group in groups) <= 32


def test_without_container_insights_nothing_waits_for_its_metrics(
    recorded: Record, site: Site, args: ObservabilityArgs
) -> None:
    parts = build(recorded, site, replace(args, container_insights=False))
    assert parts.of("MetricAlarm") == parts.of("LogGroup") == []
    assert "logs" not in json.loads(parts.one("Addon").inputs["configurationValues"])["agent"]["config"]


def test_without_tracing_no_port_is_open_and_nothing_is_sampled(
    recorded: Record, site: Site, args: ObservabilityArgs
) -> None:
    parts = build(recorded, site, replace(args, tracing=False))
    assert parts.of("SamplingRule") == parts.of("xray/group:Group") == []
    assert "traces" not in json.loads(parts.one("Addon").inputs["configurationValues"])["agent"]["config"]


@pytest.mark.parametrize(
    ("alarm", "metric", "threshold"),
    [
        ("node-cpu", "node_cpu_utilization", 80),
        ("node-memory", "node_memory_utilization", 85),
        ("node-disk", "node_filesystem_utilization", 80),
    ],
)
def test_the_nodes_have_alarms(
    recorded: Record, site: Site, args: ObservabilityArgs, alarm: str, metric: str, threshold: float
) -> None:
    inputs = build(recorded, site, args).inputs(f"{NAME}-{alarm}")
    assert (inputs["namespace"], inputs["metricName"], inputs["threshold"]) == ("ContainerInsights", metric, threshold)
    assert inputs["dimensions"] == {"ClusterName": "headroom-50k"}


def test_restarts_are_counted_over_all_workloads_of_the_application(
    recorded: Record, site: Site, args: ObservabilityArgs
) -> None:
    (query,) = build(recorded, site, args).inputs(f"{NAME}-restarts")["metricQueries"]
    assert "ClusterName = 'headroom-50k' AND Namespace = 'headroom'" in query["expression"]
    assert query["period"] == 900


@pytest.mark.parametrize(("uptime", "fast", "slow"), [(99.7, 4.32, 1.8), (99.9, 1.44, 0.6), (99.95, 0.72, 0.3)])
def test_the_error_budget_burns_by_the_phases_promise(
    recorded: Record, site: Site, topics: AlarmTopics, uptime: float, fast: float, slow: float
) -> None:
    args = ErrorBudgetArgs(load_balancer_arn_suffix="app/lb/1", uptime_percent=uptime, topics=topics)
    parts = recorded(lambda: ErrorBudget("us-east-1-error-budget", site, args))
    paging, waiting = parts.inputs("us-east-1-error-budget-fast"), parts.inputs("us-east-1-error-budget-slow")
    assert (paging["threshold"], waiting["threshold"]) == (fast, slow)
    assert (paging["alarmActions"], waiting["alarmActions"]) == ([topics.page_arn], [topics.ticket_arn])
    assert {query["metric"]["period"] for query in paging["metricQueries"] if "metric" in query} == {3_600}
    assert {query["metric"]["period"] for query in waiting["metricQueries"] if "metric" in query} == {21_600}
