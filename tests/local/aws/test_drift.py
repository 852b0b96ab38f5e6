"""What happens behind Pulumi's back is found."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.aws.calls import call
from infra.local.aws.kind import Context, Values
from tests.local.aws.case import Case
from tests.local.aws.cases_data import DATA, STORAGE
from tests.local.aws.cases_foundation import NETWORK
from tests.local.aws.cases_operations import MESSAGING, TELEMETRY, TRAFFIC
from tests.local.aws.cases_streams import STREAMS
from tests.local.aws.scene import Scene

DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
BUCKET = "aws:s3/bucket:Bucket"


def _make(scene: Scene, cases: Any, token: str, **more: Any) -> tuple[Any, Context, str, Values]:
    case: Case = cases[token]
    return scene.make(token, **{**case.inputs(scene), **more})


Drift = tuple[Any, str, str, Any, str, Any]
DRIFTS: list[Drift] = [
    (
        DATA,
        DATABASE,
        "rds",
        call("modify_db_instance", DBInstanceIdentifier="{identifier}", MultiAZ=False),
        "multiAz",
        False,
    ),
    (
        DATA,
        DATABASE,
        "rds",
        call("modify_db_instance", DBInstanceIdentifier="{identifier}", BackupRetentionPeriod=1),
        "backupRetentionPeriod",
        1,
    ),
    (
        DATA,
        DATABASE,
        "rds",
        call("modify_db_instance", DBInstanceIdentifier="{identifier}", DeletionProtection=True),
        "deletionProtection",
        True,
    ),
    (
        DATA,
        CACHE,
        "elasticache",
        call("modify_replication_group", ReplicationGroupId="{id}", CacheNodeType="cache.r7g.large"),
        "nodeType",
        "cache.r7g.large",
    ),
    (
        MESSAGING,
        "aws:sqs/queue:Queue",
        "sqs",
        call("set_queue_attributes", QueueUrl="{id}", Attributes={"VisibilityTimeout": "1"}),
        "visibilityTimeoutSeconds",
        1,
    ),
    (
        MESSAGING,
        "aws:sqs/queue:Queue",
        "sqs",
        call("set_queue_attributes", QueueUrl="{id}", Attributes={"RedrivePolicy": ""}),
        "redrivePolicy",
        None,
    ),
    (
        STREAMS,
        "aws:kinesis/stream:Stream",
        "kinesis",
        call("decrease_stream_retention_period", StreamName="{name}", RetentionPeriodHours=24),
        "retentionPeriod",
        24,
    ),
    (
        TELEMETRY,
        "aws:cloudwatch/logGroup:LogGroup",
        "logs",
        call("delete_retention_policy", logGroupName="{name}"),
        "retentionInDays",
        None,
    ),
    (
        STORAGE,
        "aws:s3/bucketVersioning:BucketVersioning",
        "s3",
        call("put_bucket_versioning", Bucket="{bucket}", VersioningConfiguration={"Status": "Suspended"}),
        "versioningConfiguration",
        {"status": "Suspended"},
    ),
    (
        STORAGE,
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "s3",
        call("put_public_access_block", Bucket="{bucket}", PublicAccessBlockConfiguration={"BlockPublicPolicy": True}),
        "blockPublicAcls",
        False,
    ),
]


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: f"{drift[1]}-{drift[4]}")
def test_a_change_behind_pulumis_back_is_found(drift: Drift, scene: Scene) -> None:
    cases, token, service, behind, name, now = drift
    kind, context, id_, outputs = _make(scene, cases, token)

    behind(context.client(service), {**outputs, "id": id_})

    found = kind.read(context, id_, outputs)
    assert found is not None
    assert found.get(name) == now != outputs[name]
    assert {key for key in outputs if found.get(key) != outputs[key]} == {name}


GONE: list[tuple[Any, str, str, Any]] = [
    (NETWORK, "aws:ec2/vpc:Vpc", "ec2", call("delete_vpc", VpcId="{id}")),
    (
        NETWORK,
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "ec2",
        call("revoke_security_group_ingress", GroupId="{securityGroupId}", SecurityGroupRuleIds=["{id}"]),
    ),
    (
        DATA,
        DATABASE,
        "rds",
        call("delete_db_instance", DBInstanceIdentifier="{identifier}", SkipFinalSnapshot=True),
    ),
    (DATA, CACHE, "elasticache", call("delete_replication_group", ReplicationGroupId="{id}")),
    (STORAGE, BUCKET, "s3", call("delete_bucket", Bucket="{id}")),
    (STORAGE, "aws:s3/bucketPolicy:BucketPolicy", "s3", call("delete_bucket", Bucket="{bucket}")),
    (STORAGE, "aws:s3/bucketVersioning:BucketVersioning", "s3", call("delete_bucket", Bucket="{bucket}")),
    (TRAFFIC, "aws:lb/loadBalancer:LoadBalancer", "elbv2", call("delete_load_balancer", LoadBalancerArn="{id}")),
    (MESSAGING, "aws:sqs/queuePolicy:QueuePolicy", "sqs", call("delete_queue", QueueUrl="{queueUrl}")),
    (MESSAGING, "aws:sns/topicPolicy:TopicPolicy", "sns", call("delete_topic", TopicArn="{arn}")),
]


@pytest.mark.parametrize("gone", GONE, ids=lambda gone: gone[1])
def test_an_object_deleted_behind_pulumis_back_is_gone(gone: tuple[Any, str, str, Any], scene: Scene) -> None:
    """Also when it went with what it belongs to."""
    cases, token, service, behind = gone
    kind, context, id_, outputs = _make(scene, cases, token)

    behind(context.client(service), {**outputs, "id": id_})

    assert kind.read(context, id_, outputs) is None
    kind.delete(context, id_, outputs)
