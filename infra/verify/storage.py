"""The buckets: closed, encrypted, versioned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds

BLOCKS = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
OWN_KEY = {"exportsBucket", "uploadsBucket"}
"""S3 and the load balancer write logs with S3's own key only; CloudFront reads assets without a key of ours."""
VERSIONED = {"assetsBucket", "exportsBucket", "uploadsBucket"}
"""Logs are written once and never changed."""


def buckets(scope: Scope) -> Iterator[Probe]:
    """Assets, uploads, exports of the database, and logs."""
    for key in ("assetsBucket", "uploadsBucket", "exportsBucket", "logsBucket"):
        yield Probe("storage", str(scope.outputs.get(key, key)), partial(_bucket, scope, key))


def _bucket(scope: Scope, key: str) -> Iterator[Fact]:
    name, s3 = scope.text(key), scope.client("s3")
    blocks = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    yield equal("public access blocked", BLOCKS, {block for block in BLOCKS if blocks.get(block)})
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    applied = [rule["ApplyServerSideEncryptionByDefault"] for rule in rules]
    if key in OWN_KEY:
        keys = set(scope.names("keyArns").values())
        used = {rule.get("KMSMasterKeyID") for rule in applied}
        yield holds("encrypted with the stack's key", used <= keys, keys, used)
    else:
        algorithms = {rule["SSEAlgorithm"] for rule in applied}
        yield holds("encrypted", algorithms, "yes", algorithms)
    if key in VERSIONED:
        yield equal("versioning", "Enabled", s3.get_bucket_versioning(Bucket=name).get("Status", "never enabled"))
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    refused = [
        statement
        for statement in policy["Statement"]
        if statement["Effect"] == "Deny"
        and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") in {"false", False}
    ]
    yield holds("access without TLS refused", refused, "yes", bool(refused))
