"""What is changed or copied over regions: cache shards, a global datastore, secrets and buckets."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.aws import KINDS, KindError
from infra.local.aws.kind import Context, Values
from tests.local.aws.cases_data import DATA, STORAGE
from tests.local.aws.scene import Scene

CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
DATASTORE = "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup"
SECRET = "aws:secretsmanager/secret:Secret"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"


def shape(context: Context, group: str) -> list[int]:
    """Nodes of each shard, as moto has them."""
    found = context.client("elasticache").describe_replication_groups(ReplicationGroupId=group)["ReplicationGroups"][0]
    return [len(shard["NodeGroupMembers"]) for shard in found["NodeGroups"]]


def group(scene: Scene, **more: Any) -> tuple[Any, Context, str, Values, Values]:
    inputs = {**DATA[CACHE].inputs(scene), "nodeType": "cache.r7g.large", **more}
    kind, context, id_, outputs = scene.make(CACHE, **inputs)
    return kind, context, id_, outputs, inputs


@pytest.mark.parametrize(
    ("change", "nodes"),
    [
        ({"numNodeGroups": 4}, [3, 3, 3, 3]),
        ({"numNodeGroups": 1}, [3]),
        ({"replicasPerNodeGroup": 4}, [5, 5]),
        ({"replicasPerNodeGroup": 1}, [2, 2]),
        ({"numNodeGroups": 3, "replicasPerNodeGroup": 1, "nodeType": "cache.r7g.xlarge"}, [2, 2, 2]),
    ],
)
def test_shards_and_replicas_change_in_place(change: Values, nodes: list[int], scene: Scene) -> None:
    kind, context, id_, before, old = group(scene, numNodeGroups=2, replicasPerNodeGroup=2)
    assert shape(context, id_) == [3, 3]

    after = kind.update(context, id_, before, old, {**old, **change})

    assert shape(context, id_) == nodes
    assert len(after["memberClusters"]) == sum(nodes)
    assert after["configurationEndpointAddress"] == before["configurationEndpointAddress"]
    assert kind.read(context, id_, after) == after


def test_shards_that_somebody_added_are_found(scene: Scene) -> None:
    kind, context, id_, outputs, _ = group(scene)
    context.client("elasticache").modify_replication_group_shard_configuration(
        ReplicationGroupId=id_, NodeGroupCount=3, ApplyImmediately=True
    )

    found = kind.read(context, id_, outputs)

    assert found["numNodeGroups"] == 3 != outputs["numNodeGroups"]


def test_the_slots_of_a_resized_group_are_all_there(scene: Scene) -> None:
    kind, context, id_, before, old = group(scene)
    kind.update(context, id_, before, old, {**old, "numNodeGroups": 3})

    found = context.client("elasticache").describe_replication_groups(ReplicationGroupId=id_)["ReplicationGroups"][0]

    assert [shard["Slots"] for shard in found["NodeGroups"]] == ["0-5460", "5461-10921", "10922-16383"]


def datastore(scene: Scene, primary: str) -> tuple[Any, Context, str, Values]:
    return scene.make(DATASTORE, globalReplicationGroupIdSuffix=scene.unique("all"), primaryReplicationGroupId=primary)


def test_a_secondary_has_the_size_of_its_primary(scene: Scene) -> None:
    _, _, home, _, _ = group(scene, numNodeGroups=3)
    _, _, id_, outputs = datastore(scene, home)
    there = scene.context("cache", "us-west-2")
    inputs = {
        "replicationGroupId": scene.unique("far"),
        "description": "secondary",
        "globalReplicationGroupId": outputs["globalReplicationGroupId"],
        "replicasPerNodeGroup": 1,
        "automaticFailoverEnabled": True,
    }

    kind = KINDS[CACHE]
    far, made = kind.create(there, inputs)

    assert id_ == outputs["globalReplicationGroupId"]
    assert (made["nodeType"], made["numNodeGroups"]) == ("cache.r7g.large", 3)
    assert made["atRestEncryptionEnabled"]
    assert made["transitEncryptionEnabled"]
    assert shape(there, far) == [2, 2, 2]
    assert kind.read(there, far, made) == made
    assert kind.update(there, far, made, inputs, dict(inputs)) == made


def test_a_secondary_brings_no_size_of_its_own(scene: Scene) -> None:
    _, _, home, _, _ = group(scene)
    _, _, id_, _ = datastore(scene, home)
    inputs = {
        "replicationGroupId": scene.unique("far"),
        "description": "secondary",
        "globalReplicationGroupId": id_,
        "nodeType": "cache.r7g.large",
    }

    with pytest.raises(KindError, match="conflicts with nodeType"):
        KINDS[CACHE].create(scene.context("cache", "us-west-2"), inputs)


def test_a_secondary_of_nothing_is_refused(scene: Scene) -> None:
    inputs = {"replicationGroupId": scene.unique("far"), "description": "d", "globalReplicationGroupId": "ldgnf-none"}

    with pytest.raises(KindError, match="ldgnf-none does not exist"):
        KINDS[CACHE].create(scene.context("cache", "us-west-2"), inputs)


def test_small_nodes_do_not_replicate_over_regions(scene: Scene) -> None:
    _, _, home, _, _ = group(scene, nodeType="cache.t4g.small")

    for _ in range(2):  # nothing is left of the first attempt
        with pytest.raises(KindError, match="not supported for the node type"):
            KINDS[DATASTORE].create(
                scene.context("all"),
                {"globalReplicationGroupIdSuffix": "small", "primaryReplicationGroupId": home},
            )


def test_the_primary_of_a_datastore_is_not_resized_by_itself(scene: Scene) -> None:
    kind, context, id_, outputs, old = group(scene)
    store, where, global_id, made = datastore(scene, id_)

    with pytest.raises(KindError, match=f"numNodeGroups of {id_} is changed through its datastore"):
        kind.update(context, id_, outputs, old, {**old, "numNodeGroups": 2})

    assert shape(context, id_) == [2]
    store.delete(where, global_id, made)
    kind.update(context, id_, outputs, old, {**old, "numNodeGroups": 2})
    assert shape(context, id_) == [2, 2]


def regions(context: Context, secret: str) -> set[str]:
    found = context.client("secretsmanager").describe_secret(SecretId=secret)
    return {each["Region"] for each in found.get("ReplicationStatus", [])}


def test_a_secret_comes_to_other_regions_and_leaves_them_in_place(scene: Scene) -> None:
    old = {"name": scene.unique("signing"), "kmsKeyId": scene.key, "recoveryWindowInDays": 0}
    kind, context, id_, outputs = scene.make(SECRET, **old)
    context.client("secretsmanager").put_secret_value(SecretId=id_, SecretString="value")
    replicas = [{"region": region, "kmsKeyId": scene.key} for region in ("us-west-2", "eu-west-1")]
    both = {**old, "replicas": replicas}

    spread = kind.update(context, id_, outputs, old, both)

    assert regions(context, id_) == {"us-west-2", "eu-west-1"}
    assert kind.read(context, id_, spread) == spread
    copy = scene.context("", "eu-west-1").client("secretsmanager")
    assert copy.get_secret_value(SecretId=id_.replace("us-east-1", "eu-west-1"))["SecretString"] == "value"

    one = kind.update(context, id_, spread, both, {**both, "replicas": replicas[:1]})

    assert regions(context, id_) == {"us-west-2"}
    kind.delete(context, id_, one)
    assert scene.context("", "us-west-2").client("secretsmanager").list_secrets()["SecretList"] == []


def test_a_bucket_is_copied_only_when_both_keep_versions(scene: Scene) -> None:
    source, target = scene.bucket, scene.bucket
    scene.make("aws:s3/bucketVersioning:BucketVersioning", bucket=source, versioningConfiguration={"status": "Enabled"})
    rule = {"id": "a", "priority": 1, "status": "Enabled", "destination": {"bucket": f"arn:aws:s3:::{target}"}}

    with pytest.raises(KindError, match=f"must be 'Enabled' on the bucket {target}"):
        scene.make(REPLICATION, bucket=source, role=scene.role["arn"], rules=[rule])


def test_the_rules_of_a_replication_reach_s3_whole(scene: Scene) -> None:
    inputs = STORAGE[REPLICATION].inputs(scene)
    _, context, id_, _ = scene.make(REPLICATION, **inputs)

    answer = context.client("s3").get_bucket_replication(Bucket=id_)["ReplicationConfiguration"]

    (rule,) = answer["Rules"]
    assert answer["Role"] == inputs["role"]
    assert (rule["ID"], rule["Priority"]) == ("to-us-west-2", 1)
    assert rule["Destination"] == {
        "Bucket": inputs["rules"][0]["destination"]["bucket"],
        "EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:us-west-2:123456789012:key/1"},
        "Metrics": {"Status": "Enabled"},
    }
