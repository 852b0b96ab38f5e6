"""Buckets: closed to the public, encrypted, versioned, and kept tidy.

A bucket's properties stand in resources of their own, so most of these rules look for them beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.related import about
from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack, anybody, documents, everybody, listed

RULES = Rules()
BUCKET = "aws:s3/bucket:Bucket"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOGGING = "aws:s3/bucketLogging:BucketLogging"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PUBLIC_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
SELECTION = "aws:backup/selection:Selection"
TRAIL = "aws:cloudtrail/trail:Trail"
VPC = "aws:ec2/vpc:Vpc"

FLAGS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _own(bucket: Resource, stack: Stack, token: str) -> list[Resource]:
    return about(bucket, "bucket", stack, token, "bucket")


def _takes_logs(bucket: Resource, stack: Stack) -> bool:
    return bool(
        about(bucket, "bucket", stack, LOGGING, "targetBucket") or about(bucket, "bucket", stack, TRAIL, "s3BucketName")
    )


@RULES.on(
    PUBLIC_ACCESS,
    id="s3-public-access-blocked",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="All four ways to open a bucket to the public are blocked.",
    remedy=f"set {', '.join(FLAGS)} to true",
    frameworks=(
        "FSBP S3.1",
        "FSBP S3.8",
        "Checkov CKV_AWS_53",
        "Checkov CKV_AWS_54",
        "Checkov CKV_AWS_55",
        "Checkov CKV_AWS_56",
        "cdk-nag AwsSolutions-S2",
    ),
)
def public_access_blocked(one: Resource) -> Iterator[str]:
    """Each is off without its input."""
    if missing := [flag for flag in FLAGS if one.get(flag) is not True]:
        yield f"ways to the public that are open: {', '.join(missing)}"


@RULES.between(
    BUCKET,
    id="s3-has-public-access-block",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every bucket has a block of public access of its own.",
    remedy="create a BucketPublicAccessBlock for the bucket",
    frameworks=("FSBP S3.8", "Checkov CKV2_AWS_6"),
)
def has_public_access_block(one: Resource, stack: Stack) -> Iterator[str]:
    """AWS gives new buckets one, but only what the stack says stays so; the account's own block is not the stack's."""
    if not _own(one, stack, PUBLIC_ACCESS):
        yield "nothing keeps its public access blocked"


@RULES.on(
    OWNERSHIP,
    id="s3-acls-disabled",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="No bucket listens to access control lists.",
    remedy="set rule.objectOwnership to BucketOwnerEnforced",
    frameworks=("FSBP S3.12", "Checkov CKV2_AWS_65"),
)
def acls_disabled(one: Resource) -> Iterator[str]:
    """Policies alone then say who may read. It is AWS's own choice for new buckets."""
    if one.get("rule.objectOwnership") != "BucketOwnerEnforced":
        yield "access control lists are in force"


@RULES.on(
    BUCKET,
    id="s3-acl-private",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No bucket has an access control list that others may read by.",
    remedy="take acl and grants away, and write a bucket policy",
    frameworks=("FSBP S3.2", "FSBP S3.3", "Checkov CKV_AWS_20", "Checkov CKV_AWS_57"),
)
def acl_private(one: Resource) -> Iterator[str]:
    """The old way to publish a bucket."""
    if one.get("acl", default="private") != "private" or one.has("grants"):
        yield "an access control list opens it to others"


@RULES.between(
    BUCKET,
    id="s3-own-key",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="What a bucket holds is encrypted with a key of the account's own.",
    remedy="create a BucketServerSideEncryptionConfiguration with aws:kms and a key",
    frameworks=("FSBP S3.17", "Checkov CKV_AWS_19", "Checkov CKV_AWS_145"),
)
def own_key(one: Resource, stack: Stack) -> Iterator[str]:
    """Not public files, nor logs: load balancers and S3 itself can deliver logs only where S3's own key encrypts.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    Which key encrypts a trail's files, the trail says.
    """
    if one.get("tags.DataClass") == "public" or _takes_logs(one, stack):
        return
    defaults = [
        default
        for it in _own(one, stack, ENCRYPTION)
        for rule in it.items("rules")
        for default in rule.items("applyServerSideEncryptionByDefault")
    ]
    if not any(it.has("kmsMasterKeyId") and str(it.get("sseAlgorithm")).startswith("aws:kms") for it in defaults):
        yield "it is encrypted with the service's key"


