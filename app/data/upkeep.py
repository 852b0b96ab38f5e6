"""Once a day, by the owner on a direct connection: partitions, rows that are over, a look at the indexes.

It may run twice, at the same time as another one, and be broken off anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import structlog

from app.api.idempotency import SWEEP as IDEMPOTENCY_KEYS
from app.auth.sessions import SWEEP as SESSIONS
from app.data import index_check, partitions
from app.data.migrate import dsn
from app.privacy.consents import SWEEP as CONSENTS
from app.settings import UpkeepSettings
from app.uploads.routes import SWEEP as UPLOADS
from app.worker.jobs import SWEEP as JOBS

EXPIRED = (*SESSIONS, IDEMPOTENCY_KEYS, UPLOADS, *JOBS, CONSENTS)
"""What deletes rows that nothing asks for any more."""


_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What was done to one database: its partitions, how many rows were over, and what its indexes are like."""

    database: str
    partitions: partitions.Kept
    expired: int
    indexes: index_check.Report


def look_after(settings: UpkeepSettings) -> list[Done]:
    """Look after all databases of one primary.

    The line at the end is what an alarm waits for (`components.upkeep_watch`): without it nothing was done that night,
    or not all of it.
    """
    done = []
    for database in settings.database_names:
        with psycopg.connect(dsn(settings, database), autocommit=True) as connection:
            kept = partitions.keep(connection)
            expired = sum(connection.execute(statement).rowcount for statement in EXPIRED)
            done.append(
                Done(database=database, partitions=kept, expired=expired, indexes=index_check.check(connection))
            )
    if all(one.indexes.ok for one in done):
        _log.info("upkeep_done", database=settings.database_names[0])
    return done
