"""The buckets of one region of the account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.verify.account_region import AccountRegion


def build_buckets(region: AccountRegion) -> None:
    """Make them closed, encrypted and versioned."""
    s3 = region.client("s3")
    where = {} if region.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region.region}}
    for kind in ("uploads", "logs", *(("assets", "exports") if region.full else ())):
        name = f"{region.prefix}-{kind}"
        s3.create_bucket(Bucket=name, **where)
        s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        )
        encryption = (
            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": region.key}
            if kind in {"exports", "uploads"}
            else {"SSEAlgorithm": "AES256"}
        )
        s3.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": encryption}]},
        )
        if kind != "logs":
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_policy(Bucket=name, Policy=tls_policy(name))
        region.outputs[f"{kind}Bucket"] = name


def tls_policy(bucket: str, effect: str = "Deny") -> str:
    """A bucket policy with one statement about requests without TLS."""
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
