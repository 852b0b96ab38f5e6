"""The API with the parts that work with queues and the bucket, and a way to do what it asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import boto3
import psycopg

from app.api.search_engine import Engine
from app.assembly import auth_settings
from app.auth.keys import KeyRing
from app.auth.tokens import Tokens
from app.aws import Aws
from app.data.database import Access, Database
from app.data.shards import Shards
from app.main import create_app
from app.settings import Settings
from app.webhooks.sender import Sender
from app.worker.jobs import Job
from app.worker.service import by_kind, handlers
from tests.app.api.world import Api
from tests.app.stores import caching
from tests.app.wired import started
from tests.app.worker.conftest import REGION

BUCKET = "uploads"
EMPTY = """TRUNCATE audit_log, erasures, mail_senders, mail_suppressions, processed_jobs, webhook_events,
    webhook_providers, video_views, analytics.analytics_events, consents"""
"""What does not go with the users."""


class World(Api):
    """The API, what it asked to be done later, and who does that."""

    database: Database
    handle: Callable[[Job], Any]
    owner: psycopg.Connection
    given: Settings

    async def token(self, user: UUID, *, second_factor: bool) -> str:
        """An access token of the user's session."""
        row = self.owner.execute("SELECT session_id FROM auth_sessions WHERE user_id = %s", (user,)).fetchone()
        assert row is not None
        keys = self.given.signing_keys
        assert keys is not None

        async def load() -> str:
            return keys.get_secret_value()

        tokens = Tokens(auth_settings(self.given), await KeyRing.open(load))
        return tokens.issue_access(user, row[0], second_factor=second_factor, second_factor_due=False)

    def asked(self, kind: str) -> list[Job]:
        """Jobs in the outbox, past row-level security."""
        query = "SELECT id, user_id, payload FROM outbox WHERE topic = %s ORDER BY position"
        rows = self.owner.execute(query, (kind,)).fetchall()
        return [Job(id=one, kind=kind, user_id=user, payload=payload) for one, user, payload in rows]

    async def do(self, kind: str) -> int:
        """Do and forget all jobs of a kind; their number."""
        jobs = self.asked(kind)
        for job in jobs:
            self.owner.execute("DELETE FROM outbox WHERE id = %s", (job.id,))
            await self.handle(job)
        return len(jobs)

    def actions(self, user: UUID) -> list[str]:
        """What the audit log has of a user."""
        query = "SELECT action FROM audit_log WHERE user_id = %s ORDER BY created_at"
        return [action for (action,) in self.owner.execute(query, (user,))]


@asynccontextmanager
async def world(given: Settings, owner: psycopg.Connection, sender: Sender | None = None) -> AsyncIterator[World]:
    """One process that answers and one that works, on the servers of `given` and on moto."""
    owner.execute(EMPTY)
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET)
    async with AsyncExitStack() as stack:
        made = create_app(given)
        here = World(await stack.enter_async_context(started(made)), stack)
        here.owner, here.given = owner, given
        here.database = await stack.enter_async_context(Database(Access.of(given), Shards(given.shard_map)))
        cache = await stack.enter_async_context(caching(given.cache_url, budget_seconds=1))
        aws = await stack.enter_async_context(Aws(REGION))
        out = await stack.enter_async_context(sender or Sender())
        engine = await stack.enter_async_context(Engine())
        here.handle = by_kind(await handlers(given, here.database, cache, aws=aws, sender=out, engine=engine))
        try:
            yield here
        finally:
            for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
                s3.delete_object(Bucket=BUCKET, Key=one["Key"])


def stored(key: str) -> bytes | None:
    """An object's content; None without one."""
    s3 = boto3.client("s3", region_name=REGION)
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", ())
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() if found else None


def policy(fields: dict[str, str]) -> dict[str, Any]:
    """The policy of a form, as S3 reads it."""
    read: dict[str, Any] = json.loads(base64.b64decode(fields["policy"]))
    return read
