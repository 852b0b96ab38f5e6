"""The edge: names, certificates, CloudFront, the firewall, and the partners' API.

Cloudflare stands in front of CloudFront and keeps the public files, so of their requests only those reach CloudFront
that Cloudflare has no answer to; those of the API all do. What CloudFront fetches from AWS's origins costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from infra.cost.estimators.network import API, INTERNET, internet_gib, partner_gib
from infra.cost.model import Charge, Estimator, Free, Item, NeedsUsage, Scene, Unpriced
from infra.cost.usage import Usage
from infra.plan import PlannedResource

MILLION: Final = Decimal(1_000_000)
HEALTH_CHECK: Final = "aws:route53/healthCheck:HealthCheck"
CERTIFICATE: Final = "aws:acm/certificate:Certificate"

INSIDE_CHECKS: Final = ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")
"""Types of health checks that ask no host."""
CLOUDFRONT_METRICS: Final = 8
"""Additional metrics of a distribution, at a fixed rate each.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/viewing-cloudfront-metrics.html
"""
ROUTE_METRICS: Final = ("4xx", "5xx", "Count", "DataProcessed", "IntegrationLatency", "Latency")
"""Of each route with detailed metrics: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html"""

INCLUDED_UNITS, UNITS_STEP = 1_500, 500
"""Capacity of a web ACL that its price holds, and the step that is charged beyond: https://aws.amazon.com/waf/pricing/"""
GROUP_UNITS: Final[Mapping[str, int]] = {
    "AWSManagedRulesAmazonIpReputationList": 25,
    "AWSManagedRulesAnonymousIpList": 50,
    "AWSManagedRulesCommonRuleSet": 700,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
}
"""Capacity of AWS's free rule groups; those with a price of their own (Bot Control, fraud) are not among them.

https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
"""
STATEMENT_UNITS: Final[Mapping[str, int]] = {
    "geoMatchStatement": 1,
    "ipSetReferenceStatement": 1,
    "rateBasedStatement": 2,
    "regexMatchStatement": 3,
    "sizeConstraintStatement": 1,
}
"""Base capacity of a statement: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements-list.html"""
TRANSFORMATION_UNITS: Final = 10


# Route 53.


