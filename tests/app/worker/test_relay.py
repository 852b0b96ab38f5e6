from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest

from app.aws import Aws
from app.data.database import Database
from app.worker.jobs import MAXIMUM_BYTES, SWEEP, TooLargeError, enqueue
from app.worker.relay import Relay
from tests.app.worker.conftest import Opener, Queue, new_user, until

OpenAws = Callable[[], AbstractAsyncContextManager[Aws]]
NewQueue = Callable[..., Queue]


async def ask(database: Database, user: UUID, *numbers: int, **options: Any) -> None:
    async with database.writer(user) as connection:
        for number in numbers:
            await enqueue(connection, "email", user, {"number": number}, **options)


async def left(database: Database) -> int:
    async with database.system_writer(0) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM outbox"))


@pytest.mark.anyio
async def test_a_job_is_sent_if_and_only_if_its_transaction_was_committed(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue
) -> None:
    queue = new_queue()
    async with open_database() as database, open_aws() as aws:
        user = await new_user(database)
        await ask(database, user, 1)

        async def fail() -> None:
            async with database.writer(user) as connection:
                await enqueue(connection, "email", user, {"number": 2})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        urls = {"email": queue.url, "export": new_queue().url}
        assert await Relay(database, await aws.client("sqs"), urls, [0]).relay(0) == 1
        assert await left(database) == 0

    (body,) = queue.receive()
    assert (body["kind"], body["user_id"], body["payload"]) == ("email", str(user), {"number": 1})


@pytest.mark.anyio
async def test_the_jobs_of_a_user_go_in_their_order(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue
) -> None:
    sent: list[int] = []
    queue = new_queue()
    async with open_database() as database, open_aws() as aws:
        user = await new_user(database)
        await ask(database, user, *range(15))
        for number in range(15, 20):
            await ask(database, user, number)
        relay = Relay(database, await aws.client("sqs"), {"email": queue.url, "export": queue.url}, [0])
        inner = relay._send_round

        async def note(rows: Any) -> Any:
            sent.extend(orjson.loads(row["payload"])["number"] for row in rows)
            return await inner(rows)

        relay._send_round = note  # type: ignore[method-assign]
        assert await relay.relay(0) == 20

    assert sent == list(range(20))


class Refusing:
    """SQS, which refuses one message."""

    def __init__(self, sqs: Any, number: int) -> None:
        self._sqs, self._text = sqs, f'"number":{number}}}'

    async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803
        bad = [one["Id"] for one in Entries if self._text in one["MessageBody"]]
        good = [one for one in Entries if one["Id"] not in bad]
        answer = await self._sqs.send_message_batch(QueueUrl=QueueUrl, Entries=good) if good else {}
        return {**answer, "Failed": [{"Id": one} for one in bad]}


@pytest.mark.anyio
async def test_of_a_batch_that_is_refused_in_part_the_rest_goes_and_nothing_overtakes(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue
) -> None:
    queue = new_queue()
    urls = {"email": queue.url, "export": queue.url}
    async with open_database() as database, open_aws() as aws:
        sqs = await aws.client("sqs")
        first, second = await new_user(database), await new_user(database)
        await ask(database, first, 1, 2, 3)
        await ask(database, second, 11, 12)

        assert await Relay(database, Refusing(sqs, 2), urls, [0]).relay(0) == 3
        assert sorted(body["payload"]["number"] for body in queue.receive()) == [1, 11, 12]
        assert await Relay(database, sqs, urls, [0]).relay(0) == 2
        assert sorted(body["payload"]["number"] for body in queue.receive()) == [2, 3]


@pytest.mark.anyio
async def test_relays_at_the_same_time_send_each_job_once(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue
) -> None:
    queue, stop = new_queue(), asyncio.Event()
    urls = {"email": queue.url, "export": queue.url}
    async with open_database(connections=8) as database, open_aws() as aws:
        sqs = await aws.client("sqs")
        user = await new_user(database)
        await ask(database, user, *range(150))
        tasks = [asyncio.create_task(Relay(database, sqs, urls, [0]).run(stop)) for _ in range(3)]

        async def is_empty() -> bool:
            return not await left(database)

        await until(is_empty)
        stop.set()
        await asyncio.gather(*tasks)

    found = [body for _ in range(40) for body in queue.receive()]
    assert sorted(body["payload"]["number"] for body in found) == list(range(150))


@pytest.mark.anyio
async def test_a_job_is_not_sent_before_it_is_due(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue
) -> None:
    queue = new_queue()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    async with open_database() as database, open_aws() as aws:
        user = await new_user(database)
        await ask(database, user, 1, due_at=later)
        relay = Relay(database, await aws.client("sqs"), {"email": queue.url, "export": queue.url}, [0])

        assert await relay.relay(0) == 0
        await asyncio.sleep(2)
        assert await relay.relay(0) == 1


@pytest.mark.anyio
async def test_a_kind_without_a_queue_of_its_own_goes_to_the_one_for_the_rest(
    open_database: Opener, open_aws: OpenAws, new_queue: NewQueue
) -> None:
    export = new_queue()
    async with open_database() as database, open_aws() as aws:
        user = await new_user(database)
        async with database.writer(user) as connection:
            await enqueue(connection, "video", user, {"video_id": str(uuid4())})
        await Relay(database, await aws.client("sqs"), {"export": export.url}, [0]).relay(0)

    assert [body["kind"] for body in export.receive()] == ["video"]


@pytest.mark.anyio
async def test_messages_fit_into_what_sqs_takes(open_database: Opener, open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue = new_queue()
    async with open_database() as database, open_aws() as aws:
        users = [await new_user(database) for _ in range(3)]
        for user in users:
            async with database.writer(user) as connection:
                await enqueue(connection, "email", user, {"text": "x" * (MAXIMUM_BYTES - 100)})
        with pytest.raises(TooLargeError):
            async with database.writer(users[0]) as connection:
                await enqueue(connection, "email", users[0], {"text": "x" * MAXIMUM_BYTES})

        urls = {"email": queue.url, "export": queue.url}
        assert await Relay(database, await aws.client("sqs"), urls, [0]).relay(0) == 3


def test_what_only_says_that_something_was_done_is_swept_after_a_month(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        for days in (0, 31):
            at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
            owner.execute("INSERT INTO processed_jobs (job_id, processed_at) VALUES (%s, %s)", (uuid4(), at))
            owner.execute(
                "INSERT INTO webhook_events (provider, event_id, received_at) VALUES ('payment', %s, %s)", (days, at)
            )
        deleted = [owner.execute(statement).rowcount for statement in SWEEP]

    assert deleted == [1, 0, 0, 1]
