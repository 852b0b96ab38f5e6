"""Jobs of the product itself: analytics, leads and videos."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import orjson
from botocore.exceptions import ClientError

from app.data.database import Database
from app.worker.jobs import Job, LaterError, MalformedError, first_time

UNSEEN_SECONDS = 30
_NOT_FOUND = 404


class Product:
    """What they all need."""

    def __init__(self, database: Database, s3: Any, bucket: str) -> None:
        """Take the shards, an aiobotocore client of `s3` and the bucket of uploads."""
        self._database, self._s3, self._bucket = database, s3, bucket

    async def record_event(self, job: Job) -> None:
        """One row of analytics; payload: `event_type`, `timestamp` (ISO), `session_id`, `properties`."""
        payload = job.payload
        try:
            event, at = str(payload["event_type"]), dt.datetime.fromisoformat(payload["timestamp"])
        except (KeyError, TypeError, ValueError):
            raise MalformedError from None
        async with self._database.system_writer(job.user) as connection:
            if await first_time(connection, job):
                await connection.execute(
                    'INSERT INTO analytics.analytics_events (user_id, session_id, event_type, "timestamp", properties) '
                    "VALUES ($1, $2, $3, $4, $5::jsonb)",
                    job.user,
                    payload.get("session_id"),
                    event,
                    at,
                    orjson.dumps(payload.get("properties", {})).decode(),
                )

    async def score_lead(self, job: Job) -> None:
        """Score a lead, 0 to 100, by how much is known of it; payload: `lead_id`. A stand-in for a model."""
        lead = _id(job, "lead_id")
        async with self._database.system_writer(job.user) as connection:
            # The same however often it is done.
            await connection.execute(
                "UPDATE leads SET score = 100 * ((name <> '')::int + (company <> '')::int + (email <> '')::int) / 3, "
                "updated_at = now() WHERE id = $1 AND user_id = $2",
                lead,
                job.user,
            )

    async def finish_video(self, job: Job) -> None:
        """Mark a video ready once its object is there; payload: `video_id`. Nothing is transcoded.

        Raises:
            LaterError: the object is not there yet.
        """
        video = _id(job, "video_id")
        async with self._database.system_writer(job.user) as connection:
            key = await connection.fetchval(
                "SELECT object_key FROM videos WHERE id = $1 AND user_id = $2", video, job.user
            )
        if key is None:
            return
        try:
            await self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == _NOT_FOUND:
                raise LaterError(UNSEEN_SECONDS) from None
            raise
        async with self._database.system_writer(job.user) as connection:
            await connection.execute(
                "UPDATE videos SET status = 'ready', updated_at = now() WHERE id = $1 AND status = 'uploaded'", video
            )


def _id(job: Job, name: str) -> UUID:
    try:
        return UUID(job.payload[name])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise MalformedError from None
