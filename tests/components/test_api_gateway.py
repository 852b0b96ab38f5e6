"""API Gateway: one way in, throttled a route, and nothing that a caller could forge."""

import json
from collections.abc import Callable

import pulumi
import pytest

from components.alarms import AlarmTopics
from components.api_gateway import ACCESS_LOG, ROUTES, ApiGateway, ApiGatewayArgs
from components.component import Site
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
NAME = "us-east-1-partners"


def gateway(site: Site, topics: AlarmTopics) -> ApiGateway:
    args = ApiGatewayArgs(
        host="partners.example.com",
        certificate_arn="arn:certificate",
        origin_host="origin.example.com",
        origin_token=pulumi.Output.secret("planted-token"),
        vpc_id="vpc-1",
        subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
        load_balancer_security_group_id="sg-lb",
        listener_arn="arn:listener",
        log_key_arn="arn:key",
        p95_ms=400,
        topics=topics,
    )
    return ApiGateway(NAME, site, args)


@pytest.fixture
def parts(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: gateway(site, topics))


def test_the_only_address_is_the_products_own(parts: Recorded) -> None:
    assert parts.one("Api").inputs["disableExecuteApiEndpoint"]
    domain = parts.one("DomainName").inputs
    assert domain["domainName"] == "partners.example.com"
    assert domain["domainNameConfiguration"]["securityPolicy"] == "TLS_1_2"


def test_partners_and_webhooks_have_a_route_each_and_nobody_else(parts: Recorded) -> None:
    assert {route.inputs["routeKey"] for route in parts.of("Route")} == set(ROUTES)
    settings = {each["routeKey"]: each for each in parts.one("Stage").inputs["routeSettings"]}
    assert settings.keys() == ROUTES.keys()
    assert all(0 < each["throttlingRateLimit"] < each["throttlingBurstLimit"] for each in settings.values())


def test_the_stage_comes_after_the_routes_that_it_names(parts: Recorded) -> None:
    needed = " ".join(parts.one("Stage").dependencies)
    assert all(route.name in needed for route in parts.of("Route"))


def test_the_load_balancer_is_spoken_to_by_its_own_name(parts: Recorded) -> None:
    integration = parts.one("Integration").inputs
    assert (integration["connectionType"], integration["integrationUri"]) == ("VPC_LINK", "arn:listener")
    assert integration["tlsConfig"] == {"serverNameToVerify": "origin.example.com"}


def test_a_caller_forges_neither_the_token_nor_its_address(parts: Recorded) -> None:
    headers = parts.one("Integration").inputs["requestParameters"]
    assert set(headers) == {"overwrite:header.x-origin-verify", "overwrite:header.cf-connecting-ip"}
    assert headers["overwrite:header.cf-connecting-ip"] == "$context.identity.sourceIp"


def test_the_token_never_shows(parts: Recorded) -> None:
    assert "planted-token" not in json.dumps([resource.inputs for resource in parts.resources])


def test_the_link_reaches_the_load_balancer_only(parts: Recorded) -> None:
    (egress,) = parts.of("SecurityGroupEgressRule")
    (ingress,) = parts.of("SecurityGroupIngressRule")
    assert (egress.inputs["referencedSecurityGroupId"], egress.inputs["fromPort"]) == ("sg-lb", 443)
    assert (ingress.inputs["securityGroupId"], ingress.inputs["fromPort"]) == ("sg-lb", 443)


def test_the_access_log_names_no_person(parts: Recorded) -> None:
    settings = parts.one("Stage").inputs["accessLogSettings"]
    assert json.loads(settings["format"]) == ACCESS_LOG
    assert not any(word in settings["format"] for word in ("sourceIp", "path", "userAgent", "authorizer"))
    assert parts.one("LogGroup").inputs["name"].startswith("/aws/vendedlogs/")


@pytest.mark.parametrize(("alarm", "severity"), [("errors-high", "page"), ("refused", "ticket"), ("latency", "ticket")])
def test_what_partners_feel_is_watched(parts: Recorded, alarm: str, severity: str) -> None:
    assert parts.inputs(f"{NAME}-{alarm}", "MetricAlarm")["alarmActions"][0].endswith(severity)
