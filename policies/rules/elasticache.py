"""Caches: encrypted, with a password, over two zones, and kept where they hold what cannot be lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.related import watched
from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack, UndecidedError

RULES = Rules()
GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
GLOBAL_GROUP = "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup"
PARAMETERS = "aws:elasticache/parameterGroup:ParameterGroup"
USER = "aws:elasticache/user:User"

METRICS: Final = ("DatabaseMemoryUsagePercentage", "EngineCPUUtilization")
"""What a shard runs out of."""
MOST_SHARDS: Final = 500


@RULES.on(
    GROUP,
    id="elasticache-encrypted-at-rest",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every cache is encrypted at rest.",
    remedy="set atRestEncryptionEnabled to true; it is fixed at creation",
    frameworks=("FSBP ElastiCache.4", "Checkov CKV_AWS_29", "cdk-nag AwsSolutions-AEC3"),
)
def encrypted_at_rest(one: Resource) -> Iterator[str]:
    """A member of a datastore takes it from the datastore's primary, and may not say it itself."""
    if not one.has("globalReplicationGroupId") and one.get("atRestEncryptionEnabled") is not True:
        yield "it is not encrypted at rest"


@RULES.on(
    GROUP,
    id="elasticache-own-key",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every cache is encrypted with a key of the account's own.",
    remedy="set kmsKeyId to a key; it is fixed at creation",
    frameworks=("Checkov CKV_AWS_191",),
)
def own_key(one: Resource) -> Iterator[str]:
    """Each member of a datastore has a key of its own region."""
    if not one.has("kmsKeyId"):
        yield "it is encrypted with the service's key"


@RULES.on(
    GROUP,
    id="elasticache-encrypted-in-transit",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every cache is reached over TLS only.",
    remedy="set transitEncryptionEnabled to true and transitEncryptionMode to required",
    frameworks=("FSBP ElastiCache.5", "Checkov CKV_AWS_30", "cdk-nag AwsSolutions-AEC3"),
)
def encrypted_in_transit(one: Resource) -> Iterator[str]:
    """`preferred` is for the days of a migration. A member of a datastore takes both from the datastore's primary."""
    if one.has("globalReplicationGroupId"):
        return
    if one.get("transitEncryptionEnabled") is not True:
        yield "it is not reached over TLS"
    elif one.get("transitEncryptionMode") == "preferred":
        yield "it takes connections without TLS too"


@RULES.on(
    GROUP,
    id="elasticache-authenticated",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every cache asks who connects.",
    remedy="set userGroupIds to a user group, or authToken",
    frameworks=("FSBP ElastiCache.6", "Checkov CKV_AWS_31", "cdk-nag AwsSolutions-AEC6"),
)
def authenticated(one: Resource) -> Iterator[str]:
    """Users before a token: a token is one for everybody, and may do everything."""
    if not one.has("userGroupIds") and not one.has("authToken"):
        yield "whoever reaches it may read it"


@RULES.on(
    USER,
    id="elasticache-user-password",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No user of a cache may connect without a password or a token.",
    remedy="set authenticationMode to password or iam",
)
def user_password(one: Resource) -> Iterator[str]:
    """A user group with such a user asks nobody."""
    if one.get("authenticationMode.type") == "no-password-required" or one.get("noPasswordRequired") is True:
        yield "the user needs no password"


@RULES.on(
    GROUP,
    id="elasticache-two-zones",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Each shard of a cache has a replica in another zone that takes over by itself.",
    remedy="set automaticFailoverEnabled and multiAzEnabled to true, and replicasPerNodeGroup to 1 or more",
    frameworks=("FSBP ElastiCache.3", "Checkov CKV2_AWS_50", "cdk-nag AwsSolutions-AEC4"),
)
def two_zones(one: Resource) -> Iterator[str]:
    """Two nodes are numbered by shard or by group."""
    if one.get("automaticFailoverEnabled") is not True:
        yield "no replica takes over by itself"
    elif one.get("multiAzEnabled") is not True:
        yield "its nodes may all stand in one zone"
    elif one.number("replicasPerNodeGroup") < 1 and one.number("numCacheClusters") < 2:  # noqa: PLR2004 one and a spare
        yield "it has no replica"


@RULES.on(
    GROUP,
    id="elasticache-minor-upgrades",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every cache takes minor versions by itself.",
    remedy="set autoMinorVersionUpgrade to true",
    frameworks=("FSBP ElastiCache.2",),
)
def minor_upgrades(one: Resource) -> Iterator[str]:
    """On without the input. The provider takes a text too."""
    if str(one.get("autoMinorVersionUpgrade", default=True)).lower() != "true":
        yield "it takes no minor versions, nor the mends in them"


@RULES.on(
    GROUP,
    id="elasticache-own-subnets",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every cache stands in subnets that the stack chose.",
    remedy="set subnetGroupName to a SubnetGroup of the data subnets; it is fixed at creation",
    frameworks=("FSBP ElastiCache.7", "Checkov CKV_AWS_323"),
)
def own_subnets(one: Resource) -> Iterator[str]:
    """Without one it stands in the account's default VPC, whose subnets are public."""
    if one.get("subnetGroupName", default="default") == "default":
        yield "it stands in the default subnets"


@RULES.between(
    GROUP,
    id="elasticache-snapshots-kept",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A cache that may not lose anything has snapshots.",
    remedy="set snapshotRetentionLimit to 1 or more",
    frameworks=("FSBP ElastiCache.1",),
)
def snapshots_kept(one: Resource, stack: Stack) -> Iterator[str]:
    """What its parameters let it evict (`allkeys-*`) can be had again; a member evicts as its primary does."""
    if not _evicts(one, stack) and one.number("snapshotRetentionLimit") < 1:
        yield "it evicts nothing, and has no snapshots"


def _evicts(one: Resource, stack: Stack) -> bool:
    groups = [it for it in stack.behind(one, "parameterGroupName") if it.type == PARAMETERS]
    for store in stack.behind(one, "globalReplicationGroupId"):
        for primary in stack.behind(store, "primaryReplicationGroupId"):
            groups += [it for it in stack.behind(primary, "parameterGroupName") if it.type == PARAMETERS]
    policies = {str(it.get("value")) for group in groups for it in group.items("parameters") if _says_policy(it)}
    return any(policy.startswith("allkeys-") for policy in policies)


def _says_policy(parameter: Resource) -> bool:
    return bool(parameter.get("name") == "maxmemory-policy")


@RULES.between(
    GROUP,
    id="elasticache-alarms",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Alarms watch memory and processor of each shard of every cache.",
    remedy="create a MetricAlarm in the cache's region for each metric and shard, over the CacheClusterId of its nodes",
)
def alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """Nodes are `{group}-{shard:04}-{node:03}`; a member of a datastore does not say how many shards it has."""
    found = {
        (metric, node.partition("-")[0])
        for metric, node in watched(one, "replicationGroupId", stack, "CacheClusterId", "-")
    }
    if any(not shard for _, shard in found):
        path = "replicationGroupId"
        raise UndecidedError(path)
    shards = {f"{shard + 1:04}" for shard in range(min(int(one.number("numNodeGroups")), MOST_SHARDS))}
    missing = [
        metric
        for metric in METRICS
        if not (there := {shard for name, shard in found if name == metric}) or not shards <= there
    ]
    if missing:
        yield f"no alarm watches {' and '.join(missing)} of each shard"
