"""Reads one queue: long polls, so many jobs at a time, and no message lost when the pod goes.

A message is hidden from others while its job runs; a heartbeat keeps it so. What succeeded is deleted in batches, what
failed shows up again after a pause, and after `maxReceiveCount` times SQS sets it aside. A process that dies leaves its
messages hidden for `VISIBILITY_SECONDS` at most; somebody else does the jobs again, which is why they are idempotent.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from app.data.errors import FrozenError
from app.ops.metrics import Counter, Gauge, Histogram
from app.worker.jobs import Job, LaterError, MalformedError
from app.worker.relay import wait

VISIBILITY_SECONDS = 120
"""The queues' own."""
WAIT_SECONDS = 20
"""Of a poll, the longest there is."""
CONCURRENCY = 10
"""Jobs of a queue at a time in a process: they wait for others more than they compute."""
JOB_SECONDS = 900
"""A job that runs for longer is broken off, and counts as failed."""
BATCH = 10
"""Messages in one call to SQS."""
DELETE_DELAY_SECONDS = 0.1
"""Waited for a batch of deletions to fill."""
DELETE_ATTEMPTS = 3
TROUBLE_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30, 900
FROZEN_SECONDS = 600
"""Until a job of a user whose slot moves is tried again: five attempts last for 40 minutes (docs/shards.md)."""
UNKNOWN = "unknown"

Handle = Callable[[Job], Awaitable[None]]
"""Does a job. Returns when it is done, raises when not; `LaterError` says when to try again."""
Decode = Callable[[str], Job]

done = Counter("jobs_total", "Jobs that ended.", ("queue", "kind", "outcome"))
seconds = Histogram("job_duration_seconds", "Time that a job took.", ("queue", "kind"))
waited = Histogram(
    "job_wait_seconds", "From the message to its first attempt.", ("queue",), bounds=(0.1, 0.5, 1, 5, 15, 60, 300, 3600)
)
in_flight = Gauge("jobs_in_flight", "Jobs that run.", ("queue",))

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Message:
    """One that this process has."""

    receipt: str
    body: str
    receives: int
    sent_at: float

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Message:
        """As SQS gives it."""
        attributes = raw.get("Attributes", {})
        return cls(
            receipt=raw["ReceiptHandle"],
            body=raw["Body"],
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at=int(attributes.get("SentTimestamp", time.time() * 1_000)) / 1_000,
        )


