"""What differs in an AWS account from the local cloud: ids, the shared cache, and what is told to people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.rds.models import DBInstance

from infra.local.aws import moto_setup
from infra.procedures.ground import INSTANCE, Ground
from infra.procedures.promote import Promotion
from infra.procedures.restore import Restore
from infra.procedures.rotate import MARK, Rotation, Secret
from infra.procedures.sources import Source
from infra.procedures.steps import Call, Procedure, Step, carry_out
from infra.recovery.lookup import Lookup

HOME, THERE = "us-east-1", "eu-west-1"
PRIMARY, READER, COPY = (
    f"headroom-1m-{name}" for name in (f"{HOME}-db-0", f"{HOME}-db-0-reader-0", f"{THERE}-copy-of-{HOME}-db-0")
)
ARN = f"arn:aws:rds:{HOME}:123456789012:db:{PRIMARY}"
COMMON = {"DBInstanceClass": "db.r6g.large", "Engine": "postgres", "StorageType": "gp3"}


class FakeBackend:
    """An engine that only keeps a state and notes what it was told."""

    stack, project = "1m", "headroom"
    lookup: Lookup

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self.content: dict[str, Any] = {"version": 3, "deployment": {"resources": resources}}
        self.ran: list[list[str]] = []

    def prepare(self, *, dry_run: bool) -> list[str]:
        raise NotImplementedError

    def goals(self) -> dict[str, dict[str, Any]]:
        raise NotImplementedError

    def run(self, *args: str) -> str:
        """Export and import; anything else is noted."""
        if args[:2] == ("stack", "export"):
            return json.dumps(self.content)
        if args[:2] == ("stack", "import"):
            self.content = json.loads(Path(args[-1]).read_text())
        self.ran.append(list(args))
        return ""


def _entry(type_: str, name: str, id_: str, inputs: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:1m::headroom::{type_}::{name}"
    return {"urn": urn, "type": type_, "custom": True, "id": id_, "inputs": inputs, "outputs": outputs}


def _state() -> list[dict[str, Any]]:
    def address(name: str, region: str) -> str:
        return f"{name}.abc.{region}.rds.amazonaws.com"

    regions = {
        HOME: {"globalCacheId": "ldgnf-headroom", "cacheGroupId": "home", "clusterName": "headroom-1m-home"},
        THERE: {"cacheGroupId": "there", "clusterName": "headroom-1m-there"},
        "us-west-2": {"cacheGroupId": "west", "clusterName": "headroom-1m-west"},
    }
    primary = {"identifier": PRIMARY, "instanceClass": "db.r6g.large", "tags": {"Urn": "x"}, "multiAz": False}
    return [
        _entry("pulumi:pulumi:Stack", "headroom-1m", "", {}, regions=regions),
        _entry(INSTANCE, f"{HOME}-db-0-primary", "db-OLD", primary, region=HOME, address=address(PRIMARY, HOME)),
        _entry(
            INSTANCE,
            f"{HOME}-db-0-reader-0",
            "db-READER",
            {"identifier": READER, "replicateSourceDb": PRIMARY},
            region=HOME,
            address=address(READER, HOME),
        ),
        _entry(
            INSTANCE,
            f"{THERE}-copy-of-{HOME}-db-0-replica",
            "db-COPY",
            {"identifier": COPY, "replicateSourceDb": ARN},
            region=THERE,
            address=address(COPY, THERE),
        ),
        _entry("aws:elasticache/user:User", "pods", "headroom-pods", {}, region=HOME),
    ]


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A stack of the last phase in a mocked account; moto is mended as on the local cloud."""
    monkeypatch.setattr(DBInstance, "remove_replica", moto_setup._remove_replica)
    with mock_aws():
        here, there = (boto3.client("rds", region_name=region) for region in (HOME, THERE))
        here.create_db_instance(
            DBInstanceIdentifier=PRIMARY, AllocatedStorage=20, BackupRetentionPeriod=30, MasterUsername="o", **COMMON
        )
        here.create_db_instance_read_replica(DBInstanceIdentifier=READER, SourceDBInstanceIdentifier=PRIMARY)
        there.create_db_instance_read_replica(DBInstanceIdentifier=COPY, SourceDBInstanceIdentifier=ARN)
        secrets = boto3.client("secretsmanager", region_name=HOME)
        for key in ("database", "cache"):
            secrets.create_secret(Name=f"headroom-1m-{HOME}-secrets-{key}", SecretString="first")
        made = Ground("1m", is_local=False)
        made.backend = FakeBackend(_state())
        yield made


def _backend(ground: Ground) -> FakeBackend:
    assert isinstance(ground.backend, FakeBackend)
    return ground.backend


def _run(ground: Ground, procedure: Procedure) -> None:
    carry_out(procedure, ground.client, lambda _: None, pause=lambda _: None, look_seconds=0)


