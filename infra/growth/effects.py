"""What a change in place means while AWS makes it: a table of types and inputs, with the seconds of no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.local.diff import Change

DATABASE: Final = "aws:rds/instance:Instance"
CACHE: Final = "aws:elasticache/replicationGroup:ReplicationGroup"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
_RDS_CHANGES: Final = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html"
_RDS_IMPACT: Final = "https://repost.aws/knowledge-center/rds-performance-impact"
_RDS_STORAGE: Final = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.StorageTypes.html"
_CACHE_NODES: Final = "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/scaling-redis-cluster-mode-enabled.html"
_CACHE_REPLICAS: Final = "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/increase-replica-count.html"
_SEARCH: Final = (
    "https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-configuration-changes.html"
)
_ROLLOUT: Final = "https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment"
_CLUSTER: Final = "https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one changed input means.

    Attributes:
        meaning: `in place`, or what else happens; a few words.
        downtime_seconds: how long nothing answers; 0 when somebody always does.
        source: where AWS says so; empty where nothing is known to happen.
    """

    meaning: str
    downtime_seconds: int = 0
    source: str = ""


IN_PLACE: Final = Effect("in place")
Rule = Callable[[Mapping[str, Any], Mapping[str, Any]], Effect]

FAILOVER: Final = Effect("failover to the standby", 120, _RDS_IMPACT)
"""60 to 120 seconds, typically; the longer one counts."""
RESTART: Final = Effect("restart", 600, _RDS_IMPACT)
"""Single-AZ: the old host stops before the new one starts and recovers. 10 minutes is an estimate; AWS names none."""
READER_RESTART: Final = Effect("restart of a reader; the others and the primary answer", 0, _RDS_IMPACT)


def _class(old: Mapping[str, Any], new: Mapping[str, Any]) -> Effect:
    if "replicateSourceDb" in new:
        return READER_RESTART
    return FAILOVER if old.get("multiAz") else RESTART


def _storage(old: Mapping[str, Any], new: Mapping[str, Any]) -> Effect:
    """From 400 GiB on the volume is striped, which is another layout."""
    striped = 400
    before, after = old.get("allocatedStorage"), new.get("allocatedStorage")
    crosses = isinstance(before, int) and isinstance(after, int) and before < striped <= after
    layout = ", to a striped volume" if crosses else ""
    return Effect(f"hours of storage optimisation{layout}; no other change of storage for 6 hours", 0, _RDS_STORAGE)


def _backups(old: Mapping[str, Any], new: Mapping[str, Any]) -> Effect:
    if bool(old.get("backupRetentionPeriod")) == bool(new.get("backupRetentionPeriod")):
        return IN_PLACE
    return Effect("restart, as backups are switched", _class(old, new).downtime_seconds, _RDS_CHANGES)


def _version(old: Mapping[str, Any], new: Mapping[str, Any]) -> Effect:
    major = str(old.get("engineVersion")).partition(".")[0] != str(new.get("engineVersion")).partition(".")[0]
    return Effect("upgrade, with a restart", 900 if major else 120, _RDS_CHANGES)


def _always(meaning: str, source: str, seconds: int = 0) -> Rule:
    return lambda _old, _new: Effect(meaning, seconds, source)


RULES: Final[Mapping[tuple[str, str], Rule]] = {
    (DATABASE, "instanceClass"): _class,
    (DATABASE, "allocatedStorage"): _storage,
    (DATABASE, "iops"): _storage,
    (DATABASE, "storageThroughput"): _storage,
    (DATABASE, "storageType"): _storage,
    (DATABASE, "multiAz"): _always("a standby is made from a snapshot; slower writes meanwhile", _RDS_IMPACT),
    (DATABASE, "backupRetentionPeriod"): _backups,
    (DATABASE, "engineVersion"): _version,
    (DATABASE, "parameterGroupName"): _always("static parameters wait for a restart", _RDS_CHANGES),
    (DATABASE, "replicateSourceDb"): _always(
        "promotion: the replica leaves its primary and restarts", _RDS_CHANGES, 300
    ),
    ("aws:rds/parameterGroup:ParameterGroup", "parameters"): _always(
        "dynamic parameters at once, static ones at the next restart", _RDS_CHANGES
    ),
    (CACHE, "nodeType"): _always("rolling: a node at a time, with a failover of seconds for each shard", _CACHE_NODES),
    (CACHE, "numNodeGroups"): _always("resharding while it serves: slots move for minutes to hours", _CACHE_NODES),
    (CACHE, "replicasPerNodeGroup"): _always("replicas come or go beside the nodes that serve", _CACHE_REPLICAS),
    (CACHE, "engineVersion"): _always("rolling: a node at a time, with a failover for each shard", _CACHE_NODES),
    ("aws:opensearch/domain:Domain", "clusterConfig"): _always("blue/green: a second set of nodes takes over", _SEARCH),
    ("aws:opensearch/domain:Domain", "ebsOptions"): _always("blue/green where gp3 cannot grow in place", _SEARCH),
    ("aws:opensearch/domain:Domain", "engineVersion"): _always("blue/green", _SEARCH),
    ("aws:eks/cluster:Cluster", "version"): _always("rolling: the control plane, then the nodes", _CLUSTER),
    (DEPLOYMENT, "spec"): _always("rolling", _ROLLOUT),
    ("kubernetes:apps/v1:DaemonSet", "spec"): _always("rolling", _ROLLOUT),
    ("kubernetes:apps/v1:StatefulSet", "spec"): _always("rolling, one pod after the other", _ROLLOUT),
    ("aws:ec2/route:Route", "natGatewayId"): _always(
        "connections through the old gateway break once, and are made anew through the other",
        "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html (by reasoning, unverified)",
    ),
    ("aws:cloudfront/distribution:Distribution", ""): _always(
        "rolled out to the edges in minutes, both versions answer meanwhile",
        "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HowToUpdateDistribution.html",
    ),
}
"""By type and top-level input; an empty input stands for any. What is not here happens in place, unnoticed."""
QUIET: Final = frozenset({"tags", "tagsAll"})
"""Inputs that never do anything but describe."""


def effects(
    token: str, changes: Iterable[Change], old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """What the changes of one resource mean, each meaning once; `in place` alone where nothing else is known."""
    rules = [RULES.get((token, one.root)) or RULES.get((token, "")) for one in changes if one.root not in QUIET]
    found = dict.fromkeys(rule(old, new) for rule in rules if rule is not None)
    return tuple(effect for effect in found if effect != IN_PLACE) or (IN_PLACE,)
