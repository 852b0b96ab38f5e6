"""S3: public assets behind CloudFront, private uploads, and the bucket that everything logs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.bucket import Bucket, Housekeeping, bucket_arn, tls_only
from components.component import Component, DataClass, Site
from components.documents import document

LOG_DAYS = 30
"""Retention of access logs, as in CloudWatch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogsBucketArgs:
    """`account_id` is in the bucket's name, and only its logs are taken."""

    account_id: str


class LogsBucket(Bucket):
    """Access logs of the load balancer, CloudFront and the other buckets, 30 days.

    `bucket_name` and `arn` come from the bucket policy: whoever logs here waits until it is allowed to.
    S3's own key encrypts: load balancers can deliver to no other
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html).
    """

    KIND: ClassVar[str] = "storage:LogsBucket"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: LogsBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the bucket, and let the log services write to it."""
        housekeeping = Housekeeping(noncurrent_days=1, infrequent_access=False, expiration_days=LOG_DAYS)
        super().__init__(name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=None, opts=opts)
        account_id = args.account_id
        policy = self._create_policy(self.arn.apply(lambda arn: _logs_policy(arn, account_id)))
        self.bucket_name = policy.bucket
        self.arn = policy.bucket.apply(bucket_arn)
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})


def _logs_policy(arn: str, account_id: str) -> str:
    return document(
        tls_only(arn),
        {
            # In every region; the account ids of the older policies are superseded. Load balancers
            # prove themselves by the account in the path, AWS documents no condition.
            "Sid": "LoadBalancers",
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{arn}/*AWSLogs/{account_id}/*",
        },
        {
            # Exactly as documented: CloudWatch Logs would add a statement of its own to a policy
            # that lacks it, and every later preview would show a difference.
            "Sid": "CloudFront",
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{arn}/AWSLogs/{account_id}/CloudFront/*",
            "Condition": {
                "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": account_id},
                "ArnLike": {"aws:SourceArn": f"arn:aws:logs:us-east-1:{account_id}:delivery-source:*"},
            },
        },
        {
            "Sid": "Buckets",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{arn}/s3/*",
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        },
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetsBucketArgs:
    """`account_id` is in the bucket's name; `logs_bucket` takes the access logs."""

    account_id: str
    logs_bucket: pulumi.Input[str]


class AssetsBucket(Bucket):
    """Public files. The bucket itself is private: only CloudFront reads it (see `DistributionAccess`).

    S3's own key encrypts: everything in it is public, and a key of ours would have to let CloudFront in.
    """

    KIND: ClassVar[str] = "storage:AssetsBucket"
    DATA_CLASS: ClassVar[DataClass] = "public"

    def __init__(
        self, name: str, site: Site, args: AssetsBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the bucket."""
        housekeeping = Housekeeping(noncurrent_days=30)
        super().__init__(name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=None, opts=opts)
        self._log_to(args.logs_bucket)
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})


@dataclass(frozen=True, kw_only=True, slots=True)
class DistributionAccessArgs:
    """The assets bucket, and the one distribution that may read it."""

    bucket_name: pulumi.Input[str]
    distribution_arn: pulumi.Input[str]


class DistributionAccess(Component):
    """Policy of the assets bucket. A component of its own, since bucket -> distribution -> policy is no circle."""

    KIND: ClassVar[str] = "storage:DistributionAccess"
    DATA_CLASS: ClassVar[DataClass] = "public"

    def __init__(
        self, name: str, site: Site, args: DistributionAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Let the distribution read."""
        super().__init__(name, site, opts)
        policy = pulumi.Output.all(args.bucket_name, args.distribution_arn).apply(
            lambda known: _read_policy(bucket_arn(known[0]), known[1])
        )
        aws.s3.BucketPolicy(name, bucket=args.bucket_name, policy=policy, opts=self.child())
        self.register_outputs({})


def _read_policy(arn: str, distribution_arn: str) -> str:
    return document(
        tls_only(arn),
        {
            "Sid": "CloudFront",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"{arn}/*",
            "Condition": {"StringEquals": {"AWS:SourceArn": distribution_arn}},
        },
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadsBucketArgs:
    """What users upload, and from where.

    Attributes:
        account_id: in the bucket's name.
        logs_bucket: takes the access logs.
        key_arn: KMS key of the objects.
        allowed_origins: origins such as `https://example.com` whose pages may use presigned requests; at least one.
    """

    account_id: str
    logs_bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    allowed_origins: Sequence[str]


ERASURE_DAYS = 14
"""How long what was deleted can be brought back where people's data is: after the fortnight that somebody has to change
their mind, nothing of them is left within the month that the GDPR gives (article 12, paragraph 3)."""


class UploadsBucket(Bucket):
    """Private files of users, reached by presigned requests only."""

    KIND: ClassVar[str] = "storage:UploadsBucket"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(
        self, name: str, site: Site, args: UploadsBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the bucket."""
        housekeeping = Housekeeping(noncurrent_days=ERASURE_DAYS)
        super().__init__(
            name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=args.key_arn, opts=opts
        )
        self._log_to(args.logs_bucket)
        self._allow_browsers(args.allowed_origins)
        self._create_policy(self.arn.apply(lambda arn: document(tls_only(arn))))
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})

    def _allow_browsers(self, origins: Sequence[str]) -> None:
        aws.s3.BucketCorsConfiguration(
            self._name,
            bucket=self._bucket.bucket,
            cors_rules=[
                aws.s3.BucketCorsConfigurationCorsRuleArgs(
                    allowed_origins=list(origins),
                    allowed_methods=["GET", "HEAD", "POST", "PUT"],
                    allowed_headers=["*"],
                    # A multipart upload is completed with the ETags of its parts.
                    expose_headers=["ETag"],
                    max_age_seconds=3600,
                )
            ],
            opts=self.child(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportsBucketArgs:
    """`account_id` is in the bucket's name, `logs_bucket` takes the access logs, `key_arn` encrypts the exports."""

    account_id: str
    logs_bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class ExportsBucket(Bucket):
    """Database snapshots as Parquet, kept for a year outside of RDS."""

    KIND: ClassVar[str] = "storage:ExportsBucket"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(
        self, name: str, site: Site, args: ExportsBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the bucket."""
        housekeeping = Housekeeping(noncurrent_days=30, expiration_days=365)
        super().__init__(
            name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=args.key_arn, opts=opts
        )
        self._log_to(args.logs_bucket)
        self._create_policy(self.arn.apply(lambda arn: document(tls_only(arn))))
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})
