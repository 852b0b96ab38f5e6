"""A visitor of our own in each region, who notices before the users do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.bucket import MULTIPART_DAYS, Bucket, Housekeeping, tls_only
from components.component import Component, Site
from components.documents import document, trust
from components.function import CODE

MODULE = "canary"
RUNS = "runs"
RUNTIME = "syn-python-selenium-7.0"
"""Newest of its family when written. AWS retires runtimes; a newer one changes the canary in place.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Library_python_selenium.html
"""
INTERVAL_SECONDS = 300
ARTIFACT_DAYS = 31
"""What a run leaves behind (its log) may be looked at in the month that it counts in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CanariesArgs:
    """What is visited.

    Attributes:
        account_id: of this stack.
        urls: public addresses that must answer 200 without an account, without spaces.
        key_arn: KMS key of the artifacts.
        topics: of the canary's region.
    """

    account_id: str
    urls: Sequence[str]
    key_arn: pulumi.Input[str]
    topics: AlarmTopics


class CanaryBucket(Bucket):
    """The canary's code and what its runs leave behind."""

    KIND: ClassVar[str] = "storage:CanaryBucket"

    def __init__(self, name: str, site: Site, args: CanariesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the bucket, open to this account only."""
        housekeeping = Housekeeping(noncurrent_days=1, infrequent_access=False, expiration_days=ARTIFACT_DAYS)
        super().__init__(
            name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=args.key_arn, opts=opts
        )
        self._create_policy(self.arn.apply(lambda arn: document(tls_only(arn))))
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})

    def _create_lifecycle(self, housekeeping: Housekeeping, versioning: aws.s3.BucketVersioning) -> None:
        """Runs go after a month; the code stays for as long as the canary names it."""
        rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="runs",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=f"{RUNS}/"),
            abort_incomplete_multipart_upload=(
                aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=MULTIPART_DAYS
                )
            ),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=housekeeping.expiration_days),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=housekeeping.noncurrent_days
            ),
        )
        aws.s3.BucketLifecycleConfiguration(
            self._name, bucket=self._bucket.bucket, rules=[rule], opts=self.child(depends_on=[versioning])
        )


class Canaries(Component):
    """One CloudWatch Synthetics canary every five minutes, its role, code, bucket and alarms.

    It comes in through the front door, with Cloudflare and CloudFront, so that each region's canary tells how the
    product looks from there.
    """

    KIND: ClassVar[str] = "telemetry:Canaries"

    canary_name: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: CanariesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the canary."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        bucket = CanaryBucket(f"{name}-artifacts", site, args, pulumi.ResourceOptions(parent=self))
        canary = self._create_canary(bucket)
        self._create_alarms(canary)
        self.canary_name = canary.name
        self.register_outputs({"canary_name": self.canary_name})

    def _create_canary(self, bucket: CanaryBucket) -> aws.synthetics.Canary:
        role, policy = self._create_role(bucket)
        code = self._upload(bucket)
        return aws.synthetics.Canary(
            self._name,
            name=self.site.names.of("canary", self._name),
            artifact_s3_location=pulumi.Output.concat("s3://", bucket.bucket_name, f"/{RUNS}"),
            execution_role_arn=role.arn,
            handler=f"{MODULE}.handler",
            runtime_version=RUNTIME,
            s3_bucket=code.bucket,
            s3_key=code.key,
            schedule=aws.synthetics.CanaryScheduleArgs(expression="rate(5 minutes)"),
            run_config=aws.synthetics.CanaryRunConfigArgs(
                timeout_in_seconds=60, environment_variables={"URLS": " ".join(self._args.urls)}
            ),
            success_retention_period=ARTIFACT_DAYS,
            failure_retention_period=ARTIFACT_DAYS,
            start_canary=True,
            # CloudWatch makes the function, and would leave it behind.
            delete_lambda=True,
            opts=self.child(depends_on=[policy]),
        )

    def _upload(self, bucket: CanaryBucket) -> aws.s3.BucketObjectv2:
        """The key has the code's digest: other code is another object, and changes the canary in place.

        The folder is the runtime's wish:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_WritingCanary_Python.html
        """
        source = (CODE / f"{MODULE}.py").read_text(encoding="utf-8")
        return aws.s3.BucketObjectv2(
            f"{self._name}-code",
            bucket=bucket.bucket_name,
            key=f"code/{sha256(source.encode()).hexdigest()[:16]}.zip",
            source=pulumi.AssetArchive({f"python/{MODULE}.py": pulumi.StringAsset(source)}),
            opts=self.child(),
        )

    def _create_role(self, bucket: CanaryBucket) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            assume_role_policy=trust("lambda.amazonaws.com"),
            opts=self.child(),
        )
        known = pulumi.Output.all(bucket=bucket.arn, key=self._args.key_arn)
        account_id, region = self._args.account_id, self.site.region
        policy = aws.iam.RolePolicy(
            self._name,
            name=self._name,
            role=role.name,
            policy=known.apply(lambda got: _role_policy(got, account_id, region)),
            opts=self.child(),
        )
        return role, policy

    def _create_alarms(self, canary: aws.synthetics.Canary) -> None:
        """Two failed runs in a row page; a day below 99.9 % (more than no failure in 288 runs) is worth a look."""
        metric = Metric(
            namespace="CloudWatchSynthetics",
            name="SuccessPercent",
            dimensions={"CanaryName": canary.name},
            statistic="Average",
        )
        alarm(
            self,
            f"{self._name}-failing",
            description="The canary fails two runs in a row, or does not run.",
            runbook="canary",
            severity="page",
            topics=self._args.topics,
            metric=metric,
            threshold=90,
            comparison="LessThanThreshold",
            period_seconds=INTERVAL_SECONDS,
            evaluation_periods=2,
            missing_data="breaching",
        )
        alarm(
            self,
            f"{self._name}-day",
            description="Less than 99.9 % of the canary's runs of a day succeed.",
            runbook="canary",
            severity="ticket",
            topics=self._args.topics,
            metric=metric,
            threshold=99.9,
            comparison="LessThanThreshold",
            period_seconds=86_400,
            evaluation_periods=1,
        )


def _role_policy(known: Mapping[str, str], account_id: str, region: str) -> str:
    """As documented: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_CanaryPermissions.html.

    Synthetics names the log group after the canary and a number of its own.
    """
    return document(
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": f"{known['bucket']}/*",
        },
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": known["bucket"]},
        {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
        {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": known["key"]},
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:{region}:{account_id}:log-group:/aws/lambda/cwsyn-*",
        },
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "CloudWatchSynthetics"}},
        },
    )
