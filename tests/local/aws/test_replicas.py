"""Replicas, in the primary's region and in another one: what moto copies that AWS does not, and what has to grow."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.aws import KINDS
from infra.local.aws.kind import Context, Values
from tests.local.aws.cases_data import DATA
from tests.local.aws.scene import Scene

DATABASE = "aws:rds/instance:Instance"
GROUP = "aws:rds/parameterGroup:ParameterGroup"
REGIONS = ["us-east-1", "eu-west-1"]


def _primary(scene: Scene) -> Values:
    return scene.make(DATABASE, **{**DATA[DATABASE].inputs(scene), "backupRetentionPeriod": 30})[3]


def _replica(scene: Scene, region: str, **more: Any) -> tuple[Context, str, Values, Values]:
    context = scene.context(scene.unique("replica"), region)
    parameters = {"name": scene.unique("readers"), "family": "postgres17"}
    inputs = {
        "identifier": scene.unique("replica"),
        "replicateSourceDb": _primary(scene)["arn"],
        "instanceClass": "db.m7g.large",
        "allocatedStorage": 100,
        "parameterGroupName": KINDS[GROUP].create(context, parameters)[0],
        "backupRetentionPeriod": 0,
        "skipFinalSnapshot": True,
        **more,
    }
    return (context, *KINDS[DATABASE].create(context, inputs), inputs)


def _described(context: Context, inputs: Values) -> Any:
    return context.client("rds").describe_db_instances(DBInstanceIdentifier=inputs["identifier"])["DBInstances"][0]


@pytest.mark.parametrize("region", REGIONS)
def test_a_replica_reads_back_as_it_was_made(scene: Scene, region: str) -> None:
    context, id_, outputs, _ = _replica(scene, region)
    assert KINDS[DATABASE].read(context, id_, outputs) == outputs


def test_a_replica_in_another_region_stands_in_that_regions_subnets(scene: Scene) -> None:
    there = scene.context(scene.unique("there"), "eu-west-1")
    vpc = KINDS["aws:ec2/vpc:Vpc"].create(there, {"cidrBlock": "10.66.0.0/16"})[0]
    subnets = [
        KINDS["aws:ec2/subnet:Subnet"].create(
            there, {"vpcId": vpc, "cidrBlock": f"10.66.{index}.0/24", "availabilityZone": f"eu-west-1{zone}"}
        )[0]
        for index, zone in enumerate("ab")
    ]
    group = KINDS["aws:rds/subnetGroup:SubnetGroup"].create(there, {"name": scene.unique("db"), "subnetIds": subnets})[
        0
    ]
    context, _, _, inputs = _replica(scene, "eu-west-1", dbSubnetGroupName=group)
    assert _described(context, inputs)["DBSubnetGroup"]["DBSubnetGroupName"] == group


@pytest.mark.parametrize("days", [0, 7])
def test_a_replica_has_its_own_backups_and_not_its_primarys(scene: Scene, days: int) -> None:
    window = {"backupWindow": "03:00-04:00", "maintenanceWindow": "sun:01:30-sun:02:30"}
    context, _, _, inputs = _replica(scene, "eu-west-1", backupRetentionPeriod=days, **window)
    found = _described(context, inputs)
    assert found["BackupRetentionPeriod"] == days
    assert found["PreferredBackupWindow"] == window["backupWindow"]
    assert found["PreferredMaintenanceWindow"] == window["maintenanceWindow"]


@pytest.mark.parametrize("region", REGIONS)
def test_a_replica_starts_with_its_primarys_storage_and_grows_in_place(scene: Scene, region: str) -> None:
    context, id_, outputs, old = _replica(scene, region, allocatedStorage=400)
    assert _described(context, old)["AllocatedStorage"] == 100

    new = {**old, "allocatedStorage": 500, "instanceClass": "db.m7g.xlarge", "iops": 12_000, "storageThroughput": 500}
    after = KINDS[DATABASE].update(context, id_, outputs, old, new)
    found = _described(context, new)
    assert (found["AllocatedStorage"], found["DBInstanceClass"]) == (500, "db.m7g.xlarge")
    assert KINDS[DATABASE].read(context, id_, after) == after
