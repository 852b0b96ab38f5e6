"""Monthly partitions: made two months ahead, dropped when all that is in them is older than is kept.

Run by the migration and once a day, by the owner on a direct connection: a partition is detached without locking the
table only outside of a transaction, which neither a function nor the pooler can do.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

MONTHS_AHEAD = 2
"""So a keeper that does not run for two months costs nothing. There is no default partition to catch rows: with one,
no partition can be detached CONCURRENTLY."""
LOCK_TIMEOUT: LiteralString = "SET lock_timeout = '5s'"


@dataclass(frozen=True, slots=True)
class Table:
    """A partitioned table, and for how long its rows are kept; None: for ever."""

    schema: str
    name: str
    retention_days: int | None = None

    @property
    def identifier(self) -> sql.Identifier:
        """For SQL."""
        return sql.Identifier(self.schema, self.name)


TABLES = (
    # Kept by whole months: the oldest row that is still there is 90 to 121 days old.
    Table("analytics", "analytics_events", retention_days=90),
    Table("public", "video_views"),
    Table("public", "audit_log"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Names of the partitions that were made and dropped."""

    created: tuple[str, ...]
    dropped: tuple[str, ...]


def keep(connection: psycopg.Connection, today: dt.date | None = None) -> Kept:
    """Make and drop partitions, as of `today` (UTC's, if not given).

    What an earlier run left half done is finished: a partition that is being detached, one that is detached and still
    there.

    Args:
        connection: with autocommit, of the tables' owner, not through a pooler.
        today: to be told in tests.
    """
    day = today or dt.datetime.now(dt.UTC).date()
    connection.execute(LOCK_TIMEOUT)
    created: list[str] = []
    dropped: list[str] = []
    for table in TABLES:
        for ahead in range(MONTHS_AHEAD + 1):
            query = "SELECT create_month_partition(%s::regclass, %s)"
            row = connection.execute(query, (f"{table.schema}.{table.name}", _month(day, ahead))).fetchone()
            created += [row[0]] if row and row[0] else []
        for name in _expired(connection, table, day):
            _drop(connection, table, name)
            dropped.append(name)
    return Kept(tuple(created), tuple(dropped))


def _month(day: dt.date, ahead: int) -> dt.date:
    index = day.year * 12 + day.month - 1 + ahead
    return dt.date(index // 12, index % 12 + 1, 1)


def _expired(connection: psycopg.Connection, table: Table, day: dt.date) -> list[str]:
    """Partitions, attached or not, all of whose rows are too old; by their names, which have the month."""
    if table.retention_days is None:
        return []
    oldest = day - dt.timedelta(days=table.retention_days)
    query = """SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'
        AND relname ~ ('^' || %s || '_[0-9]{4}_[0-9]{2}$') ORDER BY relname"""
    found = []
    for (name,) in connection.execute(query, (table.schema, table.name)):
        year, month = int(name[-7:-3]), int(name[-2:])
        if _month(dt.date(year, month, 1), 1) <= oldest:
            found.append(name)
    return found


def _drop(connection: psycopg.Connection, table: Table, name: str) -> None:
    """Detach, then drop: dropping an attached partition locks everybody out of the table."""
    partition = sql.Identifier(table.schema, name)
    query = """SELECT inhdetachpending FROM pg_inherits
        WHERE inhrelid = to_regclass(%s)"""
    attached = connection.execute(query, (f"{table.schema}.{name}",)).fetchone()
    if attached is not None:
        how = sql.SQL("FINALIZE" if attached[0] else "CONCURRENTLY")
        connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}").format(table.identifier, partition, how))
    connection.execute(sql.SQL("DROP TABLE {}").format(partition))
