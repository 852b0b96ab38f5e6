"""The part of the account that stands in front of everything: CloudFront and its web ACL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.verify.account import Account

REGION = "us-east-1"
DOMAIN = "example.com"


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
        Name="cloudflare", Scope="CLOUDFRONT", IPAddressVersion="IPV4", Addresses=["203.0.113.0/24"]
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
        Name="headroom-10k",
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
        "CallerReference": "1",
        "Comment": "",
        "Enabled": True,
        "WebACLId": acl_arn,
        "Aliases": {"Quantity": 1, "Items": [DOMAIN]},
        "Origins": {"Quantity": 1, "Items": [{"Id": "api", "DomainName": f"origin.{DOMAIN}"}]},
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
