"""Who did what in the account, and what looks like an attack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics
from components.bucket import Bucket, Housekeeping, bucket_arn, tls_only
from components.component import Component, DataClass, Site
from components.documents import document

AUDIT_DAYS = 400
"""A little over the year that an audit looks back on."""
SEVERE = 7
"""GuardDuty calls findings from here on high: they page, the others wait in its console."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditArgs:
    """`account_id` is in the bucket's name, and only its trail writes there; `topics` are those of the home region."""

    account_id: str
    topics: AlarmTopics


class AuditBucket(Bucket):
    """What CloudTrail writes; nobody else does, and nobody changes it."""

    KIND: ClassVar[str] = "storage:AuditBucket"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: AuditArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the bucket, and let the account's trails write to it."""
        housekeeping = Housekeeping(noncurrent_days=30, expiration_days=AUDIT_DAYS)
        super().__init__(name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=None, opts=opts)
        account_id, region = args.account_id, site.region
        policy = self._create_policy(self.arn.apply(lambda arn: _trail_policy(arn, account_id, region)))
        self.bucket_name = policy.bucket
        self.arn = policy.bucket.apply(bucket_arn)
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})


class Audit(Component):
    """A trail over all regions with validated files in a bucket of its own, and GuardDuty, whose severe findings page.

    An account has one detector a region: where the organisation already runs GuardDuty, import its detector first
    (`pulumi import aws:guardduty/detector:Detector`). EventBridge cannot use conditions in a topic's policy, which
    is why `components.alarms` names it apart.
    """

    KIND: ClassVar[str] = "security:Audit"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: AuditArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create trail and detector."""
        super().__init__(name, site, opts)
        bucket = AuditBucket(f"{name}-log", site, args, pulumi.ResourceOptions(parent=self))
        aws.cloudtrail.Trail(
            name,
            name=site.names.of("trail", name),
            s3_bucket_name=bucket.bucket_name,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            opts=self.child(),
        )
        aws.guardduty.Detector(name, enable=True, finding_publishing_frequency="FIFTEEN_MINUTES", opts=self.child())
        self._page_for_findings(name, args.topics)
        self.register_outputs({})

    def _page_for_findings(self, name: str, topics: AlarmTopics) -> None:
        rule = aws.cloudwatch.EventRule(
            name,
            name=self.site.names.of("rule", name),
            description="GuardDuty found something severe. Runbook: docs/runbooks/security-finding.md",
            event_pattern=json.dumps(
                {
                    "source": ["aws.guardduty"],
                    "detail-type": ["GuardDuty Finding"],
                    "detail": {"severity": [{"numeric": [">=", SEVERE]}]},
                }
            ),
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget(name, rule=rule.name, arn=topics.page_arn, opts=self.child())


def _trail_policy(arn: str, account_id: str, region: str) -> str:
    """As documented: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html."""
    service = {"Service": "cloudtrail.amazonaws.com"}
    own = {"aws:SourceArn": f"arn:aws:cloudtrail:{region}:{account_id}:trail/*"}
    return document(
        tls_only(arn),
        {
            "Sid": "TrailAcl",
            "Effect": "Allow",
            "Principal": service,
            "Action": "s3:GetBucketAcl",
            "Resource": arn,
            "Condition": {"ArnLike": own},
        },
        {
            "Sid": "TrailWrite",
            "Effect": "Allow",
            "Principal": service,
            "Action": "s3:PutObject",
            "Resource": f"{arn}/AWSLogs/{account_id}/*",
            "Condition": {"ArnLike": own, "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    )