@dataclass(kw_only=True, slots=True)
class Consumer:
    """Of one queue, in one process.

    Attributes:
        sqs: aiobotocore's client.
        queue: its name, for logs and metrics.
        url: its address.
        handle: does the jobs.
        decode: reads them.
        kinds: of jobs that may come, which metrics name.
        concurrency: jobs at a time.
        visibility_seconds: for how long a message is hidden without a heartbeat.
        wait_seconds: of a poll.
    """

    sqs: Any
    queue: str
    url: str
    handle: Handle
    decode: Decode
    kinds: frozenset[str]
    concurrency: int = CONCURRENCY
    visibility_seconds: int = VISIBILITY_SECONDS
    wait_seconds: int = WAIT_SECONDS
    _running: dict[Message, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _finished: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue, init=False)
    _free: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def run(self, stop: asyncio.Event, grace_seconds: float) -> None:
        """Do jobs until `stop`, then finish those that run.

        A poll under way is waited for: a message that SQS has given away to nobody would stay hidden. What it brings
        goes straight back.

        Args:
            stop: no further job is begun.
            grace_seconds: from then on; jobs that need longer are broken off, and their messages given back.
        """
        heartbeat, deleter = asyncio.create_task(self._heartbeat()), asyncio.create_task(self._delete())
        try:
            while not stop.is_set():
                await self._poll(stop)
            await self._finish(grace_seconds)
        finally:
            heartbeat.cancel()
            self._finished.put_nowait(None)
            await asyncio.wait([heartbeat, deleter])

    async def _poll(self, stop: asyncio.Event) -> None:
        room = self.concurrency - len(self._running)
        if room <= 0:
            self._free.clear()
            either = [asyncio.create_task(self._free.wait()), asyncio.create_task(stop.wait())]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            for task in either:
                task.cancel()
            return
        try:
            answer = await self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(BATCH, room),
                WaitTimeSeconds=self.wait_seconds,
                VisibilityTimeout=self.visibility_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        except (BotoCoreError, ClientError, OSError) as error:
            _log.warning("queue_unreadable", queue=self.queue, error_type=type(error).__name__)
            await wait(stop, TROUBLE_SECONDS)
            return
        messages = [Message.of(raw) for raw in answer.get("Messages", ())]
        if stop.is_set():
            await self._hide([(one, 0) for one in messages])
            return
        for message in messages:
            if message.receives == 1:
                waited.observe(max(0.0, time.time() - message.sent_at), self.queue)
            self._running[message] = asyncio.create_task(self._do(message), name=f"job-{self.queue}")
        in_flight.set(len(self._running), self.queue)

    async def _finish(self, grace_seconds: float) -> None:
        if not self._running:
            return
        _, left = await asyncio.wait(self._running.values(), timeout=grace_seconds)
        if left:
            _log.warning("jobs_given_back", queue=self.queue, count=len(left))
            given_back = [(message, 0) for message, task in self._running.items() if task in left]
            for task in left:
                task.cancel()
            await asyncio.wait(left)
            await self._hide(given_back)

    async def _do(self, message: Message) -> None:
        kind, outcome, begin = UNKNOWN, "failed", time.perf_counter()
        try:
            job = self.decode(message.body)
            kind = job.kind if job.kind in self.kinds else UNKNOWN
            async with asyncio.timeout(JOB_SECONDS):
                await self.handle(job)
            outcome = "done"
            self._finished.put_nowait(message.receipt)
        except asyncio.CancelledError:
            outcome = "given-back"
            raise
        except LaterError as later:
            outcome = "later"
            await self._hide([(message, later.seconds)])
        except FrozenError:
            outcome = "later"
            await self._hide([(message, FROZEN_SECONDS)])
        except Exception as error:  # noqa: BLE001 whatever it is, the message comes again; the last time is an alarm
            if not isinstance(error, MalformedError):
                _log.exception("job_failed", queue=self.queue, job_type=kind, count=message.receives)
            await self._hide([(message, pause_seconds(message.receives))])
        finally:
            del self._running[message]
            in_flight.set(len(self._running), self.queue)
            done.add(1, self.queue, kind, outcome)
            seconds.observe(time.perf_counter() - begin, self.queue, kind)
            self._free.set()

    async def _heartbeat(self) -> None:
        """Three times in the time that a message is hidden, so that one call may fail."""
        while True:
            await asyncio.sleep(self.visibility_seconds / 3)
            await self._hide([(message, self.visibility_seconds) for message in self._running])

    async def _hide(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Hide messages for so many seconds from now; 0 shows them to everybody.

        Where that fails the message shows up earlier or later than meant, no more.
        """
        for start in range(0, len(messages), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": hidden}
                for number, (message, hidden) in enumerate(messages[start : start + BATCH])
            ]
            try:
                answer = await self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
            except (BotoCoreError, ClientError, OSError) as error:
                _log.warning("visibility_unchanged", queue=self.queue, error_type=type(error).__name__)
                continue
            if failed := answer.get("Failed"):
                _log.warning("visibility_unchanged", queue=self.queue, count=len(failed))

    async def _delete(self) -> None:
        """Delete what is put into `_finished`, up to a None."""
        is_last = False
        while not is_last:
            found = [await self._finished.get()]
            if found != [None]:
                await asyncio.sleep(DELETE_DELAY_SECONDS)
            found += [self._finished.get_nowait() for _ in range(self._finished.qsize())]
            is_last = None in found
            await self._delete_batch([receipt for receipt in found if receipt is not None])

    async def _delete_batch(self, receipts: Sequence[str]) -> None:
        """Delete; what SQS refuses is tried again, a few times. Beyond, the jobs come once more, and find all done."""
        left = list(receipts)
        for attempt in range(DELETE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(attempt)
            failed: list[str] = []
            for start in range(0, len(left), BATCH):
                failed += await self._delete_some(left[start : start + BATCH])
            left = failed
            if not left:
                return
        _log.warning("messages_not_deleted", queue=self.queue, count=len(left))

    async def _delete_some(self, receipts: Sequence[str]) -> list[str]:
        """Those that are still there."""
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        try:
            answer = await self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        except (BotoCoreError, ClientError, OSError):
            return list(receipts)
        return [receipts[int(one["Id"])] for one in answer.get("Failed", ())]


def pause_seconds(receives: int) -> int:
    """Before the next attempt: 30 s, 2, 8 and 15 minutes, up to half of it less at random.

    So five attempts outlast a failover of the database.
    """
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 4 ** (receives - 1))
    return round(random.uniform(longest / 2, longest))  # noqa: S311 spreads load, keeps no secret
