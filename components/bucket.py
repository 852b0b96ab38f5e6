"""What every S3 bucket of the product has in common."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.component import Component, Site
from components.documents import Statement

MULTIPART_DAYS = 7
"""An upload that was begun and never completed is stored, and paid for, until somebody aborts it."""
INFREQUENT_ACCESS_DAYS = 30
"""The soonest that S3 allows. Objects under 128 KiB stay where they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Housekeeping:
    """When S3 moves and deletes by itself.

    Attributes:
        noncurrent_days: how long a replaced or deleted version can be brought back.
        infrequent_access: to the cheaper class after `INFREQUENT_ACCESS_DAYS`.
        expiration_days: when objects are deleted; None keeps them.
    """

    noncurrent_days: int
    infrequent_access: bool = True
    expiration_days: int | None = None


class Bucket(Component):
    """A private bucket: no public access, no ACLs, encrypted, versioned, with housekeeping.

    Base of the buckets in `storage`: each is a component of its own, since they hold different classes of data.
    """

    bucket_name: pulumi.Output[str]
    arn: pulumi.Output[str]
    regional_domain_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        site: Site,
        *,
        account_id: str,
        housekeeping: Housekeeping,
        key_arn: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None,
    ) -> None:
        """Create the bucket and what guards it; without `key_arn` S3's own key encrypts."""
        super().__init__(name, site, opts)
        self._name = name
        self._key_arn = key_arn
        self._bucket = aws.s3.Bucket(
            name,
            bucket=site.names.bucket(name, account_id),
            force_destroy=not site.protected,
            opts=self.stateful(),
        )
        # From the name, not from AWS's answer: policies can then be read, and judged, in a preview.
        self.bucket_name = self._bucket.bucket
        self.arn = self.bucket_name.apply(bucket_arn)
        self.regional_domain_name = self.bucket_name.apply(lambda bucket: f"{bucket}.s3.{site.region}.amazonaws.com")
        self._public_access_block = self._block_public_access()
        self._disable_acls()
        self._encrypt()
        self._create_lifecycle(housekeeping, self._enable_versions())

    def _block_public_access(self) -> aws.s3.BucketPublicAccessBlock:
        return aws.s3.BucketPublicAccessBlock(
            self._name,
            bucket=self._bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )

    def _disable_acls(self) -> None:
        aws.s3.BucketOwnershipControls(
            self._name,
            bucket=self._bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self.child(),
        )

    def _encrypt(self) -> None:
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256" if self._key_arn is None else "aws:kms",
            kms_master_key_id=self._key_arn,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            self._name,
            bucket=self._bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=default,
                    # One call to KMS a bucket and hour instead of one an object.
                    bucket_key_enabled=self._key_arn is not None,
                )
            ],
            opts=self.child(),
        )

    def _enable_versions(self) -> aws.s3.BucketVersioning:
        return aws.s3.BucketVersioning(
            self._name,
            bucket=self._bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self.child(),
        )

    def _create_lifecycle(self, housekeeping: Housekeeping, versioning: aws.s3.BucketVersioning) -> None:
        transitions = [
            aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(
                days=INFREQUENT_ACCESS_DAYS, storage_class="STANDARD_IA"
            )
        ]
        expiration = (
            None
            if housekeeping.expiration_days is None
            else aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=housekeeping.expiration_days)
        )
        rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="housekeeping",
            status="Enabled",
            # All objects. Without any filter the provider warns, and says it will refuse
            # (https://github.com/hashicorp/terraform-provider-aws/issues/41710).
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=(
                aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=MULTIPART_DAYS
                )
            ),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=housekeeping.noncurrent_days
            ),
            transitions=transitions if housekeeping.infrequent_access else None,
            expiration=expiration,
        )
        aws.s3.BucketLifecycleConfiguration(
            self._name,
            bucket=self._bucket.bucket,
            rules=[rule],
            # S3 takes rules about noncurrent versions only once versions exist.
            opts=self.child(depends_on=[versioning]),
        )

    def _log_to(self, logs_bucket: pulumi.Input[str]) -> None:
        aws.s3.BucketLogging(
            self._name,
            bucket=self._bucket.bucket,
            target_bucket=logs_bucket,
            target_prefix=f"s3/{self._name}/",
            opts=self.child(),
        )

    def _create_policy(self, policy: pulumi.Output[str]) -> aws.s3.BucketPolicy:
        return aws.s3.BucketPolicy(
            self._name,
            bucket=self._bucket.bucket,
            policy=policy,
            # S3 answers 409 when both change at once.
            opts=self.child(depends_on=[self._public_access_block]),
        )


def bucket_arn(name: str) -> str:
    """ARN of a bucket, which carries neither region nor account."""
    return f"arn:aws:s3:::{name}"


def tls_only(arn: str) -> Statement:
    """Statement of a bucket policy that refuses plain HTTP."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