@RULES.on(
    ENCRYPTION,
    id="s3-bucket-key",
    severity=Severity.LOW,
    level=Level.MANDATORY,
    demands="A bucket with a KMS key asks KMS once a bucket, and not once an object.",
    remedy="set bucketKeyEnabled to true",
)
def bucket_key(one: Resource) -> Iterator[str]:
    """KMS charges each call, and answers only so many a second."""
    for rule in one.items("rules"):
        algorithm = str(rule.get("applyServerSideEncryptionByDefault.sseAlgorithm"))
        if algorithm.startswith("aws:kms") and rule.get("bucketKeyEnabled") is not True:
            yield "each object costs a call to KMS"


@RULES.between(
    BUCKET,
    id="s3-versioned",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every bucket keeps what is overwritten or deleted.",
    remedy="create a BucketVersioning with the status Enabled",
    frameworks=("FSBP S3.14", "Checkov CKV_AWS_21"),
)
def versioned(one: Resource, stack: Stack) -> Iterator[str]:
    """Replication wants it too."""
    found = _own(one, stack, VERSIONING)
    if not any(it.get("versioningConfiguration.status") == "Enabled" for it in found):
        yield "what is overwritten or deleted is gone"


@RULES.between(
    BUCKET,
    id="s3-tls-only",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every bucket refuses plain HTTP.",
    remedy='deny s3:* to everybody in the bucket policy where aws:SecureTransport is "false"',
    frameworks=("FSBP S3.5", "cdk-nag AwsSolutions-S10"),
)
def tls_only(one: Resource, stack: Stack) -> Iterator[str]:
    """S3 answers plain HTTP unless a policy says no."""
    statements = [statement for policy in _own(one, stack, POLICY) for statement in documents(policy, "policy")]
    if not any(map(_refuses_plain_http, statements)):
        yield "it answers plain HTTP"


def _refuses_plain_http(statement: Resource) -> bool:
    secure = str(statement.get("Condition.Bool.aws:SecureTransport")).lower()
    all_calls = "s3:*" in listed(statement.get("Action"))
    return statement.get("Effect") == "Deny" and everybody(statement) and all_calls and secure == "false"


@RULES.on(
    POLICY,
    id="s3-policy-not-public",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No bucket policy lets everybody in.",
    remedy="name who may in Principal, or on what condition in Condition",
    frameworks=("Checkov CKV_AWS_70",),
)
def policy_not_public(one: Resource) -> Iterator[str]:
    """The block of public access would refuse such a policy, one run later."""
    if any(map(anybody, documents(one, "policy"))):
        yield "the policy lets everybody in"


@RULES.between(
    BUCKET,
    id="s3-access-logged",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="It is logged who reads and writes a bucket.",
    remedy="create a BucketLogging for the bucket",
    frameworks=("FSBP S3.9", "Checkov CKV_AWS_18", "cdk-nag AwsSolutions-S1"),
)
def access_logged(one: Resource, stack: Stack) -> Iterator[str]:
    """Not where logs themselves go, which would never end, nor where nothing of a user's is (DataClass internal)."""
    if one.get("tags.DataClass") != "internal" and not _takes_logs(one, stack) and not _own(one, stack, LOGGING):
        yield "nobody knows who reads it"


@RULES.between(
    BUCKET,
    id="s3-lifecycle",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every bucket throws uploads away that nobody completed, and versions that nobody needs any more.",
    remedy="create a BucketLifecycleConfiguration with abortIncompleteMultipartUpload and noncurrentVersionExpiration",
    frameworks=("FSBP S3.10", "FSBP S3.13", "Checkov CKV2_AWS_61", "Checkov CKV_AWS_300"),
)
def lifecycle(one: Resource, stack: Stack) -> Iterator[str]:
    """Both are stored, and paid for, without being seen in any listing."""
    found = [
        rule for it in _own(one, stack, LIFECYCLE) for rule in it.items("rules") if rule.get("status") == "Enabled"
    ]
    if not any(rule.has("abortIncompleteMultipartUpload") for rule in found):
        yield "uploads that nobody completed are paid for, for ever"
    elif not any(rule.has("noncurrentVersionExpiration") for rule in found):
        yield "old versions are paid for, for ever"


@RULES.between(
    BUCKET,
    id="s3-copied",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="What is backed up in a bucket is copied to another region, where the stack has one.",
    remedy="create a BucketReplicationConfig for the bucket",
    frameworks=("FSBP S3.7", "Checkov CKV_AWS_144"),
)
def copied(one: Resource, stack: Stack) -> Iterator[str]:
    """A backup is a way back after hours; the copy is there when the region is not."""
    elsewhere = any(it.get("region") != one.get("region") for it in stack.all(VPC))
    backed_up = stack.users(one, SELECTION, of=["resources"])
    if elsewhere and backed_up and not _own(one, stack, REPLICATION):
        yield "it is in one region only"
