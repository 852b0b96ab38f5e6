"""Several regions: each is looked at where it is, with its own keys, and what lies between them as well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from infra.verify.facts import Scope, Verdict
from infra.verify.run import Finding, verify
from tests.verify.account import Account
from tests.verify.changes import Undo

HOME, SECOND, READS = "us-east-1", "us-west-2", "eu-west-1"
REPLICA = "headroom-several-us-east-1-db-0-in-eu-west-1"


def look(account: Account, outputs: dict[str, Any] | None = None) -> list[Finding]:
    return verify(
        Scope(
            region=HOME,
            outputs=account.outputs if outputs is None else outputs,
            phase=account.phase,
            domain=account.domain,
            protected=True,
            clients=account.clients,
            local=True,
        )
    )


def differing(findings: list[Finding]) -> set[tuple[str, str, str, str]]:
    return {
        (finding.region, finding.subject, finding.fact.what, finding.fact.actual)
        for finding in findings
        if finding.fact.verdict is Verdict.DIFFERS
    }


def test_a_right_account_has_no_difference_in_any_region(regions: Account) -> None:
    findings = look(regions)
    assert differing(findings) == set()
    assert {finding.region for finding in findings} == {"", HOME, SECOND, READS}
    areas = {
        region: {finding.area for finding in findings if finding.region == region} for region in (HOME, SECOND, READS)
    }
    assert areas[READS] == {"network", "replicas", "storage", "messaging", "keys", "operations"}
    assert (
        areas[HOME] == areas[SECOND] == areas[READS] | {"database", "cache", "cluster", "registry", "secrets", "mail"}
    )


def test_the_replicas_of_the_phase_are_all_looked_at(regions: Account) -> None:
    followed = {
        (finding.region, finding.fact.actual): finding
        for finding in look(regions)
        if finding.area == "replicas" and finding.fact.what.endswith("follows")
    }
    home, second = "headroom-several-us-east-1-db-0", "headroom-several-us-west-2-db-0"
    # A region's remote replica stands in the region before it, and home's in the last.
    assert set(followed) == {(HOME, home), (SECOND, second), (HOME, second), (READS, home)}


def test_what_the_local_cloud_cannot_show_between_regions_is_said(regions: Account) -> None:
    unseen = {finding.fact.what for finding in look(regions) if finding.fact.verdict is Verdict.UNCHECKED}
    assert "members of the Global Datastore" in unseen


def _replica_class(account: Account) -> Undo:
    rds = account.regions[READS].client("rds")

    def set_to(instance_class: str) -> None:
        rds.modify_db_instance(DBInstanceIdentifier=REPLICA, DBInstanceClass=instance_class, ApplyImmediately=True)

    set_to("db.t4g.medium")
    return lambda: set_to(account.phase.database.replica_class)


def _unwatched_replica(account: Account) -> Undo:
    region = account.regions[READS]
    region.client("cloudwatch").delete_alarms(AlarmNames=[f"{REPLICA}-lag"])
    names = account.outputs["alarmNames"][READS]
    names.remove(f"{REPLICA}-lag")
    return lambda: region.put_lag_alarm(REPLICA)


def _uploads_not_copied(account: Account) -> Undo:
    bucket = account.home.outputs["uploadsBucket"]
    account.client("s3").delete_bucket_replication(Bucket=bucket)
    return lambda: account.home.copy_bucket("uploads", [account.regions[SECOND]])


def _assets_copied_elsewhere(account: Account) -> Undo:
    wrong = copy.copy(account.regions[SECOND])
    wrong.outputs = {"assetsBucket": "elsewhere"}
    account.client("s3").create_bucket(Bucket="elsewhere")
    account.client("s3").put_bucket_versioning(Bucket="elsewhere", VersioningConfiguration={"Status": "Enabled"})
    account.home.copy_bucket("assets", [wrong])
    return lambda: account.home.copy_bucket("assets", [account.regions[SECOND]])


def _backups_stay(account: Account) -> Undo:
    plan = account.home.outputs["backupPlanId"]
    daily = {"RuleName": "daily", "TargetBackupVaultName": account.prefix, "Lifecycle": {"DeleteAfterDays": 35}}
    created = account.client("backup").create_backup_plan(BackupPlan={"BackupPlanName": "alone", "Rules": [daily]})
    account.home.outputs["backupPlanId"] = created["BackupPlanId"]
    return lambda: account.home.outputs.update(backupPlanId=plan)


def _unpeered(account: Account) -> Undo:
    """Seen from both sides."""
    sides = [account.regions[SECOND], account.regions[READS]]
    ec2 = sides[0].client("ec2")
    vpcs = {side.outputs["vpcId"] for side in sides}
    connection = next(
        one["VpcPeeringConnectionId"]
        for one in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        if {one["RequesterVpcInfo"]["VpcId"], one["AccepterVpcInfo"]["VpcId"]} == vpcs
    )
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=connection)
    return lambda: account.peer(*sides)


def _silent_second_region(account: Account) -> Undo:
    region = account.regions[SECOND]
    region.put_alarm(f"{region.prefix}-cpu", [])
    return lambda: region.put_alarm(f"{region.prefix}-cpu", [region.outputs["pageTopicArn"]])


def _read_region_with_a_way_out(account: Account) -> Undo:
    region = account.regions[READS]
    ec2 = region.client("ec2")
    gateway = ec2.create_nat_gateway(SubnetId=region.subnets["public"][0], ConnectivityType="private")
    return lambda: ec2.delete_nat_gateway(NatGatewayId=gateway["NatGateway"]["NatGatewayId"])


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (_replica_class, {(READS, "class", "db.t4g.medium")}),
        (_unwatched_replica, {(READS, "alarm on its lag", "nothing")}),
        (
            _uploads_not_copied,
            {(HOME, "exists (GetBucketReplication)", "no: ReplicationConfigurationNotFoundError")},
        ),
        (_assets_copied_elsewhere, {(HOME, "copied to", "elsewhere")}),
        (_backups_stay, {(HOME, "copied to", "nothing")}),
        (_unpeered, {(SECOND, "peered with", "us-east-1"), (READS, "peered with", "us-east-1")}),
        (_silent_second_region, {("", "that tell nobody", "headroom-several-us-west-2-cpu")}),
        (_read_region_with_a_way_out, {(READS, "NAT gateways", "1")}),
    ],
)
def test_one_wrong_thing_is_named_with_its_region(
    regions: Account, change: Callable[[Account], Undo], difference: set[tuple[str, str, str]]
) -> None:
    undo = change(regions)
    try:
        found = differing(look(regions))
    finally:
        undo()
    assert {(region, what, actual) for region, _, what, actual in found} == difference


def test_a_region_that_is_not_exported_is_one_finding(regions: Account) -> None:
    outputs = {**regions.outputs, "regions": {**regions.outputs["regions"]}}
    del outputs["regions"][READS]
    found = differing(look(regions, outputs))
    assert (READS, f"regions.{READS}", "stack output", "not exported") in found
    assert {region for region, *_ in found} == {HOME, SECOND, READS}


def test_a_replica_that_is_not_there_is_missed(regions: Account) -> None:
    outputs = copy.deepcopy(regions.outputs)
    outputs["regions"][READS]["replicas"] = []
    assert differing(look(regions, outputs)) == {(READS, "replicas of other regions", "of", "nothing")}


def _two_owners(shard_map: dict[str, Any]) -> None:
    shard_map["shards"][1]["slots"] = [[0, 0]]


def _no_owner(shard_map: dict[str, Any]) -> None:
    shard_map["shards"][0]["slots"] = [[0, 254]]


def _elsewhere(shard_map: dict[str, Any]) -> None:
    shard_map["shards"][1]["primary"] = "us-west-2-db-0"


def _one_shard_less(shard_map: dict[str, Any]) -> None:
    shard_map["shards"].pop()


@pytest.mark.parametrize(
    ("change", "what", "actual"),
    [
        (_two_owners, "slots with several shards, or outside of the map", "0"),
        (_no_owner, "slots without a shard", "255"),
        (_elsewhere, "shard 1 is", "headroom_1 on us-west-2-db-0"),
        (_one_shard_less, "shards", "0, 1, 2, 3, 4, 5, 6, 7, 8"),
    ],
)
def test_a_shard_map_that_loses_users_is_named(
    regions: Account, change: Callable[[dict[str, Any]], None], what: str, actual: str
) -> None:
    outputs = copy.deepcopy(regions.outputs)
    change(outputs["shardMap"])
    assert {(fact, found) for _, _, fact, found in differing(look(regions, outputs))} == {(what, actual)}


def test_a_shard_on_a_primary_that_is_not_exported_is_named(regions: Account) -> None:
    outputs = copy.deepcopy(regions.outputs)
    outputs["regions"][SECOND]["databaseIdentifiers"] = []
    found = {(region, what) for region, _, what, _ in differing(look(regions, outputs))}
    assert found == {(SECOND, "primaries"), *(("", f"shard {shard} stands on") for shard in range(5, 10))}
