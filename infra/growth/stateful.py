"""What holds data, or what data cannot be reached or read without: never replaced, never deleted by growing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

REASONS: Final[Mapping[str, str]] = {
    "aws:amp/workspace:Workspace": "the metrics of 150 days",
    "aws:backup/vault:Vault": "the recovery points",
    "aws:dynamodb/table:Table": "its items",
    "aws:ec2/securityGroup:SecurityGroup": "database, caches and load balancer are reached through it",
    "aws:ec2/subnet:Subnet": "databases and caches stand in it, and cannot move",
    "aws:ec2/vpc:Vpc": "everything stands in it, and nothing can move",
    "aws:ecr/repository:Repository": "the images that run, and those to go back to",
    "aws:efs/fileSystem:FileSystem": "its files",
    "aws:eks/cluster:Cluster": "everything that runs, and every object in its API",
    "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup": "keeps the regions' caches alike",
    "aws:elasticache/replicationGroup:ReplicationGroup": "sessions, revocations, and what spares the database",
    "aws:elasticache/subnetGroup:SubnetGroup": "a replication group cannot move to another",
    "aws:elasticache/userGroup:UserGroup": "the pods' way into the caches",
    "aws:grafana/workspace:Workspace": "dashboards that people made",
    "aws:iam/role:Role": "a cluster's role is fixed at its creation",
    "aws:kinesis/stream:Stream": "events that nobody has read yet",
    "aws:kms/key:Key": "nothing that it encrypted can be read without it",
    "aws:kms/replicaKey:ReplicaKey": "nothing that it encrypted can be read without it",
    "aws:lb/loadBalancer:LoadBalancer": "its name is in the DNS that users have cached",
    "aws:opensearch/domain:Domain": "the index",
    "aws:rds/instance:Instance": "the users' data",
    "aws:rds/subnetGroup:SubnetGroup": "an instance cannot move to another",
    "aws:route53/zone:Zone": "its name servers are delegated to",
    "aws:s3/bucket:Bucket": "its objects",
    "aws:secretsmanager/secret:Secret": "passwords that are in use",
    "aws:sqs/queue:Queue": "messages that nobody has handled yet",
}
"""Each type with what it holds."""

STATEFUL: Final = frozenset(REASONS)
"""The types alone."""

CLUSTER_SERVICES: Final = ("eks.amazonaws.com", "ec2.amazonaws.com")
"""Who takes on the roles of a cluster and of its nodes."""


def rebuildable(token: str, inputs: Mapping[str, Any]) -> str:
    """Why this one resource of a stateful type can be built again without loss; empty when it cannot.

    A read replica is a copy of its primary; roles other than a cluster's hold nothing.
    """
    if token == "aws:rds/instance:Instance" and "replicateSourceDb" in inputs:  # noqa: S105 - a type
        return "a replica is a copy, and can be made again"
    trusted = str(inputs.get("assumeRolePolicy"))
    if token == "aws:iam/role:Role" and not any(f'"{service}"' in trusted for service in CLUSTER_SERVICES):  # noqa: S105
        return "only a cluster's roles are fixed at its creation"
    return ""


def holds_data(token: str, inputs: Mapping[str, Any], *, protect: bool) -> bool:
    """Whether losing the resource loses something: what the program protects counts too, whatever its type."""
    return protect or (token in STATEFUL and not rebuildable(token, inputs))
