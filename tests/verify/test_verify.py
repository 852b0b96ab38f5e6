"""A right account passes; whatever is not as the phase says is named, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from components.telemetry import RETENTION_DAYS
from infra.verify.facts import Scope, Verdict
from infra.verify.operations import LOG_DAYS
from infra.verify.run import Finding, verify
from stacks.phase_10k import EFFICIENT
from tests.verify.account import Account
from tests.verify.account_edge import REGION
from tests.verify.account_region import AccountRegion
from tests.verify.changes import CHANGES, DATABASE, Undo


def scope(account: Account, outputs: Mapping[str, Any] | None = None, **changes: Any) -> Scope:
    return Scope(
        **{
            "region": REGION,
            "outputs": account.outputs if outputs is None else outputs,
            "phase": EFFICIENT,
            "domain": account.domain,
            "protected": True,
            "clients": account.clients,
            "local": True,
            **changes,
        }
    )


def differing(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [
        (finding.subject, finding.fact.what, finding.fact.actual)
        for finding in findings
        if finding.fact.verdict is Verdict.DIFFERS
    ]


def test_a_right_account_has_no_difference(account: Account) -> None:
    findings = verify(scope(account))
    assert differing(findings) == []
    assert len(findings) > 130
    assert {finding.area for finding in findings} == {
        "network",
        "database",
        "cache",
        "cluster",
        "registry",
        "storage",
        "edge",
        "messaging",
        "mail",
        "keys",
        "secrets",
        "shards",
        "replicas",
        "operations",
    }
    assert {finding.region for finding in findings} == {"", REGION}


def test_what_the_local_cloud_lacks_is_said_and_does_not_count_as_right(account: Account) -> None:
    unseen = {
        (finding.area, finding.fact.what): finding.fact.actual
        for finding in verify(scope(account))
        if finding.fact.verdict is Verdict.UNCHECKED
    }
    assert set(unseen) == {
        ("cache", "eviction policy"),
        ("cluster", "access entries"),
        ("cluster", "authentication mode"),
        ("cluster", "Auto Mode"),
        ("cluster", "support of the version"),
        ("operations", "what is backed up"),
        ("mail", "DKIM"),
        ("mail", "bounces and complaints are heard"),
        ("mail", "may write to anybody"),
    }
    assert all("local cloud" in reason for reason in unseen.values())


@pytest.mark.parametrize(("change", "subject", "what", "found"), CHANGES)
def test_one_wrong_thing_is_named_and_no_other_object(
    account: Account, change: Callable[[Account], Undo], subject: str, what: str, found: str
) -> None:
    undo = change(account)
    try:
        differences = differing(verify(scope(account)))
    finally:
        undo()
    assert len({name for name, _, _ in differences}) == 1, differences
    assert subject in differences[0][0]
    assert found in {fact: actual for _, fact, actual in differences}[what]


def test_a_standby_object_that_was_made_wrong_is_named(account: Account) -> None:
    """What AWS cannot change later: a second object, made wrong, stands for the first."""
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    account.client("kms").enable_key_rotation(KeyId=key)
    account.client("ecr").create_repository(repositoryName="bare")
    account.client("eks").create_cluster(
        name="bare",
        roleArn="arn:aws:iam::123456789012:role/eks",
        resourcesVpcConfig={"subnetIds": account.home.subnets["private"], "endpointPublicAccess": True},
    )
    account.client("elasticache").create_replication_group(
        ReplicationGroupId="bare", ReplicationGroupDescription="bare", CacheNodeType=EFFICIENT.cache.node_type
    )
    outputs = account.outputs_with(
        {
            "keyArns": {**account.home.outputs["keyArns"], "third": key},
            "repositoryUrl": "123456789012.dkr.ecr.us-east-1.amazonaws.com/bare",
            "clusterName": "bare",
            "cacheGroupId": "bare",
        }
    )
    found = {(subject, what) for subject, what, _ in differing(verify(scope(account, outputs)))}
    assert found >= {
        ("third", "multi-Region"),
        ("bare", "tags"),
        ("bare", "scanned at push"),
        ("bare", "encryption"),
        ("bare", "control plane logs"),
        ("bare", "secrets encrypted with the stack's key"),
        ("bare", "cluster mode"),
        ("bare", "replicas in each shard"),
        ("bare", "TLS"),
        ("bare", "encrypted at rest"),
    }


GONE: Mapping[str, Any] = {
    "databaseIdentifiers": ["gone"],
    "databaseParameterGroup": "gone",
    "cacheGroupId": "gone",
    "stateGroupId": "gone-too",
    "clusterName": "gone",
    "vpcId": "vpc-gone",
    "assetsBucket": "gone-assets",
    "exportsBucket": "gone-exports",
    "uploadsBucket": "gone-uploads",
    "logsBucket": "gone-logs",
    "pageTopicArn": "arn:aws:sns:us-east-1:123456789012:gone",
    "backupVault": "gone",
    "backupPlanId": "gone",
    "repositoryUrl": "123456789012.dkr.ecr.us-east-1.amazonaws.com/gone",
    "loadBalancerArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/gone/0123456789abcdef",
    "logGroups": {"error": "/gone", "access": "/headroom-10k/access", "debug": "/headroom-10k/debug"},
    "secretArns": {"gone": "arn:aws:secretsmanager:us-east-1:123456789012:secret:gone-123456"},
    "keyArns": {"gone": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"},
    "queueUrls": {"email": "https://sqs.us-east-1.amazonaws.com/123456789012/gone"},
}
GONE_EVERYWHERE: Mapping[str, Any] = {
    "distributionId": "GONE",
    "zoneId": "ZGONE",
    "webAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/gone/00000000-0000-0000-0000-000000000000",
    "budgetName": "gone",
    "dashboardName": "gone",
}


def test_every_object_that_is_gone_is_a_finding(account: Account) -> None:
    differences = differing(verify(scope(account, account.outputs_with(dict(GONE), **GONE_EVERYWHERE))))
    missing = {subject for subject, what, actual in differences if what.startswith("exists") and actual[:2] == "no"}
    assert missing == {
        "gone",
        "gone-too",
        "readers of gone",
        "vpc-gone",
        "gone-assets",
        "gone-exports",
        "gone-uploads",
        "gone-logs",
        "GONE",
        "zone ZGONE",
        "topic gone",
        "backup vault gone",
        "backup plan gone",
        "budget gone",
        "dashboard gone",
        "log group /gone",
        "queue email",
    }
    by_name = [subject for subject, what, _ in differences if what.startswith("exists") and subject == "gone"]
    # Database, its parameter group, cache, cluster, load balancer, registry, web ACL, key, secret.
    assert len(by_name) == 9


# These are asked for by a function that asks for another one first.
SECOND = {"deadLetterUrls", "ticketTopicArn", "backupPlanId"}


def test_every_output_that_is_missing_is_a_finding(account: Account) -> None:
    bare = verify(scope(account, {}))
    assert {finding.fact.what for finding in bare} == {"stack output"}
    assert {finding.fact.expected for finding in bare} == {
        f"`{key}`" for key in {*Account.OUTPUTS, f"regions.{REGION}"}
    }

    empty = verify(scope(account, {**account.outputs, "regions": {REGION: {}}}))
    assert {finding.fact.expected for finding in empty if finding.fact.what == "stack output"} == {
        f"`{key}`" for key in set(AccountRegion.FULL_OUTPUTS) - SECOND
    }

    outputs = {key: value for key, value in account.home.outputs.items() if key not in SECOND}
    without = {**account.outputs, "regions": {REGION: outputs}}
    named = {
        finding.fact.expected for finding in verify(scope(account, without)) if finding.fact.what == "stack output"
    }
    assert named == {f"`{key}`" for key in SECOND}


def test_an_output_of_the_wrong_shape_is_a_finding(account: Account) -> None:
    regional = {"vpcId": ["vpc-1"], "queueUrls": ["a"], "keyArns": {"data": 1}, "replicas": "none"}
    everywhere = {"alarmNames": "one", "shardMap": {"slots": 256}}
    findings = verify(scope(account, account.outputs_with(regional, **everywhere)))
    named = {finding.fact.expected for finding in findings if finding.fact.what == "stack output"}
    assert named == {f"`{key}`" for key in regional | everywhere}


def test_without_protection_the_development_stack_is_right(account: Account) -> None:
    assert {what for _, what, _ in differing(verify(scope(account, protected=False)))} == {"deletion protection"}


def test_another_phase_is_told_apart(account: Account) -> None:
    database = EFFICIENT.database.model_copy(update={"local_replicas": 2, "backup_retention_days": 14})
    grown = EFFICIENT.model_copy(update={"database": database})
    assert differing(verify(scope(account, phase=grown))) == [
        (DATABASE, "backups kept", "30 days"),
        (f"readers of {DATABASE}", "in the region", "0"),
    ]


def test_the_retentions_are_those_that_the_program_sets() -> None:
    assert LOG_DAYS == RETENTION_DAYS


def test_a_planted_secret_value_is_never_read(account: Account) -> None:
    said = repr(verify(scope(account)))
    assert "planted-secret" not in said
    assert "not-a-real-password" not in said
