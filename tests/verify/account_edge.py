"""What stands in front of everything: CloudFront, its web ACL, and the zone of the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.verify.account import Account

REGION = "us-east-1"
DOMAIN = "example.com"
ACCOUNT_ID = "123456789012"


def build_edge(account: Account) -> None:
    """Make the web ACL and the distribution."""
    waf = account.client("wafv2")
    visibility = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
    groups = ("AmazonIpReputationList", "CommonRuleSet", "KnownBadInputsRuleSet")
    rules: list[dict[str, Any]] = [
        {
            "Name": group,
            "Priority": priority,
            "OverrideAction": {"None": {}},
            "Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": f"AWSManagedRules{group}"}},
            "VisibilityConfig": visibility,
        }
        for priority, group in enumerate(groups)
    ]
    rules.append(
        {
            "Name": "rate",
            "Priority": 9,
            "Action": {"Block": {}},
            "Statement": {"RateBasedStatement": {"Limit": 10_000, "AggregateKeyType": "IP"}},
            "VisibilityConfig": visibility,
        }
    )
    addresses = waf.create_ip_set(
        Name=f"{account.prefix}-cloudflare", Scope="CLOUDFRONT", IPAddressVersion="IPV4", Addresses=["203.0.113.0/24"]
    )["Summary"]["ARN"]
    rules.append(
        {
            "Name": "cloudflare-only",
            "Priority": 8,
            "Action": {"Block": {}},
            "Statement": {"NotStatement": {"Statement": {"IPSetReferenceStatement": {"ARN": addresses}}}},
            "VisibilityConfig": visibility,
        }
    )
    account.web_acl = waf.create_web_acl(
        Name=account.prefix,
        Scope="CLOUDFRONT",
        DefaultAction={"Allow": {}},
        Rules=rules,
        VisibilityConfig=visibility,
    )["Summary"]
    acl_arn = account.web_acl["ARN"]
    waf.put_logging_configuration(
        LoggingConfiguration={
            "ResourceArn": acl_arn,
            "LogDestinationConfigs": [f"arn:aws:logs:{REGION}:123456789012:log-group:aws-waf-logs-headroom"],
            "RedactedFields": [{"SingleHeader": {"Name": name}} for name in ("authorization", "cookie")],
        }
    )
    account.distribution_config = {
        "CallerReference": account.stack,
        "Comment": "",
        "Enabled": True,
        "WebACLId": acl_arn,
        "Aliases": {"Quantity": 1, "Items": [account.domain]},
        "Origins": {"Quantity": 1, "Items": [{"Id": "api", "DomainName": f"origin.{account.domain}"}]},
        "ViewerCertificate": {
            "ACMCertificateArn": f"arn:aws:acm:{REGION}:123456789012:certificate/1",
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021",
        },
        "DefaultCacheBehavior": {"TargetOriginId": "api", "ViewerProtocolPolicy": "redirect-to-https"},
    }
    created = account.client("cloudfront").create_distribution(DistributionConfig=account.distribution_config)
    account.outputs |= {
        "webAclArn": acl_arn,
        "distributionId": created["Distribution"]["Id"],
    }


def build_zone(account: Account) -> None:
    """Make the zone, with a record and a health check for each full region."""
    route53, name = account.client("route53"), f"origin.{account.domain}"
    zone = route53.create_hosted_zone(Name=name, CallerReference=account.stack)["HostedZone"]["Id"]
    account.outputs["zoneId"] = zone.rpartition("/")[2]
    for region in account.phase.regions:
        account.health_checks[region] = route53.create_health_check(
            CallerReference=f"{account.stack}-{region}",
            HealthCheckConfig={"Type": "HTTPS", "FullyQualifiedDomainName": name, "Port": 443},
        )["HealthCheck"]["Id"]
        change_record(account, region, HealthCheckId=account.health_checks[region])


def change_record(account: Account, region: str, **extra: str) -> None:
    """Make or change the latency record of a region."""
    record = {
        "Name": f"origin.{account.domain}",
        "Type": "A",
        "SetIdentifier": region,
        "Region": region,
        "AliasTarget": {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "alb.test.", "EvaluateTargetHealth": True},
        **extra,
    }
    account.client("route53").change_resource_record_sets(
        HostedZoneId=account.outputs["zoneId"],
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
    )
