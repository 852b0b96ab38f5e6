"""The queues that a role reads, from the start of a process until it has drained."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from app.api.search import Kind
from app.api.search_engine import Engine
from app.api.search_fill import Filler
from app.api.search_index import UnknownKindError, create_indexes, forget_rows, index_row
from app.aws import Aws
from app.cache.tiers import TieredCache
from app.data.database import Database
from app.mail import feedback
from app.mail.sending import Mailer
from app.ops.drain import Drain
from app.privacy.erasure import Erasure
from app.privacy.exports import Exports
from app.settings import Settings
from app.uploads.storage import Storage
from app.webhooks.delivery import Deliverer
from app.webhooks.payments import Payments
from app.webhooks.sender import Sender
from app.worker.consumer import Consumer, Handle
from app.worker.jobs import Job, MalformedError, decode
from app.worker.product import Product
from app.worker.relay import Relay
from app.worker.warming import Warmer

RELAYING_ROLE = "worker"
MARGIN_SECONDS = 10
"""Of the grace period, for giving messages back and closing what is open."""

_log = structlog.get_logger()


async def handlers(
    settings: Settings, database: Database, cache: TieredCache, *, aws: Aws, sender: Sender, engine: Engine
) -> dict[str, Handle]:
    """What does each kind of job. Every role has all of them: which jobs it gets, its queues decide."""
    s3 = await aws.client("s3")
    storage = Storage(s3, settings.uploads_bucket)
    exports = Exports(database, storage)
    key = settings.deployment_key
    mailer = Mailer(
        database,
        await aws.client("sesv2"),
        domain=settings.domain,
        configuration_set=settings.mail_configuration_set,
        key=key,
    )
    indexer = Indexer(settings, database, aws, engine)
    product = Product(database, s3, settings.uploads_bucket)
    return {
        "analytics-event": product.record_event,
        "email": mailer.send,
        "erasure": Erasure(database, storage, cache, indexer.forget).erase,
        "export": exports.export,
        "export-expiry": exports.expire,
        feedback.QUEUE: feedback.Feedback(database).note,
        "lead-score": product.score_lead,
        "payment": Payments(database, cache).note,
        "search-index": indexer.index,
        "video": product.finish_video,
        "webhook-delivery": Deliverer(database, sender, key).deliver,
    }


class Indexer:
    """Keeps the engine's indexes; the first job of a process makes those that are missing."""

    def __init__(self, settings: Settings, database: Database, aws: Aws, engine: Engine) -> None:
        """Take what `index_row` works with."""
        self._settings, self._database, self._aws, self._engine = settings, database, aws, engine
        self._has_indexes = False

    async def index(self, job: Job) -> None:
        """Payload: `kind` and `id` of the row. Without an engine there is nothing to do."""
        if self._settings.search_endpoint is None:
            return
        try:
            kind, row_id = str(job.payload["kind"]), UUID(job.payload["id"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise MalformedError from None
        if not self._has_indexes:
            await create_indexes(self._engine, self._settings, self._aws)
            self._has_indexes = True
        try:
            await index_row(
                self._database, self._engine, self._settings, self._aws, user_id=job.user, kind=kind, row_id=row_id
            )
        except UnknownKindError:
            raise MalformedError from None

    async def forget(self, rows: Sequence[tuple[Kind, UUID]]) -> None:
        """Take entries out for good; without an engine there are none."""
        if self._settings.search_endpoint is not None:
            await forget_rows(self._engine, self._settings, self._aws, rows)


def by_kind(found: Mapping[str, Handle]) -> Handle:
    """One function for jobs of all kinds. A kind that nobody knows may be a newer image's: it is tried again."""

    async def handle(job: Job) -> None:
        known = found.get(job.kind)
        if known is None:
            raise MalformedError
        await known(job)

    return handle


@asynccontextmanager
async def working(
    settings: Settings, drain: Drain, database: Database, cache: TieredCache, aws: Aws
) -> AsyncIterator[None]:
    """Read the queues of `settings.job_types` in the background; the role `worker` empties the outboxes too.

    When the process drains, no further job is begun; leaving waits for those that run, within the grace period.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    # In a signal handler: the loop may be asleep.
    drain.on_start(partial(_wake, loop, stop))
    async with Sender() as sender, Engine() as engine:
        found = await handlers(settings, database, cache, aws=aws, sender=sender, engine=engine)
        sqs = await aws.client("sqs")
        tasks = _readers(settings, sqs, found, stop)
        if settings.service_role == RELAYING_ROLE:
            # Each region's workers see to its own shards.
            own = [shard.id for shard in database.shards.all if shard.region == settings.aws_region]
            relay = Relay(database, sqs, settings.queue_urls, own)
            tasks.append(asyncio.create_task(relay.run(stop), name="relay"))
            tasks.append(asyncio.create_task(Warmer(database, cache).run(stop), name="warming"))
            if settings.search_endpoint is not None:
                filler = Filler(database, engine, settings, aws, shards=own)
                tasks.append(asyncio.create_task(filler.run(stop), name="search-fill"))
        for task in tasks:
            task.add_done_callback(_expect_stop)
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)


def _readers(
    settings: Settings, sqs: Any, found: Mapping[str, Handle], stop: asyncio.Event
) -> list[asyncio.Task[None]]:
    """One for each queue."""
    grace = max(1, settings.graceful_shutdown_seconds - MARGIN_SECONDS)
    return [
        asyncio.create_task(
            Consumer(
                sqs=sqs,
                queue=queue,
                url=settings.queue_urls[queue],
                handle=by_kind(found),
                decode=feedback.decode if queue == feedback.QUEUE else decode,
                kinds=frozenset(found),
            ).run(stop, grace),
            name=f"queue-{queue}",
        )
        for queue in settings.job_types
    ]


def _wake(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    loop.call_soon_threadsafe(stop.set)


def _expect_stop(task: asyncio.Task[None]) -> None:
    """A reader that broke would leave its queue to fill up unseen: the process ends, and Kubernetes starts it again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("worker_broken", exc_info=error)
        signal.raise_signal(signal.SIGTERM)
