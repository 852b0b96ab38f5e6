from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest

from app.api.search_engine import Engine
from app.aws import Aws
from app.data.database import Database
from app.mail import feedback
from app.ops.drain import Drain
from app.webhooks.sender import Sender
from app.worker import service
from app.worker.consumer import Consumer
from app.worker.jobs import OTHERWISE, QUEUES, Job, Kind, MalformedError, enqueue
from app.worker.service import by_kind, handlers, working
from components.workload_access import CONSUMERS, jobs
from stacks.phases import PHASES
from tests.app.environment import settings as read_settings
from tests.app.servers import Postgres
from tests.app.worker import victim
from tests.app.worker.conftest import Opener, Queue, new_user, until

NO_CACHE: Any = None
"""These jobs change nothing that is cached."""

OpenAws = Callable[[], AbstractAsyncContextManager[Aws]]
NewQueue = Callable[..., Queue]


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stops waits for its last poll."""
    monkeypatch.setattr(service, "Consumer", partial(Consumer, wait_seconds=1))


def stack_queues() -> list[set[str]]:
    """The queues of each phase in each size."""
    return [{*phase.messaging.queues, feedback.QUEUE} for sizes in PHASES.values() for phase in sizes.values()]


def test_every_queue_of_every_phase_gets_jobs_and_every_kind_has_a_queue() -> None:
    for queues in stack_queues():
        assert queues - {feedback.QUEUE} <= set(QUEUES.values())
        assert OTHERWISE in queues
        assert set(CONSUMERS) <= {*QUEUES.values(), feedback.QUEUE}
        # Whoever reads them, somebody does.
        assert sorted(
            one
            for role in ("worker", "email", "search", "analytics", "leads", "video")
            for one in jobs(role, ["worker", "email", "search", "analytics", "leads", "video"], queues)
        ) == sorted(queues)
    assert set(get_args(Kind)) == set(QUEUES)


@pytest.mark.anyio
async def test_every_kind_of_job_has_a_handler(open_database: Opener, open_aws: OpenAws, tmp_path: Path) -> None:
    async with open_database() as database, open_aws() as aws:
        found = await handlers(read_settings(tmp_path), database, NO_CACHE, aws=aws, sender=Sender(), engine=Engine())

    assert set(found) == {*get_args(Kind), feedback.QUEUE}


async def events(database: Database) -> int:
    async with database.system_writer(0) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM analytics.analytics_events"))


@pytest.mark.anyio
@pytest.mark.parametrize("before_commit", [True, False])
async def test_a_worker_killed_in_the_middle_of_a_job_leaves_it_done_once(
    open_database: Opener,
    open_aws: OpenAws,
    new_queue: NewQueue,
    postgres: Postgres,
    database: str,
    aws_url: str,
    tmp_path: Path,
    before_commit: bool,
) -> None:
    queue, mark = new_queue(visibility_seconds=3), tmp_path / "mark"
    stand_in = new_queue()
    given = {f"QUEUE_URL_{name.upper()}": stand_in.url for name in ("EMAIL", "EXPORT")}
    settings = read_settings(
        tmp_path,
        SERVICE_ROLE="worker",
        JOB_TYPES="analytics",
        QUEUE_URL_ANALYTICS=queue.url,
        GRACEFUL_SHUTDOWN_SECONDS="15",
        **given,
    )
    async with open_database() as shards:
        user = await new_user(shards)
        now = dt.datetime.now(dt.UTC).isoformat()
        payload = {"event_type": "opened", "timestamp": now}
        queue.send(Job(id=uuid4(), kind="analytics-event", user_id=user, payload=payload).encode())
        process = get_context("spawn").Process(
            target=victim.work,
            args=(queue.url, postgres.port, database, aws_url, str(mark)),
            kwargs={"before_commit": before_commit},
        )
        process.start()
        await until(mark.exists, 40)
        process.kill()
        process.join()
        assert await events(shards) == (0 if before_commit else 1)

        async with open_aws() as aws, working(settings, Drain(), shards, NO_CACHE, aws):
            await until(lambda: queue.depth() == (0, 0))
        assert await events(shards) == 1


@pytest.mark.anyio
async def test_a_job_goes_from_a_transaction_through_the_queue_to_its_effect(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue, tmp_path: Path
) -> None:
    leads, other = new_queue(), new_queue()
    settings = read_settings(
        tmp_path,
        SERVICE_ROLE="worker",
        JOB_TYPES="leads",
        QUEUE_URL_LEADS=leads.url,
        QUEUE_URL_EXPORT=other.url,
        GRACEFUL_SHUTDOWN_SECONDS="15",
    )
    drain = Drain()
    async with open_database() as database, open_aws() as aws, working(settings, drain, database, NO_CACHE, aws):
        user = await new_user(database)
        async with database.writer(user) as connection:
            lead = await connection.fetchval(
                "INSERT INTO leads (user_id, email, name) VALUES ($1, 'a@example.org', 'Ada') RETURNING id", user
            )
            await enqueue(connection, "lead-score", user, {"lead_id": str(lead)})

        async def is_scored() -> bool:
            async with database.reader(user) as reading:
                return bool(await reading.fetchval("SELECT score FROM leads") == 66)

        await until(is_scored)
        drain.start()

    assert leads.depth() == (0, 0)


@pytest.mark.anyio
async def test_a_kind_that_this_image_does_not_know_is_not_taken_for_done() -> None:
    with pytest.raises(MalformedError):
        await by_kind({})(Job(id=uuid4(), kind="newer", user_id=None, payload={}))
