"""What AWS does and the table cannot say: drift, protection, refusals, order."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.aws import KINDS, KindError
from infra.local.aws.kind import Context, Values
from tests.local.aws.case import Case
from tests.local.aws.cases_data import DATA
from tests.local.aws.cases_operations import TRAFFIC
from tests.local.aws.scene import Scene, distribution, web_acl

DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
BUCKET = "aws:s3/bucket:Bucket"
RECORD = "aws:route53/record:Record"


def _make(scene: Scene, cases: Any, token: str, **more: Any) -> tuple[Any, Context, str, Values]:
    case: Case = cases[token]
    return scene.make(token, **{**case.inputs(scene), **more})


def test_a_protected_database_is_not_deleted(scene: Scene) -> None:
    kind, context, id_, outputs = _make(scene, DATA, DATABASE, deletionProtection=True)
    with pytest.raises(ClientError, match="Cannot delete protected DB Instance"):
        kind.delete(context, id_, outputs)


def test_a_database_leaves_a_final_snapshot_unless_told_not_to(scene: Scene) -> None:
    kind, context, id_, outputs = _make(scene, DATA, DATABASE, skipFinalSnapshot=False)
    with pytest.raises(KindError, match="finalSnapshotIdentifier is required"):
        kind.delete(context, id_, outputs)

    name = scene.unique("final")
    kind.delete(context, id_, {**outputs, "finalSnapshotIdentifier": name})
    found = context.client("rds").describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
    assert found[0]["DBInstanceIdentifier"] == outputs["identifier"]


def test_storage_does_not_shrink(scene: Scene) -> None:
    old = DATA[DATABASE].inputs(scene)
    kind, context, id_, outputs = scene.make(DATABASE, **old)
    with pytest.raises(KindError, match="cannot shrink allocated storage from 100 to 50 GiB"):
        kind.update(context, id_, outputs, old, {**old, "allocatedStorage": 50})


def test_a_replica_stands_on_its_own_settings(scene: Scene) -> None:
    """In another region too, and its deletion leaves the primary as it was."""
    kind, context, id_, primary = _make(scene, DATA, DATABASE, deletionProtection=True)
    there = scene.context("reader", "eu-west-1")
    inputs = {
        "identifier": scene.unique("reader"),
        "replicateSourceDb": primary["arn"],
        "instanceClass": "db.m7g.large",
        "skipFinalSnapshot": True,
    }
    reader_id, reader = kind.create(there, inputs)

    assert reader["multiAz"] is False
    assert reader["deletionProtection"] is False
    assert reader["resourceId"] != primary["resourceId"]
    assert kind.read(there, reader_id, reader) == reader
    assert kind.read(context, id_, primary) == primary
    kind.delete(there, reader_id, reader)
    assert kind.read(there, reader_id, reader) is None
    assert kind.read(context, id_, primary) == primary


def test_a_replica_without_source_is_promoted(scene: Scene) -> None:
    _, _, primary_id, primary = _make(scene, DATA, DATABASE)
    old = {"identifier": scene.unique("r"), "replicateSourceDb": primary["identifier"], "instanceClass": "db.m7g.large"}
    kind, context, id_, outputs = scene.make(DATABASE, **old)

    kind.update(context, id_, outputs, old, {key: value for key, value in old.items() if key != "replicateSourceDb"})

    # moto keeps the source's name, but a database that is no replica any more can be deleted without it.
    kind.delete(context, primary_id, primary)
    kind.delete(context, id_, outputs | {"skipFinalSnapshot": True})
    assert kind.read(context, id_, outputs) is None


def test_a_deleted_name_is_free_again(scene: Scene) -> None:
    inputs = DATA[CACHE].inputs(scene)
    kind, context, id_, outputs = scene.make(CACHE, **inputs)
    kind.delete(context, id_, outputs)
    assert scene.make(CACHE, **inputs)[2] == id_


def test_a_full_bucket_stays_unless_forced(scene: Scene) -> None:
    kind, context, id_, outputs = scene.make(BUCKET, bucket=scene.unique("full"))
    context.client("s3").put_object(Bucket=id_, Key="a", Body=b"1")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        kind.delete(context, id_, outputs)

    kind.delete(context, id_, {**outputs, "forceDestroy": True})
    assert kind.read(context, id_, outputs) is None


@pytest.mark.parametrize(
    ("token", "protection"),
    [
        ("aws:eks/cluster:Cluster", "deletionProtection"),
        ("aws:lb/loadBalancer:LoadBalancer", "enableDeletionProtection"),
    ],
)
def test_protection_that_moto_forgets_counts_all_the_same(token: str, protection: str, scene: Scene) -> None:
    kind, context, id_, outputs = _make(scene, {**DATA, **TRAFFIC}, token, **{protection: True})
    with pytest.raises(KindError, match="is protected"):
        kind.delete(context, id_, outputs)
    assert kind.read(context, id_, outputs) == outputs


def test_a_cluster_has_a_security_group_that_rules_can_name(scene: Scene) -> None:
    context, outputs = _make(scene, DATA, "aws:eks/cluster:Cluster")[1::2]
    group = outputs["vpcConfig"]["clusterSecurityGroupId"]
    scene.make(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        securityGroupId=scene.group,
        ipProtocol="tcp",
        fromPort=5432,
        toPort=5432,
        referencedSecurityGroupId=group,
    )
    assert KINDS["aws:ec2/securityGroup:SecurityGroup"].read(context, group, {}) is not None


def test_a_secret_with_a_window_of_zero_days_frees_its_name(scene: Scene) -> None:
    token, name = "aws:secretsmanager/secret:Secret", scene.unique("secret")
    kind, context, id_, outputs = scene.make(token, name=name, recoveryWindowInDays=0)
    kind.delete(context, id_, outputs)
    kind, context, id_, outputs = scene.make(token, name=name, recoveryWindowInDays=7)
    kind.delete(context, id_, outputs)
    with pytest.raises(ClientError, match="ResourceExists"):
        scene.make(token, name=name)


def test_a_rotation_keeps_the_secrets_value(scene: Scene) -> None:
    secret = scene.secret
    scene.make(
        "aws:secretsmanager/secretRotation:SecretRotation",
        secretId=secret,
        rotationLambdaArn=scene.function["arn"],
        rotationRules={"automaticallyAfterDays": 30},
    )
    assert scene.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "first-value"


def test_a_new_security_group_lets_nothing_out(scene: Scene) -> None:
    found = scene.client("ec2").describe_security_groups(GroupIds=[scene.group])["SecurityGroups"][0]
    assert found["IpPermissionsEgress"] == found["IpPermissions"] == []


def test_a_default_security_group_is_emptied(scene: Scene) -> None:
    vpc = scene.make("aws:ec2/vpc:Vpc", cidrBlock="10.3.0.0/16")[3]
    group = scene.make("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", vpcId=vpc["arn"].split("/")[1])[2]
    assert group == vpc["defaultSecurityGroupId"]
    found = scene.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert found["IpPermissionsEgress"] == found["IpPermissions"] == []


def test_a_record_goes_alone(scene: Scene) -> None:
    """Although moto would take every record with the same set identifier along."""
    zone = scene.make("aws:route53/zone:Zone", name="alone.example")[2]
    same = {
        "zoneId": zone,
        "ttl": 60,
        "setIdentifier": "us-east-1",
        "latencyRoutingPolicies": [{"region": "us-east-1"}],
    }
    kind, context, first, outputs = scene.make(RECORD, name="a", type="A", records=["192.0.2.1"], **same)
    _, _, second, others = scene.make(RECORD, name="b", type="A", records=["192.0.2.2"], **same)

    kind.delete(context, first, outputs)

    assert kind.read(context, first, outputs) is None
    assert kind.read(context, second, others) == others


def test_a_record_that_is_there_is_not_taken_over(scene: Scene) -> None:
    inputs = {"zoneId": scene.zone, "name": "taken", "type": "TXT", "ttl": 60, "records": ["hello"]}
    outputs = scene.make(RECORD, **inputs)[3]
    assert outputs["fqdn"] == "taken.example.com"
    with pytest.raises(KindError, match=r"taken\.example\.com TXT already exists"):
        scene.make(RECORD, **inputs)
    scene.make(RECORD, **inputs, allowOverwrite=True)


def test_a_zone_with_records_stays_unless_forced(scene: Scene) -> None:
    kind, context, id_, outputs = scene.make("aws:route53/zone:Zone", name="full.example")
    scene.make(RECORD, zoneId=id_, name="a", type="A", ttl=60, records=["192.0.2.1"])
    with pytest.raises(ClientError, match="HostedZoneNotEmpty"):
        kind.delete(context, id_, outputs)
    kind.delete(context, id_, {**outputs, "forceDestroy": True})
    assert kind.read(context, id_, outputs) is None


def test_a_distribution_reaches_aws_as_it_was_written(scene: Scene) -> None:
    id_ = scene.make("aws:cloudfront/distribution:Distribution", **distribution(httpVersion="http2and3"))[2]
    found = scene.client("cloudfront").get_distribution_config(Id=id_)["DistributionConfig"]
    assert found["HttpVersion"] == "http2and3"
    assert [origin["Id"] for origin in found["Origins"]["Items"]] == ["assets", "api"]
    assert found["Origins"]["Items"][1]["CustomHeaders"]["Items"] == [{"HeaderName": "X-Origin", "HeaderValue": "v"}]
    assert found["CacheBehaviors"]["Items"][0]["AllowedMethods"]["CachedMethods"]["Items"] == ["GET", "HEAD"]
    assert found["Restrictions"]["GeoRestriction"]["Items"] == ["US", "DE"]


def test_rules_as_json_are_the_same_rules(scene: Scene) -> None:
    token, written = "aws:wafv2/webAcl:WebAcl", web_acl("REGIONAL")
    plain = scene.make(token, **written)
    rules = scene.client("wafv2").get_web_acl(Name=plain[3]["name"], Scope="REGIONAL", Id=plain[2])["WebACL"]["Rules"]
    given = {key: value for key, value in written.items() if key != "rules"}
    again = scene.make(token, **given, ruleJson=json.dumps(rules))
    found = scene.client("wafv2").get_web_acl(Name=again[3]["name"], Scope="REGIONAL", Id=again[2])["WebACL"]["Rules"]
    assert found == rules
    assert [rule["Name"] for rule in rules] == ["common", "rate"]


def test_a_web_acl_for_cloudfront_lives_in_us_east_1(scene: Scene) -> None:
    with pytest.raises(KindError, match="us-east-1 only, not in eu-west-1"):
        KINDS["aws:wafv2/webAcl:WebAcl"].create(scene.context("acl", "eu-west-1"), web_acl("CLOUDFRONT"))


def test_what_is_in_use_is_not_deleted(scene: Scene) -> None:
    group = scene.make("aws:lb/targetGroup:TargetGroup", port=80, protocol="HTTP", targetType="ip", vpcId=scene.vpc)
    scene.make(
        "aws:lb/listenerRule:ListenerRule",
        listenerArn=scene.listener,
        actions=[{"type": "forward", "targetGroupArn": group[2]}],
        conditions=[{"hostHeader": {"values": ["in-use.example.com"]}}],
    )
    kind, context, id_, outputs = group
    with pytest.raises(ClientError, match="ResourceInUse"):
        kind.delete(context, id_, outputs)


def test_a_region_is_a_place_of_its_own(scene: Scene) -> None:
    kind, here, there = KINDS["aws:sqs/queue:Queue"], scene.context("q"), scene.context("q", "eu-west-1")
    id_, outputs = kind.create(there, {"name": scene.unique("q")})
    assert ":eu-west-1:" in outputs["arn"]
    assert outputs["region"] == "eu-west-1"
    kind, here, id_, outputs = scene.make("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    assert kind.read(there, id_, outputs) is None
    assert kind.read(here, id_, outputs) == outputs


def test_parallel_creations_do_not_disturb_each_other(scene: Scene) -> None:
    kind = KINDS["aws:sns/topic:Topic"]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda number: kind.create(scene.context(f"t{number}"), {}), range(64)))
    assert len({id_ for id_, _ in made}) == 64


def test_clients_are_made_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert scene.context("a").client("sqs") is scene.context("b").client("sqs")
    assert isinstance(scene.client("sqs"), type(scene.client("sqs")))
    assert boto3.DEFAULT_SESSION is None
