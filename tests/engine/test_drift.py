"""Differences planted behind the engine's back in the 10k stack, each to be found, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.account import drift_command, drift_run
from infra.account.drift import Kind
from infra.account.drift_run import Look
from infra.errors import UserError
from infra.local import cloud as local_cloud
from infra.local.stack import LocalStack
from infra.verify.facts import Clients

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
WORLD = "0.0.0.0/0"


@dataclass
class World:
    """The 10k stack on a local cloud of its own."""

    root: Path
    stack: LocalStack
    endpoint: str

    def look(self) -> Look:
        """What `headroom drift` finds."""
        return drift_run.look(drift_run.local("10k", self.root))

    def client(self, service: str) -> Any:
        """boto3 on the local cloud."""
        return Clients(self.endpoint).get(service, REGION)

    def one(self, token: str, name: str) -> dict[str, Any]:
        """A resource of the state, by the end of its type and its logical name."""
        (found,) = (
            one
            for one in self.stack.resources()
            if one["type"].endswith(f":{token}") and one["urn"].endswith(f"::{name}")
        )
        return found

    def id(self, token: str, name: str) -> str:
        """Its id."""
        return str(self.one(token, name)["id"])

    def files(self) -> dict[str, bytes]:
        """Every file of the state, history and locks included."""
        return {str(path): path.read_bytes() for path in (self.root / ".headroom/state").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("drift")
    for name in ("Pulumi.yaml", "Pulumi.10k.yaml"):
        shutil.copy(ROOT / name, root / name)
    cloud, _ = local_cloud.start(root)
    stack = LocalStack("10k", root=root)
    stack.up()
    yield World(root, stack, cloud.endpoint)
    local_cloud.stop(root)


Plant = Callable[[World], None]
PLANTS: list[tuple[Kind, str, str, str, Plant]] = []
"""Kind, type, resource, property, and what somebody did."""


def planted(kind: Kind, token: str, name: str, what: str = "") -> Callable[[Plant], Plant]:
    """Something that somebody does, and what is to be said of it."""

    def add(plant: Plant) -> Plant:
        PLANTS.append((kind, token, name, what, plant))
        return plant

    return add


@planted(Kind.DELETED, "MetricAlarm", "us-east-1-lb-errors")
def _an_alarm_is_deleted(world: World) -> None:
    world.client("cloudwatch").delete_alarms(AlarmNames=[world.id("MetricAlarm", "us-east-1-lb-errors")])


@planted(Kind.DELETED, "LogGroup", "us-east-1-logs-debug")
def _a_log_group_is_deleted(world: World) -> None:
    world.client("logs").delete_log_group(logGroupName=world.id("LogGroup", "us-east-1-logs-debug"))


@planted(Kind.DELETED, "RolePolicyAttachment", "us-east-1-backup-restore")
def _a_policy_is_detached(world: World) -> None:
    inputs = world.one("RolePolicyAttachment", "us-east-1-backup-restore")["inputs"]
    world.client("iam").detach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])


@planted(Kind.DELETED, "SecurityGroupIngressRule", "us-east-1-valkey-pods")
def _a_rule_is_revoked(world: World) -> None:
    rule = world.one("SecurityGroupIngressRule", "us-east-1-valkey-pods")
    group = rule["inputs"]["securityGroupId"]
    world.client("ec2").revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["id"]])


@planted(Kind.DELETED, "Route", "us-east-1-network-private-b")
def _a_route_is_deleted(world: World) -> None:
    table = world.one("Route", "us-east-1-network-private-b")["inputs"]["routeTableId"]
    world.client("ec2").delete_route(RouteTableId=table, DestinationCidrBlock=WORLD)


@planted(Kind.OPENED, "BucketPublicAccessBlock", "us-east-1-uploads")
def _a_public_access_block_is_lifted(world: World) -> None:
    world.client("s3").delete_public_access_block(Bucket=world.id("Bucket", "us-east-1-uploads"))


@planted(Kind.OPENED, "BucketPublicAccessBlock", "us-east-1-exports", "restrictPublicBuckets")
def _a_public_access_block_is_weakened(world: World) -> None:
    block = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True}
    world.client("s3").put_public_access_block(
        Bucket=world.id("Bucket", "us-east-1-exports"),
        PublicAccessBlockConfiguration={**block, "RestrictPublicBuckets": False},
    )


@planted(Kind.OPENED, "BucketPolicy", "cdn-assets", "policy")
def _a_bucket_is_opened_by_policy(world: World) -> None:
    policy = world.one("BucketPolicy", "cdn-assets")["inputs"]
    document = json.loads(policy["policy"])
    document["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{policy['bucket']}/*",
        }
    )
    world.client("s3").put_bucket_policy(Bucket=policy["bucket"], Policy=json.dumps(document))


@planted(Kind.OPENED, "Instance", "us-east-1-db-0-primary", "publiclyAccessible")
def _a_database_is_made_public(world: World) -> None:
    _change_database(world, PubliclyAccessible=True)


@planted(Kind.OPENED, "SecurityGroup", "us-east-1-db-0", "a rule of nobody")
def _a_group_is_opened_to_the_world(world: World) -> None:
    world.client("ec2").authorize_security_group_ingress(
        GroupId=world.id("SecurityGroup", "us-east-1-db-0"),
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": WORLD}]}],
    )


@planted(Kind.UNMANAGED, "SecurityGroup", "us-east-1-valkey", "a rule of nobody")
def _a_rule_is_added_by_hand(world: World) -> None:
    world.client("ec2").authorize_security_group_ingress(
        GroupId=world.id("SecurityGroup", "us-east-1-valkey"),
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.9.0.0/16"}]}],
    )


@planted(Kind.UNMANAGED, "DefaultSecurityGroup", "us-east-1-network", "a rule of nobody")
def _the_default_group_lets_out_again(world: World) -> None:
    world.client("ec2").authorize_security_group_egress(
        GroupId=world.id("DefaultSecurityGroup", "us-east-1-network"),
        IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": WORLD}]}],
    )


@planted(Kind.CHANGED, "SecurityGroupIngressRule", "us-east-1-lb-cloudfront", "rule")
def _a_rule_takes_more_ports(world: World) -> None:
    rule = world.one("SecurityGroupIngressRule", "us-east-1-lb-cloudfront")
    wider = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 443, "PrefixListId": rule["inputs"]["prefixListId"]}
    world.client("ec2").modify_security_group_rules(
        GroupId=rule["inputs"]["securityGroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": rule["id"], "SecurityGroupRule": wider}],
    )


@planted(Kind.CHANGED, "Instance", "us-east-1-db-0-primary", "backupRetentionPeriod")
def _backups_are_kept_for_a_day(world: World) -> None:
    _change_database(world, BackupRetentionPeriod=1)


def _change_database(world: World, **changes: Any) -> None:
    identifier = world.one("Instance", "us-east-1-db-0-primary")["inputs"]["identifier"]
    world.client("rds").modify_db_instance(DBInstanceIdentifier=identifier, ApplyImmediately=True, **changes)


@planted(Kind.CHANGED, "ReplicationGroup", "us-east-1-valkey-state", "nodeType")
def _a_cache_gets_another_class(world: World) -> None:
    world.client("elasticache").modify_replication_group(
        ReplicationGroupId=world.id("ReplicationGroup", "us-east-1-valkey-state"), CacheNodeType="cache.r7g.large"
    )


@planted(Kind.CHANGED, "Queue", "us-east-1-queues-email", "visibilityTimeoutSeconds")
def _a_queue_is_changed(world: World) -> None:
    url = world.id("Queue", "us-east-1-queues-email")
    # Moto drops a queue's policy when anything else of it changes; AWS does not.
    policy = world.one("QueuePolicy", "us-east-1-queues-email")["inputs"]["policy"]
    attributes = {"VisibilityTimeout": "1", "Policy": policy}
    world.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)


@planted(Kind.CHANGED, "LogGroup", "us-east-1-logs-error", "retentionInDays")
def _logs_are_kept_for_a_day(world: World) -> None:
    world.client("logs").put_retention_policy(
        logGroupName=world.id("LogGroup", "us-east-1-logs-error"), retentionInDays=1
    )


@planted(Kind.CHANGED, "BucketVersioning", "us-east-1-uploads", "versioningConfiguration.status")
def _versioning_is_suspended(world: World) -> None:
    world.client("s3").put_bucket_versioning(
        Bucket=world.id("Bucket", "us-east-1-uploads"), VersioningConfiguration={"Status": "Suspended"}
    )


@planted(Kind.CHANGED, "HealthCheck", "uptime", "resourcePath")
def _a_health_check_looks_elsewhere(world: World) -> None:
    world.client("route53").update_health_check(HealthCheckId=world.id("HealthCheck", "uptime"), ResourcePath="/")


@planted(Kind.CHANGED, "Repository", "us-east-1-registry", "imageTagMutability")
def _image_tags_can_be_moved(world: World) -> None:
    world.client("ecr").put_image_tag_mutability(
        repositoryName=world.id("Repository", "us-east-1-registry"), imageTagMutability="MUTABLE"
    )


@planted(Kind.UNTAGGED, "Bucket", "us-east-1-exports", "tags")
def _a_bucket_loses_its_tags(world: World) -> None:
    world.client("s3").delete_bucket_tagging(Bucket=world.id("Bucket", "us-east-1-exports"))


@planted(Kind.UNTAGGED, "Key", "us-east-1-keys-data", "tags")
def _a_key_loses_its_name_tag(world: World) -> None:
    world.client("kms").untag_resource(KeyId=world.id("Key", "us-east-1-keys-data"), TagKeys=["Urn"])


@planted(Kind.UNTAGGED, "Queue", "us-east-1-queues-leads", "tags")
def _a_queue_loses_its_name_tag(world: World) -> None:
    world.client("sqs").untag_queue(QueueUrl=world.id("Queue", "us-east-1-queues-leads"), TagKeys=["Urn"])


def test_a_stack_that_nobody_touched_has_no_drift_and_keeps_every_promise(world: World) -> None:
    found = world.look()
    assert (found.drifts, found.broken, found.facts) == ((), (), ())
    assert found.resources > 300


def test_every_planted_difference_is_found_and_nothing_else(world: World) -> None:
    for *_, plant in PLANTS:
        plant(world)
    before = world.files()

    found = world.look()

    said = sorted((one.kind, one.type.rpartition(":")[2], one.name, one.what) for one in found.drifts)
    expected = sorted((kind, token, name, what) for kind, token, name, what, _ in PLANTS)
    assert [one for one in expected if one not in said] == [], "not found"
    assert [one for one in said if one not in expected] == [], "false alarms"
    assert len(said) == len(expected) >= 20
    assert world.files() == before, "looking has changed the state"


def test_the_policy_pack_and_the_phase_are_asked_too(world: World) -> None:
    """The differences of the test before are still there."""
    found = world.look()
    assert {"rds-private", "rds-backups-kept"} <= {one.rule.id for one in found.broken}
    assert any("backups" in one.fact.what for one in found.facts)


def test_the_command_reports_both_values_and_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.config.ROOT", world.root)
    answer = CliRunner().invoke(drift_command.command, ["10k", "--local", "--json"])
    assert answer.exit_code == 1
    shown = json.loads(answer.stdout)
    assert shown["drifted"]
    database = next(one for one in shown["drifts"] if one["property"] == "backupRetentionPeriod")
    assert (database["before"], database["after"], database["kind"]) == ("30", "1", "changed")
    rule = next(one for one in shown["drifts"] if one["name"] == "us-east-1-db-0" and one["kind"] == Kind.OPENED)
    assert rule["after"] == "tcp 5432 from 0.0.0.0/0"


def test_a_stack_that_is_not_up_is_a_word_and_no_traceback(world: World) -> None:
    shutil.copy(ROOT / "Pulumi.50k.yaml", world.root / "Pulumi.50k.yaml")
    with pytest.raises(UserError, match="not on the local cloud"):
        drift_run.local("50k", world.root)
