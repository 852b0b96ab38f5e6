from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import EndpointConnectionError

from app.aws import Aws
from app.data.errors import FrozenError
from app.worker import consumer
from app.worker.consumer import Consumer, Handle, pause_seconds
from app.worker.jobs import Job, LaterError, decode
from tests.app.worker.conftest import Queue, until

OpenAws = Callable[[], AbstractAsyncContextManager[Aws]]
NewQueue = Callable[..., Queue]


def message(number: int = 0) -> str:
    return Job(id=uuid4(), kind="email", user_id=uuid4(), payload={"number": number}).encode()


def reading(sqs: Any, queue: Queue, handle: Handle, **options: Any) -> Consumer:
    given = {"visibility_seconds": 30, "wait_seconds": 1, **options}
    return Consumer(
        sqs=sqs, queue="email", url=queue.url, handle=handle, decode=decode, kinds=frozenset({"email"}), **given
    )


@pytest.mark.anyio
async def test_jobs_are_done_so_many_at_a_time_and_deleted(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop, done, now, most = new_queue(), asyncio.Event(), [], 0, 0
    for number in range(25):
        queue.send(message(number))

    async def handle(job: Job) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1
        done.append(job.payload["number"])

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle, concurrency=4).run(stop, 5))
        await until(lambda: len(done) == 25)
        stop.set()
        await task

    assert sorted(done) == list(range(25))
    assert most == 4
    assert queue.depth() == (0, 0)


@pytest.mark.anyio
async def test_two_workers_share_a_queue(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop = new_queue(), asyncio.Event()
    done: list[tuple[int, UUID]] = []
    for _ in range(40):
        queue.send(message())

    def worker(number: int) -> Handle:
        async def handle(job: Job) -> None:
            await asyncio.sleep(0.05)
            done.append((number, job.id))

        return handle

    async with open_aws() as aws:
        sqs = await aws.client("sqs")
        tasks = [asyncio.create_task(reading(sqs, queue, worker(n), concurrency=3).run(stop, 5)) for n in range(2)]
        await until(lambda: len(done) == 40)
        stop.set()
        await asyncio.gather(*tasks)

    assert len({job for _, job in done}) == 40
    assert min(Counter(number for number, _ in done).values()) > 5


@pytest.mark.anyio
async def test_a_job_that_takes_longer_than_its_message_is_hidden_is_not_done_twice(
    open_aws: OpenAws, new_queue: NewQueue
) -> None:
    queue, stop, begun = new_queue(visibility_seconds=2), asyncio.Event(), []
    queue.send(message())

    async def handle(job: Job) -> None:
        begun.append(job.id)
        await asyncio.sleep(5)

    async with open_aws() as aws:
        sqs = await aws.client("sqs")
        tasks = [asyncio.create_task(reading(sqs, queue, handle, visibility_seconds=2).run(stop, 10)) for _ in range(2)]
        await asyncio.sleep(4)
        stop.set()
        await asyncio.gather(*tasks)

    assert len(begun) == 1
    assert queue.depth() == (0, 0)


@pytest.mark.anyio
async def test_draining_finishes_what_runs_and_begins_nothing(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop, begun, done = new_queue(), asyncio.Event(), [], []
    for number in range(6):
        queue.send(message(number))

    async def handle(job: Job) -> None:
        begun.append(job.id)
        await asyncio.sleep(1)
        done.append(job.id)

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle, concurrency=2).run(stop, 10))
        await until(lambda: len(begun) == 2)
        stop.set()
        await task

    assert begun == done
    assert len(done) == 2
    assert queue.depth() == (4, 0)


@pytest.mark.anyio
async def test_a_job_longer_than_the_grace_period_is_given_back_at_once(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop, begun = new_queue(), asyncio.Event(), []
    queue.send(message())

    async def handle(job: Job) -> None:
        begun.append(job.id)
        await asyncio.sleep(60)

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle).run(stop, 0.2))
        await until(lambda: bool(begun))
        stop.set()
        await task

    assert queue.depth() == (1, 0)


@pytest.mark.anyio
async def test_what_a_last_poll_brings_goes_back(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop, begun = new_queue(), asyncio.Event(), []

    async def handle(job: Job) -> None:
        begun.append(job.id)

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle, wait_seconds=5).run(stop, 1))
        await asyncio.sleep(1)
        stop.set()
        queue.send(message())
        await task

    assert begun == []
    assert queue.depth() == (1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("body", ["no json", "[]", '{"id": "1"}', json.dumps({"kind": "email", "payload": 1})])
async def test_what_cannot_be_done_is_set_aside_after_so_many_times(
    open_aws: OpenAws, new_queue: NewQueue, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    queue, stop = new_queue(receives=3), asyncio.Event()
    monkeypatch.setattr(consumer, "pause_seconds", lambda receives: 0 * receives)
    queue.send(body)

    async def handle(_: Job) -> None:
        pytest.fail("it is no job")

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle).run(stop, 1))
        await until(lambda: queue.depth() == (0, 0) and queue.set_aside() == 1)
        stop.set()
        await task


