"""AWS WAF in front of CloudFront: only Cloudflare gets in, and no flood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, DataClass, Site
from components.edge import require_edge_region

FLOOD_REQUESTS = 10_000
FLOOD_WINDOW_SECONDS = 60
"""The flood cap: WAF counts over 60, 120, 300 or 600 s only."""
LOG_DAYS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class FirewallArgs:
    """What the firewall needs to know.

    Attributes:
        cloudflare_ipv4: ranges that Cloudflare's proxy connects from.
        cloudflare_ipv6: the same.
        key_arn: KMS key of the logs, in us-east-1.
        topics: topics in us-east-1.
    """

    cloudflare_ipv4: pulumi.Input[Sequence[str]]
    cloudflare_ipv6: pulumi.Input[Sequence[str]]
    key_arn: pulumi.Input[str]
    topics: AlarmTopics


class Firewall(Component):
    """A web ACL of scope CLOUDFRONT, its IP sets, its log and an alarm.

    Its rules take 982 of the 1,500 capacity units that the price of a web ACL holds: common 700, known bad
    inputs 200, anonymous IP 50, IP reputation 25, regular expression 3, IP sets 2, rate 2
    (https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html). They are typed,
    not JSON: the provider sees drift in them, and policies can read them in a preview.
    """

    KIND: ClassVar[str] = "edge:Firewall"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    web_acl_arn: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the web ACL; `site` must stand in us-east-1."""
        require_edge_region(site.region, "a web ACL for CloudFront")
        super().__init__(name, site, opts)
        self._name = name
        self._args = args
        self._metric_name = site.names.of("web_acl", name)
        acl = self._create_web_acl(
            [
                self._create_ip_set("ipv4", "IPV4", args.cloudflare_ipv4),
                self._create_ip_set("ipv6", "IPV6", args.cloudflare_ipv6),
            ]
        )
        self._create_log(acl)
        self._create_alarm()
        self.web_acl_arn = acl.arn
        self.register_outputs({"web_acl_arn": self.web_acl_arn})

    def _create_ip_set(
        self, suffix: str, version: Literal["IPV4", "IPV6"], addresses: pulumi.Input[Sequence[str]]
    ) -> aws.wafv2.IpSet:
        return aws.wafv2.IpSet(
            f"{self._name}-cloudflare-{suffix}",
            description="Where Cloudflare's proxy connects from",
            scope="CLOUDFRONT",
            ip_address_version=version,
            addresses=addresses,
            opts=self.child(),
        )

    def _create_web_acl(self, cloudflare: Sequence[aws.wafv2.IpSet]) -> aws.wafv2.WebAcl:
        return aws.wafv2.WebAcl(
            self._name,
            name=self._metric_name,
            description="Cloudflare only, no floods, nothing known to be bad",
            scope="CLOUDFRONT",
            default_action=aws.wafv2.WebAclDefaultActionArgs(allow=aws.wafv2.WebAclDefaultActionAllowArgs()),
            visibility_config=aws.wafv2.WebAclVisibilityConfigArgs(
                cloudwatch_metrics_enabled=True, metric_name=self._metric_name, sampled_requests_enabled=True
            ),
            rules=[
                _block(0, "cloudflare-only", _not_from(cloudflare)),
                _block(1, "flood", _flood()),
                _block(2, "body-size", _large_body()),
                # Its own body limit is 8 KB: long JSON is legal here, rule 2 has our limit.
                _managed(3, "common", "AWSManagedRulesCommonRuleSet", count=["SizeRestrictions_BODY"]),
                _managed(4, "known-bad-inputs", "AWSManagedRulesKnownBadInputsRuleSet"),
                # These two judge the address that connects, which is Cloudflare's for every request: they only
                # count, or one listed address of Cloudflare's would shut out a city.
                # https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-ip-rep.html
                _managed(5, "ip-reputation", "AWSManagedRulesAmazonIpReputationList", count_all=True),
                _managed(6, "anonymous-ip", "AWSManagedRulesAnonymousIpList", count_all=True),
            ],
            opts=self.child(),
        )

    def _create_log(self, acl: aws.wafv2.WebAcl) -> None:
        group = aws.cloudwatch.LogGroup(
            self._name,
            # WAF takes only groups with this prefix.
            name=f"aws-waf-logs-{self._metric_name}",
            retention_in_days=LOG_DAYS,
            kms_key_id=self._args.key_arn,
            opts=self.child(),
        )
        aws.wafv2.WebAclLoggingConfiguration(
            self._name,
            resource_arn=acl.arn,
            log_destination_configs=[group.arn],
            redacted_fields=[
                aws.wafv2.WebAclLoggingConfigurationRedactedFieldArgs(
                    single_header=aws.wafv2.WebAclLoggingConfigurationRedactedFieldSingleHeaderArgs(name=header)
                )
                for header in ("authorization", "cookie")
            ],
            # What the rules let pass is in CloudFront's own log already; here it would be a log line a request.
            logging_filter=aws.wafv2.WebAclLoggingConfigurationLoggingFilterArgs(
                default_behavior="DROP",
                filters=[
                    aws.wafv2.WebAclLoggingConfigurationLoggingFilterFilterArgs(
                        behavior="KEEP",
                        requirement="MEETS_ANY",
                        conditions=[
                            aws.wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionArgs(
                                action_condition=aws.wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionActionConditionArgs(
                                    action=action
                                )
                            )
                            for action in ("BLOCK", "COUNT")
                        ],
                    )
                ],
            ),
            opts=self.child(),
        )

    def _create_alarm(self) -> None:
        alarm(
            self,
            f"{self._name}-blocked",
            description="The firewall blocked more than 5,000 requests in five minutes: an attack, or a false alarm.",
            runbook="firewall-blocks",
            severity="ticket",
            topics=self._args.topics,
            metric=Metric(
                namespace="AWS/WAFV2",
                name="BlockedRequests",
                # Without Region, which metrics of CloudFront's web ACLs do not have.
                dimensions={"WebACL": self._metric_name, "Rule": "ALL"},
                statistic="Sum",
            ),
            threshold=5_000,
            period_seconds=300,
            evaluation_periods=1,
        )


