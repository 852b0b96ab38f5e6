"""CloudFront, its web ACL, and the Route 53 zone of the origin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds

MANAGED_RULES = {
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
}


def distribution(scope: Scope) -> Iterator[Probe]:
    """The CloudFront distribution."""
    distribution_id = scope.text("distributionId")
    yield Probe("edge", distribution_id, partial(_distribution, scope, distribution_id))


def _distribution(scope: Scope, distribution_id: str) -> Iterator[Fact]:
    found = scope.global_client("cloudfront").get_distribution(Id=distribution_id)["Distribution"]
    config = found["DistributionConfig"]
    yield equal("enabled", expected=True, actual=config["Enabled"])
    yield equal("web ACL", scope.text("webAclArn"), config.get("WebACLId"))
    aliases = config.get("Aliases", {}).get("Items", [])
    yield holds("answers for", scope.domain in aliases, scope.domain, aliases)
    yield equal("oldest TLS", "TLSv1.2_2021", config["ViewerCertificate"].get("MinimumProtocolVersion"))
    behaviours = [config["DefaultCacheBehavior"], *config.get("CacheBehaviors", {}).get("Items", [])]
    plain = [item.get("PathPattern", "*") for item in behaviours if item["ViewerProtocolPolicy"] == "allow-all"]
    yield holds("paths answered without TLS", not plain, "none", plain)


def web_acl(scope: Scope) -> Iterator[Probe]:
    """The web ACL at CloudFront."""
    arn = scope.text("webAclArn")
    yield Probe("edge", arn.split("/")[-2], partial(_web_acl, scope, arn))


def _web_acl(scope: Scope, arn: str) -> Iterator[Fact]:
    client = scope.global_client("wafv2")
    # ...:global/webacl/NAME/ID
    _, _, name, acl_id = arn.rpartition(":")[2].split("/")
    acl = client.get_web_acl(Name=name, Id=acl_id, Scope="CLOUDFRONT")["WebACL"]
    statements = [rule["Statement"] for rule in acl["Rules"]]
    groups = {
        statement["ManagedRuleGroupStatement"]["Name"]
        for statement in statements
        if "ManagedRuleGroupStatement" in statement
    }
    yield holds("managed rules", groups >= MANAGED_RULES, MANAGED_RULES, groups)
    # Whatever is not from Cloudflare's addresses is blocked, or its proxy could be gone round.
    closed = [
        rule["Name"]
        for rule in acl["Rules"]
        if "NotStatement" in rule["Statement"] and "Block" in rule.get("Action", {})
    ]
    yield holds("blocks whoever goes round Cloudflare", closed, "a rule", closed)
    limits = [statement["RateBasedStatement"]["Limit"] for statement in statements if "RateBasedStatement" in statement]
    yield holds("rate limits", limits, "one or more", limits)
    logging = client.get_logging_configuration(ResourceArn=arn)["LoggingConfiguration"]
    yield holds("logged to", logging["LogDestinationConfigs"], "a log group", logging["LogDestinationConfigs"])
    redacted = {field["SingleHeader"]["Name"] for field in logging.get("RedactedFields", []) if "SingleHeader" in field}
    yield holds(
        "headers kept out of the log", redacted >= {"authorization", "cookie"}, "authorization, cookie", redacted
    )


def zone(scope: Scope) -> Iterator[Probe]:
    """The zone `origin.<domain>`, with a latency record and a health check for each region."""
    zone_id = scope.text("zoneId")
    yield Probe("edge", f"zone {zone_id}", partial(_zone, scope, zone_id))


def _zone(scope: Scope, zone_id: str) -> Iterator[Fact]:
    route53 = scope.global_client("route53")
    name = f"origin.{scope.domain}."
    yield equal("name", name, route53.get_hosted_zone(Id=zone_id)["HostedZone"]["Name"])
    pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
    records = [record for page in pages for record in page["ResourceRecordSets"] if record["Name"] == name]
    latency = {record["Region"]: record for record in records if "Region" in record}
    yield equal("latency records", set(scope.phase.regions), set(latency))
    for region, record in sorted(latency.items()):
        check_id = record.get("HealthCheckId")
        yield holds(f"health check of {region}", check_id, "yes", check_id)
        if check_id:
            check = route53.get_health_check(HealthCheckId=check_id)["HealthCheck"]["HealthCheckConfig"]
            state = "off" if check.get("Disabled") else "on"
            yield equal(f"health check of {region} is", "on", state)
