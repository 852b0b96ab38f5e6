"""The edge: requests are paid for where they pass, and what AWS gives away is not charged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from infra.cost.estimators import edge, network
from infra.cost.model import State
from infra.plan import PlannedResource
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.cost.priced import Prices, amount, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICES: Prices = {
    "route53/zone/month": [(0, "0.50"), (25, "0.10")],
    "route53/health-check/aws": [(0, "0"), (50, "0.50")],
    "route53/health-check/other": "0.75",
    "route53/health-check/other-option": "2.00",
    ("cloudfront/https-requests/1m", "us-east-1"): [(0, "0"), (10, "1.00")],
    ("cloudfront/https-requests/1m", "us-west-2"): [(0, "0"), (10, "1.00")],
    ("cloudfront/https-requests/1m", "eu-west-1"): [(0, "0"), (10, "1.20")],
    "cloudfront/out/gb": [(0, "0"), (1024, "0.10")],
    "cloudfront/to-origin/gb": "0.02",
    "cloudfront/functions/1m": [(0, "0"), (2, "0.10")],
    "cloudfront/origin-shield/1m": "0.75",
    "cloudfront/metric/month": "0.30",
    "waf/web-acl/month": "5",
    "waf/rule/month": "1",
    "waf/requests/1m": "0.60",
    "waf/capacity-step/1m": "0.20",
    "apigateway/http-requests/1m": [(0, "1.00"), (300, "0.90")],
    "apigateway/metric/month": "0.30",
    "vpc/nat-gateway/hour": "0",
    "vpc/nat-gateway/gb": "0",
    "vpc/internet/gb": [(0, "0"), (100, "0.10")],
}
PREFIXES = ("aws:acm/", "aws:apigatewayv2/", "aws:cloudfront/", "aws:route53/", "aws:wafv2/")
FUNCTION = {"eventType": "viewer-request", "functionArn": "[unknown]"}


def distribution(**inputs: Any) -> PlannedResource:
    return made(
        "aws:cloudfront/distribution:Distribution",
        "cdn",
        {"defaultCacheBehavior": {}, "origins": [{"originId": "api"}], **inputs},
    )


def check(kind: str, index: int = 0, **inputs: Any) -> PlannedResource:
    return made(edge.HEALTH_CHECK, f"check-{index}", {"type": kind, **inputs})


def firewall(*statements: dict[str, Any]) -> PlannedResource:
    rules = [{"name": f"rule-{index}", "statement": one} for index, one in enumerate(statements)]
    return made("aws:wafv2/webAcl:WebAcl", "firewall", {"rules": rules})


def group(name: str, vendor: str = "AWS") -> dict[str, Any]:
    return {"managedRuleGroupStatement": {"name": name, "vendorName": vendor}}


COMMON, ANONYMOUS = group("AWSManagedRulesCommonRuleSet"), group("AWSManagedRulesAnonymousIpList")
IP_SET = {"ipSetReferenceStatement": {"arn": "[unknown]"}}
NOT_IP_SET = {"notStatement": {"statement": IP_SET}}


# Names.


def test_a_zone_costs_and_beyond_25_less() -> None:
    zones = [made("aws:route53/zone:Zone", f"zone-{index}") for index in range(26)]
    assert monthly(lines_of(zones[:1], usage_of("10k"), PRICES)) == Decimal("0.5")
    assert monthly(lines_of(zones, usage_of("10k"), PRICES)) == pytest.approx(Decimal("12.6"), abs=Decimal("0.01"))


def test_latency_records_that_are_aliases_have_free_queries() -> None:
    alias = made(
        "aws:route53/record:Record",
        "us-east-1-origin",
        {"aliases": [{"name": "[unknown]"}], "latencyRoutingPolicies": [{"region": "us-east-1"}]},
    )
    assert [line.state for line in lines_of([alias], usage_of("1m"), PRICES)] == [State.FREE]


def test_a_certificates_proof_is_free_but_other_records_ask_for_their_queries() -> None:
    certificate = made(edge.CERTIFICATE, "origin")
    proof = made("aws:route53/record:Record", "proof", {"records": ["[unknown]"]}, uses={"records": [certificate.urn]})
    other = made("aws:route53/record:Record", "other", {"records": ["203.0.113.1"]})
    states = {line.urn: line.state for line in lines_of([certificate, proof, other], usage_of("10k"), PRICES)}
    assert states[proof.urn] is State.FREE
    assert states[other.urn] is State.NEEDS_USAGE


def test_fifty_checks_that_ask_no_host_are_free_and_the_51st_is_not() -> None:
    checks = [check("CALCULATED" if index % 2 else "CLOUDWATCH_METRIC", index) for index in range(51)]
    assert monthly(lines_of(checks[:50], usage_of("1m"), PRICES)) == 0
    assert monthly(lines_of(checks, usage_of("1m"), PRICES)) == pytest.approx(Decimal("0.5"), abs=Decimal("0.01"))


@pytest.mark.parametrize(
    ("kind", "inputs", "usd"),
    [
        ("HTTP", {}, "0.75"),
        ("TCP", {"requestInterval": 30}, "0.75"),
        ("HTTPS", {"enableSni": True}, "2.75"),
        ("HTTPS_STR_MATCH", {}, "4.75"),
        ("HTTP_STR_MATCH", {"requestInterval": 10}, "4.75"),
        ("HTTPS", {"measureLatency": True, "requestInterval": 10}, "6.75"),
    ],
)
def test_a_check_of_a_host_costs_more_and_each_option_again(kind: str, inputs: dict[str, Any], usd: str) -> None:
    assert monthly(lines_of([check(kind, **inputs)], usage_of("10k"), PRICES)) == Decimal(usd)


# CloudFront.


def test_the_first_terabyte_and_ten_million_requests_are_free() -> None:
    small = lines_of([distribution()], usage_of("10k"), PRICES)
    assert amount(small, "requests") > 3
    assert monthly(small, "requests") == monthly(small, "data out") == 0
    usage = usage_of("250k", responseKib=60)
    large = lines_of([distribution()], usage, PRICES)
    assert monthly(large, "requests") == pytest.approx(amount(large, "requests") - 10, abs=Decimal("0.001"))
    above = amount(large, "data out") - 1024
    assert monthly(large, "data out") == pytest.approx(above / 10, abs=Decimal("0.001"))


def test_files_that_cloudflare_keeps_never_reach_cloudfront() -> None:
    for hits, files in ((1, Decimal(0)), (0, Decimal(1)), ("0.9", Decimal("0.1"))):
        usage = usage_of("50k", assetCacheHitShare=hits)
        lines = lines_of([distribution()], usage, PRICES)
        reaching = usage.requests + usage.asset_requests * files
        assert amount(lines, "requests") == pytest.approx(reaching / 1_000_000)
        assert amount(lines, "data out") == pytest.approx(usage.response_gib + usage.asset_gib * files)


def test_requests_cost_what_they_cost_where_the_regions_are() -> None:
    lines = {line.component: line for line in lines_of([distribution()], usage_of("1m"), PRICES)}
    american, european = lines["requests, us-east-1"], lines["requests, eu-west-1"]
    assert american.quantity == european.quantity
    assert american.monthly_usd is not None
    assert european.monthly_usd == pytest.approx(american.monthly_usd * Decimal("1.2"), abs=Decimal("0.001"))


def test_a_region_whose_edges_have_no_price_leaves_the_requests_unpriced() -> None:
    prices = {key: tiers for key, tiers in PRICES.items() if key != ("cloudfront/https-requests/1m", "eu-west-1")}
    lines = lines_of([distribution()], usage_of("1m"), prices)
    assert [line.component for line in lines if line.state is State.UNPRICED] == ["requests, eu-west-1"]


def test_request_bodies_pay_on_the_way_to_the_origin_and_what_is_fetched_does_not() -> None:
    usage = usage_of("50k", requestKib=4)
    lines = lines_of([distribution()], usage, PRICES)
    assert amount(lines, "data to origin") == pytest.approx(usage.per_request_gib(Decimal(4)))
    assert {line.component for line in lines} == {"requests", "data out", "data to origin"}


def test_functions_run_for_the_paths_that_have_them_and_two_million_runs_are_free() -> None:
    api = {"pathPattern": "/api/*", "functionAssociations": [FUNCTION, FUNCTION]}
    assets = {"pathPattern": "/assets/*", "functionAssociations": [FUNCTION]}
    usage = usage_of("50k")
    files = usage.asset_requests * Decimal("0.05")
    for behaviors, runs in (([api], 2 * usage.requests), ([api, assets], 2 * usage.requests + files)):
        lines = lines_of([distribution(orderedCacheBehaviors=behaviors)], usage, PRICES)
        millions = runs / 1_000_000
        assert amount(lines, "functions") == pytest.approx(millions)
        assert monthly(lines, "functions") == pytest.approx((millions - 2) / 10, abs=Decimal("0.001"))


def test_a_path_without_a_behaviour_of_its_own_runs_the_functions_of_the_default_one() -> None:
    usage = usage_of("50k", assetCacheHitShare=1)
    lines = lines_of([distribution(defaultCacheBehavior={"functionAssociations": [FUNCTION]})], usage, PRICES)
    assert amount(lines, "functions") == pytest.approx(usage.requests / 1_000_000)


def test_origin_shield_costs_only_where_it_is_on() -> None:
    for enabled, usd in ((True, Decimal("0.75")), (False, Decimal(0))):
        origin = {"originId": "api", "originShield": {"enabled": enabled, "originShieldRegion": "us-east-1"}}
        usage = usage_of("50k")
        lines = lines_of([distribution(origins=[origin])], usage, PRICES)
        expected = usage.requests / 1_000_000 * usd
        assert monthly(lines, "origin shield") == pytest.approx(expected, abs=Decimal("0.001"))


@pytest.mark.parametrize(("status", "usd"), [("Enabled", "2.40"), ("Disabled", "0")])
def test_additional_metrics_are_eight_whatever_the_traffic(status: str, usd: str) -> None:
    config = {"realtimeMetricsSubscriptionConfig": {"realtimeMetricsSubscriptionStatus": status}}
    token = "aws:cloudfront/monitoringSubscription:MonitoringSubscription"
    lines = lines_of([made(token, "cdn", {"monitoringSubscription": config})], usage_of("1m"), PRICES)
    assert monthly(lines) == Decimal(usd)


# The firewall.


def test_each_rule_costs_a_dollar_and_a_group_of_rules_is_one() -> None:
    lines = lines_of([firewall(COMMON, {"rateBasedStatement": {"limit": 10_000}})], usage_of("10k"), PRICES)
    assert monthly(lines, "web ACL") == 5
    assert monthly(lines, "rules") == 2
    assert monthly(lines, "capacity") == 0


def test_the_firewall_inspects_all_that_reaches_cloudfront() -> None:
    usage = usage_of("250k")
    resources = [distribution(), firewall(COMMON)]
    lines = lines_of(resources, usage, PRICES)
    inspected = [line for line in lines if line.urn == resources[1].urn]
    passed = [line for line in lines if line.urn == resources[0].urn]
    assert amount(inspected, "requests") == amount(passed, "requests") > 90


@pytest.mark.parametrize(
    ("statements", "steps"),
    [
        ([COMMON, COMMON], 0),
        # 700, 700, 50 and 50 are 1,500 to the unit.
        ([COMMON, COMMON, ANONYMOUS, ANONYMOUS], 0),
        ([COMMON, COMMON, ANONYMOUS, ANONYMOUS, {"orStatement": {"statements": [IP_SET, NOT_IP_SET]}}], 1),
        ([COMMON, COMMON, group("AWSManagedRulesKnownBadInputsRuleSet")], 1),
        ([COMMON, COMMON, COMMON], 2),
        # As the engine stores it.
        ([COMMON, COMMON, {"__defaults": ["name"], **COMMON}], 2),
        # Each text transformation is ten units; nothing is none.
        (
            [
                COMMON,
                COMMON,
                *[
                    {"regexMatchStatement": {"textTransformations": [{"type": "LOWERCASE"}, {"type": "NONE"}]}}
                    for _ in range(8)
                ],
            ],
            1,
        ),
        (
            [
                COMMON,
                COMMON,
                *[{"regexMatchStatement": {"textTransformations": [{"type": "NONE"}]}} for _ in range(8)],
            ],
            0,
        ),
    ],
)
def test_capacity_above_1500_units_costs_every_request_in_steps_of_500(
    statements: list[dict[str, Any]], steps: int
) -> None:
    usage = usage_of("50k")
    lines = lines_of([firewall(*statements)], usage, PRICES)
    assert amount(lines, "capacity") == pytest.approx(edge.edge_requests(usage) / 1_000_000 * steps)


@pytest.mark.parametrize(
    "statement",
    [
        group("AWSManagedRulesBotControlRuleSet"),
        group("AWSManagedRulesCommonRuleSet", vendor="Somebody"),
        {"xssMatchStatement": {"fieldToMatch": {"body": {}}}},
        {"rateBasedStatement": {"limit": 1, "scopeDownStatement": group("AWSManagedRulesATPRuleSet")}},
        {"notStatement": {"statement": group("AWSManagedRulesBotControlRuleSet")}},
    ],
)
def test_a_rule_whose_fee_nobody_knows_leaves_the_firewall_unpriced(statement: dict[str, Any]) -> None:
    lines = lines_of([firewall(COMMON, statement)], usage_of("10k"), PRICES)
    unpriced = [line for line in lines if line.state is State.UNPRICED]
    assert [line.component for line in unpriced] == ["capacity"]
    assert "rule-1" in unpriced[0].note
    assert "rule-0" not in unpriced[0].note


# The partners' API.


def api(protocol: str = "HTTP") -> PlannedResource:
    return made(network.API, "us-east-1-partners", {"protocolType": protocol, "region": "us-east-1"})


def test_partners_requests_get_cheaper_above_300_million() -> None:
    for millions, usd in ((5, Decimal(5)), (400, Decimal(390))):
        lines = lines_of([api()], usage_of("1m", partnerRequests=millions * 1_000_000), PRICES)
        assert monthly(lines, "requests") == usd


def test_answers_to_partners_and_calls_to_vendors_share_one_free_allowance() -> None:
    usage = usage_of("250k", partnerRequests=50_000_000)
    gateway = made(network.NAT, "us-east-1-network-nat-a", {"region": "us-east-1"})
    lines = lines_of([api(), gateway], usage, PRICES)
    whole = network.vendor_gib(usage) + network.partner_gib(usage)
    assert network.vendor_gib(usage) < 100 < whole
    assert monthly(lines, "internet egress") == pytest.approx((whole - 100) / 10, abs=Decimal("0.001"))


def test_without_the_api_nobody_answers_partners() -> None:
    usage = usage_of("250k", partnerRequests=500_000_000)
    gateway = made(network.NAT, "us-east-1-network-nat-a", {"region": "us-east-1"})
    assert monthly(lines_of([gateway], usage, PRICES), "internet egress") == 0


def test_other_apis_than_http_have_no_price() -> None:
    assert [line.state for line in lines_of([api("WEBSOCKET")], usage_of("250k"), PRICES)] == [State.UNPRICED]


def test_detailed_metrics_cost_for_each_route_that_has_them() -> None:
    for routes, usd in (([], "0"), ([True], "1.80"), ([True, True, False], "3.60")):
        inputs = {"routeSettings": [{"routeKey": "x", "detailedMetricsEnabled": one} for one in routes]}
        lines = lines_of([made("aws:apigatewayv2/stage:Stage", "partners", inputs)], usage_of("250k"), PRICES)
        assert monthly(lines) == Decimal(usd)


def test_a_vpc_link_of_an_http_api_costs_nothing() -> None:
    link = made("aws:apigatewayv2/vpcLink:VpcLink", "us-east-1-partners", {"subnetIds": ["[unknown]"] * 3})
    assert [line.state for line in lines_of([link], usage_of("250k"), PRICES)] == [State.FREE]


# All of it.


@pytest.mark.parametrize("stack", STACKS)
def test_everything_of_the_edge_is_priced_or_free_in_the_shipped_stacks(stack: str) -> None:
    urns = {one.urn for one in planned(stack) if one.type.startswith(PREFIXES)}
    lines = [line for line in estimated(stack).lines if line.urn in urns]
    assert {line.urn for line in lines} == urns
    assert [line for line in lines if line.state not in (State.PRICED, State.FREE)] == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_shipped_firewall_stays_inside_the_capacity_that_its_price_holds(stack: str) -> None:
    (acl,) = (one for one in planned(stack) if one.type == "aws:wafv2/webAcl:WebAcl")
    components = [line.component for line in estimated(stack).lines if line.urn == acl.urn]
    assert components == ["web ACL", "rules", "requests"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_distribution_runs_a_function_for_each_request_of_the_api(stack: str) -> None:
    (cdn,) = (one for one in planned(stack) if one.type == "aws:cloudfront/distribution:Distribution")
    lines = [line for line in estimated(stack).lines if line.urn == cdn.urn]
    assert amount(lines, "functions") >= usage_of(stack).requests / 1_000_000
    assert len(phase_of(stack).regions) == len([line for line in lines if line.component.startswith("requests")])


def test_no_type_is_both_priced_and_free() -> None:
    assert not edge.ESTIMATORS.keys() & edge.FREE.keys()
