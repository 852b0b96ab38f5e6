"""Types that moto lacks: remembered, but not without rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.local.aws import KINDS, KindError
from infra.local.aws.kind import Values
from infra.local.aws.memory import MEMORY
from tests.local.aws.cases_observability import REMEMBERED
from tests.local.aws.scene import Scene, distribution

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def _entry(scene: Scene) -> Values:
    token = "aws:eks/accessEntry:AccessEntry"
    return scene.make(
        token, clusterName=scene.cluster, principalArn=f"arn:aws:iam::123456789012:role/{scene.unique()}"
    )[3]


def _association(scene: Scene) -> Values:
    entry = _entry(scene)
    return {
        "clusterName": entry["clusterName"],
        "principalArn": entry["principalArn"],
        "policyArn": ADMIN,
        "accessScope": {"type": "cluster"},
    }


DATASTORE = "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup"
"""Takes its settings from its primary, so it echoes nothing: test_replication.py."""

CASES: dict[str, Callable[[Scene], Values]] = {
    **REMEMBERED,
    "aws:elasticache/subnetGroup:SubnetGroup": lambda s: {"name": s.unique(), "subnetIds": s.subnets},
    "aws:elasticache/parameterGroup:ParameterGroup": lambda s: {"name": s.unique(), "family": "valkey8"},
    "aws:elasticache/user:User": lambda s: {
        "userId": s.unique(),
        "userName": "u",
        "engine": "valkey",
        "accessString": "on",
    },
    "aws:elasticache/userGroup:UserGroup": lambda s: {"userGroupId": s.unique(), "engine": "valkey", "userIds": ["u"]},
    "aws:eks/accessEntry:AccessEntry": lambda s: {
        "clusterName": s.cluster,
        "principalArn": f"arn:aws:iam::123456789012:role/{s.unique()}",
    },
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _association,
    "aws:eks/addon:Addon": lambda s: {"clusterName": s.cluster, "addonName": s.unique()},
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": lambda s: {
        "clusterName": s.cluster,
        "namespace": "app",
        "serviceAccount": s.unique(),
        "roleArn": s.role["arn"],
    },
    "aws:cloudfront/cachePolicy:CachePolicy": lambda s: {"name": s.unique()},
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": lambda s: {"name": s.unique()},
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": lambda s: {"name": s.unique()},
    "aws:cloudfront/monitoringSubscription:MonitoringSubscription": lambda s: {
        "distributionId": s.make("aws:cloudfront/distribution:Distribution", **distribution())[2]
    },
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": lambda s: {
        "queueUrl": s.make("aws:sqs/queue:Queue")[2],
        "redriveAllowPolicy": "{}",
    },
    "aws:backup/selection:Selection": lambda s: {"name": s.unique(), "planId": s.plan, "iamRoleArn": s.role["arn"]},
    "aws:backup/vaultNotifications:VaultNotifications": lambda s: {
        "backupVaultName": s.make("aws:backup/vault:Vault")[2],
        "snsTopicArn": s.topic,
        "backupVaultEvents": ["BACKUP_JOB_COMPLETED"],
    },
    "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination": lambda s: {
        "configurationSetName": s.make(
            "aws:sesv2/configurationSet:ConfigurationSet", configurationSetName=s.unique("mail")
        )[2],
        "eventDestinationName": "feedback",
        "eventDestination": {"matchingEventTypes": ["BOUNCE"]},
    },
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": lambda s: {"name": s.unique(), "monitorType": "DIMENSIONAL"},
    "aws:costexplorer/anomalySubscription:AnomalySubscription": lambda s: {"name": s.unique(), "frequency": "DAILY"},
    "aws:apigatewayv2/stage:Stage": lambda s: {
        "name": "$default",
        "apiId": s.make("aws:apigatewayv2/api:Api", name=s.unique("api"), protocolType="HTTP")[2],
    },
    "aws:sagemaker/model:Model": lambda s: {"name": s.unique("model")},
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": lambda s: {"name": s.unique("configuration")},
    "aws:sagemaker/endpoint:Endpoint": lambda s: {
        "name": s.unique("endpoint"),
        "endpointConfigName": s.make("aws:sagemaker/endpointConfiguration:EndpointConfiguration", name=s.unique())[2],
    },
}


def test_every_remembered_type_has_a_case() -> None:
    remembered = {token for token, kind in KINDS.items() if not kind.real}
    assert CASES.keys() == remembered - {DATASTORE}


@pytest.mark.parametrize("token", CASES)
def test_lives(token: str, scene: Scene) -> None:
    """Created, read back, changed, refused a second time, deleted, not found any more."""
    inputs = {**CASES[token](scene), "tags": {"a": "b"}}
    kind, context, id_, outputs = scene.make(token, **inputs)
    assert id_
    assert {key: outputs[key] for key in inputs} == inputs
    assert [key for key in kind.computed if key not in outputs] == []
    assert kind.read(context, id_, outputs) == outputs

    with pytest.raises(KindError, match="already exists"):
        scene.make(token, **inputs)

    changed = {**inputs, "tags": {"a": "c"}}
    after = kind.update(context, id_, outputs, inputs, changed)
    assert after["tags"] == {"a": "c"}
    assert {key: after[key] for key in kind.computed if key != "tagsAll"} == {
        key: outputs[key] for key in kind.computed if key != "tagsAll"
    }
    assert kind.read(context, id_, after) == after

    kind.delete(context, id_, after)
    assert kind.read(context, id_, after) is None
    kind.delete(context, id_, after)
    with pytest.raises(KindError, match="does not exist"):
        kind.update(context, id_, after, changed, inputs)


def test_a_replacement_has_ids_of_its_own(scene: Scene) -> None:
    kind, context = KINDS["aws:cloudfront/cachePolicy:CachePolicy"], scene.context("policy")
    first, _ = kind.create(context, {"name": "one"})
    second, _ = kind.create(context, {"name": "two"})
    assert first != second


def test_a_parent_must_exist(scene: Scene) -> None:
    with pytest.raises(KindError, match=r"EKS add-on.*describe_cluster finds nothing"):
        scene.make("aws:eks/addon:Addon", clusterName="nowhere", addonName="metrics-server")
    with pytest.raises(KindError, match="EKS access entry finds nothing"):
        scene.make(
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            clusterName=scene.cluster,
            principalArn="arn:aws:iam::123456789012:role/nobody",
            policyArn=ADMIN,
        )


def test_an_object_goes_with_its_parent(scene: Scene) -> None:
    cluster = scene.make(
        "aws:eks/cluster:Cluster",
        name=scene.unique("short"),
        roleArn=scene.role["arn"],
        vpcConfig={"subnetIds": scene.subnets},
    )[2]
    kind, context, id_, outputs = scene.make("aws:eks/addon:Addon", clusterName=cluster, addonName="metrics-server")

    scene.client("eks").delete_cluster(name=cluster)

    assert kind.read(context, id_, outputs) is None
    assert all(found != id_ for _, _, found in MEMORY.list(scene.endpoint))


def test_clouds_do_not_share_their_memory(scene: Scene) -> None:
    kind = KINDS["aws:elasticache/parameterGroup:ParameterGroup"]
    here, there = scene.context("group"), Scene("http://another.cloud").context("group")
    inputs = {"name": scene.unique(), "family": "valkey8"}
    id_, outputs = kind.create(here, inputs)
    kind.create(there, inputs)

    assert MEMORY.list(there.endpoint) == [("us-east-1", "ElastiCache parameter group", id_)]
    MEMORY.clear(there.endpoint)
    assert MEMORY.list(there.endpoint) == []
    assert kind.read(here, id_, outputs) == outputs


def test_the_engine_is_told_what_the_subnets_know(scene: Scene) -> None:
    token = "aws:elasticache/subnetGroup:SubnetGroup"
    assert scene.make(token, name=scene.unique(), subnetIds=scene.subnets)[3]["vpcId"] == scene.vpc
