"""What a database is restored from: a point in time, a snapshot, or a recovery point of AWS Backup."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from infra.errors import UserError

LATEST: Final = "latest"
LATEST_MINUTES: Final = 5
"""RDS uploads logs every five minutes: as much may be missing at the latest restorable time.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html
"""


@dataclass(frozen=True, slots=True)
class Source:
    """What was asked for.

    Attributes:
        time: a point in time; None with a snapshot, or for the latest one.
        snapshot: a snapshot's identifier, or the ARN of a recovery point, which is an RDS snapshot too.
    """

    time: datetime | None = None
    snapshot: str | None = None

    def __str__(self) -> str:
        """As the tag of the restored database has it; it tells two requests apart."""
        if self.snapshot:
            return f"snapshot {self.snapshot}"
        return f"time {self.time:%Y-%m-%dT%H:%M:%SZ}" if self.time else f"time {LATEST}"


def parse(at: str | None, snapshot: str | None, recovery_point: str | None) -> Source:
    """The source that options name; none of them is the latest restorable time.

    Raises:
        UserError: more than one, a time without a zone or one that is to come, or a recovery point of something else.
    """
    if sum(one is not None for one in (at, snapshot, recovery_point)) > 1:
        msg = "--at, --snapshot and --recovery-point exclude one another"
        raise UserError(msg, ["give one; without any it is the latest restorable time"])
    if recovery_point is not None:
        if ":rds:" not in recovery_point or ":snapshot:" not in recovery_point:
            msg = f"--recovery-point {recovery_point} is no recovery point of a database"
            raise UserError(msg, ["such as arn:aws:rds:us-east-1:111122223333:snapshot:awsbackup:job-..."])
        return Source(snapshot=recovery_point)
    return Source(time=None if at in {None, LATEST} else _time(str(at)), snapshot=snapshot)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        msg = f"--at {text} is no time with its zone"
        raise UserError(msg, ["such as 2026-11-21T10:30:00Z"])
    if found > datetime.now(UTC):
        msg = f"--at {text} is still to come"
        raise UserError(msg)
    return found.astimezone(UTC)


def point_in_time(
    source: Source, identifier: str, resource_id: str | None, backups: Collection[Mapping[str, Any]]
) -> dict[str, Any]:
    """Parameters of RestoreDBInstanceToPointInTime that say what is restored.

    A database that was restored once has backups only since then; what was before is in those of the old one, which
    RDS keeps under its resource id.

    Args:
        source: a time.
        identifier: of the database.
        resource_id: of the database that has the identifier now; None when there is none.
        backups: as DescribeDBInstanceAutomatedBackups gives those of the database and of its predecessors.

    Raises:
        UserError: no backup reaches back that far, or up to then.
    """
    when: dict[str, Any] = {"RestoreTime": source.time} if source.time else {"UseLatestRestorableTime": True}
    windows = {
        str(one["DbiResourceId"]): (window["EarliestTime"], window["LatestTime"])
        for one in backups
        if (window := one.get("RestoreWindow"))
    }
    if source.time is None:
        fitting = sorted(windows, key=lambda one: windows[one][1])
    else:
        fitting = [one for one, (first, last) in windows.items() if first <= source.time <= last]
    if resource_id is not None and (resource_id in fitting or source.time is None or not windows):
        return {"SourceDBInstanceIdentifier": identifier, **when}
    if not fitting:
        msg = f"no automated backup of {identifier} holds {source.time or 'anything'}"
        told = [f"{one}: from {first:%Y-%m-%d %H:%M} to {last:%H:%M} UTC" for one, (first, last) in windows.items()]
        raise UserError(msg, [*told, "or restore a snapshot: `aws rds describe-db-snapshots`"])
    return {"SourceDbiResourceId": fitting[-1], **when}


def lost(source: Source, identifier: str, taken: datetime | None) -> str:
    """What is gone afterwards, as a sentence; `taken` is when the snapshot was."""
    moment = source.time or taken
    if moment is None:
        return (
            f"what was written to {identifier} in the last {LATEST_MINUTES} minutes before the restore begins, "
            "and everything that is written until the names are exchanged"
        )
    return f"everything that was written to {identifier} after {moment:%Y-%m-%d %H:%M:%S} UTC"
