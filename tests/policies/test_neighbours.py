"""What a resource needs beside it must not only be there, but also say the right thing."""

from __future__ import annotations

from typing import Any

import pytest

from policies.catalogue import RULES
from policies.evaluate import Judge
from policies.rules.s3 import BUCKET
from policies.view import UNKNOWN, Stack
from tests.policies import (
    cases_backup,
    cases_ecr,
    cases_elasticache,
    cases_opensearch,
    cases_rds,
    cases_s3,
    cases_secrets,
)
from tests.policies.cases import GONE, PREFIX, put, unique
from tests.policies.conftest import TODAY

MODULES = (cases_backup, cases_ecr, cases_elasticache, cases_opensearch, cases_rds, cases_s3, cases_secrets)
CASES = unique(case for module in MODULES for case in module.CASES)


def said(rule: str, neighbour: int, changes: dict[str, Any]) -> list[str]:
    """Messages, or the paths that are not known, once a neighbour of the case's first resource is changed."""
    resources = list(CASES[rule].good)
    for path, value in changes.items():
        resources[neighbour] = put(resources[neighbour], path, value)
    found = Judge({rule: RULES[rule]}, production=True, today=TODAY).stack(Stack(resources))
    assert not any("itself fails" in one.message for one in found.findings)
    return [*(one.message for one in found.findings), *(one.path for one in found.undecided)]


@pytest.mark.parametrize(
    ("rule", "neighbour", "path", "value"),
    [
        ("backup-copied", 1, "region", "ap-south-1"),
        ("rds-alarms", 1, "region", "us-east-1"),
        ("s3-own-key", 1, "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm", "aws:kms:dsse"),
        ("s3-versioned", 1, "bucket", UNKNOWN),
        ("secrets-rotated", 1, "kmsKeyId", "another"),
    ],
)
def test_a_neighbour_that_still_says_the_right_thing_is_enough(
    rule: str, neighbour: int, path: str, value: object
) -> None:
    assert said(rule, neighbour, {path: value}) == []


@pytest.mark.parametrize(
    ("rule", "neighbour", "changes"),
    [
        ("elasticache-alarms", 1, {"region": "eu-west-1"}),
        ("elasticache-alarms", 1, {"metricQueries.1.metric.dimensions.CacheClusterId": "state-0002-001"}),
        ("elasticache-alarms", 1, {"metricQueries.1.metric.dimensions.CacheClusterId": "state-other-0001-001"}),
        ("elasticache-snapshots-kept", 0, {"snapshotRetentionLimit": 0}),
        ("opensearch-alarms", 1, {"dimensions.DomainName": "other"}),
        ("rds-alarms", 1, {"metricName": "SwapUsage"}),
        ("rds-alarms", 1, {"region": "eu-west-1"}),
        ("rds-copied", 1, {"region": "us-east-1"}),
        ("rds-events-told", 1, {"eventCategories": ["failure"]}),
        ("rds-events-told", 1, {"region": "eu-west-1"}),
        ("rds-events-told", 1, {"sourceType": "db-snapshot"}),
        ("rds-replica-key", 2, {"region": "us-east-1"}),
        ("s3-lifecycle", 1, {"rules.0.abortIncompleteMultipartUpload": GONE}),
        ("s3-lifecycle", 1, {"rules.0.noncurrentVersionExpiration": GONE}),
        ("s3-lifecycle", 1, {"rules.0.status": "Disabled"}),
        ("s3-own-key", 1, {"rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId": GONE}),
        ("s3-own-key", 1, {"rules.0.applyServerSideEncryptionByDefault.sseAlgorithm": "AES256"}),
        ("s3-tls-only", 1, {"policy": cases_s3.policy(Action="s3:GetObject")}),
        ("s3-tls-only", 1, {"policy": cases_s3.policy(Condition={"Bool": {"aws:SecureTransport": "true"}})}),
        ("s3-tls-only", 1, {"policy": cases_s3.policy(Principal={"AWS": "arn:aws:iam::123456789012:root"})}),
        ("s3-versioned", 1, {"versioningConfiguration.status": "Suspended"}),
        ("s3-versioned", 1, {"bucket": UNKNOWN, "@sources.bucket": [f"{PREFIX}{BUCKET}::other"]}),
        ("secrets-rotated", 2, {"@urn": f"{PREFIX}random:index/randomBytes:RandomBytes::one"}),
    ],
)
def test_a_neighbour_that_says_another_thing_is_not_enough(rule: str, neighbour: int, changes: dict[str, Any]) -> None:
    assert len(said(rule, neighbour, changes)) == 1


def test_a_cache_that_may_evict_all_it_holds_needs_no_snapshots() -> None:
    resources = list(CASES["elasticache-snapshots-kept"].good)
    resources[0] = put(resources[0], "snapshotRetentionLimit", 0)
    resources[1] = put(resources[1], "parameters.0.value", "allkeys-lru")
    rule = "elasticache-snapshots-kept"
    assert Judge({rule: RULES[rule]}, production=True, today=TODAY).stack(Stack(resources)).findings == ()


@pytest.mark.parametrize(
    ("rule", "neighbour", "path"),
    [
        ("backup-copied", 1, "region"),
        ("rds-alarms", 1, "region"),
        ("rds-events-told", 1, "eventCategories"),
        ("s3-lifecycle", 1, "rules"),
        ("s3-tls-only", 1, "policy"),
        ("s3-versioned", 1, "versioningConfiguration"),
    ],
)
def test_a_neighbour_that_nobody_knows_yet_leaves_it_undecided(rule: str, neighbour: int, path: str) -> None:
    (found,) = said(rule, neighbour, {path: UNKNOWN})
    assert found.startswith(path)
