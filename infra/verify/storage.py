"""The buckets: closed, encrypted, versioned, copied to other regions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds

BLOCKS = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
OWN_KEY = {"exportsBucket", "uploadsBucket"}
"""S3 and the load balancer write logs with S3's own key only; CloudFront reads assets without a key of ours."""
VERSIONED = {"assetsBucket", "exportsBucket", "uploadsBucket"}
"""Logs are written once and never changed."""


def buckets(scope: Scope) -> Iterator[Probe]:
    """Uploads and logs; in a full region assets and exports of the database as well."""
    for key in ("uploadsBucket", "logsBucket", *(("assetsBucket", "exportsBucket") if scope.full else ())):
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


def replication(scope: Scope) -> Iterator[Probe]:
    """Uploads have a copy in another region, and home's assets one in every other full region."""
    others = [region for region in scope.phase.all_regions if region != scope.region]
    full = [region for region in others if region in scope.phase.regions]
    if others:
        yield Probe("storage", f"copies of {scope.text('uploadsBucket')}", partial(_uploads, scope, others))
    if full and scope.region == scope.phase.home_region:
        yield Probe("storage", f"copies of {scope.text('assetsBucket')}", partial(_assets, scope, full))


def _uploads(scope: Scope, others: Sequence[str]) -> Iterator[Fact]:
    places = {scope.within(region).text("uploadsBucket") for region in others}
    copied = _copied_to(scope, scope.text("uploadsBucket"))
    yield holds("copied to", copied and copied <= places, f"one of {', '.join(sorted(places))}", copied)


def _assets(scope: Scope, full: Sequence[str]) -> Iterator[Fact]:
    places = {scope.within(region).text("assetsBucket") for region in full}
    yield equal("copied to", places, _copied_to(scope, scope.text("assetsBucket")))


def _copied_to(scope: Scope, bucket: str) -> set[str]:
    """Names of the buckets that rules which are on copy to."""
    configuration = scope.client("s3").get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    return {
        rule["Destination"]["Bucket"].rpartition(":")[2]
        for rule in configuration["Rules"]
        if rule["Status"] == "Enabled"
    }
