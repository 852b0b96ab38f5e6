"""Load balancers: TLS, whom they answer, what they log, and alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.rules.cloudfront import DISTRIBUTION
from policies.rules.dns import RECORD
from policies.rules.logs import watched
from policies.rules.vpc import INGRESS_RULE, OLD_RULE, SECURITY_GROUP, addresses, openings
from policies.view import Resource, Stack

RULES = Rules()
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
LISTENER_RULE = "aws:lb/listenerRule:ListenerRule"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
REGIONAL_ACL = "aws:wafv2/webAclAssociation:WebAclAssociation"

TLS: Final = ("HTTPS", "TLS")
MODERN: Final = re.compile(r"ELBSecurityPolicy-(TLS13-1-[23]|TLS-1-2|FS-1-2)-")
"""Names of policies from TLS 1.2 on.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""
WATCHED: Final = {
    "HTTPCode_ELB_5XX_Count",
    "HTTPCode_Target_5XX_Count",
    "TargetResponseTime",
    "UnHealthyHostCount",
}
"""Metrics that an alarm must be on; when no target is left, the only errors are the load balancer's own."""


@RULES.on(
    LISTENER,
    id="alb-listener-tls",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A listener speaks TLS, or does nothing but redirect to HTTPS.",
    remedy="set protocol to HTTPS with a certificate, or make redirect the only default action",
    frameworks=("FSBP ELB.1", "Checkov CKV_AWS_2", "Checkov CKV2_AWS_20", "cdk-nag AwsSolutions-ELB5"),
)
def listener_tls(one: Resource) -> Iterator[str]:
    """CloudFront speaks HTTPS only, so that there is nothing to redirect here."""
    if one.get("protocol") in TLS:
        return
    actions = one.items("defaultActions")
    if not actions or any(action.get("redirect.protocol") != "HTTPS" for action in actions):
        yield "it answers without TLS"


@RULES.on(
    LISTENER,
    id="alb-tls-policy",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A listener takes TLS 1.2 and later only.",
    remedy="set sslPolicy to ELBSecurityPolicy-TLS13-1-2-2021-06 or a later one of TLS 1.2 or 1.3",
    frameworks=("Checkov CKV_AWS_103", "Checkov CKV2_AWS_74"),
)
def tls_policy(one: Resource) -> Iterator[str]:
    """AWS's own default takes TLS 1.0."""
    if one.get("protocol") in TLS and not MODERN.match(str(one.get("sslPolicy"))):
        yield "it takes TLS before 1.2"


@RULES.on(
    LISTENER,
    id="alb-default-refuses",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="What no rule of a listener knows reaches no pod.",
    remedy="make the default action a fixed-response of 403, and forward in rules that ask for the origin's header",
)
def default_refuses(one: Resource) -> Iterator[str]:
    """CloudFront's addresses are everybody's who has a distribution."""
    if any(action.get("type") == "forward" for action in one.items("defaultActions")):
        yield "it forwards whatever comes"


@RULES.on(
    LISTENER_RULE,
    id="alb-forward-asks-header",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Requests are forwarded only when they bring the header that CloudFront and the API gateway add.",
    remedy="add a condition httpHeader with the origin's secret to the rule",
)
def forward_asks_header(one: Resource) -> Iterator[str]:
    """The secret itself is not read, that a header is asked for is enough."""
    forwards = any(action.get("type") == "forward" for action in one.items("actions"))
    if forwards and not any(condition.has("httpHeader") for condition in one.items("conditions")):
        yield "it forwards requests that prove nothing"


@RULES.between(
    INGRESS_RULE,
    OLD_RULE,
    SECURITY_GROUP,
    id="alb-only-from-cloudfront",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A load balancer is open to CloudFront's prefix list and to security groups, to no network.",
    remedy="name the prefix list com.amazonaws.global.cloudfront.origin-facing as the source",
)
def only_from_cloudfront(one: Resource, stack: Stack) -> Iterator[str]:
    """That a prefix list is CloudFront's cannot be seen: its id is another one in each region."""
    groups = [one] if one.type == SECURITY_GROUP else stack.behind(one, "securityGroupId")
    if not any(stack.users(group, LOAD_BALANCER, of=("securityGroups",)) for group in groups):
        return
    if any(addresses(opening) for opening in openings(one, "ingress")):
        yield "whoever has an address there goes round CloudFront and the firewall"