def test_the_state_is_told_the_resource_id_before_it_is_refreshed(ground: Ground) -> None:
    _run(ground, Restore(ground, 0, Source()).procedure())
    backend = _backend(ground)
    entries = {one["urn"]: one for one in backend.content["deployment"]["resources"]}
    urn = next(one for one in entries if one.endswith("-primary"))
    rds = ground.client("rds", HOME)
    found = rds.describe_db_instances(DBInstanceIdentifier=PRIMARY)["DBInstances"][0]
    assert entries[urn]["id"] == found["DbiResourceId"] != "db-OLD"
    said = [(args[0], args[1]) if args[0] == "stack" else args[0] for args in backend.ran]
    assert said == [("stack", "import"), "refresh"]
    targets = [part for part in backend.ran[-1] if part.startswith("urn:")]
    assert [target.rpartition("::")[2] for target in targets] == [
        f"{HOME}-db-0-primary",
        f"{HOME}-db-0-reader-0",
        f"{THERE}-copy-of-{HOME}-db-0-replica",
    ]
    assert found["TagList"] == [{"Key": "Urn", "Value": "x"}]


def test_a_copy_that_was_promoted_is_not_deleted_without_a_final_snapshot(ground: Ground) -> None:
    """Its rows are nowhere else. A replica's are: RDS refuses a final snapshot of one."""
    restore = Restore(ground, 0, Source())
    following, standing = (
        {**found, "ReadReplicaSourceDBInstanceIdentifier": source}
        for found in [ground.instances(THERE)[COPY]]
        for source in (ARN, "")
    )
    told = {}
    for found in (following, standing):
        ground.instances = lambda _, found=found: {COPY: found}  # type: ignore[method-assign, misc]
        copy = next(one for one in ground.held() if one.identifier == COPY)
        *_, delete = restore._delete(copy)
        assert isinstance(delete, Call)
        told[found["ReadReplicaSourceDBInstanceIdentifier"]] = delete.parameters
    assert told[ARN]["SkipFinalSnapshot"] is True
    assert told[""]["SkipFinalSnapshot"] is False
    assert told[""]["FinalDBSnapshotIdentifier"].startswith(f"{COPY}-promoted-")


class Datastore:
    """ElastiCache's Global Datastore, which moto does not have."""

    def __init__(self) -> None:
        self.primary, self.calls = HOME, list[dict[str, str]]()

    def describe_global_replication_groups(self, **_: Any) -> dict[str, Any]:
        members = [
            {"ReplicationGroupRegion": region, "Role": "PRIMARY" if region == self.primary else "SECONDARY"}
            for region in (HOME, THERE)
        ]
        return {"GlobalReplicationGroups": [{"Members": members}]}

    def failover_global_replication_group(self, **parameters: str) -> None:
        self.calls.append(parameters)
        self.primary = parameters["PrimaryRegion"]


def test_the_loss_of_home_moves_the_shared_cache_too(ground: Ground) -> None:
    datastore, client = Datastore(), ground.client
    ground.client = lambda service, region: (  # type: ignore[method-assign]
        datastore if service == "elasticache" else client(service, region)
    )
    procedure = Promotion(ground, THERE).procedure()
    cache = procedure.steps[-1]
    assert not cache.is_done()
    (call,) = cache.work()
    assert isinstance(call, Call)
    assert (call.region, call.operation) == (THERE, "FailoverGlobalReplicationGroup")
    datastore.failover_global_replication_group(**call.parameters)
    assert datastore.calls == [
        {
            "GlobalReplicationGroupId": "ldgnf-headroom",
            "PrimaryRegion": THERE,
            "PrimaryReplicationGroupId": "there",
        }
    ]
    assert cache.is_done()
    assert cache.has_ended()


def test_every_region_that_serves_is_told_how_its_poolers_find_the_copy(ground: Ground) -> None:
    after = Promotion(ground, THERE).procedure().after
    assert after[0] == f"no `pulumi up` and no `pulumi refresh` of 1m until {HOME} is back"
    for region in ("us-west-2", THERE):
        assert any(line.startswith(f"in {region}: ") for line in after)
    assert not any(f"in {HOME}: " in line for line in after)
    script = next(line for line in after if "configmap pooler-writer" in line)
    assert f"s/{PRIMARY}.abc.{HOME}.rds.amazonaws.com/{COPY}.abc.{THERE}.rds.amazonaws.com/g" in script
    assert f"s/{READER}.abc.{HOME}.rds.amazonaws.com/{COPY}.abc.{THERE}.rds.amazonaws.com/g" in script


def test_the_cache_user_accepts_the_value_in_use_and_the_new_one(ground: Ground) -> None:
    """Whatever became of the labels: the mark names the version that pods still show."""
    secrets, name = ground.client("secretsmanager", HOME), f"headroom-1m-{HOME}-secrets-cache"
    _, generate, both, *_ = steps = Rotation(ground, Secret.CACHE).procedure().steps
    carry_out(_only(steps[0]), ground.client, lambda _: None)
    assert not generate.is_done()
    secrets.put_secret_value(SecretId=name, SecretString="second")
    assert generate.is_done()
    (call,) = both.work()
    assert isinstance(call, Call)
    assert (call.operation, call.parameters) == ("ModifyUser", {"UserId": "headroom-pods"})
    assert call.secret["Passwords"]() == ["first", "second"]
    assert "first" not in str(call)
    carry_out(_only(steps[-1]), ground.client, lambda _: None)
    assert [tag for tag in secrets.describe_secret(SecretId=name).get("Tags", []) if tag["Key"] == MARK] == []


def _only(step: Step) -> Procedure:
    return Procedure(name="one", stack="1m", lost=(), steps=(step,), after=())
