"""A database restored beside the running one, and put in its place under the same name.

A restore always makes a new instance. It gets a temporary identifier and everything that the program wants of the
database, is compared, and then the two exchange names: the running one becomes `IDENTIFIER-old-DATE`, the new one gets
the identifier, and with it the address. Nothing is overwritten and nothing that holds data of its own is deleted.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RenameInstance.html

The provider knows an instance by its resource id, which does not change with the name: a mere `pulumi refresh` would
follow the old instance, and the next `up` would try to take the name back. So the state is told the new id. Replicas
keep to the instance that they were made of, whatever its name: they are deleted, and the next `up` makes them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from infra.errors import UserError
from infra.procedures import sources, wanted
from infra.procedures.ground import Ground, Held, Values
from infra.procedures.sources import Source
from infra.procedures.steps import Call, Engine, Procedure, Step, Work
from infra.recovery.backend import export, load, refresh

TAG: Final = "HeadroomRestore"
"""On the restored instance until the end, and on the one that it replaces: which request it belongs to."""
RESTORED, OLD = "restored", "old"
LONGEST: Final = 63
"""Characters of an identifier."""

# Seconds. Renaming: AWS says about 10 minutes until a new name works (the page above). The others are typical times of
# creating, changing and deleting an instance, as in infra/growth/durations.json; a restore takes longer with every GiB
# and every hour of log to replay, for which AWS states no figure.
_RESTORE = {False: 270, True: 720}
_CHANGE, _RENAME, _DELETE = 240, 600, 240


class Restore:
    """Plans the restore of one primary."""

    def __init__(self, ground: Ground, shard: int | None, source: Source) -> None:
        """Choose the primary that `shard` stands on.

        Raises:
            UserError: there is no such shard, snapshot or backup, or another restore is under way.
        """
        self._ground, self._source, self._request = ground, source, str(source)
        # Not the same words on both: the running database is marked while it still has the name.
        self._aside = f"put aside for {source}"
        self._primary = ground.primary(shard)
        self._held: Held = ground.find(self._primary)
        self._copies = [one for one in ground.held() if one.follows(self._held.identifier)]
        self._region, self._identifier = self._held.region, self._held.identifier
        self._restored = f"{self._identifier[: LONGEST - len(RESTORED) - 1]}-{RESTORED}"
        self._taken = self._check_snapshot() if source.snapshot else None
        self._refuse_another()

    def procedure(self) -> Procedure:
        """The steps."""
        return Procedure(
            name="restore",
            stack=self._ground.shown,
            lost=(sources.lost(self._source, self._identifier, self._taken),),
            steps=self._steps(),
            after=self._after(),
        )

    def _after(self) -> tuple[str, ...]:
        again = (
            f", and makes the copies anew: {', '.join(one.identifier for one in self._copies)}" if self._copies else ""
        )
        command = f"headroom up {self._ground.shown}" if self._ground.is_local else f"pulumi up -s {self._ground.name}"
        return (
            f"`{command}`: it replaces nothing{again}",
            f"when schema or passwords have changed since: `headroom rotate {self._ground.shown} --secret database`",
            f"when nobody needs {self._old_stem()}-DATE any more, delete it: it is protected, and costs as before",
        )

    def _steps(self) -> tuple[Step, ...]:
        region, restored, identifier = self._region, self._restored, self._identifier
        multi_az = bool(self._held.inputs.get("multiAz"))
        retired = [self._retire(copy) for copy in self._copies]
        return (
            Step(
                title=f"restore {self._request} as {restored}",
                seconds=_RESTORE[multi_az],
                work=self._restore,
                is_done=lambda: restored in self._now() or self._has_new_name(),
                has_ended=partial(self._ground.is_available, region, restored),
            ),
            Step(
                title="set what a restore does not take, and the password of today",
                seconds=_CHANGE,
                work=self._settle,
                is_done=self._has_new_name,
                has_ended=partial(self._ground.is_available, region, restored),
            ),
            Step(
                title="restart it where parameters wait for that",
                seconds=60,
                work=self._restart,
                is_done=self._has_new_name,
                has_ended=lambda: self._ground.is_available(region, restored) and not self._waits_for_restart(),
            ),
            Step(
                title="compare it with what the program wants",
                seconds=5,
                is_done=self._has_new_name,
                check=self._compare,
            ),
            Step(
                title=f"rename the running database {identifier}",
                seconds=_RENAME,
                work=self._step_aside,
                is_done=lambda: identifier not in self._now() or self._has_new_name(),
                has_ended=lambda: identifier not in self._now() and self._old_is_available(),
                outage="nobody reads or writes the database",
            ),
            Step(
                title=f"give the restored one the name {identifier}",
                seconds=_RENAME,
                work=lambda: [self._rename(restored, identifier)],
                is_done=self._has_new_name,
                has_ended=partial(self._ground.is_available, region, identifier),
                outage="nobody reads or writes the database",
            ),
            *retired,
            Step(
                title="tell the state",
                seconds=60,
                work=lambda: [Engine("pulumi stack export, import, refresh --target", self._record)],
                is_done=self._is_over,
            ),
            Step(
                title="take the mark of this procedure away",
                seconds=5,
                work=lambda: [
                    self._call(
                        "RemoveTagsFromResource",
                        ResourceName=self._now()[identifier]["DBInstanceArn"],
                        TagKeys=[TAG],
                    )
                ],
                is_done=self._is_over,
            ),
        )

    # What is there.

    def _now(self) -> dict[str, Values]:
        return self._ground.instances(self._region)

    def _request_of(self, identifier: str) -> str | None:
        found = self._now().get(identifier) or {}
        return next((tag["Value"] for tag in found.get("TagList", []) if tag["Key"] == TAG), None)

    def _old(self) -> str | None:
        """The database that this request has put aside."""
        names = (name for name in self._now() if name.startswith(f"{self._old_stem()}-"))
        return next((name for name in sorted(names) if self._request_of(name) == self._aside), None)

    def _old_stem(self) -> str:
        return f"{self._identifier[: LONGEST - len(OLD) - 10]}-{OLD}"

    def _old_is_available(self) -> bool:
        old = self._old()
        return old is not None and self._ground.is_available(self._region, old)

    def _has_new_name(self) -> bool:
        """Whether the restored database has taken over."""
        return self._request_of(self._identifier) == self._request or self._is_over()

    def _is_over(self) -> bool:
        """Whether this very request was carried out to its end: only the old one still has its mark."""
        there = self._now()
        if self._identifier not in there or self._restored in there or self._request_of(self._identifier):
            return False
        return self._old() is not None

    def _refuse_another(self) -> None:
        for name in (self._restored, self._identifier):
            other = self._request_of(name)
            if other not in {None, self._request, self._aside}:
                msg = f"another restore of {self._identifier} is under way: {other}"
                raise UserError(
                    msg, [f"finish it with the same options, or delete {name} if it is not the running database"]
                )

    def _check_snapshot(self) -> datetime:
        """When it was taken.

        That RestoreDBInstanceFromDBSnapshot takes AWS Backup's snapshots (`awsbackup:job-...`) by ARN as it takes
        RDS's own is not stated in AWS's reference: unverified. AWS Backup's StartRestoreJob is the way that is.
        """
        from botocore.exceptions import ClientError

        name, region = str(self._source.snapshot), self._region
        try:
            answer = self._ground.client("rds", region).describe_db_snapshots(DBSnapshotIdentifier=name)
        except ClientError as error:
            msg = f"there is no snapshot {name} in {region}: {error.response['Error']['Message']}"
            raise UserError(
                msg, [f"`aws rds describe-db-snapshots --region {region} --db-instance-identifier {self._identifier}`"]
            ) from None
        found = answer["DBSnapshots"][0]
        if found["Status"] != "available":
            msg = f"snapshot {name} is {found['Status']}"
            raise UserError(msg, ["wait until it is available"])
        own = (self._identifier, self._restored, f"{self._old_stem()}-", *(one.identifier for one in self._copies))
        if not str(found["DBInstanceIdentifier"]).startswith(own):
            msg = f"snapshot {name} is of {found['DBInstanceIdentifier']}, not of {self._identifier}"
            raise UserError(msg, ["--shard says which primary is restored"])
        key = self._held.inputs.get("kmsKeyId")
        if found.get("KmsKeyId") != key:
            msg = f"snapshot {name} is encrypted with another key, and a restore keeps the key of its snapshot"
            mend = f"copy it first: `aws rds copy-db-snapshot --region {region} --kms-key-id {key} ...`"
            raise UserError(msg, [mend])
        taken: datetime = found["SnapshotCreateTime"]
        return taken.astimezone(UTC)

    # What is done.

    def _call(self, operation: str, **parameters: Any) -> Call:
        return Call("rds", self._region, operation, parameters)

    def _takes(self, operation: str) -> set[str]:
        model = self._ground.client("rds", self._region).meta.service_model
        return set(model.operation_model(operation).input_shape.members)

    def _restore(self) -> Sequence[Work]:
        if self._source.snapshot:
            operation = "RestoreDBInstanceFromDBSnapshot"
            what: Values = {
                "DBInstanceIdentifier": self._restored,
                "DBSnapshotIdentifier": self._source.snapshot,
            }
        else:
            operation = "RestoreDBInstanceToPointInTime"
            running = self._now().get(self._identifier)
            what = {
                "TargetDBInstanceIdentifier": self._restored,
                **sources.point_in_time(
                    self._source, self._identifier, running["DbiResourceId"] if running else None, self._backups()
                ),
            }
        tags = [{"Key": key, "Value": value} for key, value in self._held.inputs.get("tags", {}).items()]
        takes = self._takes(operation)
        settings = {name: value for name, value in wanted.settings(self._held.inputs).items() if name in takes}
        return [self._call(operation, **what, **settings, Tags=[*tags, {"Key": TAG, "Value": self._request}])]

    def _backups(self) -> list[Values]:
        """Of the database and of those that had its name: a backup keeps the identifier of the instance's first day."""
        pages = self._ground.client("rds", self._region).get_paginator("describe_db_instance_automated_backups")
        names = {self._identifier, self._restored}
        return [
            one
            for page in pages.paginate()
            for one in page["DBInstanceAutomatedBackups"]
            if one.get("DBInstanceIdentifier") in names
        ]

    def _settle(self) -> Sequence[Work]:
        """The password is that of the backup's day; the program's is in Secrets Manager."""
        restoring = "RestoreDBInstanceFromDBSnapshot" if self._source.snapshot else "RestoreDBInstanceToPointInTime"
        given, takes = self._takes(restoring), self._takes("ModifyDBInstance")
        settings = {name: value for name, value in wanted.settings(self._held.inputs).items() if name in takes - given}
        return [
            Call(
                "rds",
                self._region,
                "ModifyDBInstance",
                {"DBInstanceIdentifier": self._restored, **settings, "ApplyImmediately": True},
                {"MasterUserPassword": self._password},
            )
        ]

    def _password(self) -> str:
        from infra.naming import PROJECT, Names

        name = Names(PROJECT, self._ground.name).of("secret", f"{self._region}-secrets-database")
        found = self._ground.client("secretsmanager", self._region).get_secret_value(SecretId=name)
        return str(found["SecretString"])

    def _waits_for_restart(self) -> bool:
        groups = (self._now().get(self._restored) or {}).get("DBParameterGroups", [])
        return any(group.get("ParameterApplyStatus") == "pending-reboot" for group in groups)

    def _restart(self) -> Sequence[Work]:
        if not self._waits_for_restart():
            return []
        return [self._call("RebootDBInstance", DBInstanceIdentifier=self._restored)]

    def _compare(self) -> None:
        differing = wanted.differences(self._held.inputs, self._now()[self._restored])
        if differing:
            msg = f"{self._restored} is not what the program wants; {self._identifier} still runs"
            raise UserError(
                msg,
                [*differing, f"mend it with `aws rds modify-db-instance`, or delete {self._restored} and try again"],
            )

    def _step_aside(self) -> Sequence[Work]:
        old = f"{self._old_stem()}-{datetime.now(UTC):%Y%m%d}"
        taken = sum(name.startswith(old) for name in self._now())
        arn = self._now()[self._identifier]["DBInstanceArn"]
        return [
            self._call("AddTagsToResource", ResourceName=arn, Tags=[{"Key": TAG, "Value": self._aside}]),
            self._rename(self._identifier, f"{old}{'abcdefghi'[taken - 1] if taken else ''}"),
        ]

    def _rename(self, old: str, new: str) -> Call:
        return self._call(
            "ModifyDBInstance", DBInstanceIdentifier=old, NewDBInstanceIdentifier=new, ApplyImmediately=True
        )

    def _retire(self, copy: Held) -> Step:
        """Delete a copy of the old database, or one that was promoted: the latter after a final snapshot."""
        return Step(
            title=f"delete the copy {copy.identifier}, which follows the old database",
            seconds=_DELETE,
            work=partial(self._delete, copy),
            is_done=lambda: not self._is_stale(copy),
            has_ended=lambda: copy.identifier not in self._ground.instances(copy.region),
            outage="reads from copies; the program makes them anew with the next `up`",
        )

    def _is_stale(self, copy: Held) -> bool:
        """A copy is never older than what it copies."""
        found = self._ground.instances(copy.region).get(copy.identifier)
        new = self._now().get(self._identifier)
        if found is None or self._is_over():
            return False
        if new is None or not self._has_new_name():
            return True
        return bool(found["InstanceCreateTime"] < new["InstanceCreateTime"])

    def _delete(self, copy: Held) -> Sequence[Work]:
        found = self._ground.instances(copy.region)[copy.identifier]
        named = {"DBInstanceIdentifier": copy.identifier}
        final: Values = {"SkipFinalSnapshot": True}
        if not found.get("ReadReplicaSourceDBInstanceIdentifier"):
            stamp = f"{datetime.now(UTC):%Y%m%d%H%M}"
            final = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": f"{copy.identifier}-promoted-{stamp}"}
        unprotect = {**named, "DeletionProtection": False, "ApplyImmediately": True}
        return [
            Call("rds", copy.region, "ModifyDBInstance", unprotect),
            Call("rds", copy.region, "DeleteDBInstance", {**named, **final}),
        ]

    def _record(self) -> None:
        """Give the state's entry the new resource id, and let the engine read it and the copies.

        The local cloud makes resource ids of names, so there the id stays as it is.
        """
        backend = self._ground.backend
        if not self._ground.is_local:
            state = export(backend)
            entry = state.living()[self._held.urn]
            entry["id"] = self._now()[self._identifier]["DbiResourceId"]
            load(backend, state)
        refresh(backend, [self._held.urn, *(copy.urn for copy in self._copies)])
