"""Copies in one region take over from primaries in another, whose region is lost.

It is done by commands and not by the program: while a region is lost no `up` can finish, since it would read and
change what is there. Until the way back has been gone the program describes a replica where a primary stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from infra.errors import UserError
from infra.procedures.ground import Ground, Held, Values
from infra.procedures.steps import Call, Procedure, Step

LAG_MINUTES: Final = 15
# Seconds. Promotion restarts the instance: AWS says "several minutes"
# (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.Promote.html); a standby and a class change are
# those of infra/growth/durations.json; a Global Datastore is promoted within a minute by AWS's words, from memory.
_PROMOTE, _STANDBY, _CLASS, _CACHE = 300, 900, 1200, 60
CONFIGURATIONS: Final = ("pooler-writer", "pooler-reader")


class Promotion:
    """Plans the promotion of a region's copies."""

    def __init__(self, ground: Ground, region: str) -> None:
        """Choose the region whose copies take over.

        Raises:
            UserError: it has none of another region's primaries.
        """
        self._ground, self._region = ground, region
        held = ground.held()
        self._pairs = [
            (copy, primary)
            for primary in held
            if primary.region != region and not primary.inputs.get("replicateSourceDb")
            for copy in held
            if copy.region == region and copy.follows(primary.identifier)
        ]
        if not self._pairs:
            where = sorted({one.region for one in held if str(one.inputs.get("replicateSourceDb")).startswith("arn:")})
            msg = f"stack {ground.name} keeps no copy of another region's primary in {region}"
            mend = f"copies are in {', '.join(where)}" if where else "copies in other regions come with phase 250k"
            raise UserError(msg, [mend])

    def procedure(self) -> Procedure:
        """The steps."""
        steps = [step for copy, primary in self._pairs for step in self._take_over(copy, primary)]
        return Procedure(
            name="promote",
            stack=self._ground.shown,
            lost=tuple(self._lag(copy, primary) for copy, primary in self._pairs),
            steps=(*steps, *self._cache()),
            after=tuple(self._after()),
        )

    def _take_over(self, copy: Held, primary: Held) -> list[Step]:
        size = self._ground.settings.spec.database
        wanted: Values = {"MultiAZ": size.multi_az, "DBInstanceClass": size.instance_class}
        backups = {key: primary.inputs[name] for name, key in _BACKUPS.items() if primary.inputs.get(name)}
        available = partial(self._ground.is_available, copy.region, copy.identifier)
        return [
            Step(
                title=f"promote {copy.identifier}, the copy of {primary.identifier}",
                seconds=_PROMOTE,
                work=lambda: [self._call("PromoteReadReplica", DBInstanceIdentifier=copy.identifier, **backups)],
                is_done=lambda: not self._is_replica(copy, backups),
                has_ended=lambda: not self._is_replica(copy, backups) and available(),
                outage=f"writes to what is on {primary.identifier}",
            ),
            Step(
                title=f"give {copy.identifier} the standby and the class of a primary",
                seconds=_CLASS if copy.inputs.get("instanceClass") != size.instance_class else _STANDBY,
                work=lambda: [
                    self._call(
                        "ModifyDBInstance",
                        DBInstanceIdentifier=copy.identifier,
                        **self._differing(copy, wanted),
                        ApplyImmediately=True,
                    )
                ],
                is_done=lambda: not self._differing(copy, wanted),
                has_ended=lambda: not self._differing(copy, wanted) and available(),
            ),
        ]

    def _call(self, operation: str, **parameters: Any) -> Call:
        return Call("rds", self._region, operation, parameters)

    def _found(self, copy: Held) -> Values:
        found = self._ground.instances(self._region).get(copy.identifier)
        if found is None:
            msg = f"there is no {copy.identifier} in {self._region}"
            raise UserError(msg, ["restore a backup copy of that region instead: docs/procedures/lose-a-region.md"])
        return found

    def _is_replica(self, copy: Held, backups: Values) -> bool:
        """Moto 5.2.5 keeps the source of a promoted replica: there, backups kept as a primary's tell."""
        found = self._found(copy)
        if self._ground.is_local:
            return bool(self._differing(copy, backups))
        return bool(found.get("ReadReplicaSourceDBInstanceIdentifier"))

    def _differing(self, copy: Held, wanted: Values) -> Values:
        found = self._found(copy)
        return {key: value for key, value in wanted.items() if found.get(key) != value}

    def _lag(self, copy: Held, primary: Held) -> str:
        """How far the copy was behind when it was last seen; the copy's own region measures that."""
        end = datetime.now(UTC)
        points = self._ground.client("cloudwatch", self._region).get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="ReplicaLag",
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": copy.identifier}],
            StartTime=end - timedelta(minutes=LAG_MINUTES),
            EndTime=end,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        told = (
            f"it was at most {max(point['Maximum'] for point in points):.0f} s behind in the last {LAG_MINUTES} minutes"
            if points
            else f"how far it was behind is not known: nothing was measured in the last {LAG_MINUTES} minutes"
        )
        return f"what {copy.identifier} had not yet received of {primary.identifier}: {told}"

    # The cache that several regions share.

    def _cache(self) -> list[Step]:
        """Home's group is the one that is written to; a secondary takes over when home is lost."""
        phase = self._ground.settings.spec
        lost_home = any(primary.region == phase.home_region for _, primary in self._pairs)
        if not lost_home or self._region not in phase.regions or self._ground.is_local:
            return []
        outputs = self._outputs().get("regions", {})
        group = outputs[phase.home_region]["globalCacheId"]
        own = outputs[self._region]["cacheGroupId"]
        return [
            Step(
                title="let the cache group here be the one that all regions write to",
                seconds=_CACHE,
                work=lambda: [
                    Call(
                        "elasticache",
                        self._region,
                        "FailoverGlobalReplicationGroup",
                        {
                            "GlobalReplicationGroupId": group,
                            "PrimaryRegion": self._region,
                            "PrimaryReplicationGroupId": own,
                        },
                    )
                ],
                is_done=partial(self._writes_here, group),
                has_ended=partial(self._writes_here, group),
            )
        ]

    def _writes_here(self, group: str) -> bool:
        found = self._ground.client("elasticache", self._region).describe_global_replication_groups(
            GlobalReplicationGroupId=group, ShowMemberInfo=True
        )["GlobalReplicationGroups"][0]
        writing = {one["ReplicationGroupRegion"] for one in found["Members"] if one["Role"].upper() == "PRIMARY"}
        return writing == {self._region}

    # What is left to people.

    def _outputs(self) -> Values:
        return next(
            (one.get("outputs", {}) for one in self._ground.entries().values() if one["type"] == "pulumi:pulumi:Stack"),
            {},
        )

    def _after(self) -> Sequence[str]:
        lost = {primary.region for _, primary in self._pairs}
        serving = [one for one in self._ground.settings.spec.regions if one not in lost]
        told = [f"no `pulumi up` and no `pulumi refresh` of {self._ground.name} until {', '.join(lost)} is back"]
        if not serving:
            served = f"no region but {', '.join(lost)} runs pods: the data is whole and writable in {self._region}"
            return [f"{served}, and nothing serves it until the region is back", *told]
        entries = self._ground.entries()
        held = self._ground.held()
        script = ";".join(
            f"s/{entries[one.urn]['outputs']['address']}/{entries[copy.urn]['outputs']['address']}/g"
            for copy, primary in self._pairs
            for one in (primary, *(each for each in held if each.region in lost and each.follows(primary.identifier)))
        )
        for region in serving:
            cluster = self._outputs()["regions"][region]["clusterName"]
            told.append(f"in {region}: `aws eks update-kubeconfig --region {region} --name {cluster}`, then")
            told += [
                f"`kubectl -n headroom get configmap {name} -o yaml | sed '{script}' | kubectl replace -f - && "
                f"kubectl -n headroom rollout restart deployment/{name}`"
                for name in CONFIGURATIONS
            ]
        return told


_BACKUPS: Final = {"backupRetentionPeriod": "BackupRetentionPeriod", "backupWindow": "PreferredBackupWindow"}
