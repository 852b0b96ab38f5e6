"""Queues, a bucket and mail on moto; rows on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

from app.aws import Aws
from app.data.database import Database
from tests.app.data.conftest import Opener, open_database
from tests.moto_server import moto_server

__all__ = ["Opener", "open_database"]

REGION = "us-east-1"


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    """An empty account, found by every client of the module and of processes that it starts."""
    with moto_server() as url, pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        }.items():
            patch.setenv(key, value)
        yield url


class Queue:
    """A queue as the stacks make it, seen from outside of the application."""

    def __init__(self, name: str, *, visibility_seconds: int = 120, receives: int = 5) -> None:
        self.sqs = boto3.client("sqs", region_name=REGION)
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": receives}
        attributes = {"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": json.dumps(redrive)}
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def depth(self) -> tuple[int, int]:
        """Messages that can be received, and messages that somebody has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def set_aside(self) -> int:
        return len(self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", ()))

    def receive(self) -> list[dict[str, Any]]:
        """Bodies of up to ten messages, which are gone with that."""
        found = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", ())
        for one in found:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return [json.loads(one["Body"]) for one in found]


@pytest.fixture
def new_queue(aws_url: str) -> Callable[..., Queue]:
    """Make a queue with a name of its own."""
    assert aws_url
    return lambda **options: Queue(f"q-{uuid4().hex}", **options)


@pytest.fixture
def open_aws(aws_url: str) -> Callable[[], AbstractAsyncContextManager[Aws]]:
    """The application's clients, on moto."""
    assert aws_url

    @contextlib.asynccontextmanager
    async def _open() -> AsyncIterator[Aws]:
        async with Aws(REGION) as aws:
            yield aws

    return _open


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait until it holds; it is another task's or another process's."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if (await found) if isawaitable(found) else found:
                return
            await asyncio.sleep(0.05)


async def new_user(database: Database, email: str | None = None) -> UUID:
    """A user with a row on the shard."""
    user = uuid4()
    async with database.writer(user) as connection:
        await connection.execute("INSERT INTO users (id, email) VALUES ($1, $2)", user, email or f"{user}@example.com")
    return user
