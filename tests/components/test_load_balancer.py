"""The load balancer: only CloudFront reaches it, only with the token, and its alarms see an outage."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pulumi
import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.load_balancer import Colour, LoadBalancer, LoadBalancerArgs
from infra.plan import SECRET
from tests.components.conftest import Recorded
from tests.components.growth import changes

Record = Callable[[Callable[[], object]], Recorded]
TOKEN = "planted-origin-token"


def build(
    site: Site,
    topics: AlarmTopics,
    weights: Mapping[Colour, int] | None = None,
    *,
    p95_ms: int = 300,
    images: bool = False,
) -> LoadBalancer:
    return LoadBalancer(
        "us-east-1-lb",
        site,
        LoadBalancerArgs(
            vpc_id="vpc-1",
            subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
            pod_security_group_id="sg-pods",
            cluster_name="headroom-10k-us-east-1-cluster",
            certificate_arn="arn:aws:acm:us-east-1:123456789012:certificate/1",
            origin_token=pulumi.Output.secret(TOKEN),
            logs_bucket="logs",
            weights=weights or {"blue": 100},
            images=images,
            p95_ms=p95_ms,
            topics=topics,
        ),
    )


@pytest.fixture
def found(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: build(site, topics))


def test_only_cloudfront_gets_in_and_only_the_pods_port_gets_out(found: Recorded) -> None:
    rules = {one.name: one.inputs for one in found.of("SecurityGroupIngressRule")}
    entry = rules["us-east-1-lb-cloudfront"]
    assert entry["prefixListId"].startswith("pl-")
    assert (entry["fromPort"], entry["toPort"]) == (443, 443)
    assert rules.keys() == {"us-east-1-lb-cloudfront", "us-east-1-lb-to-pods"}
    assert rules["us-east-1-lb-to-pods"]["securityGroupId"] == "sg-pods"
    assert all("cidrIpv4" not in rule for rule in rules.values())
    way_out = found.one("SecurityGroupEgressRule").inputs
    assert (way_out["referencedSecurityGroupId"], way_out["fromPort"], way_out["toPort"]) == ("sg-pods", 8080, 8080)


def test_there_is_one_listener_and_it_speaks_tls_1_2_or_better(found: Recorded) -> None:
    listener = found.one("lb/listener:Listener").inputs
    assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
    assert listener["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")


def test_whoever_does_not_know_the_token_gets_403(found: Recorded) -> None:
    (action,) = found.one("lb/listener:Listener").inputs["defaultActions"]
    assert action["type"] == "fixed-response"
    assert action["fixedResponse"]["statusCode"] == "403"
    rules = found.of("ListenerRule")
    assert len(rules) == 2
    for rule in rules:
        headers = [one["httpHeader"] for one in rule.inputs["conditions"] if "httpHeader" in one]
        assert [header["httpHeaderName"] for header in headers] == ["x-origin-verify"]
        assert SECRET in (headers[0]["values"], headers[0]["values"][0])


def test_the_token_is_nowhere_in_the_clear(found: Recorded) -> None:
    assert TOKEN not in str([one.inputs for one in found.resources])


def test_sockets_go_to_realtime_before_the_api_takes_the_rest(found: Recorded) -> None:
    realtime, api = found.inputs("us-east-1-lb-realtime", "ListenerRule"), found.inputs("us-east-1-lb-api")
    assert realtime["priority"] < api["priority"]
    assert [one for one in realtime["conditions"] if "pathPattern" in one] == [
        {"pathPattern": {"values": ["/ws", "/ws/*"]}}
    ]
    assert all("pathPattern" not in one for one in api["conditions"])


def test_blue_and_green_share_requests_by_weight_and_blue_stays_what_it_was(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    before = recorded(lambda: build(site, topics))
    after = recorded(lambda: build(site, topics, {"blue": 90, "green": 10}))
    groups = after.inputs("us-east-1-lb-api")["actions"][0]["forward"]["targetGroups"]
    assert [group["weight"] for group in groups] == [90, 10]
    urns = {one.urn: one.inputs for one in after.resources}
    for group in before.of("TargetGroup"):
        assert urns[group.urn] == group.inputs
    assert len(after.of("TargetGroup")) == len(before.of("TargetGroup")) + 1


def test_images_get_pods_of_their_own_between_sockets_and_the_api(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    before = recorded(lambda: build(site, topics))
    after = recorded(lambda: build(site, topics, images=True))
    rule = after.inputs("us-east-1-lb-images", "ListenerRule")
    priorities = [after.inputs(f"us-east-1-lb-{role}", "ListenerRule")["priority"] for role in ("realtime", "api")]
    assert priorities[0] < rule["priority"] < priorities[1]
    assert [one for one in rule["conditions"] if "pathPattern" in one] == [{"pathPattern": {"values": ["/img/*"]}}]
    assert [one["httpHeader"]["httpHeaderName"] for one in rule["conditions"] if "httpHeader" in one] == [
        "x-origin-verify"
    ]
    assert {one.name for one in after.of("TargetGroup")} == {
        *(one.name for one in before.of("TargetGroup")),
        "us-east-1-images",
    }


@pytest.mark.parametrize(
    ("weights", "paging"),
    [
        ({"blue": 100, "green": 0}, {"blue"}),
        ({"blue": 90, "green": 10}, {"blue", "green"}),
        ({"blue": 0, "green": 100}, {"green"}),
    ],
)
def test_only_a_colour_that_carries_requests_wakes_somebody(
    recorded: Record, site: Site, topics: AlarmTopics, weights: Mapping[Colour, int], paging: set[str]
) -> None:
    found = recorded(lambda: build(site, topics, weights))
    told = {
        colour: found.inputs(f"us-east-1-lb-api-{colour}-none-healthy")["alarmActions"] for colour in ("blue", "green")
    }
    assert {colour for colour, actions in told.items() if actions == [topics.page_arn]} == paging
    assert {colour for colour, actions in told.items() if actions == [topics.ticket_arn]} == told.keys() - paging


def test_a_release_changes_weights_and_whom_alarms_tell_and_nothing_else(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    steps: list[Mapping[Colour, int]] = [
        {"blue": 100, "green": 0},
        {"blue": 90, "green": 10},
        {"blue": 1, "green": 99},
    ]
    for before, after in pairwise([recorded(partial(build, site, topics, step)) for step in steps]):
        changed = changes(before, after)
        assert {urn.rsplit("::", 1)[1] for urn in changed} <= {
            "us-east-1-lb-api",
            "us-east-1-lb-api-green-none-healthy",
        }


def test_the_clusters_controller_may_register_pods_in_every_target_group(found: Recorded) -> None:
    for group in found.of("TargetGroup"):
        assert group.inputs["tags"]["eks:eks-cluster-name"] == "headroom-10k-us-east-1-cluster"
        assert group.inputs["targetType"] == "ip"
        assert len(group.name) + 8 <= 32


def test_the_health_check_needs_no_database(found: Recorded) -> None:
    assert {group.inputs["healthCheck"]["path"] for group in found.of("TargetGroup")} == {"/health"}


@pytest.mark.parametrize("region", ["ap-southeast-1", "us-west-2", "eu-west-1"])
def test_target_groups_fit_awss_name_limit_in_every_region(
    recorded: Record, site: Site, topics: AlarmTopics, region: str
) -> None:
    elsewhere = replace(site, region=region)
    for group in recorded(lambda: build(elsewhere, topics, {"blue": 1, "green": 1})).of("TargetGroup"):
        assert len(group.name) + 8 <= 32


def test_the_load_balancer_is_hardened_and_logged(found: Recorded) -> None:
    inputs = found.one("LoadBalancer").inputs
    assert inputs["dropInvalidHeaderFields"] is True
    assert inputs["desyncMitigationMode"] in ("defensive", "strictest")
    assert inputs["enableDeletionProtection"] is True
    assert inputs["accessLogs"]["enabled"] is True
    assert inputs["connectionLogs"]["enabled"] is True
    assert inputs["accessLogs"]["prefix"] != inputs["connectionLogs"]["prefix"]


def thresholds(found: Recorded, word: str) -> dict[float, str]:
    return {
        alarm.inputs["threshold"]: alarm.inputs["alarmActions"][0].rpartition(":")[2]
        for alarm in found.of("MetricAlarm")
        if word in alarm.name
    }


def test_one_percent_of_errors_is_a_ticket_and_five_wake_somebody(found: Recorded) -> None:
    assert thresholds(found, "errors") == {1: "ticket", 5: "page"}


@pytest.mark.parametrize(("p95_ms", "promise"), [(300, 0.3), (400, 0.4), (500, 0.5), (900, 0.5)])
def test_latency_alarms_follow_the_phases_promise(
    recorded: Record, site: Site, topics: AlarmTopics, p95_ms: int, promise: float
) -> None:
    found = recorded(lambda: build(site, topics, p95_ms=p95_ms))
    assert thresholds(found, "latency") == {0.2: "ticket", promise: "ticket", 1: "page"}


def test_an_outage_in_which_no_request_finds_a_target_still_counts_as_errors(found: Recorded) -> None:
    queries = found.inputs("us-east-1-lb-errors-high")["metricQueries"]
    expression = next(query["expression"] for query in queries if "expression" in query)
    own, requests = 500, 0

    def condition(test: bool, then: float, otherwise: float) -> float:
        return then if test else otherwise

    names = {"FILL": lambda value, _: value, "IF": condition, "requests": requests, "own": own, "target": 0}
    assert eval(expression.replace("IF(", "IF("), {"__builtins__": {}}, names) == 100  # noqa: S307 our own text


def test_no_healthy_pod_pages_even_when_nothing_is_reported(found: Recorded) -> None:
    alarms = [alarm.inputs for alarm in found.of("MetricAlarm") if alarm.name.endswith("none-healthy")]
    assert len(alarms) == 2
    assert {alarm["treatMissingData"] for alarm in alarms} == {"breaching"}
    assert all(alarm["alarmActions"][0].endswith(":page") for alarm in alarms)


def test_every_alarm_names_its_runbook(found: Recorded) -> None:
    for alarm in found.of("MetricAlarm"):
        assert "Runbook: docs/runbooks/" in alarm.inputs["alarmDescription"]
