"""A copy of all that is the user's, as one file: JSON, a line a row, compressed."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
from collections.abc import AsyncIterator
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID

import orjson

from app.data.database import Database
from app.data.slot_tables import LOGS, MOVED
from app.mail.sending import ask_for_mail
from app.privacy import audit
from app.uploads.storage import EXPORTS, Storage
from app.worker.jobs import Job, MalformedError, enqueue

KEPT_DAYS = 7
"""The file is there so long."""
BATCH = 1_000

NOT_COPIED = {
    "idempotency_keys": "answers that are in their tables, kept for three days",
    "mail_sends": "keys of mails, without their content",
    "outbox": "on its way, and then done",
    "erasures": "the request itself",
    "mail_senders": "counts of mails",
    "mail_unsubscribes": "hashes of other people's addresses",
    "auth_accounts": "the address is in users; hashes and seeds stay here",
    "auth_sessions": "see the account's list of devices",
    "auth_totp": "secrets stay here",
    "auth_backup_codes": "secrets stay here",
}
"""What it does not have, and why."""
TABLES = {
    table: owner for table, owner in {**MOVED, **dict.fromkeys(LOGS, "user_id")}.items() if table not in NOT_COPIED
}
"""What a copy has, with the column that says whose a row is: all of a user's rows but those."""


def key_of(user_id: UUID, job_id: UUID) -> str:
    """Where the file is."""
    return f"{EXPORTS}/{user_id}/{job_id}.jsonl.gz"


class Exports:
    """Does the jobs of kinds `export` and `export-expiry`."""

    def __init__(self, database: Database, storage: Storage) -> None:
        """Take the shards and the bucket."""
        self._database, self._storage = database, storage

    async def export(self, job: Job) -> None:
        """Write the file, then say so. Done again, it overwrites the file with the same."""
        async with self._database.system_writer(job.user) as connection:
            status = await connection.fetchval(
                "UPDATE jobs SET status = 'running', updated_at = now() "
                "WHERE id = $1 AND user_id = $2 AND status <> 'done' RETURNING status",
                job.id,
                job.user,
            )
        if status is None:
            return  # Done, or the user is gone.
        key = key_of(job.user, job.id)
        with TemporaryFile() as file:
            rows = await self._write(job.user, file)
            await self._storage.put(key, file, "application/gzip")
        await self._tell(job, key, rows)

    async def expire(self, job: Job) -> None:
        """Delete a file; payload: `export_id`."""
        try:
            export = UUID(job.payload["export_id"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise MalformedError from None
        await self._storage.delete(key_of(job.user, export))

    async def _write(self, user_id: UUID, file: Any) -> int:
        """All rows into `file`, which is then at its start; their number."""
        number = 0
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
            async for line in self._lines(user_id):
                number += 1
                # A thread, since compressing a large account would hold up the other jobs.
                await asyncio.to_thread(packed.write, line)
        file.seek(0)
        return number

    async def _lines(self, user_id: UUID) -> AsyncIterator[bytes]:
        """In batches, each a transaction of its own: as the user, who sees nobody else's."""
        for table, owner in TABLES.items():
            query = (
                f"SELECT id, to_jsonb(t) - 'search' AS row FROM {table} t "  # noqa: S608 of this file
                f"WHERE {owner} = $1 AND id > $2 ORDER BY id LIMIT {BATCH}"
            )
            last = UUID(int=0)
            while True:
                async with self._database.reader(user_id) as reading:
                    rows = await reading.fetch(query, user_id, last)
                for row in rows:
                    yield orjson.dumps({"table": table, "row": orjson.loads(row["row"])}) + b"\n"
                if len(rows) < BATCH:
                    break
                last = rows[-1]["id"]

    async def _tell(self, job: Job, key: str, rows: int) -> None:
        until = dt.datetime.now(dt.UTC) + dt.timedelta(days=KEPT_DAYS)
        async with self._database.system_writer(job.user) as connection:
            result = orjson.dumps({"key": key, "expires_at": until.isoformat()}).decode()
            done = await connection.fetchval(
                "UPDATE jobs SET status = 'done', result = $3::jsonb, updated_at = now() "
                "WHERE id = $1 AND user_id = $2 AND status <> 'done' RETURNING true",
                job.id,
                job.user,
                result,
            )
            if done:
                await audit.record(connection, job.user, "export.done", subject=str(job.id), details={"rows": rows})
                await ask_for_mail(connection, job.user, "export-ready", {"days": str(KEPT_DAYS)})
                await enqueue(connection, "export-expiry", job.user, {"export_id": str(job.id)}, due_at=until)