def _visibility(name: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgs:
    return aws.wafv2.WebAclRuleVisibilityConfigArgs(
        cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )


def _block(priority: int, name: str, statement: aws.wafv2.WebAclRuleStatementArgs) -> aws.wafv2.WebAclRuleArgs:
    return aws.wafv2.WebAclRuleArgs(
        name=name,
        priority=priority,
        action=aws.wafv2.WebAclRuleActionArgs(block=aws.wafv2.WebAclRuleActionBlockArgs()),
        statement=statement,
        visibility_config=_visibility(name),
    )


def _managed(
    priority: int, name: str, group: str, *, count: Sequence[str] = (), count_all: bool = False
) -> aws.wafv2.WebAclRuleArgs:
    """A rule group of AWS's: `count` names rules that only count, `count_all` says so of the whole group."""
    override = (
        aws.wafv2.WebAclRuleOverrideActionArgs(count=aws.wafv2.WebAclRuleOverrideActionCountArgs())  # type: ignore[no-untyped-call]
        if count_all
        else aws.wafv2.WebAclRuleOverrideActionArgs(none=aws.wafv2.WebAclRuleOverrideActionNoneArgs())  # type: ignore[no-untyped-call]
    )
    counted = aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs(
        count=aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs()
    )
    return aws.wafv2.WebAclRuleArgs(
        name=name,
        priority=priority,
        override_action=override,
        statement=aws.wafv2.WebAclRuleStatementArgs(
            managed_rule_group_statement=aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs(
                vendor_name="AWS",
                name=group,
                rule_action_overrides=[
                    aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs(
                        name=rule, action_to_use=counted
                    )
                    for rule in count
                ],
            )
        ),
        visibility_config=_visibility(name),
    )


def _not_from(sets: Sequence[aws.wafv2.IpSet]) -> aws.wafv2.WebAclRuleStatementArgs:
    """Whoever goes round Cloudflare is turned away here."""
    return aws.wafv2.WebAclRuleStatementArgs(
        not_statement=aws.wafv2.WebAclRuleStatementNotStatementArgs(
            statement=aws.wafv2.WebAclRuleStatementArgs(
                or_statement=aws.wafv2.WebAclRuleStatementOrStatementArgs(
                    statements=[
                        aws.wafv2.WebAclRuleStatementArgs(
                            ip_set_reference_statement=aws.wafv2.WebAclRuleStatementIpSetReferenceStatementArgs(
                                arn=ip_set.arn
                            )
                        )
                        for ip_set in sets
                    ]
                )
            )
        )
    )


def _flood() -> aws.wafv2.WebAclRuleStatementArgs:
    """Counts by the visitor's address, which Cloudflare sets on every request; a malformed one counts as a match."""
    return aws.wafv2.WebAclRuleStatementArgs(
        rate_based_statement=aws.wafv2.WebAclRuleStatementRateBasedStatementArgs(
            limit=FLOOD_REQUESTS,
            evaluation_window_sec=FLOOD_WINDOW_SECONDS,
            aggregate_key_type="FORWARDED_IP",
            forwarded_ip_config=aws.wafv2.WebAclRuleStatementRateBasedStatementForwardedIpConfigArgs(
                header_name="CF-Connecting-IP", fallback_behavior="MATCH"
            ),
        )
    )


def _large_body() -> aws.wafv2.WebAclRuleStatementArgs:
    """Seven digits of Content-Length are 1 MB and more; files go to S3 directly.

    WAF itself reads only the first 16 KB of a body, so a size rule cannot see this far. A body without
    Content-Length is left to the application's own limit.
    """
    return aws.wafv2.WebAclRuleStatementArgs(
        regex_match_statement=aws.wafv2.WebAclRuleStatementRegexMatchStatementArgs(
            regex_string="^[1-9][0-9]{6,}$",
            field_to_match=aws.wafv2.WebAclRuleStatementRegexMatchStatementFieldToMatchArgs(
                single_header=aws.wafv2.WebAclRuleStatementRegexMatchStatementFieldToMatchSingleHeaderArgs(
                    name="content-length"
                )
            ),
            text_transformations=[
                aws.wafv2.WebAclRuleStatementRegexMatchStatementTextTransformationArgs(priority=0, type="NONE")
            ],
        )
    )