def zone(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A hosted zone; what is asked of it stands at its records."""
    del resource
    yield Charge(component="zone", key="route53/zone/month", quantity=1, of=scene.count("aws:route53/zone:Zone"))


def record(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Queries; those of aliases of AWS's resources are free, with any routing policy.

    https://aws.amazon.com/route53/pricing/
    """
    if resource.inputs.get("aliases"):
        yield Free(why="an alias of an AWS resource: its queries cost nothing")
    elif any(one.type == CERTIFICATE for one in scene.behind(resource, "records")):
        yield Free(why="proves a certificate: nobody but ACM asks for it")
    else:
        yield NeedsUsage(component="queries", what="queries for this record")


def health_check(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Alarms and other checks are priced as AWS's endpoints, of which 50 are free; hosts are behind Cloudflare.

    That the 50 hold for checks of alarms too is as the price list reads, not seen on a bill.
    """
    kind = str(resource.inputs["type"])
    if kind in INSIDE_CHECKS:
        inside = sum(one.inputs["type"] in INSIDE_CHECKS for one in scene.all(HEALTH_CHECK))
        yield Charge(component="check", key="route53/health-check/aws", quantity=1, of=inside)
        return
    yield Charge(component="check", key="route53/health-check/other", quantity=1)
    extras = {
        "HTTPS": kind.startswith("HTTPS"),
        "string matching": kind.endswith("_STR_MATCH"),
        "fast interval": resource.inputs.get("requestInterval", 30) < 30,  # noqa: PLR2004 seconds; 30 is the default
        "latency": bool(resource.inputs.get("measureLatency")),
    }
    if asked := [name for name, wanted in extras.items() if wanted]:
        count, note = len(asked), ", ".join(asked)
        yield Charge(component="options", key="route53/health-check/other-option", quantity=count, note=note)


# CloudFront.


def edge_files(usage: Usage) -> tuple[Decimal, Decimal]:
    """Requests for public files that reach CloudFront, and their GiB: what Cloudflare has not kept."""
    missed = 1 - usage.profile.asset_cache_hit_share
    return usage.asset_requests * missed, usage.asset_gib * missed


def edge_requests(usage: Usage) -> Decimal:
    """All requests that reach CloudFront, and the firewall in it."""
    return usage.requests + edge_files(usage)[0]


def distribution(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Pay as you go: requests and bytes to Cloudflare, bytes of request bodies to the origin, functions.

    Prices go by where Cloudflare asks from; the regions' shares of the traffic stand for that. 1 TB, 10 million
    requests and 2 million functions of a month are free, over the account. Sockets' bytes are left out: nobody
    counted them.
    """
    usage = scene.usage
    files, file_gib = edge_files(usage)
    out = usage.response_gib + file_gib
    inside = usage.per_request_gib(usage.profile.request_kib)
    calls = usage.requests * _functions(resource, "/api/*") + files * _functions(resource, "/assets/*")
    amounts = {
        "requests": ("cloudfront/https-requests/1m", edge_requests(usage) / MILLION),
        "data out": ("cloudfront/out/gb", out),
        "data to origin": ("cloudfront/to-origin/gb", inside),
    }
    for component, (key, amount) in amounts.items():
        for region in usage.phase.regions:
            named = component if len(usage.phase.regions) == 1 else f"{component}, {region}"
            part = amount * usage.share(region)
            yield Charge(component=named, key=key, quantity=part, of=amount, region=region)
    if calls:
        yield Charge(component="functions", key="cloudfront/functions/1m", quantity=calls / MILLION)
    yield from _shields(resource.inputs.get("origins", ()), usage)


def _functions(resource: PlannedResource, path: str) -> int:
    """Functions that a request for a path runs."""
    behaviors: Sequence[Mapping[str, Any]] = resource.inputs.get("orderedCacheBehaviors") or ()
    default = resource.inputs["defaultCacheBehavior"]
    found = next((one for one in behaviors if one["pathPattern"] == path), default)
    return len(found.get("functionAssociations") or ())


def _shields(origins: Sequence[Mapping[str, Any]], usage: Usage) -> Iterator[Item]:
    """Origin Shield, where it is on: every request of the API passes it."""
    for origin in origins:
        shield = origin.get("originShield") or {}
        if shield.get("enabled"):
            yield Charge(
                component=f"origin shield of {origin['originId']}",
                key="cloudfront/origin-shield/1m",
                quantity=usage.requests / MILLION,
                region=str(shield["originShieldRegion"]),
                note="as if all requests went to this origin",
            )


def monitoring(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Additional metrics of a distribution."""
    del scene
    config = resource.inputs["monitoringSubscription"]["realtimeMetricsSubscriptionConfig"]
    if config["realtimeMetricsSubscriptionStatus"] == "Enabled":
        yield Charge(component="metrics", key="cloudfront/metric/month", quantity=CLOUDFRONT_METRICS)
    else:
        yield Free(why="it is off")


# WAF.


def web_acl(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """The list, each rule (a group of AWS's is one), and every request; more above 1,500 units of capacity."""
    rules: Sequence[Mapping[str, Any]] = resource.inputs.get("rules") or ()
    requests = edge_requests(scene.usage) / MILLION
    yield Charge(component="web ACL", key="waf/web-acl/month", quantity=1)
    yield Charge(component="rules", key="waf/rule/month", quantity=len(rules))
    yield Charge(component="requests", key="waf/requests/1m", quantity=requests)
    capacity = [_units(one["statement"]) for one in rules]
    if unknown := [str(rule["name"]) for rule, units in zip(rules, capacity, strict=True) if units is None]:
        why = f"nobody knows the capacity, or the fee, of {', '.join(unknown)}"
        yield Unpriced(component="capacity", why=why)
    elif (above := sum(units or 0 for units in capacity) - INCLUDED_UNITS) > 0:
        steps = -(-above // UNITS_STEP)
        note = f"{above} units above {INCLUDED_UNITS}"
        yield Charge(component="capacity", key="waf/capacity-step/1m", quantity=requests * steps, note=note)


def _units(statement: Mapping[str, Any]) -> int | None:
    """Capacity of one statement with all that is in it; None for a kind or group that is not in the tables."""
    # The engine's own notes stand beside the inputs, as `__defaults`.
    kind, body = next((kind, body) for kind, body in statement.items() if body and not kind.startswith("__"))
    if kind == "managedRuleGroupStatement":
        return GROUP_UNITS.get(body["name"]) if body["vendorName"] == "AWS" else None
    if kind in ("andStatement", "orStatement"):
        inner = [_units(one) for one in body["statements"]]
        return None if None in inner else sum(units or 0 for units in inner)
    if kind == "notStatement":
        return _units(body["statement"])
    if kind not in STATEMENT_UNITS or body.get("customKeys"):
        return None
    changes = sum(one["type"] != "NONE" for one in body.get("textTransformations") or ())
    narrowed = _units(body["scopeDownStatement"]) if body.get("scopeDownStatement") else 0
    return None if narrowed is None else STATEMENT_UNITS[kind] + TRANSFORMATION_UNITS * changes + narrowed


# API Gateway.


def http_api(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Requests of integrators, in steps of 512 KB, and what they are answered."""
    if resource.inputs["protocolType"] != "HTTP":
        yield Unpriced(component="requests", why="only HTTP APIs have a price here")
        return
    requests = scene.usage.profile.partner_requests / MILLION
    count = scene.count(API)
    yield Charge(component="requests", key="apigateway/http-requests/1m", quantity=requests / count, of=requests)
    out = partner_gib(scene.usage) / count
    yield Charge(component="internet egress", key=INTERNET, quantity=out, of=internet_gib(scene))


def stage(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Detailed metrics, a set for each route that wants them."""
    del scene
    routes = sum(bool(one.get("detailedMetricsEnabled")) for one in resource.inputs.get("routeSettings") or ())
    if not routes:
        yield Free(why="its API pays")
        return
    # Unverified: a route of method ANY may make one set for each method that is used.
    yield Charge(component="metrics", key="apigateway/metric/month", quantity=routes * len(ROUTE_METRICS))


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    API: http_api,
    HEALTH_CHECK: health_check,
    "aws:apigatewayv2/stage:Stage": stage,
    "aws:cloudfront/distribution:Distribution": distribution,
    "aws:cloudfront/monitoringSubscription:MonitoringSubscription": monitoring,
    "aws:route53/record:Record": record,
    "aws:route53/zone:Zone": zone,
    "aws:wafv2/webAcl:WebAcl": web_acl,
}
_API = "its API pays"
_DISTRIBUTION = "its distribution pays"
FREE: Final[Mapping[str, str]] = {
    CERTIFICATE: "public certificates that cannot be exported cost nothing",
    "aws:acm/certificateValidation:CertificateValidation": "only waits",
    "aws:apigatewayv2/apiMapping:ApiMapping": _API,
    "aws:apigatewayv2/domainName:DomainName": _API,
    "aws:apigatewayv2/integration:Integration": _API,
    "aws:apigatewayv2/route:Route": _API,
    "aws:apigatewayv2/vpcLink:VpcLink": "links of HTTP APIs cost nothing, unlike those of REST APIs",
    "aws:cloudfront/cachePolicy:CachePolicy": _DISTRIBUTION,
    "aws:cloudfront/function:Function": "its runs stand at the distribution",
    "aws:cloudfront/originAccessControl:OriginAccessControl": _DISTRIBUTION,
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": _DISTRIBUTION,
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": _DISTRIBUTION,
    "aws:wafv2/ipSet:IpSet": "its web ACL pays",
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": "its log group pays for what it receives",
}
