"""Rules about networks, the edge and rights: what stands beside a resource, and other ways to write the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.catalogue import RULES
from policies.evaluate import Judge
from policies.rules import alb, iam, vpc
from policies.view import UNKNOWN, Resource, Stack
from tests.policies import (
    cases_alb,
    cases_apigateway,
    cases_cloudfront,
    cases_eks,
    cases_iam,
    cases_logs,
    cases_vpc,
    cases_waf,
)
from tests.policies.cases import GONE, made, put, unique
from tests.policies.conftest import TODAY

MODULES = (
    cases_alb,
    cases_apigateway,
    cases_cloudfront,
    cases_eks,
    cases_iam,
    cases_logs,
    cases_vpc,
    cases_waf,
)
CASES = unique(case for module in MODULES for case in module.CASES)
GROUP = [f"{vpc.SECURITY_GROUP}::lb"]
INSIDE = {"protocol": "tcp", "fromPort": 5432, "toPort": 5432, "cidrBlocks": ["10.0.0.0/16"]}
WORLD = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["10.0.0.0/16", "0.0.0.0/0"]}


def said(rule: str, resources: list[Resource]) -> list[str]:
    """Messages of one rule, or the paths that are not known."""
    found = Judge({rule: RULES[rule]}, production=True, today=TODAY).stack(Stack(resources))
    assert not any("itself fails" in one.message for one in found.findings)
    return [*(one.message for one in found.findings), *(one.path for one in found.undecided)]


@pytest.mark.parametrize(
    ("rule", "at", "path", "value"),
    [
        ("vpc-flow-log", 1, "trafficType", "ALL"),
        ("vpc-private-route-nat", 3, "tags.Tier", "public"),
        ("vpc-nat-own-zone", 4, "tags.Phase", "10k"),
        ("alb-behind-web-acl", 0, "internal", True),
        ("cloudfront-access-logs", 0, "loggingConfig", {"bucket": "logs"}),
        ("apigateway-one-way-in", 1, "@sources.apiId", GONE),
        ("eks-zones", 1, "tags.Tier", "data"),
    ],
)
def test_a_neighbour_that_still_says_the_right_thing_is_enough(rule: str, at: int, path: str, value: object) -> None:
    resources = list(CASES[rule].good)
    resources[at] = put(resources[at], path, value)
    assert said(rule, resources) == []


@pytest.mark.parametrize(
    ("rule", "at", "path", "value"),
    [
        ("vpc-flow-log", 1, "trafficType", "ACCEPT"),
        ("vpc-flow-log", 1, "trafficType", UNKNOWN),
        ("vpc-flow-log", 1, "logDestination", GONE),
        ("vpc-s3-endpoint", 1, "serviceName", "com.amazonaws.us-east-1.dynamodb"),
        ("vpc-nat-own-zone", 5, "availabilityZone", "us-east-1b"),
        ("alb-only-from-cloudfront", 0, "cidrIpv6", "2001:db8::/32"),
        ("alb-behind-web-acl", 1, "name", "elsewhere.example.com"),
        ("alb-behind-web-acl", 2, "webAclId", GONE),
        ("alb-alarms", 2, "actionsEnabled", False),
        ("alb-alarms", 2, "alarmActions", []),
        ("alb-alarms", 1, "metricQueries.1.metric.metricName", "HTTPCode_Target_4XX_Count"),
        ("alb-target-alarms", 1, "metricName", "RequestCount"),
        ("alb-zones", 2, "availabilityZone", "us-east-1a"),
        ("cloudfront-access-logs", 2, "@sources.deliverySourceName", GONE),
        ("cloudfront-alarms", 1, "metricName", "4xxErrorRate"),
        ("waf-logging", 1, "logDestinationConfigs", []),
        ("events-rule-target", 1, "arn", GONE),
        ("apigateway-alarms", 1, "metricName", "4xx"),
        ("eks-zones", 1, "availabilityZone", "us-east-1c"),
        ("eks-zones", 1, "tags.Tier", "public"),
    ],
)
def test_a_neighbour_that_says_the_wrong_thing_is_found(rule: str, at: int, path: str, value: object) -> None:
    resources = list(CASES[rule].good)
    resources[at] = put(resources[at], path, value)
    assert len(said(rule, resources)) == 1


@pytest.mark.parametrize(
    ("rule", "one"),
    [
        ("vpc-no-ingress-from-anywhere", made(vpc.SECURITY_GROUP, "lb", {"ingress": [INSIDE, WORLD]})),
        ("vpc-no-ingress-from-anywhere", made(vpc.SECURITY_GROUP, "lb", {"ingress": [{"ipv6CidrBlocks": ["::/0"]}]})),
        ("vpc-no-ingress-from-anywhere", made(vpc.OLD_RULE, "lb", {"type": "ingress", **WORLD})),
        ("vpc-data-ports-private", made(vpc.SECURITY_GROUP, "lb", {"ingress": [WORLD]})),
        ("vpc-data-ports-private", made(vpc.SECURITY_GROUP, "lb", {"ingress": [{**INSIDE, "prefixListIds": ["pl"]}]})),
        (
            "vpc-data-ports-private",
            made(vpc.OLD_RULE, "lb", {"type": "ingress", **INSIDE, "cidrBlocks": ["8.0.0.0/8"]}),
        ),
        ("vpc-egress-narrow", made(vpc.SECURITY_GROUP, "lb", {"egress": [WORLD]})),
        ("vpc-egress-narrow", made(vpc.OLD_RULE, "lb", {"type": "egress", **WORLD})),
        (
            "alb-listener-tls",
            made(alb.LISTENER, "http", {"protocol": "HTTP", "defaultActions": [{"type": "redirect"}]}),
        ),
        ("iam-decrypt-named", made(iam.ROLE, "app", {"inlinePolicies": [{"policy": cases_iam.allow("kms:Decrypt")}]})),
        (
            "iam-no-administration",
            made(iam.ROLE, "app", {"managedPolicyArns": ["arn:aws:iam::aws:policy/IAMFullAccess"]}),
        ),
        ("iam-no-users", made("aws:iam/user:User", "somebody")),
        ("iam-no-users", made("aws:iam/accessKey:AccessKey", "somebodys")),
    ],
)
def test_however_it_is_written_it_is_found(rule: str, one: Resource) -> None:
    assert len(said(rule, [one])) == 1


@pytest.mark.parametrize(
    ("rule", "one"),
    [
        ("vpc-no-ingress-from-anywhere", made(vpc.OLD_RULE, "lb", {"type": "egress", **WORLD})),
        ("vpc-data-ports-private", made(vpc.SECURITY_GROUP, "lb", {"ingress": [INSIDE], "egress": [WORLD]})),
        (
            "vpc-data-ports-private",
            made(vpc.INGRESS_RULE, "lb", {**INSIDE, "ipProtocol": "icmp", "cidrIpv4": "8.8.8.8/32"}),
        ),
        ("vpc-egress-narrow", made(vpc.SECURITY_GROUP, "lb", {"egress": [INSIDE]})),
        (
            "alb-listener-tls",
            made(alb.LISTENER, "http", {"protocol": "HTTP", "defaultActions": [{"redirect": {"protocol": "HTTPS"}}]}),
        ),
        ("iam-writes-named", made(iam.ROLE, "app", {"inlinePolicies": [{"policy": cases_iam.allow("ec2:Describe*")}]})),
        ("iam-no-full-access", made(cases_iam.POLICY, "app", {"policy": json.dumps({"Statement": []})})),
        ("iam-trust-web-identity", made(iam.ROLE, "app", {"assumeRolePolicy": cases_iam.PODS})),
    ],
)
def test_what_only_looks_like_it_passes(rule: str, one: Resource) -> None:
    assert said(rule, [one]) == []


def test_rules_inside_a_load_balancers_group_are_looked_at_too() -> None:
    def stack(*rules: dict[str, Any]) -> list[Resource]:
        group = made(vpc.SECURITY_GROUP, "lb", {"ingress": list(rules)})
        return [group, made(alb.LOAD_BALANCER, "lb", sources={"securityGroups": GROUP})]

    assert said("alb-only-from-cloudfront", stack({"prefixListIds": ["pl-1"]})) == []
    assert len(said("alb-only-from-cloudfront", stack({"cidrBlocks": ["203.0.113.0/24"]}))) == 1


def test_a_web_acl_of_its_own_is_enough_for_a_load_balancer() -> None:
    acl = made(alb.REGIONAL_ACL, "lb", sources={"resourceArn": [f"{alb.LOAD_BALANCER}::lb"]})
    assert said("alb-behind-web-acl", [made(alb.LOAD_BALANCER, "lb"), acl]) == []


def test_a_trail_that_is_stopped_or_looks_away_is_none() -> None:
    (trail, root) = CASES["cloudtrail-all-regions"].good
    for path in ("enableLogging", "includeGlobalServiceEvents"):
        assert len(said("cloudtrail-all-regions", [put(trail, path, value=False), root])) == 1
    assert len(said("cloudtrail-all-regions", [root])) == 1
