"""From the outbox into the queues: at least once, a user's jobs in the order in which they were asked for.

The queues themselves are standard ones, which may deliver in another order; a job that needs another one's effect looks
for it in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog
from botocore.exceptions import BotoCoreError, ClientError

from app.data.connection import Row
from app.data.database import Database
from app.data.errors import UnavailableError, UncertainError
from app.ops.metrics import Counter, Gauge
from app.worker.jobs import QUEUES, Job, queue_of

LOCK = 4_851_004
"""Advisory lock of a shard's relay, held by its transaction: a pooler's sessions hold none."""
BATCH = 100
"""Rows a transaction."""
MESSAGES = 10
MESSAGE_BATCH_BYTES = 250_000
"""What SQS takes in one call; its limit of bytes is for the whole batch."""
SEND_SECONDS = 8
"""The server ends a transaction that is idle for 10 s."""
IDLE_SECONDS = (0.25, 2.0)
"""Between looks at an empty outbox, growing from the first to the second: every process looks at every shard."""
TROUBLE_SECONDS = 5.0

relayed = Counter("outbox_relayed_total", "Rows of the outbox that a queue took.", ("queue",))
oldest = Gauge("outbox_oldest_seconds", "How long the oldest row that is due has waited.", ("shard",))

_log = structlog.get_logger()


class Relay:
    """Empties the outboxes of some shards. Any number of processes may run one: a shard's is one's at a time."""

    def __init__(self, database: Database, sqs: Any, queue_urls: Mapping[str, str], shards: Sequence[int]) -> None:
        """Take an aiobotocore client, the queues by name, and the numbers of the shards."""
        self._database, self._sqs, self._urls, self._shards = database, sqs, queue_urls, shards

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            for shard in self._shards:
                tasks.create_task(self._run(shard, stop), name=f"relay-{shard}")

    async def _run(self, shard: int, stop: asyncio.Event) -> None:
        shortest, longest = IDLE_SECONDS
        pause = shortest
        while not stop.is_set():
            try:
                sent = await self.relay(shard)
                pause = shortest if sent else min(2 * pause, longest)
                if sent == BATCH:
                    continue
            except (UnavailableError, UncertainError, TimeoutError, OSError, BotoCoreError, ClientError) as error:
                pause = TROUBLE_SECONDS
                _log.warning("relay_failed", shard=shard, error_type=type(error).__name__)
            await wait(stop, pause)

    async def relay(self, shard: int) -> int:
        """Send what is due, up to `BATCH` rows; their number.

        A row is deleted in the transaction in which it is sent. If that is not committed, it is sent again, with the
        same id.
        """
        async with self._database.system_writer(shard) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return 0
            rows = await connection.fetch(
                "SELECT id, user_id, topic, payload, extract(epoch FROM clock_timestamp() - due_at) AS waited "
                "FROM outbox WHERE due_at <= now() ORDER BY due_at, position LIMIT $1",
                BATCH,
            )
            oldest.set(max((float(row["waited"]) for row in rows), default=0.0), str(shard))
            if rows:
                async with asyncio.timeout(SEND_SECONDS):
                    sent = await self._send(rows)
                await connection.execute("DELETE FROM outbox WHERE id = ANY($1::uuid[])", sent)
                return len(sent)
            return 0

    async def _send(self, rows: Sequence[Row]) -> list[UUID]:
        """In rounds: one row a user in each, so that none overtakes an earlier one that the queue did not take."""
        waiting: dict[UUID, list[Row]] = {}
        for row in rows:
            waiting.setdefault(row["user_id"], []).append(row)
        sent: list[UUID] = []
        while waiting:
            heads = [left.pop(0) for left in waiting.values()]
            taken = await self._send_round(heads)
            sent += taken
            good = {row["user_id"] for row in heads if row["id"] in taken}
            waiting = {user: left for user, left in waiting.items() if left and user in good}
        return sent

    async def _send_round(self, rows: Sequence[Row]) -> set[UUID]:
        by_queue: dict[str, list[tuple[UUID, str]]] = {}
        for row in rows:
            job = Job(id=row["id"], kind=row["topic"], user_id=row["user_id"], payload=orjson.loads(row["payload"]))
            if job.kind not in QUEUES:
                _log.warning("job_unknown", reason="relay")
            by_queue.setdefault(queue_of(job.kind, self._urls), []).append((job.id, job.encode()))
        calls = [self._send_batch(queue, batch) for queue, found in by_queue.items() for batch in _batches(found)]
        return {one for taken in await asyncio.gather(*calls) for one in taken}

    async def _send_batch(self, queue: str, batch: Sequence[tuple[UUID, str]]) -> set[UUID]:
        """Of a batch some messages may be taken and some not."""
        entries = [{"Id": str(identifier), "MessageBody": body} for identifier, body in batch]
        try:
            answer = await self._sqs.send_message_batch(QueueUrl=self._urls[queue], Entries=entries)
        except (BotoCoreError, ClientError) as error:
            _log.warning("queue_refused", queue=queue, count=len(batch), error_type=type(error).__name__)
            return set()
        if failed := answer.get("Failed"):
            _log.warning("queue_refused", queue=queue, count=len(failed))
        taken = {UUID(one["Id"]) for one in answer.get("Successful", ())}
        relayed.add(len(taken), queue)
        return taken


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Pause, but no longer than until `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _batches(messages: Sequence[tuple[UUID, str]]) -> list[list[tuple[UUID, str]]]:
    """As many as SQS takes in one call, by number and by size."""
    batches: list[list[tuple[UUID, str]]] = []
    size = 0
    for message in messages:
        length = len(message[1].encode())
        if not batches or len(batches[-1]) == MESSAGES or size + length > MESSAGE_BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += length
    return batches