@pytest.mark.anyio
async def test_a_failed_job_is_tried_again_after_a_pause(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop, tries = new_queue(), asyncio.Event(), []
    queue.send(message())

    async def handle(_: Job) -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) == 1:
            raise LaterError(2)

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle).run(stop, 1))
        await until(lambda: len(tries) == 2)
        stop.set()
        await task

    assert tries[1] - tries[0] >= 1.5
    assert queue.depth() == (0, 0)


@pytest.mark.anyio
async def test_a_job_of_a_user_who_is_moving_waits_for_minutes_and_is_no_failure(
    open_aws: OpenAws, new_queue: NewQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 4 * consumer.FROZEN_SECONDS >= 40 * 60
    monkeypatch.setattr(consumer, "FROZEN_SECONDS", 2)
    queue, stop, tries = new_queue(), asyncio.Event(), []
    queue.send(message())

    async def handle(_: Job) -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) == 1:
            raise FrozenError(7)

    async with open_aws() as aws:
        task = asyncio.create_task(reading(await aws.client("sqs"), queue, handle).run(stop, 1))
        await until(lambda: len(tries) == 2)
        stop.set()
        await task

    assert tries[1] - tries[0] >= 1.5
    assert queue.depth() == (0, 0)


class Flaky:
    """SQS, which refuses one message of the first batch of deletions, and whose next call does not arrive."""

    def __init__(self, sqs: Any) -> None:
        self._sqs, self.calls = sqs, 0

    def __getattr__(self, name: str) -> Any:
        """Everything else."""
        return getattr(self._sqs, name)

    async def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803
        self.calls += 1
        if self.calls == 2:
            raise EndpointConnectionError(endpoint_url="sqs")
        if self.calls == 1:
            answer = await self._sqs.delete_message_batch(QueueUrl=QueueUrl, Entries=Entries[1:])
            return {**answer, "Failed": [{"Id": Entries[0]["Id"], "SenderFault": False, "Code": "InternalError"}]}
        return await self._sqs.delete_message_batch(QueueUrl=QueueUrl, Entries=Entries)


@pytest.mark.anyio
async def test_deletions_that_fail_in_part_are_tried_again(open_aws: OpenAws, new_queue: NewQueue) -> None:
    queue, stop, done = new_queue(), asyncio.Event(), []
    for _ in range(5):
        queue.send(message())

    async def handle(job: Job) -> None:
        done.append(job.id)

    async with open_aws() as aws:
        flaky = Flaky(await aws.client("sqs"))
        task = asyncio.create_task(reading(flaky, queue, handle).run(stop, 1))
        await until(lambda: queue.depth() == (0, 0))
        stop.set()
        await task

    assert len(done) == 5
    assert flaky.calls >= 3


@pytest.mark.anyio
async def test_an_outage_of_the_queue_ends_nothing(
    open_aws: OpenAws, new_queue: NewQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, stop, done, failures = new_queue(), asyncio.Event(), [], 2
    monkeypatch.setattr(consumer, "TROUBLE_SECONDS", 0.05)
    queue.send(message())

    async def handle(job: Job) -> None:
        done.append(job.id)

    async with open_aws() as aws:
        sqs = await aws.client("sqs")

        class Down:
            def __getattr__(self, name: str) -> Any:
                """Everything else."""
                return getattr(sqs, name)

            async def receive_message(self, **given: Any) -> Any:
                nonlocal failures
                if failures:
                    failures -= 1
                    raise EndpointConnectionError(endpoint_url="sqs")
                return await sqs.receive_message(**given)

        task = asyncio.create_task(reading(Down(), queue, handle).run(stop, 1))
        with suppress(TimeoutError):
            await until(lambda: bool(done))
        stop.set()
        await task

    assert len(done) == 1


def test_pauses_grow_to_a_quarter_of_an_hour() -> None:
    assert all(15 <= pause_seconds(1) <= 30 for _ in range(100))
    # Five attempts are four pauses.
    assert sum(pause_seconds(receives) for receives in (1, 2, 3, 4)) >= 600
    assert all(450 <= pause_seconds(20) <= 900 for _ in range(100))
