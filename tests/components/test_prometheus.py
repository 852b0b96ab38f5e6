"""Metrics of the pods: who collects them, who is told, and who may look."""

import json
from collections.abc import Callable

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.prometheus import Grafana, GrafanaArgs, Prometheus, PrometheusArgs, rules
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
NAME = "us-east-1-prometheus"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
CLUSTER = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/headroom-1m"


@pytest.fixture
def parts(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    args = PrometheusArgs(
        cluster_arn=CLUSTER,
        subnet_ids=["subnet-a", "subnet-b", "subnet-c"],
        security_group_id="sg-1",
        namespace="headroom",
        key_arn=KEY,
        account_id=ACCOUNT,
        p95_ms=300,
        topics=topics,
    )
    return recorded(lambda: Prometheus(NAME, site, args))


@pytest.fixture
def grafana(recorded: Record, site: Site) -> Recorded:
    args = GrafanaArgs(account_id=ACCOUNT, vpc_id="vpc-1", subnet_ids=["subnet-a", "subnet-b"])
    return recorded(lambda: Grafana("us-east-1-grafana", site, args))


def test_metrics_are_kept_like_data(parts: Recorded) -> None:
    workspace = parts.one("amp/workspace:Workspace")
    assert workspace.inputs["kmsKeyArn"] == KEY
    assert workspace.options["protect"]


def test_the_collector_reads_the_cluster_from_outside(parts: Recorded) -> None:
    collector = parts.one("Scraper").inputs
    assert collector["source"]["eks"] == {
        "clusterArn": CLUSTER,
        "subnetIds": ["subnet-a", "subnet-b", "subnet-c"],
        "securityGroupIds": ["sg-1"],
    }


def test_only_pods_that_ask_for_it_are_scraped(parts: Recorded) -> None:
    configuration = json.loads(parts.one("Scraper").inputs["scrapeConfiguration"])
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    kept = [rule for rule in jobs["pods"]["relabel_configs"] if rule["action"] == "keep"]
    assert kept == [
        {
            "source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"],
            "action": "keep",
            "regex": "true",
        }
    ]
    assert configuration["global"]["external_labels"] == {"cluster": "headroom-1m"}
    assert configuration["global"]["scrape_interval"] == "60s"


def test_every_alert_uses_what_is_recorded_or_served_and_leads_to_a_runbook() -> None:
    groups = {group["name"]: group["rules"] for group in rules("headroom", 300)["groups"]}
    assert 'namespace="headroom"' in groups["records"][0]["expr"]
    slow = next(rule for rule in groups["alerts"] if rule["alert"] == "RouteSlow")
    assert slow["expr"] == "route:latency:p95_5m > 0.3 and route:requests:rate5m > 1"
    assert {"route:latency:p95_5m", "route:requests:rate5m"} <= {rule["record"] for rule in groups["records"]}
    assert all("docs/runbooks/" in rule["annotations"]["summary"] for rule in groups["alerts"])


def test_alerts_go_to_the_topic_of_their_severity(parts: Recorded, topics: AlarmTopics) -> None:
    definition = json.loads(parts.one("AlertManagerDefinition").inputs["definition"])
    manager = json.loads(definition["alertmanager_config"])
    sent = {one["name"]: one["sns_configs"][0]["topic_arn"] for one in manager["receivers"]}
    assert sent == {"page": topics.page_arn, "ticket": topics.ticket_arn}
    assert manager["route"]["receiver"] == "ticket"
    assert manager["route"]["routes"] == [{"receiver": "page", "matchers": ['severity="page"']}]


def test_grafana_only_reads(grafana: Recorded) -> None:
    policy = json.loads(grafana.inputs("us-east-1-grafana", "RolePolicy")["policy"])
    actions = {
        action
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    writing = ("Put", "Create", "Delete", "Update", "Write", "Remote", "*")
    assert [action for action in actions if action.partition(":")[2].startswith(writing)] == []
    trust = json.loads(grafana.inputs("us-east-1-grafana", "iam/role:Role")["assumeRolePolicy"])["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_grafana_reaches_search_through_the_vpc(grafana: Recorded) -> None:
    workspace = grafana.one("grafana/workspace:Workspace").inputs
    assert workspace["vpcConfiguration"]["subnetIds"] == ["subnet-a", "subnet-b"]
    assert set(workspace["dataSources"]) == {"AMAZON_OPENSEARCH_SERVICE", "CLOUDWATCH", "PROMETHEUS", "XRAY"}
    assert workspace["authenticationProviders"] == ["AWS_SSO"]
    assert grafana.of("SecurityGroupIngressRule") == []
