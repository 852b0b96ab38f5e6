"""Databases among the rest of the stack: parameters, copies in other regions, backups, alarms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.related import about, watched
from policies.rule import Level, Rules, Severity
from policies.rules.rds import INSTANCE, PARAMETERS
from policies.view import Resource, Stack, each

RULES = Rules()
SUBSCRIPTION = "aws:rds/eventSubscription:EventSubscription"
VPC = "aws:ec2/vpc:Vpc"

METRICS: Final = ("CPUUtilization", "DatabaseConnections", "FreeStorageSpace", "FreeableMemory")
"""What a database runs out of."""
EVENTS: Final = ("availability", "failover", "failure", "low storage", "maintenance", "recovery")


@RULES.between(
    INSTANCE,
    id="rds-own-parameters",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every database has a parameter group of this stack, so that TLS and logs are what the stack says.",
    remedy="set parameterGroupName to a ParameterGroup of the stack",
    frameworks=("Checkov CKV2_AWS_69",),
)
def own_parameters(one: Resource, stack: Stack) -> Iterator[str]:
    """AWS's default groups cannot be changed, and say other things from one major version to the next."""
    if not any(it.type == PARAMETERS for it in stack.behind(one, "parameterGroupName")):
        yield "it has no parameter group of this stack"


@RULES.between(
    INSTANCE,
    id="rds-replica-key",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A copy in another region is encrypted with a key of the account's own in that region.",
    remedy="set kmsKeyId to a key of the copy's own region; it is fixed at creation",
)
def replica_key(one: Resource, stack: Stack) -> Iterator[str]:
    """A key of the source's region cannot be read any more when that region is lost."""
    if not _from_elsewhere(one, stack):
        return
    if not one.has("kmsKeyId"):
        yield "the copy has no key in its own region"
    elif any(key.get("region") != one.get("region") for key in stack.behind(one, "kmsKeyId")):
        yield "the copy's key is in another region than the copy"


@RULES.between(
    INSTANCE,
    id="rds-replica-backups",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A copy in another region has backups before it takes over.",
    remedy="set backupRetentionPeriod to a day or more",
)
def replica_backups(one: Resource, stack: Stack) -> Iterator[str]:
    """Once promoted it would have no restore point, and to get one it restarts."""
    if _from_elsewhere(one, stack) and one.number("backupRetentionPeriod") < 1:
        yield "the copy has no backups"


@RULES.between(
    INSTANCE,
    id="rds-copied",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Every primary has a copy in another region, where the stack has one.",
    remedy="create a replica with replicateSourceDb in another region",
)
def copied(one: Resource, stack: Stack) -> Iterator[str]:
    """The first phases stand in one region by design: there is nowhere to copy to."""
    if one.has("replicateSourceDb") or all(it.get("region") == one.get("region") for it in stack.all(VPC)):
        return
    copies = stack.users(one, INSTANCE, of=["replicateSourceDb"])
    if all(copy.get("region") == one.get("region") for copy in copies):
        yield "it would be lost with its region"


@RULES.between(
    INSTANCE,
    id="rds-backed-up",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A backup plan covers every primary.",
    remedy="name the database's ARN in the resources of a backup Selection",
    frameworks=("FSBP RDS.26",),
)
def backed_up(one: Resource, stack: Stack) -> Iterator[str]:
    """RDS's own backups go when the instance does, and are in no vault."""
    if not one.has("replicateSourceDb") and not stack.users(one, "aws:backup/selection:Selection", of=["resources"]):
        yield "no backup plan covers it"


@RULES.between(
    INSTANCE,
    id="rds-events-told",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Somebody hears of what RDS does to a database by itself.",
    remedy=f"name the database in an EventSubscription with the categories {', '.join(EVENTS)}",
)
def events_told(one: Resource, stack: Stack) -> Iterator[str]:
    """A subscription without sources is about all databases of its region, one without categories about all events."""
    told: set[str] = set()
    for it in stack.all(SUBSCRIPTION):
        if it.get("sourceType") in (None, "db-instance") and it.get("region") == one.get("region"):
            if it.has("sourceIds") and it not in about(one, "identifier", stack, SUBSCRIPTION, "sourceIds"):
                continue
            told.update(map(str, each(it, "eventCategories") or EVENTS))
    if missing := [event for event in EVENTS if event not in told]:
        yield f"nobody hears of: {', '.join(missing)}"


@RULES.between(
    INSTANCE,
    id="rds-alarms",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Alarms watch processor, memory, storage and connections of every database, and the lag of replicas.",
    remedy="create a MetricAlarm in the database's region for each metric with the dimension DBInstanceIdentifier",
)
def alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """An alarm that is on another database's metric, or in another region, is silent for ever."""
    wanted = (*METRICS, "ReplicaLag") if one.has("replicateSourceDb") else METRICS
    found = {metric for metric, _ in watched(one, "identifier", stack, "DBInstanceIdentifier")}
    if missing := [metric for metric in wanted if metric not in found]:
        yield f"no alarm watches {', '.join(missing)}"


def _from_elsewhere(one: Resource, stack: Stack) -> bool:
    """Whether it is a replica of a database in another region, which only an ARN can name."""
    if not one.has("replicateSourceDb"):
        return False
    primaries = stack.behind(one, "replicateSourceDb")
    if primaries:
        return any(primary.get("region") != one.get("region") for primary in primaries)
    return str(one.get("replicateSourceDb")).startswith("arn:")
