"""Read replicas: of primaries in the same region, and of primaries elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from infra.verify.data import instance_facts
from infra.verify.facts import Fact, Probe, Scope, equal, holds
from stacks.shards import primaries, replica_regions


def local(scope: Scope) -> Iterator[Probe]:
    """The readers beside each primary of the region."""
    for identifier in scope.texts("databaseIdentifiers"):
        yield Probe("replicas", f"readers of {identifier}", partial(_local, scope, identifier))


def _local(scope: Scope, primary: str) -> Iterator[Fact]:
    instance = scope.client("rds").describe_db_instances(DBInstanceIdentifier=primary)["DBInstances"][0]
    replicas = instance.get("ReadReplicaDBInstanceIdentifiers", [])
    # Those in other regions are told as ARNs.
    here = [name for name in replicas if ":" not in name]
    size = scope.phase.database
    yield equal("in the region", size.local_replicas, len(here))
    yield equal("in other regions", size.remote_replicas, len(replicas) - len(here))
    for name in here:
        for fact in _replica(scope, name, primary):
            yield replace(fact, what=f"{name}: {fact.what}")


def remote(scope: Scope) -> Iterator[Probe]:
    """The region's replicas of primaries elsewhere; the stack exports which there are."""
    phase, records = scope.phase, scope.records("replicas")
    wanted = {one.name for one in primaries(phase) if scope.region in replica_regions(phase, one.region)}

    def complete() -> Iterator[Fact]:
        yield equal("of", wanted, {record.get("of", "") for record in records})

    if wanted or records:
        yield Probe("replicas", "replicas of other regions", complete)
    for record in records:
        identifier, source = record.get("identifier", ""), scope.physical_name("database", record.get("of", ""))
        yield Probe("replicas", identifier, partial(_remote, scope, identifier, source))


def _remote(scope: Scope, identifier: str, source: str) -> Iterator[Fact]:
    yield from _replica(scope, identifier, source)
    instance = scope.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    # It is what the region's loss is survived with.
    yield equal("deletion protection", scope.protected, instance["DeletionProtection"])


def _replica(scope: Scope, identifier: str, source: str) -> Iterator[Fact]:
    instance = scope.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    yield from instance_facts(scope, instance, scope.phase.database.replica_class)
    followed = instance.get("ReadReplicaSourceDBInstanceIdentifier") or ""
    yield equal("follows", source, followed.rpartition(":")[2])
    dimension = {"Name": "DBInstanceIdentifier", "Value": identifier}
    alarms = scope.client("cloudwatch").describe_alarms_for_metric(
        Namespace="AWS/RDS", MetricName="ReplicaLag", Dimensions=[dimension]
    )["MetricAlarms"]
    # The local cloud does not filter by dimension.
    watching = [alarm["AlarmName"] for alarm in alarms if dimension in alarm.get("Dimensions", [])]
    yield holds("alarm on its lag", watching, "yes", watching)
