"""Rules about buckets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policies.rules import s3
from policies.rules.s3 import BUCKET, FLAGS, SELECTION, VPC
from policies.view import Resource
from tests.policies.cases import GONE, Case, made

FILES = {"bucket": "files", "region": "us-east-1"}
ALONE = frozenset(
    {
        "s3-access-logged",
        "s3-copied",
        "s3-has-public-access-block",
        "s3-lifecycle",
        "s3-own-key",
        "s3-tls-only",
        "s3-versioned",
    }
)
"""What a bucket lacks whose name nothing else in the stack has."""
TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def own(token: str, props: Mapping[str, Any] | None = None) -> Resource:
    """What belongs to the bucket `files`."""
    return made(token, "files", {"bucket": "files", **(props or {})}, sources={"bucket": [f"{BUCKET}::files"]})


def policy(**changed: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{**TLS, **changed}]})


CASES = [
    Case(
        rule="s3-public-access-blocked",
        good=[made(s3.PUBLIC_ACCESS, "files", dict.fromkeys(FLAGS, True))],
        path="blockPublicPolicy",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="s3-has-public-access-block",
        good=[made(BUCKET, "files", FILES), own(s3.PUBLIC_ACCESS)],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-has-public-access-block"},
    ),
    Case(
        rule="s3-acls-disabled",
        good=[made(s3.OWNERSHIP, "files", {"rule": {"objectOwnership": "BucketOwnerEnforced"}})],
        path="rule.objectOwnership",
        broken=["ObjectWriter", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="s3-acl-private",
        good=[made(BUCKET, "files", {"acl": "private"})],
        path="acl",
        broken=["public-read", "public-read-write", "authenticated-read"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="s3-own-key",
        good=[
            made(BUCKET, "files", FILES),
            own(
                s3.ENCRYPTION,
                {
                    "rules": [
                        {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "key"}}
                    ]
                },
            ),
        ],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-own-key"},
    ),
    Case(
        rule="s3-bucket-key",
        good=[
            made(
                s3.ENCRYPTION,
                "files",
                {
                    "rules": [
                        {
                            "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"},
                            "bucketKeyEnabled": True,
                        }
                    ]
                },
            )
        ],
        path="rules.0.bucketKeyEnabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="s3-versioned",
        good=[made(BUCKET, "files", FILES), own(s3.VERSIONING, {"versioningConfiguration": {"status": "Enabled"}})],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-versioned"},
    ),
    Case(
        rule="s3-tls-only",
        good=[made(BUCKET, "files", FILES), own(s3.POLICY, {"policy": policy()})],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-tls-only"},
    ),
    Case(
        rule="s3-policy-not-public",
        good=[made(s3.POLICY, "files", {"policy": policy()})],
        path="policy",
        broken=[policy(Effect="Allow", Condition={}), policy(Effect="Allow", Principal={"AWS": "*"}, Condition={})],
        absent="fine",
        unknown="undecided",
        shipped="*-uploads",
        also=frozenset({"s3-tls-only"}),
    ),
    Case(
        rule="s3-access-logged",
        good=[made(BUCKET, "files", FILES), own(s3.LOGGING)],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-access-logged"},
    ),
    Case(
        rule="s3-lifecycle",
        good=[
            made(BUCKET, "files", FILES),
            own(
                s3.LIFECYCLE,
                {
                    "rules": [
                        {
                            "status": "Enabled",
                            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                            "noncurrentVersionExpiration": {"noncurrentDays": 30},
                        }
                    ]
                },
            ),
        ],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-lifecycle"},
    ),
    Case(
        rule="s3-copied",
        good=[
            made(BUCKET, "files", FILES),
            own(s3.REPLICATION),
            made(SELECTION, "all", {}, sources={"resources": [f"{BUCKET}::files"]}),
            made(VPC, "there", {"region": "eu-west-1"}),
        ],
        path="bucket",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=ALONE - {"s3-copied"},
    ),
]