@RULES.between(
    LOAD_BALANCER,
    id="alb-behind-web-acl",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A firewall stands in front of every public load balancer.",
    remedy="associate a web ACL, or send CloudFront with one to the load balancer's name",
    frameworks=("FSBP ELB.16", "Checkov CKV2_AWS_28"),
)
def behind_web_acl(one: Resource, stack: Stack) -> Iterator[str]:
    """Either a web ACL of its own, or CloudFront's.

    The frameworks ask for the former. Here the firewall is CloudFront's, and `alb-only-from-cloudfront` leaves no way
    round it: so it is enough that a distribution with a web ACL has a DNS name of the load balancer as its origin.
    """
    if one.get("internal") is True or stack.users(one, REGIONAL_ACL, of=("resourceArn",)):
        return
    hosts = [record.get("name") for record in stack.users(one, RECORD, of=("aliases", "records"))]
    guarded = [
        origin.get("domainName")
        for distribution in stack.all(DISTRIBUTION)
        if distribution.has("webAclId")
        for origin in distribution.items("origins")
    ]
    if not any(host in guarded for host in hosts):
        yield "no web ACL stands in front of it"


@RULES.on(
    LOAD_BALANCER,
    id="alb-access-logs",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A load balancer writes down every request.",
    remedy="set accessLogs to a bucket, and enabled to true",
    frameworks=("FSBP ELB.5", "Checkov CKV_AWS_91", "cdk-nag AwsSolutions-ELB2"),
)
def access_logs(one: Resource) -> Iterator[str]:
    """A bucket alone switches nothing on."""
    if one.get("accessLogs.enabled") is not True or not one.has("accessLogs.bucket"):
        yield "nobody sees later who asked what"


@RULES.on(
    LOAD_BALANCER,
    id="alb-deletion-protection",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A load balancer refuses deletion.",
    remedy="set enableDeletionProtection to true",
    frameworks=("FSBP ELB.6", "Checkov CKV_AWS_150"),
)
def deletion_protection(one: Resource) -> Iterator[str]:
    """A new one has another address."""
    if one.get("enableDeletionProtection") is not True:
        yield "it can be deleted"


@RULES.on(
    LOAD_BALANCER,
    id="alb-drops-invalid-headers",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A load balancer drops headers that HTTP does not allow.",
    remedy="set dropInvalidHeaderFields to true",
    frameworks=("FSBP ELB.4", "Checkov CKV_AWS_131"),
)
def drops_invalid_headers(one: Resource) -> Iterator[str]:
    """Only those of type application can, which is the default type."""
    if one.get("loadBalancerType", "application") == "application" and one.get("dropInvalidHeaderFields") is not True:
        yield "it passes on headers that HTTP does not allow"


@RULES.on(
    LOAD_BALANCER,
    id="alb-desync",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A load balancer refuses requests that two servers would read differently.",
    remedy="set desyncMitigationMode to defensive or strictest",
    frameworks=("FSBP ELB.12", "Checkov CKV_AWS_328"),
)
def desync(one: Resource) -> Iterator[str]:
    """AWS's default is defensive."""
    if one.get("desyncMitigationMode", "defensive") not in ("defensive", "strictest"):
        yield "it lets ambiguous requests through"


@RULES.between(
    LOAD_BALANCER,
    id="alb-zones",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A load balancer stands in at least two zones.",
    remedy="give it subnets of two or more availability zones",
    frameworks=("FSBP ELB.13",),
)
def zones(one: Resource, stack: Stack) -> Iterator[str]:
    """Subnets that are none of the stack's are not judged."""
    subnets = stack.behind(one, "subnets")
    if subnets and len({str(subnet.get("availabilityZone")) for subnet in subnets}) < 2:  # noqa: PLR2004 two zones
        yield "it stands in one zone"


@RULES.on(
    TARGET_GROUP,
    id="alb-health-check",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A target group asks its targets at a path that is meant for it.",
    remedy="set healthCheck with a path",
    frameworks=("Checkov CKV_AWS_261",),
)
def health_check(one: Resource) -> Iterator[str]:
    """AWS's default asks `/`, which may be a page that costs or caches."""
    if not one.has("healthCheck.path"):
        yield "its health check is AWS's default"
    elif one.get("healthCheck.enabled") is False:
        yield "nobody asks whether its targets are well"


@RULES.between(
    LOAD_BALANCER,
    id="alb-alarms",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Somebody hears of a load balancer's 5xx, of its latency and of targets that are not well.",
    remedy="add alarms on its HTTPCode_*_5XX_Count, TargetResponseTime and UnHealthyHostCount",
)
def alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """On the group's metrics or the load balancer's as a whole."""
    missing = WATCHED - watched(one, stack)
    if missing:
        yield f"no alarm is on {', '.join(sorted(missing))}"


@RULES.between(
    TARGET_GROUP,
    id="alb-target-alarms",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Somebody hears when a target group has targets that are not well.",
    remedy="add an alarm on the group's UnHealthyHostCount or HealthyHostCount",
)
def target_alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """One group's targets do not answer for another's."""
    if not watched(one, stack) & {"HealthyHostCount", "UnHealthyHostCount"}:
        yield "no alarm is on the health of its targets"
