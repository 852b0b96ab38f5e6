"""Rules about load balancers."""

from __future__ import annotations

from policies.rules import alb
from policies.rules.cloudfront import DISTRIBUTION
from policies.rules.dns import RECORD
from policies.rules.logs import ALARM
from policies.rules.vpc import INGRESS_RULE, SECURITY_GROUP, SUBNET
from policies.view import Resource
from tests.policies.cases import GONE, PREFIX, Case, made
from tests.policies.cases_vpc import NETWORK_1M

NOBODYS = f"{PREFIX}nobodys"
OF_IT = f"{alb.LOAD_BALANCER}::lb"
LISTENER = {
    "protocol": "HTTPS",
    "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "defaultActions": [{"type": "fixed-response", "fixedResponse": {"statusCode": "403"}}],
}
BALANCER = {
    "accessLogs": {"bucket": "logs", "enabled": True},
    "desyncMitigationMode": "defensive",
    "dropInvalidHeaderFields": True,
    "enableDeletionProtection": True,
}


def alarm(metric: str, of: str = OF_IT) -> Resource:
    """An alarm on a metric of the load balancer, or another resource."""
    return made(ALARM, metric, {"alarmActions": ["arn"], "metricName": metric}, sources={"dimensions": [of]})


def math_alarm(*metrics: str) -> Resource:
    """An alarm on several metrics of the load balancer."""
    queries = [{"id": "result", "expression": "a/b"}, *({"metric": {"metricName": metric}} for metric in metrics)]
    return made(
        ALARM, "errors", {"alarmActions": ["arn"], "metricQueries": queries}, sources={"metricQueries": [OF_IT]}
    )


CASES = [
    Case(
        rule="alb-listener-tls",
        good=[made(alb.LISTENER, "https", LISTENER)],
        path="protocol",
        broken=["HTTP", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="alb-tls-policy",
        good=[made(alb.LISTENER, "https", LISTENER)],
        path="sslPolicy",
        broken=["ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-TLS13-1-0-2021-06", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="alb-default-refuses",
        good=[made(alb.LISTENER, "https", LISTENER)],
        path="defaultActions.0.type",
        broken=["forward"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="alb-forward-asks-header",
        good=[
            made(
                alb.LISTENER_RULE,
                "api",
                {"actions": [{"type": "forward"}], "conditions": [{"httpHeader": {"values": ["secret"]}}]},
            )
        ],
        path="conditions.0.httpHeader",
        broken=[GONE, {}],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="alb-only-from-cloudfront",
        good=[
            made(
                INGRESS_RULE,
                "cloudfront",
                {"prefixListId": "pl-1"},
                sources={"securityGroupId": [f"{SECURITY_GROUP}::lb"]},
            ),
            made(SECURITY_GROUP, "lb"),
            made(alb.LOAD_BALANCER, "lb", sources={"securityGroups": [f"{SECURITY_GROUP}::lb"]}),
        ],
        path="cidrIpv4",
        broken=["203.0.113.0/24", "10.0.0.0/8"],
        absent="fine",
        unknown="undecided",
        shipped="*-lb-cloudfront",
    ),
    Case(
        rule="alb-behind-web-acl",
        good=[
            made(alb.LOAD_BALANCER, "lb"),
            made(RECORD, "origin", {"name": "origin.example.com"}, sources={"aliases": [OF_IT]}),
            made(DISTRIBUTION, "cdn", {"webAclId": "arn", "origins": [{"domainName": "origin.example.com"}]}),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=frozenset({"alb-alarms", "route53-alias-target"}),
    ),
    Case(
        rule="alb-access-logs",
        good=[made(alb.LOAD_BALANCER, "lb", BALANCER)],
        path="accessLogs.enabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="alb-deletion-protection",
        good=[made(alb.LOAD_BALANCER, "lb", BALANCER)],
        path="enableDeletionProtection",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="alb-drops-invalid-headers",
        good=[made(alb.LOAD_BALANCER, "lb", BALANCER)],
        path="dropInvalidHeaderFields",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="alb-desync",
        good=[made(alb.LOAD_BALANCER, "lb", BALANCER)],
        path="desyncMitigationMode",
        broken=["monitor"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="alb-zones",
        good=[
            made(alb.LOAD_BALANCER, "lb", sources={"subnets": [f"{SUBNET}::a", f"{SUBNET}::b"]}),
            made(SUBNET, "a", {"availabilityZone": "us-east-1a"}),
            made(SUBNET, "b", {"availabilityZone": "us-east-1b"}),
        ],
        path="@sources.subnets",
        broken=[(f"{PREFIX}{SUBNET}::a",)],
        absent="fine",
        unknown="fine",
        shipped_value=(f"{NETWORK_1M}{SUBNET}::us-east-1-network-public-a",),
    ),
    Case(
        rule="alb-health-check",
        good=[made(alb.TARGET_GROUP, "api", {"healthCheck": {"path": "/health"}})],
        path="healthCheck.path",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="alb-alarms",
        good=[
            made(alb.LOAD_BALANCER, "lb", {"internal": True}),
            math_alarm("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"),
            alarm("TargetResponseTime"),
            alarm("UnHealthyHostCount"),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=frozenset({"alb-behind-web-acl", "route53-alias-target"}),
    ),
    Case(
        rule="alb-target-alarms",
        good=[
            made(alb.TARGET_GROUP, "api"),
            alarm("HealthyHostCount", f"{alb.TARGET_GROUP}::api"),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
    ),
]
