"""The first filling of an engine: the rows that were there before it came, or that it lost.

Changes come as jobs, one a row. What was written before there was an engine has no job, so workers walk each shard's
rows by id, a few at a time. How far they came is in the engine itself: an engine that is new, or was made anew, is
filled without anybody's doing, and one that breaks off goes on where it was. Until a shard is done PostgreSQL answers
what is asked about its rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from app.api.search import KINDS, Kind
from app.api.search_engine import MAPPING, MISSING, PREFIX, UNREADABLE, Engine, EngineError
from app.api.search_index import COLUMNS, EXISTS, create_indexes, index_rows
from app.aws import Aws
from app.data.database import Database
from app.settings import Settings
from app.worker.relay import wait

STATE = f"{PREFIX}-filled"
"""Index with a document a shard: how far it is."""
LOCK = 4_851_005
"""Advisory lock of a shard's filling, held by its transaction: of all workers one fills it."""
BATCH = 32
"""Rows a request. A post has up to 50,000 characters, and the smaller types of nodes take 10 MiB
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/limits.html)."""
PAUSE_SECONDS = 0.2
"""After each batch, so that at most 160 rows a second are read and indexed, whatever else the engine has to do."""
SETTLE_SECONDS = 1_200
"""Nothing is read before: pods of the release before know no engine, and what they write has no job. They are gone by
then (a Deployment's rollout has 15 minutes)."""
LOOK_SECONDS = 60.0
"""Between looks at whether there is something to fill, and for how long a look is believed where searches are."""
SEND_SECONDS = 8
"""The server ends a transaction that is idle for 10 s."""

_ROWS: Mapping[Kind, str] = {
    kind: f"SELECT id, user_id, {columns} FROM {kind} WHERE id > $1 ORDER BY id LIMIT {BATCH}"  # noqa: S608 of this code
    for kind, columns in COLUMNS.items()
}

_log = structlog.get_logger()


class Progress(NamedTuple):
    """How far a shard is.

    Attributes:
        begun_at: seconds since 1970.
        kind: the one that is being walked; None once all are done.
        after: the last row of it that is indexed.
        rows: indexed in all.
    """

    begun_at: float
    kind: Kind | None = KINDS[0]
    after: UUID = UUID(int=0)
    rows: int = 0

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Progress:
        """As it is kept."""
        return cls(source["begun_at"], source["kind"], UUID(source["after"]), source["rows"])

    def advanced(self, ids: Sequence[UUID]) -> Progress:
        """After a batch with these rows; one that is not full was the kind's last."""
        rows = self.rows + len(ids)
        if len(ids) == BATCH:
            return self._replace(after=ids[-1], rows=rows)
        following = [*KINDS, None]
        kind = following[following.index(self.kind) + 1]
        return Progress(self.begun_at, kind, rows=rows)


class Filler:
    """Fills an engine from some shards. Any number of processes may run one."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        settings: Settings,
        aws: Aws,
        *,
        shards: Sequence[int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the shards of the engine's region."""
        self._database, self._engine, self._settings, self._aws = database, engine, settings, aws
        self._shards, self._clock = shards, clock

    async def run(self, stop: asyncio.Event) -> None:
        """Fill what is not filled, and look again at intervals, until `stop`."""
        while not stop.is_set():
            moved = False
            for shard in self._shards:
                try:
                    moved |= await self.step(shard)
                except Exception as error:  # noqa: BLE001 whatever it is, the worker's jobs go on, and PostgreSQL answers
                    _log.warning("search_fill_failed", shard=shard, error_type=type(error).__name__)
            await wait(stop, PAUSE_SECONDS if moved else LOOK_SECONDS)

    async def step(self, shard: int) -> bool:
        """Index one batch of a shard; whether there is more to do now.

        Live changes may happen at the same time: a row's entry has the time of its change as version, and an older one
        never wins. A row that is deleted meanwhile may stay in the index; searches show only what is in the database.
        """
        async with self._database.system_writer(shard) as connection, asyncio.timeout(SEND_SECONDS):
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return False
            progress = await self._read(shard)
            if progress is None:
                await self._begin(shard)
                return False
            if progress.kind is None or self._clock() < progress.begun_at + SETTLE_SECONDS:
                return False
            rows = await connection.fetch(_ROWS[progress.kind], progress.after)
            if rows:
                await index_rows(self._engine, self._settings, self._aws, progress.kind, rows)
            reached = progress.advanced([row["id"] for row in rows])
            await self._write(shard, reached)
        if reached.kind != progress.kind:
            _log.info("search_filled", shard=shard, job_type=progress.kind, count=reached.rows)
        return True

    async def _read(self, shard: int) -> Progress | None:
        path = f"/{STATE}/_doc/{shard}"
        answer = await self._engine.ask(self._settings, self._aws, "GET", path, accepted=frozenset({MISSING}))
        return Progress.of(answer["_source"]) if answer.get("found") else None

    async def _begin(self, shard: int) -> None:
        await create_indexes(self._engine, self._settings, self._aws)
        await self._engine.ask(self._settings, self._aws, "PUT", f"/{STATE}", MAPPING, accepted=frozenset({EXISTS}))
        await self._write(shard, Progress(self._clock()))
        _log.info("search_fill_begun", shard=shard)

    async def _write(self, shard: int, progress: Progress) -> None:
        body = {**progress._asdict(), "after": str(progress.after)}
        await self._engine.ask(self._settings, self._aws, "PUT", f"/{STATE}/_doc/{shard}", body)


class Filled:
    """Knows, for a minute at a time, which shards' rows the engine has all of. One a process that searches."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the engine."""
        self._engine, self._clock = engine, clock
        self._shards: frozenset[int] = frozenset()
        self._until = float("-inf")

    async def has(self, settings: Settings, aws: Aws, shards: Collection[int]) -> bool:
        """Whether the engine has all rows of these shards.

        Raises:
            EngineError: it does not answer.
        """
        if self._clock() >= self._until:
            every = [shard.id for shard in settings.shard_map.shards]
            body = {"ids": [str(one) for one in every]}
            path = f"/{STATE}/_mget"
            answer = await self._engine.ask(settings, aws, "POST", path, body, accepted=frozenset({MISSING}))
            try:
                found = {one["_id"]: Progress.of(one["_source"]) for one in answer.get("docs", ()) if "_source" in one}
            except (AttributeError, KeyError, TypeError, ValueError):
                raise EngineError(UNREADABLE) from None
            self._shards = frozenset(int(shard) for shard, progress in found.items() if progress.kind is None)
            self._until = self._clock() + LOOK_SECONDS
        return self._shards.issuperset(shards)


async def forget(engine: Engine, settings: Settings, aws: Aws) -> None:
    """Have the workers fill the engine anew; until they have, PostgreSQL answers.

    Raises:
        EngineError: the engine does not answer.
    """
    await engine.ask(settings, aws, "DELETE", f"/{STATE}", accepted=frozenset({MISSING}))
